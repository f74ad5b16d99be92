"""Events on their way through a file."""

import json
from pathlib import Path

import pytest

from har_core.events import Ended, EpochEnded, Event, Failed, Noticed, Prepared, Started, Stepped, Tail, decode, encode

EVENTS: list[Event] = [
    Started(1.5, 1, 40, "cpu", "fp32", "none", ("걷기", "run"), 8, 4, 3.0, 20 / 3),
    Prepared(0, 12),
    Stepped(1, 2, 3, 0.7),
    EpochEnded(1, 0.7, 0.5, 0.6, 0.75, 0.0, 1e-3, 1.2, True, True),
    EpochEnded(2, 0.7, 0.5, 0.6, 0.75, 0.0, 1e-3, 1.2, True, True, ((0, 0, 3), (1, 0, 1)), 2**30),
    Noticed("walk/“a”.mp4 is left out:\nit is\u2028broken\x85."),
    Ended("early stopping", 3, 0.8),
    Failed("no"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_line_keeps_an_event(event: Event) -> None:
    line = encode(event)
    assert line.endswith("\n") and len(line.splitlines()) == 1
    assert decode(line) == event


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "[]", "3", "null", '"Ended"', "{}", '{"event": "Dreamed", "of": 3}', '{"event": ["Ended"]}',
        '{"event": "Prepared", "done": 1}', '{"event": "Prepared", "done": 1, "total": 2, "more": 3}',
        encode(EVENTS[0])[:50],
        encode(EVENTS[4]).replace("[1, 0, 1]", "[1, 0]"), encode(EVENTS[4]).replace("[1, 0, 1]", '[1, 0, "x"]'),
        encode(EVENTS[0]).replace('"run"', "3"),
        encode(EVENTS[2]).replace("0.7", "1" + "0" * 400), encode(EVENTS[2]).replace("0.7", "1e300"),
        encode(EVENTS[2]).replace('"step": 2', f'"step": {10**30}'),
        encode(EVENTS[2]).replace('"step": 2', '"step": -2'),
        encode(EVENTS[3]).replace("0.75", "1.5"), encode(EVENTS[3]).replace("0.75", "-0.5"),
        encode(EVENTS[6]).replace("0.8", "80.0"), encode(EVENTS[4]).replace("[1, 0, 1]", "[-1, 0, 1]"),
    ],
    ids=lambda line: line[:60],
)  # fmt: skip
def test_a_damaged_or_unknown_line_is_no_event(line: str) -> None:
    assert decode(line) is None


def test_halves_of_letters_are_replaced() -> None:
    assert decode('{"event": "Failed", "message": "a\\ud800b"}') == Failed("a?b")


def test_what_an_earlier_version_wrote_is_read() -> None:
    line = json.loads(encode(EVENTS[3]))
    del line["confusion"], line["memory_bytes"]
    assert decode(json.dumps(line)) == EVENTS[3]
    assert decode('{"event": "Stepped", "epoch": 1, "step": 2, "steps": 3, "loss": 0.7}') == EVENTS[2]


def test_tail_gives_each_event_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail, late = Tail(path), Tail(path)
    assert tail.read() == []
    with path.open("a", encoding="utf-8") as file:
        for event in EVENTS:
            file.write(encode(event))
            file.flush()
            assert tail.read() == [event]
            assert tail.read() == []
    assert late.read() == EVENTS


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = Tail(path)
    line = encode(Noticed("x")) + json.dumps({"event": "Noticed", "message": "später"}, ensure_ascii=False) + "\n"
    seen: list[Event] = []
    with path.open("ab") as file:
        for byte in line.encode():  # also cut within a letter
            file.write(bytes([byte]))
            file.flush()
            seen += tail.read()
    assert seen == [Noticed("x"), Noticed("später")]


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(encode(EVENTS[1]).encode() + b'{"event": "Step\n\xff\xfe\n\n' + encode(EVENTS[6]).encode())
    assert Tail(path).read() == [EVENTS[1], EVENTS[6]]
