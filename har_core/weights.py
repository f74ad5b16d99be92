"""The weights that the project can use: what is there, where it lies, and how to fetch what may not be shipped.

Nothing here touches the network but `fetch`, and that gives up within 5 seconds where there is no internet:
the libraries' own downloads hang for minutes behind a firewall that drops packets.
"""

import contextlib
import fcntl
import hashlib
import http.client
import os
import queue
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

from har_core import PROJECT, workspace
from har_core.errors import CheckpointError

RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0/"
"""The release from which ultralytics 8.4.190 fetches its own weights."""
REACH_SECONDS = 4.0
STALL_SECONDS = 20.0
_BLOCK = 1 << 18
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


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    wanted: str | Entry,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Download weights, unless they are there already.

    What has come lies in a `.part` file beside the target; a download that was cut off or cancelled goes on from
    there. The file appears under its name only when it is whole and, where its hash is known, the right one.

    Args:
        wanted: a name of `entries()`, or an entry.
        progress: told (bytes so far, bytes in all), the latter 0 where the server does not say.
        cancelled: asked about ten times a second.

    Raises:
        CheckpointError: no such weights, no internet (said within 5 seconds), a connection that fails or brings
            nothing for 20 seconds, the wrong bytes, a disk that is full, or `cancelled`.
    """
    wanted = entry(wanted) if isinstance(wanted, str) else wanted
    target = wanted.path
    if not wanted.url:
        if wanted.usable is None:
            raise CheckpointError(_missing(wanted))
        return wanted.usable
    try:
        if target.is_file() and (not wanted.sha256 or sha256(target).startswith(wanted.sha256)):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with part.open("ab") as file:
            _lock(file, wanted)
            try:
                _Download(wanted, file, progress, cancelled or (lambda: False)).run()
            finally:
                if not file.tell():
                    part.unlink(missing_ok=True)
            found = sha256(part)
            if not found.startswith(wanted.sha256):
                part.unlink()
                raise CheckpointError(
                    f"What came as {wanted.name} is not the file that was published: its SHA-256 should begin with "
                    f"{wanted.sha256}, but begins with {found[:8]}. It was removed; fetch it again."
                )
            part.replace(target)
    except OSError as error:
        raise CheckpointError(
            f"{wanted.name} cannot be kept in {target.parent}: {error.strerror or error}. Make room or mend the folder."
        ) from None
    return target


def _lock(file: IO[bytes], wanted: Entry) -> None:
    """Two that write one file would spoil it: the app and the command line may be asked at once."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CheckpointError(f"{wanted.name} is being fetched already. Wait until that is done.") from None


class _Download:
    """One download into an open file, in two threads.

    The other one resolves, connects and reads, none of which can be interrupted; it posts what came. This one
    waits no longer than it wants to, writes, and leaves the other to end by itself.
    """

    def __init__(
        self,
        wanted: Entry,
        file: IO[bytes],
        progress: Callable[[int, int], None] | None,
        cancelled: Callable[[], bool],
    ) -> None:
        self._wanted, self._file = wanted, file
        self._progress, self._cancelled = progress, cancelled

    def run(self) -> None:
        offset = self._file.seek(0, os.SEEK_END)
        try:
            self._transfer(offset)
        except _UnreachedError:
            raise CheckpointError(self._unreachable()) from None
        except urllib.error.HTTPError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not offset:
                reason = str(error.reason).partition("\n")[0].rstrip(".")
                raise CheckpointError(
                    f"{self._wanted.name} cannot be downloaded: {self._host} says {error.code} {reason}. "
                    "Try again later."
                ) from None
            self._empty()  # the part has nothing to do with the file that is there now
            self.run()
        except ConnectionError as error:
            raise CheckpointError(
                f"The connection to {self._host} broke off while {self._wanted.name} was downloaded ({error}). "
                f"{self._kept()}"
            ) from None

    @property
    def _host(self) -> str:
        return urlsplit(self._wanted.url).hostname or self._wanted.url

    def _kept(self) -> str:
        size = self._file.tell()
        return f"Fetch it again to go on after the {size / 1e6:.1f} MB that have come." if size else "Fetch it again."

    def _transfer(self, offset: int) -> None:
        posted: queue.SimpleQueue[object] = queue.SimpleQueue()
        ended = threading.Event()
        threading.Thread(target=_read, args=(self._wanted.url, offset, posted, ended), daemon=True).start()
        try:
            self._take(posted, REACH_SECONDS, self._unreachable)
            total = self._begin(self._take(posted, STALL_SECONDS, self._stalled), offset)
            while isinstance(block := self._take(posted, STALL_SECONDS, self._stalled), bytes) and block:
                self._file.write(block)
                if self._progress:
                    self._progress(self._file.tell(), total)
            self._file.flush()
        finally:
            ended.set()
        size = self._file.tell()
        if size < total or not size:
            raise ConnectionError(f"{size} of {total} bytes came")
        if total and size > total:
            self._empty()
            raise ConnectionError(f"{size} bytes came instead of {total}")

    def _empty(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    def _take(self, posted: "queue.SimpleQueue[object]", seconds: float, too_late: Callable[[], str]) -> object:
        """What the other thread posts next; an error of its own is raised here."""
        until = time.monotonic() + seconds
        while True:
            if self._cancelled():
                raise CheckpointError(f"Fetching {self._wanted.name} was cancelled. {self._kept()}")
            try:
                item = posted.get(timeout=0.1)
            except queue.Empty:
                if time.monotonic() > until:
                    raise CheckpointError(too_late()) from None
                continue
            if isinstance(item, Exception):
                raise item
            return item

    def _begin(self, answer: object, offset: int) -> int:
        """Make the file ready for what comes; gives the size of the whole, 0 for unknown."""
        assert isinstance(answer, http.client.HTTPResponse)
        if answer.headers.get_content_type() == "text/html":
            raise CheckpointError(
                f"{self._host} gave a web page instead of {self._wanted.name}: a login page or a filter stands before "
                "the internet. Open a browser, or fetch it from another network."
            )
        said = answer.headers.get("Content-Length") or ""
        length = int(said) if re.fullmatch(r"[0-9]{1,18}", said) else 0
        came = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
        if answer.status == http.client.PARTIAL_CONTENT and came and int(came[1]) == offset:
            return offset + length if length else 0
        if answer.status == http.client.PARTIAL_CONTENT:
            raise ConnectionError("another part came than was asked for")
        self._empty()  # the server knows no parts, and begins anew
        return length

    def _unreachable(self) -> str:
        return (
            f"{self._wanted.name} is not on this machine and cannot be downloaded without internet: {self._host} "
            "does not answer. Connect, then fetch it again."
        )

    def _stalled(self) -> str:
        return f"{self._host} has sent nothing for {STALL_SECONDS:.0f} seconds. {self._kept()}"


class _UnreachedError(Exception):
    """The server cannot be reached at all."""


def _read(url: str, offset: int, posted: "queue.SimpleQueue[object]", ended: threading.Event) -> None:
    """The other thread: posts None when the server is reached, its answer, then the bytes as they come, b"" last."""
    try:
        try:
            socket.create_connection(_first_stop(url), timeout=REACH_SECONDS).close()
        except OSError:
            raise _UnreachedError from None
        posted.put(None)
        request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
        # A little longer than the other thread waits: then the sentence is always the same.
        with urllib.request.urlopen(request, timeout=STALL_SECONDS + 1) as answer:
            posted.put(answer)
            while not ended.is_set():
                block = answer.read1(_BLOCK)
                posted.put(block)
                if not block:
                    return
    except (_UnreachedError, urllib.error.HTTPError) as error:
        posted.put(error)
    except (OSError, http.client.HTTPException) as error:
        posted.put(ConnectionError(str(getattr(error, "reason", error)) or type(error).__name__))
    except Exception as error:  # a bug; the one who waits must hear of it
        posted.put(error)


def _first_stop(url: str) -> tuple[str, int]:
    """Whom a request connects to: the proxy of this machine where one is set, else the server itself."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
