"""Augmentation: one draw for all frames of a clip, the same for the same seed."""

from collections.abc import Iterator
from typing import Any

import albumentations as A
import numpy as np
import pytest

from har_core.augment import Augmenter
from har_core.config import AugmentConfig
from har_core.images import fit

SIZE, STORED = 48, 55
STRONG = AugmentConfig(strength=2.0)


def picture() -> np.ndarray:
    """Colours that rise to the right and downwards: a mirror, a cut or a tint shows."""
    rows, columns = np.mgrid[0:STORED, 0:STORED]
    return np.stack([columns * 4, rows * 4, 120 + columns - rows], axis=-1).astype(np.uint8)


def still(frames: int = 6) -> np.ndarray:
    return np.repeat(picture()[None], frames, axis=0)


@pytest.mark.parametrize("strength", [0.3, 1.0, 2.0])
def test_all_frames_of_a_clip_are_varied_alike(strength: float) -> None:
    augment = Augmenter(AugmentConfig(strength=strength), SIZE)
    for seed in range(120):
        varied = augment(still(), seed=seed)
        assert varied.shape == (6, SIZE, SIZE, 3) and varied.dtype == np.uint8
        differ = [i for i in range(1, 6) if not np.array_equal(varied[i], varied[0])]
        assert not differ, f"seed {seed}: frames {differ} differ from the first"


def test_the_seed_decides() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (4, STORED, STORED, 3), np.uint8)
    one, two = Augmenter(STRONG, SIZE), Augmenter(STRONG, SIZE)
    first = [one(clip, seed=seed) for seed in range(30)]
    again = [two(clip, seed=seed) for seed in reversed(range(30))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({varied.tobytes() for varied in first}) == 30


def test_a_draw_does_not_depend_on_the_number_of_frames() -> None:
    augment = Augmenter(STRONG, SIZE)
    for seed in range(30):
        assert np.array_equal(augment(still(2), seed=seed)[0], augment(still(9), seed=seed)[0])


def test_strength_0_without_flip_is_plain_fit() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (3, STORED, STORED, 3), np.uint8)
    augment = Augmenter(AugmentConfig(strength=0.0, flip=False), SIZE)
    expected = np.stack([fit(rgb, SIZE) for rgb in clip])
    assert all(np.array_equal(augment(clip, seed=seed), expected) for seed in range(5))


def test_strength_0_with_flip_mirrors_half_and_does_nothing_else() -> None:
    augment = Augmenter(AugmentConfig(strength=0.0), SIZE)
    plain = np.stack([fit(rgb, SIZE) for rgb in still()])
    mirrored = 0
    for seed in range(60):
        varied = augment(still(), seed=seed).astype(int)
        if np.abs(varied - plain).max() > 2:
            mirrored += 1
            assert np.abs(varied - plain[:, :, ::-1]).max() <= 2
    assert 15 <= mirrored <= 45


@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_without_flip_left_stays_left(strength: float) -> None:
    clip = np.zeros((2, STORED, STORED, 3), np.uint8)
    clip[:] = (np.arange(STORED) * 4).astype(np.uint8)[None, None, :, None]

    def mirrored(flip: bool) -> int:
        augment = Augmenter(AugmentConfig(strength=strength, flip=flip), SIZE)
        profiles = [augment(clip, seed=seed).mean(axis=(0, 1, 3)) for seed in range(150)]
        return sum(float(np.polyfit(np.arange(SIZE), profile, 1)[0]) < 0 for profile in profiles)

    assert mirrored(flip=False) == 0
    assert 45 <= mirrored(flip=True) <= 105


def test_effects_stay_recognisable() -> None:
    """However strong, most of the clip is still to be seen: nothing is black or one colour."""
    augment = Augmenter(STRONG, SIZE)
    assert min(augment(still(1), seed=seed).std() for seed in range(100)) > 10


def each(effects: list[Any]) -> Iterator[Any]:
    for effect in effects:
        yield from effect.transforms if isinstance(effect, A.OneOf) else [effect]


def test_every_effect_alone_is_the_same_for_all_frames() -> None:
    """A rare effect must not hide behind its rarity."""
    compose = Augmenter(STRONG, SIZE)._effects
    assert compose is not None
    for effect in each(compose.transforms):
        effect.p = 1.0
        alone = A.Compose([effect])
        for seed in range(5):
            alone.set_random_seed(seed)
            varied = np.asarray(alone(images=still(4))["images"])
            assert all(np.array_equal(frame, varied[0]) for frame in varied), type(effect).__name__


def test_clips_of_many_frames() -> None:
    """A frozen backbone is shown the whole grid of a clip at once."""
    augment = Augmenter(STRONG, SIZE)
    for seed in range(12):
        varied = augment(still(320), seed=seed)
        assert varied.shape == (320, SIZE, SIZE, 3) and (varied == varied[0]).all()
