"""A viewer of the Live page: what is shown to them, and the streams that begin and end under it.

A connection may end in many ways (Stop, another page, a closed tab, a lost network), and some of them are
told to nobody. So each stream has a keeper: a thread that looks once a second whether frames still come and
the page still asks, and puts everything away when not. Nothing else closes anything.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from har_core import workspace
from har_core.config import LiveConfig
from har_core.errors import VideoError
from har_core.images import jpeg
from har_core.ui.recording import Recorder
from har_core.values import LiveView, Rgb, Segment

if TYPE_CHECKING:
    from har_core.detection import Detects
    from har_core.engine import Engine
    from har_core.live import LiveRecognizer

STALLED_SECONDS = 10.0
"""Without a frame for so long a stream is put away; it begins anew when frames come again."""
GONE_SECONDS = 90.0
"""Without a word from the page for so long its viewer has gone. Browsers slow down a page in the background."""
_TICK = 1.0
_DRIFT, _ANOTHER_CLOCK = 0.0005, 5.0
"""Seconds that the clocks of a camera and of this computer may part in a second; beyond the other the clock was set."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a stream is looked at with. The engine and the detector are shared by all viewers."""

    engine: Engine
    detector: Detects | None
    config: LiveConfig


@dataclass(slots=True)
class Viewer:
    """One browser tab. Lives in the session; its streams come and go. Threads may share it."""

    setup: Setup | None = None
    stream: Stream | None = None
    trouble: str = ""
    asked: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, setup: Setup) -> None:
        """Look with this from now on, also at what is playing."""
        with self._lock:
            self.setup, self.asked = setup, time.monotonic()

    def ask(self) -> Stream | None:
        """The stream that plays, if any. Asking says that somebody is looking at the page."""
        self.asked = time.monotonic()
        stream = self.stream
        return stream if stream and stream.open else None

    def open(self) -> Stream:
        """Begin a stream for a new connection; the one before it ends."""
        with self._lock:
            before, stream = self.stream, Stream(self)
            self.stream, self.trouble = stream, ""
        if before:
            before.end()
        return stream

    def leave(self) -> None:
        """What played ends: the page on which it did was left."""
        with self._lock:
            before, self.stream = self.stream, None
        if before:
            before.end()

    def fail(self, sentence: str) -> None:
        """Keep what went wrong for the page."""
        self.trouble = sentence


def this_viewer() -> Viewer:
    """The viewer whose page is running."""
    if "live viewer" not in st.session_state:
        st.session_state["live viewer"] = Viewer()
    viewer: Viewer = st.session_state["live viewer"]
    return viewer


class Stream:
    """One connection: its recogniser, its newest picture, its recording. A `webrtc.Sink`."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._turn = threading.Lock()  # a frame is processed, or things are put away
        self._recognizer: LiveRecognizer | None = None
        self._used: Setup | None = None
        self._recorder: Recorder | None = None
        self._keeper: threading.Thread | None = None
        self._over = threading.Event()
        self._last = time.monotonic()
        self._newest: Rgb | None = None
        self._lead: float | None = None
        self._trouble = ""

    @property
    def open(self) -> bool:
        """Whether there is a recogniser at work."""
        return self._recognizer is not None and not self._over.is_set()

    @property
    def view(self) -> LiveView:
        """The newest snapshot."""
        recognizer = self._recognizer
        return recognizer.view if recognizer else LiveView()

    @property
    def mode(self) -> str:
        """What is looked at: "person" or "frame"."""
        recognizer = self._recognizer
        return recognizer.mode if recognizer else "frame"

    def segments(self) -> list[Segment]:
        """What was done in the last minute."""
        recognizer = self._recognizer
        return recognizer.segments() if recognizer else []

    @property
    def trouble(self) -> str:
        """What went wrong last, in a sentence, or nothing."""
        recorder = self._recorder
        return self._trouble or self._viewer.trouble or self.view.trouble or (recorder.trouble if recorder else "")

    def process(self, rgb: Rgb, seconds: float, *, dropped: int) -> Rgb:
        """See `webrtc.Sink`. What fails is kept as `trouble`; the picture goes on."""
        with self._turn:
            # Without a page that asks, a film would be looked at for ever.
            if self._over.is_set() or time.monotonic() - self._viewer.asked > GONE_SECONDS:
                return rgb
            try:
                return self._process(rgb, seconds, dropped)
            except Exception as error:  # one that escaped would end the connection
                if not self._trouble:
                    traceback.print_exc()
                self._trouble = f"A frame could not be looked at: {error}"
                return rgb

    def _process(self, rgb: Rgb, seconds: float, dropped: int) -> Rgb:
        recognizer = self._ready()
        recognizer.note_dropped(dropped)
        self._last = time.monotonic()
        drawn = recognizer.process(rgb, seconds, arrived=self._arrived(seconds))
        self._newest, self._trouble = drawn, ""
        if self._recorder:
            self._recorder.put(drawn, recognizer.view.seconds)
        return drawn

    def _arrived(self, seconds: float) -> float:
        """When this frame should have been here, had nothing held it up on its way: it has waited in a queue.

        The frame that was least late so far says how the two clocks compare; it is forgotten by and by, for they
        do not run alike.
        """
        now = time.monotonic()
        lead = now - seconds
        if self._lead is None or abs(lead - self._lead) > _ANOTHER_CLOCK:
            self._lead = lead
        self._lead = min(lead, self._lead + _DRIFT / 30)
        return seconds + self._lead

    def _ready(self) -> LiveRecognizer:
        """The recogniser, as the viewer wants it now. Holds the turn."""
        setup = self._viewer.setup
        assert setup is not None, "a stream needs a viewer who is prepared"
        same = self._used and (self._used.detector, self._used.config) == (setup.detector, setup.config)
        if self._recognizer is None or not same:
            from har_core.live import LiveRecognizer  # heavy, but `watching.load` has loaded it

            self._close_recognizer()
            self._recognizer = LiveRecognizer(setup.engine, setup.detector, setup.config)
        elif self._used is not None and self._used.engine is not setup.engine:
            self._recognizer.switch(setup.engine)
        self._used = setup
        if self._keeper is None:
            self._last = time.monotonic()
            self._keeper = threading.Thread(target=self._keep, name="live keeper", daemon=True)
            self._keeper.start()
        return self._recognizer

    def snapshot(self) -> bytes | None:
        """The newest picture, as drawn, as a JPEG file."""
        newest = self._newest
        return None if newest is None else jpeg(newest, quality=92)

    @property
    def recorder(self) -> Recorder | None:
        """What is recording now, if anything."""
        return self._recorder

    def record(self) -> None:
        """Begin to record; does nothing where it records already. What came of the recording before is forgotten.

        Raises:
            VideoError: the workspace cannot be written. It is kept as `trouble` too: the page draws itself anew soon.
        """
        with self._turn:
            if self._recorder is None and self.open:
                try:
                    self._recorder = Recorder(workspace() / "recordings")
                except VideoError as error:
                    self._viewer.fail(str(error))
                    raise
                self._viewer.fail("")

    def stop_recording(self) -> Path | None:
        """End the recording and wait until it is whole; gives its folder."""
        with self._turn:
            recorder, self._recorder = self._recorder, None
            said = self.segments()
        return self._finish(recorder, said)

    def _finish(self, recorder: Recorder | None, said: list[Segment]) -> Path | None:
        """Without the turn: the last frames may take a while, and the picture goes on."""
        if recorder is None:
            return None
        recorder.note(said)
        recorder.close()
        if recorder.trouble:
            self._viewer.fail(recorder.trouble)
        return recorder.folder

    def end(self) -> None:
        """The connection is over. Returns at once; the keeper puts everything away."""
        self._over.set()

    def _keep(self) -> None:
        while not self._over.wait(_TICK):
            now = time.monotonic()
            if now - self._last > STALLED_SECONDS or now - self._viewer.asked > GONE_SECONDS:
                break
            if recorder := self._recorder:
                recorder.note(self.segments())
        with self._turn:
            recorder, self._recorder = self._recorder, None
            said = self.segments()
            self._close_recognizer()
            self._keeper = None
        self._finish(recorder, said)

    def _close_recognizer(self) -> None:
        if self._recorder:
            self._recorder.note(self.segments())
        if self._recognizer:
            self._recognizer.close()
        self._recognizer = self._used = None
