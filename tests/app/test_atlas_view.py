"""The Map view: made in the background, chosen from, and its suspects decided about, each decision kept."""

from pathlib import Path

import numpy as np
import pytest
from fakes import Open, button, words
from streamlit.testing.v1 import AppTest

from har_core import atlas, dataset, embeddings
from har_core.atlas import Atlas, Issue, Layout, Outlier, Review
from har_core.dataset import Dataset, versions
from har_core.ui.jobs import jobs

WRONG, ODD = "bright/v_bright_g01_c01.mp4", "dark/v_dark_g02_c01.mp4"


@pytest.fixture
def root(workspace: Path, clips: Path) -> Path:
    return dataset.link(workspace, "tiny", clips)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map with one doubtful label and one outlier, without looking at a clip."""
    random = np.random.default_rng(0)

    def vectors(source: Dataset, clips: list[object], **_: object) -> np.ndarray:
        return random.random((len(clips), 1024), np.float32)

    def make(source: Dataset, seen: np.ndarray, **_: object) -> Atlas:
        names = tuple(source.relative(clip) for clip in source.clips)
        review = Review((Issue(names.index(WRONG), "bright", "dark", 0.91),), 0.875, 0.5, 80)
        places = Layout(seen[:, :2].copy(), "t-SNE")
        return Atlas(names, places, review, (Outlier(names.index(ODD), "dark", 2.4),), 0)

    monkeypatch.setattr(embeddings, "clip_embeddings", vectors)
    monkeypatch.setattr(embeddings, "known", lambda source, clips, **_: np.full((len(clips), 1024), np.nan))
    monkeypatch.setattr(atlas, "make", make)


def the_map(open_page: Open) -> AppTest:
    app = open_page("dataset")
    return app.segmented_control(key="dataset_view").set_value("Map").run()


def made(open_page: Open) -> AppTest:
    """The page once the map is there."""
    app = the_map(open_page)
    offer = next(b for b in app.button if b.label.startswith("Make the map (about"))
    offer.click().run()
    (job,) = (job for key, job in jobs()._jobs.items() if isinstance(key, tuple) and key[0] == "map")
    assert job.wait(60)
    app = app.run()
    assert not app.exception and not app.error
    return app


def test_a_map_of_real_clips(root: Path, open_page: Open) -> None:
    app = made(open_page)
    assert "Each dot is a clip" in words(app) and "Laid out by PCA" in words(app)
    (chart,) = app.get("plotly_chart")
    assert "A map of 8 clips, coloured by action" in str(chart.proto)


def test_a_doubtful_label_is_mended(root: Path, made_up: None, open_page: Open) -> None:
    app = made(open_page)
    assert "**bright** → **dark**" in words(app) and "88% of the labels" in words(app)
    app = button(app, "Relabel to dark")
    assert [c.action for c in dataset.read(root).clips if c.path.name == Path(WRONG).name] == ["dark"]
    assert versions.current(root).what == f"Relabelled {WRONG} as dark"
    assert "→" not in words(app) and "have been decided" in words(app) and "has changed since" in words(app)
    assert app.toast[0].value.startswith("Relabelled")
    app = button(app, "Undo")
    assert "**bright** → **dark**" in words(app)


def test_a_label_that_is_right_is_not_listed_again(root: Path, made_up: None, open_page: Open) -> None:
    app = button(made(open_page), "It is right")
    assert "have been decided" in words(app) and versions.current(root).number == 0
    assert atlas.accepted(root) == {WRONG: "bright"}
    assert "have been decided" in words(made_again(open_page))


def made_again(open_page: Open) -> AppTest:
    jobs().cancel_all()
    return made(open_page)


def test_an_outlier_is_played_and_excluded(root: Path, made_up: None, open_page: Open) -> None:
    app = made(open_page)
    app = app.segmented_control(key="suspect list").set_value("outliers").run()
    assert "2.4 × as far" in words(app)
    app = button(app, "Play")
    assert len(app.get("video")) == 1
    app = button(app, "Exclude")
    assert [dataset.read(root).relative(c) for c in dataset.read(root).excluded] == [ODD]
    assert "2.4 × as far" not in words(app) and not app.exception


def test_a_refusal_is_said_and_nothing_is_lost(
    root: Path, made_up: None, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = made(open_page)
    (root.parents[1] / "reviews").write_text("in the way")
    app = button(app, "It is right")
    assert "Make room there" in app.error[0].value and "**bright** → **dark**" in words(app)


def test_clips_chosen_on_the_map_go_to_the_gallery(root: Path, made_up: None, open_page: Open) -> None:
    app = made(open_page)
    points = [{"customdata": [0]}, {"customdata": 5}, {"x": 1.0}]
    app.session_state["map of tiny"] = {
        "selection": {"points": points, "point_indices": [0, 5], "box": [], "lasso": []}
    }
    app = app.run()
    assert "**2 clips chosen**" in words(app)
    app = button(app, "Show them in the gallery")
    assert app.session_state["dataset_view"] == "Clips"
    asked = app.session_state["asked for clips"]
    assert asked.title == "Map: 2 clips" and asked.relatives == (WRONG, ODD)


@pytest.mark.parametrize("colours", ["Part", "Group", "Doubt"])
def test_colours(root: Path, made_up: None, open_page: Open, colours: str) -> None:
    app = made(open_page)
    app = app.segmented_control(key="map colours").set_value(colours).run()
    (chart,) = app.get("plotly_chart")
    assert f"coloured by {colours.lower()}" in str(chart.proto) and not app.exception
    expected = {"Part": "validation", "Group": "g03", "Doubt": "probably wrong"}
    assert expected[colours] in chart.proto.spec


def test_doubts_of_what_tells_nothing_apart_are_not_shown(
    root: Path, made_up: None, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = atlas.make

    def hardly(source: Dataset, seen: np.ndarray, **_: object) -> Atlas:
        found = make(source, seen)
        return Atlas(found.clips, found.layout, Review((), 0.55, 0.5, 80), (), 2)

    monkeypatch.setattr(atlas, "make", hardly)
    said = words(made(open_page))
    assert "cannot tell these actions apart" in said and "2 clips cannot be decoded" in said


def test_a_map_that_fails_says_why(root: Path, made_up: None, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from har_core.errors import DatasetError

    def fail(*_: object, **__: object) -> Atlas:
        raise DatasetError("A map needs clips that can be decoded.")

    monkeypatch.setattr(atlas, "make", fail)
    app = the_map(open_page)
    next(b for b in app.button if b.label.startswith("Make the map")).click().run()
    (job,) = (job for key, job in jobs()._jobs.items() if isinstance(key, tuple) and key[0] == "map")
    assert job.wait(60)
    app = app.run()
    assert "A map needs clips" in app.error[0].value
    assert any(b.label.startswith("Make the map") for b in app.button)
