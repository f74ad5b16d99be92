"""The values: what they refuse, what they answer, what they print."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_core.errors import ConfigError
from har_core.values import Clip, Detections, Frames, LiveView, Prediction, Reading, Sample, Split, Tracks

RGB = np.zeros((3, 4, 6, 3), np.uint8)
CLASSES = ("run", "sit", "wave", "jump")


def test_frames() -> None:
    frames = Frames(RGB, np.array([0.0, 0.5, 2.0]))
    assert len(frames) == 3
    assert repr(frames) == "Frames((3, 4, 6, 3), 0.00..2.00 s)"


@pytest.mark.parametrize(
    ("rgb", "seconds"),
    [
        (RGB.astype(np.float32), [0, 1, 2]),
        (RGB[0], [0, 1, 2]),
        (np.zeros((3, 4, 6, 4), np.uint8), [0, 1, 2]),
        (RGB[:0], []),
        (RGB, [0, 1]),
        (RGB, [0, 1, 1]),
        (RGB, [0, 2, 1]),
    ],
    ids=["dtype", "one picture", "alpha", "none", "instants", "equal instants", "falling instants"],
)
def test_frames_refuse(rgb: np.ndarray, seconds: list[float]) -> None:
    with pytest.raises(ValueError):
        Frames(rgb, np.array(seconds, np.float64))


def test_sample() -> None:
    assert repr(Sample(np.zeros((2, 3, 8, 8), np.uint8), 1)) == "Sample((2, 3, 8, 8), label=1)"
    for shape in [(2, 8, 8, 3), (3, 8, 8), (2, 3, 8, 9)]:
        with pytest.raises(ValueError):
            Sample(np.zeros(shape, np.uint8), 0)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda values: sum(values) > 1e-3), st.integers(1, 9))
def test_top_descends_and_is_bounded(values: list[float], k: int) -> None:
    probabilities = np.array(values) / sum(values)
    top = Prediction(probabilities, CLASSES).top(k)
    assert len(top) == min(k, 4)
    assert [p for _, p in top] == sorted(probabilities.tolist(), reverse=True)[:k]
    assert all(probabilities[CLASSES.index(name)] == p for name, p in top)
    assert len({name for name, _ in top}) == len(top)


def test_equal_probabilities_keep_the_order_of_the_classes() -> None:
    assert [name for name, _ in Prediction(np.full(4, 0.25), CLASSES).top(4)] == list(CLASSES)


def test_prediction_refuses() -> None:
    for probabilities in (np.full(3, 1 / 3), np.full(4, 0.2), np.full(4, np.nan), np.full((1, 4), 0.25)):
        with pytest.raises(ValueError):
            Prediction(probabilities, CLASSES)
    for k in (0, -1):
        with pytest.raises(ConfigError, match="at least 1"):
            Prediction(np.full(4, 0.25), CLASSES).top(k)


def test_unsure() -> None:
    probabilities = np.array([0.1, 0.2, 0.3, 0.4])
    assert not Prediction(probabilities, CLASSES).unsure
    assert not Prediction(probabilities, CLASSES, 0.4).unsure
    assert Prediction(probabilities, CLASSES, 0.41).unsure
    assert Prediction(probabilities, CLASSES).action == "jump"


def test_named() -> None:
    """An action is: not where the model is unsure, and not where it says that it is none of them."""
    sure = np.array([0.1, 0.9])
    assert Prediction(sure, ("run", "wave"), 0.8).named
    assert not Prediction(sure, ("run", "wave"), 0.95).named
    for name in ("none", "NONE", " No action ", "no_action", "Background"):
        assert not Prediction(sure, ("run", name), 0.8).named
        assert Prediction(sure, (name, "run"), 0.8).named


def test_split_by_name() -> None:
    clips = [Clip(Path(f"/clips/walk/{i}.mp4"), "walk", f"g{i}") for i in range(3)]
    parts = Split((clips[0],), (clips[1],), (clips[2],))
    assert [parts.named(name) for name in ("train", "validation", "test")] == [(clip,) for clip in clips]
    assert parts.named("all") == tuple(clips)
    with pytest.raises(ConfigError, match="'training'"):
        parts.named("training")
    with pytest.raises(ConfigError):
        parts.named("notes")
    assert clips[0].name == "walk/0.mp4"


def test_values_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Clip(Path("a.mp4"), "walk", "g1").action = "run"  # type: ignore[misc]


def tracks(*ids: int, seconds: float = 1.0) -> Tracks:
    number = len(ids)
    boxes = np.tile(np.array([10, 20, 30, 60], np.float32), (number, 1))
    speed = np.tile(np.array([5, 0, 5, -10], np.float32), (number, 1))
    return Tracks(seconds, boxes, np.ones(number, np.float32), np.array(ids, np.int64), speed)


def test_detections_and_tracks() -> None:
    assert len(Detections(np.zeros((2, 4), np.float32), np.ones(2, np.float32))) == 2
    for shape in [(2, 4), (3,), (3, 5)]:
        with pytest.raises(ValueError):
            Detections(np.zeros(shape, np.float32), np.ones(3, np.float32))
    assert len(tracks(1, 2)) == 2 and len(Tracks.none(3.0)) == 0 and Tracks.none(3.0).seconds == 3.0
    for ids in [(0,), (1, 1), (-1, 2)]:
        with pytest.raises(ValueError, match="ids"):
            tracks(*ids)
    with pytest.raises(ValueError):
        Tracks(
            0.0, np.zeros((1, 4), np.float32), np.ones(2, np.float32), np.array([1, 2]), np.zeros((2, 4), np.float32)
        )


def test_tracks_move_on() -> None:
    later = tracks(7).at(3.0)
    assert later.xyxy.tolist() == [[20, 20, 40, 40]] and later.seconds == 3.0 and later.ids.tolist() == [7]
    assert later.xyxy.dtype == np.float32
    assert tracks(7).at(0.0).xyxy.tolist() == [[5, 20, 25, 70]]
    far = tracks(7).at(900.0).xyxy[0]
    assert far[3] == far[1] + 1, "a box that shrinks keeps a pixel"
    assert len(Tracks.none().at(5.0)) == 0


def test_readings_and_views() -> None:
    prediction = Prediction(np.array([0.1, 0.2, 0.3, 0.4]), CLASSES)
    assert Reading("sure", "wave", prediction).probability == 0.3, "of what is shown, not of the best"
    assert Reading("unsure", "", prediction).probability == Reading("collecting").probability == 0
    view = LiveView()
    assert not view.people and view.whole is None and not len(view.tracks) and view.numbers.frames == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        view.trouble = "x"  # type: ignore[misc]
