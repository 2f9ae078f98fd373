"""Latents and a decoder of one picture, as torch sees them: what fitted.py fits.

    pyramid of latents ──► doubled in size, level by level ──► mix of each pixel ──► 3 x 3 filters
      └─► each is charged by a law of its 16 nearest decoded neighbours

The work is done in fused.py; here are the shapes, the weights, where they start, and which function
has which gradient.
"""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ncz.models.image import fused

PLANES = (1, 1, 3, 1, 1, 1, 1)
"""Planes of latents by level: in full, of half the size, and so on. The first of a level starts as
brightness. Cool-Chic has one of each; two more of a quarter of the size, which start as colours,
took 11 % off what 300 rounds reached on a part of kodim15."""
COLOURS = torch.tensor([[1, 1, -0.5], [1, 0, 1], [1, -1, -0.5]])
"""Red, green and blue of brightness and two colours."""
HIDDEN, WIDE = 16, 48
"""Hidden values of the law and of the mix."""

_Charge = tuple[Any, ...]  # bits, then gradients


class Pyramid(nn.Module):
    """Latents and a decoder.

    Args:
        pixels: (3, H, W), -0.5 … 0.5; latents start as what these are made of.
        weight: lambda, which says how coarse that is.
    """

    def __init__(self, pixels: Tensor, weight: float) -> None:
        super().__init__()
        height, width = pixels.shape[1:]
        self.levels = [(-(-height // 2**k), -(-width // 2**k)) for k in range(len(PLANES))]
        self.sizes = [
            size for size, count in zip(self.levels, PLANES, strict=True) for _ in range(count)
        ]
        straight = torch.cat([COLOURS[:, :count] for count in PLANES], 1)
        contexts = len(fused.CONTEXT)
        self.law = nn.ParameterList(
            [
                torch.zeros(HIDDEN, contexts),
                torch.zeros(HIDDEN),
                torch.zeros(HIDDEN, HIDDEN),
                torch.zeros(HIDDEN),
                torch.randn(2, HIDDEN) / 16,
                torch.tensor([0.0, -1.0]),
                torch.zeros(2, contexts),
            ]
        )
        self.mix = nn.ParameterList(
            [
                (torch.rand(WIDE, len(self.sizes)) * 2 - 1) / len(self.sizes) ** 0.5,
                (torch.rand(WIDE) - 0.5) / 4,
                torch.zeros(3, WIDE),
                torch.zeros(3),
                straight,
            ]
        )
        self.filters = nn.ParameterList([torch.zeros(3, 3, 3, 3) for _ in range(2)])
        bicubic = torch.tensor([-0.0352, 0.2617, 0.8789, -0.1055])
        self.kernels = nn.ParameterList([bicubic.clone() for _ in range(len(PLANES) - 1)])
        self.latents = nn.Parameter(torch.zeros(sum(h * w for h, w in self.sizes)))
        # Where bits and error of a uniform quantizer balance: lambda * step^2 / 6 = 1 / ln 2.
        self.step = (6 / math.log(2) / weight) ** 0.5 / 255
        self._beside = ThreadPoolExecutor(1)  # what latents cost is asked while pixels are made
        self._begin(pixels)

    def _begin(self, pixels: Tensor) -> None:
        """Latents hold what these pixels are made of, each level what coarser ones lack."""
        levels = [torch.einsum("oc,chw->ohw", torch.linalg.inv(COLOURS), pixels)]
        for _ in PLANES[1:]:
            levels.append(functional.avg_pool2d(levels[-1][None], 2, ceil_mode=True)[0])
        parts: list[Tensor] = []
        with torch.no_grad():
            now = torch.zeros_like(levels[-1])
            for k in reversed(range(len(PLANES))):
                if k + 1 < len(PLANES):
                    now = self._doubled(now, k)
                size = self.step / 2**k
                mine = (levels[k] - now)[: PLANES[k]] / size
                parts.append(mine.reshape(-1))
                now = torch.cat([now[: PLANES[k]] + mine.round() * size, now[PLANES[k] :]])
            self.latents.copy_(torch.cat(parts[::-1]))

    def _doubled(self, x: Tensor, k: int) -> Tensor:
        padded = functional.pad(x[None], (2, 2, 2, 2), mode="replicate")[0]
        height, width = self.levels[k]
        return _applied(_Doubled, padded, self.kernels[k])[:, :height, :width]

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Bits of latents, and pixels made of them."""
        first, bias, second, *others = self.law
        one = torch.eye(HIDDEN)
        law = [first + one, bias, second + one, *others]
        charge = self._beside.submit(_charged, latents.detach(), self.sizes, law)
        parts = torch.split(latents, [h * w for h, w in self.sizes])
        planes = [part.view(1, *size) for part, size in zip(parts, self.sizes, strict=True)]
        x = latents.new_empty(0)
        for k in reversed(range(len(PLANES))):
            mine = [planes.pop() * (self.step / 2**k) for _ in range(PLANES[k])][::-1]
            x = torch.cat([*mine, self._doubled(x, k)] if len(x) else mine)
        x = _applied(_Mix, x.view(len(self.sizes), -1), *self.mix).view(3, *self.sizes[0])
        first, second = self.filters
        x = functional.relu(x + 0.5 + _applied(_Filtered, x, first)) - 0.5
        x = x + _applied(_Filtered, x, second)
        return _applied(_Law, charge, latents, *law), x

    def groups(self) -> list[list[Tensor]]:
        """Weights that share a step and a law of their own."""
        both = [list(self.law), list(self.mix)]
        matrices = [[w for w in part if w.ndim > 1] for part in both]
        biases = [[w for w in part if w.ndim == 1] for part in both]
        return [*matrices, *biases, list(self.filters), list(self.kernels)]

    def macs(self) -> float:
        """Multiplications a pixel that decoding takes."""
        places = self.latents.numel() / (self.sizes[0][0] * self.sizes[0][1])
        law = sum(w.numel() for w in self.law if w.ndim > 1) * places
        mix = sum(w.numel() for w in self.mix if w.ndim > 1)
        filters = sum(w.numel() for w in self.filters)
        doubling = sum(sum(PLANES[k + 1 :]) * 6 / 4**k for k in range(len(PLANES)))
        return law + mix + filters + doubling


def softly(y: Tensor, noise: Tensor, size: float, temperature: float) -> Tensor:
    """Latents rounded softly, with noise in between.

    Args:
        y: any shape, in steps of rounding.
        noise: as many standard normal values, and `size`, their deviation from now on.
        temperature: from 0, for rounding, to beyond 1, for leaving as it is.
    """
    return _applied(_Softly, y, noise, size, temperature)


def _applied(function: Any, *arguments: Any) -> Tensor:
    made: Tensor = function.apply(*arguments)
    return made


def _array(x: Tensor) -> npt.NDArray[np.float32]:
    return x.detach().contiguous().numpy()


class _Law(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, charge: Future[_Charge], latents: Tensor, *weights: Tensor) -> Tensor:
        bits, *found = charge.result()
        ctx.save_for_backward(*found)
        return latents.new_tensor(bits)

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> Any:
        return None, *(saved * up[0] for saved in ctx.saved_tensors)


def _charged(latents: Tensor, sizes: list[tuple[int, int]], weights: list[Tensor]) -> _Charge:
    """Bits of latents, and the gradients of that: of latents, then of weights."""
    arrays = tuple(_array(w) for w in weights)
    found = tuple(np.zeros_like(a) for a in arrays)
    back, nats, at = np.empty(latents.shape, np.float32), 0.0, 0
    reach = fused.REACH
    flat = _array(latents)
    for height, width in sizes:
        part = slice(at, at + height * width)
        plane = np.zeros((reach + height, reach + width + reach), np.float32)
        plane[reach:, reach : reach + width] = flat[part].reshape(height, width)
        g = np.zeros_like(plane)
        offsets = fused.CONTEXT @ np.array([plane.shape[1], 1])
        nats += fused.law(plane, offsets, arrays, g, found)
        back[part] = g[reach:, reach : reach + width].reshape(-1)
        at += height * width
    return nats / math.log(2), *(
        torch.from_numpy(f / np.float32(math.log(2))) for f in (back, *found)
    )


class _Mix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, *weights)
        out = np.empty((weights[3].shape[0], x.shape[1]), np.float32)
        fused.mix(_array(x), tuple(_array(w) for w in weights), out)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> Any:
        x, *weights = (_array(saved) for saved in ctx.saved_tensors)
        gx, found = np.empty_like(x), tuple(np.zeros_like(w) for w in weights)
        fused.mix_back(x, tuple(weights), _array(up[0]), gx, found)
        return torch.from_numpy(gx), *(torch.from_numpy(f) for f in found)


class _Filtered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        padded = functional.pad(x, (1, 1, 1, 1))
        ctx.save_for_backward(padded, weight)
        out = np.zeros(x.shape, np.float32)
        fused.filtered(_array(padded), _array(weight), out)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> Any:
        padded, weight = ctx.saved_tensors
        found, gx = np.zeros(weight.shape, np.float32), np.zeros(up[0].shape, np.float32)
        fused.filtered_back(_array(padded), _array(up[0]), found)
        turned = weight.flip(2, 3).transpose(0, 1)
        fused.filtered(_array(functional.pad(up[0], (1, 1, 1, 1))), _array(turned), gx)
        return torch.from_numpy(gx), torch.from_numpy(found)


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, padded: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(padded, kernel)
        channels, height, width = padded.shape
        out = np.empty((channels, 2 * height - 8, 2 * width - 8), np.float32)
        fused.doubled(_array(padded), _array(kernel), out)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> Any:
        padded, kernel = (_array(saved) for saved in ctx.saved_tensors)
        gx, found = np.zeros_like(padded), np.zeros_like(kernel)
        fused.doubled_back(padded, kernel, _array(up[0]), gx, found)
        return torch.from_numpy(gx), torch.from_numpy(found)


class _Softly(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, noise: Tensor, size: float, temperature: float) -> Tensor:
        out, slope = np.empty(y.shape, np.float32), np.empty(y.shape, np.float32)
        small = np.float32(size), np.float32(temperature)
        fused.softly(_array(y), _array(noise), *small, out, slope)
        ctx.save_for_backward(torch.from_numpy(slope))
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> Any:
        return up[0] * ctx.saved_tensors[0], None, None, None
