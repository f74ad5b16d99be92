"""What `search` does on the command line, and being the process of a search that a page has started."""

import argparse
import contextlib
import json
import os
import sys
import traceback
from pathlib import Path

from har_core import runs, searches, turns, workspace
from har_core.config import TrainConfig
from har_core.errors import ConfigError, HarError, RunError
from har_core.events import Ended, Event, Failed, Waiting, encode
from har_core.searches import KNOBS, USUAL_KNOBS, Search, SearchConfig, Try
from har_core.terminal import event_printer, print_json


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which searches there are."""
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="folder of clips; left out, --search goes on")
    parser.add_argument("--search", type=Path, metavar="FOLDER", help="go on with this search")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="of trying; getting ready comes on top (default 10)"
    )
    parser.add_argument("--tries", type=int, default=1000, help="end after so many (default 1000)")
    parser.add_argument("--knobs", nargs="+", default=list(USUAL_KNOBS), choices=list(KNOBS), metavar="KNOB",
                        help=f"what to turn: {', '.join(KNOBS)}; default: {', '.join(USUAL_KNOBS)}")  # fmt: skip
    parser.add_argument("--folds", type=int, default=3, help="groups are dealt into so many (default 3)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="JSON file with the settings that are not turned")
    parser.add_argument("--then-train", action="store_true", help="start a run with the best settings at the end")


def search(given: argparse.Namespace) -> int:
    """Search: anew, or go on with one that was cut off."""
    if (given.data is None) == (given.search is None):
        raise ConfigError("A search needs --data FOLDER for a new one, or --search FOLDER to go on with one.")
    if given.search is not None:
        return _work(Search(given.search.resolve()), quiet=given.json)
    values = _base(given.config) | {"dataset": str(given.data.resolve())}
    config = SearchConfig.from_json({
        "base": values, "knobs": given.knobs, "minutes": given.minutes, "tries": given.tries, "folds": given.folds,
        "seed": given.seed, "then_train": given.then_train,
    })  # fmt: skip
    return _work(searches.create(config, workspace() / "searches"), quiet=given.json)


def _base(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        return TrainConfig.from_json(json.loads(file.read_text(encoding="utf-8"))).to_json()
    except (OSError, ValueError) as error:
        raise ConfigError(f"--config must name a JSON file of settings, but {file}: {error}.") from None


def _work(found: Search, *, quiet: bool) -> int:
    """Be the search's process: keep each try as soon as it is over, and say what goes on."""
    config, run = found.config(), found.process
    with (
        runs.locked(run) as stopped,
        run.events_path.open("a", encoding="utf-8", buffering=1) as story,
        turns.ticket(workspace() / "cache" / "turns", f"search {found.name}") as before,
    ):
        if run.events_path.stat().st_size and not run.events_path.read_bytes().endswith(b"\n"):
            story.write("\n")  # a killed process left half a line
        show = event_printer()

        def tell(event: Event) -> None:
            story.write(encode(event))
            if not quiet and not isinstance(event, Ended):  # the verdict follows
                show(event)

        try:
            with contextlib.suppress(OSError):
                os.nice(5)  # a live page beside it comes first
            if not turns.wait(before, run.folder, stopped=stopped, tell=lambda who, n: tell(Waiting(who, n))):
                tell(Ended("stopped", 0, 0.0))
                return 0
            from har_core import search as searching  # it loads torch

            for event in searching.search(config, run.folder, found.tries(), stopped=stopped):
                if isinstance(event, Try):
                    found.add(event)
                    if not quiet:
                        _show(event)
                else:
                    if isinstance(event, Ended) and event.reason == "budget" and config.then_train:
                        searches.train_best(found, workspace() / "runs")
                    tell(event)
        except HarError as error:
            with contextlib.suppress(OSError):  # the disk may be what failed
                tell(Failed(str(error)))
            raise
        except Exception as error:
            traceback.print_exc()
            with contextlib.suppress(OSError):
                tell(Failed(f"The search failed by a bug or a full machine: {type(error).__name__}: {error}"))
            raise RunError(f"The search failed: {error}. The traceback is above.") from None
    _say(found, quiet=quiet)
    return 0


def _show(done: Try) -> None:
    turned = ", ".join(f"{path} {value}" for path, value in done.settings.items())
    print(f"try {done.number}: {done.accuracy:.1%}{' (given up)' if done.pruned else ''}; {turned}; "
          f"{done.seconds:.1f} s", file=sys.stderr)  # fmt: skip


def _say(found: Search, *, quiet: bool) -> None:
    tries = found.tries()
    best = searches.best_of(tries)
    if not quiet:
        print(searches.verdict(tries))
        return
    print_json({
        "search": str(found.folder), "tries": len(tries), "verdict": searches.verdict(tries),
        "best": None if best is None else {"number": best.number, "settings": best.settings, "accuracy": best.accuracy},
    })  # fmt: skip
