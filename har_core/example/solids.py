"""A small renderer: swept balls and boxes seen by a camera, shaded, with a depth buffer. Numpy only.

The world is in metres: x to the right, y up, z towards the viewer; the floor is y = 0. Everything
that has a shape, the figure and the furniture, is a `Solid` or a `Box`. Both are hit exactly by the
camera's rays, so perspective, overlap and foreshortened limbs need no further thought.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Plane = NDArray[np.float32]
"""A float picture or a list of pixels of one: `(H, W)`, `(H, W, 3)`, `(N,)` or `(N, 3)`."""

Colour = tuple[float, float, float]
"""Linear light, red, green, blue, in [0, 1]."""


def rotation(pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Matrix:
    """Turns, in radians, about x, then y, then z: roll first, then pitch, then yaw. Positive pitch nods forward (+z)."""
    (sp, cp), (sy, cy), (sr, cr) = ((np.sin(a), np.cos(a)) for a in (pitch, yaw, roll))
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole camera. `turn` has the rows right, down, forward in the world; `focal` is in pixels.

    `middle` is the pixel that its optical axis meets; it need not lie in the picture.
    """

    position: Vector
    turn: Matrix
    focal: float
    size_wh: tuple[int, int]
    middle: tuple[float, float]

    @staticmethod
    def looking(position: Vector, at: Vector, focal: float, size_wh: tuple[int, int], roll: float = 0.0) -> "Camera":
        """The camera at `position` with `at` in the middle of its picture, tilted by `roll` radians."""
        forward = (at - position) / np.linalg.norm(at - position)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        level = np.stack([right, np.cross(forward, right), forward])
        middle = (size_wh[0] / 2 - 0.5, size_wh[1] / 2 - 0.5)
        return Camera(position, rotation(roll=roll) @ level, focal, size_wh, middle)

    def scaled(self, factor: int) -> "Camera":
        """The same view with `factor` times as many pixels a side."""
        size_wh = (self.size_wh[0] * factor, self.size_wh[1] * factor)
        middle = ((self.middle[0] + 0.5) * factor - 0.5, (self.middle[1] + 0.5) * factor - 0.5)
        return replace(self, focal=self.focal * factor, size_wh=size_wh, middle=middle)

    def cropped(self, x0: int, y0: int, x1: int, y1: int) -> "Camera":
        """The camera of the picture's part `[x0, x1) x [y0, y1)`, which may reach over its edges."""
        return replace(self, size_wh=(x1 - x0, y1 - y0), middle=(self.middle[0] - x0, self.middle[1] - y0))

    @property
    def intrinsics(self) -> Matrix:
        """Camera coordinates to pixels, 3x3."""
        return np.array([[self.focal, 0, self.middle[0]], [0, self.focal, self.middle[1]], [0, 0, 1.0]])

    def from_floor(self) -> Matrix:
        """The homography from floor metres (x, z, 1) to pixels."""
        return self.intrinsics @ self.turn @ np.stack([[1.0, 0, 0], [0, 0, 1.0], -self.position], axis=1)

    def from_view(self, other: "Camera") -> Matrix:
        """The homography from the pixels of `other`, a camera at the same place, to the pixels of this one."""
        return self.intrinsics @ self.turn @ other.turn.T @ np.linalg.inv(other.intrinsics)

    def rays(self) -> tuple[Plane, Plane]:
        """Where each column and row looks: u `(1, W)`, v `(H, 1)`; the ray is (u, v, 1), its factor is the depth."""
        width, height = self.size_wh
        u = (np.arange(width) - self.middle[0]) / self.focal
        v = (np.arange(height) - self.middle[1]) / self.focal
        return u[None].astype(np.float32), v[:, None].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface looks. `stripe` colours every other of `stripes` bands along a solid."""

    colour: Colour
    gloss: float = 0.0
    stripe: Colour | None = None
    stripes: float = 6.0
    glow: float = 0.0


class Hit(NamedTuple):
    """What a shape covers: pixel indices `(N,)` and there the depth, camera normals `(N, 3)` and place along it."""

    pixels: NDArray[np.intp]
    depth: Plane
    normal: Plane
    along: Plane


Window = tuple[int, int, int, int]
"""A rectangle of pixels: x0, y0, x1, y1."""


def window(camera: Camera, points: Matrix, reach: Vector) -> Window | None:
    """The part of the picture that balls of radius `reach` `(N,)` at `points` `(N, 3)` can cover, or None."""
    seen = (points - camera.position) @ camera.turn.T
    depth = seen[:, 2] - reach
    if np.any(depth < 0.1):  # at or behind the lens
        return None
    middle = seen[:, :2] * (camera.focal / seen[:, 2:])
    spread = (reach * camera.focal / depth * 1.06 + 1.5)[:, None]
    low = np.floor((middle - spread).min(0) + camera.middle).astype(int).clip(0, camera.size_wh)
    high = np.ceil((middle + spread).max(0) + camera.middle).astype(int).clip(0, camera.size_wh)
    return None if np.any(high <= low) else (int(low[0]), int(low[1]), int(high[0]), int(high[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A ball swept from `start` to `stop` while its radius changes evenly: a limb; a ball where both are one.

    `axes` (rows: three unit vectors at right angles) and `scale` stretch it, so that a chest is wider
    than deep. `soft` is the depth, in metres, over which it melts into what it touches.
    """

    start: Vector
    stop: Vector
    radius: float
    end_radius: float
    material: Material
    axes: Matrix | None = None
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    soft: float = 0.012

    @property
    def reach(self) -> tuple[float, float]:
        """The largest distance of the surface from `start` and from `stop`."""
        most = max(self.scale)
        return self.radius * most, self.end_radius * most

    def hit(self, camera: Camera, rays: tuple[Plane, Plane]) -> Hit | None:
        """Where and how the camera's `rays` meet it first, or None. After I. Quilez' ray-round cone intersection."""
        covered = window(camera, np.stack([self.start, self.stop]), np.array(self.reach))
        if covered is None:
            return None
        x0, y0, x1, y1 = covered
        u, v = rays[0][:, x0:x1], rays[1][y0:y1]
        stretch = np.eye(3) if self.axes is None else self.axes / np.array(self.scale)[:, None]
        local = stretch @ camera.turn.T
        a, b = stretch @ (self.start - camera.position), stretch @ (self.stop - camera.position)
        gram = local.T @ local  # |ray|^2 in the stretched space, as a quadratic form in (u, v, 1)
        square = (gram[0, 0] * u + 2 * gram[0, 2]) * u + (gram[1, 1] * v + 2 * gram[1, 2]) * v + gram[2, 2]
        if self.axes is not None:
            square = square + 2 * gram[0, 1] * u * v
        ra, rb, ba = self.radius, self.end_radius, b - a
        m0, rr = float(ba @ ba), ra - rb
        is_ball = m0 - rr * rr < 1e-9
        if is_ball and rb > ra:
            a, ra = b, rb
        ta = _linear(local.T @ a, u, v)  # ray . a
        inside_a = ta * ta - square * (a @ a - ra * ra)
        d2 = m0 - rr * rr
        if is_ball:
            chosen = np.flatnonzero(inside_a > 0)
            depth = (np.take(ta, chosen) - np.sqrt(np.take(inside_a, chosen))) / np.take(square, chosen)
            along = np.zeros_like(depth)
        else:
            m1 = -float(ba @ a)
            m2 = _linear(local.T @ ba, u, v)
            k2 = d2 * square - m2 * m2
            k1 = -d2 * ta + (rr * ra - m1) * m2
            k0 = d2 * float(a @ a) - m1 * m1 + m1 * rr * ra * 2 - m0 * ra * ra
            h = k1 * k1 - k0 * k2
            chosen = np.flatnonzero(h > 0)
            k1, k2, m2, square, ta, inside_a = (np.take(x, chosen) for x in (k1, k2, m2, square, ta, inside_a))
            depth = (-np.sqrt(np.take(h, chosen)) - k1) / k2
            along = (m1 - ra * rr + depth * m2) / d2
            flank = (along > 0) & (along < 1)
            tb = ta + m2
            inside_b = tb * tb - square * (b @ b - rb * rb)
            with np.errstate(invalid="ignore"):
                first = np.where(inside_a > 0, (ta - np.sqrt(inside_a)) / square, np.inf)
                last = np.where(inside_b > 0, (tb - np.sqrt(inside_b)) / square, np.inf)
            depth = np.where(flank, depth, np.minimum(first, last))
            along = np.where(flank, along, np.where(first < last, 0, 1))
            seen = np.isfinite(depth)
            chosen, depth, along = chosen[seen], depth[seen], along[seen]
        if not len(chosen):
            return None
        rows, columns = np.divmod(chosen, x1 - x0)
        ray = np.stack([u[0, columns], v[rows, 0], np.ones(len(chosen), np.float32)], axis=1)
        gap = depth[:, None] * (ray @ local.T.astype(np.float32)) - a - along[:, None] * (b - a)
        normal = gap.astype(np.float32) @ local.astype(np.float32)
        return Hit((rows + y0) * camera.size_wh[0] + columns + x0, depth.astype(np.float32), normal, along)


def _linear(form: Vector, u: Plane, v: Plane) -> Plane:
    return (np.float32(form[0]) * u + (np.float32(form[1]) * v + np.float32(form[2]))).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A box: `half` its half sizes along its own axes, turned by `yaw` radians about the vertical."""

    centre: Vector
    half: Vector
    material: Material
    yaw: float = 0.0
    soft: float = 0.001

    def hit(self, camera: Camera) -> Hit | None:
        """Where and how the camera's rays meet it first, or None: the three slabs."""
        axes = rotation(yaw=self.yaw).T
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        covered = window(camera, self.centre + (signs * self.half) @ axes, np.zeros(8))
        if covered is None:
            return None
        x0, y0, x1, y1 = covered
        local = (axes @ camera.turn.T).astype(np.float32)
        u, v = np.broadcast_arrays(rays[0][:, x0:x1], rays[1][y0:y1])
        ray = np.stack([u.ravel(), v.ravel(), np.ones(u.size, np.float32)], axis=1) @ local.T
        ray = np.where(np.abs(ray) < 1e-6, np.float32(1e-6), ray)
        origin = axes @ (camera.position - self.centre)
        near = (-np.sign(ray) * self.half - origin) / ray
        far = (np.sign(ray) * self.half - origin) / ray
        depth = near.max(1)
        chosen = np.flatnonzero(depth < far.min(1))
        if not len(chosen):
            return None
        side = near[chosen].argmax(1)
        normal = np.zeros((len(chosen), 3), np.float32)
        normal[np.arange(len(chosen)), side] = -np.sign(ray[chosen, side])
        rows, columns = np.divmod(chosen, x1 - x0)
        depth = depth[chosen].astype(np.float32)
        along = (origin[1] + depth * ray[chosen, 1]) / (2 * self.half[1]) + 0.5
        pixels = (rows + y0) * camera.size_wh[0] + columns + x0
        return Hit(pixels, depth, normal @ local, along.astype(np.float32))


@dataclass(slots=True, eq=False)
class Canvas:
    """The nearest surface at each pixel of a camera: depth, normal, colour, gloss, glow, which shape."""

    camera: Camera
    depth: Plane = field(init=False)
    normal: Plane = field(init=False)
    paint: Plane = field(init=False)
    shape: NDArray[np.int16] = field(init=False)

    def __post_init__(self) -> None:
        width, height = self.camera.size_wh
        self.depth = np.full(width * height, np.inf, np.float32)
        self.normal = np.zeros((width * height, 3), np.float32)
        self.paint = np.zeros((width * height, 5), np.float32)
        self.shape = np.full(width * height, -1, np.int16)

    def add(self, shapes: Iterable[Solid | Box], first: int = 0) -> None:
        """Draw shapes, numbered from `first`; where two touch, depth, normal and colour melt over `soft` metres."""
        rays = self.camera.rays()
        for number, shape in enumerate(shapes, first):
            hit = shape.hit(self.camera, rays)
            if hit is None:
                continue
            before = self.depth[hit.pixels]
            share = np.clip(0.5 + 0.5 * (before - hit.depth) / shape.soft, 0, 1)
            shown = share > 0
            pixels, share, depth = hit.pixels[shown], share[shown], hit.depth[shown]
            normal, before = _unit(hit.normal[shown]), before[shown]
            mixed = np.flatnonzero(share < 1)
            keep = (1 - share[mixed])[:, None]
            paint = _paint(shape.material, hit.along[shown])
            normal[mixed] += (self.normal[pixels[mixed]] - normal[mixed]) * keep
            paint[mixed] += (self.paint[pixels[mixed]] - paint[mixed]) * keep
            depth[mixed] += (before[mixed] - depth[mixed]) * keep[:, 0]
            self.depth[pixels], self.normal[pixels], self.paint[pixels] = depth, normal, paint
            self.shape[pixels[share > 0.5]] = number


def _paint(material: Material, along: Plane) -> Plane:
    """Colour, gloss and glow, `(N, 5)`."""
    paint = np.empty((len(along), 5), np.float32)
    paint[:] = (*material.colour, material.gloss, material.glow)
    if material.stripe is not None:
        paint[(along * material.stripes) % 1 < 0.45, :3] = material.stripe
    return paint


def _unit(vectors: Plane) -> Plane:
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-9)[:, None], np.float32)
