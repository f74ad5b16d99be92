"""What is to be filmed: the settings of an example data set, and the clips that follow from them."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from har_core import video
from har_core.errors import ConfigError
from har_core.example.actor import Actor
from har_core.example.film import Variation, check, render
from har_core.example.motion import ACTIONS
from har_core.example.places import PLACES

_SECONDS = (2.0, 4.0)
"""Shortest and longest clip. Drawn without looking at the action, so that length gives no action away."""


@dataclass(frozen=True, slots=True)
class Job:
    """One clip: where it goes, below the data set's folder, and what it shows."""

    path: Path
    action: str
    group: str
    actor: Actor
    variation: Variation
    seconds: float


@dataclass(frozen=True, slots=True)
class Order:
    """The settings of `make`; the same order gives the same clips."""

    root: str
    actors: int
    clips_per_actor: int
    seed: int
    size: tuple[int, int]
    frames_per_second: float

    def __post_init__(self) -> None:
        if not (1 <= self.actors <= 99 and 1 <= self.clips_per_actor <= 99):
            raise ConfigError(
                f"Actors and clips per actor must be 1 to 99, but are {self.actors} and {self.clips_per_actor}."
            )
        if self.seed < 0:
            raise ConfigError(f"A seed is 0 or more, but got {self.seed}.")
        check(self.size, self.frames_per_second)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `json.dumps` takes them."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Order":
        """The order that `to_json` gave."""
        return Order(**{**values, "size": tuple(values["size"])})

    def film(self, job: Job) -> None:
        """Render one clip and write its file below `root`.

        Raises:
            HarError: a setting out of range, or the file cannot be written.
        """
        rate = self.frames_per_second
        frames = render(
            job.action, job.actor, job.variation, seconds=job.seconds, frames_per_second=rate, size=self.size
        )
        video.write(Path(self.root) / job.path, frames, frames_per_second=rate)

    def jobs(self) -> list[Job]:
        """Every clip, actor by actor."""
        jobs = []
        for person in range(self.actors):
            actor = Actor.drawn(person, np.random.default_rng([self.seed, person]))
            for kind, action in enumerate(ACTIONS):
                for take in range(self.clips_per_actor):
                    random = np.random.default_rng([self.seed, person, kind, take])
                    # An actor does every action in the same place: with so few clips a place that some
                    # action happens to meet more often would be learned instead of the action.
                    place = PLACES[(person + take + self.seed) % len(PLACES)]
                    group = f"g{person + 1:02}"
                    path = Path(action, f"v_{action}_{group}_c{take + 1:02}.mp4")
                    seconds = float(random.uniform(*_SECONDS))
                    jobs.append(Job(path, action, group, actor, Variation.drawn(random, place=place), seconds))
        return jobs
