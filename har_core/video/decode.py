"""The decode core: which picture of a file is shown at an instant, upright, RGB.

Decodes in one pass and converts only the pictures that were asked for; times decide, never frame
numbers. Untrusted files are decoded in the worker process, not where this module is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from har_core.errors import VideoError
from har_core.values import Rgb, VideoProperties
from har_core.video.container import REENCODE, Picture, Source
from har_core.video.index import TOLERANCE, Index, index_of


def probe(path: Path) -> VideoProperties:
    """What the file says of its picture; one picture is decoded to be sure.

    Raises:
        VideoError: it is missing, no video, or nothing of it decodes.
    """
    return index_of(path).properties


_STALE = 0.3
"""Seconds by which the picture shown may be older than the one that should be: less costs an answer nothing."""


def read(path: Path, seconds: Sequence[float], *, longest_side: int) -> Iterator[tuple[float, Rgb, bool]]:
    """For each instant (seconds from the first picture, rising) the picture on display then: `(H, W, 3)`.

    The third value is true where the picture due does not decode and one from long before stands in for it.

    Raises:
        VideoError: it is missing, no video, or nothing of it decodes.
    """
    index = index_of(path)
    convert = _Converter(index, longest_side)
    walk = _Walk(path, index)
    shown: Picture | None = None
    try:
        for instant in seconds:
            picture = walk.to(index.origin + instant)
            if picture is not shown:
                shown, rgb = picture, convert(picture.frame)
            due = index.due(index.origin + instant)
            yield instant, rgb, index.corrupt or (due is not None and due - picture.time > _STALE)
    finally:
        walk.close()


def frames(path: Path, *, longest_side: int) -> Iterator[tuple[float, Rgb]]:
    """Every picture with its time in seconds from the first one: `(H, W, 3)`.

    Raises:
        VideoError: it is missing, no video, or nothing of it decodes.
    """
    index = index_of(path)
    convert = _Converter(index, longest_side)
    with Source(path, corrupt=index.corrupt) as source:
        for picture in source.pictures():
            yield max(0.0, picture.time - index.origin), convert(picture.frame)


class _Converter:
    """Makes every picture of a file upright RGB of one size, also where the file changes size midway."""

    def __init__(self, index: Index, longest_side: int) -> None:
        scale = min(1.0, longest_side / max(index.size_wh))
        self._width, self._height = (max(1, round(side * scale)) for side in index.size_wh)
        self._orientation = index.orientation
        self._reformatter = VideoReformatter()  # kept: it remembers its tables from picture to picture

    def __call__(self, frame: av.VideoFrame) -> Rgb:
        shrinks = self._width < frame.width or self._height < frame.height
        small = self._reformatter.reformat(
            frame,
            self._width,
            self._height,
            format="rgb24",
            interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
        )
        rgb: Rgb = small.to_ndarray().astype(np.uint8, copy=False)
        return self._orientation.apply(rgb)


class _Walk:
    """One pass through a file, forwards only, jumping to key pictures where that saves decoding."""

    def __init__(self, path: Path, index: Index) -> None:
        self._path, self._index = path, index
        self._may_jump = True
        self._restart()

    def close(self) -> None:
        self._source.close()

    def _restart(self) -> None:
        self._source = Source(self._path, corrupt=self._index.corrupt)
        self._coming = self._source.pictures()
        self._current: Picture | None = None
        self._next = next(self._coming, None)

    def to(self, wanted: float) -> Picture:
        """The last picture whose time is at most `wanted` (file's clock); the first one before it."""
        if self._may_jump and self._next and (stamp := self._index.shortcut(self._next.time, wanted)) is not None:
            self._jump(stamp, wanted)
        while self._next and (self._current is None or self._next.time <= wanted + TOLERANCE):
            self._current, self._next = self._next, next(self._coming, None)
        if self._current is None:  # the file changed since it was indexed
            raise VideoError(f"No picture of {self._path.name} can be decoded. {REENCODE}")
        return self._current

    def _jump(self, stamp: int, wanted: float) -> None:
        self._current = None
        try:
            self._source.seek(stamp)
            self._coming = self._source.pictures()
            self._next = next(self._coming, None)
        except av.error.FFmpegError:
            self._next = None
        if self._next is None or self._next.time > wanted + TOLERANCE:
            # The key pictures are not where the file says: from its start, and no more jumps.
            self._source.close()
            self._may_jump = False
            self._restart()
