"""What a user says of a run: a title, a note, a star. Kept in the run's folder; the folder keeps its name."""

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from har_core.errors import RunError

FILE = "notes.json"
_TITLE, _NOTE = 80, 2000


@dataclass(frozen=True, slots=True)
class Notes:
    """Empty where nothing was said. A title has no line breaks; `star` puts a run first."""

    title: str = ""
    note: str = ""
    star: bool = False


def read(run: Path) -> Notes:
    """What is said of the run in this folder; what is damaged counts as nothing."""
    try:
        told = Notes(**json.loads((run / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return Notes()
    sound = isinstance(told.title, str) and isinstance(told.note, str) and isinstance(told.star, bool)
    return (
        Notes(_shown(" ".join(told.title.split()), _TITLE), _shown(told.note, _NOTE), told.star) if sound else Notes()
    )


def _shown(text: str, most: int) -> str:
    """The text as pages can show it: JSON can hold halves of letters."""
    return text[:most].encode(errors="replace").decode()


def write(run: Path, notes: Notes) -> None:
    """Say this of the run from now on; whole or not at all.

    Raises:
        RunError: too long a text, or the folder cannot be written.
    """
    title = " ".join(notes.title.split())
    for what, text, most in (("title", title, _TITLE), ("note", notes.note, _NOTE)):
        if len(text) > most:
            raise RunError(f"The {what} of a run may have {most} letters, but got {len(text)}. Shorten it.")
    part = run / f".{FILE}-{secrets.token_hex(4)}.part"
    try:
        with part.open("w", encoding="utf-8", errors="replace") as file:
            json.dump(asdict(Notes(title, notes.note.strip(), notes.star)), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(run / FILE)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise RunError(f"What you say of run {run.name} cannot be kept: {error.strerror}. Make room there.") from None
