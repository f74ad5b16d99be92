"""The home page: what this is, what is ready, and what to do next."""

import streamlit as st

from har_core import dataset, runs, workspace
from har_core.ui.adding import RECORD, UPLOAD, WAYS, make_example_button, purpose
from har_core.ui.choose import run_title, status_badge
from har_core.ui.frame import PAGES, go_to, plain, title
from har_core.ui.loaders import Model, models

_STEPS = {
    "dataset": "Record or bring clips of each action, and look at them.",
    "train": "Learn from the clips: how each picture looks, and how they follow each other.",
    "evaluate": "How good it is on people it has not seen, and what it mixes up.",
    "predict": "Upload a clip and see what the model makes of it.",
    "live": "Stand before a camera and see what you do named as you do it.",
}


def landing() -> None:
    """Draw the home page."""
    title("Action recognition", "Teach this computer to name what people do in a video. Everything stays on it.")
    sets = dataset.datasets(workspace())
    found = runs.all_runs(workspace() / "runs")
    ready = models()
    _next(bool(sets), found, ready)
    st.subheader("How it hangs together", anchor=False)
    for column, (page, text) in zip(st.columns(len(_STEPS)), _STEPS.items(), strict=True):
        with column.container(border=True, height="stretch"):
            name, icon = PAGES[page]
            st.page_link(f"pages/{page}.py", label=f"**{name}**", icon=icon)
            st.caption(text)
    st.subheader("What is ready", anchor=False)
    left, middle, right = st.columns(3)
    with left.container(border=True, height="stretch"):
        _data_sets(list(sets))
    with middle.container(border=True, height="stretch"):
        _runs(found)
    with right.container(border=True, height="stretch"):
        _models(ready)


def _next(has_data: bool, found: list[runs.Run], ready: list[Model]) -> None:
    """One clear thing to do, by what is there."""
    with st.container(border=True):
        _takes_wait()
        running = next((run for run in found if run.alive()), None)
        if running:
            st.markdown(f"**{plain(run_title(running.name))}** is training.")
            if st.button("Watch the training", type="primary", icon=":material/visibility:"):
                go_to("train", run=running.name, train_view="Runs")
        elif any(model.run is not None for model in ready):
            st.markdown("**A model is ready.** Show it a clip, stand before a camera, or see how good it is.")
            with st.container(horizontal=True):
                if st.button("Predict a clip", type="primary", icon=":material/movie:"):
                    go_to("predict")
                if st.button("Go live", icon=":material/videocam:"):
                    go_to("live")
                if st.button("See how good it is", icon=":material/analytics:"):
                    go_to("evaluate")
        elif has_data:
            st.markdown("**A data set is ready.** Train a model on it.")
            if st.button("Train a model", type="primary", icon=":material/model_training:"):
                go_to("train")
            _try_what_comes_with_it(ready)
        else:
            st.markdown("**No data set yet?** Try the example data set (a minute or two), or record or bring clips "
                        "of your own.")  # fmt: skip
            st.caption(plain(purpose()))
            with st.container(horizontal=True):
                make_example_button()
                if st.button("Record your own", icon=":material/photo_camera:"):
                    go_to("dataset", **{WAYS: RECORD})
                if st.button("Bring your own clips", icon=":material/upload:"):
                    go_to("dataset", **{WAYS: UPLOAD})
            _try_what_comes_with_it(ready)


def _takes_wait() -> None:
    """Recorded, but neither kept nor thrown away: a reload or a crash came between."""
    if number := sum(1 for _ in (workspace() / "takes").glob("*/take.json")):
        text = f"{number} recorded {'take waits' if number == 1 else 'takes wait'} to be kept"
        if st.button(text, icon=":material/inventory_2:"):
            go_to("dataset", **{WAYS: RECORD, "dataset_view": "Add clips"})


def _try_what_comes_with_it(ready: list[Model]) -> None:
    """The offer that needs neither clips nor training; nothing where no model came with the project."""
    if not ready:
        return
    st.markdown("**Or see what it can do:** it comes with recognisers of yoga poses, of gestures "
                "and of what two people do.")  # fmt: skip
    with st.container(horizontal=True):
        if st.button("Predict a clip", icon=":material/movie:"):
            go_to("predict")
        if st.button("Go live", icon=":material/videocam:"):
            go_to("live")


def _data_sets(names: list[str]) -> None:
    st.markdown(f"**Data sets** :gray[{len(names)}]")
    for name in names[:6]:
        if st.button(plain(name), key=f"home data {name}", type="tertiary", icon=":material/video_library:"):
            go_to("dataset", data=name)
    if not names:
        st.caption("None yet.")


def _runs(found: list[runs.Run]) -> None:
    st.markdown(f"**Training runs** :gray[{len(found)}]")
    for run in found[:5]:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            if st.button(plain(run_title(run.name)), key=f"home run {run.name}", type="tertiary"):
                go_to("train", run=run.name, train_view="Runs")
            status_badge(run.status())
    if not found:
        st.caption("None yet.")


def _models(ready: list[Model]) -> None:
    st.markdown(f"**Models** :gray[{len(ready)}]")
    for model in ready[:6]:
        if st.button(plain(run_title(model.name)), key=f"home model {model.name}", type="tertiary",
                     icon=":material/psychology:"):  # fmt: skip
            go_to("predict", model=model.name)
    if not ready:
        st.caption("None yet.")
