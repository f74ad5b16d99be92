"""Train: start a run, follow it, stop it, go on with it."""

import streamlit as st

from har_core import runs, workspace
from har_core.dataset import split
from har_core.ui.choose import choose_dataset, choose_run, notes
from har_core.ui.following import compare, follow
from har_core.ui.frame import go_to, title
from har_core.ui.loaders import read_dataset
from har_core.ui.settings import train_settings

title("Train", "A run is a process of its own: it goes on when you close this page.")
home = workspace() / "runs"
found = runs.all_runs(home)

view: str | None = "New run"
if found:
    st.session_state.setdefault("train_view", "Runs")
    view = st.segmented_control(
        "View", ["Runs", "New run"], required=True, key="train_view", label_visibility="collapsed"
    )

if view == "Runs":
    follow(choose_run(found))
    if len(found) > 1:
        compare(found)
elif (folder := choose_dataset()) is not None:
    source = read_dataset(folder)
    config, name = train_settings(source)
    parts = split(
        source.clips, validation_fraction=config.validation_fraction, test_fraction=config.test_fraction,
        seed=config.seed, validation_groups=config.validation_groups,
    )  # fmt: skip
    notes(parts.notes, title="About this split")
    st.caption(f"{len(parts.train)} clips train, {len(parts.validation)} validate; no group is in both.")
    if st.button("Start training", type="primary", icon=":material/play_arrow:"):
        run = runs.start(config, home, name=name)
        go_to(run=run.name, train_view="Runs")
