"""Video Predict in a real browser: the player that jumps, the annotated video that plays, viewers kept apart."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from test_cutting import _FIELDS, _SHOWN, frame
from viewer import FIRST_VIDEO, Server, Viewer, Visit, serving

from har_core import PROJECT, analyses, discarded, intake, video
from har_core.analyses import Request, State, Task
from har_core.lanes import Analysis, Lane
from har_core.values import Prediction, Segment
from har_core.video import probe

ANN, BOB = "a1" * 16, "b2" * 16
CLASSES = ("none", "walk", "wave")
RATE, SECONDS = 10, 12.0
_AT_WORK = re.compile("Looking (for people|at what is done)")


def lane(track: int | None, start: float, stop: float, *segments: tuple[str, float, float]) -> Lane:
    moments = np.arange(start, stop, 0.25, dtype=np.float32)
    rows = np.full((len(moments), 3), 0.2, np.float32)
    for action, begin, end in segments:
        rows[(moments >= begin) & (moments < end), CLASSES.index(action)] = 0.6
    rows[rows.max(axis=1) < 0.5] = 1 / 3
    parts = tuple(Segment(track, action, begin, end, 0.6) for action, begin, end in segments)
    return Lane(track, start, stop, Prediction(np.array([0.2, 0.3, 0.5]), CLASSES, 0.4), parts, moments, rows)


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app with nothing but the models that came with it."""
    with serving(tmp_path_factory.mktemp("predict") / "workspace") as server:
        yield server


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s in which each frame shows its number."""
    path = tmp_path_factory.mktemp("films") / "numbers.mp4"
    video.write(path, map(frame, range(int(SECONDS * RATE))), frames_per_second=RATE)
    return path


def seed(
    root: Path, film: Path, *, viewer: str = ANN, name: str = "numbers <i>.mp4", crowd: int = 0, mend: bool = False
) -> Task:
    """An analysis that is done, of made-up lanes; `crowd` more people pass by, the later ones shorter, the last at the
    end; `mend`: its people can be corrected."""
    model = PROJECT / "models" / "actions-interaction" if mend else "/models/none"
    # Without a ticket: an attendant of an earlier test may still take it.
    with film.open("rb") as content, mock.patch.object(Task, "ask"):
        task = intake.begin(root, viewer, Request(name, str(model), "made-up"), content)
    found = Analysis(
        name, probe(film), "made-up", CLASSES, 0.4,
        lane(None, 0.0, SECONDS, ("walk", 1.0, 4.0), ("wave", 6.0, 9.0), ("none", 9.5, 11.5)),
        (lane(1, 0.0, 8.0, ("walk", 1.0, 3.5), ("wave", 6.0, 8.0)), lane(2, 2.0, SECONDS, ("wave", 5.0, 11.0)),
         *(lane(3 + n, 0.0, max(0.5, 6.0 - 0.3 * n)) for n in range(crowd - 1)),
         *((lane(2 + crowd, 10.5, SECONDS, ("walk", 10.5, 11.5)),) if crowd else ())),
        settings={"window_seconds": 2.0},
    )  # fmt: skip
    from har_core.analyse_commands import keep_answer

    keep_answer(task, found)
    if mend:
        (task.keep / "traces").mkdir(parents=True)
    task.tell(State("done", at=time.time(), took=2.0))
    return task


def known(visit: Visit, server: Server, viewer: str = ANN, **window: int) -> Viewer:
    """Somebody who has been here before."""
    visitor: Viewer = visit(server, **window)
    visitor.page.context.add_cookies([{"name": "har_viewer", "value": viewer, "url": server.url}])
    return visitor


def cookie(viewer: Viewer) -> str:
    """The id that the browser keeps."""
    found: list[str] = []

    def kept() -> bool:
        found[:] = [str(c["value"]) for c in viewer.page.context.cookies() if c["name"] == "har_viewer"]
        return bool(found)

    until(kept)
    return found[0]


def player(page: Page) -> Locator:
    found = page.locator(".player.ready")
    expect(found).to_be_visible()
    return found


def second(page: Page) -> float:
    return float(page.locator("video.film").evaluate("v => v.currentTime"))


def shown(page: Page) -> int:
    """The number of the frame on display."""
    page.wait_for_function(f"() => (v => v && !v.seeking && v.readyState > 1)(({FIRST_VIDEO})())")
    return int(page.locator("video.film").evaluate(f"v => ({_SHOWN})(v, {_FIELDS})"))


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


@pytest.fixture
def ann(server: Server, visit: Visit, film: Path) -> Iterator[Viewer]:
    """A viewer with one analysis of made-up lanes, on its page."""
    seed(server.workspace, film)
    viewer = known(visit, server)
    viewer.open("predict")
    player(viewer.page)
    yield viewer
    for task in analyses.listed(server.workspace, ANN):
        discarded.delete(task)
    discarded.empty_trash(server.workspace, ANN)


def test_a_click_on_a_segment_makes_the_video_jump_there(ann: Viewer) -> None:
    page = ann.page
    for label, start in (("Whole picture: wave", 6.0), ("Person 2: wave", 5.0), ("Person 1: walk", 1.0)):
        page.get_by_role("button", name=f"{label}, 0:0{start:.1f}").click()
        assert abs(second(page) - start) < 0.06 and shown(page) == round(start * RATE)
    # A click beside the segments goes to that place.
    box = page.locator(".row .track[data-lane='0']").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 5.0 / SECONDS, box["y"] + 20)
    assert abs(second(page) - 5.0) < 0.15
    expect(page.locator(".now .said")).to_have_text("unsure")
    # A button of the table does the same as the segment.
    page.get_by_text("As a table").click()
    page.get_by_role("button", name="Go to 0:09.5").click()
    assert abs(second(page) - 9.5) < 0.06
    expect(page.locator(".now .said")).to_have_text("none")
    assert page.locator("i").filter(has_text=".mp4").count() == 0  # the name is text, no markup


def test_it_plays_and_the_playhead_moves_with_it(ann: Viewer) -> None:
    page = ann.page
    before = page.locator(".head").evaluate("e => e.getBoundingClientRect().left")
    ann.plays()
    page.wait_for_function(f"() => ({FIRST_VIDEO})().currentTime > 1.2")
    assert page.locator(".head").evaluate("e => e.getBoundingClientRect().left") > before + 20
    expect(page.locator(".now .said")).to_have_text("walk")
    page.get_by_role("button", name="Subtitles", exact=True).click()
    page.wait_for_function(f"() => (({FIRST_VIDEO})().textTracks[0]?.cues?.length ?? 0) >= 2")


def test_hovering_shows_time_and_probabilities(ann: Viewer) -> None:
    page = ann.page
    track = page.locator(".row .track[data-lane='2']")
    box = track.bounding_box()
    assert box is not None
    track.hover(position={"x": box["width"] * 7.0 / SECONDS, "y": 15}, force=True)  # a segment lies over it
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("Person 2")
    expect(tip.locator("p").first).to_have_text("wave60%")
    assert second(page) < 0.05  # looking changes nothing
    page.mouse.move(10, 10)
    expect(tip).to_be_hidden()


def test_everything_can_be_reached_with_keys(ann: Viewer) -> None:
    page = ann.page
    page.locator(".ruler").focus()
    page.keyboard.press("ArrowRight")
    assert 0.4 < second(page) < 1.1
    page.keyboard.press("Tab")  # the name of the first lane
    page.keyboard.press("Tab")  # its segments are one stop
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert abs(second(page) - 6.0) < 0.06 and shown(page) == 60
    expect(page.locator(".told")).to_have_text("Whole picture: wave, 0:06.0 to 0:09.0, 60%.")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert abs(second(page) - 5.0) < 0.06 and shown(page) == 50


def test_looking_closer_shows_less_of_the_time(ann: Viewer) -> None:
    page = ann.page
    walk = page.get_by_role("button", name="Person 1: walk, 0:01.0")
    before = walk.bounding_box()
    walk.click()
    page.get_by_role("button", name="Show less of the time").click()
    after = walk.bounding_box()
    assert before is not None and after is not None and after["width"] > 1.5 * before["width"]
    page.get_by_role("button", name="Show more of the time").click()
    expect(page.get_by_role("button", name="Show more of the time")).to_be_disabled()


def test_of_a_crowd_those_in_view_longest_come_first(server: Server, visit: Visit, film: Path) -> None:
    task = seed(server.workspace, film, viewer=BOB, crowd=10)
    viewer = known(visit, server, BOB)
    viewer.open("predict")
    player(viewer.page)
    rows = viewer.page.locator(".rows .row:visible")
    expect(rows).to_have_count(1 + 8)
    # Looking closer, it is those in view there.
    late = viewer.page.get_by_role("button", name="Person 12: walk, 0:10.5")
    expect(late).to_be_hidden()
    ruler = viewer.page.locator(".ruler")
    box = ruler.bounding_box()
    assert box is not None
    ruler.click(position={"x": 0.92 * box["width"], "y": box["height"] / 2})
    for _ in range(3):
        viewer.page.get_by_role("button", name="Show less of the time").click()
    expect(late).to_be_visible()
    expect(rows).to_have_count(1 + 8)
    for _ in range(3):
        viewer.page.get_by_role("button", name="Show more of the time").click()
    expect(late).to_be_hidden()
    viewer.press("Show all 12 people")
    expect(rows).to_have_count(1 + 12)
    expect(viewer.page.locator(".person:visible")).to_have_count(12)
    discarded.delete(task)


def test_a_crowd_of_hundreds_costs_only_who_is_shown(server: Server, visit: Visit, film: Path) -> None:
    task = seed(server.workspace, film, viewer=BOB, crowd=300, mend=True)
    viewer = known(visit, server, BOB)
    viewer.open("predict")
    player(viewer.page)
    # Each could be the same as each other: 302 times 301 choices, where only eight people are shown.
    expect(viewer.page.locator(".person")).to_have_count(8)
    assert viewer.page.locator(".person option").count() == 8
    same = viewer.page.get_by_label("Person 2 is the same as")
    same.focus()
    expect(same.locator("option")).to_have_count(302)
    viewer.press("Show 40 more of 302 people")
    expect(viewer.page.locator(".person:visible")).to_have_count(48)
    expect(viewer.page.locator(".rows .row:visible")).to_have_count(1 + 48)
    assert viewer.page.locator(".person option").count() == 301 + 48
    discarded.delete(task)


def test_a_correction_that_fails_says_so_where_it_was_asked_for(server: Server, visit: Visit, film: Path) -> None:
    task = seed(server.workspace, film, mend=True)  # its traces are gone
    viewer = known(visit, server)
    viewer.open("predict")
    told = player(viewer.page).locator(".told")
    same = viewer.page.get_by_label("Person 2 is the same as")
    same.focus()  # its choices are made when they are asked for
    same.select_option(index=1)
    expect(told).to_have_class("told wrong")
    expect(told).to_have_text(re.compile("is not kept any more .No such file or directory.. Analyse it again"))
    expect(same).to_have_value("")
    discarded.delete(task)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits(server: Server, visit: Visit, film: Path, width: int) -> None:
    task = seed(server.workspace, film)
    viewer = known(visit, server, width=width, height=844)
    viewer.open("predict")
    player(viewer.page)
    assert viewer.sticks_out() == []
    viewer.page.get_by_role("button", name="Person 1: walk, 0:01.0").click()
    assert abs(second(viewer.page) - 1.0) < 0.06
    discarded.delete(task)


def test_viewers_do_not_see_each_other(server: Server, visit: Visit, film: Path) -> None:
    ann, bob = visit(server), visit(server)
    ann.open("predict")
    ann.page.locator("input[type=file]").set_input_files(film)
    ann.press("Analyse")
    player(ann.page)
    expect(ann.page.locator(".card .name")).to_contain_text("numbers.mp4")
    bob.open("predict")
    expect(bob.page.get_by_text("Your videos")).to_have_count(0)
    expect(bob.page.get_by_text("numbers.mp4")).to_have_count(0)
    ids = [cookie(viewer) for viewer in (ann, bob)]
    assert len(set(ids)) == 2 and all(map(analyses.is_viewer, ids))
    # The address of Ann's video shows Bob nothing: it is looked for among his own.
    bob.page.goto(ann.page.url)
    bob.settled()
    expect(bob.page.get_by_text("numbers.mp4")).to_have_count(0)
    # Ann comes back, in a new tab.
    ann.page.goto("about:blank")
    ann.open("predict")
    player(ann.page)
    expect(ann.page.locator(".card .name")).to_contain_text("numbers.mp4")
    ann.press("Delete")
    expect(ann.page.get_by_text("1 video is deleted")).to_be_visible()
    expect(ann.page.locator(".card")).to_have_count(0)
    ann.press("Undo")
    expect(ann.page.locator(".card .name")).to_contain_text("numbers.mp4")


def test_the_annotated_video_plays_and_is_taken_away(server: Server, visit: Visit, film: Path, tmp_path: Path) -> None:
    viewer = visit(server)
    viewer.open("predict")
    page = viewer.page
    page.locator("input[type=file]").set_input_files(film)
    page.get_by_text("Annotated video", exact=True).click()
    viewer.settled()
    viewer.press("Analyse")
    player(page)
    page.get_by_role("button", name="Annotated", exact=True).click()
    expect(page.get_by_role("button", name="Annotated", exact=True)).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(
        f"() => {{ const v = ({FIRST_VIDEO})(); v.muted = v.loop = true; v.play().catch(() => {{}});"
        " return v.readyState >= 2 && v.videoWidth > 0 && v.currentTime > 0.3; }"
    )
    with page.expect_download() as download:
        page.get_by_text("Download annotated video").click()
    assert download.value.suggested_filename == "numbers-annotated.mp4"
    download.value.save_as(tmp_path / "annotated.mp4")
    drawn, plain = probe(tmp_path / "annotated.mp4"), probe(film)
    assert drawn.codec == "h264" and drawn.seconds == pytest.approx(plain.seconds, abs=0.2)
    # Jumping works in it too.
    page.locator(".ruler").focus()
    page.locator("video.film").evaluate("v => v.pause()")
    page.keyboard.press("Home")
    assert second(page) < 0.1


def test_hostile_files_cost_one_sentence_each(server: Server, visit: Visit, film: Path, tmp_path: Path) -> None:
    whole = film.read_bytes()
    for name, content in {
        "text.mp4": b"this is no video " * 100, "half.mp4": whole[: len(whole) // 2], "empty.mp4": b"",
        "list.mp4": b"#EXTM3U\nfile:///etc/passwd\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    viewer = visit(server)
    viewer.open("predict")
    viewer.page.locator("input[type=file]").set_input_files([*sorted(tmp_path.glob("*.mp4")), film])
    viewer.press("Analyse 5 videos")
    player(viewer.page)  # the good one is named all the same
    for name in ("text.mp4", "empty.mp4", "list.mp4"):
        expect(viewer.page.get_by_test_id("stAlert").filter(has_text=name)).to_have_count(1)
    card = viewer.page.locator(".card").filter(has_text="half.mp4")  # a part of it decodes
    expect(card).to_contain_text("damaged")
    card.click()
    expect(viewer.page.get_by_test_id("stAlert").filter(has_text="half.mp4 is damaged")).to_be_visible()
    expect(viewer.page.get_by_test_id("stException")).to_have_count(0)


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty minutes: longer than any test."""
    path = tmp_path_factory.mktemp("long") / "endless.mp4"
    grey = [np.full((48, 64, 3), 40 + n, np.uint8) for n in range(100)]
    video.write(path, (grey[n % 100] for n in range(12_000)), frames_per_second=10)
    return path


def test_cancelling_ends_it_and_nothing_is_left_running(server: Server, visit: Visit, endless: Path) -> None:
    viewer = visit(server)
    viewer.open("predict")
    viewer.page.locator("input[type=file]").set_input_files(endless)
    viewer.press("Analyse")
    row = viewer.page.locator(".st-key-under_way, [class*='st-key-under']").first
    expect(row).to_contain_text(_AT_WORK)
    viewer.press("Cancel")
    expect(viewer.page.get_by_text("was cancelled")).to_be_visible()
    expect(viewer.page.get_by_role("button", name="Try again")).to_be_visible()
    (task,) = analyses.listed(server.workspace, cookie(viewer))
    assert task.state().stage == "stopped" and not task.alive()


def test_an_analysis_outlives_the_tab_and_the_app(
    browser: Browser, visit: Visit, tmp_path: Path, endless: Path
) -> None:
    workspace = tmp_path / "workspace"
    with serving(workspace, close=False) as first:
        viewer = known(visit, first)
        viewer.open("predict")
        viewer.page.locator("input[type=file]").set_input_files(endless)
        viewer.press("Analyse")
        expect(viewer.page.get_by_text(_AT_WORK)).to_be_visible()
        viewer.page.reload()
        viewer.settled()
        expect(viewer.page.get_by_text(_AT_WORK)).to_be_visible()
        viewer.page.close()
        viewer.complaints.clear()
    (task,) = analyses.listed(workspace, ANN)
    reached = task.state().done
    until(lambda: task.state().done > reached)  # nobody looks and no app is there: it goes on
    with serving(workspace) as second_:
        again = known(visit, second_)
        again.open("predict")
        expect(again.page.get_by_text(_AT_WORK)).to_be_visible()
        # Whoever works on it is killed: the page says so in a sentence.
        for number in range(2):
            slot = analyses.queue(workspace) / f"slot-{number}"
            if slot.exists() and task.alive():
                os.kill(int(slot.read_text().split()[0]), signal.SIGKILL)
        expect(again.page.get_by_text("ended before it was done")).to_be_visible()
        again.press("Try again")
        expect(again.page.get_by_text("endless.mp4").first).to_be_visible()
        again.press("Cancel")
        until(lambda: not task.alive() and task.state().stage == "stopped")
        expect(again.page.locator(".card")).to_contain_text("cancelled")
    assert json.loads((task.folder / "state.json").read_text())["stage"] == "stopped"
