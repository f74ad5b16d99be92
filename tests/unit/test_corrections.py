"""Tracks merged and split by hand: the same as if people had been followed so, and back again."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_core import annotate, checkpoint, corrections, video
from har_core.analysis import analyse
from har_core.corrections import merge, split, undo, undoable
from har_core.errors import CheckpointError, ConfigError, HarError
from har_core.lanes import Analysis
from har_core.prediction import Predictor
from har_core.values import Rgb


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 s: a large square that stands; a small one that goes away after 2 s and comes back, as another, after 4 s."""
    path = tmp_path_factory.mktemp("corrected") / "film.mp4"

    def pictures() -> Iterator[Rgb]:
        for number in range(120):
            rgb = np.full((80, 120, 3), (60, 30 + number, 90), np.uint8)
            rgb[20:60, 10:40] = (250, 250, 202 + number // 4)
            if number < 40 or number >= 80:
                left = 60 + (number // 2) % 30
                rgb[5:25, left : left + 20] = 250
            yield rgb

    video.write(path, pictures(), frames_per_second=20)
    return path


@pytest.fixture
def analysed(tiny_model: Path, film: Path, bright: Any, tmp_path: Path) -> tuple[Predictor, Analysis, Path]:
    predictor = Predictor(tiny_model, detector=bright)
    keep = tmp_path / "keep"
    return predictor, analyse(predictor, film, people=True, keep=keep), keep


def same(one: Analysis, other: Analysis) -> None:
    assert [lane.track for lane in one.people] == [lane.track for lane in other.people]
    for a, b in zip(one.people, other.people, strict=True):
        assert (a.start, a.stop, a.segments) == (b.start, b.stop, b.segments)
        assert np.array_equal(a.probabilities, b.probabilities) and np.array_equal(a.moments, b.moments)
        assert np.array_equal(a.prediction.probabilities, b.prediction.probabilities)


def followed_so(
    predictor: Predictor, film: Path, keep: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Analysis:
    """The analysis of a film in which people were followed as they were corrected."""
    people = corrections.followed(keep)
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "follow", lambda *_, **__: people)
        return analyse(predictor, film, people=True, keep=folder)


def test_a_merge_is_as_if_it_had_been_followed_so(
    analysed: tuple[Predictor, Analysis, Path], film: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    predictor, found, keep = analysed
    assert [lane.track for lane in found.people] == [1, 2, 3]
    small = [lane for lane in found.people if lane.stop - lane.start < 3]
    a, b = (lane.track or 0 for lane in small)
    film_read: list[object] = []
    monkeypatch.setattr(video, "read", lambda *args, **_: film_read.append(args))
    merged = merge(keep, found, a, b, predictor=predictor)
    monkeypatch.undo()
    assert not film_read and [lane.track for lane in merged.people] == [1, 2]
    lane = merged.person(a)
    assert lane.start < 0.2 and lane.stop == pytest.approx(6.0) and undoable(keep) == 1
    assert not np.any((lane.moments > 2.3) & (lane.moments < 4.0)), "nobody in between"
    same(merged, followed_so(predictor, film, keep, monkeypatch, tmp_path / "again"))
    same(undo(keep, merged, predictor=predictor), found)
    assert undoable(keep) == 0


def test_a_split_is_as_if_it_had_been_followed_so(
    analysed: tuple[Predictor, Analysis, Path], film: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    predictor, found, keep = analysed
    (large,) = [lane for lane in found.people if lane.stop - lane.start > 5]
    parts = split(keep, found, large.track or 0, 2.53, predictor=predictor)
    assert [lane.track for lane in parts.people] == [1, 2, 3, 4]
    assert parts.person(large.track or 0).stop == pytest.approx(2.6, abs=0.11)
    assert parts.person(4).start == pytest.approx(2.6, abs=0.11) and parts.person(4).stop == large.stop
    same(parts, followed_so(predictor, film, keep, monkeypatch, tmp_path / "again"))
    together = merge(keep, parts, large.track or 0, 4, predictor=predictor)
    same(together, found)
    assert undoable(keep) == 2
    same(undo(keep, together, predictor=predictor), parts)
    again = undo(keep, parts, predictor=predictor)
    same(again, found)
    with pytest.raises(ConfigError, match="take back"):
        undo(keep, again, predictor=predictor)


def test_two_who_are_in_view_at_once(analysed: tuple[Predictor, Analysis, Path]) -> None:
    predictor, found, keep = analysed
    (large,) = [lane for lane in found.people if lane.stop - lane.start > 5]
    other = next(lane for lane in found.people if lane is not large)
    merged = merge(keep, found, large.track or 0, other.track or 0, predictor=predictor)
    assert len(merged.people) == 2
    one = merged.person(large.track or 0)
    assert np.array_equal(one.probabilities, large.probabilities), "the first one is believed"
    people = corrections.followed(keep)
    assert people is not None and people.ids.min() >= 1
    assert all(len(people.at(s, (120, 80))) <= 2 for s in np.arange(0, 6, 0.1))


def test_portraits_follow(analysed: tuple[Predictor, Analysis, Path]) -> None:
    predictor, found, keep = analysed
    shown = lambda: {p.stem: p.read_bytes() for p in (keep / "portraits").iterdir()}  # noqa: E731
    before = shown()
    assert sorted(before) == ["1", "2", "3"] and all(jpeg[:2] == b"\xff\xd8" for jpeg in before.values())
    (large,) = [lane for lane in found.people if lane.stop - lane.start > 5]
    parts = split(keep, found, large.track or 0, 3.0, predictor=predictor)
    after = shown()
    assert sorted(after) == ["1", "2", "3", "4"] and after["4"] != after[str(large.track)]
    undo(keep, parts, predictor=predictor)
    assert shown() == before


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 9), (9, 1)])
def test_a_merge_that_cannot_be(analysed: tuple[Predictor, Analysis, Path], a: int, b: int) -> None:
    predictor, found, keep = analysed
    with pytest.raises(ConfigError):
        merge(keep, found, a, b, predictor=predictor)
    assert undoable(keep) == 0


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 5.99, 99.0, float("nan")])
def test_a_split_that_cannot_be(analysed: tuple[Predictor, Analysis, Path], seconds: float) -> None:
    predictor, found, keep = analysed
    with pytest.raises(ConfigError):
        split(keep, found, 1, seconds, predictor=predictor)
    assert undoable(keep) == 0


def test_another_model_may_not_correct(
    analysed: tuple[Predictor, Analysis, Path], tiny_model: Path, tmp_path: Path
) -> None:
    _, found, keep = analysed
    for number, part in enumerate(("backbone", "head", "nothing")):  # a frozen encoder stands before many heads
        network, card = checkpoint.load(tiny_model)
        if part == "nothing":
            card = replace(card, temperature=2.0)
        else:
            next(getattr(network, part).parameters()).data.add_(0.01)
        checkpoint.save(tmp_path / f"other {number}", network, card)
        with pytest.raises(CheckpointError, match="another model"):
            merge(keep, found, 1, 2, predictor=Predictor(tmp_path / f"other {number}"))


def test_what_is_gone_is_said(analysed: tuple[Predictor, Analysis, Path]) -> None:
    predictor, found, keep = analysed
    shutil.rmtree(keep / "traces")
    with pytest.raises(HarError, match="again"):
        merge(keep, found, 1, 2, predictor=predictor)


# --- what a disk has lost, or a hand has changed ------------------------------------------------------------------

LOOKS, STEPS, ABOUT = "looks.npz", "corrections.json", "traces.json"
NO_CORRECTIONS = [b'[{"merge": [1]}]', b'[{"split": ["a", "b", "c"]}]', b'[{"split": [1, NaN, 3]}]', b"[{}]",
                  b'[{"split": [1, 3.0, 99999999999999999999999]}]', b"[" * 100_000, b"\xff", b"{}"]  # fmt: skip


def tried(analysed: tuple[Predictor, Analysis, Path], film: Path, out: Path) -> None:
    """Everything that reads what is kept says in a sentence what is wrong with it, and leaves nothing behind."""
    predictor, analysis, keep = analysed
    one, two, *_ = (lane.track for lane in analysis.people)
    assert one is not None and two is not None
    before = sorted(keep.rglob("*"))
    for attempt in (lambda: merge(keep, analysis, one, two, predictor=predictor),
                    lambda: undo(keep, analysis, predictor=predictor),
                    lambda: annotate.annotate(film, analysis, out, keep=keep)):  # fmt: skip
        with pytest.raises(HarError, match="Analyse"):
            attempt()
    assert sorted(keep.rglob("*")) == before and not out.exists()


def test_damaged_corrections_are_told(analysed: tuple[Predictor, Analysis, Path], film: Path, tmp_path: Path) -> None:
    for content in NO_CORRECTIONS:
        (analysed[2] / "traces" / STEPS).write_bytes(content)
        tried(analysed, film, tmp_path / "out.mp4")


def test_damaged_looks_are_told(analysed: tuple[Predictor, Analysis, Path], film: Path, tmp_path: Path) -> None:
    file = analysed[2] / "traces" / LOOKS
    whole = file.read_bytes()
    with np.load(file) as read:
        arrays = {name: read[name] for name in read.files}
    for content in (b"", b"PK\x03\x04junk", whole[:-40], whole[:300], whole[:3000] + b"\0" * 90 + whole[3090:]):
        file.write_bytes(content)
        tried(analysed, film, tmp_path / "out.mp4")
    changes: dict[str, list[Any]] = {
        "box": [arrays["box"] + 10**6, arrays["box"] - 10**6, arrays["box"] * np.nan, arrays["box"][:, None]],
        "ticks": [-arrays["ticks"], arrays["ticks"][:3]],
        "pictures": [arrays["pictures"] + 10**7, arrays["pictures"].ravel()],
        "people_row": [arrays["people_row"] + 10**6, arrays["people_row"][:2]],
        "people_ids": [-arrays["people_ids"], arrays["people_ids"][:2], arrays["people_ids"] * 10**15,
                       np.ones_like(arrays["people_ids"])],
        "people_xyxy": [arrays["people_xyxy"][:, :2]],
        "people_seconds": [arrays["people_seconds"] * np.nan],
    }  # fmt: skip
    for name, values in changes.items():
        for value in values:
            np.savez(file, **(arrays | {name: value}))
            tried(analysed, film, tmp_path / "out.mp4")
    file.write_bytes(whole)
    about = analysed[2] / "traces" / ABOUT
    for text in ("[]", "[" * 100_000, about.read_text().replace('"length": ', '"length": 1e999, "x": ')):
        about.write_text(text)
        tried(analysed, film, tmp_path / "out.mp4")


def test_embeddings_that_are_no_numbers_are_told(analysed: tuple[Predictor, Analysis, Path]) -> None:
    predictor, analysis, keep = analysed
    file = keep / "traces" / "embeddings.f32"
    file.write_bytes(np.full(file.stat().st_size // 4, np.nan, "<f4").tobytes())
    with pytest.raises(HarError, match="damaged"):
        merge(keep, analysis, 1, 2, predictor=predictor)


def test_corrections_leave_no_file_open(analysed: tuple[Predictor, Analysis, Path]) -> None:
    predictor, analysis, keep = analysed
    undo(keep, merge(keep, analysis, 1, 2, predictor=predictor), predictor=predictor)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        undo(keep, merge(keep, analysis, 1, 2, predictor=predictor), predictor=predictor)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
