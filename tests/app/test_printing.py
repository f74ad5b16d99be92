"""The Report view: what it promises is what the file holds."""

from pathlib import Path

import pytest
from fakes import Open, button, words

from har_core import dataset
from har_core.ui import loaders, printing, scoring
from har_core.ui.scoring import ORDERS, Question


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page waits until its clips are looked at: AppTest has no clock."""
    monkeypatch.setattr(scoring, "PATIENCE_SECONDS", 120.0)


def test_the_report_can_be_had_and_typed(ready_workspace: Path, open_page: Open) -> None:
    app = open_page("evaluate")
    if any(each.label == "Evaluate" for each in app.button):  # else what another test found in this workspace is kept
        app = button(app, "Evaluate")
    app = app.segmented_control(key="evaluate_view").set_value("Report").run()
    assert not app.exception and not app.error
    assert "works without a network" in words(app) and "computed in the view Scores" in words(app)
    assert "--report report.html" in app.code[0].value and "--split validation" in app.code[0].value
    model = next(model for model in loaders.models() if model.name == "done")
    assert model.run is not None
    asked = Question(model, dataset.read(Path(model.run.config().dataset)), "validation")
    assert not asked.left(ORDERS)
    content = printing._page(asked, asked.scores(), "the command").decode()
    assert content.startswith("<!DOCTYPE html>") and "<pre>the command</pre>" in content
    assert "Does it use time?" in content and "Against dumber rules" in content and "picture is worse" not in content
