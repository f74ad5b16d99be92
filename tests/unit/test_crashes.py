"""Killed at any moment: what was acknowledged is there and whole, and what was not is not seen."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from har_core import PROJECT, dataset
from har_core.dataset import history, versions

A, B, C = "blink/v_blink_g01_c01.mp4", "rise/v_rise_g02_c01.mp4", "slide/v_slide_g03_c01.mp4"


def forked(work: Callable[[Callable[[str], None]], None]) -> tuple[int, int]:
    """A child that works and says so line by line; gives its process id and where to read what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # nothing may return into pytest
        try:
            os.close(reading)
            work(lambda text: os.write(writing, f"{text}\n".encode()) and None)
        finally:
            os._exit(0)
    os.close(writing)
    return child, reading


def lines(reading: int) -> list[str]:
    """All that was said; a line that was cut off was not."""
    with os.fdopen(reading, "rb") as said:
        *whole, _ = said.read().decode().split("\n")
    return whole


def edits_of(root: Path, clip: str, times: int = 10_000) -> Callable[[Callable[[str], None]], None]:
    source = dataset.read(root)

    def work(say: Callable[[str], None]) -> None:
        for number in range(times):
            made = versions.change(root, f"edit {number}", {clip: {"action": f"act {number}"}}, source=source)
            say(f"{made.number} act {number}")

    return work


def check(root: Path, said: list[str], clip: str) -> None:
    """Every version that was acknowledged is there, whole, and says what it said."""
    there = [version.number for version in versions.versions(root)]
    assert there == list(range(1, len(there) + 1))
    for line in said:
        number, action = line.split(" ", 1)
        assert versions.version(root, int(number)).edits[clip].action == action
    source = dataset.read(root)
    assert source.version == len(there) >= len(said) and len(there) <= len(said) + 1
    assert not any("Version" in note or "files among" in note for note in source.notes)


def test_an_editor_killed_at_any_moment_loses_nothing(tiny: Path) -> None:
    chance = random.Random(7)
    for _ in range(25):
        shutil.rmtree(history.folder(tiny), ignore_errors=True)
        child, reading = forked(edits_of(tiny, A))
        first = os.read(reading, 1)  # it has begun
        time.sleep(chance.uniform(0, 0.02))  # no wait: the moment is what is tried
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        said = (first.decode() + "\n".join([*lines(reading), ""])).split("\n")[:-1]
        check(tiny, said, A)
        made = versions.change(tiny, "after", {B: {"excluded": True}})
        assert made.edits[B].excluded and made.edits[A].action


@pytest.mark.parametrize("moment", ["fsync", "link", "linked", "unlink"])
def test_an_editor_killed_between_two_writes_leaves_all_or_nothing(tiny: Path, moment: str) -> None:
    versions.change(tiny, "first", {B: {"action": "wave"}})
    edit = edits_of(tiny, A, 1)

    def work(say: Callable[[str], None]) -> None:
        def die(*_: object, **__: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        link = os.link
        if moment == "linked":
            os.link = lambda *given: (link(*given), die())[0]  # type: ignore[assignment]
        elif moment == "unlink":
            Path.unlink = die  # type: ignore[method-assign]
        else:
            setattr(os, moment, die)
        edit(say)

    child, reading = forked(work)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert lines(reading) == []
    stored = moment in ("linked", "unlink")  # it is there, though nobody was told yet
    assert [version.number for version in versions.versions(tiny)] == ([1, 2] if stored else [1])
    source = dataset.read(tiny)
    assert source.version == 1 + stored and source.notes == dataset.read(tiny, version=0).notes
    left = list(history.folder(tiny).glob(".*.part"))
    assert len(left) == 1
    os.utime(left[0], (0, 0))
    made = versions.change(tiny, "next", {C: {"action": "wave"}})
    assert made.number == 2 + stored and not left[0].exists()


def test_editors_at_once_all_get_their_edits_in(tiny: Path) -> None:
    times = 12
    children = [(clip, *forked(edits_of(tiny, clip, times))) for clip in (A, B, C)]
    said = [line for _, _, reading in children for line in lines(reading)]
    for _, child, _ in children:
        os.waitpid(child, 0)
    assert sorted(int(line.split()[0]) for line in said) == list(range(1, 3 * times + 1))
    assert {edit.action for edit in versions.current(tiny).edits.values()} == {f"act {times - 1}"}
    assert len(versions.current(tiny).edits) == 3


ADDING = """
import sys
from pathlib import Path
from har_core import dataset
clips = sorted(Path(sys.argv[1]).rglob("*.mp4"))
for number in range(10_000):
    clip = clips[number % len(clips)]
    with clip.open("rb") as content:
        name = f"{number:04d}.mp4"
        stored = dataset.add_clip(Path(sys.argv[2]), "own", clip.parent.name, name, content, group="anna")
    print(f"{clip}\\t{stored}", flush=True)
"""


def test_a_clip_is_added_whole_or_not_at_all(tiny: Path, own_workspace: Path) -> None:
    chance, acknowledged = random.Random(3), list[str]()
    originals = {path.read_bytes() for path in tiny.rglob("*.mp4")}
    for _ in range(3):
        environment = {**os.environ, "HAR_WORKSPACE": str(own_workspace)}
        child = subprocess.Popen(
            [sys.executable, "-c", ADDING, str(tiny), str(own_workspace)], cwd=PROJECT, env=environment, text=True,
            stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert child.stdout is not None
        acknowledged += [child.stdout.readline() for _ in range(chance.randint(1, 6))]
        time.sleep(chance.uniform(0, 0.05))  # no wait: the moment is what is tried
        os.killpg(child.pid, signal.SIGKILL)
        rest, _ = child.communicate()
        acknowledged += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    assert len(acknowledged) >= 3
    for line in acknowledged:
        clip, stored = line.rstrip("\n").split("\t")
        assert Path(stored).read_bytes() == Path(clip).read_bytes()
    assert list(dataset.datasets(own_workspace)) == ["own"]
    source = dataset.read(own_workspace / "datasets" / "own")
    assert source.skipped == () and source.groups == ("anna",)
    assert {clip.path.read_bytes() for clip in source.clips} <= originals


def test_what_killed_uploads_left_goes_after_a_day(tiny: Path, own_workspace: Path) -> None:
    old, new = (own_workspace / "datasets" / f".upload-{letter * 8}" for letter in "on")
    for scratch in (old, new):
        scratch.mkdir(parents=True)
        (scratch / "half.mp4").write_bytes(b"half")
    os.utime(old, (0, 0))
    with (tiny / A).open("rb") as content:
        dataset.add_clip(own_workspace, "own", "wave", "a.mp4", content)
    assert not old.exists() and new.exists()
