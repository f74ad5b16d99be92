"""Recordings of live streams: a film with what was drawn, and a table of what was done.

Both are written as they happen. The film is a fragmented MP4 while it grows: whatever ends the app, all but
its last two seconds can be played. When it is done, or found unfinished, its index is put to the front
without touching a picture, which is what players and editors like better.
"""

import contextlib
import csv
import io
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from har_core.errors import VideoError
from har_core.exports import harmless
from har_core.images import resize
from har_core.values import Rgb, Segment

FILM, GROWING, EVENTS = "film.mp4", "film.part.mp4", "events.csv"
_UNTOUCHED_SECONDS = 15.0
"""A growing film that nobody wrote to for so long was left behind by an app that ended."""
_SPARE_BYTES = 1 << 20
"""Room that must be left beside the copy of a film while it is finished."""
_WAITING = 30
_TICKS = 1000
_COLUMNS = ("person", "action", "start", "stop", "mean probability")


@dataclass(frozen=True, slots=True)
class Recording:
    """A finished recording on the disk."""

    folder: Path

    @property
    def film(self) -> Path:
        """The picture with all that was drawn into it: H.264."""
        return self.folder / FILM

    @property
    def events(self) -> Path:
        """Who did what from when to when, in seconds of the film: CSV."""
        return self.folder / EVENTS

    @property
    def title(self) -> str:
        """When it was begun."""
        with contextlib.suppress(ValueError):
            return datetime.strptime(self.folder.name[:15], "%Y%m%d-%H%M%S").strftime("%Y-%m-%d %H:%M:%S")
        return self.folder.name

    def delete(self) -> None:
        """Remove it for good; of a folder that is a link, the link."""
        if self.folder.is_symlink():
            self.folder.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def recordings(home: Path) -> list[Recording]:
    """The finished recordings, newest first; those that an app left unfinished are finished now.

    Left out: what cannot be read, and folders of others whose names are no text, for no page can show them.
    """
    found = []
    for folder in sorted(home.glob("*"), reverse=True):
        growing = folder / GROWING
        with contextlib.suppress(OSError):
            if growing.is_file() and time.time() - growing.stat().st_mtime > _UNTOUCHED_SECONDS:
                _finish(growing)
        with contextlib.suppress(OSError, UnicodeEncodeError):
            folder.name.encode()
            if (folder / FILM).is_file():
                found.append(Recording(folder))
    return found


class Recorder:
    """Writes one recording. `put` never waits: where the disk or the encoder is slow, frames are left out.

    Raises:
        VideoError: the folder cannot be made.
    """

    def __init__(self, home: Path) -> None:
        name = time.strftime("%Y%m%d-%H%M%S")
        try:
            home.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                (home / name).mkdir()
                self.folder = home / name
            if not hasattr(self, "folder"):  # two viewers in one second
                self.folder = home / f"{name}-{secrets.token_hex(2)}"
                self.folder.mkdir()
        except OSError as error:
            raise VideoError(f"Nothing can be recorded: {error.strerror} ({home}). Make room there.") from None
        self._ended = ""  # why the film ended early
        self._untold = ""  # why the events are not on the disk
        self.seconds = 0.0
        self._begun: float | None = None
        self._last = 0.0
        self._events: dict[tuple[int | None, str, float], Segment] = {}
        self._frames: queue.Queue[tuple[Rgb, float] | None] = queue.Queue(_WAITING)
        self._lock = threading.Lock()
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._writer.start()

    @property
    def trouble(self) -> str:
        """What went wrong, in a sentence, or nothing."""
        return self._ended or self._untold

    def put(self, rgb: Rgb, seconds: float) -> None:
        """The picture that is shown now, uint8 `(H, W, 3)`; `seconds` of the stream."""
        if self._ended:
            return
        with self._lock:
            if self._begun is None:
                self._begun = seconds
            elif seconds < self._last:  # the stream began anew; the film goes on
                self._begun -= self._last - seconds
            self._last = seconds
            self.seconds = seconds - self._begun
        with contextlib.suppress(queue.Full):
            self._frames.put_nowait((rgb, self.seconds))

    def note(self, segments: Iterable[Segment]) -> None:
        """What was done lately, in seconds of the stream; what is told again replaces what was told before."""
        with self._lock:
            if self._begun is None or self._ended:
                return
            for s in segments:
                if s.stop > self._begun:
                    start, stop = max(0.0, s.start - self._begun), s.stop - self._begun
                    self._events[s.track, s.action, round(start, 3)] = Segment(s.track, s.action, start, stop, s.score)
            told = sorted(self._events.values(), key=lambda s: (s.start, s.track or 0))
        part = self.folder / f".{EVENTS}.part"
        try:
            part.write_text(as_csv(told), encoding="utf-8", errors="replace")
            part.replace(self.folder / EVENTS)
            self._untold = ""
        except OSError as error:  # the film goes on, and what is told next has all that was told before
            self._untold = f"The events of the recording cannot be written: {error.strerror}. Make room there."
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def close(self) -> None:
        """Write what waits, and finish the film. Once it returns the recording is whole; again does nothing."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self._frames.put(None)
        self._writer.join()

    def _write(self) -> None:
        film: _GrowingFilm | None = None
        while (item := self._frames.get()) is not None:
            if self._ended:
                continue  # somebody must empty the queue
            try:
                film = film or _GrowingFilm(self.folder / GROWING, item[0])
                film.add(*item)
            except Exception as error:  # any: were this thread to end, whoever stops the recording would wait for ever
                self._ended = f"The recording has ended early: {_reason(error)}. What there is of it is kept."
                self._end(film)  # now, while it is known to be ours
        if film is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif not self._ended:
            self._end(film)

    def _end(self, film: "_GrowingFilm | None") -> None:
        """Close the film and put its index to the front; where the first fails, the second is tried all the same."""
        for step in (film.close, lambda: _finish(self.folder / GROWING)) if film else ():
            try:
                step()
            except Exception as error:
                self._ended = self._ended or f"The recording could not be finished: {_reason(error)}."


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def as_csv(segments: Iterable[Segment]) -> str:
    """The table of events, one row for each segment in the order given; seconds with three digits."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    for s in segments:
        who = "whole picture" if s.track is None else s.track
        rows.writerow([who, harmless(s.action), f"{s.start:.3f}", f"{s.stop:.3f}", f"{s.score:.4f}"])
    return text.getvalue()


class _GrowingFilm:
    """An H.264 MP4 in fragments of at most two seconds, each whole by itself; frames come when they come."""

    def __init__(self, path: Path, first: Rgb) -> None:
        import av  # here, or every page would wait for FFmpeg

        self._av = av
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
        self._film: Any = av.open(f"file:{path.absolute()}", "w", format="mp4", options=options)
        height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
        self._size_wh = (width, height)
        stream = self._film.add_stream("libx264", rate=30, options={"crf": "23", "preset": "superfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.codec_context.gop_size = 60
        stream.codec_context.thread_count = 1
        self._stream = stream
        self._last = self._key = -1

    def add(self, rgb: Rgb, seconds: float) -> None:
        tick = round(seconds * _TICKS)
        if tick <= self._last:
            return
        frame = self._av.VideoFrame.from_ndarray(_fitted(rgb, self._size_wh), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = tick, Fraction(1, _TICKS)
        if self._key < 0 or tick - self._key >= 2 * _TICKS:  # by time, however few frames come
            frame.pict_type, self._key = self._av.video.frame.PictureType.I, tick
        self._last = tick
        self._film.mux(self._stream.encode(frame))

    def close(self) -> None:
        try:
            self._film.mux(self._stream.encode(None))
        finally:
            self._film.close()


def _finish(growing: Path) -> None:
    """Turn a film in fragments into one with its index at the front; the pictures are copied as they are."""
    import av

    if shutil.disk_usage(growing.parent).free < growing.stat().st_size + _SPARE_BYTES:
        # FFmpeg never closes a copy that fails on a full disk: the room it took would be gone until the app ends.
        growing.replace(growing.with_name(FILM))
        return
    part = growing.with_name(f".{FILM}.{secrets.token_hex(4)}.part")
    try:
        with (
            av.open(f"file:{growing.absolute()}") as source,
            av.open(f"file:{part.absolute()}", "w", format="mp4", options={"movflags": "+faststart"}) as film,
        ):
            stream = source.streams.video[0]
            copy = film.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copy
                    film.mux(packet)
        part.replace(growing.with_name(FILM))
        growing.unlink(missing_ok=True)
    except (
        av.error.FFmpegError,
        IndexError,
        ValueError,
    ):  # not even a first fragment, or no room for a copy: keep what there is
        growing.replace(growing.with_name(FILM))
    finally:
        part.unlink(missing_ok=True)


def _fitted(rgb: Rgb, size_wh: tuple[int, int]) -> Rgb:
    """The picture in the middle of a black one of that size: a camera may change its size in midstream."""
    height, width = rgb.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    if abs(scale - 1) < 0.01 and (width - size_wh[0], height - size_wh[1]) in ((0, 0), (1, 0), (0, 1), (1, 1)):
        return np.ascontiguousarray(rgb[: size_wh[1], : size_wh[0]])
    inner = min(size_wh[0], max(1, round(width * scale))), min(size_wh[1], max(1, round(height * scale)))
    left, top = (size_wh[0] - inner[0]) // 2, (size_wh[1] - inner[1]) // 2
    fitted = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    fitted[top : top + inner[1], left : left + inner[0]] = resize(rgb, inner)
    return fitted
