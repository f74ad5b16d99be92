"""An analysis drawn onto its video: boxes, names, bars, the label of the whole picture; H.264 with the sound it had.

Frames stream through: one is in memory at a time. People are where corrections say they are.
"""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from har_core import corrections, video
from har_core.drawing import draw
from har_core.errors import Cancelled
from har_core.lanes import Analysis
from har_core.people import People
from har_core.values import LiveView, Rgb, Tracks

LONGEST_SIDE = 1280
"""px; a film for a page and for a mail, not for an archive."""
_MOST_A_SECOND = 60.0
_RATES = (1.0, 60.0)


def annotate(
    path: Path,
    analysis: Analysis,
    out: Path,
    *,
    keep: Path | None,
    progress: Callable[[float, float], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    top: int = 3,
) -> str:
    """Write the video with all that was found in it, as browsers play it: whole or not at all.

    Frames come when they came in the video, at most 60 a second; its sound is copied, or made AAC.

    Args:
        path: the video; untrusted, picture and sound are decoded in a child process.
        analysis: of this video.
        out: the mp4 to write, under a temporary name until it is whole.
        keep: the folder that `analyse` kept things in, for the boxes; None draws only what the whole picture shows.
        progress: told how many seconds of film are done, and of how many.
        cancelled: asked at each frame; once it says yes, Cancelled is raised and nothing is left behind.
        top: how many actions to show with bars.

    Returns:
        A sentence where the sound is missing, else nothing.

    Raises:
        VideoError: the video cannot be decoded, or `out` not be written.
        Cancelled: as asked for.
    """
    people = corrections.followed(keep) if keep is not None and analysis.people else None
    total = max(analysis.properties.seconds, 1e-3)

    def report(seconds: float) -> None:
        if cancelled():
            raise Cancelled("Drawing was cancelled.")
        progress(min(seconds, total), total)

    times: deque[float] = deque()
    rate = min(max(analysis.properties.frames_per_second, _RATES[0]), _RATES[1])
    note = video.write(
        out, _drawn(path, analysis, people, times, report, top), frames_per_second=rate,
        seconds=iter(times.popleft, None), sound=path, report=lambda _: report(total),
    )  # fmt: skip
    progress(total, total)
    return note


def view(analysis: Analysis, people: People | None, seconds: float, size_wh: tuple[int, int]) -> LiveView:
    """What to draw on the frame of an instant: who is where, and what is said of them."""
    tracks = people.at(seconds, size_wh) if people is not None else Tracks.none(seconds)
    lanes = {lane.track: lane for lane in analysis.people}
    readings = {track: lanes[track].reading(seconds) for track in tracks.ids.tolist() if track in lanes}
    return LiveView(seconds=seconds, tracks=tracks, people=readings, whole=analysis.whole.reading(seconds))


def _drawn(
    path: Path,
    analysis: Analysis,
    people: People | None,
    times: "deque[float]",
    report: Callable[[float], None],
    top: int,
) -> Iterator[Rgb]:
    """Each frame with what is drawn on it; its time is put to `times` before it is given."""
    previous = -1.0
    for seconds, rgb in video.frames(path, longest_side=LONGEST_SIDE):
        if seconds - previous < 0.9 / _MOST_A_SECOND:
            continue  # more frames than any screen shows
        report(seconds)
        times.append(0.0 if previous < 0 else seconds)
        previous = seconds
        yield draw(rgb, view(analysis, people, seconds, (rgb.shape[1], rgb.shape[0])), top=top)
