"""An evaluation to take along: one HTML file that holds everything, the clips as CSV, the numbers as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from har_core import PROJECT
from har_core.ui.choose import called
from har_core.ui.scores import PICTURES, show_downloads
from har_core.ui.scoring import Question

if TYPE_CHECKING:
    from har_core.comparison import Comparison
    from har_core.evaluation import Evaluation
    from har_core.verdicts import Condition

_ORDERS: tuple[Condition, ...] = ("shuffled", "reversed", "single")


def show_report(question: Question, scores: Evaluation) -> None:
    """What a report would hold, the button that makes it, and the same as a command."""
    from har_core.report import MOST_PICTURED, reproduce

    worse = not question.left(PICTURES)
    wrong = sum(not scored.right for scored in scores.scored)
    holds = ["scores with intervals", "the confusion matrix, to be clicked", "each action", "dumber rules",
             "the motion test", *(["worse pictures"] if worse else []), "calibration",
             f"{min(wrong, MOST_PICTURED)} wrong clips with pictures", "the model's card"]  # fmt: skip
    flags = ["--baselines", *(["--robustness"] if worse else [])]
    command = reproduce(_near(question.model.folder), _near(question.source.root), question.split, flags)
    name = f"{question.model.name}-{question.split}.html"
    with st.container(border=True):
        st.markdown(":material/description: **A report to show around**")
        st.markdown(
            f"One HTML file of about 5 MB that works without a network, in light and dark, and prints: "
            f"{', '.join(holds)}."
        )
        if not worse:
            st.caption("Scores under worse pictures come with it once they were computed in the view Scores.")
        st.download_button(
            "Report as HTML", lambda: _page(question, scores, command), name, "text/html", type="primary",
            icon=":material/download:", on_click="ignore", key="report as html",
        )  # fmt: skip
        st.caption("Its pictures show who is in the wrong clips. Think before you pass it on.")
    show_downloads(question, scores)
    st.markdown("**The same on the command line**")
    st.code(command, language="bash", wrap_lines=True)


def _page(question: Question, scores: Evaluation, command: str) -> bytes:
    """The report, made when it is asked for and kept as long as nothing changes."""
    worse: tuple[Condition, ...] = () if question.left(PICTURES) else ("stuttering", *PICTURES)

    def work() -> bytes:
        from har_core import baselines, probing, report

        def against(names: tuple[Condition, ...]) -> dict[Condition, Comparison]:
            return probing.against(scores, {name: question.scores(name) for name in names})

        orders = against(_ORDERS)
        plain_rules = baselines.plain_rules(question.source, question.card, scores)
        rules = {name: float(right.mean()) for name, right in plain_rules.items()}
        rules["shuffled frames"] = question.scores("shuffled").accuracy
        rules["single frame"] = question.scores("single").accuracy
        extras = report.Extras(
            model=called(question.model.name) if question.model.run else question.model.name, card=question.card,
            dataset=question.source.root.name, split=question.split, version=question.source.version, command=command,
            baselines=rules, motion=orders, uses_time=probing.uses_time(scores, *orders.values()),
            worse=against(worse), milliseconds=probing.speed(question.found, question.keys),
        )  # fmt: skip
        return report.page(scores, extras=extras).encode(errors="replace")

    return question.once(f"report {worse}", work)


def _near(path: Path) -> Path:
    """The path as it is typed in the project's folder: a report is passed on, and need not tell where that lies."""
    return path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
