from pathlib import Path

import pytest
from fakes import Open, button, words

from har_core import dataset


def test_without_a_data_set_three_ways_are_offered(workspace: Path, open_page: Open) -> None:
    app = open_page("dataset")
    assert not app.exception
    assert "There is no data set yet" in words(app)
    assert {"Make the example data set", "Link folder", "Add clips"} <= {b.label for b in app.button}


def test_a_folder_that_is_not_there_is_said_in_a_sentence(workspace: Path, open_page: Open) -> None:
    app = open_page("dataset")
    app.text_input(key="link_folder").input("/no/such/folder")
    app = button(app, "Link folder")
    assert not app.exception
    assert "/no/such/folder" in app.error[0].value


def test_linking_a_folder_shows_it(workspace: Path, clips: Path, open_page: Open) -> None:
    app = open_page("dataset")
    app.text_input(key="link_folder").input(str(clips))
    app = button(app, "Link folder")
    assert not app.exception and not app.error
    text = words(app)
    assert "Clips 8" in text and "Actions 2" in text and "Groups 4" in text
    assert "6 train, 2 validation" in text
    assert "broken.mp4" in text.replace("\\", "")  # with the reason, among the clips left out
    assert len(app.dataframe[0].value) == 8


def test_the_table_plays_the_clip_that_is_chosen(workspace: Path, clips: Path, open_page: Open) -> None:
    root = dataset.link(workspace, "tiny", clips)
    app = open_page("dataset", **{f"clips {root}": {"selection": {"rows": [7], "columns": [], "cells": []}}})
    assert not app.exception and not app.error
    assert "v_dark_g04_c01.mp4" in words(app).replace("\\", "")


def test_another_seed_deals_the_groups_anew(workspace: Path, clips: Path, open_page: Open) -> None:
    dataset.link(workspace, "tiny", clips)
    app = open_page("dataset")
    before = app.dataframe[0].value["part"].tolist()
    seeds = [app.number_input(key="split seed").set_value(s).run().dataframe[0].value["part"].tolist() for s in (1, 2)]
    assert any(parts != before for parts in seeds)


def test_a_bad_upload_gets_its_sentence_and_the_others_are_kept(workspace: Path, clips: Path, open_page: Open) -> None:
    app = open_page("dataset")
    app.text_input(key="upload_action").input("waving")
    good = (clips / "bright" / "v_bright_g01_c01.mp4").read_bytes()
    app.file_uploader[0].upload("a.mp4", good).upload("b.mp4", b"nonsense")
    app = button(app, "Add clips")
    assert not app.exception
    assert [p.name for p in (workspace / "datasets" / "my clips" / "waving").iterdir()] == ["a.mp4"]
    assert any("b.mp4" in error.value for error in app.error)


@pytest.mark.parametrize("action", ["../../etc", "a:b"])
def test_an_action_that_is_no_name_is_refused(workspace: Path, clips: Path, open_page: Open, action: str) -> None:
    app = open_page("dataset")
    app.text_input(key="upload_action").input(action)
    app.file_uploader[0].upload("a.mp4", b"x")
    app = button(app, "Add clips")
    assert not app.exception
    assert "A name needs" in app.error[0].value
    assert not (workspace / "datasets").exists()


def test_a_link_whose_folder_has_gone_can_be_left(workspace: Path, clips: Path, open_page: Open) -> None:
    dataset.link(workspace, "tiny", clips)
    (workspace / "datasets" / "gone").symlink_to(workspace / "nowhere")
    app = open_page("dataset")
    assert "gone" in app.error[0].value and not app.exception
    app.selectbox(key="data").select("tiny").run()
    assert not app.error and "Clips 8" in words(app)


def test_a_set_that_cannot_be_split_yet_shows_its_clips(workspace: Path, clips: Path, open_page: Open) -> None:
    folder = workspace / "datasets" / "growing" / "waving"
    folder.mkdir(parents=True)
    (folder / "a.mp4").write_bytes((clips / "bright" / "v_bright_g01_c01.mp4").read_bytes())
    app = open_page("dataset")
    assert not app.exception and not app.error
    assert "Not enough clips yet" in app.info[0].value
    assert len(app.dataframe[0].value) == 1


def test_an_upload_without_an_action_asks_for_one(workspace: Path, clips: Path, open_page: Open) -> None:
    app = open_page("dataset")
    app.file_uploader[0].upload("a.mp4", b"any")
    assert "Say which action" in button(app, "Add clips").error[0].value


def test_the_chosen_data_set_is_kept_on_the_next_page(workspace: Path, clips: Path, open_page: Open) -> None:
    for name in ("one", "two"):
        dataset.link(workspace, name, clips)
    app = open_page("dataset")
    app = app.selectbox(key="data").set_value("two").run()
    app.query_params.clear()  # as the bar at the top does
    app = app.switch_page("pages/train.py").run()
    assert app.selectbox(key="data").value == "two"
