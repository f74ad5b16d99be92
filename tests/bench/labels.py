"""How well wrong labels are found: a tenth of the labels is changed at random, and the list is held against that.

    python tests/bench/labels.py FOLDER... [--model MODEL] [--share 0.1] [--seeds 3]

For each data set and seed: the share of the wrong labels among the first k of the list, k being how many are wrong;
the share of them anywhere in it; how many of the whole list, and of those that the page calls probably wrong, are.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from har_core import dataset, embeddings
from har_core.atlas import SURE, label_issues


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    names = ("agrees", "first k", "found", "of the list", "sure: found", "sure: right", "suggestion right")
    print(f"{'data set':24}{'clips':>6}{'wrong':>6}", *(f"{name:>17}" for name in names))
    for folder in chosen.folders:
        source = dataset.read(folder)
        vectors = embeddings.clip_embeddings(source, source.clips, model=chosen.model)
        rows = [measure(source, vectors, chosen.share, seed) for seed in range(chosen.seeds)]
        wrong = round(chosen.share * len(source.clips))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nothing was listed for any seed
            figures = [f"{value:17.2f}" for value in np.nanmean(rows, axis=0)]
        print(f"{folder.name:24}{len(source.clips):6}{wrong:6}", *figures, flush=True)


def measure(source: dataset.Dataset, vectors: np.ndarray, share: float, seed: int) -> list[float]:
    """One row of figures; NaN where nothing is listed."""
    random = np.random.default_rng(seed)
    true, actions = [clip.action for clip in source.clips], list(source.actions)
    labels = list(true)
    wrong = random.choice(len(true), round(share * len(true)), replace=False).tolist()
    for row in wrong:
        labels[row] = actions[(actions.index(true[row]) + random.integers(1, len(actions))) % len(actions)]
    review = label_issues(vectors, labels, [clip.group for clip in source.clips])
    listed = [issue.row for issue in review.issues]
    sure = [issue.row for issue in review.issues if issue.sure >= SURE]
    hit, surely = set(listed) & set(wrong), set(sure) & set(wrong)
    named = [issue.suggested == true[issue.row] for issue in review.issues if issue.row in hit]
    return [
        review.accuracy, len(set(listed[: len(wrong)]) & set(wrong)) / len(wrong), len(hit) / len(wrong),
        len(hit) / len(listed) if listed else np.nan, len(surely) / len(wrong),
        len(surely) / len(sure) if sure else np.nan, float(np.mean(named)) if named else np.nan,
    ]  # fmt: skip


if __name__ == "__main__":
    main()
