"""What `runs` does on the command line: list them, and what users do with one."""

import argparse
import sys
from pathlib import Path

from har_core import notes, runs, trash, workspace
from har_core.errors import RunError
from har_core.notes import Notes
from har_core.terminal import print_json


def list_runs(given: argparse.Namespace) -> int:
    """Do to one run what is asked, then list them all."""
    root = workspace() / "runs"
    if given.stop:
        _run(root, given.stop).stop()
    if given.resume:
        _run(root, given.resume).resume()
    if given.title:
        run, said = _run(root, given.title[0]), given.title[1]
        before = notes.read(run.folder)
        notes.write(run.folder, Notes(said, before.note, before.star))
    if given.export:
        from har_core import transfer  # it loads torch

        print(transfer.pack(_run(root, given.export[0]), Path(given.export[1])), file=sys.stderr)
    if given.bring:
        from har_core import transfer

        print(f"Imported as {transfer.bring(given.bring, root).name}.", file=sys.stderr)
    if given.delete:
        trash.delete(_run(root, given.delete))
    if given.restore:
        _restore(root, given.restore)
    _list(root, as_json=given.json)
    return 0


def _run(root: Path, name: str) -> runs.Run:
    found = {run.name: run for run in runs.all_runs(root)}
    if name not in found:
        raise RunError(f"There is no run {name!r}. List them with `python -m har_core runs`.")
    return found[name]


def _restore(root: Path, name: str) -> None:
    found = [one for one in trash.deleted(root) if one.name == name]
    if not found:
        gone = ", ".join(one.name for one in trash.deleted(root)) or "none"
        raise RunError(f"There is no deleted run {name!r}. In the trash: {gone}.")
    trash.restore(found[0])


def _list(root: Path, *, as_json: bool) -> None:
    rows = []
    for run in runs.all_runs(root):
        events, said = run.milestones(), notes.read(run.folder)
        epochs = run.epochs(events)
        best = max((e.validation_accuracy for e in epochs), default=None)
        rows.append({"run": run.name, "title": said.title, "star": said.star, "note": said.note,
                     "status": run.status(events), "epochs": len(epochs), "best_accuracy": best})  # fmt: skip
    if as_json:
        return print_json(rows)
    if not rows:
        print(f"There are no runs in {root}.", file=sys.stderr)
    for row in rows:
        best_text = "" if row["best_accuracy"] is None else f"{row['best_accuracy']:.1%}"
        star = "* " if row["star"] else ""
        print(f"{row['run']}\t{row['status']}\t{row['epochs']} epochs\t{best_text}\t{star}{row['title']}".rstrip())
    return None
