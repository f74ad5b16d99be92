"""A tiny data set, a tiny model and made-up runs, so that pages can be tested without training."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import ACTIONS, Open, Wire, epochs, fake_run, started
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from har_core import PROJECT, dataset, video
from har_core.config import ClipSpec, NetworkConfig
from har_core.events import Ended
from har_core.ui import webrtc


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of two actions and four groups, and one file that is no video."""
    root = tmp_path_factory.mktemp("clips") / "tiny"
    random = np.random.default_rng(0)
    for action, level in zip(ACTIONS, (200, 40), strict=True):
        for group in range(1, 5):
            path = root / action / f"v_{action}_g{group:02d}_c01.mp4"
            pictures = (np.clip(level + random.normal(0, 20, (48, 64, 3)), 0, 255).astype(np.uint8) for _ in range(15))
            video.write(path, pictures, frames_per_second=10)
    (root / "dark" / "broken.mp4").write_bytes(b"no video")
    return root


@pytest.fixture(autouse=True)
def no_background(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A page waits until its data set is read, for AppTest has no clock; nothing goes on behind the next test."""
    from har_core.ui import reading
    from har_core.ui.jobs import jobs

    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 120.0)
    monkeypatch.setattr(reading, "LOOK_SECONDS", 120.0)
    yield
    jobs().cancel_all()


@pytest.fixture
def through_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest forgets before each run that Home.py brings its own navigation, and would run the page without it."""
    make = PagesManager.__init__

    def remember(manager: PagesManager, *given: object, **named: object) -> None:
        make(manager, *given, **named)  # type: ignore[arg-type]
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", remember)


@pytest.fixture
def nothing_bundled(monkeypatch: pytest.MonkeyPatch, no_detector: None) -> None:
    """A project that came without recognisers and without a detector."""
    from har_core.ui import loaders

    monkeypatch.setattr(loaders, "bundled", list)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_bundled: None) -> Path:
    """An empty workspace, and nothing but it."""
    monkeypatch.setenv("HAR_WORKSPACE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    """A workspace with a data set and a finished run that left a model. Tests only look at it."""
    from har_core import checkpoint
    from har_core.network import ActionNetwork

    root = tmp_path_factory.mktemp("ready")
    source = dataset.read(dataset.link(root, "tiny", clips))
    parts = dataset.split(source.clips, validation_fraction=0.25)
    run = fake_run(root, source.root, [started(), *epochs(2), Ended("epochs", 2, 0.5)], name="done")
    shape = NetworkConfig(weights="none", lstm_size=8)
    card = checkpoint.Card(
        ACTIONS, ClipSpec(window_seconds=0.5, frames_per_second=4, most_frames=2, size=32), shape, windows=3,
        split={"train": [source.relative(c) for c in parts.train],
               "validation": [source.relative(c) for c in parts.validation], "test": []},
    )  # fmt: skip
    checkpoint.save(run.best, ActionNetwork(shape, 2), card)
    return root


@pytest.fixture
def ready_workspace(ready: Path, monkeypatch: pytest.MonkeyPatch, nothing_bundled: None) -> Path:
    monkeypatch.setenv("HAR_WORKSPACE", str(ready))
    return ready


@pytest.fixture
def open_page(through_home: None) -> Iterator[Open]:
    """Opens the app at a page, as a browser does by its address."""

    def open_(page: str = "", **state: object) -> AppTest:
        app = AppTest.from_file(str(PROJECT / "Home.py"), default_timeout=60)
        for key, value in state.items():
            app.session_state[key] = value
        app.run()
        return app.switch_page(f"pages/{page}.py").run() if page else app

    yield open_


@pytest.fixture(autouse=True)
def no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest has no connections: where a page draws a camera's picture, nobody has pressed Start."""
    monkeypatch.setattr(webrtc, "stream", Wire().stream)


@pytest.fixture(autouse=True)
def analysed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Video Predict does not start a process: what is asked for is done, in this one, before the page goes on."""
    from har_core import analyse_commands, analyses, attendant

    loaded = analyse_commands.Loaded()

    def ensure(root: Path) -> None:
        for ticket in analyses.tickets(root):
            with analyses.claimed(ticket):
                ended = analyse_commands.work(ticket.task, ticket.what, loaded, lambda word: None)
                message = str(ended.get("message", ""))
                ticket.task.tell(analyses.State(ended["end"], took=1.0, message=message))  # type: ignore[arg-type]

    monkeypatch.setattr(attendant, "ensure", ensure)
    monkeypatch.setattr(attendant, "warm", lambda root, model: None)
