"""People who were mixed up, set right by hand: two tracks that are one person, one track that is two.

What a person did is reckoned anew from the embeddings that were kept; no picture is decoded. The film says the
same as if people had been followed so from the start. Each correction can be taken back.
"""

import contextlib
import json
import math
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_core import traces
from har_core.analysis import lane_of, seen, spotter
from har_core.config import LiveConfig
from har_core.errors import CheckpointError, ConfigError, HarError
from har_core.lanes import Analysis
from har_core.people import People
from har_core.prediction import Predictor
from har_core.traces import Traces

_FILE = "corrections.json"
_NOBODY = 0
Ids = NDArray[np.int64]
Step = dict[str, list[Any]]


def merge(keep: Path, analysis: Analysis, a: int, b: int, *, predictor: Predictor) -> Analysis:
    """Person `b` is person `a`: one lane, under the number of `a`. Where both are in view, `a` is believed.

    Raises:
        ConfigError: there is no such person, or they are the same.
        CheckpointError: the predictor is not the model that made this analysis.
        HarError: what was kept is gone.
    """
    for track in (a, b):
        analysis.person(track)
    if a == b:
        raise ConfigError(f"Two different people can be made one, but person {a} was named twice.")
    return _with(keep, analysis, {"merge": [a, b]}, predictor)


def split(keep: Path, analysis: Analysis, track: int, seconds: float, *, predictor: Predictor) -> Analysis:
    """From `seconds` on, a person is somebody else, who gets the next free number.

    Raises:
        ConfigError: there is no such person, or not both before and after that instant.
        CheckpointError: the predictor is not the model that made this analysis.
        HarError: what was kept is gone.
    """
    lane = analysis.person(track)
    if not lane.start < seconds < lane.stop:
        raise ConfigError(
            f"Person {track} can be split between {lane.start:.2f} and {lane.stop:.2f} s, but got {seconds:.2f} s."
        )
    fresh = 1 + max([lane.track or 0 for lane in analysis.people] + _ever(keep))
    return _with(keep, analysis, {"split": [track, float(seconds), fresh]}, predictor)


def undo(keep: Path, analysis: Analysis, *, predictor: Predictor) -> Analysis:
    """Take the last correction back.

    Raises:
        ConfigError: there is none.
        CheckpointError: the predictor is not the model that made this analysis.
        HarError: what was kept is gone.
    """
    kept, steps = traces.read(keep), _steps(keep)
    if not steps:
        raise ConfigError("There is no correction to take back.")
    before = _ids(kept, steps)
    steps.pop()
    found = _renewed(kept, analysis, before, _ids(kept, steps), predictor)
    _write(keep, steps)
    _picture(keep, found)
    return found


def undoable(keep: Path) -> int:
    """How many corrections can be taken back."""
    return len(_steps(keep))


def followed(keep: Path) -> People | None:
    """Who is where, with the corrections; None where nobody was looked for.

    Raises:
        HarError: what was kept is gone.
    """
    kept = traces.read(keep)
    if kept.people is None:
        return None
    ids = _ids(kept, _steps(keep))
    somebody = ids != _NOBODY
    rows = {name: getattr(kept.people, name)[somebody] for name in ("row", "xyxy", "confidence", "velocity")}
    return replace(kept.people, ids=ids[somebody], **rows)


def _picture(keep: Path, analysis: Analysis) -> None:
    """The portraits of who is there now; they are ornaments, a full disk costs no more than them."""
    kept = traces.read(keep)
    with contextlib.suppress(OSError):
        rate = float(analysis.settings["frames_per_second"])
        traces.write_portraits(keep, analysis.people, _ids(kept, _steps(keep)), rate)


def _with(keep: Path, analysis: Analysis, step: Step, predictor: Predictor) -> Analysis:
    kept, steps = traces.read(keep), _steps(keep)
    found = _renewed(kept, analysis, _ids(kept, steps), _ids(kept, [*steps, step]), predictor)
    if "split" in step and not {step["split"][0], step["split"][2]} <= {lane.track for lane in found.people}:
        raise ConfigError(
            f"Person {step['split'][0]} is not in view long enough on both sides of {step['split'][1]:.2f} s."
        )
    _write(keep, [*steps, step])
    _picture(keep, found)
    return found


def _renewed(kept: Traces, analysis: Analysis, before: Ids, after: Ids, predictor: Predictor) -> Analysis:
    """The analysis with the lanes of those whose rows changed made anew; the others are what they were."""
    # The whole model: with an encoder that was frozen, others' lanes would be of what it knew before.
    if predictor.engine.identity != kept.identity or predictor.card.classes != analysis.classes:
        raise CheckpointError(
            f"This analysis was made by another model than {predictor.name}, or by it before it learned more or was "
            "calibrated anew. Analyse the video again to correct it."
        )
    if kept.people is None:
        return analysis
    people = replace(kept.people, ids=after)
    config = LiveConfig(
        hysteresis=float(analysis.settings["hysteresis"]),
        smoothing_seconds=float(analysis.settings["smoothing_seconds"]),
    )
    ready, there = spotter(predictor, config), seen(kept, people)
    changed = {*before[before != after].tolist(), *after[before != after].tolist()}
    lanes = {lane.track: lane for lane in analysis.people if lane.track not in changed}
    lanes |= {track: lane_of(ready, kept, people, track) for track in there if track not in lanes}
    return replace(analysis, people=tuple(lanes[track] for track in there))


def _ids(kept: Traces, steps: list[Step]) -> Ids:
    """Whose each row of the kept people is, after these corrections; _NOBODY where it was somebody seen twice."""
    if kept.people is None:
        return np.empty(0, np.int64)
    row, ids = kept.people.row, kept.people.ids.copy()
    for step in steps:
        if "merge" in step:
            a, b = (int(track) for track in step["merge"])
            twice = (ids == b) & np.isin(row, row[ids == a])
            ids[twice] = _NOBODY
            ids[ids == b] = a
        else:
            track, seconds = int(step["split"][0]), float(step["split"][1])
            ids[(ids == track) & (kept.people.seconds[row] >= seconds - 1e-6)] = step["split"][2]
    return ids


def _ever(keep: Path) -> list[int]:
    """Every number that somebody has or had: none is given twice."""
    people = traces.read(keep).people
    given = [int(step["split"][2]) for step in _steps(keep) if "split" in step]
    return given + (list(people.tracks) if people else [])


def _steps(keep: Path) -> list[Step]:
    """The corrections so far.

    Raises:
        HarError: they cannot be told any more.
    """
    try:
        steps = json.loads((keep / traces.FOLDER / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        steps = None
    if not isinstance(steps, list) or not all(map(_is_step, steps)):
        raise HarError("The corrections of this video are damaged. Analyse it again to correct it.")
    return steps


def _is_step(step: object) -> bool:
    if not isinstance(step, dict) or len(step) != 1:
        return False
    ((what, numbers),) = step.items()
    if not isinstance(numbers, list) or len(numbers) != {"merge": 2, "split": 3}.get(what):
        return False
    ids = numbers if what == "merge" else [numbers[0], numbers[2]]
    known = all(type(track) is int and 0 < track < traces.MOST_TRACKS for track in ids)
    return known and (what == "merge" or (isinstance(numbers[1], (int, float)) and 0 <= numbers[1] < math.inf))


def _write(keep: Path, steps: list[Step]) -> None:
    """Whole or not at all."""
    file = keep / traces.FOLDER / _FILE
    part = file.with_name(f".{_FILE}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(json.dumps(steps), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise HarError(f"The correction cannot be kept: {error.strerror or error}. Make room on the disk.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
