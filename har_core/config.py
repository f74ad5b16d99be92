"""Every choice a user can make, as frozen values that check themselves and go to and from JSON."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from har_core.errors import ConfigError

InitialWeights = Literal["auto", "imagenet", "bundled", "none"]
Pooling = Literal["last", "mean", "attention"]
Embedding = Literal["average", "grid"]
Motion = Literal["off", "only", "beside", "steps"]
View = Literal["frame", "person"]
Precision = Literal["auto", "bf16", "fp32"]


class Config:
    """Checks and JSON for the dataclasses below."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `json.dumps` takes them."""
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]  # every subclass is a dataclass

    @classmethod
    def from_json(cls, values: object) -> Self:
        """The config that `to_json` gave; fields left out take their defaults.

        Raises:
            ConfigError: an unknown field, a wrong type or a value out of range.
        """
        if not isinstance(values, dict):
            raise ConfigError(f"{cls.__name__} must be a JSON object, but got {type(values).__name__}.")
        hints = typing.get_type_hints(cls)
        fields = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]  # every subclass is a dataclass
        if unknown := sorted(set(values) - fields):
            raise ConfigError(f"{cls.__name__} has no setting {unknown[0]!r}. It has: {', '.join(sorted(fields))}.")
        try:
            return cls(**{name: _checked(cls, name, hints[name], value) for name, value in values.items()})
        except OverflowError:
            raise ConfigError(f"{cls.__name__} holds a number that is too large.") from None


def _checked(owner: type, name: str, hint: Any, value: object) -> Any:  # noqa: ANN401  # whatever the hint says
    """The value as its field's type, or a ConfigError that names the field."""
    if isinstance(hint, type) and issubclass(hint, Config):
        return hint.from_json(value)
    if typing.get_origin(hint) is Literal:
        if value in typing.get_args(hint):
            return value
        expected = " or ".join(repr(choice) for choice in typing.get_args(hint))
    elif isinstance(hint, types.UnionType):
        return None if value is None else _checked(owner, name, typing.get_args(hint)[0], value)
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif typing.get_origin(hint) is tuple:
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(value)
        expected = "a list of texts"
    elif type(value) is (typing.get_origin(hint) or hint):
        return value
    else:
        expected = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{owner.__name__}.{name} must be {expected}, but got {value!r}.")


def _within(owner: Config, name: str, low: float, high: float) -> None:
    value = getattr(owner, name)
    if not low <= value <= high:  # NaN fails this too
        raise ConfigError(f"{type(owner).__name__}.{name} must lie between {low:g} and {high:g}, but is {value:g}.")


@dataclass(frozen=True, slots=True)
class ClipSpec(Config):
    """What a clip looks like to the network: the contract that training, file and live share.

    A window of `window_seconds` is looked at `frames_per_second` times a second, at most `most_frames`
    times; each frame is fitted into `size` x `size` pixels. `view` says what is fitted: the whole
    picture, or the picture around one person.
    """

    window_seconds: float = 3.0
    frames_per_second: float = 20 / 3
    most_frames: int = 20
    size: int = 112
    view: View = "frame"

    def __post_init__(self) -> None:
        _within(self, "window_seconds", 0.1, 60)
        _within(self, "frames_per_second", 0.1, 60)
        _within(self, "most_frames", 1, 128)
        _within(self, "size", 32, 448)


@dataclass(frozen=True, slots=True)
class NetworkConfig(Config):
    """The shape of the network and what its backbone starts from.

    `embedding` says how ResNet18's last map, 512 numbers at each of 4 x 4 places, becomes 512 numbers: their
    "average" over the places, which forgets where something is, or a "grid" of 32 learned numbers at each place.
    `motion` says what the LSTM reads: the embeddings ("off"); their difference from the clip's mean ("only"), in
    which all that stands still, a room as well as a pose, is gone; both, one "beside" the other; or both and the
    "steps" too, their difference from the frame before.
    `lstm_layers` = 0 leaves the LSTM out and pools the embeddings themselves: the baseline that shows
    what reading in time is worth.
    """

    weights: InitialWeights = "auto"
    embedding: Embedding = "grid"
    motion: Motion = "beside"
    lstm_size: int = 256
    lstm_layers: int = 1
    bidirectional: bool = False
    pooling: Pooling = "mean"
    dropout: float = 0.5

    def __post_init__(self) -> None:
        _within(self, "lstm_size", 8, 2048)
        _within(self, "lstm_layers", 0, 4)
        _within(self, "dropout", 0, 0.95)
        if not self.lstm_layers and self.motion == "only" and self.pooling == "mean":
            raise ConfigError(
                "Without an LSTM the mean over time of what differs from that mean is zero: there would be nothing to "
                "learn from. Give it an LSTM layer, read both, or pool otherwise than by the mean."
            )


@dataclass(frozen=True, slots=True)
class AugmentConfig(Config):
    """How training clips are varied. One draw holds for all frames of a clip.

    `strength` scales every effect: 0 none, 1 the default, 2 strong. `flip` mirrors half of the clips;
    switch it off where left and right mean different actions.
    """

    strength: float = 1.0
    flip: bool = True

    def __post_init__(self) -> None:
        _within(self, "strength", 0, 2)


TELLING_CLIPS = 8
"""Validation clips from which on naming all rightly says something: the lower bound of Wilson's interval is 68%."""


@dataclass(frozen=True, slots=True)
class TrainConfig(Config):
    """One training run, complete: the same config on the same clips gives the same weights.

    `clip` = None proposes window and frame rate from the lengths of the data set's clips, at `size` pixels.
    Learning rates are for AdamW. For the first `freeze_epochs` epochs a pretrained backbone is held while
    the new layers learn; these epochs take a second. Where all of `TELLING_CLIPS` or more validation clips
    are right by then, the run ends. `patience` counts the epochs after them. `view` says what is looked at: the
    whole picture, the person whom a clip is about, or both, so that one model serves an upload and the people of a
    live picture; people are found by `detector`. `tensorboard` also writes each epoch for TensorBoard, beside the
    run. `version` is that of the edits of the data set; None becomes the newest one when a run is made.
    """

    dataset: str = ""
    clip: ClipSpec | None = None
    view: Literal["frame", "person", "both"] = "frame"
    detector: str = "auto"
    size: int = 112
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    epochs: int = 60
    batch_size: int = 8
    backbone_learning_rate: float = 3e-5
    head_learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    clip_norm: float = 1.0
    plateau_patience: int = 3
    plateau_factor: float = 0.3
    patience: int = 10
    freeze_epochs: int = 40
    freeze_backbone: bool = False
    class_weights: bool = False
    validation_fraction: float = 0.2
    test_fraction: float = 0.0
    validation_groups: tuple[str, ...] = ()
    windows: int = 3
    cache: bool = True
    precision: Precision = "auto"
    seed: int = 0
    tensorboard: bool = False
    version: int | None = None

    def __post_init__(self) -> None:
        if "\0" in self.dataset:  # a run may come from a stranger, and such a path ends whoever looks for it
            raise ConfigError("TrainConfig.dataset must be the path of a folder, but holds a zero byte.")
        for name, low, high in (
            ("size", 32, 448), ("epochs", 1, 10_000), ("batch_size", 1, 512), ("backbone_learning_rate", 0, 1),
            ("head_learning_rate", 1e-7, 1), ("weight_decay", 0, 1), ("label_smoothing", 0, 0.9),
            ("clip_norm", 1e-3, 1e3), ("plateau_patience", 0, 1000), ("plateau_factor", 0.01, 0.99),
            ("patience", 1, 10_000), ("freeze_epochs", 0, 10_000), ("validation_fraction", 0.01, 0.9),
            ("test_fraction", 0, 0.8), ("windows", 1, 50), ("seed", 0, 2**31 - 1),
        ):  # fmt: skip
            _within(self, name, low, high)
        if self.version is not None:
            _within(self, "version", 0, 10**9)
        if self.validation_fraction + self.test_fraction > 0.95:
            raise ConfigError("validation_fraction and test_fraction together must leave clips to train on.")


@dataclass(frozen=True, slots=True)
class LiveConfig(Config):
    """How a live stream, or the people in a file, are looked at.

    `detector` is "auto", "none" or weights by name or path. `view` "auto" looks at people where there is a
    detector and the model knows people, else at the whole picture. A box needs `confidence` to become a person;
    of two boxes that overlap by more than `iou` the less sure one goes. `detector_size` px is the side of the
    picture that detectors are prepared for. People are looked for in every `detect_every`-th frame of a camera
    with 30 frames a second, as often with others and in files, and are kept for `keep` detections in which they
    are not found. A crop is the box made larger by `expand`.

    The first label comes after `least_seconds` (or a whole window, if that is shorter); probabilities are
    averaged over about `smoothing_seconds`; another action takes over when it leads by `hysteresis`.
    `budget_ms` is how long the encoder may take for each frame: people beyond that are looked at in turn.
    """

    detector: str = "auto"
    view: Literal["auto", "frame", "person"] = "auto"
    confidence: float = 0.35
    iou: float = 0.6
    detector_size: int = 416
    detect_every: int = 2
    keep: int = 8
    expand: float = 0.3
    most_people: int = 20
    least_seconds: float = 1.0
    smoothing_seconds: float = 0.5
    hysteresis: float = 0.1
    budget_ms: float = 15.0
    top: int = 3

    def __post_init__(self) -> None:
        for name, low, high in (
            ("confidence", 0.05, 0.95), ("iou", 0.1, 0.95), ("detector_size", 96, 1280), ("detect_every", 1, 30),
            ("keep", 1, 100), ("expand", 0, 2), ("most_people", 1, 100),
            ("least_seconds", 0.1, 60), ("smoothing_seconds", 0, 10), ("hysteresis", 0, 0.9), ("budget_ms", 1, 1000),
            ("top", 1, 20),
        ):  # fmt: skip
            _within(self, name, low, high)

    @property
    def detection_seconds(self) -> float:
        """At the first frame that comes so long after the last look for people, they are looked for again."""
        return (self.detect_every - 0.25) / 30
