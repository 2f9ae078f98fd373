"""PNG files taken apart, and put back byte for byte.

Taken apart: the pixels; the filter of each row; how zlib was told to compress, or, where zlib did
not, a record of how the stream is another one (:mod:`ncz.formats.pixels.tokens`); where the stream
is cut into chunks; all other chunks as they are. Whatever does not come back the same, and files
that are broken or interlaced, are not taken apart.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.formats import filters
from ncz.formats.pixels import deflate, tokens
from ncz.formats.pixels.deflate import Parameters
from ncz.formats.pixels.raster import Raster

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_CHECK = 4
_EXPANDS = 64  # bytes of pixels for each of a file, at most
_MORE = 64 << 20


class NotApart(Exception):
    """The file cannot be taken apart; says why."""


@dataclass(frozen=True)
class Apart:
    """A PNG file in its parts.

    Attributes:
        raster: where the samples are in `rows`.
        rows: uint8[height, bytes of a row], the unfiltered rows.
        rest: all else, but
        record: how the stream is another one than zlib's; None if it is zlib's.
    """

    raster: Raster
    rows: NDArray[np.uint8]
    rest: bytes
    record: bytes | None = None


def room(size: int) -> int:
    """Bytes of pixels that a file of so many bytes may have."""
    return min(_EXPANDS * size + (1 << 16), 2 * size + _MORE)


def take(raw: bytes, most: int) -> Apart:
    """The parts of a PNG file with at most so many bytes of pixels.

    Raises:
        NotApart: it is none, or does not come back from its parts.
    """
    raster, step = _said(raw, most)
    height, row = raster.height, raster.pitch
    before, sizes, after, stream = _chunks(raw)
    unpacked = zlib.decompressobj()
    try:
        filtered = unpacked.decompress(stream, height * (row + 1) + 1)
    except zlib.error:
        raise NotApart("its stream is damaged") from None
    if len(filtered) != height * (row + 1) or not unpacked.eof or unpacked.unused_data:
        raise NotApart("its stream does not hold its pixels, or more than these")
    lines = _owned(filtered).reshape(height, row + 1)
    del filtered
    kinds = np.ascontiguousarray(lines[:, 0])
    if kinds.max() > 4:
        raise NotApart("a filter is none")
    rows = np.zeros((height, row), np.uint8)
    filters.unfilter(lines, rows, step)
    coded = _owned(stream)[2:-_CHECK]
    how = _search(lines.reshape(-1), coded, stream[:2])
    record = tokens.take(lines.reshape(-1), coded) if how is None else None
    if how is None and record is None:
        raise NotApart("its stream is like nothing that zlib makes")
    zhead = stream[:2]
    del lines, coded, stream
    rest = b"".join(
        (
            bytes([*(how or ()), step]),
            varint.encode(len(before)),
            varint.encode(len(after)),
            varint.encode(len(sizes)),
            *(varint.encode(size) for size in _folded(sizes)),
            before,
            zhead,
            kinds.tobytes(),
            after,
        )
    )
    apart = Apart(raster, rows, rest, record)
    if put(apart, len(raw)) != raw:
        raise NotApart("it does not come back the same")
    return apart


def foreseen(raw: bytes, most: int) -> bool:
    """Whether a file that starts with `raw` may be taken apart, as far as its head tells."""
    try:
        _said(raw, most)
    except NotApart:
        return False
    return True


def put(apart: Apart, size: int) -> bytes:
    """The file of `size` bytes again.

    Raises:
        FormatError: there are no such parts.
    """
    raster, rows, rest, record = apart.raster, apart.rows, apart.rest, apart.record
    try:
        at = 4 if record is None else 0
        how = Parameters(*rest[:4]) if record is None else None
        step, at = rest[at], at + 1
        if (how is not None and not how.valid) or not 1 <= step <= 8:
            raise FormatError("the parts of a PNG file are damaged")
        before, at = varint.decode(rest, at)
        after, at = varint.decode(rest, at)
        count, at = varint.decode(rest, at)
        if count > len(rest):
            raise FormatError("the parts of a PNG file are damaged")
        folded = []
        for _ in range(min(count, 2)):
            length, at = varint.decode(rest, at)
            folded.append(length)
        sizes, at = _unfolded(rest, at, count, folded)
    except (varint.Incomplete, ValueError, TypeError, IndexError):
        raise FormatError("the parts of a PNG file are damaged") from None
    height, row = raster.height, raster.pitch
    if len(rest) != at + before + 2 + height + after or rows.size != height * row:
        raise FormatError("the parts of a PNG file are damaged")
    head, zhead = rest[at : at + before], rest[at + before : at + before + 2]
    at += before + 2
    lines = np.zeros((height, row + 1), np.uint8)
    lines[:, 0] = np.minimum(np.frombuffer(rest[at : at + height], np.uint8), 4)
    filters.filter_lines(rows.reshape(height, row), lines, step)
    raw = lines.reshape(-1)
    told = sum(sizes) - len(zhead) - _CHECK
    if not 0 < told <= size:
        raise FormatError("the stream of a PNG file has another size")
    if how is not None:
        coded = deflate.deflate(raw, how)
    else:
        coded = tokens.put(raw, record or b"", told).tobytes()
    if told != len(coded):
        raise FormatError("the stream of a PNG file has another size")
    stream = memoryview(b"".join((zhead, coded, struct.pack(">I", zlib.adler32(lines.data)))))
    del coded, raw, lines
    out: list[bytes | memoryview] = [head]
    start = 0
    for length in sizes:
        part = stream[start : start + length]
        check = zlib.crc32(part, zlib.crc32(b"IDAT"))
        out += [struct.pack(">I", length), b"IDAT", part, struct.pack(">I", check)]
        start += length
    out.append(rest[at + height :])
    if sum(map(len, out)) != size:
        raise FormatError("a PNG file has another size")
    return b"".join(out)


def _owned(data: bytes) -> NDArray[np.uint8]:
    """A copy: arrays that are read alone would need machine code of their own."""
    return np.array(np.frombuffer(data, np.uint8))


def _said(raw: bytes, most: int) -> tuple[Raster, int]:
    """The raster in the rows, and the bytes of a pixel, by the file's head."""
    if not raw.startswith(SIGNATURE) or raw[12:16] != b"IHDR" or len(raw) < 45:
        raise NotApart("it is no PNG file")
    head = struct.unpack_from(">IIBBBBB", raw, 16)
    width, height, depth, colour, method, filtering, interlaced = head
    if colour not in _CHANNELS or method or filtering or interlaced:
        raise NotApart("it is interlaced, or of a kind that is not known")
    if depth not in (1, 2, 4, 8, 16) or not width or not height:
        raise NotApart("its head gives no picture")
    channels = _CHANNELS[colour]
    row = (width * channels * depth + 7) // 8
    if height * (row + 1) > most:
        raise NotApart("its pixels are too many")
    return _raster(row, width, height, channels, depth), max(1, channels * depth // 8)


def _raster(row: int, width: int, height: int, channels: int, depth: int) -> Raster:
    if depth == 8:
        return Raster(0, row, width, height, channels, 0)
    if depth == 16:
        return Raster(0, row, width, height, channels, 2)
    return Raster(0, row, row, height, 1, 0)


def _chunks(raw: bytes) -> tuple[bytes, list[int], bytes, bytes]:
    at, sizes, parts, first = len(SIGNATURE), [], [], 0
    while at + 12 <= len(raw):
        (length,) = struct.unpack_from(">I", raw, at)
        data = at + 8
        if data + length + 4 > len(raw):
            raise NotApart("it is cut off")
        if raw[at + 4 : data] == b"IDAT":
            first = first or at
            (check,) = struct.unpack_from(">I", raw, data + length)
            if check != zlib.crc32(raw[at + 4 : data + length]):
                raise NotApart("a check is wrong")
            sizes.append(length)
            parts.append(raw[data : data + length])
        elif sizes:
            break
        at = data + length + 4
    stream = b"".join(parts)
    if not sizes or len(stream) < 8:
        raise NotApart("it has no pixels")
    return raw[:first], sizes, raw[at:], stream


def _folded(sizes: list[int]) -> list[int]:
    """Sizes of chunks as few numbers: all alike but the last, or all of them."""
    if len(sizes) > 2 and len(set(sizes[:-1])) == 1:
        return [sizes[0], sizes[-1], 0]
    return sizes if len(sizes) < 3 else [sizes[0], sizes[1], 1, *sizes[2:]]


def _unfolded(rest: bytes, at: int, count: int, first: list[int]) -> tuple[list[int], int]:
    if count < 3:
        return first, at
    how, at = varint.decode(rest, at)
    if how == 0:
        return [first[0]] * (count - 1) + [first[1]], at
    sizes = list(first)
    while len(sizes) < count:
        size, at = varint.decode(rest, at)
        sizes.append(size)
    return sizes, at


def _search(lines: NDArray[np.uint8], stream: NDArray[np.uint8], head: bytes) -> Parameters | None:
    """What zlib was told, or None where it does not make this stream. `head` is zlib's."""
    window = (head[0] >> 4) + 8
    windows = sorted({max(window, 9), 15}, key=lambda n: n != window)
    first = {0: (1, 2, 6, 9), 1: (3, 2, 4, 5, 1), 2: (6, 9), 3: (9, 8, 7, 6)}[head[1] >> 6]
    levels = list(first) + [level for level in range(9, 0, -1) if level not in first]
    seen: set[tuple[int, ...]] = set()
    for bits, memory, strategy, level in itertools.product(
        windows, (8, 9, 7, 6, 5, 4, 3, 2, 1), range(5), levels
    ):
        if strategy in (deflate.HUFFMAN, deflate.RLE):
            level = 6  # they look at none
        if (bits, memory, strategy, level) in seen:
            continue
        seen.add((bits, memory, strategy, level))
        how = Parameters(level, strategy, memory, bits)
        if deflate.agrees(lines, how, stream):
            return how
    return None
