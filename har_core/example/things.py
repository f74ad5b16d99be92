"""Things that stand about: furniture, plants, trees. Each is a list of solids and boxes on the floor at (x, z)."""

import numpy as np

from har_core.example.solids import Box, Colour, Material, Solid, Vector, rotation

Shape = Solid | Box

WOOD = Material((0.42, 0.23, 0.11), gloss=0.05)
LIGHT_WOOD = Material((0.62, 0.42, 0.23), gloss=0.05)
WHITE = Material((0.82, 0.81, 0.78))
METAL = Material((0.10, 0.10, 0.11), gloss=0.3)
CLOTHS: tuple[Colour, ...] = ((0.10, 0.25, 0.30), (0.50, 0.20, 0.12), (0.55, 0.42, 0.20), (0.20, 0.22, 0.34),
                              (0.30, 0.36, 0.22), (0.52, 0.46, 0.42))  # fmt: skip


def ball(at: Vector, radius: float, material: Material, scale: tuple[float, float, float] | None = None, *,
         turn: float = 0.0, soft: float = 0.004) -> Solid:  # fmt: skip
    """A ball, or with `scale` an egg or a disc."""
    axes = None if scale is None else rotation(yaw=turn).T
    return Solid(at, at, radius, radius, material, axes, scale or (1.0, 1.0, 1.0), soft)


def rod(a: Vector, b: Vector, radius: float, material: Material, end: float | None = None) -> Solid:
    """A round rod, tapered if `end` is given."""
    return Solid(a, b, radius, radius if end is None else end, material, soft=0.004)


def at(x: float, y: float, z: float) -> Vector:
    """A place."""
    return np.array([x, y, z], dtype=float)


def stool(place: Vector, height: float, yaw: float, material: Material = LIGHT_WOOD) -> list[Solid]:
    """A round stool whose seat is `height` metres high."""
    turn = rotation(yaw=yaw)
    seat = ball(place + at(0, height - 0.028, 0), 0.185, material, (1.0, 0.17, 1.0))
    legs = []
    for angle in (0.8, 2.37, 3.94, 5.5):
        out = turn @ np.array([np.sin(angle), 0, np.cos(angle)])
        top, foot = place + out * 0.11 + at(0, height - 0.04, 0), place + out * 0.19 + at(0, 0.014, 0)
        legs.append(rod(top, foot, 0.019, METAL, 0.014))
    return [seat, *legs]


def plant(random: np.random.Generator, x: float, z: float) -> list[Shape]:
    """A potted plant."""
    tall = random.uniform(0.7, 1.25)
    pot = Material((0.60, 0.26, 0.14) if random.random() < 0.5 else (0.72, 0.70, 0.66))
    shapes: list[Shape] = [rod(at(x, 0.13, z), at(x, 0.27, z), 0.13, pot, 0.165)]
    for number in range(17):
        around, lean = number * 2.4, random.uniform(0.12, 0.85)
        out = np.array([np.sin(around) * lean, 1.0, np.cos(around) * lean])
        root = at(x, 0.36, z)
        tip = root + out * (tall - 0.3) * random.uniform(0.55, 1.0) / np.linalg.norm(out)
        tip[1] -= 0.1 * lean
        green = Material((0.05 + 0.05 * random.random(), 0.20 + 0.14 * random.random(), 0.06), gloss=0.08)
        shapes.append(rod(root, tip, 0.010, green, 0.008))
        side = np.cross(out, [0.0, 1.0, 0.0])
        axes = np.stack([side / np.linalg.norm(side), out / np.linalg.norm(out), np.zeros(3)])
        axes[2] = np.cross(axes[0], axes[1])
        shapes.append(Solid(tip - out * 0.05, tip + out * 0.06, 0.062, 0.03, green, axes, (1.0, 1.3, 0.22), 0.004))
    return shapes


def sofa(random: np.random.Generator, x: float, z: float) -> list[Shape]:
    """A sofa that faces the camera, with cushions."""
    cloth = Material(CLOTHS[int(random.integers(len(CLOTHS)))])
    pillow = Material(CLOTHS[int(random.integers(len(CLOTHS)))])
    shapes: list[Shape] = [Box(at(x, 0.23, z), at(0.92, 0.15, 0.40), cloth)]
    shapes.append(Solid(at(x - 0.80, 0.62, z - 0.34), at(x + 0.80, 0.62, z - 0.34), 0.15, 0.15, cloth, soft=0.02))
    shapes.append(Box(at(x, 0.46, z - 0.36), at(0.92, 0.20, 0.12), cloth))
    for side in (-1, 1):
        shapes.append(rod(at(x + side * 0.92, 0.46, z - 0.30), at(x + side * 0.92, 0.46, z + 0.30), 0.12, cloth))
        shapes.append(Box(at(x + side * 0.92, 0.24, z), at(0.11, 0.20, 0.40), cloth))
        seat = at(x + side * 0.42, 0.42, z + 0.06)
        ends = seat - at(0.26, 0, 0), seat + at(0.26, 0, 0)
        shapes.append(Solid(*ends, 0.15, 0.15, cloth, np.eye(3), (1.0, 0.5, 2.2), 0.004))
        shapes.append(rod(at(x + side * 0.8, 0.04, z + 0.3), at(x + side * 0.8, 0.1, z + 0.3), 0.03, WOOD))
    shapes.append(ball(at(x - 0.55, 0.66, z - 0.12), 0.21, pillow, (1.0, 0.92, 0.42), turn=0.3))
    return shapes


def sideboard(random: np.random.Generator, x: float, z: float) -> list[Shape]:
    """A low cupboard with books and a vase on it."""
    shapes: list[Shape] = [Box(at(x, 0.42, z), at(0.70, 0.30, 0.20), LIGHT_WOOD)]
    for side in (-1, 0, 1):
        shapes.append(Box(at(x + side * 0.46, 0.42, z + 0.20), at(0.215, 0.26, 0.008), Material((0.66, 0.46, 0.27))))
        shapes.append(ball(at(x + side * 0.46 + 0.15, 0.45, z + 0.22), 0.018, METAL))
    shapes += [rod(at(x + dx, 0.02, z), at(x + dx, 0.14, z), 0.02, METAL) for dx in (-0.6, 0.6)]
    reached = x - 0.6
    for _ in range(int(random.integers(5, 10))):
        wide, tall = random.uniform(0.015, 0.03), random.uniform(0.09, 0.14)
        cover = Material(CLOTHS[int(random.integers(len(CLOTHS)))])
        shapes.append(Box(at(reached + wide, 0.72 + tall, z), at(wide * 0.92, tall, 0.09), cover))
        reached += 2 * wide
    vase = Material((0.65, 0.62, 0.58), gloss=0.25)
    shapes.append(rod(at(x + 0.42, 0.79, z), at(x + 0.42, 0.90, z), 0.085, vase, 0.05))
    shapes.append(rod(at(x + 0.42, 0.90, z), at(x + 0.42, 1.00, z), 0.035, vase, 0.045))
    return shapes


def lamp(x: float, z: float) -> list[Shape]:
    """A floor lamp that is lit."""
    shade = Material((1.0, 0.80, 0.52), glow=1.1)
    return [
        ball(at(x, 0.02, z), 0.16, METAL, (1.0, 0.15, 1.0)),
        rod(at(x, 0.0, z), at(x, 1.45, z), 0.014, METAL),
        Solid(at(x, 1.48, z), at(x, 1.62, z), 0.19, 0.13, shade, np.eye(3), (1.0, 0.75, 1.0), 0.004),
    ]


def painting(random: np.random.Generator, x: float, y: float, z: float) -> list[Shape]:
    """A framed picture on the back wall: a bright field and simple forms."""
    wide, tall = random.uniform(0.22, 0.42), random.uniform(0.22, 0.36)
    inks = [Material(CLOTHS[int(i)]) for i in random.permutation(len(CLOTHS))[:2]]
    shapes: list[Shape] = [
        Box(at(x, y, z + 0.015), at(wide + 0.035, tall + 0.035, 0.015), METAL),
        Box(at(x, y, z + 0.031), at(wide, tall, 0.004), WHITE),
        Box(at(x, y - tall * 0.45, z + 0.036), at(wide * 0.82, tall * 0.38, 0.004), inks[0]),
        ball(
            at(x + wide * random.uniform(-0.4, 0.4), y + tall * 0.3, z + 0.036), tall * 0.34, inks[1], (1.0, 1.0, 0.03)
        ),
    ]
    return shapes


def window(x: float, y: float, z: float, *, glow: float) -> list[Shape]:
    """A window in the back wall with daylight behind it, a sill and two curtains."""
    pane = Material((0.70, 0.84, 1.0), glow=glow)
    shapes: list[Shape] = [Box(at(x, y, z + 0.01), at(0.66, 0.62, 0.012), pane)]
    shapes += [Box(at(x, y + dy, z + 0.03), at(0.70, 0.035, 0.03), WHITE) for dy in (-0.62, 0.12, 0.62)]
    shapes += [Box(at(x + dx, y, z + 0.03), at(0.03, 0.62, 0.03), WHITE) for dx in (-0.67, 0.0, 0.67)]
    shapes.append(Box(at(x, y - 0.68, z + 0.07), at(0.78, 0.025, 0.08), WHITE))
    cloth = Material((0.70, 0.64, 0.54))
    for side in (-1, 1):
        for fold in range(4):
            place = x + side * (0.70 + 0.075 * fold)
            shapes.append(rod(at(place, y + 0.75, z + 0.09), at(place, y - 0.95, z + 0.09), 0.045, cloth))
    shapes.append(rod(at(x - 1.05, y + 0.78, z + 0.1), at(x + 1.05, y + 0.78, z + 0.1), 0.018, METAL))
    return shapes


def gear(random: np.random.Generator, x: float, z: float) -> list[Shape]:
    """What lies about in a sports hall: a big ball, rolled mats, dumbbells."""
    colour = CLOTHS[int(random.integers(len(CLOTHS)))]
    shapes: list[Shape] = [
        ball(at(x, 0.33, z), 0.33, Material((colour[0] * 1.4, colour[1] * 1.4, colour[2] * 1.4), gloss=0.2))
    ]
    for number, ink in enumerate(((0.05, 0.28, 0.34), (0.55, 0.14, 0.18), (0.30, 0.18, 0.42))):
        place = x + 0.55 + 0.17 * (number if number < 2 else 0.5)
        high = 0.085 if number < 2 else 0.235
        shapes.append(rod(at(place, high, z - 0.35), at(place, high, z + 0.30), 0.082, Material(ink)))
    for number in range(2):
        grip = at(x - 0.55 - 0.16 * number, 0.07, z + 0.15)
        shapes.append(rod(grip - at(0, 0, 0.1), grip + at(0, 0, 0.1), 0.018, METAL))
        shapes += [ball(grip + at(0, 0, side * 0.1), 0.07, METAL, (1.0, 1.0, 0.6)) for side in (-1, 1)]
    return shapes


def wall_bars(x: float, z: float) -> list[Shape]:
    """Wall bars, as gymnasts climb them."""
    shapes: list[Shape] = [Box(at(x + dx, 1.25, z + 0.06), at(0.035, 1.25, 0.05), LIGHT_WOOD) for dx in (-0.5, 0.5)]
    return shapes + [
        rod(at(x - 0.5, y, z + 0.09), at(x + 0.5, y, z + 0.09), 0.022, LIGHT_WOOD) for y in np.arange(0.2, 2.5, 0.2)
    ]


def tree(random: np.random.Generator, x: float, z: float) -> list[Shape]:
    """A leafy tree, 3 to 5 m high."""
    high, crown = random.uniform(1.6, 2.4), random.uniform(0.9, 1.4)
    bark = Material((0.16, 0.09, 0.05))
    shapes: list[Shape] = [rod(at(x, 0, z), at(x + 0.1, high, z), 0.17, bark, 0.10)]
    hue = random.uniform(0.7, 1.3)
    for number in range(26):
        out = random.standard_normal(3)
        out *= random.uniform(0.35, 0.9) * crown / np.linalg.norm(out)
        tone = random.uniform(0.75, 1.25)
        leaves = Material((0.10 * hue * tone, 0.26 * tone, 0.05 * tone))
        place = at(x, high + crown * 0.75, z) + out * [1.0, 0.75, 1.0]
        shapes.append(ball(place, crown * random.uniform(0.30, 0.48), leaves, soft=0.06 if number else 0.004))
    return shapes


def bush(random: np.random.Generator, x: float, z: float) -> list[Shape]:
    """A round bush, some in flower."""
    flower = Material(((0.80, 0.22, 0.30), (0.85, 0.75, 0.25), (0.75, 0.70, 0.85))[int(random.integers(3))])
    shapes: list[Shape] = []
    for _ in range(11):
        tone = random.uniform(0.7, 1.25)
        place = at(x + random.uniform(-0.5, 0.5), random.uniform(0.12, 0.5), z + random.uniform(-0.25, 0.25))
        shapes.append(
            ball(place, random.uniform(0.22, 0.36), Material((0.07 * tone, 0.22 * tone, 0.06 * tone)), soft=0.05)
        )
    for _ in range(int(random.integers(0, 2)) * 22):
        around, up = random.uniform(-1.4, 1.4), random.uniform(0.25, 0.85)
        place = at(x + 0.62 * np.sin(around), up, z + 0.42 * np.cos(around) - 0.1 * up)
        shapes.append(ball(place, 0.04, flower))
    return shapes


def bench(x: float, z: float, yaw: float) -> list[Shape]:
    """A park bench."""
    turn = rotation(yaw=yaw)
    base = at(x, 0, z)
    shapes: list[Shape] = [
        Box(base + turn @ [0, 0.45, d], at(0.85, 0.018, 0.05), WOOD, yaw) for d in (-0.12, 0.0, 0.12)
    ]
    shapes += [Box(base + turn @ [0, y, -0.22], at(0.85, 0.045, 0.015), WOOD, yaw) for y in (0.62, 0.76)]
    for side in (-0.7, 0.7):
        shapes.append(Box(base + turn @ [side, 0.22, 0.0], at(0.025, 0.22, 0.16), METAL, yaw))
        shapes.append(Box(base + turn @ [side, 0.62, -0.24], at(0.025, 0.22, 0.02), METAL, yaw))
    return shapes


def fence(z: float, material: Material) -> list[Shape]:
    """A picket fence from side to side."""
    shapes: list[Shape] = [Box(at(0, y, z - 0.03), at(9.0, 0.03, 0.012), material) for y in (0.30, 0.72)]
    return shapes + [Box(at(x, 0.48, z), at(0.045, 0.46, 0.012), material) for x in np.arange(-8, 8.01, 0.16)]


def parasol(random: np.random.Generator, x: float, z: float) -> list[Shape]:
    """A beach parasol with a towel beside it."""
    ink = ((0.80, 0.15, 0.10), (0.05, 0.35, 0.55), (0.85, 0.55, 0.08))[int(random.integers(3))]
    cover = Material(ink)
    return [
        rod(at(x, 0, z), at(x + 0.12, 2.0, z), 0.025, WHITE),
        Solid(at(x + 0.10, 1.72, z), at(x + 0.13, 2.02, z), 1.15, 0.25, cover, np.eye(3), (1.0, 0.22, 1.0), 0.004),
        Box(at(x - 0.2, 0.012, z + 0.5), at(0.40, 0.012, 0.85), Material((0.75, 0.72, 0.62)), 0.35),
        ball(at(x + 0.9, 0.19, z + 0.5), 0.19, Material(ink, gloss=0.2)),
    ]
