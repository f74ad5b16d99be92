"""Scores against numbers worked out by hand, and what is left out of them."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from har_core import dataset
from har_core.baselines import plain_rules, without_order
from har_core.certainty import certainty
from har_core.checkpoint import Card
from har_core.config import ClipSpec, NetworkConfig
from har_core.dataset import Dataset
from har_core.errors import DatasetError, VideoError
from har_core.evaluation import Evaluation, Scored, evaluate, select, shape_baseline
from har_core.prediction import Predictor
from har_core.values import Clip, Prediction, VideoProperties, wilson

ACTIONS = ("jump", "run", "sit", "wave")


def scored(true: str, said: str, probability: float = 0.7) -> Scored:
    rest = (1 - probability) / 3
    probabilities = np.array([probability if name == said else rest for name in ACTIONS])
    return Scored(f"{true}/{said}.mp4", Path(f"/clips/{true}/{said}.mp4"), true, Prediction(probabilities, ACTIONS))


@pytest.fixture
def case() -> Evaluation:
    """Nobody sits; nobody is said to wave. 4 of 7 are right."""
    pairs = [
        ("jump", "jump", 0.9), ("jump", "jump", 0.5), ("jump", "run", 0.8), ("run", "run", 0.6), ("run", "run", 0.7),
        ("wave", "run", 0.4), ("wave", "jump", 0.95),
    ]  # fmt: skip
    return Evaluation(ACTIONS, tuple(scored(*pair) for pair in pairs), (("a.mp4", "It is broken."),))


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    # Newcombe 1998, table I, method 3; and the edges.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
     (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)  # fmt: skip
def test_wilson_against_published_numbers(right: int, total: int, low: float, high: float) -> None:
    assert wilson(right, total) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_wilson_against_scipy(total: int, share: float) -> None:
    right = round(share * total)
    expected = binomtest(right, total).proportion_ci(0.95, method="wilson")
    low, high = wilson(right, total)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= right / total + 1e-9 and right / total - 1e-9 <= high <= 1


def test_scores_by_hand(case: Evaluation) -> None:
    assert case.accuracy == pytest.approx(4 / 7)
    assert case.interval == wilson(4, 7)
    assert case.confusion.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]]
    # jump: precision 2/3, recall 2/3; run: 2/4, 2/2; wave: 0, 0; sit occurs nowhere and does not count.
    assert case.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_per_class_by_hand(case: Evaluation) -> None:
    table = case.per_class().set_index("action")
    assert list(table.index) == list(ACTIONS)
    assert table["clips"].tolist() == [3, 2, 0, 2]
    assert table.loc["jump", ["precision", "recall", "f1"]].tolist() == pytest.approx([2 / 3] * 3)
    assert table.loc["run", ["precision", "recall", "f1"]].tolist() == pytest.approx([0.5, 1.0, 2 / 3])
    assert np.isnan(table.loc["sit", "recall"]) and np.isnan(table.loc["sit", "precision"])
    assert table.loc["wave", "recall"] == 0 and np.isnan(table.loc["wave", "precision"])


def test_top_accuracy(case: Evaluation) -> None:
    # Behind the first all are equal and come in the order of the classes: wave last.
    assert [case.top_accuracy(k) for k in (1, 2, 3, 4)] == pytest.approx([4 / 7, 5 / 7, 5 / 7, 1])


def test_the_table_begins_with_what_is_most_surely_wrong(case: Evaluation) -> None:
    table = case.table()
    assert list(table.columns) == ["clip", "action", "predicted", "probability", "right"]
    assert table["probability"].round(2).tolist() == [0.95, 0.8, 0.4, 0.9, 0.7, 0.6, 0.5]
    assert table["right"].tolist() == [False] * 3 + [True] * 4
    assert list(Evaluation(ACTIONS, ()).table().columns) == list(table.columns)


def test_json(case: Evaluation) -> None:
    values = json.loads(json.dumps(case.to_json(k=2)))
    assert set(values) == {"accuracy", "interval", "macro_f1", "actions", "confusion", "clips", "skipped"}
    assert values["actions"] == list(ACTIONS) and np.shape(values["confusion"]) == (4, 4)
    assert values["clips"][2] == {
        "clip": "jump/run.mp4",
        "action": "jump",
        "top": [{"action": "run", "probability": 0.8}, {"action": "jump", "probability": pytest.approx(0.2 / 3)}],
    }
    assert values["skipped"] == [{"clip": "a.mp4", "reason": "It is broken."}]
    assert values["interval"] == pytest.approx(wilson(4, 7))


def test_one_right_clip() -> None:
    one = Evaluation(ACTIONS, (scored("run", "run"),))
    assert (one.accuracy, one.macro_f1) == (1.0, 1.0)
    assert one.confusion.sum() == one.confusion[1, 1] == 1


# --- how sure the scores are ---------------------------------------------------------------------------------


def test_certainty_by_hand(case: Evaluation) -> None:
    found = certainty(case)
    assert (found.by, found.groups, found.few_groups) == ("clip", 7, False)
    assert found.accuracy[0] <= wilson(4, 7)[0] and found.accuracy[1] >= wilson(4, 7)[1]
    assert found.macro_f1 is not None and found.macro_f1[0] < case.macro_f1 < found.macro_f1[1]
    table = found.per_class.set_index("action")
    assert table.loc["jump", ["recall low", "recall high"]].tolist() == pytest.approx(wilson(2, 3))
    assert table.loc["run", ["precision low", "precision high"]].tolist() == pytest.approx(wilson(2, 4))
    assert table.loc["sit", ["recall low", "precision low", "f1 low"]].isna().all()
    assert 0 <= table.loc["jump", "f1 low"] < 2 / 3 < table.loc["jump", "f1 high"] <= 1
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["per_class"][2]["recall"] is None


def test_clips_of_one_person_are_drawn_together() -> None:
    # Of six people all clips of three are wrong: 60 clips say no more than six.
    clips = tuple(
        replace(scored("run", "run" if person < 3 else "sit"), group=f"s{person}")
        for person in range(6)
        for _ in range(10)
    )
    found = certainty(Evaluation(ACTIONS, clips))
    assert (found.by, found.groups, found.few_groups) == ("group", 6, False)
    assert found.accuracy[0] < 0.17 and found.accuracy[1] > 0.83  # Wilson's: 38% to 62%
    few = certainty(Evaluation(ACTIONS, clips[:40]))
    assert few.few_groups and few.by == "clip"  # four people cannot be drawn anew


def test_where_all_is_right_a_bootstrap_sees_nothing() -> None:
    found = certainty(Evaluation(ACTIONS, tuple(scored("run", "run") for _ in range(10))))
    assert found.macro_f1 is None and found.accuracy == pytest.approx(wilson(10, 10))


# --- selecting and scoring clips ----------------------------------------------------------------------------


def card(**split: list[str]) -> Card:
    return Card(("blink", "rise", "slide"), ClipSpec(), NetworkConfig(), split=split)


def test_select_takes_the_recorded_split(tiny: Path) -> None:
    source = dataset.read(tiny)
    held = [f"{a}/v_{a}_g04_c01.mp4" for a in ("blink", "rise", "slide")]
    recorded = card(validation=held, train=["./rise/v_rise_g01_c01.mp4", "gone/away.mp4"], test=[])
    assert [source.relative(clip) for clip in select(source, recorded, "validation")] == held
    assert [clip.path.name for clip in select(source, recorded, "train")] == ["v_rise_g01_c01.mp4"]
    assert select(source, recorded, "all") == source.clips
    with pytest.raises(DatasetError, match="without a test split"):
        select(source, recorded, "test")
    with pytest.raises(DatasetError, match="without a validation split"):
        select(source, card(), "validation")
    with pytest.raises(DatasetError, match="None of the model's train clips"):
        select(source, card(train=["gone/away.mp4"]), "train")


class Fake:
    """A predictor that says the name of the folder, or what it is told to."""

    def __init__(self, classes: tuple[str, ...], **said: Any) -> None:
        self.card = SimpleNamespace(classes=classes, split={})
        self.said = said

    def predict(self, path: Path) -> Prediction:
        said = self.said.get(path.stem, path.parent.name)
        if isinstance(said, Exception):
            raise said
        return Prediction(np.array([float(name == said) for name in self.card.classes]), self.card.classes)


def source_of(*clips: tuple[str, str], skipped: tuple[tuple[str, str], ...] = ()) -> Dataset:
    made = tuple(Clip(Path(f"/set/{action}/{name}.mp4"), action, name) for action, name in clips)
    facts = tuple(VideoProperties(1.0, 10.0, 10, 64, 48, "h264") for _ in made)
    return Dataset(Path("/set"), made, facts, skipped, "folders", ())


def test_what_cannot_be_scored_is_skipped_with_its_reason() -> None:
    source = source_of(
        ("run", "a"), ("dance", "b"), ("sit", "c"), ("run", "d"), skipped=(("run/e.mp4", "It is no video."),)
    )
    predictor: Any = Fake(("run", "sit"), c=VideoError("c.mp4 breaks off."), d="sit")
    seen: list[tuple[int, int]] = []
    found = evaluate(predictor, source, source.clips, progress=lambda *at: seen.append(at))
    assert [(s.clip, s.right) for s in found.scored] == [("run/a.mp4", True), ("run/d.mp4", False)]
    assert dict(found.skipped) == {
        "run/e.mp4": "It is no video.",
        "dance/b.mp4": "The model does not know the action dance.",
        "sit/c.mp4": "c.mp4 breaks off.",
    }
    assert found.confusion.tolist() == [[1, 1], [0, 0]]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_nothing_can_be_scored() -> None:
    source = source_of(("dance", "b"))
    with pytest.raises(DatasetError, match="does not know the action dance"):
        evaluate(Fake(("run", "sit")), source, source.clips)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="no clips"):
        evaluate(Fake(("run", "sit")), source, ())  # type: ignore[arg-type]


def test_a_bug_is_not_taken_for_a_broken_clip() -> None:
    source = source_of(("run", "a"))
    with pytest.raises(ZeroDivisionError):
        evaluate(Fake(("run", "sit"), a=ZeroDivisionError()), source, source.clips)  # type: ignore[arg-type]


def test_the_tiny_data_set_scored_by_the_tiny_model(tiny: Path, tiny_model: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny, tmp_path / "clips")
    (root / "rise" / "v_rise_g05_c01.mp4").write_text("no film")
    source, predictor = dataset.read(root), Predictor(tiny_model)
    clips = select(source, predictor.card, "validation")
    found = evaluate(predictor, source, clips)
    assert found.accuracy == 1.0 and found.confusion.tolist() == np.eye(3, dtype=int).tolist()
    assert [name for name, _ in found.skipped] == ["rise/v_rise_g05_c01.mp4"]
    assert [s.group for s in found.scored] == ["g04"] * 3
    said = plain_rules(source, predictor.card, found)
    assert {name: right.shape for name, right in said.items()} == {"majority": (3,), "shape and length": (3,)}
    assert said["majority"].mean() == pytest.approx(1 / 3)
    mean = without_order(source, predictor.card, tiny_model, found.scored)
    assert mean is not None and mean.tolist() == [True] * 3  # the colours of the tiny films give them away
    none_trained = replace(predictor.card, split={})
    assert plain_rules(source, none_trained, found) == {}
    assert without_order(source, none_trained, tiny_model, found.scored) is None


def test_shape_baseline_knows_size_and_codec() -> None:
    def facts(width: int, codec: str) -> VideoProperties:
        return VideoProperties(2.0, 25.0, 50, width, 48, codec)

    train = [(facts(w, c), a) for w, c, a in ((64, "h264", "a"), (96, "h264", "b"), (64, "vp9", "c"))] * 5
    assert shape_baseline(train, train) == 1.0
    assert shape_baseline(train, [(facts(96, "unknown"), "b")]) in (0.0, 1.0)
    same = [(facts(64, "h264"), action) for action in "aab"]
    assert shape_baseline(same * 5, same) == pytest.approx(Counter("aab")["a"] / 3)
