"""How well the segments of a long video are found: concatenations of held-out clips with other things between.

    python scripts/action_models.py assemble interaction --clips ROOT --work WORK
    python tests/bench/segments.py WORK/interaction --model models/actions-interaction

The clips that validated the model are dealt out again as its card says (the fingerprint must be that of the card),
put one after the other in a random order, each before something that is none of the actions: the validation clips
of `none`, and videos of sources that neither trained the model nor set its threshold. A segment is right where it
names the action and overlaps the clip by half of what both cover together (IoU 0.5), each clip counting once; F1 as in
Lea et al. (2017). Intervals: 2,000 bootstraps over the pieces.
"""

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_core import dataset, video
from har_core.analysis import analyse, spotter
from har_core.config import LiveConfig
from har_core.errors import HarError
from har_core.images import PADDING, resize
from har_core.lanes import Lane
from har_core.prediction import Predictor
from har_core.values import Clip, Rgb, Segment, is_nothing

SIDE, RATE = 224, 30
LONGEST_OTHER = 5.0
Pieces = list[tuple[str, float, float]]


@dataclass
class Count:
    """Right, too many, and missed, piece by piece."""

    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    missed: NDArray[np.float64]

    def f1(self, which: NDArray[np.intp] | None = None) -> float:
        """Of these pieces, or of all."""
        right, wrong, missed = (a[which].sum() if which is not None else a.sum() for a in
                                (self.right, self.wrong, self.missed))  # fmt: skip
        return float(2 * right / max(1e-9, 2 * right + wrong + missed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="what `action_models.py assemble` made")
    parser.add_argument("--model", type=Path, default=Path("models/actions-interaction"))
    parser.add_argument("--films", type=int, default=3, help="orders of the same clips")
    parser.add_argument("--part", choices=("validation", "train"), default="validation")
    given = parser.parse_args()
    predictor = Predictor(given.model)
    clips, others = held_out(given.work, predictor, given.part)
    actions = [clip for clip in clips if not is_nothing(clip.action)]
    between = [clip.path for clip in clips if is_nothing(clip.action)] + others
    print(f"{len(actions)} clips of {len({c.action for c in actions})} actions, {len(between)} videos of other things")
    told: dict[str, list[Count]] = {}
    for seed in range(given.films):
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / "film.mp4"
            pieces = concatenate(film, actions, between, np.random.default_rng(seed))
            raw = analyse(predictor, film, people=False, config=LiveConfig(smoothing_seconds=0, hysteresis=0)).whole
        truth = [piece for piece in pieces if not is_nothing(piece[0])]
        print(f"film {seed}: {pieces[-1][2]:.0f} s, {len(truth)} actions", flush=True)
        for name, segments in variants(predictor, raw).items():
            told.setdefault(name, []).append(count(segments, pieces))
    print(f"{'':52} F1 at IoU 0.5        right  wrong  missed")
    for name, counts in told.items():
        all_ = Count(*(np.concatenate([getattr(c, part) for c in counts]) for part in ("right", "wrong", "missed")))
        low, high = interval(counts)
        print(f"{name:52} {all_.f1():.3f} ({low:.3f}-{high:.3f})  "
              f"{all_.right.sum():5.0f}  {all_.wrong.sum():5.0f}  {all_.missed.sum():5.0f}")  # fmt: skip


def held_out(work: Path, predictor: Predictor, part: str) -> tuple[list[Clip], list[Path]]:
    """The clips that validated the model, and videos that it has never met in any way."""
    source = dataset.read(work / "clips")
    if source.fingerprint != predictor.card.fingerprint:
        raise SystemExit("These are not the clips that the model learned from.")
    config = predictor.card.scores["config"]
    dealt = dataset.split(
        source.clips, validation_fraction=config["validation_fraction"], test_fraction=config["test_fraction"],
        seed=config["seed"], validation_groups=config["validation_groups"],
    )  # fmt: skip
    others = []
    for path in sorted((work / "others-b").iterdir()):
        try:
            if video.probe(path).seconds >= 2:
                others.append(path)
        except HarError:
            continue
    return list(dealt.named(part)), others


def concatenate(film: Path, actions: Sequence[Clip], between: Sequence[Path], random: np.random.Generator) -> Pieces:
    """Write the film; gives (action, start, stop) of each of its pieces, seconds."""
    order = [actions[i] for i in random.permutation(len(actions))]
    fill = itertools.cycle(between[i] for i in random.permutation(len(between)))
    pieces: Pieces = []
    frames = 0

    def pictures():  # noqa: ANN202
        nonlocal frames
        for clip in order:
            for path, action, longest in ((next(fill), "none", LONGEST_OTHER), (clip.path, clip.action, np.inf)):
                number = max(1, round(min(longest, video.probe(path).seconds) * RATE))
                pieces.append((action, frames / RATE, (frames + number) / RATE))
                frames += number
                for _, rgb in video.read(path, np.arange(number) / RATE, longest_side=SIDE):
                    yield square(rgb)

    video.write(film, pictures(), frames_per_second=RATE)
    return pieces


def square(rgb: Rgb) -> Rgb:
    """The whole picture in a square, padded as for the network: a film has one size, these clips have many."""
    scale = SIDE / max(rgb.shape[:2])
    small = resize(rgb, (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))))
    canvas = np.empty((SIDE, SIDE, 3), np.uint8)
    canvas[:] = PADDING
    top, left = (SIDE - small.shape[0]) // 2, (SIDE - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def variants(predictor: Predictor, raw: Lane) -> dict[str, Sequence[Segment]]:
    """Segments of the same windows, made in several ways."""
    card = predictor.card
    middles, rows = raw.moments.astype(np.float64), raw.probabilities.astype(np.float64)
    rows /= rows.sum(axis=1, keepdims=True)
    span = (raw.start, raw.stop)
    config = LiveConfig()
    from har_core.spotting import smoothed

    step = float(np.median(np.diff(middles)))
    smooth = smoothed(rows, step, config.smoothing_seconds)
    ready = spotter(predictor, config)
    flat = replace(ready, config=replace(config, hysteresis=0.0))
    ends = np.minimum(middles + middles[0] - raw.start, raw.stop)  # the first middle is half a window in
    return {
        "most probable action of each window": plain(rows, middles, span, card.classes, 0.0),
        "the same, none below the threshold": plain(rows, middles, span, card.classes, card.unsure_below),
        "smoothed, one threshold": plain(smooth, middles, span, card.classes, card.unsure_below),
        "smoothed, two thresholds": flat.segments(None, middles, smooth, span),
        "two thresholds, hysteresis, not smoothed": ready.segments(None, middles, rows, span),
        "all three (what analyse gives)": ready.segments(None, middles, smooth, span),
        "all three, each window telling of its end, as live": ready.segments(None, ends, smooth, span),
    }


def plain(
    rows: NDArray[np.float64], middles: NDArray[np.float64], span: tuple[float, float], classes: Sequence[str],
    below: float,
) -> list[Segment]:  # fmt: skip
    """A segment for each run of windows with the same most probable action."""
    names = [classes[int(i)] if p >= below else "" for i, p in zip(rows.argmax(axis=1), rows.max(axis=1), strict=True)]
    edges = [span[0], *((middles[:-1] + middles[1:]) / 2).tolist(), span[1]]
    found, at = [], 0
    for name, run in itertools.groupby(names):
        length = len(list(run))
        if name:
            found.append(Segment(None, name, edges[at], edges[at + length], 0.0))
        at += length
    return found


def count(segments: Sequence[Segment], pieces: Pieces) -> Count:
    """Which pieces were found; a segment too many counts where its middle lies."""
    number = len(pieces)
    told = Count(np.zeros(number), np.zeros(number), np.zeros(number))
    starts = np.array([piece[1] for piece in pieces])
    found: set[int] = set()
    for s in (s for s in segments if not is_nothing(s.action)):
        best, where = 0.0, -1
        for index, (action, start, stop) in enumerate(pieces):
            if action == s.action and index not in found:
                shared = max(0.0, min(stop, s.stop) - max(start, s.start))
                overlap = shared / (max(stop, s.stop) - min(start, s.start))
                if overlap > best:
                    best, where = overlap, index
        if best >= 0.5:
            found.add(where)
            told.right[where] += 1
        else:
            told.wrong[max(0, int(np.searchsorted(starts, (s.start + s.stop) / 2, "right")) - 1)] += 1
    for index, (action, *_) in enumerate(pieces):
        told.missed[index] = float(not is_nothing(action) and index not in found)
    return told


def interval(counts: Sequence[Count]) -> tuple[float, float]:
    """95 %, by drawing pieces again, in pairs of something else and the action after it; films are drawn alike."""
    random = np.random.default_rng(0)
    all_ = [Count(*(np.add.reduceat(getattr(c, part), np.arange(0, len(c.right), 2)) for part in
                    ("right", "wrong", "missed"))) for c in counts]  # fmt: skip
    joined = Count(*(np.concatenate([getattr(c, part) for c in all_]) for part in ("right", "wrong", "missed")))
    number = len(joined.right)
    drawn = [joined.f1(random.integers(0, number, number)) for _ in range(2000)]
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


if __name__ == "__main__":
    main()
