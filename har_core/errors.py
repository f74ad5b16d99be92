"""Errors that can be shown to a user as they are.

Every message is one sentence or two: what must hold, what came, what to do. Anything that is not a
`HarError` is a bug of ours and is reported as one.
"""


class HarError(Exception):
    """Something the user can mend; `str(error)` is written for them."""


class ConfigError(HarError, ValueError):
    """A setting is outside its range, or settings contradict each other."""


class VideoError(HarError):
    """A video cannot be read or written."""


class DatasetError(HarError):
    """A folder of clips is not a data set that can be used."""


class CheckpointError(HarError):
    """A model folder is missing, damaged or made for something else."""


class TrainingError(HarError):
    """Training cannot go on with these settings."""


class RunError(HarError):
    """A training run cannot be started, stopped or read."""


class Cancelled(HarError):
    """Somebody asked for the work to end before it was done; nothing of it is left."""
