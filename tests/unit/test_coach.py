"""What is said of curves: the right thing of each shape, and nothing of noise."""

from collections.abc import Sequence

import pytest

from har_core.coach import Advice, advise, changed
from har_core.config import AugmentConfig, NetworkConfig, TrainConfig
from har_core.errors import ConfigError
from har_core.events import EpochEnded, Started

CLASSES = ("jump", "run", "wave")
Point = tuple[float, float, float, float]
"""Training loss and accuracy, validation loss and accuracy."""


def begun(validation: int = 90, classes: Sequence[str] = CLASSES, train: int = 300) -> Started:
    return Started(0.0, 1, 60, "cpu", "fp32", "bundled", tuple(classes), train, validation, 3.0, 5.0)


def story(
    points: Sequence[Point], *, frozen: bool = True, confusion: Sequence[tuple[int, int, int]] = ()
) -> list[EpochEnded]:
    return [
        EpochEnded(i, a, b, c, d, 0.0, 1e-3, 1.0, frozen, False, tuple(confusion))
        for i, (a, b, c, d) in enumerate(points, 1)
    ]


def titles(advice: Sequence[Advice]) -> list[str]:
    return [each.title for each in advice]


GOOD = story([(1 / i, 1 - 0.5 / i, 1.1 / i, 1 - 0.6 / i) for i in range(1, 31)])


def test_a_good_run_gets_no_advice() -> None:
    assert advise([], begun(), TrainConfig()) == []
    for number in range(1, len(GOOD) + 1):
        assert advise(GOOD[:number], begun(), TrainConfig()) == []
    assert advise(GOOD, begun(), TrainConfig(), over=True) == []


def test_overfitting_is_validation_getting_worse_while_training_gets_better() -> None:
    points = [
        (1.0, 0.5, 1.0, 0.5),
        (0.7, 0.7, 0.9, 0.6),
        (0.5, 0.8, 0.95, 0.6),
        (0.3, 0.9, 1.05, 0.6),
        (0.2, 1.0, 1.2, 0.6),
    ]
    (advice,) = advise(story(points), begun(), TrainConfig())
    assert advice.title == "It overfits" and "Since epoch 2" in advice.why
    assert advice.change == {"augment": {"strength": 1.5}} and "1.5" in advice.offer
    assert advise(story(points[:4]), begun(), TrainConfig()) == [], "two epochs happen by chance"
    both = [(a + 0.2 * i, b, c, d) for i, (a, b, c, d) in enumerate(points)]
    assert "It overfits" not in titles(advise(story(both), begun(), TrainConfig()))


def test_whoever_looked_at_whole_pictures_and_knows_strangers_less_is_told_of_the_person() -> None:
    points = [(1 / i, 1 - 0.4 / i, 1.2 / i + 0.1, 0.8 - 0.4 / i) for i in range(1, 20)]
    found = advise(story(points), begun(), TrainConfig(), over=True)
    (told,) = [each for each in found if each.title == "It looked at whole pictures"]
    assert told.change == {"view": "person"} and changed(TrainConfig(), told.change).view == "person"
    for config, over in ((TrainConfig(), False), (TrainConfig(view="person"), True), (TrainConfig(view="both"), True)):
        assert told.title not in titles(advise(story(points), begun(), config, over=over))


def test_what_helps_against_overfitting_goes_on_where_it_has_got() -> None:
    points = [(1.0, 0.5, 0.8, 0.5), *[(0.5 / i, 0.95, 0.8 + 0.1 * i, 0.5) for i in range(1, 6)]]
    strong, small = AugmentConfig(strength=2.0), NetworkConfig(lstm_size=64)
    for config, wanted in (
        (TrainConfig(augment=strong), {"network": {"lstm_size": 128}}),
        (TrainConfig(augment=strong, network=small), {"network": {"dropout": 0.65}}),
    ):
        assert advise(story(points), begun(), config)[0].change == wanted


def test_underfitting_and_what_holds_it_back() -> None:
    points = [(1.0, 0.6, 1.0, 0.58)] * 12
    for config, wanted in (
        (TrainConfig(freeze_backbone=True), {"freeze_backbone": False}),
        (TrainConfig(), {"augment": {"strength": 0.5}}),
        (TrainConfig(augment=AugmentConfig(0.5)), {"network": {"lstm_size": 512}}),
    ):
        (advice,) = advise(story(points), begun(), config)
        assert advice.title == "It underfits" and advice.change == wanted


def test_a_loss_that_jumps() -> None:
    points = [(1.0, 0.5, 1.0, 0.5), (0.6, 0.7, 0.9, 0.6), (1.9, 0.4, 2.0, 0.4)]
    advice = advise(story(points), begun(), TrainConfig())[0]
    assert advice.title == "The loss jumps"
    assert advice.change["head_learning_rate"] == pytest.approx(1e-3 / 3)
    assert advice.change["backbone_learning_rate"] == pytest.approx(1e-5)
    two_phases = story(points[:2]) + story([points[2]], frozen=False)
    assert advise(two_phases, begun(), TrainConfig()) == [], "a backbone that begins to learn may"


def test_no_better_than_guessing() -> None:
    confusion = [(0, 0, 60), (1, 0, 15), (2, 1, 15)]
    learnt = story([(0.5, 0.9, 1.2, 0.66)] * 10, confusion=confusion)
    advice = advise(learnt, begun(), TrainConfig())[0]
    assert advice.title == "Not surely better than guessing" and "67%" in advice.why and "doctor" in advice.why
    lost, chance = story([(1.1, 0.35, 1.1, 0.3)] * 10), "Not surely better than guessing"
    assert "labels" in advise(lost, begun(), TrainConfig())[0].why
    assert chance not in titles(advise(lost[:5], begun(), TrainConfig())), "it has just begun"
    assert chance not in titles(advise(story([(1.0, 0.6, 1.0, 0.5)] * 10), begun(), TrainConfig()))


def test_a_run_that_was_getting_better_when_it_ended() -> None:
    points = [(2 - i / 20, 0.5 + i / 60, 2 - i / 20, 0.4 + i / 60) for i in range(20)]
    config = TrainConfig(epochs=20)
    (advice,) = advise(story(points), begun(), config, over=True)
    assert advice.title == "It was not finished" and advice.change == {"epochs": 40}
    assert advise(story(points), begun(), config) == []


def test_the_best_epoch_came_early() -> None:
    points = [(1.0, 0.8, 0.7, 0.85), (0.9, 0.85, 0.6, 0.9), *[(0.9, 0.86, 0.65, 0.82)] * 12]
    advice = advise(story(points), begun(), TrainConfig(), over=True)
    assert titles(advice) == ["The best epoch came early"]
    assert advice[0].change == {"head_learning_rate": pytest.approx(1e-3 / 3)}


def test_an_action_that_is_never_named() -> None:
    confusion = [(0, 0, 40), (1, 1, 30), (2, 0, 15), (2, 1, 5)]
    epochs = story([(0.3, 0.9, 0.4, 0.78)] * 10, confusion=confusion)
    (advice,) = advise(epochs, begun(), TrainConfig())
    assert advice.title == "Never named: wave" and advice.change == {"class_weights": True}
    (again,) = advise(epochs, begun(), TrainConfig(class_weights=True))
    assert again.change == {}
    assert advise(epochs, begun(classes=("a", "b")), TrainConfig()) == [], "of a damaged file nothing is said"


def test_few_validation_clips() -> None:
    (advice,) = advise(GOOD[:3], begun(validation=12), TrainConfig())
    assert advice.title.startswith("12 validation clips: ±2") and advice.change == {"validation_fraction": 0.3}
    (advice,) = advise(GOOD[:3], begun(validation=12), TrainConfig(validation_groups=("g1",)))
    assert advice.change == {}
    (advice,) = advise(GOOD[:3], begun(validation=9, train=9), TrainConfig())
    assert advice.change == {}, "one of two people validates: that is half of the clips already"


def test_one_lucky_epoch_is_no_proof_that_the_training_clips_are_told_apart() -> None:
    points = [(1.1, 0.78 if i == 19 else 0.45, 1.1, 0.33) for i in range(1, 31)]
    first, *_ = advise(story(points), begun(validation=9, train=9), TrainConfig())
    assert "Not even the training clips are told apart" in first.why


def test_no_progress_is_said_while_it_runs() -> None:
    points = [(1 / i, 1 - 0.5 / i, 0.5, 0.8) for i in range(1, 20)]
    (advice,) = advise(story(points), begun(), TrainConfig(patience=10))
    assert advice.title == "No progress" and "epoch 41" in advice.why
    (advice,) = advise(story(points), begun(), TrainConfig(freeze_backbone=True))
    assert "You may stop it" in advice.why
    last = EpochEnded(20, 0.1, 1.0, 0.5, 0.8, 1e-5, 1e-3, 1.0, False, False)
    assert advise([*story(points), last], begun(), TrainConfig()) == [], "the backbone has just begun to learn"


def test_a_change_is_a_config() -> None:
    config = TrainConfig(dataset="clips", augment=AugmentConfig(flip=False))
    made = changed(config, {"augment": {"strength": 1.5}, "epochs": 7, "clip": {"size": 64}})
    assert made.augment == AugmentConfig(1.5, flip=False) and made.epochs == 7 and made.dataset == "clips"
    assert made.clip is not None and made.clip.size == 64
    with pytest.raises(ConfigError):
        changed(config, {"epochs": 0})
    for advice in advise(story([(1.0, 0.6, 1.0, 0.58)] * 12), begun(validation=9), config):
        changed(config, advice.change)
