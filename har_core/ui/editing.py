"""Edits of the clips that are selected: a bar with everything that can be decided about them, and Undo.

Each edit is a version of the data set, stored before the page says so; the files are never touched.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import streamlit as st

from har_core.dataset import Dataset, versions
from har_core.dataset.versions import Changes
from har_core.errors import HarError
from har_core.ui.frame import plain
from har_core.ui.past import show
from har_core.ui.shelf import shelf
from har_core.values import Clip

__all__ = ["edit_bar", "show", "undo_button"]

_TOLD, _REFUSED, _ROUND = "edit told", "edit refused", "edit round"
_AS_FOLDER = "As the folder says"
_PARTS = {"train": "Training", "validation": "Validation", "test": "Test", None: "As dealt"}
_MOST_GROUPS = 500


@dataclass(frozen=True, slots=True)
class _Mark:
    """Something that clips are or are not: the button that says so, and what is told then."""

    label: str
    icon: str
    told: str
    changes: Changes
    help: str | None = None


_EXCLUDE = _Mark(
    "Exclude", ":material/visibility_off:", "Excluded {}", Changes(excluded=True),
    "Out of the data set. The file stays where it is, and the clip can be taken back at any time.",
)  # fmt: skip
_INCLUDE = _Mark("Include again", ":material/visibility:", "Included {} again", Changes(excluded=False))
_AMBIGUOUS = _Mark(
    "Ambiguous", ":material/help:", "Marked {} as ambiguous", Changes(ambiguous=True),
    "It stays in sight, but nothing is trained or judged on it.",
)  # fmt: skip
_CLEAR = _Mark("Not ambiguous", ":material/done:", "Marked {} as clear", Changes(ambiguous=False))


def edit_bar(source: Dataset, clips: Sequence[Clip]) -> None:
    """What can be decided about these clips of the data set, in one row. Nothing where there are none."""
    if _tell():
        st.rerun()  # the page around the fragment shows the data set as it was
    if not clips:
        return
    names = tuple(source.relative(clip) for clip in clips)
    out = {source.relative(clip) for clip in source.excluded} & set(names)
    unclear = source.ambiguous & set(names)
    turn = st.session_state.setdefault(_ROUND, 0)  # a new key empties the boxes
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="edit bar"):
        st.markdown(f"**{_count(len(names))}**", width="content")
        _choose_name(source, names, "action", _shared([c.action for c in clips]), _actions(source), turn)
        known = frozenset(groups := _groups(source))
        shared = _shared([clip.group if clip.group in known else "guessed" for clip in clips])
        _choose_name(source, names, "group", shared, groups[:_MOST_GROUPS], turn)
        key = f"edit part {turn}"
        st.selectbox(
            "Part", list(_PARTS), None, format_func=_PARTS.__getitem__, key=key, width=180,
            placeholder=f"Part: {_shared([_PARTS[clip.split or None].lower() for clip in clips])}",
            label_visibility="collapsed", on_change=_put_into_part, args=(source, names, key),
            help="Moves whole groups: clips of one person must not lie on both sides.",
        )  # fmt: skip
        for mark, marked in (
            (_EXCLUDE, [name for name in names if name not in out]),
            (_INCLUDE, sorted(out)),
            (_AMBIGUOUS, [name for name in names if name not in unclear]),
            (_CLEAR, sorted(unclear)),
        ):
            if marked:
                st.button(mark.label, key=f"edit {mark.label}", icon=mark.icon, help=mark.help, on_click=_change,
                          args=(source, mark.told.format(_count(len(marked))), marked, mark.changes))  # fmt: skip
        undo_button(source, key="undo in the bar")


def undo_button(source: Dataset, *, key: str = "undo") -> None:
    """A small button that takes back the last edit of the data set; nothing where there is none."""
    _tell()
    last = versions.undoable(source.root)
    if last is None:
        return

    def undo() -> str:
        versions.undo(source.root, last.number)
        return f"Took back: {last.what}."

    st.button("Undo", key=key, icon=":material/undo:", type="tertiary", help=f"Take back: {plain(last.what)}",
              on_click=_do, args=(undo,))  # fmt: skip


def _tell() -> bool:
    """Say what the last edit did, or why it was refused; whether it did anything."""
    if refused := st.session_state.pop(_REFUSED, ""):
        st.error(plain(refused), icon=":material/error:")
    told = st.session_state.pop(_TOLD, "")
    if told:
        st.toast(plain(told), icon=":material/check:")
    return bool(told)


def _do(edit: Callable[[], str]) -> None:
    """Edit and keep what is to be told. A callback, so that a refusal is not tried again with each run of the page."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    try:
        st.session_state[_TOLD] = edit()
    except HarError as error:
        st.session_state[_REFUSED] = str(error)


def _change(source: Dataset, what: str, names: Collection[str], changes: Changes) -> None:
    """Edit the clips, and tell how many others went along."""

    def edit() -> str:
        before = versions.current(source.root)
        made = versions.change(source.root, what, dict.fromkeys(names, changes), source=source)
        along = len({found.clip for found in versions.compare(before, made)} - {"", *names})
        if not along:
            return f"{what}."
        others = "1 other clip" if along == 1 else f"{along:,} other clips"
        return f"{what}. {others} of the same group went along, so that it is not torn."

    _do(edit)


def _choose_name(
    source: Dataset, names: Sequence[str], field: str, shared: str, known: Sequence[str], turn: int
) -> None:
    """A box to pick or type an action or a group; what is picked holds at once."""
    key = f"edit {field} {turn}"
    st.selectbox(
        field.capitalize(), [*known, _AS_FOLDER], None, key=key, accept_new_options=True, width=190,
        placeholder=f"{field.capitalize()}: {shared}", label_visibility="collapsed", on_change=_rename,
        args=(source, names, field, key),
    )  # fmt: skip


def _rename(source: Dataset, names: Sequence[str], field: str, key: str) -> None:
    chosen = str(st.session_state.get(key) or "").strip()
    if not chosen:
        return
    value, many = None if chosen == _AS_FOLDER else chosen, _count(len(names))
    if field == "action":
        what = f"Relabelled {many} as {value}" if value else f"Gave {many} the folder's label"
        _change(source, what, names, Changes(action=value))
    else:
        what = f"Put {many} into group {value}" if value else f"Gave {many} the folder's group"
        _change(source, what, names, Changes(group=value))


def _put_into_part(source: Dataset, names: Sequence[str], key: str) -> None:
    part = st.session_state.get(key)
    where = "wherever chance deals them" if part is None else f"into the {_PARTS[part].lower()} part"
    _change(source, f"Put {_count(len(names))} {where}", names, Changes(split=part))


def _count(number: int) -> str:
    return "1 clip" if number == 1 else f"{number:,} clips"


def _shared(values: Sequence[str]) -> str:
    distinct = set(values)
    return values[0] if len(distinct) == 1 else f"{len(distinct)} different"


def _actions(source: Dataset) -> list[str]:
    return sorted({*source.actions, *(clip.action for clip in source.excluded)})


def _groups(source: Dataset) -> tuple[str, ...]:
    """The groups that somebody named; a guessed one bears the path of a clip, which says nothing."""

    def named() -> tuple[tuple[str, ...], Dataset]:
        paths = {source.relative(clip) for clip in (*source.clips, *source.excluded)}
        return tuple(group for group in source.groups if group not in paths), source

    return shelf("named groups", 4).get(id(source), named)[0]  # kept with it, so that the id stays its own
