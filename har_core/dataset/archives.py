"""Unpacking a .tar.gz, .tar or .zip that a stranger made: nothing outside the folder, no links, no bombs."""

import errno
import gzip
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from har_core.dataset.layouts import said
from har_core.errors import DatasetError

MOST_FILES = 100_000
MOST_BYTES = 64 * 10**9
_BLOCK = 1 << 20
_PIECE = 1 << 26
"""More than any header needs, though a tar may say that one takes terabytes, all of which would be read at once."""
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, ValueError, OverflowError, RecursionError, NotImplementedError,
)  # fmt: skip
"""What the readers raise for archives that are damaged: ValueError for names that are no text, RecursionError for
headers about headers about headers."""
_NO_DISK = (None, errno.EINVAL, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR)
"""Failures of the archive and not of the disk: a zip that points to before its beginning, what cannot be unpacked
(bz2 gives it no number), a name too long, a file where there is a folder."""


def unpack(
    archive: Path,
    folder: Path,
    *,
    most_files: int = MOST_FILES,
    most_bytes: int = MOST_BYTES,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Writes the files of the archive below `folder`, which must be there and should be empty.

    Folders come with the files in them; times, owners and rights are not taken over. Where it fails, what was
    written stays: unpack into a folder that is thrown away.

    Args:
        most_files: files and folders that the archive may hold.
        most_bytes: what they may take unpacked.
        progress: told after each file how many are there.

    Raises:
        DatasetError: no such archive, one that is cut off or damaged, or one that is too large, leads out of the
            folder or holds links. The whole archive is refused then.
        OSError: the folder cannot be written, or its disk is full.
    """
    files = _zip_files if _begins_with(archive, b"PK") else _tar_files
    room, names = most_bytes, 0
    with _mending(archive):
        for number, (name, size, content) in enumerate(files(archive, most_bytes), 1):
            if number > most_files:
                raise DatasetError(f"{archive.name} must hold no more than {most_files} files, but holds more.")
            if size > room:
                raise DatasetError(f"{archive.name} must take no more than {most_bytes / 1e9:.1f} GB unpacked.")
            target = folder / _inside(name, archive)
            if content is None:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("xb") as file:
                room -= _copy(content, file, size)
            names += 1
            if progress:
                progress(names)


def _begins_with(archive: Path, magic: bytes) -> bool:
    try:
        with archive.open("rb") as file:
            return file.read(len(magic)) == magic
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{said(str(archive))} must be an archive, but cannot be opened: {reason}.") from None


@contextmanager
def _mending(archive: Path) -> Iterator[None]:
    """Whatever a broken archive raises becomes one sentence."""
    try:
        yield
    except _BROKEN as error:
        raise _damaged(archive, error) from None
    except FileExistsError as error:
        name = Path(error.filename or archive).name
        raise DatasetError(f"{archive.name} holds {said(name)} twice, so it is unclear which one counts.") from None
    except OSError as error:
        if error.errno in _NO_DISK:
            raise _damaged(archive, error) from None
        raise


def _damaged(archive: Path, error: Exception) -> DatasetError:
    reason = " ".join(str(getattr(error, "strerror", None) or error).split()).rstrip(".")[:100] or type(error).__name__
    return DatasetError(
        f"{archive.name} must be a whole .tar.gz, .tar or .zip, but is cut off, damaged or something else "
        f"({reason}). Fetch or copy it again."
    )


def _inside(name: str, archive: Path) -> PurePosixPath:
    """The path in the archive, if it stays below the folder in every system."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
        raise DatasetError(
            f"{archive.name} is refused: its entry {said(name)[:100]!r} may lead out of the folder it is unpacked to. "
            "Use an archive whose paths are plain."
        )
    return path


def _refuse_link(name: str, archive: Path) -> DatasetError:
    return DatasetError(
        f"{archive.name} is refused: its entry {said(name)[:100]!r} is a link or a device, and only files and folders "
        "are unpacked. Pack the files themselves."
    )


def _zip_files(archive: Path, _: int) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refuse_link(entry.filename, archive)
            if entry.flag_bits & 1:
                raise DatasetError(f"{archive.name} must not ask for a password, but does. Unpack it yourself first.")
            yield entry.filename, entry.file_size, None if entry.is_dir() else opened.open(entry)


def _tar_files(archive: Path, most_bytes: int) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    packed = _begins_with(archive, b"\x1f\x8b")
    with gzip.open(archive) if packed else archive.open("rb") as plain:
        # Headers come on top of the files: a block each, and one to fill up.
        bounded = cast(IO[bytes], _Bounded(cast(IO[bytes], plain), most_bytes + MOST_FILES * 2048, archive))
        with tarfile.open(fileobj=bounded, mode="r:", encoding="utf-8") as opened:
            for entry in opened:
                if not entry.isreg() and not entry.isdir():
                    raise _refuse_link(entry.name, archive)
                yield entry.name, entry.size, None if entry.isdir() else opened.extractfile(entry)
        while bounded.read(_BLOCK):  # to the end, where gzip tells whether all bytes were right
            pass


def _copy(content: IO[bytes], file: IO[bytes], size: int) -> int:
    """The bytes copied, which must be as many as were said."""
    copied = 0
    while block := content.read(_BLOCK):
        copied += len(block)
        if copied > size:
            raise tarfile.ReadError("a file is larger than the archive says")
        file.write(block)
    if copied < size:
        raise EOFError("it ends in the middle of a file")
    return copied


class _Bounded:
    """The bytes of a tar, no more than `most` of them, and never very many at once."""

    def __init__(self, plain: IO[bytes], most: int, archive: Path) -> None:
        self._plain, self._most, self._archive = plain, most, archive

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _PIECE:
            raise tarfile.ReadError("a header is too large")
        content = self._plain.read(size)
        self._check(self._plain.tell())
        return content

    def seek(self, position: int) -> int:
        self._check(position)
        return self._plain.seek(position)

    def tell(self) -> int:
        return self._plain.tell()

    def _check(self, position: int) -> None:
        if position > self._most:
            raise DatasetError(f"{self._archive.name} must take no more than {self._most / 1e9:.1f} GB unpacked.")
