"""Downloads that go on where they were cut off, and that say within 5 seconds when there is no internet.

The libraries' own downloads hang for minutes behind a firewall that drops packets.
"""

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
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from har_core.errors import HarError

REACH_SECONDS = 4.0
STALL_SECONDS = 20.0
MOST_BYTES = 8 * 10**9
"""More than anything that is fetched takes."""
_BLOCK = 1 << 18


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    name: str,
    url: str,
    target: Path,
    *,
    raising: type[HarError],
    expected: str = "",
    again: int = 0,
    most: int = 0,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Download a file, unless it is there already; gives `target`.

    What has come lies in a `.part` file beside the target; a download that was cut off or cancelled goes on from
    there. The file appears under its name only when it is whole and, where its hash is known, the right one.

    Args:
        name: what the file is called in the sentences of errors.
        raising: the kind of error that is raised.
        expected: how the file's SHA-256 begins; empty where that is not known.
        again: how many times a connection that breaks off after it has brought something is taken up by itself.
        most: how many bytes it may have; 0 for `MOST_BYTES`. A server need not say how many come.
        progress: told (bytes so far, bytes in all), the latter 0 where the server does not say.
        cancelled: asked about ten times a second.

    Raises:
        HarError: of the kind `raising`: no internet (said within 5 seconds), a connection that fails or brings
            nothing for 20 seconds, the wrong bytes or too many, a disk that is full, or `cancelled`.
    """
    try:
        if target.is_file() and (not expected or sha256(target).startswith(expected)):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with part.open("ab") as file:
            _lock(file, name, raising)
            try:
                _Download(name, url, file, raising, most or MOST_BYTES, progress, cancelled or (lambda: False)).run(
                    again
                )
            finally:
                if not file.tell():
                    part.unlink(missing_ok=True)
            found = sha256(part) if expected else ""
            if not found.startswith(expected):
                part.unlink()
                raise raising(
                    f"What came as {name} is not the file that was published: its SHA-256 should begin with "
                    f"{expected}, but begins with {found[:8]}. It was removed; fetch it again."
                )
            part.replace(target)
    except OSError as error:
        raise raising(
            f"{name} cannot be kept in {target.parent}: {error.strerror or error}. Make room or mend the folder."
        ) from None
    return target


def _lock(file: IO[bytes], name: str, raising: type[HarError]) -> None:
    """Two that write one file would spoil it: the app and the command line may be asked at once."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise raising(f"{name} is being fetched already. Wait until that is done.") from None


class _Download:
    """One download into an open file, in two threads.

    The other one resolves, connects and reads, none of which can be interrupted; it posts what came. This one
    waits no longer than it wants to, writes, and leaves the other to end by itself.
    """

    def __init__(
        self,
        name: str,
        url: str,
        file: IO[bytes],
        raising: type[HarError],
        most: int,
        progress: Callable[[int, int], None] | None,
        cancelled: Callable[[], bool],
    ) -> None:
        self._name, self._url, self._file, self._raising = name, url, file, raising
        self._most, self._progress, self._cancelled = most, progress, cancelled

    def run(self, again: int) -> None:
        offset = self._file.seek(0, os.SEEK_END)
        try:
            self._transfer(offset)
        except _UnreachedError:
            raise self._raising(self._unreachable()) from None
        except urllib.error.HTTPError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not offset:
                reason = str(error.reason).partition("\n")[0].rstrip(".")
                raise self._raising(
                    f"{self._name} cannot be downloaded: {self._host} says {error.code} {reason}. Try again later."
                ) from None
            self._empty()  # the part has nothing to do with the file that is there now
            self.run(again)
        except ConnectionError as error:
            if again and self._file.tell():
                return self.run(again - 1)
            if isinstance(error, _OtherPartError):
                self._empty()  # with what is there it would end like this each time
            raise self._raising(
                f"The connection to {self._host} broke off while {self._name} was downloaded ({error}). {self._kept()}"
            ) from None

    @property
    def _host(self) -> str:
        return urlsplit(self._url).hostname or self._url

    def _kept(self) -> str:
        size = self._file.tell()
        return f"Fetch it again to go on after the {size / 1e6:.1f} MB that have come." if size else "Fetch it again."

    def _transfer(self, offset: int) -> None:
        posted: queue.SimpleQueue[object] = queue.SimpleQueue()
        ended = threading.Event()
        threading.Thread(target=_read, args=(self._url, offset, posted, ended), daemon=True).start()
        try:
            self._take(posted, REACH_SECONDS, self._unreachable)
            total = self._begin(self._take(posted, STALL_SECONDS, self._stalled), offset)
            while isinstance(block := self._take(posted, STALL_SECONDS, self._stalled), bytes) and block:
                self._file.write(block)
                if self._file.tell() > self._most:
                    self._empty()
                    raise self._raising(self._too_large())
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
                raise self._raising(f"Fetching {self._name} was cancelled. {self._kept()}")
            try:
                item = posted.get(timeout=0.1)
            except queue.Empty:
                if time.monotonic() > until:
                    raise self._raising(too_late()) from None
                continue
            if isinstance(item, Exception):
                raise item
            return item

    def _begin(self, answer: object, offset: int) -> int:
        """Make the file ready for what comes; gives the size of the whole, 0 for unknown."""
        assert isinstance(answer, http.client.HTTPResponse)
        if answer.headers.get_content_type() == "text/html":
            raise self._raising(
                f"{self._host} gave a web page instead of {self._name}: a login page or a filter stands before "
                "the internet. Open a browser, or fetch it from another network."
            )
        said = answer.headers.get("Content-Length") or ""
        length = int(said) if re.fullmatch(r"[0-9]{1,18}", said) else 0
        came = re.match(r"bytes ([0-9]{1,18})-", answer.headers.get("Content-Range") or "")
        if answer.status == http.client.PARTIAL_CONTENT and came and int(came[1]) == offset:
            return offset + length if length else 0
        if answer.status == http.client.PARTIAL_CONTENT:
            raise _OtherPartError("another part came than was asked for")
        self._empty()  # the server knows no parts, and begins anew
        return length

    def _unreachable(self) -> str:
        return (
            f"{self._name} is not on this machine and cannot be downloaded without internet: {self._host} "
            "does not answer. Connect, then fetch it again."
        )

    def _stalled(self) -> str:
        return f"{self._host} has sent nothing for {STALL_SECONDS:.0f} seconds. {self._kept()}"

    def _too_large(self) -> str:
        return (
            f"What {self._host} sends as {self._name} is too large to be it: it must take no more than "
            f"{self._most / 1e6:.1f} MB. It was removed; try again later, or from another network."
        )


class _OtherPartError(ConnectionError):
    """The server sends another part of the file than was asked for."""


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
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        # The last two are for a redirect to what is no address: http://[::1, http://.a..b, a port of 30 digits.
        cause = getattr(error, "reason", error)
        reason = " ".join(str(getattr(cause, "strerror", None) or cause).split())
        posted.put(ConnectionError(reason[:150] or type(error).__name__))
    except Exception as error:  # a bug; the one who waits must hear of it
        posted.put(error)


def _first_stop(url: str) -> tuple[str, int]:
    """Whom a request connects to: the proxy of this machine where one is set, else the server itself."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
