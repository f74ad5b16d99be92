"""Forecasts: what is counted, how it adds up, how it is said; and the speed of this machine."""

import datetime
import json
from dataclasses import replace
from pathlib import Path

import pytest

from har_core import forecast as forecasts
from har_core import speed as speeds
from har_core import training
from har_core.config import ClipSpec, NetworkConfig, TrainConfig
from har_core.events import EpochEnded, Event, Started
from har_core.forecast import Length, Speed, Work, count_work, forecast, in_words, time_left

SPEC = ClipSpec(window_seconds=2.0, frames_per_second=5.0, most_frames=10)
CLIPS = [Length(4.0, 25.0, 320 * 240)] * 10
SPEED = Speed(computer="here")
WORK = Work(clips=12, megapixels=90.0, looks=0, grid=400, window=100, check=40, train=10, validation=2)


def test_what_is_counted() -> None:
    work = count_work(CLIPS, CLIPS[:2], SPEC, TrainConfig(), stored=0.0)
    assert work.clips == 12 and work.megapixels == pytest.approx(12 * 100 * 0.0768)
    assert work.grid == 400 and work.window == 100 and work.looks == 0
    assert work.check == 2 * 20, "three windows share their frames"
    half = count_work(CLIPS, CLIPS[:2], SPEC, TrainConfig(), stored=0.5)
    assert half.clips == 6 and half.megapixels == work.megapixels / 2 and half.grid == work.grid
    assert count_work(CLIPS, CLIPS[:2], SPEC, TrainConfig(cache=False), stored=0.5) == work


def test_people_and_two_views_are_more_work() -> None:
    both = count_work(CLIPS, CLIPS[:2], SPEC, TrainConfig(view="both"), stored=0.0)
    assert (both.train, both.validation, both.grid, both.window) == (20, 2, 800, 200)
    assert both.looks == 10 * 60, "validation looks at the whole picture"
    assert count_work(CLIPS, CLIPS[:2], SPEC, TrainConfig(view="person"), stored=0.0).looks == 12 * 60
    assert count_work(CLIPS, CLIPS[:2], SPEC, TrainConfig(view="person"), stored=1.0, followed=1.0).looks == 0


def test_how_it_adds_up() -> None:
    held = TrainConfig(freeze_backbone=True, epochs=30, patience=9)
    found = forecast(WORK, held, SPEED)
    fixed = 8 + 12 * 0.02 + 90 * 0.01 + 4 * 400 * 0.005 + 40 * 0.004
    each = 10 * 0.008 + 0.4
    assert found.most == pytest.approx(forecasts.SLACK * (fixed + 30 * each))
    assert found.least == pytest.approx((fixed + 10 * each) / forecasts.SLACK)
    learning = forecast(WORK, TrainConfig(epochs=60, freeze_epochs=40), SPEED)
    assert learning.most - found.most > 20 * 100 * 0.015, "a backbone that learns takes long"
    scratch = forecast(WORK, TrainConfig(epochs=60, network=NetworkConfig(weights="none")), SPEED)
    assert scratch.most > learning.most
    assert training.VARIATIONS == forecasts.VARIATIONS


def test_larger_pictures_take_longer_and_more_disk() -> None:
    small, large = (forecast(WORK, TrainConfig(size=size), SPEED) for size in (112, 224))
    assert large.most > 2 * small.most and large.disk > small.disk
    stored = forecast(replace(WORK, clips=0, megapixels=0), TrainConfig(), SPEED)
    assert stored.disk < small.disk


BEGUN = Started(0.0, 1, 60, "cpu", "fp32", "bundled", ("a", "b"), 10, 2, 2.0, 5.0)


def ended(number: int, seconds: float, *, frozen: bool = True) -> EpochEnded:
    return EpochEnded(number, 1, 0.5, 1, 0.5, 0.0, 1e-3, seconds, frozen, False)


def test_time_left_of_a_held_run() -> None:
    config = TrainConfig(freeze_backbone=True, epochs=20)
    assert time_left([], BEGUN, config, SPEED) is None
    assert time_left([ended(1, 9.0)], BEGUN, config, None) is None
    _, most = time_left([ended(1, 9.0)], BEGUN, config, SPEED) or (0, 0)
    assert most == pytest.approx(forecasts.SLACK * (3 * 9 + 16 * 0.48)), "three more looks at everything"
    epochs = [*(ended(i, 9.0) for i in range(1, 5)), *(ended(i, 0.5) for i in range(5, 11))]
    assert time_left(epochs, BEGUN, config, None) == (0, pytest.approx(forecasts.SLACK * 10 * 0.5))
    whole = [*epochs, *(ended(i, 0.5) for i in range(11, 21))]
    assert time_left(whole, BEGUN, config, None) == (0, 0)


def test_time_left_of_a_run_whose_backbone_will_learn() -> None:
    config = TrainConfig(epochs=60, freeze_epochs=40, patience=9)
    held = [*(ended(i, 9.0) for i in range(1, 5)), *(ended(i, 0.5) for i in range(5, 41))]
    assert time_left(held, BEGUN, config, None) is None, "nothing tells how long these epochs take"
    each = 10 * 10 * 0.016 + 2 * 10 * 0.004 + 10 * 0.008 + 0.4
    least, most = time_left(held, BEGUN, config, SPEED) or (0, 0)
    assert (least * forecasts.SLACK, most / forecasts.SLACK) == pytest.approx((10 * each, 20 * each))
    moved = [*held, *(ended(i, 5.0, frozen=False) for i in range(41, 46))]
    least, most = time_left(moved, BEGUN, config, None, within=0.5) or (1, 0)
    assert (least, most / forecasts.SLACK) == (0, pytest.approx(14.5 * 5.0))


def test_a_run_whose_validation_clips_are_all_right_will_not_learn_on() -> None:
    config = TrainConfig(epochs=60, freeze_epochs=40, patience=9)
    held = [*(ended(i, 9.0) for i in range(1, 5)), *(ended(i, 0.5) for i in range(5, 21))]
    held[7] = replace(held[7], validation_accuracy=1.0)
    enough = replace(BEGUN, validation_clips=8)
    assert time_left(held, enough, config, None) == pytest.approx((10 / forecasts.SLACK, 10 * forecasts.SLACK))
    assert time_left(held, BEGUN, config, None) is None, "two clips may both be right by chance"
    two, eight = (forecast(replace(WORK, validation=clips), config, SPEED) for clips in (2, 8))
    assert (eight.most, eight.least < two.least) == (two.most, True)


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (1, 2, "less than a minute"), (50, 65, "about a minute"), (120, 240, "2 to 4 minutes"),
        (200, 260, "about 4 minutes"), (620, 1400, "10 to 25 minutes"), (4000, 7000, "70 to 120 minutes"),
        (4000, 9000, "1 to 2.5 hours"), (40_000, 80_000, "11 to 22 hours"),
        (0, 700, "up to 10 minutes"), (0, 60, "about a minute"),
    ],
)  # fmt: skip
def test_a_range_in_words(least: float, most: float, said: str) -> None:
    assert in_words(least, most) == said


def test_a_speed_is_kept_for_its_computer(own_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert speeds.known() is None
    mine = replace(SPEED, computer=speeds.computer())
    speeds.keep(mine)
    assert speeds.known() == mine
    with monkeypatch.context() as patch:
        patch.setattr(speeds, "computer", lambda: "another")
        assert speeds.known() is None
    (own_workspace / "cache" / "speed.json").write_text("{")
    assert speeds.known() is None


def test_a_speed_of_another_day_is_measured_anew(own_workspace: Path) -> None:
    today = datetime.date.today()
    earlier = speeds.computer().replace(str(today), str(today - datetime.timedelta(days=1)))
    assert earlier != speeds.computer()
    speeds.keep(replace(SPEED, computer=earlier))
    assert speeds.known() is None, "it may have been busy then"


def test_a_run_teaches_the_speed(own_workspace: Path) -> None:
    started = Started(0.0, 1, 60, "cpu", "fp32", "bundled", ("a", "b"), 10, 2, 2.0, 5.0)
    epochs: list[Event] = [
        EpochEnded(i, 1, 0.5, 1, 0.5, 0.0, 1e-3, 9.0 if i < 5 else 0.6 if i <= 10 else 4.6, i <= 10, False)
        for i in range(1, 15)
    ]
    speeds.learn([started, *epochs], TrainConfig())
    assert speeds.known() is None, "one that was never measured has no other figures"
    speeds.keep(replace(SPEED, computer=speeds.computer()))
    for _ in range(12):
        speeds.learn([started, *epochs], TrainConfig())
    learnt = speeds.known()
    assert learnt is not None
    assert learnt.head == pytest.approx(0.02, rel=0.01)
    assert learnt.learn == pytest.approx((4.6 - 0.4 - 0.2) / 100 - SPEED.vary, rel=0.01)
    speeds.learn([], TrainConfig())
    assert speeds.known() == learnt


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_speed_that_cannot_be_is_measured_anew(own_workspace: Path, wrong: float) -> None:
    speeds.keep(replace(SPEED, computer=speeds.computer()))
    path = own_workspace / "cache" / "speed.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"look": wrong}))
    assert speeds.known() is None


def test_a_computer_that_slept_teaches_nothing(own_workspace: Path) -> None:
    speeds.keep(replace(SPEED, computer=speeds.computer()))
    before = speeds.known()
    started = Started(0.0, 1, 60, "cpu", "fp32", "bundled", ("a", "b"), 2, 2, 2.0, 5.0)
    slept: list[Event] = [EpochEnded(i, 1, 0.5, 1, 0.5, 0.0, 1e-3, 1e6, True, False) for i in range(1, 9)]
    speeds.learn([started, *slept], TrainConfig())
    assert speeds.known() == before


def test_this_machine_is_measured(own_workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from har_core.__main__ import main

    assert main(["speed", "--json"]) == 0
    found = Speed.from_json(json.loads(capsys.readouterr().out)["speed"])
    assert speeds.known() == found
    assert all(value > 0 for value in found.to_json().values() if isinstance(value, float))
    assert found.learn > found.look
    assert not list((own_workspace / "cache").glob(".speed-*"))
