"""Clips that are there twice: the same file, or the same recording as far as a look can tell."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_core.dataset import groups as grouping
from har_core.dataset.layouts import some
from har_core.dataset.versions import Changes
from har_core.doctor.examined import Examined
from har_core.doctor.findings import Finding, Fix, counting
from har_core.images import read_jpeg, resize

_PIECE = 1 << 16
_PICTURE_WH = (240, 32)
"""Contact strips are compared at this size: five frames of 48 x 32."""
_FIELD = 8
_MOST_ALIKE = 1500
"""Of clips whose hashes are alike so many are compared closely: more is a camera that stands before one wall."""
_ALIKE, _ALIKE_FIELD = 8.0, 24.0
"""Mean difference in grey levels up to which two strips may be one recording: of all, and of any 8 x 8 px field."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Sets of clips by index, each rising and of two or more: the same bytes; and alike, those of the same bytes too.

    A set of `alike` holds at least two different files.
    """

    same: tuple[tuple[int, ...], ...]
    alike: tuple[tuple[int, ...], ...]


def find(examined: Examined) -> Copies:
    """The clips that are there twice. Reads files of one size, and the contact strips of clips that look alike."""
    paths = [clip.path for clip in examined.clips]
    first: dict[str, int] = {}
    copy_of = list(range(len(paths)))
    for i, digest in _digests(paths):
        copy_of[i] = first.setdefault(digest, i)
    members: dict[int, list[int]] = {}
    for i, head in enumerate(copy_of):
        members.setdefault(head, []).append(i)
    alike = tuple(
        tuple(sorted(i for head in heads for i in members[head])) for heads in _alike(examined, list(members))
    )
    return Copies(tuple(tuple(each) for each in members.values() if len(each) > 1), alike)


def _digests(paths: Sequence[Path]) -> Iterable[tuple[int, str]]:
    """Of the files that share their size with another: what their bytes hash to. Links to one file are read once."""
    by_size: dict[int, list[int]] = {}
    nodes: dict[int, tuple[int, int]] = {}
    for i, path in enumerate(paths):
        try:
            status = path.stat()
        except OSError:
            continue
        by_size.setdefault(status.st_size, []).append(i)
        nodes[i] = (status.st_dev, status.st_ino)
    for among in by_size.values():
        if len(among) < 2:
            continue
        read: dict[tuple[int, int], str] = {}
        ends: dict[str, list[int]] = {}
        for i in among:
            try:
                if nodes[i] not in read:
                    read[nodes[i]] = _ends(paths[i])
            except OSError:
                continue
            ends.setdefault(read[nodes[i]], []).append(i)
        for twins in ends.values():
            yield from _whole(paths, nodes, twins)


def _whole(paths: Sequence[Path], nodes: dict[int, tuple[int, int]], twins: list[int]) -> Iterable[tuple[int, str]]:
    """Files whose beginnings and ends are the same, read from end to end."""
    if len(twins) < 2:
        return
    if len({nodes[i] for i in twins}) == 1:
        yield from ((i, f"node {nodes[i]}") for i in twins)
        return
    read: dict[tuple[int, int], str] = {}
    for i in twins:
        try:
            if nodes[i] not in read:
                read[nodes[i]] = grouping.digest(paths[i])
        except OSError:
            continue
        yield i, read[nodes[i]]


def _ends(path: Path) -> str:
    """A hash of the first and last 64 KiB: most files of one size differ there, and need not be read whole."""
    with path.open("rb") as file:
        found = hashlib.sha256(file.read(_PIECE))
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _PIECE))
        found.update(file.read(_PIECE))
    return found.hexdigest()


def _alike(examined: Examined, heads: Sequence[int]) -> list[list[int]]:
    """Sets of different files that look like one recording: by their hashes, and then by their contact strips.

    Hashes alone take two people before one wall for the same recording.
    """
    # Clips with the very same looks and length are one to compare: by the thousand they would make millions of pairs.
    same: dict[tuple[tuple[int, ...], float], list[int]] = {}
    for i in heads:
        if (facts := examined.facts_of(i)) is not None and facts.looks:
            same.setdefault((facts.looks, round(examined.properties[i].seconds, 3)), []).append(i)
    keys, members = list(same), list(same.values())
    joined = grouping.near_duplicates([looks for looks, _ in keys], [length for _, length in keys], [""] * len(keys))
    alone = set(range(len(keys))) - {at for each in joined for at in each}
    candidates = [sorted(i for at in each for i in members[at]) for each in joined]
    candidates += [members[at] for at in sorted(alone) if len(members[at]) > 1]
    found = []
    for candidate in candidates:
        strips = [(i, strip) for i in candidate[:_MOST_ALIKE] if (strip := _strip(examined, i)) is not None]
        found += _joined(strips)
    return found


def _strip(examined: Examined, index: int) -> NDArray[np.float32] | None:
    """The clip's contact strip, small and without colour: float32 `(32, 240)`; None where it has gone."""
    facts = examined.facts_of(index)
    try:
        rgb = resize(read_jpeg(facts.strip), _PICTURE_WH) if facts else None
    except OSError:
        rgb = None
    return None if rgb is None else np.asarray(rgb.astype(np.float32).mean(axis=2))


def _joined(strips: Sequence[tuple[int, NDArray[np.float32]]]) -> list[list[int]]:
    """The sets of strips that show the same; each strip is compared with the first of each set."""
    sets: list[list[int]] = []
    firsts: list[NDArray[np.float32]] = []
    coarse = np.empty((len(strips), _PICTURE_WH[0] * _PICTURE_WH[1] // _FIELD**2), np.float32)
    for i, strip in strips:
        fields = _fields(strip)
        # The means of fields cannot differ by more than their pixels do on average: most are told apart by them.
        near = np.flatnonzero(np.abs(coarse[: len(sets)] - fields).max(axis=1, initial=0) <= _ALIKE_FIELD)
        for at in near:
            difference = np.abs(strip - firsts[at])
            if difference.mean() <= _ALIKE and _fields(difference).max() <= _ALIKE_FIELD:
                sets[at].append(i)
                break
        else:
            coarse[len(sets)] = fields
            sets.append([i])
            firsts.append(strip)
    return [members for members in sets if len(members) > 1]


def _fields(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each field of 8 x 8 px, float32 `(120,)`."""
    rows = picture.reshape(_PICTURE_WH[1] // _FIELD, _FIELD, -1, _FIELD)
    return np.asarray(rows.mean(axis=(1, 3)).ravel(), dtype=np.float32)


def findings(examined: Examined, copies: Copies) -> list[Finding]:
    """Copies under several actions, copies that leak, and copies that only count double."""
    found: list[Finding] = []
    for exact, sets in ((True, copies.same), (False, copies.alike)):
        torn = [each for each in sets if len({examined.actions[i] for i in each}) > 1]
        rest = [each for each in sets if each not in torn]
        found += _under_two_actions(examined, torn, exact=exact)
        official = [each for each in rest if len({p for i in each if (p := examined.clips[i].split)}) > 1]
        leaking = [each for each in rest if each not in official and len({examined.clips[i].group for i in each}) > 1]
        found += _in_two_parts(examined, official, exact=exact)
        found += _in_two_groups(examined, leaking, exact=exact)
        if exact:
            found += _counted_twice(examined, [each for each in rest if each not in official + leaking])
    return found


def _named(examined: Examined, sets: Sequence[Sequence[int]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((f"set {number}", examined.of(each)) for number, each in enumerate(sets, 1))


def _all(sets: Sequence[Sequence[int]]) -> list[int]:
    return [i for each in sets for i in each]


def _under_two_actions(examined: Examined, sets: Sequence[tuple[int, ...]], *, exact: bool) -> list[Finding]:
    if not sets:
        return []
    names = examined.of(_all(sets))
    what = "are the same file" if exact else "look like the same recording"
    pairs = {" and ".join(sorted({examined.actions[i] for i in each})) for each in sets}
    many = counting(len(names), "clip")
    return [
        Finding(
            "labels of copies" if exact else "labels of look-alikes", "problem",
            f"{many} {what} but have different actions",
            "One of the labels is wrong, or the clip shows both. Whatever a model answers, it is wrong half the time. "
            "Look at them and give them their right action.",
            names, (("actions", some(sorted(pairs))),), _named(examined, sets),
            Fix(f"Set {many} aside until it is decided", f"Set aside {many} with two actions",
                dict.fromkeys(names, Changes(ambiguous=True))),
        )
    ]  # fmt: skip


def _in_two_parts(examined: Examined, sets: Sequence[tuple[int, ...]], *, exact: bool) -> list[Finding]:
    if not sets:
        return []
    names = examined.of(_all(sets))
    # The test clips stay, so that scores can be compared with those of others.
    order = ("test", "validation", "train", "")
    spare = []
    for each in sets:
        kept = min({examined.clips[i].split for i in each}, key=order.index)
        spare += [i for i in each if examined.clips[i].split != kept]
    out = examined.of(spare)
    many = counting(len(out), "copy")
    return [
        Finding(
            "copies over parts" if exact else "look-alikes over parts", "problem",
            f"{counting(len(names), 'clip')} {'are the same file' if exact else 'look alike'} in two parts",
            "A model has seen in training what it is tested on, so its scores are too good. "
            "The copies outside the test part can be left out.",
            names, (), _named(examined, sets),
            Fix(f"Leave {many} out", f"Left out {many} of clips of another part",
                dict.fromkeys(out, Changes(excluded=True))),
        )
    ]  # fmt: skip


def _in_two_groups(examined: Examined, sets: Sequence[tuple[int, ...]], *, exact: bool) -> list[Finding]:
    if not sets:
        return []
    names = examined.of(_all(sets))
    title = f"{counting(len(names), 'clip')} {'are the same file' if exact else 'look like the same recording'}"
    return [
        Finding(
            "copies over groups" if exact else "look-alikes over groups", "problem", f"{title} in different groups",
            "Groups decide which clips validate. With a copy in training, validation asks for what is known by heart, "
            "and the score is too good.",
            names, (), _named(examined, sets),
            _without_copies(examined, sets) if exact else _one_group_each(examined, sets),
        )
    ]  # fmt: skip


def _without_copies(examined: Examined, sets: Sequence[tuple[int, ...]]) -> Fix:
    out = examined.of([i for each in sets for i in each[1:]])
    many = counting(len(out), "copy")
    edits = dict.fromkeys(out, Changes(excluded=True))
    return Fix(f"Leave {many} out", f"Left out {many} of other clips", edits)


def _one_group_each(examined: Examined, sets: Sequence[tuple[int, ...]]) -> Fix:
    edits: dict[str, Changes] = {}
    for each in sets:
        # A name that somebody gave, rather than one made of a path.
        kept = examined.clips[min(each, key=lambda i: (i in examined.guessed, i))].group
        edits |= {examined.names[i]: Changes(group=kept) for i in each if examined.clips[i].group != kept}
    many = counting(len(_all(sets)), "clip")
    return Fix("Give each set one group", f"Gave copies among {many} one group", edits)


def _counted_twice(examined: Examined, sets: Sequence[tuple[int, ...]]) -> list[Finding]:
    if not sets:
        return []
    copies = sum(len(each) - 1 for each in sets)
    return [
        Finding(
            "copies", "warning", f"{counting(copies, 'copy')} of other clips",
            "The same file under several names counts double: training and scores lean towards it.",
            examined.of(_all(sets)), (), _named(examined, sets), _without_copies(examined, sets),
        )
    ]  # fmt: skip
