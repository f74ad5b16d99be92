"""Finding people: none where there is no detector, boxes inside the picture where there is one."""

import threading
from pathlib import Path

import cv2
import numpy as np
import openvino
import pytest

from har_core import detection, video, weights
from har_core.config import LiveConfig
from har_core.detection import Detector
from har_core.errors import CheckpointError
from har_core.values import Detections, Rgb


@pytest.fixture(scope="module")
def detector(yolo: Path) -> Detector:
    found = detection.load(str(yolo))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def people(yolo: Path) -> Rgb:
    """A real picture of people who walk."""
    path = yolo.parents[1] / "data" / "wild" / "people_walking.mp4"
    if not path.is_file():
        pytest.skip("the development clips are not beside the checkout")
    return next(rgb for _, rgb in video.read(path, [1.0]))


def checked(found: Detections, rgb: Rgb) -> Detections:
    height, width = rgb.shape[:2]
    assert found.xyxy.dtype == found.confidence.dtype == np.float32 and np.isfinite(found.xyxy).all()
    assert (found.xyxy >= 0).all() and (found.xyxy <= [width, height, width, height]).all()
    assert (found.xyxy[:, 2:] - found.xyxy[:, :2] >= 1).all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert (np.diff(found.confidence) <= 0).all(), "the surest first"
    return found


def test_no_detector_is_no_error(no_detector: None) -> None:
    assert detection.load("none") is None
    assert detection.load() is None


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="yolo11n"):
        detection.load("yolo11n")
    with pytest.raises(CheckpointError, match="nowhere"):
        detection.load(str(tmp_path / "nowhere"))


def test_a_damaged_detector_is_one_sentence(yolo: Path, tmp_path: Path) -> None:
    for what in ("xml", "bin"):
        folder = tmp_path / f"{what}_openvino_model"
        folder.mkdir()
        for file in yolo.iterdir():
            content = file.read_bytes()
            (folder / file.name).write_bytes(content[:100] if file.suffix == f".{what}" else content)
        with pytest.raises(CheckpointError, match="cannot be used") as error:
            detection.load(str(folder))
        assert "\n" not in str(error.value)


def test_people_are_found(detector: Detector, people: Rgb) -> None:
    found = checked(detector.detect(people), people)
    assert (found.confidence > 0.5).sum() >= 2
    assert detector.name == "yolo11n_int8"
    again = detector.detect(people)
    assert np.array_equal(found.xyxy, again.xyxy), "no state"
    few = Detector(Path(detection.weights.find_detector(str(_folder(detector))) or ""), LiveConfig(most_people=2))
    assert len(few.detect(people)) == 2


def _folder(detector: Detector) -> Path:
    return Path(__file__).parents[2].parent / "shared" / "weights" / f"{detector.name}_openvino_model"


def test_boxes_are_those_of_the_picture_at_any_size(detector: Detector, people: Rgb) -> None:
    """Where the letterbox puts the picture must not show."""
    best = detector.detect(people)
    sure = best.xyxy[best.confidence > 0.6]
    height, width = people.shape[:2]
    for size_wh in ((width // 2, height // 2), (width, height * 2), (width * 2, height)):
        rgb = cv2.resize(people, size_wh, interpolation=cv2.INTER_AREA)
        scale = np.array([size_wh[0] / width, size_wh[1] / height] * 2)
        found = checked(detector.detect(rgb), rgb).xyxy / scale
        near = [np.abs(found - box).max(axis=1).min() < 0.06 * max(height, width) for box in sure]
        assert np.mean(near) > 0.6
    padded = np.zeros((height + 200, width, 3), np.uint8)
    padded[200:] = people
    moved = checked(detector.detect(padded), padded).xyxy - [0, 200, 0, 200]
    near = [np.abs(moved - box).max(axis=1).min() < 0.05 * height for box in sure]
    assert np.mean(near) > 0.6


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (700, 2), (48, 64), (480, 640), (1080, 1920)])
def test_any_picture_will_do(detector: Detector, shape: tuple[int, int]) -> None:
    for rgb in (np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8)):
        assert len(checked(detector.detect(rgb), rgb)) <= 20
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    checked(detector.detect(noise), noise)
    turned = np.asarray(noise.transpose(1, 0, 2)[::-1])
    checked(detector.detect(turned), turned)


def test_threads_share_it(detector: Detector, people: Rgb) -> None:
    pictures = [people, people[:, ::-1], np.zeros_like(people)]
    alone = [detector.detect(rgb).xyxy for rgb in pictures]
    wrong: list[int] = []

    def work(which: int) -> None:
        each = [detector.detect(pictures[which]).xyxy for _ in range(8)]
        wrong.extend(which for boxes in each if not np.array_equal(boxes, alone[which]))

    threads = [threading.Thread(target=work, args=(which,)) for which in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_export_that_takes_any_size_gets_the_one_of_the_settings(tmp_path: Path) -> None:
    model = openvino.Core().read_model(next(weights.entry("person").path.rglob("*.xml")))
    model.reshape([-1, 3, -1, -1])
    folder = tmp_path / "any_openvino_model"
    openvino.save_model(model, folder / "any.xml")
    found = Detector(folder, LiveConfig(detector_size=420))
    assert found._size_wh == (416, 416)
    checked(found.detect(np.zeros((48, 64, 3), np.uint8)), np.zeros((48, 64, 3), np.uint8))
