"""From a wrong label to a better model: edits, one click that trains again, and an honest before and after."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import button, fake_run, started, words
from fakes import epochs as some_epochs
from streamlit.testing.v1 import AppTest

from har_core import checkpoint, dataset, notes, runs
from har_core.config import TrainConfig
from har_core.dataset import versions
from har_core.dataset.versions import Changes
from har_core.errors import HarError
from har_core.evaluation import Evaluation, evaluate
from har_core.events import Ended
from har_core.network import ActionNetwork
from har_core.prediction import Predictor
from har_core.runs import Run
from har_core.ui import loaders, repairing
from har_core.ui.loaders import Model


@pytest.fixture
def mine(workspace: Path, clips: Path) -> Path:
    """A data set of one's own in an empty workspace."""
    (workspace / "datasets").mkdir()
    return Path(shutil.copytree(clips, workspace / "datasets" / "tiny"))


@pytest.fixture
def model(ready: Path, workspace: Path, mine: Path) -> Model:
    """A finished run on it, with a model that knows nothing."""
    return trained(ready, workspace, mine, "20261127-100000-tiny")


def trained(ready: Path, workspace: Path, data: Path, name: str, **changes: object) -> Model:
    run = fake_run(workspace, data, [started(), *some_epochs(2), Ended("epochs", 2, 0.5)], name=name)
    version = changes.pop("version", 0)
    config = replace(run.config(), version=version, validation_fraction=0.25)
    (run.folder / "config.json").write_text(json.dumps(config.to_json()), encoding="utf-8")
    card = replace(checkpoint.read_card(ready / "runs" / "done" / "best"), dataset_version=version, **changes)  # type: ignore[arg-type]  # a test's own
    checkpoint.save(run.best, ActionNetwork(card.network, 2), card)
    return Model(run.name, run.best, run)


def scores_of(model: Model, root: Path) -> Evaluation:
    source = dataset.read(root)
    return evaluate(Predictor(model.folder, runtime="torch"), source, source.clips)


def open_repair(model: Model, root: Path, *clips: str) -> AppTest:
    """A page that holds nothing but what can be done about these clips."""
    scored = [one for one in scores_of(model, root).scored if one.clip in clips]

    def page() -> None:
        import streamlit as st

        from har_core import dataset
        from har_core.ui.repairing import repair

        model, root, scored = st.session_state["shown"]
        repair(model, dataset.read(root), scored, "tested")

    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["shown"] = (model, root, scored)
    return app.run()


def held(model: Model) -> list[str]:
    return [str(clip) for clip in checkpoint.read_card(model.folder).split["validation"]]


def test_without_edits_there_is_nothing_to_train_again(model: Model, mine: Path) -> None:
    app = open_repair(model, mine, held(model)[0])
    assert not app.exception and not app.error
    assert "Is it the label?" in words(app) and "It judges the model" in words(app)
    assert not [b for b in app.button if b.label.startswith("Train")]
    train = next(clip for clip in checkpoint.read_card(model.folder).split["train"])
    assert "judges the model" not in words(open_repair(model, mine, train))


def test_an_edit_leads_to_one_click_that_trains_again(
    model: Model, mine: Path, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    asked: list[TrainConfig] = []

    def start(config: TrainConfig, root: Path, *, name: str = "") -> Run:
        asked.append(config)
        return runs.create(config, root / "20261127-110000-again")

    monkeypatch.setattr(repairing.runs, "start", start)
    clip = checkpoint.read_card(model.folder).split["train"][0]
    app = open_repair(model, mine, clip)
    app = button(app, "Exclude")
    assert not app.exception
    assert "Version 1: 1 clip edited since the model was trained on version 0; 1 trained it." in words(app).replace(
        "\\", ""
    )
    app = button(app, "Train again with these labels")
    assert not app.exception and not app.error
    assert asked[0].version == 1
    again = asked[0]
    parts = dataset.split(
        dataset.read(mine).clips, validation_fraction=again.validation_fraction, seed=again.seed,
        validation_groups=again.validation_groups,
    )  # fmt: skip
    assert sorted(dataset.read(mine).relative(clip) for clip in parts.validation) == sorted(held(model))
    begun = Run(workspace / "runs" / "20261127-110000-again")
    assert "with version 1 of the labels" in notes.read(begun.folder).note
    assert "not started" in str([m.value for m in app.markdown]) and "Follow it" in [b.label for b in app.button]
    app = button(app, "Undo")
    assert "Train again with these labels" not in [b.label for b in app.button]  # nothing differs any more


def test_what_stands_in_the_way_is_told_where_runs_are_made(
    model: Model, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[TrainConfig] = []

    def offer(config: TrainConfig, _note: str) -> None:
        offered.append(config)
        raise HarError("elsewhere")  # the page ends here, as when another is gone to

    monkeypatch.setattr(repairing.recipe, "offer", offer)
    source = dataset.read(mine)
    bright = [source.relative(clip) for clip in source.clips if clip.action == "bright"]
    versions.change(mine, "All gone", dict.fromkeys(bright, Changes(excluded=True)))
    app = open_repair(model, mine)
    app = button(app, "Train again with these labels")
    assert "elsewhere" in app.error[0].value
    assert offered and offered[0].version == 1


def test_a_bundled_model_is_edited_for_and_says_what_is_missing(model: Model, mine: Path) -> None:
    app = open_repair(replace(model, run=None), mine, held(model)[0])
    assert not app.exception
    assert "came with the project" in words(app) and "cannot be trained again" in words(app)
    assert [b.label for b in app.button if "own" in b.label] == ["Train a model of my own"]
    assert "Exclude" in [b.label for b in app.button]


def test_edits_of_another_data_set_say_so(model: Model, mine: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(mine, tmp_path / "other"))
    versions.change(other, "Edited", {held(model)[0]: Changes(ambiguous=True)})
    assert "trained on another data set" in words(open_repair(model, other))


def test_before_and_after_stand_on_the_same_clips(ready: Path, model: Model, mine: Path, workspace: Path) -> None:
    judged = held(model)
    other = {"bright": "dark", "dark": "bright"}
    versions.change(mine, "Relabelled", {judged[0]: Changes(action=other[judged[0].split("/")[0]])})
    later = trained(ready, workspace, mine, "20261127-120000-tiny", version=1)
    app = open_repair(model, mine)
    while [job for job in loaders.jobs()._jobs.values() if job.running]:
        for job in list(loaders.jobs()._jobs.values()):
            job.wait(30)
    app.run()
    assert not app.exception and not app.error
    told = words(app).replace("\\", "")
    assert "Version 1: 1 clip edited since the model was trained on version 0; 1 judged it." in told
    assert {m.label: m.value for m in app.metric}["Clips"] == "2"
    assert "With 2 clips each of them is 50 points" in told
    assert "1 clip by which both are judged got another label. That alone takes the score of the model before" in told
    table = next(d.value for d in app.dataframe if "judged by the labels" in d.value.columns)
    assert list(table["judged by the labels"]) == ["of now (version 1)", "of then (version 0)"]
    assert abs(table["before"][0] - table["before"][1]) == pytest.approx(0.5)
    # The model after shows the same pair, from its side.
    told = words(open_repair(later, mine)).replace("\\", "")
    assert "Before and after on the same clips" in told and "edited since" not in told


def test_without_common_clips_nothing_is_claimed(ready: Path, model: Model, mine: Path, workspace: Path) -> None:
    source = dataset.read(mine)
    everything = {"train": [source.relative(clip) for clip in source.clips], "validation": [], "test": []}
    versions.change(mine, "Edited", {held(model)[0]: Changes(ambiguous=True)})
    trained(ready, workspace, mine, "20261127-120000-tiny", version=1, split=everything)
    assert "No clip is held out from both runs" in words(open_repair(model, mine))


def test_a_run_that_failed_can_be_tried_again(model: Model, mine: Path, workspace: Path) -> None:
    versions.change(mine, "Edited", {held(model)[0]: Changes(ambiguous=True)})
    run = fake_run(workspace, mine, [started()], name="20261127-120000-tiny")
    config = replace(run.config(), version=1, validation_fraction=0.25)
    (run.folder / "config.json").write_text(json.dumps(config.to_json()), encoding="utf-8")
    app = open_repair(model, mine)
    assert not app.exception
    assert "It did not come to an end" in words(app)
    assert "Train again with these labels" in [b.label for b in app.button]
