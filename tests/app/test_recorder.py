"""Recording one's own clips without a browser: what is asked first, what waits, what is kept."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import Open, Wire, button, words
from streamlit.testing.v1 import AppTest

from har_core import dataset, takes, video
from har_core.takes import Label
from har_core.ui import recorder, sources, studio, webrtc

RGB = np.full((48, 64, 3), 120, np.uint8)
TAB = ":material/photo_camera: Record"


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    wire = Wire()
    monkeypatch.setattr(webrtc, "stream", wire.stream)
    yield wire
    if wire.sink:
        wire.sink.end()


@pytest.fixture
def opened(workspace: Path, wire: Wire, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The Record tab of a workspace without a data set, the camera running."""
    # AppTest can pick, not type: what tests type is there to be picked.
    known = ["wave", "../../etc"], ["anna", "Anna K.", "?!"]
    monkeypatch.setattr(recorder, "_known", lambda root: known)
    wire.state = "playing"
    app = open_page("dataset", **{"ways to clips": TAB})
    assert not app.exception
    return app


def film(workspace: Path, name: str, label: Label) -> Path:
    folder = workspace / "takes" / name
    video.write(folder / "film.mp4", (RGB for _ in range(20)), frames_per_second=10)
    takes.write_label(folder, label)
    return folder


def name_it(app: AppTest, action: str, person: str) -> AppTest:
    app.selectbox(key="take action").set_value(action)
    return app.selectbox(key="take person").set_value(person).run()


def test_without_https_it_says_what_else_can_be_done(opened: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "https" not in words(opened)
    monkeypatch.setattr(sources, "insecure", lambda url: True)
    told = words(opened.run())
    assert "only to pages on https or localhost" in told and "upload clips" in told and "file as camera" not in told


def test_it_asks_what_and_who_first(opened: AppTest) -> None:
    app = button(opened, "Record 3 takes")
    assert "Say first which action" in words(app)
    app = button(name_it(app, "wave", "?!"), "Record 3 takes")
    assert not app.exception and "a letter or a digit" in words(app)
    app = button(name_it(app, "../../etc", "anna"), "Record 3 takes")
    assert "A name needs" in words(app)


def test_a_name_that_cannot_be_kept_is_said_while_it_is_typed(opened: AppTest) -> None:
    assert "A name needs" in name_it(opened, "../../etc", "anna").warning[0].value
    app = name_it(opened, "wave", "anna")
    assert not app.warning and not app.error


def test_a_covered_camera_is_said(opened: AppTest, wire: Wire) -> None:
    assert wire.sink is not None
    app = button(name_it(opened, "wave", "anna"), "Record 3 takes")
    wire.sink.process(np.zeros_like(RGB), 0.0, dropped=0)
    assert "The picture is black" in words(app.run())
    wire.sink.process(RGB, 0.1, dropped=0)
    assert "The picture is black" not in words(app.run())


def test_takes_are_kept_with_the_person_as_their_group(opened: AppTest, wire: Wire, workspace: Path) -> None:
    assert isinstance(wire.sink, studio.Studio)
    app = name_it(opened, "wave", "Anna K.")
    app = button(app, "Record 3 takes")
    for number in range(13 * 20):  # a countdown of 3 s, three takes of 3 s with 2 s between, and on
        wire.sink.process(RGB, number / 15, dropped=0)
        while (recorder_ := wire.sink._recorder) and recorder_._frames.qsize() > 20:
            time.sleep(0.001)  # no camera is as fast as this loop: what waits is written, not left out
    for thread in wire.sink._closing:
        thread.join(30)
    app.run()
    assert len(studio.waiting()) == 3 and "Your takes" in words(app)
    first = studio.waiting()[0]
    app = app.toggle(key=f"keep {first.folder.name}").set_value(False).run()
    app = button(app, "Keep 2 of 3")
    assert not app.exception and not studio.waiting()
    source = dataset.read(workspace / "datasets" / "my actions")
    assert [(clip.action, clip.group) for clip in source.clips] == [("wave", "anna-k")] * 2
    assert all(2.7 < told.seconds < 3.3 and told.codec == "h264" for told in source.properties)


def test_takes_of_an_app_that_was_killed_are_offered_again(workspace: Path, wire: Wire, open_page: Open) -> None:
    film(workspace, "20261126-101500", Label("mine", "sit", "ben", "another window", 5.0))
    app = open_page("dataset", **{"ways to clips": TAB})
    assert "Takes of earlier, not kept yet (1)" in [e.label for e in app.expander]
    app = button(app, "Keep all 1")
    assert not app.exception and not studio.waiting()
    assert dataset.read(workspace / "datasets" / "mine").clips[0].group == "ben"


def test_a_take_that_cannot_be_kept_goes_on_waiting(workspace: Path, wire: Wire, open_page: Open) -> None:
    film(workspace, "20261126-101500", Label("mine", "..", "ben", "w", 5.0))
    app = button(open_page("dataset", **{"ways to clips": TAB}), "Keep all 1")
    assert not app.exception and "still waits here" in words(app) and len(studio.waiting()) == 1
    app = button(app, "Throw all away")
    assert not app.exception and not studio.waiting()


@pytest.mark.parametrize("press", ["Throw all away", "Keep all 1"])
def test_a_take_that_came_since_the_page_was_drawn_stays(
    workspace: Path, wire: Wire, open_page: Open, press: str
) -> None:
    film(workspace, "20261126-101500", Label("mine", "sit", "ben", "another window", 5.0))
    app = open_page("dataset", **{"ways to clips": TAB})
    film(workspace, "20261126-101600", Label("mine", "sit", "ben", "another window", 6.0))
    app = button(app, press)
    assert not app.exception and [take.folder.name for take in studio.waiting()] == ["20261126-101600"]


def test_what_others_did_is_one_click_away(
    workspace: Path, wire: Wire, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (action, person) in enumerate([("sit", "anna"), ("wave", "anna"), ("jump", "anna"), ("wave", "ben")]):
        film(workspace, f"20261126-10150{number}", Label("my actions", action, person, "another window", 5.0))
    known = recorder._known
    monkeypatch.setattr(recorder, "_known", lambda root: (known(root)[0], ["ben", "cleo"]))
    wire.state = "playing"
    app = open_page("dataset", **{"ways to clips": TAB})
    assert "Not yet by" not in words(app), "nobody stands there yet"
    app = name_it(app, "sit", "ben")
    assert "Not yet by ben" in words(app) and {"jump"} == {b.label for b in app.button} & {"jump", "sit", "wave"}
    app = button(app, "jump")
    assert isinstance(wire.sink, studio.Studio) and not app.exception
    assert app.selectbox(key="take action").value == "jump" and not wire.sink.settled(), "it records at once"
    wire.sink.stop()


def test_a_take_that_is_not_wanted_stays_so(workspace: Path, wire: Wire, open_page: Open) -> None:
    for number in range(2):
        film(workspace, f"20261126-10150{number}", Label("mine", "sit", "ben", "another window", 5.0 + number))
    app = open_page("dataset", **{"ways to clips": TAB})
    app = app.toggle(key="keep 20261126-101500").set_value(False).run()
    assert "Keep 1 of 2" in [b.label for b in app.button]
    app.session_state["ways to clips"] = ":material/upload: Upload clips"
    assert "Keep 1 of 2" not in [b.label for b in app.run().button]
    app.session_state["ways to clips"] = TAB
    app = app.run()
    assert not app.toggle(key="keep 20261126-101500").value and "Keep 1 of 2" in [b.label for b in app.button]
    app = button(app, "Keep 1 of 2")
    assert len(dataset.read(workspace / "datasets" / "mine").clips) == 1


def test_what_was_thrown_away_can_be_brought_back(workspace: Path, wire: Wire, open_page: Open) -> None:
    film(workspace, "20261126-101500", Label("mine", "sit", "ben", "another window", 5.0))
    app = button(open_page("dataset", **{"ways to clips": TAB}), "Throw all away")
    assert not studio.waiting()
    app = button(app, "Bring back 1 thrown away")
    assert not app.exception and len(studio.waiting()) == 1 and "Keep all 1" in [b.label for b in app.button]


def test_a_take_that_was_stopped_is_not_kept_unasked(workspace: Path, wire: Wire, open_page: Open) -> None:
    film(workspace, "20261126-101500", Label("mine", "sit", "ben", "another window", 5.0, cut=True))
    app = open_page("dataset", **{"ways to clips": TAB})
    assert not app.toggle(key="keep 20261126-101500").value and "Stopped before its time" in words(app)


def test_takes_that_wait_are_found_again(workspace: Path, wire: Wire, open_page: Open) -> None:
    film(workspace, "20261126-101500", Label("mine", "sit", "ben", "another window", 5.0))
    app = open_page("dataset")
    assert "Takes of earlier, not kept yet (1)" in [e.label for e in app.expander], "the tab of the takes comes first"


def test_another_capital_is_no_other_action(opened: AppTest, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_known", lambda root: (["wave", "Wave "], ["anna"]))
    assert isinstance(wire.sink, studio.Studio)
    app = button(name_it(opened.run(), "Wave ", "anna"), "Record 3 takes")
    assert not app.exception and wire.sink._label.action == "wave"
    wire.sink.stop()
