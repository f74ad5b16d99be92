"""The offer of UCF101 top 5 on the Dataset page, and an archive in the field of the folder."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import Open, button, words

from har_core import dataset
from har_core.dataset import Brought, ucf


def test_without_internet_a_sentence_says_so(workspace: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ucf, "URL", "https://nobody.invalid/ucf101_top5.tar.gz")
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    app = open_page("dataset")
    assert "about 400 MB, needs internet" in words(app)
    began = time.monotonic()
    app = button(app, "Fetch UCF101 top 5")
    assert time.monotonic() - began < 5 + 3, "the page itself takes a moment"
    assert not app.exception and "without internet" in app.error[0].value
    assert "Fetch UCF101 top 5" in {b.label for b in app.button}, "it can be tried again"
    assert not dataset.datasets(workspace)


def test_what_was_fetched_is_shown(
    workspace: Path, clips: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(folder: Path, *, progress: Callable[[str, int, int], None]) -> Brought:
        progress("downloading", 1_000_000, 0)
        progress("unpacking", 4, 8)
        shutil.copytree(clips, folder)
        return Brought(folder, "")

    monkeypatch.setattr(dataset, "fetch_top5", fetch)
    app = button(open_page("dataset"), "Fetch UCF101 top 5")
    assert not app.exception and not app.error
    assert app.selectbox(key="data").value == ucf.NAME and "**8** clips" in words(app)
    app = app.segmented_control(key="dataset_view").set_value("Add clips").run()
    assert "UCF101 top 5 is there" in words(app)
    assert "Fetch UCF101 top 5" not in {b.label for b in app.button}


def test_an_archive_of_this_computer_is_unpacked(
    workspace: Path, clips: Path, open_page: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    packed = shutil.make_archive(str(tmp_path_factory.mktemp("packed") / "tiny"), "zip", clips.parent, clips.name)
    app = open_page("dataset")
    app.text_input(key="link_folder").input(packed)
    app = button(app, "Link folder")
    assert not app.exception and not app.error
    assert "**8** clips" in words(app)
    assert dataset.datasets(workspace) == {"tiny": workspace / "datasets" / "tiny"}
