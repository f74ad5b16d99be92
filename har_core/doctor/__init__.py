"""The data doctor: what is wrong with a data set, why it matters, and edits that mend it.

findings    what the doctor says
examined    a data set with what is known of its clips, aligned
files       what single files show: unreadable, short, black, frozen
copies      the same file or recording twice
balance     too few, too uneven, too few groups, mirrored pairs
giveaway    facts of the file, or the light, that give actions away
rooms       which clips are of one person in one place, by looking
proposals   that, as groups for clips that have none
leaks       what a split by chance would make of the scores
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from har_core.dataset import Dataset
from har_core.doctor import balance, copies, files, giveaway, leaks, proposals
from har_core.doctor.examined import Examined
from har_core.doctor.findings import SEVERITIES, Diagnosis, Finding, Fix, Honesty, Severity, ranked
from har_core.facts import ClipFacts

__all__ = ["SEVERITIES", "Diagnosis", "Finding", "Fix", "Honesty", "Severity", "examine"]


def examine(
    source: Dataset,
    facts: Mapping[str, ClipFacts],
    embeddings: NDArray[np.float32] | None = None,
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> Diagnosis:
    """All that is to be said of a data set. Nothing is decoded: pictures come from the facts.

    Clips that were set aside (`Dataset.ambiguous`) count as gone: nothing is trained on them.

    Args:
        source: the data set.
        facts: what is known of its clips, by relative path; those that are missing are judged by their file alone.
        embeddings: `(N, D)`, one for each clip of `source.clips`, as `embeddings.clip_embeddings` gives them; None
            leaves out what needs them: proposed groups, and what a split by chance would promise.
        cancelled: asked now and then; what needs embeddings is left out then.
    """
    kept = [i for i, clip in enumerate(source.clips) if source.relative(clip) not in source.ambiguous]
    if not kept:
        return Diagnosis((), 0, 0, notes=("All clips are set aside.",))
    if len(kept) < len(source.clips):
        source = replace(
            source,
            clips=tuple(source.clips[i] for i in kept),
            properties=tuple(source.properties[i] for i in kept),
        )
        embeddings = None if embeddings is None else embeddings[kept]
    examined = Examined(source, facts)
    found = [
        *files.unreadable(examined), *files.black(examined), *files.frozen(examined), *files.short(examined),
        *copies.findings(examined, copies.find(examined)),
        *giveaway.findings(examined),
        *balance.groups(examined), *balance.starving(examined), *balance.mirrored(examined), *balance.uneven(examined),
        *balance.mixed(examined),
    ]  # fmt: skip
    proposal, honest = None, None
    if embeddings is not None:
        proposal = proposals.propose(examined, embeddings, cancelled=cancelled) if examined.guessed else None
        groups = [clip.group for clip in source.clips]
        if proposal:
            groups = [proposal.names.get(i, group) for i, group in enumerate(groups)]
        if proposal or not examined.guessed:
            honest = leaks.honesty(embeddings, examined.actions, groups, proposed=bool(proposal), cancelled=cancelled)
    found += [*proposals.findings(examined, proposal), *leaks.findings(honest)]
    known = sum(name in facts for name in examined.names)
    notes = ("Not all clips have been looked at yet.",) if known < len(kept) else ()
    return Diagnosis(ranked(found), len(kept), known, honest, notes)
