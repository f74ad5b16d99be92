"""A folder of clips, read: actions, groups and properties of every clip that can be decoded.

Probing and hashing thousands of clips takes minutes, so what was found is kept in the workspace and
used again as long as a file keeps its size and time.
"""

import hashlib
import json
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

import har_core
from har_core import video
from har_core.dataset import groups as grouping
from har_core.dataset import history
from har_core.dataset.edits import NO_EDIT, Version, applied, kept_together
from har_core.dataset.layouts import EXPECTED, Entry, Layout, listing, some
from har_core.errors import DatasetError, VideoError
from har_core.values import Clip, VideoProperties

_VERSION = 1
"""Of what the cache holds; a new number when probing or hashing changes its meaning."""
_SAVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Dataset:
    """The clips of a folder that can be decoded, sorted by path; `properties` is aligned with `clips`.

    `skipped` holds (path relative to the root, why) of the others; `notes` says what was guessed. All is as the
    `version` of the user's edits says (0: as the folder is). `excluded` are the clips that it leaves out, which may
    be broken; `ambiguous` the paths of those among `clips` that show nothing clear, so that nothing is trained on them.
    """

    root: Path
    clips: tuple[Clip, ...]
    properties: tuple[VideoProperties, ...]
    skipped: tuple[tuple[str, str], ...]
    layout: Layout
    notes: tuple[str, ...]
    version: int = 0
    excluded: tuple[Clip, ...] = ()
    ambiguous: frozenset[str] = frozenset()

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions, sorted: their order is the order of the labels."""
        return tuple(sorted({clip.action for clip in self.clips}))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, sorted."""
        return tuple(sorted({clip.group for clip in self.clips}))

    def relative(self, clip: Clip) -> str:
        """The clip's path relative to the root, with `/`."""
        path, root = os.fspath(clip.path), f"{self.root}{os.sep}"
        if path.startswith(root):  # ten times as fast as what follows; 10,000 clips are asked for at once
            return path[len(root) :].replace(os.sep, "/")
        return clip.path.relative_to(self.root).as_posix()

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over path, size, action and group of the clips: the same for the same data set anywhere.

        Ambiguous clips do not count, as nothing is trained on them.

        Raises:
            DatasetError: a clip has gone since the data set was read.
        """
        found = hashlib.sha256()
        for clip in self.clear().clips:
            try:
                size = clip.path.stat().st_size
            except OSError:
                raise DatasetError(f"{clip.path} has gone since the data set was read. Read it again.") from None
            found.update(json.dumps([self.relative(clip), size, clip.action, clip.group]).encode())
        return found.hexdigest()

    def clear(self) -> "Dataset":
        """The data set without its ambiguous clips: what may be trained on and judged by."""
        if not self.ambiguous:
            return self
        kept = [i for i, clip in enumerate(self.clips) if self.relative(clip) not in self.ambiguous]
        clips, properties = tuple(self.clips[i] for i in kept), tuple(self.properties[i] for i in kept)
        return replace(self, clips=clips, properties=properties, ambiguous=frozenset())

    def table(self) -> pd.DataFrame:
        """One row for each clip: clip, action, group, seconds, frames per second, width, height, codec."""
        columns = ["clip", "action", "group", "seconds", "frames per second", "width", "height", "codec"]
        rows = [
            (self.relative(clip), clip.action, clip.group, p.seconds, p.frames_per_second, p.width, p.height, p.codec)
            for clip, p in zip(self.clips, self.properties, strict=True)
        ]
        return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True, slots=True)
class _Known:
    """What looking at a file gave. `looks` is None and `digest` "" where nobody has asked for them."""

    size: int
    mtime_ns: int
    properties: VideoProperties
    looks: tuple[int, ...] | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    """What must be known of a file, whose size and time are these now."""

    relative: str
    size: int
    mtime_ns: int
    looks: bool
    digest: bool

    def answered_by(self, known: _Known | None) -> bool:
        return (
            known is not None
            and (known.size, known.mtime_ns) == (self.size, self.mtime_ns)
            and (known.looks is not None or not self.looks)
            and bool(known.digest or not self.digest)
        )

    def ask(self, root: Path) -> _Known:
        """Runs in a thread of the pool. VideoError if the file cannot be decoded."""
        path = root / self.relative
        properties = video.probe(path)
        looks = grouping.looks(path, properties) if self.looks else None
        try:
            return _Known(self.size, self.mtime_ns, properties, looks, grouping.digest(path) if self.digest else "")
        except OSError as error:
            raise VideoError(f"{path.name} cannot be read: {error.strerror}.") from None


def read(root: Path, *, progress: Callable[[int, int], None] | None = None, version: int | None = None) -> Dataset:
    """The data set in the folder `root`, as the user's edits of it say.

    Three layouts are known, and tried in this order: a `clips.csv` with path, action, group and
    perhaps split; the lists of UCF101; a folder for each action, perhaps under train/ and test/.
    A clip without a group takes it from a name like `v_Punch_g01_c03.avi` or `wave_by-anna_1.mp4`, else it is looked
    at: near-duplicates share a group, any other clip is its own.

    Args:
        root: the folder; need not lie in the workspace.
        progress: called with (clips looked at, clips), in the caller's thread.
        version: of the edits; None is the newest, 0 the folder as it is.

    Raises:
        DatasetError: the folder is not there, holds no clip that can be decoded, its list is wrong, or there is no
            such version.
    """
    try:
        root = Path(root).expanduser().absolute()
        there = root.is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long, an unknown user, a zero byte
        there = False
    if not there:
        raise DatasetError(f"A data set must be a folder, but there is none at {root}. {EXPECTED}")
    edited, damaged = history.newest(root) if version is None else (history.version(root, version), ())
    source = read_edited(root, edited, progress=progress)
    return replace(source, notes=source.notes + damaged) if damaged else source


def read_edited(root: Path, edited: Version, *, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """`read`, as edits say that need not be stored yet. `root` must be absolute."""
    named = listing(root)
    if not named.entries:
        because = f" {named.skipped[0][0]}: {named.skipped[0][1]}" if named.skipped else ""
        raise DatasetError(f"{root} holds no clips.{because} {EXPECTED}")
    official = {entry.relative: entry.split for entry in named.entries}
    entries = [
        entry if entry.group else replace(entry, group=grouping.named(entry.relative.rpartition("/")[2]))
        for entry in applied(named.entries, edited)
    ]
    known, failed = _look(root, entries, progress or (lambda done, total: None))
    left_out = {relative for relative, edit in edited.edits.items() if edit.excluded}
    # Excluded clips are looked at like all others: those that look like them still belong together.
    readable = [entry for entry in entries if entry.relative in known]
    grouped, notes = _grouped(readable, [known[entry.relative] for entry in readable], left_out)
    grouped, torn = kept_together(grouped, official, edited)
    shown = [entry for entry in grouped if entry.relative not in left_out]
    skipped = [(relative, reason) for relative, reason in failed if relative not in left_out]
    if not shown:
        raise _nothing_left(root, skipped)
    broken = [replace(e, group=e.group or e.relative) for e in entries if e.relative not in known]
    excluded = [entry for entry in (*grouped, *broken) if entry.relative in left_out]
    return Dataset(
        root,
        tuple(_clip(root, entry) for entry in shown),
        tuple(known[entry.relative].properties for entry in shown),
        tuple(sorted((*named.skipped, *skipped))),
        named.layout,
        named.notes + notes + torn,
        edited.number,
        tuple(_clip(root, entry) for entry in sorted(excluded, key=lambda entry: entry.relative)),
        frozenset(e.relative for e in shown if edited.edits.get(e.relative, NO_EDIT).ambiguous),
    )


def _clip(root: Path, entry: Entry) -> Clip:
    return Clip(root / entry.relative, entry.action, entry.group, entry.split)


def _nothing_left(root: Path, skipped: Sequence[tuple[str, str]]) -> DatasetError:
    if skipped:
        name, reason = skipped[0]
        return DatasetError(f"None of the {len(skipped)} clips in {root} can be read. {name}: {reason}")
    return DatasetError(
        f"All clips in {root} are excluded. Take them back: `python -m har_core dataset restore FOLDER 0`."
    )


def _grouped(
    entries: Sequence[Entry], known: Sequence[_Known], left_out: Collection[str]
) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries with a group each, and what to say of it. Known groups are not compared with one another."""
    alone = [i for i, entry in enumerate(entries) if not entry.group]
    if not alone:
        return list(entries), ()
    found = list(entries)
    for i in alone:
        found[i] = replace(entries[i], group=entries[i].relative)
    sets = grouping.near_duplicates(
        [known[i].looks or () for i in alone],
        [known[i].properties.seconds for i in alone],
        [known[i].digest for i in alone],
    )
    for members in sets:
        for member in members:
            found[alone[member]] = replace(found[alone[member]], group=entries[alone[members[0]]].relative)
    notes = [
        f"Groups are guessed: {len(alone)} of {len(entries)} clips do not say who or where was filmed, and each counts "
        "as its own group unless it looks like another. If a person appears in several, name the groups in clips.csv, "
        "or the scores will be too good."
    ]
    if sets:
        shared = "1 group" if len(sets) == 1 else f"{len(sets)} groups"
        notes.append(f"{sum(map(len, sets))} clips are near-duplicates of one another and share {shared}.")
    shown = [[entries[alone[m]] for m in members if entries[alone[m]].relative not in left_out] for members in sets]
    mixed = [relative for alike in shown for relative in _mixed(alike)]
    if mixed:
        notes.append(f"Clips of different actions look alike; check that their labels are right: {some(mixed)}.")
    return found, tuple(notes)


def _mixed(alike: Sequence[Entry]) -> list[str]:
    """The first of the clips and the first of another action, as one text; nothing if all are of one action."""
    others = [entry for entry in alike if entry.action != alike[0].action]
    return [f"{alike[0].relative} = {others[0].relative}"] if others else []


def _look(
    root: Path, entries: Sequence[Entry], progress: Callable[[int, int], None]
) -> tuple[dict[str, _Known], list[tuple[str, str]]]:
    """What is known of each clip that can be decoded, and (path, reason) of the others."""
    questions, failed = _questions(root, entries)
    cache = har_core.workspace() / "cache" / "index" / f"{hashlib.sha256(os.fsencode(root.resolve())).hexdigest()}.json"
    kept = _load(cache)
    known = {q.relative: kept[q.relative] for q in questions if q.answered_by(kept.get(q.relative))}
    wanted = [question for question in questions if question.relative not in known]
    total = len(entries)
    progress(total - len(wanted), total)
    if not wanted:
        return known, failed
    pool = ThreadPoolExecutor(2, thread_name_prefix="read clips")
    saved = time.monotonic()
    try:
        asked = {pool.submit(question.ask, root): question for question in wanted}
        for done, answer in enumerate(as_completed(asked), total - len(wanted) + 1):
            try:
                known[asked[answer].relative] = answer.result()
            except VideoError as error:
                failed.append((asked[answer].relative, str(error)))
            if time.monotonic() - saved > _SAVE_SECONDS:  # whoever is killed loses these seconds only
                _save(cache, known)
                saved = time.monotonic()
            progress(done, total)
    finally:
        # `progress` may raise, as Streamlit does when the user leaves the page: what was found is kept.
        pool.shutdown(cancel_futures=True)
        _save(cache, known)
    return known, failed


def _questions(root: Path, entries: Sequence[Entry]) -> tuple[list[_Question], list[tuple[str, str]]]:
    """What to find out of each clip: those without a group are looked at, and hashed if two have one size."""
    sizes: dict[str, os.stat_result] = {}
    failed = []
    for entry in entries:
        try:
            sizes[entry.relative] = os.stat(f"{root}{os.sep}{entry.relative}")  # noqa: PTH116  # 10,000 of them
        except OSError as error:
            failed.append((entry.relative, f"It cannot be opened: {error.strerror}."))
    groupless = {entry.relative for entry in entries if not entry.group and entry.relative in sizes}
    often = Counter(sizes[relative].st_size for relative in groupless)
    questions = [
        _Question(relative, stat.st_size, stat.st_mtime_ns, relative in groupless,
                  relative in groupless and often[stat.st_size] > 1)
        for relative, stat in sizes.items()
    ]  # fmt: skip
    return questions, failed


def _load(cache: Path) -> dict[str, _Known]:
    """What the cache file holds; nothing if it is missing, broken or of another version."""
    try:
        content = json.loads(cache.read_text("utf-8"))
        if content["version"] != _VERSION:
            return {}
        return {
            relative: _Known(size, mtime_ns, _properties(properties), _looks(looks), str(digest))
            for relative, (size, mtime_ns, properties, looks, digest) in content["clips"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _properties(stored: list[Any]) -> VideoProperties:
    """ValueError or TypeError if it is something else."""
    found = VideoProperties(*stored)
    lengths, sizes = (found.seconds, found.frames_per_second), (found.frames, found.width, found.height)
    if not (
        all(type(value) in (int, float) and 0 <= value < math.inf for value in lengths)  # NaN fails this too
        and all(type(value) is int and value >= 0 for value in sizes)
        and type(found.codec) is str
    ):
        raise ValueError(stored)
    return found


def _looks(stored: list[int] | None) -> tuple[int, ...] | None:
    """ValueError or TypeError if it is something else."""
    if stored is None:
        return None
    if len(stored) not in (0, 3) or not all(type(look) is int and 0 <= look < 2**64 for look in stored):
        raise ValueError(stored)
    return tuple(stored)


def _save(cache: Path, known: dict[str, _Known]) -> None:
    """Writes the cache file as a whole or not at all. A workspace that cannot be written costs time, nothing else."""
    content = {"version": _VERSION, "clips": {relative: astuple(entry) for relative, entry in known.items()}}
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file)
            Path(name).replace(cache)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
