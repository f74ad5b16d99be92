"""What was found out by key, kept in npz parts of a folder: each is written whole, none is ever changed.

Several processes may write at once; now and then one makes a single part of all those it has read. Whoever is killed
loses the last seconds, and a full disk costs finding out again. No torch here.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

import har_core

Key = TypeVar("Key")
Value = TypeVar("Value")
Arrays = Mapping[str, NDArray[Any]]
_SAVE_SECONDS, _JOINED = 2.0, 8
"""Between two parts; parts that are made one."""


class Parts(Generic[Key, Value]):
    """The parts in the workspace's cache under `kind`, of one data set, by what `digest` names: an encoder, a model.

    `pack` makes arrays of what was found, `unpack` the reverse: what that raises of ValueError, TypeError or KeyError
    says that a part is damaged. Of each kind the `kept` newest are kept: each better epoch of a run has a new digest.
    """

    def __init__(
        self,
        kind: str,
        root: Path,
        digest: str,
        *,
        pack: Callable[[dict[Key, Value]], Arrays],
        unpack: Callable[[Arrays], dict[Key, Value]],
        kept: int,
    ) -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
        self._folder = har_core.workspace() / "cache" / kind / f"{name}-{digest}"
        self._pack, self._unpack, self._kept = pack, unpack, kept

    def stamp(self) -> str:
        """Changes with every part; "" where nothing is kept."""
        return "|".join(sorted(os.fspath(part) for part in self._parts()))

    def load(self) -> dict[Key, Value]:
        """All that is known. A part that is damaged, or that another process just took away, is left out."""
        found: dict[Key, Value] = {}
        for part in self._parts():
            with (
                contextlib.suppress(OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error),
                np.load(part) as arrays,
            ):
                found.update(self._unpack(arrays))
        return found

    @contextlib.contextmanager
    def saving(self) -> Iterator[Callable[[Key, Value], None]]:
        """Gives what keeps a value under its key: on disk within seconds, and at the end whatever happens."""
        waiting: dict[Key, Value] = {}
        saved = time.monotonic()

        def save(key: Key, value: Value) -> None:
            nonlocal saved
            waiting[key] = value
            if time.monotonic() - saved > _SAVE_SECONDS:
                if self._write(waiting):  # else it is tried again: room may be made meanwhile
                    waiting.clear()
                saved = time.monotonic()

        try:
            yield save
        finally:
            self._write(waiting)
            self._join()
            self._forget_others()

    def _parts(self) -> list[Path]:
        return list(self._folder.glob("*.npz"))

    def _write(self, found: dict[Key, Value]) -> bool:
        if not found:
            return False
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    np.savez(file, **self._pack(found))  # type: ignore[arg-type]  # numpy's stub is at odds with itself
                Path(name).replace(Path(name).with_suffix(".npz"))
                return True
            finally:
                Path(name).unlink(missing_ok=True)
        return False

    def _join(self) -> None:
        parts = self._parts()
        if len(parts) >= _JOINED and self._write(self.load()):
            for part in parts:
                with contextlib.suppress(OSError):
                    part.unlink()

    def _forget_others(self) -> None:
        with contextlib.suppress(OSError):
            folders = sorted(self._folder.parent.iterdir(), key=lambda folder: folder.stat().st_mtime)
            for folder in folders[: max(0, len(folders) - self._kept)]:
                if folder != self._folder:
                    shutil.rmtree(folder, ignore_errors=True)
