"""Pictures into squares, without cutting or stretching."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_core.images import PADDING, cut, fit, jpeg, resize, shrink


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(32, 96))
def test_fit_fills_a_square_with_the_whole_picture(height: int, width: int, size: int) -> None:
    rgb = np.full((height, width, 3), (250, 10, 10), np.uint8)
    square = fit(rgb, size)
    assert square.shape == (size, size, 3) and square.dtype == np.uint8
    shown = (square == (250, 10, 10)).all(axis=2)
    assert (square[~shown] == PADDING).all()
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    assert shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    # The longest side fills the square, the shape is kept to a pixel, the picture is centred.
    assert max(len(rows), len(columns)) == size
    assert len(rows) == pytest.approx(height * size / max(height, width), abs=1)
    assert len(columns) == pytest.approx(width * size / max(height, width), abs=1)
    assert abs(int(rows[0]) - (size - 1 - int(rows[-1]))) <= 1
    assert abs(int(columns[0]) - (size - 1 - int(columns[-1]))) <= 1


def test_a_picture_that_fits_is_not_touched() -> None:
    rgb = picture(48, 48)
    assert np.array_equal(fit(rgb, 48), rgb)
    assert resize(rgb, (48, 48)) is rgb


def test_resize_averages_when_it_shrinks() -> None:
    rgb = picture(40, 60)
    blocks = rgb.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(resize(rgb, (30, 20)) - blocks).max() <= 1
    assert resize(rgb, (120, 80)).shape == (80, 120, 3)


def test_shrink_never_enlarges() -> None:
    assert shrink(picture(40, 60), 100).shape == (40, 60, 3)
    assert shrink(picture(40, 60), 30).shape == (20, 30, 3)
    assert shrink(picture(2, 600), 30).shape == (1, 30, 3)


def test_jpeg_keeps_red_red() -> None:
    encoded = jpeg(np.full((16, 16, 3), (200, 30, 60), np.uint8)[:, ::-1])
    assert encoded[:2] == b"\xff\xd8"
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(bgr[8, 8].astype(int) - (60, 30, 200)).max() < 5


def test_cut_is_the_box_made_larger_inside_the_picture() -> None:
    rgb = picture(100, 200)
    box = np.array([50, 20, 90, 60], np.float32)
    assert np.array_equal(cut(rgb, box, expand=0), rgb[20:60, 50:90])
    assert np.array_equal(cut(rgb, box, expand=0.5), rgb[10:70, 40:100])
    assert np.shares_memory(cut(rgb, box, expand=0.5), rgb), "a view, no copy"
    assert np.array_equal(cut(rgb, np.array([-30, -10, 20, 10], np.float32), expand=0), rgb[:10, :20])
    assert np.array_equal(cut(rgb, np.array([180, 90, 260, 130], np.float32), expand=0), rgb[90:, 180:])


sides = st.floats(-500, 500, width=32)


@given(st.integers(1, 40), st.integers(1, 40), sides, sides, sides, sides, st.floats(0, 2))
def test_any_box_cuts_something(height: int, width: int, x0: float, y0: float, x1: float, y1: float, by: float) -> None:
    rgb = picture(height, width)
    part = cut(rgb, np.array([x0, y0, x1, y1], np.float32), expand=by)
    assert 1 <= part.shape[0] <= height and 1 <= part.shape[1] <= width and part.dtype == np.uint8
