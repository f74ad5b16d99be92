"""From the embeddings of somebody's ticks to what was done when: sliding windows, smoothing, hysteresis.

Live says at each instant what the window that ends there shows. Of a file the future is known as well: a window
speaks of its middle, probabilities are averaged over both sides, and a segment reaches back to before it was sure, so
that segments lie where things happen.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_core.checkpoint import Card
from har_core.config import ClipSpec, LiveConfig
from har_core.lanes import Lane
from har_core.sampling import count, starts
from har_core.values import Prediction, Segment

Embeddings = NDArray[np.float32]
Classify = Callable[[Sequence[Embeddings]], list[Prediction]]
Fetch = Callable[[NDArray[np.intp]], Embeddings]
"""The embeddings of some looks, by their numbers."""

HOP_SECONDS = 0.25
_TORN = 1.0
"""As in `buffers`: after so long without a look the window begins anew."""
_WINDOWS_AT_ONCE = 64
_WEAK = 0.5
"""The share of the threshold of "unsure" down to which an action goes on that was named."""
_SHORTER = 0.7
"""The share of the model's window that is looked at where there is more than one: what lies next to an action blurs it.
This and _WEAK were chosen on films of clips that the model had learned from, and judged on others."""
_NEARLY = 1e-6


def hop(spec: ClipSpec) -> int:
    """By how many ticks windows follow each other: about HOP_SECONDS."""
    return max(1, round(HOP_SECONDS * spec.frames_per_second))


@dataclass(frozen=True, slots=True)
class Spotter:
    """Makes lanes from looks. Stateless: threads may share it.

    `classify` is the engine's; `pause` is called between batches of windows: what it raises ends the work.
    """

    card: Card
    classify: Classify
    config: LiveConfig
    pause: Callable[[], None] = lambda: None

    def lane(
        self,
        track: int | None,
        ticks: NDArray[np.int64],
        looks: NDArray[np.intp],
        fetch: Fetch,
        *,
        span: tuple[float, float],
        answer: Prediction | None = None,
    ) -> Lane:
        """The lane of one person or of the whole picture.

        Args:
            track: the person; None for the whole picture.
            ticks: at which there was a look, rising, `(N,)`, N >= 1.
            looks: the number of each of these looks, for `fetch`, `(N,)`.
            fetch: gives the embeddings of looks.
            span: from when to when somebody was in view, seconds.
            answer: for the whole of it; left out, the mean over the windows that evaluation would look at.
        """
        spec, (start, stop) = self.card.clip, span
        moments: list[NDArray[np.float64]] = []
        found: list[NDArray[np.float64]] = []
        segments: list[Segment] = []
        for first, last in _stretches(ticks, spec):
            shown = _on_display(ticks, looks, first, last)
            begins, length = _begins(last - first + 1, spec, track, stop - start)
            rows = np.concatenate([
                [p.probabilities for p in self.classify(list(fetch(shown[b[:, None] + np.arange(length)])))]
                for b in self._batches(begins)
            ])  # fmt: skip
            middles = np.asarray((first + begins + length / 2) / spec.frames_per_second, np.float64)
            smooth = smoothed(rows, hop(spec) / spec.frames_per_second, self.config.smoothing_seconds)
            end = stop if last == ticks[-1] else (last + 1) / spec.frames_per_second
            begin = start if first == ticks[0] else first / spec.frames_per_second
            # Of somebody who passes through nothing can be said; a short clip was cut to show something.
            if track is None or (last - first + 1) / spec.frames_per_second + _NEARLY >= self._least:
                segments += self.segments(track, middles, smooth, (begin, max(begin, end)))
            moments.append(np.clip(middles, begin, max(begin, end)))
            found.append(smooth)
        if answer is None:
            answer = self._answer(ticks, looks, fetch, stop)
        return Lane(
            track, start, stop, answer, tuple(segments),
            np.concatenate(moments).astype(np.float32), np.concatenate(found).astype(np.float32),
        )  # fmt: skip

    def segments(
        self,
        track: int | None,
        middles: NDArray[np.float64],
        probabilities: NDArray[np.float64],
        span: tuple[float, float],
    ) -> list[Segment]:
        """Segments of one stretch: `probabilities` `(M, C)` at `middles` `(M,)`, between which they take turns.

        One is named where the model was sure of it at some moment, and from when to when it was half as sure at
        least: two thresholds, as Canny (1986) has them for edges. With one alone segments of held-out films were too
        short or in pieces (docs/models.md). Another takes over when it leads by `hysteresis`, or at once where only
        the other is sure: so at single moments of a segment another action may be ahead by less than that.
        """
        below = self.card.unsure_below
        leads = np.array([*_leading(probabilities, self.config.hysteresis, below)])
        held = probabilities[np.arange(len(leads)), leads]
        weak = held < _WEAK * below
        edges = [span[0], *((middles[:-1] + middles[1:]) / 2).tolist(), span[1]]
        breaks = np.flatnonzero((np.diff(leads) != 0) | (np.diff(weak) != 0)) + 1
        found = []
        for run in np.split(np.arange(len(leads)), breaks):
            first, last = int(run[0]), int(run[-1])
            if not weak[first] and held[run].max() >= below and edges[first] < edges[last + 1]:
                action, score = self.card.classes[leads[first]], min(1.0, float(held[run].mean()))
                found.append(Segment(track, action, edges[first], edges[last + 1], score))
        return found

    @property
    def _least(self) -> float:
        return min(self.config.least_seconds, self.card.clip.window_seconds)

    def _batches(self, begins: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        for at in range(0, len(begins), _WINDOWS_AT_ONCE):
            self.pause()
            yield begins[at : at + _WINDOWS_AT_ONCE]

    def _answer(self, ticks: NDArray[np.int64], looks: NDArray[np.intp], fetch: Fetch, stop: float) -> Prediction:
        """The mean over the windows that evaluation looks at: what `buffers.Watch.seen` says of the same looks."""
        spec = self.card.clip
        life = int(ticks[-1] - ticks[0]) + 1
        length = max(1 / spec.frames_per_second, stop - float(ticks[0]) / spec.frames_per_second)
        begins = np.floor(starts(length, spec, windows=self.card.windows) * spec.frames_per_second + _NEARLY)
        ends = ticks[0] + np.minimum(begins.astype(int) + count(length, spec) - 1, life - 1)
        held = ticks[np.searchsorted(ticks, ends, side="right") - 1]  # where a look was missed the one before stands in
        stretches = _stretches(ticks, spec)
        windows = []
        for last in held.tolist():
            first = next(first for first, end in stretches if first <= last <= end)
            number = min(count(math.inf, spec), last - first + 1)
            windows.append(fetch(_on_display(ticks, looks, last - number + 1, last)))
        mean = np.mean([p.probabilities for p in self.classify(windows)], axis=0)
        return Prediction(mean, self.card.classes, self.card.unsure_below)


def _leading(rows: NDArray[np.float64], lead: float, below: float) -> Iterator[int]:
    """For each row the action that leads: the most probable, or one that was sure before and is not far behind.

    One that was never sure, or is no longer half as sure, has no lead to keep: else a gap would choose the name of
    what follows it.
    """
    leader, sure = 0, False
    for row in rows:
        best = int(row.argmax())
        goes_on = sure and row[leader] >= _WEAK * below and row[best] - row[leader] < lead
        if not goes_on or row[leader] < below <= row[best]:
            leader, sure = best, False
        sure = sure or bool(row[leader] >= below)
        yield leader


def smoothed(rows: NDArray[np.float64], step: float, seconds: float) -> NDArray[np.float64]:
    """Rows `(M, C)`, `step` seconds apart, averaged over about `seconds` to both sides; each goes on summing to 1."""
    if seconds <= 0 or len(rows) < 2:
        return rows
    reach = min(len(rows) - 1, math.ceil(4 * seconds / step))
    total, weight = rows.copy(), np.ones((len(rows), 1))
    for away in range(1, reach + 1):
        share = math.exp(-away * step / seconds)
        total[away:] += share * rows[:-away]
        total[:-away] += share * rows[away:]
        weight[away:] += share
        weight[:-away] += share
    return np.asarray(total / weight, np.float64)


def _stretches(ticks: NDArray[np.int64], spec: ClipSpec) -> list[tuple[int, int]]:
    """First and last tick of each stretch without a tear."""
    torn = np.flatnonzero(np.diff(ticks) / spec.frames_per_second > _TORN + 1 / spec.frames_per_second + _NEARLY) + 1
    return [(int(part[0]), int(part[-1])) for part in np.split(ticks, torn)]


def _on_display(ticks: NDArray[np.int64], looks: NDArray[np.intp], first: int, last: int) -> NDArray[np.intp]:
    """For each tick from `first` to `last` the look on display then."""
    held = np.searchsorted(ticks, np.arange(first, last + 1), side="right") - 1
    return looks[np.maximum(held, 0)]


def _begins(life: int, spec: ClipSpec, track: int | None, seconds: float) -> tuple[NDArray[np.intp], int]:
    """Where windows begin in a stretch of `life` ticks, and how many ticks each has."""
    length = min(life, count(seconds if track is None else math.inf, spec))
    if life < length + hop(spec):  # one window tells all, as it does for the answer
        return np.zeros(1, np.intp), length
    length = max(1, round(_SHORTER * length))
    begins = np.arange(0, life - length + 1, hop(spec))
    if begins[-1] != life - length:
        begins = np.append(begins, life - length)
    return begins.astype(np.intp), length
