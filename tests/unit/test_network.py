"""The network: packing changes nothing, batch norm keeps still where it must, weights come from where they should."""

import copy
import dataclasses
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence
from torchvision.models import resnet18

from har_core import network as module
from har_core import weights
from har_core.config import NetworkConfig
from har_core.errors import CheckpointError
from har_core.network import MOTION_GAIN, ActionNetwork, _BatchNorm, load_initial, resolve

LENGTHS = (3, 7, 1, 5)


@pytest.fixture(autouse=True)
def one_backbone(monkeypatch: pytest.MonkeyPatch, backbone: nn.Module) -> None:
    """Drawing 11 million weights anew for every network would take most of the time."""
    monkeypatch.setattr(module, "resnet18", lambda **_: copy.deepcopy(backbone))


@pytest.fixture(scope="module")
def backbone() -> nn.Module:
    torch.manual_seed(0)
    made = resnet18(weights=None, norm_layer=_BatchNorm)
    for norm in norms(made):  # as if it had been trained: otherwise the statistics are those of doing nothing
        nn.init.uniform_(norm.running_mean, -0.2, 0.2)
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return made


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No connection to anywhere, and an empty folder of downloads; gives the folder."""

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def norms(root: nn.Module) -> Iterator[_BatchNorm]:
    return (part for part in root.modules() if isinstance(part, _BatchNorm))


def statistics(network: ActionNetwork) -> list[Tensor]:
    return [b.clone() for name, b in network.backbone.named_buffers()]


def clips(*lengths: int, size: int = 32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (t, 3, size, size), dtype=torch.uint8, generator=generator) for t in lengths]


def plain(**settings: Any) -> NetworkConfig:
    """Nothing between the backbone and the LSTM."""
    return NetworkConfig(embedding="average", motion="off", **settings)


@torch.inference_mode()
def logits(network: ActionNetwork, *sequences: Tensor) -> Tensor:
    return network.eval()(pack_sequence(list(sequences), enforce_sorted=False))


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
def test_a_clip_is_the_same_alone_and_in_a_batch(pooling: Any, both_ways: bool, layers: int) -> None:
    torch.manual_seed(2)
    network = ActionNetwork(
        NetworkConfig(lstm_size=16, lstm_layers=layers, bidirectional=both_ways, pooling=pooling), 5
    )
    sequences = clips(*LENGTHS)
    together = logits(network, *sequences)
    alone = torch.cat([logits(network, sequence) for sequence in sequences])
    assert together.shape == (4, 5)
    assert torch.allclose(together, alone, atol=1e-5)
    # Clips differ by far more than that, so that an order that is not kept would show.
    assert torch.pdist(alone).min() > 1e-3
    assert torch.allclose(logits(network, *reversed(sequences)), alone.flip(0), atol=1e-5)


@pytest.mark.parametrize("motion", ["off", "only", "beside"])
@pytest.mark.parametrize("embedding", ["average", "grid"])
def test_so_it_is_whatever_is_embedded_and_read(embedding: Any, motion: Any) -> None:
    torch.manual_seed(2)
    network = ActionNetwork(NetworkConfig(lstm_size=16, embedding=embedding, motion=motion), 5)
    sequences = clips(*LENGTHS)
    together = logits(network, *sequences)
    alone = torch.cat([logits(network, sequence) for sequence in sequences])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(logits(network, *reversed(sequences)), alone.flip(0), atol=1e-5)
    with torch.inference_mode():
        assert network.encode(sequences[0]).shape == (LENGTHS[0], 512)


def test_a_grid_keeps_where_something_is() -> None:
    """A bright corner wanders: an average over places hardly sees it, a grid does, and each place sees its own."""
    torch.manual_seed(0)
    network = ActionNetwork(NetworkConfig(embedding="grid"), 2).eval()
    assert network.places is not None
    seen = torch.zeros(2, 512, 4, 4)
    seen[0, :, 0, 0] = seen[1, :, 3, 2] = torch.randn(512)
    with torch.inference_mode():
        embedded = network.embed(seen.flatten(1)).view(2, 32, 4, 4)
        kept = network.places.weight.flatten(1) @ seen[0, :, 0, 0]
    assert torch.allclose(embedded[0, :, 0, 0], kept, atol=1e-5)
    assert torch.allclose(embedded[1, :, 3, 2], kept, atol=1e-5)
    assert embedded.count_nonzero() == 64


@pytest.mark.parametrize("size", [32, 64, 112, 150])
def test_a_grid_is_512_numbers_at_any_size(size: int) -> None:
    network = ActionNetwork(NetworkConfig(embedding="grid"), 2).eval()
    with torch.inference_mode():
        assert network.encode(clips(1, size=size)[0]).shape == (1, 512)


def test_what_stands_still_is_gone_from_motion() -> None:
    network = ActionNetwork(NetworkConfig(lstm_layers=0, motion="only", pooling="last"), 3).eval()
    still, moving = torch.randn(1, 512).expand(6, 512), torch.randn(4, 512)
    with torch.inference_mode():
        nothing, something = network.classify(pack_sequence([still, moving]))
        assert torch.allclose(nothing, network.head.bias, atol=1e-5)
        expected = network.head(MOTION_GAIN * (moving[-1] - moving.mean(0)))
        assert torch.allclose(something, expected, atol=1e-4)
        # A constant room added to all frames changes nothing.
        again = network.classify(pack_sequence([still + 3, moving - 5]))
        assert torch.allclose(again, torch.stack([nothing, something]), atol=1e-3)


def test_steps_are_what_differs_from_the_frame_before_and_end_with_the_clip() -> None:
    network = ActionNetwork(NetworkConfig(lstm_layers=0, motion="steps", pooling="last"), 3).eval()
    short, long = torch.randn(4, 512), torch.randn(6, 512)
    with torch.inference_mode():
        alone, beside = network.classify(pack_sequence([short])), network.classify(pack_sequence([long, short]))[1:]
        read = torch.cat([short[-1], MOTION_GAIN * (short[-1] - short.mean(0)), MOTION_GAIN * (short[-1] - short[-2])])
        assert torch.allclose(alone[0], network.head(read), atol=1e-4)
        assert torch.allclose(alone, beside, atol=1e-4)


@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
def test_pooling_is_what_it_says(pooling: Any) -> None:
    network = ActionNetwork(plain(lstm_layers=0, pooling=pooling), 3).eval()
    embeddings = [torch.randn(t, 512) for t in LENGTHS]
    with torch.inference_mode():
        seen = network.classify(pack_sequence(embeddings, enforce_sorted=False))
        pooled = {
            "last": lambda e: e[-1],
            "mean": lambda e: e.mean(0),
            "attention": lambda e: (network.attention(e).softmax(0) * e).sum(0),  # type: ignore[misc]
        }[pooling]
        assert torch.allclose(seen, network.head(torch.stack([pooled(e) for e in embeddings])), atol=1e-5)


@pytest.mark.parametrize("both_ways", [False, True])
def test_last_is_the_final_state_of_each_direction(both_ways: bool) -> None:
    network = ActionNetwork(plain(lstm_size=8, pooling="last", bidirectional=both_ways), 3).eval()
    clip = torch.randn(6, 512)
    assert network.lstm is not None
    with torch.inference_mode():
        states, _ = network.lstm(clip[None])
        final = torch.cat([states[0, -1, :8], states[0, 0, 8:]])
        assert torch.allclose(network.classify(pack_sequence([clip])), network.head(final)[None], atol=1e-6)


def test_each_picture_is_encoded_alone_and_in_order() -> None:
    network = ActionNetwork(NetworkConfig(), 2).eval()
    pictures = clips(5)[0]
    with torch.inference_mode():
        together = network.encode(pictures)
        assert together.shape == (5, 512)
        for picture, embedding in zip(pictures, together, strict=True):
            assert torch.allclose(network.encode(picture[None])[0], embedding, atol=1e-5)


def test_the_network_normalises() -> None:
    """Against torchvision's own road: scaled to 1, ImageNet's mean and deviation."""
    network = ActionNetwork(plain(), 2).eval()
    pictures = clips(2)[0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = (pictures.float() / 255 - mean[:, None, None]) / std[:, None, None]
    with torch.inference_mode():
        assert torch.allclose(network.encode(pictures), network.backbone(normal), atol=1e-4)


def test_batch_norm_in_evaluation_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = _BatchNorm(8), nn.BatchNorm2d(8)
    for name in ("weight", "bias", "running_mean"):
        nn.init.normal_(getattr(ours, name))
    nn.init.uniform_(ours.running_var, 0.1, 3)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 8, 6, 5) * 3
    answers = []
    for norm in (ours.eval(), theirs.eval()):
        given = x.clone().requires_grad_()
        y = norm(given)
        y.square().sum().backward()
        answers.append((y, given.grad, norm.weight.grad / 1000, norm.bias.grad / 100))
    for one, other in zip(*answers, strict=True):
        assert torch.allclose(one, other, atol=1e-5, rtol=1e-5)
    assert torch.equal(ours.train()(x), theirs.train()(x))
    assert torch.equal(ours.running_var, theirs.running_var)


@pytest.mark.parametrize(("pretrained", "frozen"), [(True, False), (True, True), (False, True), (False, False)])
def test_only_a_backbone_that_learns_from_nothing_moves_its_statistics(pretrained: bool, frozen: bool) -> None:
    network = ActionNetwork(NetworkConfig(lstm_size=8), 2, pretrained=pretrained)
    network.freeze(frozen)
    network.train()
    before = statistics(network)
    loss = network(pack_sequence(clips(*LENGTHS), enforce_sorted=False)).sum()
    loss.backward()
    same = all(torch.equal(a, b) for a, b in zip(before, statistics(network), strict=True))
    assert same == (pretrained or frozen)
    assert all((p.grad is None) == frozen for p in network.backbone.parameters())
    assert all(p.grad is not None for p in network.head.parameters())
    assert network.dropout.training


def test_a_held_backbone_is_never_in_training_mode_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may encode with it while this one prepares a step."""
    network = ActionNetwork(NetworkConfig(lstm_size=8), 2)
    network.eval()
    modes: list[bool] = []
    train = _BatchNorm.train
    monkeypatch.setattr(_BatchNorm, "train", lambda self, mode=True: modes.append(mode) or train(self, mode))
    network.train()
    network.freeze(True)
    network.train()
    assert not any(modes)
    assert network.training and network.head.training and not network.backbone.training


def test_parameter_groups_cover_every_parameter_once() -> None:
    for config in (
        NetworkConfig(),
        NetworkConfig(embedding="grid", motion="beside"),
        NetworkConfig(lstm_layers=0),
        NetworkConfig(pooling="attention", lstm_layers=2),
    ):
        network = ActionNetwork(config, 3)
        slow, fast = network.parameter_groups(backbone=1e-5, head=1e-3)
        assert (slow["lr"], fast["lr"]) == (1e-5, 1e-3)
        covered = [id(p) for group in (slow, fast) for p in group["params"]]
        assert len(covered) == len(set(covered))
        assert set(covered) == {id(p) for p in network.parameters()}
        assert {id(p) for p in slow["params"]} == {id(p) for p in network.backbone.parameters()}


def test_torchvisions_weights_fit() -> None:
    state = {name: value for name, value in resnet18().state_dict().items() if not name.startswith("fc.")}
    network = ActionNetwork(NetworkConfig(), 2)
    network.backbone.load_state_dict(state)
    assert torch.equal(network.backbone.state_dict()["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


def test_none_starts_from_nothing(offline: Path) -> None:
    network = ActionNetwork(NetworkConfig(), 2)
    before = copy.deepcopy(network.state_dict())
    assert load_initial(network, "none").startswith("none")
    assert not network.pretrained
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_bundled(offline: Path) -> None:
    network = ActionNetwork(NetworkConfig(), 2)
    before = network.backbone.conv1.weight.clone()
    assert load_initial(network, "bundled").startswith("bundled")
    assert network.pretrained and not torch.equal(network.backbone.conv1.weight, before)
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_bundled_is_missing(offline: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "PROJECT", tmp_path)
    with pytest.raises(CheckpointError, match="bundled"):
        load_initial(ActionNetwork(NetworkConfig(), 2), "bundled")
    assert resolve("auto") == "none"


def downloaded(folder: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of weights as torchvision keeps it: its name holds the beginning of its hash."""
    folder.mkdir(parents=True)
    torch.save(state, folder / "fresh")
    file = folder / f"resnet18-{hashlib.sha256((folder / 'fresh').read_bytes()).hexdigest()[:8]}.pth"
    (folder / "fresh").rename(file)
    ours, entry = (
        dataclasses.replace(weights.entry("resnet18-imagenet"), path=file, sha256=file.stem[-8:]),
        weights.entry,
    )
    monkeypatch.setattr(weights, "entry", lambda name: ours if name == ours.name else entry(name))
    return file


def test_auto_takes_what_lies_here(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve("auto") == "bundled"
    assert load_initial(ActionNetwork(NetworkConfig(), 2), "auto").startswith("bundled")
    state = resnet18().state_dict()
    downloaded(offline, state, monkeypatch)
    assert resolve("auto") == "imagenet"
    network = ActionNetwork(NetworkConfig(), 2)
    assert load_initial(network, "auto").startswith("imagenet")
    assert torch.equal(network.backbone.conv1.weight, state["conv1.weight"])


def test_imagenet_without_internet(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> Any:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(CheckpointError, match=r"ImageNet .* without internet.* bundled"):
        load_initial(ActionNetwork(NetworkConfig(), 2), "imagenet")
    assert not list(offline.glob("*.pth"))


def test_imagenet_is_fetched_when_asked_for_by_name(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = resnet18().state_dict()
    file = downloaded(offline, state, monkeypatch)
    elsewhere = file.rename(offline / "elsewhere")
    monkeypatch.setattr(weights, "fetch", lambda wanted: elsewhere.rename(wanted.path))
    network = ActionNetwork(NetworkConfig(), 2)
    assert load_initial(network, "imagenet").startswith("imagenet")
    assert torch.equal(network.backbone.conv1.weight, state["conv1.weight"])


@pytest.mark.parametrize("damage", ["cut off", "text", "another shape", "another network"])
def test_imagenet_file_is_damaged(offline: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = resnet18().state_dict()
    if damage == "another shape":
        state["conv1.weight"] = torch.zeros(3)
    if damage == "another network":
        state["more"] = torch.zeros(3)
    file = downloaded(offline, state, monkeypatch)
    if damage in ("cut off", "text"):
        file.write_bytes(b"<html>404</html>" if damage == "text" else file.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match=r"ImageNet|imagenet"):
        load_initial(ActionNetwork(NetworkConfig(), 2), "imagenet")


def test_a_constant_clip_gives_finite_logits() -> None:
    network = ActionNetwork(NetworkConfig(lstm_size=8), 2)
    for grey in (0, 255):
        assert logits(network, torch.full((2, 3, 32, 32), grey, dtype=torch.uint8)).isfinite().all()
    assert np.isfinite(logits(network, torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).numpy()).all()
