"""Record clips of your own: say what and who, stand before the camera, look at the takes, keep the good ones."""

import math
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from har_core import dataset, takes, workspace
from har_core.dataset import groups
from har_core.errors import HarError
from har_core.takes import Label, Plan, Take
from har_core.ui import own, sources, studio, webrtc
from har_core.ui.connection import check_panel, ice_servers
from har_core.ui.frame import go_to, plain, reporting
from har_core.ui.loaders import playable

_CAMERA, _DATA, _ACTION, _PERSON, _NOW = "takes camera", "take data", "take action", "take person", "take at once"
_A_ROW = 3
_REJECTED = "takes rejected"
_NEXT = 8
_POLL_SECONDS = 0.4


def record_panel() -> None:
    """The camera, the button, and the takes that wait."""
    mine = studio.this_studio()
    if _DATA not in st.session_state:  # the viewer comes from elsewhere: the picture went with the page
        mine.stop()
        webrtc.forget(_CAMERA)
    st.markdown("Do each action a few times, and let another person do it too: the model is tested on people "
                "whom it has not seen.")  # fmt: skip
    label = _what()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        sources.warn_insecure("Open this app under such an address, or upload clips that were filmed elsewhere.")
        state = webrtc.stream(_CAMERA, mine.open, ice_servers=ice_servers(), failed=_nothing)
    with right:
        plan = _plan()
        _controls(mine, plan, label, playing=state == "playing")
    _review(mine)
    with st.expander("No picture?", icon=":material/lan:"):
        check_panel(camera=True, addresses=webrtc.addresses())


def _nothing(sentence: str) -> None:
    """A camera has no film that could fail."""


def _what() -> Label:
    """Which data set, action and person; each can be picked or typed."""
    one, two, three = st.columns(3)
    name = own.choose(one, _DATA)
    actions, people = _known(workspace() / "datasets" / name)
    action = two.selectbox(
        "Action", actions, index=None, key=_ACTION, accept_new_options=True, placeholder="Type one, such as wave",
    )  # fmt: skip
    person = three.selectbox(
        "Who acts", people, index=None, key=_PERSON, accept_new_options=True, placeholder="Type a name",
        help="All clips of one person go to the same side of the split, so that the score is honest.",
    )  # fmt: skip
    # Another capital or a space at the end is no other action.
    typed = str(action or "").strip()
    typed = next((known for known in actions if known.casefold() == typed.casefold()), typed)
    return Label(name, typed, str(person or "").strip())


def _known(root: Path) -> tuple[list[str], list[str]]:
    """The actions and people of the data set and of the takes that wait for it."""
    labels = [take.label for take in studio.waiting()]
    actions = {*own.actions(root), *(label.action for label in labels)}
    return sorted(actions), sorted({*own.people(root), *(label.person for label in labels)})


def _plan() -> Plan:
    with st.popover("Timing", icon=":material/timer:"):
        seconds = st.slider("Length of a take, seconds", 1.0, 10.0, 3.0, 0.5, key="take seconds")
        number = st.slider("Takes in a row", 1, 10, 3, key="take number")
        countdown = st.slider("Countdown, seconds", 0, 10, 3, key="take countdown")
        pause = st.slider("Pause between takes, seconds", 0, 10, 2, key="take pause")
    return Plan(number, seconds, float(countdown), float(pause))


def _controls(mine: studio.Studio, plan: Plan, label: Label, *, playing: bool) -> None:
    text = "Record a take" if plan.takes == 1 else f"Record {plan.takes} takes"
    busy = not mine.settled()
    ready = playing and not busy
    pressed = st.button(text, type="primary", icon=":material/radio_button_checked:", disabled=not ready,
                        key="take record")  # fmt: skip
    if pressed or (st.session_state.pop(_NOW, False) and ready):
        with reporting():
            _check(label)
            mine.begin(plan, label)
            st.rerun()  # the button above was drawn as one that may be pressed
    if not busy and (wrong := _wrong(label)):
        st.warning(plain(wrong), icon=":material/warning:")  # while it is typed, not only once it is pressed
    if busy:
        if st.button("Stop recording", icon=":material/stop:", key="take stop"):
            mine.stop()
            st.rerun()
    elif not playing:
        st.caption("Press Start and allow the camera.")
    else:
        st.caption(
            f"{plan.takes} × {plan.seconds:g} s, done in {plan.whole:.0f} s. Nothing else is recorded, no sound."
        )
        if number := len(studio.waiting()):
            st.caption(f"{number} {'take waits' if number == 1 else 'takes wait'} below to be kept.")
        _others(label, text)
    st.fragment(_standing, run_every=_POLL_SECONDS if busy else None)(mine, busy)


def _others(label: Label, text: str) -> None:
    """A button for each action that others did and this person did not yet: one click, and it is recorded."""
    if not label.person.strip():
        return
    try:
        person = groups.slug(label.person)
    except HarError:  # said when it is recorded
        return
    root = workspace() / "datasets" / label.dataset
    waiting = [take.label for take in studio.waiting() if take.label.dataset == label.dataset]
    done = own.done_by(root, person) | {label.action} | {one.action for one in waiting if _is(one.person, person)}
    if missing := sorted({*own.actions(root), *(one.action for one in waiting)} - done):
        st.caption(f"Not yet by {plain(label.person)}. {text.replace('Record', 'Press to record')} of:")
        with st.container(horizontal=True):
            for action in missing[:_NEXT]:
                st.button(plain(action), key=f"take next {action}", icon=":material/radio_button_checked:",
                          on_click=_at_once, args=(action,))  # fmt: skip


def _is(name: str, person: str) -> bool:
    try:
        return groups.slug(name) == person
    except HarError:
        return False


def _at_once(action: str) -> None:
    st.session_state[_ACTION], st.session_state[_NOW] = action, True


def _check(label: Label) -> None:
    """HarError where the take could not be kept later."""
    for what, text in (("action", label.action), ("person", label.person)):
        if not text.strip():
            raise HarError(f"Say first which {what} it is: pick or type it above the picture.")
    if wrong := _wrong(label):
        raise HarError(wrong)


def _wrong(label: Label) -> str:
    """Why the names that are there cannot be kept, "" where they can."""
    try:
        dataset.check_name(label.dataset)
        if label.action.strip():
            dataset.check_name(label.action)
        if label.person.strip():
            groups.slug(label.person)
    except HarError as error:
        return str(error)
    return ""


def _standing(mine: studio.Studio, busy: bool) -> None:
    """What is under way, drawn anew while it is; then the takes are shown."""
    now = mine.moment
    if now.phase == "countdown":
        st.progress(0.0, f"Take {now.take} begins in {math.ceil(now.left)} s")
    elif now.phase == "recording":
        st.progress(now.share, f"Take {now.take}: {now.left:.1f} s left")
    if busy and mine.is_black:
        st.warning("The picture is black. Take the cover off the camera, or choose another one.",
                   icon=":material/visibility_off:")  # fmt: skip
    if mine.trouble:
        st.error(plain(mine.trouble), icon=":material/error:")
    if busy and mine.settled():
        st.rerun()


def _review(mine: studio.Studio) -> None:
    """The takes of this window, then those that were left by others or by an app that ended."""
    if not mine.settled():
        return
    found = studio.waiting()
    own = [take for take in found if take.label.viewer == mine.viewer]
    others = [take for take in found if take.label.viewer != mine.viewer]
    if own:
        st.subheader("Your takes", anchor=False)
        _takes(own, "own")
    if thrown := takes.thrown_away(studio.home()):
        text = f"Bring back {len(thrown)} thrown away"
        if st.button(text, icon=":material/undo:", type="tertiary", help="For an hour they can be.", key="take undo"):
            takes.bring_back(studio.home())
            st.rerun()
    if others:
        title = f"Takes of earlier, not kept yet ({len(others)})"
        with st.expander(title, icon=":material/inventory_2:", expanded=not own):
            _takes(others, "others")


def _takes(found: Sequence[Take], key: str) -> None:
    # Another window may have finished a take since this page was drawn: nothing is done to one that nobody saw.
    names = [take.folder.name for take in found]
    before = st.session_state.get(f"shown takes {key}", names)
    st.session_state[f"shown takes {key}"] = names
    seen = [take for take in found if take.folder.name in before]
    wanted: list[Take] = []
    for first in range(0, len(found), _A_ROW):
        for column, take in zip(st.columns(_A_ROW), found[first : first + _A_ROW], strict=False):
            with column.container(border=True), reporting():
                st.video(str(playable(take.film)), loop=True, muted=True, alt=f"A take of {take.label.action}")
                if _kept(take):
                    wanted.append(take)
    with st.container(horizontal=True):
        text = f"Keep all {len(found)}" if len(wanted) == len(found) else f"Keep {len(wanted)} of {len(found)}"
        help_ = (
            None if len(wanted) == len(found) else "The others are thrown away, and can be brought back for an hour."
        )
        if wanted and st.button(text, type="primary", icon=":material/check:", key=f"keep takes {key}", help=help_):
            _keep(seen, [take for take in wanted if take in seen])
        if st.button("Throw all away", icon=":material/delete:", key=f"discard takes {key}"):
            for take in seen:
                takes.throw_away(take)
            st.rerun()


def _kept(take: Take) -> bool:
    """A switch that remembers: Streamlit forgets one that is not drawn for a while, as during the next take."""
    rejected: dict[str, bool] = st.session_state.setdefault(_REJECTED, {})
    name = take.folder.name
    label = f"Keep · {plain(take.label.action)} · {plain(take.label.person)}"
    if take.label.dataset != st.session_state.get(_DATA):
        label += f", for {plain(take.label.dataset)}"
    kept = st.toggle(label, not rejected.get(name, take.label.cut), key=f"keep {name}")
    rejected[name] = not kept
    if take.label.cut:
        st.caption("Stopped before its time.")
    return bool(kept)


def _keep(found: Sequence[Take], wanted: Sequence[Take]) -> None:
    """Into their data sets; a take leaves its place only once its clip is safe."""
    failed = ""
    for take in wanted:
        try:
            with take.film.open("rb") as film:
                dataset.add_clip(
                    workspace(), take.label.dataset, take.label.action, takes.file_name(take), film,
                    group=take.label.person,
                )  # fmt: skip
        except (HarError, OSError) as error:
            failed = str(error)
            continue
        takes.discard(take)
    if failed:
        st.error(plain(f"{failed} The take still waits here."), icon=":material/error:")
        return
    for take in found:
        if take not in wanted:
            takes.throw_away(take)
    number, sets = len(wanted), sorted({take.label.dataset for take in wanted})
    told = f"{number} {'clip' if number == 1 else 'clips'} added to {', '.join(sets)}."
    st.toast(plain(told), icon=":material/check:")
    # On with the next action, in the same place; the data set is the one that stands above.
    go_to(data=dataset.check_name(wanted[0].label.dataset), dataset_view="Add clips")
