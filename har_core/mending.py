"""From wrong labels to a better model: what was edited since a model was trained, training again, before and after.

Whoever relabels the clips that judge a model can make any model look better. So every figure here is given twice, by
the labels of now and by those of then, and it is said which edits touched clips that judge.
"""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from har_core.checkpoint import Card
from har_core.comparison import Comparison, compare, verdict
from har_core.config import TrainConfig
from har_core.dataset import Dataset, split, versions
from har_core.errors import DatasetError, RunError
from har_core.evaluation import Evaluation
from har_core.runs import Run
from har_core.values import Clip

FEW = 30
"""Clips below which one more or less is several points: said beside every comparison."""
_JUDGING = ("validation", "test")


@dataclass(frozen=True, slots=True)
class Edited:
    """A clip, by its path below the folder, that is labelled otherwise than when the model was trained.

    `part` is where it was in that training: "train", "validation", "test" or "" for nowhere. `what` says in words what
    changed: one of action, group, part, excluded, ambiguous each, with before and after.
    """

    clip: str
    part: str
    what: tuple[tuple[str, str, str], ...]

    @property
    def judges(self) -> bool:
        """Whether the model was judged by it, and not trained on it."""
        return self.part in _JUDGING


def edits_since(card: Card, then: Dataset, now: Dataset) -> tuple[Edited, ...]:
    """What was edited between two versions of a data set, clip by clip, sorted by path.

    Args:
        card: of the model that learned from `then`.
        then: the data set as it was.
        now: as it is.
    """
    named = versions.compare(versions.version(now.root, then.version), versions.version(now.root, now.version))
    # Groups and parts come along with others; only what somebody asked for is an edit.
    chosen = {(found.clip, found.what): (found.before, found.after) for found in named}
    before, after = _states(then), _states(now)
    part_of = {name: part for part, names in card.split.items() for name in map(_plain, names)}
    found = []
    for clip in sorted(before.keys() & after.keys()):
        what = [
            (field, str(old), str(new))
            for field, old, new in zip(("action", "excluded", "ambiguous"), before[clip], after[clip], strict=True)
            if old != new
        ]
        what += [(field, *chosen[clip, field]) for field in ("group", "part") if (clip, field) in chosen]
        if what:
            found.append(Edited(clip, part_of.get(clip, ""), tuple(what)))
    return tuple(found)


def _states(source: Dataset) -> dict[str, tuple[str, str, str]]:
    """Of each clip: its action, whether it is excluded, whether it is ambiguous."""
    out = {source.relative(clip): (clip.action, "yes", "no") for clip in source.excluded}
    return out | {
        name: (clip.action, "no", "yes" if name in source.ambiguous else "no")
        for clip in source.clips
        if (name := source.relative(clip))
    }


def _plain(name: object) -> str:
    return os.path.normpath(str(name)).replace(os.sep, "/")


def told(edited: Sequence[Edited], *, then: int, now: int) -> str:
    """In a sentence how many edits there are since the model was trained, and which of them touch what judges it."""
    if not edited:
        return f"Version {now} says of every clip what the model learned from (version {then})."
    number = _clips(len(edited))
    known = {name: sum(each.part == name for each in edited) for name in ("train", "validation", "test")}
    judges = known["validation"] + known["test"]
    where = [f"{known['train']} trained it"] if known["train"] else []
    where += [f"{judges} judged it"] if judges else []
    rest = len(edited) - known["train"] - judges
    where += [f"{rest} {'was' if rest == 1 else 'were'} in no part of its training"] if rest else []
    return f"Version {now}: {number} edited since the model was trained on version {then}; {_and(where)}."


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _clips(number: int) -> str:
    return "1 clip" if number == 1 else f"{number:,} clips"


def again(config: TrainConfig, card: Card, now: Dataset) -> TrainConfig:
    """The settings of a run that learns from the labels of now, and is judged by the same people as before.

    Edits can change how chance deals the groups out; then those that judged are named, so that before and after can be
    compared. What the edits themselves move, moves.
    """
    fresh = replace(config, version=now.version)
    clips = now.clear().clips
    judged = {_plain(name) for name in card.split.get("validation", [])}
    wanted = {clip.group for clip in clips if now.relative(clip) in judged and clip.split in ("", "validation")}
    wanted |= {clip.group for clip in clips if clip.split == "validation"}
    for candidate in (fresh, replace(fresh, validation_groups=tuple(sorted(wanted)))):
        with suppress(DatasetError):  # whoever starts the run is told
            parts = split(
                clips, validation_fraction=candidate.validation_fraction, test_fraction=candidate.test_fraction,
                seed=candidate.seed, validation_groups=candidate.validation_groups,
            )  # fmt: skip
            if {clip.group for clip in parts.validation} == wanted:
                return candidate
    return fresh


def _recipe(run: Run) -> tuple[TrainConfig, int] | None:
    """What a run does but for its labels and who judges it, and the version of its labels; None where it is damaged."""
    try:
        config = run.config()
        home = Path(config.dataset).resolve()
    except (RunError, OSError, RuntimeError, ValueError):
        return None
    return replace(config, version=None, validation_groups=(), dataset=str(home)), config.version or 0


def relatives(run: Run, others: Collection[Run]) -> tuple[list[Run], list[Run]]:
    """The runs with the same settings on earlier and on later versions of the labels, the nearest versions first."""
    mine = _recipe(run)
    earlier, later = list[tuple[int, str, Run]](), list[tuple[int, str, Run]]()
    for other in others:
        theirs = _recipe(other) if mine is not None and other.folder != run.folder else None
        if mine is None or theirs is None or theirs[0] != mine[0] or theirs[1] == mine[1]:
            continue
        (earlier if theirs[1] < mine[1] else later).append((theirs[1], other.name, other))
    return (
        [other for _, _, other in sorted(earlier, key=lambda each: each[:2], reverse=True)],
        [other for _, _, other in sorted(later, key=lambda each: each[:2])],
    )


def held_out(first: Card, second: Card, source: Dataset) -> tuple[Clip, ...]:
    """The clips that judged one of two models and whose group trained neither."""
    clips = source.clear().clips
    trained = {_plain(name) for card in (first, second) for name in card.split.get("train", [])}
    judged = {_plain(name) for card in (first, second) for part in _JUDGING for name in card.split.get(part, [])}
    seen = {clip.group for clip in clips if source.relative(clip) in trained}
    return tuple(
        clip for clip in clips
        if (name := source.relative(clip)) in judged and name not in trained and clip.group not in seen
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mended:
    """Before and after on the same clips: by the labels of now, and by those of then, where there are such clips."""

    now: Comparison
    then: Comparison | None
    edited: tuple[Edited, ...]
    """Those edits that touch clips by which is judged here."""

    @property
    def by_labels(self) -> float | None:
        """By how much the score of the model before changes by nothing but the edits, in [-1, 1]."""
        if self.then is None or not self.edited:
            return None
        return float(self.now.first_right.mean()) - float(self.then.first_right.mean())

    def sentences(self) -> list[str]:
        """What to say of it, in plain text: the test, how few clips there are, and what the edits alone did."""
        found = [verdict(self.now, "the model before", "the model after")]
        found[0] = found[0][0].upper() + found[0][1:]
        number = len(self.now.pairs)
        if number < FEW:
            found.append(
                f"With {_clips(number)} each of them is {100 / number:.0f} points: do not read much into a few."
            )
        return found

    def warning(self) -> str:
        """What to know before a rise is believed; empty where no edit touched a clip that judges."""
        if not self.edited:
            return ""
        gone = sum(any(field in ("excluded", "ambiguous") for field, _, _ in each.what) for each in self.edited)
        named = sum(any(field == "action" for field, _, _ in each.what) for each in self.edited)
        did = [f"{_clips(named)} by which both are judged got another label"] if named else []
        did += [f"{_clips(gone)} {'was' if gone == 1 else 'were'} taken out of them or back in"] if gone else []
        if not did:
            return ""
        shift = self.by_labels
        if shift is None or abs(shift) < 5e-4:
            moved = "That alone leaves the score of the model before as it was."
        else:
            way = "up" if shift > 0 else "down"
            moved = (
                f"That alone takes the score of the model before {way} by {abs(shift) * 100:.1f} points: so much of a "
                "change is the labels, and nothing was learned."
            )
        return f"{_and(did)}. {moved}"


def mended(
    now: tuple[Evaluation, Evaluation], then: tuple[Evaluation, Evaluation] | None, edited: Sequence[Edited]
) -> Mended:
    """Before and after: the evaluations of the first and the second model by the labels of now, and by those of then.

    Raises:
        DatasetError: no clip was scored by both.
    """
    judged = {scored.clip.replace(os.sep, "/") for each in (*now, *(then or ())) for scored in each.scored}
    old = None
    if then is not None:
        with suppress(DatasetError):
            old = compare(*then)
    return Mended(compare(*now), old, tuple(each for each in edited if each.clip in judged))
