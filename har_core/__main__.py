"""The command line: `python -m har_core COMMAND`; the same code as the pages.

Exit codes: 0 all went well, 1 something the user can mend (one sentence on stderr), 2 wrong usage.
With `--json` exactly one JSON document goes to stdout; progress goes to stderr and only to a terminal.
"""

import argparse
import dataclasses
import errno
import io
import math
import os
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from har_core import (
    analyse_commands,
    commands,
    dataset_commands,
    doctor_commands,
    evaluate_commands,
    predict_commands,
    run_commands,
    search_commands,
    speed_commands,
)
from har_core.config import AugmentConfig, ClipSpec, Config, LiveConfig, NetworkConfig, TrainConfig
from har_core.errors import HarError

_HELP = {
    "detector": "what finds people: auto, none, a name or a path",
    "view": "what is looked at",
    "confidence": "how sure a box must be to become a person",
    "iou": "of two boxes that overlap by more the less sure one goes",
    "detector_size": "side in pixels of the picture in which people are looked for",
    "detect_every": "look for people in every so many frames of a camera with 30 a second",
    "keep": "for how many looks somebody who is not found is waited for",
    "expand": "how much larger than the box the picture of a person is",
    "most_people": "people beyond this number are not looked at",
    "least_seconds": "how long somebody must be seen before anything is said",
    "smoothing_seconds": "over about how long probabilities are averaged",
    "hysteresis": "by how much another action must lead to take over",
    "budget_ms": "how long encoding may take for each frame; people beyond that take turns",
    "top": "how many actions to name",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be text
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        code: int = given.command(given)
        sys.stdout.flush()  # here, where it can be told if that fails
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
        told = f"{error.filename or 'input or output'}: {error.strerror}"
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            told = f"The output cannot be written: {error.strerror}. Make room there."
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again as it ends
        print(f"{parser.prog}: {told}", file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="har_core", description="Recognise human actions in video.")
    offered = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = offered.add_parser(name, help=text, description=text)
        made.set_defaults(command=function)
        made.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        return made

    index = command(
        "index", commands.index, "List the clips of a data set: actions, groups, lengths, what cannot be read."
    )
    index.add_argument("--data", type=Path, required=True, help="folder of class folders, or with a clips.csv")

    train = command("train", commands.train, "Train a recogniser, or go on with a run that was cut off.")
    train.add_argument("--data", type=Path, help="folder of clips; left out, the run in --run goes on")
    train.add_argument("--run", type=Path, help="the run's folder; default: a new one in the workspace")
    train.add_argument("--config", type=Path, help="JSON file with settings; the options below win over it")
    train.add_argument("--version", type=int, metavar="N", help="of the data set's edits; default: the newest")
    for owner, prefix in ((TrainConfig, ""), (NetworkConfig, "network."), (AugmentConfig, "augment.")):
        _add_settings(train, owner, prefix)
    for name in ("window_seconds", "frames_per_second", "most_frames"):
        kind = typing.get_type_hints(ClipSpec)[name]
        train.add_argument(f"--{name.replace('_', '-')}", dest=f"clip.{name}", type=kind, help="default: proposed")

    search_commands.add_options(
        command("search", search_commands.search, "Search for better settings, by many short tries on held features.")
    )
    command("speed", speed_commands.measure_speed, "Measure how fast this machine trains, for forecasts.")

    evaluate_commands.add_options(command("evaluate", evaluate_commands.evaluate, "Score a model on labelled clips."))

    calibrate = command(
        "calibrate", commands.calibrate, "Fit anew how sure a model may say it is; its weights stay as they are."
    )
    calibrate.add_argument("model", type=Path, metavar="MODEL", help="a model folder, or a run's folder")
    calibrate.add_argument(
        "--dataset", "--data", dest="data", type=Path, required=True, metavar="FOLDER",
        help="folder of clips; those that validated the model are used, or all where none of them lie there",
    )  # fmt: skip
    calibrate.add_argument(
        "--others", nargs="+", action="extend", default=[], type=Path, metavar="FOLDER",
        help="folders of videos that show none of the model's actions: it shall be unsure of nineteen in twenty",
    )  # fmt: skip
    calibrate.add_argument("--out", type=Path, metavar="FILE", help="also write the figures into a JSON file")

    predict_commands.add_options(
        command("predict", predict_commands.predict, "Name the actions in videos, and when they happen.")
    )

    live = command("live", commands.live, "Watch a file, a camera or a stream, as the Live page does.")
    live.add_argument("source", metavar="SOURCE", help="a file, the number of a camera, or an address (rtsp://...)")
    live.add_argument("--model", type=Path, required=True, help="a model folder, or a run's folder")
    live.add_argument("--realtime", action="store_true", help="feed a file by the clock, dropping frames as a camera")
    live.add_argument("--loop", action="store_true", help="begin a file again when it ends")
    live.add_argument("--seconds", type=float, default=math.inf, help="stop after so much of the stream")
    live.add_argument("--out", type=Path, metavar="VIDEO", help="write the picture with all that is drawn into it")
    _add_settings(live, LiveConfig, "")

    listing = command("runs", run_commands.list_runs, "List the training runs, after doing something with one.")
    listing.add_argument("--stop", metavar="NAME", help="stop this run")
    listing.add_argument("--resume", metavar="NAME", help="go on with this run")
    listing.add_argument("--title", nargs=2, metavar=("NAME", "TITLE"), help="call this run by a title")
    listing.add_argument("--export", nargs=2, metavar=("NAME", "FILE"), help="write model, settings and story as .zip")
    listing.add_argument("--import", dest="bring", type=Path, metavar="FILE", help="take in a run that was exported")
    listing.add_argument("--delete", metavar="NAME", help="put this run into the trash")
    listing.add_argument("--restore", metavar="NAME", help="take this run back out of the trash")

    example = command(
        "example", commands.make_example, "Render the example data set: generated figures, to try everything with."
    )
    example.add_argument("folder", type=Path, metavar="DIR")
    example.add_argument("--actors", type=int, default=8)

    data = command(
        "dataset", dataset_commands.list_, "List the data sets of the workspace, or bring one: fetch, import."
    )
    ways = data.add_subparsers(metavar="")
    fetch = ways.add_parser("fetch", help="download a known data set: dataset fetch ucf101-top5")
    fetch.set_defaults(command=dataset_commands.fetch)
    fetch.add_argument("name", choices=("ucf101-top5",), help="about 400 MB; the clips of the Keras video examples")
    fetch.add_argument("--to", type=Path, metavar="FOLDER", help="where it shall be; default: in the workspace")
    bring = ways.add_parser("import", help="unpack an archive into the workspace, or link a folder")
    bring.set_defaults(command=dataset_commands.import_)
    bring.add_argument(
        "source", type=Path, metavar="ARCHIVE_OR_FOLDER", help=".tar.gz, .tar, .zip, or a folder of clips"
    )
    bring.add_argument("--to", metavar="NAME", help="its name in the workspace; default: that of the source")
    listing = ways.add_parser("versions", help="list the versions of a data set's edits")
    listing.set_defaults(command=dataset_commands.list_versions)
    edit = ways.add_parser("edit", help="relabel, regroup, leave out clips: a new version, the files stay as they are")
    edit.set_defaults(command=dataset_commands.edit)
    rename = ways.add_parser("rename", help="call an action otherwise, or merge it with another")
    rename.set_defaults(command=dataset_commands.rename)
    restore = ways.add_parser("restore", help="go back to a version, by a new one; 0 is the folder as it is")
    restore.set_defaults(command=dataset_commands.restore)
    for way in (listing, edit, rename, restore):
        way.add_argument("folder", type=Path, metavar="FOLDER", help="of clips, or a data set's name in the workspace")
    _add_edits(edit)
    rename.add_argument("old", metavar="OLD")
    rename.add_argument("new", metavar="NEW")
    restore.add_argument("number", type=int, metavar="NUMBER")
    doctor = ways.add_parser("doctor", help="tell what is wrong with a data set, and mend it")
    doctor_commands.add_options(doctor)
    for way in (fetch, bring, doctor, listing, edit, rename, restore):
        way.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document")

    analyse_commands.add_options(hidden := offered.add_parser("analyse"))  # of the page Video Predict
    hidden.set_defaults(command=analyse_commands.analyse, json=False)

    weights = command("weights", commands.list_weights, "List the weights that can be used here, or fetch some.")
    fetch = weights.add_subparsers(metavar="").add_parser("fetch", help="download weights: weights fetch NAME")
    fetch.set_defaults(command=commands.fetch_weights)
    fetch.add_argument("name", metavar="NAME", help="one of those that `weights` lists")
    fetch.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document")
    return parser


def _add_edits(edit: argparse.ArgumentParser) -> None:
    edit.add_argument("clips", nargs="+", metavar="CLIP", help="path below the folder")
    edit.add_argument("--action", metavar="NAME", help='what it shows; "" is again as the folder says')
    edit.add_argument("--group", metavar="NAME", help='who or where was filmed; "" is again as the folder says')
    edit.add_argument("--split", choices=("train", "validation", "test", "as-dealt"), help="moves its whole group")
    excluded = edit.add_mutually_exclusive_group()
    excluded.add_argument("--exclude", dest="excluded", action="store_true", default=None, help="leave it out")
    excluded.add_argument("--include", dest="excluded", action="store_false", help="take it back")
    ambiguous = edit.add_mutually_exclusive_group()
    ambiguous.add_argument("--ambiguous", action="store_true", default=None, help="keep it in sight, train without it")
    ambiguous.add_argument("--clear", dest="ambiguous", action="store_false", help="it is not ambiguous")


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
        text = "; ".join(filter(None, (_HELP.get(field.name, ""), text)))
        if hint is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text, **options)
        elif typing.get_origin(hint) is typing.Literal:
            parser.add_argument(flag, choices=typing.get_args(hint), help=text, **options)
        elif typing.get_origin(hint) is tuple:
            parser.add_argument(flag, nargs="+", metavar="NAME", help="default: chosen by the split", **options)
        else:
            parser.add_argument(flag, type=hint, metavar=hint.__name__.upper(), help=text, **options)


if __name__ == "__main__":
    sys.exit(main())
