"""The coach's advice on a run, each with a button that starts the next run so."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from har_core import coach
from har_core.coach import Advice
from har_core.errors import DatasetError
from har_core.events import EpochEnded, Started
from har_core.runs import Run
from har_core.ui.choose import run_title
from har_core.ui.frame import plain, reporting
from har_core.ui.loaders import read_dataset
from har_core.ui.starting import begin

_ASKED = "advice taken"


def advice(run: Run, epochs: Sequence[EpochEnded], started: Started, *, over: bool) -> None:
    """What the curves say, and one click to do something about it."""
    config = run.config()
    found = coach.advise(epochs, started, config, over=over)
    if not found:
        return
    with st.container(border=True):
        st.markdown(":material/lightbulb: **What the curves say**")
        for each in found:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{plain(each.title)}.** {plain(each.why)}", width="stretch")
                if each.change:
                    st.button(f"Start a new run with {each.offer}", key=f"advice {each.title}",
                              icon=":material/play_arrow:", on_click=_ask, args=(run, each))  # fmt: skip
    if (asked := st.session_state.pop(_ASKED, None)) is not None and asked[0] == run.name:
        with reporting():
            _start(run, asked[1])


def _ask(run: Run, taken: Advice) -> None:
    """A click is remembered: in the run of the page that it causes, its advice may be another one's."""
    st.session_state[_ASKED] = (run.name, taken)


def _start(run: Run, taken: Advice) -> None:
    config = coach.changed(run.config(), taken.change | {"version": None})
    folder = Path(config.dataset)
    if not folder.is_dir():
        raise DatasetError(f"The clips of this run were in {folder}, but there is no such folder now. Bring it back.")
    begin(config, read_dataset(folder), note=f"As {run_title(run.name)}, but with {taken.offer}.")
