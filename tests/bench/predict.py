"""How fast long videos are analysed, beside what tutorials do, and how much memory that takes.

    python tests/bench/predict.py CLIP [CLIP ...] --model MODEL [--seconds 30] [--rounds 3] [--minutes 60]

The clips, of one or two people, are put into a film of 640 x 480 at 30 frames a second. In one run, alternating:

- ours, whole picture: `analyse`, from the file to segments;
- ours, per person: with people found, followed and analysed, nothing kept from before;
- tutorials: the same windows, but each decodes its frames and encodes all of them again (same encoder);
- cv2 seeking: each tick's frame by `CAP_PROP_POS_FRAMES`, each encoded once.

The slow ways look at a part of the film only; their figure is scaled. `--minutes` writes a film of that length and of
one minute, and tells the highest memory of the process that analyses each, without those that decode.
"""

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from har_core import video
from har_core.analysis import analyse
from har_core.images import fit, resize
from har_core.prediction import Predictor
from har_core.sampling import count
from har_core.spotting import hop
from har_core.values import Rgb

SIZE_WH, RATE = (640, 480), 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="*")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", type=float, default=6.0, help="seconds of the film that the slow ways look at")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="instead: memory for a film of one minute and of this"
    )
    parser.add_argument("--people", action="store_true", help="of --minutes: with people")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)  # the process whose memory is told
    given = parser.parse_args()
    if given.one:
        return _one(given)
    with tempfile.TemporaryDirectory() as folder:
        if given.minutes:
            return _memory(given, Path(folder))
        return _speed(given, Path(folder))


def _speed(given: argparse.Namespace, folder: Path) -> None:
    predictor = Predictor(given.model)
    film = folder / "film.mp4"
    video.write(film, _film(given.clips, given.seconds), frames_per_second=RATE)
    warm = folder / "warm.mp4"
    video.write(warm, _film(given.clips, 2.0), frames_per_second=RATE)
    analyse(predictor, warm, people=True)
    ways: dict[str, Callable[[], float]] = {
        "ours, whole picture": lambda: _ours(predictor, film, people=False),
        "ours, per person": lambda: _ours(predictor, film, people=True),
        "tutorials: every window decoded and encoded anew": lambda: _tutorial(predictor, film, given.part),
        "cv2 seeking for each frame, encoded once": lambda: _seeking(predictor, film, given.part),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, way in ways.items():
            rates[name].append(way())
    people = analyse(predictor, film, people=True).people
    looked = sum(lane.stop - lane.start for lane in people) / given.seconds
    print(
        f"{given.seconds:.0f} s of {SIZE_WH[0]} x {SIZE_WH[1]} at {RATE}/s, {looked:.1f} people in view, "
        f"{given.model.name}"
    )
    slowest = statistics.median(rates["tutorials: every window decoded and encoded anew"])
    for name, values in rates.items():
        rate = statistics.median(values)
        print(
            f"{name:50} {rate:7.2f} x real time  ({min(values):.2f}-{max(values):.2f})  "
            f"{rate / slowest:6.1f} x tutorials"
        )


def _film(clips: list[Path], seconds: float) -> Iterator[Rgb]:
    """The clips one after the other, again and again, each in the whole picture."""
    left = round(seconds * RATE)
    for clip in itertools.cycle(clips):
        number = min(left, max(1, int(video.probe(clip).seconds * RATE)))
        for _, rgb in video.read(clip, np.arange(number) / RATE, longest_side=640):
            scale = min(SIZE_WH[0] / rgb.shape[1], SIZE_WH[1] / rgb.shape[0])
            small = resize(rgb, (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)))
            canvas = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
            top, begin = (SIZE_WH[1] - small.shape[0]) // 2, (SIZE_WH[0] - small.shape[1]) // 2
            canvas[top : top + small.shape[0], begin : begin + small.shape[1]] = small
            yield canvas
        left -= number
        if not left:
            return


def _ours(predictor: Predictor, film: Path, *, people: bool) -> float:
    film.touch()  # what was kept of people belongs to the file as it was
    begun = time.perf_counter()
    analyse(predictor, film, people=people)
    return video.probe(film).seconds / (time.perf_counter() - begun)


def _windows(predictor: Predictor, film: Path, part: float) -> list[np.ndarray]:
    spec = predictor.card.clip
    length = count(np.inf, spec)
    ticks = int(min(part, video.probe(film).seconds) * spec.frames_per_second)
    return [np.arange(b, b + length) / spec.frames_per_second for b in range(0, max(1, ticks), hop(spec))]


def _tutorial(predictor: Predictor, film: Path, part: float) -> float:
    windows = _windows(predictor, film, part)
    begun = time.perf_counter()
    for window in windows:
        pictures = [fit(rgb, predictor.card.clip.size) for _, rgb in video.read(film, window)]
        predictor.engine.classify([predictor.engine.encode(np.stack(pictures))])
    covered = len(windows) * hop(predictor.card.clip) / predictor.card.clip.frames_per_second
    return covered / (time.perf_counter() - begun)


def _seeking(predictor: Predictor, film: Path, part: float) -> float:
    spec = predictor.card.clip
    ticks = np.arange(int(part * spec.frames_per_second)) / spec.frames_per_second
    begun = time.perf_counter()
    capture = cv2.VideoCapture(str(film))
    pictures = []
    for seconds in ticks:
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(seconds * RATE))
        _, bgr = capture.read()
        pictures.append(fit(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), spec.size))
    embeddings = predictor.engine.encode(np.stack(pictures))
    length, step = min(len(ticks), count(np.inf, spec)), hop(spec)
    predictor.engine.classify([embeddings[b : b + length] for b in range(0, len(ticks) - length + 1, step)])
    capture.release()
    return part / (time.perf_counter() - begun)


def _memory(given: argparse.Namespace, folder: Path) -> None:
    short = folder / "short.mp4"
    video.write(short, _film(given.clips, 60.0), frames_per_second=RATE)
    long = folder / "long.mp4"
    _repeat(short, long, round(given.minutes))
    for film in (short, long):
        command = [sys.executable, __file__, "--model", str(given.model), "--one", str(film)]
        child = subprocess.run(command + ["--people"] * given.people, capture_output=True, text=True, check=True)
        told = json.loads(child.stdout.splitlines()[-1])
        print(
            f"{told['seconds'] / 60:5.1f} min: {told['before']:5.0f} MB before, {told['highest']:5.0f} MB at the "
            f"highest, {told['seconds'] / told['took']:.1f} x real time, {told['segments']} segments, "
            f"{told['people']} people",
            flush=True,
        )


def _repeat(film: Path, out: Path, times: int) -> None:
    """The same packets again and again: no hour has to be encoded."""
    import av

    with av.open(str(film)) as source, av.open(str(out), "w") as written:
        packets = [p for p in source.demux(video=0) if p.size]
        stream = written.add_stream_from_template(source.streams.video[0])
        length = max(p.pts + p.duration for p in packets)
        content = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in packets]
        for turn in range(times):
            for data, pts, dts, key in content:
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.is_keyframe = pts + turn * length, dts + turn * length, key
                packet.time_base, packet.stream = source.streams.video[0].time_base, stream
                written.mux(packet)


def _one(given: argparse.Namespace) -> None:
    predictor = Predictor(given.model)
    if given.people:
        _ = predictor.detector
    predictor.engine.encode(np.zeros((32, predictor.card.clip.size, predictor.card.clip.size, 3), np.uint8))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    found = analyse(predictor, given.one, people=given.people)
    took = time.perf_counter() - begun
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"before": before, "highest": highest, "seconds": found.properties.seconds, "took": took}
    told |= {"segments": sum(len(lane.segments) for lane in found.lanes), "people": len(found.people)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
