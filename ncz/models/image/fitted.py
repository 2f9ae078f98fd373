"""A decoder of its own for one picture: `python -m ncz.models.image.fitted PICTURE... --out FILE`.

An experiment beside the codec, without a file format: a pyramid of latents and a decoder of 1,400
weights (pyramid.py) are fitted to a single picture, in the manner of Cool-Chic (Ladune et al.,
arXiv 2212.05458, 2307.12706, 2403.11651). Nothing is trained beforehand.

Bits are those of the law for rounded latents, and for weights, rounded to steps that cost least,
those of a Laplace law of each group; both are estimates, without a coder.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ncz.models.image.pyramid import Pyramid, softly
from ncz.models.image.quality import psnr

HARD = 0.05
"""The share of rounds, the last ones, in which latents are really rounded."""
SOFTNESS, NOISE = (0.35, 0.08), (0.22, 0.15)
"""Temperature of soft rounding and size of noise, at the start and at the end, as in Cool-Chic."""
WARM = 20
"""Rounds in which steps grow to their full length."""
DELICATE = 0.1
"""Of the length of steps: for filters and kernels, which all pixels pass."""
LOOK, LOST = 20, 1.2
"""Every so many rounds, a cost so much above the least goes back to there, and halves steps."""
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
    rate: float = 0.015
    stride: float = 0.06
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


def fit(picture: npt.NDArray[np.uint8], plan: Plan, name: str = "") -> Row:
    """Fits a decoder to a picture, uint8 (H, W, 3), and says what the two cost."""
    torch.manual_seed(plan.seed)
    began, processor = time.monotonic(), time.process_time()
    pixels = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1).contiguous() - 0.5
    fitted = Pyramid(pixels, plan.weight)
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
    best, kept = math.inf, fitted.state_dict()
    for turn in range(plan.rounds):
        share = min(turn / soft, 1.0)
        length = min((turn + 1) / WARM, max(0.5 + 0.5 * math.cos(math.pi * share), 0.02))
        for group in optimizer.param_groups:
            group["lr"] = group["first"] * length
        y: Tensor = fitted.latents
        if turn < soft:
            temperature, size = (a + (b - a) * share for a, b in (SOFTNESS, NOISE))
            y = softly(y, torch.randn(y.shape), size, temperature)
        else:
            y = y + (y.round() - y).detach()
        bits, back = fitted(y)
        cost = bits / places + plan.weight * 255**2 * (back - pixels).square().mean()
        if turn % LOOK == 0:
            now = float(cost.detach())
            if now < best:
                best, kept = now, copy.deepcopy(fitted.state_dict())
            elif not now < best * LOST:
                fitted.load_state_dict(kept)
                optimizer.state.clear()
                for group in optimizer.param_groups:
                    group["first"] /= 2
                continue
        optimizer.zero_grad()
        cost.backward()
        nn.utils.clip_grad_norm_([*robust, *delicate], 0.1)
        optimizer.step()
    with torch.no_grad():
        return _measured(fitted, picture, plan, name, began, processor)


def _measured(
    fitted: Pyramid,
    picture: npt.NDArray[np.uint8],
    plan: Plan,
    name: str,
    began: float,
    processor: float,
) -> Row:
    """Rounds weights, each group to the step that costs least, and measures."""
    y = fitted.latents.round()
    places = picture.shape[0] * picture.shape[1]
    extra = []

    def seen() -> tuple[float, npt.NDArray[np.uint8]]:
        bits, back = fitted(y)
        shown = ((back + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 0)
        return float(bits.detach()), shown.numpy().astype(np.uint8)

    def error(shown: npt.NDArray[np.uint8]) -> float:
        return float(np.square(shown.astype(np.float32) - picture).mean())

    for group in fitted.groups():
        kept = [w.clone() for w in group]
        found = []
        for step in STEPS:
            whole = [(w / step).round() for w in kept]
            for w, value in zip(group, whole, strict=True):
                w.copy_(value * step)
            bits, shown = seen()
            mine = weight_bits(torch.cat([v.reshape(-1) for v in whole]))
            found.append(((bits + mine) / places + plan.weight * error(shown), step, mine))
        _, step, mine = min(found)
        extra.append(mine)
        for w, value in zip(group, kept, strict=True):
            w.copy_((value / step).round() * step)
    bits, shown = seen()
    latents, weights = bits / places, sum(extra) / places
    return Row(
        picture=name,
        rounds=plan.rounds,
        weight=plan.weight,
        bpp=latents + weights,
        latents=latents,
        weights=weights,
        psnr=psnr(shown, picture),
        cost=latents + weights + plan.weight * error(shown),
        seconds=time.monotonic() - began,
        processor_seconds=time.process_time() - processor,
        macs=fitted.macs(),
    )


def weight_bits(whole: Tensor) -> float:
    """Bits of integers by a Laplace law of the scale that suits them, and 16 for scale and step."""
    far = whole.abs().double()
    inverse = 1 / max(float(far.mean()), 0.02)
    # The law's mass at 0, and at others, is 1 - e^(-1/2s) and e^(-far/s) sinh(1/2s).
    none = math.log(-math.expm1(-inverse / 2))
    nats = torch.where(far == 0, none, math.log(math.sinh(inverse / 2)) - far * inverse)
    return 16 - float(nats.sum()) / math.log(2)


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    from PIL import Image

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE")
    parser.add_argument("--weight", type=float, default=0.004, help="lambda")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=Plan.rate, help="how far weights go")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="rows are added to this file")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    for path in args.pictures:
        with Image.open(path) as opened:
            picture = np.asarray(opened.convert("RGB"))
        row = fit(picture, Plan(args.rounds, args.weight, args.rate), path.name)
        rows = json.loads(args.out.read_text()) if args.out.exists() else []
        args.out.write_text(json.dumps([*rows, asdict(row)], indent=1) + "\n")
        print(json.dumps(asdict(row)), flush=True)


if __name__ == "__main__":
    main()
