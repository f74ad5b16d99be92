"""The settings of a run in two depths: the few knobs that matter, and everything, by name or as JSON."""

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from har_core import runs, weights, workspace
from har_core.dataset import Dataset
from har_core.errors import ConfigError, RunError
from har_core.sampling import propose
from har_core.ui import recipe
from har_core.ui.choose import run_title
from har_core.ui.frame import plain, reporting
from har_core.ui.recipe import bind, take

_WEIGHTS = {
    "auto": "Best on this computer",
    "imagenet": "ImageNet (downloaded once)",
    "bundled": "Bundled backbone",
    "none": "Random numbers",
}
_VIEWS = {
    "frame": "The whole picture",
    "person": "The person whom a clip is about",
    "both": "Both: good for Live, twice the work",
}
_POOLING = {"mean": "Mean over time", "last": "Last frame's state", "attention": "Attention"}
_EMBEDDING = {"average": "Averaged over the picture", "grid": "Kept at 4 × 4 places"}
_MOTION = {"off": "Pictures as they are", "only": "Only what moves", "beside": "Both", "steps": "Both, and each step"}
_PRECISION = {"auto": "Whatever is faster here", "fp32": "32 bit", "bf16": "bfloat16"}
_HELD = {False: "Learns too, after the rest", True: "Held as it is"}
_TURNING = {
    "epochs": "More takes longer and rarely hurts: the best epoch is kept, and training ends early when nothing "
    "improves. Fewer is done sooner, perhaps too soon.",
    "view": "In the whole picture the room may give an action away. With the person only who acts counts; people are "
    "looked for once in each clip, which takes a while. Both make one model for uploads and for Live.",
    "augment.strength": "How much clips are varied while they are learnt. More helps when clips are few or all alike, "
    "but is learnt slowly. Less is learnt faster, and sooner by heart.",
    "augment.flip": "Twice the variety for nothing. Switch it off where left and right are different actions, such as "
    "swiping left and right.",
    "network.weights": "What the part that looks at single pictures (ResNet18) knows before it sees your clips. From "
    "random numbers it needs thousands of clips.",
    "freeze_backbone": "Held, an epoch takes about a second, and that is often enough. Learning too, it gets better "
    "with many clips, but each epoch takes far longer.",
    "validation_fraction": "More gives a surer score and leaves fewer clips to learn from. Clips of one person or "
    "place never lie on both sides.",
}
"""By setting: what comes of turning it up or down."""
_MOST_GROUPS = 300
_JSON, _TROUBLE = "settings as json", "settings trouble"


def few_knobs() -> None:
    """The knobs that matter, each with what comes of turning it."""
    _number(_knob("epochs"), "Epochs", "epochs", 1, 10_000)
    _view(_knob("view"))
    _knob("augment.strength").slider("Augmentation", 0.0, 2.0, step=0.25, key=bind("augment.strength"), on_change=take,
                                     args=("augment.strength",))  # fmt: skip
    _toggle(_knob("augment.flip"), "Mirror half of the clips", "augment.flip")
    _choice(_knob("network.weights"), "Starting weights", _WEIGHTS, "network.weights")
    _knob("freeze_backbone").selectbox(
        "The part that looks at single pictures", list(_HELD), format_func=_HELD.__getitem__,
        key=bind("freeze_backbone"), on_change=take, args=("freeze_backbone",),
    )  # fmt: skip
    _number(_knob("validation_fraction"), "Share that validates", "validation_fraction", 0.01, 0.9, 0.05)
    held, epochs = recipe.value_at("freeze_epochs"), recipe.value_at("epochs")
    if recipe.value_at("network.weights") != "none" and not recipe.value_at("freeze_backbone") and epochs <= held:
        st.caption(f"For the first {held} epochs only the part that reads the pictures in order learns. With {epochs} "
                   "epochs the part that looks at each picture stays as it came.")  # fmt: skip


def everything(source: Dataset) -> None:
    """Every setting: by name, as JSON, and what differs from the defaults."""
    names, text = st.tabs(["By name", "As JSON"])
    with names:
        few_knobs()
        _clip(source)
        _network()
        _learning()
        _split(source)
        _machine()
    with text:
        _as_json()
    if changed := recipe.differences():
        st.caption("Not as usual: " + plain("; ".join(f"{path} {_said(value)} (usually {_said(usual)})"
                                                      for path, usual, value in changed)))  # fmt: skip


def where_from() -> None:
    """Reset to the defaults, or take the settings of another run."""
    if said := recipe.note():
        st.caption(f":material/content_copy: {plain(said)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Reset to the defaults", icon=":material/restart_alt:", on_click=recipe.reset, type="tertiary",
                  disabled=not recipe.differences())  # fmt: skip
        found = {run.name: run for run in runs.all_runs(workspace() / "runs")}
        if found:
            with st.popover("Take the settings of a run", icon=":material/content_copy:", type="tertiary"):
                name = st.selectbox("Run", list(found), format_func=run_title, key="settings of")
                if st.button("Take them") and name:
                    _take_of(found[name])


def _take_of(run: runs.Run) -> None:
    with reporting():
        try:
            recipe.replace_all(run.config().to_json(), note=f"The settings of {run_title(run.name)}.")
        except ConfigError as error:
            raise RunError(f"The settings of {run.name} cannot be used: {error}") from None
        st.rerun()


def _knob(path: str) -> st.delta_generator.DeltaGenerator:
    """A place for a knob, with what it does beside it, or below it on a narrow screen."""
    left, right = st.columns([2, 3], gap="small", vertical_alignment="center")
    right.caption(_TURNING[path])
    return left


def _view(place: st.delta_generator.DeltaGenerator) -> None:
    """What training looks at; without a detector the other views stay in sight, and starting says what they lack."""
    there = weights.find_detector("auto") is not None
    words = _VIEWS if there else {name: f"{text} (needs a detector)" if name != "frame" else text
                                  for name, text in _VIEWS.items()}  # fmt: skip
    _choice(place, "Look at", words, "view")


def _choice(
    place: st.delta_generator.DeltaGenerator, label: str, words: dict[str, str], path: str, *, help: str | None = None
) -> None:
    place.selectbox(label, list(words), format_func=words.__getitem__, key=bind(path), on_change=take, args=(path,),
                    help=help)  # fmt: skip


def _number(
    place: st.delta_generator.DeltaGenerator, label: str, path: str, low: float, high: float, step: float | None = None,
    *, format: str | None = None, help: str | None = None,
) -> None:  # fmt: skip
    place.number_input(
        label, low, high, step=step, key=bind(path), on_change=take, args=(path,), format=format, help=help
    )


def _toggle(place: st.delta_generator.DeltaGenerator, label: str, path: str, *, help: str | None = None) -> None:
    place.toggle(label, key=bind(path), on_change=take, args=(path,), help=help)


def _row(heading: str) -> Sequence[st.delta_generator.DeltaGenerator]:
    st.markdown(f"**{heading}**")
    return st.columns(3)


def _clip(source: Dataset) -> None:
    a, b, c = _row("What is looked at")
    _number(a, "Picture size, pixels", "size", 32, 448, 16)
    _number(b, "Windows per clip when judging", "windows", 1, 50)
    size = recipe.value_at("size")
    proposed = propose([p.seconds for p in source.properties] or [3.0], size=size)
    st.session_state["own window"] = recipe.value_at("clip") is not None

    def own() -> None:
        recipe.put("clip", proposed.to_json() if st.session_state["own window"] else None)

    c.toggle("My own window", key="own window", on_change=own,
             help="Else it is chosen by the lengths of the training clips.")  # fmt: skip
    if recipe.value_at("clip") is None:
        st.caption(
            f"Window: about {proposed.window_seconds:.1f} s, looked at {proposed.frames_per_second:.1f} times a second."
        )
        return
    recipe.put("clip.size", size)
    a, b, c = st.columns(3)
    _number(a, "Window, seconds", "clip.window_seconds", 0.1, 60.0, 0.5)
    _number(b, "Frames per second", "clip.frames_per_second", 0.1, 60.0, 0.5)
    _number(c, "Most frames", "clip.most_frames", 1, 128)


def _network() -> None:
    a, b, c = _row("Network")
    _number(a, "LSTM size", "network.lstm_size", 8, 2048, 32)
    _number(b, "LSTM layers", "network.lstm_layers", 0, 4, help="0 leaves it out.")
    _choice(c, "Over time", _POOLING, "network.pooling")
    _choice(
        a, "What is seen", _EMBEDDING, "network.embedding",
        help="Places tell where a hand is; an average forgets it, and cares less where somebody stands.",
    )  # fmt: skip
    _choice(
        b, "The LSTM reads", _MOTION, "network.motion",
        help="Only what moves: the clip's mean is taken away, and with it the room. For gestures; not for poses. Each "
        "step: what differs from the frame before, too.",
    )  # fmt: skip
    _number(c, "Dropout", "network.dropout", 0.0, 0.95, 0.05)
    _toggle(a, "Read forwards and backwards", "network.bidirectional")


def _learning() -> None:
    a, b, c = _row("Learning")
    _number(a, "Learning rate, backbone", "backbone_learning_rate", 0.0, 1.0, 1e-5, format="%.1e")
    _number(b, "Learning rate, head", "head_learning_rate", 1e-7, 1.0, 1e-4, format="%.1e")
    _number(c, "Batch size", "batch_size", 1, 512)
    _number(a, "Epochs with frozen backbone", "freeze_epochs", 0, 10_000)
    _number(b, "Slow down after epochs without progress", "plateau_patience", 0, 1000)
    _number(c, "Slow down to", "plateau_factor", 0.01, 0.99, 0.05)
    _number(a, "End after epochs without progress", "patience", 1, 10_000)
    _number(b, "Label smoothing", "label_smoothing", 0.0, 0.9, 0.05)
    _number(c, "Weight decay", "weight_decay", 0.0, 1.0, 0.01)
    _number(a, "Longest gradient", "clip_norm", 1e-3, 1e3, 0.5)
    _toggle(c, "Weigh rare actions more", "class_weights")


def _split(source: Dataset) -> None:
    a, b, _ = _row("Split")
    _number(a, "Test share", "test_fraction", 0.0, 0.8, 0.05)
    _number(b, "Seed", "seed", 0, 2**31 - 1, help="Of everything random.")
    chosen = recipe.value_at("validation_groups")
    if 2 <= len(source.groups) <= _MOST_GROUPS or chosen:
        st.session_state["set validation_groups"] = [group for group in chosen if group in source.groups]
        st.multiselect("Validate on exactly these groups", source.groups, key="set validation_groups", on_change=take,
                       args=("validation_groups",), placeholder="Chosen by the share that validates")  # fmt: skip


def _machine() -> None:
    a, b, c = _row("Machine")
    _choice(a, "Precision", _PRECISION, "precision")
    _toggle(b, "Keep decoded frames on disk", "cache", help="The second epoch need not decode again.")
    _toggle(c, "Write for TensorBoard", "tensorboard",
            help="Each epoch also as event files beside the run, to look at with `tensorboard --logdir`.")  # fmt: skip


def _as_json() -> None:
    """The settings as text; what is typed counts as a whole or not at all."""
    if not st.session_state.get(_TROUBLE):
        st.session_state[_JSON] = json.dumps(recipe.settings(), indent=2, default=list)
    st.html("<style>.st-key-settings-as-json textarea { font-family: monospace; font-size: 0.9rem; }</style>")
    st.text_area("Settings", key=_JSON, height=560, on_change=_take_json, label_visibility="collapsed")
    if trouble := st.session_state.get(_TROUBLE):
        st.error(plain(trouble), icon=":material/error:")
        if st.button("Take back what I typed", icon=":material/undo:"):
            st.session_state.pop(_TROUBLE)
            st.rerun()
    else:
        st.caption("Ctrl+Enter takes over what you type. Settings that are left out take their defaults.")


def _take_json() -> None:
    try:
        recipe.replace_all(json.loads(st.session_state[_JSON]))
    except json.JSONDecodeError as error:
        st.session_state[_TROUBLE] = f"This is no JSON: line {error.lineno}, column {error.colno}: {error.msg}."
    except (ConfigError, ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
        st.session_state[_TROUBLE] = str(error)
    else:
        st.session_state[_TROUBLE] = ""


def _said(value: Any) -> str:  # noqa: ANN401  # whatever a setting is
    return f"{value:g}" if isinstance(value, float) else "none" if value in (None, []) else str(value)
