"""How far forecasts are off: forecast a run, train it, compare. Also what the picture of the frames in training costs.

python tests/bench/forecast.py FOLDER... [--epochs 60] [--freeze-epochs 40]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from har_core import dataset, runs, speed, workspace
from har_core import forecast as forecasts
from har_core.config import TrainConfig
from har_core.events import EpochEnded, Started
from har_core.forecast import Length
from har_core.glimpses import EVERY_SECONDS
from har_core.sampling import propose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--freeze-epochs", type=int, default=40)
    given = parser.parse_args()
    for folder in given.folders:
        config = TrainConfig(dataset=str(folder.resolve()), epochs=given.epochs, freeze_epochs=given.freeze_epochs)
        one(folder, config)


def one(folder: Path, config: TrainConfig) -> None:
    source = dataset.read(folder)
    parts = dataset.split(source.clips, validation_fraction=config.validation_fraction)
    lengths = {
        clip.path: Length(p.seconds, p.frames_per_second, p.width * p.height)
        for clip, p in zip(source.clips, source.properties, strict=True)
    }
    train, check = ([lengths[clip.path] for clip in part] for part in (parts.train, parts.validation))
    spec = propose([length.seconds for length in train], size=config.size)
    work = forecasts.count_work(train, check, spec, config, stored=0.0)
    known = speed.known() or speed.measure_apart()
    expected = forecasts.forecast(work, config, known)
    begun = time.time()
    run = runs.start(config, workspace() / "runs", name=folder.name)
    while run.alive():
        time.sleep(0.5)
    took = time.time() - begun
    events = run.events()
    started = next(event for event in events if isinstance(event, Started))
    epochs = [event for event in events if isinstance(event, EpochEnded)]
    held, moving = (sum(e.seconds for e in epochs if e.frozen == frozen) for frozen in (True, False))
    said = forecasts.in_words(expected.least, expected.most)
    inside = "inside" if expected.least <= took <= expected.most else "OUTSIDE"
    print(
        f"{folder.name}: forecast {said} ({expected.least:.0f} to {expected.most:.0f} s), took {took:.0f} s: {inside}"
    )
    print(
        f"  {len(epochs)} epochs; begin {started.at - begun:.0f}, held {held:.0f}, learning {moving:.0f} s", flush=True
    )


def glimpse_cost() -> None:
    """Milliseconds of one picture of three clips."""
    import numpy as np

    from har_core.augment import Augmenter
    from har_core.config import AugmentConfig
    from har_core.glimpses import CLIPS, FRAMES, Caption, Glimpses

    frames = np.random.default_rng(0).integers(0, 255, (FRAMES, 128, 128, 3), np.uint8)
    vary = Augmenter(AugmentConfig(), 112)
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(20):
            begun = time.perf_counter()
            rows = [(Caption("clip.mp4", "wave", "run"), vary(frames, seed=seed + i)) for i in range(CLIPS)]
            Glimpses(Path(folder)).show(1, lambda rows=rows: rows)  # type: ignore[misc]
            spent.append(time.perf_counter() - begun)
    median = sorted(spent)[len(spent) // 2]
    print(f"frames in training: {median * 1000:.1f} ms each, at most every {EVERY_SECONDS:g} s: "
          f"{100 * median / EVERY_SECONDS:.2f} % of the time")  # fmt: skip


if __name__ == "__main__":
    glimpse_cost()
    main()
