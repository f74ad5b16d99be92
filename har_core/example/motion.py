"""How a body moves: each action as a smooth function from seconds to a pose. No pixels here.

A pose is written in units of body height, in the figure's own frame: x to its left, y up, z ahead;
side 0 is left, side 1 right. Legs are given by where the feet stand, so that they do not slide;
arms by the directions of their bones, seen from the chest.

`sit_down` and `stand_up` are one movement played forwards and backwards, with the same pauses: no
single frame tells them apart, only their order does.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from har_core.example.solids import Matrix, Vector

ACTIONS = ("jumping_jack", "punch", "sit_down", "stand_up", "wave")

SEAT = (0.265, -0.235)
"""Height of the stool and how far behind the heels its middle stands, in body heights."""


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Where a body is at one instant. Angles in radians: (pitch, yaw, roll), pitch nods forward."""

    pelvis: Vector
    hips: Vector
    chest: Vector
    head: Vector
    upper_arms: Matrix
    forearms: Matrix
    ankles: Matrix
    heels: Vector
    feet_yaw: Vector
    fists: bool = False

    def mirrored(self) -> "Pose":
        """The same with left and right exchanged."""
        flip, turn = _vector(-1.0, 1, 1), _vector(1.0, -1, -1)
        return replace(
            self,
            pelvis=self.pelvis * flip,
            hips=self.hips * turn,
            chest=self.chest * turn,
            head=self.head * turn,
            upper_arms=self.upper_arms[::-1] * flip,
            forearms=self.forearms[::-1] * flip,
            ankles=self.ankles[::-1] * flip,
            heels=self.heels[::-1],
            feet_yaw=-self.feet_yaw[::-1],
        )


@dataclass(frozen=True, slots=True)
class Manner:
    """How somebody does it this time.

    `speed` and `reach` scale tempo and size, both about 1; `phase` in [0, 1) is where in its cycle a
    clip begins; `habit` in [0, 1) picks among small differences (a hand on the hip, jab-jab-cross).
    """

    speed: float = 1.0
    reach: float = 1.0
    phase: float = 0.0
    habit: float = 0.0
    mirrored: bool = False


def pose(action: str, at: float, manner: Manner, *, seconds: float) -> Pose:
    """The pose `at` seconds into a clip that lasts `seconds`.

    >>> bool(pose("jumping_jack", 0.4, Manner(), seconds=3.0).ankles[0, 0] > 0.1)
    True
    """
    shown = _MOVES[action](at, manner, seconds)
    return shown.mirrored() if manner.mirrored else shown


def _vector(x: float, y: float, z: float) -> Vector:
    return np.array([x, y, z], dtype=float)


def _sides(left: tuple[float, float, float], right: tuple[float, float, float] | None = None) -> Matrix:
    """Two vectors, left and right; one alone is mirrored for the right."""
    return np.array([left, right or (-left[0], left[1], left[2])], dtype=float)


def _ease(progress: float) -> float:
    p = min(1.0, max(0.0, progress))
    return p * p * p * (10 + p * (6 * p - 15))


def _standing(at: float, manner: Manner) -> Pose:
    """At rest, arms hanging, breathing and swaying a little."""
    breath = np.sin(1.7 * at + 6 * manner.phase)
    sway = np.sin(0.9 * at + 9 * manner.habit)
    return Pose(
        pelvis=_vector(0.004 * sway, 0.528, 0.0),
        hips=_vector(0.0, 0.03 * sway, 0.0),
        chest=_vector(0.02 + 0.012 * breath, 0.02 * sway, 0.01 * sway),
        head=_vector(0.02 - 0.01 * breath, 0.12 * sway, 0.03 * sway),
        upper_arms=_sides((0.2, -1, 0.0)),
        forearms=_sides((0.06, -1, 0.24)),
        ankles=_sides((0.062, 0.042, 0.0)),
        heels=np.zeros(2),
        feet_yaw=np.array([0.22, -0.22]),
    )


def _wave(at: float, manner: Manner, seconds: float) -> Pose:
    rest = _standing(at, manner)
    begins = -1.0 if manner.phase < 0.5 else 0.35 * manner.phase
    raised = _ease((at - begins) / 0.55)
    swing = np.sin(2 * np.pi * (1.75 * manner.speed * at + manner.phase))
    lean = 0.16 + 0.52 * manner.reach * swing
    lift = -0.15 + 0.55 * manner.habit
    upper, fore = rest.upper_arms.copy(), rest.forearms.copy()
    upper[0] += raised * (_vector(0.95, lift + 0.06 * swing, 0.22) - upper[0])
    fore[0] += raised * (_vector(np.sin(lean), np.cos(lean), 0.16) - fore[0])
    if 0.35 < manner.habit < 0.7:  # the other hand on the hip
        upper[1], fore[1] = (-0.72, -0.72, -0.12), (0.8, -0.42, 0.46)
    return replace(
        rest,
        chest=rest.chest + _vector(0, -0.08 * raised, raised * (0.05 + 0.025 * swing)),
        head=rest.head + _vector(0, 0.1 * raised, raised * (-0.1 + 0.03 * swing)),
        pelvis=rest.pelvis + _vector(-0.012 * raised, 0, 0),
        upper_arms=upper,
        forearms=fore,
    )


def _jumping_jack(at: float, manner: Manner, seconds: float) -> Pose:
    turn = 2 * np.pi * (0.92 * manner.speed * at + manner.phase)
    opened = 0.5 - 0.5 * np.cos(turn)
    trailing = 0.5 - 0.5 * np.cos(turn - 0.35)  # forearms and head follow a little later
    air = abs(np.sin(turn))
    lift = 0.075 * manner.reach * air**1.3
    give = 0.028 * (1 - air) ** 2
    angle = 0.2 + (2.72 + 0.12 * manner.habit) * opened
    after = 0.34 + (2.78 + 0.12 * manner.habit) * trailing
    spread = 0.045 + 0.135 * manner.reach * opened
    return replace(
        _standing(at, manner),
        pelvis=_vector(0, 0.528 - give + lift - 0.55 * spread**2, 0),
        chest=_vector(0.04 + 0.10 * (1 - air), 0.0, 0.0),
        head=_vector(0.05 - 0.1 * trailing, 0.0, 0.0),
        upper_arms=_sides((float(np.sin(angle)), float(-np.cos(angle)), 0.10)),
        forearms=_sides((float(np.sin(after)), float(-np.cos(after)), 0.16)),
        ankles=_sides((spread, 0.042 + lift * 0.92, -0.01)),
        heels=np.full(2, 0.75 * air),
        feet_yaw=np.array([0.3, -0.3]),
    )


_GUARD = (_vector(0.30, -0.88, 0.40), _vector(-0.46, 0.92, 0.34))
_BLOW = (_vector(-0.16, 0.22, 1.0), _vector(-0.14, 0.30, 1.0))


def _punch(at: float, manner: Manner, seconds: float) -> Pose:
    order = (0, 1) if manner.habit < 0.5 else (0, 0, 1)
    beat = 2.1 * manner.speed * at + 3 * manner.phase
    side, within = order[int(beat) % len(order)], beat % 1
    out = _ease(within / 0.24) * (1 - _ease((within - 0.34) / 0.42)) * min(1.0, manner.reach)
    blows = np.array([out if side == 0 else 0.0, out if side == 1 else 0.0])
    mirror = np.array([[1.0, 1, 1], [-1.0, 1, 1]])
    weight = blows[:, None]
    bob = np.sin(2 * np.pi * beat * 0.5)
    twist = 0.30 - 0.42 * blows[0] * 0.9 + 0.75 * blows[1]  # the left foot stands ahead
    return replace(
        _standing(at, manner),
        pelvis=_vector(0.012 * bob, 0.472 + 0.008 * np.cos(2 * np.pi * beat), 0.01 + 0.03 * out),
        hips=np.array([0.06, -0.30 + 0.22 * blows[1], 0.0]),
        chest=_vector(0.16 + 0.08 * out, -0.42 + twist, 0.03 * bob),
        head=_vector(0.02, 0.30 - 0.5 * twist, 0.04 * bob),
        upper_arms=(_GUARD[0] + weight * (_BLOW[0] - _GUARD[0])) * mirror,
        forearms=(_GUARD[1] + weight * (_BLOW[1] - _GUARD[1])) * mirror,
        ankles=np.array([[0.075, 0.042, 0.105], [-0.085, 0.042 + 0.02 * blows[1], -0.105]]),
        heels=np.array([0.0, 0.22 + 0.4 * blows[1]]),
        feet_yaw=np.array([-0.1, -0.65 + 0.3 * blows[1]]),
        fists=True,
    )


def _seated(down: float, at: float, manner: Manner) -> Pose:
    """On the way between standing (`down` 0) and sitting on the stool (1)."""
    rest = _standing(at, manner)
    over = np.sin(np.pi * down)
    seat = np.array([0, SEAT[0] + 0.062, SEAT[1] + 0.015])
    pelvis = rest.pelvis + (seat - rest.pelvis) * [down, down**1.15, down**0.8]
    hands = _ease(down * 1.4)
    upper = rest.upper_arms + hands * (_sides((0.22, -0.86, 0.50)) - rest.upper_arms)
    fore = rest.forearms + hands * (_sides((-0.10, -0.46, 0.9)) - rest.forearms)
    return replace(
        rest,
        pelvis=pelvis,
        hips=rest.hips + _vector(0.5 * over, 0, 0),
        chest=rest.chest + _vector((0.78 + 0.15 * manner.reach) * over + 0.05 * down, 0, 0),
        head=rest.head + _vector(-0.55 * over, 0, 0),
        upper_arms=upper + over * _vector(0, 0.18, 0.42),
        forearms=fore + over * _vector(0, 0.15, 0.2),
        ankles=_sides((0.075, 0.042, 0.0)),
    )


def _sit_down(at: float, manner: Manner, seconds: float) -> Pose:
    lasts = min(0.62 * seconds, 1.35 / manner.speed)
    begins = (seconds - lasts) * (0.25 + 0.5 * manner.phase)
    return _seated(_ease((at - begins) / lasts), at, manner)


def _stand_up(at: float, manner: Manner, seconds: float) -> Pose:
    return _sit_down(seconds - at, manner, seconds)


_MOVES: dict[str, Callable[[float, Manner, float], Pose]] = {
    "jumping_jack": _jumping_jack,
    "punch": _punch,
    "sit_down": _sit_down,
    "stand_up": _stand_up,
    "wave": _wave,
}
