"""What the clips are as a whole: too few of an action, of too few people, filmed in too many ways, mirrored pairs."""

import re
from collections import Counter
from collections.abc import Callable

import numpy as np

from har_core.dataset.layouts import some
from har_core.doctor.examined import Examined, shape
from har_core.doctor.findings import Finding, counting

FEWEST_CLIPS = 8
"""Of an action: with fewer, a validation part of a fifth holds one or two of them, and a score says nothing."""
FEWEST_GROUPS = 5
MOST_UNEVEN = 3.0
"""The commonest action over the rarest."""
_SIDES = re.compile(
    r"left|right|anticlockwise|counterclockwise|clockwise|ccw|cw|(?<![a-z])[lr](?![a-z])", re.IGNORECASE
)
_OTHER_SIDE = {
    "left": "right", "right": "left", "l": "r", "r": "l", "cw": "ccw", "ccw": "cw",
    "anticlockwise": "clockwise", "counterclockwise": "clockwise",
}  # fmt: skip


def starving(examined: Examined) -> list[Finding]:
    """Actions with too few clips, and actions filmed with one person only; one action alone, or under two names."""
    counts = Counter(examined.actions)
    found = _nothing_to_tell(examined) + _twice_named(examined)
    if few := sorted(action for action, number in counts.items() if number < FEWEST_CLIPS):
        figures = tuple((action, counting(counts[action], "clip")) for action in few[:12])
        found.append(
            Finding(
                "few clips", "warning", f"{_actions(few)} {_has(few)} fewer than {FEWEST_CLIPS} clips",
                "A model learns the few clips by heart, and a score on one or two of them says little. "
                f"Add clips, best of other people: {FEWEST_CLIPS} at least, 20 or more to be at ease.",
                _clips_of(examined, lambda action: action in few), figures,
            )
        )  # fmt: skip
    groups: dict[str, set[str]] = {}
    for clip in examined.clips:
        groups.setdefault(clip.action, set()).add(clip.group)
    alone = sorted(a for a, own in groups.items() if len(own) == 1 and counts[a] > 1)
    if alone and len(examined.source.groups) > 1:
        found.append(
            Finding(
                "one group in an action", "problem", f"{_actions(alone)} {_has(alone)} clips of one group only",
                "A group is never taken apart, so all these clips train and none validates; and what the model learns "
                "may be the person or the room instead of the action. Film the action with somebody else too.",
                _clips_of(examined, lambda action: action in alone),
                tuple((action, next(iter(groups[action]))) for action in alone[:12]),
            )
        )  # fmt: skip
    return found


def _nothing_to_tell(examined: Examined) -> list[Finding]:
    if len(examined.source.actions) > 1:
        return []
    only = examined.source.actions[0]
    return [
        Finding(
            "one action", "problem", f"{only} is the only action",
            "A model tells actions apart, so it needs two at least, and nothing can be trained yet. Add clips of "
            "another action; everyday moves under the name none will do.", (),
        )
    ]  # fmt: skip


def _twice_named(examined: Examined) -> list[Finding]:
    named: dict[str, list[str]] = {}
    for action in examined.source.actions:
        named.setdefault(" ".join(action.casefold().replace("_", " ").split()), []).append(action)
    twins = [sorted(names) for names in named.values() if len(names) > 1]
    if not twins:
        return []
    return [
        Finding(
            "one action twice", "problem", f"{some([' and '.join(names) for names in twins])} differ in capitals or "
            "spaces only",
            "To a model they are two actions, and it cannot tell them apart. If they are one, select the clips of the "
            "one and relabel them as the other.",
            _clips_of(examined, lambda action: any(action in names[1:] for names in twins)),
        )
    ]  # fmt: skip


def uneven(examined: Examined) -> list[Finding]:
    """Some actions have many times the clips of others."""
    counts = Counter(examined.actions).most_common()
    (most, many), (least, few) = counts[0], counts[-1]
    if many < MOST_UNEVEN * few or many - few < FEWEST_CLIPS:
        return []
    return [
        Finding(
            "uneven", "hint", f"{most} has {many / few:.0f} times the clips of {least}",
            "A model that is unsure says what is common. Add clips of the rare actions, or train with class weights, "
            "and look at the macro F1 beside the accuracy.",
            (), tuple((action, counting(number, "clip")) for action, number in (*counts[:3], *counts[-3:])[:6]),
        )
    ]  # fmt: skip


def groups(examined: Examined) -> list[Finding]:
    """Whether validation on people whom the model has not seen is possible, and says something."""
    named, found = examined.named_groups, []
    if len(examined.source.groups) == 1 and len(examined.clips) > 1:
        found.append(
            Finding(
                "one group", "problem", "All clips are of one group",
                "Nothing is left to validate with: what a model does with anybody else stays unknown. "
                "Add clips of other people, or name the groups if there are several.",
                examined.names, (("group", named[0]),) if named else (),
            )
        )  # fmt: skip
    elif not examined.guessed and 1 < len(named) < FEWEST_GROUPS:
        found.append(
            Finding(
                "few groups", "warning", f"There are only {len(named)} groups",
                "Validation holds one of them, so the score depends on who that is. "
                f"With {FEWEST_GROUPS} or more, and by leaving out one after another, it says more.",
                (), tuple((g, counting(n, "clip")) for g, n in Counter(c.group for c in examined.clips).items()),
            )
        )  # fmt: skip
    return found


def mixed(examined: Examined) -> list[Finding]:
    """Very different frame rates, or very different pictures."""
    found = []
    rates = np.array([facts.frames_per_second for facts in examined.properties])
    slow, typical, fast = (float(value) for value in (rates.min(), np.median(rates), rates.max()))
    if slow > 0 and fast > 1.6 * slow:
        odd = [i for i, rate in enumerate(rates) if not typical / 1.25 <= rate <= typical * 1.25]
        found.append(
            Finding(
                "mixed frame rates", "hint", f"Frame rates go from {slow:.0f} to {fast:.0f} a second",
                "Clips are looked at by time, so this does not speed up an action; but if one action was filmed "
                "at another rate, a model can learn that instead.",
                examined.of(odd), (("typical", f"{typical:.0f} a second"), ("otherwise", counting(len(odd), "clip"))),
            )
        )  # fmt: skip
    shapes = Counter(shape(facts.width, facts.height) for facts in examined.properties)
    sides = [max(facts.width, facts.height) for facts in examined.properties]
    if len(shapes) > 1 or max(sides) > 3 * min(sides):
        common = shapes.most_common(1)[0][0]
        odd = [i for i, facts in enumerate(examined.properties) if shape(facts.width, facts.height) != common]
        small, large = min(sides), max(sides)
        found.append(
            Finding(
                "mixed pictures", "hint", "Pictures are of very different shapes or sizes",
                "A tall picture gets wide bars at its sides, and a small one is blurred: a model can learn that "
                "instead of the action if it goes with one.",
                examined.of(odd),
                (*((kind, counting(number, "clip")) for kind, number in shapes.most_common()),
                 ("longest side", f"{small} to {large} px")),
            )
        )  # fmt: skip
    return found


def mirrored(examined: Examined) -> list[Finding]:
    """Actions that are another one in the mirror."""
    actions = {action.casefold(): action for action in examined.source.actions}
    pairs = set()
    for action in examined.source.actions:
        other = actions.get(_mirror(action).casefold())
        if other and other.casefold() != action.casefold():
            pairs.add(tuple(sorted((action, other))))
    if not pairs:
        return []
    said = [f"{one} and {other}" for one, other in sorted(pairs)]
    return [
        Finding(
            "mirrored pairs", "hint", f"{some(said)} {'is a pair' if len(said) == 1 else 'are pairs'} in the mirror",
            "Training mirrors half of its clips, which turns the one into the other under the wrong name. "
            "Switch mirroring off when you train: Train, The recipe.",
            _clips_of(examined, lambda action: any(action in pair for pair in pairs)),
        )
    ]  # fmt: skip


def _mirror(action: str) -> str:
    """The action's name with its sides exchanged.

    >>> _mirror("wave left hand"), _mirror("walk"), _mirror("turn_clockwise")
    ('wave right hand', 'walk', 'turn_counterclockwise')
    """
    return _SIDES.sub(lambda match: _OTHER_SIDE.get(match[0].lower(), "counterclockwise"), action)


def _clips_of(examined: Examined, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(name for name, action in zip(examined.names, examined.actions, strict=True) if wanted(action))


def _actions(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} actions ({some(names)})"


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"
