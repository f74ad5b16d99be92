"""What a model mixes up: the matrix, the pairs it confuses most, and the clips of a cell, playing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from har_core import confusion
from har_core.confusion import Order, Unit
from har_core.ui.frame import plain
from har_core.ui.inspecting import inspect
from har_core.ui.matrix import Cell, matrix
from har_core.ui.repairing import repair
from har_core.ui.scoring import Question
from har_core.ui.wall import wall

if TYPE_CHECKING:
    from har_core.evaluation import Evaluation, Scored

UNITS: dict[Unit, str] = {"counts": "Clips", "rows": "% of true", "columns": "% of predicted"}
ORDERS: dict[Order, str] = {"model": "As in the model", "confusion": "Confused side by side", "name": "By name"}
_PAIRS = 6
"""Pairs that are offered as buttons."""
_BESIDE = 12
"""So many actions leave room beside their matrix."""


def show_confusion(question: Question, scores: Evaluation) -> None:
    """The matrix with its twins, and the clips behind it."""
    name = f"{question.model.name} {question.split} {question.source.root.name}"
    actions = scores.actions
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        unit = st.segmented_control(
            "Numbers", list(UNITS), format_func=UNITS.__getitem__, default="counts", required=True, key="unit",
            help="Colours always go by shares, so that rare actions are not pale.",
        )  # fmt: skip
        order = st.selectbox("Order", list(ORDERS), format_func=ORDERS.__getitem__, key="order", width=220)
        form = st.segmented_control("As", ["Matrix", "Table"], default="Matrix", required=True, key="form")
    cell = _chosen(name, actions)
    beside = len(actions) <= _BESIDE
    left, right = st.columns([3, 2], gap="large") if beside else (st.container(), st.container())
    # A large matrix takes the whole width and the pairs stand above it; they are filled last, when it is known what
    # was touched.
    pairs, place = (right, left) if beside else (left, right)
    with place:
        if form == "Table":
            _table(scores, name)
        else:
            cell = _matrix(scores, order, unit, name, cell)
    with pairs:
        _pairs(scores, name, cell, beside=beside)
    show_clips(question, scores, cell, name)


def _matrix(scores: Evaluation, order: Order, unit: Unit, name: str, cell: Cell | None) -> Cell | None:
    """The matrix; gives the cell that is chosen now."""
    places = confusion.arranged(scores.confusion, scores.actions, order)
    right = sum(one.right for one in scores.scored)
    touched = matrix(
        scores.confusion[places][:, places], [scores.actions[place] for place in places], key=f"matrix {name}",
        unit=unit, chosen=cell, stamp=st.session_state.get(_stamp(name), 0),
        said=f"Confusion matrix: {right} of {len(scores.scored)} clips are right",
    )  # fmt: skip
    if touched is not None:
        cell = st.session_state[_cell(name)] = touched.cell
    return cell


def _cell(name: str) -> str:
    return f"cell {name}"


def _stamp(name: str) -> str:
    return f"cell stamp {name}"


def _chosen(name: str, actions: tuple[str, ...]) -> Cell | None:
    cell: Cell | None = st.session_state.get(_cell(name))
    return cell if cell and set(cell) <= set(actions) else None


def choose_cell(name: str, cell: Cell | None) -> None:
    """Choose a cell from outside of the matrix, which then takes it over."""
    st.session_state[_cell(name)] = cell
    st.session_state[_stamp(name)] = st.session_state.get(_stamp(name), 0) + 1


def _pairs(scores: Evaluation, name: str, cell: Cell | None, *, beside: bool) -> None:
    """The pairs that are confused most, each a button."""
    worst = confusion.confused(scores.confusion, scores.actions, _PAIRS)
    if not worst:
        st.success("It mixes nothing up: every clip is right.", icon=":material/check_circle:")
        return
    if beside:
        st.markdown("**Most confused**")
    with st.container(horizontal=not beside, gap="small", vertical_alignment="center", key="worst-pairs"):
        if not beside:
            st.markdown("**Most confused**", width="content")
        for pair in worst:
            here = cell == (pair.true, pair.said)
            many = "1 clip" if pair.clips == 1 else f"{pair.clips:,} clips"
            st.button(
                f"{plain(pair.true)} → {plain(pair.said)} · {many}" if beside
                else f"{plain(pair.true)} → {plain(pair.said)} · {pair.clips}",
                key=f"pair {name} {pair.true} {pair.said}", type="primary" if here else "secondary",
                help=f"{many} of {plain(pair.true)} ({pair.share:.0%}) taken for {plain(pair.said)}",
                on_click=choose_cell, args=(name, None if here else (pair.true, pair.said)),
            )  # fmt: skip
    if beside:
        st.caption(
            "True action → what the model says. Choose a pair, or a cell, to see its clips; once more takes it back."
        )


def _table(scores: Evaluation, name: str) -> None:
    """The cells that hold clips as rows, the worst first: the same choice for whoever cannot see a matrix."""
    cells = sorted(
        confusion.cells(scores.confusion, scores.actions), key=lambda c: (c.true == c.said, -c.clips, -c.share)
    )
    table = pd.DataFrame([(c.true, c.said, c.clips, c.share, "right" if c.true == c.said else "wrong") for c in cells],
                         columns=["true action", "predicted", "clips", "of its clips", ""])  # fmt: skip

    def take() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        choose_cell(name, (cells[rows[0]].true, cells[rows[0]].said) if rows else None)

    key = f"cells {name}"
    st.dataframe(
        table, key=key, hide_index=True, width="stretch", height=min(35 * len(table) + 38, 420), on_select=take,
        selection_mode="single-row",
        column_config={
            "of its clips": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
        },
    )  # fmt: skip
    st.caption("Choose a row to see its clips.")


def show_clips(question: Question, scores: Evaluation, cell: Cell | None, name: str) -> None:
    """The clips of a cell, or the wrong ones, the most surely wrong first; they play, and one is looked at closely."""
    shown, heading = _clips(scores, cell)
    if not shown and cell is None:  # all is right, and that was said
        repair(question.model, question.source, [], name)
        return
    st.subheader(heading, anchor=False)
    if not shown:
        st.info(
            "There are none here. Choose another pair, or this cell once more to see all wrong clips.",
            icon=":material/check_circle:",
        )
        repair(question.model, question.source, [], name)
        return
    place = f"{name} {cell}"
    one = wall(shown, place)
    with st.container(border=True, key="closely"):
        inspect(question.model, one, question.source, f"closely {name}")
        repair(question.model, question.source, [one], name, among=shown)


def _clips(scores: Evaluation, cell: Cell | None) -> tuple[list[Scored], str]:
    surest = sorted(scores.scored, key=lambda s: -s.prediction.top(1)[0][1])
    if cell is None:
        wrong = [s for s in surest if not s.right]
        return wrong, "1 wrong clip" if len(wrong) == 1 else f"{len(wrong):,} wrong clips, the most surely wrong first"
    true, said = cell
    shown = [s for s in surest if (s.action, s.prediction.action) == cell]
    if true == said:
        # Of those that are right the least sure ones are worth a look.
        return shown[::-1], f"{plain(true)}, recognised: {len(shown):,}, the least sure first"
    return shown, f"{plain(true)}, taken for {plain(said)}: {len(shown):,}"
