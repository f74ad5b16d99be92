"""Stored frames, packing, and work done ahead."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import unpack_sequence

from har_core import video
from har_core.augment import Augmenter
from har_core.batches import (
    EvaluationClips,
    FrameStore,
    TrainClips,
    collate,
    decode_all,
    move,
    pack_embeddings,
    prefetch,
    trim,
)
from har_core.config import AugmentConfig, ClipSpec
from har_core.errors import VideoError
from har_core.images import fit
from har_core.values import Clip, Sample

AT = np.array([0.0, 0.4, 0.8])
PLAIN = AugmentConfig(strength=0.0, flip=False)
SPEC = ClipSpec(window_seconds=0.5, frames_per_second=8.0, most_frames=4, size=32)


@pytest.fixture
def clip(tiny: Path) -> Path:
    return tiny / "slide" / "v_slide_g01_c01.mp4"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were decoded, in order."""
    paths: list[Path] = []
    read = video.read

    def count(path: Path, *rest: Any, **options: Any) -> Iterator[Any]:
        paths.append(path)
        return read(path, *rest, **options)

    monkeypatch.setattr(video, "read", count)
    return paths


def stored(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_clip_is_decoded_once(clip: Path, decoded: list[Path], tmp_path: Path) -> None:
    first = FrameStore(tmp_path / "frames").frames(clip, AT, 32)
    again = FrameStore(tmp_path / "frames").frames(clip, AT, 32)  # as the next run does
    assert decoded == [clip]
    assert np.array_equal(first, again) and again.dtype == np.uint8 and again.shape == (3, 32, 32, 3)
    expected = np.stack([fit(rgb, 32) for _, rgb in video.read(clip, AT)])
    assert np.array_equal(first, expected)
    assert len(stored(tmp_path / "frames")) == 1


def test_what_differs_is_decoded_anew(clip: Path, decoded: list[Path], tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "frames")
    copy = tmp_path / clip.name
    copy.write_bytes(clip.read_bytes())
    store.frames(copy, AT, 32)
    store.frames(copy, AT, 40)
    store.frames(copy, AT + 0.1, 32)
    os.utime(copy, ns=(0, copy.stat().st_mtime_ns + 1))
    store.frames(copy, AT, 32)
    assert len(decoded) == 4


def test_without_a_folder_nothing_is_kept(clip: Path, decoded: list[Path]) -> None:
    store = FrameStore(None)
    assert np.array_equal(store.frames(clip, AT, 32), store.frames(clip, AT, 32))
    assert len(decoded) == 2


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:9], lambda b: b"x" * 500])
def test_a_damaged_file_is_made_again(
    damage: Callable[[bytes], bytes], clip: Path, decoded: list[Path], tmp_path: Path
) -> None:
    store = FrameStore(tmp_path / "frames")
    whole = np.array(store.frames(clip, AT, 32))
    (file,) = stored(tmp_path / "frames")
    file.write_bytes(damage(file.read_bytes()))
    assert np.array_equal(store.frames(clip, AT, 32), whole)
    assert np.array_equal(store.frames(clip, AT, 32), whole)
    assert len(decoded) == 2


def test_a_place_that_cannot_be_written_costs_speed_only(clip: Path, decoded: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FrameStore(tmp_path / "file" / "frames")
    assert np.array_equal(store.frames(clip, AT, 32), store.frames(clip, AT, 32))
    assert len(decoded) == 2


@pytest.mark.parametrize("kept", [True, False])
def test_a_clip_that_has_gone_or_is_broken_is_a_video_error(kept: bool, tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "frames" if kept else None)
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        store.frames(tmp_path / "gone.mp4", AT, 32)
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(VideoError, match=r"text\.mp4"):
        store.frames(tmp_path / "text.mp4", AT, 32)
    assert not (tmp_path / "frames").exists() or not stored(tmp_path / "frames")


def test_trim_removes_what_was_used_longest_ago(tmp_path: Path) -> None:
    for age, name in enumerate(("new.npy", "middle.npy", "old.npy", "left over.part")):
        (tmp_path / name).write_bytes(bytes(1000))
        os.utime(tmp_path / name, (10_000 - age, 10_000 - age))
    os.utime(tmp_path / "old.npy", (20_000, 0))  # old, but read just now
    trim(tmp_path, most_bytes=4000)
    assert len(stored(tmp_path)) == 4
    trim(tmp_path, most_bytes=2500)
    assert [path.name for path in stored(tmp_path)] == ["new.npy", "old.npy"]
    trim(tmp_path, most_bytes=0)
    assert not stored(tmp_path)
    trim(tmp_path / "missing", most_bytes=0)


def test_collate_keeps_order_and_frames() -> None:
    random = np.random.default_rng(0)
    samples = [
        Sample(random.integers(0, 256, (t, 3, 32, 32), np.uint8), label) for t, label in ((2, 1), (5, 0), (3, 2))
    ]
    batch = collate(samples)
    assert batch.packed.data.shape == (10, 3, 32, 32) and batch.packed.data.dtype == torch.uint8
    assert batch.labels.tolist() == [1, 0, 2] and batch.labels.dtype == torch.int64
    for sample, clip in zip(samples, unpack_sequence(batch.packed), strict=True):
        assert np.array_equal(sample.rgb, clip.numpy())


def test_moving_a_batch_keeps_it() -> None:
    clips = [torch.randn(t, 512) for t in (2, 4)]
    batch = pack_embeddings(clips, [1, 0])
    cpu = torch.device("cpu")
    for packed in (batch.to(cpu).packed, move(batch.packed, cpu)):
        assert all(torch.equal(a, b) for a, b in zip(clips, unpack_sequence(packed), strict=True))
    assert batch.to(cpu).labels.tolist() == [1, 0]


def train_clips(path: Path, augment: AugmentConfig = PLAIN) -> TrainClips:
    return TrainClips(
        (Clip(path, "slide", "g01"),), (1.0,), (2,), SPEC, FrameStore(None), Augmenter(augment, SPEC.size)
    )


def test_a_training_sample_is_a_window_of_the_clip(clip: Path) -> None:
    clips = train_clips(clip)
    at, frames = clips.stored(0)
    assert frames.shape == (16, 37, 37, 3)
    begins = set()
    for seed in range(60):
        window = clips.window(0, at, seed=seed)
        begins.add(int(window[0]))
        assert np.allclose(np.diff(at[window]), 1 / SPEC.frames_per_second)
        sample = clips.sample(0, seed=seed)
        assert sample.label == 2
        expected = np.stack([fit(rgb, SPEC.size) for rgb in np.asarray(frames)[window]])
        assert np.array_equal(sample.rgb, expected.transpose(0, 3, 1, 2))
    assert begins == set(range(10))


def test_a_glimpse_is_of_what_is_learnt(clip: Path) -> None:
    clips = train_clips(clip)
    for seed in range(5):
        shown = clips.glimpse(0, 3, window=seed, look=None)
        assert shown.shape == (3, SPEC.size, SPEC.size, 3)
        learnt = clips.sample(0, seed=seed).rgb.transpose(0, 2, 3, 1)
        assert np.array_equal(shown, learnt[[0, (len(learnt) - 1) // 2, len(learnt) - 1]])
    assert len(clips.glimpse(0, 50, window=0, look=None)) == len(learnt), "no frame twice"
    varied = train_clips(clip, AugmentConfig(1.0))
    assert varied.glimpse(0, 6, window=1, look=2).shape == (4, SPEC.size, SPEC.size, 3)


def test_a_seed_gives_one_sample(clip: Path) -> None:
    clips = train_clips(clip, AugmentConfig())
    assert np.array_equal(clips.sample(0, seed=3).rgb, clips.sample(0, seed=3).rgb)
    assert not np.array_equal(clips.sample(0, seed=3).rgb, clips.sample(0, seed=4).rgb)
    at, varied = clips.varied(0, seed=3)
    assert varied.shape == (len(at), 3, 32, 32)


def test_evaluation_looks_at_the_plan(clip: Path, decoded: list[Path]) -> None:
    clips = EvaluationClips((Clip(clip, "slide", "g01"),), (1.0,), (2,), SPEC, FrameStore(None), 2)
    rgb, where = clips.frames(0)
    assert where.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert rgb.shape == (8, 3, 32, 32) and rgb.dtype == np.uint8
    expected = np.stack([fit(frame, 32) for _, frame in video.read(clip, np.arange(8) / 8)])
    assert np.array_equal(rgb, expected.transpose(0, 3, 1, 2))


def test_prefetch_keeps_the_order_and_works_ahead() -> None:
    ahead = threading.Event()
    made: list[int] = []

    def make(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        made.append(number)
        if number == 1:
            ahead.set()
        return number

    seen = []
    for number in prefetch(partial(make, n) for n in range(20)):
        if number == 0:
            assert ahead.wait(10), "nothing is made while the caller works"
        assert len(made) <= number + 3, "more is made ahead than asked for"
        seen.append(number)
    assert seen == made == list(range(20))
    assert list(prefetch([])) == []


def test_prefetch_passes_an_error_on_in_its_place() -> None:
    def fail() -> int:
        raise VideoError("broken")

    numbers = prefetch([lambda: 1, fail, lambda: 3])
    assert next(numbers) == 1
    with pytest.raises(VideoError, match="broken"):
        next(numbers)


def test_prefetch_ends_with_its_reader() -> None:
    made: list[int] = []

    def calls() -> Iterator[Callable[[], None]]:
        for number in range(1000):
            yield partial(made.append, number)

    before = threading.active_count()
    numbers = prefetch(calls())
    next(numbers)
    numbers.close()  # type: ignore[attr-defined]
    assert len(made) < 10 and threading.active_count() == before


def test_decode_all_reports_each_error() -> None:
    def fail() -> None:
        raise VideoError("broken")

    jobs: list[Callable[[], object]] = [lambda: 1, fail, lambda: "frames", fail]
    answers = dict(decode_all(jobs, workers=2))
    assert sorted(answers) == [0, 1, 2, 3]
    assert [index for index, error in answers.items() if isinstance(error, VideoError)] == [1, 3]
    assert answers[0] is None and answers[2] is None
    assert list(decode_all([])) == []


def test_decode_all_ends_with_its_reader() -> None:
    begun: list[int] = []

    def job(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)

    answers = decode_all([partial(job, n) for n in range(500)], workers=2)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert len(begun) < 20
