"""Opens untrusted files with FFmpeg and hands out their decoded pictures in order, with mended times.

Runs in the worker process; see `client` for the side that the rest of the project talks to.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import av
import av.stream

from har_core.errors import VideoError

if TYPE_CHECKING:
    VideoPacket = av.Packet[av.VideoStream]  # a generic type for the checker only

LONGEST_SIDE = 16_384
REENCODE = "Re-encode it (for example `ffmpeg -i IN -c:v libx264 OUT.mp4`) or remove it."

# FFmpeg would render any text file as a terminal recording and follow playlists to other files, so only
# real containers are let in. `image2` is left out on purpose: it reads `%03d` in a name as a pattern.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h261,h263,h264,hevc,vvc,av1,obu,ivf,"
    "flv,live_flv,asf,wmv,ogg,gif,apng,mjpeg,smjpeg,mpjpeg,rm,mxf,nut,dv,wtv,nsv,avs,avs2,avs3,cavsvideo,dirac,"
    "dnxhd,vc1,vc1test,yuv4mpegpipe,gxf,lxf,mv,bink,smk,roq,flic,film_cpk,idcin,wc3movie,ea,swf,amv,"
    "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,gif_pipe,jpegxl_pipe,mp3,flac,wav,aac,aiff,w64,ape"
)
_PLAYLISTS = (b"#extm3u", b"ffconcat", b"<?xml", b"<mpd", b"<smil", b"v=0", b"[playlist]", b"<asx", b"<html")
_THREADS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture and its time: seconds on the file's own clock."""

    time: float
    frame: av.VideoFrame


class Stamp(NamedTuple):
    """What a packet says of itself, times in units of the stream's time base."""

    time: int | None
    duration: int
    key: bool


class Source:
    """An open file, from which pictures come in the order they are shown. A context manager.

    `corrupt` lets pictures through that FFmpeg knows to be damaged.
    """

    def __init__(self, path: Path, *, corrupt: bool = False) -> None:
        self.name = path.name
        self._corrupt = corrupt
        self.container = opened(path)
        try:
            self.stream = self._video_stream()
        except VideoError:
            self.container.close()
            raise
        self.step = float(1 / rate) if (rate := self.stream.average_rate or self.stream.guessed_rate) else 1 / 25
        self.by_dts = self.container.format.name == "avi"
        self.time_base = self.stream.time_base or Fraction(1, 90_000)
        self.corrupted = 0
        self.seen: list[Stamp] | None = None  # set it to a list to have every packet noted there
        self._sought = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self.container.close()

    def _video_stream(self) -> av.VideoStream:
        cover = av.stream.Disposition.attached_pic
        streams = [stream for stream in self.container.streams.video if not stream.disposition & cover]
        if not streams:
            told = f"A video needs pictures, but {self.name} has only sound or other streams, or is damaged."
            raise VideoError(f"{told} Copy it again or remove it.")
        best = self.container.streams.best("video")
        chosen = next((stream for stream in streams if stream is best), streams[0])
        if chosen.codec_context is None:
            raise VideoError(f"{self.name} is compressed in a way that cannot be decoded here. {REENCODE}")
        if max(chosen.width, chosen.height) > LONGEST_SIDE:
            size = f"{chosen.width} x {chosen.height}"
            raise VideoError(f"{self.name} claims {size} pixels, at most {LONGEST_SIDE} a side can be read. {REENCODE}")
        for stream in self.container.streams:
            stream.discard = av.stream.Discard.default if stream is chosen else av.stream.Discard.all
        chosen.thread_type = "AUTO"
        chosen.codec_context.thread_count = _THREADS
        return chosen

    def clock(self, pts: int | None, dts: int | None) -> int | None:
        """The stamp to trust. AVI stores none for showing: its order of decoding is what is regular."""
        first, second = (dts, pts) if self.by_dts else (pts, dts)
        return second if first is None else first

    def packets(self) -> Iterator[VideoPacket]:
        """The compressed packets from here on; a damaged end is an end."""
        try:
            for packet in self.container.demux(self.stream):
                if not packet.size and packet.dts is not None:
                    continue  # "the same again" in AVI; the decoder would take it for the end
                self._note(packet)
                yield packet
        except (av.error.FFmpegError, OSError):
            return

    def _note(self, packet: VideoPacket) -> None:
        if self.seen is None or not packet.size or packet.is_discard:
            return
        stamp = Stamp(self.clock(packet.pts, packet.dts), packet.duration or 0, packet.is_keyframe)
        if self.by_dts and packet.size == 1 and len(self.seen) == 1:
            # XVID pads the delay of packed B-frames behind the first picture; the film begins after it.
            self.seen[0] = self.seen[0]._replace(time=stamp.time)
        else:
            self.seen.append(stamp)

    def seek(self, stamp: int) -> None:
        """Go to the last key picture at or before a packet's stamp, in units of the time base."""
        self._sought = True
        self.container.seek(stamp, stream=self.stream, backward=True, any_frame=False)

    def end(self) -> float:
        """When the last packet of any stream ends, on the file's clock, in seconds; leaves the file at its end."""
        for stream in self.container.streams:
            stream.discard = av.stream.Discard.default
        last = 0.0
        try:
            self.container.seek(0)
            for packet in self.container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except (av.error.FFmpegError, OSError):
            pass  # a damaged end is an end
        return last

    def pictures(self) -> Iterator[Picture]:
        """Pictures from here on, times rising. Call it again after `seek`."""
        previous: float | None = None
        for frame in self._frames():
            if frame.is_corrupt and not self._corrupt:
                self.corrupted += 1
                continue
            stamp = self.clock(frame.pts, frame.dts)
            time = None if stamp is None else float(stamp * (frame.time_base or self.time_base))
            # Packed B-frames in AVI have no time of their own, and joined files jump back.
            if time is None or (previous is not None and time <= previous):
                # After a seek a picture without a time could be anywhere: infinity sends the reader back.
                time = (math.inf if self._sought else 0.0) if previous is None else previous + self.step
            previous = time
            yield Picture(time, frame)

    def _frames(self) -> Iterator[av.VideoFrame]:
        ended = False
        for packet in self.packets():
            ended = packet.size == 0
            yield from self._decoded(packet)
        if not ended:
            yield from self._decoded(None)  # a damaged end: what the decoder still holds

    def _decoded(self, packet: VideoPacket | None) -> list[av.VideoFrame]:
        try:
            return list(self.stream.decode(packet))
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            return []  # a damaged packet costs its own picture, not the file


def opened(path: Path) -> av.container.InputContainer:
    """An untrusted file, of a format that can lead to no other file.

    Raises:
        VideoError: it is missing, or no such file.
    """
    head = _refuse(path)
    options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
    try:
        # The prefix keeps names such as `concat:x` or `http:` from being read as addresses. Titles and such need not
        # be UTF-8: nobody reads them here, and they keep no video out.
        container = av.open(f"file:{path.absolute()}", container_options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise _unreadable(path, head, _reason(error)) from error
    if not container.streams:
        container.close()
        raise _unreadable(path, head, "no stream in it")
    return container


def _unreadable(path: Path, head: bytes, reason: str) -> VideoError:
    if head[4:8] == b"ftyp" or head.startswith((b"RIFF", b"\x1aE\xdf\xa3")):
        told = f"begins like a video, but is damaged or cut off: nothing of it can be read ({reason})"
        return VideoError(f"{path.name} {told}. Copy it again from where it came, or remove it.")
    return VideoError(f"{path.name} is not a video in a known format ({reason}). {REENCODE}")


def _refuse(path: Path) -> bytes:
    """Raise for what is plainly no video, before FFmpeg may interpret it; gives how it begins."""
    if path.exists() and not path.is_dir() and not path.is_file():
        # A pipe or a device would be waited for.
        raise VideoError(f"A clip must be a file, but {path.name} is a pipe or a device. Save it as a file first.")
    if path.is_dir():
        raise VideoError(f"{path.name} is a folder, but a video file is needed.")
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except FileNotFoundError:
        raise VideoError(f"{path.name} does not exist (any more). Check its path.") from None
    except (OSError, ValueError) as error:
        raise VideoError(f"{path.name} cannot be opened: {getattr(error, 'strerror', None) or error}.") from error
    if not head:
        raise VideoError(f"{path.name} is empty (0 bytes). Copy it again or remove it.")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PLAYLISTS):
        raise VideoError(f"{path.name} is a playlist or a text, not a video. Use the videos themselves.")
    return head


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
