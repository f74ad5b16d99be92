"""Searches for better settings: what is tried and kept, what a kill may cost, and what may be said of the best."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from har_core import network, runs, searches, training
from har_core.config import AugmentConfig, ClipSpec, NetworkConfig, TrainConfig
from har_core.errors import ConfigError, DatasetError, RunError, TrainingError
from har_core.events import Ended, Event, Prepared, Started, Trying
from har_core.proposals import Proposals
from har_core.search import search
from har_core.searches import KNOBS, Search, SearchConfig, Try, best_of, nested, settings_of, sign_test, verdict
from har_core.values import wilson

SPEC = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)


@pytest.fixture
def config(tiny: Path) -> SearchConfig:
    base = TrainConfig(
        dataset=str(tiny), clip=SPEC, size=32, batch_size=6, windows=2, precision="fp32",
        network=NetworkConfig(weights="bundled", lstm_size=8, embedding="average"), augment=AugmentConfig(strength=0.5),
    )  # fmt: skip
    return SearchConfig(base=base, knobs=("head_learning_rate", "network.pooling"), tries=3, epochs=2, folds=2)


@pytest.fixture
def small(small_backbone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone that looks in no time and passes for a pretrained one unless weights are "none"."""

    def pretend(made: network.ActionNetwork, choice: Any) -> str:
        made.pretrained = choice != "none"
        return f"{choice}: pretended"

    monkeypatch.setattr(training, "load_initial", pretend)


def tried(number: int, right: str, *, pruned: bool = False, **settings: Any) -> Try:
    share = right.count("1") / len(right)
    return Try(number, settings or {"network.dropout": number / 10}, share, 1, right, (share,), (share,), 1.0, pruned)


def run_through(config: SearchConfig, folder: Path, done: list[Try], stop_after: int = 99) -> list[Event | Try]:
    found: list[Event | Try] = []
    stopped = lambda: sum(isinstance(e, Try) for e in found) >= stop_after  # noqa: E731
    found.extend(search(config, folder, done, stopped=stopped))  # it grows event by event
    return found


def until(holds: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def test_a_search_begins_with_the_own_settings_and_tries_others(
    config: SearchConfig, tmp_path: Path, small: None
) -> None:
    found = run_through(config, tmp_path / "search", [])
    tries = [e for e in found if isinstance(e, Try)]
    assert [t.number for t in tries] == [0, 1, 2] and tries[0].settings == config.first()
    assert len({json.dumps(t.settings) for t in tries}) == 3
    for each in tries:
        assert len(each.right) == 12 and len(each.folds) == 2 and 1 <= len(each.curve) <= 2
        assert each.accuracy == each.right.count("1") / 12 == max(each.curve)
        # Two folds of two groups with a clip of each action: their mean is that of all clips.
        assert sum(each.folds) / 2 == pytest.approx(each.accuracy)
    started = next(e for e in found if isinstance(e, Started))
    assert started.train_clips == 12
    ended = found[-1]
    best = best_of(tries)
    assert best is not None and ended == Ended("budget", best.number, best.accuracy)
    assert next(e for e in found if isinstance(e, Trying)) == Trying(0, 1, 2)
    assert not (tmp_path / "search").exists()  # nothing is written but by whoever listens


def test_each_clip_is_looked_at_once_for_all_tries(
    config: SearchConfig, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    look = training.Trainer._look

    def counting(trainer: training.Trainer, rgb: Any) -> Any:
        nonlocal looked
        looked += 1
        return look(trainer, rgb)

    monkeypatch.setattr(training.Trainer, "_look", counting)
    run_through(config, tmp_path, [])
    assert looked == 12 * 3  # as it is, varied, and as it is judged


def test_the_same_seed_tries_the_same(config: SearchConfig, tmp_path: Path, small: None) -> None:
    one, other = (
        [replace(e, seconds=0) for e in run_through(config, tmp_path, []) if isinstance(e, Try)] for _ in range(2)
    )
    assert one == other


def test_a_search_goes_on_after_what_is_done(config: SearchConfig, tmp_path: Path, small: None) -> None:
    first = run_through(config, tmp_path, [], stop_after=1)
    done = [e for e in first if isinstance(e, Try)]
    assert len(done) == 1 and first[-1] == Ended("stopped", 0, done[0].accuracy)
    rest = [e for e in run_through(config, tmp_path, done) if isinstance(e, Try)]
    assert [t.number for t in rest] == [1, 2] and all(t.settings != done[0].settings for t in rest)
    assert [e for e in run_through(config, tmp_path, [*done, *rest]) if isinstance(e, Try)] == []


def test_the_time_is_kept_to_but_two_are_compared(config: SearchConfig, tmp_path: Path, small: None) -> None:
    soon = replace(config, minutes=0.01)
    slow = [tried(0, "1" * 12, **soon.first())]
    found = run_through(soon, tmp_path, [replace(slow[0], seconds=100.0)])
    assert [e.number for e in found if isinstance(e, Try)] == [1]


def test_strength_of_augmentation_is_looked_at_anew(config: SearchConfig, tmp_path: Path, small: None) -> None:
    strong = replace(config, knobs=("augment.strength",), tries=10)
    found = run_through(strong, tmp_path, [])
    assert {t.settings["augment.strength"] for t in found if isinstance(t, Try)} == {0.0, 0.5, 1.0, 2.0}
    assert any("All that there is" in getattr(e, "message", "") for e in found)  # four choices, and ten tries
    assert sum(isinstance(e, Prepared) for e in found) >= 36


def test_no_more_clips_are_tried_on_than_fit_into_memory(
    config: SearchConfig, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from har_core import search as searching

    clip = 2 * 512 * 16  # 8 frames a second for a second, twice as dense
    monkeypatch.setattr(searching, "LOOKED_BYTES", 3 * clip * 6 + 1)  # three looks at each of six clips
    found = run_through(replace(config, tries=1), tmp_path, [])
    assert any("6 of the 12 clips" in getattr(event, "message", "") for event in found)
    assert [len(each.right) for each in found if isinstance(each, Try)] == [6]


def test_both_views_learn_and_the_picture_judges(
    config: SearchConfig, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch, bright: Any
) -> None:
    from har_core import detection

    monkeypatch.setattr(detection, "load", lambda *_: bright)
    both = replace(config, base=replace(config.base, view="both"), tries=2)
    tries = [e for e in run_through(both, tmp_path, []) if isinstance(e, Try)]
    assert len(tries) == 2 and len(tries[0].right) == 12


def test_what_cannot_be_searched(config: SearchConfig, tmp_path: Path, small: None) -> None:
    blank = replace(config.base, network=replace(config.base.network, weights="none"))
    with pytest.raises(TrainingError, match="starting weights"):
        run_through(replace(config, base=blank), tmp_path, [])
    with pytest.raises(ConfigError, match="cannot turn 'epochs'"):
        SearchConfig(knobs=("epochs",))
    with pytest.raises(ConfigError, match="needs a setting"):
        SearchConfig(knobs=())
    with pytest.raises(ConfigError, match="minutes must lie"):
        SearchConfig(minutes=float("nan"))
    with pytest.raises(RunError, match="needs a folder of clips"):
        searches.create(SearchConfig(), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError):
        run_through(replace(config, base=replace(config.base, dataset=str(tmp_path / "empty"))), tmp_path, [])


def test_every_knob_is_a_setting_and_its_ends_are_allowed() -> None:
    base = TrainConfig()
    for path, knob in KNOBS.items():
        for value in knob.choices or (knob.low, knob.high):
            assert SearchConfig(base=settings_of(base, {path: value}), knobs=(path,)).first() == {path: value}


def test_proposals_come_back_from_the_disk_and_stay_on_the_scale() -> None:
    base = TrainConfig(head_learning_rate=1.23456e-5, weight_decay=0.0)  # beside the usual scale, one has no logarithm
    config = SearchConfig(base=base, knobs=("head_learning_rate", "weight_decay", "network.lstm_size"))
    proposals, done = Proposals(config, []), list[Try]()
    for number in range(12):
        proposed = proposals.next()
        assert proposed is not None
        gave_up = [proposed.report(epoch, 0.9 if number < 9 else 0.1) for epoch in range(1, 10)]
        assert gave_up[-1] == (number >= 9)
        one = replace(tried(number, "10", pruned=gave_up[-1], **proposed.settings), curve=(0.5,) * 9)
        proposals.learn(proposed, one)
        done.append(one)
    assert done[0].settings == config.first()
    again = Proposals(config, [_through_json(one) for one in done])
    proposed = again.next()
    assert proposed is not None and proposed.settings not in [one.settings for one in done]


def _through_json(one: Try) -> Try:
    found = searches._decode(one.encode())
    assert found == one
    return found


LINE = tried(1, "10").encode()


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "[]", "1", '{"number": 1}', "[" * 9999, LINE[:-9], LINE.replace("0.5", "NaN"),
        LINE.replace('"10"', '"1x"'), LINE.replace("network.dropout", "evil"), LINE.replace("1,", '"1",', 1),
    ],
)  # fmt: skip
def test_damaged_tries_are_left_out(tmp_path: Path, line: str) -> None:
    found = Search(tmp_path)
    (tmp_path / "tries.jsonl").write_text(tried(0, "11").encode() + line)  # a killed process left half a line
    found.add(tried(2, "10"))
    assert [t.number for t in found.tries()] == [0, 2]


def test_the_verdict_says_what_may_be_luck() -> None:
    assert verdict([]) == "No try is over yet."
    own = tried(0, "1" * 10 + "0" * 10)
    assert "your own settings are the best of 1" in verdict([own]).lower()
    better = tried(1, "1" * 12 + "0" * 8)
    words = verdict([own, better])
    low, high = wilson(12, 20)
    assert "60.0% of 20 clips" in words and f"{low * 100:.0f}–{high * 100:.0f}%" in words
    assert "2 clips are right only with it, 0 only without it" in words and "may well be luck" in words
    far = tried(2, "1" * 20)
    assert "Luck alone does not explain" in verdict([own, far])  # 10 clips to none, out of two others
    many = [own, far, *(tried(n, "1" * 10 + "0" * 10) for n in range(3, 60))]
    assert "may well be luck" in verdict(many)  # the same lead, out of many more
    assert best_of([own, tried(3, "1" * 20, pruned=True)]) == own
    assert sign_test(10, 0) == pytest.approx(2 / 1024) and sign_test(0, 0) == 1.0
    assert nested({"network.dropout": 0.1}) == {"network": {"dropout": 0.1}}


def real(config: SearchConfig, tries: int) -> SearchConfig:
    """For a process of its own, which has the real backbone."""
    return replace(config, tries=tries, knobs=("head_learning_rate",))


def test_a_killed_search_loses_no_try_and_goes_on(config: SearchConfig, own_workspace: Path) -> None:
    found = searches.start(real(config, 200), own_workspace / "searches", name="tiny")
    chance = random.Random(3)
    seen = list[Try]()
    for _ in range(2):
        wanted = len(seen) + 2
        until(lambda wanted=wanted: len(found.tries()) >= wanted)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.3))  # no wait: the moment is what is tried
        seen = found.tries()
        os.kill(int((found.folder / "lock").read_text()), signal.SIGKILL)
        until(lambda: not found.process.alive())
        assert found.status() == "crashed"
        assert found.tries()[: len(seen)] == seen
        seen = found.tries()
        found.resume()
    until(lambda: len(found.tries()) > len(seen))
    found.stop()
    tries = found.tries()
    assert found.status() == "stopped" and [t.number for t in tries] == list(range(len(tries)))
    assert len({json.dumps(t.settings) for t in tries}) == len(tries) and tries[: len(seen)] == seen


def test_the_best_is_trained_once(config: SearchConfig, own_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[runs.Run] = []
    monkeypatch.setattr(runs.Run, "resume", lambda run: asked.append(run))
    found = searches.create(config, own_workspace / "searches", name="tiny")
    with pytest.raises(RunError, match="no try"):
        searches.train_best(found, own_workspace / "runs")
    found.add(tried(0, "10", **config.first()))
    found.add(tried(1, "11", **config.first() | {"head_learning_rate": 0.005}))
    run = searches.train_best(found, own_workspace / "runs")
    assert run.config() == replace(found.config().base, head_learning_rate=0.005) and run.config().version == 0
    assert asked == [run]
    (run.folder / "lock").touch()  # it has begun
    assert searches.train_best(found, own_workspace / "runs") == run and len(asked) == 1


def test_more_minutes(config: SearchConfig, own_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "launch", lambda *_: None)
    found = searches.start(config, own_workspace / "searches")
    found.resume(more_minutes=5)
    assert found.config().minutes == config.minutes + 5
    assert searches.all_searches(own_workspace / "searches") == [found] and found.status() == "new"


def test_searching_on_the_command_line(
    config: SearchConfig,
    tiny: Path,
    tmp_path: Path,
    own_workspace: Path,
    small: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from har_core.__main__ import main

    (tmp_path / "base.json").write_text(json.dumps(config.base.to_json()))
    asked = ["search", "--data", str(tiny), "--config", str(tmp_path / "base.json"), "--tries", "2", "--folds", "2"]
    assert main([*asked, "--knobs", "network.dropout", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tries"] == 2 and set(told["best"]) == {"number", "settings", "accuracy"}
    assert Search(Path(told["search"])).status() == "finished"
    assert main(["search", "--search", told["search"]]) == 0  # nothing is left to do
    assert main(["search"]) == 1 and "--data FOLDER" in capsys.readouterr().err
