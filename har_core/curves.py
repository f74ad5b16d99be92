"""Figures of how a run goes: losses, accuracies, learning rates over the epochs, and the confusion of each epoch."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from har_core.events import EpochEnded
from har_core.plots import ACCENT, FAINT, MUTED, PARTS, SERIES, TRUE, blank, label

MOST_FILMED = 30
"""Actions beyond which the cells of a film would be too small to see."""
_FRAME_MS = 350
_REDS = [[0, "rgba(194,65,12,0.06)"], [1, "rgba(194,65,12,1)"]]


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """The exponential moving average, without the pull to zero at its beginning.

    Args:
        values: in order.
        weight: of what was before, 0 (the values themselves) to below 1.

    >>> smoothed([1.0, 1.0, 4.0], 0.5)[:2]
    [1.0, 1.0]
    """
    kept, total, found = 0.0, 0.0, list[float]()
    for value in values:
        kept, total = weight * kept + (1 - weight) * value, weight * total + (1 - weight)
        found.append(kept / total)
    return found


def losses(epochs: Sequence[EpochEnded], *, smoothing: float = 0.0) -> go.Figure:
    """The losses of training and validation over the epochs; smoothed ones have the raw ones faintly behind them."""
    lines = {"train": "train_loss", "validation": "validation_loss"}
    figure = _over_epochs(epochs, lines, "%{y:.3f}", smoothing)
    figure.update_yaxes(rangemode="tozero")
    return figure


def accuracies(epochs: Sequence[EpochEnded], *, smoothing: float = 0.0) -> go.Figure:
    """The accuracies of training and validation over the epochs, the best epoch marked."""
    lines = {"train": "train_accuracy", "validation": "validation_accuracy"}
    figure = _over_epochs(epochs, lines, "%{y:.1%}", smoothing)
    figure.update_yaxes(range=[0, 1.04], tickformat=".0%")
    if best := next((e for e in reversed(epochs) if e.best), None):
        figure.add_scatter(
            x=[best.epoch], y=[best.validation_accuracy], mode="markers", name=f"best: epoch {best.epoch}",
            marker={"symbol": "star", "size": 15, "color": PARTS["validation"]}, hoverinfo="skip",
        )  # fmt: skip
    return figure


def learning_rates(epochs: Sequence[EpochEnded]) -> go.Figure:
    """The learning rates over the epochs; a frozen backbone has none."""
    figure = _over_epochs(epochs, {}, "%{y:.1e}", 0.0)
    for name, field, colour in (
        ("head", "head_learning_rate", ACCENT),
        ("backbone", "backbone_learning_rate", TRUE),
    ):
        values = [getattr(e, field) or None for e in epochs]
        figure.add_scatter(
            x=[e.epoch for e in epochs], y=values, name=name, mode="lines+markers",
            line={"color": colour, "shape": "hv"}, marker_size=5, hovertemplate="%{y:.1e}",
        )  # fmt: skip
    figure.update_yaxes(type="log", exponentformat="power")
    return figure


def compared(runs: Mapping[str, Sequence[EpochEnded]], field: str) -> go.Figure:
    """One line for each run over its epochs; `field` is one of an epoch's numbers, such as "validation_loss"."""
    figure = blank(height=300)
    for number, (name, epochs) in enumerate(runs.items()):
        figure.add_scatter(
            x=[e.epoch for e in epochs], y=[getattr(e, field) for e in epochs], name=label(name), mode="lines",
            line={"color": SERIES[number % len(SERIES)], "width": 2.5}, hovertemplate="%{y:.3f}",
        )  # fmt: skip
    figure.update_layout(hovermode="x unified", showlegend=True)
    figure.update_xaxes(title="epoch", tickformat="d", showgrid=False)
    figure.update_yaxes(title=field.replace("_", " "), rangemode="tozero")
    return figure


def tried(
    values: Sequence[float | int | str | bool], accuracies: Sequence[float], *, log: bool, given_up: Collection[int],
    own: int, best: int, band: tuple[float, float],
) -> go.Figure:  # fmt: skip
    """What a search found for one setting: each try a dot, its own settings a diamond, the best a star.

    Args:
        values: of the setting in each try; texts and truth values stand side by side.
        accuracies: of each try, in [0, 1].
        log: draw numbers by their logarithms.
        given_up: places of tries that were given up.
        own, best: places of the first settings and of the best ones.
        band: the 95% interval of the own settings, in [0, 1]: within it all may be equally good.
    """
    figure = blank(height=230)
    apart = not all(isinstance(value, float) for value in values)
    shown = [in_words(value) if apart else value for value in values]
    whole = [i for i in range(len(values)) if i not in given_up and i not in (own, best)]
    marks = (
        ("given up early", sorted(set(given_up) - {own, best}), {"symbol": "x-thin-open", "size": 7, "color": MUTED}),
        ("a try", whole, {"size": 8, "color": TRUE, "opacity": 0.7}),
        ("your own settings", [own], {"symbol": "diamond", "size": 12, "color": "#8b5cf6"}),
        ("the best", [best], {"symbol": "star", "size": 15, "color": ACCENT}),
    )
    figure.add_hrect(y0=band[0], y1=band[1], fillcolor=FAINT, line_width=0, layer="below")
    for name, places, marker in marks:
        figure.add_scatter(
            x=[shown[i] for i in places], y=[accuracies[i] for i in places], mode="markers", name=name, marker=marker,
            customdata=[in_words(values[i]) for i in places],
            hovertemplate="%{customdata}: %{y:.1%}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_layout(showlegend=False, margin_t=8)
    if apart:
        order = [in_words(value) for value in sorted(set(values), key=lambda value: (isinstance(value, str), value))]
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=order, showgrid=False)
        figure.update_xaxes(range=[-0.5, len(order) - 0.5])
    elif log:
        figure.update_xaxes(type="log", dtick="D2", tickformat="~g", showgrid=False)
    figure.update_yaxes(tickformat=".0%")
    return figure


def in_words(value: float | int | str | bool) -> str:
    """A value of a setting in words.

    >>> in_words(True), in_words(0.00123), in_words("mean")
    ('yes', '0.0012', 'mean')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def confusion_of(epoch: EpochEnded, classes: int) -> NDArray[np.int64]:
    """The validation clips of an epoch, int64 `(C, C)`: row = true action, column = predicted."""
    counts = np.zeros((classes, classes), np.int64)
    for true, said, clips in epoch.confusion:
        if max(true, said) < classes:
            counts[true, said] = clips
    return counts


def film(epochs: Sequence[EpochEnded], classes: Sequence[str]) -> go.Figure:
    """The confusion of each epoch as a film: a slider over the epochs, and Play. It begins with the last one.

    The browser plays it alone: nothing is asked of the server between two pictures.
    """
    shown = [epoch for epoch in epochs if epoch.confusion]
    matrices = [confusion_of(epoch, len(classes)) for epoch in shown]
    number, names = len(classes), [label(name) for name in classes]
    figure = blank(height=max(330, number * (46 if number <= 10 else 28) + 230))
    figure.add_trace(_matrix(matrices[-1], names))
    figure.frames = [
        go.Frame(data=[_matrix(matrix, names)], name=str(epoch.epoch))
        for epoch, matrix in zip(shown, matrices, strict=True)
    ]
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    playing = still | {"frame": {"duration": _FRAME_MS, "redraw": True}, "fromcurrent": True}
    steps = [{"label": frame.name, "method": "animate", "args": [[frame.name], still]} for frame in figure.frames]
    figure.update_layout(
        margin_b=8, margin_t=8,
        # Below the names of the actions, one row for the buttons and the epoch, then the slider: it fits a phone.
        updatemenus=[{
            "type": "buttons", "direction": "left", "x": 0, "y": -0.3, "xanchor": "left", "yanchor": "top",
            "pad": {"t": 8}, "showactive": False, "bgcolor": "rgba(128,128,128,0.15)", "borderwidth": 0,
            "buttons": [
                {"label": "Play", "method": "animate", "args": [[frame.name for frame in figure.frames], playing]},
                {"label": "Pause", "method": "animate", "args": [[None], still]},
            ],
        }],
        sliders=[{
            "active": len(steps) - 1, "steps": steps, "x": 0, "len": 1, "y": -0.3, "yanchor": "top",
            "currentvalue": {"prefix": "after epoch ", "font": {"size": 14}, "xanchor": "right", "offset": 14},
            "pad": {"t": 14, "l": 6, "r": 6}, "minorticklen": 0, "tickcolor": FAINT, "bordercolor": FAINT,
            "bgcolor": "rgba(128,128,128,0.25)", "activebgcolor": ACCENT, "font": {"size": 11},
        }],
    )  # fmt: skip
    ticks = {"tickvals": list(range(number)), "ticktext": names, "automargin": True, "showgrid": False,
             "zeroline": False, "constrain": "domain"}  # fmt: skip
    figure.update_xaxes(range=[-0.5, number - 0.5], title="predicted", tickangle=-45, **ticks)
    figure.update_yaxes(range=[number - 0.5, -0.5], title="true", **ticks)
    return figure


def _matrix(counts: NDArray[np.int64], names: Sequence[str]) -> go.Heatmap:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    text = [[str(n) if n else "" for n in row] for row in counts.tolist()]
    hover = [
        [f"{names[i]}: {counts[i, j]} {'right' if i == j else f'taken for {names[j]}'}" for j in range(len(names))]
        for i in range(len(names))
    ]
    return go.Heatmap(
        z=shares.tolist(), zmin=0, zmax=1, colorscale=_REDS, showscale=False, xgap=2, ygap=2, text=text,
        texttemplate="%{text}", textfont={"size": 14}, hovertext=hover, hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _over_epochs(
    epochs: Sequence[EpochEnded], lines: Mapping[str, str], hover: str, smoothing: float
) -> go.Figure:  # fmt: skip
    """Lines over the epochs, the frozen ones shaded; `lines` is the name of a part -> a field of the event."""
    figure = blank(height=300)
    numbers = [e.epoch for e in epochs]
    for name, field in lines.items():
        raw, colour = [getattr(e, field) for e in epochs], PARTS[name]
        if smoothing:
            figure.add_scatter(
                x=numbers, y=raw, name=f"{name}, as it was", mode="lines", line={"color": colour, "width": 1.5},
                opacity=0.3, hovertemplate=hover, showlegend=False,
            )  # fmt: skip
        figure.add_scatter(
            x=numbers, y=smoothed(raw, smoothing), name=name, mode="lines" if smoothing else "lines+markers",
            line={"color": colour, "width": 2.5}, marker_size=5, hovertemplate=hover,
        )  # fmt: skip
    if frozen := [e.epoch for e in epochs if e.frozen]:
        figure.add_vrect(
            x0=min(frozen) - 0.5, x1=max(frozen) + 0.5, fillcolor=FAINT, line_width=0, layer="below",
            annotation={"text": "backbone frozen", "font_size": 11, "opacity": 0.75},
            annotation_position="bottom left",
        )  # fmt: skip
    figure.update_layout(hovermode="x unified")
    last = max(numbers, default=1)
    figure.update_xaxes(title="epoch", range=[0.5, max(last, 5) + 0.5], tickformat="d", showgrid=False)
    return figure
