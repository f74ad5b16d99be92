"""Evaluate: how good a model is, what it mixes up and why, and the clips behind each number."""

import streamlit as st

from har_core.ui.calibrating import show_calibration
from har_core.ui.choose import choose_dataset_for, choose_model
from har_core.ui.comparing import show_comparison
from har_core.ui.confusing import show_confusion
from har_core.ui.frame import title
from har_core.ui.loaders import read_dataset
from har_core.ui.moving import show_motion
from har_core.ui.printing import show_report
from har_core.ui.scores import show_head, show_scores
from har_core.ui.scoring import Question, begin

title("Evaluate", "How good a model is on clips it has not seen, what it mixes up, and what to do about it.")

SPLITS = {"validation": "Validation", "test": "Test", "train": "Train", "all": "All clips"}
VIEWS = {
    "Confusion": show_confusion,
    "Scores": show_scores,
    "Calibration": show_calibration,
    "Motion": show_motion,
    "Compare": show_comparison,
    "Report": show_report,
}

one, two, three = st.columns([3, 2, 2])
with one:
    model = choose_model()
if model is None:
    st.stop()
with two:
    folder = choose_dataset_for(model)
if folder is None:
    st.stop()
with three:
    # A model that came with the project has no clips of its own here: whoever shows it clips means all of them.
    choices = list(SPLITS) if model.run is not None else ["all"]
    split = st.selectbox("Clips", choices, format_func=SPLITS.__getitem__, key="evaluate_split")

question = Question(model, read_dataset(folder), split)
if not begin(question):
    st.stop()
scores = question.scores()
show_head(question, scores)
view = st.segmented_control(
    "View", list(VIEWS), default="Confusion", required=True, key="evaluate_view", label_visibility="collapsed",
    persist_state="session",
)  # fmt: skip
VIEWS[view](question, scores)  # only what is shown is computed
