"""The app's side of the decoding processes: ask one, take its answers, replace it when it breaks.

Safe from any thread. Up to two idle workers are kept, because starting one costs a quarter of a second.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from har_core import PROJECT
from har_core.errors import VideoError
from har_core.values import Rgb

SILENCE_SECONDS = 60.0
"""A worker that sends nothing for so long is given up."""

_KEPT = 2
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux

_idle: list[Worker] = []
_lock = threading.Lock()


class Broken(Exception):
    """The worker died or fell silent; its message says which."""


class Worker:
    """One decoding process. Used by one thread at a time."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
            # Address space is limited: threads that are not needed must not reserve any.
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "4",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "har_core.video.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=PROJECT,  # `-m` looks for modules in the current folder first
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._requests = self.process.stdin
        self._answers = self.process.stdout.fileno()
        with contextlib.suppress(ImportError, OSError):  # a small pipe is only slower
            import fcntl

            fcntl.fcntl(self._answers, _SET_PIPE_SIZE, _PIPE_BYTES)

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request; the answers are then to be received."""
        rest = memoryview(json.dumps(request).encode() + b"\n")
        try:
            while len(rest):
                rest = rest[self._requests.write(rest) or 0 :]
        except OSError as error:
            raise Broken("stopped") from error

    def receive(self) -> tuple[dict[str, Any], Rgb | None]:
        """The next answer and its picture, uint8 `(H, W, 3)`, if it has one."""
        (length,) = struct.unpack(">I", self._take(4))
        head = json.loads(bytes(self._take(length)))
        if "height" not in head:
            return head, None
        shape = head["height"], head["width"], 3
        return head, np.frombuffer(self._take(head["height"] * head["width"] * 3), np.uint8).reshape(shape)

    def _take(self, length: int) -> bytearray:
        taken = bytearray(length)
        rest = memoryview(taken)
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while len(rest):
            if not poll.poll(SILENCE_SECONDS * 1000):
                raise Broken(f"gave no answer for {SILENCE_SECONDS:g} s")
            if not (number := os.readv(self._answers, [rest])):
                raise Broken("crashed or ran out of memory")
            rest = rest[number:]
        return taken

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def answers(path: Path, ask: str, **details: object) -> Iterator[tuple[dict[str, Any], Rgb | None]]:
    """The answers to one request about a file; ends after the first one without a picture.

    Raises:
        VideoError: the file cannot be decoded, or the decoder broke on it.
    """
    worker = _hire()
    try:
        worker.ask({"ask": ask, "path": str(path.absolute()), **details})
        while True:
            head, rgb = worker.receive()
            if rgb is None:
                break
            yield head, rgb
    except Broken as broken:
        worker.kill()
        raise VideoError(
            f"The decoder {broken} on {path.name}: the file is damaged or far too large. "
            "Re-encode it (for example `ffmpeg -i IN -c:v libx264 OUT.mp4`) or remove it."
        ) from broken
    except BaseException:  # also GeneratorExit: nobody will take the pictures it still sends
        worker.kill()
        raise
    _release(worker)
    if "error" in head:
        raise VideoError(head["error"])
    yield head, None


def _hire() -> Worker:
    while True:
        with _lock:
            worker = _idle.pop() if _idle else None
        if worker is None:
            return Worker()
        if worker.process.poll() is None:
            return worker
        worker.kill()  # it died in its sleep; collects it


def _release(worker: Worker) -> None:
    with _lock:
        if len(_idle) < _KEPT:
            _idle.append(worker)
            return
    worker.kill()


def _close() -> None:
    with _lock:
        workers, _idle[:] = list(_idle), []
    for worker in workers:
        worker.kill()


def _forget() -> None:
    """In a forked child: the workers belong to the parent, and the lock may have been held."""
    global _lock
    _lock = threading.Lock()
    _idle.clear()


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
