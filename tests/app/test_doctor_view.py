"""The Doctor view: findings as cards, the clips behind them, fixes that are versions, and a deeper look."""

import shutil
from pathlib import Path

import pytest
from fakes import Open, button, words
from streamlit.testing.v1 import AppTest

from har_core import dataset
from har_core.dataset import versions
from har_core.doctor import Diagnosis, Honesty
from har_core.doctor.leaks import findings
from har_core.errors import DatasetError
from har_core.ui import doctor as ui
from har_core.ui.jobs import jobs


@pytest.fixture
def ill(workspace: Path, clips: Path) -> Path:
    """A data set in which one file lies under two actions and one is no video."""
    root = workspace / "datasets" / "ill"
    shutil.copytree(clips, root)
    shutil.copy(root / "bright" / "v_bright_g01_c01.mp4", root / "dark" / "v_dark_g02_c02.mp4")
    return root


def settled(app: AppTest) -> AppTest:
    """The view once all clips have been looked at and all jobs are over."""
    for job in list(jobs()._jobs.values()):
        assert job.wait(60)
    return app.run()


@pytest.fixture
def view(open_page: Open, ill: Path) -> AppTest:
    return settled(open_page("dataset", dataset_view="Doctor"))


def labels(app: AppTest) -> set[str]:
    return {each.label for each in app.button}


def test_findings_are_told_with_why_and_a_way_out(view: AppTest) -> None:
    assert not view.exception
    said = words(view)
    assert "2 clips are the same file but have different actions" in said
    assert "One of the labels is wrong" in said
    assert "1 file cannot be used" in said
    assert {"Set 2 clips aside until it is decided", "Show these 2 clips"} <= labels(view)


def test_a_fix_is_one_version_and_can_be_undone(view: AppTest, ill: Path) -> None:
    view = settled(button(view, "Set 2 clips aside until it is decided"))
    assert not view.exception
    assert "different actions" not in words(view)
    assert versions.current(ill).number == 1
    assert dataset.read(ill).ambiguous == {"bright/v_bright_g01_c01.mp4", "dark/v_dark_g02_c02.mp4"}
    view = settled(button(view, "Undo"))
    assert "different actions" in words(view)
    assert not dataset.read(ill).ambiguous


def test_a_fix_that_is_refused_says_why(view: AppTest, ill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise DatasetError("The disk is full.")

    monkeypatch.setattr(versions, "change", refuse)
    view = button(view, "Set 2 clips aside until it is decided")
    assert not view.exception
    assert [error.value for error in view.error] == ["The disk is full."]
    assert "different actions" in words(view)


def test_the_clips_of_a_finding_are_shown_in_the_gallery(view: AppTest) -> None:
    view = settled(button(view, "Show these 2 clips"))
    assert not view.exception
    assert view.session_state["dataset_view"] == "Clips"
    assert "Doctor: 2 clips are the same file" in words(view).replace("\\", "")


def test_a_deeper_look_runs_in_the_background_and_is_kept(view: AppTest) -> None:
    deeper = next(label for label in labels(view) if label.startswith("Look deeper"))
    view = settled(button(view, deeper))
    assert not view.exception
    assert not any(label.startswith("Look deeper") for label in labels(view))


def test_a_well_data_set_hears_so(open_page: Open, ill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "examine", lambda *given: Diagnosis((), 8, 8))
    app = settled(open_page("dataset", dataset_view="Doctor"))
    assert not app.exception
    assert app.success[0].value.startswith("Nothing found: files, lengths, light")


def test_a_leak_comes_with_a_chart(open_page: Open, ill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Honesty(0.97, (0.95, 0.99), 0.81, (0.7, 0.9), 0.16, (0.1, 0.2), 80, 8)
    monkeypatch.setattr(ui, "examine", lambda *given: Diagnosis(tuple(findings(seen)), 80, 80, seen))
    app = settled(open_page("dataset", dataset_view="Doctor"))
    assert not app.exception
    assert "would promise 97%, the honest one 81%" in words(app).replace("\\", "")
    assert len(app.get("plotly_chart")) == 1
