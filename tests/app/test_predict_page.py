import io
from pathlib import Path

import pytest
from fakes import Open, button, words

from har_core.ui import loaders


def test_without_a_model_the_way_to_one_is_shown(workspace: Path, open_page: Open) -> None:
    app = open_page("predict")
    assert not app.exception and "There is no model yet" in words(app)
    assert button(app, "Get a data set").title[0].value == "Dataset"


def test_a_clip_is_named_and_a_broken_one_gets_its_sentence(
    ready_workspace: Path, clips: Path, open_page: Open
) -> None:
    app = open_page("predict")
    assert not app.exception and "bright, dark" in words(app)
    assert app.file_uploader[0].label == "Clip"
    good = (clips / "dark" / "v_dark_g01_c01.mp4").read_bytes()
    app = app.file_uploader[0].upload("my clip.mp4", good).upload("bad.mp4", b"nonsense").run()
    assert not app.exception
    assert len(app.error) == 1 and "bad.mp4" in app.error[0].value
    assert "my clip.mp4" in words(app).replace("\\", "")
    assert "What it looked at" in words(app) and "Over time" in words(app)
    assert {d.label for d in app.get("download_button")} == {"Answers as CSV", "Answers as JSON"}
    k = app.slider[0]
    assert (k.min, k.max, k.value) == (1, 2, 2)  # no more actions than there are
    assert not k.set_value(1).run().exception


def test_a_damaged_clip_gets_no_sure_answer(ready_workspace: Path, spoilt: Path, open_page: Open) -> None:
    app = open_page("predict")
    app = app.file_uploader[0].upload("half.mp4", spoilt.read_bytes()).run()
    assert not app.exception and not app.error
    assert "### Perhaps" in words(app) and "half.mp4 is damaged" in words(app).replace("\\", "")


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
