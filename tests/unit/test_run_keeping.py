"""What users do with runs: name them, delete and take them back, give them away; and how runs take turns."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from har_core import PROJECT, checkpoint, notes, runs, transfer, trash, turns
from har_core.config import TrainConfig
from har_core.errors import RunError
from har_core.events import Ended, Started, Waiting
from har_core.notes import Notes
from har_core.runs import Run
from har_core.ui.runs_table import differences, verdict


def until(holds: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


@pytest.fixture
def trained(tmp_path: Path, tiny_model: Path) -> Run:
    """A run with a model, as a trainer leaves it."""
    run = runs.create(TrainConfig(dataset="/clips/몇 개"), tmp_path / "runs" / "20260101-000000-tiny")
    network, card = checkpoint.load(tiny_model)
    checkpoint.save(run.best, network, card)
    return run


@pytest.mark.parametrize("told", ["[" * 100_000, "[]", '{"title": 3}', '{"titel": "x"}', '{"star": "yes"}', "\0"])
def test_damaged_notes_say_nothing(tmp_path: Path, told: str) -> None:
    (tmp_path / "notes.json").write_text(told)
    assert notes.read(tmp_path) == Notes()


def test_foreign_notes_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text(json.dumps({"title": "a\ud800\n" + "b" * 99, "note": "\udc00" * 9999}))
    found = notes.read(tmp_path)
    assert found.title == "a? " + "b" * 77 and found.note == "?" * 2000


def test_notes_come_back_as_they_were_said(trained: Run) -> None:
    assert notes.read(trained.folder) == Notes()
    notes.write(trained.folder, Notes(" my\n best ", "tried more dropout\n", True))
    assert notes.read(trained.folder) == Notes("my best", "tried more dropout", True)
    with pytest.raises(RunError, match="80 letters"):
        notes.write(trained.folder, Notes("x" * 81))
    assert notes.read(trained.folder).title == "my best" and not list(trained.folder.glob("*.part"))


@pytest.mark.parametrize("told", ["", "[]", "{", '{"title": 1}', '{"star": "yes"}', '{"other": 1}', "[" * 9999])
def test_damaged_notes_are_none(trained: Run, told: str) -> None:
    (trained.folder / "notes.json").write_text(told)
    assert notes.read(trained.folder) == Notes()


def test_a_deleted_run_can_be_taken_back(trained: Run) -> None:
    root, name = trained.folder.parent, trained.name
    gone = trash.delete(trained)
    assert runs.all_runs(root) == [] and trash.deleted(root) == [gone] and gone.name == name
    runs.create(TrainConfig(), root / name)  # meanwhile another one took the name
    back = trash.restore(gone)
    assert back.name == f"{name}-2" and (back.best / "card.json").is_file() and not trash.deleted(root)
    with pytest.raises(RunError, match="cannot be taken back"):
        trash.restore(gone)


def test_the_trash_forgets_after_thirty_days_or_when_emptied(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trained.folder.parent
    trash.delete(trained)
    monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9 + 31 * 86_400)
    assert trash.deleted(root) == [] and not list((root / ".trash").iterdir())
    (root / ".trash" / "no number").mkdir()
    assert trash.deleted(root) == []
    trash.empty(root)
    assert not (root / ".trash").exists()


def test_a_run_travels_as_a_file(trained: Run, tmp_path: Path) -> None:
    notes.write(trained.folder, Notes("travels", star=True))
    (trained.folder / "stderr.txt").write_text("not for others")
    file = transfer.pack(trained, tmp_path / "out" / "run.zip")
    with zipfile.ZipFile(file) as archive:
        assert set(archive.namelist()) == {"config.json", "notes.json", "best/card.json", "best/weights.safetensors"}
    here = transfer.bring(file, tmp_path / "elsewhere")
    assert notes.read(here.folder).title == "travels" and here.config() == trained.config()
    assert checkpoint.load(here.best)[1].classes == checkpoint.load(trained.best)[1].classes
    assert transfer.bring(file, tmp_path / "elsewhere").name != here.name
    assert [p.name for p in (tmp_path / "elsewhere").iterdir() if p.name.startswith(".")] == []


def test_what_a_killed_import_left_is_swept_away(trained: Run, tmp_path: Path) -> None:
    file, root = transfer.pack(trained, tmp_path / "run.zip"), tmp_path / "elsewhere"
    for name in (".import-old", ".import-new"):
        (root / name / "there").mkdir(parents=True)
    os.utime(root / ".import-old", (0, 0))
    here = transfer.bring(file, root)
    assert sorted(path.name for path in root.iterdir()) == [".import-new", here.name] and runs.all_runs(root) == [here]


def hostile(trained: Run, path: Path, change: dict[str, bytes | None]) -> Path:
    files = {p.relative_to(trained.folder).as_posix(): p.read_bytes() for p in trained.folder.rglob("*") if p.is_file()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, **change}.items():
            if content is not None:
                archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"best/weights.safetensors": None}, "holds best/weights.safetensors"),
        ({"best/weights.safetensors": b"\x80\x04cposix\nsystem\n."}, "cannot be used"),
        ({"best/card.json": b"{}"}, "cannot be used"),
        ({"best/card.json": b'{"classes": ["a", NaN]}'}, "cannot be used"),
        ({"config.json": b'{"epochs": 1e999}'}, "cannot be read"),
        ({"config.json": b'{"unknown": 1}'}, "cannot be read"),
        ({"../outside": b"x"}, "exported here"),
        ({f"more-{i}": b"" for i in range(40)}, "exported here"),
    ],
)
def test_a_hostile_run_is_refused_whole(
    trained: Run, tmp_path: Path, change: dict[str, bytes | None], said: str
) -> None:
    with pytest.raises(RunError, match=said):
        transfer.bring(hostile(trained, tmp_path / "bad.zip", change), tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere").iterdir()) == [] and not (tmp_path / "outside").exists()


def test_no_model_no_export_and_no_archive_no_import(tmp_path: Path) -> None:
    run = runs.create(TrainConfig(), tmp_path / "runs" / "new")
    with pytest.raises(RunError, match="no model yet"):
        transfer.pack(run, tmp_path / "run.zip")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(RunError, match="exported here"):
        transfer.bring(tmp_path / "text.zip", tmp_path / "elsewhere")


def test_runs_take_turns_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    order: list[str] = []
    with turns.ticket(tmp_path / "turns", "first") as none_before:
        assert none_before() == []
        with turns.ticket(tmp_path / "turns", "second") as before, turns.ticket(tmp_path / "turns", "third") as both:
            assert before() == ["first"] and both() == ["first", "second"]
            told: list[tuple[str, int]] = []
            asked = threading.Event()
            worker = threading.Thread(
                target=lambda: order.append(
                    str(turns.wait(both, tmp_path, stopped=asked.is_set, tell=lambda who, n: told.append((who, n))))
                )
            )
            worker.start()
            until(lambda: told == [("first", 2)])
            asked.set()
            worker.join(30)
            assert order == ["False"]
            (tmp_path / "now").touch()
            assert turns.wait(both, tmp_path, stopped=lambda: False, tell=lambda who, n: None)
    assert list((tmp_path / "turns").iterdir()) == []


def test_a_killed_process_frees_its_turn(tmp_path: Path) -> None:
    code = ("import sys, time; from pathlib import Path; from har_core import turns\n"
            "with turns.ticket(Path(sys.argv[1]), 'killed'): print('held', flush=True); time.sleep(600)")  # fmt: skip
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "turns")], cwd=PROJECT, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with turns.ticket(tmp_path / "turns", "next") as before:
        assert before() == ["killed"]
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(30)
        assert before() == [] and len(list((tmp_path / "turns").iterdir())) == 1


def test_nobody_waits_where_no_line_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "turns").write_text("a file")
    with turns.ticket(tmp_path / "turns", "alone") as before:
        assert before() == []


def test_two_started_runs_wait_for_each_other(tiny: Path, own_workspace: Path) -> None:
    config = TrainConfig.from_json({"dataset": str(tiny), "epochs": 1, "size": 32, "network": {"weights": "none"}})
    with turns.ticket(own_workspace / "cache" / "turns", "somebody") as _:
        run = runs.start(config, own_workspace / "runs")
        other = runs.start(config, own_workspace / "runs")
        until(lambda: any(isinstance(e, Waiting) for e in run.events()) and len(other.events()) > 0)
        assert run.status() == "running" and not any(isinstance(e, Started) for e in run.events())
        other.stop()
        assert other.status() == "stopped" and isinstance(other.events()[-1], Ended)
    until(lambda: run.status() == "finished")


def test_a_comparison_says_what_can_be_chance() -> None:
    from har_core.events import EpochEnded

    def best(accuracy: float) -> list[EpochEnded]:
        return [EpochEnded(1, 1.0, 0.5, 1.0, accuracy, 0.0, 1e-3, 1.0, True, True)]

    assert "cannot tell" in verdict({"a": best(0.8), "b": best(0.7)}, {"a": 20, "b": 20})
    assert "not by chance" in verdict({"a": best(0.9), "b": best(0.3)}, {"a": 200, "b": 200})
    assert "level" in verdict({"a": best(0.5), "b": best(0.5)}, {"a": 9, "b": 9})
    assert "Only one" in verdict({"a": best(0.5), "b": []}, {"a": 9, "b": 0})
    assert "same clips or labels" in verdict({"a": best(0.9), "b": best(0.3)}, {"a": 200, "b": 190}, alike=False)
    one, two = (TrainConfig(dataset="d", epochs=n).to_json() for n in (1, 2))
    assert differences({"x": one, "y": two}) == {"epochs": {"x": 1, "y": 2}}
    assert json.dumps(differences({"x": one, "y": one})) == "{}"
