"""What a training run says of itself: typed events, one JSON object a line, and a tail to follow them.

The file of events is the only truth about a run's progress: the pages, the command line and the tests
all read it, and none of them asks the process.
"""

import dataclasses
import json
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Reason = Literal["epochs", "early stopping", "all right", "stopped", "budget"]


@dataclass(frozen=True, slots=True)
class Started:
    """A process began (or went on with) the run. `weights` says what the backbone really started from."""

    at: float
    """Seconds since 1970, as `time.time()` gives them."""
    epoch: int
    epochs: int
    device: str
    precision: str
    weights: str
    classes: tuple[str, ...]
    train_clips: int
    validation_clips: int
    window_seconds: float
    frames_per_second: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another run has the machine: `behind` trains now, `before` runs come first."""

    behind: str
    before: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """`done` of `total` clips are decoded; training begins when all are."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """One optimiser step: `step` of `steps` in `epoch` (both count from 1); the rate is that of this epoch so far."""

    epoch: int
    step: int
    steps: int
    loss: float
    clips_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Trying:
    """The try of this `number`, from 0, of a search has finished an `epoch` of at most `epochs`, from 1."""

    number: int
    epoch: int
    epochs: int


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """One epoch, trained and validated. Accuracies in [0, 1]; learning rates as used in it.

    `confusion` holds (true, predicted, clips) of the validation clips, indices into the classes, where there are any
    clips: 101 classes with few clips make a short line. `memory_bytes` is what the trainer held in memory, 0 for
    unknown.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    backbone_learning_rate: float
    head_learning_rate: float
    seconds: float
    frozen: bool
    best: bool
    confusion: tuple[tuple[int, int, int], ...] = ()
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something the user should know that does not end the run, such as a clip that was left out."""

    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The run ended by itself or was asked to. A stopped one can be resumed.

    Of a search, which ends when its "budget" of time or tries is used up, `best_epoch` is the number of the best try.
    """

    reason: Reason
    best_epoch: int
    best_accuracy: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ended by an error; `message` is for the user, the traceback is in `stderr.txt`."""

    message: str


Event = Started | Waiting | Prepared | Stepped | Trying | EpochEnded | Noticed | Ended | Failed
_MOST = 2**53
"""No number of a run comes near it, and not all that draws could do with more. NaN and infinity fail this too."""
_KINDS: dict[str, Any] = {kind.__name__: kind for kind in Event.__args__}


def encode(event: Event) -> str:
    """One line of JSON, newline included."""
    return json.dumps({"event": type(event).__name__, **dataclasses.asdict(event)}) + "\n"


def decode(line: str) -> Event | None:
    """The event of one line; None for one that is damaged or of a kind that this version does not know."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("event")]
        event: Event = kind(**{name: _frozen(value) for name, value in values.items()})
        return event if _sound(event) else None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _frozen(value: object) -> object:
    if isinstance(value, str):  # JSON can hold halves of letters, which no page can show
        return value.encode(errors="replace").decode()
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _sound(event: Event) -> bool:
    """Whether each field is of its type and can be: whoever draws it need not look again."""
    hints = typing.get_type_hints(type(event))
    shares = (getattr(event, name, 0.0) for name in ("train_accuracy", "validation_accuracy", "best_accuracy"))
    return all(_is(getattr(event, name), hint) for name, hint in hints.items()) and all(0 <= s <= 1 for s in shares)


def _is(value: object, hint: Any) -> bool:  # noqa: ANN401  # whatever a field may be
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind is Literal:
        return value in inner
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(float(value)) < _MOST
    if hint is int:
        return type(value) is int and 0 <= value < _MOST
    if kind is not tuple or type(value) is not tuple:
        return type(value) is (kind or hint)
    if inner[-1] is not Ellipsis:
        return len(value) == len(inner) and all(map(_is, value, inner))
    return all(_is(item, inner[0]) for item in value)


class Tail:
    """Follows a file of events: each `read` gives those written since the last one.

    A half-written last line waits for its end. A file that is not there yet is empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Event]:
        """The new events, oldest first."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except OSError:
            return []
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = whole.decode("utf-8", errors="replace").splitlines()
        return [event for line in lines if (event := decode(line)) is not None]
