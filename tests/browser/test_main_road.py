"""A newcomer goes the whole way, from an empty workspace to a prediction, in one sitting."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from viewer import Server, Viewer, Visit

ACTIONS = {"jumping_jack", "punch", "sit_down", "stand_up", "wave"}


def test_from_an_empty_workspace_to_a_prediction(new_server: Server, visit: Visit, tmp_path: Path) -> None:
    viewer = visit(new_server)
    viewer.open()
    make_the_example(viewer)
    train(viewer)
    evaluate(viewer)
    predict(viewer, tmp_path)


def make_the_example(viewer: Viewer) -> None:
    viewer.press("Make the example data set")
    expect(viewer.page.get_by_text(re.compile(r"Rendering clips: \d+ of 40"))).to_be_visible()
    expect(viewer.page.locator("h1")).to_have_text("Dataset", timeout=300_000)
    viewer.settled()
    expect(viewer.page.get_by_text("40 clips · 5 actions · 8 groups")).to_be_visible()
    cards = viewer.page.locator(".card")
    expect(cards).to_have_count(40)
    cards.first.click()
    viewer.plays()
    viewer.page.get_by_role("radio", name="Charts", exact=True).click()
    bars = viewer.page.locator(".stPlotlyChart").first.locator(".ytick text")
    expect(bars).to_have_count(5)
    assert set(bars.all_text_contents()) == ACTIONS


def train(viewer: Viewer) -> None:
    page = viewer.page
    viewer.turn_to("Train")
    viewer.page.get_by_role("radio", name="The recipe", exact=True).click()
    viewer.fill_in("Epochs", 20)  # the backbone is held in these: a fraction of a second each, some seconds to watch
    viewer.press("Start training")
    expect(viewer.badge("running")).to_be_visible()
    curve = page.locator(".stPlotlyChart .scatterlayer .trace").first
    expect(curve).to_be_visible()
    expect(viewer.badge("running")).to_be_visible(timeout=1)
    page.reload()
    viewer.settled()
    expect(curve).to_be_visible()
    expect(viewer.badge("finished")).to_be_visible(timeout=240_000)
    expect(page.get_by_text("All epochs are done.")).to_be_visible()
    print("best accuracy", accuracy(viewer, "Best accuracy"), "in epoch", viewer.metric("Best epoch"))


def accuracy(viewer: Viewer, name: str) -> float:
    """The share on a tile, which must be one."""
    shown = re.fullmatch(r"(\d+\.\d)%", viewer.metric(name))
    assert shown and float(shown[1]) <= 100
    return float(shown[1])


def evaluate(viewer: Viewer) -> None:
    page = viewer.page
    viewer.press("Evaluate it")
    expect(page.locator("h1")).to_have_text("Evaluate")
    viewer.press("Evaluate")
    matrix = page.get_by_role("grid", name="Confusion matrix")
    expect(matrix).to_be_visible()
    viewer.settled()
    print("accuracy", accuracy(viewer, "Accuracy"))
    assert set(matrix.locator("th.row").all_inner_texts()) == ACTIONS
    expect(matrix.locator("td[data-row]")).to_have_count(25)
    counts = [int(text) for text in matrix.locator("td.full").all_inner_texts()]
    cell = matrix.locator("td.full").nth(counts.index(max(counts)))
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.6)
    expect(cell).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("heading", name=re.compile(f"(recognised|taken for .*): {max(counts)}"))).to_be_visible()
    viewer.plays()


def predict(viewer: Viewer, tmp_path: Path) -> None:
    page = viewer.page
    viewer.turn_to("Video Predict")
    clip = viewer.server.workspace / "datasets" / "example" / "wave" / "v_wave_g01_c01.mp4"
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip.read_bytes()[:2000])
    page.locator("input[type=file]").set_input_files([broken, clip])
    viewer.press("Analyse 2 videos")
    expect(page.get_by_test_id("stAlert").filter(has_text="broken.mp4")).to_be_visible()
    shown = page.locator(".player.ready .overall .bar b")
    expect(shown).to_have_count(5)
    percent = [float(text.strip().removesuffix("%")) for text in shown.all_text_contents()]
    assert percent == sorted(percent, reverse=True) and abs(sum(percent) - 100) < 3
    viewer.plays()
    viewer.settled()
    clip_on_page = page.locator("video").first
    clip_on_page.evaluate("v => { v.marked = true; }")
    page.get_by_test_id("stSlider").get_by_role("slider").press("ArrowLeft")  # the player's ruler is one too
    expect(shown).to_have_count(4)
    viewer.settled()
    assert clip_on_page.evaluate("v => v.marked")  # it was not built anew, which would stop the clip
    with page.expect_download() as download:
        viewer.press("JSON")
    (told,) = json.loads(download.value.path().read_text())
    assert told["video"] == clip.name
    named = [place for lane in told["lanes"] if lane["person"] is None for place in lane["top"]]
    assert {place["action"] for place in named} == ACTIONS  # a file holds all, however many are shown
    assert [100 * place["probability"] for place in named[:4]] == pytest.approx(percent[:4], abs=0.6)
