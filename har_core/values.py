"""The plain values that flow between the modules: frozen, checked, cheap to print.

RGB everywhere. Time is float seconds from the start of its source. Intervals are `[start, stop)`.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

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
    """The 95 % score interval (Wilson 1927) of `right` out of `total`; (0, 1) where there is nothing to go by.

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
