"""Editing a selection of clips in a browser, undoing it, and going back: what AppTest cannot type or click."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect
from viewer import Server, Viewer, Visit

from har_core import dataset, video
from har_core.dataset import versions

PEOPLE = ("anna", "ben", "cleo", "dora")


def film(root: Path) -> Path:
    """Eight clips of two actions by four people."""
    for action, level in (("bright", 200), ("dark", 40)):
        for person in PEOPLE:
            shade = np.full((48, 64, 3), level + len(person), np.uint8)
            pictures = (np.roll(shade, step, axis=1) for step in range(12))
            video.write(root / action / f"{action}_by-{person}_1.mp4", pictures, frames_per_second=10)
    return root


def choose(viewer: Viewer, field: str, value: str) -> None:
    """Types into a box of the bar and takes what is offered, which may be what was typed."""
    box = viewer.page.locator(".st-key-edit-bar").get_by_role("combobox", name=field)
    box.click()
    box.fill(value)
    viewer.page.get_by_role("option").filter(has_text=value).first.click()


def test_a_selection_is_relabelled_moved_undone_and_taken_back(
    new_server: Server, visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAR_WORKSPACE", str(new_server.workspace))
    root = dataset.link(new_server.workspace, "mine", film(tmp_path / "clips"))
    viewer = visit(new_server)
    page = viewer.open("dataset?data=mine")
    cards, bar = page.locator(".card"), page.locator(".st-key-edit-bar")
    expect(cards).to_have_count(8)
    cards.nth(0).click()
    cards.nth(1).click(modifiers=["Shift"])
    expect(bar).to_contain_text("2 clips")
    choose(viewer, "Action", "waving")
    expect(page.get_by_text("Relabelled 2 clips as waving.")).to_be_visible()
    expect(page.locator(".card", has_text="waving")).to_have_count(2)
    cards.nth(0).click()
    expect(bar).to_contain_text("1 clip")
    choose(viewer, "Part", "Test")
    expect(page.get_by_text("1 other clip of the same group went along")).to_be_visible()
    expect(page.locator(".card .pill", has_text="test")).to_have_count(2)
    bar.get_by_role("button", name="Undo").click()
    expect(page.locator(".card .pill", has_text="test")).to_have_count(0)
    bar.get_by_role("button", name="Exclude").click()
    expect(cards).to_have_count(7)
    assert [version.number for version in versions.versions(root)] == [1, 2, 3, 4]

    page.get_by_test_id("stButtonGroup").get_by_text("Versions").click()
    expect(page.get_by_text("What version 4 changed")).to_be_visible()
    viewer.settled()
    assert viewer.sticks_out() == []
    viewer.press("Take back all")
    expect(page.get_by_text("Took back 1 clip that was excluded.")).to_be_visible()
    with page.expect_download() as download:
        viewer.press("Download as clips.csv")
    assert download.value.path().read_text("utf-8").startswith("path,action,group,split\nbright/bright_by-anna_1.mp4,w")
    assert {clip.group for clip in dataset.read(root).clips} == set(PEOPLE)


def test_everything_fits_on_a_phone(new_server: Server, visit: Visit, tmp_path: Path) -> None:
    dataset.link(new_server.workspace, "mine", film(tmp_path / "clips"))
    viewer = visit(new_server, width=390, height=844)
    page = viewer.open("dataset?data=mine")
    page.locator(".card").first.click()
    page.locator(".st-key-edit-bar").get_by_role("button", name="Exclude").click()
    expect(page.get_by_text("Excluded 1 clip.")).to_be_visible()
    viewer.settled()
    assert viewer.sticks_out() == []
    page.get_by_test_id("stButtonGroup").get_by_text("Versions").click()
    expect(page.get_by_text("What version 1 changed")).to_be_visible()
    viewer.settled()
    assert viewer.sticks_out() == []
