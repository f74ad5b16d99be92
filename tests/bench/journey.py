"""A new user's way in the browser: record three actions by two people, doctor, train, predict. Clicks and minutes.

    python tests/bench/journey.py CLIPS --actions A B C --people P Q --stranger R [--shots FOLDER]

CLIPS has a `clips.csv` (path, action, group). Whoever stands before the camera is played by those clips: a canvas
takes the camera's place, and everything behind it is the app as it is. What `--stranger` does is analysed in the
end. A word typed into a field is a click into it, and counted as a word beside that. The script does not think: a
person needs their own seconds for each click.
"""

import argparse
import base64
import csv
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Locator, Route, expect, sync_playwright

from har_core import video
from har_core.images import jpeg

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from viewer import PATIENCE, Viewer, serving

RATE, SECONDS = 15, 8.0
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
              "--autoplay-policy=no-user-gesture-required")  # fmt: skip
# The scene is looked up at each frame, so that the one before the camera may change while it runs.
_CAMERA = """
navigator.mediaDevices.getUserMedia = async () => {
  const films = await (await fetch("/scenes-of-the-bench.json")).json(), loaded = {};
  const film = name => loaded[name] ??= films[name].map(src => Object.assign(new Image(), { src }));
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
  const pen = canvas.getContext("2d");
  let tick = 0;
  setInterval(() => {
    const frames = film(localStorage.getItem("scene") ?? Object.keys(films)[0]), i = frames[tick++ % frames.length];
    if (!i.complete) return;
    const s = Math.min(640 / i.width, 480 / i.height);
    pen.fillRect(0, 0, 640, 480);
    pen.drawImage(i, (640 - i.width * s) / 2, (480 - i.height * s) / 2, i.width * s, i.height * s);
  }, 1000 / RATE);
  return canvas.captureStream(30);
};""".replace("RATE", str(RATE))


class Counted:
    """Somebody at the browser whose clicks are counted."""

    def __init__(self, viewer: Viewer, shots: Path | None) -> None:
        self.viewer, self.page, self.shots = viewer, viewer.page, shots
        self.clicks, self.words, self.begun = 0, 0, time.monotonic()
        self.rows: list[tuple[str, int, float]] = []

    def click(self, what: Locator) -> None:
        what.click()
        self.clicks += 1

    def press(self, name: str) -> None:
        self.viewer.settled()
        self.click(self.page.get_by_role("button", name=name, exact=True).first)

    def choose(self, label: str, value: str) -> None:
        """Click into a field, type a word, press Enter."""
        field = self.page.get_by_role("combobox", name=re.compile(label))
        self.click(field)
        field.fill(value)
        field.press("Enter")
        self.words += 1
        self.viewer.settled()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        clicks, begun = self.clicks, time.monotonic()
        yield
        self.rows.append((name, self.clicks - clicks, time.monotonic() - begun))
        print(f"{name:46} {self.clicks - clicks:3} clicks {self.rows[-1][2]:6.1f} s", flush=True)
        if self.shots:
            self.page.screenshot(path=self.shots / f"{len(self.rows):02d}.png")


def scenes(root: Path, actions: list[str], people: list[str]) -> dict[str, list[str]]:
    """`action/person` to pictures as data addresses."""
    found = {}
    rows = list(csv.DictReader((root / "clips.csv").open()))
    for action in actions:
        for person in people:
            clip = next(root / r["path"] for r in rows if (r["action"], r["group"]) == (action, person))
            seconds = video.probe(clip).seconds
            moments = (seconds - min(seconds, SECONDS)) / 2 + np.arange(0, min(seconds, SECONDS), 1 / RATE)
            frames = [jpeg(rgb, quality=85) for _, rgb in video.read(clip, moments, longest_side=480)]
            found[f"{action}/{person}"] = [f"data:image/jpeg;base64,{base64.b64encode(f).decode()}" for f in frames]
    return found


def record(one: Counted, actions: list[str], people: list[str]) -> None:
    page = one.page
    with one.step("open the app, Record your own, Start"):
        one.viewer.open()
        one.press("Record your own")
        expect(page.locator("h1")).to_have_text("Dataset")
        one.viewer.settled()
        frame = page.frame_locator("iframe[title*=webrtc]")
        one.click(frame.get_by_role("button", name="Start", exact=True))
        expect(page.get_by_role("button", name="Record 3 takes")).to_be_enabled()
    taken = 0
    for person in people:
        with one.step(f"who acts: {person}"):
            one.choose("Who acts", person)
        for action in actions:
            with one.step(f"three takes of {action}"):
                page.evaluate("s => localStorage.setItem('scene', s)", f"{action}/{person}")
                again = page.locator(".st-key-" + re.sub(r"\W", "-", f"take next {action}"))
                if again.count():  # somebody did it before: one click
                    one.click(again.get_by_role("button"))
                else:
                    one.choose("Action", action)
                    one.press("Record 3 takes")
                taken += 3
                expect(page.get_by_role("button", name=f"Keep all {taken}")).to_be_visible()
    with one.step("keep them all"):
        one.press(f"Keep all {taken}")
        expect(page.get_by_text("Your takes")).to_have_count(0)
        one.viewer.settled()


def learn(one: Counted) -> None:
    page = one.page
    with one.step("Doctor"):
        one.click(page.get_by_role("radio", name="Doctor"))
        one.viewer.settled()
        expect(page.get_by_text("A deeper look")).to_be_visible()
    with one.step("Train: start"):
        one.press("Train a model on it")
        expect(page.locator("h1")).to_have_text("Train")
        one.press("Start training")
        expect(one.viewer.badge("running")).to_be_visible()
    with one.step("Train: until it is done"):
        expect(one.viewer.badge("finished")).to_be_visible(timeout=900_000)
    print("best validation accuracy:", one.viewer.metric("Best accuracy"))


def predict(one: Counted, films: list[Path]) -> None:
    page = one.page
    with one.step("Predict with it: a stranger's film"):
        one.press("Predict with it")
        expect(page.locator("h1")).to_have_text("Video Predict")
        one.viewer.settled()
        page.locator("input[type=file]").set_input_files(films)
        one.clicks += 2  # the button, and the file in the system's own window
        one.press("Analyse" if len(films) == 1 else f"Analyse {len(films)} videos")
        expect(page.locator(".player.ready .overall .bar b").first).to_be_visible()
    for name in page.locator(".player.ready .overall").all_inner_texts():
        print("it says:", " ".join(name.split()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--actions", nargs="+", required=True)
    parser.add_argument("--people", nargs="+", required=True)
    parser.add_argument("--stranger", required=True)
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--workspace", type=Path, help="kept; a new one is thrown away")
    given = parser.parse_args()
    expect.set_options(timeout=PATIENCE)
    films = json.dumps(scenes(given.clips, given.actions, given.people))
    rows = list(csv.DictReader((given.clips / "clips.csv").open()))
    film = next(
        given.clips / r["path"] for r in rows if (r["action"], r["group"]) == (given.actions[0], given.stranger)
    )
    if given.shots:
        given.shots.mkdir(parents=True, exist_ok=True)
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        workspace = given.workspace or Path(scratch) / "workspace"
        with serving(workspace) as server:
            chromium = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
            context = chromium.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"])
            context.set_default_timeout(PATIENCE)
            context.add_init_script(_CAMERA)
            context.route("**/scenes-of-the-bench.json", lambda route: _give(route, films))
            one = Counted(Viewer.at(context, server), given.shots)
            record(one, given.actions, given.people)
            learn(one)
            predict(one, [film])
            seconds = time.monotonic() - one.begun
            print(f"in all: {one.clicks} clicks, {one.words} words typed, {seconds / 60:.1f} minutes")
            chromium.close()


def _give(route: Route, films: str) -> None:
    route.fulfill(body=films, content_type="application/json")


if __name__ == "__main__":
    main()
