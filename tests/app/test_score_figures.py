"""What figures of scores and the matrix are told to draw."""

from itertools import pairwise

import numpy as np
import pytest

from har_core import figures_of_scores as figures
from har_core.calibration import coverage_curve, reliability
from har_core.ui import matrix as matrices
from har_core.ui.matrix import Touched, matrix


def test_shares_come_with_their_intervals_and_names_as_they_are() -> None:
    figure = figures.shares(
        {"<b>as it is": (0.8, 0.7, 0.9), "without any colour at all": (0.5, 0.3, 0.6)}, strong=["x"]
    )
    (bars,) = figure.data
    assert list(bars.x) == [0.8, 0.5]
    assert list(bars.error_x.array) == pytest.approx([0.1, 0.1]) and list(bars.error_x.arrayminus) == pytest.approx(
        [0.1, 0.2]
    )
    assert figure.layout.yaxis.ticktext[0].startswith("&lt;b>") and "<br>" in figure.layout.yaxis.ticktext[1]


def test_reliability_shows_how_many_clips_a_point_rests_on() -> None:
    random = np.random.default_rng(0)
    sure = random.uniform(0.5, 1, 60)
    shown = np.stack([sure, 1 - sure], axis=1)
    bins = reliability(shown, (random.uniform(size=60) > sure).astype(int))
    assert sum(each.clips for each in bins) == 60 and len(bins) == 12
    assert all(a.high <= b.low for a, b in pairwise(bins))
    _, found, counts = figures.reliable(bins).data
    assert list(counts.y) == [each.clips for each in bins] and list(found.y) == [each.accuracy for each in bins]
    assert figures.reliable(bins).layout.xaxis.range[0] == pytest.approx(0.4)  # where there are no clips is no room


def test_coverage_is_a_step_that_begins_with_all() -> None:
    shown = np.array([[0.6, 0.4], [0.1, 0.9], [0.2, 0.8]])
    answered, right = figures.covered(coverage_curve(shown, [1, 1, 1]), 0.7).data
    assert list(answered.x) == [0, 0.6, 0.8, 0.9, 1] and list(answered.y) == pytest.approx([1, 1, 2 / 3, 1 / 3, 0])
    assert list(right.y) == pytest.approx([2 / 3, 2 / 3, 1, 1, 1])


def test_only_cells_that_hold_clips_travel() -> None:
    counts = np.diag(np.arange(101))
    counts[5, 6] = 3
    assert len(matrices._cells(counts, "counts", "confusion")) == 101
    assert [5, 6, 3, 38, 0.375] in matrices._cells(counts, "rows", "confusion")
    assert [5, 6, 3, 33, 0.333] in matrices._cells(counts, "columns", "confusion")
    moved = np.array([[-1, 1], [0, 0]])
    assert matrices._cells(moved, "counts", "shift") == [[0, 0, -1, -100, 1.0], [0, 1, 1, 100, 1.0]]


@pytest.mark.parametrize(
    ("picked", "expected"),
    [
        (None, None),
        ({"stamp": 0, "cell": ["a", "b"]}, None),  # older than what Python asked for
        ({"stamp": 1, "cell": ["a", "b"]}, Touched(("a", "b"))),
        ({"stamp": 1, "cell": None}, Touched(None)),
        ({"stamp": 1, "cell": ["a", "<script>"]}, Touched(None)),  # whatever a browser sends
        ({"stamp": 1, "cell": [["a"], 3, 4]}, Touched(None)),
        ({"stamp": 1, "cell": [["a"], {}]}, Touched(None)),
    ],
)
def test_what_a_browser_says_is_checked(
    picked: object, expected: Touched | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrices, "_component", lambda: lambda **_: {"picked": picked})
    assert matrix(np.eye(2, dtype=np.int64), ("a", "b"), key="x", stamp=1, said="") == expected
