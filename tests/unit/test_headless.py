"""The live recogniser without a browser: files, streams, films with an overlay, and what is told of them."""

import functools
import http.server
import json
import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_core import headless, images, video
from har_core.checkpoint import Card
from har_core.config import ClipSpec, LiveConfig, NetworkConfig
from har_core.errors import VideoError
from har_core.live import LiveRecognizer
from har_core.values import Prediction, Rgb, Seen, Segment

CLASSES = ("run", "sit", "wave")
SPEC = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)


class Engine:
    """Says the same of everybody; `slow` seconds a picture."""

    def __init__(self, slow: float = 0.0) -> None:
        self.card, self._slow = Card(CLASSES, SPEC, NetworkConfig(), windows=2, views=("person",)), slow

    def encode(self, rgb: Rgb) -> np.ndarray:
        time.sleep(self._slow * len(rgb))
        return np.zeros((len(rgb), 512), np.float32)

    def classify(self, clips: Sequence[np.ndarray]) -> list[Prediction]:
        return [Prediction(np.array([0.2, 0.1, 0.7]), CLASSES) for _ in clips]


def recogniser(detector: Any = None, *, slow: float = 0.0, threaded: bool = False) -> LiveRecognizer:
    config = LiveConfig(detect_every=1, least_seconds=0.5)
    return LiveRecognizer(Engine(slow), detector, config, threaded=threaded, remember=True)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1 s of a square that goes right, 20 frames."""
    path = tmp_path_factory.mktemp("second") / "second.mp4"

    def pictures() -> Iterator[Rgb]:
        for number in range(20):
            rgb = np.full((72, 96, 3), 60, np.uint8)
            rgb[20:50, 10 + number : 40 + number] = 250
            yield rgb

    video.write(path, pictures(), frames_per_second=20)
    return path


@pytest.fixture
def served(second: Path) -> Iterator[str]:
    """The address of a folder with the film in it."""
    handler = functools.partial(_Quiet, directory=str(second.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_all_that_was_seen_as_plain_values(second: Path, bright: Any) -> None:
    told = json.loads(json.dumps(headless.run(str(second), recogniser(bright), top=2), allow_nan=False))
    assert set(told) == {"mode", "frames", "fps", "dropped", "milliseconds", "latency_ms", "people", "trouble"}
    assert (told["mode"], told["frames"], told["dropped"], told["trouble"]) == ("person", 20, 0, "")
    assert told["fps"] > 0
    assert set(told["milliseconds"]) == {"detect", "encode", "classify", "draw"}
    for both in (*told["milliseconds"].values(), told["latency_ms"]):
        assert 0 <= both["p50"] <= both["p95"]
    (person,) = told["people"]
    assert set(person) == {"id", "seconds", "top", "timeline"}
    assert person["id"] == 1 and person["seconds"] == [0.0, pytest.approx(1.0)]
    assert person["top"] == [
        {"action": "wave", "probability": pytest.approx(0.7)}, {"action": "run", "probability": pytest.approx(0.2)},
    ]  # fmt: skip
    (part,) = person["timeline"]
    assert part["action"] == "wave" and part["probability"] == pytest.approx(0.7)
    assert 0 <= part["start"] < part["stop"] == pytest.approx(1.0)


def test_the_whole_picture(second: Path) -> None:
    told = headless.run(str(second), recogniser())
    assert told["mode"] == "frame" and [who["id"] for who in told["people"]] == [None]
    assert set(told["milliseconds"]) == {"encode", "classify", "draw"}


def test_a_person_as_plain_values() -> None:
    prediction = Prediction(np.array([0.2, 0.1, 0.7]), CLASSES)
    told = headless.person(Seen(None, 0.0, 2.0, prediction, (Segment(None, "wave", 0.5, 1.5, 0.6),)), 9)
    assert told["id"] is None and len(told["top"]) == 3
    assert told["timeline"] == [{"action": "wave", "start": 0.5, "stop": 1.5, "probability": 0.6}]


def test_what_is_a_file() -> None:
    assert [headless.is_file(s) for s in ("a.mp4", "0", "12", "rtsp://x", "http://x/y.mp4", "3.mp4", "a b")] == [
        True, False, False, False, False, True, True,
    ]  # fmt: skip


def test_realtime_takes_the_time_it_takes(second: Path) -> None:
    recognizer = recogniser(threaded=True)
    begun = time.monotonic()
    told = headless.run(str(second), recognizer, realtime=True)
    recognizer.close()
    assert 0.9 < time.monotonic() - begun < 4
    assert told["frames"] + told["dropped"] == 20
    assert told["latency_ms"]["p50"] < 500


def test_realtime_drops_what_there_is_no_time_for(second: Path) -> None:
    begun = time.monotonic()
    told = headless.run(str(second), recogniser(slow=0.15), realtime=True)  # waits for everything: slow on purpose
    assert told["frames"] + told["dropped"] == 20 and 3 <= told["dropped"] < 20
    assert time.monotonic() - begun < 6
    assert told["people"][0]["top"][0]["action"] == "wave"


def test_a_slow_model_does_not_stop_the_picture(second: Path) -> None:
    recognizer = recogniser(slow=0.3, threaded=True)
    told = headless.run(str(second), recognizer, realtime=True)
    recognizer.close()
    assert told["frames"] >= 10
    assert told["people"]


def test_seconds_and_loop(second: Path) -> None:
    assert headless.run(str(second), recogniser(), seconds=0.5)["frames"] == 10
    reports: list[tuple[float, int]] = []
    told = headless.run(
        str(second), recogniser(), seconds=3.5, loop=True, report=lambda at, number: reports.append((at, number))
    )
    assert told["frames"] == 70 and told["people"][0]["seconds"][1] == pytest.approx(3.5, abs=0.06)
    assert [number for _, number in reports] == [30, 60] and reports[0][0] == pytest.approx(29 / 20)
    assert not [t for t in threading.enumerate() if t.name == "camera"]


@pytest.mark.parametrize("realtime", [False, True])
def test_the_picture_with_all_that_is_drawn(second: Path, bright: Any, realtime: bool, tmp_path: Path) -> None:
    out = tmp_path / "drawn.mp4"
    headless.run(str(second), recogniser(bright), out=out, realtime=realtime)
    written, source = video.probe(out), video.probe(second)
    assert written.codec == "h264" and (written.width, written.height) == (96, 72)
    assert written.seconds == pytest.approx(source.seconds, abs=0.11)
    assert video.playable(out, tmp_path / "copies") == out
    ((_, plain),) = video.read(second, [0.5])
    ((_, drawn),) = video.read(out, [0.5])
    assert np.abs(plain.astype(int) - drawn).max() > 100, "nothing is drawn into it"


def test_the_rate_of_what_is_written(tmp_path: Path) -> None:
    for rate, expected in ((5, 5), (60, 30)):
        path, out = tmp_path / f"{rate}.mp4", tmp_path / f"{rate}out.mp4"
        pictures = (np.full((48, 64, 3), 4 * n % 255, np.uint8) for n in range(2 * rate))
        video.write(path, pictures, frames_per_second=rate)
        headless.run(str(path), recogniser(), out=out)
        assert video.probe(out).frames_per_second == pytest.approx(expected, rel=0.05)
        assert video.probe(out).seconds == pytest.approx(2.0, abs=0.1)


def test_a_single_picture(tmp_path: Path) -> None:
    path, out = tmp_path / "one.mp4", tmp_path / "out.mp4"
    video.write(path, [np.full((48, 64, 3), 90, np.uint8)], frames_per_second=10)
    told = headless.run(str(path), recogniser(), out=out)
    assert told["frames"] == 1 and len(told["people"]) == 1
    assert video.probe(out).frames == 1


def test_pictures_that_change_their_size_still_make_a_film() -> None:
    pictures = [(n / 10, np.full((48, 64, 3) if n < 5 else (24, 32, 3), n, np.uint8)) for n in range(10)]
    written = list(headless._by_rate(iter(pictures), 10))
    assert len(written) == 10 and {rgb.shape for rgb in written} == {(48, 64, 3)}


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("{tmp}/none.mp4", "none.mp4"), ("{tmp}/text.mp4", "text.mp4"), ("{tmp}", ""), ("97", "camera 97"),
        ("http://127.0.0.1:9/a.mp4", "127.0.0.1:9"), ("gopher://x/y", "gopher"), ("file:///etc/passwd", "file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("realtime", [False, True])
def test_what_cannot_be_watched_is_one_sentence(source: str, word: str, realtime: bool, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    before = set(threading.enumerate())
    with pytest.raises(VideoError) as error:
        headless.run(source.format(tmp=tmp_path), recogniser(), realtime=realtime)
    assert word in str(error.value) and "\n" not in str(error.value)
    time.sleep(0.05)
    assert set(threading.enumerate()) <= before


def test_a_place_that_cannot_be_written(second: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(VideoError):
        headless.run(str(second), recogniser(), out=tmp_path / "file" / "out.mp4", realtime=True)


def test_an_address(served: str, second: Path) -> None:
    watched = list(video.watch(f"{served}/second.mp4"))
    assert [seconds for seconds, _ in watched] == pytest.approx(np.arange(20) / 20)
    for (_, there), (_, here) in zip(watched, video.frames(second), strict=True):
        assert np.abs(there.astype(int) - here).mean() < 3
    assert {rgb.shape for _, rgb in video.watch(f"{served}/second.mp4", longest_side=48)} == {(36, 48, 3)}
    told = headless.run(f"{served}/second.mp4", recogniser(threaded=False))
    assert told["frames"] + told["dropped"] == 20 and not told["trouble"]
    with pytest.raises(VideoError, match="cannot be watched"):
        list(video.watch(f"{served}/nothing.mp4"))


def test_a_stream_may_be_left(served: str) -> None:
    stream = video.watch(f"{served}/second.mp4")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert math.isclose(next(video.watch(f"{served}/second.mp4"))[0], 0)


def test_a_film_never_takes_the_place_of_what_is_watched(second: Path, tmp_path: Path) -> None:
    film, link = tmp_path / "film.mp4", tmp_path / "link.mp4"
    film.write_bytes(second.read_bytes())
    link.hardlink_to(film)
    for out in (film, link, tmp_path / "." / "film.mp4"):
        with pytest.raises(VideoError, match="is watched"):
            headless.run(str(film), recogniser(), out=out)
    for out in (tmp_path, Path("/dev/null")):
        with pytest.raises(VideoError, match="folder or a device"):
            headless.run(str(film), recogniser(), out=out)
    assert film.read_bytes() == second.read_bytes()


@pytest.fixture
def cut_off(second: Path) -> Iterator[str]:
    """The address of a camera that gives 20 pictures, each third one damaged, and falls silent without hanging up."""
    ((_, picture),) = video.read(second, [0.5])
    jpeg = images.jpeg(picture)
    over = threading.Event()

    class Camera(_Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            damaged = b"\xff\xd8\xff" + bytes(len(jpeg) - 3)
            for number in range(20):
                self.wfile.write(head + (damaged if number % 3 == 2 else jpeg) + b"\r\n")
                time.sleep(0.04)
            over.wait(30)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/camera"
    over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_camera_that_breaks_off_leaves_what_was_seen(
    cut_off: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.mp4"

    def watch(address: str) -> Iterator[tuple[float, Rgb]]:
        for number, (seconds, rgb) in enumerate(video_watch(address)):
            if number == 12:
                raise VideoError("the camera is silent.")
            yield seconds, rgb

    video_watch = video.watch
    monkeypatch.setattr(video, "watch", watch)
    told = headless.run(cut_off, recogniser(), out=out)
    assert told["frames"] + told["dropped"] == 12 and told["trouble"] == "the camera is silent."
    assert video.probe(out).frames >= 2


def test_what_has_no_end_can_be_ended(cut_off: str, second: Path, tmp_path: Path) -> None:
    """Also while no picture comes."""
    for source, loop in ((cut_off, False), (str(second), True)):
        out = tmp_path / "out.mp4"
        ending = time.monotonic() + 2.5
        told = headless.run(source, recogniser(), loop=loop, out=out, stopped=lambda: time.monotonic() > ending)  # noqa: B023
        assert time.monotonic() < ending + 5
        assert told["frames"] >= 5 and not told["trouble"]
        assert video.probe(out).frames >= 2
        out.unlink()


@pytest.fixture
def listening() -> Iterator[None]:
    """Ctrl-C as Python has it: who runs tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_interrupt_ends_and_the_second_interrupts(listening: None) -> None:
    with headless.ended_by_interrupt() as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
