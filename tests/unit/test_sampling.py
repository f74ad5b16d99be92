"""The sampler: properties that hold for every video and every ClipSpec."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from har_core import video
from har_core.config import ClipSpec
from har_core.errors import ConfigError
from har_core.sampling import count, grid, instants, latest_start, plan, propose, random_window, starts

lengths = st.floats(0.0, 7200.0)
short = st.floats(0.01, 30.0)
specs = st.builds(
    ClipSpec,
    window_seconds=st.floats(0.1, 60.0),
    frames_per_second=st.floats(0.1, 60.0),
    most_frames=st.integers(1, 128),
)
usual = st.builds(
    ClipSpec,
    window_seconds=st.floats(0.5, 6.0),
    frames_per_second=st.floats(1.0, 15.0),
    most_frames=st.integers(1, 40),
)
MICROSECONDS = 2e-6
"""`plan` tells instants apart by the microsecond."""


@given(lengths, specs, st.floats(-10.0, 8000.0))
def test_instants_lie_in_the_video_at_the_rate_of_the_spec(seconds: float, spec: ClipSpec, start: float) -> None:
    at = instants(seconds, spec, start=start)
    assert len(at) == count(seconds, spec) <= spec.most_frames
    assert at[0] >= 0 and (at[-1] < seconds or at.tolist() == [0.0])
    assert np.allclose(np.diff(at), 1 / spec.frames_per_second, rtol=0, atol=1e-9)
    assert at[-1] - at[0] < spec.window_seconds


@given(specs, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_shorter_video_gives_fewer_instants_never_slower_ones(spec: ClipSpec, one: float, two: float) -> None:
    shorter, longer = sorted((one * spec.window_seconds, two * spec.window_seconds))
    assert 1 <= count(shorter, spec) <= count(longer, spec) <= count(spec.window_seconds, spec)
    fitting = int(shorter * spec.frames_per_second + 1e-6)
    assert count(shorter, spec) == max(1, min(spec.most_frames, fitting))


@given(lengths, specs, st.floats(0.0, 1.0))
def test_a_window_begins_where_it_is_asked_to_if_it_fits(seconds: float, spec: ClipSpec, share: float) -> None:
    last = latest_start(seconds, spec)
    assert instants(seconds, spec, start=share * last)[0] == pytest.approx(share * last)
    assert instants(seconds, spec, start=last + 1)[0] == pytest.approx(last)


@given(lengths, specs, st.integers(1, 50))
@example(10.0, ClipSpec(window_seconds=2.0, frames_per_second=10.0), 3)
def test_plan_is_the_windows_of_instants(seconds: float, spec: ClipSpec, windows: int) -> None:
    begins = starts(seconds, spec, windows=windows)
    at, where = plan(seconds, spec, windows=windows)
    assert 1 <= len(begins) <= windows and np.all(np.diff(begins) > 0)
    assert where.shape == (len(begins), count(seconds, spec))
    assert np.all(np.diff(at) > 0)
    assert set(where.ravel()) == set(range(len(at))), "an instant is decoded for nothing"
    for begin, window in zip(begins, where, strict=True):
        assert np.allclose(at[window], instants(seconds, spec, start=begin), rtol=0, atol=MICROSECONDS)


@given(st.floats(1.0, 600.0), usual, st.integers(2, 20))
def test_windows_spread_over_the_whole_video_and_share_frames(seconds: float, spec: ClipSpec, windows: int) -> None:
    begins, last = starts(seconds, spec, windows=windows), latest_start(seconds, spec)
    step = 1 / spec.frames_per_second
    assert begins[0] == 0 and last - begins[-1] <= step + MICROSECONDS
    assert np.allclose(begins / step, np.round(begins / step), atol=1e-4)
    at, _ = plan(seconds, spec, windows=windows)
    # On one grid, so that overlapping windows cost nothing twice.
    assert len(at) <= seconds * spec.frames_per_second + 2


def test_one_window_looks_at_the_middle() -> None:
    spec = ClipSpec(window_seconds=2.0, frames_per_second=5.0)
    assert plan(10.0, spec, windows=1)[0][0] == pytest.approx(4.0)
    assert plan(1.0, spec, windows=1)[0].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])


@given(short | lengths, specs)
@example(100.0, ClipSpec(window_seconds=0.2, frames_per_second=1.0))
def test_the_grid_rises_within_the_video_and_is_bounded(seconds: float, spec: ClipSpec) -> None:
    at = grid(seconds, spec)
    assert len(at) >= 1 and at[0] >= 0
    assert at[-1] < seconds or at.tolist() == [0.0]
    assert np.all(np.diff(at) > 0)
    stretches = 8 * 2 * spec.window_seconds
    assert len(at) <= 8 + 2 * spec.frames_per_second * min(seconds, stretches) + 1e-6


@given(short | lengths, specs, st.integers(0, 1000))
@example(3600.0, ClipSpec(window_seconds=3.0, frames_per_second=20 / 3), 1)
def test_a_random_window_of_the_grid_is_a_window_of_the_spec(seconds: float, spec: ClipSpec, seed: int) -> None:
    at = grid(seconds, spec)
    window = random_window(at, seconds, spec, np.random.default_rng(seed))
    assert window.shape == (count(seconds, spec),)
    assert window[0] >= 0 and window[-1] < len(at)
    assert np.allclose(np.diff(at[window]), 1 / spec.frames_per_second, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seconds", [7.0, 600.0])
def test_random_windows_begin_everywhere(seconds: float) -> None:
    spec = ClipSpec(window_seconds=2.0, frames_per_second=5.0)
    at = grid(seconds, spec)
    begins = {int(random_window(at, seconds, spec, np.random.default_rng(seed))[0]) for seed in range(2000)}
    if seconds < 60:
        assert begins == set(range(len(at) - 18))
    else:
        assert len({round(at[b] / seconds * 8) for b in begins}) >= 8, "a stretch of the film is never looked at"


@given(st.lists(st.floats(0.01, 10_000.0), min_size=1, max_size=20), st.integers(32, 448))
def test_propose(seconds: list[float], size: int) -> None:
    spec = propose(seconds, size=size)
    assert 1.5 <= spec.window_seconds <= 6.0
    assert count(spec.window_seconds, spec) == spec.most_frames == 20
    assert spec.size == size
    assert spec.window_seconds == pytest.approx(np.clip(np.median(seconds), 1.5, 6.0), abs=0.01)


def test_nothing_is_proposed_for_nothing() -> None:
    with pytest.raises(ConfigError):
        propose([], size=64)


@pytest.mark.parametrize("frames_per_second", [10, 24, 30])
def test_a_window_shows_the_same_moments_at_any_frame_rate(frames_per_second: int, tmp_path: Path) -> None:
    """A grey that rises by 100 a second says when a picture was taken."""
    path = tmp_path / "film.mp4"
    times = np.arange(2 * frames_per_second) / frames_per_second
    greys = (np.full((32, 32, 3), 20 + 100 * t, np.uint8) for t in times)
    video.write(path, greys, frames_per_second=frames_per_second)
    at, _ = plan(video.probe(path).seconds, ClipSpec(1.5, 4.0, 6, 32), windows=2)
    shown = [(float(rgb.mean()) - 20) / 100 for _, rgb in video.read(path, at)]
    assert len(at) == 8
    assert np.all(np.array(shown) <= at + 0.03) and np.all(np.array(shown) >= at - 1 / frames_per_second - 0.03)
