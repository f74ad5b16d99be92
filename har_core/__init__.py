"""har_core: recognise human actions in video; everything that works without a browser.

Importing it sets the environment in which the heavy libraries must be loaded: none of them may
phone home, install packages by itself or spin its idle threads. It imports nothing heavy.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
"""The checkout: `models/` lies here, and the default workspace and cache."""

for _name, _value in {
    # An idle OpenMP thread that spins makes a network 20 times slower while a training job runs beside it.
    "OMP_WAIT_POLICY": "PASSIVE",
    "NO_ALBUMENTATIONS_UPDATE": "1",  # it asks its package index at import
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",  # it runs pip when an optional package is missing
    "YOLO_VERBOSE": "false",  # it talks on stdout, which belongs to --json
    "YOLO_CONFIG_DIR": str(PROJECT / ".cache"),
}.items():
    os.environ.setdefault(_name, _value)


def workspace() -> Path:
    """The root of the user's data: `$HAR_WORKSPACE`, or `workspace/` in the checkout. Not created here."""
    return Path(os.path.expanduser(os.environ.get("HAR_WORKSPACE") or PROJECT / "workspace")).absolute()  # noqa: PTH111  # Path's raises for an unknown user
