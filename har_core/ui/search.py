"""The Search view: let the computer try settings for some minutes, and see whether the best is more than luck."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from har_core import curves, machine, searches, turns, workspace
from har_core.dataset import Dataset
from har_core.endings import explain
from har_core.errors import ConfigError
from har_core.events import Ended, Event, Failed, Noticed, Prepared, Started, Trying, Waiting
from har_core.searches import KNOBS, USUAL_KNOBS, Search, SearchConfig, Try
from har_core.ui import recipe
from har_core.ui.choose import notes, run_title, status_badge
from har_core.ui.frame import chart, go_to, plain, reporting, tiles
from har_core.ui.starting import checked
from har_core.values import wilson

_MOST_MINUTES = 24 * 60
_HELPS = {
    "Best accuracy": "Over all folds. It was chosen by this figure, which flatters.",
    "95% interval": "Where the true accuracy of the best most likely lies, as so few clips cannot say more.",
    "Own settings": "The same for the settings that are chosen under New run: the first try.",
    "Tries": "That are over; those that fell behind were given up early.",
    "Seconds per try": "On average.",
}
_HOW = (
    "The groups are dealt into three folds; each try trains on two of them and is judged by the third, for each in "
    "turn. The part that looks at single pictures is held, so that tries are short. Everything else is as under "
    "New run. A test part is not looked at."
)


def show(source: Dataset) -> None:
    """A new search on this data set, and those that there are."""
    found = {search.name: search for search in searches.all_searches(workspace() / "searches")}
    with st.expander("New search", icon=":material/manage_search:", expanded=not found):
        _new(source)
    if found:
        name = st.selectbox("Search", list(found), format_func=run_title, key="search", width=460)
        with reporting():
            _follow(found[name])


def _new(source: Dataset) -> None:
    try:
        base = recipe.config_for(source)
    except ConfigError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.caption(_HOW)
    knobs = st.pills(
        "Settings to try", list(KNOBS), default=list(USUAL_KNOBS), selection_mode="multi",
        format_func=lambda path: KNOBS[path].title, key="knobs", persist_state="session",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        minutes = st.number_input("Minutes", 1, _MOST_MINUTES, 5, key="search minutes", width=140,
                                  help="Of trying. Looking at the clips comes on top, once.")  # fmt: skip
        then = st.toggle("Then train the best", key="then train", help="As an ordinary run, in full, at the end.")
    parts, obstacles = checked(source, base)
    serious = [obstacle.sentence for obstacle in obstacles if obstacle.serious]
    if base.network.weights == "none":
        serious.append("A search holds the part that looks at single pictures, so it needs starting weights.")
    for sentence in serious:
        st.markdown(f":red[:material/error:] {plain(sentence)}")
    if parts is not None:
        clips = parts.train + parts.validation
        groups = len({clip.group for clip in clips})
        st.caption(f"{len(clips):,} clips of {groups:,} groups: a difference of {_spread(len(clips)) * 100:.0f} points "
                   "can be luck.")  # fmt: skip
    if st.button("Start the search", type="primary", icon=":material/play_arrow:", disabled=bool(serious) or not knobs):
        with reporting():
            config = SearchConfig(base=base, knobs=tuple(knobs), minutes=float(minutes), then_train=then)
            made = searches.start(config, workspace() / "searches", name=source.root.name)
            go_to(search=made.name)


def _spread(clips: int) -> float:
    """About half the width of a 95% interval of an accuracy of three in four."""
    low, high = wilson(round(0.75 * clips), clips)
    return (high - low) / 2


def _follow(found: Search) -> None:
    status, tries = found.status(), found.tries()
    with st.container(horizontal=True, vertical_alignment="center"):
        status_badge(status)
        if status == "running" and st.button("Stop", icon=":material/stop:", key="stop search"):
            with st.spinner("Stopping; the tries that are over are kept"):
                found.stop()
            st.rerun()
        if status in ("stopped", "crashed", "failed", "new") and st.button("Go on", icon=":material/play_arrow:"):
            found.resume()
            st.rerun()
        if status == "finished" and st.button("5 more minutes", icon=":material/more_time:"):
            found.resume(more_minutes=5)
            st.rerun()
        _use(found, tries)
    st.fragment(_panel, run_every=1.0 if status == "running" else None)(found, status, bool(tries))


def _use(found: Search, tries: Sequence[Try]) -> None:
    best = searches.best_of(tries)
    if best is None:
        return
    if st.button("Train the best", type="primary", icon=":material/model_training:"):
        go_to(run=searches.train_best(found, workspace() / "runs").name, train_view="Runs")
    if st.button("Take its settings", icon=":material/content_copy:", help="Into the form under New run."):
        config = searches.settings_of(found.config().base, best.settings)
        recipe.offer(config, f"The best of {len(tries)} tries.")


def _panel(found: Search, drawn_as: str, usable: bool) -> None:
    with reporting():
        events, tries, config = found.process.events(), found.tries(), found.config()
        if found.process.status(events) != drawn_as or bool(tries) != usable:
            st.rerun()  # the buttons above are of the old status
        with st.container():  # one place for what comes and goes
            _standing(found, events, tries, running=drawn_as == "running")
        if tries:
            _numbers(tries)
            st.markdown(plain(searches.verdict(tries)))
            _knobs(config, tries)
            _table(config, tries)
        said = dict.fromkeys(e.message for e in events if isinstance(e, Noticed))
        notes(list(said), title="Remarks")


def _standing(found: Search, events: Sequence[Event], tries: Sequence[Try], *, running: bool) -> None:
    last = next((e for e in reversed(events) if isinstance(e, (Ended, Failed))), None)
    if running:
        _under_way(found, events, tries)
    elif found.process.status(list(events)) in ("crashed", "failed"):
        ending = explain(events, found.process.log(), memory=machine.memory(), booted_at=machine.booted_at(),
                         last_sign=found.process.last_sign())  # fmt: skip
        st.error(plain(f"{ending.what} {ending.remedy}"), icon=":material/error:")
    elif isinstance(last, Ended):
        st.markdown("It was stopped; Go on takes it up." if last.reason == "stopped" else "Its time is used up.")


def _under_way(found: Search, events: Sequence[Event], tries: Sequence[Try]) -> None:
    kinds = (Started, Waiting, Prepared, Trying)
    now = next((e for e in reversed(events) if isinstance(e, (*kinds, Ended, Failed))), None)
    minutes, used = found.config().minutes, sum(each.seconds for each in tries) / 60
    number = "1 try" if len(tries) == 1 else f"{len(tries)} tries"
    text = f"{number} in {used:.1f} of {minutes:g} {'minute' if minutes == 1 else 'minutes'}"
    if isinstance(now, Waiting):
        st.progress(0.0, f"Waits for {plain(run_title(now.behind))}, which has the machine.")
        if st.button("Start now anyway", icon=":material/fast_forward:", help="Both will be slower for it."):
            (found.folder / turns.NOW).touch()
    elif isinstance(now, Prepared) and now.total and now.done < now.total:
        # Each clip several times: as it is, and in the variations that training would show.
        st.progress(now.done / now.total, f"Looking at the clips and at variations of them: {now.done} of {now.total}")
    elif isinstance(now, Trying):
        share = min(1.0, used / minutes)
        st.progress(share, f"{text} · try {len(tries) + 1}, epoch {now.epoch} of at most {now.epochs}")
    else:
        st.progress(0.0, "Starting" if not tries else text)


def _numbers(tries: Sequence[Try]) -> None:
    best, own = searches.best_of(tries), tries[0]
    low, high = wilson(best.right.count("1"), len(best.right)) if best else (0.0, 1.0)
    given_up = sum(each.pruned for each in tries)
    tiles({
        "Best accuracy": f"{best.accuracy:.1%}" if best else "–",
        "95% interval": f"{low * 100:.0f}–{high * 100:.0f}%" if best else "–",
        "Own settings": f"{own.accuracy:.1%}" if own.number == 0 else "–",
        "Tries": f"{len(tries)}" + (f" ({given_up} early)" if given_up else ""),
        "Seconds per try": f"{sum(each.seconds for each in tries) / len(tries):.1f}",
    }, helps=_HELPS)  # fmt: skip


def _knobs(config: SearchConfig, tries: Sequence[Try]) -> None:
    """One small figure for each setting that was turned: its value against the accuracy."""
    best = searches.best_of(tries)
    if len(tries) < 2 or best is None:
        return
    st.caption("Each dot is a try: :violet[◆] your own settings, :orange[★] the best, × given up early. Within the "
               "grey band all may be equally good.")  # fmt: skip
    columns = st.columns(3, gap="medium")
    for number, path in enumerate(config.knobs):
        turned = [each for each in tries if path in each.settings]
        if best not in turned:
            continue
        figure = curves.tried(
            [each.settings[path] for each in turned], [each.accuracy for each in turned], log=KNOBS[path].log,
            given_up={i for i, each in enumerate(turned) if each.pruned}, own=0, best=turned.index(best),
            band=wilson(turned[0].right.count("1"), len(turned[0].right)),
        )  # fmt: skip
        with columns[number % 3]:
            st.markdown(f"**{KNOBS[path].title}**")
            alt = f"Accuracy by {KNOBS[path].title}; the best try had {curves.in_words(best.settings[path])}"
            chart(figure, f"knob {path}", alt=alt)


def _table(config: SearchConfig, tries: Sequence[Try]) -> None:
    with st.expander("All tries", icon=":material/table:"):
        rows = [
            {"try": each.number, "accuracy": each.accuracy}
            | {
                KNOBS[path].title: curves.in_words(each.settings[path])
                for path in config.knobs
                if path in each.settings
            }
            | {"epoch": each.epoch, "seconds": round(each.seconds, 1), "given up": "early" if each.pruned else ""}
            for each in sorted(tries, key=lambda each: (-each.accuracy, each.number))
        ]
        percent = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config={"accuracy": percent},
                     key="tries")  # fmt: skip
