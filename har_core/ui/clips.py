"""Clips to look at: playing one, picking one from a table, and what augmentation makes of one."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from streamlit import runtime

from har_core.config import AugmentConfig
from har_core.ui.frame import reporting
from har_core.ui.loaders import playable
from har_core.values import Clip, Rgb

_SHOWN = 5
"""Frames of a clip in the preview of the augmentation."""


def play(path: Path, *, autoplay: bool = True) -> None:
    """Play a clip, silently and over and over; a file that no browser plays is converted once."""
    with reporting(), st.spinner("Preparing the clip"):
        st.video(str(playable(path)), loop=True, autoplay=autoplay, muted=True, alt=f"The clip {path.name}")


def served(path: Path, place: str) -> str:
    """Where the browser finds a file: served in pieces, so that a seek does not wait for all that lies before.

    `place` names what shows it. Called in every run: what was not asked for in one is forgotten at its end.
    """
    if not runtime.exists():
        return ""
    address = runtime.get_instance().media_file_mgr.add(str(path), "video/mp4", place)
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}{address}" if base else address


def pick(table: pd.DataFrame, key: str, *, height: int = 420) -> int | None:
    """Show a table of clips; gives the position of the row that was clicked, the first one until then."""
    columns = {
        "seconds": st.column_config.NumberColumn(format="%.1f s"),
        "frames per second": st.column_config.NumberColumn("fps", format="%.1f"),
        "probability": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
    }
    event = st.dataframe(
        table, key=key, hide_index=True, on_select="rerun", selection_mode="single-row", height=height,
        selection_default={"selection": {"rows": [0]}}, column_config=columns, width="stretch",
    )  # fmt: skip
    rows = event["selection"]["rows"]
    return rows[0] if rows and rows[0] < len(table) else None


def augmentation(clip: Clip, seconds: float) -> None:
    """What training would make of the clip, which is so long."""
    expander = st.expander(
        "What augmentation makes of it", icon=":material/auto_awesome:", on_change="rerun", key="augmentation"
    )
    if not expander.open:  # nothing is decoded for what nobody looks at
        return
    with expander, reporting():
        left, right = st.columns(2, vertical_alignment="bottom")
        strength = left.slider("Strength", 0.0, 2.0, 1.0, 0.25, key="preview strength")
        seed = int(right.number_input("Draw", 1, 1000, 1, key="preview draw", help="Each number draws anew."))
        rows = [_sheet(clip.path, seconds, strength=0.0, seed=0)]
        rows += [_sheet(clip.path, seconds, strength=strength, seed=3 * seed + i) for i in range(3)]
        st.image(np.concatenate(rows), width="stretch", alt="Frames of the clip, and three variations below them")
        st.caption("First row: the clip as it is. Below: three variations; each holds for all frames of a clip.")


@st.cache_data(show_spinner="Drawing variations", max_entries=64)
def _sheet(path: Path, seconds: float, *, strength: float, seed: int) -> Rgb:
    """A row of frames, uint8 `(size, T * size, 3)`."""
    from har_core import video
    from har_core.augment import Augmenter
    from har_core.images import fit

    at = np.linspace(0, seconds * 0.95, _SHOWN)
    frames = np.stack([fit(rgb, 192) for _, rgb in video.read(path, at)])
    varied = Augmenter(AugmentConfig(strength=strength, flip=strength > 0), 168)(frames, seed=seed)
    return np.concatenate(list(varied), axis=1)
