"""More effort for one picture: its latents, moved by gradients to where the picture costs least.

The network's first guess is the latents of an average picture like this one. Here what the picture
costs, bits + lambda * error, is made smaller for this one alone, by stochastic Gumbel annealing
(Yang, Bamler, Mandt, "Improving inference for neural image compression", 2020): each latent
lies between two integers and draws one of them, less and less at random. The decoder is the same.

What is asked here are floats of the same integers that decide probabilities; what is written is
rounded and coded by the integers themselves, so nothing depends on the digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ncz.models.image.error import PSNR, error
from ncz.models.image.exact import (
    ACTIVATION,
    HIGHEST,
    LOWEST,
    SCALES,
    STEPS,
    UNIT,
    Integers,
    Layer,
    between,
)
from ncz.models.image.network import Synthesis, bits

_STEP_OF_SCALE = (HIGHEST - LOWEST) / (SCALES - 1)


@dataclass(frozen=True)
class Pace:
    """How a picture is refined.

    Args:
        rounds: steps of gradients.
        rate: how far a latent goes in one at first, in steps of rounding.
        hot, cold: temperature of the draws at the start and at the end.
    """

    rounds: int
    rate: float = 0.015
    hot: float = 0.5
    cold: float = 0.12


class Smooth:
    """The integers that decide probabilities, as floats with gradients.

    Args:
        integers: what they are.
        quality: for which they are asked.
    """

    def __init__(self, integers: Integers, quality: int) -> None:
        self.integers = integers
        centre, index = integers.hyper_law(quality)
        self.fine = torch.from_numpy(between(integers.fine, quality)[0] / 4096).float()
        self.gain, self.inverse, self.higher = (float(g) for g in integers.gain[:, quality])
        self.hyper_centre = torch.from_numpy(centre / UNIT).float()
        self.hyper_scale = LOWEST + torch.from_numpy(index).float() * _STEP_OF_SCALE
        self.quality = torch.from_numpy(between(integers.quality[None], quality)[0]).float()
        self.up_half, self.half = _product(integers.up_half), _product(integers.half)
        self.up_whole = _product(integers.up_whole)
        self.steps = [
            (
                _product(step.told),
                _product(step.known) if step.known else None,
                torch.from_numpy(step.around).permute(2, 0, 1)[:, None].float(),
                torch.from_numpy(step.around_scale).float(),
                torch.from_numpy(step.around_offset).float(),
                _product(step.mixed),
                [_product(out) for out in step.out],
                torch.from_numpy(integers.first_channel(index)),
            )
            for index, step in enumerate(integers.steps)
        ]

    def features(self, hyper: Tensor) -> Tensor:
        """(h, w, hyper channels) to (4 h, 4 w, features)."""
        x = _unfolded(_cut(_of(self.up_half, hyper * self.fine * UNIT)))
        weight = self.half[0].reshape(3, 3, x.shape[2], -1).permute(3, 2, 0, 1)
        x = functional.conv2d(x.permute(2, 0, 1)[None], weight, padding=1)[0].permute(1, 2, 0)
        x = _cut(x * self.half[1] + self.half[2])
        return _cut(_unfolded(_of(self.up_whole, x)) + self.quality)

    def law(self, index: int, features: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Centres and log scales (h, w, latents / 4) of the latents of a step."""
        told, seen, around, scale, offset, mixed, outs, _ = self.steps[index]
        x = _of(told, features)
        if seen is not None:
            x = x + _of(seen, known * UNIT) * self.inverse
        x = _cut(x).permute(2, 0, 1)[None]
        x = functional.conv2d(x, around, padding=2, groups=len(around))[0].permute(1, 2, 0)
        x = _cut(_of(mixed, _cut(x * scale + offset)))
        mine = self.integers.latents // STEPS
        centres = x.new_zeros((*x.shape[:2], mine))
        scales = x.new_zeros((*x.shape[:2], mine))
        for place, out in enumerate(outs):
            i, j = divmod(place, 2)
            y = _of(out, x[i::2, j::2])
            centres[i::2, j::2] = y[..., :mine] * (self.gain / UNIT)
            scales[i::2, j::2] = LOWEST + (y[..., mine:] + self.higher) * _STEP_OF_SCALE
        return centres, scales

    def first(self, index: int) -> Tensor:
        """Where the channels of a step begin, by place."""
        return self.steps[index][-1]


def refined(
    smooth: Smooth,
    synthesis: Synthesis,
    pixels: Tensor,
    start: tuple[Tensor, Tensor],
    mix: Tensor,
    weight: float,
    pace: Pace,
    tune: str = PSNR,
) -> tuple[Tensor, Tensor]:
    """Latents and hyper latents that cost less.

    Args:
        smooth: the predictor.
        synthesis: the decoder's network.
        pixels: (1, 3, H, W), -0.5 … 0.5, of the picture.
        start: latents (h, w, channels) and hyper latents, as the network guesses them, of exactly
            the places that the picture has.
        mix: the blend of anchors, (1, anchors).
        weight: lambda.
        pace: how long, how far.
        tune: what lambda is charged for (`error.py`).
    """
    y, z = (part.clone().requires_grad_(True) for part in start)
    optimizer = torch.optim.Adam([y, z], lr=pace.rate, betas=(0.9, 0.99))
    height, width = pixels.shape[2:]
    dice = torch.Generator().manual_seed(0)  # the same picture gives the same file
    for turn in range(pace.rounds):
        share = turn / pace.rounds
        temperature = pace.hot * (pace.cold / pace.hot) ** share
        for group in optimizer.param_groups:
            group["lr"] = pace.rate * (1 - 0.8 * share)
        total, known = _drawn(smooth, y, z, temperature, dice)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            back = synthesis(known.permute(2, 0, 1)[None], mix)[:, :, :height, :width]
        lost = error(tune, pixels, back.float(), 2)[0]
        cost = total / (height * width) + weight * lost
        optimizer.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return y.detach(), z.detach()


def _drawn(
    smooth: Smooth, y: Tensor, z: Tensor, temperature: float, dice: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Bits, and the latents drawn at a temperature."""
    rest = drawn(z - smooth.hyper_centre, temperature, dice)
    total = bits(rest, smooth.hyper_scale.expand_as(rest)).sum()
    features = smooth.features(rest + smooth.hyper_centre)[: y.shape[0], : y.shape[1]]
    known = torch.zeros_like(y)
    for index in range(STEPS):
        centres, scales = smooth.law(index, features, known)
        first = smooth.first(index)
        mine = centres.shape[2]
        found = torch.zeros_like(y)
        for i in range(2):
            for j in range(2):
                at = int(first[i, j])
                wanted = y[i::2, j::2, at : at + mine]
                centre = centres[i::2, j::2]
                rest = drawn(wanted - centre, temperature, dice)
                total = total + bits(rest, scales[i::2, j::2]).sum()
                found[i::2, j::2, at : at + mine] = rest + centre
        known = known + found
    return total, known


def drawn(x: Tensor, temperature: float, dice: torch.Generator) -> Tensor:
    """Between the integers about `x`, nearer one of them, at random."""
    below = torch.floor(x).detach()
    part = (x - below).clamp(1e-4, 1 - 1e-4)
    odds = (torch.atanh(part) - torch.atanh(1 - part)) / temperature
    noise = torch.rand(x.shape, generator=dice).clamp(1e-6, 1 - 1e-6)
    return below + torch.sigmoid((odds + torch.logit(noise)) / temperature)


def _product(layer: Layer) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.from_numpy(layer.weight).float(),
        torch.from_numpy(layer.scale).float(),
        torch.from_numpy(layer.offset).float(),
    )


def _of(product: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
    weight, scale, offset = product
    return (x @ weight) * scale + offset


def _cut(x: Tensor) -> Tensor:
    return x.clamp(0, ACTIVATION)


def _unfolded(x: Tensor) -> Tensor:
    return functional.pixel_shuffle(x.permute(2, 0, 1)[None], 2)[0].permute(1, 2, 0)
