"""A training run as it goes on: what its events say, drawn anew every second while it runs."""

from dataclasses import dataclass, field

import streamlit as st

from har_core import endings, forecast, machine, speed, turns
from har_core.events import Ended, EpochEnded, Event, Failed, Noticed, Prepared, Started, Stepped, Tail, Waiting
from har_core.runs import Run
from har_core.ui import charts, coaching, learning
from har_core.ui.choose import notes, run_title, status_badge
from har_core.ui.frame import go_to, plain, reporting, tiles
from har_core.ui.recipe import offer
from har_core.ui.runs_table import about, delete
from har_core.values import wilson

_REASONS = {
    "epochs": "All epochs are done.",
    "early stopping": "Nothing improved any more, so it ended early.",
    "all right": "All validation clips were named rightly before the backbone learned, and they cannot show anything "
    "better: it ended early. Clips of more people would.",
    "stopped": "It was stopped; Resume goes on from the last finished epoch.",
}


_HELPS = {
    "Best accuracy": "On the validation clips. It chose the epoch too, so it flatters a little.",
    "95% interval": "Where the true accuracy most likely lies, as few validation clips cannot say more.",
    "Best epoch": "The one whose model is kept.",
    "Latest loss": "On the validation clips, in the latest epoch.",
    "Epoch takes": "The latest epoch, with judging and keeping it.",
    "Clips/second": "How many training clips are learnt from in a second.",
    "Memory": "What the trainer held after the latest epoch.",
}
"""The tiles in their order, and what each shows."""
_TILE = 136
"""px: all of them stand in one row of a usual window."""


@dataclass(slots=True)
class Story:
    """A run's events as far as a page needs them: each step is forgotten for the next one."""

    tail: Tail
    kept: list[Event] = field(default_factory=list)
    prepared: Prepared | None = None
    stepped: Stepped | None = None

    def read(self) -> None:
        """Take in what was written since the last time."""
        for event in self.tail.read():
            if isinstance(event, Prepared):
                self.prepared = event
            elif isinstance(event, Stepped):
                self.stepped = event
            else:
                self.kept.append(event)
                if isinstance(event, (Started, Waiting)):
                    self.prepared = self.stepped = None

    def last(self, *kinds: type[Event]) -> Event | None:
        """The newest event of these kinds."""
        return next((e for e in reversed(self.kept) if isinstance(e, kinds)), None)


def follow(run: Run) -> None:
    """The whole view of a run: what can be done with it, and how it stands."""
    status, usable = run.status(), _usable(run)
    with reporting():
        _actions(run, status, usable)
    st.fragment(_panel, run_every=1.0 if status == "running" else None)(run, status, usable)


def _usable(run: Run) -> bool:
    """Whether the run has a model by now."""
    return (run.best / "card.json").is_file()


def _actions(run: Run, status: str, usable: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        status_badge(status)
        if status == "running" and st.button("Stop", icon=":material/stop:"):
            with st.spinner("Stopping; the last finished epoch is kept"):
                run.stop()
            st.rerun()
        if status in ("stopped", "crashed", "failed", "new") and st.button("Resume", icon=":material/play_arrow:"):
            run.resume()
            st.rerun()
        if usable:
            if st.button("Evaluate it", icon=":material/analytics:"):
                go_to("evaluate", model=run.name)
            if st.button("Predict with it", icon=":material/movie:"):
                go_to("predict", model=run.name)
            if st.button("Go live with it", icon=":material/videocam:"):
                go_to("live", model=run.name)
        about(run)
        if status != "running" and st.button("Delete", icon=":material/delete:", type="tertiary"):
            delete(run)


def _panel(run: Run, drawn_as: str, usable: bool) -> None:
    with reporting():
        stories: dict[str, Story] = st.session_state.setdefault("stories", {})
        # A run that was deleted and made anew under its old name is another story.
        made = (run.folder / "config.json").stat().st_mtime_ns
        story = stories.setdefault(f"{run.folder} {made}", Story(Tail(run.events_path)))
        story.read()
        if run.status(story.kept) != drawn_as or (_usable(run) and not usable):
            st.rerun()  # the buttons above are of the old status
        epochs, running = run.epochs(story.kept), drawn_as == "running"
        with st.container():  # its bars come and go; in one place they do not move, and so rebuild, all below
            _standing(run, story, epochs, running=running)
        _numbers(story, epochs, running=running)
        started = story.last(Started)
        with st.container():
            if isinstance(started, Started):
                coaching.advice(run, epochs, started, over=not running)
        # Each in a place of its own: what comes or goes in one must not fold up what was unfolded below it.
        with st.container():
            learning.frames_in_training(run, running=running)
        with st.container():
            if epochs:
                charts.curves_of(run, epochs, running=running)
        with st.container():
            if epochs and isinstance(started, Started):
                charts.film_of(run, epochs, started.classes, running=running)
        with st.container():
            if epochs:
                charts.numbers_of(run, epochs, running=running)
        notes([e.message for e in story.kept if isinstance(e, Noticed)], title="Remarks")


def _standing(run: Run, story: Story, epochs: list[EpochEnded], *, running: bool) -> None:
    """In words and bars: what it does now, or how it ended."""
    started, ended = story.last(Started), story.last(Ended, Failed)
    if running:
        # A resumed run has the end of its first part behind it until it says that it started.
        _under_way(run, story, epochs, story.last(Started, Waiting, Ended, Failed))
    elif isinstance(ended, Ended) and not isinstance(story.last(Started, Ended), Started):
        best = f" The best epoch was {ended.best_epoch}." if ended.best_epoch else ""
        st.markdown(_REASONS[ended.reason] + best)
    elif (run.folder / "stop").exists():
        st.markdown(_REASONS["stopped"])
    elif run.status(story.kept) == "new":
        st.markdown("It has not begun. Resume starts it.")
    else:
        _why(run, story)
    if isinstance(started, Started):
        st.caption(
            f"{started.train_clips} clips train, {started.validation_clips} validate · {plain(started.device)}, "
            f"{plain(started.precision)} · window {started.window_seconds:.1f} s at "
            f"{started.frames_per_second:.1f} frames a second · weights {plain(started.weights)}"
        )


def _why(run: Run, story: Story) -> None:
    """Why it ended before its time, and what to do."""
    ending = endings.explain(
        story.kept, run.log(), memory=machine.memory(), booted_at=machine.booted_at(), last_sign=run.last_sign(),
    )  # fmt: skip
    st.error(plain(f"{ending.what} {ending.remedy}"), icon=":material/error:")
    if not ending.again and st.button("New run with these settings", icon=":material/content_copy:"):
        offer(run.config(), f"The settings of {run_title(run.name)}.")
    _log(run)


def _under_way(run: Run, story: Story, epochs: list[EpochEnded], started: Event | None) -> None:
    if isinstance(started, Waiting) and story.prepared is None:
        others = "" if started.before == 1 else f" {started.before} runs come before this one."
        st.progress(0.0, f"Waits for {plain(run_title(started.behind))}, which has the machine.{others}")
        if st.button("Start now anyway", icon=":material/fast_forward:", help="Both will be slower for it."):
            (run.folder / turns.NOW).touch()
        return
    if not isinstance(started, Started):
        done = story.prepared
        if done is None or not done.total:
            st.progress(0.0, "Starting: reading the data set")
        elif done.done == done.total:
            st.progress(1.0, "All clips are decoded; loading the network")
        else:
            st.progress(done.done / done.total, f"Decoding clips: {done.done} of {done.total}")
        st.progress(0.0, "Before the first step")
        return
    step, finished = story.stepped, epochs[-1].epoch if epochs else 0
    within = step.step / step.steps if step and step.epoch > finished else 0.0
    share = min(1.0, (finished + within) / started.epochs)
    text = f"Epoch {min(finished + 1, started.epochs)} of {started.epochs}"
    st.progress(share, text + _time_left(run, epochs, started, within))
    under_way = f"Step {step.step} of {step.steps}, loss {step.loss:.3f}" if step and within else ""
    idle = "Between two epochs" if epochs else "Before the first step"
    st.progress(within, under_way or idle)  # always there: the page would jump with it


def _time_left(run: Run, epochs: list[EpochEnded], started: Started, within: float) -> str:
    """How long the rest takes; training may end before."""
    left = forecast.time_left(epochs, started, run.config(), speed.known(), within=within)
    if left is None:
        return ""
    return f" · {forecast.in_words(*left)} left"


def _numbers(story: Story, epochs: list[EpochEnded], *, running: bool) -> None:
    """The tiles: the same ones from the first moment to the last, so that nothing below them moves."""
    started, interval, shown = story.last(Started), None, dict.fromkeys(_HELPS, "–")
    clips = started.train_clips if isinstance(started, Started) else 0
    if epochs:
        best = max(epochs, key=lambda e: (e.validation_accuracy, -e.validation_loss))
        validated = started.validation_clips if isinstance(started, Started) else 0
        low, high = wilson(round(best.validation_accuracy * validated), validated)
        interval = f"95% interval {low:.0%} to {high:.0%}: {validated} validation clips say no more than that."
        seconds = epochs[-1].seconds
        shown |= {
            "Best accuracy": f"{best.validation_accuracy:.1%}",
            "95% interval": f"{low * 100:.0f}–{high * 100:.0f}%",
            "Best epoch": f"{best.epoch}",
            "Latest loss": f"{epochs[-1].validation_loss:.3f}",
            "Epoch takes": f"{seconds:.1f} s",
            "Clips/second": _rate(clips / seconds) if seconds else "–",
            "Memory": f"{epochs[-1].memory_bytes / 2**30:.1f} GB" if epochs[-1].memory_bytes else "–",
        }
    if running and story.stepped is not None and story.stepped.clips_per_second:
        shown["Clips/second"] = _rate(story.stepped.clips_per_second)
    tiles(shown, helps=_HELPS | ({"95% interval": interval} if interval else {}), width=_TILE)


def _rate(clips: float) -> str:
    return f"{clips:.0f}" if clips >= 10 else f"{clips:.1f}"


def _log(run: Run) -> None:
    if log := run.log():
        with st.expander("What the process wrote", icon=":material/terminal:"):
            st.code(log, language=None, wrap_lines=True)
