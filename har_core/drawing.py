"""Draw what is known of the people in a picture onto it: boxes, numbers, actions, probabilities.

Everything scales with the picture, is blended into no more of it than it covers, and stays inside it.

Class names come in any script, and no machine has to have fonts for them. OpenCV's built-in fonts have
Latin, Greek, Cyrillic, every Korean syllable, Chinese and Japanese. They neither join letters nor write
from right to left, so Arabic and Hebrew are written by Pillow with the DejaVu font that comes with
Matplotlib, and Hindi, Thai and the like with a font of this machine, where one has all their letters.
Emoji beside words are left out. A name that nothing here can write is shown as "action 3", its place
among the classes.
"""

import importlib.util
import os
import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from har_core.errors import ConfigError
from har_core.values import LiveView, Reading, Rgb, Tracks

Colour = tuple[int, int, int]
Mask = NDArray[np.uint8]
Rects = NDArray[np.float64]
"""Left, top, right, bottom in px, `(N, 4)`."""
COLOURS: tuple[Colour, ...] = (
    (86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167), (0, 114, 178), (213, 94, 0),
)  # fmt: skip
"""Okabe and Ito (2008): told apart with every kind of colour vision. Neighbours differ most."""
LIGHT, DIM, DARK = (245, 245, 245), (200, 200, 200), (18, 18, 22)
PLATE, BAR = 0.7, 0.5
"""How much the plate hides of what is behind it, and a bar of the plate."""
LONGEST = 80
"""Characters of a name that are looked at; no plate is wide enough for more."""
MORE = "..."
WINDOWS = os.environ.get("WINDIR", "C:/Windows") + "/Fonts"

_fonts = threading.Lock()


def colour_of(track_id: int) -> Colour:
    """The colour of a person's box and bars: red, green, blue in 0..255. Seven colours, in turn.

    >>> colour_of(1) == colour_of(8)
    True
    """
    return COLOURS[(track_id - 1) % len(COLOURS)]


def draw(rgb: Rgb, view: LiveView, *, top: int = 3) -> Rgb:
    """The picture with a box and a plate for each person, or a plate in its corner for the whole of it.

    A plate says "#3 wave 87%", "#3 unsure", or "#3 ..." and a thin bar that fills while too little was seen.
    Below that it has a bar for each of the `top` most probable actions, highest first: fewer or none where
    the person is small or plates would cover each other. Long names end in an ellipsis. Boxes outside
    the picture, or that are not numbers, are left out.

    Args:
        rgb: uint8 `(H, W, 3)`; not changed.
        view: what to draw, in px of `rgb`; neither `trouble` nor `numbers`.
        top: how many actions to show; 0 for no bars.

    Returns:
        A new picture of the same size, contiguous.

    Raises:
        ConfigError: `top` < 0.
        ValueError: `rgb` is not a picture.
    """
    if top < 0:
        raise ConfigError(f"The number of actions to show must be at least 0, but got {top}.")
    if rgb.ndim != 3 or rgb.shape[-1] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        raise ValueError(f"a picture needs uint8 (H, W, 3), got {rgb.dtype} {rgb.shape}")
    drawn: Rgb = np.array(rgb, order="C")
    style, people = _Style.of(drawn), _visible(view.tracks, drawn)
    taken: list[tuple[float, ...]] = []
    if view.whole is not None:
        plate = _Plate.of(view.whole, style, COLOURS[0], "", rows=min(top, style.rows(style.height)))
        taken.append(_paint(drawn, plate, style, style.pad, style.pad))
    for box, track in people:
        _outline(drawn, box, colour_of(track), style)
    boxes = np.array([box for box, _ in people], np.float64).reshape(-1, 4)
    for box, track in people:
        reading = view.people.get(track, Reading("collecting", collected=0.0))
        wide, high = box[2] - box[0], box[3] - box[1]
        rows = min(top, style.rows(high))
        if rows < min(top, 2) or wide < 3 * style.size:  # a bar alone says no more than the title
            rows = 0
        for tried in sorted({rows, 0}, reverse=True):  # without bars where those would cover another plate
            plate = _Plate.of(reading, style, colour_of(track), f"#{track}", rows=tried)
            x, y, hidden = _place(plate, np.array(box, np.float64), boxes, np.array(taken, np.float64), style)
            if not hidden:
                break
        taken.append(_paint(drawn, plate, style, x, y))
    return drawn


@dataclass(frozen=True, slots=True)
class _Style:
    """The measures for a picture of this width and height, in px."""

    width: int
    height: int
    size: int
    """The height of the letters of a title, more or less."""

    @staticmethod
    def of(rgb: Rgb) -> "_Style":
        height, width = rgb.shape[:2]
        return _Style(width, height, round(float(np.clip(min(height, width) / 28, 10, 34))))

    @property
    def small(self) -> int:
        return max(9, round(self.size * 0.76))

    @property
    def pad(self) -> int:
        return max(2, round(self.size / 4))

    @property
    def line(self) -> int:
        return max(1, round(self.size / 10))

    @property
    def title(self) -> int:
        return _line_height(self.size) + self.pad

    @property
    def row(self) -> int:
        return _line_height(self.small) + max(1, self.pad // 3)

    def rows(self, high: float) -> int:
        """How many bars suit somebody of this height: a plate takes a third of it at most."""
        return max(0, int((high / 3 - self.title - self.pad) // self.row))


@dataclass(frozen=True, slots=True)
class _Plate:
    """What is written for one person, laid out: `bars` are (name, probability), highest first."""

    colour: Colour
    chip: Mask
    title: Mask
    ink: Colour
    percent: Mask
    collected: float | None
    bars: tuple[tuple[str, float], ...]
    width: int
    height: int

    @staticmethod
    def of(reading: Reading, style: _Style, colour: Colour, chip: str, *, rows: int) -> "_Plate":
        """The plate of this reading with at most `rows` bars."""
        widest = min(15 * style.size, style.width - 2 * style.pad)
        words = {"collecting": MORE, "unsure": "unsure"}.get(reading.stage) or _name(reading, reading.action)
        # What stands at the right has a fixed width, so that the plate does not tremble.
        room = {"collecting": 4 * style.size, "unsure": 0, "sure": _mask("100%", style.size).shape[1]}
        number = _fitted(chip, style.size, widest)
        beside = (number.shape[1] + 2 * style.pad if chip else 0) + room[reading.stage] + 3 * style.pad
        title = _fitted(words, style.size, max(style.size, widest - beside))
        best = reading.prediction.top(rows) if reading.prediction is not None and rows else []
        bars = tuple((_name(reading, action), share) for action, share in best)
        return _Plate(
            colour=colour,
            chip=number,
            title=title,
            ink=LIGHT if reading.stage == "sure" else DIM,
            percent=_mask(f"{100 * reading.probability:.0f}%" if reading.stage == "sure" else "", style.size),
            collected=float(np.clip(np.nan_to_num(reading.collected), 0, 1)) if reading.stage == "collecting" else None,
            bars=bars,
            width=min(max(beside + title.shape[1], min(10 * style.size, widest) if bars else 0), style.width),
            height=style.title + (len(bars) * style.row + style.pad if bars else 0),
        )


def _name(reading: Reading, action: str) -> str:
    """The action as it can be written."""
    classes = reading.prediction.classes if reading.prediction is not None else ()
    return _written(action, classes.index(action) + 1 if action in classes else 0)


def _visible(tracks: Tracks, rgb: Rgb) -> list[tuple[tuple[int, int, int, int], int]]:
    """The boxes of those in the picture, cut to it, at least 1 px each way, and their ids, rising."""
    height, width = rgb.shape[:2]
    people = []
    for track, (x0, y0, x1, y1) in sorted(zip(tracks.ids.tolist(), tracks.xyxy.tolist(), strict=True)):
        # A side that is not a number fails every comparison.
        if not (x0 < width and y0 < height and x1 > 0 and y1 > 0 and x0 <= x1 and y0 <= y1):
            continue
        left, upper = int(max(0, min(x0, width - 1))), int(max(0, min(y0, height - 1)))
        right, lower = round(max(left + 1, min(x1, width))), round(max(upper + 1, min(y1, height)))
        people.append(((left, upper, right, lower), track))
    return people


def _outline(rgb: Rgb, box: tuple[int, int, int, int], colour: Colour, style: _Style) -> None:
    """The box inside its own edge, with a dark line inside the coloured one: seen on light and dark alike."""
    x0, y0, x1, y1 = box
    for inset in range(min(style.line + 1, (x1 - x0 + 1) // 2, (y1 - y0 + 1) // 2)):
        ink = colour if inset < style.line else DARK
        cv2.rectangle(rgb, (x0 + inset, y0 + inset), (x1 - 1 - inset, y1 - 1 - inset), ink, 1)


def _place(plate: _Plate, box: Rects, boxes: Rects, taken: Rects, style: _Style) -> tuple[int, int, bool]:
    """Where the plate of `box` hides least: its left, its top, and whether it covers another plate there.

    Other plates count most, then heads, then the rest of people; above is best if nothing speaks against it.
    """
    x0, y0, x1, y1 = box
    wide, high = plate.width, plate.height
    right, above, foot = x1 - wide, y0 - high, y1 - high
    wished = [(x0, above), (right, above), (x1, y0), (x0 - wide, y0), (x0, y1), (x0, foot), (right, foot)]
    wished += [(x0, above - high), (x0, (y0 + y1) / 2)]
    spots = np.clip(wished, 0, [max(0, style.width - wide), max(0, style.height - high)])
    rects = np.hstack([spots, spots + np.array([wide, high])])
    size = boxes[:, 2:] - boxes[:, :2]
    heads = np.hstack([boxes[:, :2] + size * [0.2, 0], boxes[:, 2:] - size * [0.2, 0.65]])
    plates = _covered(rects, taken)
    cost = (50 * plates + 1.5 * _covered(rects, heads) + 0.4 * _covered(rects, boxes)) / (wide * high)
    best = int(np.argmin(cost + 0.2 * np.arange(len(spots))))
    return int(spots[best, 0]), int(spots[best, 1]), bool(plates[best] > 0)


def _covered(rects: Rects, others: Rects) -> NDArray[np.float64]:
    """How many px of each of `rects` the others cover, counted once for each of them."""
    if not len(others):
        return np.zeros(len(rects))
    upper_left = np.maximum(rects[:, None, :2], others[None, :, :2])
    lower_right = np.minimum(rects[:, None, 2:], others[None, :, 2:])
    covered: NDArray[np.float64] = np.maximum(0.0, lower_right - upper_left).prod(axis=2).sum(axis=1)
    return covered


def _paint(rgb: Rgb, plate: _Plate, style: _Style, x: int, y: int) -> tuple[float, ...]:
    """The plate with its left upper corner at `x`, `y`; gives the rectangle it takes."""
    right, pad = x + plate.width, style.pad
    _tint(rgb, x, y, right, y + plate.height, DARK, PLATE)
    text_y, text_x = y + pad // 2, x + pad
    if plate.chip.any():
        chip_right = x + plate.chip.shape[1] + 2 * pad
        _tint(rgb, x, y, chip_right, y + style.title, plate.colour, 1.0)
        bright = np.dot(plate.colour, (0.299, 0.587, 0.114)) > 110
        _stamp(rgb, plate.chip, text_x, text_y, DARK if bright else LIGHT)
        text_x = chip_right + pad
    _stamp(rgb, plate.title, text_x, text_y, plate.ink)
    _stamp(rgb, plate.percent, right - pad - plate.percent.shape[1], text_y, plate.ink)
    if plate.collected is not None:
        left, wide, upper = right - pad - 4 * style.size, 4 * style.size, y + style.title // 2
        _tint(rgb, left, upper, left + wide, upper + 2 * style.line, LIGHT, 0.3)
        _tint(rgb, left, upper, left + round(wide * plate.collected), upper + 2 * style.line, plate.colour, 1.0)
    for row, (name, share) in enumerate(plate.bars):
        _bar(rgb, plate, style, (x + pad, y + style.title + pad // 2 + row * style.row), name, share)
    return float(x), float(y), float(right), float(y + plate.height)


def _bar(rgb: Rgb, plate: _Plate, style: _Style, corner: tuple[int, int], name: str, share: float) -> None:
    """One action: a bar as long as it is probable, its name on it and its probability at the right."""
    x, y = corner
    wide, lower = plate.width - 2 * style.pad, y + _line_height(style.small)
    _tint(rgb, x, y, x + wide, lower, LIGHT, 0.08)
    _tint(rgb, x, y, x + round(wide * share), lower, plate.colour, BAR)
    percent, inner = _mask(f"{100 * share:.0f}%", style.small), style.pad // 2
    room = wide - _mask("100%", style.small).shape[1] - 3 * inner
    _stamp(rgb, _fitted(name, style.small, max(style.small, room)), x + inner, y, LIGHT)
    _stamp(rgb, percent, x + wide - inner - percent.shape[1], y, LIGHT)


def _tint(rgb: Rgb, x0: int, y0: int, x1: int, y1: int, colour: Colour, share: float) -> None:
    """Mix so much of a colour into a part of the picture; what is outside is left out."""
    part = rgb[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    if part.size:
        part[:] = cv2.addWeighted(part, 1 - share, np.full_like(part, colour), share, 0)


def _stamp(rgb: Rgb, mask: Mask, x: int, y: int, colour: Colour) -> None:
    """Write a mask in a colour with its left upper corner at `x`, `y` >= 0 or left of the picture."""
    mask, x = mask[:, max(0, -x) :], max(0, x)
    part = rgb[y : y + mask.shape[0], x : x + mask.shape[1]]
    if part.size:
        share = mask[: part.shape[0], : part.shape[1], None].astype(np.int16)
        # In 128ths, so that a difference of 255 times a share still fits 16 bits.
        part[:] = part + (((np.array(colour, np.int16) - part) * ((share + 1) >> 1)) >> 7).astype(np.int16)


def _line_height(size: int) -> int:
    return round(size * 1.3)


@lru_cache(maxsize=1024)
def _mask(text: str, size: int) -> Mask:
    """How much ink each pixel of a line of text has: uint8 `(_line_height(size), W)`, W >= 1. Read only."""
    mask = _opencv(text, size) if all(_built_in(char) for char in text) else _pillow(text, size)
    mask = (255 * (mask / 255) ** 0.7).astype(np.uint8)  # light on dark looks thinner than it is
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=1024)
def _fitted(text: str, size: int, width: int) -> Mask:
    """The mask of as much of the text as fits `width` px, then an ellipsis if that is not all of it."""
    mask = _mask(text, size)
    if mask.shape[1] <= width:
        return mask
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if _mask(text[:middle].rstrip() + MORE, size).shape[1] <= width:
            fits = middle
        else:
            too_long = middle
    return _mask(text[:fits].rstrip() + MORE, size)


@lru_cache(maxsize=1024)
def _written(name: str, number: int) -> str:
    """The name as it can be written here: without emoji if need be, or "action" and its number."""
    plain = unicodedata.normalize("NFC", " ".join(name[: 4 * LONGEST].split()))[:LONGEST]
    plain = "".join(char for char in plain if unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn"))
    words = " ".join("".join(char for char in plain if _built_in(char) or _is_letter(char)).split())
    for text in (words, plain):
        if text and (all(_built_in(char) for char in text) or _font_with(frozenset(text + MORE)) is not None):
            return text
    return f"action {number}" if number else "action"


def _is_letter(char: str) -> bool:
    """A letter, a digit, or a sign that belongs to them: leaving it out would change the word."""
    kind = unicodedata.category(char)[0]
    return kind in "LN" or (kind == "M" and not unicodedata.name(char, "").startswith("VARIATION SELECTOR"))


@cache
def _face() -> cv2.FontFace:
    return cv2.FontFace("uni")


@lru_cache(maxsize=8192)
def _built_in(char: str) -> bool:
    """Whether OpenCV's fonts have this character and writing it takes no more than putting it next in line."""
    if char in " ?" or unicodedata.bidirectional(char) in ("R", "AL", "AN") or unicodedata.category(char)[0] in "MC":
        return char in " ?"
    mask = _opencv(char, 20)
    return bool(mask.any()) and not np.array_equal(mask, _opencv("?", 20))


def _opencv(text: str, size: int) -> Mask:
    with _fonts:
        left, _, wide, _ = cv2.getTextSize((0, 0), text, (0, 0), _face(), size)
        mask: Mask = np.zeros((_line_height(size), max(1, left + wide + 1)), np.uint8)
        cv2.putText(mask, text, (0, size), (255,), _face(), size)
    return mask


def _pillow(text: str, size: int) -> Mask:
    path = _font_with(frozenset(text + MORE))
    font = ImageFont.truetype(str(path), max(6, round(size * 0.95)))
    line = Image.new("L", (max(1, round(font.getlength(text)) + 1), _line_height(size)))
    ImageDraw.Draw(line).text((0, size), text, font=font, fill=255, anchor="ls")
    return np.array(line)


@lru_cache(maxsize=256)
def _font_with(chars: frozenset[str]) -> Path | None:
    """A font file that has all of these characters; None if there is none, or nothing to join letters with."""
    if not (features.check("raqm") and features.check("fribidi")):
        return None
    return next((path for path in _font_files() if _has(path, chars)), None)


def _has(path: Path, chars: Iterable[str]) -> bool:
    try:
        font = ImageFont.truetype(str(path), 20)
        missing = bytes(font.getmask("\U0010ffff"))
        glyphs = [bytes(font.getmask(char)) for char in chars if not char.isspace()]
    except (OSError, ValueError):  # a font of pictures, or a damaged one
        return False
    return all(any(glyph) and glyph != missing for glyph in glyphs)


@cache
def _font_files() -> tuple[Path, ...]:
    """Matplotlib's DejaVu Sans, then this machine's fonts, upright ones first; at most 400."""
    ours = importlib.util.find_spec("matplotlib")
    files = [Path(ours.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"] if ours and ours.origin else []
    folders = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts", WINDOWS)
    found = [path for folder in folders for path in sorted(Path(folder).rglob("*.[to]t[fc]"))]
    odd = ("bold", "italic", "oblique", "mono", "serif", "thin", "black", "light")
    found.sort(key=lambda path: sum(word in path.stem.lower() for word in odd))
    return (*files, *(path for path in found if "lastresort" not in path.stem.lower()))[:400]
