"""Cutting a film with the keyboard: the clips hold exactly the frames that were on display at the marks."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, expect
from test_live_in_the_browser import until
from viewer import Server, Viewer, Visit

from har_core import dataset, video
from har_core.values import Rgb

FRAMES = 100
_FIELDS = 7
# The number that is on display: dark and bright fields say it in binary.
_SHOWN = """(v, fields) => {
  const c = Object.assign(document.createElement("canvas"), { width: fields, height: 1 }), g = c.getContext("2d");
  let n = 0;
  for (let i = 0; i < fields; i++) {
    g.drawImage(v, (i + 0.25) * v.videoWidth / fields, 0, v.videoWidth / fields / 2, v.videoHeight, i, 0, 1, 1);
    if (g.getImageData(i, 0, 1, 1).data[0] > 100) n += 1 << i;
  }
  return n; }"""


def frame(number: int) -> Rgb:
    bits = [number >> place & 1 for place in range(_FIELDS)]
    return np.repeat(np.kron(np.array([bits], np.uint8), np.ones((96, 20), np.uint8))[:, :, None] * 200, 3, axis=2)


def numbers(clip: Path) -> list[int]:
    fields = [rgb.mean(axis=(0, 2)).reshape(_FIELDS, 20).mean(axis=1) > 100 for _, rgb in video.frames(clip)]
    return [sum(int(bit) << place for place, bit in enumerate(bits)) for bits in fields]


@pytest.fixture(params=["steady.mp4", "uneven.mp4", "copied.mov"])
def film(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """100 frames: 25 a second, as a phone takes them, or in a file that browsers get a copy of."""
    path: Path = tmp_path / "films" / request.param
    seconds = np.concatenate([[0.0], np.cumsum([(0.03, 0.05, 0.04)[i % 3] for i in range(FRAMES - 1)])])
    uneven = None if path.stem == "steady" else seconds.tolist()
    video.write(path.with_suffix(".mp4"), map(frame, range(FRAMES)), frames_per_second=25, seconds=uneven)
    return path.with_suffix(".mp4").replace(path)


def bench(viewer: Viewer, film: Path) -> Locator:
    """Open the film; gives the bench once there is a picture."""
    viewer.open("dataset")
    if (viewer.server.workspace / "datasets").exists():
        viewer.page.get_by_role("radio", name="Add clips", exact=True).click()
        viewer.settled()
    viewer.page.get_by_role("tab", name="Cut a film").click()
    viewer.settled()
    viewer.page.get_by_role("radio", name="A file on this computer").click()
    viewer.settled()
    viewer.fill_in("Path of the film", film)
    found = viewer.page.locator(".bench.ready")
    expect(found).to_be_visible()
    viewer.settled()
    return found


def at(there: Locator, number: int) -> None:
    """Wait until this frame is named, and is the one on display."""
    expect(there.locator(".number")).to_have_text(f"frame {number}")
    until(lambda: there.locator("video").evaluate(_SHOWN, _FIELDS) == number, seconds=30)


def test_keys_make_clips_of_exactly_these_frames(new_server: Server, visit: Visit, film: Path) -> None:
    viewer = visit(new_server)
    there = bench(viewer, film)
    keys = viewer.page.keyboard
    at(there, 0)
    for _ in range(7):
        keys.press("ArrowRight")
    at(there, 7)
    keys.press("i")
    for _ in range(25):
        keys.press("ArrowRight")
    at(there, 32)
    keys.press("ArrowLeft")
    at(there, 31)
    keys.press("o")
    keys.press("Enter")  # no action yet: it is asked for
    keys.type("wave")
    keys.press("Enter")
    expect(there.locator(".row")).to_have_count(1)
    keys.press("End")
    at(there, FRAMES - 1)
    keys.press("o")
    keys.press("Shift+ArrowLeft")
    keys.press("Shift+ArrowLeft")
    begun = int(there.locator(".number").inner_text().split()[1])
    assert 45 < begun < 52
    at(there, begun)
    keys.press("i")
    keys.press("Enter")
    expect(there.locator(".row")).to_have_count(2)
    expect(viewer.page.get_by_role("button", name="Make 2 clips")).to_be_enabled()
    viewer.page.reload()
    there = bench(viewer, film)  # what was marked is still there
    expect(there.locator(".row")).to_have_count(2)
    viewer.press("Make 2 clips")
    expect(viewer.page.get_by_text(re.compile("2 clips of this film in"))).to_be_visible()
    expect(there.get_by_text("clip made")).to_have_count(2)
    source = dataset.read(new_server.workspace / "datasets" / "my actions")
    assert sorted(numbers(clip.path) for clip in source.clips) == [list(range(7, 32)), list(range(begun, FRAMES))]
    assert {clip.action for clip in source.clips} == {"wave"} and source.groups == (film.stem,)
    assert all(told.codec == "h264" for told in source.properties)
    assert viewer.sticks_out() == []


@pytest.mark.parametrize("film", ["steady.mp4"], indirect=True)
def test_a_phone_can_cut(new_server: Server, visit: Visit, film: Path) -> None:
    viewer = visit(new_server, width=390, height=844)
    there = bench(viewer, film)
    there.get_by_label("New action").fill("sit")
    there.get_by_label("Add this action").click()
    there.locator(".in").click()
    there.get_by_label("On 1 second").click()
    expect(there.locator(".number")).to_have_text("frame 25")
    there.locator(".add").click()
    expect(there.locator(".row .many")).to_contain_text("26 frames")
    there.get_by_label("Take it away").click()
    expect(there.locator(".row")).to_have_count(0)
    there.get_by_role("button", name="Undo").click()  # a phone has no Ctrl
    expect(there.locator(".row")).to_have_count(1)
    there.get_by_label("Take it away").click()
    there.focus()
    viewer.page.keyboard.press("Control+z")
    expect(there.locator(".row")).to_have_count(1)
    whole = there.locator(".whole").bounding_box()
    assert whole is not None
    viewer.page.mouse.click(whole["x"] + whole["width"] / 2, whole["y"] + whole["height"] / 2)
    expect(there.locator(".number")).to_have_text(re.compile(r"frame (49|50)$"))
    assert viewer.sticks_out() == []


def test_a_folder_of_actions_is_uploaded(new_server: Server, visit: Visit, tmp_path: Path) -> None:
    for action in ("wave", "sit"):
        for take in range(2):
            path = tmp_path / "my session" / action / f"{action}_by-p{take}_.mp4"
            video.write(path, map(frame, range(20 * take, 20 * take + 20)), frames_per_second=10)
    (tmp_path / "my session" / "sit" / "broken.mp4").write_bytes(b"no film")
    viewer = visit(new_server)
    viewer.open("dataset")
    viewer.page.get_by_role("tab", name="Upload clips").click()
    viewer.page.get_by_role("radio", name="A folder").click()
    viewer.settled()
    viewer.page.locator("input[type=file][webkitdirectory]").set_input_files(tmp_path / "my session")
    expect(viewer.page.get_by_role("combobox", name=re.compile("Data set")).first).to_have_value("my session")
    viewer.settled()
    viewer.press("Add clips")
    expect(viewer.page.get_by_test_id("stAlert").filter(has_text="broken.mp4")).to_be_visible()
    source = dataset.read(new_server.workspace / "datasets" / "my session")
    assert len(source.clips) == 4 and source.actions == ("sit", "wave") and source.groups == ("p0", "p1")
