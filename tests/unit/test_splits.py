"""Splitting without leaks: properties that hold for any data set, and the cases that a user meets."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from har_core.dataset import folds, split
from har_core.errors import DatasetError
from har_core.values import Clip, Split


def clip(number: int, action: str, group: str, fixed: str = "", root: str = "/clips") -> Clip:
    return Clip(Path(root, action, f"{number}.mp4"), action, group, fixed)


def people(number: int, actions: str = "abc", each: int = 2) -> list[Clip]:
    """Everyone does every action."""
    pairs = [(f"p{p}", action) for p in range(number) for action in actions for _ in range(each)]
    return [clip(i, action, group) for i, (group, action) in enumerate(pairs)]


def groups_of(clips: tuple[Clip, ...]) -> set[str]:
    return {clip.group for clip in clips}


def actions_of(clips: tuple[Clip, ...]) -> set[str]:
    return {clip.action for clip in clips}


def check_parts(clips: list[Clip], parts: Split) -> None:
    """Every clip is in one part, no group in two."""
    assert Counter(parts.named("all")) == Counter(clips)
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not groups_of(parts.named(one)) & groups_of(parts.named(other))


@st.composite
def clip_lists(draw: st.DrawFn, fixed: tuple[str, ...] = ("",)) -> list[Clip]:
    cells = st.tuples(st.sampled_from("abcde"), st.integers(0, 8), st.sampled_from(fixed))
    drawn = draw(st.lists(cells, min_size=2, max_size=40))
    return [clip(i, action, f"g{group}", part) for i, (action, group, part) in enumerate(drawn)]


def splittable(clips: list[Clip]) -> bool:
    """Whether some group can be left out and every action still be trained."""
    names = {clip.group for clip in clips}
    every = {clip.action for clip in clips}
    return any({clip.action for clip in clips if clip.group != name} == every for name in names)


fractions = st.sampled_from([0.1, 0.2, 0.34, 0.5, 0.8])


@settings(max_examples=150, deadline=None)
@given(clip_lists(), fractions, st.sampled_from([0.0, 0.1, 0.2]), st.integers(0, 5), st.randoms())
def test_any_data_set_is_split_without_leak(
    clips: list[Clip], validation: float, test: float, seed: int, shuffler: random.Random
) -> None:
    assume(len(groups_of(tuple(clips))) >= 2)
    if not splittable(clips):
        with pytest.raises(DatasetError):
            split(clips, validation_fraction=validation, test_fraction=test, seed=seed)
        return
    parts = split(clips, validation_fraction=validation, test_fraction=test, seed=seed)
    check_parts(clips, parts)
    assert actions_of(parts.train) == actions_of(tuple(clips))
    assert parts.validation
    assert test or not parts.test
    # No group of the training part could still bring an action to the validation part.
    missing = actions_of(tuple(clips)) - actions_of(parts.validation)
    for name in groups_of(parts.train):
        rest = tuple(c for c in parts.train if c.group != name)
        brought = {c.action for c in parts.train if c.group == name} & missing
        assert not brought or actions_of(rest) != actions_of(parts.train)
    assert all(any(action in note for note in parts.notes) for action in sorted(missing)[:3])

    shuffled = [Clip(Path("/elsewhere") / c.path.relative_to("/"), c.action, c.group) for c in clips]
    shuffler.shuffle(shuffled)
    again = split(shuffled, validation_fraction=validation, test_fraction=test, seed=seed)
    for name in ("train", "validation", "test"):
        assert [c.name for c in again.named(name)] == [c.name for c in parts.named(name)]
    assert again.notes == parts.notes


@settings(max_examples=100, deadline=None)
@given(clip_lists(fixed=("", "train", "validation", "test")), fractions, st.sampled_from([0.0, 0.2]))
def test_fixed_parts_are_kept_without_leak(clips: list[Clip], validation: float, test: float) -> None:
    try:
        parts = split(clips, validation_fraction=validation, test_fraction=test)
    except DatasetError:
        return
    check_parts(clips, parts)
    assert parts.train and parts.validation
    for part in ("validation", "test"):
        for name in groups_of(tuple(clips)):
            votes = Counter(c.split for c in clips if c.group == name and c.split)
            if votes and set(votes) == {part}:
                assert name in groups_of(parts.named(part))


@settings(max_examples=100, deadline=None)
@given(clip_lists(), st.integers(2, 9), st.integers(0, 3))
def test_each_group_validates_in_exactly_one_fold(clips: list[Clip], number: int, seed: int) -> None:
    names = groups_of(tuple(clips))
    assume(number <= len(names))
    for wanted in (number, None):
        made = folds(clips, folds=wanted, seed=seed)
        assert len(made) == (wanted or len(names))
        for parts in made:
            check_parts(clips, parts)
            assert parts.train and parts.validation and not parts.test
        assert Counter(c for parts in made for c in parts.validation) == Counter(clips)
        assert made == folds(clips[::-1], folds=wanted, seed=seed)


def test_balanced_people_are_split_as_asked() -> None:
    parts = split(people(10), validation_fraction=0.2, test_fraction=0.2)
    assert [len(groups_of(parts.named(name))) for name in ("train", "validation", "test")] == [6, 2, 2]
    assert parts.notes == ()


def test_ungrouped_clips_are_stratified() -> None:
    numbers = {"a": 40, "b": 10, "c": 5}
    clips = [clip(i, action, f"{action}{i}") for action, number in numbers.items() for i in range(number)]
    parts = split(clips, validation_fraction=0.2)
    assert Counter(c.action for c in parts.validation) == {"a": 8, "b": 2, "c": 1}


def test_the_seed_chooses_other_people() -> None:
    parts = [split(people(10), validation_fraction=0.2, seed=seed) for seed in range(8)]
    assert len({frozenset(groups_of(one.validation)) for one in parts}) > 3


def test_an_action_of_one_group_trains_and_says_so() -> None:
    parts = split([*people(4), clip(99, "solo", "p1")], validation_fraction=0.25)
    assert "p1" in groups_of(parts.train)
    assert parts.notes == ("No validation clip of solo: all its clips are of one group.",)


@pytest.mark.parametrize("clips", [[], people(1), [clip(1, "a", "x"), clip(2, "b", "x")]])
def test_one_group_cannot_be_validated(clips: list[Clip]) -> None:
    with pytest.raises(DatasetError, match="at least two groups"):
        split(clips, validation_fraction=0.2)


def test_two_groups_without_a_common_action_cannot_be_validated() -> None:
    with pytest.raises(DatasetError, match="to validate on"):
        split([clip(1, "a", "x"), clip(2, "b", "y")], validation_fraction=0.2)


def test_named_groups_are_exactly_the_validation_part() -> None:
    parts = split(people(6), validation_fraction=0.9, validation_groups=["p2", "p4"])
    assert groups_of(parts.validation) == {"p2", "p4"}
    assert groups_of(parts.train) == {"p0", "p1", "p3", "p5"}
    both = split(people(6), validation_fraction=0.1, test_fraction=0.25, validation_groups=["p2"])
    assert groups_of(both.validation) == {"p2"} and len(groups_of(both.test)) == 1


def test_named_groups_win_over_fixed_parts() -> None:
    clips = [clip(i, "a", f"p{i}", part) for i, part in enumerate(["train", "train", "validation", "test"])]
    parts = split(clips, validation_fraction=0.2, validation_groups=["p0"])
    assert groups_of(parts.validation) == {"p0"} and groups_of(parts.train) == {"p1", "p2"}
    assert groups_of(parts.test) == {"p3"}


def test_an_unknown_validation_group_is_named() -> None:
    with pytest.raises(DatasetError, match=r"no group 'nobody'.* and 3 more\."):
        split(people(6), validation_fraction=0.2, validation_groups=["p1", "nobody"])


def test_all_groups_validating_leaves_nothing_to_train() -> None:
    with pytest.raises(DatasetError, match="to train on"):
        split(people(2), validation_fraction=0.2, validation_groups=["p0", "p1"])


def test_validation_is_carved_out_of_a_fixed_training_part() -> None:
    clips = [clip(i, action, f"g{i % 10}", "test" if i % 10 < 3 else "train") for action in "ab" for i in range(40)]
    parts = split(clips, validation_fraction=0.3, test_fraction=0.5)
    assert groups_of(parts.test) == {"g0", "g1", "g2"}
    assert len(groups_of(parts.validation)) == 2


def test_a_fixed_validation_part_is_not_enlarged() -> None:
    clips = [clip(i, "a", f"p{i}", "validation" if i == 0 else ("train" if i < 4 else "")) for i in range(9)]
    parts = split(clips, validation_fraction=0.5)
    assert groups_of(parts.validation) == {"p0"} and len(parts.train) == 8


def test_a_torn_group_goes_where_most_of_it_is() -> None:
    torn = [clip(i, "a", "torn", "test" if i < 3 else "train") for i in range(4)]
    parts = split([*people(5), *torn], validation_fraction=0.2)
    assert {c.group for c in parts.test} == {"torn"} and len(parts.test) == 4
    assert any("torn to test" in note for note in parts.notes)


def test_a_validation_part_far_from_the_asked_share_is_noted() -> None:
    parts = split(people(2), validation_fraction=0.1)
    assert any("50% of the clips instead of 10%" in note for note in parts.notes)


@pytest.mark.parametrize("number", [0, 1, 7])
def test_folds_need_a_group_each(number: int) -> None:
    with pytest.raises(DatasetError, match="a group for each"):
        folds(people(6), folds=number)


def test_a_fold_without_training_clips_of_an_action_says_so() -> None:
    made = folds([*people(3), clip(99, "solo", "p1")], folds=None)
    assert [parts.notes for parts in made] == [(), ("Fold 2 has no training clip of solo.",), ()]


def test_groups_fixed_to_train_stay_while_others_can_validate() -> None:
    clips = [clip(i, action, f"p{i}", "train" if i < 3 else "") for action in "ab" for i in range(8)]
    for seed in range(8):
        parts = split(clips, validation_fraction=0.4, seed=seed)
        assert {"p0", "p1", "p2"} <= groups_of(parts.train) and len(groups_of(parts.validation)) == 2
        assert parts.notes == ()


def test_groups_fixed_to_train_validate_where_nobody_else_can() -> None:
    clips = [clip(i, "a", f"p{i}", "train") for i in range(4)] + [clip(9, "solo", "p9")]
    assert split(clips, validation_fraction=0.25).validation
