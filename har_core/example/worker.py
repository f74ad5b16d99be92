"""The process that films clips of the example data set: `python -m har_core.example.worker`.

Rendering is Python and small numpy steps, which threads do not speed up, and in the app's own
process it would make every page wait. The first line on stdin is the order as JSON, each further
line the number of a clip; each answer on stdout is one JSON line, `null` or what went wrong.
"""

import json
import signal
import sys

import cv2

from har_core.errors import HarError
from har_core.example.order import Order


def main() -> None:
    """Film one clip a line until stdin closes; a closed stdout ends it as well."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then ends this process
    cv2.setNumThreads(1)  # there is one worker a core
    order = Order.from_json(json.loads(sys.stdin.readline()))
    jobs = order.jobs()
    for line in sys.stdin:
        try:
            order.film(jobs[int(line)])
        except HarError as error:
            print(json.dumps(str(error)), flush=True)
        else:
            print("null", flush=True)


if __name__ == "__main__":
    main()
