"""One clip, closely: playing, what is known of it, what the network sees of it and what augmentation makes of it."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from har_core import sampling, weights, workspace
from har_core.config import ClipSpec
from har_core.dataset import Dataset
from har_core.errors import HarError
from har_core.facts import ClipFacts
from har_core.sampling import Seconds
from har_core.ui.clips import augmentation, play
from har_core.ui.frame import plain, reporting
from har_core.ui.loaders import Model, models
from har_core.ui.shelf import shelf
from har_core.values import Clip, Rgb

if TYPE_CHECKING:
    from har_core.detection import Detects

_PART_COLOURS = {"train": "blue", "validation": "orange", "test": "violet"}
_IN_A_ROW = 5


def look_closely(source: Dataset, clip: Clip, row: "pd.Series[str]", facts: ClipFacts | None) -> None:
    """The clip playing, and all that is known of it; `row` is its row of the catalogue."""
    play(clip.path)
    relative = source.relative(clip)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(clip.action)}**")
        if part := str(row["part"]):
            st.badge(part, color=_PART_COLOURS.get(part, "gray"))  # type: ignore[arg-type]  # all are known to it
        for flag in row["flags"]:
            st.badge(str(flag), color="orange", icon=":material/flag:")
    st.caption(plain(relative), help="Its path in the data set's folder.")
    figures = {"Group": clip.group if clip.group != relative else "its own"}
    if not math.isnan(float(row["seconds"])):
        figures["Length"] = f"{float(row['seconds']):.2f} s at {float(row['frames per second']):.4g} frames/s"
        figures["Picture"] = f"{int(row['width'])} × {int(row['height'])}, {row['codec']}"
    if facts is not None:
        figures["Brightness"], figures["Motion"] = f"{facts.brightness:.2f}", f"{facts.motion:.3f}"
        figures["Sharpness"] = f"{facts.sharpness:.3f}"
        if facts.people is not None:
            figures["People"] = str(facts.people)
    st.markdown("  \n".join(f":gray[{name}] {plain(value)}" for name, value in figures.items()))
    if not math.isnan(float(row["seconds"])):
        _network_view(source, clip, float(row["seconds"]))
        augmentation(clip, float(row["seconds"]))


def _network_view(source: Dataset, clip: Clip, seconds: float) -> None:
    """The frames that a window of the clip gives, at the network's own size."""
    box = st.expander("What the network sees", icon=":material/visibility:", on_change="rerun", key="network view")
    if not box.open:  # nothing is decoded for what nobody looks at
        return
    with box, reporting(), st.spinner("Looking at the clip"):
        specs = {"A new run on this data set": sampling.propose([p.seconds for p in source.properties], size=112)}
        for model in models():
            if spec := _spec(model):
                specs[model.name] = spec
        name = st.selectbox("As seen by", list(specs), key="network view of")
        spec = specs[name]
        finds = weights.find_detector("auto") is not None
        around = finds and st.toggle(
            "Around the person", spec.view == "person", key=f"around {name}",
            help="What finds people looks through the clip first; a second or two.",
        )  # fmt: skip
        at, windows = sampling.plan(seconds, spec, windows=3)
        middle = at[windows[len(windows) // 2]]
        detector = None
        if around:
            from har_core.ui.watching import detector_or_none  # brings all that live needs

            detector = detector_or_none()
        key = (clip.path, _stamp(clip.path), tuple(middle.tolist()), spec.size, detector is not None)
        rgb, found = shelf("network views", 32).get(key, lambda: _seen(clip.path, middle, spec.size, detector))
        st.image(rgb, width="stretch", alt=f"{len(middle)} frames of the clip as the network gets them")
        span = f"{middle[0]:.1f} to {middle[-1]:.1f} s"
        few = "" if len(windows) == 1 else f" One of {len(windows)} windows, the middle one."
        nobody = " Nobody was found: the whole picture is taken." if around and not found else ""
        st.caption(
            f"{len(middle)} frames from {span}, {spec.frames_per_second:.3g} a second, {spec.size} × {spec.size} "
            f"pixels.{few}{nobody}"
        )


def _spec(model: Model) -> ClipSpec | None:
    """What a model looks at, read without loading torch; None where its card is damaged."""
    try:
        content = json.loads((model.folder / "card.json").read_text("utf-8"))
        return ClipSpec.from_json(content["clip"])
    except (OSError, ValueError, KeyError, TypeError, HarError):
        return None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_size, status.st_mtime_ns


def _seen(path: Path, at: Seconds, size: int, detector: "Detects | None") -> tuple[Rgb, bool]:
    """The frames in rows of five, uint8 `(rows * size, 5 * size, 3)`, and whether a person was found."""
    from har_core import video
    from har_core.images import PADDING, fit

    frames, found = video.read(path, at), False
    if detector is not None:
        from har_core.people import follow, looks

        people = follow(path, detector, cache=workspace() / "cache" / "people")
        frames, found = looks(frames, people, people.main), people.main is not None
    fitted = [fit(rgb, size) for _, rgb in frames]
    columns = min(_IN_A_ROW, len(fitted))
    blank = np.full((size, size, 3), PADDING, np.uint8)
    fitted += [blank] * (-len(fitted) % columns)
    rows = [np.concatenate(fitted[i : i + columns], axis=1) for i in range(0, len(fitted), columns)]
    return np.concatenate(rows), found
