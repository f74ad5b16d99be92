"""What a look at a clip tells: how bright, how sharp, how much moves, what it is like, and a contact strip.

One pass over nine small frames of a clip gives all of it. Looking at thousands of clips takes minutes, so it
is meant for the background: what was found is appended to a file every few seconds, and used again as long
as a clip keeps its size and time. Whoever is killed loses those seconds and nothing else.
"""

import contextlib
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import har_core
from har_core import video
from har_core.dataset import Dataset
from har_core.dataset.groups import hashes
from har_core.errors import VideoError
from har_core.values import Rgb, VideoProperties

if TYPE_CHECKING:
    from har_core.detection import Detects

STRIP_FRAMES, STRIP_HEIGHT = 5, 112
"""Frames of a contact strip, side by side and equally wide, and its height in px."""
_SHARES = np.linspace(0.1, 0.9, 9)
"""Where the frames lie, as shares of a clip's length: three of them are where near-duplicates are compared."""
_IN_STRIP, _COMPARED = (0, 2, 4, 6, 8), (0, 4, 8)
_WIDEST = 448
"""px of one frame: a panorama is looked at more coarsely."""
_DARK, _UNCHANGED = 24.0, 6.0
"""Of 255 grey levels: nothing brighter than that is black; what varies no more than that stands still."""
_SAVE_SECONDS, _WORKERS = 2.0, 2
_VERSION = 1
"""Of what the file holds; a new number when a figure changes its meaning."""

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]
Stamp = tuple[int, int]
"""Size in bytes and time of change in ns: what is known of a file holds as long as these stay."""


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What nine small frames, spread evenly over a clip, tell of it.

    `brightness` is the mean grey, `motion` how much one frame's grey differs from the next one's on average,
    `sharpness` how much neighbouring pixels differ: each 0..1, seen at about 112 px of height. `still`: nothing
    moves, the picture is frozen. `black`: there is nothing to see. `looks` are three 64-bit hashes as
    `groups.near_duplicates` compares them, () where a frame is nearly uniform. `strip` is a JPEG of 5 frames
    side by side, 112 px high. `people` is how many are in view, None where nobody has counted.
    """

    brightness: float
    motion: float
    sharpness: float
    still: bool
    black: bool
    looks: tuple[int, ...]
    strip: Path
    people: int | None = None


def known(source: Dataset) -> dict[str, ClipFacts]:
    """What has been found of the clips so far, by path relative to the root; nothing is decoded."""
    return _found(_Store(source.root).load(_stamps(source)))


def stamp(source: Dataset) -> Stamp:
    """Changes when `known` may give more: costs one look at one file."""
    return _Store(source.root).stamp()


def gather(
    source: Dataset, *, progress: Progress | None = None, cancelled: Cancelled | None = None
) -> dict[str, ClipFacts]:
    """Look at every clip that has not been looked at, two at a time; gives all that is known then.

    A clip that cannot be decoded is left out, and not tried again until its file changes.

    Args:
        source: its clips are looked at, those excluded from it too.
        progress: called with (clips looked at, clips), in the caller's thread.
        cancelled: asked after each clip; what was found until then is kept and given.
    """
    store, stamps = _Store(source.root), _stamps(source)
    found = store.load(stamps)
    wanted = [relative for relative in stamps if relative not in found]
    properties = {source.relative(c): p for c, p in zip(source.clips, source.properties, strict=True)}
    report = progress or (lambda done, total: None)
    report(len(found), len(stamps))

    def ask(relative: str) -> ClipFacts | None:
        """Runs in a thread of the pool; the decoding itself in a process."""
        try:
            strip = store.strip(relative, stamps[relative])
            return _look(source.root / relative, properties.get(relative), strip)
        except VideoError:
            return None

    with store.saving(stamps) as save:
        for relative, facts in _each(ask, wanted, cancelled):
            found[relative] = facts
            save(relative, facts)
            report(len(found), len(stamps))
    return _found(found)


def count_people(
    source: Dataset,
    relatives: Sequence[str],
    detector: "Detects",
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> dict[str, ClipFacts]:
    """Count the people of these clips, one clip after another; gives what is known of all clips then.

    Detecting is slow, about a second for each two of a clip, and what was found is kept for training too.
    Clips that were not looked at by `gather` before are left out.

    Args:
        source: the data set.
        relatives: paths relative to its root.
        detector: finds people.
        progress: called with (clips counted, clips to count), in the caller's thread.
        cancelled: asked after each clip; what was counted until then is kept.
    """
    from har_core.people import follow  # not needed by whoever only looks

    store, stamps = _Store(source.root), _stamps(source)
    found = _found(store.load(stamps))
    wanted = [relative for relative in relatives if relative in found and found[relative].people is None]
    with store.saving(stamps) as save:
        for done, relative in enumerate(wanted, 1):
            with contextlib.suppress(VideoError):
                people = follow(source.root / relative, detector, cache=har_core.workspace() / "cache" / "people")
                # Not the most at once: a box that flickers in for a moment is nobody.
                at_once = np.bincount(people.row, minlength=max(1, len(people.seconds)))
                found[relative] = replace(found[relative], people=round(float(np.quantile(at_once, 0.9))))
                save(relative, found[relative])
            if progress:
                progress(done, len(wanted))
            if cancelled and cancelled():
                break
    return found


def _found(asked: Mapping[str, ClipFacts | None]) -> dict[str, ClipFacts]:
    """Without the clips that could not be decoded."""
    return {relative: facts for relative, facts in asked.items() if facts is not None}


def _stamps(source: Dataset) -> dict[str, Stamp]:
    """Size and time of each clip that is there."""
    root, there = f"{source.root}{os.sep}", {}
    for clip in (*source.clips, *source.excluded):
        path = os.fspath(clip.path)
        with contextlib.suppress(OSError):
            # Plain texts: for 10,000 clips the methods of Path take longer than the file system does.
            status = os.stat(path)  # noqa: PTH116
            there[path.removeprefix(root).replace(os.sep, "/")] = (status.st_size, status.st_mtime_ns)
    return there


def _each(
    ask: Callable[[str], ClipFacts | None], wanted: Sequence[str], cancelled: Cancelled | None
) -> Iterator[tuple[str, ClipFacts | None]]:
    """The answer for each, in order, a few of them under way at a time, until cancelled."""
    waiting: deque[tuple[str, Future[ClipFacts | None]]] = deque()
    rest = iter(wanted)
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="look at clips")
    try:
        while not (cancelled and cancelled()):
            while len(waiting) < 4 * _WORKERS and (relative := next(rest, None)) is not None:
                waiting.append((relative, pool.submit(ask, relative)))
            if not waiting:
                break
            relative, answer = waiting.popleft()
            yield relative, answer.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _look(path: Path, properties: VideoProperties | None, strip: Path) -> ClipFacts:
    """One pass over the clip; writes the strip.

    Raises:
        VideoError: the clip cannot be decoded.
    """
    from har_core.images import jpeg  # OpenCV: not needed by whoever only asks what is known

    properties = properties or video.probe(path)
    tall = STRIP_HEIGHT * max(1.0, properties.width / max(1, properties.height))
    frames = video.read(path, _SHARES * properties.seconds, longest_side=round(min(tall, _WIDEST)))
    pictures = [rgb for _, rgb in frames]
    pictures += pictures[-1:] * (len(_SHARES) - len(pictures))  # a clip may end before it says
    grey = np.stack(pictures).astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    _write(strip, jpeg(_strip([pictures[i] for i in _IN_STRIP]), quality=78))
    return ClipFacts(
        round(float(grey.mean()) / 255, 4),
        round(float(np.abs(np.diff(grey, axis=0)).mean()) / 255, 5),
        round(_sharpness(grey), 5),
        # Some pixels flicker in every codec: all but a few of them must stay as they are.
        bool(np.quantile(np.ptp(grey, axis=0), 0.995) <= _UNCHANGED),
        bool(np.quantile(grey, 0.99) <= _DARK),
        hashes([pictures[i] for i in _COMPARED]),
        strip,
    )


def _sharpness(grey: NDArray[np.float32]) -> float:
    """The mean difference of each pixel from the mean of its four neighbours, 0..1; grey is `(T, H, W)`."""
    if min(grey.shape[1:]) < 3:
        return 0.0
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return float(np.abs(grey[:, 1:-1, 1:-1] - around / 4).mean()) / 255


def _strip(pictures: Sequence[Rgb]) -> Rgb:
    """The pictures side by side, uint8 `(112, 5 * W, 3)`."""
    from har_core.images import resize

    height, width = pictures[0].shape[:2]
    size_wh = (max(1, round(width * STRIP_HEIGHT / height)), STRIP_HEIGHT)
    return np.concatenate([resize(rgb, size_wh) for rgb in pictures], axis=1)


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all: a page may read it at any time."""
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(file)
    except OSError:  # a full disk costs the picture and looking again, no more
        with contextlib.suppress(OSError):
            part.unlink()


class _Store:
    """A data set's facts in the workspace: one JSON array a line, later lines count, half ones do not."""

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
        self._folder = har_core.workspace() / "cache" / "facts" / name
        self._file = self._folder / "facts.jsonl"

    def strip(self, relative: str, stamp: Stamp) -> Path:
        """Where the strip of a clip in this state lies."""
        return self._folder / f"{hashlib.sha256(f'{relative}|{stamp}'.encode(errors='replace')).hexdigest()[:24]}.jpg"

    def stamp(self) -> Stamp:
        """Changes with every line added; (0, 0) before the first."""
        try:
            status = self._file.stat()
        except OSError:
            return (0, 0)
        return status.st_size, status.st_mtime_ns

    def load(self, stamps: Mapping[str, Stamp]) -> dict[str, ClipFacts | None]:
        """What is known of clips in this state; None for one that could not be decoded."""
        try:
            lines = self._file.read_text("utf-8", errors="replace").splitlines()
            strips = set(os.listdir(self._folder))  # noqa: PTH208  # names are enough, and 10,000 of them
        except OSError:
            return {}
        found: dict[str, ClipFacts | None] = {}
        for line in lines:
            # Whatever else may stand there: a foreign line costs one look at a clip, no page.
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                version, relative, size, mtime_ns, figures = json.loads(line)
                if version != _VERSION or stamps.get(relative) != (size, mtime_ns):
                    continue
                strip = self.strip(relative, (size, mtime_ns))
                if figures is None:
                    found[relative] = None
                elif strip.name in strips:
                    found[relative] = _checked(figures, strip)
        return found

    @contextlib.contextmanager
    def saving(self, stamps: Mapping[str, Stamp]) -> Iterator[Callable[[str, ClipFacts | None], None]]:
        """Gives what keeps an answer: on disk within seconds, and at the end whatever happens."""
        waiting: list[str] = []
        saved = time.monotonic()

        def save(relative: str, facts: ClipFacts | None) -> None:
            nonlocal saved
            waiting.append(json.dumps([_VERSION, relative, *stamps[relative], facts and _figures(facts)]))
            if time.monotonic() - saved > _SAVE_SECONDS:
                self._append(waiting)
                waiting.clear()
                saved = time.monotonic()

        try:
            yield save
        finally:
            self._append(waiting)

    def _append(self, lines: Sequence[str]) -> None:
        """One write at the file's end, after the half line that one who was killed may have left."""
        if lines:
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                with self._file.open("ab", buffering=0) as file:
                    file.write(("\n" + "\n".join(lines) + "\n").encode("utf-8", errors="replace"))


def _checked(figures: dict[str, Any], strip: Path) -> ClipFacts:
    """What `_figures` gave. ValueError, or what its types raise, if it is something else."""
    looks = tuple(int(text, 16) for text in figures.pop("looks"))
    facts = ClipFacts(looks=looks, strip=strip, **figures)
    shares = (facts.brightness, facts.motion, facts.sharpness)
    if not (
        all(type(share) in (int, float) and 0 <= share <= 1 for share in shares)  # NaN fails this too
        and type(facts.still) is bool is type(facts.black)
        and len(looks) in (0, len(_COMPARED))
        and all(0 <= look < 2**64 for look in looks)
        and (facts.people is None or (type(facts.people) is int and facts.people >= 0))
    ):
        raise ValueError(figures)
    return facts


def _figures(facts: ClipFacts) -> dict[str, object]:
    """Plain values, as JSON takes them; the strip's place follows from the clip."""
    return {
        "brightness": facts.brightness, "motion": facts.motion, "sharpness": facts.sharpness, "still": facts.still,
        "black": facts.black, "looks": [f"{look:x}" for look in facts.looks], "people": facts.people,
    }  # fmt: skip
