"""In a browser: a clip looked at closely, its label corrected, a model trained again; a report that runs nothing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Request, expect
from viewer import PATIENCE, Server, Viewer, Visit

from har_core import PROJECT, dataset, report, video
from har_core.checkpoint import Card
from har_core.config import ClipSpec, NetworkConfig
from har_core.dataset import versions
from har_core.evaluation import Evaluation, Scored
from har_core.report import Extras
from har_core.values import Prediction

PEOPLE = ("anna", "ben", "cleo", "dora", "emil")


def film(root: Path) -> Path:
    """Two actions by five people: bright pictures and dark ones."""
    random = np.random.default_rng(0)
    for action, level in (("bright", 190), ("dark", 50)):
        for person in PEOPLE:
            shades = [np.clip(level + random.normal(0, 20, (48, 64, 3)), 0, 255).astype(np.uint8) for _ in range(12)]
            video.write(root / action / f"{action}_by-{person}_1.mp4", shades, frames_per_second=10)
    return root


@pytest.fixture
def trained(new_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set and a run of a second on it, in the workspace of the server."""
    monkeypatch.setenv("HAR_WORKSPACE", str(new_server.workspace))
    root = dataset.link(new_server.workspace, "mine", film(tmp_path / "clips"))
    run = new_server.workspace / "runs" / "20260101-080000-mine"
    command = [
        sys.executable, "-m", "har_core", "train", "--data", root, "--run", run, "--epochs", 3, "--freeze-backbone",
        "--size", 64, "--lstm-size", 16, "--validation-fraction", 0.4, "--json",
    ]  # fmt: skip
    subprocess.run(list(map(str, command)), cwd=PROJECT, env=os.environ, check=True, stdout=subprocess.DEVNULL)
    return root


def closely(viewer: Viewer) -> None:
    """Evaluate the newest model and look at the first clip of a cell of the matrix."""
    page = viewer.open("evaluate")
    ask = page.get_by_role("button", name="Evaluate", exact=True)
    grid = page.get_by_role("grid", name="Confusion matrix")
    expect(ask.or_(grid).first).to_be_visible()
    if ask.count():
        ask.click()
    expect(grid).to_be_visible()
    viewer.settled()
    grid.locator("td.full").first.click()
    expect(page.locator(".inspector .shot").first).to_be_visible()
    viewer.settled()


def test_a_corrected_label_trains_a_model_and_says_what_came_of_it(
    new_server: Server, visit: Visit, trained: Path
) -> None:
    viewer = visit(new_server)
    closely(viewer)
    page, bar = viewer.page, viewer.page.locator(".st-key-edit-bar")
    expect(page.get_by_text("It judges the model.")).to_be_visible()
    box = bar.get_by_role("combobox", name="Action")
    box.click()
    box.fill("dark" if "bright" in (box.get_attribute("placeholder") or bar.inner_text()) else "bright")
    page.get_by_role("option").first.click()
    expect(page.get_by_text("1 clip edited since the model was trained on version 0; 1 judged it.")).to_be_visible()
    viewer.settled()
    assert [version.number for version in versions.versions(trained)] == [1]
    viewer.press("Train again with these labels")
    expect(page.get_by_role("button", name="Follow it")).to_be_visible()
    expect(page.get_by_text("Before and after on the same clips")).to_be_visible(timeout=2 * PATIENCE)
    expect(page.get_by_role("button", name="Look at the model after")).to_be_visible(timeout=2 * PATIENCE)
    expect(page.get_by_text("1 clip by which both are judged got another label.")).to_be_visible()
    viewer.settled()
    newest = new_server.runs()[0]
    assert newest.config().version == 1 and newest.status() == "finished"
    assert viewer.sticks_out() == []
    viewer.press("Look at the model after")
    expect(page.get_by_text("Before and after on the same clips").or_(page.get_by_role("button", name="Evaluate"))
           .first).to_be_visible()  # fmt: skip


def test_frames_moments_and_player_belong_together(new_server: Server, visit: Visit, trained: Path) -> None:
    viewer = visit(new_server, width=390, height=844)
    closely(viewer)
    page = viewer.page
    shots, bars = page.locator(".inspector .shot"), page.locator(".inspector .bars")
    page.wait_for_function(_within("film && film.readyState >= 2 && film.videoWidth > 0"))
    shots.last.click()
    page.wait_for_function(_within("film.paused && film.currentTime > 0.7"))
    expect(shots.last).to_have_class("shot now")
    bars.press("Home")
    page.wait_for_function(_within("film.paused && film.currentTime < 0.1"))
    expect(bars).to_have_attribute("aria-valuenow", "0")
    bars.press("ArrowRight")
    expect(bars).to_have_attribute("aria-valuenow", "1")
    expect(page.locator(".inspector .told")).to_contain_text("With it hidden,")
    page.get_by_text("Where it looked").first.click()
    expect(page.locator(".inspector.looked .glow")).to_have_count(shots.count())
    viewer.settled()
    shots.first.click()
    expect(page.locator(".inspector .large")).to_be_visible()
    bars.press(" ")  # the film goes on
    expect(page.locator(".inspector .large")).to_be_hidden()
    assert viewer.sticks_out() == []


def _within(condition: str) -> str:
    """Of the panel's player, which lies in a shadow of the page."""
    return f"""() => {{
      const under = (e) => (e.shadowRoot ? [e, ...all(e.shadowRoot)] : [e]);
      const all = (root) => [...root.querySelectorAll("*")].flatMap(under);
      const film = all(document).find((e) => e.matches(".inspector .film"));
      return film && ({condition}); }}"""


HOSTILE = ("run", '</script><img src=x onerror="window.boom = 1">', "<svg onload='window.boom = 1'>")


def test_a_report_runs_and_fetches_nothing_but_itself(browser: Browser, tmp_path: Path) -> None:
    scored = []
    for n in range(60):
        shares = np.full(3, 0.05)
        shares[(n + (n % 5 == 0)) % 3] = 0.9
        clip = f"{n:02d}<img src=x onerror=window.boom=1>.mp4"
        scored.append(Scored(clip, tmp_path / clip, HOSTILE[n % 3], Prediction(shares, HOSTILE), f"g{n % 9}"))
    card = Card(
        HOSTILE, ClipSpec(1.0, 8.0, 8, 32), NetworkConfig(weights="none"), limits="<script>window.boom=1</script>"
    )
    note = "javascript:<iframe srcdoc='<script>parent.boom=1</script>'></iframe>"
    scores = Evaluation(HOSTILE, tuple(scored), (), (note,))
    out = tmp_path / "report.html"
    report.write(scores, out, extras=Extras("<b onclick=boom>", card, HOSTILE[1], "validation"))
    asked: list[str] = []
    complaints: list[str] = []

    def note_down(request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            asked.append(request.url)

    for scheme in ("light", "dark"):
        context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": 390, "height": 844})  # type: ignore[arg-type]  # both are schemes
        page = context.new_page()
        page.on("request", note_down)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(out.as_uri())
        page.wait_for_function(
            "() => document.querySelectorAll('.plot.drawn').length === document.querySelectorAll('.plot').length"
        )
        assert page.evaluate("() => window.boom") is None and page.locator("img, iframe, svg[onload]").count() == 0
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        expect(page.get_by_text(HOSTILE[1]).first).to_be_attached()
        rows = page.locator("#clips tbody tr:not([hidden])")
        expect(rows).to_have_count(60)
        cell = page.locator("#matrix .scatterlayer .point").nth(1)  # of the first action, taken for the second
        place = cell.bounding_box()
        assert place is not None
        page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        expect(rows).to_have_count(4)
        page.get_by_role("button", name="Show all").click()
        expect(rows).to_have_count(60)
        page.get_by_role("button", name="% of true").click()
        expect(page.locator("#shares")).to_be_visible()
        context.close()
    assert set(asked) == {out.as_uri()} and complaints == []
