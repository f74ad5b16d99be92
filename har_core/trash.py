"""Runs that were deleted: moved aside, so that it can be undone; gone for good after 30 days or by hand."""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from har_core.errors import RunError
from har_core.runs import Run

_FOLDER = ".trash"
DAYS = 30


@dataclass(frozen=True, slots=True)
class Deleted:
    """A run in the trash: where it lies, what it was called, and when it was deleted, in seconds since 1970."""

    folder: Path
    name: str
    at: float


def delete(run: Run) -> Deleted:
    """Move a run into the trash beside it, in one step; `restore` takes it back.

    Raises:
        RunError: it is running, or cannot be moved.
    """
    if run.alive():
        raise RunError(f"Stop run {run.name} before you delete it.")
    home = run.folder.parent / _FOLDER
    target = home / f"{time.time_ns():020d}-{run.name}"
    try:
        home.mkdir(exist_ok=True)
        run.folder.rename(target)
    except OSError as error:
        raise RunError(f"Run {run.name} cannot be deleted: {error.strerror}.") from None
    return _deleted(target)


def restore(deleted: Deleted) -> Run:
    """Take a run back out of the trash, under its name or, where that is taken, one like it.

    Raises:
        RunError: it is not in the trash any more, or cannot be moved.
    """
    root, number = deleted.folder.parent.parent, 1
    while (root / (name := deleted.name if number == 1 else f"{deleted.name}-{number}")).exists():
        number += 1
    try:
        return Run(deleted.folder.rename(root / name))
    except OSError as error:
        raise RunError(f"Run {deleted.name} cannot be taken back: {error.strerror}.") from None


def deleted(root: Path) -> list[Deleted]:
    """The runs of `root` that are in the trash, the one deleted last first; what is older than 30 days goes."""
    home = root / _FOLDER
    found = sorted(home.iterdir(), reverse=True) if home.is_dir() else []
    kept = []
    for folder in found:
        with suppress(ValueError):
            one = _deleted(folder)
            if time.time() - one.at > DAYS * 86_400:
                shutil.rmtree(folder, ignore_errors=True)
            elif (folder / "config.json").is_file():
                kept.append(one)
    return kept


def empty(root: Path) -> None:
    """Remove for good all runs in the trash."""
    shutil.rmtree(root / _FOLDER, ignore_errors=True)


def _deleted(folder: Path) -> Deleted:
    at, _, name = folder.name.partition("-")
    return Deleted(folder, name, int(at) / 1e9)
