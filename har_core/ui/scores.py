"""What an evaluation shows: scores, the confusion matrix that can be clicked, and the clips behind a cell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from har_core import plots
from har_core.ui.choose import notes
from har_core.ui.clips import pick, play
from har_core.ui.frame import chart, plain, tiles

if TYPE_CHECKING:
    from har_core.evaluation import Evaluation  # loads torch, which is here already when there is something to show

_BASELINES = {
    "majority": "always says the commonest action of the training clips",
    "shape and length": "sees no picture, only size, length, frame rate and codec of the file",
    "shuffled frames": "is this model, shown the frames of each window in random order",
    "single frame": "is this model, shown one frame of each window alone",
}


def show_scores(scores: Evaluation, *, split: str) -> None:
    """The numbers, and how far to trust them."""
    low, high = scores.interval
    number = len(scores.scored)
    shown = {
        "Accuracy": f"{scores.accuracy:.1%}",
        "95 % interval": f"{low * 100:.0f}–{high * 100:.0f} %",
        "Clips": str(number),
        "Macro F1": f"{scores.macro_f1:.3f}",
    }
    shown |= {f"Top-{k} accuracy": f"{scores.top_accuracy(k):.1%}" for k in (2, 3) if k < len(scores.actions)}
    tiles(
        shown,
        helps={
            "Accuracy": "The share of clips whose most probable action is the true one.",
            "95 % interval": "Where the true accuracy may well lie. Few clips make it wide.",
            "Macro F1": "The mean over the actions of F1, so that rare actions count as much as common ones.",
            "Top-2 accuracy": "The share of clips whose true action is among the two most probable ones.",
            "Top-3 accuracy": "The share of clips whose true action is among the three most probable ones.",
        },
    )
    if split == "train":
        st.warning("These clips trained the model: the score says how well it remembers.", icon=":material/warning:")
    elif split == "all":
        st.warning(
            "All clips include those that trained the model, so the score flatters it.", icon=":material/warning:"
        )
    elif not scores.notes:
        wide = (
            f" With {number} clips the interval is wide: do not read much into a few percent." if number < 100 else ""
        )
        st.caption(f"No group of these clips (who or where was filmed) was in training.{wide}")
    for note in scores.notes:
        st.warning(plain(note), icon=":material/warning:")
    notes([f"{clip}: {reason}" for clip, reason in scores.skipped], title="Clips left out")


def show_confusion(scores: Evaluation, key: str) -> tuple[str, str] | None:
    """The matrix; gives the cell that was clicked as (true, predicted)."""
    unit = st.segmented_control(
        "Numbers", ["Counts", "Shares of each row"], default="Counts", required=True, key=f"unit {key}"
    )
    figure = plots.confusion(scores.confusion, scores.actions, normalised=unit != "Counts")
    right = sum(s.right for s in scores.scored)
    event = st.plotly_chart(
        figure, key=f"confusion {key}", width="stretch", on_select="rerun", selection_mode="points",
        config={"displayModeBar": False}, alt=f"Confusion matrix: {right} of {len(scores.scored)} clips are right",
    )  # fmt: skip
    st.caption("Click a cell to see its clips below; click it again to see the wrong ones.")
    points = event["selection"]["points"]
    cell = points[0].get("customdata") if points else None
    return (str(cell[0]), str(cell[1])) if cell else None


def show_per_class(scores: Evaluation) -> None:
    """Precision, recall and F1 of each action."""
    share = st.column_config.NumberColumn(format="percent")
    table = scores.per_class().round(3)
    st.dataframe(
        table, hide_index=True, width="stretch", height=min(35 * len(table) + 40, 520), placeholder="–",
        column_config={"precision": share, "recall": share, "f1": share},
    )  # fmt: skip
    st.caption("Precision: how often its name is right. Recall: how many of its clips are found. F1: both in one.")


def show_clips(scores: Evaluation, cell: tuple[str, str] | None, key: str) -> None:
    """The clips of a cell, or the wrong ones, the most surely wrong first; the chosen one plays."""
    table = scores.table().round(3)
    if cell:
        true, said = cell
        what = f"taken for **{plain(said)}**" if true != said else "and recognised as such"
        st.markdown(f"Clips of **{plain(true)}** {what}")
        table = table[(table["action"] == true) & (table["predicted"] == said)]
    else:
        st.markdown("Wrong clips, the most surely wrong first")
        table = table[~table["right"]]
    if table.empty:
        st.info("There are none here." if cell else "Every clip is right.", icon=":material/check_circle:")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        row = pick(table.drop(columns="right"), f"scored {key} {cell}", height=min(36 * len(table) + 38, 420))
    with right:
        if row is None:
            st.info("Click a row to play its clip.", icon=":material/touch_app:")
            return
        scored = next(s for s in scores.scored if s.clip == table.iloc[row]["clip"])
        play(scored.path)
        alt = ", ".join(f"{action} {probability:.0%}" for action, probability in scored.prediction.top(5))
        chart(plots.top(scored.prediction, 5, true=scored.action), f"top {key}", alt=alt)
        st.caption(f"True action: **{plain(scored.action)}**, the blue bar if it is among the first five.")


def show_baselines(found: dict[str, float], accuracy: float) -> None:
    """What dumber rules score, each with what it does."""
    rows = [("this model", accuracy, "sees the clip as it is")]
    rows += [(name, value, _BASELINES[name]) for name, value in found.items()]
    table = pd.DataFrame(rows, columns=["rule", "accuracy", "what it does"]).round(3)
    share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    st.dataframe(table, hide_index=True, width="stretch", column_config={"accuracy": share})
    st.caption(
        "A model that reads motion beats all of them. If one frame or shuffled frames do as well, it goes by looks; "
        "if shape and length do, the files themselves give the action away."
    )


def downloads(scores: Evaluation, name: str) -> None:
    """The clips as CSV, everything as JSON."""
    with st.container(horizontal=True):
        st.download_button(
            "Clips as CSV", scores.table().to_csv(index=False), f"{name}.csv", "text/csv", on_click="ignore",
            icon=":material/download:",
        )  # fmt: skip
        st.download_button(
            "Everything as JSON", json.dumps(scores.to_json(), indent=1, ensure_ascii=False), f"{name}.json",
            "application/json", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
