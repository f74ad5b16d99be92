"""The player of Video Predict: a film with lanes of what was done when, a component of our own.

All that is drawn comes from one message; the browser jumps, zooms and looks up probabilities by itself. Back come
only corrections of people, and that it cannot play the film. Keys: see player.js.
"""

import base64
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from har_core.lanes import Analysis, Lane
from har_core.ui.scripts import script
from har_core.values import is_nothing

_HERE = Path(__file__).parent
COLOURS = ("#c2410c", "#0e7490", "#7c3aed", "#15803d", "#be185d", "#1d4ed8", "#a16207", "#0f766e", "#9f1239", "#4d7c0f")
"""Of the actions, in their order; white letters can be read on each."""
NO_ACTION = "#64748b"
_LEAST_EACH = 3
_MOMENTS, _ALL_MOMENTS = 4000, 40_000
"""Moments of one lane, and of all, that the browser gets: at most so many can be told apart under a pointer."""
_LEAST_MOMENTS = 200


@dataclass(frozen=True, slots=True)
class Fix:
    """A correction that was asked for: `track` is the same as `other`, or somebody else from `seconds` on."""

    what: Literal["merge", "split"]
    track: int
    other: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Said:
    """What came back: a correction, and whether the browser cannot play the film."""

    fix: Fix | None = None
    unplayable: bool = False


@dataclass(frozen=True, slots=True)
class Film:
    """Where the browser finds things: the video, "" where it cannot play it; the annotated one, "" for none.

    `save` is the file name under which that is downloaded; `outdated` says that people were corrected after it was
    made. `frames` is a JPEG of `stills` frames side by side, evenly along the time, b"" for none.
    """

    url: str
    annotated: str = ""
    save: str = "annotated.mp4"
    outdated: bool = False
    frames: bytes = b""
    stills: int = 12


def player(
    analysis: Analysis,
    film: Film,
    portraits: Mapping[int, bytes],
    *,
    k: int,
    vtt: str,
    mend: bool,
    key: str,
    stamp: str,
    trouble: str = "",
) -> Said:
    """Draw the player.

    Args:
        analysis: what was found.
        film: what is played.
        portraits: a JPEG of each person by track; some may be missing.
        k: how many actions to name.
        vtt: the subtitles; "" for none.
        mend: whether people can be corrected.
        key: of the component.
        stamp: a new one begins anew: another analysis. Corrections that come back with an old one do not count.
        trouble: why the correction that was asked for last failed.
    """
    data = {**message(analysis, film, portraits, k=k, vtt=vtt, mend=mend, stamp=stamp), "trouble": trouble}
    told = _component()(key=key, data=data, on_fix_change=_nothing, on_unplayable_change=_nothing)
    return Said(understood(told.get("fix"), stamp), bool(film.url) and told.get("unplayable") == film.url)


def message(
    analysis: Analysis, film: Film, portraits: Mapping[int, bytes], *, k: int, vtt: str, mend: bool, stamp: str
) -> dict[str, Any]:
    """What the browser is told, in plain values."""
    number = len(analysis.lanes)
    most = max(_LEAST_MOMENTS, min(_MOMENTS, _ALL_MOMENTS // max(1, number)))
    each = min(max(k, _LEAST_EACH), len(analysis.classes))
    window = float(analysis.settings.get("window_seconds", 0.0))
    return {
        "stamp": stamp, "url": film.url, "film": film.annotated, "save": film.save, "outdated": film.outdated,
        "seconds": analysis.properties.seconds, "k": min(k, each), "each": each, "vtt": vtt, "mend": mend, "seek": None,
        "classes": list(analysis.classes), "colours": colours(analysis.classes), "unsure": analysis.unsure_below,
        "lead": analysis.settings.get("hysteresis"),
        "frames": _picture(film.frames), "stills": film.stills,
        "still": analysis.properties.seconds <= window,  # one window is all there is: nothing changes over time
        "lanes": [
            _lane(lane, analysis.classes, portraits.get(lane.track or 0, b""), each, most) for lane in analysis.lanes
        ],
    }  # fmt: skip


def colours(classes: Sequence[str]) -> list[str]:
    """A colour for each action, grey where it stands for none.

    >>> colours(["none", "walk"])
    ['#64748b', '#0e7490']
    """
    return [NO_ACTION if is_nothing(name) else COLOURS[n % len(COLOURS)] for n, name in enumerate(classes)]


def understood(told: object, stamp: str) -> Fix | None:
    """The correction that a browser asks for; None where there is none, or where it is nonsense."""
    if not isinstance(told, dict) or told.get("stamp") != stamp or told.get("what") not in ("merge", "split"):
        return None
    numbers = [told.get(name) for name in ("track", "other", "seconds")]
    if any(isinstance(n, bool) or not isinstance(n, (int, float)) or not 0 <= n < 1e9 for n in numbers):
        return None
    track, other, seconds = numbers
    return Fix(told["what"], int(track), int(other), float(seconds))  # type: ignore[arg-type]  # checked above


def _lane(lane: Lane, classes: Sequence[str], portrait: bytes, each: int, most: int) -> dict[str, Any]:
    index = {name: n for n, name in enumerate(classes)}
    kept = np.unique(np.linspace(0, max(0, len(lane.moments) - 1), min(most, len(lane.moments))).astype(int))
    person = "Whole picture" if lane.track is None else f"Person {lane.track}"
    return {
        "track": lane.track, "name": person, "short": "Whole" if lane.track is None else f"#{lane.track}",
        "portrait": _picture(portrait), "start": round(lane.start, 3), "stop": round(lane.stop, 3),
        "top": [[index[action], round(p, 4)] for action, p in lane.prediction.top(each)],
        "segments": [
            [index[s.action], round(s.start, 3), round(s.stop, 3), round(s.score, 4)]
            for s in lane.segments if s.action in index
        ],
        "moments": _packed(lane.moments[kept].astype("<f4")),
        "tops": _packed(tops(lane.probabilities[kept], each)),
    }  # fmt: skip


def tops(probabilities: NDArray[np.float32], each: int) -> NDArray[np.uint16]:
    """The `each` most probable classes of every moment, `(M, each, 2)`: class, and probability in 1/10,000."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :each]
    shares = np.take_along_axis(probabilities, order, axis=1)
    found: NDArray[np.uint16] = np.stack([order, np.round(shares * 1e4)], axis=2).astype("<u2")
    return found


def _packed(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _picture(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}" if jpeg else ""


def _nothing() -> None:
    """A state of the component must have a callback; the page reads it when it runs anyway."""


@functools.cache
def _component() -> Callable[..., Any]:
    """Registered once: each further time would warn, and the browser would build the player anew."""
    html, css = ((_HERE / f"player.{kind}").read_text("utf-8") for kind in ("html", "css"))
    js = script("player_reading", "player_drawing", "player")
    component: Callable[..., Any] = st.components.v2.component("har_player", html=html, css=css, js=js)
    return component
