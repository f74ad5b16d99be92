"""Who acts: build, skin, hair and clothes, and the materials these are drawn with."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from har_core.example.solids import Colour, Material

Hair = Literal["short", "long", "bun", "curls", "bald", "cap"]
HAIRS: tuple[Hair, ...] = ("short", "long", "bun", "curls", "cap", "bald")

SKINS = ((0.80, 0.53, 0.40), (0.68, 0.41, 0.28), (0.50, 0.28, 0.17), (0.30, 0.155, 0.09), (0.16, 0.08, 0.05))
HAIR_COLOURS = ((0.035, 0.025, 0.02), (0.10, 0.05, 0.025), (0.26, 0.12, 0.04), (0.55, 0.36, 0.13), (0.34, 0.08, 0.03),
                (0.40, 0.40, 0.42))  # fmt: skip
SHIRTS = ((0.78, 0.16, 0.12), (0.02, 0.30, 0.33), (0.85, 0.48, 0.05), (0.05, 0.10, 0.34), (0.22, 0.40, 0.24),
          (0.48, 0.33, 0.62), (0.80, 0.77, 0.70), (0.16, 0.42, 0.74), (0.72, 0.27, 0.36), (0.1, 0.2, 0.1))  # fmt: skip
TROUSERS = ((0.05, 0.09, 0.20), (0.035, 0.036, 0.045), (0.42, 0.30, 0.17), (0.11, 0.12, 0.13), (0.09, 0.11, 0.05),
            (0.16, 0.25, 0.42), (0.19, 0.035, 0.06))  # fmt: skip
SHOES = ((0.75, 0.75, 0.75), (0.55, 0.06, 0.05), (0.04, 0.04, 0.05), (0.33, 0.17, 0.07), (0.05, 0.20, 0.42))


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `height` in metres, `thickness` and `shoulders` about 1, the rest are looks."""

    height: float
    thickness: float
    shoulders: float
    skin: Colour
    hair: Hair
    hair_colour: Colour
    shirt: Colour
    stripe: Colour | None
    long_sleeves: bool
    trousers: Colour
    long_legs: bool
    shoes: Colour
    beard: bool

    @staticmethod
    def drawn(number: int, random: np.random.Generator) -> "Actor":
        """Somebody new. `number` spreads the looks that strike most, so that neighbours differ."""
        hair = HAIRS[number % len(HAIRS)]
        shirt = SHIRTS[(number * 3) % len(SHIRTS)]
        light = sum(shirt) > 0.9
        skin = (number * 2 + int(random.integers(2))) % len(SKINS)
        hair_colours = HAIR_COLOURS if skin < 2 else HAIR_COLOURS[:2]
        return Actor(
            height=float(random.uniform(1.58, 1.92)),
            thickness=float(random.uniform(0.9, 1.22)),
            shoulders=float(random.uniform(0.92, 1.1)),
            skin=SKINS[skin],
            hair=hair,
            hair_colour=hair_colours[int(random.integers(len(hair_colours)))],
            shirt=shirt,
            stripe=((0.05, 0.08, 0.2) if light else (0.82, 0.80, 0.76)) if number % 3 == 1 else None,
            long_sleeves=bool(random.random() < 0.45),
            trousers=TROUSERS[(number * 2 + int(random.integers(2))) % len(TROUSERS)],
            long_legs=bool(random.random() < 0.7),
            shoes=SHOES[int(random.integers(len(SHOES)))],
            beard=bool(hair in ("short", "bald", "cap") and random.random() < 0.5),
        )


class Looks:
    """The materials of one actor's body and clothes."""

    def __init__(self, actor: Actor) -> None:
        red, green, blue = actor.skin
        self.skin = Material(actor.skin, gloss=0.05)
        self.lips = Material((red * 0.62, green * 0.36, blue * 0.36))
        self.hair = Material(actor.hair_colour, gloss=0.10)
        self.eye = Material((0.02, 0.015, 0.015), gloss=0.6)
        self.white = Material((0.85, 0.83, 0.8), gloss=0.2)
        self.shirt = Material(actor.shirt, stripe=actor.stripe, stripes=7)
        self.sleeve = Material(actor.shirt, stripe=actor.stripe, stripes=4)
        self.shoulder = Material(actor.shirt)
        self.trousers = Material(actor.trousers)
        self.shoes = Material(actor.shoes, gloss=0.12)
        self.sole = Material((0.7, 0.68, 0.64) if sum(actor.shoes) < 2 else (0.35, 0.35, 0.37))
        self.cap = Material(actor.trousers if sum(actor.shirt) > 1.2 else actor.shirt)
