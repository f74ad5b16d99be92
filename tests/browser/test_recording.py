"""A data set of one's own by the camera: recorded, looked at, kept; and what a killed app leaves."""

import re

import numpy as np
from playwright.sync_api import expect
from test_live_in_the_browser import camera, filming, process, start, until, visit  # noqa: F401  # three are fixtures
from viewer import Server, Viewer, Visit, serving

from har_core import dataset, takes, video
from har_core.takes import Label


def choose(viewer: Viewer, label: str, value: str) -> None:
    field = viewer.page.get_by_role("combobox", name=re.compile(label))
    field.click()
    field.fill(value)
    field.press("Enter")
    viewer.settled()


def ready(viewer: Viewer) -> None:
    viewer.open("dataset")
    viewer.page.get_by_role("tab", name="Record").click()
    viewer.settled()
    choose(viewer, "Action", "wave")
    choose(viewer, "Who acts", "Anna")
    viewer.page.get_by_role("button", name="Timing").click()
    for _ in range(4):
        viewer.page.get_by_role("slider", name="Length of a take, seconds").press("ArrowLeft")
    viewer.page.get_by_role("slider", name="Takes in a row").press("ArrowLeft")
    viewer.page.keyboard.press("Escape")
    viewer.settled()
    start(viewer)


def test_two_takes_are_recorded_and_one_is_kept(new_server: Server, visit: Visit) -> None:  # noqa: F811  # the fixture
    viewer = visit(new_server)
    ready(viewer)
    viewer.press("Record 2 takes")
    expect(viewer.page.get_by_text("Your takes")).to_be_visible()
    expect(viewer.page.locator("video")).to_have_count(2)
    viewer.page.get_by_text("Keep · wave · Anna").first.click()
    viewer.press("Keep 1 of 2")
    root = new_server.workspace / "datasets" / "my actions"
    until(lambda: root.is_dir() and list(root.rglob("*.mp4")))
    expect(viewer.page.get_by_text("Your takes")).to_have_count(0)
    viewer.settled()
    expect(viewer.page.get_by_role("radio", name="Add clips")).to_be_visible()  # the page of a data set
    expect(viewer.page.get_by_role("button", name="Record 2 takes")).to_be_enabled()  # and the camera still runs
    (clip,) = dataset.read(root).clips
    told = video.probe(clip.path)
    assert (clip.action, clip.group, told.codec) == ("wave", "anna", "h264")
    assert abs(told.seconds - 1.0) < 0.3 and told.width * 3 == told.height * 4
    assert viewer.sticks_out() == []


def test_a_take_outlives_the_app(
    new_server: Server,
    visit: Visit,  # noqa: F811  # the fixture
) -> None:
    viewer = visit(new_server)
    ready(viewer)
    viewer.press("Record 2 takes")
    until(lambda: list((new_server.workspace / "takes").glob("*/film.mp4")))
    viewer.page.close()  # first: it would complain that its server has gone
    process(new_server).kill()
    with serving(new_server.workspace) as again:
        later = visit(again)
        later.open("dataset")
        later.page.get_by_role("tab", name="Record").click()
        expect(later.page.get_by_text(re.compile("Takes of earlier, not kept yet"))).to_be_visible()
        later.page.close()  # as above: this server goes before the visitor does


def test_what_the_switches_show_is_what_is_kept(new_server: Server, visit: Visit) -> None:  # noqa: F811  # the fixture
    for number in range(3):
        folder = new_server.workspace / "takes" / f"20261126-10150{number}"
        video.write(folder / "film.mp4", (np.full((48, 64, 3), 120, np.uint8),) * 20, frames_per_second=10)
        takes.write_label(folder, Label("my actions", "sit", "anna", "another window", 5.0 + number, cut=number == 1))
    viewer = visit(new_server)
    viewer.open("dataset")
    switches = viewer.page.locator("[data-testid=stCheckbox] input")

    def shown(*on: bool) -> None:
        expect(viewer.page.get_by_role("button", name=f"Keep {sum(on)} of 3")).to_be_visible()
        for number, one in enumerate(on):
            expect(switches.nth(number)).to_be_checked(checked=one)

    shown(True, False, True)
    viewer.press("Throw all away")
    viewer.press("Bring back 3 thrown away")
    shown(True, False, True)
    viewer.page.get_by_text("Keep · sit · anna").first.click()
    shown(False, False, True)
    viewer.page.get_by_role("tab", name="Example").click()
    expect(switches).to_have_count(0)
    viewer.page.get_by_role("tab", name="Record").click()
    shown(False, False, True)
