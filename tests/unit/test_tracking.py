"""Who is who from picture to picture: ids that are never shared, never given twice, and survive a gap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_core.config import LiveConfig
from har_core.tracking import Tracker
from har_core.values import Detections, Tracks

STEP = 0.1


def boxes(*xyxy: tuple[float, ...], confidence: float = 0.9) -> Detections:
    return Detections(np.array(xyxy, np.float32).reshape(-1, 4), np.full(len(xyxy), confidence, np.float32))


def standing(x: float, y: float = 50) -> tuple[float, ...]:
    return x, y, x + 60, y + 150


def followed(tracker: Tracker, pictures: list[Detections], *, begin: int = 0) -> list[Tracks]:
    return [tracker.update(found, STEP * (begin + number)) for number, found in enumerate(pictures)]


def where(tracks: Tracks) -> dict[int, float]:
    return dict(zip(tracks.ids.tolist(), tracks.xyxy[:, 0].tolist(), strict=True))


def test_ids_begin_at_1_in_the_first_picture() -> None:
    (first,) = followed(Tracker(), [boxes(standing(0), standing(200))])
    assert sorted(first.ids.tolist()) == [1, 2] and first.ids.dtype == np.int64
    assert first.xyxy.dtype == first.confidence.dtype == first.velocity.dtype == np.float32
    assert first.confidence.tolist() == pytest.approx([0.9, 0.9])


def test_two_trackers_never_share_ids() -> None:
    one, other = Tracker(), Tracker()
    for number in range(10):
        ours = one.update(boxes(standing(3 * number)), STEP * number)
        theirs = other.update(boxes(*(standing(x) for x in (0, 100, 200)[: 1 + number // 3])), STEP * number)
    assert ours.ids.tolist() == [1]
    assert sorted(theirs.ids.tolist()) == [1, 2, 3]


@pytest.mark.parametrize(("gap", "same"), [(1, True), (7, True), (12, False)])
def test_a_person_survives_a_gap(gap: int, same: bool) -> None:
    tracker = Tracker()
    followed(tracker, [boxes(standing(100))] * 10)
    missing = followed(tracker, [boxes()] * gap, begin=10)
    # Shown where expected for two detections, so that boxes do not blink; then not.
    assert [len(tracks) for tracks in missing] == [1, 1][:gap] + [0] * (gap - 2)
    assert (1 in tracker.kept) == same
    back = followed(tracker, [boxes(standing(100))] * 3, begin=10 + gap)[-1]
    assert back.ids.tolist() == [1 if same else 2]
    assert tracker.kept == {back.ids[0]}


def test_keep_is_the_configs() -> None:
    tracker = Tracker(LiveConfig(keep=2))
    followed(tracker, [boxes(standing(100))] * 5 + [boxes()] * 4)
    assert tracker.kept == frozenset()


def test_who_crosses_keeps_the_id() -> None:
    tracker = Tracker()
    for number in range(40):
        left, right = 10.0 * number, 400 - 10.0 * number
        tracks = tracker.update(boxes(standing(left, 40), standing(right, 70)), STEP * number)
    assert len(tracks) == 2
    first = tracks.ids[np.argmax(tracks.xyxy[:, 0])]
    assert first == 1 and where(tracks)[1] == pytest.approx(390, abs=15)


def test_a_weak_box_keeps_a_person_and_begins_none() -> None:
    tracker = Tracker()
    followed(tracker, [boxes(standing(100))] * 5)
    weak = followed(tracker, [boxes(standing(100), standing(300), confidence=0.2)] * 5, begin=5)
    assert all(tracks.ids.tolist() == [1] for tracks in weak)


def test_reset_begins_again_at_1() -> None:
    tracker = Tracker()
    followed(tracker, [boxes(standing(0), standing(200), standing(400))] * 3)
    tracker.reset()
    assert tracker.kept == frozenset()
    assert followed(tracker, [boxes(standing(200))])[0].ids.tolist() == [1]


def test_velocity_points_where_people_go() -> None:
    tracker = Tracker()
    tracks = followed(tracker, [boxes(standing(8.0 * number)) for number in range(20)])[-1]
    assert 20 < tracks.velocity[0, 0] <= 90 and abs(tracks.velocity[0, 1]) < 5
    assert tracks.at(tracks.seconds + STEP).xyxy[0, 0] > tracks.xyxy[0, 0]


@pytest.mark.parametrize(
    "odd",
    [
        (5, 5, 5, 5), (5, 5, 6, 6), (9, 9, 3, 3), (np.nan, 0, 10, 10), (0, 0, np.nan, np.nan), (0, 0, np.inf, np.inf),
        (-np.inf, 0, np.inf, 50),
    ],
)  # fmt: skip
def test_odd_boxes_trouble_nobody(odd: tuple[float, ...]) -> None:
    tracker = Tracker()
    for number in range(6):
        tracks = tracker.update(boxes(odd, standing(100)), STEP * number)
        assert np.isfinite(tracks.xyxy).all() and np.isfinite(tracks.velocity).all()
        assert any(abs(left - 100) < 5 for left in where(tracks).values())
    assert followed(Tracker(), [boxes(), boxes(odd), boxes()])[0].ids.tolist() == []


def test_time_that_stands_still_is_no_infinite_speed() -> None:
    tracker = Tracker()
    for number in range(5):
        tracks = tracker.update(boxes(standing(5.0 * number)), 1.0)
    assert np.isfinite(tracks.velocity).all()


sides = st.floats(-50, 700, width=32)
pictures = st.lists(st.tuples(sides, sides, sides, sides, st.floats(0, 1, width=32)), max_size=5)


@given(st.lists(pictures, max_size=15))
def test_any_boxes_give_good_ids(stream: list[list[tuple[float, ...]]]) -> None:
    tracker = Tracker(LiveConfig(keep=2))
    last_seen: dict[int, int] = {}
    for number, picture in enumerate(stream):
        rows = np.array(picture, np.float32).reshape(-1, 5)
        tracks = tracker.update(Detections(rows[:, :4], rows[:, 4]), STEP * number)  # Tracks checks that ids differ
        assert np.isfinite(tracks.xyxy).all() and (tracks.ids >= 1).all()
        assert (tracks.xyxy[:, 2:] > tracks.xyxy[:, :2]).all()
        assert set(tracks.ids.tolist()) <= tracker.kept
        for track in tracks.ids.tolist():
            # A new person gets a new number; nobody comes back after having been given up.
            assert track in last_seen or track > max(last_seen, default=0)
            assert number - last_seen.get(track, number) <= 2 + 1
            last_seen[track] = number
