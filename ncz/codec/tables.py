"""The logistic tables of all mixing, made by integer arithmetic alone.

A model works in the logistic domain: ``stretch(p) = ln(p / (1 - p))`` and its inverse
``squash(x) = 1 / (1 + exp(-x))``. A mathematics library's ``exp`` may differ in its last
bit between machines; these tables are computed with Python's big integers, are the same
everywhere, and their digest is held by a test.

Units. The logistic domain has 8 fractional bits (256 is one nat) and is clamped to
±:data:`LIMIT`, twelve nats. Probabilities have 12, 16 or 24 bits, as the name says.
"""

from __future__ import annotations

import numpy as np

LIMIT = 3071
"""Largest magnitude in the logistic domain: 12 nats, a probability of 6·10⁻⁶."""

_GUARD = 96  # fractional bits of the big-integer arithmetic


def _exp_table(limit: int) -> list[int]:
    """exp(i / 256) for i in 0 … limit, with _GUARD fractional bits."""
    one = 1 << _GUARD
    step, term, n = one, one, 1
    while term:  # the Taylor series of exp(1 / 256)
        term = term // (256 * n)
        step += term
        n += 1
    table = [one]
    for _ in range(limit):
        table.append((table[-1] * step) >> _GUARD)
    return table


def squash24(limit: int) -> np.ndarray:
    """int32[2 limit + 2]: 2²⁴ · squash(x / 256) at x + limit + 1, for |x| ≤ limit."""
    one = 1 << _GUARD
    top = 1 << 24
    table = np.zeros(2 * limit + 2, np.int32)
    for i, e in enumerate(_exp_table(limit)):
        p = (top * e) // (one + e)  # 1 / (1 + exp(-x)) = exp(x) / (1 + exp(x))
        table[limit + 1 + i] = p
        table[limit + 1 - i] = top - p
    table[0] = table[1]
    return table


SQUASH24 = squash24(LIMIT)
"""int32[6144]: ``SQUASH24[x + 3072]`` is 2²⁴ · squash(x / 256), never 0 nor 2²⁴."""


def _stretch12() -> np.ndarray:
    table = np.zeros(4096, np.int16)
    at = np.arange(4096, dtype=np.int64) * 4096 + 2048  # the middle of each cell, in 24 bits
    table[:] = np.clip(np.searchsorted(SQUASH24[1:], at, side="right") - 1 - LIMIT, -LIMIT, LIMIT)
    return table


STRETCH12 = _stretch12()
"""int16[4096]: ``STRETCH12[p]`` is 256 · stretch of the middle of the 12-bit cell p."""


def _reciprocals(limit: int) -> np.ndarray:
    return np.array([65536 * 2 // (2 * n + 3) for n in range(limit)], np.int32)


RECIPROCAL = _reciprocals(1024)
"""int32[1024]: 65536 / (n + 1.5), the step of an average over n + 1.5 observations."""
