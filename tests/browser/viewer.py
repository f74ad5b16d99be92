"""A server with a workspace of its own, and a person at a browser who notes what a page does wrong."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from har_core import PROJECT, attendant, runs

PATIENCE = 120_000
"""Milliseconds that a state may take on a busy machine before a test gives up on it."""
# Streamlit's front end asks for these below the page's own path before it knows where its server is.
_PROBED = re.compile(r"/_stcore/(health|host-config)$")
# Components of our own keep their parts in a shadow root, where a document's own search does not look.
FIRST_VIDEO = """() => { const all = r => [...r.querySelectorAll("video"),
  ...[...r.querySelectorAll("*")].flatMap(e => e.shadowRoot ? all(e.shadowRoot) : [])]; return all(document)[0]; }"""
_STICKS_OUT = """() => {
  const cut = e => { for (let p = e.parentElement; p; p = p.parentElement)
    if (p.dataset.testid !== "stMain" && /auto|scroll|hidden|clip/.test(getComputedStyle(p).overflowX)) return true; };
  const out = [...document.querySelectorAll(".stMain *, header *")].filter(e => e.checkVisibility()
    && e.getBoundingClientRect().right > innerWidth + 1 && !cut(e)).map(e => e.outerHTML.slice(0, 160));
  for (const e of [document.documentElement, document.querySelector("[data-testid=stMain]")])
    if (e.scrollWidth > e.clientWidth) out.push(`${e.tagName} scrolls: ${e.scrollWidth} in ${e.clientWidth} px`);
  return out; }"""


@dataclass(frozen=True, slots=True)
class Server:
    """The app, running: where it answers, where it keeps the user's things, what it said on stderr."""

    url: str
    workspace: Path
    log: Path

    def runs(self) -> list[runs.Run]:
        """Its training runs, newest first."""
        return runs.all_runs(self.workspace / "runs")


@contextlib.contextmanager
def serving(workspace: Path, *, close: bool = True) -> Iterator[Server]:
    """Start the app as a user does, on a free port; afterwards end it and what it began, analyses only if `close`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", workspace, workspace.with_name(f"{workspace.name}-stderr.txt"))
    command = [sys.executable, "-m", "streamlit", "run", "Home.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    with server.log.open("w") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            env={**os.environ, "HAR_WORKSPACE": str(workspace)}, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_healthy(server, process)
        yield server
    finally:
        for run in server.runs():  # each is a process group of its own
            run.stop(patience=1.0)
        if close:
            attendant.close(server.workspace)
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)


def _wait_until_healthy(server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"The app did not start:\n{server.log.read_text()}")


@dataclass(slots=True)
class Viewer:
    """One browser window on one server. `complaints` collects what no page may do."""

    page: Page
    server: Server
    complaints: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, context: BrowserContext, server: Server) -> "Viewer":
        viewer = cls(context.new_page(), server)
        viewer.page.on("pageerror", lambda error: viewer.complaints.append(f"uncaught exception: {error}"))
        viewer.page.on("console", lambda message: viewer._listen(message))  # Playwright would mark a method
        viewer.page.on("request", lambda request: viewer._look_at(request.url))
        viewer.page.on("websocket", lambda socket: viewer._look_at(socket.url))
        return viewer

    def _listen(self, message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        if message.type != "error" or _PROBED.search(urlsplit(address).path):
            return
        if "/media/" in address and "404" in message.text:  # judged when the page is at rest: see `lost`
            self.gone.append(address)
            return
        self.complaints.append(f"console error: {message.text} {message.location}")

    def lost(self) -> list[str]:
        """Pictures and films that the page shows and the server does not have.

        One that a newer picture has replaced while the browser still asked for it is no loss to anybody.
        """
        if not self.gone or self.page.is_closed():
            return []
        shown = self.page.evaluate("() => [...document.querySelectorAll('[src]')].map(e => e.src)")
        return [f"not found, though it is on the page: {address}" for address in self.gone if address in shown]

    def _look_at(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.server.url).netloc:
            self.complaints.append(f"request to another host: {url[:200]}")

    def open(self, path: str = "") -> Page:
        """Go to a page by its address, and wait until all of it is there."""
        self.page.goto(f"{self.server.url}/{path}")
        self.settled()
        return self.page

    def settled(self) -> None:
        """Wait until the page's script has run to its end."""
        expect(self.page.locator("h1")).to_be_visible()
        expect(self.page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
        expect(self.page.locator("[data-stale=true]")).to_have_count(0)

    def turn_to(self, title: str) -> None:
        """Click a page's name in the bar at the top."""
        self.page.get_by_test_id("stTopNavLink").filter(has_text=title).click()
        expect(self.page.locator("h1")).to_have_text(title)

    def press(self, name: str) -> None:
        """Click the button of this name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def press_until(self, name: str, sign: Locator) -> None:
        """Click a button, and again where a page that was still being built lost the press, until `sign` is there."""
        for patience in (PATIENCE / 8, PATIENCE / 4, PATIENCE):
            self.settled()
            self.press(name)
            with contextlib.suppress(AssertionError):
                expect(sign.first).to_be_visible(timeout=patience)
                return
        expect(sign.first).to_be_visible()

    def fill_in(self, label: str, value: object) -> None:
        """Type into a field and leave it."""
        entry = self.page.get_by_label(label, exact=True)
        entry.fill(str(value))
        entry.press("Enter")

    def badge(self, word: str) -> Locator:
        """The badge that says how a run stands."""
        return self.page.locator(".stMarkdownBadge").filter(has_text=re.compile(rf"{word}$"))  # its icon is text too

    def metric(self, name: str) -> str:
        """The number on a tile, as it is shown."""
        tile = self.page.get_by_test_id("stMetric").filter(has=self.page.get_by_text(name, exact=True))
        return tile.get_by_test_id("stMetricValue").inner_text()

    def plays(self) -> None:
        """Start the first video as its button would, and wait until it has a picture and moves."""
        # Asked each time: a rerun of the page may put a new element in the place of the one that was started.
        start = "if (v && v.paused && !v.ended) { v.scrollIntoView({block: 'center'}); v.muted = true; "
        start += "v.play().catch(() => {}); }"
        moving = "v && v.readyState >= 2 && v.videoWidth > 0 && v.currentTime > 0"
        self.page.wait_for_function(f"() => {{ const v = ({FIRST_VIDEO})(); {start} return {moving}; }}")

    def in_epoch(self, number: int) -> None:
        """Wait until the page says that a run is in this epoch or a later one."""
        self.page.wait_for_function(
            "least => Number(document.body.innerText.match(/Epoch (\\d+) of/)?.[1] ?? 0) >= least",
            arg=number, timeout=PATIENCE,
        )  # fmt: skip

    def sticks_out(self) -> list[str]:
        """What is wider than the window, and would make the page scroll sideways."""
        found: list[str] = self.page.evaluate(_STICKS_OUT)
        return found


Visit = Callable[..., Viewer]
"""What the fixture `visit` gives: a server and the size of a window to a new viewer."""
