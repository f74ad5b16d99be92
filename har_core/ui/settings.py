"""The form that gives a TrainConfig: the few choices that matter in sight, all others folded away."""

from typing import Any

import streamlit as st

from har_core import weights
from har_core.config import TrainConfig
from har_core.dataset import Dataset
from har_core.sampling import propose

Chosen = dict[str, Any]
"""Settings by name, as `TrainConfig.from_json` takes them."""
_DEFAULT = TrainConfig()
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
_MOTION = {"off": "Pictures as they are", "only": "Only what moves", "beside": "Both"}
_PRECISION = {"auto": "Whatever is faster here", "fp32": "32 bit", "bf16": "bfloat16"}
_MOST_GROUPS = 300


def train_settings(source: Dataset) -> tuple[TrainConfig, str]:
    """The config chosen for a run on this data set, and the run's name.

    Raises:
        ConfigError: choices that contradict each other.
    """
    with st.container(border=True):
        one, two = st.columns(2, gap="medium")
        name = one.text_input("Name of the run", value=source.root.name, key=f"name {source.root.name}", max_chars=40)
        epochs = two.number_input(
            "Epochs", 1, 10_000, _DEFAULT.epochs, key="epochs",
            help="At most this often is every clip seen. Training ends earlier when nothing improves.",
        )  # fmt: skip
        start = one.selectbox(
            "Starting weights", list(_WEIGHTS), format_func=_WEIGHTS.__getitem__, key="weights",
            help="What the ResNet18 that looks at single frames knows before it sees your clips.",
        )  # fmt: skip
        strength = two.slider(
            "Augmentation", 0.0, 2.0, 1.0, 0.25, key="strength",
            help="How much training clips are varied: 0 not at all, 1 as usual, 2 strongly. The fewer clips, the more.",
        )  # fmt: skip
        flip = one.toggle(
            "Mirror half of the clips", True, key="flip",
            help="Switch it off where left and right are different actions, such as swiping left or right.",
        )  # fmt: skip
        view = _view(two)
    with st.expander("All settings", icon=":material/tune:"):
        clip = _clip(source)
        network = _network(start)
        learning = _learning()
        split = _split(source)
        machine = _machine()
    held = int(learning["freeze_epochs"])
    if start != "none" and epochs <= held:
        st.caption(f"For the first {held} epochs only the part that reads the pictures in order learns. With {epochs} "
                   "epochs the part that looks at each picture stays as it came.")  # fmt: skip
    augment = {"strength": strength, "flip": flip}
    chosen = {"dataset": str(source.root), "epochs": epochs, "augment": augment, "view": view}
    return TrainConfig.from_json(chosen | clip | network | learning | split | machine), name


def _view(place: st.delta_generator.DeltaGenerator) -> str:
    """What training looks at; people only where something can find them."""
    there = weights.find_detector("auto") is not None
    view = place.selectbox(
        "Look at", list(_VIEWS) if there else ["frame"], format_func=_VIEWS.__getitem__, key="view",
        help="Cut to the person, the background does not decide. People are looked for once in each clip."
        if there else "To look at people, fetch a detector: on the Live page, under Weights.",
    )  # fmt: skip
    return str(view)


def _row(heading: str) -> tuple[st.delta_generator.DeltaGenerator, ...]:
    st.markdown(f"**{heading}**")
    return tuple(st.columns(3))


def _clip(source: Dataset) -> Chosen:
    a, b, c = _row("What is looked at")
    size = a.number_input("Picture size, pixels", 32, 448, _DEFAULT.size, 16, key="size")
    windows = b.number_input("Windows per clip when judging", 1, 50, _DEFAULT.windows, key="windows")
    chosen: Chosen = {"size": size, "windows": windows}
    proposed = propose([p.seconds for p in source.properties], size=size)
    own = c.toggle("My own window", key="own window", help="Else it is chosen by the lengths of the training clips.")
    if not own:
        st.caption(
            f"Window: about {proposed.window_seconds:.1f} s, looked at {proposed.frames_per_second:.1f} times a second."
        )
        return chosen
    a, b, c = st.columns(3)
    seconds = a.number_input("Window, seconds", 0.1, 60.0, proposed.window_seconds, 0.5, key="window seconds")
    rate = b.number_input("Frames per second", 0.1, 60.0, proposed.frames_per_second, 0.5, key="window rate")
    most = c.number_input("Most frames", 1, 128, proposed.most_frames, key="most frames")
    spec = {"window_seconds": seconds, "frames_per_second": rate, "most_frames": most, "size": size}
    return chosen | {"clip": spec}


def _network(start: str) -> Chosen:
    default = _DEFAULT.network
    a, b, c = _row("Network")
    lstm_size = a.number_input("LSTM size", 8, 2048, default.lstm_size, 32, key="lstm size")
    layers = b.number_input("LSTM layers", 0, 4, default.lstm_layers, key="lstm layers", help="0 leaves it out.")
    pooling = c.selectbox("Over time", list(_POOLING), format_func=_POOLING.__getitem__, key="pooling")
    embedding = a.selectbox(
        "What is seen", list(_EMBEDDING), list(_EMBEDDING).index(default.embedding), key="embedding",
        format_func=_EMBEDDING.__getitem__,
        help="Places tell where a hand is; an average forgets it, and cares less where somebody stands.",
    )  # fmt: skip
    motion = b.selectbox(
        "The LSTM reads", list(_MOTION), list(_MOTION).index(default.motion), key="motion",
        format_func=_MOTION.__getitem__,
        help="Only what moves: the clip's mean is taken away, and with it the room. For gestures; not for poses.",
    )  # fmt: skip
    dropout = c.number_input("Dropout", 0.0, 0.95, default.dropout, 0.05, key="dropout")
    both = a.toggle("Read forwards and backwards", default.bidirectional, key="bidirectional")
    network = {
        "weights": start, "lstm_size": lstm_size, "lstm_layers": layers, "bidirectional": both, "pooling": pooling,
        "dropout": dropout, "embedding": embedding, "motion": motion,
    }  # fmt: skip
    return {"network": network}


def _learning() -> Chosen:
    d = _DEFAULT
    a, b, c = _row("Learning")
    return {
        "backbone_learning_rate": a.number_input(
            "Learning rate, backbone", 0.0, 1.0, d.backbone_learning_rate, 1e-5, format="%.1e", key="backbone rate"
        ),
        "head_learning_rate": b.number_input(
            "Learning rate, head", 1e-7, 1.0, d.head_learning_rate, 1e-4, format="%.1e", key="head rate"
        ),
        "batch_size": c.number_input("Batch size", 1, 512, d.batch_size, key="batch size"),
        "freeze_epochs": a.number_input("Epochs with frozen backbone", 0, 10_000, d.freeze_epochs, key="freeze"),
        "plateau_patience": b.number_input(
            "Slow down after epochs without progress", 0, 1000, d.plateau_patience, key="plateau"
        ),
        "plateau_factor": c.number_input("Slow down to", 0.01, 0.99, d.plateau_factor, 0.05, key="plateau factor"),
        "patience": a.number_input("End after epochs without progress", 1, 10_000, d.patience, key="patience"),
        "label_smoothing": b.number_input("Label smoothing", 0.0, 0.9, d.label_smoothing, 0.05, key="smoothing"),
        "weight_decay": c.number_input("Weight decay", 0.0, 1.0, d.weight_decay, 0.01, key="decay"),
        "clip_norm": a.number_input("Longest gradient", 1e-3, 1e3, d.clip_norm, 0.5, key="clip norm"),
        "freeze_backbone": b.toggle("Freeze the backbone for good", key="freeze backbone", help="Much faster."),
        "class_weights": c.toggle("Weigh rare actions more", key="class weights"),
    }


def _split(source: Dataset) -> Chosen:
    a, b, c = _row("Split")
    values: Chosen = {
        "validation_fraction": a.number_input(
            "Validation share", 0.01, 0.9, _DEFAULT.validation_fraction, 0.05, key="validation"
        ),
        "test_fraction": b.number_input("Test share", 0.0, 0.8, _DEFAULT.test_fraction, 0.05, key="test"),
        "seed": c.number_input("Seed", 0, 2**31 - 1, _DEFAULT.seed, key="seed", help="Of everything random."),
    }
    if 2 <= len(source.groups) <= _MOST_GROUPS:
        chosen = st.multiselect(
            "Validate on exactly these groups", source.groups, key=f"groups {source.root.name}",
            placeholder="Chosen by the share above",
        )  # fmt: skip
        values["validation_groups"] = tuple(chosen)
    return values


def _machine() -> Chosen:
    a, b, _ = _row("Machine")
    precision = a.selectbox("Precision", list(_PRECISION), format_func=_PRECISION.__getitem__, key="precision")
    cache = b.toggle("Keep decoded frames on disk", True, key="cache", help="The second epoch need not decode again.")
    return {"precision": precision, "cache": cache}
