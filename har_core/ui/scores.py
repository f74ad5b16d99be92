"""An evaluation in numbers: how good, how sure that is, each action, and what dumber rules or worse pictures score."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from har_core import exports
from har_core import figures_of_scores as figures
from har_core.ui.choose import notes
from har_core.ui.frame import chart, plain, tiles
from har_core.ui.loaders import progress
from har_core.ui.scoring import Question, at_hand
from har_core.verdicts import Condition

if TYPE_CHECKING:
    from har_core.certainty import Certainty
    from har_core.comparison import Paired
    from har_core.evaluation import Evaluation
    from har_core.intervals import Flags

PICTURES: tuple[Condition, ...] = ("ten", "grey", "blurred", "mirrored", "darker")
_RULES = {
    "majority": "always says the commonest action of the training clips",
    "shape and length": "sees no picture, only size, length, frame rate and codec of the file",
    "mean of frames": "has no LSTM: a linear rule on the mean of this model's embeddings",
    "shuffled frames": "is this model, shown the frames of each window in random order",
    "single frame": "is this model, shown one frame of each window alone",
}
_MEAN = "mean of frames"
_LONGER: dict[Condition, float] = {"person": 10.0, "frame": 1.2}
"""How much longer than a first look another view takes: people have to be found in every second frame."""


def show_head(question: Question, scores: Evaluation) -> None:
    """The main numbers, and how far to trust them."""
    sure = question.certainty()
    low, high = sure.accuracy
    number = len(scores.scored)
    shown = {
        "Accuracy": f"{scores.accuracy:.1%}",
        "95% interval": f"{low * 100:.0f}–{high * 100:.0f}%",
        "Clips": f"{number:,}",
        "Macro F1": f"{scores.macro_f1:.3f}",
    }
    shown |= {f"Top-{k} accuracy": f"{scores.top_accuracy(k):.1%}" for k in (2, 3) if k < len(scores.actions)}
    tiles(
        shown,
        helps={
            "Accuracy": "The share of clips whose most probable action is the true one.",
            "95% interval": f"Where the true accuracy may well lie. {_basis(sure)}",
            "Macro F1": "The mean over the actions of F1, so that rare actions count as much as common ones.",
            "Top-2 accuracy": "The share of clips whose true action is among the two most probable ones.",
            "Top-3 accuracy": "The share of clips whose true action is among the three most probable ones.",
        },
    )
    _warnings(question, scores, sure)
    notes([f"{clip}: {reason}" for clip, reason in scores.skipped], title="Clips left out")


def _warnings(question: Question, scores: Evaluation, sure: Certainty) -> None:
    number = len(scores.scored)
    if question.split == "train":
        st.warning("These clips trained the model: the score says how well it remembers.", icon=":material/warning:")
    elif question.split == "all" and question.model.run is not None:
        st.warning(
            "All clips include those that trained the model, so the score flatters it.", icon=":material/warning:"
        )
    elif question.split == "all":
        st.info(
            "This model came with the project. If these are clips that trained it, the score flatters it.",
            icon=":material/info:",
        )
    elif sure.few_groups:
        known = "No group of these clips was in training. But they" if not scores.notes or _apart(question) else "They"
        st.caption(
            f"{known} are of {_people(sure.groups)} only: how it does with others, no interval of these clips can say."
        )
    elif not scores.notes or _apart(question):
        wide = (
            f" With {number} clips the interval is wide: do not read much into a few percent." if number < 100 else ""
        )
        st.caption(f"No group of these clips (who or where was filmed) was in training.{wide}")
    if question.split != "all" or question.model.run is not None:
        for note in scores.notes:
            if _apart(question):
                st.caption(f":material/history: {plain(note)}")
            else:
                st.warning(plain(note), icon=":material/warning:")


def _apart(question: Question) -> bool:
    """Whether it is known that no group of the clips was in training."""
    from har_core import evaluation

    return question.split not in ("all", "train") and bool(
        question.once("apart", lambda: evaluation.apart(question.source, question.card, question.split))
    )


def _people(number: int) -> str:
    return "one person or place" if number == 1 else f"{number:,} people or places"


def _basis(sure: Certainty) -> str:
    if not sure.shared:
        return "Wilson's interval: each clip counts as independent of the others. Few clips make it wide."
    return (
        f"The clips are of {_people(sure.groups)}, and clips of one are alike: whole groups were drawn anew "
        "2,000 times (cluster bootstrap). It is never narrower than Wilson's, which takes clips as independent."
    )


def show_scores(question: Question, scores: Evaluation) -> None:
    """All scores with intervals, baselines, views, robustness and speed."""
    sure = question.certainty()
    _summary(question, scores, sure)
    st.subheader("Each action", anchor=False)
    _per_class(sure)
    st.subheader("Against dumber rules", anchor=False)
    _baselines(question, scores)
    if {"frame", "person"} <= set(question.card.views):
        st.subheader("Whole picture or person", anchor=False)
        _views(question, scores)
    st.subheader("When the picture is worse", anchor=False)
    _robustness(question, scores)


def _summary(question: Question, scores: Evaluation, sure: Certainty) -> None:
    low, high = sure.accuracy
    macro = f"**{scores.macro_f1:.3f}**"
    if sure.macro_f1:
        macro += f" ({sure.macro_f1[0]:.3f} to {sure.macro_f1[1]:.3f})"
    else:
        macro += " (all resamples score the same, so there is no interval)"
    number = len(scores.scored)
    drawn = f"whole groups of {sure.groups} drawn anew" if sure.by == "group" else "each clip drawn for itself"
    st.markdown(
        f"Accuracy **{scores.accuracy:.1%}** ({low:.0%} to {high:.0%}), macro F1 {macro}; 95% intervals from "
        f"{number:,} clips, {drawn}."
    )
    more = max(0, sure.clips_wanted - number)
    lines = []
    others = ", of other people or places," if sure.shared else ""
    if more:
        lines.append(f"About **{more:,} more test clips**{others} would be needed to know the accuracy to ±5 points.")
    spent = question.once("speed", lambda: _speed(question))
    if spent:
        decode, encode, classify = spent
        lines.append(
            f"A clip takes **{sum(spent):.0f} ms** here (median): {decode:.0f} to decode, {encode:.0f} to encode, "
            f"{classify:.1f} to classify, with two clips at a time."
        )
    for line in lines:
        st.markdown(line)
    with st.expander("How these numbers come about", icon=":material/calculate:"):
        st.markdown(_EXPLAINED)


_EXPLAINED = """
- **Accuracy, precision, recall** are shares of clips, with Wilson's 95% interval (1927). Where clips share a group
  (who or where was filmed), whole groups are drawn anew 2,000 times for the accuracy, and the wider interval counts.
- **F1** is no share, so its interval is that of the bootstrap: its middle 95% over 2,000 resamples, by group where
  there are groups (Davison and Hinkley 1997, section 3.8). With fewer than six groups it does not say how others fare.
- **Differences** are judged on the same clips: Newcombe's paired interval (1998, method 10) or that of resampled
  groups, whichever reaches further, and McNemar's exact test on the clips that only one of the two gets right.
- **More clips needed to tell**: n = (1.96 √ψ + 0.84 √(ψ − δ²))² / δ² in all (Connor 1987), with ψ the share of clips
  on which the two differ and δ the difference in accuracy. So many would show it in four of five tries, if things stay.
- **±5 points**: as many clips as make Wilson's interval reach 5 points to either side at the accuracy found.
"""


def _speed(question: Question) -> tuple[float, float, float] | None:
    from har_core.probing import speed

    return speed(question.found, question.keys)


def _per_class(sure: Certainty) -> None:
    table = sure.per_class
    shown = pd.DataFrame({"action": table["action"], "clips": table["clips"]})
    for name in ("recall", "precision", "f1"):
        shown[name] = table[name].round(3)
        shown[f"{name} 95%"] = [
            "–" if pd.isna(low) or low == high else f"{low * 100:.0f}–{high * 100:.0f}%"
            for low, high in zip(table[f"{name} low"], table[f"{name} high"], strict=True)
        ]
    bar = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    config = dict.fromkeys(("recall", "precision", "f1"), bar)
    config["f1"] = st.column_config.ProgressColumn("F1", format="percent", min_value=0, max_value=1)
    config |= {f"{name} 95%": st.column_config.TextColumn("95%") for name in ("recall", "precision", "f1")}
    st.dataframe(
        shown, hide_index=True, width="stretch", height=min(35 * len(shown) + 38, 520), column_config=config,
        key="per class",
    )  # fmt: skip
    st.caption(
        "Recall: how many of its clips are found. Precision: how often its name is right. F1: both in one. Each with "
        "the interval in which it may well lie, – where all resamples score the same."
    )


def _baselines(question: Question, scores: Evaluation) -> None:
    from har_core import baselines

    rules: dict[str, Flags] = dict(
        question.once("rules", lambda: baselines.plain_rules(question.source, question.card, scores))
    )
    for name, condition in (("shuffled frames", "shuffled"), ("single frame", "single")):
        rules[name] = _right(question.scores(condition))  # type: ignore[arg-type]  # both are conditions
    mean, offered = _without_lstm(question, scores)
    if mean is not None:
        rules[_MEAN] = mean
    told = {name: _paired(scores, rules[name]) for name in _RULES if name in rules}
    rows = [("this model", scores.accuracy, "", "", "", "sees the clips as they are")]
    rows += [(name, float(p.second_right.mean()), *_differences(p), _RULES[name]) for name, p in told.items()]
    table = pd.DataFrame(rows, columns=["rule", "accuracy", "difference", "95%", "told apart", "what it does"])
    share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    st.dataframe(table.round(3), hide_index=True, width="stretch", column_config={"accuracy": share}, key="baselines")
    st.caption(
        "A model that reads motion beats all of them. If one frame or shuffled frames do as well, it goes by looks; "
        "if shape and length do, the files themselves give the action away."
    )
    if offered:
        st.caption("The rule without an LSTM learns from the training clips, each of which is decoded once for it.")
        if st.button("Add the rule without an LSTM", icon=":material/balance:"):
            with progress("Looking at training clips") as report:
                flags = baselines.without_order(
                    question.source, question.card, question.model.folder, scores.scored, progress=report
                )
            question.once(_MEAN, lambda: flags)
            st.session_state[f"mean {question.model.name}"] = True
            st.rerun()
    elif mean is None:
        st.caption("None of the model's training clips are here, so rules that learn from them cannot be asked.")


def _without_lstm(question: Question, scores: Evaluation) -> tuple[Flags | None, bool]:
    """What is known of the rule without an LSTM, and whether it can still be asked for."""
    from har_core import baselines

    able = len({clip.action for clip in baselines.training_clips(question.source, question.card)}) > 1
    if able and st.session_state.get(f"mean {question.model.name}"):
        known: Flags | None = question.once(
            _MEAN,
            lambda: baselines.without_order(question.source, question.card, question.model.folder, scores.scored),
        )  # its vectors are kept
        return known, False
    return None, able


def _right(scores: Evaluation) -> Flags:
    import numpy as np

    return np.array([one.right for one in scores.scored], bool)


def _paired(scores: Evaluation, right: Flags) -> Paired:
    from har_core.comparison import Paired

    return Paired(_right(scores), right, tuple(one.group for one in scores.scored))


def _differences(found: Paired) -> tuple[str, str, str]:
    """The difference in points, its interval, and whether it is more than chance."""
    from har_core.comparison import points, probability

    low, high = found.interval
    if found.told_apart:
        told = f"yes, p = {probability(found.p)}" if found.p >= 0.001 else "yes, p below 0.001"
    elif found.more_clips:
        told = f"no, about {found.more_clips:,} more clips"
    else:
        told = "no"
    return points(found.difference), f"{points(low)} to {points(high)}", told


def conditions(question: Question, scores: Evaluation, shown: tuple[Condition, ...], key: str) -> None:
    """A table and bars of the same clips under these conditions, against the clips as they are."""
    from har_core.certainty import certainty
    from har_core.comparison import compare
    from har_core.probing import WORDS

    changed = {name: question.scores(name) for name in shown}
    found = {name: question.once(f"against {name}", partial(compare, scores, changed[name])) for name in shown}
    bars = {WORDS["plain"]: (scores.accuracy, *question.certainty().accuracy)}
    for name in shown:
        interval = question.once(f"certainty {name}", partial(certainty, changed[name])).accuracy
        bars[WORDS[name]] = (changed[name].accuracy, *interval)
    alt = ", ".join(f"{name} {value:.0%}" for name, (value, _, _) in bars.items())
    chart(figures.shares(bars, strong=[WORDS["plain"]], reference=scores.accuracy), f"bars {key}", alt=alt)
    rows = [
        (WORDS[name], *_differences(each), f"{each.otherwise:,} of {len(each.pairs):,}") for name, each in found.items()
    ]
    table = pd.DataFrame(rows, columns=["shown", "points", "95%", "told apart", "other answers"])
    st.dataframe(table, hide_index=True, width="stretch", key=f"table {key}")


def _views(question: Question, scores: Evaluation) -> None:
    other: Condition = "frame" if question.card.clip.view == "person" else "person"
    what = "the person each clip is about" if other == "person" else "the whole picture"
    st.markdown(
        "This model has learned from whole pictures and from people. The scores above are of "
        f"{'the person' if other == 'frame' else 'the whole picture'}; here are the same clips by the other view."
    )
    if at_hand(question, (other,), ask="Score the other view", text=f"Shows it {what}.", times=_LONGER[other]):
        conditions(question, scores, (other,), "views")


def _robustness(question: Question, scores: Evaluation) -> None:
    text = "The same clips with frames dropped, at another rate, grey, blurred, mirrored and dark."
    if at_hand(question, PICTURES, ask="Test how robust it is", text=text, times=4.5):
        conditions(question, scores, ("stuttering", *PICTURES), "robustness")
        st.caption(
            "“Told apart” is McNemar's exact test and the interval agreeing that the difference is more than chance. "
            "A dropped frame leaves the one before it on display. People are looked for in the clips as they are."
        )


def show_downloads(question: Question, scores: Evaluation) -> None:
    """The clips as CSV, everything as JSON."""
    name = f"{question.model.name}-{question.split}"
    with st.container(horizontal=True):
        st.download_button(
            "Clips as CSV", scores.table().map(exports.harmless).to_csv(index=False), f"{name}.csv", "text/csv",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        told = scores.to_json() | {"certainty": question.certainty().to_json()}
        st.download_button(
            "Everything as JSON", json.dumps(told, indent=1, ensure_ascii=False), f"{name}.json",
            "application/json", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
