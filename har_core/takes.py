"""Takes of an action in front of a camera: when each one counts down, runs and ends; and those that wait on the disk.

Time is that of the camera's own clock, so that a take is as long as its frames say, and a camera that stalls
stretches the pause and not the take.
"""

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from har_core.errors import ConfigError, DatasetError

Phase = Literal["idle", "countdown", "recording", "done"]
_LABEL = "take.json"
_TRASH = ".trash"
UNDO_SECONDS = 3600.0
"""For so long a take that was thrown away can be brought back; then it is gone."""
_LONGEST_TEXT = 200
_END_OF_TIME = 1e11
"""In seconds since 1970; 5000 years are enough."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Several takes in a row: before each a countdown, the first one longer than those between.

    `seconds` is the length of a take; `countdown` comes before the first one, `pause` before each of the others.
    """

    takes: int = 3
    seconds: float = 3.0
    countdown: float = 3.0
    pause: float = 2.0

    def __post_init__(self) -> None:
        bounds = (("takes", 1, 50), ("seconds", 0.5, 60), ("countdown", 0, 60), ("pause", 0, 60))
        for name, low, high in bounds:
            value = getattr(self, name)
            if not low <= value <= high:  # NaN fails this too
                raise ConfigError(f"Plan.{name} must lie between {low:g} and {high:g}, but is {value:g}.")

    @property
    def whole(self) -> float:
        """Seconds from the press of the button to the end of the last take."""
        return self.countdown + self.takes * self.seconds + (self.takes - 1) * self.pause


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a plan stands: its phase, the take it is about (from 1), the seconds left and the share that is over."""

    phase: Phase
    take: int = 0
    left: float = 0.0
    share: float = 0.0


def moment(plan: Plan, seconds: float) -> Moment:
    """Where a plan stands `seconds` after it began.

    >>> plan = Plan(takes=2, seconds=3, countdown=3, pause=1)
    >>> [(m.phase, m.take) for m in (moment(plan, s) for s in (0, 3, 5.9, 6, 7, 10))]
    [('countdown', 1), ('recording', 1), ('recording', 1), ('countdown', 2), ('recording', 2), ('done', 2)]
    """
    at = max(0.0, seconds)
    for take in range(1, plan.takes + 1):
        for phase, length in (("countdown", plan.pause if take > 1 else plan.countdown), ("recording", plan.seconds)):
            if at < length:
                return Moment(phase, take, length - at, at / length)  # type: ignore[arg-type]  # both are phases
            at -= length
    return Moment("done", plan.takes, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Label:
    """What a take shows, and for which data set it was made; `viewer` is the browser window that made it."""

    dataset: str
    action: str
    person: str
    viewer: str = ""
    at: float = 0.0
    """Seconds since 1970."""
    cut: bool = False
    """Whether it was stopped before its time."""


@dataclass(frozen=True, slots=True)
class Take:
    """A film that waits to be kept or thrown away."""

    folder: Path
    film: Path
    label: Label


def write_label(folder: Path, label: Label) -> None:
    """Say in a take's folder what it shows: written before its first frame, whole or not at all.

    Raises:
        DatasetError: it cannot be written.
    """
    part = folder / f".{_LABEL}.part"
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(asdict(label), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / _LABEL)
    except OSError as error:
        raise DatasetError(f"A take cannot be recorded in {folder}: {error.strerror}. Make room there.") from None


def read_take(folder: Path, film: Path) -> Take | None:
    """The take in a folder; None where nothing says what it shows, or says it wrongly."""
    try:
        told = json.loads((folder / _LABEL).read_text(encoding="utf-8"))
        label = Label(**told)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = (label.dataset, label.action, label.person, label.viewer)
    if not all(isinstance(text, str) and len(text) <= _LONGEST_TEXT and _can_be_shown(text) for text in texts):
        return None
    sound = type(label.at) in (int, float) and 0 <= label.at < _END_OF_TIME  # NaN fails this too
    return Take(folder, film, label) if sound and type(label.cut) is bool else None


def _can_be_shown(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def file_name(take: Take) -> str:
    """What the clip is called in its data set; who acts is added where it is stored.

    >>> file_name(Take(Path("20261126-101500"), Path("film.mp4"), Label("d", "wave", "anna")))
    'take_20261126-101500.mp4'
    """
    return f"take_{take.folder.name}.mp4"


def throw_away(take: Take) -> None:
    """Put a take aside; `bring_back` returns it within the hour."""
    trash = take.folder.parent / _TRASH
    with suppress(OSError):
        trash.mkdir(exist_ok=True)
        take.folder.rename(trash / f"{time.time_ns():020d}.{take.folder.name}")


def thrown_away(home: Path) -> list[Path]:
    """What can be brought back; what has lain there for longer than an hour goes for good."""
    found = []
    with suppress(OSError):
        for folder in sorted((home / _TRASH).iterdir()):
            since, _, name = folder.name.partition(".")
            if name and since.isdigit() and 0 <= time.time() - int(since) / 1e9 < UNDO_SECONDS:
                found.append(folder)
            elif folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder, ignore_errors=True)
    return found


def bring_back(home: Path) -> None:
    """Let all takes that were thrown away within the hour wait again."""
    for folder in thrown_away(home):
        name = folder.name.partition(".")[2]
        with suppress(OSError):
            if not (home / name).exists():
                folder.rename(home / name)


def discard(take: Take) -> None:
    """Remove a take for good, as when its clip is kept elsewhere; of a folder that is a link, the link."""
    with suppress(OSError):
        if take.folder.is_symlink():
            take.folder.unlink()
        else:
            shutil.rmtree(take.folder)
