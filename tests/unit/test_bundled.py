"""What comes with the project: all of it there, small enough, whole, and honest about what it does not know."""

import json
from pathlib import Path

import numpy as np
import pytest

from har_core import PROJECT, checkpoint, detection, network, video, weights
from har_core.config import LiveConfig, NetworkConfig
from har_core.prediction import Predictor
from har_core.values import is_nothing

MODELS = PROJECT / "models"
ACTIONS = sorted(MODELS.glob("actions-*"))


def size(folder: Path) -> int:
    """Bytes of what is committed: an export that OpenVINO makes of a recogniser is not."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and f.parent.name != "openvino")


def test_all_of_it_is_small() -> None:
    assert size(MODELS) <= 120e6
    assert size(MODELS / "backbone") <= 25e6
    assert size(MODELS / "person") <= 8e6


@pytest.mark.parametrize("folder", [*ACTIONS, MODELS / "backbone", MODELS / "person"], ids=lambda f: f.name)
def test_each_has_a_card_with_scores_and_a_licence(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    assert card["licence"] and card["scores"]
    assert not any(word in json.dumps(card) for word in ("/work", "/tmp", "/home", "shared/"))


def test_there_are_three_recognisers() -> None:
    assert [folder.name for folder in ACTIONS] == ["actions-gestures", "actions-interaction", "actions-yoga"]


@pytest.mark.parametrize("folder", ACTIONS, ids=lambda f: f.name)
def test_a_recogniser_is_calibrated_and_knows_that_there_are_other_things(folder: Path, tmp_path: Path) -> None:
    card = checkpoint.read_card(folder)
    assert sum(map(is_nothing, card.classes)) == 1
    assert card.temperature != 1 and card.unsure_below > 1.5 / len(card.classes)
    assert card.calibration["fitted"] and card.calibration["others"] > 20
    told = card.scores["other things"]
    assert told["named"] <= 0.1 * told["clips"]
    assert card.limits.endswith("."), "whoever chooses it must know what it is not good for"
    assert card.scores["command"] and card.scores["curves"] and card.fingerprint
    assert len(card.scores["validation"]["confusion"]) == len(card.classes)
    grey = np.full((90, 120, 3), 128, np.uint8)
    video.write(tmp_path / "still.mp4", [grey] * 40, frames_per_second=10)
    assert not Predictor(folder).predict(tmp_path / "still.mp4").named, "nothing happens here"


def test_the_backbone_fills_a_resnet18() -> None:
    assert "models/backbone" in network.load_initial(network.ActionNetwork(NetworkConfig(), 2), "bundled")


def test_the_detector_is_the_choice_where_no_other_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAR_WORKSPACE", str(tmp_path))
    assert weights.find_detector("auto") == weights.find_detector("person")
    detector = detection.load("auto", LiveConfig())
    assert detector is not None
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    for nobody in (np.full((240, 320, 3), 90, np.uint8), noise):
        # Boxes of less confidence are for following somebody who is there already.
        assert not (detector.detect(nobody).confidence >= LiveConfig().confidence).any()
