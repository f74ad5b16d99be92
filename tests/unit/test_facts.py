import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from har_core import PROJECT, dataset, facts, video
from har_core.dataset import groups
from har_core.values import Rgb


def noise(*, low: int = 0, high: int = 256, frames: int = 20, moves: bool = True) -> Iterator[Rgb]:
    random = np.random.default_rng(3)
    picture = random.integers(low, high, (12, 16, 3), np.uint8).repeat(6, 0).repeat(6, 1)
    for number in range(frames):
        yield np.roll(picture, 3 * number, axis=1) if moves else picture


@pytest.fixture
def source(tiny: Path, tmp_path: Path) -> dataset.Dataset:
    root = tmp_path / "set"
    shutil.copytree(tiny, root)
    video.write(root / "odd" / "black_g01_.mp4", noise(high=12), frames_per_second=10)
    video.write(root / "odd" / "frozen_g02_.mp4", noise(moves=False), frames_per_second=10)
    video.write(root / "odd" / "lively_g03_.mp4", noise(), frames_per_second=10)
    return dataset.read(root)


def test_a_look_tells_what_is_to_be_seen(source: dataset.Dataset) -> None:
    found = facts.gather(source)
    assert set(found) == {source.relative(clip) for clip in source.clips}
    black, frozen, lively = (found[f"odd/{name}_.mp4"] for name in ("black_g01", "frozen_g02", "lively_g03"))
    assert (black.black, frozen.black, lively.black) == (True, False, False)
    assert (frozen.still, lively.still) == (True, False)
    assert black.brightness < 0.05 < lively.brightness < 0.7
    assert frozen.motion < 0.005 < lively.motion
    assert len(lively.looks) == 3 and lively.people is None
    assert not found["slide/v_slide_g01_c01.mp4"].still


def test_the_strip_shows_five_frames_side_by_side(source: dataset.Dataset) -> None:
    found = facts.gather(source)["slide/v_slide_g01_c01.mp4"]
    strip = cv2.imread(str(found.strip))
    assert strip is not None and strip.shape[0] == facts.STRIP_HEIGHT and strip.shape[1] % facts.STRIP_FRAMES == 0
    width = strip.shape[1] // facts.STRIP_FRAMES
    brightest = [int(strip[:, i * width : (i + 1) * width].sum(axis=(0, 2)).argmax()) for i in range(5)]
    assert brightest == sorted(brightest) and brightest[0] < brightest[-1]  # the square slides to the right


def test_looks_are_those_by_which_groups_are_guessed(source: dataset.Dataset) -> None:
    relative = "rise/v_rise_g02_c01.mp4"
    mine = facts.gather(source)[relative].looks
    theirs = groups.looks(source.root / relative, video.probe(source.root / relative))
    assert all((a ^ b).bit_count() <= 3 for a, b in zip(mine, theirs, strict=True))


def test_what_was_found_is_kept_until_the_file_changes(
    source: dataset.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert facts.known(source) == {} and facts.stamp(source) == (0, 0)
    found = facts.gather(source)
    assert facts.known(source) == found and facts.stamp(source) != (0, 0)
    asked: list[str] = []
    read = video.read
    monkeypatch.setattr(video, "read", lambda path, at, **size: (asked.append(path.name), read(path, at, **size))[1])
    facts.gather(source)
    assert asked == []
    os.utime(source.root / "odd" / "black_g01_.mp4", ns=(1, 1))
    found["rise/v_rise_g01_c01.mp4"].strip.unlink()
    assert len(facts.known(source)) == len(found) - 2
    facts.gather(source)
    assert sorted(asked) == ["black_g01_.mp4", "v_rise_g01_c01.mp4"]


def test_a_clip_that_broke_since_is_left_out_and_not_tried_again(source: dataset.Dataset) -> None:
    (source.root / "odd" / "black_g01_.mp4").write_bytes(b"no video any more")
    (source.root / "odd" / "lively_g03_.mp4").unlink()
    seen: list[tuple[int, int]] = []
    found = facts.gather(source, progress=lambda done, total: seen.append((done, total)))
    assert len(found) == len(source.clips) - 2
    assert seen[0] == (0, 14) and seen[-1] == (14, 14)
    facts.gather(source, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (14, 14) and seen[-2] == (14, 14) and len(seen) == 16


def test_cancelling_keeps_what_was_found(source: dataset.Dataset) -> None:
    asked = iter([False, False, False, True])
    found = facts.gather(source, cancelled=lambda: next(asked))
    assert len(found) == 3 and facts.known(source) == found
    assert len(facts.gather(source)) == len(source.clips)


def test_a_broken_line_costs_that_line_only(source: dataset.Dataset) -> None:
    found = facts.gather(source)
    file = next(iter(found.values())).strip.parent / "facts.jsonl"
    lines = file.read_text().split("\n")
    whole = [line for line in lines if line]
    file.write_text("\n".join([*whole[:-1], whole[-1][: len(whole[-1]) // 2]]))  # killed in the middle of a line
    assert len(facts.known(source)) == len(found) - 1
    with file.open("a") as more:
        more.write('\n[]\n{"a": 1}\n"text"\n' + json.dumps([1, "odd", 1, 2, {"unknown": 3}]))
    assert facts.gather(source) == found  # what is added comes after the half line, not onto it
    assert facts.known(source) == found


FINE = {"brightness": 0.5, "motion": 0.1, "sharpness": 0.1, "still": False, "black": False, "looks": ["1"] * 3,
        "people": None}  # fmt: skip


@pytest.mark.parametrize("figures", [
    "x", 5, [1], True, {}, FINE | {"brightness": "x"}, FINE | {"brightness": float("nan")}, FINE | {"motion": None},
    FINE | {"sharpness": 1e300}, FINE | {"still": "no"}, FINE | {"black": 1}, FINE | {"looks": ["1"]},
    FINE | {"looks": ["f" * 17] * 3}, FINE | {"looks": ["-1"] * 3}, FINE | {"looks": [1]}, FINE | {"people": "2"},
    FINE | {"people": -1}, FINE | {"more": 1},
], ids=lambda figures: json.dumps(figures)[:70])  # fmt: skip
def test_a_foreign_line_counts_for_nothing(source: dataset.Dataset, figures: object) -> None:
    relative = "slide/v_slide_g01_c01.mp4"
    store, stamps = facts._Store(source.root), facts._stamps(source)
    strip = store.strip(relative, stamps[relative])
    strip.parent.mkdir(parents=True)
    strip.write_bytes(b"")
    file = strip.parent / "facts.jsonl"
    file.write_text("[" * 100_000 + "\n" + json.dumps([1, relative, *stamps[relative], figures]))
    assert facts.known(source) == {}
    file.write_text(json.dumps([1, relative, *stamps[relative], FINE]))
    assert facts.known(source)[relative].looks == (1, 1, 1)


def test_people_are_counted_when_asked_for(source: dataset.Dataset, bright: Any) -> None:
    assert facts.count_people(source, ["slide/v_slide_g01_c01.mp4"], bright) == {}  # nobody has looked at it yet
    facts.gather(source)
    wanted = ["slide/v_slide_g01_c01.mp4", "odd/black_g01_.mp4"]
    found = facts.count_people(source, wanted, bright)
    assert [found[relative].people for relative in wanted] == [1, 0]
    looked = bright.looked
    assert facts.count_people(source, wanted, bright) == facts.known(source)
    assert bright.looked == looked


def test_whoever_is_killed_loses_seconds_only(source: dataset.Dataset, own_workspace: Path) -> None:
    """A child that looks at clips is killed without notice: what it had saved is there and whole."""
    code = (
        "import sys; from pathlib import Path; from har_core import dataset, facts\n"
        "facts._SAVE_SECONDS = 0.0\n"
        "facts.gather(dataset.read(Path(sys.argv[1])), progress=lambda done, total: print(done, flush=True))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(source.root)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 3:
            child.send_signal(signal.SIGKILL)
            break
    child.wait(30)
    found = facts.known(source)
    assert 2 <= len(found) <= len(source.clips)
    assert all(cv2.imread(str(one.strip)) is not None for one in found.values())
    assert len(facts.gather(source)) == len(source.clips)
