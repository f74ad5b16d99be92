"""Everything known of a data set's clips in one table, and which of them a filter leaves, in which order.

Pages ask this instead of the clips one by one: for 10,000 clips a filter takes milliseconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd

from har_core.dataset import Dataset
from har_core.dataset.groups import near_duplicates
from har_core.errors import ConfigError
from har_core.facts import ClipFacts
from har_core.values import VideoProperties

FLAGS = ("too short", "black", "still", "look-alike", "ambiguous", "excluded", "left out")
"""What may be the matter with a clip, in the order in which it is said."""
HIDDEN = frozenset({"excluded", "left out"})
"""Clips with one of these flags teach nothing, and are shown only where the flag is asked for."""
RANGES = ("seconds", "motion", "brightness", "height", "frames per second")
"""Columns that a filter can bound."""
Sort = Literal["name", "length", "motion", "brightness", "doubt"]
SHORTEST_SECONDS, FEWEST_FRAMES = 0.5, 8
"""A clip below one of these hardly shows an action."""
_COLUMNS = (
    "clip", "action", "group", "part", "seconds", "frames per second", "width", "height", "codec", "brightness",
    "motion", "sharpness", "people", "flags", "why",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """What a clip must be to be shown; an empty field asks nothing.

    `actions`, `parts`, `groups` and `flags` leave clips that are, or have, one of them. `text` is looked for in
    path, action and group, in any case. `ranges` maps a column of `RANGES` to the least and the most, both included:
    clips of which the figure is not known yet stay. `only` are paths relative to the root.
    """

    actions: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    text: str = ""
    ranges: tuple[tuple[str, float, float], ...] = ()
    only: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name, _, _ in self.ranges if name not in RANGES]:
            raise ConfigError(f"A range must be of one of {', '.join(RANGES)}, but got {unknown[0]!r}.")


def catalogue(source: Dataset, facts: Mapping[str, ClipFacts], parts: Mapping[str, str]) -> pd.DataFrame:
    """One row a clip, sorted by path, the excluded and the unreadable among them.

    Args:
        source: the data set.
        facts: what is known of its clips, by path relative to the root; may lack any of them.
        parts: part of the split, by path relative to the root.

    Returns:
        The columns clip (the relative path), action, group, part, seconds, frames per second, width, height, codec,
        brightness, motion, sharpness, people (NaN where not known), flags (a tuple of texts from `FLAGS`) and why (the
        reason where a clip is left out).
    """
    names = [source.relative(clip) for clip in source.clips]
    copies = _copies(names, source.properties, facts)
    rows = []
    for name, clip, properties in zip(names, source.clips, source.properties, strict=True):
        marks = (name in copies, name in source.ambiguous)
        rows.append(_row(name, clip.action, clip.group, parts.get(name, ""), properties, facts.get(name), marks))
    for clip in source.excluded:
        name = source.relative(clip)
        row = _row(name, clip.action, clip.group, "", None, facts.get(name))
        rows.append((*row[:-2], (*row[-2], "excluded"), ""))
    for name, reason in source.skipped:
        row = _row(name, PurePosixPath(name).parent.name, "", "", None, None)
        rows.append((*row[:-2], ("left out",), reason))
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return table.sort_values("clip", kind="stable", ignore_index=True)


def _row(
    name: str,
    action: str,
    group: str,
    part: str,
    properties: VideoProperties | None,
    facts: ClipFacts | None,
    marks: tuple[bool, bool] = (False, False),
) -> tuple[Any, ...]:
    """The values of `_COLUMNS`; `marks` are whether the clip is a duplicate, and ambiguous."""
    flags: list[str] = []
    shape: tuple[object, ...] = (math.nan, math.nan, math.nan, math.nan, "")
    if properties:
        shape = (
            properties.seconds,
            properties.frames_per_second,
            properties.width,
            properties.height,
            properties.codec,
        )
        if properties.seconds < SHORTEST_SECONDS or 0 < properties.frames < FEWEST_FRAMES:
            flags.append("too short")
    seen: tuple[float, ...] = (math.nan, math.nan, math.nan, math.nan)
    if facts:
        people = math.nan if facts.people is None else facts.people
        seen = (facts.brightness, facts.motion, facts.sharpness, people)
        flags += [flag for flag, holds in (("black", facts.black), ("still", facts.still and not facts.black)) if holds]
    flags += [flag for flag, holds in zip(("look-alike", "ambiguous"), marks, strict=True) if holds]
    return (name, action, group, part, *shape, *seen, tuple(flags), "")


def _copies(
    names: Sequence[str], properties: Sequence[VideoProperties], facts: Mapping[str, ClipFacts]
) -> frozenset[str]:
    """The clips that look like another one."""
    # Clips with the very same looks and length are one to compare: copies by the thousand would make millions of pairs.
    alike: dict[tuple[tuple[int, ...], float], list[str]] = {}
    for name, shape in zip(names, properties, strict=True):
        if name in facts and facts[name].looks:
            alike.setdefault((facts[name].looks, round(shape.seconds, 3)), []).append(name)
    keys = list(alike)
    sets = near_duplicates([looks for looks, _ in keys], [length for _, length in keys], [""] * len(keys))
    found = {name for members in sets for member in members for name in alike[keys[member]]}
    found |= {name for members in alike.values() if len(members) > 1 for name in members}
    return frozenset(found)


def choose(
    table: pd.DataFrame, wanted: Filter, *, sort: Sort = "name", falling: bool = False,
    doubt: Mapping[str, float] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The rows that a filter leaves, sorted; rows of which the figure is not known come last.

    Args:
        table: what `catalogue` gave.
        wanted: the filter. Clips that are excluded or left out stay away unless its flags or `only` name them.
        sort: by what; "doubt" by the values of `doubt`, the highest first.
        falling: the largest first.
        doubt: how surely a model contradicts each clip's action, by path.
    """
    keep = np.ones(len(table), bool)
    for column, values in (("action", wanted.actions), ("part", wanted.parts), ("group", wanted.groups)):
        if values:
            keep &= table[column].isin(values).to_numpy()
    if wanted.only is not None:
        keep &= table["clip"].isin(wanted.only).to_numpy()
    flags = table["flags"]
    if wanted.flags:
        keep &= flags.map(lambda has: not set(wanted.flags).isdisjoint(has)).to_numpy(bool)
    elif wanted.only is None:
        keep &= flags.map(HIDDEN.isdisjoint).to_numpy(bool)
    if text := wanted.text.strip().casefold():
        keep &= np.any(
            [table[c].str.casefold().str.contains(text, regex=False) for c in ("clip", "action", "group")], 0
        )
    for column, low, high in wanted.ranges:
        figures = table[column].to_numpy(float)
        keep &= np.isnan(figures) | ((figures >= low) & (figures <= high))
    left = table[keep]
    if sort == "doubt":
        order = left["clip"].map(doubt or {}).astype(float)
        return left.loc[order.sort_values(ascending=False, kind="stable", na_position="last").index]
    column = {"name": "clip", "length": "seconds"}.get(sort, sort)
    return left.sort_values(column, ascending=not falling, kind="stable", na_position="last")
