"""Which clips a model contradicts: a model is chosen, it looks at every clip in the background, the rest is sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from har_core.dataset import Dataset
from har_core.ui.jobs import Job, jobs
from har_core.ui.loaders import Model, evaluation_key, models, predictor
from har_core.ui.reading import bar
from har_core.ui.shelf import shelf

if TYPE_CHECKING:
    from har_core.evaluation import Evaluation

Doubts = dict[str, tuple[float, str]]
"""Of each clip that a model scored: how surely it contradicts the label, -1 to 1, and what it says, "" if it agrees."""


def choose_doubts(source: Dataset) -> Doubts:
    """What the chosen model says against the clips' labels; empty until one has been asked."""
    able = [model for model in models() if set(model.actions) & set(source.actions)]
    if not able:
        return {}
    with st.popover("Score by a model", icon=":material/psychology_alt:"):
        st.markdown("A model looks at every clip; those whose label it contradicts most surely then come first.")
        named = {model.name: model for model in able}
        model = named[st.selectbox("Model", list(named), key="doubting model", persist_state="session")]
        st.caption("Clips that trained the model rarely look wrong to it: it has learned their labels.")
        asked = st.button("Score the clips", icon=":material/play_arrow:", type="primary")
    return _doubts(source, model, asked=asked)


def _doubts(source: Dataset, model: Model, *, asked: bool) -> Doubts:
    key = shelf("evaluation keys", 16).get(
        (id(source), model.folder, model.stamp), lambda: (evaluation_key(model, source, "all"), source)
    )[0]
    done = shelf("evaluations")
    if key not in done:
        job: Job[Evaluation] | None = jobs().get(("doubts", key))
        if asked:
            ready = predictor(model)  # here, for it says that it is loading
            from har_core import evaluation

            job = jobs().start(
                ("doubts", key), lambda report, _: evaluation.evaluate(ready, source, source.clips, progress=report)
            )
        if job is None or job.cancelled:
            return {}
        if job.running:
            bar(job, "The model looks at the clips")
            return {}
        done.get(key, job.result)
    scores: Evaluation = done.get(key, dict)  # type: ignore[assignment]  # it is there
    return shelf("doubts", 8).get(key, lambda: _from(scores))


def _from(scores: Evaluation) -> Doubts:
    found: Doubts = {}
    for one in scores.scored:
        probable = dict(zip(one.prediction.classes, one.prediction.probabilities.tolist(), strict=True))
        action, most = one.prediction.top(1)[0]
        other = max((p for name, p in probable.items() if name != one.action), default=0.0)
        said = "" if one.right else f"model: {action} {most:.0%}"
        found[one.clip.replace("\\", "/")] = (other - probable.get(one.action, 0.0), said)
    return found
