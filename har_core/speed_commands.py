"""What the command `speed` of the command line does."""

import argparse
import time

from har_core.terminal import print_json


def measure_speed(given: argparse.Namespace) -> int:
    """Measure how fast this machine trains, for forecasts."""
    from har_core import rehearsal, speed  # noqa: F401  # loaded now, so that loading it is not measured

    begun = time.monotonic()
    found = speed.measure()
    speed.keep(found)
    if given.json:
        print_json({"speed": found.to_json(), "seconds": round(time.monotonic() - begun, 3)})
        return 0
    for name, value in found.to_json().items():
        print(f"{name}\t{value:.5f} s" if isinstance(value, float) else f"{name}\t{value}")
    return 0
