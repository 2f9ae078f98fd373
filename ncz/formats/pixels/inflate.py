"""A deflate stream read block by block, with all that its writer was free to choose.

The stream is one that a library has decompressed before: what is odd here ends with an error that
means that it is left alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncz.codec.jit import lean
from ncz.formats.pixels import huffman
from ncz.formats.pixels.huffman import DISTANCES, END, LENGTHS, LITERALS

STORED, STATIC, DYNAMIC = range(3)
"""Kinds of blocks, by their number in a stream."""
FINAL, KIND, COUNT, PAD, LITS, FARS, SENT, RUNS, SIZE = range(9)
"""Indices into a block's head: whether it is the last; its kind; tokens, or stored bytes; bits that
fill up a byte; numbers of literals', distances' and runs' codes that are told; runs that these are
told by; bytes that it stands for."""

_WIDE = 2 * LITERALS + 2


class Block(NamedTuple):
    """A block; its arrays serve one after the other.

    Attributes:
        head: int64[9], by the indices above.
        tokens: uint32[n]: a literal, or a length less 3 and the distance from bit 16 on. 256 is the
            longest length, 258, by the code that is not its own.
        lens: int64[2 · LITERALS + 2], bits of the code of each literal, length, and the end.
        far_lens: the same of distances.
        run_lens: the same of runs.
        runs: int64[LITERALS + DISTANCES, 2]: symbol, and codes that it tells.
        work: int64[14, 2 · LITERALS + 2], room to work in.
    """

    head: NDArray[np.int64]
    tokens: NDArray[np.uint32]
    lens: NDArray[np.int64]
    far_lens: NDArray[np.int64]
    run_lens: NDArray[np.int64]
    runs: NDArray[np.int64]
    work: NDArray[np.int64]


def block(size: int) -> Block:
    """Room for a block of at most so many tokens."""
    return Block(
        np.zeros(9, np.int64),
        np.zeros(size + 1, np.uint32),
        np.zeros(_WIDE, np.int64),
        np.zeros(_WIDE, np.int64),
        np.zeros(_WIDE, np.int64),
        np.zeros((LITERALS + DISTANCES, 2), np.int64),
        np.zeros((14, _WIDE), np.int64),
    )


@lean
def get(stream: np.ndarray, bits: np.ndarray, count: int) -> int:
    """The next bits, the lowest first; zeros after the end. `bits` is as in :func:`huffman.put`."""
    while bits[1] < count:
        if bits[2] < stream.size:
            bits[0] |= np.int64(stream[bits[2]]) << bits[1]
        bits[2] += 1
        bits[1] += 8
    value = bits[0] & ((np.int64(1) << count) - 1)
    bits[0] >>= count
    bits[1] -= count
    return int(value)


@lean
def _sorted(lens: np.ndarray, count: int, ends: np.ndarray, symbols: np.ndarray) -> bool:
    """How many codes of each length, and their symbols in order; whether these are codes."""
    for n in range(16):
        ends[n] = 0
    for i in range(count):
        ends[lens[i]] += 1
    ends[0] = 0
    room = np.int64(1)
    at = np.int64(0)
    for n in range(1, 16):
        room = (room << 1) - ends[n]
        if room < 0:
            return False
        for i in range(count):
            if lens[i] == n:
                symbols[at] = i
                at += 1
    return True


@lean
def _symbol(stream: np.ndarray, bits: np.ndarray, ends: np.ndarray, symbols: np.ndarray) -> int:
    """The next symbol, or -1."""
    code = np.int64(0)
    first = np.int64(0)
    index = np.int64(0)
    for n in range(1, 16):
        code |= get(stream, bits, 1)
        count = ends[n]
        if code - count < first:
            return int(symbols[index + code - first])
        index += count
        first = (first + count) << 1
        code <<= 1
    return -1


@lean
def _codes(stream: np.ndarray, bits: np.ndarray, b: Block) -> bool:
    """Read how long the codes of a dynamic block are."""
    head = b.head
    head[LITS] = get(stream, bits, 5) + 257
    head[FARS] = get(stream, bits, 5) + 1
    head[SENT] = get(stream, bits, 4) + 4
    if head[LITS] > LITERALS or head[FARS] > DISTANCES:
        return False
    b.run_lens[:] = 0
    for i in range(head[SENT]):
        b.run_lens[huffman.ORDER[i]] = get(stream, bits, 3)
    ends, symbols = b.work[0], b.work[1]
    if not _sorted(b.run_lens, LENGTHS, ends, symbols):
        return False
    both = b.work[2]
    total = head[LITS] + head[FARS]
    at = np.int64(0)
    runs = np.int64(0)
    while at < total:
        symbol = _symbol(stream, bits, ends, symbols)
        if symbol < 0 or (symbol == 16 and at == 0):
            return False
        count = np.int64(1)
        value = symbol
        if symbol == 16:
            count = 3 + get(stream, bits, 2)
            value = both[at - 1]
        elif symbol > 16:
            count = 3 + get(stream, bits, 3) if symbol == 17 else 11 + get(stream, bits, 7)
            value = np.int64(0)
        if at + count > total:
            return False
        for _ in range(count):
            both[at] = value
            at += 1
        b.runs[runs, 0] = symbol
        b.runs[runs, 1] = count
        runs += 1
    head[RUNS] = runs
    b.lens[:] = 0
    b.far_lens[:] = 0
    for i in range(head[LITS]):
        b.lens[i] = both[i]
    for i in range(head[FARS]):
        b.far_lens[i] = both[head[LITS] + i]
    return True


@lean
def read(stream: np.ndarray, bits: np.ndarray, at: int, size: int, b: Block) -> bool:
    """Read a block, which stands for bytes of `size` from `at` on. Whether it is one."""
    head = b.head
    head[FINAL] = get(stream, bits, 1)
    head[KIND] = get(stream, bits, 2)
    head[SIZE] = 0
    head[COUNT] = 0
    if head[KIND] == STORED:
        head[PAD] = get(stream, bits, bits[1] & 7)
        count = get(stream, bits, 16)
        other = get(stream, bits, 16)
        if other != count ^ 0xFFFF or count > size - at:
            return False
        head[COUNT] = count
        head[SIZE] = count
        for _ in range(count):
            get(stream, bits, 8)
        return bool(bits[2] <= stream.size)
    if head[KIND] == STATIC:
        huffman.static_lens(b.lens, b.far_lens)
    elif head[KIND] != DYNAMIC or not _codes(stream, bits, b):
        return False
    ends, symbols, far_ends, far_symbols = b.work[0], b.work[1], b.work[2], b.work[3]
    literals = 288 if head[KIND] == STATIC else LITERALS
    if not _sorted(b.lens, literals, ends, symbols):
        return False
    if not _sorted(b.far_lens, DISTANCES, far_ends, far_symbols):
        return False
    start = at
    count = np.int64(0)
    while bits[2] <= stream.size + 8:
        symbol = _symbol(stream, bits, ends, symbols)
        if symbol == END:
            head[COUNT] = count
            head[SIZE] = at - start
            return True
        if symbol < 0 or symbol >= LITERALS or at >= size:
            return False
        if symbol < END:
            b.tokens[count] = symbol
            at += 1
        else:
            code = symbol - END - 1
            length = huffman.BASE_LENGTH[code] + get(stream, bits, huffman.EXTRA_LENGTH[code])
            far = _symbol(stream, bits, far_ends, far_symbols)
            if far < 0:
                return False
            distance = 1 + huffman.BASE_DISTANCE[far]
            distance += get(stream, bits, huffman.EXTRA_DISTANCE[far])
            if distance > at or length + 3 > size - at:
                return False
            # The longest match has a code of its own, but another one says it, too.
            b.tokens[count] = length + np.int64(length == 255 and code == 27) | distance << 16
            at += length + 3
        count += 1
    return False
