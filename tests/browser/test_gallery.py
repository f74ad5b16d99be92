"""The gallery in a browser: cards with films, selecting by mouse and keyboard, light and dark, narrow and wide."""

import re

import pytest
from playwright.sync_api import Locator, expect
from viewer import Server, Viewer, Visit

CLIPS = 15
SELECTED = '.card[aria-selected="true"]'


def gallery(viewer: Viewer) -> Locator:
    """The cards, once each has its picture."""
    viewer.open("dataset?data=example")
    cards = viewer.page.locator(".card")
    expect(cards).to_have_count(CLIPS)
    expect(viewer.page.locator(".card .film")).to_have_count(CLIPS)
    viewer.settled()
    return cards


def says(viewer: Viewer, text: str) -> None:
    expect(viewer.page.locator(".st-key-above-the-grid").get_by_text(text)).to_be_visible()


def close(viewer: Viewer, card: Locator) -> Locator:
    """Where the path of a card's clip stands once it is looked at closely."""
    return viewer.page.locator(".st-key-close").get_by_text(card.get_attribute("data-id") or "?", exact=True)


def test_a_click_plays_the_clip_beside_the_cards(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    cards = gallery(viewer)
    expect(viewer.page.get_by_role("listbox", name="Clips").get_by_role("option")).to_have_count(CLIPS)
    cards.nth(3).click()
    expect(close(viewer, cards.nth(3))).to_be_visible()
    viewer.plays()
    viewer.page.get_by_text("What the network sees").click()
    expect(viewer.page.get_by_text(re.compile(r"112 × 112 pixels"))).to_be_visible()
    expect(viewer.page.locator('.st-key-close img[alt*="as the network gets them"]')).to_have_count(1)
    cards.nth(3).click()  # once more takes it back
    expect(viewer.page.locator(SELECTED)).to_have_count(0)
    expect(viewer.page.get_by_text("Click a clip to look at it closely")).to_be_visible()


def test_several_are_taken_by_a_finger(server: Server, visit: Visit) -> None:
    viewer = visit(server, width=390, height=844)
    cards, taken = gallery(viewer), viewer.page.locator(SELECTED)
    for number in (0, 2, 3):
        cards.nth(number).locator(".tick").click()
    expect(taken).to_have_count(3)
    says(viewer, "3 selected")
    # Looked at closely they would stand above the cards, and push them from under the finger.
    expect(viewer.page.get_by_text("Click a clip to look at it closely")).to_be_visible()
    cards.nth(2).locator(".tick").click()
    says(viewer, "2 selected")
    cards.nth(1).click()  # elsewhere on a card: that one alone, as ever
    expect(taken).to_have_count(1)
    assert viewer.sticks_out() == []


def test_several_are_taken_by_mouse(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    cards, taken = gallery(viewer), viewer.page.locator(SELECTED)
    cards.nth(1).click()
    cards.nth(5).click(modifiers=["Shift"])
    expect(taken).to_have_count(5)
    says(viewer, "5 selected")
    cards.nth(9).click(modifiers=["ControlOrMeta"])
    cards.nth(2).click(modifiers=["ControlOrMeta"])
    expect(taken).to_have_count(5)
    expect(cards.nth(2)).to_have_attribute("aria-selected", "false")
    says(viewer, "5 selected")
    viewer.press(f"Select all {CLIPS}")
    expect(taken).to_have_count(CLIPS)
    viewer.press("Select none")
    expect(taken).to_have_count(0)
    cards.nth(0).dblclick()
    expect(taken).to_have_count(1)
    expect(close(viewer, cards.nth(0))).to_be_visible()


def test_the_keyboard_does_all_that_the_mouse_does(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    cards, taken, keys = gallery(viewer), viewer.page.locator(SELECTED), viewer.page.keyboard
    expect(viewer.page.locator('.card[tabindex="0"]')).to_have_count(1)  # Tab stops once, not at every card
    cards.nth(0).focus()
    keys.press("ArrowRight")
    expect(cards.nth(1)).to_be_focused()
    expect(close(viewer, cards.nth(1))).to_be_visible()
    keys.press("Shift+ArrowRight")
    keys.press("Shift+ArrowRight")
    expect(taken).to_have_count(3)
    says(viewer, "3 selected")
    keys.press("Control+ArrowRight")  # only moves
    expect(cards.nth(4)).to_be_focused()
    expect(taken).to_have_count(3)
    keys.press("Space")
    expect(taken).to_have_count(4)
    keys.press("Control+a")
    expect(taken).to_have_count(CLIPS)
    keys.press("Escape")
    expect(taken).to_have_count(0)
    keys.press("End")
    keys.press("Enter")
    expect(close(viewer, cards.nth(CLIPS - 1))).to_be_visible()
    expect(cards.nth(CLIPS - 1)).to_be_focused()  # the page ran, and did not take the focus away


def test_the_film_runs_under_the_pointer(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    cards = gallery(viewer)
    film = cards.nth(2).locator(".film")
    at = "e => getComputedStyle(e).backgroundPositionX"
    assert film.evaluate(at) == "50%"  # its middle frame
    cards.nth(2).hover()
    viewer.page.wait_for_function(
        "e => { window.seen ??= new Set(); window.seen.add(getComputedStyle(e).backgroundPositionX);"
        " return window.seen.size >= 4; }",
        arg=film.element_handle(),
    )


def test_filters_and_search_leave_what_is_asked_for(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    cards = gallery(viewer)
    cards.nth(0).click()
    says(viewer, "1 selected")
    viewer.page.get_by_placeholder("Search").fill("wave")
    expect(cards).to_have_count(3)
    says(viewer, "1 selected")  # what is filtered away stays selected
    viewer.page.get_by_placeholder("Search").fill("no such clip")
    expect(viewer.page.get_by_text("No clip is like that")).to_be_visible()
    viewer.page.get_by_placeholder("Search").fill("")
    expect(cards).to_have_count(CLIPS)
    expect(viewer.page.locator(SELECTED)).to_have_count(1)
    viewer.page.get_by_role("radio", name="Charts", exact=True).click()
    expect(viewer.page.get_by_text("Validation share")).to_be_visible()
    viewer.page.get_by_role("radio", name="Clips", exact=True).click()
    expect(viewer.page.locator(SELECTED)).to_have_count(1)  # after another view too


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_theme_and_fits_a_phone(server: Server, visit: Visit, scheme: str) -> None:
    viewer = visit(server, width=390, height=844)
    viewer.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two
    cards = gallery(viewer)
    shade = cards.nth(0).evaluate("e => getComputedStyle(e).backgroundColor")
    assert shade == {"light": "rgb(245, 243, 239)", "dark": "rgb(34, 31, 27)"}[scheme]
    cards.nth(4).click()
    says(viewer, "1 selected")
    viewer.settled()
    assert viewer.sticks_out() == []
    player, grid = viewer.page.locator(".st-key-close"), viewer.page.locator(".grid")
    above, below = player.bounding_box(), grid.bounding_box()
    assert above and below and above["y"] < below["y"]  # what is looked at stands above the cards there
