"""Dataset: bring clips, look at them, mend them, see how they are split."""

import streamlit as st

from har_core import dataset, workspace
from har_core.ui.adding import add_panel
from har_core.ui.choose import choose_dataset
from har_core.ui.editing import undo_button
from har_core.ui.frame import go_to, title
from har_core.ui.reading import dataset_or_progress, following, summary
from har_core.ui.splitting import parts_of

VIEWS = {
    "Clips": ":material/grid_view:",
    "Charts": ":material/bar_chart:",
    "Doctor": ":material/stethoscope:",
    "Map": ":material/scatter_plot:",
    "Versions": ":material/history:",
    "Add clips": ":material/add:",
}

title("Dataset", "Labelled clips: what a model learns from.")

if not dataset.datasets(workspace()):
    # As many elements above the panel as with a data set: else the camera stops when the first clips are kept.
    with st.container():
        st.markdown("There is no data set yet. Ways to get one:")
    st.empty()
    with st.container(border=True):
        add_panel()
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    folder = choose_dataset()
    if st.button("Train a model on it", icon=":material/model_training:"):
        go_to("train", data=st.session_state["data"], train_view="New run")
    facts = st.container(horizontal=True, vertical_alignment="center", width="content")

# Not `setdefault`: where the first run of a page is cut short, the browser may answer that nothing is chosen.
if st.session_state.get("dataset_view") is None:
    st.session_state["dataset_view"] = "Clips"
view = st.segmented_control(
    "View", list(VIEWS), format_func=lambda name: f"{VIEWS[name]} {name}", required=True, key="dataset_view",
    label_visibility="collapsed",
)  # fmt: skip

if view == "Add clips":
    with st.container(border=True):
        add_panel()
    st.stop()
if folder is None:
    st.stop()
source = dataset_or_progress(folder)
if source is None:
    st.stop()
with facts:
    summary(source)
    undo_button(source)
following(source)

# What a view needs is imported when it is looked at, so that the others open at once.
if view == "Clips":
    from har_core.ui import gallery

    gallery.show(source, parts_of(source))
elif view == "Charts":
    from har_core.ui import splitting

    splitting.show(source)
elif view == "Doctor":
    from har_core.ui import doctor

    doctor.show(source)
elif view == "Map":
    from har_core.ui import atlas

    atlas.show(source)
elif view == "Versions":
    from har_core.ui import editing

    editing.show(source)
