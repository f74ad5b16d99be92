"""Training as a stream of events: its order, its resumption, what it keeps and what it refuses."""

import hashlib
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from har_core import checkpoint, glimpses, network, people, preparation, progress, training
from har_core.batches import FrameStore
from har_core.calibration import negative_log_likelihood
from har_core.config import AugmentConfig, ClipSpec, NetworkConfig, TrainConfig
from har_core.errors import CheckpointError, DatasetError, HarError, TrainingError, VideoError
from har_core.events import Ended, EpochEnded, Event, Noticed, Prepared, Started, Stepped
from har_core.network import load_initial
from har_core.prediction import Predictor
from har_core.training import Trainer, discard_state, train

SPEC = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)
ACTIONS = ("blink", "rise", "slide")


@pytest.fixture
def config(tiny: Path) -> TrainConfig:
    """9 clips train, 3 validate; the backbone is held for one epoch."""
    return TrainConfig(
        dataset=str(tiny), clip=SPEC, network=NetworkConfig(weights="bundled", lstm_size=16), epochs=3, batch_size=4,
        freeze_epochs=1, validation_groups=("g04",), windows=2, precision="fp32",
    )  # fmt: skip


@pytest.fixture
def small(small_backbone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone that trains in no time and passes for a pretrained one unless weights are "none"."""

    def pretend(made: network.ActionNetwork, choice: Any) -> str:
        made.pretrained = choice != "none"
        return f"{choice}: pretended"

    monkeypatch.setattr(training, "load_initial", pretend)


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[tuple[float, float]]], None]:
    """Makes validation say these (accuracy, loss), one an epoch, whatever was learned: nothing is."""

    def script(said: Sequence[tuple[float, float]]) -> None:
        rest = iter(said)
        monkeypatch.setattr(Trainer, "_validate", lambda *_: next(rest))
        monkeypatch.setattr(Trainer, "_optimise", lambda *_: (1.0, 1))

    return script


def epochs(events: Sequence[Event]) -> list[EpochEnded]:
    """The epochs that ended; how long they took and how much memory set aside."""
    return [replace(event, seconds=0.0, memory_bytes=0) for event in events if isinstance(event, EpochEnded)]


def prepared(config: TrainConfig, folder: Path) -> Trainer:
    steps = training.prepare(config, lambda: False)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return Trainer(config, folder, end.value)


def tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "last" / "state.safetensors")


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


# --- a whole run with the real network ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainConfig, Path, list[Event]]:
    """Four epochs without a break, the backbone held for two."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "run").mkdir()  # as a run's is; without it the first picture is lost, and the next one comes late
    config = TrainConfig(
        dataset=str(tiny), clip=SPEC, network=NetworkConfig(weights="bundled", lstm_size=16), epochs=4, batch_size=4,
        freeze_epochs=2, validation_groups=("g04",), windows=2, precision="fp32",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAR_WORKSPACE", str(folder / "workspace"))
        return config, folder / "run", list(train(config, folder / "run"))


def test_events_tell_the_run_in_order(whole: tuple[TrainConfig, Path, list[Event]]) -> None:
    events = whole[2]
    kinds = "".join(type(event).__name__[0] + type(event).__name__[-1] + " " for event in events)
    assert kinds.split() == ["Pd"] * 13 + ["Sd"] + (["Sd"] * 3 + ["Ed"]) * 4 + ["Ed"]
    assert [event.done for event in events if isinstance(event, Prepared)] == list(range(13))
    started = next(event for event in events if isinstance(event, Started))
    assert (started.epoch, started.epochs, started.precision) == (1, 4, "fp32")
    assert (started.train_clips, started.validation_clips, started.classes) == (9, 3, ACTIONS)
    assert started.weights.startswith("bundled")
    assert (started.window_seconds, started.frames_per_second) == (1.0, 8.0)
    steps = [(event.epoch, event.step, event.steps) for event in events if isinstance(event, Stepped)]
    assert steps == [(epoch, step, 3) for epoch in range(1, 5) for step in range(1, 4)]
    ended = events[-1]
    assert isinstance(ended, Ended) and ended.reason == "epochs"


def test_epochs_say_how_it_went(whole: tuple[TrainConfig, Path, list[Event]]) -> None:
    ended = epochs(whole[2])
    assert [event.epoch for event in ended] == [1, 2, 3, 4]
    assert [event.frozen for event in ended] == [True, True, False, False]
    assert [event.backbone_learning_rate for event in ended] == [0.0, 0.0, 3e-5, 3e-5]
    assert all(event.head_learning_rate == 1e-3 for event in ended)
    for event in ended:
        assert math.isfinite(event.train_loss) and math.isfinite(event.validation_loss)
        assert 0 <= event.train_accuracy <= 1 and event.validation_accuracy in (0, 1 / 3, 2 / 3, 1)
        assert sum(number for *_, number in event.confusion) == 3
        right = sum(number for true, said, number in event.confusion if true == said)
        assert right / 3 == event.validation_accuracy
    assert ended[-1].train_loss < ended[0].train_loss
    last = whole[2][-1]
    assert isinstance(last, Ended)
    best = [event for event in ended if event.best][-1]
    assert (last.best_epoch, last.best_accuracy) == (best.epoch, best.validation_accuracy)


def test_a_run_shows_what_it_learns(whole: tuple[TrainConfig, Path, list[Event]]) -> None:
    seen = glimpses.read(whole[1])
    assert seen is not None and len(seen.captions) == 3
    for caption in seen.captions:
        assert (Path(whole[0].dataset) / caption.clip).is_file()
        assert caption.action == Path(caption.clip).parent.name and caption.said in ACTIONS


def test_every_picture_of_a_run_has_as_many_rows(
    config: TrainConfig, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine clips in batches of four: the last batch has one."""
    monkeypatch.setattr(glimpses, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(glimpses, "SHARE", 1e9)
    (tmp_path / "run").mkdir()
    rows = []
    for event in train(replace(config, epochs=2), tmp_path / "run"):
        if isinstance(event, Stepped):
            seen = glimpses.read(tmp_path / "run")
            rows.append(seen and len(seen.captions))
    assert rows == [3] * 6


def test_the_best_epoch_is_kept_with_its_contract(whole: tuple[TrainConfig, Path, list[Event]]) -> None:
    config, folder, events = whole
    made, card = checkpoint.load(folder / "best")
    best = [event for event in epochs(events) if event.best][-1]
    assert card.classes == ACTIONS and card.clip == SPEC and card.network == config.network and card.windows == 2
    assert card.epoch == best.epoch
    assert card.scores["validation accuracy"] == best.validation_accuracy
    assert card.scores["validation loss"] == pytest.approx(best.validation_loss)
    assert len(card.split["train"]) == 9 and not card.split["test"]
    assert sorted(card.split["validation"]) == [f"{a}/v_{a}_g04_c01.mp4" for a in ACTIONS]
    assert len(card.fingerprint) == 64 and card.licence
    assert sum(p.numel() for p in made.parameters()) > 11_000_000


def test_pretrained_statistics_stay_and_weights_move(whole: tuple[TrainConfig, Path, list[Event]]) -> None:
    fresh = network.ActionNetwork(whole[0].network, 3)
    load_initial(fresh, "bundled")
    state = tensors(whole[1])
    for name, value in fresh.backbone.state_dict().items():
        if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(state[f"network/backbone.{name}"], value), name
    assert not torch.equal(state["network/backbone.conv1.weight"], fresh.backbone.conv1.weight)


@pytest.mark.parametrize("cut", [(1, 3), (3, 2)], ids=["between two held epochs", "amid an epoch of the backbone"])
def test_a_resumed_run_is_the_uninterrupted_one(
    whole: tuple[TrainConfig, Path, list[Event]], cut: tuple[int, int], tmp_path: Path
) -> None:
    config, folder, events = whole
    first = []
    for event in train(config, tmp_path / "run"):
        first.append(event)
        if isinstance(event, EpochEnded) and (event.epoch, 3) == cut:
            break
        if isinstance(event, Stepped) and (event.epoch, event.step) == cut and cut[1] < 3:
            break
    rest = list(train(config, tmp_path / "run"))
    started = next(event for event in rest if isinstance(event, Started))
    assert started.epoch == len(epochs(first)) + 1
    assert epochs(first) + epochs(rest) == epochs(events)
    assert rest[-1] == events[-1]
    assert same(tensors(tmp_path / "run"), tensors(folder))
    one, other = (load_file(f / "best" / "weights.safetensors") for f in (folder, tmp_path / "run"))
    assert same(one, other)


def test_the_best_epoch_is_calibrated_on_what_validated_it(
    config: TrainConfig, small: None, tmp_path: Path, whole: tuple[TrainConfig, Path, list[Event]]
) -> None:
    config = replace(config, validation_groups=("g02", "g03", "g04"))
    for _ in train(config, tmp_path / "run"):
        pass
    card = checkpoint.read_card(tmp_path / "run" / "best")
    assert card.calibration["fitted"] and card.calibration["clips"] == 9
    assert card.calibration["on"] == f"validation clips of epoch {card.epoch}"
    assert 0.25 <= card.temperature <= 4 and card.unsure_below >= 0.5
    before, after = card.calibration["before"], card.calibration["after"]
    assert (before["temperature"], after["temperature"]) == (1.0, card.temperature)
    assert before["negative log likelihood"] == pytest.approx(card.scores["validation loss"], abs=1e-4)
    assert before["accuracy"] == pytest.approx(card.scores["validation accuracy"], abs=1e-6)
    # What is shown of the files later is what was fitted here.
    predictor = Predictor(tmp_path / "run" / "best")
    root = Path(config.dataset)
    names = card.split["validation"]
    shown = np.stack([predictor.predict(root / name).probabilities for name in names])
    labels = [ACTIONS.index(name.split("/")[0]) for name in names]
    assert negative_log_likelihood(shown, labels) == pytest.approx(after["negative log likelihood"], abs=2e-3)

    for event in train(config, tmp_path / "cut"):
        if isinstance(event, EpochEnded):
            checkpoint.load(tmp_path / "cut" / "best")  # valid at any moment
            break
    for _ in train(config, tmp_path / "cut"):
        pass
    resumed = checkpoint.read_card(tmp_path / "cut" / "best")
    assert replace(resumed, created="") == replace(card, created="")

    few = checkpoint.read_card(whole[1] / "best")  # 3 clips validated it
    assert (few.temperature, few.unsure_below, few.calibration["fitted"]) == (1.0, 0.5, False)


def test_from_nothing(config: TrainConfig, tmp_path: Path) -> None:
    """Its batch norms have to learn their statistics, and it is held for no epoch."""
    config = replace(config, network=NetworkConfig(weights="none", lstm_size=16), epochs=1)
    events = list(train(config, tmp_path / "run"))
    assert [event.frozen for event in epochs(events)] == [False]
    assert tensors(tmp_path / "run")["network/backbone.bn1.num_batches_tracked"] == 3
    assert all(value.isfinite().all() for value in tensors(tmp_path / "run").values())


def test_a_backbone_frozen_for_good(config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    look = Trainer._look
    monkeypatch.setattr(Trainer, "_look", lambda self, rgb: looked.append(len(rgb)) or look(self, rgb))
    config = replace(config, freeze_backbone=True, epochs=30, patience=30, head_learning_rate=3e-3)
    events = list(train(config, tmp_path / "run"))
    assert all(event.frozen and event.backbone_learning_rate == 0 for event in epochs(events))
    # Each of the 9 clips in each variation, and each of the 3 that validate, is looked at once.
    assert len(looked) == 9 * training.VARIATIONS + 3
    fresh = network.ActionNetwork(config.network, 3)
    load_initial(fresh, "bundled")
    state = tensors(tmp_path / "run")
    assert all(
        torch.equal(state[f"network/{name}"], value) for name, value in fresh.state_dict().items() if "backbone" in name
    )
    assert epochs(events)[-1].train_accuracy > 0.6, "it does not learn what any network can learn"


def test_what_does_not_fit_into_memory_goes_to_disk_and_teaches_the_same(
    config: TrainConfig, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, freeze_backbone=True, epochs=2)
    monkeypatch.setattr(training, "VARIATIONS", 1)
    list(train(config, tmp_path / "memory"))
    monkeypatch.setattr(training, "LOOKED_BYTES", 1000)
    mapped: list[bool] = []
    kept = Trainer._kept
    monkeypatch.setattr(
        Trainer, "_kept", lambda self, seen, name: mapped.append(self._overflow is not None) or kept(self, seen, name)
    )
    list(train(config, tmp_path / "disk"))
    assert len(mapped) == 9 and all(mapped)
    assert same(tensors(tmp_path / "memory"), tensors(tmp_path / "disk"))
    assert not list((tmp_path / "disk").glob(".looked-*")), "it goes with the run"


# --- the loop, with a small network -------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights(config: TrainConfig, small: None, tmp_path: Path) -> None:
    states = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        list(train(replace(config, seed=seed), tmp_path / name))
        states.append(tensors(tmp_path / name))
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


@pytest.mark.parametrize("pooling", ["last", "attention"])
@pytest.mark.parametrize("stop_at", [(1, 1), (1, 3), (2, 1), (3, 2), (4, 3)])
def test_a_stopped_run_loses_at_most_its_epoch(
    config: TrainConfig, small: None, stop_at: tuple[int, int], pooling: Any, tmp_path: Path
) -> None:
    config = replace(config, epochs=4, freeze_epochs=2, network=NetworkConfig(lstm_size=8, pooling=pooling))
    whole = list(train(config, tmp_path / "whole"))
    seen: list[Event] = []

    def stopped() -> bool:
        return any(isinstance(e, Stepped) and (e.epoch, e.step) == stop_at for e in seen)

    for event in train(config, tmp_path / "run", stopped=stopped):
        seen.append(event)  # noqa: PERF402  # stopped() reads it as it grows
    assert isinstance(seen[-1], Ended) and seen[-1].reason == "stopped"
    assert len(epochs(seen)) == stop_at[0] - 1
    rest = list(train(config, tmp_path / "run"))
    assert epochs(seen) + epochs(rest) == epochs(whole)
    assert same(tensors(tmp_path / "run"), tensors(tmp_path / "whole"))


def test_stopped_before_it_began(config: TrainConfig, small: None, tmp_path: Path) -> None:
    assert list(train(config, tmp_path / "run", stopped=lambda: True)) == [Ended("stopped", 0, 0.0)]
    seen: list[Event] = []
    for event in train(config, tmp_path / "run", stopped=lambda: bool(seen)):
        seen.append(event)  # noqa: PERF402  # stopped() reads it as it grows
    assert [type(event) for event in seen] == [Prepared, Ended]
    assert seen[-1] == Ended("stopped", 0, 0.0)
    assert not (tmp_path / "run").exists()


def test_best_is_replaced_by_better_epochs_only(
    config: TrainConfig, small: None, scores: Callable[..., None], tmp_path: Path
) -> None:
    said = [(0.3, 1.0), (0.6, 0.9), (0.6, 0.9), (0.3, 0.1), (0.6, 0.8), (0.5, 0.2)]
    scores(said)
    hashes, bests = [], []
    for event in train(replace(config, epochs=6), tmp_path / "run"):
        if isinstance(event, EpochEnded):
            bests.append(event.best)
            files = sorted((tmp_path / "run" / "best").iterdir())
            hashes.append(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())
    assert bests == [True, True, False, False, True, False]
    changed = [before != after for before, after in zip(["", *hashes], hashes, strict=False)]
    assert changed == bests
    assert checkpoint.read_card(tmp_path / "run" / "best").epoch == 5
    assert event == Ended("epochs", 5, 0.6)


def test_early_stopping(config: TrainConfig, small: None, scores: Callable[..., None], tmp_path: Path) -> None:
    scores([(0.5, 1.0), (0.6, 1.0), *[(0.5, 1.0)] * 20])
    events = list(train(replace(config, epochs=20, patience=3, freeze_epochs=0), tmp_path / "run"))
    assert len(epochs(events)) == 5
    assert events[-1] == Ended("early stopping", 2, 0.6)
    # A run that has ended is not trained any further.
    again = list(train(replace(config, epochs=20, patience=3, freeze_epochs=0), tmp_path / "run"))
    assert not epochs(again) and again[-1] == events[-1]


def test_patience_begins_with_the_backbone(
    config: TrainConfig, small: None, scores: Callable[..., None], tmp_path: Path
) -> None:
    scores([(0.5, 1.0), *[(0.4, 1.0)] * 20])
    config = replace(config, epochs=20, patience=2, plateau_patience=0, freeze_epochs=5)
    events = list(train(config, tmp_path / "run"))
    assert [event.frozen for event in epochs(events)] == [True] * 5 + [False] * 2
    assert events[-1] == Ended("early stopping", 1, 0.5)
    rates = [event.head_learning_rate for event in epochs(events)]
    assert rates[4] < rates[0] == rates[5], "the rates begin anew with the backbone"


def test_it_ends_where_a_held_backbone_names_all_rightly(
    config: TrainConfig,
    small: None,
    scores: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores([(0.5, 1.0), (1.0, 0.9), *[(0.5, 1.0)] * 20])
    config = replace(config, epochs=20, freeze_epochs=4)
    few = list(train(replace(config, epochs=5), tmp_path / "few"))
    assert len(epochs(few)) == 5, "so few clips may all be right by chance"
    monkeypatch.setattr(progress, "TELLING_CLIPS", 3)
    scores([(0.5, 1.0), (1.0, 0.9), *[(0.5, 1.0)] * 20])
    events = list(train(config, tmp_path / "run"))
    assert [event.frozen for event in epochs(events)] == [True] * 4, "the held epochs cost little and go on"
    assert events[-1] == Ended("all right", 2, 1.0)
    again = list(train(config, tmp_path / "run"))
    assert not epochs(again) and again[-1] == events[-1]
    scores([(0.5, 1.0), (0.5, 0.9), (1.0, 0.8), (1.0, 0.7)])
    learning = list(train(replace(config, epochs=4, freeze_epochs=1), tmp_path / "other"))
    assert len(epochs(learning)) == 4 and learning[-1] == Ended("epochs", 4, 1.0)


def test_patience_and_plateau_survive_breaks(
    config: TrainConfig, small: None, scores: Callable[..., None], tmp_path: Path
) -> None:
    said = [(0.5, 1.0), *[(0.4, 1.1)] * 20]
    config = replace(config, epochs=20, patience=5, plateau_patience=1, freeze_epochs=2)
    scores(said)
    whole = list(train(config, tmp_path / "whole"))
    scores(said)
    pieces: list[EpochEnded] = []
    while True:
        for event in train(config, tmp_path / "run"):
            if isinstance(event, EpochEnded):
                pieces.append(replace(event, seconds=0.0, memory_bytes=0))
                break
        else:
            break
    assert pieces == epochs(whole) and len(pieces) == 7
    assert len({event.head_learning_rate for event in pieces}) == 2
    assert event == whole[-1] == Ended("early stopping", 1, 0.5)


@pytest.mark.parametrize("backbone", [3e-5, 1e-3, 1e-7])
def test_the_plateau_keeps_the_ratio_of_the_rates(
    config: TrainConfig, small: None, scores: Callable[..., None], backbone: float, tmp_path: Path
) -> None:
    scores([(0.5, 1.0)] * 30)
    config = replace(
        config, epochs=30, patience=100, plateau_patience=1, freeze_epochs=0, backbone_learning_rate=backbone
    )
    ended = epochs(list(train(config, tmp_path / "run")))
    rates = [event.head_learning_rate for event in ended]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1e-3 and rates[-1] == pytest.approx(1e-5)
    assert [event.backbone_learning_rate for event in ended] == pytest.approx(
        [rate * backbone / 1e-3 for rate in rates]
    )


def test_the_backbone_warms_up(
    config: TrainConfig, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[float, float]] = []
    optimise = Trainer._optimise

    def watched(self: Trainer, batch: Any) -> Any:
        used.append((self.optimiser.param_groups[0]["lr"], self.optimiser.param_groups[1]["lr"]))
        return optimise(self, batch)

    monkeypatch.setattr(Trainer, "_optimise", watched)
    list(train(replace(config, epochs=5, freeze_epochs=1), tmp_path / "run"))
    rates = [slow for slow, _ in used[3:]]
    assert rates == sorted(rates) and 0 < rates[0] < 3e-5 / 5
    assert rates[-3:] == [3e-5] * 3 and rates[8] == pytest.approx(3e-5)
    assert {fast for _, fast in used} == {1e-3}


def test_class_weights(config: TrainConfig, small: None, tiny: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny, tmp_path / "clips")
    for group in ("g02", "g03"):
        (root / "rise" / f"v_rise_{group}_c01.mp4").unlink()
    config = replace(config, dataset=str(root))
    assert prepared(config, tmp_path / "run").loss.weight is None
    weights = prepared(replace(config, class_weights=True), tmp_path / "run").loss.weight
    assert weights is not None
    assert weights.tolist() == pytest.approx([7 / 9, 7 / 3, 7 / 9])
    # On average over the clips a weight of 1.
    assert float(weights @ torch.tensor([3.0, 1.0, 3.0])) == pytest.approx(7)


def test_a_proposed_window(config: TrainConfig, small: None, tmp_path: Path) -> None:
    spec = prepared(replace(config, clip=None, size=40), tmp_path / "run").learn.spec
    assert (spec.window_seconds, spec.most_frames, spec.size) == (1.5, 20, 40)


@pytest.mark.parametrize("changes", [{"cache": False}, {"augment": AugmentConfig(0.0, False)}, {"precision": "bf16"}])
def test_other_roads(config: TrainConfig, small: None, changes: dict[str, Any], tmp_path: Path) -> None:
    events = list(train(replace(config, **changes), tmp_path / "run"))
    assert len(epochs(events)) == 3
    assert all(math.isfinite(event.train_loss + event.validation_loss) for event in epochs(events))


def test_the_arithmetic_that_was_measured_is_kept(
    config: TrainConfig, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for faster in (True, False):
        monkeypatch.setattr(training, "bf16_is_faster", lambda *_, faster=faster: faster)
        events = train(replace(config, precision="auto"), tmp_path / "run")
        started = next(event for event in events if isinstance(event, Started))
        assert started.precision == "bf16"
        next(event for event in events if isinstance(event, EpochEnded))


class Killed(BaseException):
    """Ends the process in the middle of a write, as far as the files can tell."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ends it in the middle of the n-th write, renaming or removal that keeping a checkpoint takes."""
    left = [10**9]

    def cut_off(act: Callable[..., object], half: Callable[..., object]) -> Callable[..., object]:
        def acting(*given: Any, **named: Any) -> object:
            left[0] -= 1
            if left[0] <= 0:
                if left[0] == 0:
                    half(*given)
                raise Killed
            return act(*given, **named)

        return acting

    def half_saved(tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half of it")

    def half_removed(folder: Path, **_: object) -> None:
        for file in sorted(folder.glob("*"))[:1]:
            file.unlink()

    monkeypatch.setattr(checkpoint, "save_file", cut_off(checkpoint.save_file, half_saved))
    monkeypatch.setattr(checkpoint.shutil, "rmtree", cut_off(shutil.rmtree, half_removed))
    monkeypatch.setattr(Path, "rename", cut_off(Path.rename, lambda *_: None))
    monkeypatch.setattr(Path, "write_text", cut_off(Path.write_text, lambda path, text: path.write_bytes(b"{")))
    return lambda number: left.__setitem__(0, number)


def test_killed_at_any_point_of_keeping_an_epoch(
    config: TrainConfig, small: None, tmp_path: Path, killed_at: Callable[[int], None]
) -> None:
    """What was said to be done is gone on from, and the best model is always whole."""
    config = replace(config, epochs=2, network=NetworkConfig(lstm_size=8))
    whole = epochs(list(train(config, tmp_path / "whole")))
    for number in range(1, 200):
        run, said = tmp_path / f"run {number}", list[EpochEnded]()
        killed_at(number)
        try:
            for event in train(config, run):
                said += [event] if isinstance(event, EpochEnded) else []
        except Killed:
            killed_at(10**9)
        else:
            break
        told = max((event.epoch for event in said), default=0)
        if any(event.best for event in said):
            assert checkpoint.load(run / "best")[1].epoch >= max(event.epoch for event in said if event.best)
        late = training.unsaid(run, told)
        rest = list(train(config, run))
        begun = next(event for event in rest if isinstance(event, Started))
        assert begun.epoch == (late.epoch if late else told) + 1, number
        assert epochs([*said, *([late] if late else []), *rest]) == whole, number
        assert same(tensors(run), tensors(tmp_path / "whole")), number
        shutil.rmtree(run)
    assert number > 20, "there were as many points"


# --- what cannot be trained on ------------------------------------------------------------------------------


def test_a_broken_clip_is_left_out(config: TrainConfig, small: None, tiny: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny, tmp_path / "clips")
    (root / "rise" / "v_rise_g01_c01.mp4").write_bytes(b"no film")
    events = list(train(replace(config, dataset=str(root), epochs=1), tmp_path / "run"))
    noticed = [event.message for event in events if isinstance(event, Noticed)]
    assert len(noticed) == 1 and noticed[0].startswith("rise/v_rise_g01_c01.mp4 is left out")
    assert next(event for event in events if isinstance(event, Started)).train_clips == 8
    assert isinstance(events[-1], Ended)


@pytest.mark.parametrize("group", ["g01", "g04"])
def test_a_clip_that_breaks_while_decoding_is_left_out(
    config: TrainConfig, small: None, group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = FrameStore.frames

    def fragile(self: FrameStore, path: Path, *rest: Any) -> Any:
        if path.name == f"v_slide_{group}_c01.mp4":
            raise VideoError(f"{path.name} breaks off.")
        return frames(self, path, *rest)

    monkeypatch.setattr(FrameStore, "frames", fragile)
    events = list(train(replace(config, epochs=1), tmp_path / "run"))
    noticed = [event.message for event in events if isinstance(event, Noticed)]
    assert len(noticed) == 1 and "breaks off" in noticed[0]
    started = next(event for event in events if isinstance(event, Started))
    assert (started.train_clips, started.validation_clips) == ((8, 3) if group == "g01" else (9, 2))
    split = checkpoint.read_card(tmp_path / "run" / "best").split
    assert not [name for names in split.values() for name in names if f"slide_{group}" in name]


def test_an_error_of_ours_is_not_hidden(
    config: TrainConfig, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(FrameStore, "frames", bug)
    with pytest.raises(ZeroDivisionError):
        list(train(config, tmp_path / "run"))


def refusals(tiny: Path, root: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "two actions", lambda: [shutil.copytree(tiny / "rise", root / "rise")]
    yield (
        "group",
        lambda: [
            (root / a).mkdir(parents=True) or shutil.copy(tiny / a / f"v_{a}_g01_c01.mp4", root / a) for a in ACTIONS
        ],
    )
    yield "no clips", lambda: root.mkdir()
    yield "folder", lambda: None


@pytest.mark.parametrize("case", range(4))
def test_what_cannot_be_trained_on(config: TrainConfig, tiny: Path, case: int, tmp_path: Path) -> None:
    word, make = list(refusals(tiny, tmp_path / "clips"))[case]
    make()
    config = replace(config, dataset=str(tmp_path / "clips"), validation_groups=())
    with pytest.raises(DatasetError, match=word):
        list(train(config, tmp_path / "run"))


def test_a_run_goes_on_with_the_clips_it_began_with(
    config: TrainConfig, small: None, tiny: Path, tmp_path: Path
) -> None:
    """Other clips would be split anew: what validated might train, and the labels might mean other actions."""
    root = shutil.copytree(tiny, tmp_path / "clips")
    config = replace(config, dataset=str(root))
    next(event for event in train(config, tmp_path / "run") if isinstance(event, EpochEnded))
    (root / "slide").rename(root / "drift")
    with pytest.raises(HarError, match="changed"):
        list(train(config, tmp_path / "run"))
    (root / "drift").rename(root / "slide")
    assert len(epochs(list(train(config, tmp_path / "run")))) == 2


def test_a_damaged_state(config: TrainConfig, small: None, tmp_path: Path) -> None:
    next(event for event in train(config, tmp_path / "run") if isinstance(event, EpochEnded))
    file = tmp_path / "run" / "last" / "state.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="cannot go on"):
        list(train(config, tmp_path / "run"))


def test_discard_state(tmp_path: Path) -> None:
    (tmp_path / "last").mkdir()
    discard_state(tmp_path)
    discard_state(tmp_path)
    assert not (tmp_path / "last").exists()


# --- what is looked at --------------------------------------------------------------------------------------


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch, bright: Any) -> list[tuple[str, str]]:
    """People are found by the bright square; grows with each clip that is stored, as its action and view."""
    monkeypatch.setattr(preparation.detection, "load", lambda *_: bright)
    seen: list[tuple[str, str]] = []
    frames = FrameStore.frames

    def spy(self: FrameStore, path: Path, instants: Any, size: int, view: Any = "frame") -> Any:
        seen.append((path.parent.name, view))
        return frames(self, path, instants, size, view)

    monkeypatch.setattr(FrameStore, "frames", spy)
    return seen


@pytest.mark.parametrize(("view", "of_clip"), [("frame", "frame"), ("person", "person"), ("both", "frame")])
def test_what_a_model_looks_at(
    config: TrainConfig,
    small: None,
    looked: list[tuple[str, str]],
    bright: Any,
    view: Any,
    of_clip: str,
    tmp_path: Path,
) -> None:
    events = list(train(replace(config, view=view, epochs=2), tmp_path / "run"))
    card = checkpoint.read_card(tmp_path / "run" / "best")
    assert card.clip.view == of_clip
    assert card.views == (("frame", "person") if view == "both" else (view,))
    assert {v for _, v in looked} == set(card.views)
    started = next(event for event in events if isinstance(event, Started))
    assert (started.train_clips, started.validation_clips) == (9, 3)
    prepared_last = [event for event in events if isinstance(event, Prepared)][-1]
    assert prepared_last.done == prepared_last.total == (9 * len(card.views) + 3)
    assert card.split["train"] == sorted(set(card.split["train"])) and len(card.split["train"]) == 9
    noticed = [event.message for event in events if isinstance(event, Noticed)]
    if view == "frame":
        assert bright.looked == 0 and not noticed
    else:  # a square that is away in every other picture is nobody
        of = "4 of 12" if view == "person" else "3 of 9"  # those that validate are looked at as whole pictures
        assert noticed == [f"Nobody was found in {of} clips; their whole picture is looked at."]


def test_crops_are_what_is_stored(config: TrainConfig, looked: list[Any], bright: Any) -> None:
    from har_core import video
    from har_core.images import cut, fit

    steps = preparation.prepare(replace(config, view="both"), lambda: False)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            material = end.value
            break
    learn = material.learn
    assert len(learn.clips) == 18 and learn.views == ("frame",) * 9 + ("person",) * 9
    assert learn.labels == learn.labels[:9] * 2 and learn.spec.view == "frame"
    for index in range(18):
        clip, (at, stored) = learn.clips[index], learn.stored(index)
        found = people.follow(clip.path, bright)
        assert (found.main is None) == (clip.action == "blink")
        for (seconds, rgb), kept in zip(video.read(clip.path, at), stored, strict=True):
            person = learn.views[index] == "person" and found.main is not None
            shown = cut(rgb, found.box(found.main, seconds, (64, 48)), expand=people.EXPAND) if person else rgb
            assert np.array_equal(fit(shown, stored.shape[1]), kept)
    assert learn.sample(17, seed=0).rgb.shape == learn.sample(0, seed=0).rgb.shape == (8, 3, 32, 32)
    rgb, _ = material.check.frames(1)
    assert rgb.shape[1:] == (3, 32, 32)


@pytest.mark.parametrize("cache", [True, False])
def test_stop_is_heeded_while_people_are_looked_for(
    config: TrainConfig, looked: list[Any], bright: Any, cache: bool
) -> None:
    steps = preparation.prepare(replace(config, view="person", cache=cache), lambda: bright.looked >= 5)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            assert end.value is None
            break
    assert bright.looked < 10, "it ends within a clip, however long that is"


@pytest.mark.usefixtures("no_detector")
@pytest.mark.parametrize("view", ["person", "both"])
@pytest.mark.parametrize("detector", ["auto", "none"])
def test_people_need_a_detector(config: TrainConfig, view: Any, detector: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="needs a detector") as error:
        list(train(replace(config, view=view, detector=detector), tmp_path / "run"))
    assert "\n" not in str(error.value) and "har_core weights" in str(error.value)


def test_a_detector_that_is_not_there(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="yolo11n"):
        list(train(replace(config, view="person", detector="yolo11n"), tmp_path / "run"))


def test_a_broken_clip_in_two_views_is_left_out_once(
    config: TrainConfig, small: None, looked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = FrameStore.frames

    def fragile(self: FrameStore, path: Path, *rest: Any) -> Any:
        if path.name == "v_slide_g01_c01.mp4":
            raise VideoError(f"{path.name} breaks off.")
        return frames(self, path, *rest)

    monkeypatch.setattr(FrameStore, "frames", fragile)
    events = list(train(replace(config, view="both", epochs=1), tmp_path / "run"))
    noticed = [event.message for event in events if isinstance(event, Noticed)]
    assert len(noticed) == 2 and "breaks off" in noticed[0] and "3 of 8" in noticed[1]
    assert isinstance(events[-1], Ended)
