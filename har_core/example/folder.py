"""The example data set on disk: render every clip, list them, and put the folder in place in one step."""

import csv
import os
import re
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_core import video
from har_core.errors import ConfigError, DatasetError
from har_core.example.figure import Actor
from har_core.example.film import Variation, render
from har_core.example.motion import ACTIONS
from har_core.example.places import PLACES

PURPOSE = "Generated figures, made to try the app with; no claim about real video rests on them."

_SECONDS = (2.0, 4.0)
"""Shortest and longest clip. Drawn without looking at the action, so that length gives no action away."""

_OWN_FILE = re.compile(rf"clips\.csv|README\.md|({'|'.join(ACTIONS)})(/v_\1_g\d\d_c\d\d\.mp4)?")


@dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    action: str
    actor: Actor
    variation: Variation
    seconds: float

    @property
    def group(self) -> str:
        return self.path.stem.split("_")[-2]


def make(
    folder: Path,
    *,
    actors: int = 8,
    clips_per_actor: int = 1,
    seed: int = 0,
    size: tuple[int, int] = (320, 240),
    frames_per_second: float = 15.0,
    progress: Callable[[int, int], None] | None = None,
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

    Raises:
        DatasetError: the folder holds something else, or cannot be written.
        ConfigError: a setting out of range.
    """
    if not (1 <= actors <= 99 and 1 <= clips_per_actor <= 99):
        raise ConfigError(f"Actors and clips per actor must be 1 to 99, but are {actors} and {clips_per_actor}.")
    if seed < 0:
        raise ConfigError(f"A seed is 0 or more, but got {seed}.")
    folder = Path(folder)
    _check(folder)
    jobs = _jobs(actors, clips_per_actor, seed)
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")  # hidden: no reader lists half a data set
    try:
        part.mkdir(parents=True)
        _film(part, jobs, size, frames_per_second, progress or (lambda done, total: None))
        _write_list(part, jobs)
        (part / "README.md").write_text(_readme(actors, clips_per_actor, seed, size, frames_per_second), "utf-8")
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


def _jobs(actors: int, clips_per_actor: int, seed: int) -> list[_Job]:
    jobs = []
    for person in range(actors):
        actor = Actor.drawn(person, np.random.default_rng([seed, person]))
        for kind, action in enumerate(ACTIONS):
            for take in range(clips_per_actor):
                random = np.random.default_rng([seed, person, kind, take])
                # Each action meets every place, each actor many of them: a place gives neither away.
                place = PLACES[(person + 3 * kind + 2 * take + seed) % len(PLACES)]
                name = f"v_{action}_g{person + 1:02}_c{take + 1:02}.mp4"
                seconds = float(random.uniform(*_SECONDS))
                jobs.append(_Job(Path(action, name), action, actor, Variation.drawn(random, place=place), seconds))
    return jobs


def _film(
    root: Path, jobs: list[_Job], size: tuple[int, int], frames_per_second: float, progress: Callable[[int, int], None]
) -> None:
    """Render and encode all clips, several at a time: numpy, OpenCV and the encoder let go of Python's lock."""

    def shoot(job: _Job) -> None:
        frames = render(
            job.action, job.actor, job.variation, seconds=job.seconds, frames_per_second=frames_per_second, size=size
        )
        video.write(root / job.path, frames, frames_per_second=frames_per_second)

    progress(0, len(jobs))
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="example")
    try:
        waiting = [pool.submit(shoot, job) for job in jobs]
        for done, clip in enumerate(as_completed(waiting), start=1):
            clip.result()
            progress(done, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)


def _write_list(root: Path, jobs: list[_Job]) -> None:
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


def _readme(actors: int, clips_per_actor: int, seed: int, size: tuple[int, int], frames_per_second: float) -> str:
    number = actors * clips_per_actor * len(ACTIONS)
    return f"""# Example data set

{PURPOSE}

{number} clips of {size[0]} x {size[1]} pixels at {frames_per_second:g} frames a second, 2 to 4 seconds long:
{actors} actors, {clips_per_actor} of each action per actor. Made by `har_core.example.make` with seed {seed}; every
picture is computed (a jointed body of shaded solids, in computed rooms and landscapes), none is filmed or downloaded.

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
