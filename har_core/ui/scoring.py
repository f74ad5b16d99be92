"""An evaluation on its way: what is known of a model's answers, and looking at the rest in the background.

What was found is kept on disk by `verdicts`, so a page asks what is known and only then for the rest. Temperature and
threshold are read from the model's card each time: after a new calibration nothing old is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar

import streamlit as st

from har_core.dataset import Dataset
from har_core.errors import HarError
from har_core.ui.frame import reporting
from har_core.ui.jobs import Cancelled, Job, Report, jobs
from har_core.ui.loaders import Model, loading, predictor
from har_core.ui.reading import bar
from har_core.ui.shelf import shelf
from har_core.values import Clip
from har_core.verdicts import Condition, Found, clip_keys, digest, store

if TYPE_CHECKING:
    from har_core.certainty import Certainty
    from har_core.checkpoint import Card
    from har_core.evaluation import Evaluation

T = TypeVar("T")
PATIENCE_SECONDS = 1.5
"""Whoever's clips are looked at within this time sees no bar."""
ORDERS: tuple[Condition, ...] = ("plain", "shuffled", "reversed", "single", "stuttering")
"""As `probing.ORDERS`, which would load torch."""


@dataclass(frozen=True, eq=False)
class Question:
    """A model and the clips it is judged by: those of `split`, as the model's own training drew it.

    The split "everything" is all clips, ambiguous ones too; `only` names the clips themselves, whatever `split` says.
    """

    model: Model
    source: Dataset
    split: str
    only: tuple[Clip, ...] | None = None

    @cached_property
    def digest(self) -> str:
        """Names the model's weights; raises CheckpointError."""
        return digest(self.model.folder)

    @cached_property
    def card(self) -> Card:
        """The card as it is now; raises CheckpointError."""
        with loading():
            from har_core import checkpoint

        return checkpoint.read_card(self.model.folder)

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """The clips of the split; raises DatasetError where the model has no such split."""
        from har_core import evaluation

        if self.only is not None:
            return self.only
        if self.split == "everything":
            return self.source.clips
        return evaluation.select(self.source, self.card, self.split)

    @cached_property
    def keys(self) -> list[str]:
        """Of each clip, as its file is now."""
        return clip_keys(self.source, self.clips)

    @cached_property
    def stamp(self) -> tuple[object, ...]:
        """What scores depend on: changes with the model, its card, the clips and their labels, and what is known."""
        labels = tuple((clip.action, clip.group) for clip in self.clips)
        kept = store(self.source.root, self.digest).stamp()
        return (self.digest, self.model.stamp, tuple(self.keys), labels, kept)

    @property
    def begun(self) -> bool:
        """Whether anything is known of this model and data set; asked without loading torch."""
        return bool(store(self.source.root, self.digest).stamp())

    @cached_property
    def found(self) -> Found:
        """All that is known."""
        kept = store(self.source.root, self.digest)
        return shelf("verdicts", 6).get((self.source.root, self.digest, kept.stamp()), kept.load)

    def left(self, wanted: Collection[Condition]) -> list[Clip]:
        """The clips of which not all that is wanted is known."""
        known, found = set(self.card.classes), self.found
        return [
            clip for clip, key in zip(self.clips, self.keys, strict=True)
            if clip.action in known and any((key, condition) not in found for condition in wanted)
        ]  # fmt: skip

    def scores(self, condition: Condition = "plain") -> Evaluation:
        """The scores under a condition, of all clips that are known.

        Raises:
            DatasetError: none of them could be scored.
        """

        def work() -> Evaluation:
            from har_core import evaluation, probing

            notes = evaluation.remarks(self.source, self.card, self.split)
            return probing.scores(self.card, self.source, self.clips, self.found, condition=condition, notes=notes)

        return shelf("scores", 48).get((self.stamp, self.split, condition), work)

    def certainty(self) -> Certainty:
        """The intervals of the plain scores."""

        def work() -> Certainty:
            from har_core.certainty import certainty

            return certainty(self.scores())

        return self.once("certainty", work)

    def once(self, what: str, work: Callable[[], T]) -> T:
        """What `work` gives, until anything changes that the scores depend on."""
        return shelf("of scores", 48).get((self.stamp, self.split, what), work)

    @property
    def seconds_a_clip(self) -> float | None:
        """About how long a look at a clip takes here; None where nothing was timed."""
        from har_core.probing import speed

        spent = speed(self.found, self.keys)
        return None if spent is None else sum(spent) / 1000


def at_hand(
    question: Question, wanted: Collection[Condition], *, ask: str, text: str, times: float = 1.0, main: bool = False
) -> bool:
    """Whether all that is wanted is known; where it is not, the button that asks for it, or how far it is.

    Args:
        question: the model and the clips.
        wanted: the conditions.
        ask: what stands on the button.
        text: what one gets for it, in a sentence.
        times: as long as a look at a clip as it is takes, times this.
        main: whether this is what the page is for, and its button stands out.
    """
    left = question.left(wanted)
    with st.container():  # one place, filled or not, so that nothing below moves
        job = job_of(question, wanted)
        if not left:
            return True
        if job is not None and job.running:
            bar(job, "Looking at the clips")
            return False
        if job is not None and job.failed:
            with reporting():  # and then it can be tried again
                job.result()
        told = f"{text} {_how_long(question, len(left), times)}".strip()
        kind: Literal["primary", "secondary"] = "primary" if main else "secondary"
        pressed = st.button(ask, type=kind, icon=":material/analytics:", key=f"ask {ask}")
        st.caption(told)
        if pressed:
            _begin(question, wanted)
        return False


def _begin(question: Question, wanted: Collection[Condition]) -> None:
    """Start, and run the page anew: with the scores where it was quick, else with how far it is."""
    started = start(question, wanted)
    if started.wait(PATIENCE_SECONDS):
        started.result()  # raises what went wrong
    st.rerun()


def _how_long(question: Question, left: int, times: float) -> str:
    known = len(question.clips) - left
    some = f"{known:,} of {len(question.clips):,} clips are known already. " if known > 0 else ""
    each = question.seconds_a_clip if question.begun else None
    if each is None:
        return f"{some}Each clip is looked at once; what is found is kept."
    seconds = max(1, round(left * each * times / 2))  # two at a time
    long = f"{seconds} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"
    return f"{some}It takes about {long} on this machine; what is found is kept."


def _key(question: Question, wanted: Collection[Condition]) -> tuple[object, ...]:
    return ("evaluate", question.source.root, question.digest, question.split, tuple(wanted))


def job_of(question: Question, wanted: Collection[Condition] = ORDERS) -> Job[object] | None:
    """The job that looks at these clips, running or over; None where there was none."""
    return jobs().get(_key(question, wanted))


def start(question: Question, wanted: Collection[Condition] = ORDERS) -> Job[object]:
    """Begin to look at the clips of which not all is known, in the background; the model is loaded at once."""
    ready = predictor(question.model)  # here, for it says that it is loading
    clips = question.clips

    def work(report: Report, cancelled: Cancelled) -> object:
        from har_core import probing

        found = probing.gather(
            ready, question.model.folder, question.source, clips, wanted, progress=report, cancelled=cancelled
        )
        if not cancelled() and not found.keys() <= store(question.source.root, question.digest).load().keys():
            raise HarError(
                "The clips were looked at, but what was found cannot be kept in the workspace and is lost: its disk is "
                "full, or may not be written to. Make room there, then ask again."
            )
        return found

    return jobs().start(_key(question, wanted), work, about=object())  # one that is over begins anew


def begin(question: Question) -> bool:
    """Whether the clips of the question are all scored; where not, the button for it, or how far it is.

    Before anything is known nothing heavy is loaded: the page stays quick.
    """
    job = job_of(question)
    if not question.begun and job is None:
        with st.container():
            pressed = st.button("Evaluate", type="primary", icon=":material/analytics:", key="ask Evaluate")
            st.caption("Each clip is looked at once, in the background; what is found is kept, also after a restart.")
            if pressed:
                _begin(question, ORDERS)
            return False
    return at_hand(question, ORDERS, ask="Evaluate", text="", main=True)
