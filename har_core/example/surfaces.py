"""What floors, walls and skies are painted with: functions from metres, or from directions, to linear colour."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from har_core.example.solids import Colour, Plane

Surface = Callable[[Plane, Plane], Plane]
"""Colours `(H, W, 3)` at places `(H, W)` each: x and z of a floor, or along and up a wall, in metres."""

Sky = Callable[[Plane, Plane], Plane]
"""Colours `(H, W, 3)` at azimuths and elevations `(H, W)` each, in radians, azimuth 0 straight ahead."""


@dataclass(frozen=True, slots=True, eq=False)
class Grain:
    """Chance that can be asked for again: a cloudy and a fine noise that tile the plane, and numbers by place."""

    cloudy: Plane
    fine: Plane
    numbers: Plane

    @staticmethod
    def drawn(random: np.random.Generator) -> "Grain":
        """New noise: a spectrum that falls with frequency tiles without a seam."""
        frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])
        frequency[0, 0] = np.inf
        tiles = []
        for power in (1.7, 0.7):
            wave = np.fft.rfft2(random.standard_normal((256, 256))) / frequency**power
            tile = np.fft.irfft2(wave)
            tiles.append((tile / tile.std()).clip(-2.5, 2.5).astype(np.float32))
        return Grain(tiles[0], tiles[1], random.random(1009).astype(np.float32))

    def at(self, x: Plane, y: Plane, *, fine: bool = False) -> Plane:
        """The noise at places `(H, W)`, about -2 to 2; it repeats every 1 in x and y."""
        return sampled(self.fine if fine else self.cloudy, (x - np.floor(x)) * 256, (y - np.floor(y)) * 256, wraps=True)

    def number(self, i: Plane, j: Plane | int = 0) -> Plane:
        """A number in [0, 1) that depends on two whole numbers."""
        return cast(
            Plane, self.numbers[(i.astype(np.int64) * 131 + np.asarray(j).astype(np.int64) * 71) % len(self.numbers)]
        )


def sampled(picture: Plane, x: Plane, y: Plane, *, wraps: bool = False) -> Plane:
    """The picture `(H, W)` at the pixels (x, y), between them interpolated; outside it repeats, or is 0."""
    border = cv2.BORDER_WRAP if wraps else cv2.BORDER_CONSTANT
    x, y = x.astype(np.float32), y.astype(np.float32)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=border), np.float32)


def _rgb(colour: Colour) -> Plane:
    return np.array(colour, np.float32)


def _mix(a: Plane, b: Plane, share: Plane) -> Plane:
    return np.asarray(a + (b - a) * share[..., None], np.float32)


def _line(place: Plane, width: float) -> Plane:
    """1 within `width` / 2 of a whole number, else 0, with a soft edge."""
    return np.clip(1.5 - np.abs(place - np.round(place)) / (width / 2), 0, 1).astype(np.float32)


def planks(grain: Grain, colour: Colour, *, width: float = 0.15, length: float = 1.3) -> Surface:
    """Wooden boards that run away from the camera."""

    def paint(x: Plane, z: Plane) -> Plane:
        row = np.floor(x / width)
        board = z / length + grain.number(row) * 3.0
        tone = grain.number(row, np.floor(board))
        streak = grain.at(x * 2.3 + tone, z * 0.16 + tone, fine=True)
        seam = np.maximum(_line(x / width, 0.05), _line(board, 0.008))
        return _rgb(colour) * (0.84 + 0.30 * tone + 0.055 * streak - 0.45 * seam)[..., None]

    return paint


def tiles(grain: Grain, light: Colour, dark: Colour, *, side: float = 0.45) -> Surface:
    """Square tiles, every other one dark, with joints."""

    def paint(x: Plane, z: Plane) -> Plane:
        i, j = np.floor(x / side), np.floor(z / side)
        tone = 0.93 + 0.12 * grain.number(i, j) + 0.03 * grain.at(x * 0.4, z * 0.4)
        joint = np.maximum(_line(x / side, 0.03), _line(z / side, 0.03))
        return _mix(_rgb(light), _rgb(dark), (i + j) % 2) * (tone - 0.3 * joint)[..., None]

    return paint


def rough(grain: Grain, colour: Colour, *, contrast: float = 0.08, metres: float = 2.0, fine: float = 0.05) -> Surface:
    """One colour with cloudy and fine unevenness: plaster, carpet, concrete, sand."""

    def paint(x: Plane, y: Plane) -> Plane:
        uneven = contrast * grain.at(x / metres, y / metres) + fine * grain.at(x * 1.1, y * 1.1, fine=True)
        return cast(Plane, _rgb(colour) * (1 + uneven)[..., None])

    return paint


def grass(grain: Grain, colour: Colour) -> Surface:
    """A meadow: patches, blades that stand up, a few daisies."""

    def paint(x: Plane, z: Plane) -> Plane:
        patch = grain.at(x / 5, z / 5)
        blades = grain.at(x * 2.1, z * 0.8, fine=True)
        tone = 1 + 0.13 * patch + 0.13 * blades
        ground = (
            _mix(_rgb(colour), _rgb(colour) * [1.5, 1.15, 0.8], np.clip(0.35 * patch + 0.3, 0, 1)) * tone[..., None]
        )
        i, j = np.floor(x / 0.28), np.floor(z / 0.28)
        dx = x / 0.28 - i - 0.2 - 0.6 * grain.number(i, j)
        dz = z / 0.28 - j - 0.2 - 0.6 * grain.number(j, i)
        daisy = (grain.number(i * 3, j * 7) > 0.86) & (dx * dx + dz * dz < 0.010)
        return _mix(ground, _rgb((0.85, 0.85, 0.75)), daisy.astype(np.float32))

    return paint


def with_rug(
    floor: Surface, middle: tuple[float, float], half: tuple[float, float], colours: tuple[Colour, Colour]
) -> Surface:
    """A floor with a rug on it, a border and lozenges."""

    def paint(x: Plane, z: Plane) -> Plane:
        dx, dz = (x - middle[0]) / half[0], (z - middle[1]) / half[1]
        edge = np.maximum(np.abs(dx), np.abs(dz))
        lozenge = ((np.abs((x * 1.6) % 1 - 0.5) + np.abs((z * 1.6) % 1 - 0.5)) < 0.3) & (edge < 0.78)
        band = (edge > 0.84) & (edge < 0.92)
        rug = _mix(_rgb(colours[0]), _rgb(colours[1]), (lozenge | band).astype(np.float32))
        return _mix(floor(x, z), rug, np.clip((1 - edge) * half[0] / 0.01, 0, 1))

    return paint


def with_court(floor: Surface, colour: Colour) -> Surface:
    """A floor with the painted lines of a sports hall."""

    def paint(x: Plane, z: Plane) -> Plane:
        ring = np.abs(np.hypot(x - 0.3, z + 0.4) - 1.75) < 0.03
        lines = (np.abs(z + 2.3) < 0.03) | (np.abs(x + 2.6) < 0.03) | ring
        return _mix(floor(x, z), _rgb(colour), 0.85 * lines.astype(np.float32))

    return paint


def bricks(grain: Grain, colour: Colour, joint: Colour) -> Surface:
    """A brick wall."""

    def paint(x: Plane, y: Plane) -> Plane:
        row = np.floor(y / 0.085)
        place = x / 0.25 + 0.5 * (row % 2)
        tone = 0.72 + 0.5 * grain.number(np.floor(place), row) + 0.07 * grain.at(x * 0.9, y * 0.9, fine=True)
        seam = np.maximum(_line(place, 0.07), _line(y / 0.085, 0.20))
        return _mix(_rgb(colour) * tone[..., None], _rgb(joint) * (1 + 0.05 * grain.at(x, y))[..., None], seam)

    return paint


def wallpaper(grain: Grain, colour: Colour, stripe: Colour, *, width: float = 0.22) -> Surface:
    """A wall with upright stripes."""

    def paint(x: Plane, y: Plane) -> Plane:
        wall = _mix(_rgb(colour), _rgb(stripe), (np.floor(x / width) % 2).astype(np.float32))
        return wall * (1 + 0.02 * grain.at(x / 2, y / 2))[..., None]

    return paint


def with_dado(upper: Surface, colour: Colour, *, height: float, boards: bool) -> Surface:
    """A wall whose lower part is painted, or boarded, in another colour, with a ledge on top."""

    def paint(x: Plane, y: Plane) -> Plane:
        seam = 0.25 * _line(x / 0.16, 0.08) if boards else np.zeros_like(x)
        ledge = (np.abs(y - height) < 0.025).astype(np.float32)
        lower = _mix(_rgb(colour) * (1 - seam)[..., None], np.minimum(_rgb(colour) * 1.35, 0.9), ledge)
        return _mix(upper(x, y), lower, (y < height + 0.025).astype(np.float32))

    return paint


def sky(grain: Grain, zenith: Colour, horizon: Colour, *, clouds: float) -> Sky:
    """A sky that pales towards the horizon, with clouds on a flat layer."""

    def paint(azimuth: Plane, elevation: Plane) -> Plane:
        up = np.clip(elevation / 0.75, 0, 1) ** 0.65
        air = _mix(_rgb(horizon), _rgb(zenith), up)
        far = 1 / np.maximum(np.sin(np.maximum(elevation, 0)) + 0.12, 0.05)
        puffs = grain.at(0.16 * far * np.sin(azimuth) + 0.3, 0.16 * far * np.cos(azimuth))
        share = np.clip((puffs - 0.9 + clouds) * 0.9, 0, 0.9) * np.clip(elevation / 0.08, 0, 1)
        return _mix(air, _rgb((1.25, 1.22, 1.2)), share)

    return paint


def with_hills(above: Sky, grain: Grain, colours: tuple[Colour, ...]) -> Sky:
    """A sky with ranges of hills in front, the farthest first."""

    def paint(azimuth: Plane, elevation: Plane) -> Plane:
        picture = above(azimuth, elevation)
        for number, colour in enumerate(colours):
            steep = 0.085 - 0.028 * number
            level = np.full_like(azimuth, 0.2 * number + 0.1)
            ridge = steep * (1 + 0.42 * grain.at(azimuth * 0.13 + 0.37 * number, level))
            woods = 0.0035 * number * np.abs(grain.at(azimuth * 1.1, level) + 0.5 * grain.at(azimuth * 3.1, level))
            share = np.clip((ridge + woods - elevation) / 0.003, 0, 1)
            shine = (1 + 0.10 * grain.at(azimuth * 0.9, elevation * 4.0) + 2.0 * elevation)[..., None]
            picture = _mix(picture, _rgb(colour) * shine, share)
        return picture

    return paint


def with_town(above: Sky, grain: Grain, colours: tuple[Colour, ...]) -> Sky:
    """A sky with rows of far houses in front, some windows lit."""

    def paint(azimuth: Plane, elevation: Plane) -> Plane:
        picture = above(azimuth, elevation)
        for number, colour in enumerate(colours):
            width = 0.085 - 0.012 * number
            house = np.floor(azimuth / width + 0.37 * number)
            roof = (0.155 - 0.045 * number) * (0.45 + 0.9 * grain.number(house, number + 3))
            tone = 0.8 + 0.4 * grain.number(house, number + 11)
            column, storey = azimuth / 0.011, elevation / 0.014
            pane = (column % 1 > 0.35) & (storey % 1 > 0.4) & (grain.number(np.floor(column), np.floor(storey)) > 0.35)
            wall = _mix(_rgb(colour) * tone[..., None], _rgb(colour) * 0.62, pane.astype(np.float32) * 0.8)
            picture = _mix(picture, wall, np.clip((roof - elevation) / 0.0015, 0, 1))
        return picture

    return paint
