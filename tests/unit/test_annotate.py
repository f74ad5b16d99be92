"""Films drawn upon: what is on them, when, and with which sound; and what happens when the sound is broken."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from har_core import annotate as module
from har_core import corrections, drawing, video
from har_core.analyse_commands import _copy
from har_core.analyses import Request, Task
from har_core.analysis import analyse
from har_core.annotate import annotate
from har_core.errors import Cancelled, VideoError
from har_core.lanes import Analysis
from har_core.people import People
from har_core.prediction import Predictor
from har_core.values import Rgb

RATE = 20


def pictures() -> Iterator[Rgb]:
    for number in range(40):
        rgb = np.full((81, 121, 3), (60, 30 + number, 90), np.uint8)
        rgb[20:60, 10:40] = 250
        yield rgb


def tone(seconds: float, rate: int, *, after: float = 0.0) -> np.ndarray:
    """440 Hz, mono, in -1..1, silent until `after`."""
    at = np.arange(round(seconds * rate)) / rate
    return np.where(at < after, 0.0, 0.5 * np.sin(2 * np.pi * 440 * at)).astype(np.float32)


def film(
    path: Path, codec: str | None, *, picture: str = "libx264", rate: int = 48_000, seconds: float = 2.0,
    layout: str = "stereo", shift: float = 0.0,
) -> Path:  # fmt: skip
    """2 s of picture with a tone that begins after 1 s; `shift` moves the stamps of both."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(picture, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 120, 80, "yuv420p"
        if picture == "libx264":
            stream.options = {"bf": "0"}
        sound = container.add_stream(codec, rate=rate, layout=layout) if codec else None
        for number, rgb in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:80, :120]), format="rgb24")
            frame.pts, frame.time_base = number + round(shift * RATE), Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            wave = tone(seconds, rate, after=1.0)
            resampler = av.AudioResampler(format=sound.codec_context.format.name, layout=layout, rate=rate)
            samples = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            samples.sample_rate, samples.pts, samples.time_base = rate, round(shift * rate), Fraction(1, rate)
            for part in [*resampler.resample(samples), *resampler.resample(None)]:
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return path


def heard(path: Path) -> tuple[str, np.ndarray, int]:
    """The codec of a film's sound, its samples, mono, from the start of the film, and their rate."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        rate = stream.rate
        out = np.zeros(10 * rate, np.float32)
        for frame in container.decode(stream):
            begin = round(frame.time * rate)
            samples = frame.to_ndarray()
            mono = samples.mean(axis=0) if samples.shape[0] == len(frame.layout.channels) else samples.reshape(-1)
            out[max(0, begin) : begin + len(mono)] = mono[max(0, -begin) :]
        return stream.codec_context.name, out, rate


def onset(samples: np.ndarray, rate: int) -> float:
    """When it grows loud, in seconds."""
    return float(np.argmax(np.abs(samples) > 0.2)) / rate


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drawn") / "silent.mp4"
    video.write(path, pictures(), frames_per_second=RATE)
    return path


Make = Callable[[Path], tuple[Analysis, Path]]


@pytest.fixture
def make(tiny_model: Path, bright: Any, tmp_path: Path) -> Make:
    predictor = Predictor(tiny_model, detector=bright)

    def analysed(path: Path) -> tuple[Analysis, Path]:
        keep = tmp_path / "keep"
        return analyse(predictor, path, people=True, keep=keep), keep

    return analysed


@pytest.mark.parametrize(
    ("name", "codec", "rate", "kept"),
    [("a.mp4", "aac", 48_000, "aac"), ("b.mp4", "libmp3lame", 44_100, "mp3float"), ("c.mkv", "libopus", 48_000, "aac"),
     ("d.avi", "pcm_s16le", 44_100, "aac"), ("e.mkv", "flac", 96_000, "aac"), ("f.ts", "aac", 48_000, "aac"),
     ("g.mkv", "pcm_s16le", 11_025, "aac"), ("h.ts", "ac3", 48_000, "aac")],
)  # fmt: skip
def test_the_sound_goes_with_the_film(make: Make, name: str, codec: str, rate: int, kept: str, tmp_path: Path) -> None:
    source = film(tmp_path / name, codec, rate=rate)
    found, keep = make(source)
    out = tmp_path / "out.mp4"
    assert annotate(source, found, out, keep=keep) == ""
    name, samples, rate = heard(out)
    assert name.removesuffix("float") == kept.removesuffix("float")
    assert onset(samples, rate) == pytest.approx(1.0, abs=0.06)
    assert video.browsers_play(out) and video.probe(out).seconds == pytest.approx(2.0, abs=0.06)
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    head = out.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat"), "the index comes first"


def test_a_copy_for_browsers_has_the_sound(tmp_path: Path) -> None:
    source = film(tmp_path / "a.avi", "pcm_s16le", picture="mpeg4", rate=44_100)
    task = Task(tmp_path / "analyses" / "0" / "one")
    task.folder.mkdir(parents=True)
    request = Request(name=source.name, model="m", title="m", source=str(source))
    (task.folder / "request.json").write_text(json.dumps(asdict(request)))
    _copy(task, lambda done, total: None)
    _, samples, rate = heard(task.copy)
    assert onset(samples, rate) == pytest.approx(1.0, abs=0.06) and video.browsers_play(task.copy)


def test_a_film_that_begins_late_and_a_sound_that_is_longer(make: Make, tmp_path: Path) -> None:
    source = film(tmp_path / "late.mkv", "libopus", seconds=4.0, shift=3.0)
    found, keep = make(source)
    annotate(source, found, tmp_path / "out.mp4", keep=keep)
    _, samples, rate = heard(tmp_path / "out.mp4")
    assert onset(samples, rate) == pytest.approx(1.0, abs=0.06)
    assert np.flatnonzero(np.abs(samples) > 0.1)[-1] / rate < 2.2, "it ends with the picture"


@pytest.mark.parametrize("spoil", ["all", "some"])
def test_a_broken_sound_costs_a_note(make: Make, spoil: str, tmp_path: Path) -> None:
    source = film(tmp_path / "whole.mkv", "flac")
    with av.open(str(source)) as container:
        places = [(p.pos, p.size, p.pts * p.time_base) for p in container.demux(audio=0) if p.size]
    content = bytearray(source.read_bytes())
    for position, size, seconds in places:
        if spoil == "all" or seconds > 1.5:
            content[position + 12 : position + size] = bytes(max(0, size - 12))
    source.write_bytes(content)
    found, keep = make(source)
    note = annotate(source, found, tmp_path / "out.mp4", keep=keep)
    assert "whole.mkv" in note and note.endswith(".")
    assert video.probe(tmp_path / "out.mp4").frames == 40
    assert not list(tmp_path.glob(".out*"))


def test_silence_is_no_reason_for_a_note(make: Make, silent: Path, tmp_path: Path) -> None:
    found, keep = make(silent)
    assert annotate(silent, found, tmp_path / "out.mp4", keep=keep) == ""
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


def test_every_frame_is_drawn_at_its_time(make: Make, tmp_path: Path) -> None:
    source = tmp_path / "uneven.mp4"
    at = np.cumsum([0.0, *np.tile([0.04, 0.11, 0.02], 13)])
    video.write(source, pictures(), frames_per_second=18, seconds=at.tolist())
    found, keep = make(source)
    told: list[float] = []
    annotate(source, found, tmp_path / "out.mp4", keep=keep, progress=lambda done, _: told.append(done))
    assert video.times(tmp_path / "out.mp4") == pytest.approx(video.times(source), abs=2e-3)
    assert told == sorted(told) and told[-1] == found.properties.seconds
    properties = video.probe(tmp_path / "out.mp4")
    assert (properties.width, properties.height) == (122, 82), "odd sizes get one more row and column"


def test_more_frames_than_a_screen_shows_are_left_out(make: Make, tmp_path: Path) -> None:
    source = tmp_path / "fast.mp4"
    video.write(source, (rgb for _ in range(6) for rgb in pictures()), frames_per_second=240)
    found, keep = make(source)
    annotate(source, found, tmp_path / "out.mp4", keep=keep)
    properties = video.probe(tmp_path / "out.mp4")
    assert properties.frames == pytest.approx(60, abs=1) and properties.seconds == pytest.approx(1.0, abs=0.03)


def test_what_is_drawn(make: Make, silent: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found, keep = make(silent)
    people = corrections.followed(keep)
    assert isinstance(people, People)
    shown = module.view(found, people, 1.0, (121, 81))
    assert shown.tracks.ids.tolist() == [1] and shown.whole is not None
    assert shown.people[1].action == found.person(1).reading(1.0).action
    seen: list[int] = []
    monkeypatch.setattr(
        module, "draw", lambda rgb, view, top: seen.append(len(view.tracks)) or drawing.draw(rgb, view, top=top)
    )
    annotate(silent, found, tmp_path / "out.mp4", keep=keep)
    assert seen == [1] * 40
    annotate(silent, found, tmp_path / "whole.mp4", keep=None)
    assert seen[40:] == [0] * 40
    before, after = (next(video.frames(path))[1].astype(int) for path in (silent, tmp_path / "out.mp4"))
    assert np.abs(before[:80, :120] - after[:80, :120]).max() > 60


@pytest.mark.parametrize("after", [0, 20, 40])
def test_cancelling_leaves_nothing(make: Make, after: int, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", "aac")
    found, keep = make(source)
    (tmp_path / "out").mkdir()
    asked = iter(range(1000))
    with pytest.raises(Cancelled):
        annotate(source, found, tmp_path / "out" / "o.mp4", keep=keep, cancelled=lambda: next(asked) >= after)
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_written(make: Make, silent: Path, tmp_path: Path) -> None:
    found, keep = make(silent)
    (tmp_path / "file").write_text("")
    with pytest.raises(VideoError, match="written"):
        annotate(silent, found, tmp_path / "file" / "out.mp4", keep=keep)
