"""What a split by chance would make of the scores: clips of one person or room on both sides flatter a model."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from har_core.doctor.findings import Finding, Honesty

_MOST_CLIPS = 1500
"""More would tell the same and take longer."""
_REPEATS, _FOLDS, _DIMENSIONS, _DRAWS = 2, 5, 64, 2000
_FEWEST_GROUPS = 3
_STRENGTH = 10.0
"""Of what the classifier may learn (the inverse of its regularisation): more took longer and scored the same."""


def honesty(
    embeddings: NDArray[np.float32],
    actions: Sequence[str],
    groups: Sequence[str],
    *,
    proposed: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> Honesty | None:
    """The accuracy of a quick classifier on the embeddings, cross-validated with groups torn apart and kept whole.

    Logistic regression on the first principal components, the same in both; intervals by drawing groups anew
    (the cluster bootstrap), because clips of a group are right or wrong together.

    Args:
        embeddings: `(N, D)`, one for each clip; NaN where it is not known.
        actions: `(N,)`.
        groups: `(N,)`.
        proposed: said of the groups.
        cancelled: asked between folds.

    Returns:
        None where there are fewer than 3 groups or 2 actions that two groups share, or when cancelled.
    """
    names, owners = np.array(actions), np.array(groups)
    # An action of one group can never be told in a group that was not seen: it would count against the honest split.
    shared = {action for action in set(actions) if len(set(owners[names == action].tolist())) > 1}
    known = np.isfinite(embeddings.sum(axis=1))  # a sum with NaN in it is NaN
    kept = [i for i, action in enumerate(actions) if action in shared and known[i]]
    kept = sorted(np.random.default_rng(0).permutation(kept)[:_MOST_CLIPS].tolist())
    names, owners, vectors = names[kept], owners[kept], embeddings[kept].astype(np.float64)
    number = len(set(owners.tolist()))
    if number < _FEWEST_GROUPS or len(set(names.tolist())) < 2 or number == len(names):
        return None
    vectors = _components(vectors)
    right = []
    for whole in (False, True):
        found = _right(vectors, names, owners, whole=whole, cancelled=cancelled)
        if found is None:
            return None
        right.append(found)
    torn, honest = right
    intervals = _intervals(torn, honest, owners)
    return Honesty(
        float(torn.mean()), intervals[0], float(honest.mean()), intervals[1],
        float(torn.mean() - honest.mean()), intervals[2], len(names), number, proposed,
    )  # fmt: skip


def _components(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first principal components of the standardised vectors, the first of deviation 1: labels play no part."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    size = min(_DIMENSIONS, len(vectors) - 1, vectors.shape[1])
    found = PCA(size, random_state=0).fit_transform(StandardScaler().fit_transform(vectors))
    return np.asarray(found / max(float(found[:, 0].std()), 1e-9))


def _right(
    vectors: NDArray[np.float64], names: NDArray[np.str_], owners: NDArray[np.str_], *, whole: bool,
    cancelled: Callable[[], bool],
) -> NDArray[np.float64] | None:  # fmt: skip
    """How often each clip is named right by those that have not seen it, `(N,)` in [0, 1]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    folds = min(_FOLDS, len(set(owners.tolist())), max(2, min(Counter(names.tolist()).values())))
    right = np.zeros(len(names))
    with warnings.catch_warnings():  # an action may have fewer groups, or clips, than there are folds
        warnings.simplefilter("ignore")
        for repeat in range(_REPEATS):
            kind = StratifiedGroupKFold if whole else StratifiedKFold
            for train, held in kind(folds, shuffle=True, random_state=repeat).split(vectors, names, owners):
                if cancelled():
                    return None
                if len(set(names[train].tolist())) < 2:  # a large group took all else with it
                    right[held] += names[held] == names[train][0]
                    continue
                classifier = LogisticRegression(C=_STRENGTH, max_iter=200).fit(vectors[train], names[train])
                right[held] += classifier.predict(vectors[held]) == names[held]
    return right / _REPEATS


def _intervals(
    torn: NDArray[np.float64], honest: NDArray[np.float64], owners: NDArray[np.str_]
) -> list[tuple[float, float]]:
    """95% of what both and their difference come to when groups are drawn anew, with repeats."""
    _, own = np.unique(owners, return_inverse=True)
    sizes = np.bincount(own)
    sums = np.stack([np.bincount(own, torn), np.bincount(own, honest)])
    drawn = np.random.default_rng(0).integers(0, len(sizes), (_DRAWS, len(sizes)))
    both = sums[:, drawn].sum(axis=2) / sizes[drawn].sum(axis=1)
    values = (both[0], both[1], both[0] - both[1])
    ends = [np.quantile(each, (0.025, 0.975)) for each in values]
    return [(float(low), float(high)) for low, high in ends]


def findings(seen: Honesty | None) -> list[Finding]:
    """That a split by chance would flatter; nothing where it would not, or where that cannot be told."""
    if seen is None or not seen.leaks:
        return []
    groups = "the groups proposed here" if seen.proposed else f"its {seen.groups} groups"
    return [
        Finding(
            "leak", "warning",
            f"A split by chance would promise {seen.random:.0%}, the honest one {seen.grouped:.0%}",
            f"A quick classifier scores {seen.gap:.0%} better when {groups} are torn apart: it knows who or where was "
            "filmed. Splits here keep groups whole; be wary of scores that were made otherwise.",
            (),
            (("split by chance", _said(seen.random, seen.random_interval)),
             ("groups kept whole", _said(seen.grouped, seen.grouped_interval)),
             ("difference", _said(seen.gap, seen.gap_interval))),
        )
    ]  # fmt: skip


def _said(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.0%} ({interval[0]:.0%} to {interval[1]:.0%})"
