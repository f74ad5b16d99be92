"""What was found in one video: the answer, the player with its lanes, the people, and files to take away."""

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from har_core import analyse_commands, analyses, exports, intake
from har_core.analyses import Task
from har_core.errors import HarError
from har_core.lanes import Analysis
from har_core.ui import player as players
from har_core.ui.choose import run_title
from har_core.ui.clips import served
from har_core.ui.frame import plain, reporting
from har_core.ui.loaders import Model, predictor
from har_core.ui.player import Film, Fix
from har_core.ui.shelf import shelf
from har_core.ui.underway import ACTIVE, again, ask_for, spoken, told_failed

_MOST_K = 10
_IN_MEMORY = 1 << 30
"""Bytes of an annotated video that the page plays; a larger one is named by its path."""
_FACES = 48
"""People whose portraits are sent to the browser: those that the player shows first."""


def show(task: Task) -> None:
    """Draw the result of an analysis, or what became of it."""
    request, state = task.request(), task.state()
    if not task.answer.exists():
        if state.stage in ACTIVE or told_failed(task):
            return
        told = {"stopped": f"The analysis of {request.name} was cancelled."}.get(state.stage, state.message)
        left, right = st.columns([5, 1], vertical_alignment="center")
        with left:
            st.warning(plain(told or "There is no answer."), icon=":material/info:")
        with right:
            again(task)
        return
    analysis = read(task)
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        _headline(task, analysis)
    with right:
        k = _k(analysis)
    _remarks(analysis, state.message, sought=request.people)
    film = _film(task, analysis)
    if not film.url and not film.annotated:
        _no_film(task)
    portraits = {track: _portrait(task, track) for track in longest(analysis, _FACES)}
    said = players.player(
        analysis, film, portraits, k=k, vtt=_subtitles(analysis), mend=_mendable(task), key="video player",
        stamp=task.name, trouble=st.session_state.pop(_trouble(task), ""),
    )  # fmt: skip
    if said.unplayable:
        _cannot_play(task)
    with reporting():
        if said.fix is not None:
            _mend(task, analysis, said.fix)
        _take_away(task, analysis)


def longest(analysis: Analysis, most: int) -> list[int]:
    """The numbers of so many people, those in view longest first: of a crowd the player shows these."""
    order = sorted(analysis.people, key=lambda lane: lane.start - lane.stop)
    return [lane.track for lane in order[:most] if lane.track is not None]


def read(task: Task) -> Analysis:
    """The answer of an analysis, read from the disk when it has changed.

    Raises:
        HarError: it is damaged, or of another version of the program.
    """
    status = task.answer.stat()

    def load() -> Analysis:
        try:
            return Analysis.from_json(json.loads(task.answer.read_text(encoding="utf-8")))
        except (ValueError, RecursionError) as error:
            raise HarError(f"The answer of {task.request().name} is damaged ({error}). Analyse it again.") from None

    return shelf("analyses", 16).get((task.folder, status.st_size, status.st_mtime_ns), load)


def _headline(task: Task, analysis: Analysis) -> None:
    request, whole = task.request(), analysis.whole.prediction
    action, probability = whole.top(1)[0]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="video answer"):
        if analysis.whole.prediction.unsure and not analysis.damage and (seen := analysis.seen()):
            # Several actions one after the other: no one name fits all of it, and the timeline is sure of each.
            st.markdown(f"### {plain(several([action for action, _, _ in seen]))}", width="content")
        elif analysis.unsure:
            word, icon = (
                ("damaged file", ":material/broken_image:") if analysis.damage else ("unsure", ":material/help:")
            )
            st.markdown(f"### Perhaps {plain(action)}", width="content")
            st.badge(word, icon=icon, color="orange")
        else:
            st.markdown(f"### {plain(action)} :gray[{probability:.0%}]", width="content")
    facts = analysis.properties
    took = task.state().took
    told = [
        plain(analysis.name), spoken_length(facts.seconds), f"{facts.width} × {facts.height}", plain(facts.codec),
        f"by {plain(run_title(request.title))}",
        time.strftime("analysed %Y-%m-%d %H:%M", time.localtime(request.at)),
        *([f"took {spoken(took)}"] if took else []),
    ]  # fmt: skip
    st.caption(" · ".join(told))


def _remarks(analysis: Analysis, message: str, *, sought: bool) -> None:
    """What to know before the answer is believed; `message` says what went wrong after it, `sought` whether people
    were looked for."""
    if message:
        st.warning(plain(message), icon=":material/warning:")
    whole = analysis.whole.prediction
    if analysis.damage:
        st.warning(plain(analysis.damage), icon=":material/broken_image:")
    elif whole.unsure and not analysis.seen():
        st.caption(f"Below {whole.unsure_below:.0%} this model had better not name an action.")
    if analysis.note:
        st.caption(f":material/info: {plain(analysis.note)}")
    if sought and not analysis.people:
        st.caption(":material/person_off: No person was found in it; the answer goes by the whole picture.")
    if told := seen_in(analysis.seen()):
        st.markdown(f"**Seen in it:** {plain(told)}")


def seen_in(seen: Sequence[tuple[str, int, float]]) -> str:
    """Actions with how often and how many seconds in all they were seen, in words.

    >>> seen_in([("push", 2, 3.0), ("hug", 1, 75.0)])
    'push 2 times, 3.0 s · hug 1:15'
    """
    return " · ".join(
        f"{action} {f'{times} times, ' if times > 1 else ''}{spoken_length(seconds)}" for action, times, seconds in seen
    )


def spoken_length(seconds: float) -> str:
    """How long a video is, in words: tenths of a second where it is short."""
    return f"{seconds:.1f} s" if seconds < 60 else spoken(seconds)


def _k(analysis: Analysis) -> int:
    most = min(_MOST_K, len(analysis.classes))
    if most < 2:
        return 1
    return int(st.slider("How many actions to name (K)", 1, most, min(5, most), key=f"k of {most}"))


def _film(task: Task, analysis: Analysis) -> Film:
    """What the browser plays: the video, or a copy where it cannot play that; and the annotated one."""
    shown = task.copy if task.copy.exists() else None
    with contextlib.suppress(HarError, OSError):
        source = task.source()
        if shown is None and _plays(source) and not st.session_state.get(f"cannot play {task.name}"):
            shown = source
    frames = task.folder / "frames.jpg"
    return Film(
        served(shown, "har-player") if shown else "",
        served(task.film, "har-player-annotated") if _small(task.film) else "",
        f"{Path(intake.harmless(analysis.name)).stem}-annotated.mp4",
        (task.folder / analyses.OUTDATED).exists(),
        frames.read_bytes() if frames.exists() else b"",
        analyse_commands.ALONG,
    )


def _small(film: Path) -> bool:
    """Whether there is an annotated video that Streamlit can hold in memory while it is looked at."""
    return film.exists() and film.stat().st_size <= _IN_MEMORY


def _plays(source: Path) -> bool:
    status = source.stat()
    key = (source, status.st_size, status.st_mtime_ns)
    return shelf("plays", 256).get(key, lambda: analyse_commands.plays(source))


def _no_film(task: Task) -> None:
    """Why nothing plays, and what to do about it."""
    try:
        gone = not task.source().exists()
    except HarError:
        gone = True
    if gone:
        st.caption(":material/videocam_off: The video is not where it was any more; what was found in it is kept.")
    elif task.state().stage in ACTIVE:
        st.caption(":material/hourglass: Browsers cannot play this video as it is. A copy that they can is being made.")
    else:
        st.caption(":material/videocam_off: Browsers cannot play this video as it is.")
        if st.button("Make a copy that plays", icon=":material/play_arrow:", key="make copy"):
            with reporting():
                ask_for(task, "copy")
                st.rerun()


def _cannot_play(task: Task) -> None:
    """This browser cannot play what browsers usually can."""
    st.session_state[f"cannot play {task.name}"] = True
    if not task.copy.exists():
        st.rerun()


def _portrait(task: Task, track: int) -> bytes:
    try:
        return (task.portraits / f"{track}.jpg").read_bytes()
    except OSError:
        return b""


def _subtitles(analysis: Analysis) -> str:
    return exports.to_vtt(analysis) if any(lane.segments for lane in analysis.lanes) else ""


def _model(task: Task) -> Model | None:
    """The model that made an analysis; None where it is gone."""
    request = task.request()
    folder = Path(request.model)
    return Model(request.title, folder, None) if (folder / "card.json").is_file() else None


def _mendable(task: Task) -> bool:
    return (task.keep / "traces").is_dir() and _model(task) is not None


def _mend(task: Task, analysis: Analysis, fix: Fix) -> None:
    """Do what was asked for, and draw the page anew."""
    names = {"merge": f"Person {fix.other} is person {fix.track}", "split": f"Person {fix.track} is two people"}
    try:
        _corrected(task, lambda: _applied(task, analysis, fix), names[fix.what])
    except HarError as error:  # said where it was asked for: the player still shows that it is at it
        st.session_state[_trouble(task)] = str(error)
        st.rerun()


def _trouble(task: Task) -> str:
    return f"trouble {task.name}"


def _applied(task: Task, analysis: Analysis, fix: Fix) -> Analysis:
    model = _model(task)
    if model is None:
        raise HarError("The model that made this analysis is gone, and corrections need it.")
    ready = predictor(model)
    from har_core import corrections

    if fix.what == "merge":
        a, b = sorted((fix.track, fix.other))
        return corrections.merge(task.keep, analysis, a, b, predictor=ready)
    return corrections.split(task.keep, analysis, fix.track, fix.seconds, predictor=ready)


def _corrected(task: Task, make: Callable[[], Analysis], words: str) -> None:
    if task.alive():
        raise HarError("This video is being worked on at the moment. Try again when that is done.")
    with st.spinner("Reckoning anew what they did"):
        analyse_commands.keep_answer(task, make())
    st.toast(f"{words}.", icon=":material/check:")
    st.rerun()


def _corrections(task: Task) -> int:
    """How many corrections can be taken back, read without loading torch."""
    try:
        steps = json.loads((task.keep / "traces" / "corrections.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return 0
    return len(steps) if isinstance(steps, list) else 0


def _undo(task: Task, analysis: Analysis) -> None:
    model = _model(task)
    if model is None:
        raise HarError("The model that made this analysis is gone, and corrections need it.")
    ready = predictor(model)
    from har_core import corrections

    _corrected(task, lambda: corrections.undo(task.keep, analysis, predictor=ready), "The last correction is undone")


def _take_away(task: Task, analysis: Analysis) -> None:
    """Undo, the annotated video, and the answer in other forms."""
    stem = Path(intake.harmless(analysis.name)).stem
    outdated = (task.folder / analyses.OUTDATED).exists()
    if task.film.exists() and not _small(task.film):
        st.caption(f"The annotated video is too large to be played here. It lies at `{task.film}`.")
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="take away"):
        if (number := _corrections(task)) and st.button(
            f"Undo correction ({number})", icon=":material/undo:", key="undo correction"
        ):
            _undo(task, analysis)
        if not task.film.exists() or outdated:
            text = "Make the annotated video again" if outdated else "Make an annotated video"
            busy = task.state().stage in ACTIVE
            if st.button(text, icon=":material/movie_edit:", disabled=busy, key="make film"):
                ask_for(task, "film")
                st.rerun()
        for label, make, ending, mime in (
            ("CSV", lambda: exports.to_csv([analysis]), "csv", "text/csv"),
            ("JSON", lambda: exports.to_json([analysis]), "json", "application/json"),
            ("WebVTT", lambda: exports.to_vtt(analysis), "vtt", "text/vtt"),
            ("ELAN", lambda: exports.to_elan(analysis, intake.harmless(analysis.name)), "eaf", "application/xml"),
        ):
            st.download_button(label, make, f"{stem}.{ending}", mime, key=f"as {label}", on_click="ignore",
                               icon=":material/download:")  # fmt: skip
        with st.popover("Label Studio", icon=":material/download:"):
            _for_label_studio(analysis, stem)


def _for_label_studio(analysis: Analysis, stem: str) -> None:
    """The tasks, and what a project must be set up with to take them."""
    st.markdown("**1.** In the project's settings, **Labeling Interface**, **Code**, put this:")
    st.code(exports.label_studio_config(analysis.classes), language="xml", height=160)
    st.markdown("**2.** Say where Label Studio finds the video, then import the tasks.")
    address = st.text_input(
        "What comes before the video's name", exports.LABEL_STUDIO_VIDEOS, key="label studio address",
        help="As it stands: a folder `videos` that is connected to the project as Local files. A web address will do.",
    )  # fmt: skip
    st.download_button(
        "Tasks", lambda: exports.to_label_studio([analysis], prefix=address), f"{stem}.labelstudio.json",
        "application/json", key="as Label Studio", on_click="ignore", icon=":material/download:", type="primary",
    )  # fmt: skip


def verdict(top: tuple[tuple[str, float], ...], *, unsure: bool, seen: tuple[str, ...] = ()) -> str:
    """An answer in a few words; `seen` are the actions that the timeline names.

    >>> verdict((("hug", 0.94),), unsure=False), verdict((("hug", 0.5),), unsure=True)
    ('hug 94%', 'perhaps hug')
    >>> verdict((("hug", 0.5),), unsure=True, seen=("push", "hug", "kick", "punch"))
    'push, hug and 2 more'
    """
    if unsure and seen:
        return several(seen, most=2)
    action, probability = top[0]
    return f"perhaps {action}" if unsure else f"{action} {probability:.0%}"


def several(actions: Sequence[str], *, most: int = 3) -> str:
    """The actions of a film, so many of them by name.

    >>> several(["push", "hug"]), several(["push", "hug", "kick", "punch"])
    ('push, hug', 'push, hug, kick and 1 more')
    """
    rest = f" and {len(actions) - most} more" if len(actions) > most else ""
    return ", ".join(actions[:most]) + rest
