"""Follows people from picture to picture: ByteTrack, one tracker for each stream."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_core.config import LiveConfig
from har_core.values import Detections, Tracks

_DAMPED = 0.5
"""The share of the filter's velocity that is believed: people stop more often than boxes predict."""

_EXPECTED = 2
"""Detections in which somebody may be missed and still be shown where expected: else boxes would blink."""


class Tracker:
    """Gives detections an identity. One for each stream; not for several threads.

    The boxes it gives are those of its Kalman filter, which smooths them. Ids are 1, 2, ... in the order in
    which people were seen twice (or in the first picture); an id is never given to somebody else.
    """

    def __init__(self, config: LiveConfig | None = None) -> None:
        from ultralytics.trackers.byte_tracker import BYTETracker

        config = config or LiveConfig()
        self._tracker: Any = BYTETracker(  # type: ignore[no-untyped-call]  # it has no types
            SimpleNamespace(
                track_high_thresh=config.confidence,
                track_low_thresh=0.1,
                new_track_thresh=config.confidence,
                track_buffer=config.keep,
                match_thresh=0.8,
                fuse_score=True,
            )
        )
        self.reset()

    def reset(self) -> None:
        """Forget everybody: a new source begins, with ids from 1."""
        self._tracker.reset()
        self._ids: dict[int, int] = {}
        self._met = 0
        self._seconds: float | None = None

    def update(self, detections: Detections, seconds: float) -> Tracks:
        """Who is where, from what was found in the picture of this instant; `seconds` must rise."""
        step = 1.0 if self._seconds is None else max(1e-3, seconds - self._seconds)
        self._seconds = seconds
        real = np.isfinite(detections.xyxy).all(axis=1)  # one infinite side would spoil a filter for good
        self._tracker.update(_Boxes(detections.xyxy[real], detections.confidence[real]))
        lost = [t for t in self._tracker.lost_stracks if self._tracker.frame_id - t.end_frame <= _EXPECTED]
        followed = [t for t in (*self._tracker.tracked_stracks, *lost) if t.is_activated and _finite(t)]
        alive = {t.track_id for t in (*self._tracker.tracked_stracks, *self._tracker.lost_stracks)}
        # ByteTrack numbers also what is seen but once; people are numbered when they are sure.
        self._ids = {raw: own for raw, own in self._ids.items() if raw in alive}
        for track in followed:
            if track.track_id not in self._ids:
                self._met += 1
                self._ids[track.track_id] = self._met
        if not followed:
            return Tracks.none(seconds)
        velocity = np.array([[t.mean[4], t.mean[5], t.mean[4], t.mean[5]] for t in followed]) * _DAMPED / step
        return Tracks(
            seconds,
            np.array([t.xyxy for t in followed], np.float32),
            np.array([t.score for t in followed], np.float32),
            np.array([self._ids[t.track_id] for t in followed], np.int64),
            velocity.astype(np.float32),
        )

    @property
    def kept(self) -> frozenset[int]:
        """The ids that may come back: everybody in view, and who was lost a moment ago."""
        return frozenset(self._ids.values())


def _finite(track: Any) -> bool:  # noqa: ANN401  # an STrack; ultralytics has no types
    return bool(np.isfinite(track.mean).all() and (track.tlwh[2:] > 0).all())


class _Boxes:
    """Detections in the shape that ultralytics' trackers read."""

    def __init__(self, xyxy: NDArray[np.float32], conf: NDArray[np.float32]) -> None:
        self.xyxy, self.conf = xyxy, conf
        self.cls = np.zeros(len(conf), np.float32)

    @property
    def xywh(self) -> NDArray[np.float32]:
        corners, far = self.xyxy[:, :2], self.xyxy[:, 2:]
        return np.concatenate([(corners + far) / 2, far - corners], axis=1)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "_Boxes":
        return _Boxes(self.xyxy[chosen], self.conf[chosen])
