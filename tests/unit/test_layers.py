"""House rules on imports: leftwards only, absolute only, each outside library behind its doors, pages thin."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = [
    "errors", "locks", "values", "config", "sampling", "events", "machine", "downloads", "weights", "video", "images",
    "drawing", "dataset", "takes", "cuts", "example", "runs", "turns", "notes", "trash", "analyses",
    "intake", "discarded", "attendant", "plots", "curves", "coach", "lanes", "exports", "endings", "store", "parts",
    "forecast", "checks",
    "searches", "detection", "tracking", "people", "facts",
    "catalogue", "verdicts", "augment", "network", "batches", "calibration", "intervals", "confusion",
    "figures_of_scores", "checkpoint", "transfer", "preparation", "progress", "glimpses", "training", "proposals",
    "search", "rehearsal", "speed", "engine", "buffers", "prediction", "saliency",
    "traces", "spotting", "analysis", "corrections", "annotate",
    "meter", "live", "headless", "evaluation", "certainty", "comparison", "mending", "probing", "recalibration",
    "embeddings", "baselines", "report", "atlas", "doctor", "terminal", "scalars", "analyse_commands", "commands",
    "predict_commands", "evaluate_commands", "dataset_commands", "run_commands", "search_commands",
    "speed_commands", "doctor_commands", "__main__", "ui",
]  # fmt: skip
DATASET_ORDER = [
    "layouts", "groups", "edits", "history", "index", "versions", "splits", "archives", "ucf", "library", "imports",
    "uploads",
]  # fmt: skip
DOORS = {
    "torch": "detection network batches checkpoint training rehearsal engine saliency",
    "torchvision": "network",
    "safetensors": "network checkpoint",
    "albumentations": "augment",
    "cv2": "images drawing augment example",
    "PIL": "drawing",
    "av": "video ui",
    "psutil": "machine",
    "openvino": "engine detection",
    "ultralytics": "detection tracking",
    "pandas": "dataset catalogue evaluation certainty ui",
    "sklearn": "evaluation baselines doctor atlas",
    "cleanlab": "atlas",
    "threadpoolctl": "atlas",
    "scipy": "evaluation intervals confusion doctor",
    "plotly": "plots curves figures_of_scores report ui",
    "tqdm": "terminal",
    "tensorboardX": "scalars",
    "optuna": "proposals",
    "streamlit": "ui",
    "streamlit_webrtc": "ui",
}
PAGE_IMPORTS = {"streamlit", "har_core", "pandas", "pathlib"}
PAGE_LINES = 150
GUARDS = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
}


def imports(path: Path) -> set[str]:
    """Dotted names a file imports, those inside functions included; a relative one begins with a dot."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return names


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((ROOT / "har_core").rglob("*.py")), ids=name_of)
def test_har_core_imports_leftwards(path: Path) -> None:
    own = path.relative_to(ROOT / "har_core").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    assert own in ORDER, f"give {own} a place in ORDER"
    allowed = {own, *ORDER[: ORDER.index(own)]}
    for name in imports(path):
        top, *rest = name.split(".")
        assert top, f"{path.name} imports {name}: write it as har_core..."
        assert own in DOORS.get(top, own).split(), f"{own} may not import {top}"
        if top == "har_core" and rest and rest[0] not in ("PROJECT", "workspace"):
            assert rest[0] in allowed, f"{own} may not import har_core.{rest[0]}"


@pytest.mark.parametrize("own", DATASET_ORDER)
def test_dataset_imports_leftwards(own: str) -> None:
    allowed = DATASET_ORDER[: DATASET_ORDER.index(own)]
    inner = [name.split(".") for name in imports(ROOT / "har_core" / "dataset" / f"{own}.py")]
    for parts in inner:
        if parts[:2] == ["har_core", "dataset"]:
            assert parts[2] in allowed, f"dataset/{own} may not import {'.'.join(parts)}"


@pytest.mark.parametrize("path", [ROOT / "Home.py", *sorted((ROOT / "pages").glob("*.py"))], ids=name_of)
def test_pages_are_thin(path: Path) -> None:
    extra = {name.split(".")[0] for name in imports(path)} - PAGE_IMPORTS
    assert not extra, f"{path.name} imports {extra}: pages draw, har_core works"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= PAGE_LINES, f"{path.name} is too long for a page"


def loaded_by(*modules: str, **environment: str) -> tuple[set[str], dict[str, str]]:
    """The top-level modules that importing these loads in a fresh process, and its environment after it."""
    code = f"import json, os, sys, {', '.join(modules)}; print(json.dumps([list(sys.modules), dict(os.environ)]))"
    clean = {name: value for name, value in os.environ.items() if name not in (*GUARDS, "YOLO_CONFIG_DIR")}
    child = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    names, after = json.loads(child.stdout)
    return {name.split(".")[0] for name in names}, after


@pytest.mark.parametrize("page", sorted(p.stem for p in (ROOT / "pages").glob("*.py")))
def test_pages_open_without_torch(page: str) -> None:
    # It takes seconds to load, in which a page that imports it shows nothing but its title's place.
    text = (ROOT / "pages" / f"{page}.py").read_text("utf-8")
    loaded, _ = loaded_by(*re.findall(r"^from (har_core[\w.]*) import", text, re.MULTILINE))
    assert "streamlit" in loaded and "torch" not in loaded


def test_percent_signs_follow_their_number_at_once() -> None:
    written = [p for kind in ("*.py", "pages/*.py", "har_core/**/*.*", "docs/*.md", "*.md") for p in ROOT.glob(kind)]
    texts = {p: p.read_text("utf-8") for p in written if p.suffix in (".py", ".js", ".html", ".md")}
    found = [f"{p.name}: {each}" for p, text in texts.items() for each in re.findall(r".*[\d}] %(?! ?[\d(]).*", text)]
    assert not found, "write 85%, as Python and plotly do: " + "; ".join(found)


def test_har_core_sets_its_guards_and_loads_nothing() -> None:
    loaded, environment = loaded_by("har_core", YOLO_OFFLINE="perhaps")
    assert {name: environment[name] for name in GUARDS} == GUARDS | {"YOLO_OFFLINE": "perhaps"}
    assert Path(environment["YOLO_CONFIG_DIR"]) == ROOT / ".cache"
    assert not loaded & {*DOORS, "numpy"}


def test_what_a_page_needs_at_once_is_light() -> None:
    loaded, _ = loaded_by("har_core.runs", "har_core.events", "har_core.dataset")
    assert not loaded & {"torch", "cv2", "av", "streamlit", "openvino", "albumentations", "sklearn", "safetensors"}
