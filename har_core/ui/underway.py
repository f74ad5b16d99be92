"""What is being analysed now: how far it is, how long it will take, and a way to end it; looked at twice a second."""

from collections.abc import Sequence

import streamlit as st

from har_core import analyses, attendant, workspace
from har_core.analyses import State, Task
from har_core.errors import HarError
from har_core.ui.asking import BATCH
from har_core.ui.frame import plain, reporting

_EVERY_SECONDS = 0.5
_WAITING = 4
"""Of those that wait so many are shown."""
_PHASES = {
    "loading": "Loading the model",
    "people": "Looking for people",
    "looking": "Looking at what is done",
    "timelines": "Putting the timeline together",
    "copying": "Copying it for browsers; the answer stands below",
    "filming": "Drawing the annotated video; the answer stands below",
}
ACTIVE = ("waiting", "running")


def under_way(viewer: str, tasks: Sequence[Task]) -> None:
    """Draw those that are under way, and sentences for those of this visit that failed.

    Args:
        viewer: whose they are.
        tasks: all of theirs, newest first.
    """
    before = signature(tasks)
    # Whatever is seen under way in this visit belongs to it: if it fails, its sentence is told.
    batch = st.session_state.get(BATCH, [])
    st.session_state[BATCH] = [*batch, *(name for name, active, _ in before if active and name not in batch)]
    if any(active for _, active, _ in before):
        with reporting():
            attendant.ensure(workspace())  # where a process was killed, what waited for it is done by another
        _follow(viewer, before)
    _failed(tasks)


Signature = tuple[tuple[str, bool, tuple[bool, ...]], ...]


def signature(tasks: Sequence[Task]) -> Signature:
    """What must change before the rest of the page looks different."""
    return tuple(
        (task.name, state.stage in ACTIVE, tuple(p.exists() for p in (task.answer, task.film, task.copy)))
        for task, state in zip(tasks, analyses.states(tasks), strict=True)
    )


@st.fragment(run_every=_EVERY_SECONDS)
def _follow(viewer: str, before: Signature) -> None:
    tasks = analyses.listed(workspace(), viewer)
    if signature(tasks) != before:
        st.rerun()
    states = list(zip(tasks, analyses.states(tasks), strict=True))[::-1]
    places = analyses.places(workspace())
    running = [(task, state) for task, state in states if state.stage == "running"]
    waiting = sorted(
        ((t, s) for t, s in states if s.stage == "waiting"), key=lambda pair: places.get(pair[0].folder, 0)
    )
    with st.container(border=True, key="under way"):
        for task, state in running + waiting[:_WAITING]:
            with reporting():
                _row(task, state, places.get(task.folder, 0))
        rest = len(waiting) - _WAITING
        if len(running) + len(waiting) > 1:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"and {rest} more that wait" if rest > 0 else f"{len(running) + len(waiting)} in all")
                if st.button("Cancel all", key="cancel all", type="tertiary", icon=":material/close:"):
                    with reporting():
                        for task, _ in waiting + running:
                            task.stop()
                        st.rerun()


def _row(task: Task, state: State, before: int) -> None:
    request = task.request()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(_share(state), f"**{plain(request.name)}** · {_words(task, state, before)}")
        ending = (task.folder / "stop").exists()
        if st.button("Cancel", key=f"cancel {task.name}", icon=":material/close:", disabled=ending):
            task.stop()
            st.rerun(scope="fragment")


def _share(state: State) -> float:
    return min(1.0, state.done / state.total) if state.stage == "running" and state.total else 0.0


def _words(task: Task, state: State, before: int) -> str:
    if (task.folder / "stop").exists():
        return "ending"
    if state.stage == "waiting":
        return f"waits, {before} before it" if before else "comes next"
    told = [_PHASES.get(state.phase, "At work")]
    if state.total:
        told.append(f"{_share(state):.0%}")
    if state.left is not None and state.left > 1.5:
        told.append(f"{spoken(state.left)} left")
    return " · ".join(told)


def spoken(seconds: float) -> str:
    """A duration in words.

    >>> spoken(7.2), spoken(95), spoken(7300)
    ('8 s', '1:35', '2:01:40')
    """
    whole = max(1, int(seconds + 0.999))
    if whole < 60:
        return f"{whole} s"
    clock = f"{whole // 60 % 60}:{whole % 60:02d}"
    return clock if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _failed(tasks: Sequence[Task]) -> None:
    """The sentences of those that were begun in this visit and gave no answer."""
    for task, state in zip(tasks, analyses.states(tasks), strict=True):
        if told_failed(task, state):
            left, right = st.columns([5, 1], vertical_alignment="center")
            with left:
                st.error(plain(state.message or "It failed."), icon=":material/error:")
            with right:
                again(task)


def told_failed(task: Task, state: State | None = None) -> bool:
    """Whether an analysis was begun in this visit and failed: then its sentence stands above all answers."""
    mine = task.name in st.session_state.get(BATCH, [])
    return mine and not task.answer.exists() and (state or task.state()).stage in ("failed", "crashed")


def again(task: Task) -> None:
    """The button that has an analysis done once more."""
    if st.button("Try again", key=f"again {task.name}", icon=":material/refresh:"):
        with reporting():
            task.ask("analyse")
            attendant.ensure(workspace())
        st.rerun()


def ask_for(task: Task, what: analyses.What) -> None:
    """Have something more done to an analysis.

    Raises:
        HarError: the queue cannot be written.
    """
    if task.alive():
        raise HarError("This video is being worked on at the moment. Try again when that is done.")
    task.ask(what)
    attendant.ensure(workspace())
