"""Who or where a clip was filmed, where no list says so: from its name, or by finding near-duplicates.

Clips cut from one recording look alike, and a network that has seen one of them knows the others. A
score on such a clip says nothing, so clips that look alike must end in the same part of a split.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_core import video
from har_core.errors import DatasetError
from har_core.values import Rgb, VideoProperties

_INSTANTS = (0.1, 0.5, 0.9)
_UNIFORM = 2.0
"""Standard deviation in grey levels below which a picture says nothing: black, or a blank wall."""
_BITS = 6
_DURATION = 1.1
_SLUG = 30
"""Characters of a group in a file name."""


def named(file_name: str) -> str:
    """The group in a name like a recording's, `_by-anna_`, or like UCF101's, else "".

    Numbers count over all actions: `_g01_` of two actions is one group, though in UCF101 it need not
    be one person. That keeps a few clips more together than it must, and never leaks.

    >>> named("wave_by-anna_20261126-101500-1.mp4"), named("v_Punch_g3_c01.avi"), named("walk.mp4")
    ('anna', 'g03', '')
    """
    if match := re.search(r"_by-([^_.]+)(?=[_.])", file_name, re.IGNORECASE):
        return unicodedata.normalize("NFC", match[1]).casefold()
    match = re.search(r"_g(\d{1,4})(?=[_.])", file_name, re.IGNORECASE)
    return f"g{int(match[1]):02d}" if match else ""


def slug(group: str) -> str:
    """A group's name as a file name carries it, so that `named` finds it again: letters, digits and `-`.

    >>> slug(" Anna  K. "), slug("왼손_2")
    ('anna-k', '왼손-2')

    Raises:
        DatasetError: nothing of it is left.
    """
    found = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", group).casefold())[:_SLUG].strip("-")
    if not found:
        raise DatasetError(f"A group needs a letter or a digit in its name, but got {group[:40]!r}.")
    return found


def looks(path: Path, properties: VideoProperties) -> tuple[int, ...]:
    """Three 64-bit difference hashes, at 10, 50 and 90% of the clip; () where a picture is nearly uniform.

    Raises:
        VideoError: the clip cannot be decoded.
    """
    at = np.array(_INSTANTS) * properties.seconds
    frames = video.read_frames(path, at, longest_side=96)
    # A clip of one or two frames gives fewer pictures than asked for: the last stands for the rest.
    return hashes([frames.rgb[min(i, len(frames) - 1)] for i in range(len(at))])


def hashes(pictures: Sequence[Rgb]) -> tuple[int, ...]:
    """The 64-bit difference hash of each picture, uint8 `(H, W, 3)`; () where one is nearly uniform."""
    thumbs = [_thumb(rgb) for rgb in pictures]
    if any(thumb.std() < _UNIFORM for thumb in thumbs):
        return ()
    return tuple(_hash(thumb) for thumb in thumbs)


def digest(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _thumb(rgb: Rgb) -> NDArray[np.float64]:
    """The mean grey of 8 x 9 equal fields, float64 `(8, 9)`."""
    grey: NDArray[np.float64] = rgb @ np.array([0.299, 0.587, 0.114])
    for axis, fields in ((0, 8), (1, 9)):
        edges = np.linspace(0, grey.shape[axis], fields + 1).astype(np.intp)
        shape = (-1, 1) if axis == 0 else (1, -1)
        grey = np.add.reduceat(grey, edges[:-1], axis) / np.maximum(np.diff(edges), 1).reshape(shape)
    return grey


def _hash(thumb: NDArray[np.float64]) -> int:
    """64 bits: whether each field is darker than its right neighbour."""
    return int.from_bytes(np.packbits(thumb[:, :-1] < thumb[:, 1:]).tobytes())


def near_duplicates(
    hashes: Sequence[Sequence[int]], seconds: Sequence[float], digests: Sequence[str]
) -> list[list[int]]:
    """The sets of two or more clips that are the same recording, as far as a look can tell.

    Two clips are joined when each of their three hashes differs in at most 6 bits and their lengths by
    at most a tenth, or when their bytes are the same. Joins add up: if A is like B and B like C, all three are one.

    Args:
        hashes: what `looks` gave for each clip.
        seconds: the length of each clip.
        digests: of each clip, "" where no other clip has its size.

    Returns:
        Indices, each list rising, the lists by their first.
    """
    parent = list(range(len(hashes)))

    def top(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(i: int, j: int) -> None:
        first, second = sorted((top(i), top(j)))
        parent[second] = first

    first_of: dict[str, int] = {}
    for i, text in enumerate(digests):
        if text:
            join(i, first_of.setdefault(text, i))
    for i, j in _alike(hashes, seconds):
        join(i, j)
    sets: dict[int, list[int]] = {}
    for i in range(len(parent)):
        sets.setdefault(top(i), []).append(i)
    return [members for members in sets.values() if len(members) > 1]


def _alike(hashes: Sequence[Sequence[int]], seconds: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs that look alike. Sorted by length, so that each clip meets only those near its own: n² / 2 at worst."""
    order = sorted((i for i in range(len(hashes)) if hashes[i]), key=lambda i: seconds[i])
    bits = np.array([hashes[i] for i in order], np.uint64).reshape(-1, len(_INSTANTS))
    lengths = np.array([seconds[i] for i in order], np.float64)
    # The small number keeps two files of one length together when their headers round differently.
    ends = np.searchsorted(lengths, lengths * _DURATION + 1e-6, side="right")
    middle, rest = np.ascontiguousarray(bits[:, 1]), bits[:, (0, 2)]
    pairs: list[tuple[int, int]] = []
    for i, end in enumerate(ends):
        near = i + 1 + np.flatnonzero(np.bitwise_count(middle[i + 1 : end] ^ middle[i]) <= _BITS)
        near = near[(np.bitwise_count(rest[near] ^ rest[i]) <= _BITS).all(axis=1)]
        pairs.extend((order[i], order[j]) for j in near)
    return pairs
