"""What training needs before its first step: the clips, split, and everything it looks at decoded."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from har_core import dataset, detection, people, workspace
from har_core.augment import Augmenter
from har_core.batches import EvaluationClips, FrameStore, TrainClips, decode_all, trim
from har_core.config import ClipSpec, LiveConfig, TrainConfig, View
from har_core.errors import DatasetError, HarError, TrainingError
from har_core.events import Event, Noticed, Prepared
from har_core.sampling import propose
from har_core.store import frames_folder
from har_core.values import Clip, Detections, Rgb, Split

Stopped = Callable[[], bool]
CACHE_BYTES = 20 * 2**30


class _Asked(Exception):  # no error: it leaves the reading of a large data set, or a long clip, when asked to stop
    pass


class _Heeding:
    """A detector that gives up when asked to stop: to find the people of a long clip takes minutes."""

    def __init__(self, detector: detection.Detects, stopped: Stopped) -> None:
        self.identity, self._detector, self._stopped = detector.identity, detector, stopped

    def detect(self, rgb: Rgb) -> Detections:
        if self._stopped():
            raise _Asked
        return self._detector.detect(rgb)


@dataclass(frozen=True, slots=True)
class Material:
    """A data set, split, with its clips as training and validation look at them."""

    source: dataset.Dataset
    split: Split
    learn: TrainClips
    check: EvaluationClips


def prepare(config: TrainConfig, stopped: Stopped) -> Generator[Event, None, Material | None]:
    """Read the data set, split it, find its people if they are wanted, decode. None when asked to stop.

    Raises:
        HarError: the data set cannot be trained on, or people are wanted and there is no detector.
    """

    def look(done: int, total: int) -> None:
        if stopped():
            raise _Asked

    try:
        source = dataset.read(Path(config.dataset), progress=look, version=config.version)
    except _Asked:
        return None
    for name, reason in source.skipped:
        yield Noticed(f"{name} is left out: {reason}")
    if source.ambiguous:
        number = len(source.ambiguous)
        yield Noticed(f"{number} {'clip' if number == 1 else 'clips'} marked as ambiguous left out.")
        source = source.clear()
    split = dataset.split(
        source.clips,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
        validation_groups=config.validation_groups,
    )
    for note in split.notes:
        yield Noticed(note)
    if len(source.actions) < 2:
        raise DatasetError(
            f"Training needs clips of two actions or more, but {config.dataset} has {len(source.actions)}."
        )
    preparing = True  # training itself ends between two steps
    follow, follower = _follower(config, lambda: preparing and stopped())
    store = FrameStore(frames_folder() if config.cache else None, follow, follower=follower)
    material = material_of(config, source, split, store)
    if config.cache:
        trim(frames_folder(), most_bytes=CACHE_BYTES)
        broken: set[Path] = set()
        for event in _decoded(material, broken):
            yield event
            if stopped():
                return None
        if broken:
            split = replace(
                split,
                train=tuple(c for c in split.train if c.path not in broken),
                validation=tuple(c for c in split.validation if c.path not in broken),
            )
            material = material_of(config, source, split, store, material.learn.spec)
    learn, check = material.learn, material.check
    if not learn.clips or not check.clips or len(set(learn.labels)) < 2:
        raise DatasetError(
            f"Training needs readable clips of two actions or more and one to validate, but {config.dataset} "
            f"has {len(split.train)} and {len(check.clips)}. Add clips, or mend those that were left out."
        )
    if store.follow:
        cropped = split.train + (split.validation if config.view == "person" else ())
        empty = 0
        for clip in cropped:  # where nothing is kept, people are looked for only now
            try:
                empty += store.follow(clip.path).main is None
            except _Asked:
                return None
        if empty:
            yield Noticed(f"Nobody was found in {empty} of {len(cropped)} clips; their whole picture is looked at.")
    preparing = False
    return material


def _follower(config: TrainConfig, stopped: Stopped) -> tuple[Callable[[Path], people.People] | None, str]:
    """What finds the people of a clip, and what to call it; nothing where they are not looked at."""
    if config.view == "frame":
        return None, ""
    settings = LiveConfig()
    detector = detection.load(config.detector, settings)
    if detector is None:
        raise TrainingError(
            "Training on people needs a detector, but there is none on this machine. List and fetch them with "
            "`python -m har_core weights`, or train on the whole picture."
        )
    kept, heeding = workspace() / "cache" / "people", _Heeding(detector, stopped)
    # Also kept here: the disk may be full.
    follow = lru_cache(4096)(partial(people.follow, detector=heeding, config=settings, cache=kept))
    return follow, detector.identity


def material_of(
    config: TrainConfig, source: dataset.Dataset, split: Split, store: FrameStore, spec: ClipSpec | None = None
) -> Material:
    """A split of a data set as training and validation look at it; the window is proposed where none is given."""
    seconds = {clip.path: facts.seconds for clip, facts in zip(source.clips, source.properties, strict=True)}
    view: View = "person" if config.view == "person" else "frame"
    if spec is None:
        spec = config.clip or propose([seconds[clip.path] for clip in split.train], size=config.size)
        spec = replace(spec, view=view)

    def labelled(part: tuple[Clip, ...]) -> tuple[tuple[Clip, ...], tuple[float, ...], tuple[int, ...]]:
        return part, tuple(seconds[c.path] for c in part), tuple(source.actions.index(c.action) for c in part)

    views: tuple[View, ...] = ("frame", "person") if config.view == "both" else (view,)
    each = tuple(v for v in views for _ in split.train)
    augment = Augmenter(config.augment, spec.size)
    return Material(
        source,
        split,
        TrainClips(*labelled(split.train * len(views)), spec, store, augment, each),
        EvaluationClips(*labelled(split.validation), spec, store, config.windows),
    )


def _decoded(material: Material, broken: set[Path]) -> Iterator[Event]:
    """Decode everything that training looks at into the store; notes what cannot be decoded in `broken`."""
    learn, check = material.learn, material.check
    jobs: list[Callable[[], object]] = [partial(learn.stored, i) for i in range(len(learn.clips))]
    jobs += [partial(check.frames, i) for i in range(len(check.clips))]
    everything = learn.clips + check.clips
    yield Prepared(0, len(jobs))
    for done, (index, error) in enumerate(decode_all(jobs), 1):
        clip = everything[index]
        if error is not None and not isinstance(error, (HarError, _Asked)):
            raise error
        if isinstance(error, HarError) and clip.path not in broken:
            broken.add(clip.path)
            yield Noticed(f"{clip.name} is left out: {error}")
        yield Prepared(done, len(jobs))
