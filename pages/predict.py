"""Video Predict: upload a clip and see what a model makes of it."""

import streamlit as st

from har_core.dataset import EXTENSIONS
from har_core.ui.answers import downloads, show_answer, show_people
from har_core.ui.choose import can_name, choose_model
from har_core.ui.frame import plain, title
from har_core.ui.loaders import look_at, predictor

title("Video Predict", "Upload a clip and see what the model makes of it.")

model = choose_model()
if model is None:
    st.stop()
if model.actions:
    st.caption(can_name(model.actions))
files = st.file_uploader("Clip", type=sorted(EXTENSIONS), accept_multiple_files=True, key="clip")
if not files:
    st.caption("One clip or several; each should show one action. They stay on this computer.")
    st.stop()

with st.container():  # a place for the spinner: without it, all below would be built anew when it has gone
    classes = len(predictor(model).card.classes)
if predictor(model).note:
    st.info(plain(predictor(model).note), icon=":material/info:")
k = st.slider("How many actions to name (K)", 1, classes, min(5, classes), key=f"k of {classes}")

with st.spinner("Looking at the clips"):
    answers, failed, paths = look_at(model, files)

for sentence in failed.values():
    st.error(plain(sentence), icon=":material/error:")
for number, (name, seen) in enumerate(answers.items()):
    with st.container(border=True):
        show_answer(name, paths[name], seen, k, key=str(number))
        show_people(model, paths[name], seen.properties.seconds, k, key=str(number))
if answers:
    downloads(answers, failed, k)
