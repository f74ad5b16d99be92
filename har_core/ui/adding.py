"""New data sets: the example, one from the internet, a folder or archive of this computer, and uploads."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from har_core import dataset, workspace
from har_core.dataset import ucf
from har_core.errors import HarError
from har_core.ui.frame import go_to, plain, reporting
from har_core.ui.loaders import progress

EXAMPLE = "example"
WAYS = "ways to clips"
"""Key of the tabs of ways to clips; two of them are asked for from elsewhere."""
_EXAMPLE, RECORD = ":material/animation: Example", ":material/photo_camera: Record"
_LINK, UPLOAD = ":material/folder_open: Link a folder", ":material/upload: Upload clips"
_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz"})
_FETCH = ":material/cloud_download: UCF101 top 5"
_LAYOUTS = """
A folder is read as it is; nothing is copied or changed. Any of these will do:

- `FOLDER/<action>/<clip>.mp4`: one folder for each action
- `FOLDER/train/<action>/<clip>.mp4` and `FOLDER/test/…`: parts that are fixed already
- a `clips.csv` with the columns `path, action, group`, and perhaps `split`
- UCF101 with its lists

An archive (`.tar.gz`, `.tar`, `.zip`) of such a folder is unpacked into the workspace.

A *group* says who or where was filmed. Name it in `clips.csv` or as `_g01_` in the file name: then nobody is
in both the training and the validation clips, and the scores are honest.
"""


def purpose() -> str:
    """What the example data set is good for, and what not."""
    from har_core import example  # it draws with OpenCV

    return str(example.PURPOSE)


def make_example_button() -> None:
    """The button that renders the example data set and then shows it."""
    if st.button("Make the example data set", type="primary", icon=":material/animation:"):
        from har_core import example

        with reporting():
            with progress("Rendering clips") as report:
                example.make(workspace() / "datasets" / EXAMPLE, progress=report)
            go_to("dataset", data=EXAMPLE, dataset_view="Clips")


def add_panel() -> None:
    """The ways to a data set."""
    there = dataset.datasets(workspace())
    ways = {_EXAMPLE: _example, RECORD: _record, _LINK: _link, UPLOAD: _upload, _FETCH: _fetch}
    # Not as `default`: another default makes other tabs, and the camera stops when the first clips are kept.
    st.session_state.setdefault(WAYS, RECORD if there else _EXAMPLE)
    tabs = st.tabs(list(ways), on_change="rerun", key=WAYS)
    for tab, draw in zip(tabs, ways.values(), strict=True):
        if tab.open or draw is not _record:  # a camera takes half a second: only for those who look at it
            with tab, reporting():
                draw()


def _example() -> None:
    st.markdown(plain(purpose()))
    if EXAMPLE in dataset.datasets(workspace()):
        st.success("The example data set is there; choose it as the data set.", icon=":material/check:")
    else:
        make_example_button()


def _record() -> None:
    from har_core.ui.recorder import record_panel  # it brings WebRTC

    record_panel()


def _fetch() -> None:
    st.markdown(
        f"**UCF101 top 5** (about {ucf.ABOUT_BYTES / 1e6:.0f} MB, needs internet). Cricket shot, playing cello, punch, "
        "shaving beard and tennis swing: 594 clips to train on and 224 that are kept for the test, so that a score can "
        "stand beside published ones. The clips are from YouTube and were collected for research."
    )
    if ucf.NAME in dataset.datasets(workspace()):
        st.success("UCF101 top 5 is there; choose it as the data set.", icon=":material/check:")
        return
    st.caption("Stay on this page until it is done. What has come is kept: if it is cut off, it goes on from there.")
    if st.button("Fetch UCF101 top 5", icon=":material/download:"):
        with _steps() as report:
            dataset.fetch_top5(workspace() / "datasets" / ucf.NAME, progress=report)
        go_to("dataset", data=ucf.NAME, dataset_view="Clips")


@contextmanager
def _steps() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for a download in MB, and then for the unpacking in files."""
    place, shown = st.empty(), ""
    place.progress(0.0, "Looking for it")

    def report(what: str, done: int, total: int) -> None:
        nonlocal shown
        text = f"{done / 1e6:.0f} MB have come" if what == "downloading" else f"{done} files unpacked"
        if text != shown:  # not for every piece that comes: the browser is told each time
            shown = text
            place.progress(min(1.0, done / total) if total else 0.0, text)

    try:
        yield report
    finally:
        place.empty()


def _link() -> None:
    with st.form("link", border=False):
        folder = st.text_input("Folder or archive on this computer", placeholder="/home/me/clips", key="link_folder")
        name = st.text_input("Name", placeholder="its own name", key="link_name")
        sent = st.form_submit_button("Link folder", type="primary", icon=":material/link:")
    st.markdown(_LAYOUTS)
    if sent:
        if not folder.strip():
            st.error("Type the path of a folder first.", icon=":material/error:")
            return
        with _steps() as report:
            brought = dataset.bring(workspace(), Path(folder.strip()), name.strip(), progress=report)
        go_to("dataset", data=brought.folder.name, dataset_view="Clips")


def _upload() -> None:
    round_ = st.session_state.setdefault("upload round", 0)  # a new key empties the uploader
    with st.form("upload", border=False):
        left, middle, right = st.columns(3)
        name = left.text_input("Data set name", value="my clips", key="upload_dataset", help="A new one, or your own.")
        action = middle.text_input("Action", placeholder="waving", key="upload_action")
        person = right.text_input(
            "Who acts", placeholder="may be left empty", key="upload_person", max_chars=40,
            help="All clips of one person go to the same side of the split, so that the score is honest.",
        )  # fmt: skip
        files = st.file_uploader(
            "Clips, or an archive of a whole data set", type=sorted(dataset.EXTENSIONS | _ARCHIVES),
            accept_multiple_files=True, key=f"upload files {round_}",
        )  # fmt: skip
        sent = st.form_submit_button("Add clips", type="primary", icon=":material/add:")
    st.caption("Each clip should show one action, from start to end. A model needs at least two actions to tell apart. "
               "A .zip or .tar.gz with a folder for each action becomes a data set of its own.")  # fmt: skip
    for sentence in st.session_state.pop("upload failed", []):
        st.error(plain(sentence), icon=":material/error:")
    if not sent:
        return
    if not files:
        st.error("Choose one or more clips first.", icon=":material/error:")
        return
    archives = [file for file in files if Path(file.name).suffix.lower() in _ARCHIVES]
    if len(archives) == len(files):
        _unpack(archives, round_)
        return
    if archives:
        st.error("Upload clips or archives, not both at once.", icon=":material/error:")
        return
    if not action.strip():
        st.error("Say which action the clips show: type its name under Action.", icon=":material/error:")
        return
    dataset.check_name(action)
    failed, kept = [], 0
    with progress("Storing clips") as report:
        for done, file in enumerate(files):
            report(done, len(files))
            try:
                dataset.add_clip(workspace(), name, action, file.name, file, group=person)
                kept += 1
            except HarError as error:
                failed.append(str(error))
    st.session_state["upload failed"] = failed
    st.session_state["upload round"] = round_ + 1
    if kept:
        st.toast(f"{kept} {'clip' if kept == 1 else 'clips'} added to {plain(action)}.", icon=":material/check:")
        go_to(data=dataset.check_name(name), dataset_view="Add clips" if failed else "Clips")
    st.rerun()


def _unpack(archives: Sequence[UploadedFile], round_: int) -> None:
    """Each archive as a data set of its own, named as itself; what is wrong with one keeps no other."""
    failed, brought = [], ""
    for file in archives:
        with _steps() as report, tempfile.TemporaryDirectory(dir=_room()) as scratch:
            archive = Path(scratch, "archive")
            try:
                name = dataset.check_name(re.sub(r"(\.tar)?\.\w{1,4}$", "", Path(file.name).name))
                with archive.open("wb") as stored:
                    shutil.copyfileobj(file, stored, 1 << 20)
                brought = dataset.bring(workspace(), archive, name, progress=report).folder.name
            except (HarError, OSError) as error:
                failed.append(f"{file.name}: {error}")
    st.session_state["upload failed"], st.session_state["upload round"] = failed, round_ + 1
    if brought:
        go_to(data=brought, dataset_view="Add clips" if failed else "Clips")
    st.rerun()


def _room() -> Path:
    """Where an upload lies while it is unpacked: on the workspace's disk, which has room for the clips anyway."""
    home = workspace() / "uploads"
    home.mkdir(parents=True, exist_ok=True)
    return home
