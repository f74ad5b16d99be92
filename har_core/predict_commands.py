"""`predict`: clips and long videos, alone or by the folder, named, drawn upon, and written for other programs."""

import argparse
import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from har_core.commands import FETCH, model_folder, print_timeline
from har_core.errors import Cancelled, CheckpointError, ConfigError, HarError
from har_core.exports import LABEL_STUDIO_VIDEOS
from har_core.terminal import print_json, progress_bar

if TYPE_CHECKING:
    from har_core.detection import Detector
    from har_core.lanes import Analysis, Lane
    from har_core.prediction import Predictor

EXAMPLES = """examples:
  python -m har_core predict wave.mp4 --model actions-gestures
  python -m har_core predict lesson.mp4 --model runs/yoga --timeline --people
  python -m har_core predict lesson.mp4 --model actions-yoga --people --video drawn.mp4 --vtt --csv segments.csv
  python -m har_core predict films/ more.mp4 --model actions-interaction --timeline --csv all.csv --json --workers 2
"""
_SUFFIXES = {"video": ".mp4", "vtt": ".vtt", "csv": ".csv", "elan": ".eaf", "label_studio": ".json"}
_OF_EACH = ("video", "vtt", "elan")
_WRITTEN_BY_HAND = ("vtt", "elan")
"""Subtitles and annotations: where only a folder is named, one that is there is never written over."""
_HERE = "."
_AWAKE_SECONDS = 0.2


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `predict` takes."""
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "clips", nargs="+", type=Path, metavar="VIDEO", help="videos, or folders to be searched for some"
    )
    parser.add_argument("--model", type=Path, required=True, help="a model folder, or a run's folder")
    parser.add_argument("--top", type=int, default=5, metavar="K", help="how many actions to name (default 5)")
    parser.add_argument("--timeline", action="store_true", help="also tell what the whole picture shows, and when")
    parser.add_argument("--people", action="store_true", help="also name what each person does, and when")
    parser.add_argument("--detector", default="auto", help="what finds people: auto, none, a name or a path")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="videos that are looked at at once (default 1)"
    )
    files = parser.add_argument_group(
        "files", "Left out, a name is made of the video's, in this folder; one for each video where a folder is named."
    )
    for flag, what, metavar in (
        ("--video", "draw boxes, names and bars on the video: H.264 with its sound", "OUT.mp4"),
        ("--vtt", "write subtitles (WebVTT)", "OUT.vtt"),
        ("--elan", "write a document for ELAN, a tier for each person", "OUT.eaf"),
        ("--csv", "write one row for each segment of all videos", "OUT.csv"),
        ("--label-studio", "write tasks with predictions for Label Studio", "OUT.json"),
    ):
        files.add_argument(flag, nargs="?", type=Path, const=Path(_HERE), metavar=metavar, help=what)
    files.add_argument(
        "--videos-at", default=LABEL_STUDIO_VIDEOS, metavar="ADDRESS",
        help="what Label Studio finds before the name of a video (default: those in its folder `videos`)",
    )  # fmt: skip


def predict(given: argparse.Namespace) -> int:
    """Name the action of videos; 1 where one of them cannot be read."""
    from har_core.prediction import Predictor

    if given.top < 1:
        raise ConfigError(f"--top must be at least 1, but is {given.top}.")
    if not 1 <= given.workers <= 64:
        raise ConfigError(f"--workers must be 1 to 64, but is {given.workers}.")
    clips = _walked(given.clips)
    targets = _targets(given, clips)
    predictor = Predictor(model_folder(given.model), detector=_detector(given.detector))
    if given.people and predictor.detector is None:
        raise CheckpointError(f"--people needs a detector. {FETCH}")
    if predictor.note:
        print(f"har_core: note: {predictor.note}", file=sys.stderr)
    if given.people and "person" not in predictor.card.views:
        print("har_core: note: this model has learned from whole pictures: what it says of one person is a guess.",
              file=sys.stderr)  # fmt: skip
    work = _Work(predictor, given, targets)
    with progress_bar("videos", unit="%") as report:
        done = list(work.all(clips, lambda share: report(int(100 * share), 100)))
    unwritten: HarError | None = None
    try:
        _write_together(given, [one.analysis for one in done if one.analysis is not None])
    except HarError as error:
        unwritten = error  # what was found is told even so
    for note in (note for one in done for note in one.notes):
        print(f"har_core: note: {note}", file=sys.stderr)
    code = _tell([one.answer for one in done], as_json=given.json)
    if unwritten:
        raise unwritten
    return code


@dataclass(slots=True)
class _Done:
    """What became of one video."""

    answer: dict[str, Any]
    analysis: "Analysis | None" = None
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Work:
    """Looks at videos, several at a time: threads, because decoding is in processes and networks release the lock."""

    predictor: "Predictor"
    given: argparse.Namespace
    targets: dict[str, list[Path]]
    _stop: threading.Event = field(default_factory=threading.Event)
    _shares: dict[int, float] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def all(self, clips: Sequence[Path], report: Callable[[float], None]) -> Iterator[_Done]:
        """In the given order, whatever is ready first. Ctrl-C ends them all, and nothing is left half."""

        def told(number: int, share: float) -> None:
            with self._lock:
                self._shares[number] = share
                report(sum(self._shares.values()) / len(clips))

        with ThreadPoolExecutor(self.given.workers) as pool:
            coming: list[Future[_Done]] = [
                pool.submit(self._one, number, clip, lambda share, n=number: told(n, share))  # type: ignore[misc]
                for number, clip in enumerate(clips)
            ]
            try:
                for future in coming:
                    # Awake now and then: Ctrl-C may reach another thread, and would wait until this one wakes.
                    while wait([future], timeout=_AWAKE_SECONDS).not_done:
                        pass
                    yield future.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _one(self, number: int, clip: Path, report: Callable[[float], None]) -> _Done:
        if self._stop.is_set():
            raise Cancelled("The work was cancelled.")
        try:
            done = self._looked(number, clip, report)
        except Cancelled:
            raise
        except HarError as error:
            return _Done({"clip": str(clip), "error": str(error)})
        except OSError as error:  # what is found in one cannot be written: that of the others may be
            return _Done({"clip": str(clip), "error": f"{clip.name}: {error.filename or 'output'}: {error.strerror}."})
        report(1.0)
        return done

    def _looked(self, number: int, clip: Path, report: Callable[[float], None]) -> _Done:
        from har_core.evaluation import as_json

        given = self.given
        if not (given.timeline or given.people or any(getattr(given, name) is not None for name in _SUFFIXES)):
            seen = self.predictor.examine(clip)
            return _Done({"clip": str(clip), "seconds": seen.properties.seconds,
                          "top": as_json(seen.prediction, given.top), "unsure": seen.unsure,
                          "unsure_below": seen.prediction.unsure_below, "damage": seen.damage})  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="har-") if given.video else contextlib.nullcontext() as keep:
            found, notes, unwritten = self._analysed(number, clip, Path(keep) if keep else None, report)
        answer: dict[str, Any] = {
            "clip": str(clip), "seconds": found.properties.seconds, "top": as_json(found.whole.prediction, given.top),
            "unsure": found.unsure, "unsure_below": found.unsure_below, "damage": found.damage,
        }  # fmt: skip
        if given.timeline:
            answer["timeline"] = _lane(found.whole, given.top)["timeline"]
        if given.people:
            answer["people"] = [_lane(lane, given.top) for lane in found.people]
        if unwritten:
            answer["error"] = unwritten
        return _Done(answer, found, notes)

    def _analysed(
        self, number: int, clip: Path, keep: Path | None, report: Callable[[float], None]
    ) -> "tuple[Analysis, list[str], str]":
        """What was found, what to know of its files, and why not all of them are there."""
        from har_core.analysis import analyse

        half = 0.5 if self.given.video else 1.0
        found = analyse(
            self.predictor, clip, people=self.given.people, keep=keep, cancelled=self._stop.is_set,
            progress=lambda done, total: report(half * done / max(total, 1e-6)),
        )  # fmt: skip
        try:
            return found, self._written(number, clip, found, keep, report), ""
        except Cancelled:
            raise
        except HarError as error:
            return found, [], str(error)

    def _written(
        self, number: int, clip: Path, found: "Analysis", keep: Path | None, report: Callable[[float], None]
    ) -> list[str]:
        """Write the files that each video gets; gives what to know of them."""
        from har_core import annotate, exports

        given, note = self.given, ""
        if given.video:
            note = annotate.annotate(
                clip, found, self.targets["video"][number], keep=keep, cancelled=self._stop.is_set,
                progress=lambda done, total: report(0.5 + 0.5 * done / total), top=min(given.top, 3),
            )  # fmt: skip
        if given.vtt:
            _write(self.targets["vtt"][number], exports.to_vtt(found))
        if given.elan:
            _write(self.targets["elan"][number], exports.to_elan(found, clip.name))
        return [note] if note else []


def _lane(lane: "Lane", top: int) -> dict[str, Any]:
    """What was seen of somebody, as plain values; the same as `headless.person` gives."""
    from har_core.headless import person
    from har_core.values import Seen

    return person(Seen(lane.track, lane.start, lane.stop, lane.prediction, lane.segments), top)


def _tell(answers: list[dict[str, Any]], *, as_json: bool) -> int:
    if as_json:
        print_json(answers)
    failed = [answer for answer in answers if "error" in answer]
    for answer in answers if not as_json else ():
        if answer.get("damage"):
            print(f"{answer['clip']}\tunsure: {answer['damage']}")
        elif answer.get("unsure"):
            print(f"{answer['clip']}\tunsure: it would need {answer['unsure_below']:.3f}")
        for place in answer.get("top", ()):
            print(f"{answer['clip']}\t{place['probability']:.3f}\t{' '.join(place['action'].split())}")
        print_timeline([{"id": None, "timeline": answer.get("timeline", ())}, *answer.get("people", ())])
    if len(failed) == 1:
        print(f"har_core: {failed[0]['error']}", file=sys.stderr)
    elif failed:
        each = "" if as_json else " " + " ".join(answer["error"] for answer in failed)
        what = "be predicted" if any("top" not in answer for answer in failed) else "get their files"
        print(f"har_core: {len(failed)} of {len(answers)} clips could not {what}.{each}", file=sys.stderr)
    return 1 if failed else 0


def _detector(choice: str) -> "Detector | None":
    """The detector asked for by name; None leaves "auto" to whoever needs it."""
    from har_core import detection

    return None if choice == "auto" else detection.load(choice)


def _walked(given: Sequence[Path]) -> list[Path]:
    """The videos, in place of each folder those in it, by name; hidden ones and links to folders are left out."""
    from har_core.dataset import EXTENSIONS

    found: list[Path] = []
    for path in given:
        if not path.is_dir():
            found.append(path)
            continue
        inside = []
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            inside += [
                Path(folder) / name for name in sorted(names)
                if Path(name).suffix.lower() in EXTENSIONS and not name.startswith(".")
            ]  # fmt: skip
        if not inside:
            raise ConfigError(f"A folder must have videos in it, but {path} has none.")
        found += inside
    return found


def _targets(given: argparse.Namespace, clips: Sequence[Path]) -> dict[str, list[Path]]:
    """For each kind of file that each video gets, its place, video by video.

    Raises:
        ConfigError: a place that cannot be meant, or is that of a video or of what others may have written.
    """
    # By what lies there, not by its name: links, and names that differ in capitals alone.
    sources = {_identity(clip) for clip in clips} - {None}
    found: dict[str, list[Path]] = {}
    for kind, suffix in _SUFFIXES.items():
        place: Path | None = getattr(given, kind)
        if place is None:
            continue
        flag = f"--{kind.replace('_', '-')}"
        is_folder = str(place) == _HERE or place.is_dir() or not place.suffix
        if not is_folder and place.suffix.lower() != suffix:
            # `--vtt film.mp4` means a video that follows a bare flag, which would be written over.
            raise ConfigError(f"{flag} writes a file that ends in {suffix}, but got {place}. Put the videos first.")
        if kind in _OF_EACH:
            if not is_folder and len(clips) > 1:
                raise ConfigError(f"{flag} must name a folder where there is more than one video, but got {place}.")
            found[kind] = _named(place, clips, suffix) if is_folder else [place]
        else:
            found[kind] = [place / f"predictions{suffix}" if is_folder else place]
        for target in [*found[kind], *([_interface(found[kind][0])] if kind == "label_studio" else [])]:
            there = _identity(target)
            if there is not None and there in sources:
                raise ConfigError(f"{flag} would write over the video {target}. Name another file.")
            if place.exists() and not (place.is_dir() if is_folder else place.is_file()):
                raise ConfigError(f"{flag} must be a file or a folder to write to, but {place} is none. Name another.")
            if there is not None and is_folder and kind in _WRITTEN_BY_HAND:
                raise ConfigError(
                    f"{flag} would write over {target}, where somebody's own work may be. Name that file after {flag}, "
                    "or another folder."
                )
            if not is_folder and not target.absolute().parent.is_dir():
                raise ConfigError(f"{flag} must lie in a folder that is there, but {target.parent} is none.")
    return found


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, the same under all its names; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _named(folder: Path, clips: Sequence[Path], suffix: str) -> list[Path]:
    """A name for each video, in the folder; two of one name are told apart by a number."""
    taken: set[str] = set()
    names = []
    for clip in clips:
        stem = clip.stem + ("-drawn" if suffix == ".mp4" else "")
        name, number = f"{stem}{suffix}", 2
        while name.casefold() in taken:
            name, number = f"{stem}-{number}{suffix}", number + 1
        taken.add(name.casefold())
        names.append(folder / name)
    return names


def _write_together(given: argparse.Namespace, analyses: "Sequence[Analysis]") -> None:
    from har_core import exports

    targets = _targets(given, [])
    if "csv" in targets:
        _write(targets["csv"][0], exports.to_csv(analyses))
    if "label_studio" in targets:
        tasks = targets["label_studio"][0]
        _write(tasks, exports.to_label_studio(analyses, prefix=given.videos_at))
        interface = _interface(tasks)
        classes = dict.fromkeys(action for analysis in analyses for action in analysis.classes)
        _write(interface, exports.label_studio_config(list(classes)))
        print(f"har_core: note: Label Studio wants the text of {interface} in the project's settings (Labeling "
              f"Interface, Code); then import {tasks}.", file=sys.stderr)  # fmt: skip


def _interface(tasks: Path) -> Path:
    """Beside the tasks for Label Studio, what its project is to be set up with."""
    return tasks.with_suffix(".xml")


def _write(path: Path, text: str) -> None:
    """Whole or not at all.

    Raises:
        HarError: it cannot be written.
    """
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not of its own name, which may be as long as names can be.
        number, name = tempfile.mkstemp(dir=path.parent, prefix=".har-", suffix=".part")
        part = Path(name)
        with os.fdopen(number, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise HarError(f"{path} cannot be written: {reason}. Make room there, or name another place.") from error
    finally:
        with contextlib.suppress(OSError):
            if part:
                part.unlink(missing_ok=True)
