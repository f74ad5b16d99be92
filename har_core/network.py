"""The network: normalise -> ResNet18 -> 512 numbers a frame -> LSTM over the packed sequence -> logits.

The CNN runs on `packed.data`, so that no padded frame is ever computed and a clip's logits are the same
alone and in a mixed batch. The network normalises its own input: nobody else knows a mean or a scale.
"""

import math
import pickle
import time
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torchvision.models import resnet18

from har_core import weights
from har_core.config import InitialWeights, NetworkConfig, Precision
from har_core.errors import CheckpointError

EMBEDDING = 512
GRID = 4
"""A map of 4 x 4 places is what ResNet18 gives at 112 px; larger ones are averaged down to it."""
MOTION_GAIN = 4.0
"""Differences from the mean are about a fifth of the embeddings; they should weigh as much."""


class _BatchNorm(nn.BatchNorm2d):
    """Batch norm that in evaluation mode is one multiplication and one addition.

    The gradient through torch's own evaluation mode takes 10 times as long on a CPU, and in bf16 longer
    still: training a backbone with fixed statistics would be slower in bf16 than in fp32.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training or self.running_var is None or self.running_mean is None:
            return super().forward(input)
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return input * scale.to(input.dtype)[:, None, None] + shift.to(input.dtype)[:, None, None]


class ActionNetwork(nn.Module):
    """ResNet18 and LSTM. In training mode a pretrained backbone keeps its batch-norm statistics.

    Frames of one clip are nearly the same picture: statistics over a few clips would be worse than
    those that the backbone came with. A backbone that starts from nothing has to learn them.
    """

    def __init__(self, config: NetworkConfig, classes: int, *, pretrained: bool = True) -> None:
        super().__init__()
        self.config = config
        self.pretrained = pretrained
        self.backbone = resnet18(weights=None, norm_layer=_BatchNorm)
        self.backbone.fc = nn.Identity()
        self.places: nn.Conv2d | None = None
        if config.embedding == "grid":
            self.backbone.avgpool = nn.AdaptiveAvgPool2d(GRID)
            # No bias: what stands still at a place must vanish in the difference from the mean.
            self.places = nn.Conv2d(EMBEDDING, EMBEDDING // GRID**2, 1, bias=False)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255, persistent=False)
        width = EMBEDDING * {"off": 1, "only": 1, "beside": 2, "steps": 3}[config.motion]
        self.lstm: nn.LSTM | None = None
        if config.lstm_layers:
            self.lstm = nn.LSTM(
                width,
                config.lstm_size,
                config.lstm_layers,
                batch_first=True,
                bidirectional=config.bidirectional,
                dropout=config.dropout if config.lstm_layers > 1 else 0.0,
            )
            width = config.lstm_size * (2 if config.bidirectional else 1)
        self.attention = nn.Linear(width, 1) if config.pooling == "attention" else None
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, classes)
        self.frozen = False

    def look(self, rgb: Tensor) -> Tensor:
        """What the backbone sees in pictures, uint8 `(N, 3, S, S)`: float `(N, 512)`, or `(N, 8192)` for a grid."""
        normal = (rgb.float() - self.mean) / self.std
        seen: Tensor = self.backbone(normal.contiguous(memory_format=torch.channels_last))
        return seen

    def embed(self, seen: Tensor) -> Tensor:
        """Embeddings float `(N, 512)` of what `look` gave; all that a backbone that is held leaves to learn here."""
        if self.places is None:
            return seen
        placed: Tensor = self.places(seen.view(-1, EMBEDDING, GRID, GRID))
        return placed.flatten(1)

    def encode(self, rgb: Tensor) -> Tensor:
        """Embeddings float `(N, 512)` of pictures, uint8 `(N, 3, S, S)`; each alone, in the order given."""
        return self.embed(self.look(rgb))

    def _moving(self, embeddings: PackedSequence) -> PackedSequence:
        """What differs from each clip's mean, alone or beside the embeddings themselves, and from the frame before."""
        padded, lengths = pad_packed_sequence(embeddings, batch_first=True)
        total = padded.sum(dim=1, keepdim=True)  # the padding is zero
        moved = MOTION_GAIN * (padded - total / lengths.to(padded.device)[:, None, None])
        if self.config.motion == "steps":  # nothing precedes the first frame; past a clip's end packing drops it
            stepped = MOTION_GAIN * torch.diff(padded, dim=1, prepend=padded[:, :1])
            moved = torch.cat([padded, moved, stepped], dim=2)
        elif self.config.motion == "beside":
            moved = torch.cat([padded, moved], dim=2)
        return pack_padded_sequence(moved, lengths, batch_first=True, enforce_sorted=False)

    def classify(self, embeddings: PackedSequence) -> Tensor:
        """Logits `(B, C)` of packed embeddings `(sum T, 512)`, in the order that was packed."""
        if self.config.motion != "off":
            embeddings = self._moving(embeddings)
        states, final = embeddings, None
        if self.lstm is not None:
            states, (hidden, _) = self.lstm(embeddings)
            # hidden is (layers * directions, B, H): the last layer's final state of each direction
            directions = 2 if self.config.bidirectional else 1
            final = hidden[-directions:].transpose(0, 1).flatten(1)
        pooled = final if self.config.pooling == "last" and final is not None else self._pool(states)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def _pool(self, states: PackedSequence) -> Tensor:
        padded, lengths = pad_packed_sequence(states, batch_first=True)
        lengths = lengths.to(padded.device)
        steps = torch.arange(padded.shape[1], device=padded.device)
        valid = (steps[None] < lengths[:, None])[..., None]  # (B, T, 1)
        if self.config.pooling == "last":
            return padded[torch.arange(len(lengths), device=padded.device), lengths - 1]
        if self.attention is not None:
            weights = self.attention(padded).masked_fill(~valid, float("-inf")).softmax(dim=1)
        else:
            weights = valid / lengths[:, None, None]
        return torch.sum(padded * weights, dim=1)

    def forward(self, frames: PackedSequence) -> Tensor:
        """Logits `(B, C)` of packed pictures, uint8 `(sum T, 3, S, S)`, in the order that was packed."""
        return self.classify(frames._replace(data=self.encode(frames.data).float()))

    def freeze(self, frozen: bool) -> None:
        """Hold the backbone as it is, or let it learn."""
        self.frozen = frozen
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> "ActionNetwork":
        """Training mode; the batch norms of a frozen or pretrained backbone stay in evaluation mode."""
        self.training = mode
        for name, part in self.named_children():
            # Not for a moment in the wrong mode: another thread may be encoding with a frozen backbone.
            part.train(mode and not (name == "backbone" and (self.frozen or self.pretrained)))
        return self

    def parameter_groups(self, *, backbone: float, head: float) -> list[dict[str, Any]]:
        """Two groups for the optimiser, in this order: the backbone at its slow rate, the rest at its fast one."""
        slow = list(self.backbone.parameters())
        known = {id(parameter) for parameter in slow}
        fast = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return [{"params": slow, "lr": backbone, "name": "backbone"}, {"params": fast, "lr": head, "name": "head"}]


def resolve(choice: InitialWeights) -> Literal["imagenet", "bundled", "none"]:
    """What `auto` means on this machine, found without touching the network."""
    if choice != "auto":
        return choice
    if weights.entry("resnet18-imagenet").present:
        return "imagenet"
    return "bundled" if weights.entry("backbone").present else "none"


def load_initial(network: ActionNetwork, choice: InitialWeights) -> str:
    """Fill the backbone with its initial weights; gives a sentence that says what they are.

    Raises:
        CheckpointError: the weights asked for by name are not to be had.
    """
    start = resolve(choice)
    network.pretrained = start != "none"
    if start == "none":
        return "none: the backbone starts from random numbers"
    if start == "bundled":
        bundled = weights.entry("backbone")
        if not bundled.present:
            raise CheckpointError("The bundled backbone models/backbone is missing. Check out the project again.")
        state, source = load_file(bundled.path), "bundled: models/backbone, trained from scratch on Tiny-ImageNet"
    else:
        state, source = _imagenet(), "imagenet: torchvision ResNet18 IMAGENET1K_V1"
    state = {name: value.float() for name, value in state.items() if not name.startswith("fc.")}
    try:
        missing, unexpected = network.backbone.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a tensor of another shape
        raise CheckpointError(f"The {start} weights are not those of a ResNet18: {error}") from None
    if unexpected or [name for name in missing if not name.endswith("num_batches_tracked")]:
        raise CheckpointError(f"The {start} weights are not those of a ResNet18: {(list(missing) + unexpected)[0]}.")
    return source


def _imagenet() -> dict[str, Tensor]:
    wanted = weights.entry("resnet18-imagenet")
    try:
        file = wanted.path if wanted.present else weights.fetch(wanted)
        # It is a pickle: only the very file that torchvision published is opened, and only for its tensors.
        if not weights.sha256(file).startswith(wanted.sha256):
            raise ValueError("the file is not the one that torchvision published")
        state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except CheckpointError as error:
        raise CheckpointError(f"The ImageNet weights cannot be had. {error} Or choose the bundled weights.") from None
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"The ImageNet weights cannot be read: {reason}. Remove {wanted.path} and let them be downloaded again, "
            "or choose the bundled weights."
        ) from None
    return state


def best_device() -> torch.device:
    """CUDA, Apple's MPS or the CPU, in this order."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def bf16_is_faster(network: ActionNetwork, device: torch.device, size: int, precision: Precision) -> bool:
    """Whether training steps are faster in bf16 here; measured, for about a second, unless `precision` says so.

    Args:
        network: any that looks at pictures; its gradients are cleared, and it is left in evaluation mode.
        device: where it lies.
        size: px of the pictures.
        precision: "auto", "bf16" or "fp32".
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "mps":
        return False
    rgb = torch.zeros(8, 3, size, size, dtype=torch.uint8, device=device)
    network.eval()  # or the zeros would move a fresh backbone's batch-norm statistics
    best = {False: math.inf, True: math.inf}
    for round_ in range(6):  # the best of five: another process may be busy at the moment
        for bf16 in best:
            begun = time.perf_counter()
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                torch.autograd.backward(network.encode(rgb).float().sum())
            if device.type == "cuda":
                torch.cuda.synchronize()
            if round_:  # the first round only warms up
                best[bf16] = min(best[bf16], time.perf_counter() - begun)
    network.zero_grad(set_to_none=True)
    return best[True] < best[False]
