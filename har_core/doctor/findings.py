"""What the doctor says: findings, the worst first, each with why it matters and perhaps a way to mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from har_core.dataset.versions import Changes

Severity = Literal["problem", "warning", "hint"]
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "hint")
"""The worst first. A problem makes scores wrong or clips useless; a warning may; a hint is worth a thought."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that mend a finding, to be applied as one version. No file is touched.

    `label` is what a button says; `what` is what the history of versions says; `edits` are the fields to change by
    path relative to the root, as `dataset.versions.change` takes them.
    """

    label: str
    what: str
    edits: Mapping[str, Changes]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know of a data set.

    `kind` names what was looked for, the same for the command line as for the page. `why` says in a sentence or two
    why it matters and what to do. `clips` are the clips that it is about, relative to the root; `sets` are named
    sets of clips that belong together (copies of one another, proposed groups); `figures` are (name, value) in words.
    """

    kind: str
    severity: Severity
    title: str
    why: str
    clips: tuple[str, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()
    sets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Honesty:
    """What a random split would score and what a split by group scores, by the same quick classifier.

    Accuracies in [0, 1] with 95% intervals; `gap` is the first minus the second. `proposed` says that the groups
    are the doctor's proposal and nobody's word.
    """

    random: float
    random_interval: tuple[float, float]
    grouped: float
    grouped_interval: tuple[float, float]
    gap: float
    gap_interval: tuple[float, float]
    clips: int
    groups: int
    proposed: bool = False

    @property
    def leaks(self) -> bool:
        """Whether a random split would flatter: surely, and by enough to matter."""
        return self.gap_interval[0] > 0 and self.gap >= 0.03


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, the worst first. `known` of the `clips` clips were looked into; `honesty` needs a deeper look."""

    findings: tuple[Finding, ...]
    clips: int
    known: int
    honesty: Honesty | None = None
    notes: tuple[str, ...] = field(default=())
    """What was not looked for, and why."""

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of this severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def summary(self) -> str:
        """Such as "2 problems, 1 warning"; "Nothing found" where there is none."""
        counted = [(len(self.of(severity)), severity) for severity in SEVERITIES]
        said = [counting(number, severity) for number, severity in counted if number]
        return ", ".join(said) or "Nothing found"

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `python -m har_core dataset doctor --json` prints them."""
        return asdict(self) | {"summary": self.summary}


def counting(number: int, noun: str) -> str:
    """The number and its noun.

    >>> counting(1, "clip"), counting(2, "copy")
    ('1 clip', '2 copies')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The worst first, else in the order they came."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
