"""How long a training run will take, and how much disk. Arithmetic only: what is to be done, times how fast this is.

The speed comes from `speed`, measured on the machine at hand. A forecast is a range: a run may end early, and a
machine has other things to do.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from har_core.config import TELLING_CLIPS, ClipSpec, Config, TrainConfig
from har_core.errors import ConfigError
from har_core.events import EpochEnded, Started
from har_core.sampling import count, grid, plan

PLAIN_SIZE = 112
"""px of the pictures that `Speed` is given for."""
VARIATIONS = 4
"""In so many variations a held backbone looks at each training clip; `training` agrees with it."""
SLACK = 1.25
"""A machine that is used is so much slower than one that is measured, and a run may be so much quicker."""
_STORED_SIDE = 8 / 7
_LONGEST = 3600.0
_WEIGHTS_BYTES, _STATES, _COPIES = 50 * 2**20, 3, 2
"""Of a network; weights and Adam's two moments are kept, and twice while one replaces the other."""


@dataclass(frozen=True, slots=True)
class Speed(Config):
    """How long a machine takes for what training consists of: seconds, for pictures of 112 px.

    `begin`: until a trainer has loaded what it works with. `open`, `decode`: a clip, and each million pixels of it.
    `detect`: to look for people once. `vary`, `look`, `learn`: to augment a picture; to see it with the backbone; to
    learn from it. `head`: of a held epoch, for each training clip. `keep`: to keep an epoch on disk. `computer` says
    which one was measured, and on which day.
    """

    begin: float = 8.0
    open: float = 0.02
    decode: float = 0.01
    detect: float = 0.03
    vary: float = 0.001
    look: float = 0.004
    learn: float = 0.015
    head: float = 0.008
    keep: float = 0.4
    computer: str = ""

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name != "computer" and not 0 <= value <= _LONGEST:  # NaN fails this too
                raise ConfigError(f"Speed.{entry.name} must lie between 0 and {_LONGEST:g} s, but is {value:g}.")


@dataclass(frozen=True, slots=True)
class Length:
    """Of one clip: seconds, frames a second, and pixels of a frame."""

    seconds: float
    frames_per_second: float
    pixels: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a run has to do, counted.

    `clips` are still to be decoded, of `megapixels` together; `looks` for people to be made. `grid` pictures are what
    training may look at, `window` what it looks at in one epoch, `check` what validation looks at. `train` and
    `validation` are clips, each counted for each view.
    """

    clips: float
    megapixels: float
    looks: float
    grid: int
    window: int
    check: int
    train: int
    validation: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """From `least` to `most` seconds; `disk` bytes while it runs, of which the decoded frames are kept for the next."""

    least: float
    most: float
    disk: int


def count_work(
    train: Sequence[Length], validation: Sequence[Length], spec: ClipSpec, config: TrainConfig, *, stored: float,
    followed: float = 0.0,
) -> Work:  # fmt: skip
    """Count what a run on these clips has to do.

    Args:
        stored: the share of the clips whose frames are decoded already, 0 to 1.
        followed: the share of those whose people are known already.
    """
    views = 2 if config.view == "both" else 1
    people = 0.0
    if config.view != "frame":
        looked = [*train, *(validation if config.view == "person" else ())]
        people = (1 - followed) * sum(max(1.0, clip.seconds * min(15.0, clip.frames_per_second)) for clip in looked)
    fresh = 1 - (stored if config.cache else 0.0)
    decoded = views * _megapixels(train) + _megapixels(validation)
    return Work(
        clips=fresh * (views * len(train) + len(validation)),
        megapixels=fresh * decoded,
        looks=people,
        grid=views * sum(len(grid(clip.seconds, spec)) for clip in train),
        window=views * sum(count(clip.seconds, spec) for clip in train),
        check=sum(len(plan(clip.seconds, spec, windows=config.windows)[0]) for clip in validation),
        train=views * len(train),
        validation=len(validation),
    )


def _megapixels(clips: Iterable[Length]) -> float:
    return sum(clip.seconds * clip.frames_per_second * clip.pixels for clip in clips) / 1e6


def forecast(work: Work, config: TrainConfig, speed: Speed) -> Forecast:
    """How long the run will take and what it needs on disk."""
    area = (_size(config) / PLAIN_SIZE) ** 2
    held, learning = _epochs(config)
    begin = speed.begin + work.clips * speed.open + work.megapixels * speed.decode + work.looks * speed.detect
    judge = work.check * speed.look * area
    # A held backbone looks at everything once in each variation, then never again.
    looked = min(VARIATIONS, held) * work.grid * (speed.vary + speed.look) * area + judge if held else 0.0
    still = work.train * speed.head + speed.keep
    each = still + work.window * (speed.vary + speed.learn) * area + judge
    # Early stopping: at the soonest after one good epoch and `patience` bad ones, and where the held backbone names
    # all validation clips rightly, before it learns.
    soonest = config.patience + 1
    fewest = min(held, soonest) if config.freeze_backbone else held, min(learning, soonest)
    if held and work.validation >= TELLING_CLIPS:
        fewest = fewest[0], 0
    return Forecast(
        (begin + looked + fewest[0] * still + fewest[1] * each) / SLACK,
        (begin + looked + held * still + learning * each) * SLACK,
        _disk(work, config),
    )


def _size(config: TrainConfig) -> int:
    return config.clip.size if config.clip else config.size


def _epochs(config: TrainConfig) -> tuple[int, int]:
    """How many epochs at most with the backbone held, and with a backbone that learns."""
    if config.freeze_backbone:
        return config.epochs, 0
    if config.network.weights == "none":
        return 0, config.epochs
    held = min(config.epochs, config.freeze_epochs)
    return held, config.epochs - held


def _disk(work: Work, config: TrainConfig) -> int:
    network = _WEIGHTS_BYTES * (1 + _STATES * _COPIES + 1)
    share = work.clips / max(1, work.train + work.validation)
    side = _size(config) * _STORED_SIDE
    frames = 3 * share * (work.grid * side**2 + work.check * _size(config) ** 2) if config.cache else 0.0
    return int(network + frames)


def time_left(
    epochs: Sequence[EpochEnded], started: Started, config: TrainConfig, speed: Speed | None, *, within: float = 0.0
) -> tuple[float, float] | None:
    """From how many to how many seconds a run still takes, by its own epochs; None where nothing tells.

    Args:
        epochs: those that ended, in order.
        started: how the run began.
        config: what it was asked to do.
        speed: of this machine, for the epochs that are of a kind that has not come yet; None where it is not known.
        within: the share of the epoch under way that is done.
    """
    if not epochs:
        return None
    held, learning = _epochs(config)
    done, moved = epochs[-1].epoch, sum(not e.frozen for e in epochs)
    still = moving = 0.0
    if done < held:
        looking = max(0, min(VARIATIONS, held) - done)  # each of these looks at every clip anew
        later = [e.seconds for e in epochs if e.epoch > VARIATIONS][-5:]
        quick = statistics.median(later) if later else speed.keep + started.train_clips * speed.head if speed else None
        if quick is None:
            return None
        still = looking * epochs[-1].seconds + (held - done - looking) * quick
    if done <= held and started.validation_clips >= TELLING_CLIPS and any(e.validation_accuracy == 1.0 for e in epochs):
        learning = 0  # all are right: it ends with the last epoch in which the backbone is held
    if learning:
        own = [e.seconds for e in epochs if not e.frozen][-5:]
        if not own and speed is None:
            return None
        moving = statistics.median(own) if own else _learning_epoch(started, config, speed or Speed())
    current = within * (epochs[-1].seconds if done < held else moving)
    soonest = config.patience + 1
    fewest = max(0, min(learning, soonest) - moved) * moving if done < held or not moved else 0.0
    if config.freeze_backbone:
        return 0.0, max(0.0, still - current) * SLACK
    least = max(0.0, (still if done < held else 0.0) + fewest - current)
    return least / SLACK, max(0.0, still + (learning - moved) * moving - current) * SLACK


def _learning_epoch(started: Started, config: TrainConfig, speed: Speed) -> float:
    clips = started.train_clips * (2 if config.view == "both" else 1)
    frames = started.window_seconds * started.frames_per_second
    pictures = clips * (speed.vary + speed.learn) + started.validation_clips * speed.look
    return pictures * frames * (_size(config) / PLAIN_SIZE) ** 2 + clips * speed.head + speed.keep


def in_words(least: float, most: float) -> str:
    """A range of seconds as one says it.

    >>> in_words(20, 40), in_words(100, 130), in_words(130, 250), in_words(2500, 6000), in_words(9000, 15000)
    ('less than a minute', 'about 2 minutes', '2 to 4 minutes', '40 to 100 minutes', '2.5 to 4 hours')
    """
    if most < 50:
        return "less than a minute"
    unit, length = ("minutes", 60.0) if most < 2 * 3600 else ("hours", 3600.0)
    low, high = (_rounded(seconds / length, exact=unit == "hours") for seconds in (least, most))
    if least < most / 6:
        return f"up to {high:g} {unit}" if high > 1 or unit == "hours" else "about a minute"
    if most / max(1.0, least) < 1.4 or low == high:
        middle = _rounded(math.sqrt(max(1.0, least) * most) / length, exact=unit == "hours")
        return "about a minute" if unit == "minutes" and middle == 1 else f"about {middle:g} {unit}"
    return f"{low:g} to {high:g} {unit}"


def _rounded(value: float, *, exact: bool) -> float:
    """To steps that promise no more than a forecast can keep: 1 to 10, then by 5, then by 10; halves of hours."""
    step = (0.5 if value < 5 else 1) if exact else 1 if value < 10 else 5 if value < 40 else 10
    return max(float(step), round(value / step) * float(step))
