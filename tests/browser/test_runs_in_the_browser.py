"""A training run as seen from the browser: Stop ends it, Resume goes on, several people follow the same one."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from playwright.sync_api import expect
from viewer import Server, Viewer, Visit

from har_core import runs, searches
from har_core.config import TrainConfig
from har_core.events import Started
from har_core.ui.choose import run_title


@pytest.fixture
def endless(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[runs.Run]:
    """A run that ends when it is told to."""
    monkeypatch.setenv("HAR_WORKSPACE", str(server.workspace))
    data = str(server.workspace / "datasets" / "example")
    config = TrainConfig(dataset=data, epochs=10_000, freeze_epochs=10_000, patience=10_000)
    run = runs.start(config, server.workspace / "runs", name="endless")
    yield run
    run.stop(patience=1.0)
    shutil.rmtree(run.folder)


def trainer(run: runs.Run) -> psutil.Process:
    """The process that trains the run."""
    return psutil.Process(int((run.folder / "lock").read_text()))


def ends(process: psutil.Process) -> bool:
    """Whether it goes, within the seconds that Python takes to tidy up; one not yet asked for by its parent is gone."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def link(run: runs.Run) -> str:
    """The address under which this run is looked at, as the page writes it."""
    return f"train?run={quote(run_title(run.name))}"


def stop(viewer: Viewer) -> None:
    viewer.press("Stop")
    expect(viewer.badge("stopped")).to_be_visible()
    expect(viewer.page.get_by_text("It was stopped; Resume goes on")).to_be_visible()
    expect(viewer.page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)


def test_stop_ends_the_process_and_resume_goes_on(server: Server, visit: Visit, endless: runs.Run) -> None:
    viewer = visit(server)
    viewer.open(link(endless))
    expect(viewer.badge("running")).to_be_visible()
    viewer.in_epoch(3)
    expect(viewer.page.get_by_role("button", name="Evaluate it")).to_be_visible()  # what there is by now can be tried
    viewer.page.get_by_text("Learning rates and all epochs").click()
    viewer.in_epoch(6)
    first = trainer(endless)
    assert first.is_running()
    stop(viewer)
    assert not endless.alive() and ends(first)
    done = endless.epochs()[-1].epoch
    with viewer.page.expect_download() as download:  # what was unfolded in the third epoch still is
        viewer.press("Epochs as CSV")
    table = download.value.path().read_text().splitlines()
    assert table[0].startswith("epoch,train loss,train accuracy") and len(table) == 1 + done >= 6

    viewer.press("Resume")
    expect(viewer.badge("running")).to_be_visible()
    viewer.in_epoch(done + 2)
    second = trainer(endless)
    assert second.pid != first.pid
    stop(viewer)
    assert not endless.alive() and ends(second)
    assert [e.epoch for e in endless.events() if isinstance(e, Started)] == [1, done + 1]
    assert [e.epoch for e in endless.epochs()] == list(range(1, endless.epochs()[-1].epoch + 1))


def test_two_browsers_follow_the_same_run(server: Server, visit: Visit, endless: runs.Run) -> None:
    one, other = visit(server), visit(server)
    for viewer in (one, other):
        viewer.open(link(endless))
    for viewer in (one, other):
        expect(viewer.badge("running")).to_be_visible()
        viewer.in_epoch(2)
    seen = endless.epochs()[-1].epoch
    for viewer in (one, other):  # neither takes the news from the other
        viewer.in_epoch(seen + 2)
    one.press("Stop")
    for viewer in (one, other):
        expect(viewer.badge("stopped")).to_be_visible()
        expect(viewer.page.get_by_role("button", name="Resume")).to_be_visible()
    assert not endless.alive()
    assert one.metric("Best accuracy") == other.metric("Best accuracy")


def test_a_run_is_exported_imported_deleted_and_taken_back(server: Server, visit: Visit, tmp_path: Path) -> None:
    viewer = visit(server)
    viewer.open("train?run=ready")
    before = {run.name for run in server.runs()}
    viewer.page.get_by_role("button", name="About").click()
    with viewer.page.expect_download() as download:
        viewer.page.get_by_role("button", name="Export as .zip").click()
    file = tmp_path / "run.zip"
    download.value.save_as(file)
    viewer.page.keyboard.press("Escape")
    viewer.page.get_by_text("Import a run").click()
    viewer.page.locator("input[type=file]").set_input_files(file)
    viewer.page.get_by_role("button", name="Import", exact=True).click()
    expect(viewer.page.get_by_role("button", name="Import", exact=True)).to_have_count(0)
    viewer.settled()
    (brought,) = {run.name for run in server.runs()} - before
    expect(viewer.page.get_by_role("combobox", name="Run")).to_have_value(run_title(brought))

    viewer.press("Delete")
    expect(viewer.page.get_by_text("is in the trash")).to_be_visible()
    assert {run.name for run in server.runs()} == before
    expect(viewer.page.get_by_role("combobox", name="Run")).not_to_have_value(run_title(brought))
    viewer.press("Undo")
    expect(viewer.page.get_by_text("is in the trash")).to_have_count(0)
    expect(viewer.page.get_by_role("combobox", name="Run")).to_have_value(run_title(brought))
    assert {run.name for run in server.runs()} == {*before, brought}
    shutil.rmtree(server.workspace / "runs" / brought)


def test_a_search_tries_settings_and_can_be_stopped(server: Server, visit: Visit) -> None:
    viewer = visit(server)
    viewer.open("train")
    viewer.page.get_by_role("radio", name="Search").click()
    viewer.press("Start the search")
    try:
        expect(viewer.badge("running")).to_be_visible()
        expect(viewer.page.get_by_text("Tries", exact=True)).to_be_visible(timeout=300_000)
        expect(viewer.page.get_by_text("your own settings").first).to_be_visible()
        viewer.press("Stop")
        expect(viewer.badge("stopped")).to_be_visible()
        viewer.settled()
        assert viewer.sticks_out() == []
    finally:
        for each in searches.all_searches(server.workspace / "searches"):
            each.stop()
    (found,) = searches.all_searches(server.workspace / "searches")
    assert found.tries() and viewer.metric("Own settings") == f"{found.tries()[0].accuracy:.1%}"
    viewer.page.reload()
    viewer.settled()
    shutil.rmtree(found.folder)
