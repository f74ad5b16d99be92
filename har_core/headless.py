"""The live recogniser without a browser: for measuring, for servers, for films with an overlay."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from har_core import video
from har_core.errors import VideoError
from har_core.live import LiveRecognizer
from har_core.values import Rgb, Seen

Report = Callable[[float, int], None]
_OUT_RATE = 30.0
_ASKING_SECONDS = 0.2


def run(
    source: str,
    recognizer: LiveRecognizer,
    *,
    realtime: bool = False,
    out: Path | None = None,
    seconds: float = math.inf,
    loop: bool = False,
    top: int = 5,
    report: Report | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Watch a source to its end and give all that was seen as plain values for JSON.

    A camera or stream that breaks off has ended: what was seen and written until then is kept, why it broke off is
    told as `trouble`.

    Args:
        source: a file, the number of a camera, or the address of a stream.
        recognizer: made with `remember`; threaded where `realtime`, or a slow model would stop the picture.
        realtime: hand frames over by the clock and drop those that come while one is worked on, as a camera does;
            cameras and streams are always watched so.
        out: write the drawn frames to this H.264 file too.
        seconds: stop after so much of the stream.
        loop: begin a file again when it ends.
        top: how many actions to name of each person.
        report: called with the stream's seconds and the number of frames now and then.
        stopped: asked at every frame, and several times a second while none comes; True ends it as the source's end.

    Raises:
        VideoError: nothing of the source can be read, or `out` cannot be written.
    """
    file, kept = Path(source), is_file(source)
    if out is not None:
        _check_place(out, file if kept else None)
    frames = _looped(file, loop=loop) if kept else video.watch(source)
    told: list[str] = []
    if realtime or not kept:
        feed = _paced(frames, recognizer, by_clock=kept, stopped=stopped, told=told)
    else:
        feed = _at_once(frames)
    begun = time.monotonic()
    drawn = _drawn(feed, recognizer, seconds, report, stopped)
    with contextlib.closing(feed):
        if out is not None:
            rate = min(_OUT_RATE, video.probe(file).frames_per_second) if kept else _OUT_RATE
            video.write(out, _by_rate(drawn, rate), frames_per_second=rate)
        else:
            for _ in drawn:
                pass
    recognizer.flush()
    seen = _described(recognizer, time.monotonic() - begun, top)
    return seen | {"trouble": " ".join([*told, seen["trouble"]]).strip()}


@contextlib.contextmanager
def ended_by_interrupt() -> Iterator[Callable[[], bool]]:
    """Gives `stopped` for `run`: the first Ctrl-C ends what has no end of its own, a second one interrupts as ever.

    For the main thread. Where Ctrl-C is ignored or handled already, that stays.
    """
    asked: list[bool] = []

    def ask(*_: object) -> None:
        asked.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _check_place(out: Path, source: Path | None) -> None:
    """Before anything is watched: the film takes the place of what is there, so that must be fit to lose."""
    if not out.exists():
        return
    if not out.is_file():
        raise VideoError(f"A film cannot take the place of {out}, which is a folder or a device. Name a file.")
    if source is not None and source.exists() and out.samefile(source):
        raise VideoError(f"The film would take the place of {out}, which is the file that is watched. Name another.")


def is_file(source: str) -> bool:
    """Whether a source is a file, not a camera or the address of a stream."""
    return not (source.isdigit() or "://" in source)


def _looped(file: Path, *, loop: bool) -> Iterator[tuple[float, Rgb]]:
    length = video.probe(file).seconds  # says at once what is wrong with the file
    begin = 0.0
    while True:
        for seconds, rgb in video.frames(file):
            yield begin + seconds, rgb
        if not loop:
            return
        begin += max(length, 0.04)


def _at_once(frames: Iterator[tuple[float, Rgb]]) -> Generator[tuple[float, Rgb, float | None]]:
    for seconds, rgb in frames:
        yield seconds, rgb, None


def _paced(
    frames: Iterator[tuple[float, Rgb]],
    recognizer: LiveRecognizer,
    *,
    by_clock: bool,
    stopped: Callable[[], bool],
    told: list[str],
) -> Generator[tuple[float, Rgb, float | None]]:
    """The newest frame whenever one is asked for; those in between are dropped and counted.

    Why a camera or stream broke off goes to `told`.
    """
    change = threading.Condition()
    waiting: list[tuple[float, Rgb, float]] = []
    state: dict[str, Any] = {"ended": False, "error": None, "stop": False}

    def read() -> None:
        begun = None
        try:
            with contextlib.closing(frames):  # type: ignore[type-var]  # both are generators
                for seconds, rgb in frames:
                    begun = time.monotonic() - seconds if begun is None else begun
                    if by_clock and (early := begun + seconds - time.monotonic()) > 0:
                        time.sleep(early)
                    with change:
                        if state["stop"]:
                            return
                        recognizer.note_dropped(len(waiting))
                        waiting[:] = [(seconds, rgb, time.monotonic())]
                        change.notify_all()
        except VideoError as error:
            state["error"] = error
        finally:
            with change:
                state["ended"] = True
                change.notify_all()

    reader = threading.Thread(target=read, name="camera", daemon=True)
    reader.start()
    given = False
    try:
        while not stopped():
            with change:
                change.wait_for(lambda: waiting or state["ended"], _ASKING_SECONDS)
                if not waiting and state["ended"]:
                    break
                if not waiting:
                    continue
                frame = waiting.pop()
            given = True
            yield frame
    finally:
        with change:
            state["stop"] = True
    if state["error"] and (by_clock or not given):
        raise state["error"]
    if state["error"]:
        told.append(str(state["error"]))


def _drawn(
    feed: Iterator[tuple[float, Rgb, float | None]],
    recognizer: LiveRecognizer,
    limit: float,
    report: Report | None,
    stopped: Callable[[], bool],
) -> Iterator[tuple[float, Rgb]]:
    for number, (seconds, rgb, arrived) in enumerate(feed, 1):
        if seconds >= limit or stopped():
            return
        drawn = recognizer.process(rgb, seconds, arrived=arrived)
        if report and number % 30 == 0:
            report(seconds, number)
        yield seconds, drawn


def _by_rate(drawn: Iterator[tuple[float, Rgb]], rate: float) -> Iterator[Rgb]:
    """Pictures at a steady rate from those that come at any time: each is shown until the next."""
    written, shown = 0, None
    size = None
    for seconds, rgb in drawn:
        while shown is not None and written / rate < seconds - 1e-6:
            yield shown
            written += 1
        size = size or rgb.shape
        shown = rgb if rgb.shape == size else shown  # a film has one size; a camera may change its own
    if shown is not None:
        yield shown


def _described(recognizer: LiveRecognizer, wall: float, top: int) -> dict[str, Any]:
    numbers = recognizer.numbers()
    both = ("p50", "p95")
    return {
        "mode": recognizer.mode,
        "frames": numbers.frames,
        "fps": numbers.frames / max(wall, 1e-6),
        "dropped": numbers.dropped,
        "milliseconds": {stage: dict(zip(both, values, strict=True)) for stage, values in numbers.milliseconds.items()},
        "latency_ms": dict(zip(both, numbers.latency, strict=True)),
        "people": [person(seen, top) for seen in recognizer.seen()],
        "trouble": recognizer.view.trouble,
    }


def person(seen: Seen, top: int) -> dict[str, Any]:
    """What was seen of somebody, as plain values; `top` actions are named."""
    return {
        "id": seen.track,
        "seconds": [seen.start, seen.stop],
        "top": [{"action": action, "probability": p} for action, p in seen.prediction.top(top)],
        "timeline": [
            {"action": s.action, "start": s.start, "stop": s.stop, "probability": s.score} for s in seen.segments
        ],
    }
