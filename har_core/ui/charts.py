"""What a run's epochs look like: curves that can be smoothed, the confusion as a film, and all figures as a table."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from har_core import curves
from har_core.events import EpochEnded
from har_core.runs import Run
from har_core.ui.frame import chart

_SMOOTHED_FROM = 6
"""Epochs before which there is nothing to smooth."""


def curves_of(run: Run, epochs: Sequence[EpochEnded], *, running: bool) -> None:
    """Accuracy and loss over the epochs."""
    last, smoothing = epochs[-1], 0.0
    if len(epochs) >= _SMOOTHED_FROM or not running:
        smoothing = st.slider(
            "Smoothing", 0.0, 0.95, 0.0, 0.05, key="smoothing", width=260, persist_state="session",
            help="Each point is averaged with those before it; what it really was stays faintly behind.",
        )  # fmt: skip
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Accuracy**")
        said = f"validation {last.validation_accuracy:.1%}, train {last.train_accuracy:.1%}"
        figure = curves.accuracies(epochs, smoothing=smoothing)
        chart(figure, "accuracies", alt=f"Accuracy over the epochs; after epoch {last.epoch}: {said}")
    with right:
        st.markdown("**Loss**")
        said = f"validation {last.validation_loss:.3f}, train {last.train_loss:.3f}"
        figure = curves.losses(epochs, smoothing=smoothing)
        chart(figure, "losses", alt=f"Loss over the epochs; after epoch {last.epoch}: {said}")


def film_of(run: Run, epochs: Sequence[EpochEnded], classes: Sequence[str], *, running: bool) -> None:
    """Which actions are taken for which, epoch by epoch. While the run goes on the film has an end of its own."""
    told = [epoch for epoch in epochs if epoch.confusion]
    if not told:
        return
    with st.expander("Confusion, epoch by epoch", icon=":material/movie:"):
        if len(classes) > curves.MOST_FILMED:
            st.caption(
                f"With more than {curves.MOST_FILMED} actions its cells would be too small. Evaluate shows it large."
            )
            return
        ends = told[-1].epoch
        if running:
            # A film that grew under the viewer's hands would begin anew with each epoch.
            key = f"film ends {run.folder}"
            ends = st.session_state.setdefault(key, ends)
            later = told[-1].epoch - ends
            if later < 0 or st.button("Show the latest epochs too", disabled=not later, icon=":material/refresh:"):
                ends = st.session_state[key] = told[-1].epoch
        st.caption("The validation clips: the darker, the larger the share of an action's clips.")
        shown = [epoch for epoch in told if epoch.epoch <= ends]
        chart(curves.film(shown, classes), "film", alt=f"Confusion of the validation clips after epoch {ends}")


def numbers_of(run: Run, epochs: Sequence[EpochEnded], *, running: bool) -> None:
    """Learning rates, and all figures of all epochs."""
    with st.expander("Learning rates and all epochs", icon=":material/table_chart:"):
        chart(curves.learning_rates(epochs), "rates", alt="The learning rates of backbone and head over the epochs")
        st.dataframe(_table(epochs), hide_index=True, width="stretch", key="epoch table")
        if not running:  # a file that is replaced every second may be gone when the browser fetches it
            st.download_button(
                "Epochs as CSV", _table(epochs).to_csv(index=False), f"{run.name}-epochs.csv", "text/csv",
                icon=":material/download:", on_click="ignore",
            )  # fmt: skip


def _table(epochs: Sequence[EpochEnded]) -> pd.DataFrame:
    fields = [name for name in EpochEnded.__slots__ if name != "confusion"]
    return pd.DataFrame([{name.replace("_", " "): getattr(e, name) for name in fields} for e in epochs]).round(5)
