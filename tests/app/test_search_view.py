"""The Search view: what is asked for, how a search stands, and what can be done with the best."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import Open, button, started, words
from streamlit.testing.v1 import AppTest

from har_core import dataset, runs, searches, speed
from har_core.config import TrainConfig
from har_core.events import Ended, Event, Failed, Noticed, Prepared, Trying, Waiting, encode
from har_core.forecast import Speed
from har_core.searches import Search, SearchConfig, Try


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose speed is known: no test waits until this one's is."""
    monkeypatch.setattr(speed, "known", Speed)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was started; nothing is."""
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(runs, "launch", lambda run, *command: found.append((run.name, *command)))
    return found


@pytest.fixture
def linked(workspace: Path, clips: Path) -> Path:
    return dataset.link(workspace, "tiny", clips)


def tried(number: int, right: str, *, pruned: bool = False, **settings: Any) -> Try:
    share = right.count("1") / len(right)
    values = {"network.dropout": 0.5, "network.pooling": "mean", "network.bidirectional": False} | settings
    return Try(number, values, share, 3, right, (share,) * 3, (share,) * 5, 6.0, pruned)


def fake_search(workspace: Path, data: Path, tries: list[Try], events: list[Event]) -> Search:
    config = SearchConfig(
        base=TrainConfig(dataset=str(data)), minutes=5,
        knobs=("network.dropout", "network.pooling", "network.bidirectional"),
    )  # fmt: skip
    found = searches.create(config, workspace / "searches", name="tiny")
    for each in tries:
        found.add(each)
    (found.folder / "events.jsonl").write_text("".join(map(encode, events)), encoding="utf-8")
    return found


def opened(open_page: Open, **state: Any) -> AppTest:
    app = open_page("train", train_view="Search", **state)
    assert not app.exception
    return app


TRIES = [
    tried(0, "1" * 10 + "0" * 10), tried(1, "1" * 13 + "0" * 7, **{"network.dropout": 0.21}),
    tried(2, "0" * 20, pruned=True, **{"network.pooling": "last", "network.bidirectional": True}),
]  # fmt: skip


def test_a_search_starts_with_what_was_chosen(
    workspace: Path, linked: Path, launched: list[tuple[str, ...]], open_page: Open
) -> None:
    app = opened(open_page)
    assert "8 clips of 4 groups" in words(app) and "can be luck" in words(app)
    app.button_group(key="knobs").set_value(["network.dropout", "network.motion"]).run()
    app.number_input(key="search minutes").set_value(7).run()
    app.toggle(key="then train").set_value(True).run()
    app = button(app, "Start the search")
    assert not app.exception and not app.error
    (found,) = searches.all_searches(workspace / "searches")
    asked = found.config()
    assert (asked.knobs, asked.minutes, asked.then_train) == (("network.dropout", "network.motion"), 7.0, True)
    assert asked.base == TrainConfig(dataset=str(linked), version=0)
    assert launched == [(found.name, "search", "--search")]
    assert app.selectbox(key="search").value == found.name and "not started" in words(app)


def test_without_knobs_or_starting_weights_it_cannot_start(
    workspace: Path, linked: Path, launched: list[tuple[str, ...]], open_page: Open
) -> None:
    app = opened(open_page)
    start = next(b for b in app.button if b.label == "Start the search")
    assert not start.disabled
    app.button_group(key="knobs").set_value([]).run()
    assert next(b for b in app.button if b.label == "Start the search").disabled
    blank = TrainConfig().to_json()
    blank["network"]["weights"] = "none"
    app = opened(open_page, recipe={k: v for k, v in blank.items() if k not in ("dataset", "version")})
    assert "needs starting weights" in words(app)


def test_a_finished_search_says_what_it_found(
    workspace: Path, linked: Path, launched: list[tuple[str, ...]], open_page: Open
) -> None:
    said = [started(), Noticed("Fold 1 lacks."), Noticed("Fold 1 lacks."), Ended("budget", 1, 0.65)]
    found = fake_search(workspace, linked, TRIES, said)
    app = opened(open_page)
    text = words(app)
    assert "Best accuracy 65.0%" in text and "Own settings 50.0%" in text and "Tries 3 (1 early)" in text
    assert "may well be luck" in text and "Its time is used up" in text and text.count("Fold 1 lacks") == 1
    table = app.dataframe[0].value
    assert list(table["try"]) == [1, 0, 2] and list(table["Dropout"]) == ["0.21", "0.5", "0.5"]
    app = button(app, "5 more minutes")
    assert found.config().minutes == 10 and launched == [(found.name, "search", "--search")]


def test_the_best_is_trained_or_taken(
    workspace: Path, linked: Path, launched: list[tuple[str, ...]], open_page: Open
) -> None:
    found = fake_search(workspace, linked, TRIES, [started(), Ended("budget", 1, 0.65)])
    app = button(opened(open_page), "Take its settings")
    assert app.segmented_control(key="train_view").value == "New run"
    assert app.session_state["recipe"]["network"]["dropout"] == 0.21 and "best of 3 tries" in words(app)
    app.segmented_control(key="train_view").set_value("Search").run()
    app = button(app, "Train the best")
    assert not app.exception
    (run,) = runs.all_runs(workspace / "runs")
    assert run.name == f"{found.name}-try1" and run.config().network.dropout == 0.21
    assert launched == [(run.name, "train", "--run")]
    assert app.segmented_control(key="train_view").value == "Runs" and app.selectbox(key="run").value == run.name


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([Waiting("20260101-000000-yoga", 1)], "Waits for yoga"),
        ([Prepared(3, 40)], "Looking at the clips and at variations of them: 3 of 40"),
        ([started(), Trying(3, 4, 30)], "3 tries in 0.3 of 5 minutes · try 4, epoch 4 of at most 30"),
        ([], "Starting"),
    ],
)
def test_a_running_search_says_what_it_does(
    workspace: Path, linked: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch, events: list[Event], said: str
) -> None:
    fake_search(workspace, linked, TRIES if said.startswith("3") else [], events)
    monkeypatch.setattr(runs.Run, "alive", lambda run: run.folder.parent.name == "searches")
    app = opened(open_page)
    bars = [e.proto.text for e in app.get("progress")]
    assert [bar.replace("\\", "") for bar in bars] == [said] or said in bars[0].replace("\\", "")
    assert {"Stop"} <= {b.label for b in app.button}
    assert ("Start now anyway" in {b.label for b in app.button}) == said.startswith("Waits")


def test_a_failed_search_says_why_and_goes_on(
    workspace: Path, linked: Path, launched: list[tuple[str, ...]], open_page: Open
) -> None:
    found = fake_search(workspace, linked, TRIES[:1], [started(), Failed("A search needs starting weights.")])
    app = opened(open_page)
    assert "needs starting weights" in app.error[0].value
    button(app, "Go on")
    assert launched == [(found.name, "search", "--search")]


@pytest.mark.parametrize("damage", ["{", json.dumps({"minutes": "x"}), ""])
def test_a_damaged_search_breaks_no_page(workspace: Path, linked: Path, open_page: Open, damage: str) -> None:
    found = fake_search(workspace, linked, TRIES, [])
    (found.folder / "config.json").write_text(damage)
    app = opened(open_page)
    assert "cannot be read" in app.error[0].value


def test_tries_of_another_version_break_no_page(workspace: Path, linked: Path, open_page: Open) -> None:
    other = replace(TRIES[1], settings={"network.dropout": 0.1})
    fake_search(workspace, linked, [TRIES[0], other, TRIES[2]], [started(), Ended("budget", 1, 0.5)])
    app = opened(open_page)
    assert not app.error and len(app.dataframe[0].value) == 3
