"""Starting a run: one sentence on what will be done, how long it will take, what stands in the way, and the button."""

import json
from pathlib import Path

import streamlit as st

from har_core import checks, machine, runs, speed, weights, workspace
from har_core import forecast as forecasts
from har_core.checks import Obstacle
from har_core.config import ClipSpec, TrainConfig
from har_core.dataset import Dataset
from har_core.errors import ConfigError, VideoError
from har_core.forecast import Forecast, Length, Speed, Work
from har_core.sampling import grid, propose
from har_core.store import frames_folder, stored_name, stored_side
from har_core.ui import recipe
from har_core.ui.choose import notes
from har_core.ui.frame import go_to, plain, reporting
from har_core.ui.jobs import Job, jobs
from har_core.ui.settings import everything, few_knobs, where_from
from har_core.ui.shelf import shelf
from har_core.values import Clip, Split

_DEPTHS = {"go": "Just start", "few": "The recipe", "all": "Everything"}
_LOOKED_UP = 60
"""Clips of which it is looked up whether they are decoded already: the share is enough."""
_MOST_OBSTACLES = 6


def new_run(source: Dataset) -> None:
    """The whole view: the card to start from, and below it as many settings as one wants to see."""
    with st.container(border=True):
        _card(source)
    depth = st.segmented_control(
        "Settings", list(_DEPTHS), format_func=_DEPTHS.__getitem__, key="depth", default="go", required=True,
        label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    if depth == "few":
        few_knobs()
    elif depth == "all":
        everything(source)
    if depth != "go" or recipe.differences() or recipe.note():
        where_from()


def begin(config: TrainConfig, source: Dataset, *, note: str) -> None:
    """Start a run with this config, or, where something stands in the way, show it in the New run view."""
    parts, found = checked(source, config)
    if parts is None or any(obstacle.serious for obstacle in found):
        recipe.offer(config, note)
    run = runs.start(config, workspace() / "runs", name=source.root.name)
    go_to(run=run.name, train_view="Runs")


def checked(source: Dataset, config: TrainConfig) -> tuple[Split | None, list[Obstacle]]:
    """The split of a run, and what stands in its way; found once for the same clips and settings."""
    there = weights.find_detector("auto") is not None
    key = ("checked", source.root, source.version, hash(source.clips), json.dumps(config.to_json()), there)
    return shelf("checks").get(key, lambda: checks.parts_and_obstacles(source, config, has_detector=there))


def _card(source: Dataset) -> None:
    try:
        config = recipe.config_for(source)
    except ConfigError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.button("Back to the defaults", on_click=recipe.reset, key="defaults after trouble")
        return
    parts, found = checked(source, config)
    if parts is not None:
        st.markdown(f"##### {_what(source, parts)}")
        st.markdown(_how(config))
        work = _work(source, parts, config)
        found = found + _plan(work, config)
    _obstacles(found)
    serious = parts is None or any(obstacle.serious for obstacle in found)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        start = st.button("Start training", type="primary", icon=":material/play_arrow:", disabled=serious, width=220)
        name = st.text_input("Name of the run", value=source.root.name, key=f"name {source.root.name}", max_chars=40,
                             width=260)  # fmt: skip
    if parts is not None:
        notes(parts.notes, title="About this split")
    if start:
        with reporting():
            run = runs.start(config, workspace() / "runs", name=name)
            go_to(run=run.name, train_view="Runs")


def _what(source: Dataset, parts: Split) -> str:
    actions, train, check = len(source.clear().actions), len(parts.train), len(parts.validation)
    others = {clip.group for clip in parts.validation}
    test = f"; {len(parts.test)} are kept apart for a test" if parts.test else ""
    groups = f"{len(others)} other {'group' if len(others) == 1 else 'groups'}"
    return f"Learn {actions} actions from {train:,} clips, judged by {check:,} clips of {groups}{test}"


def _how(config: TrainConfig) -> str:
    looked = {"frame": "the whole picture", "person": "the person whom a clip is about",
              "both": "the whole picture and the person"}[config.view]  # fmt: skip
    said = f"ResNet18 and an LSTM look at {looked}, for up to {config.epochs} epochs"
    if config.freeze_backbone or config.network.weights == "none":
        return f"{said}."
    held = min(config.epochs, config.freeze_epochs)
    return f"{said}; in the first {held} the part that looks at single pictures is held."


def _plan(work: Work, config: TrainConfig) -> list[Obstacle]:
    """Say how long it will take; gives what the disk says."""
    known = speed.known()
    if known is None:
        key = "speed", workspace(), speed.computer()
        job = jobs().start(key, lambda _, cancelled: speed.measure_apart(cancelled))
        st.fragment(_measuring, run_every=1.0 if job.running else None)(job)
        known = Speed()
    else:
        st.markdown(_in_words(forecasts.forecast(work, config, known)))
    expected = forecasts.forecast(work, config, known)
    return checks.room(needed=expected.disk, free=machine.free_disk(workspace()), config=config)


def _measuring(job: Job[Speed]) -> None:
    if job.running:
        st.markdown(":material/speed: Measuring how fast this computer is, for a forecast. You need not wait for it.")
    elif job.failed:
        with reporting():
            job.result()
    else:
        st.rerun()


def _in_words(expected: Forecast) -> str:
    return (f":material/timer: Takes **{forecasts.in_words(expected.least, expected.most)}** on this computer and "
            f"{expected.disk / 2**30:.1f} GB of its disk.")  # fmt: skip


def _obstacles(found: list[Obstacle]) -> None:
    """Each with its sentence and, where there is one, its remedy."""
    for obstacle in sorted(found, key=lambda each: not each.serious)[:_MOST_OBSTACLES]:
        icon, colour = (":material/error:", "red") if obstacle.serious else (":material/warning:", "orange")
        # By its words and not by its place: one that takes the place of another must not take its click.
        key = f"remedy {obstacle.remedy} {obstacle.sentence}"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":{colour}[{icon}] {plain(obstacle.sentence)}", width="stretch")
            if obstacle.change:
                st.button(obstacle.remedy, key=key, on_click=recipe.merge, args=(obstacle.change,))
            elif obstacle.view and st.button(obstacle.remedy, key=key):
                go_to("dataset", dataset_view=obstacle.view)


def _work(source: Dataset, parts: Split, config: TrainConfig) -> Work:
    """What a run has to do; counted once for the same clips and settings, and again when a run has decoded them."""
    key = ("work", source.root, source.version, hash(source.clips), json.dumps(config.to_json()), _decoded_at())
    return shelf("works").get(key, lambda: _counted(source, parts, config))


def _decoded_at() -> int:
    try:
        return frames_folder().stat().st_mtime_ns
    except OSError:
        return 0


def _counted(source: Dataset, parts: Split, config: TrainConfig) -> Work:
    lengths = {
        clip.path: Length(p.seconds, p.frames_per_second, p.width * p.height)
        for clip, p in zip(source.clips, source.properties, strict=True)
    }
    train, check = ([lengths[clip.path] for clip in part] for part in (parts.train, parts.validation))
    spec = config.clip or propose([length.seconds for length in train], size=config.size)
    stored = _stored(parts.train, lengths, spec, config)
    return forecasts.count_work(train, check, spec, config, stored=stored, followed=stored)


def _stored(clips: tuple[Clip, ...], lengths: dict[Path, Length], spec: ClipSpec, config: TrainConfig) -> float:
    """The share of these clips whose frames, or whose people's, an earlier run has left decoded."""
    kept: tuple[int | str, ...] = (stored_side(spec.size),)
    if config.view != "frame":
        detector = weights.find_detector(config.detector)
        if detector is None:
            return 0.0
        kept = (*kept, "person", weights.detector_identity(detector))
    asked = clips[:: max(1, len(clips) // _LOOKED_UP)]
    there = 0
    for clip in asked:
        try:
            at = grid(lengths[clip.path].seconds, spec)
            there += (frames_folder() / stored_name(clip.path, at, kept)).exists()
        except VideoError:  # it has gone; the run will say so
            continue
    return there / max(1, len(asked))
