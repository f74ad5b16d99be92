"""The only reader and writer of video: properties, frames at given instants, H.264.

Reading happens in separate processes, because a damaged file may crash a decoder; this side never
loads FFmpeg for it. Frames are upright RGB with square pixels. Time is seconds from the first frame.

>>> import numpy as np, tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     film = Path(folder) / "film.mp4"
...     _ = write(film, (np.full((64, 64, 3), grey, np.uint8) for grey in (50, 100, 200)), frames_per_second=10)
...     read_frames(film, [0.0, 0.15, 9.0])
Frames((3, 64, 64, 3), 0.00..9.00 s)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_core.values import Frames, Rgb, VideoProperties
from har_core.video import client
from har_core.video.encode import write

__all__ = [
    "browsers_play", "cut_off", "frames", "longest_still", "playable", "probe", "read", "read_frames", "times", "watch",
    "write",
]  # fmt: skip

_COPY_SIDE, _COPY_SECONDS, _COPY_RATE = 640, 60.0, 30.0


def probe(path: Path) -> VideoProperties:
    """What the file says of its picture; its first frame is decoded to be sure.

    Raises:
        VideoError: it is missing, no video, or nothing of it decodes.
    """
    ((head, _),) = client.answers(path, "probe")
    return VideoProperties(**head["properties"])


def times(path: Path) -> NDArray[np.float64]:
    """When each frame begins, in seconds from the first, rising: `(F,)`, F >= 1; `read` gives these frames there.

    Of a film over 1 GB, or one whose times are muddled, they are reckoned by its rate.

    Raises:
        VideoError: it is missing, no video, or nothing of it decodes.
    """
    ((head, _),) = client.answers(path, "times")
    return np.asarray(head["times"], np.float64)


def cut_off(path: Path) -> float:
    """How many seconds at its end a file announces without holding them: it was not copied to its end.

    Raises:
        VideoError: it is missing, no video, or nothing of it decodes.
    """
    ((head, _),) = client.answers(path, "probe")
    return float(head["missing"])


def longest_still(path: Path) -> float:
    """For how many seconds one frame is shown at most; 0 where nothing tells: in a file over 1 GB.

    Raises:
        VideoError: it is missing, no video, or nothing of it decodes.
    """
    ((head, _),) = client.answers(path, "probe")
    return float(head["still"])


def read(
    path: Path,
    seconds: Sequence[float] | NDArray[np.float64],
    *,
    longest_side: int = 1920,
    lost: Callable[[float], None] | None = None,
) -> Iterator[tuple[float, Rgb]]:
    """Stream, for each instant, the frame on display then: the last whose time is not after it.

    An instant before the first frame gives the first, one after the end the last. One frame is in
    memory at a time; a frame shown at several instants comes again.

    Args:
        seconds: instants from the first frame, `(T,)`, not falling.
        longest_side: px; larger pictures are shrunk to it, by area.
        lost: told each instant whose frame does not decode, so that one from long before stands in for it.

    Returns:
        Pairs of the instant asked for and its frame, uint8 `(H, W, 3)`, RGB, in the order asked.

    Raises:
        VideoError: the file is missing, no video, or nothing of it decodes.
        ValueError: instants that fall or are not finite.
    """
    instants = np.asarray(seconds, np.float64)
    if instants.ndim != 1 or not np.all(np.isfinite(instants)) or np.any(np.diff(instants) < 0):
        raise ValueError(f"instants must be finite and must not fall, got {instants}")
    if longest_side < 1:
        raise ValueError(f"longest_side must be at least 1, got {longest_side}")
    return _pictures(client.answers(path, "read", seconds=instants.tolist(), longest_side=longest_side), lost)


def frames(path: Path, *, longest_side: int = 1920) -> Iterator[tuple[float, Rgb]]:
    """Stream every frame of a file, with its own time.

    Args:
        path: the file.
        longest_side: px; larger pictures are shrunk to it, by area.

    Returns:
        Pairs of seconds from the first frame, rising, and the frame, uint8 `(H, W, 3)`, RGB.

    Raises:
        VideoError: the file is missing, no video, or nothing of it decodes.
    """
    return _pictures(client.answers(path, "frames", longest_side=longest_side))


def watch(address: str, *, longest_side: int = 1280) -> Iterator[tuple[float, Rgb]]:
    """Stream every picture of a camera on this machine or of a network stream, for as long as it lasts.

    Args:
        address: the number of a camera, or an address such as `rtsp://...` or `http://...`.
        longest_side: px; larger pictures are shrunk to it, by area.

    Returns:
        Pairs of seconds from the first picture, rising, and the picture, uint8 `(H, W, 3)`, RGB.

    Raises:
        VideoError: it cannot be opened, or falls silent.
    """
    return _pictures(client.answers(Path(address), "watch", address=address, longest_side=longest_side))


def _pictures(
    answers: Iterator[tuple[dict[str, Any], Rgb | None]], lost: Callable[[float], None] | None = None
) -> Iterator[tuple[float, Rgb]]:
    for head, rgb in answers:
        if rgb is not None:
            if lost and head.get("lost"):
                lost(head["seconds"])
            yield head["seconds"], rgb


def read_frames(path: Path, seconds: Sequence[float] | NDArray[np.float64], *, longest_side: int = 1920) -> Frames:
    """The frames on display at these instants, all in memory; their `seconds` are the instants asked for.

    Args:
        seconds: instants from the first frame, `(T,)`, rising, T >= 1.
        longest_side: px; larger pictures are shrunk to it, by area.

    Raises:
        VideoError: the file is missing, no video, or nothing of it decodes.
    """
    pictures = [rgb for _, rgb in read(path, seconds, longest_side=longest_side)]
    return Frames(np.stack(pictures), np.asarray(seconds, np.float64))


def browsers_play(path: Path) -> bool:
    """Whether every usual browser plays the file as it is, upright and in its colours.

    Raises:
        VideoError: the file is missing, no video, or nothing of it decodes.
    """
    ((head, _),) = client.answers(path, "probe")
    return _browsers_play(path, head, VideoProperties(**head["properties"]).codec)


def playable(path: Path, cache: Path) -> Path:
    """A file that browsers play: this one where they can, else an H.264 copy of its first minute.

    The copy, at most 640 px and 30 frames a second and without sound, is made once, in the folder
    `cache`, under a name that changes with the file.

    Raises:
        VideoError: the file is missing, no video, or nothing of it decodes; or the copy cannot be written.
    """
    ((head, _),) = client.answers(path, "probe")
    properties = VideoProperties(**head["properties"])
    if _browsers_play(path, head, properties.codec):
        return path
    status = path.stat()
    key = hashlib.sha256(f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}".encode()).hexdigest()
    copy = cache / f"{key[:24]}.mp4"
    if not copy.exists():
        rate = min(_COPY_RATE, properties.frames_per_second)
        number = max(1, math.floor(min(_COPY_SECONDS, properties.seconds) * rate + 1e-6))
        pictures = read(path, np.arange(number) / rate, longest_side=_COPY_SIDE)
        write(copy, (rgb for _, rgb in pictures), frames_per_second=rate)
    return copy


def _browsers_play(path: Path, head: dict[str, object], codec: str) -> bool:
    if head["turned"] or head["pixel_format"] not in ("yuv420p", "yuvj420p"):
        return False
    mp4 = str(head["container"]).startswith("mov") and path.suffix.lower() in (".mp4", ".m4v")
    webm = path.suffix.lower() == ".webm"
    return (codec == "h264" and mp4) or (codec in ("vp8", "vp9", "av1") and (webm or (mp4 and codec != "vp8")))
