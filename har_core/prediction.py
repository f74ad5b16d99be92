"""A video file -> what it shows: windows over the clip, averaged.

The instants come from the sampler that training used and the frames from the same `fit`, so that a clip
gets the same probabilities here as in training and evaluation.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_core import video
from har_core.engine import Engine, Runtime
from har_core.errors import ConfigError
from har_core.images import fit, jpeg, shrink
from har_core.sampling import plan
from har_core.values import Prediction, VideoProperties

THUMBNAIL = 160


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
    asked for, spread evenly.
    """

    properties: VideoProperties
    prediction: Prediction
    windows: tuple[Window, ...]
    frames: int
    thumbnails: tuple[tuple[float, bytes], ...]


class Predictor:
    """Names the action of whole clips. Stateless: threads may share it."""

    def __init__(self, folder: Path, *, runtime: Runtime = "auto") -> None:
        self.engine = Engine(folder, runtime=runtime)
        self.card = self.engine.card

    def predict(self, path: Path) -> Prediction:
        """The mean of the probabilities of the clip's windows.

        Raises:
            VideoError: the file cannot be decoded.
        """
        return self.examine(path).prediction

    def examine(self, path: Path, *, thumbnails: int = 0, shuffle: int | None = None, single: bool = False) -> Examined:
        """The prediction with its windows and, if asked for, thumbnails of the frames looked at.

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
        for index, (_, rgb) in enumerate(video.read(path, at)):
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
        return Examined(properties, mean, windows, len(at), tuple(kept))
