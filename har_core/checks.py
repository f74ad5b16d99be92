"""What stands in the way of a run, found before it is started: a sentence each, and what to do about it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from har_core.config import TrainConfig
from har_core.dataset import Dataset, split
from har_core.errors import DatasetError
from har_core.values import Split

FEW_CLIPS = 5
"""Training clips of an action below which it is learnt by heart rather than understood."""
_SPARE_BYTES = 2**29
_MOST_NAMED = 4
_MIRRORED = (("left", "right"), ("links", "rechts"), ("gauche", "droite"), ("izquierda", "derecha"),
             ("counterclockwise", "clockwise"), ("anticlockwise", "clockwise"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that stands in the way; a `serious` one must go before training can begin.

    `remedy` names what helps, "" where only other clips do: `change`, settings as `TrainConfig.to_json` nests them, or
    `view`, a view of the Dataset page.
    """

    serious: bool
    sentence: str
    remedy: str = ""
    change: dict[str, Any] = field(default_factory=dict)
    view: str = ""


def parts_and_obstacles(
    source: Dataset, config: TrainConfig, *, has_detector: bool
) -> tuple[Split | None, list[Obstacle]]:
    """The split that a run would have, None where there is none, and all that stands in the way but the machine."""
    clear = source.clear()
    found = [*_actions(clear), *_people(config, has_detector=has_detector)]
    try:
        parts = split(
            clear.clips, validation_fraction=config.validation_fraction, test_fraction=config.test_fraction,
            seed=config.seed, validation_groups=config.validation_groups,
        )  # fmt: skip
    except DatasetError as error:
        # With one action or none that has been said already.
        if not any(obstacle.serious for obstacle in found):
            found.append(_no_split(str(error), config))
        return None, found
    told = [*_missing(parts, config), *_few(parts), *_thin(parts), *_sides(clear.actions, config)]
    return parts, [*found, *told]


def room(*, needed: int, free: int, config: TrainConfig) -> list[Obstacle]:
    """What the disk says: `needed` and `free` bytes."""
    if free >= needed + _SPARE_BYTES:
        return []
    sentence = (f"The disk has {_gigabytes(free)} left, and the run needs about {_gigabytes(needed)}. It would fail "
                "when the disk is full; what it had learned by then is kept.")  # fmt: skip
    if config.cache and free > _SPARE_BYTES:
        return [Obstacle(False, sentence, "Keep no decoded frames", {"cache": False})]
    return [Obstacle(free < _SPARE_BYTES, f"{sentence} Make room, or delete runs.")]


def _gigabytes(number: int) -> str:
    return f"{number / 2**30:.1f} GB"


def _actions(source: Dataset) -> list[Obstacle]:
    number = len(source.actions)
    if number >= 2:
        return []
    only = f"only {source.actions[0]}" if number else "none"
    sentence = f"Training tells two actions or more apart, but there is {only}. Add clips of another action."
    return [Obstacle(True, sentence, "Add clips", view="Add clips")]


def _people(config: TrainConfig, *, has_detector: bool) -> list[Obstacle]:
    if config.view == "frame" or has_detector:
        return []
    sentence = ("Looking at people needs a detector, and there is none on this computer. One can be fetched on the "
                "Live page, under Weights.")  # fmt: skip
    return [Obstacle(True, sentence, "Look at the whole picture", {"view": "frame"})]


def _no_split(reason: str, config: TrainConfig) -> Obstacle:
    if config.validation_groups:
        return Obstacle(True, reason, "Let the share decide who validates", {"validation_groups": []})
    return Obstacle(True, reason, "Go to the doctor", view="Doctor")


def _missing(parts: Split, config: TrainConfig) -> list[Obstacle]:
    trained, validated = ({clip.action for clip in part} for part in (parts.train, parts.validation))
    found = []
    if untrained := sorted(validated - trained):
        sentence = f"Nothing can be learned of {_some(untrained)}: all of its clips validate or test."
        found.append(Obstacle(False, sentence, "Go to the doctor", view="Doctor"))
    if unseen := sorted(trained - validated):
        sentence = (f"No clip of {_some(unseen)} validates, so nobody will know how well it is recognised. It needs "
                    "clips of two people or places.")  # fmt: skip
        share = round(min(0.4, config.validation_fraction + 0.1), 2)
        if config.validation_groups:
            remedy: tuple[str, dict[str, Any]] = "Let the share decide who validates", {"validation_groups": []}
        elif share > config.validation_fraction and all(_spread(parts, action) > 1 for action in unseen):
            remedy = f"Let {share:.0%} of the clips validate", {"validation_fraction": share}
        else:
            return [*found, Obstacle(False, sentence, "Go to the doctor", view="Doctor")]
        found.append(Obstacle(False, sentence, *remedy))
    return found


def _spread(parts: Split, action: str) -> int:
    """How many groups have clips of an action."""
    return len({clip.group for clip in parts.named("all") if clip.action == action})


def _few(parts: Split) -> list[Obstacle]:
    counts = Counter(clip.action for clip in parts.train)
    few = sorted((action for action in counts if counts[action] < FEW_CLIPS), key=lambda action: counts[action])
    if not few:
        return []
    named = _some([f"{action} ({counts[action]})" for action in few])
    sentence = (f"Few clips to learn from: {named}. With fewer than {FEW_CLIPS} an action is learnt by heart "
                "rather than understood; 20 and more are good.")  # fmt: skip
    return [Obstacle(False, sentence, "Add clips", view="Add clips")]


def _thin(parts: Split) -> list[Obstacle]:
    """Actions that one clip alone judges, though there are enough to learn from."""
    trained, validated = (Counter(clip.action for clip in part) for part in (parts.train, parts.validation))
    thin = sorted(action for action in validated if validated[action] == 1 and trained[action] >= FEW_CLIPS)
    if not thin:
        return []
    sentence = (f"A single clip validates {_some(thin)}: it is right or wrong, which says little of the action. Clips "
                "of more people or places would tell.")  # fmt: skip
    return [Obstacle(False, sentence, "Add clips", view="Add clips")]


def _sides(actions: Sequence[str], config: TrainConfig) -> list[Obstacle]:
    pair = mirrored(actions) if config.augment.flip else None
    if pair is None:
        return []
    return [Obstacle(False, f"Half of the clips are mirrored, which makes {pair[0]} look like {pair[1]}.",
                     "Switch mirroring off", {"augment": {"flip": False}})]  # fmt: skip


def mirrored(actions: Sequence[str]) -> tuple[str, str] | None:
    """Two actions of which one is the other in a mirror, by their names; None where there are none.

    >>> mirrored(["Swipe_Left", "swipe_right", "wave"])
    ('Swipe_Left', 'swipe_right')
    >>> mirrored(["bright", "left"]) is None
    True
    """
    by_name = {action.casefold(): action for action in actions}
    for one, other in _MIRRORED:
        swapped = {one: other, other: one}
        pattern = re.compile(rf"{one}|{other}")
        for name, action in by_name.items():
            twin = pattern.sub(lambda match, swapped=swapped: swapped[match.group()], name)  # type: ignore[misc]
            if twin != name and twin in by_name:
                return action, by_name[twin]
    return None


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
