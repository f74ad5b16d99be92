"""What the tests share: a workspace of their own, a few tiny clips and a network that has learned nothing."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import har_core  # noqa: F401  # sets the environment before anything heavy is imported
from har_core.config import ClipSpec, NetworkConfig
from har_core.values import Detections, Rgb

ACTIONS = ("blink", "rise", "slide")
GROUPS = ("g01", "g02", "g03", "g04")
SPEC = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)
# Pictures of 32 pixels: more threads would only wait for one another. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")
SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the workspace of whoever runs it."""
    monkeypatch.setenv("HAR_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@pytest.fixture(autouse=True)
def no_dangling_signal_stack() -> None:
    """OpenVINO gives the thread that compiles a model a stack for signals; where another thread drops the model last,
    that stack is freed but stays set, and the next signal that a test sends to this process would end it."""

    class Stack(ctypes.Structure):
        _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))

    if sys.platform == "linux":
        ctypes.CDLL(None).sigaltstack(ctypes.byref(Stack(None, 2, 0)), None)  # 2: SS_DISABLE


@pytest.fixture(scope="session")
def shared_clips() -> Callable[[str], Path]:
    """A folder of real clips beside the checkout, by its name; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        folder = SHARED / name
        if not folder.is_dir():
            pytest.skip(f"the development clips {name} are not beside the checkout")
        return folder

    return find


def film(action: str, group: int, *, frames: int = 10) -> Iterator[Rgb]:
    """64 x 48 pixels of an action, told apart by colour and motion; the group changes light and size."""
    tint = {"blink": (150, 20, 20), "rise": (20, 150, 20), "slide": (20, 20, 150)}[action]
    side = 10 + group
    for number in range(frames):
        rgb = np.empty((48, 64, 3), np.uint8)
        rgb[:] = np.array(tint) + 8 * group
        at = number / max(1, frames - 1)
        if action != "blink" or number % 2:
            top, left = (round((47 - side) * (1 - at)), 20) if action == "rise" else (18, 22)
            left = round((63 - side) * at) if action == "slide" else left
            rgb[top : top + side, left : left + side] = 240
        yield rgb


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 3 actions by 4 people, one clip of 1 s each. Not to be changed: copy it."""
    from har_core import video

    root = tmp_path_factory.mktemp("tiny") / "clips"
    for action in ACTIONS:
        for number, group in enumerate(GROUPS, 1):
            video.write(root / action / f"v_{action}_{group}_c01.mp4", film(action, number), frames_per_second=10)
    return root


@pytest.fixture(scope="session")
def tiny_model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that knows the tiny actions; g04 validated it. Not to be changed: copy it.

    Nothing is trained: the LSTM is random, and the last layer is solved for on the clips of g01 to g03.
    """
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_sequence

    from har_core import checkpoint, video
    from har_core.images import fit
    from har_core.network import ActionNetwork, load_initial

    paths = {
        held: [f"{a}/v_{a}_{g}_c01.mp4" for a in ACTIONS for g in GROUPS if (g == "g04") == held]
        for held in (False, True)
    }
    torch.manual_seed(0)
    network = ActionNetwork(NetworkConfig(weights="bundled", lstm_size=16), len(ACTIONS)).eval()
    load_initial(network, "bundled")
    shown = [
        np.stack([fit(rgb, SPEC.size) for _, rgb in video.read(tiny / path, np.arange(8) / 8)]).transpose(0, 3, 1, 2)
        for path in paths[False]
    ]
    head, network.head = network.head, nn.Identity()  # type: ignore[assignment]  # gives what the head would be shown
    with torch.inference_mode():
        states = network(pack_sequence([torch.from_numpy(clip.copy()) for clip in shown]))
    states = torch.cat([states, torch.ones(len(states), 1)], dim=1)
    wanted = 3.0 * torch.eye(len(ACTIONS)).repeat_interleave(3, dim=0)
    solved = torch.linalg.solve(states.T @ states + 1e-3 * torch.eye(17), states.T @ wanted)
    head.weight.data, head.bias.data = solved[:-1].T.contiguous(), solved[-1]
    network.head = head
    folder = tmp_path_factory.mktemp("model") / "tiny"
    split = {"train": paths[False], "validation": paths[True], "test": []}
    checkpoint.save(folder, network, checkpoint.Card(ACTIONS, SPEC, network.config, windows=2, split=split))
    return folder


class Bright:
    """A detector that takes every bright patch for a person, on any machine: nothing learned, nothing random."""

    identity = "bright"

    def __init__(self) -> None:
        self.looked = 0

    def detect(self, rgb: Rgb) -> Detections:
        self.looked += 1
        if not rgb.size:
            raise ValueError("no picture")  # OpenCV would crash
        _, _, patches, _ = cv2.connectedComponentsWithStats((rgb.min(axis=2) > 200).astype(np.uint8))
        found = [(x, y, x + w, y + h) for x, y, w, h, area in patches[1:].tolist() if area > 8]
        return Detections(np.array(found, np.float32).reshape(-1, 4), np.full(len(found), 0.9, np.float32))


@pytest.fixture
def bright() -> Bright:
    """Finds the bright squares of `film`."""
    return Bright()


@pytest.fixture(scope="session")
def yolo() -> Path:
    """Real detector weights beside the checkout; the test is skipped where they are absent."""
    folder = SHARED.parent / "weights" / "yolo11n_int8_openvino_model"
    if not folder.is_dir():
        pytest.skip("the development weights of the detector are not beside the checkout")
    return folder


@pytest.fixture
def early(tmp_path: Path) -> Path:
    """4 s of noise whose table of contents comes first, so that what follows may be cut off or spoilt."""
    import av

    path = tmp_path / "early.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for rgb in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def spoilt(early: Path, tmp_path: Path) -> Path:
    """A film of which only the first third decodes."""
    whole = early.read_bytes()
    kept = whole.index(b"mdat") + (len(whole) - whole.index(b"mdat")) // 3
    (tmp_path / "spoilt.mp4").write_bytes(whole[:kept] + bytes(len(whole) - kept))
    return tmp_path / "spoilt.mp4"


@pytest.fixture
def small_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for ResNet18 where the network itself is not looked at: 512 numbers a picture, in no time."""
    from torch import Tensor, nn

    from har_core import network

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.out = nn.Conv2d(3, 8, 5, 4), network._BatchNorm(8), nn.Conv2d(8, 512, 1)
            self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Identity()

        def forward(self, pictures: Tensor) -> Tensor:
            features: Tensor = self.avgpool(self.out(self.norm(self.conv(pictures)).relu()))
            return features.flatten(1)

    monkeypatch.setattr(network, "resnet18", lambda **_: Small())


@pytest.fixture
def no_detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which nothing finds people: not even what comes with the project is there."""
    from har_core import weights

    there = weights.entries
    gone = tmp_path / "no detector"
    monkeypatch.setattr(
        weights, "entries", lambda: [replace(e, path=gone) if e.name == "person" else e for e in there()]
    )
