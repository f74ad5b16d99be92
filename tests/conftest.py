"""What the tests share: a workspace of their own, a few tiny clips and a network that has learned nothing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import har_core  # noqa: F401  # sets the environment before anything heavy is imported
from har_core.config import ClipSpec, NetworkConfig
from har_core.values import Rgb

ACTIONS = ("blink", "rise", "slide")
GROUPS = ("g01", "g02", "g03", "g04")
SPEC = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")
SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the workspace of whoever runs it."""
    monkeypatch.setenv("HAR_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


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
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights for the tiny data set; g04 validates. Not to be changed: copy it."""
    import torch

    from har_core import checkpoint
    from har_core.network import ActionNetwork

    torch.manual_seed(0)
    config = NetworkConfig(weights="none", lstm_size=16)
    network = ActionNetwork(config, len(ACTIONS))
    split = {
        name: [os.path.join(a, f"v_{a}_{g}_c01.mp4") for a in ACTIONS for g in GROUPS if (g == "g04") == held]  # noqa: PTH118  # as cards hold them
        for name, held in (("train", False), ("validation", True))
    }
    folder = tmp_path_factory.mktemp("model") / "tiny"
    checkpoint.save(folder, network, checkpoint.Card(ACTIONS, SPEC, config, windows=2, split=split))
    return folder
