"""The bridge between the browser's camera and `Stream`: frames in, drawn frames out. Thin, and the only one.

streamlit-webrtc announces that its class-based interface will go; nothing else in the project would notice.
"""

import asyncio
import math
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import ifaddr
import numpy as np
import streamlit as st
from aiortc import VideoStreamTrack
from aiortc.codecs import vpx
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from streamlit_webrtc import Translations, VideoProcessorBase, WebRtcMode, webrtc_streamer

from har_core import video
from har_core.errors import VideoError
from har_core.values import Rgb, VideoProperties

State = Literal["stopped", "connecting", "playing"]
LONGEST_SIDE, MOST_FRAMES_PER_SECOND = 640, 30.0
_CLOCK = 90_000  # of RTP video, RFC 3551
_PIECE_SECONDS = 60
# aiortc begins with 500 kbit/s, in which what is drawn looks smeared. The browser's reports still lower it.
vpx.DEFAULT_BITRATE, vpx.MAX_BITRATE = 1_500_000, 3_000_000
_WORDS: Translations = {"start": "Start", "stop": "Stop", "select_device": "Choose camera"}
_LOOK: dict[str, Any] = {
    "autoPlay": True, "controls": False, "muted": True, "playsInline": True,
    "style": {"width": "100%", "borderRadius": "0.6rem", "background": "#000"},
}  # fmt: skip


class Sink(Protocol):
    """Where the frames of one connection go. Its methods are called by threads without Streamlit's context."""

    def process(self, rgb: Rgb, seconds: float, *, dropped: int) -> Rgb:
        """The picture to send back. Must never raise and never take long: 10 s end the connection for good."""

    def end(self) -> None:
        """The connection has ended. Called on the event loop of the whole server: must return at once."""


def stream(
    key: str, open_sink: Callable[[], Sink], *, ice_servers: list[dict[str, Any]], facing: str = "user",
    film: tuple[Path, VideoProperties] | None = None, failed: Callable[[str], None],
) -> State:  # fmt: skip
    """Draw the picture with its Start button, and say how it stands.

    Args:
        key: of the widget; another one for another kind of source.
        open_sink: called once for each connection, from a thread of its own.
        ice_servers: as in RTCConfiguration; none means no question to anybody.
        facing: the camera that is asked for where there are two: "user" (front) or "environment" (back).
        film: a file that is played over and over instead of the camera.
        failed: told in a sentence when the film cannot be read on.
    """
    wanted = {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30, "max": 30}}
    # Of a player it uses no more than what ours has.
    player: Any = (lambda: _Player(*film, failed)) if film else None
    if (known := st.session_state.get(key)) is not None:
        # Streamlit counts a run once its last message is sent. Where runs follow fast, streamlit-webrtc thinks that
        # one went by without this widget and ends the stream. The page itself notices who was away: see `forget`.
        known._last_rendered_run_count = None
    context = webrtc_streamer(
        key=key,
        mode=WebRtcMode.RECVONLY if film else WebRtcMode.SENDRECV,
        rtc_configuration={"iceServers": ice_servers},
        media_stream_constraints={"video": {**wanted, "facingMode": {"ideal": facing}}, "audio": False},
        video_processor_factory=lambda: _Processor(open_sink()),
        player_factory=player,
        async_processing=True,
        sendback_audio=False,
        media_toggle_controls=False,
        video_html_attrs=_LOOK,
        translations=_WORDS,
    )
    return _state(context)


def state(key: str) -> State:
    """How the stream with this key stood when the page last ran; "stopped" where it was never drawn."""
    context = st.session_state.get(key)
    return "stopped" if context is None else _state(context)


def forget(*keys: str) -> None:
    """Drop what is remembered of these streams: their pictures went with the page on which they were drawn."""
    for key in keys:
        st.session_state.pop(key, None)


def _state(context: Any) -> State:  # noqa: ANN401  # its type takes two others as arguments
    if context.state.playing:
        return "playing"
    return "connecting" if context.state.signalling else "stopped"


def addresses() -> list[str]:
    """This computer's addresses that a connection could use. WebRTC leaves out those that only it can reach."""
    found = (ip.ip if isinstance(ip.ip, str) else ip.ip[0] for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return sorted({a for a in found if not a.startswith(("127.", "::1", "fe80:", "169.254."))})


class _Processor(VideoProcessorBase):
    """Takes the newest frame and drops the rest."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._begun = False

    async def recv_queued(self, frames: list[VideoFrame]) -> list[VideoFrame]:
        newest = frames[-1]
        rgb: Rgb = newest.to_ndarray(format="rgb24")  # type: ignore[assignment]  # of bytes in this format
        drawn = self._sink.process(rgb, float(newest.time or 0.0), dropped=len(frames) - 1)
        # The encoder wants this format; converting it here spares the server's event loop.
        return [VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="rgb24").reformat(format="yuv420p")]

    def on_ended(self) -> None:
        self._sink.end()


class _Player:
    """What streamlit-webrtc asks of a player: tracks."""

    audio = None

    def __init__(self, path: Path, properties: VideoProperties, failed: Callable[[str], None]) -> None:
        self.video = _Film(path, properties, failed)


class _Film(VideoStreamTrack):
    """A file as a camera: over and over, at its own pace, decoded in a process that may break without harm.

    aiortc's own player loses its pace, or ends, where it loops.
    """

    def __init__(self, path: Path, properties: VideoProperties, failed: Callable[[str], None]) -> None:
        super().__init__()
        self._rate = pace(properties)
        self._pictures = pictures(path, properties)
        self._failed = failed
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="film")
        self._begun = 0.0
        self._number = 0

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        try:
            rgb = await loop.run_in_executor(self._reader, next, self._pictures)
        except (VideoError, RuntimeError) as error:  # RuntimeError: the reader was shut down meanwhile
            if isinstance(error, VideoError):
                self._failed(str(error))
            self.stop()
            raise MediaStreamError from None
        due = self._begun + self._number / self._rate
        if not self._number or loop.time() > due + 0.5:  # the decoder is too slow: go on from here, do not rush
            self._begun += loop.time() - due
        else:
            await asyncio.sleep(max(0.0, due - loop.time()))
        frame = VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts, frame.time_base = round(self._number * _CLOCK / self._rate), Fraction(1, _CLOCK)
        self._number += 1
        return frame

    def stop(self) -> None:
        """End it, and the process that decodes."""
        if self.readyState == "live":
            self._reader.submit(self._pictures.close)  # by the thread that reads: a generator has room for one
            self._reader.shutdown(wait=False)
        super().stop()


def pace(properties: VideoProperties) -> float:
    """Frames a second at which a film is played: its own within reason."""
    return min(MOST_FRAMES_PER_SECOND, max(1.0, properties.frames_per_second))


def pictures(path: Path, properties: VideoProperties) -> Generator[Rgb, None, None]:
    """A film's pictures, uint8 `(H, W, 3)` with even sides, without end.

    Raises:
        VideoError: it cannot be decoded any more.
    """
    rate = pace(properties)
    number = max(1, math.floor(properties.seconds * rate + 1e-6))
    piece = math.ceil(_PIECE_SECONDS * rate)  # a long film is asked for in pieces: the instants travel as text
    while True:
        for first in range(0, number, piece):
            instants = np.arange(first, min(first + piece, number)) / rate
            for _, rgb in video.read(path, instants, longest_side=LONGEST_SIDE):
                # What is sent has colours of 2 x 2 pixels.
                even = rgb[: max(2, rgb.shape[0] // 2 * 2), : max(2, rgb.shape[1] // 2 * 2)]
                yield np.ascontiguousarray(even)
