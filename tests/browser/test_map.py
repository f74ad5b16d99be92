"""The map of a data set, by hand: made, lassoed, looked into, and a label mended from it."""

import re

import pytest
from playwright.sync_api import expect
from viewer import Server, Viewer, Visit


def to_the_map(viewer: Viewer) -> None:
    """The map of the example, made if nobody has made it yet."""
    viewer.open("dataset")
    viewer.page.get_by_role("radio", name="Map", exact=True).click()
    make = viewer.page.get_by_role("button", name=re.compile("Make the map"))
    drawn = viewer.page.locator(".js-plotly-plot")
    expect(make.or_(drawn)).to_be_visible()
    if make.is_visible():
        make.click()
    expect(drawn).to_be_visible()
    viewer.settled()


def test_clips_are_lassoed_and_opened_in_the_gallery(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    to_the_map(viewer)
    area = viewer.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    assert area
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.03)]
    places = [(area["x"] + area["width"] * x, area["y"] + area["height"] * y) for x, y in corners]
    viewer.page.mouse.move(*places[0])
    viewer.page.mouse.down()
    for place in places[1:]:
        viewer.page.mouse.move(*place, steps=8)
    viewer.page.mouse.up()
    chosen = viewer.page.get_by_text(re.compile(r"^\d+ clips chosen$"))
    expect(chosen).to_be_visible()
    number = int(re.findall(r"\d+", chosen.inner_text())[0])
    assert number > 3
    expect(viewer.page.locator(".har-reel figure")).not_to_have_count(0)
    viewer.page.get_by_role("button", name="Show them in the gallery").click()
    expect(viewer.page.get_by_text(f"Map: {number} clips")).to_be_visible()
    viewer.settled()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out(server: Server, visit: Visit, width: int) -> None:
    viewer = visit(server, width=width)
    to_the_map(viewer)
    assert viewer.sticks_out() == []
