"""A map of a data set: clips that look alike lie close together; and which labels are probably wrong.

Everything here starts from one vector for each clip (`embeddings`). Wrong labels are found by confident learning
(Northcutt et al. 2021, as the library cleanlab has it): a small classifier is asked about clips of groups that it has
not seen, and what it contradicts most surely comes first. That is worth as much as the classifier is, so it is said
how often it agrees with the labels, and nothing is listed where it hardly does better than guessing.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import har_core
from har_core.dataset import Dataset
from har_core.embeddings import Vectors
from har_core.errors import DatasetError
from har_core.values import wilson

FEWEST_FOR_TSNE, MOST_FOR_TSNE = 10, 10_000
"""Fewer clips are laid out by PCA; of more, so many are laid out and the others put beside those most like them."""
SURE = 0.75
"""From here on a label counts as probably wrong; below it is worth a look."""
_COMPONENTS, _MOST_COMPONENTS = 30, 200
_FOLDS, _REPEATS, _FEW = 5, 3, 1000
"""Cross-validation is repeated with other folds where there are at most so many clips."""
_BETTER_THAN_CHANCE = 0.2
"""Of the way from guessing to perfect that the classifier must surely have made before its doubts are listed."""
_NEIGHBOURS, _FEWEST_FOR_OUTLIERS = 5, 5
_FAR, _DEVIATIONS = 1.5, 3.5

Cancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where clips lie on a map, float32 `(N, 2)`; only their nearness means something. `method` made it."""

    xy: NDArray[np.float32]
    method: str


@dataclass(frozen=True, slots=True)
class Issue:
    """A label that is contradicted: of the clip in row `row`, `given` by the data set, rather `suggested`.

    `sure` in (0.5, 1] is how probable the suggestion is if it is one of the two.
    """

    row: int
    given: str
    suggested: str
    sure: float


@dataclass(frozen=True, slots=True)
class Review:
    """Labels that are contradicted, most surely wrong first, and what to think of it.

    `accuracy` is how often the classifier agrees with the labels, for clips of groups that it has not seen, `chance`
    how often it would by always naming the commonest action, `judged` how many clips it was asked about.
    """

    issues: tuple[Issue, ...]
    accuracy: float
    chance: float
    judged: int
    notes: tuple[str, ...] = ()

    @property
    def told_apart(self) -> bool:
        """Whether the classifier surely does better than guessing; else its doubts mean nothing."""
        if not self.judged:
            return False
        low, _ = wilson(round(self.accuracy * self.judged), self.judged)
        return (low - self.chance) / max(1e-9, 1 - self.chance) >= _BETTER_THAN_CHANCE


@dataclass(frozen=True, slots=True)
class Outlier:
    """A clip, by its row, unlike the others of its action: `times` as far from its nearest as is usual there."""

    row: int
    action: str
    times: float


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """All of it for the clips of a data set, by path relative to its root: row i is `clips[i]`."""

    clips: tuple[str, ...]
    layout: Layout
    review: Review
    outliers: tuple[Outlier, ...]
    missing: int
    """Clips that are not on the map, for they could not be decoded."""


def make(source: Dataset, vectors: Vectors, *, cancelled: Cancelled = lambda: False) -> Atlas:
    """The map of a data set, its doubtful labels and its outliers; takes seconds, or a minute for 10,000 clips.

    Args:
        source: the data set.
        vectors: `(N, D)`, those of `source.clips`; NaN where a clip has none.
        cancelled: asked now and then; the lists may be empty then.

    Raises:
        DatasetError: no clip has a vector.
    """
    rows = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    if not len(rows):
        raise DatasetError("A map needs clips that can be decoded, but none of these can. Look at the Doctor's report.")
    clips = [source.clips[row] for row in rows.tolist()]
    labels, groups = [clip.action for clip in clips], [clip.group for clip in clips]
    seen = vectors[rows]
    return Atlas(
        tuple(source.relative(clip) for clip in clips), project(seen),
        label_issues(seen, labels, groups, cancelled=cancelled), outliers(seen, labels),
        len(vectors) - len(rows),
    )  # fmt: skip


def project(vectors: Vectors) -> Layout:
    """A place on a map for each vector `(N, D)`, N >= 1: those alike close together; the same each time.

    PCA and t-SNE (van der Maaten 2008); PCA alone for fewer than 10.
    """
    if len(vectors) < FEWEST_FOR_TSNE:
        found = np.zeros((len(vectors), 2), np.float32)
        plane = _components(vectors, 2)
        found[:, : plane.shape[1]] = plane
        return Layout(found, "PCA")
    from sklearn.neighbors import NearestNeighbors

    few = _components(vectors, 50)
    if len(few) <= MOST_FOR_TSNE:
        return Layout(_tsne(few), "t-SNE")
    chosen = np.sort(np.random.default_rng(0).permutation(len(few))[:MOST_FOR_TSNE])
    xy = np.empty((len(few), 2), np.float32)
    xy[chosen] = _tsne(few[chosen])
    others = np.setdiff1d(np.arange(len(few)), chosen)
    _, near = NearestNeighbors(n_neighbors=3).fit(few[chosen]).kneighbors(few[others])
    xy[others] = xy[chosen][near].mean(axis=1)
    return Layout(xy, f"t-SNE of {MOST_FOR_TSNE:,} clips, the others beside those most like them")


def label_issues(
    vectors: Vectors, labels: Sequence[str], groups: Sequence[str], *, cancelled: Cancelled = lambda: False
) -> Review:
    """Labels that are probably wrong, by confident learning on what a classifier says of groups it has not seen.

    Args:
        vectors: `(N, D)`, finite.
        labels: `(N,)` the action of each.
        groups: `(N,)` who or where was filmed: clips of one group are never judged by one another.
        cancelled: asked between folds; nothing is listed then.
    """
    actions, given = np.unique(np.array(labels, object).astype(str), return_inverse=True)
    owners = np.array(groups, object).astype(str)
    probabilities = _out_of_fold(_spread(vectors), given, owners, len(actions), cancelled)
    # Where a fold had never seen a clip's own action it can only contradict the label.
    judged = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    present = np.unique(given[judged])
    if len(present) < 2:
        return Review((), 0.0, 0.0, 0, ("Labels can be judged where two actions or more have clips of two groups.",))
    left = len(given) - len(judged)
    notes = (f"{left:,} clips cannot be judged: their action has clips of one group only.",) if left else ()
    p = probabilities[np.ix_(judged, present)]
    p /= np.maximum(p.sum(axis=1, keepdims=True), 1e-12)
    y = np.searchsorted(present, given[judged])
    accuracy, chance = float((p.argmax(axis=1) == y).mean()), max(Counter(y.tolist()).values()) / len(y)
    review = Review((), accuracy, chance, len(y), notes)
    if not review.told_apart:
        return review
    names = actions[present]
    issues = []
    for row in _contradicted(y, p).tolist():
        best = int(p[row].argmax())
        sure = float(p[row, best] / (p[row, best] + p[row, y[row]]))
        issues.append(Issue(int(judged[row]), str(names[y[row]]), str(names[best]), sure))
    return replace(review, issues=tuple(issues))


def outliers(vectors: Vectors, labels: Sequence[str]) -> tuple[Outlier, ...]:
    """Clips far from all others of their action, the farthest first; actions of fewer than 5 clips have none.

    Far is more than 1.5 times the usual mean distance to the 5 nearest, and 3.5 robust deviations above it
    (Iglewicz and Hoaglin 1993).

    Args:
        vectors: `(N, D)`, finite.
        labels: `(N,)` the action of each.
    """
    from sklearn.neighbors import NearestNeighbors

    few = _components(vectors, _COMPONENTS)
    names = np.array(labels, object).astype(str)
    found: list[Outlier] = []
    for action in np.unique(names).tolist():
        mine = np.flatnonzero(names == action)
        if len(mine) < _FEWEST_FOR_OUTLIERS:
            continue
        near = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(mine) - 1)).fit(few[mine])
        distance = near.kneighbors()[0].mean(axis=1)
        usual = float(np.median(distance))
        deviation = 1.4826 * float(np.median(np.abs(distance - usual)))
        far = np.flatnonzero((distance > _FAR * usual) & (distance > usual + _DEVIATIONS * deviation)).tolist()
        found += [Outlier(int(mine[at]), action, float(distance[at] / max(usual, 1e-9))) for at in far]
    return tuple(sorted(found, key=lambda outlier: -outlier.times))


def _spread(vectors: Vectors) -> Vectors:
    """Roots of numbers that are never negative, as averages after a ReLU are: a few are far larger than the rest."""
    return vectors if (vectors < 0).any() else np.sqrt(vectors)


def _components(vectors: Vectors, number: int) -> Vectors:
    """The first principal components of the vectors, spread and standardised: float32 `(N, at most number)`."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    number = min(number, *vectors.shape)
    if len(vectors) < 2:
        return np.zeros((len(vectors), number), np.float32)
    with _alone(), np.errstate(invalid="ignore"):  # copies of one clip do not vary at all
        scaled = StandardScaler().fit_transform(_spread(vectors))
        return np.asarray(PCA(number, random_state=0).fit_transform(scaled), np.float32)


def _tsne(few: Vectors) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    number = len(few)
    if not few.std():  # copies of one clip; PCA has nothing to begin with
        return np.zeros((number, 2), np.float32)
    method = TSNE(
        init="pca", random_state=0, perplexity=min(30.0, (number - 1) / 3), max_iter=1000 if number < 3000 else 500
    )
    with _alone(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(method.fit_transform(few), np.float32)


def _out_of_fold(
    vectors: Vectors, given: NDArray[np.intp], owners: NDArray[np.str_], actions: int, cancelled: Cancelled
) -> NDArray[np.float64]:
    """How probable each action is for each clip, `(N, actions)`, by classifiers that saw nothing of its group.

    A row of NaN where there were no two groups, or where a classifier had not seen the clip's action.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    total = np.zeros((len(given), actions))
    folds = min(_FOLDS, len(np.unique(owners)))
    repeats = _REPEATS if len(given) <= _FEW else 1
    if folds < 2 or actions < 2:
        return np.full_like(total, np.nan)
    with _alone(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of actions with fewer groups than folds: they get rows of NaN
        for seed in range(repeats):
            parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
            for learn, check in parts.split(vectors, given, owners):
                if cancelled():
                    return np.full_like(total, np.nan)
                seen = np.unique(given[learn])
                if len(check) and len(seen) > 1:
                    total[np.ix_(check, seen)] += _asked(vectors[learn], given[learn], vectors[check])
                total[check[~np.isin(given[check], seen)]] = np.nan
    return total / repeats


def _asked(learn: Vectors, labels: NDArray[np.intp], check: Vectors) -> NDArray[np.float64]:
    """Logistic regression on whitened components, kept simple: with a tenth of the labels wrong that finds most."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    wanted = min(max(_COMPONENTS, 2 * len(np.unique(labels))), _MOST_COMPONENTS)
    classifier = make_pipeline(
        StandardScaler(), PCA(min(wanted, len(learn) - 1, learn.shape[1]), random_state=0, whiten=True),
        LogisticRegression(C=0.1, max_iter=300),
    )  # fmt: skip
    return np.asarray(classifier.fit(learn, labels).predict_proba(check), np.float64)


def _contradicted(y: NDArray[np.intp], p: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows of which both the share of wrong labels in their action and in the pair of actions says they are wrong."""
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # One job: more would be processes, and those are forks of the whole app.
        found = find_label_issues(y, p, filter_by="both", return_indices_ranked_by="self_confidence", n_jobs=1)
    rows: NDArray[np.intp] = np.asarray(found, np.intp)
    doubted: NDArray[np.intp] = rows[p[rows].argmax(axis=1) != y[rows]]
    return doubted


def _alone() -> AbstractContextManager[object]:
    """One thread for the linear algebra: many small steps on busy cores take ten times as long with two."""
    from threadpoolctl import threadpool_limits

    limited: AbstractContextManager[object] = threadpool_limits(1)
    return limited


def accepted(root: Path) -> dict[str, str]:
    """Labels that somebody has called right: path relative to the root -> the action it was right about."""
    try:
        kept = json.loads(_accepted_file(root).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {clip: action for clip, action in kept.items() if isinstance(action, str)} if isinstance(kept, dict) else {}


def accept(root: Path, clips: Iterable[tuple[str, str]]) -> None:
    """Keep that these labels, (path, action), are right; they are not listed again under that action.

    Raises:
        DatasetError: the workspace cannot be written.
    """
    file = _accepted_file(root)
    part = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
        part = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            json.dump({**accepted(root), **dict(clips)}, opened, ensure_ascii=True, indent=0)
        part.replace(file)
    except OSError as error:
        if part:
            part.unlink(missing_ok=True)
        raise DatasetError(f"That cannot be kept in {file.parent}: {error.strerror}. Make room there.") from None


def _accepted_file(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(Path(root).resolve())).hexdigest()[:16]
    return har_core.workspace() / "reviews" / f"{name}.json"
