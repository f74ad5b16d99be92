"""Cutting a long film into labelled clips: what is marked, kept for each film, and the clips that are made of it.

Marks are frames, never seconds: a clip holds exactly the frames that were on display between its two marks.
"""

import hashlib
import json
import math
import secrets
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_core import dataset, video
from har_core.errors import DatasetError, HarError
from har_core.values import Rgb

_MOST = 2000
"""Cuts of one film; a page with more could not be used."""
_LONGEST_ACTION = 80
_EVEN = 0.0015
"""Seconds by which frames may miss a steady rate: what a header in milliseconds rounds off."""
_COPY_SIDE = 640
_STEM = 40
_CUTS, _MADE = "cuts.json", "made.jsonl"


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """Frames `[start, stop)` of a film, counted from 0, in which an action is done.

    Raises:
        DatasetError: there is no frame in it.
    """

    start: int
    stop: int
    action: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise DatasetError(f"A cut must hold at least one frame, but is to go from {self.start} to {self.stop}.")


@dataclass(frozen=True, slots=True)
class Made:
    """What became of cuts: those that are clips now, and a sentence for each of the others."""

    cuts: tuple[Cut, ...]
    failed: tuple[str, ...] = ()


def understood(told: object, frames: int) -> tuple[Cut, ...]:
    """The cuts in plain values that a browser sent or a file holds; whatever is none is left out.

    Args:
        told: a list of objects with `start`, `stop`, `action`.
        frames: of the film; no cut reaches beyond.
    """
    found = []
    for one in told[:_MOST] if isinstance(told, list) else ():
        if not isinstance(one, dict):
            continue
        start, stop, action = one.get("start"), one.get("stop"), one.get("action")
        if type(start) is not int or type(stop) is not int or not isinstance(action, str):
            continue
        if 0 <= start < stop <= frames and 0 < len(action.strip()) <= _LONGEST_ACTION:
            found.append(Cut(start, stop, action.strip()))
    return tuple(sorted(set(found)))


def key_of(film: Path) -> str:
    """The same for a film as long as it lies where it is and is as it was.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        status = film.stat()
        told = f"{film.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    except (OSError, ValueError) as error:
        raise DatasetError(f"{film.name} cannot be read: {getattr(error, 'strerror', error)}.") from None
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:24]


def kept(home: Path, frames: int) -> tuple[Cut, ...]:
    """The cuts of the film whose folder this is; none where nothing is kept, or what is kept is damaged."""
    try:
        return understood(json.loads((home / _CUTS).read_text(encoding="utf-8")), frames)
    except (OSError, ValueError, RecursionError):
        return ()


def keep(home: Path, cuts: Iterable[Cut]) -> None:
    """Write the cuts of a film down, whole or not at all.

    Raises:
        DatasetError: the folder cannot be written.
    """
    part = home / f".{_CUTS}.{secrets.token_hex(4)}.part"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            json.dump([asdict(cut) for cut in cuts], file, ensure_ascii=False)
        part.replace(home / _CUTS)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise DatasetError(f"The cuts cannot be kept in {home}: {error.strerror}. Make room there.") from None


def clips_there(home: Path, root: Path) -> set[Cut]:
    """The cuts of a film that lie as clips in the data set at `root`; those that were removed do not count."""
    try:
        lines = (home / _MADE).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    found = set()
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, OSError, HarError, RecursionError):  # a line that was cut off
            told = json.loads(line)
            if told["dataset"] == root.name and (root / told["clip"]).is_file():
                found.add(Cut(told["start"], told["stop"], told["action"]))
    return found


def make(
    film: Path,
    times: NDArray[np.float64],
    cuts: Sequence[Cut],
    *,
    home: Path,
    workspace: Path,
    name: str,
    group: str,
    progress: Callable[[int, int], None],
) -> Made:
    """Write each cut as an H.264 clip into a data set of the workspace; a clip that is made stays made.

    Args:
        film: the file that is cut.
        times: when its frames begin, as `video.times` gives them, `(F,)`.
        cuts: what to make of it.
        home: the folder that holds what is known of the film.
        workspace: where the data sets are.
        name: of the data set.
        group: what all the clips have in common: cut from one film, they must not straddle a split.
        progress: told (frames written, frames in all); may raise to give up.

    Raises:
        DatasetError: a name is not allowed.
    """
    for cut in cuts:
        dataset.check_name(cut.action)
    name = dataset.check_name(name)
    whole, done = sum(cut.stop - cut.start for cut in cuts), 0
    made, failed = [], []
    with tempfile.TemporaryDirectory(prefix="har-cut-") as scratch:
        for cut in sorted(cuts):
            clip = Path(scratch, f"{film.stem[:_STEM]}_{cut.start:06d}-{cut.stop:06d}.mp4")

            def told(frame: int, before: int = done) -> None:
                progress(before + frame, whole)

            try:
                _write(film, times, cut, clip, told)
                with clip.open("rb") as content:
                    stored = dataset.add_clip(workspace, name, cut.action, clip.name, content, group=group)
                _note(home, cut, name, stored.relative_to(workspace / "datasets" / name))
                made.append(cut)
            except (HarError, OSError) as error:
                failed.append(f"{cut.action}, frames {cut.start} to {cut.stop - 1}: {error}")
            finally:
                clip.unlink(missing_ok=True)
            done += cut.stop - cut.start
            progress(done, whole)
    return Made(tuple(made), tuple(failed))


def _write(film: Path, times: NDArray[np.float64], cut: Cut, clip: Path, told: Callable[[int], None]) -> None:
    instants = times[cut.start : cut.stop]

    def pictures() -> Iterable[Rgb]:
        for number, (_, rgb) in enumerate(video.read(film, instants)):
            told(number)
            yield rgb

    rate = steady(instants) or (_mean_rate(instants) if len(instants) > 1 else _rate_at(times, cut.start))
    uneven = steady(instants) is None and len(instants) > 1
    video.write(clip, pictures(), frames_per_second=rate, seconds=(instants - instants[0]).tolist() if uneven else None)


def steady(times: NDArray[np.float64]) -> float | None:
    """Frames a second where they come evenly; None where they do not, or there are fewer than two."""
    if len(times) < 2:
        return None
    rate = _mean_rate(times)
    return rate if np.abs(times - times[0] - np.arange(len(times)) / rate).max() < _EVEN else None


def _mean_rate(times: NDArray[np.float64]) -> float:
    return float((len(times) - 1) / max(times[-1] - times[0], 1e-6))


def _rate_at(times: NDArray[np.float64], frame: int) -> float:
    """The rate around one frame; 25 for a film of one frame."""
    around = times[max(0, frame - 1) : frame + 2]
    return _mean_rate(around) if len(around) > 1 else 25.0


def _note(home: Path, cut: Cut, name: str, clip: Path) -> None:
    """A line for what was made: appended, so that a stop or a crash takes nothing of it."""
    with suppress(OSError):  # the clip is there; not to know it only offers to make it again
        home.mkdir(parents=True, exist_ok=True)
        line = json.dumps({**asdict(cut), "dataset": name, "clip": clip.as_posix()}, ensure_ascii=False)
        with (home / _MADE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def copy_for_browsers(
    film: Path, times: NDArray[np.float64], copy: Path, *, progress: Callable[[int, int], None]
) -> None:
    """Write a small H.264 copy, every frame of the film at a steady rate, so that frame n is frame n in both.

    Args:
        film: the file.
        times: when its frames begin, `(F,)`.
        copy: where to write; at most 640 px, no sound.
        progress: told (frames written, frames in all); may raise to give up.

    Raises:
        VideoError: the film does not decode, or the copy cannot be written.
    """

    def pictures() -> Iterable[Rgb]:
        for number, (_, rgb) in enumerate(video.read(film, times, longest_side=_COPY_SIDE)):
            progress(number, len(times))
            yield rgb

    video.write(copy, pictures(), frames_per_second=copy_rate(times))


def copy_rate(times: NDArray[np.float64]) -> float:
    """Frames a second of that copy: as many as the film has on average, a fraction that an MP4 can say."""
    rate = _mean_rate(times) if len(times) > 1 else 25.0
    return min(120.0, max(1.0, math.floor(rate * 100 + 0.5) / 100))
