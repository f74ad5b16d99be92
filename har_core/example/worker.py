"""The process that films clips of the example data set: `python -m har_core.example.worker`.

Rendering is Python and small numpy steps, which threads do not speed up, and in the app's own
process it would make every page wait. The first line on stdin is the order as JSON, each further
line the number of a clip; each answer on stdout is one JSON line, `null` or what went wrong.
"""

import json
import signal
import sys
from pathlib import Path

import cv2

from har_core import video
from har_core.errors import HarError
from har_core.example.film import render
from har_core.example.order import Job, Order


def main() -> None:
    """Film one clip a line until stdin closes; a closed stdout ends it as well."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then ends this process
    cv2.setNumThreads(1)  # there is one worker a core
    order = Order.from_json(json.loads(sys.stdin.readline()))
    jobs = order.jobs()
    for line in sys.stdin:
        try:
            film(order, jobs[int(line)])
        except HarError as error:
            print(json.dumps(str(error)), flush=True)
        else:
            print("null", flush=True)


def film(order: Order, job: Job) -> None:
    """Render one clip of the order and write its file.

    Raises:
        HarError: a setting out of range, or the file cannot be written.
    """
    rate = order.frames_per_second
    frames = render(job.action, job.actor, job.variation, seconds=job.seconds, frames_per_second=rate, size=order.size)
    video.write(Path(order.root) / job.path, frames, frames_per_second=rate)


if __name__ == "__main__":
    main()
