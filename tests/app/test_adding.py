"""The ways to clips without a browser: cutting a film with a hand in the bench's place, uploads beside each other."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import Open, button, words
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from har_core import cuts, dataset, video
from har_core.cuts import Cut
from har_core.ui import bench, cutting
from har_core.ui.bench import Said
from har_core.ui.jobs import jobs

TAB = ":material/content_cut: Cut a film"


class Hand:
    """Stands in for the browser's bench: sees what it is given, and marks."""

    def __init__(self) -> None:
        self.said = Said()
        self.given: dict[str, object] = {}

    def bench(
        self, url: str, times: NDArray[np.float64], marked: Sequence[Cut], made: Sequence[Cut],
        actions: Sequence[str], *, key: str, stamp: str,
    ) -> Said:  # fmt: skip
        self.given = {
            "times": times,
            "cuts": tuple(marked),
            "made": tuple(made),
            "actions": list(actions),
            "stamp": stamp,
        }
        return self.said

    def marks(self, *marked: tuple[int, int, str]) -> None:
        self.said = Said([{"start": start, "stop": stop, "action": action} for start, stop, action in marked])


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(bench, "bench", hand.bench)
    return hand


@pytest.fixture
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "anna in the hall.mp4"
    video.write(path, (np.full((48, 64, 3), 4 * grey, np.uint8) for grey in range(40)), frames_per_second=20)
    return path


def cut(open_page: Open, film: Path) -> AppTest:
    app = open_page("dataset", **{"ways to clips": TAB, "dataset_view": "Add clips"})
    app = app.segmented_control(key="cut from").set_value("A file on this computer").run()
    return app.text_input(key="cut path").set_value(str(film)).run()


def job(name: str) -> object:
    (found,) = (job for key, job in jobs()._jobs.items() if isinstance(key, tuple) and key[0] == name)
    assert found.wait(60)
    return found


def test_what_is_marked_becomes_clips_once(workspace: Path, open_page: Open, film: Path, hand: Hand) -> None:
    app = cut(open_page, film)
    assert not app.exception and next(b for b in app.button if b.key == "make clips").disabled
    hand.marks((3, 9, "wave"), (20, 40, "sit"), (30, 999, "beyond"))
    app = app.run()
    app = button(app, "Make 2 clips")
    job("cut")
    app.run()
    assert not app.exception and "2 clips of this film in my actions" in words(app)
    assert hand.given["made"] == (Cut(3, 9, "wave"), Cut(20, 40, "sit")) and hand.given["actions"] == ["sit", "wave"]
    source = dataset.read(workspace / "datasets" / "my actions")
    assert [(c.action, c.group) for c in source.clips] == [("sit", "anna-in-the-hall"), ("wave", "anna-in-the-hall")]
    assert [told.frames for told in source.properties] == [20, 6]
    assert next(b for b in app.button if b.key == "make clips").disabled
    app = button(app, "Show the data set")
    assert app.segmented_control(key="dataset_view").value == "Clips"


def test_marks_survive_a_reload(workspace: Path, open_page: Open, film: Path, hand: Hand) -> None:
    app = cut(open_page, film)
    hand.marks((3, 9, "wave"))
    app.run()
    hand.said = Said()
    first = hand.given["stamp"]
    cut(open_page, film)
    assert hand.given["cuts"] == (Cut(3, 9, "wave"),) and hand.given["stamp"] != first


@pytest.mark.parametrize(("action", "group", "sentence"), [
    ("../up", "anna", "A name needs"),
    ("wave", " ", "Say who or where was filmed"),
    ("wave", "?!", "a letter or a digit"),
])  # fmt: skip
def test_what_cannot_be_made_is_said(
    workspace: Path, open_page: Open, film: Path, hand: Hand, action: str, group: str, sentence: str
) -> None:
    app = cut(open_page, film)
    hand.marks((3, 9, action))
    app.text_input(key=f"cut group {film.name}").set_value(group).run()
    app = button(app, "Make 1 clip")
    assert not app.exception and sentence in words(app)
    assert not (workspace / "datasets").exists()


def test_a_linked_data_set_takes_none(
    workspace: Path, open_page: Open, film: Path, hand: Hand, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.link(workspace, "tiny", clips)
    monkeypatch.setattr(cutting.own, "choose", lambda place, key: "tiny")  # typed, for it is not offered
    app = cut(open_page, film)
    hand.marks((3, 9, "wave"))
    app = button(app.run(), "Make 1 clip")
    assert not app.exception and "takes no clips" in words(app)


def test_a_film_that_browsers_do_not_play_is_copied_frame_for_frame(
    workspace: Path, open_page: Open, film: Path, hand: Hand
) -> None:
    moved = film.replace(film.with_suffix(".mov"))
    app = cut(open_page, moved)
    job("cut copy")
    app.run()
    assert not app.exception
    (copy,) = (workspace / "cache" / "cutting").glob("*.mp4")
    assert video.probe(copy).frames == 40 == len(hand.given["times"])  # type: ignore[arg-type]


def test_one_that_this_browser_does_not_play_is_copied_too(
    workspace: Path, open_page: Open, film: Path, hand: Hand
) -> None:
    app = cut(open_page, film)
    hand.said = Said(unplayable=True)
    app.run()
    job("cut copy")
    app.run()
    assert not app.exception and list((workspace / "cache" / "cutting").glob("*.mp4"))


def test_a_copy_can_be_stopped_and_made_later(
    workspace: Path, open_page: Open, film: Path, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = cuts.copy_for_browsers
    monkeypatch.setattr(cutting, "_PATIENCE_SECONDS", 0.0)

    def endless(film: Path, times: object, copy: Path, *, progress: object) -> None:
        while True:
            progress(1, 2)  # type: ignore[operator]

    monkeypatch.setattr(cuts, "copy_for_browsers", endless)
    app = cut(open_page, film.replace(film.with_suffix(".mov")))
    app = button(app, "Stop")
    assert "The copy to look at was stopped" in words(app)
    monkeypatch.setattr(cutting, "_PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(cuts, "copy_for_browsers", make)
    app = button(app, "Make the copy")
    assert not app.exception and len(hand.given["times"]) == 40  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/no/such/film.mp4", "/tmp", "~nobody-of-this-name/x.mp4", "a\0b"])
def test_a_path_without_a_film_is_said(workspace: Path, open_page: Open, path: str) -> None:
    app = cut(open_page, Path(path))
    assert not app.exception and "there is none at" in words(app)


def test_a_file_that_is_no_film_is_said(workspace: Path, open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no film")
    app = cut(open_page, tmp_path / "no.mp4")
    assert not app.exception and app.error and "no.mp4" in words(app).replace("\\", "")


def test_an_upload_is_cut_and_found_again(workspace: Path, open_page: Open, film: Path, hand: Hand) -> None:
    app = open_page("dataset", **{"ways to clips": TAB, "dataset_view": "Add clips"})
    app.file_uploader[0].upload("session.mp4", film.read_bytes()).run()
    assert not app.exception and len(hand.given["times"]) == 40  # type: ignore[arg-type]
    hand.marks((1, 5, "wave"))
    app.run()
    hand.said = Said()
    app = open_page("dataset", **{"ways to clips": TAB, "dataset_view": "Add clips"})
    app = app.segmented_control(key="cut from").set_value("Earlier upload").run()
    assert not app.exception and hand.given["cuts"] == (Cut(1, 5, "wave"),)


def test_the_bench_speaks_in_plain_values(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def component(**given: object) -> dict[str, object]:
        asked.update(given)
        return {"cuts": {"stamp": "s", "cuts": [{"start": 1}]}, "unplayable": "/other"}

    monkeypatch.setattr(bench, "_component", lambda: component)
    times = np.array([0, 0.02, 0.07, 0.1])
    said = bench.bench("/media/x.mp4", times, [Cut(0, 2, "a")], [Cut(0, 2, "a")], ["a"], key="k", stamp="s")
    assert said == Said([{"start": 1}], unplayable=False)
    told = json.loads(json.dumps(asked["data"]))
    assert told["clock"] == {"gaps": [200, 500, 300]} and told["made"] == ["0|2|a"]
    assert bench.bench("/other", np.arange(5) / 25, [], [], [], key="k", stamp="new") == Said(None, unplayable=True)
    assert asked["data"]["clock"] == {"rate": 25.0, "count": 5}  # type: ignore[index]


def test_a_list_beside_clips_is_taken(workspace: Path, clips: Path, open_page: Open) -> None:
    good = next(clips.rglob("*_g01_*.mp4")).read_bytes()
    app = open_page("dataset")
    app.file_uploader[0].upload("a.mp4", good).upload("clips.csv", b"path,action,group\na.mp4,wave,ben\nb.mp4,sit,\n")
    app = button(app, "Add clips")
    assert not app.exception and "b.mp4" in words(app).replace("\\", "")
    (clip,) = dataset.read(workspace / "datasets" / "my actions").clips
    assert (clip.action, clip.group) == ("wave", "ben")
