"""Contexts for text: prose in any language, markup, source code, logs, tables in ASCII.

Bytes ≥ 0x80 count as letters, so that words in UTF-8 hold together. Everything is exact
integer arithmetic on what came before the current byte.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import lean
from ncz.models.contextmix.hashing import add, mix

COUNT = 28
"""Contexts computed here."""

# Indices into the history, int64[64]. Those up to LAST8 are shared with the binary contexts.
LAST4, LAST8 = 0, 1  # the last four bytes, newest in the low byte; the four before them
WORD0, WORD1, WORD2, WORD3 = 2, 3, 4, 5  # hashes of the word being spelt and those before
GAP = 6  # hash of what stands between the last word and this
LINE, LINE_BEFORE = 7, 8  # where this line and the one before start
INITIALS = 9  # first letters of the last four words
SHAPE = 10  # three bits a byte: what class of character each of the last ones was
LENGTH = 11  # letters of the current word
FIELD = 12  # words and numbers seen in this line
FIRST = 13  # hash of the line's first word
MASKED = 14  # the last eight bytes with every digit made 0


@lean
def _shape(c: int) -> int:
    if 97 <= c <= 122:
        return 1
    if c == 32:
        return 4
    if c >= 128:
        return 2
    if 65 <= c <= 90:
        return 0
    if 48 <= c <= 57:
        return 3
    if c == 10:
        return 5
    if c == 46 or c == 44 or c == 59 or c == 58 or c == 33 or c == 63:
        return 6
    return 7


@lean
def _see(data: np.ndarray, pos: int, v: np.ndarray, words: np.ndarray) -> None:
    """Take the byte before `pos` into the history."""
    c = np.int64(data[pos - 1])
    lower = c + 32 if 65 <= c <= 90 else c
    shape = _shape(c)
    if shape <= 2:
        if v[WORD0] == 0:
            v[INITIALS] = (v[INITIALS] << 8 | lower) & 0xFFFFFFFF
            v[LENGTH] = 0
        v[WORD0] = mix(v[WORD0], lower)
        v[LENGTH] += 1
    else:
        if v[WORD0] != 0:
            v[WORD3] = v[WORD2]
            v[WORD2] = v[WORD1]
            v[WORD1] = v[WORD0]
            if v[FIELD] == 0:
                v[FIRST] = v[WORD0]
            words[v[FIELD] & 255] = v[WORD0]
            v[FIELD] += 1
            v[WORD0] = 0
            v[GAP] = 0
            v[LENGTH] = 0
        v[GAP] = mix(v[GAP], c)
        if c == 10:
            v[LINE_BEFORE] = v[LINE]
            v[LINE] = pos
            v[FIELD] = 0
            v[FIRST] = 0
    v[SHAPE] = (v[SHAPE] << 3 | shape) & 0xFFFFFFFFFF
    v[MASKED] = v[MASKED] << 8 | (48 if shape == 3 else c)


@lean
def contexts(
    data: np.ndarray,
    pos: int,
    v: np.ndarray,
    words: np.ndarray,
    after1: np.ndarray,
    after2: np.ndarray,
    ctx: np.ndarray,
    select: np.ndarray,
) -> None:
    """Compute the contexts of the byte at `pos` into `ctx`, mixer selections into `select`."""
    if pos > 0:
        _see(data, pos, v, words)
    c4 = v[LAST4]
    c8 = v[LAST8]
    c1 = c4 & 0xFF
    c2 = (c4 >> 8) & 0xFF
    above = np.int64(0)
    column = pos - v[LINE]
    if v[LINE_BEFORE] + column < v[LINE]:
        above = np.int64(data[v[LINE_BEFORE] + column])
    w0 = v[WORD0]
    w1 = v[WORD1]
    shape = v[SHAPE]
    history2 = after2[c4 & 0xFFFF]
    ctx[0] = c1
    ctx[1] = c4 & 0xFFFF
    ctx[2] = c4 & 0xFFFFFF
    ctx[3] = c4
    ctx[4] = c4 | (c8 & 0xFF) << 32
    ctx[5] = c4 | (c8 & 0xFFFF) << 32
    ctx[6] = mix(c4, c8)
    ctx[7] = mix(w0, c1)
    ctx[8] = mix(w0, w1)
    ctx[9] = mix(add(w0, 7), v[WORD2])
    ctx[10] = mix(mix(w0, w1), v[WORD2])
    ctx[11] = mix(w0, v[GAP])
    ctx[12] = c4 & 0xFFFF00
    ctx[13] = c4 & 0xFFFF0000
    ctx[14] = c4 & 0xFF00FF
    ctx[15] = mix(above, c1)
    ctx[16] = after1[c1] << 8 | c1
    ctx[17] = mix(history2, c1)
    ctx[18] = mix(v[INITIALS], w0)
    ctx[19] = mix(shape, c1)
    ctx[20] = mix(w1, c1)
    ctx[21] = mix(add(words[v[FIELD] & 255], 3), add(w0, 1))
    ctx[22] = mix(shape & 0xFFFFFF, w0)
    ctx[23] = mix(column, c1)
    ctx[24] = 0
    ctx[25] = mix(history2, c4 & 0xFFFF)
    ctx[26] = mix(mix(v[FIRST], v[FIELD]), w0)
    ctx[27] = mix(v[MASKED] & 0xFFFFFFFFFFFF, 5)
    select[4] = c1
    select[5] = shape & 0x1FF
    select[6] = c2
    select[7] = min(v[LENGTH], 15) * 16 + (7 if above == 0 else _shape(above)) * 2 + (v[FIELD] > 3)
