"""A picture of the clips that are being learnt now, as the network sees them, for whoever follows a run.

The trainer replaces one small JPEG every few seconds, with what is said of it inside: a reader never meets a
picture with another one's words. It is not worth any time: it is drawn so seldom that it costs under one percent.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from har_core.images import jpeg, resize
from har_core.values import Rgb

FILE = "strip.jpg"
"""Its name in the run's folder."""
CLIPS, FRAMES, SIDE, GAP = 3, 6, 96, 2
"""At most so many clips, and frames of each; px of a frame, and between two."""
EVERY_SECONDS, SHARE = 2.0, 0.008
"""As often as this, and less often where drawing would take more than this share of the time."""
_BETWEEN = 128  # grey, as it lies on light and dark pages
_COMMENT, _START = b"\xff\xfe", b"\xff\xd8"
_MOST_BYTES = 60_000  # of a JPEG comment: its length is two bytes


@dataclass(frozen=True, slots=True)
class Caption:
    """What is said of one row: the clip's path below its data set's root, its action, and what the network said."""

    clip: str
    action: str
    said: str


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A picture of rows of equal height, `frames` wide, and what is said of each, top to bottom."""

    epoch: int
    frames: int
    captions: tuple[Caption, ...]
    jpeg: bytes


class Glimpses:
    """Keeps the picture of a run up to date. For one thread."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock, self._next = folder / FILE, clock, 0.0

    def show(self, epoch: int, look: Callable[[], Sequence[tuple[Caption, Rgb]]]) -> None:
        """Replace the picture by what `look` gives, rows of uint8 `(T, S, S, 3)`, if the time for it has come."""
        begun = self._clock()
        if begun < self._next:
            return
        # It must never end a run: on a full disk there is no picture.
        with contextlib.suppress(OSError):
            if rows := look():
                _replace(self._path, _encode(epoch, rows))
        done = self._clock()
        self._next = done + max(EVERY_SECONDS, (done - begun) / SHARE)


def read(folder: Path) -> Glimpse | None:
    """The picture in a run's folder; None where there is none, or none that this version reads."""
    try:
        content = (folder / FILE).read_bytes()
        if content[:4] != _START + _COMMENT:
            return None
        length = int.from_bytes(content[4:6], "big")
        said = json.loads(content[6 : 4 + length])
        captions = tuple(Caption(**row) for row in said["captions"])
        "".join(text for row in captions for text in asdict(row).values()).encode()  # raises where it is no text
        return Glimpse(int(said["epoch"]), int(said["frames"]), captions, content)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _encode(epoch: int, rows: Sequence[tuple[Caption, Rgb]]) -> bytes:
    """One JPEG whose first segment is a comment: JSON that says what its rows are."""
    wide = max(len(rgb) for _, rgb in rows)
    sheet = np.full((len(rows) * (SIDE + GAP), wide * (SIDE + GAP), 3), _BETWEEN, np.uint8)
    for row, (_, rgb) in enumerate(rows):
        for column, frame in enumerate(rgb):
            top, left = row * (SIDE + GAP), column * (SIDE + GAP)
            sheet[top : top + SIDE, left : left + SIDE] = resize(np.ascontiguousarray(frame), (SIDE, SIDE))
    said = json.dumps({"epoch": epoch, "frames": wide, "captions": [asdict(caption) for caption, _ in rows]}).encode()
    if len(said) > _MOST_BYTES:
        raise OSError("The names of these clips are too long for a picture's comment.")
    comment = _COMMENT + (len(said) + 2).to_bytes(2, "big") + said
    return _START + comment + jpeg(sheet, quality=80).removeprefix(_START)


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
