"""A data set on its way: read, and looked at clip by clip, in the background, while the page can be used."""

from collections import Counter
from pathlib import Path
from typing import Any

import streamlit as st

from har_core import facts
from har_core.dataset import Dataset
from har_core.dataset.layouts import listing
from har_core.facts import ClipFacts
from har_core.ui.frame import plain, reporting
from har_core.ui.jobs import Job, jobs
from har_core.ui.loaders import progress, reading, reading_key
from har_core.ui.shelf import shelf

PATIENCE_SECONDS = 2.0
"""Whoever's data set is read within this time never hears of a background."""
LOOK_SECONDS = 0.3
"""The same for the look at its clips."""
STOPPING_SECONDS = 0.6
"""What ends within this time is gone at once; of what takes longer it is said that it is being stopped."""


def dataset_or_progress(root: Path) -> Dataset | None:
    """The data set in a folder; None while its first reading takes long, and then how far it is.

    Raises:
        DatasetError: it cannot be read.
    """
    before: Job[Dataset] | None = jobs().get(reading_key(root))
    if before is not None and not before.running and before.cancelled:
        _stopped(root, before)
        return None
    job = reading(root)
    with progress("Looking at the clips") as report:
        left = PATIENCE_SECONDS if before is None else 0.0
        while left > 0 and not job.wait(min(left, 0.1)):
            report(job.done, job.total)
            left -= 0.1
    if job.running:
        _follow(root, job)
        return None
    return job.result()


def _follow(root: Path, job: Job[Dataset]) -> None:
    with st.container(border=True):
        st.markdown(f":material/hourglass_top: **Getting to know {plain(root.name)}.** {_seen(root)}")
        bar(job, "Looking at the clips")
        st.caption(
            "Only the first time takes so long. It goes on in the background if you leave this page, and what was "
            "found is kept."
        )


def _stopped(root: Path, job: Job[Dataset]) -> None:
    with st.container(border=True):
        st.markdown(f":material/pause_circle: **Stopped** at {job.done} of {job.total} clips. {_seen(root)}")
        if st.button("Go on", type="primary", icon=":material/play_arrow:", key="read on"):
            reading(root)
            st.rerun()


@st.fragment(run_every=1.0)
def bar(job: Job[Any], text: str) -> None:
    """How far a job is, and a button that stops it; the page runs again when it is over."""
    if not job.running:
        st.rerun()
    share = job.done / job.total if job.total else 0.0
    left, right = st.columns([5, 1], vertical_alignment="center")
    far = f"{job.done:,} of {job.total:,}" if job.total else ""
    # A callback runs before the bar is drawn: whoever presses Stop sees at once that it was heard.
    said = "Stopping" if job.cancelled else text
    left.progress(share, f"{said}: {far}" if far else said)
    right.button("Stop", icon=":material/stop:", key=f"stop {text}", width="stretch", disabled=job.cancelled,
                 on_click=job.cancel)  # fmt: skip
    if job.cancelled and job.wait(STOPPING_SECONDS):
        st.rerun()


def _seen(root: Path) -> str:
    """What the folder says by its names alone."""
    named = shelf("listings", 8).get(reading_key(root), lambda: listing(root))
    counts = Counter(entry.action for entry in named.entries)
    most = ", ".join(f"{plain(action)} {number:,}" for action, number in counts.most_common(8))
    more = f" and {len(counts) - 8} more" if len(counts) > 8 else ""
    return f"{len(named.entries):,} clips of {len(counts)} actions are there: {most}{more}."


def looking(source: Dataset) -> Job[dict[str, ClipFacts]]:
    """The job that looks at the clips, one for each data set; begins when first asked for, unless it was stopped."""
    key = ("facts", source.root)
    job: Job[dict[str, ClipFacts]] | None = jobs().get(key)
    if job is not None and not job.running and not job.failed and _same_clips(job.about, source):
        job.about = source  # not to be compared again
        return job
    return _look_on(source)


def _same_clips(before: object, source: Dataset) -> bool:
    """Whether nothing but edits lies between the two: the files have all been looked at."""
    if before is source:
        return True
    if not isinstance(before, Dataset) or before.version == source.version:
        return False  # the folder changed
    return {c.path for c in (*source.clips, *source.excluded)} <= {c.path for c in (*before.clips, *before.excluded)}


def _look_on(source: Dataset) -> Job[dict[str, ClipFacts]]:
    return jobs().start(
        ("facts", source.root),
        lambda report, cancelled: facts.gather(source, progress=report, cancelled=cancelled),
        about=source,
    )


def known_facts(source: Dataset) -> dict[str, ClipFacts]:
    """What is known of the clips now, read again only when there is more; do not change it."""
    # A clip that changed is looked at again, which is more to know: the stamp says it all.
    return shelf("facts", 4).get((source.root, facts.stamp(source)), lambda: facts.known(source))


def summary(source: Dataset) -> None:
    """What the data set holds, in one line; what there is to know of it."""
    minutes = sum(p.seconds for p in source.properties) / 60
    counts = {"clips": len(source.clips), "actions": len(source.actions), "groups": len(source.groups)}
    words = [f"**{number:,}** {name[:-1] if number == 1 else name}" for name, number in counts.items()]
    words.append(f"**{minutes:,.1f}** minutes")
    if source.excluded:
        words.append(f"{len(source.excluded):,} excluded")
    with st.container(horizontal=True, vertical_alignment="center", key="summary"):
        st.markdown(" · ".join(words), help="A group says who or where was filmed. It is never in both training and "
                    "validation, so that scores are honest.")  # fmt: skip
        told = [plain(note) for note in source.notes]
        told += [f"Left out: {plain(clip)}: {plain(reason)}" for clip, reason in source.skipped]
        if told:
            with st.popover(f"{len(told):,} {'note' if len(told) == 1 else 'notes'}", icon=":material/info:"):
                st.markdown("\n".join(f"- {line}" for line in told[:100]))
                if len(told) > 100:
                    st.caption(f"And {len(told) - 100:,} more.")


def following(source: Dataset) -> None:
    """How far the look at the clips is; nothing once it is done."""
    # One place, filled or not: a fragment below is known by where it stands, and a click in one that moved is lost.
    with st.container():
        job = looking(source)
        if job.running and not job.wait(LOOK_SECONDS):
            bar(job, "Looking at the clips")
        elif job.cancelled:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"Looking at the clips was stopped at {job.done:,} of {job.total:,}.")
                if st.button("Look on", icon=":material/play_arrow:", type="tertiary"):
                    _look_on(source)
                    st.rerun()
        elif job.failed:
            with reporting():
                job.result()
