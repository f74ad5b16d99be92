"""Weights with their contract: a folder of `weights.safetensors` and `card.json`, never a pickle.

The card says what the network must be shown (ClipSpec), what its outputs mean (classes), where it comes
from and how good it is. Whoever has the folder needs nothing else.
"""

import contextlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from har_core.config import ClipSpec, Config, NetworkConfig
from har_core.errors import CheckpointError, ConfigError
from har_core.network import ActionNetwork

FORMAT = 2
"""1 had neither `embedding` nor `motion`: it averaged, and read the embeddings as they are."""
MOST_CLASSES, LONGEST_CLASS = 10_000, 1000
"""Far more than anybody trains; a card from elsewhere that asks for more is meant to fill the memory."""
LICENCE = "AGPL-3.0-only"


@dataclass(frozen=True, slots=True)
class Card(Config):
    """What a trained network needs to be used and judged.

    `split` names the clips (paths below the data set's folder) that trained and validated it, so that a
    later evaluation scores the same ones. `dataset_version` is that of the data set's edits, None where it was
    trained before there were any. `scores` are those on its validation clips. `views` says what it was
    shown while it learned: the whole picture ("frame"), people ("person"), or both. The logits are divided by
    `temperature` before the softmax, an answer below `unsure_below` is none; `calibration` holds the figures that
    both come from, as `calibration.calibrate` gives them, empty where nobody looked. `limits` says in a sentence or
    two what it is not good for, for whoever is about to choose it.
    """

    classes: tuple[str, ...]
    clip: ClipSpec
    network: NetworkConfig
    windows: int = 3
    views: tuple[str, ...] = ("frame",)
    weights: str = ""
    dataset: str = ""
    dataset_version: int | None = None
    fingerprint: str = ""
    created: str = ""
    epoch: int = 0
    temperature: float = 1.0
    unsure_below: float = 0.0
    calibration: dict[str, Any] = field(default_factory=dict)
    limits: str = ""
    licence: str = LICENCE
    format: int = FORMAT
    scores: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"A model needs two or more different classes, but this one has {list(self.classes)}.")
        if len(self.classes) > MOST_CLASSES or max(map(len, self.classes)) > LONGEST_CLASS:
            raise ConfigError(
                f"A model has at most {MOST_CLASSES:,} classes with names of at most {LONGEST_CLASS:,} letters, but "
                f"this one has {len(self.classes):,}, the longest of {max(map(len, self.classes)):,} letters."
            )
        if not all(name.strip() for name in self.classes):
            raise ConfigError("A model's classes must have names, but one of them is empty.")
        if any(name.encode(errors="ignore").decode() != name for name in self.classes):  # JSON can hold such
            raise ConfigError("A model's classes must have names that can be shown, but one holds half a letter.")
        if not 1 <= self.windows <= 50:
            raise ConfigError("A model looks at 1 to 50 windows of a clip, but this one asks for another number.")
        for names in self.split.values():
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ConfigError("A model's split must give a list of clips for each part, but does not.")
        if not 0 <= self.unsure_below <= 1:
            raise ConfigError(f"unsure_below is a probability, but is {self.unsure_below}.")
        if not 0.05 <= self.temperature <= 20:  # NaN fails this too
            raise ConfigError(f"A model's temperature must lie between 0.05 and 20, but is {self.temperature:g}.")


def save(folder: Path, network: ActionNetwork, card: Card) -> None:
    """Write a checkpoint; one that is there is replaced whole, and whatever happens one of the two remains."""
    _write(folder, {"weights.safetensors": network.state_dict(), "card.json": _as_text(card)})


def replace_card(folder: Path, card: Card, *, of: Card) -> None:
    """Give a checkpoint another card and leave all else in it as it is. Whoever reads meets the old or the new one.

    Args:
        folder: of the checkpoint.
        card: to be written.
        of: the card that it comes from. Where another is there now, a run has put a better epoch in its place.

    Raises:
        CheckpointError: the checkpoint was replaced meanwhile, or the card cannot be written.
    """
    folder = present(folder)
    if read_card(folder) != of:
        raise CheckpointError(f"The model in {folder} was replaced by another in the meantime. Do it again.")
    fresh = folder / "card.json.new"
    try:
        fresh.write_text(_as_text(card), encoding="utf-8")
        fresh.replace(folder / "card.json")
    except OSError as error:
        raise CheckpointError(f"The card in {folder} cannot be written: {error.strerror}. It stays as it is.") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def _as_text(card: Card) -> str:
    try:
        text = json.dumps(card.to_json(), indent=1, allow_nan=False, ensure_ascii=False)
        text.encode()
    except ValueError:
        raise CheckpointError(
            "The model's card cannot be written, for one of its numbers is not finite or one of its texts holds half a "
            "character. Nothing was changed; mend it or train the model again."
        ) from None
    return text


def _write(folder: Path, files: dict[str, dict[str, Tensor] | str]) -> None:
    """Put a folder of these files in the place of `folder`, or leave it as it is.

    Raises:
        CheckpointError: it cannot be written; a full disk, most likely.
    """
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        for name, content in files.items():
            if isinstance(content, str):
                (fresh / name).write_text(content, encoding="utf-8")
            else:
                save_file({key: value.contiguous() for key, value in content.items()}, fresh / name)
        replace(folder, fresh)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise CheckpointError(
            f"The model cannot be written to {folder}: {error}. Make room there, then resume the run."
        ) from None


def replace(folder: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `folder`. Between its two renames the old one is `<folder>.old`."""
    old = folder.with_name(folder.name + ".old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def present(folder: Path) -> Path:
    """The folder itself, or its `.old` where a replacement was cut off between its two renames."""
    old = folder.with_name(folder.name + ".old")
    return old if not folder.exists() and old.exists() else folder


def read_card(folder: Path) -> Card:
    """The card of a checkpoint.

    Raises:
        CheckpointError: there is none, or it is damaged or of a later format.
    """
    folder = present(folder)
    path = folder / "card.json"
    if not path.is_file():
        raise CheckpointError(f"A model is a folder with card.json and weights.safetensors, but {folder} has no card.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        written = values.get("format", FORMAT) if isinstance(values, dict) else FORMAT
        if type(written) is not int or written < 1:  # 1.0 and true would pass for 1
            raise CheckpointError(
                f"The format in {path} must be a whole number from 1 to {FORMAT}, but is {json.dumps(written)[:50]}. "
                "Take the card as the training wrote it."
            )
        if written != FORMAT:
            if written != 1:
                raise CheckpointError(f"{path} is of format {written}, this version reads {FORMAT}. Update it.")
            network = values.get("network")
            if isinstance(network, dict):
                values["network"] = {"embedding": "average", "motion": "off"} | network
            values["format"] = FORMAT
        return Card.from_json(values)
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise CheckpointError(f"{path} is not the card of a model: {error}") from None


def load(folder: Path) -> tuple[ActionNetwork, Card]:
    """The network of a checkpoint, in evaluation mode on the CPU, and its card.

    Raises:
        CheckpointError: the folder is no checkpoint, or weights and card do not fit together.
    """
    folder = present(folder)
    card = read_card(folder)
    network = ActionNetwork(card.network, len(card.classes))
    try:
        network.load_state_dict(load_file(folder / "weights.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = _reason(error)
        raise CheckpointError(f"The weights in {folder} cannot be used with its card: {reason}") from None
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise CheckpointError(f"The weights in {folder} hold numbers that are not finite. Train the model again.")
    return network.eval(), card


def save_state(folder: Path, network: ActionNetwork, optimiser: torch.optim.Optimizer, rest: dict[str, Any]) -> None:
    """Everything that training needs to go on exactly: weights, optimiser and plain values."""
    tensors: dict[str, Tensor] = {f"network/{name}": value for name, value in network.state_dict().items()}
    state = optimiser.state_dict()
    for index, slots in state["state"].items():
        tensors |= {f"optimiser/{index}/{name}": torch.as_tensor(value) for name, value in slots.items()}
    rest = {**rest, "groups": state["param_groups"]}
    _write(folder, {"state.safetensors": tensors, "state.json": json.dumps(rest, default=float)})


def load_state(folder: Path, network: ActionNetwork, optimiser: torch.optim.Optimizer) -> dict[str, Any] | None:
    """Put back what `save_state` kept; gives the plain values, or None where nothing was kept."""
    folder = present(folder)
    if not (folder / "state.json").is_file():
        return None
    try:
        tensors = load_file(folder / "state.safetensors")
        rest: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        network.load_state_dict({n.removeprefix("network/"): v for n, v in tensors.items() if n.startswith("network/")})
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser/"):
                _, index, slot = name.split("/")
                slots.setdefault(int(index), {})[slot] = value
        optimiser.load_state_dict({"state": slots, "param_groups": rest.pop("groups")})
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        reason = _reason(error)
        raise CheckpointError(f"The run cannot go on from {folder}: {reason}. Start a new run.") from None
    return rest


def _reason(error: Exception) -> str:
    """The first line that says something; torch begins with a heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__).rstrip(".")
