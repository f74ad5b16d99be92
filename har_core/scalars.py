"""The epochs of a run as TensorBoard reads them, beside the run, for those who want them."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from har_core.events import EpochEnded

FOLDER = "tensorboard"
"""Below the run's folder: `tensorboard --logdir workspace/runs` finds all of them."""


class Scalars:
    """Writes one file of records for each process that trains a run, from its first epoch on. For one thread."""

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER
        self._file: Any = None

    def add(self, epoch: EpochEnded) -> None:
        """Write the losses, accuracies, learning rates and seconds of an epoch, at once. A full disk ends no run."""
        from tensorboardX.proto import event_pb2, summary_pb2  # only for those who want it: it loads torch

        values = {
            "loss/train": epoch.train_loss, "loss/validation": epoch.validation_loss,
            "accuracy/train": epoch.train_accuracy, "accuracy/validation": epoch.validation_accuracy,
            "learning_rate/backbone": epoch.backbone_learning_rate, "learning_rate/head": epoch.head_learning_rate,
            "seconds": epoch.seconds,
        }  # fmt: skip
        shown = summary_pb2.Summary(
            value=[summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        )
        with suppress(OSError):
            if self._file is None:
                self._file = self._begin(epoch.epoch)
            self._file.write_event(event_pb2.Event(wall_time=time.time(), step=epoch.epoch, summary=shown))
            self._file.flush()

    def _begin(self, epoch: int) -> Any:  # noqa: ANN401  # the library has no types
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        self._folder.mkdir(exist_ok=True)
        file = EventsWriter(str(self._folder / "events"), f".{os.getpid()}")
        # What an earlier process said of this epoch, before it was killed, does not count.
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        file.write_event(event_pb2.Event(wall_time=time.time(), step=epoch, session_log=start))
        return file

    def close(self) -> None:
        """No more epochs come."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
