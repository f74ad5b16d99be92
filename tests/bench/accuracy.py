"""Accuracy by group-held-out folds, beside the dumb baselines. Run by hand; hours on a laptop for a large set.

    python tests/bench/accuracy.py FOLDER --folds 4 --without ACTION --variants lstm mean-pool single-frame

Each variant is trained anew for each fold with the same recipe; the clips of the held-out groups are
scored through the same code as `evaluate`, with the checkpoint of the best epoch ON THOSE GROUPS, as a
run's own validation score is: a little kind to every variant alike. Rows are appended to --out as they come.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from har_core import dataset
from har_core.config import ClipSpec, NetworkConfig, TrainConfig
from har_core.evaluation import evaluate, shape_baseline
from har_core.events import EpochEnded, Noticed, Started
from har_core.prediction import Predictor
from har_core.sampling import propose
from har_core.training import train
from har_core.values import Split, wilson

VARIANTS = ("lstm", "mean-pool", "single-frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without", nargs="*", default=[], help="actions left out")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--only", type=int, help="run this many of the folds only")
    parser.add_argument("--weights", choices=("bundled", "none", "imagenet"), default="bundled")
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--no-flip", action="store_true")
    parser.add_argument("--config", default="{}", help="settings as JSON")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = _without(given.folder, given.without, Path(scratch))
        source = dataset.read(root)
        base = TrainConfig.from_json({**json.loads(given.config), "dataset": str(root)})
        base = replace(
            base,
            network=replace(base.network, weights=given.weights),
            augment=replace(base.augment, flip=not given.no_flip),
        )
        folds = dataset.folds(source.clips, folds=given.folds)[: given.only]
        for name, right, total, seconds in _scores(base, source, folds, given.variants, Path(scratch)):
            low, high = wilson(right, total)
            row = {"data": given.folder.name, "weights": given.weights, "variant": name, "right": right,
                   "total": total, "accuracy": right / total, "interval": [low, high], "seconds": seconds}  # fmt: skip
            print(
                f"{name:24} {right}/{total} {right / total:6.1%} ({low:.1%} to {high:.1%}) {seconds:.0f} s", flush=True
            )
            if given.out:
                with given.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def _without(folder: Path, actions: list[str], scratch: Path) -> Path:
    if not actions:
        return folder
    root = scratch / folder.name
    shutil.copytree(folder, root, ignore=lambda _, names: [n for n in names if n in actions])
    return root


def _scores(base, source, folds: list[Split], variants, scratch: Path):  # noqa: ANN001, ANN202  # one caller
    facts = dict(zip((c.path for c in source.clips), source.properties, strict=True))
    total = sum(len(fold.validation) for fold in folds)
    majority = shape = 0.0
    for fold in folds:
        commonest = Counter(c.action for c in fold.train).most_common(1)[0][0]
        majority += sum(c.action == commonest for c in fold.validation)
        pairs = [[(facts[c.path], c.action) for c in part] for part in (fold.train, fold.validation)]
        shape += shape_baseline(*pairs) * len(fold.validation)
    yield "majority", round(majority), total, 0.0
    yield "shape and length", round(shape), total, 0.0
    for variant in variants:
        right = shuffled = 0
        begun = time.monotonic()
        for number, fold in enumerate(folds):
            run = scratch / f"{variant}-{number}"
            _fit(_variant(base, variant, [facts[c.path].seconds for c in fold.train]), fold, run)
            predictor = Predictor(run / "best")
            scores = evaluate(predictor, source, fold.validation)
            right += sum(s.right for s in scores.scored)
            if variant == "lstm":
                seen = [predictor.examine(s.path, shuffle=i).prediction.action for i, s in enumerate(scores.scored)]
                shuffled += sum(a == s.action for a, s in zip(seen, scores.scored, strict=True))
            shutil.rmtree(run)
        yield variant, right, total, time.monotonic() - begun
        if variant == "lstm":
            yield "lstm, frames shuffled", shuffled, total, 0.0


def _variant(base: TrainConfig, variant: str, seconds: list[float]) -> TrainConfig:
    if variant == "lstm":
        return base
    network: NetworkConfig = replace(base.network, lstm_layers=0, pooling="mean")
    if variant == "mean-pool":
        return replace(base, network=network)
    spec: ClipSpec = base.clip or propose(seconds, size=base.size)
    # One frame a clip: any in training, the middle one when it is scored.
    return replace(base, network=network, clip=replace(spec, most_frames=1), windows=1)


def _fit(config: TrainConfig, fold: Split, run: Path) -> None:
    groups = sorted({clip.group for clip in fold.validation})
    for event in train(replace(config, validation_groups=tuple(groups)), run):
        if isinstance(event, (Started, Noticed)):
            print("   ", event, flush=True)
        if isinstance(event, EpochEnded):
            print(f"    {run.name} epoch {event.epoch} train {event.train_loss:.3f}/{event.train_accuracy:.2f} "
                  f"held out {event.validation_loss:.3f}/{event.validation_accuracy:.2f} {event.seconds:.1f} s",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
