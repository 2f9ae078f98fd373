"""Sums of rows by index, which torch does slowly on processors."""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(cache=True, parallel=True)
def add_rows(into: np.ndarray, where: np.ndarray, rows: np.ndarray) -> None:  # pragma: no cover
    """``into[where[i, b]] += rows[i, b]``; no two i may share a row of `into`.

    Args:
        into: float32[S, M].
        where: int64[n, B].
        rows: float32[n, B, M].
    """
    for i in prange(where.shape[0]):
        for b in range(where.shape[1]):
            row = where[i, b]
            for m in range(into.shape[1]):
                into[row, m] += rows[i, b, m]
