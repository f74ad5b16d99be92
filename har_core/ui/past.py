"""The Versions view: what was edited and when, what differs, going back, renaming actions, and what was taken out."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
import streamlit as st

from har_core import runs, workspace
from har_core.dataset import Dataset, versions
from har_core.dataset.versions import Changes, Difference, Version
from har_core.errors import RunError
from har_core.ui.choose import run_title
from har_core.ui.frame import go_to, plain, reporting
from har_core.ui.picking import show_clips
from har_core.ui.shelf import shelf
from har_core.values import Clip

_ROUND, _TOLD = "versions round", "versions told"
_MOST_SHOWN = 1000
_ROW_PIXELS, _MOST_PIXELS = 35, 420


@dataclass(frozen=True, slots=True)
class _Step:
    """A version in the list, and what it says otherwise than the one before it."""

    version: Version
    changed: tuple[Difference, ...]


def show(source: Dataset) -> None:
    """The history of the data set's edits, and all that can be done with it."""
    if told := st.session_state.pop(_TOLD, ""):
        st.toast(plain(told), icon=":material/check:")
    left, right = st.columns([3, 2], gap="large")
    with left:
        steps = _steps(source)
        if len(steps) == 1:
            _nothing_yet()
        else:
            _history(source, steps)
        _download(source)
    with right:
        _rename(source)
        unclear = [clip for clip in source.clips if source.relative(clip) in source.ambiguous]
        _taken_out(source, source.excluded, "excluded", "Out of the data set; the files are where they were.")
        _taken_out(source, unclear, "ambiguous", "In sight, but nothing is trained or judged on them.")


def _download(source: Dataset) -> None:
    st.download_button(
        "Download as clips.csv", lambda: versions.as_csv(source).encode(), "clips.csv", "text/csv",
        icon=":material/download:", on_click="ignore", key="as clips.csv",
        help="Labels, groups and parts as they are now. In the data set's folder it says the same to whoever gets it.",
    )  # fmt: skip


def _nothing_yet() -> None:
    with st.container(border=True):
        st.markdown(
            ":material/history: **Nothing was edited yet.** Select clips in the gallery to relabel or regroup them, to "
            "choose their part, or to leave them out. Each edit becomes a version here that you can go back to. Your "
            "files stay as they are."
        )
        if st.button("Go to the clips", type="primary", key="to the gallery"):
            go_to(dataset_view="Clips")


def _steps(source: Dataset) -> list[_Step]:
    """The versions, newest first, down to the folder as it is; read once as long as none is added."""

    def read() -> list[_Step]:
        kept = [Version(), *versions.versions(source.root)]
        later = [_Step(new, tuple(versions.compare(old, new))) for old, new in pairwise(kept)]
        return [*reversed(later), _Step(Version(), ())]

    return shelf("histories", 8).get((source.root, versions.stamp(source.root)), read)


def _used(source: Dataset) -> dict[int, list[str]]:
    """The runs that were trained on each version of this data set."""
    home, used = source.root.resolve(), dict[int, list[str]]()
    for run in runs.all_runs(workspace() / "runs"):
        with suppress(RunError, OSError, RuntimeError):  # a damaged one, or links in a circle, cost its mention only
            config = run.config()
            if config.version is not None and Path(config.dataset).resolve() == home:
                used.setdefault(config.version, []).append(run_title(run.name))
    return used


def _history(source: Dataset, steps: Sequence[_Step]) -> None:
    used = _used(source)
    rows = [
        {
            "version": step.version.number,
            "what": step.version.what,
            "clips": str(len({d.clip for d in step.changed} - {""}) or ""),
            "when": time.strftime("%Y-%m-%d %H:%M", time.localtime(step.version.at)) if step.version.number else "",
            "runs": used.get(step.version.number, []),
        }
        for step in steps
    ]
    st.subheader("History", anchor=False)
    turn = st.session_state.setdefault(_ROUND, 0)
    event = st.dataframe(
        pd.DataFrame(rows), key=f"history {source.root} {turn}", hide_index=True, on_select="rerun",
        selection_mode="multi-row", height=min(_MOST_PIXELS, _ROW_PIXELS * (len(rows) + 1) + 3),
        column_config={
            "version": st.column_config.NumberColumn("Version", width=70),
            "what": st.column_config.TextColumn("What"),
            "clips": st.column_config.TextColumn("Clips", width=60, alignment="right", help="So many were touched."),
            "when": st.column_config.TextColumn("When", width=130),
            "runs": st.column_config.ListColumn("Runs", width=90, help="Runs that were trained on it."),
        },
        alt="The versions of the data set, newest first",
    )  # fmt: skip
    chosen = [steps[row] for row in event["selection"]["rows"] if row < len(steps)]
    if len(chosen) > 2:
        st.info("Choose one version to see what it changed, or two to compare them.", icon=":material/info:")
        return
    _compared(source, steps, chosen)


def _compared(source: Dataset, steps: Sequence[_Step], chosen: Sequence[_Step]) -> None:
    """What the chosen version changed, or how the two chosen differ; the newest where none is chosen."""
    newest = steps[0].version
    if len(chosen) == 2:
        new, old = sorted((step.version for step in chosen), key=lambda version: -version.number)
        found, heading = versions.compare(old, new), f"From version {old.number} to version {new.number}"
    else:
        step = chosen[0] if chosen else steps[0]
        new, found = step.version, list(step.changed)
        heading = f"What version {new.number} changed" if new.number else "The folder as it is"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{heading}**", width="content")
        if len(chosen) == 1 and not new.same(newest):
            st.button(
                f"Go back to version {new.number}" if new.number else "Go back to the folder as it is",
                icon=":material/settings_backup_restore:", key="restore", on_click=_restore,
                args=(source, new.number), help="That is a new version too: nothing is lost.",
            )  # fmt: skip
        elif not chosen:
            st.caption("Choose a version to go back to it, or two to compare them.", width="content")
    if new.number == 0 and len(chosen) < 2:
        st.caption("Labels, groups and parts as the folders, lists and file names give them.")
    elif not found:
        st.caption("Both say the same of every clip.")
    else:
        _differences(source, found)


def _differences(source: Dataset, found: Sequence[Difference]) -> None:
    rows = [(d.clip or f"every clip of {d.before}", d.what, d.before, d.after) for d in found[:_MOST_SHOWN]]
    table = pd.DataFrame(rows, columns=["Clip", "What", "Before", "After"])
    height = min(_MOST_PIXELS, _ROW_PIXELS * (len(rows) + 1) + 3)
    st.dataframe(table, hide_index=True, height=height, key="differences", alt="What differs, clip by clip")
    if len(found) > _MOST_SHOWN:
        st.caption(f"The first {_MOST_SHOWN:,} of {len(found):,} differences.")
    there = {source.relative(clip) for clip in (*source.clips, *source.excluded)}
    if clips := tuple(dict.fromkeys(d.clip for d in found if d.clip in there)):
        _gallery_button("Show these clips", "Clips that were edited", clips)


def _gallery_button(label: str, title: str, clips: Sequence[str]) -> None:
    if st.button(label, icon=":material/grid_view:", key=f"gallery {title}"):
        show_clips(title, clips)


def _restore(source: Dataset, number: int) -> None:
    """Runs as a callback, before the page reads the data set."""
    st.session_state[_ROUND] += 1
    with reporting():
        made = versions.restore(source.root, number)
        st.session_state[_TOLD] = f"{made.what}. It is version {made.number} now."


def _rename(source: Dataset) -> None:
    st.subheader("Rename an action", anchor=False)
    actions = sorted({*source.actions, *(clip.action for clip in source.excluded)})
    with st.form("rename action", border=False, clear_on_submit=True):
        one, two = st.columns(2)
        old = one.selectbox("Action", actions, None, key="rename old", placeholder="Choose one")
        new = two.text_input("New name", key="rename new", max_chars=80, placeholder="Another, to merge")
        sent = st.form_submit_button("Rename", icon=":material/edit:")
    st.caption("Under the name of another action, both become one. Folders keep their names.")
    if not sent:
        return
    if not old or not new.strip():
        st.error("Choose an action and type its new name.", icon=":material/error:")
        return
    with reporting():
        merges = " ".join(new.split()) in actions
        made = versions.rename_action(source.root, old, new)
        st.session_state[_TOLD] = f"{made.what}{': both are one action now' if merges else ''}."
        st.rerun()


def _taken_out(source: Dataset, clips: Sequence[Clip], kind: str, text: str) -> None:
    """The clips that are excluded or ambiguous, to be taken back."""
    if not clips:
        return
    st.subheader(f"{kind.capitalize()} clips ({len(clips):,})", anchor=False)
    st.caption(text)
    names = [source.relative(clip) for clip in clips]
    turn = st.session_state.setdefault(_ROUND, 0)
    event = st.dataframe(
        pd.DataFrame({"Clip": names, "Action": [clip.action for clip in clips]}), key=f"{kind} {source.root} {turn}",
        hide_index=True, on_select="rerun", selection_mode="multi-row",
        height=min(_MOST_PIXELS // 2, _ROW_PIXELS * (len(names) + 1) + 3), alt=f"The {kind} clips",
    )  # fmt: skip
    chosen = [names[row] for row in event["selection"]["rows"] if row < len(names)]
    with st.container(horizontal=True, vertical_alignment="center"):
        many = f"Take back {len(chosen):,}" if chosen else "Take back all"
        st.button(many, icon=":material/undo:", key=f"take back {kind}", on_click=_take_back,
                  args=(source, chosen or names, kind))  # fmt: skip
        _gallery_button("Show in the gallery", f"{kind.capitalize()} clips", names)


def _take_back(source: Dataset, names: Sequence[str], kind: str) -> None:
    st.session_state[_ROUND] += 1
    number = "1 clip" if len(names) == 1 else f"{len(names):,} clips"
    what = f"Took back {number} that {'was' if len(names) == 1 else 'were'} {kind}"
    changed = Changes(excluded=False) if kind == "excluded" else Changes(ambiguous=False)
    with reporting():
        versions.change(source.root, what, dict.fromkeys(names, changed), source=source)
        st.session_state[_TOLD] = f"{what}."
