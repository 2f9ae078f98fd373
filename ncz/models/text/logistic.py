"""The logistic domain as wide as a language model is sure: sixteen nats, from 24 bits.

A language model calls one side of a decision impossible to one part in 2²⁴, far beyond the
12-bit cells and twelve nats that suit contexts (:mod:`ncz.codec.tables`). Same units: 256 is
one nat. Exact integer arithmetic, the same everywhere; a test holds the digests.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import lean
from ncz.codec.tables import squash24

WIDE = 4095
"""Largest magnitude here: 16 nats, a probability of 1.1·10⁻⁷."""

SQUASH_WIDE = squash24(WIDE)
"""int32[8192]: ``SQUASH_WIDE[x + 4096]`` is 2²⁴ · squash(x / 256), never 0 nor 2²⁴."""

# Cells of a probability below 1/2, finer where the logistic domain is steeper.
_COARSE, _FINE = 11, 5  # bits dropped above 2^18, and above 2^12; below, none


def _stretch(drop: int, cells: int) -> np.ndarray:
    """int16[cells]: 256 · stretch of the middle of each cell of 2^drop steps of 2⁻²⁴."""
    middle = (np.arange(cells, dtype=np.int64) << drop) + ((1 << drop) >> 1)
    at = np.searchsorted(SQUASH_WIDE[1:], middle, side="right") - 1 - WIDE
    return np.clip(at, -WIDE, WIDE).astype(np.int16)


STRETCH24 = np.concatenate([_stretch(0, 4096), _stretch(_FINE, 8192), _stretch(_COARSE, 4097)])
"""int16[16385]: below 1/2, by cells of three sizes."""


@lean
def stretch24(p: int) -> int:
    """256 · ln(p / (2²⁴ - p)) for 0 < p < 2²⁴, clamped to ±WIDE."""
    low = min(p, (1 << 24) - p)
    if low < 1 << 12:
        found = np.int64(STRETCH24[low])
    elif low < 1 << 18:
        found = np.int64(STRETCH24[4096 + (low >> _FINE)])
    else:
        found = np.int64(STRETCH24[12288 + (low >> _COARSE)])
    found = min(found, 0)
    return found if low == p else -found


@lean
def squash(x: int) -> int:
    """2²⁴ · squash(x / 256), x clamped to ±WIDE."""
    return np.int64(SQUASH_WIDE[min(max(x, -WIDE), WIDE) + WIDE + 1])
