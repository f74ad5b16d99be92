"""Files that a browser sent, as clips of a data set: single ones, folders, archives, a clips.csv beside them.

All of it is laid out in a hidden folder first and read as a data set is; only then clips go where they belong.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from har_core.dataset.archives import MOST_BYTES, MOST_FILES, unpack
from har_core.dataset.imports import innermost
from har_core.dataset.layouts import Entry, is_video, listing, said
from har_core.dataset.library import add_clip, check_name
from har_core.errors import DatasetError, HarError

ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz"})
"""Endings of archives that are unpacked."""
_LISTS = frozenset({".csv", ".txt"})
_SCRATCH = ".upload-"
"""As the library's, which removes what a killed app left of it."""


@dataclass(slots=True)
class Stored:
    """What became of an upload: how many clips are stored, and (file, sentence) for each that is not."""

    kept: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def store(
    workspace: Path,
    name: str,
    sent: Sequence[tuple[str, BinaryIO]],
    *,
    action: str = "",
    group: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Stored:
    """Store files as clips of a data set, which may be new; each clip whole or not at all.

    Folders, archives and lists say which action a clip shows, as in any data set's folder. Where they fix train and
    test parts, the data set must be new, and is stored as it is.

    Args:
        workspace: where the data sets are.
        name: of the data set.
        sent: (path as the browser sent it, its bytes); archives may be among them.
        action: of clips that lie in no folder; "" where every clip must lie in one.
        group: who or where was filmed, where neither a list nor the file's name says so.
        progress: told (clips stored or refused, clips in all).

    Raises:
        DatasetError: a name is not allowed, there is no room, the data set takes no clips this way, or nothing that was
            sent is a clip.
    """
    name = check_name(name)
    action = check_name(action) if action.strip() else ""
    home = workspace / "datasets"
    stored = Stored()
    with _room(home) as scratch:
        inner, loose = scratch / "clips", scratch / "loose"
        for path, content in sent:
            try:
                _lay_out(path, content, inner, loose, scratch)
            except HarError as error:
                stored.failed.append((said(path), str(error)))
        found = _labelled(inner, loose, action, stored)
        if any(entry.split for _, entry in found):
            _as_it_is(innermost(inner), home / name, name)
            stored.kept = len(found)
            return stored
        for number, (root, entry) in enumerate(found):
            if progress:
                progress(number, len(found))
            _add(workspace, name, root, entry, group, stored)
    if not stored.kept and not stored.failed:
        raise DatasetError("Nothing that was sent is a clip: choose videos, a folder of them, or a .zip.")
    return stored


@contextmanager
def _room(home: Path) -> Iterator[Path]:
    """A hidden folder beside the data sets, gone afterwards."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=home, ignore_cleanup_errors=True) as scratch:
            for part in ("clips", "loose"):
                Path(scratch, part).mkdir()
            yield Path(scratch)
    except OSError as error:
        raise DatasetError(f"The upload cannot be stored in {home}: {error.strerror}. Make room there.") from None


def _lay_out(path: str, content: BinaryIO, inner: Path, loose: Path, scratch: Path) -> None:
    """One file that was sent to its place: an archive's below `inner`, a video without a folder in `loose`."""
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("/", ".", "")]
    if not parts or ".." in parts or any(re.match(r"[A-Za-z]:", part) or "\0" in part for part in parts):
        raise DatasetError("Its path leads out of the folder. Send it again under a plain name.")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return  # what systems leave beside files; nobody means to upload it
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in ARCHIVES:
        archive = scratch / f"sent{suffix}"
        _write(archive, content)
        unpack(archive, inner, most_files=MOST_FILES, most_bytes=MOST_BYTES)
        archive.unlink()
    elif suffix in _LISTS or is_video(parts[-1]):
        _write((loose if len(parts) == 1 and suffix not in _LISTS else inner).joinpath(*parts), content)
    else:
        raise DatasetError("It must be a video, a .zip or .tar.gz of videos, or a clips.csv.")


def _write(target: Path, content: BinaryIO) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        content.seek(0)
        with target.open("xb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
    except FileExistsError:
        raise DatasetError("There are two files of this path, so it is unclear which one counts.") from None


def _labelled(inner: Path, loose: Path, action: str, stored: Stored) -> list[tuple[Path, Entry]]:
    """(root, clip) of everything that has an action; what has none gets its sentence."""
    root = innermost(inner)
    if (root / "clips.csv").is_file():  # it may mean files that were sent beside it
        for path in sorted(loose.iterdir()):
            if not (root / path.name).exists():
                path.replace(root / path.name)
    named = listing(root)
    stored.failed += named.skipped
    found = [(root, entry) for entry in named.entries]
    for path in sorted(loose.iterdir()):
        if action:
            found.append((loose, Entry(path.name, action)))
        else:
            stored.failed.append((said(path.name), "Say which action it shows, or put it into a folder of that name."))
    return found


def _as_it_is(root: Path, target: Path, name: str) -> None:
    """The folder as a new data set."""
    if target.is_symlink() or (target.exists() and any(target.iterdir())):
        raise DatasetError(
            f"What was sent fixes train and test parts, so it must become a data set of its own, but there is {name!r} "
            "already. Choose another name."
        )
    root.replace(target)


def _add(workspace: Path, name: str, root: Path, entry: Entry, group: str, stored: Stored) -> None:
    try:
        with (root / entry.relative).open("rb") as content:
            add_clip(workspace, name, entry.action, Path(entry.relative).name, content, group=entry.group or group)
        stored.kept += 1
    except (HarError, OSError) as error:
        stored.failed.append((entry.relative, getattr(error, "strerror", None) or str(error)))
