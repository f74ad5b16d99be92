"""The example data set on disk: film every clip, list them, and put the folder in place in one step."""

import contextlib
import csv
import json
import os
import queue
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from har_core import PROJECT
from har_core.errors import DatasetError
from har_core.example.motion import ACTIONS
from har_core.example.order import Job, Order

PURPOSE = "Generated figures, made to try the app with; no claim about real video rests on them."

_OWN_FILE = re.compile(rf"clips\.csv|README\.md|({'|'.join(ACTIONS)})(/v_\1_g\d\d_c\d\d\.mp4)?")


def make(
    folder: Path,
    *,
    actors: int = 8,
    clips_per_actor: int = 1,
    seed: int = 0,
    size: tuple[int, int] = (320, 240),
    frames_per_second: float = 15.0,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Path:
    """Write the example data set, whole or not at all, and give its folder.

    It holds `ACTION/v_ACTION_gNN_cNN.mp4` (NN: actor, clip), `clips.csv` with path, action and group
    (the actor), and a `README.md`. An example data set that is there already is replaced.

    Args:
        folder: where to; missing, empty or an example data set.
        actors: how many people, 1 to 99. Build, clothes and hair belong to the actor.
        clips_per_actor: of each action, 1 to 99; place, camera, light and tempo differ.
        seed: the same seed gives the same pixels before encoding.
        size: width and height in pixels.
        progress: called in this thread with the clips done and their total, from (0, total) on.
        workers: how many processes film at a time; None for one a core, 0 for this process alone.

    Raises:
        DatasetError: the folder holds something else, or cannot be written.
        ConfigError: a setting out of range.
    """
    folder = Path(folder).absolute()
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")  # hidden: no reader lists half a data set
    order = Order(str(part), actors, clips_per_actor, seed, size, frames_per_second)
    jobs = order.jobs()
    workers = min(8, os.cpu_count() or 1, len(jobs)) if workers is None else workers
    try:
        _check(folder)
        part.mkdir(parents=True)
        with contextlib.closing(_film(order, jobs, workers)) as clips:
            for done, _ in enumerate(clips):
                if progress:
                    progress(done, len(jobs))
        _write_list(part, jobs)
        (part / "README.md").write_text(_readme(order), "utf-8")
        _check(folder)  # it may have changed meanwhile
        _put(part, folder)
    except OSError as error:
        raise DatasetError(f"The example data set cannot be written to {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _check(folder: Path) -> None:
    """DatasetError unless the folder is missing, empty, or an example data set and nothing more."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DatasetError(f"The example data set needs a folder of its own, but {folder} is a file or a link.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    note = folder / "README.md"
    if not (note.is_file() and PURPOSE in note.read_text("utf-8", errors="replace")):
        raise DatasetError(f"{folder} holds something other than an example data set. Choose a new or empty folder.")
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not _OWN_FILE.fullmatch(name):
            raise DatasetError(
                f"{folder} holds {name}, which would be lost. Move it elsewhere, or choose a new folder."
            )


def _film(order: Order, jobs: list[Job], workers: int) -> Generator[None]:
    """Film all clips; yields once before the first and once after each."""
    yield
    if workers == 0:
        for job in jobs:
            order.film(job)
            yield
        return
    hired = [_hire(order) for _ in range(workers)]
    idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
    for process in hired:
        idle.put(process)

    def shoot(number: int) -> None:
        process = idle.get()
        try:
            _ask(process, number)
        finally:
            idle.put(process)

    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="example")
    try:
        for clip in as_completed([pool.submit(shoot, number) for number in range(len(jobs))]):
            clip.result()
            yield
    finally:
        for process in hired:
            process.kill()  # first, so that the threads that wait for an answer get none
        pool.shutdown(cancel_futures=True)
        for process in hired:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):  # what was not sent is not wanted any more
                    if pipe:
                        pipe.close()


def _hire(order: Order) -> "subprocess.Popen[str]":
    """A process that films clips of the order."""
    path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-m", "har_core.example.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},  # there is one worker a core
        cwd=PROJECT,  # `-m` looks for modules in the current folder first
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(order.to_json()) + "\n")
    return process


def _ask(process: "subprocess.Popen[str]", number: int) -> None:
    """Have one clip filmed; DatasetError with the reason if that failed."""
    assert process.stdin is not None
    assert process.stdout is not None
    answer = ""
    with contextlib.suppress(OSError, ValueError):  # it has ended: there will be no answer
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    failure = json.loads(answer or '"the process that filmed it ended"')
    if failure:
        raise DatasetError(f"The example data set could not be made: {failure}")


def _write_list(root: Path, jobs: list[Job]) -> None:
    with (root / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "action", "group"))
        rows.writerows((job.path.as_posix(), job.action, job.group) for job in sorted(jobs, key=lambda job: job.path))


def _put(part: Path, folder: Path) -> None:
    """Move the finished folder to its place; what was there goes last, and comes back if that fails."""
    if not folder.exists():
        part.rename(folder)
        return
    old = part.with_suffix(".old")
    folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _readme(order: Order) -> str:
    width, height = order.size
    return f"""# Example data set

{PURPOSE}

{len(order.jobs())} clips of {width} x {height} pixels at {order.frames_per_second:g} frames a second, 2 to 4 s long:
{order.actors} actors, {order.clips_per_actor} of each action per actor.
Made by `har_core.example.make` with seed {order.seed}. Every picture is computed (a jointed body of shaded solids, in
computed rooms and landscapes); none is filmed or downloaded.

| action | what happens |
|---|---|
| `jumping_jack` | jumps, arms and legs out and in |
| `punch` | boxes from a guard, left and right |
| `sit_down` | sits down on a stool |
| `stand_up` | the same movement backwards: no single frame tells it from `sit_down`, only the order of frames does |
| `wave` | raises an arm and waves |

Build, clothes and hair belong to the actor; place, camera, light, tempo and phase differ from clip to clip.
`clips.csv` lists path, action and group. The group is the actor (`gNN` in the name): keep all clips of one
actor in one split.
"""
