"""A model's temperature and its "unsure" threshold, fitted anew: with other clips, or with clips of other things.

Training fits both on its validation clips. What it cannot know is what the model says of videos that show none
of its actions; whoever has such videos can let them raise the threshold here. The weights stay as they are.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_core import checkpoint, dataset
from har_core.calibration import LEAST_CLIPS, calibrate, logits_of
from har_core.checkpoint import Card
from har_core.dataset import Dataset
from har_core.dataset.layouts import videos
from har_core.errors import CheckpointError, DatasetError, HarError
from har_core.evaluation import remarks, select
from har_core.prediction import Predictor
from har_core.values import Clip

Report = Callable[[int, int], None]
_ROWS = (
    ("temperature", "temperature", "{:.2f}"),
    ("unsure below", "unsure below", "{:.1%}"),
    ("accuracy", "right, of all clips", "{:.1%}"),
    ("coverage", "answered", "{:.1%}"),
    ("accuracy when sure", "right, of those answered", "{:.1%}"),
    ("others named", "other things taken for an action", "{:.1%}"),
    ("calibration error", "calibration error", "{:.1%}"),
    ("negative log likelihood", "negative log likelihood", "{:.3f}"),
)


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """What was written into a model's card, and what to know about it.

    `figures` are the card's `calibration`; `skipped` are the files that could not be used, each with the reason.
    """

    folder: Path
    figures: dict[str, Any]
    notes: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `python -m har_core calibrate --json` prints them."""
        skipped = [{"clip": clip, "reason": reason} for clip, reason in self.skipped]
        return {"model": str(self.folder), "calibration": self.figures, "notes": list(self.notes), "skipped": skipped}

    def text(self) -> str:
        """The figures before and after, a line each, and what to know about them."""
        others = f", {self.figures['others']} clips of other things" if self.figures["others"] else ""
        lines = [f"{self.figures['clips']} {self.figures['on']}{others}", f"{'':34}{'before':>9}{'after':>9}"]
        for name, title, shape in _ROWS:
            values = [self.figures[when][name] for when in ("before", "after")]
            if values != [None, None]:
                told = ["none" if value is None else shape.format(value) for value in values]
                lines.append(f"{title:34}{told[0]:>9}{told[1]:>9}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, *(f"skipped {clip}: {reason}" for clip, reason in self.skipped)])


def recalibrate(
    folder: Path,
    data: Path,
    others: Sequence[Path] = (),
    *,
    progress: Report = lambda done, total: None,
) -> Recalibrated:
    """Fit temperature and threshold of the model in `folder` and write them into its card.

    Nothing is written before all is known: cut off at any moment, the model is the old one.

    Args:
        folder: of the checkpoint; a program that uses it meanwhile goes on with what it has loaded.
        data: a data set. The clips that validated the model are taken, or all where none of them lies there.
        others: folders of videos, at any depth, that show none of the model's actions.
        progress: is told how many of how many clips are done, first of reading, then of looking at them.

    Raises:
        HarError: a folder is none or holds too little, or the card cannot be written.
    """
    card = checkpoint.read_card(folder)
    strange = list({path.resolve(): path for each in others for path in _videos(each)}.values())
    source = dataset.read(data, progress=progress)
    clips, on, notes = _chosen(source, card)
    if len(clips) < LEAST_CLIPS or len({clip.action for clip in clips}) < 2:
        raise _too_few(source, len(clips), len({clip.action for clip in clips}))
    if twice := {path.resolve() for path in strange} & {clip.path.resolve() for clip in clips}:
        raise DatasetError(
            f"Clips of other things must show none of the model's actions, but {len(twice)} of them are clips of "
            f"{source.root.name}, such as {min(twice).name}. Name another folder."
        )
    predictor = Predictor(folder)
    if predictor.note:
        raise CheckpointError(f"What is fitted must be what is shown later. {predictor.note}")
    shown = _look(predictor, [*(clip.path for clip in clips), *strange], progress)
    skipped = [(str(path), seen) for path, seen in shown.items() if isinstance(seen, str)]
    known = [(seen, clip) for clip in clips if not isinstance(seen := shown[clip.path], str)]
    foreign = [seen for path in strange if not isinstance(seen := shown[path], str)]
    if others and not foreign:
        raise DatasetError(f"None of the {len(strange)} clips of other things can be read: {skipped[-1][1]}")
    card = predictor.card  # of what was looked through: a run may have replaced the one read first
    fitted = calibrate(
        [seen for seen, _ in known], [card.classes.index(clip.action) for _, clip in known], card.classes,
        others=foreign, before=(card.temperature, card.unsure_below), on=on,
    )  # fmt: skip
    if not fitted.fitted:
        raise _too_few(source, len(known), fitted.figures["actions"])
    if not fitted.figures["reached"]:
        notes.append("No threshold gave all that was wanted without silencing the model; the nearest one was taken.")
    fresh = replace(card, temperature=fitted.temperature, unsure_below=fitted.unsure_below, calibration=fitted.figures)
    checkpoint.replace_card(folder, fresh, of=card)
    return Recalibrated(folder, fitted.figures, tuple(notes), (*source.skipped, *skipped))


def keep(folder: Path, card: Card, *, unsure_below: float, temperature: float, on: str) -> None:
    """Give a model a threshold and a temperature that somebody has chosen; its card says so.

    Args:
        folder: of the checkpoint; whoever has loaded it goes on as before, until it is loaded anew.
        card: the one that was looked at.
        unsure_below: a probability.
        temperature: as in the card.
        on: which clips were looked at when choosing, in words.

    Raises:
        HarError: the model was replaced meanwhile, or a number lies outside its range.
    """
    chosen = {"temperature": temperature, "unsure below": unsure_below, "on": on}
    told = card.calibration | {"by hand": chosen}
    fresh = replace(card, temperature=temperature, unsure_below=unsure_below, calibration=told)
    checkpoint.replace_card(folder, fresh, of=card)


def _too_few(source: Dataset, clips: int, actions: int) -> DatasetError:
    return DatasetError(
        f"Calibration needs {LEAST_CLIPS} readable clips or more, of two of the model's actions or more, but "
        f"{source.root.name} gives {clips} of {actions}. Name a larger data set."
    )


def _videos(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(f"Clips of other things must lie in a folder, but {folder} is none.")
    found = [folder / name for name in videos(folder)]
    if not found:
        raise DatasetError(f"Clips of other things were to be in {folder}, but there is no video in it.")
    return found


def _chosen(source: Dataset, card: Card) -> tuple[list[Clip], str, list[str]]:
    """The clips to fit on, which they are in words, and what to know about them."""
    try:
        clips, on = select(source, card, "validation"), "validation clips"
        notes = list(remarks(source, card, "validation"))
    except DatasetError:
        clips, on = source.clear().clips, f"clips of {source.root.name}"
        notes = [
            f"None of the clips that validated the model lie in {source.root.name}, so all of its clips are used. "
            "Where some of them trained the model, it will be surer than it should."
        ]
    known = [clip for clip in clips if clip.action in card.classes]
    if left := len(clips) - len(known):
        notes.append(f"{left} clips are left out: the model does not know their action.")
    return known, on, notes


def _look(predictor: Predictor, paths: Sequence[Path], progress: Report) -> dict[Path, NDArray[np.float64] | str]:
    """Of each clip the logits of its windows `(W, C)`, or why it cannot be read."""

    def look(path: Path) -> NDArray[np.float64] | str:
        try:
            windows = predictor.examine(path).windows
        except HarError as error:
            return str(error)
        return logits_of(np.stack([window.prediction.probabilities for window in windows]), predictor.card.temperature)

    found: dict[Path, NDArray[np.float64] | str] = {}
    with ThreadPoolExecutor(2) as pool:  # one decodes while the other's frames are encoded
        try:
            for path, seen in zip(paths, pool.map(look, paths), strict=True):
                found[path] = seen
                progress(len(found), len(paths))
        finally:
            pool.shutdown(cancel_futures=True)
    return found
