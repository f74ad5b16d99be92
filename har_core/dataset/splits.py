"""Train, validation and test parts of a data set. No group is in two of them, whatever it costs.

Groups are dealt out one after another, the largest first, to the part that lacks most of their
actions; then single groups are moved so that every action can be trained and, where it can, validated.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_core.dataset.layouts import some
from har_core.errors import DatasetError
from har_core.values import Clip, Split

Counts = NDArray[np.int64]
_PARTS = ("train", "validation", "test")
_TRAIN, _VALIDATION, _TEST = range(3)


@dataclass(frozen=True, slots=True)
class _Groups:
    """The groups in the order in which they are dealt out, and how many clips of each action they hold."""

    names: tuple[str, ...]
    actions: tuple[str, ...]
    counts: Counts
    """int64 `(groups, actions)`."""
    clips: tuple[Clip, ...]

    def clips_of(self, which: Mapping[str, int], part: int) -> tuple[Clip, ...]:
        """The clips of the groups that lie in `part`, in an order that does not depend on the caller's."""
        return tuple(clip for clip in self.clips if which[clip.group] == part)


def split(
    clips: Sequence[Clip],
    *,
    validation_fraction: float,
    test_fraction: float = 0.0,
    seed: int = 0,
    validation_groups: Sequence[str] = (),
) -> Split:
    """The clips in parts that no group straddles, the actions spread as evenly as the groups allow.

    The same clips, in any order and under any folder, with the same seed give the same parts. A part
    that the data set fixes (`Clip.split`) stays as it is and its fraction is not used; the other parts
    are dealt out of the rest, and out of what is fixed to train where there is no rest. Every action
    keeps clips to train on, unless the fixed parts or `validation_groups` take them all, which
    `Split.notes` says.

    Args:
        validation_fraction: 0 to 1, share of the clips that are not fixed to a part.
        test_fraction: likewise; 0 deals out no test part.
        validation_groups: exactly these groups validate, instead of a fraction.

    Raises:
        DatasetError: fewer than two groups, an unknown group, or no way to train and validate both.
    """
    groups = _groups(clips, seed)
    if len(groups.names) < 2:
        raise DatasetError(
            f"Validation needs clips of at least two groups, but there {_are(len(groups.names))}. Name who or where "
            "each clip was filmed in the column group of a clips.csv, or as _g01_ in the file names."
        )
    if unknown := sorted(set(validation_groups) - set(groups.names)):
        raise DatasetError(f"There is no group {unknown[0]!r} to validate on. The groups are {some(groups.names)}.")
    fixed, notes = _fixed(groups)
    if validation_groups:
        fixed = {name: part for name, part in fixed.items() if part != _VALIDATION}
        # Naming them means that all others train: only a test part may still be dealt out.
        fixed |= dict.fromkeys(validation_groups, _VALIDATION)
    # Who fixes groups to training wants them there, as long as others are left to validate with.
    free = [name for name in groups.names if name not in fixed]
    which = _deal(groups, fixed, validation_fraction, test_fraction, giving=not free)
    if free and _VALIDATION not in which.values():
        which = _deal(groups, fixed, validation_fraction, test_fraction, giving=True)
    for part, purpose in ((_TRAIN, "train"), (_VALIDATION, "validate")):
        if part not in which.values():
            raise DatasetError(
                f"No group is left to {purpose} on: the others are fixed to a part, chosen, or hold the only clips "
                "of an action. Add clips of another group to each action, or choose other validation groups."
            )
    parts = [groups.clips_of(which, part) for part in range(3)]
    notes += [*_missing(groups, which), *_off(groups, fixed, parts[_VALIDATION], validation_fraction)]
    return Split(parts[_TRAIN], parts[_VALIDATION], parts[_TEST], tuple(notes))


def folds(clips: Sequence[Clip], *, folds: int | None, seed: int = 0) -> list[Split]:
    """Splits for cross-validation: each group validates in exactly one of them. `Clip.split` plays no part.

    Args:
        folds: how many; None leaves out one group after another, in the order of their names.

    Raises:
        DatasetError: fewer than two groups, or not 2 <= folds <= groups.
    """
    groups = _groups(clips, seed)
    number = len(groups.names) if folds is None else folds
    if not 2 <= number <= len(groups.names):
        raise DatasetError(
            f"Cross-validation needs 2 folds or more and a group for each, but got {number} folds "
            f"and there {_are(len(groups.names))}."
        )
    if folds is None:
        fold_of = {name: fold for fold, name in enumerate(sorted(groups.names))}
    else:
        wanted = np.tile(groups.counts.sum(axis=0) / number, (number, 1))
        fold_of = _greedy(groups, wanted, {})
    splits = []
    for fold in range(number):
        which = {name: _VALIDATION if own == fold else _TRAIN for name, own in fold_of.items()}
        train, validation = groups.clips_of(which, _TRAIN), groups.clips_of(which, _VALIDATION)
        lost = sorted({clip.action for clip in validation} - {clip.action for clip in train})
        notes = (f"Fold {fold + 1} has no training clip of {some(lost)}.",) if lost else ()
        splits.append(Split(train, validation, (), notes))
    return splits


def _are(number: int) -> str:
    return "is 1 group" if number == 1 else f"are {number} groups"


def _groups(clips: Sequence[Clip], seed: int) -> _Groups:
    """The groups, the largest first; equal ones in an order that the seed shuffles."""
    ordered = sorted(clips, key=lambda clip: (clip.action, clip.group, clip.name, str(clip.path)))
    sizes = Counter(clip.group for clip in ordered)

    def rank(name: str) -> tuple[int, bytes]:
        return -sizes[name], hashlib.sha256(f"{seed}\0{name}".encode()).digest()

    names = tuple(sorted(sizes, key=rank))
    actions = tuple(sorted({clip.action for clip in ordered}))
    row, column = {name: i for i, name in enumerate(names)}, {action: i for i, action in enumerate(actions)}
    counts = np.zeros((len(names), len(actions)), np.int64)
    for clip in ordered:
        counts[row[clip.group], column[clip.action]] += 1
    return _Groups(names, actions, counts, tuple(ordered))


def _fixed(groups: _Groups) -> tuple[dict[str, int], list[str]]:
    """The part of each group that the data set fixes; a group fixed to several goes where most of it is."""
    votes: dict[str, Counter[str]] = {}
    for clip in groups.clips:
        if clip.split in _PARTS:
            votes.setdefault(clip.group, Counter())[clip.split] += 1
    # max takes the first of equals: train, which claims least.
    fixed = {name: _PARTS.index(max(_PARTS, key=lambda part: votes[name][part])) for name in votes}
    notes = []
    if torn := [name for name in sorted(votes) if len(votes[name]) > 1]:
        where = ", ".join(f"{name} to {_PARTS[fixed[name]]}" for name in torn[:3])
        more = f" and {len(torn) - 3} more" if len(torn) > 3 else ""
        notes.append(f"The data set puts groups in two parts; each went whole to where most of it is: {where}{more}.")
    return fixed, notes


def _deal(groups: _Groups, fixed: Mapping[str, int], validation: float, test: float, *, giving: bool) -> dict[str, int]:
    """The part of every group; those fixed to train may be `giving` up the parts that the data set does not fix."""
    taken = set(fixed.values())
    deal_validation = 0 if _VALIDATION in taken else validation
    deal_test = 0 if _TEST in taken else test
    giving = giving and bool(deal_validation or deal_test)
    held = {name: part for name, part in fixed.items() if part != _TRAIN or not giving}
    free = np.array([name not in held for name in groups.names])
    total = groups.counts[free].sum(axis=0)
    shares = np.array([1 - deal_validation - deal_test, deal_validation, deal_test])
    trained = groups.counts[[held.get(name) == _TRAIN for name in groups.names]].sum(axis=0)
    # An action whose clips are all of one group can only be trained.
    only = ((groups.counts[free] > 0).sum(axis=0) == 1) & (trained == 0)
    settled = {
        name: _TRAIN
        for i, name in enumerate(groups.names)
        if free[i] and (only & (groups.counts[i] > 0)).any()
    }  # fmt: skip
    wanted = shares[:, None] * total
    wanted[_TRAIN] += trained  # else what is held there would count as dealt out already
    which = _greedy(groups, wanted, {**held, **settled}, weight=1 / np.maximum(total, 1))
    movable = {name for name in groups.names if name not in held}
    _repair(groups, which, movable, _TRAIN, giving=(_VALIDATION, _TEST))
    if deal_validation:
        _repair(groups, which, movable, _VALIDATION, giving=(_TRAIN, _TEST))
    if deal_test:
        _repair(groups, which, movable, _TEST, giving=(_TRAIN,))
    return which


def _greedy(
    groups: _Groups, wanted: NDArray[np.float64], held: Mapping[str, int], *, weight: NDArray[np.float64] | None = None
) -> dict[str, int]:
    """Each group to the part that still lacks most of what it holds: `wanted` is float `(parts, actions)`."""
    weight = 1 / np.maximum(groups.counts.sum(axis=0), 1) if weight is None else weight
    lacking = wanted.astype(np.float64).copy()
    row = {name: i for i, name in enumerate(groups.names)}
    dealt = wanted.sum(axis=1) > 0
    for name, part in held.items():
        lacking[part] -= groups.counts[row[name]]
    which = dict(held)
    for name in groups.names:
        if name in held:
            continue
        counts = groups.counts[row[name]]
        need = np.where(dealt, lacking @ (counts * weight), -np.inf)
        # Equal needs to the part that lacks most clips in all: rounding keeps float dust from deciding.
        part = int(np.lexsort((-lacking.sum(axis=1).round(6), -need.round(6)))[0])
        lacking[part] -= counts
        which[name] = part
    return which


def _repair(groups: _Groups, which: dict[str, int], movable: set[str], part: int, *, giving: Sequence[int]) -> None:
    """Moves groups into `part` until it holds every action that the parts in `giving` can spare."""
    while True:
        held = {p: groups.counts[[which[name] == p for name in groups.names]].sum(axis=0) for p in range(3)}
        best: tuple[int, bool, int, int] | None = None
        for i, name in enumerate(groups.names):
            counts = groups.counts[i]
            gain = int(((held[part] == 0) & (counts > 0)).sum())
            spare = which[name] != _TRAIN or not ((held[_TRAIN] > 0) & (held[_TRAIN] == counts)).any()
            if name in movable and which[name] in giving and gain and spare:
                # The most missing actions, rather from training, for the fewest clips, the first of equals.
                found = (-gain, which[name] != _TRAIN, int(counts.sum()), i)
                best = found if best is None else min(best, found)
        if best is None:
            return
        which[groups.names[best[3]]] = part


def _missing(groups: _Groups, which: Mapping[str, int]) -> list[str]:
    """Notes on the actions that a part lacks."""
    notes = []
    for part in range(3):
        inside = groups.counts[[which[name] == part for name in groups.names]].sum(axis=0)
        if not inside.any():
            continue
        lacking = [action for action, number in zip(groups.actions, inside, strict=True) if number == 0]
        of_one = [a for a in lacking if (groups.counts[:, groups.actions.index(a)] > 0).sum() == 1]
        name = "training" if part == _TRAIN else _PARTS[part]
        if of_one:
            notes.append(f"No {name} clip of {some(of_one)}: all its clips are of one group.")
        if others := [action for action in lacking if action not in of_one]:
            notes.append(f"No {name} clip of {some(others)}: the groups do not allow it.")
    return notes


def _off(groups: _Groups, fixed: Mapping[str, int], validation: Sequence[Clip], fraction: float) -> list[str]:
    """A note if large groups made the validation part far from what was asked for."""
    if _VALIDATION in fixed.values():
        return []
    own = {clip.group for clip in validation}
    dealt = all(fixed.get(name) is None for name in own)  # out of the clips that nothing fixes, or out of all
    free = sum(fixed.get(clip.group) in ((None,) if dealt else (None, _TRAIN)) for clip in groups.clips)
    share = len(validation) / max(free, 1)
    if abs(share - fraction) <= 0.1:
        return []
    return [f"Validation holds {share:.0%} of the clips instead of {fraction:.0%}: groups are not taken apart."]
