"""Evaluate: how good a model is, what it mixes up, and the clips behind each number."""

import streamlit as st

from har_core.ui.choose import choose_dataset_for, choose_model
from har_core.ui.frame import title
from har_core.ui.loaders import baselines, evaluated, evaluation_key, read_dataset
from har_core.ui.scores import downloads, show_baselines, show_clips, show_confusion, show_per_class, show_scores
from har_core.ui.shelf import shelf

title("Evaluate", "How good a model is on clips it has not seen, and what it mixes up.")

SPLITS = {"validation": "Validation", "test": "Test", "train": "Train", "all": "All clips"}

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

source = read_dataset(folder)
key = evaluation_key(model, source, split)
pressed = st.button("Evaluate", type="primary", icon=":material/analytics:")
if not pressed and key not in shelf("evaluations"):
    st.caption("Each clip is predicted once; a few seconds for a small data set. The scores then stay at hand.")
    st.stop()

scores = evaluated(model, source, split, key)
show_scores(scores, split=split)
left, right = st.columns([3, 2], gap="medium")
name = f"{model.name}-{split}"
with left:
    st.subheader("Confusion matrix", anchor=False)
    cell = show_confusion(scores, name)
with right:
    st.subheader("Each action", anchor=False)
    show_per_class(scores)
st.subheader("Clips", anchor=False)
show_clips(scores, cell, name)

st.subheader("Against dumber rules", anchor=False)
if st.button("Compare with baselines", icon=":material/balance:") or key in shelf("baselines"):
    show_baselines(baselines(model, source, scores, key), scores.accuracy)
else:
    st.caption("What would be scored without looking at motion, or without looking at all? Takes a little longer.")
downloads(scores, name)
