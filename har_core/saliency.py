"""What in a clip an answer rests on: which moments, and where in the picture.

Moments are found by hiding them: what becomes of the clip's probability without this one? Places by gradients, as in
Grad-CAM (Selvaraju et al. 2017), but with the gradient of each place as the weight of that place (HiResCAM, Draelos and
Carin 2020). Grad-CAM proper averages the gradients over the picture first, and our networks weigh each place
differently (`embedding` = "grid"): it would light up whatever is there, also where nobody looks. Where a network
averages over places itself, both are the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from har_core import checkpoint, video
from har_core.batches import pack_embeddings
from har_core.checkpoint import Card
from har_core.errors import ConfigError
from har_core.images import fit, heat, jpeg, shrink
from har_core.network import ActionNetwork
from har_core.people import looks
from har_core.prediction import Predictor
from har_core.sampling import Seconds, plan
from har_core.values import Prediction, Rgb, VideoProperties

SHOWN_SIDE = 320
"""px, longest side of the pictures that are kept to be shown."""
NEIGHBOURS = 1
"""So many ticks before and after a moment are hidden with it: alone, the next frame would say the same."""
_AT_ONCE = 16
_LEAST = 1e-6
"""Probabilities nearer to 0 or 1 are taken for this near: the odds of certainty would be endless."""

Classify = Callable[[Sequence[NDArray[np.float32]]], list[Prediction]]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What a model is shown of a clip, and what it makes of each picture.

    `seconds` float64 `(N,)`, rising: the instants it looks at. `pictures` uint8 `(N, S, S, 3)`: what it sees of them.
    `embeddings` float32 `(N, 512)`. `windows` `(W, T)`: which instants make up each window. `shown` are `K` of the
    instants, as indices, with the picture (for the view "person": the crop) at a size to be looked at.
    """

    properties: VideoProperties
    seconds: Seconds
    pictures: Rgb
    embeddings: NDArray[np.float32]
    windows: NDArray[np.intp]
    shown: tuple[tuple[int, Rgb], ...]

    def thumbnails(self) -> list[bytes]:
        """The shown pictures as JPEG."""
        return [jpeg(rgb) for _, rgb in self.shown]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """How probable the `action` is for the whole clip, and with each of its instants hidden, `(N,)`."""

    action: str
    probability: float
    hidden: NDArray[np.float64]

    @property
    def effects(self) -> NDArray[np.float64]:
        """How far the log-odds of the action fall without each instant, `(N,)`: what the moment says for it.

        Above 0 the moment speaks for the action, below against it. Odds, because of a clip of which the model is sure
        no single moment changes the probability much: from 99% to 98% is as far as from 66% to 50%.
        """
        return _log_odds(np.array(self.probability)) - _log_odds(self.hidden)


def look(predictor: Predictor, path: Path, *, shown: int = 8) -> Looked:
    """What the model looks at in a clip; decoded and encoded once, for all that follows.

    Args:
        predictor: the model; its detector finds the person where it looks at people.
        path: the clip.
        shown: how many pictures to keep for showing, at most.

    Raises:
        VideoError: the file cannot be decoded.
    """
    spec = predictor.card.clip
    properties = video.probe(path)
    at, windows = plan(properties.seconds, spec, windows=predictor.card.windows)
    people = predictor.follow(path) if spec.view == "person" else None
    # Each from the middle of its share, so that it stands above the bars of its own moments.
    wanted = {*np.floor((np.arange(shown) + 0.5) * len(at) / shown).astype(int).tolist()}
    fitted, kept = [], []
    for index, (_, rgb) in enumerate(looks(video.read(path, at), people, people.main if people else None)):
        fitted.append(fit(rgb, spec.size))
        if index in wanted:
            kept.append((index, shrink(rgb, SHOWN_SIDE).copy()))
    pictures = np.stack(fitted)
    return Looked(properties, at, pictures, predictor.engine.encode(pictures), windows, tuple(kept))


def moments(classify: Classify, looked: Looked, action: str, *, neighbours: int = NEIGHBOURS) -> Moments:
    """How much each moment matters: the probability of `action` without it. Milliseconds; nothing is encoded again.

    A moment is an instant with its neighbours. It is hidden in every window that holds it by putting the mean of the
    window's other embeddings there: nothing that it alone shows is left, and the window keeps its length.

    Args:
        classify: what gives predictions of embeddings, `Engine.classify`.
        looked: of the clip.
        action: one of the model's.
        neighbours: how many instants on either side belong to a moment.

    Raises:
        ConfigError: the model does not know the action.
    """
    pieces = [looked.embeddings[window] for window in looked.windows]
    jobs: list[tuple[int, int]] = []
    variants = []
    for tick in range(len(looked.seconds)):
        for number, window in enumerate(looked.windows):
            gone = np.abs(window - tick) <= neighbours
            if tick in window and not gone.all():
                variant = pieces[number].copy()
                variant[gone] = variant[~gone].mean(axis=0)
                variants.append(variant)
                jobs.append((tick, number))
    answers = classify([*pieces, *variants])
    if action not in answers[0].classes:
        raise ConfigError(f"The model must know the action {action!r}. It knows: {', '.join(answers[0].classes)}.")
    index = answers[0].classes.index(action)
    probable = np.array([answer.probabilities[index] for answer in answers])
    whole = probable[: len(pieces)]
    hidden = np.tile(whole, (len(looked.seconds), 1))
    for (tick, number), value in zip(jobs, probable[len(pieces) :], strict=True):
        hidden[tick, number] = value
    return Moments(action, float(whole.mean()), hidden.mean(axis=1))


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.clip(probabilities, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(kept / (1 - kept)))


class Sight:
    """Where in the pictures a model looks. Loads the network once more, in torch: only there it has gradients.

    Threads may share it.
    """

    def __init__(self, network: ActionNetwork, card: Card) -> None:
        self.card = card
        self._network = network.eval().requires_grad_(False)
        # All of the backbone but its pooling and its last layer, which is none.
        self._features = nn.Sequential(*list(network.backbone.children())[:-2])

    @staticmethod
    def load(folder: Path) -> "Sight":
        """Of the model in a folder.

        Raises:
            CheckpointError: the folder is no checkpoint, or weights and card do not fit together.
        """
        return Sight(*checkpoint.load(folder))

    def places(self, looked: Looked, action: str) -> NDArray[np.float32]:
        """How much each place of each picture speaks for `action`: float32 `(N, h, w)` in [0, 1], 1 the strongest.

        Gradients of the action's logit, the mean over the clip's windows, times the last feature maps; what speaks
        against the action is 0. One scale for all pictures: a moment that does not matter stays dark.

        Raises:
            ConfigError: the model does not know the action.
        """
        if action not in self.card.classes:
            raise ConfigError(f"The model must know the action {action!r}. It knows: {', '.join(self.card.classes)}.")
        network = self._network
        pictures = torch.from_numpy(np.ascontiguousarray(looked.pictures.transpose(0, 3, 1, 2)))
        with torch.no_grad():
            normal = (pictures.float() - network.mean) / network.std
            maps = torch.cat([self._features(part) for part in torch.split(normal, _AT_ONCE)])  # (N, 512, h, w)
        maps.requires_grad_(True)
        with torch.enable_grad():
            embeddings = network.embed(network.backbone.avgpool(maps).flatten(1))
            packed = pack_embeddings([embeddings[torch.from_numpy(window)] for window in looked.windows]).packed
            logits = network.classify(packed)[:, self.card.classes.index(action)]
            (gradients,) = torch.autograd.grad(logits.mean(), maps)
        found = torch.relu((gradients * maps.detach()).sum(dim=1)).numpy()
        return np.asarray(found / max(float(found.max()), 1e-12), dtype=np.float32)


def overlays(looked: Looked, places: NDArray[np.float32]) -> list[bytes]:
    """The shown pictures with where the model looks laid over them, as JPEG."""
    return [jpeg(heat(rgb, places[index])) for index, rgb in looked.shown]
