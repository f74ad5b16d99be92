"""The film: an actor does an action in a place, and a camera watches."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from har_core.errors import ConfigError
from har_core.example import things
from har_core.example.actor import Actor
from har_core.example.figure import Body
from har_core.example.light import FloorMap, Light, as_pixels, cast, develop, resized, shade
from har_core.example.motion import ACTIONS, SEAT, Manner, pose
from har_core.example.places import PLACES, draw_place
from har_core.example.scenery import Backdrop, paint
from har_core.example.solids import Camera, Canvas, Plane, Solid, Vector, rotation, windows
from har_core.values import Rgb

FINER = 2
"""The figure is drawn this many times larger, then reduced by area: smooth edges."""

_AREA = FloorMap(-3.0, -3.5, 6.0, pixels=32)


@dataclass(frozen=True, slots=True)
class Variation:
    """What differs from clip to clip beside the actor. Angles in radians, lengths in metres."""

    place: str
    place_seed: int
    manner: Manner
    yaw: float
    """Which way the figure faces: 0 is into the camera."""
    distance: float
    camera_height: float
    roll: float
    pan: float
    """How far the camera turns over the clip."""
    shake: float
    """How far a hand-held camera trembles."""
    off_centre: float
    light_azimuth: float
    brightness: float
    noise: float
    """Standard deviation of the sensor noise, in steps of 255."""

    @staticmethod
    def drawn(random: np.random.Generator, *, place: str | None = None) -> "Variation":
        """A new one; nothing in it depends on the action, so that no action is known by its light or camera."""
        side = 1.0 if random.random() < 0.5 else -1.0
        manner = Manner(
            speed=float(random.uniform(0.85, 1.2)),
            reach=float(random.uniform(0.85, 1.15)),
            phase=float(random.random()),
            habit=float(random.random()),
            mirrored=bool(random.random() < 0.5),
        )
        return Variation(
            place=place or str(random.choice(PLACES)),
            place_seed=int(random.integers(2**31)),
            manner=manner,
            yaw=side * float(random.uniform(0.12, 0.55)),
            distance=float(random.uniform(3.4, 3.8)),
            camera_height=float(random.uniform(0.9, 1.75)),
            roll=float(random.normal(0, 0.012)),
            pan=float(random.uniform(-0.06, 0.06)),
            shake=float(random.choice([0.0, 0.002, 0.004])),
            off_centre=float(random.uniform(-0.15, 0.15)),
            light_azimuth=float(random.choice([-1, 1]) * random.uniform(0.35, 1.05)),
            brightness=float(random.uniform(0.82, 1.15)),
            noise=float(random.uniform(0.6, 2.4)),
        )


def render(
    action: str,
    actor: Actor,
    variation: Variation,
    *,
    seconds: float,
    frames_per_second: float = 15.0,
    size: tuple[int, int] = (320, 240),
) -> Iterator[Rgb]:
    """The pictures of one clip, one after the other: uint8 `(H, W, 3)`, RGB; the same for the same arguments.

    Args:
        action: one of `ACTIONS`.
        seconds: length of the clip; it has `round(seconds * frames_per_second)` frames, at least 1.
        size: width and height in pixels, each at least 32.

    Raises:
        ConfigError: an unknown action or a setting out of range.
    """
    if action not in ACTIONS:
        raise ConfigError(f"The example data set has the actions {', '.join(ACTIONS)}, but not {action!r}.")
    check(size, frames_per_second)
    if not 0 < seconds <= 600:
        raise ConfigError(f"A clip of the example data set lasts up to 600 s, but got {seconds:g}.")
    return _frames(action, actor, variation, seconds, frames_per_second, size)


def check(size: tuple[int, int], frames_per_second: float) -> None:
    """ConfigError unless pictures of this size, in pixels, and rate can be rendered."""
    if min(size) < 32 or max(size) > 4096:
        raise ConfigError(f"Pictures need 32 to 4096 pixels a side, but got {size[0]} x {size[1]}.")
    if not 0 < frames_per_second <= 120:  # NaN fails this too
        raise ConfigError(f"Clips need up to 120 frames a second, but got {frames_per_second:g}.")


def _frames(
    action: str, actor: Actor, variation: Variation, seconds: float, frames_per_second: float, size: tuple[int, int]
) -> Iterator[Rgb]:
    random = np.random.default_rng(variation.place_seed)
    place = draw_place(variation.place, random, azimuth=variation.light_azimuth, brightness=variation.brightness)
    shot = _Shot(variation, size)
    spot = np.array([variation.off_centre, 0.0, 0.0])
    seat = _stool(actor, variation, spot, used=action in ("sit_down", "stand_up"))
    backdrop = paint(place, shot.wide())
    body = Body(actor)
    bank = random.normal(0, variation.noise, (size[1] + 64, size[0] + 64, 1)).astype(np.float32)
    for number in range(max(1, round(seconds * frames_per_second))):
        at = number / frames_per_second
        parts = body.solids(pose(action, at, variation.manner, seconds=seconds), spot, variation.yaw)
        camera = shot.camera(at, seconds)
        picture = _stage(backdrop, camera, [*parts, *seat], place.light)
        _place_figure(picture, camera, parts, seat, place.light)
        dx, dy = random.integers(0, 64, 2)
        picture += bank[dy : dy + size[1], dx : dx + size[0]]
        yield as_pixels(picture * shot.vignette)


class _Shot:
    """How the camera stands and moves during one clip."""

    def __init__(self, variation: Variation, size: tuple[int, int]) -> None:
        self.variation = variation
        self.size = size
        self.focal = min(size[1], 0.75 * size[0] * 1.15) * 1.42
        seeds = np.random.default_rng(variation.place_seed + 1).uniform(0, 6.28, (2, 3))
        self.trembles = seeds
        x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
        self.vignette = (1 - 0.10 * (x * x + y * y) ** 1.2)[..., None].astype(np.float32)

    def base(self, size: tuple[int, int]) -> Camera:
        """The camera before it moves, with a picture of this size."""
        v = self.variation
        position = np.array([0.0, v.camera_height, v.distance])
        return Camera.looking(position, np.array([0.0, 1.06, 0.0]), self.focal, size, v.roll)

    def wide(self) -> Camera:
        """The same with a margin all round, as much as the camera will ever turn."""
        turn = abs(self.variation.pan) / 2 + 3 * self.variation.shake + 0.004
        margin = int(np.ceil(turn * self.focal * 1.3)) + 2
        return self.base(self.size).cropped(-margin, -margin, self.size[0] + margin, self.size[1] + margin)

    def camera(self, at: float, seconds: float) -> Camera:
        """The camera at an instant: panned, and trembling if hand-held."""
        base = self.base(self.size)
        rates = np.array([2.1, 5.3, 9.7])
        pitch, yaw = (np.sin(rates * at + row) @ [1.0, 0.5, 0.25] * self.variation.shake for row in self.trembles)
        yaw += self.variation.pan * (at / seconds - 0.5)
        turn = rotation(pitch=float(pitch), yaw=float(yaw)) @ base.turn
        return Camera(base.position, turn, base.focal, base.size_wh, base.middle)


def _stool(actor: Actor, variation: Variation, spot: Vector, *, used: bool) -> list[Solid]:
    """The stool: behind the figure, or now and then beside it, so that a stool alone gives no action away."""
    behind = rotation(yaw=variation.yaw) @ np.array([0.0, 0.0, SEAT[1] * actor.height])
    if used:
        return things.stool(spot + behind, SEAT[0] * actor.height, variation.yaw)
    if variation.manner.habit < 0.5:
        return []
    side = 1.0 if variation.manner.mirrored else -1.0
    return things.stool(spot + things.at(side * 0.95, 0.0, -0.75), SEAT[0] * actor.height, variation.yaw)


def _stage(backdrop: Backdrop, camera: Camera, standing: list[Solid], light: Light) -> Plane:
    """The place as the camera sees it now, in [0, 255], with the shadow of what stands in it on the floor."""
    move = camera.from_view(backdrop.camera)
    picture = cv2.warpPerspective(
        backdrop.rgb, move, camera.size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    floor = cv2.warpPerspective(backdrop.floor, move, camera.size_wh, flags=cv2.INTER_LINEAR)
    key, sky = sum(light.key) * light.towards[1], sum(light.sky)
    left = (1 - key / (key + sky) * _AREA.shadow(standing, light)) * (1 - 0.5 * _AREA.contact(standing))
    left **= 1 / 2.2  # the picture is already developed
    lost = cv2.warpPerspective(1 - left, camera.from_floor() @ _AREA.to_floor, camera.size_wh, flags=cv2.INTER_LINEAR)
    return np.asarray(picture * (1 - lost * floor)[..., None], np.float32)


def _place_figure(picture: Plane, camera: Camera, parts: list[Solid], seat: list[Solid], light: Light) -> None:
    """Draw the figure and the stool into the picture."""
    shapes = [*parts, *seat]
    fine = camera.scaled(FINER)
    covered = windows(fine, shapes)
    covered = covered[(covered[:, 2:] > covered[:, :2]).all(1)]
    if not len(covered):
        return
    x0, y0 = (int(edge) // FINER for edge in covered[:, :2].min(0))
    x1, y1 = (-(-int(edge) // FINER) for edge in covered[:, 2:].max(0))
    canvas = Canvas(fine.cropped(x0 * FINER, y0 * FINER, x1 * FINER, y1 * FINER))
    canvas.add(shapes)
    blockers = [(number, part) for number, part in enumerate(shapes) if part.radius > 0.04 and part.soft >= 0.012]
    linear, covered_share = shade(canvas, light, shadow=cast(canvas, blockers, light), rim=0.7)
    shown = resized(np.dstack([linear, covered_share]), (x1 - x0, y1 - y0))
    share = shown[..., 3:]
    part = picture[y0:y1, x0:x1]
    part += (develop(shown[..., :3] / np.maximum(share, 1e-3)) - part) * share
