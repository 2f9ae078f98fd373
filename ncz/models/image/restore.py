"""Makes a checkpoint to train on from, out of weights that ship: the way back of `export.py`.

`python -m ncz.models.image.restore NAME --done STEPS --out RUN`

Nothing is lost that a decoder knows: transforms are the half floats of the file, and integers of
the predictor become floats that predict the same. How large activations are between its layers is
not in the file, and makes no difference to what comes out; here all layers' weights are about as
large as those of the transforms. Where the optimizers were is lost.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ncz.models.image import exact, weights
from ncz.models.image.exact import LOWEST, STEP_OF_SCALE, STEPS
from ncz.models.image.network import SIGHT, Network, shape_of

SPREAD = 0.7
"""Of an output that is the sum of independent inputs of one, in the layers between."""


def network_of(found: dict[str, np.ndarray]) -> Network:
    """The network whose file of weights has these tensors."""
    network = Network(shape_of({name: tensor.shape for name, tensor in found.items()}))
    transforms = weights.transforms_of(found)
    network.analysis.load_state_dict(transforms.analysis.state_dict())
    network.synthesis.load_state_dict(transforms.synthesis.state_dict())
    network.hyper_analysis.load_state_dict(transforms.hyper_analysis.state_dict())
    network.predictor.load_state_dict(_predictor(found))
    return network


def _predictor(found: dict[str, np.ndarray]) -> dict[str, Tensor]:
    unit = 1 / exact.UNIT
    state: dict[str, Tensor] = {}

    def of(name: str) -> Tensor:
        return torch.from_numpy(found[name].astype(np.float64))

    def flat(name: str, each: float) -> Tensor:
        """A product's weights (outputs, inputs) where an output is worth one."""
        scale = of(f"{name}.scale") / each
        return of(f"{name}.weight") * scale[:, None]

    def put(name: str, weight: Tensor, offset: str, to: Tensor, side: int = 1) -> None:
        """Puts a layer whose outputs are worth `to`."""
        kernel = (weight * to[:, None]).reshape(len(weight), side, side, -1)
        state[f"{name}.weight"] = kernel.permute(0, 3, 1, 2).float()
        state[f"{name}.bias"] = (of(f"{offset}.offset") * to).float()

    def put_between(name: str, weight: Tensor, offset: str, side: int = 1) -> float:
        """Puts a layer before others; what a unit of its activations is worth."""
        to = SPREAD / float(weight.square().sum(1).mean().sqrt())
        put(name, weight, offset, torch.full((len(weight),), to, dtype=torch.float64), side)
        return to

    centres, scales = of("hyper") / exact.UNIT
    state["hyper_centres"] = centres.float()
    state["hyper_scales"] = (scales * STEP_OF_SCALE + LOWEST).float()
    state["hyper_gains"] = -torch.log(of("fine") / 4096).float()
    each = put_between("up_half", flat("up_half", unit), "up_half")
    each = put_between("halved", flat("half", each), "half", 3)
    features = put_between("up_whole", flat("up_whole", each), "up_whole")
    state["quality"] = (of("quality") * features).float()
    for index in range(STEPS):
        name = f"steps.{index}"
        parts = [flat(f"{name}.told", features)]
        if index:
            parts.append(flat(f"{name}.known", unit * SIGHT))
        each = put_between(f"{name}.near", torch.cat(parts, 1), f"{name}.told")
        each = put_between(f"{name}.around", flat(f"{name}.around", each), f"{name}.around", 5)
        each = put_between(f"{name}.mixed", flat(f"{name}.mixed", each), f"{name}.mixed")
        out = flat(f"{name}.out", each)
        latents = len(out) // 2
        to = torch.tensor([unit] * latents + [STEP_OF_SCALE] * latents, dtype=torch.float64)
        put(f"{name}.out", out, f"{name}.out", to)
        state[f"{name}.out.bias"][latents:] += LOWEST
    return state


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=weights.DIGESTS)
    parser.add_argument("--done", type=int, required=True, help="steps that it was trained for")
    parser.add_argument("--out", type=Path, required=True, help="of `train`")
    args = parser.parse_args(argv)
    network = network_of(weights.tensors(args.name))
    args.out.mkdir(parents=True, exist_ok=True)
    state = network.state_dict()
    kept = {"network": state, "average": state, "shape": asdict(network.shape), "done": args.done}
    torch.save(kept, args.out / "checkpoint.pt")


if __name__ == "__main__":
    main()
