"""Repairing what made a model wrong: edit the clip's label, train again with one click, and see what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from har_core import dataset, notes, runs, workspace
from har_core.dataset import Dataset
from har_core.errors import HarError
from har_core.events import Started
from har_core.notes import Notes
from har_core.runs import Run
from har_core.ui import recipe
from har_core.ui.choose import called, status_badge
from har_core.ui.clips import pick, play
from har_core.ui.editing import edit_bar, undo_button
from har_core.ui.frame import go_to, plain, reporting, tiles
from har_core.ui.inspecting import part_of
from har_core.ui.loaders import Model, reading_key
from har_core.ui.reading import bar
from har_core.ui.scoring import Question, job_of, start
from har_core.ui.shelf import shelf
from har_core.ui.starting import checked
from har_core.values import Clip
from har_core.verdicts import Condition

if TYPE_CHECKING:
    from har_core.checkpoint import Card  # these load torch, which is here already when there is something to show
    from har_core.evaluation import Evaluation, Scored
    from har_core.mending import Edited, Mended

PLAIN: tuple[Condition, ...] = ("plain",)
_ASKED = "trained again"
_AT_ONCE = 120
"""Clips that are looked at without asking, once a run has finished."""
_MOST_SHOWN = 200


def repair(
    model: Model, source: Dataset, scored_clips: Sequence[Scored], key: str, *, among: Sequence[Scored] = ()
) -> None:
    """Everything that can be done about clips that a model gets wrong, and what was done since it was trained.

    Args:
        model: that said what `scored_clips` hold.
        source: the data set of the clips, as it is edited now.
        scored_clips: those to be edited; none shows only how things stand.
        key: of the widgets.
        among: the list that they are chosen from, which may be edited as a whole.
    """
    with reporting():
        clips = _edit(model, source, scored_clips, among, key) if scored_clips else []
        since_training(model, source, key)
        if not clips:
            undo_button(source, key=f"undo {key}")  # else the bar has it


def _edit(
    model: Model, source: Dataset, scored_clips: Sequence[Scored], among: Sequence[Scored], key: str
) -> list[Clip]:  # fmt: skip
    """The bar for the clips, and what to think of first; gives the clips that are there to be edited."""
    st.markdown(
        ":material/build: **Is it the label?** :gray[Correct it here. The files stay as they are, and each edit can be "
        "undone.]"
    )
    if len(among) > 1 and st.toggle(f"Edit all {len(among):,} clips of this list at once", key=f"all {key}"):
        scored_clips = among
    judges = [scored for scored in scored_clips if part_of(model, scored) in ("validation", "test")]
    if judges:
        one = "It judges" if len(scored_clips) == 1 else f"{len(judges):,} of them judge"
        st.caption(
            f":material/gavel: {one} the model. Change its label where the label is wrong, not where the model is: "
            "labels that follow the model raise its score, and nothing is learned."
        )
    paths = {scored.path for scored in scored_clips}
    clips = [clip for clip in (*source.clips, *source.excluded) if clip.path in paths]
    edit_bar(source, clips)
    return clips


def since_training(model: Model, source: Dataset, key: str) -> None:
    """What was edited since the model was trained, the way to a model that learns from it, and before and after."""
    if model.run is None:
        _without_a_run(source, key)
        return
    config = model.run.config()
    if Path(config.dataset).resolve() != source.root.resolve():
        st.caption("This model was trained on another data set: what is edited in this one changes nothing it learns.")
        return
    from har_core import mending
    from har_core.checkpoint import read_card

    card = read_card(model.folder)
    learned = card.dataset_version if card.dataset_version is not None else config.version or 0
    then = _read_at(source, learned)
    edited = mending.edits_since(card, then, source)
    earlier, later = mending.relatives(model.run, runs.all_runs(workspace() / "runs"))
    fresh = next((run for run in reversed(later) if run.config().version == source.version), None)
    if not edited and not earlier and not later:
        return
    with st.container(border=True, key=f"since training {key}"):
        if edited:
            st.markdown(f":material/history: **{plain(mending.told(edited, then=learned, now=source.version))}**")
            _list(edited)
        if edited and (fresh is None or fresh.status() in ("failed", "crashed", "stopped", "new")):
            _offer(model.run, card, source, key)
        if later:
            _on_its_way(later[-1])
        pair = (model.run, later[-1]) if later else (earlier[0], model.run) if earlier else None
        if pair is not None and _usable(pair[0]) and _usable(pair[1]) and pair[1].status() != "running":
            _before_and_after(pair, source, key, here=model.name)


def _without_a_run(source: Dataset, key: str) -> None:
    """A model that came with the project: what is missing, and where to go."""
    named = {path.resolve(): name for name, path in dataset.datasets(workspace()).items()}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "This model came with the project, without the run and the clips that made it, so it cannot be trained "
            "again. What you correct counts for every new run on this data set.",
            width="stretch",
        )
        name = named.get(source.root.resolve())
        if name and st.button("Train a model of my own", icon=":material/model_training:", key=f"own model {key}"):
            go_to("train", data=name, train_view="New run")


def _read_at(source: Dataset, version: int) -> Dataset:
    """The data set as it was at a version of its edits."""
    if version == source.version:
        return source
    key = (*reading_key(source.root), "version", version)
    return shelf("data sets of old", 8).get(key, lambda: dataset.read(source.root, version=version))


def _usable(run: Run) -> bool:
    return (run.best / "card.json").is_file()


def _list(edited: Sequence[Edited]) -> None:
    with st.expander("What was edited", icon=":material/list:"):
        rows = [
            (each.clip, each.part or "none", field, before, after)
            for each in edited[:_MOST_SHOWN]
            for field, before, after in each.what
        ]
        columns = ["clip", "part in the training", "what", "before", "after"]
        st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, width="stretch",
                     height=min(35 * len(rows) + 38, 320))  # fmt: skip
        if len(edited) > _MOST_SHOWN:
            st.caption(f"The first {_MOST_SHOWN} of {len(edited):,} clips.")
        if any(each.judges for each in edited):
            st.caption(
                "Clips of the parts validation and test judge models. After the next training both scores are shown, "
                "by the labels of now and by those of then."
            )


def _offer(run: Run, card: Card, source: Dataset, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Train again with these labels", type="primary", icon=":material/model_training:", key=f"again {key}",
            on_click=_ask, args=(run,),
        )  # fmt: skip
        st.caption(
            f"A new run with the settings of {plain(called(run.name))}, judged by the same people. It goes on when you "
            "leave this page.",
            width="stretch",
        )
    if st.session_state.pop(_ASKED, None) == run.name:
        with reporting():
            _train_again(run, card, source)


def _ask(run: Run) -> None:
    """A click is remembered: scoring by new labels may take the run of the page that it causes."""
    st.session_state[_ASKED] = run.name


def _train_again(run: Run, card: Card, source: Dataset) -> None:
    from har_core import mending

    config = mending.again(run.config(), card, source)
    parts, obstacles = checked(source, config)
    told = f"As {called(run.name)}, with version {source.version} of the labels."
    if parts is None or any(obstacle.serious for obstacle in obstacles):
        recipe.offer(config, told)  # the New run view says what stands in the way
    begun = runs.start(config, workspace() / "runs", name=source.root.name)
    notes.write(begun.folder, Notes(note=told))
    st.rerun()


def _on_its_way(run: Run) -> None:
    """How the run with the new labels stands; followed while it runs."""
    st.fragment(_standing, run_every=1.5 if run.status() == "running" else None)(run, run.status())


def _standing(run: Run, drawn_as: str) -> None:
    status = run.status()
    if status != drawn_as:
        st.rerun()  # what stands around it is of the old status
    events = run.milestones()
    epochs = run.epochs(events)
    begun = next((event for event in reversed(events) if isinstance(event, Started)), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        status_badge(status)
        said = f"**{plain(called(run.name))}**, version {run.config().version} of the labels"
        if epochs and begun:
            last = epochs[-1]
            best = max(epoch.validation_accuracy for epoch in epochs)
            said += f" · epoch {last.epoch} of {begun.epochs} · best accuracy {best:.0%} on its validation clips"
        elif status == "running":
            said += " · getting its clips ready"
        st.markdown(said, width="stretch")
        if st.button("Follow it", icon=":material/monitoring:", key=f"follow {run.name}"):
            go_to("train", run=run.name, train_view="Runs")
    if status == "running" and epochs and begun:
        st.progress(min(1.0, epochs[-1].epoch / begun.epochs))
    elif status in ("failed", "crashed"):
        st.caption("It did not come to an end. Follow it to see why, or train again.")


def _before_and_after(pair: tuple[Run, Run], source: Dataset, key: str, *, here: str) -> None:
    """Both models on the clips that neither was trained on."""
    from har_core import mending
    from har_core.checkpoint import read_card

    models = [Model(run.name, run.best, run) for run in pair]
    cards = [read_card(model.folder) for model in models]
    learned = cards[0].dataset_version or 0
    then = _read_at(source, learned)
    sets = [mending.held_out(cards[0], cards[1], each) for each in (source, then)]
    st.markdown("##### Before and after on the same clips")
    if not sets[0]:
        st.info(
            "No clip is held out from both runs: what judged one trained the other, so nothing fair can be said. Keep "
            "the same groups for validation in both.",
            icon=":material/info:",
        )
        return
    asked = [_question(model, card, source, sets) for model, card in zip(models, cards, strict=True)]
    if not _known(asked, key):
        return
    found = _compared(asked, source, then, sets, mending.edits_since(cards[0], then, source))
    _draw(found, models, source.version, learned, key)
    label = "Look at the model after"
    if models[1].name != here and st.button(label, icon=":material/analytics:", key=f"look at after {key}"):
        go_to("evaluate", model=models[1].name)


def _question(model: Model, card: Card, source: Dataset, sets: Sequence[Sequence[Clip]]) -> Question:
    """All clips by which the model is judged, whether by the labels of now or of then."""
    wanted = {clip.path: clip for clips in reversed(sets) for clip in clips}
    # A model is shown a clip whose label it knows, be it the old one.
    known = {clip.path: clip for clips in sets for clip in clips if clip.action in card.classes}
    return Question(model, source, "repair", only=tuple((wanted | known).values()))


def _known(asked: Sequence[Question], key: str) -> bool:
    """Whether all has been looked at; else how far it is, or the button that begins."""
    left = sum(len(question.left(PLAIN)) for question in asked)
    working = [job_of(question, PLAIN) for question in asked]
    with st.container():  # one place, filled or not, so that nothing below moves
        for job in working:
            if job is not None and job.running:
                bar(job, "Looking at the clips")
                return False
        if not left:
            return True
        for job in working:
            if job is not None and job.failed:
                try:
                    job.result()
                except HarError as error:
                    st.error(plain(str(error)), icon=":material/error:")
        pressed = st.button("Compare before and after", icon=":material/compare_arrows:", key=f"before after {key}")
        if pressed or (left <= _AT_ONCE and working == [None] * len(working)):
            for question in asked:
                start(question, PLAIN)
            st.rerun()
    return False


def _compared(
    asked: Sequence[Question], source: Dataset, then: Dataset, sets: Sequence[Sequence[Clip]], edited: Sequence[Edited]
) -> Mended:
    def scores(labels: Dataset, clips: Sequence[Clip]) -> tuple[Evaluation, Evaluation]:
        from har_core import probing

        first, second = (probing.scores(each.card, labels, clips, each.found) for each in asked)
        return first, second

    def work() -> Mended:
        from har_core import mending

        by_old = scores(then, sets[1]) if edited and sets[1] else None
        return mending.mended(scores(source, sets[0]), by_old, edited)

    key = (source.root, source.version, then.version, *(question.stamp for question in asked))
    return shelf("mended", 16).get(key, work)


def _draw(found: Mended, models: Sequence[Model], version: int, learned: int, key: str) -> None:
    from har_core.comparison import points

    low, high = found.now.interval
    number = len(found.now.pairs)
    tiles(
        {
            "Before": f"{found.now.first_right.mean():.1%}",
            "After": f"{found.now.second_right.mean():.1%}",
            "Difference": f"{points(found.now.difference)} points",
            "95% interval": f"{points(low)} to {points(high)}",
            "Clips": f"{number:,}",
        },
        helps={
            "Before": f"{plain(called(models[0].name))}, by the labels of version {version}.",
            "After": f"{plain(called(models[1].name))}, by the labels of version {version}.",
            "Clips": "That judged one of the two, and whose group trained neither.",
        },
        width=184,
    )
    for sentence in found.sentences():
        st.markdown(plain(sentence))
    if warning := found.warning():
        st.warning(plain(warning), icon=":material/gavel:")
    if found.then is not None and found.edited:
        _by_labels(found, version, learned)
    _changed(found, key)


def _by_labels(found: Mended, version: int, learned: int) -> None:
    rows = [
        (
            f"of now (version {version})",
            len(found.now.pairs),
            found.now.first_right.mean(),
            found.now.second_right.mean(),
        )
    ]
    if found.then is not None:
        old = found.then
        rows.append((f"of then (version {learned})", len(old.pairs), old.first_right.mean(), old.second_right.mean()))
    share = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        pd.DataFrame(rows, columns=["judged by the labels", "clips", "before", "after"]).round(3), hide_index=True,
        width="stretch", column_config={"before": share, "after": share},
    )  # fmt: skip


def _changed(found: Mended, key: str) -> None:
    """The clips to which the two give different answers."""
    sides = {"second only": "right now", "first only": "wrong now", "neither": "wrong, otherwise"}
    touched = {each.clip for each in found.edited}
    rows = [
        (first, second, text)
        for side, text in sides.items()
        for first, second in found.now.changed()[side]
    ]  # fmt: skip
    if not rows:
        st.caption("Both give the same answer to every clip.")
        return
    table = pd.DataFrame(
        [
            (first.clip, text, first.action, first.prediction.action, second.prediction.action,
             first.clip.replace("\\", "/") in touched)
            for first, second, text in rows
        ],
        columns=["clip", "changed to", "action", "before", "after", "edited"],
    )  # fmt: skip
    st.markdown(f"**{len(rows):,} {'clip' if len(rows) == 1 else 'clips'} changed sides**")
    left, right = st.columns([5, 2], gap="medium")
    with left:
        row = pick(table, f"changed {key}", height=min(35 * len(table) + 38, 320))
    with right:
        if row is not None:
            play(rows[row][0].path)
