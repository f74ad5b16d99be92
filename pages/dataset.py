"""Dataset: bring clips, look at them, see how they are split."""

import streamlit as st

from har_core import dataset, plots, workspace
from har_core.errors import HarError
from har_core.ui.adding import add_panel
from har_core.ui.choose import choose_dataset, notes
from har_core.ui.clips import browse
from har_core.ui.frame import chart, go_to, plain, tiles, title
from har_core.ui.loaders import read_dataset
from har_core.values import Split

title("Dataset", "Labelled clips: what a model learns from.")

if not dataset.datasets(workspace()):
    st.markdown("There is no data set yet. Four ways to get one:")
    with st.container(border=True):
        add_panel()
    st.stop()

folder = choose_dataset()
with st.expander("Add a data set or clips", icon=":material/add:"):
    add_panel()
if folder is None:
    st.stop()

source = read_dataset(folder)
minutes = sum(p.seconds for p in source.properties) / 60
tiles(
    {
        "Clips": len(source.clips),
        "Actions": len(source.actions),
        "Groups": len(source.groups),
        "Minutes": f"{minutes:.1f}",
    },
    helps={"Groups": "Who or where was filmed. A group is never in both training and validation."},
)
if st.button("Train a model on it", icon=":material/model_training:"):
    go_to("train", data=st.session_state["data"], train_view="New run")
notes(source.notes, title="About this data set")
notes([f"{clip}: {reason}" for clip, reason in source.skipped], title="Clips left out")

st.subheader("Split", anchor=False)
one, two, three = st.columns(3)
validation = one.slider("Validation share", 0.05, 0.5, 0.2, 0.05, key="split validation")
test = two.slider("Test share", 0.0, 0.4, 0.0, 0.05, key="split test")
seed = int(three.number_input("Seed", 0, 2**31 - 1, 0, key="split seed", help="Another seed deals the groups anew."))
st.caption("A preview. A run chooses its own shares: Train, All settings.")
try:
    split = dataset.split(source.clips, validation_fraction=validation, test_fraction=test, seed=seed)
except HarError as error:  # a set that is still growing: its clips can be looked at all the same
    split = Split(source.clips, (), ())
    text = f"Not enough clips yet: each action needs clips of two groups or more. {plain(str(error))}"
    st.info(text, icon=":material/info:")
notes(split.notes, title="About this split")

parts = {name: split.named(name) for name in ("train", "validation", "test")}
left, right = st.columns(2, gap="medium")
with left:
    said = ", ".join(f"{len(clips)} {name}" for name, clips in parts.items() if clips)
    st.markdown(f"**Clips of each action** :gray[{said}]")
    chart(plots.clips_by_action(split), "clips by action", alt=f"Clips of each action and part: {said}")
with right:
    seconds = [p.seconds for p in source.properties]
    st.markdown(f"**Lengths** :gray[{min(seconds):.1f} to {max(seconds):.1f} s]")
    chart(plots.lengths(seconds), "lengths", alt=f"Lengths of the clips, {min(seconds):.1f} to {max(seconds):.1f} s")

st.subheader("Clips", anchor=False)
browse(source, {clip.path: name for name, clips in parts.items() for clip in clips})
