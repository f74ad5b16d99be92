"""Data sets, models and clips, loaded once. Heavy modules are imported here when first needed, not before."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import streamlit as st

from har_core import PROJECT, runs, video, workspace
from har_core import dataset as datasets
from har_core.dataset import Dataset
from har_core.errors import VideoError
from har_core.ui.jobs import Job, jobs
from har_core.ui.shelf import shelf

if TYPE_CHECKING:
    from har_core.prediction import Examined, Predictor

UPLOADS_BYTES = 4 * 2**30
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be chosen: a run's best epoch, or one that came with the project (`run` is None)."""

    name: str
    folder: Path
    run: runs.Run | None

    @property
    def stamp(self) -> int:
        """Changes when a better epoch replaces the model."""
        try:
            return (self.folder / "card.json").stat().st_mtime_ns
        except OSError:
            return 0

    @property
    def actions(self) -> tuple[str, ...]:
        """What it can name, read without loading torch; empty where the card is damaged."""
        named = self._card().get("classes")
        return tuple(map(str, named)) if isinstance(named, list) else ()

    @property
    def limits(self) -> str:
        """What it is not good for, in words; empty where its card does not say."""
        return str(self._card().get("limits", ""))

    @property
    def views(self) -> tuple[str, ...]:
        """What it has learned from: "frame", "person" or both; empty where the card is damaged."""
        views = self._card().get("views")
        return tuple(map(str, views)) if isinstance(views, list) else ()

    @property
    def window_seconds(self) -> float:
        """How much of a video it looks at in one go; 0 where the card is damaged."""
        clip = self._card().get("clip")
        seconds = clip.get("window_seconds") if isinstance(clip, dict) else None
        return float(seconds) if isinstance(seconds, (int, float)) else 0.0

    def _card(self) -> dict[str, object]:
        try:
            card = json.loads((self.folder / "card.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return card if isinstance(card, dict) else {}


def models() -> list[Model]:
    """The models of the runs, newest first, then those that came with the project."""
    trained = [Model(run.name, run.best, run) for run in runs.all_runs(workspace() / "runs")]
    return [model for model in trained + bundled() if (model.folder / "card.json").is_file()]


def bundled() -> list[Model]:
    """The models that came with the project."""
    folders = sorted((PROJECT / "models").glob("actions-*"))
    # First one that knows people in front of a camera: it is what a newcomer meets.
    folders.sort(key=lambda folder: folder.name != "actions-yoga")
    return [Model(folder.name, folder, None) for folder in folders]


def read_dataset(root: Path) -> Dataset:
    """The data set in a folder; read again when a file or folder in it was added, removed or renamed.

    Raises:
        DatasetError: it cannot be read, or another viewer has stopped the reading.
    """
    job = reading(root)
    with progress("Looking at the clips") as report:
        while not job.wait(0.1):
            report(job.done, job.total)
    return job.result()


def reading(root: Path) -> Job[Dataset]:
    """The job that reads a data set, or has read it as it is now: it goes on whoever leaves the page."""
    return jobs().start(reading_key(root), lambda report, cancelled: datasets.read(root, progress=report))


def reading_key(root: Path) -> tuple[object, ...]:
    """Under what the job of `reading` is found."""
    return ("read", root, _folder_stamp(root))


def _folder_stamp(root: Path) -> str:
    """Changes with its edits, and with the entries of the folder and of its folders, two levels deep.

    Without a look at each clip: with 10,000 of them that would take as long as drawing the page.
    """
    found = hashlib.sha256(datasets.versions.stamp(root).encode())
    level = [os.fspath(root)]
    for _ in range(3):
        below: list[str] = []
        for folder in level:
            try:
                found.update(f"{folder}|{os.stat(folder).st_mtime_ns}|".encode(errors="replace"))  # noqa: PTH116
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir():
                            below.append(entry.path)
                        elif entry.name.endswith((".csv", ".txt")):
                            found.update(f"{entry.path}|{entry.stat().st_mtime_ns}|".encode(errors="replace"))
            except OSError:
                found.update(b"gone")
        level = sorted(below)
    return found.hexdigest()


@contextmanager
def progress(text: str) -> Iterator[Report]:
    """A bar that appears once there is something to wait for and goes when it is done.

    Its place is kept where nothing is waited for: else all that stands below would move up in the next run,
    be built anew by the browser, and a clip that plays there would stop.
    """
    place = st.empty()

    def report(done: int, total: int) -> None:
        if total and done < total:
            place.progress(done / total, f"{text}: {done} of {total}")

    try:
        yield report
    finally:
        place.empty()


@contextmanager
def loading() -> Iterator[None]:
    """Says so while what runs networks is loaded, which it is once: around the first code that imports it."""
    if "torch" in sys.modules:
        yield
        return
    with st.spinner("Loading PyTorch. It takes some seconds, once after the app has started."):
        yield


def predictor(model: Model) -> Predictor:
    """The model, ready to predict; loaded once for all viewers, and again when a better epoch replaces it."""
    return _predictor(model.folder, model.stamp)


@st.cache_resource(show_spinner="Loading the model. The first one takes a few seconds.", max_entries=4)
def _predictor(folder: Path, stamp: int) -> Predictor:
    from har_core.prediction import Predictor

    loaded = Predictor(folder)
    # What torch brought along lives for good; the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    return loaded


def examined(model: Model, clip: Path) -> Examined:
    """What the model says of a clip and what it looked at, computed once."""
    status = clip.stat()
    key = (model.folder, model.stamp, clip, status.st_size, status.st_mtime_ns)
    return shelf("predictions", 64).get(key, lambda: predictor(model).examine(clip, thumbnails=8))


def playable(clip: Path) -> Path:
    """A file that browsers play: the clip itself, or a copy made once.

    Raises:
        VideoError: the clip cannot be decoded.
    """
    status = clip.stat() if clip.exists() else None
    key = (clip, status and status.st_size, status and status.st_mtime_ns)
    return shelf("playable", 256).get(key, lambda: video.playable(clip, workspace() / "cache" / "playable"))


def keep_upload(name: str, content: BinaryIO) -> Path:
    """Store an upload in the workspace under the hash of its bytes; the oldest ones go when there are too many."""
    content.seek(0)
    found = hashlib.sha256()
    for block in iter(lambda: content.read(1 << 20), b""):
        found.update(block)
    folder = workspace() / "uploads" / found.hexdigest()[:24]
    # The name is kept for the sentences that name the file; what a browser sends may hold anything.
    short = re.sub(r"[^\w .()-]", "_", Path(name).name).encode()[-200:].decode(errors="ignore").lstrip(". ")
    kept = folder / (short or "clip")
    part = folder / f".{secrets.token_hex(4)}.part"
    try:
        if not kept.exists():
            folder.mkdir(parents=True, exist_ok=True)
            content.seek(0)
            with part.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            part.replace(kept)
            _trim(folder)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise VideoError(f"{name} cannot be kept in the workspace: {error.strerror}. Make room there.") from None
    return kept


def _trim(newest: Path) -> None:
    """Remove the oldest uploads, never the newest, until the rest takes little enough room."""
    others = []
    for folder in newest.parent.iterdir():
        with suppress(FileNotFoundError):  # another viewer's trim took it
            if folder.is_dir() and folder != newest:
                others.append((folder.stat().st_mtime, folder))
    total = 0
    for _, folder in [(0.0, newest), *sorted(others, reverse=True)]:
        with suppress(FileNotFoundError):
            total += sum(file.stat().st_size for file in folder.iterdir())
        if total > UPLOADS_BYTES and folder != newest:
            shutil.rmtree(folder, ignore_errors=True)
