"""What a stream looks at and what it says of it: file and camera agree, labels do not flicker, nothing grows."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from har_core.buffers import Buffer, Label, Timeline, Watch, last_tick, tick, wanted, whole_clip
from har_core.checkpoint import Card
from har_core.config import ClipSpec, LiveConfig, NetworkConfig
from har_core.prediction import Predictor
from har_core.sampling import count, plan
from har_core.values import Prediction, Reading

SPEC = ClipSpec(window_seconds=1.5, frames_per_second=20 / 1.5, most_frames=20, size=32)
CLASSES = ("run", "sit", "wave")
CARD = Card(CLASSES, SPEC, NetworkConfig(), windows=3)
RATES = (10, 12, 15, 25, 30000 / 1001, 30, 60)


def shown(times: np.ndarray, instant: float) -> int:
    """The frame that `video.read` gives for an instant: the last whose time is not after it."""
    return max(0, int(np.searchsorted(times, instant + 1e-6, side="right")) - 1)


def says(*probabilities: float, unsure_below: float = 0.0) -> Prediction:
    return Prediction(np.array(probabilities), CLASSES, unsure_below)


def mark(number: int) -> np.ndarray:
    return np.full(4, number, np.float32)


def streamed(times: np.ndarray, spec: ClipSpec) -> None:
    """Feed frames one by one; at every tick the buffer must show what `video.read` would."""
    buffer, step, full = Buffer(spec), 1 / spec.frames_per_second, count(math.inf, spec)
    done = -1
    for number, (now, following) in enumerate(itertools.pairwise(times)):
        looks = wanted(now, following, spec)
        ticks = range(done + 1, last_tick(now, following, spec) + 1)
        assert looks == bool(ticks), f"frame {number} at {now} s"
        if not looks:
            continue
        buffer.add(float(now), mark(number))
        for last in ticks:
            begin = max(0, last - full + 1)
            seen = buffer.window(last)[:, 0].astype(int).tolist()
            assert seen == [shown(times, t * step) for t in range(begin, last + 1)]
            assert buffer.covered(last) == pytest.approx((last + 1) * step)
        done = ticks[-1]
    assert done == tick(float(times[-1]) - 2e-6, spec)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("digits", [9, 3], ids=["exact times", "times in ms"])
def test_a_camera_shows_what_reading_the_file_shows(rate: float, digits: int) -> None:
    streamed(np.round(np.arange(round(5 * rate)) / rate, digits), SPEC)


@given(st.lists(st.floats(1e-3, 0.9), min_size=1, max_size=60), st.sampled_from([2.0, 8.0, 20 / 1.5, 30.0]))
@example([1 / 8] * 20, 8.0)
@example([1 / 16] * 20, 8.0)
def test_so_does_a_camera_that_stutters(gaps: list[float], rate: float) -> None:
    streamed(np.concatenate([[0.0], np.cumsum(gaps)]), replace(SPEC, frames_per_second=rate, most_frames=12))


def test_wanted_and_tick() -> None:
    spec = replace(SPEC, frames_per_second=10.0)
    assert [tick(s, spec) for s in (0.0, 0.0999, 0.1, 0.3, 0.1 * 3, 1.2)] == [0, 0, 1, 3, 3, 12]
    assert wanted(0.0, 0.03, spec) and not wanted(0.03, 0.06, spec)
    assert wanted(0.09, 0.13, spec) and not wanted(0.09, 0.1, spec) and wanted(0.1, 0.11, spec)


def test_a_frozen_picture_stands_for_a_second_at_most() -> None:
    assert last_tick(2.0, 2.5, SPEC) == tick(2.5 - 1e-5, SPEC)
    assert last_tick(2.0, 900.0, SPEC) <= tick(2.0 + 1.1, SPEC)


def test_windows_grow_and_then_stay_full() -> None:
    buffer = Buffer(SPEC)
    for number in range(100):
        buffer.add(3 + number / SPEC.frames_per_second, mark(number))
        window = buffer.window(tick(buffer.newest, SPEC))
        assert window.shape == (min(20, number + 1), 4)
        assert window[-1, 0] == number and (np.diff(window[:, 0]) == 1).all()
        assert len(buffer._seconds) <= 23, "memory grows"


def test_a_torn_stream_begins_anew() -> None:
    buffer = Buffer(SPEC)
    assert buffer.newest == -1
    for number in range(20):
        buffer.add(number / SPEC.frames_per_second, mark(number))
    buffer.add(buffer.newest + 1.0, mark(77))
    assert len(buffer.window(tick(buffer.newest, SPEC))) == 20, "a second without a look is bridged"
    buffer.add(buffer.newest + 1.2, mark(88))
    assert buffer.window(tick(buffer.newest, SPEC)).tolist() == [mark(88).tolist()]
    assert buffer.covered(tick(buffer.newest, SPEC)) < 0.16


# --- whole clips --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.2, 1.0, 1.5, 2.0, 3.7, 10.0])
@pytest.mark.parametrize("windows", [2, 3, 5])
def test_a_whole_clip_is_the_mean_over_the_windows_of_evaluation(seconds: float, windows: int) -> None:
    at, where = plan(seconds, SPEC, windows=windows)
    random = np.random.default_rng(0)
    ticks = [Prediction(row, CLASSES, 0.3) for row in random.dirichlet(np.ones(3), size=tick(seconds - 1e-4, SPEC) + 1)]
    expected = np.mean([ticks[tick(at[w[-1]], SPEC)].probabilities for w in where], axis=0)
    mean = whole_clip(ticks, SPEC, seconds=seconds, windows=windows)
    assert np.allclose(mean.probabilities, expected) and mean.unsure_below == 0.3


def test_a_whole_clip_of_one_tick() -> None:
    assert whole_clip([says(0.2, 0.3, 0.5)], SPEC, seconds=5.0, windows=3).action == "wave"


def test_a_watch_says_what_examine_says(tiny_model: Path, tiny: Path) -> None:
    predictor = Predictor(tiny_model)
    card, engine = predictor.card, predictor.engine
    from har_core import video
    from har_core.images import fit

    for path in sorted(tiny.rglob("*_g04_*.mp4")):
        watch = Watch(card, engine.classify, LiveConfig(), True, Timeline())
        watch.span[None] = [0.0, 1.0]
        for seconds, rgb in video.read(path, np.arange(8) / 8):
            looked = {None: engine.encode(fit(rgb, 32)[None])[0]}
            watch.see(seconds, tick(seconds, card.clip), looked, {None})
        (seen,) = watch.seen()
        assert np.allclose(seen.prediction.probabilities, predictor.predict(path).probabilities, atol=1e-4)
        assert (seen.track, seen.start, seen.stop) == (None, 0.0, 1.0)


# --- labels -------------------------------------------------------------------------------------------------


def test_collecting_until_enough_was_seen() -> None:
    label = Label(SPEC, LiveConfig(least_seconds=1.0))
    assert label.reading.stage == "collecting"
    for number in range(1, 21):
        reading = label.update(says(0.1, 0.2, 0.7), number / 10, covered=number / 10)
        assert reading.stage == ("collecting" if number < 10 else "sure")
        assert reading.collected == pytest.approx(min(1, number / 10))
        assert reading.probability == pytest.approx(0 if number < 10 else 0.7)
    short = Label(replace(SPEC, window_seconds=0.5), LiveConfig(least_seconds=1.0))
    assert short.update(says(0.1, 0.2, 0.7), 0.5, covered=0.5).stage == "sure", "a window is never more than it is"


@pytest.mark.parametrize("rate", [5, 10, 30])
def test_smoothing_goes_by_seconds(rate: int) -> None:
    label = Label(SPEC, LiveConfig(smoothing_seconds=0.5))
    for number in range(rate):
        label.update(says(1, 0, 0), number / rate, covered=9)
    for number in range(rate + 1):
        reading = label.update(says(0, 1, 0), 1 + number / rate - 1 / rate, covered=9)
    assert reading.prediction is not None
    assert reading.prediction.probabilities[0] == pytest.approx(math.exp(-1 / 0.5), abs=0.01)


def test_no_smoothing() -> None:
    label = Label(SPEC, LiveConfig(smoothing_seconds=0, hysteresis=0))
    for number in range(6):
        probabilities = (0.9, 0.1, 0) if number % 2 else (0.1, 0.9, 0)
        assert label.update(says(*probabilities), number, covered=9).action == CLASSES[(number + 1) % 2]


def test_equal_classes_do_not_flicker() -> None:
    label = Label(SPEC, LiveConfig(smoothing_seconds=0, hysteresis=0.1))
    actions = set()
    for number in range(50):
        lead = 0.04 if number % 2 else -0.04
        actions.add(label.update(says(0.5 + lead, 0.5 - lead, 0), number / 10, covered=9).action)
    assert len(actions) == 1
    assert label.update(says(0.4, 0.6, 0), 6, covered=9).action == "sit"
    assert label.update(says(0.61, 0.39, 0), 7, covered=9).action == "run", "but what leads clearly is shown"


def test_unsure() -> None:
    label = Label(SPEC, LiveConfig(smoothing_seconds=0))
    reading = label.update(says(0.3, 0.3, 0.4, unsure_below=0.5), 0, covered=9)
    assert (reading.stage, reading.action, reading.probability) == ("unsure", "", 0.0)
    assert label.update(says(0.2, 0.29, 0.51, unsure_below=0.5), 1, covered=9).action == "wave"
    slack = label.update(says(0.2, 0.34, 0.46, unsure_below=0.5), 2, covered=9)
    assert slack.action == "wave" and slack.probability == pytest.approx(0.46)
    assert label.update(says(0.26, 0.3, 0.44, unsure_below=0.5), 3, covered=9).stage == "unsure"
    assert label.update(says(0.2, 0.34, 0.46, unsure_below=0.5), 4, covered=9).stage == "unsure"


# --- timelines ----------------------------------------------------------------------------------------------


def sure(action: str, probability: float = 0.8) -> Reading:
    rest = (1 - probability) / 2
    return Reading("sure", action, says(*(probability if name == action else rest for name in CLASSES)))


def test_segments_are_half_open_and_in_order() -> None:
    line = Timeline()
    for number, action in enumerate(["run"] * 5 + ["sit"] * 5):
        line.add(2, sure(action, 0.6 + 0.04 * (number % 5)), number / 10)
        line.add(1, sure("wave"), number / 10 + 0.05)
    first, mine, second = line.segments()
    assert (first.track, first.action, first.start, first.stop) == (2, "run", 0.0, 0.5)
    assert (mine.track, mine.action, mine.start, mine.stop) == (1, "wave", 0.05, pytest.approx(0.95))
    assert (second.start, second.stop) == (first.stop, 0.9)
    assert first.score == pytest.approx(0.68)
    line.add(1, Reading("unsure"), 1.0)
    line.end(2)
    assert [s.stop for s in line.segments()] == [0.5, 1.0, 0.9]
    line.end(2)
    line.end(7)
    assert len(line.segments()) == 3


def test_a_timeline_keeps_the_last_seconds() -> None:
    line = Timeline(keep_seconds=60)
    for second in range(2000):
        line.add(second % 7, sure(CLASSES[second % 3]), second)
        line.add(second % 7, Reading("unsure"), second + 0.5)
    assert len(line.segments()) <= 62
    assert min(s.stop for s in line.segments()) >= 1999 - 60
    line.add(3, Reading("collecting"), 2100)
    assert line.segments() == [], "also while nothing is named"


# --- watches ------------------------------------------------------------------------------------------------


def watching(*, remember: bool = False, keep: float = 60) -> Watch:
    def classify(windows: list[np.ndarray]) -> list[Prediction]:
        return [says(0.1, 0.2, 0.7) for _ in windows]

    return Watch(CARD, classify, LiveConfig(), remember, Timeline(keep))  # type: ignore[arg-type]


def test_a_watch_forgets_who_is_gone() -> None:
    watch = watching()
    for number in range(600):
        seconds = number / SPEC.frames_per_second
        who = number // 30 + 1
        readings = watch.see(seconds, number, {who: mark(number)}, {who, who - 1})
        assert set(readings) <= {who, who - 1} and who in readings
        assert len(watch._buffers) <= 2 and len(watch._labels) <= 2 and not watch._ticks
    watch.see(seconds + 0.1, number + 1, {}, frozenset())
    assert not watch.readings and not watch._buffers
    assert len(watch.timeline._open) == 0 and len(watch.timeline.segments()) == 20
    watch.see(seconds + 100, number + 1000, {}, frozenset())
    assert watch.timeline.segments() == [], "what was done more than a minute ago is forgotten with nobody in view too"


def test_a_person_may_leave_after_classifying_failed() -> None:
    watch = watching()
    classify, watch.classify = watch.classify, lambda _: 1 / 0  # type: ignore[assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        watch.see(0.0, 0, {1: mark(0)}, {1})
    watch.classify = classify
    assert set(watch.see(0.1, 1, {2: mark(1)}, {2})) == {2}


def test_a_slow_camera_has_every_window() -> None:
    """One frame for several ticks: the windows that end at each of them count, as in a file."""
    watch = watching(remember=True)
    watch.span[1] = [0.0, 2.0]
    for number in range(10):
        seconds = number / 5
        watch.see(seconds, last_tick(seconds, seconds + 0.2, SPEC), {1: mark(number)}, {1})
    assert [number for number, _ in watch._ticks[1]] == list(range(tick(2 - 1e-4, SPEC) + 1))


def test_what_is_shown_at_the_end_lasts_to_the_end() -> None:
    watch = watching(remember=True)
    watch.span[1] = [0.0, 1.0]
    for number in range(tick(1 - 1e-4, SPEC) + 1):
        watch.see(number / SPEC.frames_per_second, number, {1: mark(number)}, {1})
    (seen,) = watch.seen()
    (segment,) = seen.segments
    assert segment.action == "wave" and segment.stop == 1.0 and segment.start < 1.0
