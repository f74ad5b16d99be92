"""Accuracy by group-held-out folds, beside the dumb baselines. Run by hand; an hour on a laptop for a hundred clips.

    python tests/bench/accuracy.py FOLDER --folds 4 --seeds 3 --without ACTION --variants lstm mean-pool single-frame

Each variant is trained anew for each fold with the same recipe, and scores the clips of the held-out groups twice: with
the weights of the best epoch ON THOSE GROUPS, as a run's own validation score is, which is kind to every variant, the
kinder the fewer clips a fold holds out; and with the last epoch, which nobody chose.
With --choosers the epoch is chosen as a careful user would: on so many groups that neither train nor are scored.
The folds of one seed are pooled, each clip is scored once. Another seed deals the groups anew and begins from other
numbers; the clips are the same, so the spread over seeds is not an interval: that one is Wilson's, of the first seed.
One window length, proposed for the whole set, serves all folds; so a held backbone sees each clip once for all folds,
variants and seeds. Rows are appended to --out as they come.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score

from har_core import dataset
from har_core.batches import pack_embeddings
from har_core.config import NetworkConfig, TrainConfig
from har_core.evaluation import shape_baseline
from har_core.events import EpochEnded
from har_core.preparation import prepare
from har_core.sampling import propose
from har_core.training import Trainer
from har_core.values import Split, wilson

VARIANTS = ("lstm", "mean-pool", "single-frame", "beside", "steps")
Pairs = list[tuple[str, str]]
"""(true, said) of each clip."""


class Shared(dict[Any, Any]):
    """What a held backbone saw, under the clip's path instead of its place in one fold.

    A run whose backbone begins to learn clears it for itself alone.
    """

    kept: dict[Any, Any] = {}  # noqa: RUF012  # one for all folds: that is its purpose

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self._learn, self._check = trainer.learn, trainer.check
        # A backbone from random numbers is another one with each seed.
        self._weights = trainer.weights if trainer.network.pretrained else (trainer.weights, trainer.config.seed)
        self._stale = False

    def clear(self) -> None:
        self._stale = True

    def _key(self, key: tuple[str, int, int]) -> tuple[Any, ...]:
        part, index, variation = key
        clips = self._learn if part == "train" else self._check
        clip, spec = clips.clips[index], clips.spec
        if part == "train":  # the whole grid, however many of its frames a window takes
            spec = replace(spec, most_frames=1)
        return part, clip.path.name, clip.action, str(spec), variation, self._weights

    def __contains__(self, key: object) -> bool:
        return not self._stale and self._key(key) in self.kept  # type: ignore[arg-type]  # a key of the base class is any object

    def __getitem__(self, key: tuple[str, int, int]) -> Any:
        return self.kept[self._key(key)]

    def get(self, key: Any, default: Any = None) -> Any:
        return default if self._stale else self.kept.get(self._key(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.kept[self._key(key)] = value


@dataclass(slots=True)
class Tally:
    """The pairs of one variant, seed by seed."""

    seeds: list[Pairs] = field(default_factory=list)
    seconds: float = 0.0

    def row(self) -> dict[str, Any]:
        """Accuracy and macro F1: of the first seed with its interval, and over all seeds."""
        right = [sum(true == said for true, said in pairs) for pairs in self.seeds]
        each = [r / len(pairs) for r, pairs in zip(right, self.seeds, strict=True)]
        labels = sorted({true for true, _ in self.seeds[0]})
        f1 = [f1_score(*zip(*p, strict=True), labels=labels, average="macro", zero_division=0.0) for p in self.seeds]
        return {"right": right[0], "total": len(self.seeds[0]), "interval": wilson(right[0], len(self.seeds[0])),
                "each": right, "accuracy": float(np.mean(each)), "lowest": min(each), "highest": max(each),
                "macro_f1": float(np.mean(f1)), "seeds": len(self.seeds), "seconds": self.seconds}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without", nargs="*", default=[], help="actions left out")
    parser.add_argument("--folds", type=int, default=4, help="0 leaves one group out after another")
    parser.add_argument("--held", nargs="*", default=[], help="no folds: these groups are held out")
    parser.add_argument("--choosers", type=int, default=0, help="groups of each fold that choose the epoch alone")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", type=int, help="run this many of the folds only")
    parser.add_argument("--weights", choices=("bundled", "none", "imagenet"), default="bundled")
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=VARIANTS[:3])
    parser.add_argument("--no-flip", action="store_true")
    parser.add_argument("--config", default='{"epochs": 40}', help="settings as JSON")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root = _without(given.folder, given.without, Path(scratch))
        source = dataset.read(root)
        base = TrainConfig.from_json({**json.loads(given.config), "dataset": str(root)})
        base = replace(
            base,
            network=replace(base.network, weights=given.weights),
            augment=replace(base.augment, flip=not given.no_flip),
            clip=base.clip or propose([facts.seconds for facts in source.properties], size=base.size),
        )
        tallies: dict[str, Tally] = {}
        for seed in range(given.seeds):
            if given.held:
                held = {c.group for c in source.clips if c.group in given.held}
                parts = [[c for c in source.clips if (c.group in held) == wanted] for wanted in (False, True)]
                folds = [Split(tuple(parts[0]), tuple(parts[1]), ())]
            else:
                folds = dataset.folds(source.clips, folds=given.folds or None, seed=seed)[: given.only]
            for name, pairs, seconds in _scores(
                replace(base, seed=seed), source, folds, given.variants, Path(scratch), given.choosers
            ):
                tally = tallies.setdefault(name, Tally())
                tally.seeds.append(pairs)
                tally.seconds += seconds
                right = sum(true == said for true, said in pairs)
                print(f"{given.folder.name} seed {seed} {name:24} {right}/{len(pairs)} {right / len(pairs):.1%} "
                      f"{seconds:.0f} s", flush=True)  # fmt: skip
        for name, tally in tallies.items():
            row = {"data": given.folder.name, "weights": given.weights, "config": given.config, "folds": given.folds,
                   "held": given.held, "choosers": given.choosers, "variant": name, **tally.row()}  # fmt: skip
            low, high = row["interval"]
            print(f"{name:24} {row['right']}/{row['total']} ({low:.1%} to {high:.1%}); {row['seeds']} seeds: mean "
                  f"{row['accuracy']:.1%}, {row['lowest']:.1%} to {row['highest']:.1%}, macro F1 {row['macro_f1']:.3f}",
                  flush=True)  # fmt: skip
            if given.out:
                with given.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def _without(folder: Path, actions: list[str], scratch: Path) -> Path:
    if not actions:
        return folder
    root = scratch / folder.name
    shutil.copytree(folder, root, ignore=lambda _, names: [n for n in names if n in actions])
    return root


def _scores(
    base: TrainConfig, source: dataset.Dataset, folds: list[Split], variants: list[str], scratch: Path, choosers: int
) -> Iterator[tuple[str, Pairs, float]]:
    facts = dict(zip((c.path for c in source.clips), source.properties, strict=True))
    majority: Pairs = []
    shape: Pairs = []
    for fold in folds:
        commonest = Counter(c.action for c in fold.train).most_common(1)[0][0]
        majority += [(c.action, commonest) for c in fold.validation]
        pairs = [[(facts[c.path], c.action) for c in part] for part in (fold.train, fold.validation)]
        right = round(shape_baseline(*pairs) * len(fold.validation))
        shape += [(c.action, c.action if i < right else "") for i, c in enumerate(fold.validation)]  # only its accuracy
    yield "majority", majority, 0.0
    yield "shape and length", shape, 0.0
    for variant in variants:
        told: Pairs = []
        last: Pairs = []
        shuffled: Pairs = []
        begun = time.monotonic()
        for number, fold in enumerate(folds):
            run = scratch / f"{variant}-{number}"
            groups = tuple(sorted({clip.group for clip in fold.validation}))
            chosen = _choosers(fold, choosers, base.seed)
            trainer, best = _fit(replace(_variant(base, variant), validation_groups=(*groups, *chosen)), run, chosen)
            last += _said(trainer, shuffle=False)
            trainer.network.load_state_dict(best)
            told += _said(trainer, shuffle=False)
            if variant == "lstm":
                shuffled += _said(trainer, shuffle=True)
            shutil.rmtree(run)
        yield variant, told, time.monotonic() - begun
        yield f"{variant}, last epoch", last, 0.0
        if shuffled:
            yield "lstm, frames shuffled", shuffled, 0.0


def _choosers(fold: Split, number: int, seed: int) -> tuple[str, ...]:
    """Groups of the training part, dealt by chance, that choose the epoch instead."""
    groups = sorted({clip.group for clip in fold.train})
    return tuple(np.random.default_rng((seed, len(groups))).permutation(groups)[:number].tolist())


def _variant(base: TrainConfig, variant: str) -> TrainConfig:
    if variant == "lstm":
        return base
    if variant in ("beside", "steps"):
        return replace(base, network=replace(base.network, motion=variant))
    network: NetworkConfig = replace(base.network, lstm_layers=0, pooling="mean")
    if variant == "mean-pool":
        return replace(base, network=network)
    spec = base.clip
    assert spec is not None  # main proposed one
    # One frame a clip: any in training, the middle one when it is scored. Nothing moves in one frame.
    network = replace(network, motion="off")
    return replace(base, network=network, clip=replace(spec, most_frames=1), windows=1)


class Bare(Trainer):
    """A run that keeps its best weights in memory: writing each epoch to disk takes longer than learning its head."""

    best: dict[str, torch.Tensor]
    choosers: tuple[str, ...] = ()

    def _validate(self, stopped: Callable[[], bool]) -> tuple[float, float] | None:
        scores = super()._validate(stopped)
        told = [(torch.from_numpy(logits).softmax(1).mean(0), label)
                for (logits, label), clip in zip(self._validated, self.check.clips, strict=True)
                if clip.group in self.choosers]  # fmt: skip
        if not told:
            return scores
        right = [int(said.argmax()) == label for said, label in told]
        return float(np.mean(right)), float(np.mean([-said[label].clamp_min(1e-9).log() for said, label in told]))

    def _keep_best(self) -> None:
        self.best = {name: value.clone() for name, value in self.network.state_dict().items()}

    def _keep(self, ended: EpochEnded) -> None:
        pass

    def _pictures(self, epoch: int, indices: object) -> list[Any]:
        return []


def _fit(config: TrainConfig, run: Path, choosers: tuple[str, ...]) -> tuple[Bare, dict[str, torch.Tensor]]:
    """A trained network as its last epoch left it, and the weights of its best one."""
    run.mkdir()
    steps = prepare(config, lambda: False)
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        trainer = Bare(config, run, ended.value)
    if config.freeze_backbone or trainer.network.pretrained:
        trainer._looked = Shared(trainer)
    trainer.choosers = choosers
    best = [e.validation_accuracy for e in trainer.epochs(lambda: False) if isinstance(e, EpochEnded)]
    print(f"    {run.name}: best {max(best):.2f}, last {best[-1]:.2f}", flush=True)
    return trainer, trainer.best


@torch.inference_mode()
def _said(trainer: Bare, *, shuffle: bool) -> Pairs:
    """What the network says of the clips that were held out: the mean over each clip's windows."""
    trainer.network.eval()
    network, actions = trainer.network, trainer.source.actions
    pairs = []
    for index, label in enumerate(trainer.check.labels):
        if trainer.check.clips[index].group in trainer.choosers:
            continue
        seen = trainer._looked.get(("validation", index, 0))
        if seen is None:
            rgb, where = trainer.check.frames(index)
            seen = (where, trainer._look(rgb))
        where, looked = seen
        if shuffle:
            where = np.random.default_rng(index).permuted(where, axis=1)
        windows = pack_embeddings([looked[torch.from_numpy(window)].float() for window in where]).packed
        logits = network.classify(windows._replace(data=network.embed(windows.data)))
        pairs.append((actions[label], actions[int(logits.softmax(1).mean(0).argmax())]))
    return pairs


if __name__ == "__main__":
    main()
