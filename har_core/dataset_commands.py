"""What the command `dataset` of the command line does: list the data sets of the workspace, bring one, edit one."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from har_core import dataset, workspace
from har_core.dataset import versions
from har_core.errors import DatasetError
from har_core.terminal import print_json, progress_bar


def list_(given: argparse.Namespace) -> int:
    """List the data sets of the workspace; nothing in them is looked at."""
    known = dataset.datasets(workspace())
    if given.json:
        print_json([{"name": name, "folder": str(folder)} for name, folder in known.items()])
        return 0
    for name, folder in known.items():
        print(f"{name}\t{folder}")
    if not known:
        print(f"There are no data sets in {workspace() / 'datasets'}.", file=sys.stderr)
    return 0


def fetch(given: argparse.Namespace) -> int:
    """Download a known data set and lay it out."""
    folder = given.to or workspace() / "datasets" / given.name
    with _bars() as progress:
        brought = dataset.fetch_top5(folder, progress=progress)
    return _tell(brought, given)


def import_(given: argparse.Namespace) -> int:
    """Unpack an archive into the workspace, or link a folder."""
    with _bars() as progress:
        brought = dataset.bring(workspace(), given.source, given.to or "", progress=progress)
    return _tell(brought, given)


@contextlib.contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is done, one after another."""
    with contextlib.ExitStack() as shown:
        bars: dict[str, Callable[[int, int], None]] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in bars:
                shown.close()
                bars[what] = shown.enter_context(progress_bar(what, unit="B" if what == "downloading" else "file"))
            bars[what](done, total)

        yield report


def _tell(brought: dataset.Brought, given: argparse.Namespace) -> int:
    if given.json:
        print_json({"folder": str(brought.folder), "sha256": brought.sha256 or None})
        return 0
    print(brought.folder)
    if brought.sha256:
        print(f"sha256 {brought.sha256}  the archive")
    return 0


def list_versions(given: argparse.Namespace) -> int:
    """List the versions of a data set's edits, newest first."""
    root = _root(given.folder)
    before, listed = versions.Version(), [(versions.Version(), list[str]())]
    for version in versions.versions(root):
        listed.append((version, sorted({found.clip for found in versions.compare(before, version)} - {""})))
        before = version
    listed.reverse()
    if given.json:
        print_json([{"version": v.number, "at": v.at, "what": v.what, "clips": clips} for v, clips in listed])
        return 0
    for version, clips in listed:
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.at)) if version.number else "-"
        print(f"{version.number}\t{at}\t{version.what}{f' ({len(clips)} touched)' if clips else ''}")
    return 0


def edit(given: argparse.Namespace) -> int:
    """Decide something about clips; the files stay as they are."""
    root = _root(given.folder)
    changes = versions.Changes()
    if given.action is not None:
        changes["action"] = given.action or None
    if given.group is not None:
        changes["group"] = given.group or None
    if given.split is not None:
        changes["split"] = None if given.split == "as-dealt" else given.split
    if given.excluded is not None:
        changes["excluded"] = given.excluded
    if given.ambiguous is not None:
        changes["ambiguous"] = given.ambiguous
    if not changes:
        raise DatasetError("An edit needs something to change, such as --action NAME or --exclude. See --help.")
    names = [_relative(root, clip) for clip in given.clips]
    text = ", ".join(f"{name} {value}" if value not in (True, None) else name for name, value in changes.items())
    what = f"Edited {len(names)} {'clip' if len(names) == 1 else 'clips'}: {text}"
    before = versions.current(root)
    with progress_bar("reading") as report:
        made = versions.change(root, what, dict.fromkeys(names, changes), progress=report)
    return _tell_version(given, before, made)


def rename(given: argparse.Namespace) -> int:
    """Call an action otherwise, for all its clips."""
    root = _root(given.folder)
    before = versions.current(root)
    return _tell_version(given, before, versions.rename_action(root, given.old, given.new))


def restore(given: argparse.Namespace) -> int:
    """Go back to a version, by a new one."""
    root = _root(given.folder)
    before = versions.current(root)
    return _tell_version(given, before, versions.restore(root, given.number))


def _tell_version(given: argparse.Namespace, before: versions.Version, made: versions.Version) -> int:
    """Say which version there is now, and which clips it touched: those of a group go along."""
    found = versions.compare(before, made)
    if given.json:
        clips = sorted({difference.clip for difference in found} - {""})
        print_json({"version": made.number, "what": made.what, "clips": clips})
        return 0
    for difference in found:
        what = f"{difference.clip}\t{difference.what}" if difference.clip else "action"
        print(f"{what}\t{difference.before} -> {difference.after}")
    print(f"version {made.number}" if made.number != before.number else f"nothing changed: version {made.number}")
    return 0


def _root(folder: Path) -> Path:
    """The folder, or that of the data set of the workspace with this name."""
    found = folder if folder.is_dir() else dataset.datasets(workspace()).get(str(folder), folder)
    if not found.is_dir():
        raise DatasetError(f"A data set must be a folder or the name of one in the workspace, but {folder} is neither.")
    return found.absolute()


def _relative(root: Path, clip: str) -> str:
    """The clip's path below the root, for one that is given so, or as the shell completes it."""
    path = Path(os.path.normpath(clip))
    for home, place in ((root, path.absolute()), (root.resolve(), path.resolve())):
        if (path.is_absolute() or not (root / path).exists()) and place.is_relative_to(home):
            return place.relative_to(home).as_posix()
    return path.as_posix()
