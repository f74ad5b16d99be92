"""A trained network made fast on this machine: OpenVINO on the CPU, torch elsewhere; the same numbers.

The encoder is what costs: it is exported once, kept beside the checkpoint and named by the hash of the
weights, so that a replaced checkpoint never meets another's export. The LSTM over cached embeddings
takes less than a millisecond and stays in torch.
"""

import contextlib
import hashlib
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from har_core import checkpoint, machine, weights
from har_core.batches import move, pack_embeddings
from har_core.config import NetworkConfig
from har_core.network import EMBEDDING, ActionNetwork, best_device, load_initial
from har_core.values import Prediction, Rgb

Runtime = Literal["auto", "openvino", "torch"]
ENCODE_AT_ONCE = 32
Embeddings = NDArray[np.float32]


class Encoder:
    """Pictures -> embeddings, by a network's backbone. Stateless after construction: threads may share it.

    `identity` names the weights and the size of the pictures: embeddings of one identity can be compared.
    """

    def __init__(self, network: ActionNetwork, folder: Path, size: int, *, runtime: Runtime = "auto") -> None:
        self.size = size
        self.identity = _identity(network, size)
        self.device = best_device()
        self.runtime: Literal["openvino", "torch"] = "torch"
        if runtime == "openvino" or (runtime == "auto" and self.device.type == "cpu"):
            self.runtime, self.device = "openvino", torch.device("cpu")
            self._compiled = _compile(network, folder / "openvino" / f"{self.identity}.xml", size)
            network.backbone, network.places = nn.Identity(), None  # their copy in OpenVINO does the work
        self._network = network.to(self.device)

    def encode(self, rgb: Rgb) -> Embeddings:
        """Embeddings float32 `(N, 512)` of pictures, uint8 `(N, S, S, 3)` RGB as `images.fit` gives them."""
        if not len(rgb):
            return np.empty((0, EMBEDDING), np.float32)
        channels_first = np.ascontiguousarray(rgb.transpose(0, 3, 1, 2))
        ends = np.cumsum(_pieces(len(rgb)))
        return np.concatenate([self._encode(part) for part in np.split(channels_first, ends[:-1])])

    def _encode(self, pictures: Rgb) -> Embeddings:
        if self.runtime == "openvino":
            request = self._compiled.create_infer_request()  # one for each call: requests are not shared by threads
            return np.array(next(iter(request.infer([pictures]).values())), dtype=np.float32)
        with torch.inference_mode():
            return self._network.encode(torch.from_numpy(pictures).to(self.device)).float().cpu().numpy()


def bundled_encoder(size: int, *, runtime: Runtime = "auto") -> Encoder:
    """The backbone that comes with the project, averaged over its places: it knows pictures, and no action.

    Raises:
        CheckpointError: it is missing.
    """
    network = ActionNetwork(NetworkConfig(weights="bundled", embedding="average", motion="off", lstm_layers=0), 2)
    load_initial(network, "bundled")
    return Encoder(network.eval(), weights.entry("backbone").path.parent, size, runtime=runtime)


class Engine:
    """Encodes pictures and classifies embeddings. Stateless after construction: threads may share it.

    `identity` names all of the model: answers of one identity can stand beside one another.
    """

    def __init__(self, folder: Path, *, runtime: Runtime = "auto") -> None:
        folder = checkpoint.present(folder)
        self._network, self.card = checkpoint.load(folder)
        self.encoder = Encoder(self._network, folder, self.card.clip.size, runtime=runtime)
        self.runtime, self._device = self.encoder.runtime, self.encoder.device
        self.identity = f"{self.encoder.identity}-{self._classifier()}"

    def encode(self, rgb: Rgb) -> Embeddings:
        """Embeddings float32 `(N, 512)` of pictures, uint8 `(N, S, S, 3)` RGB as `images.fit` gives them."""
        return self.encoder.encode(rgb)

    def classify(self, clips: Sequence[Embeddings]) -> list[Prediction]:
        """What each clip shows, from its embeddings `(T, 512)`, T >= 1; lengths may differ."""
        if not clips:
            return []
        packed = pack_embeddings([torch.from_numpy(np.ascontiguousarray(clip)) for clip in clips]).packed
        with torch.inference_mode():
            logits = self._network.classify(move(packed, self._device)).cpu().double()
        # The one place where the card's temperature acts: file, live and evaluation all come through here.
        probabilities = (logits / self.card.temperature).softmax(1).numpy()
        return [Prediction(row, self.card.classes, self.card.unsure_below) for row in probabilities]

    def _classifier(self) -> str:
        # The same frozen encoder may stand before many of these, and each calibration gives other probabilities.
        found = hashlib.sha256(repr((self.card.classes, self.card.temperature, self.card.unsure_below)).encode())
        for name, value in self._network.state_dict().items():
            if not name.startswith(("backbone.", "places.")):
                found.update(value.cpu().numpy().tobytes())
        return found.hexdigest()[:16]


def _pieces(number: int) -> list[int]:
    """Powers of two that add up to `number`, at most ENCODE_AT_ONCE each.

    OpenVINO prepares, and keeps for good, a few MB for each number of pictures that it ever meets.
    """
    whole, rest = divmod(number, ENCODE_AT_ONCE)
    return [ENCODE_AT_ONCE] * whole + [1 << bit for bit in reversed(range(rest.bit_length())) if rest >> bit & 1]


class _Encoder(nn.Module):
    def __init__(self, network: ActionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, rgb: Tensor) -> Tensor:
        return self.network.encode(rgb)


def _identity(network: ActionNetwork, size: int) -> str:
    # Of what was loaded, not of the file: a run may have replaced it meanwhile.
    found = hashlib.sha256()
    parts = [network.backbone] if network.places is None else [network.backbone, network.places]
    for value in (value for part in parts for value in part.state_dict().values()):
        found.update(value.numpy().tobytes())
    return f"{found.hexdigest()[:16]}-{size}"


def _compile(network: ActionNetwork, exported: Path, size: int) -> Any:  # noqa: ANN401  # openvino has no types
    import openvino  # heavy, and of no use where torch runs the network

    core = openvino.Core()
    if exported.is_file() and exported.with_suffix(".bin").is_file():
        # A damaged export is made again.
        with contextlib.suppress(RuntimeError):
            return core.compile_model(core.read_model(exported), "CPU", machine.OPENVINO)
    example = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    with warnings.catch_warnings():  # openvino traces with what torch calls deprecated
        warnings.simplefilter("ignore")
        model = openvino.convert_model(_Encoder(network).eval(), example_input=example, input=[-1, 3, size, size])
    # A folder that cannot be written (a bundled model, a full disk) costs the export at each start, no more.
    with contextlib.suppress(OSError, RuntimeError):
        exported.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=exported.parent) as fresh:
            # Not compressed to fp16, or the second start would give other numbers than the first.
            openvino.save_model(model, Path(fresh) / exported.name, compress_to_fp16=False)
            (Path(fresh) / exported.name).with_suffix(".bin").replace(exported.with_suffix(".bin"))
            (Path(fresh) / exported.name).replace(exported)
    return core.compile_model(model, "CPU", machine.OPENVINO)
