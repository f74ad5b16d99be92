"""Lets `person_model.py` go on from an exported model, where the checkpoint of its training is gone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from torch import Tensor

from har_core.values import Rgb


def warmed(model: Any, folder: Path, sample: Callable[[np.random.Generator], Rgb]) -> None:  # noqa: ANN401  # as ultralytics gives it
    """Give the student the weights of an exported twin, OpenVINO with its norms fused away.

    Each norm is made anew: with the mean and spread of what its convolution gives on training pictures, and the scale
    and shift that undo it. So the student says what the twin says, in training (which norms by the batch) as well.
    """
    state = model.state_dict()
    norms = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    graph = openvino.Core().read_model(next(folder.glob("*.xml")))
    with torch.no_grad():
        for op in graph.get_ordered_ops():
            if op.get_type_name() not in ("Convolution", "GroupConvolution") or "dfl" in op.get_friendly_name():
                continue
            name = op.get_friendly_name().removeprefix("__module.").split("/")[0]
            (after,) = op.output(0).get_target_inputs()
            kernel, bias = (_constant(source) for source in (op.input_value(1), after.get_node().input_value(1)))
            state[f"{name}.weight"].copy_(kernel.reshape(state[f"{name}.weight"].shape))
            norm = norms.get(name.removesuffix("conv") + "bn")
            (state[f"{name}.bias"] if norm is None else norm.bias).copy_(bias.flatten())
        for norm in norms.values():
            norm.running_var.fill_(1 - norm.eps)
        sums: dict[str, list[Tensor]] = {name: [] for name in norms}
        watching = [norm.register_forward_pre_hook(
            lambda _, given, kept=sums[name]: kept.append(torch.stack(
                [given[0].mean((0, 2, 3)), given[0].square().mean((0, 2, 3))])))
            for name, norm in norms.items()]  # fmt: skip
        model.eval()
        random_ = np.random.default_rng(1)
        for _ in range(12):
            batch = np.stack([sample(random_) for _ in range(16)]).transpose(0, 3, 1, 2)
            model(torch.from_numpy(batch.astype(np.float32) / 255))
        for hook in watching:
            hook.remove()
        for name, norm in norms.items():
            mean, square = torch.stack(sums[name]).mean(0)
            spread = (square - mean**2).clamp_min(1e-6)
            norm.weight.copy_((spread + norm.eps).sqrt())
            norm.bias.add_(mean)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(spread)


def _constant(source: Any) -> Tensor:  # noqa: ANN401  # an output of OpenVINO
    """The numbers behind it: half ones are widened by a node between."""
    node = source.get_node()
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return torch.from_numpy(node.data.astype(np.float32))
