"""What an analysis keeps of everybody: embeddings, boxes, small pictures; corrections need no decoding.

One folder, written under a temporary name and renamed when whole. Embeddings are appended to one flat file and read
back in pieces, so that an hour of film takes no more memory than a minute.
"""

import contextlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from har_core.errors import HarError
from har_core.lanes import Lane
from har_core.people import FIELDS, People

WHOLE = -1
"""The box of looks at the whole picture."""
FOLDER = "traces"
WIDTH = 512
MOST_TRACKS = 1 << 31
"""No number of a person is as large."""
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, RecursionError, MemoryError)
"""What reading a file raises of which a part is lost or changed; the memory is asked for by its header."""
_FORMAT = 1
_ROW_BYTES = 4 * WIDTH


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """The looks of one analysis, in the order in which they were taken.

    `box` int64 `(R,)` is the row of `people` that a look shows, or WHOLE; `ticks` int64 `(R,)`, not falling, when.
    `pictures` int64 `(P, 2)`: of which row of `people` and at which tick the JPEG `pictures/N.jpg` is.
    `identity` says which weights made the embeddings.
    """

    folder: Path
    identity: str
    people: People | None
    box: NDArray[np.int64]
    ticks: NDArray[np.int64]
    pictures: NDArray[np.int64]

    def embeddings(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Those of some looks, float32 `(*rows.shape, 512)`; looks close to each other in time cost little memory.

        Raises:
            HarError: the file is cut off, or holds numbers that are none.
        """
        first, last = int(rows.min()), int(rows.max())
        part = np.fromfile(
            self.folder / "embeddings.f32", "<f4", count=(last + 1 - first) * WIDTH, offset=first * _ROW_BYTES
        )
        if len(part) != (last + 1 - first) * WIDTH or not np.isfinite(part).all():
            raise HarError(f"What was seen of the people is damaged in {self.folder.parent}. Analyse the video again.")
        found: NDArray[np.float32] = part.reshape(-1, WIDTH)[rows - first]
        return found

    def picture(self, track: int, ids: NDArray[np.int64], seconds: float, frames_per_second: float) -> bytes | None:
        """The JPEG of a person nearest to an instant; `ids` say whose each row of `people` is."""
        mine = np.flatnonzero(ids[self.pictures[:, 0]] == track) if len(self.pictures) else np.empty(0, np.intp)
        if not len(mine):
            return None
        away = np.abs(self.pictures[mine, 1] / frames_per_second - seconds)
        try:
            return (self.folder / "pictures" / f"{mine[int(np.argmin(away))]}.jpg").read_bytes()
        except OSError:
            return None  # a picture is an ornament: its loss costs nothing else


def write_portraits(keep: Path, lanes: Sequence[Lane], ids: NDArray[np.int64], frames_per_second: float) -> None:
    """`keep/portraits/N.jpg` for each person N, from about the middle of when they were in view; no others."""
    kept, folder = read(keep), keep / "portraits"
    folder.mkdir(exist_ok=True)
    there = {f"{lane.track}.jpg" for lane in lanes}
    for old in folder.glob("*.jpg"):
        if old.name not in there:
            old.unlink(missing_ok=True)
    for lane in lanes:
        picture = kept.picture(lane.track or 0, ids, (lane.start + lane.stop) / 2, frames_per_second)
        if picture is not None:
            (folder / f"{lane.track}.jpg").write_bytes(picture)


class Writer:
    """Collects the looks of one analysis. Used by `writing`."""

    def __init__(self, folder: Path, embeddings: BinaryIO) -> None:
        self._folder, self._embeddings = folder, embeddings
        self._box: list[int] = []
        self._ticks: list[int] = []
        self._pictures: list[tuple[int, int]] = []

    def add(self, looks: list[tuple[int, int]], embeddings: NDArray[np.float32]) -> None:
        """Looks `(box, tick)` and what the encoder made of them, `(N, 512)`."""
        self._box += [box for box, _ in looks]
        self._ticks += [number for _, number in looks]
        self._embeddings.write(np.ascontiguousarray(embeddings, "<f4").data)

    def picture(self, box: int, tick: int, jpeg: bytes) -> None:
        """A small picture of a person at a tick."""
        (self._folder / "pictures" / f"{len(self._pictures)}.jpg").write_bytes(jpeg)
        self._pictures.append((box, tick))

    def done(self, identity: str, people: People | None) -> Traces:
        """Everything was looked at: write down what the embeddings belong to."""
        self._embeddings.flush()
        box, ticks = np.array(self._box, np.int64), np.array(self._ticks, np.int64)
        pictures = np.array(self._pictures, np.int64).reshape(-1, 2)
        of_people = {} if people is None else {f"people_{name}": getattr(people, name) for name in FIELDS}
        np.savez(self._folder / "looks.npz", box=box, ticks=ticks, pictures=pictures, **of_people)
        about = {"format": _FORMAT, "identity": identity, "length": None if people is None else people.length}
        (self._folder / "traces.json").write_text(json.dumps(about), encoding="utf-8")
        return Traces(self._folder, identity, people, box, ticks, pictures)


@contextlib.contextmanager
def writing(keep: Path | None) -> Iterator[Writer]:
    """A place for traces: `keep/traces` once all went well, what was there before until then; nowhere where None."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".traces-", dir=keep))
    try:
        (folder / "pictures").mkdir()
        with (folder / "embeddings.f32").open("wb") as embeddings:
            yield Writer(folder, embeddings)
        if keep is not None:
            _replace(keep / FOLDER, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(place: Path, fresh: Path) -> None:
    if place.exists():
        old = Path(tempfile.mkdtemp(prefix=".traces-", dir=place.parent))
        place.replace(old / "old")
        fresh.replace(place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        fresh.replace(place)


def read(keep: Path) -> Traces:
    """What `writing` left in this folder.

    Raises:
        HarError: it is missing or damaged.
    """
    folder = keep / FOLDER
    try:
        about = json.loads((folder / "traces.json").read_text(encoding="utf-8"))
        with np.load(folder / "looks.npz", allow_pickle=False) as file:
            box, ticks, pictures = file["box"], file["ticks"], file["pictures"]
            people = (
                None
                if about["length"] is None
                else People(float(about["length"]), *(file[f"people_{name}"] for name in FIELDS))
            )
        if about["format"] != _FORMAT or (folder / "embeddings.f32").stat().st_size != len(box) * _ROW_BYTES:
            raise ValueError("it is not whole")
        if not (_fits(people) and _fits_them(box, ticks, pictures, 0 if people is None else len(people.ids))):
            raise ValueError("its parts do not fit together")
        return Traces(folder, str(about["identity"]), people, box, ticks, pictures)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        zipfile.BadZipFile,
        RecursionError,
        MemoryError,
    ) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise HarError(
            f"What was seen of the people, which corrections need, is not kept any more ({why}). Analyse it again."
        ) from error


def _fits(people: People | None) -> bool:
    """Whether these rows can be of people: a disk may have lost a part of them, or a hand have changed them."""
    if people is None:
        return True
    row, ids, number = people.row, people.ids, len(people.ids)
    return bool(
        np.isfinite(people.length)
        and people.seconds.ndim == row.ndim == ids.ndim == 1
        and row.dtype == ids.dtype == np.int64
        and people.xyxy.shape == people.velocity.shape == (number, 4)
        and row.shape == people.confidence.shape == (number,)
        and np.all(np.diff(people.seconds) > 0)
        and np.all(np.diff(row) >= 0)
        and np.all((row >= 0) & (row < len(people.seconds)))
        and np.all((ids > 0) & (ids < MOST_TRACKS))
        and len(np.unique(np.stack([row, ids]), axis=1).T) == number  # nobody is in two places at once
    )


def _fits_them(box: NDArray[Any], ticks: NDArray[Any], pictures: NDArray[Any], number: int) -> bool:
    """Whether looks and pictures are of those so many rows."""
    return bool(
        box.dtype == ticks.dtype == pictures.dtype == np.int64
        and box.ndim == 1
        and box.shape == ticks.shape
        and pictures.shape == (len(pictures), 2)
        and np.all((box >= WHOLE) & (box < number))
        and np.all(np.diff(ticks) >= 0)
        and np.all(ticks >= 0)
        and np.all((pictures[:, 0] >= 0) & (pictures[:, 0] < number))
    )
