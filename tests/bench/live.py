"""How fast live recognition is, beside the loop of the tutorials and each idea added to it, one at a time.

    python tests/bench/live.py CLIP --detector FOLDER_OR_NAME --model MODEL --rounds 3

CLIP shows one person; films of 640 x 480 with 1, 2 and 4 people are made of it. The tutorials' loop: YOLO in
eager torch at 640 px on every second frame, then ResNet18 at 224 px in eager torch over the last 20 crops of
everybody at every frame. Its own YOLO has no weights, which costs the same time; the boxes come from the detector.
The last row is `live --realtime`: frames come by the clock at 30 a second and are dropped when late.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_core import detection, headless, video
from har_core.config import LiveConfig
from har_core.engine import Engine
from har_core.images import cut, fit, resize
from har_core.live import LiveRecognizer
from har_core.values import Rgb

SIZE_WH = (640, 480)
LENGTH = 20


@dataclass(frozen=True)
class Loop:
    """Which of the ideas a loop uses."""

    name: str
    cached: bool = False
    openvino: bool = False
    detector: bool = False
    ticks: bool = False


LOOPS = (
    Loop("tutorial loop"),
    Loop("+ embeddings kept", cached=True),
    Loop("+ encoder through OpenVINO", cached=True, openvino=True),
    Loop("+ detector through OpenVINO", cached=True, openvino=True, detector=True),
    Loop("+ encoded at the model's rate only", cached=True, openvino=True, detector=True, ticks=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--people", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each loop and round")
    given = parser.parse_args()
    config = LiveConfig(view="person", detector=given.detector)
    detector = detection.load(given.detector, config)
    assert detector is not None, "a detector is needed"
    engine = Engine(given.model)
    eager = _Eager()
    with tempfile.TemporaryDirectory() as folder:
        for people in given.people:
            film = Path(folder) / f"{people}.mp4"
            video.write(film, _film(given.clip, people), frames_per_second=30)
            frames = [rgb for _, rgb in video.frames(film)]
            boxes = [detector.detect(rgb).xyxy[:people] for rgb in frames]
            print(f"{people} people: {np.mean([len(b) for b in boxes]):.2f} found in a frame", flush=True)
            rates: dict[str, list[float]] = {loop.name: [] for loop in LOOPS}
            ours: list[dict[str, float]] = []
            for _ in range(given.rounds):
                for loop in LOOPS:
                    rates[loop.name].append(_rate(loop, frames, boxes, eager, engine, detector, given.seconds))
                ours.append(_live(film, engine, detector, config, given.seconds))
            first = statistics.median(rates[LOOPS[0].name])
            for name, values in rates.items():
                rate = statistics.median(values)
                print(f"  {name:38} {rate:7.2f} fps  {rate / first:6.1f} x", flush=True)
            told = {key: statistics.median(o[key] for o in ours) for key in ours[0]}
            print(f"  {'ours, --realtime':38} {told['fps']:7.2f} fps  {told['fps'] / first:6.1f} x  {json.dumps(told)}",
                  flush=True)  # fmt: skip


def _film(clip: Path, people: int) -> Iterator[Rgb]:
    """The clip once, twice side by side, or four times in a square; each copy begins elsewhere in it."""
    pictures = [rgb for _, rgb in video.frames(clip, longest_side=640)]
    columns, rows = (1, 1) if people == 1 else (2, 1) if people == 2 else (2, 2)
    width, height = SIZE_WH[0] // columns, SIZE_WH[1] // rows
    for number in range(len(pictures)):
        canvas = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
        for place in range(people):
            rgb = pictures[(number + 40 * place) % len(pictures)]
            scale = min(width / rgb.shape[1], height / rgb.shape[0])
            small = resize(rgb, (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)))
            top, left = (place // columns) * height, (place % columns) * width
            canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        yield canvas


class _Eager:
    """YOLO11n, ResNet18 and an LSTM in eager torch, as tutorials run them. They have learned nothing."""

    def __init__(self) -> None:
        import torch
        from torchvision.models import resnet18
        from ultralytics.models import YOLO

        self.torch = torch
        self.yolo = YOLO("yolo11n.yaml", task="detect")
        self.resnet = resnet18(weights=None).eval()
        self.resnet.fc = torch.nn.Identity()
        self.lstm = torch.nn.LSTM(512, 256, batch_first=True).eval()

    def detect(self, rgb: Rgb) -> None:
        self.yolo.predict(rgb[..., ::-1], imgsz=640, verbose=False)

    def encode(self, crops: Rgb) -> np.ndarray:
        with self.torch.inference_mode():
            pixels = self.torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float() / 255
            return self.resnet(pixels).numpy()

    def read(self, embeddings: np.ndarray) -> None:
        with self.torch.inference_mode():
            self.lstm(self.torch.from_numpy(embeddings[None]))


def _rate(loop: Loop, frames, boxes, eager: _Eager, engine: Engine, detector, seconds: float) -> float:  # noqa: ANN001
    """Frames a second of one loop, after its buffers are full."""
    encode: Callable[[Rgb], np.ndarray] = _openvino_encoder(engine) if loop.openvino else eager.encode
    crops: list[deque[Rgb]] = [deque(maxlen=LENGTH) for _ in range(8)]
    kept: list[deque[np.ndarray]] = [deque(maxlen=LENGTH) for _ in range(8)]
    every = max(1, round(30 / engine.card.clip.frames_per_second)) if loop.ticks else 1
    done, begun = 0, 0.0
    for number in range(10_000):
        if number == LENGTH:
            done, begun = 0, time.perf_counter()
        if number > LENGTH and time.perf_counter() - begun > seconds:
            break
        rgb, found = frames[number % len(frames)], boxes[number % len(frames)]
        if number >= LENGTH and number % 2 == 0:
            (detector if loop.detector else eager).detect(rgb)
        cropped = [fit(cut(rgb, box, expand=0.3), 224) for box in found]
        if loop.cached and number % every == 0 and cropped:
            for buffer, embedding in zip(kept, encode(np.stack(cropped)), strict=False):
                buffer.append(embedding)
                eager.read(np.stack(buffer))
        elif not loop.cached:
            for buffer, crop in zip(crops, cropped, strict=False):
                buffer.append(crop)
                if number >= LENGTH:
                    eager.read(encode(np.stack(buffer)))
        done += 1
    return done / (time.perf_counter() - begun)


_compiled: dict[int, Callable[[Rgb], np.ndarray]] = {}


def _openvino_encoder(engine: Engine) -> Callable[[Rgb], np.ndarray]:
    """ResNet18 at 224 px through OpenVINO: the size is not the idea that is measured."""
    if 224 not in _compiled:
        import openvino
        import torch
        from torchvision.models import resnet18

        network = resnet18(weights=None).eval()
        network.fc = torch.nn.Identity()
        model = openvino.convert_model(network, example_input=torch.zeros(1, 3, 224, 224), input=[-1, 3, 224, 224])
        request = openvino.Core().compile_model(model, "CPU").create_infer_request()

        def encode(crops: Rgb) -> np.ndarray:
            pixels = np.ascontiguousarray(crops.transpose(0, 3, 1, 2)).astype(np.float32) / 255
            return np.array(next(iter(request.infer([pixels]).values())))

        _compiled[224] = encode
    return _compiled[224]


def _live(film: Path, engine: Engine, detector, config: LiveConfig, seconds: float) -> dict[str, float]:  # noqa: ANN001
    recognizer = LiveRecognizer(engine, detector, config, remember=True)
    told = headless.run(str(film), recognizer, realtime=True, loop=True, seconds=2 * seconds)
    recognizer.close()
    stages = {f"{name} ms": value["p50"] for name, value in told["milliseconds"].items()}
    return {"fps": told["fps"], "latency p50": told["latency_ms"]["p50"], "latency p95": told["latency_ms"]["p95"],
            "dropped": told["dropped"], "people": len(told["people"]), **stages}  # fmt: skip


if __name__ == "__main__":
    main()
