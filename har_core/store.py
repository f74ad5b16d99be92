"""Where decoded frames are kept, and under which name: what a run finds there it need not decode."""

import hashlib
from pathlib import Path

from har_core import workspace
from har_core.errors import VideoError
from har_core.sampling import Seconds


def frames_folder() -> Path:
    """The folder of decoded frames in the workspace."""
    return workspace() / "cache" / "frames"


def stored_side(size: int) -> int:
    """px at which the frames of training clips are kept: the margin keeps a random crop sharp."""
    return round(size * 8 / 7)


def stored_name(path: Path, instants: Seconds, kept: tuple[int | str, ...]) -> str:
    """The name of the file that holds a clip's frames at these instants.

    Args:
        path: of the clip.
        instants: in seconds, float64 `(N,)`.
        kept: all else that they depend on: their size in px, and who finds people where they are looked at.

    Raises:
        VideoError: the clip cannot be read.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}.") from None
    told = "|".join(map(str, kept))
    what = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{told}|".encode() + instants.tobytes()
    return hashlib.sha256(what).hexdigest()[:32] + ".npy"
