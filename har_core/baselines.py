"""What dumber rules score on the same clips: what a model must beat to have learned motion."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from har_core.checkpoint import Card
from har_core.dataset import Dataset
from har_core.embeddings import clip_embeddings
from har_core.errors import DatasetError
from har_core.evaluation import Evaluation, Scored, select, shape_answers
from har_core.intervals import Flags
from har_core.values import Clip

Report = Callable[[int, int], None]
Cancelled = Callable[[], bool]
_ENCODED = 512
"""Of a clip's vector: the mean over time of what the encoder says. The rest tells of change, and would be motion."""


def training_clips(source: Dataset, card: Card) -> tuple[Clip, ...]:
    """The clips of the data set that trained the model; none where it learned from others."""
    try:
        return select(source, card, "train") if card.split.get("train") else ()
    except DatasetError:
        return ()


def plain_rules(source: Dataset, card: Card, evaluation: Evaluation) -> dict[str, Flags]:
    """Of rules that see no picture whether each clip of `evaluation` is right, bool `(N,)`, in the order of its clips.

    `majority` always names the commonest action of the training clips, `shape and length` goes by what the file is.
    Nothing where none of the training clips lies in the data set.
    """
    train = training_clips(source, card)
    if not train:
        return {}
    properties = dict(zip((clip.path for clip in source.clips), source.properties, strict=True))
    commonest = Counter(clip.action for clip in train).most_common(1)[0][0]
    actions = np.array([scored.action for scored in evaluation.scored])
    told = shape_answers(
        [(properties[c.path], c.action) for c in train], [properties[s.path] for s in evaluation.scored]
    )
    return {"majority": actions == commonest, "shape and length": np.asarray(told) == actions}


def without_order(
    source: Dataset,
    card: Card,
    model: Path,
    scored: Sequence[Scored],
    *,
    progress: Report = lambda done, total: None,
    cancelled: Cancelled = lambda: False,
) -> Flags | None:
    """What is right without an LSTM: a linear rule on the mean of what the model's own encoder says of the frames.

    It learns from the model's training clips. Each clip is decoded once, and what was found is kept.

    Args:
        model: the folder of the model.
        scored: the clips to be told, N of them.

    Returns:
        bool `(N,)`; None where the training clips are not there or are of one action only.

    Raises:
        CheckpointError: the model cannot be loaded.
    """
    train = training_clips(source, card)
    if len({clip.action for clip in train}) < 2:
        return None
    by_path = {clip.path: clip for clip in source.clips}
    clips = [*train, *(by_path[one.path] for one in scored)]
    rows = clip_embeddings(source, clips, model=model, progress=progress, cancelled=cancelled)[:, :_ENCODED]
    actions = np.array([clip.action for clip in clips])
    known: Flags = np.isfinite(rows.sum(axis=1))
    learnt = np.flatnonzero(known[: len(train)])
    if len(set(actions[learnt].tolist())) < 2:
        return None
    rule = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    rule.fit(rows[learnt], actions[learnt])
    right: Flags = np.zeros(len(scored), bool)  # a clip that could not be read counts as wrong
    held = np.flatnonzero(known[len(train) :]) + len(train)
    if len(held):
        right[held - len(train)] = rule.predict(rows[held]) == actions[held]
    return right
