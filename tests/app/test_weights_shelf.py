import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import button, words
from streamlit.testing.v1 import AppTest

from har_core import weights
from har_core.errors import CheckpointError
from har_core.ui.weights import jobs


def page() -> None:
    from har_core.ui.weights import weights_shelf

    weights_shelf()


@pytest.fixture
def shelf(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The shelf on a page of its own; nothing was fetched, nothing comes with the project."""
    monkeypatch.setattr(weights, "PROJECT", workspace / "project")
    jobs.clear()
    return AppTest.from_function(page, default_timeout=30)


def labels(app: AppTest) -> list[str]:
    return [b.label for b in app.button]


def until(app: AppTest, told: Callable[[], bool]) -> AppTest:
    """The page as its timer draws it, once this holds."""
    end = time.monotonic() + 10
    while not told():
        assert time.monotonic() < end, words(app)
        time.sleep(0.05)
        app.run()
    return app


def test_what_is_missing_can_be_fetched(shelf: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half, rest = threading.Event(), threading.Event()

    def fetch(wanted: weights.Entry, *, progress: Callable[[int, int], None], cancelled: object) -> Path:
        progress(2_000_000, 4_000_000)
        half.set()
        assert rest.wait(10)
        wanted.path.parent.mkdir(parents=True)
        wanted.path.write_bytes(b"weights")
        return wanted.path

    monkeypatch.setattr(weights, "fetch", fetch)
    app = shelf.run()
    assert not app.exception and labels(app) == ["Fetch"] * 3
    assert all(name in words(app) for name in ("yolo11n", "yolo11s", "yolo26n")) and "resnet" not in words(app)
    began = time.monotonic()
    app = app.button(key="fetch yolo26n").click().run()
    assert time.monotonic() - began < 5, "nobody waits for the download"
    assert half.wait(5)
    app.run()
    assert not app.exception and labels(app) == ["Fetch", "Fetch", "Cancel"]
    another = AppTest.from_function(page, default_timeout=30).run()
    assert labels(another) == ["Fetch", "Fetch", "Cancel"], "every viewer sees it"
    rest.set()
    until(app, lambda: labels(app) == ["Fetch", "Fetch"])
    assert not app.exception and not app.error and "Ready" in words(app)
    assert weights.find_detector("auto") == workspace / "weights" / "yolo26n.pt"


def test_cancelling_is_heard(shelf: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(wanted: weights.Entry, *, progress: object, cancelled: Callable[[], bool]) -> Path:
        while not cancelled():
            time.sleep(0.02)
        raise CheckpointError("Fetching it was cancelled.")

    monkeypatch.setattr(weights, "fetch", fetch)
    app = shelf.run().button(key="fetch yolo11n").click().run()
    app = button(app, "Cancel")
    until(app, lambda: labels(app) == ["Fetch"] * 3)
    assert "Fetching it was cancelled" in words(app) and not app.error


def test_without_internet_a_sentence_says_so(shelf: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "RELEASE", "https://nobody.invalid/")
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    app = shelf.run()
    began = time.monotonic()
    app = app.button(key="fetch yolo11s").click().run()
    until(app, lambda: bool(app.error))
    assert time.monotonic() - began < 5 + 3, "the page itself takes a moment"
    assert "without internet" in app.error[0].value and not app.exception
    assert labels(app) == ["Fetch"] * 3


def test_a_bug_gets_a_reference(
    shelf: AppTest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(weights, "fetch", lambda *_, **__: 1 / 0)
    app = shelf.run().button(key="fetch yolo11s").click().run()
    until(app, lambda: bool(app.error))
    assert "not your fault" in app.error[0].value
    assert "ZeroDivisionError" in capsys.readouterr().err
