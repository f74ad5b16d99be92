"""Runs, clips and notes of strangers: names that are markup, figures that cannot be, folders that go meanwhile."""

import json
import re
from pathlib import Path

import pytest
from fakes import Open, epochs, fake_run, started, words

from har_core import dataset
from har_core.analyses import Task
from har_core.dataset import versions
from har_core.errors import HarError
from har_core.events import Ended, encode
from har_core.ui import history

MARKUP = "<img src=x onerror=alert(1)>![x](http://x)**b**:red[r]"


@pytest.fixture
def hostile(workspace: Path, clips: Path) -> Path:
    """A data set linked, and a run whose every text is markup."""
    root = dataset.link(workspace, "tiny", clips)
    run = fake_run(workspace, root, [], name="20260101-000000-evil")
    lines = [json.loads(encode(event)) for event in (started(), *epochs(3), Ended("epochs", 2, 0.5))]
    lines[0]["classes"] = [MARKUP, "\ud800" + "x" * 10_000]
    lines[0]["device"] = lines[0]["precision"] = lines[0]["weights"] = MARKUP
    for line in lines[1:-1]:
        line["confusion"] = [[0, 1, 2**52], [9, 9, 3], [1, 1, 1]]
    lines += [{"event": "Noticed", "message": MARKUP + "\ud800"}]
    (run.folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run.folder / "notes.json").write_text(json.dumps({"title": MARKUP, "note": "\ud800" + MARKUP, "star": True}))
    config = json.loads((run.folder / "config.json").read_text())
    config["version"], config["network"]["dropout"] = 7, 0.25
    (run.folder / "config.json").write_text(json.dumps(config))
    other = fake_run(workspace, root, [started()], name="20260101-000001-worse")
    (other.folder / "config.json").write_text(json.dumps(config | {"dataset": "/\0/"}))
    (other.folder / "notes.json").write_text("[" * 100_000)
    return root


def test_a_strangers_run_is_shown_as_text(hostile: Path, open_page: Open) -> None:
    for run in ("20260101-000000-evil", "20260101-000001-worse"):
        app = open_page("train", train_view="Runs", run=run)
        assert not app.exception and "Something went wrong" not in words(app)
        assert not re.search(r"(?<!\\)<img|(?<!\\)\*\*b|(?<!\\):red\[", words(app)), (
            "what is shown as Markdown is escaped"
        )


def test_versions_and_other_pages_bear_with_it(hostile: Path, open_page: Open) -> None:
    versions.change(hostile, MARKUP, {"dark/v_dark_g01_c01.mp4": {"action": MARKUP[:70], "group": "**g**"}})
    for view in ("Versions", "Clips", "Doctor", "Map"):
        app = open_page("dataset", dataset_view=view)
        assert not app.exception and "Something went wrong" not in words(app), view
        assert not re.search(r"(?<!\\)<img|(?<!\\)\*\*b|(?<!\\):red\[", words(app)), view
    for page in ("evaluate", "predict", "train"):
        app = open_page(page)
        assert not app.exception and "Something went wrong" not in words(app), page


def test_a_damaged_answer_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(task: Task) -> str:
        if task.name == "damaged":
            raise HarError("It is damaged.")
        if task.name == "gone":
            raise FileNotFoundError
        return task.name

    monkeypatch.setattr(history, "read", read)
    tasks = [Task(Path("/w/analyses/v") / name) for name in ("damaged", "fine", "gone", "good")]
    assert list(history._readable(tasks)) == ["fine", "good"]
