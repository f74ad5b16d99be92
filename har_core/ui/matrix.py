"""A matrix of actions by actions whose cells can be chosen by mouse, finger and keyboard: a component of our own.

A table, so that screen readers can walk it; names stay in sight while a hundred rows scroll. Only cells that hold
clips travel to the browser, and only the chosen cell comes back.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from har_core.confusion import Unit, shares
from har_core.ui.scripts import script

_HERE = Path(__file__).parent
Cell = tuple[str, str]
"""The true and the predicted action."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What the user has chosen in the browser; None: nothing any more."""

    cell: Cell | None


def matrix(
    counts: NDArray[np.int64],
    actions: Sequence[str],
    *,
    key: str,
    unit: Unit = "counts",
    kind: Literal["confusion", "shift"] = "confusion",
    chosen: Cell | None = None,
    stamp: int = 0,
    said: str,
) -> Touched | None:
    """Draw the matrix; gives what was chosen in it, None where nothing was touched since `stamp` changed.

    Args:
        counts: `(C, C)`, row = true action, column = predicted. Those of "shift" may be negative.
        actions: their names, in this order.
        key: of the component.
        unit: what stands in the cells; colours always go by shares, else rare actions would be pale.
        kind: "confusion", or "shift" for the difference of two: what got better and what got worse.
        chosen: the cell that is chosen when `stamp` is new.
        stamp: a new number makes the browser take `chosen` in place of what the user did.
        said: what the matrix shows, in words, for who cannot see it.
    """
    data = {
        "stamp": stamp, "chosen": list(chosen) if chosen else None, "labels": list(actions), "kind": kind,
        "unit": unit, "cells": _cells(counts, unit, kind), "said": said,
    }  # fmt: skip
    picked = _component()(key=key, data=data, on_picked_change=_nothing).get("picked")
    if not isinstance(picked, dict) or picked.get("stamp") != stamp:
        return None
    cell = picked.get("cell")
    if not isinstance(cell, (list, tuple)) or len(cell) != 2 or not all(name in actions for name in cell):
        return Touched(None)
    return Touched((str(cell[0]), str(cell[1])))


def _cells(counts: NDArray[np.int64], unit: Unit, kind: str) -> list[list[float]]:
    """Of each cell that holds anything: row, column, clips, its share in per cent, how strongly it is coloured."""
    if kind == "shift":
        strongest = max(1, int(np.abs(counts).max(initial=0)))
        share = counts / strongest
    else:
        share = shares(counts, by="columns" if unit == "columns" else "rows")
    rows, columns = np.nonzero(counts)
    return [
        [r, c, int(counts[r, c]), round(100 * float(share[r, c])), round(float(abs(share[r, c])), 3)]
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
    ]


def _nothing() -> None:
    """A state of the component must have a callback; the page reads it when it runs anyway."""


@functools.cache
def _component() -> Callable[..., Any]:
    """Registered once: each further time would warn, and the browser would build it anew."""
    css, js = (_HERE / "matrix.css").read_text("utf-8"), script("matrix")
    box = '<div class="frame"><div class="scroll"></div><div class="told" aria-live="polite"></div></div>'
    component: Callable[..., Any] = st.components.v2.component("har_matrix", html=box, css=css, js=js)
    return component
