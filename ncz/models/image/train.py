"""Trains the image codec: `python -m ncz.models.image.train --data FOLDER --out FOLDER`.

One set of weights for all qualities: each picture of a batch has one of its own, drawn evenly,
and is charged rate + lambda * distortion with the lambda of that quality. Steps shrink slowly, and
in a last part to nothing (`--cool`); a run that was stopped or that
has cooled goes on from the weights before cooling (`--steps` with a larger number), so that no work
is lost. FOLDER/checkpoint.pt has everything a run needs to go on, FOLDER/log.txt what it saw.
`--tune ms-ssim` goes on from a checkpoint of a run without it, copied to a folder of its own.
Where there is none any more, `restore.py` makes one of weights that ship.
With `--compile` (which needs a C++ compiler) and memory that is kept in large pages
(`GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=16000000000`) a
step takes some 30 % less time on a CPU.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ncz.models.image.data import Crops
from ncz.models.image.error import PSNR, TUNES, error
from ncz.models.image.muon import Muon
from ncz.models.image.network import Network, Shape, weight_of
from ncz.models.image.start import begin

AVERAGE = 0.999
WARM, STEADY = 200, 400
"""Steps that grow, and steps until they shrink again."""
OTHERS = 0.15
"""Length of steps of what is no matrix, beside that of Muon's."""


def loss_of(
    network: Network, x: Tensor, quality: Tensor, tune: str = PSNR
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss, and bits per pixel and error (of 0 … 255, squared) of each picture."""
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        back, total = network(x, quality)
    rate = total / (x.shape[2] * x.shape[3])
    lost = error(tune, x, back.float(), 2)
    weight = weight_of(quality / (network.shape.anchors - 1))
    # Divided by what the rate grows with, so that no quality outweighs the others.
    each = (rate + weight * lost) / weight.sqrt()
    return each.mean() * 0.1, rate, lost


def optimizers(network: Network, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, Adam for gains, biases and what is depthwise."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for weight in network.parameters():
        hidden = weight.ndim == 4 and weight.shape[1] > 1
        (matrices if hidden else others).append(weight)
    return [Muon(matrices, lr=rate), torch.optim.Adam(others, lr=rate, betas=(0.9, 0.98))]


def length(step: int, steps: int, cool: int) -> float:
    """How long a step is beside the longest: short at first, then by an inverse square root, and
    shrinking to nothing in the last `cool` steps."""
    warm = min((step + 1) / WARM, 1.0)
    far = min(STEADY / (min(step, steps) + 1), 1.0) ** 0.5
    return warm * far * (1 - max(step - steps, 0) / max(cool, 1))


def lengths(parts: Sequence[torch.optim.Optimizer], rate: float) -> None:
    """Sets the length of a step."""
    for part in parts:
        for group in part.param_groups:
            group["lr"] = rate if isinstance(part, Muon) else rate * OTHERS


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="has a folder for each source")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=100_000, help="steps before cooling, in all")
    parser.add_argument("--cool", type=int, default=0, help="steps that shrink, after these")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.004)
    parser.add_argument("--tune", choices=TUNES, default=PSNR, help="what is charged")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="by torch.compile, for long runs")
    parser.add_argument("--save", type=float, default=120, help="seconds between checkpoints")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    train(args)


def train(args: argparse.Namespace) -> None:
    """Goes on from the checkpoint in ``args.out``, or begins."""
    torch.manual_seed(args.seed)
    network = Network(Shape())
    checkpoint = args.out / "checkpoint.pt"
    kept: dict[str, Any] = {"done": 0}
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True, map_location=args.device)
        network.load_state_dict(kept["network"])
    done = kept["done"]
    crops = Crops(args.data, args.side, args.seed * 1_000_003 + done)
    if not done:
        begin(network, crops)
    network.to(args.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = optimizers(network, args.rate)
    if "optimizers" in kept:  # not at the beginning, nor after `restore.py`
        for part, state in zip(parts, kept["optimizers"], strict=True):
            part.load_state_dict(state)
    average = kept.get("average") or {
        name: value.clone() for name, value in network.state_dict().items()
    }
    charge = torch.compile(loss_of) if args.compile else loss_of
    noise = torch.Generator().manual_seed(args.seed * 1_000_033 + done)
    log = (args.out / "log.txt").open("a")
    began = saved = time.monotonic()
    sums: dict[int, list[Tensor]] = {}
    losses: list[float] = []
    for step in range(done, args.steps + args.cool):
        lengths(parts, args.rate * length(step, args.steps, args.cool))
        x = torch.from_numpy(crops.draw(args.batch)).to(args.device)
        x = x.permute(0, 3, 1, 2).float() / 255 - 0.5
        quality = torch.rand(args.batch, generator=noise).to(args.device)
        quality = quality * (network.shape.anchors - 1)
        loss, rate, lost = charge(network, x, quality, args.tune)
        for part in parts:
            part.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for part in parts:
            part.step()
        with torch.no_grad():
            keep = min(AVERAGE, (step + 1) / (step + 20))
            for name, value in network.state_dict().items():
                average[name].lerp_(value, 1 - keep) if value.is_floating_point() else None
        losses.append(float(loss.detach()))
        for one in range(args.batch):
            told = torch.stack((rate[one], lost[one])).detach()
            sums.setdefault(round(float(quality[one])), []).append(told)
        if (step + 1) % 100 == 0:
            line = report(step + 1, sum(losses) / len(losses), sums, time.monotonic() - began)
            print(line, flush=True)
            print(line, file=log, flush=True)
            sums, losses = {}, []
        if time.monotonic() - saved > args.save or step + 1 == args.steps + args.cool:
            saved = time.monotonic()
            keep_all(args, checkpoint, step + 1, network, average, parts)


def keep_all(
    args: argparse.Namespace,
    checkpoint: Path,
    done: int,
    network: Network,
    average: dict[str, Tensor],
    parts: list[torch.optim.Optimizer],
) -> None:
    """Writes the checkpoint; while cooling, only the weights, as they are: steps shrink, and an
    average would be of what was before."""
    if done > args.steps:
        weights = {"weights": network.state_dict(), "shape": asdict(network.shape)}
        torch.save(weights, args.out / "cooled.pt")
        return
    everything = {
        "network": network.state_dict(),
        "average": average,
        "shape": asdict(network.shape),
        "done": done,
        "optimizers": [part.state_dict() for part in parts],
    }
    torch.save(everything, checkpoint.with_suffix(".new"))
    checkpoint.with_suffix(".new").replace(checkpoint)


def report(step: int, loss: float, sums: dict[int, list[Tensor]], seconds: float) -> str:
    """One line: at each quality, bits per pixel and the error in decibels."""
    parts = []
    for quality in sorted(sums):
        rate, lost = torch.stack(sums[quality]).mean(0).tolist()
        parts.append(f"{quality}: {rate:.3f} {10 * math.log10(255**2 / lost):.2f}")
    return f"{step} [{seconds:.0f} s] {loss:.4f} | " + ", ".join(parts)


if __name__ == "__main__":
    main()
