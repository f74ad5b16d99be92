"""Work in the background that belongs to no browser tab: one job for each thing to be done, shared by all viewers.

Only for what waits for other processes, as decoding does: a thread shares its interpreter lock with every page.
Streamlit's own calls are for its script thread, so a job draws nothing; pages ask how far it is.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar, cast

import streamlit as st

from har_core.errors import HarError

T = TypeVar("T")
Report = Callable[[int, int], None]
Cancelled = Callable[[], bool]
Work = Callable[[Report, Cancelled], T]

_KEPT = 24


class _GivenUp(BaseException):
    """Raised in the job's thread by its report of progress once it is cancelled: no `except Exception` may stop it."""


class Job(Generic[T]):
    """One piece of work. `done` of `total` may be read at any time; `about` says what it was started for."""

    def __init__(self, work: Work[T], *, about: object = None) -> None:
        self.done, self.total, self.about, self.began = 0, 0, about, time.monotonic()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._cancel, self._over = threading.Event(), threading.Event()
        threading.Thread(target=self._run, args=(work,), name="job", daemon=True).start()

    def _run(self, work: Work[T]) -> None:
        try:
            self._result = work(self._report, self._cancel.is_set)
        except _GivenUp:
            pass
        except BaseException as error:  # whatever it is belongs to who asks for the result
            self._error = error
        finally:
            self._over.set()

    def _report(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self._cancel.is_set():
            raise _GivenUp

    @property
    def running(self) -> bool:
        """Whether it is still at work; after `cancel` for a moment too."""
        return not self._over.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled it."""
        return self._cancel.is_set()

    @property
    def failed(self) -> bool:
        """Whether it ended by an error, which `result` raises."""
        return self._error is not None

    def cancel(self) -> None:
        """Ask it to end; it does when it next reports. What is over stays as it is."""
        if self.running:
            self._cancel.set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is over, at most so long; whether it is."""
        return self._over.wait(seconds)

    def result(self) -> T:
        """What the work gave; waits for it.

        Raises:
            HarError: it was cancelled.
            Exception: whatever the work raised.
        """
        self._over.wait()
        if self._error is not None:
            raise self._error
        if self._cancel.is_set() and self._result is None:
            raise HarError("This was stopped before it was done. Start it again to go on.")
        return cast("T", self._result)


class Jobs:
    """All jobs by key; the oldest that are over go first. Threads may share it."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, Job[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Job[Any] | None:
        """The job of this key, running or over; None where there was none."""
        with self._lock:
            return self._jobs.get(key)

    def start(self, key: Hashable, work: Work[T], *, about: object = None) -> Job[T]:
        """The job of this key: the one that runs or has succeeded, else a new one.

        Args:
            key: what is to be done, and for what.
            work: called in a thread with `report(done, total)`, which ends the work once it is cancelled, and with
                `cancelled()`.
            about: another object than last time makes a job that is over start anew.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and (job.running or (not job.failed and not job.cancelled and job.about is about)):
                return job
            self._jobs[key] = started = Job(work, about=about)
            self._jobs.move_to_end(key)
            over = [old for old, job in self._jobs.items() if not job.running]
            for old in over[: max(0, len(self._jobs) - _KEPT)]:
                del self._jobs[old]
            return started

    def cancel_all(self) -> None:
        """End them all and wait until they have."""
        with self._lock:
            jobs, self._jobs = list(self._jobs.values()), OrderedDict()
        for job in jobs:
            job.cancel()
        for job in jobs:
            job.wait(60)


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The jobs of this server."""
    return Jobs()
