"""The clips that a run is learning now, as the network sees them."""

import base64
from html import escape

import streamlit as st

from har_core import glimpses
from har_core.glimpses import Glimpse
from har_core.runs import Run

_STYLE = """<style>
.har-glimpse { display: grid; gap: 0.7rem 1.4rem; line-height: 1.3;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.har-glimpse .row { min-width: 0; }
.har-glimpse .said { display: flex; gap: 0.5rem; font-size: 0.85rem; margin-top: 0.2rem; min-height: 1.2rem; }
.har-glimpse .said b, .har-glimpse .said span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.har-glimpse .said b { font-weight: 600; }
.har-glimpse .right { color: #16a34a; }
.har-glimpse .wrong { color: #ea580c; }
.har-glimpse .strip { overflow: hidden; border-radius: 0.5rem; position: relative; background: rgb(128 128 128 / 15%); }
.har-glimpse .strip img { position: absolute; left: 0; width: 100%; display: block; }
</style>"""


def frames_in_training(run: Run, *, running: bool) -> None:
    """The picture that the trainer leaves every few seconds; its place is kept while there is none yet."""
    seen = glimpses.read(run.folder)
    if seen is None:
        return
    when = f"in epoch {seen.epoch}" if running else f"last, in epoch {seen.epoch}"
    st.markdown(f"**Frames in training** :gray[{when}: cut, varied and labelled as the network sees them]")
    st.html(_STYLE + _rows(seen))


def _rows(seen: Glimpse) -> str:
    """One JPEG for all rows, shown through a window for each."""
    picture = f"data:image/jpeg;base64,{base64.b64encode(seen.jpeg).decode()}"
    number = len(seen.captions)
    step = glimpses.SIDE + glimpses.GAP
    rows = []
    for place, caption in enumerate(seen.captions):
        right = caption.action == caption.said
        verdict = f"taken for {caption.said}" if not right else "named right"
        rows.append(
            f'<div class="row"><div class="strip" style="aspect-ratio: {seen.frames * step} / {glimpses.SIDE}">'
            f'<img src="{picture}" style="top: -{100 * place * step / glimpses.SIDE:.3f}%" '
            f'alt="{seen.frames} frames of {escape(caption.clip, quote=True)}"></div>'
            f'<div class="said"><b>{escape(caption.action)}</b>'
            f'<span class="{"right" if right else "wrong"}">{escape(verdict)}</span></div></div>'
        )
    return f'<div class="har-glimpse" data-rows="{number}">{"".join(rows)}</div>'
