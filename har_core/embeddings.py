"""One vector for each clip: what it looks like to an encoder, and how much of that moves.

Clips that look alike lie close to one another, whatever they are called: maps, searches for wrong labels and guesses
of who was filmed all start here. Looking takes minutes for thousands of clips, so it is meant for the background:
what was found is written to the workspace every few seconds, and used again as long as a clip keeps its size and
time and the encoder its weights. Whoever is killed loses those seconds and nothing else.
"""

import contextlib
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_core import video, weights
from har_core.dataset import Dataset
from har_core.errors import CheckpointError, VideoError
from har_core.images import fit
from har_core.parts import Arrays, Parts
from har_core.values import Clip, Rgb

Vectors = NDArray[np.float32]
Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]

PLAIN_FRAMES, PLAIN_SIZE = 6, 80
"""What the bundled backbone is shown: frames spread evenly over a clip, and their size in px. More of either told
actions apart no better on the sets we have, and takes longer."""
_PICTURES_AT_ONCE = 32
_WIDTH = 2 * 512
"""Numbers of a vector."""
_WORKERS, _KEPT = 2, 8
"""Decoders at a time; encoders of which vectors are kept."""


def clip_embeddings(
    source: Dataset,
    clips: Sequence[Clip],
    *,
    model: Path | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Vectors:
    """One vector for each clip, in their order, made now where it is not known yet.

    A vector is the mean over time of the encoder's 512 numbers, and beside it the mean size of their change from one
    frame to the next: the first half tells what is there, the second what moves.

    Args:
        source: the data set of the clips.
        clips: of its clips, those excluded from it too.
        model: the folder of a trained model, whose encoder looks at what the model would look at; left out, the
            backbone that comes with the project looks at 6 frames of 80 px.
        progress: called with (clips known, clips), in the caller's thread.
        cancelled: asked after each few clips; what was found until then is kept.

    Returns:
        float32 `(N, 1024)`; a row of NaN for a clip that cannot be decoded, or that was not reached before the cancel.

    Raises:
        CheckpointError: the model cannot be loaded, or the bundled backbone is missing.
    """
    report = progress or (lambda done, total: None)
    keys, store = _keys(source, clips), _store(source, _digest(model))
    found = store.load()
    wanted = [i for i, key in enumerate(keys) if key not in found]
    total, done = len(clips), len(clips) - len(wanted)
    report(done, total)
    if wanted:
        look = _eye(source, model)
        # A run may have put a better epoch in the model's place while it was loaded.
        store = _store(source, look.digest)
        with store.saving() as save:
            for index, vector in _each(look, [clips[i] for i in wanted], cancelled):
                done += 1
                if vector is not None:
                    found[keys[wanted[index]]] = vector
                    save(keys[wanted[index]], vector)
                report(done, total)
    return _rows(keys, found)


def known(source: Dataset, clips: Sequence[Clip], *, model: Path | None = None) -> Vectors:
    """What `clip_embeddings` has found so far: float32 `(N, 1024)`, rows of NaN where nothing is known.

    Nothing is decoded and no network is loaded.

    Raises:
        CheckpointError: there is no such model.
    """
    return _rows(_keys(source, clips), _store(source, _digest(model)).load())


def stamp(source: Dataset, *, model: Path | None = None) -> str:
    """Changes when `known` may give more.

    Raises:
        CheckpointError: there is no such model.
    """
    digest = _digest(model)
    return f"{digest}|{_store(source, digest).stamp()}"


def _rows(keys: Sequence[str], found: dict[str, Vectors]) -> Vectors:
    rows = np.full((len(keys), _WIDTH), np.nan, np.float32)
    for row, key in zip(rows, keys, strict=True):
        if key in found:
            row[:] = found[key]
    return rows


def _keys(source: Dataset, clips: Sequence[Clip]) -> list[str]:
    """A key for each clip in the state in which its file is now."""
    root, keys = f"{source.root}{os.sep}", []
    for clip in clips:
        path = os.fspath(clip.path)  # a text: for 10,000 clips the methods of Path take longer than the file system
        size = changed = -1  # a file that has gone gets a row of NaN
        with contextlib.suppress(OSError):
            status = os.stat(path)  # noqa: PTH116
            size, changed = status.st_size, status.st_mtime_ns
        told = f"{path.removeprefix(root)}|{size}|{changed}".encode(errors="replace")
        keys.append(hashlib.sha256(told).hexdigest()[:24])
    return keys


def _digest(model: Path | None) -> str:
    """Names what looks: the weights, and what they are shown. Loads no network."""
    if model is None:
        return _bytes_digest(weights.entry("backbone").path, f"{PLAIN_FRAMES} frames of {PLAIN_SIZE} px")
    old = model.with_name(model.name + ".old")  # as `checkpoint.present` does, which would load torch
    folder = old if not model.exists() and old.exists() else model
    try:
        spec = json.loads((folder / "card.json").read_text(encoding="utf-8"))["clip"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"A model is a folder with card.json, but {model} has none that can be read.") from error
    return _bytes_digest(folder / "weights.safetensors", json.dumps(spec, sort_keys=True))


def _bytes_digest(file: Path, shown: str) -> str:
    try:
        status = file.stat()
        return _hashed(file, status.st_size, status.st_mtime_ns, shown)
    except OSError as error:
        raise CheckpointError(f"The weights {file} cannot be read: {error.strerror}.") from None


@lru_cache(64)
def _hashed(file: Path, size: int, mtime_ns: int, shown: str) -> str:
    return hashlib.sha256(file.read_bytes() + shown.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Eye:
    """How to look at a clip: which pictures, uint8 `(T, S, S, 3)`, and what encodes them. `digest` names it."""

    digest: str
    pictures: Callable[[Clip], Rgb]
    encode: Callable[[Rgb], Vectors]


def _eye(source: Dataset, model: Path | None) -> _Eye:
    """Loads the network; raises CheckpointError."""
    lengths = {clip.path: p.seconds for clip, p in zip(source.clips, source.properties, strict=True)}

    def length(clip: Clip) -> float:
        return lengths[clip.path] if clip.path in lengths else video.probe(clip.path).seconds

    if model is None:
        from har_core.engine import bundled_encoder

        at = (np.arange(PLAIN_FRAMES) + 0.5) / PLAIN_FRAMES

        def pictures(clip: Clip) -> Rgb:
            frames = video.read(clip.path, at * length(clip), longest_side=2 * PLAIN_SIZE)
            return np.stack([fit(rgb, PLAIN_SIZE) for _, rgb in frames])

        return _Eye(_digest(None), pictures, bundled_encoder(PLAIN_SIZE).encode)
    from har_core.people import looks
    from har_core.prediction import Predictor
    from har_core.sampling import plan

    for _ in range(3):  # a run may replace the model while it is loaded: weights and digest must be of one epoch
        digest = _digest(model)
        ready = Predictor(model)
        if _digest(model) == digest:
            break
    spec = ready.card.clip

    def seen(clip: Clip) -> Rgb:
        at, _ = plan(length(clip), spec, windows=1)
        people = ready.follow(clip.path) if spec.view == "person" else None
        frames = video.read(clip.path, at, longest_side=1920 if people else 2 * spec.size)
        return np.stack([fit(rgb, spec.size) for _, rgb in looks(frames, people, people.main if people else None)])

    return _Eye(digest, seen, ready.engine.encode)


def _each(look: _Eye, clips: Sequence[Clip], cancelled: Cancelled | None) -> Iterator[tuple[int, Vectors | None]]:
    """The vector of each clip, in order, or None; two are decoded while others are encoded, until cancelled."""

    def decode(clip: Clip) -> Rgb | None:
        try:
            return look.pictures(clip)
        except VideoError:
            return None

    waiting: deque[Future[Rgb | None]] = deque()
    rest = iter(clips)
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="embed clips")
    index = 0
    try:
        while not (cancelled and cancelled()):
            while len(waiting) < 8 * _WORKERS and (clip := next(rest, None)) is not None:
                waiting.append(pool.submit(decode, clip))
            if not waiting:
                return
            batch: list[Rgb | None] = []
            while waiting and sum(len(p) for p in batch if p is not None) < _PICTURES_AT_ONCE:
                batch.append(waiting.popleft().result())
            for vector in _encoded(look, batch):
                yield index, vector
                index += 1
    finally:
        pool.shutdown(cancel_futures=True)


def _encoded(look: _Eye, batch: Sequence[Rgb | None]) -> list[Vectors | None]:
    """The vectors of clips, encoded together: a network is fastest on many pictures at once."""
    shown = [pictures for pictures in batch if pictures is not None]
    if not shown:
        return [None] * len(batch)
    each = iter(np.split(look.encode(np.concatenate(shown)), np.cumsum([len(pictures) for pictures in shown])[:-1]))
    return [None if pictures is None else _vector(next(each)) for pictures in batch]


def _vector(embeddings: Vectors) -> Vectors:
    """`(T, 512)` -> `(1024,)`: the mean over time, and the mean size of the change from frame to frame."""
    changes = np.abs(np.diff(embeddings, axis=0)) if len(embeddings) > 1 else np.zeros_like(embeddings)
    return np.concatenate([embeddings.mean(axis=0), changes.mean(axis=0)])


def _store(source: Dataset, digest: str) -> Parts[str, Vectors]:
    return Parts("embeddings", source.root, digest, pack=_packed, unpack=_unpacked, kept=_KEPT)


def _packed(found: dict[str, Vectors]) -> Arrays:
    return {"keys": np.array(list(found)), "rows": np.stack(list(found.values()))}


def _unpacked(arrays: Arrays) -> dict[str, Vectors]:
    keys, rows = arrays["keys"], arrays["rows"]
    if rows.shape[1:] != (_WIDTH,) or rows.dtype != np.float32 or not np.isfinite(rows).all():
        raise ValueError("not what was kept")
    return dict(zip(keys.tolist(), rows, strict=True))
