"""Opens cameras and stream addresses. Runs in the worker process, as everything that decodes does."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from har_core.errors import VideoError
from har_core.values import Rgb

_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp")
_PROTOCOLS = "rtsp,rtsps,rtp,udp,tcp,tls,http,https,rtmp,httpproxy,crypto"
_FORMATS = "rtsp,rtp,sdp,mov,mp4,matroska,webm,mpegts,flv,live_flv,mpjpeg,mjpeg,jpeg_pipe,h264,hevc,avi"
_PATIENCE = 8_000_000
"""Microseconds of silence after which a network stream is given up."""
_DAMAGED = 100
"""So many damaged pictures in a row are no bad luck any more."""
_CAMERAS = {"Linux": ("v4l2", "/dev/video{}"), "Darwin": ("avfoundation", "{}"), "Windows": ("dshow", "video={}")}


def watch(address: str, *, longest_side: int) -> Iterator[tuple[float, Rgb]]:
    """Every picture of a camera (its number) or a stream (its address), with its time from the first one.

    Raises:
        VideoError: it cannot be opened, or stops giving pictures.
    """
    try:
        with _opened(address) as container:
            if not container.streams.video:
                raise VideoError(f"{address} has no picture in it.")
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"  # whole pictures in several threads would each wait for the next ones
            yield from _pictures(container, stream, longest_side)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        silent = isinstance(error, av.error.ExitError)  # FFmpeg's own words for it are "immediate exit requested"
        reason = "nothing comes from it" if silent else getattr(error, "strerror", None) or str(error)
        what = f"The camera {address}" if address.isdigit() else address
        raise VideoError(f"{what} cannot be watched: {reason.lower()}. Check that it is on and not in use.") from error


def _pictures(
    container: av.container.InputContainer, stream: av.VideoStream, longest: int
) -> Iterator[tuple[float, Rgb]]:
    reformatter = VideoReformatter()
    origin = previous = None
    for frame in _decoded(container, stream):
        now = time.monotonic() if frame.time is None else frame.time
        origin = now if origin is None else origin
        if previous is not None and now <= previous:
            continue
        previous = now
        scale = min(1.0, longest / max(frame.width, frame.height))
        size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        small = reformatter.reformat(frame, *size, format="rgb24", interpolation=Interpolation.AREA)
        yield now - origin, small.to_ndarray().astype(np.uint8, copy=False)


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """The pictures; ones that arrive damaged are left out, unless nothing else comes."""
    damaged = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            if damaged > _DAMAGED:
                raise
            continue
        damaged = 0 if frames else damaged
        yield from frames


def _opened(address: str) -> av.container.InputContainer:
    if address.isdigit():
        name, file = _CAMERAS.get(platform.system(), ("v4l2", "/dev/video{}"))
        return av.open(file.format(address), format=name)
    kind, separator, rest = address.partition("://")
    address = kind.lower() + separator + rest  # FFmpeg knows no HTTP:// in capitals
    scheme = re.match(r"([a-z]+)://", address)
    if scheme is None or scheme[1] not in _SCHEMES:
        raise VideoError(
            f"A source is a file, the number of a camera, or an address that begins with {', '.join(_SCHEMES)}://, "
            f"but it is {address!r}."
        )
    options = {"protocol_whitelist": _PROTOCOLS, "format_whitelist": _FORMATS}
    if scheme[1].startswith("rtsp"):
        options |= {"rtsp_transport": "tcp", "timeout": str(_PATIENCE)}
    else:
        options |= {"rw_timeout": str(_PATIENCE)}
    return av.open(address, options=options, timeout=(10.0, 10.0))
