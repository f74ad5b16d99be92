"""One page of clips as cards that can be selected: a component of our own, drawn in the browser.

Hovering runs a clip's five frames like a film; click, Ctrl and Shift, or the keyboard select. Only the selection
comes back. The pictures travel inside the page's own messages, so that nothing is fetched from anywhere.
"""

import base64
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from har_core.ui.scripts import script

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Card:
    """What one card shows. `strip` is a JPEG of five frames, of `aspect` width / height each; b"" where none is known.

    `time`, `part`, `flags` and `doubt` stand on the card as they are, `why` where there is no picture and will be
    none. A `dim` card is grey.
    """

    clip: str
    action: str
    name: str
    time: str = ""
    part: str = ""
    colour: str = ""
    flags: tuple[str, ...] = ()
    strip: bytes = b""
    aspect: float = 1.0
    why: str = ""
    doubt: str = ""
    dim: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values for the browser."""
        strip = f"data:image/jpeg;base64,{base64.b64encode(self.strip).decode()}" if self.strip else ""
        return {
            "id": self.clip, "action": self.action, "name": self.name, "time": self.time, "part": self.part,
            "colour": self.colour, "flags": list(self.flags), "strip": strip, "aspect": round(self.aspect, 3),
            "why": self.why, "doubt": self.doubt, "dim": self.dim,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picked:
    """What is selected: the clips in the order they were taken, and the one touched last among them, "" for none."""

    clips: tuple[str, ...]
    last: str


def grid(cards: Sequence[Card], *, key: str, selected: Sequence[str], stamp: int) -> Picked | None:
    """Draw the cards; gives what the user has selected, None where nothing was touched since `stamp` changed.

    Args:
        cards: in the order in which they are shown.
        key: of the component; a page draws it once.
        selected: clips that are selected when `stamp` is new, those of other pages among them.
        stamp: a new number makes the browser take `selected` in place of what the user did.
    """
    data = {"stamp": stamp, "selected": list(selected), "cards": [card.to_json() for card in cards]}
    picked = _component()(key=key, data=data, on_picked_change=_nothing).get("picked")
    if not isinstance(picked, dict) or picked.get("stamp") != stamp:
        return None
    clips = tuple(map(str, picked.get("ids") or ()))
    return Picked(clips, str(picked.get("last") or ""))


def _nothing() -> None:
    """A state of the component must have a callback; the page reads it when it runs anyway."""


@functools.cache
def _assets() -> tuple[str, str]:
    return (_HERE / "grid.css").read_text("utf-8"), script("grid")


@functools.cache
def _component() -> Callable[..., Any]:
    """Registered once: each further time would warn, and the browser would build the grid anew."""
    css, js = _assets()
    box = '<div class="grid" role="listbox" aria-label="Clips" aria-multiselectable="true"></div>'
    component: Callable[..., Any] = st.components.v2.component("har_clip_grid", html=box, css=css, js=js)
    return component
