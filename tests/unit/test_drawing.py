"""What is drawn is where it belongs, is readable in any script, and costs little."""

import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from har_core import drawing
from har_core.drawing import colour_of, draw
from har_core.errors import ConfigError
from har_core.values import LiveView, Prediction, Reading, Rgb, Tracks

ACTIONS = ("wave", "run", "sit down", "punch")
PERSON = [200, 150, 320, 460]


def tracks(*boxes: list[float], ids: list[int] | None = None) -> Tracks:
    sides = np.array(boxes, np.float32).reshape(-1, 4)
    numbers = np.array(ids or range(1, len(sides) + 1), np.int64)
    return Tracks(0.0, sides, np.ones(len(sides), np.float32), numbers, np.zeros_like(sides))


def sure(*actions: str) -> Reading:
    """The first of the actions is the one."""
    shares = 0.5 ** np.arange(len(actions))
    return Reading("sure", actions[0], Prediction(shares / shares.sum(), actions))


def picture(height: int = 480, width: int = 640, value: int = 128) -> Rgb:
    return np.full((height, width, 3), value, np.uint8)


def changed(rgb: Rgb, drawn: Rgb) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what differs."""
    rows, columns = np.nonzero((rgb != drawn).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def share_of(rgb: Rgb, colour: tuple[int, int, int]) -> int:
    return int((rgb == colour).all(axis=2).sum())


def test_nobody_leaves_a_copy() -> None:
    rgb = picture()
    drawn = draw(rgb, LiveView())
    assert drawn is not rgb and not np.shares_memory(drawn, rgb)
    assert np.array_equal(drawn, rgb)


def test_the_input_is_kept_and_a_part_of_a_picture_will_do() -> None:
    whole = picture(960, 1280)
    whole.flags.writeable = False
    drawn = draw(whole[::2, ::-2], LiveView(tracks=tracks(PERSON), people={1: sure(*ACTIONS)}))
    assert drawn.shape == (480, 640, 3) and drawn.dtype == np.uint8 and drawn.flags.c_contiguous
    assert (whole == 128).all() and (drawn != 128).any()


def test_a_person_keeps_one_colour_and_neighbours_differ() -> None:
    box = LiveView(tracks=tracks(PERSON, ids=[5]), people={5: sure(*ACTIONS)})
    drawn = draw(picture(), box)
    assert tuple(drawn[459, 250]) == tuple(drawn[300, 200]) == colour_of(5)
    assert len({colour_of(track) for track in range(1, 8)}) == 7
    for one, other in pairwise(range(1, 30)):
        assert np.abs(np.subtract(colour_of(one), colour_of(other))).sum() > 150


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_plate_stands_out_from_any_picture(value: int) -> None:
    drawn = draw(picture(value=value), LiveView(tracks=tracks(PERSON), people={1: sure(*ACTIONS)}))
    plate = drawn[changed(picture(value=value), drawn)[1] : 150, 200:320]
    bright = plate.mean(axis=2)
    assert bright.max() > 200 and np.median(bright) < 110


def test_bars_are_highest_first_and_no_more_than_asked_for() -> None:
    view = LiveView(tracks=tracks(PERSON), people={1: sure(*ACTIONS)})
    tops = [changed(picture(), draw(picture(), view, top=top))[1] for top in (0, 2, 3, 4)]
    assert tops[0] > tops[1] > tops[2] > tops[3]
    blue = draw(picture(value=0), view, top=3)[:150, :, 2].astype(int) - draw(picture(value=0), view, top=3)[:150, :, 0]
    lengths = (blue > 40).sum(axis=1)
    assert lengths[tops[2] + 30] > lengths[tops[2] + 48] > lengths[tops[2] + 65] > 0


def test_collecting_fills_a_bar() -> None:
    def filled(collected: float) -> int:
        view = LiveView(tracks=tracks(PERSON), people={1: Reading("collecting", collected=collected)})
        return share_of(draw(picture(), view)[:150], colour_of(1))

    assert filled(0.0) < filled(0.5) < filled(1.0) == filled(7.0)
    assert filled(-1.0) == filled(float("nan")) == filled(0.0)


def test_each_stage_and_nothing_known_yet_look_different() -> None:
    probable = Prediction(np.array([0.3, 0.4, 0.2, 0.1]), ACTIONS)
    readings = [Reading("collecting", collected=0.5), Reading("unsure", prediction=probable), sure(*ACTIONS)]
    people = [{}, *({1: reading} for reading in readings)]
    drawn = [draw(picture(), LiveView(tracks=tracks(PERSON), people=each)).tobytes() for each in people]
    assert len(set(drawn)) == 4


def test_the_whole_picture_has_its_plate_in_a_corner() -> None:
    drawn = draw(picture(), LiveView(whole=sure(*ACTIONS)))
    left, upper, right, lower = changed(picture(), drawn)
    assert left < 10 and upper < 10 and right < 320 and lower < 160


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (120, 160), (480, 640), (1280, 720), (1080, 1920)])
@pytest.mark.parametrize("top", [0, 1, 3, 20])
def test_any_size_and_any_box_will_do(size: tuple[int, int], top: int) -> None:
    height, width = size
    boxes = [
        [-50, -50, width + 50, height + 50], [width - 1, height - 1, width, height], [0, 0, 1, 1],
        [-90, 5, 0.5, 50], [width / 2, -80, width / 2 + 9, 4], [-1e9, -1e9, 1e9, 1e9], [3, 3, 4, 4],
    ]  # fmt: skip
    view = LiveView(
        tracks=tracks(*boxes), people={n: sure("한국 " * 300, *ACTIONS) for n in range(1, 6)}, whole=sure("a")
    )
    drawn = draw(picture(height, width), view, top=top)
    assert drawn.shape == (height, width, 3)


def test_boxes_outside_or_without_numbers_are_left_out() -> None:
    nan = float("nan")
    view = LiveView(tracks=tracks([-90, 0, -1, 90], [640, 0, 700, 90], [9, 480, 90, 500], [nan] * 4, [nan, 0, 9, 9]))
    assert np.array_equal(draw(picture(), view), picture())


def test_plates_of_neighbours_do_not_cover_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[tuple[float, ...]] = []
    paint = drawing._paint

    def noted(*args: object) -> tuple[float, ...]:
        places.append(paint(*args))  # type: ignore[arg-type]
        return places[-1]

    monkeypatch.setattr(drawing, "_paint", noted)
    boxes = [[100.0 + 60 * n, 120.0 + n, 180.0 + 60 * n, 470.0] for n in range(4)]
    draw(picture(), LiveView(tracks=tracks(*boxes), people={n: sure(*ACTIONS) for n in range(1, 5)}))
    assert len(places) == 4
    for number, (x0, y0, x1, y1) in enumerate(places):
        assert 0 <= x0 < x1 <= 640 and 0 <= y0 < y1 <= 480
        for a0, b0, a1, b1 in places[:number]:
            assert x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0


def test_long_names_end_in_an_ellipsis() -> None:
    mask = drawing._fitted("a name that is too long " * 3, 16, 100)
    assert 80 < mask.shape[1] <= 100
    assert np.array_equal(mask[:, -12:], drawing._mask("a name that...", 16)[:, -12:])
    assert drawing._fitted("short", 16, 100) is drawing._mask("short", 16)


@pytest.mark.parametrize(
    "name", ["wave", "махать рукой", "κύμα", "손 흔들기", "걷기", "挥手", "揮手", "手を振る", "vẫy tay", "où?"]
)
def test_these_scripts_need_no_font_of_the_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_font_with", lambda chars: None)
    drawing._written.cache_clear()
    assert drawing._written(unicodedata.normalize("NFD", name), 3) == name
    letters = [drawing._opencv(char, 20).tobytes() for char in name if char not in " ?"]
    assert drawing._opencv("?", 20).tobytes() not in letters


def test_every_korean_syllable_is_there() -> None:
    assert all(drawing._built_in(chr(code)) for code in range(0xAC00, 0xD7A4, 7))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("👋 wave 🏃", "wave"), ("👋🏽", "action 3"), ("हाथ हिलाना", "action 3"), ("โบกมือ", "action 3"),
        ("يلوّح", "action 3"), ("wave\nright\x00\ud800", "wave right"), ("", "action 3"), ("\u200b", "action 3"),
    ],
)  # fmt: skip
def test_without_a_font_a_name_is_never_question_marks(name: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_font_files", tuple)
    for cached in (drawing._written, drawing._font_with):
        cached.cache_clear()
    try:
        assert drawing._written(name, 3) == shown
        view = LiveView(tracks=tracks(PERSON), people={1: sure(name, "run")})
        assert (draw(picture(), view) != 128).any()
    finally:
        for cached in (drawing._written, drawing._font_with):
            cached.cache_clear()


def test_arabic_is_joined_and_written_from_right_to_left() -> None:
    name = "يلوّح بيده"
    if drawing._font_with(frozenset(name + "...")) is None:
        pytest.skip("no font with Arabic letters on this machine")
    assert drawing._written(name, 1) == name
    joined, apart = drawing._mask(name, 30), drawing._opencv(name, 30)
    assert joined.any() and joined.shape[1] < apart.shape[1]


def test_a_damaged_font_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "bad.ttf").write_bytes(b"no font at all")
    assert not drawing._has(tmp_path / "bad.ttf", "a")


def test_what_it_refuses() -> None:
    with pytest.raises(ConfigError, match="at least 0, but got -1"):
        draw(picture(), LiveView(), top=-1)
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="a picture needs"):
            draw(bad, LiveView())  # type: ignore[arg-type]
