"""From a file to a prediction: the network's own numbers, and what they rest on."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.utils.rnn import pack_sequence

from har_core import checkpoint, video
from har_core.batches import EvaluationClips, FrameStore
from har_core.errors import ConfigError, VideoError
from har_core.images import fit
from har_core.prediction import Predictor, damage_of
from har_core.sampling import plan
from har_core.values import Clip, Rgb


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


def test_a_film_that_decodes_in_part_only_is_not_named_with_confidence(
    predictor: Predictor, long: Path, spoilt: Path, early: Path, tmp_path: Path
) -> None:
    assert predictor.examine(long).damage == "" and predictor.examine(early).damage == ""
    seen = predictor.examine(spoilt)
    assert seen.unsure and "spoilt.mp4 is damaged: " in seen.damage and "frames looked at do not decode" in seen.damage
    whole = early.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    cut = predictor.examine(tmp_path / "cut.mp4")
    assert cut.unsure and "s are not in the file" in cut.damage


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
    assert np.allclose(single, np.mean([p.probabilities for p in alone], axis=0), atol=1e-4)


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
    network, card = checkpoint.load(tiny_model)
    checkpoint.save(tmp_path / "model", network, replace(card, unsure_below=1.0))
    assert Predictor(tmp_path / "model", runtime="torch").predict(films[0]).unsure
    assert not Predictor(tiny_model, runtime="torch").predict(films[0]).unsure


# --- people -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s of a large square that stands and a small one that leaves half way."""
    path = tmp_path_factory.mktemp("pair") / "pair.mp4"

    def pictures() -> Iterator[Rgb]:
        for number in range(60):
            rgb = np.full((80, 120, 3), (60, 30 + number, 90), np.uint8)
            rgb[20:60, 10:40] = (250, 250, 202 + number // 2)
            if number < 30:
                rgb[5:25, 60 + number : 80 + number] = 250
            yield rgb

    video.write(path, pictures(), frames_per_second=20)
    return path


@pytest.fixture(scope="module")
def of_people(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, as if it had learned from people."""
    folder = tmp_path_factory.mktemp("people") / "model"
    network, card = checkpoint.load(tiny_model)
    checkpoint.save(folder, network, replace(card, clip=replace(card.clip, view="person"), views=("person",)))
    return folder


def test_everybody(tiny_model: Path, pair: Path, bright: Any) -> None:
    predictor = Predictor(tiny_model, detector=bright)
    seen = predictor.everybody(pair)
    assert [s.track for s in seen] == [1, 2]
    (large,) = [s for s in seen if s.stop > 2]
    (small,) = [s for s in seen if s.stop <= 2]
    assert (large.start, large.stop) == (0.0, pytest.approx(3.0))
    assert small.start == 0.0 and 1.4 <= small.stop <= 1.8
    for who in seen:
        assert who.prediction.classes == predictor.card.classes
        for part in who.segments:
            assert who.start <= part.start < part.stop <= who.stop and part.track == who.track
    looked = bright.looked
    assert [s.prediction.top(3) for s in predictor.everybody(pair)] == [s.prediction.top(3) for s in seen]
    assert bright.looked == looked, "found once"


def test_a_person_of_a_whole_clip_is_that_clip(of_people: Path, pair: Path, bright: Any) -> None:
    """The main person's windows are those of the clip, so the two roads must agree."""
    predictor = Predictor(of_people, detector=bright)
    people = predictor.follow(pair)
    assert people is not None
    (main,) = [s for s in predictor.everybody(pair) if s.track == people.main]
    assert np.allclose(main.prediction.probabilities, predictor.predict(pair).probabilities, atol=0.02)


def test_the_view_of_the_model_decides_what_is_looked_at(
    tiny_model: Path, of_people: Path, pair: Path, bright: Any
) -> None:
    whole = Predictor(tiny_model, detector=bright)
    thumbnail = lambda of: np.asarray(Image.open(io.BytesIO(of.examine(pair, thumbnails=1).thumbnails[0][1])))  # noqa: E731
    assert thumbnail(whole).shape == (80, 120, 3) and bright.looked == 0
    person = Predictor(of_people, detector=bright)
    assert thumbnail(person).shape == pytest.approx((52, 39, 3), abs=3)
    assert person.note == whole.note == ""
    assert not np.allclose(person.predict(pair).probabilities, whole.predict(pair).probabilities, atol=1e-3)


@pytest.mark.usefixtures("no_detector")
def test_without_a_detector(tiny_model: Path, of_people: Path, pair: Path, films: list[Path]) -> None:
    person, whole = Predictor(of_people), Predictor(tiny_model)
    assert person.detector is None and person.follow(pair) is None and person.everybody(pair) == []
    assert "detector" in person.note and whole.note == ""
    assert person.predict(pair).top(3) == whole.predict(pair).top(3), "the whole picture stands in"


def test_nobody_in_the_picture(of_people: Path, tiny_model: Path, long: Path, bright: Any) -> None:
    person = Predictor(of_people, detector=bright)
    assert person.everybody(long) == [] and person.note == ""
    assert person.predict(long).top(3) == Predictor(tiny_model).predict(long).top(3)


def test_everybody_of_a_broken_file(tiny_model: Path, bright: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_text("no film")
    with pytest.raises(VideoError, match="broken"):
        Predictor(tiny_model, detector=bright).everybody(tmp_path / "broken.mp4")


def test_a_fifth_of_a_short_film_is_not_lost_in_silence() -> None:
    path = Path("short.mkv")
    assert "its last 0.3 of 1.6 s are not in the file" in damage_of(path, 20, 0, 1.233, 0.333)
    assert damage_of(path, 20, 0, 1.5, 0.067) == "", "by so much the rounding of lengths misses"
    assert damage_of(path, 20, 0, 100.0, 4.0) == "" and damage_of(path, 20, 0, 100.0, 6.0)
