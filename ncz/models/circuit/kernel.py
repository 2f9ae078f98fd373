"""What codes rows by a circuit: one pass over the tree for several rows at once, in integers.

Variables are coded in the tree's order, each after its parent, with what stands below a variable
right after it. So it is enough to know, along the path from the root to the variable at hand, two
things of each latent variable: what was coded outside of the part of the tree below it says of it
(``outside``), and what was coded below it does (``inside``). Every edge is gone down once and up
once, so that a row costs two products of a vector with each edge's matrix, whatever the shape of
the tree; P(x_i | x_1 ... x_{i-1}) is a ratio of two sums at each step.

All numbers are integers, and no sum comes near the end of its type, so the order in which a
compiler adds has no influence:

- the rows of an edge add up to at most 2^15;
- ``inside`` is scaled by powers of two alone, its largest value in [2^14, 2^15);
- what goes down an edge adds up to about 2^15, so that its sums stay below 2^31;
- what comes up an edge is below 2^15 times rows that add up to 2^15: below 2^30;
- ``outside`` has 20 bits, and shares of symbols 30: their sums stay below 2^51.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit, lean
from ncz.codec.rangecoder import (
    decode_range,
    encode_range,
    finish_encoder,
    reaches,
    start_decoder,
    start_encoder,
)

EDGE_BITS = 15
SHARE_BITS = 30
_OUTSIDE_BITS = 20
_SHIFT = 13  # of sums of shares, so that 24 bits more have room
_WHOLE = np.int64(1 << 24)
_LIMB_BITS = 16


@lean
def _bits(value: int) -> int:
    """How many bits `value` has, at least 0."""
    count = 0
    while value > 0:
        value >>= 1
        count += 1
    return count


@lean
def _go_up(edge: np.ndarray, inside: np.ndarray, above: np.ndarray, room: np.ndarray) -> None:
    """Have `above`, the parent's ``inside``, know what `inside`, the child's, does.

    Args:
        edge: uint16[M, M]; rows are the parent's states.
        inside: int32[M].
        above: int32[M], changed.
        room: int64[M], to work in.
    """
    size = above.size
    largest = np.int64(0)
    for row in range(size):
        total = np.int32(0)
        for column in range(size):
            total = np.int32(total + np.int32(edge[row, column]) * inside[column])
        both = np.int64(total) * np.int64(above[row])  # below 2^45
        room[row] = both
        largest = max(largest, both)
    if largest == 0:  # what was seen cannot be; nothing is known
        for row in range(size):
            above[row] = (1 << EDGE_BITS) - 1
        return
    shift = _bits(largest) - EDGE_BITS
    for row in range(size):
        above[row] = room[row] >> shift if shift >= 0 else room[row] << -shift


@lean
def _belief(outside: np.ndarray, inside: np.ndarray, room: np.ndarray) -> None:
    """What all that was coded says of a latent variable, adding up to about 2^15, into `room`.

    Args:
        outside: int32[M], below 2^21 each.
        inside: int32[M], below 2^15 each.
        room: int32[M].
    """
    size = outside.size
    total = np.int64(0)
    for z in range(size):
        total += np.int64(outside[z]) * np.int64(inside[z])  # below 2^36 each
    if total == 0:
        for z in range(size):
            room[z] = (1 << EDGE_BITS) // size
        return
    scale = (np.int64(1) << 46) // total
    for z in range(size):
        part = np.int64(outside[z]) * np.int64(inside[z])
        room[z] = (part * scale + (np.int64(1) << 30)) >> 31


@lean
def _go_down(edge: np.ndarray, belief: np.ndarray, outside: np.ndarray) -> None:
    """``outside`` of a child, from the :func:`_belief` of its parent.

    Args:
        edge: uint16[M, M]; rows are the parent's states.
        belief: int32[M], adding up to at most 2^15 and a little.
        outside: int32[M], overwritten; adds up to about 2^20.
    """
    size = outside.size
    for z in range(size):
        outside[z] = 0
    for row in range(size):
        weight = belief[row]
        if weight:
            for z in range(size):
                outside[z] = np.int32(outside[z] + weight * np.int32(edge[row, z]))
    shift = 2 * EDGE_BITS - _OUTSIDE_BITS
    for z in range(size):
        outside[z] = (outside[z] + (1 << (shift - 1))) >> shift


@lean
def _sum(outside: np.ndarray, shares: np.ndarray) -> int:
    total = np.int64(0)
    for z in range(outside.size):
        total += np.int64(outside[z]) * np.int64(shares[z])
    return total >> _SHIFT


@lean
def _bound(share: int, total: int, number: int, count: int) -> int:
    """Where the share of symbol `number` of `count` starts, of 2^24: each has one at least."""
    return number + share * (_WHOLE - count) // total


@lean
def _even_bits(width: int) -> int:
    """How many low bits of a number below `width` are coded evenly, apart from those above them."""
    if width == 0:
        return 64 - _LIMB_BITS
    return max(0, _bits(width - 1) - _LIMB_BITS)


@lean
def _encode_number(state: np.ndarray, out: np.ndarray, value: int, width: int) -> None:
    """Encode 0 <= value < width, all alike likely; a width of 0 stands for 2^64.

    The highest 16 bits that a number can have are coded as one of as many values as there are, so
    that next to nothing goes to numbers from the width on; the bits below follow, 16 at a time.
    """
    left = _even_bits(width)
    part = (value >> left) & 0xFFFF
    count = (((width - 1) >> left) & 0xFFFF) + 1
    encode_range(state, out, part * _WHOLE // count, (part + 1) * _WHOLE // count)
    while left > 0:
        bits = min(left, _LIMB_BITS)
        left -= bits
        count = np.int64(1) << bits
        part = (value >> left) & (count - 1)
        encode_range(state, out, part * _WHOLE // count, (part + 1) * _WHOLE // count)


@lean
def _decode_even(state: np.ndarray, code: np.ndarray, count: int) -> int:
    """One of `count` values, at most 2^16, all alike likely."""
    low, high = np.int64(0), np.int64(count)
    while high - low > 1:
        middle = (low + high) >> 1
        if reaches(state, middle * _WHOLE // count):
            low = middle
        else:
            high = middle
    decode_range(state, code, low * _WHOLE // count, (low + 1) * _WHOLE // count)
    return low


@lean
def _decode_number(state: np.ndarray, code: np.ndarray, width: int) -> int:
    """What :func:`_encode_number` was given; of damaged bytes, it may be `width` or a bit more."""
    left = _even_bits(width)
    value = _decode_even(state, code, (((width - 1) >> left) & 0xFFFF) + 1)
    while left > 0:
        bits = min(left, _LIMB_BITS)
        left -= bits
        value = (value << bits) | _decode_even(state, code, np.int64(1) << bits)
    return value


@jit
def code(
    decode: bool,
    buffer: np.ndarray,
    symbols: np.ndarray,
    extra: np.ndarray,
    parent: np.ndarray,
    depth: np.ndarray,
    root: np.ndarray,
    edges: np.ndarray,
    start: np.ndarray,
    known: np.ndarray,
    shares: np.ndarray,
    widths: np.ndarray,
) -> int:
    """Encode a few rows, or decode as many.

    Args:
        decode: or else encode.
        buffer: uint8[n]; coded bytes, or room for them.
        symbols: int32[G, D], at the tree's places; read, or written.
        extra: int64[G, D]; what is to be known beyond a symbol, below its width.
        parent: int32[D]; of places, -1 for the root.
        depth: int32[D].
        root: int32[M]; shares of the root's states, adding up to about 2^20.
        edges: uint16[D, M, M].
        start: int64[D + 1]; where the symbols of each place start.
        known: int32[S, M]; of each symbol, how it speaks for the states, the largest below 2^15.
        shares: uint32[S + D, M]; sums of the shares of a place's symbols, of 2^30, from nothing
            to all: one more row than symbols.
        widths: int64[S]; how many values a symbol stands for, 0 for all.

    Returns:
        size of the code, which may exceed the room; 0 when decoding.
    """
    rows, places = symbols.shape
    size = root.size
    deepest = depth.max() + 1
    outside = np.zeros((rows, deepest, size), np.int32)
    inside = np.zeros((rows, deepest, size), np.int32)
    belief = np.zeros(size, np.int32)
    room = np.zeros(size, np.int64)
    state = np.zeros(6, np.int64)
    if decode:
        start_decoder(state, buffer)
    else:
        start_encoder(state)
    at = -1
    for place in range(places):
        while at != parent[place]:
            level = depth[at]
            for row in range(rows):
                _go_up(edges[at], inside[row, level], inside[row, level - 1], room)
            at = parent[at]
        first = start[place] + place
        count = start[place + 1] - start[place]
        level = depth[place]
        for row in range(rows):
            here = outside[row, level]
            if place == 0:
                here[:] = root
            else:
                _belief(outside[row, level - 1], inside[row, level - 1], belief)
                _go_down(edges[place], belief, here)
            total = _sum(here, shares[first + count])
            if total == 0:
                here[:] = (1 << _OUTSIDE_BITS) // size
                total = _sum(here, shares[first + count])
            if decode:
                low, high = np.int64(0), count
                from_ = np.int64(0)
                to = _WHOLE
                while high - low > 1:
                    middle = (low + high) >> 1
                    bound = _bound(_sum(here, shares[first + middle]), total, middle, count)
                    if reaches(state, bound):
                        low = middle
                        from_ = bound
                    else:
                        high = middle
                        to = bound
                symbol = low
                decode_range(state, buffer, from_, to)
                symbols[row, place] = symbol
                extra[row, place] = 0
            else:
                symbol = np.int64(symbols[row, place])
                from_ = _bound(_sum(here, shares[first + symbol]), total, symbol, count)
                to = _bound(_sum(here, shares[first + symbol + 1]), total, symbol + 1, count)
                encode_range(state, buffer, from_, to)
            width = widths[start[place] + symbol]
            if width != 1:
                if decode:
                    extra[row, place] = _decode_number(state, buffer, width)
                else:
                    _encode_number(state, buffer, extra[row, place], width)
            inside[row, level, :] = known[start[place] + symbol]
        at = place
    if decode:
        return 0
    return finish_encoder(state, buffer)
