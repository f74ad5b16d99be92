import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from har_core import video
from har_core.errors import ConfigError, DatasetError
from har_core.example import ACTIONS, PURPOSE, Actor, Variation, make, render
from har_core.example.motion import Manner, Pose, pose
from har_core.example.places import PLACES
from har_core.example.solids import Box, Camera, Canvas, Material, Solid, rotation
from har_core.values import Rgb

SIZE = (96, 72)
GREY = Material((0.5, 0.5, 0.5))


def actor() -> Actor:
    return Actor.drawn(0, np.random.default_rng(0))


def variation(seed: int = 1, place: str = "studio") -> Variation:
    return Variation.drawn(np.random.default_rng(seed), place=place)


def film(action: str, *, seed: int = 1, place: str = "studio", seconds: float = 2.0, rate: float = 4.0) -> Rgb:
    frames = render(action, actor(), variation(seed, place), seconds=seconds, frames_per_second=rate, size=SIZE)
    return np.stack(list(frames))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int]]]:
    calls: list[tuple[int, int]] = []
    folder = tmp_path_factory.mktemp("workspace") / "datasets" / "example"
    make(
        folder,
        actors=2,
        size=(64, 48),
        frames_per_second=2,
        workers=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    return folder, calls


def test_a_frame_is_rgb_of_the_size_asked_for() -> None:
    frames = film("wave", seconds=1.5)
    assert frames.shape == (6, 72, 96, 3)
    assert frames.dtype == np.uint8


def test_the_same_arguments_give_the_same_pixels_and_others_do_not() -> None:
    assert np.array_equal(film("punch", seconds=0.5), film("punch", seconds=0.5))
    assert not np.array_equal(film("punch", seconds=0.5), film("punch", seconds=0.5, seed=2))


@pytest.mark.parametrize("action", ACTIONS)
def test_the_figure_moves_and_the_place_stays(action: str) -> None:
    frames = film(action).astype(float)
    changed = np.abs(np.diff(frames, axis=0)).max(axis=(0, 3)) > 40
    assert 0.01 < changed.mean() < 0.6


def test_actions_look_different_with_all_else_equal() -> None:
    films = [film(action, rate=2.0) for action in ACTIONS]
    for i, one in enumerate(films):
        for other in films[:i]:
            assert np.abs(one.astype(float) - other).max(axis=-1).mean() > 2


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_a_picture_with_the_figure_in_it(place: str) -> None:
    (frame,) = film("wave", place=place, seconds=0.25)
    assert 40 < frame.mean() < 230
    assert frame.std() > 10


def test_unknown_actions_and_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="has the actions jumping_jack"):
        render("fly", actor(), variation(), seconds=1)
    with pytest.raises(ConfigError, match="32 to 4096 pixels"):
        render("wave", actor(), variation(), seconds=1, size=(8, 8))
    with pytest.raises(ConfigError, match="frames a second"):
        render("wave", actor(), variation(), seconds=1, frames_per_second=float("nan"))


def same(one: Pose, other: Pose) -> bool:
    return all(np.allclose(getattr(one, name), getattr(other, name)) for name in Pose.__dataclass_fields__)


def test_standing_up_is_sitting_down_backwards() -> None:
    manner = Manner(speed=1.1, phase=0.3, habit=0.6, mirrored=True)
    for at in np.linspace(0, 3, 13):
        assert same(pose("sit_down", at, manner, seconds=3), pose("stand_up", 3 - at, manner, seconds=3))
    first, last = (pose("sit_down", at, manner, seconds=3) for at in (0.0, 3.0))
    assert first.pelvis[1] > 0.5 > 0.35 > last.pelvis[1]


@pytest.mark.parametrize("action", ["wave", "sit_down", "stand_up"])
def test_feet_that_stand_do_not_slide(action: str) -> None:
    places = [pose(action, at, Manner(), seconds=3).ankles for at in np.linspace(0, 3, 9)]
    assert np.ptp(places, axis=0).max() == 0


def test_mirroring_twice_changes_nothing() -> None:
    once = pose("punch", 0.2, Manner(), seconds=3)
    assert same(once.mirrored().mirrored(), once)
    assert not same(once.mirrored(), once)


def camera() -> Camera:
    return Camera.looking(np.array([0.2, 1.0, 4.0]), np.array([0.0, 0.8, 0.0]), 80.0, (48, 48))


def seen_depth(shape: Solid | Box) -> np.ndarray:
    canvas = Canvas(camera())
    canvas.add([shape])
    return canvas.depth.reshape(48, 48)


@pytest.mark.parametrize("seed", range(6))
def test_a_swept_ball_is_hit_where_many_balls_along_it_would_be(seed: int) -> None:
    random = np.random.default_rng(seed)
    start, stop = random.uniform([-0.8, 0.2, -0.8], [0.8, 1.5, 0.8], (2, 3))
    radius, end_radius = random.uniform(0.1, 0.35, 2)
    axes, scale = (rotation(*random.uniform(-1, 1, 3)).T, (1.0, 0.6, 1.3)) if seed % 2 else (None, (1.0, 1.0, 1.0))
    depth = seen_depth(Solid(start, stop, radius, end_radius, GREY, axes, scale))

    u, v = np.broadcast_arrays(*camera().rays())
    stretch = (np.eye(3) if axes is None else axes) / np.array(scale)[:, None]
    ray = np.stack([u, v, np.ones_like(u)], -1) @ camera().turn @ stretch.T
    expected = np.full(u.shape, np.inf)
    for share in np.linspace(0, 1, 400):
        middle = stretch @ (start + share * (stop - start) - camera().position)
        a, b = (ray * ray).sum(-1), ray @ middle
        inside = b * b - a * (middle @ middle - (radius + share * (end_radius - radius)) ** 2)
        expected = np.where(inside > 0, np.minimum(expected, (b - np.sqrt(np.maximum(inside, 0))) / a), expected)
    both = np.isfinite(depth) & np.isfinite(expected)
    assert both.sum() > 50
    assert (np.isfinite(depth) != np.isfinite(expected)).mean() < 0.01
    assert np.abs(depth[both] - expected[both]).max() < 0.02


def test_a_box_is_hit_on_its_near_face() -> None:
    flat = Camera.looking(np.array([0.0, 0.5, 4.0]), np.array([0.0, 0.5, 0.0]), 60.0, (48, 48))
    canvas = Canvas(flat)
    canvas.add([Box(np.array([0.0, 0.5, 0.0]), np.array([0.5, 0.5, 0.5]), GREY)])
    depth = canvas.depth.reshape(48, 48)
    assert depth[24, 24] == pytest.approx(3.5, abs=1e-4)
    assert canvas.normal.reshape(48, 48, 3)[24, 24] == pytest.approx([0, 0, -1], abs=1e-4)
    assert np.isinf(depth[0, 0])


def test_the_folder_has_a_class_folder_for_each_action_and_lists_its_clips(
    made: tuple[Path, list[tuple[int, int]]],
) -> None:
    folder, calls = made
    assert len(ACTIONS) == 5
    assert {p.name for p in folder.iterdir()} == {*ACTIONS, "clips.csv", "README.md"}
    with (folder / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "action", "group"]
    assert {row["path"] for row in rows} == {p.relative_to(folder).as_posix() for p in folder.rglob("*.mp4")}
    for row in rows:
        assert re.fullmatch(rf"{row['action']}/v_{row['action']}_{row['group']}_c01\.mp4", row["path"])
    assert {(row["action"], row["group"]) for row in rows} == {(a, g) for a in ACTIONS for g in ("g01", "g02")}
    assert PURPOSE in (folder / "README.md").read_text()
    assert calls == [(done, 10) for done in range(11)]
    assert [p.name for p in folder.parent.iterdir()] == ["example"]


def test_the_clips_are_videos_of_two_to_four_seconds(made: tuple[Path, list[tuple[int, int]]]) -> None:
    properties = [video.probe(path) for path in sorted(made[0].rglob("*.mp4"))[::4]]
    assert {(p.width, p.height, p.codec) for p in properties} == {(64, 48, "h264")}
    assert all(2 - 0.5 <= p.seconds <= 4 + 0.5 for p in properties)
    assert len({p.seconds for p in properties}) > 1


def test_an_actor_keeps_the_looks_in_all_clips_and_differs_from_the_next() -> None:
    people = [Actor.drawn(number, np.random.default_rng([0, number])) for number in range(8)]
    assert people[3] == Actor.drawn(3, np.random.default_rng([0, 3]))
    assert len({(p.shirt, p.trousers, p.hair) for p in people}) == 8


def tiny(folder: Path, **settings: object) -> Path:
    return make(folder, **{"actors": 1, "size": (32, 32), "frames_per_second": 1, "workers": 0, **settings})  # type: ignore[arg-type]


def test_an_example_data_set_is_replaced(tmp_path: Path) -> None:
    tiny(tmp_path / "example", seed=1)
    (tmp_path / "example" / "wave" / "v_wave_g07_c01.mp4").touch()
    tiny(tmp_path / "example")
    assert len(list(tmp_path.rglob("*.mp4"))) == 5
    assert [p.name for p in tmp_path.iterdir()] == ["example"]


def foreign(folder: Path) -> Iterator[str]:
    folder.mkdir()
    (folder / "holiday.mp4").write_bytes(b"mine")
    yield "something other than an example"
    (folder / "README.md").write_text(PURPOSE)
    yield "holiday.mp4, which would be lost"


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    for message in foreign(folder):
        with pytest.raises(DatasetError, match=message):
            tiny(folder)
        assert (folder / "holiday.mp4").read_bytes() == b"mine"
    with pytest.raises(DatasetError, match="a folder of its own"):
        tiny(folder / "holiday.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["films"]


def test_a_run_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny(tmp_path / "example", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_other_processes_film_the_same(made: tuple[Path, list[tuple[int, int]]], tmp_path: Path) -> None:
    here = make(tmp_path / "example", actors=1, size=(64, 48), frames_per_second=2, workers=0)
    for path in here.rglob("*.mp4"):
        pictures = [video.read_frames(p, [0.0, 0.5, 1.0]).rgb for p in (path, made[0] / path.relative_to(here))]
        # The same pictures went in; the encoder may spend its bits in another way.
        assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 2


@pytest.mark.parametrize(
    ("answer", "told"), [("", "the process that filmed it ended"), ('"the disk is full"', "disk is full")]
)
def test_what_goes_wrong_in_a_process_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, told: str
) -> None:
    def broken(order: object) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-c", f"input(), print({answer!r}, end='')"], stdin=pipe, stdout=pipe, text=True
        )

    monkeypatch.setattr("har_core.example.folder._hire", broken)
    with pytest.raises(DatasetError, match=told):
        tiny(tmp_path / "example", workers=2)
    assert list(tmp_path.iterdir()) == []


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    for settings in ({"actors": 0}, {"clips_per_actor": 100}, {"seed": -1}, {"size": (8, 8)}, {"frames_per_second": 0}):
        with pytest.raises(ConfigError):
            tiny(tmp_path / "example", **settings)
    assert list(tmp_path.iterdir()) == []
