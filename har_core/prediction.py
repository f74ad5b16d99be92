"""A video file -> what it shows: windows over the clip, averaged.

The instants come from the sampler that training used and the frames from the same `fit`, so that a clip
gets the same probabilities here as in training and evaluation.
"""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_core import detection, video, workspace
from har_core.buffers import Timeline, Watch, tick
from har_core.config import LiveConfig
from har_core.detection import Detects
from har_core.engine import Engine, Runtime
from har_core.errors import ConfigError
from har_core.images import cut, fit, jpeg, shrink
from har_core.people import EXPAND, People, follow, looks
from har_core.sampling import plan
from har_core.values import Prediction, Seen, VideoProperties

THUMBNAIL = 160
_TICKS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Window:
    """What one window `[start, stop)` of a clip shows, in seconds."""

    start: float
    stop: float
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Examined:
    """A prediction and what it rests on.

    `thumbnails` are the frames that were looked at, as `(second, JPEG bytes)`, at most as many as were
    asked for, spread evenly. `damage` says in a sentence what of the file does not decode; empty where all does.
    """

    properties: VideoProperties
    prediction: Prediction
    windows: tuple[Window, ...]
    frames: int
    thumbnails: tuple[tuple[float, bytes], ...]
    damage: str = ""

    @property
    def unsure(self) -> bool:
        """Whether no action had better be named: by the model, or because a part of the film was not seen."""
        return self.prediction.unsure or bool(self.damage)


class Predictor:
    """Names the action of whole clips, and of each person in them. Stateless: threads may share it.

    A model of the view "person" looks at the person whom a clip is about. `detector` finds people; left out, the
    one that `detection.load` gives is loaded when it is first needed.
    """

    def __init__(self, folder: Path, *, runtime: Runtime = "auto", detector: Detects | None = None) -> None:
        self.engine = Engine(folder, runtime=runtime)
        self.name = folder.parent.name if folder.name in ("best", "last") else folder.name
        self.card = self.engine.card
        self._detector, self._sought = detector, detector is not None
        self._seeking = threading.Lock()

    @property
    def detector(self) -> Detects | None:
        """What finds people; None where this machine has none."""
        with self._seeking:
            if not self._sought:
                self._detector, self._sought = detection.load(), True
            return self._detector

    @property
    def note(self) -> str:
        """What to know before its predictions are believed; empty where there is nothing."""
        if self.card.clip.view == "person" and self.detector is None:
            return (
                "This model looks at people, but there is no detector to find them with, so it looks at the whole "
                "picture. Fetch a detector for better answers."
            )
        return ""

    def predict(self, path: Path) -> Prediction:
        """The mean of the probabilities of the clip's windows.

        Raises:
            VideoError: the file cannot be decoded.
        """
        return self.examine(path).prediction

    def follow(self, path: Path, *, report: Callable[[float], None] | None = None) -> People | None:
        """Who is where in a file, found once and kept; None where there is no detector.

        Raises:
            VideoError: the file cannot be decoded.
        """
        if self.detector is None:
            return None
        return follow(path, self.detector, cache=workspace() / "cache" / "people", report=report)

    def everybody(self, path: Path) -> list[Seen]:
        """Each person of a file with what was done, by id; nobody where there is no detector.

        The windows are those that the live road looks at, the prediction of a person is the mean over as many of
        them as the model's card says: the same clip gives the same probabilities there, here and in training.

        Raises:
            VideoError: the file cannot be decoded.
        """
        people = self.follow(path)
        if people is None or not people.tracks:
            return []
        spec = self.card.clip
        watch = Watch(self.card, self.engine.classify, LiveConfig(), True, Timeline())
        watch.span = {track: list(people.span(track)) for track in people.tracks}
        ticks = np.arange(tick(people.length - 1e-4, spec) + 1) / spec.frames_per_second
        frames = video.read(path, ticks)
        for chunk in iter(lambda: list(itertools.islice(frames, _TICKS_AT_ONCE)), []):
            visible = [people.at(seconds, (rgb.shape[1], rgb.shape[0])) for seconds, rgb in chunk]
            crops = [
                fit(cut(rgb, box, expand=EXPAND), spec.size)
                for (_, rgb), tracks in zip(chunk, visible, strict=True)
                for box in tracks.xyxy
            ]
            embeddings = iter(self.engine.encode(np.stack(crops)) if crops else ())
            for (seconds, _), tracks in zip(chunk, visible, strict=True):
                looked = {track: next(embeddings) for track in tracks.ids.tolist()}
                watch.see(seconds, tick(seconds, spec), looked, people.tracks)
        return watch.seen()

    def portraits(self, path: Path) -> dict[int, bytes]:
        """A picture of each person, JPEG, from the middle of when they were seen.

        Raises:
            VideoError: the file cannot be decoded.
        """
        people = self.follow(path)
        if people is None:
            return {}
        middle = sorted((sum(people.span(track)) / 2, track) for track in people.tracks)
        frames = video.read(path, [seconds for seconds, _ in middle])
        return {
            track: jpeg(shrink(next(looks([frame], people, track))[1], THUMBNAIL))
            for frame, (_, track) in zip(frames, middle, strict=True)
        }

    def examine(self, path: Path, *, thumbnails: int = 0, shuffle: int | None = None, single: bool = False) -> Examined:
        """The prediction with its windows and, if asked for, thumbnails of what was looked at.

        Args:
            path: the clip.
            thumbnails: how many frames to give back at most.
            shuffle: a seed to shuffle the frames of each window with: what the model makes of the
                same pictures without their order.
            single: look at the middle frame of each window alone.

        Raises:
            VideoError: the file cannot be decoded.
        """
        if thumbnails < 0:
            raise ConfigError(f"The number of thumbnails must be 0 or more, but is {thumbnails}.")
        spec = self.card.clip
        properties = video.probe(path)
        at, where = plan(properties.seconds, spec, windows=self.card.windows)
        wanted = {*np.linspace(0, len(at) - 1, min(thumbnails, len(at))).round().astype(int).tolist()}
        fitted, kept = [], []
        people = self.follow(path) if spec.view == "person" else None
        lost: list[float] = []
        shown = looks(video.read(path, at, lost=lost.append), people, people.main if people else None)
        for index, (_, rgb) in enumerate(shown):
            fitted.append(fit(rgb, spec.size))
            if index in wanted:
                kept.append((float(at[index]), jpeg(shrink(rgb, THUMBNAIL))))
        embeddings = self.engine.encode(np.stack(fitted))
        chosen = where[:, where.shape[1] // 2][:, None] if single else where
        if shuffle is not None:
            chosen = np.random.default_rng(shuffle).permuted(chosen, axis=1)
        predictions = self.engine.classify([embeddings[window] for window in chosen])
        mean = Prediction(
            np.mean([p.probabilities for p in predictions], axis=0), self.card.classes, self.card.unsure_below
        )
        step = 1 / spec.frames_per_second
        windows = tuple(
            Window(float(at[w[0]]), min(properties.seconds, float(at[w[-1]]) + step), p)
            for w, p in zip(where, predictions, strict=True)
        )
        damage = damage_of(path, len(at), len(lost), properties.seconds, video.cut_off(path))
        return Examined(properties, mean, windows, len(at), tuple(kept), damage)


_TOLERATED = 0.05
"""The share of a film that may be lost before its answer is called doubtful."""


def damage_of(path: Path, looked: int, lost: int, seconds: float, missing: float) -> str:
    """What of a film does not decode, in a sentence; empty where that is nothing to speak of."""
    told = []
    if lost > _TOLERATED * looked:
        told.append(f"{lost} of the {looked} frames looked at do not decode; older or spoilt ones stand in for them")
    # Of 598 whole videos from many programs none misses more than 0.07 s.
    if missing > max(0.25, _TOLERATED * (seconds + missing)):
        told.append(f"its last {missing:.1f} of {seconds + missing:.1f} s are not in the file")
    if not told:
        return ""
    return f"{path.name} is damaged: {', and '.join(told)}. Do not rely on the answer; copy or re-encode the file."
