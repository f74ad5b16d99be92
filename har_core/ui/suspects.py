"""Clips whose label is in doubt and clips unlike all others: look at each, then mend it or call it right.

Each decision is a version of the data set, or a line in the workspace: a clip's file is never touched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from har_core.atlas import SURE, Atlas, Issue, Outlier, Review, accept, accepted
from har_core.dataset import Dataset, versions
from har_core.dataset.versions import Changes
from har_core.errors import HarError
from har_core.facts import ClipFacts
from har_core.ui.clips import play
from har_core.ui.films import films
from har_core.ui.frame import plain
from har_core.ui.picking import show_clips
from har_core.values import Clip

_TOLD, _REFUSED, _PLAYING = "suspect told", "suspect refused", "suspect playing"
_SHOWN = 6
"""Clips of a list until more are asked for."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A clip of a list, by path; `why` in Markdown. `suggested` is another action, or empty."""

    clip: str
    action: str
    why: str
    suggested: str = ""
    sure: float = 0.0


def suspects(found: Atlas, source: Dataset) -> tuple[list[Suspect], list[Suspect]]:
    """Doubtful labels and outliers that nobody has decided about yet; both as they stand in `source` now."""
    actions = {source.relative(clip): clip.action for clip in source.clips}
    right = accepted(source.root)

    def open_(item: Issue | Outlier, action: str) -> bool:
        clip = found.clips[item.row]
        return actions.get(clip) == action and right.get(clip) != action and clip not in source.ambiguous

    doubtful = [
        Suspect(found.clips[i.row], i.given, _doubt(i), i.suggested, i.sure)
        for i in found.review.issues
        if open_(i, i.given)
    ]
    odd = [
        Suspect(
            found.clips[o.row], o.action, f"**{plain(o.action)}** · {o.times:.1f} × as far from the others as usual"
        )
        for o in found.outliers
        if open_(o, o.action)
    ]
    return doubtful, odd


def _doubt(issue: Issue) -> str:
    word = f":red[{issue.sure:.0%}]" if issue.sure >= SURE else f":gray[{issue.sure:.0%}]"
    return f"**{plain(issue.given)}** → **{plain(issue.suggested)}** · {word}"


def show_suspects(
    found: Atlas, source: Dataset, doubtful: Sequence[Suspect], odd: Sequence[Suspect], facts: Mapping[str, ClipFacts]
) -> None:
    """Draw both lists, one at a time."""
    if refused := st.session_state.pop(_REFUSED, ""):
        st.error(plain(refused), icon=":material/error:")
    if told := st.session_state.pop(_TOLD, ""):
        st.toast(plain(told), icon=":material/check:")
    lists = {
        "wrong": ("Probably wrong", [suspect for suspect in doubtful if suspect.sure >= SURE]),
        "doubtful": ("Worth a look", [suspect for suspect in doubtful if suspect.sure < SURE]),
        "outliers": ("Outliers", odd),
    }
    chosen = st.segmented_control(
        "List", list(lists), format_func=lambda name: f"{lists[name][0]} ({len(lists[name][1]):,})", default="wrong",
        required=True, key="suspect list", label_visibility="collapsed",
    )  # fmt: skip
    title, listed = lists[chosen or "wrong"]
    if chosen == "outliers":
        st.caption("Clips unlike all others of their action: filmed otherwise, cut wrongly, or of something else.")
    else:
        _introduce(found.review, listed)
    if not listed:
        return
    clips = {source.relative(clip): clip for clip in source.clips}
    key = f"suspects shown {chosen}"
    shown = st.session_state.get(key, _SHOWN)
    for suspect in listed[:shown]:
        _card(source, clips[suspect.clip], suspect, facts)
    with st.container(horizontal=True):
        if shown < len(listed) and st.button(f"Show more ({len(listed) - shown:,})", key="more suspects"):
            st.session_state[key] = shown + 4 * _SHOWN
            st.rerun()
        if st.button("See all in the gallery", type="tertiary", icon=":material/grid_view:", key="suspects in gallery"):
            show_clips(f"Map: {title.lower()}", [suspect.clip for suspect in listed])


def _introduce(review: Review, listed: Sequence[Suspect]) -> None:
    """What the list rests on, and why it may be empty."""
    if not review.judged:
        st.info(plain(" ".join(review.notes)), icon=":material/info:")
        return
    agrees = f"{review.accuracy:.0%} of the labels, where guessing would with {review.chance:.0%}"
    if not review.told_apart:
        st.info(
            f"What is seen here agrees with only {agrees}: it cannot tell these actions apart, so its doubts would "
            "mean nothing. Choose a model that was trained on them above.",
            icon=":material/info:",
        )
        return
    if not listed:
        st.success("There is none, or all have been decided.", icon=":material/verified:")
    else:
        st.caption(
            f"The likeliest mistakes first, with what they look like to a quick classifier that has seen no "
            f"clip of their group. It agrees with {agrees}: take it for a hint, and look before you decide."
        )
    for note in review.notes:
        st.caption(plain(note))


def _card(source: Dataset, clip: Clip, suspect: Suspect, facts: Mapping[str, ClipFacts]) -> None:
    name = suspect.clip
    with st.container(border=True, key=f"suspect {name}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.container(width="content"):
                films([name], facts)
            with st.container(width="stretch", gap=None):
                st.markdown(suspect.why)
                st.caption(plain(name))
            playing = st.session_state.get(_PLAYING) == name
            st.button("Close" if playing else "Play", key=f"play {name}", type="tertiary",
                      icon=":material/close:" if playing else ":material/play_arrow:", on_click=_play,
                      args=("" if playing else name,))  # fmt: skip
        with st.container(horizontal=True, gap="xsmall"):
            if suspect.suggested:
                what = f"Relabelled {name} as {suspect.suggested}"
                st.button(f"Relabel to {plain(suspect.suggested)}", key=f"relabel {name}", icon=":material/label:",
                          on_click=_change, args=(source, name, what, Changes(action=suspect.suggested)))  # fmt: skip
            st.button("It is right", key=f"right {name}", icon=":material/check:", on_click=_accept,
                      args=(source, name, suspect.action), help="It will not be listed again.")  # fmt: skip
            st.button("Exclude", key=f"exclude {name}", icon=":material/visibility_off:", on_click=_change,
                      args=(source, name, f"Excluded {name}", Changes(excluded=True)),
                      help="Out of the data set. The file stays where it is.")  # fmt: skip
        if playing:
            play(clip.path)


def _play(name: str) -> None:
    st.session_state[_PLAYING] = name


def _change(source: Dataset, name: str, what: str, changes: Changes) -> None:
    """A callback, so that a refusal is not tried again with each run of the page."""

    def edit() -> str:
        versions.change(source.root, what, {name: changes}, source=source)
        return f"{what}. Undo takes it back."

    _do(edit)


def _accept(source: Dataset, name: str, action: str) -> None:
    def keep() -> str:
        accept(source.root, [(name, action)])
        return f"{name} stays {action}."

    _do(keep)


def _do(decide: Callable[[], str]) -> None:
    try:
        st.session_state[_TOLD] = decide()
    except HarError as error:
        st.session_state[_REFUSED] = str(error)
