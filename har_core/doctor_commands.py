"""What `python -m har_core dataset doctor` does: examine a data set, say what is wrong, mend it when asked to."""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from har_core import dataset, doctor, embeddings, facts, workspace
from har_core.dataset import versions
from har_core.errors import DatasetError
from har_core.terminal import print_json, progress_bar

_MARKS = {"problem": "!!", "warning": " !", "hint": "  "}
_WIDTH, _MOST_ROWS = 100, 12


def add_options(way: argparse.ArgumentParser) -> None:
    """What `dataset doctor` takes."""
    way.set_defaults(command=examine)
    way.add_argument("folder", type=Path, metavar="FOLDER", help="of clips, or a data set's name in the workspace")
    way.add_argument("--deep", action="store_true", help="also look by a network: groups, what a random split promises")
    way.add_argument(
        "--fix", action="append", default=[], metavar="KIND",
        help="apply the fix of this finding, as a version that can be gone back on; all applies every one",
    )  # fmt: skip


def examine(given: argparse.Namespace) -> int:
    """Examine a data set; with `--fix`, edit it."""
    folder = dataset.datasets(workspace()).get(str(given.folder), given.folder)
    diagnosis = _examined(folder, deep=given.deep)
    mended = _mend(folder, diagnosis, given.fix)
    if given.json:
        print_json({**diagnosis.to_json(), "mended": mended})
        return 0
    print(diagnosis.summary)
    for finding in diagnosis.findings:
        print(f"\n{_MARKS[finding.severity]} {finding.title}  [{finding.kind}]")
        print(textwrap.indent(textwrap.fill(finding.why, _WIDTH - 4), "   "))
        for name, value in finding.figures[:_MOST_ROWS]:
            print(f"     {name}: {value}")
        for name, clips in finding.sets[:_MOST_ROWS]:
            print(f"     {name}: {', '.join(clips[:4])}{f' and {len(clips) - 4} more' if len(clips) > 4 else ''}")
        if len(finding.sets) > _MOST_ROWS:
            print(f"     and {len(finding.sets) - _MOST_ROWS} more")
        if finding.fix and finding.kind not in mended:
            print(f'   To mend it: {finding.fix.label} (--fix "{finding.kind}")')
    if diagnosis.honesty:
        seen = diagnosis.honesty
        print(f"\na split by chance would promise {seen.random:.1%}, groups kept whole {seen.grouped:.1%}")
    for kind, number in mended.items():
        print(f"mended {kind}: version {number}")
    return 0


def _examined(folder: Path, *, deep: bool) -> doctor.Diagnosis:
    with progress_bar("reading", unit="clip") as progress:
        source = dataset.read(folder, progress=progress)
    with progress_bar("looking", unit="clip") as progress:
        known = facts.gather(source, progress=progress)
    vectors = None
    if deep:
        with progress_bar("looking deeper", unit="clip") as progress:
            vectors = embeddings.clip_embeddings(source, source.clips, progress=progress)
    return doctor.examine(source, known, vectors)


def _mend(folder: Path, diagnosis: doctor.Diagnosis, kinds: Sequence[str]) -> dict[str, int]:
    """Apply the fixes of these findings; gives the number of the version that each made."""
    fixes = {finding.kind: finding.fix for finding in diagnosis.findings if finding.fix}
    if unknown := [kind for kind in kinds if kind not in fixes and kind != "all"]:
        there = ", ".join(fixes) or "nothing"
        raise DatasetError(f"There is no fix for {unknown[0]!r} here. There is one for: {there}.")
    mended = {}
    for kind, fix in fixes.items():
        if kind in kinds or "all" in kinds:
            mended[kind] = versions.change(folder, fix.what, fix.edits).number
            print(fix.what, file=sys.stderr)
    return mended
