"""Vectors of clips: their order and meaning, and a cache that survives whatever happens."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from har_core import dataset, embeddings, video
from har_core.dataset import Dataset
from har_core.embeddings import clip_embeddings, known
from har_core.engine import Engine, bundled_encoder
from har_core.errors import CheckpointError
from har_core.images import fit
from har_core.sampling import plan
from har_core.values import Rgb


class Shown:
    """In place of the bundled encoder: the mean colour of a picture, and how many were looked at."""

    def __init__(self) -> None:
        self.pictures = 0

    def __call__(self, size: int) -> "Shown":
        return self

    def encode(self, rgb: Rgb) -> np.ndarray:
        self.pictures += len(rgb)
        return np.pad(rgb.mean(axis=(1, 2)).astype(np.float32), ((0, 0), (0, 509)))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    from har_core import engine

    encoder = Shown()
    monkeypatch.setattr(engine, "bundled_encoder", encoder)
    return encoder


@pytest.fixture
def source(tiny: Path, tmp_path: Path) -> Dataset:
    return dataset.read(shutil.copytree(tiny, tmp_path / "clips"))


def parts(workspace: Path) -> list[Path]:
    return sorted((workspace / "cache" / "embeddings").rglob("*.npz"))


def test_a_vector_is_the_mean_beside_the_mean_change(source: Dataset) -> None:
    clip, length = source.clips[5], source.properties[5].seconds
    at = (np.arange(6) + 0.5) / 6 * length
    seen = bundled_encoder(80).encode(np.stack([fit(rgb, 80) for _, rgb in video.read(clip.path, at)]))
    (vector,) = clip_embeddings(source, [clip])
    assert vector.shape == (1024,) and vector.dtype == np.float32
    largest = np.abs(seen).max()
    assert np.abs(vector[:512] - seen.mean(axis=0)).max() < 2e-2 * largest
    assert np.abs(vector[512:] - np.abs(np.diff(seen, axis=0)).mean(axis=0)).max() < 2e-2 * largest


def test_a_models_own_eyes(source: Dataset, tiny_model: Path) -> None:
    engine = Engine(tiny_model)
    clips = source.clips[2:5]
    found = clip_embeddings(source, clips, model=tiny_model)
    for vector, clip in zip(found, clips, strict=True):
        at, _ = plan(1.0, engine.card.clip, windows=1)
        seen = engine.encode(np.stack([fit(rgb, engine.card.clip.size) for _, rgb in video.read(clip.path, at)]))
        assert np.abs(vector[:512] - seen.mean(axis=0)).max() < 3e-2 * np.abs(seen).max()
    assert np.array_equal(known(source, clips, model=tiny_model), found)
    assert np.isnan(known(source, clips)).all()  # the bundled backbone has not looked yet


def test_order_cache_and_progress(source: Dataset, shown: Shown) -> None:
    told: list[tuple[int, int]] = []
    before = embeddings.stamp(source)
    found = clip_embeddings(source, source.clips, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 12) and told[-1] == (12, 12) and shown.pictures == 12 * 6
    assert embeddings.stamp(source) != before
    backwards = clip_embeddings(source, source.clips[::-1])
    assert shown.pictures == 12 * 6 and np.array_equal(backwards[::-1], found)
    assert np.array_equal(known(source, source.clips), found)
    assert clip_embeddings(source, []).shape == (0, 1024)


def test_a_changed_clip_is_looked_at_again(source: Dataset, shown: Shown) -> None:
    first = clip_embeddings(source, source.clips)
    shutil.copy(source.clips[11].path, source.clips[0].path)
    assert np.isnan(known(source, source.clips)[0]).all() and not np.isnan(known(source, source.clips)[1:]).any()
    again = clip_embeddings(source, source.clips)
    assert shown.pictures == 13 * 6
    assert np.allclose(again[0], first[11], atol=1) and np.array_equal(again[1:], first[1:])


def test_a_clip_that_cannot_be_decoded_costs_its_own_row(source: Dataset, shown: Shown) -> None:
    source.clips[3].path.write_bytes(b"no video")
    source.clips[4].path.unlink()
    found = clip_embeddings(source, source.clips)
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [3, 4]


def test_what_was_found_before_a_cancel_is_kept(source: Dataset, shown: Shown) -> None:
    asked = iter([False, True])
    found = clip_embeddings(source, source.clips, cancelled=lambda: next(asked))
    reached = ~np.isnan(found).any(axis=1)
    assert reached.tolist() == [True] * 6 + [False] * 6  # 32 pictures or a few more at once
    clip_embeddings(source, source.clips)
    assert shown.pictures == 12 * 6


def test_a_page_that_is_left_keeps_what_was_found(source: Dataset, shown: Shown) -> None:
    def leave(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clip_embeddings(source, source.clips, progress=leave)
    assert (~np.isnan(known(source, source.clips)).any(axis=1)).sum() == 6


def test_parts_are_joined_and_a_damaged_one_is_left_out(
    source: Dataset, shown: Shown, own_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        clip_embeddings(source, source.clips[number : number + 1])
    assert len(parts(own_workspace)) == 7
    parts(own_workspace)[0].write_bytes(b"PK\x03\x04 cut short")
    missing = np.isnan(known(source, source.clips)).any(axis=1)
    assert missing.sum() == 6
    found = clip_embeddings(source, source.clips)
    assert not np.isnan(found).any() and len(parts(own_workspace)) == 1
    assert np.array_equal(known(source, source.clips), found)


@pytest.mark.parametrize("wrong", ["narrow", "texts", "nested keys", "no archive", "infinite", "damaged"])
def test_a_foreign_part_is_left_out(source: Dataset, shown: Shown, own_workspace: Path, wrong: str) -> None:
    found = clip_embeddings(source, source.clips)
    (part,) = parts(own_workspace)
    with np.load(part) as kept:
        keys, rows = kept["keys"], kept["rows"]
    foreign = part.with_name("foreign.npz")
    if wrong == "no archive":
        with foreign.open("wb") as file:
            np.save(file, rows)
    elif wrong == "damaged":
        np.savez_compressed(foreign, keys=keys, rows=np.random.default_rng(0).random(rows.shape, np.float32))
        content = bytearray(foreign.read_bytes())
        content[len(content) // 2 :][:90] = bytes(90)
        foreign.write_bytes(content[: len(content) // 2] + bytes(90) + content[len(content) // 2 + 90 :])
    else:
        other = {"narrow": rows[:, :7], "texts": rows.astype(str), "infinite": rows + np.inf}.get(wrong, rows)
        np.savez(foreign, keys=np.stack([keys] * len(keys)) if wrong == "nested keys" else keys, rows=other)
    assert np.array_equal(known(source, source.clips), found)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_workspace_that_cannot_be_written(
    source: Dataset, shown: Shown, own_workspace: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "folder":
        (own_workspace / "cache").mkdir(parents=True, exist_ok=True)
        (own_workspace / "cache" / "embeddings").write_text("in the way")
    else:

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez", full)
    assert not np.isnan(clip_embeddings(source, source.clips)).any()
    assert not parts(own_workspace) and not list(own_workspace.rglob("*.part"))


def test_only_the_newest_encoders_are_kept(source: Dataset, shown: Shown, own_workspace: Path) -> None:
    others = own_workspace / "cache" / "embeddings"
    for number in range(20):
        (others / f"other-{number:02d}").mkdir(parents=True)
    clip_embeddings(source, source.clips[:1])
    assert len(list(others.iterdir())) == 8 and parts(own_workspace)


def test_a_model_that_is_replaced_is_another_encoder(
    source: Dataset, tiny_model: Path, tmp_path: Path, shown: Shown
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    before = embeddings.stamp(source, model=model)
    (model / "weights.safetensors").write_bytes((model / "weights.safetensors").read_bytes()[:-4] + b"0000")
    assert embeddings.stamp(source, model=model) != before
    assert embeddings.stamp(source) not in (before, embeddings.stamp(source, model=model))


@pytest.mark.parametrize("look", [known, clip_embeddings])
def test_no_such_model(source: Dataset, tmp_path: Path, look: Callable[..., object]) -> None:
    with pytest.raises(CheckpointError, match=r"card\.json"):
        look(source, source.clips, model=tmp_path / "nowhere")
