"""The process in which untrusted video is decoded: `python -m har_core.video.worker`.

One JSON request a line on stdin. Each answer on stdout is a length (4 bytes, big-endian), that much
JSON, and for a picture its `height * width * 3` bytes of RGB. A damaged file can crash or hang a
decoder or make it ask for endless memory: here that ends this process, not the app.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from har_core.errors import VideoError
from har_core.values import Rgb

MEMORY_LIMIT = 4 << 30
"""Bytes of address space: 8K video in several threads fits."""

Answer = tuple[dict[str, Any], Rgb | None]


def main() -> None:
    """Answer requests until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then closes our stdin
    limit_resources()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    # A private copy of stdout, so that nothing a library prints gets between the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    while True:
        request = json.loads(requests.get())
        for head, rgb in _answered(request):
            _send(answers, head, rgb)


def limit_resources() -> None:
    """Bound the memory of this process and keep it from leaving core files."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def _listen(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # the app is gone, or wants us gone: also in the middle of a picture


def _answered(request: dict[str, Any]) -> Iterator[Answer]:
    path = Path(request["path"])
    try:
        if request["ask"] == "sound":
            yield from _sounded(path, request)
        else:
            yield from _ABOUT[request["ask"]](path) if request["ask"] in _ABOUT else _read(path, request)
    except VideoError as error:
        yield {"error": str(error)}, None
    except MemoryError:
        yield {"error": f"{path.name} needs more memory to decode than a video may take. Re-encode it smaller."}, None
    except Exception as error:  # whatever it is must reach the app, which waits
        yield {"error": f"{path.name} cannot be decoded ({type(error).__name__}: {error})."}, None


def _probed(path: Path) -> Iterator[Answer]:
    from har_core.video.index import Orientation, index_of

    index = index_of(path)
    stills = np.diff(np.append(index.times, index.times[:1] + index.properties.seconds))
    yield (
        {
            "properties": dataclasses.asdict(index.properties),
            "container": index.container,
            "pixel_format": index.pixel_format,
            "missing": index.missing,
            "still": float(stills.max(initial=0.0)),
            "turned": index.orientation != Orientation(),
        },
        None,
    )


def _timed(path: Path) -> Iterator[Answer]:
    from har_core.video.index import TOLERANCE, index_of

    index = index_of(path)
    times = index.times - index.origin
    times = times[times > -TOLERANCE]  # those before the first picture that decodes are never shown
    if len(times) < 2:  # no index, or none to be trusted: the rate is what there is
        times = np.arange(index.properties.frames) / index.properties.frames_per_second
    yield {"times": np.round(times, 6).clip(min=0.0).tolist()}, None


_ABOUT = {"probe": _probed, "times": _timed}


def _read(path: Path, request: dict[str, Any]) -> Iterator[Answer]:
    from har_core.video import decode, stream

    side = request["longest_side"]
    if request["ask"] == "read":
        for instant, rgb, lost in decode.read(path, request["seconds"], longest_side=side):
            yield {"seconds": instant, "height": rgb.shape[0], "width": rgb.shape[1], "lost": lost}, rgb
    else:
        pictures = (stream.watch(request["address"], longest_side=side) if request["ask"] == "watch"
                    else decode.frames(path, longest_side=side))  # fmt: skip
        for instant, rgb in pictures:
            yield {"seconds": instant, "height": rgb.shape[0], "width": rgb.shape[1]}, rgb
    yield {"end": True}, None


def _sounded(path: Path, request: dict[str, Any]) -> Iterator[Answer]:
    from har_core.video import sound

    told = sound.Told()
    for seconds in sound.beside(Path(request["film"]), path, Path(request["out"]), told):
        # A picture of one pixel says that the work goes on: whoever asks waits for no silent worker.
        yield {"seconds": seconds, "height": 1, "width": 1}, np.zeros((1, 1, 3), np.uint8)
    yield {"taken": told.taken, "note": told.note}, None


def _send(answers: BinaryIO, head: dict[str, Any], rgb: Rgb | None) -> None:
    text = json.dumps(head).encode()
    _write_all(answers, memoryview(struct.pack(">I", len(text)) + text))
    if rgb is not None:
        _write_all(answers, np.ascontiguousarray(rgb).reshape(-1).data)


def _write_all(answers: BinaryIO, rest: memoryview) -> None:
    while len(rest):
        rest = rest[answers.write(rest) :]


if __name__ == "__main__":
    main()
