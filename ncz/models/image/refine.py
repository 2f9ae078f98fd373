"""More effort for one picture: its latents, moved by gradients to where the picture costs least.

The network's first guess is the latents of an average picture like this one. Here what the picture
costs, bits + lambda * error, is made smaller for this one alone, in two parts. First, latents and
hyper latents go down the slope while they are rounded as a file has them: most is won where hyper
latents say better how likely the latents are. Then the latents alone, by stochastic Gumbel
annealing (Yang, Bamler, Mandt, "Improving inference for neural image compression", 2020): each
lies between two integers and draws one of them, less and less at random. The decoder is the same.

What is asked here are floats of the same integers that decide probabilities; what is written is
rounded and coded by the integers themselves, so nothing depends on the digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ncz.models.image.error import PSNR, error
from ncz.models.image.exact import (
    ACTIVATION,
    LOWEST,
    STEP_OF_SCALE,
    STEPS,
    UNIT,
    Integers,
    Layer,
    between,
)
from ncz.models.image.network import Synthesis, bits, settled
from ncz.models.image.tables import WORTH

FIRM = 0.25
"""How far beyond its integer a latent is handed on, so that it is rounded to that by integers, too:
their centres are a little off these."""


@dataclass(frozen=True)
class Pace:
    """How a picture is refined.

    Args:
        straight: steps of gradients while latents are rounded.
        annealed: steps while they are drawn.
        latents, hyper: how far these go in a step of the first kind, where one would be all the way
            down if an error of a step were worth `WORTH` bits, and nothing else changed.
        rate: how far a latent goes at first in one of the second kind, in steps of rounding.
        hot, cold: temperature of the draws at the start and at the end.
    """

    straight: int
    annealed: int
    latents: float = 0.01
    hyper: float = 0.1
    rate: float = 0.03
    hot: float = 0.5
    cold: float = 0.15


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
        self.hyper_scale = LOWEST + torch.from_numpy(index).float() * STEP_OF_SCALE
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
            scales[i::2, j::2] = LOWEST + (y[..., mine:] + self.higher) * STEP_OF_SCALE
        return centres, scales

    def first(self, index: int) -> Tensor:
        """Where the channels of a step begin, by place."""
        return self.steps[index][-1]


@dataclass(frozen=True)
class Picture:
    """What a picture's latents are held against.

    Args:
        smooth: the predictor.
        synthesis: the decoder's network.
        pixels: (1, 3, H, W), -0.5 … 0.5.
        mix: the blend of anchors, (1, anchors).
        weight: lambda.
        tune: what lambda is charged for (`error.py`).
    """

    smooth: Smooth
    synthesis: Synthesis
    pixels: Tensor
    mix: Tensor
    weight: float
    tune: str = PSNR

    def cost(self, total: Tensor, known: Tensor) -> Tensor:
        """Bits and error together, in bits, of latents (h, w, channels) that cost `total` bits."""
        height, width = self.pixels.shape[2:]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            back = self.synthesis(known.permute(2, 0, 1)[None], self.mix)[:, :, :height, :width]
        lost = error(self.tune, self.pixels, back.float(), 2)[0]
        return total + self.weight * lost * (height * width)


def refined(picture: Picture, start: tuple[Tensor, Tensor], pace: Pace) -> tuple[Tensor, Tensor]:
    """Latents and hyper latents that cost less, or those given.

    Args:
        picture: theirs.
        start: latents (h, w, channels) and hyper latents, as the network guesses them, of exactly
            the places that the picture has.
        pace: how long, how far.
    """
    best, y, z = _descended(picture, start, pace)
    if pace.annealed:
        drawn = _annealed(picture, y, z, pace)
        total, known, centres = _passed(picture.smooth, drawn, z, _nearest)
        if float(picture.cost(total, known)) < best:
            y = _firm(known, centres)
    return y, z


def _descended(
    picture: Picture, start: tuple[Tensor, Tensor], pace: Pace
) -> tuple[float, Tensor, Tensor]:
    """The least cost on the way down from the start, and where it was."""
    y, z = (part.clone().requires_grad_(True) for part in start)
    whole = 1 / (2 * WORTH)
    rates = (pace.latents * whole, pace.hyper * whole)
    groups = [{"params": [part], "lr": rate} for part, rate in zip((y, z), rates, strict=True)]
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=0.8, dampening=0.2)
    best = (math.inf, *start)
    for turn in range(pace.straight + 1):
        total, known, _ = _passed(picture.smooth, y, z, _settled)
        cost = picture.cost(total, known)
        if (found := cost.item()) < best[0]:
            best = (found, y.detach().clone(), z.detach().clone())
        if turn == pace.straight:
            break
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - 0.8 * turn / pace.straight)
        optimizer.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return best


def _annealed(picture: Picture, y: Tensor, z: Tensor, pace: Pace) -> Tensor:
    """Latents after draws that end as good as certain, for these hyper latents."""
    y = y.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([y], lr=pace.rate, betas=(0.9, 0.99))
    dice = torch.Generator().manual_seed(0)  # the same picture gives the same file
    temperature = pace.hot

    def draw(rest: Tensor, scale: Tensor) -> _Rounded:
        value = drawn(rest, temperature, dice)
        return value, bits(value, scale)

    for turn in range(pace.annealed):
        share = turn / pace.annealed
        temperature = pace.hot * (pace.cold / pace.hot) ** share
        for group in optimizer.param_groups:
            group["lr"] = pace.rate * (1 - 0.8 * share)
        total, known, _ = _passed(picture.smooth, y, z, draw)
        cost = picture.cost(total, known)
        optimizer.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return y.detach()


_Rounded = tuple[Tensor, Tensor]
"""Integers, or what is drawn between them, and their bits."""


def _passed(
    smooth: Smooth, y: Tensor, z: Tensor, rounding: Callable[[Tensor, Tensor], _Rounded]
) -> tuple[Tensor, Tensor, Tensor]:
    """Bits; latents, rounded step by step; and what they were rounded about."""
    centre, scale = smooth.hyper_centre, smooth.hyper_scale
    whole, total = _straight(z - centre, scale.expand_as(z), torch.round)
    total = total.sum()
    features = smooth.features(whole + centre)[: y.shape[0], : y.shape[1]]
    known, about = torch.zeros_like(y), torch.zeros_like(y)
    for index in range(STEPS):
        centres, scales = smooth.law(index, features, known)
        first = smooth.first(index)
        mine = centres.shape[2]
        found = torch.zeros_like(y)
        for i in range(2):
            for j in range(2):
                at = int(first[i, j])
                centre = centres[i::2, j::2]
                rest = y[i::2, j::2, at : at + mine] - centre
                whole, spent = rounding(rest, scales[i::2, j::2])
                total = total + spent.sum()
                found[i::2, j::2, at : at + mine] = whole + centre
                about[i::2, j::2, at : at + mine] = centre.detach()
        known = known + found
    return total, known, about


def _firm(known: Tensor, centres: Tensor) -> Tensor:
    """Latents that integers round to those known."""
    return known + FIRM * torch.sign(torch.round(known - centres))


def _straight(rest: Tensor, scale: Tensor, rounding: Callable[[Tensor], Tensor]) -> _Rounded:
    """Integers and their bits; gradients as if nothing were rounded, but for those of the bits,
    which are as they would be on average with noise in the place of rounding."""
    with torch.no_grad():
        whole = rounding(rest)
        slope = bits(rest + 0.5, scale) - bits(rest - 0.5, scale)
    passed = rest - rest.detach()
    return whole + passed, bits(whole, scale) + slope * passed


def _settled(rest: Tensor, scale: Tensor) -> _Rounded:
    return _straight(rest, scale, lambda rest: settled(rest, scale))


@torch.no_grad()
def _nearest(rest: Tensor, scale: Tensor) -> _Rounded:
    whole = torch.round(rest)
    return whole, bits(whole, scale)


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
