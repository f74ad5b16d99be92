"""How fast this machine trains, measured once a day in about two seconds and then learnt from its runs.

Measuring needs all that training needs, so it is done in a process of its own: `python -m har_core speed`.
"""

import contextlib
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from har_core import PROJECT, machine, video, workspace
from har_core.config import AugmentConfig, NetworkConfig, TrainConfig
from har_core.errors import ConfigError, TrainingError
from har_core.events import EpochEnded, Event, Started
from har_core.forecast import PLAIN_SIZE, VARIATIONS, Speed
from har_core.values import Rgb

_FRAMES, _CLIPS, _PICTURES, _TIMES = 20, 8, 16, 3
_SMALL, _LARGE = (160, 120, 10), (640, 480, 20)
"""Width, height and frames of the two films that tell opening a clip from decoding it."""
_OLD, _NEW = 0.5, 0.5
"""Weights of what was known and of what a run has shown."""
_PATIENCE_SECONDS = 180
_DETECTION = 4.5
"""A look for people takes so many times as long as the backbone's at a picture; loading a detector takes seconds."""


def computer() -> str:
    """Which computer this is today, as far as its speed goes: a workspace may be carried to another one.

    What was measured on a busy day would be held against it for ever: it takes two seconds to measure it again.
    """
    return f"{platform.node()} {platform.machine()} {os.cpu_count()} {datetime.date.today()}"


def known() -> Speed | None:
    """The speed of this machine, None where it was not measured today."""
    try:
        speed = Speed.from_json(json.loads(_path().read_text(encoding="utf-8")))
    except (OSError, ValueError, ConfigError, RecursionError):
        return None  # measured anew
    return speed if speed.computer == computer() else None


def keep(speed: Speed) -> None:
    """Remember the speed of this machine; on a full disk it is measured again."""
    fresh = _path().with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(speed.to_json(), indent=1), encoding="utf-8")
        fresh.replace(_path())


def _path() -> Path:
    return workspace() / "cache" / "speed.json"


def measure_apart(cancelled: Callable[[], bool] = lambda: False) -> Speed:
    """Measure in a process of its own, which loads what the caller need not; it is kept.

    Args:
        cancelled: asked every moment; once it is true the process is ended.

    Raises:
        TrainingError: it cannot be measured, or was cancelled.
    """
    begun = time.monotonic()
    path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen(
        [sys.executable, "-m", "har_core", "speed", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                said, _ = child.communicate(timeout=0.2)
                break
            if cancelled() or time.monotonic() > begun + _PATIENCE_SECONDS:
                child.kill()
        found = json.loads(said)
        speed, spent = Speed.from_json(found["speed"]), float(found["seconds"])
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        raise TrainingError(
            "How fast this computer trains could not be measured, so there is no forecast. Training works without it."
        ) from None
    # What is not measuring is what a trainer does too: starting Python and loading torch.
    speed = replace(speed, begin=round(max(1.0, time.monotonic() - begun - spent), 3))
    keep(speed)
    return speed


def learn(events: Sequence[Event], config: TrainConfig) -> None:
    """Take over what a run has shown of this machine, where its speed was measured before.

    Args:
        events: of one process on this machine, in order.
        config: what it was asked to do.
    """
    with contextlib.suppress(ConfigError):  # a computer that slept over a run says nothing of its speed
        _learn(events, config)


def _learn(events: Sequence[Event], config: TrainConfig) -> None:
    speed, started = known(), next((e for e in events if isinstance(e, Started)), None)
    if speed is None or started is None:
        return
    clips = started.train_clips * (2 if config.view == "both" else 1)
    frames = clips * max(1, round(started.window_seconds * started.frames_per_second))
    epochs = [e for e in events if isinstance(e, EpochEnded)]
    # In the first held epochs the backbone looks at everything; what comes after them is what a held epoch takes.
    still = [e.seconds for e in epochs if e.frozen][VARIATIONS + 1 :]
    moving = [e.seconds for e in epochs if not e.frozen]
    if still:
        head = max(1e-5, (statistics.median(still) - speed.keep) / clips)
        speed = replace(speed, head=_OLD * speed.head + _NEW * head)
    if moving:
        area = ((config.clip.size if config.clip else config.size) / PLAIN_SIZE) ** 2
        rest = statistics.median(moving) - speed.keep - clips * speed.head
        speed = replace(speed, learn=_OLD * speed.learn + _NEW * max(1e-5, rest / frames / area - speed.vary))
    keep(speed)


def measure() -> Speed:
    """Do a little of all that training does, and time it. Takes about two seconds once everything is loaded."""
    with tempfile.TemporaryDirectory(prefix=".speed-", dir=_place()) as folder:
        opened, decoded = _decoding(Path(folder))
        return Speed(
            open=opened, decode=decoded, vary=_varying(), **_network(Path(folder)), computer=computer(),
        )  # fmt: skip


def _place() -> Path:
    place = workspace() / "cache"
    place.mkdir(parents=True, exist_ok=True)
    if machine.free_disk(place) < 2**30:
        raise TrainingError(f"Measuring needs 1 GB of disk, but {place} has less. Make room there.")
    return place


def _best(act: Callable[[], object], times: int = _TIMES) -> float:
    """Seconds that it takes when nothing disturbs it; once more before, to warm up."""
    spent = []
    for _ in range(times + 1):
        begun = time.perf_counter()
        act()
        spent.append(time.perf_counter() - begun)
    return min(spent[1:])


def _decoding(folder: Path) -> tuple[float, float]:
    """Seconds to open a clip, and for each million pixels of it; as many clips at once as training decodes."""
    from har_core.batches import decode_all

    spent, pixels = [], []
    for number, (width, height, frames) in enumerate((_SMALL, _LARGE)):
        path = folder / f"{number}.mp4"
        video.write(path, _film(width, height, frames), frames_per_second=25)
        instants = np.arange(frames) / 25

        def read(path: Path = path, instants: "np.ndarray[tuple[int], np.dtype[np.float64]]" = instants) -> None:
            for _ in video.read(path, instants):
                pass

        spent.append(_best(lambda read=read: list(decode_all([read] * 2)), 2) / 2)  # type: ignore[misc]
        pixels.append(width * height * frames / 1e6)
    decode = max(1e-5, (spent[1] - spent[0]) / (pixels[1] - pixels[0]))
    return max(1e-4, spent[0] - pixels[0] * decode), decode


def _film(width: int, height: int, frames: int) -> Iterator[Rgb]:
    still = np.random.default_rng(0).integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    picture = np.kron(still, np.ones((8, 8, 1), np.uint8))[:height, :width]
    for number in range(frames):
        yield np.ascontiguousarray(np.roll(picture, 3 * number, axis=1))


def _varying() -> float:
    from har_core.augment import Augmenter
    from har_core.store import stored_side

    side, vary = stored_side(PLAIN_SIZE), Augmenter(AugmentConfig(), PLAIN_SIZE)
    clip = np.random.default_rng(0).integers(0, 255, (_FRAMES, side, side, 3), np.uint8)
    seeds = iter(range(10_000))
    return _best(lambda: [vary(clip, seed=next(seeds)) for _ in range(4)]) / (4 * _FRAMES)


def _network(folder: Path) -> dict[str, float]:
    """What the network takes: `look`, `learn`, `head`, and `keep` to save it; `detect` from what is usual beside it."""
    from har_core.rehearsal import Rehearsal

    shape = NetworkConfig(weights="none")
    rehearsal = Rehearsal(shape, PLAIN_SIZE, pictures=_PICTURES, clips=_CLIPS, frames=_FRAMES)
    look = _best(rehearsal.look) / _PICTURES
    return {
        "look": look,
        "learn": _best(rehearsal.learn, 2) / _PICTURES,
        "head": _best(rehearsal.head) / _CLIPS,
        "keep": _best(lambda: rehearsal.keep(folder / "last"), 1),
        "detect": _DETECTION * look,
    }
