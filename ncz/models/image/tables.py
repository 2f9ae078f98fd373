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
