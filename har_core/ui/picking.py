"""From anywhere to the gallery with just these clips: a finding, a lasso on the map, a cell of a matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st

from har_core.ui.frame import go_to

_KEY = "asked for clips"


@dataclass(frozen=True, slots=True)
class Asked:
    """Clips that another part of the app wants looked at: why, and their paths relative to the data set's root."""

    title: str
    relatives: tuple[str, ...]


def show_clips(title: str, relatives: Sequence[str]) -> NoReturn:
    """Go to the Dataset page's gallery and show these clips only, under this title."""
    st.session_state[_KEY] = Asked(title, tuple(relatives))
    go_to("dataset", dataset_view="Clips")


def asked() -> Asked | None:
    """The clips asked for, until `forget`."""
    kept = st.session_state.get(_KEY)
    return kept if isinstance(kept, Asked) else None


def forget() -> None:
    """Show all clips again."""
    st.session_state.pop(_KEY, None)
