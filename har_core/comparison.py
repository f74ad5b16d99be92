"""Two evaluations on the same clips: what one gets right that the other does not, and whether that is more than chance.

The two may be two models, or one model shown clips as they are and otherwise (`probing`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_core.checkpoint import Card
from har_core.dataset import Dataset
from har_core.errors import DatasetError
from har_core.evaluation import Evaluation, Scored
from har_core.intervals import Flags, Interval, clips_to_tell, mcnemar, paired_interval

SURE = 0.05
"""A difference is believed where chance alone would bring it about less often than so."""


@dataclass(frozen=True, eq=False)
class Paired:
    """Whether two ways of naming are right on the same clips: bool `(N,)` each, N >= 1, and the group of each clip."""

    first_right: Flags
    second_right: Flags
    groups: tuple[str, ...]

    @property
    def only_first(self) -> int:
        """Clips on which the first alone is right."""
        return int((self.first_right & ~self.second_right).sum())

    @property
    def only_second(self) -> int:
        """Clips on which the second alone is right."""
        return int((self.second_right & ~self.first_right).sum())

    @property
    def difference(self) -> float:
        """The accuracy of the second less that of the first, in [-1, 1]."""
        return float(self.second_right.mean() - self.first_right.mean())

    @cached_property
    def interval(self) -> Interval:
        """95% of the difference; whole groups are drawn anew."""
        return paired_interval(self.first_right, self.second_right, self.groups)

    @property
    def p(self) -> float:
        """McNemar's exact test, two-sided; it takes clips for independent."""
        return mcnemar(self.only_first, self.only_second)

    @property
    def told_apart(self) -> bool:
        """Whether test and interval agree that one is better."""
        low, high = self.interval
        return self.p < SURE and not low <= 0 <= high

    @property
    def more_clips(self) -> int | None:
        """About how many more clips it would take to tell, if things stay as they are; None: no number would do."""
        number = clips_to_tell(self.only_first, self.only_second, len(self.first_right))
        return None if number is None else max(0, number - len(self.first_right))


@dataclass(frozen=True, eq=False)
class Comparison(Paired):
    """Pairs of what the first and the second say of the same clip. `left_out` clips only one of them has scored."""

    pairs: tuple[tuple[Scored, Scored], ...]
    left_out: int = 0

    @property
    def otherwise(self) -> int:
        """Clips to which the two give different answers, right or wrong."""
        return sum(first.prediction.action != second.prediction.action for first, second in self.pairs)

    def changed(self) -> dict[str, list[tuple[Scored, Scored]]]:
        """Pairs whose answers differ: "second only", "first only" is right, or "neither"; the surest first."""
        sides: dict[str, list[tuple[Scored, Scored]]] = {"second only": [], "first only": [], "neither": []}
        for first, second in self.pairs:
            if first.prediction.action != second.prediction.action:
                side = "second only" if second.right else "first only" if first.right else "neither"
                sides[side].append((first, second))
        for each in sides.values():
            each.sort(key=lambda pair: -min(pair[0].prediction.top(1)[0][1], pair[1].prediction.top(1)[0][1]))
        return sides

    def shift(self, actions: Sequence[str]) -> NDArray[np.int64]:
        """How many clips more the second puts into each cell, int64 `(C, C)`: row = true action, column = predicted."""
        place = {action: index for index, action in enumerate(actions)}
        moved = np.zeros((len(actions), len(actions)), np.int64)
        for first, second in self.pairs:
            moved[place[first.action], place[first.prediction.action]] -= 1
            moved[place[second.action], place[second.prediction.action]] += 1
        return moved

    def to_json(self) -> dict[str, Any]:
        """Plain values, as the command line prints them."""
        return {
            "clips": len(self.pairs), "left_out": self.left_out, "first": float(self.first_right.mean()),
            "second": float(self.second_right.mean()), "difference": self.difference, "interval": list(self.interval),
            "only_first_right": self.only_first, "only_second_right": self.only_second, "p": self.p,
            "more_clips_to_tell": None if self.told_apart else self.more_clips,
            "changed": {
                side: [{"clip": a.clip, "action": a.action, "first": a.prediction.action, "second": b.prediction.action}
                       for a, b in pairs] for side, pairs in self.changed().items()
            },
        }  # fmt: skip


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Both on the clips that both have scored, by the path below the data set's folder.

    Raises:
        DatasetError: there is no such clip, or the two go by different labels.
    """
    theirs = {scored.clip: scored for scored in second.scored}
    pairs = tuple((scored, theirs[scored.clip]) for scored in first.scored if scored.clip in theirs)
    if not pairs:
        raise DatasetError("Two models are compared on clips that both have scored, but there is none. Choose others.")
    if any(mine.action != other.action for mine, other in pairs):
        raise DatasetError("The two were scored by different labels. Score both with the same version of the labels.")
    return Comparison(
        first_right=np.array([mine.right for mine, _ in pairs], bool),
        second_right=np.array([other.right for _, other in pairs], bool),
        groups=tuple(mine.group for mine, _ in pairs),
        pairs=pairs,
        left_out=len(first.scored) + len(second.scored) - 2 * len(pairs),
    )


def trained_on(card: Card, source: Dataset, clips: Sequence[str]) -> int | None:
    """How many of these clips, by their path below the folder, trained the model; None where that is not known."""
    if not card.split.get("train"):
        return None
    if card.fingerprint != source.fingerprint and card.dataset not in ("", source.root.name):
        return None
    return len(set(clips) & {name.removeprefix("./") for name in card.split["train"]})


def verdict(found: Comparison, first: str, second: str) -> str:
    """In a few sentences whether one of the two is better, in plain text. The names stand in the midst of sentences."""
    a, b, total = found.only_first, found.only_second, len(found.pairs)
    if not a and not b:
        right = int(found.first_right.sum())
        return _begun(
            f"{first} and {second} are right on the same {right:,} of the {total:,} clips: nothing here tells one from "
            "the other."
        )
    told = f"{second} is right on {_clips(b)} that {first} gets wrong, {first} on {_clips(a)} that {second} gets wrong."
    chance = (
        f"Were both equally good, a split at least so uneven would happen in {_often(found.p)} such comparisons "
        f"(McNemar's exact test, p = {probability(found.p)})"
    )
    if found.told_apart:
        better = second if b > a else first
        return _begun(f"{told} {chance}: {better} is better, as far as such clips go.")
    more = found.more_clips
    tail = "."
    if more:
        tail = f"; if things stay like that, about {more:,} more test clips would be needed to tell."
    elif more == 0:
        tail = "; the clips are of too few people or places to tell."
    return _begun(f"{told} {chance}: that does not tell them apart{tail}")


def _begun(sentence: str) -> str:
    """With a capital where a name that is ours begins it."""
    return "T" + sentence[1:] if sentence.startswith(("this model", "the other")) else sentence


def _clips(number: int) -> str:
    return f"{number} clip" if number == 1 else f"{number:,} clips"


def _often(p: float) -> str:
    return "most" if p > 0.5 else "fewer than 1 of 1,000" if p < 0.001 else f"about 1 of {max(2, round(1 / p)):,}"


def probability(p: float) -> str:
    """For reading: 0.03, 0.004, "below 0.001".

    >>> probability(0.0312), probability(0.004), probability(1e-9), probability(1.0)
    ('0.03', '0.004', 'below 0.001', '1')
    """
    return "below 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.01 else "1" if p > 0.995 else f"{p:.2f}"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign.

    >>> points(0.051), points(-0.2), points(0.0)
    ('+5.1', '−20.0', '±0.0')
    """
    rounded = round(share * 100, 1)
    return "±0.0" if rounded == 0 else f"{'+' if rounded > 0 else '−'}{abs(rounded):.1f}"
