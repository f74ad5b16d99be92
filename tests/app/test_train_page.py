import fcntl
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import Open, button, epochs, fake_run, started, words
from streamlit.testing.v1 import AppTest

from har_core import dataset, notes, runs, speed
from har_core.config import AugmentConfig, TrainConfig
from har_core.errors import RunError
from har_core.events import Ended, EpochEnded, Event, Failed, Noticed, Stepped, Waiting, encode
from har_core.forecast import Speed
from har_core.glimpses import Caption, Glimpses
from har_core.notes import Notes
from har_core.ui.choose import run_title


def labels(app: object) -> set[str]:
    return {b.label for b in app.button}  # type: ignore[attr-defined]


def test_without_a_data_set_the_way_to_one_is_shown(workspace: Path, open_page: Open) -> None:
    app = open_page("train")
    assert not app.exception
    app = button(app, "Get a data set")
    assert app.title[0].value == "Dataset"


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose speed is known: no test waits until this one's is."""
    monkeypatch.setattr(speed, "known", Speed)


@pytest.fixture
def asked(workspace: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    """The runs that were started; each is a made-up one on a data set that is linked into the workspace."""
    root, started_with = dataset.link(workspace, "tiny", clips), list[TrainConfig]()

    def start(config: TrainConfig, home: Path, *, name: str) -> runs.Run:
        started_with.append(config)
        return fake_run(workspace, root, [started()], name=f"20260102-03040{len(started_with)}-{name}")

    monkeypatch.setattr(runs, "start", start)
    return started_with


def root_of(workspace: Path) -> Path:
    return dataset.datasets(workspace)["tiny"]


def depth(app: AppTest, name: str) -> AppTest:
    return app.segmented_control(key="depth").set_value(name).run()


def set_(app: AppTest, kind: str, path: str, value: object) -> AppTest:
    """Turns the knob of a setting."""
    return getattr(app, kind)(key=f"set {path}").set_value(value).run()  # type: ignore[no-any-return]


def test_the_defaults_start_the_default_config(workspace: Path, asked: list[TrainConfig], open_page: Open) -> None:
    app = open_page("train")
    assert "Learn 2 actions from 6 clips, judged by 2 clips of 1 other group" in words(app)
    assert "on this computer" in words(app) and "minute" in words(app)
    assert not app.error
    app = button(app, "Start training")
    assert not app.exception
    assert asked == [TrainConfig(dataset=str(root_of(workspace)))]
    assert app.selectbox(key="run").value == "20260102-030401-tiny"


def test_what_cannot_be_started_is_said(
    workspace: Path, clips: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.link(workspace, "tiny", clips)

    def refuse(config: TrainConfig, home: Path, *, name: str) -> runs.Run:
        raise RunError("The disk is full.")

    monkeypatch.setattr(runs, "start", refuse)
    app = button(open_page("train"), "Start training")
    assert "The disk is full" in app.error[0].value


def test_knobs_names_and_json_are_the_same_settings(workspace: Path, asked: list[TrainConfig], open_page: Open) -> None:
    app = depth(open_page("train"), "few")
    app = set_(app, "number_input", "epochs", 7)
    app = set_(app, "toggle", "augment.flip", False)
    app = depth(app, "all")
    assert app.number_input(key="set epochs").value == 7
    app = set_(app, "number_input", "network.dropout", 0.25)
    app.toggle(key="own window").set_value(True).run()
    app = set_(app, "number_input", "clip.window_seconds", 1.0)
    app = set_(app, "multiselect", "validation_groups", ["g02"])
    typed = json.loads(app.text_area(key="settings as json").value)
    assert (typed["epochs"], typed["network"]["dropout"], typed["augment"]["flip"]) == (7, 0.25, False)
    app = app.text_area(key="settings as json").set_value(json.dumps(typed | {"batch_size": 4})).run()
    assert app.number_input(key="set batch_size").value == 4
    assert "batch_size 4 (usually 8)" in words(app).replace("\\", "")
    app = depth(app, "go")
    button(app, "Start training")
    (config,) = asked
    assert (config.epochs, config.augment.flip, config.batch_size) == (7, False, 4)
    assert config.network.dropout == 0.25
    assert config.clip is not None and config.clip.window_seconds == 1.0
    assert config.validation_groups == ("g02",)


@pytest.mark.parametrize(
    ("typed", "said"),
    [("{", "This is no JSON: line 1"), ('{"epochs": 0}', "epochs must lie between 1"), ('{"colour": 1}', "no setting"),
     ('{"network": {"dropout": "much"}}', "dropout must be float"), ("[]", "must be a JSON object"),
     ('{"seed": 1' + "0" * 5000 + "}", "4300 digits"), ("[" * 20_000, "recursion")],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_is_typed_counts_as_a_whole_or_not_at_all(
    workspace: Path, asked: list[TrainConfig], open_page: Open, typed: str, said: str
) -> None:
    app = depth(open_page("train"), "all")
    app = app.text_area(key="settings as json").set_value(typed).run()
    assert not app.exception and said in app.error[0].value.replace("\\", "")
    assert app.text_area(key="settings as json").value == typed, "what was typed can be mended"
    app = button(app, "Take back what I typed")
    assert not app.error and json.loads(app.text_area(key="settings as json").value)["epochs"] == 60
    button(app, "Start training")
    assert asked == [TrainConfig(dataset=str(root_of(workspace)))]


def test_settings_that_contradict_each_other(workspace: Path, asked: list[TrainConfig], open_page: Open) -> None:
    app = depth(open_page("train"), "all")
    app = set_(app, "selectbox", "network.motion", "only")
    app = set_(app, "number_input", "network.lstm_layers", 0)
    assert not app.exception and "nothing to learn from" in app.error[0].value
    assert "Start training" not in labels(app)
    app = button(app, "Back to the defaults")
    assert not app.error and app.number_input(key="set network.lstm_layers").value == 1


def test_an_obstacle_is_said_and_its_remedy_helps(workspace: Path, asked: list[TrainConfig], open_page: Open) -> None:
    app = depth(open_page("train"), "few")
    assert "Few clips to learn from: bright (3), dark (3)" in words(app).replace("\\", "")
    app = set_(app, "selectbox", "view", "person")
    assert "needs a detector" in words(app)
    assert next(b for b in app.button if b.label == "Start training").disabled
    app = button(app, "Look at the whole picture")
    assert app.selectbox(key="set view").value == "frame"
    assert not next(b for b in app.button if b.label == "Start training").disabled
    app = button(app, "Add clips")
    assert app.title[0].value == "Dataset" and app.segmented_control(key="dataset_view").value == "Add clips"


def test_the_settings_of_a_run_are_taken_over(workspace: Path, asked: list[TrainConfig], open_page: Open) -> None:
    left = TrainConfig(dataset=str(root_of(workspace)), epochs=9, version=0, augment=AugmentConfig(0.5))
    app = open_page("train", **{"clone config": left.to_json() | {"note": "As run seven."}})
    assert "As run seven." in words(app)
    button(app, "Start training")
    assert asked == [replace(left, version=None)]
    app = open_page("train", train_view="New run", **{"clone config": {"epochs": -1}})
    assert not app.exception and "cannot be used" in words(app)


def test_a_run_can_be_taken_as_a_model_for_the_next(workspace: Path, asked: list[TrainConfig], open_page: Open) -> None:
    fake_run(workspace, root_of(workspace), [started(), Ended("epochs", 0, 0.0)], name="old")
    app = depth(open_page("train", train_view="New run"), "few")
    app = button(app, "Take them")
    assert "The settings of old" in words(app)
    app = button(app, "Reset to the defaults")
    button(app, "Start training")
    assert asked[0].freeze_backbone is False


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
    (error,) = app.error
    assert "The disk is full" in error.value and "Make room" in error.value
    assert "OSError" in app.code[0].value
    assert "x.mp4 is left out" in words(app)
    assert {"Resume", "Delete"} <= labels(app)


def test_a_run_that_cannot_go_on_offers_a_new_one(workspace: Path, clips: Path, open_page: Open) -> None:
    root = dataset.link(workspace, "tiny", clips)
    fake_run(workspace, root, [started(), *epochs(1), Failed("The clips in tiny changed since the run began.")])
    app = button(open_page("train"), "New run with these settings")
    assert app.segmented_control(key="train_view").value == "New run"
    assert "Start training" in labels(app) and "The settings of run" in words(app)


def test_a_killed_run_says_so(workspace: Path, clips: Path, open_page: Open) -> None:
    fake_run(workspace, clips, [started(), *epochs(2)])
    app = open_page("train")
    assert not app.exception and "killed" in app.error[0].value and "Resume" in labels(app)
    assert "Best epoch 2" in words(app)


def test_what_is_learnt_is_shown_and_stays(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [started(), *epochs(2), Ended("epochs", 2, 0.5)])
    caption = Caption("dark/<b>.mp4", "dark", "bright")
    Glimpses(run.folder).show(2, lambda: [(caption, np.zeros((6, 32, 32, 3), np.uint8))])
    app = open_page("train")
    assert not app.exception and "Frames in training" in words(app)
    (shown,) = [h.body for h in app.get("html") if "har-glimpse" in h.body]
    assert "taken for bright" in shown and "<b>.mp4" not in shown and "&lt;b&gt;" in shown


def overfits() -> list[Event]:
    losses = (0.7, 0.75, 0.85, 1.0)
    return [
        EpochEnded(i, 0.7 / i, 0.95, loss, 0.5, 0.0, 1e-3, 1.0, True, i == 1, ((0, 0, 1), (1, 0, 1)), 2**30)
        for i, loss in enumerate(losses, 1)
    ]


def test_the_coach_starts_a_run_with_its_advice(workspace: Path, asked: list[TrainConfig], open_page: Open) -> None:
    fake_run(workspace, root_of(workspace), [started(), *overfits(), Ended("epochs", 1, 0.5)], name="old")
    app = open_page("train")
    assert "It overfits" in words(app) and "2 validation clips" in words(app)
    assert "Memory 1.0 GB" in words(app)
    app = button(app, "Start a new run with stronger augmentation (1.5)")
    assert not app.exception
    (config,) = asked
    assert config.augment.strength == 1.5 and config.freeze_backbone, "the rest is as it was"
    assert app.selectbox(key="run").value == "20260102-030401-tiny"


def test_advice_that_cannot_be_started_is_shown_with_what_it_lacks(
    workspace: Path, asked: list[TrainConfig], open_page: Open
) -> None:
    run = fake_run(workspace, root_of(workspace), [started(), *overfits(), Ended("epochs", 1, 0.5)], name="old")
    config = TrainConfig(dataset=str(root_of(workspace)), view="person")
    (run.folder / "config.json").write_text(json.dumps(config.to_json()))
    app = button(open_page("train"), "Start a new run with stronger augmentation (1.5)")
    assert not app.exception and not asked
    assert "needs a detector" in words(app) and "As old, but with stronger augmentation" in words(app)


@pytest.mark.parametrize(
    ("reason", "said"),
    [("stopped", "Resume goes on"), ("early stopping", "ended early"), ("all right", "named rightly")],
)
def test_how_a_run_ended_is_said(workspace: Path, clips: Path, open_page: Open, reason: str, said: str) -> None:
    fake_run(workspace, clips, [started(), *epochs(1), Ended(reason, 1, 0.5)])  # type: ignore[arg-type]
    app = open_page("train")
    assert not app.exception and said in words(app)
    assert ("Resume" in labels(app)) == (reason == "stopped")


def test_a_deleted_run_can_be_taken_back(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [started(), Ended("epochs", 0, 0.0)])
    fake_run(workspace, clips, [started(), Ended("epochs", 0, 0.0)], name="another")
    app = button(open_page("train", run=run.name), "Delete")
    assert not app.exception and not run.folder.exists() and "is in the trash" in words(app)
    app = button(app, "Undo")
    assert not app.exception and run.folder.exists() and "is in the trash" not in words(app)
    app = button(button(app, "Delete"), "Take back")
    assert not app.exception and run.folder.exists() and app.selectbox(key="run").value == run.name


def test_the_last_run_that_was_deleted_can_be_taken_back_too(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [started(), Ended("epochs", 0, 0.0)])
    app = button(open_page("train"), "Delete")
    app = button(app, "Take back")
    assert not app.exception and run.folder.exists()


def test_a_title_a_note_and_a_star_stay_with_the_run(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [started(), *epochs(2), Ended("epochs", 2, 0.5)])
    app = open_page("train")
    app.text_input(key="title of run").set_value("The *first*")
    app.toggle(key="star of run").set_value(True)
    app = button(app, "Save")
    assert not app.exception and notes.read(run.folder) == Notes("The *first*", star=True)
    assert app.dataframe[-1].value.iloc[0]["run"] == "The *first*"


def test_two_runs_are_compared(workspace: Path, clips: Path, open_page: Open) -> None:
    for name in ("one", "two"):
        fake_run(workspace, clips, [started(), *epochs(2), Ended("epochs", 2, 0.5)], name=name)
    app = open_page("train", **{"all runs": {"selection": {"rows": [0, 1], "columns": [], "cells": []}}})
    assert not app.exception and "level at 50" in words(app)
    assert "They have the same settings." in words(app)


def test_a_run_that_waits_can_go_ahead(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, clips, [])
    run.events_path.write_text(encode(Waiting("20261122-234833-other", 2)))
    with runs.locked(run):
        app = button(open_page("train"), "Start now anyway")
        assert not app.exception and (run.folder / "now").exists()


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
