"""Start, list, follow, stop and resume training runs. Each is a process of its own; no torch here.

A run is a folder: `config.json events.jsonl best/ last/ stderr.txt stop lock`. Nothing else knows about
it, so it survives a closed tab and a restart of the app, and several viewers may follow it.

Whether a run is alive is asked of one thing: the trainer holds an exclusive lock on `lock` from its
birth (it inherits the locked file) to its end, however it ends. No process id can be mistaken for it.
"""

import contextlib
import fcntl
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

from har_core import PROJECT
from har_core.config import TrainConfig
from har_core.dataset import history, versions
from har_core.errors import ConfigError, RunError
from har_core.events import Ended, EpochEnded, Event, Failed, Started, Stepped, Tail, decode, encode
from har_core.locks import held

Status = Literal["new", "running", "finished", "stopped", "failed", "crashed"]
LOCK_VARIABLE = "HAR_RUN_LOCK"
_OWN_FILES = {"config.json", "events.jsonl", "stderr.txt", "stop", "lock", "strip.jpg", "notes.json", "now"}
_children: list[subprocess.Popen[bytes]] = []  # polled, so that a trainer that ended does not stay a zombie


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder. Everything is read from disk at each call; nothing is remembered."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def events_path(self) -> Path:
        """Where its events are written."""
        return self.folder / "events.jsonl"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch, once there is one."""
        return self.folder / "best"

    def config(self) -> TrainConfig:
        """What the run was asked to do.

        Raises:
            RunError: config.json is missing or damaged.
        """
        try:
            return TrainConfig.from_json(json.loads((self.folder / "config.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise RunError(f"A run needs a config.json, but {self.folder} has none. Start it with --data.") from None
        except (ValueError, OSError, ConfigError, RecursionError) as error:
            raise RunError(f"The config.json of run {self.name} cannot be read: {error}") from None

    def events(self) -> list[Event]:
        """All events so far, oldest first."""
        return Tail(self.events_path).read()

    def milestones(self) -> list[Event]:
        """All events but the single steps, oldest first: those are nearly all lines of a long run."""
        step = encode(Stepped(1, 1, 1, 0.0)).partition(",")[0]
        try:
            lines = self.events_path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        except OSError:
            return []
        return [event for line in lines if not line.startswith(step) and (event := decode(line)) is not None]

    def alive(self) -> bool:
        """Whether a trainer holds the run's lock."""
        _children[:] = [child for child in _children if child.poll() is None]
        return held(self.folder / "lock")

    def status(self, events: list[Event] | None = None) -> Status:
        """How the run stands; the one place that decides it. `events` saves reading them again."""
        if self.alive():
            return "running"
        last = _last(self.events() if events is None else events)
        if events is not None and not isinstance(last, (Ended, Failed)):
            last = _last(self.events())  # it may have ended since they were read
        if isinstance(last, Ended):
            return "stopped" if last.reason == "stopped" else "finished"
        if isinstance(last, Failed):
            return "failed"
        if (self.folder / "stop").exists():
            return "stopped"  # it did not stop when asked and was ended
        return "crashed" if last or (self.folder / "lock").exists() else "new"  # nobody but a trainer makes a lock

    def epochs(self, events: list[Event] | None = None) -> list[EpochEnded]:
        """The finished epochs in order; an epoch repeated after a crash counts once, as it went last."""
        events = self.events() if events is None else events
        return list({e.epoch: e for e in events if isinstance(e, EpochEnded)}.values())

    def log(self, lines: int = 30) -> str:
        """The last lines of what the process wrote to its standard error."""
        with contextlib.suppress(OSError), (self.folder / "stderr.txt").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 20_000))
            return "\n".join(file.read().decode("utf-8", errors="replace").splitlines()[-lines:])
        return ""

    def last_sign(self) -> float:
        """When it last wrote something, in seconds since 1970; 0 where it never did."""
        signs = [0.0]
        for path in (self.events_path, self.folder / "stderr.txt", self.folder / "lock"):
            with contextlib.suppress(OSError):
                signs.append(path.stat().st_mtime)
        return max(signs)

    def stop(self, *, patience: float = 6.0) -> None:
        """Ask the trainer to stop; end its process group when it does not within `patience` seconds.

        Blocks until the run is not alive. What the last finished epoch reached is kept.
        """
        if not self.alive():
            return
        (self.folder / "stop").touch()
        for kind, seconds in ((None, patience), (signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0)):
            if kind is not None:
                with contextlib.suppress(ProcessLookupError, ValueError, OSError):
                    _signal(int((self.folder / "lock").read_text()), kind)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not self.alive():
                    return
                time.sleep(0.05)
        raise RunError(f"Run {self.name} did not end although its process was killed. Restart the machine.")

    def resume(self) -> None:
        """Go on from the last finished epoch in a new process.

        Raises:
            RunError: the run is running, finished or has no config.
        """
        self.config()
        if (status := self.status()) in ("running", "finished"):
            raise RunError(f"Only a run that was cut off can be resumed, but {self.name} is {status}.")
        launch(self, "train", "--run")


def start(config: TrainConfig, root: Path, *, name: str = "") -> Run:
    """A new run under `root`, already on its way in a process that belongs to no browser tab.

    Args:
        config: what to train; `config.dataset` must be a folder.
        root: the folder of all runs, usually `workspace()/"runs"`.
        name: a part of the run's name, usually the data set's.

    Raises:
        RunError: the data set is not there or the folder cannot be written.
    """
    if not config.dataset or not Path(config.dataset).is_dir():
        raise RunError(f"A run needs a folder of clips, but {config.dataset!r} is none.")
    run = create(config, free_folder(root, name or Path(config.dataset).name))
    launch(run, "train", "--run")
    return run


def create(config: TrainConfig, folder: Path) -> Run:
    """The folder of a run with its config, not started.

    Where it names no version of the data set's edits, it gets the newest: later edits do not touch the run.
    What a run that never finished an epoch left behind is written over; anything else is left alone: a
    trainer replaces `best/` and `last/` in its folder, so nobody else's may be there.

    Raises:
        RunError: the folder holds something else or cannot be written.
    """
    config = pinned(config)
    run, fresh = Run(folder), folder / f".config-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(run)
        # Linked into place whole: of two that create it at once one succeeds, and nobody sees half a config.
        fresh.write_text(json.dumps(config.to_json(), indent=1), encoding="utf-8")
        history.place(fresh, folder / "config.json")
    except OSError as error:
        if isinstance(error, FileExistsError) and folder.is_dir():
            raise _taken(folder) from None
        raise RunError(f"The run's folder {folder} cannot be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
    return Run(folder)


def pinned(config: TrainConfig) -> TrainConfig:
    """The config with the version of the data set's edits that is the newest now, where it names none."""
    if config.version is None and Path(config.dataset).is_dir():
        return replace(config, version=versions.current(Path(config.dataset)).number)
    return config


def _clear(run: Run) -> None:
    """Remove what a run that failed before its first epoch left behind; refuse a folder with anything else."""
    there = {path.name for path in run.folder.iterdir() if not path.name.startswith(".config-")}
    if "config.json" not in there:
        if there:
            text = f"A run needs a folder of its own, but {run.folder} holds {sorted(there)[0]}. Choose another folder."
            raise RunError(text)
        return
    began = "lock" in there or not (run.folder / "config.json").stat().st_size
    if there - _OWN_FILES or not began or run.alive() or run.epochs():
        raise _taken(run.folder)
    for name in there:
        (run.folder / name).unlink()


def _taken(folder: Path) -> RunError:
    return RunError(f"{folder} already holds a run. Choose another folder, or resume it by leaving out --data.")


def all_runs(root: Path) -> list[Run]:
    """Every run under `root`, newest first."""
    if not root.is_dir():
        return []
    return [Run(f) for f in sorted(root.iterdir(), reverse=True) if (f / "config.json").is_file()]


@contextlib.contextmanager
def locked(run: Run) -> Iterator[Callable[[], bool]]:
    """Own the run for the time of the block, as its trainer; gives a function that says whether to stop.

    Raises:
        RunError: another process trains this run.
    """
    inherited = os.environ.pop(LOCK_VARIABLE, "")
    try:
        lock: IO[str] = os.fdopen(int(inherited), "r+") if inherited else (run.folder / "lock").open("a+")
    except OSError as error:
        raise RunError(f"The run's folder {run.folder} cannot be written: {error.strerror}.") from None
    with lock:
        _take(lock, run)
        os.set_inheritable(lock.fileno(), False)
        if not inherited:
            (run.folder / "stop").unlink(missing_ok=True)
        lock.truncate(0)
        lock.seek(0)
        lock.write(str(os.getpid()))
        lock.flush()
        asked = False

        def ask(*_: object) -> None:
            nonlocal asked
            asked = True

        previous = {kind: signal.signal(kind, ask) for kind in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield lambda: asked or (run.folder / "stop").exists()
        finally:
            for kind, handler in previous.items():
                signal.signal(kind, handler)


def launch(run: Run, *command: str) -> None:
    """Start the process of a run: `python -m har_core COMMAND... FOLDER`.

    Raises:
        RunError: it has one already, or its folder cannot be written.
    """
    with contextlib.ExitStack() as files:
        try:
            lock = files.enter_context((run.folder / "lock").open("a+"))
            stderr = files.enter_context((run.folder / "stderr.txt").open("ab"))
        except OSError as error:
            raise RunError(f"The run's folder {run.folder} cannot be written: {error.strerror}.") from None
        # Locked here and inherited: from its first moment on nobody can doubt that the run is alive.
        _take(lock, run)
        (run.folder / "stop").unlink(missing_ok=True)
        path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
        child = subprocess.Popen(
            [sys.executable, "-m", "har_core", *command, str(run.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            pass_fds=[lock.fileno()],
            env={**os.environ, LOCK_VARIABLE: str(lock.fileno()), "PYTHONPATH": path},
        )
        (run.folder / "lock").write_text(str(child.pid))
    _children.append(child)


def _last(events: Sequence[Event]) -> Started | Ended | Failed | None:
    """The event that says how a run stands."""
    return next((e for e in reversed(events) if isinstance(e, (Started, Ended, Failed))), None)


def _signal(pid: int, kind: signal.Signals) -> None:
    """Signal a trainer and all that it started; one that a script started leads no process group."""
    (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, kind)


def _take(lock: IO[str], run: Run) -> None:
    deadline = time.monotonic() + 1.0
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A viewer that looks whether the run is alive holds the lock for a moment.
            if time.monotonic() > deadline:
                raise RunError(f"Run {run.name} is being trained by another process already.") from None
            time.sleep(0.02)


def free_folder(root: Path, name: str) -> Path:
    """A folder that nobody else has: it is made here, or two that start at once would get the same."""
    readable = re.sub(r"[^\w-]+", "-", name).strip("-")[:40] or "run"
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{readable}"
    number = 1
    while True:
        folder = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        except OSError:
            pass  # `create` says so
        return folder
