"""Train: start a run, follow it, stop it, go on with it."""

import streamlit as st

from har_core import runs, workspace
from har_core.ui import recipe, runs_table, search
from har_core.ui.choose import choose_dataset, choose_run
from har_core.ui.following import follow
from har_core.ui.frame import title
from har_core.ui.loaders import read_dataset
from har_core.ui.starting import new_run

title("Train", "A run is a process of its own: it goes on when you close this page.")
found = runs.all_runs(workspace() / "runs")
recipe.take_clone()

# Not `setdefault`: where the first run of a page is cut short, the browser may answer that nothing is chosen.
if st.session_state.get("train_view") is None:
    st.session_state["train_view"] = "Runs" if found else "New run"
views = ["Runs", "New run", "Search"]
view = st.segmented_control("View", views, required=True, key="train_view", label_visibility="collapsed")

if view == "Runs":
    runs_table.undo()
    if found:
        follow(choose_run(found))
    runs_table.show(found)
elif (folder := choose_dataset()) is not None:
    source = read_dataset(folder)
    (new_run if view == "New run" else search.show)(source)
