"""The map and its lists, on made-up vectors whose truth is known, and on real clips where they are."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from har_core import atlas, dataset, embeddings, plots
from har_core.atlas import accept, accepted, label_issues, make, outliers, project
from har_core.dataset import Dataset
from har_core.errors import DatasetError


def cloud(actions: int, each: int, *, apart: float = 1.5, seed: int = 0) -> tuple[np.ndarray, list[str], list[str]]:
    """Vectors of `actions` heaps, what they are called, and groups of which each has a share of every action."""
    random = np.random.default_rng(seed)
    centres = random.normal(0, apart, (actions, 24))
    label = np.repeat(np.arange(actions), each)
    people = random.normal(0, 0.5, (6, 24))
    group = np.arange(len(label)) % 6
    vectors = centres[label] + people[group] + random.normal(0, 1, (len(label), 24))
    return vectors.astype(np.float32), [f"action {i}" for i in label], [f"person {g}" for g in group]


def flip(labels: list[str], share: float, *, seed: int = 0) -> tuple[list[str], set[int]]:
    """The labels with a share of them wrong, and which."""
    random = np.random.default_rng(seed)
    names = sorted(set(labels))
    wrong = random.choice(len(labels), round(share * len(labels)), replace=False).tolist()
    found = list(labels)
    for row in wrong:
        found[row] = names[(names.index(labels[row]) + random.integers(1, len(names))) % len(names)]
    return found, set(wrong)


def test_clips_that_look_alike_lie_together_and_the_same_each_time() -> None:
    vectors, labels, _ = cloud(4, 30, apart=3)
    layout = project(vectors)
    assert layout.xy.shape == (120, 2) and layout.xy.dtype == np.float32 and layout.method == "t-SNE"
    distance = np.linalg.norm(layout.xy[:, None] - layout.xy[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(np.array(labels)[distance.argmin(axis=1)] == np.array(labels)) > 0.95
    assert np.array_equal(project(vectors).xy, layout.xy)


@pytest.mark.parametrize("number", [1, 2, 3, 9])
def test_a_few_clips_are_laid_out_too(number: int) -> None:
    layout = project(cloud(3, 3)[0][:number])
    assert layout.xy.shape == (number, 2) and np.isfinite(layout.xy).all() and layout.method == "PCA"


def test_copies_of_one_clip_lie_at_one_place() -> None:
    layout = project(np.ones((30, 24), np.float32))
    assert np.isfinite(layout.xy).all() and np.ptp(layout.xy) == 0


def test_more_clips_than_can_be_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "MOST_FOR_TSNE", 60)
    vectors, labels, _ = cloud(3, 40, apart=3)
    layout = project(vectors)
    assert "60 clips" in layout.method and np.isfinite(layout.xy).all()
    names = np.array(labels)
    centres = np.stack([layout.xy[names == name].mean(axis=0) for name in sorted(set(labels))])
    nearest = np.linalg.norm(layout.xy[:, None] - centres[None], axis=2).argmin(axis=1)
    assert np.mean(nearest == np.repeat(np.arange(3), 40)) > 0.95


@pytest.mark.parametrize(("actions", "least"), [(2, 0.6), (5, 0.8)])
def test_wrong_labels_come_first_with_the_right_suggestion(actions: int, least: float) -> None:
    vectors, labels, groups = cloud(actions, 40, apart=2.5)
    mixed, wrong = flip(labels, 0.1)
    review = label_issues(vectors, mixed, groups)
    first = review.issues[: len(wrong)]
    assert len({issue.row for issue in first} & wrong) >= least * len(wrong)
    for issue in first:
        assert issue.given == mixed[issue.row] != issue.suggested and 0.5 < issue.sure <= 1
        assert issue.row not in wrong or issue.suggested == labels[issue.row]
    assert review.judged == 40 * actions and review.accuracy > 0.75 and not review.notes
    assert review == label_issues(vectors, mixed, groups)


def test_right_labels_are_left_alone() -> None:
    vectors, labels, groups = cloud(4, 30, apart=3)
    review = label_issues(vectors, labels, groups)
    assert not review.issues and review.accuracy == 1


def test_nothing_is_listed_where_the_actions_cannot_be_told_apart() -> None:
    vectors, labels, groups = cloud(5, 30, apart=0)
    review = label_issues(vectors, labels, groups)
    assert not review.issues and review.judged == 150 and review.accuracy < 0.4 and review.chance == pytest.approx(0.2)


def test_clips_of_one_group_are_not_judged_by_one_another() -> None:
    """A person who does one thing only: whoever knows the person would confirm any label."""
    vectors, labels, groups = cloud(3, 30)
    groups = [f"{label} only" if label == "action 2" else group for label, group in zip(labels, groups, strict=True)]
    review = label_issues(vectors, labels, groups)
    assert review.judged == 60 and all(issue.row < 60 for issue in review.issues)
    assert review.notes == ("30 clips cannot be judged: their action has clips of one group only.",)


@pytest.mark.parametrize(("actions", "groups"), [(1, 6), (3, 1)])
def test_what_cannot_be_judged_at_all(actions: int, groups: int) -> None:
    vectors, labels, owners = cloud(actions, 12)
    review = label_issues(vectors, labels, owners if groups > 1 else ["one"] * len(owners))
    assert not review.issues and not review.judged and "two groups" in review.notes[0]


def test_a_cancel_ends_it() -> None:
    assert not label_issues(*cloud(3, 30), cancelled=lambda: True).issues


def test_a_hundred_and_one_actions() -> None:
    vectors, labels, groups = cloud(101, 12, apart=3)
    mixed, wrong = flip(labels, 0.05)
    review = label_issues(vectors, mixed, groups)
    sure = {issue.row for issue in review.issues if issue.sure >= atlas.SURE}
    assert len(sure & wrong) > 0.5 * len(wrong) and len(sure & wrong) > 0.9 * len(sure)


def test_outliers_are_far_from_their_action() -> None:
    vectors, labels, _ = cloud(3, 20, apart=3)
    vectors[7] += 12
    vectors[41] -= 9
    labels += ["rare"] * 4
    found = outliers(np.concatenate([vectors, np.eye(4, 24, dtype=np.float32) * 99]), labels)
    assert [outlier.row for outlier in found] in ([7, 41], [41, 7]) and found[0].times >= found[1].times > 1.5
    assert found[0].action == labels[found[0].row]


@pytest.fixture
def source(tiny: Path) -> Dataset:
    return dataset.read(tiny)


def test_a_whole_map(source: Dataset) -> None:
    vectors = cloud(3, 4, apart=3)[0]
    vectors[5] = np.nan
    found = make(source, vectors)
    assert len(found.clips) == len(found.layout.xy) == 11 and found.missing == 1
    assert source.relative(source.clips[5]) not in found.clips
    with pytest.raises(DatasetError, match="decoded"):
        make(source, np.full_like(vectors, np.nan))


def test_labels_that_were_called_right_are_remembered(tmp_path: Path, own_workspace: Path) -> None:
    assert accepted(tmp_path) == {}
    accept(tmp_path, [("run/1.mp4", "run")])
    accept(tmp_path, [("wälk/2.mp4", "walk"), ("run/1.mp4", "jog")])
    assert accepted(tmp_path) == {"run/1.mp4": "jog", "wälk/2.mp4": "walk"}
    assert accepted(tmp_path / "other") == {}
    (file,) = (own_workspace / "reviews").iterdir()
    for damaged in ("{", "[1]", json.dumps({"a": 1, "b": "run"})):
        file.write_text(damaged)
        assert accepted(tmp_path) == ({"b": "run"} if "run" in damaged else {})


def test_a_workspace_that_cannot_be_written(tmp_path: Path, own_workspace: Path) -> None:
    own_workspace.mkdir()
    (own_workspace / "reviews").write_text("in the way")
    with pytest.raises(DatasetError, match="Make room"):
        accept(tmp_path, [("run/1.mp4", "run")])


def test_flipped_labels_of_real_clips_come_first(shared_clips: Callable[[str], Path]) -> None:
    source = dataset.read(shared_clips("ut-interaction"))
    vectors = embeddings.clip_embeddings(source, source.clips)
    labels, groups = [clip.action for clip in source.clips], [clip.group for clip in source.clips]
    found = 0.0
    for seed in range(3):
        mixed, wrong = flip(labels, 0.1, seed=seed)
        review = label_issues(vectors, mixed, groups)
        found += len({issue.row for issue in review.issues[: len(wrong)]} & wrong) / len(wrong) / 3
    assert found >= 0.5


@pytest.mark.parametrize(("actions", "clips"), [(2, 20), (101, 3030)])
def test_every_dot_knows_its_row(actions: int, clips: int) -> None:
    xy = np.random.default_rng(0).random((clips, 2), np.float32)
    kinds = [f"<b>action {row % actions:03d}" for row in range(clips)]
    figure = plots.clip_map(xy, kinds, [f"{row}.mp4\n{kind}" for row, kind in enumerate(kinds)], rings=[3])
    *dots, ring = figure.data
    assert len(dots) == actions and {trace.type for trace in dots} == {"scatter" if clips < 2000 else "scattergl"}
    assert len({trace.marker.color for trace in dots}) == actions
    for trace in dots:
        for row, x, text in zip(trace.customdata, trace.x, trace.text, strict=True):
            assert x == xy[row, 0] and text.startswith(f"{row}.mp4<br>&lt;b>action")
    assert (ring.x[0], ring.y[0]) == (xy[3, 0], xy[3, 1]) and ring.customdata is None
    assert bool(figure.layout.showlegend) == (actions < 25)
