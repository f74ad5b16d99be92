"""The doctor in a browser: a fix and its undo, and from a finding to its clips where the address names the data set."""

import shutil

from playwright.sync_api import expect
from viewer import Server, Visit

from har_core import example


def test_a_finding_is_mended_undone_and_looked_at(new_server: Server, visit: Visit) -> None:
    root = new_server.workspace / "datasets" / "ill"
    example.make(root, actors=3)
    (root / "clips.csv").unlink()  # it lists what is a clip; without it each file is one, its group in its name
    first, *_, last = sorted(root.glob("*/*.mp4"))
    shutil.copy(first, last.with_name("again_g09_c01.mp4"))
    viewer = visit(new_server)
    page = viewer.open("dataset?data=ill")
    page.get_by_test_id("stButtonGroup").get_by_text("Doctor").click()
    finding = page.get_by_text("2 clips are the same file but have different actions")
    expect(finding).to_be_visible()
    expect(page.locator(".har-reel i").first).to_be_visible()
    page.get_by_role("button", name="Set 2 clips aside").click()
    expect(finding).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(finding).to_be_visible()
    page.get_by_role("button", name="Show these 2 clips").first.click()
    expect(page.locator(".card")).to_have_count(2)
    assert not viewer.sticks_out()
