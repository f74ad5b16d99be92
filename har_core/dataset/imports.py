"""Whole data sets brought to this machine: fetched from the internet, or unpacked from an archive on a disk.

A data set appears under its name only when it is whole: until then it lies in a hidden folder beside it.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from har_core import downloads
from har_core.dataset import ucf
from har_core.dataset.archives import MOST_BYTES, MOST_FILES, unpack
from har_core.dataset.layouts import EXPECTED, is_video, listing, said
from har_core.dataset.library import check_name, link
from har_core.errors import DatasetError

_TAKEN_UP = 20
"""How often a download that breaks off goes on by itself: it is large, and lines are what they are."""
_SCRATCH = ".unpack-"
_LEFT_SECONDS = 86_400
"""No import takes a day: what is older was left by one that was killed."""
_TOP5_FILES, _TOP5_BYTES = 2_000, 4 * 10**9
Report = Callable[[Literal["downloading", "unpacking"], int, int], None]
"""Told (what is done, bytes or files so far, in all); the last is 0 where nobody knows."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A data set that is there now: its folder, and the SHA-256 of the archive, "" where none was read."""

    folder: Path
    sha256: str = ""


def fetch_top5(
    folder: Path,
    *,
    progress: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Brought:
    """Download UCF101 top 5 and lay it out in `folder`, unless it is there already.

    What has come of the archive is kept beside the folder and a download that was cut off goes on from there. It
    is removed once it is unpacked, or was found to be something else. `read` then finds the official test part.

    Args:
        folder: where the data set shall be; must be missing, empty or the data set itself.
        progress: told of the download in bytes, then of the unpacking in files.
        cancelled: asked about ten times a second during the download.

    Raises:
        DatasetError: no internet (said within 5 seconds), a connection that fails, an archive that is damaged or
            not the official one, a folder that holds something else or cannot be written, or `cancelled`.
    """
    try:
        folder = folder.expanduser().resolve()
        archive = folder.with_name(f".{folder.name}.tar.gz")
    except (OSError, RuntimeError, ValueError):  # a name too long, an unknown user, a zero byte, the root of a disk
        raise DatasetError(f"The data set needs a new folder, but {said(str(folder))[:300]} cannot be one.") from None
    if _taken(folder):
        try:
            ucf.check(folder)
        except DatasetError as error:
            raise DatasetError(f"{folder} is there already. {error} Move it away, or choose another folder.") from None
        return Brought(folder)
    downloads.fetch(
        "UCF101 top 5", ucf.URL, archive, raising=DatasetError, again=_TAKEN_UP,
        progress=progress and partial(progress, "downloading"), cancelled=cancelled,
    )  # fmt: skip
    files = len(ucf.official()) + 2
    digest = _digest(archive)
    try:
        _settle(archive, folder, ucf.check, progress, files, most_files=_TOP5_FILES, most_bytes=_TOP5_BYTES)
    except DatasetError as error:
        archive.unlink(missing_ok=True)
        raise DatasetError(f"{error} What was fetched is no use and was removed.") from None
    except OSError as error:
        raise _no_room(archive, folder, error) from None
    archive.unlink(missing_ok=True)
    return Brought(folder, digest)


def bring(workspace: Path, source: Path, name: str = "", *, progress: Report | None = None) -> Brought:
    """Unpack an archive (.tar.gz, .tar or .zip) of clips into the workspace, or link a folder that is unpacked.

    One that claims to be UCF101 top 5 must be all of it. A folder around everything in an archive is left out.

    Args:
        source: the archive or the folder. It stays as it is.
        name: of the data set; left out, that of the source without its ending.
        progress: told of the unpacking in files.

    Raises:
        DatasetError: the source is missing, damaged or refused, holds no clips or not all of UCF101 top 5; or the
            name is taken or not allowed.
    """
    try:
        source = source.expanduser().absolute()
        is_folder, there = source.is_dir(), source.exists()
    except (OSError, RuntimeError, ValueError):  # a name too long, an unknown user, a zero byte
        is_folder = there = False
    if not there:
        raise DatasetError(
            f"What is imported must be a folder or an archive (.tar.gz, .tar, .zip), but there is none at "
            f"{said(str(source))[:300]}."
        )
    name = check_name(name or (source.name if is_folder else re.sub(r"(\.tar)?\.\w{1,4}$", "", source.name)))
    if is_folder:
        root = innermost(source)
        if not ucf.claimed(root):
            return Brought(link(workspace, name, source))
        ucf.check(root)
        return Brought(link(workspace, name, root))
    folder = workspace / "datasets" / name
    if _taken(folder):
        raise DatasetError(f"There is a data set {name!r} already; choose another name.")
    try:
        _settle(source, folder, _check, progress, 0, most_files=MOST_FILES, most_bytes=MOST_BYTES)
        return Brought(folder, _digest(source))
    except OSError as error:
        raise _no_room(source, folder, error) from None


def _taken(folder: Path) -> bool:
    """Whether something lies there that must not be replaced: anything but an empty folder."""
    try:
        return folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir())))
    except OSError as error:
        raise DatasetError(f"{folder} cannot be used: {error.strerror}. Choose another folder.") from None


def _digest(archive: Path) -> str:
    try:
        return downloads.sha256(archive)
    except OSError as error:
        raise DatasetError(f"{archive.name} cannot be read: {error.strerror}.") from None


def _settle(
    archive: Path,
    folder: Path,
    check: Callable[[Path], None],
    progress: Report | None,
    files: int,
    *,
    most_files: int,
    most_bytes: int,
) -> None:
    """Unpack about so many `files` beside the folder, check what came, and only then give it its name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _tidy(folder.parent)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder.parent, ignore_cleanup_errors=True) as scratch:
        inner = Path(scratch, "clips")
        inner.mkdir()  # the one around it is closed to others, and the data set shall not be
        told = None if progress is None else lambda done: progress("unpacking", done, files)
        unpack(archive, inner, most_files=most_files, most_bytes=most_bytes, progress=told)
        root = innermost(inner)
        check(root)
        root.replace(folder)


def _tidy(home: Path) -> None:
    """Remove what imports that were killed have left, and nothing that only bears such a name."""
    for scratch in home.glob(f"{_SCRATCH}????????"):
        with contextlib.suppress(OSError):  # it is no reason not to import
            ours = not scratch.is_symlink() and {path.name for path in scratch.iterdir()} <= {"clips"}
            if ours and scratch.stat().st_mtime < time.time() - _LEFT_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)


def innermost(folder: Path) -> Path:
    """The folder, or the one in it that all else lies in: many archives begin with a folder of their own name."""
    while True:
        try:
            inside = [path for path in folder.iterdir() if not path.name.startswith(".") and path.name != "__MACOSX"]
            if len(inside) != 1 or not inside[0].is_dir() or any(is_video(path.name) for path in inside[0].iterdir()):
                return folder
        except OSError as error:
            raise DatasetError(f"{folder} cannot be read: {error.strerror}.") from None
        folder = inside[0]


def _check(root: Path) -> None:
    """What any data set must be, and UCF101 top 5 above that."""
    if ucf.claimed(root):
        ucf.check(root)
    elif not (found := listing(root)).entries:
        because = f" {found.skipped[0][0]}: {found.skipped[0][1]}" if found.skipped else ""
        raise DatasetError(f"The archive holds no clips.{because} {EXPECTED}")


def _no_room(archive: Path, folder: Path, error: OSError) -> DatasetError:
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR) and os.path.lexists(folder):
        return DatasetError(f"{folder} came into being meanwhile, so {archive.name} was not unpacked there.")
    return DatasetError(
        f"{archive.name} cannot be unpacked to {folder}: {error.strerror or error}. Make room or mend the folder, "
        "then do it again; the archive is kept."
    )
