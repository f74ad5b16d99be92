"""What was decided about clips without touching them: edits, the versions they make up, and what follows of them.

Everything here is arithmetic on names; `history` keeps it on the disk.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

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


def merged(edits: Mapping[str, Edit], changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Edit]:
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
    held = {e.group for e in entries if e.group in votes and official.get(e.relative) in ("validation", "test")}
    torn = set()
    found = []
    for entry in entries:
        if entry.group in votes:
            # The most votes; of equals the first by name, so that the order of the clips does not matter.
            part = min(votes[entry.group], key=lambda name: (-votes[entry.group][name], name))
            part = official.get(entry.relative, "") if entry.group in held else part
            if part != entry.split:
                torn.add(entry.group)
            found.append(replace(entry, split=part))
        else:
            found.append(entry)
    notes = [f"Some clips of a group were put into a part, and the whole group went along: {some(sorted(torn))}."]
    return found, tuple(notes if torn else ())
