"""The command line: exit codes, one JSON document, the same numbers as the library."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from har_core import __main__ as command_line
from har_core import checkpoint, commands, example, runs, training, video, weights
from har_core.config import ClipSpec, TrainConfig
from har_core.errors import CheckpointError
from har_core.events import Ended, EpochEnded, Failed, Started, encode
from har_core.prediction import Predictor

ROOT = Path(__file__).parents[2]
COMMANDS = ("index", "train", "evaluate", "calibrate", "predict", "runs", "example", "weights", "live", "dataset")
QUICK = [
    "--size", "32", "--epochs", "2", "--weights", "none", "--precision", "fp32", "--batch-size", "6",
    "--validation-groups", "g04", "--window-seconds", "1", "--frames-per-second", "8", "--lstm-size", "8",
]  # fmt: skip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        try:
            code = command_line.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


@pytest.fixture
def document(run: Run) -> Callable[..., Any]:
    """Runs a command with --json; gives the one document on stdout."""

    def call(*arguments: object, code: int = 0) -> Any:
        ended, out, err = run(*arguments, "--json")
        assert ended == code, err
        assert out.count("\n") == 1 and out.endswith("\n"), f"not one line: {out!r}"
        return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    return call


def one_sentence(err: str) -> None:
    assert err.startswith("har_core: ") and err.count("\n") == 1 and "Traceback" not in err, err


# --- usage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    code, out, err = run(command, "--help")
    assert code == 0 and f"har_core {command}" in out and "--json" in out and not err


def test_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0 and all(command in out for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("dance",), ("index",), ("predict", "--model", "m"), ("predict", "a.mp4"), ("train", "--epochs", "many"),
        ("train", "--pooling", "max"), ("evaluate", "--model", "m", "--data", "d", "--split", "some"),
        ("runs", "--colour"), ("calibrate", "m"), ("live", "--model", "m"), ("live", "a.mp4"),
        ("live", "a", "--view", "both"), ("example",), ("weights", "fetch"), ("weights", "burn"),
    ],
)  # fmt: skip
def test_wrong_usage_is_2(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == 2 and not out and "usage: har_core" in err


@pytest.mark.usefixtures("no_detector")
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("index", "--data", "{tmp}/none"), "none"),
        (("train",), "--data"),
        (("train", "--data", "{tmp}/none"), "folder of clips"),
        (("train", "--data", "{tmp}", "--epochs", "0"), "epochs"),
        (("train", "--data", "{tmp}", "--window-seconds", "2"), "--frames-per-second"),
        (("train", "--data", "{tmp}", "--config", "{tmp}/none.json"), "--config"),
        (("train", "--data", "{tmp}/empty"), "no clips"),
        (("train", "--data", "{tmp}"), "no clips"),
        (("train", "--run", "{tmp}/none"), "config.json"),
        (("evaluate", "--model", "{tmp}", "--data", "{tmp}"), "card"),
        (("calibrate", "{tmp}", "--dataset", "{tiny}"), "card"),
        (("calibrate", "{model}", "--dataset", "{tmp}/none"), "none"),
        (("calibrate", "{model}", "--dataset", "{tiny}"), "needs 8"),
        (("calibrate", "{model}", "--dataset", "{tiny}", "--others", "{tmp}/empty"), "no video"),
        (("predict", "a.mp4", "--model", "{tmp}"), "card"),
        (("predict", "a.mp4", "--model", "{tmp}", "--top", "0"), "--top"),
        (("runs", "--stop", "nobody"), "nobody"),
        (("runs", "--resume", "nobody"), "nobody"),
        (("weights", "fetch", "yolo99"), "yolo99"),
        (("live", "a.mp4", "--model", "{tmp}"), "card"),
        (("live", "a.mp4", "--model", "{tmp}", "--confidence", "2"), "confidence"),
        (("live", "a.mp4", "--model", "{tmp}", "--seconds", "0"), "--seconds"),
        (("live", "{tmp}/none.mp4", "--model", "{model}"), "none.mp4"),
        (("live", "rtmp://127.0.0.1:9/x", "--model", "{model}"), "127.0.0.1"),
        (("live", "{tmp}/none.mp4", "--model", "{model}", "--view", "person"), "--view person needs a detector"),
        (("live", "{tmp}/none.mp4", "--model", "{model}", "--detector", "yolo11n"), "yolo11n"),
        (("predict", "a.mp4", "--model", "{model}", "--people"), "--people needs a detector"),
        (("predict", "a.mp4", "--model", "{model}", "--people", "--detector", "none"), "--people needs a detector"),
        (("train", "--data", "{tiny}", "--view", "person"), "needs a detector"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_json", [False, True])
def test_what_the_user_can_mend_is_1_and_one_sentence(
    run: Run, arguments: tuple[str, ...], word: str, as_json: bool, tmp_path: Path, tiny: Path, tiny_model: Path
) -> None:
    (tmp_path / "empty").mkdir()
    told = [argument.format(tmp=tmp_path, tiny=tiny, model=tiny_model) for argument in arguments]
    code, out, err = run(*told, *(["--json"] if as_json else []))
    assert code == 1 and not out
    assert word in err
    one_sentence("".join(line for line in err.splitlines(True) if not line.startswith("har_core: note: ")))


def test_as_a_program(tmp_path: Path, tiny: Path) -> None:
    """Started from anywhere, with its output cut off: neither a traceback nor a word on stdout beside the document."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "har_core"]
    done = subprocess.run([*call, "index", "--data", str(tiny), "--json"], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert len(json.loads(done.stdout)["clips"]) == 12 and not done.stderr
    cut = subprocess.run(f"{sys.executable} -m har_core index --data '{tiny}' | true; exit ${{PIPESTATUS[0]}}",
                         shell=True, executable="/bin/bash", cwd=tmp_path, env=environment,
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert cut.returncode == 0 and not cut.stderr


# --- index, predict, evaluate -------------------------------------------------------------------------------


def test_index(run: Run, document: Callable[..., Any], tiny: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny, tmp_path / "clips")
    (root / "rise" / "broken_g01_.mp4").write_text("no film")
    found = document("index", "--data", root)
    assert set(found) == {"layout", "actions", "groups", "notes", "fingerprint", "version", "excluded", "ambiguous",
                          "clips", "skipped"}  # fmt: skip
    assert found["actions"] == ["blink", "rise", "slide"] and found["groups"] == ["g01", "g02", "g03", "g04"]
    assert len(found["clips"]) == 12 and found["clips"][0]["seconds"] == pytest.approx(1.0)
    assert found["skipped"][0]["clip"] == "rise/broken_g01_.mp4"
    code, out, _ = run("index", "--data", root)
    assert code == 0 and "12 clips, 4 groups" in out and "skipped rise/broken_g01_.mp4" in out


def test_predict_keeps_the_order_and_says_what_failed(
    run: Run, document: Callable[..., Any], tiny: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.mp4").write_text("no film")
    clips = [tiny / "slide" / "v_slide_g04_c01.mp4", tmp_path / "broken.mp4", tiny / "blink" / "v_blink_g04_c01.mp4"]
    answers = document("predict", *clips, "--model", tiny_model, "--top", "2", code=1)
    assert [answer["clip"] for answer in answers] == [str(clip) for clip in clips]
    assert set(answers[1]) == {"clip", "error"} and "broken.mp4" in answers[1]["error"]
    for answer, action in ((answers[0], "slide"), (answers[2], "blink")):
        assert set(answer) == {"clip", "seconds", "top", "unsure", "unsure_below", "damage"}
        assert answer["top"][0]["action"] == action and len(answer["top"]) == 2
        assert answer["top"][0]["probability"] > answer["top"][1]["probability"]
    exact = Predictor(tiny_model).predict(clips[0]).top(2)
    assert [(p["action"], p["probability"]) for p in answers[0]["top"]] == [
        (action, pytest.approx(probability)) for action, probability in exact
    ]
    code, out, err = run("predict", *clips, "--model", tiny_model, "--top", "1")
    assert code == 1 and len(out.splitlines()) == 2 and out.splitlines()[0].endswith("slide")
    one_sentence(err)
    assert document("predict", clips[0], "--model", tiny_model)[0]["top"][2]
    assert run("predict", clips[0], "--model", tiny_model)[0] == 0


def test_predict_with_a_run(document: Callable[..., Any], tiny: Path, tiny_model: Path, tmp_path: Path) -> None:
    runs.create(TrainConfig(), tmp_path / "run")
    shutil.copytree(tiny_model, tmp_path / "run" / "best")
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    assert document("predict", clip, "--model", tmp_path / "run")[0]["top"][0]["action"] == "rise"
    (tmp_path / "run" / "best").rename(tmp_path / "run" / "best.old")  # while a better epoch takes its place
    assert document("predict", clip, "--model", tmp_path / "run")[0]["top"][0]["action"] == "rise"


def test_evaluate(run: Run, document: Callable[..., Any], tiny: Path, tiny_model: Path) -> None:
    keys = {"accuracy", "interval", "macro_f1", "actions", "confusion", "clips", "skipped", "certainty", "milliseconds"}
    scores = document("evaluate", "--model", tiny_model, "--data", tiny)
    assert set(scores) == keys
    assert scores["accuracy"] == 1.0 and scores["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert [clip["clip"] for clip in scores["clips"]] == [f"{a}/v_{a}_g04_c01.mp4" for a in scores["actions"]]
    assert len(scores["clips"][0]["top"]) == 3 and len(scores["interval"]) == 2
    full = document("evaluate", "--model", tiny_model, "--data", tiny, "--split", "all", "--baselines")
    assert set(full) == keys | {"baselines"}
    dumb = {"majority", "shape and length", "mean of frames", "shuffled frames", "single frame"}
    assert set(full["baselines"]) == dumb
    assert len(full["clips"]) == 12
    asked = document(
        "evaluate", "--model", tiny_model, "--data", tiny, "--motion", "--robustness", "--compare", tiny_model
    )
    assert set(asked) == keys | {"motion", "robustness", "compare"}
    assert set(asked["motion"]) == {"verdict", "shuffled", "reversed", "single"}
    assert set(asked["robustness"]) == {"stuttering", "ten", "grey", "blurred", "mirrored", "darker"}
    assert asked["compare"]["difference"] == 0 and asked["compare"]["trained_on"] == 0
    assert "right on the same" in asked["compare"]["verdict"]
    code, out, _ = run("evaluate", "--model", tiny_model, "--data", tiny)
    assert code == 0 and "accuracy 100.0%" in out and "macro F1" in out


# --- people and live streams --------------------------------------------------------------------------------


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch, bright: Any) -> Any:
    """Every command finds people by the bright square."""
    monkeypatch.setattr(
        "har_core.detection.load", lambda choice="auto", config=None: None if choice == "none" else bright
    )
    return bright


def test_predict_names_people(
    run: Run, document: Callable[..., Any], finder: Any, tiny: Path, tiny_model: Path
) -> None:
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    (answer,) = document("predict", clip, "--model", tiny_model, "--people", "--top", "2")
    assert set(answer) == {"clip", "seconds", "top", "unsure", "unsure_below", "damage", "people"}
    (person,) = answer["people"]
    assert set(person) == {"id", "seconds", "top", "timeline"} and person["id"] == 1 and len(person["top"]) == 2
    assert person["seconds"][0] == 0 and 0 < person["seconds"][1] <= answer["seconds"]
    assert "people" not in document("predict", clip, "--model", tiny_model)[0]
    code, out, err = run("predict", clip, "--model", tiny_model, "--people", "--top", "1")
    assert code == 0 and out.startswith(str(clip)) and err.endswith("what it says of one person is a guess.\n")


def test_live_on_a_file(
    run: Run, document: Callable[..., Any], finder: Any, tiny: Path, tiny_model: Path, tmp_path: Path
) -> None:
    clip, out = tiny / "rise" / "v_rise_g04_c01.mp4", tmp_path / "drawn.mp4"
    told = document("live", clip, "--model", tiny_model, "--out", out)
    assert set(told) == {"mode", "frames", "fps", "dropped", "milliseconds", "latency_ms", "people", "trouble"}
    assert (told["mode"], told["frames"], told["trouble"]) == ("frame", 10, "")
    assert told["people"][0]["id"] is None and len(told["people"][0]["top"]) == 3
    exact = dict(Predictor(tiny_model).predict(clip).top(3))
    for place in told["people"][0]["top"]:
        assert place["probability"] == pytest.approx(exact[place["action"]], abs=1e-4)
    assert video.probe(out).codec == "h264" and video.probe(out).seconds == pytest.approx(1.0, abs=0.11)
    person = document("live", clip, "--model", tiny_model, "--view", "person", "--detect-every", "1", "--top", "1")
    assert person["mode"] == "person" and [who["id"] for who in person["people"]] == [1]
    assert len(person["people"][0]["top"]) == 1
    assert document("live", clip, "--model", tiny_model, "--seconds", "0.45")["frames"] == 5
    code, text, err = run("live", clip, "--model", tiny_model, "--least-seconds", "0.5")
    assert code == 0 and not err and text.startswith("10 frames, ") and "whole picture\t" in text
    assert text.rstrip().endswith("\trise")


def test_live_without_a_detector_says_so(run: Run, tiny: Path, tiny_model: Path, no_detector: None) -> None:
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    code, out, err = run("live", clip, "--model", tiny_model, "--realtime", "--json")
    assert code == 0 and json.loads(out)["mode"] == "frame" and err.startswith("har_core: note: there is no detector")
    assert run("live", clip, "--model", tiny_model, "--view", "frame", "--json")[2] == ""


# --- train and runs -----------------------------------------------------------------------------------------


def test_train_follow_refuse(
    small_backbone: None, run: Run, document: Callable[..., Any], tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    said = document("train", "--data", tiny, "--run", folder, *QUICK)
    assert set(said) == {"run", "model", "best_epoch", "best_accuracy", "reason"}
    assert said["run"] == str(folder) and said["model"] == str(folder / "best") and said["reason"] == "epochs"
    made = runs.Run(folder)
    assert made.status() == "finished" and len(made.epochs()) == 2
    assert made.config().clip == ClipSpec(1.0, 8.0, 20, 32)
    _, card = checkpoint.load(folder / "best")
    assert card.epoch == said["best_epoch"]
    assert not (folder / "last").exists()
    assert document("evaluate", "--model", folder, "--data", tiny)["accuracy"] == said["best_accuracy"]
    for again in (("train", "--run", folder), ("train", "--data", tiny, "--run", folder, *QUICK)):
        code, _, err = run(*again)
        assert code == 1
        one_sentence(err)
    assert made.status() == "finished"


def test_a_stopped_training_says_so_and_goes_on(
    small_backbone: None, document: Callable[..., Any], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    train = training.train

    def interrupted(*arguments: Any, **options: Any) -> Any:
        for event in train(*arguments, **options):
            yield event
            if isinstance(event, EpochEnded) and event.epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C

    monkeypatch.setattr(training, "train", interrupted)
    said = document("train", "--data", tiny, "--run", folder, *QUICK)
    assert said["reason"] == "stopped" and said["best_epoch"] == 1
    assert runs.Run(folder).status() == "stopped" and (folder / "last").exists()
    with (folder / "events.jsonl").open("a") as story:
        story.write('{"event": "Step')  # as if it had been killed amid a line
    assert document("train", "--run", folder)["reason"] == "epochs"
    assert [event.epoch for event in runs.Run(folder).epochs()] == [1, 2]
    assert runs.Run(folder).status() == "finished"


def test_a_training_that_fails(small_backbone: None, run: Run, tiny: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny / "rise", tmp_path / "clips" / "rise").parent
    code, out, err = run("train", "--data", root, "--run", tmp_path / "run", *QUICK[:-6])
    assert code == 1 and "two actions" in err and not out
    failed = runs.Run(tmp_path / "run").events()[-1]
    assert isinstance(failed, Failed) and failed.message in err
    assert runs.Run(tmp_path / "run").status() == "failed"


def test_a_bug_in_training_is_told_apart(
    small_backbone: None, run: Run, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> Any:
        raise ZeroDivisionError("by us")

    monkeypatch.setattr(training.Trainer, "_optimise", bug)
    code, _, err = run("train", "--data", tiny, "--run", tmp_path / "run", *QUICK)
    assert code == 1 and "Traceback" in err and "by us" in err
    assert runs.Run(tmp_path / "run").status() == "failed"


def test_progress_for_people_goes_to_stderr(small_backbone: None, run: Run, tiny: Path, tmp_path: Path) -> None:
    code, out, err = run("train", "--data", tiny, "--run", tmp_path / "run", *QUICK)
    assert code == 0 and not out
    assert "9 clips train, 3 validate" in err and "epoch 2: loss" in err and "ended by epochs" in err
    assert "\r" not in err, "a log is no terminal"


def test_runs(run: Run, document: Callable[..., Any], own_workspace: Path) -> None:
    assert document("runs") == []
    one = runs.create(TrainConfig(), own_workspace / "runs" / "20260101-one")
    story = [Started(0.0, 1, 9, "cpu", "fp32", "none", ("a", "b"), 1, 1, 1.0, 8.0)]
    story += [EpochEnded(n, 1.0, 0.5, 1.0, n / 10, 0.0, 0.1, 1.0, False, True) for n in (1, 2)]  # type: ignore[misc]
    one.events_path.write_text("".join(map(encode, [*story, Ended("stopped", 2, 0.2)])))
    runs.create(TrainConfig(), own_workspace / "runs" / "20260102-two")
    said = {"title": "", "star": False, "note": ""}
    assert document("runs") == [
        {"run": "20260102-two", "status": "new", "epochs": 0, "best_accuracy": None, **said},
        {"run": "20260101-one", "status": "stopped", "epochs": 2, "best_accuracy": 0.2, **said},
    ]
    code, out, _ = run("runs", "--title", "20260101-one", "The first")
    assert code == 0 and "20260101-one\tstopped\t2 epochs\t20.0%\tThe first" in out


def test_a_run_goes_into_the_trash_and_comes_back_and_travels(
    run: Run, own_workspace: Path, tiny_model: Path, tmp_path: Path
) -> None:
    one = runs.create(TrainConfig(), own_workspace / "runs" / "20260101-one")
    shutil.copytree(tiny_model, one.best)
    assert run("runs", "--export", one.name, tmp_path / "one.zip")[0] == 0
    code, out, _ = run("runs", "--delete", one.name)
    assert code == 0 and "20260101-one" not in out
    assert run("runs", "--restore", "another")[0] == 1
    code, out, _ = run("runs", "--restore", one.name)
    assert code == 0 and "20260101-one" in out
    code, out, _ = run("runs", "--import", tmp_path / "one.zip")
    assert code == 0 and len(out.splitlines()) == 2
    assert run("runs", "--import", tmp_path / "none.zip")[0] == 1


def settings(*arguments: object) -> TrainConfig:
    given = command_line._parser().parse_args(["train", "--data", "/clips", *map(str, arguments)])
    return commands.settings(given)


def test_options_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    values = {"epochs": 7, "network": {"lstm_size": 64, "dropout": 0.1}, "validation_groups": ["a"], "flip": None}
    del values["flip"]
    file.write_text(json.dumps(values))
    config = settings(
        "--config", file, "--epochs", "9", "--dropout", "0.2", "--no-flip", "--validation-groups", "b", "c"
    )
    assert (config.epochs, config.network.lstm_size, config.network.dropout) == (9, 64, 0.2)
    assert not config.augment.flip and config.validation_groups == ("b", "c")
    assert config.batch_size == TrainConfig().batch_size and config.dataset == "/clips"
    assert settings() == TrainConfig(dataset="/clips")
    assert settings("--no-cache").cache is False and settings("--cache").cache is True


def test_the_window_may_be_given(tmp_path: Path) -> None:
    assert settings("--window-seconds", "2", "--frames-per-second", "5").clip == ClipSpec(2.0, 5.0, 20, 112)
    assert settings("--window-seconds", 2, "--frames-per-second", 5, "--size", 64).clip == ClipSpec(2.0, 5.0, 20, 64)
    file = tmp_path / "config.json"  # such as that of another run
    file.write_text(json.dumps(TrainConfig(clip=ClipSpec(2.0, 5.0, 10, 112)).to_json()))
    assert settings("--config", file).clip == ClipSpec(2.0, 5.0, 10, 112)
    assert settings("--config", file, "--size", 64).clip == ClipSpec(2.0, 5.0, 10, 64)
    assert settings("--config", file, "--most-frames", 8).clip == ClipSpec(2.0, 5.0, 8, 112)


def test_example(document: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(example, "make", lambda folder, **options: asked.append(options["actors"]) or folder)
    said = document("example", tmp_path / "example", "--actors", "3")
    assert said["folder"] == str(tmp_path / "example") and asked == [3]
    assert said["actions"] == list(example.ACTIONS) and said["purpose"] == example.PURPOSE


# --- weights ------------------------------------------------------------------------------------------------


def test_weights_are_listed(run: Run, document: Callable[..., Any], own_workspace: Path) -> None:
    rows = {row["name"]: row for row in document("weights")}
    assert set(rows) == {each.name for each in weights.entries()}
    assert rows["backbone"]["present"] and not rows["yolo11n"]["present"]
    assert rows["yolo11n"]["path"] == str(own_workspace / "weights" / "yolo11n.pt") and rows["yolo11n"]["url"]
    code, out, err = run("weights")
    assert code == 0 and not err and len(out.splitlines()) == len(rows)
    assert "yolo11n\tcan be fetched\t5.6 MB\tFinds people" in out and "backbone\tpresent" in out


def test_weights_are_fetched(
    run: Run, document: Callable[..., Any], own_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc", as FIPS 180-4 has it

    def fetch(wanted: weights.Entry, *, progress: Callable[[int, int], None]) -> Path:
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        wanted.path.write_bytes(b"abc")
        progress(3, 0)
        progress(3, 3)
        return wanted.path

    monkeypatch.setattr(weights, "fetch", fetch)
    path = own_workspace / "weights" / "yolo26n.pt"
    assert run("weights", "fetch", "yolo26n") == (0, f"{path}\nsha256 {digest}  yolo26n.pt\n", "")
    assert document("weights", "fetch", "yolo26n") == {
        "name": "yolo26n", "path": str(path), "sha256": {"yolo26n.pt": digest}
    }  # fmt: skip

    def offline(*_: object, **__: object) -> Path:
        raise CheckpointError("There is no internet.")

    monkeypatch.setattr(weights, "fetch", offline)
    code, out, err = run("weights", "fetch", "yolo26n")
    assert code == 1 and not out
    one_sentence(err)


def test_predict_says_that_a_film_is_damaged(
    run: Run, document: Callable[..., Any], tiny_model: Path, spoilt: Path
) -> None:
    (answer,) = document("predict", spoilt, "--model", tiny_model)
    assert answer["unsure"] and "spoilt.mp4 is damaged" in answer["damage"]
    code, out, _ = run("predict", spoilt, "--model", tiny_model, "--top", "1")
    assert code == 0 and out.splitlines()[0] == f"{spoilt}\tunsure: {answer['damage']}"


def test_predict_says_unsure_and_knows_the_bundled_by_name(run: Run, document: Callable[..., Any], tiny: Path) -> None:
    clip = tiny / "rise" / "v_rise_g04_c01.mp4"
    (answer,) = document("predict", clip, "--model", "actions-gestures")
    code, out, err = run("predict", clip, "--model", "actions-gestures", "--top", "1")
    assert code == 0 and not err
    assert answer["unsure"] == (answer["top"][0]["probability"] < answer["unsure_below"]) == ("unsure" in out)
