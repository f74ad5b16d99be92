"""Puts the sound of one file beside the picture of another. Runs in the worker process: the sound is untrusted.

AAC and MP3 are copied as they are, everything else becomes AAC: what browsers play in an mp4.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.stream
import numpy as np

from har_core.errors import VideoError
from har_core.video.container import opened
from har_core.video.index import index_of

if TYPE_CHECKING:
    Packet = av.Packet[av.AudioStream]  # generic types for the checker only

_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)
_TRIED = 50
"""Packets at its beginning of which one must decode, or a sound counts as broken."""
_JUMP = 0.05
"""Seconds by which sound may be early or late before silence is put in, or sound left out."""
_BEAT = 0.5


@dataclass(slots=True)
class Told:
    """What became of the sound: whether it was taken over, and a sentence where it was not, or not whole."""

    taken: bool = False
    note: str = ""


def beside(film: Path, source: Path, out: Path, told: Told) -> Iterator[float]:
    """Write `out`: the picture of `film`, a whole H.264 mp4, with the sound of `source`; gives seconds done.

    The sound begins with the first picture of `source` and ends with `film`. Where there is none to be had nothing is
    written, and `told` says why; that `source` is silent is no reason for a sentence.

    Raises:
        VideoError: `out` cannot be written.
    """
    origin = index_of(source).origin
    with opened(source) as tried:
        stream = _best(tried)
        if stream is None:
            return
        if not _Sound(tried, stream, origin).decodes():
            told.note = f"The sound of {source.name} does not decode, so the film is silent."
            return
    with av.open(f"file:{film.absolute()}") as picture, opened(source) as container:
        stream = _best(container)
        if stream is None:
            return
        shown = picture.streams.video[0]
        length = float(shown.duration * shown.time_base) if shown.duration and shown.time_base else 0.0
        sound = _Sound(container, stream, origin, length=length)
        options = {"movflags": "+faststart"}
        try:
            with av.open(f"file:{out.absolute()}", "w", format="mp4", container_options=options) as written:
                yield from _interleaved(picture, written, sound)
        except (av.error.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoError(f"The sound of {source.name} cannot be taken over: {reason}.") from error
    told.taken = True
    if sound.lost:
        told.note = f"Some of the sound of {source.name} does not decode and is missing."


def _best(container: av.container.InputContainer) -> av.AudioStream | None:
    stream = container.streams.best("audio")
    if not isinstance(stream, av.AudioStream) or stream.codec_context is None:
        return None
    for other in container.streams:
        other.discard = av.stream.Discard.default if other is stream else av.stream.Discard.all
    return stream


def _interleaved(
    picture: av.container.InputContainer, out: av.container.OutputContainer, sound: _Sound
) -> Iterator[float]:
    shown = picture.streams.video[0]
    frames = out.add_stream_from_template(shown)
    coming = sound.packets(out)
    waiting = next(coming, None)
    beat = -_BEAT
    for packet in picture.demux(shown):
        if packet.dts is None:
            continue
        now = float(packet.dts * (packet.time_base or 0))
        while waiting is not None and waiting[0] <= now:
            out.mux(waiting[1])
            waiting = next(coming, None)
        packet.stream = frames
        out.mux(packet)
        if now - beat >= _BEAT:
            beat = now
            yield max(0.0, now)
    while waiting is not None:
        out.mux(waiting[1])
        waiting = next(coming, None)


class _Sound:
    """The sound of a file from its first picture on, as packets for an mp4. A damaged end is an end."""

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.AudioStream,
        origin: float,
        *,
        length: float = 0.0,
    ) -> None:
        self.lost = 0
        self._container, self._stream, self._origin, self._length = container, stream, origin, length
        codec = stream.codec_context
        # Without its setup AAC from a broadcast cannot be put into an mp4 as it is.
        self._copied = codec.name.startswith("mp3") or (codec.name == "aac" and bool(codec.extradata))

    def decodes(self) -> bool:
        """Whether it is sound at all; reads on in the file."""
        packets = itertools.islice(self._demuxed(), _TRIED)
        return any(frame.samples for packet in packets for frame in self._decoded(packet))

    def packets(self, out: av.container.OutputContainer) -> Iterator[tuple[float, Packet]]:
        """Packets with their time in seconds of the film, rising."""
        return self._as_they_are(out) if self._copied else self._encoded(out)

    def _demuxed(self) -> Iterator[Packet]:
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
        except (av.error.FFmpegError, OSError):
            self.lost += 1

    def _decoded(self, packet: Packet | None) -> list[av.AudioFrame]:
        try:
            return list(self._stream.decode(packet))
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            self.lost += 1
            return []

    def _as_they_are(self, out: av.container.OutputContainer) -> Iterator[tuple[float, Packet]]:
        made = out.add_stream_from_template(self._stream)
        last = None
        for packet in self._demuxed():
            base = packet.time_base
            if packet.pts is None or not base:
                continue
            stamp = packet.pts - round(self._origin / base)
            seconds = float(stamp * base)
            if seconds >= self._length:
                return
            # A packet that began before the picture would push the picture back.
            if stamp < 0 or (last is not None and stamp <= last):
                continue
            last = stamp
            packet.pts = packet.dts = stamp
            packet.stream = made
            yield seconds, packet

    def _encoded(self, out: av.container.OutputContainer) -> Iterator[tuple[float, Packet]]:
        rate = self._stream.rate if self._stream.rate in _RATES else _RATES[0]
        layout = "mono" if self._stream.channels == 1 else "stereo"
        made = out.add_stream("aac", rate=rate, layout=layout)
        made.codec_context.bit_rate = 96_000 if layout == "mono" else 160_000
        written = 0
        for frame in self._placed(rate, layout):
            frame.pts, frame.time_base = written, Fraction(1, rate)
            written += frame.samples
            for packet in made.encode(frame):
                yield float((packet.pts or 0) * (packet.time_base or 0)), packet
        for packet in made.encode(None):
            yield float((packet.pts or 0) * (packet.time_base or 0)), packet

    def _placed(self, rate: int, layout: str) -> Iterator[av.AudioFrame]:
        """Sound without gaps from the first picture on: silence where there is none, nothing beyond the end."""
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        position, end = 0, round(self._length * rate)
        for packet in itertools.chain(self._demuxed(), [None]):
            for decoded in self._decoded(packet):
                begins = position if decoded.time is None else round((decoded.time - self._origin) * rate)
                if begins >= end or position >= end:
                    return
                if begins - position > _JUMP * rate:
                    yield from _silence(begins - position, rate, layout)
                    position = begins
                if position - begins > _JUMP * rate:
                    continue  # before the first picture, or a time that was there already
                decoded.pts = None
                try:
                    parts = resampler.resample(decoded)
                except (av.error.FFmpegError, ValueError):
                    self.lost += 1  # it changed its kind midway
                    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
                    continue
                for part in parts:
                    position += part.samples
                    yield part


def _silence(samples: int, rate: int, layout: str) -> Iterator[av.AudioFrame]:
    channels = 1 if layout == "mono" else 2
    while samples > 0:
        number = min(samples, rate)
        frame = av.AudioFrame.from_ndarray(np.zeros((channels, number), np.float32), format="fltp", layout=layout)
        frame.sample_rate = rate
        samples -= number
        yield frame
