"""Asking for analyses: which videos, what shall be done with them, and the button that begins."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import streamlit as st

from har_core import attendant, dataset, intake, weights, workspace
from har_core.analyses import Request
from har_core.dataset import EXTENSIONS
from har_core.dataset.layouts import is_video
from har_core.errors import HarError
from har_core.ui.frame import plain, reporting
from har_core.ui.loaders import Model, read_dataset

_UPLOAD, _SAMPLE, _PATH = "Upload", "Data set", "Path"
_WAY, _ROUND = "video from", "video round"
BATCH, BEGUN, OPEN = "video batch", "video begun", "video open"
"""Keys: all that was begun in this visit, what was begun last, and whose answer is open."""
_MOST = 200
"""Videos that are begun at once."""
Chosen = list[tuple[str, str, BinaryIO | None]]
"""The name of each video, where it lies ("" for an upload), and what was uploaded."""


def ask(model: Model, viewer: str, pace: Mapping[bool, float]) -> None:
    """Draw the form; what is asked for goes into the queue, and the page runs anew.

    Args:
        model: what shall look.
        viewer: whose the analyses will be.
        pace: seconds of work for each second of video, as seen here before, with and without looking for people.
    """
    with st.container(border=True):
        chosen: Chosen = []
        with reporting():
            chosen = _chosen(model, pace)
        number = len(chosen)
        with st.container(horizontal=True, gap="medium", vertical_alignment="center", key="asking"):
            text = "Analyse" if number < 2 else f"Analyse {number} videos"
            pressed = st.button(text, type="primary", icon=":material/play_arrow:", disabled=not chosen, key="analyse")
            people, film = _options(model)
        if people and "person" not in model.views:
            st.caption("This model has learned from whole pictures: what it says of one person is a guess.")
        if pressed:
            _begin(model, viewer, chosen, people=people, film=film)


def _chosen(model: Model, pace: Mapping[bool, float]) -> Chosen:
    sets = dataset.datasets(workspace())
    ways = [_UPLOAD, *([_SAMPLE] if sets else []), _PATH]
    if st.session_state.get(_WAY) not in ways:
        st.session_state[_WAY] = _UPLOAD
    way = st.segmented_control("Video", ways, key=_WAY, required=True, label_visibility="collapsed")
    if way == _SAMPLE:
        return _of_a_data_set(sets)
    if way == _PATH:
        typed = st.text_input("File or folder on this computer", placeholder="/home/me/party.mp4", key="video path",
                              help="On the machine where the app runs. It is read where it is, nothing is copied. "
                              "Of a folder all videos in it are taken.")  # fmt: skip
        return _at(typed.strip()) if typed.strip() else []
    round_ = st.session_state.setdefault(_ROUND, 0)  # a new key empties the uploader, and its memory
    files = st.file_uploader("Clip", type=sorted(EXTENSIONS), accept_multiple_files=True, key=f"clip {round_}",
                             label_visibility="collapsed")  # fmt: skip
    if not files:
        st.caption(_limits(model, pace))
    return [(file.name, "", file) for file in files]


def _limits(model: Model, pace: Mapping[bool, float]) -> str:
    most = int(st.get_option("server.maxUploadSize"))
    size = f"{most / 1024:g} GB" if most >= 1024 else f"{most} MB"
    told = [f"One video or many, up to {size} each and 12 hours long."]
    if model.window_seconds:
        told.append(f"What is longer than {model.window_seconds:.0f} s gets a timeline.")
    if pace:
        told.append(_forecast(pace))
    told.append("They stay on this computer until you delete them, and only this browser sees them.")
    return " ".join(told)


def _forecast(pace: Mapping[bool, float]) -> str:
    """How long a minute of video takes, as far as it was seen here."""
    each, whole = (f"about {_spoken(60 * pace[people])}" if people in pace else "" for people in (True, False))
    if each and whole:
        return f"A minute of video takes {each} here, and {whole} without naming each person."
    return f"A minute of video takes {each or whole} here, {'with' if each else 'without'} naming each person."


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 100 else f"{max(1.0, seconds):.0f} s"


def _of_a_data_set(sets: dict[str, Path]) -> Chosen:
    one, two = st.columns([2, 3])
    name = one.selectbox("Data set", list(sets), key="video data")
    source = read_dataset(sets[name])
    named = {source.relative(clip): clip.path for clip in source.clips}
    picked = two.multiselect("Clips", list(named), key=f"video clips of {name}", placeholder="Choose one or more")
    return [(Path(one).name, str(named[one].absolute()), None) for one in picked]


def _at(typed: str) -> Chosen:
    try:
        path = Path(typed).expanduser().absolute()
        if path.is_file():
            return [(path.name, str(path), None)]
        found = sorted(p for p in path.iterdir() if p.is_file() and is_video(p.name)) if path.is_dir() else []
    except (OSError, RuntimeError, ValueError):  # a name too long, an unknown user, a zero byte
        found = []
    if not found:
        raise HarError(f"A video, or a folder with videos, must lie at this path, but there is none at {typed[:300]}.")
    if len(found) > _MOST:
        st.caption(f"{len(found)} videos lie there; the first {_MOST} are taken.")
    return [(p.name, str(p), None) for p in found[:_MOST]]


def _options(model: Model) -> tuple[bool, bool]:
    """Whether to look at each person too, and whether to make the annotated video."""
    finds = weights.find_detector("auto") is not None
    on = "person" in model.views and finds
    people = st.toggle(
        "Name each person", value=on, disabled=not finds, key=f"people of {model.name} {on}",
        help="Finds and follows everybody, and asks the model about each. It takes several times as long."
        if finds else "There is no detector on this computer to find people with: fetch one on the Live page.",
    )  # fmt: skip
    film = st.toggle("Annotated video", key="video film",
                     help="Boxes, names and bars drawn into the picture, with the original sound. It can also be made "
                     "later.")  # fmt: skip
    return people and finds, film


def _begin(
    model: Model, viewer: str, chosen: Sequence[tuple[str, str, BinaryIO | None]], *, people: bool, film: bool
) -> None:
    begun, now = [], time.time()
    with st.spinner("Storing the videos"):
        for number, (name, source, content) in enumerate(chosen):
            # One after the other in time too: the newest come first in lists, and these in their order.
            request = Request(name, str(model.folder.absolute()), model.name, people, film, source, now + number / 1000)
            try:
                begun.append(intake.begin(workspace(), viewer, request, content).name)
            except HarError as error:
                st.error(plain(str(error)), icon=":material/error:")
        attendant.ensure(workspace())
    if not begun:
        return
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    st.session_state[BATCH] = [*st.session_state.get(BATCH, []), *begun]
    st.session_state[BEGUN] = begun
    st.session_state.pop(OPEN, None)
    st.query_params.pop("video", None)
    st.rerun()
