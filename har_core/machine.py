"""What this computer has: memory, room on a disk, and since when it runs."""

import contextlib
import shutil
from pathlib import Path

import psutil

OPENVINO = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
"""How a network is compiled for the CPU. OpenVINO's own choice is bfloat16 wherever the CPU knows it: without AMX that
takes half as long again to twice as long, and the same clip would give other numbers on another computer."""


def own_memory() -> int:
    """Bytes of memory that this process holds now."""
    return int(psutil.Process().memory_info().rss)


def tree_memory(pid: int) -> int:
    """Bytes of memory that a process and all that it started hold now; 0 where it is gone."""
    total = 0
    try:
        family = [psutil.Process(pid)]
        family += family[0].children(recursive=True)
    except psutil.Error:
        return 0
    for process in family:
        with contextlib.suppress(psutil.Error):
            total += int(process.memory_info().rss)
    return total


def memory() -> int:
    """Bytes of memory in this computer."""
    return int(psutil.virtual_memory().total)


def free_memory() -> int:
    """Bytes of memory that a new process can have without anything being written out to disk."""
    return int(psutil.virtual_memory().available)


def booted_at() -> float:
    """When this computer was started, in seconds since 1970."""
    return float(psutil.boot_time())


def free_disk(folder: Path) -> int:
    """Bytes of room on the disk of a folder, which may not be there yet; a large number where nobody can tell."""
    for place in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return 2**62
