"""har_core.video on films that say which frame they show, and on files that are no films."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from har_core import video
from har_core.errors import VideoError
from har_core.values import Rgb
from har_core.video import client, decode, index

WILD = Path(__file__).parents[2].parent / "shared" / "data" / "wild"


def picture(number: int, height: int = 64, width: int = 64) -> Rgb:
    """A picture that carries 0..255 in the greys of its halves, robust against any codec."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:, : width // 2] = number // 16 * 16 + 8
    rgb[:, width // 2 :] = number % 16 * 16 + 8
    return rgb


def number_of(rgb: Rgb) -> int:
    left, right = np.array_split(rgb.mean(axis=(0, 2)), 2)
    return int(np.median(left)) // 16 * 16 + int(np.median(right)) // 16


def film(
    path: Path, times: list[int], *, codec: str = "libx264", rate: int = 10, turn: int = 0, **options: str
) -> Path:
    """Frame i of the file carries number i and is shown from `times[i] / rate` seconds on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = {"gif": "rgb8", "png": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        if turn:
            stream.set_display_rotation(turn)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number, 48, 64), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(path: Path, seconds: list[float]) -> list[int]:
    return [number_of(rgb) for _, rgb in video.read(path, seconds)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    video.write(path, (picture(number) for number in range(40)), frames_per_second=10)
    return path


@pytest.fixture
def hired(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[client.Worker]]:
    """The workers that were asked, in order."""
    workers: list[client.Worker] = []
    hire = client._hire
    monkeypatch.setattr(client, "_hire", lambda: workers.append(hire()) or workers[-1])
    yield workers


# --- which frame, which properties -------------------------------------------------------------------------


def test_written_film_says_what_was_written(clip: Path) -> None:
    properties = video.probe(clip)
    assert (properties.frames, properties.width, properties.height, properties.codec) == (40, 64, 64, "h264")
    assert properties.seconds == pytest.approx(4.0)
    assert properties.frames_per_second == pytest.approx(10.0)
    assert b"moov" in clip.read_bytes()[:200], "the index must come first, so that browsers can start at once"


def test_an_instant_shows_the_last_frame_not_after_it(clip: Path) -> None:
    assert shown(clip, [-1.0, 0.0, 0.0999, 0.1, 0.15, 0.3 - 1e-9, 3.9, 99.0]) == [0, 0, 0, 1, 1, 3, 39, 39]


def test_a_frame_comes_again_for_every_instant_it_is_shown(clip: Path) -> None:
    pairs = list(video.read(clip, [1.01, 1.02, 1.02, 1.09]))
    assert [instant for instant, _ in pairs] == [1.01, 1.02, 1.02, 1.09]
    assert [number_of(rgb) for _, rgb in pairs] == [10] * 4


def test_frames_hold_the_instants_asked_for(clip: Path) -> None:
    frames = video.read_frames(clip, np.array([0.0, 0.5, 1.5]))
    assert frames.rgb.shape == (3, 64, 64, 3)
    assert frames.seconds.tolist() == [0.0, 0.5, 1.5]


def test_no_instants_give_no_frames(clip: Path) -> None:
    assert list(video.read(clip, [])) == []


@pytest.mark.parametrize("seconds", [[1.0, 0.5], [float("nan")], [0.0, float("inf")]])
def test_instants_must_be_finite_and_in_order(clip: Path, seconds: list[float]) -> None:
    with pytest.raises(ValueError, match="instants"):
        video.read(clip, seconds)


def test_variable_frame_rate_goes_by_time(tmp_path: Path) -> None:
    path = film(tmp_path / "vfr.mp4", [0, 1, 5, 6, 20])
    assert shown(path, [0.0, 0.1, 0.4, 0.5, 0.6, 1.9, 2.0]) == [0, 1, 1, 2, 3, 3, 4]
    assert 2.0 < video.probe(path).seconds < 2.5  # how long the last frame stays is not in the file


def test_time_counts_from_the_first_frame(tmp_path: Path) -> None:
    path = film(tmp_path / "late.mkv", [70, 71, 72, 73])
    assert shown(path, [0.0, 0.11, 0.35]) == [0, 1, 3]
    assert video.probe(path).seconds == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.avi", "mpeg4", {"bf": "2", "qmax": "2"}),
        ("a.avi", "mpeg4", {}),
        ("a.avi", "mjpeg", {}),
        ("a.avi", "libx264", {}),
        ("a.mkv", "libx265", {"x265-params": "log-level=none"}),
        ("a.webm", "libvpx-vp9", {"deadline": "realtime"}),
        ("a.ts", "libx264", {}),
        ("a.mpg", "mpeg2video", {}),
        ("a.h264", "libx264", {}),
        ("a.gif", "gif", {}),
    ],
)
def test_every_usual_format(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    # A raw stream has no rate of its own: FFmpeg assumes 25.
    rate = 25 if name in ("a.mpg", "a.h264") else 10
    path = film(tmp_path / name, list(range(30)), codec=codec, rate=rate, **options)
    seconds = video.probe(path).seconds
    assert seconds == pytest.approx(30 / rate, rel=0.05)
    assert shown(path, [(number + 0.5) / rate for number in range(30)]) == list(range(30))


def test_a_single_picture_is_a_short_film(tmp_path: Path) -> None:
    path = film(tmp_path / "still.jpg", [0], codec="mjpeg")
    assert video.probe(path).seconds >= 1 / 25
    assert shown(path, [0.0, 5.0]) == [0, 0]


# --- the picture -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_tags_are_honoured(tmp_path: Path, turn: int) -> None:
    upright = decode_first(film(tmp_path / "flat.mp4", [0, 1, 2]), 0.2)
    path = film(tmp_path / "turned.mp4", [0, 1, 2], turn=turn)
    turned = decode_first(path, 0.2)
    np.testing.assert_array_equal(turned, np.rot90(upright, turn // 90))
    properties = video.probe(path)
    assert (properties.height, properties.width) == turned.shape[:2]


def decode_first(path: Path, instant: float) -> Rgb:
    return video.read_frames(path, [instant]).rgb[0]


def test_a_mirrored_matrix_mirrors() -> None:
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    np.testing.assert_array_equal(index.Orientation(mirror_x=True).apply(rgb), rgb[:, ::-1])
    np.testing.assert_array_equal(index.Orientation(transpose=True, mirror_x=True).apply(rgb), np.rot90(rgb, -1))


def test_pixels_become_square(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(9), format="rgb24")))
        container.mux(stream.encode(None))
    assert decode_first(path, 0.0).shape == (64, 96, 3)
    assert (video.probe(path).width, video.probe(path).height) == (96, 64)


def test_only_large_pictures_shrink(clip: Path) -> None:
    assert video.read_frames(clip, [0.0], longest_side=32).rgb.shape == (1, 32, 32, 3)
    assert video.read_frames(clip, [0.0], longest_side=64).rgb.shape == (1, 64, 64, 3)
    assert video.read_frames(clip, [0.0], longest_side=500).rgb.shape == (1, 64, 64, 3)


@pytest.mark.parametrize("height", [240, 720])
def test_colours_survive(tmp_path: Path, height: int) -> None:
    bars = np.repeat(np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 100, 50]], np.uint8), 32, axis=0)
    video.write(tmp_path / "bars.mp4", [np.tile(bars, (height, 1, 1))] * 3, frames_per_second=10)
    middles = decode_first(tmp_path / "bars.mp4", 0.1)[height // 2, 16::32]
    np.testing.assert_allclose(middles, bars[16::32], atol=6)


# --- seeking -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "libx264")],
)
def test_seeking_gives_the_frames_of_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str, blind: bool
) -> None:
    # No scene changes: mpeg4 would make every picture a key picture.
    path = film(tmp_path / name, list(range(250)), codec=codec, g="20", bf="2", sc_threshold="1000000000", qmax="3")
    instants = [0.0, 0.35, 7.0, 7.1, 13.95, 24.0, 24.9, 60.0]
    index._index.cache_clear()
    if blind:
        monkeypatch.setattr(index, "_INDEX_BELOW", 0)
        monkeypatch.setattr(index, "_BLIND_SEEK", 3.0)
    jumps: list[int] = []
    jump = decode._Walk._jump
    monkeypatch.setattr(decode._Walk, "_jump", lambda self, *args: jumps.append(1) or jump(self, *args))
    sought = [rgb for _, rgb, _ in decode.read(path, instants, longest_side=64)]
    assert jumps
    monkeypatch.setattr(index.Index, "shortcut", lambda *_: None)
    straight = [rgb for _, rgb, _ in decode.read(path, instants, longest_side=64)]
    index._index.cache_clear()
    assert [number_of(rgb) for rgb in straight] == [0, 3, 70, 71, 139, 240, 249, 249]
    for one, other in zip(sought, straight, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_seek_that_lands_too_late_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "gop.mp4", list(range(200)), g="20")
    far = decode.Source.seek
    monkeypatch.setattr(decode.Source, "seek", lambda self, pts: far(self, pts * 2))
    numbers = [number_of(rgb) for _, rgb, _ in decode.read(path, [0.0, 9.0, 15.0], longest_side=64)]
    assert numbers == [0, 90, 150]


# --- files that are no films, or broken --------------------------------------------------------------------

NO_FILMS: dict[str, tuple[bytes | None, str]] = {
    "missing.mp4": (None, "does not exist"),
    "empty.mp4": (b"", "empty"),
    "notes.txt": (b"hello world\n" * 50, "not a video"),
    "zeros.mp4": (bytes(5000), "not a video"),
    "list.m3u8": (b"#EXTM3U\n#EXTINF:1,\nclip.mp4\n", "playlist"),
    "list.mp4": (b"ffconcat version 1.0\nfile clip.mp4\n", "playlist"),
    "list.mpd": (b"\xef\xbb\xbf<?xml version='1.0'?><MPD></MPD>", "playlist"),
    "a.sdp": (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "playlist"),
}


@pytest.mark.parametrize("name", NO_FILMS)
def test_what_is_no_film_is_named_and_refused(tmp_path: Path, name: str) -> None:
    content, reason = NO_FILMS[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for ask in (video.probe, lambda path: list(video.read(path, [0.0]))):
        with pytest.raises(VideoError, match=reason) as caught:
            ask(tmp_path / name)
        assert name in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


def test_a_folder_and_sound_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="folder"):
        video.probe(tmp_path)
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(VideoError, match="sound"):
        video.probe(tmp_path / "sound.wav")


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_a_video_that_ends_before_its_index_is_no_unknown_format(tmp_path: Path, clip: Path, ending: str) -> None:
    whole = film(tmp_path / f"whole.{ending}", [0, 1, 2]).read_bytes() if ending != "mp4" else clip.read_bytes()
    (tmp_path / f"cut.{ending}").write_bytes(whole[:40])
    # To encode again what cannot be opened is no advice.
    with pytest.raises(VideoError, match=rf"^cut\.{ending} begins like a video, but .* Copy it again"):
        video.probe(tmp_path / f"cut.{ending}")


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_a_title_in_an_older_writing_keeps_no_video_out(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"old.{ending}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "The cafe film"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert b"cafe" in content
    path.write_bytes(content.replace(b"cafe", "café".encode("latin-1")))
    assert video.probe(path).frames == 5 and len(list(video.read(path, [0.0]))) == 1


@pytest.mark.parametrize("name", ["concat:a|b.mp4", "a%03d.mp4", "http:x.mp4", "-i.mp4", "ä ö.mp4"])
def test_odd_names_are_only_names(tmp_path: Path, clip: Path, name: str) -> None:
    (tmp_path / name).write_bytes(clip.read_bytes())
    assert video.probe(tmp_path / name).frames == 40


def test_a_film_cut_off_gives_what_is_there(tmp_path: Path, clip: Path) -> None:
    noise = np.random.default_rng(0).integers(-8, 8, (20, 64, 64, 1))
    video.write(
        tmp_path / "whole.mp4",
        ((picture(number) + noise[number]).astype(np.uint8) for number in range(20)),
        frames_per_second=10,
    )
    whole = (tmp_path / "whole.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    assert 0.5 < video.probe(cut).seconds < 2.0
    assert shown(cut, [0.0, 0.2]) == [0, 2]
    assert shown(cut, [99.0]) > [5]
    cut.write_bytes(whole[:300])
    with pytest.raises(VideoError, match=r"cut\.mp4"):
        video.probe(cut)


def lost_of(path: Path) -> list[float]:
    lost: list[float] = []
    assert len(list(video.read(path, [0.0, 1.0, 2.0, 3.5], lost=lost.append))) == 4
    return lost


def test_it_is_told_which_frames_do_not_decode(clip: Path, spoilt: Path) -> None:
    assert lost_of(clip) == [] and video.cut_off(clip) == 0
    assert lost_of(spoilt) == [2.0, 3.5] and video.cut_off(spoilt) == 0


def test_it_is_told_what_a_film_announces_without_having_it(tmp_path: Path, early: Path) -> None:
    whole = early.read_bytes()
    kept = whole.index(b"mdat") + (len(whole) - whole.index(b"mdat")) // 2
    (tmp_path / "cut.mp4").write_bytes(whole[:kept])
    missing, there = video.cut_off(tmp_path / "cut.mp4"), video.probe(tmp_path / "cut.mp4").seconds
    assert missing > 0.5 and missing + there == pytest.approx(4.0, abs=0.15)
    film(tmp_path / "whole.mkv", list(range(40)), g="5")
    content = (tmp_path / "whole.mkv").read_bytes()
    assert video.cut_off(tmp_path / "whole.mkv") < 0.2
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    assert 0.5 < video.cut_off(tmp_path / "cut.mkv") < 4.0


def with_sound(path: Path, *, pictures: float, sound: float) -> Path:
    """Noise to look at and to hear, each for so many seconds, woven into one another."""
    random = np.random.default_rng(0)
    fragments = {"movflags": "frag_keyframe+empty_moov"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=fragments) as container:
        seen = container.add_stream("libvpx" if path.suffix == ".webm" else "libx264", rate=10)
        seen.width, seen.height, seen.pix_fmt = 64, 48, "yuv420p"
        heard = container.add_stream("aac" if path.suffix == ".flv" else "libopus", rate=48_000)
        for tenth in range(round(10 * max(pictures, sound))):
            if tenth < 10 * pictures:
                rgb = random.integers(0, 256, (48, 64, 3)).astype(np.uint8)
                container.mux(seen.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            if tenth < 10 * sound:
                wave = random.integers(-9000, 9000, (1, 4800)).astype(np.int16)
                block = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
                block.sample_rate, block.pts = 48_000, 4800 * tenth
                container.mux(heard.encode(block))
        container.mux(seen.encode(None))
        container.mux(heard.encode(None))
    return path


@pytest.mark.parametrize("ending", ["mkv", "webm", "flv", "mp4"])
def test_a_film_with_sound_is_told_to_be_cut_off_and_one_with_a_longer_sound_is_not(
    tmp_path: Path, ending: str
) -> None:
    whole = with_sound(tmp_path / f"whole.{ending}", pictures=6, sound=6)
    content = whole.read_bytes()
    cut = tmp_path / f"cut.{ending}"
    cut.write_bytes(content[: len(content) // 2])
    there = video.probe(cut).seconds
    assert video.cut_off(whole) == 0
    assert 1.5 < there < 4.5 and video.cut_off(cut) + there == pytest.approx(6.0, abs=0.5)
    assert video.cut_off(with_sound(tmp_path / f"long.{ending}", pictures=2, sound=6)) < 0.2


def test_damaged_bytes_never_crash(tmp_path: Path, clip: Path) -> None:
    whole = np.frombuffer(clip.read_bytes(), np.uint8)
    random = np.random.default_rng(0)
    for number in range(20):
        damaged = whole.copy()
        places = random.integers(48, len(whole), 40)
        damaged[places] = random.integers(0, 256, 40)
        path = tmp_path / f"damaged{number}.mp4"
        path.write_bytes(damaged.tobytes())
        try:
            assert video.read_frames(path, [0.0, 2.0]).rgb.ndim == 4
        except VideoError as error:
            assert path.name in str(error)


# --- the workers -------------------------------------------------------------------------------------------


@pytest.fixture
def long_film(tmp_path: Path) -> Path:
    """More bytes than a pipe holds."""
    path = tmp_path / "long.mp4"
    video.write(path, (picture(number, 480, 640) for number in range(20)), frames_per_second=10)
    return path


def test_a_worker_serves_again_and_again(clip: Path, hired: list[client.Worker]) -> None:
    for _ in range(3):
        video.probe(clip)
    assert len({worker.process.pid for worker in hired}) == 1


def test_leaving_half_way_poisons_nothing(long_film: Path, clip: Path, hired: list[client.Worker]) -> None:
    frames = video.read(long_film, np.arange(20) / 10)
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    assert hired[0].process.poll() is not None, "nobody will take its frames: it must be gone"
    assert shown(clip, [1.0, 2.0]) == [10, 20]


@pytest.mark.parametrize(("blow", "reason"), [(signal.SIGKILL, "crashed"), (signal.SIGSTOP, "no answer")])
def test_a_broken_worker_is_replaced(
    long_film: Path,
    clip: Path,
    hired: list[client.Worker],
    monkeypatch: pytest.MonkeyPatch,
    blow: signal.Signals,
    reason: str,
) -> None:
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.5)
    frames = video.read(long_film, np.arange(20) / 10)
    next(frames)
    os.kill(hired[0].process.pid, blow)
    with pytest.raises(VideoError, match=reason) as caught:
        list(frames)
    assert "long.mp4" in str(caught.value)
    monkeypatch.undo()
    assert shown(clip, [1.0]) == [10]


def test_a_worker_that_died_idle_is_not_asked(clip: Path, hired: list[client.Worker]) -> None:
    video.probe(clip)
    hired[0].process.kill()
    hired[0].process.wait()
    assert video.probe(clip).frames == 40


def test_an_error_keeps_the_worker(tmp_path: Path, clip: Path, hired: list[client.Worker]) -> None:
    with pytest.raises(VideoError):
        video.probe(tmp_path / "none.mp4")
    video.probe(clip)
    assert hired[0] is hired[1]


def test_threads_do_not_mix_their_films(tmp_path: Path) -> None:
    paths = [film(tmp_path / f"{length}.mp4", list(range(length))) for length in (10, 20, 30)]
    seen: dict[int, list[int]] = {}

    def work(number: int) -> None:
        seen[number] = shown(paths[number % 3], [0.5, 99.0])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: [5, (9, 19, 29)[number % 3]] for number in range(6)}
    assert len(client._idle) <= 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_process_starts_its_own_workers(clip: Path) -> None:
    video.probe(clip)
    kept = {worker.process.pid for worker in client._idle}
    assert kept
    child = os.fork()
    if child == 0:
        fine = not client._idle and video.probe(clip).frames == 40
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert video.probe(clip).frames == 40
    assert kept & {worker.process.pid for worker in client._idle}


def test_reading_does_not_load_ffmpeg_here(clip: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from har_core import video;"
        f"video.read_frames(Path({str(clip)!r}), [0.0]); assert 'av' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True)


# --- writing and playing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(63, 65), (1, 1), (64, 33)])
def test_odd_sizes_become_even(tmp_path: Path, height: int, width: int) -> None:
    video.write(tmp_path / "odd.mp4", [np.full((height, width, 3), 90, np.uint8)] * 3, frames_per_second=5)
    properties = video.probe(tmp_path / "odd.mp4")
    assert (properties.height, properties.width) == (height + height % 2, width + width % 2)


@pytest.mark.parametrize(
    ("frames", "rate"),
    [
        (list, 10),
        (lambda: [picture(1)], 0),
        (lambda: [picture(1), picture(1, 32, 32)], 10),
        (lambda: iter([picture(1), picture(2, 64, 32)]), float("nan")),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, frames: Callable[[], list[Rgb]], rate: float) -> None:
    with pytest.raises(VideoError, match=r"film\.mp4|one size"):
        video.write(tmp_path / "film.mp4", frames(), frames_per_second=rate)
    assert list(tmp_path.iterdir()) == []


def test_writing_replaces_whole(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    video.write(path, [picture(1)] * 4, frames_per_second=8)
    video.write(path, [picture(2)] * 6, frames_per_second=29.97)
    assert video.probe(path).frames == 6
    assert video.probe(path).frames_per_second == pytest.approx(29.97, abs=0.01)
    assert [entry.name for entry in tmp_path.iterdir()] == ["film.mp4"]


def test_a_folder_that_cannot_be_written_is_the_users_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VideoError, match="cannot be written"):
        video.write(tmp_path / "file" / "film.mp4", [picture(1)], frames_per_second=8)


def test_what_browsers_play_stays(tmp_path: Path, clip: Path) -> None:
    assert video.playable(clip, tmp_path) == clip
    webm = film(tmp_path / "a.webm", [0, 1], codec="libvpx-vp9", deadline="realtime")
    assert video.playable(webm, tmp_path / "cache") == webm
    assert not (tmp_path / "cache").exists()


def test_what_browsers_do_not_play_is_copied_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = film(tmp_path / "old.avi", list(range(30)), codec="mpeg4")
    copy = video.playable(path, cache)
    assert copy.parent == cache
    assert video.playable(copy, cache) == copy
    assert shown(copy, [0.05, 1.05, 2.95]) == [0, 10, 29]
    made = copy.stat().st_mtime_ns
    assert video.playable(path, cache) == copy
    assert copy.stat().st_mtime_ns == made
    os.utime(path, (1, 1))
    assert video.playable(path, cache) != copy


def test_a_turned_film_is_copied_upright(tmp_path: Path) -> None:
    copy = video.playable(film(tmp_path / "turned.mp4", [0, 1, 2], turn=90), tmp_path / "cache")
    assert decode_first(copy, 0.0).shape == (64, 48, 3)


# --- films from everywhere ---------------------------------------------------------------------------------


@pytest.mark.skipif(not WILD.is_dir(), reason="the shared clips are not here")
def test_wild_films() -> None:
    for path in sorted(path for path in WILD.rglob("*") if path.is_file()):
        if path.parent.name.startswith("_broken"):
            continue
        properties = video.probe(path)
        frames = video.read_frames(path, [properties.seconds / 2], longest_side=160)
        assert properties.frames >= 3
        assert max(frames.rgb.shape[1:3]) <= 160
        assert frames.rgb.max() > 8, f"{path.name} is black"
        shape = frames.rgb.shape[2] / frames.rgb.shape[1]
        assert shape == pytest.approx(properties.width / properties.height, rel=0.05)
    turned = video.probe(WILD / "decord" / "video_90.mov")
    assert (turned.width, turned.height) == (320, 568)
    with pytest.raises(VideoError, match="bytetrack_output"):
        video.probe(WILD / "_broken_on_purpose" / "bytetrack_output_test_deep_sort.avi")


# --- every frame of a file ----------------------------------------------------------------------------------


def test_every_frame_comes_with_its_time(tmp_path: Path, clip: Path) -> None:
    path = film(tmp_path / "uneven.mp4", [3, 4, 9, 10, 20])
    seen = list(video.frames(path))
    assert [round(seconds, 6) for seconds, _ in seen] == [0, 0.1, 0.6, 0.7, 1.7]
    assert [number_of(rgb) for _, rgb in seen] == [0, 1, 2, 3, 4]
    assert all(rgb.shape == (48, 64, 3) and rgb.dtype == np.uint8 for _, rgb in seen)
    assert {rgb.shape for _, rgb in video.frames(path, longest_side=32)} == {(24, 32, 3)}
    # The same pictures that are read by their instants.
    for (_, one), (_, other) in zip(seen, video.read(path, [seconds for seconds, _ in seen]), strict=True):
        assert np.array_equal(one, other)
    assert len(list(video.frames(clip))) == video.probe(clip).frames


def test_frames_of_a_turned_film_are_upright(tmp_path: Path) -> None:
    path = film(tmp_path / "turned.mp4", list(range(3)), turn=90)
    assert {rgb.shape for _, rgb in video.frames(path)} == {(64, 48, 3)}


def test_frames_of_what_is_no_film(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="none"):
        next(video.frames(tmp_path / "none.mp4"))


@pytest.mark.parametrize("address", ["no/such/camera", "gopher://x", "file:///etc/passwd", "concat:a|b", "-1", ""])
def test_only_cameras_and_streams_are_watched(address: str) -> None:
    with pytest.raises(VideoError, match="A source is a file, the number of a camera"):
        next(video.watch(address))


def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(VideoError, match="camera 97 cannot be watched"):
        next(video.watch("97"))
