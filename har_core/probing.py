"""What a model goes by: the same clips shown as they are, out of order, one frame alone, dim, blurred, at another rate.

A clip is decoded once for all conditions. Those that only change the order of frames reuse the embeddings of the clip
as it is: only the LSTM runs again, which takes less than a millisecond.
"""

import hashlib
import os
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_core import checkpoint, errors, video
from har_core.calibration import logits_of, tempered
from har_core.checkpoint import Card
from har_core.comparison import SURE, Comparison, compare, points, probability
from har_core.dataset import Dataset
from har_core.engine import ENCODE_AT_ONCE
from har_core.errors import CheckpointError, DatasetError, HarError
from har_core.evaluation import Evaluation, Scored
from har_core.images import fit, resize
from har_core.people import People, looks
from har_core.prediction import Predictor
from har_core.sampling import plan
from har_core.values import Clip, Prediction, Rgb
from har_core.verdicts import Condition, Found, Milliseconds, Verdict, clip_keys, digest, store

Report = Callable[[int, int], None]
Cancelled = Callable[[], bool]
Change = Callable[[Rgb], Rgb]

ORDERS: tuple[Condition, ...] = ("plain", "shuffled", "reversed", "single", "stuttering")
"""Found together, from the embeddings of the clip as it is."""
PICTURES: tuple[Condition, ...] = ("ten", "grey", "blurred", "mirrored", "darker")
"""Each needs its own pictures encoded."""
VIEWS: tuple[Condition, ...] = ("frame", "person")
WORDS: dict[Condition, str] = {
    "plain": "as it is",
    "shuffled": "frames of each window in random order",
    "reversed": "played backwards",
    "single": "one frame of each window alone",
    "stuttering": "half the frames dropped",
    "ten": "at 10 frames a second",
    "grey": "without colour",
    "blurred": "out of focus",
    "mirrored": "left and right swapped",
    "darker": "with a third of the light",
    "frame": "the whole picture",
    "person": "the person alone",
}
_RATE = 10.0
_DARK, _SHARP = 1 / 3, 48
"""The share of light that is left; px of the longest side to which a picture out of focus is worn down."""


def _grey(rgb: Rgb) -> Rgb:
    # Rec. 601 luma, as video has it.
    light = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat(light.round().astype(np.uint8)[..., None], 3, axis=2)


def _blurred(rgb: Rgb) -> Rgb:
    height, width = rgb.shape[:2]
    scale = min(1.0, _SHARP / max(height, width))
    small = resize(rgb, (max(1, round(width * scale)), max(1, round(height * scale))))
    return resize(small, (width, height))


_CHANGES: dict[Condition, Change] = {
    "grey": _grey,
    "blurred": _blurred,
    "mirrored": lambda rgb: rgb[:, ::-1],
    "darker": lambda rgb: (rgb * np.float32(_DARK)).astype(np.uint8),
}


def look(
    predictor: Predictor, path: Path, wanted: Collection[Condition], *, pause: Callable[[], None] = lambda: None
) -> dict[Condition, Verdict]:
    """What the model makes of one clip under each of these conditions; the clip is decoded once.

    Of `ORDERS` all come where one is wanted. People are looked for in the clip as it is. `pause` is called between
    frames and between batches of them: what it raises ends the look.

    Raises:
        VideoError: the file cannot be decoded.
    """
    spec, ordered = predictor.card.clip, bool(set(wanted) & set(ORDERS))
    length = video.probe(path).seconds
    at, where = plan(length, spec, windows=predictor.card.windows)
    began = time.perf_counter()
    shown = _shown(predictor, path, at, {*wanted, "plain"} if ordered else set(wanted), pause)
    spent = {"decode": time.perf_counter() - began}
    found: dict[Condition, Verdict] = {}
    for condition, pictures in shown.items():
        began = time.perf_counter()
        embeddings = _encoded(predictor, pictures, pause)
        encoded = time.perf_counter()
        windows = {condition: [embeddings[window] for window in where]}
        if condition == "plain":
            verdict = _classified(predictor, windows)
            # Decoding is timed where nothing else was made of the frames.
            alone = len(shown) == 1
            times = (spent["decode"], encoded - began, time.perf_counter() - encoded)
            timed: Milliseconds = (times[0] * 1e3, times[1] * 1e3, times[2] * 1e3) if alone else (np.nan,) * 3
            found["plain"] = Verdict(verdict["plain"], timed)
            windows = _reordered(embeddings, where, path.name)
        found |= {name: Verdict(logits) for name, logits in _classified(predictor, windows).items()}
    return found


def _encoded(predictor: Predictor, pictures: Sequence[Rgb], pause: Callable[[], None]) -> NDArray[np.float32]:
    parts = []
    for first in range(0, len(pictures), ENCODE_AT_ONCE):
        pause()
        parts.append(predictor.engine.encode(np.stack(pictures[first : first + ENCODE_AT_ONCE])))
    return np.concatenate(parts)


def _shown(
    predictor: Predictor, path: Path, at: NDArray[np.float64], wanted: Collection[Condition], pause: Callable[[], None]
) -> dict[Condition, list[Rgb]]:
    """The pictures of each condition at the instants `at`, each uint8 `(S, S, 3)`."""
    spec = predictor.card.clip
    people = predictor.follow(path, report=lambda _: pause()) if spec.view == "person" or "person" in wanted else None
    slow = np.floor(at * _RATE + 1e-6) / _RATE
    instants = np.unique(np.concatenate([at, slow])) if "ten" in wanted else at
    shown: dict[Condition, list[Rgb]] = {name: [] for name in wanted if name not in ORDERS or name == "plain"}
    usual, late = set(at.tolist()), set(slow.tolist())
    tardy: dict[float, Rgb] = {}
    for seconds, rgb in video.read(path, instants):
        pause()
        person = _person(people, seconds, rgb)
        mine = person if spec.view == "person" else rgb
        if "ten" in shown and seconds in late:
            tardy[seconds] = fit(mine, spec.size)
        if seconds not in usual:
            continue
        for name, pictures in shown.items():
            if name != "ten":
                source = rgb if name == "frame" else person if name == "person" else mine
                pictures.append(fit(_CHANGES[name](source) if name in _CHANGES else source, spec.size))
    if "ten" in shown:
        shown["ten"] = [tardy[seconds] for seconds in slow.tolist()]
    return shown


def _person(people: People | None, seconds: float, rgb: Rgb) -> Rgb:
    return next(looks([(seconds, rgb)], people, people.main if people else None))[1]


def _reordered(
    embeddings: NDArray[np.float32], where: NDArray[np.intp], name: str
) -> dict[Condition, list[NDArray[np.float32]]]:
    """Each window's embeddings, out of order or in part. What is random depends on the clip's name alone."""
    random = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode(errors="replace")).digest()[:8], "big"))
    shuffled = random.permuted(where, axis=1)
    # The first of a window is always there; each that is lost is replaced by the newest that was not.
    there = random.permuted(np.arange(where.shape[1] - 1) % 2 == 0)
    kept = np.maximum.accumulate(np.where(np.concatenate([[True], there]), np.arange(where.shape[1]), 0))
    chosen: dict[Condition, NDArray[np.intp]] = {
        "shuffled": shuffled,
        "reversed": where[:, ::-1],
        "single": where[:, where.shape[1] // 2][:, None],
        "stuttering": where[:, kept],
    }
    return {condition: [embeddings[window] for window in windows] for condition, windows in chosen.items()}


def _classified(
    predictor: Predictor, windows: dict[Condition, list[NDArray[np.float32]]]
) -> dict[Condition, NDArray[np.float32]]:
    """The untempered logits of each condition's windows, `(W, C)` each."""
    found = {}
    for condition, each in windows.items():
        probabilities = np.stack([p.probabilities for p in predictor.engine.classify(each)])
        found[condition] = logits_of(probabilities, predictor.card.temperature).astype(np.float32)
    return found


def missing(found: Found, keys: Sequence[str], wanted: Collection[Condition]) -> list[int]:
    """The places of the clips of which not all is known that is wanted."""
    return [i for i, key in enumerate(keys) if any((key, condition) not in found for condition in wanted)]


def gather(
    predictor: Predictor,
    model: Path,
    source: Dataset,
    clips: Sequence[Clip],
    wanted: Collection[Condition],
    *,
    progress: Report = lambda done, total: None,
    cancelled: Cancelled = lambda: False,
) -> Found:
    """What the model makes of these clips, looked at now where it is not known yet; kept as it is found.

    Args:
        predictor: of the model in the folder `model`.
        wanted: the conditions. Clips of actions that the model does not know are not looked at.
        progress: is told how many of the clips that have to be looked at are done.
        cancelled: asked between frames; of clips that were looked at to the end by then all is kept and given.

    Raises:
        CheckpointError: another model has taken the place of this one.
    """
    kept = store(source.root, digest(model))
    if checkpoint.read_card(model) != predictor.card:
        raise CheckpointError("The model was replaced by a better epoch in the meantime. Start again.")
    clips = [clip for clip in clips if clip.action in predictor.card.classes]
    keys, found = clip_keys(source, clips), kept.load()
    left = missing(found, keys, wanted)
    progress(0, len(left))

    def pause() -> None:
        if cancelled():
            raise errors.Cancelled("The look at the clips was stopped.")

    def examine(index: int) -> dict[Condition, Verdict]:
        unknown = [condition for condition in wanted if (keys[index], condition) not in found]
        try:
            pause()
            return look(predictor, clips[index].path, unknown, pause=pause)
        except errors.Cancelled:
            return {}
        except HarError as error:
            nothing = np.empty((0, len(predictor.card.classes)), np.float32)
            return {condition: Verdict(nothing, reason=str(error)) for condition in unknown}

    with kept.saving() as save, ThreadPoolExecutor(2) as pool:  # one decodes while the other's frames are encoded
        try:
            for done, (index, seen) in enumerate(zip(left, pool.map(examine, left), strict=True), 1):
                for condition, verdict in seen.items():
                    found[keys[index], condition] = verdict
                    save((keys[index], condition), verdict)
                progress(done, len(left))
        finally:
            pool.shutdown(cancel_futures=True)
    return found


def scores(
    card: Card,
    source: Dataset,
    clips: Sequence[Clip],
    found: Found,
    *,
    condition: Condition = "plain",
    notes: Sequence[str] = (),
) -> Evaluation:
    """The evaluation that follows from what was found, at the temperature and threshold that `card` has now.

    Raises:
        DatasetError: no clip could be scored.
    """
    scored: list[Scored] = []
    skipped: list[tuple[str, str]] = []
    for clip, key in zip(clips, clip_keys(source, clips), strict=True):
        name, verdict = os.path.relpath(clip.path, source.root), found.get((key, condition))
        if clip.action not in card.classes:
            skipped.append((name, f"The model does not know the action {clip.action}."))
        elif verdict is None or not len(verdict.logits):
            skipped.append((name, verdict.reason if verdict else "It was not looked at."))
        else:
            shown = tempered([verdict.logits], card.temperature)[0]
            prediction = Prediction(shown, card.classes, card.unsure_below)
            scored.append(Scored(name, clip.path, clip.action, prediction, clip.group))
    if not scored:
        reason = skipped[0][1] if skipped else "there are no clips"
        raise DatasetError(f"No clip of {source.root.name} could be scored: {reason}")
    return Evaluation(card.classes, tuple(scored), (*source.skipped, *skipped), tuple(notes))


def against(plain: Evaluation, changed: dict[Condition, Evaluation]) -> dict[Condition, Comparison]:
    """The clips as they are against the same clips under each condition."""
    return {condition: compare(plain, scores) for condition, scores in changed.items()}


def uses_time(plain: Evaluation, shuffled: Comparison, backwards: Comparison, single: Comparison) -> str:
    """In a few plain sentences whether the model goes by what happens over time.

    Args:
        plain: the clips as they are.
        shuffled: `plain` against the frames of each window in random order.
        backwards: `plain` against the clips played backwards.
        single: `plain` against one frame of each window alone.
    """
    low, _ = plain.interval
    if low <= 1 / len(plain.actions):
        return (
            f"On these {len(plain.scored):,} clips it is hardly better than a guess, so there is nothing that "
            "shuffling its frames could take away."
        )
    return f"{_order(shuffled, backwards)} {_one(single)}"


def _order(found: Comparison, backwards: Comparison) -> str:
    low, high = found.interval
    cost = f"{points(found.difference)} points (95%: {points(low)} to {points(high)})"
    if found.told_apart and found.difference < 0:
        return (
            f"It uses the order of frames: with the frames of each window shuffled its accuracy changes by {cost}, "
            f"p = {probability(found.p)} by McNemar's exact test."
        )
    # The second question that is asked of the same clips: it must be surer.
    if backwards.told_apart and backwards.p < SURE / 2 and backwards.difference < 0:
        return (
            f"It uses the order of frames: shuffling them may cost nothing ({cost}), but played backwards its accuracy "
            f"changes by {points(backwards.difference)} points, p = {probability(backwards.p)} by McNemar's exact test."
        )
    answers = "no answer" if not found.otherwise else f"{found.otherwise:,} of {len(found.pairs):,} answers"
    if found.told_apart:
        return f"Oddly, it does better with shuffled frames: its accuracy changes by {cost}."
    if not found.otherwise and low <= -0.05:
        return (
            f"Shuffling the frames of each window changes none of its {len(found.pairs):,} answers: nothing here shows "
            f"that it uses their order. So few clips cannot rule out a cost of up to {-low * 100:.0f} points, though."
        )
    if low > -0.05:
        return (
            f"It hardly needs the order of frames: shuffling them changes {answers} and its accuracy by {cost}, so it "
            "goes by how things look, or by that they move, not by what comes after what."
        )
    more = f" About {found.more_clips:,} more clips would be needed to tell." if found.more_clips else ""
    return (
        f"Whether it uses the order of frames cannot be told from these {len(found.pairs):,} clips: shuffling "
        f"the frames changes {answers} and its accuracy by {cost}.{more}"
    )


def _one(found: Comparison) -> str:
    low, high = found.interval
    cost = f"{points(found.difference)} points ({points(low)} to {points(high)})"
    if found.told_apart and found.difference < 0:
        return f"One frame of each window alone does not do for it: {cost}."
    if low > -0.05:
        return f"One frame of each window alone does nearly as well: {cost}."
    return f"With one frame of each window alone it is {cost}, which may be chance."


def speed(found: Found, keys: Sequence[str]) -> Milliseconds | None:
    """The median milliseconds a clip that decoding, encoding and classifying took; None where nothing was timed."""
    each = np.array([found[key, "plain"].milliseconds for key in keys if (key, "plain") in found], np.float64)
    each = each.reshape(-1, 3)
    each = each[np.isfinite(each).all(axis=1)]
    if not len(each):
        return None
    decode, encode, classify = (float(value) for value in np.median(each, axis=0))
    return decode, encode, classify
