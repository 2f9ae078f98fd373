"""The law of latents as probabilities of decisions, by decimal arithmetic that rounds correctly.

A latent follows a logistic law whose scale is one of 64. Its distance from its centre is told by
decisions: is it above zero, above one, and so on. A test holds the digest.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np

from ncz.models.image.exact import HIGHEST, LOWEST, SCALES

DECISIONS = 12
"""The last one stands for all that follow."""

WORTH = 20.0
"""Bits that an error of one step is worth, squared, where a latent is rounded. By the theory of
fine quantization it is 8.7; rounding towards zero spoils what later steps see, so less is best."""
FARTHEST = 0.99
"""A distance that is rounded up at any price, beyond the integer below."""


def _law() -> np.ndarray:
    table = np.zeros((SCALES, DECISIONS), np.uint32)
    with localcontext() as context:
        context.prec = 40
        step = (Decimal(repr(HIGHEST)) - Decimal(repr(LOWEST))) / (SCALES - 1)
        for k in range(SCALES):
            scale = (Decimal(repr(LOWEST)) + step * k).exp()
            # Above n: the law's mass on both sides beyond n + 1/2.
            above = [1 / (1 + ((n + Decimal("0.5")) / scale).exp()) for n in range(DECISIONS)]
            shares = [2 * above[0]] + [b / a for a, b in pairwise(above)]
            for n, share in enumerate(shares):
                table[k, n] = min(max(int(share * (1 << 24)), 16), (1 << 24) - 16)
    return table


LAW = _law()
"""uint32 (SCALES, DECISIONS): 2^24 times the probability that a distance is above n, where it is
not below."""


def _thresholds() -> np.ndarray:
    above = LAW.astype(np.float64) / (1 << 24)
    stops = -np.log2(1 - above)
    dearer = stops[:, 1:] - np.log2(above[:, :-1]) - stops[:, :-1]
    dearer[:, 0] += 1  # the sign
    return np.asarray(np.clip(0.5 + dearer / (2 * WORTH), 0.5, FARTHEST))


THRESHOLDS = _thresholds()
"""float64 (SCALES, DECISIONS - 1): how far beyond an integer a distance is for the next one."""
