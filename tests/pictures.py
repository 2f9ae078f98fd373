"""Pictures for tests: drawn here, so that none is needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ncz.models.pixels import photocd


def scene(height: int = 170, width: int = 190, dtype: type = np.uint8) -> NDArray:
    """Something with edges, slopes and texture: dtype[height, width, 3]."""
    down, right = np.mgrid[:height, :width]
    chance = np.random.default_rng(5)
    planes = [
        0.5 + 0.4 * np.sin(right / 9 + k) * np.cos(down / (5 + k)) + 0.1 * (right > 60 + 20 * k)
        for k in range(3)
    ]
    values = np.stack(planes, -1) + chance.normal(0, 0.02, (height, width, 3))
    return (np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def noisy(picture: NDArray, part: float) -> NDArray:
    """The same with noise of a deviation of that part of white."""
    peak = np.iinfo(picture.dtype).max
    noise = np.random.default_rng(7).normal(0, part * peak, picture.shape)
    return np.clip(np.round(picture + noise), 0, peak).astype(picture.dtype)


def photo_cd(height: int = 48, width: int = 56) -> np.ndarray:
    """A picture that was luma and half as fine chroma, uint8[height, width, 3]; both even."""
    y, x = np.mgrid[:height, :width]
    luma = (100 + 25 * np.sin(x / 7) + 20 * np.cos(y / 5) + (x * y) % 3).astype(np.int32)
    slope = (x + y)[None, : height // 2, : width // 2]
    chroma = (photocd.ZERO + 6 * np.sin(slope / [[[6]], [[9]]])).astype(np.int32)
    return photocd.join(photocd.Separated((0, 0), luma, chroma))
