"""Probabilities that mean what they say, and the one below which a model had better name nothing.

A network that was trained until it hardly errs is surer than it is right. One temperature, by which its logits
are divided before the softmax, mends most of that (Guo et al. 2017, arXiv:1706.04599); it never changes what a
window is taken for. What is shown of a clip is the mean of its windows' probabilities, so the temperature is
fitted on that mean.

Logits come as one array a clip: `(W, C)`, its windows by the classes, or `(C,)` where there is one window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from har_core.values import is_nothing

Floats = NDArray[np.float64]
Labels = Sequence[int] | NDArray[np.integer[Any]]
Logits = Sequence[NDArray[np.floating[Any]]] | NDArray[np.floating[Any]]

COLDEST, HOTTEST = 0.25, 4.0
_PRIOR = 0.4
"""How far, in log units, a temperature is from 1 before anything was seen: one standard deviation.

The NLL of a clip that is answered with 0.9 curves by about 0.4 over the log of the temperature, this prior by
1 / 0.4² = 6: it weighs as much as about fifteen such clips. Without it a dozen clips that happen to be all right
would ask for the coldest temperature there is, and for certainty; with it 0.9 becomes 0.95, not 1.
"""
LEAST_CLIPS = 8
_MOST_BINS, _CLIPS_A_BIN, _MOST_ROWS = 15, 5, 20
_SMALLEST = 1e-12  # a probability below it counts as this, or one clip would weigh infinitely
ACCURACY, CONFIDENT_OTHERS = 0.95, 0.05
LIKELY = 0.5
"""Calibrated, an answer below it is more likely wrong than right."""


def tempered(logits: Logits, temperature: float) -> Floats:
    """What is shown of each clip: the mean over its windows of softmax(logits / temperature), `(N, C)`.

    >>> tempered([np.log([[0.2, 0.8], [0.4, 0.6]])], 1.0).round(3)
    array([[0.3, 0.7]])
    """
    return _mean_softmax(*_stacked(logits), temperature)


def logits_of(probabilities: NDArray[np.floating[Any]], temperature: float) -> Floats:
    """The logits that gave these probabilities at this temperature, any shape; up to a constant, which no softmax sees.

    So whoever has what a model shows can ask what it would show at another temperature.
    """
    tiny = np.finfo(np.float64).tiny
    return temperature * np.log(np.maximum(np.asarray(probabilities, np.float64), tiny))


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """The temperature, in [0.25, 4], at which the true labels are most likely; drawn to 1 where clips are few.

    The sum of the clips' negative log-likelihoods and of a log-normal prior around 1 is made smallest. As the
    prior is 0 at 1, the likelihood is never worse than untempered.

    Args:
        logits: one array `(W, C)` or `(C,)` a clip, N >= 1.
        labels: the true class of each, in [0, C).
    """
    (windows, counts), true = _stacked(logits), _labels(labels, len(logits))

    def cost(log_temperature: float) -> float:
        probabilities = _mean_softmax(windows, counts, float(np.exp(log_temperature)))
        return len(true) * negative_log_likelihood(probabilities, true) + 0.5 * (log_temperature / _PRIOR) ** 2

    # Of a mean of windows the cost need not have one valley only: look everywhere, then closer.
    low, high = float(np.log(COLDEST)), float(np.log(HOTTEST))
    best = 0.0
    for _ in range(5):
        at = np.linspace(low, high, 13)
        step, best = float(at[1] - at[0]), float(at[int(np.argmin([cost(float(t)) for t in at]))])
        low, high = max(low, best - step), min(high, best + step)
    return float(np.exp(best))


def negative_log_likelihood(probabilities: Floats, labels: Labels) -> float:
    """The mean over the clips of -log of what the true class was given; nats."""
    true = _labels(labels, len(probabilities))
    return float(-np.log(np.maximum(probabilities[np.arange(len(true)), true], _SMALLEST)).mean())


class Bin(NamedTuple):
    """So many clips of like confidence, `low` to `high`, `confidence` on average; `right` of them are right."""

    low: float
    high: float
    confidence: float
    right: int
    clips: int

    @property
    def accuracy(self) -> float:
        """The share of its clips that is right."""
        return self.right / self.clips


def reliability(probabilities: Floats, labels: Labels) -> list[Bin]:
    """How often answers of like confidence are right, rising by confidence.

    Clips are sorted by confidence into 15 bins, fewer where that would leave under 5 clips to each. The bins
    hold equally many clips (Nixon et al. 2019, arXiv:1904.01685): bins of equal width are mostly empty here.
    """
    confidence, right = _answers(probabilities, labels)
    order = np.argsort(confidence, kind="stable")
    bins = int(np.clip(len(order) // _CLIPS_A_BIN, 1, _MOST_BINS))
    return [
        Bin(float(confidence[part[0]]), float(confidence[part[-1]]), float(confidence[part].mean()),
            int(right[part].sum()), len(part))
        for part in np.array_split(order, bins)
    ]  # fmt: skip


def calibration_error(probabilities: Floats, labels: Labels) -> float:
    """The expected calibration error, in [0, 1]: how far on average the confidence is from the share that is right.

    By the bins of `reliability`.
    """
    bins = reliability(probabilities, labels)
    return sum(abs(each.confidence * each.clips - each.right) for each in bins) / sum(each.clips for each in bins)


class Kept(NamedTuple):
    """At this threshold the share `coverage` of the clips is answered, `accuracy` of these answers are right."""

    threshold: float
    coverage: float
    accuracy: float


def coverage_curve(probabilities: Floats, labels: Labels) -> list[Kept]:
    """Each threshold that changes anything, rising; the first keeps all (selective classification, risk-coverage).

    >>> coverage_curve(np.array([[0.6, 0.4], [0.1, 0.9]]), [1, 1])
    [Kept(threshold=0.6, coverage=1.0, accuracy=0.5), Kept(threshold=0.9, coverage=0.5, accuracy=1.0)]
    """
    confidence, right = _answers(probabilities, labels)
    order = np.argsort(confidence, kind="stable")
    thresholds, first = np.unique(confidence[order], return_index=True)
    kept = len(order) - first
    rights = np.cumsum(right[order][::-1])[::-1][first]
    return [
        Kept(float(t), float(k / len(order)), float(r / k)) for t, k, r in zip(thresholds, kept, rights, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a threshold does to the clips it was chosen on.

    `coverage` is the share of the known clips that get an answer, `accuracy` the share of these answers that is
    right (None: there are none), `others_named` the share of the clips of other things that are taken for an
    action (None: there are none). `met` says whether all that was wanted is reached.
    """

    threshold: float
    coverage: float
    accuracy: float | None
    others_named: float | None
    met: bool


def choose_threshold(
    probabilities: Floats,
    labels: Labels,
    others: Floats | None = None,
    *,
    classes: Sequence[str] = (),
    accuracy: float = ACCURACY,
    confident_others: float = CONFIDENT_OTHERS,
    floor: float = 0.0,
) -> Choice:
    """The least threshold, at least `floor`, above which answers can be believed.

    Wanted is that `accuracy` of the answers that are still given are right, and that at most `confident_others` of
    the clips of other things are taken for an action. Both are judged by what is found on these clips (the point
    estimate, not the end of an interval, which few clips would never reach).

    A calibrated answer below one half is more likely wrong than right: where half of the right ones lie above it, the
    threshold is never lower.

    However that turns out, at least half of the actions that are rightly named stay named: a model that is silent
    nearly always is of no use, and the figures say what was missed. Where no threshold below that gives both, the
    one that misses by least is taken, the two misses added. Only `floor` goes above it.

    Args:
        probabilities: of clips of the model's actions, `(N, C)`, N >= 1.
        labels: their true classes.
        others: of clips of anything else, `(M, C)`; None or M = 0 where there are none.
        classes: the names; a clip of something else that is taken for one that `is_nothing` is rightly answered.
    """
    confidence, right = _answers(probabilities, labels)
    told = np.sort(confidence[right & ~np.isin(probabilities.argmax(1), _nothing(classes))])
    foreign = _named_with(others, classes)
    # In the middle between two clips, so that another machine's rounding takes neither to the other side.
    levels = np.unique(np.concatenate([confidence, foreign]))
    middles = np.unique(np.round((levels[1:] + levels[:-1]) / 2, 6))
    highest = float(told[len(told) // 2]) if len(told) else 0.0
    lowest = max(floor, LIKELY if highest >= LIKELY else 0.0)
    candidates = [lowest, *(float(t) for t in middles if lowest < t <= highest)]
    wanted = {"accuracy": accuracy, "confident_others": confident_others}
    each = [_judge(t, confidence, right, foreign, **wanted) for t in candidates]
    return min(each, key=lambda c: (_missed(c, **wanted), c.threshold))


def _judge(
    threshold: float,
    confidence: Floats,
    right: NDArray[np.bool_],
    foreign: Floats,
    *,
    accuracy: float = ACCURACY,
    confident_others: float = CONFIDENT_OTHERS,
) -> Choice:
    sure = confidence >= threshold
    good = float(right[sure].mean()) if sure.any() else None
    named = float((foreign >= threshold).mean()) if len(foreign) else None
    choice = Choice(threshold, float(sure.mean()), good, named, met=False)
    met = good is not None and _missed(choice, accuracy=accuracy, confident_others=confident_others) == 0
    return Choice(threshold, choice.coverage, good, named, met)


def _missed(choice: Choice, *, accuracy: float, confident_others: float) -> float:
    short = 0.0 if choice.accuracy is None else max(0.0, accuracy - choice.accuracy)
    return short + max(0.0, (choice.others_named or 0.0) - confident_others)


def _named_with(others: Floats | None, classes: Sequence[str]) -> Floats:
    """The confidence with which each clip of something else is taken for an action; below all where for none."""
    if others is None or not len(others):
        return np.empty(0)
    return np.where(np.isin(others.argmax(axis=1), _nothing(classes)), -1.0, others.max(axis=1))


def _nothing(classes: Sequence[str]) -> list[int]:
    return [index for index, name in enumerate(classes) if is_nothing(name)]


def least_threshold(number: int) -> float:
    """The threshold below which an answer among so many classes is hardly better than a guess."""
    return min(0.55, 1.5 / number)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a card keeps: the temperature, the threshold, and plain JSON figures that say how they came about."""

    temperature: float
    unsure_below: float
    figures: dict[str, Any]

    @property
    def fitted(self) -> bool:
        """Whether there were clips enough; else the temperature is 1."""
        return bool(self.figures["fitted"])


def calibrate(
    logits: Logits,
    labels: Labels,
    classes: Sequence[str],
    *,
    others: Logits = (),
    before: tuple[float, float] | None = None,
    on: str = "",
) -> Calibration:
    """Fit the temperature, then choose the threshold at it.

    Both are judged on the clips that they come from. Of two numbers that is a small flattery, but the clips had
    better not be those that trained the network.

    Args:
        logits: untempered, one array `(W, C)` or `(C,)` a clip of the model's actions.
        labels: their true classes. Under 8 clips or two classes nothing is fitted.
        classes: the C names.
        others: as `logits`, of clips of anything else.
        before: temperature and threshold to compare with; default: 1 and `least_threshold`.
        on: which clips these are, in words, for the card.
    """
    floor = least_threshold(len(classes))
    seen = len(set(np.asarray(labels).tolist()))
    told: dict[str, Any] = {"fitted": False, "on": on, "clips": len(logits), "actions": seen, "others": len(others)}
    if len(logits) < LEAST_CLIPS or seen < 2:
        return Calibration(1.0, floor, told)
    temperature = round(fit_temperature(logits, labels), 4)
    shown, strange = tempered(logits, temperature), tempered(others, temperature) if len(others) else None
    chosen = choose_threshold(shown, labels, strange, classes=classes, floor=floor)
    old = before or (1.0, floor)
    curve = coverage_curve(shown, labels)
    rows = [curve[i] for i in np.unique(np.linspace(0, len(curve) - 1, _MOST_ROWS).round().astype(int))]
    told |= {
        "fitted": True,
        "wanted": {"accuracy when sure": ACCURACY, "others named": CONFIDENT_OTHERS},
        "reached": chosen.met,
        "before": _figures(*old, logits, labels, others, classes),
        "after": _figures(temperature, chosen.threshold, logits, labels, others, classes),
        "coverage": [{name: round(value, 4) for name, value in row._asdict().items()} for row in rows],
    }
    return Calibration(temperature, chosen.threshold, told)


def _figures(
    temperature: float, threshold: float, logits: Logits, labels: Labels, others: Logits, classes: Sequence[str]
) -> dict[str, float | None]:
    shown, strange = tempered(logits, temperature), tempered(others, temperature) if len(others) else None
    sure = _judge(threshold, *_answers(shown, labels), _named_with(strange, classes))
    found = {
        "temperature": temperature,
        "unsure below": threshold,
        "accuracy": float(_answers(shown, labels)[1].mean()),
        "negative log likelihood": negative_log_likelihood(shown, labels),
        "calibration error": calibration_error(shown, labels),
        "coverage": sure.coverage,
        "accuracy when sure": sure.accuracy,
        "others named": sure.others_named,
    }
    return {name: None if value is None else round(value, 6) for name, value in found.items()}


def _answers(probabilities: Floats, labels: Labels) -> tuple[Floats, NDArray[np.bool_]]:
    """How sure each clip's most probable class is, and whether it is the true one: `(N,)` each."""
    right: NDArray[np.bool_] = probabilities.argmax(axis=1) == _labels(labels, len(probabilities))
    return probabilities.max(axis=1), right


def _labels(labels: Labels, number: int) -> NDArray[np.intp]:
    found = np.asarray(labels, dtype=np.intp)
    if found.shape != (number,) or not number:
        raise ValueError(f"one label for each of 1 clip or more, got {found.shape} for {number}")
    return found


def _stacked(logits: Logits) -> tuple[Floats, NDArray[np.intp]]:
    """The windows of all clips, float64 `(sum W, C)`, and how many each clip has."""
    each = [np.atleast_2d(np.asarray(clip, np.float64)) for clip in logits]
    return np.concatenate(each), np.array([len(clip) for clip in each], np.intp)


def _mean_softmax(windows: Floats, counts: NDArray[np.intp], temperature: float) -> Floats:
    scaled = windows / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    sums = np.add.reduceat(powers / powers.sum(axis=1, keepdims=True), np.cumsum(counts) - counts, axis=0)
    mean: Floats = sums / counts[:, None]
    return mean
