"""How sure the scores of an evaluation are: intervals around each, and how many clips it would take to know more."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from har_core.evaluation import Evaluation
from har_core.intervals import (
    FEW_GROUPS,
    Interval,
    clips_to_know,
    member_of,
    middle,
    resamples,
    share_interval,
)
from har_core.values import wilson

MARGIN = 0.05
"""The reach of an interval with which one can work: 5 points to either side."""


@dataclass(frozen=True, slots=True)
class Certainty:
    """Scores of an evaluation with their 95% intervals.

    `by` says what was drawn anew for F1: "group" where clips share groups and these are not too few, else "clip". All
    clips are of `groups` people or places; `shared` says whether some share one. `macro_f1` is None where no resample
    differs from the next, as when all is right: then a bootstrap sees nothing. `clips_wanted` is how many clips in all
    would bring the accuracy's interval to +-5 points.
    """

    accuracy: Interval
    macro_f1: Interval | None
    groups: int
    by: Literal["group", "clip"]
    shared: bool
    clips_wanted: int
    per_class: pd.DataFrame

    @property
    def few_groups(self) -> bool:
        """Whether clips are of so few people or places that no interval says how others would fare."""
        return self.shared and self.groups < FEW_GROUPS

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `python -m har_core evaluate --json` prints them."""
        table = self.per_class.astype(object).where(self.per_class.notna(), None)
        return {
            "accuracy": list(self.accuracy), "macro_f1": list(self.macro_f1) if self.macro_f1 else None,
            "groups": self.groups, "resampled_by": self.by, "clips_for_5_points": self.clips_wanted,
            "per_class": table.to_dict(orient="records"),
        }  # fmt: skip


def certainty(evaluation: Evaluation, *, seed: int = 0) -> Certainty:
    """The intervals of an evaluation.

    That of the accuracy is Wilson's or that of resampled groups, whichever reaches further; precision and recall of an
    action have Wilson's, as each is a share of clips; F1 is no share, and has the bootstrap's.
    """
    groups = [scored.group for scored in evaluation.scored]
    right = np.array([scored.right for scored in evaluation.scored], bool)
    different = int(member_of(groups).max()) + 1
    shared = different < len(groups)
    by: Literal["group", "clip"] = "group" if shared and different >= FEW_GROUPS else "clip"
    # Of two people there are three resamples: drawn by clip the interval is too narrow, but it is one.
    drawn = resamples(groups if by == "group" else [""] * len(groups), seed=seed)
    f1, occurs = _resampled_f1(evaluation, drawn)
    counted = np.where(occurs, np.nan_to_num(f1), 0.0).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
    return Certainty(
        accuracy=share_interval(right, groups, seed=seed),
        macro_f1=middle(counted) if float(counted.std()) > 1e-9 else None,
        groups=different,
        by=by,
        shared=shared,
        clips_wanted=clips_to_know(int(right.sum()), len(right), MARGIN),
        per_class=_per_class(evaluation, f1),
    )


def _resampled_f1(
    evaluation: Evaluation, drawn: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:  # fmt: skip
    """F1 of each action in each resample `(B, C)`, NaN where it does not occur there; and whether it does."""
    place = {action: index for index, action in enumerate(evaluation.actions)}
    true = np.array([place[scored.action] for scored in evaluation.scored])
    said = np.array([place[scored.prediction.action] for scored in evaluation.scored])
    which = np.arange(len(place))
    is_true, is_said = (true[:, None] == which).astype(np.float32), (said[:, None] == which).astype(np.float32)
    hits = (drawn @ (is_true * is_said)).astype(np.float64)
    both = (drawn @ (is_true + is_said)).astype(np.float64)
    occurs = both > 0
    return np.divide(2 * hits, both, out=np.full(both.shape, np.nan), where=occurs), occurs


def _per_class(evaluation: Evaluation, f1: NDArray[np.float64]) -> pd.DataFrame:
    """One row an action: clips, and precision, recall and f1 each with `low` and `high`; NaN where there is nothing."""
    counts = evaluation.confusion
    rows = []
    for index, row in enumerate(evaluation.per_class().to_dict(orient="records")):
        hits, is_true, is_said = int(counts[index, index]), int(counts[index].sum()), int(counts[:, index].sum())
        # A resample without the action has no F1; nor has an action that occurs nowhere. Where all score the same, the
        # bootstrap sees nothing.
        low, high = middle(f1[:, index]) if is_true + is_said else (np.nan, np.nan)
        low, high = (np.nan, np.nan) if low == high else (low, high)
        for name, total in (("precision", is_said), ("recall", is_true)):
            row[f"{name} low"], row[f"{name} high"] = wilson(hits, total) if total else (np.nan, np.nan)
        rows.append(row | {"f1 low": low, "f1 high": high, "found": hits, "said": is_said})
    return pd.DataFrame(rows)
