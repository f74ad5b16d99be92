"""UCF101 top 5: fetched over bad lines, unpacked from what strangers packed, and never half there."""

import contextlib
import csv
import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from har_core import __main__ as command_line
from har_core import dataset, downloads, video
from har_core.dataset import archives, imports, ucf
from har_core.errors import DatasetError

Contents = dict[str, bytes]


def packed(contents: Contents, *, level: int = 0) -> bytes:
    """A .tar.gz of these files; level 0 keeps it as large as they are, so that there is something to cut."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as opened:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), level, mtime=0)


def odd(*entries: tuple[str, bytes, str]) -> bytes:
    """A tar of one clip and of entries of any type: (name, type, target of a link)."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as opened:
        for name, kind, target in (("walk/a.mp4", tarfile.REGTYPE, ""), *entries):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            entry.size = 3 if kind == tarfile.REGTYPE else 0
            opened.addfile(entry, io.BytesIO(b"abc"))
    return plain.getvalue()


@pytest.fixture(scope="session")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """The files of the official archive, a tiny clip in place of each of the 818."""
    path = tmp_path_factory.mktemp("tiny clip") / "clip.mp4"
    video.write(path, (np.full((48, 64, 3), grey, np.uint8) for grey in (60, 200)), frames_per_second=10)
    lists = {"train": "video_name,tag\n", "test": "video_name,tag\n"}
    files: Contents = {}
    for name, (action, part) in ucf.official().items():
        files[name] = path.read_bytes()
        lists[part] += f"{Path(name).name},{action}\n"
    return files | {f"{part}.csv": text.encode() for part, text in lists.items()}


@pytest.fixture(scope="session")
def whole(contents: Contents) -> bytes:
    return packed(contents)


class Server(ThreadingHTTPServer):
    """Gives `content`; each of the next connections ends after as many bytes as `cuts` says."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges = content, True
        self.cuts: list[int] = []
        self.asked: list[str | None] = []

    def handle_error(self, *_: object) -> None:
        """A client that goes away is nothing to speak of."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        content = self.server.content
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        stop = start + self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.wfile.write(content[start:stop])


@pytest.fixture
def server(whole: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server(whole) as made:
        monkeypatch.setattr(ucf, "URL", f"http://127.0.0.1:{made.server_port}/ucf101_top5.tar.gz")
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder in which the data set shall lie."""
    return tmp_path / "kept"


def left(home: Path) -> set[str]:
    return {path.name for path in home.iterdir()} if home.exists() else set()


def one_sentence(error: pytest.ExceptionInfo[DatasetError]) -> str:
    said = str(error.value)
    assert "\n" not in said and "Errno" not in said and len(said) < 600, said
    return said


# --- the official clips -------------------------------------------------------------------------------------


def test_the_numbers_of_the_lists() -> None:
    clips = ucf.official()
    assert [part for _, part in clips.values()].count("train") == 594
    assert [part for _, part in clips.values()].count("test") == 224
    assert {action for action, _ in clips.values()} == {
        "CricketShot", "PlayingCello", "Punch", "ShavingBeard", "TennisSwing",
    }  # fmt: skip


def test_the_names_are_those_of_the_published_lists(shared_clips: Callable[[str], Path]) -> None:
    folder = shared_clips("ucf101-top5-lists")
    published = {}
    for part in ("train", "test"):
        with (folder / f"{part}.csv").open(newline="") as file:
            published |= {f"{part}/{row['video_name']}": (row["tag"], part) for row in csv.DictReader(file)}
    assert list(ucf.official().items()) == list(published.items())


# --- fetching -----------------------------------------------------------------------------------------------


def test_a_whole_fetch_is_a_data_set_with_its_test_part(server: Server, home: Path, whole: bytes) -> None:
    told: list[tuple[str, int, int]] = []
    brought = dataset.fetch_top5(home / "top5", progress=lambda *numbers: told.append(numbers))
    assert brought.folder == home / "top5" and brought.sha256 == hashlib.sha256(whole).hexdigest()
    assert left(home) == {"top5"}, "no archive and no scratch folder stays"
    assert ("downloading", len(whole), len(whole)) in told and told[-1] == ("unpacking", 820, 820)
    source = dataset.read(brought.folder)
    assert source.layout == "ucf101" and not source.skipped and not source.notes
    assert source.groups == tuple(f"g{number:02d}" for number in range(1, 26))
    parts = dataset.split(source.clips, validation_fraction=0.2)
    assert len(parts.train) + len(parts.validation) == 594 and len(parts.test) == 224 and not parts.notes
    assert {clip.group for clip in parts.test} == {f"g{number:02d}" for number in range(1, 8)}

    assert dataset.fetch_top5(home / "top5").folder == home / "top5"
    assert server.asked == [None], "what is there is not fetched again"


def test_a_line_that_breaks_off_several_times(server: Server, home: Path, whole: bytes) -> None:
    server.cuts = [100_000, 1, 250_000, 70_000]
    dataset.fetch_top5(home / "top5")
    at = [None if asked is None else int(asked[6:-1]) for asked in server.asked]
    assert at == [None, 100_000, 100_001, 350_001, 420_001] and left(home) == {"top5"}


def test_it_goes_on_in_another_session(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_TAKEN_UP", 1)
    server.cuts = [200_000, 100_000]
    with pytest.raises(DatasetError, match=r"broke off .* go on after the 0\.3 MB") as error:
        dataset.fetch_top5(home / "top5")
    one_sentence(error)
    assert left(home) == {".top5.tar.gz.part"} and not dataset.datasets(home.parent)
    dataset.fetch_top5(home / "top5")
    assert server.asked[-1] == "bytes=300000-" and left(home) == {"top5"}


def test_a_server_without_ranges(server: Server, home: Path) -> None:
    server.ranges = False
    server.cuts = [100_000, 400_000]
    dataset.fetch_top5(home / "top5")
    assert server.asked == [None, "bytes=100000-", "bytes=400000-"] and left(home) == {"top5"}


def test_a_server_without_ranges_that_never_brings_all(server: Server, home: Path) -> None:
    server.ranges = False
    server.cuts = [100_000] * 50
    with pytest.raises(DatasetError, match="broke off") as error:
        dataset.fetch_top5(home / "top5")
    one_sentence(error)
    assert len(server.asked) == 21 and left(home) == {".top5.tar.gz.part"}


def test_an_archive_that_is_cut_off_is_removed(server: Server, home: Path, whole: bytes) -> None:
    for size in (len(whole) // 2, len(whole) - 4, 0x100, 1):
        server.content = whole[:size]
        with pytest.raises(DatasetError, match=r"cut off, damaged .* was removed") as error:
            dataset.fetch_top5(home / "top5")
        one_sentence(error)
        assert left(home) == set()


def test_one_wrong_byte_is_found(server: Server, home: Path, whole: bytes) -> None:
    """As where the archive was published anew while half of it had come."""
    at = len(whole) // 2
    server.content = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    with pytest.raises(DatasetError, match="damaged"):
        dataset.fetch_top5(home / "top5")
    assert left(home) == set()


def test_wrong_clips_are_counted_and_named(server: Server, home: Path, contents: Contents) -> None:
    wrong = dict(contents)
    for clip in ("train/v_Punch_g08_c01.avi", "test/v_Punch_g01_c02.avi"):
        del wrong[clip]
    wrong["train/v_Archery_g08_c01.avi"] = b"a clip"
    wrong["test.csv"] = wrong["test.csv"].replace(b"g01_c01.avi,TennisSwing", b"g01_c01.avi,CricketShot")
    server.content = packed(wrong)
    with pytest.raises(DatasetError) as error:
        dataset.fetch_top5(home / "top5")
    said = one_sentence(error)
    assert "594 training and 224 test" in said
    assert "missing or in neither list: 2 (train/v_Punch_g08_c01.avi, test/v_Punch_g01_c02.avi)" in said
    assert "not among them: 1 (train/v_Archery_g08_c01.avi)" in said
    assert "with another action or part: 1 (test/v_TennisSwing_g01_c01.avi)" in said
    assert left(home) == set()


def test_an_archive_of_something_else(server: Server, home: Path) -> None:
    server.content = packed({"readme.txt": b"nothing to see"})
    with pytest.raises(DatasetError, match=r"no train\.csv and no test\.csv"):
        dataset.fetch_top5(home / "top5")
    assert left(home) == set()


def test_a_folder_that_holds_something_else_is_left_alone(server: Server, home: Path) -> None:
    (home / "top5").mkdir(parents=True)
    (home / "top5" / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"is there already.*no train\.csv") as error:
        dataset.fetch_top5(home / "top5")
    one_sentence(error)
    assert not server.asked and left(home / "top5") == {"mine.txt"}
    (home / "empty").mkdir()
    dataset.fetch_top5(home / "empty")
    assert len(left(home / "empty" / "test")) == 224


def test_a_full_disk_keeps_the_archive(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(archives, "_copy", full)
        with pytest.raises(DatasetError, match="No space left on device") as error:
            dataset.fetch_top5(home / "top5")
    one_sentence(error)
    assert left(home) == {".top5.tar.gz"}
    dataset.fetch_top5(home / "top5")
    assert server.asked == [None] and left(home) == {"top5"}


def test_stopping_in_the_middle_leaves_nothing_that_looks_whole(server: Server, home: Path) -> None:
    def stop(what: str, done: int, _: int) -> None:
        if what == "unpacking" and done == 400:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.fetch_top5(home / "top5", progress=stop)
    assert left(home) == {".top5.tar.gz"}


# --- without internet ---------------------------------------------------------------------------------------


def test_packets_that_are_dropped(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue of connections drops the next one's packets, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as stack:
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        monkeypatch.setattr(ucf, "URL", f"http://127.0.0.1:{deaf.getsockname()[1]}/a.tar.gz")
        began = time.monotonic()
        with pytest.raises(DatasetError, match="without internet") as error:
            dataset.fetch_top5(home / "top5")
        assert 3 < time.monotonic() - began < 5
    one_sentence(error)
    assert left(home) == set()


def test_a_server_that_takes_the_call_and_says_nothing(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setattr(ucf, "URL", f"http://127.0.0.1:{mute.getsockname()[1]}/a.tar.gz")
        began = time.monotonic()
        with pytest.raises(DatasetError, match="sent nothing") as error:
            dataset.fetch_top5(home / "top5")
        assert time.monotonic() - began < 5
    one_sentence(error)
    assert left(home) == set()


# --- what strangers pack ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (("../evil.mp4", tarfile.REGTYPE, ""), "lead out"),
        (("a/../../evil.mp4", tarfile.REGTYPE, ""), "lead out"),
        (("..\\evil.mp4", tarfile.REGTYPE, ""), "lead out"),
        (("/tmp/evil.mp4", tarfile.REGTYPE, ""), "lead out"),
        (("C:\\evil.mp4", tarfile.REGTYPE, ""), "lead out"),
        (("walk/b.mp4", tarfile.SYMTYPE, "/etc/passwd"), "link"),
        (("walk", tarfile.SYMTYPE, "/tmp"), "link"),
        (("walk/b.mp4", tarfile.LNKTYPE, "walk/a.mp4"), "link"),
        (("walk/b.mp4", tarfile.FIFOTYPE, ""), "device"),
        (("walk/b.mp4", tarfile.CHRTYPE, ""), "device"),
        (("walk/a.mp4", tarfile.REGTYPE, ""), "twice"),
    ],
)
def test_a_tar_that_leads_astray_is_refused(
    tmp_path: Path, own_workspace: Path, entry: tuple[str, bytes, str], word: str
) -> None:
    (tmp_path / "bad.tar").write_bytes(odd(entry))
    with pytest.raises(DatasetError, match=word) as error:
        dataset.bring(own_workspace, tmp_path / "bad.tar")
    one_sentence(error)
    assert left(own_workspace / "datasets") == set() and not list(tmp_path.rglob("evil*"))


def test_a_zip_that_leads_astray_is_refused(tmp_path: Path, own_workspace: Path) -> None:
    link = zipfile.ZipInfo("walk/b.mp4")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for number, (name, word) in enumerate((("../evil.mp4", "lead out"), ("/evil.mp4", "lead out"), (link, "link"))):
        path = tmp_path / f"bad{number}.zip"
        with zipfile.ZipFile(path, "w") as opened:
            opened.writestr("walk/a.mp4", b"abc")
            opened.writestr(name, b"/etc/passwd")
        with pytest.raises(DatasetError, match=word):
            dataset.bring(own_workspace, path)
    assert left(own_workspace / "datasets") == set() and not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_bombs_are_refused_before_they_fill_the_disk(
    tmp_path: Path, own_workspace: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = {"walk/a.mp4": bytes(30_000_000)}
    many = {f"walk/{number}.mp4": b"" for number in range(50)}
    for number, (files, word) in enumerate(((zeros, "GB unpacked"), (many, "no more than 20 files"))):
        path = tmp_path / f"bomb{number}.{kind}"
        if kind == "tar":
            path.write_bytes(packed(files, level=9))
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
                for name, content in files.items():
                    opened.writestr(name, content)
        monkeypatch.setattr(imports, "MOST_BYTES", 20_000_000)
        monkeypatch.setattr(imports, "MOST_FILES", 20)
        with pytest.raises(DatasetError, match=word):
            dataset.bring(own_workspace, path)
    assert left(own_workspace / "datasets") == set()


def test_a_header_that_says_it_is_huge_is_refused(tmp_path: Path, own_workspace: Path) -> None:
    """Python's reader would take it into memory whole."""
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    (tmp_path / "bomb.tar").write_bytes(header.tobuf() + bytes(2048))
    with pytest.raises(DatasetError, match="header is too large"):
        dataset.bring(own_workspace, tmp_path / "bomb.tar")


def test_a_zip_with_a_password(tmp_path: Path, own_workspace: Path) -> None:
    path = tmp_path / "locked.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("walk/a.mp4", b"abc")
    content = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="password"):
        dataset.bring(own_workspace, path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4 no zip", b"\x1f\x8b no gzip", os.urandom(5000)])
def test_what_is_no_archive(tmp_path: Path, own_workspace: Path, content: bytes) -> None:
    (tmp_path / "some.tar.gz").write_bytes(content)
    with pytest.raises(DatasetError, match="must be a whole") as error:
        dataset.bring(own_workspace, tmp_path / "some.tar.gz")
    one_sentence(error)
    assert left(own_workspace / "datasets") == set()


# --- importing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["", "ucf101_top5/", "./"])
@pytest.mark.parametrize("ending", [".tar.gz", ".tgz", ".zip"])
def test_the_archive_from_a_disk(
    tmp_path: Path, own_workspace: Path, contents: Contents, around: str, ending: str
) -> None:
    path = tmp_path / f"top5{ending}"
    files = {around + name: content for name, content in contents.items()} | {"__MACOSX/._train.csv": b"x"}
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as opened:
            for name, content in files.items():
                opened.writestr(name, content)
    else:
        path.write_bytes(packed(files))
    brought = dataset.bring(own_workspace, path)
    assert brought.folder == own_workspace / "datasets" / "top5" and path.exists()
    assert brought.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    ucf.check(brought.folder)
    assert left(own_workspace / "datasets") == {"top5"}
    with pytest.raises(DatasetError, match="already"):
        dataset.bring(own_workspace, path)


def test_an_unpacked_folder_is_linked(tmp_path: Path, own_workspace: Path, whole: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(whole)
    archives.unpack(tmp_path / "a.tar.gz", tmp_path / "mine")
    brought = dataset.bring(own_workspace, tmp_path / "mine", "top5")
    assert brought.folder.is_symlink() and brought.sha256 == ""
    (tmp_path / "mine" / "test" / "v_Punch_g01_c01.avi").unlink()
    with pytest.raises(DatasetError, match="missing or in neither list: 1 "):
        dataset.bring(own_workspace, tmp_path / "mine", "again")
    assert left(own_workspace / "datasets") == {"top5"}


def test_an_archive_that_claims_to_be_it_must_be_all_of_it(
    tmp_path: Path, own_workspace: Path, contents: Contents
) -> None:
    some = {name: content for name, content in contents.items() if "ShavingBeard" not in name}
    (tmp_path / "part.tar.gz").write_bytes(packed(some))
    with pytest.raises(DatasetError, match="missing or in neither list: 161 "):
        dataset.bring(own_workspace, tmp_path / "part.tar.gz")
    assert left(own_workspace / "datasets") == set()


def test_any_other_archive_of_clips(tmp_path: Path, own_workspace: Path, tiny: Path) -> None:
    packed_at = shutil.make_archive(str(tmp_path / "my clips"), "gztar", tiny.parent, tiny.name)
    brought = dataset.bring(own_workspace, Path(packed_at))
    source = dataset.read(brought.folder)
    assert brought.folder.name == "my clips" and len(source.clips) == 12 and len(source.actions) == 3
    (tmp_path / "none.tar.gz").write_bytes(packed({"readme.txt": b"nothing"}))
    with pytest.raises(DatasetError, match="holds no clips"):
        dataset.bring(own_workspace, tmp_path / "none.tar.gz")


@pytest.mark.parametrize("source", ["/no/such/archive.zip", "~nobody-of-that-name/a.zip", "x" * 5000, "a\0b"])
def test_a_source_that_is_not_there(own_workspace: Path, source: str) -> None:
    with pytest.raises(DatasetError, match="there is none") as error:
        dataset.bring(own_workspace, Path(source))
    one_sentence(error)


# --- the command line ---------------------------------------------------------------------------------------


def test_the_commands(
    server: Server, own_workspace: Path, tmp_path: Path, whole: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.sha256(whole).hexdigest()
    assert command_line.main(["dataset", "fetch", "ucf101-top5"]) == 0
    assert f"sha256 {digest}" in capsys.readouterr().out
    (tmp_path / "top5.tar.gz").write_bytes(whole)
    assert command_line.main(["dataset", "import", str(tmp_path / "top5.tar.gz"), "--to", "again", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(own_workspace / "datasets" / "again"), "sha256": digest,
    }  # fmt: skip
    assert command_line.main(["dataset", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["again", "ucf101-top5"]
    (tmp_path / "top5.tar.gz").write_bytes(whole[:5000])
    assert command_line.main(["dataset", "import", str(tmp_path / "top5.tar.gz")]) == 1
    shown = capsys.readouterr()
    assert not shown.out and shown.err.count("\n") == 1 and "Traceback" not in shown.err


def chained(kind: bytes, number: int, content: bytes) -> bytes:
    """A tar that begins with so many headers about the next one."""
    header = tarfile.TarInfo("more")
    header.type, header.size = kind, len(content)
    return (header.tobuf() + content.ljust(512, b"\0")) * number + odd()


def test_what_breaks_the_readers_is_a_damaged_archive(tmp_path: Path, own_workspace: Path) -> None:
    squeezed = io.BytesIO()
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("walk/a.mp4", os.urandom(3000))
    flipped = bytearray(squeezed.getvalue())
    flipped[44:2000] = bytes(byte ^ 255 for byte in flipped[44:2000])
    for number, content in enumerate(
        (
            chained(tarfile.GNUTYPE_LONGNAME, 2000, b"name"),
            chained(tarfile.XHDTYPE, 5000, b"6 a=b\n"),
            chained(tarfile.XHDTYPE, 1, b"999999999999999999999 a=b\n"),
            bytes(flipped),
            packed({"walk/" + "a" * 300 + ".mp4": b"abc"}),
            packed({"walk": b"abc", "walk/deep/a.mp4": b"abc"}),
        )
    ):
        (tmp_path / f"bad{number}").write_bytes(content)
        with pytest.raises(DatasetError, match="must be a whole") as error:
            dataset.bring(own_workspace, tmp_path / f"bad{number}")
        one_sentence(error)
    assert left(own_workspace / "datasets") == set()


@pytest.mark.parametrize("number", [None, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG])
def test_an_error_of_the_archive_is_none_of_the_disk(
    tmp_path: Path, own_workspace: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    def fail(*_: object) -> int:
        raise OSError("Invalid data stream") if number is None else OSError(number, os.strerror(number))

    monkeypatch.setattr(archives, "_copy", fail)
    (tmp_path / "a.tar").write_bytes(odd())
    with pytest.raises(DatasetError, match="must be a whole"):
        dataset.bring(own_workspace, tmp_path / "a.tar")


def test_what_killed_imports_left_is_removed_after_a_day(tmp_path: Path, own_workspace: Path, tiny: Path) -> None:
    home = own_workspace / "datasets"
    for name, inside, hours in (("oldoldol", "clips", 25), ("newnewne", "clips", 1), ("foreign0", "mine", 25)):
        (home / f".unpack-{name}" / inside / "walk").mkdir(parents=True)
        os.utime(home / f".unpack-{name}", (time.time() - hours * 3600,) * 2)
    (home / ".unpack-alink000").symlink_to(tiny)
    dataset.bring(own_workspace, Path(shutil.make_archive(str(tmp_path / "some"), "tar", tiny.parent, tiny.name)))
    assert left(home) == {"some", ".unpack-newnewne", ".unpack-foreign0", ".unpack-alink000"}
    assert len(dataset.read(tiny).clips) == 12
