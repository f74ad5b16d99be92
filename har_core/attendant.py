"""Takes the analyses of a workspace in turn, in a child process with limits: `python -m har_core analyse ROOT`.

This process stays light: it holds the locks, writes how things stand, and ends the child where it takes too much
memory, too long, or falls silent, so that a hostile video costs its own sentence and nothing else. The child loads
torch and the model once and stays warm between analyses; both go when nothing was to be done for some minutes.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from har_core import PROJECT, analyses, machine
from har_core.analyses import State, Task, Ticket
from har_core.errors import VideoError
from har_core.locks import held

MOST = 2
"""Analyses at once: a long film does not keep a short one waiting."""
SLOT_VARIABLE = "HAR_ANALYSIS_SLOT"
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 4.0
"""What is asked to stop has so long before it is ended."""
_NEEDED = 3 << 30
"""Bytes of free memory without which no second process is begun."""
_WARM = "warm"
_children: list[subprocess.Popen[bytes]] = []  # polled, so that one that ended does not stay a zombie


@dataclass(frozen=True, slots=True)
class Limits:
    """What an analysis may take. Bytes of memory, all its processes together; seconds without a word; seconds in all,
    and for each second of the video. `idle`: seconds for which a process without work stays."""

    memory: int = field(default_factory=lambda: min(8 << 30, max(3 << 30, int(0.6 * machine.memory()))))
    silence: float = 180.0
    least: float = 1800.0
    each: float = 60.0
    idle: float = field(default_factory=lambda: float(os.environ.get("HAR_ANALYSIS_IDLE_SECONDS") or 240))


# ---- the app's side ----


def ensure(root: Path) -> None:
    """See to it that what waits is done by somebody: starts a process where none is free and there may be one more.

    Raises:
        VideoError: it cannot be started.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    if analyses.tickets(root):
        _launch_one(root)


def warm(root: Path, model: Path) -> None:
    """Have a process load this model, so that the first analysis need not wait for it.

    Raises:
        VideoError: it cannot be started.
    """
    wanted = analyses.queue(root) / _WARM
    with contextlib.suppress(OSError):
        wanted.parent.mkdir(parents=True, exist_ok=True)
        analyses.write(wanted, str(model))
    _launch_one(root, only_first=True)


def close(root: Path) -> None:
    """End all processes of a workspace, whatever they do; what they were at counts as crashed."""
    for number in range(MOST):
        slot = analyses.queue(root) / f"slot-{number}"
        # What stands there is no number where the disk was full; and 0 would be the group of this process itself.
        words = _text(slot).split()
        if held(slot) and words and words[0].isdecimal() and int(words[0]) > 1:
            with contextlib.suppress(OSError, OverflowError):
                os.killpg(int(words[0]), signal.SIGTERM)
        deadline = time.monotonic() + 5.0
        while held(slot) and time.monotonic() < deadline:
            time.sleep(0.05)
    _children[:] = [child for child in _children if child.poll() is None]


def _launch_one(root: Path, *, only_first: bool = False) -> None:
    try:
        _launch_free(root, only_first=only_first)
    except OSError as error:
        raise VideoError(f"The queue of analyses cannot be written: {error.strerror}. Make room there.") from None


def _launch_free(root: Path, *, only_first: bool) -> None:
    folder = analyses.queue(root)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1 if only_first else MOST):
        slot = folder / f"slot-{number}"
        slot.touch()
        with slot.open("r+") as lock:  # and not for appending: words are written over one another
            try:
                # Locked here and inherited: two viewers at once start one process.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if "idle" in _text(slot):
                    return  # it takes the next ticket at once
                continue
            if number and machine.free_memory() < _NEEDED:
                return
            _launch(root, lock)
            return


def _launch(root: Path, lock: IO[str]) -> None:
    path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
    # Written first: on a full disk no process is begun that nobody knows of, and later words find their room.
    os.truncate(lock.fileno(), os.pwrite(lock.fileno(), _word(0, "idle"), 0))
    try:
        with (analyses.queue(root) / "stderr.txt").open("ab") as stderr:
            child = subprocess.Popen(
                [sys.executable, "-m", "har_core", "analyse", str(root)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True,
                pass_fds=[lock.fileno()],
                env={**os.environ, SLOT_VARIABLE: str(lock.fileno()), "PYTHONPATH": path, "HAR_WORKSPACE": str(root)},
            )  # fmt: skip
    except OSError as error:
        raise VideoError(f"The process that analyses videos cannot be started: {error.strerror}.") from None
    _children.append(child)
    os.pwrite(lock.fileno(), _word(child.pid, "idle"), 0)  # about to take a ticket: no second one is needed for it


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# ---- the process's side ----


def serve(root: Path, limits: Limits) -> None:
    """Take tickets until there was nothing to do for `limits.idle` seconds, or the workspace is gone."""
    inherited = os.environ.pop(SLOT_VARIABLE, "")
    if not inherited:
        raise VideoError("`analyse` is started by the app. To analyse videos yourself, use `predict`.")
    with os.fdopen(int(inherited), "r+") as slot, Child(root) as child:
        os.set_inheritable(slot.fileno(), False)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # unwinds, so that the child ends too
        idle_since, asked = time.monotonic(), ""
        while time.monotonic() - idle_since < limits.idle and os.fstat(slot.fileno()).st_nlink:
            worked = False
            for ticket in analyses.tickets(root):
                with analyses.claimed(ticket) as mine:
                    if mine:
                        _say(slot, "busy")
                        _work(child, ticket, limits)
                        worked = True
                if worked:
                    break
            if worked:
                _say(slot, "idle")
                idle_since = time.monotonic()
            elif (wanted := _text(analyses.queue(root) / _WARM)) != asked:
                asked = wanted
                child.send({"do": "warm", "model": wanted})
                idle_since = time.monotonic()
            else:
                time.sleep(_POLL_SECONDS)


def _say(slot: IO[str], word: str) -> None:
    """Written over what stands there, and as long: on a full disk there is still room for that."""
    with contextlib.suppress(OSError):
        os.pwrite(slot.fileno(), _word(os.getpid(), word), 0)


def _word(pid: int, word: str) -> bytes:
    return f"{pid:<10} {word}".encode()


class Child:
    """The process with torch: begun when first needed, begun anew after it was ended."""

    def __init__(self, root: Path, command: Sequence[str] = ("-m", "har_core", "analyse", "--child")) -> None:
        self._command = [sys.executable, *command]
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of its process; 0 where there is none."""
        return self._process.pid if self._process else 0

    def send(self, order: dict[str, object]) -> None:
        """Have it do something."""
        if self._process is None or self._process.poll() is not None:
            self.kill()
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=PROJECT,
                start_new_session=True, env={**os.environ, "HAR_WORKSPACE": str(self._root)},
            )  # fmt: skip
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it died: `heard` says so
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def heard(self, seconds: float) -> list[dict[str, object]] | None:
        """What it has said, waiting at most so long for the first word; None where it has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        if not select.select([pipe], [], [], seconds)[0]:
            return []
        fresh = os.read(pipe, 1 << 16)
        if not fresh:
            return None
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        said = []
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                if isinstance(word := json.loads(line), dict):
                    said.append(word)
        return said

    def kill(self) -> int:
        """End it and all that it started; gives its exit code, negative for a signal."""
        process, self._process, self._rest = self._process, None, b""
        if process is None:
            return 0
        ended = process.poll()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        return ended if ended is not None else 0


def _work(child: Child, ticket: Ticket, limits: Limits) -> None:
    """Have one thing done and write how it went."""
    task = ticket.task
    now = time.time()
    state = State("running", "loading", since=now, at=now, took=task.state().took)
    try:
        name = task.request().name
        task.tell(state)
        state = _watched(child, ticket, name, state, limits)
    except VideoError as error:
        state = replace(state, stage="failed", message=str(error))
    except OSError as error:  # the disk is full, or the folder gone
        child.kill()  # it is still at work, and would be heard as the answer to what comes next
        told = f"How far the analysis is cannot be written: {error.strerror}. Make room there, then start it again."
        state = replace(state, stage="failed", message=told)
    with contextlib.suppress(OSError):  # deleted meanwhile
        task.tell(replace(state, at=time.time()))


def _watched(child: Child, ticket: Ticket, name: str, state: State, limits: Limits) -> State:
    """How it ended; writes how far it is meanwhile."""
    task, began = ticket.task, time.monotonic()
    word_at = memory_at = began
    stop_at: float | None = None
    order: dict[str, object] = {"do": ticket.what, "folder": str(task.folder)}
    child.send(order)
    begun = 1
    while True:
        said = child.heard(0.2)
        now = time.monotonic()
        if said is None:
            if word_at == began and begun == 1 and stop_at is None:
                # It was ended before it had begun, while it was idle: no video is to blame for that.
                child.kill()
                child.send(order)
                begun += 1
                continue
            return _ended(child, task, name, state, stopped=stop_at is not None)
        for word in said:
            word_at = now
            if "end" in word:
                stage = "stopped" if stop_at is not None or word["end"] == "stopped" else word["end"]
                return replace(state, stage=_settled(task, str(stage)), message=str(word.get("message", "")))
            state = _heard(state, word, began)
        if said:
            task.tell(state)
        if stop_at is None and (task.folder / "stop").exists():
            stop_at = now
        reason = ""
        if now - memory_at > 0.5:
            memory_at = now
            if machine.tree_memory(child.pid) > limits.memory:
                reason = (f"{name} takes more than {limits.memory / 2**30:.1f} GB of memory to analyse. Re-encode it "
                          "smaller, or cut it into pieces.")  # fmt: skip
        if now - word_at > limits.silence:
            reason = (f"The analysis of {name} made no progress for {limits.silence:.0f} s and was ended: the file is "
                      "damaged, or this computer is far too busy. Re-encode it or try again later.")  # fmt: skip
        if now - began > max(limits.least, limits.each * state.total):
            reason = f"The analysis of {name} took far too long and was ended. Cut the video into pieces."
        if stop_at is not None and now - stop_at > _GRACE_SECONDS:
            child.kill()
            return replace(state, stage=_settled(task, "stopped"))
        if reason:
            child.kill()
            return replace(state, stage="failed", message=reason)


def _settled(task: Task, stage: str) -> analyses.Stage:
    """What remains: a stopped annotated video leaves an answer that is done."""
    if stage == "stopped":
        return "done" if task.answer.exists() else "stopped"
    return "done" if stage == "done" else "failed"


def _heard(state: State, word: dict[str, object], began: float) -> State:
    now = time.time()
    if "answered" in word:
        return replace(state, took=time.monotonic() - began, at=now)
    phase = str(word.get("phase", ""))[:20]
    done, total = (float(v) if isinstance(v := word.get(key), (int, float)) else 0.0 for key in ("done", "total"))
    since, first = (state.since, state.first) if phase == state.phase else (now, done)
    return replace(state, phase=phase, done=done, total=total, since=since, first=first, at=now)


def _ended(child: Child, task: Task, name: str, state: State, *, stopped: bool) -> State:
    """The child ended without saying why."""
    time.sleep(0.05)  # its exit code comes a moment after its pipe closes
    code = child.kill()
    if stopped:
        return replace(state, stage=_settled(task, "stopped"))
    if code == -signal.SIGKILL:
        why = "was ended by the system, most likely for want of memory. Close other programs, or re-encode it smaller"
    elif code < 0:
        why = f"crashed (signal {-code}): the file is damaged. Re-encode it"
    else:
        why = f"ended without an answer (code {code}). Start it again; the details stand in the workspace's log"
    return replace(state, stage="failed", message=f"The analysis of {name} {why}.")
