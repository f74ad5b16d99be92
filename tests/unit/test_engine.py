"""The engine: the same numbers as the network, whatever computes them, and an export that can be trusted."""

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch

from har_core import checkpoint, video
from har_core.checkpoint import Card
from har_core.config import ClipSpec, NetworkConfig
from har_core.engine import Engine, _pieces, bundled_encoder
from har_core.images import fit
from har_core.network import ActionNetwork, load_initial
from har_core.sampling import instants
from har_core.values import Rgb


@pytest.fixture(scope="module")
def clips(tiny: Path) -> list[Rgb]:
    """What the network is shown of each tiny clip, `(8, 32, 32, 3)`."""
    at = np.arange(8) / 8
    return [np.stack([fit(rgb, 32) for _, rgb in video.read(path, at)]) for path in sorted(tiny.rglob("*.mp4"))]


@pytest.fixture
def model(small_backbone: None, tmp_path: Path) -> Path:
    """A small network, for which an export takes no time."""
    torch.manual_seed(0)
    network = ActionNetwork(NetworkConfig(lstm_size=16), 3)
    network.head.weight.data *= 30
    checkpoint.save(tmp_path / "model", network, Card(("a", "b", "c"), ClipSpec(size=32), network.config))
    return tmp_path / "model"


@pytest.fixture
def exact(model: Path, clips: list[Rgb]) -> np.ndarray:
    """What torch makes of the small network."""
    return answers(Engine(model, runtime="torch"), clips)


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows with each export."""
    made: list[None] = []
    convert = openvino.convert_model
    monkeypatch.setattr(openvino, "convert_model", lambda *a, **k: made.append(None) or convert(*a, **k))
    return made


def answers(engine: Engine, clips: list[Rgb]) -> np.ndarray:
    return np.stack([p.probabilities for p in engine.classify([engine.encode(clip) for clip in clips])])


def files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in (folder / "openvino").iterdir())


@pytest.fixture(scope="module")
def expected(tiny_model: Path, clips: list[Rgb]) -> np.ndarray:
    """What torch makes of the tiny model."""
    return answers(Engine(tiny_model, runtime="torch"), clips)


def test_torch_gives_the_networks_own_numbers(tiny_model: Path, clips: list[Rgb], expected: np.ndarray) -> None:
    network, card = checkpoint.load(tiny_model)
    batch = torch.nn.utils.rnn.pack_sequence([torch.from_numpy(clip.transpose(0, 3, 1, 2).copy()) for clip in clips])
    with torch.inference_mode():
        assert np.allclose(network(batch).softmax(1).numpy(), expected, atol=1e-5)
    assert Engine(tiny_model, runtime="torch").card == card


def test_openvino_gives_the_same_answers(tiny_model: Path, clips: list[Rgb], expected: np.ndarray) -> None:
    engine = Engine(tiny_model)
    assert engine.runtime == "openvino"
    found = answers(engine, clips)
    assert np.abs(found - expected).max() < 1e-4
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_the_temperature_of_the_card_divides_the_logits(model: Path, clips: list[Rgb], runtime: Any) -> None:
    plain = answers(Engine(model, runtime=runtime), clips)
    card = checkpoint.read_card(model)
    checkpoint.replace_card(model, replace(card, temperature=2.0, unsure_below=0.3), of=card)
    engine = Engine(model, runtime=runtime)
    roots = np.sqrt(plain)  # of logits halved
    assert np.allclose(answers(engine, clips), roots / roots.sum(1, keepdims=True), atol=1e-5)
    assert engine.classify([engine.encode(clips[0])])[0].unsure_below == 0.3


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_shapes_and_order(tiny_model: Path, clips: list[Rgb], runtime: Any) -> None:
    engine = Engine(tiny_model, runtime=runtime)
    pictures = np.concatenate(clips)
    assert len(pictures) == 96  # several rounds, the last one full; then one that is not
    embeddings = engine.encode(pictures)
    assert embeddings.shape == (96, 512) and embeddings.dtype == np.float32
    largest = np.abs(embeddings).max()
    assert np.abs(engine.encode(pictures[90:]) - embeddings[90:]).max() < 1e-4 * largest
    assert np.abs(engine.encode(pictures[:33]) - embeddings[:33]).max() < 1e-4 * largest
    assert engine.encode(pictures[:0]).shape == (0, 512)
    assert engine.classify([]) == []
    lengths = [embeddings[:1], embeddings[:20], embeddings[8:16]]
    together = engine.classify(lengths)
    for one, clip in zip(together, lengths, strict=True):
        assert np.allclose(one.probabilities, engine.classify([clip])[0].probabilities, atol=1e-5)
        assert one.classes == engine.card.classes and one.probabilities.sum() == pytest.approx(1)


def test_threads_may_share_an_engine(tiny_model: Path, clips: list[Rgb]) -> None:
    engine = Engine(tiny_model)
    alone = answers(engine, clips)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: answers(engine, clips), range(12)):
            assert np.allclose(found, alone, atol=1e-6)


def test_the_export_is_kept_and_used_again(model: Path, conversions: list[None], clips: list[Rgb]) -> None:
    first = answers(Engine(model), clips)
    assert len(conversions) == 1 and files(model) == [".bin", ".xml"]
    assert np.allclose(answers(Engine(model), clips), first, atol=1e-6)
    assert len(conversions) == 1


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def test_a_damaged_export_is_made_again(
    model: Path, conversions: list[None], clips: list[Rgb], exact: np.ndarray
) -> None:
    Engine(model)
    damages: list[tuple[str, Callable[[Path], object]]] = [(".xml", shorten), (".bin", shorten), (".bin", Path.unlink)]
    for number, (suffix, damage) in enumerate(damages, 2):
        (file,) = (model / "openvino").glob(f"*{suffix}")
        damage(file)
        assert np.abs(answers(Engine(model), clips) - exact).max() < 1e-4
        assert len(conversions) == number and files(model) == [".bin", ".xml"]
    Engine(model)
    assert len(conversions) == 4


@pytest.mark.parametrize("step", ["folder", "file"])
def test_a_folder_that_cannot_be_written(
    model: Path, step: str, clips: list[Rgb], exact: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied")

    if step == "folder":
        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    assert np.abs(answers(Engine(model), clips) - exact).max() < 1e-4
    assert not (model / "openvino").exists() or not files(model)


def another(model: Path, folder: Path) -> Path:
    """A checkpoint like this one, but of another backbone."""
    torch.manual_seed(1)
    network, card = checkpoint.load(model)
    for parameter in network.backbone.parameters():
        parameter.data = torch.randn_like(parameter)
    checkpoint.save(folder, network, card)
    return folder


def test_a_replaced_checkpoint_never_meets_anothers_export(
    model: Path, clips: list[Rgb], exact: np.ndarray, tmp_path: Path
) -> None:
    Engine(model)
    other = another(model, tmp_path / "other")
    shutil.move(model / "openvino", other / "openvino")
    checkpoint.replace(model, other)
    changed = answers(Engine(model, runtime="torch"), clips)
    assert np.abs(changed - exact).max() > 0.5
    assert np.abs(answers(Engine(model), clips) - changed).max() < 0.15


def test_a_checkpoint_that_is_replaced_while_it_is_loaded(
    model: Path, clips: list[Rgb], exact: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run writes a better epoch at the moment in which a page loads the last one."""
    other = another(model, tmp_path / "other")
    load = checkpoint.load

    def load_then_replace(folder: Path) -> Any:
        loaded = load(folder)
        if other.exists():
            checkpoint.replace(model, other)
        return loaded

    monkeypatch.setattr(checkpoint, "load", load_then_replace)
    assert np.abs(answers(Engine(model), clips) - exact).max() < 1e-4
    changed = answers(Engine(model, runtime="torch"), clips)
    assert np.abs(changed - exact).max() > 0.5
    assert np.abs(answers(Engine(model), clips) - changed).max() < 0.15


def test_cut_off_while_it_was_replaced(model: Path, clips: list[Rgb], exact: np.ndarray) -> None:
    model.rename(model.with_name("model.old"))
    assert np.abs(answers(Engine(model), clips) - exact).max() < 1e-4


def test_real_clips_with_a_trained_backbone(shared_clips: Callable[[str], Path], tmp_path: Path) -> None:
    paths = sorted(shared_clips("yoga").rglob("*.mp4"))[::60][:3]
    torch.manual_seed(3)
    spec = ClipSpec(2.0, 4.0, 8, 112)
    network = ActionNetwork(NetworkConfig(weights="bundled"), 5)
    load_initial(network, "bundled")
    network.head.weight.data *= 10
    checkpoint.save(tmp_path / "model", network, Card(("a", "b", "c", "d", "e"), spec, network.config))
    shown = [
        np.stack([fit(rgb, 112) for _, rgb in video.read(path, instants(video.probe(path).seconds, spec))])
        for path in paths
    ]
    fast, slow = (answers(Engine(tmp_path / "model", runtime=name), shown) for name in ("openvino", "torch"))
    assert np.abs(fast - slow).max() < 1e-4
    assert np.array_equal(fast.argmax(axis=1), slow.argmax(axis=1))


def test_pictures_are_encoded_in_few_sizes() -> None:
    for number in range(1, 200):
        pieces = _pieces(number)
        assert sum(pieces) == number
        assert set(pieces) <= {1, 2, 4, 8, 16, 32}


def test_the_bundled_backbone_encodes_without_a_model() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    encoder = bundled_encoder(32, runtime="torch")
    network = ActionNetwork(NetworkConfig(embedding="average"), 2).eval()
    load_initial(network, "bundled")
    with torch.inference_mode():
        expected = network.look(torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy())).numpy()
    assert np.allclose(encoder.encode(pictures), expected, atol=1e-5)
    assert encoder.identity != bundled_encoder(64, runtime="torch").identity
