"""How far a picture is from another: PSNR, MS-SSIM and LPIPS, as the field computes them.

A number that is to be held against a published one has to come from the same arithmetic, so
MS-SSIM is that of the package pytorch-msssim and LPIPS that of the package lpips, both with their
defaults. PSNR is exact: the sum of squared differences is an integer.

All three take values as they stand in the picture, with whatever gamma it has: pictures of shape
[height, width, 3] as uint8 or uint16, both alike.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ncz.codec.errors import MissingExtra, NczError

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

MS_SSIM_SIDE = 161
"""Pixels that both sides have to have: a window of 11 after halving four times. With fewer scales
it would be another measure under the same name, so smaller pictures are refused."""

LPIPS_SIDE = 31
"""Pixels that both sides have to have for AlexNet's features."""

_BAND = 1 << 20  # values that are squared at a time, so that large pictures take little memory
_WEIGHTS = "alexnet-owt-7be5be79.pth"  # as torchvision names them where it keeps them


class NotMeasurable(NczError):
    """These pictures have no such measure, or this machine cannot take it."""


def psnr(one: Pixels, other: Pixels) -> float:
    """Peak signal-to-noise ratio over all values of all channels, in dB; infinite if equal.

    Args:
        one: [height, width, channels] or [height, width], uint8 (peak 255) or uint16 (65535).
        other: of the same shape and type.

    Raises:
        ValueError: the two are not alike, or have no values.

    Example:
        >>> grey = np.full((2, 2, 3), 100, np.uint8)
        >>> round(psnr(grey, grey + np.uint8(1)), 2)
        48.13
    """
    _check(one, other)
    left, right = one.reshape(-1), other.reshape(-1)
    squares = 0
    for start in range(0, left.size, _BAND):
        band = slice(start, start + _BAND)
        difference = left[band].astype(np.int64) - right[band]
        squares += int(difference @ difference)
    if squares == 0:
        return math.inf
    return 10 * math.log10(_peak(one) ** 2 * left.size / squares)


def ms_ssim(one: Pixels, other: Pixels) -> float:
    """Multi-scale structural similarity, the mean over channels; 1 if equal.

    Channels are taken one after the other, which is the same number for a third of the memory:
    some 140 bytes a pixel.

    Args:
        one: [height, width, channels], uint8 or uint16.
        other: of the same shape and type.

    Raises:
        NotMeasurable: a side is shorter than `MS_SSIM_SIDE`.
        MissingExtra: pytorch-msssim is not installed.
        ValueError: the two are not alike.
    """
    _check(one, other)
    if min(one.shape[:2]) < MS_SSIM_SIDE:
        raise NotMeasurable(
            f"MS-SSIM is for pictures of at least {MS_SSIM_SIDE} pixels on each side; take PSNR"
        )
    try:
        from pytorch_msssim import ms_ssim as similarity
    except ImportError:
        raise MissingExtra("media", "MS-SSIM") from None
    import torch

    found = []
    with torch.no_grad():
        for channel in range(one.shape[2]):
            left, right = (_plane(picture, channel) for picture in (one, other))
            found.append(similarity(left, right, data_range=float(_peak(one))).item())
    return math.fsum(found) / len(found)


def lpips(one: Pixels, other: Pixels) -> float:
    """Learned perceptual distance over AlexNet's features; 0 if equal, smaller is nearer.

    Args:
        one: [height, width, 3], uint8 or uint16.
        other: of the same shape and type.

    Raises:
        NotMeasurable: a side is shorter than `LPIPS_SIDE`, or :func:`no_lpips` has a reason.
        ValueError: the two are not alike.
    """
    _check(one, other)
    if (reason := no_lpips()) is not None:
        raise NotMeasurable(reason)
    if min(one.shape[:2]) < LPIPS_SIDE:
        raise NotMeasurable(f"LPIPS is for pictures of at least {LPIPS_SIDE} pixels on each side")
    import torch

    left, right = (_signed(picture) for picture in (one, other))
    with torch.no_grad():
        return float(_network()(left, right).item())


def no_lpips() -> str | None:
    """Why LPIPS cannot be had here, None if it can. Nothing is ever fetched for it."""
    if any(importlib.util.find_spec(name) is None for name in ("lpips", "torchvision")):
        return "LPIPS needs the packages lpips and torchvision: pip install lpips torchvision"
    if not (_kept() / _WEIGHTS).is_file():
        return f"LPIPS needs AlexNet's weights, {_WEIGHTS} of torchvision: put them in {_kept()}"
    return None


def _check(one: Pixels, other: Pixels) -> None:
    if one.shape != other.shape or one.dtype != other.dtype:
        raise ValueError(
            f"{one.shape} {one.dtype} cannot be measured against {other.shape} {other.dtype}"
        )
    if one.dtype not in (np.uint8, np.uint16) or one.size == 0:
        raise ValueError(f"pictures are uint8 or uint16 with values, not {one.shape} {one.dtype}")


def _peak(picture: Pixels) -> int:
    return int(np.iinfo(picture.dtype).max)


def _plane(picture: Pixels, channel: int) -> Tensor:
    """float32[1, 1, height, width]."""
    import torch

    return torch.from_numpy(picture[:, :, channel].astype(np.float32))[None, None]


def _signed(picture: Pixels) -> Tensor:
    """float32[1, 3, height, width] from -1 to 1."""
    import torch

    values = picture.transpose(2, 0, 1).astype(np.float32) * np.float32(2 / _peak(picture)) - 1
    return torch.from_numpy(values)[None]


def _kept() -> Path:
    """Where torchvision keeps weights."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


@lru_cache(maxsize=1)
def _network() -> Any:
    # It tells standard output and the warnings what it loads.
    with (
        Path(os.devnull).open("w") as nothing,
        contextlib.redirect_stdout(nothing),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("lpips").LPIPS(net="alex", verbose=False).eval()
        except Exception as error:  # such as a torchvision made for another torch
            reason = " ".join(str(error).split())
            raise NotMeasurable(f"LPIPS cannot be loaded: {reason}") from error
