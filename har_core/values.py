"""The plain values that flow between the modules: frozen, checked, cheap to print.

RGB everywhere. Time is float seconds from the start of its source. Intervals are `[start, stop)`.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from har_core.errors import ConfigError

Rgb = NDArray[np.uint8]
"""Pixels, uint8, channels last, in the order red, green, blue."""


@dataclass(frozen=True, slots=True)
class VideoProperties:
    """What a file says of its picture, as it is shown: rotation and pixel shape are already applied.

    `seconds` is the time from the first frame to the end of the last, `frames` the number of pictures
    in the file (0 = unknown), `frames_per_second` their mean rate, `codec` FFmpeg's name of it.
    """

    seconds: float
    frames_per_second: float
    frames: int
    width: int
    height: int
    codec: str


@dataclass(frozen=True, slots=True)
class Clip:
    """A labelled video. `group` says who or where was filmed; a group never straddles a split."""

    path: Path
    action: str
    group: str
    split: str = ""
    """"train", "validation" or "test" where the data set fixes it, else empty."""

    @property
    def name(self) -> str:
        """Enough of the path to recognise the clip: its folder and file name."""
        return f"{self.path.parent.name}/{self.path.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Decoded pictures: `rgb` uint8 `(T, H, W, 3)`, `seconds` float64 `(T,)` rising, T >= 1."""

    rgb: Rgb
    seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.rgb.ndim != 4 or self.rgb.shape[-1] != 3 or self.rgb.dtype != np.uint8:
            raise ValueError(f"Frames need uint8 (T, H, W, 3), got {self.rgb.dtype} {self.rgb.shape}")
        if len(self.rgb) < 1 or len(self.rgb) != len(self.seconds):
            raise ValueError(f"Frames need one instant each, got {len(self.rgb)} and {len(self.seconds)}")
        if np.any(np.diff(self.seconds) <= 0):
            raise ValueError("the seconds of Frames must rise")

    def __len__(self) -> int:
        return len(self.rgb)

    def __repr__(self) -> str:
        return f"Frames({self.rgb.shape}, {self.seconds[0]:.2f}..{self.seconds[-1]:.2f} s)"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What the network sees of one clip: `rgb` uint8 `(T, 3, S, S)` and the index of its action."""

    rgb: Rgb
    label: int

    def __post_init__(self) -> None:
        if self.rgb.ndim != 4 or self.rgb.shape[1] != 3 or self.rgb.shape[2] != self.rgb.shape[3]:
            raise ValueError(f"a Sample needs (T, 3, S, S), got {self.rgb.shape}")

    def __repr__(self) -> str:
        return f"Sample({self.rgb.shape}, label={self.label})"


_NOTHING = frozenset({"none", "nothing", "no action", "background", "other", "unclassified"})


def is_nothing(action: str) -> bool:
    """Whether a class of this name stands for everything that is none of the actions.

    To take a clip of something else for it is right: no action is named.

    >>> [is_nothing(name) for name in ("None", "no_action", "nonet", "wave")]
    [True, True, False, False]
    """
    return " ".join(action.casefold().replace("_", " ").replace("-", " ").split()) in _NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """How probable each action is: `probabilities` float `(C,)` in the order of `classes`, summing to 1.

    `unsure_below` is the probability under which the model had better not name an action; it comes
    with the checkpoint, 0 where none was chosen.
    """

    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]
    unsure_below: float = 0.0

    def __post_init__(self) -> None:
        if self.probabilities.shape != (len(self.classes),):
            raise ValueError(f"{self.probabilities.shape} probabilities for {len(self.classes)} classes")
        if not np.isclose(self.probabilities.sum(), 1.0, atol=1e-4):
            raise ValueError(f"probabilities must sum to 1, they sum to {self.probabilities.sum():.6f}")

    def top(self, k: int) -> list[tuple[str, float]]:
        """The `k` most probable actions, highest first; equal ones in class order. All of them if k > C.

        Raises:
            ConfigError: k < 1.

        >>> Prediction(np.array([0.2, 0.7, 0.1]), ("run", "wave", "sit")).top(2)
        [('wave', 0.7), ('run', 0.2)]
        """
        if k < 1:
            raise ConfigError(f"Top-K needs a K of at least 1, but got {k}.")
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.classes[i], float(self.probabilities[i])) for i in order]

    @property
    def action(self) -> str:
        """The most probable action."""
        return self.top(1)[0][0]

    @property
    def unsure(self) -> bool:
        """Whether the most probable action is too improbable to be named."""
        return float(self.probabilities.max()) < self.unsure_below

    @property
    def named(self) -> bool:
        """Whether this names an action: sure of one, and not of a class that stands for none of them."""
        return not self.unsure and not is_nothing(self.action)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """People found in one picture, the surest first.

    `xyxy` float32 `(N, 4)`: left, top, right, bottom in px, inside the picture, right > left and bottom > top;
    `confidence` float32 `(N,)` in [0, 1]. N may be 0.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.xyxy.shape != (len(self.confidence), 4):
            raise ValueError(f"Detections need (N, 4) boxes, got {self.xyxy.shape} for {len(self.confidence)}")

    def __len__(self) -> int:
        return len(self.confidence)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """People followed through a stream, as they stand at `seconds`.

    `xyxy` float32 `(N, 4)` px as in Detections, `confidence` float32 `(N,)`, `ids` int64 `(N,)`, each >= 1 and
    the same person's in every picture, `velocity` float32 `(N, 4)`: how the sides move, px/s.
    """

    seconds: float
    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    ids: NDArray[np.int64]
    velocity: NDArray[np.float32]

    def __post_init__(self) -> None:
        number = len(self.ids)
        if self.xyxy.shape != (number, 4) or self.velocity.shape != (number, 4) or self.confidence.shape != (number,):
            raise ValueError(f"{number} tracks, but boxes {self.xyxy.shape} and velocities {self.velocity.shape}")
        if number and (self.ids.min() < 1 or len(np.unique(self.ids)) != number):
            raise ValueError(f"the ids of tracks must be different and at least 1, got {self.ids}")

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def none(seconds: float = 0.0) -> "Tracks":
        """Nobody."""
        boxes = np.empty((0, 4), np.float32)
        return Tracks(seconds, boxes, np.empty(0, np.float32), np.empty(0, np.int64), boxes)

    def at(self, seconds: float) -> "Tracks":
        """Where they are expected at another instant, each side going on as it moves."""
        moved = (self.xyxy + self.velocity * (seconds - self.seconds)).astype(np.float32)
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)  # a box that shrinks keeps a pixel
        return Tracks(seconds, moved, self.confidence, self.ids, self.velocity)


@dataclass(frozen=True, slots=True)
class Segment:
    """Somebody did one thing for a while, `[start, stop)` in seconds. `track` is the person, None the whole picture.

    `score` is the mean probability of the action, in [0, 1].
    """

    track: int | None
    action: str
    start: float
    stop: float
    score: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A person (`track` None: the whole picture) over a whole video, `[start, stop)` seconds, and what was done."""

    track: int | None
    start: float
    stop: float
    prediction: Prediction
    segments: tuple[Segment, ...]


Stage = Literal["collecting", "unsure", "sure"]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is known of one person, or of the whole picture, now.

    collecting: too little was seen yet, `collected` in [0, 1] says how much of what is needed; unsure: no action
    is probable enough to be named; sure: `action` is the one to show, which is not always the most probable at
    this instant, because labels that flicker help nobody. `prediction` is smoothed over time.
    """

    stage: Stage
    action: str = ""
    prediction: Prediction | None = None
    collected: float = 1.0

    @property
    def probability(self) -> float:
        """Of the action that is shown; 0 where there is none."""
        if self.prediction is None or not self.action:
            return 0.0
        return float(self.prediction.probabilities[self.prediction.classes.index(self.action)])


@dataclass(frozen=True, slots=True)
class Numbers:
    """How a live stream fares, over the last seconds.

    `milliseconds` holds the median and the 95th percentile of each stage that ran: detect, encode, classify,
    draw; `latency` those of the time from a frame's arrival to its drawn picture.
    """

    frames: int = 0
    dropped: int = 0
    frames_in_per_second: float = 0.0
    frames_per_second: float = 0.0
    milliseconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    latency: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class LiveView:
    """What a viewer sees at one frame. Never changed: the next frame brings another.

    `people` has a reading for each id in `tracks`; `whole` is the reading of the whole picture in that mode,
    else None. `trouble` is a sentence about what went wrong behind the picture, empty when all is well.
    """

    seconds: float = 0.0
    tracks: Tracks = field(default_factory=Tracks.none)
    people: dict[int, Reading] = field(default_factory=dict)
    whole: Reading | None = None
    numbers: Numbers = field(default_factory=Numbers)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """Which clips train, validate and test; no group is in two of them. `notes` says what is not ideal."""

    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]
    notes: tuple[str, ...] = field(default=())

    def named(self, name: str) -> tuple[Clip, ...]:
        """The clips of "train", "validation", "test" or "all"."""
        if name == "all":
            return self.train + self.validation + self.test
        if name not in ("train", "validation", "test"):
            raise ConfigError(f"A split is train, validation, test or all, but got {name!r}.")
        clips: tuple[Clip, ...] = getattr(self, name)
        return clips


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95% score interval (Wilson 1927) of `right` out of `total`; (0, 1) where there is nothing to go by.

    >>> low, high = wilson(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    if total == 0:
        return 0.0, 1.0
    z, share = 1.959963984540054, right / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    reach = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, middle - reach), min(1.0, middle + reach)
