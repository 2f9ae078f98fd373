"""The parts that predictions of text are mixed with: sets of weights, and probability maps.

A *mixer* has several sets of weights; a small context picks a row of each, and every row
predicts by itself and learns from its own error. A *chart* is an adaptive probability map: what
a prediction has meant before, in a small context. Both remember what they predicted last, so
that learning takes no more than the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec.jit import lean
from ncz.codec.tables import LIMIT, RECIPROCAL
from ncz.models.text.logistic import WIDE, squash

CELLS = 49
"""Cells of a row of a chart: every half nat from -12 to 12."""

_HALF_NAT = 128
_CHART_SHIFT = 7  # a chart moves by 1/128 of its error


class Mixer(NamedTuple):
    """K sets of weights over n inputs."""

    weights: np.ndarray  # int32[rows, n]: 65536 is one
    x: np.ndarray  # int32[n]: inputs, in the logistic domain
    row: np.ndarray  # int64[K]: the row of each set
    out: np.ndarray  # int64[K]: what each says


class Charts(NamedTuple):
    """K maps."""

    cells: np.ndarray  # int32[rows, CELLS]: 22-bit probabilities
    row: np.ndarray  # int64[K]: the row of each
    cell: np.ndarray  # int64[1]: the cell that learns


@lean
def mix(mixer: Mixer) -> int:
    """Predict with every row; return their mean."""
    weights = mixer.weights
    x = mixer.x
    total = np.int64(0)
    for a in range(mixer.row.size):
        r = mixer.row[a]
        dot = np.int64(0)
        for j in range(x.size):
            dot += np.int64(weights[r, j]) * np.int64(x[j])
        dot = min(max(dot >> 16, -WIDE), WIDE)
        mixer.out[a] = dot
        total += dot
    return total // mixer.row.size


@lean
def learn_mix(mixer: Mixer, y: int, rate: int) -> None:
    """Move every row against its error, by `rate` / 2²⁰ of it at an input of one."""
    weights = mixer.weights
    x = mixer.x
    for a in range(mixer.row.size):
        r = mixer.row[a]
        error = ((y << 16) - (squash(mixer.out[a]) >> 8)) * rate
        for j in range(x.size):
            weights[r, j] += (np.int64(x[j]) * error + (1 << 19)) >> 20


@lean
def refine(charts: Charts, total: int, share: int) -> int:
    """The mean of a prediction in the logistic domain, `share` times, and what the charts say.

    Returns 24 bits, 1 to 2²⁴ - 1.
    """
    cells = charts.cells
    at = min(max(total, -LIMIT), LIMIT) + LIMIT + 1
    cell = at // _HALF_NAT
    part = at % _HALF_NAT
    sum22 = np.int64(0)
    for a in range(charts.row.size):
        r = charts.row[a]
        sum22 += np.int64(cells[r, cell]) * (_HALF_NAT - part)
        sum22 += np.int64(cells[r, cell + 1]) * part
    charts.cell[0] = cell + (part >> 6)
    # 22 bits times 128: five bits more than the 24 wanted.
    p = (squash(total) * share + (sum22 >> 5)) // (share + charts.row.size)
    return min(max(p, 1), (1 << 24) - 1)


@lean
def learn_charts(charts: Charts, y: int) -> None:
    """Move the cells that were nearest."""
    cell = charts.cell[0]
    for a in range(charts.row.size):
        r = charts.row[a]
        charts.cells[r, cell] += ((y << 22) - charts.cells[r, cell]) >> _CHART_SHIFT


@lean
def learn_residue(table: np.ndarray, at: int, st: int, y: int, pace: int, limit: int) -> None:
    """Move the correction at `at` of int32[n] against the error of what it corrects.

    A correction has 22 bits, of which 10 lie below 1/256 nat; in the low ten bits is how often
    it learned, up to `limit`, which slows it down.

    Args:
        table: corrections.
        at: which.
        st: what was corrected, in the logistic domain.
        y: the bit.
        pace: 16 would be a step of one nat for an error of one, the first time but 1.5.
        limit: of the count, up to 1023.
    """
    entry = np.int64(table[at])
    count = entry & 1023
    correction = entry >> 10
    error = (y << 16) - (squash(st + (correction >> 10)) >> 8)
    correction += (error * (np.int64(RECIPROCAL[count]) * pace // 16)) >> 14
    correction = min(max(correction, -(1 << 21)), (1 << 21) - 1)
    table[at] = correction << 10 | min(count + 1, limit)


def mixer(weights: np.ndarray, sets: int) -> Mixer:
    """A mixer of `weights` with so many sets."""
    return Mixer(
        weights,
        np.zeros(weights.shape[1], np.int32),
        np.zeros(sets, np.int64),
        np.zeros(sets, np.int64),
    )


def charts(rows: tuple[int, ...]) -> Charts:
    """Charts of so many rows, that change nothing."""
    line = [int(squash((cell - CELLS // 2) * _HALF_NAT)) >> 2 for cell in range(CELLS)]
    cells = np.tile(np.array(line, np.int32), (sum(rows), 1))
    return Charts(cells, np.zeros(len(rows), np.int64), np.zeros(1, np.int64))


def starts(rows: tuple[int, ...]) -> np.ndarray:
    """int64[len(rows)]: where each set begins among all rows."""
    return np.cumsum((0, *rows[:-1]), dtype=np.int64)
