"""Deflate streams of any tokens, any blocks, any codes: more than a library would write."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass, field

_LENGTHS = [*range(3, 11), 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
            163, 195, 227, 258]  # fmt: skip
_LENGTH_BITS = [0] * 8 + [n for n in range(1, 6) for _ in range(4)] + [0]
_FARS = [1, 2, 3, 4, *(1 + (2 + i % 2 << i // 2) for i in range(2, 28))]
_FAR_BITS = [0, 0] + [n for n in range(14) for _ in range(2)]
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
LONG_WAY = 259
"""A length that is 258, told by the code that is not its own."""


@dataclass
class Stream:
    """A stream that grows, and what it stands for."""

    plain: bytearray = field(default_factory=bytearray)
    bits: list[int] = field(default_factory=list)

    def put(self, value: int, count: int) -> None:
        """The lowest bit first."""
        self.bits += [value >> i & 1 for i in range(count)]

    def align(self, pad: int = 0) -> None:
        """Fill up a byte with the lowest bits of `pad`."""
        self.put(pad, -len(self.bits) % 8)

    def stored(self, content: bytes, final: bool = False, pad: int = 0) -> None:
        """A stored block."""
        self.put(final, 3)
        self.align(pad)
        self.put(len(content), 16)
        self.put(len(content) ^ 0xFFFF, 16)
        for byte in content:
            self.put(byte, 8)
        self.plain += content

    def static(self, tokens: list[tuple[int, int]], final: bool = False) -> None:
        """A block of (literal, 0) and (length, distance) by codes that are known."""
        self.put(final | 2, 3)
        lens = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
        self._tokens(tokens, _codes(lens), _codes([5] * 30))

    def dynamic(
        self,
        tokens: list[tuple[int, int]],
        final: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        """The same by codes that are told: the same every time, in odd runs."""
        rng = rng or random.Random(0)
        lens = [9] * 30 + [8] * 200 + [9] * 30 + [8] * 26
        fars = [5] * 26 + [4] * 3
        if rng.random() < 0.5 or any(distance > 24576 for _, distance in tokens):
            fars = [4, 4] + [5] * 28
        self.put(final | 4, 3)
        self.put(len(lens) - 257, 5)
        self.put(len(fars) - 1, 5)
        self.put(15, 4)
        told = [4] * 13 + [5] * 6
        for symbol in _ORDER:
            self.put(told[symbol], 3)
        codes, both, at = _codes(told), lens + fars, 0
        while at < len(both):
            run = 1
            while at + run < len(both) and both[at + run] == both[at]:
                run += 1
            if at and both[at - 1] == both[at] and run >= 3 and rng.random() < 0.8:
                count = rng.randint(3, min(run, 6))
                self._code(codes[16])
                self.put(count - 3, 2)
                at += count
            else:
                self._code(codes[both[at]])
                at += 1
        self._tokens(tokens, _codes(lens), _codes(fars))

    def done(self, pad: int = 0) -> bytes:
        """The bytes, which a library has agreed to."""
        self.align(pad)
        made = bytes(
            sum(bit << i for i, bit in enumerate(self.bits[at : at + 8]))
            for at in range(0, len(self.bits), 8)
        )
        assert zlib.decompress(made, -15) == bytes(self.plain)
        return made

    def _code(self, code: tuple[int, int]) -> None:
        self.bits += [code[0] >> i & 1 for i in range(code[1] - 1, -1, -1)]

    def _tokens(
        self,
        tokens: list[tuple[int, int]],
        codes: list[tuple[int, int]],
        fars: list[tuple[int, int]],
    ) -> None:
        for value, distance in tokens:
            if not distance:
                self._code(codes[value])
                self.plain.append(value)
                continue
            length = min(value, 258)
            at = 27 if value == LONG_WAY else max(i for i in range(29) if _LENGTHS[i] <= length)
            self._code(codes[257 + at])
            self.put(length - _LENGTHS[at], _LENGTH_BITS[at])
            at = max(i for i in range(30) if _FARS[i] <= distance)
            self._code(fars[at])
            self.put(distance - _FARS[at], _FAR_BITS[at])
            for _ in range(length):
                self.plain.append(self.plain[-distance])
        self._code(codes[256])


def _codes(lens: list[int]) -> list[tuple[int, int]]:
    code, found = 0, [(0, 0)] * len(lens)
    for bits in range(1, 16):
        for i, n in enumerate(lens):
            if n == bits:
                found[i] = code, bits
                code += 1
        code <<= 1
    return found


def png(height: int = 20, width: int = 24) -> bytes:
    """A grey picture whose stream no zlib made, the same on every machine."""
    rng = random.Random(9)
    rows = [
        bytes([1, *((x * x + 3 * y * rng.choice((1, 1, 2))) // 8 & 255 for x in range(width))])
        for y in range(height)
    ]
    plain = b"".join(rows * 2)
    made, half = Stream(), len(plain) // 2
    made.dynamic(_greedy(plain[: half - 7], rng))
    made.stored(plain[half - 7 : half], pad=2)
    made.dynamic(_rows(half))
    made.static([], final=True)
    stream = made.done()
    head = struct.pack(">IIBBBBB", width, 2 * height, 8, 0, 0, 0, 0)
    coded = b"\x78\xda" + stream + struct.pack(">I", zlib.adler32(plain))
    assert bytes(made.plain) == plain
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", coded) + _chunk(b"IEND")


def _rows(size: int) -> list[tuple[int, int]]:
    """The bytes so far once more."""
    return [(min(258, size - at), size) for at in range(0, size, 258)]


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _greedy(plain: bytes, rng: random.Random) -> list[tuple[int, int]]:
    """The first match that comes, but not always."""
    tokens: list[tuple[int, int]] = []
    at = 0
    while at < len(plain):
        start = plain.find(plain[at : at + 4], 0, at + 3)
        if 0 <= start < at <= len(plain) - 4 and rng.random() < 0.8:
            tokens.append((4, at - start))
            at += 4
        else:
            tokens.append((plain[at], 0))
            at += 1
    return tokens


def random_tokens(rng: random.Random, before: int, count: int) -> list[tuple[int, int]]:
    """Tokens that may follow after so many bytes."""
    tokens: list[tuple[int, int]] = []
    for _ in range(count):
        if before < 1 or rng.random() < 0.5:
            tokens.append((rng.choice((0, 0, 1, 7, 250, rng.randrange(256))), 0))
            before += 1
        else:
            length = rng.choice((3, 4, 9, 258, LONG_WAY, rng.randint(3, 258)))
            tokens.append((length, min(before, 32768, rng.choice((1, 3, 90, 32768)))))
            before += min(length, 258)
    return tokens
