"""A binary range coder with 24-bit probabilities, carry-correct, nothing wasted at the end.

The interval is 32 bits wide and never narrower than 2²⁴ when a bit is coded, so a
probability of one in 2²⁴ still has a subinterval of its own. A carry runs back through
bytes not yet written (Schindler 1998; the byte-wise form is Subbotin's and LZMA's). The
last bytes are cut to the fewest that decode: a reader takes what is missing as zeros.

State is an int64 array (see the indices below), so that compiled code can hold it. One
coder costs about 3 ns a bit; the loss against the ideal code length is below 10⁻⁶.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import lean

LOW, RANGE, CODE, POS, CACHE, PENDING = range(6)
"""Indices into the state: interval base, width, decoder's value, next byte, delayed byte,
number of delayed bytes."""

_TOP = 1 << 24
_MASK32 = (1 << 32) - 1


@lean
def start_encoder(state: np.ndarray) -> None:
    """Prepare `state`, int64[6], for encoding."""
    state[LOW] = 0
    state[RANGE] = _MASK32
    state[CODE] = 0
    state[POS] = 0
    state[CACHE] = 0
    state[PENDING] = 0


@lean
def _shift_low(state: np.ndarray, out: np.ndarray) -> None:
    low = state[LOW]
    # The first byte is kept even if it is 0xFF: no byte before it could take a carry.
    if state[PENDING] == 0 or low < 0xFF000000 or low > _MASK32:
        carry = low >> 32
        pending = state[PENDING]
        pos = state[POS]
        byte = state[CACHE] + carry
        while pending > 0:
            if pos < out.size:
                out[pos] = byte & 0xFF
            pos += 1
            byte = 0xFF + carry
            pending -= 1
        state[POS] = pos
        state[PENDING] = 0
        state[CACHE] = (low >> 24) & 0xFF
    state[PENDING] += 1
    state[LOW] = (low & 0x00FFFFFF) << 8


@lean
def encode_bit(state: np.ndarray, out: np.ndarray, bit: int, p1: int) -> None:
    """Encode `bit`, whose probability of being 1 is p1 / 2²⁴, 0 < p1 < 2²⁴.

    Bytes past the end of `out` are counted in ``state[POS]`` but not written.
    """
    width = state[RANGE]
    bound = (width * p1) >> 24
    if bit:
        width = bound
    else:
        state[LOW] += bound
        width -= bound
    while width < _TOP:
        width <<= 8
        state[RANGE] = width
        _shift_low(state, out)
    state[RANGE] = width


@lean
def finish_encoder(state: np.ndarray, out: np.ndarray) -> int:
    """Write the last bytes; return the number of bytes of the code (may exceed `out.size`)."""
    # The interval holds exactly one multiple of 2^24 at or above its base: all that follows
    # the byte it starts with is zeros, which need not be written.
    state[LOW] = (state[LOW] + _TOP - 1) & ~(_TOP - 1)
    for _ in range(5):
        _shift_low(state, out)
    size = state[POS]
    if size <= out.size:
        while size > 0 and out[size - 1] == 0:
            size -= 1
    return size


@lean
def start_decoder(state: np.ndarray, code: np.ndarray) -> None:
    """Prepare `state`, int64[6], for decoding the uint8 array `code`."""
    state[LOW] = 0
    state[RANGE] = _MASK32
    value = 0
    for i in range(4):
        value <<= 8
        if i < code.size:
            value |= np.int64(code[i])
    state[CODE] = value
    state[POS] = 4


@lean
def decode_bit(state: np.ndarray, code: np.ndarray, p1: int) -> int:
    """Decode one bit whose probability of being 1 is p1 / 2²⁴, 0 < p1 < 2²⁴."""
    width = state[RANGE]
    bound = (width * p1) >> 24
    value = state[CODE]
    if value < bound:
        bit = 1
        width = bound
    else:
        bit = 0
        value -= bound
        width -= bound
    while width < _TOP:
        width <<= 8
        pos = state[POS]
        value <<= 8
        if pos < code.size:
            value |= np.int64(code[pos])
        state[POS] = pos + 1
    state[CODE] = value
    state[RANGE] = width
    return bit


@lean
def encode_range(state: np.ndarray, out: np.ndarray, low: int, high: int) -> None:
    """Encode one of several events, which has the share [low, high) of 2²⁴; low < high.

    Bytes past the end of `out` are counted in ``state[POS]`` but not written.
    """
    width = state[RANGE]
    start = (width * low) >> 24
    state[LOW] += start
    width = ((width * high) >> 24) - start
    while width < _TOP:
        width <<= 8
        state[RANGE] = width
        _shift_low(state, out)
    state[RANGE] = width


@lean
def reaches(state: np.ndarray, low: int) -> bool:
    """Whether the event that comes next has its share at or above `low`, of 2²⁴."""
    return bool(state[CODE] >= (state[RANGE] * low) >> 24)


@lean
def decode_range(state: np.ndarray, code: np.ndarray, low: int, high: int) -> None:
    """Go on past an event with the share [low, high), found by :func:`reaches`."""
    width = state[RANGE]
    start = (width * low) >> 24
    value = state[CODE] - start
    width = ((width * high) >> 24) - start
    while width < _TOP:
        width <<= 8
        pos = state[POS]
        value <<= 8
        if pos < code.size:
            value |= np.int64(code[pos])
        state[POS] = pos + 1
    state[CODE] = value
    state[RANGE] = width
