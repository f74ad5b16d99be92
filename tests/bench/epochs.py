"""Seconds of preparing and of epochs 1 and 2, with and without the caches, backbone held and learning.

python tests/bench/epochs.py FOLDER --rounds 3
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

ROWS = {
    "learning, no cache": {"cache": False, "freeze_epochs": 0},
    "learning, cache": {"cache": True, "freeze_epochs": 0},
    "held, no cache": {"cache": False, "freeze_epochs": 2},
    "held, cache": {"cache": True, "freeze_epochs": 2},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ROWS}
    for _ in range(given.rounds):  # the rows in turn, so that a slow minute of the machine hits them alike
        for name, settings in ROWS.items():
            figures[name].append(_measure(given.folder, settings))
    print(f"{'':22}{'preparing':>10}{'epoch 1':>10}{'epoch 2':>10}   seconds, medians of {given.rounds}")
    for name, rows in figures.items():
        print(f"{name:22}" + "".join(f"{statistics.median(column):10.1f}" for column in zip(*rows, strict=True)))


def _measure(folder: Path, settings: dict[str, object]) -> tuple[float, float, float]:
    """A fresh workspace each time: nothing is cached from the round before."""
    from har_core.config import TrainConfig
    from har_core.events import EpochEnded, Started
    from har_core.training import train

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HAR_WORKSPACE"] = scratch
        config = TrainConfig.from_json({"dataset": str(folder), "epochs": 2, **settings})
        begun, prepared, epochs = time.monotonic(), 0.0, []
        for event in train(config, Path(scratch) / "run"):
            if isinstance(event, Started):
                prepared = time.monotonic() - begun
            if isinstance(event, EpochEnded):
                epochs.append(event.seconds)
    return prepared, epochs[0], epochs[1]


if __name__ == "__main__":
    main()
