"""How long the Dataset page takes with a large data set: its first reading, and each thing that a user does then.

The data set is made of hard links to a few tiny films, so that 10,000 clips take no room. Nothing is asserted.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILMS, GROUPS = 40, 50


def make(root: Path, *, clips: int, actions: int) -> None:
    """A data set of so many clips: `action_07/v_action_07_g03_c0123.mp4`."""
    from har_core import video

    films = []
    for number in range(FILMS):
        film = root.parent / "films" / f"{number}.mp4"
        if not film.exists():
            random = np.random.default_rng(number)
            picture = random.integers(0, 256, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            shown = (np.roll(picture, 2 * t, axis=1) for t in range(10 + number % 20))
            video.write(film, shown, frames_per_second=10)
        films.append(film)
    for number in range(clips):
        action, group = f"action_{number % actions:02d}", number // actions % GROUPS
        clip = root / action / f"v_{action}_g{group:02d}_c{number:05d}.mp4"
        if not clip.exists():
            clip.parent.mkdir(parents=True, exist_ok=True)
            os.link(films[(number * 7 + number // 11) % FILMS], clip)


def timed(name: str, work: Callable[[], Any], *, times: int = 1) -> Any:  # whatever it gives
    """Run it; say the median of its durations."""
    found, taken = None, []
    for _ in range(times):
        began = time.perf_counter()
        found = work()
        taken.append(time.perf_counter() - began)
    print(f"{name:44} {statistics.median(taken):8.3f} s", flush=True)
    return found


def pages(root: Path) -> None:
    """The page as AppTest runs it: everything but the browser."""
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.testing.v1 import AppTest

    from har_core import PROJECT, dataset, workspace
    from har_core.ui import reading

    made = PagesManager.__init__

    def through_home(manager: PagesManager, *given: Any, **named: Any) -> None:
        made(manager, *given, **named)
        PagesManager.uses_pages_directory = False

    PagesManager.__init__ = through_home  # type: ignore[method-assign]  # AppTest would run the page without its frame
    reading.PATIENCE_SECONDS = 600.0
    if root.name not in dataset.datasets(workspace()):
        dataset.link(workspace(), root.name, root)
    app = AppTest.from_file(str(PROJECT / "Home.py"), default_timeout=900)
    app.session_state["data"] = root.name
    app.run()
    timed("page: first run, known already", lambda: app.switch_page("pages/dataset.py").run())
    timed("page: run again", app.run, times=5)
    timed(
        "page: filter by an action", lambda: app.multiselect(key=f"Action {root.name}").set_value(["action_03"]).run()
    )
    timed("page: no filter", lambda: app.multiselect(key=f"Action {root.name}").set_value([]).run())
    timed("page: search", lambda: app.text_input(key=f"search {root.name}").set_value("g07").run())
    timed("page: search nothing", lambda: app.text_input(key=f"search {root.name}").set_value("").run())
    timed("page: sort by motion", lambda: app.selectbox(key=f"sort {root.name}").set_value("Most motion first").run())
    for view in ("Charts", "Clips", "Versions", "Clips"):
        timed(f"page: view {view}", lambda view=view: app.segmented_control(key="dataset_view").set_value(view).run())
    app.session_state["picked clips"] = {root.name: ("action_00/v_action_00_g00_c00000.mp4",)}
    timed("page: a clip looked at closely", app.run)
    timed("page: exclude it", lambda: app.button(key="edit Exclude").click().run())
    timed("page: undo", lambda: app.button(key="undo").click().run())
    assert not app.exception and not app.error, (app.exception, app.error)


def main() -> None:
    """Make the data set, read it, look at it, then use the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--actions", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep everything here, for another go")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="har-bench-"))
    os.environ["HAR_WORKSPACE"] = str(folder / "workspace")
    from har_core import dataset, facts
    from har_core.catalogue import Filter, catalogue, choose

    root = folder / "many"
    timed(f"making {given.clips:,} links", lambda: make(root, clips=given.clips, actions=given.actions))
    timed("read, the first time", lambda: dataset.read(root))
    source = timed("read, known already", lambda: dataset.read(root), times=3)
    timed("look at the clips, the first time", lambda: facts.gather(source))
    known = timed("facts, known already", lambda: facts.known(source), times=3)
    parts = timed("split", lambda: dataset.split(source.clips, validation_fraction=0.2), times=3)
    named = {source.relative(clip): "train" for clip in parts.train}
    table = timed("catalogue", lambda: catalogue(source, known, named), times=3)
    timed("filter and sort", lambda: choose(table, Filter(text="g07"), sort="motion"), times=5)
    timed("fingerprint", lambda: source.fingerprint, times=3)
    pages(root)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
