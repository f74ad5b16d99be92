"""The picture of the clips that are being learnt: what it holds, how often it is drawn, what it costs."""

from pathlib import Path

import numpy as np
import pytest

from har_core import glimpses
from har_core.glimpses import Caption, Glimpses
from har_core.images import read_jpeg

ROW = (Caption("wave/걷기.mp4", "wave", "run"), np.full((6, 32, 32, 3), 250, np.uint8))
SHORT = (Caption("run/a.mp4", "run", "run"), np.full((2, 112, 112, 3), 10, np.uint8))


class Clock:
    """Goes on by `step` with each look at it."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 100.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_the_picture_says_what_its_rows_are(tmp_path: Path) -> None:
    assert glimpses.read(tmp_path) is None
    Glimpses(tmp_path).show(7, lambda: [ROW, SHORT])
    seen = glimpses.read(tmp_path)
    assert seen is not None and (seen.epoch, seen.frames) == (7, 6) and seen.captions == (ROW[0], SHORT[0])
    rgb = read_jpeg(tmp_path / glimpses.FILE)
    assert rgb.shape == (2 * 98, 6 * 98, 3), "any reader of pictures reads it"
    assert rgb[40, 40].min() > 240 and rgb[140, 140].max() < 20
    assert abs(int(rgb[140, 500].mean()) - 128) < 8, "a short clip leaves its row empty"
    assert [path.name for path in tmp_path.iterdir()] == [glimpses.FILE]


def test_it_is_drawn_every_few_seconds(tmp_path: Path) -> None:
    clock, drawn = Clock(), []
    shown = Glimpses(tmp_path, clock=clock)
    for _ in range(100):
        clock.now += 0.1
        shown.show(1, lambda: drawn.append(clock.now) or [ROW])  # type: ignore[func-returns-value]
    assert len(drawn) == 5


def test_what_is_dear_is_drawn_seldom(tmp_path: Path) -> None:
    clock, spent = Clock(), 0.0

    def look() -> list[tuple[Caption, glimpses.Rgb]]:
        nonlocal spent
        clock.now, spent = clock.now + 0.5, spent + 0.5
        return [ROW]

    shown = Glimpses(tmp_path, clock=clock)
    for _ in range(6000):
        clock.now += 0.1
        shown.show(1, look)
    assert 0 < spent / (clock.now - 100) < 0.01


def test_a_full_disk_costs_the_picture_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Glimpses(tmp_path)
    shown.show(1, lambda: [ROW])
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    Glimpses(tmp_path).show(2, lambda: [ROW])
    seen = glimpses.read(tmp_path)
    assert seen is not None and seen.epoch == 1
    Glimpses(tmp_path / "gone").show(1, lambda: [ROW])
    Glimpses(tmp_path).show(3, list)


@pytest.mark.parametrize("said", [
    '{"epoch": Infinity, "frames": 1, "captions": []}', "[" * 9000,
    '{"epoch": 1, "frames": 1, "captions": [{"clip": 1, "action": "a", "said": "b"}]}',
    '{"epoch": 1, "frames": 1, "captions": [{"clip": "\\ud800", "action": "a", "said": "b"}]}',
], ids=lambda said: said[:40])  # fmt: skip
def test_a_foreign_comment_is_none(tmp_path: Path, said: str) -> None:
    start = b"\xff\xd8\xff\xfe" + (len(said) + 2).to_bytes(2, "big")
    (tmp_path / glimpses.FILE).write_bytes(start + said.encode())
    assert glimpses.read(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xfe\x00\x04{}", b"\xff\xd8\xff\xfe\x00"])
def test_another_picture_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / glimpses.FILE).write_bytes(content)
    assert glimpses.read(tmp_path) is None
