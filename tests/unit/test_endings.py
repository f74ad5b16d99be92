"""Why a run ended: from what it said, from what its process wrote, from what the machine knows."""

import pytest

from har_core.endings import explain
from har_core.events import EpochEnded, Event, Failed, Started

GIGABYTE = 2**30
TORCH = "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


def epoch(memory: int) -> EpochEnded:
    return EpochEnded(1, 0.7, 0.5, 0.6, 0.5, 0.0, 1e-3, 1.2, False, True, (), memory)


def what(events: list[Event], log: str = "", *, booted_at: float = 0.0) -> tuple[str, str, bool]:
    ending = explain(events, log, memory=16 * GIGABYTE, booted_at=booted_at, last_sign=100.0)
    return ending.what, ending.remedy, ending.again


@pytest.mark.parametrize(
    ("said", "expected", "again"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full", True),
        (
            "The clips in x changed since the run began. Start a new run.",
            "clips of the data set",
            False,
        ),
        ("Training on people needs a detector, but there is none on this machine.", "no detector", True),
        (TORCH, "memory was full", True),
        (
            "Training needs a loss that is a number, but in epoch 3 it was none: the steps were too long.",
            "no number",
            False,
        ),
        ("ModuleNotFoundError: No module named 'lap'", "library is missing", True),
        ("Fatal Python error: Segmentation fault", "crashed in a library", True),
    ],
)
def test_what_is_known_is_said_in_a_sentence(said: str, expected: str, again: bool) -> None:
    for found in (what([epoch(0), Failed(said)]), what([epoch(0)], f"Traceback (most recent call last):\n{said}")):
        assert expected in found[0] and found[1].endswith(".") and found[2] == again


def test_what_ended_an_earlier_part_is_of_no_interest() -> None:
    begun = Started(0.0, 1, 4, "cpu", "fp32", "none", ("a", "b"), 8, 4, 3.0, 5.0)
    assert "killed from outside" in what([begun, Failed("The disk is full."), begun, epoch(0)])[0]
    assert "disk" in what([begun, epoch(0), Failed("The disk is full.")])[0]


def test_another_failure_is_said_as_it_is() -> None:
    assert what([Failed("Training needs clips of two actions.")])[0] == "Training needs clips of two actions."


def test_a_process_that_ended_without_a_word() -> None:
    assert "killed from outside" in what([])[0]
    assert "restarted" in what([epoch(0)], booted_at=200.0)[0]
    found = what([epoch(9 * GIGABYTE)])
    assert "memory was full" in found[0] and "9.0 of 16.0 GB" in found[0]
    assert "memory was full: it" not in what([epoch(2 * GIGABYTE)])[0]


def test_the_last_line_of_a_traceback_is_named() -> None:
    log = "Traceback (most recent call last):\n  File x\nValueError: odd\n  warning: nothing"
    assert what([epoch(0)], log)[0].endswith("ValueError: odd")
