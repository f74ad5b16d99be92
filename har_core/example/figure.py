"""The body: who it is (build, clothes, hair) and which solids it is made of in a pose."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from har_core.example.motion import Pose
from har_core.example.solids import Colour, Material, Matrix, Solid, Vector, rotation

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


class Body:
    """The solids of one actor; `solids` places them for a pose.

    Numbers are shares of body height; radii follow the actor's thickness.
    """

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.skin = Material(actor.skin, gloss=0.05)
        self.shirt = Material(actor.shirt, stripe=actor.stripe, stripes=7)
        self.plain = Material(actor.shirt)
        self.sleeve = Material(actor.shirt, stripe=actor.stripe, stripes=4)
        self.trousers = Material(actor.trousers)
        self.shoes = Material(actor.shoes, gloss=0.12)
        self.sole = Material((0.7, 0.68, 0.64) if sum(actor.shoes) < 2 else (0.35, 0.35, 0.37))
        self.hair = Material(actor.hair_colour, gloss=0.10)
        self.eye = Material((0.02, 0.015, 0.015), gloss=0.6)
        self.white = Material((0.85, 0.83, 0.8), gloss=0.2)
        self.lips = Material((actor.skin[0] * 0.62, actor.skin[1] * 0.36, actor.skin[2] * 0.36))

    def solids(self, pose: Pose, place: Vector, yaw: float) -> list[Solid]:
        """The figure in a pose, standing at `place` on the floor (metres), turned by `yaw` radians."""
        whole, height = rotation(yaw=yaw), self.actor.height
        parts = list(self._parts(pose))
        ends = place + np.array([part.points for part in parts]) @ (whole.T * height)
        return [
            replace(
                part,
                start=start,
                stop=stop,
                radius=part.radius * height,
                end_radius=part.end_radius * height,
                axes=None if part.axes is None else part.axes @ whole.T,
            )
            for part, (start, stop) in zip(parts, ends, strict=True)
        ]

    def _parts(self, pose: Pose) -> Iterator[Solid]:
        hips = rotation(*pose.hips)
        chest = hips @ rotation(*pose.chest)
        waist = pose.pelvis + hips @ [0, 0.075, 0]
        wide, thick = self.actor.shoulders, self.actor.thickness
        yield from self._torso(pose.pelvis, hips, waist, chest)
        for side, sign in enumerate((1.0, -1.0)):
            hip = pose.pelvis + hips @ [sign * 0.049 * thick**0.5, -0.012, 0]
            yield from self._leg(hip, pose.ankles[side], float(pose.heels[side]), float(pose.feet_yaw[side]))
            raised = max(0.0, float(pose.upper_arms[side][1] / np.linalg.norm(pose.upper_arms[side])))
            shoulder = waist + chest @ [sign * (0.108 - 0.012 * raised) * wide, 0.196 + 0.022 * raised, 0]
            bones = (chest @ _unit(pose.upper_arms[side]), chest @ _unit(pose.forearms[side]))
            yield from self._arm(shoulder, bones, chest, sign, pose.fists)
        neck = waist + chest @ [0, 0.222, -0.004]
        head = chest @ rotation(*(pose.head - 0.45 * pose.chest * [1, 1, 1]))
        middle = neck + (chest @ [0, 0.5, 0.04] + head @ [0, 0.5, 0.08]) * 0.098
        yield self._limb(
            neck - chest @ [0, 0.012, 0], middle - head @ [0, 0.02, 0], 0.031 * thick**0.5, 0.028, self.skin
        )
        yield from self._head(middle, head)

    def _limb(self, a: Vector, b: Vector, ra: float, rb: float, material: Material) -> Solid:
        return Solid(a, b, ra, rb, material)

    def _torso(self, pelvis: Vector, hips: Matrix, waist: Vector, chest: Matrix) -> Iterator[Solid]:
        wide, thick = self.actor.shoulders, self.actor.thickness
        flat = (1.0, 1.0, 0.68)
        belly = 0.068 * thick
        yield Solid(pelvis + hips @ [0, -0.004, 0], pelvis + hips @ [0, 0.045, 0], 0.083 * thick**0.7, 0.074 * thick,
                    self.trousers, hips.T, (1.0, 0.85, 0.74))  # fmt: skip
        yield Solid(waist + hips @ [0, -0.040, 0.002], waist + chest @ [0, 0.06, 0.004], belly * 1.13, belly * 1.10,
                    self.shirt, chest.T, (1.0, 1.0, 0.74))  # fmt: skip
        yield Solid(waist + chest @ [0, 0.045, 0.004], waist + chest @ [0, 0.150, 0.002], belly * 1.10,
                    0.090 * (0.5 * wide + 0.5 * thick), self.shirt, chest.T, flat)  # fmt: skip
        top = waist + chest @ [0, 0.190, -0.004]
        for sign in (1.0, -1.0):
            ends = top + chest @ [0, 0.018, 0], top + chest @ [sign * 0.098 * wide, 0.0, 0]
            yield Solid(*ends, 0.040, 0.040 * thick**0.5, self.plain, soft=0.03)

    def _leg(self, hip: Vector, ankle: Vector, heel: float, yaw: float) -> Iterator[Solid]:
        thick = self.actor.thickness
        foot = rotation(yaw=yaw) @ rotation(pitch=heel)
        ankle = ankle + np.array(
            [0, 0.075 * np.sin(heel), 0.03 * (1 - np.cos(heel))]
        )  # it turns about the ball of the foot
        ahead = rotation(yaw=yaw) @ [0, 0, 1.0]
        knee, ankle = _bend(hip, ankle, 0.242, 0.238, ahead)
        loose = 1.12 if self.actor.long_legs else 1.0
        calf = self.trousers if self.actor.long_legs else self.skin
        thigh_end = knee if self.actor.long_legs else hip + (knee - hip) * 0.92
        shin = _unit(ankle - knee)
        behind = _unit(ahead - shin * float(shin @ ahead))
        yield self._limb(hip, thigh_end, 0.054 * thick, 0.037 * thick * loose, self.trousers)
        if not self.actor.long_legs:
            yield self._limb(hip + (knee - hip) * 0.6, knee, 0.035 * thick, 0.030 * thick, self.skin)
        belly = knee + shin * 0.075 - behind * 0.010
        yield self._limb(knee, belly, 0.031 * thick * loose, 0.033 * thick * loose, calf)
        yield self._limb(belly, knee + (ankle - knee) * 0.93, 0.033 * thick * loose, 0.021 * loose * thick**0.5, calf)
        if not self.actor.long_legs:
            yield self._limb(ankle - shin * 0.045, ankle, 0.0225, 0.022, self.white)
        back, ball = ankle + foot @ [0, -0.014, -0.016], ankle + foot @ [0, -0.022, 0.082]
        low = (1.0, 0.72, 1.0)
        yield Solid(back, ball, 0.025, 0.0235, self.shoes, foot.T, low)
        yield self._limb(ankle, ankle + foot @ [0, -0.014, 0.06], 0.024, 0.019, self.shoes)
        drop = foot @ [0, -0.0135, 0]
        ends = back + drop, ball + drop + foot @ [0, 0.002, 0.003]
        yield Solid(*ends, 0.026, 0.0245, self.sole, foot.T, (1.0, 0.34, 1.0), soft=0.003)

    def _arm(
        self, shoulder: Vector, bones: tuple[Vector, Vector], chest: Matrix, sign: float, fist: bool
    ) -> Iterator[Solid]:
        thick = self.actor.thickness
        elbow = shoulder + bones[0] * 0.168
        wrist = elbow + bones[1] * 0.145
        under, upper, lower = 0.031 * thick, 0.0255 * thick, 0.018 * thick**0.6
        if self.actor.long_sleeves:
            yield Solid(shoulder, elbow, under * 1.12, upper * 1.12, self.sleeve)
            yield Solid(elbow, wrist - bones[1] * 0.008, upper * 1.12, lower * 1.25, self.sleeve)
        else:
            yield Solid(shoulder, elbow, under * 0.98, upper, self.skin)
            yield Solid(shoulder, shoulder + bones[0] * 0.085, under * 1.14, under * 1.22, self.sleeve, soft=0.004)
            yield Solid(elbow, elbow + bones[1] * 0.05, upper, upper * 1.03, self.skin)
            yield Solid(elbow + bones[1] * 0.05, wrist, upper * 1.03, lower, self.skin)
        yield from self._hand(wrist, bones[1], chest, sign, fist)

    def _hand(self, wrist: Vector, ahead: Vector, chest: Matrix, sign: float, fist: bool) -> Iterator[Solid]:
        inward = chest @ [-sign, 0, 0]
        facing = chest @ [0, 0, 1.0] if ahead[1] > 0.2 else inward  # a raised palm looks ahead, a hanging one inwards
        palm = _unit(facing - ahead * float(facing @ ahead) + 1e-6)
        across = np.cross(ahead, palm)
        if float(across @ inward) < 0 and not fist:
            across = -across
        axes = np.stack([across, ahead, palm])
        if fist:
            knuckles = wrist + ahead * 0.028
            yield Solid(wrist, knuckles, 0.019, 0.0275, self.skin)
            yield Solid(knuckles + axes[0] * 0.010, knuckles - axes[0] * 0.010, 0.025, 0.025, self.skin)
            yield Solid(
                knuckles + palm * 0.022, knuckles + palm * 0.02 + ahead * 0.012, 0.010, 0.009, self.skin, soft=0.004
            )
            return
        middle = wrist + ahead * 0.030
        yield Solid(wrist, middle, 0.0175, 0.024, self.skin, axes, (1.0, 1.0, 0.52))
        for number, (offset, length) in enumerate(((0.017, 0.040), (0.0058, 0.047), (-0.0058, 0.045), (-0.017, 0.036))):
            root = middle + across * offset + ahead * 0.012
            tip = root + ahead * length + across * offset * 0.32 + palm * (0.004 + 0.001 * number)
            yield Solid(root, tip, 0.0072, 0.0058, self.skin, soft=0.005)
        root = wrist + ahead * 0.016 + across * 0.016
        yield Solid(root, root + ahead * 0.030 + across * 0.022 + palm * 0.008, 0.0095, 0.0068, self.skin, soft=0.006)

    def _head(self, middle: Vector, turn: Matrix) -> Iterator[Solid]:
        size = 0.066

        def ball(at: tuple[float, float, float], radius: float, material: Material, *, soft: float = 0.001,
                 scale: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Solid:  # fmt: skip
            centre = middle + turn @ np.array(at) * size
            return Solid(centre, centre, radius * size, radius * size, material, turn.T, scale, soft)

        def bar(a: tuple[float, float, float], b: tuple[float, float, float], ra: float, rb: float,
                material: Material, *, soft: float = 0.001) -> Solid:  # fmt: skip
            start, stop = middle + turn @ np.array(a) * size, middle + turn @ np.array(b) * size
            return Solid(start, stop, ra * size, rb * size, material, soft=soft)

        yield ball((0, 0.18, -0.04), 1.0, self.skin, scale=(0.84, 0.98, 0.98), soft=0.012)
        yield Solid(middle + turn @ [0, -0.10 * size, 0.16 * size], middle + turn @ [0, -0.66 * size, 0.30 * size],
                    0.76 * size, 0.44 * size, self.skin, turn.T, (0.96, 1.0, 1.0), soft=0.02)  # fmt: skip
        for sign in (1.0, -1.0):
            yield ball((sign * 0.84, -0.04, -0.04), 0.19, self.skin, scale=(0.5, 1.1, 0.8), soft=0.004)
            yield ball((sign * 0.30, 0.07, 0.80), 0.165, self.white, scale=(1.15, 0.80, 0.8))
            yield ball((sign * 0.29, 0.065, 0.905), 0.095, self.eye)
            yield bar((sign * 0.15, 0.37, 0.915), (sign * 0.46, 0.33, 0.80), 0.048, 0.038, self.hair)
        yield bar((0, 0.06, 0.92), (0, -0.20, 1.03), 0.085, 0.135, self.skin, soft=0.006)
        yield bar((-0.12, -0.52, 0.865), (0.12, -0.52, 0.865), 0.055, 0.055, self.lips)
        for sign in (1.0, -1.0):
            yield bar((sign * 0.12, -0.52, 0.865), (sign * 0.29, -0.43, 0.79), 0.055, 0.035, self.lips)
        if self.actor.beard:
            yield Solid(middle + turn @ [0, -0.36 * size, 0.20 * size], middle + turn @ [0, -0.72 * size, 0.34 * size],
                        0.66 * size, 0.46 * size, self.hair, turn.T, (1.0, 1.0, 0.97), soft=0.004)  # fmt: skip
        match self.actor.hair:
            case "bald":
                return
            case "cap":
                hat = Material(self.actor.trousers if sum(self.actor.shirt) > 1.2 else self.actor.shirt)
                yield ball((0, 0.16, -0.16), 1.0, self.hair, scale=(0.90, 0.9, 0.93))
                yield ball((0, 0.46, -0.08), 1.0, hat, scale=(0.93, 0.78, 1.02))
                brim = middle + turn @ [0, 0.50 * size, 0.55 * size], middle + turn @ [0, 0.42 * size, 1.12 * size]
                yield Solid(*brim, 0.72 * size, 0.60 * size, hat, turn.T, (1.0, 0.10, 0.8), soft=0.002)
                return
            case "curls":
                for number in range(26):
                    up, around = 1.22 - 1.45 * (number / 26), number * 2.4
                    flat = np.sqrt(max(0.0, 1 - min(1.0, abs(up)) ** 2)) * 0.98
                    at = (flat * np.sin(around), up * 0.86 + 0.18, flat * np.cos(around) - 0.22)
                    if at[2] < 0.35 or at[1] > 0.72:
                        yield ball(at, 0.40, self.hair, soft=0.006)
        yield ball((0, 0.28, -0.16), 1.0, self.hair, scale=(0.94, 0.98, 1.0))
        yield bar((-0.40, 0.80, 0.50), (0.42, 0.82, 0.50), 0.30, 0.26, self.hair, soft=0.010)
        if self.actor.hair == "bun":
            yield ball((0, 0.98, -0.75), 0.46, self.hair, soft=0.004)
        if self.actor.hair == "long":
            yield Solid(middle + turn @ [0, 0.05 * size, -0.45 * size], middle + turn @ [0, -1.30 * size, -0.62 * size],
                        0.92 * size, 0.70 * size, self.hair, turn.T, (1.0, 1.0, 0.55), soft=0.01)  # fmt: skip
            for sign in (1.0, -1.0):
                yield bar((sign * 0.72, 0.45, 0.10), (sign * 0.78, -0.85, -0.05), 0.30, 0.20, self.hair, soft=0.01)


def _unit(vector: Vector) -> Vector:
    return cast(Vector, vector / np.linalg.norm(vector))


def _bend(root: Vector, tip: Vector, first: float, second: float, ahead: Vector) -> tuple[Vector, Vector]:
    """Where the middle joint of two bones lies, bent towards `ahead`, and the tip, pulled in if out of reach."""
    span = tip - root
    length = min(float(np.linalg.norm(span)), (first + second) * 0.999)
    along = _unit(span)
    tip = root + along * length
    share = (length * length + first * first - second * second) / (2 * length)
    out = ahead - along * float(ahead @ along)
    return root + along * share + _unit(out) * np.sqrt(max(0.0, first * first - share * share)), tip
