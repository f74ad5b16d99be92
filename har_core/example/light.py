"""Light: from a canvas of surfaces to linear colours, the shadows, and from there to pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from har_core.example.solids import Canvas, Colour, Matrix, Plane, Solid, Vector
from har_core.values import Rgb

FLOOR_PIXELS = 56
"""Pixels a metre of the maps that hold shadows on the floor."""


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """One sun or lamp far away, the sky or ceiling above and what the floor throws back.

    `towards` is the unit vector to the lamp, in the world; the colours are linear and may exceed 1.
    """

    towards: Vector
    key: Colour
    sky: Colour
    bounce: Colour

    @staticmethod
    def at(azimuth: float, elevation: float, key: Colour, sky: Colour, bounce: Colour) -> "Light":
        """Angles in radians; azimuth 0 is behind the camera, positive to the right."""
        flat = np.cos(elevation)
        towards = np.array([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)])
        return Light(towards, key, sky, bounce)


def shade(canvas: Canvas, light: Light, *, shadow: Plane | float = 1.0, rim: float = 0.0) -> tuple[Plane, Plane]:
    """Linear colours `(H, W, 3)` and coverage `(H, W)` of what the canvas holds; 0 where nothing is.

    Args:
        shadow: how much of the key light arrives, in [0, 1], `(H, W)` or one number.
        rim: strength of the bright edge that lifts a figure off its background.
    """
    width, height = canvas.camera.size_wh
    filled = np.flatnonzero(canvas.shape >= 0)
    normal = canvas.normal[filled] @ canvas.camera.turn.astype(np.float32)  # to the world
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    u, v = canvas.camera.rays()
    ray = np.stack([u[0, filled % width], v[filled // width, 0], np.ones(len(filled), np.float32)], axis=1)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    view = -(ray @ canvas.camera.turn.astype(np.float32))
    towards = light.towards.astype(np.float32)
    arrives = np.broadcast_to(np.float32(shadow), (height, width)).ravel()[filled]
    wrap = 0.18  # light that creeps round the edge, as on skin and cloth
    lit = np.clip((normal @ towards + wrap) / (1 + wrap), 0, 1) * arrives
    up = (0.5 + 0.5 * normal[:, 1]) * _openness(canvas).ravel()[filled]
    colour, gloss, glow = canvas.paint[filled, :3], canvas.paint[filled, 3], canvas.paint[filled, 4]
    key, sky, bounce = (np.array(c, np.float32) for c in (light.key, light.sky, light.bounce))
    received = lit[:, None] * key + up[:, None] * sky + ((1 - up) * 0.75)[:, None] * bounce
    half = view + towards
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = np.clip(np.einsum("ij,ij->i", normal, half), 0, 1) ** 24 * gloss * arrives
    edge = np.clip(1 - np.einsum("ij,ij->i", normal, view), 0, 1) ** 3 * rim * up
    picture = np.zeros((height * width, 3), np.float32)
    picture[filled] = colour * (received + glow[:, None]) + shine[:, None] * key + edge[:, None] * sky
    return picture.reshape(height, width, 3), (canvas.shape >= 0).astype(np.float32).reshape(height, width)


def _openness(canvas: Canvas) -> Plane:
    """How much sky a pixel sees, 0.45 to 1: less where it lies deeper than what is around it."""
    width, height = canvas.camera.size_wh
    small = (max(1, width // 3), max(1, height // 3))
    held = (canvas.shape >= 0).astype(np.float32).reshape(height, width)
    depth = np.where(held > 0, canvas.depth.reshape(height, width), 0)
    held, depth = (cv2.resize(plane, small, interpolation=cv2.INTER_AREA) for plane in (held, depth))
    mean = depth / np.maximum(held, 1e-3)
    middle = float(depth.sum() / max(1.0, float(held.sum())))
    openness = np.ones(depth.shape, np.float32)
    for metres, strength in ((0.045, 0.3), (0.13, 0.25)):
        sigma = max(0.6, metres * canvas.camera.focal / max(middle, 0.5) / 3)
        around = cv2.GaussianBlur(depth, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(held, (0, 0), sigma), 1e-3)
        openness -= strength * np.clip((mean - around) / (1.5 * metres), 0, 1)
    return np.asarray(cv2.resize(openness, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def cast(canvas: Canvas, blockers: Sequence[tuple[int, Solid]], light: Light, *, step: int = 2) -> Plane:
    """How much of the key light reaches each pixel past `blockers`, in [0, 1], `(H, W)`, with soft edges.

    A blocker is a number on the canvas and the solid that stands in the light; it never shades itself.
    Reckoned at every `step`-th pixel. After I. Quilez' capsule soft shadow.
    """
    width, height = canvas.camera.size_wh
    shape = canvas.shape.reshape(height, width)[::step, ::step]
    arrives = np.ones(shape.shape, np.float32)
    rows, columns = np.nonzero(shape >= 0)
    u, v = canvas.camera.rays()
    depth = canvas.depth.reshape(height, width)[::step, ::step][rows, columns]
    ray = np.stack([u[0, ::step][columns], v[::step, 0][rows], np.ones(len(rows), np.float32)], axis=1)
    place = ray * depth[:, None]
    towards = (canvas.camera.turn @ light.towards).astype(np.float32)
    own, passed = shape[rows, columns], np.ones(len(rows), np.float32)
    for number, solid in blockers:
        start, stop = (
            (canvas.camera.turn @ (end - canvas.camera.position)).astype(np.float32)
            for end in (solid.start, solid.stop)
        )
        bone = stop - start + np.float32(1e-4)
        offset = place - start
        along, lean, length = offset @ towards, float(bone @ towards), float(bone @ bone)
        reach = offset @ bone
        far = (lean * reach - along * length) / max(length - lean * lean, 1e-6)
        on = np.clip((reach - along * lean) / max(length - lean * lean, 1e-6), 0, 1)
        gap = offset + np.maximum(far, 0)[:, None] * towards - on[:, None] * bone
        radius = 0.85 * (solid.radius + (solid.end_radius - solid.radius) * on)
        clear = (np.sqrt(np.einsum("ij,ij->i", gap, gap)) - radius) / np.maximum(far, 0.02)
        light_left = np.clip(5 * clear + 0.5, 0, 1)
        near = np.clip((far - radius) / 0.05, 0, 1)  # what touches is left to `_openness`
        passed *= 1 - (1 - light_left * light_left * (3 - 2 * light_left)) * near * (own != number)
    arrives[rows, columns] = passed
    arrives = cv2.GaussianBlur(arrives, (0, 0), 0.9)
    return np.asarray(cv2.resize(arrives, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


@dataclass(frozen=True, slots=True)
class FloorMap:
    """Where a map of shadows lies on the floor: its far left corner (x, z) and side, in metres."""

    left: float
    far: float
    side: float

    @property
    def to_floor(self) -> Matrix:
        """Map pixels to floor metres (x, z, 1)."""
        return np.array([[1 / FLOOR_PIXELS, 0, self.left], [0, 1 / FLOOR_PIXELS, self.far], [0, 0, 1.0]])

    def shadow(self, solids: Sequence[Solid], light: Light) -> Plane:
        """How dark the floor lies in the shadow of `solids`, 0 to 1, square: sharp below what is near, soft else."""
        number = round(self.side * FLOOR_PIXELS)
        dark = np.zeros((number, number), np.float32)
        for low, high, blur in ((-1.0, 0.35, 1.6), (0.35, 0.9, 3.5), (0.9, 9.0, 6.5)):
            layer = np.zeros((number, number), np.uint8)
            for solid in solids:
                if low <= (solid.start[1] + solid.stop[1]) / 2 < high:
                    self._drop(layer, solid, light)
            if layer.any():
                soft = cv2.GaussianBlur(layer, (0, 0), blur).astype(np.float32) / 255
                dark = 1 - (1 - dark) * (1 - soft)
        return dark

    def contact(self, solids: Sequence[Solid]) -> Plane:
        """The dim patch under what stands on or close above the floor, 0 to 1, square; it needs no lamp."""
        number = round(self.side * FLOOR_PIXELS)
        layer = np.zeros((number, number), np.float32)
        above = Light(np.array([0, 1.0, 0]), (0, 0, 0), (0, 0, 0), (0, 0, 0))
        for solid in solids:
            height = float(min(solid.start[1] - solid.radius, solid.stop[1] - solid.end_radius))
            if height < 0.3:
                spot = np.zeros((number, number), np.uint8)
                self._drop(spot, solid, above)
                np.maximum(layer, spot * np.float32(np.exp(-max(0.0, height) / 0.07) / 255), out=layer)
        return np.asarray(cv2.GaussianBlur(layer, (0, 0), 2.2), np.float32)

    def _drop(self, layer: NDArray[np.uint8], solid: Solid, light: Light) -> None:
        """Draw the shadow of one solid: the line between the feet of its ends, along the light."""
        ends = np.stack([solid.start, solid.stop])
        feet = ends - ends[:, 1:2] * (light.towards / light.towards[1])
        pixels = (feet[:, [0, 2]] - [self.left, self.far]) * FLOOR_PIXELS
        if np.any(np.abs(pixels) > 2000):
            return
        points = np.round(pixels * 16).astype(int)
        width = max(1, round((solid.radius + solid.end_radius) * min(1.0, sum(solid.scale) / 3) * FLOOR_PIXELS))
        cv2.line(layer, points[0].tolist(), points[1].tolist(), 255, width, cv2.LINE_AA, 4)


_CURVE = (255 * np.clip(np.linspace(0, 1, 4096), 0, 1) ** (1 / 2.2)).astype(np.float32)


def develop(linear: Plane) -> Plane:
    """Linear light to picture values in [0, 255], float32: bright parts roll off instead of clipping."""
    rolled = linear * (1 + linear * 0.12) / (1 + linear * 0.36)
    return _CURVE[np.clip(rolled * 4095, 0, 4095).astype(np.int32)]


def as_pixels(picture: Plane) -> Rgb:
    """Values in [0, 255], rounded to uint8."""
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)
