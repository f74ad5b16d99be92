"""Two runs on one machine take turns: each would only slow the other down, and both the live picture.

Whoever wants to train draws a ticket: a file whose name says when, locked as long as its process lives. The oldest
ticket that is locked has the turn. Nothing has to be handed over: a killed trainer's ticket is unlocked by the system.
"""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_SECONDS = 0.3
NOW = "now"
"""A file of this name in a run's folder: do not wait."""


@contextlib.contextmanager
def ticket(folder: Path, name: str) -> Iterator[Callable[[], list[str]]]:
    """Stand in line in `folder` for the time of the block; gives who is before, the next to be done first.

    Where the folder cannot be written nobody waits: taking turns is a courtesy.
    """
    drawn: Path | None = None
    lock = None
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{secrets.token_hex(6)}"
        lock = part.open("w", encoding="utf-8")
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(name)
        lock.flush()
        # Locked before it bears its name: nobody takes it for one that was left behind.
        drawn = part.rename(folder / f"{time.time_ns():020d}-{os.getpid()}")
    try:
        yield lambda: _before(drawn) if drawn else []
    finally:
        if drawn:
            with contextlib.suppress(OSError):
                drawn.unlink()
        if lock:
            lock.close()


def _before(mine: Path) -> list[str]:
    """The names on the older tickets that are still held; what killed processes left is removed."""
    found = []
    for other in sorted(mine.parent.iterdir()):
        if other.name.startswith(".") or other.name >= mine.name:
            continue
        with contextlib.suppress(OSError), other.open("r", encoding="utf-8", errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(file.read(200))
            else:
                other.unlink()
    return found


def wait(
    before: Callable[[], list[str]], run: Path, *, stopped: Callable[[], bool], tell: Callable[[str, int], None]
) -> bool:
    """Wait for the turn; gives whether it came, False where the run was asked to stop first.

    Args:
        before: what `ticket` gave.
        run: the run's folder; a file `now` in it ends the waiting.
        tell: called with who trains now and how many are before, whenever that changes.
    """
    told: list[str] = []
    while others := before():
        if stopped():
            return False
        if (run / NOW).exists():
            break
        if others != told:
            told = others
            tell(others[0], len(others))
        time.sleep(_POLL_SECONDS)
    return not stopped()
