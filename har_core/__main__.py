"""The command line: `python -m har_core COMMAND`; the same code as the pages.

Exit codes: 0 all went well, 1 something the user can mend (one sentence on stderr), 2 wrong usage.
With `--json` exactly one JSON document goes to stdout; progress goes to stderr and only to a terminal.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import os
import sys
import time
import traceback
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from har_core import runs, workspace
from har_core.config import AugmentConfig, ClipSpec, Config, NetworkConfig, TrainConfig
from har_core.errors import ConfigError, HarError, RunError
from har_core.events import Ended, EpochEnded, Event, Failed, Noticed, Prepared, Started, Stepped, encode


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be text
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        code: int = given.command(given)
    except HarError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except RecursionError:
        print(f"{parser.prog}: a JSON file is nested too deep to be read", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of stdout, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that may not be read: the user's to mend
        print(f"{parser.prog}: {error.filename or 'input or output'}: {error.strerror}", file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="har_core", description="Recognise human actions in video.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=function)
        made.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        return made

    index = command("index", _index, "List the clips of a data set: actions, groups, lengths, what cannot be read.")
    index.add_argument("--data", type=Path, required=True, help="folder of class folders, or with a clips.csv")

    train = command("train", _train, "Train a recogniser, or go on with a run that was cut off.")
    train.add_argument("--data", type=Path, help="folder of clips; left out, the run in --run goes on")
    train.add_argument("--run", type=Path, help="the run's folder; default: a new one in the workspace")
    train.add_argument("--config", type=Path, help="JSON file with settings; the options below win over it")
    for owner, prefix in ((TrainConfig, ""), (NetworkConfig, "network."), (AugmentConfig, "augment.")):
        _add_settings(train, owner, prefix)
    for name in ("window_seconds", "frames_per_second", "most_frames"):
        kind = typing.get_type_hints(ClipSpec)[name]
        train.add_argument(f"--{name.replace('_', '-')}", dest=f"clip.{name}", type=kind, help="default: proposed")

    evaluate = command("evaluate", _evaluate, "Score a model on labelled clips.")
    evaluate.add_argument("--model", type=Path, required=True, help="a model folder, or a run's folder")
    evaluate.add_argument("--data", type=Path, required=True, help="folder of clips")
    evaluate.add_argument("--split", choices=("train", "validation", "test", "all"), default="validation")
    evaluate.add_argument("--baselines", action="store_true", help="also score majority, shape, shuffled, one frame")

    predict = command("predict", _predict, "Name the action of clips.")
    predict.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    predict.add_argument("--model", type=Path, required=True, help="a model folder, or a run's folder")
    predict.add_argument("--top", type=int, default=5, metavar="K", help="how many actions to name (default 5)")

    listing = command("runs", _runs, "List the training runs, or stop or resume one.")
    listing.add_argument("--stop", metavar="NAME", help="stop this run")
    listing.add_argument("--resume", metavar="NAME", help="go on with this run")

    example = command("example", _example, "Render the example data set: generated figures, to try everything with.")
    example.add_argument("folder", type=Path, metavar="DIR")
    example.add_argument("--actors", type=int, default=8)
    return parser


def _add_settings(parser: argparse.ArgumentParser, owner: type[Config], prefix: str) -> None:
    """An option for each plain setting of a config; unset ones keep the config's default."""
    hints = typing.get_type_hints(owner)
    for field in dataclasses.fields(owner):  # type: ignore[arg-type]  # every Config is a dataclass
        hint, flag = hints[field.name], "--" + field.name.replace("_", "-")
        where = prefix + field.name
        nested = isinstance(hint, types.UnionType) or (isinstance(hint, type) and issubclass(hint, Config))
        if nested or field.name == "dataset":
            continue
        options: dict[str, Any] = {"dest": where, "default": None}
        text = f"default {field.default}" if field.default is not dataclasses.MISSING else ""
        if hint is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text, **options)
        elif typing.get_origin(hint) is typing.Literal:
            parser.add_argument(flag, choices=typing.get_args(hint), help=text, **options)
        elif typing.get_origin(hint) is tuple:
            parser.add_argument(flag, nargs="+", metavar="NAME", help="default: chosen by the split", **options)
        else:
            parser.add_argument(flag, type=hint, metavar=hint.__name__.upper(), help=text, **options)


def _settings(given: argparse.Namespace) -> TrainConfig:
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


def _index(given: argparse.Namespace) -> int:
    from har_core import dataset

    with _progress("clips") as report:
        found = dataset.read(given.data, progress=report)
    table = found.table()
    if given.json:
        _print({
            "layout": found.layout, "actions": list(found.actions), "groups": list(found.groups),
            "notes": list(found.notes), "fingerprint": found.fingerprint,
            "clips": json.loads(table.to_json(orient="records")),
            "skipped": [{"clip": clip, "reason": reason} for clip, reason in found.skipped],
        })  # fmt: skip
        return 0
    counts = table.groupby("action").agg(
        clips=("clip", "size"), groups=("group", "nunique"), seconds=("seconds", "sum")
    )
    print(counts.round(1).to_string())
    print(f"{len(found.clips)} clips, {len(found.groups)} groups, read as {found.layout}")
    for line in (*found.notes, *(f"skipped {clip}: {reason}" for clip, reason in found.skipped)):
        print(line)
    return 0


def _train(given: argparse.Namespace) -> int:
    if given.data is None and given.run is None:
        raise ConfigError("Training needs --data DIR for a new run, or --run DIR to go on with one.")
    if given.data is None:
        run = runs.Run(given.run.resolve())
        if run.status() == "finished":
            raise RunError(f"Run {run.name} is finished. Start a new one with --data.")
    else:
        if not given.data.is_dir():
            raise ConfigError(f"--data must be a folder of clips, but {given.data} is none.")
        config = _settings(given)
        stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{given.data.resolve().name}"
        run = runs.create(config, (given.run or workspace() / "runs" / stamp).resolve())
    return _work(run, quiet=given.json)


def _work(run: runs.Run, *, quiet: bool) -> int:
    """Be the run's trainer: write its events, keep its promise that nothing else is needed to follow it."""
    config = run.config()
    with runs.locked(run) as stopped, run.events_path.open("a", encoding="utf-8", buffering=1) as story:
        if run.events_path.stat().st_size and not run.events_path.read_bytes().endswith(b"\n"):
            story.write("\n")  # a killed process left half a line

        def tell(event: Event) -> None:
            story.write(encode(event))
            if not quiet:
                show(event)

        show = _show()
        try:
            with contextlib.suppress(OSError):
                os.nice(5)  # a live page beside it comes first
            from har_core.training import discard_state, train

            ended: Event | None = None
            for ended in train(config, run.folder, stopped=stopped):
                tell(ended)
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
    if quiet:
        best = {"best_epoch": ended.best_epoch, "best_accuracy": ended.best_accuracy, "reason": ended.reason}
        _print({"run": str(run.folder), "model": str(run.best), **best})
    return 0


def _show() -> Callable[[Event], None]:
    """Print events for a person; bars only on a terminal, so that a log stays readable."""
    bars: dict[str, tqdm[Any]] = {}

    def bar(total: int, text: str, done: int) -> None:
        if text not in bars:
            close()
            bars[text] = tqdm(total=total, desc=text, leave=False, disable=None, file=sys.stderr)
        bars[text].update(done - bars[text].n)

    def close() -> None:
        while bars:
            bars.popitem()[1].close()

    def show(event: Event) -> None:
        if isinstance(event, Prepared):
            return bar(event.total, "decoding", event.done)
        if isinstance(event, Stepped):
            return bar(event.steps, f"epoch {event.epoch}", event.step)
        close()
        if isinstance(event, Started):
            print(f"{event.train_clips} clips train, {event.validation_clips} validate; {event.device}, "
                  f"{event.precision}; weights {event.weights}", file=sys.stderr)  # fmt: skip
        elif isinstance(event, EpochEnded):
            print(f"epoch {event.epoch}: loss {event.train_loss:.3f}, validation loss {event.validation_loss:.3f}, "
                  f"accuracy {event.validation_accuracy:.1%}{' (best)' if event.best else ''}, "
                  f"{event.seconds:.1f} s", file=sys.stderr)  # fmt: skip
        elif isinstance(event, Noticed):
            print(event.message, file=sys.stderr)
        elif isinstance(event, Ended):
            print(f"ended by {event.reason}; best epoch {event.best_epoch}, accuracy {event.best_accuracy:.1%}",
                  file=sys.stderr)  # fmt: skip
        return None

    return show


def _evaluate(given: argparse.Namespace) -> int:
    from har_core import dataset, evaluation
    from har_core.prediction import Predictor

    predictor = Predictor(model_folder(given.model))
    with _progress("reading") as report:
        source = dataset.read(given.data, progress=report)
    clips = evaluation.select(source, predictor.card, given.split)
    with _progress("clips") as report:
        known = evaluation.remarks(source, predictor.card, given.split)
        scores = evaluation.evaluate(predictor, source, clips, notes=known, progress=report)
    for note in scores.notes:
        print(f"har_core: note: {note}", file=sys.stderr)
    dumb: dict[str, float] = {}
    if given.baselines:
        with _progress("baselines") as report:
            dumb = evaluation.baselines(predictor, source, scores, progress=report)
    if given.json:
        _print(scores.to_json() | ({"baselines": dumb} if given.baselines else {}))
        return 0
    low, high = scores.interval
    print(f"accuracy {scores.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), macro F1 {scores.macro_f1:.3f}")
    print(scores.per_class().round(3).to_string(index=False))
    for name, accuracy in dumb.items():
        print(f"baseline {name}: {accuracy:.1%}")
    for clip, reason in scores.skipped:
        print(f"skipped {clip}: {reason}")
    return 0


def _predict(given: argparse.Namespace) -> int:
    from har_core.evaluation import as_json
    from har_core.prediction import Predictor

    if given.top < 1:
        raise ConfigError(f"--top must be at least 1, but is {given.top}.")
    predictor = Predictor(model_folder(given.model))
    answers: list[dict[str, Any]] = []
    with _progress("clips") as report:
        for done, clip in enumerate(given.clips, 1):
            try:
                seen = predictor.examine(clip)
                top = as_json(seen.prediction, given.top)
                answers.append({"clip": str(clip), "seconds": seen.properties.seconds, "top": top})
            except HarError as error:
                answers.append({"clip": str(clip), "error": str(error)})
            report(done, len(given.clips))
    if given.json:
        _print(answers)
    failed = [answer for answer in answers if "error" in answer]
    for answer in answers if not given.json else ():
        for place in answer.get("top", ()):
            print(f"{answer['clip']}\t{place['probability']:.3f}\t{' '.join(place['action'].split())}")
    if len(failed) == 1:
        print(f"har_core: {failed[0]['error']}", file=sys.stderr)
    elif failed:
        each = "" if given.json else " " + " ".join(answer["error"] for answer in failed)
        print(f"har_core: {len(failed)} of {len(answers)} clips could not be predicted.{each}", file=sys.stderr)
    return 1 if failed else 0


def _runs(given: argparse.Namespace) -> int:
    root = workspace() / "runs"
    for name in filter(None, (given.stop, given.resume)):
        if name not in [run.name for run in runs.all_runs(root)]:
            raise RunError(f"There is no run {name!r}. List them with `python -m har_core runs`.")
    if given.stop:
        runs.Run(root / given.stop).stop()
    if given.resume:
        runs.Run(root / given.resume).resume()
    rows = []
    for run in runs.all_runs(root):
        events = run.events()
        epochs = run.epochs(events)
        best = max((e.validation_accuracy for e in epochs), default=None)
        rows.append({"run": run.name, "status": run.status(events), "epochs": len(epochs), "best_accuracy": best})
    if given.json:
        _print(rows)
    if not rows and not given.json:
        print(f"There are no runs in {root}.", file=sys.stderr)
    for row in rows if not given.json else ():
        best_text = "" if row["best_accuracy"] is None else f"{row['best_accuracy']:.1%}"
        print(f"{row['run']}\t{row['status']}\t{row['epochs']} epochs\t{best_text}")
    return 0


def _example(given: argparse.Namespace) -> int:
    from har_core import example

    with _progress("clips") as report:
        folder = example.make(given.folder, actors=given.actors, progress=report)
    if given.json:
        _print({"folder": str(folder), "actions": list(example.ACTIONS), "purpose": example.PURPOSE})
    else:
        print(f"{folder}: {', '.join(example.ACTIONS)}. {example.PURPOSE}")
    return 0


def model_folder(path: Path) -> Path:
    """The model in a folder: the folder itself, or its `best/` where a run is named."""
    # By the run's config, not by what lies in best/: a better epoch may be taking its place at the moment.
    return runs.Run(path).best if (path / "config.json").exists() else path


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    with tqdm(desc=what, leave=False, disable=None, file=sys.stderr) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report


def _print(values: object) -> None:
    print(json.dumps(values))


if __name__ == "__main__":
    sys.exit(main())
