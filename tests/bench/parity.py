"""Whether a file and a live stream give the same answers, at 30, 15 and 10 frames a second.

    python tests/bench/parity.py FOLDER --model MODEL --detector FOLDER_OR_NAME --clips 40

For each clip the person who is seen longest, or the whole picture: how often Top-1 agrees between file prediction
and the live recogniser fed frame by frame, and how far apart their probabilities are at most.
"""

import argparse
from pathlib import Path

import numpy as np

from har_core import dataset, detection, video
from har_core.config import LiveConfig
from har_core.engine import Engine
from har_core.live import LiveRecognizer
from har_core.prediction import Predictor
from har_core.values import Prediction, Seen

RATES = (30.0, 15.0, 10.0)
"""Frames a second let through; 60 lets all of them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--view", choices=("frame", "person"), default="person")
    parser.add_argument("--clips", type=int, default=40)
    given = parser.parse_args()
    config = LiveConfig(view=given.view)
    detector = detection.load(given.detector, config) if given.view == "person" else None
    predictor = Predictor(given.model, detector=detector)
    clips = dataset.read(given.folder).clips
    chosen = [clips[i] for i in np.linspace(0, len(clips) - 1, min(given.clips, len(clips))).round().astype(int)]
    apart: dict[float, list[float]] = {rate: [] for rate in RATES}
    agree: dict[float, list[bool]] = {rate: [] for rate in RATES}
    for clip in chosen:
        if given.view == "frame":
            file: Prediction | None = predictor.predict(clip.path)
        else:
            file = _longest(predictor.everybody(clip.path))
        for rate in RATES:
            live = _live(clip.path, predictor.engine, detector, config, rate)
            if file is None or live is None:
                print(f"nobody in {clip.name} ({rate:g} fps): file {file is not None}, live {live is not None}")
                agree[rate].append(file is live)
                continue
            gap = float(np.abs(file.probabilities - live.probabilities).max())
            agree[rate].append(file.action == live.action)
            apart[rate].append(gap)
            if file.action != live.action or gap > 0.05:
                print(f"{clip.name} {rate:g} fps: {file.top(1)} {live.top(1)} {gap:.3f}", flush=True)
    for rate in RATES:
        print(f"{rate:4g} fps: Top-1 agrees on {sum(agree[rate])}/{len(agree[rate])}, apart: median "
              f"{np.median(apart[rate]):.3f}, 95 % {np.percentile(apart[rate], 95):.3f}, most {max(apart[rate]):.3f}; "
              f"within 0.05: {np.mean(np.array(apart[rate]) <= 0.05):.0%}")  # fmt: skip


def _live(path: Path, engine: Engine, detector, config: LiveConfig, rate: float) -> Prediction | None:  # noqa: ANN001
    """What the live road makes of a clip: of the person seen longest, or of the whole picture."""
    recognizer = LiveRecognizer(engine, detector, config, threaded=False, remember=True)
    due = 0.0
    for seconds, rgb in video.frames(path):
        if seconds >= due - 1e-6:
            recognizer.process(rgb, seconds)
            due += 1 / rate
    recognizer.flush()
    return _longest(recognizer.seen())


def _longest(seen: list[Seen]) -> Prediction | None:
    return max(seen, key=lambda s: s.stop - s.start).prediction if seen else None


if __name__ == "__main__":
    main()
