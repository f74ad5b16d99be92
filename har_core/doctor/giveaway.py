"""Actions that a fact about the file gives away: no pixel is looked at, and still they can be told.

A model finds such a fact before it finds the movement, scores well, and fails on the first clip that somebody else
films. The facts are codec, size, shape, length and frame rate; brightness is tried by itself.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_core.dataset.layouts import some
from har_core.dataset.versions import Changes
from har_core.doctor.examined import Examined, shape
from har_core.doctor.findings import Finding, Fix, Severity, counting
from har_core.values import wilson

Columns = NDArray[np.float64]
_MOST_CLIPS = 1200
"""More would tell the same and take longer."""
_REPEATS, _FOLDS, _TREES = 2, 5, 50
_SURE = 0.9
"""F1 of a rule that gives an action away."""
_FEWEST = 5
_BY_CHANCE = 0.01
"""How improbable a spread over the actions must be by chance to be told."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How often facts alone name the action, out of fold; `guess` is the share of the commonest action."""

    accuracy: float
    interval: tuple[float, float]
    guess: float

    @property
    def matters(self) -> bool:
        """Whether it is surely more than guessing, and by enough to worry."""
        return self.interval[0] > self.guess + 0.1 and self.accuracy >= 1.5 * self.guess


@dataclass(frozen=True, slots=True)
class Rule:
    """One fact that nearly singles out an action: `inside` of its clips have it, `outside` of all others do too."""

    action: str
    fact: str
    value: str
    clips: tuple[int, ...]
    of_action: int
    outside: int

    @property
    def said(self) -> str:
        """In a sentence."""
        inside = len(self.clips)
        share = f"All {inside}" if inside == self.of_action else f"{inside} of {self.of_action}"
        others = "no others are" if not self.outside else f"{counting(self.outside, 'other')} {_are(self.outside)} too"
        return f"{share} clips of {self.action} are {self.value}; {others}"


def findings(examined: Examined) -> list[Finding]:
    """That facts of the file, or the light, give actions away; nothing where there are too few clips to say."""
    rules = _rules(examined)
    told = {rule.fact for rule in rules}
    return [*_by_file(examined, rules), *_spread(examined, told), *_by_light(examined)]


def _by_file(examined: Examined, rules: Sequence[Rule]) -> list[Finding]:
    columns = _columns(examined)
    chosen, folds = _chosen(examined)
    if not len(chosen):
        return []
    everything = reach(examined, np.hstack(list(columns.values())), chosen, folds)
    if not everything.matters and not rules:
        return []
    alone = {fact: reach(examined, values, chosen, folds) for fact, values in columns.items()}
    figures = [("all facts together", _percent(everything)), ("guessing", f"{everything.guess:.0%}")]
    figures += [(f"{fact} alone", _percent(found)) for fact, found in alone.items() if found.matters]
    figures += [(rule.action, rule.said) for rule in rules]
    # What comes from how a clip was stored has nothing to do with the action; its length may.
    stored = [rule for rule in rules if rule.fact != "length"]
    severity: Severity = "problem" if stored else "warning"
    named = [f"{rule.action} ({rule.value})" for rule in stored or rules]
    title = (
        f"The file alone gives {some(named)} away" if rules
        else f"Facts of the file alone name {everything.accuracy:.0%} of the actions right"
    )  # fmt: skip
    by = ", ".join(fact for fact, found in alone.items() if found.matters)
    why = (
        f"Without a look at any picture, {everything.accuracy:.0%} of the actions are named right where guessing gives "
        f"{everything.guess:.0%}{f', by {by}' if by else ''}. A model can learn this instead of the movement. "
        "Film or convert all actions alike, and score it on clips that were made otherwise."
    )
    told = tuple(sorted({i for rule in rules for i in rule.clips}))
    fix = _leave_out(examined, [rule.action for rule in stored])
    return [Finding("file gives away", severity, title, why, examined.of(told), tuple(figures), fix=fix)]


def _leave_out(examined: Examined, actions: Sequence[str]) -> Fix | None:
    """Without these actions, where two others are left to be told apart: no edit can film them anew."""
    if not actions or len(set(examined.source.actions) - set(actions)) < 2:
        return None
    names = [name for name, action in zip(examined.names, examined.actions, strict=True) if action in set(actions)]
    what = f"Left out {some(list(actions))}: the file alone gives {'it' if len(actions) == 1 else 'them'} away"
    return Fix(f"Leave {some(list(actions))} out", what, dict.fromkeys(names, Changes(excluded=True)))


def _spread(examined: Examined, told: Collection[str]) -> list[Finding]:
    """That a codec or shape goes with some actions, though it tells none of them for sure; `told` are said already."""
    from scipy.stats import chi2_contingency

    found = []
    for fact, values in _categories(examined).items():
        kinds, actions = sorted(set(values)), examined.source.actions
        counts = Counter(zip(examined.actions, values, strict=True))
        table = np.array([[counts[action, kind] for kind in kinds] for action in actions])
        if fact == "size" or fact in told or min(table.shape) < 2 or len(kinds) > len(values) // 10:
            continue
        if chi2_contingency(table).pvalue >= _BY_CHANCE:
            continue
        # The actions furthest from what all clips show.
        off = np.abs(table / table.sum(axis=1, keepdims=True) - table.sum(axis=0) / table.sum()).max(axis=1)
        rows = [(actions[i], ", ".join(f"{n} {kind}" for n, kind in zip(table[i], kinds, strict=True) if n))
                for i in np.argsort(-off, kind="stable")]  # fmt: skip
        pure = [f"All {table[i].sum()} clips of {action} are {kinds[int(table[i].argmax())]}" for i, action in
                enumerate(actions) if table[i].sum() == table[i].max() >= _FEWEST]  # fmt: skip
        said = f"{some(pure)}. " if pure and len(pure) < len(actions) else ""
        found.append(
            Finding(
                f"{fact} goes with action", "hint", f"The {fact} of clips goes with the action",
                f"{said}This is hardly chance (p = {chi2_contingency(table).pvalue:.2g}), and a model can use it as a "
                "clue. Film or convert all actions alike.",
                (), tuple(rows[:12]),
            )
        )  # fmt: skip
    return found


def _by_light(examined: Examined) -> list[Finding]:
    bright = np.array([[facts.brightness if (facts := examined.facts_of(i)) else np.nan] for i in
                       range(len(examined.clips))])  # fmt: skip
    known = np.flatnonzero(np.isfinite(bright[:, 0]))
    if len(known) < 0.9 * len(bright):  # the rest is still being looked at
        return []
    chosen, folds = _chosen(examined, known)
    if not len(chosen):
        return []
    light = reach(examined, bright, chosen, folds)
    rules = [rule for rule in (_threshold(examined, "light", bright[:, 0], action, ("darker", "brighter"),
                                          lambda value: f"than {value:.0%} grey")
                               for action in examined.source.actions) if rule]  # fmt: skip
    if not light.matters and not rules:
        return []
    return [
        Finding(
            "light gives away", "warning",
            f"Brightness gives {some([rule.action for rule in rules])} away" if rules
            else f"Brightness alone names {light.accuracy:.0%} of the actions right",
            f"How bright the picture is names {light.accuracy:.0%} of the actions right where guessing gives "
            f"{light.guess:.0%}. A model can learn the light instead of the movement: film every action in any light.",
            examined.of(sorted({i for rule in rules for i in rule.clips})),
            (("brightness alone", _percent(light)), ("guessing", f"{light.guess:.0%}"),
             *((rule.action, rule.said) for rule in rules)),
        )
    ]  # fmt: skip


def _columns(examined: Examined) -> dict[str, Columns]:
    """By fact, float64 `(N, number of columns)`."""
    each = examined.properties
    codecs = sorted({facts.codec for facts in each})
    return {
        "codec": np.array([[float(facts.codec == codec) for codec in codecs] for facts in each]),
        "shape and size": np.array([[facts.width, facts.height, facts.width / max(1, facts.height)] for facts in each]),
        "length": np.array([[facts.seconds] for facts in each]),
        "frame rate": np.array([[facts.frames_per_second] for facts in each]),
    }


def _chosen(examined: Examined, among: NDArray[np.intp] | None = None) -> tuple[NDArray[np.intp], int]:
    """The clips to try it on, of actions with enough of them, and in how many folds; none where that says nothing."""
    actions = np.array(examined.actions)
    candidates = np.arange(len(actions)) if among is None else among
    counts = Counter(actions[candidates].tolist())
    kept = [i for i in candidates if counts[actions[i]] >= _FEWEST]
    # A fixed draw: the same data set gets the same diagnosis.
    kept = sorted(np.random.default_rng(0).permutation(kept)[:_MOST_CLIPS].tolist())
    if len(set(actions[kept].tolist())) < 2:
        return np.empty(0, np.intp), 0
    folds = _FOLDS if examined.guessed else min(_FOLDS, len({examined.clips[i].group for i in kept}))
    if folds < 2:
        return np.empty(0, np.intp), 0
    return np.array(kept, np.intp), folds


def reach(examined: Examined, columns: Columns, chosen: NDArray[np.intp], folds: int) -> Reach:
    """How often trees name the action of clips of groups that they have not seen, from these columns alone."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.tree import DecisionTreeClassifier

    actions = np.array(examined.actions)[chosen]
    groups = np.array([examined.clips[i].group for i in chosen])
    values = columns[chosen]
    right = []
    with warnings.catch_warnings():  # an action may have fewer groups than there are folds
        warnings.simplefilter("ignore")
        for repeat in range(_REPEATS):
            parts = StratifiedGroupKFold(folds, shuffle=True, random_state=repeat)
            for train, held in parts.split(values, actions, groups):
                trees = (
                    ExtraTreesClassifier(_TREES, min_samples_leaf=2, random_state=repeat) if values.shape[1] > 1
                    else DecisionTreeClassifier(min_samples_leaf=3, random_state=repeat)
                )  # fmt: skip
                trees.fit(values[train], actions[train])
                right.append(trees.predict(values[held]) == actions[held])
    accuracy = float(np.concatenate(right).mean())
    guess = Counter(actions.tolist()).most_common(1)[0][1] / len(actions)
    return Reach(accuracy, wilson(round(accuracy * len(actions)), len(actions)), guess)


def _categories(examined: Examined) -> dict[str, list[str]]:
    """By fact, what each clip is."""
    each = examined.properties
    return {
        "codec": [facts.codec for facts in each],
        "shape": [shape(facts.width, facts.height) for facts in each],
        "size": [f"{facts.width} x {facts.height} px" for facts in each],
    }


def _rules(examined: Examined) -> list[Rule]:
    """The best rule for each action that has one."""
    each = examined.properties
    rate, seconds = (np.array(v) for v in ([f.frames_per_second for f in each], [f.seconds for f in each]))
    named = _categories(examined)
    found = []
    for action in examined.source.actions:
        rules = [_value(examined, fact, values, action) for fact, values in named.items()]
        rules.append(_threshold(examined, "frame rate", rate, action, ("slower", "faster"),
                                lambda value: f"than {value:.3g} frames a second"))  # fmt: skip
        rules.append(_threshold(examined, "length", seconds, action, ("shorter", "longer"),
                                lambda value: f"than {value:.2g} s"))  # fmt: skip
        sure = [rule for rule in rules if rule is not None]
        if sure:  # the first of equals: what is easiest to mend
            found.append(max(sure, key=_f1))
    return found


def _f1(rule: Rule) -> float:
    return 2 * len(rule.clips) / (rule.of_action + len(rule.clips) + rule.outside)


def _value(examined: Examined, fact: str, values: Sequence[str], action: str) -> Rule | None:
    """The value that singles the action out, if one does."""
    own = [value for value, name in zip(values, examined.actions, strict=True) if name == action]
    if len(own) < _FEWEST or len(own) == len(values):
        return None
    value, number = Counter(own).most_common(1)[0]
    outside = Counter(values)[value] - number
    inside = tuple(i for i, v in enumerate(values) if v == value and examined.actions[i] == action)
    rule = Rule(action, fact, value, inside, len(own), outside)
    return rule if _f1(rule) >= _SURE else None


def _threshold(
    examined: Examined, fact: str, values: NDArray[np.float64], action: str, words: tuple[str, str],
    phrase: Callable[[float], str],
) -> Rule | None:  # fmt: skip
    """The bound that singles the action out, if one does."""
    own = np.array([name == action for name in examined.actions])
    if own.sum() < _FEWEST or own.all():
        return None
    order = np.argsort(values, kind="stable")
    ranked, mine = values[order], own[order]
    below = np.cumsum(mine)[:-1]
    number = np.arange(1, len(values))
    gaps = ranked[1:] > ranked[:-1] * 1.02 + 1e-9  # rounding tells nothing
    best: Rule | None = None
    for word, inside, size in ((words[0], below, number), (words[1], own.sum() - below, len(values) - number)):
        f1 = np.where(gaps, 2 * inside / (own.sum() + size), 0)
        at = int(f1.argmax()) if len(f1) else 0
        if len(f1) and f1[at] >= _SURE and (best is None or f1[at] > _f1(best)):
            bound = float(ranked[at] + ranked[at + 1]) / 2
            has = (values < bound) if word == words[0] else (values > bound)
            clips = tuple(np.flatnonzero(has & own).tolist())
            best = Rule(action, fact, f"{word} {phrase(bound)}", clips, int(own.sum()), int((has & ~own).sum()))
    return best


def _percent(found: Reach) -> str:
    return f"{found.accuracy:.0%} ({found.interval[0]:.0%} to {found.interval[1]:.0%})"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
