"""What a model saw in clips, kept: scores are there after a restart, and another split or label costs only new clips.

Kept are logits before the temperature, of every window of a clip under every condition it was shown under, by the
file's state and the model's weights. Neither labels nor a card's temperature or threshold go in, so that none of them
can make what is kept stale: scores are worked out of it anew each time. No torch here.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from har_core import weights
from har_core.config import ClipSpec, NetworkConfig
from har_core.dataset import Dataset
from har_core.errors import CheckpointError, ConfigError
from har_core.parts import Arrays, Parts
from har_core.values import Clip

Condition = Literal[
    "plain", "shuffled", "reversed", "single", "stuttering", "ten", "grey", "blurred", "mirrored", "darker", "frame",
    "person",
]  # fmt: skip
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
Milliseconds = tuple[float, float, float]

_FORMAT = 1
"""Of what is kept; a new number when a condition changes its meaning."""
_KEPT = 24
"""Pairs of data set and model of which verdicts are kept."""
_UNKNOWN = (np.nan, np.nan, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What a model made of one clip: untempered logits float32 `(W, C)` of its windows, W >= 1.

    `milliseconds` is how long decoding, encoding and classifying took, NaN where it was not measured. Where the clip
    could not be read, W is 0 and `reason` says why.
    """

    logits: NDArray[np.float32]
    milliseconds: Milliseconds = _UNKNOWN
    reason: str = ""


Found = dict[tuple[str, Condition], Verdict]
"""By the key of the clip (as `clip_keys` gives it) and the condition."""


def clip_keys(source: Dataset, clips: Sequence[Clip]) -> list[str]:
    """A key for each clip in the state in which its file is now."""
    root, keys = f"{source.root}{os.sep}", []
    for clip in clips:
        path = os.fspath(clip.path)
        size = changed = -1  # a file that has gone has no verdict
        with contextlib.suppress(OSError):
            status = os.stat(path)  # noqa: PTH116  # for 10,000 clips a Path takes longer than the file system
            size, changed = status.st_size, status.st_mtime_ns
        told = f"{path.removeprefix(root)}|{size}|{changed}".encode(errors="replace")
        keys.append(hashlib.sha256(told).hexdigest()[:24])
    return keys


def digest(model: Path) -> str:
    """Names what a model's verdicts depend on: its weights, what they are shown, and who finds people for it.

    Temperature, threshold and scores of its card do not count.

    Raises:
        CheckpointError: it cannot be read.
    """
    old = model.with_name(model.name + ".old")  # as `checkpoint.present` does, which would load torch
    folder = old if not model.exists() and old.exists() else model
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        # By what they mean, not as they are written: a card that is read and written again has 4.0 where it had 4.
        old_shape = {"embedding": "average", "motion": "off"} if card.get("format") == 1 else {}
        clip, shape = ClipSpec.from_json(card["clip"]), NetworkConfig.from_json(old_shape | card["network"])
        person = clip.view == "person" or "person" in card.get("views", ())
        kept = [card["classes"], clip.to_json(), shape.to_json(), int(card.get("windows", 3))]
        file = folder / "weights.safetensors"
        status = file.stat()
        weighed = _hashed(file, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError) as error:
        raise CheckpointError(
            f"A model is a folder with card.json and weights.safetensors, but {model} has none that can be read."
        ) from error
    told = f"{_FORMAT}|{weighed}|{json.dumps(kept, sort_keys=True)}|{_finder() if person else ''}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _finder() -> str:
    found = weights.find_detector("auto")
    return weights.detector_identity(found) if found else "nobody"


@lru_cache(64)
def _hashed(file: Path, size: int, mtime_ns: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def store(root: Path, digest: str) -> Parts[tuple[str, Condition], Verdict]:
    """The verdicts that are kept of one model on one data set, by clip and condition."""
    return Parts("evaluations", root, digest, pack=_packed, unpack=_unpacked, kept=_KEPT)


def _packed(found: Found) -> Arrays:
    verdicts = list(found.values())
    return {
        "keys": np.array([key for key, _ in found]),
        "conditions": np.array([condition for _, condition in found]),
        "windows": np.array([len(v.logits) for v in verdicts], np.int32),
        "logits": np.concatenate([v.logits for v in verdicts]),
        "milliseconds": np.array([v.milliseconds for v in verdicts], np.float32),
        "reasons": np.array([v.reason for v in verdicts]),
    }


def _unpacked(kept: Arrays) -> Found:
    """Raises ValueError where the arrays do not fit together."""
    windows, logits = kept["windows"], kept["logits"]
    if logits.ndim != 2 or logits.dtype != np.float32 or int(windows.sum()) != len(logits):
        raise ValueError("not what was kept")
    if not np.isfinite(logits).all():
        raise ValueError("not what was kept")
    each = np.split(logits, np.cumsum(windows)[:-1])
    spent = kept["milliseconds"].tolist()
    return {
        (key, condition): Verdict(rows, tuple(times), reason)
        for key, condition, rows, times, reason in zip(
            kept["keys"].tolist(), kept["conditions"].tolist(), each, spent, kept["reasons"].tolist(), strict=True
        )
    }
