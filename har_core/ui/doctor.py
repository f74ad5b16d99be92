"""The Doctor view: what is wrong with a data set, why it matters, the clips in question, one click that mends it."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from har_core import embeddings, plots
from har_core import facts as clip_facts
from har_core.dataset import Dataset, versions
from har_core.doctor import SEVERITIES, Diagnosis, Finding, Fix, Honesty, examine
from har_core.doctor.findings import counting
from har_core.errors import HarError
from har_core.facts import ClipFacts
from har_core.ui.films import films
from har_core.ui.frame import chart, plain, reporting
from har_core.ui.jobs import Cancelled, Job, Report, jobs
from har_core.ui.picking import show_clips
from har_core.ui.reading import bar, known_facts, looking
from har_core.ui.shelf import shelf

_ICONS = {
    "problem": ("red", ":material/error:"),
    "warning": ("orange", ":material/warning:"),
    "hint": ("blue", ":material/lightbulb:"),
}
_TOLD, _REFUSED = "doctor told", "doctor refused"
_THUMBNAILS = 6
_CLIPS_PER_SECOND = 12
"""That a deeper look manages on a small machine: for the sentence that says how long it takes."""


def show(source: Dataset) -> None:
    """Draw the report on a data set: a summary, and a card for each finding."""
    _tell()
    facts = known_facts(source)
    settled = not looking(source).running
    with reporting():
        deep = _deep(source, settled=settled)
        diagnosis = deep or _diagnosis(source, facts, settled=settled)
        _summary(diagnosis)
        if not settled:
            st.caption(
                f"{diagnosis.known:,} of {diagnosis.clips:,} clips have been looked at so far: there may be more to "
                "say when all have been."
            )
        if not diagnosis.findings:
            _well(diagnosis, deep=deep is not None)
        for finding in diagnosis.findings:
            _card(source, finding, facts, diagnosis.honesty)
        if deep is None and settled:
            _deeper(source)
        if diagnosis.honesty and not diagnosis.honesty.leaks:
            _no_leak(diagnosis.honesty)


def _diagnosis(source: Dataset, facts: Mapping[str, ClipFacts], *, settled: bool) -> Diagnosis:
    """Made anew when there is more to go by; while clips are being looked at, only when twice as many are known."""
    key = (id(source), settled, len(facts) if settled else len(facts).bit_length())

    def make() -> tuple[Diagnosis, Dataset]:
        with st.spinner("Examining the clips"):
            return examine(source, facts), source

    with st.container():  # a place for what is drawn meanwhile, or all below would be built anew
        return shelf("diagnoses", 8).get(key, make)[0]


def _summary(diagnosis: Diagnosis) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="doctor summary"):
        for severity in SEVERITIES:
            if number := len(diagnosis.of(severity)):
                colour, icon = _ICONS[severity]
                st.badge(counting(number, severity), color=colour, icon=icon)  # type: ignore[arg-type]  # known to it
    if refused := st.session_state.pop(_REFUSED, ""):
        st.error(plain(refused), icon=":material/error:")


def _well(diagnosis: Diagnosis, *, deep: bool) -> None:
    if diagnosis.known < diagnosis.clips:
        return
    more = "" if deep else " A deeper look can still tell what a split by chance would promise."
    st.success(
        "Nothing found: files, lengths, light, copies, groups and balance of the "
        f"{counting(diagnosis.clips, 'clip')} are as they should be.{more}",
        icon=":material/verified:",
    )


def _card(source: Dataset, finding: Finding, facts: Mapping[str, ClipFacts], seen: Honesty | None) -> None:
    colour, icon = _ICONS[finding.severity]
    with st.container(border=True, key=f"finding {finding.kind}"):
        st.markdown(f":{colour}[{icon}] **{plain(finding.title)}**")
        st.markdown(plain(finding.why))
        if finding.kind == "leak" and seen:
            _promises(seen)
        elif finding.figures:
            st.markdown(_figures(finding.figures))
        if finding.kind != "groups":
            _films(finding.clips, facts)
        if len(finding.sets) > 1:
            _sets(finding, facts)
        with st.container(horizontal=True, vertical_alignment="center"):
            if finding.fix:
                loud = finding.severity == "problem" or finding.kind == "groups"
                st.button(
                    finding.fix.label, key=f"fix {finding.kind}", type="primary" if loud else "secondary",
                    icon=":material/healing:", on_click=_apply, args=(source, finding.fix),
                    help="One edit of the data set, which can be undone. No file is touched.",
                )  # fmt: skip
            if finding.clips:
                label = "Show this clip" if len(finding.clips) == 1 else f"Show these {len(finding.clips):,} clips"
                if st.button(label, key=f"show {finding.kind}", icon=":material/grid_view:", type="tertiary"):
                    show_clips(f"Doctor: {finding.title}", finding.clips)


def _figures(figures: Sequence[tuple[str, str]]) -> str:
    """Names and values: in one line where they are short, else one below the other."""
    said = [f":gray[{plain(name)}] {plain(value)}" for name, value in figures]
    short = all(len(name) + len(value) < 36 for name, value in figures)
    return (" &nbsp;·&nbsp; " if short else "  \n").join(said)


def _sets(finding: Finding, facts: Mapping[str, ClipFacts]) -> None:
    """The sets of a finding, each with a few pictures; drawn when somebody opens them."""
    what = "groups" if finding.kind == "groups" else "sets"
    box = st.expander(f"See the {len(finding.sets)} {what}", icon=":material/workspaces:", on_change="rerun",
                      key=f"sets {finding.kind}")  # fmt: skip
    if not box.open:
        return
    with box:
        for name, clips in finding.sets[:60]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{plain(name)}** :gray[{counting(len(clips), 'clip')}]", width="content")
                if st.button("Show", key=f"show {finding.kind} {name}", type="tertiary", icon=":material/grid_view:"):
                    show_clips(f"Doctor: {name}", clips)
            _films(clips, facts)
        if len(finding.sets) > 60:
            st.caption(f"And {len(finding.sets) - 60} more.")


def _films(clips: Sequence[str], facts: Mapping[str, ClipFacts]) -> None:
    """A few clips, spread evenly over all of them."""
    pictured = [clip for clip in clips if clip in facts]
    if pictured:
        chosen = np.unique(np.linspace(0, len(pictured) - 1, _THUMBNAILS).astype(int))
        films([pictured[i] for i in chosen], facts, more=len(clips) - len(chosen))


def _apply(source: Dataset, fix: Fix) -> None:
    """Runs as a callback, so that a refusal is not tried again with each run of the page."""
    try:
        versions.change(source.root, fix.what, fix.edits, source=source)
        st.session_state[_TOLD] = f"{fix.what}. Undo takes it back."
    except HarError as error:
        st.session_state[_REFUSED] = str(error)


def _tell() -> None:
    if told := st.session_state.pop(_TOLD, ""):
        st.toast(plain(told), icon=":material/healing:")


def _deep(source: Dataset, *, settled: bool) -> Diagnosis | None:
    """What a deeper look told of the data set as it is now; None where nobody has asked for one, or until it is done.

    Where somebody has, before an edit or another day, it is made anew by itself: what takes long is kept.
    """
    job: Job[Diagnosis] | None = jobs().get(("deeper", source.root))
    mine = job is not None and job.about is source
    if job is not None and mine and not (job.running or job.failed or job.cancelled):
        return job.result()
    if settled and not mine and (job is None or not job.running) and _known_deeply(source):
        _start(source)
    return None


def _known_deeply(source: Dataset) -> bool:
    """Whether there is a vector for nearly every clip: a few may not be decodable."""

    def share() -> tuple[float, Dataset]:
        vectors = embeddings.known(source, source.clips)
        return float(np.isfinite(vectors.sum(axis=1)).mean()), source

    return shelf("known deeply", 8).get((id(source), embeddings.stamp(source)), share)[0] > 0.95


def _start(source: Dataset) -> None:
    def look(report: Report, cancelled: Cancelled) -> Diagnosis:
        """Runs in the job's thread; Streamlit is not touched."""
        vectors = embeddings.clip_embeddings(source, source.clips, progress=report, cancelled=cancelled)
        return examine(source, clip_facts.known(source), vectors, cancelled=cancelled)

    jobs().start(("deeper", source.root), look, about=source)


def _deeper(source: Dataset) -> None:
    """The button that starts a deeper look, or how far it is."""
    job = jobs().get(("deeper", source.root))
    with st.container(border=True, key="deeper"):
        st.markdown(
            ":material/troubleshoot: **A deeper look** tells what a split by chance would promise, and proposes groups "
            "where they are missing. A network looks at each clip once; what it found is kept."
        )
        if job is not None and job.running:
            bar(job, "Looking deeper")
            return
        if job is not None and job.failed:
            with reporting():
                job.result()
        if st.button(f"Look deeper ({_takes(source)})", key="look deeper", icon=":material/troubleshoot:"):
            _start(source)
            st.rerun()


def _takes(source: Dataset) -> str:
    seconds = 5 + len(source.clips) / _CLIPS_PER_SECOND
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"


def _promises(seen: Honesty) -> None:
    rows = {
        "split by chance": (seen.random, *seen.random_interval),
        "groups kept whole": (seen.grouped, *seen.grouped_interval),
    }
    said = ", ".join(f"{name} {value:.0%} ({low:.0%} to {high:.0%})" for name, (value, low, high) in rows.items())
    chart(plots.promises(rows), "promises", alt=f"What a quick classifier scores: {said}")


def _no_leak(seen: Honesty) -> None:
    with st.expander("What a split by chance would promise", icon=":material/balance:"):
        groups = "the groups proposed above" if seen.proposed else f"its {seen.groups} groups"
        st.markdown(
            f"No more than the honest split, as far as can be told: a quick classifier scores {seen.random:.0%} when "
            f"clips are dealt by chance and {seen.grouped:.0%} when {groups} are kept whole."
        )
        _promises(seen)
