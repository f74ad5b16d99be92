"""What holds on every page: it fits a phone, says nothing on the console and talks to nobody but its server."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect
from viewer import Server, Viewer, Visit, serving


@pytest.fixture(scope="module")
def empty(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app with nothing in its workspace, and none of these tests puts anything there."""
    with serving(tmp_path_factory.mktemp("empty") / "workspace") as server:
        yield server


def home(viewer: Viewer) -> None:
    viewer.open()
    expect(viewer.page.get_by_text("A model is ready.")).to_be_visible()


def clips(viewer: Viewer) -> None:
    viewer.open("dataset?data=example")
    viewer.page.locator(".card").first.click()
    viewer.page.get_by_text("What augmentation makes of it").click()
    expect(viewer.page.get_by_text("First row: the clip as it is.")).to_be_visible()
    viewer.plays()


def charts(viewer: Viewer) -> None:
    viewer.open("dataset?data=example")
    viewer.page.get_by_role("radio", name="Charts", exact=True).click()
    expect(viewer.page.get_by_text("Brightness", exact=True)).to_be_visible()


def adding(viewer: Viewer) -> None:
    viewer.open("dataset")
    viewer.page.get_by_role("radio", name="Add clips", exact=True).click()
    viewer.page.get_by_role("tab", name="Link a folder").click()
    expect(viewer.page.get_by_text("A folder is read as it is")).to_be_visible()


def run(viewer: Viewer) -> None:
    viewer.open("train?run=ready")
    expect(viewer.badge("finished")).to_be_visible()
    viewer.page.get_by_text("Learning rates and all epochs").click()
    expect(viewer.page.locator(".stPlotlyChart .scatterlayer .trace").first).to_be_visible()


def settings(viewer: Viewer) -> None:
    viewer.open("train")
    viewer.page.get_by_role("radio", name="New run", exact=True).click()
    viewer.page.get_by_role("radio", name="Everything", exact=True).click()
    expect(viewer.page.get_by_label("Weight decay", exact=True)).to_be_visible()


def scores(viewer: Viewer) -> None:
    viewer.open("evaluate?model=ready")
    ask, grid = viewer.page.get_by_role("button", name="Evaluate", exact=True), viewer.page.get_by_role("grid")
    expect(ask.or_(grid).first).to_be_visible()
    if ask.count():  # what an earlier test has looked at is kept
        ask.click()
    expect(grid).to_be_visible()
    viewer.page.get_by_role("radio", name="Scores", exact=True).click()
    expect(viewer.page.get_by_text("A model that reads motion beats all of them.")).to_be_visible()


def answer(viewer: Viewer) -> None:
    viewer.open("predict?model=ready")
    clip = next((viewer.server.workspace / "datasets" / "example" / "punch").iterdir())
    viewer.page.locator("input[type=file]").set_input_files(clip)
    viewer.press("Analyse")
    expect(viewer.page.locator(".player.ready .overall .bar").first).to_be_visible()
    viewer.plays()


def before_live(viewer: Viewer) -> None:
    viewer.open("live?model=ready")
    expect(viewer.page.frame_locator("iframe").first.get_by_role("button", name="Start")).to_be_visible()
    expect(viewer.page.get_by_text("Press Start below the picture.")).to_be_visible()


@pytest.mark.parametrize(
    "look_at", [home, clips, charts, adding, run, settings, scores, answer, before_live], ids=lambda f: f.__name__
)
def test_a_page_fits_a_phone_and_keeps_to_itself(
    look_at: Callable[[Viewer], None], server: Server, visit: Visit
) -> None:
    viewer = visit(server, width=390, height=844)
    look_at(viewer)
    viewer.settled()
    assert viewer.sticks_out() == []
    assert viewer.complaints == []
    expect(viewer.page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("page", ["", "dataset", "train", "evaluate", "predict", "live"])
def test_a_page_of_an_empty_workspace_fits_too(page: str, empty: Server, visit: Visit) -> None:
    viewer = visit(empty, width=390, height=844)
    viewer.open(page)
    assert viewer.sticks_out() == []
    assert viewer.complaints == []
