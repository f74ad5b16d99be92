"""What the player is told, and what is believed of what it says."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from har_core.lanes import Analysis, Lane
from har_core.ui.answers import longest
from har_core.ui.player import Film, Fix, colours, message, tops, understood
from har_core.values import Prediction, Segment, VideoProperties

CLASSES = ("none", "walk", "wave")


def analysis(*, moments: int = 8, people: int = 1, classes: tuple[str, ...] = CLASSES) -> Analysis:
    at = np.linspace(0, 60, moments, dtype=np.float32)
    rows = np.full((moments, len(classes)), 0.1 / (len(classes) - 1), np.float32)
    rows[:, 1] = 0.9
    whole = Prediction(rows[0].astype(np.float64) / rows[0].sum(), classes, 0.4)

    def lane(track: int | None) -> Lane:
        return Lane(track, 0.0, 60.0, whole, (Segment(track, classes[1], 1.0, 2.0, 0.9),), at, rows)

    facts = VideoProperties(60.0, 30.0, 1800, 640, 480, "h264")
    return Analysis("a.mp4", facts, "m", classes, 0.4, lane(None), tuple(lane(n + 1) for n in range(people)))


def test_the_browser_gets_the_best_of_each_moment() -> None:
    found = tops(np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]], np.float32), 2)
    assert found.dtype == np.uint16 and found.tolist() == [[[1, 7000], [0, 2000]], [[0, 5000], [1, 2500]]]


def test_a_message_is_plain_and_complete() -> None:
    told = message(analysis(), Film("/x.mp4", frames=b"jpeg"), {1: b"face"}, k=2, vtt="WEBVTT", mend=True, stamp="s")
    json.dumps(told)
    whole, person = told["lanes"]
    assert whole["track"] is None and whole["portrait"] == "" and person["name"] == "Person 1"
    assert person["portrait"].startswith("data:image/jpeg;base64,")
    assert whole["segments"] == [[1, 1.0, 2.0, 0.9]] and whole["top"][0][0] == 1
    assert np.frombuffer(base64.b64decode(whole["moments"]), "<f4").tolist() == pytest.approx(np.linspace(0, 60, 8))
    assert len(base64.b64decode(whole["tops"])) == 8 * told["each"] * 4 and (told["k"], told["each"]) == (2, 3)


def test_hours_with_a_crowd_and_a_hundred_classes_make_a_message_that_travels() -> None:
    crowd = analysis(moments=20_000, people=60, classes=tuple(f"c{n}" for n in range(101)))
    told = message(crowd, Film("/x.mp4"), {}, k=10, vtt="", mend=True, stamp="s")
    assert len(json.dumps(told)) < 4e6 and len(told["lanes"]) == 61


def test_no_action_is_grey() -> None:
    assert (
        colours(["none", "walk", "background"])[0] == colours(["none", "walk", "background"])[2] != colours(CLASSES)[1]
    )


@pytest.mark.parametrize(
    "told",
    [
        None, [], "split", {}, {"stamp": "s"}, {"stamp": "old", "what": "split", "track": 1, "other": 0, "seconds": 1},
        {"stamp": "s", "what": "delete", "track": 1, "other": 0, "seconds": 1},
        {"stamp": "s", "what": "split", "track": "1", "other": 0, "seconds": 1},
        {"stamp": "s", "what": "split", "track": 1, "other": 0, "seconds": float("nan")},
        {"stamp": "s", "what": "split", "track": -1, "other": 0, "seconds": 1},
        {"stamp": "s", "what": "merge", "track": True, "other": 2, "seconds": 0},
        {"stamp": "s", "what": "merge", "track": 1, "seconds": 0},
    ],
)  # fmt: skip
def test_nonsense_from_a_browser_is_no_correction(told: object) -> None:
    assert understood(told, "s") is None


def test_a_correction_is_understood() -> None:
    assert understood({"stamp": "s", "what": "split", "track": 1, "other": 0, "seconds": 2.5}, "s") == Fix(
        "split", 1, 0, 2.5
    )


def test_faces_are_sent_of_those_who_are_shown_first() -> None:
    found = analysis(people=5)
    people = tuple(replace(lane, stop=10.0 * number) for number, lane in enumerate(found.people, 1))
    assert longest(replace(found, people=people), 3) == [5, 4, 3]
    assert longest(found, 9) == [1, 2, 3, 4, 5], "in order where all are in view as long"
