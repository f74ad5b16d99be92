"""What was seen of each person lately, as embeddings, and what is said of it.

A picture is encoded once; the LSTM runs over the embeddings of the last window, taken at the same
instants, a fixed number of times a second, at which training looked. All streams count these
instants ("ticks") from their first frame, as a file's windows do: fed with a file frame by frame, a stream
sees exactly the windows that file prediction sees.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from har_core.checkpoint import Card
from har_core.config import ClipSpec, LiveConfig
from har_core.sampling import count, starts
from har_core.values import Prediction, Reading, Seen, Segment

Embeddings = NDArray[np.float32]
Subject = int | None
"""A person's id, or None for the whole picture."""
_NEARLY = 1e-6
"""Seconds within which two instants are one, as in reading files."""
_TORN = 1.0
"""Seconds without a look at somebody after which the window begins anew: a still in its place would be a lie."""
_UNSURE_SLACK = 0.05
"""How far below "unsure" an action that is shown may fall before it is taken away."""


def tick(seconds: float, spec: ClipSpec) -> int:
    """The number of the last tick that is not after this instant of a stream."""
    return math.floor((seconds + _NEARLY) * spec.frames_per_second)


def first_tick(seconds: float, spec: ClipSpec) -> int:
    """The number of the first tick that is not before this instant of a stream."""
    return math.ceil((seconds - _NEARLY) * spec.frames_per_second)


def wanted(frame: float, following: float, spec: ClipSpec) -> bool:
    """Whether the frame on display in `[frame, following)` is one that a window looks at: a tick lies there."""
    return first_tick(frame, spec) < first_tick(following, spec)


def last_tick(frame: float, following: float, spec: ClipSpec) -> int:
    """The last tick for which the frame on display in `[frame, following)` may stand: it may not for a torn stream."""
    return first_tick(min(following, frame + _TORN + 1 / spec.frames_per_second), spec) - 1


class Buffer:
    """One person's embeddings of about one window, each with the instant of its frame."""

    def __init__(self, spec: ClipSpec) -> None:
        self._spec = spec
        self._seconds: deque[float] = deque()
        self._embeddings: deque[Embeddings] = deque()
        self._first = 0  # the tick at which this person was first seen

    def add(self, seconds: float, embedding: Embeddings) -> None:
        """Keep an embedding `(512,)` of the frame of this instant; instants rise."""
        if self._seconds and seconds - self._seconds[-1] > _TORN + 1 / self._spec.frames_per_second:
            self._seconds.clear()
            self._embeddings.clear()
        if not self._seconds:
            self._first = first_tick(seconds, self._spec)
        self._seconds.append(seconds)
        self._embeddings.append(embedding)
        # One that is older than the window is on display at its beginning, hence the second look.
        oldest = seconds - self._spec.window_seconds - 1 / self._spec.frames_per_second
        while len(self._seconds) > 1 and self._seconds[1] <= oldest:
            self._seconds.popleft()
            self._embeddings.popleft()

    @property
    def newest(self) -> float:
        """The instant of the last embedding; -1 where there is none."""
        return self._seconds[-1] if self._seconds else -1.0

    def window(self, last: int) -> Embeddings:
        """The embeddings on display at the ticks of the window that ends at tick `last`: float32 `(T, 512)`.

        T is that of a full window once this person has been seen for so long, before it is what there is.
        """
        number = min(count(math.inf, self._spec), max(1, last - self._first + 1))
        at = (np.arange(last - number + 1, last + 1) / self._spec.frames_per_second) + _NEARLY
        index = np.searchsorted(np.array(self._seconds), at, side="right") - 1
        return np.stack([self._embeddings[i] for i in np.maximum(index, 0)])

    def covered(self, last: int) -> float:
        """Seconds of this person's life that a window ending at tick `last` looks at."""
        return (last - self._first + 1) / self._spec.frames_per_second


def whole_clip(ticks: Sequence[Prediction], spec: ClipSpec, *, seconds: float, windows: int) -> Prediction:
    """What a file's prediction would be: the mean over the windows that evaluation looks at.

    Args:
        ticks: for each tick from the first to the last, the prediction of the window that ends there; N >= 1.
        spec: of the checkpoint.
        seconds: how long the clip or the person was seen, from the first tick on.
        windows: how many, as the checkpoint says.
    """
    begins = np.floor(starts(seconds, spec, windows=windows) * spec.frames_per_second + _NEARLY).astype(int)
    ends = np.minimum(begins + count(seconds, spec) - 1, len(ticks) - 1)
    mean = np.mean([ticks[i].probabilities for i in ends], axis=0)
    return Prediction(mean, ticks[0].classes, ticks[0].unsure_below)


class Label:
    """From one prediction after the other to what is shown: smoothed, and without flicker."""

    def __init__(self, spec: ClipSpec, config: LiveConfig) -> None:
        self._least = min(config.least_seconds, spec.window_seconds)
        self._config = config
        self._shown = ""
        self._mean: NDArray[np.float64] | None = None
        self._seconds = 0.0
        self.reading = Reading("collecting", collected=0.0)

    def update(self, prediction: Prediction, seconds: float, *, covered: float) -> Reading:
        """What to show at `seconds`, which rise; `covered` seconds of the person were seen."""
        if covered + _NEARLY < self._least:
            self.reading = Reading("collecting", collected=max(0.0, covered / self._least))
            return self.reading
        if self._mean is None or self._config.smoothing_seconds == 0:
            self._mean = prediction.probabilities
        else:
            fresh = 1 - math.exp(-max(0.0, seconds - self._seconds) / self._config.smoothing_seconds)
            self._mean = self._mean + fresh * (prediction.probabilities - self._mean)
        self._seconds = seconds
        smooth = Prediction(self._mean, prediction.classes, prediction.unsure_below)
        self._shown = self._choose(smooth)
        self.reading = Reading("sure" if self._shown else "unsure", self._shown, smooth)
        return self.reading

    def _choose(self, smooth: Prediction) -> str:
        ((best, probability),) = smooth.top(1)
        if self._shown and self._shown != best:
            held = float(smooth.probabilities[smooth.classes.index(self._shown)])
            if probability - held < self._config.hysteresis:
                best, probability = self._shown, held
        slack = _UNSURE_SLACK if best == self._shown else 0.0
        return best if probability >= smooth.unsure_below - slack else ""


@dataclass(slots=True)
class _Open:
    action: str
    start: float
    stop: float
    total: float
    number: int

    def segment(self, track: Subject) -> Segment:
        return Segment(track, self.action, self.start, self.stop, min(1.0, self.total / self.number))


@dataclass(slots=True)
class Timeline:
    """Who did what and when, from the readings that were shown; the last `keep_seconds` of it."""

    keep_seconds: float = math.inf
    _open: dict[Subject, _Open] = field(default_factory=dict)
    _closed: deque[Segment] = field(default_factory=deque)

    def add(self, track: Subject, reading: Reading, seconds: float) -> None:
        """What is shown of a person from `seconds` on, until the next reading or `end`."""
        self.reach(track, seconds)
        self.trim(seconds)
        running = self._open.get(track)
        if reading.stage != "sure":
            self.end(track)
            return
        if running is None or running.action != reading.action:
            self.end(track)
            running = self._open[track] = _Open(reading.action, seconds, seconds, 0.0, 0)
        running.total += reading.probability
        running.number += 1

    def reach(self, track: Subject, seconds: float) -> None:
        """What is shown of a person now was shown until `seconds` at least."""
        running = self._open.get(track)
        if running:
            running.stop = max(running.stop, seconds)

    def trim(self, seconds: float) -> None:
        """Forget what ended more than `keep_seconds` before this instant."""
        while self._closed and self._closed[0].stop < seconds - self.keep_seconds:
            self._closed.popleft()

    def end(self, track: Subject) -> None:
        """This person is gone, or nothing is shown of them any more."""
        running = self._open.pop(track, None)
        if running and running.stop > running.start:
            self._closed.append(running.segment(track))

    def segments(self) -> list[Segment]:
        """All that is kept and what is going on now, by start."""
        now = [running.segment(track) for track, running in self._open.items() if running.stop > running.start]
        return sorted([*self._closed, *now], key=lambda s: (s.start, s.track or 0))


@dataclass(slots=True)
class Watch:
    """All that is known of everybody under one model and one source. Not for several threads.

    `classify` is the engine's; `remember` keeps every prediction, for `seen`.
    """

    card: Card
    classify: Callable[[Sequence[Embeddings]], list[Prediction]]
    config: LiveConfig
    remember: bool
    timeline: Timeline
    readings: dict[Subject, Reading] = field(default_factory=dict)
    span: dict[Subject, list[float]] = field(default_factory=dict)
    """Since when and until when somebody was in view; the caller's to write."""
    _buffers: dict[Subject, Buffer] = field(default_factory=dict)
    _labels: dict[Subject, Label] = field(default_factory=dict)
    _ticks: dict[Subject, list[tuple[int, Prediction]]] = field(default_factory=dict)

    def see(
        self, seconds: float, last: int, looks: Mapping[Subject, Embeddings], kept: Collection[Subject]
    ) -> dict[Subject, Reading]:
        """Take in one frame's embeddings `(512,)`, classify the windows that end at tick `last`.

        Args:
            seconds: the instant of the frame; rises from call to call.
            last: the last tick at which this frame was on display.
            looks: the embeddings of those who were looked at.
            kept: who is in view or may come back; what is known of others is forgotten.

        Returns:
            What to show of everybody, as a new dictionary.
        """
        spec = self.card.clip
        for subject, embedding in looks.items():
            self._buffers.setdefault(subject, Buffer(spec)).add(seconds, embedding)
        # A slow camera shows one frame at several ticks: `seen` needs the window that ends at each of them.
        ticks = range(min(last, first_tick(seconds, spec)) if self.remember else last, last + 1)
        predictions = iter(self.classify([self._buffers[subject].window(t) for subject in looks for t in ticks]))
        for subject in looks:
            each = [(number, next(predictions)) for number in ticks]
            prediction = each[-1][1]
            label = self._labels.setdefault(subject, Label(spec, self.config))
            reading = label.update(prediction, seconds, covered=self._buffers[subject].covered(last))
            self.timeline.add(subject, reading, seconds)
            if self.remember:
                self._ticks.setdefault(subject, []).extend(each)
        for gone in set(self._buffers) - set(kept):
            del self._buffers[gone]
            self._labels.pop(gone, None)  # there is none yet where classifying failed
            self.timeline.end(gone)
        self.timeline.trim(seconds)
        self.readings = {subject: label.reading for subject, label in self._labels.items()}
        return self.readings

    def seen(self) -> list[Seen]:
        """Everybody, by id, over the whole source; needs `remember`."""
        for subject in self._ticks:
            self.timeline.reach(subject, self.span[subject][1])
        segments, found = self.timeline.segments(), []
        for subject, ticks in sorted(self._ticks.items(), key=lambda item: item[0] or 0):
            start, stop = self.span[subject]
            spec, numbers = self.card.clip, [number for number, _ in ticks]
            # Where a look was missed the one before stands in.
            held = np.searchsorted(numbers, np.arange(numbers[0], numbers[-1] + 1), side="right") - 1
            length = max(1 / spec.frames_per_second, stop - numbers[0] / spec.frames_per_second)
            mean = whole_clip([ticks[i][1] for i in held], spec, seconds=length, windows=self.card.windows)
            found.append(Seen(subject, start, stop, mean, tuple(s for s in segments if s.track == subject)))
        return found
