"""PNG's filters, undone and done again: what cannot be done a row at a time, compiled."""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit


@jit
def unfilter(lines: np.ndarray, rows: np.ndarray, step: int) -> None:
    """Rows out of lines.

    Args:
        lines: uint8 (height, 1 + row), the first byte of each its filter, 0 to 4.
        rows: uint8 (height, row), gets them.
        step: bytes of a pixel, at least 1.
    """
    for y in range(rows.shape[0]):
        kind = np.int64(lines[y, 0])
        for x in range(rows.shape[1]):
            a = np.int64(rows[y, x - step]) if x >= step else np.int64(0)
            b = np.int64(rows[y - 1, x]) if y > 0 else np.int64(0)
            c = np.int64(rows[y - 1, x - step]) if x >= step and y > 0 else np.int64(0)
            rows[y, x] = (np.int64(lines[y, x + 1]) + _predicted(kind, a, b, c)) & 255


@jit
def filter_lines(rows: np.ndarray, lines: np.ndarray, step: int) -> None:
    """The inverse: fills in `lines`, whose first bytes are there."""
    for y in range(rows.shape[0]):
        kind = np.int64(lines[y, 0])
        for x in range(rows.shape[1]):
            a = np.int64(rows[y, x - step]) if x >= step else np.int64(0)
            b = np.int64(rows[y - 1, x]) if y > 0 else np.int64(0)
            c = np.int64(rows[y - 1, x - step]) if x >= step and y > 0 else np.int64(0)
            lines[y, x + 1] = (np.int64(rows[y, x]) - _predicted(kind, a, b, c)) & 255


@jit
def _predicted(kind: int, a: int, b: int, c: int) -> int:
    if kind == 0:
        return 0
    if kind == 1:
        return a
    if kind == 2:
        return b
    if kind == 3:
        return (a + b) >> 1
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    if pa <= pb and pa <= pc:
        return a
    return b if pb <= pc else c
