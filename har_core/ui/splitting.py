"""How a data set would be split, and its figures: clips by action and part, lengths, pictures, light and motion."""

import math
from collections.abc import Sequence

import streamlit as st

from har_core import dataset, facts, plots, weights
from har_core.dataset import Dataset
from har_core.errors import HarError
from har_core.facts import ClipFacts
from har_core.ui.choose import notes
from har_core.ui.frame import chart, plain, reporting
from har_core.ui.jobs import Job, jobs
from har_core.ui.reading import bar, known_facts
from har_core.ui.shelf import shelf
from har_core.values import Split

_KEY = "kept split"
_SHARES = (0.2, 0.0, 0)
"""Shares of validation and test, and the seed, until somebody chooses others."""


def preview(source: Dataset) -> tuple[Split, str]:
    """The split that the chosen shares give, and why there is none yet: then all clips are in its train part."""
    shares = st.session_state.get(_KEY, _SHARES)
    return shelf("splits", 16).get((id(source), shares), lambda: (_split(source, *shares), source))[0]


def _split(source: Dataset, validation: float, test: float, seed: int) -> tuple[Split, str]:
    source = source.clear()  # as training does
    try:
        return dataset.split(source.clips, validation_fraction=validation, test_fraction=test, seed=seed), ""
    except HarError as error:  # a set that is still growing: its clips can be looked at all the same
        return Split(source.clips, (), ()), str(error)


def parts_of(source: Dataset) -> dict[str, str]:
    """The part of the preview's split that each clip is in, by path relative to the root; the same object each time."""
    shares = st.session_state.get(_KEY, _SHARES)

    def named() -> tuple[dict[str, str], Dataset]:
        split, problem = preview(source)
        if problem:
            return {}, source
        parts = ("train", "validation", "test")
        return {source.relative(clip): part for part in parts for clip in split.named(part)}, source

    return shelf("parts", 16).get((id(source), shares), named)[0]


def show(source: Dataset) -> None:
    """The preview of the split, then the figures of the data set."""
    notes(source.notes, title="About this data set")
    notes([f"{clip}: {reason}" for clip, reason in source.skipped], title="Clips left out")
    st.subheader("Split", anchor=False)
    _choose_shares()
    split, problem = preview(source)
    if problem:
        text = f"Not enough clips yet: each action needs clips of two groups or more. {plain(problem)}"
        st.info(text, icon=":material/info:")
    notes(split.notes, title="About this split")
    left, right = st.columns(2, gap="medium")
    with left:
        counts = {part: len(split.named(part)) for part in ("train", "validation", "test")}
        said = ", ".join(f"{number} {part}" for part, number in counts.items() if number)
        st.markdown(f"**Clips of each action** :gray[{said}]")
        chart(plots.clips_by_action(split), "clips by action", alt=f"Clips of each action and part: {said}")
    with right:
        _histogram("Lengths", "s", [p.seconds for p in source.properties], digits=1)
    st.subheader("Files and pictures", anchor=False)
    known = known_facts(source)
    counted = [f.people for f in known.values() if f.people is not None]
    figures: list[tuple[str, str, Sequence[float], int]] = [
        ("Frames a second", "frames/s", [p.frames_per_second for p in source.properties], 0),
        ("Height of the picture", "px", [p.height for p in source.properties], 0),
        ("Brightness", "mean grey, 0 to 1", [f.brightness for f in known.values()], 2),
        ("Motion", "mean change, 0 to 1", [f.motion for f in known.values()], 3),
        ("People", "in view", counted, 0),
    ]
    columns = st.columns(2, gap="medium")
    for place, (name, unit, values, digits) in enumerate(entry for entry in figures if len(entry[2])):
        with columns[place % 2]:
            _histogram(name, unit, values, digits=digits)
    _offer_counting(source, len(counted))
    if len(known) < len(source.clips):
        st.caption(f"Brightness and motion of {len(known):,} of {len(source.clips):,} clips are known so far.")


def _offer_counting(source: Dataset, counted: int) -> None:
    """How many people are in each clip is counted on request: what finds them takes its time."""
    key = ("people", source.root)
    job: Job[dict[str, ClipFacts]] | None = jobs().get(key)
    if job is not None and job.running:
        bar(job, "Counting people")
        return
    if job is not None and job.failed:
        with reporting():
            job.result()
    if counted >= len(source.clips) or weights.find_detector("auto") is None:
        return
    if st.button("Count the people in each clip", icon=":material/group:"):
        from har_core.ui.watching import detector_or_none  # brings all that live needs

        if (detector := detector_or_none()) is not None:
            relatives = [source.relative(clip) for clip in source.clips]
            jobs().start(
                key,
                lambda report, cancelled: facts.count_people(
                    source, relatives, detector, progress=report, cancelled=cancelled
                ),
                about=object(),
            )
            st.rerun()
    st.caption("It takes about a second a clip, goes on in the background, and training on people then starts sooner.")


def _choose_shares() -> None:
    """Three widgets whose values outlast the view."""
    kept = st.session_state.get(_KEY, _SHARES)
    for key, value in zip(("split validation", "split test", "split seed"), kept, strict=True):
        st.session_state.setdefault(key, value)
    one, two, three = st.columns(3)
    validation = one.slider("Validation share", 0.05, 0.5, step=0.05, key="split validation")
    test = two.slider("Test share", 0.0, 0.4, step=0.05, key="split test")
    seed = three.number_input("Seed", 0, 2**31 - 1, key="split seed", help="Another seed deals the groups anew.")
    st.session_state[_KEY] = (validation, test, int(seed))
    st.caption("A preview. A run chooses its own shares: Train, The recipe and Everything.")


def _histogram(name: str, unit: str, values: Sequence[float], *, digits: int) -> None:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return
    low, high = (f"{bound:,.{digits}f}" for bound in (min(finite), max(finite)))
    span = low if low == high else f"{low} to {high}"
    st.markdown(f"**{name}** :gray[{span} {unit}{', all of them' if low == high else ''}]")
    if low == high:
        return
    chart(plots.histogram(finite, unit), name, alt=f"{name} of the clips: {span} {unit}")
