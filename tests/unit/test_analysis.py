"""A video over its time: the same numbers as the short roads, segments where things happen, nothing left behind."""

import importlib.util
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_core import analysis, checkpoint, people, spotting, traces, video
from har_core.analysis import analyse
from har_core.config import ClipSpec, LiveConfig
from har_core.errors import Cancelled, ConfigError, HarError, VideoError
from har_core.lanes import Analysis, Lane
from har_core.prediction import Predictor
from har_core.values import Prediction, Rgb, Segment


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return Predictor(tiny_model)


@pytest.fixture(scope="module")
def long(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s of each tiny action of g01, one after the other."""
    path = tmp_path_factory.mktemp("lanes") / "long.mp4"

    def pictures() -> Iterator[Rgb]:
        for action in ("blink", "rise", "slide"):
            for _ in range(3):
                yield from (rgb for _, rgb in video.frames(tiny / action / f"v_{action}_g01_c01.mp4"))

    video.write(path, pictures(), frames_per_second=10)
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s of a large square that stands and a small one that leaves half way."""
    path = tmp_path_factory.mktemp("lanes") / "pair.mp4"

    def pictures() -> Iterator[Rgb]:
        for number in range(60):
            rgb = np.full((80, 120, 3), (60, 30 + number, 90), np.uint8)
            rgb[20:60, 10:40] = (250, 250, 202 + number // 2)
            if number < 30:
                rgb[5:25, 60 + number : 80 + number] = 250
            yield rgb

    video.write(path, pictures(), frames_per_second=20)
    return path


def of_people(tiny_model: Path, folder: Path) -> Path:
    network, card = checkpoint.load(tiny_model)
    checkpoint.save(folder, network, replace(card, clip=replace(card.clip, view="person"), views=("person",)))
    return folder


def test_the_answer_is_that_of_the_short_road(predictor: Predictor, tiny: Path, long: Path) -> None:
    for path in [*sorted(tiny.rglob("*_g04_*.mp4")), long]:
        whole = analyse(predictor, path, people=False).whole
        assert np.array_equal(whole.prediction.probabilities, predictor.predict(path).probabilities)
        assert whole.track is None and (whole.start, whole.stop) == (0.0, video.probe(path).seconds)


@pytest.mark.parametrize("windows", [1, 2, 5])
def test_also_with_another_number_of_windows(tiny_model: Path, long: Path, windows: int, tmp_path: Path) -> None:
    network, card = checkpoint.load(tiny_model)
    checkpoint.save(tmp_path / "model", network, replace(card, windows=windows))
    predictor = Predictor(tmp_path / "model")
    whole = analyse(predictor, long, people=False).whole
    assert np.array_equal(whole.prediction.probabilities, predictor.predict(long).probabilities)


def test_everybody_is_as_on_the_short_road(tiny_model: Path, pair: Path, bright: Any) -> None:
    predictor = Predictor(tiny_model, detector=bright)
    found = analyse(predictor, pair, people=True)
    for seen in predictor.everybody(pair):
        lane = found.person(seen.track or 0)
        assert (lane.start, lane.stop) == (seen.start, seen.stop)
        assert lane.prediction.probabilities == pytest.approx(seen.prediction.probabilities, abs=1e-6)
    assert [lane.track for lane in found.people] == [1, 2] and found.person(1).track == 1
    with pytest.raises(ConfigError, match="1, 2"):
        found.person(3)


def test_a_model_of_people_looks_at_the_main_one(tiny_model: Path, pair: Path, bright: Any, tmp_path: Path) -> None:
    predictor = Predictor(of_people(tiny_model, tmp_path / "model"), detector=bright)
    found = analyse(predictor, pair, people=False)
    assert found.people == () and found.views == ("person",)
    assert np.array_equal(found.whole.prediction.probabilities, predictor.predict(pair).probabilities)


def test_segments_are_where_things_happen(predictor: Predictor, long: Path) -> None:
    found = analyse(predictor, long, people=False)
    actions = [s.action for s in found.whole.segments]
    assert actions == ["blink", "rise", "slide"]
    for part, start in zip(found.whole.segments, (0.0, 3.0, 6.0), strict=True):
        assert part.start == pytest.approx(start, abs=0.5) and part.stop == pytest.approx(start + 3, abs=0.5)
        assert 0 < part.score <= 1
    assert found.whole.segments[-1].stop == found.properties.seconds
    steps = np.diff(found.whole.moments)
    assert np.all(steps > 0) and steps.max() <= spotting.HOP_SECONDS + 1e-6
    assert found.whole.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert found.whole.reading(4.0).action == "rise"
    assert [row["action"] for row in found.table()] == actions and found.summary()[0]["segments"] == 3


def test_every_tick_is_encoded_once(predictor: Predictor, long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[int] = []
    encode = predictor.engine.encode
    monkeypatch.setattr(predictor.engine, "encode", lambda rgb: shapes.append(len(rgb)) or encode(rgb))
    analyse(predictor, long, people=False)
    assert 9 * 8 - 3 <= sum(shapes) <= 9 * 8 and max(shapes) <= 32, "a still needs no second look"


def test_an_analysis_is_the_same_from_json(tiny_model: Path, pair: Path, bright: Any) -> None:
    found = analyse(Predictor(tiny_model, detector=bright), pair, people=True, name="My film.mp4")
    text = json.dumps(found.to_json())
    again = Analysis.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text and again.name == "My film.mp4" and again.model == "tiny"
    assert again.people[0].segments == found.people[0].segments
    assert np.array_equal(again.whole.probabilities, found.whole.probabilities)
    for change in ({"format": 99}, {"whole": None}, {"properties": {}}, {"people": [{"track": 1}]}):
        with pytest.raises(ConfigError, match="nalys"):
            Analysis.from_json(json.loads(text) | change)


def test_progress_rises_to_the_end_and_phases_are_told(tiny_model: Path, pair: Path, bright: Any) -> None:
    told: list[tuple[float, float]] = []
    phases: list[str] = []
    predictor = Predictor(tiny_model, detector=bright)
    analyse(predictor, pair, people=True, progress=lambda *both: told.append(both), phase=phases.append)
    done = [seconds for seconds, _ in told]
    assert done == sorted(done) and {total for _, total in told} == {2 * video.probe(pair).seconds}
    assert done[-1] == told[-1][1] and done[0] < 0.5 and phases == ["people", "looking", "timelines"]


@pytest.mark.parametrize("after", [0, 3, 40, 54])
def test_cancelling_leaves_nothing(tiny_model: Path, pair: Path, bright: Any, after: int, tmp_path: Path) -> None:
    asked = iter(range(10_000))
    with pytest.raises(Cancelled):
        analyse(
            Predictor(tiny_model, detector=bright), pair, people=True, keep=tmp_path / "keep",
            cancelled=lambda: next(asked) >= after,
        )  # fmt: skip
    assert not list((tmp_path / "keep").rglob("*")) if (tmp_path / "keep").exists() else True


def test_traces_are_kept_and_make_the_same_lanes(tiny_model: Path, pair: Path, bright: Any, tmp_path: Path) -> None:
    predictor = Predictor(tiny_model, detector=bright)
    keep = tmp_path / "keep"
    found = analyse(predictor, pair, people=True, keep=keep)
    assert sorted(p.name for p in keep.iterdir()) == ["portraits", "thumbnail.jpg", "traces"]
    kept = traces.read(keep)
    assert kept.people is not None and kept.identity == predictor.engine.identity
    for lane in found.people:
        again = analysis.lane_of(analysis.spotter(predictor), kept, kept.people, lane.track or 0)
        assert again.to_json() == lane.to_json()
        picture = kept.picture(lane.track or 0, kept.people.ids, 1.0, 8.0)
        assert picture is not None and picture[:2] == b"\xff\xd8"
    assert kept.picture(99, kept.people.ids, 1.0, 8.0) is None
    (keep / "traces" / "embeddings.f32").write_bytes(b"half")
    with pytest.raises(HarError, match="again"):
        traces.read(keep)


def test_nobody_and_no_detector(tiny_model: Path, long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(tiny_model)
    monkeypatch.setattr(Predictor, "detector", None)
    found = analyse(predictor, long, people=True)
    assert found.people == () and "detector" in found.note


def test_a_film_that_decodes_in_part_only_is_said(predictor: Predictor, spoilt: Path, early: Path) -> None:
    assert "spoilt.mp4 is damaged" in analyse(predictor, spoilt, people=False).damage
    found = analyse(predictor, early, people=False)
    assert found.damage == "" and analyse(predictor, spoilt, people=False).unsure


def test_times_that_cannot_be_are_refused(
    predictor: Predictor, long: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slides = tmp_path / "slides.mp4"
    grey = np.full((48, 64, 3), 90, np.uint8)
    video.write(slides, [grey] * 3, frames_per_second=1, seconds=[0.0, 1.0, 400.0])
    with pytest.raises(VideoError, match=r"slides\.mp4 stays for 399 s"):
        analyse(predictor, slides, people=False)
    properties = video.probe(long)
    monkeypatch.setattr(video, "probe", lambda _: replace(properties, seconds=1e6))
    with pytest.raises(VideoError, match="hours"):
        analyse(predictor, long, people=False)


def test_a_still_is_encoded_and_searched_for_people_once(
    tiny_model: Path, bright: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "still.mp4"
    grey = np.full((48, 64, 3), 90, np.uint8)
    video.write(path, [grey, grey, np.full_like(grey, 180)], frames_per_second=1, seconds=[0.0, 9.0, 18.0])
    predictor = Predictor(tiny_model, detector=bright)
    pictures: list[int] = []
    encode = predictor.engine.encode
    monkeypatch.setattr(predictor.engine, "encode", lambda rgb: pictures.append(len(rgb)) or encode(rgb))
    found = analyse(predictor, path, people=True)
    assert sum(pictures) <= 3 and bright.looked <= 3
    assert np.array_equal(found.whole.prediction.probabilities, predictor.predict(path).probabilities)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_very_short_films(predictor: Predictor, frames: int, tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    video.write(path, (np.full((48, 64, 3), 40 * n, np.uint8) for n in range(frames)), frames_per_second=25)
    whole = analyse(predictor, path, people=False).whole
    assert len(whole.moments) >= 1
    assert np.array_equal(whole.prediction.probabilities, predictor.predict(path).probabilities)


@pytest.mark.parametrize("frames", range(4, 26))
def test_where_one_window_is_the_answer_the_timeline_says_the_same(
    predictor: Predictor, frames: int, tmp_path: Path
) -> None:
    path = tmp_path / "short.mp4"
    video.write(path, (np.full((48, 64, 3), 9 * n, np.uint8) for n in range(frames)), frames_per_second=25)
    whole = analyse(predictor, path, people=False).whole
    assert len(whole.moments) == 1
    assert whole.probabilities[0] == pytest.approx(whole.prediction.probabilities, abs=1e-6)
    (part,) = whole.segments
    assert (part.action, part.start, part.stop) == (whole.prediction.action, 0.0, whole.stop)


# --- spotting -----------------------------------------------------------------------------------------------

SPEC = ClipSpec(window_seconds=1.0, frames_per_second=8.0, most_frames=8, size=32)


def card(unsure_below: float = 0.5, classes: tuple[str, ...] = ("a", "b")) -> checkpoint.Card:
    from har_core.config import NetworkConfig

    return checkpoint.Card(classes, SPEC, NetworkConfig(), unsure_below=unsure_below)


def says(clips: Any) -> list[Prediction]:
    """As probable as the mean of what it is shown."""
    means = [float(np.clip(clip.mean(), 0, 1)) for clip in clips]
    return [Prediction(np.array([m, 1 - m]), ("a", "b"), 0.5) for m in means]


def shown(ticks: list[int], values: list[float], **config: float) -> Lane:
    table = np.repeat(np.array(values, np.float32)[:, None], 512, axis=1)
    ready = spotting.Spotter(card(), says, LiveConfig(**config))  # type: ignore[arg-type]
    return ready.lane(
        1, np.array(ticks), np.arange(len(ticks)), lambda rows: table[rows],
        span=(ticks[0] / 8, (ticks[-1] + 1) / 8),
    )  # fmt: skip


def test_a_flicker_makes_no_segment() -> None:
    values = [1.0] * 40 + [0.3] * 2 + [1.0] * 40
    assert [s.action for s in shown(list(range(82)), values).segments] == ["a"]


def test_a_change_is_told_where_it_is() -> None:
    lane = shown(list(range(80)), [1.0] * 40 + [0.0] * 40)
    assert [s.action for s in lane.segments] == ["a", "b"]
    assert lane.segments[0].stop == lane.segments[1].start == pytest.approx(5.0, abs=0.4)
    assert (lane.segments[0].start, lane.segments[-1].stop) == (0.0, 10.0)


def test_who_leaves_and_comes_back_has_a_gap() -> None:
    lane = shown([*range(24), *range(64, 88)], [1.0] * 48)
    assert [(s.start, s.stop) for s in lane.segments] == [(0.0, 3.0), (8.0, 11.0)]
    assert lane.segment(5.0) is None and lane.reading(5.0).stage == "unsure"
    assert not np.any((lane.moments > 3) & (lane.moments < 8))


def test_who_is_seen_for_a_moment_only_gets_no_segment() -> None:
    assert shown([3, 4, 5], [1.0] * 3).segments == ()


def named(rows: Any, below: float) -> list[str]:
    """The action that the segments name at each of these rows, which are a second apart; "" in gaps."""
    ready = spotting.Spotter(card(below, ("a", "b", "c")), says, LiveConfig())
    middles = np.arange(len(rows)) + 0.5
    found = ready.segments(None, middles, np.array(rows, np.float64), (0.0, float(len(rows))))
    return [next((s.action for s in found if s.start <= at < s.stop), "") for at in middles.tolist()]


def test_no_action_is_named_that_the_model_was_never_sure_of() -> None:
    # a leads in a gap, and b is ahead of it by less than the lead from the moment at which anything is sure.
    assert named([(0.15, 0.14, 0.71)] + [(0.19, 0.18, 0.63)] * 3, 0.6) == ["c"] * 4
    assert named([(0.36, 0.34, 0.3)] + [(0.42, 0.5, 0.08)] * 4, 0.4)[1:] == ["b"] * 4


def test_an_action_that_is_unsure_yields_to_one_that_is_sure() -> None:
    assert named([(0.6, 0.3, 0.1), (0.4, 0.48, 0.12), (0.4, 0.48, 0.12)], 0.45) == ["a", "b", "b"]


def test_a_lead_of_less_than_ten_points_changes_no_name() -> None:
    assert named([(0.6, 0.3, 0.1), (0.45, 0.5, 0.05), (0.5, 0.45, 0.05)], 0.4) == ["a"] * 3
    assert named([(0.6, 0.3, 0.1), (0.3, 0.38, 0.32)], 0.5) == ["a"] * 2  # neither is sure: the one before goes on


@pytest.mark.parametrize("seed", range(20))
def test_what_segments_name_follows_from_what_is_shown(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = spotting.smoothed(random.dirichlet([0.4] * 3, 300), 0.25, 0.5)
    below = float(random.uniform(0.35, 0.7))
    told = named(rows, below)
    for action, row in zip(told, rows, strict=True):
        best = float(row.max())
        mine = row[["a", "b", "c"].index(action)] if action else 0.0
        assert action or best < below, "a moment at which the model is sure lies in a segment"
        assert not action or (best - mine < 0.1 and not best >= below > mine and mine >= below / 2)
    for action, run in itertools.groupby(range(len(rows)), key=told.__getitem__):
        best, moments = rows.max(axis=1), list(run)
        column = rows[:, ["a", "b", "c"].index(action)] if action else best
        assert not action or any(column[n] == best[n] >= below for n in moments)


def test_smoothing_keeps_sums_and_moves_nothing() -> None:
    rows = np.zeros((41, 2))
    rows[:, 0], rows[20] = 1.0, (0.0, 1.0)
    smooth = spotting.smoothed(rows, 0.25, 0.5)
    assert smooth.sum(axis=1) == pytest.approx(1) and int(np.argmax(smooth[:, 1])) == 20
    assert smooth[19, 1] == pytest.approx(smooth[21, 1]) and np.array_equal(spotting.smoothed(rows, 0.25, 0), rows)


def test_rows_at_an_instant(pair: Path, bright: Any) -> None:
    found = people.follow(pair, bright)
    for seconds in (-1.0, 0.0, 0.05, 1.0, 2.95, 4.0, 99.0):
        rows = found.rows_at(seconds)
        assert found.ids[rows].tolist() == found.at(seconds, (120, 80)).ids.tolist()


def test_a_lane_checks_its_shapes() -> None:
    with pytest.raises(ValueError, match="moment"):
        Lane(None, 0, 1, says([np.ones(1)])[0], (Segment(None, "a", 0, 1, 1),), np.zeros(2, np.float32),
             np.zeros((1, 2), np.float32))  # fmt: skip


# --- damaged files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(18))
def test_a_damaged_file_gives_an_answer_or_one_sentence(predictor: Predictor, early: Path, number: int) -> None:
    """A few of those of tests/bench/mutants.py, which has hundreds."""
    file = Path(__file__).parents[1] / "bench" / "mutants.py"
    spec = importlib.util.spec_from_file_location("mutants", file)
    assert spec is not None and spec.loader is not None
    mutants = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mutants)
    path = early.with_name(f"mutant-{number}.mp4")
    kind = mutants.KINDS[number % 3]
    path.write_bytes(mutants.mutated(early.read_bytes(), kind, np.random.default_rng([7, number])))
    outcome, said = mutants.judged(predictor, path)
    assert outcome != "BUG", said
