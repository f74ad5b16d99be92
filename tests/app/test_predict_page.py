"""Video Predict without a browser: asking, answers, corrections, history, and that nobody sees another's."""

import io
import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import Open, button, words
from streamlit.testing.v1 import AppTest

from har_core import analyses, discarded, runs, video, weights
from har_core.analyse_commands import keep_answer
from har_core.ui import history, loaders
from har_core.ui.answers import read
from har_core.ui.asking import _forecast
from har_core.ui.grid import Picked
from har_core.values import Prediction, Segment

ANN, BOB = "a" * 32, "b" * 32


@pytest.fixture
def own(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_bundled: None) -> Path:
    """The ready workspace, to be written into."""
    root = shutil.copytree(ready, tmp_path / "own", symlinks=True)
    monkeypatch.setenv("HAR_WORKSPACE", str(root))
    return root


def at(open_page: Open, viewer: str = ANN) -> AppTest:
    return open_page("predict", **{"viewer id": viewer})


def said(app: AppTest) -> str:
    return words(app).replace("\\", "")


def upload(app: AppTest, **files: bytes) -> AppTest:
    for name, content in files.items():
        app.file_uploader[0].upload(name.replace("_", " ", 1).replace("_", "."), content)
    return button(app.run(), "Analyse" if len(files) == 1 else f"Analyse {len(files)} videos")


def test_without_a_model_the_way_to_one_is_shown(workspace: Path, open_page: Open) -> None:
    app = open_page("predict")
    assert not app.exception and "There is no model yet" in words(app)
    assert button(app, "Get a data set").title[0].value == "Dataset"


def test_what_may_be_uploaded_is_said_beforehand(own: Path, open_page: Open) -> None:
    app = at(open_page)
    assert not app.exception and "bright, dark" in words(app)
    assert "up to 1 GB each" in words(app) and "until you delete them" in words(app)
    assert [b.disabled for b in app.button if b.label == "Analyse"] == [True]
    assert not app.get("download_button") and "Your videos" not in words(app)


def test_a_model_that_still_trains_is_marked(own: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Still training" not in said(at(open_page))
    monkeypatch.setattr(runs.Run, "alive", lambda self: True)
    assert "Still training: its best epoch so far is asked" in said(at(open_page))


def test_a_clip_is_named_and_a_broken_one_gets_its_sentence(own: Path, clips: Path, open_page: Open) -> None:
    good = (clips / "dark" / "v_dark_g01_c01.mp4").read_bytes()
    app = upload(at(open_page), my_clip_mp4=good, bad_file_mp4=b"nonsense")
    assert not app.exception
    assert len(app.error) == 1 and "bad file.mp4" in app.error[0].value
    assert "my clip.mp4" in said(app) and "Your videos" in said(app)
    assert not app.file_uploader[0].value  # nothing uploaded stays in memory
    labels = {d.label for d in app.get("download_button")}
    assert labels >= {"CSV", "JSON", "WebVTT", "ELAN", "Tasks"}
    # What Label Studio must be told before it takes the tasks stands beside them.
    assert app.code[0].value.startswith("<View>") and 'value="bright"' in app.code[0].value
    k = app.slider[0]
    assert (k.min, k.max, k.value) == (1, 2, 2)  # no more actions than there are
    assert not k.set_value(1).run().exception
    task = next(t for t in analyses.listed(own, ANN) if t.answer.exists())
    assert task.source().name == "my clip.mp4" and (task.folder / "strip.jpg").exists()


def test_an_answer_survives_a_new_visit_and_only_its_viewer_sees_it(own: Path, clips: Path, open_page: Open) -> None:
    good = (clips / "dark" / "v_dark_g01_c01.mp4").read_bytes()
    upload(at(open_page), my_clip_mp4=good)
    assert "my clip.mp4" in said(at(open_page))
    other = at(open_page, BOB)
    assert not other.exception and "my clip" not in said(other) and "Your videos" not in said(other)


def test_a_damaged_clip_gets_no_sure_answer(own: Path, spoilt: Path, open_page: Open) -> None:
    app = upload(at(open_page), half_film_mp4=spoilt.read_bytes())
    assert not app.exception and not app.error
    assert "### Perhaps" in said(app) and "half film.mp4 is damaged" in said(app)


def test_a_film_of_several_actions_is_not_perhaps_one_of_them(own: Path, clips: Path, open_page: Open) -> None:
    app = upload(at(open_page), my_clip_mp4=(clips / "dark" / "v_dark_g01_c01.mp4").read_bytes())
    (task,) = analyses.listed(own, ANN)
    answer = read(task)
    even = Prediction(np.array([0.5, 0.5]), answer.classes, 0.9)
    stop = answer.whole.stop
    parts = (Segment(None, "dark", 0.0, stop / 4, 0.9), Segment(None, "bright", stop / 4, stop, 0.9))
    whole = replace(answer.whole, prediction=even, segments=parts)
    keep_answer(task, replace(answer, unsure_below=0.9, whole=whole))
    app = at(open_page)
    assert not app.exception and "### bright, dark" in said(app)
    assert "Perhaps" not in said(app) and "had better not name" not in said(app)
    summary = task.summary()
    assert summary is not None and summary.seen == ("bright", "dark")


def test_that_nobody_was_found_is_said_where_people_were_sought(own: Path, clips: Path, open_page: Open) -> None:
    upload(at(open_page), my_clip_mp4=(clips / "dark" / "v_dark_g01_c01.mp4").read_bytes())
    (task,) = analyses.listed(own, ANN)
    assert "No person was found" not in said(at(open_page))
    analyses.write(task.folder / "request.json", json.dumps(asdict(replace(task.request(), people=True))))
    assert "No person was found" in said(at(open_page))


def test_how_long_it_takes_is_told_with_and_without_people() -> None:
    assert "takes about 30 s here, and about 6 s without" in _forecast({True: 0.5, False: 0.1})
    assert "takes about 2 minutes here, with naming" in _forecast({True: 2.0})
    assert "takes about 6 s here, without naming" in _forecast({False: 0.1})


def test_clips_of_a_data_set_and_files_of_this_computer_are_read_where_they_are(
    own: Path, clips: Path, open_page: Open
) -> None:
    app = at(open_page)
    app.segmented_control(key="video from").set_value("Data set").run()
    app.multiselect[0].set_value(["bright/v_bright_g01_c01.mp4"]).run()
    app = button(app, "Analyse")
    app.segmented_control(key="video from").set_value("Path").run()
    app.text_input(key="video path").set_value("/nowhere/x.mp4").run()
    assert "must lie at this path" in app.error[0].value
    app.text_input(key="video path").set_value(str(clips / "dark")).run()
    app = button(app, "Analyse 5 videos")  # four clips and one that is broken
    assert not app.exception and len(app.error) == 1 and "broken.mp4" in app.error[0].value
    tasks = analyses.listed(own, ANN)
    assert len(tasks) == 6 and not any(any((t.folder / "upload").iterdir()) for t in tasks)
    assert [t.request().name for t in tasks[-1:]] == ["v_bright_g01_c01.mp4"]


def test_all_answers_stand_in_one_table(own: Path, clips: Path, open_page: Open) -> None:
    good = {f"clip_{n}_mp4": (clips / "dark" / f"v_dark_g0{n}_c01.mp4").read_bytes() for n in (1, 2)}
    app = upload(at(open_page), **good)
    app.segmented_control(key="history way").set_value("Table").run()
    assert not app.exception
    (table,) = [d.value for d in app.dataframe]
    assert list(table["video"]) == ["clip 2.mp4", "clip 1.mp4"] and {"action", "p1", "action 2", "p2"} <= set(table)
    assert "Answers as CSV (all)" in {d.label for d in app.get("download_button")}


def test_deleting_and_taking_back(own: Path, clips: Path, open_page: Open) -> None:
    good = (clips / "dark" / "v_dark_g01_c01.mp4").read_bytes()
    app = button(upload(at(open_page), my_clip_mp4=good), "Delete all")
    assert not app.exception and analyses.listed(own, ANN) == [] and "1 video is deleted" in said(app)
    app = button(app, "Undo")
    assert not app.exception and len(analyses.listed(own, ANN)) == 1 and "my clip.mp4" in said(app)
    app = button(button(app, "Delete all"), "Remove now")
    assert not app.exception and discarded.deleted(own, ANN) == [] and "deleted" not in said(app)


def test_what_failed_can_be_tried_again(own: Path, clips: Path, open_page: Open) -> None:
    app = upload(at(open_page), bad_file_mp4=b"nonsense")
    (task,) = analyses.listed(own, ANN)
    task.source().write_bytes((clips / "dark" / "v_dark_g01_c01.mp4").read_bytes())
    app = button(app, "Try again")
    assert not app.exception and not app.error and task.answer.exists()


def test_a_click_on_one_that_failed_leaves_the_answer_open(
    own: Path, clips: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (clips / "dark" / "v_dark_g01_c01.mp4").read_bytes()
    older = clips / "bright" / "v_bright_g01_c01.mp4"
    app = upload(at(open_page), first_clip_mp4=good)
    app = upload(app, bad_file_mp4=b"nonsense", my_clip_mp4=older.read_bytes())
    failed, first = (next(t for t in analyses.listed(own, ANN) if t.request().name == name)
                     for name in ("bad file.mp4", "first clip.mp4"))  # fmt: skip
    picks = iter([Picked((first.name,), first.name), None, Picked((failed.name,), failed.name)])
    monkeypatch.setattr(history, "grid", lambda *given, **named: next(picks, None))
    app.run()
    assert app.query_params["video"] == first.name
    app.run()
    assert app.query_params["video"] == first.name and not app.exception


def test_damaged_answers_are_told_and_hold_nothing_up(own: Path, clips: Path, open_page: Open) -> None:
    good = (clips / "dark" / "v_dark_g01_c01.mp4").read_bytes()
    upload(at(open_page), my_clip_mp4=good)
    (task,) = analyses.listed(own, ANN)
    for text in ("", "{}", "[1]", json.dumps(json.loads(task.answer.read_text()) | {"classes": 7})):
        task.answer.write_text(text)
        app = at(open_page)
        assert not app.exception and len(app.error) == 1 and "Analyse" in app.error[0].value
        assert [b.label for b in app.button if b.label == "Delete all"]
    (task.folder / "request.json").write_text("nonsense")
    app = at(open_page)
    assert not app.exception and [b.label for b in app.button if b.label == "Delete all"]


def test_names_of_strangers_are_shown_as_they_are(own: Path, clips: Path, open_page: Open) -> None:
    good = (clips / "dark" / "v_dark_g01_c01.mp4").read_bytes()
    app = at(open_page)
    app.file_uploader[0].upload("*<b>_x_</b>*.mp4", good).run()
    app = button(app, "Analyse")
    assert not app.exception
    assert not re.search(r"(?<!\\)<b>", words(app)) and "<b>_x_</b>" in said(app)


def test_a_video_that_browsers_do_not_play_gets_a_copy(own: Path, tmp_path: Path, open_page: Open) -> None:
    film = tmp_path / "film.mp4"
    video.write(film, (np.full((48, 64, 3), 40 + n, np.uint8) for n in range(30)), frames_per_second=10)
    app = at(open_page)
    app.file_uploader[0].upload("film.mov", film.read_bytes()).run()
    app = button(app, "Analyse")
    (task,) = analyses.listed(own, ANN)
    assert not app.exception and task.copy.exists() and video.probe(task.copy).seconds == pytest.approx(3.0, abs=0.2)


def test_an_upload_is_kept_once_and_under_a_harmless_name(workspace: Path) -> None:
    first = loaders.keep_upload("../../a b.mp4", io.BytesIO(b"1"))
    assert first == loaders.keep_upload("../../a b.mp4", io.BytesIO(b"1"))
    assert first.is_relative_to(workspace / "uploads") and first.name == "a b.mp4"
    assert loaders.keep_upload("a b.mp4", io.BytesIO(b"2")) != first
    assert first.read_bytes() == b"1"


def test_old_uploads_make_room(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "UPLOADS_BYTES", 100)
    kept = [loaders.keep_upload("a.mp4", io.BytesIO(bytes([i]) * 60)) for i in range(3)]
    assert [path.exists() for path in kept] == [False, False, True]


def test_people_are_set_right_by_hand_and_that_is_undone(
    own: Path, clips: Path, bright: Any, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser's part, a button in the player, is played by a value that comes back from it once."""
    from har_core import prediction
    from har_core.ui import answers
    from har_core.ui.player import Fix, Said

    # What finds people here is a rule, so that it is there on any machine; it takes a bright square for one.
    make = prediction.Predictor
    monkeypatch.setattr(prediction, "Predictor", lambda folder: make(folder, detector=bright))
    monkeypatch.setattr(answers, "predictor", lambda model: make(model.folder, detector=bright))
    monkeypatch.setattr(weights, "find_detector", lambda choice: Path("bright"))
    film = own / "square.mp4"
    pictures = [np.full((96, 128, 3), 30, np.uint8) for _ in range(40)]
    for n, rgb in enumerate(pictures):
        rgb[20:60, 10 + 2 * n : 35 + 2 * n] = 250
    video.write(film, pictures, frames_per_second=10)
    app = at(open_page)
    app.file_uploader[0].upload("square.mp4", film.read_bytes()).run()
    app.toggle[0].set_value(True).run()
    button(app, "Analyse")
    (task,) = analyses.listed(own, ANN)
    assert [lane.track for lane in answers.read(task).people] == [1]
    asked = [Said(Fix("split", 1, 0, 2.0))]
    monkeypatch.setattr(answers.players, "player", lambda *_, **__: asked.pop() if asked else Said())
    task.film.write_bytes(b"drawn before")
    app = at(open_page)
    assert not app.exception and not app.error
    first, _ = answers.read(task).people
    assert (first.track, first.stop) == (1, pytest.approx(2.0, abs=0.3))
    assert (task.folder / analyses.OUTDATED).exists()
    assert [b.label for b in app.button if "annotated" in b.label] == ["Make the annotated video again"]
    app = button(app, "Undo correction (1)")
    assert not app.exception and len(answers.read(task).people) == 1
    assert not [b for b in app.button if "Undo correction" in b.label]
