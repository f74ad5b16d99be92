"""What single files show: unreadable, too short, black, frozen."""

from collections.abc import Callable

from har_core.dataset.layouts import some
from har_core.dataset.versions import Changes
from har_core.doctor.examined import Examined
from har_core.doctor.findings import Finding, Fix, Severity, counting
from har_core.facts import ClipFacts
from har_core.sampling import count, propose

FEWEST_FRAMES = 4
"""Of a window that must be left of a short clip: with fewer there is no movement to learn."""
_MOST_LEFT_OUT = 0.3
"""Of all clips. Where more are short, that is what the data set is like, and leaving them out is no way to mend it."""


def unreadable(examined: Examined) -> list[Finding]:
    """Files that are no clips: empty, damaged, or of no action."""
    skipped = examined.source.skipped
    if not skipped:
        return []
    many = counting(len(skipped), "file")
    return [
        Finding(
            "unreadable", "warning", f"{many} cannot be used",
            "They are left out of everything. Copy or convert them anew, or remove them from the folder.",
            tuple(name for name, _ in skipped), tuple(skipped[:12]),
        )
    ]  # fmt: skip


def short(examined: Examined) -> list[Finding]:
    """Clips of which the network would see too few frames to tell a movement."""
    spec = propose([facts.seconds for facts in examined.properties], size=112)
    seen = [
        min(count(facts.seconds, spec), facts.frames or spec.most_frames) for facts in examined.properties
    ]  # a file that does not say how many frames it holds is judged by its length
    brief = [i for i, frames in enumerate(seen) if frames < FEWEST_FRAMES]
    if not brief:
        return []
    names = examined.of(brief)
    left = [seen[i] for i in brief]
    typical = f"{spec.window_seconds:.1f} s and {spec.most_frames} frames"
    figures = (
        ("shortest", f"{min(examined.properties[i].seconds for i in brief):.2f} s"),
        ("a window", typical),
        ("frames that are left", " to ".join(str(n) for n in sorted({min(left), max(left)}))),
    )
    few = len(brief) <= _MOST_LEFT_OUT * len(seen)
    return [
        Finding(
            "short", "warning", f"{counting(len(brief), 'clip')} {_is(brief)} too short",
            f"Fewer than {FEWEST_FRAMES} frames of a window are left of them: hardly any movement can be seen. "
            "Cut them longer, or leave them out.",
            names, figures, fix=_leave_out(names, "too short") if few else None,
        )
    ]  # fmt: skip


def black(examined: Examined) -> list[Finding]:
    """Clips in which nothing can be seen."""
    return _by_look(
        examined, "black", "problem", lambda facts: facts.black, "black",
        "Nothing can be seen in them, so a model learns that darkness is this action. Leave them out.",
    )  # fmt: skip


def frozen(examined: Examined) -> list[Finding]:
    """Clips whose picture never changes."""
    return _by_look(
        examined, "frozen", "warning", lambda facts: facts.still and not facts.black, "frozen",
        "The picture never changes, not even by noise: a camera that hung, or a photograph saved as a video. "
        "There is no movement to learn from.",
    )  # fmt: skip


def _by_look(
    examined: Examined, kind: str, severity: Severity, wrong: Callable[[ClipFacts], bool], what: str, why: str
) -> list[Finding]:
    found = [i for i in range(len(examined.clips)) if (facts := examined.facts_of(i)) is not None and wrong(facts)]
    if not found:
        return []
    names = examined.of(found)
    shown = tuple(sorted({examined.actions[i] for i in found}))
    few = len(found) <= _MOST_LEFT_OUT * len(examined.clips)
    return [
        Finding(
            kind, severity, f"{counting(len(found), 'clip')} {_is(found)} {what}", why, names,
            (("actions", some(shown)),), fix=_leave_out(names, what) if few else None,
        )
    ]  # fmt: skip


def _leave_out(names: tuple[str, ...], because: str) -> Fix:
    many = counting(len(names), "clip")
    return Fix(f"Leave {many} out", f"Left out {many}: {because}", dict.fromkeys(names, Changes(excluded=True)))


def _is(found: list[int]) -> str:
    return "is" if len(found) == 1 else "are"
