"""The training pictures of `person_model.py`, and the hard variations of them that its student is shown."""

import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from har_core.values import Rgb

_GREY = 114
_LEAST_PERSON = 40
"""Pixels of height from which on somebody is cut out, to be pasted elsewhere."""


class Pictures:
    """All training pictures in memory. The teacher is asked about the variation itself, so that it may be wild.

    Args:
        work: the folder with `pictures/`.
        rows: what of it trains: name, source, human, boxes.
        often: sources, as those that show people in scenes, that are taken three times as often as others.
    """

    def __init__(self, work: Path, rows: list[dict[str, Any]], often: tuple[str, ...] = ()) -> None:
        self.rgb: list[Rgb] = [cv2.imread(str(work / "pictures" / row["name"]))[..., ::-1].copy() for row in rows]
        # Sources differ much in size: each gets a like share, photographs (no two alike) a larger one.
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["source"]] = counts.get(row["source"], 0) + 1
        weights = np.array([(3 if row["human"] else 1) * (3 if row["source"] in often else 1)
                            / math.sqrt(counts[row["source"]]) for row in rows])  # fmt: skip
        self.weights = weights / weights.sum()
        self.people = [(number, box) for number, row in enumerate(rows) for box in row["boxes"]
                       if (box[3] - box[1]) * self.rgb[number].shape[0] >= _LEAST_PERSON]  # fmt: skip
        shares = self.weights[[number for number, _ in self.people]]
        self._of_people = shares / shares.sum()

    def sample(self, random_: np.random.Generator, size: int) -> Rgb:
        """A picture uint8 `(size, size, 3)`: one or four of them, some with people and patches pasted on."""
        # Mostly as gentle as what the detector is asked about: pictures made so hard that half of them are in pieces
        # took a small network's room away from the ordinary ones (docs/models.md).
        canvas = self._mosaic(random_, size, 1 if random_.random() < 0.6 else 2)
        if random_.random() < 0.35:
            for _ in range(int(random_.integers(1, 4))):
                self._paste_person(random_, canvas)
        if random_.random() < 0.15:
            for _ in range(int(random_.integers(1, 3))):
                self._hide(random_, canvas)
        return coloured(random_, canvas)

    def _mosaic(self, random_: np.random.Generator, size: int, parts: int) -> Rgb:
        if parts == 1:
            return self._placed(random_, size, size)
        cuts = [0, *((np.arange(1, parts) + random_.uniform(-0.2, 0.2, parts - 1)) * size / parts).astype(int), size]
        canvas = np.empty((size, size, 3), np.uint8)
        for top, bottom in itertools.pairwise(cuts):
            for left, right in itertools.pairwise(cuts):
                canvas[top:bottom, left:right] = self._placed(random_, right - left, bottom - top)
        return canvas

    def _any(self, random_: np.random.Generator) -> Rgb:
        return self.rgb[int(random_.choice(len(self.rgb), p=self.weights))]

    def _placed(self, random_: np.random.Generator, width: int, height: int) -> Rgb:
        """One picture, from half of its size up to a detail of it; what it leaves free is grey, or another one."""
        rgb = self._any(random_)
        h, w = rgb.shape[:2]
        scale = min(width / w, height / h) * math.exp(random_.uniform(math.log(0.5), math.log(2.2)))
        stretch = math.exp(random_.uniform(-0.15, 0.15))
        sx, sy = scale * stretch, scale / stretch
        dx = random_.uniform(min(0, width - w * sx), max(0, width - w * sx))
        dy = random_.uniform(min(0, height - h * sy), max(0, height - h * sy))
        around = np.full((height, width, 3), _GREY, np.uint8)
        if random_.random() < 0.25:
            around = cv2.resize(self._any(random_), (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]  # cv2 knows no shapes
        moved = cv2.warpAffine(rgb, np.array([[sx, 0, dx], [0, sy, dy]]), (width, height), dst=around.copy(),
                               flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT)  # fmt: skip
        return moved[:, ::-1] if random_.random() < 0.5 else moved  # type: ignore[return-value]  # the same

    def _paste_person(self, random_: np.random.Generator, canvas: Rgb) -> None:
        """Put somebody, with soft edges, somewhere on the picture."""
        number, box = self.people[int(random_.choice(len(self.people), p=self._of_people))]
        rgb = self.rgb[number]
        scale = np.array([rgb.shape[1], rgb.shape[0]] * 2)
        left, top, right, bottom = (np.array(box) * scale).round().astype(int).clip(0, scale)
        person = rgb[top:bottom, left:right]
        size = canvas.shape[0]
        high = min(person.shape[0] * 1.3, size * math.exp(random_.uniform(math.log(0.12), math.log(0.7))))
        wide = high * person.shape[1] / max(1, person.shape[0])
        if high < 12 or wide < 5 or wide >= size:
            return
        person = cv2.resize(person, (round(wide), round(high)), interpolation=cv2.INTER_AREA)
        if random_.random() < 0.5:
            person = person[:, ::-1]
        _blend(canvas, person, int(random_.integers(0, size - person.shape[1] + 1)),
               int(random_.integers(0, size - person.shape[0] + 1)), soft=0.08)  # fmt: skip

    def _hide(self, random_: np.random.Generator, canvas: Rgb) -> None:
        """Put a piece of another picture over a piece of this one: half hidden people."""
        rgb, size = self._any(random_), canvas.shape[0]
        width, height = (int(v) for v in (size * random_.uniform(0.05, 0.3, 2)).clip(8, min(rgb.shape[:2])))
        x, y = int(random_.integers(0, rgb.shape[1] - width + 1)), int(random_.integers(0, rgb.shape[0] - height + 1))
        _blend(canvas, rgb[y : y + height, x : x + width], int(random_.integers(0, size - width + 1)),
               int(random_.integers(0, size - height + 1)), soft=0.02)  # fmt: skip


def _blend(canvas: Rgb, patch: Rgb, left: int, top: int, *, soft: float) -> None:
    """Lay a patch on, its edge feathered over that share of its width."""
    height, width = patch.shape[:2]
    edge = max(1, round(soft * width))
    mask = np.zeros((height, width), np.float32)
    mask[edge : max(edge + 1, height - edge), edge : max(edge + 1, width - edge)] = 1.0
    mask = cv2.GaussianBlur(mask, (0, 0), edge)[..., None]  # type: ignore[assignment]  # cv2 knows no shapes
    under = canvas[top : top + height, left : left + width]
    under[...] = (mask * patch + (1 - mask) * under).astype(np.uint8)


def coloured(random_: np.random.Generator, rgb: Rgb) -> Rgb:
    """Another hue, brightness and sharpness; now and then grey, blurred or noisy."""
    if random_.random() < 0.9:
        hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + random_.uniform(-8, 8)) % 180
        hsv[..., 1] *= random_.uniform(0.4, 1.5)
        hsv[..., 2] = 255 * (hsv[..., 2] / 255) ** math.exp(random_.uniform(-0.6, 0.6)) * random_.uniform(0.6, 1.3)
        rgb = cv2.cvtColor(hsv.clip(0, [179, 255, 255]).astype(np.uint8), cv2.COLOR_HSV2RGB)  # type: ignore[assignment]  # the same
    if random_.random() < 0.1:
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if random_.random() < 0.2:
        rgb = cv2.GaussianBlur(rgb, (0, 0), random_.uniform(0.4, 1.6))  # type: ignore[assignment]  # the same
    if random_.random() < 0.2:
        noise = random_.normal(0, random_.uniform(3, 12), rgb.shape)
        rgb = (rgb + noise).clip(0, 255).astype(np.uint8)
    return rgb


def lessons(
    pictures: Pictures, teachers: dict[int, Callable[[np.ndarray], list[Tensor]]], *, first: int, batch: int
) -> Iterator[tuple[np.ndarray, list[Tensor]]]:
    """The pictures from step `first` on, and what the teacher answers: made one step ahead, beside the student's own.

    Each step has its size, one of those for which there is a teacher. Pictures: float32 `(batch, 3, size, size)`, 0..1.
    """

    def prepared(number: int) -> tuple[np.ndarray, list[Tensor]]:
        random_ = np.random.default_rng((7, number))
        size = int(random_.choice(sorted(teachers)))
        rgb = np.stack([pictures.sample(random_, size) for _ in range(batch)])
        pixels = rgb.transpose(0, 3, 1, 2).astype(np.float32) / 255
        return pixels, teachers[size](pixels)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(prepared, first)
        for number in itertools.count(first + 1):
            ready, coming = coming.result(), pool.submit(prepared, number)
            yield ready
