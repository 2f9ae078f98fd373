"""A second decoder of rows coded by circuits, written from docs/circuits.md alone.

It shares no code with ncz and imports none of it, nor anything that compiles: plain Python
integers, which cannot overflow. Where both agree, it is because the page says so. It keeps
everything that was ever known of every place, and forgets nothing.
"""

from __future__ import annotations

import json
import struct
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import accumulate

import zstandard

Table = list[list[int]]


class Broken(Exception):
    """The data breaks the specification."""


def values_of_codes() -> list[int]:
    """2^30 · 2^(-c/12), rounded down; 0 for code 255."""
    with localcontext(prec=80):
        out = [int(Decimal(2) ** (30 - Decimal(c) / 12)) for c in range(255)]
    return [*out, 0]


VALUES = values_of_codes()


class Circuit:
    """What a file says."""

    def __init__(self, data: bytes) -> None:
        size = int.from_bytes(data[:8], "little")
        head = json.loads(data[8 : 8 + size])
        if head["__metadata__"]["kind"] != "ncz circuit 1":
            raise Broken("no circuit")

        def part(name: str) -> bytes:
            first, end = head[name]["data_offsets"]
            return data[8 + size + first : 8 + size + end]

        def numbers(name: str) -> list[int]:
            form = {"I16": "<h", "I32": "<i", "I64": "<q"}[head[name]["dtype"]]
            return [number for (number,) in struct.iter_unpack(form, part(name))]

        def unpacked(name: str, size: int) -> bytes:
            return zstandard.ZstdDecompressor().decompress(part(name), max_output_size=size)

        self.order, self.parent = numbers("order"), numbers("parent")
        self.start, self.lows, self.widths = numbers("start"), numbers("lows"), numbers("widths")
        root = [VALUES[code] for code in part("root")]
        m = self.latents = len(root)
        self.root = [value * 2**20 // max(1, sum(root)) for value in root]
        edges = unpacked("edges.zst", len(self.order) * m * m)
        self.edges = [self._edge(edges[m * m * i :][: m * m]) for i in range(len(self.order))]
        symbols = unpacked("symbols.zst", len(self.lows) * m)
        self.known: Table = []
        self.shares: list[Table] = []
        for first, end in zip(self.start, self.start[1:], strict=False):
            rows = [[VALUES[code] for code in symbols[m * s :][:m]] for s in range(first, end)]
            self.known += [[value * 32767 // max(1, max(row)) for value in row] for row in rows]
            columns = [list(column) for column in zip(*rows, strict=True)]
            columns = [column if sum(column) else [1] * len(column) for column in columns]
            columns = [[value * 2**30 // sum(column) for value in column] for column in columns]
            self.shares.append([[0, *accumulate(column)] for column in columns])

    def _edge(self, codes: bytes) -> Table:
        m = self.latents
        rows = [[VALUES[code] for code in codes[m * r :][:m]] for r in range(m)]
        return [[value * 32767 // max(1, sum(row)) for value in row] for row in rows]


class RangeDecoder:
    def __init__(self, code: bytes) -> None:
        self.code, self.at, self.width = code, 4, 2**32 - 1
        self.value = int.from_bytes((code + bytes(4))[:4], "big")

    def below(self, bound: int) -> bool:
        return self.value < self.width * bound >> 24

    def take(self, low: int, high: int) -> None:
        start = self.width * low >> 24
        self.value -= start
        self.width = (self.width * high >> 24) - start
        while self.width < 2**24:
            self.width *= 256
            self.value = self.value * 256 + (self.code[self.at] if self.at < len(self.code) else 0)
            self.at += 1

    def one_of(self, bounds: list[int]) -> int:
        """Which of the shares that start at `bounds`; the last of these is the end of all."""
        i = 0
        while i + 2 < len(bounds) and not self.below(bounds[i + 1]):
            i += 1
        self.take(bounds[i], bounds[i + 1])
        return i

    def even(self, count: int) -> int:
        """One of so many that are alike, at most 2^16."""
        low, high = 0, count
        while high - low > 1:
            middle = (low + high) // 2
            if self.below((middle << 24) // count):
                high = middle
            else:
                low = middle
        self.take((low << 24) // count, ((low + 1) << 24) // count)
        return low

    def number(self, width: int) -> int:
        width = width or 2**64
        rest = max(0, (width - 1).bit_length() - 16)
        value = self.even(((width - 1) >> rest) + 1)
        while rest:
            bits = min(16, rest)
            rest -= bits
            value = value << bits | self.even(1 << bits)
        return value


def _belief(outside: list[int], inside: list[int]) -> list[int]:
    parts = [o * i for o, i in zip(outside, inside, strict=True)]
    if not sum(parts):
        return [2**15 // len(parts)] * len(parts)
    scale = 2**46 // sum(parts)
    return [(part * scale + 2**30) >> 31 for part in parts]


def _down(edge: Table, belief: list[int]) -> list[int]:
    sums = [sum(b * row[z] for b, row in zip(belief, edge, strict=True)) for z in range(len(edge))]
    return [(one + 512) >> 10 for one in sums]


def _up(edge: Table, inside: list[int], above: list[int]) -> list[int]:
    both = [
        a * sum(e * i for e, i in zip(row, inside, strict=True))
        for a, row in zip(above, edge, strict=True)
    ]
    if not any(both):
        return [32767] * len(both)
    power = max(both).bit_length() - 15
    return [int(Fraction(one) / Fraction(2) ** power) for one in both]


def group(circuit: Circuit, code: bytes, rows: int) -> Table:
    """The rows of a group, of values in the data's order of variables."""
    coder = RangeDecoder(code)
    m, places = circuit.latents, len(circuit.order)
    outside: list[Table] = [[[] for _ in range(places)] for _ in range(rows)]
    inside: list[Table] = [[[] for _ in range(places)] for _ in range(rows)]
    out = [[0] * places for _ in range(rows)]
    at = -1
    for place in range(places):
        while at != circuit.parent[place]:
            above = circuit.parent[at]
            for one in inside:
                one[above] = _up(circuit.edges[at], one[at], one[above])
            at = above
        for row in range(rows):
            here = circuit.root
            if place:
                belief = _belief(outside[row][at], inside[row][at])
                here = _down(circuit.edges[place], belief)
            columns = circuit.shares[place]
            count = len(columns[0]) - 1

            def below(here: list[int], i: int, columns: Table = columns) -> int:
                return sum(h * column[i] for h, column in zip(here, columns, strict=True)) >> 13

            if not below(here, count):
                here = [2**20 // m] * m
            whole = below(here, count)
            symbol = coder.one_of(
                [i + below(here, i) * (2**24 - count) // whole for i in range(count + 1)]
            )
            number = circuit.start[place] + symbol
            value = circuit.lows[number]
            if circuit.widths[number] != 1:
                value += coder.number(circuit.widths[number])
            # Of 64 bits, two's complement.
            out[row][circuit.order[place]] = (value + 2**63) % 2**64 - 2**63
            outside[row][place], inside[row][place] = here, circuit.known[number]
        at = place
    return out


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def decode(circuit: Circuit, coded: bytes, count: int, most: int) -> Table:
    """`count` rows, `most` to a group."""
    groups = -(-count // most)
    if not groups:
        return []
    least, at = _varint(coded, 0)
    bits, at = _varint(coded, at)
    packed = int.from_bytes(coded[at : at + (groups * bits + 7) // 8], "little")
    at += (groups * bits + 7) // 8
    out: Table = []
    for number in range(groups):
        size = least + (packed >> number * bits) % 2**bits
        out += group(circuit, coded[at : at + size], min(most, count - number * most))
        at += size
    if at != len(coded):
        raise Broken("the sizes are not those of the groups")
    return out
