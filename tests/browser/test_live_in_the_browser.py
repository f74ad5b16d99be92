"""The Live page with a camera that films an example clip: what is seen, what is kept, what is left behind."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, expect
from viewer import PATIENCE, Server, Viewer, Visit, serving

from har_core import video
from har_core.example import Actor, Variation, render
from har_core.images import resize

SIZE = (640, 480)
_CAMERA = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
)  # fmt: skip
_DARK = 75
# How much of the corner in which the plate of the whole picture stands is dark.
_DARK_SHARE = """(v, dark) => {
  const c = Object.assign(document.createElement("canvas"), { width: 160, height: 20 }), g = c.getContext("2d");
  g.drawImage(v, 0, 0, v.videoWidth / 4, v.videoHeight / 8, 0, 0, 160, 20);
  const p = g.getImageData(0, 0, 160, 20).data;
  let n = 0;
  for (let i = 0; i < p.length; i += 4) n += (p[i] + p[i + 1] + p[i + 2]) / 3 < dark;
  return n / 3200; }"""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A film for the fake camera, 640 x 480, 30 frames a second, and how much of its corner is dark."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    random = np.random.default_rng(3)
    clip = render("jumping_jack", Actor.drawn(1, random), Variation.drawn(random), seconds=3.0)
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F30:1 Ip A1:1 C420jpeg\n".encode())
        for rgb in clip:
            frame = av.VideoFrame.from_ndarray(resize(rgb, SIZE), format="rgb24").reformat(format="yuv420p")
            for _ in range(2):  # it was rendered at 15 frames a second
                film.write(b"FRAME\n")
                for plane in frame.planes:
                    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                    film.write(rows[:, : plane.width].tobytes())
    corner = rgb[: rgb.shape[0] // 8, : rgb.shape[1] // 4].mean(axis=2)
    return path, float((corner < _DARK).mean())


@pytest.fixture(scope="module")
def filming(browser: Browser, camera: tuple[Path, float]) -> Iterator[Browser]:
    """A Chromium with that camera."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    chromium = browser.browser_type.launch(
        executable_path=found, args=[*_CAMERA, f"--use-file-for-fake-video-capture={camera[0]}"]
    )
    yield chromium
    chromium.close()


@pytest.fixture
def visit(filming: Browser) -> Iterator[Visit]:
    """Sends a new visitor who lets pages use the camera."""
    contexts = []
    viewers: list[Viewer] = []

    def come(server: Server, *, width: int = 1280, height: int = 1200) -> Viewer:
        contexts.append(
            filming.new_context(
                viewport={"width": width, "height": height}, accept_downloads=True, permissions=["camera"]
            )
        )
        contexts[-1].set_default_timeout(PATIENCE)
        viewers.append(Viewer.at(contexts[-1], server))
        return viewers[-1]

    come.viewers = viewers  # type: ignore[attr-defined]  # for the report of a test that failed
    yield come
    for context in contexts:
        context.close()
    assert [complaint for viewer in viewers for complaint in viewer.complaints] == []


def live(viewer: Viewer) -> FrameLocator:
    """Open the page; gives the frame in which the picture is."""
    viewer.open("live?model=ready")
    return picture(viewer)


def picture(viewer: Viewer) -> FrameLocator:
    return viewer.page.frame_locator("iframe[title*=webrtc]")


def start(viewer: Viewer) -> Locator:
    """Press Start and wait until the picture moves; gives the video."""
    viewer.settled()
    expect(viewer.page.locator("iframe[title*=webrtc]")).to_have_count(1)  # another source has another
    picture(viewer).get_by_role("button", name="Start", exact=True).click()
    film = picture(viewer).locator("video")
    moves(film)
    return film


def moves(film: Locator) -> None:
    """Wait until frames come, and go on coming."""
    begun = film.evaluate("v => v.currentTime")
    until(lambda: film.evaluate("(v, t) => v.readyState === 4 && v.videoWidth > 0 && v.currentTime > t + 0.5", begun))


def until(holds: Callable[[], object], *, seconds: float = PATIENCE / 1000) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


def says_something(viewer: Viewer) -> None:
    """Wait until the panel has a card with an action, or one that says why there is none yet."""
    expect(viewer.page.locator(".har-live .card .name").first).to_have_text(
        re.compile(r"jumping_jack|punch|sit_down|stand_up|wave|unsure|collecting")
    )
    expect(viewer.page.locator(".har-live .card .row")).not_to_have_count(0)  # Top-K: a window was seen by now


def stop(viewer: Viewer) -> None:
    picture(viewer).get_by_role("button", name="Stop", exact=True).click()
    expect(viewer.page.get_by_text("Press Start below the picture.")).to_be_visible()
    expect(picture(viewer).get_by_role("button", name="Start", exact=True)).to_be_enabled()


def process(server: Server) -> psutil.Process:
    """The server's own."""
    port = server.url.rpartition(":")[2]
    return next(child for child in psutil.Process().children() if port in child.cmdline())


def test_the_camera_is_shown_with_what_is_done(server: Server, visit: Visit, camera: tuple[Path, float]) -> None:
    viewer = visit(server)
    live(viewer)
    film = start(viewer)
    says_something(viewer)
    assert camera[1] < 0.02
    until(lambda: film.evaluate(_DARK_SHARE, _DARK) > 0.2)  # a plate that is not in the camera's picture
    row = viewer.page.locator(".har-live .lane .track")
    expect(row).not_to_have_count(0)

    viewer.page.get_by_text("Speed", exact=True).click()
    expect(viewer.page.locator(".har-live .facts")).to_contain_text("fps")
    viewer.press("Snapshot")
    with viewer.page.expect_download() as download:
        viewer.press("Save the snapshot")
    assert download.value.path().read_bytes()[:3] == b"\xff\xd8\xff"
    moves(film)  # nothing of this stopped it
    stop(viewer)


def test_a_recording_plays_and_says_what_was_done(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    live(viewer)
    start(viewer)
    says_something(viewer)
    viewer.press("Record")
    expect(viewer.page.get_by_text(re.compile(r"0:0[2-9]$"))).to_be_visible()
    viewer.press("Stop recording")
    expect(viewer.page.get_by_role("heading", name="Recordings")).to_be_visible()
    (folder,) = (server.workspace / "recordings").iterdir()
    seen = video.probe(folder / "film.mp4")
    assert seen.codec == "h264" and seen.seconds > 1.5 and seen.frames > 5
    assert (folder / "events.csv").read_text().startswith("person,action,start,stop,mean probability")
    assert sorted(f.name for f in folder.iterdir()) == ["events.csv", "film.mp4"]
    stop(viewer)
    viewer.page.get_by_text("Play", exact=True).click()
    viewer.plays()
    viewer.page.get_by_text("Play", exact=True).click()  # what still loads while its page goes is a console error
    expect(viewer.page.locator("video")).to_have_count(0)

    start(viewer)  # one that is left while it records is finished all the same
    viewer.press("Record")
    expect(viewer.page.get_by_text(re.compile(r"0:0[2-9]$"))).to_be_visible()
    viewer.turn_to("Dataset")
    until(lambda: len(list((server.workspace / "recordings").glob("*/film.mp4"))) == 2)
    viewer.turn_to("Live")
    viewer.settled()
    asked = viewer.page.get_by_test_id("stPopover")
    for left in (1, 0):
        expect(asked).to_have_count(left + 1)
        viewer.settled()
        asked.first.get_by_role("button").click()
        viewer.press("Delete for good")
        expect(asked).to_have_count(left)
    until(lambda: not any((server.workspace / "recordings").iterdir()))


def test_nothing_piles_up_where_people_come_and_go(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    app = process(server)
    live(viewer)
    threads = []
    for _ in range(3):
        film = start(viewer)
        says_something(viewer)
        stop(viewer)
        start(viewer)
        viewer.turn_to("Dataset")
        viewer.settled()
        viewer.turn_to("Live")
        viewer.settled()
        expect(viewer.page.get_by_text("Press Start below the picture.")).to_be_visible()
        time.sleep(3)  # what ends by itself has a second for it
        threads.append(app.num_threads())
    assert film is not None
    assert threads[-1] <= threads[0] + 2, threads  # pools of the server may still grow a little

    start(viewer)
    says_something(viewer)
    busy = app.num_threads()
    viewer.page.close()
    until(lambda: app.num_threads() <= busy - 4, seconds=60)


def test_two_viewers_at_once(server: Server, visit: Visit) -> None:
    one, other = visit(server), visit(server)
    live(one)
    first = start(one)
    says_something(one)
    live(other)
    second = start(other)
    says_something(other)
    for film in (first, second):
        moves(film)
    stop(one)
    moves(second)
    says_something(other)
    stop(other)


def test_a_file_is_played_over_and_over(server: Server, visit: Visit, tmp_path: Path) -> None:
    viewer = visit(server)
    live(viewer)
    viewer.page.get_by_text("A file as camera", exact=True).click()
    expect(viewer.page.get_by_text("A clip from a data set")).to_be_visible()
    film = start(viewer)
    says_something(viewer)
    until(lambda: film.evaluate("v => v.currentTime") > 6)  # the clips are shorter
    moves(film)
    stop(viewer)

    viewer.page.get_by_text("Upload", exact=True).click()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    viewer.page.locator("input[type=file]").set_input_files(broken)
    expect(viewer.page.get_by_test_id("stAlert").filter(has_text="broken.mp4")).to_be_visible()
    clip = next((server.workspace / "datasets" / "example" / "wave").iterdir())
    viewer.page.locator("input[type=file]").set_input_files(clip)
    expect(viewer.page.get_by_test_id("stAlert")).to_have_count(0)
    viewer.settled()
    start(viewer)
    says_something(viewer)
    stop(viewer)


def test_the_connection_check_says_one_sentence(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    live(viewer)
    viewer.settled()  # a press while the page is still being built may be lost
    viewer.page.get_by_text("Connection", exact=True).click()
    viewer.press_until("Check the connection", viewer.page.get_by_test_id("stAlert").filter(has_text="All is well"))


def test_a_browser_without_a_camera_is_told_so(server: Server, browser: Browser) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    viewer = Viewer.at(context, server)
    live(viewer)
    viewer.settled()  # a press while the page is still being built may be lost
    viewer.page.get_by_text("Connection", exact=True).click()
    alert = viewer.page.get_by_test_id("stAlert").filter(has_text=re.compile("no camera|does not allow"))
    viewer.press_until("Check the connection", alert)
    context.close()


def test_it_fits_a_phone_while_it_plays(server: Server, visit: Visit) -> None:
    viewer = visit(server, width=390, height=844)
    live(viewer)
    start(viewer)
    says_something(viewer)
    assert viewer.sticks_out() == []
    stop(viewer)


@pytest.fixture(scope="module")
def detecting(server: Server, yolo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An app that has the same model and a detector."""
    workspace = tmp_path_factory.mktemp("detecting") / "workspace"
    shutil.copytree(server.workspace / "runs" / "ready", workspace / "runs" / "ready")
    (workspace / "weights").mkdir()
    (workspace / "weights" / yolo.name).symlink_to(yolo)
    with serving(workspace) as app:
        yield app


# How many pixels have nearly the colour of the first person's chip and box.
_FIRST = """v => {
  const c = Object.assign(document.createElement("canvas"), { width: 320, height: 240 }), g = c.getContext("2d");
  g.drawImage(v, 0, 0, 320, 240);
  const p = g.getImageData(0, 0, 320, 240).data;
  let n = 0;
  for (let i = 0; i < p.length; i += 4)
    n += Math.abs(p[i] - 86) + Math.abs(p[i + 1] - 180) + Math.abs(p[i + 2] - 233) < 90;
  return n; }"""


def test_people_are_boxed_and_numbered_for_each_viewer(detecting: Server, visit: Visit) -> None:
    one, other = visit(detecting), visit(detecting)
    for viewer in (one, other):  # the second one's first person is number 1 too
        live(viewer)
        viewer.page.get_by_text("Each person", exact=True).click()
        film = start(viewer)
        expect(viewer.page.locator(".har-live .card .chip").first).to_have_text("#1")
        says_something(viewer)
        until(lambda shown=film: shown.evaluate(_FIRST) > 100)
    for viewer in (one, other):
        stop(viewer)
