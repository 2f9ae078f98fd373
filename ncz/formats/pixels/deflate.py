"""Deflate as zlib writes it, byte for byte: what a PNG's compressed stream is made anew from.

A PNG comes back as it was only if its pixels give the same stream again. The library that a machine
has may be another one (zlib-ng finds other matches), so zlib's search for matches is done here:
hash chains, lazy evaluation and their limits for each level as in ``deflate.c`` of zlib 1.2.
A file made with other means is not made anew, and is coded in another way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncz.codec.jit import jit, lean
from ncz.formats.pixels import huffman

DEFAULT, FILTERED, HUFFMAN, RLE, FIXED = range(5)
"""Strategies, by zlib's numbers."""

_LONGEST, _SHORTEST = 258, 3
AHEAD = _LONGEST + _SHORTEST + 1
"""Bytes that a search may look at."""
_FAR = 4096  # matches of three bytes beyond are none
LEVELS = np.array(
    [  # good, lazy, nice, chain
        (0, 0, 0, 0), (4, 4, 8, 4), (4, 5, 16, 8), (4, 6, 32, 32), (4, 4, 16, 16),
        (8, 16, 32, 32), (8, 16, 128, 128), (8, 32, 128, 256), (32, 128, 258, 1024),
        (32, 258, 258, 4096),
    ],
    np.int64,
)  # fmt: skip
_LAZY = 4  # the first level that evaluates lazily


class Parameters(NamedTuple):
    """What ``deflateInit2`` is told.

    Attributes:
        level: 1 to 9.
        strategy: 0 to 4.
        memory: 1 to 9.
        window: binary logarithm of the window's size, 9 to 15.
    """

    level: int
    strategy: int
    memory: int
    window: int

    @property
    def valid(self) -> bool:
        """They are within these bounds."""
        return (
            1 <= self.level <= 9
            and 0 <= self.strategy <= 4
            and 1 <= self.memory <= 9
            and 9 <= self.window <= 15
        )


def deflate(raw: bytes | NDArray[np.uint8], how: Parameters) -> bytes:
    """The raw deflate stream (no zlib head, no check) that zlib makes of `raw`.

    >>> import zlib
    >>> made = zlib.compressobj(9, wbits=-15)
    >>> text = b"what is repeated is repeated" * 9
    >>> deflate(text, Parameters(9, DEFAULT, 8, 15)) == made.compress(text) + made.flush()
    True
    """
    data = raw if isinstance(raw, np.ndarray) else np.frombuffer(bytearray(raw), np.uint8)
    out = np.zeros(_room(data.size), np.uint8)
    size = _run(data, how, out, np.zeros(0, np.uint8))
    return out[:size].tobytes()


def agrees(raw: NDArray[np.uint8], how: Parameters, stream: NDArray[np.uint8]) -> bool:
    """Whether `stream` is what zlib makes of `raw`. The first block that is another one ends it."""
    out = np.zeros(stream.size, np.uint8)
    return _run(raw, how, out, stream) == stream.size and bool((out == stream).all())


def _room(size: int) -> int:
    return size + size // 8 + 1024


def _run(
    data: NDArray[np.uint8], how: Parameters, out: NDArray[np.uint8], expected: NDArray[np.uint8]
) -> int:
    good, lazy, nice, chain = (int(n) for n in LEVELS[how.level])
    setup = np.array(
        [
            good, lazy, nice, chain, how.strategy, 1 << how.window, how.memory + 7,
            (1 << (how.memory + 6)) - 1, how.level >= _LAZY,
        ],
        np.int64,
    )  # fmt: skip
    heads = np.zeros(1 << (how.memory + 7), np.int32)
    previous = np.zeros(1 << how.window, np.int32)
    tokens = np.zeros(1 << (how.memory + 6), np.int64)
    work = np.zeros((14, 2 * huffman.LITERALS + 2), np.int64)
    return int(_deflate(data, setup, heads, previous, tokens, work, out, expected))


@lean
def insert(data: np.ndarray, at: int, bits: int, heads: np.ndarray, previous: np.ndarray) -> int:
    """Note three bytes; return where they stood before, or 0."""
    shift = (bits + _SHORTEST - 1) // _SHORTEST
    h = (np.int64(data[at]) << shift) ^ np.int64(data[at + 1])
    h = ((h << shift) ^ np.int64(data[at + 2])) & ((1 << bits) - 1)
    found = np.int64(heads[h])
    previous[at & (previous.size - 1)] = found
    heads[h] = at
    return int(found)


@lean
def longest(
    data: np.ndarray, at: int, match: int, best: int, ahead: int, setup: np.ndarray,
    previous: np.ndarray,
) -> tuple[int, int, int]:  # fmt: skip
    """Length of the longest match that is longer than `best`, and where it starts.

    And the steps that this took: places looked at, and bytes of theirs found to be the same.
    """
    chain = setup[3]
    if best >= setup[0]:
        chain >>= 2
    nice = min(setup[2], ahead)
    reach = setup[5] - AHEAD
    limit = max(at - reach, 0)
    mask = previous.size - 1
    start = np.int64(0)
    most = min(np.int64(_LONGEST), ahead)
    steps = np.int64(0)
    while True:
        steps += 1
        # What lies behind the end equals nothing: a match that gets there has ended the search.
        if best < most and data[match + best] == data[at + best] and data[match] == data[at]:
            length = np.int64(0)
            while length < most and data[match + length] == data[at + length]:
                length += 1
            steps += length
            if length > best:
                start = match
                best = length
                if length >= nice:
                    break
        match = np.int64(previous[match & mask])
        chain -= 1
        if match <= limit or chain <= 0:
            break
    return min(best, ahead), start, steps


@jit
def _deflate(
    data: np.ndarray, setup: np.ndarray, heads: np.ndarray, previous: np.ndarray,
    tokens: np.ndarray, work: np.ndarray, out: np.ndarray, expected: np.ndarray,
) -> int:  # fmt: skip
    """Number of bytes of the stream. Where some are expected, it ends at others."""
    lazy, strategy, window, bits, most = setup[1], setup[4], setup[5], setup[6], setup[7]
    slow = setup[8] != 0 and strategy != HUFFMAN and strategy != RLE
    size = np.int64(data.size)
    reach = window - AHEAD
    put = np.zeros(3, np.int64)
    count = np.int64(0)
    at = np.int64(0)
    block = np.int64(0)
    base = np.int64(0)  # of zlib's window, two windows long, in `data`
    filled = min(size, 2 * window)
    length = np.int64(_SHORTEST - 1)
    start = np.int64(0)
    waits = False
    checked = np.int64(0)
    while at < size:
        while filled - at < AHEAD and filled < size:
            if at - base >= window + reach:
                base += window
            filled = min(size, base + 2 * window)
        ahead = size - at
        full = False
        end = at  # of the block, if it is full
        if strategy in (HUFFMAN, RLE):
            run = np.int64(0)
            if strategy == RLE and ahead >= _SHORTEST and at > 0:
                while run < min(ahead, _LONGEST) and data[at + run] == data[at - 1]:
                    run += 1
            if run >= _SHORTEST:
                tokens[count] = run - _SHORTEST | 1 << 16
                at += run
            else:
                tokens[count] = np.int64(data[at])
                at += 1
            count += 1
            full = count == most
            end = at
        elif not slow:
            found = np.int64(0)
            if ahead >= _SHORTEST:
                found = insert(data, at, bits, heads, previous)
            length = np.int64(_SHORTEST - 1)
            if found != 0 and at - found <= reach:
                length, start, _ = longest(data, at, found, length, ahead, setup, previous)
            if length >= _SHORTEST:
                tokens[count] = length - _SHORTEST | (at - start) << 16
                if length <= lazy and ahead - length >= _SHORTEST:
                    for i in range(1, length):
                        insert(data, at + i, bits, heads, previous)
                at += length
            else:
                tokens[count] = np.int64(data[at])
                at += 1
            count += 1
            full = count == most
            end = at
        else:
            found = np.int64(0)
            if ahead >= _SHORTEST:
                found = insert(data, at, bits, heads, previous)
            before, before_start = length, start
            length = np.int64(_SHORTEST - 1)
            if found != 0 and before < lazy and at - found <= reach:
                length, start, _ = longest(data, at, found, max(before, 2), ahead, setup, previous)
                if length <= 5 and (
                    strategy == FILTERED or (length == _SHORTEST and at - start > _FAR)
                ):
                    length = np.int64(_SHORTEST - 1)
            if before >= _SHORTEST and length <= before:
                tokens[count] = before - _SHORTEST | (at - 1 - before_start) << 16
                count += 1
                full = count == most
                last = at + ahead - _SHORTEST
                for i in range(1, before - 1):
                    if at + i <= last:
                        insert(data, at + i, bits, heads, previous)
                at += before - 1
                waits = False
                length = np.int64(_SHORTEST - 1)
                end = at
            elif waits:
                tokens[count] = np.int64(data[at - 1])
                count += 1
                full = count == most
                end = at
                at += 1
            else:
                waits = True
                at += 1
        if full:
            huffman.flush(
                tokens, count, data, block, end, block >= base, strategy == FIXED, False, out, put,
                work,
            )  # fmt: skip
            block = end
            count = np.int64(0)
            if expected.size > 0:
                stop = min(put[2], expected.size)
                while checked < stop:
                    if out[checked] != expected[checked]:
                        return int(put[2])
                    checked += 1
    if waits:
        tokens[count] = np.int64(data[size - 1])
        count += 1
    huffman.flush(
        tokens, count, data, block, size, block >= base, strategy == FIXED, True, out, put, work
    )
    return int(put[2])
