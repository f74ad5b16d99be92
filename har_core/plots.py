"""Plotly figures from plain values. No Streamlit: a page, a notebook or a test draws the same.

Backgrounds are transparent and text takes the colour of whoever draws, so that one figure serves light
and dark; the colours of the marks are mid-tones that stand out from both.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from har_core.values import Prediction, Segment, Split

PARTS = {"train": "#0891b2", "validation": "#ea580c", "test": "#8b5cf6"}
"""The colour of each part of a split, the same in every figure."""
ACCENT, MUTED, TRUE = "#ea580c", "#a8a29e", "#0891b2"
SERIES = (ACCENT, TRUE, "#8b5cf6", "#16a34a", "#db2777", MUTED)
CLEAR = "rgba(0,0,0,0)"
FAINT = "rgba(128,128,128,0.12)"
_MANY = (*SERIES[:5], "#2563eb", "#ca8a04", "#0d9488", "#a16207", "#64748b")
_DOUBT = "#dc2626"
_MOST_DRAWN = 2000
"""Points as SVG; more are drawn by the graphics card."""
_MOST_LABELLED = 25
"""Cells of a larger confusion matrix are too small for a number."""


def clips_by_action(split: Split) -> go.Figure:
    """Bars of how many clips each action has, stacked by part."""
    clips = split.named("all")
    actions = sorted({clip.action for clip in clips}, reverse=True)
    figure = blank(height=90 + 30 * len(actions))
    for part, colour in PARTS.items():
        counts = Counter(clip.action for clip in split.named(part))
        if counts:
            figure.add_bar(
                y=[label(action) for action in actions], x=[counts[action] for action in actions], name=part,
                orientation="h", marker_color=colour, hovertemplate="%{y}<br>%{x} clips<extra>" + part + "</extra>",
            )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0.35, legend_traceorder="normal")
    figure.update_xaxes(title="clips", rangemode="tozero")
    figure.update_yaxes(automargin=True)
    return figure


def histogram(values: Sequence[float], unit: str) -> go.Figure:
    """How often the clips of a data set have which value, in `unit`."""
    figure = blank(height=240)
    counts, edges = np.histogram(values, bins=30 if len(set(values)) > 12 else max(1, min(12, len(set(values)))))
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2, y=counts, width=np.diff(edges), marker_color=TRUE,
        customdata=np.stack([edges[:-1], edges[1:]], axis=1),
        hovertemplate="%{customdata[0]:.3~g} to %{customdata[1]:.3~g}<br>%{y} clips<extra></extra>",
    )  # fmt: skip
    figure.update_layout(bargap=0.06, showlegend=False)
    figure.update_xaxes(title=unit)
    figure.update_yaxes(title="clips")
    return figure


def promises(accuracies: Mapping[str, tuple[float, float, float]]) -> go.Figure:
    """Bars of accuracies by what promises them, each `(accuracy, low, high)` in [0, 1], with their intervals."""
    names, values = list(accuracies), list(accuracies.values())
    figure = blank(height=40 + 44 * len(names))
    figure.add_bar(
        y=[f"{_escape(name)}  " for name in names], x=[value for value, _, _ in values], orientation="h",
        marker_color=[MUTED, ACCENT][: len(names)], width=0.55,
        error_x={"type": "data", "symmetric": False, "thickness": 1.5, "width": 5, "color": "#78716c",
                 "array": [high - value for value, _, high in values],
                 "arrayminus": [value - low for value, low, _ in values]},
        customdata=[[f"{low:.0%} to {high:.0%}"] for _, low, high in values],
        hovertemplate="%{y}<br>%{x:.0%}, %{customdata[0]}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(showlegend=False, margin_t=6)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, tickfont_size=14)
    return figure


def top(prediction: Prediction, k: int, *, true: str = "") -> go.Figure:
    """The Top-K as horizontal bars, highest first, each with its percentage; `true` is set off by its colour."""
    named = prediction.top(k)
    places = list(range(len(named)))
    figure = blank(height=36 + 34 * len(named))
    figure.add_bar(
        y=places,
        x=[probability for _, probability in named],
        orientation="h",
        marker_color=[TRUE if a == true else ACCENT if i == 0 else MUTED for i, (a, _) in enumerate(named)],
        text=[f" {probability:.1%} " for _, probability in named],
        textposition="outside",
        textfont_size=14,
        cliponaxis=False,
        customdata=[_escape(action) for action, _ in named],
        hovertemplate="%{customdata}: %{x:.2%}<extra></extra>",
    )
    figure.update_layout(bargap=0.4, showlegend=False, margin_t=4)
    figure.update_xaxes(range=[0, 1.18], visible=False)
    figure.update_yaxes(
        range=[len(named) - 0.5, -0.5], tickvals=places, ticktext=[label(action) for action, _ in named],
        tickfont_size=14, showgrid=False, automargin=True, ticksuffix="  ",
    )  # fmt: skip
    return figure


def over_time(windows: Sequence[tuple[float, float, Prediction]], k: int) -> go.Figure:
    """How probable the clip's `k` likeliest actions are in each window `(start, stop, prediction)`, in seconds."""
    figure = blank(height=240)
    mean = np.mean([prediction.probabilities for _, _, prediction in windows], axis=0)
    order = np.argsort(-mean, kind="stable")[:k]
    for place, index in enumerate(order.tolist()):
        figure.add_scatter(
            x=[(start + stop) / 2 for start, stop, _ in windows],
            y=[float(prediction.probabilities[index]) for _, _, prediction in windows],
            name=label(windows[0][2].classes[index]),
            mode="lines+markers",
            line_color=SERIES[min(place, len(SERIES) - 1)],
            customdata=[f"{start:.1f} to {stop:.1f} s" for start, stop, _ in windows],
            hovertemplate="%{y:.1%} (%{customdata})",
        )
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title="middle of the window, seconds")
    figure.update_yaxes(range=[-0.02, 1.04], tickformat=".0%")
    return figure


def timeline(segments: Sequence[Segment], seconds: float) -> go.Figure:
    """Who did what and when: a lane for each person, a bar for each segment, darker where it is surer."""
    lanes = sorted({s.track for s in segments}, key=lambda track: -(track or 0))
    figure = blank(height=90 + 40 * len(lanes))
    actions = sorted({s.action for s in segments})
    for number, action in enumerate(actions):
        mine = [s for s in segments if s.action == action]
        figure.add_bar(
            y=["the picture" if s.track is None else f"#{s.track}" for s in mine],
            x=[s.stop - s.start for s in mine], base=[s.start for s in mine], name=label(action), orientation="h",
            marker={"color": SERIES[number % len(SERIES)], "opacity": [0.4 + 0.6 * s.score for s in mine]},
            customdata=[[s.start, s.stop, s.score] for s in mine],
            hovertemplate=label(action) + " %{customdata[2]:.0%}<br>%{customdata[0]:.1f} to %{customdata[1]:.1f} s"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="overlay", bargap=0.3)
    figure.update_xaxes(title="seconds", range=[0, seconds])
    figure.update_yaxes(type="category", categoryorder="array",
                        categoryarray=["the picture" if t is None else f"#{t}" for t in lanes])  # fmt: skip
    return figure


def confusion(counts: NDArray[np.int64], actions: Sequence[str], *, normalised: bool) -> go.Figure:
    """The confusion matrix; each cell is a point that can be clicked, `customdata` = (true, predicted).

    A heatmap gives no selection in Streamlit, so an invisible scatter lies on top of it.

    Args:
        counts: `(C, C)`, row = true action, column = predicted.
        actions: the names of the rows and columns.
        normalised: show the share of each row instead of counts.
    """
    number = len(actions)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    cell = 46 if number <= 10 else 34 if number <= _MOST_LABELLED else 16
    labels = [label(action) for action in actions]
    figure = blank(height=max(260, number * cell + 130))
    figure.add_heatmap(
        z=shares if normalised else counts, x=list(range(number)), y=list(range(number)), hoverinfo="skip", xgap=2,
        ygap=2, showscale=False, zmin=0, colorscale=[[0, "rgba(194,65,12,0.06)"], [1, "rgba(194,65,12,1)"]],
    )  # fmt: skip
    cells = [(row, column) for row in range(number) for column in range(number)]
    figure.add_scatter(
        x=[column for _, column in cells],
        y=[row for row, _ in cells],
        mode="markers",
        customdata=[[actions[row], actions[column]] for row, column in cells],
        text=[_cell_text(labels, counts, shares, row, column) for row, column in cells],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
        marker={"symbol": "square", "size": cell - 8, "color": CLEAR},
        selected={"marker": {"color": "rgba(8,145,178,0.45)", "opacity": 1}},
        unselected={"marker": {"opacity": 0}},
    )
    shown = shares if normalised else counts
    strong = shown > 0.55 * max(float(shown.max()), 1e-9)
    for row, column in cells if number <= _MOST_LABELLED else ():
        if counts[row, column]:
            text = f"{shares[row, column]:.0%}" if normalised else str(counts[row, column])
            font = {"size": 14, "color": "#ffffff"} if strong[row, column] else {"size": 14}
            figure.add_annotation(x=column, y=row, text=text, showarrow=False, font=font)
    ticks = {"tickvals": list(range(number)), "ticktext": labels, "automargin": True, "constrain": "domain"}
    figure.update_layout(clickmode="event+select", hovermode="closest", hoverdistance=cell)
    figure.update_xaxes(range=[-0.5, number - 0.5], title="predicted", tickangle=-45, **ticks)
    figure.update_yaxes(range=[number - 0.5, -0.5], title="true", scaleanchor="x", **ticks)
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_yaxes(showgrid=False, zeroline=False)
    return figure


def _cell_text(
    labels: Sequence[str], counts: NDArray[np.int64], shares: NDArray[np.float64], row: int, column: int
) -> str:
    what = "right" if row == column else f"taken for {labels[column]}"
    return f"{labels[row]}: {counts[row, column]} {what} ({shares[row, column]:.0%})"


def clip_map(
    xy: NDArray[np.float32],
    kinds: Sequence[str],
    texts: Sequence[str],
    *,
    rings: Collection[int] = (),
    colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """A point for each clip, coloured by its kind, to be clicked or lassoed; `customdata` is its row.

    Args:
        xy: `(N, 2)`, where they lie; only their nearness means something.
        kinds: `(N,)` what the colours tell.
        texts: `(N,)` what stands at the pointer, plain text; lines end in a line feed.
        rings: rows that are set off by a ring.
        colours: of kinds that have one of their own.
    """  # fmt: skip
    figure = blank(height=500)
    rows_of: dict[str, list[int]] = {}
    for row, kind in enumerate(kinds):
        rows_of.setdefault(kind, []).append(row)
    size = 10 if len(kinds) <= 300 else 7 if len(kinds) <= 3000 else 5
    draw = go.Scatter if len(kinds) <= _MOST_DRAWN else go.Scattergl
    palette = {**_palette(sorted(rows_of)), **(colours or {})}
    for kind in sorted(rows_of):
        rows = rows_of[kind]
        figure.add_trace(draw(
            x=xy[rows, 0], y=xy[rows, 1], mode="markers", name=label(kind) or "none", customdata=rows,
            marker={"size": size, "color": palette[kind], "opacity": 0.85}, unselected={"marker": {"opacity": 0.15}},
            text=[_escape(texts[row]).replace("\n", "<br>") for row in rows], hovertemplate="%{text}<extra></extra>",
        ))  # fmt: skip
    if ringed := sorted(rings):
        figure.add_trace(draw(
            x=xy[ringed, 0], y=xy[ringed, 1], mode="markers", name="label in doubt", hoverinfo="skip",
            marker={"size": size + 7, "symbol": "circle-open", "color": _DOUBT, "line": {"width": 2}},
            unselected={"marker": {"opacity": 1}},
        ))  # fmt: skip
    # A finger or mouse on the map draws the lasso; what was zoomed into stays when colours change.
    figure.update_layout(dragmode="lasso", clickmode="event+select", hovermode="closest", uirevision="map",
                         showlegend=len(rows_of) <= _MOST_LABELLED, margin={"l": 4, "r": 4, "t": 8, "b": 4},
                         legend={"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top"})  # fmt: skip
    plain = {"showgrid": False, "zeroline": False, "showticklabels": False, "title": None, "fixedrange": False}
    figure.update_xaxes(**plain, mirror=True, showline=True, linecolor=FAINT)
    figure.update_yaxes(**plain, mirror=True, showline=True, linecolor=FAINT)
    return figure


def _palette(kinds: Sequence[str]) -> dict[str, str]:
    """A colour for each kind that stands out from light and dark: the house's, or as many hues as it takes."""
    if len(kinds) <= len(_MANY):
        return dict(zip(kinds, _MANY, strict=False))
    # Neighbours differ by the golden angle and by lightness, so that 101 of them can still be told apart.
    return {
        kind: f"hsl({round(number * 137.508) % 360},{(70, 55)[number % 2]}%,{(48, 58, 40)[number % 3]}%)"
        for number, kind in enumerate(kinds)
    }


def blank(*, height: int) -> go.Figure:
    """An empty figure that lets the page scroll under a finger."""
    layout: dict[str, Any] = {
        "height": height, "margin": {"l": 8, "r": 8, "t": 30, "b": 8}, "dragmode": False, "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR, "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }  # fmt: skip
    figure = go.Figure(layout=layout)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure


def _escape(text: str) -> str:
    """Plotly reads a little HTML; a name is not meant as such."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def label(action: str) -> str:
    """The name, cut where it would leave no room for the bars."""
    return _escape(action if len(action) <= 24 else action[:23] + "…")
