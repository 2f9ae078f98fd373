"""The transforms of the learned image codec, and what predicts their latents, in floats.

This is what is trained, and what makes latents of pixels and pixels of latents. What decides a
probability is `Predictor`, of which `exact.py` makes integers; here its floats serve training.

The design is that of the field, made for a CPU: pixels are folded 4 x 4 at once, so that nothing
runs at full size; bottleneck blocks (ELIC, 2203.10886) at a quarter, an eighth and a sixteenth;
a hyperprior (1802.01436); latents in four steps that fill a pattern of channels and places
(the quadtree partition of DCVC-DC, 2302.14402), each step seeing all before it; gain vectors for
all rates from one set of weights (2003.02012).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ncz.models.image.exact import HIGHEST, LOWEST, STEPS
from ncz.models.image.tables import FARTHEST, WORTH

SIGHT = 4.0
"""Latents are seen this many times as large as they are at a gain of one."""

LAMBDAS = (0.001, 0.5)
"""Of the coarsest and the finest quality; between them evenly on a scale of logarithms. As the
field writes it: bits per pixel + lambda * 255^2 * mean square error."""


@dataclass(frozen=True)
class Shape:
    """How wide and deep the network is.

    Args:
        widths: channels at 1/4, 1/8 and 1/16 of the size.
        analysis, synthesis: blocks at each of these.
        latents: channels of the latents, a multiple of four.
        hyper: channels of the latents' own latents.
        features: channels of what the hyperprior says.
        context: channels inside a step's network.
        anchors: qualities that have gains of their own; between them gains are interpolated.
    """

    widths: tuple[int, int, int] = (96, 192, 320)
    analysis: tuple[int, int, int] = (2, 3, 3)
    synthesis: tuple[int, int, int] = (3, 4, 3)
    latents: int = 320
    hyper: int = 96
    features: int = 192
    context: int = 256
    anchors: int = 8


def shape_of(tensors: Mapping[str, tuple[int, ...]]) -> Shape:
    """The shape of a network whose weights have these names and shapes."""

    def blocks(part: str) -> tuple[int, int, int]:
        stages = ("quarter", "eighth", "sixteenth")
        found = [
            sum(f"{part}.{stage}.{index}.widen.bias" in tensors for index in range(64))
            for stage in stages
        ]
        return found[0], found[1], found[2]

    anchors, latents = tensors["analysis.gains.table"]
    return Shape(
        widths=(
            tensors["analysis.fold.weight"][0],
            tensors["analysis.to_eighth.weight"][0],
            tensors["analysis.to_sixteenth.weight"][0],
        ),
        analysis=blocks("analysis"),
        synthesis=blocks("synthesis"),
        latents=latents,
        hyper=tensors["hyper_analysis.out.weight"][0],
        features=tensors["quality"][1],
        context=tensors["steps.0.mixed.offset"][0],
        anchors=anchors,
    )


class Block(nn.Module):
    """A residual bottleneck: 1 x 1, 3 x 3 and 1 x 1, at half the channels in between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(width, width // 2, 1)
        self.around = nn.Conv2d(width // 2, width // 2, 3, padding=1)
        self.widen = nn.Conv2d(width // 2, width, 1)
        nn.init.zeros_(self.widen.weight)
        for part in (self.narrow, self.around, self.widen):
            assert part.bias is not None
            nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Of what it is given, another of the same shape."""
        y = functional.relu(self.narrow(x))
        y = functional.relu(self.around(y))
        return x + self.widen(y)


class Gains(nn.Module):
    """A positive factor for each channel at each quality; at the start e to `sign` times what is
    usual there, or one."""

    def __init__(self, anchors: int, width: int, sign: int = 0) -> None:
        super().__init__()
        self.table = nn.Parameter((sign * usual(anchors))[:, None].repeat(1, width))

    def at(self, blend: Tensor) -> Tensor:
        """Factors of shape (N, width, 1, 1); `blend` is (N, anchors), rows that sum to one."""
        return torch.exp(blend @ self.table)[:, :, None, None]


def usual(anchors: int) -> Tensor:
    """The logarithm of the usual gain at each anchor.

    At fine qualities a step of rounding is as long as it is for a transform without a network:
    the error of rounding is where its slope against the bits is lambda.
    """
    share = torch.linspace(0, 1, anchors)
    return 0.5 * torch.log(weight_of(share) * 255**2 * math.log(2) / 18)


def blend(quality: Tensor, anchors: int) -> Tensor:
    """How much of each anchor a quality takes: (N,) in 0 … anchors - 1 to (N, anchors)."""
    places = torch.arange(anchors, device=quality.device, dtype=quality.dtype)
    return (1 - (quality[:, None] - places).abs()).clamp(min=0)


def weight_of(share: Tensor) -> Tensor:
    """The lambda of qualities from 0, the coarsest, to 1."""
    low, high = (math.log(end) for end in LAMBDAS)
    return torch.exp(low + (high - low) * share)


class Analysis(nn.Module):
    """(N, 3, H, W) in -0.5 … 0.5, H and W multiples of 16, to latents (N, latents, H/16, W/16)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = shape.widths
        self.fold = nn.Conv2d(48, a, 3, padding=1)
        self.quarter = nn.Sequential(*(Block(a) for _ in range(shape.analysis[0])))
        self.to_eighth = nn.Conv2d(a, b, 3, stride=2, padding=1)
        self.eighth = nn.Sequential(*(Block(b) for _ in range(shape.analysis[1])))
        self.to_sixteenth = nn.Conv2d(b, c, 3, stride=2, padding=1)
        self.sixteenth = nn.Sequential(*(Block(c) for _ in range(shape.analysis[2])))
        self.out = nn.Conv2d(c, shape.latents, 1)
        self.within = Gains(shape.anchors, b)
        self.gains = Gains(shape.anchors, shape.latents, 1)

    def forward(self, x: Tensor, mix: Tensor) -> Tensor:
        """Latents of pixels; `mix` is of :func:`blend`."""
        x = functional.pixel_unshuffle(x, 4).contiguous(memory_format=torch.channels_last)
        x = self.quarter(self.fold(x))
        x = self.eighth(self.to_eighth(x)) * self.within.at(mix)
        x = self.sixteenth(self.to_sixteenth(x))
        return self.out(x) * self.gains.at(mix)


class Synthesis(nn.Module):
    """Latents (N, latents, h, w) to pixels (N, 3, 16 h, 16 w), about -0.5 … 0.5."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = shape.widths
        self.into = nn.Conv2d(shape.latents, c, 1)
        self.sixteenth = nn.Sequential(*(Block(c) for _ in range(shape.synthesis[2])))
        self.to_eighth = nn.Conv2d(c, 4 * b, 1)
        self.eighth = nn.Sequential(*(Block(b) for _ in range(shape.synthesis[1])))
        self.to_quarter = nn.Conv2d(b, 4 * a, 1)
        self.quarter = nn.Sequential(*(Block(a) for _ in range(shape.synthesis[0])))
        self.unfold = nn.Conv2d(a, 48, 3, padding=1)
        self.within = Gains(shape.anchors, b)
        self.gains = Gains(shape.anchors, shape.latents, -1)

    def forward(self, y: Tensor, mix: Tensor) -> Tensor:
        """Pixels of latents; `mix` is of :func:`blend`."""
        y = self.sixteenth(self.into(y * self.gains.at(mix)))
        y = self.eighth(functional.pixel_shuffle(self.to_eighth(y), 2) * self.within.at(mix))
        y = self.quarter(functional.pixel_shuffle(self.to_quarter(y), 2))
        return functional.pixel_shuffle(self.unfold(y), 4)


class HyperAnalysis(nn.Module):
    """Latents to their own latents, four times smaller on a side."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.near = nn.Conv2d(shape.latents, 192, 1)
        self.halved = nn.Conv2d(192, 128, 3, stride=2, padding=1)
        self.quartered = nn.Conv2d(128, 128, 3, stride=2, padding=1)
        self.out = nn.Conv2d(128, shape.hyper, 1)

    def forward(self, y: Tensor) -> Tensor:
        """Hyper latents of latents."""
        y = functional.relu(self.near(y))
        y = functional.relu(self.halved(y))
        return self.out(functional.relu(self.quartered(y)))


class Step(nn.Module):
    """What one of the four steps says of the latents: their centres and log scales.

    Sees what the hyperprior says and the latents of the steps before (zero elsewhere), and speaks
    of latents as they would be at the usual gain.
    """

    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        seen = shape.features + (shape.latents if index else 0)
        self.near = nn.Conv2d(seen, shape.context, 1)
        self.around = nn.Conv2d(shape.context, shape.context, 5, padding=2, groups=shape.context)
        self.mixed = nn.Conv2d(shape.context, shape.context, 1)
        self.out = nn.Conv2d(shape.context, 2 * shape.latents, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Centres, then log scales, of all latents."""
        x = functional.relu(self.near(x))
        x = functional.relu(self.around(x))
        return self.out(functional.relu(self.mixed(x)))


class Predictor(nn.Module):
    """All that decides a probability: of hyper latents, and by them of latents.

    In the order of work: the centres and scales of the hyper latents, by quality; features of
    them at the size of the latents; four steps.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.hyper_centres = nn.Parameter(torch.zeros(shape.anchors, shape.hyper))
        self.hyper_scales = nn.Parameter(torch.zeros(shape.anchors, shape.hyper))
        coarse = torch.linspace(-1.2, 0, shape.anchors)
        self.hyper_gains = nn.Parameter(coarse[:, None].repeat(1, shape.hyper))
        self.up_half = nn.Conv2d(shape.hyper, 4 * 128, 1)
        self.halved = nn.Conv2d(128, 128, 3, padding=1)
        self.up_whole = nn.Conv2d(128, 4 * shape.features, 1)
        self.quality = nn.Parameter(torch.zeros(shape.anchors, shape.features))
        self.steps = nn.ModuleList(Step(shape, index) for index in range(STEPS))
        self.register_buffer("order", order(shape.latents), persistent=False)

    def features(self, z: Tensor, mix: Tensor) -> Tensor:
        """What the hyperprior says, (N, features, 4 h, 4 w), of hyper latents (N, hyper, h, w)."""
        x = functional.relu(functional.pixel_shuffle(self.up_half(z), 2))
        x = functional.relu(self.halved(x))
        x = functional.pixel_shuffle(self.up_whole(x), 2)
        return functional.relu(x + (mix @ self.quality)[:, :, None, None])

    def when(self, height: int, width: int) -> Tensor:
        """The step (1, latents, height, width) in which each latent is known."""
        tiles = (1, 1, (height + 1) // 2, (width + 1) // 2)
        assert isinstance(self.order, Tensor)
        return self.order.repeat(tiles)[:, :, :height, :width]


def order(latents: int) -> Tensor:
    """The step of each latent of a 2 x 2 square, (1, latents, 2, 2): quarters of the channels take
    turns, and in each the second place known is the one across."""
    place = torch.tensor([[0, 2], [3, 1]])
    quarter = torch.arange(latents) // (latents // 4)
    return ((place[None] + quarter[:, None, None]) % STEPS)[None]


class Network(nn.Module):
    """All of it, as trained."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape or Shape()
        self.analysis = Analysis(self.shape)
        self.synthesis = Synthesis(self.shape)
        self.hyper_analysis = HyperAnalysis(self.shape)
        self.predictor = Predictor(self.shape)
        self.register_buffer("usual", usual(self.shape.anchors), persistent=False)

    def forward(self, x: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels as they would come back, and bits, for training.

        Args:
            x: (N, 3, H, W) in -0.5 … 0.5, H and W multiples of 64.
            quality: (N,) in 0 … anchors - 1.

        Returns:
            Pixels like `x`; bits of each picture (N,).
        """
        mix = blend(quality, self.shape.anchors)
        y = self.analysis(x, mix).float()
        assert isinstance(self.usual, Tensor)
        gain = torch.exp(mix @ self.usual)[:, None, None, None]
        fine = torch.exp(mix @ self.predictor.hyper_gains)[:, :, None, None]
        z = self.hyper_analysis(y * (SIGHT / gain)).float() * fine
        centre = (mix @ self.predictor.hyper_centres)[:, :, None, None]
        scale = (mix @ self.predictor.hyper_scales)[:, :, None, None]
        rest = z - centre
        whole = rounded(rest)
        total = charged(rest, scale, whole).sum((1, 2, 3))
        features = self.predictor.features((whole + centre) / fine, mix)
        known = torch.zeros_like(y)
        rests, scales, wholes = (torch.zeros_like(y) for _ in range(3))
        when = self.predictor.when(y.shape[2], y.shape[3])
        for index, step in enumerate(self.predictor.steps):
            sight = (known * (SIGHT / gain)).to(features.dtype)
            seen = torch.cat((features, sight), 1) if index else features
            centre, scale = step(seen).float().chunk(2, 1)
            scale = scale + torch.log(gain)
            rest = y - centre * gain
            whole = settled(rest, scale)
            now = when == index
            known = torch.where(now, y + (whole - rest).detach(), known)
            rests, scales = torch.where(now, rest, rests), torch.where(now, scale, scales)
            wholes = torch.where(now, whole, wholes)
        total = total + charged(rests, scales, wholes).sum((1, 2, 3))
        return self.synthesis(known, mix), total


def rounded(x: Tensor) -> Tensor:
    """`x` to the nearest integers; gradients as if it were not."""
    return x + (torch.round(x) - x).detach()


def noisy(x: Tensor) -> Tensor:
    """`x` and noise as wide as a step of rounding."""
    return x + torch.rand_like(x) - 0.5


def settled(rest: Tensor, scale: Tensor) -> Tensor:
    """`rest` to integers, towards zero where bits are saved that are worth more than the error
    (:data:`WORTH`); gradients as if it were not."""
    with torch.no_grad():
        below = torch.floor(rest.abs())
        dearer = bits(below + 1, scale) - bits(below, scale)
        threshold = (0.5 + dearer / (2 * WORTH)).clamp(max=FARTHEST)
        whole = torch.sign(rest) * (below + (rest.abs() - below >= threshold))
    return rest + (whole - rest).detach()


def charged(rest: Tensor, scale: Tensor, whole: Tensor) -> Tensor:
    """What latents cost that are rounded to `whole`, with gradients that training can follow.

    What a scale should be is learned of the latents as they are rounded. Where a latent should go
    is learned with noise in the place of rounding, which has slopes but costs twice as much where
    latents are mostly zero.
    """
    pulled = bits(noisy(rest), scale.detach())
    return bits(whole.detach(), scale) + (pulled - pulled.detach())


def bits(rest: Tensor, scale: Tensor) -> Tensor:
    """What integers cost that are `rest` from the centre of a logistic law of log scale `scale`."""
    scale = scale + (scale.clamp(LOWEST, HIGHEST) - scale).detach()
    inverse = torch.exp(-scale)
    far = rest.abs()
    # The law's mass between a and b is s(b) s(-a) (1 - e^(a-b)), s the logistic function.
    upper = functional.logsigmoid((0.5 - far) * inverse)
    lower = functional.logsigmoid((0.5 + far) * inverse)
    return -(upper + lower + torch.log(-torch.expm1(-inverse))) / math.log(2)
