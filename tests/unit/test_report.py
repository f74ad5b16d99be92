"""The report: one file that holds everything, whatever names hold, written whole or not at all."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from har_core import report
from har_core.__main__ import main
from har_core.checkpoint import Card
from har_core.comparison import compare
from har_core.config import ClipSpec, NetworkConfig
from har_core.errors import HarError
from har_core.evaluation import Evaluation, Scored
from har_core.report import Extras
from har_core.values import Prediction

NAMES = ("run", "</script><img src=x onerror=boom()>", '"><b onclick="boom()">\u2028&amp; walk')
HOSTILE = "<svg/onload=boom()>.mp4"


def evaluation(folder: Path, *, number: int = 60, actions: tuple[str, ...] = NAMES, shift: int = 0) -> Evaluation:
    """Clips of which every fifth is wrong."""
    scored = []
    for n in range(number):
        shares = np.full(len(actions), 0.1 / (len(actions) - 1))
        shares[(n + (n % 5 == shift)) % len(actions)] = 0.9
        clip = f"{n:03d}{HOSTILE}"
        prediction = Prediction(shares, actions, 0.5)
        scored.append(Scored(clip, folder / clip, actions[n % len(actions)], prediction, f"g{n % 7}"))
    return Evaluation(actions, tuple(scored), (("broken <i>.mp4", "It is <b>no</b> video."),), ("A <u>note</u>.",))


def extras(actions: tuple[str, ...] = NAMES) -> Extras:
    spec = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)
    card = Card(actions, spec, NetworkConfig(weights="none"), limits="Not for <em>cats</em>.", dataset=HOSTILE)
    return Extras("<h1>model", card, HOSTILE, "validation", 3, "python -m har_core evaluate --data '<x>'")


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_no_name_becomes_markup(tmp_path: Path) -> None:
    found = report.page(evaluation(tmp_path), extras=extras())
    seen = Seen(found)
    scripts = [attributes for tag, attributes in seen.tags if tag == "script"]
    figures = [attributes for attributes in scripts if attributes.get("type") == "application/json"]
    assert len(scripts) - len(figures) == 2  # plotly.js and our own
    assert {tag for tag, _ in seen.tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "div", "span", "b", "small",
        "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "br", "button", "pre", "footer", "script",
    }  # fmt: skip
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    assert not [
        a for _, a in seen.tags for name in ("src", "href") if not str(a.get(name) or "data:").startswith("data")
    ]
    told = "".join(seen.texts)
    assert NAMES[1] in told and HOSTILE in told and "It is <b>no</b> video." in told and "A <u>note</u>." in told


def test_figures_say_what_the_scores_say(tmp_path: Path) -> None:
    scores = evaluation(tmp_path)
    found = report.page(scores, extras=extras())
    figures = dict(re.findall(r'id="([\w-]+)-figure">(.*?)</script>', found, re.DOTALL))
    assert {"matrix", "shares", "reliable", "covered"} <= set(figures)
    assert not [name for name, content in figures.items() if re.search("[<>&\u2028]", content)]
    matrix = json.loads(figures["matrix"])
    cells = next(trace for trace in matrix["data"] if trace["type"] == "scatter")
    assert [list(NAMES[:1]) * 2] == cells["customdata"][:1]
    assert "80.0%" in found and f"{scores.macro_f1:.3f}" in found and "version 3 of its labels" in found


def test_only_what_was_computed_is_told(tmp_path: Path) -> None:
    scores = evaluation(tmp_path)
    plain = report.page(scores, extras=extras())
    assert "dumber rules" not in plain and "use time" not in plain and "picture is worse" not in plain
    against = compare(scores, evaluation(tmp_path, shift=1))
    rich = replace(
        extras(), baselines={"majority": 0.3}, motion={"shuffled": against}, uses_time="It <uses> time.",
        worse={"grey": against}, milliseconds=(100.0, 50.0, 1.0),
    )  # fmt: skip
    told = report.page(scores, extras=rich)
    assert "Against dumber rules" in told and "It &lt;uses&gt; time." in told and "without colour" in told
    assert "0.15 s" in told


def test_pictures_and_rows_are_bounded(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_PICTURED", 2)
    monkeypatch.setattr(report, "MOST_LISTED", 10)
    clip = next(tiny.rglob("*.mp4"))
    scores = evaluation(tmp_path)
    wrong = sorted(n for n, scored in enumerate(scores.scored) if not scored.right)
    shown = list(scores.scored)
    shown[wrong[0]] = replace(shown[wrong[0]], path=clip)  # the others are not there
    found = report.page(replace(scores, scored=tuple(shown)), extras=extras())
    assert found.count('<figure class="card">') == 2 and found.count("data:image/jpeg") == 1
    assert "cannot be read any more" in found and "The first 2 of 12" in found
    assert found.count("<tr data-action=") == 10 and "the first 10 of 60 clips" in found


def test_many_actions_get_one_matrix(tmp_path: Path) -> None:
    actions = tuple(f"action {n:03d}" for n in range(101))
    found = report.page(evaluation(tmp_path, number=202, actions=actions), extras=extras(actions))
    assert 'id="matrix"' in found and 'id="shares"' not in found
    assert len(found) < 8_000_000


def test_a_perfect_score_and_few_clips_are_no_trouble(tmp_path: Path) -> None:
    scores = evaluation(tmp_path, number=4, shift=9)
    found = report.page(scores, extras=extras())
    assert "Every clip is right." in found and "confidence can be believed" not in found


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, out = evaluation(tmp_path, number=10), tmp_path / "report.html"
    report.write(scores, out, extras=extras())
    before = out.read_bytes()
    assert before.startswith(b"<!DOCTYPE html>") and before.endswith(b"</html>\n")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(HarError, match=r"report\.html cannot be written: No space left on device"):
        report.write(scores, out, extras=extras())
    assert out.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(HarError, match="cannot be written"):
        report.write(scores, tmp_path / "nowhere" / "report.html", extras=extras())


def test_a_name_that_is_no_text_is_written_all_the_same(tmp_path: Path) -> None:
    scores = evaluation(tmp_path, number=10)
    odd = replace(scores.scored[0], clip="half \udcff.mp4")
    report.write(replace(scores, scored=(odd, *scores.scored[1:])), tmp_path / "r.html", extras=extras())
    assert "half ?.mp4" in (tmp_path / "r.html").read_text("utf-8")


def test_the_command_can_be_typed_again() -> None:
    told = report.reproduce(Path("runs/a b"), Path("clips"), "test", ["--motion"])
    assert told == (
        "python -m har_core evaluate --model 'runs/a b' --data clips --split test --motion --report report.html"
    )


def test_the_table_runs_nothing_in_a_spreadsheet(tiny: Path, tiny_model: Path, tmp_path: Path) -> None:
    name = "=cmd|' calc'!A0.mp4"
    shutil.copy(next(tiny.rglob("*.mp4")), tmp_path / name)
    (tmp_path / "clips.csv").write_text(f"path,action,group\n{name},blink,g01\n")
    table = tmp_path / "table.csv"
    command = ["evaluate", "--model", str(tiny_model), "--data", str(tmp_path), "--split", "all"]
    assert main([*command, "--csv", str(table)]) == 0
    assert table.read_text("utf-8").splitlines()[1].startswith(f"'{name},blink,")


def test_the_command_line_writes_report_and_table(
    tiny: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "report.html", tmp_path / "clips.csv"
    command = ["evaluate", "--model", str(tiny_model), "--data", str(tiny), "--split", "all"]
    assert main([*command, "--report", str(out), "--csv", str(table)]) == 0
    assert table.read_text("utf-8").splitlines()[0] == "clip,action,predicted,probability,right"
    told = out.read_text("utf-8")
    assert "Does it use time?" in told and "How good is tiny?" in told and f"--data {tiny}" in told
    capsys.readouterr()
    assert main([*command, "--report", str(tmp_path / "none" / "r.html")]) == 1
    assert "--report must lie in a folder that is there" in capsys.readouterr().err
    assert main([*command, "--csv", str(tmp_path)]) == 1
    assert "--csv must be a file to be written" in capsys.readouterr().err
    assert main([*command, "--report", "/dev/null"]) == 1
    assert "/dev/null is a device or a pipe" in capsys.readouterr().err
