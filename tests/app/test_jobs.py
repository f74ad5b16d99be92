import threading
from collections.abc import Callable

import pytest

from har_core.errors import HarError
from har_core.ui.jobs import Jobs


def counting(until: threading.Event) -> Callable[..., str]:
    def work(report: Callable[[int, int], None], cancelled: Callable[[], bool]) -> str:
        done = 0
        while not until.wait(0.001):
            done += 1
            report(done, 1000)
        return "done"

    return work


def test_viewers_share_a_job_until_it_is_for_something_else() -> None:
    jobs, enough, about = Jobs(), threading.Event(), object()
    job = jobs.start("key", counting(enough), about=about)
    assert jobs.start("key", counting(enough), about=object()) is job  # it runs: one at a time
    enough.set()
    assert job.result() == "done" and not job.running and not job.failed
    assert jobs.start("key", counting(enough), about=about) is job
    job.cancel()
    assert not job.cancelled  # what is over stays as it is
    assert jobs.start("key", counting(enough), about=object()) is not job


def test_a_cancelled_job_ends_at_its_next_report_and_starts_anew_when_asked() -> None:
    jobs, never = Jobs(), threading.Event()
    job = jobs.start("key", counting(never))
    while not job.done:
        job.wait(0.001)
    assert job.total == 1000
    job.cancel()
    assert job.wait(30) and job.cancelled and not job.failed
    with pytest.raises(HarError, match="stopped"):
        job.result()
    assert jobs.get("key") is job
    assert jobs.start("key", counting(never)) is not job
    jobs.cancel_all()
    assert jobs.get("key") is None


def test_an_error_belongs_to_who_asks() -> None:
    def fails(report: object, cancelled: object) -> None:
        raise HarError("There is nothing.")

    jobs = Jobs()
    job = jobs.start("key", fails)
    with pytest.raises(HarError, match=r"There is nothing\."):
        job.result()
    assert job.failed and jobs.start("key", fails) is not job


def test_the_oldest_that_are_over_go() -> None:
    jobs, never = Jobs(), threading.Event()
    jobs.start("runs", counting(never))
    for number in range(60):
        jobs.start(number, lambda report, cancelled: None).wait(30)
    assert jobs.get("runs") is not None and jobs.get(59) is not None and jobs.get(0) is None
    jobs.cancel_all()
