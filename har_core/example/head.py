"""The head: face, beard, hair or cap. Places and radii are in half head heights, from the middle of the head."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from har_core.example.actor import Hair, Looks
from har_core.example.solids import Material, Matrix, Solid, Vector

SIZE = 0.066
"""Half the height of a head, in body heights."""

Place = tuple[float, float, float]
_ROUND = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """Where the head is, in body heights, and how it is turned."""

    middle: Vector
    turn: Matrix

    def ball(
        self, at: Place, radius: float, material: Material, *, scale: Place = _ROUND, soft: float = 0.001
    ) -> Solid:
        return self.bar(at, at, radius, radius, material, scale=scale, soft=soft)

    def bar(
        self,
        a: Place,
        b: Place,
        ra: float,
        rb: float,
        material: Material,
        *,
        scale: Place = _ROUND,
        soft: float = 0.001,
    ) -> Solid:
        start, stop = (self.middle + self.turn @ np.array(place) * SIZE for place in (a, b))
        axes = None if scale == _ROUND else self.turn.T
        return Solid(start, stop, ra * SIZE, rb * SIZE, material, axes, scale, soft)


def head(looks: Looks, hair: Hair, middle: Vector, turn: Matrix, *, beard: bool) -> Iterator[Solid]:
    """The solids of a head whose middle lies at `middle`, in body heights."""
    frame = _Frame(middle, turn)
    yield frame.ball((0, 0.18, -0.04), 1.0, looks.skin, scale=(0.84, 0.98, 0.98), soft=0.012)
    yield frame.bar((0, -0.10, 0.16), (0, -0.66, 0.30), 0.76, 0.44, looks.skin, scale=(0.96, 1.0, 1.0), soft=0.02)
    yield from _face(frame, looks)
    if beard:
        yield frame.bar((0, -0.36, 0.20), (0, -0.72, 0.34), 0.66, 0.46, looks.hair, scale=(1.0, 1.0, 0.97), soft=0.004)
    if hair == "cap":
        yield from _cap(frame, looks)
    elif hair != "bald":
        yield from _hair(frame, looks.hair, hair)


def _face(frame: _Frame, looks: Looks) -> Iterator[Solid]:
    for side in (1.0, -1.0):
        yield frame.ball((side * 0.84, -0.04, -0.04), 0.19, looks.skin, scale=(0.5, 1.1, 0.8), soft=0.004)
        yield frame.ball((side * 0.30, 0.07, 0.80), 0.165, looks.white, scale=(1.15, 0.80, 0.8))
        yield frame.ball((side * 0.29, 0.065, 0.905), 0.095, looks.eye)
        yield frame.bar((side * 0.15, 0.37, 0.915), (side * 0.46, 0.33, 0.80), 0.048, 0.038, looks.hair)
        yield frame.bar((side * 0.12, -0.52, 0.865), (side * 0.29, -0.43, 0.79), 0.055, 0.035, looks.lips)
    yield frame.bar((-0.12, -0.52, 0.865), (0.12, -0.52, 0.865), 0.055, 0.055, looks.lips)
    yield frame.bar((0, 0.06, 0.92), (0, -0.20, 1.03), 0.085, 0.135, looks.skin, soft=0.006)


def _cap(frame: _Frame, looks: Looks) -> Iterator[Solid]:
    yield frame.ball((0, 0.16, -0.16), 1.0, looks.hair, scale=(0.90, 0.9, 0.93))
    yield frame.ball((0, 0.46, -0.08), 1.0, looks.cap, scale=(0.93, 0.78, 1.02))
    yield frame.bar((0, 0.50, 0.55), (0, 0.42, 1.12), 0.72, 0.60, looks.cap, scale=(1.0, 0.10, 0.8), soft=0.002)


def _hair(frame: _Frame, colour: Material, hair: Hair) -> Iterator[Solid]:
    yield frame.ball((0, 0.28, -0.16), 1.0, colour, scale=(0.94, 0.98, 1.0))
    yield frame.bar((-0.40, 0.80, 0.50), (0.42, 0.82, 0.50), 0.30, 0.26, colour, soft=0.010)
    if hair == "bun":
        yield frame.ball((0, 0.98, -0.75), 0.46, colour, soft=0.004)
    elif hair == "long":
        yield frame.bar((0, 0.05, -0.45), (0, -1.30, -0.62), 0.92, 0.70, colour, scale=(1.0, 1.0, 0.55), soft=0.01)
        for side in (1.0, -1.0):
            yield frame.bar((side * 0.72, 0.45, 0.10), (side * 0.78, -0.85, -0.05), 0.30, 0.20, colour, soft=0.01)
    elif hair == "curls":
        for number in range(26):  # a spiral of balls, open at the face
            up, around = 1.22 - 1.45 * (number / 26), number * 2.4
            flat = float(np.sqrt(1 - min(1.0, abs(up)) ** 2)) * 0.98
            at = (flat * float(np.sin(around)), up * 0.86 + 0.18, flat * float(np.cos(around)) - 0.22)
            if at[2] < 0.35 or at[1] > 0.72:
                yield frame.ball(at, 0.40, colour, soft=0.006)
