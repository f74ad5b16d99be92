"""Groups for the clips that have none: what `rooms` sees, as a finding that can be applied."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_core.dataset.versions import Changes
from har_core.doctor import rooms
from har_core.doctor.examined import Examined
from har_core.doctor.findings import Finding, Fix, counting
from har_core.images import read_jpeg

_SURE, _FAIRLY = 0.5, 0.35
"""Silhouettes from which on sets stand well, or fairly well, apart: 0.5 went with an adjusted Rand index of 0.99 on
clips of rooms, 0.4 with 0.8 on people before one wall."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A name for the group of each clip that has none, by its index, and how sure it is: a silhouette in [-1, 1]."""

    names: dict[int, str]
    sure: float

    @property
    def sets(self) -> dict[str, list[int]]:
        """The clips of each proposed group."""
        found: dict[str, list[int]] = {}
        for i, name in sorted(self.names.items()):
            found.setdefault(name, []).append(i)
        return dict(sorted(found.items()))


def propose(
    examined: Examined, embeddings: NDArray[np.float32], *, cancelled: Callable[[], bool] = lambda: False
) -> Proposal | None:
    """Groups for the clips of which nobody said who or where was filmed; None where none can be seen.

    Clips that are one group already, because they look like one recording, stay together.

    Args:
        embeddings: one for each clip, `(N, 1024)`: the mean over time, and how much it moves beside it; NaN where
            it is not known.
        cancelled: asked now and then.
    """
    half = embeddings.shape[1] // 2
    known = np.isfinite(embeddings.sum(axis=1))  # a sum with NaN in it is NaN
    groupless = [i for i in sorted(examined.guessed) if known[i] and examined.facts_of(i) is not None]
    frames, seen = [], []
    for i in groupless[: rooms.MOST_CLIPS]:
        facts = examined.facts_of(i)
        if cancelled() or facts is None:
            return None
        try:
            frames.append(rooms.frames_of(read_jpeg(facts.strip)))
        except OSError:  # its strip has gone: it stays a group of its own
            continue
        seen.append(i)
    if not seen:
        return None
    found = rooms.propose(
        np.stack(frames), embeddings[seen][:, :half], [examined.actions[i] for i in seen], cancelled=cancelled
    )
    if found is None:
        return None
    of = _kept_together(found.of, [examined.clips[i].group for i in seen])
    width = len(str(len(set(of))))
    taken = set(examined.named_groups)
    names: dict[int, str] = {}
    numbers: dict[int, str] = {}
    for i, room in zip(seen, of, strict=True):
        if room not in numbers:
            numbers[room] = _free_name(len(numbers) + 1, width, taken)
        names[i] = numbers[room]
    return Proposal(names, found.sure)


def _free_name(number: int, width: int, taken: set[str]) -> str:
    """ "room 07", or a later number where somebody has used that."""
    while (name := f"room {number:0{width}d}") in taken:
        number += 1
    taken.add(name)
    return name


def _kept_together(of: NDArray[np.intp], groups: list[str]) -> list[int]:
    """The sets, those that share a group joined."""
    sets: list[int] = of.tolist()
    first: dict[str, int] = {}
    for i, group in enumerate(groups):
        joined = first.setdefault(group, sets[i])
        if joined != sets[i]:
            gone = sets[i]
            sets = [joined if own == gone else own for own in sets]
            first = {name: joined if own == gone else own for name, own in first.items()}
    return sets


def findings(examined: Examined, proposal: Proposal | None) -> list[Finding]:
    """That groups are missing; with the proposal, if there is one, and all its sets to look at."""
    if not examined.guessed:
        return []
    of, total = len(examined.guessed), len(examined.clips)
    lacking = f"{of} of {total} clips do not say who or where was filmed"
    if of == total:
        lacking = "No clip says who or where was filmed"
    why = "Clips of one person must not lie on both sides of the split, or the score is too good. "
    if proposal is None:
        return [
            Finding(
                "groups", "warning", lacking,
                f"{why}Name the groups, in clips.csv or under Clips, or look deeper to have some proposed.",
                examined.of(sorted(examined.guessed)),
            )
        ]  # fmt: skip
    sets = proposal.sets
    sizes = [len(members) for members in sets.values()]
    sure = (
        "They stand well apart" if proposal.sure >= _SURE
        else "They stand fairly well apart" if proposal.sure >= _FAIRLY else "They hardly stand apart"
    )  # fmt: skip
    names = examined.of(sorted(proposal.names))
    edits = {examined.names[i]: Changes(group=name) for i, name in proposal.names.items()}
    figures = [("groups", str(len(sets))), ("clips in each", f"{min(sizes)} to {max(sizes)}")]
    figures.append(("how far apart", f"{proposal.sure:.2f}, of at most 1"))
    if of > len(names):
        figures.append(("without a proposal", counting(of - len(names), "clip")))
    return [
        Finding(
            "groups", "warning", f"{lacking}; they seem to be of {len(sets)} people or places",
            f"{why}These sets were found by clothes, background and light, never by file names. {sure}. Look through "
            "them before you use them: one person in two sets still leaks, two in one set do little harm.",
            names, tuple(figures), tuple((name, examined.of(members)) for name, members in sets.items()),
            Fix(f"Use these {len(sets)} groups", f"Grouped {counting(len(names), 'clip')} by look", edits),
        )
    ]  # fmt: skip
