"""A data set as the doctor's checks look at it: clips, their paths and what is known of them, aligned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from har_core.dataset import Dataset
from har_core.facts import ClipFacts
from har_core.values import Clip, VideoProperties


@dataclass(frozen=True)
class Examined:
    """`source` with what is known of its clips so far, by relative path; clips without facts are judged by file."""

    source: Dataset
    facts: Mapping[str, ClipFacts]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The clips' paths relative to the root, in the order of the clips."""
        return tuple(self.source.relative(clip) for clip in self.source.clips)

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """Of each clip."""
        return tuple(clip.action for clip in self.source.clips)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips."""
        return self.source.clips

    @property
    def properties(self) -> tuple[VideoProperties, ...]:
        """Of each clip."""
        return self.source.properties

    @cached_property
    def guessed(self) -> frozenset[int]:
        """The clips of which nobody said who or where was filmed: their group is named after a clip's path."""
        paths = {*self.names, *(self.source.relative(clip) for clip in self.source.excluded)}
        return frozenset(i for i, clip in enumerate(self.clips) if clip.group in paths)

    @cached_property
    def named_groups(self) -> tuple[str, ...]:
        """The groups that somebody named, sorted."""
        return tuple(sorted({clip.group for i, clip in enumerate(self.clips) if i not in self.guessed}))

    def of(self, indices: Sequence[int]) -> tuple[str, ...]:
        """The paths of these clips."""
        return tuple(self.names[i] for i in indices)

    def facts_of(self, index: int) -> ClipFacts | None:
        """What is known of a clip's pictures; None where nobody has looked yet."""
        return self.facts.get(self.names[index])


def shape(width: int, height: int) -> str:
    """ "wide", "tall" or "square", nearly.

    >>> shape(640, 360), shape(480, 500)
    ('wide', 'square')
    """
    ratio = width / max(1, height)
    return "wide" if ratio > 1.15 else "tall" if ratio < 1 / 1.15 else "square"
