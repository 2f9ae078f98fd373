"""Binary decisions with chances that adapt, and numbers made of them: how a record is coded.

Encoder and decoder call the same functions: what is coded goes in, and comes back; a decoder puts
in anything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncz.codec import rangecoder as rc
from ncz.codec.jit import lean
from ncz.codec.tables import RECIPROCAL

NUMBER = 128
"""Chances that a number takes."""

_LIMIT = 254  # observations that a chance goes by
_LEAST = 16  # of 2^24
_LENGTHS = 40  # chances of a number's length


class Decisions(NamedTuple):
    """A coder and its chances.

    Attributes:
        coder: int64[6], of :mod:`ncz.codec.rangecoder`.
        code: uint8[n], what it writes or reads.
        chances: uint32[m], probability of a 1 in 22 bits, then 10 bits of how often it was seen.
        decode: int64[1], whether it reads.
    """

    coder: NDArray[np.int64]
    code: NDArray[np.uint8]
    chances: NDArray[np.uint32]
    decode: NDArray[np.int64]


def decisions(code: NDArray[np.uint8], chances: int, decode: bool) -> Decisions:
    """Decisions written to, or read from, `code`; so many of them are told apart."""
    coder = np.zeros(6, np.int64)
    if decode:
        rc.start_decoder(coder, code)
    else:
        rc.start_encoder(coder)
    fresh = np.full(chances, 1 << 31, np.uint32)
    return Decisions(coder, code, fresh, np.array([decode], np.int64))


@lean
def code_bit(d: Decisions, at: int, bit: int) -> int:
    """Code a decision by the chance at `at`."""
    entry = np.int64(d.chances[at])
    count = entry & 1023
    p = entry >> 10
    p1 = min(max(p << 2, _LEAST), (1 << 24) - _LEAST)
    if d.decode[0] != 0:
        bit = np.int64(rc.decode_bit(d.coder, d.code, p1))
    else:
        rc.encode_bit(d.coder, d.code, bit, p1)
    p += (((bit << 22) - p) * np.int64(RECIPROCAL[count])) >> 16
    d.chances[at] = p << 10 | min(count + 1, _LIMIT)
    return int(bit)


@lean
def code_even(d: Decisions, bits: int, value: int) -> int:
    """Code so many bits that are as likely 0 as 1."""
    found = np.int64(0)
    for i in range(bits - 1, -1, -1):
        bit = (value >> i) & 1
        if d.decode[0] != 0:
            bit = np.int64(rc.decode_bit(d.coder, d.code, 1 << 23))
        else:
            rc.encode_bit(d.coder, d.code, bit, 1 << 23)
        found = found << 1 | bit
    return int(found)


@lean
def code_tree(d: Decisions, at: int, bits: int, value: int) -> int:
    """Code a value of so many bits by the 2^bits chances at `at`."""
    node = np.int64(1)
    for i in range(bits - 1, -1, -1):
        node = node << 1 | code_bit(d, at + node, (value >> i) & 1)
    return int(node - (np.int64(1) << bits))


@lean
def code_number(d: Decisions, at: int, value: int) -> int:
    """Code a value of 0 to 2^32 - 2 by the NUMBER chances at `at`; small ones are short."""
    value += 1
    length = np.int64(0)
    while length < 32:
        if code_bit(d, at + length, np.int64((value >> (length + 1)) > 0)) == 0:
            break
        length += 1
    found = np.int64(1)
    for i in range(length - 1, -1, -1):
        bit = (value >> i) & 1
        if i >= length - 2:
            bit = code_bit(d, at + _LENGTHS + 2 * length + (length - 1 - i), bit)
        else:
            bit = code_even(d, 1, bit)
        found = found << 1 | bit
    return int(found - 1)
