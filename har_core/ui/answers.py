"""What a prediction shows: the clip, its Top-K, what was looked at, and how it changes over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from har_core import plots
from har_core.ui.clips import play
from har_core.ui.frame import chart, plain
from har_core.ui.loaders import Model, everybody, predictor

if TYPE_CHECKING:
    from har_core.prediction import Examined  # loads torch, which is here already when there is something to show

_MOST_PEOPLE = 8


def show_answer(name: str, path: Path, seen: Examined, k: int, key: str) -> None:
    """One clip and what the model says of it."""
    prediction = seen.prediction
    action, probability = prediction.top(1)[0]
    left, right = st.columns(2, gap="large")
    with left:
        play(path)
        facts = seen.properties
        st.caption(f"{plain(name)} · {facts.seconds:.1f} s · {facts.width} × {facts.height} · {plain(facts.codec)}")
    with right:
        if seen.damage:
            st.badge("damaged file", icon=":material/broken_image:", color="orange")
            st.markdown(f"### Perhaps {plain(action)}")
            st.caption(plain(seen.damage))
        elif prediction.unsure:
            st.badge("unsure", icon=":material/help:", color="orange")
            st.markdown(f"### Perhaps {plain(action)}")
            st.caption(f"Below {prediction.unsure_below:.0%} this model had better not name an action.")
        else:
            st.markdown(f"### {plain(action)} :gray[{probability:.0%}]")
        alt = "The most probable actions: " + ", ".join(f"{a} {p:.1%}" for a, p in prediction.top(k))
        chart(plots.top(prediction, k), f"top {key}", alt=alt)
    if seen.thumbnails:
        st.markdown(f"**What it looked at:** {seen.frames} frames, {len(seen.thumbnails)} of them here")
        with st.container(horizontal=True, gap="small"):
            for second, jpeg in seen.thumbnails:
                st.image(jpeg, caption=f"{second:.1f} s", width=96, alt=f"The frame at {second:.1f} seconds")
    if len(seen.windows) > 1:
        st.markdown("**Over time**")
        windows = [(w.start, w.stop, w.prediction) for w in seen.windows]
        chart(plots.over_time(windows, min(k, 5)), f"time {key}", alt="Probabilities in each window of the clip")
        st.caption("The clip is looked at through several windows; the answer is their mean.")


def show_people(model: Model, path: Path, seconds: float, k: int, key: str) -> None:
    """What each person of a clip did, and when; only looked for when asked, because it takes a while."""
    ready = predictor(model)
    if ready.detector is None or not st.toggle(
        "Name each person", "person" in ready.card.views, key=f"people {key}",
        help="Finds and follows everybody in the clip, and asks the model about each.",
    ):  # fmt: skip
        return
    if "person" not in ready.card.views:
        st.caption("This model has learned from whole pictures: what it says of one person is a guess.")
    with st.spinner("Looking for people. A long or large clip takes a minute or more.", show_time=True):
        found, portraits = everybody(model, path)
    if not found:
        st.caption("Nobody was found in this clip.")
        return
    for who in found[:_MOST_PEOPLE]:
        picture, what = st.columns([1, 5], vertical_alignment="center")
        picture.image(portraits[who.track or 0], width=110, alt=f"Person {who.track}")
        action, probability = who.prediction.top(1)[0]
        guess = who.prediction.unsure or "person" not in ready.card.views
        named = f"perhaps {plain(action)}" if guess else f"**{plain(action)}** :gray[{probability:.0%}]"
        what.markdown(rf"**\#{who.track}** {named}")
        rest = " · ".join(f"{plain(a)} {p:.0%}" for a, p in who.prediction.top(max(2, k))[1:])
        what.caption(f"{who.start:.1f} to {who.stop:.1f} s · then {rest}")
    if len(found) > _MOST_PEOPLE:
        st.caption(f"and {len(found) - _MOST_PEOPLE} more")
    segments = [segment for who in found[:_MOST_PEOPLE] for segment in who.segments]
    if segments:
        chart(plots.timeline(segments, seconds), f"who {key}", alt="What each person did over the time of the clip")


def downloads(answers: dict[str, Examined], failed: dict[str, str], k: int) -> None:
    """The Top-K of all clips as CSV and JSON."""
    rows = [
        {"clip": name, "rank": rank, "action": action, "probability": probability}
        for name, seen in answers.items()
        for rank, (action, probability) in enumerate(seen.prediction.top(k), 1)
    ]
    document = [
        {
            "clip": name,
            "seconds": seen.properties.seconds,
            "unsure": seen.unsure,
            "damage": seen.damage,
            "top": [{"action": action, "probability": p} for action, p in seen.prediction.top(k)],
        }
        for name, seen in answers.items()
    ]
    document += [{"clip": name, "error": sentence} for name, sentence in failed.items()]
    with st.container(horizontal=True):
        st.download_button(
            "Answers as CSV", pd.DataFrame(rows).to_csv(index=False), "predictions.csv", "text/csv",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        st.download_button(
            "Answers as JSON", json.dumps(document, indent=1, ensure_ascii=False), "predictions.json",
            "application/json", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
