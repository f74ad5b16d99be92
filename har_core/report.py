"""An evaluation as one HTML file that holds everything: figures that can be pointed at, clips, how to do it again.

It works without a network and for as long as there are browsers: plotly.js lies in it once, pictures are in it, and a
policy in its head keeps it from running or fetching anything else, whatever the names of clips and actions hold.
"""

import base64
import hashlib
import html
import math
import os
import secrets
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from har_core import figures_of_scores as figures
from har_core import plots, video
from har_core.calibration import LEAST_CLIPS, calibration_error, coverage_curve, reliability
from har_core.certainty import Certainty, certainty
from har_core.checkpoint import Card
from har_core.comparison import Comparison, points, probability
from har_core.errors import HarError
from har_core.evaluation import Evaluation, Scored
from har_core.images import fit, jpeg
from har_core.probing import WORDS
from har_core.values import wilson
from har_core.verdicts import Condition, Milliseconds

_HERE = Path(__file__).parent
MOST_PICTURED, MOST_LISTED = 24, 3000
"""Wrong clips with pictures; clips in the list."""
_FRAMES, _SIDE = 3, 128
_MOST_SHARED = 40
"""Actions above which a second matrix, of shares, would make the file heavy and help nobody."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What a report says besides the scores. What was not computed is left out of it.

    `model` and `dataset` are names; `split` the part that was judged, `command` the line that does it again.
    `baselines` are accuracies of dumber rules; `motion` and `worse` the same clips under other conditions, against the
    clips as they are; `uses_time` the verdict on the former; `milliseconds` what decoding, encoding, classifying took.
    """

    model: str
    card: Card
    dataset: str
    split: str
    version: int = 0
    command: str = ""
    baselines: Mapping[str, float] = field(default_factory=dict)
    motion: Mapping[Condition, Comparison] = field(default_factory=dict)
    uses_time: str = ""
    worse: Mapping[Condition, Comparison] = field(default_factory=dict)
    milliseconds: Milliseconds | None = None


def write(evaluation: Evaluation, out: Path, *, extras: Extras) -> None:
    """Write the report, whole or not at all.

    Args:
        evaluation: what it is about.
        out: the file; one that is there is replaced.
        extras: what else there is to say.

    Raises:
        HarError: it cannot be written.
    """
    save(out, page(evaluation, extras=extras))


def save(out: Path, content: str) -> None:
    """Write a text file, whole or not at all; one that is there is replaced.

    Raises:
        HarError: it cannot be written.
    """
    part = out.with_name(f".{out.name}-{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(content.encode(errors="replace"))  # a file's name need not be text
        part.replace(out)
    except OSError as error:
        reason = f"{error.strerror}. Nothing was changed there: make room, or name another place."
        raise HarError(f"{out} cannot be written: {reason}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def page(evaluation: Evaluation, *, extras: Extras) -> str:
    """The report as HTML; about 5 MB, most of it plotly.js."""
    sure = certainty(evaluation)
    sections = [
        _head(evaluation, sure, extras), _confusion(evaluation), _each_action(sure), _rules(evaluation, extras),
        _conditions("Does it use time?", extras.motion, extras.uses_time),
        _conditions("When the picture is worse", extras.worse, ""), _calibration(evaluation, extras.card),
        _wrong(evaluation), _clips(evaluation), _model(extras.card, extras), _again(evaluation, extras),
    ]  # fmt: skip
    scripts = [get_plotlyjs(), (_HERE / "report.js").read_text("utf-8")]
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {allowed}"
    title = _text(f"{extras.model}: evaluation")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{(_HERE / 'report.css').read_text('utf-8')}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main>\n"
        + "\n".join(f"<script>{script}</script>" for script in scripts)
        + "\n</body></html>\n"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _text(text: object) -> str:
    return html.escape(str(text), quote=True)


def _share(value: float, digits: int = 1) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}%}"


def _between(low: float, high: float) -> str:
    """An interval; nothing where there is none, or where a bootstrap saw no difference."""
    return "" if math.isnan(low) or high - low < 1e-9 else f"{low:.0%} to {high:.0%}"


def _plot(name: str, figure: go.Figure, *, alt: str, kind: str = "", hidden: bool = False) -> str:
    """The place of a figure and the figure itself, as JSON that no HTML parser can take for anything else."""
    figure.update_layout(template=None, font={"family": "inherit", "size": 13})
    figure.update_xaxes(gridcolor=plots.FAINT, zerolinecolor=plots.FAINT, automargin=True)
    figure.update_yaxes(gridcolor=plots.FAINT, zerolinecolor=plots.FAINT, automargin=True)
    content = str(figure.to_json())
    for character in "<>&\u2028\u2029":
        content = content.replace(character, f"\\u{ord(character):04x}")
    return (
        f'<div class="plot {kind}" id="{name}" role="img" aria-label="{_text(alt)}"{" hidden" if hidden else ""} '
        f'style="min-height:{int(figure.layout.height or 320)}px"></div>\n'
        f'<script type="application/json" id="{name}-figure">{content}</script>'
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0, kind: str = "") -> str:
    """A table of cells that are HTML already; the last `numbers` columns stand to the right."""
    first = len(head) - numbers

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=number' if i >= first else ' class=name' if tag == 'td' else ''}>{cell}</{tag}>"
            for i, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    top = f"<thead><tr>{line([_text(name) for name in head], 'th')}</tr></thead>" if any(head) else ""
    return f'<div class="table {kind}"><table>{top}<tbody>{body}</tbody></table></div>'


def _head(evaluation: Evaluation, sure: Certainty, extras: Extras) -> str:
    number, (low, high) = len(evaluation.scored), sure.accuracy
    tiles = [("Accuracy", f"{evaluation.accuracy:.1%}", f"95%: {low:.0%} to {high:.0%}")]
    f1 = f"95%: {sure.macro_f1[0]:.2f} to {sure.macro_f1[1]:.2f}" if sure.macro_f1 else ""
    tiles += [("Macro F1", f"{evaluation.macro_f1:.3f}", f1)]
    tiles += [(f"Top-{k}", f"{evaluation.top_accuracy(k):.1%}", "") for k in (2, 3) if k < len(evaluation.actions)]
    tiles += [("Clips", f"{number:,}", f"of {sure.groups:,} people or places" if sure.groups < number else "")]
    if extras.milliseconds is not None:
        tiles += [("A clip takes", f"{sum(extras.milliseconds) / 1000:.2f} s", "on the machine that judged")]
    shown = "".join(
        f'<div class="tile"><span>{name}</span><b>{value}</b><small>{more}</small></div>' for name, value, more in tiles
    )
    notes = list(evaluation.notes)
    if extras.split in ("train", "all"):
        notes.insert(0, "Clips that trained the model are among these, so the score flatters it.")
    if sure.few_groups:
        notes.append(
            f"The clips are of {sure.groups} people or places only: how it does with others, no interval here can say."
        )
    edited = f", version {extras.version} of its labels" if extras.version else ""
    which = {"all": "all clips", "train": "training clips"}.get(extras.split, f"{extras.split} clips")
    return (
        f"<h1>How good is {_text(extras.model)}?</h1>"
        f'<p class="quiet">{_text(extras.dataset)}{edited} · {_text(which)} · {time.strftime("%Y-%m-%d")}</p>'
        f'<div class="tiles">{shown}</div>' + "".join(f'<p class="note">{_text(note)}</p>' for note in notes)
    )


def _confusion(evaluation: Evaluation) -> str:
    counts, actions = evaluation.confusion, evaluation.actions
    right = sum(scored.right for scored in evaluation.scored)
    alt = f"Confusion matrix: {right} of {len(evaluation.scored)} clips are right"
    drawn = _plot("matrix", plots.confusion(counts, actions, normalised=False), alt=alt, kind="matrix")
    switch = ""
    if len(actions) <= _MOST_SHARED:
        shares = plots.confusion(counts, actions, normalised=True)
        drawn += _plot("shares", shares, alt=f"{alt}, as shares of each row", kind="matrix", hidden=True)
        switch = (
            '<div class="switch"><button type="button" aria-pressed="true" data-shows="matrix">Clips</button>'
            '<button type="button" aria-pressed="false" data-shows="shares">% of true</button></div>'
        )
    return (
        "<h2>What it mixes up</h2>"
        f'<p class="quiet">Click a cell to list its clips below.</p>{switch}{drawn}'
    )  # fmt: skip


def _each_action(sure: Certainty) -> str:
    rows = [
        (
            _text(row["action"]), f"{int(row['clips']):,}",
            *(f"{_share(row[name], 0)} <span class=quiet>{_between(row[f'{name} low'], row[f'{name} high'])}</span>"
              for name in ("precision", "recall", "f1")),
        )
        for row in sure.per_class.to_dict(orient="records")
    ]  # fmt: skip
    return (
        "<h2>Each action</h2>"
        + _table(["action", "clips", "precision", "recall", "F1"], rows, numbers=4, kind="tall")
        + '<p class="quiet">Precision: how often its name is right. Recall: how many of its clips are found. F1: both '
        "in one. Beside each its 95% interval.</p>"
    )


def _rules(evaluation: Evaluation, extras: Extras) -> str:
    if not extras.baselines:
        return ""
    number = len(evaluation.scored)
    values = {"this model": (evaluation.accuracy, *evaluation.interval)}
    values |= {name: (share, *wilson(round(share * number), number)) for name, share in extras.baselines.items()}
    alt = ", ".join(f"{name} {share:.0%}" for name, (share, _, _) in values.items())
    figure = figures.shares(values, strong=["this model"], reference=evaluation.accuracy)
    return (
        f"<h2>Against dumber rules</h2>{_plot('rules', figure, alt=alt)}"
        '<p class="quiet">What reads motion beats all of them. If one frame or shuffled frames do as well, it goes by '
        "looks; if shape and length do, the files themselves give the action away.</p>"
    )


def _conditions(title: str, found: Mapping[Condition, Comparison], verdict: str) -> str:
    if not found:
        return ""
    first = next(iter(found.values()))
    values = {WORDS["plain"]: (share := float(first.first_right.mean()), share, share)}
    rows = []
    for name, each in found.items():
        right, number = int(each.second_right.sum()), len(each.pairs)
        values[WORDS[name]] = (right / number, *wilson(right, number))
        low, high = each.interval
        rows.append((_text(WORDS[name]), f"{right / number:.1%}", points(each.difference),
                     f"{points(low)} to {points(high)}", probability(each.p)))  # fmt: skip
    figure = figures.shares(values, strong=[WORDS["plain"]], reference=share)
    alt = ", ".join(f"{name} {value:.0%}" for name, (value, _, _) in values.items())
    said = f'<p class="verdict">{_text(verdict)}</p>' if verdict else ""
    return (
        f"<h2>{title}</h2>{said}{_plot(f'conditions-{next(iter(found))}', figure, alt=alt)}"
        + _table(["shown", "accuracy", "points", "95%", "p (McNemar)"], rows, numbers=4)
    )  # fmt: skip


def _calibration(evaluation: Evaluation, card: Card) -> str:
    if len(evaluation.scored) < LEAST_CLIPS:
        return ""
    shown = np.stack([scored.prediction.probabilities for scored in evaluation.scored])
    labels = [evaluation.actions.index(scored.action) for scored in evaluation.scored]
    bins, error = reliability(shown, labels), calibration_error(shown, labels)
    alt = ", ".join(f"{each.clips} clips {each.confidence:.0%} sure and {each.accuracy:.0%} right" for each in bins)
    curve = figures.covered(coverage_curve(shown, labels), card.unsure_below)
    named = shown.max(axis=1) >= card.unsure_below
    right = float((shown.argmax(axis=1) == labels)[named].mean()) if named.any() else math.nan
    return (
        '<h2>How far its confidence can be believed</h2><div class="two">'
        f"<div><h3>How sure, how right</h3>{_plot('reliable', figures.reliable(bins), alt=alt)}</div>"
        f"<div><h3>When it had better be unsure</h3>{_plot('covered', curve, alt='What each threshold does')}</div>"
        f'</div><p class="quiet">Expected calibration error {error:.1%}; temperature {card.temperature:.2f}. Below '
        f"{card.unsure_below:.0%} it is unsure: then {named.mean():.0%} of these clips get an answer, and "
        f"{_share(right)} of the answers are right.</p>"
    )


def _wrong(evaluation: Evaluation) -> str:
    wrong = sorted((s for s in evaluation.scored if not s.right), key=lambda s: -s.prediction.top(1)[0][1])
    if not wrong:
        return "<h2>Wrong clips</h2><p>Every clip is right.</p>"
    cards = "".join(_card(scored) for scored in wrong[:MOST_PICTURED])
    more = f" The first {MOST_PICTURED} of {len(wrong):,}." if len(wrong) > MOST_PICTURED else ""
    return (
        f'<h2>Wrong clips</h2><p class="quiet">The most surely wrong first.{more}</p><div class="cards">{cards}</div>'
    )


def _card(scored: Scored) -> str:
    action, share = scored.prediction.top(1)[0]
    name = _text(scored.clip)
    strip = _strip(scored.path)
    picture = f'<img src="data:image/jpeg;base64,{strip}" alt="Frames of {name}">' if strip else (
        '<div class="blank">It cannot be read any more.</div>'
    )  # fmt: skip
    return (
        f'<figure class="card">{picture}<figcaption>{name}<br><span class="is">{_text(scored.action)}</span> taken for '
        f'<span class="said">{_text(action)}</span> {share:.0%}</figcaption></figure>'
    )


def _strip(path: Path) -> str:
    """A few frames of a clip side by side, as base64 of a JPEG; empty where it cannot be read."""
    try:
        seconds = video.probe(path).seconds
        at = (np.arange(_FRAMES) + 0.5) / _FRAMES * seconds
        return base64.b64encode(
            jpeg(np.concatenate([fit(rgb, _SIDE) for _, rgb in video.read(path, at)], axis=1), quality=72)
        ).decode()
    except HarError:
        return ""


def _clips(evaluation: Evaluation) -> str:
    ranked = sorted(evaluation.scored, key=lambda s: (s.right, -s.prediction.top(1)[0][1]))
    rows = []
    for scored in ranked[:MOST_LISTED]:
        answer, share = scored.prediction.top(1)[0]
        action, said, kind = _text(scored.action), _text(answer), "is" if scored.right else "said"
        unsure = " (unsure)" if scored.prediction.unsure else ""
        rows.append(
            f'<tr data-action="{action}" data-said="{said}"><td class=name>{_text(scored.clip)}</td><td class=name>'
            f'{action}</td><td class="name {kind}">{said}{unsure}</td><td class=number>{share:.1%}</td></tr>'
        )
    first = f"the first {MOST_LISTED:,} of " if len(ranked) > MOST_LISTED else ""
    told = f"{first}{len(ranked):,} clips, wrong ones first"
    return (
        f'<h2>All clips</h2><p><span id="which" class="chosen" data-all="{told}">{told}</span> '
        '<span class="switch" id="all" hidden><button type="button">Show all</button></span></p>'
        '<div class="table tall" id="clips"><table><thead><tr><th>clip</th><th>action</th><th>predicted</th>'
        f"<th class=number>probability</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _model(card: Card, extras: Extras) -> str:
    spec, network = card.clip, card.network
    layers = f"LSTM of {network.lstm_size}" if network.lstm_layers else "no LSTM"
    facts = {
        "Model": extras.model,
        "Actions": ", ".join(card.classes),
        "Looks at": f"{card.windows} windows of {spec.window_seconds:g} s, {spec.frames_per_second:.3g} frames a "
        f"second, {spec.size} × {spec.size} px, {' and '.join(card.views)}",
        "Network": f"ResNet18 ({network.embedding}), {layers}, motion {network.motion}",
        "Began with": card.weights,
        "Trained on": f"{card.dataset}" + (f", version {card.dataset_version}" if card.dataset_version else ""),
        "Trained": f"{card.created}, epoch {card.epoch}" if card.created else "",
        "Not good for": card.limits,
        "Licence": card.licence,
    }
    return "<h2>The model</h2>" + _facts(facts)


def _facts(facts: Mapping[str, str]) -> str:
    body = "".join(f"<tr><th>{_text(name)}</th><td>{_text(fact)}</td></tr>" for name, fact in facts.items() if fact)
    return f'<div class="table facts"><table><tbody>{body}</tbody></table></div>'


def _again(evaluation: Evaluation, extras: Extras) -> str:
    command = f"<pre>{_text(extras.command)}</pre>" if extras.command else ""
    out = ""
    if evaluation.skipped:
        rows = [(_text(clip), _text(reason)) for clip, reason in evaluation.skipped[:MOST_LISTED]]
        out = f"<h3>Clips left out ({len(evaluation.skipped):,})</h3>" + _table(["clip", "why"], rows, kind="tall")
    known = {"Data set": extras.dataset, "Version of the labels": str(extras.version), "Part": extras.split,
             "Fingerprint of the training clips": extras.card.fingerprint}  # fmt: skip
    return (
        f"<h2>How to do it again</h2>{command}{_facts(known)}{out}<footer>Everything is in this one file; it fetches "
        "nothing. Frames of clips may show people: think before you pass it on.</footer>"
    )


def reproduce(model: Path, data: Path, split: str, flags: Sequence[str] = ()) -> str:
    """The command line that makes such a report."""
    quoted = [shlex.quote(os.fspath(path)) for path in (model, data)]
    parts = ["python -m har_core evaluate", f"--model {quoted[0]}", f"--data {quoted[1]}", f"--split {split}", *flags]
    return " ".join([*parts, "--report report.html"])
