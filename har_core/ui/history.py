"""What this viewer had analysed before: cards to open, a table, and ways to delete and to take that back."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from har_core import analyses, discarded, exports, workspace
from har_core.analyses import Request, State, Summary, Task
from har_core.errors import HarError
from har_core.lanes import Analysis
from har_core.ui.answers import read, spoken_length, verdict
from har_core.ui.asking import BEGUN, OPEN
from har_core.ui.choose import run_title
from har_core.ui.frame import reporting
from har_core.ui.grid import Card, grid
from har_core.ui.player import NO_ACTION
from har_core.ui.underway import ACTIVE, told_failed

_PAGE = 12
_PICTURES, _TABLE = "Pictures", "Table"
_STAMP, _PICKED, _SHOWN, _AT = "history stamp", "history picked", "history shown", "history page"
_COLUMNS = 5
"""Actions of a row of the table."""


def history(viewer: str, tasks: Sequence[Task], opened: Task | None) -> None:
    """Draw what can be opened.

    Args:
        viewer: whose it is.
        tasks: all of theirs, newest first.
        opened: the one whose answer stands above.
    """
    stand = zip(tasks, analyses.states(tasks), strict=True)
    over = [(task, state) for task, state in stand if state.stage not in ACTIVE or task.answer.exists()]
    if over:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Your videos", anchor=False, width="content")
            way = st.segmented_control("Show as", [_PICTURES, _TABLE], default=_PICTURES, required=True,
                                       key="history way", label_visibility="collapsed")  # fmt: skip
        picked = _table(over) if way == _TABLE else _cards(over, opened)
        _deeds(viewer, [task for task, _ in over], picked)
    _trash(viewer)
    if over:
        size = analyses.used(workspace(), viewer)
        videos = "1 video" if len(over) == 1 else f"{len(over)} videos"
        st.caption(f"{videos}, {_bytes(size)} on this computer. They are kept until you delete them; other browsers do "
                   "not see them.")  # fmt: skip


def _bytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def _cards(over: Sequence[tuple[Task, State]], opened: Task | None) -> list[Task]:
    """One page of them; gives those that are selected."""
    pages = -(-len(over) // _PAGE)
    if not 1 <= st.session_state.get(_AT, 1) <= pages:
        st.session_state[_AT] = pages
    first = (st.session_state.get(_AT, 1) - 1) * _PAGE if pages > 1 else 0
    if opened is not None and st.session_state.get(_SHOWN) != opened.name and opened in [task for task, _ in over]:
        # Another one is open than when the cards were last drawn, and nobody has clicked on it.
        st.session_state[_SHOWN], st.session_state[_PICKED] = opened.name, [opened.name]
        st.session_state[_STAMP] = st.session_state.get(_STAMP, 0) + 1
    held = [name for name in st.session_state.get(_PICKED) or [] if any(task.name == name for task, _ in over)]
    shown = [_card(task, state) for task, state in over[first : first + _PAGE]]
    picked = grid(shown, key="history grid", selected=held, stamp=st.session_state.get(_STAMP, 0))
    if picked is not None and list(picked.clips) != held:
        st.session_state[_PICKED] = list(picked.clips)
        last = next((task for task, _ in over if task.name == picked.last), None)
        # Of one that failed in this visit the sentence stands above: the answer that is open stays.
        if last is not None and last != opened and not told_failed(last):
            st.session_state[OPEN] = st.session_state[_SHOWN] = last.name
        st.rerun()
    if pages > 1:
        st.pagination(pages, key=_AT)
    by_name = {task.name: task for task, _ in over}
    return [by_name[name] for name in held if name in by_name]


def _card(task: Task, state: State) -> Card:
    request = _request(task)
    at = time.localtime(request.at)
    when = time.strftime("%H:%M" if at[:3] == time.localtime()[:3] else "%d %b", at)
    name, summary = f"{when} · {request.name}", task.summary()
    if summary is None:
        word = {"stopped": "cancelled"}.get(state.stage, state.stage)
        return Card(task.name, word, name, why="no answer", dim=True)
    people = f"{summary.people} people" if summary.people > 1 else ""
    words = verdict(summary.top, unsure=summary.unsure, seen=() if summary.damage else summary.seen)
    return Card(
        task.name, words, name, time=spoken_length(summary.seconds),
        part=run_title(request.title).split(" · ")[0], colour=NO_ACTION,
        flags=tuple(filter(None, ("damaged" if summary.damage else "", people))),
        strip=_bytes_of(task.folder / "strip.jpg"), aspect=summary.aspect, why="no picture",
    )  # fmt: skip


def _request(task: Task) -> Request:
    """What was asked for; of a damaged folder, its name."""
    try:
        return task.request()
    except HarError:
        return Request(task.name, "", "")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _table(over: Sequence[tuple[Task, State]]) -> list[Task]:
    """All answers as one table; gives those that are selected."""
    found = [(task, summary) for task, _ in over if (summary := task.summary()) is not None]
    table = pd.DataFrame([_row(task, summary) for task, summary in found])
    event = st.dataframe(
        table, key="history table", hide_index=True, on_select="rerun", selection_mode="multi-row", width="stretch",
        height=min(420, 38 + 35 * max(1, len(table))),
        column_config={
            "seconds": st.column_config.NumberColumn("length", format="%.1f s"),
            **{f"p{n}": st.column_config.NumberColumn("p", format="percent") for n in range(1, _COLUMNS + 1)},
            "unsure": st.column_config.CheckboxColumn(),
        },
    )  # fmt: skip
    if rest := len(over) - len(found):
        st.caption(f"{rest} without an answer {'is' if rest == 1 else 'are'} not in it: see Pictures.")
    rows = [n for n in event["selection"]["rows"] if n < len(found)]
    if len(rows) == 1 and st.session_state.get(OPEN) != found[rows[0]][0].name:
        st.session_state[OPEN] = found[rows[0]][0].name
        st.rerun()
    return [found[n][0] for n in rows]


def _row(task: Task, summary: Summary) -> dict[str, object]:
    request = _request(task)
    row: dict[str, object] = {"video": request.name, "seconds": summary.seconds}
    for n, (action, p) in enumerate(summary.top[:_COLUMNS], 1):
        row[f"action {n}" if n > 1 else "action"], row[f"p{n}"] = action, p
        if n == 1:
            row |= {"unsure": summary.unsure, "seen": ", ".join(summary.seen), "people": summary.people}
    return row | {
        "damage": summary.damage, "model": request.title,
        "when": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(request.at)),
    }  # fmt: skip


def _deeds(viewer: str, over: Sequence[Task], picked: Sequence[Task]) -> None:
    """What can be done with those that are selected, or with all."""
    some = list(picked) or list(over)
    answered = [task for task in some if task.answer.exists()]
    which = f"{len(some)} selected" if picked else "all"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="history deeds"):
        if answered:
            st.download_button(
                f"Answers as CSV ({which})", lambda: _answers_csv(answered), "answers.csv", "text/csv",
                key="answers csv", on_click="ignore", icon=":material/download:",
                help="One row for each video: its most probable actions.",
            )  # fmt: skip
            st.download_button(
                f"Segments as CSV ({which})", lambda: exports.to_csv(_readable(answered)), "segments.csv", "text/csv",
                key="segments csv", on_click="ignore", icon=":material/download:",
                help="One row for each segment of each timeline.",
            )  # fmt: skip
            st.download_button(
                f"JSON ({which})", lambda: exports.to_json(_readable(answered)), "analyses.json", "application/json",
                key="answers json", on_click="ignore", icon=":material/download:",
            )  # fmt: skip
        if picked and st.button(f"Delete {len(picked)}" if len(picked) > 1 else "Delete", icon=":material/delete:",
                                key="delete picked"):  # fmt: skip
            _delete(picked)
        if st.button("Delete all", icon=":material/delete_sweep:", key="delete all"):
            _delete(analyses.listed(workspace(), viewer))


def _readable(tasks: Sequence[Task]) -> Iterator[Analysis]:
    """Their answers; a damaged one, which says so where it is opened, does not keep the others back."""
    for task in tasks:
        with contextlib.suppress(HarError, OSError):
            yield read(task)


def _answers_csv(tasks: Sequence[Task]) -> str:
    rows = [_row(task, summary) for task in tasks if (summary := task.summary()) is not None]
    return str(pd.DataFrame(rows).map(exports.harmless).to_csv(index=False))


def _delete(tasks: Sequence[Task]) -> None:
    with reporting():
        for task in tasks:
            discarded.delete(task)
    for key in (OPEN, _PICKED, _SHOWN):
        st.session_state.pop(key, None)
    st.rerun()


def _trash(viewer: str) -> None:
    """What was deleted within the hour, and the way back."""
    gone = discarded.deleted(workspace(), viewer)
    if not gone:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="history trash"):
        number = "1 video is" if len(gone) == 1 else f"{len(gone)} videos are"
        st.markdown(f":material/delete: {number} deleted, and gone for good within the hour.", width="content")
        if st.button("Undo", icon=":material/undo:", key="undo delete"):
            with reporting():
                back = [discarded.restore(workspace(), viewer, name) for name in gone]
                st.session_state[OPEN] = back[0].name
                st.session_state.pop(_SHOWN, None)
                st.rerun()
        if st.button("Remove now", icon=":material/delete_forever:", key="empty trash", type="tertiary"):
            discarded.empty_trash(workspace(), viewer)
            st.rerun()


def chosen(tasks: Sequence[Task]) -> Task | None:
    """The analysis whose answer is to be shown; None while those that were just begun have none.

    The one that was opened last; else the first answer of those that were just begun; else the newest answer.
    """
    wanted = st.session_state.get(OPEN) or st.query_params.get("video")
    by_name = {task.name: task for task in tasks}
    found = by_name.get(str(wanted)) if wanted else None
    if found is None or told_failed(found):
        begun = [by_name[name] for name in st.session_state.get(BEGUN, []) if name in by_name]
        found = next((task for task in begun if task.answer.exists()), None)
        if found is None and not any(state.stage in ACTIVE for state in analyses.states(begun)):
            cancelled = next((task for task in begun if not told_failed(task)), None)
            found = cancelled or next((task for task in tasks if task.answer.exists()), None)
    if found is not None:
        st.session_state[OPEN] = found.name
        if st.query_params.get("video") != found.name:
            st.query_params["video"] = found.name
    elif "video" in st.query_params:
        del st.query_params["video"]
    return found


def pace(tasks: Sequence[Task]) -> dict[bool, float]:
    """Seconds of work for each second of video, by the median of what was analysed.

    Under True with people looked for, which takes most of the time, under False without; neither where none was.
    """
    rates: dict[bool, list[float]] = {True: [], False: []}
    for task in tasks[:20]:
        if (summary := task.summary()) is not None and summary.seconds >= 10 and (took := task.state().took) > 0:
            rates[_request(task).people].append(took / summary.seconds)
    return {people: sorted(each)[len(each) // 2] for people, each in rates.items() if each}
