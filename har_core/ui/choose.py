"""Which data set, model or run: the pickers, and what to show where there is none yet."""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import streamlit as st

from har_core import dataset, runs, workspace
from har_core import notes as notes_of
from har_core.errors import RunError
from har_core.ui.frame import go_to, plain
from har_core.ui.loaders import Model, models
from har_core.values import is_nothing

_WIDTH = 460
"""Pixels of a picker: no wider than its names need."""
STATUS = {
    "new": ("not started", "gray", ":material/schedule:"),
    "running": ("running", "blue", ":material/directions_run:"),
    "finished": ("finished", "green", ":material/check_circle:"),
    "stopped": ("stopped", "orange", ":material/pause_circle:"),
    "failed": ("failed", "red", ":material/error:"),
    "crashed": ("crashed", "red", ":material/error:"),
}
"""How each status of a run is shown: word, colour, icon."""


def run_title(name: str) -> str:
    """A run's name for reading: what it trains first, then when it was started.

    >>> run_title("20261122-234833-yoga")
    'yoga · 2026-11-22 23:48:33'
    """
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-(.+)", name)
    if match is None:
        return name
    year, month, day, hour, minute, second, rest = match.groups()
    return f"{rest} · {year}-{month}-{day} {hour}:{minute}:{second}"


def called(name: str) -> str:
    """What the user calls a run, else its name for reading."""
    return notes_of.read(workspace() / "runs" / name).title or run_title(name)


def empty(text: str, button: str, page: str, *, icon: str = ":material/inbox:") -> None:
    """What to say, and where to go, where a page has nothing to work with yet."""
    with st.container(border=True):
        st.markdown(f"{icon} {text}")
        if st.button(button, type="primary", key=f"empty_{page}"):
            go_to(page)


def _recall(key: str, found: Collection[str]) -> None:
    """Choose what was chosen on the page before: the bar at the top forgets both the picker and the address."""
    kept = st.session_state.get(f"kept {key}")
    if key not in st.session_state and key not in st.query_params and kept in found:
        st.session_state[key] = kept


def _let_go(key: str, found: Collection[str]) -> None:
    """Choose another where what was chosen is gone: left to itself, the browser goes on showing the old name."""
    if key in st.session_state and st.session_state[key] not in found:
        st.session_state[key] = next(iter(found))


def choose_dataset() -> Path | None:
    """The folder of the data set chosen; None, with a way out, where there is none."""
    found = dataset.datasets(workspace())
    if not found:
        empty("There is no data set yet.", "Get a data set", "dataset")
        return None
    _recall("data", found)
    _let_go("data", found)
    name = st.selectbox("Data set", list(found), key="data", bind="query-params", width=_WIDTH)
    st.session_state["kept data"] = name
    return found[name]


def choose_dataset_for(model: Model) -> Path | None:
    """The folder of the data set to evaluate on: the one the model was trained on unless another is chosen."""
    found = dataset.datasets(workspace())
    trained_on = None
    with suppress(RunError):  # a damaged config costs the suggestion only
        trained_on = Path(model.run.config().dataset) if model.run else None
    if trained_on and trained_on.is_dir() and trained_on.resolve() not in {f.resolve() for f in found.values()}:
        found = {trained_on.name: trained_on, **found}
    if not found:
        empty("There is no data set yet.", "Get a data set", "dataset")
        return None
    same = [i for i, f in enumerate(found.values()) if trained_on and f.resolve() == trained_on.resolve()]
    name = st.selectbox("Data set", list(found), index=same[0] if same else 0, key=f"data of {model.name}")
    return found[name]


def choose_model() -> Model | None:
    """The model chosen; None, with a way out, where there is none."""
    found = {model.name: model for model in models()}
    if not found:
        if dataset.datasets(workspace()):
            text = "There is no model yet. Train one: it can be chosen here soon after its training has begun."
            empty(text, "Train a model", "train", icon=":material/model_training:")
        else:
            text = "There is no model yet. It learns from clips, so a data set comes first."
            empty(text, "Get a data set", "dataset", icon=":material/model_training:")
        return None
    _recall("model", found)
    _let_go("model", found)
    name = st.selectbox("Model", list(found), format_func=run_title, key="model", bind="query-params")
    st.session_state["kept model"] = name
    with st.container():  # a place that is there for every model, so that nothing below moves when another is chosen
        if found[name].limits:
            st.caption(f":material/info: {plain(found[name].limits)}")
        if (run := found[name].run) and run.alive():
            st.caption(":material/directions_run: Still training: its best epoch so far is asked.")
    return found[name]


def can_name(actions: Sequence[str]) -> str:
    """What a model knows, and what comes of all else.

    >>> can_name(["run", "walk"])
    'It knows 2 actions: run, walk. Whatever else is done gets one of these names too, unless it is unsure.'
    >>> can_name(["none", "run", "walk"])
    'It knows 2 actions: run, walk. Of other things it should say none, or that it is unsure.'
    """
    known = [action for action in actions if not is_nothing(action)]
    nothing = ", ".join(action for action in actions if is_nothing(action))
    rest = (f"Of other things it should say {plain(nothing)}, or that it is unsure." if nothing
            else "Whatever else is done gets one of these names too, unless it is unsure.")  # fmt: skip
    return f"It knows {len(known)} actions: {plain(', '.join(known))}. {rest}"


def choose_run(found: list[runs.Run]) -> runs.Run:
    """One of the runs, of which there is at least one."""
    by_name = {run.name: run for run in found}
    _let_go("run", by_name)
    return by_name[st.selectbox("Run", list(by_name), format_func=called, key="run", bind="query-params", width=_WIDTH)]


def status_badge(status: str) -> None:
    """A run's status in a word and a colour."""
    word, colour, icon = STATUS[status]
    st.badge(word, color=colour, icon=icon)  # type: ignore[arg-type]  # the colours above are all known to it


def notes(lines: tuple[str, ...] | list[str], *, title: str) -> None:
    """Remarks, folded away where there are many."""
    if not lines:
        return
    with st.expander(f"{title} ({len(lines)})", icon=":material/info:", expanded=len(lines) <= 2):
        st.markdown("\n".join(f"- {plain(line)}" for line in lines))
