"""What a plane starts from: neighbours, weights and tables, made of integers alone."""

from __future__ import annotations

import numpy as np

from ncz.codec.tables import LIMIT, SQUASH24
from ncz.models.pixels import kernel
from ncz.models.pixels.kernel import PAD, Scratch, State
from ncz.models.pixels.squares import CELL, Reach

# Neighbours as (x, y), the nearest first; the left one is what all are differences from.
_OWN = (
    (0, -1), (-1, -1), (1, -1), (-2, 0), (0, -2), (-2, -1), (2, -1), (-1, -2), (1, -2), (-3, 0),
    (0, -3), (-2, -2), (2, -2),
)  # fmt: skip
_OTHER = ((0, 0), (0, -1), (-1, -1), (1, -1), (1, 0), (0, 1), (-1, 1), (1, 1))
# For each reach: neighbours in the plane, and in each other; what stays of sums for a row and for a
# column; what is added to the diagonal.
_REACHES = ((13, 8, 0.875, 0.9375), (8, 5, 0.75, 0.84375), (5, 2, 0.6875, 0.75))
_RIDGE = 8.0
_RATES = (20, 24, 255, 250, 250)
_ONE = 65536
_SHARES = 5, 20, 40, 10  # hundredths: each guess, the blend, all contexts, all counters


def reaches(height: int, width: int, others: np.ndarray) -> list[Reach]:
    """Least squares for a plane of this size, with planes known at distances `others`."""
    stride = width + 2 * PAD
    found = []
    for own_count, other_count, row, column in _REACHES:
        own = [y * stride + x for x, y in _OWN[:own_count]]
        other = [
            (int(far) + y * stride + x, int(far) - 1)
            for far in others
            for x, y in _OTHER[:other_count]
        ]
        m = len(own) + len(other) + 1
        t = m * (m + 1) // 2
        cells = -(-width // CELL)
        cell = column**CELL  # exact: few bits, multiplied
        pace = np.array([row, cell, column, 1.0, _RIDGE])
        found.append(
            Reach(
                np.array(own, np.int64),
                np.array(other, np.int64).reshape(-1, 2),
                pace,
                np.zeros((cells, t)),
                np.zeros((cells, t)),
                np.zeros(t),
                np.zeros(t),
                np.zeros(m),
                np.zeros(m - 1),
            )
        )
    return found


def fresh() -> State:
    """Nothing learned."""
    guesses, levels, others = kernel.GUESSES + 1, kernel.LEVELS, kernel.OTHER_LEVELS
    # An error's level is half an octave; the sum it was found in weighs seven errors.
    sizes = [max((256 * _root(n)) >> 8, 250) for n in range(levels)]
    spreads = np.tile(np.repeat(np.array(sizes, np.int64), others), guesses) << 10
    shares = np.zeros(kernel.INPUTS, np.int32)
    each, blend, contexts, counters = (_ONE * share // 100 for share in _SHARES)
    first = guesses + 1
    shares[: kernel.GUESSES] = each
    shares[kernel.BLEND] = blend
    shares[first : first + kernel.CONTEXTS] = contexts // kernel.CONTEXTS
    shares[first + kernel.CONTEXTS :] = counters // kernel.COUNTERS
    at = [min(max(cell * 192 - LIMIT - 1, -LIMIT), LIMIT) for cell in range(kernel.CHART_CELLS)]
    line = SQUASH24[np.array(at) + LIMIT + 1] >> 2
    return State(
        spreads=spreads,
        corrections=np.zeros(kernel.CONTEXTS * kernel.CONTEXT_ROWS * kernel.NODES, np.int32),
        counters=np.full(kernel.COUNTERS << kernel.COUNTER_BITS, (1 << 21) << 10, np.uint32),
        weights=np.tile(shares, (int(kernel.SET_START[-1]), 1)),
        charts=np.tile(line, (sum(kernel.CHART_ROWS), 1)),
        bias=np.zeros((kernel.BIASES, 2), np.int64),
        rates=np.array(_RATES, np.int64),
    )


def scratch(width: int) -> Scratch:
    """Room to work in."""
    guesses, stride = kernel.GUESSES + 1, width + 2 * PAD
    return Scratch(
        np.zeros(guesses, np.int64),
        np.zeros(guesses, np.int64),
        np.zeros(guesses, np.int64),
        np.zeros(guesses, np.int64),
        np.zeros((2, guesses, stride), np.int64),
        np.zeros((2, stride), np.int64),
        np.zeros(kernel.CONTEXTS, np.int64),
        np.zeros(4, np.int64),
        np.zeros(kernel.COUNTERS, np.int64),
        np.zeros(kernel.CONTEXTS, np.int64),
        np.zeros(kernel.COUNTERS, np.int64),
        np.zeros(kernel.SETS, np.int64),
        np.zeros(kernel.SETS, np.int64),
        np.zeros(kernel.INPUTS, np.int32),
    )


def memory(planes: int, height: int, width: int) -> int:
    """Bytes that coding planes of this size takes."""
    area = planes * (height + 2 * PAD) * (width + 2 * PAD)
    most = 13 + 2 * 8 + 1
    sums = sum(
        16 * (-(-width // CELL)) * m * (m + 1) // 2 for m in (most, 8 + 2 * 5 + 1, 5 + 2 * 2 + 1)
    )
    tables = 4 * (kernel.COUNTERS << kernel.COUNTER_BITS)
    tables += 4 * kernel.CONTEXTS * kernel.CONTEXT_ROWS * kernel.NODES + (4 << 20)
    return 8 * area + sums + tables + 200 * width


def _root(n: int) -> int:
    """What errors of level n make of a spread, in 1/4096: 2^(n / 2) · 8 / 7 · 64 · 0.72."""
    whole = 53 << (n // 2)
    return whole * 181 // 128 if n % 2 else whole
