"""Training as a stream of events: optimise, validate, plateau, patience.

`train` is a generator; whoever iterates it decides where the events go. Everything random comes from
the config's seed and the number of the epoch, so that a resumed run goes on exactly as if it had never
been cut off.
"""

import json
import math
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from har_core import checkpoint, machine
from har_core.augment import Augmenter
from har_core.batches import Batch, collate, pack_embeddings, prefetch
from har_core.calibration import calibrate, tempered
from har_core.config import TrainConfig
from har_core.errors import DatasetError, TrainingError
from har_core.events import Ended, EpochEnded, Event, Reason, Started, Stepped, decode
from har_core.glimpses import CLIPS, FRAMES, Caption, Glimpses
from har_core.network import EMBEDDING, GRID, ActionNetwork, best_device, bf16_is_faster, load_initial
from har_core.preparation import Material, Stopped, prepare
from har_core.progress import Progress
from har_core.sampling import grid
from har_core.values import Rgb

ENCODE_AT_ONCE = 64
RAMP_EPOCHS = 3
LOOKED_BYTES = 4 * 2**30
"""Of memory for what a held backbone has seen; beyond it clips have fewer variations, then it goes to disk."""
VARIATIONS = 4  # of a training clip that a frozen backbone looks at once each; the epochs take turns


Seen = tuple[np.ndarray, Tensor]
"""Instants, or which frames make up each window, and what the backbone sees in each frame: float16 `(N, F)`."""


def train(config: TrainConfig, folder: Path, *, stopped: Stopped = lambda: False) -> Iterator[Event]:
    """Train, or go on with the training, in a run's folder: `best/` and `last/` are kept there.

    Args:
        config: what to train; `config.dataset` names the folder of clips.
        folder: the run's folder; where it holds `last/`, training goes on from there.
        stopped: asked before each step; once it is true the run ends after saying so.

    Raises:
        HarError: the data set cannot be trained on, or the kept state does not fit the config.
    """
    material = yield from prepare(config, stopped)
    if material is None:
        yield Ended("stopped", 0, 0.0)
        return
    trainer = Trainer(config, folder, material)
    yield trainer.started()
    yield from trainer.epochs(stopped)


class Trainer:
    """The parts of a run that live as long as its process."""

    def __init__(self, config: TrainConfig, folder: Path, material: Material) -> None:
        torch.manual_seed(config.seed)
        self.config, self.folder = config, folder
        source, learn = self.source, self.learn = material.source, material.learn
        self.split, self.check = material.split, material.check
        self.device = best_device()
        self.network = ActionNetwork(config.network, len(source.actions))
        self.weights = load_initial(self.network, config.network.weights)
        self.network.to(self.device)
        if self.device.type == "cpu":
            self.network.to(memory_format=torch.channels_last)
        self.rates = {"backbone": config.backbone_learning_rate, "head": config.head_learning_rate}
        self.optimiser = torch.optim.AdamW(
            self.network.parameter_groups(**self.rates), weight_decay=config.weight_decay
        )
        self.scheduler = self._fresh_scheduler()
        self.loss = nn.CrossEntropyLoss(weight=self._class_weights(), label_smoothing=config.label_smoothing)
        hold = self.network.pretrained and config.freeze_epochs > 0 and not config.freeze_backbone
        self.progress = Progress(held_until=-1 if hold else 0)
        self._looked: dict[tuple[str, int, int], Seen] = {}
        frames = sum(len(grid(seconds, learn.spec)) for seconds in learn.seconds)
        needed = frames * (EMBEDDING * GRID**2 if config.network.embedding == "grid" else EMBEDDING) * 2
        self._variations = max(1, min(VARIATIONS, LOOKED_BYTES // max(1, needed)))
        self._overflow = None
        if needed > LOOKED_BYTES:
            self._overflow = tempfile.TemporaryDirectory(dir=folder if folder.is_dir() else None, prefix=".looked-")
        self._validated: list[tuple[np.ndarray, int]] = []
        """Of each validation clip the logits of its windows `(W, C)` and its label, as they were last."""
        self._said: list[int] = []
        """What the network said of each clip of the last batch before it learned from it."""
        # Its own augmenter: the prefetching thread draws from the other one at the same time.
        self._glimpses = Glimpses(folder)
        self._shown = replace(learn, augment=Augmenter(config.augment, learn.spec.size))
        if (kept := checkpoint.load_state(folder / "last", self.network, self.optimiser)) is not None:
            if kept["fingerprint"] != source.fingerprint:
                # They would be split anew, so that what validated may train; and labels may mean other actions.
                raise DatasetError(f"The clips in {config.dataset} changed since the run began. Start a new run.")
            self.scheduler.load_state_dict(kept["scheduler"])
            self.progress = Progress(**kept["progress"])
            self.bf16: bool = kept["bf16"]  # measured once: a resumed run goes on in the same arithmetic
        else:
            self.bf16 = bf16_is_faster(self.network, self.device, learn.spec.size, config.precision)

    def started(self) -> Started:
        """The event that opens the run's story."""
        return Started(
            at=time.time(),
            epoch=self.progress.epoch + 1,
            epochs=self.config.epochs,
            device=str(self.device),
            precision="bf16" if self.bf16 else "fp32",
            weights=self.weights,
            classes=self.source.actions,
            train_clips=len(self.split.train),
            validation_clips=len(self.check.clips),
            window_seconds=self.learn.spec.window_seconds,
            frames_per_second=self.learn.spec.frames_per_second,
        )

    def epochs(self, stopped: Stopped) -> Iterator[Event]:
        """The loop, read aloud."""
        state = self.progress
        while state.epoch < self.config.epochs and not state.over(self.config.patience, len(self.check.clips)):
            epoch, begun = state.epoch + 1, time.monotonic()
            self.network.freeze(self.config.freeze_backbone or state.held_until < 0)
            if not self.network.frozen:
                self._looked.clear()  # a backbone that learns makes them stale
            torch.manual_seed(self.config.seed * 100_003 + epoch)
            losses, right, seen = 0.0, 0, 0
            rates = [group["lr"] for group in self.optimiser.param_groups]
            ramp = RAMP_EPOCHS if self.network.pretrained else 0
            batches = list(self._order(epoch))
            for step, batch in enumerate(prefetch([partial(self._batch, epoch, b) for b in batches]), 1):
                if stopped():
                    yield Ended("stopped", state.best_epoch, max(0.0, state.best_accuracy))
                    return
                # Adam's first steps are as long as its rate allows whatever the gradient: at the full rate
                # they would throw a trained backbone far off before it has learned anything.
                ramped = (epoch - 1 - state.held_until + step / len(batches)) / ramp if ramp else 1.0
                self.optimiser.param_groups[0]["lr"] = rates[0] * min(1.0, ramped)
                loss, correct = self._optimise(batch.to(self.device))
                if not math.isfinite(loss):
                    raise self._diverged(epoch)
                losses, right, seen = losses + loss * len(batch.labels), right + correct, seen + len(batch.labels)
                self._glimpses.show(epoch, partial(self._pictures, epoch, batches[step - 1]))
                yield Stepped(epoch, step, len(batches), loss, round(seen / max(1e-6, time.monotonic() - begun), 2))
            self.optimiser.param_groups[0]["lr"] = rates[0]
            if (scores := self._validate(stopped)) is None:
                yield Ended("stopped", state.best_epoch, max(0.0, state.best_accuracy))
                return
            accuracy, validation_loss = scores
            if not math.isfinite(validation_loss):
                raise self._diverged(epoch)
            self.scheduler.step(validation_loss)
            best = state.improves(accuracy, validation_loss)
            state.epoch, state.stale = epoch, 0 if best else state.stale + 1
            if best:
                state.best_epoch, state.best_accuracy, state.best_loss = epoch, accuracy, validation_loss
                self._keep_best()
            if state.held_until < 0 and epoch >= self.config.freeze_epochs:
                # What the held backbone can give is reached: patience begins anew with the backbone.
                state.held_until, state.stale = epoch, 0
                self.scheduler = self._fresh_scheduler()
            ended = EpochEnded(
                epoch=epoch, train_loss=losses / seen, train_accuracy=right / seen,
                validation_loss=validation_loss, validation_accuracy=accuracy,
                backbone_learning_rate=0.0 if self.network.frozen else rates[0], head_learning_rate=rates[1],
                seconds=time.monotonic() - begun, frozen=self.network.frozen, best=best,
                confusion=self._confusion(), memory_bytes=machine.own_memory(),
            )  # fmt: skip
            self._keep(ended)
            yield replace(ended, seconds=time.monotonic() - begun)
        early: Reason = "all right" if state.all_right(len(self.check.clips)) else "early stopping"
        reason = early if state.epoch < self.config.epochs else "epochs"
        yield Ended(reason, state.best_epoch, state.best_accuracy)

    def _diverged(self, epoch: int) -> TrainingError:
        kept = f" The model of epoch {self.progress.best_epoch} is kept." if self.progress.best_epoch else ""
        return TrainingError(
            f"Training needs a loss that is a number, but in epoch {epoch} it was none: the steps were too long.{kept} "
            "Start a new run with smaller learning rates."
        )

    def _fresh_scheduler(self) -> torch.optim.lr_scheduler.ReduceLROnPlateau:
        """Both groups at their first rates, with a floor for each: a common one would squeeze them together."""
        rates = list(self.rates.values())
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser,
            factor=self.config.plateau_factor,
            patience=self.config.plateau_patience,
            min_lr=[rate * 0.01 for rate in rates],
            eps=0.0,  # torch's would stop a slow group on its way while the fast one goes on
        )

    def _order(self, epoch: int) -> Iterator[Sequence[int]]:
        order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.learn.clips))
        size = self.config.batch_size
        yield from (order[i : i + size].tolist() for i in range(0, len(order), size))

    def _seed(self, epoch: int, index: int) -> int:
        return int(np.random.SeedSequence((self.config.seed, epoch, index)).generate_state(1)[0] >> 1)

    def _batch(self, epoch: int, indices: Sequence[int]) -> Batch:
        """Pixels, or what a frozen backbone sees in them. Runs in the prefetching thread."""
        if not self.network.frozen:
            return collate([self.learn.sample(i, seed=self._seed(epoch, i)) for i in indices])
        windows = []
        for i in indices:
            at, seen = self._seen(i, epoch)
            windows.append(seen[torch.from_numpy(self.learn.window(i, at, seed=self._seed(epoch, i)))].float())
        return pack_embeddings(windows, [self.learn.labels[i] for i in indices])

    def _seen(self, index: int, epoch: int) -> tuple[np.ndarray, Tensor]:
        """A training clip's instants, looked at once by the frozen backbone in each of a few variations."""
        view = epoch % self._variations
        key = ("train", index, view)
        if key not in self._looked:
            # One of them is the clip as it is, which is how it will be judged.
            at, rgb = self.learn.varied(index, seed=self._seed(view, index) if view else None)
            self._looked[key] = (at, self._kept(self._look(rgb), f"{index}-{view}"))
        return self._looked[key]

    def _kept(self, seen: Tensor, name: str) -> Tensor:
        """As it is, or, where all of them would not fit into memory, mapped from a file that goes with the run."""
        if self._overflow is None:
            return seen
        path = Path(self._overflow.name) / name
        seen.numpy().tofile(path)
        return torch.from_file(str(path), size=seen.numel(), dtype=seen.dtype).view(seen.shape)

    @torch.no_grad()
    def _look(self, rgb: np.ndarray) -> Tensor:
        """What the backbone sees in pictures uint8 `(N, 3, S, S)`: float16 `(N, F)` on the CPU, to be kept."""
        parts = torch.split(torch.from_numpy(np.ascontiguousarray(rgb)), ENCODE_AT_ONCE)
        with self._autocast():
            seen = [self.network.look(part.to(self.device)) for part in parts]
        return torch.cat(seen).half().cpu()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def _logits(self, batch: Batch) -> Tensor:
        packed = batch.packed
        if packed.data.dtype == torch.uint8:
            with self._autocast():
                packed = packed._replace(data=self.network.look(packed.data))
        # The rest stays in fp32: it costs next to nothing, and rounding adds up over the LSTM's steps.
        return self.network.classify(packed._replace(data=self.network.embed(packed.data.float())))

    def _optimise(self, batch: Batch) -> tuple[float, int]:
        """One step; gives the loss and how many clips were right."""
        self.network.train()
        logits = self._logits(batch)
        loss = self.loss(logits, batch.labels)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimiser.step()
        said = logits.detach().argmax(1)
        self._said = said.tolist()
        return float(loss.detach()), int((said == batch.labels).sum())

    def _pictures(self, epoch: int, indices: Sequence[int]) -> list[tuple[Caption, Rgb]]:
        """Some clips of a batch as they are learnt from; drawn anew, for a held backbone keeps no pictures."""
        if len(indices) < min(CLIPS, self.config.batch_size, len(self.learn.clips)):
            return []  # the end of an epoch: the page would jump with fewer rows
        rows, view = [], epoch % self._variations
        for i, said in list(zip(indices, self._said, strict=False))[:CLIPS]:
            window = self._seed(epoch, i)
            look = window if not self.network.frozen else self._seed(view, i) if view else None
            clip = self.learn.clips[i]
            caption = Caption(os.path.relpath(clip.path, self.source.root), clip.action, self.source.actions[said])
            rows.append((caption, self._shown.glimpse(i, FRAMES, window=window, look=look)))
        return rows

    def _confusion(self) -> tuple[tuple[int, int, int], ...]:
        """(true, predicted, clips) as the validation clips were judged last."""
        logits, labels = [each for each, _ in self._validated], [label for _, label in self._validated]
        said = tempered(logits, 1.0).argmax(1).tolist() if logits else []
        counts = Counter(zip(labels, said, strict=True))
        return tuple((true, predicted, number) for (true, predicted), number in sorted(counts.items()))

    @torch.inference_mode()
    def _validate(self, stopped: Stopped) -> tuple[float, float] | None:
        """Accuracy and negative log-likelihood of the mean of each clip's windows; None when asked to stop."""
        self.network.eval()
        right, loss = 0, 0.0
        self._validated.clear()
        for index, label in enumerate(self.check.labels):
            if stopped():
                return None
            key = ("validation", index, 0)
            if (encoded := self._looked.get(key)) is None:
                rgb, where = self.check.frames(index)
                encoded = (where, self._look(rgb))
                if self.network.frozen:
                    self._looked[key] = encoded
            where, seen = encoded
            windows = pack_embeddings([seen[torch.from_numpy(window)].float() for window in where])
            logits = self._logits(windows.to(self.device))
            probabilities = logits.softmax(1).mean(0).cpu()
            if not probabilities.isfinite().all():
                return 0.0, math.nan
            self._validated.append((logits.cpu().double().numpy(), label))
            right += int(probabilities.argmax()) == label
            loss -= math.log(max(float(probabilities[label]), 1e-9))
        return right / len(self.check.labels), loss / len(self.check.labels)

    def _class_weights(self) -> Tensor | None:
        if not self.config.class_weights:
            return None
        counts = np.bincount(self.learn.labels, minlength=len(self.source.actions))
        return torch.tensor(len(self.learn.labels) / (len(counts) * np.maximum(counts, 1)), dtype=torch.float32).to(
            self.device
        )

    def _card(self) -> checkpoint.Card:
        root = self.source.root
        # With each best epoch, not once at the end: a run may be cut off at any moment, and this takes no time.
        calibrated = calibrate(
            [logits for logits, _ in self._validated], [label for _, label in self._validated], self.source.actions,
            on=f"validation clips of epoch {self.progress.best_epoch}",
        )  # fmt: skip
        return checkpoint.Card(
            classes=self.source.actions,
            clip=self.learn.spec,
            network=self.config.network,
            windows=self.config.windows,
            views=("frame", "person") if self.config.view == "both" else (self.config.view,),
            weights=self.weights,
            dataset=root.name,
            dataset_version=self.source.version,
            fingerprint=self.source.fingerprint,
            created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            epoch=self.progress.best_epoch,
            temperature=calibrated.temperature,
            unsure_below=calibrated.unsure_below,
            calibration=calibrated.figures,
            scores={
                "validation accuracy": self.progress.best_accuracy,
                "validation loss": self.progress.best_loss,
                "validation clips": len(self.check.clips),
            },
            split={
                name: [os.path.relpath(clip.path, root) for clip in self.split.named(name)]
                for name in ("train", "validation", "test")
            },
        )

    def _keep_best(self) -> None:
        checkpoint.save(self.folder / "best", self.network, self._card())

    def _keep(self, ended: EpochEnded) -> None:
        values = {name: getattr(self.progress, name) for name in Progress.__slots__}
        rest = {"progress": values, "bf16": self.bf16, "scheduler": self.scheduler.state_dict()}
        rest |= {"fingerprint": self.source.fingerprint, "ended": asdict(ended)}
        checkpoint.save_state(self.folder / "last", self.network, self.optimiser, rest)


def unsaid(folder: Path, said: int) -> EpochEnded | None:
    """The epoch that a run kept but was killed before it could say so; None where it `said` all that it kept."""
    try:
        kept = json.loads((checkpoint.present(folder / "last") / "state.json").read_text(encoding="utf-8"))["ended"]
        event = decode(json.dumps({"event": "EpochEnded", **kept}))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # what is damaged, resuming says
        return None
    return event if isinstance(event, EpochEnded) and event.epoch > said else None


def discard_state(folder: Path) -> None:
    """Remove `last/` of a finished run: nothing will go on from it, and it is three times the weights."""
    shutil.rmtree(folder / "last", ignore_errors=True)
