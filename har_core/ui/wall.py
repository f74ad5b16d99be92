"""Several clips of an evaluation playing side by side, and one of them to be looked at closely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from har_core.ui.clips import play
from har_core.ui.frame import plain

if TYPE_CHECKING:
    from har_core.evaluation import Scored  # loads torch, which is here already when there is something to show

AT_ONCE = 6
"""Films that play side by side: more would make a phone stutter."""
_STYLE = """<style>
[class*="st-key-wall-"] > div { flex: 1 1 158px !important; min-width: 0; max-width: 270px; }
[class*="st-key-wall-"] .stVideo { max-height: 9.5rem; width: 100%; object-fit: contain; }
[class*="st-key-wall-"] [data-testid="stCaptionContainer"] p {
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
}
</style>"""


def wall(scored: Sequence[Scored], key: str) -> Scored:
    """Draw a page of clips playing; gives the one that was chosen, the first until then. One alone is not drawn.

    Args:
        scored: the clips, at least one, in the order in which they are shown.
        key: of the place; another list of clips has another key.
    """
    if len(scored) == 1:  # it plays where it is looked at closely
        return scored[0]
    page = _page(len(scored), key)
    shown = scored[page * AT_ONCE : (page + 1) * AT_ONCE]
    here = f"chosen {key}"
    by_name = {one.clip: one for one in scored}
    chosen = by_name.get(st.session_state.get(here, ""), shown[0])
    if chosen not in shown:
        chosen = shown[0]
    st.html(_STYLE)
    with st.container(horizontal=True, gap="small", key=f"wall-{_slug(key)}"):
        for number, one in enumerate(shown):
            with st.container(gap="xsmall"):
                play(one.path)
                action, probability = one.prediction.top(1)[0]
                st.caption(f"{plain(_short(one.clip))}  \n**{plain(action)}** {probability:.0%}")
                if st.button(
                    "Shown below" if one is chosen else "Look closely", key=f"close {number} {key}",
                    icon=":material/zoom_in:", type="primary" if one is chosen else "secondary", width="stretch",
                    help=plain(one.clip),
                ):  # fmt: skip
                    st.session_state[here] = one.clip
                    st.rerun()
    return chosen


def _page(number: int, key: str) -> int:
    pages = -(-number // AT_ONCE)
    at = f"page {key}"
    page = min(int(st.session_state.get(at, 0)), pages - 1)
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            last = min(number, (page + 1) * AT_ONCE)
            st.caption(f"{page * AT_ONCE + 1}–{last} of {number:,}", width="content")
            for step, icon, name in ((-1, "chevron_left", "Previous clips"), (1, "chevron_right", "Next clips")):
                if st.button(
                    name, icon=f":material/{icon}:", key=f"{name} {key}", disabled=not 0 <= page + step < pages,
                ):  # fmt: skip
                    st.session_state[at] = page + step
                    st.rerun()
    return page


def _short(clip: str) -> str:
    name = clip.replace("\\", "/").rpartition("/")[2]
    return name if len(name) <= 34 else f"{name[:16]}…{name[-16:]}"


def _slug(key: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in key)[:80]
