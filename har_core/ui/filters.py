"""The row above the gallery: which clips are shown, and in which order."""

import math
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from har_core.catalogue import FLAGS, RANGES, Filter, Sort
from har_core.ui import picking
from har_core.ui.frame import plain

BY_DOUBT = "Most surely wrong first"
_SORTS: dict[str, tuple[Sort, bool]] = {
    "Name": ("name", False),
    "Shortest first": ("length", False),
    "Longest first": ("length", True),
    "Least motion first": ("motion", False),
    "Most motion first": ("motion", True),
    "Darkest first": ("brightness", False),
    "Brightest first": ("brightness", True),
    BY_DOUBT: ("doubt", True),
}
_WORDS = {
    "seconds": ("Length", "s", 0.1, "%.1f"), "motion": ("Motion", "", 0.001, "%.3f"),
    "brightness": ("Brightness", "", 0.01, "%.2f"), "height": ("Picture height", "px", 1.0, "%.0f"),
    "frames per second": ("Frames a second", "", 0.1, "%.1f"),
}  # fmt: skip
PAGE_SIZES = (24, 48, 96)


@dataclass(frozen=True, slots=True)
class View:
    """What the user wants to see: which clips, in which order, whether it falls, and how many make a page."""

    filter: Filter
    sort: Sort
    falling: bool
    size: int


def sort_by_doubt(name: str) -> None:
    """Show next what a model contradicts most surely; before `choose_view` is called."""
    st.session_state[f"sort {name}"] = BY_DOUBT


def choose_view(table: pd.DataFrame, *, name: str) -> View:
    """The choices, drawn one after another into the container that is open.

    Args:
        table: of all clips.
        name: of the data set: each keeps its own choices.
    """
    text = st.text_input(
        "Search", placeholder="Search", icon=":material/search:", key=f"search {name}", live=True, width=150,
        label_visibility="collapsed", persist_state="session", type="search",
    )  # fmt: skip
    actions = _among("Action", "Any action", table["action"], name, width=165)
    parts = _among("Part", "Any part", table["part"], name)
    present = set().union(*table["flags"])
    flags = _several("Flags", "Any flag", [flag for flag in FLAGS if flag in present], name)
    sort = st.selectbox(
        "Sort", list(_SORTS), key=f"sort {name}", width=165, label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    with st.popover("More", icon=":material/tune:"):
        groups = _among("Group", "Any group", table["group"], name, width=320)
        ranges = tuple(bounds for column in RANGES if (bounds := _range(table, column, name)))
        size = st.segmented_control(
            "Cards on a page", PAGE_SIZES, default=48, key="cards on a page", required=True, persist_state="session"
        )
    asked = picking.asked()
    wanted = Filter(
        tuple(actions), tuple(parts), tuple(groups), tuple(flags), text or "", ranges,
        asked.relatives if asked else None,
    )  # fmt: skip
    by, falling = _SORTS[sort or "Name"]
    return View(wanted, by, falling, size or 48)


def _among(label: str, empty: str, column: "pd.Series[str]", name: str, *, width: int = 122) -> list[str]:
    return _several(label, empty, sorted(filter(None, column.unique())), name, width=width)


def _several(label: str, empty: str, options: list[str], name: str, *, width: int = 122) -> list[str]:
    """Some of the options; nothing is drawn where there is nothing to choose."""
    if not options:
        return []
    key = f"{label} {name}"
    if gone := set(st.session_state.get(key) or ()) - set(options):  # an edit may have renamed an action
        st.session_state[key] = [value for value in st.session_state[key] if value not in gone]
    return st.multiselect(
        label, options, key=key, placeholder=empty, width=width, label_visibility="collapsed", persist_state="session"
    )


def _range(table: pd.DataFrame, column: str, name: str) -> tuple[str, float, float] | None:
    """Bounds for a column; None where they are as wide as the clips or there is nothing to choose from."""
    values = table[column].dropna()
    label, unit, step, shown = _WORDS[column]
    if values.empty:
        return None
    low, high = math.floor(values.min() / step) * step, math.ceil(values.max() / step) * step
    if high - low < 2 * step:
        return None
    key = f"{column} {name} {low:.3f} {high:.3f}"  # new clips may need wider bounds
    chosen = st.slider(
        f"{label} ({unit})" if unit else label, low, high, (low, high), step, shown, key=key, persist_state="session"
    )
    return None if chosen == (low, high) else (column, *chosen)


def show_asked() -> None:
    """Say that another part of the app has asked for just these clips, and how to see all again."""
    asked = picking.asked()
    if asked is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="asked"):
        number = len(asked.relatives)
        st.markdown(
            f":material/filter_alt: **{plain(asked.title)}** :gray[{number} {'clip' if number == 1 else 'clips'}]"
        )
        if st.button("Show all clips", icon=":material/close:", type="tertiary"):
            picking.forget()
            st.rerun()
