"""Least squares about a pixel: what would have predicted the pixels near it, predicts it.

Every pixel is written as a vector: its neighbours' differences from the one to its left, and in the
last place its own. Products of these vectors are summed with weights that fall off with the
distance from the pixel at hand, on both sides in the rows above it and on the left in its own. The
sums are the normal equations of a linear predictor that knows nothing but its surroundings, solved
anew for each pixel (Wu, Barthel and Zhang 1998; Li and Orchard 2001).

These are floats that decide what is coded, so the order of every operation stands in the source:
products are summed element by element, elimination subtracts rows from rows, and the only sum along
a vector, :func:`_dot`, has its four lanes spelled out. All are sums, differences, products and
quotients of binary64, each rounded by itself. A compiler may do several elements at once, and
changes nothing by it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec.jit import lean

CELL = 4
"""Columns that share the sums of the rows above."""
ROW, CELLS, COLUMN, OWN_ROW, RIDGE = range(5)
"""Indices into :attr:`Reach.pace`."""


class Reach(NamedTuple):
    """One predictor: which neighbours it knows, and its sums about each pixel of a row.

    A sum is the upper triangle of a symmetric matrix, row by row: t = m (m + 1) / 2 for vectors of
    m elements.
    """

    own: np.ndarray  # int64[a]: distances to neighbours in the plane, the left one left out
    others: np.ndarray  # int64[b, 2]: to a pixel of another plane, and to that plane's left one
    pace: (
        np.ndarray
    )  # float64[5]: what stays for a row, a cell, a column; the own row's share; ridge
    above: np.ndarray  # float64[cells, t]: of the rows above, about each cell
    row: np.ndarray  # float64[cells, t]: of this row, in each cell
    left: np.ndarray  # float64[t]: of this row, about the pixel at hand
    work: np.ndarray  # float64[t]
    z: np.ndarray  # float64[m]: the vector at hand
    w: np.ndarray  # float64[m - 1]: weights


@lean
def guess(reach: Reach, flat: np.ndarray, at: int, col: int) -> float:
    """What the pixel at `at`, in column `col`, is predicted to be."""
    left = np.int64(flat[at - 1])
    _look(flat, at, left, reach.own, reach.others, reach.z)
    _normal(reach.above[col // CELL], reach.left, reach.pace[OWN_ROW], reach.work)
    _solve(reach.work, reach.z.size, reach.pace[RIDGE], reach.w)
    return left + _dot(reach.z, 0, reach.w, 0, reach.w.size)


@lean
def learn(reach: Reach, difference: int, col: int) -> None:
    """The pixel that was predicted last is so much larger than the one to its left."""
    reach.z[reach.z.size - 1] = np.float64(difference)
    _add(reach.left, reach.z, reach.pace[COLUMN])
    _add(reach.row[col // CELL], reach.z, 0.0 if col % CELL == 0 else 1.0)


@lean
def begin_row(reach: Reach) -> None:
    """Nothing is on the left."""
    for j in range(reach.left.size):
        reach.left[j] = 0.0


@lean
def end_row(reach: Reach) -> None:
    """Take the row into what is above the next one, from the left and from the right."""
    cells = reach.row.shape[0]
    flow = reach.left
    begin_row(reach)
    for c in range(cells):
        _scale_add(flow, reach.pace[CELLS], reach.row[c], 1.0)
        _scale_add(reach.above[c], reach.pace[ROW], flow, 1.0)
    begin_row(reach)
    for c in range(cells - 1, -1, -1):
        _scale_add(reach.above[c], 1.0, flow, reach.pace[CELLS])
        _scale_add(flow, reach.pace[CELLS], reach.row[c], 1.0)


@lean
def _look(
    flat: np.ndarray, at: int, left: int, own: np.ndarray, others: np.ndarray, z: np.ndarray
) -> None:
    n = np.int64(0)
    for i in range(own.size):
        z[n] = np.float64(np.int64(flat[at + own[i]]) - left)
        n += 1
    for i in range(others.shape[0]):
        z[n] = np.float64(np.int64(flat[at + others[i, 0]]) - np.int64(flat[at + others[i, 1]]))
        n += 1


@lean
def _add(sums: np.ndarray, z: np.ndarray, keep: float) -> None:
    """sums = keep · sums + z zᵀ, the upper triangle row by row in float64[m (m + 1) / 2]."""
    m = np.uint64(z.size)
    at = np.uint64(0)
    one = np.uint64(1)
    i = np.uint64(0)
    while i < m:
        f = z[i]
        n = m - i
        for j in range(n):
            sums[at + j] = keep * sums[at + j] + f * z[i + j]
        at += n
        i += one


@lean
def _scale_add(sums: np.ndarray, keep: float, more: np.ndarray, f: float) -> None:
    """sums = keep · sums + f · more."""
    for j in range(sums.size):
        sums[j] = keep * sums[j] + f * more[j]


@lean
def _normal(above: np.ndarray, left: np.ndarray, share: float, out: np.ndarray) -> None:
    """out = above + share · left."""
    for j in range(out.size):
        out[j] = above[j] + share * left[j]


@lean
def _dot(a: np.ndarray, at: int, w: np.ndarray, start: int, stop: int) -> float:
    """Σ a[at + i] w[i] for start ≤ i < stop, in four lanes."""
    s0 = 0.0
    s1 = 0.0
    s2 = 0.0
    s3 = 0.0
    i = start
    while i + 3 < stop:
        s0 += a[at + i] * w[i]
        s1 += a[at + i + 1] * w[i + 1]
        s2 += a[at + i + 2] * w[i + 2]
        s3 += a[at + i + 3] * w[i + 3]
        i += 4
    while i < stop:
        s0 += a[at + i] * w[i]
        i += 1
    return (s0 + s1) + (s2 + s3)


@lean
def _solve(a: np.ndarray, m: int, ridge: float, w: np.ndarray) -> None:
    """The weights w, float64[m - 1], of the normal equations that :func:`_add` made; spoils `a`.

    `ridge` is added to the diagonal, so that no pivot is small.
    """
    one = np.uint64(1)
    n = np.uint64(m)
    row = np.uint64(0)  # of the diagonal element
    k = np.uint64(0)
    while k + one < n:
        pivot = a[row] + ridge
        if not pivot > ridge:
            pivot = ridge
        a[row] = pivot
        inverse = 1.0 / pivot
        below = row + (n - k)
        i = k + one
        while i + one < n:
            f = a[row + (i - k)] * inverse
            count = n - i
            src = row + (i - k)
            for j in range(count):
                a[below + j] -= f * a[src + j]
            below += count
            i += one
        row += n - k
        k += one
    # Back: row k of the triangle starts at k m - k (k - 1) / 2.
    for q in range(m - 2, -1, -1):
        start = q * m - (q * (q - 1)) // 2
        s = a[start + (m - 1 - q)] - _dot(a, start - q, w, q + 1, m - 1)
        w[q] = s / a[start]
