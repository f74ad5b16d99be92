"""The Evaluate page: scores that stay, what is mixed up, a threshold that travels, and another model beside it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Open, button, fake_run, started, words
from streamlit.testing.v1 import AppTest

from har_core import checkpoint, dataset, parts, probing
from har_core.errors import CheckpointError
from har_core.ui import loaders, scoring
from har_core.ui.loaders import Model
from har_core.ui.scoring import Question


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page waits until its clips are looked at: AppTest has no clock."""
    monkeypatch.setattr(scoring, "PATIENCE_SECONDS", 120.0)


@pytest.fixture
def own(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_bundled: None) -> Path:
    """A workspace with a data set and a model that may be changed."""
    root = shutil.copytree(ready, tmp_path / "own", symlinks=True)
    shutil.rmtree(root / "cache", ignore_errors=True)
    monkeypatch.setenv("HAR_WORKSPACE", str(root))
    return root


def evaluated(open_page: Open, *, split: str = "all") -> AppTest:
    app = open_page("evaluate")
    if split != "validation":
        app = app.selectbox(key="evaluate_split").select(split).run()
    app = button(app, "Evaluate")
    assert not app.exception and not app.error
    return app


def view(app: AppTest, name: str) -> AppTest:
    app = app.segmented_control(key="evaluate_view").set_value(name).run()
    assert not app.exception and not app.error
    return app


def metrics(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def question(*, split: str = "all") -> Question:
    model = next(model for model in loaders.models() if model.name == "done")
    assert model.run is not None
    return Question(model, dataset.read(Path(model.run.config().dataset)), split)


# --- scores ------------------------------------------------------------------------------------------------


def test_without_a_model_the_way_to_one_is_shown(workspace: Path, open_page: Open) -> None:
    app = open_page("evaluate")
    assert not app.exception and "There is no model yet" in words(app)
    assert button(app, "Get a data set").title[0].value == "Dataset"


def test_the_validation_clips_are_scored_on_the_models_own_data_set(own: Path, open_page: Open) -> None:
    app = open_page("evaluate")
    assert not app.exception and not app.metric  # nothing is computed before it is asked for
    assert [s.value for s in app.selectbox] == ["done", "tiny", "validation"]
    app = button(app, "Evaluate")
    assert not app.exception and not app.error
    assert metrics(app)["Clips"] == "2"
    assert "of one person or place only" in words(app)
    assert "broken.mp4" in words(app).replace("\\", "")
    app = view(app, "Scores")
    assert set(app.dataframe[0].value["action"]) == {"bright", "dark"}
    assert "more test clips" in words(app) and "ms** here" in words(app)


def test_scores_are_there_after_a_restart_and_another_split_costs_only_new_clips(own: Path, open_page: Open) -> None:
    evaluated(open_page, split="validation")
    app = open_page("evaluate")
    assert metrics(app)["Clips"] == "2"  # another viewer sees them at once
    app = app.selectbox(key="evaluate_split").select("all").run()
    assert "2 of 8 clips are known already" in words(app) and not app.metric
    app = button(app, "Evaluate")
    assert metrics(app)["Clips"] == "8" and "flatters" in words(app)


def test_a_full_disk_is_said(own: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("evaluate")
    with monkeypatch.context() as disk:
        disk.setattr(parts.Parts, "_write", lambda *_: False)
        app = button(app, "Evaluate")
        assert not app.exception and "Make room there" in app.error[0].value and not app.metric
    app = button(app, "Evaluate")
    assert not app.error and metrics(app)["Clips"] == "2"


def test_after_a_new_calibration_nothing_old_is_shown(own: Path, open_page: Open) -> None:
    evaluated(open_page)
    before = question()
    card = checkpoint.read_card(before.model.folder)
    sure = before.scores().scored[0].prediction
    checkpoint.replace_card(before.model.folder, replace(card, temperature=4.0, unsure_below=0.99), of=card)
    after = question()
    app = open_page("evaluate").selectbox(key="evaluate_split").select("all").run()
    assert metrics(app)["Clips"] == "8"  # no clip is looked at again
    said = after.scores().scored[0].prediction
    assert after.digest == before.digest and said.unsure and said.probabilities.max() < sure.probabilities.max()


def test_a_split_that_the_model_does_not_have_is_said(own: Path, open_page: Open) -> None:
    app = open_page("evaluate")
    app.selectbox(key="evaluate_split").select("test").run()
    app = button(app, "Evaluate")
    assert not app.exception
    assert "without a test split" in app.error[0].value


def test_what_failed_is_said_and_can_be_tried_again(
    own: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = probing.gather

    def fail(*given: object, **named: object) -> None:
        raise CheckpointError("The model was replaced.")

    monkeypatch.setattr(probing, "gather", fail)
    app = open_page("evaluate")
    app = button(app, "Evaluate")
    assert not app.exception and "was replaced" in app.error[0].value
    monkeypatch.setattr(probing, "gather", gather)
    app = button(app.run(), "Evaluate")
    assert not app.exception and not app.error and metrics(app)["Clips"] == "2"


def test_a_damaged_model_is_said(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, dataset.link(workspace, "tiny", clips), [started()])
    run.best.mkdir()
    (run.best / "card.json").write_text("{")
    app = open_page("evaluate")
    assert not app.exception
    assert "none that can be read" in app.error[0].value


def test_dumber_rules_stand_beside_it(own: Path, open_page: Open) -> None:
    app = view(evaluated(open_page), "Scores")
    rules = next(d.value for d in app.dataframe if "rule" in d.value.columns)
    assert list(rules["rule"]) == ["this model", "majority", "shape and length", "shuffled frames", "single frame"]
    assert rules["what it does"].str.len().min() > 10
    app = button(app, "Add the rule without an LSTM")
    assert not app.exception and not app.error
    rules = next(d.value for d in app.dataframe if "rule" in d.value.columns)
    assert "mean of frames" in list(rules["rule"])


def test_worse_pictures_are_asked_for(own: Path, open_page: Open) -> None:
    app = button(view(evaluated(open_page), "Scores"), "Test how robust it is")
    assert not app.exception and not app.error
    worse = next(d.value for d in app.dataframe if "shown" in d.value.columns)
    assert len(worse) == 6 and "without colour" in list(worse["shown"])


# --- what is mixed up --------------------------------------------------------------------------------------


def test_a_pair_shows_its_clips(own: Path, open_page: Open) -> None:
    app = evaluated(open_page)
    assert any("wrong clip" in heading.value for heading in app.subheader)
    (pair,) = [b for b in app.button if "→" in b.label]
    app = pair.click().run()
    assert not app.exception
    assert any("taken for" in heading.value for heading in app.subheader)
    (pair,) = [b for b in app.button if "→" in b.label]
    app = pair.click().run()  # once more takes it back
    assert any("wrong clip" in heading.value for heading in app.subheader)


def test_the_cells_are_a_table_too(own: Path, open_page: Open) -> None:
    app = evaluated(open_page)
    app = app.segmented_control(key="form").set_value("Table").run()
    assert not app.exception
    cells = next(d.value for d in app.dataframe if "true action" in d.value.columns)
    assert cells["clips"].sum() == 8 and list(cells[""]) == sorted(cells[""], reverse=True)  # the wrong ones first


def test_a_clip_is_chosen_among_those_that_play(own: Path, open_page: Open) -> None:
    app = evaluated(open_page)
    closer = [b for b in app.button if b.label == "Look closely"]
    assert closer  # the first of the wrong ones is looked at already
    app = closer[0].click().run()
    assert not app.exception and not app.error
    assert [b.label for b in app.button if b.label == "Shown below"] == ["Shown below"]


# --- calibration and motion --------------------------------------------------------------------------------


def test_a_threshold_that_is_kept_is_used_everywhere(own: Path, open_page: Open) -> None:
    app = view(evaluated(open_page), "Calibration")
    model = question().model
    assert "of **8**" not in words(app) and "clips would be answered" in words(app)
    assert next(b for b in app.button if b.label == "Keep this threshold").disabled  # it is the model's own
    app = app.slider[0].set_value(77.5).run()
    app = button(app, "Keep this threshold")
    assert not app.exception and not app.error
    card = checkpoint.read_card(model.folder)
    assert card.unsure_below == pytest.approx(0.775)
    assert card.calibration["by hand"]["unsure below"] == pytest.approx(0.775)
    ready = loaders.predictor(model)  # what Video Predict and Live ask
    assert ready.card.unsure_below == ready.engine.card.unsure_below == pytest.approx(0.775)
    clip = question().clips[0].path
    assert ready.predict(clip).unsure == (ready.predict(clip).probabilities.max() < 0.775)
    assert next(b for b in app.button if b.label == "Keep this threshold").disabled


def test_a_temperature_that_is_kept_changes_no_answer(own: Path, open_page: Open) -> None:
    model = question().model
    card = checkpoint.read_card(model.folder)
    clips = [name for names in card.split.values() for name in names]
    everything = {"train": clips, "validation": clips}
    checkpoint.replace_card(model.folder, replace(card, split=everything), of=card)
    app = view(evaluated(open_page), "Calibration")
    table = next(d.value for d in app.dataframe if "temperature" in d.value.columns)
    assert list(table["temperature"])[:2] == ["none", "in the model now"] and len(table) == 3
    before = [one.prediction.action for one in question().scores().scored]
    keep = next(b for b in app.button if b.label == "Keep this temperature")
    if not keep.disabled:
        app = keep.click().run()
        assert not app.exception and not app.error
    assert [one.prediction.action for one in question().scores().scored] == before


def test_a_model_that_came_with_the_project_is_copied_before_it_is_changed(
    own: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(own / "runs" / "done" / "best", own / "models" / "actions-tiny")
    monkeypatch.setattr(loaders, "bundled", lambda: [Model("actions-tiny", folder, None)])
    app = open_page("evaluate", model="actions-tiny")
    app = view(button(app, "Evaluate"), "Calibration")
    assert not any(b.label.startswith("Keep") for b in app.button) and "came with the project" in words(app)
    card = (folder / "card.json").read_bytes()
    app = button(app, "Copy it to my models")
    assert not app.exception and not app.error
    made = [run for run in loaders.models() if run.name not in ("done", "actions-tiny")]
    assert len(made) == 1 and made[0].run is not None and made[0].run.status() == "finished"
    assert app.selectbox(key="model").value == made[0].name
    assert (folder / "card.json").read_bytes() == card


def test_few_clips_are_not_calibrated(own: Path, open_page: Open) -> None:
    app = view(evaluated(open_page, split="validation"), "Calibration")
    assert "needs 8 clips or more" in words(app)


def test_the_motion_test_says_in_words_what_it_found(own: Path, open_page: Open) -> None:
    app = view(evaluated(open_page), "Motion")
    assert "order of frames" in words(app) or "hardly better than a guess" in words(app)
    shown = next(d.value for d in app.dataframe if "shown" in d.value.columns)
    assert list(shown["shown"])[1] == "played backwards"


# --- another model -----------------------------------------------------------------------------------------


def test_alone_there_is_nothing_to_compare_with(own: Path, open_page: Open) -> None:
    assert "no other model" in words(view(evaluated(open_page), "Compare"))


def test_two_models_are_compared_on_the_same_clips(own: Path, open_page: Open) -> None:
    other = own / "runs" / "other"
    shutil.copytree(own / "runs" / "done", other)
    import torch

    from har_core.network import ActionNetwork

    card = checkpoint.read_card(other / "best")
    torch.manual_seed(3)
    checkpoint.save(other / "best", ActionNetwork(card.network, 2), card)
    app = open_page("evaluate", model="done")
    app = app.selectbox(key="evaluate_split").select("all").run()
    app = view(button(app, "Evaluate"), "Compare")
    app = button(app, "Compare the two")
    assert not app.exception and not app.error
    assert metrics(app)["Difference"].endswith("points")
    assert "trained" in words(app) and "so it is flattered" in words(app)
    assert "gets wrong" in words(app) or "are right on the same" in words(app)
