"""The tokens of a deflate stream that zlib did not make, told by what zlib would have made.

Who has the bytes that a stream stands for lacks only the choices of its writer: where blocks end,
which tokens they have, by which codes. Each choice is guessed (:mod:`ncz.formats.pixels.guess`,
:mod:`ncz.formats.pixels.heads`), and what is recorded is how it differs. As preflate (Dirk Steinke)
and grittibanzli do.

How long it takes is linear in the size: a search may take 4096 steps a byte, which no picture has
been seen to need, and looks at few places when it has taken more.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncz.codec import rangecoder as rc
from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.codec.jit import jit, lean
from ncz.formats.pixels import guess, heads, huffman, inflate, prices
from ncz.formats.pixels.decisions import (
    NUMBER,
    Decisions,
    code_bit,
    code_even,
    code_number,
    code_tree,
    decisions,
)
from ncz.formats.pixels.deflate import AHEAD
from ncz.formats.pixels.guess import Search
from ncz.formats.pixels.inflate import COUNT, FINAL, KIND, PAD, SIZE, Block

_DAMAGED = "the record of a PNG file's stream is damaged"
_SPARE = 1 << 12
_FIXED = 1 << 20
_SAMPLE = 1 << 16  # bytes that parameters are chosen by

# Chances.
_HEADS = 0
_BLOCK = _HEADS + heads.CHANCES  # last, kind, to the end, as many as before
_PADS = _BLOCK + 64
_COUNTS = _PADS + 512
_LITERAL = _COUNTS + 2 * NUMBER
_AS_LONG = _LITERAL + 3 * 8 * 16 * prices.WEIGHTS
_AS_FAR = _AS_LONG + 8 * 32
_LENGTH = _AS_FAR + 8 * 32
_LONG_WAY = _LENGTH + 16 * 256
_RANKS = _LONG_WAY + 1
_DISTANCE = _RANKS + 8 * NUMBER
_CHANCES = _DISTANCE + 128

_DONE, _WRONG, _SHORT = 1, -1, 0
GRADE = np.searchsorted(
    [1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 18, 34, 66, 130, 258], np.arange(259), "right"
)
"""int64[259]: a length, or one less some, in 16 steps."""
_MOST_RANKS = 255


def take(plain: NDArray[np.uint8], stream: NDArray[np.uint8]) -> bytes | None:
    """The record of a stream, or None where it would be no smaller than the stream.

    Args:
        plain: uint8[n], what the stream stands for.
        stream: uint8[m], deflate with no head and no check.
    """
    how, crossing = _chosen(plain, stream)
    record = _coded(plain, stream, how, crossing, plain.size)
    if record is None:
        return None
    told = b"".join(varint.encode(int(n)) for n in how)
    return told + bytes([crossing]) + record


def put(plain: NDArray[np.uint8], record: bytes, size: int) -> NDArray[np.uint8]:
    """The stream of `size` bytes again, uint8.

    Raises:
        FormatError: there is none with this record.
    """
    at, numbers = 0, []
    try:
        for _ in range(9):
            number, at = varint.decode(record, at)
            numbers.append(min(number, 1 << 20))
    except (varint.Incomplete, ValueError):
        raise FormatError(_DAMAGED) from None
    how = np.array(numbers, np.int64)
    if not guess.valid(how) or at >= len(record) or record[at] > 1:
        raise FormatError(_DAMAGED)
    code = np.frombuffer(bytearray(record[at + 1 :]), np.uint8)
    d = decisions(code, _CHANCES, True)
    out = np.zeros(size, np.uint8)
    s = guess.search(how)
    b = inflate.block(plain.size)
    if _run(d, plain, out, b, s, prices.prices(), int(record[at]), plain.size) != _DONE:
        raise FormatError(_DAMAGED)
    return out


def memory(plain_size: int, stream_size: int) -> int:
    """Bytes that a record takes to be made or read, but for the stream and what it stands for."""
    return 4 * plain_size + stream_size + _FIXED


def _coded(
    plain: NDArray[np.uint8],
    stream: NDArray[np.uint8],
    how: NDArray[np.int64],
    crossing: int,
    until: int,
) -> bytes | None:
    code = np.zeros(stream.size + _SPARE, np.uint8)
    d = decisions(code, _CHANCES, False)
    s, b = guess.search(how), inflate.block(plain.size)
    if _run(d, plain, stream, b, s, prices.prices(), crossing, until) == _WRONG:
        return None
    size = rc.finish_encoder(d.coder, code)
    return code[:size].tobytes() if size < stream.size else None


@jit
def _run(
    d: Decisions, data: np.ndarray, stream: np.ndarray, b: Block, s: Search, counts: np.ndarray,
    crossing: int, until: int,
) -> int:  # fmt: skip
    """Code the choices of a stream, which is read, or written.

    Returns:
        _DONE, _SHORT where `until` bytes were passed before the end, or _WRONG.
    """
    decode = d.decode[0] != 0
    bits = np.zeros(3, np.int64)
    head = b.head
    size = np.int64(data.size)
    at = np.int64(0)
    usual = np.int64(0)  # tokens of a block
    before = np.int64(inflate.DYNAMIC)
    while True:
        if not decode and not inflate.read(stream, bits, at, size, b):
            return _WRONG
        end = at + head[SIZE]
        head[FINAL] = code_bit(d, _BLOCK, head[FINAL])
        head[KIND] = code_tree(d, _BLOCK + 4 + 4 * before, 2, head[KIND])
        before = head[KIND]
        if before > inflate.DYNAMIC:
            return _WRONG
        stored = before == inflate.STORED
        where = _BLOCK + 32 + 8 * np.int64(stored)
        whole = code_bit(d, where + head[FINAL], np.int64(end == size))
        if whole == 0:
            if code_bit(d, where + 2, np.int64(head[COUNT] == usual)) != 0:
                head[COUNT] = usual
            else:
                at_number = _COUNTS + NUMBER * np.int64(stored)
                head[COUNT] = code_number(d, at_number, head[COUNT])
            usual = head[COUNT]
            if usual > size - at:
                return _WRONG
        if stored:
            if whole != 0:
                head[COUNT] = size - at
            head[PAD] = _code_pad(d, 0, head[PAD])
            if head[COUNT] > 0xFFFF:
                return _WRONG
            if decode:
                _put_stored(data, at, b, stream, bits)
            _skip(data, at, head[COUNT], s)
            at += head[COUNT]
        else:
            at = _code_tokens(d, data, at, b, s, counts, whole != 0, until)
            if at < 0:
                return _WRONG
            if at >= until and until < size:
                return _SHORT
            if before == inflate.DYNAMIC and not heads.code_head(d, _HEADS, b, crossing):
                return _WRONG
            if decode:
                heads.put_block(b, stream, bits)
        if decode and bits[2] > stream.size:
            return _WRONG
        if head[FINAL] != 0:
            break
    # What fills up the last byte.
    if decode:
        pad = _code_pad(d, 1, np.int64(0))
        if bits[1] > 0:
            huffman.put(stream, bits, pad, 8 - bits[1])
        right = bits[2] == stream.size
    else:
        count = bits[1] & 7
        _code_pad(d, 1, inflate.get(stream, bits, count))
        right = bits[2] - (bits[1] >> 3) == stream.size
    return _DONE if at == size and right else _WRONG


@lean
def _code_pad(d: Decisions, which: int, pad: int) -> int:
    if code_bit(d, _PADS + which, np.int64(pad != 0)) == 0:
        return 0
    return int(code_tree(d, _PADS + 128, 7, pad))


@lean
def _put_stored(data: np.ndarray, at: int, b: Block, out: np.ndarray, bits: np.ndarray) -> None:
    huffman.put(out, bits, b.head[FINAL], 3)
    if bits[1] > 0:
        huffman.put(out, bits, b.head[PAD] & ((1 << (8 - bits[1])) - 1), 8 - bits[1])
    huffman.put(out, bits, b.head[COUNT], 16)
    huffman.put(out, bits, b.head[COUNT] ^ 0xFFFF, 16)
    for i in range(at, at + b.head[COUNT]):
        huffman.put(out, bits, np.int64(data[i]), 8)


@lean
def _skip(data: np.ndarray, at: int, count: int, s: Search) -> None:
    """Go on behind bytes that were stored."""
    done = np.int64(0)
    while done < count:
        part = min(count - done, np.int64(4))
        guess.advance(data, at + done, part, s)
        done += part


@lean
def _code_tokens(
    d: Decisions, data: np.ndarray, start: int, b: Block, s: Search, counts: np.ndarray,
    whole: bool, until: int
) -> int:  # fmt: skip
    """Code the tokens of a block. Returns the place behind it, or -1."""
    decode = d.decode[0] != 0
    size = np.int64(data.size)
    at = np.int64(start)
    n = np.int64(0)
    history = np.int64(0)
    while (whole and at < size) or (not whole and n < b.head[COUNT]):
        if at >= size:
            return -1
        length, begin, later = guess.guess(data, at, s)
        token = np.int64(b.tokens[n])
        far = token >> 16
        case = np.int64(0)
        if length >= 3:
            case = np.int64(1 if later == 0 else 2)
        where = _LITERAL + (case * 8 + history) * 512
        if case != 0:
            weight = prices.weigh(counts, data, at, length, at - begin)
            where += 16 * weight + min(length - 3, 3)
            if case == 2:
                where += 4 * min(later - length, 3)
        taken = np.int64(1)
        good = case != 1
        if code_bit(d, where, np.int64(far != 0)) == 0:
            b.tokens[n] = data[at]
        else:
            good = case == 1
            taken = min(token & 0xFFFF, 255) + 3
            same = np.int64(0)
            if case != 0:
                where = _AS_LONG + (case * 16 + GRADE[length - 2])
                same = code_bit(d, where, np.int64(taken == length))
            if same != 0:
                taken = length
            else:
                good = False
                where = _LENGTH + 256 * GRADE[length - 2]
                taken = code_tree(d, where, 8, taken - 3) + 3
            if taken > size - at:
                return -1
            kept = taken - 3
            if taken == 258:
                kept += code_bit(d, _LONG_WAY, np.int64(token & 0xFFFF == 256))
            near = np.int64(0)
            if same != 0:
                where = _AS_FAR + (case * 16 + GRADE[length - 2])
                near = code_bit(d, where, np.int64(at - begin == far))
            if near != 0:
                far = at - begin
            else:
                good = False
                far = _code_far(d, data, at, taken, far, s, same)
                if far < 1 or far > at:
                    return -1
            b.tokens[n] = kept | far << 16
        token = np.int64(b.tokens[n])
        prices.paid(counts, token & 0xFFFF, token >> 16)
        history = (history << 1 | np.int64(not good)) & 7
        guess.advance(data, at, taken, s)
        at += taken
        n += 1
        if not decode and at >= until and until < size:
            return int(at)
    b.head[COUNT] = n
    return int(at)


@lean
def _code_far(
    d: Decisions, data: np.ndarray, at: int, length: int, far: int, s: Search, same: int
) -> int:
    """Code a distance by how many nearer ones there are with a match as long, or as it is."""
    chances = _RANKS + NUMBER * (same * 4 + min(length - 3, 3))
    place = np.int64(0)
    if d.decode[0] == 0:
        place = 1 + guess.rank(data, at, length, far, _MOST_RANKS, s)
    place = code_number(d, chances, place)
    if place == 0:
        high = code_tree(d, _DISTANCE, 7, (far - 1) >> 8)
        return int(1 + (high << 8 | code_even(d, 8, (far - 1) & 255)))
    if place > _MOST_RANKS + 1:
        return 0
    return int(guess.ranked(data, at, length, place - 1, s))


class _Choice(NamedTuple):
    """Parameters that are tried; see :func:`guess.setup`."""

    level: int = 9
    drop: int = 2
    far: int = guess.FAREST
    reach: int = guess.FAREST - AHEAD
    bits: int = 15
    crossing: int = 0


_TRIED: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("level", (6, 8, 7, 5, 4, 3, 2, 1)),
    ("drop", (5, 3)),
    ("far", (4096,)),
    ("reach", (guess.FAREST, 1)),
    ("bits", (16,)),
    ("crossing", (1,)),
    ("level", (9, 8, 7, 6, 5, 4)),
)


def _chosen(plain: NDArray[np.uint8], stream: NDArray[np.uint8]) -> tuple[NDArray[np.int64], int]:
    """Parameters that make the record of the first part smallest, and whether runs cross."""
    until = min(_SAMPLE, plain.size)

    @functools.cache
    def size(choice: _Choice) -> int:
        record = _coded(plain, stream, guess.setup(*choice[:5]), choice.crossing, until)
        return len(record) if record is not None else stream.size + _SPARE

    best = _Choice()
    for name, values in _TRIED:
        others = (best._replace(**{name: value}) for value in values)
        best = min((best, *others), key=size)
    return guess.setup(*best[:5]), best.crossing
