"""The same clips shown otherwise, decoded once; what is kept of it; and what the model is said to go by."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_comparison import evaluation

from har_core import checkpoint, dataset, probing, video
from har_core.comparison import compare
from har_core.dataset import Dataset
from har_core.detection import Detects
from har_core.errors import CheckpointError, DatasetError
from har_core.prediction import Predictor
from har_core.probing import ORDERS, PICTURES, gather, look, missing, scores, uses_time
from har_core.verdicts import CONDITIONS, Found, Verdict, clip_keys, digest, store


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return Predictor(tiny_model)


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.fixture
def source(tiny: Path) -> Dataset:
    return dataset.read(tiny)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are decoded from now on."""
    read, seen = video.read, []

    def note(path: Path, *given: object, **named: object) -> object:
        seen.append(path)
        return read(path, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(video, "read", note)
    return seen


def test_as_it_is_a_clip_gives_what_prediction_gives(predictor: Predictor, source: Dataset) -> None:
    clip = source.clips[5]
    seen = look(predictor, clip.path, ["plain"])
    assert set(seen) == set(ORDERS)
    found: Found = {(clip_keys(source, [clip])[0], name): verdict for name, verdict in seen.items()}
    (one,) = scores(predictor.card, source, [clip], found).scored
    assert one.group == clip.group
    np.testing.assert_allclose(one.prediction.probabilities, predictor.predict(clip.path).probabilities, atol=1e-5)
    (alone,) = scores(predictor.card, source, [clip], found, condition="single").scored
    expected = predictor.examine(clip.path, single=True).prediction.probabilities
    np.testing.assert_allclose(alone.prediction.probabilities, expected, atol=1e-5)
    assert all(ms > 0 for ms in seen["plain"].milliseconds)


def test_all_conditions_take_one_decoding(
    predictor: Predictor, source: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = counted(monkeypatch)
    clip = source.clips[0]
    seen = look(predictor, clip.path, [*ORDERS, *PICTURES, "frame"])
    assert decoded == [clip.path] and set(seen) == {*ORDERS, *PICTURES, "frame"}
    assert np.isnan(seen["plain"].milliseconds[0])  # other pictures were made meanwhile
    np.testing.assert_allclose(seen["frame"].logits, seen["plain"].logits, atol=1e-4)  # its view is the whole picture
    again = look(predictor, clip.path, [*ORDERS, *PICTURES, "frame"])
    for name, verdict in seen.items():  # what is random depends on the clip alone
        np.testing.assert_allclose(again[name].logits, verdict.logits, atol=1e-5)


def test_what_changes_a_picture() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    grey = probing._CHANGES["grey"](rgb)
    assert (grey[..., 0] == grey[..., 1]).all() and grey.dtype == np.uint8
    assert probing._CHANGES["blurred"](rgb.repeat(4, axis=1)).std() < rgb.std() / 2
    assert (probing._CHANGES["mirrored"](rgb)[:, 0] == rgb[:, -1]).all()
    assert abs(float(probing._CHANGES["darker"](rgb).mean()) - rgb.mean() / 3) < 1


def test_half_the_frames_are_replaced_by_the_one_before() -> None:
    where = np.arange(8)[None]
    (window,) = probing._reordered(np.arange(8, dtype=np.float32)[:, None], where, "x")["stuttering"]
    values = window[:, 0]
    assert values[0] == 0 and (np.diff(values) >= 0).all() and (values <= np.arange(8)).all()
    assert 4 <= len(set(values.tolist())) <= 5
    (back,) = probing._reordered(np.arange(8, dtype=np.float32)[:, None], where, "x")["reversed"]
    assert back[:, 0].tolist() == list(range(8))[::-1]


def test_at_ten_frames_a_second_some_looks_are_late(predictor: Predictor, source: Dataset) -> None:
    # The clips have 10 frames a second themselves: at that rate nothing changes.
    seen = look(predictor, source.clips[0].path, ["plain", "ten"])
    np.testing.assert_allclose(seen["ten"].logits, seen["plain"].logits, atol=1e-4)


def test_the_other_view_is_what_a_model_of_that_view_sees(model: Path, source: Dataset, bright: Detects) -> None:
    clip = source.clips[6]
    card = checkpoint.read_card(model)
    whole, person = card, replace(card, clip=replace(card.clip, view="person"))
    both = {"frame": look(Predictor(model, detector=bright), clip.path, ["plain", "person", "grey"])}
    checkpoint.replace_card(model, person, of=whole)
    both["person"] = look(Predictor(model, detector=bright), clip.path, ["plain", "frame", "grey"])
    for seen, other in (("frame", "person"), ("person", "frame")):
        np.testing.assert_allclose(both[seen][other].logits, both[other]["plain"].logits, atol=1e-4)  # type: ignore[index]
    assert np.abs(both["frame"]["plain"].logits - both["person"]["plain"].logits).max() > 0.1
    assert np.abs(both["frame"]["grey"].logits - both["person"]["grey"].logits).max() > 0.1


# --- kept --------------------------------------------------------------------------------------------------


def test_what_was_found_is_not_looked_for_again(
    predictor: Predictor, tiny_model: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(tiny, tmp_path / "clips")
    source = dataset.read(root)
    told: list[tuple[int, int]] = []
    first = gather(predictor, tiny_model, source, source.clips[:6], ORDERS, progress=lambda *at: told.append(at))
    assert told[-1] == (6, 6) and len(first) == 6 * len(ORDERS)
    decoded = counted(monkeypatch)
    found = gather(predictor, tiny_model, source, source.clips, ORDERS)
    assert sorted(decoded) == [clip.path for clip in source.clips[6:]]
    for (key, condition), verdict in first.items():
        np.testing.assert_array_equal(found[key, condition].logits, verdict.logits)
    assert scores(predictor.card, source, source.clips, found).accuracy == pytest.approx(1.0)
    decoded.clear()
    source.clips[0].path.write_bytes(source.clips[1].path.read_bytes())  # this file is another now
    keys = clip_keys(source, source.clips)
    assert missing(found, keys, ORDERS) == [0]
    gather(predictor, tiny_model, source, source.clips, ORDERS)
    assert decoded == [source.clips[0].path]


def test_a_label_costs_nothing(predictor: Predictor, tiny_model: Path, source: Dataset) -> None:
    found = gather(predictor, tiny_model, source, source.clips[:2], ORDERS)
    relabelled = tuple(replace(clip, action="slide") for clip in source.clips[:2])
    told = scores(predictor.card, source, relabelled, found)
    assert [s.action for s in told.scored] == ["slide", "slide"] and told.accuracy == 0


def test_a_new_temperature_or_threshold_shows_at_once(
    predictor: Predictor, model: Path, source: Dataset, tiny_model: Path
) -> None:
    found = gather(predictor, model, source, source.clips[:3], ORDERS)
    before, card = digest(model), checkpoint.read_card(model)
    checkpoint.replace_card(model, replace(card, temperature=3.0, unsure_below=0.9), of=card)
    assert digest(model) == before  # what is kept stays good
    told = scores(checkpoint.read_card(model), source, source.clips[:3], found).scored
    expected = Predictor(model).predict(source.clips[0].path)
    np.testing.assert_allclose(told[0].prediction.probabilities, expected.probabilities, atol=1e-5)
    assert told[0].prediction.unsure_below == 0.9
    with pytest.raises(CheckpointError, match="replaced"):
        gather(predictor, model, source, source.clips[:3], ORDERS)  # the predictor still has the old card


def test_how_a_card_is_written_does_not_matter(model: Path) -> None:
    before, file = digest(model), model / "card.json"
    told = json.loads(file.read_text())
    told["clip"]["window_seconds"] = int(told["clip"]["window_seconds"])
    file.write_text(json.dumps(told | {"scores": {"accuracy": 0.1}}))
    assert digest(model) == before
    file.write_text(json.dumps(told | {"windows": 1}))
    assert digest(model) != before


def test_other_weights_are_another_model(model: Path) -> None:
    before = digest(model)
    file = model / "weights.safetensors"
    file.write_bytes(file.read_bytes() + b" ")
    assert digest(model) != before
    (model / "card.json").write_text("{")
    with pytest.raises(CheckpointError, match="none that can be read"):
        digest(model)


def test_what_is_kept_survives_damage_and_is_joined(own_workspace: Path, tmp_path: Path) -> None:
    kept = store(tmp_path, "abc")
    random = np.random.default_rng(0)
    expected: Found = {}
    for number in range(9):  # nine parts become one
        with kept.saving() as save:
            rows = random.normal(size=(number % 3 + 1, 4)).astype(np.float32)
            expected[f"k{number}", "grey"] = Verdict(rows)
            save((f"k{number}", "grey"), expected[f"k{number}", "grey"])
    with kept.saving() as save:
        save(("broken", "plain"), Verdict(np.empty((0, 4), np.float32), reason="It is broken."))
    folder = next((own_workspace / "cache" / "evaluations").iterdir())
    (folder / "half.npz").write_bytes(next(folder.glob("*.npz")).read_bytes()[:100])
    assert len(list(folder.glob("*.npz"))) < 9
    found = kept.load()
    assert found["broken", "plain"].reason == "It is broken." and len(found) == 10
    for key, verdict in expected.items():
        np.testing.assert_array_equal(found[key].logits, verdict.logits)
    assert kept.stamp() and not store(tmp_path, "other").load()


def test_what_cannot_be_read_is_said_and_not_tried_again(
    predictor: Predictor, tiny_model: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = dataset.read(shutil.copytree(tiny, tmp_path / "clips"))
    source.clips[0].path.write_text("no film")
    clips = (*source.clips[:2], replace(source.clips[2], action="dance"))
    found = gather(predictor, tiny_model, source, clips, ORDERS)
    told = scores(predictor.card, source, clips, found)
    assert len(told.scored) == 1 and len(told.skipped) == 2
    assert "does not know the action dance" in dict(told.skipped)[source.relative(source.clips[2])]
    decoded = counted(monkeypatch)
    gather(predictor, tiny_model, source, clips, ORDERS)
    assert not decoded
    with pytest.raises(DatasetError, match="could be scored"):
        scores(predictor.card, source, clips[2:], found)


def test_the_work_can_be_stopped_and_goes_on(predictor: Predictor, tiny_model: Path, source: Dataset) -> None:
    class Stop(BaseException):
        pass

    def stop_after_three(done: int, total: int) -> None:
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        gather(predictor, tiny_model, source, source.clips, ORDERS, progress=stop_after_three)
    kept = store(source.root, digest(tiny_model)).load()
    assert len({key for key, _ in kept}) >= 3
    told: list[int] = []
    gather(predictor, tiny_model, source, source.clips, ORDERS, progress=lambda done, total: told.append(total))
    assert max(told) <= len(source.clips) - 3
    assert set(ORDERS) | set(PICTURES) | {"frame", "person"} == set(CONDITIONS)


def test_stopping_waits_for_no_clip(predictor: Predictor, tiny_model: Path, source: Dataset) -> None:
    asked = itertools.count()
    found = gather(predictor, tiny_model, source, source.clips, ORDERS, cancelled=lambda: next(asked) >= 6)
    assert not found and not store(source.root, digest(tiny_model)).load(), "it ended within the first two clips"
    assert next(asked) <= 6 + len(source.clips) + 2, "the others were not begun"
    assert gather(predictor, tiny_model, source, source.clips[:1], ORDERS), "and nothing is in the way of asking again"


# --- in words ----------------------------------------------------------------------------------------------


def told(right: int, shuffled: int, single: int, *, backwards: int | None = None, of: int = 60) -> str:
    """Of a model that gets so many of the first clips right as they are, shuffled, and from one frame."""
    plain, first, second, third = (
        evaluation(*[(str(i), "run", "run" if i < number else "sit") for i in range(of)])
        for number in (right, shuffled, single, shuffled if backwards is None else backwards)
    )
    return uses_time(plain, compare(plain, first), compare(plain, third), compare(plain, second))


def test_whether_it_uses_time() -> None:
    assert "It uses the order of frames" in told(55, 30, 20) and "does not do" in told(55, 30, 20)
    assert "hardly needs the order" in told(290, 290, 289, of=300)
    assert "changes no answer" in told(290, 290, 290, of=300)
    assert "changes none of its 20 answers" in told(20, 20, 19, of=20)
    few = told(9, 7, 7, of=10)
    assert "cannot be told from these 10 clips" in few and "more clips would be needed" in few
    assert "hardly better than a guess" in told(20, 20, 20)
    assert "Oddly" in told(40, 58, 40)
    assert "but played backwards its accuracy changes by" in told(55, 53, 53, backwards=30)
