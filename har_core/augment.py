"""Vary training clips: one random choice per clip, the same for all its frames.

A choice per frame would teach the network that the world flickers; the same choice for all frames
leaves the motion as it was filmed.
"""

import albumentations as A
import cv2
import numpy as np

from har_core.config import AugmentConfig
from har_core.images import PADDING, fit
from har_core.values import Rgb

GREY = round(sum(PADDING) / 3)  # Affine takes a colour apart over the frames of a clip, one number it does not


class Augmenter:
    """Turns stored frames `(T, H, W, 3)` into training frames `(T, size, size, 3)`, uint8 RGB."""

    def __init__(self, config: AugmentConfig, size: int) -> None:
        self._size = size
        self._effects = _effects(config, size) if config.strength > 0 or config.flip else None

    def __call__(self, rgb: Rgb, *, seed: int) -> Rgb:
        """The clip varied as `seed` draws it; the same seed draws the same for any clip of this size."""
        if self._effects is None:
            return np.stack([fit(frame, self._size) for frame in rgb])
        self._effects.set_random_seed(seed)
        return np.asarray(self._effects(images=np.ascontiguousarray(rgb))["images"], dtype=np.uint8)


def _effects(config: AugmentConfig, size: int) -> A.Compose:
    s = config.strength
    if s == 0:
        return A.Compose([A.Resize(size, size, interpolation=cv2.INTER_AREA), A.HorizontalFlip(p=0.5)])
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5 if config.flip else 0.0),
            A.Affine(
                rotate=(-8 * s, 8 * s), shear=(-4 * s, 4 * s), translate_percent=(-0.06 * s, 0.06 * s),
                fill=GREY, p=0.5,
            ),
            A.RandomResizedCrop(
                (size, size), scale=(max(0.2, 1 - 0.35 * s), 1.0), ratio=(0.8, 1.25), area_for_downscale="image",
            ),
            A.ColorJitter(
                brightness=(1 - 0.3 * s, 1 + 0.3 * s), contrast=(1 - 0.3 * s, 1 + 0.3 * s),
                saturation=(1 - 0.4 * s, 1 + 0.4 * s), hue=(-0.04 * s, 0.04 * s), p=0.8,
            ),
            A.ToGray(p=0.05 * s),
            A.OneOf(
                [
                    A.GaussianBlur(sigma_limit=(0.3, 0.3 + s)),
                    A.MotionBlur(blur_limit=(3, 5)),
                    A.GaussNoise(std_range=(0.01, 0.04 * s + 0.01)),
                    A.ImageCompression(quality_range=(max(10, int(70 - 40 * s)), 90)),
                ],
                p=0.3 * s,
            ),
            A.CoarseDropout(
                num_holes_range=(1, 2), hole_height_range=(0.08, 0.25), hole_width_range=(0.08, 0.25),
                fill=PADDING, p=0.25 * s,  # a random colour would be drawn for each frame
            ),
        ]
    )  # fmt: skip
