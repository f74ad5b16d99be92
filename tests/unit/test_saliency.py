"""Which moments and places an answer rests on, where that is known beforehand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from har_core import saliency
from har_core.batches import pack_embeddings
from har_core.checkpoint import Card, load
from har_core.config import ClipSpec, NetworkConfig
from har_core.errors import ConfigError
from har_core.images import heat
from har_core.network import GRID, ActionNetwork
from har_core.prediction import Predictor
from har_core.saliency import Looked, Moments, Sight
from har_core.values import Prediction, VideoProperties

CLASSES = ("left", "right")
ACTIONS = ("blink", "rise", "slide")
"""Of the tiny model."""
SPEC = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)
PROPERTIES = VideoProperties(2.0, 10.0, 20, 64, 48, "h264")


def looked(
    embeddings: NDArray[np.float32], windows: NDArray[np.intp], pictures: NDArray[np.uint8] | None = None
) -> Looked:
    number = len(embeddings)
    rgb = np.zeros((number, 32, 32, 3), np.uint8) if pictures is None else pictures
    shown = tuple((i, rgb[i]) for i in range(0, number, 4))
    return Looked(PROPERTIES, np.arange(number) / 8, rgb, embeddings, windows, shown)


def by_first_number(clips: Sequence[NDArray[np.float32]]) -> list[Prediction]:
    """Goes by the mean of each embedding's first number: large is left, small is right."""
    chances = [1 / (1 + np.exp(-float(clip[:, 0].mean()))) for clip in clips]
    return [Prediction(np.array([chance, 1 - chance]), CLASSES) for chance in chances]


@pytest.fixture
def planted() -> Looked:
    """Moment 5 speaks for left, moment 14 against it; two windows that overlap."""
    embeddings = np.zeros((20, 512), np.float32)
    embeddings[5, 0], embeddings[14, 0] = 9.0, -6.0
    return looked(embeddings, np.stack([np.arange(12), np.arange(8, 20)]))


@pytest.mark.parametrize("neighbours", [0, 1])
def test_the_moments_that_were_planted_are_found(planted: Looked, neighbours: int) -> None:
    found = saliency.moments(by_first_number, planted, "left", neighbours=neighbours)
    assert found.effects.shape == (20,)
    assert abs(int(found.effects.argmax()) - 5) <= neighbours
    assert abs(int(found.effects.argmin()) - 14) <= neighbours
    far = [tick for tick in range(20) if min(abs(tick - 5), abs(tick - 14)) > neighbours]
    assert np.abs(found.effects[far]).max() < 0.3 * found.effects.max()


def test_what_speaks_for_one_action_speaks_against_the_other(planted: Looked) -> None:
    left, right = (saliency.moments(by_first_number, planted, action) for action in CLASSES)
    assert left.probability == pytest.approx(1 - right.probability)
    np.testing.assert_allclose(left.effects, -right.effects, atol=1e-9)


def test_a_moment_counts_in_every_window_that_holds_it() -> None:
    embeddings = np.zeros((20, 512), np.float32)
    embeddings[10, 0] = 5.0
    found = saliency.moments(
        by_first_number, looked(embeddings, np.stack([np.arange(12), np.arange(8, 20)])), "left", neighbours=0
    )
    assert found.hidden[10] == pytest.approx(0.5)  # hidden in one of them alone it would still be seen in the other


def test_certainty_has_an_end() -> None:
    found = Moments("left", 1.0, np.array([1.0, 0.5, 0.0]))
    assert np.isfinite(found.effects).all() and found.effects[0] == 0


def test_a_clip_of_one_picture_has_no_moments_to_tell_apart() -> None:
    found = saliency.moments(by_first_number, looked(np.ones((1, 512), np.float32), np.array([[0]])), "left")
    assert found.effects.tolist() == [0.0]


def test_an_action_that_the_model_does_not_know_is_refused(planted: Looked) -> None:
    with pytest.raises(ConfigError, match=r"must know the action 'jump'.*left, right"):
        saliency.moments(by_first_number, planted, "jump")


def only_the_upper_left_corner_counts() -> ActionNetwork:
    """One place of 4 x 4 is read, and what all features add up to there speaks for the first class."""
    network = ActionNetwork(
        NetworkConfig(weights="none", embedding="grid", motion="off", lstm_layers=0, lstm_size=8), 2
    ).eval()
    assert network.places is not None
    with torch.no_grad():
        network.places.weight.zero_()
        network.places.weight[0] = 1.0
        network.head.weight.zero_()
        network.head.bias.zero_()
        network.head.weight[0, 0] = 1.0  # of channel 0 the place (0, 0)
    return network


def sight_of(network: ActionNetwork) -> Sight:
    return Sight(network, Card(CLASSES, SPEC, network.config))


@pytest.fixture
def pictures() -> Looked:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 128, 128, 3), np.uint8)
    return looked(np.zeros((6, 512), np.float32), np.array([[0, 1, 2, 3], [2, 3, 4, 5]]), rgb)


def test_only_the_place_that_drives_the_answer_lights_up(pictures: Looked) -> None:
    torch.manual_seed(0)
    network = only_the_upper_left_corner_counts()
    places = sight_of(network).places(pictures, "left")
    assert places.shape == (6, GRID, GRID)
    assert places.min() >= 0 and places.max() == 1
    elsewhere = places.copy()
    elsewhere[:, 0, 0] = 0
    assert places[:, 0, 0].min() > 0 and not elsewhere.any()
    # Pictures 2 and 3 are in both windows, the others in one: so they count twice.
    assert places[2:4, 0, 0].mean() > 1.5 * places[[0, 1, 4, 5], 0, 0].mean()


def test_gradients_averaged_over_the_picture_would_light_up_where_nothing_is_read(pictures: Looked) -> None:
    """Why this is not Grad-CAM to the letter."""
    torch.manual_seed(0)
    network = only_the_upper_left_corner_counts()
    features = torch.nn.Sequential(*list(network.backbone.children())[:-2])
    rgb = torch.from_numpy(pictures.pictures.transpose(0, 3, 1, 2).copy())
    maps = features((rgb.float() - network.mean) / network.std).detach().requires_grad_(True)
    logits = network.classify(pack_embeddings([network.embed(maps.flatten(1))]).packed)
    (gradients,) = torch.autograd.grad(logits[0, 0], maps)
    averaged = torch.relu((gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1))
    assert averaged[:, 3, 3].min() > 0  # the opposite corner, which nobody reads


def test_where_it_looks_depends_on_what_it_has_learned(pictures: Looked) -> None:
    """The sanity check of Adebayo et al. 2018: random weights must not give the same picture."""
    torch.manual_seed(0)
    network = only_the_upper_left_corner_counts()
    before = sight_of(network).places(pictures, "left")
    torch.nn.init.normal_(network.head.weight)
    after = sight_of(network).places(pictures, "left")
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] < 0.5
    assert not np.allclose(after, sight_of(network).places(pictures, "right"))


def test_the_clip_is_seen_as_the_predictor_sees_it(tiny: Path, tiny_model: Path) -> None:
    predictor, clip = Predictor(tiny_model, runtime="torch"), tiny / "rise" / "v_rise_g04_c01.mp4"
    seen = saliency.look(predictor, clip, shown=3)
    examined = predictor.examine(clip)
    assert len(seen.seconds) == examined.frames and len(seen.shown) == 3
    assert all(picture.startswith(b"\xff\xd8") for picture in seen.thumbnails())
    for action in ACTIONS:
        found = saliency.moments(predictor.engine.classify, seen, action)
        mean = examined.prediction.probabilities[ACTIONS.index(action)]
        assert found.probability == pytest.approx(float(mean), abs=1e-6)


def test_gradients_go_through_the_same_network(tiny: Path, tiny_model: Path) -> None:
    predictor, clip = Predictor(tiny_model, runtime="torch"), tiny / "rise" / "v_rise_g04_c01.mp4"
    seen, sight = saliency.look(predictor, clip), Sight.load(tiny_model)
    network, _ = load(tiny_model)
    rgb = torch.from_numpy(seen.pictures.transpose(0, 3, 1, 2).copy())
    with torch.inference_mode():
        maps = sight._features((rgb.float() - network.mean) / network.std)
        ours = network.embed(network.backbone.avgpool(maps).flatten(1)).numpy()
    np.testing.assert_allclose(ours, seen.embeddings, atol=1e-4)
    places = sight.places(seen, "rise")
    assert len(places) == len(seen.seconds) and np.isfinite(places).all()
    assert len(saliency.overlays(seen, places)) == len(seen.shown)
    with pytest.raises(ConfigError, match="must know the action"):
        sight.places(seen, "jump")


def test_the_glow_lies_where_the_square_lies_over_the_picture() -> None:
    wide = np.full((90, 160, 3), 120, np.uint8)  # in the square there are 35 rows of padding above and below
    strength = np.zeros((4, 4), np.float32)
    strength[1, 3] = 1.0  # right, just above the middle
    glowing = heat(wide, strength).astype(int).sum(axis=2)
    row, column = np.unravel_index(int(glowing.argmax()), glowing.shape)
    assert column > 110 and row < 50
    assert heat(wide, np.zeros((4, 4), np.float32)).max() < 120  # dim where nothing is
    assert (wide == 120).all()
