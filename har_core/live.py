"""Who is doing what, live: one viewer's loop from frames to drawn frames.

The caller's thread detects, tracks and draws each frame; one worker encodes and classifies. Between them
lies a mailbox of one place in which the newest wins, so that a slow machine loses looks, never time. What
the worker finds is published by replacing one reference to values that never change.
"""

import math
import sys
import threading
import time
import traceback
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from har_core.buffers import Subject, Timeline, Watch, last_tick, wanted
from har_core.config import LiveConfig
from har_core.detection import Detects
from har_core.drawing import draw
from har_core.engine import Engine
from har_core.images import cut, fit
from har_core.meter import Meter
from har_core.tracking import Tracker
from har_core.values import Detections, LiveView, Numbers, Reading, Rgb, Seen, Segment, Tracks

Mode = Literal["person", "frame"]
_REFERENCE = 640.0
"""Boxes are followed in a picture with this longest side: cameras change their resolution in midstream."""
_NEWCOMER = Reading("collecting", collected=0.0)
_KEEP_SECONDS = 60.0
_ENDING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Job:
    watch: Watch
    engine: Engine
    seconds: float
    last: int
    subjects: tuple[Subject, ...]
    crops: Rgb
    kept: frozenset[Subject]


@dataclass(frozen=True, slots=True)
class _Frame:
    rgb: Rgb
    seconds: float
    tracks: Tracks


class LiveRecognizer:
    """One viewer's recogniser. `process` is for one thread at a time; everything else for any.

    Args:
        engine: the model; viewers may share it.
        detector: finds people; viewers may share it. None looks at the whole picture.
        config: see LiveConfig.
        threaded: classify on a worker of its own. Without it each call of `process` waits for everything,
            and the same frames give the same answers: for files and tests.
        remember: keep what is needed for `seen`; memory then grows with the stream.
    """

    def __init__(
        self,
        engine: Engine,
        detector: Detects | None,
        config: LiveConfig | None = None,
        *,
        threaded: bool = True,
        remember: bool = False,
    ) -> None:
        self.config = config or LiveConfig()
        self._detector, self._remember = detector, remember
        self._tracker = Tracker(self.config) if detector else None
        self._meter = Meter(everything=remember)
        self._view = LiveView()
        self._troubles: dict[str, str] = {}
        self._engine = engine
        self._renew = False
        self._slot: _Job | None = None
        self._busy = False
        self._closed = False
        self._change = threading.Condition()
        self._knowing = threading.Lock()  # what the watch knows: the worker writes it, a page reads it
        self._origin: float | None = None
        self._previous: _Frame | None = None
        self._begin(engine)
        self._worker = threading.Thread(target=self._work, name="live", daemon=True) if threaded else None
        if self._worker:
            self._worker.start()

    @property
    def view(self) -> LiveView:
        """The newest snapshot."""
        return self._view

    @property
    def mode(self) -> Mode:
        """What is looked at: people, or the whole picture because there is no detector or the model knows no people."""
        if self._detector is None or self.config.view == "frame":
            return "frame"
        return "person" if self.config.view == "person" or "person" in self._engine.card.views else "frame"

    def numbers(self) -> Numbers:
        """How the stream fares now: over the last seconds, or over all of it where it remembers."""
        return self._meter.numbers(fresh=True)

    @property
    def worker_alive(self) -> bool:
        """Whether the worker runs; it does until `close`."""
        return self._worker is not None and self._worker.is_alive()

    def switch(self, engine: Engine) -> None:
        """Use another model from the next frame on; people keep their ids, what was seen of them is collected anew."""
        self._engine = engine

    def reset(self) -> None:
        """The next frame begins another source: time from 0, ids from 1, nothing collected."""
        self._renew = True

    def note_dropped(self, number: int) -> None:
        """Count frames that arrived and were never handed over."""
        self._meter.dropped(number)

    def close(self, *, wait: bool = False) -> None:
        """End the worker. What it has found stays readable.

        With `wait` it has ended on return: a program that ends while it classifies would crash.
        """
        with self._change:
            self._closed, self._slot = True, None
            self._change.notify_all()
        if wait and self._worker:
            self._worker.join(_ENDING_SECONDS)

    def segments(self) -> list[Segment]:
        """What was done in the last minute (all of it, where it remembers), in seconds of the stream, by start."""
        with self._knowing:
            return self._watch.timeline.segments()

    def process(self, rgb: Rgb, seconds: float, *, arrived: float | None = None) -> Rgb:
        """The frame with all that is known drawn into it.

        Whatever fails is kept as `view.trouble`; the picture goes on.

        Args:
            rgb: uint8 `(H, W, 3)`; not changed.
            seconds: of the stream, rising; a step back of more than a second begins a new source.
            arrived: `time.monotonic()` when the frame arrived, for the latency.

        Returns:
            A new uint8 `(H, W, 3)`.
        """
        begun = time.monotonic()
        try:
            drawn = self._process(rgb, seconds)
            self._troubles.pop("picture", None)
        except Exception as error:  # a picture without boxes is better than none
            self._fail("picture", error)
            drawn = rgb
        self._meter.frame(begun if arrived is None else arrived)
        return drawn

    def flush(self) -> None:
        """The stream has ended: look at its last frame too, and wait for the worker."""
        if self._previous is not None:
            try:  # it was on display until the next would have come
                self._look(self._previous, self._previous.seconds + self._interval)
            except Exception as error:
                self._fail("picture", error)
            self._previous = None
        with self._change:
            self._change.wait_for(lambda: self._closed or not (self._slot or self._busy), timeout=30)

    def seen(self) -> list[Seen]:
        """Everybody who was seen in the whole stream, by id; needs `remember`, and `flush` before it."""
        with self._knowing:
            return self._watch.seen()

    def _begin(self, engine: Engine) -> None:
        self._origin = self._previous = None
        self._last_tracks = Tracks.none()
        self._number = self._frames_since = 0
        self._interval = 1 / 30
        self._open(engine)

    def _open(self, engine: Engine) -> None:
        keep = float("inf") if self._remember else _KEEP_SECONDS
        with self._change:
            self._watch = Watch(engine.card, engine.classify, self.config, self._remember, Timeline(keep))
            self._watched = engine
            self._slot = None
            self._turn: dict[Subject, float] = {}  # when the worker last took a look at whom

    def _process(self, rgb: Rgb, seconds: float) -> Rgb:
        if not math.isfinite(seconds):  # nothing would come after it
            raise ValueError(f"its time must be a number of seconds, but is {seconds}.")
        if self._renew or (self._origin is not None and seconds - self._origin < self._view.seconds - 1):
            self._renew = False
            if self._tracker:
                self._tracker.reset()
            self._begin(self._engine)
        if self._engine is not self._watched:
            self._open(self._engine)
        if self._origin is None:
            self._origin = seconds
        now = seconds - self._origin
        if self._previous is None or now > self._previous.seconds:
            self._follow(rgb, now)
        self._view = self._snapshot(now)
        begun = time.monotonic()
        drawn = draw(rgb, self._view, top=self.config.top)
        self._meter.stage("draw", begun)
        return drawn

    def _follow(self, rgb: Rgb, now: float) -> None:
        """Find out who is where, and look at the frame before if a window wants it."""
        people = self.mode == "person"
        turned = self._previous is not None and self._previous.rgb.shape != rgb.shape
        due = self._number == 0 or now - self._last_tracks.seconds >= self.config.detection_seconds - 1e-6
        if people and (turned or due):
            begun = time.monotonic()
            self._last_tracks = self._track(rgb, now)
            self._meter.stage("detect", begun)
        tracks = _inside(self._last_tracks.at(now), rgb) if people else Tracks.none(now)
        self._number += 1
        self._frames_since += 1
        if self._previous is not None:
            self._interval = now - self._previous.seconds
            self._look(self._previous, now)
        for subject in tracks.ids.tolist() if people else (None,):
            self._watch.span.setdefault(subject, [now, now])[1] = now + self._interval
        self._previous = _Frame(rgb, now, tracks)

    def _track(self, rgb: Rgb, now: float) -> Tracks:
        assert self._detector is not None and self._tracker is not None
        scale = max(rgb.shape[:2]) / _REFERENCE
        found = self._detector.detect(rgb)
        tracks = self._tracker.update(Detections(found.xyxy / np.float32(scale), found.confidence), now)
        return Tracks(now, tracks.xyxy * np.float32(scale), tracks.confidence, tracks.ids,
                      tracks.velocity * np.float32(scale))  # fmt: skip

    def _look(self, frame: _Frame, following: float) -> None:
        """Hand to the worker what a frame shows, if a window looks at the time in which it was on display."""
        watch = self._watch
        spec = watch.card.clip
        if not wanted(frame.seconds, following, spec):
            return
        if self.mode == "person":
            chosen = self._whose_turn(frame)
            subjects: tuple[Subject, ...] = tuple(frame.tracks.ids[chosen].tolist())
            pictures = [cut(frame.rgb, box, expand=self.config.expand) for box in frame.tracks.xyxy[chosen]]
            kept: frozenset[Subject] = self._tracker.kept if self._tracker else frozenset()
        else:
            subjects, pictures, kept = (None,), [frame.rgb], frozenset({None})
        crops = (
            np.stack([fit(p, spec.size) for p in pictures])
            if pictures
            else np.empty((0, spec.size, spec.size, 3), np.uint8)
        )
        last = last_tick(frame.seconds, following, spec)
        for subject in subjects:
            watch.span.setdefault(subject, [frame.seconds, following])
        job = _Job(watch, self._watched, frame.seconds, last, subjects, crops, kept)
        self._frames_since = 0
        if self._worker is None:
            self._classify(job)
            return
        with self._change:
            self._slot = job
            self._change.notify_all()

    def _whose_turn(self, frame: _Frame) -> NDArray[np.intp]:
        """Which people the encoder has time for: those whose last look is the longest ago."""
        everybody = np.arange(len(frame.tracks))
        affordable = max(1, int(self.config.budget_ms * max(1, self._frames_since) / self._meter.encode_ms))
        with self._change:
            self._turn = {i: self._turn.get(i, -1.0) for i in frame.tracks.ids.tolist()}
            turns = list(self._turn.values())
        if len(everybody) > affordable and self._worker is not None:
            everybody = np.argsort(turns, kind="stable")[:affordable]
        return everybody

    def _work(self) -> None:
        while True:
            with self._change:
                self._busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: self._closed or self._slot is not None)
                if self._closed:
                    return
                job, self._slot, self._busy = self._slot, None, True
                if job is not None and job.watch is self._watch:
                    # Not when it was put there: who waits in a job that a newer one replaced has had no turn.
                    self._turn.update(dict.fromkeys(job.subjects, job.seconds))
            try:
                if job is not None and job.watch is self._watch:
                    self._classify(job)
                    self._troubles.pop("worker", None)
            except Exception as error:  # the worker of a stream must outlive one bad frame
                self._fail("worker", error)

    def _classify(self, job: _Job) -> None:
        begun = time.monotonic()
        embeddings = job.engine.encode(job.crops)
        if job.subjects:
            self._meter.stage("encode", begun)
            self._meter.encoded(begun, len(job.subjects))
        begun = time.monotonic()
        looks = dict(zip(job.subjects, embeddings, strict=True))
        with self._knowing:
            job.watch.see(job.seconds, job.last, looks, job.kept)
        if job.subjects:
            self._meter.stage("classify", begun)

    def _snapshot(self, now: float) -> LiveView:
        watch, tracks = self._watch, self._last_shown
        if not watch.remember:
            for gone in set(watch.span) - set(tracks.ids.tolist()) - {None}:
                del watch.span[gone]
        readings = watch.readings
        people = {i: readings.get(i, _NEWCOMER) for i in tracks.ids.tolist()}
        whole = readings.get(None, _NEWCOMER) if self.mode == "frame" else None
        return LiveView(now, tracks, people, whole, self._meter.numbers(), " ".join([*self._troubles.values()]))

    @property
    def _last_shown(self) -> Tracks:
        return self._previous.tracks if self._previous else Tracks.none()

    def _fail(self, where: str, error: Exception) -> None:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        sentence = f"A frame could not be looked at: {first}"
        if self._troubles.get(where) != sentence:  # once, not thirty times a second
            traceback.print_exception(error, file=sys.stderr)
        self._troubles[where] = sentence
        self._view = replace(self._view, trouble=sentence)


def _inside(tracks: Tracks, rgb: Rgb) -> Tracks:
    """The tracks that reach into the picture: one who walks out is predicted to walk on."""
    height, width = rgb.shape[:2]
    box = tracks.xyxy
    visible = (box[:, 2] > 0) & (box[:, 3] > 0) & (box[:, 0] < width) & (box[:, 1] < height)
    return Tracks(tracks.seconds, box[visible], tracks.confidence[visible], tracks.ids[visible],
                  tracks.velocity[visible])  # fmt: skip
