"""One clip of an evaluation, closely: what the panel says, and what it does when the file has gone."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import words
from streamlit.testing.v1 import AppTest

from har_core import dataset, embeddings
from har_core.evaluation import evaluate
from har_core.prediction import Predictor
from har_core.saliency import Moments
from har_core.ui import inspecting, loaders
from har_core.ui.inspecting import summary


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What the browser was given to draw, in order."""
    given: list[dict[str, object]] = []
    monkeypatch.setattr(inspecting, "_component", lambda: lambda key, data: given.append(data))
    return given


def open_panel(root: Path, *, wrong: bool = False) -> AppTest:
    """A page that holds nothing but the panel of one clip; its clips are evaluated by the run called done."""
    model = next(model for model in loaders.models() if model.name == "done")
    source = dataset.read(root)
    scored = evaluate(Predictor(model.folder, runtime="torch"), source, source.clips).scored[0]
    if wrong:  # whatever a network that has learned nothing says
        scored = replace(scored, action=next(name for name in ("bright", "dark") if name != scored.prediction.action))

    def page() -> None:
        import streamlit as st

        from har_core.ui.inspecting import inspect

        inspect(*st.session_state["shown"], "tested")

    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["shown"] = (model, scored, source)
    return app.run()


@pytest.fixture
def own(ready_workspace: Path, clips: Path, tmp_path: Path) -> Path:
    """A copy of the clips, so that files may go."""
    return Path(shutil.copytree(clips, tmp_path / "tiny"))


def test_a_clip_comes_with_answer_frames_and_moments(own: Path, drawn: list[dict[str, object]]) -> None:
    app = open_panel(own)
    assert not app.exception and not app.error
    assert "v\\_bright\\_g01" in words(app) and "1.5 s" in words(app)
    data = drawn[-1]
    assert data["overlays"] is None
    assert {row["name"] for row in data["top"]} == {"bright", "dark"}  # type: ignore[attr-defined]
    assert sum("true" in row["kind"] or row["kind"] == "both" for row in data["top"]) == 1  # type: ignore[attr-defined]
    assert len(data["ticks"]) == len(data["hidden"]) == len(data["effects"])  # type: ignore[arg-type]
    assert all(frame["picture"].startswith("data:image/jpeg;base64,") for frame in data["frames"])  # type: ignore[attr-defined]


def test_where_it_looked_comes_on_demand(own: Path, drawn: list[dict[str, object]]) -> None:
    app = open_panel(own)
    app.toggle[0].set_value(True).run()
    assert not app.exception and not app.error
    assert len(drawn[-1]["overlays"]) == len(drawn[-1]["frames"])  # type: ignore[arg-type]
    assert "as coarse as that" in words(app)


def test_a_wrong_answer_can_be_explained_by_the_truth(own: Path, drawn: list[dict[str, object]]) -> None:
    app = open_panel(own, wrong=True)
    true = app.session_state["shown"][1].action
    assert drawn[-1]["of"] == "said" and true not in str(drawn[-1]["heading"])
    app.segmented_control[0].set_value(true).run()
    assert not app.exception
    assert drawn[-1]["of"] == "true" and drawn[-1]["heading"] == f"What speaks for {true}"


def test_a_file_that_has_gone_leaves_the_answer(own: Path, drawn: list[dict[str, object]]) -> None:
    app = open_panel(own)
    clip = app.session_state["shown"][1].path
    clip.unlink()
    app.run()
    assert not app.exception
    assert clip.name in app.error[0].value.replace("\\", "")
    assert app.get("plotly_chart")


def test_clips_alike_are_only_known_once_somebody_looked(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = dataset.read(own)
    model = next(model for model in loaders.models() if model.name == "done")
    assert inspecting.alike(model, source, source.clips[0]) == []
    vectors = np.zeros((len(source.clips), 1024), np.float32)
    vectors[:, 0] = 10 * (np.arange(len(source.clips)) < 4)
    vectors[:, 1] = np.arange(len(source.clips)) % 4
    vectors[3] = np.nan  # not looked at yet
    monkeypatch.setattr(embeddings, "known", lambda *_, **__: vectors)
    near = inspecting.alike(model, source, source.clips[0], number=2)
    assert [clip.action for clip in near] == ["bright", "bright"] and source.clips[0] not in near
    assert inspecting.alike(model, source, source.clips[3]) == []


def test_without_embeddings_the_way_to_them_is_shown(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting.st, "expander", lambda *_, **__: Opened())
    app = open_panel(own)
    assert not app.exception and "Nobody has looked yet" in words(app)


class Opened:
    """An expander that is unfolded: AppTest cannot unfold one."""

    open = True

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_the_sentence_says_what_the_bars_say() -> None:
    seconds = [0.0, 0.5, 1.0]
    told = summary(Moments("wave", 0.8, np.array([0.8, 0.5, 0.9])), seconds)
    assert told == (
        "The moment at 0.5 s speaks most for it: hidden, 80.0% becomes 50.0%. The one at 1.0 s speaks most against it: "
        "hidden, 80.0% becomes 90.0%."
    )
    assert summary(Moments("wave", 0.8, np.array([0.8, 0.8, 0.9])), seconds).startswith("No single moment is needed.")
    assert summary(Moments("wave", 0.99, np.full(3, 0.9895)), seconds).startswith("No single moment decides")
