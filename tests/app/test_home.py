from pathlib import Path

import pytest
from fakes import Open, button, epochs, fake_run, started, words
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from har_core import PROJECT, dataset, example
from har_core.ui.adding import RECORD, UPLOAD, WAYS


def test_an_empty_workspace_offers_the_example(workspace: Path, open_page: Open) -> None:
    app = open_page()
    assert not app.exception
    assert "No data set yet" in words(app)
    assert "Make the example data set" in [b.label for b in app.button]
    assert "Generated figures" in words(app)  # what it is good for stands beside the button


@pytest.mark.parametrize(("offer", "way"), [("Record your own", RECORD), ("Bring your own clips", UPLOAD)])
def test_clips_of_ones_own_are_one_click_away(workspace: Path, open_page: Open, offer: str, way: str) -> None:
    app = button(open_page(), offer)
    assert not app.exception
    assert app.title[0].value == "Dataset" and app.session_state[WAYS] == way


def test_the_example_is_made_and_shown(
    workspace: Path, clips: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(folder: Path, *, progress: object) -> Path:
        progress(0, 2)  # type: ignore[operator]
        dataset.link(workspace, folder.name, clips)
        return folder

    monkeypatch.setattr(example, "make", make)
    app = button(open_page(), "Make the example data set")
    assert not app.exception
    assert app.title[0].value == "Dataset"
    assert app.selectbox(key="data").value == "example"
    assert "**8** clips" in words(app)


def test_what_to_do_next_follows_what_is_there(workspace: Path, clips: Path, open_page: Open) -> None:
    dataset.link(workspace, "tiny", clips)
    app = open_page()
    assert "A data set is ready" in words(app)
    app = button(app, "Train a model")
    assert app.title[0].value == "Train"
    run = fake_run(workspace, clips, [started(), *epochs(1)])
    run.best.mkdir()
    (run.best / "card.json").write_text('{"classes": ["bright", "dark"]}')
    assert "A model is ready" in words(open_page())


def test_a_bug_gets_a_reference_and_no_traceback(
    workspace: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dataset, "datasets", lambda root: 1 / 0)
    app = open_page()
    assert not app.exception
    assert "not your fault" in app.error[0].value
    reference = app.error[0].value.split("**")[1]
    written = capsys.readouterr().err
    assert reference in written and "ZeroDivisionError" in written


def test_a_first_visitor_who_asks_for_a_page_gets_it_in_its_frame(workspace: Path) -> None:
    PagesManager.uses_pages_directory = None  # as in a server that has not run Home.py yet
    app = AppTest.from_file(str(PROJECT / "Home.py"), default_timeout=60).switch_page("pages/train.py").run()
    assert not app.exception
    assert app.title[0].value == "Train"
    assert app.session_state["framed"]


def test_what_comes_with_it_can_be_tried_beside_an_own_data_set(
    tmp_path: Path, clips: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAR_WORKSPACE", str(tmp_path / "own"))
    dataset.link(tmp_path / "own", "tiny", clips)
    app = open_page()
    assert not app.exception and "A data set is ready" in words(app) and "see what it can do" in words(app)
    app = button(app, "Predict a clip")
    assert app.title[0].value == "Video Predict" and "one wall and one camera" in words(app)
    app = app.selectbox(key="model").set_value("actions-interaction").run()
    assert not app.exception and "two people who fill the picture" in words(app)


def test_what_comes_with_it_can_be_tried_at_once(
    tmp_path: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAR_WORKSPACE", str(tmp_path))
    app = open_page()
    assert not app.exception and "No data set yet" in words(app) and "see what it can do" in words(app)
    app = button(app, "Predict a clip")
    assert app.title[0].value == "Video Predict" and app.selectbox(key="model").value == "actions-yoga"
