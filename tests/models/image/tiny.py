"""A codec as large as a test has time for, with random weights."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import numpy.typing as npt
import torch

from ncz.codec.coder import ModelRef
from ncz.models.contextmix.prior import pack
from ncz.models.image import export, weights
from ncz.models.image.codec import ImageCodec
from ncz.models.image.network import Network, Shape

SHAPE = Shape(
    widths=(16, 24, 32),
    analysis=(1, 1, 1),
    synthesis=(1, 2, 1),
    latents=32,
    hyper=8,
    features=16,
    context=24,
)


@functools.cache
def network() -> Network:
    """Random, and such that its latents are neither all zero nor huge."""
    torch.manual_seed(5)
    made = Network(SHAPE).eval().requires_grad_(False)
    for weight in made.predictor.parameters():
        weight.add_(torch.randn_like(weight) * 0.05)
    made.analysis.out.weight.mul_(20)
    made.hyper_analysis.out.weight.mul_(200)
    return made


@functools.cache
def packed() -> bytes:
    """Its file."""
    made = network()
    x = torch.from_numpy(np.stack([picture(64, 64, seed) for seed in range(8)]))
    with export.watching(made) as ranges:
        made(x.permute(0, 3, 1, 2) - 0.5, torch.linspace(0, SHAPE.anchors - 1, 8))
    return pack(export.tensors(made, ranges), {"format": export.FORMAT})


@functools.cache
def codec() -> ImageCodec:
    """It, ready."""
    from ncz.models.contextmix.prior import unpack

    found = unpack(packed())
    ref = ModelRef(hashlib.sha256(packed()).digest(), "tiny")
    return ImageCodec(weights.integers_of(found), weights.transforms_of(found), ref)


def picture(height: int, width: int, seed: int) -> npt.NDArray[np.float32]:
    """Something smooth, something sharp and some noise, (height, width, 3) in 0 … 1."""
    random = np.random.default_rng(seed)
    i, j = np.mgrid[:height, :width]
    slope = random.normal(size=(2, 3)) * 3 / max(height, width)
    pixels = 0.5 + i[..., None] * slope[0] / 4 + j[..., None] * slope[1] / 4
    edge = (i * random.normal() + j * random.normal()) > random.normal() * 20
    pixels = pixels + edge[..., None] * random.normal(size=3) / 4
    pixels = pixels + random.normal(size=(height, width, 3)) / 40
    return np.clip(pixels, 0, 1).astype(np.float32)
