"""Where a run stands between two epochs, and when it is over before its time."""

import math
from dataclasses import dataclass

from har_core.config import TELLING_CLIPS


@dataclass(slots=True)
class Progress:
    """Kept in `last/` beside the weights. Accuracies are shares, losses those of the validation clips."""

    epoch: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = math.inf
    stale: int = 0
    held_until: int = -1
    """The last epoch in which the backbone was held while the new layers learned; -1 while it is."""

    def improves(self, accuracy: float, loss: float) -> bool:
        """Whether this beats the best epoch: more clips right, or as many with a smaller loss."""
        return (accuracy, -loss) > (self.best_accuracy, -self.best_loss)

    def over(self, patience: int, validation_clips: int) -> bool:
        """Whether nothing better is to be expected; never while the backbone is held for some epochs only."""
        return self.all_right(validation_clips) or (self.held_until >= 0 and self.stale >= patience)

    def all_right(self, validation_clips: int) -> bool:
        """Whether the held backbone named all validation clips rightly: they could not show what learning on gains."""
        told = self.best_accuracy == 1.0 and validation_clips >= TELLING_CLIPS
        return told and 0 < self.held_until == self.epoch
