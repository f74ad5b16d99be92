"""Checkpoints: kept exactly, replaced whole, and refused with a reason where they are damaged."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils.rnn import pack_sequence

from har_core import checkpoint
from har_core.checkpoint import Card
from har_core.config import ClipSpec, NetworkConfig
from har_core.errors import CheckpointError, ConfigError
from har_core.network import ActionNetwork

CLASSES = ("걷기", "run", "wave")
SHAPE = NetworkConfig(weights="none", lstm_size=8, pooling="attention")
CARD = Card(
    CLASSES,
    ClipSpec(size=32),
    SHAPE,
    windows=2,
    epoch=3,
    unsure_below=0.25,
    temperature=1.5,
    calibration={"fitted": True, "clips": 12, "after": {"others named": None}},
    scores={"validation accuracy": 0.5},
    split={"train": ["a/b.mp4"]},
)


@pytest.fixture(scope="module")
def network() -> ActionNetwork:
    torch.manual_seed(0)
    return ActionNetwork(SHAPE, 3)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, network: ActionNetwork) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "best"
    checkpoint.save(folder, network, CARD)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "best"))


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(folder)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def edit_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "card.json").read_text("utf-8"))
    (folder / "card.json").write_text(json.dumps(card | changes), "utf-8")


def test_round_trip(original: Path, network: ActionNetwork) -> None:
    loaded, card = checkpoint.load(original)
    assert card == CARD
    assert not loaded.training
    state = network.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
    clip = pack_sequence([torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)])
    with torch.inference_mode():
        assert torch.equal(loaded(clip), network.eval()(clip))
    assert sorted(path.name for path in original.parent.iterdir()) == ["best"]


def test_a_card_in_plain_words(original: Path) -> None:
    assert "걷기" in (original / "card.json").read_text("utf-8")
    assert checkpoint.read_card(original).clip == ClipSpec(size=32)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ("one",)}, {"classes": ("a", "a")}, {"windows": 0}, {"windows": 51}, {"unsure_below": 1.1},
        {"temperature": 0.04}, {"temperature": 21.0}, {"temperature": float("nan")}, {"temperature": float("inf")},
    ],
)  # fmt: skip
def test_a_card_checks_itself(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(CARD, **changes)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"classes": ["a", "b", "c", "d"]}, "weights"),
        ({"network": {"lstm_size": 16, "pooling": "attention"}}, "weights"),
        ({"network": {"lstm_size": 8, "pooling": "mean"}}, "weights"),
        ({"network": {"lstm_size": 8, "pooling": "attention", "bidirectional": True}}, "weights"),
        ({"format": 3}, "format"),
        ({"format": None}, "format"),
        ({"classes": ["a"]}, "two or more"),
        ({"classes": "abc"}, "classes"),
        ({"classes": None}, "classes"),
        ({"clip": {"size": 1}}, "size"),
        ({"clip": []}, "ClipSpec"),
        ({"windows": "2"}, "windows"),
        ({"colour": "red"}, "colour"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"calibration": []}, "calibration"),
    ],
)
def test_card_and_weights_do_not_fit(folder: Path, changes: dict[str, Any], word: str) -> None:
    edit_card(folder, **changes)
    refused(folder, word)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"classes": ["a", "b"]}', "\ufeff{}", "[" * 100_000])
def test_a_damaged_card(folder: Path, text: str) -> None:
    (folder / "card.json").write_text(text, "utf-8")
    refused(folder, "card.json")


def test_a_card_that_is_no_text(folder: Path) -> None:
    (folder / "card.json").write_bytes(b"\xff\xfe\x00\x80")
    refused(folder, "card.json")


def test_nothing_there(tmp_path: Path, folder: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere", "card")
    (folder / "weights.safetensors").rename(tmp_path / "away")
    refused(folder, "weights")


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    "damage",
    [cut_off, lambda _: b"", lambda content: b"\xff" * 8 + content, lambda _: b"version https://git-lfs"],
)
def test_damaged_weights(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    file = folder / "weights.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    refused(folder, "weights")


@pytest.mark.parametrize("name", ["head.bias", "backbone.bn1.running_var", "lstm.weight_hh_l0"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(folder: Path, name: str, number: float) -> None:
    tensors = load_file(folder / "weights.safetensors")
    tensors[name][0] = number
    save_file(tensors, folder / "weights.safetensors")
    refused(folder, "not finite")


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


@pytest.mark.parametrize("dump", [pickle.dump, lambda bomb, file: torch.save({"head.bias": bomb}, file)])
def test_a_pickle_is_never_opened(folder: Path, tmp_path: Path, dump: Callable[[Any, Any], None]) -> None:
    with (folder / "weights.safetensors").open("wb") as file:
        dump(Bomb(tmp_path / "crater"), file)
    refused(folder, "weights")
    assert not (tmp_path / "crater").exists()
    pickle.loads(pickle.dumps(Bomb(tmp_path / "crater")))
    assert (tmp_path / "crater").exists(), "the bomb of this test is a dud"


def test_saving_replaces_the_whole_folder(folder: Path, network: ActionNetwork) -> None:
    (folder / "openvino").mkdir()  # an export of the old weights
    checkpoint.save(folder, network, replace(CARD, epoch=4))
    assert checkpoint.read_card(folder).epoch == 4
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "weights.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == ["best"]


def test_a_card_of_before_there_were_temperatures(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text("utf-8"))
    del card["temperature"], card["calibration"]
    (folder / "card.json").write_text(json.dumps(card), "utf-8")
    assert checkpoint.load(folder)[1] == replace(CARD, temperature=1.0, calibration={})


def test_another_card_for_the_same_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "openvino").mkdir()
    before = (folder / "weights.safetensors").stat()
    checkpoint.replace_card(folder, replace(CARD, temperature=2.0), of=CARD)
    assert checkpoint.read_card(folder) == replace(CARD, temperature=2.0)
    after = (folder / "weights.safetensors").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    names = ["card.json", "openvino", "weights.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    with pytest.raises(CheckpointError, match="replaced by another"):
        checkpoint.replace_card(folder, replace(CARD, temperature=3.0), of=CARD)

    def full(self: Path, *_: object, **__: object) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint.replace_card(folder, CARD, of=replace(CARD, temperature=2.0))
    assert checkpoint.read_card(folder).temperature == 2.0
    assert sorted(path.name for path in folder.iterdir()) == names


def test_cut_off_between_the_two_renames(folder: Path, network: ActionNetwork) -> None:
    folder.rename(folder.with_name("best.old"))
    assert checkpoint.load(folder)[1] == CARD
    assert checkpoint.present(folder).name == "best.old"
    checkpoint.save(folder, network, replace(CARD, epoch=5))
    assert checkpoint.read_card(folder).epoch == 5
    assert not folder.with_name("best.old").exists()


@pytest.mark.parametrize("cut", ["weights", "card", "first rename", "second rename"])
def test_a_crash_at_any_step_leaves_the_old_or_the_new(
    cut: str, folder: Path, network: ActionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> Any:
        raise Killed

    renames = iter([cut == "first rename", cut == "second rename"])
    rename = Path.rename
    with monkeypatch.context() as patch:
        if cut == "weights":
            patch.setattr(checkpoint, "save_file", die)
        elif cut == "card":
            patch.setattr(Path, "write_text", die)
        else:
            patch.setattr(Path, "rename", lambda self, to: die() if next(renames) else rename(self, to))
        with pytest.raises(Killed):
            checkpoint.save(folder, network, replace(CARD, epoch=9))
    assert checkpoint.load(folder)[1].epoch == 3
    checkpoint.save(folder, network, replace(CARD, epoch=10))
    assert checkpoint.load(folder)[1].epoch == 10
    assert [path.name for path in folder.parent.iterdir()] == ["best"]


def optimiser_for(network: ActionNetwork) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameter_groups(backbone=1e-4, head=1e-2), weight_decay=0.1)


def test_state_goes_on_exactly(tmp_path: Path) -> None:
    """Two steps at once, or one, kept and put back into a fresh network, and another: the same weights."""
    clip = pack_sequence([torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)])

    def step(network: ActionNetwork, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        network.eval()(clip).square().sum().backward()
        optimiser.step()

    def fresh(seed: int) -> tuple[ActionNetwork, torch.optim.Optimizer]:
        torch.manual_seed(seed)
        network = ActionNetwork(SHAPE, 3)
        return network, optimiser_for(network)

    one, two = fresh(0), fresh(1)
    step(*one)
    one[1].param_groups[0]["lr"] = 3e-5  # as the plateau scheduler does
    checkpoint.save_state(tmp_path / "last", *one, {"progress": {"best_loss": float("inf")}})
    step(*one)
    assert checkpoint.load_state(tmp_path / "last", *two) == {"progress": {"best_loss": float("inf")}}
    assert [group["lr"] for group in two[1].param_groups] == [3e-5, 1e-2]
    step(*two)
    assert all(torch.equal(a, b) for a, b in zip(one[0].parameters(), two[0].parameters(), strict=True))


@pytest.mark.parametrize("damage", ["weights", "json", "gone", "another network", "another shape of the values"])
def test_a_damaged_state_says_so(tmp_path: Path, network: ActionNetwork, damage: str) -> None:
    folder = tmp_path / "last"
    assert checkpoint.load_state(folder, network, optimiser_for(network)) is None
    checkpoint.save_state(folder, network, optimiser_for(network), {})
    weights, values = folder / "state.safetensors", folder / "state.json"
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "gone":
        weights.unlink()
    elif damage == "json":
        values.write_text(values.read_text("utf-8")[:-20], "utf-8")
    elif damage == "another shape of the values":
        values.write_text("[]", "utf-8")
    other = ActionNetwork(SHAPE, 4 if damage == "another network" else 3)
    with pytest.raises(CheckpointError, match="cannot go on"):
        checkpoint.load_state(folder, other, optimiser_for(other))


def test_a_card_from_before_grids_is_read_as_it_was_meant(tmp_path: Path) -> None:
    """Format 1 had no `embedding` and no `motion`; today's defaults for them would not fit its weights."""
    network = ActionNetwork(NetworkConfig(lstm_size=8, embedding="average", motion="off"), len(CARD.classes)).eval()
    checkpoint.save(tmp_path / "model", network, replace(CARD, network=network.config))
    path = tmp_path / "model" / "card.json"
    values = json.loads(path.read_text())
    values["format"] = 1
    for name in ("embedding", "motion"):
        del values["network"][name]
    path.write_text(json.dumps(values))
    loaded, card = checkpoint.load(tmp_path / "model")
    assert (card.network.embedding, card.network.motion, card.format) == ("average", "off", 2)
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), network.state_dict().values(), strict=True)
    )


def test_a_class_that_no_page_can_show_is_refused() -> None:
    with pytest.raises(ConfigError, match="half a letter"):
        replace(CARD, classes=("a\ud800", "b"))


@pytest.mark.parametrize("classes", [("a" * 1001, "b"), tuple(map(str, range(10_001)))])
def test_a_card_that_would_fill_the_memory_is_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="at most 10,000 classes with names of at most 1,000 letters"):
        replace(CARD, classes=classes)
