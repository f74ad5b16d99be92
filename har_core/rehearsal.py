"""The parts of a training step apart, on made-up pictures, to find out how long each takes on this machine."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from har_core import checkpoint
from har_core.config import NetworkConfig
from har_core.network import ActionNetwork, best_device, bf16_is_faster

_CLASSES = 5


class Rehearsal:
    """A network that learns nothing of use, from `pictures` noisy ones of `size` px, or `clips` of `frames` each."""

    def __init__(self, config: NetworkConfig, size: int, *, pictures: int, clips: int, frames: int) -> None:
        self._device = best_device()
        self._network = ActionNetwork(config, _CLASSES).to(self._device)
        if self._device.type == "cpu":
            self._network.to(memory_format=torch.channels_last)
        self._bf16 = bf16_is_faster(self._network, self._device, size, "auto")
        self._rgb = torch.randint(0, 255, (pictures, 3, size, size), dtype=torch.uint8, device=self._device)
        self._labels = torch.arange(clips, device=self._device) % _CLASSES
        self._optimiser = torch.optim.AdamW(self._network.parameters())
        with torch.no_grad():
            seen = self._network.look(self._rgb[:1]).float()
        self._seen = [seen.repeat(frames, 1) for _ in range(clips)]

    @torch.no_grad()
    def look(self) -> None:
        """See all pictures with the backbone."""
        self._network.eval()
        with self._autocast():
            self._network.look(self._rgb)
        self._wait()

    def learn(self) -> None:
        """One step of a backbone that learns, from all pictures."""
        self._network.freeze(False)
        with self._autocast():
            seen = self._network.look(self._rgb)
        # One step of the rest for all of them: it takes next to nothing beside the backbone.
        self._step([seen.float()])

    def head(self) -> None:
        """One step of all that is not backbone, from what it saw in all pictures."""
        self._network.freeze(True)
        self._step(self._seen)

    def keep(self, folder: Path) -> None:
        """Write what a run keeps of an epoch: the state to go on from, and the model."""
        checkpoint.save_state(folder, self._network, self._optimiser, {})

    def _step(self, seen: list[Tensor]) -> None:
        self._network.train()
        packed = pack_sequence(seen)
        logits = self._network.classify(packed._replace(data=self._network.embed(packed.data)))
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.nn.functional.cross_entropy(logits, self._labels[: len(seen)]))
        self._optimiser.step()
        self._wait()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
