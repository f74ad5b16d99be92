"""What `python -m har_core analyse` does: the attendant of a workspace, and below it the child with torch."""

import argparse
import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from har_core import analyses, attendant, video
from har_core.analyses import Task
from har_core.errors import Cancelled, HarError
from har_core.values import VideoProperties

if TYPE_CHECKING:
    from har_core.lanes import Analysis
    from har_core.prediction import Predictor

STRIP, ALONG = 5, 12
"""Frames of the strip on a card, and along the time of the player."""
_STRIP_HEIGHT, _ALONG_HEIGHT = 112, 72
PLAYED_AS_IT_IS = 256 << 20
"""Bytes of a video that the page shows as it is: Streamlit holds what it serves in memory."""
_COPY_SIDE, _COPY_RATE = 640, 30.0
_LISTED = 10
"""Actions of an answer that lists and tables show."""
_WORD_SECONDS = 0.25
_MODELS = 2

Say = Callable[[dict[str, object]], None]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of the hidden command: the app starts it."""
    parser.add_argument("root", type=Path, nargs="?", metavar="WORKSPACE")
    parser.add_argument("--child", action="store_true", help="be the process with torch")


def analyse(given: argparse.Namespace) -> int:
    """Be the attendant of a workspace, or its child."""
    if given.child:
        _child()
    elif given.root is not None:
        attendant.serve(given.root.resolve(), attendant.Limits())
    return 0


class Loaded:
    """The models used last, ready; loaded anew when a better epoch replaced one."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], Predictor] = {}

    def get(self, folder: str) -> "Predictor":
        """The model in a folder, and its detector.

        Raises:
            HarError: it is damaged.
        """
        from har_core.prediction import Predictor

        card = Path(folder) / "card.json"
        key = folder, card.stat().st_mtime_ns if card.is_file() else 0
        found = self._kept.pop(key, None) or Predictor(Path(folder))
        self._kept[key] = found  # the one used last is the last
        while len(self._kept) > _MODELS:
            del self._kept[next(iter(self._kept))]
        return found


def _child() -> None:
    """Do what stdin says, one JSON object a line, until it closes."""
    with contextlib.suppress(OSError):
        os.nice(5)  # a live page beside it comes first
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    # A private copy of stdout, so that nothing a library prints gets between the words.
    words = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    loaded = Loaded()
    while True:
        order = json.loads(orders.get())
        if order["do"] == "warm":
            try:
                _ = loaded.get(order["model"]).detector
            except (HarError, OSError):
                pass  # whoever asks for an answer is told
            except Exception:  # a bug; an order that came after this one must not die of it
                traceback.print_exc()
            continue
        words.write(json.dumps(work(Task(Path(order["folder"])), order["do"], loaded, _throttled(words.write))) + "\n")


def _listen(orders: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)  # the attendant is gone


def _throttled(write: Callable[[str], object]) -> Say:
    last, phase = 0.0, ""

    def say(word: dict[str, object]) -> None:
        nonlocal last, phase
        now = time.monotonic()
        if "phase" not in word or word["phase"] != phase or now - last > _WORD_SECONDS:
            last, phase = now, str(word.get("phase", phase))
            write(json.dumps(word) + "\n")

    return say


def work(task: Task, what: str, loaded: Loaded, say: Say) -> dict[str, object]:
    """Do one thing for an analysis; gives how it ended: {"end": "done" | "failed" | "stopped", "message": sentence}."""

    def stopped() -> bool:
        return (task.folder / "stop").exists()

    def progress(phase: str) -> Callable[[float, float], None]:
        def report(done: float, total: float) -> None:
            if stopped():
                raise Cancelled("The viewer has had enough.")
            say({"phase": phase, "done": done, "total": total})

        return report

    note = ""
    try:
        if what == "analyse":
            note = _analyse(task, loaded, say, progress, stopped)
        elif what == "film":
            note = _film(task, progress("filming"), stopped)
        else:
            _copy(task, progress("copying"))
    except (HarError, OSError) as error:
        if stopped() or isinstance(error, Cancelled):
            return {"end": "stopped"}
        told = str(error) if isinstance(error, HarError) else f"{error.filename or 'The disk'}: {error.strerror}."
        return {"end": "failed", "message": told}
    except MemoryError:
        return {"end": "failed", "message": "There is not enough memory for this video. Re-encode it smaller."}
    except Exception as error:  # a bug, or what a damaged file did to a library: the viewer gets a sentence
        traceback.print_exc()
        told = f"This video could not be analysed ({type(error).__name__}: {error}). Re-encode it and try again."
        return {"end": "failed", "message": told[:500]}
    return {"end": "stopped" if stopped() else "done", "message": note}


def _analyse(
    task: Task,
    loaded: Loaded,
    say: Say,
    progress: Callable[[str], Callable[[float, float], None]],
    stopped: Callable[[], bool],
) -> str:
    """Look at the video, and make what else was asked for; gives what to know of the annotated video, or ""."""
    request, source = task.request(), task.source()
    say({"phase": "loading"})
    properties = video.probe(source)  # a file that is no video is told at once
    predictor = loaded.get(request.model)
    from har_core import analysis

    now: analysis.Phase = "looking"

    def enter(phase: analysis.Phase) -> None:
        nonlocal now
        now = phase

    found = analysis.analyse(
        predictor, source, people=request.people, progress=lambda done, total: progress(now)(done, total),
        cancelled=stopped, keep=task.keep, phase=enter, name=request.name,
    )  # fmt: skip
    _pictures(task, source, properties)
    keep_answer(task, found)
    say({"answered": True})
    if not plays(source) and not request.film:
        _copy(task, progress("copying"))
    return _film(task, progress("filming"), stopped) if request.film else ""


def keep_answer(task: Task, found: "Analysis") -> None:
    """Write an answer and the few figures of it that a list shows; an annotated video is out of date from then on.

    Raises:
        OSError: the disk is full.
    """
    top = found.whole.prediction.top(_LISTED)
    told = {
        "top": [[action, round(p, 4)] for action, p in top], "unsure": found.unsure, "damage": found.damage,
        "seconds": found.properties.seconds, "people": len(found.people),
        "aspect": found.properties.width / max(1, found.properties.height),
        "seen": [action for action, _, _ in found.seen()][:_LISTED],
    }  # fmt: skip
    analyses.write(task.folder / "summary.json", json.dumps(told))
    analyses.write(task.answer, json.dumps(found.to_json()))
    if task.film.exists():
        (task.folder / analyses.OUTDATED).touch()


def _film(task: Task, progress: Callable[[float, float], None], stopped: Callable[[], bool]) -> str:
    """The annotated video, whole or not at all; gives what to know of it, such as that it is silent, or ""."""
    from har_core import annotate
    from har_core.lanes import Analysis

    progress(0.0, 0.0)
    found = Analysis.from_json(json.loads(task.answer.read_text(encoding="utf-8")))
    part = task.folder / ".annotated.mp4"
    try:
        note = annotate.annotate(task.source(), found, part, keep=task.keep, progress=progress, cancelled=stopped)
        if stopped():
            raise Cancelled("The viewer has had enough.")
        part.replace(task.film)
        (task.folder / analyses.OUTDATED).unlink(missing_ok=True)
        return note
    finally:
        part.unlink(missing_ok=True)


def plays(source: Path) -> bool:
    """Whether the page can show the video as it is."""
    return source.stat().st_size <= PLAYED_AS_IT_IS and video.browsers_play(source)


def _copy(task: Task, progress: Callable[[float, float], None]) -> None:
    """A small copy of the whole length, with its sound, for browsers."""
    source = task.source()
    properties = video.probe(source)
    rate = max(1.0, min(_COPY_RATE, properties.frames_per_second))
    at = np.arange(max(1, int(properties.seconds * rate + 1e-6))) / rate

    def pictures() -> Any:  # noqa: ANN401  # an iterator of pictures
        for seconds, rgb in video.read(source, at, longest_side=_COPY_SIDE):
            progress(seconds, properties.seconds)
            yield rgb

    video.write(
        task.copy, pictures(), frames_per_second=rate, sound=source,
        report=lambda _: progress(properties.seconds, properties.seconds),
    )  # fmt: skip


def _pictures(task: Task, source: Path, properties: VideoProperties) -> None:
    """The strip of five frames for a card, and twelve along the time for the player; nice to have, no more."""
    from har_core.images import jpeg, resize

    at = (np.arange(ALONG) + 0.5) / ALONG * properties.seconds
    with contextlib.suppress(HarError, OSError):
        frames = [rgb for _, rgb in video.read(source, at, longest_side=320)]
        chosen = [frames[i] for i in np.linspace(0, ALONG - 1, STRIP).round().astype(int)]
        for name, some, height in (("strip.jpg", chosen, _STRIP_HEIGHT), ("frames.jpg", frames, _ALONG_HEIGHT)):
            width = min(4 * height, max(1, round(some[0].shape[1] * height / some[0].shape[0])))
            picture = np.concatenate([resize(rgb, (width, height)) for rgb in some], axis=1)
            (task.folder / name).write_bytes(jpeg(picture, quality=78))
