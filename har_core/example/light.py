"""Light: from a canvas of surfaces to linear colours, the shadows, and from there to pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from har_core.example.solids import Box, Canvas, Colour, Matrix, Plane, Solid, Vector
from har_core.values import Rgb


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
    if not len(filled):
        return np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
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
    paint = canvas.paint(filled)
    colour, gloss, glow = paint[:, :3], paint[:, 3], paint[:, 4]
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
    held, depth = (resized(plane, small) for plane in (held, depth))
    mean = depth / np.maximum(held, 1e-3)
    middle = float(depth.sum() / max(1.0, float(held.sum())))
    openness = np.ones(depth.shape, np.float32)
    for metres, strength in ((0.045, 0.3), (0.13, 0.25)):
        sigma = max(0.6, metres * canvas.camera.focal / max(middle, 0.5) / 3)
        around = blurred(depth, sigma) / np.maximum(blurred(held, sigma), 1e-3)
        openness -= strength * np.clip((mean - around) / (1.5 * metres), 0, 1)
    return resized(openness, (width, height))


def cast(canvas: Canvas, blockers: Sequence[tuple[int, Solid]], light: Light, *, step: int = 3) -> Plane:
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
    return resized(blurred(arrives, 0.9), (width, height))


@dataclass(frozen=True, slots=True)
class FloorMap:
    """Where a square map of shadows lies on the floor: its far left corner (x, z) and its side, in metres."""

    left: float
    far: float
    side: float
    pixels: int = 56
    """Pixels a metre."""

    @property
    def to_floor(self) -> Matrix:
        """Map pixels to floor metres (x, z, 1)."""
        return np.array([[1 / self.pixels, 0, self.left], [0, 1 / self.pixels, self.far], [0, 0, 1.0]])

    def shadow(self, shapes: Sequence[Solid | Box], light: Light) -> Plane:
        """How dark the floor lies in the shadow of `shapes`, 0 to 1: sharp under what is near, soft under the rest."""
        heights = np.array([shape.points[:, 1].sum() / len(shape.points) for shape in shapes])
        outlines = self._outlines(shapes, light.towards)
        dark: Plane = np.zeros(self._empty().shape, np.float32)
        for low, high, blur in ((-1.0, 0.35, 0.028), (0.35, 0.9, 0.06), (0.9, 9.0, 0.11)):
            layer = self._empty()
            for index in np.flatnonzero((low <= heights) & (heights < high)).tolist():
                self._drop(layer, shapes[index], outlines[index])
            if layer.any():
                dark = 1 - (1 - dark) * (1 - blurred(layer, blur * self.pixels) / 255)
        return dark

    def contact(self, shapes: Sequence[Solid | Box]) -> Plane:
        """The dim patch under what stands on the floor or close above it, 0 to 1; it needs no lamp."""
        heights = np.array([(shape.points[:, 1] - shape.reach).min() for shape in shapes]).clip(0)
        outlines = self._outlines(shapes, np.array([0.0, 1.0, 0.0]))
        layer = self._empty()
        for index in np.argsort(heights)[::-1].tolist():  # the lowest last: the darkest wins
            if heights[index] < 0.3:
                self._drop(layer, shapes[index], outlines[index], 255 * float(np.exp(-heights[index] / 0.07)))
        return blurred(layer, 0.04 * self.pixels) / 255

    def _empty(self) -> NDArray[np.uint8]:
        number = round(self.side * self.pixels)
        return np.zeros((number, number), np.uint8)

    def _outlines(self, shapes: Sequence[Solid | Box], towards: Vector) -> list[NDArray[np.int32]]:
        """Where the points of each shape fall on the map along the light, in sixteenths of a pixel."""
        if not shapes:
            return []
        points = np.concatenate([shape.points for shape in shapes])
        feet = points[:, [0, 2]] - points[:, 1:2] * (towards[[0, 2]] / towards[1])
        pixels = np.round((feet - [self.left, self.far]) * (16 * self.pixels)).clip(-30000, 30000).astype(np.int32)
        return np.split(pixels, np.cumsum([len(shape.points) for shape in shapes[:-1]]))

    def _drop(
        self, layer: NDArray[np.uint8], shape: Solid | Box, outline: NDArray[np.int32], value: float = 255
    ) -> None:
        """Draw the shadow of one shape."""
        if isinstance(shape, Box):
            cv2.fillConvexPoly(layer, cv2.convexHull(outline), value, cv2.LINE_AA, 4)
            return
        width = max(1, round((shape.radius + shape.end_radius) * min(1.0, sum(shape.scale) / 3) * self.pixels))
        start, stop = outline.tolist()
        cv2.line(layer, start, stop, value, width, cv2.LINE_AA, 4)


_TONES = np.linspace(0, 1, 4096) ** (1 / 2.2)
_CURVE = (255 * (_TONES - 0.03 * np.sin(2 * np.pi * _TONES))).astype(np.float32)
"""Linear light in 4096 steps to picture values: the gamma of a screen and a little contrast."""


def blurred(picture: Plane | NDArray[np.uint8], sigma: float) -> Plane:
    """The picture out of focus, float32; `sigma` in pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def resized(picture: Plane, size_wh: tuple[int, int]) -> Plane:
    """The picture in another size, float32: reduced by area, enlarged linearly."""
    smaller = size_wh[0] < picture.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size_wh, interpolation=how), np.float32)


def develop(linear: Plane) -> Plane:
    """Linear light `(..., 3)` to picture values in [0, 255], float32: bright parts roll off instead of clipping."""
    grey = linear @ np.array([0.21, 0.72, 0.07], np.float32)
    vivid = np.maximum(linear + 0.14 * (linear - grey[..., None]), 0)
    rolled = vivid * (1 + vivid * 0.12) / (1 + vivid * 0.34)
    return np.asarray(_CURVE[np.minimum(rolled * 4095, 4095).astype(np.int32)])


def as_pixels(picture: Plane) -> Rgb:
    """Values in [0, 255], rounded to uint8."""
    return np.asarray(np.clip(picture + 0.5, 0, 255), np.uint8)
