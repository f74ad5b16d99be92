"""Make models/person: a YOLO11n that finds people and nothing else, distilled from random numbers.

    PYTHONPATH=. python scripts/person_model.py label --teacher FOLDER --out WORK SOURCE [SOURCE ...]
    PYTHONPATH=. python scripts/person_model.py label --teacher FOLDER --out WORK --more --step 0.2 --most 60 SOURCE ...
    PYTHONPATH=. python scripts/person_model.py train WORK --teacher FOLDER --minutes 100 [--from models/person/...]
    PYTHONPATH=. python scripts/person_model.py score WORK --detectors models/person/person_openvino_model [hog]
    PYTHONPATH=. python scripts/person_model.py export WORK --out models/person

`label` takes frames of all videos and photographs below each SOURCE and lets a teacher box the people in them; where
a photograph has a YOLO label file beside it (images/ -> labels/ or object_detection/labels/), these human boxes are
taken instead. `train` shows the same varied pictures to the teacher and to the student, and teaches the student what
the teacher answers, inside and out; boxes are not needed for that. It goes on where it was cut off. The pictures of
every fourth group (a clip's folder and name without its number) and of every second photograph with human boxes are
never trained on; they are what `score` looks at.
"""

import argparse
import json
import math
import random
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino
import torch
from openvino import opset13 as ov_ops
from person_pictures import Pictures, lessons
from person_start import warmed
from torch import Tensor
from torch.nn import functional

from har_core import detection, video
from har_core.config import LiveConfig
from har_core.images import jpeg, shrink
from har_core.values import Detections, Rgb

SIDE = 416
STEP_SECONDS, MOST_FRAMES = 0.7, 12
SURE, DOUBTFUL = 0.45, 0.2
SIZES = (256, 320, 416)
# Layers of YOLO11n whose feature maps are taught, and the teacher's activation (in the order of export) behind each.
HINTS = {4: 10, 6: 20, 10: 35, 16: 43, 19: 54, 22: 70}
BATCH = 16
RATE = 2e-3
PICTURES = (".jpg", ".jpeg", ".png")
FILMS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".gif")


def label(sources: list[Path], teacher_path: str, work: Path, *, more: bool, step: float, most: int) -> None:
    """Write WORK/pictures/*.jpg and WORK/boxes.jsonl: name, group, human, boxes (shares of width and height).

    With `more`, what is there stays, and frames of those groups that train come to it, in doubt or not.
    """
    teacher = detection.load(teacher_path, LiveConfig(iou=0.6, most_people=60))
    assert teacher is not None
    (work / "pictures").mkdir(parents=True, exist_ok=True)
    with (work / "boxes.jsonl").open("a" if more else "w") as told:
        number = len(list((work / "pictures").iterdir())) if more else 0
        for source in sources:
            before = number
            for file in sorted(p for p in source.rglob("*") if p.suffix.lower() in (*PICTURES, *FILMS)):
                group = f"{source.name}/{file.parent.name}/{file.stem.rstrip('0123456789_-')[:40] or file.stem}"
                if more and (file.suffix.lower() in PICTURES or _held_out(group)):
                    continue
                for rgb, boxes, human in _labelled(file, teacher, step=step, most=most, doubtful=more):
                    name = f"{number:06d}.jpg"
                    (work / "pictures" / name).write_bytes(jpeg(shrink(rgb, SIDE), quality=92))
                    row = {"name": name, "group": group, "source": source.name, "human": human, "boxes": boxes}
                    told.write(json.dumps(row) + "\n")
                    number += 1
            print(f"{source.name}: {number - before} pictures", flush=True)


def _held_out(group: str) -> bool:
    return zlib.crc32(group.encode()) % 4 == 0


def _labelled(
    file: Path, teacher: detection.Detector, *, step: float, most: int, doubtful: bool
) -> Iterator[tuple[Rgb, list[list[float]], bool]]:
    if file.suffix.lower() in PICTURES:
        bgr = cv2.imread(str(file))
        if bgr is None:
            return
        rgb = bgr[..., ::-1].copy()
        named = str(file.with_suffix(".txt"))
        kept = (Path(named.replace("/images/", folder)) for folder in ("/labels/", "/object_detection/labels/"))
        if (written := next(filter(Path.is_file, kept), None)) is not None:
            rows = [[float(v) for v in line.split()] for line in written.read_text().splitlines() if line.strip()]
            people = [[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for kind, x, y, w, h in rows if int(kind) == 0]
            yield rgb, people, True
        elif (boxes := _taught(rgb, teacher, doubtful=doubtful)) is not None:
            yield rgb, boxes, False
        return
    try:
        seconds = video.probe(file).seconds
        number = max(1, min(most, int(seconds / step)))
        for _, rgb in video.read(file, (np.arange(number) + 0.5) * seconds / number, longest_side=960):
            if (boxes := _taught(rgb, teacher, doubtful=doubtful)) is not None:
                yield rgb, boxes, False
    except Exception as error:  # one odd file of many
        print(f"  {file.name} is left out: {error}", flush=True)


def _taught(rgb: Rgb, teacher: detection.Detector, *, doubtful: bool) -> list[list[float]] | None:
    """The teacher's boxes, or None where it is in doubt, unless that is wanted: a wrong lesson is worse than none."""
    found = teacher.detect(rgb)
    sure = found.xyxy[found.confidence >= SURE]
    for box in found.xyxy[(found.confidence < SURE) & (found.confidence >= DOUBTFUL)]:
        if not doubtful and (not len(sure) or _overlap(box[None], sure).max() < 0.5):
            return None
    scale = np.array([rgb.shape[1], rgb.shape[0]] * 2)
    return (sure / scale).round(5).tolist()  # type: ignore[no-any-return]  # numpy knows no better


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union `(N, M)`."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    area = [np.clip(b[:, 2:] - b[:, :2], 0, None).prod(-1) for b in (one, other)]
    return both / (area[0][:, None] + area[1][None] - both + 1e-9)  # type: ignore[no-any-return]  # numpy knows no better


def rows_of(work: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What trains and what is held out, by group."""
    rows = [json.loads(line) for line in (work / "boxes.jsonl").read_text().splitlines()]
    held = [row for row in rows if (zlib.crc32(row["group"].encode()) % 2 == 0 if row["human"]
                                    else _held_out(row["group"]))]  # fmt: skip
    names = {row["name"] for row in held}
    return [row for row in rows if row["name"] not in names], held


def teacher_of(folder: str, size: int, threads: int) -> Callable[[np.ndarray], list[Tensor]]:
    """What an exported YOLO11n answers inside, for pictures float32 `(BATCH, 3, size, size)` in 0 to 1.

    Its feature maps behind the layers HINTS, and for each of three strides what its head says: float32
    `(BATCH, 144, H, W)`, 64 numbers of a box's four sides and 80 logits of COCO's classes, the person's first.
    """
    core = openvino.Core()
    graph = core.read_model(next(Path(folder).glob("*.xml")))
    named = {op.get_friendly_name(): op for op in graph.get_ordered_ops()}
    # The attention was exported for one size of picture: let it follow the size of its input.
    attention = "__module.model.10.m.0.attn"
    shape = ov_ops.shape_of(named[f"{attention}.qkv.conv/aten::_convolution/Add"].output(0))

    def wanted(*parts: int | tuple[int, ...]) -> Any:  # noqa: ANN401  # a node of OpenVINO
        found = [ov_ops.gather(shape, ov_ops.constant(np.array(part)), ov_ops.constant(0))
                 if isinstance(part, tuple) else ov_ops.constant(np.array([part])) for part in parts]  # fmt: skip
        return ov_ops.concat(found, 0).output(0)

    named[f"{attention}/aten::view/Reshape"].input(1).replace_source_output(wanted((0,), 2, 128, -1))
    for name in ("aten::view/Reshape_1", "aten::reshape/Reshape"):
        named[f"{attention}/{name}"].input(1).replace_source_output(wanted((0,), 128, (2, 3)))
    swish = "__module.model.23.cv3.2.1.1.act/aten::silu_/Swish_"
    told = [named[f"{swish}{number}"] for number in HINTS.values()]
    told += [named[f"__module.model.23/aten::cat/Concat{which}"] for which in ("", "_1", "_2")]
    cut = openvino.Model([ov_ops.result(op.output(0)) for op in told], graph.get_parameters(), "teacher")
    cut.reshape([BATCH, 3, size, size])
    compiled = core.compile_model(cut, "CPU", {"INFERENCE_NUM_THREADS": threads})

    def answers(pictures: np.ndarray) -> list[Tensor]:
        found = compiled(pictures)
        return [torch.from_numpy(found[output].copy()) for output in compiled.outputs]

    return answers


def distilled(hints: dict[int, Tensor], raw: dict[str, Any], taught: list[Tensor]) -> dict[str, Tensor]:
    """How far a student is from its teacher: in features, in how sure it is of people, and in their boxes.

    Features: squared distance in units of each channel's variance (FitNets, arXiv:1412.6550). Scores: quality
    focal loss (arXiv:2006.04388). Boxes: divergence of the sides' distributions, weighted by the teacher's score.
    """
    features = torch.zeros(())
    for layer, target in zip(HINTS, taught, strict=False):
        spread = target.var(dim=(0, 2, 3), keepdim=True) + 1e-3
        features = features + ((hints[layer].float() - target) ** 2 / spread).mean() / len(HINTS)
    head = torch.cat([part.flatten(2) for part in taught[len(HINTS) :]], dim=2)
    person = head[:, 64].sigmoid()
    logits = raw["scores"].float()[:, 0]
    whole = person.sum().clamp_min(1.0)
    doubt = (logits.sigmoid() - person).abs().detach() ** 2
    scores = (doubt * functional.binary_cross_entropy_with_logits(logits, person, reduction="none")).sum() / whole
    near = person > 0.05
    mine, theirs = (sides.unflatten(1, (4, 16)).permute(0, 3, 1, 2)[near].log_softmax(-1)
                    for sides in (raw["boxes"].float(), head[:, :64]))  # fmt: skip
    apart = functional.kl_div(mine, theirs, log_target=True, reduction="none").sum(-1).mean(-1)
    boxes = (apart * person[near]).sum() / whole
    return {"features": 2 * features, "scores": 2 * scores, "boxes": boxes}


def train(
    work: Path, teacher: str, minutes: float, threads: int, *, begin: Path | None, rate: float, often: tuple[str, ...]
) -> None:
    """Train until the time is up; WORK/last.pt is kept each minute, the schedule fits the minutes of all calls."""
    from ultralytics.nn.tasks import DetectionModel

    torch.set_num_threads(threads)
    learn, _ = rows_of(work)
    pictures = Pictures(work, learn, often)
    print(f"{len(learn)} pictures train", flush=True)
    teachers = {size: teacher_of(teacher, size, threads) for size in SIZES}
    model = DetectionModel("yolo11n.yaml", nc=1, verbose=False).to(memory_format=torch.channels_last)
    if begin is not None and not (work / "last.pt").is_file():
        warmed(model, begin, lambda random_: pictures.sample(random_, SIDE))
    hints: dict[int, Tensor] = {}
    for layer in HINTS:
        model.model[layer].register_forward_hook(lambda _m, _i, out, layer=layer: hints.__setitem__(layer, out))
    decay, plain = [], []
    for name, parameter in model.named_parameters():
        (decay if parameter.ndim > 1 else plain).append(parameter)
        parameter.requires_grad_("dfl" not in name)
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}])
    average = {name: value.clone().float() for name, value in model.state_dict().items()}
    done, spent = 0, 0.0
    if (work / "last.pt").is_file():  # our own file, not one that a user gave
        kept = torch.load(work / "last.pt", weights_only=True)
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        average, done, spent = kept["average"], kept["done"], kept["spent"]
    model.train()
    begun, shown, losses = time.monotonic() - spent, time.monotonic(), []
    for pixels, taught in lessons(pictures, teachers, first=done, batch=BATCH):
        if (share := (time.monotonic() - begun) / (60 * minutes)) >= 1:
            break
        risen = min(1.0, (done + 1) / (50 if begin else 200))
        now = rate * risen * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimiser.param_groups:
            group["lr"] = now
        # In 32 bit: without AMX, bfloat16 takes a fifth longer.
        raw = model(torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last))
        parts = distilled(hints, raw, taught)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        done += 1
        keep = min(0.999, (1 + done) / (10 + done))
        for name, value in model.state_dict().items():
            average[name].mul_(keep).add_(value.float(), alpha=1 - keep)
        losses.append([float(part.detach()) for part in parts.values()])
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            told = "  ".join(f"{name} {value:.3f}" for name, value in zip(parts, np.mean(losses, 0), strict=True))
            print(f"{(shown - begun) / 60:5.1f} min  step {done}  {told}", flush=True)
            losses = []
            _keep(work, model, optimiser, average, done, shown - begun)
    _keep(work, model, optimiser, average, done, time.monotonic() - begun)


def _keep(work: Path, model: Any, optimiser: Any, average: Any, done: int, spent: float) -> None:  # noqa: ANN401  # as torch gives them
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "average": average, "done": done,
             "spent": spent}  # fmt: skip
    torch.save(state, work / "last.new")
    (work / "last.new").replace(work / "last.pt")


def export(work: Path, out: Path, size: int, surer: float) -> Path:
    """Write OUT/person_openvino_model, fp16 weights, from the averaged weights; `surer` is added to its logits."""
    from ultralytics.models import YOLO
    from ultralytics.nn.tasks import DetectionModel

    kept = torch.load(work / "last.pt", weights_only=True)
    model = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    model.load_state_dict({name: value.to(model.state_dict()[name].dtype) for name, value in kept["average"].items()})
    with torch.no_grad():
        for branch in model.model[-1].cv3:
            branch[-1].bias += surer
    model.names, model.args = {0: "person"}, {"imgsz": size, "task": "detect"}
    whole = YOLO("yolo11n.yaml", task="detect")
    whole.model = model.eval()
    scratch = work / "person.pt"
    torch.save({"model": model, "train_args": {}}, scratch)
    made = YOLO(str(scratch)).export(format="openvino", imgsz=size, half=True, verbose=False)
    target = out / "person_openvino_model"
    shutil.rmtree(target, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    shutil.move(made, target)
    return target


class _Hog:
    """OpenCV's people detector of 2005, for comparison; OpenCV 5 has none, so put an older one first on the path."""

    def __init__(self) -> None:
        self._hog = cv2.HOGDescriptor()  # type: ignore[attr-defined]  # not in OpenCV 5
        self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())  # type: ignore[attr-defined]  # nor this

    def detect(self, rgb: Rgb) -> Detections:
        scale = 640 / max(rgb.shape[:2])
        grey = cv2.cvtColor(cv2.resize(rgb, None, fx=scale, fy=scale), cv2.COLOR_RGB2GRAY)
        boxes, weights = self._hog.detectMultiScale(grey, winStride=(8, 8), scale=1.05)
        corners = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes], np.float32).reshape(-1, 4) / scale
        confidence = 1 / (1 + np.exp(-np.array(weights, np.float32).reshape(-1)))
        order = np.argsort(-confidence)
        return Detections(corners[order], confidence[order])


def score(work: Path, detectors: list[str]) -> None:
    """AP at IoU 0.5, and recall and precision at a confidence of 0.35, on what was held out."""
    _, held = rows_of(work)
    for path in detectors:
        # Down to the least confidence: an average precision needs the whole curve.
        found = _Hog() if path == "hog" else detection.load(path, LiveConfig(confidence=0.05, most_people=100))
        assert found is not None
        for name, rows in (("human boxes", [r for r in held if r["human"]]),
                           ("teacher's boxes", [r for r in held if not r["human"]])):  # fmt: skip
            hits, confidence, total, spent = [], [], 0, []
            for row in rows:
                rgb = cv2.imread(str(work / "pictures" / row["name"]))[..., ::-1].copy()
                begun = time.perf_counter()
                boxes = found.detect(rgb)
                spent.append(time.perf_counter() - begun)
                true = np.array(row["boxes"], np.float32).reshape(-1, 4) * np.array([rgb.shape[1], rgb.shape[0]] * 2)
                hits += _matched(boxes.xyxy, true)
                confidence += boxes.confidence.tolist()
                total += len(true)
            told = _average_precision(np.array(hits), np.array(confidence), total)
            print(f"{Path(path).name:32} {name:16} {len(rows)} pictures, {total} people: AP50 {told[0]:.3f}, "
                  f"at 0.35 recall {told[1]:.3f} precision {told[2]:.3f}; {1e3 * np.median(spent):.1f} ms")  # fmt: skip


def _matched(boxes: np.ndarray, true: np.ndarray) -> list[bool]:
    """Which boxes, the surest first, find somebody whom none before found."""
    free, hits = np.ones(len(true), bool), []
    for box in boxes:
        overlaps = _overlap(box[None], true)[0] * free if len(true) else np.zeros(1)
        best = int(overlaps.argmax())
        hits.append(bool(overlaps[best] >= 0.5))
        if hits[-1]:
            free[best] = False
    return hits


def _average_precision(hits: np.ndarray, confidence: np.ndarray, total: int) -> tuple[float, float, float]:
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(hits[order])
    recall, precision = right / max(1, total), right / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    area = float(np.sum(np.diff(np.concatenate([[0.0], recall])) * envelope))
    sure = confidence >= 0.35
    return area, float(hits[sure].sum() / max(1, total)), float(hits[sure].sum() / max(1, sure.sum()))


def main() -> None:
    """Run one of the commands above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, dest="command")
    one = commands.add_parser("label")
    one.add_argument("sources", nargs="+", type=Path)
    one.add_argument("--teacher", required=True)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--more", action="store_true", help="add frames of groups that train to a WORK that is there")
    one.add_argument("--step", type=float, default=STEP_SECONDS, help="seconds between two frames of a film")
    one.add_argument("--most", type=int, default=MOST_FRAMES, help="frames of a film")
    for name in ("train", "score", "export"):
        one = commands.add_parser(name)
        one.add_argument("work", type=Path)
        one.add_argument("--teacher", required=name == "train")
        one.add_argument("--minutes", type=float, default=100)
        one.add_argument("--threads", type=int, default=2)
        one.add_argument("--from", dest="begin", type=Path, help="go on from an exported model instead of from nothing")
        one.add_argument("--rate", type=float, default=RATE, help="of learning, at its highest")
        one.add_argument("--often", nargs="*", default=[], help="sources to take three times as often")
        one.add_argument("--surer", type=float, default=0.0, help="export: so much is added to the logits of scores")
        one.add_argument("--detectors", nargs="*", default=[])
        one.add_argument("--out", type=Path, default=Path("models/person"))
        one.add_argument("--size", type=int, default=LiveConfig().detector_size)
    given = parser.parse_args()
    if given.command == "train" and not given.minutes > 0:
        parser.error(f"--minutes must be above 0, and is {given.minutes}.")
    random.seed(0)
    torch.manual_seed(0)
    if given.command == "label":
        label(given.sources, given.teacher, given.out, more=given.more, step=given.step, most=given.most)
    elif given.command == "train":
        train(given.work, given.teacher, given.minutes, given.threads, begin=given.begin, rate=given.rate,
              often=tuple(given.often))  # fmt: skip
    elif given.command == "score":
        score(given.work, given.detectors)
    else:
        print(export(given.work, given.out, given.size, given.surer))


if __name__ == "__main__":
    main()
