"""Made-up runs, and hands and eyes for a page under test."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from har_core.config import TrainConfig
from har_core.events import EpochEnded, Event, Prepared, Started, encode
from har_core.runs import Run
from har_core.ui import webrtc
from har_core.values import Rgb

ACTIONS = ("bright", "dark")
Open = Callable[..., AppTest]


def started(*, epochs: int = 5) -> Started:
    return Started(0.0, 1, epochs, "cpu", "fp32", "none: random numbers", ACTIONS, 6, 2, 0.5, 4.0)


def epochs(number: int) -> list[Event]:
    return [EpochEnded(e, 1 / e, 0.5, 1 / e, 0.5, 0.0, 1e-3, 60.0, True, True) for e in range(1, number + 1)]


def fake_run(workspace: Path, data: Path, events: list[Event], *, name: str = "run") -> Run:
    """A run's folder as a trainer would have written it."""
    folder = workspace / "runs" / name
    folder.mkdir(parents=True)
    config = TrainConfig(dataset=str(data), freeze_backbone=True)
    (folder / "config.json").write_text(json.dumps(config.to_json()), encoding="utf-8")
    (folder / "events.jsonl").write_text("".join(encode(e) for e in [Prepared(8, 8), *events]), encoding="utf-8")
    return Run(folder)


def button(app: AppTest, label: str) -> AppTest:
    """Clicks the button of this name."""
    return next(b for b in app.button if b.label == label).click().run()


def words(app: AppTest) -> str:
    """Everything the page says in texts, headings, captions, notes and metrics."""
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.error, app.warning, app.info, app.success)
    return "\n".join([*(e.value for kind in kinds for e in kind), *(f"{m.label} {m.value}" for m in app.metric)])


class Wire:
    """Stands in for the browser's connection: the page draws it, the test says how it stands."""

    def __init__(self, shown: Rgb | None = None) -> None:
        self.shown = shown  # what a connection begins with, for a second and a half
        self.state: webrtc.State = "stopped"
        self.asked: dict[str, Any] = {}
        self.sink: webrtc.Sink | None = None

    def stream(self, key: str, open_sink: Callable[[], webrtc.Sink], **asked: object) -> webrtc.State:
        self.asked = {"key": key, **asked}
        if self.state == "playing" and self.sink is None:
            self.sink = open_sink()
            if self.shown is not None:
                send(self.sink, self.shown, 30)
        return self.state


def send(sink: webrtc.Sink, rgb: Rgb, number: int, *, begin: float = 0.0) -> None:
    """Frames of a camera, 20 a second on its own clock, as fast as they are taken."""
    for i in range(number):
        assert sink.process(rgb, begin + i / 20, dropped=0).shape == rgb.shape
        time.sleep(0.005)
