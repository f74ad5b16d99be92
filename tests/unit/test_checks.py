"""What stands in the way of a run: each obstacle with a sentence and a remedy that helps."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from har_core.checks import Obstacle, mirrored, parts_and_obstacles, room
from har_core.coach import changed
from har_core.config import AugmentConfig, TrainConfig
from har_core.dataset import Dataset
from har_core.values import Clip, VideoProperties

PROPERTIES = VideoProperties(2.0, 25.0, 64, 48, 0, "h264")
PLAIN = TrainConfig()


def source(*clips: tuple[str, str, int], ambiguous: Sequence[str] = ()) -> Dataset:
    """Of (action, group, how many clips)."""
    root = Path("/clips")
    made = tuple(
        Clip(root / action / f"{action}_{group}_{i}.mp4", action, group)
        for action, group, number in clips for i in range(number)
    )  # fmt: skip
    return Dataset(root, made, (PROPERTIES,) * len(made), (), "folders", (), ambiguous=frozenset(ambiguous))


def good(*actions: str) -> Dataset:
    return source(*((action, group, 4) for action in actions for group in ("a", "b", "c", "d", "e")))


def found(clips: Dataset, config: TrainConfig = PLAIN, *, has_detector: bool = True) -> list[Obstacle]:
    return parts_and_obstacles(clips, config, has_detector=has_detector)[1]


def test_nothing_stands_in_the_way() -> None:
    parts, obstacles = parts_and_obstacles(good("run", "wave"), PLAIN, has_detector=False)
    assert parts is not None and len(parts.train) + len(parts.validation) == 40
    assert obstacles == []


def test_one_action_cannot_be_trained() -> None:
    (obstacle,) = found(good("run"))
    assert obstacle.serious and "only run" in obstacle.sentence and obstacle.view == "Add clips"
    parts, obstacles = parts_and_obstacles(source(), PLAIN, has_detector=True)
    assert parts is None and [each.serious for each in obstacles] == [True]


def test_people_without_a_detector() -> None:
    config = TrainConfig(view="person")
    (obstacle,) = found(good("run", "wave"), config, has_detector=False)
    assert obstacle.serious
    assert found(good("run", "wave"), changed(config, obstacle.change), has_detector=False) == []
    assert found(good("run", "wave"), config) == []


def test_groups_that_cannot_be_split() -> None:
    (obstacle,) = found(source(("run", "a", 9), ("wave", "a", 9)))
    assert obstacle.serious and "groups" in obstacle.sentence and obstacle.view == "Doctor"
    config = TrainConfig(validation_groups=("gone",))
    (obstacle,) = found(good("run", "wave"), config)
    assert obstacle.serious and found(good("run", "wave"), changed(config, obstacle.change)) == []


def test_an_action_that_nobody_validates() -> None:
    clips = source(*(("run", group, 5) for group in "abcde"), ("wave", "a", 9))
    (obstacle,) = [each for each in found(clips) if "validates" in each.sentence]
    assert not obstacle.serious and "wave" in obstacle.sentence and obstacle.view == "Doctor"
    chosen = TrainConfig(validation_groups=("b",))
    (obstacle,) = [each for each in found(clips, chosen) if "validates" in each.sentence]
    assert obstacle.change == {"validation_groups": []}


def test_few_clips_of_an_action() -> None:
    clips = source(*(("run", group, 5) for group in "abcde"), ("wave", "a", 1), ("wave", "b", 1))
    (obstacle,) = [each for each in found(clips) if "Few clips" in each.sentence]
    assert not obstacle.serious and "wave (1)" in obstacle.sentence and "run" not in obstacle.sentence


def test_an_action_that_one_clip_validates() -> None:
    clips = source(
        *(("run", group, 4) for group in "abcde"), *(("wave", group, 1 if group == "e" else 4) for group in "abcde")
    )
    config = TrainConfig(validation_groups=("e",))
    (obstacle,) = found(clips, config)
    assert not obstacle.serious and obstacle.sentence.startswith("A single clip validates wave:")
    assert found(clips, TrainConfig(validation_groups=("a",))) == []


def test_left_and_right_in_a_mirror() -> None:
    clips = good("swipe left", "swipe right", "wave")
    (obstacle,) = found(clips)
    assert "swipe left look like swipe right" in obstacle.sentence
    assert found(clips, changed(PLAIN, obstacle.change)) == []
    assert found(clips, TrainConfig(augment=AugmentConfig(flip=False))) == []
    assert found(good("turn left", "wave")) == []


@pytest.mark.parametrize(
    ("actions", "pair"),
    [
        (["Clockwise", "counterclockwise"], True), (["turn_links", "turn_rechts"], True), (["left", "wright"], False),
        (["draw-right-circle", "draw-left-circle", "x"], True), (["upright", "upleft"], True), (["right"], False),
        ([], False),
    ],
)  # fmt: skip
def test_names_that_are_mirrored(actions: Sequence[str], pair: bool) -> None:
    assert (mirrored(actions) is not None) == pair


def test_ambiguous_clips_do_not_count() -> None:
    clips = source(("run", "a", 9), ("run", "b", 9), ("wave", "a", 1), ambiguous=["wave/wave_a_0.mp4"])
    assert found(clips)[0].serious


def test_a_disk_that_is_nearly_full() -> None:
    gigabyte = 2**30
    assert room(needed=gigabyte, free=9 * gigabyte, config=PLAIN) == []
    (obstacle,) = room(needed=4 * gigabyte, free=3 * gigabyte, config=PLAIN)
    assert not obstacle.serious and "3.0 GB" in obstacle.sentence and obstacle.change == {"cache": False}
    (obstacle,) = room(needed=gigabyte, free=gigabyte // 10, config=PLAIN)
    assert obstacle.serious and obstacle.change == {}
