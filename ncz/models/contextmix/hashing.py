"""Where a context's bit histories live: a hashed table of 16-byte lines.

A line holds one check byte and the 15 bit histories of one nibble in one context: node 1
for its first bit, nodes 2 and 3 for the second, and so on. Four lines make a bucket of 64
bytes, one cache line, in which a context may sit anywhere; the least used makes room.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import lean

LINE = 16  # bytes in a line
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd
_OFFSET = np.uint64(0x51ED27)
_FOLD = np.uint64(31)


@lean
def mix(h: int, value: int) -> int:
    """Fold `value` into the 64-bit hash `h`.

    Unsigned inside: what a signed product that overflows gives is the compiler's choice.
    """
    u = (np.uint64(h) ^ (np.uint64(value) + _OFFSET)) * _MULTIPLIER
    return np.int64(u ^ (u >> _FOLD))


@lean
def add(h: int, value: int) -> int:
    """The sum of two 64-bit hashes modulo 2^64, unsigned inside for the same reason."""
    return np.int64(np.uint64(h) + np.uint64(value))


@lean
def find_line(table: np.ndarray, line: int, check: int) -> int:
    """Offset in `table` of the line for `check` in the bucket of `line`, made if need be."""
    at = line << 4
    if table[at] == check:
        return at
    best = at
    least = table[at + 1]
    for k in range(1, 4):
        other = (line ^ k) << 4
        if table[other] == check:
            return other
        if table[other + 1] < least:
            best = other
            least = table[other + 1]
    table[best] = check
    for j in range(1, 16):
        table[best + j] = 0
    return best
