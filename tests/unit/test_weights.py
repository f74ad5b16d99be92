"""Weights by name: what is there is found without the network, and a download ends well or in one sentence."""

import contextlib
import dataclasses
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from har_core import downloads, weights
from har_core.errors import CheckpointError
from har_core.weights import Entry, entries, entry, fetch, find_detector

CONTENT = os.urandom(700_000)
HASH = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Gives CONTENT; breaks off, goes silent or forgets about ranges when told so."""

    daemon_threads = True
    ranges = True
    cut_after: int | None = None
    silent_after: int | None = None
    kind = "application/octet-stream"
    status = 200
    length = True
    said_length: str | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.going = threading.Event()

    def handle_error(self, *_: object) -> None:
        """A client that goes away is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        if self.server.status != 200:
            return self.send_error(self.server.status)
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", self.server.kind)
        if self.server.length:
            self.send_header("Content-Length", self.server.said_length or str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        stop = min((n for n in (self.server.cut_after, self.server.silent_after) if n is not None), default=len(body))
        for at in range(0, stop, 100_000):
            self.wfile.write(body[at : min(at + 100_000, stop)])
        if self.server.silent_after is not None:
            self.server.going.wait(30)
        return None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.going.set()
        made.shutdown()
        thread.join()


@pytest.fixture
def wanted(server: Server, tmp_path: Path) -> Entry:
    url = f"http://127.0.0.1:{server.server_port}/tiny.pt"
    return Entry("tiny", "detector", "To be tested.", tmp_path / "kept" / "tiny.pt", "none", url, HASH[:8])


def part(wanted: Entry) -> Path:
    return wanted.path.with_name("tiny.pt.part")


def one_sentence(error: pytest.ExceptionInfo[CheckpointError]) -> str:
    said = str(error.value)
    assert "\n" not in said and "Errno" not in said and len(said) < 400, said
    return said


# --- fetching -----------------------------------------------------------------------------------------------


def test_a_whole_download(server: Server, wanted: Entry) -> None:
    told: list[tuple[int, int]] = []
    assert not wanted.present
    assert fetch(wanted, progress=lambda *numbers: told.append(numbers)) == wanted.path
    assert wanted.path.read_bytes() == CONTENT and not part(wanted).exists()
    assert told[-1] == (len(CONTENT), len(CONTENT)) and told == sorted(told)
    assert weights.sha256(wanted.path) == HASH
    assert wanted.present and wanted.bytes == len(CONTENT)
    assert fetch(wanted) == wanted.path
    assert server.asked == [None], "what is there is not fetched again"


@pytest.mark.parametrize("said", ["abc", "-5", "9" * 40, "1, 1"])
def test_a_length_that_is_no_number_is_no_length(server: Server, wanted: Entry, said: str) -> None:
    server.said_length = said
    assert fetch(wanted).read_bytes() == CONTENT


@pytest.mark.parametrize("choice", ["~nobody-of-that-name/x", "x" * 5000, "a" * 300 + ".pt", "\0", "/proc/self/fd"])
def test_odd_names_of_detectors_are_one_sentence(choice: str) -> None:
    with pytest.raises(CheckpointError) as error:
        find_detector(choice)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_a_file_that_is_damaged_is_fetched_again(server: Server, wanted: Entry) -> None:
    wanted.path.parent.mkdir()
    wanted.path.write_bytes(b"half a file")
    assert fetch(wanted).read_bytes() == CONTENT


def test_a_connection_that_is_cut_goes_on_later(server: Server, wanted: Entry) -> None:
    server.cut_after = 300_000
    with pytest.raises(CheckpointError, match=r"broke off .* go on after the 0\.3 MB") as error:
        fetch(wanted)
    one_sentence(error)
    assert part(wanted).read_bytes() == CONTENT[:300_000] and not wanted.path.exists()
    server.cut_after = None
    told: list[tuple[int, int]] = []
    assert fetch(wanted, progress=lambda *numbers: told.append(numbers)).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert told[0][0] > 300_000 and told[-1] == (len(CONTENT), len(CONTENT))


def test_a_server_without_ranges_begins_anew(server: Server, wanted: Entry) -> None:
    server.ranges = False
    part(wanted).parent.mkdir()
    part(wanted).write_bytes(b"x" * 1000)
    assert fetch(wanted).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_part_that_is_longer_than_the_file_is_forgotten(server: Server, wanted: Entry) -> None:
    part(wanted).parent.mkdir()
    part(wanted).write_bytes(b"x" * (len(CONTENT) + 5))
    assert fetch(wanted).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) + 5}-", None]


def test_a_server_that_does_not_say_how_much(server: Server, wanted: Entry) -> None:
    server.length = False
    told: list[tuple[int, int]] = []
    assert fetch(wanted, progress=lambda *numbers: told.append(numbers)).read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), 0)


def test_the_wrong_bytes_are_removed(server: Server, wanted: Entry) -> None:
    with pytest.raises(CheckpointError, match="should begin with 00000000") as error:
        fetch(dataclasses.replace(wanted, sha256="00000000"))
    one_sentence(error)
    assert not wanted.path.exists() and not part(wanted).exists()


def test_a_connection_that_stalls_is_given_up(server: Server, wanted: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.6)
    server.silent_after = 200_000
    began = time.monotonic()
    with pytest.raises(CheckpointError, match=r"sent nothing .* go on after the 0\.2 MB") as error:
        fetch(wanted)
    assert time.monotonic() - began < 5
    one_sentence(error)
    assert part(wanted).stat().st_size == 200_000


def test_cancelling_keeps_the_part(server: Server, wanted: Entry) -> None:
    server.silent_after = 200_000
    came: list[int] = []
    began = time.monotonic()
    with pytest.raises(CheckpointError, match=r"cancelled.*0\.2 MB") as error:
        fetch(wanted, progress=lambda done, _: came.append(done), cancelled=lambda: bool(came and came[-1] == 200_000))
    assert time.monotonic() - began < 5, "it is heard though nothing comes"
    one_sentence(error)
    assert part(wanted).read_bytes() == CONTENT[:200_000]
    server.silent_after = None
    assert fetch(wanted).read_bytes() == CONTENT


@pytest.mark.parametrize(("set_", "word"), [({"status": 404}, "404"), ({"kind": "text/html"}, "web page")])
def test_a_server_that_gives_something_else(server: Server, wanted: Entry, set_: dict[str, Any], word: str) -> None:
    for name, value in set_.items():
        setattr(server, name, value)
    with pytest.raises(CheckpointError, match=word) as error:
        fetch(wanted)
    one_sentence(error)
    assert not wanted.path.exists()


def test_two_at_once_do_not_spoil_the_file(server: Server, wanted: Entry) -> None:
    server.silent_after = 200_000
    came, stop = threading.Event(), threading.Event()

    def first() -> None:
        with pytest.raises(CheckpointError, match="cancelled"):
            fetch(wanted, progress=lambda *_: came.set(), cancelled=stop.is_set)

    thread = threading.Thread(target=first)
    thread.start()
    assert came.wait(5)
    with pytest.raises(CheckpointError, match="already"):
        fetch(wanted)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_folder_that_cannot_be_made(server: Server, wanted: Entry) -> None:
    wanted.path.parent.write_text("a file stands here")
    with pytest.raises(CheckpointError, match="cannot be kept") as error:
        fetch(wanted)
    one_sentence(error)


# --- without internet ---------------------------------------------------------------------------------------


def no_name(*_: object, **__: object) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


def no_route(*_: object, **__: object) -> Any:
    raise OSError(101, "Network is unreachable")


def silence(*_: object, **__: object) -> Any:
    time.sleep(20)  # as the resolver of a black-holed name server does; no timeout reaches it
    raise socket.gaierror(-3, "Temporary failure in name resolution")


@pytest.mark.parametrize("way", [no_name, no_route, silence])
@pytest.mark.parametrize("name", ["yolo11n", "resnet18-imagenet"])
def test_offline_is_said_within_five_seconds(
    way: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(socket, "getaddrinfo", way)
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    began = time.monotonic()
    with pytest.raises(CheckpointError, match=f"{name}.* without internet") as error:
        fetch(name)
    assert time.monotonic() - began < 5
    one_sentence(error)
    assert not entry(name).present and not list(entry(name).path.parent.iterdir())


def test_nobody_listens(wanted: Entry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(CheckpointError, match="without internet"):
        fetch(dataclasses.replace(wanted, url=f"http://127.0.0.1:{port}/tiny.pt"))


def test_packets_that_are_dropped(wanted: Entry) -> None:
    """A full queue of connections drops the next one's packets, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as stack:
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        began = time.monotonic()
        with pytest.raises(CheckpointError, match="without internet"):
            fetch(dataclasses.replace(wanted, url=f"http://127.0.0.1:{deaf.getsockname()[1]}/tiny.pt"))
        assert 3 < time.monotonic() - began < 5


def test_a_proxy_is_asked_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert downloads._first_stop("https://example.org/a.pt") == ("proxy.example", 3128)
    monkeypatch.setenv("no_proxy", "example.org")
    assert downloads._first_stop("https://example.org/a.pt") == ("example.org", 443)


# --- the catalogue ------------------------------------------------------------------------------------------


def test_what_is_known(own_workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    known = {each.name: each for each in entries()}
    assert set(known) == {"yolo11n", "yolo11s", "yolo26n", "person", "resnet18-imagenet", "backbone"}
    for each in known.values():
        assert each.purpose.endswith(".") and each.licence
        assert each.url.startswith("https://") == bool(each.about_bytes)
        assert each.url.endswith(each.path.name) or not each.url
    assert known["yolo11n"].path == own_workspace / "weights" / "yolo11n.pt" and not known["yolo11n"].present
    assert known["backbone"].present and known["backbone"].bytes == known["backbone"].path.stat().st_size
    with pytest.raises(CheckpointError, match="yolo26n"):
        entry("yolo99")
    assert fetch("backbone") == known["backbone"].path


def test_the_release_is_that_of_the_installed_ultralytics() -> None:
    import inspect

    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset

    given = inspect.signature(attempt_download_asset).parameters
    expected = f"https://github.com/{given['repo'].default}/releases/download/{given['release'].default}/"
    assert expected == weights.RELEASE
    assert {f"{name}.pt" for name in ("yolo11n", "yolo11s", "yolo26n")} <= GITHUB_ASSETS_NAMES


@pytest.mark.parametrize("variables", [{}, {"TORCH_HOME": "~/elsewhere"}, {"XDG_CACHE_HOME": "/caches"}])
def test_imagenet_lies_where_torch_would_look(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torchvision.models import ResNet18_Weights

    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    known = entry("resnet18-imagenet")
    assert known.url == ResNet18_Weights.IMAGENET1K_V1.url
    assert known.path == Path(torch.hub.get_dir()) / "checkpoints" / Path(known.url).name
    assert re.search(r"-([0-9a-f]+)\.", known.url)[1] == known.sha256  # type: ignore[index]


# --- which detector -----------------------------------------------------------------------------------------


@pytest.fixture
def nothing_bundled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_workspace: Path) -> Path:
    """A project without weights of people, and an empty workspace; gives the folder of weights in it."""
    monkeypatch.setattr(weights, "PROJECT", tmp_path / "project")
    (own_workspace / "weights").mkdir(parents=True)
    return own_workspace / "weights"


def openvino(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for ending in ("xml", "bin"):
        (folder / f"net.{ending}").write_text(ending)
    return folder


def test_auto_takes_the_best_that_is_there(nothing_bundled: Path, tmp_path: Path) -> None:
    assert find_detector("none") is None and find_detector("auto") is None
    own = openvino(tmp_path / "project" / "models" / "person")
    assert find_detector("auto") == find_detector("person") == own
    for name in ("yolo11s", "yolo11n", "yolo26n"):
        (nothing_bundled / f"{name}.pt").write_text("weights")
        assert find_detector("auto") == nothing_bundled / f"{name}.pt"
    half = nothing_bundled / "yolo26n_640_openvino_model"
    half.mkdir()
    assert find_detector("auto") == nothing_bundled / "yolo26n.pt", "an export that was cut off"
    half.rmdir()
    fast = openvino(half)
    assert find_detector("auto") == find_detector("yolo26n") == find_detector("yolo26n.pt") == fast
    assert entry("yolo26n").bytes == 6


def test_an_export_alone_is_enough(nothing_bundled: Path) -> None:
    fast = openvino(nothing_bundled / "yolo11n_openvino_model")
    assert find_detector("auto") == fast and entry("yolo11n").present and not entry("yolo11s").present


def test_a_bundled_export_inside_its_folder(nothing_bundled: Path, tmp_path: Path) -> None:
    own = openvino(tmp_path / "project" / "models" / "person" / "person_openvino_model")
    assert find_detector("person") == own


def test_a_path(nothing_bundled: Path, tmp_path: Path) -> None:
    folder = openvino(tmp_path / "mine")
    assert find_detector(str(folder)) == folder
    with pytest.raises(CheckpointError, match="weights fetch yolo11n"):
        find_detector(str(nothing_bundled / "yolo11n.pt"))
    (nothing_bundled / "yolo11n.pt").write_text("weights")
    assert find_detector(str(nothing_bundled / "yolo11n.pt")) == nothing_bundled / "yolo11n.pt"


@pytest.mark.parametrize("name", ["mine.pt", "elsewhere/yolo11n.pt", "workspace/weights/other.pt"])
def test_a_pickle_of_the_users_is_refused(nothing_bundled: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("weights")
    with pytest.raises(CheckpointError, match="any program") as error:
        find_detector(str(file))
    one_sentence(error)


def test_a_link_to_a_pickle_is_refused(nothing_bundled: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.pt").write_text("weights")
    (tmp_path / "yolo11n.pt").symlink_to(tmp_path / "theirs.pt")
    with pytest.raises(CheckpointError, match="any program"):
        find_detector(str(tmp_path / "yolo11n.pt"))


@pytest.mark.parametrize(
    ("choice", "word"),
    [("yolo26n", "weights fetch yolo26n"), ("person", "brings no"), ("resnet18-imagenet", "yolo11n"), ("", "yolo11n"),
     ("/nowhere", "OpenVINO")],
)  # fmt: skip
def test_what_is_not_there_says_how_to_get_it(nothing_bundled: Path, choice: str, word: str) -> None:
    with pytest.raises(CheckpointError, match=word) as error:
        find_detector(choice)
    one_sentence(error)


# --- servers that misbehave ---------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [True, False])
def test_more_than_could_be_right_is_not_kept(
    server: Server, wanted: Entry, monkeypatch: pytest.MonkeyPatch, length: bool
) -> None:
    server.length = length
    with pytest.raises(CheckpointError, match="too large") as error:
        fetch(dataclasses.replace(wanted, about_bytes=100_000))
    one_sentence(error)
    assert not part(wanted).exists() and not wanted.path.exists()
    assert fetch(dataclasses.replace(wanted, about_bytes=200_000)).read_bytes() == CONTENT
    wanted.path.unlink()
    monkeypatch.setattr(downloads, "MOST_BYTES", 300_000)
    with pytest.raises(CheckpointError, match="too large"):
        fetch(wanted)


@pytest.mark.parametrize("said", ["bytes 0-699999/700000", f"bytes {'9' * 5000}-699999/700000"])
@pytest.mark.parametrize("again", [0, 2])
def test_another_part_than_asked_for_is_forgotten(
    server: Server, wanted: Entry, monkeypatch: pytest.MonkeyPatch, again: int, said: str
) -> None:
    part(wanted).parent.mkdir()
    part(wanted).write_bytes(CONTENT[:1000])
    told = Handler.send_header
    with monkeypatch.context() as patched:
        patched.setattr(
            Handler, "send_header", lambda self, name, text: told(self, name, said if "Range" in name else text)
        )
        with pytest.raises(CheckpointError, match="another part") as error:
            downloads.fetch("tiny", wanted.url, wanted.path, raising=CheckpointError, again=again)
    assert "go on after" not in one_sentence(error)
    assert server.asked == ["bytes=1000-"] * (again + 1) and not part(wanted).exists()
    assert fetch(wanted).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "target",
    ["http://[::1", "http://.a..b/", "http://127.0.0.1:99999999/", f"http://127.0.0.1:{'9' * 30}/", "http://a:b/"],
)
def test_a_redirect_to_nowhere(server: Server, wanted: Entry, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    def redirect(self: Handler) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    monkeypatch.setattr(Handler, "do_GET", redirect)
    with pytest.raises(CheckpointError, match=r"broke off|cannot be downloaded") as error:
        fetch(wanted)
    one_sentence(error)
    assert not part(wanted).exists()
