"""The data sets of a workspace: list them, link a folder from elsewhere, add an uploaded clip.

A name that a browser sends is not to be trusted: it may hold paths, control characters or be too long.
"""

import contextlib
import filecmp
import os
import re
import shutil
import tempfile
import threading
import time
import unicodedata
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from har_core import video
from har_core.dataset import groups
from har_core.dataset.history import NO_LINKS
from har_core.dataset.layouts import EXPECTED, is_video, listing, videos
from har_core.errors import DatasetError

_LONGEST = 80
"""Characters of a name; Korean takes 3 bytes each."""
_MOST_BYTES = 240
"""File systems end at 255 bytes, which 64 emoji take; the rest is for the number of a copy and the ending."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]')
"""Not allowed by some file system, or invisible: marks that turn the direction of writing can fake a name."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_SCRATCH, _LEFT_SECONDS = ".upload-", 86_400
_placing = threading.Lock()
"""Two browser sessions may upload the same name at once; the second must see the first's file."""


def datasets(workspace: Path) -> dict[str, Path]:
    """Name and root of the data sets in the workspace, sorted by name. A link whose target has gone is listed too."""
    home = workspace / "datasets"
    found = sorted(home.iterdir()) if home.is_dir() else []
    return {p.name: p for p in found if not p.name.startswith(".") and (p.is_dir() or p.is_symlink())}


def link(workspace: Path, name: str, folder: Path) -> Path:
    """Registers a folder of clips that lies elsewhere on this machine, and gives its path in the workspace.

    Nothing is copied: the folder stays where it is and must stay there.

    Raises:
        DatasetError: not a folder, the name is taken or not allowed, or no clips in the folder.
    """
    name = check_name(name)
    try:
        folder = Path(folder).expanduser().resolve()
        there = folder.is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long, an unknown user, a zero byte
        there = False
    if not there:
        raise DatasetError(f"A data set must be a folder on the machine of this app, but there is none at {folder}.")
    if next(videos(folder), None) is None:
        raise DatasetError(f"{folder} holds no clips. {EXPECTED}")
    target = workspace / "datasets" / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(folder, target_is_directory=True)
    except FileExistsError:
        raise DatasetError(f"There is a data set {name!r} already; choose another name.") from None
    except OSError as error:
        raise DatasetError(f"{folder} cannot be linked as {name!r}: {error.strerror}.") from None
    return target


def add_clip(workspace: Path, dataset: str, action: str, file_name: str, content: BinaryIO, *, group: str = "") -> Path:
    """Stores an uploaded clip as workspace/datasets/DATASET/ACTION/FILE, whole or not at all; gives its path.

    Folders are made as needed. Nothing is overwritten: the same bytes under the same name are the same
    clip, other bytes become `name-2.mp4`. When it returns, the clip outlives a power cut.

    Args:
        group: who or where was filmed; it goes into the file's name as `_by-<group>_`, where `read` finds it.

    Raises:
        DatasetError: a name is not allowed, or the data set takes no clips this way: it is linked, or lists its clips.
        VideoError: the clip cannot be read; it is not kept.
    """
    root = workspace / "datasets" / check_name(dataset)
    folder = root / check_name(action)
    name = _file_name(file_name)
    if group.strip():
        name = _with_group(name, groups.slug(group))
    _refuse(root, folder)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        _tidy(root.parent)
        # Hidden and beside the data sets: no reader sees half a clip, and putting it into place is one step.
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=root.parent) as scratch:
            stored = Path(scratch, name)
            if content.seekable():
                content.seek(0)  # a page may have shown the upload before
            with stored.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            video.probe(stored)
            folder.mkdir(parents=True, exist_ok=True)
            return _place(stored, folder)
    except OSError as error:
        raise DatasetError(f"{name} cannot be stored in {folder}: {error.strerror}.") from None


def check_name(name: str) -> str:
    """The name of a data set or an action, as a folder can carry it in every system.

    >>> check_name("  jumping   jacks ")
    'jumping jacks'

    Raises:
        DatasetError: what a name may be, if this one may not.
    """
    cleaned = " ".join(unicodedata.normalize("NFC", name).split())
    bad = _FORBIDDEN.search(cleaned) or _DEVICES.fullmatch(cleaned) or cleaned.startswith(".") or cleaned.endswith(".")
    if not cleaned or bad or len(cleaned) > _LONGEST or cleaned == "__MACOSX" or len(cleaned.encode()) > _MOST_BYTES:
        raise DatasetError(
            f'A name needs 1 to {_LONGEST} letters, digits, spaces or signs other than / \\ : * ? " < > |, and neither '
            f"begins nor ends with a dot, but got {name[: _LONGEST + 1]!r}."
        )
    return cleaned


def _file_name(sent: str) -> str:
    """The last part of what the browser sent, without anything that a file name cannot carry.

    Raises:
        DatasetError: its ending is not that of a video.
    """
    name = PurePosixPath(unicodedata.normalize("NFC", sent).replace("\\", "/")).name
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    stem = _cut(" ".join(_FORBIDDEN.sub("_", stem).split()).lstrip(".")[:_LONGEST].strip())
    if _DEVICES.fullmatch(stem):
        stem = f"_{stem}"
    if not is_video(stem + suffix):
        raise DatasetError(f"A clip must be a video file such as .mp4, .mov, .avi or .webm, but got {name[:100]!r}.")
    return stem + suffix.lower()


def _tidy(home: Path) -> None:
    """Remove what uploads that were killed have left: none takes a day."""
    for scratch in home.glob(f"{_SCRATCH}????????"):
        with contextlib.suppress(OSError):  # it is no reason not to store a clip
            if not scratch.is_symlink() and scratch.stat().st_mtime < time.time() - _LEFT_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)


def _with_group(name: str, group: str) -> str:
    """The file name with the group before its last part, instead of one that it may name already.

    >>> _with_group("wave_20261126-101500.mp4", "anna"), _with_group("a.mp4", "anna")
    ('wave_by-anna_20261126-101500.mp4', 'a_by-anna_.mp4')
    """
    path = PurePosixPath(name)
    stem = re.sub(r"_by-[^_.]+(?=_|$)", "", path.stem, flags=re.IGNORECASE)
    mark = f"_by-{group}_"  # something must follow: in `by-anna-2` the number of a copy would count to the name
    first, _, last = stem.rpartition("_")
    if not first or not last:
        first, last = stem.strip("_") or "clip", ""
    return (
        _cut(first[: max(1, _LONGEST - len(mark) - len(last))], len((mark + last).encode())) + mark + last + path.suffix
    )


def _cut(text: str, others: int = 0) -> str:
    """As much of it as a file's name can carry beside so many other bytes."""
    return text.encode()[: max(1, _MOST_BYTES - others)].decode(errors="ignore") or "clip"


def _refuse(root: Path, folder: Path) -> None:
    """DatasetError if a clip in `folder` would be written elsewhere, or not be found by `read`."""
    if root.is_symlink() or folder.is_symlink():
        raise DatasetError(f"{root.name} is a link to a folder elsewhere; add the clip there, or use another data set.")
    if root.is_dir():
        named = listing(root)
        if named.layout != "folders" or any(entry.split for entry in named.entries):
            raise DatasetError(
                f"{root.name} fixes its clips by a list or by train and test folders, so that a clip in a new folder "
                "would not count. Add the clip there yourself, or use another data set."
            )


def _place(stored: Path, folder: Path) -> Path:
    """Moves the stored file into the folder under a name that is free, or finds the same bytes there."""
    with _placing:
        number = 1
        while True:
            target = folder / (stored.name if number == 1 else f"{stored.stem}-{number}{stored.suffix}")
            try:
                os.link(stored, target)  # unlike a move, it never replaces what another process put there
            except FileExistsError:
                if filecmp.cmp(stored, target, shallow=False):
                    return target
                number += 1
                continue
            except OSError as error:
                if error.errno not in NO_LINKS or target.exists():
                    raise
                stored.replace(target)
            _settle(folder)
            return target


def _settle(folder: Path) -> None:
    """Have the folder's entries on the disk, not only in memory."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
