"""Where training starts: the network as the best linear transform of the pictures it will see.

A network whose blocks add nothing is linear, and wide enough to hold the 16 x 16 blocks of a
picture in their principal components (Karhunen-Loeve). Set so, it codes pictures about as JPEG
does before its first step, and training begins where otherwise it is after thousands.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ncz.models.image.data import Crops
from ncz.models.image.network import Network, Step

_SPREAD = 0.55  # the scale of a logistic law by its standard deviation


@torch.no_grad()
def begin(network: Network, crops: Crops, count: int = 400) -> None:
    """Sets the weights of a new network.

    Args:
        network: all weights as they are made; blocks add nothing.
        crops: what principal components are of.
        count: of crops.
    """
    x = torch.from_numpy(crops.draw(count)).permute(0, 3, 1, 2).float() / 255 - 0.5
    rows = _blocks(x)
    spread, basis = torch.linalg.eigh(rows.T @ rows / len(rows))
    latents, (a, b, c) = network.shape.latents, network.shape.widths
    assert a >= 48 and b >= 192 and c >= latents, "a narrower network holds no block"
    basis = basis.flip(1)[:, :latents].float()
    deviation = spread.flip(0)[:latents].clamp(min=1e-8).sqrt().float()
    analysis, synthesis = network.analysis, network.synthesis
    eye = torch.eye(48)
    _quiet(analysis.fold, analysis.to_eighth, analysis.to_sixteenth, analysis.out)
    _quiet(synthesis.into, synthesis.to_eighth, synthesis.to_quarter, synthesis.unfold)
    # What has no place in a block are features at random, for later steps to find a use for.
    nn.init.kaiming_uniform_(analysis.fold.weight)
    nn.init.kaiming_uniform_(synthesis.to_quarter.weight, a=5)
    analysis.fold.weight[:48] = 0
    analysis.fold.weight[:48, :, 1, 1] = eye
    for place in range(4):
        synthesis.to_quarter.weight[place : 4 * 48 : 4] = 0
    synthesis.unfold.weight[:, :48, 1, 1] = eye
    for place in range(4):
        i, j = divmod(place, 2)
        channels = torch.arange(48)
        analysis.to_eighth.weight[4 * channels + place, channels, 1 + i, 1 + j] = 1
        synthesis.to_quarter.weight[4 * channels + place, 4 * channels + place, 0, 0] = 1
        wide = torch.arange(192)
        part = basis[4 * wide + place]
        analysis.to_sixteenth.weight[:latents, :192, 1 + i, 1 + j] = part.T
        synthesis.to_eighth.weight[4 * wide + place, :latents, 0, 0] = part
    analysis.out.weight[:, :latents, 0, 0] = torch.eye(latents)
    synthesis.into.weight[:latents, :, 0, 0] = torch.eye(latents)
    for step in network.predictor.steps:
        assert isinstance(step, Step) and step.out.bias is not None
        step.out.bias[latents:] = torch.log(deviation * _SPREAD)


def _blocks(x: Tensor) -> Tensor:
    """16 x 16 blocks of (N, 3, H, W) as rows of 768, in the order in which the network folds."""
    folded = nn.functional.pixel_unshuffle(x, 4)
    folded = nn.functional.pixel_unshuffle(folded, 2)
    folded = nn.functional.pixel_unshuffle(folded, 2)
    return folded.permute(0, 2, 3, 1).reshape(-1, 768).double()


def _quiet(*layers: nn.Conv2d) -> None:
    for layer in layers:
        assert layer.bias is not None
        layer.weight.zero_()
        layer.bias.zero_()
