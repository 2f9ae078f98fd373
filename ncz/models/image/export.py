"""Makes the file of weights that ships, out of what was trained.

`python -m ncz.models.image.export RUN/cooled.pt --data FOLDER -o NAME.safetensors`

The transforms are kept as half floats. What decides probabilities becomes integers: how far its
activations go is seen on crops of the training pictures. The same checkpoint and crops make the
same file.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncz.codec.cache import write_whole
from ncz.models.contextmix.prior import pack
from ncz.models.image import exact
from ncz.models.image.data import Crops
from ncz.models.image.exact import LOWEST, STEP_OF_SCALE
from ncz.models.image.network import (
    SIGHT,
    Network,
    Shape,
    Step,
    order,
    usual,
)

MARGIN = 1.25
"""How much farther than seen on crops activations may go."""
FORMAT = "ncz image codec 1"


def tensors(network: Network, ranges: dict[str, float]) -> dict[str, np.ndarray]:
    """Everything a codec needs, by name.

    Args:
        network: as trained.
        ranges: the largest activation of each layer of the predictor, by name.
    """
    found = {
        f"{part}.{name}": tensor.numpy().astype(np.float16)
        for part in ("analysis", "synthesis", "hyper_analysis")
        for name, tensor in getattr(network, part).state_dict().items()
    }
    return found | _integers(network, ranges)


def _integers(network: Network, ranges: dict[str, float]) -> dict[str, np.ndarray]:
    predictor = network.predictor
    unit = 1 / exact.UNIT
    per = {name: top * MARGIN / exact.ACTIVATION for name, top in ranges.items()}
    scale_index = (predictor.hyper_scales - LOWEST) / STEP_OF_SCALE
    hyper = torch.stack((predictor.hyper_centres, scale_index)) * exact.UNIT
    found = {
        "order": order(network.shape.latents)[0].permute(1, 2, 0).to(torch.uint8).numpy(),
        "hyper": _rounded(hyper).astype(np.int32),
        "fine": _rounded(torch.exp(-predictor.hyper_gains) * 4096).astype(np.int32),
        "gain": _gains(network.shape.anchors),
        "quality": _rounded(predictor.quality / per["features"]).astype(np.int32),
    }

    def add(name: str, conv: nn.Conv2d, each: float, to: Tensor | float, low: float = 0.0) -> None:
        assert conv.bias is not None
        found.update(layer(name, conv.weight, conv.bias - low, each, to))

    add("up_half", predictor.up_half, unit, per["up_half"])
    add("half", predictor.halved, per["up_half"], per["halved"])
    add("up_whole", predictor.up_whole, per["halved"], per["features"])
    for index, step in enumerate(predictor.steps):
        assert isinstance(step, Step)
        name, wide = f"steps.{index}", network.shape.features
        near, around, mixed = (per[f"{name}.{part}"] for part in ("near", "around", "mixed"))
        bias = step.near.bias
        assert bias is not None and step.out.bias is not None
        weight = step.near.weight
        found.update(layer(f"{name}.told", weight[:, :wide], bias, per["features"], near))
        if index:
            none = torch.zeros_like(bias)
            found.update(layer(f"{name}.known", weight[:, wide:], none, unit * SIGHT, near))
        add(f"{name}.around", step.around, near, around)
        add(f"{name}.mixed", step.mixed, around, mixed)
        latents = network.shape.latents
        to = torch.tensor([unit] * latents + [STEP_OF_SCALE] * latents)
        low = torch.tensor([0.0] * latents + [LOWEST] * latents)
        bias = step.out.bias - low
        found.update(layer(f"{name}.out", step.out.weight, bias, mixed, to))
    return found


def _gains(anchors: int) -> np.ndarray:
    table = usual(anchors).double().numpy()
    levels = np.arange((anchors - 1) * exact.BETWEEN + 1) / exact.BETWEEN
    log = np.interp(levels, np.arange(anchors), table)
    return np.stack((np.exp(log), np.exp(-log), log / STEP_OF_SCALE)).astype(np.float32)


def layer(
    name: str, weight: Tensor, bias: Tensor, each: float, to: Tensor | float
) -> dict[str, np.ndarray]:
    """A product's integers: weights (outputs, height * width * inputs), scales and offsets.

    Args:
        name: what the names of the tensors begin with.
        weight: (outputs, inputs, height, width).
        bias: (outputs,).
        each: what one unit of an input is worth.
        to: what one unit of an output is worth.
    """
    flat = weight.detach().permute(0, 2, 3, 1).reshape(len(weight), -1).double()
    worth = flat.abs().amax(1).clamp(min=1e-12) / exact.WEIGHT
    scale = (worth * each / to).float()
    return {
        f"{name}.weight": _rounded(flat / worth[:, None]).astype(np.int16),
        f"{name}.scale": scale.numpy(),
        f"{name}.offset": (bias.detach().double() / to).float().numpy(),
    }


def _rounded(x: Tensor) -> np.ndarray:
    rounded: np.ndarray = torch.round(x.detach()).numpy()
    return rounded


@contextmanager
def watching(network: Network) -> Iterator[dict[str, float]]:
    """The largest activations of the predictor's layers while it runs, by name."""
    ranges: dict[str, float] = {}
    predictor = network.predictor

    def watch(name: str, module: nn.Module, beyond: float = 0.0) -> Any:
        def hook(_: nn.Module, __: Any, out: Tensor) -> None:
            ranges[name] = max(ranges.get(name, 1e-3), float(out.max()) + beyond)

        return module.register_forward_hook(hook)

    hooks = [watch("up_half", predictor.up_half), watch("halved", predictor.halved)]
    farther = float(predictor.quality.max().clamp(min=0))
    hooks.append(watch("features", predictor.up_whole, farther))
    for index, step in enumerate(predictor.steps):
        assert isinstance(step, Step)
        for part in ("near", "around", "mixed"):
            hooks.append(watch(f"steps.{index}.{part}", getattr(step, part)))
    try:
        yield ranges
    finally:
        for hook in hooks:
            hook.remove()


def load(path: Path) -> Network:
    """The weights of a run that has cooled, or else the averaged ones of a checkpoint."""
    kept = torch.load(path, weights_only=True, map_location="cpu")
    network = Network(Shape(**kept["shape"]))
    network.load_state_dict(kept.get("weights", kept.get("average")))
    return network.eval().requires_grad_(False)


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="as for training")
    parser.add_argument("--crops", type=int, default=32)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args(argv)
    network = load(args.checkpoint)
    crops = Crops(args.data, 256, seed=0)
    with watching(network) as ranges:
        for _ in range(args.crops):
            x = torch.from_numpy(crops.draw(8)).permute(0, 3, 1, 2).float() / 255 - 0.5
            network(x, torch.linspace(0, network.shape.anchors - 1, 8))
    data = pack(tensors(network, ranges), {"format": FORMAT})
    write_whole(args.out, data)
    print(f"{args.out}: {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
