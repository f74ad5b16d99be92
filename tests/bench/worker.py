"""What becomes of videos in the process that Video Predict uses, two at a time: uploaded, queued, analysed with limits.

    python tests/bench/worker.py FILE|FOLDER ... [--model MODEL] [--people] [--mutants 200] [--from 0] [--seed 0]

Each video must come to an answer or to one sentence. With `--mutants` damaged copies of the videos are sent, made as
`mutants.py` makes them; `--from` leaves the first of them out, so that a long round can be done in parts, and `--rows`
adds what came of each to a file, from which `--table` makes one table of all parts.

Besides: the processes of the queue must live to the end, and then nothing of them may be left: no process, no file.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from har_core import PROJECT, analyses, attendant, discarded, intake, machine

VIEWER = "0" * 32
OUTCOMES = ("answer", "answer, damage told", "one sentence", "BUG")
_POLL_SECONDS = 0.1
_NO_VIDEOS = (".md", ".csv", ".txt", ".json")


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one video: of which kind it is, seconds of work, and what was said of it."""

    name: str
    kind: str
    outcome: str
    seconds: float
    said: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("given", type=Path, nargs="*", metavar="FILE|FOLDER")
    parser.add_argument("--model", type=Path, default=PROJECT / "models" / "actions-interaction")
    parser.add_argument("--people", action="store_true")
    parser.add_argument("--mutants", type=int, default=0, help="send so many damaged copies instead")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them that is sent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="add a line of JSON for each video to this file")
    parser.add_argument("--table", action="store_true", help="only print the table of --rows")
    parser.add_argument("--workspace", type=Path, help="keep the answers in this workspace, to be looked at in the app")
    given = parser.parse_args()
    if not given.table:
        with tempfile.TemporaryDirectory() as place:
            sent = list(_mutants(given, Path(place)) if given.mutants else _videos(given.given))
            with tempfile.TemporaryDirectory() as workspace:
                found, faults = judged(
                    given.workspace or Path(workspace), sent, given.model.resolve(),
                    people=given.people, clean=given.workspace is None,
                )  # fmt: skip
        if given.rows:
            with given.rows.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(asdict(row)) + "\n" for row in found)
    if given.table:
        found, faults = [Row(**json.loads(line)) for line in given.rows.read_text().splitlines()], []
    print(table(found))
    print("\n".join([f"FAULT: {fault}" for fault in faults]) or "no faults")
    sys.exit(1 if faults or any(row.outcome == "BUG" for row in found) else 0)


def _videos(places: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    for place in places:
        if place.is_file():
            yield place, place.suffix
            continue
        for path in sorted(p for p in place.rglob("*") if p.is_file() and p.suffix.lower() not in _NO_VIDEOS):
            yield path, path.relative_to(place).parts[0] if path.parent != place else place.name


def _mutants(given: argparse.Namespace, folder: Path) -> Iterator[tuple[Path, str]]:
    from mutants import KINDS, mutated  # loads torch, which only its own way needs

    clips: list[Path] = given.given
    for number in range(given.first, given.mutants):
        clip = clips[number % len(clips)]
        kind = KINDS[number // len(clips) % len(KINDS)]
        path = folder / f"{number:03d}{clip.suffix}"
        path.write_bytes(mutated(clip.read_bytes(), kind, np.random.default_rng([given.seed, number])))
        yield path, kind


def judged(
    root: Path, sent: Sequence[tuple[Path, str]], model: Path, *, people: bool, clean: bool
) -> tuple[list[Row], list[str]]:
    """Send videos through the queue of a workspace.

    Args:
        root: the workspace, nobody else's.
        sent: videos and their kinds.
        model: a folder.
        people: whether people are looked at too.
        clean: whether the answers are deleted at the end, as a viewer does, and nothing may be left.

    Returns:
        What came of each, and what was wrong with the processes and files.
    """
    temporary = root / "temporary"
    temporary.mkdir(parents=True)
    os.environ |= {"TMPDIR": str(temporary), "HAR_WORKSPACE": str(root)}
    tasks: dict[analyses.Task, tuple[Path, str]] = {}
    for path, kind in sent:
        with path.open("rb") as content:
            request = analyses.Request(path.name, str(model), model.name, people=people)
            tasks[intake.begin(root, VIEWER, request, content)] = path, kind
    faults: list[str] = []
    try:
        seconds, most, attendants = _waited(root, list(tasks))
        print(f"{len(tasks)} videos, at most {most / 1e6:.0f} MB of memory for one process and all it started")
        if len(attendants) > attendant.MOST:
            faults.append(f"a process of the queue was replaced: {sorted(attendants)}")
        rows = [_row(task, seconds[task], path, kind) for task, (path, kind) in tasks.items()]
    finally:
        attendant.close(root)
    faults += _left(root)
    if clean:
        faults += [str(path) for task in tasks for path in task.folder.rglob(".*")]
        for task in tasks:
            discarded.delete(task)
        faults += [f"{task.folder} is left" for task in analyses.listed(root, VIEWER)]
    # torch makes an empty folder for each user when it is imported, and comes back to it.
    faults += [f"{path} is left" for path in temporary.rglob("*") if not path.name.startswith("torchinductor_")]
    return rows, faults


def _waited(root: Path, tasks: Sequence[analyses.Task]) -> tuple[dict[analyses.Task, float], int, set[int]]:
    """Until all is done: seconds that each was worked on, most memory of one process, and those that worked."""
    begun: dict[analyses.Task, float] = {}
    seconds: dict[analyses.Task, float] = {}
    most, attendants, told = 0, set(), 0
    memory_at = 0.0
    while len(seconds) < len(tasks):
        attendant.ensure(root)
        now = time.monotonic()
        for task, state in zip(tasks, analyses.states(tasks), strict=True):
            if state.stage == "running":
                begun.setdefault(task, now)
            elif state.stage != "waiting":
                seconds.setdefault(task, now - begun.get(task, now))
        if now - memory_at > 1.0:
            memory_at = now
            pids = {int(slot.read_text().split()[0] or 0) for slot in analyses.queue(root).glob("slot-*")} - {0}
            attendants |= pids
            most = max([most, *(machine.tree_memory(pid) for pid in pids)])
        if len(seconds) >= told + 10:
            told = len(seconds)
            print(f"{told} of {len(tasks)}", file=sys.stderr, flush=True)
        time.sleep(_POLL_SECONDS)
    return seconds, most, attendants


def _row(task: analyses.Task, seconds: float, path: Path, kind: str) -> Row:
    state, summary = task.state(), task.summary()
    seconds = state.took or seconds  # until the answer, without the copy that browsers play
    if state.stage == "done" and summary is not None:
        outcome = "answer, damage told" if summary.damage else "answer"
        return Row(path.name, kind, outcome, seconds, summary.damage or state.message)
    said = state.message
    # "could not be analysed" is what an exception that nobody foresaw becomes.
    fine = state.stage == "failed" and said and "\n" not in said and len(said) < 400
    bug = not fine or "could not be analysed" in said or "ended without an answer" in said
    return Row(path.name, kind, "BUG" if bug else "one sentence", seconds, f"{state.stage}: {said}" if bug else said)


def _left(root: Path) -> list[str]:
    """Processes that still live in this workspace some seconds after its end, but for this one."""
    deadline = time.monotonic() + 5.0
    while (found := _living(root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _living(root: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            if process.pid != os.getpid() and process.environ().get("HAR_WORKSPACE") == str(root):
                found.append(f"process {process.pid} still runs: {' '.join(process.cmdline())[:200]}")
        except psutil.Error:
            continue
    return found


def table(rows: Iterable[Row]) -> str:
    """What came of the videos of each kind, in Markdown, and each sentence with how often it was said."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        kinds[row.kind].append(row)
    lines = [f"| | {' | '.join(OUTCOMES)} | seconds, median | slowest |", "|---" * (len(OUTCOMES) + 3) + "|"]
    for kind, found in kinds.items():
        counts = [str(sum(row.outcome == outcome for row in found)) for outcome in OUTCOMES]
        took = [row.seconds for row in found]
        lines.append(f"| {kind} | {' | '.join(counts)} | {statistics.median(took):.1f} | {max(took):.1f} |")
    said = [row for found in kinds.values() for row in found if row.said]
    lines += ["", *(f"- {row.name} ({row.kind}), {row.outcome}: {row.said}" for row in said)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
