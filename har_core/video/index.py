"""One look through a file: its properties, and where its pictures and key pictures are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_core.errors import VideoError
from har_core.values import Rgb, VideoProperties
from har_core.video.container import REENCODE, Picture, Source, Stamp

TOLERANCE = 1e-6
"""Seconds by which an instant may miss a picture's time: instants are computed in floats."""

_INDEX_BELOW = 1 << 30  # bytes; reading every packet of a larger file takes too long
_WORTH_A_SEEK = 30  # pictures of decoding that a seek must save
_BLIND_SEEK = 10.0  # seconds that a seek without an index must skip
_TELLING = ("matroska", "flv", "mov")  # containers whose length FFmpeg reads; of others it guesses
_ROUNDED = 0.2  # seconds by which the length of a whole file may miss that of its pictures
_SHORTEST = 1 / 25  # seconds; a single picture has no length of its own


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored pixels become upright: swap the axes first, then mirror."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def apply(self, rgb: Rgb) -> Rgb:
        """The upright picture, `(H, W, 3)`, contiguous."""
        if self.transpose:
            rgb = rgb.transpose(1, 0, 2)
        return np.ascontiguousarray(rgb[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1])


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Properties of a file and the places to seek to.

    `times` and `key_times` are seconds on the file's clock, rising; both are empty for a large file,
    `key_times` alone where the times are too muddled to seek by; `key_stamps` are the latter as the
    container counts. `size_wh` is the stored picture made
    of square pixels. `corrupt` says that only damaged pictures decode, `missing` how many seconds at the end the
    file announces without holding them.
    """

    properties: VideoProperties
    container: str
    pixel_format: str
    orientation: Orientation
    size_wh: tuple[int, int]
    origin: float
    time_base: float
    corrupt: bool
    missing: float
    times: NDArray[np.float64]
    key_times: NDArray[np.float64]
    key_stamps: tuple[int, ...]

    def due(self, wanted: float) -> float | None:
        """When the picture that should be on display at `wanted` began (file's clock); None where nothing tells."""
        if not len(self.times):
            return None
        return float(self.times[max(0, int(np.searchsorted(self.times, wanted + TOLERANCE, "right")) - 1)])

    def shortcut(self, now: float, wanted: float) -> int | None:
        """The time stamp to seek to on the way from `now` to `wanted` (file's clock), where that pays."""
        if not len(self.times):
            return round(wanted / self.time_base) if wanted - now > _BLIND_SEEK else None
        target = self.times[max(0, int(np.searchsorted(self.times, wanted + TOLERANCE, "right")) - 1)]
        key = int(np.searchsorted(self.key_times, target + TOLERANCE, "right")) - 1
        if key < 0:
            return None
        saved = np.searchsorted(self.times, self.key_times[key]) - np.searchsorted(self.times, now)
        return self.key_stamps[key] if saved >= _WORTH_A_SEEK else None


def index_of(path: Path) -> Index:
    """The index of a file; those of the files used last are kept.

    Raises:
        VideoError: it is missing, no video, or nothing of it decodes.
    """
    try:
        status = path.stat()
    except (OSError, ValueError):  # a name with a zero byte; opening it says what is wrong
        return _index(path, 0, 0)
    return _index(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _index(path: Path, size: int, _changed: int) -> Index:
    for corrupt in (False, True):
        with Source(path, corrupt=corrupt) as source:
            source.seen = []
            first = next(source.pictures(), None)
            if first is None and source.corrupted:
                continue  # nothing but damaged pictures: better than none
            if first is None:
                break
            if size < _INDEX_BELOW:
                for _ in source.packets():
                    pass
                return _described(source, first, source.seen, corrupt=corrupt)
            return _described(source, first, [], corrupt=corrupt)
    raise VideoError(f"No picture of {path.name} can be decoded: it is damaged or cut off. {REENCODE}")


def _described(source: Source, first: Picture, stamps: list[Stamp], *, corrupt: bool) -> Index:
    base = float(source.time_base)
    # The decoder of an AVI gives each picture the stamp of a later packet, always as much later.
    times, keys = _stamps(stamps)
    shift = first.time - times[0] * base if source.by_dts and len(times) else 0.0
    frames, seconds = _extent(source, first, stamps)
    width, height = first.frame.width, first.frame.height
    aspect = source.stream.sample_aspect_ratio
    # Within 2% of square is the rounding of some encoder: not worth blurring the picture for.
    if aspect and 1 / 8 <= aspect <= 8 and abs(aspect - 1) > 0.02:
        width = max(1, round(width * aspect))
    orientation = _orientation(first)
    upright = (height, width) if orientation.transpose else (width, height)
    codec = source.stream.codec_context.codec.canonical_name
    return Index(
        properties=VideoProperties(seconds, round(frames / seconds, 6), frames, *upright, codec),
        container=source.container.format.name,
        pixel_format=first.frame.format.name,
        orientation=orientation,
        size_wh=(width, height),
        origin=first.time,
        time_base=base,
        corrupt=corrupt,
        missing=_missing(source, frames, seconds) if stamps else 0.0,
        times=times * base + shift,
        key_times=keys * base + shift,
        key_stamps=tuple(keys.tolist()),
    )


def _stamps(seen: list[Stamp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The stamps of all pictures, rising, and of the key pictures, the latter only if one can seek by them."""
    none = np.empty(0, np.int64)
    times = np.array([stamp.time for stamp in seen if stamp.time is not None], np.int64)
    keys = np.array([stamp.time for stamp in seen if stamp.key and stamp.time is not None], np.int64)
    times = np.unique(times)
    if len(times) != len(seen) or np.any(np.diff(keys) <= 0):
        return (times if len(times) or not seen else np.zeros(1, np.int64)), none
    return times, keys


def _extent(source: Source, first: Picture, stamps: list[Stamp]) -> tuple[int, float]:
    """Number of pictures, and seconds from the first to the end of the last."""
    base = float(source.time_base)
    if not stamps:
        header = source.stream.duration
        seconds = header * base if header else (source.container.duration or 0) / 1e6
        frames = source.stream.frames or round(seconds / source.step)
    else:
        frames = len(stamps)
        seconds = frames * source.step
        timed = [(stamp.time, stamp.duration) for stamp in stamps if stamp.time is not None]
        if len(timed) == frames:
            begin = min(timed)[0] * base if source.by_dts else first.time
            last, duration = max(timed)
            seconds = last * base + (duration * base or source.step) - begin
    frames = max(1, frames)
    # A header may lie (0, or centuries); the rate is then the better witness.
    if not 0 < seconds < 1e7:
        seconds = frames * source.step
    return frames, max(seconds, _SHORTEST) if frames == 1 else seconds


def _missing(source: Source, frames: int, seconds: float) -> float:
    """Seconds at its end that a file announces and does not hold; 0 where it announces nothing to be trusted."""
    if source.stream.frames:
        return max(0, source.stream.frames - frames) * source.step
    # These tell the length of the whole. Where the sound reaches it, the picture was always shorter.
    told = (source.container.duration or 0) / 1e6
    if not source.container.format.name.startswith(_TELLING) or not seconds + _ROUNDED < told < 1e5:
        return 0.0
    return max(0.0, told - max(seconds, source.end()))


def _orientation(first: Picture) -> Orientation:
    """From the display matrix (ISO/IEC 14496-12, 8.5.2): x' = a x + c y, y' = b x + d y."""
    matrix: Any = first.frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5]
    if abs(b) > abs(a):
        return Orientation(transpose=True, mirror_x=bool(c < 0), mirror_y=bool(b < 0))
    return Orientation(mirror_x=bool(a < 0), mirror_y=bool(d < 0))
