"""Clip -> Sample -> Batch: stored frames, random windows, and packing.

A clip is decoded once. What training may look at is kept on disk, uint8 at training size, keyed by
the file and the instants; the second epoch and the next run read it back instead of decoding.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from har_core import video
from har_core.augment import Augmenter
from har_core.config import ClipSpec, View
from har_core.images import fit
from har_core.people import People, looks
from har_core.sampling import Seconds, grid, plan, random_window
from har_core.store import stored_name, stored_side
from har_core.values import Clip, Rgb, Sample

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Clips of different lengths, packed, and their labels.

    `packed.data` is uint8 `(sum T, 3, S, S)`, or float32 `(sum T, 512)` once encoded; `labels` is int64
    `(B,)` in the order in which the clips were given.
    """

    packed: PackedSequence
    labels: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(move(self.packed, device), self.labels.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, from where a GPU fetches it without waiting."""
        return Batch(self.packed.pin_memory(), self.labels.pin_memory())


def move(packed: PackedSequence, device: torch.device) -> PackedSequence:
    """A packed sequence on a device."""
    moved: PackedSequence = packed.to(device)  # type: ignore[arg-type]  # torch's stub knows of dtypes only
    return moved


def collate(samples: Sequence[Sample]) -> Batch:
    """Pack samples of any lengths; their order is kept."""
    clips = [torch.from_numpy(np.ascontiguousarray(sample.rgb)) for sample in samples]
    return Batch(pack_sequence(clips, enforce_sorted=False), torch.tensor([sample.label for sample in samples]))


def pack_embeddings(clips: Sequence[Tensor], labels: Sequence[int] = ()) -> Batch:
    """Pack already encoded clips, each float `(T, 512)`."""
    return Batch(pack_sequence(list(clips), enforce_sorted=False), torch.tensor(list(labels), dtype=torch.int64))


class FrameStore:
    """Decoded, fitted frames on disk, so that a clip is decoded once. `folder` = None keeps nothing.

    `follow` finds the people of a file, for the view "person"; where it finds nobody the whole picture is taken;
    `follower` names what finds them, and changes when it would find others.
    """

    def __init__(
        self, folder: Path | None, follow: Callable[[Path], People] | None = None, *, follower: str = ""
    ) -> None:
        self._folder = folder
        self.follow, self._follower = follow, follower

    def frames(self, path: Path, instants: Seconds, size: int, view: View = "frame") -> Rgb:
        """What is looked at, at these instants, fitted into a square: uint8 `(N, size, size, 3)`.

        Raises:
            VideoError: the file cannot be decoded.
        """
        kept = (size,) if view == "frame" else (size, view, self._follower)
        stored = self._folder / stored_name(path, instants, kept) if self._folder else None
        if stored is not None:
            # A file cut short by a full disk or a killed process is made again.
            with contextlib.suppress(OSError, ValueError, EOFError):
                frames: Rgb = np.load(stored, mmap_mode="r")
                return frames
        people = self.follow(path) if view == "person" and self.follow else None
        shown = looks(video.read(path, instants), people, people.main if people else None)
        fitted = np.stack([fit(rgb, size) for _, rgb in shown])
        if stored is not None:
            _store(stored, fitted)
        return fitted


def _store(stored: Path, frames: Rgb) -> None:
    # A full disk costs speed, not the run: what cannot be kept is decoded again.
    with contextlib.suppress(OSError):
        stored.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=stored.parent, suffix=".part", delete=False) as part:
            try:
                np.save(part, frames)
                part.close()
                Path(part.name).replace(stored)
            except OSError:
                Path(part.name).unlink(missing_ok=True)


def trim(folder: Path, *, most_bytes: int) -> None:
    """Remove the stored clips that were used longest ago until the folder holds at most `most_bytes`."""
    entries = []
    for file in folder.glob("*"):  # also what a killed process left half written
        with contextlib.suppress(OSError):
            stat = file.stat()
            entries.append((max(stat.st_atime, stat.st_mtime), stat.st_size, file))
    total = sum(size for _, size, _ in entries)
    for _, size, file in sorted(entries):
        if total <= most_bytes:
            return
        file.unlink(missing_ok=True)
        total -= size


@dataclass(frozen=True, slots=True)
class TrainClips:
    """Labelled clips as training samples: random windows, augmented.

    A clip that is looked at in two `views` is in it twice; no `views` means that of `spec` for all.
    """

    clips: tuple[Clip, ...]
    seconds: tuple[float, ...]
    labels: tuple[int, ...]
    spec: ClipSpec
    store: FrameStore
    augment: Augmenter
    views: tuple[View, ...] = ()

    def stored(self, index: int) -> tuple[Seconds, Rgb]:
        """The grid of instants that windows are drawn from, and its frames, a margin larger than `spec.size`."""
        at = grid(self.seconds[index], self.spec)
        view = self.views[index] if self.views else self.spec.view
        return at, self.store.frames(self.clips[index].path, at, stored_side(self.spec.size), view)

    def window(self, index: int, at: Seconds, *, seed: int) -> NDArray[np.intp]:
        """Which instants of the grid a random window takes."""
        return random_window(at, self.seconds[index], self.spec, np.random.default_rng(seed))

    def sample(self, index: int, *, seed: int) -> Sample:
        """One random window of a clip, varied as `seed` draws it."""
        at, frames = self.stored(index)
        rgb = self.augment(frames[self.window(index, at, seed=seed)], seed=seed)
        return Sample(rgb.transpose(0, 3, 1, 2), self.labels[index])

    def glimpse(self, index: int, most: int, *, window: int, look: int | None) -> Rgb:
        """At most `most` frames of the window that the seed `window` draws, uint8 `(N, S, S, 3)`, for a picture.

        They are varied as the seed `look` draws it, None for not at all. Noise is the only thing in which they may
        differ from what `sample` or `varied` gave.
        """
        at, frames = self.stored(index)
        drawn = self.window(index, at, seed=window)
        chosen = frames[drawn[np.unique(np.linspace(0, len(drawn) - 1, most).astype(int))]]
        if look is None:
            return np.stack([fit(frame, self.spec.size) for frame in chosen])
        return self.augment(np.asarray(chosen), seed=look)

    def varied(self, index: int, *, seed: int | None) -> tuple[Seconds, Rgb]:
        """The whole grid of a clip, uint8 `(N, 3, S, S)`, under one draw of the augmentation or, None, as it is."""
        at, frames = self.stored(index)
        if seed is None:
            rgb = np.stack([fit(frame, self.spec.size) for frame in frames])
        else:
            rgb = self.augment(np.asarray(frames), seed=seed)
        return at, rgb.transpose(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class EvaluationClips:
    """Labelled clips as evaluation looks at them: evenly spread windows, nothing random."""

    clips: tuple[Clip, ...]
    seconds: tuple[float, ...]
    labels: tuple[int, ...]
    spec: ClipSpec
    store: FrameStore
    windows: int

    def frames(self, index: int) -> tuple[Rgb, NDArray[np.intp]]:
        """All frames of a clip's windows, uint8 `(N, 3, S, S)`, and which make up each window, `(W, T)`."""
        at, where = plan(self.seconds[index], self.spec, windows=self.windows)
        rgb = self.store.frames(self.clips[index].path, at, self.spec.size, self.spec.view)
        return np.asarray(rgb).transpose(0, 3, 1, 2), where


def decode_all(
    jobs: Sequence[Callable[[], object]], *, workers: int | None = None
) -> Iterator[tuple[int, Exception | None]]:
    """Run decoding jobs side by side; gives the index of each as it is done, with its error."""

    def run(index: int) -> tuple[int, Exception | None]:
        try:
            jobs[index]()
        except Exception as error:
            return index, error
        return index, None

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        try:
            yield from pool.map(run, range(len(jobs)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def prefetch(make: Iterable[Callable[[], T]], *, ahead: int = 2) -> Iterator[T]:
    """What the callables give, in order, made by one thread while the caller works on an earlier one."""
    calls = iter(make)
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(call) for call in islice(calls, ahead)]
        try:
            while waiting:
                ready = waiting.pop(0).result()
                waiting += [pool.submit(call) for call in islice(calls, 1)]
                yield ready
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
