"""The cutting bench: a film with a timeline and marks, a component of our own, drawn in the browser.

It owns the marks while somebody works; each change comes back whole. Keys: see bench.html.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from har_core.cuts import Cut, steady
from har_core.ui.scripts import script

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Said:
    """What came back: the cuts in plain values, None where nothing was changed; whether the film cannot be played."""

    cuts: object = None
    unplayable: bool = False


def bench(
    url: str,
    times: NDArray[np.float64],
    cuts: Sequence[Cut],
    made: Sequence[Cut],
    actions: Sequence[str],
    *,
    key: str,
    stamp: str,
) -> Said:
    """Draw the bench.

    Args:
        url: where the browser finds the film.
        times: when the frames of what it finds there begin, `(F,)`, seconds.
        cuts: those that are there when `stamp` is new.
        made: those that are clips already.
        actions: to choose from; more can be typed.
        key: of the component, one for each film.
        stamp: a new one makes the browser take `cuts` in place of its own.
    """
    data = {
        "stamp": stamp, "url": url, "clock": _clock(times), "cuts": [asdict(cut) for cut in cuts],
        "made": [f"{cut.start}|{cut.stop}|{cut.action}" for cut in made], "actions": list(actions),
    }  # fmt: skip
    told = _component()(key=key, data=data, on_cuts_change=_nothing, on_unplayable_change=_nothing)
    changed = told.get("cuts")
    mine = isinstance(changed, dict) and changed.get("stamp") == stamp
    return Said(changed.get("cuts") if mine else None, told.get("unplayable") == url)


def _clock(times: NDArray[np.float64]) -> dict[str, Any]:
    """The times in few bytes: a rate where there is one, else gaps of tenths of a millisecond that add up."""
    rate = steady(times)
    if rate is not None:
        return {"rate": rate, "count": len(times)}
    return {"gaps": np.diff(np.round(times * 1e4).astype(np.int64)).tolist()}


def _nothing() -> None:
    """A state of the component must have a callback; the page reads it when it runs anyway."""


@functools.cache
def _component() -> Callable[..., Any]:
    """Registered once: each further time would warn, and the browser would build the bench anew."""
    html, css = ((_HERE / f"bench.{kind}").read_text("utf-8") for kind in ("html", "css"))
    component: Callable[..., Any] = st.components.v2.component(
        "har_cutting_bench", html=html, css=css, js=script("bench")
    )
    return component
