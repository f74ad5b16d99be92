"""A run as one file, to keep or to give away, and back: weights are safetensors, all else is JSON, never a pickle."""

import json
import secrets
import shutil
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

from har_core import checkpoint, notes
from har_core.config import TrainConfig
from har_core.dataset.archives import unpack
from har_core.errors import HarError, RunError
from har_core.events import Ended, encode
from har_core.runs import Run

_WEIGHTS, _CARD = "best/weights.safetensors", "best/card.json"
_FILES = ("config.json", "events.jsonl", "notes.json", _CARD, _WEIGHTS)
_SCRATCH, _LONG_AGO = ".import-", 3600.0
_MOST_FILES, _MOST_BYTES = 20, 2 * 10**9
_MOST_TEXT = 50 * 10**6
"""Bytes of a file that is not weights: ten thousand epochs with a confusion matrix each are fewer."""


def pack(run: Run, target: Path) -> Path:
    """Write the run's model and story into a .zip at `target`, whole or not at all.

    Raises:
        RunError: it has no model yet, or the file cannot be written.
    """
    if not (run.folder / _WEIGHTS).is_file():
        raise RunError(f"Run {run.name} has no model yet: it is there after the first epoch.")
    part = target.with_name(f".{target.name}-{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in _FILES:
                if (run.folder / name).is_file():
                    # Weights hardly shrink; a minute's wait for a percent helps nobody.
                    kind = zipfile.ZIP_STORED if name == _WEIGHTS else zipfile.ZIP_DEFLATED
                    archive.write(run.folder / name, name, compress_type=kind)
        part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise RunError(f"{target.name} cannot be written: {error.strerror}. Make room there.") from None
    return target


def bring(archive: Path, root: Path) -> Run:
    """A run under `root` from a file that `pack` wrote, here or on another machine; nothing in it is trusted.

    Raises:
        RunError: not such a file, one that is damaged or too large, or a model that cannot be loaded.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=root) as scratch:
            there, folder = Path(scratch, "there"), Path(scratch, "run")
            there.mkdir()
            try:
                unpack(archive, there, most_files=_MOST_FILES, most_bytes=_MOST_BYTES)
            except HarError as error:
                raise RunError(f"A run is imported from a .zip that was exported here. {error}") from None
            _pick(there, folder)
            _check(Run(folder), archive.name)
            return Run(folder.rename(_free(root, folder)))
    except OSError as error:
        raise RunError(f"{archive.name} cannot be imported: {error.strerror}. Make room in the workspace.") from None


def adopt(model: Path, root: Path, *, dataset: Path) -> Run:
    """A run under `root` that is a copy of a model which came with the project, so that its card may be changed.

    Args:
        model: the folder of the model.
        root: of the runs.
        dataset: what the copy is used with; a resumed or cloned run would train on it.

    Raises:
        HarError: the model is damaged, or there is no room.
    """
    card = checkpoint.read_card(model)
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=root) as scratch:
            folder = Path(scratch, "run")
            (folder / "best").mkdir(parents=True)
            for name in ("card.json", "weights.safetensors"):
                shutil.copyfile(checkpoint.present(model) / name, folder / "best" / name)
            (folder / "config.json").write_text(
                json.dumps(TrainConfig(dataset=str(dataset)).to_json()), encoding="utf-8"
            )
            accuracy = card.scores.get("accuracy")
            ended = Ended("epochs", card.epoch, accuracy if isinstance(accuracy, float) else 0.0)
            (folder / "events.jsonl").write_text(encode(ended), encoding="utf-8")
            made = Run(folder.rename(_free(root, folder)))
    except OSError as error:
        raise RunError(f"{model.name} cannot be copied: {error.strerror}. Make room in the workspace.") from None
    notes.write(made.folder, notes.Notes(title=f"{model.name}, a copy"))
    return made


def _sweep(root: Path) -> None:
    """Remove what imports that were killed long ago have left."""
    for left in root.glob(f"{_SCRATCH}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LONG_AGO:
                shutil.rmtree(left, ignore_errors=True)


def _pick(there: Path, folder: Path) -> None:
    """Only the files of a run, and none of absurd size."""
    for name in _FILES:
        source = there / name
        if source.is_file():
            if name != _WEIGHTS and source.stat().st_size > _MOST_TEXT:
                raise RunError(f"{name} of an exported run has at most {_MOST_TEXT // 10**6} MB, but this has more.")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            source.replace(folder / name)
    for name in ("config.json", _CARD, _WEIGHTS):
        if not (folder / name).is_file():
            raise RunError(f"An exported run holds {name}, but this archive does not. Export it again.")


def _check(run: Run, name: str) -> None:
    run.config()
    try:
        checkpoint.load(run.best)
    except HarError as error:
        raise RunError(f"The model in {name} cannot be used: {error}") from None


def _free(root: Path, folder: Path) -> Path:
    dataset = Path(Run(folder).config().dataset).name or "run"
    readable = "".join(c if c.isalnum() else "-" for c in dataset)[:40].strip("-") or "run"
    stem, number = f"{time.strftime('%Y%m%d-%H%M%S')}-{readable}", 1
    while (root / (name := stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return root / name
