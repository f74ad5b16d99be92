"""Runs as processes: how they stand, who owns them, how they end and go on."""

import contextlib
import errno
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from har_core import runs, trash
from har_core.__main__ import main
from har_core.config import AugmentConfig, ClipSpec, NetworkConfig, TrainConfig
from har_core.errors import RunError
from har_core.events import Ended, EpochEnded, Event, Failed, Noticed, Prepared, Started, Stepped, Tail, encode
from har_core.runs import Run, locked

BEGUN = Started(0.0, 1, 4, "cpu", "fp32", "none", ("a", "b"), 8, 4, 3.0, 5.0)
HALF = '{"event": "EpochEnded", "epoch": 2, "train_lo'


def epoch(number: int, accuracy: float = 0.5) -> EpochEnded:
    return EpochEnded(number, 0.7, 0.5, 0.6, accuracy, 0.0, 1e-3, 1.2, False, True)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runs.create(TrainConfig(dataset="clips"), tmp_path / "runs" / "one")


def write(run: Run, *events: Event, after: str = "") -> None:
    run.events_path.write_text("".join(map(encode, events)) + after, "utf-8")


@contextlib.contextmanager
def held(run: Run) -> Iterator[None]:
    """Somebody holds the lock."""
    with (run.folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wait_for(what: Callable[[], object], run: Run, *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"nothing happened; {run.status()}: {run.log()}"
        time.sleep(0.02)


# --- how a run stands ---------------------------------------------------------------------------------------


def test_a_new_run(run: Run) -> None:
    assert run.status() == "new" and not run.alive()
    assert run.name == "one" and run.config() == TrainConfig(dataset="clips")
    assert run.events() == [] and run.epochs() == [] and run.log() == ""


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([BEGUN, epoch(1), Ended("epochs", 1, 0.5)], "finished"),
        ([BEGUN, epoch(1), Ended("early stopping", 1, 0.5)], "finished"),
        ([BEGUN, epoch(1), Ended("stopped", 1, 0.5)], "stopped"),
        ([BEGUN, Failed("no")], "failed"),
        ([BEGUN, epoch(1)], "crashed"),
        ([BEGUN, Ended("stopped", 0, 0.0), BEGUN, epoch(1)], "crashed"),
        ([BEGUN, Failed("no"), BEGUN, Ended("epochs", 1, 0.5)], "finished"),
        ([Prepared(0, 9), Noticed("a clip is left out")], "crashed"),
        ([], "crashed"),
    ],
)
@pytest.mark.parametrize("after", ["", HALF])
def test_status_of_a_run_that_is_not_alive(run: Run, events: list[Event], status: str, after: str) -> None:
    (run.folder / "lock").write_text("1")  # it has been started
    write(run, *events, after=after)
    assert run.status() == status
    assert run.status(run.events()) == status
    with held(run):
        assert run.status() == "running"


def test_a_run_that_died_with_words_but_no_event_crashed(run: Run) -> None:
    (run.folder / "lock").touch()
    (run.folder / "stderr.txt").write_text("ImportError: no torch\n")
    assert run.status() == "crashed"
    assert run.log() == "ImportError: no torch"


def test_a_run_that_ended_after_its_events_were_read(run: Run) -> None:
    write(run, BEGUN)
    events = run.events()
    write(run, BEGUN, Ended("epochs", 1, 0.5))
    assert run.status(events) == "finished"


def test_a_run_that_was_ended_by_force_is_stopped(run: Run) -> None:
    write(run, BEGUN, epoch(1))
    (run.folder / "stop").touch()
    assert run.status() == "stopped"


def test_a_repeated_epoch_counts_once_as_it_went_last(run: Run) -> None:
    write(run, BEGUN, epoch(1), epoch(2, 0.1), BEGUN, epoch(2, 0.9), after=HALF)
    assert [(e.epoch, e.validation_accuracy) for e in run.epochs()] == [(1, 0.5), (2, 0.9)]


def test_followers_wait_for_the_end_of_a_line(run: Run) -> None:
    tail = Tail(run.events_path)
    write(run, BEGUN, after=HALF)
    assert tail.read() == [BEGUN] == run.events()
    with run.events_path.open("a") as story:
        story.write('ss": 1}\n' + encode(epoch(2)))  # the half line turns out damaged
    assert tail.read() == [epoch(2)]
    assert tail.read() == []


def test_the_log_is_its_last_lines(run: Run) -> None:
    (run.folder / "stderr.txt").write_text("\n".join(f"line {i}" for i in range(5000)))
    assert run.log(3).splitlines() == ["line 4997", "line 4998", "line 4999"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"epochs": 0}', '{"colour": 1}'])
def test_a_damaged_config(run: Run, text: str) -> None:
    (run.folder / "config.json").write_text(text)
    with pytest.raises(RunError, match="config"):
        run.config()
    (run.folder / "config.json").unlink()
    with pytest.raises(RunError, match="config"):
        run.config()


# --- making, listing, deleting ------------------------------------------------------------------------------


def test_create_refuses_to_overwrite(run: Run) -> None:
    """One that got somewhere or is on its way; what failed before its first epoch may be begun anew."""
    again = TrainConfig(epochs=3)
    with pytest.raises(RunError, match="already holds a run"):
        runs.create(again, run.folder)  # it may be about to begin
    with held(run), pytest.raises(RunError, match="already holds a run"):
        runs.create(again, run.folder)
    write(run, BEGUN, epoch(1))
    with pytest.raises(RunError, match="already holds a run"):
        runs.create(again, run.folder)
    assert run.config().epochs == TrainConfig().epochs and run.epochs()
    write(run, BEGUN, Failed("no"))
    assert runs.create(again, run.folder).config().epochs == 3
    assert run.events() == []


def at_once(act: Callable[[int], None], number: int = 4) -> None:
    barrier = threading.Barrier(number)

    def wait_and_act(own: int) -> None:
        barrier.wait()
        act(own)

    threads = [threading.Thread(target=wait_and_act, args=(own,)) for own in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("attempt", range(10))
def test_of_several_that_create_the_same_run_one_succeeds(tmp_path: Path, attempt: int) -> None:
    made: list[int] = []

    def create(seed: int) -> None:
        with contextlib.suppress(RunError):
            runs.create(TrainConfig(seed=seed), tmp_path / "run")
            made.append(seed)

    at_once(create)
    assert len(made) == 1
    assert Run(tmp_path / "run").config().seed == made[0]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_several_that_start_in_the_same_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[Run] = []
    monkeypatch.setattr(runs, "launch", lambda run, *command: launched.append(run))
    clips = tmp_path / "clips"
    clips.mkdir()
    at_once(lambda seed: launched.append(runs.start(TrainConfig(dataset=str(clips), seed=seed), tmp_path / "runs")))
    assert len(set(launched)) == 4
    assert {run.config().seed for run in launched} == {0, 1, 2, 3}


def test_create_on_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory card or a USB stick."""

    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    made = runs.create(TrainConfig(seed=7), tmp_path / "run")
    assert made.config().seed == 7
    with pytest.raises(RunError, match="already holds a run"):
        runs.create(TrainConfig(), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_create_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="cannot be written"):
            runs.create(TrainConfig(), folder)
    (tmp_path / "clips").mkdir()
    with pytest.raises(RunError, match="cannot be written"):
        runs.start(TrainConfig(dataset=str(tmp_path / "clips")), tmp_path / "file" / "runs")


def test_start_names_runs_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[Run] = []
    monkeypatch.setattr(runs, "launch", lambda run, *command: launched.append(run))
    (tmp_path / "clips").mkdir()
    config = TrainConfig(dataset=str(tmp_path / "clips"))
    made = [runs.start(config, tmp_path / "runs", name="../my clips/걷기") for _ in range(3)]
    assert launched == made and len({run.folder for run in made}) == 3
    assert all(run.folder.parent == tmp_path / "runs" and "걷기" in run.name for run in made)
    assert set(runs.all_runs(tmp_path / "runs")) == set(made)
    with pytest.raises(RunError, match="none"):
        runs.start(TrainConfig(dataset=str(tmp_path / "gone")), tmp_path / "runs")
    assert len(runs.all_runs(tmp_path / "runs")) == 3


def test_all_runs_newest_first(tmp_path: Path) -> None:
    assert runs.all_runs(tmp_path / "none") == []
    for name in ("20260101-b", "20260202-a", "20251231-c"):
        runs.create(TrainConfig(), tmp_path / name)
    (tmp_path / "20270101-other").mkdir()
    assert [run.name for run in runs.all_runs(tmp_path)] == ["20260202-a", "20260101-b", "20251231-c"]


def test_delete_refuses_a_running_one(run: Run) -> None:
    with held(run), pytest.raises(RunError, match="Stop"):
        trash.delete(run)
    assert run.folder.exists()
    trash.delete(run)
    assert not run.folder.exists()


def test_resume_refuses(run: Run) -> None:
    with held(run), pytest.raises(RunError, match="running"):
        run.resume()
    write(run, BEGUN, Ended("epochs", 1, 0.5))
    with pytest.raises(RunError, match="finished"):
        run.resume()


# --- owning and ending --------------------------------------------------------------------------------------


def test_two_trainers_on_one_run_are_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(run):
        assert run.alive() and run.status() == "running"
        with pytest.raises(RunError, match="already"), locked(run):
            pass
        assert main(["train", "--run", str(run.folder)]) == 1
    assert "being trained by another process" in capsys.readouterr().err
    assert not run.alive()


def test_viewers_do_not_keep_a_trainer_out(run: Run) -> None:
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            run.alive()

    viewers = [threading.Thread(target=look) for _ in range(3)]
    for viewer in viewers:
        viewer.start()
    try:
        for _ in range(30):
            with locked(run):
                assert run.alive()
    finally:
        over.set()
        for viewer in viewers:
            viewer.join()
    assert not run.alive()


@pytest.mark.parametrize("how", ["file", signal.SIGTERM, signal.SIGINT])
def test_a_trainer_is_asked_to_stop(run: Run, how: str | signal.Signals) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    (run.folder / "stop").touch()  # of an earlier time
    with locked(run) as stopped:
        assert not stopped()
        if isinstance(how, signal.Signals):
            os.kill(os.getpid(), how)
        else:
            (run.folder / "stop").touch()
        assert stopped()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


STUBBORN = """
import fcntl, os, signal, sys, time
lock = open(sys.argv[1] + "/lock", "a+")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.truncate(0)
lock.write(str(os.getpid()))
lock.flush()
for kind in sys.argv[2:]:
    signal.signal(int(kind), signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def stubborn(run: Run, *ignored: signal.Signals, leader: bool = True) -> Iterator[subprocess.Popen[str]]:
    """A process that owns the run and takes no notice of its stop file."""
    child = subprocess.Popen(
        [sys.executable, "-c", STUBBORN, str(run.folder), *(str(int(kind)) for kind in ignored)],
        stdout=subprocess.PIPE, text=True, start_new_session=leader,
    )  # fmt: skip
    try:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.mark.parametrize("leader", [True, False], ids=["as the app starts it", "from a script"])
def test_stop_ends_a_run_that_does_not_look(run: Run, leader: bool) -> None:
    write(run, BEGUN, epoch(1))
    with stubborn(run, leader=leader) as child:
        assert run.status() == "running"
        run.stop(patience=0.1)
        assert child.wait(5) == -signal.SIGTERM
    assert run.status() == "stopped"


def test_stop_ends_a_run_that_ignores_signals(run: Run) -> None:
    with stubborn(run, signal.SIGTERM) as child:
        run.stop(patience=0.1)
        assert child.wait(5) == -signal.SIGKILL
    assert run.status() == "stopped"


def test_stopping_a_run_that_is_not_alive_does_nothing(run: Run) -> None:
    write(run, BEGUN, Ended("epochs", 1, 0.5))
    run.stop()
    assert run.status() == "finished" and not (run.folder / "stop").exists()


# --- the real thing -----------------------------------------------------------------------------------------


def test_killed_resumed_stopped_and_finished(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run through all that can happen to it; nothing that an epoch reached is lost."""
    config = TrainConfig(
        dataset=str(tiny), clip=ClipSpec(1.0, 8.0, 8, 32), network=NetworkConfig(weights="none", lstm_size=16),
        augment=AugmentConfig(0.5), epochs=7, batch_size=3, validation_groups=("g04",), precision="fp32", patience=99,
    )  # fmt: skip
    run = runs.start(config, tmp_path / "runs", name="tiny")
    assert run.status() == "running", "from its first moment on"
    wait_for(run.epochs, run)
    os.killpg(int((run.folder / "lock").read_text()), signal.SIGKILL)
    wait_for(lambda: not run.alive(), run)
    assert run.status() == "crashed"
    kept = len(run.epochs())

    run.resume()
    with pytest.raises(RunError, match="running"):
        run.resume()
    wait_for(lambda: len(run.epochs()) > kept, run)
    run.stop()
    assert run.status() == "stopped" and isinstance(run.events()[-1], Ended)
    kept = len(run.epochs())
    assert kept < 7, "the run was over before it could be stopped"

    assert main(["train", "--run", str(run.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "epochs"
    assert run.status() == "finished"
    events = run.events()
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == list(range(1, 8))
    assert sum(isinstance(event, Started) for event in events) == 3
    assert (run.best / "card.json").is_file() and not (run.folder / "last").exists()


def test_killed_at_random_moments(tiny: Path, tmp_path: Path) -> None:
    """Whatever the events said was done is gone on from, and no epoch is missing in them."""
    config = TrainConfig(
        dataset=str(tiny), clip=ClipSpec(1.0, 8.0, 8, 32), network=NetworkConfig(weights="none", lstm_size=16),
        epochs=9, batch_size=3, validation_groups=("g04",), precision="fp32", patience=99,
    )  # fmt: skip
    run, moments = runs.start(config, tmp_path / "runs", name="tiny"), random.Random(5)
    for _ in range(3):
        before = len(run.epochs())
        wait_for(lambda before=before: len(run.epochs()) > before, run)  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.5))  # no wait for a state: it is to be any state
        os.killpg(int((run.folder / "lock").read_text()), signal.SIGKILL)
        wait_for(lambda: not run.alive(), run)
        said = [epoch.epoch for epoch in run.epochs()]
        assert said == list(range(1, len(said) + 1))
        if run.status() == "finished":
            break
        run.resume()
        starts = sum(isinstance(event, Started) for event in run.events())
        wait_for(lambda n=starts: sum(isinstance(e, Started) for e in run.events()) > n, run)  # type: ignore[misc]
        events = run.events()
        begun = [event.epoch for event in events if isinstance(event, Started)][-1]
        assert begun in (len(said) + 1, len(said) + 2), "what was kept, said or not, is not learnt again"
    wait_for(lambda: not run.alive(), run)
    assert run.status() == "finished"
    assert [event.epoch for event in run.events() if isinstance(event, EpochEnded)] == list(range(1, 10))


def test_milestones_are_all_events_but_the_steps(tmp_path: Path) -> None:
    run = runs.create(TrainConfig(), tmp_path / "run")
    assert run.milestones() == []
    told = [Stepped(1, 1, 2, 0.5, 3.0), Noticed("a, b"), Ended("stopped", 0, 0.0)]
    run.events_path.write_text("".join(map(encode, told)) + '{"event": "Noti', encoding="utf-8")
    assert run.milestones() == told[1:] and run.events() == told
