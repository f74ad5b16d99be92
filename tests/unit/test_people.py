"""Who is where in a file: found once, kept, and asked for at any instant."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_core import people, video
from har_core.config import LiveConfig
from har_core.errors import VideoError
from har_core.people import People, follow, looks
from har_core.values import Detections, Rgb


def picture(number: int, *, large: bool = True, small: bool = True) -> Rgb:
    """A large square that stands and a small one that goes right, 100 x 80."""
    rgb = np.full((80, 100, 3), 60, np.uint8)
    if large:
        rgb[20:60, 10:40] = 250
    if small:
        rgb[5:17, 45 + number : 57 + number] = 250
    return rgb


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "two.mp4"
    video.write(path, (picture(n) for n in range(40)), frames_per_second=20)
    return path


def found(box: tuple[float, ...], *, seconds: list[float], row: list[int]) -> People:
    """One person in a picture of any size, at some of the instants."""
    number = len(row)
    return People(
        2.0, np.array(seconds), np.array(row), np.ones(number, np.int64),
        np.array([[left + 0.1 * r for left in box] for r in row], np.float32).reshape(-1, 4),
        np.ones(number, np.float32), np.zeros((number, 4), np.float32),
    )  # fmt: skip


def test_everybody_is_followed(film: Path, bright: Any) -> None:
    seen = follow(film, bright)
    assert seen.tracks == (1, 2) and seen.length == pytest.approx(2.0)
    assert bright.looked == len(seen.seconds) == 20, "ten times a second, whatever the film's rate"
    assert seen.seconds == pytest.approx(np.arange(20) / 10)
    assert seen.xyxy.min() >= 0 and seen.xyxy.max() <= 1
    for track in seen.tracks:
        assert seen.span(track) == (0.0, pytest.approx(2.0))


def test_the_main_person_is_the_large_one(film: Path, bright: Any, tmp_path: Path) -> None:
    seen = follow(film, bright)
    assert seen.main is not None
    box = seen.box(seen.main, 1.0, (100, 80))
    assert box == pytest.approx([10, 20, 40, 60], abs=1.5)
    brief = tmp_path / "brief.mp4"
    video.write(brief, (picture(n, large=n < 6) for n in range(40)), frames_per_second=20)
    seen = follow(brief, bright)
    assert seen.box(seen.main or 0, 1.0, (100, 80))[0] > 50, "but not when hardly seen"


def test_boxes_follow_and_scale(film: Path, bright: Any) -> None:
    seen = follow(film, bright)
    (small,) = set(seen.tracks) - {seen.main}
    for seconds in (0.5, 1.0, 1.53, 1.95):
        for scale in (1, 3):
            box = seen.box(small, seconds, (100 * scale, 80 * scale))
            left = 45 + int(seconds * 20)
            assert box == pytest.approx(scale * np.array([left, 5, left + 12, 17]), abs=2.5 * scale)
            here = seen.at(seconds, (100 * scale, 80 * scale))
            assert sorted(here.ids.tolist()) == [1, 2] and here.seconds == seconds
            assert np.allclose(here.xyxy[here.ids == small][0], box, atol=1e-3)


def test_nobody_before_or_where_nobody_is(tmp_path: Path, bright: Any) -> None:
    path = tmp_path / "comes.mp4"
    video.write(path, (picture(n, large=10 <= n < 30, small=False) for n in range(40)), frames_per_second=20)
    seen = follow(path, bright)
    (track,) = seen.tracks
    start, stop = seen.span(track)
    assert 0.5 <= start <= 0.7 and 1.4 <= stop <= 1.8
    for seconds in (-1.0, 0.0, 0.4, 1.8):
        assert len(seen.at(seconds, (100, 80))) == 0
    assert len(seen.at(1.0, (100, 80))) == 1
    for seconds in (0.0, 0.4, 1.0, 1.9, 50.0):
        assert seen.box(track, seconds, (100, 80)) == pytest.approx([10, 20, 40, 60], abs=2)


def test_boxes_inside_gaps_are_the_nearest() -> None:
    seen = found((0, 0, 0.1, 0.1), seconds=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], row=[1, 5, 6])
    at = {s: round(float(seen.box(1, s, (100, 100))[0])) for s in (0.0, 0.1, 0.19, 0.29, 0.31, 0.45, 0.5, 0.58, 0.9)}
    assert at == {0.0: 10, 0.1: 10, 0.19: 10, 0.29: 10, 0.31: 50, 0.45: 50, 0.5: 50, 0.58: 50, 0.9: 60}


def test_nobody(tmp_path: Path, bright: Any) -> None:
    path = tmp_path / "empty.mp4"
    video.write(path, (picture(n, large=False, small=False) for n in range(10)), frames_per_second=10)
    for seen in (follow(path, bright, cache=tmp_path / "kept"), follow(path, bright, cache=tmp_path / "kept")):
        assert seen.tracks == () and seen.main is None and len(seen.at(0.5, (64, 48))) == 0
        assert seen.xyxy.shape == (0, 4)
    whole = list(video.read(path, [0.0, 0.5]))
    for people_of in (None, seen):
        shown = list(looks(iter(whole), people_of, None))
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(shown, whole, strict=True))


def test_looks_are_around_the_person(film: Path, bright: Any) -> None:
    seen = follow(film, bright)
    for _, rgb in looks(video.read(film, [0.2, 1.0, 1.9]), seen, seen.main):
        assert rgb.shape[0] == pytest.approx(40 * 1.3, abs=3) and rgb.shape[1] == pytest.approx(30 * 1.3, abs=3)
        assert rgb[20:30, 15:25].min() > 200


def same(one: People, other: People) -> bool:
    return one.length == other.length and all(
        np.array_equal(getattr(one, name), getattr(other, name)) and
        getattr(one, name).dtype == getattr(other, name).dtype for name in people.FIELDS
    )  # fmt: skip


def test_what_was_found_is_kept(film: Path, bright: Any, tmp_path: Path) -> None:
    first = follow(film, bright, cache=tmp_path / "kept")
    looked = bright.looked
    assert same(first, follow(film, bright, cache=tmp_path / "kept")) and bright.looked == looked
    assert [f.suffix for f in (tmp_path / "kept").iterdir()] == [".npz"], "and nothing beside it"
    follow(film, bright, LiveConfig(confidence=0.5), cache=tmp_path / "kept")
    assert bright.looked == 2 * looked, "other settings find others"
    bright.identity = "another"
    follow(film, bright, cache=tmp_path / "kept")
    assert bright.looked == 3 * looked
    film.write_bytes(film.read_bytes() + b"\0")
    follow(film, bright, cache=tmp_path / "kept")
    assert bright.looked == 4 * looked, "another file"
    assert same(follow(film, bright), first), "without a folder nothing is kept"


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no archive", "half", "poor", "changed"])
def test_a_broken_file_is_made_again(film: Path, bright: Any, content: bytes | str, tmp_path: Path) -> None:
    first = follow(film, bright, cache=tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    whole = kept.read_bytes()
    if content == "poor":
        with kept.open("wb") as file:
            np.savez(file, length=2.0, seconds=np.arange(3))
    elif content == "changed":
        kept.write_bytes(whole[:700] + b"\xff" * 8 + whole[708:])
    else:
        kept.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    looked = bright.looked
    assert same(follow(film, bright, cache=tmp_path / "kept"), first) and bright.looked > looked
    looked = bright.looked
    follow(film, bright, cache=tmp_path / "kept")
    assert bright.looked == looked


def test_a_folder_that_cannot_be_written_costs_looking_again(film: Path, bright: Any, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file is in the way")
    assert same(follow(film, bright, cache=tmp_path / "kept"), follow(film, bright))


def test_large_pictures_are_looked_at_small(tmp_path: Path) -> None:
    sizes = set()

    class Sizes:
        name = "sizes"

        def detect(self, rgb: Rgb) -> Detections:
            sizes.add(rgb.shape)
            return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))

    path = tmp_path / "large.mp4"
    video.write(path, (np.zeros((720, 1280, 3), np.uint8) for _ in range(3)), frames_per_second=10)
    follow(path, Sizes())
    assert sizes == {(360, 640, 3)}


def test_what_is_no_film(tmp_path: Path, bright: Any) -> None:
    with pytest.raises(VideoError, match="none"):
        follow(tmp_path / "none.mp4", bright, cache=tmp_path)
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(VideoError, match="text"):
        follow(tmp_path / "text.mp4", bright, cache=tmp_path)


@pytest.mark.parametrize("number", [1, 2])
def test_a_film_of_a_picture_or_two(tmp_path: Path, bright: Any, number: int) -> None:
    path = tmp_path / "one.mp4"
    video.write(path, [picture(0)] * number, frames_per_second=10)
    seen = follow(path, bright)
    assert seen.main is not None and seen.span(seen.main) == (0.0, pytest.approx(number / 10))
    assert seen.box(seen.main, 0.0, (100, 80)) == pytest.approx([10, 20, 40, 60], abs=1)


def test_a_full_disk_leaves_nothing_behind(
    film: Path, bright: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Any, **_: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    cache = tmp_path / "cache"
    assert follow(film, bright, cache=cache).tracks
    assert list(cache.iterdir()) == []
