"""Where live pictures come from: a camera, or a file that is played like one."""

from pathlib import Path

import streamlit as st

from har_core import dataset, video, workspace
from har_core.dataset import EXTENSIONS
from har_core.errors import VideoError
from har_core.ui.connection import insecure
from har_core.ui.frame import plain
from har_core.ui.loaders import keep_upload, read_dataset
from har_core.ui.shelf import shelf
from har_core.values import VideoProperties

CAMERA, FILE = "Camera", "A file as camera"
_SOURCE = "live source"
_FACING = {"user": "Front", "environment": "Back"}


Film = tuple[Path, VideoProperties]


def arrives() -> bool:
    """Whether the viewer comes from another page, which forgets what is chosen on this one."""
    return _SOURCE not in st.session_state


def is_film() -> bool:
    """Whether a file is chosen."""
    return bool(st.session_state.get(_SOURCE) == FILE)


def choose_kind(*, locked: bool) -> None:
    """Camera or file; `locked` while one plays."""
    st.session_state.setdefault(_SOURCE, CAMERA)
    st.segmented_control("Source", [CAMERA, FILE], key=_SOURCE, required=True, disabled=locked)


def choose_facing(*, locked: bool) -> str:
    """Which camera of a phone: "user" (front) or "environment" (back)."""
    facing = st.segmented_control(
        "Camera", list(_FACING), format_func=_FACING.__getitem__, default="user", required=True, key="live facing",
        disabled=locked, help="Of a phone. Choose camera, below the picture, names all there are.",
    )  # fmt: skip
    return facing or "user"


def warn_insecure(instead: str = "A file as camera works here too.") -> None:
    """Say so where browsers keep the camera from this page, and what can be done `instead`."""
    if insecure(st.context.url):
        st.info(f"Browsers give a camera only to pages on https or localhost. {instead}", icon=":material/lock_open:")


def choose_film(*, locked: bool) -> Film | None:
    """A clip of a data set, or an upload, looked at before anything plays it; None where there is none yet."""
    sets = dataset.datasets(workspace())
    ways = [*(["A clip from a data set"] if sets else []), "Upload"]
    way: str | None = ways[0]
    if len(ways) > 1:
        st.session_state.setdefault("live film from", way)
        way = st.segmented_control(
            "File", ways, key="live film from", required=True, disabled=locked, label_visibility="collapsed"
        )
    path = _uploaded(locked=locked) if way == "Upload" else _of_a_data_set(sets, locked=locked)
    if path is None:
        return None
    try:
        return path, _properties(path)
    except VideoError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None


def _uploaded(*, locked: bool) -> Path | None:
    file = st.file_uploader("Video", type=sorted(EXTENSIONS), key="live upload", disabled=locked)
    if file is None:
        st.caption("It is played over and over, as if it came from a camera. It stays on this computer.")
        return None
    return keep_upload(file.name, file)


def _of_a_data_set(sets: dict[str, Path], *, locked: bool) -> Path | None:
    one, two = st.columns([2, 3])
    name = one.selectbox("Data set", list(sets), key="live data", disabled=locked)
    source = read_dataset(sets[name])
    named = {source.relative(clip): clip.path for clip in source.clips}
    if not named:
        st.caption("This data set has no clips.")
        return None
    return named[two.selectbox("Clip", list(named), key=f"live clip of {name}", disabled=locked)]


def _properties(path: Path) -> VideoProperties:
    try:
        status = path.stat()
    except OSError as error:
        raise VideoError(f"{path.name} cannot be read: {error.strerror}. Choose another clip.") from None
    key = (path, status.st_size, status.st_mtime_ns)
    return shelf("properties", 64).get(key, lambda: video.probe(path))
