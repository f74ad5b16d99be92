"""Analyses of videos: each a folder of its viewer, done in turn by processes that belong to no browser tab; no torch.

An analysis is `workspace/analyses/VIEWER/NAME/` with `request.json state.json analysis.json strip.jpg frames.jpg
upload/ keep/ view.mp4 annotated.mp4 lock stop`. Nothing else knows about it: it survives a closed tab and a killed
app. Whoever works on it holds a lock on `lock`, so nobody ever asks a process id. What waits has a ticket in the
queue; `attendant` takes the tickets.
"""

import contextlib
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from har_core.errors import VideoError
from har_core.locks import held

Stage = Literal["waiting", "running", "done", "failed", "stopped", "crashed"]
What = Literal["analyse", "film", "copy"]
"""What is to be done: look at the video; make the annotated one; make a copy that browsers play."""
_VIEWER, _NAME = re.compile(r"[0-9a-f]{32}"), re.compile(r"[\w-]{1,100}")
OUTDATED = "outdated"
"""A file of this name says that people were corrected after the annotated video was made."""
_JUST_NOW = 2.0
"""Seconds that a ticket may take to be written."""
_LARGEST, _LAST = 1e15, 4e9
"""Of numbers that pages reckon with, and of dates, in seconds since 1970: not every later one can be written."""


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
        if not (name and model):
            raise VideoError(f"The request.json of analysis {self.name} is missing or damaged. Delete the analysis.")
        # Paths stay as they are: a file's name need not be text.
        return Request(
            shown(name), model, shown(title), bool(found.get("people")), bool(found.get("film")),
            str(found.get("source", "")), min(_LAST, max(0.0, _number(found.get("at")))),
        )  # fmt: skip

    def summary(self) -> "Summary | None":
        """The few figures of its answer that a list shows; None where there is none yet."""
        found = _read(self.folder / "summary.json")
        try:
            # The file may hold any JSON: what cannot be gone through raises TypeError, caught below.
            top = tuple((shown(str(action)), _number(p)) for action, p in found["top"])  # type: ignore[attr-defined]
            seen = tuple(shown(str(action)) for action in found.get("seen") or ())  # type: ignore[attr-defined]
            aspect, people = min(4.0, max(0.1, _number(found.get("aspect")))), int(_number(found["people"]))
            seconds, damage = _number(found["seconds"]), shown(str(found["damage"]))
            told = Summary(top, bool(found["unsure"]), damage, seconds, people, aspect, seen)
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
        return held(self.folder / "lock")

    def state(self, waiting: "Waiting | None" = None) -> State:
        """How it stands; the one place that decides it. `waiting` spares whoever asks for many a look at the queue."""
        # In this order: whoever takes the ticket holds the lock before it is gone.
        ticket = self._ticket(waiting)
        waits = ticket is not None and ticket.exists()
        alive = self.alive()
        found = _read(self.folder / "state.json")
        told = found.get("stage")
        stage: Stage = next((known for known in get_args(Stage) if known == told), "waiting")
        if alive:
            stage = "running"
        elif waits or (stage == "waiting" and abs(time.time() - _number(found.get("at"))) < _JUST_NOW):
            stage = "waiting"
        elif stage in ("waiting", "running"):
            # Nobody works on it and nobody will: whoever did was killed, or the queue was wiped.
            stage = "stopped" if (self.folder / "stop").exists() else "crashed"
        numbers = {name: _number(found.get(name)) for name in ("done", "total", "first", "since", "at", "took")}
        message = shown(str(found.get("message", "")), 1000) or (_CRASHED if stage == "crashed" else "")
        return State(stage, str(found.get("phase", ""))[:20], **numbers, message=message)

    def tell(self, state: State) -> None:
        """Write how it stands, whole or not at all; for whoever works on it."""
        write(self.folder / "state.json", json.dumps(asdict(state)))

    def ask(self, what: What) -> None:
        """Put it into the queue, to have something done to it.

        Raises:
            VideoError: the queue cannot be written.
        """
        if self.alive() or self._ticket() is not None:
            return
        name = f"{time.time_ns():020d}.{self.viewer}.{self.name}"
        try:
            (self.folder / "stop").unlink(missing_ok=True)
            self.tell(State("waiting", at=time.time(), took=self.state().took))
            queue(self.root).mkdir(parents=True, exist_ok=True)
            write(queue(self.root) / name, what)
        except OSError as error:
            raise VideoError(f"The queue of analyses cannot be written: {error.strerror}. Make room there.") from None

    def stop(self) -> None:
        """Take it out of the queue, or ask whoever works on it to stop: they have some seconds before they end.

        Raises:
            VideoError: it is gone, or nothing can be written there.
        """
        stage: Stage = "done" if self.answer.exists() else "stopped"
        try:
            (self.folder / "stop").touch()
            if (ticket := self._ticket()) is not None:
                ticket.unlink(missing_ok=True)
                if not self.alive():
                    with contextlib.suppress(OSError):  # the disk is full: `stop` alone says as much
                        self.tell(State(stage, at=time.time(), took=self.state().took))
        except OSError as error:
            raise VideoError(f"This analysis cannot be stopped: {error.strerror}.") from None

    def _ticket(self, waiting: "Waiting | None" = None) -> Path | None:
        return (_waiting(self.root) if waiting is None else waiting).get((self.viewer, self.name))


_CRASHED = "The analysis ended before it was done: its process was killed or the computer went off. Start it again."


@dataclass(frozen=True, slots=True)
class Summary:
    """Of an answer: the actions of all of it, most probable first, and whether they are in doubt; how many seconds and
    people it has; width to height of its frames; which actions its timeline names, that of most seconds first."""

    top: tuple[tuple[str, float], ...]
    unsure: bool
    damage: str
    seconds: float
    people: int
    aspect: float
    seen: tuple[str, ...] = ()


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


def listed(root: Path, viewer: str) -> list[Task]:
    """The analyses of a viewer, newest first."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        found = [entry for entry in home(root, viewer).iterdir() if _NAME.fullmatch(entry.name)]
    return [Task(entry) for entry in sorted(found, reverse=True) if (entry / "request.json").is_file()]


def used(root: Path, viewer: str) -> int:
    """Bytes that the analyses of a viewer take on the disk, deleted ones too."""
    total = 0
    for place, _, names in os.walk(home(root, viewer)):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def tickets(root: Path) -> list[Ticket]:
    """What waits, in the order in which it is to be done.

    Viewers take turns: the first of each, then the second of each, so that nobody waits for another's hundred videos.
    """
    found: list[tuple[int, str, Ticket]] = []
    ranks: dict[str, int] = {}
    for (viewer, name), path in sorted(_waiting(root).items(), key=lambda waits: waits[1]):
        with contextlib.suppress(OSError, VideoError):
            what = path.read_text(encoding="utf-8", errors="replace")
            if what not in get_args(What) or not _NAME.fullmatch(name):
                # Tickets are written whole: this one is empty since the power failed, and nobody would ever take it.
                path.unlink(missing_ok=True)
                continue
            ticket = Ticket(path, Task(home(root, viewer) / name), what)  # type: ignore[arg-type]  # it is one of them
            ranks[viewer] = rank = ranks.get(viewer, -1) + 1
            found.append((rank, path.name, ticket))
    return [ticket for _, _, ticket in sorted(found, key=lambda place: place[:2])]


Waiting = Mapping[tuple[str, str], Path]
"""The tickets of those that wait, by viewer and name."""


def states(tasks: Sequence[Task]) -> list[State]:
    """How these stand, all of one workspace; the queue is looked at once, for it may be as long as they are many."""
    waiting = _waiting(tasks[0].root) if tasks else {}
    return [task.state(waiting) for task in tasks]


def places(root: Path) -> dict[Path, int]:
    """For the folder of each that waits, how many are to be done before it."""
    return {ticket.task.folder: number for number, ticket in enumerate(tickets(root))}


def _waiting(root: Path) -> Waiting:
    with contextlib.suppress(OSError):
        # Of two tickets for the same, the older counts.
        found = [(entry.name.split("."), entry) for entry in sorted(queue(root).iterdir(), reverse=True)]
        return {(words[1], words[2]): entry for words, entry in found if len(words) == 3}
    return {}


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


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def shown(text: str, most: int = 300) -> str:
    """At most so many letters of a text; halves of letters, as names of files and JSON may hold, become "?".

    >>> shown("a\\udcff.mp4")
    'a?.mp4'
    """
    return text[:most].encode(errors="replace").decode()


def _number(value: object) -> float:
    """A number that pages can reckon with: neither NaN nor endless, as damaged or edited JSON may hold; else 0."""
    fine = isinstance(value, (int, float)) and -_LARGEST <= value <= _LARGEST
    return float(value) if fine else 0.0  # type: ignore[arg-type]  # checked in the line above
