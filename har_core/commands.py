"""What the commands of the command line do; `__main__` says which there are and what they take.

Each gives its exit code. Heavy modules are imported by the command that needs them.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from har_core import PROJECT, runs, turns, weights, workspace
from har_core.config import LiveConfig, TrainConfig
from har_core.errors import CheckpointError, ConfigError, HarError, RunError
from har_core.events import Ended, EpochEnded, Event, Failed, Prepared, Stepped, Waiting, encode
from har_core.scalars import Scalars
from har_core.terminal import event_printer, print_json, progress_bar


def settings(given: argparse.Namespace) -> TrainConfig:
    """The config of the file, the options and the defaults, in this order of weight."""
    values: dict[str, Any] = {}
    if given.config:
        try:
            values = json.loads(given.config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"--config must name a JSON file of settings, but {given.config}: {error}.") from None
        if not isinstance(values, dict):
            raise ConfigError(f"--config must hold a JSON object, but {given.config} holds something else.")
    clip: dict[str, Any] = {}
    for where, value in vars(given).items():
        if value is None or where in ("command", "json", "data", "run", "config"):
            continue
        part, _, name = where.rpartition(".")
        if part == "clip":
            clip[name] = value
        elif part:
            values[part] = {**TrainConfig.from_json({part: values.get(part, {})}).to_json()[part], name: value}
        else:
            values[name] = value
    kept = values["clip"] if isinstance(values.get("clip"), dict) else {}
    if kept and given.size is not None:
        clip["size"] = given.size
    if clip:
        clip = {"size": values.get("size", TrainConfig().size), **kept, **clip}
        if not {"window_seconds", "frames_per_second"} <= set(clip):
            raise ConfigError("A window needs both --window-seconds and --frames-per-second.")
        values["clip"] = clip
    values["dataset"] = str(given.data.resolve())
    return TrainConfig.from_json(values)


def index(given: argparse.Namespace) -> int:
    """List a data set's clips."""
    from har_core import dataset

    with progress_bar("clips") as report:
        found = dataset.read(given.data, progress=report)
    table = found.table()
    if given.json:
        print_json({
            "layout": found.layout, "actions": list(found.actions), "groups": list(found.groups),
            "notes": list(found.notes), "fingerprint": found.fingerprint, "version": found.version,
            "excluded": [found.relative(clip) for clip in found.excluded], "ambiguous": sorted(found.ambiguous),
            "clips": json.loads(table.to_json(orient="records")),
            "skipped": [{"clip": clip, "reason": reason} for clip, reason in found.skipped],
        })  # fmt: skip
        return 0
    counts = table.groupby("action").agg(
        clips=("clip", "size"), groups=("group", "nunique"), seconds=("seconds", "sum")
    )
    print(counts.round(1).to_string())
    edited = f", version {found.version} of its edits" if found.version else ""
    print(f"{len(found.clips)} clips, {len(found.groups)} groups, read as {found.layout}{edited}")
    for names, what in ((found.excluded, "excluded"), (found.ambiguous, "marked as ambiguous")):
        if names:
            print(f"{len(names)} clips are {what}")
    for line in (*found.notes, *(f"skipped {clip}: {reason}" for clip, reason in found.skipped)):
        print(line)
    return 0


def train(given: argparse.Namespace) -> int:
    """Train: a new run, or one that was cut off."""
    if given.data is None and given.run is None:
        raise ConfigError("Training needs --data DIR for a new run, or --run DIR to go on with one.")
    if given.data is None:
        run = runs.Run(given.run.resolve())
        if run.status() == "finished":
            raise RunError(f"Run {run.name} is finished. Start a new one with --data.")
    else:
        if not given.data.is_dir():
            raise ConfigError(f"--data must be a folder of clips, but {given.data} is none.")
        config = settings(given)
        stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{given.data.resolve().name}"
        run = runs.create(config, (given.run or workspace() / "runs" / stamp).resolve())
    return _work(run, quiet=given.json)


def _work(run: runs.Run, *, quiet: bool) -> int:
    """Be the run's trainer: write its events, keep its promise that nothing else is needed to follow it."""
    config = run.config()
    with (
        runs.locked(run) as stopped,
        run.events_path.open("a", encoding="utf-8", buffering=1) as story,
        turns.ticket(workspace() / "cache" / "turns", run.name) as before,
        contextlib.closing(Scalars(run.folder)) as scalars,
    ):
        if run.events_path.stat().st_size and not run.events_path.read_bytes().endswith(b"\n"):
            story.write("\n")  # a killed process left half a line

        def tell(event: Event) -> None:
            story.write(encode(event))
            if config.tensorboard and isinstance(event, EpochEnded):
                scalars.add(event)
            if not quiet:
                show(event)

        show = event_printer()
        try:
            with contextlib.suppress(OSError):
                os.nice(5)  # a live page beside it comes first
            from har_core import speed
            from har_core.training import discard_state, train, unsaid

            if (kept := unsaid(run.folder, max((e.epoch for e in run.epochs()), default=0))) is not None:
                tell(kept)
            ended: Event | None = None
            told: list[Event] = []
            if not turns.wait(before, run.folder, stopped=stopped, tell=lambda who, n: tell(Waiting(who, n))):
                tell(Ended("stopped", 0, 0.0))
                return 0
            for ended in train(config, run.folder, stopped=stopped):
                tell(ended)
                told += [] if isinstance(ended, (Stepped, Prepared)) else [ended]
        except HarError as error:
            with contextlib.suppress(OSError):  # the disk may be what failed
                tell(Failed(str(error)))
            raise
        except Exception as error:
            traceback.print_exc()
            with contextlib.suppress(OSError):
                tell(Failed(f"Training failed by a bug or a full machine: {type(error).__name__}: {error}"))
            raise RunError(f"Training failed: {error}. The traceback is above.") from None
        if not isinstance(ended, Ended):
            raise RunError("Training ended without saying why.")
        if ended.reason != "stopped":
            discard_state(run.folder)
        speed.learn(told, config)
    if quiet:
        best = {"best_epoch": ended.best_epoch, "best_accuracy": ended.best_accuracy, "reason": ended.reason}
        print_json({"run": str(run.folder), "model": str(run.best), **best})
    return 0


def calibrate(given: argparse.Namespace) -> int:
    """Fit what a model's probabilities mean, and below which it is unsure, anew."""
    from har_core import recalibration

    if given.out and not given.out.absolute().parent.is_dir():
        raise ConfigError(f"--out must lie in a folder that is there, but {given.out.absolute().parent} is none.")
    if given.out and given.out.is_dir():
        raise ConfigError(f"--out must be a file to be written, but {given.out} is a folder. Name a file in it.")
    with progress_bar("clips") as report:
        done = recalibration.recalibrate(model_folder(given.model), given.data, given.others, progress=report)
    if given.out:
        given.out.write_text(json.dumps(done.to_json(), indent=1), encoding="utf-8")
    if given.json:
        print_json(done.to_json())
    else:
        print(done.text())
    return 0


def print_timeline(people: Iterable[dict[str, Any]]) -> None:
    """A line for each thing that somebody did, as `headless.person` gives it; id None is the whole picture."""
    for who in people:
        name = "whole picture" if who["id"] is None else f"person {who['id']}"
        for part in who["timeline"]:
            action = " ".join(part["action"].split())
            print(f"{name}\t{part['start']:.1f}-{part['stop']:.1f} s\t{part['probability']:.3f}\t{action}")


FETCH = "List and fetch them with `python -m har_core weights`."


def live(given: argparse.Namespace) -> int:
    """Watch a source to its end."""
    names = [field.name for field in dataclasses.fields(LiveConfig)]
    config = LiveConfig.from_json({name: v for name in names if (v := getattr(given, name)) is not None})
    if not given.seconds > 0:
        raise ConfigError(f"--seconds must be above 0, but is {given.seconds:g}.")

    from har_core import detection, headless
    from har_core.engine import Engine
    from har_core.live import LiveRecognizer

    engine = Engine(model_folder(given.model))
    detector = detection.load(config.detector, config) if config.view != "frame" else None
    if detector is None and config.view == "person":
        raise CheckpointError(f"--view person needs a detector. {FETCH}")
    is_file = headless.is_file(given.source)
    recognizer = LiveRecognizer(engine, detector, config, threaded=given.realtime or not is_file, remember=True)
    if detector is None and config.view == "auto":
        print(f"har_core: note: there is no detector, so the whole picture is looked at. {FETCH}", file=sys.stderr)
    endless = not is_file or (given.loop and given.seconds == math.inf)
    watching = headless.ended_by_interrupt() if endless else contextlib.nullcontext(lambda: False)
    try:
        with progress_bar("frames", unit="frame") as report, watching as stopped:
            told = headless.run(
                given.source, recognizer, realtime=given.realtime, out=given.out, seconds=given.seconds,
                loop=given.loop, top=config.top, report=lambda _, number: report(number, 0), stopped=stopped,
            )  # fmt: skip
    finally:
        recognizer.close(wait=True)
    if given.json:
        print_json(told)
        return 0
    print(f"{told['frames']} frames, {told['fps']:.1f} a second, {told['dropped']} dropped, "
          f"latency {told['latency_ms']['p50']:.0f} ms (95%: {told['latency_ms']['p95']:.0f} ms)")  # fmt: skip
    print_timeline(told["people"])
    if told["trouble"]:
        print(f"har_core: {told['trouble']}", file=sys.stderr)
    return 0


def make_example(given: argparse.Namespace) -> int:
    """Render the example data set."""
    from har_core import example

    with progress_bar("clips") as report:
        folder = example.make(given.folder, actors=given.actors, progress=report)
    if given.json:
        print_json({"folder": str(folder), "actions": list(example.ACTIONS), "purpose": example.PURPOSE})
    else:
        print(f"{folder}: {', '.join(example.ACTIONS)}. {example.PURPOSE}")
    return 0


def list_weights(given: argparse.Namespace) -> int:
    """List the weights that can be used here."""
    known = weights.entries()
    rows = [
        {
            "name": each.name, "kind": each.kind, "present": each.present, "bytes": each.bytes, "path": str(each.path),
            "purpose": each.purpose, "licence": each.licence, "url": each.url, "sha256": each.sha256,
        }
        for each in known
    ]  # fmt: skip
    if given.json:
        print_json(rows)
        return 0
    for each in known:
        there = "present" if each.present else "can be fetched" if each.url else "not in this copy"
        size = f"{each.bytes / 1e6:.1f} MB" if each.bytes else "-"
        print(f"{each.name}\t{there}\t{size}\t{each.purpose}")
    return 0


def fetch_weights(given: argparse.Namespace) -> int:
    """Download weights by name."""
    wanted = weights.entry(given.name)
    with progress_bar(wanted.name, unit="B") as report:
        path = weights.fetch(wanted, progress=report)
    files = {file.name: weights.sha256(file) for file in ([path] if path.is_file() else sorted(path.iterdir()))}
    if given.json:
        print_json({"name": wanted.name, "path": str(path), "sha256": files})
        return 0
    print(path)
    for name, digest in files.items():
        print(f"sha256 {digest}  {name}")
    return 0


def model_folder(path: Path) -> Path:
    """The model in a folder: the folder itself, or its `best/` where a run is named."""
    if not path.exists() and (bundled := PROJECT / "models" / path.name).is_dir() and path.name == str(path):
        return bundled  # by the name it has in the app
    # By the run's config, not by what lies in best/: a better epoch may be taking its place at the moment.
    return runs.Run(path).best if (path / "config.json").exists() else path
