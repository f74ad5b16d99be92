"""The live recogniser: the file's numbers from single frames, and nothing that a stream does stops the picture."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_core import detection, live, video
from har_core.config import LiveConfig
from har_core.engine import Engine
from har_core.live import LiveRecognizer
from har_core.prediction import Predictor
from har_core.values import Detections, Prediction, Rgb, Seen

EVERY = LiveConfig(view="person", detect_every=1)


ROUNDING = 1e-4
"""In batches of another size sums are taken in another order, and what moves is amplified."""


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Engine:
    return Engine(tiny_model)


@pytest.fixture
def made() -> Iterator[Callable[..., LiveRecognizer]]:
    """Makes recognisers and closes them after the test."""
    all_of_them: list[LiveRecognizer] = []

    def make(*arguments: Any, **options: Any) -> LiveRecognizer:
        all_of_them.append(LiveRecognizer(*arguments, **options))
        return all_of_them[-1]

    yield make
    for recognizer in all_of_them:
        recognizer.close()


def scene(number: int, *, size_wh: tuple[int, int] = (160, 120), people: int = 1) -> Rgb:
    """Bright squares that wander slowly before a wall whose colour changes."""
    width, height = size_wh
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = (40 + number % 100, 90, 150 - number % 100)
    side, room = height // 4, width // max(1, people)
    for who in range(people):
        left = who * room + round((room - side) * (0.3 + 0.2 * np.sin(number / 15)))
        rgb[height // 3 : height // 3 + side, left : left + side] = (250, 250, 210 + number % 40)
    return rgb


def play(recognizer: LiveRecognizer, path: Path) -> list[Seen]:
    for seconds, rgb in video.frames(path):
        recognizer.process(rgb, seconds)
    recognizer.flush()
    assert not recognizer.view.trouble
    return recognizer.seen()


def settle(recognizer: LiveRecognizer, until: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait for the worker."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"still not so; trouble: {recognizer.view.trouble!r}"
        time.sleep(0.01)


def idle(recognizer: LiveRecognizer) -> None:
    """Let the worker do all that it was given: on a busy machine it would lose looks."""
    settle(recognizer, lambda: not (recognizer._slot or recognizer._busy))


class Slow:
    """An engine that says the same of everybody, slowly; counts what it encodes."""

    def __init__(self, like: Engine, *, each: float = 0.0) -> None:
        self.card, self._each, self.encoded = like.card, each, 0

    def encode(self, rgb: Rgb) -> np.ndarray:
        self.encoded += len(rgb)
        time.sleep(self._each * len(rgb))
        return np.zeros((len(rgb), 512), np.float32)

    def classify(self, clips: Sequence[np.ndarray]) -> list[Prediction]:
        return [Prediction(np.array([0.7, 0.2, 0.1]), self.card.classes) for _ in clips]


class Moody:
    """Detector or engine that fails while told to."""

    identity = "moody"

    def __init__(self, inner: Any) -> None:
        self.inner, self.card, self.broken = inner, getattr(inner, "card", None), False

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            if self.broken:
                raise RuntimeError("the cable is out\nsecond line")
            return getattr(self.inner, name)(*arguments)

        return call


# --- the same numbers as for a file -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wandering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wandering") / "wandering.mp4"
    video.write(path, (scene(n) for n in range(60)), frames_per_second=20)
    return path


def test_whole_pictures_as_in_a_file(engine: Engine, tiny_model: Path, tiny: Path, wandering: Path, made: Any) -> None:
    predictor = Predictor(tiny_model)
    for path in (*sorted(tiny.rglob("*_g04_*.mp4")), wandering):
        recognizer = made(engine, None, threaded=False, remember=True)
        assert recognizer.mode == "frame" and not recognizer.worker_alive
        (seen,) = play(recognizer, path)
        assert seen.track is None
        assert np.allclose(seen.prediction.probabilities, predictor.predict(path).probabilities, atol=ROUNDING)
        assert (seen.start, seen.stop) == (0.0, pytest.approx(video.probe(path).seconds))


@pytest.mark.parametrize("rate", [30, 15, 10, 7, 5])
def test_whole_pictures_at_any_rate(engine: Engine, tiny_model: Path, rate: int, made: Any, tmp_path: Path) -> None:
    path = tmp_path / "rate.mp4"
    video.write(path, (scene(round(n * 30 / rate)) for n in range(2 * rate)), frames_per_second=rate)
    (seen,) = play(made(engine, None, threaded=False, remember=True), path)
    assert np.allclose(seen.prediction.probabilities, Predictor(tiny_model).predict(path).probabilities, atol=ROUNDING)


def test_people_as_in_a_file(engine: Engine, tiny_model: Path, wandering: Path, bright: Any, made: Any) -> None:
    file = Predictor(tiny_model, detector=bright).everybody(wandering)
    recognizer = made(engine, bright, LiveConfig(view="person"), threaded=False, remember=True)
    assert recognizer.mode == "person"
    seen = play(recognizer, wandering)
    assert [s.track for s in seen] == [s.track for s in file] == [1]
    assert seen[0].prediction.action == file[0].prediction.action
    assert np.abs(seen[0].prediction.probabilities - file[0].prediction.probabilities).max() < 0.05
    assert seen[0].start == file[0].start == 0 and seen[0].stop == pytest.approx(file[0].stop, abs=0.11)
    assert [s.action for s in seen[0].segments] == [s.action for s in file[0].segments] != []


def test_real_clips_from_slower_cameras(
    engine: Engine, tiny_model: Path, shared_clips: Callable[[str], Path], yolo: Path, made: Any, tmp_path: Path
) -> None:
    """A file and cameras of 30, 15 and 10 frames a second that film the same agree on nine in ten people or more."""
    originals = sorted(shared_clips("yoga").rglob("*.mp4"))[::8]
    predictor = Predictor(tiny_model, detector=detection.load(str(yolo)))
    agree: dict[int, list[bool]] = {1: [], 2: [], 3: []}
    for original in originals:
        path = tmp_path / "piece.mp4"
        video.write(path, (rgb for _, rgb in video.read(original, 3 + np.arange(48) / 30)), frames_per_second=30)
        file = {s.track: s.prediction for s in predictor.everybody(path)}
        for every, held in agree.items():
            recognizer = made(engine, predictor.detector, LiveConfig(view="person"), threaded=False, remember=True)
            for number, (seconds, rgb) in enumerate(video.frames(path)):
                if number % every == 0:
                    recognizer.process(rgb, seconds)
            recognizer.flush()
            live = {s.track: s.prediction for s in recognizer.seen()}
            held += [t in live and live[t].action == said.action for t, said in file.items()]
            if every == 1:
                assert live.keys() == file.keys()
                assert all(np.abs(live[t].probabilities - p.probabilities).max() < 0.05 for t, p in file.items())
    for held in agree.values():
        assert len(held) >= len(originals) - 1 and sum(held) >= 0.9 * len(held), agree


# --- what a viewer sees -------------------------------------------------------------------------------------


def test_a_picture_is_drawn_on_and_the_view_says_why(engine: Engine, bright: Any, made: Any) -> None:
    recognizer = made(engine, bright, EVERY, threaded=False)
    assert recognizer.view.seconds == 0 and not len(recognizer.view.tracks)
    for number in range(60):
        rgb = scene(number)
        before = rgb.copy()
        drawn = recognizer.process(rgb, 5 + number / 30)
        assert drawn.shape == rgb.shape and np.array_equal(rgb, before) and not np.array_equal(drawn, rgb)
    view = recognizer.view
    assert view.seconds == pytest.approx(59 / 30) and view.whole is None and view.trouble == ""
    assert view.tracks.ids.tolist() == [1] and view.people.keys() == {1}
    assert view.people[1].stage == "sure" and view.people[1].probability > 0
    (segment,) = recognizer.segments()
    assert segment.track == 1 and segment.action == view.people[1].action
    numbers = recognizer.numbers()
    assert numbers.frames == 60 and set(numbers.milliseconds) == {"detect", "encode", "classify", "draw"}
    assert all(0 < half <= most for half, most in numbers.milliseconds.values())
    assert 0 < numbers.latency[0] <= numbers.latency[1]
    recognizer.note_dropped(3)
    assert recognizer.numbers().dropped == 3


def test_labels_come_after_the_least_seconds(engine: Engine, made: Any) -> None:
    recognizer = made(engine, None, LiveConfig(least_seconds=0.5), threaded=False)
    stages = []
    for number in range(30):
        recognizer.process(scene(number), number / 30)
        assert recognizer.view.whole is not None
        stages.append(recognizer.view.whole.stage)
    # The fourth of 8 looks a second is at 0.375 s and known with the frame after it.
    assert stages == ["collecting"] * 12 + ["sure"] * 18


def test_the_mode_follows_model_detector_and_wish(engine: Engine, bright: Any, made: Any) -> None:
    person = Slow(engine)
    person.card = replace(engine.card, views=("person",))
    assert made(engine, bright).mode == "frame", "a model that never saw people alone"
    assert made(person, bright).mode == "person"
    assert made(person, bright, LiveConfig(view="frame")).mode == "frame"
    assert made(person, None, LiveConfig(view="person")).mode == "frame"
    assert made(engine, bright, EVERY).mode == "person"


def test_two_recognisers_are_independent(engine: Engine, bright: Any, made: Any) -> None:
    one, other = made(engine, bright, EVERY), made(engine, bright, EVERY)
    for number in range(40):
        one.process(scene(number, people=1), number / 20)
        other.process(scene(number, people=3), 100 + number / 20)
        idle(one)
        idle(other)
    one.flush()
    other.flush()
    assert one.view.tracks.ids.tolist() == [1]
    assert sorted(other.view.tracks.ids.tolist()) == [1, 2, 3]
    assert {s.track for s in one.segments()} == {1}
    assert {s.track for s in other.segments()} == {1, 2, 3}
    one.close()
    settle(one, lambda: not one.worker_alive)
    assert other.worker_alive


def test_close_leaves_no_thread(engine: Engine, bright: Any, made: Any) -> None:
    before = set(threading.enumerate())
    recognizers = [made(engine, bright, EVERY) for _ in range(3)]
    assert len([t for t in threading.enumerate() if t.name == "live" and t not in before]) == 3
    for recognizer in recognizers:
        for number in range(10):
            recognizer.process(scene(number), number / 10)
        recognizer.close()
        recognizer.close()
        settle(recognizer, lambda ended=recognizer: not ended.worker_alive)
        recognizer.flush()
        assert recognizer.view.tracks.ids.tolist() == [1], "what was found stays readable"
        assert recognizer.process(scene(11), 1.2).shape == (120, 160, 3), "a late frame is no error"
    assert set(threading.enumerate()) <= before


# --- trouble ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["detector", "engine", "draw"])
@pytest.mark.parametrize("threaded", [False, True])
def test_trouble_is_shown_and_goes_away(
    engine: Engine, bright: Any, what: str, threaded: bool, made: Any, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    moody = Moody({"detector": bright, "engine": engine, "draw": live}[what])
    if what == "draw":
        draw = live.draw
        moody.inner = type("Pen", (), {"draw": staticmethod(draw)})
        monkeypatch.setattr(live, "draw", lambda *a, **k: moody.draw(a, k) if moody.broken else draw(*a, **k))
    recognizer = made(
        moody if what == "engine" else engine, moody if what == "detector" else bright, EVERY, threaded=threaded
    )

    def go(first: int, last: int, until: Callable[[], object]) -> None:
        for number in range(first, last):
            drawn = recognizer.process(scene(0), number / 20)
            assert drawn.shape == (120, 160, 3)
            if threaded and what == "engine":
                time.sleep(0.01)
        settle(recognizer, until)

    go(0, 20, lambda: not recognizer.view.trouble)
    moody.broken = True
    go(20, 60, lambda: recognizer.view.trouble)
    assert recognizer.view.trouble == "A frame could not be looked at: the cable is out"
    assert recognizer.numbers().frames == 60
    moody.broken = False
    go(60, 100, lambda: True)
    recognizer.flush()
    recognizer.process(scene(0), 5.0)
    assert recognizer.view.trouble == ""
    assert recognizer.view.tracks.ids.tolist() == [1]
    err = capsys.readouterr().err
    assert err.count("RuntimeError: the cable is out") == 1, "said once, not thirty times a second"


def test_trouble_at_the_very_end(engine: Engine, made: Any) -> None:
    moody = Moody(engine)
    recognizer = made(moody, None, threaded=False, remember=True)
    for number in range(20):
        recognizer.process(scene(number), number / 8)
    moody.broken = True
    recognizer.flush()
    assert "cable" in recognizer.view.trouble
    assert len(recognizer.seen()) == 1


@pytest.mark.parametrize("rgb", [np.empty((0, 5, 3), np.uint8), np.zeros((4, 4), np.uint8)])
def test_what_is_no_picture_is_trouble(engine: Engine, bright: Any, rgb: Rgb, made: Any) -> None:
    recognizer = made(engine, bright, EVERY, threaded=False)
    recognizer.process(rgb, 0.0)
    assert recognizer.view.trouble
    for number in range(3):
        recognizer.process(scene(number), 0.1 + number / 10)
    assert not recognizer.view.trouble and recognizer.view.tracks.ids.tolist() == [1]


# --- what streams do ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("size", [(320, 240), (80, 60), (160, 90)])
def test_a_camera_may_change_its_resolution(
    engine: Engine, bright: Any, every: int, size: tuple[int, int], made: Any
) -> None:
    recognizer = made(engine, bright, replace(EVERY, detect_every=every), threaded=False)
    for number in range(60):
        size_wh = (160, 120) if number < 31 else size
        recognizer.process(scene(number, size_wh=size_wh), number / 30)
        assert recognizer.view.tracks.ids.tolist() == [1]
        found = bright.detect(scene(number, size_wh=size_wh)).xyxy[0]
        off = np.abs(recognizer.view.tracks.xyxy[0] - found).max() / size_wh[0]
        assert off < 0.07, f"frame {number}: the box is elsewhere"
    assert not recognizer.view.trouble


@pytest.mark.parametrize("how", ["time goes back", "reset"])
def test_a_new_source_begins_at_1(engine: Engine, bright: Any, how: str, made: Any) -> None:
    recognizer = made(engine, bright, EVERY, threaded=False, remember=True)
    for number in range(60):
        recognizer.process(scene(number, people=2), 50 + number / 20)
    assert recognizer.segments()
    if how == "reset":
        recognizer.reset()
    begin = 50.0 if how == "time goes back" else 53.0
    recognizer.process(scene(0), begin)
    assert recognizer.view.seconds == 0 and recognizer.view.tracks.ids.tolist() == [1]
    assert recognizer.view.people[1].stage == "collecting" and recognizer.segments() == []
    recognizer.process(scene(1), begin + 0.05)
    recognizer.flush()
    assert [s.track for s in recognizer.seen()] == [1]


def test_a_small_step_back_is_none(engine: Engine, bright: Any, made: Any) -> None:
    recognizer = made(engine, bright, EVERY, threaded=False)
    for seconds in (0.0, 0.1, 0.2, 0.15, 0.2, 0.2, 0.3):
        recognizer.process(scene(round(30 * seconds)), seconds)
    assert not recognizer.view.trouble and recognizer.view.tracks.ids.tolist() == [1]
    assert recognizer.view.seconds == 0.3


def test_a_frozen_stream_is_not_taken_for_a_still(engine: Engine, made: Any) -> None:
    recognizer = made(engine, None, LiveConfig(least_seconds=2.0), threaded=False)
    spec = replace(engine.card.clip, window_seconds=5.0, most_frames=40)
    slow = Slow(engine)
    slow.card = replace(engine.card, clip=spec)
    recognizer.switch(slow)
    for seconds in (0.0, 0.1, 0.2, 300.0, 300.1):
        recognizer.process(scene(1), seconds)
        assert recognizer.view.whole.stage == "collecting", "three pictures and a long freeze are not two seconds"


def test_another_model_while_playing(engine: Engine, bright: Any, made: Any) -> None:
    other = Slow(engine)
    other.card = replace(engine.card, classes=("a", "b", "c"))
    recognizer = made(engine, bright, EVERY, threaded=False, remember=True)
    for number in range(40):
        recognizer.process(scene(number), number / 20)
    assert recognizer.view.people[1].action in engine.card.classes
    recognizer.switch(other)
    recognizer.process(scene(40), 2.0)
    assert recognizer.view.tracks.ids.tolist() == [1] and recognizer.view.people[1].stage == "collecting"
    for number in range(41, 80):
        recognizer.process(scene(number), number / 20)
    assert recognizer.view.people[1].action == "a"
    recognizer.flush()
    (seen,) = recognizer.seen()
    assert seen.prediction.classes == ("a", "b", "c") and seen.start >= 1.9


def test_a_person_who_leaves_as_the_model_changes(engine: Engine, bright: Any, made: Any) -> None:
    recognizer = made(engine, bright, EVERY, threaded=False, remember=True)
    for number in range(20):
        recognizer.process(scene(number), number / 8)
    recognizer.switch(Slow(engine))
    for number in range(20, 30):
        recognizer.process(scene(number, people=0), number / 8)
    recognizer.flush()
    assert not recognizer.view.trouble
    assert all(seen.stop > seen.start for seen in recognizer.seen())


def test_a_mode_may_change_with_the_model(engine: Engine, bright: Any, made: Any) -> None:
    person = Slow(engine)
    person.card = replace(engine.card, views=("person",))
    recognizer = made(engine, bright, LiveConfig(), threaded=False)
    for number in range(90):
        if number in (30, 60):
            recognizer.switch(person if number == 30 else engine)
        recognizer.process(scene(number), number / 20)
        assert (recognizer.view.whole is None) == (30 <= number < 60)
    assert not recognizer.view.trouble


def test_nobody_for_long_and_then_somebody(engine: Engine, bright: Any, made: Any) -> None:
    recognizer = made(engine, bright, EVERY)
    for number in range(600):
        recognizer.process(scene(number, people=0), number / 20)
    view = recognizer.view
    assert not view.trouble and not len(view.tracks) and not view.people and not recognizer.segments()
    for number in range(600, 640):
        recognizer.process(scene(number), number / 20)
        idle(recognizer)
    recognizer.flush()
    recognizer.process(scene(641), 641 / 20)
    assert recognizer.view.people[1].stage == "sure"


# --- load ---------------------------------------------------------------------------------------------------


class Crowd:
    """Twenty people who stand still; nothing to look for."""

    identity = "crowd"

    def detect(self, rgb: Rgb) -> Detections:
        left = np.arange(20, dtype=np.float32) * 8
        boxes = np.stack([left, left * 0 + 40, left + 7, left * 0 + 90], axis=1)
        return Detections(boxes, np.full(20, 0.9, np.float32))


def test_a_crowd_is_classified_in_turn(engine: Engine, made: Any) -> None:
    slow = Slow(engine, each=0.004)
    config = replace(EVERY, budget_ms=1, least_seconds=0.1)
    recognizer = made(slow, Crowd(), config, threaded=True)
    at_once: list[int] = []
    encode = slow.encode
    slow.encode = lambda rgb: at_once.append(len(rgb)) or encode(rgb)  # type: ignore[method-assign]
    named: set[int] = set()
    for number in range(1200):
        recognizer.process(scene(number, people=0), number / 16)
        named |= {track for track, reading in recognizer.view.people.items() if reading.stage == "sure"}
        if len(named) == 20:
            break
        time.sleep(0.002)
    assert named == set(range(1, 21)), "everybody has a turn in the end"
    assert np.median(at_once[5:]) <= 5, "and the encoder's time is kept to"


def test_a_slow_worker_starves_nobody(engine: Engine, made: Any) -> None:
    """The worker takes every other job: who waited in one that was replaced comes next."""
    slow = Slow(engine)
    recognizer = made(slow, Crowd(), replace(EVERY, budget_ms=1), threaded=True)
    recognizer.close()  # by hand, from here on
    looked: set[int] = set()
    for number in range(100):
        recognizer._meter.encode_ms = 1e3
        recognizer.process(scene(number, people=0), number / 8)
        if number % 2 and (job := recognizer._slot):
            recognizer._turn.update(dict.fromkeys(job.subjects, job.seconds))
            recognizer._slot = None
            looked |= set(job.subjects)
    assert looked == set(range(1, 21))


def test_memory_does_not_grow_with_people(engine: Engine, bright: Any, made: Any) -> None:
    recognizer = made(Slow(engine), bright, replace(EVERY, keep=1), threaded=False)
    sizes = []
    for number in range(800):
        rgb = scene(number, people=0)
        if number % 8 < 5:  # somebody new each time
            left = 20 + 50 * (number // 8 % 2)
            rgb[40:80, left : left + 30] = 250
        recognizer.process(rgb, number / 8)
        watch = recognizer._watch
        sizes.append([
            len(watch.span), len(watch.readings), len(watch._buffers), len(watch._labels), len(watch._ticks),
            len(watch.timeline._open), len(recognizer._turn), len(recognizer._tracker._ids),
        ])  # fmt: skip
    assert recognizer._tracker._met >= 90
    assert np.max(sizes) <= 4
    assert not recognizer._watch._ticks
    assert len(recognizer.segments()) <= 60


def test_numbers_may_be_read_from_another_thread(engine: Engine, made: Any) -> None:
    recognizer = made(Slow(engine), None, threaded=True)
    stop = threading.Event()
    failed: list[Exception] = []

    def read() -> None:
        while not stop.is_set():
            try:
                recognizer.numbers()
                recognizer.segments()
                recognizer.note_dropped(1)
            except Exception as error:
                failed.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(200):
        recognizer.process(np.zeros((16, 16, 3), np.uint8), number / 30)
    stop.set()
    for reader in readers:
        reader.join()
    assert not failed and not recognizer.view.trouble


def test_a_closed_recogniser_is_let_go(engine: Engine, bright: Any) -> None:
    def used() -> "weakref.ref[LiveRecognizer]":
        recognizer = LiveRecognizer(engine, bright, EVERY)
        recognizer.process(scene(0), 0.0)
        recognizer.close()
        settle(recognizer, lambda: not recognizer.worker_alive)
        return weakref.ref(recognizer)

    gone = used()
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("first", [True, False])
def test_a_time_that_is_no_number_spoils_one_frame(engine: Engine, made: Any, odd: float, first: bool) -> None:
    recognizer = made(engine, None, threaded=False)
    for seconds in [*([] if first else [0.0]), odd]:
        recognizer.process(scene(0), seconds)
    assert "must be a number of seconds" in recognizer.view.trouble
    for number in range(1, 40):
        recognizer.process(scene(number), number / 15)
    assert not recognizer.view.trouble
    assert recognizer.view.whole.stage != "collecting"


def test_close_can_wait_for_the_worker(engine: Engine) -> None:
    """A program that ends while its worker classifies would crash."""
    recognizer = LiveRecognizer(engine, None)
    for number in range(10):
        recognizer.process(scene(number), number / 15)
    recognizer.close(wait=True)
    assert not recognizer.worker_alive
    recognizer.close(wait=True)
