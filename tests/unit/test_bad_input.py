"""What an attacker or an unlucky user brings: nothing of theirs is lost, nothing is executed, one sentence says it."""

import json
import math
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from har_core import checkpoint, dataset, evaluation, network, runs, video
from har_core.__main__ import main
from har_core.config import NetworkConfig, TrainConfig
from har_core.errors import CheckpointError, DatasetError, RunError, TrainingError, VideoError
from har_core.events import EpochEnded, decode, encode
from har_core.training import train


def config(folder: Path, **changes: object) -> TrainConfig:
    return TrainConfig.from_json(
        {
            "dataset": str(folder), "size": 32, "epochs": 2, "precision": "fp32", "freeze_epochs": 0,
            "network": {"weights": "none", "lstm_size": 8}, **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize("theirs", ["best/mine.txt", "last/mine.txt", "best.old/mine.txt", "notes.txt"])
def test_a_run_never_takes_a_folder_that_holds_something_else(tiny: Path, tmp_path: Path, theirs: str) -> None:
    kept = tmp_path / "run" / theirs
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(RunError, match="folder of its own"):
        runs.create(config(tiny), tmp_path / "run")
    assert kept.read_text() == "mine"


def test_a_run_that_never_began_can_be_started_again(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runs.create(config(tiny), folder)
    (folder / "config.json").write_text("")  # as a full disk leaves it
    assert runs.create(config(tiny, epochs=7), folder).config().epochs == 7


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_a_planted_imagenet_file_is_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    planted.parent.mkdir(parents=True)
    torch.save({"conv1.weight": Evil(tmp_path / "executed")}, planted)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(CheckpointError):
        network.load_initial(network.ActionNetwork(NetworkConfig(), 2), "auto")
    assert not (tmp_path / "executed").exists()
    with pytest.raises(FileExistsError):  # the trap itself works
        (tmp_path / "executed").mkdir()
        pickle.loads(pickle.dumps(Evil(tmp_path / "executed")))


def test_a_training_that_diverges_says_so_and_keeps_the_good_epoch(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = train(config(tiny, epochs=5), tmp_path)
    for event in stream:
        if isinstance(event, EpochEnded):
            break
    kept = (tmp_path / "best" / "weights.safetensors").read_bytes()
    monkeypatch.setattr(torch.nn.CrossEntropyLoss, "forward", lambda *_: torch.tensor(math.nan, requires_grad=True))
    with pytest.raises(TrainingError, match="smaller learning rates"):
        list(stream)
    assert (tmp_path / "best" / "weights.safetensors").read_bytes() == kept


def test_a_file_name_that_is_no_text_is_left_out(tiny: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny, tmp_path / "clips"))
    clip = next(root.glob("*/*.mp4"))
    os.rename(os.fsencode(clip), os.fsencode(clip.parent) + b"/caf\xe9.mp4")  # noqa: PTH104  # bytes
    found = dataset.read(root)
    assert [name.endswith("caf\\udce9.mp4") for name, _ in found.skipped] == [True]
    json.dumps(found.table().to_dict()).encode()


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "x" * 300, "a\0b"])
def test_a_folder_that_cannot_be_is_a_sentence(name: str) -> None:
    with pytest.raises(DatasetError, match="must be a folder"):
        dataset.read(Path(name))


@pytest.mark.parametrize("run", ["/etc/passwd", "/" + "x" * 300, "/proc/none"])
def test_a_run_folder_that_cannot_be_is_a_sentence(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--run", run]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="must be a file"):
        video.probe(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("damage", ["null", '"much"', "NaN", "[[["])
def test_an_event_of_wrong_types_is_passed_over(damage: str) -> None:
    line = encode(EpochEnded(1, 1.0, 0.5, 1.0, 0.5, 1e-4, 1e-3, 2.0, False, True))
    assert decode(line) is not None
    assert decode(line.replace('"validation_accuracy": 0.5', f'"validation_accuracy": {damage}')) is None
    assert decode("[" * 100_000) is None


def test_one_odd_run_does_not_hide_the_others(
    own_workspace: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good", "odd"):
        runs.create(config(tiny), own_workspace / "runs" / name)
    (own_workspace / "runs" / "odd" / "events.jsonl").mkdir()
    (own_workspace / "runs" / "odd" / "lock").mkdir()
    assert main(["runs", "--json"]) == 0
    assert [row["run"] for row in json.loads(capsys.readouterr().out)] == ["odd", "good"]


@pytest.mark.parametrize("split", [{"validation": 5}, {"validation": [1]}, {"validation": None}])
def test_a_card_with_a_malformed_split_is_refused(tiny_model: Path, tmp_path: Path, split: object) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps({**card, "split": split}))
    with pytest.raises(CheckpointError, match="split"):
        checkpoint.read_card(model)


def test_scores_on_other_clips_of_the_same_names_come_with_a_remark(tiny: Path, tiny_model: Path) -> None:
    source = dataset.read(tiny)
    card = replace(checkpoint.read_card(tiny_model), fingerprint=source.fingerprint)
    assert evaluation.remarks(source, card, "validation") == ()
    assert "not exactly" in evaluation.remarks(source, replace(card, fingerprint="other"), "validation")[0]
