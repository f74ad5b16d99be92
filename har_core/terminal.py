"""How all commands talk: JSON on standard output; sentences and bars on standard error."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm

from har_core.events import Ended, EpochEnded, Event, Noticed, Prepared, Started, Stepped, Trying, Waiting


@contextlib.contextmanager
def progress_bar(what: str, *, unit: str = "it") -> Iterator[Callable[[int, int], None]]:
    """A bar; gives what to call with how much is done and how much there is (0: not known)."""
    with tqdm(desc=what, leave=False, disable=None, file=sys.stderr, unit=unit, unit_scale=unit == "B") as bar:

        def report(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield report


def print_json(values: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(values))


def event_printer() -> Callable[[Event], None]:
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
        if isinstance(event, Trying):
            return bar(event.epochs, f"try {event.number}", event.epoch)
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
        elif isinstance(event, Waiting):
            print(f"waits for {event.behind}; {event.before} before this run", file=sys.stderr)
        elif isinstance(event, Noticed):
            print(event.message, file=sys.stderr)
        elif isinstance(event, Ended):
            best = f"best epoch {event.best_epoch}, accuracy {event.best_accuracy:.1%}"
            print(f"ended by {event.reason}; {best if event.best_epoch else 'no epoch was finished'}", file=sys.stderr)
        return None

    return show
