"""Absolute targets for x86 calls and jumps.

A call names its target relative to itself, so calls to one function look different at
every place. Adding the place makes them equal. The step undoes itself exactly: the encoder
works from the end so that what the decoder, working from the start, tests is unchanged.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit


@jit
def _is_branch(data: np.ndarray, i: int) -> bool:
    return (data[i] & 0xFE) == 0xE8 and (data[i + 4] == 0 or data[i + 4] == 0xFF)


@jit
def _add(data: np.ndarray, i: int, amount: int) -> None:
    target = (
        np.int64(data[i + 1])
        | np.int64(data[i + 2]) << 8
        | np.int64(data[i + 3]) << 16
        | np.int64(data[i + 4] & 1) << 24
    )
    target = (target + amount) & 0x1FFFFFF
    data[i + 1] = target & 0xFF
    data[i + 2] = (target >> 8) & 0xFF
    data[i + 3] = (target >> 16) & 0xFF
    data[i + 4] = 0xFF if target >> 24 else 0


@jit
def to_absolute(data: np.ndarray) -> None:
    """Replace relative targets by absolute ones in `data`, uint8[n], in place."""
    for i in range(data.size - 5, -1, -1):
        if _is_branch(data, i):
            _add(data, i, i)


@jit
def to_relative(data: np.ndarray) -> None:
    """Undo :func:`to_absolute`."""
    for i in range(data.size - 4):
        if _is_branch(data, i):
            _add(data, i, -i)
