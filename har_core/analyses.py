"""Analyses of videos: each a folder of its viewer, done in turn by processes that belong to no browser tab; no torch.

An analysis is `workspace/analyses/VIEWER/NAME/` with `request.json state.json analysis.json strip.jpg frames.jpg
upload/ keep/ view.mp4 annotated.mp4 lock stop`. Nothing else knows about it: it survives a closed tab and a killed
app. Whoever works on it holds a lock on `lock`, so nobody ever asks a process id. What waits has a ticket in the
queue; `attendant` takes the tickets.
"""

import contextlib
import fcntl
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from har_core import machine
from har_core.errors import VideoError

Stage = Literal["waiting", "running", "done", "failed", "stopped", "crashed"]
What = Literal["analyse", "film", "copy"]
"""What is to be done: look at the video; make the annotated one; make a copy that browsers play."""
UNDO_SECONDS = 3600.0
"""For so long a deleted analysis can be taken back; then it is gone."""
_VIEWER = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[\w-]{1,100}")
_TRASH = ".trash"
OUTDATED = "outdated"
"""A file of this name says that people were corrected after the annotated video was made."""
_JUST_NOW = 2.0
"""Seconds that a ticket may take to be written."""
_SPARE = 256 << 20
"""Bytes of disk that must be left when an upload is kept."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a viewer asked for. `name` is the video's, for reading; `model` a folder, `title` what it is called.

    `people`: look at each person too; `film`: make the annotated video. `source` is a file on this computer, "" where
    the video was uploaded. `at`: when, in seconds since 1970.
    """

    name: str
    model: str
    title: str
    people: bool = False
    film: bool = False
    source: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """How an analysis stands. `phase` is "loading", "people", "looking", "timelines", "copying" or "filming".

    `done` of `total` seconds of the video are behind it; this phase began at `since` with `first` of them, and this
    was written `at`, seconds since 1970. `took`: seconds of work until there was an answer. `message`: what went
    wrong, for the user.
    """

    stage: Stage = "waiting"
    phase: str = ""
    done: float = 0.0
    total: float = 0.0
    first: float = 0.0
    since: float = 0.0
    at: float = 0.0
    took: float = 0.0
    message: str = ""

    @property
    def left(self) -> float | None:
        """Seconds until this phase is over, as it went so far; None where nobody can tell yet."""
        spent = self.at - self.since
        if not (self.first < self.done <= self.total) or spent < 1.0:
            return None
        return spent / (self.done - self.first) * (self.total - self.done)


@dataclass(frozen=True, slots=True)
class Task:
    """The folder of one analysis. Everything is read from disk at each call; nothing is remembered."""

    folder: Path

    @property
    def name(self) -> str:
        """Its folder's name, unique among the viewer's."""
        return self.folder.name

    @property
    def viewer(self) -> str:
        """Whose it is."""
        return self.folder.parent.name

    @property
    def root(self) -> Path:
        """The workspace it lies in."""
        return self.folder.parents[2]

    @property
    def answer(self) -> Path:
        """Where the `Analysis` is written, once there is one."""
        return self.folder / "analysis.json"

    @property
    def keep(self) -> Path:
        """What later work on it needs: embeddings, boxes, portraits."""
        return self.folder / "keep"

    @property
    def portraits(self) -> Path:
        """A JPEG of each person, `NUMBER.jpg`."""
        return self.keep / "portraits"

    @property
    def film(self) -> Path:
        """The annotated video, once there is one."""
        return self.folder / "annotated.mp4"

    @property
    def copy(self) -> Path:
        """A copy that browsers play, where the video itself is not played by them."""
        return self.folder / "view.mp4"

    def request(self) -> Request:
        """What was asked for.

        Raises:
            VideoError: it cannot be read.
        """
        found = _read(self.folder / "request.json")
        words = [found.get(field) for field in ("name", "model", "title")]
        name, model, title = (word if isinstance(word, str) else "" for word in words)
        if not name or not model:
            raise VideoError(f"The request.json of analysis {self.name} is missing or damaged. Delete the analysis.")
        return Request(
            name[:300], model, title[:300], bool(found.get("people")), bool(found.get("film")),
            str(found.get("source", "")), _number(found.get("at")),
        )  # fmt: skip

    def summary(self) -> "Summary | None":
        """The few figures of its answer that a list shows; None where there is none yet."""
        found = _read(self.folder / "summary.json")
        try:
            top = tuple((str(action), float(p)) for action, p in found["top"])  # type: ignore[attr-defined]
            told = Summary(
                top, bool(found["unsure"]), str(found["damage"]), _number(found["seconds"]),
                int(_number(found["people"])), min(4.0, max(0.1, _number(found.get("aspect")))),
            )  # fmt: skip
            return told if top and self.answer.exists() else None
        except (KeyError, TypeError, ValueError):
            return None

    def source(self) -> Path:
        """The video.

        Raises:
            VideoError: the upload is gone.
        """
        if given := self.request().source:
            return Path(given)
        found = sorted(p for p in (self.folder / "upload").glob("*") if not p.name.startswith("."))
        if not found:
            raise VideoError(f"The video of analysis {self.name} is gone. Upload it again.")
        return found[0]

    def alive(self) -> bool:
        """Whether somebody works on it now."""
        try:
            with (self.folder / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def state(self) -> State:
        """How it stands; the one place that decides it."""
        # In this order: whoever takes the ticket holds the lock before it is gone.
        waits = self._ticket() is not None
        alive = self.alive()
        found = _read(self.folder / "state.json")
        told = found.get("stage")
        stage: Stage = next((known for known in get_args(Stage) if known == told), "waiting")
        if alive:
            stage = "running"
        elif waits or (stage == "waiting" and time.time() - _number(found.get("at")) < _JUST_NOW):
            stage = "waiting"
        elif stage in ("waiting", "running"):
            # Nobody works on it and nobody will: whoever did was killed, or the queue was wiped.
            stage = "stopped" if (self.folder / "stop").exists() else "crashed"
        numbers = {name: _number(found.get(name)) for name in ("done", "total", "first", "since", "at", "took")}
        message = str(found.get("message", ""))[:1000] or (_CRASHED if stage == "crashed" else "")
        return State(stage, str(found.get("phase", ""))[:20], **numbers, message=message)

    def tell(self, state: State) -> None:
        """Write how it stands, whole or not at all; for whoever works on it."""
        write(self.folder / "state.json", json.dumps(asdict(state)))

    def before(self) -> int:
        """How many are to be done before it."""
        mine = [ticket.task.folder for ticket in tickets(self.root)]
        return mine.index(self.folder) if self.folder in mine else 0

    def ask(self, what: What) -> None:
        """Put it into the queue, to have something done to it.

        Raises:
            VideoError: the queue cannot be written.
        """
        if self.alive() or self._ticket() is not None:
            return
        (self.folder / "stop").unlink(missing_ok=True)
        took = self.state().took
        self.tell(State("waiting", at=time.time(), took=took))
        name = f"{time.time_ns():020d}.{self.viewer}.{self.name}"
        try:
            queue(self.root).mkdir(parents=True, exist_ok=True)
            write(queue(self.root) / name, what)
        except OSError as error:
            raise VideoError(f"The queue of analyses cannot be written: {error.strerror}. Make room there.") from None

    def stop(self) -> None:
        """Take it out of the queue, or ask whoever works on it to stop: they have some seconds before they end."""
        (self.folder / "stop").touch()
        if (ticket := self._ticket()) is not None:
            ticket.unlink(missing_ok=True)
            if not self.alive():
                self.tell(State("done" if self.answer.exists() else "stopped", at=time.time(), took=self.state().took))

    def size(self) -> int:
        """Bytes that it takes on the disk."""
        return _size(self.folder)

    def _ticket(self) -> Path | None:
        return next(iter(queue(self.root).glob(f"*.{self.viewer}.{self.name}")), None)


_CRASHED = "The analysis ended before it was done: its process was killed or the computer went off. Start it again."


@dataclass(frozen=True, slots=True)
class Summary:
    """Of an answer: the actions of the whole video, most probable first, and whether they are in doubt; how many
    seconds and people it has; width to height of its frames."""

    top: tuple[tuple[str, float], ...]
    unsure: bool
    damage: str
    seconds: float
    people: int
    aspect: float


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue: for which task, and what is to be done."""

    path: Path
    task: Task
    what: What


def queue(root: Path) -> Path:
    """The folder of the queue of a workspace."""
    return root / "cache" / "analyses"


def home(root: Path, viewer: str) -> Path:
    """Where the analyses of a viewer lie.

    Raises:
        VideoError: `viewer` is no id; it must never become a path.
    """
    if not _VIEWER.fullmatch(viewer):
        raise VideoError("A viewer's id must be 32 digits of 0 to 9 and a to f. Remove the cookies of this page.")
    return root / "analyses" / viewer


def is_viewer(text: object) -> bool:
    """Whether this is a viewer's id."""
    return isinstance(text, str) and _VIEWER.fullmatch(text) is not None


def begin(root: Path, viewer: str, request: Request, content: BinaryIO | None = None) -> Task:
    """A new analysis in the queue.

    Args:
        root: the workspace.
        viewer: whose it is, 32 hexadecimal digits.
        request: what is asked for; its `at` is set here where it is 0.
        content: the video, where it was uploaded; read to its end, never all at once.

    Raises:
        VideoError: the upload cannot be kept.
    """
    folder = home(root, viewer)
    readable = re.sub(r"[^\w-]+", "-", Path(request.name).stem).strip("-")[:40] or "video"
    at = request.at or time.time()
    stamp = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(at))}-{int(at % 1 * 1000):03d}"
    task = Task(folder / f"{stamp}-{readable}-{secrets.token_hex(4)}")
    made = folder / f".{task.name}"
    try:
        (made / "upload").mkdir(parents=True)
        if content is not None:
            _keep(made / "upload" / harmless(request.name), request.name, content)
        write(made / "request.json", json.dumps(asdict(request) | {"at": at}, ensure_ascii=True))
        made.rename(task.folder)
        task.ask("analyse")
    except OSError as error:
        reason = f"{error.strerror}. Make room there." if error.strerror else str(error)
        raise VideoError(f"{request.name} cannot be kept in the workspace: {reason}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return task


def harmless(name: str) -> str:
    """A file name for an upload: what a browser sends may hold anything.

    >>> harmless("../../a b.mp4"), harmless("..."), harmless("C:\\\\x|y.mov")
    ('a b.mp4', 'clip', 'C__x_y.mov')
    """
    short = re.sub(r"[^\w .()-]", "_", Path(name).name).encode()[-200:].decode(errors="ignore").lstrip(". ")
    return short or "clip"


def listed(root: Path, viewer: str) -> list[Task]:
    """The analyses of a viewer, newest first; those deleted too long ago to be taken back go for good."""
    folder = home(root, viewer)
    _purge(folder)
    try:
        found = [entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name)]
    except OSError:
        return []
    return [Task(entry) for entry in sorted(found, reverse=True) if (entry / "request.json").is_file()]


def delete(task: Task) -> None:
    """Put an analysis aside; `restore` takes it back within the hour. One that runs is ended first.

    Raises:
        VideoError: it does not end, or cannot be moved.
    """
    task.stop()
    deadline = time.monotonic() + 10.0
    while task.alive():
        if time.monotonic() > deadline:
            raise VideoError("This analysis does not end. Try again in a moment.")
        time.sleep(0.05)
    trash = task.folder.parent / _TRASH
    try:
        trash.mkdir(exist_ok=True)
        task.folder.rename(trash / f"{time.time_ns():020d}.{task.name}")
    except OSError as error:
        raise VideoError(f"The analysis cannot be deleted: {error.strerror}.") from None


def deleted(root: Path, viewer: str) -> list[str]:
    """The names of those that can be taken back, the one deleted last first."""
    folder = home(root, viewer) / _TRASH
    _purge(folder.parent)
    names = sorted((entry.name for entry in folder.iterdir()), reverse=True) if folder.is_dir() else []
    return [name.partition(".")[2] for name in names]


def restore(root: Path, viewer: str, name: str) -> Task:
    """Take a deleted analysis back.

    Raises:
        VideoError: it is gone.
    """
    folder = home(root, viewer)
    found = next(iter((folder / _TRASH).glob(f"*.{name}")), None) if _NAME.fullmatch(name) else None
    try:
        if found is None or (folder / name).exists():
            raise OSError
        return Task(found.rename(folder / name))
    except OSError:
        raise VideoError("This analysis cannot be taken back any more: it is gone.") from None


def empty_trash(root: Path, viewer: str) -> None:
    """Remove for good what was deleted."""
    shutil.rmtree(home(root, viewer) / _TRASH, ignore_errors=True)


def used(root: Path, viewer: str) -> int:
    """Bytes that the analyses of a viewer take on the disk, deleted ones too."""
    return _size(home(root, viewer))


def tickets(root: Path) -> list[Ticket]:
    """What waits, in the order in which it is to be done.

    Viewers take turns: the first of each, then the second of each, so that nobody waits for another's hundred videos.
    """
    found: list[tuple[int, str, Ticket]] = []
    ranks: dict[str, int] = {}
    with contextlib.suppress(OSError):
        for path in sorted(entry for entry in queue(root).iterdir() if entry.name.count(".") == 2):
            _, viewer, name = path.name.split(".")
            with contextlib.suppress(OSError, VideoError):
                what = path.read_text(encoding="utf-8")
                if what in get_args(What) and _NAME.fullmatch(name):
                    ranks[viewer] = rank = ranks.get(viewer, -1) + 1
                    ticket = Ticket(path, Task(home(root, viewer) / name), what)  # type: ignore[arg-type]  # it is one of them
                    found.append((rank, path.name, ticket))
    return [ticket for _, _, ticket in sorted(found, key=lambda place: place[:2])]


@contextlib.contextmanager
def claimed(ticket: Ticket) -> Iterator[bool]:
    """Own a ticket's analysis for the time of the block; False where another has it or it is gone."""
    with contextlib.ExitStack() as files:
        try:
            lock = files.enter_context((ticket.task.folder / "lock").open("a+"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # deleted meanwhile
            ticket.path.unlink(missing_ok=True)
            yield False
            return
        there = ticket.path.exists()  # else another has done it since the queue was read
        ticket.path.unlink(missing_ok=True)
        yield there


def write(path: Path, text: str) -> None:
    """Write a small file whole or not at all: a page may read it at any time."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _keep(path: Path, name: str, content: BinaryIO) -> None:
    content.seek(0, os.SEEK_END)
    size = content.tell()
    content.seek(0)
    if machine.free_disk(path.parent) < size + _SPARE:
        raise VideoError(f"{name} needs {size / 1e6:.0f} MB of disk, and there is not so much left. Make room there.")
    with path.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float:
    fine = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if fine else 0.0  # type: ignore[arg-type]  # checked in the line above


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def _purge(folder: Path) -> None:
    """Remove what was deleted more than an hour ago."""
    with contextlib.suppress(OSError):
        for entry in (folder / _TRASH).iterdir():
            at = entry.name.partition(".")[0]
            if not at.isdecimal() or time.time() - int(at) / 1e9 > UNDO_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)
