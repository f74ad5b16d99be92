"""Finds people in a picture with YOLO. No state: any number of streams may share one detector."""

import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from har_core import machine, weights, workspace
from har_core.config import LiveConfig
from har_core.errors import CheckpointError
from har_core.images import resize
from har_core.values import Detections, Rgb

PERSON = 0
"""The class of people in COCO, and the only one of our own weights."""
_GREY = 114
_STRIDE = 32
Infer = Callable[[NDArray[np.float32]], object]
"""Pixels float32 `(1, 3, H, W)`, 0 to 1, to what YOLO gives: `(1, 4 + classes, anchors)`, array or tensor."""
_UNSURE = 0.1
"""Boxes down to this confidence are given: a tracker uses the weak ones to keep a person, never to begin one."""


class Detects(Protocol):
    """What finds people."""

    identity: str
    """Changes when it may find other people in the same picture."""

    def detect(self, rgb: Rgb) -> Detections:
        """The people in a picture, uint8 `(H, W, 3)`."""


def load(choice: str = "auto", config: LiveConfig | None = None) -> "Detector | None":
    """The detector of that name or path, ready and warm; None where there is none or none is wanted.

    Raises:
        CheckpointError: the weights asked for by name or path are not there or are damaged.
    """
    path = weights.find_detector(choice)
    return None if path is None else Detector(path, config or LiveConfig())


class Detector:
    """YOLO, people only: through OpenVINO on the CPU, torch on CUDA and MPS."""

    def __init__(self, path: Path, config: LiveConfig) -> None:
        import torch  # heavy, as ultralytics is

        self.name = path.name.removesuffix("_openvino_model").removesuffix(".pt")
        self.identity = weights.detector_identity(path)
        self._config = config
        self._lock = threading.Lock()  # its inference request is one
        fast = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else ""
        size = _STRIDE * round(config.detector_size / _STRIDE)
        try:
            if path.suffix == ".pt" and not fast:
                path = _exported(path, size)
            self._infer, (height, width) = _torch(path, fast, size) if path.suffix == ".pt" else _openvino(path, size)
            self._size_wh = (width, height)
            self.detect(np.zeros((height, width, 3), np.uint8))
        except (OSError, RuntimeError, ValueError, StopIteration, AttributeError, TypeError) as error:
            # OpenVINO says first where in its own source it failed.
            lines = [
                line for line in str(error).splitlines() if line.strip() and not line.startswith("Exception from ")
            ]
            reason = lines[0].strip() if lines else type(error).__name__
            raise CheckpointError(
                f"The detector {path.name} cannot be used: {reason[:200]}. Remove {path} and fetch it again, "
                "or go without a detector."
            ) from None

    def detect(self, rgb: Rgb) -> Detections:
        """The people in a picture, uint8 `(H, W, 3)`, the surest first, at most `most_people` of them.

        Among them are weak ones, down to a confidence of 0.1; see `Tracker`.
        """
        import torch
        from ultralytics.utils.nms import non_max_suppression

        picture, scale, left, top = _letterbox(rgb, self._size_wh)
        pixels = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        with self._lock, torch.inference_mode():
            raw = torch.as_tensor(self._infer(pixels))
            (found,) = non_max_suppression(
                raw, _UNSURE, self._config.iou, classes=[PERSON], max_det=self._config.most_people
            )
        rows = found.cpu().numpy()
        boxes = (rows[:, :4] - (left, top, left, top)) / scale
        return _inside(boxes.astype(np.float32), rows[:, 4].astype(np.float32), rgb.shape)


def _openvino(folder: Path, size: int) -> tuple[Infer, tuple[int, int]]:
    """What an export says of a picture, and the height and width that it wants: `size` where it takes any."""
    import openvino

    core = openvino.Core()
    model = core.read_model(next(folder.glob("*.xml")))
    if model.input(0).partial_shape.is_dynamic:
        model.reshape([1, 3, size, size])
    request = core.compile_model(model, "CPU", machine.OPENVINO).create_infer_request()
    _, _, height, width = model.input(0).shape

    def infer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        raw: NDArray[np.float32] = request.infer([pixels])[0]
        return raw

    return infer, (height, width)


def _torch(path: Path, device: str, size: int) -> tuple[Infer, tuple[int, int]]:
    """The same of PyTorch weights, on a GPU."""
    import torch
    from ultralytics.nn.autobackend import AutoBackend

    backend: Any = AutoBackend(str(path), device=torch.device(device), fp16=False, verbose=False)

    def infer(pixels: NDArray[np.float32]) -> object:
        raw = backend(torch.from_numpy(pixels).to(device))
        return raw[0] if isinstance(raw, (list, tuple)) else raw

    return infer, (size, size)


def _letterbox(rgb: Rgb, size_wh: tuple[int, int]) -> tuple[Rgb, float, int, int]:
    """The picture in the middle of a grey one of that size; with its scale and where its corner is."""
    height, width = rgb.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size_wh[0] - inner[0]) // 2, (size_wh[1] - inner[1]) // 2
    boxed = np.full((size_wh[1], size_wh[0], 3), _GREY, np.uint8)
    boxed[top : top + inner[1], left : left + inner[0]] = resize(rgb, inner)
    return boxed, scale, left, top


def _inside(boxes: NDArray[np.float32], confidence: NDArray[np.float32], shape: tuple[int, ...]) -> Detections:
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, shape[1])
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, shape[0])
    real = np.all(boxes[:, 2:] - boxes[:, :2] >= 1, axis=1) & np.isfinite(boxes).all(axis=1)
    return Detections(boxes[real], np.clip(confidence[real], 0, 1))


def _exported(weights_file: Path, size: int) -> Path:
    """The OpenVINO twin of a .pt file, made once for each size and kept."""
    from ultralytics.models import YOLO

    folder = workspace() / "cache" / "detectors"
    exported = folder / f"{weights_file.stem}_{size}_openvino_model"
    if not exported.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        # ultralytics writes beside its file, and traces with what torch calls deprecated
        with tempfile.TemporaryDirectory(dir=folder) as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shutil.copy(weights_file, scratch)
            made = YOLO(str(Path(scratch) / weights_file.name)).export(format="openvino", imgsz=size, verbose=False)
            Path(made).replace(exported)
    return exported
