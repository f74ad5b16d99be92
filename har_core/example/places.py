"""Places to act in: room, park, hall, studio, courtyard, beach, square. The details of each are drawn by chance."""

from collections.abc import Callable

import numpy as np

from har_core.example import surfaces, things
from har_core.example.light import Light
from har_core.example.scenery import Haze, OpenAir, Place, Walls
from har_core.example.solids import Box, Colour, Material, Plane
from har_core.example.surfaces import Grain


def draw_place(kind: str, random: np.random.Generator, *, azimuth: float, brightness: float) -> Place:
    """A place of a kind, its details drawn. `azimuth` in radians is where the light comes from."""
    return _KINDS[kind](random, azimuth, brightness)


def _light(azimuth: float, brightness: float, elevation: float, key: Colour, sky: Colour, bounce: Colour) -> Light:
    def bright(colour: Colour) -> Colour:
        return (colour[0] * brightness, colour[1] * brightness, colour[2] * brightness)

    return Light.at(azimuth, elevation, bright(key), bright(sky), bright(bounce))


def _pick(random: np.random.Generator, *choices: Colour) -> Colour:
    return choices[int(random.integers(len(choices)))]


def _living_room(random: np.random.Generator, azimuth: float, brightness: float) -> Place:
    grain = Grain.drawn(random)
    back = random.uniform(-2.9, -2.1)
    floor = surfaces.planks(grain, _pick(random, (0.44, 0.25, 0.13), (0.30, 0.17, 0.09), (0.55, 0.38, 0.24)))
    rugs = (_pick(random, (0.34, 0.10, 0.08), (0.08, 0.16, 0.24), (0.42, 0.36, 0.28)), (0.60, 0.52, 0.42))
    floor = surfaces.with_rug(floor, (random.uniform(-0.2, 0.2), -0.1), (random.uniform(1.2, 1.7), 0.95), rugs)
    colour = _pick(
        random, (0.62, 0.56, 0.46), (0.36, 0.46, 0.44), (0.46, 0.48, 0.56), (0.62, 0.44, 0.36), (0.36, 0.42, 0.32)
    )
    wall = surfaces.rough(grain, colour, contrast=0.02, fine=0.012)
    if random.random() < 0.35:
        wall = surfaces.wallpaper(grain, colour, (colour[0] * 0.9, colour[1] * 0.9, colour[2] * 0.9))
    side = 1.0 if random.random() < 0.5 else -1.0
    shapes: list[things.Shape] = []
    if random.random() < 0.55:
        shapes += things.sofa(random, side * random.uniform(1.0, 1.4), back + 0.62)
        shapes += things.painting(random, side * 1.1, 1.62, back)
    else:
        shapes += things.sideboard(random, side * random.uniform(1.1, 1.5), back + 0.28)
        shapes += things.painting(random, side * 1.0, 1.72, back)
    shapes += things.window(-side * random.uniform(1.15, 1.5), 1.58, back, glow=1.2)
    other = -side * random.uniform(1.9, 2.3)
    shapes += things.plant(random, other, back + 0.45) if random.random() < 0.6 else things.lamp(other, back + 0.45)
    light = _light(azimuth, brightness, 0.95, (1.30, 1.18, 1.0), (0.42, 0.44, 0.48), (0.26, 0.20, 0.15))
    return Place(floor, light, Walls(wall, back, random.uniform(2.9, 4.2)), shapes)


def _hall(random: np.random.Generator, azimuth: float, brightness: float) -> Place:
    grain = Grain.drawn(random)
    back = random.uniform(-3.4, -2.4)
    boards = surfaces.planks(grain, (0.62, 0.42, 0.23), width=0.09, length=2.0)
    floor = surfaces.with_court(boards, _pick(random, (0.05, 0.16, 0.40), (0.55, 0.08, 0.06), (0.75, 0.74, 0.7)))
    dado = _pick(random, (0.06, 0.22, 0.34), (0.40, 0.12, 0.08), (0.10, 0.28, 0.22), (0.44, 0.26, 0.13))
    upper = surfaces.bricks(grain, (0.60, 0.57, 0.52), (0.5, 0.48, 0.45))
    wall = surfaces.with_dado(upper, dado, height=1.15, boards=dado[0] > 0.42)
    side = 1.0 if random.random() < 0.5 else -1.0
    shapes = things.gear(random, side * random.uniform(1.35, 1.7), back + random.uniform(0.6, 0.9))
    shapes += things.wall_bars(-side * 1.0, back) + things.wall_bars(-side * 2.05, back)
    light = _light(azimuth, brightness, 1.0, (1.20, 1.19, 1.14), (0.48, 0.51, 0.55), (0.30, 0.23, 0.16))
    return Place(floor, light, Walls(wall, back, 4.2), shapes)


def _courtyard(random: np.random.Generator, azimuth: float, brightness: float) -> Place:
    grain = Grain.drawn(random)
    back = random.uniform(-2.6, -1.8)
    slab = _pick(random, (0.42, 0.40, 0.37), (0.46, 0.40, 0.33))
    floor = surfaces.tiles(grain, slab, (slab[0] * 0.92, slab[1] * 0.92, slab[2] * 0.92), side=0.6)
    brick = _pick(random, (0.46, 0.19, 0.12), (0.52, 0.36, 0.25), (0.50, 0.47, 0.43))
    wall = surfaces.bricks(grain, brick, (0.46, 0.43, 0.40))
    side = 1.0 if random.random() < 0.5 else -1.0
    shapes = things.bench(side * random.uniform(1.2, 1.5), back + 0.42, 0.0)
    for nearest in (1.0, 1.65):
        shapes += things.plant(
            random, -side * random.uniform(nearest, nearest + 0.35), back + random.uniform(0.35, 0.5)
        )
    light = _light(azimuth, brightness, 0.85, (1.65, 1.50, 1.25), (0.38, 0.45, 0.56), (0.30, 0.26, 0.22))
    return Place(floor, light, Walls(wall, back, 5.0), shapes)


def _studio(random: np.random.Generator, azimuth: float, brightness: float) -> Place:
    grain = Grain.drawn(random)
    colour = _pick(
        random, (0.20, 0.36, 0.44), (0.60, 0.36, 0.26), (0.30, 0.30, 0.42), (0.52, 0.50, 0.46), (0.26, 0.38, 0.28)
    )
    floor = surfaces.rough(grain, colour, contrast=0.015, fine=0.01)

    def seamless(azimuth: Plane, elevation: Plane) -> Plane:
        glow = 0.74 + 0.38 * np.exp(-((elevation / 0.30) ** 2))  # at the horizon what the floor fades into
        return np.asarray(np.array(colour, np.float32) * glow[..., None] * brightness, np.float32)

    side = 1.0 if random.random() < 0.5 else -1.0
    paler = Material((min(1, colour[0] * 1.7), min(1, colour[1] * 1.7), min(1, colour[2] * 1.7)))
    accent = Material(_pick(random, (0.75, 0.42, 0.08), (0.60, 0.12, 0.10), (0.75, 0.73, 0.70)))
    shapes: list[things.Shape] = [
        things.ball(things.at(side * 1.25, 0.34, -0.9), 0.34, accent),
        Box(things.at(-side * 1.35, 0.42, -1.1), things.at(0.30, 0.42, 0.30), paler, random.uniform(0.2, 1.2)),
        things.rod(things.at(side * 1.9, 0.0, -1.5), things.at(side * 1.9, 1.15, -1.5), 0.24, paler, 0.03),
    ]
    light = _light(azimuth, brightness, 0.95, (1.45, 1.40, 1.32), (0.42, 0.44, 0.48), (0.30, 0.28, 0.27))
    bright = 1.12 * brightness
    haze = Haze((colour[0] * bright, colour[1] * bright, colour[2] * bright), start=1.6, depth=5.0, most=1.0)
    return Place(floor, light, OpenAir(seamless, haze), shapes if random.random() < 0.75 else [])


def _park(random: np.random.Generator, azimuth: float, brightness: float) -> Place:
    grain = Grain.drawn(random)
    air = surfaces.sky(grain, (0.16, 0.36, 0.76), (0.70, 0.80, 0.90), clouds=random.uniform(0.1, 0.9))
    hills = surfaces.with_hills(air, grain, ((0.38, 0.52, 0.66), (0.24, 0.42, 0.33), (0.12, 0.27, 0.10)))
    shapes: list[things.Shape] = []
    for side in (-1, 1):
        shapes += things.tree(random, side * random.uniform(2.0, 4.6), random.uniform(-8.0, -4.0))
        shapes += things.bush(random, side * random.uniform(1.4, 2.6), random.uniform(-3.6, -2.2))
    if random.random() < 0.4:
        shapes += things.fence(-4.2, Material(_pick(random, (0.70, 0.68, 0.63), (0.30, 0.17, 0.09))))
    elif random.random() < 0.6:
        shapes += things.bench((-1) ** int(random.integers(2)) * 1.5, -1.9, random.uniform(-0.3, 0.3))
    light = _light(azimuth, brightness, 0.85, (1.75, 1.58, 1.28), (0.40, 0.50, 0.66), (0.16, 0.24, 0.10))
    ground = surfaces.grass(grain, _pick(random, (0.13, 0.27, 0.06), (0.18, 0.29, 0.08), (0.10, 0.24, 0.07)))
    return Place(ground, light, OpenAir(hills, Haze((0.40, 0.56, 0.30))), shapes)


def _square(random: np.random.Generator, azimuth: float, brightness: float) -> Place:
    grain = Grain.drawn(random)
    evening = random.random() < 0.5
    top, low = ((0.22, 0.24, 0.50), (0.95, 0.62, 0.42)) if evening else ((0.26, 0.46, 0.78), (0.78, 0.84, 0.90))
    air = surfaces.sky(grain, top, low, clouds=random.uniform(0.1, 0.6))
    town = surfaces.with_town(air, grain, ((0.55, 0.55, 0.62), (0.55, 0.42, 0.36), (0.40, 0.24, 0.17)))
    floor = surfaces.tiles(grain, (0.42, 0.39, 0.35), (0.31, 0.28, 0.26), side=0.8)
    shapes: list[things.Shape] = []
    for side in (-1, 1):
        shapes += things.tree(random, side * random.uniform(2.6, 4.2), random.uniform(-7.0, -4.5))
    shapes += things.bench((-1) ** int(random.integers(2)) * random.uniform(1.3, 1.7), -2.0, 0.0)
    key = (1.70, 1.28, 0.86) if evening else (1.65, 1.52, 1.30)
    light = _light(azimuth, brightness, 0.80, key, (0.40, 0.45, 0.58), (0.26, 0.23, 0.21))
    return Place(floor, light, OpenAir(town, Haze((0.50, 0.45, 0.45))), shapes)


def _beach(random: np.random.Generator, azimuth: float, brightness: float) -> Place:
    grain = Grain.drawn(random)
    air = surfaces.sky(grain, (0.12, 0.40, 0.80), (0.78, 0.87, 0.93), clouds=random.uniform(0.1, 0.7))
    sand = surfaces.rough(grain, (0.66, 0.52, 0.35), contrast=0.05, metres=1.3, fine=0.045)
    shore = random.uniform(-9.0, -6.0)

    def ground(x: Plane, z: Plane) -> Plane:
        edge = shore + 0.5 * np.sin(x * 0.5 + shore) + 0.2 * np.sin(x * 1.3)
        ripples = 1 + 0.10 * grain.at(x * 0.12, z * 0.5, fine=True)
        deep = np.clip((edge - z) / 12, 0, 1)[..., None]
        sea = ((1 - deep) * np.array((0.10, 0.42, 0.46)) + deep * np.array((0.03, 0.18, 0.36))) * ripples[..., None]
        foam = np.exp(-(((z - edge) / 0.28) ** 2)) + 0.6 * np.exp(-(((z - edge + 1.6) / 0.14) ** 2))
        wet = 1 - 0.35 * np.clip(1 - (z - edge) / 1.2, 0, 1)
        shown = np.where((z > edge)[..., None], sand(x, z) * wet[..., None], sea)
        return np.asarray(shown + (0.9 - shown) * np.clip(foam, 0, 0.9)[..., None], np.float32)

    side = (-1) ** int(random.integers(2))
    shapes = things.parasol(random, side * random.uniform(1.6, 2.2), random.uniform(-2.8, -2.0))
    light = _light(azimuth, brightness, 0.85, (1.80, 1.66, 1.40), (0.40, 0.50, 0.62), (0.34, 0.28, 0.20))
    return Place(ground, light, OpenAir(air, Haze((0.30, 0.50, 0.62))), shapes)


_KINDS: dict[str, Callable[[np.random.Generator, float, float], Place]] = {
    "living_room": _living_room,
    "park": _park,
    "hall": _hall,
    "studio": _studio,
    "courtyard": _courtyard,
    "beach": _beach,
    "square": _square,
}
PLACES = tuple(_KINDS)
