"""A small renderer: swept balls and boxes seen by a camera, shaded, with a depth buffer. Numpy only.

The world is in metres: x to the right, y up, z towards the viewer; the floor is y = 0. Everything
that has a shape, the figure and the furniture, is a `Solid` or a `Box`. Both are hit exactly by the
camera's rays, so perspective, overlap and foreshortened limbs need no further thought.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Plane = NDArray[np.floating[Any]]
"""A float picture or a list of pixels of one: `(H, W)`, `(H, W, 3)`, `(N,)` or `(N, 3)`."""

Colour = tuple[float, float, float]
"""Linear light, red, green, blue, in [0, 1]."""


def rotation(pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Matrix:
    """A turn in radians: roll about z first, then pitch about x (positive nods towards +z), then yaw about y."""
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
        floor = np.stack([[1.0, 0, 0], [0, 0, 1.0], -self.position], axis=1)
        return cast(Matrix, self.intrinsics @ self.turn @ floor)

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


def windows(camera: Camera, shapes: Sequence["Solid | Box"]) -> NDArray[np.intp]:
    """The part of the picture that each shape can cover: x0, y0, x1, y1 `(N, 4)`; empty for one at the lens."""
    points = np.concatenate([shape.points for shape in shapes])
    reach = np.concatenate([shape.reach for shape in shapes])
    first = np.cumsum([0] + [len(shape.points) for shape in shapes[:-1]])
    seen = (points - camera.position) @ camera.turn.T
    nearest = np.maximum(seen[:, 2] - reach, 0.1)
    middle = seen[:, :2] * (camera.focal / np.maximum(seen[:, 2:], 0.1)) + camera.middle
    spread = (reach * camera.focal / nearest * 1.06 + 1.5)[:, None]
    low = np.minimum.reduceat(middle - spread, first).clip(0, camera.size_wh)
    high = np.maximum.reduceat(middle + spread, first).clip(0, camera.size_wh)
    high[np.minimum.reduceat(seen[:, 2] - reach, first) < 0.1] = 0
    return np.concatenate([np.floor(low), np.ceil(high)], axis=1).astype(np.intp)


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
    points: Matrix = field(init=False)
    """Both ends, `(2, 3)`."""
    reach: Vector = field(init=False)
    """How far the surface is at most from each of `points`, `(2,)`."""

    def __post_init__(self) -> None:
        most = max(self.scale)
        object.__setattr__(self, "points", np.array([self.start, self.stop]))
        object.__setattr__(self, "reach", np.array([self.radius * most, self.end_radius * most]))

    def hit(self, camera: Camera, rays: tuple[Plane, Plane], covered: Sequence[int]) -> Hit | None:
        """Where and how the camera's `rays` in the window `covered` meet it first, or None.

        After I. Quilez' intersection of a ray and a round cone.
        """
        x0, y0, x1, y1 = covered
        u, v = rays[0][:, x0:x1], rays[1][y0:y1]
        if self.radius < 0.03:  # a finger's outline is a small difference of large numbers
            u, v = u.astype(np.float64), v.astype(np.float64)
        # Camera space, or where the solid is stretched, a space in which it is round.
        local = None if self.axes is None else (self.axes / np.array(self.scale)[:, None]) @ camera.turn.T
        a, b = (self.points - camera.position) @ camera.turn.T
        square: Plane = u * u + (v * v + 1)  # |ray|^2
        if local is not None:
            a, b = local @ a, local @ b
            square = _quadratic(local.T @ local, u, v)
        ra, rb = self.radius, self.end_radius
        ba, rr = b - a, ra - rb
        m0 = float(ba @ ba)
        d2 = m0 - rr * rr
        if d2 < 1e-9 and rb > ra:
            a, ra = b, rb
        aa = float(a @ a)
        ta = _linear(a if local is None else a @ local, u, v)  # ray . a
        inside_a = ta * ta - (aa - ra * ra) * square
        if d2 < 1e-9:  # one ball holds the other
            chosen = _where(inside_a > 0)
            depth = (ta.take(chosen) - np.sqrt(inside_a.take(chosen))) / square.take(chosen)
            along = np.zeros_like(depth)
        else:
            m1 = -float(ba @ a)
            m2 = _linear(ba if local is None else ba @ local, u, v)
            k2 = d2 * square - m2 * m2
            k1 = (rr * ra - m1) * m2 - d2 * ta
            h = k1 * k1 - (d2 * aa - m1 * m1 + m1 * rr * ra * 2 - m0 * ra * ra) * k2
            chosen = _where((h > 0) & (k2 != 0))  # a ray along its side meets it nowhere: 0 / 0
            m2 = m2.take(chosen)
            depth = (-np.sqrt(h.take(chosen)) - k1.take(chosen)) / k2.take(chosen)
            along = (m1 - ra * rr + depth * m2) / d2
            caps = _where((along <= 0) | (along >= 1))
            of_caps = chosen[caps]
            ta, square = ta.take(of_caps), square.take(of_caps)
            tb, inside_a = ta + m2[caps], inside_a.take(of_caps)
            inside_b = tb * tb - (float(b @ b) - rb * rb) * square
            with np.errstate(invalid="ignore"):
                first = np.where(inside_a > 0, (ta - np.sqrt(inside_a)) / square, np.inf)
                last = np.where(inside_b > 0, (tb - np.sqrt(inside_b)) / square, np.inf)
            depth[caps] = np.minimum(first, last)
            along[caps] = first >= last
            seen = _where(depth < np.inf)
            chosen, depth, along = chosen[seen], depth[seen], along[seen]
        if not len(chosen):
            return None
        rows, columns = np.divmod(chosen, x1 - x0)
        gap = np.empty((len(chosen), 3), np.float32)
        gap[:, 0], gap[:, 1], gap[:, 2] = u[0, columns] * depth, v[rows, 0] * depth, depth
        if local is not None:
            gap = gap @ local.T.astype(np.float32)
        gap -= a.astype(np.float32)
        if d2 >= 1e-9:
            gap -= along[:, None] * ba.astype(np.float32)
        normal = gap if local is None else gap @ local.astype(np.float32)
        pixels = (rows + y0) * camera.size_wh[0] + columns + x0
        return Hit(pixels, depth.astype(np.float32), normal.astype(np.float32), along.astype(np.float32))


def _where(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    return mask.ravel().nonzero()[0]  # np.flatnonzero, without its detours: it is called often


def _linear(form: Vector, u: Plane, v: Plane) -> Plane:
    a, b, c = form.tolist()
    return cast(Plane, a * u + (b * v + c))


def _quadratic(form: Matrix, u: Plane, v: Plane) -> Plane:
    (uu, uv, u1), (_, vv, v1), (_, _, one) = form.tolist()
    return cast(Plane, (uu * u + 2 * u1) * u + ((vv * v + 2 * v1) * v + one) + 2 * uv * u * v)


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A box: `half` its half sizes along its own axes, turned by `yaw` radians about the vertical."""

    centre: Vector
    half: Vector
    material: Material
    yaw: float = 0.0
    soft: float = 0.001

    @property
    def points(self) -> Matrix:
        """The corners, `(8, 3)`."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return self.centre + (signs * self.half) @ rotation(yaw=self.yaw).T

    @property
    def reach(self) -> Vector:
        """The corners are the surface itself."""
        return np.zeros(8)

    def hit(self, camera: Camera, rays: tuple[Plane, Plane], covered: Sequence[int]) -> Hit | None:
        """Where and how the camera's `rays` in the window `covered` meet it first, or None: the three slabs."""
        axes = rotation(yaw=self.yaw).T
        x0, y0, x1, y1 = covered
        local = (axes @ camera.turn.T).astype(np.float32)
        u, v = np.broadcast_arrays(rays[0][:, x0:x1], rays[1][y0:y1])
        ray = np.stack([u.ravel(), v.ravel(), np.ones(u.size, np.float32)], axis=1) @ local.T
        ray = np.where(np.abs(ray) < 1e-6, np.float32(1e-6), ray)
        origin = axes @ (camera.position - self.centre)
        near = (-np.sign(ray) * self.half - origin) / ray
        far = (np.sign(ray) * self.half - origin) / ray
        depth = near.max(1)
        chosen = _where(depth < far.min(1))
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
    """The nearest surface at each pixel of a camera: depth, normal, which shape and where along it."""

    camera: Camera
    shapes: list[Solid | Box] = field(default_factory=list)
    depth: Plane = field(init=False)
    normal: Plane = field(init=False)
    shape: NDArray[np.int16] = field(init=False)
    along: Plane = field(init=False)

    def __post_init__(self) -> None:
        width, height = self.camera.size_wh
        self.depth = np.full(width * height, np.inf, np.float32)
        self.normal = np.zeros((width * height, 3), np.float32)
        self.shape = np.full(width * height, -1, np.int16)
        self.along = np.zeros(width * height, np.float32)

    def add(self, shapes: Sequence[Solid | Box]) -> None:
        """Draw shapes; where two touch, depth and normal melt over `soft` metres."""
        if not shapes:
            return
        rays = self.camera.rays()
        for shape, covered in zip(shapes, windows(self.camera, shapes).tolist(), strict=True):
            x0, y0, x1, y1 = covered
            hit = shape.hit(self.camera, rays, covered) if x1 > x0 and y1 > y0 else None
            if hit is not None:
                self._draw(hit, len(self.shapes), shape.soft)
            self.shapes.append(shape)

    def _draw(self, hit: Hit, number: int, soft: float) -> None:
        pixels, depth, normal, along = hit
        before = self.depth.take(pixels)
        share = 0.5 + (0.5 / soft) * (before - depth)  # 1 where the new surface is well in front, 0 behind
        if share.min() <= 0:
            shown = _where(share > 0)
            pixels, depth, normal, along = pixels[shown], depth[shown], normal[shown], along[shown]
            before, share = before[shown], share[shown]
        mixed = _where(share < 1)
        if len(mixed):
            keep = 1 - share[mixed]
            depth[mixed] += (before[mixed] - depth[mixed]) * keep
            old, new = _unit(self.normal[pixels[mixed]]), _unit(normal[mixed])
            normal[mixed] = new + (old - new) * keep[:, None]
            front = _where(share > 0.5)
            self.shape[pixels[front]], self.along[pixels[front]] = number, along[front]
        else:
            self.shape[pixels], self.along[pixels] = number, along
        self.depth[pixels], self.normal[pixels] = depth, normal

    def paint(self, filled: NDArray[np.intp]) -> Plane:
        """Colour, gloss and glow of the pixels `filled` `(N,)`, each covered by a shape: `(N, 5)`."""
        materials = [shape.material for shape in self.shapes]
        number = self.shape.take(filled)
        plain = np.array([(*m.colour, m.gloss, m.glow) for m in materials], np.float32)
        striped = np.array([(*(m.stripe or m.colour), m.gloss, m.glow) for m in materials], np.float32)
        band = self.along.take(filled) * np.array([m.stripes for m in materials], np.float32).take(number)
        both = np.stack([plain, striped])
        return np.asarray(both[(band - np.floor(band) < 0.45).astype(np.intp), number])


def _unit(vectors: Plane) -> Plane:
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-9)[:, None], np.float32)
