"""Edits of a data set, clip by clip, each a new version: relabel, regroup, fix a part, leave out, take back.

The original files are never touched. No edit tears a group: to choose the part of a clip moves its whole group, and
what the data set itself puts into its test or validation part stays there.
"""

import csv
import io
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from har_core.dataset.edits import NO_EDIT, Changes, Edit, Version, keep_whole, merged
from har_core.dataset.history import append, current, stamp, version, versions
from har_core.dataset.index import Dataset, read, read_edited
from har_core.dataset.layouts import listing, said
from har_core.errors import DatasetError
from har_core.values import Clip

__all__ = [
    "Changes", "Difference", "Edit", "Version", "as_csv", "change", "compare", "current", "rename_action", "restore",
    "stamp", "undo", "undoable", "version", "versions",
]  # fmt: skip

_LONGEST = 80
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """What one version says otherwise than another: of a `clip`, by path, or, where that is "", of an action's name."""

    clip: str
    what: str
    before: str
    after: str


def change(
    root: Path,
    what: str,
    changes: Mapping[str, Changes],
    *,
    source: Dataset | None = None,
    progress: Report | None = None,
) -> Version:
    """Edit clips: a new version on top of the newest, or the newest itself where nothing would change.

    Clips of a group stay together: a part that is chosen for one is that of all, a clip that comes into a group takes
    over its part, and clips whose group was only guessed from their likeness are named together.

    Args:
        what: in words, for the list of versions.
        changes: by path relative to the root.
        source: the data set as it was read last. It saves reading it again, if nobody has edited since.
        progress: told of the reading, as by `read`.

    Raises:
        DatasetError: no such clip, a value that is not allowed, a part that the data set does not allow, no clip
            would be left, or the version cannot be written.
    """
    root = Path(root).expanduser().absolute()
    plain = {relative: _checked(changed) for relative, changed in changes.items()}

    def make(newest: Version) -> Version:
        known = source
        if known is None or known.root != root or known.version != newest.number:
            known = read(root, progress=progress)
        edits = _guarded(known, newest, plain)
        if edits == newest.edits:
            return newest
        return Version(parent=newest.number, what=_line(what)[:200] or "Edited", edits=edits, actions=newest.actions)

    return append(root, make)


def rename_action(root: Path, old: str, new: str) -> Version:
    """Call an action otherwise, for all its clips and those to come; under a name that is there both become one.

    Raises:
        DatasetError: a name is not allowed, or the version cannot be written.
    """
    old, new = _line(old), _name("action", new)

    def make(newest: Version) -> Version:
        if old == new:
            return newest
        actions = {folder: new if called == old else called for folder, called in newest.actions.items()}
        actions.setdefault(old, new)
        edits = {
            relative: replace(edit, action=new) if edit.action == old else edit
            for relative, edit in newest.edits.items()
        }
        actions = {folder: called for folder, called in actions.items() if folder != called}
        return Version(parent=newest.number, what=f"Renamed {old} to {new}", edits=edits, actions=actions)

    return append(root, make)


def restore(root: Path, number: int) -> Version:
    """Go back to a version; that makes a new one, so that nothing is lost.

    Raises:
        DatasetError: there is no such version, or the new one cannot be written.
    """
    wanted = version(Path(root), number)

    def make(newest: Version) -> Version:
        if newest.same(wanted):
            return newest
        what = f"Went back to version {number}" if number else "Went back to the folder as it is"
        return Version(parent=newest.number, what=what, edits=wanted.edits, actions=wanted.actions)

    return append(Path(root), make)


def undoable(root: Path) -> Version | None:
    """The edit that `undo` would take back; None where there is none."""
    newest = current(root)
    try:
        return None if newest.same(version(root, newest.parent)) else newest
    except DatasetError:
        return None


def undo(root: Path, number: int) -> Version:
    """Take back the edit that made this version, which must be the newest; that is a new version too.

    Its parent is that of what it goes back to, so that the next `undo` goes further back.

    Raises:
        DatasetError: another edit came after it, or there is nothing to take back.
    """
    root = Path(root)

    def make(newest: Version) -> Version:
        if newest.number != number or number == 0:
            raise DatasetError(
                f"Only the last edit can be undone, but version {number} is not the newest: it is {newest.number}. "
                "Restore an older version instead."
            )
        before = version(root, newest.parent)
        what = f"Undid: {newest.what}"[:200]
        return Version(parent=before.parent, what=what, edits=before.edits, actions=before.actions)

    return append(root, make)


def compare(before: Version, after: Version) -> list[Difference]:
    """What `after` says otherwise than `before`: of actions first, then clip by clip, sorted by path."""
    found = []
    for name in sorted(before.actions.keys() | after.actions.keys()):
        old, new = before.actions.get(name, name), after.actions.get(name, name)
        if old != new:
            found.append(Difference("", "action", old, new))
    for relative in sorted(before.edits.keys() | after.edits.keys()):
        one, two = before.edits.get(relative, NO_EDIT), after.edits.get(relative, NO_EDIT)
        for field, what in (("action", "action"), ("group", "group"), ("split", "part")):
            old, new = getattr(one, field), getattr(two, field)
            if old != new:
                found.append(Difference(relative, what, _said(old), _said(new)))
        for field in ("excluded", "ambiguous"):
            if getattr(one, field) != getattr(two, field):
                yes = ("no", "yes")
                found.append(Difference(relative, field, yes[getattr(one, field)], yes[getattr(two, field)]))
    return found


def as_csv(source: Dataset) -> str:
    """The data set as a `clips.csv`, which says the same of the folder to every program: the edits, written down.

    Clips that are excluded or ambiguous are left out. A group is left empty where it is a clip's own.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("path", "action", "group", "split"))
    for clip in source.clear().clips:
        relative = source.relative(clip)
        lines.writerow((relative, clip.action, "" if clip.group == relative else clip.group, clip.split))
    return text.getvalue()


def _said(value: str | None) -> str:
    return "as the folder says" if value is None else value or "dealt by chance"


def _line(text: str) -> str:
    """The text in one line and one spelling, what cannot be shown escaped."""
    return said(" ".join(unicodedata.normalize("NFC", text).split()))


def _name(kind: str, text: str) -> str:
    found = _line(text)
    if not found or len(found) > _LONGEST:
        raise DatasetError(f"The {kind} of a clip needs a name of 1 to {_LONGEST} letters, but got {text[:100]!r}.")
    return found


def _checked(changed: Changes) -> Changes:
    found = changed.copy()
    if (action := changed.get("action")) is not None:
        found["action"] = _name("action", action)
    if (group := changed.get("group")) is not None:
        found["group"] = _name("group", group)
    return found


def _guarded(known: Dataset, newest: Version, changes: Mapping[str, Changes]) -> dict[str, Edit]:
    """The edits after the changes, widened so that every group stays whole."""
    clips = _by_path(known)
    broken = {relative for relative, _ in known.skipped}
    for relative, changed in changes.items():
        # A file that cannot be read may be left out for good, and nothing else.
        if relative not in clips and not (relative in broken and set(changed) == {"excluded"}):
            raise DatasetError(f"There is no clip {relative} in {known.root}. Give its path below that folder.")
    regrouped = [relative for relative, changed in changes.items() if "group" in changed]
    if regrouped:
        changes = _with_alike(clips, newest, changes)
    edits = merged(newest.edits, changes)
    if all(edits.get(relative, NO_EDIT).excluded for relative in clips):
        raise DatasetError(f"A data set must keep a clip, but all {len(clips)} of {known.root.name} would be excluded.")
    if regrouped:
        # Guessed groups come and go with those that look alike: only reading it tells which there are then.
        clips = _by_path(read_edited(known.root, Version(edits=edits, actions=newest.actions)))
    if any("split" in changed or "group" in changed for changed in changes.values()):
        official = {entry.relative: entry.split for entry in listing(known.root).entries}
        edits = keep_whole({r: clip.group for r, clip in clips.items()}, official, edits, changes)
    return edits


def _by_path(source: Dataset) -> dict[str, Clip]:
    return {source.relative(clip): clip for clip in (*source.clips, *source.excluded)}


def _with_alike(clips: Mapping[str, Clip], newest: Version, changes: Mapping[str, Changes]) -> dict[str, Changes]:
    """The changes, those of a group also for the clips that are in it only because they look like the clip.

    Named alone, it would no longer be compared with them, and the same recording would lie in two groups. Who
    knows better names them one by one.
    """
    found = dict(changes)
    for relative, changed in changes.items():
        group = changed.get("group")
        own = clips[relative].group
        if group is None or own not in clips:  # a guessed group bears the path of one of its clips
            continue
        for other, clip in clips.items():
            if clip.group == own and other not in changes and newest.edits.get(other, NO_EDIT).group is None:
                found[other] = Changes(group=group)
    return found
