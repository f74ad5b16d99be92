"""Reading folders of clips: layouts, groups, the cache, and the user's library."""

import io
import json
import os
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from har_core import dataset, video
from har_core.dataset import groups, index
from har_core.errors import DatasetError, VideoError
from har_core.values import Frames, VideoProperties

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAR_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files hold text instead of pictures: "broken", "grey", or a number that makes one. Gives what was probed."""
    asked: list[str] = []

    def probe(path: Path) -> VideoProperties:
        asked.append(path.name)
        if not path.is_file() or path.read_text("utf-8") in ("", "broken"):
            raise VideoError(f"{path.name} is no video.")
        return VideoProperties(4.0, 25.0, 100, 64, 48, "h264")

    def read_frames(path: Path, seconds: np.ndarray, *, longest_side: int = 1920) -> Frames:
        word = path.read_text("utf-8").split()[0]
        rgb = np.full((3, 48, 64, 3), 90, np.uint8)
        if word != "grey":
            rgb = np.random.default_rng(int(word)).integers(0, 255, (3, 8, 9, 3), np.uint8).repeat(6, 1).repeat(7, 2)
        return Frames(rgb, np.asarray(seconds))

    monkeypatch.setattr(video, "probe", probe)
    monkeypatch.setattr(video, "read_frames", read_frames)
    return asked


@pytest.fixture
def root(tmp_path: Path, probed: list[str]) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder


def put(root: Path, *names: str, text: str | None = None) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"{zlib.crc32(name.encode())} {name}", "utf-8")


def found(clips: dataset.Dataset) -> dict[str, tuple[str, str, str]]:
    return {clips.relative(clip): (clip.action, clip.group, clip.split) for clip in clips.clips}


def test_class_folders(root: Path) -> None:
    put(root, "walk/b.MP4", "walk/a.avi", "run/day 1/c.mov", "run/.hidden.mp4", "__MACOSX/run/c.mov", "run/notes.txt")
    put(root, "loose.mp4", ".git/x/y.mp4")
    clips = dataset.read(root)
    assert clips.layout == "folders" and clips.actions == ("run", "walk")
    assert list(found(clips)) == ["run/day 1/c.mov", "walk/a.avi", "walk/b.MP4"]
    assert found(clips)["run/day 1/c.mov"] == ("run", "run/day 1/c.mov", "")
    assert [name for name, _ in clips.skipped] == ["loose.mp4"]
    assert "Groups are guessed: 3 of 3" in clips.notes[0]


def test_folders_of_a_split(root: Path) -> None:
    put(root, "Train/walk/a.mp4", "Train/run/b.mp4", "val/walk/c.mp4", "test/run/x/d.mp4", "extra/e.mp4", "test/f.mp4")
    clips = dataset.read(root)
    assert {clip.path.name: (clip.action, clip.split) for clip in clips.clips} == {
        "a.mp4": ("walk", "train"),
        "b.mp4": ("run", "train"),
        "c.mp4": ("walk", "validation"),
        "d.mp4": ("run", "test"),
    }
    assert [name for name, _ in clips.skipped] == ["extra/e.mp4", "test/f.mp4"]


def test_an_action_may_be_called_train(root: Path) -> None:
    put(root, "train/a.mp4", "bus/b.mp4", "bus/night/c.mp4", "train/night/d.mp4")
    assert dataset.read(root).actions == ("bus", "train")


def test_a_folder_too_many_is_noted(root: Path) -> None:
    put(root, "UCF-101/walk/a.mp4", "UCF-101/run/b.mp4")
    clips = dataset.read(root)
    assert clips.actions == ("UCF-101",) and "choose it" in clips.notes[0]


def test_links_do_not_loop(root: Path, tmp_path: Path) -> None:
    put(root, "walk/a.mp4", "run/b.mp4")
    put(tmp_path / "elsewhere", "c.mp4", "deep/d.mp4")
    for link, target in {
        "walk/loop": root,
        "up": tmp_path,
        "whole": Path("/"),
        "jump": tmp_path / "elsewhere",
        "twice": tmp_path / "elsewhere",
        "../elsewhere/deep/back": tmp_path / "elsewhere",
        "alias": root / "walk",
    }.items():
        (root / link).symlink_to(target)
    (root / "walk/gone.mp4").symlink_to(tmp_path / "nothing.mp4")
    (root / "run/linked.mp4").symlink_to(tmp_path / "elsewhere/c.mp4")
    clips = dataset.read(root)
    assert list(found(clips)) == ["jump/c.mp4", "jump/deep/d.mp4", "run/b.mp4", "run/linked.mp4", "walk/a.mp4"]
    assert [name for name, _ in clips.skipped] == ["walk/gone.mp4"]


@pytest.mark.parametrize(
    "text",
    [
        "path,action,group\nx/a.mp4,walk,p1\nx/b.mp4,run,p2\n",
        "\ufeffPath;Action;Group;extra\r\n\r\nx/a.mp4;walk;p1;7\r\n;;;\r\nx\\b.mp4;run;p2\r\n",
        '\n group\taction\tpath \n"p1"\t walk\tx/a.mp4\np2\trun\t"x/b.mp4"',
        "path, action, group\n./x/a.mp4, walk, p1\nx/../x/b.mp4, run, p2",
    ],
)
def test_clips_csv_as_spreadsheets_write_it(root: Path, text: str) -> None:
    put(root, "x/a.mp4", "x/b.mp4", "x/unlisted.mp4")
    (root / "clips.csv").write_bytes(text.encode())
    clips = dataset.read(root)
    assert found(clips) == {"x/a.mp4": ("walk", "p1", ""), "x/b.mp4": ("run", "p2", "")}
    assert clips.layout == "clips.csv" and clips.notes == () and clips.groups == ("p1", "p2")


def test_clips_csv_with_splits_empty_groups_and_faults(root: Path, tmp_path: Path) -> None:
    put(root, "a.mp4", "b_g3_1.mp4", "c.mp4", "d.mp4")
    put(tmp_path, "secret.mp4")
    (root / "out.mp4").symlink_to(tmp_path / "secret.mp4")
    good = "path,action,group,split\na.mp4,walk,p1,Train\nb_g3_1.mp4,run,,val\nc.mp4,run,,test\n"
    good += "c.mp4,walk,p9,\nd.mp4,,p1,\n"
    bad = ["../secret.mp4", f"{tmp_path}/secret.mp4", "out.mp4", "gone.mp4", "", "x" * 5000]
    (root / "clips.csv").write_text(good + "".join(f"{path},run,,\n" for path in bad))
    clips = dataset.read(root)
    assert found(clips) == {
        "a.mp4": ("walk", "p1", "train"), "b_g3_1.mp4": ("run", "g03", "validation"), "c.mp4": ("run", "c.mp4", "test"),
    }  # fmt: skip
    reasons = dict(clips.skipped)
    assert len(reasons) == 6 and "names no action" in reasons["d.mp4"] and "no such file" in reasons["gone.mp4"]
    assert all("outside" in reasons[name] for name in ("../secret.mp4", f"{tmp_path}/secret.mp4", "out.mp4"))
    assert any("more than once" in note and "c.mp4" in note for note in clips.notes)


def test_clips_csv_in_another_unicode_form(root: Path) -> None:
    put(root, unicodedata.normalize("NFD", "걷기.mp4"), "b.mp4")
    (root / "clips.csv").write_text("path,action,group\n걷기.mp4,걷기,\nb.mp4,달리기,", "utf-8")
    assert dataset.read(root).actions == ("걷기", "달리기")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\na.mp4,walk", "lacks action, group"),
        (b"", "lacks path, action, group"),
        (b"path,action,group\n", "holds no clips"),
        (b"path,action,group,split\na.mp4,walk,,half", "line 2: split must be"),
        ("path,action,group\na.mp4,걷기,".encode("cp949"), "UTF-8"),
    ],
)
def test_clips_csv_that_cannot_be_used(root: Path, content: bytes, message: str) -> None:
    put(root, "a.mp4")
    (root / "clips.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        dataset.read(root)


def test_ucf101_lists_with_columns(root: Path) -> None:
    put(root, "train/v_Punch_g01_c01.avi", "test/v_Punch_g02_c01.mp4", "v_Run_g01_c01.avi", "Run/v_Run_g09_c01.avi")
    names = ("v_Punch_g01_c01.avi,Punch", "v_Run_g01_c01.avi,Run", "v_Run_g05_c01.avi,Run")
    (root / "train.csv").write_text("\n".join(("video_name,tag", *names)))
    (root / "test.csv").write_text("video_name,tag\nv_Punch_g02_c01.avi,Punch\n")
    clips = dataset.read(root)
    assert clips.layout == "ucf101"
    assert found(clips) == {
        "test/v_Punch_g02_c01.mp4": ("Punch", "g02", "test"),
        "train/v_Punch_g01_c01.avi": ("Punch", "g01", "train"),
        "v_Run_g01_c01.avi": ("Run", "g01", "train"),
    }
    assert [name for name, _ in clips.skipped] == ["v_Run_g05_c01.avi"]
    assert "1 videos are in neither list" in clips.notes[0]


@pytest.mark.parametrize("lists", ["", "ucfTrainTestlist/"])
def test_official_ucf101_lists(root: Path, lists: str) -> None:
    put(root, "UCF-101/Punch/v_Punch_g08_c01.avi", "UCF-101/Run/v_Run_g01_c01.avi")
    put(root, f"{lists}trainlist01.txt", text="Punch/v_Punch_g08_c01.avi 1\r\n\r\n")
    put(root, f"{lists}testlist01.txt", text="Run/v_Run_g01_c01.avi\n")
    assert found(dataset.read(root)) == {
        "UCF-101/Punch/v_Punch_g08_c01.avi": ("Punch", "g08", "train"),
        "UCF-101/Run/v_Run_g01_c01.avi": ("Run", "g01", "test"),
    }


def test_another_train_csv_is_no_ucf101_list(root: Path) -> None:
    put(root, "walk/a.mp4")
    (root / "train.csv").write_text("epoch,loss\n1,0.5\n")
    assert dataset.read(root).layout == "folders"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "holds no clips.*FOLDER/<action>/<clip>.mp4"),
        (lambda root: put(root, "a.mp4"), "lies directly in the root folder"),
        (lambda root: put(root, "walk/a.mp4", text="broken"), "None of the 1 clips .* is no video"),
        (lambda root: root.rmdir(), "there is none at"),
    ],
)
def test_no_clips(root: Path, make: Callable[[Path], None], message: str) -> None:
    make(root)
    with pytest.raises(DatasetError, match=message):
        dataset.read(root)


def test_an_unreadable_clip_does_not_stop_the_others(root: Path) -> None:
    put(root, "walk/a.mp4", "run/b.mp4")
    put(root, "run/bad.mp4", text="broken")
    clips = dataset.read(root)
    assert len(clips.clips) == len(clips.properties) == 2
    assert clips.skipped == (("run/bad.mp4", "bad.mp4 is no video."),)


def test_near_duplicates_share_a_group(root: Path) -> None:
    same = {"walk/a": "1", "walk/b": "1 other bytes", "run/c": "1 more", "run/d": "2", "run/e_g01_": "1 e"}
    uniform = {"run/f": "grey 1", "run/g": "grey 2", "run/h": "grey 1", "walk/i": "grey 3"}
    for name, text in (same | uniform).items():
        put(root, f"{name}.mp4", text=text)
    clips = dataset.read(root)
    assert {name: group for name, (_, group, _) in found(clips).items()} == {
        "run/c.mp4": "run/c.mp4", "walk/a.mp4": "run/c.mp4", "walk/b.mp4": "run/c.mp4", "run/d.mp4": "run/d.mp4",
        "run/e_g01_.mp4": "g01", "run/f.mp4": "run/f.mp4", "run/g.mp4": "run/g.mp4", "run/h.mp4": "run/f.mp4",
        "walk/i.mp4": "walk/i.mp4",
    }  # fmt: skip
    assert clips.notes[1] == "5 clips are near-duplicates of one another and share 2 groups."
    assert "run/c.mp4 = walk/a.mp4" in clips.notes[2]


def test_near_duplicates_agree_with_all_pairs() -> None:
    random = np.random.default_rng(3)
    base = random.integers(0, 2**64, (12, 3), np.uint64)
    # 0 to 5 flipped bits: two clips of one scene differ in up to 10, so that about half of the pairs are joined.
    flips = np.zeros((150, 3), np.uint64)
    for _ in range(5):
        flips |= np.where(random.random((150, 3)) < 0.6, np.uint64(1) << random.integers(0, 64, (150, 3), np.uint64), 0)
    hashes = (base[random.integers(0, 12, 150)] ^ flips).tolist()
    seconds = random.uniform(4.0, 5.0, 150).tolist()
    alike = np.zeros((150, 150), bool)
    for i in range(150):
        for j in range(150):
            bits = max((a ^ b).bit_count() for a, b in zip(hashes[i], hashes[j], strict=True))
            alike[i, j] = bits <= 6 and max(seconds[i], seconds[j]) <= 1.1 * min(seconds[i], seconds[j])
    for _ in range(8):
        alike = alike @ alike
    expected = {tuple(np.flatnonzero(row).tolist()) for row in alike if row.sum() > 1}
    assert {tuple(members) for members in groups.near_duplicates(hashes, seconds, [""] * 150)} == expected


def test_nothing_and_one_clip_have_no_near_duplicates() -> None:
    assert groups.near_duplicates([], [], []) == []
    assert groups.near_duplicates([()], [1.0], [""]) == []
    assert groups.near_duplicates([(), (1, 2, 3)], [1.0, 1.0], ["same", "same"]) == [[0, 1]]


def test_the_second_read_looks_only_at_what_changed(root: Path, probed: list[str]) -> None:
    put(root, "walk/a.mp4", "run/b.mp4", "run/c.mp4")
    steps: list[tuple[int, int]] = []
    first = dataset.read(root, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)] and len(probed) == 3
    probed.clear()
    steps.clear()
    assert dataset.read(root, progress=lambda done, total: steps.append((done, total))) == first
    assert probed == [] and steps == [(3, 3)]
    before = first.fingerprint
    put(root, "run/b.mp4", text="77 changed")
    (root / "walk/a.mp4").unlink()
    again = dataset.read(root)
    assert probed == ["b.mp4"] and len(again.clips) == 2 and again.fingerprint != before


def test_a_list_added_later_needs_no_new_look(root: Path, probed: list[str]) -> None:
    put(root, "walk/a.mp4", "run/b.mp4")
    (root / "clips.csv").write_text("path,action,group\nwalk/a.mp4,walk,p\nrun/b.mp4,run,q")
    dataset.read(root)
    (root / "clips.csv").unlink()
    dataset.read(root)
    assert len(probed) == 4  # without groups they must be looked at
    (root / "clips.csv").write_text("path,action,group\nwalk/a.mp4,walk,p\nrun/b.mp4,run,q")
    dataset.read(root)
    assert len(probed) == 4


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 1}', '{"version": 1, "clips": {"walk/a.mp4": [1]}}', "[" * 100_000]
)
def test_a_broken_cache_is_ignored(root: Path, workspace: Path, content: str) -> None:
    put(root, "walk/a.mp4")
    first = dataset.read(root)
    (cache,) = (workspace / "cache" / "index").iterdir()
    cache.write_text(content)
    assert dataset.read(root) == first
    assert json.loads(cache.read_text())["clips"]["walk/a.mp4"]


@pytest.mark.parametrize(("place", "value"), [
    (2, ["x"] * 6), (2, [None] * 6), (2, [-1] * 6), (2, [1e308] * 6), (2, [1]), (3, ["a"]), (3, [1]), (3, [2**70] * 3),
    (3, [-1] * 3), (3, 5), (4, [1]),
])  # fmt: skip
def test_a_foreign_cache_is_ignored(root: Path, workspace: Path, place: int, value: object) -> None:
    put(root, "walk/a.mp4", "walk/b.mp4", "run/c.mp4")
    first = dataset.read(root)
    (cache,) = (workspace / "cache" / "index").iterdir()
    content = json.loads(cache.read_text())
    content["clips"]["walk/b.mp4"][place] = value
    cache.write_text(json.dumps(content))
    assert dataset.read(root) == first


def test_a_workspace_that_cannot_be_written_does_no_harm(root: Path, workspace: Path) -> None:
    put(root, "walk/a.mp4")
    workspace.write_text("a file where the folder should be")
    assert len(dataset.read(root).clips) == 1


def test_what_was_found_is_kept_before_the_end(
    root: Path, workspace: Path, probed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, *(f"walk/{i}.mp4" for i in range(9)))
    monkeypatch.setattr(index, "_SAVE_SECONDS", -1.0)
    seen: list[int] = []

    def look(done: int, total: int) -> None:
        if done:
            (cache,) = (workspace / "cache" / "index").glob("*.json")
            seen.append(len(json.loads(cache.read_text())["clips"]))

    dataset.read(root, progress=look)
    assert seen == list(range(1, 10))  # whoever is killed now has lost nothing


def test_what_was_found_survives_a_viewer_who_leaves(root: Path, workspace: Path, probed: list[str]) -> None:
    put(root, *(f"walk/{i}.mp4" for i in range(30)))

    def leave(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.read(root, progress=leave)
    (cache,) = (workspace / "cache" / "index").iterdir()
    assert len(json.loads(cache.read_text())["clips"]) >= 4


def test_the_fingerprint_is_of_the_clips_not_of_the_place(root: Path, tmp_path: Path) -> None:
    put(root, "walk/a.mp4", "run/b.mp4")
    put(tmp_path / "copy", "walk/a.mp4", "run/b.mp4")
    first = dataset.read(root)
    assert dataset.read(tmp_path / "copy").fingerprint == first.fingerprint
    (tmp_path / "copy/clips.csv").write_text("path,action,group\nwalk/a.mp4,walk,p\nrun/b.mp4,run,q")
    assert dataset.read(tmp_path / "copy").fingerprint != first.fingerprint
    (root / "walk/a.mp4").unlink()
    with pytest.raises(DatasetError, match="has gone"):
        _ = first.fingerprint


def test_the_table_has_a_row_for_each_clip(root: Path) -> None:
    put(root, "walk/a.mp4", "run/b.mp4")
    table = dataset.read(root).table()
    assert list(table["clip"]) == ["run/b.mp4", "walk/a.mp4"]
    assert list(table.columns) == [
        "clip",
        "action",
        "group",
        "seconds",
        "frames per second",
        "width",
        "height",
        "codec",
    ]
    assert table["codec"].unique() == ["h264"]


def film(path: Path, seed: int, *, noise: int = 0, seconds: float = 1.0) -> None:
    random = np.random.default_rng(seed)
    scene = random.integers(0, 255, (6, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [np.clip(np.roll(scene, i, 1) + noise, 0, 255).astype(np.uint8) for i in range(int(seconds * 10))]
    video.write(path, pictures, frames_per_second=10)


def test_real_clips_are_probed_grouped_and_skipped(tmp_path: Path) -> None:
    root = tmp_path / "clips"
    film(root / "walk/a.mp4", 1)
    film(root / "walk/b.mp4", 1, noise=12)
    film(root / "run/c.mp4", 2)
    film(root / "run/short.mp4", 3, seconds=0.1)
    put(root, "run/bad.mp4", text="no video")
    clips = dataset.read(root)
    assert [clip.group for clip in clips.clips] == ["run/c.mp4", "run/short.mp4", "walk/a.mp4", "walk/a.mp4"]
    assert clips.properties[0].width == 128 and clips.properties[0].seconds == pytest.approx(1.0, abs=0.05)
    assert [name for name, _ in clips.skipped] == ["run/bad.mp4"] and "bad.mp4" in clips.skipped[0][1]


def test_a_real_upload_is_stored_and_a_broken_one_is_not(workspace: Path, tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", 1)
    stored = dataset.add_clip(workspace, "my set", "walk", "a.mp4", io.BytesIO((tmp_path / "a.mp4").read_bytes()))
    assert stored == workspace / "datasets/my set/walk/a.mp4"
    with pytest.raises(VideoError, match=r"b\.mp4"):
        dataset.add_clip(workspace, "other", "walk", "b.mp4", io.BytesIO(b"not a video"))
    assert [path.name for path in (workspace / "datasets").iterdir()] == ["my set"]


def test_uploads_never_overwrite(workspace: Path, probed: list[str]) -> None:
    def add(name: str, text: str) -> Path:
        content = io.BytesIO(text.encode())
        content.read()  # shown by the page before
        return dataset.add_clip(workspace, "set", "걷기", name, content).relative_to(workspace / "datasets")

    assert add("a.mp4", "1") == add("a.mp4", "1") == Path("set/걷기/a.mp4")
    assert add("a.mp4", "2") == add("a.mp4", "2") == Path("set/걷기/a-2.mp4")
    assert add("a.mp4", "3") == Path("set/걷기/a-3.mp4")
    assert add("../../../etc/pass\x00wd .MP4", "4") == Path("set/걷기/pass_wd.mp4")
    assert add("C:\\fake\\" + "긴" * 300 + ".webm", "5").name == "긴" * 80 + ".webm"
    assert add("....mp4", "6").name == "clip.mp4" and add("nul.mp4", "7").name == "_nul.mp4"
    assert dataset.read(workspace / "datasets/set").actions == ("걷기",)


@pytest.mark.parametrize("name", ["a.txt", "", "mp4", "a.mp4/", ".mp4.exe", ".."])
def test_only_videos_are_uploaded(workspace: Path, probed: list[str], name: str) -> None:
    if name == "a.mp4/":
        assert dataset.add_clip(workspace, "set", "walk", name, io.BytesIO(b"1")).name == "a.mp4"
        return
    with pytest.raises(DatasetError, match="must be a video file"):
        dataset.add_clip(workspace, "set", "walk", name, io.BytesIO(b"1"))


def test_uploads_go_only_where_they_count(workspace: Path, root: Path, tmp_path: Path) -> None:
    put(root, "walk/a.mp4")
    dataset.link(workspace, "linked", root)
    put(workspace / "datasets/listed", "x.mp4")
    (workspace / "datasets/listed/clips.csv").write_text("path,action,group\nx.mp4,walk,")
    put(workspace / "datasets/halves", "train/walk/a.mp4", "test/walk/b.mp4")
    put(workspace / "datasets/own", "walk/a.mp4")
    (workspace / "datasets/own/run").symlink_to(tmp_path)
    for name in ("linked", "listed", "halves"):
        with pytest.raises(DatasetError, match=name):
            dataset.add_clip(workspace, name, "walk", "n.mp4", io.BytesIO(b"1"))
    with pytest.raises(DatasetError, match="is a link"):
        dataset.add_clip(workspace, "own", "run", "n.mp4", io.BytesIO(b"1"))


def test_linking_a_folder(workspace: Path, root: Path) -> None:
    put(root, "walk/a.mp4")
    assert dataset.datasets(workspace) == {}
    linked = dataset.link(workspace, "요가 1", root)
    put(workspace / "datasets/own", "walk/b.mp4")
    put(workspace / "datasets", "file.txt")
    (workspace / "datasets/.upload-1").mkdir()
    assert dataset.datasets(workspace) == {"own": workspace / "datasets/own", "요가 1": linked}
    assert found(dataset.read(linked)).keys() == {"walk/a.mp4"}
    assert dataset.read(linked).fingerprint == dataset.read(root).fingerprint
    with pytest.raises(DatasetError, match="already"):
        dataset.link(workspace, "own", root)
    with pytest.raises(DatasetError, match="there is none at"):
        dataset.link(workspace, "new", root / "nothing")
    (root / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no clips"):
        dataset.link(workspace, "new", root / "empty")


@pytest.mark.parametrize("name", ["walk", "점프 jack", "a.b-c_d (2)", "é"])
def test_good_names(name: str) -> None:
    assert dataset.check_name(f" {name}\n") == name
    assert dataset.check_name(unicodedata.normalize("NFD", name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        ".",
        "..",
        ".x",
        "a/b",
        "a\\b",
        "a\x00b",
        "x" * 81,
        "CON",
        "nul.mp4",
        "a:b",
        "a.",
        "\u202egpj",
        "__MACOSX",
    ],
)
def test_bad_names(name: str) -> None:
    with pytest.raises(DatasetError, match="A name needs"):
        dataset.check_name(name)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the development clips are not beside this checkout")
def test_development_clips(tmp_path: Path, probed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("train.csv", "test.csv"):
        text = (SHARED / "ucf101-top5-lists" / file).read_text()
        put(tmp_path / "ucf", file, text=text)
        for number, line in enumerate(text.splitlines()[1:]):
            put(tmp_path / "ucf", f"{Path(file).stem}/{line.split(',')[0]}", text=f"{number} {file}")
    clips = dataset.read(tmp_path / "ucf")
    parts = dataset.split(clips.clips, validation_fraction=0.2)
    assert len(clips.clips) == 818 and len(parts.test) == 224 and len(clips.actions) == 5 and parts.notes == ()
    assert {clip.action for clip in parts.validation} == set(clips.actions)

    monkeypatch.undo()
    monkeypatch.setenv("HAR_WORKSPACE", os.fspath(tmp_path / "workspace"))
    yoga = dataset.read(SHARED / "yoga")
    assert (len(yoga.clips), len(yoga.actions), len(yoga.groups), yoga.skipped) == (73, 6, 12, ())
    parts = dataset.split(yoga.clips, validation_fraction=0.2)
    assert {clip.action for clip in parts.validation} == set(yoga.actions) and parts.notes == ()


def test_names_are_measured_in_bytes_too(workspace: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    video.write(path, (np.full((32, 32, 3), i * 20, np.uint8) for i in range(8)), frames_per_second=8)
    with pytest.raises(DatasetError, match="A name needs 1 to 80"):
        dataset.check_name("😀" * 80)
    with path.open("rb") as file:
        stored = dataset.add_clip(workspace, "d", "wave", "😀" * 99 + "_" + "가" * 9 + ".mp4", file, group="가" * 40)
    assert len(stored.name.encode()) < 255 and dataset.read(stored.parents[1]).clips[0].group == "가" * 30
