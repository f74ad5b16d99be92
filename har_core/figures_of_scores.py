"""Figures of scores: shares with intervals, how far confidence can be believed, what a threshold does."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from har_core.calibration import Bin, Kept
from har_core.plots import ACCENT, FAINT, TRUE, blank, label
from har_core.values import wilson

_LINE = "#78716c"
_DARK, _PALE = "#292524", "rgba(168,162,158,0.6)"
"""Intervals lie on bars, and must be seen there; pages draw them in the colour of their letters."""


def shares(
    values: Mapping[str, tuple[float, float, float]], *, strong: Collection[str] = (), reference: float | None = None
) -> go.Figure:
    """Bars of shares by name, each `(share, low, high)` in [0, 1] with its interval; those `strong` in the accent.

    `reference` draws a line across all of them.
    """
    names = list(values)
    places = list(range(len(names)))
    figure = blank(height=46 + 40 * len(names))
    figure.add_bar(
        y=places, x=[value for value, _, _ in values.values()], orientation="h", width=0.55,
        marker_color=[ACCENT if name in strong else _PALE for name in names],
        error_x={"type": "data", "symmetric": False, "thickness": 1.5, "width": 5, "color": _DARK,
                 "array": [high - value for value, _, high in values.values()],
                 "arrayminus": [value - low for value, low, _ in values.values()]},
        customdata=[[label(name), f"{low:.0%} to {high:.0%}"] for name, (_, low, high) in values.items()],
        hovertemplate="%{customdata[0]}<br>%{x:.1%}, 95%: %{customdata[1]}<extra></extra>",
    )  # fmt: skip
    if reference is not None:
        figure.add_vline(x=reference, line={"color": ACCENT, "dash": "dot", "width": 1.5})
    figure.update_layout(showlegend=False, margin_t=6)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(
        tickvals=places, ticktext=[f"{_wrapped(name)}  " for name in names], range=[len(names) - 0.5, -0.5],
        showgrid=False, automargin=True, tickfont_size=13,
    )  # fmt: skip
    return figure


def _wrapped(name: str) -> str:
    """A name of two lines at most: on a phone one long line would leave no room for the bars."""
    if len(name) <= 20:
        return label(name)
    cut = name.rfind(" ", 0, 22)
    return label(name) if cut < 0 else f"{label(name[:cut])}<br>{label(name[cut + 1 :])}"


def reliable(bins: Sequence[Bin]) -> go.Figure:
    """A reliability diagram: how often answers of like confidence are right, with intervals, and how many they are."""
    figure = blank(height=380)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": _LINE, "dash": "dot", "width": 1.5}, hoverinfo="skip",
        name="as sure as right",
    )  # fmt: skip
    intervals = [wilson(each.right, each.clips) for each in bins]
    figure.add_scatter(
        x=[each.confidence for each in bins], y=[each.accuracy for each in bins], mode="lines+markers",
        name="what was found", line={"color": ACCENT, "width": 2},
        marker={"size": [float(np.clip(5 + 1.6 * np.sqrt(each.clips), 7, 20)) for each in bins], "opacity": 1},
        error_y={"type": "data", "symmetric": False, "thickness": 1.2, "width": 4, "color": _LINE,
                 "array": [high - each.accuracy for each, (_, high) in zip(bins, intervals, strict=True)],
                 "arrayminus": [each.accuracy - low for each, (low, _) in zip(bins, intervals, strict=True)]},
        customdata=[[each.clips, each.right, each.low, each.high] for each in bins],
        hovertemplate="%{customdata[0]} clips, %{customdata[2]:.0%} to %{customdata[3]:.0%} sure<br>"
        "%{customdata[1]} of them right: %{y:.0%}<extra></extra>",
    )  # fmt: skip
    figure.add_bar(
        x=[(each.low + each.high) / 2 for each in bins], y=[each.clips for each in bins],
        width=[max(0.012, each.high - each.low) for each in bins], name="clips", yaxis="y2", marker_color=TRUE,
        opacity=0.45, hovertemplate="%{y} clips<extra></extra>",
    )  # fmt: skip
    most = max(each.clips for each in bins)
    figure.update_layout(
        yaxis={"domain": [0.26, 1], "range": [-0.03, 1.05], "tickformat": ".0%", "title": "right"},
        yaxis2={"domain": [0, 0.18], "range": [0, most * 1.15], "title": "clips", "nticks": 3, "fixedrange": True,
                "gridcolor": FAINT},
    )  # fmt: skip
    begin = max(0.0, np.floor(bins[0].low * 10 - 1) / 10)  # what no clip comes near to would only take room
    figure.update_xaxes(title="how sure it is", range=[begin, 1.02], tickformat=".0%", anchor="y2")
    return figure


def covered(curve: Sequence[Kept], threshold: float) -> go.Figure:
    """What each threshold of "unsure" does: how many clips get an answer, and how many of these answers are right."""
    figure = blank(height=320)
    # A step: between two clips nothing changes. Below the first all are answered.
    at = [0.0, *(row.threshold for row in curve), 1.0]
    for name, colour, values in (
        ("answered, of all clips", TRUE, [row.coverage for row in curve]),
        ("right, of those answered", ACCENT, [row.accuracy for row in curve]),
    ):
        last = 0.0 if colour == TRUE else values[-1]
        figure.add_scatter(
            x=at, y=[values[0], *values, last], mode="lines", name=name, line={"color": colour, "width": 2.5,
            "shape": "vh"}, hovertemplate="%{y:.0%}",
        )  # fmt: skip
    figure.add_vline(x=threshold, line={"color": _LINE, "width": 2, "dash": "dash"})
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title="unsure below", range=[0, 1.01], tickformat=".0%", hoverformat=".1%")
    figure.update_yaxes(range=[-0.03, 1.05], tickformat=".0%")
    return figure
