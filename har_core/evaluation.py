"""How good a model is: scores with intervals, the confusion matrix, and what dumber rules would score."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from har_core.checkpoint import Card
from har_core.dataset import Dataset
from har_core.errors import DatasetError, HarError
from har_core.prediction import Predictor
from har_core.values import Clip, Prediction, VideoProperties, wilson

SplitName = str
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Scored:
    """A clip, by its path below the data set's folder, its true action and what the model says of it.

    `group` says who or where was filmed; clips of one group are not independent. A clip whose group is "" is its own.
    """

    clip: str
    path: Path
    action: str
    prediction: Prediction
    group: str = ""

    @property
    def right(self) -> bool:
        """Whether the most probable action is the true one."""
        return self.prediction.action == self.action


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's predictions for labelled clips, and the scores that follow from them.

    `actions` are the model's classes in its order; `skipped` are the clips that could not be scored, each
    with the reason.
    """

    actions: tuple[str, ...]
    scored: tuple[Scored, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    """What to know before the scores are believed."""

    @property
    def accuracy(self) -> float:
        """The share of clips whose most probable action is right, in [0, 1]."""
        return self.top_accuracy(1)

    def top_accuracy(self, k: int) -> float:
        """The share of clips whose true action is among the `k` most probable ones."""
        return float(np.mean([s.action in {name for name, _ in s.prediction.top(k)} for s in self.scored]))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% Wilson interval of the accuracy; it takes clips for independent."""
        return wilson(sum(s.right for s in self.scored), len(self.scored))

    @property
    def macro_f1(self) -> float:
        """The mean over the actions that occur (in truth or prediction) of their F1."""
        true, said = self._labels()
        return float(f1_score(true, said, average="macro", zero_division=0.0))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts `(C, C)`: row = true action, column = predicted, in the order of `actions`, absent ones too."""
        true, said = self._labels()
        return np.asarray(confusion_matrix(true, said, labels=list(self.actions)), dtype=np.int64)

    def per_class(self) -> pd.DataFrame:
        """One row an action: clips, precision, recall, f1. An action without clips has no recall (NaN)."""
        true, said = self._labels()
        precision, recall, f1, clips = precision_recall_fscore_support(
            true, said, labels=list(self.actions), zero_division=np.nan
        )
        return pd.DataFrame(
            {"action": self.actions, "clips": clips, "precision": precision, "recall": recall, "f1": f1}
        )

    def table(self) -> pd.DataFrame:
        """One row a clip: clip, action, predicted, probability, right; the most surely wrong first."""
        rows = [
            {
                "clip": s.clip,
                "action": s.action,
                "predicted": s.prediction.action,
                "probability": s.prediction.top(1)[0][1],
                "right": s.right,
            }
            for s in self.scored
        ]
        columns = ["clip", "action", "predicted", "probability", "right"]
        return pd.DataFrame(rows, columns=columns).sort_values(["right", "probability"], ascending=[True, False])

    def to_json(self, *, k: int = 5) -> dict[str, Any]:
        """Plain values, as `python -m har_core evaluate --json` prints them."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "macro_f1": self.macro_f1,
            "actions": list(self.actions),
            "confusion": self.confusion.tolist(),
            "clips": [{"clip": s.clip, "action": s.action, "top": as_json(s.prediction, k)} for s in self.scored],
            "skipped": [{"clip": clip, "reason": reason} for clip, reason in self.skipped],
        }

    def _labels(self) -> tuple[list[str], list[str]]:
        return [s.action for s in self.scored], [s.prediction.action for s in self.scored]


def as_json(prediction: Prediction, k: int) -> list[dict[str, Any]]:
    """The Top-K as plain values, highest first."""
    return [{"action": action, "probability": probability} for action, probability in prediction.top(k)]


def remarks(source: Dataset, card: Card, split: SplitName) -> tuple[str, ...]:
    """What to know before scores on this split are believed; empty where the clips are those of the training."""
    if card.fingerprint in ("", source.fingerprint):
        return ()
    names = {os.path.normpath(name) for name in card.split.get(split, [])}
    gone = names - {os.path.normpath(os.path.relpath(c.path, source.root)) for c in source.clips}
    are = "is" if len(gone) == 1 else "are"
    missing = f" {len(gone)} of the {len(names)} {split} clips {are} not in it." if 0 < len(gone) < len(names) else ""
    learned, now, groups = card.dataset_version, source.version, apart(source, card, split)
    if groups is None:
        edited = f" It learned from version {learned} of the data set's labels, these are of version {now}."
        return (
            "These are not exactly the clips that the model was trained and validated with."
            f"{missing}{edited if _edited(source, card) else ''} Whether clips of one group lie on both sides is not "
            "known.",
        )
    told = f"Labels were edited since it was trained: it learned from version {learned}, these scores go by version"
    sides = "" if groups else " Clips of one group lie in training too now, which flatters the score."
    return (f"{told} {now}.{missing}{sides}",)


def apart(source: Dataset, card: Card, split: SplitName) -> bool | None:
    """Whether no group of a split's clips trained the model, by the groups of now; None where that is not known.

    It is known of the data set that the model learned from, in whichever version of its edits, as long as all clips
    that the card names are there: their files stay what they are.
    """
    if not _edited(source, card):
        return True if card.fingerprint == source.fingerprint else None
    groups = {os.path.normpath(source.relative(clip)): clip.group for clip in (*source.clips, *source.excluded)}
    parts = [[os.path.normpath(str(name)) for name in card.split.get(part, [])] for part in ("train", split)]
    if split == "train" or not all(parts) or any(name not in groups for names in parts for name in names):
        return None
    one, other = ({groups[name] for name in names} for names in parts)
    return not one & other


def _edited(source: Dataset, card: Card) -> bool:
    """Whether these are the clips that the model learned from, with other edits."""
    return card.dataset_version not in (None, source.version) and source.root.name == card.dataset


def select(source: Dataset, card: Card, split: SplitName) -> tuple[Clip, ...]:
    """The clips of a split as the model's own training drew it, without those marked as ambiguous.

    Raises:
        DatasetError: the split is empty, or the model was trained on other clips.
    """
    source = source.clear()
    if split == "all":
        return source.clips
    names = {os.path.normpath(str(name)) for name in card.split.get(split, [])}
    clips = tuple(c for c in source.clips if os.path.normpath(os.path.relpath(c.path, source.root)) in names)
    if not names:
        raise DatasetError(f"The model was trained without a {split} split. Choose another split, or all.")
    if not clips:
        raise DatasetError(f"None of the model's {split} clips lie in {source.root.name}. Choose the split all.")
    return clips


def evaluate(
    predictor: Predictor,
    source: Dataset,
    clips: Sequence[Clip],
    *,
    notes: Sequence[str] = (),
    progress: Report = lambda done, total: None,
) -> Evaluation:
    """Predict every clip and score it; what cannot be scored is listed in `skipped`.

    Raises:
        DatasetError: no clip could be scored.
    """

    def look(clip: Clip) -> Prediction | str:
        if clip.action not in predictor.card.classes:
            return f"The model does not know the action {clip.action}."
        try:
            return predictor.predict(clip.path)
        except HarError as error:
            return str(error)

    scored: list[Scored] = []
    skipped: list[tuple[str, str]] = []
    with ThreadPoolExecutor(2) as pool:  # one decodes while the other's frames are encoded
        try:
            for done, (clip, seen) in enumerate(zip(clips, pool.map(look, clips), strict=True), 1):
                name = os.path.relpath(clip.path, source.root)
                if isinstance(seen, str):
                    skipped.append((name, seen))
                else:
                    scored.append(Scored(name, clip.path, clip.action, seen, clip.group))
                progress(done, len(clips))
        finally:
            pool.shutdown(cancel_futures=True)
    if not scored:
        reason = skipped[0][1] if skipped else "there are no clips"
        raise DatasetError(f"No clip of {source.root.name} could be scored: {reason}")
    return Evaluation(predictor.card.classes, tuple(scored), (*source.skipped, *skipped), tuple(notes))


def shape_baseline(train: Sequence[tuple[VideoProperties, str]], held: Sequence[tuple[VideoProperties, str]]) -> float:
    """The accuracy of a random forest that sees no pixel: size, length, frame rate and codec alone."""
    told = shape_answers(train, [facts for facts, _ in held])
    return float(np.mean(np.asarray(told) == np.array([action for _, action in held])))


def shape_answers(train: Sequence[tuple[VideoProperties, str]], held: Sequence[VideoProperties]) -> list[str]:
    """What that forest, learned from `train`, says of each of `held`."""
    codecs = sorted({facts.codec for facts, _ in train})

    def describe(facts: VideoProperties) -> list[float]:
        shape = [facts.width, facts.height, facts.width / facts.height]
        return [*shape, facts.seconds, facts.frames, facts.frames_per_second, *(facts.codec == c for c in codecs)]

    forest = RandomForestClassifier(300, random_state=0).fit([describe(f) for f, _ in train], [a for _, a in train])
    told: list[str] = forest.predict([describe(f) for f in held]).tolist()
    return told
