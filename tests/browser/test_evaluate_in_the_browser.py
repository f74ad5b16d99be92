"""Evaluate in a browser: a click on a cell plays its clips, keys walk the matrix, views, thresholds, two models."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect
from viewer import Server, Viewer, Visit

VIEWS = ("Confusion", "Scores", "Calibration", "Motion", "Compare", "Report")


@pytest.fixture
def model(server: Server) -> Iterator[Path]:
    """A model of a run of its own, which the test may change."""
    run = server.workspace / "runs" / "judged"
    shutil.copytree(server.workspace / "runs" / "ready", run)
    yield run / "best"
    shutil.rmtree(run)


def evaluated(viewer: Viewer, *, split: str = "All clips") -> Locator:
    """The matrix of the model; its clips are looked at where they were not before."""
    viewer.open("evaluate?model=judged")
    viewer.page.get_by_role("combobox", name="Clips").click()
    viewer.page.get_by_role("option", name=split, exact=True).click()
    viewer.settled()
    ask = viewer.page.get_by_role("button", name="Evaluate", exact=True)
    grid = viewer.page.get_by_role("grid", name="Confusion matrix")
    expect(ask.or_(grid).first).to_be_visible()
    if ask.count():
        ask.click()
    expect(grid).to_be_visible()
    viewer.settled()
    return grid


def turn(viewer: Viewer, view: str) -> None:
    viewer.page.get_by_role("radio", name=view, exact=True).click()
    viewer.settled()


def heading(viewer: Viewer, text: str | re.Pattern[str]) -> Locator:
    return viewer.page.get_by_role("heading", name=text)


def test_a_click_on_a_cell_plays_its_clips(server: Server, visit: Visit, model: Path) -> None:
    viewer = visit(server)
    grid = evaluated(viewer)
    cell = grid.locator("td.full").first
    number = int(cell.inner_text())
    cell.click()
    expect(cell).to_have_attribute("aria-selected", "true")
    expect(heading(viewer, re.compile(rf"(recognised|taken for .*): {number}"))).to_be_visible()
    viewer.plays()
    films = viewer.page.locator("[class*='st-key-wall-'] video")
    expect(films).to_have_count(min(6, number) if number > 1 else 0)
    viewer.page.wait_for_function("() => [...document.querySelectorAll('video')].every(v => v.readyState >= 2)")
    cell.click()  # once more takes it back
    expect(grid.locator("[aria-selected=true]")).to_have_count(0)
    expect(heading(viewer, re.compile("wrong clip"))).to_be_visible()


def test_the_keyboard_walks_the_matrix(server: Server, visit: Visit, model: Path) -> None:
    viewer = visit(server)
    grid, keys = evaluated(viewer), viewer.page.keyboard
    expect(grid.locator('td[tabindex="0"]')).to_have_count(1)  # Tab stops once, not at every cell
    grid.locator("td[data-row]").first.focus()
    for _ in range(12):  # along the rows to a cell that holds clips
        here = grid.locator("td:focus")
        if "full" in (here.get_attribute("class") or ""):
            break
        at_end = int(here.get_attribute("data-column") or 0) == 4
        keys.press("Home" if at_end else "ArrowRight")
        if at_end:
            keys.press("ArrowDown")
    expect(grid.locator("td:focus")).to_have_class(re.compile("full"))
    keys.press("Enter")
    expect(grid.locator("td[aria-selected=true]")).to_be_focused()
    expect(heading(viewer, re.compile("recognised|taken for"))).to_be_visible()
    keys.press("Escape")
    expect(grid.locator("td[aria-selected=true]")).to_have_count(0)


def test_a_pair_is_chosen_by_its_button(server: Server, visit: Visit, model: Path) -> None:
    viewer = visit(server)
    grid = evaluated(viewer)
    pair = viewer.page.locator(".st-key-worst-pairs button").first
    pair.click()
    expect(grid.locator("td.bad[aria-selected=true]")).to_have_count(1)
    expect(heading(viewer, re.compile("taken for"))).to_be_visible()
    viewer.page.get_by_role("radio", name="Table", exact=True).click()
    viewer.settled()
    expect(viewer.page.get_by_text("Choose a row to see its clips.")).to_be_visible()


def test_a_threshold_that_is_kept_is_in_the_card(server: Server, visit: Visit, model: Path) -> None:
    viewer = visit(server)
    evaluated(viewer)
    before = json.loads((model / "card.json").read_text())["unsure_below"]
    turn(viewer, "Calibration")
    thumb = viewer.page.get_by_role("slider", name="Unsure below")
    for _ in range(6):
        thumb.press("ArrowRight")
    viewer.settled()
    viewer.press("Keep this threshold")
    expect(viewer.page.get_by_text("This is the threshold that the model has now.")).to_be_visible()
    after = json.loads((model / "card.json").read_text())
    assert after["unsure_below"] > before and after["calibration"]["by hand"]["unsure below"] == after["unsure_below"]
    turn(viewer, "Confusion")  # what is kept is still good: no clip has to be looked at again
    expect(viewer.page.get_by_role("grid", name="Confusion matrix")).to_be_visible()


def test_two_models_on_the_same_clips(server: Server, visit: Visit, model: Path) -> None:
    viewer = visit(server)
    evaluated(viewer)
    turn(viewer, "Compare")
    viewer.page.get_by_role("combobox", name="Compare with").click()
    viewer.page.get_by_role("option", name="ready", exact=True).click()
    viewer.settled()
    ask = viewer.page.get_by_role("button", name="Compare the two")
    expect(ask.or_(viewer.page.get_by_text("nothing here tells")).first).to_be_visible()
    if ask.count():
        ask.click()
    expect(viewer.page.get_by_text("nothing here tells one from the other")).to_be_visible()  # it is its copy
    expect(viewer.page.get_by_text("Both give the same answers.")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_every_view_fits(server: Server, visit: Visit, model: Path, width: int) -> None:
    viewer = visit(server, width=width)
    evaluated(viewer)
    for view in VIEWS:
        turn(viewer, view)
        expect(viewer.page.get_by_test_id("stException")).to_have_count(0)
        assert viewer.sticks_out() == [], view
