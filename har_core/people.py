"""Who is where in a file: people detected and followed once, then kept.

Training crops, per-person prediction and the pages ask the same; the live road does the same frame by frame.
"""

import contextlib
import hashlib
import math
import tempfile
import zipfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_core import video
from har_core.config import LiveConfig
from har_core.detection import Detects
from har_core.errors import VideoError
from har_core.images import cut
from har_core.tracking import Tracker
from har_core.values import Detections, Rgb, Tracks

EXPAND = LiveConfig().expand
LONGEST_SIDE = 640
"""px; people are looked for in a picture of at most this size, as cameras give it."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The people of one file, at the instants at which they were looked for.

    `seconds` float64 `(D,)`, rising: those instants. One row for each person at each: `row` int64 `(R,)` the
    index of its instant, `ids` int64 `(R,)`, `xyxy` float32 `(R, 4)` in shares of the picture's width and
    height, `confidence` float32 `(R,)`, `velocity` float32 `(R, 4)`, shares a second. `length` is the file's, s.
    """

    length: float
    seconds: NDArray[np.float64]
    row: NDArray[np.int64]
    ids: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    velocity: NDArray[np.float32]

    @property
    def tracks(self) -> tuple[int, ...]:
        """The ids of everybody, rising."""
        return tuple(np.unique(self.ids).tolist())

    @property
    def main(self) -> int | None:
        """The person whom the clip is about: large, surely seen and for long; None where there is nobody."""
        if not len(self.ids):
            return None
        size = np.sqrt(np.prod(np.clip(self.xyxy[:, 2:] - self.xyxy[:, :2], 0, None), axis=1)) * self.confidence
        weights = np.bincount(self.ids, weights=size)
        return int(np.argmax(weights))

    def span(self, track: int) -> tuple[float, float]:
        """From when to when a person was seen, `[start, stop)` seconds."""
        mine = self.row[self.ids == track]
        step = float(np.median(np.diff(self.seconds))) if len(self.seconds) > 1 else self.length
        return float(self.seconds[mine[0]]), min(self.length, float(self.seconds[mine[-1]]) + step)

    def at(self, seconds: float, size_wh: tuple[int, int]) -> Tracks:
        """Everybody in view at an instant, in px of a picture of that size."""
        scale = np.array([*size_wh, *size_wh], np.float32)
        which = self.rows_at(seconds)
        return Tracks(
            float(self.seconds[self.row[which.start]]) if which.stop > which.start else seconds,
            self.xyxy[which] * scale, self.confidence[which], self.ids[which], self.velocity[which] * scale,
        ).at(seconds)  # fmt: skip

    def rows_at(self, seconds: float) -> slice:
        """The rows of everybody in view at an instant."""
        last = np.searchsorted(self.seconds, seconds + 1e-6, side="right") - 1
        # By bisection: in an hour of film there are a hundred thousand rows, and ticks ask by the thousand.
        begin, end = np.searchsorted(self.row, [last, last + 1])
        return slice(int(begin), int(end))

    def box(self, track: int, seconds: float, size_wh: tuple[int, int]) -> NDArray[np.float32]:
        """Where a person is at any instant, px `(4,)`; where not in view, where the person was nearest in time."""
        mine = np.flatnonzero(self.ids == track)
        when = self.seconds[self.row[mine]]
        behind = int(np.searchsorted(when, seconds + 1e-6, side="right")) - 1
        if behind + 1 < len(mine) and (behind < 0 or when[behind + 1] - seconds < seconds - when[behind]):
            # Nearer to the next look: between two looks of one step the last one holds, as it does live.
            step = float(np.median(np.diff(self.seconds)))
            behind += behind < 0 or when[behind + 1] - when[behind] > 1.5 * step
        index = mine[behind]
        ahead = float(np.clip(seconds - self.seconds[self.row[index]], 0, 0.2))
        scale = np.array([*size_wh, *size_wh], np.float32)
        box: NDArray[np.float32] = (self.xyxy[index] + self.velocity[index] * np.float32(ahead)) * scale
        return box


def follow(
    path: Path,
    detector: Detects,
    config: LiveConfig | None = None,
    *,
    cache: Path | None = None,
    report: Callable[[float], None] | None = None,
) -> People:
    """Detect and follow everybody in a file; done once where there is a `cache` folder.

    `report` is told each instant that was looked at; what it raises ends the search, and nothing is kept.

    Raises:
        VideoError: the file cannot be decoded.
    """
    config = config or LiveConfig()
    kept = cache / f"{_key(path, detector.identity, config)}.npz" if cache else None
    if kept is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), np.load(kept) as file:
            return People(float(file["length"]), *(file[name] for name in FIELDS))
    properties = video.probe(path)
    rate = max(0.1, properties.frames_per_second)
    step = max(1, math.ceil(rate * config.detection_seconds - 1e-6)) / rate
    # Half a frame in: rounding must not decide which frame it is.
    at = np.arange(0, max(properties.seconds, 1e-3), step) + 0.5 / rate
    found = _followed(properties.seconds, at, path, detector, config, report or (lambda _: None))
    if kept is not None:
        _keep(kept, found)
    return found


def looks(frames: Iterable[tuple[float, Rgb]], people: People | None, track: int | None) -> Iterator[tuple[float, Rgb]]:
    """The pictures around one person, in place of the whole ones; these where there is nobody."""
    for seconds, rgb in frames:
        if people is None or track is None:
            yield seconds, rgb
        else:
            yield seconds, cut(rgb, people.box(track, seconds, (rgb.shape[1], rgb.shape[0])), expand=EXPAND)


FIELDS = ("seconds", "row", "ids", "xyxy", "confidence", "velocity")
"""The arrays of `People`, in the order in which it takes them after its length."""


def _followed(
    length: float,
    at: NDArray[np.float64],
    path: Path,
    detector: Detects,
    config: LiveConfig,
    report: Callable[[float], None],
) -> People:
    tracker = Tracker(config)
    # As plain numbers: a hundred thousand small arrays for an hour of film would take a hundred times the room.
    seconds_of, row, ids = array("d"), array("q"), array("q")
    xyxy, confidence, velocity = array("f"), array("f"), array("f")
    before, found = np.empty(0, np.uint8), Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
    for number, (seconds, rgb) in enumerate(video.read(path, at, longest_side=LONGEST_SIDE)):
        if not np.array_equal(rgb, before):  # a still is looked at once
            before, found = rgb, detector.detect(rgb)
        tracks = tracker.update(found, seconds)
        scale = np.array([rgb.shape[1], rgb.shape[0]] * 2, np.float32)
        seconds_of.append(seconds)
        row.extend([number] * len(tracks))
        ids.extend(tracks.ids.tolist())
        xyxy.frombytes((tracks.xyxy / scale).astype(np.float32).tobytes())
        confidence.frombytes(tracks.confidence.tobytes())
        velocity.frombytes((tracks.velocity / scale).astype(np.float32).tobytes())
        report(seconds)
    return People(
        length,
        np.array(seconds_of, np.float64) - at[0],
        np.array(row, np.int64),
        np.array(ids, np.int64),
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.array(confidence, np.float32),
        np.array(velocity, np.float32).reshape(-1, 4),
    )


def _key(path: Path, detector: str, config: LiveConfig) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}.") from None
    settings = (config.confidence, config.iou, config.keep, config.detect_every, config.detector_size,
                config.most_people)  # fmt: skip
    what = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{detector}|{settings}"
    return hashlib.sha256(what.encode(errors="replace")).hexdigest()[:32]


def _keep(file: Path, people: People) -> None:
    # A full disk costs looking again, no more.
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".npz.part", delete=False) as part:
            try:
                np.savez(part, length=people.length, **{name: getattr(people, name) for name in FIELDS})
                part.flush()
            except OSError:
                Path(part.name).unlink()
                raise
        Path(part.name).replace(file)
