"""What a browser sends: files, folders, archives and lists, some of them damaged or meant badly."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from har_core import dataset, video
from har_core.dataset import uploads
from har_core.errors import DatasetError


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    video.write(path, (np.full((32, 32, 3), grey, np.uint8) for grey in range(50, 100, 10)), frames_per_second=5)
    return path.read_bytes()


def sent(*files: tuple[str, bytes]) -> list[tuple[str, io.BytesIO]]:
    return [(name, io.BytesIO(content)) for name, content in files]


def packed(*files: tuple[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files:
            opened.writestr(name, content)
    return archive.getvalue()


def there(workspace: Path, name: str = "mine") -> dict[str, tuple[str, str]]:
    """Action and group of each clip, by path."""
    source = dataset.read(workspace / "datasets" / name)
    return {source.relative(c): (c.action, c.group) for c in source.clips}


def nothing_lies_around(workspace: Path) -> bool:
    return not any(path.name.startswith(".") for path in (workspace / "datasets").iterdir())


def test_files_take_the_action_and_the_person(tmp_path: Path, clip: bytes) -> None:
    stored = uploads.store(tmp_path, "mine", sent(("a.mp4", clip), ("b.MP4", clip + b"0"), ("c.mp4", b"nonsense")),
                           action="wave", group="Anna K.")  # fmt: skip
    assert stored.kept == 2 and [path for path, _ in stored.failed] == ["c.mp4"]
    assert there(tmp_path) == {"wave/a_by-anna-k_.mp4": ("wave", "anna-k"), "wave/b_by-anna-k_.mp4": ("wave", "anna-k")}
    assert nothing_lies_around(tmp_path)


def test_a_folder_says_its_actions(tmp_path: Path, clip: bytes) -> None:
    files = sent(("session/wave/a_by-ben_.mp4", clip), ("session/sit/a.mp4", clip + b"1"), ("session/.DS_Store", b""),
                 ("session/notes.pdf", b"%PDF"), ("loose.mp4", clip + b"2"))  # fmt: skip
    stored = uploads.store(tmp_path, "mine", files)
    assert there(tmp_path)["wave/a_by-ben_.mp4"] == ("wave", "ben") and stored.kept == 2
    assert [path for path, _ in stored.failed] == ["session/notes.pdf", "loose.mp4"]
    assert "which action" in stored.failed[1][1]


def test_archives_and_files_may_come_together(tmp_path: Path, clip: bytes) -> None:
    archive = packed(("outer/wave/a.mp4", clip), ("outer/sit/b.mp4", clip + b"1"))
    stored = uploads.store(
        tmp_path, "mine", sent(("all.zip", archive), ("c.mp4", clip + b"2"), ("bad.zip", b"PK")), action="run"
    )
    assert stored.kept == 3 and [path for path, _ in stored.failed] == ["bad.zip"]
    assert {action for action, _ in there(tmp_path).values()} == {"wave", "sit", "run"}


def test_a_list_beside_files_says_what_they_show(tmp_path: Path, clip: bytes) -> None:
    table = b"path,action,group\na.mp4,wave,room 1\nb.mp4,sit,\nc.mp4,sit,x\n"
    stored = uploads.store(tmp_path, "mine", sent(("a.mp4", clip), ("clips.csv", table), ("b.mp4", clip + b"1")))
    assert stored.kept == 2 and [path for path, _ in stored.failed] == ["c.mp4"]
    assert len(there(tmp_path)) == 2
    assert there(tmp_path)["wave/a_by-room-1_.mp4"] == ("wave", "room-1")


def test_fixed_parts_make_a_data_set_of_its_own(tmp_path: Path, clip: bytes) -> None:
    files = [("s/train/wave/a.mp4", clip), ("s/train/sit/b.mp4", clip + b"1"), ("s/test/wave/c.mp4", clip + b"2")]
    assert uploads.store(tmp_path, "parts", sent(*files)).kept == 3
    assert (tmp_path / "datasets" / "parts" / "test" / "wave" / "c.mp4").is_file()
    with pytest.raises(DatasetError, match="Choose another name"):
        uploads.store(tmp_path, "parts", sent(*files))
    assert nothing_lies_around(tmp_path)


@pytest.mark.parametrize("path", ["../up/a.mp4", "/etc/../a.mp4", "C:\\x\\a.mp4", "wave/../../a.mp4", "a\0.mp4", ""])
def test_no_path_leads_out(tmp_path: Path, clip: bytes, path: str) -> None:
    stored = uploads.store(tmp_path / "w", "mine", sent((path, clip)), action="wave")
    assert stored.kept == 0 and len(stored.failed) == 1
    assert not list(tmp_path.rglob("*.mp4"))


def test_the_same_path_twice_is_said(tmp_path: Path, clip: bytes) -> None:
    stored = uploads.store(tmp_path, "mine", sent(("a.mp4", clip), ("a.mp4", clip + b"1")), action="wave")
    assert stored.kept == 1 and "two files" in stored.failed[0][1]


def test_what_holds_no_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Nothing that was sent is a clip"):
        uploads.store(tmp_path, "mine", sent((".DS_Store", b"")))
    with pytest.raises(DatasetError, match="A name needs"):
        uploads.store(tmp_path, "..", sent(("a.mp4", b"")))
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="Make room there"):
        uploads.store(tmp_path / "file", "mine", sent(("a.mp4", b"")))
