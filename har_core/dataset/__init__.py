"""Folders of labelled clips: what lies in them, how they are split without leaking, and the user's library.

layouts    which files are clips, and of which action: nothing is decoded
groups     who or where was filmed: from the name, or near-duplicates found by looking
edits      what was decided about clips without touching them, and what follows of it
history    the versions that edits make up, on the disk
index      `read`: all of that plus the properties of every clip, cached
splits     train, validation and test parts that no group straddles
versions   edits, each a new version; going back
archives   unpacking what a stranger packed
ucf        UCF101 top 5: its official clips and parts
library    the data sets of a workspace: list, link, add a clip
imports    whole data sets: fetched, or unpacked from an archive
uploads    files, folders and archives that a browser sent
"""

from har_core.dataset import ucf, uploads, versions
from har_core.dataset.imports import Brought, bring, fetch_top5
from har_core.dataset.index import Dataset, read
from har_core.dataset.layouts import EXTENSIONS
from har_core.dataset.library import add_clip, check_name, datasets, link
from har_core.dataset.splits import folds, split

__all__ = [
    "EXTENSIONS", "Brought", "Dataset", "add_clip", "bring", "check_name", "datasets", "fetch_top5", "folds",
    "link", "read", "split", "ucf", "uploads", "versions",
]  # fmt: skip
