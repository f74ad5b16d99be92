"""The gallery of a data set: filters, one page of cards, and beside it the clip that is chosen, closely."""

import math
from collections.abc import Hashable, Mapping
from contextlib import nullcontext
from typing import Any

import pandas as pd
import streamlit as st

from har_core import plots
from har_core.catalogue import HIDDEN, catalogue, choose
from har_core.dataset import Dataset
from har_core.facts import STRIP_FRAMES, STRIP_HEIGHT, ClipFacts
from har_core.ui.detail import look_closely
from har_core.ui.doubting import Doubts, choose_doubter, take_doubts
from har_core.ui.editing import edit_bar
from har_core.ui.filters import View, choose_view, show_asked
from har_core.ui.frame import plain
from har_core.ui.grid import Card, grid
from har_core.ui.reading import known_facts, looking
from har_core.ui.shelf import shelf
from har_core.values import Clip

_REFRESH_SECONDS = 2.0
_STYLE = """<style>
[data-testid="stLayoutWrapper"]:has(> .st-key-close) { position: sticky; top: 4.2rem; }
.st-key-close { max-height: calc(100vh - 5rem); overflow-y: auto; scrollbar-width: thin; }
.st-key-close .stVideo { max-height: 18rem; }
[data-testid="stLayoutWrapper"]:has(> .st-key-editing) { position: sticky; bottom: 0; z-index: 5; }
.st-key-editing { background: var(--st-background-color, Canvas); padding: .6rem .2rem;
  border-top: 1px solid rgba(128, 128, 128, .3); }
@media (max-width: 640px) {
  .st-key-clips > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"]:has(.st-key-close) {
    flex-direction: column-reverse; align-items: stretch; }
  .st-key-clips [data-testid="stColumn"] { width: 100%; min-width: 100%; }
  [data-testid="stLayoutWrapper"]:has(> .st-key-close) { position: static; }
  .st-key-close { max-height: none; }
  .st-key-editing .st-key-edit-bar { flex-wrap: nowrap; overflow-x: auto; padding-bottom: .3rem; }
  .st-key-editing .st-key-edit-bar > * { flex-shrink: 0; }
}
</style>"""
"""What is looked at closely stays in view; on a phone it stands above the cards."""


def show(source: Dataset, parts: Mapping[str, str]) -> None:
    """Draw the gallery; `parts` is path relative to the root -> part of the split.

    A fragment: choosing and filtering run this again and not the page. While clips are still being looked at it
    runs by itself, so that their pictures come up.
    """
    running = looking(source).running
    st.fragment(_gallery, run_every=_REFRESH_SECONDS if running else None)(source, parts, running)


def _gallery(source: Dataset, parts: Mapping[str, str], was_running: bool) -> None:
    running = looking(source).running
    if was_running and not running:
        st.rerun()  # the last time that it runs by itself
    facts = known_facts(source)
    table = _table(source, facts, parts, settled=not running)
    name = source.root.name
    ready = take_doubts(source)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="filters"):
        view = choose_view(table, name=name)
        choose_doubter(source)
    doubts = ready or {}
    if view.sort == "doubt" and not doubts:
        st.caption("To sort by what a model contradicts, press **Score by a model** and choose one.")
    show_asked()
    surest = {clip: doubt for clip, (doubt, _) in doubts.items()}
    left = choose(table, view.filter, sort=view.sort, falling=view.falling, doubt=surest)
    if left.empty:
        st.info("No clip is like that. Ask for less above.", icon=":material/filter_alt_off:")
        return
    st.html(_STYLE)
    grid_side, close_side = st.container(key="clips").columns([5, 3], gap="medium")
    with grid_side:
        selected, last = _cards(source, left, facts, doubts, view)
    with close_side, st.container(key="close"):
        clips = _clips(source)
        if last in clips:
            look_closely(source, clips[last], table[table["clip"] == last].iloc[0], facts.get(last))
        elif last and last in set(table["clip"]):
            _say_why(table[table["clip"] == last].iloc[0])
        else:
            st.info(
                "Click a clip to look at it closely. With Ctrl or Shift, or the ring in its corner, several are edited "
                "together; on the keyboard the arrows, Space and Enter do.",
                icon=":material/touch_app:",
            )  # fmt: skip
    chosen = [clips[relative] for relative in selected if relative in clips]
    with st.container(key="editing") if chosen else nullcontext():
        edit_bar(source, chosen)


def _say_why(row: "pd.Series[Any]") -> None:
    """What is to be said of a clip that cannot be played."""
    st.warning(
        f"**{plain(str(row['clip']))}** is left out of the data set. {plain(str(row['why']))}", icon=":material/error:"
    )


def _table(source: Dataset, facts: Mapping[str, ClipFacts], parts: Mapping[str, str], *, settled: bool) -> pd.DataFrame:
    # While clips are being looked at there is more each time; comparing all with all again waits until it matters.
    much = len(facts) if settled else len(facts).bit_length()
    key = (id(source), id(parts), settled, much)
    made = shelf("catalogues", 4).get(key, lambda: (catalogue(source, facts, parts), source, parts))
    return made[0]


def _clips(source: Dataset) -> dict[str, Clip]:
    """Every clip that can be played, by path."""

    def named() -> tuple[dict[str, Clip], Dataset]:
        return {source.relative(clip): clip for clip in (*source.clips, *source.excluded)}, source

    return shelf("clips by path", 4).get(id(source), named)[0]


def _cards(
    source: Dataset, left: pd.DataFrame, facts: Mapping[str, ClipFacts], doubts: Doubts, view: View
) -> tuple[tuple[str, ...], str]:
    """One page of cards with what leads through the pages; gives what is selected, and the last one taken."""
    name, pages = source.root.name, math.ceil(len(left) / view.size)
    kept: dict[str, tuple[str, ...]] = st.session_state.setdefault("picked clips", {})
    place = st.empty()
    number = 1
    page_key = f"page {name} {hash(view):x}"  # another filter begins at its first page
    if pages > 1:
        number = min(pages, st.session_state.get(page_key) or 1)
    page = left.iloc[(number - 1) * view.size : number * view.size]
    key = f"grid {name}"
    if key not in st.session_state:  # drawn for the first time, or again after another view
        _restamp()
    picked = grid(
        [_card(row, facts.get(row["clip"]), doubts.get(row["clip"])) for row in page.to_dict("records")],
        key=key, selected=kept.get(name, ()), stamp=st.session_state.get("grid stamp", 0),
    )  # fmt: skip
    if picked is not None:
        kept[name] = picked.clips
    selected = kept.get(name, ())
    if pages > 1:
        st.pagination(pages, key=page_key, persist_state="session")
    with place.container(horizontal=True, vertical_alignment="center", key="above the grid"):
        first = (number - 1) * view.size + 1
        whole = "1 clip" if len(left) == 1 else f"{len(left):,} clips"
        shown = whole if pages == 1 else f"{first:,}–{first + len(page) - 1:,} of {whole}"
        st.markdown(f":gray[{shown}]" + (f" · **{len(selected):,} selected**" if selected else ""))
        if len(selected) < len(left):
            _select(f"Select all {len(left):,}", name, tuple(left["clip"]))
        if selected:
            _select("Select none", name, ())
    return selected, picked.last if picked else selected[-1] if selected else ""


def _select(label: str, name: str, clips: tuple[str, ...]) -> None:
    def select() -> None:
        st.session_state["picked clips"][name] = clips
        _restamp()

    st.button(label, type="tertiary", key=f"select {'some' if clips else 'none'}", on_click=select)


def _restamp() -> None:
    """The browser is to take Python's selection."""
    st.session_state["grid stamp"] = st.session_state.get("grid stamp", 0) + 1


def _card(row: Mapping[Hashable, Any], facts: ClipFacts | None, doubt: tuple[float, str] | None) -> Card:
    clip, seconds, part = str(row["clip"]), float(row["seconds"]), str(row["part"])
    flags: tuple[str, ...] = row["flags"]
    strip, aspect = b"", 1.0
    if facts is not None:
        strip, aspect = _strip(facts)
    name = clip.rsplit("/", 1)[-1]
    group = str(row["group"])
    return Card(
        clip, str(row["action"]), name if group in ("", clip) or group in name else f"{group} · {name}",
        "" if math.isnan(seconds) else f"{seconds:.1f} s", part, plots.PARTS.get(part, ""), flags, strip, aspect,
        str(row["why"]), doubt[1] if doubt else "", not HIDDEN.isdisjoint(flags),
    )  # fmt: skip


def _strip(facts: ClipFacts) -> tuple[bytes, float]:
    """The strip's JPEG, and the width / height of one of its frames; nothing where it has gone."""
    try:
        jpeg = facts.strip.read_bytes()
    except OSError:
        return b"", 1.0
    return jpeg, _width(jpeg) / STRIP_FRAMES / STRIP_HEIGHT


def _width(jpeg: bytes) -> int:
    """The width that a JPEG's frame header says (ISO/IEC 10918-1, B.2.2), without decoding it."""
    at = 2
    while at + 9 < len(jpeg) and jpeg[at] == 0xFF:
        if jpeg[at + 1] in (0xC0, 0xC1, 0xC2):
            return int.from_bytes(jpeg[at + 7 : at + 9])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return STRIP_FRAMES * STRIP_HEIGHT
