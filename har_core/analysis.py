"""A video, however long -> lanes: what the whole picture shows when, and what each person does.

One pass finds people (kept, `people.follow`), one looks: each tick of the model's rate is encoded once, however many
windows overlap, in batches; embeddings go to the disk and come back in pieces, so that memory does not grow with the
length. The answer for a clip is that of `Predictor.examine`: the same windows, the same pictures, the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from har_core import traces, video
from har_core.buffers import tick
from har_core.config import LiveConfig
from har_core.engine import ENCODE_AT_ONCE
from har_core.errors import Cancelled, VideoError
from har_core.images import cut, fit, jpeg, shrink
from har_core.lanes import Analysis, Lane, readable
from har_core.people import EXPAND, People, looks
from har_core.prediction import THUMBNAIL, Predictor, damage_of
from har_core.sampling import plan
from har_core.spotting import HOP_SECONDS, Spotter
from har_core.traces import WHOLE, Traces, Writer
from har_core.values import Prediction, Rgb, VideoProperties

__all__ = ["Analysis", "Lane", "Phase", "analyse", "lane_of", "spotter"]

Phase = Literal["people", "looking", "timelines"]
LONGEST_SECONDS = 12 * 3600.0
_LONGEST_STILL = 300.0
_PICTURES = 9
"""Small pictures that are kept of each person, spread over when they were in view."""
_COVER = 320
Embedding = NDArray[np.float32]


def analyse(
    predictor: Predictor,
    path: Path,
    *,
    people: bool,
    progress: Callable[[float, float], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    keep: Path | None = None,
    phase: Callable[[Phase], None] = lambda phase: None,
    name: str = "",
    config: LiveConfig | None = None,
) -> Analysis:
    """What a video shows over its time.

    Args:
        predictor: the model, and what finds people.
        path: the video; untrusted, it is decoded in a child process.
        people: also make a lane for each person.
        progress: told how many seconds of film are done, and of how many, over all passes.
        cancelled: asked at each step; once it says yes, Cancelled is raised and nothing is left behind.
        keep: a folder for what corrections and drawing need, below `traces/`, a
            picture of each person as `portraits/N.jpg`, and `thumbnail.jpg`.
        phase: told when finding people, looking, and making timelines begin.
        name: what to call the video; its file name where empty.
        config: smoothing, hysteresis and the least time in view.

    Raises:
        VideoError: the file cannot be decoded, or is too long; what is found cannot be kept.
        Cancelled: as asked for.
    """
    card = predictor.card
    properties = _probed(path)
    needed = people or card.clip.view == "person"
    steps = _Steps(progress, cancelled, properties.seconds, passes=2 if needed and predictor.detector else 1)
    try:
        folk = None
        if needed and predictor.detector:
            phase("people")
            folk = predictor.follow(path, report=steps.at)
            steps.next_pass()
        phase("looking")
        with traces.writing(keep) as writer:
            look = _Look(predictor, path, properties, writer, folk if people else None, main=_main(predictor, folk))
            look.run(steps.at)
            kept = writer.done(predictor.engine.identity, folk)
            phase("timelines")
            ready = spotter(predictor, config, pause=steps.pause)
            whole = _whole(ready, kept, properties, look.answer())
            lanes = tuple(lane_of(ready, kept, folk, track) for track in seen(kept, folk)) if people and folk else ()
        if keep is not None and look.cover:
            (keep / "thumbnail.jpg").write_bytes(look.cover)
        if keep is not None and lanes and folk:
            traces.write_portraits(keep, lanes, folk.ids, card.clip.frames_per_second)
        steps.finish()
        damage = damage_of(path, look.number, look.lost, properties.seconds, video.cut_off(path))
    except OSError as error:
        raise VideoError(
            f"What is found in {path.name} cannot be kept: {error.strerror or error}. Make room on the disk."
        ) from error
    used = ready.config
    return Analysis(
        name=readable(name or path.name),
        properties=properties,
        model=predictor.name,
        classes=card.classes,
        unsure_below=card.unsure_below,
        whole=whole,
        people=lanes,
        damage=damage,
        views=card.views,
        note=_note(predictor, people),
        settings={
            "window_seconds": card.clip.window_seconds, "hop_seconds": HOP_SECONDS, "hysteresis": used.hysteresis,
            "smoothing_seconds": used.smoothing_seconds, "frames_per_second": card.clip.frames_per_second,
        },
    )  # fmt: skip


def spotter(
    predictor: Predictor, config: LiveConfig | None = None, *, pause: Callable[[], None] = lambda: None
) -> Spotter:
    """What makes the lanes of this model."""
    return Spotter(predictor.card, predictor.engine.classify, config or LiveConfig(), pause)


def seen(kept: Traces, people: People | None) -> tuple[int, ...]:
    """Everybody of whom there is a look, by id; somebody between two ticks is nobody's lane."""
    if people is None:
        return ()
    rows = kept.box[kept.box != WHOLE]
    ids = np.unique(people.ids[rows]) if len(rows) else np.empty(0, np.int64)
    return tuple(ids[ids > 0].tolist())


def lane_of(ready: Spotter, kept: Traces, people: People, track: int) -> Lane:
    """The lane of one person, from what is kept: no picture is decoded.

    Args:
        ready: of the model that made the traces.
        kept: the traces.
        people: the same rows as those of the traces, with ids that may be corrected; 0 is nobody.
        track: one of its ids.
    """
    looks = np.flatnonzero(kept.box != WHOLE)
    looks = looks[people.ids[kept.box[looks]] == track]
    return ready.lane(track, kept.ticks[looks], looks, kept.embeddings, span=people.span(track))


def _whole(ready: Spotter, kept: Traces, properties: VideoProperties, answer: Prediction) -> Lane:
    looks = np.flatnonzero(kept.box == WHOLE)
    span = (0.0, properties.seconds)
    return ready.lane(None, kept.ticks[looks], looks, kept.embeddings, span=span, answer=answer)


def _probed(path: Path) -> VideoProperties:
    properties = video.probe(path)
    if properties.seconds > LONGEST_SECONDS:
        raise VideoError(
            f"A video may last {LONGEST_SECONDS / 3600:.0f} hours, but {path.name} claims "
            f"{properties.seconds / 3600:.1f}. Cut it into parts, or re-encode it if that is wrong."
        )
    if (still := video.longest_still(path)) > _LONGEST_STILL:
        raise VideoError(
            f"A picture may stay for {_LONGEST_STILL:.0f} s, but one of {path.name} stays for {still:.0f} s: its times "
            "are wrong, or it shows slides. Re-encode it (for example `ffmpeg -i IN -c:v libx264 OUT.mp4`)."
        )
    return properties


def _main(predictor: Predictor, folk: People | None) -> People | None:
    """Whom the "whole" picture of a model of people is about, as a clip is for `examine`; None: the whole picture."""
    return folk if predictor.card.clip.view == "person" and folk is not None and folk.main is not None else None


def _note(predictor: Predictor, people: bool) -> str:
    told = [predictor.note] if predictor.note else []
    if people and predictor.detector is None and not told:
        told.append("There is no detector to find people with, so only the whole picture was looked at.")
    if people and "person" not in predictor.card.views and predictor.detector is not None:
        told.append("This model has learned from whole pictures: what it says of one person is a guess.")
    return " ".join(told)


@dataclass(slots=True)
class _Steps:
    """Tells how far the work is, over all passes, and ends it when asked to."""

    progress: Callable[[float, float], None]
    cancelled: Callable[[], bool]
    seconds: float
    passes: int
    _done: int = 0

    def pause(self) -> None:
        if self.cancelled():
            raise Cancelled("The analysis was cancelled.")

    def at(self, seconds: float) -> None:
        self.pause()
        self.progress(min(self._done * self.seconds + seconds, self._total), self._total)

    def next_pass(self) -> None:
        self.pause()
        self._done += 1

    def finish(self) -> None:
        self.progress(self._total, self._total)

    @property
    def _total(self) -> float:
        return self.passes * self.seconds


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A picture that waits to be encoded: of which box, at which tick (-1: none), for which instant of the answer.

    None in its place is the whole picture that came before: a still, which is encoded once.
    """

    picture: Rgb | None
    box: int
    tick: int
    planned: int | None = None


@dataclass(slots=True)
class _Look:
    """The pass that looks at every tick: pictures in, embeddings to the writer. `main` is for models of people."""

    predictor: Predictor
    path: Path
    properties: VideoProperties
    writer: Writer
    folk: People | None
    main: People | None
    number: int = 0
    lost: int = 0
    cover: bytes = b""
    _waiting: list[_Waiting] = field(default_factory=list)
    _planned: dict[int, Embedding] = field(default_factory=dict)
    _before: Rgb | None = None
    _last: Embedding | None = None

    def run(self, report: Callable[[float], None]) -> None:
        """Look at everything; `report` is told the instants."""
        spec = self.predictor.card.clip
        last = tick(self.properties.seconds - 1e-4, spec)
        ticks = {_key(number / spec.frames_per_second): number for number in range(max(0, last) + 1)}
        planned = {_key(seconds): index for index, seconds in enumerate(self._plan()[0].tolist())}
        keys = sorted(ticks.keys() | planned.keys())
        wanted = self._wanted()
        frames = video.read(self.path, np.array(keys) / 1e6, lost=self._note_lost)
        for key, (seconds, rgb) in zip(keys, frames, strict=True):
            self.number += 1
            number = ticks.get(key, -1)
            picture = self._picture(rgb, seconds)
            still = self._before is not None and np.array_equal(picture, self._before)
            self._before = picture
            self._add(None if still else picture, WHOLE, number, planned.get(key))
            if number >= 0 and self.folk is not None:
                self._people(rgb, number, self.folk, wanted)
            if number == max(0, last) // 2:
                self.cover = jpeg(shrink(rgb, _COVER))
            report(seconds)
        self._encode(len(self._waiting))

    def answer(self) -> Prediction:
        """For the whole clip, as `Predictor.examine` gives it."""
        card = self.predictor.card
        embeddings = np.stack([self._planned[index] for index in range(len(self._planned))])
        windows = self.predictor.engine.classify([embeddings[window] for window in self._plan()[1]])
        return Prediction(np.mean([p.probabilities for p in windows], axis=0), card.classes, card.unsure_below)

    def _plan(self) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        return plan(self.properties.seconds, self.predictor.card.clip, windows=self.predictor.card.windows)

    def _picture(self, rgb: Rgb, seconds: float) -> Rgb:
        ((_, shown),) = looks([(seconds, rgb)], self.main, self.main.main if self.main else None)
        return fit(shown, self.predictor.card.clip.size)

    def _people(self, rgb: Rgb, number: int, folk: People, wanted: dict[int, int]) -> None:
        spec = self.predictor.card.clip
        seconds = number / spec.frames_per_second
        rows = folk.rows_at(seconds)
        tracks = folk.at(seconds, (rgb.shape[1], rgb.shape[0]))
        for box, track, xyxy in zip(range(rows.start, rows.stop), tracks.ids.tolist(), tracks.xyxy, strict=True):
            crop = cut(rgb, xyxy, expand=EXPAND)
            self._add(fit(crop, spec.size), box, number)
            if number >= wanted[track]:
                self.writer.picture(box, number, jpeg(shrink(crop, THUMBNAIL)))
                begin, stop = folk.span(track)
                wanted[track] = number + max(1, int((stop - begin) * spec.frames_per_second / _PICTURES))

    def _wanted(self) -> dict[int, int]:
        """For each person the tick from which on a small picture is wanted."""
        rate = self.predictor.card.clip.frames_per_second
        spans = {track: self.folk.span(track) for track in self.folk.tracks} if self.folk else {}
        return {track: int((begin + (stop - begin) / _PICTURES / 2) * rate) for track, (begin, stop) in spans.items()}

    def _note_lost(self, _: float) -> None:
        self.lost += 1

    def _add(self, picture: Rgb | None, box: int, number: int, planned: int | None = None) -> None:
        self._waiting.append(_Waiting(picture, box, number, planned))
        if len(self._waiting) >= ENCODE_AT_ONCE:
            self._encode(ENCODE_AT_ONCE)

    def _encode(self, number: int) -> None:
        batch, self._waiting = self._waiting[:number], self._waiting[number:]
        fresh = [one.picture for one in batch if one.picture is not None]
        encoded = iter(self.predictor.engine.encode(np.stack(fresh)) if fresh else ())
        embeddings = []
        for one in batch:
            embedding = next(encoded) if one.picture is not None or self._last is None else self._last
            if one.box == WHOLE:
                self._last = embedding
            if one.planned is not None:
                self._planned[one.planned] = embedding
            embeddings.append(embedding)
        kept = [index for index, one in enumerate(batch) if one.tick >= 0]
        if kept:
            self.writer.add([(batch[i].box, batch[i].tick) for i in kept], np.stack([embeddings[i] for i in kept]))


def _key(seconds: float) -> int:
    """An instant in microseconds: two ways to reckon one instant differ by less."""
    return round(seconds * 1e6)
