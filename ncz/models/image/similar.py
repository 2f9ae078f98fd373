"""MS-SSIM to train and refine with: the measure of `quality.py` with gradients, fast on a CPU.

Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", 2003.
Means under the Gaussian window are products with banded matrices, on whole rows and columns, which
is a twentieth of the time that convolutions of one channel take.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The power to which each scale counts, from the finest."""
_TAPS, _SIGMA = 11, 1.5
_LUMA, _CONTRAST = 0.01**2, 0.03**2


def similarity(x: Tensor, y: Tensor, stride: int = 1) -> Tensor:
    """MS-SSIM of each picture, (N,): the mean over channels.

    Args:
        x: float32 (N, C, H, W) in 0 … 1, both sides at least 161 pixels.
        y: like `x`; gradients go here.
        stride: windows of the finest two scales are taken at every so many places; 1 is the
            measure, 2 an estimate of it for less than half the work.
    """
    total = x.new_ones(x.shape[:2])
    for scale, power in enumerate(SCALES):
        if scale:
            padding = [side % 2 for side in x.shape[2:]]
            x = functional.avg_pool2d(x, 2, padding=padding)
            y = functional.avg_pool2d(y, 2, padding=padding)
        luma, contrast = _terms(x, y, stride if scale < 2 else 1)
        part = luma * contrast if scale == len(SCALES) - 1 else contrast
        total = total * functional.relu(part.mean((2, 3))).clamp(min=1e-6) ** power
    return total.mean(1)


def _terms(x: Tensor, y: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """How alike windows are in their means, and in what they have about them."""
    a, b = _mean(x, stride), _mean(y, stride)
    xx = _mean(x * x, stride) - a * a
    yy = _mean(y * y, stride) - b * b
    xy = _mean(x * y, stride) - a * b
    luma = (2 * a * b + _LUMA) / (a * a + b * b + _LUMA)
    return luma, (2 * xy + _CONTRAST) / (xx + yy + _CONTRAST)


def _mean(x: Tensor, stride: int) -> Tensor:
    """Means under the window, wherever it fits."""
    rows = window(x.shape[2], stride).to(x)
    columns = window(x.shape[3], stride).to(x)
    return rows @ (x @ columns.T)


@functools.lru_cache(maxsize=64)
def window(length: int, stride: int) -> Tensor:
    """float32 (places, length): the window at every `stride`-th place where it fits."""
    taps = torch.exp(-((torch.arange(_TAPS) - _TAPS // 2) ** 2) / (2 * _SIGMA**2))
    taps = taps / taps.sum()
    starts = range(0, length - _TAPS + 1, stride)
    made = torch.zeros(len(starts), length)
    for row, start in enumerate(starts):
        made[row, start : start + _TAPS] = taps
    return made
