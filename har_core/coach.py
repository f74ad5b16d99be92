"""What the curves of a run say, in plain words, and what to change in the next one. Pure: epochs in, advice out.

Each rule looks for one thing that people look for in curves. Where a few clips more or fewer would make it go away
it keeps silent: an advice on noise is worse than none.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from har_core.config import TrainConfig
from har_core.events import EpochEnded, Started
from har_core.values import wilson

_RISES = 3
"""So many epochs in a row, as one or two happen by chance."""
_ENOUGH = 8
"""Epochs before which nothing is said of how far a run got."""
_FEW_VALIDATION = 30
"""Clips below which the 95% interval is wider than about 30 points."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that the curves say: a title, why it is thought so, and what to change.

    `change` holds settings as `TrainConfig.to_json` nests them, {} where no setting helps; `offer` names the change:
    "Start a new run with …".
    """

    title: str
    why: str
    offer: str = ""
    change: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Curves:
    """What the rules look at. `phase` is the last stretch of epochs in which the backbone was all held, or all not."""

    epochs: Sequence[EpochEnded]
    phase: Sequence[EpochEnded]
    best: EpochEnded
    started: Started
    config: TrainConfig
    over: bool

    @property
    def chance(self) -> float:
        """What naming the commonest validation action always would score."""
        rows = Counter[int]()
        for true, _, clips in self.best.confusion:
            rows[true] += clips
        return max(rows.values()) / sum(rows.values()) if rows else 1 / max(1, len(self.started.classes))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the best accuracy."""
        clips = self.started.validation_clips
        return wilson(round(self.best.validation_accuracy * clips), clips)


def advise(epochs: Sequence[EpochEnded], started: Started, config: TrainConfig, *, over: bool = False) -> list[Advice]:
    """What the curves say, what matters most first.

    Args:
        epochs: those that ended, in order.
        started: how the run began.
        config: what it was asked to do.
        over: whether it has ended; what it may still do by itself is not advised before.
    """
    if not epochs:
        return []
    phase = [e for e in epochs if e.frozen == epochs[-1].frozen]
    best = max(epochs, key=lambda e: (e.validation_accuracy, -e.validation_loss))
    curves = _Curves(epochs, phase, best, started, config, over)
    found = [advice for rule in _RULES if (advice := rule(curves)) is not None]
    # One reason for a poor score is enough: the first explains it best.
    poor = [advice for advice in found if advice.title in _OF_A_SCORE]
    return [advice for advice in found if advice not in poor[1:]]


def changed(config: TrainConfig, change: Mapping[str, Any]) -> TrainConfig:
    """The config with other settings, nested as in `Advice.change`.

    Raises:
        ConfigError: the settings contradict each other.
    """

    def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        return dict(old) | {
            name: merged(old[name], value) if isinstance(value, dict) and isinstance(old.get(name), dict) else value
            for name, value in new.items()
        }

    return TrainConfig.from_json(merged(config.to_json(), change))


def _unstable(curves: _Curves) -> Advice | None:
    losses = [e.train_loss for e in curves.phase]
    if len(losses) < 3 or losses[-1] < 1.5 * min(losses) + 0.1:
        return None
    rates = {"head_learning_rate": curves.config.head_learning_rate / 3,
             "backbone_learning_rate": curves.config.backbone_learning_rate / 3}  # fmt: skip
    return Advice(
        _UNSTABLE,
        f"The training loss was down at {min(losses):.2f} and is back at {losses[-1]:.2f}. The steps are too long: "
        "each undoes what the one before it has learned.",
        "a third of the learning rates", rates,
    )  # fmt: skip


def _at_chance(curves: _Curves) -> Advice | None:
    low, high = curves.interval
    if len(curves.epochs) < _ENOUGH or low > curves.chance:
        return None
    said = (f"After {len(curves.epochs)} epochs the best accuracy is {curves.best.validation_accuracy:.0%}, which with "
            f"{curves.started.validation_clips} clips may be anything from {low:.0%} to {high:.0%}; naming the "
            f"commonest action always would score {curves.chance:.0%}.")  # fmt: skip
    lately = curves.epochs[-_ENOUGH:]  # one epoch of a few clips may be all right by luck
    if sum(e.train_accuracy for e in lately) / len(lately) > (1 + curves.chance) / 2:
        return Advice(
            _CHANCE, f"{said} The training clips are told apart all the same, by something that the validation clips "
            "do not share: the room, the light, who is seen. Look at the clips with the doctor.",
            *_more_variation(curves.config),
        )  # fmt: skip
    return Advice(
        _CHANCE, f"{said} Not even the training clips are told apart: are the labels right, and can a person tell "
        "these actions apart in a few seconds?",
        "no augmentation, to see whether it can learn at all", {"augment": {"strength": 0.0}},
    )  # fmt: skip


def _overfits(curves: _Curves) -> Advice | None:
    """As books define it: validation gets worse while training gets better."""
    last = curves.phase[-_RISES - 1 :]
    turned = min(curves.phase, key=lambda e: e.validation_loss)
    after = [e for e in curves.phase if e.epoch > turned.epoch]
    rising = len(last) > _RISES and all(
        b.validation_loss > a.validation_loss and b.train_loss <= a.train_loss * 1.02 for a, b in pairwise(last)
    )
    far = len(after) >= _RISES and all(e.validation_loss > 1.15 * turned.validation_loss for e in after[-_RISES:])
    falls = curves.phase[-1].train_loss < 0.9 * turned.train_loss
    gap = curves.phase[-1].train_accuracy - curves.phase[-1].validation_accuracy
    if not ((rising or (far and falls)) and gap > 0.1):
        return None
    return Advice(
        _OVERFITTING,
        f"Since epoch {turned.epoch} the validation loss rises ({turned.validation_loss:.2f} to "
        f"{curves.phase[-1].validation_loss:.2f}) while the training loss falls: it learns the clips by heart. The "
        "best epoch is kept, so nothing is lost. Clips of more people and places help most; more variation helps too.",
        *_more_variation(curves.config),
    )  # fmt: skip


def _more_variation(config: TrainConfig) -> tuple[str, dict[str, Any]]:
    if config.augment.strength < 1.75:
        strength = min(2.0, config.augment.strength + 0.5)
        return f"stronger augmentation ({strength:g})", {"augment": {"strength": strength}}
    if config.network.lstm_size > 128:
        return "a smaller LSTM (128)", {"network": {"lstm_size": 128}}
    dropout = min(0.8, round(config.network.dropout + 0.15, 2))
    return f"more dropout ({dropout:g})", {"network": {"dropout": dropout}}


def _unfinished(curves: _Curves) -> Advice | None:
    whole = curves.epochs[-1].epoch >= curves.config.epochs
    recent = curves.best.epoch > curves.config.epochs - max(2, curves.config.epochs // 10)
    if not (curves.over and whole and recent and curves.best.validation_accuracy < 0.97):
        return None
    epochs = min(10_000, 2 * curves.config.epochs)
    return Advice(
        _UNFINISHED,
        f"Epoch {curves.best.epoch} of {curves.config.epochs} was the best: it was still getting better when its "
        "epochs were over.",
        f"{epochs} epochs", {"epochs": epochs},
    )  # fmt: skip


def _underfits(curves: _Curves) -> Advice | None:
    config, recent = curves.config, curves.epochs[-5:]
    trained = max(e.train_accuracy for e in recent)
    flat = max(e.train_loss for e in recent) - min(e.train_loss for e in recent) < 0.05
    near = abs(trained - max(e.validation_accuracy for e in recent)) < 0.15
    if len(curves.epochs) < _ENOUGH or trained > 0.75 or not near or not (flat or curves.over):
        return None
    said = (f"Even the training clips are named right only {trained:.0%} of the time, and it has stopped getting "
            "better. It can learn more than it does.")  # fmt: skip
    if config.freeze_backbone:
        return Advice(_UNDERFITTING, f"{said} The part that looks at each picture is held for good.",
                      "a backbone that learns too", {"freeze_backbone": False})  # fmt: skip
    if config.augment.strength > 0.5:
        strength = max(0.25, config.augment.strength / 2)
        return Advice(_UNDERFITTING, f"{said} Its clips are varied so much that they are hard to tell apart.",
                      f"weaker augmentation ({strength:g})", {"augment": {"strength": strength}})  # fmt: skip
    size = min(2048, 2 * config.network.lstm_size)
    return Advice(_UNDERFITTING, said, f"a larger LSTM ({size})", {"network": {"lstm_size": size}})


def _early_best(curves: _Curves) -> Advice | None:
    if not (curves.over and curves.best.epoch <= 3 and len(curves.epochs) >= curves.best.epoch + _ENOUGH):
        return None
    rate = curves.config.head_learning_rate / 3
    return Advice(
        _EARLY, f"Epoch {curves.best.epoch} of {len(curves.epochs)} was the best, and all later ones were worse. The "
        "first steps went past the best place.",
        f"a smaller learning rate ({rate:.1e})", {"head_learning_rate": rate},
    )  # fmt: skip


def _never_named(curves: _Curves) -> Advice | None:
    classes = curves.started.classes
    shown, named = Counter[int](), Counter[int]()
    for true, said, clips in curves.best.confusion:
        shown[true] += clips
        named[said] += clips
    never = [classes[i] for i, clips in shown.items() if clips >= 2 and not named[i] and i < len(classes)]
    if not never or len(curves.epochs) < _ENOUGH:
        return None
    actions = f"{', '.join(never[:3])}{f' and {len(never) - 3} more' if len(never) > 3 else ''}"
    offer: tuple[str, dict[str, Any]] = ("", {})
    if not curves.config.class_weights:
        offer = ("rare actions weighed more", {"class_weights": True})
    return Advice(
        f"Never named: {actions}",
        f"In the best epoch no validation clip was taken for {actions}. There may be too few clips of it, or they look "
        "like another action's.", *offer,
    )  # fmt: skip


def _whole_picture(curves: _Curves) -> Advice | None:
    best = curves.best
    if not curves.over or curves.config.view != "frame" or len(curves.epochs) < _ENOUGH or _unfinished(curves):
        return None
    if best.validation_accuracy > 0.92 or best.train_accuracy - best.validation_accuracy < 0.08:
        return None
    return Advice(
        "It looked at whole pictures",
        "It knows the training clips better than those of other people and places. Cut to the person whom a clip is "
        "about, the room cannot decide: with bodies in view that was right up to 9 points more often on sets of ours, "
        "on one no more. It does not help where only hands are seen, or where people are tiny.",
        "a look at the person", {"view": "person"},
    )  # fmt: skip


def _plateau(curves: _Curves) -> Advice | None:
    # A backbone that begins to learn begins anew.
    since = min(curves.epochs[-1].epoch - curves.best.epoch, len(curves.phase))
    if curves.over or since < max(15, curves.config.patience) or curves.best.validation_accuracy > 0.97:
        return None
    held = curves.phase[-1].frozen and not curves.config.freeze_backbone
    rest = (f"From epoch {curves.config.freeze_epochs + 1} on the backbone learns too, which may help." if held
            else "You may stop it: the best epoch is kept.")  # fmt: skip
    return Advice(
        "No progress", f"Nothing has got better for {since} epochs; epoch {curves.best.epoch} is the best. {rest}"
    )


def _small_validation(curves: _Curves) -> Advice | None:
    clips = curves.started.validation_clips
    if clips >= _FEW_VALIDATION:
        return None
    low, high = curves.interval
    offer: tuple[str, dict[str, Any]] = ("", {})
    # Groups are not taken apart: more may validate already than was asked for.
    share = max(curves.config.validation_fraction, clips / (clips + curves.started.train_clips))
    if not curves.config.validation_groups and share < 0.3:
        offer = ("30% of the clips to validate", {"validation_fraction": 0.3})
    return Advice(
        f"{clips} validation clips: ±{max(high - low, 1e-9) / 2 * 100:.0f} points",
        f"{curves.best.validation_accuracy:.0%} right of {clips} clips may as well be {low:.0%} or {high:.0%}: "
        "two runs that differ by less do not differ. More clips of other people are the remedy.", *offer,
    )  # fmt: skip


_UNSTABLE, _CHANCE, _OVERFITTING = "The loss jumps", "Not surely better than guessing", "It overfits"
_UNFINISHED, _UNDERFITTING, _EARLY = "It was not finished", "It underfits", "The best epoch came early"
_OF_A_SCORE = {_UNSTABLE, _CHANCE, _OVERFITTING, _UNFINISHED, _UNDERFITTING, _EARLY}
_RULES: tuple[Callable[[_Curves], Advice | None], ...] = (
    _unstable, _at_chance, _overfits, _unfinished, _underfits, _early_best, _never_named, _whole_picture, _plateau,
    _small_validation,
)  # fmt: skip
