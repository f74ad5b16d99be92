"""The moving parts of the Live page: what is loaded for it, and what changes while a stream plays."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st

from har_core import weights, workspace
from har_core.config import LiveConfig
from har_core.errors import HarError
from har_core.ui import panel
from har_core.ui.choose import can_name
from har_core.ui.frame import plain, reporting
from har_core.ui.live import Stream, Viewer
from har_core.ui.loaders import Model, predictor
from har_core.ui.recording import Recording, recordings
from har_core.ui.shelf import shelf
from har_core.ui.webrtc import State

Mode = Literal["person", "frame"]

if TYPE_CHECKING:
    from har_core.detection import Detector
    from har_core.engine import Engine

_PANEL_SECONDS, _CONTROLS_SECONDS = 0.45, 1.0
_TOO_LONG_SECONDS = 12.0
_VIEWS: dict[Mode, str] = {"person": "Each person", "frame": "Whole picture"}
_LISTED = 5


def load(model: Model) -> tuple[Engine, Detector | None]:
    """All that a stream needs, warm: it ends for good when a frame takes 10 s, so nothing may be loaded while it plays.

    The detector is None where there is none.
    """
    predictor(model)  # says that it is loading; `_engine` would be silent for seconds
    return _engine(model.folder, model.stamp, model), detector_or_none()


@st.cache_resource(show_spinner=False, max_entries=4)
def _engine(folder: Path, stamp: int, _model: Model) -> Engine:
    """The model's engine, warm: its first pictures take many times as long as the next."""
    from har_core import live  # noqa: F401  # the first frame must not wait for it

    engine = predictor(_model).engine
    size = engine.card.clip.size
    for number in (1, 2):
        engine.classify([engine.encode(np.zeros((number, size, size, 3), np.uint8))])
    gc.collect()
    gc.freeze()  # what was loaded lives for good; the collector would stop all threads to look at it
    return engine


def detector_or_none() -> Detector | None:
    """What finds people; the same for all viewers. Looked for again once other weights are there."""
    try:
        path = weights.find_detector("auto")
        return None if path is None else _detector(path, path.stat().st_mtime_ns)
    except (HarError, OSError) as error:  # the whole picture can be looked at all the same
        st.warning(plain(str(error)), icon=":material/warning:")
        return None


@st.cache_resource(show_spinner="Loading what finds people. The first time takes up to a minute.", max_entries=1)
def _detector(path: Path, stamp: int) -> Detector | None:
    from har_core import detection

    loaded = detection.load()
    gc.collect()
    gc.freeze()
    return loaded


def choose_view(engine: Engine, detector: Detector | None) -> Mode:
    """Each person or the whole picture; without a detector there is nothing to choose."""
    key = "live view" if detector else "live view without"
    st.session_state.setdefault(key, "person" if detector and "person" in engine.card.views else "frame")
    mode: Mode | None = st.segmented_control(
        "Look at", _VIEWS, format_func=_VIEWS.__getitem__, key=key, required=True, disabled=detector is None
    )
    return mode or "frame"


def explain_view(engine: Engine, detector: Detector | None, mode: Mode) -> None:
    """What the choice means, where that is not plain."""
    if detector is None:
        st.caption("Nothing here finds people, so the whole picture is looked at, which is best with one person in it. "
                   "What finds people can be had under Weights, below.")  # fmt: skip
    elif mode == "person" and "person" not in engine.card.views:
        st.caption("This model was trained on whole pictures. It may do worse on the picture around one person.")


def waiting(state: State) -> None:
    """Say what may be wrong when no picture comes."""
    if state != "connecting":
        st.session_state.pop("live connecting since", None)
        return
    st.session_state.setdefault("live connecting since", time.monotonic())
    _waiting()


@st.fragment(run_every=2.0)
def _waiting() -> None:
    since = st.session_state.get("live connecting since")
    if since is not None and time.monotonic() - since > _TOO_LONG_SECONDS:
        st.warning("No picture gets through yet. Press Stop, then Check the connection below: it says what to do.",
                   icon=":material/wifi_off:")  # fmt: skip


def show_people(viewer: Viewer, state: State, mode: Mode, actions: Sequence[str]) -> None:
    """Who does what, twice a second, without running the page."""
    if state == "stopped":
        what = "each person" if mode == "person" else "the picture"
        st.markdown("**Press Start below the picture.**")
        st.caption(f"The action of {what} then stands here, with how probable it is, and what was done lately.")
        if actions:
            st.caption(can_name(actions))
        return
    st.fragment(_people, run_every=_PANEL_SECONDS)(viewer)


def _people(viewer: Viewer) -> None:
    stream = viewer.ask()
    if stream is None:
        _say(viewer.trouble)
        if not viewer.trouble:
            st.caption("Waiting for the first picture …")
        return
    st.html(panel.people(stream.view, stream.segments(), top=LiveConfig().top))
    _say(stream.trouble)


def _say(trouble: str) -> None:
    if trouble:
        st.warning(plain(trouble), icon=":material/warning:")


def show_numbers(viewer: Viewer, state: State) -> None:
    """How fast it is, folded away where nobody asked."""
    if state == "stopped":
        return
    with st.expander("Speed", icon=":material/speed:"):
        st.fragment(_numbers, run_every=_CONTROLS_SECONDS)(viewer)


def _numbers(viewer: Viewer) -> None:
    stream = viewer.ask()
    if stream is None:
        st.caption("Waiting for the first picture …")
        return
    st.html(panel.numbers(stream.view))


def controls(viewer: Viewer, state: State) -> None:
    """Snapshot and Record, below the picture while it plays; the snapshot stays when it has ended."""
    if state == "stopped":
        _snapshot()
        return
    st.fragment(_controls, run_every=_CONTROLS_SECONDS)(viewer)


def _controls(viewer: Viewer) -> None:
    stream = viewer.ask()
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Snapshot", icon=":material/photo_camera:", disabled=stream is None) and stream:
            st.session_state["live snapshot"] = (time.strftime("%Y%m%d-%H%M%S"), stream.snapshot())
        _record_button(stream)
    _snapshot()


def _snapshot() -> None:
    """The last snapshot, if one was taken."""
    name, picture = st.session_state.get("live snapshot", ("", None))
    if picture:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.image(picture, width=240, alt="The snapshot")
            st.download_button("Save the snapshot", picture, f"snapshot-{name}.jpg", "image/jpeg",
                               icon=":material/download:", on_click="ignore")  # fmt: skip


def _record_button(stream: Stream | None) -> None:
    place = st.empty()
    if stream is None or stream.recorder is None:
        pressed = place.button("Record", icon=":material/fiber_manual_record:", disabled=stream is None)
        if not (pressed and stream):
            return
        with reporting():
            stream.record()
    recorder = stream.recorder
    if recorder is None:
        return
    if place.button("Stop recording", icon=":material/stop:", type="primary"):
        with st.spinner("Finishing the film"):
            stream.stop_recording()
        st.rerun()  # the list of recordings is another now
    st.markdown(f":red[●] {int(recorder.seconds) // 60}:{int(recorder.seconds) % 60:02d}")


def show_recordings() -> None:
    """The recordings on this computer, newest first: to play, to take away, to delete."""
    found = recordings(workspace() / "recordings")
    if not found:
        return
    st.subheader("Recordings", anchor=False)
    shown = found if st.session_state.get("live all recordings") else found[:_LISTED]
    for recording in shown:
        _recording(recording)
    if len(found) > _LISTED:
        st.toggle(f"Show all {len(found)}", key="live all recordings")


@st.fragment
def _recording(recording: Recording) -> None:
    name = recording.folder.name
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{recording.title}** :gray[{_measures(recording)}]", width="content")
            with st.container(horizontal=True, width="content", vertical_alignment="center"):
                playing = st.toggle("Play", key=f"play {name}")
                st.download_button("Film", lambda: recording.film.read_bytes(), f"{name}.mp4", "video/mp4",
                                   key=f"film {name}", icon=":material/download:", on_click="ignore")  # fmt: skip
                if recording.events.is_file():
                    st.download_button("Events", recording.events.read_bytes(), f"{name}.csv", "text/csv",
                                       key=f"events {name}", icon=":material/table:", on_click="ignore")  # fmt: skip
                with st.popover("Delete", icon=":material/delete:", key=f"ask {name}"):
                    st.markdown("It cannot be brought back.")
                    if st.button("Delete for good", key=f"delete {name}", type="primary"):
                        recording.delete()
                        st.rerun()
        if playing and recording.film.is_file():
            st.video(str(recording.film), autoplay=True, muted=True, alt=f"The recording of {recording.title}")


def _measures(recording: Recording) -> str:
    try:
        status = recording.film.stat()
        key = (recording.film, status.st_size, status.st_mtime_ns)
        seconds = shelf("recordings", 256).get(key, lambda: _seconds(recording.film))
    except OSError:  # somebody deleted it on the disk
        return "is gone"
    except HarError:
        return "cannot be played"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}, {status.st_size / 1e6:.1f} MB"


def _seconds(film: Path) -> float:
    from har_core import video

    return video.probe(film).seconds
