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
from har_core.dataset import ucf, uploads
from har_core.dataset.layouts import is_video
from har_core.errors import HarError
from har_core.ui import own
from har_core.ui.frame import go_to, plain, reporting
from har_core.ui.loaders import progress

EXAMPLE = "example"
WAYS = "ways to clips"
"""Key of the tabs of ways to clips; two of them are asked for from elsewhere."""
_EXAMPLE, RECORD = ":material/animation: Example", ":material/photo_camera: Record"
_CUT = ":material/content_cut: Cut a film"
_LINK, UPLOAD = ":material/folder_open: Link a folder", ":material/upload: Upload clips"
_FILES, _FOLDER = "Files", "A folder"
_SHOWN = 10
_FETCH = ":material/cloud_download: UCF101 top 5"
_LAYOUTS = """
A folder is read as it is; nothing is copied or changed. Any of these will do:

- `FOLDER/<action>/<clip>.mp4`: one folder for each action
- `FOLDER/train/<action>/<clip>.mp4` and `FOLDER/test/…`: parts that are fixed already
- a `clips.csv` with the columns `path, action, group`, and perhaps `split`
- UCF101 with its lists

An archive (`.tar.gz`, `.tar`, `.zip`) of such a folder is unpacked into the workspace.

A *group* says who or where was filmed. Name it in `clips.csv`, or in the file name as `_by-anna_` or `_g01_`: then
nobody is in both the training and the validation clips, and the scores are honest.
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
    # Who is adding clips goes on adding when the first ones make a data set, and the page another page.
    st.session_state.setdefault("dataset_view", "Add clips")
    ways = {_EXAMPLE: _example, RECORD: _record, _CUT: _cut, UPLOAD: _upload, _LINK: _link, _FETCH: _fetch}
    # Not as `default`: another default makes other tabs, and the camera stops when the first clips are kept.
    st.session_state.setdefault(WAYS, RECORD if there or any((workspace() / "takes").glob("*/take.json")) else _EXAMPLE)
    tabs = st.tabs(list(ways), on_change="rerun", key=WAYS)
    for tab, draw in zip(tabs, ways.values(), strict=True):
        if tab.open or draw not in (_record, _cut):  # camera and film take their time: only for those who look
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


def _cut() -> None:
    from har_core.ui.cutting import cut_panel

    cut_panel()


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
    """Files, archives or a folder; what is not typed is told by the folders they lie in."""
    round_ = st.session_state.setdefault("upload round", 0)  # a new key empties the uploader
    way = st.segmented_control("Send", [_FILES, _FOLDER], default=_FILES, required=True, key="upload way",
                               label_visibility="collapsed")  # fmt: skip
    files, place = _chosen(way == _FOLDER, round_)
    one, two, three = st.columns(3)
    name = own.choose(one, f"upload_dataset {place}", place)
    action = two.text_input(
        "Action", placeholder="that of its folder" if way == _FOLDER else "waving", key="upload_action",
        help="Of clips that lie in no folder. Each clip should show one action, from start to end.",
    )  # fmt: skip
    person = three.text_input("Who acts", placeholder="may be left empty", key="upload_person", max_chars=40,
                              help="All clips of one person go to the same side of the split, so that the score is "
                              "honest. File names or a clips.csv may say it too.")  # fmt: skip
    pressed = st.button("Add clips", type="primary", icon=":material/add:")
    failed = st.session_state.pop("upload failed", [])
    for sentence in failed[:_SHOWN]:
        st.error(plain(sentence), icon=":material/error:")
    if len(failed) > _SHOWN:
        st.caption(f"And {len(failed) - _SHOWN} more.")
    if not pressed:
        return
    if not files:
        raise HarError("Choose one or more clips first.")
    if all(Path(file.name).suffix.lower() in uploads.ARCHIVES for file in files):
        _unpack(files, round_)
    elif not action.strip() and all("/" not in file.name and is_video(file.name) for file in files):
        raise HarError("Say which action the clips show: type its name under Action.")
    else:
        _store(name, files, action, person, round_)


def _chosen(folder: bool, round_: int) -> tuple[list[UploadedFile], str]:
    """The files, and the name of the folder around folders of actions, "" where there is none."""
    if not folder:
        files = st.file_uploader(
            "Clips, or an archive of a whole data set", type=sorted(dataset.EXTENSIONS | uploads.ARCHIVES | {".csv"}),
            accept_multiple_files=True, key=f"upload files {round_}",
            help="A .zip or .tar.gz with a folder for each action becomes a data set of its own. Beside clips, a "
            "clips.csv may say what they show.",
        )  # fmt: skip
        return files, ""
    files = st.file_uploader(
        "A folder with a folder for each action", type=sorted(dataset.EXTENSIONS | {".csv", ".txt"}),
        accept_multiple_files="directory", key=f"upload folder {round_}",
        help="Or the folder of one action. Other files in it stay behind.",
    )  # fmt: skip
    parts = [file.name.split("/") for file in files]
    deep = any(len(part) > 2 for part in parts) and len({part[0] for part in parts}) == 1
    return files, parts[0][0] if deep else ""


def _store(name: str, files: Sequence[UploadedFile], action: str, person: str, round_: int) -> None:
    """Store what was sent, and go and look at it; the sentences for what failed wait for the next run."""
    with progress("Storing clips") as report:
        sent = [(file.name, file) for file in files]
        stored = uploads.store(workspace(), name, sent, action=action, group=person, progress=report)
    failed = [text if text.startswith(path) else f"{path}: {text}" for path, text in stored.failed]
    st.session_state["upload failed"], st.session_state["upload round"] = failed, round_ + 1
    if stored.kept:
        st.toast(f"{stored.kept} {'clip' if stored.kept == 1 else 'clips'} added.", icon=":material/check:")
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
