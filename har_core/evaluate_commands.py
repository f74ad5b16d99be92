"""What `python -m har_core evaluate` does: scores with intervals, what they go by, and another model beside them."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from har_core.commands import model_folder
from har_core.errors import ConfigError
from har_core.terminal import print_json, progress_bar

if TYPE_CHECKING:
    from har_core.comparison import Comparison
    from har_core.dataset import Dataset
    from har_core.evaluation import Evaluation
    from har_core.intervals import Flags
    from har_core.prediction import Predictor
    from har_core.values import Clip
    from har_core.verdicts import Condition, Found


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--model", type=Path, required=True, help="a model folder, or a run's folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of clips")
    parser.add_argument("--split", choices=("train", "validation", "test", "all"), default="validation")
    parser.add_argument(
        "--baselines", action="store_true", help="also score majority, shape, shuffled, one frame, no LSTM"
    )
    parser.add_argument("--motion", action="store_true", help="also say whether it uses the order of frames")
    parser.add_argument(
        "--robustness", action="store_true", help="also score with frames dropped, at 10 fps, grey, blurred, darker..."
    )
    parser.add_argument("--compare", type=Path, metavar="MODEL", help="another model on the same clips")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="also write all of it as one HTML file that works without a network"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the clips and what is said of each as CSV")


def evaluate(given: argparse.Namespace) -> int:
    """Score a model on labelled clips."""
    for option, out in (("--report", given.report), ("--csv", given.csv)):
        _writable(option, out)
    from har_core import certainty, dataset, evaluation, probing
    from har_core.prediction import Predictor
    from har_core.verdicts import clip_keys

    folder = model_folder(given.model)
    predictor = Predictor(folder)
    with progress_bar("reading") as report:
        source = dataset.read(given.data, progress=report)
    clips = evaluation.select(source, predictor.card, given.split)
    found = _gathered(predictor, folder, source, clips, probing.ORDERS)
    known = evaluation.remarks(source, predictor.card, given.split)
    scores = probing.scores(predictor.card, source, clips, found, notes=known)
    for note in scores.notes:
        print(f"har_core: note: {note}", file=sys.stderr)
    sure = certainty.certainty(scores)
    told: dict[str, Any] = scores.to_json() | {"certainty": sure.to_json()}
    spent = probing.speed(found, clip_keys(source, clips))
    told["milliseconds"] = dict(zip(("decode", "encode", "classify"), spent, strict=True)) if spent else None
    lines = _lines(scores, sure)
    if given.baselines:
        told["baselines"] = dumb = _baselines(predictor, folder, source, scores, clips, found)
        lines += [f"baseline {name}: {accuracy:.1%}" for name, accuracy in dumb.items()]
    if given.motion:
        orders = _under(predictor, source, clips, found, scores, ("shuffled", "reversed", "single"))
        sentence = probing.uses_time(scores, orders["shuffled"], orders["reversed"], orders["single"])
        told["motion"] = {"verdict": sentence, **{name: each.to_json() for name, each in orders.items()}}
        lines += [*_conditions(orders), sentence]
    changed: dict[Condition, Comparison] = {}
    if given.robustness:
        found = _gathered(predictor, folder, source, clips, (*probing.ORDERS, *probing.PICTURES))
        changed = _under(predictor, source, clips, found, scores, ("stuttering", *probing.PICTURES))
        told["robustness"] = {name: each.to_json() for name, each in changed.items()}
        lines += _conditions(changed)
    if given.compare:
        told["compare"], said = _compared(model_folder(given.compare), source, clips, scores, given.compare.name)
        lines += said
    # Before the files: where one of them cannot be written, what was found is told all the same.
    if given.json:
        print_json(told)
    else:
        print("\n".join([*lines, *(f"skipped {clip}: {reason}" for clip, reason in scores.skipped)]))
    if given.report:
        _report(given, predictor, source, clips, found, scores, told, changed)
    if given.csv:
        from har_core import exports
        from har_core.report import save

        save(given.csv, scores.table().map(exports.harmless).to_csv(index=False))
    return 0


def _writable(option: str, out: Path | None) -> None:
    """Refuse what could not be written before anything is computed for it."""
    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigError(f"{option} must lie in a folder that is there, but {out.absolute().parent} is none.")
    if out is not None and out.is_dir():
        raise ConfigError(f"{option} must be a file to be written, but {out} is a folder. Name a file in it.")
    if out is not None and out.exists() and not out.is_file():
        # It would be replaced by a file: `/dev/null` too, for whoever may.
        raise ConfigError(f"{option} must be a file to be written, but {out} is a device or a pipe. Name a file.")


def _report(
    given: argparse.Namespace, predictor: "Predictor", source: "Dataset", clips: "tuple[Clip, ...]", found: "Found",
    scores: "Evaluation", told: dict[str, Any], worse: "dict[Condition, Comparison]",
) -> None:  # fmt: skip
    """Write what was computed; the motion test costs nothing more, so it is always in it."""
    from har_core import probing, report
    from har_core.verdicts import clip_keys

    orders = _under(predictor, source, clips, found, scores, ("shuffled", "reversed", "single"))
    flags = [flag for flag in ("--baselines", "--robustness") if getattr(given, flag[2:])]
    folder = given.model.absolute()
    extras = report.Extras(
        model=folder.parent.name if folder.name == "best" else folder.name, card=predictor.card,
        dataset=source.root.name, split=given.split, version=source.version,
        command=report.reproduce(given.model, given.data, given.split, flags), baselines=told.get("baselines", {}),
        motion=orders, uses_time=probing.uses_time(scores, *orders.values()), worse=worse,
        milliseconds=probing.speed(found, clip_keys(source, clips)),
    )  # fmt: skip
    report.write(scores, given.report, extras=extras)


def _gathered(
    predictor: "Predictor", folder: Path, source: "Dataset", clips: "tuple[Clip, ...]", wanted: "tuple[Condition, ...]"
) -> "Found":  # fmt: skip
    from har_core import probing

    with progress_bar("clips") as report:
        return probing.gather(predictor, folder, source, clips, wanted, progress=report)


def _under(
    predictor: "Predictor", source: "Dataset", clips: "tuple[Clip, ...]", found: "Found", plain: "Evaluation",
    wanted: "tuple[Condition, ...]",
) -> "dict[Condition, Comparison]":  # fmt: skip
    from har_core import probing

    changed = {name: probing.scores(predictor.card, source, clips, found, condition=name) for name in wanted}
    return probing.against(plain, changed)


def _baselines(
    predictor: "Predictor", folder: Path, source: "Dataset", scores: "Evaluation", clips: "tuple[Clip, ...]",
    found: "Found",
) -> dict[str, float]:  # fmt: skip
    from har_core import baselines, probing

    right: dict[str, Flags] = baselines.plain_rules(source, predictor.card, scores)
    with progress_bar("baselines") as report:
        mean = baselines.without_order(source, predictor.card, folder, scores.scored, progress=report)
    told = {name: float(flags.mean()) for name, flags in right.items()}
    if mean is not None:
        told["mean of frames"] = float(mean.mean())
    for name, condition in (("shuffled frames", "shuffled"), ("single frame", "single")):
        told[name] = probing.scores(predictor.card, source, clips, found, condition=condition).accuracy  # type: ignore[arg-type]  # both are conditions
    return told


def _compared(
    folder: Path, source: "Dataset", clips: "tuple[Clip, ...]", scores: "Evaluation", name: str
) -> tuple[dict[str, Any], list[str]]:
    from har_core import comparison, probing
    from har_core.prediction import Predictor

    other = Predictor(folder)
    found = _gathered(other, folder, source, clips, probing.ORDERS)
    pairs = comparison.compare(scores, probing.scores(other.card, source, clips, found))
    learnt = comparison.trained_on(other.card, source, [first.clip for first, _ in pairs.pairs])
    sentence = comparison.verdict(pairs, "this model", name)
    told = {"model": str(folder), "trained_on": learnt, "verdict": sentence, **pairs.to_json()}
    lines = _conditions({name: pairs})
    if learnt:
        lines.append(f"note: {learnt} of these clips trained {name}, so it is flattered")
    return told, [*lines, sentence]


def _lines(scores: "Evaluation", sure: Any) -> list[str]:  # noqa: ANN401  # a Certainty, whose module is heavy
    low, high = sure.accuracy
    f1 = f" ({sure.macro_f1[0]:.3f} to {sure.macro_f1[1]:.3f})" if sure.macro_f1 else ""
    drawn = f", {sure.groups} groups drawn anew" if sure.by == "group" else ""
    first = (
        f"accuracy {scores.accuracy:.1%} (95% interval {low:.1%} to {high:.1%}{drawn}), "
        f"macro F1 {scores.macro_f1:.3f}{f1}"
    )
    table = sure.per_class[["action", "clips", "precision", "recall", "f1", "f1 low", "f1 high"]]
    lines = [first, table.round(3).to_string(index=False)]
    if sure.few_groups:
        lines.append(f"note: these clips are of {sure.groups} people or places only: others may fare quite differently")
    return lines


def _conditions(found: "dict[Any, Comparison]") -> list[str]:
    from har_core.comparison import points, probability
    from har_core.probing import WORDS

    return [
        f"{WORDS.get(name, name)}: {each.second_right.mean():.1%}, {points(each.difference)} points "
        f"({points(each.interval[0])} to {points(each.interval[1])}), p = {probability(each.p)}"
        for name, each in found.items()
    ]
