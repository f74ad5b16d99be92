"""Chromium, the app as a server, and a small data set with a model for the tests that need one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from viewer import PATIENCE, Server, Viewer, Visit, serving

from har_core import PROJECT

_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine; none is downloaded."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sentence = "There is no chromium, chromium-browser or google-chrome on the PATH."
        if os.environ.get("HAR_REQUIRE_BROWSER"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_server(browser: Browser, tmp_path: Path) -> Iterator[Server]:
    """The app as on its first day: nothing in its workspace."""
    with serving(tmp_path / "first-day") as server:
        yield server


@pytest.fixture(scope="session")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app with a small example data set and a model of it. Runs may be added; each test ends its own."""
    workspace = tmp_path_factory.mktemp("server") / "workspace"
    data = workspace / "datasets" / "example"
    _command(workspace, "example", data, "--actors", 3)
    _command(workspace, "train", "--data", data, "--run", workspace / "runs" / "ready", "--epochs", 1)
    with serving(workspace) as server:
        yield server


def _command(workspace: Path, *arguments: object) -> None:
    command = [sys.executable, "-m", "har_core", *map(str, arguments)]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, "HAR_WORKSPACE": str(workspace)}, check=True)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Sends a new visitor, with cookies of their own, to a server."""
    contexts = []

    def come(server: Server, *, width: int = 1280, height: int = 900) -> Viewer:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True))
        contexts[-1].set_default_timeout(PATIENCE)
        viewers.append(Viewer.at(contexts[-1], server))
        return viewers[-1]

    viewers: list[Viewer] = []
    come.viewers = viewers  # type: ignore[attr-defined]  # for the report below
    yield come
    lost = [address for viewer in viewers for address in viewer.lost()]
    for context in contexts:
        context.close()
    assert lost == []
    assert [complaint for viewer in viewers for complaint in viewer.complaints] == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds what the server and the page said to the report of a test that failed."""
    report = yield
    given = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed:
        for server in (s for s in given.values() if isinstance(s, Server)):
            report.sections.append((f"stderr of {server.url}", server.log.read_text(errors="replace")[-20_000:]))
        for number, viewer in enumerate(getattr(given.get("visit"), "viewers", ())):
            picture = given["tmp_path"] / f"viewer-{number}.png"
            viewer.page.screenshot(path=picture)
            said = "\n".join([f"{viewer.page.url}, picture: {picture}", *viewer.complaints])
            report.sections.append((f"viewer {number}", f"{said}\n{viewer.page.locator('body').inner_text()[-5000:]}"))
    return report
