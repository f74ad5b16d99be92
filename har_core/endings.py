"""Why a run ended before its time, in one sentence, and what to do: from its events and what its process wrote."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from har_core.events import EpochEnded, Event, Failed, Started

_MOSTLY = 0.5
"""Of the machine's memory: one that held as much was most likely ended by the system for it."""
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Ending:
    """What happened and what to do now. `again` says whether going on from the last epoch makes sense as it is."""

    what: str
    remedy: str
    again: bool = True


_CAUSES = (
    (
        r"No space left on device|Errno 28|disk is full",
        Ending("The disk is full.", "Make room, for example by deleting runs, then resume it."),
    ),
    (
        r"changed since the run began",
        Ending(
            "The clips of the data set changed since the run began.", "Start a new run with the same settings.", False
        ),
    ),
    (
        r"needs a detector|no detector",
        Ending(
            "There is no detector on this computer any more.",
            "Fetch one on the Live page, under Weights, then resume it.",
        ),
    ),
    (
        r"MemoryError|[Cc]annot allocate memory|can't allocate memory|CUDA out of memory|Out of memory",
        Ending(
            "The memory was full.",
            "Close other programs and resume it, or start a new run with smaller batches or pictures.",
        ),
    ),
    (
        r"the steps were too long|loss that is a number",
        Ending(
            "The loss was no number any more: the steps were too long.",
            "Start a new run with smaller learning rates.",
            False,
        ),
    ),
    (
        r"has gone since|No such file or directory: .*\.(?:mp4|avi|mov|mkv|webm)",
        Ending(
            "A clip has gone while it trained.",
            "Bring it back and resume it, or start a new run with the clips that are there.",
        ),
    ),
    (
        r"Segmentation fault|Fatal Python error|Illegal instruction|core dumped",
        Ending(
            "The process crashed in a library.",
            "Resume it. Where it crashes at the same place again, a clip may be broken: ask the doctor.",
        ),
    ),
    (
        r"ModuleNotFoundError|ImportError",
        Ending("A library is missing.", "Install what requirements.txt names, then resume it."),
    ),
)
"""What a message or a log says, the first that fits, and what it means."""


def explain(
    events: Sequence[Event], log: str, *, memory: int, booted_at: float, last_sign: float
) -> Ending:  # fmt: skip
    """Why a run that failed or crashed did so.

    Args:
        events: of the run.
        log: the last lines of what its process wrote.
        memory: bytes that the machine has.
        booted_at: when the machine was started, seconds since 1970.
        last_sign: when the run last wrote something, likewise.
    """
    begun = max((i for i, event in enumerate(events) if isinstance(event, Started)), default=0)
    events = events[begun:]  # what ended an earlier part of the run is of no interest
    failed = next((e for e in reversed(events) if isinstance(e, Failed)), None)
    said = failed.message if failed else log
    for pattern, ending in _CAUSES:
        if re.search(pattern, said):
            return ending
    if failed is not None:
        return Ending(failed.message, "Mend that, then resume it: it goes on from the last finished epoch.")
    if booted_at > last_sign:
        return Ending("The computer was restarted while it trained.", "Resume it.")
    held = max((e.memory_bytes for e in events if isinstance(e, EpochEnded)), default=0)
    if held > _MOSTLY * memory:
        return Ending(
            f"Its process was killed, most likely because the memory was full: it held {held / 2**30:.1f} of "
            f"{memory / 2**30:.1f} GB.", "Close other programs and resume it, or start a new run with smaller batches.",
        )  # fmt: skip
    if last := _last_error(log):
        return Ending(f"Its process ended by an error: {last}", "Resume it. Where it ends so again, it is our bug.")
    return Ending("Its process was killed from outside: by somebody, or by the system when the memory was full.",
                  "Resume it.")  # fmt: skip


def _last_error(log: str) -> str:
    """The last line that names an error; a traceback ends with it."""
    for line in reversed(log.splitlines()):
        if re.match(r"\s*[\w.]*(Error|Exception|Killed|Interrupt)\b", line) or "error:" in line:
            return line.strip()[:_LONGEST]
    return ""
