import numpy as np
import pytest

from har_core import curves, plots
from har_core.events import EpochEnded
from har_core.values import Prediction


@pytest.mark.parametrize("number", [2, 12, 40])
def test_every_cell_of_a_confusion_matrix_can_be_clicked(number: int) -> None:
    actions = [f"<b>action {i}" for i in range(number)]
    counts = np.diag(np.arange(number))  # the first action has no clips at all
    figure = plots.confusion(counts, actions, normalised=True)
    heatmap, cells = figure.data
    assert heatmap.z.shape == (number, number) and heatmap.z.max() == 1 and not np.isnan(heatmap.z).any()
    assert cells.customdata[number + 1] == [actions[1], actions[1]]  # row by row, and by its own name
    assert len(cells.x) == number**2
    assert "<b>" not in cells.text[0]


def test_the_bars_are_in_descending_order_with_percentages() -> None:
    prediction = Prediction(np.array([0.2, 0.7, 0.1]), ("run", "wave", "sit"))
    (bars,) = plots.top(prediction, 2, true="run").data
    assert list(bars.x) == [0.7, 0.2]
    assert [text.strip() for text in bars.text] == ["70.0%", "20.0%"]
    assert bars.marker.color[0] != bars.marker.color[1]


def test_curves_mark_the_best_epoch_and_shade_the_frozen_ones() -> None:
    epochs = [EpochEnded(e, 1, 0.5, 1, e / 4, 0, 1e-3, 1, e < 3, e != 3) for e in range(1, 4)]
    figure = curves.accuracies(epochs)
    star = figure.data[-1]
    assert (star.x[0], star.y[0]) == (2, 0.5)
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0.5, 2.5)
    assert not curves.losses(epochs[2:]).layout.shapes
    assert curves.learning_rates(epochs).data[1].y == (None, None, None)  # a frozen backbone has no rate to draw


def test_a_smoothed_curve_has_the_raw_one_behind_it() -> None:
    epochs = [EpochEnded(e, 1, 0.5, (e % 2) + 1, 0.5, 0, 1e-3, 1, True, False) for e in range(1, 30)]
    raw, smooth = curves.losses(epochs, smoothing=0.9).data[2:4]
    assert list(raw.y) == [e.validation_loss for e in epochs] and raw.opacity < 0.5
    assert max(smooth.y[10:]) - min(smooth.y[10:]) < 0.2 < max(raw.y) - min(raw.y)
    assert smooth.y[0] == raw.y[0], "it does not begin at zero"
    assert len(curves.losses(epochs).data) == 2


def test_a_film_has_a_picture_of_each_epoch() -> None:
    epochs = [
        EpochEnded(e, 1, 0.5, 1, 0.5, 0, 1e-3, 1, True, False, ((0, 0, e), (0, 1, 4 - e), (1, 1, 3), (7, 7, 1)))
        for e in range(1, 4)
    ]
    figure = curves.film([EpochEnded(1, 1, 0.5, 1, 0.5, 0, 1e-3, 1, True, False), *epochs], ["<b>run", "wave"])
    assert [frame.name for frame in figure.frames] == ["1", "2", "3"]
    assert [list(row) for row in figure.data[0].text] == [["3", "1"], ["", "3"]]
    assert [list(row) for row in figure.frames[0].data[0].z] == [[0.25, 0.75], [0, 1]]
    assert len(figure.layout.sliders[0].steps) == 3 and "<b>" not in str(figure.layout.xaxis.ticktext)


def test_windows_are_drawn_at_their_middle() -> None:
    one = Prediction(np.array([0.9, 0.1]), ("run", "wave"))
    lines = plots.over_time([(0.0, 2.0, one), (1.0, 3.0, one)], 5).data
    assert [line.name for line in lines] == ["run", "wave"]
    assert list(lines[0].x) == [1.0, 2.0]
