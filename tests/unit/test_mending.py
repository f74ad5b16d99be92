"""What was edited since a model was trained, training again, and what before and after may claim."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har_core import dataset, mending
from har_core.checkpoint import Card
from har_core.config import ClipSpec, NetworkConfig, TrainConfig
from har_core.dataset import Dataset, versions
from har_core.dataset.versions import Changes
from har_core.evaluation import Evaluation, Scored
from har_core.runs import Run
from har_core.values import Clip, Prediction

ACTIONS = ("blink", "rise", "slide")
SPEC = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)


@pytest.fixture
def root(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "clips"))


def name(action: str, group: int) -> str:
    return f"{action}/v_{action}_g{group:02d}_c01.mp4"


def card(*, judged: int = 4, classes: tuple[str, ...] = ACTIONS) -> Card:
    """Of a model that one group judged and the others trained."""
    groups = range(1, 5)
    split = {
        "train": [name(action, group) for action in ACTIONS for group in groups if group != judged],
        "validation": [name(action, judged) for action in ACTIONS],
    }
    return Card(classes, SPEC, NetworkConfig(weights="none"), split=split, dataset_version=0)


def edited(root: Path, **changes: Changes) -> tuple[Dataset, Dataset]:
    """The data set before and after edits, each clip as `action_group`."""
    plain = {name(key.split("_")[0], int(key[-1])): change for key, change in changes.items()}
    versions.change(root, "Edited", plain)
    return dataset.read(root, version=0), dataset.read(root)


def test_edits_are_told_by_what_the_clips_were_for(root: Path) -> None:
    then, now = edited(
        root, blink_4=Changes(action="rise"), rise_1=Changes(excluded=True), slide_2=Changes(ambiguous=True)
    )
    found = mending.edits_since(card(), then, now)
    assert [(each.clip, each.part, each.what) for each in found] == [
        (name("blink", 4), "validation", (("action", "blink", "rise"),)),
        (name("rise", 1), "train", (("excluded", "no", "yes"),)),
        (name("slide", 2), "train", (("ambiguous", "no", "yes"),)),
    ]
    assert [each.judges for each in found] == [True, False, False]
    assert mending.told(found, then=0, now=1) == (
        "Version 1: 3 clips edited since the model was trained on version 0; 2 trained it and 1 judged it."
    )


def test_what_was_undone_is_no_edit(root: Path) -> None:
    then, _ = edited(root, blink_1=Changes(action="rise"))
    versions.undo(root, 1)
    now = dataset.read(root)
    assert mending.edits_since(card(), then, now) == ()
    assert "says of every clip what the model learned from" in mending.told((), then=0, now=2)


def test_a_renamed_action_edits_all_its_clips(root: Path) -> None:
    then = dataset.read(root)
    versions.rename_action(root, "blink", "flash")
    found = mending.edits_since(card(), then, dataset.read(root))
    assert len(found) == 4 and {each.what for each in found} == {(("action", "blink", "flash"),)}


def test_a_group_that_is_moved_counts_once_for_each_clip(root: Path) -> None:
    then, now = edited(root, blink_1=Changes(split="test"))
    found = mending.edits_since(card(), then, now)
    assert [each.clip for each in found] == [name(action, 1) for action in ACTIONS]
    assert found[0].what == (("part", "as the folder says", "test"),)


def test_the_same_people_judge_again(root: Path) -> None:
    config = TrainConfig(dataset=str(root), validation_fraction=0.25, seed=1)
    clips = dataset.read(root).clips
    dealt = {clip.group for clip in dataset.split(clips, validation_fraction=0.25, seed=1).validation}
    judged = next(group for group in range(1, 5) if f"g{group:02d}" not in dealt)  # chance would deal otherwise now
    _, now = edited(root, rise_1=Changes(action="slide"))
    fresh = mending.again(config, card(judged=judged), now)
    assert fresh.version == 1 and fresh.validation_groups == (f"g{judged:02d}",)
    assert replace(fresh, version=None, validation_groups=()) == config
    (only,) = dealt
    assert mending.again(config, card(judged=int(only[-1])), now).validation_groups == ()  # chance does it by itself


def test_what_is_moved_by_an_edit_moves(root: Path) -> None:
    config = TrainConfig(dataset=str(root), validation_fraction=0.25)
    _, now = edited(root, rise_4=Changes(split="train"), rise_2=Changes(split="validation"))
    fresh = mending.again(config, card(judged=4), now)
    parts = dataset.split(
        now.clips, validation_fraction=0.25, seed=config.seed, validation_groups=fresh.validation_groups
    )
    assert {clip.group for clip in parts.validation} == {"g02"}


def test_runs_that_differ_by_their_labels_alone_belong_together(tmp_path: Path, root: Path) -> None:
    def run(called: str, **settings: object) -> Run:
        folder = tmp_path / "runs" / called
        folder.mkdir(parents=True)
        config = TrainConfig(dataset=str(root), **settings)  # type: ignore[arg-type]  # a test's own
        (folder / "config.json").write_text(json.dumps(config.to_json()), "utf-8")
        return Run(folder)

    first, third = run("a", version=1), run("c", version=3, validation_groups=("g04",))
    second, other, same = run("b", version=2), run("d", version=2, epochs=7), run("e", version=1)
    damaged = Run(tmp_path / "runs" / "damaged")
    everybody = [damaged, same, other, third, second, first]
    assert mending.relatives(first, everybody) == ([], [second, third])
    assert mending.relatives(third, everybody) == ([second, same, first], [])
    assert mending.relatives(damaged, everybody) == ([], [])


def test_only_clips_that_trained_neither_are_held_out(root: Path) -> None:
    source = dataset.read(root)
    clips = mending.held_out(card(judged=4), card(judged=4), source)
    assert {source.relative(clip) for clip in clips} == {name(action, 4) for action in ACTIONS}
    assert mending.held_out(card(judged=4), card(judged=3), source) == ()
    # A clip of which others of the same group were learned is none, though itself it was not.
    torn = replace(card(judged=4), split={"train": [name("blink", 4)], "validation": [name("rise", 4)]})
    assert mending.held_out(torn, torn, source) == ()


def evaluation(truth: list[str], said: list[str]) -> Evaluation:
    scored = []
    for number, (true, answer) in enumerate(zip(truth, said, strict=True)):
        shares = np.full(3, 0.1)
        shares[ACTIONS.index(answer)] = 0.8
        clip = f"c{number:02d}.mp4"
        scored.append(Scored(clip, Path(clip), true, Prediction(shares, ACTIONS), f"g{number}"))
    return Evaluation(ACTIONS, tuple(scored))


def test_a_rise_that_is_the_labels_alone_is_said_to_be(root: Path) -> None:
    said = ["blink", "rise", "rise", "slide"]
    then, now = ["blink", "rise", "slide", "blink"], ["blink", "rise", "rise", "slide"]  # made to agree with the model
    edits = [mending.Edited(f"c{n:02d}.mp4", "validation", (("action", then[n], now[n]),)) for n in (2, 3)]
    found = mending.mended(
        (evaluation(now, said), evaluation(now, said)), (evaluation(then, said), evaluation(then, said)), edits
    )
    assert found.by_labels == pytest.approx(0.5)
    assert found.warning() == (
        "2 clips by which both are judged got another label. That alone takes the score of the model before up by 50.0 "
        "points: so much of a change is the labels, and nothing was learned."
    )
    assert "nothing here tells one from the other" in found.sentences()[0]
    assert "With 4 clips each of them is 25 points" in found.sentences()[1]


def test_taking_out_what_it_gets_wrong_is_told_too(root: Path) -> None:
    said, truth = ["blink", "rise", "rise"], ["blink", "rise", "slide"]
    edits = [mending.Edited("c02.mp4", "test", (("excluded", "no", "yes"),))]
    kept = evaluation(truth[:2], said[:2])
    found = mending.mended((kept, kept), (evaluation(truth, said), evaluation(truth, said)), edits)
    assert found.warning().startswith("1 clip was taken out of them or back in. That alone takes the score")
    assert "up by 33.3 points" in found.warning()


def test_edits_of_training_clips_need_no_warning(root: Path) -> None:
    truth = ["blink", "rise"]
    edits = [mending.Edited("elsewhere.mp4", "train", (("action", "blink", "rise"),))]
    both = (evaluation(truth, truth), evaluation(truth, ["blink", "blink"]))
    found = mending.mended(both, both, edits)
    assert found.warning() == "" and found.edited == () and found.by_labels is None
    assert found.now.only_first == 1


def test_a_clip_that_has_gone_is_no_edit(root: Path) -> None:
    then = dataset.read(root)
    (root / name("blink", 1)).unlink()
    assert mending.edits_since(card(), then, dataset.read(root)) == ()
    assert isinstance(then.clips[0], Clip)
