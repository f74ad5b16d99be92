"""`predict` as a whole: folders, several at once, timelines, and every file that it writes."""

import contextlib
import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from har_core import PROJECT, annotate, detection, predict_commands, video
from har_core import __main__ as command_line

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = command_line.main(["predict", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch, bright: Any) -> Any:
    monkeypatch.setattr(detection, "load", lambda *_: bright)
    return bright


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_folders_are_walked_in_order_several_at_once(run: Run, tiny: Path, tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "films")
    (tmp_path / "films" / "notes.txt").write_text("no film")
    (tmp_path / "films" / ".hidden.mp4").write_text("no film")
    (tmp_path / "films" / "broken.mp4").write_text("no film")
    for workers in (1, 3):
        code, out, err = run(tmp_path / "films", "--model", tiny_model, "--json", "--workers", workers)
        answers = json.loads(out)
        names = [Path(answer["clip"]).name for answer in answers]
        assert code == 1 and names[0] == "broken.mp4" and names[1:] == sorted(p.name for p in tiny.rglob("*.mp4"))
        assert "error" in answers[0] and all(a["top"][0]["action"] in a["clip"] for a in answers[1:])
        assert len(err.splitlines()) == 1
    (tmp_path / "empty").mkdir()
    code, _, err = run(tmp_path / "empty", "--model", tiny_model)
    assert code == 1 and "videos in it" in err


def test_a_timeline(run: Run, finder: Any, tiny: Path, tiny_model: Path) -> None:
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    code, out, _ = run(clip, "--model", tiny_model, "--timeline", "--people", "--json")
    (answer,) = json.loads(out)
    assert code == 0 and answer["timeline"][0]["action"] == answer["top"][0]["action"]
    assert [who["id"] for who in answer["people"]] == [1] and answer["people"][0]["timeline"]
    code, out, _ = run(clip, "--model", tiny_model, "--timeline", "--people", "--top", "1")
    lines = out.splitlines()
    assert any(line.startswith("whole picture\t0.0-1.0 s\t") for line in lines)
    assert any(line.startswith("person 1\t") for line in lines)


def test_every_file(run: Run, finder: Any, tiny: Path, tiny_model: Path, here: Path) -> None:
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    code, out, err = run(
        clip, "--model", tiny_model, "--people", "--json", "--video", "drawn.mp4", "--vtt", "a.vtt", "--csv", "b.csv",
        "--elan", "c.eaf", "--label-studio", "d.json",
    )  # fmt: skip
    assert code == 0 and json.loads(out)[0]["people"] and len(err.splitlines()) == 2
    assert sorted(p.name for p in here.iterdir()) == ["a.vtt", "b.csv", "c.eaf", "d.json", "d.xml", "drawn.mp4"]
    assert video.browsers_play(here / "drawn.mp4") and (here / "a.vtt").read_text().startswith("WEBVTT\n")
    rows = list(csv.DictReader((here / "b.csv").open(newline="")))
    assert {row["person"] for row in rows} == {"", "1"} and rows[0]["video"] == clip.name
    tiers = ElementTree.parse(here / "c.eaf").iter("TIER")
    assert [tier.attrib["TIER_ID"] for tier in tiers] == ["Whole picture", "Person 1"]
    assert json.loads((here / "d.json").read_text())[0]["data"]["video"] == f"/data/local-files/?d=videos/{clip.name}"
    assert "d.xml" in err and "Labeling Interface" in err
    labels = {label.attrib["value"] for label in ElementTree.parse(here / "d.xml").iter("Label")}
    assert "rise" in labels


def test_where_label_studio_finds_the_videos(run: Run, tiny: Path, tiny_model: Path, here: Path) -> None:
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    address = "https://videos.example/films/"
    code, _, _ = run(clip, "--model", tiny_model, "--label-studio", "d.json", "--videos-at", address)
    assert code == 0 and json.loads((here / "d.json").read_text())[0]["data"]["video"] == address + clip.name
    (here / "e.xml").symlink_to(clip)
    code, _, err = run(here / "e.xml", "--model", tiny_model, "--label-studio", "e.json")
    assert code == 1 and "would write over the video" in err and (here / "e.xml").is_symlink()


@contextlib.contextmanager
def no_room() -> Iterator[None]:
    """No file takes a byte more, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["csv", "vtt", "elan", "label-studio", "video"])
def test_what_cannot_be_written_costs_the_file_and_not_the_answer(
    run: Run, tiny: Path, tiny_model: Path, here: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, writes in ((predict_commands, "_write"), (annotate, "annotate")):
        monkeypatch.setattr(module, writes, no_room()(getattr(module, writes)))
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    name = {"csv": "a.csv", "vtt": "a.vtt", "elan": "a.eaf", "label-studio": "a.json", "video": "a.mp4"}[kind]
    (here / name).write_text("from before")
    code, out, err = run(clip, "--model", tiny_model, "--timeline", f"--{kind}", name)
    assert code == 1 and len(err.splitlines()) == 1
    assert f"{name} cannot be written: File too large. Make room" in err
    assert "whole picture" in out and out.startswith(f"{clip}\t")
    assert {p.name: p.read_text() for p in here.iterdir()} == {name: "from before"}


def test_a_full_standard_output_is_one_sentence(tiny: Path, tiny_model: Path) -> None:
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    # Without PYTHONUNBUFFERED what is printed waits until the end.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    for flags in ((), ("--json",)):
        with Path("/dev/full").open("w") as full:
            command = [sys.executable, "-m", "har_core", "predict", str(clip), "--model", str(tiny_model), *flags]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=PROJECT, env=plain)
        assert done.returncode == 1
        assert done.stderr == "har_core: The output cannot be written: No space left on device. Make room there.\n"


def test_bare_flags_name_the_files(run: Run, tiny: Path, tiny_model: Path, here: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        shutil.copy(tiny / "rise" / "v_rise_g04_c01.mp4", tmp_path / folder / "film.mp4")
    code, _, _ = run(
        tmp_path / "one", tmp_path / "two", "--model", tiny_model, "--video", "--vtt", "--csv", "--elan", "out"
    )
    assert code == 0
    assert sorted(str(p.relative_to(here)) for p in here.rglob("*.*")) == sorted([
        "film-drawn-2.mp4", "film-drawn.mp4", "film-2.vtt", "film.vtt", "out/film-2.eaf", "out/film.eaf",
        "predictions.csv",
    ])  # fmt: skip


def test_what_would_be_written_over_is_refused(run: Run, tiny: Path, tiny_model: Path, here: Path) -> None:
    source = here / "film.mp4"
    shutil.copy(tiny / "rise" / "v_rise_g04_c01.mp4", source)
    before = source.read_bytes()
    (here / "same.mp4").hardlink_to(source)
    (here / "film.vtt").write_text("my own subtitles")
    os.mkfifo(here / "pipe.csv")
    for arguments, said in (
        ((source, "--video", here / "same.mp4"), "write over the video"),
        ((source, "--vtt"), "own work"),
        ((source, "--csv", "pipe.csv"), "to write to"),
        ((source, "--csv", "/dev/null"), "to write to"),
        ((source, "--video", source), "write over"),
        ((source, "--vtt", source), "videos first"),
        ((source, "--csv", "a.mp4"), "videos first"),
        ((source, source, "--video", "one.mp4"), "folder"),
        ((source, "--vtt", "none/a.vtt"), "is there"),
        ((source, "--workers", "0"), "--workers"),
    ):
        code, out, err = run(*arguments, "--model", tiny_model)
        assert code == 1 and not out and said in err and len(err.splitlines()) == 1, err
    assert source.read_bytes() == before and (here / "film.vtt").read_text() == "my own subtitles"
    assert sorted(p.name for p in here.iterdir()) == ["film.mp4", "film.vtt", "pipe.csv", "same.mp4"]
    assert run(source, "--vtt", "film.vtt", "--model", tiny_model)[0] == 0  # named, so it is meant
    assert (here / "film.vtt").read_text().startswith("WEBVTT")


def test_a_broken_file_among_others_costs_itself_only(
    run: Run, tiny: Path, tiny_model: Path, here: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.mp4").write_text("no film")
    good = tiny / "slide" / "v_slide_g04_c01.mp4"
    code, out, err = run(
        tmp_path / "broken.mp4", good, "--model", tiny_model, "--timeline", "--csv", "--vtt", "--workers", "2", "--top",
        "1",
    )  # fmt: skip
    assert code == 1 and "broken.mp4" in err and len(err.splitlines()) == 1
    assert "slide" in out and [row["video"] for row in csv.DictReader((here / "predictions.csv").open())] == [good.name]
    assert sorted(p.name for p in here.iterdir()) == ["predictions.csv", "v_slide_g04_c01.vtt"]


def test_file_names_may_be_long_and_no_text(tiny: Path, tiny_model: Path, here: Path, tmp_path: Path) -> None:
    good, films = tiny / "slide" / "v_slide_g04_c01.mp4", tmp_path / "films"
    films.mkdir()
    names = [b"caf\xe9.mp4", b"x" * 251 + b".mp4", b"=1+1.mp4", b"two\nlines.mp4"]
    for name in names:
        shutil.copyfile(good, os.path.join(os.fsencode(films), name))  # noqa: PTH118  # bytes are no Path
    command = [sys.executable, "-m", "har_core", "predict", str(films), "--model", str(tiny_model)]
    kinds = [f"--{kind}={here}" for kind in ("csv", "label-studio", "vtt", "elan")]
    root = Path(command_line.__file__).parents[1]
    done = subprocess.run([*command, *kinds], cwd=root, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr and b"caf" in done.stdout, done.stderr.decode()
    rows = list(csv.DictReader((here / "predictions.csv").open(newline="")))
    assert {row["video"] for row in rows} == {"caf?.mp4", "x" * 251 + ".mp4", "'=1+1.mp4", "two\nlines.mp4"}
    assert len(json.loads((here / "predictions.json").read_text())) == 4
    assert len(list(here.glob("*.vtt"))) == len(list(here.glob("*.eaf"))) == 4
    assert not list(here.glob(".*"))


def test_ctrl_c_leaves_nothing(tiny_model: Path, here: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    grey = np.full((48, 64, 3), 90, np.uint8)
    video.write(path, (grey for _ in range(12_000)), frames_per_second=20)
    child = subprocess.Popen(
        [sys.executable, "-m", "har_core", "predict", str(path), "--model", str(tiny_model), "--video", str(here),
         "--vtt", str(here), "--csv", str(here)],
        cwd=Path(command_line.__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell makes what it runs in the background deaf to Ctrl-C, and so these tests and their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not any(here.glob(".*drawn*")):  # drawing has begun
            assert child.poll() is None and time.monotonic() < deadline, child.communicate()
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 130 and not out and "Traceback" not in err
    assert not list(here.iterdir())


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["predict", "--help"])
    said = capsys.readouterr().out
    assert "examples:" in said and "--timeline --people" in said and "--label-studio" in said
