"""What TensorBoard reads of a run: read back record by record, by the format's own definition."""

import os
import struct
from pathlib import Path

import pytest

from har_core import runs
from har_core.config import TrainConfig
from har_core.events import EpochEnded
from har_core.scalars import FOLDER, Scalars


def epoch(number: int) -> EpochEnded:
    return EpochEnded(number, 1.5 / number, 0.5, 2.0, 0.25, 0.0, 1e-3, 3.0, True, True)


def records(file: Path) -> list[bytes]:
    """TFRecord: length uint64, its checksum, the bytes, their checksum; a torn last one is not there."""
    content, found, at = file.read_bytes(), list[bytes](), 0
    while at + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        if at + 16 + length > len(content):
            break
        found.append(content[at + 12 : at + 12 + length])
        at += 16 + length
    return found


def told(folder: Path) -> dict[tuple[str, int], float]:
    from tensorboardX.proto import event_pb2

    shown: dict[tuple[str, int], float] = {}
    for file in sorted(folder.iterdir()):
        for record in records(file):
            event = event_pb2.Event.FromString(record)
            if event.session_log.status == event_pb2.SessionLog.START:
                shown = {key: value for key, value in shown.items() if key[1] < event.step}
            shown |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return shown


def test_each_epoch_is_there_at_once(tmp_path: Path) -> None:
    scalars = Scalars(tmp_path)
    scalars.add(epoch(1))
    shown = told(tmp_path / FOLDER)  # nothing was closed: the trainer may be killed now
    assert shown["loss/train", 1] == 1.5 and shown["accuracy/validation", 1] == 0.25
    assert shown["learning_rate/head", 1] == pytest.approx(1e-3) and len(shown) == 7
    scalars.add(epoch(2))
    scalars.close()
    assert told(tmp_path / FOLDER)["loss/train", 2] == 0.75


def test_a_repeated_epoch_counts_once_and_half_a_record_is_no_harm(tmp_path: Path) -> None:
    first = Scalars(tmp_path)
    first.add(epoch(1))
    first.add(epoch(2))
    (file,) = (tmp_path / FOLDER).iterdir()
    os.truncate(file, file.stat().st_size - 3)
    file.rename(file.with_name("events.out.tfevents.0"))  # it was earlier, and another process
    again = Scalars(tmp_path)
    again.add(EpochEnded(2, 9.0, 0.5, 2.0, 0.25, 0.0, 1e-3, 3.0, True, True))
    shown = told(tmp_path / FOLDER)
    assert shown["loss/train", 1] == 1.5 and shown["loss/train", 2] == 9.0


def test_a_full_disk_ends_no_run(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    Scalars(tmp_path).add(epoch(1))


def test_a_run_writes_them_where_they_are_asked_for(
    tiny: Path, tmp_path: Path, small_backbone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from har_core import commands

    for asked in (True, False):
        config = TrainConfig.from_json({
            "dataset": str(tiny), "epochs": 1, "size": 32, "network": {"weights": "none", "embedding": "average"},
            "tensorboard": asked, "precision": "fp32",
        })  # fmt: skip
        run = runs.create(config, tmp_path / str(asked))
        assert commands._work(run, quiet=True) == 0
        assert (run.folder / FOLDER).exists() == asked
    ended = runs.Run(tmp_path / "True").epochs()[0]
    assert told(tmp_path / "True" / FOLDER)["loss/validation", 1] == pytest.approx(ended.validation_loss)
