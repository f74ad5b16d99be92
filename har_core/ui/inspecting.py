"""One clip of an evaluation, closely: playing, what the model says, which moments mattered, and where it looked."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from har_core import embeddings, plots
from har_core.dataset import Dataset
from har_core.errors import CheckpointError, HarError
from har_core.ui.clips import served
from har_core.ui.films import films
from har_core.ui.frame import chart, go_to, plain, reporting
from har_core.ui.loaders import Model, playable, predictor
from har_core.ui.picking import show_clips
from har_core.ui.reading import known_facts
from har_core.ui.scripts import script
from har_core.ui.shelf import shelf
from har_core.values import Clip

if TYPE_CHECKING:
    from har_core.evaluation import Scored  # these load torch, which is here already when there is something to show
    from har_core.saliency import Looked, Moments

_HERE = Path(__file__).parent
_TOP, _ALIKE = 5, 6
_SMALL = 0.1
"""Log-odds: what changes the answer by less is not worth being named."""
_PARTS = {"train": ("train", "blue"), "validation": ("validation", "orange"), "test": ("test", "violet")}


def inspect(model: Model, scored: Scored, source: Dataset, key: str) -> None:
    """Everything about one clip and the model's answer.

    Args:
        model: that gave the answer.
        scored: the clip and the answer.
        source: the data set of the clip.
        key: of the widgets; the same for one clip after another, so that the player stays in its place.
    """
    with reporting():
        _inspect(model, scored, source, key)


@st.fragment
def _inspect(model: Model, scored: Scored, source: Dataset, key: str) -> None:
    with reporting():
        _facts(model, scored, source)
        try:
            with st.spinner("Looking at the clip"):
                url = served(playable(scored.path), "har-inspector")
                seen = _looked(model, scored.path)
        except HarError as error:  # the file has gone, or is damaged by now: the answer is known all the same
            st.error(plain(str(error)), icon=":material/broken_image:")
            alt = ", ".join(f"{action} {share:.0%}" for action, share in scored.prediction.top(_TOP))
            chart(plots.top(scored.prediction, _TOP, true=scored.action), f"top {key}", alt=alt)
            return
        action, glows = _choices(scored, key)
        found = _moments(model, scored.path, seen, action)
        _component()(
            key=f"inspector {key}", data=_data(scored, seen, found, url, _glow(model, scored, seen, action, glows))
        )
        if glows:
            st.caption(
                "Bright is what speaks for the action, on one scale for all frames. The network sees "
                f"{_places(seen, model)}, so a glow is as coarse as that: it says which part of the picture, not which "
                "finger. Rest on a frame to see it plainly."
            )
        _alike(model, scored, source, key)


def _facts(model: Model, scored: Scored, source: Dataset) -> None:
    """The clip's name, its part in the model's training, who was filmed and how long it is."""
    clip, length = _clip_of(source, scored.path)
    name = scored.clip.replace("\\", "/")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(scored.action)}**", width="content")
        part = part_of(model, scored)
        if part in _PARTS:
            word, colour = _PARTS[part]
            st.badge(word, color=colour)  # type: ignore[arg-type]  # all are known to it
        told = [plain(name)]
        if clip is not None and clip.group != source.relative(clip):
            told.append(f"group {plain(clip.group)}")
        if length:
            told.append(f"{length:.1f} s")
        st.caption(" · ".join(told), width="content")


def part_of(model: Model, scored: Scored) -> str:
    """In which part of the model's own training the clip was: "train", "validation", "test" or ""."""
    split = predictor(model).card.split
    name = scored.clip.replace("\\", "/")
    return next((part for part, names in split.items() if name in names), "")


def _clip_of(source: Dataset, path: Path) -> tuple[Clip | None, float]:
    for clip, properties in zip(source.clips, source.properties, strict=True):
        if clip.path == path:
            return clip, properties.seconds
    return None, 0.0


def _choices(scored: Scored, key: str) -> tuple[str, bool]:
    """For which action moments and places are to speak, and whether places are to be shown."""
    said = scored.prediction.action
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        action = said
        if not scored.right:
            action = st.segmented_control(
                "What speaks for", [said, scored.action], default=said, required=True,
                key=f"explained {key} {scored.clip}",
                format_func=lambda name: plain(f"{name}, what it said" if name == said else f"{name}, its label"),
            ) or said  # fmt: skip
        glows = st.toggle(
            "Where it looked", key=f"glow {key}",
            help="Lays over each frame which parts of it speak for the action (Grad-CAM, with gradients weighed place "
            "by place). Takes a second for each clip.",
        )  # fmt: skip
    return action, glows


def _key(model: Model, path: Path) -> tuple[object, ...]:
    try:
        status = path.stat()
    except OSError:
        return (model.folder, model.stamp, path)
    return (model.folder, model.stamp, path, status.st_size, status.st_mtime_ns)


def _looked(model: Model, path: Path) -> Looked:
    ready = predictor(model)
    from har_core import saliency

    return shelf("looked", 8).get(_key(model, path), lambda: saliency.look(ready, path))


def _moments(model: Model, path: Path, seen: Looked, action: str) -> Moments:
    from har_core import saliency

    classify = predictor(model).engine.classify
    key = ("moments", action, *_key(model, path))
    return shelf("moments", 256).get(key, lambda: saliency.moments(classify, seen, action))


def _glow(model: Model, scored: Scored, seen: Looked, action: str, wanted: bool) -> list[bytes] | None:
    """The frames with where the model looked, as JPEG; None where nobody wants to know, or it cannot be told."""
    if not wanted:
        return None
    from har_core import saliency

    def look() -> list[bytes]:
        sight = shelf("sights", 2).get((model.folder, model.stamp), lambda: saliency.Sight.load(model.folder))
        return saliency.overlays(seen, sight.places(seen, action))

    try:
        with st.spinner("Looking where it looked"):
            return shelf("glows", 64).get(("glow", action, *_key(model, scored.path)), look)
    except HarError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None


def _places(seen: Looked, model: Model) -> str:
    side = max(1, round(seen.pictures.shape[1] / 32))  # ResNet18 halves its picture five times
    what = "the person's part of the picture" if predictor(model).card.clip.view == "person" else "the picture"
    return f"{what} as {side} × {side} places"


def _data(scored: Scored, seen: Looked, found: Moments, url: str, glow: list[bytes] | None) -> dict[str, Any]:
    """What the browser draws: plain values."""
    height, width = seen.shown[0][1].shape[:2]
    effects = found.effects if len(seen.seconds) > 1 else np.empty(0)
    said = scored.prediction.action
    top = scored.prediction.top(_TOP)
    if scored.action not in dict(top):
        shares = dict(zip(scored.prediction.classes, scored.prediction.probabilities.tolist(), strict=True))
        top = [*top[:-1], (scored.action, shares.get(scored.action, 0.0))]
    return {
        "url": url,
        "clip": scored.clip,
        "top": [{"name": name, "share": share, "kind": _kind(name, said, scored.action)} for name, share in top],
        "heading": f"What speaks for {found.action}",
        "quiet": "The taller the bar, the more the answer needs that moment. Click one to see it.",
        "ratio": round(min(2.0, max(0.5, width / height)), 3),
        "of": "true" if found.action == scored.action else "said",
        "ticks": [round(float(second), 3) for second in seen.seconds],
        "step": float(np.diff(seen.seconds).min()) if len(seen.seconds) > 1 else 1.0,
        "share": found.probability,
        "hidden": found.hidden.round(4).tolist(),
        "effects": effects.round(4).tolist(),
        "frames": [
            {"tick": tick, "picture": _picture(jpeg)}
            for (tick, _), jpeg in zip(seen.shown, seen.thumbnails(), strict=True)
        ],
        "overlays": None if glow is None else [_picture(jpeg) for jpeg in glow],
        "summary": summary(found, seen.seconds) if len(effects) else "",
    }


def _kind(name: str, said: str, true: str) -> str:
    return "both" if name == said == true else "said" if name == said else "true" if name == true else ""


def _picture(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def summary(found: Moments, seconds: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]) -> str:
    """In a sentence or two which moments matter, in plain text."""
    effects = found.effects
    most, least = int(effects.argmax()), int(effects.argmin())
    if max(effects[most], -effects[least]) < _SMALL:
        return (
            f"No single moment decides: whichever is hidden, its probability stays at {found.hidden.min():.0%} to "
            f"{found.hidden.max():.0%}."
        )
    share = f"{found.probability:.1%}"
    told = "No single moment is needed."
    if effects[most] >= _SMALL:
        told = (
            f"The moment at {seconds[most]:.1f} s speaks most for it: hidden, {share} becomes {found.hidden[most]:.1%}."
        )
    if effects[least] <= -_SMALL:
        told += (
            f" The one at {seconds[least]:.1f} s speaks most against it: hidden, {share} becomes "
            f"{found.hidden[least]:.1%}."
        )
    return told


def _alike(model: Model, scored: Scored, source: Dataset, key: str) -> None:
    """The clips that look most like this one, whatever they are called."""
    box = st.expander("Clips most like this one", icon=":material/join_inner:", on_change="rerun", key=f"alike {key}")
    if not box.open:  # nothing is looked up for what nobody looks at
        return
    with box:
        clip, _ = _clip_of(source, scored.path)
        near = alike(model, source, clip) if clip is not None else []
        if not near:
            st.caption("Nobody has looked yet which clips are alike. The map of the data set does.")
            if st.button("Go to the map", icon=":material/scatter_plot:", key=f"to the map {key}"):
                go_to("dataset", dataset_view="Map")
            return
        same = sum(other.action == scored.action for other in near)
        names = [source.relative(other) for other in near]
        films(names, known_facts(source), [other.action for other in near])
        st.caption(f"{same} of these {len(near)} are called **{plain(scored.action)}** too.")
        if st.button("Show them in the gallery", icon=":material/grid_view:", key=f"alike in gallery {key}"):
            show_clips(f"Clips most like {scored.clip}", [source.relative(clip), *names] if clip else names)


def alike(model: Model, source: Dataset, clip: Clip, *, number: int = _ALIKE) -> list[Clip]:
    """The clips whose embeddings lie nearest, the nearest first; none where nobody has made embeddings yet."""
    for eyes in (model.folder, None):  # the model's own, else what the bundled backbone has seen
        try:
            vectors = embeddings.known(source, source.clips, model=eyes)
        except CheckpointError:
            continue
        row = source.clips.index(clip)
        there = np.flatnonzero(np.isfinite(vectors[:, 0]))
        if row not in there or len(there) < 2:
            continue
        centred = vectors[there] - vectors[there].mean(axis=0)
        centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
        likeness = centred @ centred[int(np.searchsorted(there, row))]
        order = [int(there[at]) for at in np.argsort(-likeness, kind="stable") if there[at] != row]
        return [source.clips[at] for at in order[:number]]
    return []


@functools.cache
def _component() -> Callable[..., Any]:
    """Registered once: each further time would warn, and the browser would build the panel anew."""
    html, css = ((_HERE / f"inspector.{kind}").read_text("utf-8") for kind in ("html", "css"))
    component: Callable[..., Any] = st.components.v2.component(
        "har_clip_inspector", html=html, css=css, js=script("inspector")
    )
    return component
