"""How far a model's probabilities can be believed, and the one below which it is unsure; both kept in its card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from har_core import figures_of_scores as figures
from har_core import workspace
from har_core.calibration import (
    LEAST_CLIPS,
    calibration_error,
    coverage_curve,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    tempered,
)
from har_core.errors import HarError
from har_core.ui.frame import chart, go_to, plain, reporting
from har_core.ui.scoring import ORDERS, Question, at_hand
from har_core.values import wilson

if TYPE_CHECKING:
    from har_core.evaluation import Evaluation

_SAME = 0.02
"""Temperatures that differ by less, in share, show the same."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Untempered logits of each clip's windows, and the index of its action."""

    logits: list[NDArray[np.float32]]
    labels: list[int]


def show_calibration(question: Question, scores: Evaluation) -> None:
    """Reliability, temperature, and the threshold with what it does to these clips."""
    if len(scores.scored) < LEAST_CLIPS:
        st.info(
            f"Calibration needs {LEAST_CLIPS} clips or more, but there are {len(scores.scored)} here. Choose more.",
            icon=":material/info:",
        )
        return
    seen = _seen(question)
    left, right = st.columns(2, gap="large")
    with left:
        _reliability(question, seen)
    with right:
        _threshold(question, seen)
    st.subheader("Temperature", anchor=False)
    _temperature(question, seen)


def _seen(question: Question) -> _Seen:
    def work() -> _Seen:
        place = {action: index for index, action in enumerate(question.card.classes)}
        logits, labels = [], []
        for clip, key in zip(question.clips, question.keys, strict=True):
            verdict = question.found.get((key, "plain"))
            if verdict is not None and len(verdict.logits) and clip.action in place:
                logits.append(verdict.logits)
                labels.append(place[clip.action])
        return _Seen(logits, labels)

    return question.once("seen", work)


def _reliability(question: Question, seen: _Seen) -> None:
    st.subheader("How sure, how right", anchor=False)
    shown = tempered(seen.logits, question.card.temperature)
    bins, error = reliability(shown, seen.labels), calibration_error(shown, seen.labels)
    sure, right = float(shown.max(axis=1).mean()), float((shown.argmax(axis=1) == seen.labels).mean())
    alt = ", ".join(f"{b.clips} clips {b.confidence:.0%} sure and {b.accuracy:.0%} right" for b in bins)
    chart(figures.reliable(bins), "reliability", alt=f"Reliability: {alt}")
    which = (
        "surer than it is right" if sure > right + 0.02 else "less sure than it is right" if sure < right - 0.02 else ""
    )
    st.caption(
        f"On average it is {sure:.0%} sure and {right:.0%} right{f': {which}' if which else ''}. Expected calibration "
        f"error {error:.1%}, over {len(bins)} {'bin' if len(bins) == 1 else 'bins'} of equally many clips. On the "
        "dotted line it would be as sure as it is right; the bars are intervals, wide where clips are few."
    )


def _threshold(question: Question, seen: _Seen) -> None:
    st.subheader("When to be unsure", anchor=False)
    card = question.card
    shown = tempered(seen.logits, card.temperature)
    key = f"threshold {question.model.name} {question.model.stamp}"
    percent = st.slider(
        "Unsure below", 0.0, 100.0, round(card.unsure_below * 100, 1), 0.5, format="%.1f%%", key=key,
        help="An answer with a lower probability is shown as unsure, on every page and in every command.",
    )  # fmt: skip
    threshold = percent / 100
    chart(
        figures.covered(coverage_curve(shown, seen.labels), threshold), "coverage", alt=_covered(shown, seen, threshold)
    )
    st.markdown(_covered(shown, seen, threshold))
    _keep(question, unsure_below=threshold, temperature=card.temperature, clips=len(seen.labels), what="threshold",
          same=abs(threshold - card.unsure_below) < 5e-4)  # fmt: skip


def _covered(shown: NDArray[np.float64], seen: _Seen, threshold: float) -> str:
    """What a threshold does to these clips, in words."""
    sure, right = shown.max(axis=1) >= threshold, shown.argmax(axis=1) == np.asarray(seen.labels)
    total, answered, good = len(sure), int(sure.sum()), int((sure & right).sum())
    lost = int((~sure & right).sum())
    if not answered:
        return f"None of the {total:,} clips would be answered."
    low, high = wilson(good, answered)
    told = (
        f"**{answered:,} of {total:,}** clips would be answered ({answered / total:.0%}), **{good:,}** of these "
        f"rightly ({good / answered:.0%}; {low:.0%} to {high:.0%})."
    )
    if answered < total:
        told += f" {total - answered:,} would be unsure, of which {lost:,} would have been right."
    return told


def _keep(
    question: Question, *, unsure_below: float, temperature: float, clips: int, what: str, same: bool
) -> None:  # fmt: skip
    """The button that writes into the model's card; for a model that came with the project, a copy of one's own."""
    run = question.model.run
    if run is None:
        _copy(question, what)
        return
    pressed = st.button(
        f"Keep this {what}", key=f"keep {what}", icon=":material/save:", type="primary", disabled=same,
        help="It is kept in the model's card: Video Predict, Live and the command line use it from then on.",
    )  # fmt: skip
    if same:
        st.caption(f"This is the {what} that the model has now.")
    elif run.alive():
        st.caption("The run goes on: its next better epoch brings a temperature and a threshold of its own.")
    if pressed:
        with reporting():
            from har_core.recalibration import keep

            on = f"{clips} clips of {question.source.root.name} ({question.split})"
            keep(question.model.folder, question.card, unsure_below=unsure_below, temperature=temperature, on=on)
            st.toast(f"Kept: {what} of {plain(question.model.name)}.", icon=":material/check:")
            st.rerun()


def _copy(question: Question, what: str) -> None:
    st.caption(
        f"This model came with the project and is the same for everybody who uses it, so its {what} stays. "
        "A copy of your own can have another."
    )
    if st.button("Copy it to my models", key=f"copy {what}", icon=":material/content_copy:"):
        try:
            from har_core import transfer  # it loads torch

            made = transfer.adopt(question.model.folder, workspace() / "runs", dataset=question.source.root)
        except HarError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        go_to("evaluate", model=made.name)


def _temperature(question: Question, seen: _Seen) -> None:
    card = question.card
    fitted_on, which = _fitted_on(question, seen)
    st.markdown(
        "Probabilities are softened or sharpened by one number, the temperature, before they are shown. It never "
        "changes which action comes first. It is fitted on validation clips: those that trained the model "
        "would make it too sure."
    )
    if fitted_on is None:
        return
    if len(fitted_on.labels) < LEAST_CLIPS or len(set(fitted_on.labels)) < 2:
        st.caption(f"To fit one takes {LEAST_CLIPS} clips or more of two actions or more.")
        return
    best = question.once(f"temperature {which}", lambda: fit_temperature(fitted_on.logits, fitted_on.labels))
    rows = []
    for name, temperature in (("none", 1.0), ("in the model now", card.temperature), (f"fitted on {which}", best)):
        shown = tempered(seen.logits, temperature)
        rows.append((
            name, round(temperature, 3), float(shown.max(axis=1).mean()), calibration_error(shown, seen.labels),
            round(negative_log_likelihood(shown, seen.labels), 4),
        ))  # fmt: skip
    columns = ["temperature", "value", "how sure on average", "calibration error", "negative log likelihood"]
    share = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        pd.DataFrame(rows, columns=columns).round(4), hide_index=True, width="stretch", key="temperatures",
        column_config={"how sure on average": share, "calibration error": share},
    )  # fmt: skip
    flattered = " It was fitted on the same clips, which flatters it a little." if fitted_on is seen else ""
    st.caption(
        f"Judged on the {len(seen.labels):,} clips chosen above.{flattered} Above 1 softens, below 1 sharpens; "
        "where clips are few, what is fitted is drawn towards 1."
    )
    if question.model.run is not None:
        _keep(question, unsure_below=card.unsure_below, temperature=round(best, 4), clips=len(fitted_on.labels),
              what="temperature", same=abs(best / card.temperature - 1) < _SAME)  # fmt: skip


def _fitted_on(question: Question, seen: _Seen) -> tuple[_Seen | None, str]:
    """The clips to fit on, and which these are; None while they are not known yet."""
    held = Question(question.model, question.source, "validation")
    if question.split == "validation" or question.model.run is None or not question.card.split.get("validation"):
        return seen, "validation clips" if question.split == "validation" else "these clips"
    try:
        held.clips  # noqa: B018  # asks whether there are any
    except HarError:
        return seen, "these clips"
    if not at_hand(held, ORDERS, ask="Look at the validation clips", text="The temperature is fitted on them."):
        return None, ""
    return _seen(held), "validation clips"
