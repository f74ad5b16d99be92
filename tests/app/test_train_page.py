import fcntl
from pathlib import Path

import pytest
from fakes import Open, button, epochs, fake_run, started, words

from har_core import dataset, runs
from har_core.config import TrainConfig
from har_core.errors import RunError
from har_core.events import Ended, Failed, Noticed, Stepped
from har_core.ui.choose import run_title


def labels(app: object) -> set[str]:
    return {b.label for b in app.button}  # type: ignore[attr-defined]


def test_without_a_data_set_the_way_to_one_is_shown(workspace: Path, open_page: Open) -> None:
    app = open_page("train")
    assert not app.exception
    app = button(app, "Get a data set")
    assert app.title[0].value == "Dataset"


def test_the_defaults_start_the_default_config(
    workspace: Path, clips: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = dataset.link(workspace, "tiny", clips)
    asked = []

    def start(config: TrainConfig, home: Path, *, name: str) -> runs.Run:
        asked.append((config, name))
        return fake_run(workspace, root, [started()], name="20260102-030405-tiny")

    monkeypatch.setattr(runs, "start", start)
    app = open_page("train")
    assert "6 clips train, 2 validate" in words(app)
    app = button(app, "Start training")
    assert not app.exception and not app.error
    assert asked == [(TrainConfig(dataset=str(root)), "tiny")]
    assert app.selectbox(key="run").value == "20260102-030405-tiny"


def test_choices_arrive_in_the_config(
    workspace: Path, clips: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.link(workspace, "tiny", clips)
    asked: list[TrainConfig] = []

    def start(config: TrainConfig, home: Path, *, name: str) -> runs.Run:
        asked.append(config)
        raise RunError("The disk is full.")

    monkeypatch.setattr(runs, "start", start)
    app = open_page("train")
    app.number_input(key="epochs").set_value(7)
    app.toggle(key="flip").set_value(False)
    app.toggle(key="own window").set_value(True).run()
    app.number_input(key="window seconds").set_value(1.0)
    app.multiselect(key="groups tiny").set_value(["g02"]).run()
    app = button(app, "Start training")
    assert "The disk is full" in app.error[0].value
    (config,) = asked
    assert config.epochs == 7 and not config.augment.flip
    assert config.clip is not None and config.clip.window_seconds == 1.0
    assert config.validation_groups == ("g02",)


def test_a_running_run_can_be_stopped_and_shows_its_progress(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [started(), *epochs(2), Stepped(3, 1, 2, 0.7)])
    with (run.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        app = open_page("train")
    assert not app.exception and not app.error
    assert "Stop" in labels(app) and not {"Resume", "Delete"} & labels(app)
    assert "Best accuracy 50.0%" in words(app)
    assert "Best epoch 2" in words(app)


def test_a_failure_shows_its_sentence_and_log(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [started(), Noticed("x.mp4 is left out."), Failed("The disk is full.")])
    (run.folder / "stderr.txt").write_text("Traceback: OSError")
    app = open_page("train")
    assert not app.exception
    assert [e.value for e in app.error] == ["The disk is full."]
    assert "OSError" in app.code[0].value
    assert "x.mp4 is left out" in words(app)
    assert {"Resume", "Delete"} <= labels(app)


@pytest.mark.parametrize(("reason", "said"), [("stopped", "Resume goes on"), ("early stopping", "ended early")])
def test_how_a_run_ended_is_said(workspace: Path, clips: Path, open_page: Open, reason: str, said: str) -> None:
    fake_run(workspace, clips, [started(), *epochs(1), Ended(reason, 1, 0.5)])  # type: ignore[arg-type]
    app = open_page("train")
    assert not app.exception and said in words(app)
    assert ("Resume" in labels(app)) == (reason == "stopped")


def test_a_run_is_not_deleted_without_a_question(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [started(), Ended("epochs", 0, 0.0)])
    app = button(open_page("train"), "Delete")
    assert not app.exception and {"Delete for good", "Keep it"} <= labels(app)
    assert run.folder.exists()


def test_a_damaged_run_does_not_break_the_page(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [started(), *epochs(1)])
    run.events_path.write_text(run.events_path.read_text() + '{"event": "Step')
    app = open_page("train")
    assert not app.exception and "Best epoch 1" in words(app)


def test_the_model_of_a_run_is_carried_to_evaluate(ready_workspace: Path, open_page: Open) -> None:
    app = button(open_page("train"), "Evaluate it")
    assert app.title[0].value == "Evaluate"
    assert app.selectbox(key="model").value == "done"


def test_names_of_runs_read_well() -> None:
    assert run_title("20261122-234833-my-yoga") == "my-yoga · 2026-11-22 23:48:33"
    assert run_title("mine") == "mine"
