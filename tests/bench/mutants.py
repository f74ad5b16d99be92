"""What becomes of damaged videos: each must give an answer or one sentence, never a crash, never a hang.

    python tests/bench/mutants.py CLIP [CLIP ...] --model MODEL [--number 200] [--seed 0]

Three kinds of damage, a third each: some of the bits flipped, the file cut off, and lies: four bytes of the header
overwritten by what a size, a time or a count may be at worst. Everything is made from the seed.
"""

import argparse
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

from har_core.analysis import analyse
from har_core.errors import HarError
from har_core.prediction import Predictor

KINDS = ("bits flipped", "cut off", "lies in the header")
LIES = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00", b"\x80\x00\x00\x00", b"\x00\x00\x00\x01")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", action="store_true")
    given = parser.parse_args()
    predictor = Predictor(given.model)
    table: Counter[tuple[str, str]] = Counter()
    slowest = (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.number):
            clip = given.clips[number % len(given.clips)]
            kind = KINDS[number // len(given.clips) % len(KINDS)]
            path = Path(folder) / f"{number:03d}{clip.suffix}"
            path.write_bytes(mutated(clip.read_bytes(), kind, np.random.default_rng([given.seed, number])))
            begun = time.perf_counter()
            outcome, said = judged(predictor, path, people=given.people)
            slowest = max(slowest, (time.perf_counter() - begun, f"{clip.name}, {kind}: {said}"))
            table[kind, outcome] += 1
            if outcome == "BUG":
                print(f"{clip.name}, {kind}, number {number}: {said}", flush=True)
            path.unlink()
    outcomes = ("answer", "answer, damage told", "one sentence", "BUG")
    print(f"{'':20}" + "".join(f"{name:>22}" for name in outcomes))
    for kind in KINDS:
        print(f"{kind:20}" + "".join(f"{table[kind, name]:>22}" for name in outcomes))
    print(f"the slowest took {slowest[0]:.1f} s ({slowest[1][:150]})")


def judged(predictor: Predictor, path: Path, *, people: bool = False) -> tuple[str, str]:
    """What became of a file, and what was said."""
    try:
        found = analyse(predictor, path, people=people)
    except HarError as error:
        said = str(error)
        return ("one sentence" if said and "\n" not in said and len(said) < 400 else "BUG"), said
    except Exception:  # this is what must not be
        return "BUG", traceback.format_exc()
    if not np.isclose(found.whole.prediction.probabilities.sum(), 1, atol=1e-4):
        return "BUG", "the probabilities do not sum to 1"
    return ("answer, damage told" if found.damage else "answer"), found.damage


def mutated(content: bytes, kind: str, random: np.random.Generator) -> bytes:
    """A damaged copy of a file."""
    if kind == "cut off":
        return content[: int(random.integers(0, len(content)))]
    spoilt = bytearray(content)
    if kind == "bits flipped":
        for _ in range(int(random.integers(1, 400))):
            spoilt[int(random.integers(0, len(spoilt)))] ^= 1 << int(random.integers(0, 8))
        return bytes(spoilt)
    # Headers lie at the beginning, and in an mp4 at the end as well.
    moov = content.find(b"moov")
    begin, length = (moov, len(content) - moov) if moov > 0 and random.random() < 0.7 else (0, min(4096, len(content)))
    for _ in range(int(random.integers(1, 6))):
        at = begin + int(random.integers(0, max(1, min(length, 4096) - 4)))
        spoilt[at : at + 4] = LIES[int(random.integers(0, len(LIES)))]
    return bytes(spoilt)


if __name__ == "__main__":
    main()
