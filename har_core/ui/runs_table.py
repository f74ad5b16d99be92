"""All runs at a glance: their titles, notes and stars, comparing them, giving them away and taking them back."""

import json
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from har_core import curves, notes, trash, workspace
from har_core.errors import HarError, RunError
from har_core.events import EpochEnded, Event, Started
from har_core.notes import Notes
from har_core.runs import Run
from har_core.trash import Deleted
from har_core.ui.choose import STATUS, run_title
from har_core.ui.frame import chart, go_to, plain, reporting
from har_core.ui.recipe import offer
from har_core.ui.shelf import shelf
from har_core.values import wilson

_MOST_COMPARED = 6
_MOST_MEGABYTES = 500
_UNDO, _IMPORTS = "deleted just now", "runs imported"


def title_of(run: Run) -> str:
    """What a run is called: the user's title for it, else by what it trains and when it was started."""
    return notes.read(run.folder).title or run_title(run.name)


def about(run: Run) -> None:
    """Title, note, star; a new run like this one; the run as a file."""
    said = notes.read(run.folder)
    with st.popover("About", icon=":material/star:" if said.star else ":material/edit_note:"):
        with st.form(f"about {run.name}", border=False):
            title = st.text_input(
                "Title", said.title, max_chars=80, placeholder=run_title(run.name), key=f"title of {run.name}"
            )
            note = st.text_area(
                "Note",
                said.note,
                max_chars=2000,
                placeholder="What was tried, what came of it",
                key=f"note of {run.name}",
            )
            star = st.toggle("Star: first in the list", said.star, key=f"star of {run.name}")
            if st.form_submit_button("Save", type="primary"):
                with reporting():
                    notes.write(run.folder, Notes(title, note, star))
                    st.rerun()
        if st.button("New run like this", icon=":material/content_copy:", key=f"clone {run.name}"):
            with reporting():
                offer(run.config(), f"The settings of {title_of(run)}.")
        if (run.best / "card.json").is_file():
            st.download_button(
                "Export as .zip", lambda: _packed(run), f"{run.name}.zip", "application/zip", on_click="ignore",
                icon=":material/download:", key=f"export {run.name}",
                help="Weights, card, settings and story: to keep, or to import on another computer.",
            )  # fmt: skip


def _packed(run: Run) -> bytes:
    from har_core import transfer  # it loads torch

    with tempfile.TemporaryDirectory() as scratch:
        return transfer.pack(run, Path(scratch, "run.zip")).read_bytes()


def delete(run: Run) -> None:
    """Put a run into the trash and show what there is now, with the way back."""
    st.session_state[_UNDO] = trash.delete(run)
    go_to()


def undo() -> None:
    """Where a run was deleted just now, say so and offer to take it back. To be drawn before the runs are."""
    gone = st.session_state.get(_UNDO)
    if gone is None:
        return
    if not gone.folder.exists():  # taken back or gone for good, here or elsewhere
        st.session_state.pop(_UNDO)
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"), reporting():
        st.markdown(f":material/delete: {plain(_title_in(gone))} is in the trash.", width="stretch")
        if st.button("Undo", icon=":material/undo:", type="primary", key="undo delete"):
            st.session_state.pop(_UNDO)
            go_to(run=trash.restore(gone).name)
        if st.button("", icon=":material/close:", type="tertiary", key="forget delete", help="Hide this"):
            st.session_state.pop(_UNDO)
            st.rerun()


def _title_in(gone: Deleted) -> str:
    return notes.read(gone.folder).title or run_title(gone.name)


def show(found: Sequence[Run]) -> None:
    """The table of all runs; what is chosen in it is compared below."""
    if not found:
        st.caption("There is no run yet.")
        return _bring_and_undo()
    stories = {run.name: _story(run) for run in found}
    found = sorted(found, key=lambda run: not notes.read(run.folder).star)  # the newest first within each
    rows = [_row(run, stories[run.name]) for run in found]
    st.subheader(f"All runs ({len(found)})", anchor=False)
    columns = {
        "best accuracy": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
        "star": st.column_config.TextColumn("", width=30),
        "started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
    }
    event = st.dataframe(
        pd.DataFrame(rows), hide_index=True, width="stretch", column_config=columns, key="all runs",
        on_select="rerun", selection_mode="multi-row",
    )  # fmt: skip
    chosen = [found[i] for i in event["selection"]["rows"] if i < len(found)]
    if len(chosen) == 1 and st.button(f"Open {plain(title_of(chosen[0]))}", icon=":material/open_in_full:"):
        go_to(run=chosen[0].name)
    if len(chosen) < 2:
        st.caption(f"Select 2 to {_MOST_COMPARED} runs to compare them.")
    else:
        with reporting():
            if len(chosen) > _MOST_COMPARED:
                st.caption(f"The first {_MOST_COMPARED} of those that are selected:")
            _compare(chosen[:_MOST_COMPARED], stories)
    return _bring_and_undo()


def _story(run: Run) -> list[Event]:
    """What a run says of itself; read once as long as nothing is added."""
    try:
        stat = run.events_path.stat()
    except OSError:
        return []
    key = (run.folder, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return shelf("milestones", 200).get(key, run.milestones)


def _row(run: Run, events: list[Any]) -> dict[str, Any]:
    said, epochs = notes.read(run.folder), run.epochs(events)
    started = next((e for e in reversed(events) if isinstance(e, Started)), None)
    best = max((e.validation_accuracy for e in epochs), default=None)
    row: dict[str, Any] = {
        "star": "★" if said.star else "", "run": title_of(run), "status": STATUS[run.status(events)][0],
        "best accuracy": best, "95% interval": _interval(best, started), "epochs": len(epochs),
        "minutes": round(sum(e.seconds for e in epochs) / 60, 1),
    }  # fmt: skip
    try:
        config = run.config()
        labels = "" if config.version is None else f"version {config.version}"
        row |= {"data set": Path(config.dataset).name, "labels": labels, "looks at": config.view}
    except RunError:  # a damaged config costs these cells
        row |= {"data set": "?", "labels": "", "looks at": "?"}
    begun = [e.at for e in events if isinstance(e, Started)]
    return row | {
        "weights": started.weights.partition(":")[0] if started else "",
        "started": _when(begun[0]) if begun else _made(run),
        "note": said.note,
    }


def _when(at: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(at)
    except (ValueError, OverflowError, OSError):  # a stranger's run may say anything
        return None


def _made(run: Run) -> datetime | None:
    """When a run that never came to its training was asked for."""
    try:
        return _when(run.folder.stat().st_ctime)
    except OSError:  # it is gone meanwhile
        return None


def _interval(best: float | None, started: Started | None) -> str:
    if best is None or started is None:
        return ""
    low, high = wilson(round(best * started.validation_clips), started.validation_clips)
    return f"{low * 100:.0f}–{high * 100:.0f}%"


def _compare(chosen: Sequence[Run], stories: dict[str, list[Any]]) -> None:
    st.markdown("**Compared**")
    epochs: dict[str, list[EpochEnded]] = {}
    for run in chosen:
        name = title_of(run)
        epochs[name if name not in epochs else run.name] = run.epochs(stories[run.name])
    left, right = st.columns(2, gap="medium")
    with left:
        figure = curves.compared(epochs, "validation_accuracy")
        chart(figure, "compared accuracy", alt="Validation accuracy of the chosen runs over the epochs")
    with right:
        figure = curves.compared(epochs, "validation_loss")
        chart(figure, "compared loss", alt="Validation loss of the chosen runs over the epochs")
    configs = {name: run.config() for name, run in zip(epochs, chosen, strict=True)}
    clips = {name: _clips(stories[run.name]) for name, run in zip(epochs, chosen, strict=True)}
    judges = {(config.dataset, config.version or 0, clips[name]) for name, config in configs.items()}
    st.markdown(plain(verdict(epochs, clips, alike=len(judges) == 1)))
    different = differences({name: config.to_json() for name, config in configs.items()})
    if different:
        table = pd.DataFrame(different).T.map(_worded)
        st.dataframe(table, width="stretch", key="different settings")
    else:
        st.caption("They have the same settings.")


def _worded(value: object) -> str:
    """The value of a setting for people: a list without its brackets."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else "" if value is None else str(value)


def _clips(events: list[Any]) -> int:
    return next((e.validation_clips for e in reversed(events) if isinstance(e, Started)), 0)


def verdict(epochs: dict[str, list[EpochEnded]], clips: dict[str, int], *, alike: bool = True) -> str:
    """Whether the best run of these can be called better than the next one, in a sentence.

    Args:
        epochs: of each run.
        clips: how many validation clips judged each.
        alike: whether they were judged by the same clips and labels, as far as that can be seen.
    """
    best = sorted(((max(e.validation_accuracy for e in ended), name) for name, ended in epochs.items() if ended),
                  reverse=True)  # fmt: skip
    if len(best) < 2:
        return "Only one of them has finished an epoch."
    (first, name), (second, other) = best[:2]
    low = wilson(round(first * clips[name]), clips[name])[0]
    high = wilson(round(second * clips[other]), clips[other])[1]
    if not alike:
        return (
            f"{name} has {first:.1%}, {other} {second:.1%}, but not by the same clips or labels, so that says little. "
            "The view Compare of the Evaluate page judges two models by the same."
        )
    if first == second:
        return f"{name} and {other} are level at {first:.1%}."
    words = f"{name} leads {other} by {(first - second) * 100:.1f} points on {clips[name]} validation clips. "
    if low > high:
        return words + "Their 95% intervals do not overlap: it is not by chance alone."
    return words + "Their 95% intervals overlap: so few clips cannot tell that from chance."


def differences(configs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Setting -> run -> value, of those settings in which the runs differ; nested ones as `network.dropout`.

    >>> differences({"a": {"x": 1, "n": {"y": 2}}, "b": {"x": 1, "n": {"y": 3}}})
    {'n.y': {'a': 2, 'b': 3}}
    """

    def flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in values.items():
            found |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
        return found

    each = {run: flat(values) for run, values in configs.items()}
    names = dict.fromkeys(name for values in each.values() for name in values)
    table = {name: {run: values.get(name) for run, values in each.items()} for name in names}
    return {n: row for n, row in table.items() if len({json.dumps(v, sort_keys=True) for v in row.values()}) > 1}


def _bring_and_undo() -> None:
    root = workspace() / "runs"
    gone = trash.deleted(root)
    with st.expander("Import a run", icon=":material/upload:"), reporting():
        number = int(st.session_state.get(_IMPORTS, 0))  # a fresh field after each: the same file is not brought twice
        file = st.file_uploader(
            "An exported run", type=["zip"], key=f"import run {number}", max_upload_size=_MOST_MEGABYTES
        )
        if file is not None and st.button("Import", type="primary", icon=":material/upload:"):
            brought = _brought(file.getvalue(), file.name, root)
            st.session_state[_IMPORTS] = number + 1
            go_to(run=brought.name)
    if gone:
        with st.expander(f"Deleted runs ({len(gone)})", icon=":material/delete:"), reporting():
            st.caption(f"They are gone for good {trash.DAYS} days after they were deleted.")
            for one in gone[:20]:
                with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                    st.markdown(plain(_title_in(one)))
                    if st.button("Take back", icon=":material/undo:", key=f"take back {one.folder.name}"):
                        go_to(run=trash.restore(one).name)
            if st.button("Empty the trash", icon=":material/delete_forever:"):
                trash.empty(root)
                st.rerun()


def _brought(content: bytes, name: str, root: Path) -> Run:
    from har_core import transfer

    with st.spinner("Checking the model"), tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "run.zip")
        archive.write_bytes(content)
        try:
            return transfer.bring(archive, root)
        except HarError as error:
            raise RunError(f"{name}: {error}") from None
