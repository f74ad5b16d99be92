"""Cutting films: the clips hold exactly the frames between their marks, and marks survive whatever happens."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_core import cuts, dataset, video
from har_core.cuts import Cut
from har_core.errors import DatasetError
from har_core.values import Rgb


def frame(number: int) -> Rgb:
    """Six fields, bright or dark: the number in binary, which survives being encoded."""
    bits = [number >> place & 1 for place in range(6)]
    return np.repeat(np.kron(np.array([bits], np.uint8), np.ones((48, 10), np.uint8))[:, :, None] * 200, 3, axis=2)


def numbers(clip: Path) -> list[int]:
    fields = [rgb.mean(axis=(0, 2)).reshape(6, 10).mean(axis=1) > 100 for _, rgb in video.frames(clip)]
    return [sum(int(bit) << place for place, bit in enumerate(bits)) for bits in fields]


@pytest.fixture(params=["even", "uneven"])
def film(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "long film.mp4"
    gaps = [1 / 25] * 49 if request.param == "even" else [(0.02, 0.05, 0.033)[i % 3] for i in range(49)]
    seconds = np.concatenate([[0.0], np.cumsum(gaps)])
    video.write(path, map(frame, range(50)), frames_per_second=25,
                seconds=None if request.param == "even" else seconds.tolist())  # fmt: skip
    return path


def make(film: Path, where: Path, *wanted: Cut, name: str = "mine", group: str = "room 1") -> cuts.Made:
    return cuts.make(film, video.times(film), wanted, home=where / "cuts", workspace=where, name=name, group=group,
                     progress=lambda done, whole: None)  # fmt: skip


def test_a_clip_holds_exactly_its_frames(film: Path, tmp_path: Path) -> None:
    wanted = Cut(7, 19, "wave"), Cut(0, 1, "blink"), Cut(30, 50, "sit")
    assert make(film, tmp_path, *wanted) == cuts.Made(tuple(sorted(wanted)))
    source = dataset.read(tmp_path / "datasets" / "mine")
    found = {clip.action: (clip, told) for clip, told in zip(source.clips, source.properties, strict=True)}
    times = video.times(film)
    for cut in wanted:
        clip, told = found[cut.action]
        assert numbers(clip.path) == list(range(cut.start, cut.stop))
        assert video.times(clip.path) == pytest.approx(times[cut.start : cut.stop] - times[cut.start], abs=0.002)
        assert clip.group == "room-1" and told.codec == "h264"
    assert cuts.clips_there(tmp_path / "cuts", tmp_path / "datasets" / "mine") == set(wanted)
    found["sit"][0].path.unlink()
    assert cuts.clips_there(tmp_path / "cuts", tmp_path / "datasets" / "mine") == set(wanted[:2])
    assert cuts.clips_there(tmp_path / "cuts", tmp_path / "datasets" / "other") == set()


def test_what_is_made_again_is_one_clip(film: Path, tmp_path: Path) -> None:
    for _ in range(2):
        make(film, tmp_path, Cut(3, 9, "wave"))
    assert len(dataset.read(tmp_path / "datasets" / "mine").clips) == 1


def test_one_that_fails_has_its_sentence_and_the_others_are_made(film: Path, tmp_path: Path) -> None:
    (tmp_path / "datasets" / "mine").mkdir(parents=True)
    (tmp_path / "datasets" / "mine" / "sit").write_text("a file where the action's folder should be")
    told = make(film, tmp_path, Cut(1, 4, "wave"), Cut(2, 5, "sit"))
    assert told.cuts == (Cut(1, 4, "wave"),)
    assert len(told.failed) == 1 and told.failed[0].startswith("sit, frames 2 to 4: ")


def test_giving_up_leaves_what_is_whole(film: Path, tmp_path: Path) -> None:
    class GivenUp(BaseException):
        pass

    def told(done: int, whole: int) -> None:
        assert whole == 22
        if done > 14:
            raise GivenUp

    with pytest.raises(GivenUp):
        cuts.make(film, video.times(film), [Cut(0, 10, "wave"), Cut(20, 32, "wave")], home=tmp_path / "cuts",
                  workspace=tmp_path, name="mine", group="g", progress=told)  # fmt: skip
    assert cuts.clips_there(tmp_path / "cuts", tmp_path / "datasets" / "mine") == {Cut(0, 10, "wave")}
    assert len(list((tmp_path / "datasets").rglob("*.mp4"))) == 1


@pytest.mark.parametrize("action", ["../up", "a/b", "."])
def test_no_name_leads_elsewhere(film: Path, tmp_path: Path, action: str) -> None:
    with pytest.raises(DatasetError, match="A name needs"):
        make(film, tmp_path, Cut(0, 5, action))
    assert not (tmp_path / "datasets").exists()


def test_the_copy_has_every_frame_at_its_number(film: Path, tmp_path: Path) -> None:
    times = video.times(film)
    cuts.copy_for_browsers(film, times, tmp_path / "copy.mp4", progress=lambda done, whole: None)
    assert numbers(tmp_path / "copy.mp4") == list(range(50)) and video.browsers_play(tmp_path / "copy.mp4")
    assert cuts.steady(video.times(tmp_path / "copy.mp4")) == pytest.approx(cuts.copy_rate(times), abs=0.01)


@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(), lambda one: st.lists(one) | st.dictionaries(
    st.sampled_from(["start", "stop", "action"]), one)))  # fmt: skip
def test_only_cuts_are_understood(told: object) -> None:
    assert all(0 <= cut.start < cut.stop <= 100 and cut.action for cut in cuts.understood(told, 100))


def test_cuts_are_kept(tmp_path: Path) -> None:
    home = tmp_path / "cuts" / "film"
    assert cuts.kept(home, 100) == ()
    cuts.keep(home, [Cut(5, 9, "손 흔들기"), Cut(90, 120, "b")])
    assert cuts.kept(home, 100) == (Cut(5, 9, "손 흔들기"),)
    (home / "cuts.json").write_text(json.dumps([{"start": True, "stop": 3, "action": "a"}])[:-3])
    (home / "made.jsonl").write_text('{"start": 1\n[]\n{"dataset": "mine", "clip": "a/x.mp4", "start": 4, "stop": 2}\n')
    assert cuts.kept(home, 100) == () and cuts.clips_there(home, tmp_path / "mine") == set()
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="Make room there"):
        cuts.keep(tmp_path / "file" / "film", [])
    with pytest.raises(DatasetError, match="cannot be read"):
        cuts.key_of(tmp_path / "gone.mp4")
    with pytest.raises(DatasetError, match="at least one frame"):
        Cut(4, 4, "wave")


def test_films_of_real_cameras(shared_clips: Callable[[str], Path]) -> None:
    """Times are those of the frames, wherever a file keeps them: only then are cuts exact."""
    films = [path for path in sorted(shared_clips("wild").glob("*")) if path.suffix in (".mkv", ".mp4", ".avi")]
    for film in films[:4]:
        assert video.times(film) == pytest.approx([at for at, _ in video.frames(film, longest_side=16)], abs=0.002)
