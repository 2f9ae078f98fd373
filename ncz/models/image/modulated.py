"""What a decoder bent to one picture brings: `python -m ncz.models.image.modulated PICTURE...`.

An experiment beside the codec, without a file format: factors and offsets of the decoder's channels
at an eighth and a quarter of the size are fitted to a picture, rounded, and charged for
(Lam et al., "Efficient Adaptation of Neural Network Filter for Video Compression", 2020; Tsubaki et
al., arXiv 2211.00918). The latents are those of effort 1 and stay.

Bits of what would be sent are those of a Laplace law of each group, without a coder.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ncz.models.image.codec import BEST, ImageCodec
from ncz.models.image.exact import UNIT
from ncz.models.image.fitted import STEPS, weight_bits
from ncz.models.image.network import weight_of

RATE = 0.0015
"""How far a factor goes in a round at first; with much more, pictures become worse."""


@dataclass(frozen=True)
class Row:
    """What was found of one picture at one quality.

    Attributes:
        picture, quality: which.
        bits: of the latents.
        psnr, fitted: dB, before and after.
        sent: bits of factors and offsets.
        gain: bits that the smaller error is worth at this quality's lambda.
        most: bits that it would be worth without rounding.
        seconds: on the clock.
    """

    picture: str
    quality: float
    bits: int
    psnr: float
    fitted: float
    sent: float
    gain: float
    most: float
    seconds: float

    @property
    def saved(self) -> float:
        """Percent of the bits that are saved; below zero, lost."""
        return 100 * (self.gain - self.sent) / self.bits


class Bent:
    """A decoder whose channels have factors and offsets of their own while this is entered.

    Args:
        synthesis: the decoder's network.
    """

    def __init__(self, synthesis: nn.Module) -> None:
        names = ("eighth", "quarter", "unfold")
        self._layers = [synthesis.get_submodule(name) for name in names]
        widths = [_width(layer) for layer in self._layers]
        # The last layer, which makes pixels, has offsets alone.
        self.factors = [torch.zeros(width, requires_grad=True) for width in widths[:-1]]
        self.offsets = [torch.zeros(width, requires_grad=True) for width in widths]

    @property
    def groups(self) -> list[Tensor]:
        """All that would be sent."""
        return [*self.factors, *self.offsets]

    def __enter__(self) -> Bent:
        self._handles = [
            layer.register_forward_hook(self._hook(number))
            for number, layer in enumerate(self._layers)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, number: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def bend(_: nn.Module, __: Any, y: Tensor) -> Tensor:
            if number < len(self.factors):
                y = y * (1 + self.factors[number])[:, None, None]
            return y + self.offsets[number][:, None, None]

        return bend


def _width(layer: nn.Module) -> int:
    *_, last = (part for part in layer.modules() if isinstance(part, nn.Conv2d))
    return last.out_channels


def measure(
    rgb: npt.NDArray[np.uint8], quality: float, rounds: int, codec: ImageCodec, name: str = ""
) -> Row:
    """Fit, round, charge.

    Args:
        rgb: (H, W, 3).
        quality: 1 … 100.
        rounds: steps of gradients.
        codec: whose decoder.
        name: of the picture.
    """
    began = time.monotonic()
    pixels = (rgb / np.float32(255)).astype(np.float32)
    level = codec.level(quality)
    latents = codec.analyse(pixels, level)
    known = latents.known.astype(np.float32) / UNIT
    y = torch.from_numpy(known).permute(2, 0, 1)[None]
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] - 0.5
    synthesis, mix = codec.transforms.synthesis.requires_grad_(False), codec.mix(level)
    weight = float(weight_of(torch.tensor((quality - 1) / (BEST - 1)))) * 255**2 * x[0, 0].numel()

    def lost() -> Tensor:
        back = synthesis(y, mix)[:, :, : x.shape[2], : x.shape[3]]
        return (back.float() - x).square().mean()

    with torch.no_grad():
        before = float(lost())
    with Bent(synthesis) as bent:
        optimizer = torch.optim.Adam(bent.groups, lr=RATE)
        for turn in range(rounds):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - 0.8 * turn / rounds)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = lost() / before
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            most = weight * (before - float(lost()))
            sent = sum(_rounded(group, lambda: weight * float(lost())) for group in bent.groups)
            after = float(lost())
    if weight * (before - after) < sent:
        sent, after = 1.0, before  # a bit says that nothing is sent
    return Row(
        picture=name,
        quality=quality,
        bits=8 * len(codec.encode(latents)),
        psnr=-10 * math.log10(before),
        fitted=-10 * math.log10(after),
        sent=sent,
        gain=weight * (before - after),
        most=most,
        seconds=time.monotonic() - began,
    )


def _rounded(group: Tensor, worth: Callable[[], float]) -> float:
    """Round to the step that costs least, nothing sent among them; the bits of it."""
    kept = group.clone()
    group.zero_()
    found = [(worth() + 1.0, 1.0, group.clone())]
    for step in STEPS:
        whole = (kept / step).round()
        group.copy_(whole * step)
        mine = weight_bits(whole)
        found.append((worth() + mine, mine, group.clone()))
    _, mine, best = min(found, key=lambda one: one[0])
    group.copy_(best)
    return mine


def main(argv: Sequence[str] | None = None) -> None:
    """The command: a row of JSON for each picture and quality."""
    from PIL import Image

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE")
    parser.add_argument("--quality", type=float, nargs="+", default=[20.0, 60.0])
    parser.add_argument("--rounds", type=int, default=60)
    args = parser.parse_args(argv)
    codec = ImageCodec.load()
    for path in args.pictures:
        with Image.open(path) as opened:
            picture = np.asarray(opened.convert("RGB"))
        for quality in args.quality:
            row = measure(picture, quality, args.rounds, codec, path.name)
            print(json.dumps({**asdict(row), "saved": round(row.saved, 3)}), flush=True)


if __name__ == "__main__":
    main()
