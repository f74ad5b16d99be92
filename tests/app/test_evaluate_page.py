from pathlib import Path

from fakes import Open, button, fake_run, started, words

from har_core import dataset
from har_core.ui import loaders


def test_without_a_model_the_way_to_one_is_shown(workspace: Path, open_page: Open) -> None:
    app = open_page("evaluate")
    assert not app.exception and "There is no model yet" in words(app)
    assert button(app, "Get a data set").title[0].value == "Dataset"


def test_the_validation_clips_are_scored_on_the_models_own_data_set(ready_workspace: Path, open_page: Open) -> None:
    app = open_page("evaluate")
    assert not app.exception and not app.metric  # nothing is computed before it is asked for
    assert [s.value for s in app.selectbox] == ["done", "tiny", "validation"]
    app = button(app, "Evaluate")
    assert not app.exception and not app.error
    assert {m.label: m.value for m in app.metric}["Clips"] == "2"
    assert "interval is wide" in words(app)
    assert set(app.dataframe[0].value["action"]) == {"bright", "dark"}
    assert "broken.mp4" in words(app).replace("\\", "")


def test_a_cell_shows_its_clips(ready_workspace: Path, open_page: Open) -> None:
    app = open_page("evaluate")
    app = app.selectbox(key="evaluate_split").select("all").run()
    app = button(app, "Evaluate")
    points = [{"customdata": ["bright", "dark"]}]
    app.session_state["confusion done-all"] = {
        "selection": {"points": points, "point_indices": [1], "box": [], "lasso": []}
    }
    app.run()
    assert not app.exception
    assert "Clips of **bright** taken for **dark**" in words(app)
    app.session_state["confusion done-all"] = {"selection": {"points": [], "point_indices": [], "box": [], "lasso": []}}
    app.run()
    assert "the most surely wrong first" in words(app)
    assert "flatters" in words(app)  # the clips that trained the model are among them


def test_a_split_that_the_model_does_not_have_is_said(ready_workspace: Path, open_page: Open) -> None:
    app = open_page("evaluate")
    app.selectbox(key="evaluate_split").select("test").run()
    app = button(app, "Evaluate")
    assert not app.exception
    assert "without a test split" in app.error[0].value


def test_baselines_come_on_demand(ready_workspace: Path, open_page: Open) -> None:
    app = button(button(open_page("evaluate"), "Evaluate"), "Compare with baselines")
    assert not app.exception and not app.error
    rules = next(d.value for d in app.dataframe if "rule" in d.value.columns)
    assert list(rules["rule"]) == ["this model", "majority", "shape and length", "shuffled frames", "single frame"]
    assert rules["what it does"].str.len().min() > 10


def test_scores_stay_until_the_model_changes(ready_workspace: Path, open_page: Open) -> None:
    button(open_page("evaluate"), "Evaluate")
    assert open_page("evaluate").metric  # another viewer sees them at once
    model = loaders.models()[0]
    source = dataset.read(ready_workspace / "datasets" / "tiny")
    before = loaders.evaluation_key(model, source, "validation")
    card = model.folder / "card.json"
    card.write_bytes(card.read_bytes())
    assert loaders.evaluation_key(model, source, "validation") != before


def test_a_damaged_model_is_said(workspace: Path, clips: Path, open_page: Open) -> None:
    run = fake_run(workspace, dataset.link(workspace, "tiny", clips), [started()])
    run.best.mkdir()
    (run.best / "card.json").write_text("{")
    app = button(open_page("evaluate"), "Evaluate")
    assert not app.exception
    assert "is not the card of a model" in app.error[0].value
