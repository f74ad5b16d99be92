"""Which clips a model contradicts: a model is chosen, it looks at every clip in the background, the rest is sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from har_core.dataset import Dataset
from har_core.ui.filters import sort_by_doubt
from har_core.ui.frame import reporting
from har_core.ui.loaders import models
from har_core.ui.reading import bar
from har_core.ui.scoring import Question, job_of, start

if TYPE_CHECKING:
    from har_core.evaluation import Evaluation

Doubts = dict[str, tuple[float, str]]
"""Of each clip that a model scored: how surely it contradicts the label, -1 to 1, and what it says, "" if it agrees."""


_ASKED, _SORTED = "doubting asked", "doubting sorted"
_SPLIT = "everything"  # ambiguous clips too: what a model says of them may settle what they show


def choose_doubter(source: Dataset) -> None:
    """The button behind which a model is chosen; nothing where no model knows these actions."""
    able = {model.name: model for model in models() if set(model.actions) & set(source.actions)}
    if not able:
        return
    with st.popover("Score by a model", icon=":material/psychology_alt:"):
        st.markdown("A model looks at every clip; those whose label it contradicts most surely then come first.")
        name = st.selectbox("Model", list(able), key=f"doubter of {source.root.name}", persist_state="session")
        st.caption("Clips that trained the model rarely look wrong to it: it has learned their labels.")
        asked = st.button("Score the clips", icon=":material/play_arrow:", type="primary")
        if asked:
            with reporting():
                question = Question(able[name], source, _SPLIT)
                start(question)
                st.session_state[_ASKED] = (source.root, name)
                st.rerun()


def take_doubts(source: Dataset) -> Doubts:
    """What the model asked last says against the clips' labels; empty, and how far it is, until it is done."""
    root, name = st.session_state.get(_ASKED, (None, None))
    model = next((model for model in models() if model.name == name), None)
    if root != source.root or model is None:
        return {}
    question = Question(model, source, _SPLIT)
    job = job_of(question)
    if job is None or job.cancelled:
        return {}
    if job.running:
        bar(job, "The model looks at the clips")
        return {}
    found: Doubts = {}
    with reporting():
        job.result()
        if st.session_state.get(_SORTED) is not job:
            st.session_state[_SORTED] = job
            sort_by_doubt(source.root.name)
        found |= question.once("doubts", lambda: _from(question.scores()))
    return found


def _from(scores: Evaluation) -> Doubts:
    found: Doubts = {}
    for one in scores.scored:
        probable = dict(zip(one.prediction.classes, one.prediction.probabilities.tolist(), strict=True))
        action, most = one.prediction.top(1)[0]
        other = max((p for name, p in probable.items() if name != one.action), default=0.0)
        said = "" if one.right else f"model: {action} {most:.0%}"
        found[one.clip.replace("\\", "/")] = (other - probable.get(one.action, 0.0), said)
    return found
