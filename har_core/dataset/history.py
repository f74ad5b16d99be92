"""The versions of a data set on disk: what was edited, kept beside the clips and never in them.

A version is one JSON file that holds all edits up to it. It is written whole or not at all and never changed
again, so that a run can say which one it was trained on, and going back is only another version.
"""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import har_core
from har_core.dataset.edits import Edit, Version
from har_core.dataset.layouts import said, some
from har_core.errors import DatasetError

_FORMAT = 1
_END_OF_TIME = 1e11
"""In seconds since 1970: no calendar knows what comes long after."""
_LAST = 999_999_999
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What file systems say that know no hard links, such as those of memory cards."""
_LEFT_SECONDS = 3_600
"""No version takes an hour to be written: what is older was left by a process that was killed."""


def folder(root: Path) -> Path:
    """Where the versions of the data set at `root` lie: in the workspace, by the place that its links lead to."""
    place = os.fsencode(Path(root).expanduser().absolute().resolve())
    return har_core.workspace() / "versions" / hashlib.sha256(place).hexdigest()[:16]


def stamp(root: Path) -> str:
    """Changes when a version is added."""
    try:
        return ",".join(map(str, _numbers(folder(root))))
    except OSError:
        return "unreadable"


def versions(root: Path) -> list[Version]:
    """The versions that are there and whole, oldest first; empty where nothing was edited."""
    home, found = folder(root), list[Version]()
    with contextlib.suppress(OSError):  # what came before is listed all the same
        found.extend(kept for number in _numbers(home) if isinstance(kept := _load(home, number), Version))
    return found


def current(root: Path) -> Version:
    """The newest version that is whole; number 0 where nothing was edited."""
    return newest(root)[0]


def newest(root: Path) -> tuple[Version, tuple[str, ...]]:
    """The newest version that is whole, and what to say of newer files that are not, or are no versions at all."""
    home = folder(root)
    try:
        return _newest(home)
    except OSError as error:
        return Version(), (f"The edits in {home} cannot be read: {error.strerror}. All is as the folder says.",)


def _newest(home: Path) -> tuple[Version, tuple[str, ...]]:
    """The same. OSError where a file may be whole but cannot be read now: nothing may be built on what came before."""
    notes = []
    if strange := [name for name in _names(home) if not name.startswith(".") and not _number(name)]:
        notes.append(f"{len(strange)} files among the versions are none and count for nothing: {some(strange)}.")
    for number in reversed(_numbers(home)):
        found = _load(home, number)
        if isinstance(found, Version):
            return found, tuple(notes)
        notes.append(f"Version {number} is damaged and counts for nothing, its edits are lost: {found}.")
    return Version(), tuple(notes)


def version(root: Path, number: int) -> Version:
    """The version of this number.

    Raises:
        DatasetError: there is none, or it is damaged.
    """
    if number == 0:
        return Version()
    try:
        found = _load(folder(root), number)
    except OSError as error:
        found = f"{error.strerror}"
    if isinstance(found, Version):
        return found
    raise DatasetError(
        f"{Path(root).name} must have a version {number} of its edits, but it cannot be read: {found}. Edits are kept "
        "by the place of the folder; if that was moved, move it back, or start anew."
    )


def append(root: Path, make: Callable[[Version], Version]) -> Version:
    """Store another version, made of the newest one; on the disk for good when this returns.

    Args:
        make: gives the new version, whose number and time do not count. Called again, with what is newest then,
            where somebody else was faster: nobody's edits are lost. May give the very one it got: nothing is stored.

    Raises:
        DatasetError: it cannot be written.
    """
    home = folder(root)
    try:
        _make_folder(home)
        while True:
            numbers = _numbers(home)
            before = _newest(home)[0]
            made = make(before)
            if made is before:
                return made
            # Numbers of damaged files are taken too: nothing is written over.
            number = max(numbers, default=0) + 1
            if number > _LAST:
                raise DatasetError(
                    f"The edit cannot be stored in {home}: {_name(_LAST)} takes the last number there is. If you did "
                    "not make that file, move it away. Nothing changed."
                )
            numbered = Version(number, made.parent, time.time(), made.what, made.edits, made.actions)
            with contextlib.suppress(FileExistsError):
                _write(home, numbered)
                return numbered
    except OSError as error:
        raise DatasetError(f"The edit cannot be stored in {home}: {error.strerror}. Nothing changed.") from None


def _names(home: Path) -> list[str]:
    try:
        return sorted(os.listdir(home))  # noqa: PTH208  # names are all that is wanted
    except (FileNotFoundError, NotADirectoryError):
        return []


def _number(name: str) -> int:
    """The number in the name of a version's file; 0 for other files."""
    match = re.fullmatch(r"(\d{4,9})\.json", name, re.ASCII)
    number = int(match[1]) if match else 0
    return number if name == _name(number) else 0


def _name(number: int) -> str:
    return f"{number:04d}.json"


def _numbers(home: Path) -> list[int]:
    return sorted(filter(None, map(_number, _names(home))))


def _load(home: Path, number: int) -> Version | str:
    """The version, or why it is none. OSError where that cannot be told."""
    path = home / _name(number)
    try:
        status = path.stat()
        return _parsed(path, number, status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        return "there is no such file"


@functools.lru_cache(maxsize=8)  # the newest is asked for again and again, and 10,000 edits take a while to check
def _parsed(path: Path, number: int, size: int, mtime_ns: int) -> Version | str:
    """What a file holds, as long as its size and time are these."""
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != _FORMAT or content["number"] != number:
            return "it is of another format or number"
        edits = {_plain(relative): Edit(**given) for relative, given in content["edits"].items()}
        texts = (content["what"], *content["actions"], *content["actions"].values())
        if not all(type(text) is str and text.strip() and said(text) == text for text in texts):
            return "its texts are none"
        parent, at = content["parent"], float(content["at"])
        if type(parent) is not int or not 0 <= parent < number or not 0 <= at < _END_OF_TIME:  # NaN fails this too
            return "its numbers are none"
        return Version(number, parent, at, content["what"], edits, content["actions"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, DatasetError):
        return "it is cut off, or something else"


def _plain(relative: str) -> str:
    """The path, if it stays below the root. Edits only ever pick clips that were found; this keeps lists honest."""
    path = PurePosixPath(relative)
    if (
        said(relative) != relative
        or path.is_absolute()
        or ".." in path.parts
        or str(path) != relative
        or "\0" in relative
    ):
        raise ValueError(relative)
    return relative


def _as_json(stored: Version) -> dict[str, Any]:
    edits = {
        relative: {name: value for name, value in asdict(edit).items() if value not in (None, False)}
        for relative, edit in stored.edits.items()
    }
    kept = {"number": stored.number, "parent": stored.parent, "at": stored.at, "what": stored.what}
    return {"format": _FORMAT, **kept, "edits": edits, "actions": stored.actions}


def _write(home: Path, stored: Version) -> None:
    """The version's file, whole or not at all. FileExistsError where the number is taken."""
    part = home / f".{stored.number}-{secrets.token_hex(4)}.part"
    try:
        with part.open("x", encoding="utf-8") as file:
            json.dump(_as_json(stored), file, ensure_ascii=False, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        place(part, home / _name(stored.number))
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    _settle(home)


def place(part: Path, target: Path) -> None:
    """Give the file its name. FileExistsError where that is taken: the second of two editors hears of it."""
    try:
        os.link(part, target)  # unlike a move, it never replaces
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # Memory cards know no links. An empty file takes the number first; a kill between leaves a damaged version.
        target.open("x").close()
        part.replace(target)


def _make_folder(home: Path) -> None:
    """The folder of the versions, itself on the disk for good; without what killed processes have left in it."""
    if not home.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        _settle(home.parent)
    for part in home.glob(".*.part"):
        with contextlib.suppress(OSError):
            if part.stat().st_mtime < time.time() - _LEFT_SECONDS:
                part.unlink()


def _settle(home: Path) -> None:
    """Have the folder's entries on the disk, not only in memory."""
    handle = os.open(home, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
