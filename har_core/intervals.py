"""How far a share of clips may be off: intervals, paired tests, and how many clips it would take to tell.

Clips of one person or room resemble each other, so where groups are known they are drawn anew as a whole (cluster
bootstrap: Davison and Hinkley 1997, section 3.8). With few groups that is too narrow, and where nearly all clips are
right it sees nothing, so intervals of shares are never narrower than those that take clips for independent.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_core.values import wilson

Flags = NDArray[np.bool_]
Interval = tuple[float, float]

FEW_GROUPS = 6
"""Below so many groups no interval says how a model fares with others: there is too little to resample."""
RESAMPLES = 2000
_Z95, _Z80 = 1.959963984540054, 0.8416212335729143


def resamples(groups: Sequence[str], *, number: int = RESAMPLES, seed: int = 0) -> NDArray[np.float32]:
    """How often each clip is in each resample, float32 `(number, N)`: whole groups are drawn with replacement.

    Args:
        groups: of each clip; a clip whose group is "" is its own.
        number: of resamples.
        seed: the same seed draws the same.
    """
    members = member_of(groups)
    different = int(members.max()) + 1 if len(members) else 0
    if not different:
        return np.zeros((number, 0), np.float32)
    drawn = np.random.default_rng(seed).multinomial(different, np.full(different, 1 / different), size=number)
    return drawn[:, members].astype(np.float32)


def member_of(groups: Sequence[str]) -> NDArray[np.intp]:
    """The number of each clip's group, from 0; a clip whose group is "" is its own.

    >>> member_of(["anna", "", "anna"]).tolist()
    [0, 1, 0]
    """
    known: dict[object, int] = {}
    return np.array([known.setdefault(group or index, len(known)) for index, group in enumerate(groups)], np.intp)


def middle(values: NDArray[np.floating[Any]]) -> Interval:
    """The middle 95% of resampled values; NaN, which is a resample without such clips, does not count."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return 0.0, 1.0
    low, high = np.quantile(kept, (0.025, 0.975))
    return float(low), float(high)


def share_interval(right: Flags, groups: Sequence[str], *, seed: int = 0) -> Interval:
    """95% of the share of True: Wilson's, or that of resampled groups where it reaches further.

    >>> low, high = share_interval(np.array([True] * 9 + [False]), [""] * 10)
    >>> round(low, 2), round(high, 2)
    (0.6, 1.0)
    """
    low, high = wilson(int(right.sum()), len(right))
    if not len(right):
        return low, high
    drawn = resamples(groups, seed=seed)
    other_low, other_high = middle((drawn @ right.astype(np.float32)) / drawn.sum(axis=1))
    return min(low, other_low), max(high, other_high)


def paired_interval(first: Flags, second: Flags, groups: Sequence[str], *, seed: int = 0) -> Interval:
    """95% of how much more often `second` is True than `first` on the same clips, in [-1, 1].

    Newcombe's square-and-add interval for paired shares (1998, Statistics in Medicine 17:2635, method 10), or that
    of resampled groups where it reaches further.
    """
    if not len(first):
        return -1.0, 1.0
    low, high = _newcombe(
        int((first & second).sum()), int((~first & second).sum()), int((first & ~second).sum()),
        int((~first & ~second).sum()),
    )  # fmt: skip
    drawn = resamples(groups, seed=seed)
    gained = second.astype(np.float32) - first.astype(np.float32)
    other_low, other_high = middle((drawn @ gained) / drawn.sum(axis=1))
    return min(low, other_low), max(high, other_high)


def _newcombe(both: int, second: int, first: int, neither: int) -> Interval:
    total = both + second + first + neither
    a, b = (both + second) / total, (both + first) / total
    (a_low, a_high), (b_low, b_high) = wilson(both + second, total), wilson(both + first, total)
    product = (both + second) * (first + neither) * (both + first) * (second + neither)
    phi = 0.0
    if product:
        cross = both * neither - second * first
        # A continuity correction where the two go together, as Newcombe has it.
        phi = (max(cross - total / 2, 0.0) if cross > 0 else cross) / math.sqrt(product)
    down = (a - a_low) ** 2 - 2 * phi * (a - a_low) * (b_high - b) + (b_high - b) ** 2
    up = (a_high - a) ** 2 - 2 * phi * (a_high - a) * (b - b_low) + (b - b_low) ** 2
    return a - b - math.sqrt(max(0.0, down)), a - b + math.sqrt(max(0.0, up))


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact test, two-sided: how likely a split at least so uneven is if both are equally good.

    Args:
        only_first: clips on which the first alone is right.
        only_second: clips on which the second alone is right.

    >>> mcnemar(0, 5), mcnemar(3, 3)
    (0.0625, 1.0)
    """
    from scipy.stats import binomtest  # takes a second to load

    total = only_first + only_second
    return float(binomtest(only_first, total).pvalue) if total else 1.0


def clips_to_tell(only_first: int, only_second: int, total: int) -> int | None:
    """How many clips in all would tell two apart in four of five tries, if things stay as they are; None: no number.

    Connor 1987 (Biometrics 43:207): n = (1.96 √ψ + 0.84 √(ψ - δ²))² / δ², with ψ the share of clips on which they
    differ and δ the difference of the shares that are right.

    >>> clips_to_tell(2, 6, 40), clips_to_tell(3, 3, 40)
    (155, None)
    """
    if total < 1 or only_first == only_second:
        return None
    differ, gain = (only_first + only_second) / total, abs(only_second - only_first) / total
    root = _Z95 * math.sqrt(differ) + _Z80 * math.sqrt(max(0.0, differ - gain**2))
    return max(1, math.ceil(root**2 / gain**2))


def clips_to_know(right: int, total: int, margin: float) -> int:
    """How many clips in all give Wilson's interval a reach of `margin` to either side, at the share found so far.

    >>> clips_to_know(8, 10, 0.05)
    245
    """
    if not 0 < margin < 0.5:
        raise ValueError(f"a margin lies between 0 and 0.5, got {margin}")
    share = right / total if total else 0.5
    low, high = 1, 1 << 22
    while low < high:
        number = (low + high) // 2
        square = _Z95**2
        reach = _Z95 / (1 + square / number) * math.sqrt(share * (1 - share) / number + square / (4 * number**2))
        low, high = (low, number) if reach <= margin else (number + 1, high)
    return low
