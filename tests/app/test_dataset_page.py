import io
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fakes import Open, button, words

from har_core import dataset, weights
from har_core.ui import gallery, loaders, reading, watching
from har_core.ui.grid import Card, Picked
from har_core.ui.jobs import jobs
from har_core.ui.picking import Asked


class Hand:
    """Stands in for the browser's grid: sees the cards, and takes some of them."""

    def __init__(self) -> None:
        self.cards: list[Card] = []
        self.selected: tuple[str, ...] = ()
        self._taken: tuple[str, ...] | None = None

    def takes(self, *clips: str) -> None:
        self._taken = clips

    def grid(self, cards: Sequence[Card], *, key: str, selected: Sequence[str], stamp: int) -> Picked | None:
        self.cards, self.selected = list(cards), tuple(selected)
        return None if self._taken is None else Picked(self._taken, self._taken[-1] if self._taken else "")


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(gallery, "grid", hand.grid)
    return hand


def test_without_a_data_set_three_ways_are_offered(workspace: Path, open_page: Open) -> None:
    app = open_page("dataset")
    assert not app.exception
    assert "There is no data set yet" in words(app)
    assert {"Make the example data set", "Link folder", "Add clips"} <= {b.label for b in app.button}


def test_a_folder_that_is_not_there_is_said_in_a_sentence(workspace: Path, open_page: Open) -> None:
    app = open_page("dataset")
    app.text_input(key="link_folder").input("/no/such/folder")
    app = button(app, "Link folder")
    assert not app.exception
    assert "/no/such/folder" in app.error[0].value


def test_linking_a_folder_shows_it(workspace: Path, clips: Path, open_page: Open, hand: Hand) -> None:
    app = open_page("dataset")
    app.text_input(key="link_folder").input(str(clips))
    app = button(app, "Link folder")
    assert not app.exception and not app.error
    text = words(app).replace("*", "")
    assert "8 clips · 2 actions · 4 groups" in text
    assert "broken.mp4" in text.replace("\\", "")  # with the reason, among the notes
    assert len(hand.cards) == 8
    assert all(card.aspect == pytest.approx(64 / 48, abs=0.02) for card in hand.cards)
    assert all(card.strip and card.part in ("train", "validation") for card in hand.cards)
    app = app.segmented_control(key="dataset_view").set_value("Charts").run()
    assert "6 train, 2 validation" in words(app)


def test_the_clip_that_is_taken_is_looked_at_closely(workspace: Path, clips: Path, open_page: Open, hand: Hand) -> None:
    dataset.link(workspace, "tiny", clips)
    app = open_page("dataset")
    assert "Click a clip" in app.info[0].value
    hand.takes("dark/v_dark_g04_c01.mp4")
    app.run()
    assert not app.exception and not app.error and not app.info
    text = words(app).replace("\\", "")
    assert "dark/v_dark_g04_c01.mp4" in text and "64 × 48, h264" in text and "1 selected" in text
    app.session_state["network view"] = app.session_state["augmentation"] = True
    app.run()
    assert not app.exception and not app.error
    assert "32 × 32" not in words(app) and "112 × 112 pixels" in words(app)


def test_several_clips_can_be_taken_and_left(workspace: Path, clips: Path, open_page: Open, hand: Hand) -> None:
    dataset.link(workspace, "tiny", clips)
    app = open_page("dataset")
    app = button(app, "Select all 8")
    assert "8 selected" in words(app) and len(hand.selected) == 8
    app = app.segmented_control(key="dataset_view").set_value("Charts").run()
    app = app.segmented_control(key="dataset_view").set_value("Clips").run()
    assert "8 selected" in words(app)  # another view does not forget them
    app = button(app, "Select none")
    assert "selected" not in words(app) and hand.selected == ()


def test_filters_leave_the_clips_that_are_asked_for(workspace: Path, clips: Path, open_page: Open, hand: Hand) -> None:
    dataset.link(workspace, "tiny", clips)
    app = open_page("dataset")
    app.multiselect(key="Action tiny").set_value(["dark"]).run()
    assert {card.action for card in hand.cards} == {"dark"} and len(hand.cards) == 4
    app.text_input(key="search tiny").set_value("G03").run()
    assert [card.clip for card in hand.cards] == ["dark/v_dark_g03_c01.mp4"]
    app = app.text_input(key="search tiny").set_value("no such clip").run()
    assert "No clip is like that" in app.info[0].value and not app.exception
    app.text_input(key="search tiny").set_value("").run()
    app.multiselect(key="Action tiny").set_value([]).run()
    app.multiselect(key="Flags tiny").set_value(["left out"]).run()
    assert [(card.clip, bool(card.why), card.dim) for card in hand.cards] == [("dark/broken.mp4", True, True)]
    hand.takes("dark/broken.mp4")
    app.run()
    assert not app.exception and "is left out of the data set" in app.warning[0].value
    hand.takes()
    app.multiselect(key="Flags tiny").set_value([]).run()
    app.selectbox(key="sort tiny").set_value("Darkest first").run()
    assert [card.action for card in hand.cards] == ["dark"] * 4 + ["bright"] * 4


def test_clips_asked_for_elsewhere_are_shown_alone(workspace: Path, clips: Path, open_page: Open, hand: Hand) -> None:
    dataset.link(workspace, "tiny", clips)
    asked = Asked("Doctor: near-duplicates", ("bright/v_bright_g02_c01.mp4", "dark/v_dark_g02_c01.mp4"))
    app = open_page("dataset", **{"asked for clips": asked})
    assert "Doctor: near" in words(app).replace("\\", "") and len(hand.cards) == 2
    app = button(app, "Show all clips")
    assert len(hand.cards) == 8


def test_many_clips_come_in_pages(workspace: Path, clips: Path, open_page: Open, hand: Hand) -> None:
    root = workspace / "datasets" / "many"
    for number in range(60):
        copy = root / ("waving", "still")[number % 2] / f"v_g{number // 10:02d}_c{number:02d}.mp4"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.hardlink_to(clips / "bright" / "v_bright_g01_c01.mp4")
    app = open_page("dataset")
    assert len(hand.cards) == 48 and "1–48 of 60 clips" in words(app)
    key = next(key for key in app.session_state if key.startswith("page many"))
    app.session_state[key] = 2
    app.run()
    assert len(hand.cards) == 12 and "49–60 of 60 clips" in words(app)
    app = app.selectbox(key="sort many").set_value("Longest first").run()
    assert "1–48 of 60 clips" in words(app)  # another order begins at its beginning


def test_a_model_says_which_labels_it_contradicts(
    ready_workspace: Path, open_page: Open, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("dataset")
    app = app.selectbox(key="sort tiny").set_value("Most surely wrong first").run()
    assert any("Score by a model" in caption.value for caption in app.caption)
    app = button(app, "Score the clips")
    assert not app.exception and not app.error
    (job,) = (job for key, job in jobs()._jobs.items() if isinstance(key, tuple) and key[0] == "evaluate")
    assert job.wait(120)
    app.run()
    contradicted = [bool(card.doubt) for card in hand.cards]
    assert len(contradicted) == 8 and contradicted == sorted(contradicted, reverse=True)


def test_another_seed_deals_the_groups_anew(workspace: Path, clips: Path, open_page: Open, hand: Hand) -> None:
    dataset.link(workspace, "tiny", clips)
    app = open_page("dataset")
    before = [card.part for card in hand.cards]
    seen = []
    for seed in (1, 2):
        app = app.segmented_control(key="dataset_view").set_value("Charts").run()
        app = app.number_input(key="split seed").set_value(seed).run()
        app = app.segmented_control(key="dataset_view").set_value("Clips").run()
        seen.append([card.part for card in hand.cards])
    assert any(parts != before for parts in seen)
    app = app.segmented_control(key="dataset_view").set_value("Charts").run()
    assert app.number_input(key="split seed").value == 2  # another view does not forget it


def test_a_long_reading_goes_on_behind_the_page(
    workspace: Path, clips: Path, open_page: Open, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = dataset.link(workspace, "tiny", clips)
    go_on, read = threading.Event(), dataset.read

    def slowly(root: Path, *, progress: Callable[[int, int], None]) -> dataset.Dataset:
        progress(3, 9)
        while not go_on.wait(0.01):
            progress(3, 9)  # ends it once it is stopped
        return read(root)

    monkeypatch.setattr(loaders.datasets, "read", slowly)
    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 0.0)
    app = open_page("dataset")
    assert not app.exception and not app.error
    text = words(app)
    assert "Getting to know tiny" in text and "9 clips of 2 actions" in text and "bright 4" in text
    app = app.segmented_control(key="dataset_view").set_value("Add clips").run()  # the page can be used meanwhile
    assert "Link folder" in {b.label for b in app.button}
    app = app.segmented_control(key="dataset_view").set_value("Clips").run()
    app = button(app, "Stop")
    assert "Stopped" in words(app) and not hand.cards
    go_on.set()
    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 60.0)
    app = button(app, "Go on")
    reading.reading(root).wait(60)
    app.run()
    assert len(hand.cards) == 8


def test_a_bad_upload_gets_its_sentence_and_the_others_are_kept(workspace: Path, clips: Path, open_page: Open) -> None:
    app = open_page("dataset")
    app.text_input(key="upload_action").input("waving")
    good = (clips / "bright" / "v_bright_g01_c01.mp4").read_bytes()
    app.file_uploader[0].upload("a.mp4", good).upload("b.mp4", b"nonsense")
    app = button(app, "Add clips")
    assert not app.exception
    assert [p.name for p in (workspace / "datasets" / "my actions" / "waving").iterdir()] == ["a.mp4"]
    assert any("b.mp4" in error.value for error in app.error)


@pytest.mark.parametrize("action", ["../../etc", "a:b"])
def test_an_action_that_is_no_name_is_refused(workspace: Path, clips: Path, open_page: Open, action: str) -> None:
    app = open_page("dataset")
    app.text_input(key="upload_action").input(action)
    app.file_uploader[0].upload("a.mp4", b"x")
    app = button(app, "Add clips")
    assert not app.exception
    assert "A name needs" in app.error[0].value
    assert not (workspace / "datasets").exists()


def test_a_link_whose_folder_has_gone_can_be_left(workspace: Path, clips: Path, open_page: Open) -> None:
    dataset.link(workspace, "tiny", clips)
    (workspace / "datasets" / "gone").symlink_to(workspace / "nowhere")
    app = open_page("dataset")
    assert "gone" in app.error[0].value and not app.exception
    app.selectbox(key="data").select("tiny").run()
    assert not app.error and "**8** clips" in words(app)


def test_a_set_that_cannot_be_split_yet_shows_its_clips(
    workspace: Path, clips: Path, open_page: Open, hand: Hand
) -> None:
    folder = workspace / "datasets" / "growing" / "waving"
    folder.mkdir(parents=True)
    (folder / "a.mp4").write_bytes((clips / "bright" / "v_bright_g01_c01.mp4").read_bytes())
    app = open_page("dataset")
    assert not app.exception and not app.error
    assert [card.part for card in hand.cards] == [""]
    app = app.segmented_control(key="dataset_view").set_value("Charts").run()
    assert "Not enough clips yet" in app.info[0].value


def test_an_upload_without_an_action_asks_for_one(workspace: Path, clips: Path, open_page: Open) -> None:
    app = open_page("dataset")
    app.file_uploader[0].upload("a.mp4", b"any")
    assert "Say which action" in button(app, "Add clips").error[0].value


def test_the_chosen_data_set_is_kept_on_the_next_page(workspace: Path, clips: Path, open_page: Open) -> None:
    for name in ("one", "two"):
        dataset.link(workspace, name, clips)
    app = open_page("dataset")
    app = app.selectbox(key="data").set_value("two").run()
    app.query_params.clear()  # as the bar at the top does
    app = app.switch_page("pages/train.py").run()
    assert app.selectbox(key="data").value == "two"


def test_people_are_counted_when_asked_for(
    workspace: Path, clips: Path, open_page: Open, hand: Hand, bright: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.link(workspace, "tiny", clips)
    monkeypatch.setattr(weights, "find_detector", lambda choice: workspace)
    monkeypatch.setattr(watching, "detector_or_none", lambda: bright)
    app = open_page("dataset")
    app = app.segmented_control(key="dataset_view").set_value("Charts").run()
    app = button(app, "Count the people in each clip")
    (job,) = (job for key, job in jobs()._jobs.items() if isinstance(key, tuple) and key[0] == "people")
    assert job.wait(120) and not job.failed
    app.run()
    assert not app.exception and "**People**" in words(app)
    assert "Count the people in each clip" not in {b.label for b in app.button}


@pytest.mark.parametrize("view", ["Clips", "Charts", "Doctor", "Map", "Versions", "Add clips"])
def test_every_view_opens(ready_workspace: Path, open_page: Open, view: str) -> None:
    app = open_page("dataset", dataset_view=view)
    assert not app.exception and not app.error
    assert app.segmented_control(key="dataset_view").value == view


def test_an_archive_becomes_a_data_set_of_its_own(workspace: Path, clips: Path, open_page: Open) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for clip in clips.rglob("*.mp4"):
            archive.write(clip, f"outer/{clip.relative_to(clips)}")
    app = open_page("dataset")
    app.file_uploader[0].upload("two actions.zip", packed.getvalue()).upload("bad.zip", b"no archive")
    app = button(app, "Add clips")
    assert not app.exception and "bad.zip" in words(app).replace("\\", "")
    assert list(dataset.datasets(workspace)) == ["two actions"]
    assert dataset.read(workspace / "datasets" / "two actions").actions == ("bright", "dark")
    assert [p.name for p in (workspace / "uploads").iterdir()] == []


def test_an_upload_says_who_acts(workspace: Path, clips: Path, open_page: Open) -> None:
    good = next(clips.rglob("*_g01_*.mp4")).read_bytes()
    app = open_page("dataset")
    app.text_input(key="upload_action").input("waving")
    app.text_input(key="upload_person").input("Anna")
    app.file_uploader[0].upload("a.mp4", good)
    app = button(app, "Add clips")
    assert not app.exception
    assert dataset.read(workspace / "datasets" / "my actions").groups == ("anna",)
