"""Folders of labelled clips: what lies in them, how they are split without leaking, and the user's library.

layouts    which files are clips, and of which action: nothing is decoded
groups     who or where was filmed: from the name, or near-duplicates found by looking
index      `read`: all of that plus the properties of every clip, cached
splits     train, validation and test parts that no group straddles
library    the data sets of a workspace: list, link, add a clip
"""

from har_core.dataset.index import Dataset, read
from har_core.dataset.layouts import EXTENSIONS
from har_core.dataset.library import add_clip, check_name, datasets, link
from har_core.dataset.splits import folds, split

__all__ = ["EXTENSIONS", "Dataset", "add_clip", "check_name", "datasets", "folds", "link", "read", "split"]
