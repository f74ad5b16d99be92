"""Takes in a video: its upload is kept in the folder of a new analysis, which goes into the queue."""

import json
import os
import re
import secrets
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from har_core import machine
from har_core.analyses import Request, Task, home, write
from har_core.errors import VideoError

_SPARE = 256 << 20
"""Bytes of disk that must be left when an upload is kept."""


def begin(root: Path, viewer: str, request: Request, content: BinaryIO | None = None) -> Task:
    """A new analysis in the queue.

    Args:
        root: the workspace.
        viewer: whose it is, 32 hexadecimal digits.
        request: what is asked for; its `at` is set here where it is 0.
        content: the video, where it was uploaded; read to its end, never all at once.

    Raises:
        VideoError: the upload cannot be kept.
    """
    folder = home(root, viewer)
    readable = re.sub(r"[^\w-]+", "-", Path(request.name).stem).strip("-")[:40] or "video"
    at = request.at or time.time()
    stamp = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(at))}-{int(at % 1 * 1000):03d}"
    task = Task(folder / f"{stamp}-{readable}-{secrets.token_hex(4)}")
    made = folder / f".{task.name}"
    try:
        (made / "upload").mkdir(parents=True)
        if content is not None:
            _keep(made / "upload" / harmless(request.name), request.name, content)
        write(made / "request.json", json.dumps(asdict(request) | {"at": at}, ensure_ascii=True))
        made.rename(task.folder)
        try:
            task.ask("analyse")
        except VideoError:
            task.folder.rename(made)  # what cannot be queued is not kept either
            raise
    except OSError as error:
        reason = f"{error.strerror}. Make room there." if error.strerror else str(error)
        raise VideoError(f"{request.name} cannot be kept in the workspace: {reason}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return task


def harmless(name: str) -> str:
    """A file name for an upload: what a browser sends may hold anything.

    >>> harmless("../../a b.mp4"), harmless("..."), harmless("C:\\\\x|y.mov")
    ('a b.mp4', 'clip', 'C__x_y.mov')
    """
    short = re.sub(r"[^\w .()-]", "_", Path(name).name).encode()[-200:].decode(errors="ignore").lstrip(". ")
    return short or "clip"


def _keep(path: Path, name: str, content: BinaryIO) -> None:
    content.seek(0, os.SEEK_END)
    size = content.tell()
    content.seek(0)
    if machine.free_disk(path.parent) < size + _SPARE:
        raise VideoError(f"{name} needs {size / 1e6:.0f} MB of disk, and there is not so much left. Make room there.")
    with path.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
