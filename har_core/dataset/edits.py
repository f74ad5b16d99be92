"""What was decided about clips without touching them: edits, the versions they make up, and what follows of them.

Everything here is arithmetic on names; `history` keeps it on the disk.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TypedDict

from har_core.dataset.layouts import Entry, said, some
from har_core.errors import DatasetError

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Edit:
    """What was decided about one clip; None leaves it as the folder says.

    `split` is "train", "validation", "test", or "" for: dealt out by chance. An `excluded` clip is out of the data
    set; an `ambiguous` one stays in sight, but nothing is trained or judged on it.
    """

    action: str | None = None
    group: str | None = None
    split: str | None = None
    excluded: bool = False
    ambiguous: bool = False

    def __post_init__(self) -> None:
        for name in ("action", "group"):
            text = getattr(self, name)
            if text is not None and (type(text) is not str or not text.strip() or said(text) != text):
                raise DatasetError(f"The {name} of a clip must be a text of one line, but got {text!r}.")
        if self.split is not None and self.split not in ("", *PARTS):
            raise DatasetError(f"The part of a clip must be {', '.join(PARTS)} or empty, but got {self.split!r}.")
        for name in ("excluded", "ambiguous"):
            if type(getattr(self, name)) is not bool:
                raise DatasetError(f"A clip is {name} or not: true or false, but got {getattr(self, name)!r}.")


NO_EDIT = Edit()
FIELDS = tuple(entry.name for entry in fields(Edit))


class Changes(TypedDict, total=False):
    """What an edit changes of a clip; fields left out stay, None is again as the folder says."""

    action: str | None
    group: str | None
    split: str | None
    excluded: bool
    ambiguous: bool


@dataclass(frozen=True, slots=True)
class Version:
    """All edits of a data set at one time. Number 0 is the folder as it is, which is never stored.

    `parent` is the version that undoing this one leads to, `at` when it was made, in seconds since 1970, and `what`
    says in words what changed. `edits` are by path relative to the root; those of clips that are not there count for
    nothing and are kept for when they come back. `actions` renames: what the folder says -> what it is called.
    """

    number: int = 0
    parent: int = 0
    at: float = 0.0
    what: str = "As the folder is"
    edits: dict[str, Edit] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)

    def same(self, other: "Version") -> bool:
        """Whether both say the same of every clip."""
        return (self.edits, self.actions) == (other.edits, other.actions)


def merged(edits: Mapping[str, Edit], changes: Mapping[str, Changes]) -> dict[str, Edit]:
    """The edits with fields changed by path; those that say nothing any more are left out.

    Raises:
        DatasetError: a field is unknown or its value not allowed.
    """
    found = dict(edits)
    for relative, changed in changes.items():
        if unknown := sorted(set(changed) - set(FIELDS)):
            raise DatasetError(f"An edit has no field {unknown[0]!r}. It has: {', '.join(FIELDS)}.")
        found[relative] = Edit(**(asdict(found.get(relative, NO_EDIT)) | dict(changed)))
    return {relative: edit for relative, edit in found.items() if edit != NO_EDIT}


def applied(entries: Sequence[Entry], version: Version) -> list[Entry]:
    """The entries as the version calls them: actions, groups and parts, clip by clip."""
    if not version.edits and not version.actions:
        return list(entries)
    found = []
    for entry in entries:
        edit = version.edits.get(entry.relative, NO_EDIT)
        action = edit.action or version.actions.get(entry.action, entry.action)
        split = entry.split if edit.split is None else edit.split
        found.append(replace(entry, action=action, group=edit.group or entry.group, split=split))
    return found


def kept_together(
    entries: Sequence[Entry], official: Mapping[str, str], version: Version
) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries, each with its group, so that no edit tears a group; and what to say of it.

    `versions` makes no version that tears one. But clips come, go, and look like others that came: then a group
    goes where most of its edits say, and where the data set itself puts one of its clips into the validation or
    test part, edits of its part count for nothing.

    Args:
        entries: with groups, the edits applied.
        official: the part of each clip by the data set itself, by path.
    """
    edited = {relative: edit.split for relative, edit in version.edits.items() if edit.split is not None}
    votes: dict[str, Counter[str]] = {}
    for entry in entries:
        if entry.relative in edited:
            votes.setdefault(entry.group, Counter())[edited[entry.relative]] += 1
    if not votes:
        return list(entries), ()
    held: dict[str, Counter[str]] = {}
    for entry in entries:
        if entry.group in votes and (part := official.get(entry.relative, "")) in ("validation", "test"):
            held.setdefault(entry.group, Counter())[part] += 1
    torn = set()
    found = []
    for entry in entries:
        if entry.group in votes:
            part = _most(held.get(entry.group) or votes[entry.group])
            if entry.group in held:
                part = official.get(entry.relative) or part
            if part != entry.split:
                torn.add(entry.group)
            found.append(replace(entry, split=part))
        else:
            found.append(entry)
    notes = [f"Some clips of a group were put into a part, and the whole group went along: {some(sorted(torn))}."]
    return found, tuple(notes if torn else ())


def _most(votes: Counter[str]) -> str:
    """What got the most votes; of equals the first by name, so that the order of the clips does not matter."""
    return min(votes, key=lambda part: (-votes[part], part))


def keep_whole(
    groups: Mapping[str, str],
    official: Mapping[str, str],
    edits: Mapping[str, Edit],
    changes: Mapping[str, Changes],
) -> dict[str, Edit]:
    """The edits, with one part for each group that the changes touch.

    Args:
        groups: of each clip by path, after the changes.
        official: the part that the data set itself gives each clip, "" where it gives none.
        edits: with the changes in them.

    Raises:
        DatasetError: a group cannot lie in the part chosen, or the data set itself puts its clips into several.
    """
    members: dict[str, list[str]] = {}
    for relative, group in groups.items():
        members.setdefault(group, []).append(relative)
    touched = {
        groups[r] for r, changed in changes.items() if r in groups and ("split" in changed or "group" in changed)
    }
    found = dict(edits)
    for group in sorted(touched):
        part = _part(group, members[group], official, found, changes)
        for relative in members[group]:
            edit = replace(found.pop(relative, NO_EDIT), split=part)
            if edit != NO_EDIT:
                found[relative] = edit
    return found


def _part(
    group: str,
    members: Sequence[str],
    official: Mapping[str, str],
    edits: Mapping[str, Edit],
    changes: Mapping[str, Changes],
) -> str | None:
    """The part of a group by the edits, None where they leave it to the data set."""
    chosen = {changes[r]["split"] for r in members if "split" in changes.get(r, {})}
    if len(chosen) > 1:
        parts = " and ".join(sorted(part or "as dealt" for part in chosen))
        raise DatasetError(
            f"All clips of one group must lie in one part, or scores are too good, but those of {group} were put into "
            f"{parts}. Choose one, or give the clips other groups first."
        )
    fixed = {official.get(r, "") for r in members}
    if len(fixed & set(PARTS)) > 1 and any("group" in changes.get(r, {}) for r in members):
        raise DatasetError(
            f"The data set itself puts clips of {group} into {' and '.join(sorted(fixed & set(PARTS)))}, and a group "
            "must not lie in several parts. Give these clips different groups."
        )
    if chosen:
        part = chosen.pop()
    else:
        # Who joins a group follows those that were there; strangers that make up a new one follow the most.
        before = [r for r in members if r not in changes] or members
        votes = Counter(edits.get(r, NO_EDIT).split for r in before)
        part = min(votes, key=lambda name: (-votes[name], name or ""))
    held = fixed & {"validation", "test"}
    if part is not None and (held - {part} or ("train" in fixed and part in ("", "test"))):
        own = " and ".join(sorted(fixed & set(PARTS)))
        raise DatasetError(
            f"The data set itself puts {group} into its {own} part, so it cannot be put into "
            f"{part or 'another by chance'}: scores on official parts could no longer stand beside others. "
            "Only training clips may become validation clips."
        )
    return part
