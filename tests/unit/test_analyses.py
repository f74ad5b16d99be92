"""Analyses as folders, their queue, and the attendant that does them in a child with limits."""

import errno
import fcntl
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from har_core import PROJECT, analyses, attendant, discarded, intake, machine
from har_core.analyses import Request, State, Task
from har_core.attendant import Child, Limits
from har_core.errors import VideoError
from har_core.locks import held

ANN, BOB = "a" * 32, "b" * 32
LIMITS = Limits(memory=4 << 30, silence=60.0, least=60.0, each=60.0, idle=60.0)
ORDER = Request("my clip.mp4", "/models/yoga", "yoga")


def begun(root: Path, viewer: str = ANN, name: str = "my clip.mp4") -> Task:
    return intake.begin(root, viewer, Request(name, "/models/yoga", "yoga"), io.BytesIO(b"a film"))


def test_an_upload_becomes_a_folder_that_waits(tmp_path: Path) -> None:
    task = begun(tmp_path, name="../../my clip.mp4")
    assert task.folder.parent == tmp_path / "analyses" / ANN and task.viewer == ANN and task.root == tmp_path
    assert task.source().read_bytes() == b"a film" and task.source().name == "my clip.mp4"
    assert task.request().name == "../../my clip.mp4" and task.request().at > 0
    assert task.state().stage == "waiting" and analyses.places(tmp_path) == {task.folder: 0}
    assert [t.task for t in analyses.tickets(tmp_path)] == [task] == analyses.listed(tmp_path, ANN)
    assert analyses.listed(tmp_path, BOB) == []
    assert analyses.used(tmp_path, ANN) > 6


@pytest.mark.parametrize("viewer", ["", "../../etc", "A" * 32, "a" * 31, "a" * 33, "a" * 32 + "\n", "g" * 32])
def test_what_is_no_viewer_becomes_no_path(tmp_path: Path, viewer: str) -> None:
    assert not analyses.is_viewer(viewer)
    with pytest.raises(VideoError, match="32 digits"):
        begun(tmp_path, viewer)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_disk", lambda folder: 10)
    with pytest.raises(VideoError, match=r"my clip.mp4 needs .* MB of disk"):
        begun(tmp_path)
    assert analyses.listed(tmp_path, ANN) == [] and list((tmp_path / "analyses" / ANN).iterdir()) == []


def test_viewers_take_turns(tmp_path: Path) -> None:
    first, second, third = (begun(tmp_path, ANN, f"{n}.mp4") for n in "123")
    other = begun(tmp_path, BOB)
    assert [t.task for t in analyses.tickets(tmp_path)] == [first, other, second, third]
    assert list(analyses.places(tmp_path).items()) == [
        (t.folder, n) for n, t in enumerate((first, other, second, third))
    ]


def test_what_is_taken_out_of_the_queue_is_stopped_and_can_begin_again(tmp_path: Path) -> None:
    task = begun(tmp_path)
    task.stop()
    assert task.state().stage == "stopped" and analyses.tickets(tmp_path) == []
    task.ask("analyse")
    task.ask("analyse")  # twice: one ticket
    assert task.state().stage == "waiting" and len(analyses.tickets(tmp_path)) == 1


def test_who_works_on_it_holds_its_lock(tmp_path: Path) -> None:
    task = begun(tmp_path)
    (ticket,) = analyses.tickets(tmp_path)
    with analyses.claimed(ticket) as mine, analyses.claimed(ticket) as again:
        assert mine and not again and task.alive()
        task.tell(State("running", "looking", 30.0, 60.0, since=100.0, at=110.0))
        assert task.state() == State("running", "looking", 30.0, 60.0, 0.0, 100.0, 110.0) and task.state().left == 10.0
    # It said that it runs and holds no lock: it was killed.
    assert task.state().stage == "crashed" and "Start it again" in task.state().message
    with analyses.claimed(ticket) as mine:
        assert not mine  # done already by whoever held the lock


def test_damaged_files_are_no_state_and_no_answer(tmp_path: Path) -> None:
    task = begun(tmp_path)
    for text in ("", "[]", '{"stage": 7}', '{"stage": "done", "done": "x", "at": NaN, "phase": {}}', "[" * 100_000):
        (task.folder / "state.json").write_text(text)
        assert task.state().stage == "waiting" and task.state().left is None
    (task.folder / "request.json").write_text("{}")
    with pytest.raises(VideoError, match=r"request.json"):
        task.request()
    queue = analyses.queue(tmp_path)
    for name in ("x.y.z", f"1.{ANN}.nobody", "1.../..", f"2.{ANN}.a b"):
        (queue / name.replace("/", "-")).write_text("analyse")
    (queue / f"3.{ANN}.{task.name}").write_text("rm -rf")
    known = [ticket.task.name for ticket in analyses.tickets(tmp_path)]
    assert known == ["nobody", task.name] or known == [task.name, "nobody"]


def test_numbers_and_letters_that_no_page_bears_are_mended(tmp_path: Path) -> None:
    task = begun(tmp_path)
    endless = "1" + "0" * 400
    (task.folder / "state.json").write_text(f'{{"stage": "done", "done": {endless}, "message": "\\ud800 went wrong"}}')
    assert task.state().done == 0 and task.state().message == "? went wrong"
    task.answer.write_text("{}")
    told = '{"top": [["\\ud800", NUMBER]], "unsure": 0, "damage": "\\ud800", "seconds": NUMBER, "people": NUMBER}'
    for number in (endless, "NaN", "Infinity", "1e300"):
        (task.folder / "summary.json").write_text(told.replace("NUMBER", number))
        assert task.summary() == analyses.Summary((("?", 0.0),), False, "?", 0.0, 0, 0.1)
        (task.folder / "request.json").write_text(f'{{"name": "\\udcff.mp4", "model": "/m", "at": {number}}}')
        assert task.request().name == "?.mp4" and time.localtime(task.request().at)
    (task.folder / "request.json").write_text(
        '{"name": "x", "model": "/m", "at": 1e14, "source": "/films/\\udcff.mp4"}'
    )
    assert time.localtime(task.request().at) and os.fsencode(task.source()).endswith(b"/\xff.mp4")


def test_a_ticket_that_is_no_text_holds_nobody_up_and_makes_nobody_wait(tmp_path: Path) -> None:
    damaged, task = begun(tmp_path), begun(tmp_path)
    (path,) = (ticket.path for ticket in analyses.tickets(tmp_path) if ticket.task == damaged)
    damaged.tell(State("waiting", at=time.time() - 60))
    for content in (b"", b"\xff\xfe", b"rm -rf"):
        path.write_bytes(content)
        assert [ticket.task for ticket in analyses.tickets(tmp_path)] == [task]
        assert damaged.state().stage == "crashed" and "Start it again" in damaged.state().message


def test_a_long_queue_is_looked_at_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [begun(tmp_path, ANN if n % 3 else BOB, f"{n}.mp4") for n in range(30)]
    looks = []
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: looks.append(path) or iterdir(path))  # type: ignore[func-returns-value]  # meant
    assert {state.stage for state in analyses.states(tasks)} == {"waiting"} and len(looks) == 1
    assert analyses.places(tmp_path)[tasks[0].folder] == 0 and len(looks) == 2
    assert analyses.states([]) == []


def test_deleting_can_be_undone_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = begun(tmp_path)
    discarded.delete(task)
    assert analyses.listed(tmp_path, ANN) == [] and discarded.deleted(tmp_path, ANN) == [task.name]
    assert analyses.tickets(tmp_path) == [] and analyses.used(tmp_path, ANN) > 0
    with pytest.raises(VideoError, match="gone"):
        discarded.restore(tmp_path, BOB, task.name)
    assert discarded.restore(tmp_path, ANN, task.name).state().stage == "stopped"
    discarded.delete(task)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + discarded.UNDO_SECONDS + 1)
    assert discarded.deleted(tmp_path, ANN) == []
    with pytest.raises(VideoError, match="gone"):
        discarded.restore(tmp_path, ANN, task.name)


def test_where_nothing_can_be_written_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resting, waiting, gone = begun(tmp_path), begun(tmp_path), begun(tmp_path)
    resting.stop()
    waiting.tell(State("waiting", at=time.time() - 60))
    discarded.delete(gone)
    for deed in (gone.stop, lambda: gone.ask("film"), lambda: discarded.delete(gone)):
        with pytest.raises(VideoError, match="No such file"):  # another tab has deleted it
            deed()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        with pytest.raises(VideoError, match="Make room"):
            resting.ask("analyse")
        with pytest.raises(VideoError, match="Make room"):
            begun(tmp_path)
        waiting.stop()
        assert waiting.state().stage == "stopped"
        disk.setattr(Path, "touch", full)
        with pytest.raises(VideoError, match="No space"):
            resting.stop()
        discarded.delete(resting)  # which is how room is made
    assert analyses.listed(tmp_path, ANN) == [waiting] and analyses.tickets(tmp_path) == []


def test_a_clock_that_was_set_back_lets_nothing_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, other = begun(tmp_path), begun(tmp_path)
    next(t for t in analyses.tickets(tmp_path) if t.task == task).path.unlink()
    discarded.delete(other)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 1e6)
    assert task.state().stage == "crashed"
    assert discarded.deleted(tmp_path, ANN) == []  # gone within the hour, whatever the clock says


def test_what_a_killed_app_left_and_links_go_with_the_rest(tmp_path: Path) -> None:
    task = begun(tmp_path)
    half, young = (task.folder.with_name(f".{name}") for name in ("half", "young"))
    for made in (half, young):
        (made / "upload").mkdir(parents=True)
    os.utime(half, (0, 0))
    outside = tmp_path / "precious"
    outside.mkdir()
    link = task.folder.with_name("link")
    link.symlink_to(outside)
    discarded.delete(Task(link))
    trash = task.folder.parent / ".trash"
    (entry,) = trash.iterdir()
    entry.rename(trash / f"{0:020d}.link")
    assert discarded.deleted(tmp_path, ANN) == []
    assert list(trash.iterdir()) == [] and outside.is_dir() and young.is_dir() and not half.exists()


# ---- the attendant ----


def child(root: Path, body: str) -> Child:
    """A child that answers each order with `body`, which has `order`, `folder` and `say`."""
    code = (
        "import json, os, signal, sys, time\nfrom pathlib import Path\n"
        "def say(**word): print(json.dumps(word), flush=True)\n"
        "for line in sys.stdin:\n    order = json.loads(line); folder = Path(order['folder'])\n    "
    )
    return Child(root, ("-c", code + body.replace("\n", "\n    ")))


@pytest.fixture
def done(tmp_path: Path) -> Callable[..., State]:
    """Has one analysis done by a child of the given body; gives how it stands afterwards."""

    def do(body: str, limits: Limits = LIMITS, *, stop: bool = False) -> State:
        task = begun(tmp_path)
        (ticket,) = analyses.tickets(tmp_path)
        with child(tmp_path, body) as worker, analyses.claimed(ticket) as mine:
            assert mine
            if stop:
                (task.folder / "stop").touch()
            attendant._work(worker, ticket, limits)
        return task.state()

    return do


def test_an_analysis_that_goes_well(done: Callable[..., State]) -> None:
    state = done("say(phase='looking', done=1, total=2)\nsay(answered=True)\nsay(phase='filming')\nsay(end='done')")
    assert (state.stage, state.phase, state.message) == ("done", "filming", "") and state.took > 0


def test_what_the_child_says_of_a_broken_file_is_told(done: Callable[..., State]) -> None:
    state = done("say(end='failed', message='x.mp4 is no video.')")
    assert (state.stage, state.message) == ("failed", "x.mp4 is no video.")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "want of memory"),
        ("os._exit(3)", "code 3"),
        ("print('nonsense'); print('[1]'); print('{}'); sys.exit()", "code 0"),
    ],
)
def test_a_child_that_dies_costs_one_sentence(done: Callable[..., State], body: str, sentence: str) -> None:
    state = done(body)
    assert state.stage == "failed" and state.message.startswith("The analysis of my clip.mp4")
    assert sentence in state.message and state.message.count(". ") <= 2


def test_too_much_memory_ends_it(done: Callable[..., State]) -> None:
    limits = Limits(memory=150 << 20, silence=60, least=60, each=60, idle=60)
    state = done("held = b'x' * (300 << 20)\nwhile True: time.sleep(1)", limits)
    assert state.stage == "failed" and "GB of memory" in state.message


def test_silence_ends_it(done: Callable[..., State]) -> None:
    state = done("while True: time.sleep(1)", Limits(memory=4 << 30, silence=0.5, least=60, each=60, idle=60))
    assert state.stage == "failed" and "no progress" in state.message


def test_time_ends_it_even_if_it_talks(done: Callable[..., State]) -> None:
    body = "while True: say(phase='looking', done=0, total=0.01); time.sleep(0.05)"
    state = done(body, Limits(memory=4 << 30, silence=60, least=0.5, each=1.0, idle=60))
    assert state.stage == "failed" and "too long" in state.message


def test_what_does_not_stop_when_asked_is_ended(done: Callable[..., State], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendant, "_GRACE_SECONDS", 0.3)
    assert done("while True: say(phase='looking'); time.sleep(0.05)", stop=True).stage == "stopped"


def test_the_child_is_begun_anew_after_it_was_ended(tmp_path: Path) -> None:
    body = "(os._exit(1) if 'bad' in order['folder'] else say(end='done'))"
    with child(tmp_path, body) as worker:
        states = []
        for name in ("bad.mp4", "good.mp4", "fine.mp4"):
            task = begun(tmp_path, name=name)
            (ticket,) = analyses.tickets(tmp_path)
            with analyses.claimed(ticket):
                attendant._work(worker, ticket, LIMITS)
            states.append(task.state().stage)
    assert states == ["failed", "done", "done"]


def test_a_child_that_was_killed_while_idle_costs_no_answer(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    body = f"flag = Path({str(flag)!r})\nif flag.exists(): say(end='done')\nelse: flag.touch(); os.kill(os.getpid(), 9)"
    task = begun(tmp_path)
    (ticket,) = analyses.tickets(tmp_path)
    with child(tmp_path, body) as worker, analyses.claimed(ticket):
        attendant._work(worker, ticket, LIMITS)
    assert task.state().stage == "done"


def test_a_full_disk_ends_the_work_and_is_not_taken_for_the_next_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "say(phase='looking', done=1, total=2)\nif 'bad' in folder.name: time.sleep(0.5)\n"
    body += "say(end='done', message=folder.name)"
    tell = Task.tell

    def full(task: Task, state: State) -> None:
        if "bad" in task.name and state.phase == "looking" and state.stage == "running":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(task.folder))
        tell(task, state)

    monkeypatch.setattr(Task, "tell", full)
    with child(tmp_path, body) as worker:
        found = []
        for name in ("bad.mp4", "good.mp4"):
            task = begun(tmp_path, name=name)
            (ticket,) = analyses.tickets(tmp_path)
            with analyses.claimed(ticket):
                attendant._work(worker, ticket, LIMITS)
            found.append((task.name, task.state()))
    (_, bad), (good_name, good) = found
    assert bad.stage == "failed" and "No space left on device. Make room" in bad.message
    assert str(tmp_path) not in bad.message
    assert good.stage == "done" and good.message == good_name


@pytest.mark.parametrize("text", ["", "0 idle", "-1 idle", "1 busy", "nobody", "9" * 30, "\xff"])
def test_a_slot_that_tells_no_process_ends_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    slot = analyses.queue(tmp_path) / "slot-0"
    slot.parent.mkdir(parents=True)
    slot.write_bytes(text.encode("latin-1"))
    ended: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _: ended.append(group))
    now = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))  # nobody waits for what does not go
    with slot.open("r") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        attendant.close(tmp_path)
    assert ended in ([], [int("9" * 30)])


def test_a_full_disk_leaves_room_for_the_word_of_a_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = tmp_path / "slot"
    slot.write_text("")
    with slot.open("r+") as file:
        attendant._say(file, "busy")
        attendant._say(file, "idle")
        assert slot.read_text().split() == [str(os.getpid()), "idle"]
        monkeypatch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        attendant._say(file, "busy")  # a hint, no more


def test_no_process_begins_that_a_full_disk_could_not_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("it has begun"))
    with pytest.raises(VideoError, match="Make room"):
        attendant.warm(tmp_path, tmp_path / "model")
    assert not held(analyses.queue(tmp_path) / "slot-0")


def test_memory_of_a_process_and_its_children() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = b\"1\" * (50 << 20); input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 30
        while machine.tree_memory(process.pid) < 60 << 20:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.communicate(b"\n")
    assert machine.tree_memory(process.pid) == 0


def test_a_process_begins_takes_what_waits_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real thing, from the app's side: a file that is no video is told; the process goes when it is idle."""
    monkeypatch.setenv("HAR_ANALYSIS_IDLE_SECONDS", "0.5")
    task = begun(tmp_path)
    attendant.ensure(tmp_path)
    attendant.ensure(tmp_path)
    deadline = time.monotonic() + 60
    while task.state().stage in ("waiting", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert task.state().stage == "failed" and "my clip.mp4" in task.state().message
    slot = analyses.queue(tmp_path) / "slot-0"
    while held(slot):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (analyses.queue(tmp_path) / "slot-1").exists()  # one was enough


def test_closing_ends_it(tmp_path: Path) -> None:
    attendant.warm(tmp_path, tmp_path / "no model")
    slot = analyses.queue(tmp_path) / "slot-0"
    assert held(slot)
    attendant.close(tmp_path)
    assert not held(slot)


def test_nobody_else_may_start_it() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "har_core", "analyse", "."], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert child.returncode == 1 and "started by the app" in child.stderr
    text = subprocess.run(
        [sys.executable, "-m", "har_core", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert "analyse " not in text


def test_locks_are_seen_across_processes(tmp_path: Path) -> None:
    task = begun(tmp_path)
    with (task.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert task.alive()
    assert not task.alive() and json.loads((task.folder / "state.json").read_text())["stage"] == "waiting"
    assert os.path.basename(task.folder) == task.name  # noqa: PTH119  # as others read it
