"""Which files under a folder are clips, and of which action: by lists or by folder names, nothing is decoded."""

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from har_core.errors import DatasetError

Layout = Literal["clips.csv", "ucf101", "folders"]

EXTENSIONS = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg",
    ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogg", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv",
    ".y4m",
})  # fmt: skip
"""File name endings, in lower case, that are taken for videos."""

EXPECTED = (
    "Expected is FOLDER/<action>/<clip>.mp4 (one folder for each action), FOLDER/train/<action>/<clip>.mp4, "
    "or a FOLDER/clips.csv with the columns path, action, group."
)
_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip that a layout names: `relative` to the root with `/`; `group` and `split` may be empty."""

    relative: str
    action: str
    group: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a layout names: entries sorted by path, no path twice; `skipped` are (path, reason)."""

    layout: Layout
    entries: tuple[Entry, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def listing(root: Path) -> Listing:
    """The clips under `root` by the first layout that fits: clips.csv, the UCF101 lists, class folders.

    Raises:
        DatasetError: a list is there but cannot be used.
    """
    if (root / "clips.csv").is_file():
        found = _clips_csv(root)
    elif wanted := list(_ucf101_lists(root)):
        found = _ucf101(root, wanted)
    else:
        found = _folders(root)
    # Old archives hold names in other encodings; no list, card or page could say them.
    strange = {entry for entry in found.entries if said(entry.relative) != entry.relative}
    refused = [(e.relative, "Its name or folder holds characters that are no text. Rename it.") for e in strange]
    skipped = tuple((said(clip), reason) for clip, reason in (*found.skipped, *sorted(refused)))
    return Listing(found.layout, tuple(e for e in found.entries if e not in strange), skipped, found.notes)


def said(name: str) -> str:
    """A file's name as it can be shown: bytes that are no text, and control characters, are escaped.

    >>> said("a\\nb")
    'a\\\\nb'
    """
    if name.isascii() and name.isprintable():  # most are: thousands of names letter by letter take their time
        return name
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in ("Cs", "Cc") else c for c in name)


def is_video(name: str) -> bool:
    """Whether a file of this name is taken for a clip: by its ending, hidden files never."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122  # as below


def videos(root: Path) -> Iterator[str]:
    """The video files under `root`, as paths relative to it, in the order of the walk."""
    # Links are followed only to places that the walk does not reach anyway: no loop, nothing twice.
    reached = [root.resolve()]
    for folder, folders, files in os.walk(root, followlinks=True):
        kept = [name for name in sorted(folders) if not name.startswith(".") and name != "__MACOSX"]
        folders[:] = [name for name in kept if not os.path.islink(p := os.path.join(folder, name)) or _new(p, reached)]  # noqa: PTH114, PTH118  # a Path for each entry triples the time
        where = Path(folder).relative_to(root).as_posix()
        below = "" if where == "." else f"{where}/"
        yield from (below + name for name in sorted(files) if is_video(name))


def _new(link: str, reached: list[Path]) -> bool:
    """Whether the folder link leads to a place not reached yet; remembers it."""
    target = Path(link).resolve()
    if any(target.is_relative_to(place) or place.is_relative_to(target) for place in reached):
        return False
    reached.append(target)
    return True


def _listing(
    layout: Layout, entries: Iterable[Entry], skipped: Iterable[tuple[str, str]], notes: Iterable[str]
) -> Listing:
    """The Listing, each path once: the first entry that names it counts."""
    kept: dict[str, Entry] = {}
    twice = [entry.relative for entry in entries if kept.setdefault(entry.relative, entry) is not entry]
    found = list(notes)
    if twice:
        found.append(f"{len(twice)} clips are listed more than once, the first line counts: {some(twice)}.")
    return Listing(layout, tuple(kept[key] for key in sorted(kept)), tuple(skipped), tuple(found))


def some(names: Iterable[str]) -> str:
    """The first three of the names, and how many more there are.

    >>> some("abcde")
    'a, b, c and 2 more'
    """
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
    return ", ".join(distinct[:3]) + more


def _name(text: str) -> str:
    """A label in one spelling: macOS writes accents and Hangul as separate letters."""
    return unicodedata.normalize("NFC", text).strip()


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(line number, row by lower-case column name) of a CSV as spreadsheets write it; blank lines left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} must be UTF-8 text; save it again as “CSV UTF-8”.") from None
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    reader = csv.reader(lines, delimiter=max(",;\t", key=first.count), skipinitialspace=True)
    header: list[str] = []
    rows = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip().lower() for cell in cells]
            else:
                values = [cell.strip() for cell in cells] + [""] * len(header)
                rows.append((reader.line_num, dict(zip(header, values, strict=False))))
    except csv.Error as error:
        raise DatasetError(f"{path} is not a CSV table: {error}, line {reader.line_num}.") from None
    return rows or [(1, dict.fromkeys(header, ""))]


def _clips_csv(root: Path) -> Listing:
    rows = _rows(root / "clips.csv")
    if missing := [name for name in ("path", "action", "group") if name not in rows[0][1]]:
        raise DatasetError(
            f"{root / 'clips.csv'} must have the columns path, action, group, but lacks {', '.join(missing)}. "
            "The cells of group may be empty."
        )
    entries, skipped = [], []
    for line, row in rows:
        split = row.get("split", "").lower()
        if split and split not in _SPLITS:
            raise DatasetError(
                f"{root / 'clips.csv'}, line {line}: split must be train, validation, test or empty, but is {split!r}."
            )
        if not row["path"]:
            continue
        found, reason = _inside(root, row["path"])
        if reason:
            skipped.append((row["path"], reason))
        elif not row["action"]:
            skipped.append((found, f"Line {line} of clips.csv names no action."))
        else:
            entries.append(Entry(found, _name(row["action"]), _name(row["group"]), _SPLITS.get(split, "")))
    return _listing("clips.csv", entries, skipped, ())


def _inside(root: Path, text: str) -> tuple[str, str]:
    """(relative path of the file that clips.csv means, why it cannot be used or "")."""
    home = root.resolve()
    for spelling in (text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))):
        path = Path(os.path.normpath(root / spelling.replace("\\", "/")))
        try:
            if path.is_file():
                base = next((place for place in (root, home) if path.is_relative_to(place)), None)
                # A list may come from a stranger; neither it nor a link must reach files outside the folder.
                if base is None or not path.resolve().is_relative_to(home):
                    return "", "It lies outside the data set's folder; a path in clips.csv must stay inside."
                return path.relative_to(base).as_posix(), ""
        except (OSError, ValueError):  # a name too long, or with a zero byte
            break
    return "", "clips.csv lists it, but there is no such file."


def _ucf101_lists(root: Path) -> Iterator[tuple[str, str, str]]:
    """(split, file name or Action/file name, action) of Kaggle's or the official UCF101 lists; nothing if none."""
    for split in ("train", "test"):
        if (root / f"{split}.csv").is_file():
            for _, row in _rows(root / f"{split}.csv"):
                if row.get("video_name") and row.get("tag"):
                    yield split, row["video_name"], row["tag"]
        for folder in (root, root / "ucfTrainTestlist"):
            if (path := folder / f"{split}list01.txt").is_file():
                for line in path.read_text("utf-8-sig", errors="replace").splitlines():
                    # `Action/v_Action_g08_c01.avi 1`; the number is missing in the test list.
                    if match := re.match(r"\s*([^/\\]+)[/\\](\S+?)(?:\s+\d+)?\s*$", line):
                        yield split, f"{match[1]}/{match[2]}", match[1]


def _ucf101(root: Path, wanted: list[tuple[str, str, str]]) -> Listing:
    found = list(videos(root))
    # By stem: many who keep UCF101 have encoded it again, as .mp4.
    by_stem: dict[str, list[str]] = {}
    for relative in found:
        by_stem.setdefault(PurePosixPath(relative).stem.lower(), []).append(relative)
    entries, skipped = [], []
    for split, listed, action in wanted:
        name = PurePosixPath(listed.replace("\\", "/"))
        candidates = by_stem.get(name.stem.lower(), [])
        if not candidates:
            skipped.append((listed, f"The {split} list names it, but no file of this name lies under the folder."))
            continue
        best = max(candidates, key=lambda path: _fit(path, name.name, action, split))
        entries.append(Entry(best, _name(action), "", split))
    listed_paths = {entry.relative for entry in entries}
    notes = []
    if unlisted := [relative for relative in found if relative not in listed_paths]:
        notes.append(f"{len(unlisted)} videos are in neither list and are left out: {some(unlisted)}.")
    return _listing("ucf101", entries, skipped, notes)


def _fit(relative: str, name: str, action: str, split: str) -> tuple[bool, bool, bool]:
    """How well a file fits the line of a list, where several have its name."""
    path = PurePosixPath(relative)
    return path.name == name, action in path.parts, split in path.parts


def _folders(root: Path) -> Listing:
    found = [PurePosixPath(relative) for relative in videos(root)]
    deep = {path.parts[0] for path in found if len(path.parts) >= 3}
    tops = {path.parts[0] for path in found if len(path.parts) >= 2}
    halves = {top for top in deep if top.lower() in _SPLITS}
    # An action may be called "train" too: only together with its like, or alone, it is a part of a split.
    fixed = any(_SPLITS[top.lower()] == "train" for top in halves) and (len(halves) > 1 or halves == tops)
    depth = 1 if fixed else 0
    entries, skipped = [], []
    for path in found:
        if len(path.parts) < depth + 2:
            where = f"{path.parts[0]}/" if len(path.parts) > 1 else "the root folder"
            skipped.append((path.as_posix(), f"It lies directly in {where}, so it has no action. Move it into one."))
        elif fixed and path.parts[0] not in halves:
            parts = ", ".join(f"{half}/" for half in sorted(halves))
            skipped.append((path.as_posix(), f"It lies outside {parts}, which fix the split of this data set."))
        else:
            split = _SPLITS[path.parts[0].lower()] if fixed else ""
            entries.append(Entry(path.as_posix(), _name(path.parts[depth]), "", split))
    notes = []
    inner = {path.parts[1] for path in found if len(path.parts) >= 3}
    if not fixed and len(tops) == 1 and len(inner) > 1 and tops == deep:
        only = next(iter(tops))
        notes.append(f"All clips lie in {only}/, so they are one action. If its folders are the actions, choose it.")
    return _listing("folders", entries, skipped, notes)
