"""A decoder of its own for one picture: `python -m ncz.models.image.fitted PICTURE... --out FILE`.

An experiment beside the codec, without a file format: latents and a decoder of 1,500 weights are
fitted to a single picture, in the manner of Cool-Chic (Ladune et al., arXiv 2212.05458, 2307.12706,
2403.11651). Nothing is trained beforehand, and decoding takes some 1,500 multiplications a pixel.

    pyramid of latents ──► doubled in size, level by level ──► mix of each pixel ──► 3 x 3 filters
      └─► each is charged by a law of its 16 nearest decoded neighbours (fused.py)

Bits are those of the law for rounded latents, and for weights, rounded to steps that cost least,
those of a Laplace law of each group; both are estimates, without a coder.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ncz.models.image import fused
from ncz.models.image.quality import psnr

PLANES = (1, 1, 3, 1, 3, 1, 1)
LOG = 0
COLOURS = torch.tensor([[1, 1, -0.5], [1, 0, 1], [1, -1, -0.5]])
HIDDEN, WIDE = 16, 48
"""Hidden values of the law and of the mix."""
HARD = 0.1
"""The share of rounds, the last ones, in which latents are really rounded."""
SOFTNESS, NOISE = (0.35, 0.08), (0.22, 0.15)
"""Temperature of soft rounding and size of noise, at the start and at the end, as in Cool-Chic."""
WARM = 50
"""Rounds in which steps grow to their full length."""
DELICATE = 0.1
"""Of the length of steps: for filters and kernels, which all pixels pass."""
STEPS = [2.0**-power for power in range(2, 13)]
"""Of weights."""


@dataclass(frozen=True)
class Plan:
    """How a picture is fitted.

    Args:
        rounds: steps of gradients.
        weight: lambda: bits per pixel + lambda * mean square error of 0 … 255 is made small.
        rate: how far weights go in a round at first.
        stride: how far latents go, in steps of rounding.
        seed: of weights at the start, and of noise.
    """

    rounds: int
    weight: float
    rate: float = 0.01
    stride: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """What came of it; `bpp` is the sum of `latents` and `weights`, all in bits per pixel."""

    picture: str
    rounds: int
    weight: float
    bpp: float
    latents: float
    weights: float
    psnr: float
    cost: float
    seconds: float
    processor_seconds: float
    macs: float


class _Law(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, latents: Tensor, sizes: list[tuple[int, int]], *weights: Tensor
    ) -> Tensor:
        arrays = tuple(_array(w) for w in weights)
        found = tuple(np.zeros_like(a) for a in arrays)
        back, nats, at = torch.empty_like(latents), 0.0, 0
        reach = fused.REACH
        for height, width in sizes:
            flat = latents[at : at + height * width].view(height, width)
            plane = _array(functional.pad(flat, (reach, reach, reach, 0)))
            g = np.zeros_like(plane)
            offsets = fused.CONTEXT @ np.array([plane.shape[1], 1])
            nats += fused.law(plane, offsets, arrays, g, found)
            inner = np.ascontiguousarray(g[reach:, reach : reach + width])
            back[at : at + height * width] = torch.from_numpy(inner).view(-1)
            at += height * width
        ctx.save_for_backward(back, *(torch.from_numpy(f) for f in found))
        return latents.new_tensor(nats / math.log(2))

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> Any:
        back, *found = (saved * (up[0] / math.log(2)) for saved in ctx.saved_tensors)
        return back, None, *found


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


def _array(x: Tensor) -> npt.NDArray[np.float32]:
    return x.detach().contiguous().numpy()


class Fitted(nn.Module):
    """Latents and a decoder.

    Args:
        pixels: (3, H, W), -0.5 … 0.5; the start knows their brightness.
        weight: lambda, which says how coarse that is.
    """

    def __init__(self, pixels: Tensor, weight: float) -> None:
        super().__init__()
        height, width = pixels.shape[1:]
        self.levels = [(-(-height // 2**k), -(-width // 2**k)) for k in range(len(PLANES))]
        self.sizes = [size for size, count in zip(self.levels, PLANES) for _ in range(count)]
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
        self._begin(pixels)

    def _begin(self, pixels: Tensor) -> None:
        """Latents hold the brightness, each level what those below lack."""
        levels = [torch.einsum("oc,chw->ohw", torch.linalg.inv(COLOURS), pixels)]
        for _ in PLANES[1:]:
            levels.append(functional.avg_pool2d(levels[-1][None], 2, ceil_mode=True)[0])
        parts: list[Tensor] = []
        with torch.no_grad():
            now = torch.zeros_like(levels[-1])
            for k in reversed(range(len(PLANES))):
                if now.shape != levels[k].shape:
                    now = self._doubled(now, k)
                size = self.step / 2**k
                mine = (levels[k] - now)[: PLANES[k]] / size
                parts.append(mine.reshape(-1))
                now = now.clone()
                now[: PLANES[k]] += mine.round() * size
            self.latents.copy_(torch.cat(parts[::-1]))

    def _doubled(self, x: Tensor, k: int) -> Tensor:
        padded = functional.pad(x[None], (2, 2, 2, 2), mode="replicate")[0]
        height, width = self.levels[k]
        doubled: Tensor = _Doubled.apply(padded, self.kernels[k])  # type: ignore[no-untyped-call]
        return doubled[:, :height, :width]

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Bits of latents, and pixels made of them."""
        first, bias, second, *others = self.law
        one = torch.eye(HIDDEN)
        law = (first + one, bias, second + one, *others)
        bits: Tensor = _Law.apply(latents, self.sizes, *law)  # type: ignore[no-untyped-call]
        parts = latents.split([h * w for h, w in self.sizes])
        planes = [part.view(1, *size) for part, size in zip(parts, self.sizes, strict=True)]
        x = planes[0][:0]
        for k in reversed(range(len(PLANES))):
            mine = [planes.pop() for _ in range(PLANES[k])][::-1]
            mine = [plane * (self.step / 2**k) for plane in mine]
            x = torch.cat([*mine, self._doubled(x, k)] if len(x) else mine)
        x = _Mix.apply(x.view(len(self.sizes), -1), *self.mix)  # type: ignore[no-untyped-call]
        x = x.view(3, *self.sizes[0])
        x = functional.relu(x + 0.5 + _Filtered.apply(x, self.filters[0])) - 0.5  # type: ignore[no-untyped-call]
        return bits, x + _Filtered.apply(x, self.filters[1])  # type: ignore[no-untyped-call]

    def groups(self) -> list[list[nn.Parameter]]:
        """Weights that share a step and a law of their own."""
        matrices = [w for part in (self.law, self.mix) for w in part if w.ndim > 1]
        biases = [w for part in (self.law, self.mix) for w in part if w.ndim == 1]
        law = {id(w) for w in self.law}
        both = [
            [w for w in some if (id(w) in law) == own]
            for some in (matrices, biases)
            for own in (True, False)
        ]
        return [*both, list(self.filters), list(self.kernels)]

    def macs(self) -> float:
        """Multiplications a pixel that decoding takes."""
        places = self.latents.numel() / (self.sizes[0][0] * self.sizes[0][1])
        law = sum(w.numel() for w in self.law if w.ndim > 1) * places
        mix = sum(w.numel() for w in self.mix if w.ndim > 1)
        filters = sum(w.numel() for w in self.filters)
        doubling = sum(sum(PLANES[k + 1 :]) * 6 / 4**k for k in range(len(PLANES)))
        return law + mix + filters + doubling


def fit(picture: npt.NDArray[np.uint8], plan: Plan, name: str = "") -> Row:
    """Fits a decoder to a picture, uint8 (H, W, 3), and says what the two cost."""
    torch.manual_seed(plan.seed)
    began, processor = time.monotonic(), time.process_time()
    pixels = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1).contiguous() - 0.5
    fitted = Fitted(pixels, plan.weight)
    delicate = [*fitted.filters, *fitted.kernels]
    robust = [*fitted.law, *fitted.mix]
    optimizer = torch.optim.Adam(
        [
            {"params": robust, "first": plan.rate},
            {"params": delicate, "first": plan.rate * DELICATE},
            {"params": [fitted.latents], "first": plan.stride},
        ],
        betas=(0.9, 0.99),
        fused=True,
    )
    places = pixels.shape[1] * pixels.shape[2]
    soft = round(plan.rounds * (1 - HARD))
    for turn in range(plan.rounds):
        share = min(turn / soft, 1.0)
        length = min((turn + 1) / WARM, max(0.5 + 0.5 * math.cos(math.pi * share), 0.02))
        for group in optimizer.param_groups:
            group["lr"] = group["first"] * length
        y = fitted.latents
        if turn < soft:
            temperature, size = (a + (b - a) * share for a, b in (SOFTNESS, NOISE))
            y = _Softly.apply(y, torch.randn(y.shape), size, temperature)  # type: ignore[no-untyped-call]
        else:
            y = y + (y.round() - y).detach()
        bits, back = fitted(y)
        cost = bits / places + plan.weight * 255**2 * (back - pixels).square().mean()
        optimizer.zero_grad()
        cost.backward()
        nn.utils.clip_grad_norm_([*robust, *delicate], 0.1)
        optimizer.step()
        if LOG and (turn % LOG == 0 or turn == plan.rounds - 1):
            print(
                turn,
                f"{float(bits.detach()) / places:.4f} {float((back.detach() - pixels).square().mean()) * 255**2:.2f} {float(cost.detach()):.4f}",
                flush=True,
            )
    with torch.no_grad():
        return _measured(fitted, picture, plan, name, began, processor)


def _measured(
    fitted: Fitted,
    picture: npt.NDArray[np.uint8],
    plan: Plan,
    name: str,
    began: float,
    processor: float,
) -> Row:
    """Rounds weights, each group to the step that costs least, and measures."""
    y = fitted.latents.round()
    places = picture.shape[0] * picture.shape[1]
    extra = {}

    def seen() -> tuple[float, npt.NDArray[np.uint8]]:
        bits, back = fitted(y)
        shown = ((back + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 0)
        return float(bits.detach()), shown.numpy().astype(np.uint8)

    def error(shown: npt.NDArray[np.uint8]) -> float:
        return float(np.square(shown.astype(np.float32) - picture).mean())

    for index, group in enumerate(fitted.groups()):
        kept = [w.clone() for w in group]
        found = []
        for step in STEPS:
            whole = [(w / step).round() for w in kept]
            for w, value in zip(group, whole, strict=True):
                w.copy_(value * step)
            bits, shown = seen()
            mine = weight_bits(torch.cat([v.reshape(-1) for v in whole]))
            found.append(((bits + mine) / places + plan.weight * error(shown), step, mine))
        _, step, extra[index] = min(found)
        for w, value in zip(group, kept, strict=True):
            w.copy_((value / step).round() * step)
    bits, shown = seen()
    latents, weights = bits / places, sum(extra.values()) / places
    cost = latents + weights + plan.weight * error(shown)
    return Row(
        name,
        plan.rounds,
        plan.weight,
        latents + weights,
        latents,
        weights,
        psnr(shown, picture),
        cost,
        time.monotonic() - began,
        time.process_time() - processor,
        fitted.macs(),
    )


def weight_bits(whole: Tensor) -> float:
    """Bits of integers by a Laplace law of the scale that suits them, and 16 for scale and step."""
    scale = max(float(whole.abs().mean()), 0.02)
    inverse = 1 / scale
    far = whole.abs()
    none = 1 - math.exp(-inverse / 2)
    others = (
        torch.log(torch.tensor(math.sinh(inverse / 2) if inverse < 100 else 1e21)) - far * inverse
    )
    nats = torch.where(far == 0, torch.tensor(math.log(none)), others)
    return 16 - float(nats.sum()) / math.log(2)


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    from PIL import Image

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE")
    parser.add_argument("--weight", type=float, default=0.004, help="lambda")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="rows are added to this file")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    for path in args.pictures:
        with Image.open(path) as opened:
            picture = np.asarray(opened.convert("RGB"))
        row = fit(picture, Plan(args.rounds, args.weight), path.name)
        rows = json.loads(args.out.read_text()) if args.out.exists() else []
        args.out.write_text(json.dumps([*rows, asdict(row)], indent=1) + "\n")
        print(json.dumps(asdict(row)), flush=True)


if __name__ == "__main__":
    main()
