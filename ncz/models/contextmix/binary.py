"""Contexts for what is not text: records, arrays of numbers, bitmaps, machine code.

Two lengths found in the block's statistics guide them: `row`, the record or picture row,
and `cell`, the element within it.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit
from ncz.models.contextmix.hashing import mix
from ncz.models.contextmix.textual import LAST4, LAST8, WORD0

COUNT = 30
"""Contexts computed here."""


@jit
def _at(data: np.ndarray, pos: int, back: int) -> int:
    # A row of one byte asks for the byte being coded, which a decoder does not have.
    return np.int64(data[pos - back]) if 0 < back <= pos else np.int64(0)


@jit
def contexts(
    data: np.ndarray,
    pos: int,
    v: np.ndarray,
    row: int,
    cell: int,
    after1: np.ndarray,
    after2: np.ndarray,
    ctx: np.ndarray,
    select: np.ndarray,
) -> None:
    """Compute the contexts of the byte at `pos` into `ctx`, mixer selections into `select`."""
    c4 = v[LAST4]
    c8 = v[LAST8]
    c1 = c4 & 0xFF
    c2 = (c4 >> 8) & 0xFF
    c3 = (c4 >> 16) & 0xFF
    if (65 <= c1 <= 90) or (97 <= c1 <= 122) or c1 >= 128:
        v[WORD0] = mix(v[WORD0], c1 | 32)
    else:
        v[WORD0] = 0
    column = pos % row
    phase = pos % cell
    n = _at(data, pos, row)
    nn = _at(data, pos, 2 * row)
    nw = _at(data, pos, row + 1)
    ne = _at(data, pos, row - 1)
    e = _at(data, pos, cell)
    ee = _at(data, pos, 2 * cell)
    ne_cell = _at(data, pos, row + cell)
    ctx[0] = c1
    ctx[1] = c4 & 0xFFFF
    ctx[2] = c4 & 0xFFFFFF
    ctx[3] = c4
    ctx[4] = c4 | (c8 & 0xFFFF) << 32
    ctx[5] = c2
    ctx[6] = c3
    ctx[7] = c4 >> 24
    ctx[8] = c4 & 0xFFFF00
    ctx[9] = c4 & 0xFFFF0000
    ctx[10] = c4 & 0xFF00FF
    ctx[11] = c4 & 0xFF0000FF
    ctx[12] = c4 & 0xFF00FF00
    ctx[13] = mix(mix(e, ee), phase)
    ctx[14] = mix(mix(e, c1), phase)
    ctx[15] = mix((2 * e - ee) & 0xFF, phase)
    ctx[16] = column
    ctx[17] = mix(n, column)
    ctx[18] = mix(n, c1)
    ctx[19] = mix(mix(n, nn), phase)
    ctx[20] = mix(mix(n, nw), c1)
    ctx[21] = mix(mix(n, ne), c1)
    ctx[22] = mix((c1 + n - nw) & 0xFF, phase)
    ctx[23] = mix((2 * n - nn) & 0xFF, column)
    ctx[24] = mix((e + n - ne_cell) & 0xFF, phase)
    ctx[25] = mix(mix(mix(n, ne), nw), mix(c1, nn))
    ctx[26] = mix(v[WORD0], c1)
    ctx[27] = 0
    ctx[28] = mix(after2[c4 & 0xFFFF], c1)
    ctx[29] = mix(e, n) if cell > 1 else mix(after1[c1], c1)
    select[4] = c1
    select[5] = min(column, 511)
    select[6] = c2
    select[7] = n
