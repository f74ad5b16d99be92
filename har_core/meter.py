"""How a live stream fares: rates, durations, losses."""

import time
from collections import deque

import numpy as np

from har_core.values import Numbers


class Meter:
    """Appending to a deque is safe from two threads. `everything` keeps more than the last seconds."""

    def __init__(self, *, everything: bool) -> None:
        most = 100_000 if everything else 150
        self._stages: dict[str, deque[float]] = {
            name: deque(maxlen=most) for name in ("detect", "encode", "classify", "draw")
        }
        self._latency: deque[float] = deque(maxlen=2 * most)
        self._done: deque[float] = deque(maxlen=300)
        self._frames = self._dropped = 0
        self._drops: deque[tuple[float, int]] = deque(maxlen=300)
        self._numbers = Numbers()
        self._made = 0.0
        self.encode_ms = 1.0

    def stage(self, name: str, begun: float) -> None:
        """A stage that began at that `time.monotonic()` has ended."""
        self._stages[name].append((time.monotonic() - begun) * 1e3)

    def encoded(self, begun: float, number: int) -> None:
        """Learn what a crop costs the encoder."""
        each = (time.monotonic() - begun) * 1e3 / number
        self.encode_ms += 0.2 * (each - self.encode_ms)

    def frame(self, arrived: float) -> None:
        """A frame that arrived at that `time.monotonic()` is drawn."""
        now = time.monotonic()
        self._frames += 1
        self._done.append(now)
        self._latency.append((now - arrived) * 1e3)

    def dropped(self, number: int) -> None:
        """So many frames came and were never looked at."""
        self._dropped += number
        self._drops.append((time.monotonic(), number))

    def numbers(self, *, fresh: bool = False) -> Numbers:
        """All of it; made anew at most twice a second unless `fresh`."""
        now = time.monotonic()
        if not fresh and now - self._made < 0.5:
            return self._numbers
        self._made = now
        # Copied in one step: another thread may append meanwhile.
        recent = [t for t in tuple(self._done) if now - t < 3]
        lost = sum(number for t, number in tuple(self._drops) if now - t < 3)
        seconds = max(1e-3, now - recent[0]) if len(recent) > 1 else 3.0
        stages = {name: _percentiles(values) for name, values in self._stages.items() if values}
        self._numbers = Numbers(
            self._frames, self._dropped, (len(recent) + lost) / seconds, len(recent) / seconds, stages,
            _percentiles(self._latency),
        )  # fmt: skip
        return self._numbers


def _percentiles(values: deque[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 0.0
    half, most = np.percentile(list(values), (50, 95))
    return float(half), float(most)
