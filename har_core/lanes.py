"""What was found in a video over its time: a lane for the whole picture, and one for each person. Values only.

Light on purpose: a page lists analyses without loading the networks that made them.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_core.errors import ConfigError
from har_core.values import Prediction, Reading, Segment, VideoProperties, is_nothing

FORMAT = 1
_LARGEST, _ROUNDED = 1e9, 1e-2
"""Of all numbers here; and by how much probabilities may miss their bounds."""
_AWAY = 1.0
"""Seconds from its nearest window after which nothing is said of somebody: they were not in view."""


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """What one person did over a video, or the whole picture showed (`track` None), `[start, stop)` seconds.

    `prediction` is the answer for all of it. `segments` are in order and do not overlap; between them the model is
    unsure, or the person is out of view. `moments` float32 `(M,)`, rising, are the middles of the windows that were
    looked at, `probabilities` float32 `(M, C)` what they show, smoothed over time; M may be 0 in no lane that
    `analyse` gives. A segment may name a class that stands for no action: ask `values.is_nothing`.
    """

    track: int | None
    start: float
    stop: float
    prediction: Prediction
    segments: tuple[Segment, ...]
    moments: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.probabilities.shape != (len(self.moments), len(self.prediction.classes)):
            raise ValueError(
                f"a lane needs probabilities for each moment and class, got {self.probabilities.shape} for "
                f"{len(self.moments)} moments and {len(self.prediction.classes)} classes"
            )

    def __repr__(self) -> str:
        who = "whole" if self.track is None else f"#{self.track}"
        return f"Lane({who}, {self.start:.2f}..{self.stop:.2f} s, {len(self.segments)} segments)"

    def segment(self, seconds: float) -> Segment | None:
        """The segment that holds this instant; None in a gap."""
        return next((s for s in self.segments if s.start <= seconds < s.stop), None)

    def reading(self, seconds: float) -> Reading:
        """What to show at an instant: the action of its segment, or that the model is unsure."""
        if not len(self.moments):
            return Reading("unsure")
        after = int(np.searchsorted(self.moments, seconds))
        near = [i for i in (after - 1, after) if 0 <= i < len(self.moments)]
        row = self.probabilities[min(near, key=lambda i: abs(float(self.moments[i]) - seconds))].astype(np.float64)
        shown = Prediction(row / row.sum(), self.prediction.classes, self.prediction.unsure_below)
        held = self.segment(seconds)
        return Reading("sure", held.action, shown) if held else Reading("unsure", "", shown)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; arrays are base64 of little-endian float32, row by row."""
        return {
            "track": self.track,
            "start": self.start,
            "stop": self.stop,
            "prediction": self.prediction.probabilities.tolist(),
            "segments": [[s.action, s.start, s.stop, s.score] for s in self.segments],
            "moments": _packed(self.moments),
            "probabilities": _packed(self.probabilities),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What a video shows: `whole` for its picture, `people` for each person in it, by id.

    `model` names what looked, `views` what that had learned from ("frame", "person"); `damage` says in a sentence
    what of the file does not decode, empty where all does; `note` what to know before the answer is believed.
    """

    name: str
    properties: VideoProperties
    model: str
    classes: tuple[str, ...]
    unsure_below: float
    whole: Lane
    people: tuple[Lane, ...] = ()
    damage: str = ""
    views: tuple[str, ...] = ("frame",)
    note: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the look: `window_seconds`, `hop_seconds`, `hysteresis`; for whoever explains or repeats it."""

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The whole picture, then everybody."""
        return (self.whole, *self.people)

    @property
    def unsure(self) -> bool:
        """Whether no action had better be named: by the model, or because a part of the film was not seen."""
        return self.whole.prediction.unsure or bool(self.damage)

    def person(self, track: int) -> Lane:
        """The lane of a person.

        Raises:
            ConfigError: nobody has this number.
        """
        for lane in self.people:
            if lane.track == track:
                return lane
        known = ", ".join(str(lane.track) for lane in self.people) or "nobody"
        raise ConfigError(f"A person must be one of those who were found ({known}), but got {track}.")

    def seen(self) -> list[tuple[str, int, float]]:
        """The actions that the segments of the whole picture name: each with how often and how many seconds in all.

        That of most seconds first. A film of several actions has no one answer, and yet each of them may be sure.
        """
        found: dict[str, list[float]] = {}
        for segment in self.whole.segments:
            if not is_nothing(segment.action):
                found.setdefault(segment.action, []).append(segment.stop - segment.start)
        told = [(action, len(each), sum(each)) for action, each in found.items()]
        return sorted(told, key=lambda one: -one[2])

    def table(self) -> list[dict[str, Any]]:
        """One row for each segment, lane by lane: video, person ("" for the whole picture), action, start, stop, p."""
        return [
            {
                "video": self.name,
                "person": "" if lane.track is None else lane.track,
                "action": s.action,
                "start": round(s.start, 3),
                "stop": round(s.stop, 3),
                "probability": round(s.score, 4),
            }
            for lane in self.lanes
            for s in lane.segments
        ]

    def summary(self) -> list[dict[str, Any]]:
        """One row for each lane: video, person, seconds in view, the answer for all of it and whether it is unsure."""
        return [
            {
                "video": self.name,
                "person": "" if lane.track is None else lane.track,
                "start": round(lane.start, 3),
                "stop": round(lane.stop, 3),
                "action": lane.prediction.action,
                "probability": round(lane.prediction.top(1)[0][1], 4),
                "unsure": lane.prediction.unsure or bool(self.damage),
                "segments": len(lane.segments),
            }
            for lane in self.lanes
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, from which `from_json` makes the same again."""
        return {
            "format": FORMAT,
            "name": self.name,
            "properties": asdict(self.properties),
            "model": self.model,
            "classes": list(self.classes),
            "unsure_below": self.unsure_below,
            "whole": self.whole.to_json(),
            "people": [lane.to_json() for lane in self.people],
            "damage": self.damage,
            "views": list(self.views),
            "note": self.note,
            "settings": dict(self.settings),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Analysis":
        """The analysis of what `to_json` gave.

        Raises:
            ConfigError: the values are none, or of another version of the program.
        """
        try:
            if values["format"] != FORMAT:
                raise ConfigError(
                    f"An analysis must have format {FORMAT}, but this one has {values['format']}. Analyse it again."
                )
            classes = tuple(_text(name) for name in values["classes"])
            below = _number(values["unsure_below"], 0.0, 1.0)
            whole = _lane(values["whole"], classes, below)
            people = tuple(_lane(lane, classes, below) for lane in values["people"])
            tracks = [lane.track for lane in people]
            if whole.track is not None or None in tracks or len(set(tracks)) != len(tracks):
                raise ValueError("its lanes must be one of the whole picture, and one of each person")
            return Analysis(
                name=_text(values["name"]),
                properties=_properties(values["properties"]),
                model=_text(values["model"]),
                classes=classes,
                unsure_below=below,
                whole=whole,
                people=people,
                damage=_text(values["damage"]),
                views=tuple(_text(view) for view in values["views"]),
                note=_text(values["note"]),
                settings={_text(name): _number(value) for name, value in values["settings"].items()},
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"This is not an analysis of a video ({error}). Analyse the video again.") from error


def readable(text: str) -> str:
    """Text that can be shown and written: names of files, and JSON, can hold halves of letters.

    >>> readable("caf\\udce9.mp4")
    'caf?.mp4'
    """
    return text.encode(errors="replace").decode()


def _lane(values: Mapping[str, Any], classes: tuple[str, ...], unsure_below: float) -> Lane:
    track = None if values["track"] is None else int(_number(values["track"], 0))
    shares = np.array([_number(p, -_ROUNDED, 1 + _ROUNDED) for p in values["prediction"]])
    moments = _unpacked(values["moments"], ())
    probabilities = _unpacked(values["probabilities"], (len(classes),))
    # NaN passes neither comparison.
    if not (np.all(np.abs(moments) < _LARGEST) and np.all(np.abs(probabilities.sum(axis=1) - 1.0) < _ROUNDED)):
        raise ValueError("moments must be seconds, and the probabilities of each must sum to 1")
    return Lane(
        track=track,
        start=_number(values["start"]),
        stop=_number(values["stop"]),
        prediction=Prediction(shares, classes, unsure_below),
        segments=tuple(
            Segment(track, _text(a), _number(b), _number(c), _number(p, 0.0, 1 + _ROUNDED))
            for a, b, c, p in values["segments"]
        ),
        moments=moments,
        probabilities=probabilities,
    )


def _properties(values: Mapping[str, Any]) -> VideoProperties:
    frames, width, height = (int(_number(values[name], 0)) for name in ("frames", "width", "height"))
    seconds, rate = _number(values["seconds"], 0), _number(values["frames_per_second"], 0)
    return VideoProperties(seconds, rate, frames, width, height, _text(values["codec"]))


def _number(value: object, least: float = -_LARGEST, most: float = _LARGEST) -> float:
    """A number in a range, which NaN is not: somebody may have edited the file, or a disk have lost a part of it."""
    if not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"a number from {least:g} to {most:g} must stand where it has {str(value)[:30]}")
    return float(value)


def _text(value: object) -> str:
    """Text that can be shown and written."""
    if not isinstance(value, str):
        raise ValueError(f"text must stand where it has {str(value)[:30]}")
    return readable(value)


def _packed(array: NDArray[np.float32]) -> str:
    return base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")


def _unpacked(text: str, shape: Sequence[int]) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32).reshape(-1, *shape)
