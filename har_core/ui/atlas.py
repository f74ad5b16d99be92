"""The Map view: every clip a dot, those alike close together; labels in doubt and outliers beside it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st

from har_core import embeddings, plots
from har_core.atlas import SURE, Atlas
from har_core.dataset import Dataset
from har_core.errors import HarError
from har_core.facts import ClipFacts
from har_core.ui.choose import run_title
from har_core.ui.films import films
from har_core.ui.frame import plain, reporting
from har_core.ui.jobs import Cancelled, Job, Report, jobs
from har_core.ui.loaders import Model, models
from har_core.ui.picking import show_clips
from har_core.ui.reading import bar, known_facts
from har_core.ui.splitting import parts_of
from har_core.ui.suspects import Suspect, show_suspects, suspects

_PLAIN = "Any kind of picture: the backbone that comes with the project"
_RATE = {True: 20.0, False: 4.0}
"""Clips a second that a small machine looks at: through the bundled backbone, through a trained model."""
_START_SECONDS, _LAYOUT_SECONDS = 5.0, 0.006
_STRIP = 8
_COLOURS = {"Action": "action", "Part": "part", "Group": "group", "Doubt": "doubt"}


def show(source: Dataset) -> None:
    """Draw the map of a data set, or what makes it."""
    st.markdown(
        ":gray[Each dot is a clip, and clips that look alike lie close together. Heaps of one colour are easy to "
        "learn; a dot among strangers may bear a wrong label.]"
    )
    model = _choose_eyes()
    job: Job[Atlas] | None = jobs().get(_key(source, model))
    if job is not None and job.running:
        bar(job, "Making the map")
        st.caption("It goes on in the background if you leave this page.")
        return
    with reporting():
        if job is None or job.cancelled or job.failed:
            _offer(source, model, job)
            return
        _draw(source, model, job)


def _key(source: Dataset, model: Model | None) -> tuple[object, ...]:
    return ("map", source.root, model and (model.folder, model.stamp))


def _choose_eyes() -> Model | None:
    """Through which model the clips are seen; None for the backbone."""
    found = {model.name: model for model in models()}
    name = st.selectbox(
        "Seen through", [_PLAIN, *found], format_func=lambda name: name if name == _PLAIN else run_title(name),
        key="map model", width=560,
        help="A model that was trained on these actions tells them apart best. But one that learned from these very "
        "labels has learned their mistakes too, and doubts them less.",
    )  # fmt: skip
    return found.get(name)


def _offer(source: Dataset, model: Model | None, job: Job[Atlas] | None) -> None:
    if job is not None and job.failed:
        with reporting():
            job.result()
    known = embeddings.known(source, source.clips, model=model.folder if model else None)
    missing = int(np.isnan(known[:, 0]).sum())
    seconds = _LAYOUT_SECONDS * len(source.clips) + (_START_SECONDS + missing / _RATE[model is None] if missing else 2)
    if job is not None and job.cancelled:
        st.caption(f"Stopped. {len(source.clips) - missing:,} of {len(source.clips):,} clips are known already.")
    if st.button(f"Make the map ({_about(seconds)})", type="primary", icon=":material/scatter_plot:", key="make map"):
        _start(source, model)
        st.rerun()


def _about(seconds: float) -> str:
    return f"about {max(1, round(seconds / 5)) * 5} s" if seconds < 100 else f"about {round(seconds / 60)} min"


def _start(source: Dataset, model: Model | None) -> Job[Atlas]:
    folder: Path | None = model.folder if model else None

    def work(report: Report, cancelled: Cancelled) -> Atlas:
        from har_core import atlas

        vectors = embeddings.clip_embeddings(source, source.clips, model=folder, progress=report, cancelled=cancelled)
        if cancelled():
            raise HarError("The map was stopped.")
        report(0, 0)
        return atlas.make(source, vectors, cancelled=cancelled)

    return jobs().start(_key(source, model), work, about=source)


def _draw(source: Dataset, model: Model | None, job: Job[Atlas]) -> None:
    found, facts = job.result(), known_facts(source)
    doubtful, odd = suspects(found, source)
    if job.about is not source:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption("The data set has changed since the map was made. The dots bear its labels of now.")
            if st.button("Make it again", type="tertiary", icon=":material/refresh:", key="map again"):
                _start(source, model)
                st.rerun()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _map(source, found, doubtful, facts)
    with right:
        show_suspects(found, source, doubtful, odd, facts)


def _map(source: Dataset, found: Atlas, doubtful: list[Suspect], facts: Mapping[str, ClipFacts]) -> None:
    colour = st.segmented_control(
        "Colours", list(_COLOURS), default="Action", required=True, key="map colours", label_visibility="collapsed"
    )
    clips = {source.relative(clip): clip for clip in source.clips}
    rows = [row for row, clip in enumerate(found.clips) if clip in clips]
    names = [found.clips[row] for row in rows]
    doubts = {suspect.clip: suspect for suspect in doubtful}
    kinds, colours = _kinds(source, names, _COLOURS[colour or "Action"], doubts)
    texts = [
        f"{name}\n{clips[name].action}" + (f", rather {doubts[name].suggested}?" if name in doubts else "")
        for name in names
    ]
    rings = (
        []
        if colour == "Doubt"
        else [at for at, name in enumerate(names) if name in doubts and doubts[name].sure >= SURE]
    )
    figure = plots.clip_map(found.layout.xy[rows], kinds, texts, rings=rings, colours=colours)
    event = st.plotly_chart(
        figure, key=f"map of {source.root.name}", width="stretch", on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={"displaylogo": False, "modeBarButtons": [["lasso2d", "select2d", "zoom2d", "pan2d", "resetScale2d"]]},
        alt=f"A map of {len(names)} clips, coloured by {(colour or 'Action').lower()}",
    )  # fmt: skip
    points = event["selection"]["points"]
    chosen = sorted({_row(point) for point in points} - {None}, key=lambda row: row or 0)
    _chosen(source, [names[row] for row in chosen if row is not None and row < len(names)], facts)
    missing = f" {found.missing} clips cannot be decoded and are not on it." if found.missing else ""
    method = f"Laid out by {found.layout.method}."
    st.caption(f"Distances within a heap mean likeness; those between heaps mean little. {method}{missing}")


def _row(point: Mapping[str, object]) -> int | None:
    """The row of a point that was chosen: what plotly sends is a number, or a list of one."""
    sent = point.get("customdata")
    sent = sent[0] if isinstance(sent, (list, tuple)) and sent else sent
    return int(sent) if isinstance(sent, (int, float)) else None


def _kinds(
    source: Dataset, names: list[str], by: str, doubts: Mapping[str, Suspect]
) -> tuple[list[str], dict[str, str]]:
    """What each dot is coloured by, and colours that are not free to choose."""
    clips = {source.relative(clip): clip for clip in source.clips}
    if by == "part":
        parts = parts_of(source)
        return [parts.get(name, "") for name in names], plots.PARTS
    if by == "doubt":
        sure = [doubts[name].sure if name in doubts else 0.0 for name in names]
        kinds = ["no doubt" if s == 0 else "worth a look" if s < SURE else "probably wrong" for s in sure]
        return kinds, {"no doubt": "#a8a29e", "worth a look": "#f59e0b", "probably wrong": "#dc2626"}
    if by == "group":  # a guessed one bears the path of a clip, which says nothing
        return ["not known" if clips[name].group in clips else clips[name].group for name in names], {
            "not known": "#a8a29e"
        }
    return [clips[name].action for name in names], {}


def _chosen(source: Dataset, chosen: list[str], facts: Mapping[str, ClipFacts]) -> None:
    if not chosen:
        st.caption("Click a dot, or draw around some, to see the clips.")
        return
    clips = {source.relative(clip): clip for clip in source.clips}
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="chosen on the map"):
        many = "1 clip" if len(chosen) == 1 else f"{len(chosen):,} clips"
        st.markdown(f"**{many} chosen**", width="content")
        if st.button(
            f"Show {'it' if len(chosen) == 1 else 'them'} in the gallery",
            icon=":material/grid_view:",
            key="map to gallery",
        ):
            show_clips(f"Map: {many}", chosen)
    films(chosen[:_STRIP], facts, [clips[name].action for name in chosen[:_STRIP]])
    if len(chosen) > _STRIP:
        counted = _counted([clips[name].action for name in chosen])
        st.caption(f"And {len(chosen) - _STRIP:,} more. In all: {plain(counted)}.")


def _counted(actions: list[str]) -> str:
    names, counts = np.unique(actions, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:6]
    return ", ".join(f"{counts[i]} {names[i]}" for i in order.tolist())
