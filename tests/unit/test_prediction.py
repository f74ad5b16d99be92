"""From a file to a prediction: the network's own numbers, and what they rest on."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.utils.rnn import pack_sequence

from har_core import checkpoint, video
from har_core.batches import EvaluationClips, FrameStore
from har_core.errors import ConfigError, VideoError
from har_core.images import fit
from har_core.prediction import Predictor
from har_core.sampling import plan
from har_core.values import Clip


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return Predictor(tiny_model)


@pytest.fixture(scope="module")
def films(tiny: Path) -> list[Path]:
    return sorted(tiny.rglob("*_g04_*.mp4"))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s that begin dark and grow light: its windows and its order show."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    greys = np.linspace(0, 250, 60)
    video.write(path, (np.full((48, 96, 3), (g, 250 - g, 60), np.uint8) for g in greys), frames_per_second=20)
    return path


def by_hand(model: Path, path: Path) -> np.ndarray:
    """What torch gives for the windows of a clip, `(W, C)`."""
    network, card = checkpoint.load(model)
    at, where = plan(video.probe(path).seconds, card.clip, windows=card.windows)
    frames = np.stack([fit(rgb, card.clip.size) for _, rgb in video.read(path, at)]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        return network(pack_sequence([torch.from_numpy(frames[w]) for w in where])).double().softmax(1).numpy()


def test_the_networks_own_probabilities(tiny_model: Path, predictor: Predictor, films: list[Path], long: Path) -> None:
    for path in (*films, long):
        prediction = predictor.predict(path)
        assert prediction.probabilities.sum() == pytest.approx(1.0)
        assert np.abs(prediction.probabilities - by_hand(tiny_model, path).mean(axis=0)).max() < 1e-2
    assert len(by_hand(tiny_model, long)) == 2


def test_as_torch_runs_it(tiny_model: Path, films: list[Path]) -> None:
    exact = Predictor(tiny_model, runtime="torch")
    for path in films:
        assert np.allclose(exact.predict(path).probabilities, by_hand(tiny_model, path).mean(axis=0), atol=1e-5)


def test_training_and_prediction_look_at_the_same_pictures(predictor: Predictor, long: Path) -> None:
    card, seconds = predictor.card, video.probe(long).seconds
    check = EvaluationClips((Clip(long, "a", "g"),), (seconds,), (0,), card.clip, FrameStore(None), card.windows)
    rgb, where = check.frames(0)
    embeddings = predictor.engine.encode(rgb.transpose(0, 2, 3, 1))
    windows = predictor.engine.classify([embeddings[w] for w in where])
    mean = np.mean([window.probabilities for window in windows], axis=0)
    assert np.allclose(predictor.predict(long).probabilities, mean, atol=1e-6)


def test_top_k_of_the_tiny_actions(predictor: Predictor, films: list[Path]) -> None:
    for path in films:
        prediction = predictor.predict(path)
        top = prediction.top(2)
        assert len(top) == 2 and top[0][1] > top[1][1]
        assert len(prediction.top(99)) == 3
        assert prediction.action == path.parent.name
        assert prediction.classes == predictor.card.classes


def test_windows_lie_in_the_clip_and_make_the_mean(predictor: Predictor, long: Path) -> None:
    seen = predictor.examine(long)
    assert [(w.start, w.stop) for w in seen.windows] == [(0.0, 1.0), (2.0, pytest.approx(3.0))]
    assert seen.frames == 16 and seen.thumbnails == ()
    assert seen.properties == video.probe(long)
    mean = np.mean([w.prediction.probabilities for w in seen.windows], axis=0)
    assert np.allclose(seen.prediction.probabilities, mean)
    assert predictor.predict(long).top(3) == seen.prediction.top(3), "twice the same"


def test_a_clip_shorter_than_the_window(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    video.write(path, (np.full((48, 64, 3), 90, np.uint8) for _ in range(3)), frames_per_second=10)
    seen = predictor.examine(path, thumbnails=9)
    assert seen.frames == 2 and len(seen.windows) == 1 and len(seen.thumbnails) == 2
    assert seen.windows[0].stop <= seen.properties.seconds
    video.write(path, [np.full((48, 64, 3), 90, np.uint8)], frames_per_second=25)
    assert predictor.examine(path).frames == 1


def test_thumbnails_are_frames_that_were_looked_at(predictor: Predictor, long: Path) -> None:
    at, _ = plan(3.0, predictor.card.clip, windows=2)
    for number in (1, 5, 16, 40):
        thumbnails = predictor.examine(long, thumbnails=number).thumbnails
        assert len(thumbnails) == min(number, 16)
        seconds = [second for second, _ in thumbnails]
        assert seconds == sorted(set(seconds)) and set(seconds) <= set(at.tolist())
        for second, encoded in thumbnails:
            picture = np.asarray(Image.open(io.BytesIO(encoded)))
            assert picture.shape == (48, 96, 3)
            assert picture[..., 0].mean() == pytest.approx(250 * second / 2.95, abs=12)
    assert seconds[0] == 0.0 and seconds[-1] == at[-1]
    with pytest.raises(ConfigError, match="thumbnails"):
        predictor.examine(long, thumbnails=-1)


def test_shuffled_and_single_frames(predictor: Predictor, long: Path) -> None:
    plain = predictor.examine(long).prediction.probabilities
    shuffled = [predictor.examine(long, shuffle=seed).prediction.probabilities for seed in (1, 1, 2)]
    assert np.array_equal(shuffled[0], shuffled[1]) and not np.array_equal(shuffled[0], shuffled[2])
    assert not np.allclose(plain, shuffled[0], atol=1e-7)
    # The middle frame of a window alone is a clip of one frame.
    at, where = plan(3.0, predictor.card.clip, windows=2)
    middle = at[where[:, 4]]
    embeddings = predictor.engine.encode(np.stack([fit(rgb, 32) for _, rgb in video.read(long, middle)]))
    alone = predictor.engine.classify([embeddings[i : i + 1] for i in range(2)])
    single = predictor.examine(long, single=True).prediction.probabilities
    assert np.allclose(single, np.mean([p.probabilities for p in alone], axis=0), atol=5e-3)


@pytest.mark.parametrize("content", [None, b"", b"no film at all", "cut off"])
def test_a_broken_file_is_a_video_error(
    predictor: Predictor, films: list[Path], content: bytes | str | None, tmp_path: Path
) -> None:
    path = tmp_path / "broken.mp4"
    if isinstance(content, str):
        content = films[0].read_bytes()[:600]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        predictor.predict(path)


def test_the_threshold_comes_with_the_model(tiny_model: Path, films: list[Path], tmp_path: Path) -> None:
    from dataclasses import replace

    network, card = checkpoint.load(tiny_model)
    checkpoint.save(tmp_path / "model", network, replace(card, unsure_below=1.0))
    assert Predictor(tmp_path / "model", runtime="torch").predict(films[0]).unsure
    assert not Predictor(tiny_model, runtime="torch").predict(films[0]).unsure
