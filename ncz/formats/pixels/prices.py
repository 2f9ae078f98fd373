"""What tokens cost by those before: who weighs bits takes a match only where it is cheaper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ncz.codec.jit import lean
from ncz.formats.pixels import huffman
from ncz.formats.pixels.huffman import DISTANCES, LITERALS

WEIGHTS = 32
"""What :func:`weigh` may say."""

_FARS = 512  # where the counts of distances' codes start
_TOTALS = 1022
_MOST = 1 << 15  # tokens that are counted, before all counts are halved
_EIGHTH = 8  # parts of a bit
# floor(8 log2 n), without floats.
_LOG = np.array([0] + [(n**_EIGHTH).bit_length() - 1 for n in range(1, 4096)], np.int64)
_SUMMED = 12  # literals that are summed; more are dearer than any match


def prices() -> NDArray[np.int64]:
    """Counts of nothing yet, int64[1024]."""
    counts = np.zeros(1024, np.int64)
    counts[:LITERALS] = 1
    counts[_FARS : _FARS + DISTANCES] = 1
    counts[_TOTALS:] = LITERALS, DISTANCES
    return counts


@lean
def _log(n: int) -> int:
    return int(_LOG[n]) if n < 4096 else int(_LOG[n >> 4]) + 4 * _EIGHTH


@lean
def _count(counts: np.ndarray, start: int, symbols: int, which: int, symbol: int) -> None:
    counts[start + symbol] += 1
    counts[_TOTALS + which] += 1
    if counts[_TOTALS + which] >= _MOST:
        total = np.int64(0)
        for i in range(start, start + symbols):
            counts[i] = (counts[i] + 1) >> 1
            total += counts[i]
        counts[_TOTALS + which] = total


@lean
def paid(counts: np.ndarray, literal: int, distance: int) -> None:
    """Count a token: a literal, or a length less 3 and a distance."""
    if distance == 0:
        _count(counts, 0, LITERALS, 0, literal)
        return
    _count(counts, 0, LITERALS, 0, huffman.CODE_OF_LENGTH[literal] + 257)
    _count(counts, _FARS, DISTANCES, 1, huffman.distance_code(distance - 1))


@lean
def weigh(counts: np.ndarray, data: np.ndarray, at: int, length: int, distance: int) -> int:
    """Bits that a match saves, against literals, from 0 (many more) to WEIGHTS - 1."""
    if length > _SUMMED:
        return WEIGHTS - 1
    total, far_total = _log(counts[_TOTALS]), _log(counts[_TOTALS + 1])
    saved = np.int64(0)
    for i in range(length):
        saved += total - _log(counts[data[at + i]])
    code = huffman.CODE_OF_LENGTH[length - 3]
    saved -= total - _log(counts[code + 257]) + _EIGHTH * huffman.EXTRA_LENGTH[code]
    code = huffman.distance_code(distance - 1)
    saved -= far_total - _log(counts[_FARS + code]) + _EIGHTH * huffman.EXTRA_DISTANCE[code]
    return int(min(max((saved >> 2) + 12, 0), WEIGHTS - 1))
