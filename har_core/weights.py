"""The weights that the project can use: what is there, where it lies, and how to fetch what may not be shipped.

Nothing here touches the network but `fetch`, and that gives up within 5 seconds where there is no internet.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from har_core import PROJECT, downloads, workspace
from har_core.downloads import sha256 as sha256  # of what was fetched
from har_core.errors import CheckpointError

RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0/"
"""The release from which ultralytics 8.4.190 fetches its own weights."""
_EXPORTED = "_openvino_model"
_PREFERENCE = ("yolo26n", "yolo11n", "yolo11s")


@dataclass(frozen=True, slots=True)
class Entry:
    """Weights by name. `path` is where they are kept, a folder for those that come with the project.

    `url` is empty where nothing can be fetched; `sha256` is how the file's hash begins, empty where that is not
    known; `about_bytes` is roughly what the download takes.
    """

    name: str
    kind: Literal["detector", "backbone"]
    purpose: str
    path: Path
    licence: str
    url: str = ""
    sha256: str = ""
    about_bytes: int = 0

    @property
    def present(self) -> bool:
        """Whether they can be used on this machine now."""
        return self.usable is not None

    @property
    def usable(self) -> Path | None:
        """What to load: a detector's OpenVINO folder where there is one, for it is the fastest; else its file."""
        if self.kind == "detector":
            beside, stem = (self.path, "") if not self.path.suffix else (self.path.parent, self.name)
            for folder in sorted(beside.glob(f"{stem}*{_EXPORTED}")):
                if _is_openvino(folder):
                    return folder
            if _is_openvino(self.path):
                return self.path
        return self.path if self.path.is_file() else None

    @property
    def bytes(self) -> int:
        """What they take on this disk; about what the download takes where they are not there, 0 for unknown."""
        found = self.usable
        if found is None:
            return self.about_bytes
        with contextlib.suppress(OSError):
            return sum(file.stat().st_size for file in ([found] if found.is_file() else found.iterdir()))
        return 0


def entries() -> list[Entry]:
    """All the weights there are: detectors, then backbones."""
    kept, theirs = workspace() / "weights", "AGPL-3.0, or a commercial licence of Ultralytics"
    official = [
        Entry(name, "detector", purpose, kept / f"{name}.pt", theirs, f"{RELEASE}{name}.pt", about_bytes=about)
        for name, purpose, about in (
            ("yolo11n", "Finds people; small and fast.", 5_600_000),
            ("yolo11s", "Finds people; surer with small or half-hidden ones, but slower.", 19_300_000),
            ("yolo26n", "Finds people; small and fast, the newest of them and the first choice.", 5_500_000),
        )
    ]
    hub = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    imagenet = "resnet18-f37072fd.pth"
    return [
        *official,
        Entry("person", "detector", "Finds people; comes with the project.", PROJECT / "models" / "person", "AGPL-3.0"),
        Entry(
            "resnet18-imagenet", "backbone", "What training starts from: ResNet18 that has seen a million photographs.",
            Path(os.path.expanduser(hub)) / "hub" / "checkpoints" / imagenet,  # noqa: PTH111  # as torch.hub does
            "BSD-3-Clause (torchvision); ImageNet's terms are for research",
            f"https://download.pytorch.org/models/{imagenet}", "f37072fd", 46_800_000,
        ),
        Entry(
            "backbone", "backbone", "What training starts from without a download: ResNet18 trained by this project.",
            PROJECT / "models" / "backbone" / "weights.safetensors",
            "AGPL-3.0; Tiny-ImageNet's terms are for research and education",
        ),
    ]  # fmt: skip


def entry(name: str) -> Entry:
    """The weights of that name.

    Raises:
        CheckpointError: there are none of that name.
    """
    known = {each.name: each for each in entries()}
    if name not in known:
        raise CheckpointError(f"There are no weights {name!r}. Known are: {', '.join(known)}.")
    return known[name]


def detector_identity(path: Path) -> str:
    """What a detector is called where what it found is kept: another one, or other weights, would find others."""
    kept = max(path.rglob("*"), key=lambda p: p.stat().st_size) if path.is_dir() else path
    name = path.name.removesuffix(_EXPORTED).removesuffix(".pt")
    return f"{name} {kept.stat().st_size} {kept.stat().st_mtime_ns}"


def find_detector(choice: str) -> Path | None:
    """The detector that a choice means on this machine, found without touching the network.

    A .pt file is a pickle, and loading one runs what is in it: only those that `fetch` brought are given.

    Args:
        choice: "none"; "auto", the best that is there; a name of `entries()`; or a path.

    Returns:
        A .pt file, an OpenVINO folder (one .xml, one .bin), or None for no detector.

    Raises:
        CheckpointError: what was asked for by name or path is not there, or may not be loaded.
    """
    if choice == "none":
        return None
    detectors = {each.name: each for each in entries() if each.kind == "detector"}
    if choice == "auto":
        order = (detectors[name].usable for name in (*_PREFERENCE, "person"))
        return next((found for found in order if found is not None), None)
    if (name := choice.removesuffix(".pt")) in detectors:
        found = detectors[name].usable
        if found is None:
            raise CheckpointError(_missing(detectors[name]))
        return found
    path = Path(os.path.expanduser(choice)).absolute()  # noqa: PTH111  # leaves ~nobody-of-that-name as it is
    if path.suffix == ".pt":
        ours = detectors.get(path.stem)
        if ours is None or path.resolve() != ours.path.resolve():
            raise CheckpointError(
                f"A .pt file can run any program when it is loaded, so {choice} is not. Fetch one of "
                f"{', '.join(_PREFERENCE)} instead, or export yours to OpenVINO and name that folder."
            )
        if not path.is_file():
            raise CheckpointError(_missing(ours))
        return path
    if not _is_openvino(path):
        raise CheckpointError(
            f"A detector must be one of {', '.join(detectors)}, or a folder with one OpenVINO .xml and its .bin, but "
            f"{choice!r:.200} is neither."
        )
    return path


def _missing(wanted: Entry) -> str:
    if not wanted.url:
        return f"This copy of the project brings no weights {wanted.name} ({wanted.path} is not there)."
    command = f"python -m har_core weights fetch {wanted.name}"
    return f"The weights {wanted.name} are not on this machine. Fetch them: `{command}`."


def _is_openvino(folder: Path) -> bool:
    try:
        described = list(folder.glob("*.xml")) if folder.is_dir() else []
    except OSError:  # a name that is too long, a folder that may not be read
        return False
    return len(described) == 1 and described[0].with_suffix(".bin").is_file()


def fetch(
    wanted: str | Entry,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Download weights, unless they are there already. A download that was cut off goes on where it stopped.

    Args:
        wanted: a name of `entries()`, or an entry.
        progress: told (bytes so far, bytes in all), the latter 0 where the server does not say.
        cancelled: asked about ten times a second.

    Raises:
        CheckpointError: no such weights, or `downloads.fetch` could not bring them.
    """
    wanted = entry(wanted) if isinstance(wanted, str) else wanted
    if not wanted.url:
        if wanted.usable is None:
            raise CheckpointError(_missing(wanted))
        return wanted.usable
    return downloads.fetch(
        wanted.name, wanted.url, wanted.path, raising=CheckpointError, expected=wanted.sha256,
        most=4 * wanted.about_bytes, progress=progress, cancelled=cancelled,
    )  # fmt: skip
