"""Temperatures and thresholds against known ones, and how they get into a model's card."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from har_core import checkpoint, video
from har_core import recalibration as recalibrating
from har_core.__main__ import main
from har_core.calibration import (
    calibrate,
    calibration_error,
    choose_threshold,
    coverage_curve,
    fit_temperature,
    least_threshold,
    logits_of,
    negative_log_likelihood,
    tempered,
)
from har_core.errors import CheckpointError, DatasetError
from har_core.prediction import Predictor
from har_core.recalibration import recalibrate

ACTIONS = ("blink", "rise", "slide")


def drawn(number: int, temperature: float, *, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits `(N, C)` and labels that are as probable as softmax(logits / temperature) says."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (number, classes))
    labels = np.array([random.choice(classes, p=row) for row in softmax(logits / temperature, axis=1)])
    return logits, labels


labelled = st.integers(1, 30).flatmap(
    lambda number: st.tuples(
        arrays.arrays(np.float64, (number, 3), elements=st.floats(-30, 30)),
        arrays.arrays(np.int64, number, elements=st.integers(0, 2)),
    )
)

# --- the temperature ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 3.5])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits, labels = drawn(20_000, temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.04)


@pytest.mark.parametrize("number", [12, 60, 400])
def test_the_fit_against_scipy(number: int) -> None:
    logits, labels = drawn(number, 1.7, seed=number)

    def cost(log_temperature: float) -> float:
        each = log_softmax(logits / math.exp(log_temperature), axis=1)[np.arange(number), labels]
        return -float(each.sum()) + (log_temperature / 0.4) ** 2 / 2

    expected = minimize_scalar(cost, bounds=(math.log(0.25), math.log(4)), method="bounded", options={"xatol": 1e-8})
    assert math.log(fit_temperature(logits, labels)) == pytest.approx(expected.x, abs=1e-3)


def test_windows_are_fitted_as_they_are_shown() -> None:
    """Of the mean of several windows, not of each: the mean is less sure than they are."""
    random = np.random.default_rng(1)
    clips = [random.normal(0, 4, (count, 4)) for count in random.integers(1, 6, 300)]
    labels = np.array([int(random.choice(4, p=softmax(clip / 1.5, axis=1).mean(0))) for clip in clips])

    def cost(log_temperature: float) -> float:
        means = np.array([softmax(clip / math.exp(log_temperature), axis=1).mean(0) for clip in clips])
        return -float(np.log(means[np.arange(300), labels]).sum()) + (log_temperature / 0.4) ** 2 / 2

    at = np.linspace(math.log(0.25), math.log(4), 2001)
    best = at[np.argmin([cost(each) for each in at])]
    assert math.log(fit_temperature(clips, labels)) == pytest.approx(best, abs=2e-3)


def test_few_clips_that_are_all_right_do_not_make_certain() -> None:
    logits = np.log(np.array([[0.9, 0.1]] * 12))
    assert 0.92 < tempered(logits, fit_temperature(logits, [0] * 12))[0, 0] < 0.96
    assert fit_temperature(np.repeat(logits, 100, axis=0), [0] * 1200) < 0.4  # many may


@given(labelled)
def test_the_fit_is_within_its_bounds_and_never_less_likely(case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = case
    temperature = fit_temperature(logits, labels)
    assert 0.25 - 1e-9 <= temperature <= 4 + 1e-9
    before, after = (negative_log_likelihood(tempered(logits, t), labels) for t in (1.0, temperature))
    assert after <= before + 1e-9


@given(labelled, st.floats(0.25, 4))
def test_tempered_probabilities(case: tuple[np.ndarray, np.ndarray], temperature: float) -> None:
    logits, _ = case
    shown = tempered(logits, temperature)
    assert np.allclose(shown, softmax(logits / temperature, axis=1))
    assert np.allclose(tempered(logits_of(shown, temperature), 1.3), tempered(logits, 1.3), atol=1e-9)


def test_clips_of_different_numbers_of_windows() -> None:
    clips = [np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[1.0, 1.0]]), np.array([0.0, 3.0])]
    expected = [softmax(np.atleast_2d(clip) / 2, axis=1).mean(0) for clip in clips]
    assert np.allclose(tempered(clips, 2.0), expected)


def test_a_label_for_each_clip() -> None:
    for logits, labels in ((np.zeros((2, 3)), [0]), (np.zeros((0, 3)), [])):
        with pytest.raises(ValueError, match="one label"):
            negative_log_likelihood(logits, labels)


# --- how good probabilities are -----------------------------------------------------------------------------


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.6] * 5 + [0.9] * 5)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = [0, 0, 0, 1, 1, 0, 0, 0, 0, 1]  # of the first bin 0.6 are right, of the second 0.8
    assert calibration_error(probabilities, labels) == pytest.approx(0.05)
    assert calibration_error(probabilities[:4], [0, 0, 0, 0]) == pytest.approx(0.4)


def test_calibration_error_of_honest_and_of_boastful_probabilities() -> None:
    logits, labels = drawn(20_000, 2.0)
    assert calibration_error(tempered(logits, 2.0), labels) < 0.015
    assert calibration_error(tempered(logits, 1.0), labels) > 0.1


@given(labelled)
def test_the_coverage_curve_against_counting(case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = case
    probabilities = tempered(logits, 1.0)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    curve = coverage_curve(probabilities, labels)
    assert curve[0].coverage == 1 and [row.threshold for row in curve] == sorted(set(confidence.tolist()))
    for row in curve:
        kept = confidence >= row.threshold
        assert row.coverage == pytest.approx(kept.mean()) and row.accuracy == pytest.approx(right[kept].mean())


# --- the threshold ------------------------------------------------------------------------------------------


def two(*confidences: float) -> np.ndarray:
    """Of two classes the first, with these probabilities."""
    return np.stack([confidences, 1 - np.array(confidences)], axis=1)


def test_the_least_threshold_at_which_answers_are_right() -> None:
    known, labels = two(0.55, 0.6, 0.7, 0.8, 0.9, 0.95), [0, 1, 0, 0, 0, 0]
    chosen = choose_threshold(known, labels, floor=0.5)
    assert (chosen.threshold, chosen.coverage, chosen.accuracy) == (0.65, pytest.approx(4 / 6), 1.0)
    assert chosen.met and chosen.others_named is None
    assert choose_threshold(known, [0] * 6, floor=0.5).threshold == 0.5, "all are right: nothing to be unsure of"
    assert choose_threshold(known, labels, floor=0.5, accuracy=0.8).threshold == 0.5


def test_others_raise_it() -> None:
    known = two(0.6, 0.8, 0.85, 0.9, 0.95)
    others = two(*[0.55] * 8, 0.7, 0.97)
    chosen = choose_threshold(known, [0] * 5, others, floor=0.5, confident_others=0.1)
    assert (chosen.threshold, chosen.others_named, chosen.met) == (0.75, 0.1, True)


def test_it_never_silences_a_model() -> None:
    """Nine in ten other things are unsure only where nothing is said any more: half of what is right stays named."""
    known = two(0.6, 0.7, 0.8, 0.9)
    chosen = choose_threshold(known, [0] * 4, two(*[0.99] * 10), floor=0.5)
    assert (chosen.others_named, chosen.met) == (1.0, False) and chosen.threshold == 0.5
    part = choose_threshold(known, [0] * 4, two(*[0.75] * 5, *[0.99] * 5), floor=0.5)
    assert (part.threshold, part.coverage, part.others_named, part.met) == (0.775, 0.5, 0.5, False)


def test_a_model_that_is_never_right_keeps_the_floor() -> None:
    chosen = choose_threshold(two(0.7, 0.9), [1, 1], floor=0.5)
    assert (chosen.threshold, chosen.accuracy, chosen.met) == (0.5, 0.0, False)
    silent = choose_threshold(two(0.7, 0.6), [0, 0], floor=0.8)
    assert (silent.threshold, silent.coverage, silent.accuracy, silent.met) == (0.8, 0.0, None, False)


@pytest.mark.parametrize(("name", "named"), [("None", 0.0), ("wave", 1.0)])
def test_other_things_taken_for_none_are_answered_rightly(name: str, named: float) -> None:
    known, labels = two(0.8, 0.9, 0.1, 0.05), [0, 0, 1, 1]
    chosen = choose_threshold(known, labels, two(*[0.01] * 10), classes=("run", name), floor=0.5)
    assert (chosen.others_named, chosen.met) == (named, not named)


@given(labelled, st.integers(0, 20), st.floats(0, 0.9))
def test_any_threshold_keeps_its_promises(case: tuple[np.ndarray, np.ndarray], number: int, floor: float) -> None:
    logits, labels = case
    known, others = tempered(logits, 1.0), tempered(np.random.default_rng(number).normal(0, 5, (number + 1, 3)), 1.0)
    chosen = choose_threshold(known, labels, others, classes=("a", "b", "none"), floor=floor)
    confidence, right = known.max(1), known.argmax(1) == labels
    sure = confidence >= chosen.threshold
    assert chosen.threshold >= floor and chosen.coverage == pytest.approx(sure.mean())
    named = right & (known.argmax(1) != 2)
    if chosen.threshold > floor:
        assert 2 * (named & sure).sum() >= named.sum()
    if chosen.met:
        assert right[sure].mean() >= 0.95
        assert ((others.max(1) >= chosen.threshold) & (others.argmax(1) != 2)).mean() <= 0.1


# --- both together ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[0, 1] * 3, [1] * 20])
def test_too_little_to_go_by(labels: list[int]) -> None:
    found = calibrate(np.zeros((len(labels), 3)), labels, ("a", "b", "c"), on="clips")
    assert (found.temperature, found.unsure_below, found.fitted) == (1.0, 0.5, False)
    assert found.figures["clips"] == len(labels)
    assert not calibrate([], [], ("a", "b")).fitted


def test_the_figures_of_a_boastful_model() -> None:
    logits, labels = drawn(2000, 2.5, seed=4)
    others = np.random.default_rng(5).normal(0, 2, (100, 5))
    found = calibrate(logits, labels, tuple("abcde"), others=others, on="clips of a test")
    figures = json.loads(json.dumps(found.figures, allow_nan=False))
    before, after = figures["before"], figures["after"]
    assert found.temperature == pytest.approx(2.5, rel=0.1) == after["temperature"]
    assert (before["temperature"], before["unsure below"]) == (1.0, least_threshold(5))
    assert after["calibration error"] < 0.03 < 0.1 < before["calibration error"]
    assert after["negative log likelihood"] < before["negative log likelihood"]
    assert after["others named"] < before["others named"]
    assert after["accuracy when sure"] > after["accuracy"] == before["accuracy"]
    assert figures["clips"] == 2000 and figures["others"] == 100 and figures["on"] == "clips of a test"
    assert len(figures["coverage"]) == 20 and figures["coverage"][0]["coverage"] == 1


# --- a model calibrated anew --------------------------------------------------------------------------------


@pytest.fixture
def model(tiny_model: Path, tiny: Path, tmp_path: Path) -> Path:
    """The tiny model, all of whose clips pass for having validated it."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model", ignore=shutil.ignore_patterns("openvino")))
    card = checkpoint.read_card(folder)
    names = sorted(path.relative_to(tiny).as_posix() for path in tiny.rglob("*.mp4"))
    checkpoint.replace_card(folder, replace(card, split={"train": [], "validation": names}), of=card)
    return folder


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Three films of nothing, in two folders, and a file that is no film."""
    random = np.random.default_rng(0)
    for name in ("a.mp4", "b.mp4", "deeper/c.mp4"):
        pictures = (random.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(10))
        video.write(tmp_path / "others" / name, pictures, frames_per_second=10)
    (tmp_path / "others" / "d.mp4").write_text("no film")
    return tmp_path / "others"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_model_calibrated_anew_says_what_its_card_says(model: Path, tiny: Path, others: Path) -> None:
    clip = next(tiny.rglob("*.mp4"))
    used, before = Predictor(model), contents(model)
    first = used.predict(clip)
    done = recalibrate(model, tiny, [others, others / "deeper"])
    card, after = checkpoint.read_card(model), contents(model)
    assert card.calibration == done.figures and card.temperature == done.figures["after"]["temperature"] != 1
    assert card.unsure_below == pytest.approx(done.figures["after"]["unsure below"], abs=1e-6)
    assert (done.figures["clips"], done.figures["others"], done.figures["on"]) == (12, 3, "validation clips")
    assert [Path(name).name for name, _ in done.skipped] == ["d.mp4"]
    assert set(before) == set(after) and before["weights.safetensors"] == after["weights.safetensors"]
    assert np.array_equal(used.predict(clip).probabilities, first.probabilities), "one in use goes on as it is"

    fresh = Predictor(model)
    windows = [np.stack([w.prediction.probabilities for w in p.examine(clip).windows]) for p in (used, fresh)]
    assert np.allclose(softmax(np.log(windows[0]) / card.temperature, axis=1), windows[1], atol=1e-6)
    assert np.allclose(fresh.predict(clip).probabilities, windows[1].mean(0))
    # Again, from the tempered card: the same temperature, and nothing better to be found.
    again = recalibrate(model, tiny, [others])
    assert checkpoint.read_card(model).temperature == pytest.approx(card.temperature, abs=2e-4)
    assert again.figures["before"]["negative log likelihood"] == pytest.approx(
        done.figures["after"]["negative log likelihood"], abs=1e-5
    )


def test_without_its_own_clips_all_are_used(model: Path, tiny: Path) -> None:
    card = checkpoint.read_card(model)
    checkpoint.replace_card(
        model, replace(card, split={"validation": ["gone/away.mp4"]}, classes=("blink", "rise", "x")), of=card
    )
    done = recalibrate(model, tiny)
    assert done.figures["clips"] == 8 and "all of its clips are used" in done.notes[0]
    assert "4 clips are left out" in done.notes[1]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda model, others: others / "gone", "is none"),
        (lambda model, others: model, "no video"),
        (lambda model, others: others / "broken", "can be read"),
        (lambda model, others: "{tiny}", "Name another folder"),
        (lambda model, others: "few", "needs 8"),
    ],
)
def test_what_cannot_be_used(
    model: Path, others: Path, tiny: Path, change: Callable[[Path, Path], Any], word: str
) -> None:
    (others / "broken").mkdir()
    (others / "d.mp4").rename(others / "broken" / "d.mp4")
    given = change(model, others)
    if given == "few":
        card = checkpoint.read_card(model)
        few = replace(card, split={"validation": card.split["validation"][:5]})
        checkpoint.replace_card(model, few, of=card)
    before = contents(model)
    with pytest.raises(DatasetError, match=word):
        recalibrate(model, tiny, [] if given == "few" else [tiny if given == "{tiny}" else given])
    assert contents(model) == before


def test_interrupted_or_overtaken_the_model_is_the_old_one(
    model: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(model)

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recalibrate(model, tiny, progress=interrupt)
    assert contents(model) == before
    calibrate_ = recalibrating.calibrate

    def overtaken(*given: Any, **options: Any) -> Any:
        card = checkpoint.read_card(model)
        checkpoint.replace_card(model, replace(card, epoch=99), of=card)
        return calibrate_(*given, **options)

    monkeypatch.setattr(recalibrating, "calibrate", overtaken)
    with pytest.raises(CheckpointError, match="replaced by another"):
        recalibrate(model, tiny)
    assert checkpoint.read_card(model).epoch == 99 and not checkpoint.read_card(model).calibration


def test_the_command(model: Path, tiny: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ["calibrate", str(model), "--dataset", str(tiny), "--others", str(others), "--out", str(tmp_path / "f.json")]
    assert main(told) == 0
    out = capsys.readouterr().out
    assert "12 validation clips, 3 clips of other things" in out and "temperature" in out and "skipped" in out
    assert main([*told, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert shown["calibration"] == checkpoint.read_card(model).calibration
    assert main([*told[:-1], str(tmp_path / "none" / "f.json")]) == 1
    assert "--out must lie in a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change", [{"scores": {"loss": math.nan}}, {"calibration": {"x": [math.inf]}}, {"dataset": "a\ud800"}]
)
def test_a_card_that_cannot_be_written_stays(model: Path, change: dict[str, Any]) -> None:
    values = json.loads((model / "card.json").read_text("utf-8")) | change
    (model / "card.json").write_text(json.dumps(values), "utf-8")
    card, before = checkpoint.read_card(model), contents(model)
    with pytest.raises(CheckpointError, match="cannot be written"):
        checkpoint.replace_card(model, replace(card, temperature=2.0), of=card)
    assert contents(model) == before


@pytest.mark.parametrize("given", ["2", "1", True, 1.0, 2.0, None, 0, -1, [2]])
def test_the_format_is_a_whole_number(model: Path, given: object) -> None:
    values = json.loads((model / "card.json").read_text("utf-8")) | {"format": given}
    (model / "card.json").write_text(json.dumps(values), "utf-8")
    with pytest.raises(CheckpointError, match=r"format.*must be a whole number.*but is") as error:
        checkpoint.read_card(model)
    assert "Update" not in str(error.value)


@pytest.mark.parametrize("few", [slice(5), slice(1, 12, 12)])
def test_too_few_clips_are_known_before_they_are_looked_at(
    model: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, few: slice
) -> None:
    card = checkpoint.read_card(model)
    checkpoint.replace_card(model, replace(card, split={"validation": card.split["validation"][few]}), of=card)
    monkeypatch.setattr(recalibrating, "Predictor", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(DatasetError, match="needs 8"):
        recalibrate(model, tiny)


def test_the_file_for_the_figures_is_no_folder(
    model: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(model)
    assert main(["calibrate", str(model), "--dataset", str(tiny), "--out", str(tmp_path)]) == 1
    assert "--out must be a file" in capsys.readouterr().err and contents(model) == before
