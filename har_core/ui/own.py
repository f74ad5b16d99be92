"""The data sets that take clips of one's own, and what is known of their actions and people."""

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from har_core import dataset, workspace
from har_core.dataset import groups, layouts
from har_core.errors import HarError

_NEW = "my actions"


def sets() -> dict[str, Path]:
    """Those that lie in the workspace, in a folder for each action."""
    found = {}
    for name, root in dataset.datasets(workspace()).items():
        if root.is_dir() and not root.is_symlink():
            try:
                named = layouts.listing(root)
            except HarError:  # a list that cannot be used
                continue
            if named.layout == "folders" and not any(entry.split for entry in named.entries):
                found[name] = root
    return found


def choose(place: DeltaGenerator, key: str, proposed: str = "") -> str:
    """A data set, picked or typed; the one that is proposed or chosen on the page comes first."""
    names = list(sets()) or [_NEW]
    if proposed and proposed not in names:
        names.insert(0, proposed)
    chosen = proposed or str(st.session_state.get("data", ""))
    name = place.selectbox(
        "Data set", names, index=names.index(chosen) if chosen in names else 0, key=key, accept_new_options=True,
        help="Pick one of yours, or type a new name.",
    )  # fmt: skip
    return str(name or "").strip()


def actions(root: Path) -> list[str]:
    """The actions of a data set, sorted; none where it is not there yet."""
    return sorted({entry.action for entry in _entries(root)})


def people(root: Path) -> list[str]:
    """The groups that its clips name, sorted."""
    return sorted({groups.named(Path(entry.relative).name) for entry in _entries(root)} - {""})


def done_by(root: Path, person: str) -> set[str]:
    """The actions of which a data set has clips of this person, as `people` writes them."""
    return {entry.action for entry in _entries(root) if groups.named(Path(entry.relative).name) == person}


def _entries(root: Path) -> tuple[layouts.Entry, ...]:
    try:
        return layouts.listing(root).entries if root.is_dir() else ()
    except HarError:
        return ()
