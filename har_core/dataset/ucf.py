"""UCF101 top 5: which clips it has, and which of them are its official test part.

It is the part of UCF101 that the video examples of Keras train and score on: five actions, the whole of
list 1 of UCF101 for each of them.
"""

import re
from pathlib import Path, PurePosixPath

from har_core.dataset.layouts import listing, some, videos
from har_core.errors import DatasetError

NAME = "ucf101-top5"
URL = "https://github.com/sayakpaul/Action-Recognition-in-TensorFlow/releases/download/v1.0.0/ucf101_top5.tar.gz"
"""The archive, as the Keras example "Video Classification with Transformers" names it."""
ABOUT_BYTES = 400_000_000
"""An estimate: 818 clips at UCF101's mean of half a megabyte."""
_CLIPS = {
    "CricketShot": "7777777777777777655767577",
    "PlayingCello": "7747775677777477777757777",
    "Punch": "5445777776777767777477777",
    "ShavingBeard": "4774777777466676777777776",
    "TennisSwing": "7777777677777777766666666",
}
"""How many clips, c01 and on, the groups g01 to g25 of each action have."""
_LAST_TEST_GROUP = 7


def official() -> dict[str, tuple[str, str]]:
    """The 818 clips, in the order of the lists: path below the root -> (action, "train" or "test").

    >>> clips = official()
    >>> clips["train/v_Punch_g08_c01.avi"], [part for _, part in clips.values()].count("test")
    (('Punch', 'train'), 224)
    """
    return {
        f"{part}/v_{action}_g{group:02d}_c{clip:02d}.avi": (action, part)
        for part in ("train", "test")
        for action, groups in _CLIPS.items()
        for group, clips in enumerate(groups, 1)
        for clip in range(1, int(clips) + 1)
        if part == ("test" if group <= _LAST_TEST_GROUP else "train")
    }


def claimed(root: Path) -> bool:
    """Whether a folder says of itself that it is UCF101 top 5: lists in its root that name just its five actions.

    Raises:
        DatasetError: a list is there but cannot be read.
    """
    if _lacking(root) or (found := listing(root)).layout != "ucf101":
        return False
    names = [
        PurePosixPath(name).name for name in (*(e.relative for e in found.entries), *(n for n, _ in found.skipped))
    ]
    return {match[1] for name in names if (match := re.match(r"v_(\w+)_g\d+_c\d+\.", name))} == set(_CLIPS)


def check(root: Path) -> None:
    """Compare a folder with the official clips and labels; nothing is decoded.

    Raises:
        DatasetError: clips are missing, there are others, or a label is not the official one. It gives the
            numbers and the first names.
    """
    if lacking := _lacking(root):
        raise DatasetError(
            f"UCF101 top 5 must hold its lists beside its clips, but there is no {' and no '.join(lacking)}."
        )
    wanted, found = official(), listing(root)
    listed = {entry.relative: (entry.action, entry.split) for entry in found.entries}
    names = {PurePosixPath(path).name for path in wanted}
    unknown = [name for name, _ in found.skipped if PurePosixPath(name).name not in names]
    missing = [path for path in wanted if path not in listed]
    others = [*sorted({*videos(root), *listed} - wanted.keys()), *unknown]
    wrong = [path for path in wanted if path in listed and listed[path] != wanted[path]]
    faults = [
        f"{text}: {len(paths)} ({some(paths)})"
        for paths, text in (
            (missing, "missing or in neither list"),
            (others, "not among them"),
            (wrong, "with another action or part"),
        )
        if paths
    ]
    if faults:
        raise DatasetError(
            f"UCF101 top 5 must hold just the 594 training and 224 test clips of its lists; {'; '.join(faults)}."
        )


def _lacking(root: Path) -> list[str]:
    return [name for name in ("train.csv", "test.csv") if not (root / name).is_file()]
