"""What a confusion matrix shows: shares, the worst pairs, an order in which confused actions are neighbours.

Counts are int `(C, C)`: row = true action, column = predicted.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

Counts = NDArray[np.int64]
Unit = Literal["counts", "rows", "columns"]
Order = Literal["model", "confusion", "name"]


class Pair(NamedTuple):
    """So many clips of `true` were taken for `said`: the share `share` of all clips of `true`."""

    true: str
    said: str
    clips: int
    share: float


def shares(counts: Counts, *, by: Literal["rows", "columns"]) -> NDArray[np.float64]:
    """Each cell as a share of its row or column, in [0, 1]; 0 where that is empty."""
    totals = counts.sum(axis=1 if by == "rows" else 0, keepdims=True)
    found: NDArray[np.float64] = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    return found


def arranged(counts: Counts, actions: Sequence[str], order: Order) -> list[int]:
    """The places of the actions, `(C,)`, in an order: the model's own, by name, or confused ones side by side."""
    if order == "name":
        return sorted(range(len(actions)), key=lambda index: actions[index].casefold())
    return by_confusion(counts) if order == "confusion" else list(range(len(actions)))


def by_confusion(counts: Counts) -> list[int]:
    """An order in which actions that are taken for each other are neighbours; those never confused come last.

    Average linkage on the mean of the two shares, its leaves turned so that neighbours are nearest (Bar-Joseph et
    al. 2001). The same counts always give the same order.

    >>> by_confusion(np.array([[3, 0, 2], [0, 4, 0], [1, 0, 3]]))
    [0, 2, 1]
    """
    mixed = shares(counts, by="rows")
    near = (mixed + mixed.T) / 2
    np.fill_diagonal(near, 0.0)
    involved = np.flatnonzero(near.any(axis=1))
    alone = [index for index in range(len(counts)) if not near[index].any()]
    if len(involved) < 3:
        return [*involved.tolist(), *alone]
    apart = near.max() - near[np.ix_(involved, involved)]
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(apart, checks=False), method="average", optimal_ordering=True)
    return [*involved[leaves_list(tree)].tolist(), *alone]


def confused(counts: Counts, actions: Sequence[str], most: int) -> list[Pair]:
    """The pairs that are confused most often, at most so many: by clips, then by their share of the row.

    >>> confused(np.array([[1, 2], [0, 3]]), ["sit", "stand"], 5)
    [Pair(true='sit', said='stand', clips=2, share=0.6666666666666666)]
    """
    each = [pair for pair in cells(counts, actions) if pair.true != pair.said]
    return sorted(each, key=lambda pair: (-pair.clips, -pair.share))[:most]


def cells(counts: Counts, actions: Sequence[str]) -> list[Pair]:
    """All cells that hold clips, row by row."""
    mixed = shares(counts, by="rows")
    rows, columns = np.nonzero(counts)
    return [
        Pair(actions[r], actions[c], int(counts[r, c]), float(mixed[r, c]))
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
