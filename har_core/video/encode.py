"""Writes H.264 that every browser plays."""

from __future__ import annotations

import contextlib
import itertools
import math
import secrets
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from har_core.errors import VideoError
from har_core.values import Rgb
from har_core.video import client

if TYPE_CHECKING:
    import av

_BT709, _BT601 = 1, 6  # ITU-T H.273 code points
_LIMITED_RANGE = 1
_CLOCK = Fraction(1, 90_000)
"""Seconds of a tick where frames come unevenly; the usual rates are whole numbers of it."""


def write(
    path: Path,
    frames: Iterable[Rgb],
    *,
    frames_per_second: float,
    seconds: Iterable[float] | None = None,
    sound: Path | None = None,
    report: Callable[[float], None] | None = None,
) -> str:
    """Write the frames as an H.264 mp4 (4:2:0, quality 23, index at the front), whole or not at all.

    Args:
        path: the film to be.
        frames: uint8 `(H, W, 3)` RGB, all of one size, at least one; odd sizes get one more row or column.
        frames_per_second: of the film, above 0; on average, where `seconds` is given.
        seconds: when each frame begins, rising, the first one at 0, asked for after its frame; left out, they
            come evenly.
        sound: a file, untrusted, whose sound shall go with the film from its first picture on: AAC and MP3 as they
            are, other sound as AAC. It is read in a child process, and costs no more than itself if it is broken.
        report: told the seconds of film for which sound is taken over; what it raises ends the work.

    Returns:
        A sentence where sound is missing that should be there, else nothing.

    Raises:
        VideoError: no frames, frames that differ in size, or the file cannot be written.
    """
    if not (math.isfinite(frames_per_second) and frames_per_second > 0):
        raise VideoError(f"A video needs more than 0 frames a second, but {path.name} was to have {frames_per_second}.")
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise VideoError(f"A video needs at least 1 frame, but {path.name} was to have none.")
    name = f".{path.name}.{secrets.token_hex(4)}"
    part, sounded = path.with_name(f"{name}.part"), path.with_name(f"{name}.sound.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rate = Fraction(frames_per_second).limit_denominator(1001)
        clock: Fraction = 1 / rate
        stamps: Iterator[int] = itertools.count()
        if seconds is not None:
            clock, stamps = _CLOCK, (round(Fraction(s) / _CLOCK) for s in seconds)
        _encode(part, zip(itertools.chain([first], rest), stamps, strict=False), first.shape, rate, clock)
        note = _sounded(part, sound, sounded, report) if sound else ""
        (sounded if sounded.exists() else part).replace(path)
        return note
    except OSError as error:
        reason = error.strerror or error
        raise VideoError(f"{path.name} cannot be written: {reason}. Make room there, or name another place.") from error
    finally:
        for left in (part, sounded):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def _sounded(film: Path, sound: Path, out: Path, report: Callable[[float], None] | None) -> str:
    """Write the film with the sound of another file, where it has any; gives what to know of it."""
    try:
        for head, rgb in client.answers(sound, "sound", film=str(film.absolute()), out=str(out.absolute())):
            if rgb is None:
                if not head["taken"]:
                    out.unlink(missing_ok=True)
                return str(head["note"])
            if report:
                report(head["seconds"])
    except VideoError as error:
        out.unlink(missing_ok=True)  # the picture alone is worth having
        return f"The film is silent. {error}"
    return ""


def _encode(
    path: Path, frames: Iterable[tuple[Rgb, int]], shape: tuple[int, ...], rate: Fraction, clock: Fraction
) -> None:
    import av

    height, width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
    # Browsers guess the colour matrix by the size; saying it makes all of them right.
    matrix = _BT709 if height >= 720 else _BT601
    with av.open(f"file:{path.absolute()}", "w", format="mp4", container_options={"movflags": "+faststart"}) as film:
        stream = film.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = clock
        context.thread_count = 1  # several threads give other bytes now and then for the same pictures
        context.color_range, context.colorspace = _LIMITED_RANGE, matrix
        context.color_primaries = context.color_trc = matrix
        for rgb, stamp in frames:
            if rgb.shape != shape:
                raise VideoError(f"All frames of a video have one size, but {rgb.shape} came after {shape}.")
            film.mux(stream.encode(_encodable(rgb, matrix, stamp, clock)))
        film.mux(stream.encode(None))


def _encodable(rgb: Rgb, matrix: int, stamp: int, clock: Fraction) -> av.VideoFrame:
    import av

    even = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=_LIMITED_RANGE)
    frame.pts, frame.time_base = stamp, clock
    return frame
