"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SHOWING = sorted(path for path in (ROOT / "har_core").rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", map(name_of, SHOWING))
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    with np.printoptions(formatter=None, linewidth=75, precision=8):  # ultralytics sets others for the whole process
        told = doctest.testmod(module)
    assert told.attempted and not told.failed
