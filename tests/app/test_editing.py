"""The edit bar and the Versions view: every edit is a version, the page shows it at once, and all can be undone."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import Open, button, fake_run, started, words
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from har_core import dataset
from har_core.dataset import versions

A, B = "bright/v_bright_g01_c01.mp4", "bright/v_bright_g02_c01.mp4"


@pytest.fixture
def root(workspace: Path, clips: Path) -> Path:
    return dataset.link(workspace, "tiny", clips)


def bar(root: Path, *names: str) -> AppTest:
    """The bar alone, with these clips selected."""

    def page(root: str, names: tuple[str, ...]) -> None:
        from pathlib import Path

        import streamlit as st

        from har_core import dataset
        from har_core.ui.editing import edit_bar

        source = dataset.read(Path(root))
        by_name = {source.relative(clip): clip for clip in (*source.clips, *source.excluded)}
        st.markdown(", ".join(sorted(f"{by_name[name].action} {by_name[name].group}" for name in names)))
        edit_bar(source, [by_name[name] for name in names])

    app = AppTest.from_function(page, kwargs={"root": str(root), "names": names}, default_timeout=60).run()
    assert not app.exception
    return app


def box(app: AppTest, label: str) -> Selectbox[Any]:
    return next(b for b in app.selectbox if b.label == label)


def test_a_label_that_is_picked_or_typed_holds_at_once(root: Path) -> None:
    app = bar(root, A, B)
    assert "2 clips" in words(app) and {b.label for b in app.button} == {"Exclude", "Ambiguous"}
    app = box(app, "Action").select("dark").run()
    assert "dark g01, dark g02" in words(app) and app.toast[0].value == "Relabelled 2 clips as dark."
    assert [c.action for c in dataset.read(root).clips].count("dark") == 6
    app = button(app, "Undo")
    assert "bright g01, bright g02" in words(app) and app.toast[0].value.startswith("Took back")
    assert "Undo" not in {b.label for b in app.button}
    typed = box(app, "Action")
    typed.options.append("waving")  # AppTest picks only; a browser sends text all the same
    app = typed.select("waving").run()
    assert "waving g01, waving g02" in words(app)


def test_a_part_moves_the_whole_group_and_says_so(root: Path) -> None:
    app = bar(root, A)
    app = box(app, "Part").select("test").run()
    assert "1 other clip of the same group went along" in app.toast[0].value
    assert {c.group for c in dataset.read(root).clips if c.split == "test"} == {"g01"}
    app = box(app, "Group").select("g02").run()
    assert "bright g02" in words(app)
    assert {c.split for c in dataset.read(root).clips if c.group == "g02"} == {""}


def test_clips_are_left_out_and_come_back(root: Path) -> None:
    app = button(bar(root, A, B), "Exclude")
    assert len(dataset.read(root).clips) == 6
    assert {b.label for b in app.button} >= {"Include again", "Undo"}
    app = button(app, "Include again")
    app = button(app, "Ambiguous")
    assert dataset.read(root).ambiguous == {A, B} and len(dataset.read(root).excluded) == 0
    button(app, "Not ambiguous")
    assert versions.current(root).edits == {}


def test_a_refused_edit_says_why_once_and_changes_nothing(root: Path) -> None:
    source = dataset.read(root)
    app = button(bar(root, *(source.relative(clip) for clip in source.clips)), "Exclude")
    assert "must keep a clip" in app.error[0].value and versions.versions(root) == []
    assert not app.run().error


def test_the_versions_view_without_an_edit_says_what_it_is_for(root: Path, open_page: Open) -> None:
    app = open_page("dataset", dataset_view="Versions")
    assert not app.exception and "Nothing was edited yet" in words(app)
    assert "Your files stay" in words(app)
    assert [b.label for b in app.get("download_button")] == ["Download as clips.csv"]


def test_the_versions_view_lists_compares_and_goes_back(workspace: Path, root: Path, open_page: Open) -> None:
    versions.change(root, "Relabelled a clip", {A: {"action": "dark"}})
    run = fake_run(workspace, root, [started()], name="20261127-101500-mine")
    text = (run.folder / "config.json").read_text().replace('"version": null', '"version": 1')
    (run.folder / "config.json").write_text(text)
    versions.change(root, "Left one out", {B: {"excluded": True}})
    app = open_page("dataset", dataset_view="Versions")
    assert not app.exception and not app.error
    table = app.dataframe[0].value
    assert table["version"].tolist() == [2, 1, 0] and table["clips"].tolist() == ["1", "1", ""]
    assert [list(names) for names in table["runs"]] == [[], ["mine · 2026-11-27 10:15:00"], []]
    assert app.dataframe[1].value.to_numpy().tolist() == [[B, "excluded", "no", "yes"]]
    key = f"history {root} 0"
    app.session_state[key] = {"selection": {"rows": [0, 2], "columns": [], "cells": []}}
    app.run()
    assert "From version 0 to version 2" in words(app) and len(app.dataframe[1].value) == 2
    app.session_state[key] = {"selection": {"rows": [2], "columns": [], "cells": []}}
    app.run()
    app = button(app, "Go back to the folder as it is")
    assert not app.exception and app.toast[0].value.startswith("Went back to the folder as it is")
    assert app.dataframe[0].value["version"].tolist() == [3, 2, 1, 0]
    assert versions.current(root).edits == {} and dataset.read(root).excluded == ()


def test_actions_are_renamed_and_merged(root: Path, open_page: Open) -> None:
    app = open_page("dataset", dataset_view="Versions")
    app = button(app, "Rename")
    assert "Choose an action" in app.error[0].value
    app.selectbox(key="rename old").select("bright")
    app.text_input(key="rename new").input("dark")
    app = button(app, "Rename")
    assert not app.exception and "both are one action now" in app.toast[0].value
    assert dataset.read(root).actions == ("dark",)


def test_what_was_taken_out_can_be_taken_back(root: Path, open_page: Open) -> None:
    versions.change(root, "x", {A: {"excluded": True}, B: {"ambiguous": True}})
    app = open_page("dataset", dataset_view="Versions")
    assert "Excluded clips (1)" in words(app) and "Ambiguous clips (1)" in words(app)
    app = app.button(key="take back excluded").click().run()
    app = app.button(key="take back ambiguous").click().run()
    assert not app.exception and versions.current(root).edits == {}


def test_a_damaged_version_does_not_break_the_page(workspace: Path, root: Path, open_page: Open) -> None:
    versions.change(root, "x", {A: {"action": "dark"}})
    home = next((workspace / "versions").iterdir())
    shutil.copy(home / "0001.json", home / "0002.json")
    (home / "0003.json").write_text("{")
    app = open_page("dataset", dataset_view="Versions")
    assert not app.exception and app.dataframe[0].value["version"].tolist() == [1, 0]
