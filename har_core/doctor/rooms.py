"""Which clips were filmed of one person in one place, where nobody says so: a proposal, by looking.

Three things are looked at. What is foreground, in colour: whatever differs from the median picture of the clips with
the same background, which is mostly somebody's clothes. The background itself. And the embeddings of the clips. What
clips of one action have in common is taken out of colours and embeddings, or the actions would be found instead of the
people. Names and times of files are not looked at.

Clips are joined by average linkage; the number of sets is that with the best silhouette (Rousseeuw 1987).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_core.facts import STRIP_FRAMES
from har_core.images import lab, resize
from har_core.values import Rgb

Floats = NDArray[np.float64]
MOST_CLIPS = 1500
"""Distances between all pairs are needed: more would take minutes."""
_FEWEST_CLIPS = 6
_SIDE_WH = (128, 96)
_COARSE_WH = (32, 24)
_NEIGHBOURS = 25
_DIFFERS = 30.0
"""Grey levels by which foreground differs from the background in some colour."""
_BINS, _COLOURFUL = 6, 36.0
"""Of light and of two differences in colour; stronger ones than this count as this."""
_TAKEN_OUT = 0.5
"""The share of what an action's clips have in common that is taken out: where each action was filmed in a room of its
own, all of it would take the rooms out too."""
_WEIGHTS = (2.0, 0.5, 1.0)
"""Of foreground, background and embeddings, each distance at mean 0 and deviation 1."""
_LEAST_SURE = 0.22
"""Silhouette below which there are no sets to speak of: noise gives 0.03 to 0.08."""


@dataclass(frozen=True, slots=True, eq=False)
class Rooms:
    """Proposed sets: `of` int `(N,)` is each clip's, numbered from 0 in the order of their first clips.

    `fit` float64 `(N,)` in [-1, 1] is each clip's silhouette: near 1 it lies amid its own, below 0 nearer to others.
    """

    of: NDArray[np.intp]
    fit: Floats

    @property
    def sure(self) -> float:
        """The mean silhouette, in [-1, 1]: over 0.5 sets stand well apart, under 0.3 hardly."""
        return float(self.fit.mean())

    @property
    def number(self) -> int:
        """How many sets there are."""
        return int(self.of.max()) + 1


def frames_of(strip: Rgb, number: int = STRIP_FRAMES) -> Rgb:
    """The frames of a contact strip at one size: uint8 `(number, 96, 128, 3)` from `(H, number * W, 3)`."""
    return np.stack([resize(frame, _SIDE_WH) for frame in np.array_split(strip, number, axis=1)])


def propose(
    frames: Rgb,
    embeddings: NDArray[np.float32],
    actions: Sequence[str],
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> Rooms | None:
    """The sets of clips that seem to be of one person in one place; None where there are none to speak of.

    Args:
        frames: of each clip, uint8 `(N, T, H, W, 3)`, N <= MOST_CLIPS.
        embeddings: `(N, D)`, the mean over time of what the encoder gives.
        actions: `(N,)`.
        cancelled: asked now and then; None is the answer when it says so.
    """
    number = len(actions)
    if number < _FEWEST_CLIPS:
        return None
    still = np.stack([_middle(each) for each in frames])
    background = _background_distance(np.stack([resize(picture, _COARSE_WH) for picture in still]), cancelled)
    if background is None:
        return None
    colours = np.sqrt(_foreground(frames, still, background))
    distances = (
        _angle(_without_action(colours, actions, _TAKEN_OUT)),
        background,
        _angle(_without_action(embeddings.astype(np.float64), actions, 1.0)) ** 2,
    )
    total = sum(weight * _standard(each) for weight, each in zip(_WEIGHTS, distances, strict=True))
    return _cut(np.asarray(total))


def _middle(pictures: Rgb) -> Rgb:
    """The median of pictures `(N, H, W, 3)`, the upper of two; four times as fast as numpy's own."""
    at = len(pictures) // 2
    # Of 16 bits because numpy selects among those by vector instructions, and not among those of 8.
    return np.asarray(np.partition(pictures.astype(np.uint16), at, axis=0)[at].astype(np.uint8))


def _background_distance(pictures: Rgb, cancelled: Callable[[], bool]) -> Floats | None:
    """The mean difference over the 85% of places that differ least, so that people play no part. `(N, N)`."""
    values = pictures.reshape(len(pictures), -1, 3).astype(np.float32)
    kept = round(values.shape[1] * 0.85)
    found = np.zeros((len(values), len(values)))
    for i in range(len(values)):
        if cancelled():
            return None
        worst = np.abs(values[i] - values[i:]).max(axis=2)
        found[i, i:] = found[i:, i] = np.partition(worst, kept - 1, axis=1)[:, :kept].mean(axis=1)
    return found


def _foreground(frames: Rgb, still: Rgb, background: Floats) -> Floats:
    """The colours of what is not background: histograms `(N, bins)` that sum to 1, flat where there is nothing."""
    number = len(frames)
    nearest = max(3, min(_NEIGHBOURS, number // 3))
    found = np.empty((number, _BINS**3))
    for i in range(number):
        like = np.argpartition(background[i], nearest - 1)[:nearest]
        empty = _middle(still[like]).astype(np.float32)
        # Another exposure of the same place is no foreground.
        gain = np.median((empty + 1) / (still[i].astype(np.float32) + 1), axis=(0, 1))
        lit = frames[i].astype(np.float32) * gain
        found[i] = _histogram(lit[_opened(np.abs(lit - empty).max(axis=-1) > _DIFFERS)])
    return found


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask `(T, H, W)` without specks: what is left of 3 x 3 squares that lie in it."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_opening(mask, np.ones((1, 3, 3), bool)))


def _histogram(rgb: NDArray[np.float32]) -> Floats:
    """Of light and two colour differences, smoothed: a colour near a bin's edge belongs to both bins."""
    from scipy import ndimage

    if len(rgb) < 12:
        return np.full(_BINS**3, _BINS**-3.0)
    light, *colour = lab(np.clip(rgb, 0, 255).astype(np.uint8)[None])[0].T
    axes = [light / 100, *((difference / (2 * _COLOURFUL) + 0.5) for difference in colour)]
    at = [np.clip(axis * _BINS, 0, _BINS - 1).astype(np.intp) for axis in axes]
    counted = np.bincount(np.ravel_multi_index(tuple(at), (_BINS,) * 3), minlength=_BINS**3).astype(np.float64)
    smooth = ndimage.gaussian_filter(counted.reshape((_BINS,) * 3), 0.6).ravel()
    return np.asarray(smooth / smooth.sum())


def _without_action(vectors: Floats, actions: Sequence[str], share: float) -> Floats:
    """The vectors at length 1, less this share of what those of their action have in common."""
    names = np.array(actions)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    centred = unit - (unit.mean(axis=0) if share == 1 else 0)
    everything = unit.mean(axis=0)
    for action in set(actions):
        own = names == action
        centred[own] -= share * (unit[own].mean(axis=0) - everything)
    length: Floats = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return np.asarray(centred / length)


def _angle(unit: Floats) -> Floats:
    """sqrt(1 - cosine) of all pairs: Hellinger's distance for the roots of histograms."""
    return np.asarray(np.sqrt(np.clip(1 - unit @ unit.T, 0, None)))


def _standard(distances: Floats) -> Floats:
    pairs = distances[np.triu_indices(len(distances), 1)]
    return np.asarray((distances - pairs.mean()) / max(float(pairs.std()), 1e-9))


def _cut(distances: Floats) -> Rooms | None:
    """The tree of average linkage, cut where the silhouette is best; None where even that is poor."""
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    shifted = np.maximum((distances + distances.T) / 2 - distances.min(), 0)
    np.fill_diagonal(shifted, 0)
    tree = hierarchy.linkage(squareform(shifted, checks=False), "average")
    most = max(2, len(shifted) // 2)
    # Every number up to 60 sets, beyond that in steps of a tenth.
    numbers = sorted({*range(2, min(most, 60) + 1), *np.geomspace(2, most, 40).astype(int).tolist()})
    best: Rooms | None = None
    for number in numbers:
        labels = hierarchy.fcluster(tree, number, "maxclust")
        if len(set(labels.tolist())) < 2:
            continue
        rooms = Rooms(_in_order(labels), _silhouettes(shifted, labels))
        if best is None or rooms.sure > best.sure:
            best = rooms
    return best if best is not None and best.sure >= _LEAST_SURE else None


def _in_order(labels: NDArray[np.int32]) -> NDArray[np.intp]:
    """The same sets, numbered from 0 in the order of their first clips."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _silhouettes(distances: Floats, labels: NDArray[np.int32]) -> Floats:
    """(nearest other set - own set) / the larger of the two, by mean distance; 0 for a clip alone in its set."""
    _, own = np.unique(labels, return_inverse=True)
    member = np.eye(own.max() + 1)[own]
    sizes = member.sum(axis=0)
    sums = distances @ member
    rows = np.arange(len(own))
    within = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = sums / sizes
    means[rows, own] = np.inf
    other = means.min(axis=1)
    found = (other - within) / np.maximum(np.maximum(other, within), 1e-12)
    found[sizes[own] == 1] = 0
    return np.asarray(found)
