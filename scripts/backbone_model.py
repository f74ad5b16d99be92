"""Try to improve models/backbone: teach it what a detector of COCO sees in the same pictures.

    PYTHONPATH=. python scripts/backbone_model.py WORK --teacher FOLDER --minutes 50 [--without SOURCE ...]

WORK is that of `person_model.py label`. The bundled ResNet18 goes on from its weights and learns, through a linear
layer that is thrown away, three feature maps of the teacher; no label is used. It goes on where it was cut off.
Writes WORK/backbone/weights.safetensors. What is to be scored on a source should not have seen it: `--without`.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from person_model import BATCH, HINTS, rows_of, teacher_of
from person_pictures import coloured
from safetensors.torch import save_file
from torch import Tensor, nn

from har_core.config import NetworkConfig
from har_core.network import EMBEDDING, GRID, ActionNetwork, load_initial
from har_core.values import Rgb

SIDE, TEACHER_SIDE = 112, 256
TAUGHT = (10, 19, 22)  # the end of the teacher's backbone, and of its two coarser ways back
RATE = 3e-4


def crop(random_: np.random.Generator, rgb: Rgb) -> Rgb:
    """A piece of a picture, a quarter of it or more, as a varied square `(256, 256, 3)`."""
    height, width = rgb.shape[:2]
    side = math.sqrt(random_.uniform(0.25, 1.0))
    stretch = math.exp(random_.uniform(-0.25, 0.25))
    wide, high = min(width, round(width * side * stretch)), min(height, round(height * side / stretch))
    left, top = int(random_.integers(0, width - wide + 1)), int(random_.integers(0, height - high + 1))
    piece = cv2.resize(rgb[top : top + high, left : left + wide], (TEACHER_SIDE, TEACHER_SIDE))
    return coloured(random_, piece[:, ::-1] if random_.random() < 0.5 else piece)  # type: ignore[arg-type]  # cv2 knows no shapes


def lessons(
    pictures: list[Rgb], weights: np.ndarray, teacher: Callable[[np.ndarray], list[Tensor]], first: int, batch: int
) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Small pictures uint8 `(batch, 3, 112, 112)`, and what the teacher sees in the large ones, `(batch, C, 4, 4)`."""

    def prepared(number: int) -> tuple[Tensor, list[Tensor]]:
        random_ = np.random.default_rng((11, number))
        large = [crop(random_, pictures[i]) for i in random_.choice(len(pictures), batch, p=weights)]
        small = np.stack([cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for rgb in large])
        pixels = np.stack(large).transpose(0, 3, 1, 2).astype(np.float32) / 255
        answers = [teacher(pixels[i : i + BATCH]) for i in range(0, batch, BATCH)]
        maps = [torch.cat([answer[list(HINTS).index(layer)] for answer in answers]) for layer in TAUGHT]
        return (torch.from_numpy(small.transpose(0, 3, 1, 2).copy()),
                [nn.functional.adaptive_avg_pool2d(each, GRID) for each in maps])  # fmt: skip

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(prepared, first)
        while True:
            ready, first = coming.result(), first + 1
            coming = pool.submit(prepared, first)
            yield ready


def train(work: Path, teacher: str, minutes: float, without: list[str], batch: int) -> None:
    """Learn until the time is up; kept each minute."""
    rows = [row for row in rows_of(work)[0] if row["source"] not in without]
    counts = {row["source"]: sum(other["source"] == row["source"] for other in rows) for row in rows}
    weights = np.array([(3 if row["human"] else 1) / math.sqrt(counts[row["source"]]) for row in rows])
    pictures = [cv2.imread(str(work / "pictures" / row["name"]))[..., ::-1].copy() for row in rows]
    print(f"{len(rows)} pictures of {', '.join(counts)}", flush=True)
    network = ActionNetwork(NetworkConfig(embedding="grid"), 2)
    load_initial(network, "bundled")
    network.to(memory_format=torch.channels_last)
    taught = teacher_of(teacher, TEACHER_SIDE, 1)
    told = taught(np.zeros((BATCH, 3, TEACHER_SIDE, TEACHER_SIDE), np.float32))
    translate = nn.ModuleList(nn.Conv2d(EMBEDDING, told[list(HINTS).index(layer)].shape[1], 1) for layer in TAUGHT)
    optimiser = torch.optim.AdamW(
        [{"params": network.backbone.parameters(), "scale": 1.0}, {"params": translate.parameters(), "scale": 10.0}],
        weight_decay=0.01,
    )
    (work / "backbone").mkdir(exist_ok=True)
    last, done, spent = work / "backbone" / "last.pt", 0, 0.0
    if last.is_file():  # our own file, not one that a user gave
        kept = torch.load(last, weights_only=True)
        network.backbone.load_state_dict(kept["backbone"])
        translate.load_state_dict(kept["translate"])
        optimiser.load_state_dict(kept["optimiser"])
        done, spent = kept["done"], kept["spent"]
    network.backbone.train()
    begun, shown, losses = time.monotonic() - spent, time.monotonic(), []

    def keep() -> None:
        torch.save({"backbone": network.backbone.state_dict(), "translate": translate.state_dict(), "done": done,
                    "optimiser": optimiser.state_dict(), "spent": time.monotonic() - begun},
                   last.with_suffix(".new"))  # fmt: skip
        last.with_suffix(".new").replace(last)
        state = network.backbone.state_dict()
        half = {name: value.half().contiguous() for name, value in state.items() if value.is_floating_point()}
        save_file(half, work / "backbone" / "weights.safetensors")

    for rgb, targets in lessons(pictures, weights / weights.sum(), taught, done, batch):
        if (share := (time.monotonic() - begun) / (60 * minutes)) >= 1:
            break
        rate = RATE * min(1.0, (done + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        seen = network.look(rgb).view(-1, EMBEDDING, GRID, GRID)
        loss = torch.zeros(())
        for layer, target in zip(translate, targets, strict=True):
            spread = target.var(dim=(0, 2, 3), keepdim=True) + 1e-3
            loss = loss + ((layer(seen) - target) ** 2 / spread).mean() / len(TAUGHT)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.backbone.parameters(), 5.0)
        optimiser.step()
        done += 1
        losses.append(float(loss.detach()))
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            print(f"{(shown - begun) / 60:5.1f} min  step {done}  loss {np.mean(losses):.3f}", flush=True)
            losses = []
            keep()
    keep()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--without", nargs="*", default=[], help="sources that it does not see")
    parser.add_argument("--batch", type=int, default=48, help=f"pictures a step, a multiple of {BATCH}")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    train(given.work, given.teacher, given.minutes, given.without, given.batch)


if __name__ == "__main__":
    main()
