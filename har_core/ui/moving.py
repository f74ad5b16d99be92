"""The motion test: the same clips shuffled, backwards and as one frame, and in words whether the model uses time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from har_core.ui.frame import plain
from har_core.ui.scores import conditions
from har_core.ui.scoring import Question
from har_core.verdicts import Condition

if TYPE_CHECKING:
    from har_core.evaluation import Evaluation

_SHOWN: tuple[Condition, ...] = ("shuffled", "reversed", "single")


def show_motion(question: Question, scores: Evaluation) -> None:
    """Whether it uses time, what speaks for it, and which actions need it."""
    from har_core import probing
    from har_core.comparison import compare

    changed = {name: question.scores(name) for name in _SHOWN}
    found = {name: question.once(f"against {name}", partial(compare, scores, changed[name])) for name in _SHOWN}
    with st.container(border=True):
        verdict = probing.uses_time(scores, found["shuffled"], found["reversed"], found["single"])
        answer, colon, why = verdict.partition(":")  # the answer first, then what it rests on
        st.markdown(f":material/timeline: **{plain(answer)}**{colon}{plain(why)}")
    conditions(question, scores, _SHOWN, "motion")
    st.caption(
        "All from one look at each clip: its frames are encoded once, and only their order changes. Played backwards, "
        "getting up is sitting down: a model that knows the difference must fail there."
    )
    st.subheader("Which actions need it", anchor=False)
    _per_action(scores, changed)


def _per_action(scores: Evaluation, changed: dict[Condition, Evaluation]) -> None:
    from har_core.probing import WORDS

    def recall(evaluation: Evaluation) -> dict[str, float]:
        table = evaluation.per_class()
        return dict(zip(table["action"], table["recall"], strict=True))

    own = recall(scores)
    table = scores.per_class()[["action", "clips"]].copy()
    table["as it is"] = table["action"].map(own)
    for name in _SHOWN:
        table[WORDS[name]] = table["action"].map(recall(changed[name]))
    lost = table["as it is"] - table[WORDS["shuffled"]]
    table = table.assign(lost=lost).sort_values("lost", ascending=False, kind="stable").drop(columns="lost")
    table = table[table["clips"] > 0]
    share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    st.dataframe(
        table.round(3), hide_index=True, width="stretch", height=min(35 * len(table) + 38, 420), key="motion actions",
        column_config=dict.fromkeys(("as it is", *(WORDS[n] for n in _SHOWN)), share),
    )  # fmt: skip
    few = pd.to_numeric(table["clips"]).median() < 20
    st.caption(
        "The share of each action's clips that is found; what suffers most from shuffling comes first."
        + (" With so few clips an action, differences between actions are mostly chance." if few else "")
    )
