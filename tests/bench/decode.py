"""How long 20 frames of a clip take, side by side: python tests/bench/decode.py CLIP... [--rounds N]

The ways take turns, so that whatever else the machine does hits all of them alike. Medians in ms.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from har_core import video
from har_core.values import Rgb
from har_core.video import decode

FRAMES, SIZE = 20, 112


def resized(rgb: Rgb) -> Rgb:
    small: Rgb = cv2.resize(rgb, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return small


def isolated(path: Path, instants: list[float]) -> list[Rgb]:
    return [resized(rgb) for _, rgb in video.read(path, instants)]


def isolated_small(path: Path, instants: list[float]) -> list[Rgb]:
    return [resized(rgb) for _, rgb in video.read(path, instants, longest_side=2 * SIZE)]


def in_process(path: Path, instants: list[float]) -> list[Rgb]:
    return [resized(rgb) for _, rgb in decode.read(path, instants, longest_side=1920)]


def opencv_seeks(path: Path, instants: list[float]) -> list[Rgb]:
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    frames = []
    for instant in instants:
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(instant * rate))
        fine, bgr = capture.read()
        if fine:
            frames.append(resized(bgr[..., ::-1]))
    capture.release()
    return frames


def opencv_one_pass(path: Path, instants: list[float]) -> list[Rgb]:
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    wanted = [int(instant * rate) for instant in instants]
    frames, number = [], -1
    for target in wanted:
        while number < target and capture.grab():
            number += 1
        fine, bgr = capture.retrieve()
        if fine:
            frames.append(resized(bgr[..., ::-1]))
    capture.release()
    return frames


WAYS: dict[str, Callable[[Path, list[float]], list[Rgb]]] = {
    "worker process": isolated,
    f"worker, {2 * SIZE} px": isolated_small,
    "in this process": in_process,
    "cv2, seek each": opencv_seeks,
    "cv2, one pass": opencv_one_pass,
}


def measure(path: Path, rounds: int) -> None:
    properties = video.probe(path)
    instants = ((np.arange(FRAMES) + 0.5) * properties.seconds / FRAMES).tolist()
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(rounds + 1):
        for name, way in WAYS.items():
            begin = time.perf_counter()
            frames = way(path, instants)
            if turn:  # the first round warms up
                taken[name].append((time.perf_counter() - begin) * 1000)
            if len(frames) != FRAMES:
                print(f"  {name} gave {len(frames)} frames")
    print(f"{path.name}: {properties}")
    for name, times in taken.items():
        print(f"  {name:16} {statistics.median(times):8.1f} ms   (best {min(times):.1f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    for clip in arguments.clips:
        measure(clip, arguments.rounds)
