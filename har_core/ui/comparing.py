"""Two models on the same clips: whether one is better, where it differs, and the clips that changed sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from har_core import plots
from har_core.ui.choose import called
from har_core.ui.clips import pick, play
from har_core.ui.frame import chart, plain, tiles
from har_core.ui.loaders import Model, models
from har_core.ui.matrix import Cell, matrix
from har_core.ui.scoring import ORDERS, Question, at_hand

if TYPE_CHECKING:
    from har_core.comparison import Comparison
    from har_core.evaluation import Evaluation, Scored

_SIDES = {"second only": "Only {b} is right", "first only": "Only {a} is right", "neither": "Both wrong, differently"}


def show_comparison(question: Question, scores: Evaluation) -> None:
    """Another model is chosen, looks at the same clips, and the two are compared."""
    others = {
        model.name: model for model in models()
        if model.name != question.model.name and set(model.actions) & set(scores.actions)
    }  # fmt: skip
    if not others:
        st.info(
            "There is no other model that knows these actions. Train another, and compare both here, clip by clip.",
            icon=":material/compare_arrows:",
        )
        return
    name = st.selectbox(
        "Compare with", list(others), format_func=lambda n: _named(others[n]), key="compare with", width=460,
        persist_state="session",
    )  # fmt: skip
    other = Question(others[name], question.source, f"{question.split} of {question.model.name}", only=question.clips)
    text = f"{plain(_named(others[name]))} looks at the same clips."
    if not at_hand(other, ORDERS, ask="Compare the two", text=text, main=True):
        return
    _compared(question, other, scores)


def _named(model: Model) -> str:
    return called(model.name) if model.run else model.name


def _compared(question: Question, other: Question, scores: Evaluation) -> None:
    from har_core import comparison

    a, b = "this model", _short(_named(other.model))
    theirs = other.scores()
    found: Comparison = question.once(f"with {other.stamp}", lambda: comparison.compare(scores, theirs))
    low, high = found.interval
    tiles(
        {
            "This model": f"{found.first_right.mean():.1%}",
            b: f"{found.second_right.mean():.1%}",
            "Difference": f"{comparison.points(found.difference)} points",
            "95% interval": f"{low * 100:+.0f} to {high * 100:+.0f}".replace("-", "−"),
            "Clips": f"{len(found.pairs):,}",
        },
        helps={"95% interval": "Where the true difference may well lie, judged clip by clip on the same clips."},
        width=165,
    )
    with st.container(border=True):
        st.markdown(f":material/balance: {plain(comparison.verdict(found, a, b))}")
    _warn(question, other, found, a, b)
    st.subheader("What changed", anchor=False)
    cell = _shift(found, a, b, f"shift {question.model.name} {other.model.name} {question.split}")
    _changed(found, a, b, cell)


def _short(name: str) -> str:
    return name if len(name) <= 34 else name[:33] + "…"


def _warn(question: Question, other: Question, found: Comparison, a: str, b: str) -> None:
    from har_core.comparison import trained_on

    clips = [first.clip for first, _ in found.pairs]
    for who, asked in ((a, question), (b, other)):
        learnt = trained_on(asked.card, question.source, clips)
        if learnt:
            st.warning(
                f"{learnt:,} of these {len(clips):,} clips trained **{plain(who)}**, so it is flattered.",
                icon=":material/warning:",
            )
        elif learnt is None:
            st.caption(f"Whether some of these clips trained {plain(who)} is not known: its card does not name them.")
    if found.left_out:
        st.caption(f"{found.left_out:,} clips are left out: only one of the two knows their action or could read them.")


def _shift(found: Comparison, a: str, b: str, key: str) -> Cell | None:
    """The difference of the two matrices; gives the cell that was chosen."""
    known = dict.fromkeys(name for pair in found.pairs for one in pair for name in (one.action, one.prediction.action))
    first, second = found.pairs[0]
    actions = [name for name in (*first.prediction.classes, *second.prediction.classes) if name in known]
    actions = list(dict.fromkeys(actions))
    moved = found.shift(actions)
    if not moved.any():
        st.success("Both give the same answers.", icon=":material/check_circle:")
        return None
    st.caption(f"What {plain(b)} has more or fewer of than {plain(a)}: teal is better, orange is worse.")
    touched = matrix(
        moved, actions, key=key, kind="shift", said=f"Difference of the confusion matrices of {a} and {b}",
    )  # fmt: skip
    return touched.cell if touched else None


def _changed(found: Comparison, a: str, b: str, cell: Cell | None) -> None:
    sides = found.changed()
    if not any(sides.values()):
        return
    names = {side: f"{text.format(a=a, b=b)} · {len(sides[side])}" for side, text in _SIDES.items()}
    if cell:
        shown = [
            p for each in sides.values() for p in each if cell in {(one.action, one.prediction.action) for one in p}
        ]
        st.markdown(f"Clips that moved into or out of **{plain(cell[0])}** taken for **{plain(cell[1])}**")
    else:
        first = next(side for side in _SIDES if sides[side])
        side = st.segmented_control(
            "Clips that changed sides", list(_SIDES), format_func=lambda s: plain(names[s]), default=first,
            required=True, key=f"side {a} {b}",
        )  # fmt: skip
        shown = sides[side]
    if not shown:
        st.info("There are none here.", icon=":material/check_circle:")
        return
    table = pd.DataFrame(
        [(f.clip, f.action, f.prediction.action, s.prediction.action) for f, s in shown],
        columns=["clip", "action", f"{a} says", f"{b} says"],
    )
    row = pick(table, f"changed {a} {b} {cell}", height=min(35 * len(table) + 38, 300))
    if row is not None:
        _side_by_side(shown[row], a, b)


def _side_by_side(pair: tuple[Scored, Scored], a: str, b: str) -> None:
    """The clip, and what each of the two says of it."""
    first, second = pair
    one, two, three = st.columns([5, 4, 4], gap="medium")
    with one:
        play(first.path)
        st.caption(f"True action: **{plain(first.action)}**")
    for column, who, scored in ((two, a, first), (three, b, second)):
        with column:
            icon = ":material/check:" if scored.right else ":material/close:"
            st.markdown(f"{icon} **{plain(who)}**")
            alt = ", ".join(f"{action} {probability:.0%}" for action, probability in scored.prediction.top(5))
            chart(plots.top(scored.prediction, 5, true=scored.action), f"compared {who}", alt=alt)
