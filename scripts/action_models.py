"""Make the recognisers models/actions-*, with the project's own training, from folders of labelled clips.

    PYTHONPATH=. python scripts/action_models.py assemble RECIPE --clips ROOT --work WORK
    python -m har_core train --data WORK/RECIPE/clips --config WORK/RECIPE/config.json --run WORK/RECIPE/run
    PYTHONPATH=. python scripts/action_models.py finish RECIPE --work WORK --out models

`assemble` lays out one data set: the recipe's own clips, and as the action `none` a few clips from other folders, so
that the model learns that most of the world is none of its actions. It also sets aside two lists of clips of other
things, of sources that are not trained on: by the first `finish` chooses the threshold under which the model says
"unsure", with the second, as new to the threshold as to the model, it counts how often the model is wrongly sure.
`train` goes on where it was cut off: `python -m har_core train --run WORK/RECIPE/run`.
"""

import argparse
import csv
import json
import shutil
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
from safetensors.torch import load_file, save_file

from har_core import checkpoint, dataset, video
from har_core.dataset.layouts import EXTENSIONS
from har_core.evaluation import evaluate
from har_core.events import EpochEnded, decode
from har_core.prediction import Predictor
from har_core.recalibration import recalibrate
from har_core.runs import Run
from har_core.values import Clip, Prediction, wilson

NONE = "none"


@dataclass(frozen=True)
class Recipe:
    """What a model is made of: its clips, what stands for `none`, what stands for the rest of the world."""

    clips: str
    left_out: tuple[str, ...] = ()
    as_none: tuple[str, ...] = ()
    """Actions of its own set that are no action."""
    renamed: dict[str, str] = field(default_factory=dict)
    none: dict[str, int] = field(default_factory=dict)
    """Folders of other things, and how many clips of each train (and validate) as `none`."""
    config: dict[str, Any] = field(default_factory=dict)
    limits: str = ""
    """What the model is not good for: goes into its card, for the pages to show."""


# By whole sources, so that no film and nobody in it is on both sides.
OTHERS = {
    "a": ("wild/decord", "wild/torchcodec", "wild/intel-asl-gestures", "wild/people_walking.mp4"),
    "b": ("wild/mmaction2", "wild/st-gcn", "weizmann-64px", "person-stills"),
}
RECIPES = {
    "yoga": Recipe(
        "yoga",
        none={
            "ut-interaction": 8,
            "air-drawing": 8,
            "ucf101-partial": 12,
            "basketball-actions": 8,
            "person-stills": 10,
        },
        config={"epochs": 40, "validation_fraction": 0.25, "view": "both"},
        limits="It learned from 12 people before one wall and one camera, "
        "and names poses; it does not judge how well they are done. "
        "Now and then it takes other exercises, or an animal, for a pose.",
    ),
    "gestures": Recipe(
        "air-drawing",
        as_none=("unclassified",),
        renamed={"carret": "caret", "circlecc": "circle", "del": "delete"},
        none={"yoga": 6, "ut-interaction": 6, "ucf101-partial": 6, "basketball-actions": 6},
        config={"epochs": 40, "augment": {"flip": False}, "validation_fraction": 0.25},
        limits="It learned from forearms as their owners see them. A "
        "camera that looks at you shows it something it does not know.",
    ),
    "interaction": Recipe(
        "ut-interaction",
        left_out=("point",),
        none={"yoga": 8, "air-drawing": 8, "ucf101-partial": 8, "basketball-actions": 8},
        config={"epochs": 40, "validation_fraction": 0.25, "view": "both"},
        limits="For two people who fill the picture. More people, or small ones, mislead it: of 68 videos "
        "of quite other things it named 5 with confidence, all of them tiny silhouettes.",
    ),
}


def assemble(recipe: Recipe, clips: Path, work: Path) -> None:
    """Write WORK/clips with its clips.csv, WORK/others-a, WORK/others-b and WORK/config.json."""
    names = dict.fromkeys(recipe.as_none, NONE) | recipe.renamed
    rows = [(clip.path, names.get(clip.action, clip.action), clip.group)
            for clip in dataset.read(clips / recipe.clips).clips if clip.action not in recipe.left_out]  # fmt: skip
    stills = work / "stills"
    shutil.rmtree(stills, ignore_errors=True)
    for source, number in recipe.none.items():
        if folders := sorted({p.parent for p in (clips / source).rglob("*.jpg")}):
            rows += [(_still(f, stills / f"{f.name}.mp4"), NONE, f"{source} {f.name}") for f in folders[:number]]
            continue
        # In an order that has nothing to do with their names, and no second clip of a group before the first of all.
        rank: Counter[str] = Counter()
        ranked: list[tuple[int, Clip]] = []
        for clip in sorted(dataset.read(clips / source).clips, key=lambda clip: zlib.crc32(clip.name.encode())):
            ranked.append((rank[clip.group], clip))
            rank[clip.group] += 1
        taken = [clip for _, clip in sorted(ranked, key=lambda one: one[0])[:number]]
        rows += [(clip.path, NONE, f"{source} {clip.group or clip.path.stem}") for clip in taken]
    folder = work / "clips"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "clips.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "action", "group"))
        for number, (path, action, group) in enumerate(rows):
            relative = f"{action}/{number:04d}{path.suffix}"
            (folder / action).mkdir(exist_ok=True)
            shutil.copyfile(path, folder / relative)
            table.writerow((relative, action, group))
    set_aside(clips, work, set(recipe.none))
    (work / "config.json").write_text(json.dumps(recipe.config))
    print(f"{len(rows)} clips, {sum(action == NONE for _, action, _ in rows)} of them of other things")


def set_aside(clips: Path, work: Path, trained: set[str]) -> None:
    """Write WORK/others-a and WORK/others-b: videos, and films of photographs, of sources that are not trained on."""
    for part, sources in OTHERS.items():
        folder = work / f"others-{part}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for source in sources:
            if source in trained:
                continue
            inside = sorted((clips / source).rglob("*")) or [clips / source]
            for path in (p for p in inside if p.suffix.lower() in EXTENSIONS):
                shutil.copyfile(path, folder / f"{path.stem}-{len(list(folder.iterdir())):03d}{path.suffix}")
            for pictures in sorted({p.parent for p in inside if p.suffix == ".jpg"}):
                _still(pictures, folder / f"{pictures.name}.mp4")


def _still(folder: Path, film: Path) -> Path:
    """Write a film of a folder's photographs, half a second each; gives its path."""
    pictures = sorted(folder.glob("*.jpg"))[:: max(1, len(list(folder.glob("*.jpg"))) // 12)]
    rgb = [cv2.imread(str(p))[..., ::-1].copy() for p in pictures]
    film.parent.mkdir(parents=True, exist_ok=True)
    video.write(film, [frame for frame in rgb for _ in range(5)], frames_per_second=10.0)
    return film


def finish(name: str, work: Path, out: Path) -> None:
    """Choose the threshold, judge the model, and write it with half the digits to OUT/actions-NAME."""
    run = Run(work / "run")
    card = checkpoint.read_card(run.best)
    recalibrate(run.best, work / "clips", others=[work / "others-a"])
    predictor = Predictor(run.best)
    source = dataset.read(work / "clips")
    held = set(card.split["validation"])
    clips = tuple(clip for clip in source.clips if str(clip.path.relative_to(source.root)) in held)
    scores = evaluate(predictor, source, clips)
    right = sum(clip.right for clip in scores.scored)
    told: dict[str, Any] = {
        "command": f"python -m har_core train --data {name} --config config.json",
        "config": json.loads((work / "run" / "config.json").read_text()) | {"dataset": name},
        "validation": {"right": right, "clips": len(clips), "interval": _interval(right, len(clips)),
                       "macro f1": scores.macro_f1, "confusion": scores.confusion.tolist()},
        "curves": _curves(run),
        "other things": _confident(predictor, work / "others-b"),
    }  # fmt: skip
    card = checkpoint.read_card(run.best)
    folder = out / f"actions-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tensors = load_file(run.best / "weights.safetensors")
    halved = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    save_file(halved, folder / "weights.safetensors")
    (folder / "weights.safetensors").chmod(0o644)  # whoever checks the project out may read it
    scores_of = {**card.scores, **told}
    card = replace(card, dataset=name, split={}, scores=scores_of, limits=RECIPES[name].limits)
    (folder / "card.json").write_text(json.dumps(card.to_json(), indent=1, allow_nan=False, ensure_ascii=False))
    print(json.dumps({**told["validation"], **told["other things"], "temperature": card.temperature,
                      "unsure below": card.unsure_below}, indent=1))  # fmt: skip


def _interval(part: int, whole: int) -> list[float]:
    return [round(end, 4) for end in wilson(part, whole)]


def _curves(run: Run) -> list[dict[str, float]]:
    events = [decode(line) for line in run.events_path.read_text().splitlines()]
    return [{"epoch": e.epoch, "loss": round(e.train_loss, 3), "validation loss": round(e.validation_loss, 3),
             "accuracy": round(e.train_accuracy, 3), "validation accuracy": round(e.validation_accuracy, 3)}
            for e in events if isinstance(e, EpochEnded)]  # fmt: skip


def _confident(predictor: Predictor, folder: Path) -> dict[str, Any]:
    """How often videos of other things are given the name of an action, with confidence."""
    seen: dict[str, Prediction] = {}
    for path in sorted(folder.iterdir()):
        try:
            seen[path.stem] = predictor.predict(path)
        except Exception as error:  # odd files are among them on purpose
            print(f"  {path.name}: {error}")
    named = {stem: p.action for stem, p in seen.items() if p.named}
    return {"clips": len(seen), "named": len(named), "interval": _interval(len(named), len(seen)), "taken for": named}


def main() -> None:
    """Run one of the commands above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("assemble", "finish"))
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models"))
    given = parser.parse_args()
    work = given.work / given.recipe
    if given.command == "assemble":
        assemble(RECIPES[given.recipe], given.clips, work)
    else:
        finish(given.recipe, work, given.out)


if __name__ == "__main__":
    main()
