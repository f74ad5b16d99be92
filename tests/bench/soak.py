"""Ten minutes of a file as camera: does memory grow, do threads and ids pile up, does the delay stay?

    python tests/bench/soak.py FILM [FILM ...] --model MODEL --detector FOLDER_OR_NAME --minutes 10

The films play in turn, by the clock, in a loop, so that people come and go; after each the source is new.
"""

import argparse
import itertools
import threading
import time
from pathlib import Path

import psutil

from har_core import detection, headless
from har_core.config import LiveConfig
from har_core.engine import Engine
from har_core.live import LiveRecognizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    config = LiveConfig(view="person")
    recognizer = LiveRecognizer(Engine(given.model), detection.load(given.detector, config), config)
    process, begun = psutil.Process(), time.monotonic()
    after_first: float | None = None
    shown, most_id = 0.0, 0
    for film in itertools.cycle(given.films):
        minutes = (time.monotonic() - begun) / 60
        if minutes >= given.minutes:
            break
        headless.run(str(film), recognizer, realtime=True)
        most_id = max(most_id, *recognizer.view.people, 0)
        minutes = (time.monotonic() - begun) / 60
        megabytes = process.memory_info().rss / 2**20
        if after_first is None and minutes >= 1:
            after_first = megabytes
        if minutes - shown >= 0.5:
            shown = minutes
            numbers = recognizer.numbers()
            print(f"{minutes:5.1f} min  {megabytes:7.1f} MB  {threading.active_count()} threads  "
                  f"{numbers.frames_per_second:5.1f} fps  delay {numbers.latency[0]:.0f}/{numbers.latency[1]:.0f} ms  "
                  f"ids up to {most_id}  {recognizer.view.trouble}", flush=True)  # fmt: skip
    recognizer.close()
    time.sleep(1)
    print(f"grown by {process.memory_info().rss / 2**20 - (after_first or 0):.1f} MB after the first minute; "
          f"{threading.active_count()} threads at the end")  # fmt: skip


if __name__ == "__main__":
    main()
