"""The data doctor on groups: which it proposes, what a split by chance hides; and what it finds in real clips."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from har_core import dataset, embeddings, facts
from har_core.dataset import Dataset
from har_core.doctor import Diagnosis, Finding, examine
from har_core.doctor.leaks import honesty
from har_core.doctor.rooms import frames_of, propose
from har_core.facts import ClipFacts


def of(diagnosis: Diagnosis, kind: str) -> Finding:
    """The one finding of a kind."""
    (found,) = [finding for finding in diagnosis.findings if finding.kind == kind]
    return found


def test_no_sets_are_proposed_where_there_are_none() -> None:
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (24, 5, 96, 128, 3), dtype=np.uint8)
    rooms = propose(frames, random.normal(size=(24, 16)).astype(np.float32), ["jump", "sit"] * 12)
    assert rooms is None
    assert propose(frames[:3], np.zeros((3, 16), np.float32), ["jump"] * 3) is None


def test_a_strip_is_cut_into_its_frames() -> None:
    wide = np.concatenate([np.full((112, 198, 3), 40 * i, np.uint8) for i in range(5)], axis=1)
    assert frames_of(wide).shape == (5, 96, 128, 3)
    assert [int(frame.mean()) for frame in frames_of(wide)] == [0, 40, 80, 120, 160]


def test_a_split_by_chance_flatters_where_clips_are_told_by_their_group() -> None:
    random = np.random.default_rng(0)
    groups, actions, vectors = [], [], []
    for group in range(8):
        for action in range(4):
            own = random.normal(size=24)  # each person does each action in a way of their own
            for _ in range(5):
                vectors.append(own + 0.2 * random.normal(size=24))
                groups.append(f"g{group}")
                actions.append(f"a{action}")
    seen = honesty(np.array(vectors, np.float32), actions, groups)
    assert seen is not None
    assert seen.leaks
    assert seen.random > 0.9 > 0.5 > seen.grouped
    assert seen.grouped_interval[0] <= seen.grouped <= seen.grouped_interval[1]
    assert seen.gap == pytest.approx(seen.random - seen.grouped)


def test_without_leak_both_splits_agree() -> None:
    random = np.random.default_rng(0)
    centres = 3 * random.normal(size=(4, 24))
    actions = [f"a{i % 4}" for i in range(160)]
    groups = [f"g{i // 20}" for i in range(160)]
    vectors = np.array([centres[i % 4] for i in range(160)]) + random.normal(size=(160, 24))
    seen = honesty(vectors.astype(np.float32), actions, groups)
    assert seen is not None
    assert not seen.leaks
    assert abs(seen.gap) < 0.03


def test_where_each_clip_is_its_own_group_nothing_can_be_compared() -> None:
    assert honesty(np.zeros((10, 4), np.float32), ["a", "b"] * 5, [str(i) for i in range(10)]) is None
    assert honesty(np.zeros((10, 4), np.float32), ["a", "b"] * 5, ["one", "two"] * 5) is None


def real(folder: Path, *, keep_groups: bool = True) -> tuple[Dataset, dict[str, ClipFacts]]:
    source = dataset.read(folder)
    if not keep_groups:
        clips = tuple(dataclasses.replace(clip, group=source.relative(clip)) for clip in source.clips)
        source = dataclasses.replace(source, clips=clips)
    return source, facts.gather(source)


def test_real_clips_point_is_given_away_by_its_shape(shared_clips: Callable[[str], Path]) -> None:
    found = of(examine(*real(shared_clips("ut-interaction"))), "file gives away")
    assert ("point", "All 16 clips of point are tall; no others are") in found.figures
    assert found.severity == "problem"


def test_real_clips_dribbling_goes_with_its_codec(shared_clips: Callable[[str], Path]) -> None:
    found = of(examine(*real(shared_clips("basketball-actions"))), "codec goes with action")
    assert "All 24 clips of dribbling are hevc" in found.why


@pytest.mark.parametrize(("name", "clean", "least"), [("yoga", "s", 0.6), ("air-drawing", "n", 0.9)])
def test_real_groups_are_found_by_looking(
    shared_clips: Callable[[str], Path], name: str, clean: str, least: float
) -> None:
    from sklearn.metrics import adjusted_rand_score

    folder = shared_clips(name)
    true = {dataset.read(folder).relative(c): c.group for c in dataset.read(folder).clips}
    source, known = real(folder, keep_groups=False)
    found = of(examine(source, known, embeddings.clip_embeddings(source, source.clips)), "groups")
    proposed = {clip: group for group, clips in found.sets for clip in clips}
    # Of the air drawings some groups are of many rooms, and some rooms in many groups.
    mixed = ("n02-08", "n17", "n18")
    judged = [clip for clip in proposed if true[clip].startswith(clean) and true[clip] not in mixed]
    assert adjusted_rand_score([true[c] for c in judged], [proposed[c] for c in judged]) > least
