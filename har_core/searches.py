"""Searches for better settings: what one tries, what came of it, and the process that does it. No torch here.

A search is a folder like a run's: `config.json events.jsonl tries.jsonl stderr.txt stop lock`. Each try is one line of
`tries.jsonl`, written when it is over, so that whatever kills the search costs the try that was under way and no other.
"""

import contextlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from har_core import coach, runs
from har_core.config import Config, TrainConfig
from har_core.errors import ConfigError, RunError
from har_core.runs import Run, Status
from har_core.values import wilson

Value = float | int | str | bool
Settings = dict[str, Value]
"""Path of a setting ("network.dropout") -> its value."""


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting that a search may turn: between `low` and `high`, evenly over their logarithms if `log`, or choices."""

    title: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Value, ...] = ()


STRENGTH = "augment.strength"
KNOBS = {
    "head_learning_rate": Knob("Learning rate of the head", 2e-4, 1e-2, log=True),
    "network.dropout": Knob("Dropout", 0.0, 0.8),
    "network.lstm_size": Knob("LSTM size", choices=(64, 128, 256, 512)),
    "label_smoothing": Knob("Label smoothing", 0.0, 0.3),
    "network.pooling": Knob("Over time", choices=("mean", "last", "attention")),
    "network.bidirectional": Knob("Forwards and backwards", choices=(False, True)),
    "network.motion": Knob("What the LSTM reads", choices=("beside", "steps", "only", "off")),
    STRENGTH: Knob("Augmentation", choices=(0.0, 1.0, 2.0)),
    "weight_decay": Knob("Weight decay", 1e-4, 1e-1, log=True),
}
"""What can be tried while the backbone is held: all that comes after it, and how clips are varied before it."""
USUAL_KNOBS = ("head_learning_rate", "network.dropout", "network.lstm_size", "label_smoothing")


@dataclass(frozen=True, slots=True)
class SearchConfig(Config):
    """One search, complete. `base` has the settings that are not turned; its own values are the first try.

    Each try trains on all folds but one and is judged by the clips of the other, for each of `folds` in turn, for at
    most `epochs` epochs with the backbone held. It goes on for `minutes` of trying, or for `tries`. `then_train`
    starts an ordinary run with the best settings at the end.
    """

    base: TrainConfig = field(default_factory=TrainConfig)
    knobs: tuple[str, ...] = USUAL_KNOBS
    minutes: float = 10.0
    tries: int = 1000
    folds: int = 3
    epochs: int = 30
    seed: int = 0
    then_train: bool = False

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.knobs) - set(KNOBS)):
            raise ConfigError(f"A search cannot turn {unknown[0]!r}. It can turn: {', '.join(KNOBS)}.")
        if not self.knobs:
            raise ConfigError(f"A search needs a setting to turn. It can turn: {', '.join(KNOBS)}.")
        for name, low, high in (
            ("minutes", 0.01, 10_000), ("tries", 1, 10_000), ("folds", 2, 20), ("epochs", 1, 1000),
            ("seed", 0, 2**31 - 1),
        ):  # fmt: skip
            if not low <= (value := getattr(self, name)) <= high:
                raise ConfigError(f"SearchConfig.{name} must lie between {low:g} and {high:g}, but is {value:g}.")

    def first(self) -> Settings:
        """What the base has for each knob."""
        values = self.base.to_json()
        return {path: _at(values, path) for path in self.knobs}


@dataclass(frozen=True, slots=True)
class Try:
    """One try that is over.

    Args:
        number: from 0, which is the base's own settings.
        settings: what the knobs were turned to.
        accuracy: in [0, 1], over the clips of all folds, in the epoch that was best for all of them together.
        epoch: that epoch, from 1.
        right: for each clip, in one order for all tries of a search, "1" where its action was named, else "0".
        folds: the accuracy in each fold, in [0, 1].
        curve: the accuracy after each epoch, in [0, 1].
        seconds: how long it took.
        pruned: given up early, for it was worse than the others had been by then.
    """

    number: int
    settings: Settings
    accuracy: float
    epoch: int
    right: str
    folds: tuple[float, ...]
    curve: tuple[float, ...]
    seconds: float
    pruned: bool = False

    def encode(self) -> str:
        """One line of JSON, newline included."""
        return json.dumps(asdict(self)) + "\n"


@dataclass(frozen=True, slots=True)
class Search:
    """One search's folder. Everything is read from disk at each call; nothing is remembered."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def process(self) -> Run:
        """Its process, and what that says: alive, status, events, log, stop."""
        return Run(self.folder)

    def status(self) -> Status:
        """How it stands."""
        return self.process.status()

    def config(self) -> SearchConfig:
        """What it was asked to do.

        Raises:
            RunError: config.json is missing or damaged.
        """
        try:
            return SearchConfig.from_json(json.loads((self.folder / "config.json").read_text(encoding="utf-8")))
        except (ValueError, OSError, ConfigError, RecursionError) as error:
            raise RunError(f"The config.json of search {self.name} cannot be read: {error}") from None

    def tries(self) -> list[Try]:
        """The tries that are over, in order; damaged lines are left out."""
        try:
            lines = (self.folder / "tries.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        found = (_decode(line) for line in lines)
        return list({each.number: each for each in found if each is not None}.values())

    def add(self, done: Try) -> None:
        """Keep a try; it is on the disk when this returns."""
        with (self.folder / "tries.jsonl").open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")  # a killed process left half a line
            file.write(done.encode().encode())
            file.flush()
            os.fsync(file.fileno())

    def stop(self) -> None:
        """Ask it to stop; the tries that are over are kept. Blocks until it has."""
        self.process.stop()

    def resume(self, *, more_minutes: float = 0.0) -> None:
        """Go on with it in a new process, for what is left of its time and `more_minutes`.

        Raises:
            RunError: it is running, or has no config.
        """
        config = self.config()
        if self.process.alive():
            raise RunError(f"Only a search that does not run can go on, but {self.name} is running.")
        if more_minutes:
            _write(self.folder, replace(config, minutes=config.minutes + more_minutes), anew=True)
        runs.launch(self.process, "search", "--search")


def start(config: SearchConfig, root: Path, *, name: str = "") -> Search:
    """A new search under `root`, already on its way in a process that belongs to no browser tab.

    Raises:
        RunError: the data set is not there or the folder cannot be written.
    """
    found = create(config, root, name=name)
    runs.launch(found.process, "search", "--search")
    return found


def create(config: SearchConfig, root: Path, *, name: str = "") -> Search:
    """The folder of a search with its config, not started. It pins the version of the data set's edits.

    Raises:
        RunError: the data set is not there or the folder cannot be written.
    """
    if not config.base.dataset or not Path(config.base.dataset).is_dir():
        raise RunError(f"A search needs a folder of clips, but {config.base.dataset!r} is none.")
    config = replace(config, base=runs.pinned(config.base))
    folder = runs.free_folder(root, name or Path(config.base.dataset).name)
    _write(folder, config, anew=False)
    return Search(folder)


def _write(folder: Path, config: SearchConfig, *, anew: bool) -> None:
    part = folder / ".config.part"
    try:
        if not anew:
            folder.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(config.to_json(), indent=1), encoding="utf-8")
        part.replace(folder / "config.json")
    except OSError as error:
        raise RunError(f"The search's folder {folder} cannot be written: {error.strerror}. Make room there.") from None


def all_searches(root: Path) -> list[Search]:
    """Every search under `root`, newest first."""
    return [Search(run.folder) for run in runs.all_runs(root)]


def settings_of(base: TrainConfig, settings: Settings) -> TrainConfig:
    """The base with these settings.

    Raises:
        ConfigError: they contradict each other.
    """
    return coach.changed(base, nested(settings))


def nested(settings: Mapping[str, Value]) -> dict[str, Any]:
    """Settings by path as a config nests them.

    >>> nested({"network.dropout": 0.1, "seed": 1})
    {'network': {'dropout': 0.1}, 'seed': 1}
    """
    found: dict[str, Any] = {}
    for path, value in settings.items():
        *parents, last = path.split(".")
        place = found
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value
    return found


def train_best(search: Search, root: Path) -> Run:
    """An ordinary run with the best settings, on its way; where it was started before, that one.

    Args:
        root: the folder of all runs.

    Raises:
        RunError: no try is over yet, or the run cannot be started.
    """
    best = best_of(search.tries())
    if best is None:
        raise RunError(f"The search {search.name} has no try that is over yet.")
    # Its name says whose it is: a search that is killed and goes on starts no second one.
    run = Run(root / f"{search.name}-try{best.number}")
    if not (run.folder / "config.json").exists():
        runs.create(settings_of(search.config().base, best.settings), run.folder)
    if run.status() == "new":
        run.resume()
    return run


def best_of(tries: Sequence[Try]) -> Try | None:
    """The try with the most clips right that was not given up, the earliest of equals."""
    whole = [each for each in tries if not each.pruned]
    return max(whole, key=lambda each: (each.accuracy, -each.number), default=None)


def verdict(tries: Sequence[Try]) -> str:
    """In plain words: the best try against the first, and whether that may be chance, chosen as it was out of many."""
    best, usual = best_of(tries), next((each for each in tries if each.number == 0), None)
    if best is None or usual is None:
        return "No try is over yet."
    number, many = len(best.right), len(tries)
    low, high = wilson(best.right.count("1"), number)
    within = f"{best.accuracy:.1%} of {number} clips (95% interval {low * 100:.0f}–{high * 100:.0f}%)"
    if best.number == 0:
        return f"Your own settings are the best of {many} so far: {within}."
    gained, lost = _only(best, usual), _only(usual, best)
    words = (f"The best of {many} tries names {within}, your own settings {usual.accuracy:.1%}: {gained} clips are "
             f"right only with it, {lost} only without it. ")  # fmt: skip
    # Bonferroni's correction: the more tries, the larger a lead chance alone will give one of them.
    if sign_test(gained, lost) * (many - 1) >= 0.05:
        return words + f"Chosen out of {many}, that may well be luck. Only clips that no try has seen can tell."
    return (
        words + f"Luck alone does not explain that, even out of {many}. Its score still flatters: it was chosen by it."
    )


def sign_test(gained: int, lost: int) -> float:
    """McNemar's exact test, two-sided: how probable so uneven a difference is where both are equally good, in [0, 1].

    >>> round(sign_test(9, 1), 4)
    0.0215
    >>> sign_test(3, 3)
    1.0
    """
    number = gained + lost
    tail = sum(math.comb(number, k) for k in range(min(gained, lost) + 1)) / 2**number
    return float(min(1.0, 2 * tail))


def _only(one: Try, other: Try) -> int:
    return sum(a == "1" and b == "0" for a, b in zip(one.right, other.right, strict=False))


def _at(values: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401  # whatever the setting is
    for name in path.split("."):
        values = values[name]
    return values


def _decode(line: str) -> Try | None:
    """The try of a line; None where it is damaged."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        values = json.loads(line)
        done = Try(**values | {"folds": tuple(values["folds"]), "curve": tuple(values["curve"])})
        numbers = (done.accuracy, done.seconds, *done.folds, *done.curve)
        whole = all(type(n) in (int, float) and math.isfinite(n) for n in numbers) and 0 <= done.accuracy <= 1
        kinds = type(done.number) is int and type(done.epoch) is int and type(done.pruned) is bool
        known = all(path in KNOBS and isinstance(v, (int, float, str)) for path, v in done.settings.items())
        if whole and kinds and known and isinstance(done.right, str) and not set(done.right) - {"0", "1"}:
            return done
    return None
