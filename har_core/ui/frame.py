"""The frame around every page: set-up, errors in words, and moving between pages with something chosen."""

import re
import secrets
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import plotly.graph_objects as go
import streamlit as st
from streamlit.navigation.page import StreamlitPage

from har_core.errors import HarError

_STYLE = """<style>
.stMainBlockContainer { max-width: 76rem; padding-top: 4.5rem; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
.stVideo { border-radius: 0.6rem; max-height: 26rem; background: #000; }
.stPlotlyChart :is(.xtick text, .ytick text, .legendtext, .xtitle, .ytitle, .bartext),
.stPlotlyChart :is(.annotation-text, .heatmap-label text):not([style*="rgb(255, 255, 255)"]) {
  fill: currentColor !important; }
.stPlotlyChart :is(.xerror, .yerror) { stroke: currentColor !important; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding-left: 1rem; padding-right: 1rem; }
  /* Of so many choices a row would break anywhere, and leave corners that belong to no end. */
  [role="radiogroup"]:has(> [data-variant="segmented_control"]:nth-of-type(5)) {
    display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.4rem; width: 100%; }
  [role="radiogroup"]:has(> [data-variant="segmented_control"]:nth-of-type(5)) > button {
    border-radius: 0.6rem; margin: 0; justify-content: center; }
  [role="radiogroup"]:has(> [data-variant="segmented_control"]:nth-of-type(5)) > button:not([data-selected]) {
    border: 1px solid color-mix(in srgb, currentColor 20%, transparent) !important; }
  :is([data-testid="stElementContainer"], .stButtonGroup):has([data-variant="segmented_control"]:nth-of-type(5)) {
    width: 100% !important; }
}
</style>"""
PAGES = {
    "dataset": ("Dataset", ":material/video_library:"),
    "train": ("Train", ":material/model_training:"),
    "evaluate": ("Evaluate", ":material/analytics:"),
    "predict": ("Video Predict", ":material/movie:"),
    "live": ("Live", ":material/videocam:"),
}
"""The files in pages/, in the order in which one goes through them, with their titles and icons."""
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of all letters up to the end of the line: a file's name may hold them."""
_ARRIVING, _FRAMED = "arriving", "framed"


def configure() -> None:
    """Set up the browser's page, and choose what the page before asked to have chosen."""
    _introduce()
    st.html(_STYLE)
    st.session_state[_FRAMED] = True
    for key, value in st.session_state.pop(_ARRIVING, {}).items():
        st.session_state[key] = value


def _introduce() -> None:
    """Name the browser's tab. Its icon is an emoji: a material one would be fetched from Google by each viewer."""
    st.set_page_config(page_title="Action recognition", page_icon="🏃", layout="wide")


def navigate(home: Callable[[], None]) -> StreamlitPage:
    """The bar at the top; gives the page that was asked for. `home` draws the landing page."""
    first = st.Page(home, title="Home", icon=":material/home:", url_path="home", default=True)
    rest = [st.Page(f"pages/{name}.py", title=text, icon=icon) for name, (text, icon) in PAGES.items()]
    return st.navigation([first, *rest], position="top")


def go_to(page: str = "", **chosen: str) -> NoReturn:
    """Leave for another page, or run this one anew, with these widgets (by key) set.

    A widget's value can be set only before it is drawn, hence the detour through the next run.
    """
    st.session_state[_ARRIVING] = chosen
    if page:
        # Left to clear the address itself, Streamlit refuses where a picker is bound to it.
        st.switch_page(f"pages/{page}.py", query_params={})
    st.rerun()
    raise AssertionError("a rerun does not return")


def title(name: str, purpose: str) -> None:
    """The page's heading and one sentence on what it is for."""
    if not st.session_state.get(_FRAMED):
        # A server whose first visitor asks for a page runs that page alone, for it does not know of Home.py's
        # navigation yet. Calling it here makes it known; the next run goes through Home.py.
        _introduce()
        navigate(lambda: None)
        st.rerun()
    st.title(name, anchor=False)
    st.markdown(f":gray[{purpose}]")


@contextmanager
def reporting() -> Iterator[None]:
    """Show what the user can mend as a sentence, and anything else as our bug with a reference."""
    try:
        yield
    except HarError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        reference = secrets.token_hex(3).upper()
        print(f"Bug {reference}:", file=sys.stderr)
        traceback.print_exc()
        st.error(
            f"Something went wrong that is not your fault. Reference **{reference}**: the details stand under it "
            "in the terminal where the app runs. Reload the page to go on.",
            icon=":material/bug_report:",
        )


def plain(text: str) -> str:
    """The text as it is: nothing in it is taken for Markdown but `code`, and nothing turns what follows it round.

    >>> plain("a_b `c_d`"), plain("\\u202egpj.mp4")
    ('a\\\\_b `c_d`', 'gpj.mp4')
    """
    parts = re.split(r"(`[^`\n]+`)", _TURNS.sub("", text))
    # Every second part is code, in which a backslash would be shown.
    return "".join(p if i % 2 else re.sub(r"([\\`*_{}\[\]<>#$~|:!+-])", r"\\\1", p) for i, p in enumerate(parts))


def chart(figure: go.Figure, key: str, *, alt: str) -> None:
    """Draw a figure; `alt` says in words what it shows."""
    st.plotly_chart(figure, key=key, width="stretch", config={"displayModeBar": False}, alt=alt)


def tiles(values: dict[str, Any], *, helps: dict[str, str] | None = None, width: int = 160) -> None:
    """A row of numbers with their names, each `width` px wide; it wraps on a narrow screen."""
    with st.container(horizontal=True, gap="small"):
        for name, value in values.items():
            st.metric(name, value, border=True, width=width, help=(helps or {}).get(name))
