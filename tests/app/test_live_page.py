"""The Live page without a browser: what it offers, what a stream does, what it leaves behind."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import Open, Wire, button, send, words
from streamlit.testing.v1 import AppTest

from har_core import detection, video, weights
from har_core.config import LiveConfig
from har_core.engine import Engine
from har_core.errors import CheckpointError, ConfigError, VideoError
from har_core.ui import connection, live, panel, recording, sources, webrtc
from har_core.values import Detections, LiveView, Prediction, Reading, Rgb, Segment, Tracks

BRIGHT, DARK = np.full((48, 64, 3), 200, np.uint8), np.full((48, 64, 3), 40, np.uint8)


class Boxes:
    """A detector that finds one person in bright pictures and two in dark ones."""

    identity = "boxes"

    def detect(self, rgb: Rgb) -> Detections:
        boxes = np.array([[4, 4, 24, 44], [36, 4, 60, 44]], np.float32)[: 1 if rgb.mean() > 100 else 2]
        return Detections(boxes, np.full(len(boxes), 0.9, np.float32))


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def live_threads() -> list[str]:
    names = ("live", "live keeper", "recorder")
    return [t.name for t in threading.enumerate() if t.name in names]


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    """Every test ends what it began."""
    yield
    until(lambda: not live_threads())


@pytest.fixture(autouse=True)
def no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_detector", lambda choice: None)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    wire = Wire(BRIGHT)
    monkeypatch.setattr(webrtc, "stream", wire.stream)
    monkeypatch.setattr(webrtc, "state", lambda key: wire.state)
    yield wire
    if wire.sink:
        wire.sink.end()


@pytest.fixture(scope="session")
def engine(ready: Path) -> Engine:
    return Engine(ready / "runs" / "done" / "best")


def viewer_with(engine: Engine, *, people: bool) -> live.Viewer:
    viewer = live.Viewer()
    view = "person" if people else "frame"
    viewer.prepare(live.Setup(engine, Boxes() if people else None, LiveConfig(view=view, least_seconds=0.2)))  # type: ignore[arg-type]
    return viewer


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def choose(app: AppTest, label: str, option: str) -> AppTest:
    group = next(g for g in app.button_group if g.label == label)
    return group.set_value(option).run()


def test_without_a_model_the_way_to_one_is_shown(workspace: Path, open_page: Open, wire: Wire) -> None:
    app = open_page("live")
    assert not app.exception and "There is no model yet" in words(app) and not wire.asked
    assert button(app, "Get a data set").title[0].value == "Dataset"


def test_without_a_detector_it_looks_at_the_whole_picture(ready_workspace: Path, open_page: Open, wire: Wire) -> None:
    app = open_page("live")
    assert not app.exception and not app.error
    assert "Nothing here finds people" in words(app) and "Press Start" in words(app)
    assert next(g for g in app.button_group if g.label == "Look at").disabled
    assert wire.asked["key"] == "live camera" and wire.asked["facing"] == "user" and wire.asked["ice_servers"] == []
    choose(app, "Camera", "environment")
    assert wire.asked["facing"] == "environment"


def test_with_a_detector_people_can_be_chosen(
    ready_workspace: Path, open_page: Open, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / "boxes"
    found.mkdir()
    monkeypatch.setattr(weights, "find_detector", lambda choice: found)
    monkeypatch.setattr(detection, "load", lambda choice="auto": Boxes())
    app = open_page("live")
    assert not app.exception and not app.error
    look = next(g for g in app.button_group if g.label == "Look at")
    assert not look.disabled and look.value == "frame"  # this model knows whole pictures only
    assert "It knows 2 actions: bright, dark." in words(app)
    places = [child.type for child in app.main.children.values()]
    app = choose(app, "Look at", "person")
    # A sentence that came between would have moved the picture, and moved it ends.
    assert [child.type for child in app.main.children.values()] == places
    assert "trained on whole pictures" in words(app)
    viewer = app.session_state["live viewer"]
    assert viewer.setup.config.view == "person" and viewer.setup.detector.identity == "boxes"


def test_what_is_done_stands_beside_the_picture(ready_workspace: Path, open_page: Open, wire: Wire) -> None:
    wire.state = "playing"
    app = open_page("live")
    until(lambda: app.session_state["live viewer"].stream.view.whole.prediction)
    app.run()
    assert not app.exception and not app.error
    assert 'class="card"' in html(app) and "The last minute" in html(app)
    assert "bright" in html(app) and "dark" in html(app)  # Top-K
    assert "fps" in html(app)
    assert all(g.disabled for g in app.button_group if g.label in ("Source", "Camera"))
    app = button(app, "Snapshot")
    assert app.session_state["live snapshot"][1].startswith(b"\xff\xd8\xff")


def test_a_recording_is_made_and_listed(ready_workspace: Path, open_page: Open, wire: Wire) -> None:
    wire.state = "playing"
    app = open_page("live")
    app = button(app, "Record")
    assert wire.sink is not None
    send(wire.sink, BRIGHT, 20, begin=2.0)
    app = button(app, "Stop recording")
    assert not app.exception and not app.error
    (found,) = recording.recordings(ready_workspace / "recordings")
    assert found.title in words(app)
    seen = video.probe(found.film)
    assert (seen.codec, seen.width, seen.height) == ("h264", 64, 48) and 0.8 < seen.seconds < 1.2
    button(app, "Delete for good")
    assert not recording.recordings(ready_workspace / "recordings")


def test_a_file_as_camera(ready_workspace: Path, clips: Path, open_page: Open, wire: Wire) -> None:
    app = choose(open_page("live"), "Source", "A file as camera")
    assert not app.exception and not app.error
    path, properties = wire.asked["film"]
    assert wire.asked["key"] == "live film" and path.suffix == ".mp4" and properties.width == 64
    wire.asked = {}
    app = choose(app, "File", "Upload")
    assert "over and over" in words(app) and not wire.asked
    app.file_uploader[0].upload("bad.mp4", b"nonsense").run()
    assert "bad.mp4" in app.error[0].value.replace("\\", "") and not wire.asked
    app.file_uploader[0].set_value([]).run()


@pytest.mark.parametrize(
    ("text", "said"),
    [("nonsense", "must be JSON"), ('{"urls": "stun:a"}', "must be a list"), ('[{"urls": 3}]', "must have urls"),
     ('[{"urls": "http://a"}]', "must look like"), ('[{"urls": "turn:a"}]', "needs a username"),
     ('["stun:a"]', "must be an object"), ('[{"urls": "stun:a:99999999"}]', "must look like"),
     ('[{"urls": "turn:a", "username": 1, "credential": "x"}]', "must be a text"), ("[" * 100_000, "must be JSON")],
)  # fmt: skip
def test_servers_that_are_none_are_said(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(connection.VARIABLE, text)
    with pytest.raises(ConfigError, match=said):
        connection.ice_servers()


def test_servers_of_the_environment_are_used(
    ready_workspace: Path, open_page: Open, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = [{"urls": ["turn:a.example", "stun:b"], "username": "u", "credential": "c"}]
    monkeypatch.setenv(connection.VARIABLE, json.dumps(servers))
    app = open_page("live")
    assert not app.exception and not app.error
    assert wire.asked["ice_servers"] == servers
    monkeypatch.setenv(connection.VARIABLE, "nonsense")
    assert "HAR_ICE_SERVERS" in open_page("live").error[0].value.replace("\\", "")


def test_servers_of_the_secrets_are_used(ready_workspace: Path, open_page: Open, wire: Wire) -> None:
    app = open_page("live")
    app.secrets["webrtc"] = {"ice_servers": [{"urls": "stun:a.example"}]}
    app.run()
    assert not app.exception and not app.error
    assert wire.asked["ice_servers"] == [{"urls": ["stun:a.example"]}]
    assert "stun:a.example" in words(app).replace("\\", "")


def test_a_damaged_detector_costs_only_the_view_of_people(
    ready_workspace: Path, open_page: Open, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(choice: str = "auto") -> None:
        raise CheckpointError("The detector boxes cannot be used: it is damaged.")

    monkeypatch.setattr(weights, "find_detector", lambda choice: tmp_path)
    monkeypatch.setattr(detection, "load", broken)
    app = open_page("live")
    assert not app.exception and not app.error
    assert "cannot be used" in app.warning[0].value and "Nothing here finds people" in words(app)


FINE = {"secure": True, "media": True, "cameras": 1, "permission": "granted", "rtc": True, "kinds": ["host"]}


@pytest.mark.parametrize(
    ("facts", "other", "said"),
    [
        ({}, {}, "All is well"),
        ({"secure": False, "media": False}, {}, "https or localhost"),
        ({"media": False}, {}, "another browser"),
        ({"permission": "denied"}, {}, "allow it"),
        ({"cameras": 0}, {}, "no camera"),
        ({"rtc": False}, {}, "no WebRTC"),
        ({"kinds": []}, {}, "blocks WebRTC"),
        ({}, {"addresses": []}, "on no network"),
        ({}, {"silent": ["turn.example does not answer on port 3478"]}, "turn.example does not answer"),
        ({}, {"servers": [{"urls": ["turn:turn.example"]}]}, "no relay"),
        ({"refused": "Invalid"}, {}, "does not accept"),
        ({"cameras": 0, "media": False, "secure": False}, {"camera": False}, "All is well"),
    ],
)
def test_the_check_says_the_first_thing_that_is_wrong(facts: Any, other: Any, said: str) -> None:
    given = {"camera": True, "servers": [], "silent": [], "addresses": ["192.0.2.7"], **other}
    found = connection.verdict({**FINE, **facts}, **given)
    assert said in found.sentence and found.good == (said == "All is well")


def test_a_server_that_answers_is_reachable_and_another_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        url = f"stun:127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            request, sender = server.recvfrom(2048)
            server.sendto(b"\x01\x01\x00\x00" + request[4:20], sender)

        helper = threading.Thread(target=answer)
        helper.start()
        assert connection.unreachable(url) == ""
        helper.join()
        assert "does not answer" in connection.unreachable(url)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert connection.unreachable(f"turn:127.0.0.1:{closed.getsockname()[1]}?transport=tcp")
    assert "no computer named" in connection.unreachable("turn:nowhere.invalid")


def test_each_viewer_has_people_of_their_own(engine: Engine) -> None:
    viewers = [viewer_with(engine, people=True) for _ in range(2)]
    one, other = (viewer.open() for viewer in viewers)
    send(one, DARK, 12)
    send(other, BRIGHT, 12)
    assert one.view.tracks.ids.tolist() == [1, 2]
    assert other.view.tracks.ids.tolist() == [1]
    one.end()
    send(other, BRIGHT, 4, begin=1.0)
    assert other.view.tracks.ids.tolist() == [1]
    other.end()


def test_another_model_or_view_takes_over_while_it_plays(engine: Engine, ready: Path) -> None:
    viewer = viewer_with(engine, people=False)
    stream = viewer.open()
    send(stream, BRIGHT, 3)
    assert stream.mode == "frame"
    viewer.prepare(live.Setup(Engine(ready / "runs" / "done" / "best"), None, viewer.setup.config))  # type: ignore[union-attr]
    send(stream, BRIGHT, 3, begin=1.0)
    assert stream.trouble == "" and live_threads().count("live") == 1
    viewer.prepare(live.Setup(engine, Boxes(), LiveConfig(view="person")))
    send(stream, DARK, 6, begin=2.0)
    assert stream.mode == "person" and len(stream.view.tracks) == 2
    until(lambda: live_threads().count("live") == 1)
    stream.end()


def test_a_stream_that_stalls_or_is_left_is_put_away(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TICK", 0.05)
    monkeypatch.setattr(live, "STALLED_SECONDS", 0.3)
    viewer = viewer_with(engine, people=False)
    stream = viewer.open()
    send(stream, BRIGHT, 2)
    assert viewer.ask() is stream and live_threads()
    until(lambda: not live_threads())  # a closed tab tells nobody
    assert viewer.ask() is None
    send(stream, BRIGHT, 2, begin=1.0)  # the network was away for a while
    assert viewer.ask() is stream
    monkeypatch.setattr(live, "GONE_SECONDS", 0.0)
    assert stream.process(BRIGHT, 2.0, dropped=0) is BRIGHT  # a film plays on, but nobody looks
    until(lambda: not live_threads())
    after = viewer.open()
    stream.end()
    assert stream.process(BRIGHT, 3.0, dropped=0) is BRIGHT
    after.end()


def test_what_fails_in_a_frame_is_said_and_the_picture_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer = viewer_with(engine, people=True)
    stream = viewer.open()

    def broken(self: Boxes, rgb: Rgb) -> Detections:
        raise RuntimeError("the detector <b>broke</b>")

    monkeypatch.setattr(Boxes, "detect", broken)
    send(stream, BRIGHT, 3)
    assert "broke" in stream.trouble
    viewer.fail("walk.mp4 cannot be read on.")
    assert "walk.mp4" in stream.trouble
    stream.end()
    capsys.readouterr()


def test_a_recording_survives_another_source_and_another_size(engine: Engine, tmp_path: Path) -> None:
    recorder = recording.Recorder(tmp_path)
    wide = np.full((48, 128, 3), 90, np.uint8)
    for i in range(60):
        recorder.put(BRIGHT if i < 30 else wide, 7 + i / 20 if i < 40 else (i - 40) / 20)
        recorder.note([Segment(1, 'a "b",c', 6.0, 7 + i / 20, 0.5)] if i < 40 else [])
        time.sleep(0.01)
    recorder.close()
    recorder.close()
    assert recorder.trouble == ""
    (found,) = recording.recordings(tmp_path)
    seen = video.probe(found.film)
    assert (seen.width, seen.height) == (64, 48) and 2.7 < seen.seconds < 3.2
    header, row = found.events.read_text().splitlines()
    assert header == "person,action,start,stop,mean probability"
    assert row == '1,"a ""b"",c",0.000,1.950,0.5000'
    (last,) = video.read_frames(found.film, [2.8]).rgb
    assert last[24, 32].mean() > 60 > 20 > last[2, 32].mean()  # the wide picture lies between black bars


def test_a_recording_that_an_app_left_behind_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "20260102-030405"
    folder.mkdir()
    film = recording._GrowingFilm(folder / recording.GROWING, BRIGHT)
    for i in range(100):
        film.add(BRIGHT, i / 20)
    # Nothing closes it: this is what a crash leaves.
    crashed = (folder / recording.GROWING).read_bytes()
    film.close()
    (folder / recording.GROWING).write_bytes(crashed)
    assert recording.recordings(tmp_path) == []  # somebody may be writing it
    monkeypatch.setattr(recording, "_UNTOUCHED_SECONDS", -1.0)
    (found,) = recording.recordings(tmp_path)
    assert found.title == "2026-01-02 03:04:05"
    assert video.probe(found.film).seconds >= 3.9 and not (folder / recording.GROWING).exists()


def record(recorder: recording.Recorder, number: int) -> None:
    for i in range(number):
        recorder.put(BRIGHT, i / 20)
        time.sleep(0.005)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("the encoder broke")])
def test_a_recording_that_ends_early_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    add = recording._GrowingFilm.add

    def fill_up(film: Any, rgb: Rgb, seconds: float) -> None:
        if seconds > 2.01:
            raise error
        add(film, rgb, seconds)

    monkeypatch.setattr(recording._GrowingFilm, "add", fill_up)
    recorder = recording.Recorder(tmp_path)
    record(recorder, 60)
    until(lambda: recorder.trouble)
    assert str(error.args[-1]) in recorder.trouble and "ended early" in recorder.trouble and "kept" in recorder.trouble
    until(lambda: recording.recordings(tmp_path))  # at once, not when it is stopped
    clock = recorder.seconds
    record(recorder, 60)  # more than may wait
    assert recorder.seconds == clock, "what is not recorded is not counted"
    recorder.close()
    (found,) = recording.recordings(tmp_path)
    assert 1.9 < video.probe(found.film).seconds < 2.2 and not (found.folder / recording.GROWING).exists()


def test_what_keeps_from_recording_is_said_until_it_can(engine: Engine, workspace: Path) -> None:
    viewer = live.Viewer(live.Setup(engine, None, LiveConfig()))
    stream = viewer.open()
    send(stream, BRIGHT, 3)
    workspace.mkdir(exist_ok=True)
    (workspace / "recordings").write_text("in the way")
    with pytest.raises(VideoError, match="Nothing can be recorded"):
        stream.record()
    assert "Nothing can be recorded" in stream.trouble
    (workspace / "recordings").unlink()
    stream.record()
    assert stream.trouble == "" and stream.recorder is not None
    stream.end()


def test_without_room_for_a_copy_the_film_stays_as_it_grew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_SPARE_BYTES", 1 << 60)
    recorder = recording.Recorder(tmp_path)
    record(recorder, 60)
    recorder.close()
    (found,) = recording.recordings(tmp_path)
    assert recorder.trouble == "" and video.probe(found.film).seconds > 2
    assert [file.name for file in found.folder.iterdir()] == [recording.FILM]


def test_the_film_goes_on_where_events_cannot_be_written(tmp_path: Path) -> None:
    recorder = recording.Recorder(tmp_path)
    (recorder.folder / recording.EVENTS).mkdir()
    record(recorder, 20)
    recorder.note([Segment(1, "wave", 0.0, 0.5, 0.5)])
    assert "events" in recorder.trouble
    record(recorder, 40)
    (recorder.folder / recording.EVENTS).rmdir()
    recorder.note([Segment(1, "no text: \udcff", 0.0, 0.5, 0.5)])
    assert recorder.trouble == ""
    recorder.close()
    (found,) = recording.recordings(tmp_path)
    assert video.probe(found.film).seconds > 1.9
    assert "wave" in found.events.read_text() and "no text: ?" in found.events.read_text()


def test_what_others_put_among_the_recordings_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_UNTOUCHED_SECONDS", -1.0)
    (tmp_path / "foreign.txt").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("bad\udcff", "elsewhere/own"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / recording.FILM).write_bytes(b"x")
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / recording.GROWING).write_bytes(b"no film")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "own")
    found = recording.recordings(tmp_path)
    assert [f.folder.name for f in found] == ["link", "left"]
    found[0].delete()
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "elsewhere" / "own" / recording.FILM).is_file()


def test_a_clip_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4 cannot be read"):
        sources._properties(tmp_path / "gone.mp4")


def test_nothing_is_recorded_where_nothing_comes(tmp_path: Path) -> None:
    recorder = recording.Recorder(tmp_path)
    recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_two_recordings_in_one_second_do_not_meet(tmp_path: Path) -> None:
    both = [recording.Recorder(tmp_path) for _ in range(2)]
    assert both[0].folder != both[1].folder
    for recorder in both:
        recorder.put(BRIGHT, 0.0)
        recorder.close()
    assert len(recording.recordings(tmp_path)) == 2


def test_a_film_goes_on_for_ever_at_its_own_pace(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    greys = [np.full((49, 65, 3), grey, np.uint8) for grey in (40, 120, 200)]
    video.write(path, greys, frames_per_second=10)
    properties = video.probe(path)
    assert webrtc.pace(properties) == pytest.approx(10)
    shown = webrtc.pictures(path, properties)
    seen = [next(shown) for _ in range(8)]
    shown.close()
    assert {rgb.shape for rgb in seen} == {(50, 66, 3)}
    assert [round(float(rgb.mean()) / 80) for rgb in seen] == [0, 2, 2, 0, 2, 2, 0, 2] or [
        int(rgb.mean() > 80) + int(rgb.mean() > 160) for rgb in seen
    ] == [0, 1, 2, 0, 1, 2, 0, 1]


def test_the_panel_shows_names_as_they_are() -> None:
    evil = '<img src=x onerror="alert(1)">'
    prediction = Prediction(np.array([0.7, 0.3]), (evil, "b"))
    readings = {1: Reading("sure", evil, prediction), 2: Reading("collecting", collected=0.4), 3: Reading("unsure")}
    boxes = np.array([[0, 0, 9, 9]] * 3, np.float32)
    tracks = Tracks(70.0, boxes, np.ones(3, np.float32), np.array([1, 2, 3]), boxes)
    view = LiveView(70.0, tracks, readings)
    text = panel.people(view, [Segment(1, evil, 5.0, 69.0, 0.9), Segment(9, "gone", 1.0, 4.0, 0.9)], top=2)
    assert "<img" not in text and "&lt;img" in text and 'onerror="' not in text
    assert "gone" not in text  # more than a minute ago
    assert "left:0.00%" in text and "collecting" in text and "unsure" in text and "70%" in text
    assert "Nobody is in the picture" in panel.people(LiveView(), [], top=3)
    crowd = LiveView(1.0, people={i: Reading("unsure") for i in range(1, 13)})
    assert "and 4 more" in panel.people(crowd, [], top=3)
