"""A place, and the picture of it that a camera sees, painted once for a clip."""

from dataclasses import dataclass, field

import numpy as np

from har_core.example.light import FloorMap, Light, as_pixels, blurred, develop, resized, shade
from har_core.example.solids import Camera, Canvas, Colour, Plane
from har_core.example.surfaces import Sky, Surface, sampled
from har_core.example.things import Shape
from har_core.values import Rgb


@dataclass(frozen=True, slots=True)
class Haze:
    """What the ground fades into: from `start` metres on, over `depth` metres, up to the share `most`."""

    colour: Colour = (0.7, 0.75, 0.8)
    start: float = 5.0
    depth: float = 45.0
    most: float = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A place to act in: the figure stands near (0, 0, 0). Either walls or a sky close it off."""

    floor: Surface
    light: Light
    behind: "Walls | OpenAir"
    shapes: list[Shape] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Walls:
    """A back wall at z = `back` and side walls at x = +-`side`, in metres; `surface` paints along and up."""

    surface: Surface
    back: float
    side: float


@dataclass(frozen=True, slots=True, eq=False)
class OpenAir:
    """A sky over ground without end."""

    sky: Sky
    haze: Haze


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """A painted place: `rgb` as `camera` sees it, and the share of each pixel that is floor, `(H, W)`."""

    rgb: Rgb
    floor: Plane
    camera: Camera


def paint(place: Place, camera: Camera) -> Backdrop:
    """What the camera sees of a place. Drawn twice as large, then reduced: smooth edges."""
    fine = camera.scaled(2)
    u, v = np.broadcast_arrays(*fine.rays())
    ray = (np.stack([u, v, np.ones_like(u)], axis=-1) @ fine.turn).astype(np.float32)
    canvas = Canvas(fine)
    canvas.add(place.shapes)
    picture, covered = shade(canvas, place.light)
    floor_depth = np.where(ray[..., 1] < -1e-4, camera.position[1] / np.maximum(-ray[..., 1], 1e-4), np.inf)
    wall_depth = _wall_depth(place.behind, camera, ray)
    empty = covered < 0.5
    on_floor = empty & (floor_depth < wall_depth)
    for mask, paint_part in ((on_floor, _floor), (empty & ~on_floor, _behind)):
        rows = np.flatnonzero(mask.any(1))
        if len(rows):  # the floor fills the lower rows, what is behind it the upper ones
            part = slice(rows[0], rows[-1] + 1)
            depth = np.where(mask, floor_depth if paint_part is _floor else wall_depth, 1.0)[part]
            colours = paint_part(place, camera, ray[part], depth.astype(np.float32))
            picture[part] = np.where(mask[part][..., None], colours, picture[part])
    picture = blurred(resized(picture, camera.size_wh), 0.55)  # the lens is focused on the figure
    return Backdrop(as_pixels(develop(picture)), resized(on_floor.astype(np.float32), camera.size_wh), camera)


def _wall_depth(behind: Walls | OpenAir, camera: Camera, ray: Plane) -> Plane:
    """How far along each ray the walls are; under the open sky, where the ground ends."""
    if isinstance(behind, OpenAir):
        return np.full(ray.shape[:2], 60.0, np.float32)
    ahead = np.where(ray[..., 2] < -1e-4, (behind.back - camera.position[2]) / np.minimum(ray[..., 2], -1e-4), np.inf)
    sideways = np.maximum(np.abs(ray[..., 0]), 1e-6)
    return np.asarray(np.minimum(ahead, (behind.side - np.sign(ray[..., 0]) * camera.position[0]) / sideways))


def _floor(place: Place, camera: Camera, ray: Plane, depth: Plane) -> Plane:
    """The floor in the light, with the shadows of what stands on it."""
    light, behind = place.light, place.behind
    x, z = (float(camera.position[axis]) + depth * ray[..., axis] for axis in (0, 2))
    area = FloorMap(-7.0, -9.0, 14.0, pixels=32)
    at = (x - area.left) * area.pixels, (z - area.far) * area.pixels
    lit = float(light.towards[1]) * (1 - sampled(area.shadow(place.shapes, light), *at))
    open_sky = 1 - 0.55 * sampled(area.contact(place.shapes), *at)
    if isinstance(behind, Walls):
        open_sky = open_sky * _corner(z - behind.back) * _corner(behind.side - np.abs(x))
        # Lamps light the middle of a room more than its corners.
        middle = float(light.towards[0])
        lit = lit * (0.72 + 0.4 * np.exp(-(((x - middle) / 2.6) ** 2) - ((z + 0.3) / 3.0) ** 2))
    floor = place.floor(x, z) * (lit[..., None] * _rgb(light.key) + open_sky[..., None] * _rgb(light.sky))
    if isinstance(behind, OpenAir):
        haze = behind.haze
        far = np.clip((np.hypot(x, z) - haze.start) / haze.depth, 0, 1)[..., None] ** 0.7
        floor = floor + (_rgb(haze.colour) - floor) * far * haze.most
    return np.asarray(floor)


def _behind(place: Place, camera: Camera, ray: Plane, depth: Plane) -> Plane:
    """The walls in the light, with a skirting board; or the sky."""
    light, behind = place.light, place.behind
    if isinstance(behind, OpenAir):
        azimuth = np.arctan2(ray[..., 0], -ray[..., 2])
        elevation = np.arctan2(ray[..., 1], np.hypot(ray[..., 0], ray[..., 2]))
        return behind.sky(azimuth, np.maximum(elevation, 0))
    x, y, z = (float(camera.position[axis]) + depth * ray[..., axis] for axis in range(3))
    is_side = behind.side - np.abs(x) < z - behind.back
    colour = behind.surface(np.where(is_side, behind.side + z - behind.back, x), y)
    skirting = np.clip((0.10 - y) / 0.008, 0, 1)[..., None]
    colour = colour + (_rgb((0.72, 0.70, 0.67)) - colour) * skirting
    right, _, ahead = light.towards.tolist()
    facing = np.where(is_side, np.maximum(-np.sign(x) * right, 0) + 0.1, np.float32(ahead))
    spot = 0.75 + 0.55 * np.exp(-(((x - 1.4 * right) / 2.2) ** 2) - ((y - 1.7) / 1.5) ** 2)
    open_sky = _corner(y) * _corner(np.where(is_side, z - behind.back, behind.side - np.abs(x)))
    lit = (facing * spot * (0.6 + 0.4 * open_sky))[..., None] * _rgb(light.key)
    return np.asarray(colour * (lit + (0.8 * open_sky)[..., None] * _rgb(light.sky)))


def _rgb(colour: Colour) -> Plane:
    return np.array(colour, np.float32)


def _corner(distance: Plane) -> Plane:
    """How much of the sky is left, near where two planes meet."""
    return np.asarray(1 - 0.38 * np.exp(-np.maximum(distance, 0) / 0.28))
