"""`python -m har_core dataset doctor`: what it says, what it mends, what it refuses."""

import json
import shutil
from pathlib import Path

import pytest

from har_core import __main__ as command_line
from har_core import dataset
from har_core.dataset import versions

COPY = "rise/v_rise_g02_c07.mp4"


@pytest.fixture
def ill(tiny: Path, tmp_path: Path) -> Path:
    """The tiny clips, one of them a second time under another group."""
    root = tmp_path / "ill"
    shutil.copytree(tiny, root)
    shutil.copy(root / "rise" / "v_rise_g01_c01.mp4", root / COPY)
    return root


def test_findings_come_in_words_with_how_to_mend_them(ill: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["dataset", "doctor", str(ill)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("1 problem, ")
    assert "2 clips are the same file in different groups  [copies over groups]" in said
    assert 'Leave 1 copy out (--fix "copies over groups")' in said


def test_a_fix_makes_a_version_and_json_says_which(ill: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["dataset", "doctor", str(ill), "--fix", "copies over groups", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mended"] == {"copies over groups": 1}
    assert told["findings"][0]["kind"] == "copies over groups"
    assert [dataset.read(ill).relative(clip) for clip in dataset.read(ill).excluded] == [COPY]


def test_all_applies_every_fix(ill: Path) -> None:
    assert command_line.main(["dataset", "doctor", str(ill), "--fix", "all"]) == 0
    assert versions.current(ill).number >= 1


def test_a_fix_that_is_not_there_is_refused(ill: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["dataset", "doctor", str(ill), "--fix", "black"]) == 1
    assert "There is no fix for 'black' here." in capsys.readouterr().err
    assert versions.current(ill).number == 0


def test_deep_also_compares_the_splits(ill: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["dataset", "doctor", str(ill), "--deep", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert 0 <= told["honesty"]["grouped"] <= 1
