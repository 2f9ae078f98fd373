"""Rows of integers as coded bytes, a few rows to a group, and any of them alone.

A group's rows are coded at once by one range coder, since the end of a code costs about a byte;
the rest of what a row's independence costs is a group's size in the list of sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.codec.jit import compiling
from ncz.models.circuit import exact, kernel
from ncz.models.circuit.exact import Circuit

Ints = NDArray[np.int64]

MAX_GROUP = 256
_DAMAGED = "the list of groups of rows is damaged"


def encode(circuit: Circuit, values: Ints, group: int) -> bytes:
    """Code rows.

    Args:
        circuit: of D variables.
        values: int64[N, D], in the data's order of variables.
        group: rows in each group, 1 to 256; the last may have fewer.

    Raises:
        ValueError: a value is outside of its variable's type, or there are more or fewer variables.
    """
    codes = circuit.codes
    if values.shape[1] != len(codes.leaves):
        raise ValueError(
            f"rows of {values.shape[1]} variables, by a circuit of {len(codes.leaves)}"
        )
    symbols, extra = codes.leaves.symbols(values[:, codes.tree.order])
    parts = []
    room = np.empty(group * values.shape[1] * 12 + 64, np.uint8)
    with compiling("the coding of rows"):
        for first in range(0, len(values), group):
            some, more = symbols[first : first + group], extra[first : first + group]
            size = _run(circuit, False, room, some, more)
            parts.append(room[:size].tobytes())
    return _sizes([len(part) for part in parts]) + b"".join(parts)


@dataclass(frozen=True)
class Rows:
    """Coded rows, to be read in any order.

    Attributes:
        circuit: that they were coded by.
        coded: all bytes.
        count: of rows.
        group: rows in each group.
        ends: int64[groups + 1]; where each group starts in `coded`, and the end.
    """

    circuit: Circuit
    coded: bytes
    count: int
    group: int
    ends: Ints

    def read(self, first: int, stop: int) -> Ints:
        """Rows `first` to before `stop`, int64[stop - first, D]; 0 <= first <= stop <= count.

        Whatever the bytes are, this comes to an end; damage gives wrong rows, of the variables'
        types all the same.

        Raises:
            FormatError: there are values outside of these.
        """
        if not 0 <= first <= stop <= self.count:
            raise ValueError(f"there are no rows {first} to {stop} of {self.count}")
        codes = self.circuit.codes
        places = len(codes.leaves)
        out = np.empty((stop - first, places), np.int64)
        with compiling("the coding of rows"):
            for number in range(first // self.group, -(-stop // self.group)):
                start = number * self.group
                rows = min(self.group, self.count - start)
                symbols = np.empty((rows, places), np.int32)
                extra = np.empty((rows, places), np.int64)
                part = self.coded[self.ends[number] : self.ends[number + 1]]
                _run(self.circuit, True, np.frombuffer(bytearray(part), np.uint8), symbols, extra)
                if not codes.leaves.hold(symbols, extra):
                    raise FormatError(f"rows {start} to {start + rows} are damaged")
                values = codes.leaves.values(symbols, extra)
                low, high = max(first, start), min(stop, start + rows)
                out[low - first : high - first] = values[low - start : high - start]
        unordered = np.empty_like(out)
        unordered[:, codes.tree.order] = out
        return unordered


def opened(circuit: Circuit, coded: bytes, count: int, group: int) -> Rows:
    """What :func:`encode` gave for `count` rows.

    Raises:
        FormatError: it gave something else.
    """
    groups = -(-count // group)
    sizes, at = _read_sizes(coded, groups)
    ends = at + np.concatenate([[0], np.cumsum(sizes)])
    # A sum that overflows was beyond the end before: no size is.
    if sizes.max(initial=0) > len(coded) or ends.max() > len(coded) or ends[-1] != len(coded):
        raise FormatError(_DAMAGED)
    return Rows(circuit, coded, count, group, ends)


def memory(circuit: Circuit, group: int) -> int:
    """Bytes that a group of rows takes at work, beside the circuit and the coded bytes."""
    places, latents = len(circuit.depth), len(circuit.root)
    deepest = int(circuit.depth.max()) + 1
    return group * exact.row_memory(places, deepest * latents) + latents * 12


def _run(
    circuit: Circuit,
    decode: bool,
    buffer: NDArray[np.uint8],
    symbols: NDArray[np.int32],
    extra: Ints,
) -> int:
    leaves = circuit.codes.leaves
    size: int = kernel.code(
        decode,
        buffer,
        symbols,
        extra,
        circuit.parent,
        circuit.depth,
        circuit.root,
        circuit.edges,
        leaves.start,
        circuit.known,
        circuit.shares,
        leaves.widths,
    )
    return size


def _sizes(sizes: list[int]) -> bytes:
    """Sizes as the least, the bits that the others are beyond it, and these bits of each."""
    if not sizes:
        return b""
    least = min(sizes)
    bits = (max(sizes) - least).bit_length()
    beyond = np.array(sizes, np.uint64) - np.uint64(least)
    each = (beyond[:, None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    packed = np.packbits(each.astype(np.uint8).reshape(-1), bitorder="little")
    return varint.encode(least) + varint.encode(bits) + packed.tobytes()


def _read_sizes(coded: bytes, count: int) -> tuple[Ints, int]:
    if not count:
        return np.zeros(0, np.int64), 0
    try:
        least, at = varint.decode(coded)
        bits, at = varint.decode(coded, at)
    except (varint.Incomplete, ValueError):
        raise FormatError(_DAMAGED) from None
    size = (bits * count + 7) // 8
    if bits > 40 or least > len(coded) or at + size > len(coded):
        raise FormatError(_DAMAGED)
    packed = np.frombuffer(coded, np.uint8, size, at)
    each = np.unpackbits(packed, count=bits * count, bitorder="little").reshape(count, bits)
    sizes = np.full(count, least, np.int64)
    for bit in range(bits):  # not all at once, which takes 64 times the list
        sizes += each[:, bit].astype(np.int64) << bit
    return sizes, at + size
