"""Intervals, tests and orders against published numbers, scipy and simulations; two evaluations side by side."""

from pathlib import Path

import numpy as np
import pytest

from har_core import comparison, confusion, dataset
from har_core.checkpoint import Card
from har_core.comparison import Comparison, compare, trained_on, verdict
from har_core.config import ClipSpec, NetworkConfig
from har_core.errors import DatasetError
from har_core.evaluation import Evaluation, Scored
from har_core.intervals import (
    clips_to_know,
    clips_to_tell,
    mcnemar,
    member_of,
    paired_interval,
    resamples,
    share_interval,
)
from har_core.values import Prediction, wilson

ACTIONS = ("jump", "run", "sit")


def flags(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = (both, first, second, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_mcnemar_is_exact() -> None:
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    assert mcnemar(0, 5) == mcnemar(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar(2, 8) == pytest.approx(2 * (1 + 10 + 45) / 2**10)


def test_mcnemar_of_thousands_does_not_overflow() -> None:
    assert mcnemar(2000, 2200) < 0.01


def test_the_paired_interval_against_newcombe() -> None:
    # Newcombe 1998, table III, method 10: 36, 12, 2, 0 of 50.
    first, second = flags(36, 2, 12, 0)
    low, high = paired_interval(first, second, [""] * 50)
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=0.03)
    assert low <= 0.0570 and high >= 0.3403
    # Nobody errs: of five clips that says little.
    assert paired_interval(*flags(5, 0, 0, 0), [""] * 5) == pytest.approx((-0.434, 0.434), abs=0.001)


def test_the_paired_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        cells = random.choice(4, size=40, p=(0.5, 0.1, 0.25, 0.15))
        first, second = np.isin(cells, (0, 1)), np.isin(cells, (0, 2))
        low, high = paired_interval(first, second, [""] * 40, seed=seed)
        held += low <= 0.15 <= high
    assert 0.92 <= held / 200 <= 1


def test_groups_widen_intervals() -> None:
    right = np.repeat([True, False, True, True, False, True], 10)
    alone = share_interval(right, [""] * 60)
    grouped = share_interval(right, [str(i // 10) for i in range(60)])
    assert grouped[0] < alone[0] and grouped[1] > alone[1]
    assert alone[0] <= wilson(40, 60)[0] and alone[1] >= wilson(40, 60)[1]
    drawn = resamples(["a", "a", "", "b"], number=50)
    assert (drawn[:, 0] == drawn[:, 1]).all() and (drawn[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert member_of(["x", "y", "x", ""]).tolist() == [0, 1, 0, 2]


def test_so_many_clips_do_tell_them_apart_in_four_of_five_tries() -> None:
    number = clips_to_tell(2, 6, 40)
    assert number == 155
    random = np.random.default_rng(0)
    told = 0
    for _ in range(300):
        cells = random.choice(3, size=number, p=(0.05, 0.15, 0.8))
        told += mcnemar(int((cells == 0).sum()), int((cells == 1).sum())) < 0.05
    assert 0.7 <= told / 300 <= 0.9
    assert clips_to_tell(4, 4, 10) is None and clips_to_tell(0, 0, 0) is None


@pytest.mark.parametrize(("right", "total"), [(8, 10), (29, 29), (0, 0), (50, 100)])
def test_so_many_clips_narrow_the_interval(right: int, total: int) -> None:
    number = clips_to_know(right, total, 0.05)
    share = right / total if total else 0.5
    low, high = wilson(round(share * number), number)
    assert (high - low) / 2 <= 0.051
    with pytest.raises(ValueError, match="margin"):
        clips_to_know(1, 2, 0.5)


# --- the matrix --------------------------------------------------------------------------------------------


def test_confused_actions_become_neighbours() -> None:
    counts = 10 * np.eye(6, dtype=np.int64)
    counts[0, 4] = counts[4, 0] = counts[1, 5] = 5
    order = confusion.by_confusion(counts)
    assert sorted(order) == list(range(6))
    assert abs(order.index(0) - order.index(4)) == 1 and abs(order.index(1) - order.index(5)) == 1
    assert set(order[4:]) == {2, 3}  # never confused: at the end
    assert confusion.by_confusion(np.eye(3, dtype=np.int64)) == [0, 1, 2]
    names = ("b", "A", "c", "e", "d", "f")
    assert confusion.arranged(counts, names, "name") == [1, 0, 2, 4, 3, 5]
    assert confusion.arranged(counts, names, "model") == list(range(6))


def test_the_worst_pairs_first() -> None:
    counts = np.array([[4, 3, 0], [3, 1, 1], [0, 0, 0]])
    assert [tuple(pair)[:3] for pair in confusion.confused(counts, ACTIONS, 2)] == [
        ("run", "jump", 3),
        ("jump", "run", 3),
    ]
    assert [pair.clips for pair in confusion.cells(counts, ACTIONS)] == [4, 3, 3, 1, 1]
    assert confusion.shares(counts, by="columns")[:, 2].tolist() == [0, 1, 0]
    assert confusion.shares(counts, by="rows")[2].tolist() == [0, 0, 0]


def test_a_hundred_and_one_actions_are_arranged_at_once() -> None:
    random = np.random.default_rng(0)
    counts = np.asarray(random.poisson(0.2, (101, 101)) + 20 * np.eye(101), dtype=np.int64)
    assert sorted(confusion.by_confusion(counts)) == list(range(101))


# --- two evaluations ---------------------------------------------------------------------------------------


def evaluation(*said: tuple[str, str, str], sure: float = 0.8) -> Evaluation:
    """Of (clip, true, predicted)."""
    scored = []
    for clip, true, action in said:
        probabilities = np.array([sure if name == action else (1 - sure) / 2 for name in ACTIONS])
        scored.append(Scored(clip, Path(clip), true, Prediction(probabilities, ACTIONS)))
    return Evaluation(ACTIONS, tuple(scored))


@pytest.fixture
def pair() -> Comparison:
    first = evaluation(("a", "jump", "jump"), ("b", "run", "jump"), ("c", "sit", "run"), ("d", "sit", "sit"))
    second = evaluation(("b", "run", "run"), ("a", "jump", "sit"), ("c", "sit", "jump"), ("x", "run", "run"))
    return compare(first, second)


def test_both_are_judged_on_the_clips_that_both_know(pair: Comparison) -> None:
    assert [(a.clip, b.clip) for a, b in pair.pairs] == [("a", "a"), ("b", "b"), ("c", "c")]
    assert (pair.left_out, pair.only_first, pair.only_second, pair.difference) == (2, 1, 1, 0.0)
    assert pair.p == 1.0 and not pair.told_apart and pair.more_clips is None and pair.otherwise == 3
    assert {side: [a.clip for a, _ in each] for side, each in pair.changed().items()} == {
        "second only": ["b"], "first only": ["a"], "neither": ["c"],
    }  # fmt: skip
    assert pair.shift(ACTIONS).tolist() == [[-1, 0, 1], [-1, 1, 0], [1, -1, 0]]
    assert pair.to_json()["changed"]["first only"] == [
        {"clip": "a", "action": "jump", "first": "jump", "second": "sit"}
    ]


def test_nothing_in_common_and_other_labels_are_said() -> None:
    with pytest.raises(DatasetError, match="there is none"):
        compare(evaluation(("a", "jump", "jump")), evaluation(("b", "jump", "jump")))
    with pytest.raises(DatasetError, match="different labels"):
        compare(evaluation(("a", "jump", "jump")), evaluation(("a", "run", "jump")))


def test_the_verdict_in_words(pair: Comparison) -> None:
    said = verdict(pair, "A", "B")
    assert "B is right on 1 clip that A gets wrong, A on 1 clip that B gets wrong" in said
    assert "does not tell them apart" in said and "in most such comparisons" in said
    same = compare(evaluation(("a", "jump", "jump")), evaluation(("a", "jump", "jump")))
    assert "nothing here tells" in verdict(same, "A", "B")
    assert verdict(same, "this model", "B").startswith("This model and B")
    clips = [(str(i), "run", "run") for i in range(30)]
    better = compare(evaluation(*clips), evaluation(*[(c, t, "run" if int(c) > 11 else "sit") for c, t, _ in clips]))
    assert better.told_apart and verdict(better, "A", "B").endswith("A is better, as far as such clips go.")
    assert "fewer than 1 of 1,000" in verdict(better, "A", "B")
    close = compare(evaluation(*clips), evaluation(*[(c, t, "run" if int(c) > 1 else "sit") for c, t, _ in clips]))
    assert "more test clips would be needed" in verdict(close, "A", "B") and close.more_clips


def test_what_trained_the_other_is_counted(tiny: Path) -> None:
    source = dataset.read(tiny)
    card = Card(ACTIONS, ClipSpec(), NetworkConfig(), split={"train": ["./a.mp4", "b.mp4"]}, dataset="clips")
    assert trained_on(card, source, ["a.mp4", "c.mp4"]) == 1
    elsewhere = Card(ACTIONS, ClipSpec(), NetworkConfig(), split={"train": ["a.mp4"]}, dataset="other")
    assert trained_on(elsewhere, source, ["a.mp4"]) is None
    assert trained_on(Card(ACTIONS, ClipSpec(), NetworkConfig()), source, ["a.mp4"]) is None


def test_numbers_for_reading() -> None:
    assert comparison.points(-0.0001) == "±0.0"
    assert comparison.probability(0.9999) == "1"
