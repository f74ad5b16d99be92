"""Analyses that were deleted: put aside beside the others, so that it can be undone; gone for good within the hour."""

import contextlib
import re
import shutil
import time
from pathlib import Path

from har_core.analyses import Task, home
from har_core.errors import VideoError

UNDO_SECONDS = 3600.0
"""For so long a deleted analysis can be taken back; then it is gone."""
_TRASH = ".trash"
_NAME = re.compile(r"[\w-]{1,100}")


def delete(task: Task) -> None:
    """Put an analysis aside; `restore` takes it back within the hour. One that runs is ended first.

    Raises:
        VideoError: it does not end, or cannot be moved.
    """
    with contextlib.suppress(VideoError):  # nothing can be written any more: what rests can be put aside even so
        task.stop()
    deadline = time.monotonic() + 10.0
    while task.alive():
        if time.monotonic() > deadline:
            raise VideoError("This analysis does not end. Try again in a moment.")
        time.sleep(0.05)
    trash = task.folder.parent / _TRASH
    try:
        trash.mkdir(exist_ok=True)
        task.folder.rename(trash / f"{time.time_ns():020d}.{task.name}")
    except OSError as error:
        raise VideoError(f"The analysis cannot be deleted: {error.strerror}.") from None


def deleted(root: Path, viewer: str) -> list[str]:
    """The names of those that can be taken back, the one deleted last first."""
    folder = home(root, viewer) / _TRASH
    _purge(folder.parent)
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted((entry.name for entry in folder.iterdir()), reverse=True)
    return [name.partition(".")[2] for name in names]


def restore(root: Path, viewer: str, name: str) -> Task:
    """Take a deleted analysis back.

    Raises:
        VideoError: it is gone.
    """
    folder = home(root, viewer)
    found = next(iter((folder / _TRASH).glob(f"*.{name}")), None) if _NAME.fullmatch(name) else None
    try:
        if found is None or (folder / name).exists():
            raise OSError
        return Task(found.rename(folder / name))
    except OSError:
        raise VideoError("This analysis cannot be taken back any more: it is gone.") from None


def empty_trash(root: Path, viewer: str) -> None:
    """Remove for good what was deleted."""
    shutil.rmtree(home(root, viewer) / _TRASH, ignore_errors=True)


def _purge(folder: Path) -> None:
    """Remove what was deleted more than an hour ago, and uploads that were cut off because the app was killed."""
    with contextlib.suppress(OSError):
        for entry in (folder / _TRASH).iterdir():
            at = entry.name.partition(".")[0]
            # A clock that was set back must not keep it for years.
            if not at.isdecimal() or abs(time.time() - int(at) / 1e9) > UNDO_SECONDS:
                _remove(entry)
    with contextlib.suppress(OSError):
        for entry in folder.glob(".*"):
            if entry.name != _TRASH and time.time() - entry.stat().st_mtime > UNDO_SECONDS:
                _remove(entry)


def _remove(entry: Path) -> None:
    with contextlib.suppress(OSError):
        if entry.is_symlink():  # which `rmtree` refuses; what it points at is not ours
            entry.unlink()
    shutil.rmtree(entry, ignore_errors=True)
