"""In a browser: names of actions, clips, videos and models that are markup and scripts are shown and run nothing."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from viewer import Server, Viewer, Visit

from har_core import analyses, checkpoint, dataset, intake, video
from har_core.analyses import Request, State
from har_core.config import ClipSpec, NetworkConfig, TrainConfig
from har_core.events import Noticed, encode
from har_core.lanes import Analysis, Lane
from har_core.values import Prediction, Segment

ANN = "a1" * 16
EVIL = "<img src=x onerror=window.ran=1>"
ACTIONS = (EVIL, '"><svg onload=window.ran=1>', "\u202e=cmd|'calc'!A0 --> ![x](http://x.invalid) $$x$$ :red[r]")
NAME = f"</script>{EVIL}\u202egpj.mp4"
_INJECTED = """() => {
  const all = r => [...r.querySelectorAll("*")].flatMap(e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
  return all(document).filter(e => e.hasAttribute("onerror") || e.hasAttribute("onload")
    || (e.src ?? "").toString().includes("x.invalid")).map(e => e.outerHTML.slice(0, 200)); }"""


def film(path: Path, level: int) -> Path:
    """A second of noise."""
    noise = np.random.default_rng(level).integers(0, 100, (10, 48, 64, 3))
    video.write(path, (level + noise).astype(np.uint8), frames_per_second=10)
    return path


@pytest.fixture
def hostile(new_server: Server, tmp_path: Path) -> Server:
    """A data set, a model and an analysis whose every name is an attack."""
    root = new_server.workspace
    for number, action in enumerate(ACTIONS):
        for group in range(3):
            name = f"{EVIL} g{group}.mp4".replace("/", "")
            film(tmp_path / "clips" / action.replace("/", "|") / name, 40 * number + group)
    source = dataset.link(root, "mine", tmp_path / "clips")
    network = checkpoint.ActionNetwork(shape := NetworkConfig(weights="none", lstm_size=8), 3)
    classes = tuple(action.replace("/", "|") for action in ACTIONS)
    spec = ClipSpec(window_seconds=0.5, frames_per_second=4, most_frames=2, size=32)
    card = checkpoint.Card(classes, spec, shape, dataset=EVIL, limits=EVIL, licence=EVIL)
    model = root / "runs" / "20260101-080000-evil"
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps(TrainConfig(dataset=str(source)).to_json()))
    (model / "notes.json").write_text(json.dumps({"title": EVIL, "note": EVIL, "star": True}))
    (model / "events.jsonl").write_text(encode(Noticed(EVIL)))
    film(tmp_path / "film.mp4", 9)
    checkpoint.save(model / "best", network, card)
    with (tmp_path / "film.mp4").open("rb") as content:
        task = intake.begin(root, ANN, Request(NAME, str(model / "best"), EVIL), content)
    for ticket in analyses.tickets(root):
        ticket.path.unlink()

    def lane(track: int | None) -> Lane:
        parts = tuple(Segment(track, action, 0.3 * n, 0.3 * n + 0.3, 0.6) for n, action in enumerate(ACTIONS))
        moments = np.arange(0, 1, 0.25, dtype=np.float32)
        rows = np.full((len(moments), 3), 1 / 3, np.float32)
        return Lane(track, 0.0, 1.0, Prediction(np.array([0.5, 0.3, 0.2]), ACTIONS, 0.4), parts, moments, rows)

    found = Analysis(
        NAME, video.probe(tmp_path / "film.mp4"), EVIL, ACTIONS, 0.4, lane(None), (lane(1), lane(2)), damage=EVIL,
        note=EVIL, settings={"window_seconds": 0.2},
    )  # fmt: skip
    from har_core.analyse_commands import keep_answer

    keep_answer(task, found)
    task.tell(State("done", at=time.time(), took=2.0, message=EVIL))
    return new_server


def unharmed(page: Page) -> None:
    assert page.evaluate("() => window.ran") is None
    assert page.evaluate(_INJECTED) == []


def test_names_are_shown_and_run_nothing(hostile: Server, visit: Visit) -> None:
    viewer: Viewer = visit(hostile)
    viewer.page.context.add_cookies([{"name": "har_viewer", "value": ANN, "url": hostile.url}])
    page = viewer.open("predict")
    expect(page.locator(".player.ready")).to_be_visible()
    expect(page.locator(".player .seg").first).to_be_visible()
    expect(page.get_by_text(EVIL).first).to_be_visible()
    page.locator(".player .subtitles").click()
    viewer.plays()
    page.locator(".player .seg").first.hover()
    unharmed(page)
    page.get_by_role("radio", name="Table").click()
    viewer.settled()
    unharmed(page)
    page = viewer.open("evaluate")
    page.get_by_role("combobox", name="Clips").click()
    page.get_by_role("option", name="all").click()
    viewer.settled()
    viewer.press("Evaluate")
    grid = page.get_by_role("grid", name="Confusion matrix")
    expect(grid).to_be_visible()
    grid.locator("td.full").first.hover()
    grid.locator("td.full").first.click()
    expect(page.locator(".inspector").first).to_be_visible()
    viewer.settled()
    unharmed(page)
    for view in page.get_by_test_id("stSegmentedControl").get_by_role("radio").all_inner_texts():
        page.get_by_role("radio", name=view).first.click()
        viewer.settled()
        unharmed(page)
    for other in ("dataset", "train", "live"):
        unharmed(viewer.open(other))
