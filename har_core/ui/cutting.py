"""Cut a long film into labelled clips: choose it, mark actions in it, make the clips. What is marked is kept."""

import secrets
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from har_core import cuts, dataset, video, workspace
from har_core.cuts import Cut, Made
from har_core.dataset import EXTENSIONS, groups
from har_core.dataset.layouts import is_video
from har_core.errors import DatasetError, HarError
from har_core.ui import bench, own
from har_core.ui.clips import served
from har_core.ui.frame import go_to, plain, reporting
from har_core.ui.jobs import Cancelled, Job, Report, jobs
from har_core.ui.loaders import keep_upload
from har_core.ui.reading import bar
from har_core.ui.shelf import shelf

_UPLOAD, _EARLIER, _PATH = "Upload", "Earlier upload", "A file on this computer"
_WAY, _DATA, _GROUP = "cut from", "cut data", "cut group"
_IN_MEMORY = 256 << 20
"""Bytes of a film that is played as it is: Streamlit holds what it serves in memory."""
_AGAIN, _KEPT = "cut copy again", "cut upload kept"
_PATIENCE_SECONDS = 1.0
_SHOWN_UPLOADS = 50


def cut_panel() -> None:
    """The film, the bench, and the button that makes the clips."""
    st.markdown("Mark where each action starts and stops; every cut becomes a clip of exactly these frames. The film "
                "stays as it is, and your marks are kept.")  # fmt: skip
    with reporting():
        film = _film()
        if film is None:
            return
        key = cuts.key_of(film)
        times: NDArray[np.float64] = shelf("film times", 8).get(key, lambda: video.times(film))
        shown = _shown(film, key, times)
        if shown is not None:
            path, of_shown = shown
            _bench(film, key, times, served(path, "har-cutting-bench"), of_shown, path == film)


def _film() -> Path | None:
    """The film that is chosen; None where there is none yet."""
    earlier = _earlier()
    ways = [_UPLOAD, *([_EARLIER] if earlier else []), _PATH]
    if st.session_state.get(_WAY) not in ways:
        st.session_state[_WAY] = _UPLOAD
    way = st.segmented_control("Film", ways, key=_WAY, required=True, label_visibility="collapsed")
    if way == _EARLIER:
        return st.selectbox("Earlier upload", earlier, format_func=lambda path: path.name, key="cut earlier")
    if way == _PATH:
        typed = st.text_input("Path of the film", placeholder="/home/me/session.mp4", key="cut path").strip()
        return _at(typed) if typed else None
    file = st.file_uploader("A film, up to 1 GB", type=sorted(EXTENSIONS), key="cut upload")
    if file is None:
        return None
    kept: tuple[str, Path] | None = st.session_state.get(_KEPT)
    if kept is None or kept[0] != file.file_id or not kept[1].exists():  # a gigabyte is hashed once, not in every run
        kept = st.session_state[_KEPT] = file.file_id, keep_upload(file.name, file)
    return kept[1]


def _earlier() -> list[Path]:
    """Films that were uploaded before, here or on other pages; newest first."""
    found = []
    for path in (workspace() / "uploads").glob("*/*"):
        try:
            if is_video(path.name):
                found.append((path.stat().st_mtime, path))
        except OSError:  # trimmed meanwhile
            continue
    return [path for _, path in sorted(found, reverse=True)[:_SHOWN_UPLOADS]]


def _at(typed: str) -> Path | None:
    try:
        path = Path(typed).expanduser()
        if path.is_file():
            return path
    except (OSError, RuntimeError, ValueError):  # a name too long, an unknown user, a zero byte
        pass
    st.error(plain(f"A film must be a file on the machine of this app, but there is none at {typed[:300]}."),
             icon=":material/error:")  # fmt: skip
    return None


def _shown(film: Path, key: str, times: NDArray[np.float64]) -> tuple[Path, NDArray[np.float64]] | None:
    """The file that the browser plays and its times; None while a copy for it is being made."""
    as_it_is = film.stat().st_size <= _IN_MEMORY and not st.session_state.get(f"cannot play {key}")
    if as_it_is and shelf("browsers play", 64).get(key, lambda: video.browsers_play(film)):
        return film, times
    copy = workspace() / "cache" / "cutting" / f"{key}.mp4"
    if not copy.exists():
        job: Job[None] | None = jobs().get(("cut copy", key))
        if job is None or st.session_state.get(_AGAIN):
            job = jobs().start(
                ("cut copy", key),
                lambda report, cancelled: cuts.copy_for_browsers(film, times, copy, progress=report),
                about=object(),
            )
        if not job.wait(_PATIENCE_SECONDS) or job.cancelled or job.failed:
            _waiting(job)
            return None
    return copy, np.arange(len(times)) / cuts.copy_rate(times)


def _waiting(job: Job[None]) -> None:
    if job.running and not job.cancelled:
        st.caption("Browsers cannot play this film as it is. A small copy is made to look at, once; the clips are cut "
                   "from the film itself.")  # fmt: skip
        bar(job, "Copying frames")
        return
    if job.failed:
        with reporting():
            job.result()
    else:
        st.caption("The copy to look at was stopped.")
    st.button("Make the copy", icon=":material/play_arrow:", key=_AGAIN)


@st.fragment
def _bench(
    film: Path, key: str, times: NDArray[np.float64], url: str, of_shown: NDArray[np.float64], as_it_is: bool
) -> None:
    home = workspace() / "cuts" / key
    above = st.container()  # marking comes first, though the actions are those of the data set
    name, group = _where(film)
    root = workspace() / "datasets" / name
    marked, made = cuts.kept(home, len(times)), cuts.clips_there(home, root)
    stamp = st.session_state.setdefault(f"cuts of {key}", secrets.token_hex(4))
    with above:
        said = bench.bench(url, of_shown, marked, sorted(made), own.actions(root), key=f"bench {key}", stamp=stamp)
    if said.unplayable and as_it_is:
        st.session_state[f"cannot play {key}"] = True
        st.rerun()
    if said.cuts is not None:
        told = cuts.understood(said.cuts, len(times))
        if told != marked:
            cuts.keep(home, told)
            marked = told
    with reporting():
        _making(film, key, times, marked, made, name, group)


def _where(film: Path) -> tuple[str, str]:
    """The data set and the group of the clips."""
    one, two = st.columns(2)
    name = own.choose(one, _DATA)
    group = two.text_input(
        "Who or where", value=film.stem[:30], key=f"{_GROUP} {film.name}", max_chars=60,
        help="The group of these clips. Pieces of one film look alike, so they must not lie on both sides of the "
        "split: one name keeps them together. Where one person is in several films, give them that name.",
    )  # fmt: skip
    return name, group


def _making(
    film: Path, key: str, times: NDArray[np.float64], marked: tuple[Cut, ...], made: set[Cut], name: str, group: str
) -> None:
    job: Job[Made] | None = jobs().get(("cut", key))
    if job is not None and job.running:
        bar(job, "Cutting frames")
        return
    left = [cut for cut in marked if cut not in made]
    with st.container(horizontal=True, vertical_alignment="center"):
        text = f"Make {len(left)} {'clip' if len(left) == 1 else 'clips'}" if left else "Make clips"
        if st.button(text, type="primary", icon=":material/content_cut:", disabled=not left, key="make clips"):
            _start(film, key, times, left, name, group)
        if made:
            if st.button("Show the data set", icon=":material/grid_view:", key="cut show"):
                go_to("dataset", data=name, dataset_view="Clips")
            st.caption(f"{len(made)} {'clip' if len(made) == 1 else 'clips'} of this film in {plain(name)}.")
    if job is not None and (job.about == (name,)) and not job.cancelled:
        for sentence in dict.fromkeys(job.result().failed):
            st.error(plain(sentence), icon=":material/error:")


def _start(film: Path, key: str, times: NDArray[np.float64], left: list[Cut], name: str, group: str) -> None:
    """Check what can be checked, then cut in the background: it goes on whoever leaves the page."""
    if not group.strip():
        raise HarError("Say who or where was filmed: the clips of one film need one name, or they would leak.")
    groups.slug(group)
    name = dataset.check_name(name)
    for cut in left:
        dataset.check_name(cut.action)
    if name in dataset.datasets(workspace()) and name not in own.sets():
        raise DatasetError(f"{name} takes no clips: it is linked, or its clips are listed. Choose another data set.")
    where = workspace()

    def work(report: Report, cancelled: Cancelled) -> Made:
        return cuts.make(
            film, times, left, home=where / "cuts" / key, workspace=where, name=name, group=group, progress=report
        )

    jobs().start(("cut", key), work, about=(name,))  # a new tuple: what was made before is no reason not to begin
    st.rerun(scope="fragment")
