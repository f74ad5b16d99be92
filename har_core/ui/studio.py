"""A camera that records takes: frames in, mirrored frames with a sign out, each take a film on the disk.

What is finished is on the disk at once, with a label that says what it shows: a closed tab, a killed app or a power
cut takes no take with it.
"""

import contextlib
import math
import secrets
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from har_core import takes, workspace
from har_core.errors import HarError
from har_core.images import sign
from har_core.takes import Label, Moment, Plan, Take
from har_core.ui.recording import Recorder, recordings
from har_core.values import Rgb

_WAIT, _RUN = (230, 159, 0), (220, 38, 38)
IDLE = Moment("idle")
_BLACK = 12.0
"""Mean grey below which nobody could be seen; a dim room at night has more."""


def home() -> Path:
    """Where takes wait."""
    return workspace() / "takes"


def waiting() -> list[Take]:
    """The takes that nobody has kept or thrown away yet, oldest first; those of an app that was killed too."""
    found = (takes.read_take(recording.folder, recording.film) for recording in recordings(home()))
    return sorted((take for take in found if take), key=lambda take: (take.label.at, take.folder.name))


class Studio:
    """One browser window's camera. A `webrtc.Sink`; threads may share it."""

    def __init__(self) -> None:
        self.viewer = secrets.token_hex(8)
        self.trouble = ""
        self.is_black = False
        self._lock = threading.Lock()
        self._plan: Plan | None = None
        self._label = Label("", "", "")
        self._begun: float | None = None
        self._recorder: Recorder | None = None
        self._take = 0
        self._closing: list[threading.Thread] = []
        self.moment = IDLE

    def open(self) -> "Studio":
        """For a new connection: what was under way in the one before has ended."""
        self.stop()
        return self

    def begin(self, plan: Plan, label: Label) -> None:
        """Record these takes from the next frame on."""
        self.stop()
        with self._lock:
            self._plan, self._label = plan, replace(label, viewer=self.viewer)
            self._begun, self._take, self.trouble = None, 0, ""
            self.moment = takes.moment(plan, 0.0)

    def stop(self) -> None:
        """End what is under way; what there is of the take is kept for review, and said to be cut."""
        with self._lock:
            if self._recorder and self.moment.phase == "recording":
                with contextlib.suppress(HarError):
                    takes.write_label(self._recorder.folder, replace(self._label, at=time.time(), cut=True))
            self._finish()
            self._plan, self.moment = None, IDLE

    def end(self) -> None:
        """See `webrtc.Sink`: called on the server's event loop, so the films are finished elsewhere."""
        threading.Thread(target=self.stop, name="takes end", daemon=True).start()

    def settled(self) -> bool:
        """Whether nothing is under way and all films are whole."""
        self._closing = [thread for thread in self._closing if thread.is_alive()]
        return self.moment.phase in ("idle", "done") and not self._closing

    def process(self, rgb: Rgb, seconds: float, *, dropped: int) -> Rgb:
        """See `webrtc.Sink`. The take is as the camera sees it; what is sent back is as in a mirror."""
        mirrored = np.ascontiguousarray(rgb[:, ::-1])
        self.is_black = bool(rgb[::16, ::16].mean() < _BLACK)
        try:
            with self._lock:
                now = self._advance(rgb, seconds)
        except Exception as error:  # one that escaped would end the connection
            if not isinstance(error, HarError):
                traceback.print_exc()
            self.trouble = str(error) or "Nothing can be recorded."
            with self._lock:
                self._plan, self.moment = None, IDLE
            return mirrored
        if now.phase == "countdown":
            return sign(mirrored, str(math.ceil(now.left)), share=now.share, colour=_WAIT)
        if now.phase == "recording":
            return sign(mirrored, "", share=now.share, colour=_RUN)
        return mirrored

    def _advance(self, rgb: Rgb, seconds: float) -> Moment:
        """Where the plan stands at this frame; the frame goes into its take. Holds the lock."""
        if self._plan is None:
            return IDLE
        if self._begun is None or seconds < self._begun:  # the camera's clock began anew
            self._begun = seconds
        now = self.moment = takes.moment(self._plan, seconds - self._begun)
        if self._recorder and (now.phase != "recording" or now.take != self._take):
            self._finish()
        if now.phase == "recording":
            if self._recorder is None:
                self._recorder, self._take = Recorder(home()), now.take
                try:
                    takes.write_label(self._recorder.folder, replace(self._label, at=time.time()))
                except HarError:
                    self._finish()  # one without a frame removes its folder
                    raise
            self._recorder.put(rgb, seconds)
            self.trouble = self._recorder.trouble or self.trouble
        if now.phase == "done":
            self._plan = None
        return now

    def _finish(self) -> None:
        """Close the film in a thread: it takes a moment, and the next frame is there. Holds the lock."""
        recorder, self._recorder = self._recorder, None
        if recorder:
            thread = threading.Thread(target=recorder.close, name="take", daemon=True)
            thread.start()
            self._closing.append(thread)


def this_studio() -> Studio:
    """The camera of the window whose page is running."""
    if "studio" not in st.session_state:
        st.session_state["studio"] = Studio()
    studio: Studio = st.session_state["studio"]
    return studio
