"""Files for other programs: each format's own rules, names that mean something in it, numbers as they were."""

import base64
import csv
import io
import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_core import exports
from har_core.errors import ConfigError
from har_core.lanes import Analysis, Lane
from har_core.values import Prediction, Segment, VideoProperties

CLASSES = ("wave", "none", '<b>&"run" --> away</b>', "=1+1")


def lane(track: int | None, *segments: tuple[str, float, float]) -> Lane:
    return Lane(
        track, 0.0, 10.0, Prediction(np.array([0.7, 0.1, 0.1, 0.1]), CLASSES, 0.5),
        tuple(Segment(track, action, start, stop, 0.8) for action, start, stop in segments),
        np.array([1.0, 2.0], np.float32), np.full((2, 4), 0.25, np.float32),
    )  # fmt: skip


def found(name: str = "film.mp4", *, people: tuple[Lane, ...] | None = None) -> Analysis:
    whole = lane(None, ("wave", 0.0, 2.5), ("none", 2.5, 4.0), (CLASSES[2], 4.0, 3700.25))
    two = (lane(1, ("wave", 1.0, 2.0)), lane(3, ("=1+1", 0.5, 9.0)))
    properties = VideoProperties(3700.25, 25.0, 92506, 640, 480, "h264")
    return Analysis(name, properties, "tiny", CLASSES, 0.5, whole, two if people is None else people)


# --- CSV and JSON ---------------------------------------------------------------------------------------------


def test_what_is_seen_in_a_film_is_told_by_its_length() -> None:
    whole = lane(None, ("walk", 0, 2), ("wave", 2, 5), ("none", 5, 9), ("walk", 9, 10.5))
    assert replace(found(), whole=whole).seen() == [("walk", 2, 3.5), ("wave", 1, 3.0)]
    assert replace(found(), whole=lane(None)).seen() == []


def test_csv_has_a_row_for_each_segment() -> None:
    rows = list(csv.DictReader(io.StringIO(exports.to_csv([found(), found("other.avi", people=())]))))
    assert len(rows) == 5 + 3 and tuple(rows[0]) == exports.COLUMNS
    assert rows[0] == {
        "video": "film.mp4", "person": "", "action": "wave", "start": "0.0", "stop": "2.5", "probability": "0.8"
    }  # fmt: skip
    assert [row["person"] for row in rows] == ["", "", "", "1", "3", "", "", ""]
    assert rows[2]["action"] == CLASSES[2], "quotes and commas come back as they were"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n@x"])
def test_csv_runs_nothing(name: str) -> None:
    (row, *_) = csv.DictReader(io.StringIO(exports.to_csv([found(name)]), newline=""))
    assert row["video"] == f"'{name}"


def test_json_can_be_read() -> None:
    (one,) = json.loads(exports.to_json([found()], top=2))
    assert one["video"] == "film.mp4" and [who["person"] for who in one["lanes"]] == [None, 1, 3]
    assert one["lanes"][0]["top"] == [
        {"action": "wave", "probability": 0.7}, {"action": "none", "probability": 0.1}
    ]  # fmt: skip
    assert one["lanes"][1]["segments"] == [{"action": "wave", "start": 1.0, "stop": 2.0, "probability": 0.8}]
    assert one["lanes"][0]["moments"][1] == {"second": 2.0, "probabilities": [0.25] * 4}


# --- WebVTT ---------------------------------------------------------------------------------------------------

TIME = r"\d{2,}:[0-5]\d:[0-5]\d\.\d{3}"


def cues(text: str) -> list[tuple[str, str, str]]:
    """What a parser after the W3C's rules finds; raises for what it would refuse."""
    assert "\r" not in text and "\0" not in text and text.endswith("\n")
    head, *blocks = text.rstrip("\n").split("\n\n")
    assert head == "WEBVTT"
    told = []
    for block in blocks:
        name, timing, *lines = block.split("\n")
        assert "-->" not in name and lines and all(lines)
        match = re.fullmatch(f"({TIME}) --> ({TIME})", timing)
        assert match and match[1] < match[2], timing
        payload = "\n".join(lines)
        assert "-->" not in payload and "<" not in payload and not re.search(r"&(?!(amp|lt|gt);)", payload)
        told.append((match[1], match[2], payload))
    assert [cue[0] for cue in told] == sorted(cue[0] for cue in told)
    return told


def test_subtitles() -> None:
    told = cues(exports.to_vtt(found()))
    assert told[0] == ("00:00:00.000", "00:00:02.500", "Whole picture: wave (80%)")
    assert told[-1][:2] == ("00:00:04.000", "01:01:40.250")
    assert told[-1][2] == 'Whole picture: &lt;b&gt;&amp;"run" --&gt; away&lt;/b&gt; (80%)'
    assert len(told) == 4 and not any("none" in text for *_, text in told)
    assert cues(exports.to_vtt(found(people=())))[0][2] == "wave (80%)", "nobody else: no need to say who"


def test_subtitles_of_nothing_are_valid() -> None:
    nothing = Analysis("a", found().properties, "m", CLASSES, 0.5, lane(None))
    assert exports.to_vtt(nothing) == "WEBVTT\n"


words = st.text(min_size=1, max_size=40).filter(str.strip)


def of(name: str, start: float, length: float) -> Analysis:
    classes = (name, "other")
    whole = Lane(
        None, 0, 10, Prediction(np.array([0.5, 0.5]), classes), (Segment(None, name, start, start + length, 0.5),),
        np.zeros(0, np.float32), np.zeros((0, 2), np.float32),
    )  # fmt: skip
    return Analysis(name, found().properties, "m", classes, 0.0, whole)


@given(words, st.floats(0, 1e5), st.floats(0, 100))
def test_any_name_and_time_in_any_format(name: str, start: float, length: float) -> None:
    analysis = of(name, start, length)
    assert len(cues(exports.to_vtt(analysis))) <= 1
    ElementTree.fromstring(exports.to_elan(analysis, name).encode("utf-8"))
    json.loads(exports.to_label_studio([analysis]).encode("utf-8"))
    assert len(list(csv.reader(io.StringIO(exports.to_csv([analysis]), newline="")))) == 2


# --- ELAN -----------------------------------------------------------------------------------------------------

AFTER = ("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LOCALE", "LANGUAGE", "CONSTRAINT", "CONTROLLED_VOCABULARY")
"""The order that the schema of EAF 3.0 asks for."""


def checked(text: str) -> ElementTree.Element:
    """The document, after the rules of EAFv3.0.xsd that concern what is written."""
    root = ElementTree.fromstring(text.encode("utf-8"))
    assert root.tag == "ANNOTATION_DOCUMENT" and root.attrib["FORMAT"] == "3.0"
    assert {"AUTHOR", "DATE", "VERSION"} <= set(root.attrib) and datetime.fromisoformat(root.attrib["DATE"])
    places = [AFTER.index(part.tag) for part in root]
    assert places == sorted(places) and {0, 1} <= set(places)
    slots = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in root.find("TIME_ORDER") or ()}
    assert len(slots) == len(root.find("TIME_ORDER") or ()) and list(slots.values()) == sorted(slots.values())
    types = {kind.attrib["LINGUISTIC_TYPE_ID"]: kind for kind in root.iter("LINGUISTIC_TYPE")}
    for kind in types.values():
        assert kind.attrib["CONTROLLED_VOCABULARY_REF"] in {
            v.attrib["CV_ID"] for v in root.iter("CONTROLLED_VOCABULARY")
        }
    tiers = list(root.iter("TIER"))
    assert len({tier.attrib["TIER_ID"] for tier in tiers}) == len(tiers)
    names = []
    for tier in tiers:
        assert tier.attrib["LINGUISTIC_TYPE_REF"] in types
        for held in tier.iter("ALIGNABLE_ANNOTATION"):
            names.append(held.attrib["ANNOTATION_ID"])
            assert slots[held.attrib["TIME_SLOT_REF1"]] < slots[held.attrib["TIME_SLOT_REF2"]]
            assert [part.tag for part in held] == ["ANNOTATION_VALUE"]
    assert len(set(names)) == len(names)
    return root


def test_elan_has_a_tier_for_each_lane() -> None:
    text = exports.to_elan(found(), "my film #1.mp4", made=datetime(2026, 1, 2, tzinfo=UTC))
    root = checked(text)
    assert [tier.attrib["TIER_ID"] for tier in root.iter("TIER")] == ["Whole picture", "Person 1", "Person 3"]
    (media,) = root.iter("MEDIA_DESCRIPTOR")
    assert media.attrib["RELATIVE_MEDIA_URL"] == "./my%20film%20%231.mp4" and media.attrib["MIME_TYPE"] == "video/mp4"
    values = [value.text for value in root.iter("ANNOTATION_VALUE")]
    assert values == ["wave", "none", CLASSES[2], "wave", "=1+1"]
    assert [entry.text for entry in root.iter("CVE_VALUE")] == list(CLASSES)
    assert 'DATE="2026-01-02T00:00:00+00:00"' in text and text.startswith('<?xml version="1.0" encoding="UTF-8"?>')


def test_elan_of_nothing() -> None:
    checked(exports.to_elan(Analysis("a", found().properties, "m", CLASSES, 0.5, lane(None)), "a.xyz"))


# --- Label Studio ---------------------------------------------------------------------------------------------


def test_label_studio_tasks() -> None:
    tasks: list[dict[str, Any]] = json.loads(exports.to_label_studio([found("a b.mp4")], prefix="/data/?d="))
    (task,) = tasks
    assert task["data"] == {"video": "/data/?d=a%20b.mp4", "fps": 25.0, "seconds": 3700.25}
    regions = task["predictions"][0]["result"]
    assert len({region["id"] for region in regions}) == len(regions) == 5
    config = ElementTree.fromstring(exports.label_studio_config(CLASSES))
    (shown,), (control,) = config.iter("Video"), config.iter("TimelineLabels")
    known = {label.attrib["value"] for label in control}
    for region in regions:
        assert region["type"] == "timelinelabels" and region["from_name"] == control.attrib["name"]
        assert region["to_name"] == shown.attrib["name"] == control.attrib["toName"]
        assert set(region["value"]["timelinelabels"]) <= known
        ((first, last),) = [(r["start"], r["end"]) for r in region["value"]["ranges"]]
        assert 1 <= first <= last <= 92507
    assert regions[0]["value"]["ranges"] == [{"start": 1, "end": 63}] and regions[3]["meta"] == {"text": ["Person 1"]}
    assert shown.attrib["frameRate"] == "$fps" and shown.attrib["value"] == "$video"


def test_label_studio_gets_an_address_that_it_can_serve() -> None:
    (task,) = json.loads(exports.to_label_studio([found("a b&c.mp4")]))
    # A name alone is never found: Label Studio 1.23.2 shows an empty player for ever.
    assert task["data"]["video"] == "/data/local-files/?d=videos/a%20b%26c.mp4"


# --- an analysis.json that a hand or a disk has changed -----------------------------------------------------------

ENDLESS, BAD = 10**400, "\ud800"


def changed(path: tuple[str | int, ...], value: object) -> Any:
    """The JSON of an analysis with one place in it changed."""
    told = json.loads(json.dumps(found().to_json()))
    place = told
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.loads(json.dumps(told))


def packed(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


@pytest.mark.parametrize("path, values", [
    (("properties", "seconds"), [math.nan, math.inf, ENDLESS, "x", -1, None, 1e300]),
    (("properties", "width"), ["x", math.nan, -1]),
    (("properties", "frames_per_second"), [math.nan, "x", ENDLESS]),
    (("properties", "codec"), [3, None]),
    (("unsure_below",), [math.nan, ENDLESS, 5, "x"]),
    (("classes",), [["wave"], ["wave", {}, "b", "c"], 7]),
    (("whole", "prediction"), [[math.nan] * 4, [2, -1, 0, 0], [ENDLESS, 0, 0, 0], [[1], [0], [0], [0]], "abcd"]),
    (("whole", "segments"), [[["wave", math.nan, 1, 0.5]], [["wave", 0, math.inf, 0.5]], [["wave", 0, 1, 9]],
                             [["wave", 0, 1, ENDLESS]], [[3, 0, 1, 0.5]], "x", [["wave", 0, 1e300, 0.5]]]),
    (("whole", "start"), [math.nan, ENDLESS, "1"]),
    (("whole", "track"), [3, math.inf, ENDLESS]),
    (("whole", "moments"), ["AAA", packed(1.0, math.nan), packed(1.0), packed(math.inf, 1.0)]),
    (("whole", "probabilities"), [packed(*[math.nan] * 8), packed(*[0.0] * 8), packed(*[math.inf] * 8), packed(1.0)]),
    (("people", 0, "track"), [None, 3, -1, [1]]),
    (("settings",), [None, [], {"window_seconds": "x"}, {"window_seconds": math.nan}, {"hysteresis": ENDLESS}]),
    (("views",), [3, [3]]), (("people",), [3, [3]]), (("name",), [None, 3]), (("damage",), [{}]),
])  # fmt: skip
def test_what_cannot_be_an_analysis_is_none(path: tuple[str | int, ...], values: list[object]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match="Analyse the video again"):
            Analysis.from_json(changed(path, value))


@pytest.mark.parametrize(
    "path", [("name",), ("model",), ("damage",), ("note",), ("classes", 0), ("properties", "codec")]
)
def test_half_letters_are_neither_shown_nor_written(path: tuple[str | int, ...]) -> None:
    read = Analysis.from_json(changed(path, f"a{BAD}"))
    made = (exports.to_csv([read]), exports.to_json([read]), exports.to_vtt(read), exports.to_elan(read, read.name),
            exports.to_label_studio([read]), exports.label_studio_config(read.classes))  # fmt: skip
    assert all(BAD not in text and text.encode() for text in made)
