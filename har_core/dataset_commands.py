"""What the command `dataset` of the command line does: list the data sets of the workspace, fetch one, import one."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator

from har_core import dataset, workspace
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
