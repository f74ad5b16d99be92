"""Video Predict: upload videos and see what is done in them, when and by whom."""

import streamlit as st

from har_core import analyses, attendant, workspace
from har_core.ui.answers import show
from har_core.ui.asking import ask
from har_core.ui.choose import can_name, choose_model
from har_core.ui.frame import reporting, title
from har_core.ui.history import chosen, history, pace
from har_core.ui.underway import under_way
from har_core.ui.visitor import remember, visitor

title("Video Predict", "Upload videos and see what is done in them, when, and by whom.")

model = choose_model()
if model is None:
    st.stop()
if model.actions:
    st.caption(can_name(model.actions))
viewer = visitor()
with reporting():
    attendant.warm(workspace(), model.folder)
tasks = analyses.listed(workspace(), viewer)
ask(model, viewer, pace(tasks))
with st.container():  # a place that is always there, so that nothing below is built anew when it has gone
    under_way(viewer, tasks)
opened = chosen(tasks)
with st.container(key="video result"), reporting():
    if opened is not None:
        show(opened)
with st.container(), reporting():
    history(viewer, tasks, opened)
remember()
