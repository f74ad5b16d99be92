"""Searching for better settings: many short tries on what a held backbone sees once.

The backbone is held, so each clip has to be looked at once in each variation, for all tries; what is left to learn
is little. All folds of a try go on side by side, an epoch at a time: so the epoch in which they are judged is one
for all, which flatters less than the best one of each, and a try that falls behind can be given up.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from har_core import dataset
from har_core.augment import Augmenter
from har_core.batches import TrainClips
from har_core.calibration import tempered
from har_core.config import TrainConfig
from har_core.errors import TrainingError
from har_core.events import Ended, EpochEnded, Event, Noticed, Prepared, Trying
from har_core.glimpses import Glimpses
from har_core.network import EMBEDDING, GRID
from har_core.preparation import Material, Stopped, material_of, prepare
from har_core.proposals import Proposals, Proposed
from har_core.sampling import grid
from har_core.searches import KNOBS, STRENGTH, SearchConfig, Try, best_of, settings_of
from har_core.training import LOOKED_BYTES, Seen, Trainer
from har_core.values import Clip, Split

VARIATIONS = 2
"""Of each clip that tries learn from, the clip as it is among them; a run has more, but looking takes its time."""
PATIENCE = 8
"""Epochs without progress after which a try is over."""


def search(config: SearchConfig, folder: Path, done: Sequence[Try], *, stopped: Stopped) -> Iterator[Event | Try]:
    """Try settings until the time or the tries are used up; what is `done` already counts.

    Args:
        config: what to try; `config.base.dataset` names the folder of clips.
        folder: the search's folder; nothing is written there.
        done: the tries of an earlier process, in order.
        stopped: asked before each step; once it is true the search ends, without the try that was under way.

    Raises:
        HarError: the data set cannot be searched on.
    """
    tries = list(done)
    held = replace(config.base, freeze_backbone=True, epochs=config.epochs, patience=10_000)
    material = yield from prepare(held, stopped)
    if material is None:
        yield _ended(tries, stopped=True)
        return
    bench = _Bench(config, held, material, folder)
    yield from bench.notes
    yield replace(bench.eye.started(), epoch=len(done) + 1, epochs=config.tries)
    if not (yield from bench.look(config.base.augment.strength, stopped)):
        yield _ended(tries, stopped=True)
        return
    proposals = Proposals(config, done)
    # Two at least, or there would be nothing to compare.
    while len(tries) < config.tries and (sum(t.seconds for t in tries) < config.minutes * 60 or len(tries) < 2):
        if (proposed := proposals.next()) is None:
            yield Noticed("All that there is to try has been tried.")
            break
        one = yield from bench.attempt(len(tries), proposed, stopped)
        if one is None:
            yield _ended(tries, stopped=True)
            return
        proposals.learn(proposed, one)
        tries.append(one)
        yield one
    yield _ended(tries, stopped=False)


def _ended(tries: Sequence[Try], *, stopped: bool) -> Ended:
    best = best_of(tries)
    return Ended("stopped" if stopped else "budget", best.number if best else 0, best.accuracy if best else 0.0)


class _Held(Trainer):
    """A trainer that keeps nothing: neither models, nor what it would go on from, nor pictures."""

    def __init__(self, config: TrainConfig, nowhere: Path, material: Material) -> None:
        super().__init__(config, nowhere, material)
        self._glimpses = Glimpses(nowhere, clock=lambda: -1.0)  # it is never time for one

    def give(self, looked: dict[tuple[str, int, int], Seen]) -> None:
        """What the backbone sees, by part, clip and variation: nothing is looked at from now on."""
        self._looked, self._variations = looked, VARIATIONS

    def see(self, learn: TrainClips, index: int, variation: int) -> Seen:
        """A clip of `learn` as the backbone sees it in one variation; 0 is the clip as it is."""
        at, rgb = learn.varied(index, seed=self._seed(variation, index) if variation else None)
        return self._still(at, rgb)

    def see_judged(self, index: int) -> Seen:
        """A clip as it is looked at when it is judged."""
        rgb, where = self.check.frames(index)
        return self._still(where, rgb)

    def _still(self, which: np.ndarray, rgb: np.ndarray) -> Seen:
        self.network.freeze(True)
        self.network.eval()
        return which, self._look(rgb)

    def right(self) -> list[bool]:
        """Of each clip that was judged last, whether its action was named."""
        said = tempered([logits for logits, _ in self._validated], 1.0).argmax(1).tolist()
        return [guess == label for guess, (_, label) in zip(said, self._validated, strict=True)]

    def _keep_best(self) -> None: ...

    def _keep(self, ended: EpochEnded) -> None: ...


class _Bench:
    """The clips in their folds, and what the backbone sees of them, for all tries."""

    def __init__(self, config: SearchConfig, held: TrainConfig, material: Material, folder: Path) -> None:
        self.notes: list[Event] = []
        self._config, self._nowhere, self._material = config, folder / "nothing", material
        self._clips = self._affordable(held)
        groups = len({clip.group for clip in self._clips})
        parts = dataset.folds(self._clips, folds=max(2, min(config.folds, groups)), seed=config.seed)
        self.notes += [Noticed(note) for part in parts for note in part.notes]
        self.eye = _Held(held, self._nowhere, self._of(held, Split(self._clips, self._clips, ())))
        if not self.eye.network.pretrained:
            raise TrainingError(
                "A search needs starting weights, for it holds the part that looks at single pictures as it is, but it "
                "would start from random numbers. Choose the bundled weights."
            )
        self._folds = [self._of(held, part) for part in parts]
        # The same arithmetic for all, measured once; and those that learn look at nothing.
        shape = replace(held.network, weights="none")
        self._held = replace(held, network=shape, precision="bf16" if self.eye.bf16 else "fp32")
        self._varied: dict[tuple[float, int, int], Seen] = {}
        """By strength of the augmentation, place in `eye.learn`, and variation."""
        self._judged: dict[int, Seen] = {}

    def _of(self, held: TrainConfig, part: Split) -> Material:
        return material_of(held, self._material.source, part, self._material.learn.store, self._material.learn.spec)

    def _affordable(self, held: TrainConfig) -> tuple[Clip, ...]:
        """The clips that train or validate, or as many of each action as fit into memory, evenly chosen."""
        parts, learn = self._material.split, self._material.learn
        clips = sorted(parts.train + parts.validation, key=lambda clip: (clip.action, str(clip.path)))
        frames = sum(len(grid(seconds, learn.spec)) for seconds in learn.seconds) / max(1, len(learn.clips))
        each = 2 * frames * (EMBEDDING * GRID**2 if held.network.embedding == "grid" else EMBEDDING)
        # As it is, varied by each strength that is tried, and as it is judged.
        strengths = 1 + len(KNOBS[STRENGTH].choices) if STRENGTH in self._config.knobs else 1
        looks = (1 + strengths * (VARIATIONS - 1)) * (2 if held.view == "both" else 1) + 1
        most = int(LOOKED_BYTES / (each * looks))
        if len(clips) > most:
            text = f"Tries use {most} of the {len(clips)} clips: what is seen of more does not fit into memory."
            self.notes.append(Noticed(text))
            clips = [clips[i] for i in np.linspace(0, len(clips) - 1, most).astype(int)]
        return tuple(clips)

    def look(self, strength: float, stopped: Stopped) -> Generator[Event, None, bool]:
        """See each clip once in each variation that is not known yet; False when asked to stop."""
        augment = Augmenter(replace(self._config.base.augment, strength=strength), self.eye.learn.spec.size)
        learn = replace(self.eye.learn, augment=augment)
        places, clips = range(len(learn.clips)), range(len(self._clips))
        plain = {place: seen for (_, place, variation), seen in self._varied.items() if not variation}
        wanted = [(p, v) for p in places for v in range(VARIATIONS) if (strength, p, v) not in self._varied]
        judged = [i for i in clips if i not in self._judged]
        for done, (place, variation) in enumerate(wanted, 1):
            if stopped():
                return False
            known = None if variation else plain.get(place)
            self._varied[strength, place, variation] = known or self.eye.see(learn, place, variation)
            yield Prepared(done, len(wanted) + len(judged))
        for done, i in enumerate(judged, len(wanted) + 1):
            if stopped():
                return False
            self._judged[i] = self.eye.see_judged(i)
            yield Prepared(done, len(wanted) + len(judged))
        return True

    def attempt(self, number: int, proposed: Proposed, stopped: Stopped) -> Generator[Event, None, Try | None]:
        """Train all folds with these settings, side by side; None when asked to stop."""
        config = settings_of(self._held, proposed.settings)
        if not (yield from self.look(config.augment.strength, stopped)):
            return None
        begun, pruned, curve = time.monotonic(), False, list[float]()
        best = Try(number, proposed.settings, 0.0, 1, "0" * len(self._clips), (0.0,) * len(self._folds), (), 0.0)
        with ExitStack() as roads:
            trainers = [self._trainer(config, fold) for fold in self._folds]
            steps = [roads.enter_context(closing(_epochs(trainer, stopped))) for trainer in trainers]
            try:
                while len(curve) < config.epochs and len(curve) - best.epoch < PATIENCE and not pruned:
                    ended = [next(each, None) for each in steps]
                    if None in ended:
                        return None
                    right = self._right(trainers)
                    curve.append(right.count("1") / len(right))
                    if curve[-1] > best.accuracy:
                        folds = tuple(each.validation_accuracy for each in ended if each)
                        best = replace(best, accuracy=curve[-1], epoch=len(curve), right=right, folds=folds)
                    yield Trying(number, len(curve), config.epochs)
                    pruned = proposed.report(len(curve), curve[-1])
            except TrainingError:  # the loss is no number any more: these settings are bad ones
                pruned = True
        return replace(best, curve=tuple(curve), seconds=time.monotonic() - begun, pruned=pruned)

    def _trainer(self, config: TrainConfig, fold: Material) -> _Held:
        """Who learns a fold, with all that there is to see of its clips."""
        trainer, strength = _Held(config, self._nowhere, fold), config.augment.strength
        places = {clip.path: place for place, clip in enumerate(self._clips)}
        once = len(set(fold.learn.clips))  # a clip that is looked at in two views is there twice
        looked = {("validation", i, 0): self._judged[places[clip.path]] for i, clip in enumerate(fold.check.clips)}
        for i, clip in enumerate(fold.learn.clips):
            place = places[clip.path] + i // once * len(self._clips)
            looked |= {("train", i, v): self._varied[strength, place, v] for v in range(VARIATIONS)}
        trainer.give(looked)
        return trainer

    def _right(self, trainers: Sequence[_Held]) -> str:
        named = {clip.path for t in trainers for clip, ok in zip(t.check.clips, t.right(), strict=True) if ok}
        return "".join("1" if clip.path in named else "0" for clip in self._clips)


def _epochs(trainer: Trainer, stopped: Stopped) -> Generator[EpochEnded, None, None]:
    """A trainer's epochs; fewer than its config says where it is asked to stop."""
    for event in trainer.epochs(stopped):
        if isinstance(event, EpochEnded):
            yield event
