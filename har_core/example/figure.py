"""The body of an actor in a pose, as solids."""

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from har_core.example.actor import Actor, Looks
from har_core.example.head import head
from har_core.example.motion import Pose
from har_core.example.solids import Matrix, Solid, Vector, rotation


class Body:
    """The solids of one actor; `solids` places them for a pose.

    Numbers are shares of body height; radii follow the actor's thickness.
    """

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.looks = Looks(actor)

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
        face = chest @ rotation(*(pose.head - 0.45 * pose.chest * [1, 1, 1]))
        middle = neck + (chest @ [0, 0.5, 0.04] + face @ [0, 0.5, 0.08]) * 0.098
        yield Solid(
            neck - chest @ [0, 0.012, 0], middle - face @ [0, 0.02, 0], 0.031 * thick**0.5, 0.028, self.looks.skin
        )
        yield from head(self.looks, self.actor.hair, middle, face, beard=self.actor.beard)

    def _torso(self, pelvis: Vector, hips: Matrix, waist: Vector, chest: Matrix) -> Iterator[Solid]:
        wide, thick = self.actor.shoulders, self.actor.thickness
        flat = (1.0, 1.0, 0.68)
        belly = 0.068 * thick
        yield Solid(pelvis + hips @ [0, -0.004, 0], pelvis + hips @ [0, 0.045, 0], 0.083 * thick**0.7, 0.074 * thick,
                    self.looks.trousers, hips.T, (1.0, 0.85, 0.74))  # fmt: skip
        yield Solid(waist + hips @ [0, -0.040, 0.002], waist + chest @ [0, 0.06, 0.004], belly * 1.13, belly * 1.10,
                    self.looks.shirt, chest.T, (1.0, 1.0, 0.74))  # fmt: skip
        yield Solid(waist + chest @ [0, 0.045, 0.004], waist + chest @ [0, 0.150, 0.002], belly * 1.10,
                    0.090 * (0.5 * wide + 0.5 * thick), self.looks.shirt, chest.T, flat)  # fmt: skip
        top = waist + chest @ [0, 0.190, -0.004]
        for sign in (1.0, -1.0):
            ends = top + chest @ [0, 0.018, 0], top + chest @ [sign * 0.098 * wide, 0.0, 0]
            yield Solid(*ends, 0.040, 0.040 * thick**0.5, self.looks.shoulder, soft=0.03)

    def _leg(self, hip: Vector, ankle: Vector, heel: float, yaw: float) -> Iterator[Solid]:
        thick = self.actor.thickness
        foot = rotation(yaw=yaw) @ rotation(pitch=heel)
        # A lifted heel turns the foot about its ball.
        ankle = ankle + np.array([0, 0.075 * np.sin(heel), 0.03 * (1 - np.cos(heel))])
        ahead = rotation(yaw=yaw) @ [0, 0, 1.0]
        knee, ankle = _bend(hip, ankle, 0.242, 0.238, ahead)
        loose = 1.12 if self.actor.long_legs else 1.0
        calf = self.looks.trousers if self.actor.long_legs else self.looks.skin
        thigh_end = knee if self.actor.long_legs else hip + (knee - hip) * 0.92
        shin = _unit(ankle - knee)
        front = _unit(ahead - shin * float(shin @ ahead))
        yield Solid(hip, thigh_end, 0.054 * thick, 0.037 * thick * loose, self.looks.trousers)
        if not self.actor.long_legs:
            yield Solid(hip + (knee - hip) * 0.6, knee, 0.035 * thick, 0.030 * thick, self.looks.skin)
        belly = knee + shin * 0.075 - front * 0.010
        yield Solid(knee, belly, 0.031 * thick * loose, 0.033 * thick * loose, calf)
        yield Solid(belly, knee + (ankle - knee) * 0.93, 0.033 * thick * loose, 0.021 * loose * thick**0.5, calf)
        if not self.actor.long_legs:
            yield Solid(ankle - shin * 0.045, ankle, 0.0225, 0.022, self.looks.white)
        back, ball = ankle + foot @ [0, -0.014, -0.016], ankle + foot @ [0, -0.022, 0.082]
        low = (1.0, 0.72, 1.0)
        yield Solid(back, ball, 0.025, 0.0235, self.looks.shoes, foot.T, low)
        yield Solid(ankle, ankle + foot @ [0, -0.014, 0.06], 0.024, 0.019, self.looks.shoes)
        drop = foot @ [0, -0.0135, 0]
        ends = back + drop, ball + drop + foot @ [0, 0.002, 0.003]
        yield Solid(*ends, 0.026, 0.0245, self.looks.sole, foot.T, (1.0, 0.34, 1.0), soft=0.003)

    def _arm(
        self, shoulder: Vector, bones: tuple[Vector, Vector], chest: Matrix, sign: float, fist: bool
    ) -> Iterator[Solid]:
        thick = self.actor.thickness
        elbow = shoulder + bones[0] * 0.168
        wrist = elbow + bones[1] * 0.145
        under, upper, lower = 0.031 * thick, 0.0255 * thick, 0.018 * thick**0.6
        if self.actor.long_sleeves:
            yield Solid(shoulder, elbow, under * 1.12, upper * 1.12, self.looks.sleeve)
            yield Solid(elbow, wrist - bones[1] * 0.008, upper * 1.12, lower * 1.25, self.looks.sleeve)
        else:
            yield Solid(shoulder, elbow, under * 0.98, upper, self.looks.skin)
            yield Solid(
                shoulder, shoulder + bones[0] * 0.085, under * 1.14, under * 1.22, self.looks.sleeve, soft=0.004
            )
            yield Solid(elbow, elbow + bones[1] * 0.05, upper, upper * 1.03, self.looks.skin)
            yield Solid(elbow + bones[1] * 0.05, wrist, upper * 1.03, lower, self.looks.skin)
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
            yield Solid(wrist, knuckles, 0.019, 0.0275, self.looks.skin)
            yield Solid(knuckles + axes[0] * 0.010, knuckles - axes[0] * 0.010, 0.025, 0.025, self.looks.skin)
            thumb = knuckles + palm * 0.022, knuckles + palm * 0.02 + ahead * 0.012
            yield Solid(*thumb, 0.010, 0.009, self.looks.skin, soft=0.004)
            return
        middle = wrist + ahead * 0.030
        yield Solid(wrist, middle, 0.0175, 0.024, self.looks.skin, axes, (1.0, 1.0, 0.52))
        for number, (offset, length) in enumerate(((0.017, 0.040), (0.0058, 0.047), (-0.0058, 0.045), (-0.017, 0.036))):
            root = middle + across * offset + ahead * 0.012
            tip = root + ahead * length + across * offset * 0.32 + palm * (0.004 + 0.001 * number)
            yield Solid(root, tip, 0.0072, 0.0058, self.looks.skin, soft=0.005)
        root = wrist + ahead * 0.016 + across * 0.016
        yield Solid(
            root, root + ahead * 0.030 + across * 0.022 + palm * 0.008, 0.0095, 0.0068, self.looks.skin, soft=0.006
        )


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
