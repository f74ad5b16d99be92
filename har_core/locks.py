"""Whether somebody works on something: who does holds a lock on a file of it from birth to death, however it dies."""

import fcntl
from pathlib import Path


def held(path: Path) -> bool:
    """Whether some process holds an exclusive lock on the file; no where there is no such file."""
    try:
        with path.open("r") as lock:
            # Shared: two that ask at the same moment must not take each other for the worker.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
