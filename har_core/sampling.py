"""Which instants of a video a clip looks at. Arithmetic only, the same for training, file and live.

A window of a clip is looked at on a regular grid in seconds, never in frame numbers: a camera of 12
frames a second must not look like a sped-up action. A video shorter than the window gives fewer
instants, which is what the packing is for.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from har_core.config import ClipSpec
from har_core.errors import ConfigError

Seconds = NDArray[np.float64]


def propose(clip_seconds: Sequence[float], *, size: int, most_frames: int = 20) -> ClipSpec:
    """The ClipSpec for clips of these lengths: about `most_frames` over a typical clip, 1.5 to 6 s.

    >>> propose([2.0, 4.0, 30.0], size=112)
    ClipSpec(window_seconds=4.0, frames_per_second=5.0, most_frames=20, size=112, view='frame')
    """
    if not len(clip_seconds):
        raise ConfigError("A window cannot be proposed without a clip.")
    window = round(float(np.clip(np.median(clip_seconds), 1.5, 6.0)), 2)
    return ClipSpec(window, most_frames / window, most_frames, size)


def count(seconds: float, spec: ClipSpec) -> int:
    """How many frames a window of a video of this length holds: 1 to `spec.most_frames`."""
    covered = min(seconds, spec.window_seconds)
    # The small number keeps 6 s at 20/6 frames a second at 20 frames, not 19.
    return max(1, min(spec.most_frames, int(covered * spec.frames_per_second + 1e-6)))


def latest_start(seconds: float, spec: ClipSpec) -> float:
    """The last instant, in seconds, at which a window can begin and still be full; 0 for a short video."""
    return max(0.0, seconds - count(seconds, spec) / spec.frames_per_second)


def instants(seconds: float, spec: ClipSpec, *, start: float = 0.0) -> Seconds:
    """The instants of the window that begins at `start`: float64 `(T,)`, rising, in `[start, seconds)`.

    `seconds` is the length of the video. A start past `latest_start` is moved back to it.

    >>> instants(1.0, ClipSpec(window_seconds=2.0, frames_per_second=4.0))
    array([0.  , 0.25, 0.5 , 0.75])
    """
    begin = min(max(0.0, start), latest_start(seconds, spec))
    return begin + np.arange(count(seconds, spec)) / spec.frames_per_second


def starts(seconds: float, spec: ClipSpec, *, windows: int) -> Seconds:
    """Where up to `windows` windows begin, spread evenly over the video; only one where one covers it.

    float64 `(N,)`, rising, 1 <= N <= windows. They are snapped to the frame step, so that windows that
    overlap share their frames.
    """
    last = latest_start(seconds, spec)
    if windows == 1:
        middle: Seconds = np.array([last / 2])
        return middle
    step = 1 / spec.frames_per_second
    snapped: Seconds = np.unique(np.floor(np.linspace(0.0, last, windows) / step + 1e-6)) * step
    return snapped


def plan(seconds: float, spec: ClipSpec, *, windows: int) -> tuple[Seconds, NDArray[np.intp]]:
    """All instants that evaluation looks at, each once, and which of them make up each window.

    Returns:
        Instants, float64 `(N,)`, rising; indices into them, `(windows, T)`.
    """
    each = np.stack([instants(seconds, spec, start=start) for start in starts(seconds, spec, windows=windows)])
    # Windows on one grid differ by rounding only: a microsecond tells instants apart.
    keys, where = np.unique(np.round(each * 1e6).astype(np.int64), return_inverse=True)
    return keys / 1e6, where.reshape(each.shape)


def grid(seconds: float, spec: ClipSpec, *, fineness: int = 2, segments: int = 8) -> Seconds:
    """Every instant that training may look at, `fineness` times as dense as a window.

    A window taken as every `fineness`-th instant of it is a window of `spec`. A video longer than
    `segments` windows gives that many stretches, spread evenly, so that a film does not fill the cache.
    """
    step = 1 / (spec.frames_per_second * fineness)
    stretch = 2 * spec.window_seconds
    if seconds <= segments * stretch:
        return np.arange(max(1, int(seconds / step + 1e-6)), dtype=np.float64) * step
    begins = np.linspace(0.0, seconds - stretch, segments)
    offsets = np.arange(max(1, int(stretch / step + 1e-6)), dtype=np.float64)
    # Snapped to one global grid, so that instants stay distinct and rise.
    return np.asarray(np.unique(np.floor(begins / step)[:, None] + offsets[None]) * step, dtype=np.float64)


def random_window(at: Seconds, seconds: float, spec: ClipSpec, random: np.random.Generator) -> NDArray[np.intp]:
    """Indices into the grid `at` of one window, drawn evenly among all windows that lie in it.

    Args:
        at: what `grid` gave for the same `seconds` and `spec`.

    Returns:
        `(T,)`, rising; T is `count(seconds, spec)`.
    """
    number = count(seconds, spec)
    step = 1 / spec.frames_per_second
    fineness = 1 if len(at) < 2 else max(1, round(step / float(np.min(np.diff(at)))))
    reach = (number - 1) * fineness
    first = np.arange(max(1, len(at) - reach))
    ends = np.minimum(first + reach, len(at) - 1)
    whole = first[np.isclose(at[ends] - at[first], (number - 1) * step, atol=1e-6)]
    begin = int(random.choice(whole)) if len(whole) else 0
    return np.minimum(begin + np.arange(number) * fineness, len(at) - 1).astype(np.intp)
