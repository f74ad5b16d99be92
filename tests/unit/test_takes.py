"""When takes count down, run and end, and what is left of them on a disk that somebody else wrote to."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_core import takes, video
from har_core.errors import ConfigError, DatasetError
from har_core.images import sign
from har_core.takes import Label, Plan
from har_core.ui import studio

ANNA = Label("mine", "wave", "anna")
_UP_TO_9 = st.floats(0, 9)
RGB = np.full((48, 64, 3), 90, np.uint8)


@given(
    st.builds(
        Plan, takes=st.integers(1, 5), seconds=st.floats(0.5, 9), countdown=st.floats(0, 9), pause=st.floats(0, 9)
    )
)
def test_each_take_is_as_long_as_planned(plan: Plan) -> None:
    instants = np.arange(0, plan.whole, 0.01)
    seen = [takes.moment(plan, float(at)) for at in instants]
    for number in range(1, plan.takes + 1):
        running = sum(m.phase == "recording" and m.take == number for m in seen)
        assert abs(running * 0.01 - plan.seconds) < 0.03
    assert takes.moment(plan, plan.whole + 0.001).phase == "done"
    assert all(0 <= m.share <= 1 and m.left >= 0 for m in seen)


@pytest.mark.parametrize("wrong", [{"takes": 0}, {"seconds": float("nan")}, {"pause": -1}, {"countdown": 61}])
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must lie between"):
        Plan(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("told", ["", "{", "[]", "{}", '{"dataset": 1, "action": "a", "person": "b"}', "[" * 9000,
                                  json.dumps({"dataset": "d", "action": "a" * 999, "person": "b"}),
                                  json.dumps({"dataset": "d", "action": "a", "person": "b", "more": 1}),
                                  '{"dataset": "d", "action": "\\ud800", "person": "b"}',
                                  '{"dataset": "d", "action": "a", "person": "b", "at": NaN}',
                                  '{"dataset": "d", "action": "a", "person": "b", "at": 1e300}'])  # fmt: skip
def test_a_damaged_label_is_no_take(tmp_path: Path, told: str) -> None:
    (tmp_path / "take.json").write_text(told)
    assert takes.read_take(tmp_path, tmp_path / "film.mp4") is None


def test_a_label_comes_back_as_it_was(tmp_path: Path) -> None:
    takes.write_label(tmp_path, ANNA)
    kept = takes.read_take(tmp_path, tmp_path / "film.mp4")
    assert kept is not None and kept.label == ANNA
    with pytest.raises(DatasetError, match="cannot be recorded"):
        takes.write_label(tmp_path / "gone", ANNA)


def test_takes_are_films_of_the_planned_length(own_workspace: Path) -> None:
    camera = studio.Studio()
    assert camera.process(RGB, 0.0, dropped=0).shape == RGB.shape and not studio.waiting()
    camera.begin(Plan(takes=2, seconds=1.0, countdown=0.5, pause=0.5), ANNA)
    for number in range(100):
        drawn = camera.process(RGB, number / 25, dropped=0)
        assert drawn.shape == RGB.shape
    camera.stop()
    for thread in camera._closing:
        thread.join(30)
    assert camera.settled()
    found = studio.waiting()
    assert [take.label.action for take in found] == ["wave", "wave"] and found[0].label.viewer == camera.viewer
    for take in found:
        told = video.probe(take.film)
        assert told.codec == "h264" and told.seconds == pytest.approx(1.0, abs=0.1)


def test_what_is_stopped_or_cut_off_is_kept(own_workspace: Path) -> None:
    camera = studio.Studio()
    camera.begin(Plan(takes=1, seconds=5.0, countdown=0.0), ANNA)
    for number in range(30):
        camera.process(RGB, 7 + number / 25, dropped=0)
    camera.stop()  # as when the connection ends
    for thread in camera._closing:
        thread.join(30)
    (take,) = studio.waiting()
    assert video.probe(take.film).seconds == pytest.approx(1.2, abs=0.1)
    takes.discard(take)
    assert not studio.waiting()


def test_of_a_folder_that_is_a_link_the_link_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    takes.discard(takes.Take(tmp_path / "link", tmp_path / "link" / "film.mp4", ANNA))
    assert [path.name for path in tmp_path.iterdir()] == ["real"]


def test_a_take_that_cannot_be_labelled_leaves_nothing(own_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DatasetError("No room.")

    monkeypatch.setattr(takes, "write_label", full)
    camera = studio.Studio()
    camera.begin(Plan(countdown=0), ANNA)
    camera.process(RGB, 0.0, dropped=0)
    for thread in camera._closing:
        thread.join(30)
    assert camera.trouble == "No room." and camera.settled() and not list(studio.home().iterdir())
    assert not any(thread.name == "recorder" for thread in threading.enumerate())


def test_a_black_picture_is_noticed(own_workspace: Path) -> None:
    camera = studio.Studio()
    for grey, black in ((0, True), (90, False), (11, True)):
        camera.process(np.full_like(RGB, grey), 0.0, dropped=0)
        assert camera.is_black == black


def test_a_disk_that_cannot_be_written_is_said(own_workspace: Path) -> None:
    own_workspace.parent.mkdir(exist_ok=True)
    own_workspace.write_text("a file where the workspace should be")
    camera = studio.Studio()
    camera.begin(Plan(countdown=0), ANNA)
    assert camera.process(RGB, 0.0, dropped=0).shape == RGB.shape
    assert "Make room there" in camera.trouble and camera.settled()


def test_a_sign_stays_in_the_picture() -> None:
    drawn = sign(RGB, "3", share=0.5, colour=(255, 0, 0))
    assert drawn.shape == RGB.shape and (drawn != RGB).any() and (RGB == 90).all()
    assert sign(np.zeros((1, 1, 3), np.uint8), "3", share=9.0, colour=(1, 2, 3)).shape == (1, 1, 3)


def test_what_is_thrown_away_comes_back_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "film.mp4").write_bytes(b"x")
        takes.throw_away(takes.Take(tmp_path / name, tmp_path / name / "film.mp4", ANNA))
    assert not (tmp_path / "one").exists() and len(takes.thrown_away(tmp_path)) == 2
    takes.bring_back(tmp_path)
    assert (tmp_path / "one" / "film.mp4").is_file() and (tmp_path / "two").is_dir()
    takes.throw_away(takes.Take(tmp_path / "one", tmp_path / "one" / "film.mp4", ANNA))
    now = time.time()
    monkeypatch.setattr(takes.time, "time", lambda: now + 3601)
    assert takes.thrown_away(tmp_path) == [] and not list((tmp_path / ".trash").iterdir())
