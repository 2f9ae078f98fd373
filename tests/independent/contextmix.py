"""A second decoder of context mixing, written from docs/coders.md alone.

It shares no code with ncz and imports none of it, nor anything that compiles: plain Python
integers, which cannot overflow. Where both agree, it is because the page says so. About a
millisecond a byte, so for small blocks; state is made where it is touched.
"""

from __future__ import annotations

import dataclasses
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TEXT, BINARY, X86_32, X86_64 = range(4)
U64 = (1 << 64) - 1


class Broken(Exception):
    """The coded data breaks the specification."""


def _list(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split())


@dataclass(frozen=True)
class Preset:
    contexts: tuple[tuple[int, ...], ...]  # of text, binary, x86
    sets: tuple[int, ...]
    least: int
    most: int


PRESETS = {
    2: Preset(
        (_list("0 1 2 3 5 7"), _list("0 1 2 3 17 18"), _list("0 1 2 3 14 17")), _list("1"), 18, 21
    ),
    3: Preset(
        (
            _list("0 1 2 3 5 7 8 21"),
            _list("0 1 2 3 15 17 18 20"),
            _list("0 1 2 3 8 14 16 18"),
        ),
        _list("1 2"),
        19,
        22,
    ),
    4: Preset(
        (
            _list("0 1 2 3 4 5 6 7 8 11 15 19 21 23"),
            _list("0 1 2 3 4 8 11 14 15 17 18 20 22 24"),
            _list("0 1 2 3 4 8 10 14 16 17 18 20 22 24"),
        ),
        _list("0 1 2 4 5"),
        20,
        22,
    ),
    5: Preset(
        (
            _list("0 1 2 3 4 5 6 7 8 9 10 11 14 15 17 19 20 21 22 23"),
            _list("0 1 2 3 4 5 8 9 10 11 13 14 15 17 18 19 20 21 22 24"),
            _list("0 1 2 3 4 5 8 9 10 13 14 16 17 18 19 20 21 22 24 28"),
        ),
        _list("0 1 2 4 5 7"),
        21,
        23,
    ),
    6: Preset((tuple(range(28)), tuple(range(30)), tuple(range(30))), tuple(range(8)), 21, 24),
}
ROWS = (256, 2048, 768, 512, 2048, 4096, 2048, 2048)


def clamp(x: int, m: int) -> int:
    return min(max(x, -m), m)


# --- Tables


def logistic(end: int) -> list[int]:
    """The logistic function in 24 bits of x / 256, by x + end for x = -end … end."""
    one = 1 << 96
    step = term = one
    m = 1
    while term > 0:
        term //= 256 * m
        step += term
        m += 1
    e = [one]
    while len(e) <= end:
        e.append((e[-1] * step) >> 96)
    up = [(x << 24) // (one + x) for x in e]
    return [(1 << 24) - p for p in up[:0:-1]] + up


SQUASH = logistic(3071)


def squash(x: int) -> int:
    return SQUASH[clamp(x, 3071) + 3071]


STRETCH = [bisect_right(SQUASH, 4096 * p + 2048) - 1 - 3071 for p in range(4096)]
RECIP = [131072 // (2 * c + 3) for c in range(1024)]

State = tuple[int, int, int, int]


def _discount(c: int) -> int:
    if c <= 2:
        return c
    return next((left for most, left in ((3, 2), (5, 3), (8, 4), (14, 5), (24, 6)) if c <= most), 7)


def _canonical(n0: int, n1: int, last: int) -> State:
    while True:
        few, many = min(n0, n1), max(n0, n1)
        if few <= 5 and many <= (41, 40, 12, 7, 5, 5)[few]:
            break
        if few < 2:
            many -= 1
        else:
            many = (many * (few - 1) + few // 2) // few
            few -= 1
        n0, n1 = (few, many) if n0 < n1 else (many, few)
    if n0 == 0 or n1 == 0 or n0 + n1 > 17:
        return n0, n1, 0, 0
    return n0, n1, 1, last


def _step(state: State, y: int) -> State:
    n0, n1, _, b = state
    if n0 + n1 < 3:
        return n0 + 1 - y, n1 + y, n0 + n1 + 1, 2 * b + y
    if y == 1:
        return _canonical(_discount(n0), n1 + 1, 1)
    return _canonical(n0 + 1, _discount(n1), 0)


def _states() -> list[State]:
    reached = {(0, 0, 0, 0)}
    frontier = set(reached)
    while frontier:
        frontier = {_step(state, y) for state in frontier for y in (0, 1)} - reached
        reached |= frontier
    return sorted(reached, key=lambda s: (s[0] + s[1], *s))


STATES = _states()
NEXT = [[STATES.index(_step(state, y)) for y in (0, 1)] for state in STATES]
DETERMINISTIC = [(n0 == 0) != (n1 == 0) for n0, n1, _, _ in STATES]


def _opcodes(rows: str) -> list[int]:
    table = [0] * 256
    for row in rows.strip().splitlines():
        names, entry = row.split(":")
        for name in names.split(","):
            first, _, last = name.strip().partition("-")
            for c in range(int(first, 16), int(last or first, 16) + 1):
                table[c] = sum(int(part) for part in entry.split("+"))
    return table


ONE = _opcodes("""
00-03, 08-0B, 10-13, 18-1B, 20-23, 28-2B, 30-33, 38-3B: 1
04, 0C, 14, 1C, 24, 2C, 34, 3C: 2
05, 0D, 15, 1D, 25, 2D, 35, 3D: 4
26, 2E, 36, 3E, 64-67, F0, F2, F3: 16
62, 63, 84-8F, C4, C5, D0-D3, D8-DF, FE, FF: 1
68, A0-A3, A9, B8-BF, E8, E9: 4
6A, 70-7F, A8, B0-B7, CD, D4, D5, E0-E7, EB: 2
6B, 80-83, C0, C1, C6: 1 + 2
69, 81, C7: 1 + 4
C2, CA: 8
C8: 8 + 2
F6, F7: 1 + 32
""")
TWO = _opcodes("""
00-FF: 1
05, 06, 08, 09, 0B, 30-37, 77, A0-A2, A8-AA, C8-CF: 0
70-73, A4, AC, BA, C2, C4-C6: 1 + 2
80-8F: 4
""")


# --- Hashes and lines


def mix(h: int, v: int) -> int:
    u = ((h ^ ((v + 0x51ED27) & U64)) * 0x9E3779B97F4A7C15) & U64
    return u ^ (u >> 31)


def m2(a: int, b: int, c: int) -> int:
    return mix(mix(a, b), c)


class Lines(dict[int, bytearray]):
    """Lines of 16 bytes, made by fours: a line goes nowhere but into its four."""

    def __init__(self, fill: Callable[[Lines, int], None] = lambda lines, four: None) -> None:
        self._fill = fill

    def __missing__(self, number: int) -> bytearray:
        four = number >> 2
        for each in range(4 * four, 4 * four + 4):
            self[each] = bytearray(16)
        self._fill(self, four)
        return self[number]


def find_line(lines: Lines, number: int, check: int) -> int:
    if lines[number][0] == check:
        return number
    best, least = number, lines[number][1]
    for k in (1, 2, 3):
        other = number ^ k
        if lines[other][0] == check:
            return other
        if lines[other][1] < least:
            best, least = other, lines[other][1]
    lines[best][:] = bytes([check]) + bytes(15)
    return best


# --- Histories: each returns the contexts and the selections of the byte at pos

Contexts = tuple[list[int], list[int]]


@dataclass
class Shared:
    c4: int = 0
    c8: int = 0
    after1: dict[int, int] = dataclasses.field(default_factory=lambda: defaultdict(int))
    after2: dict[int, int] = dataclasses.field(default_factory=lambda: defaultdict(int))
    a1: int = 0
    a2: int = 0

    def see(self, data: bytearray, pos: int) -> None:
        if pos >= 1:
            c = data[pos - 1]
            if pos >= 2:
                b = data[pos - 2]
                self.after1[b] = ((self.after1[b] << 8) | c) & 0xFFFFFF
            if pos >= 3:
                b = data[pos - 2] | (data[pos - 3] << 8)
                self.after2[b] = ((self.after2[b] << 8) | c) & 0xFFFF
            self.c8 = ((self.c8 << 8) | (self.c4 >> 24)) & 0xFFFFFFFF
            self.c4 = ((self.c4 << 8) | c) & 0xFFFFFFFF
        self.a1 = self.after1[self.c4 & 255]
        self.a2 = self.after2[self.c4 & 0xFFFF]


def _class(c: int) -> int:
    if 65 <= c <= 90:
        return 0
    if 97 <= c <= 122:
        return 1
    if c >= 128:
        return 2
    if 48 <= c <= 57:
        return 3
    return {32: 4, 10: 5}.get(c, 6 if chr(c) in ".,;:!?" else 7)


@dataclass
class Text:
    w0: int = 0
    w1: int = 0
    w2: int = 0
    gap: int = 0
    start: int = 0
    before: int = 0
    initials: int = 0
    length: int = 0
    shape: int = 0
    field: int = 0
    first: int = 0
    masked: int = 0
    words: dict[int, int] = dataclasses.field(default_factory=lambda: defaultdict(int))

    def contexts(self, data: bytearray, pos: int, h: Shared) -> Contexts:
        if pos >= 1:
            self._see(data[pos - 1], pos)
        column = pos - self.start
        above = data[self.before + column] if self.before + column < self.start else 0
        c4, c8, c1, w0, w1, w2 = h.c4, h.c8, h.c4 & 255, self.w0, self.w1, self.w2
        ctx = [
            c1,
            c4 & 0xFFFF,
            c4 & 0xFFFFFF,
            c4,
            c4 + ((c8 & 0xFF) << 32),
            c4 + ((c8 & 0xFFFF) << 32),
            mix(c4, c8),
            mix(w0, c1),
            mix(w0, w1),
            mix(w0 + 7, w2),
            m2(w0, w1, w2),
            mix(w0, self.gap),
            c4 & 0xFFFF00,
            c4 & 0xFFFF0000,
            c4 & 0xFF00FF,
            mix(above, c1),
            (h.a1 << 8) + c1,
            mix(h.a2, c1),
            mix(self.initials, w0),
            mix(self.shape, c1),
            mix(w1, c1),
            mix(self.words[self.field & 255] + 3, w0 + 1),
            mix(self.shape & 0xFFFFFF, w0),
            mix(column, c1),
            0,
            mix(h.a2, c4 & 0xFFFF),
            m2(self.first, self.field, w0),
            mix(self.masked, 5),
        ]
        row = min(self.length, 15) * 16 + 2 * (7 if above == 0 else _class(above))
        return ctx, [c1, self.shape & 511, (c4 >> 8) & 255, row + (1 if self.field > 3 else 0)]

    def _see(self, c: int, pos: int) -> None:
        s = _class(c)
        lower = c + 32 if s == 0 else c
        if s <= 2:
            if self.w0 == 0:
                self.initials = ((self.initials << 8) | lower) & 0xFFFFFFFF
                self.length = 0
            self.w0 = mix(self.w0, lower)
            self.length += 1
        else:
            if self.w0 != 0:
                self.w2, self.w1 = self.w1, self.w0
                if self.field == 0:
                    self.first = self.w0
                self.words[self.field & 255] = self.w0
                self.field += 1
                self.w0 = self.gap = self.length = 0
            self.gap = mix(self.gap, c)
            if c == 10:
                self.before, self.start = self.start, pos
                self.field = self.first = 0
        self.shape = ((self.shape << 3) | s) & 0xFFFFFFFFFF
        self.masked = ((self.masked << 8) | (48 if s == 3 else c)) & 0xFFFFFFFFFFFF


@dataclass
class Binary:
    row: int
    cell: int
    w0: int = 0

    def contexts(self, data: bytearray, pos: int, h: Shared) -> Contexts:
        c4, c8, c1, c2, c3 = h.c4, h.c8, h.c4 & 255, (h.c4 >> 8) & 255, (h.c4 >> 16) & 255
        letter = 65 <= c1 <= 90 or 97 <= c1 <= 122 or c1 >= 128
        self.w0 = mix(self.w0, c1 | 32) if letter else 0
        column, phase = pos % self.row, pos % self.cell

        def at(d: int) -> int:
            return data[pos - d] if 0 < d <= pos else 0

        n, nn, nw, ne = at(self.row), at(2 * self.row), at(self.row + 1), at(self.row - 1)
        e, ee, nc = at(self.cell), at(2 * self.cell), at(self.row + self.cell)
        ctx = [
            c1,
            c4 & 0xFFFF,
            c4 & 0xFFFFFF,
            c4,
            c4 + ((c8 & 0xFFFF) << 32),
            c2,
            c3,
            c4 >> 24,
            c4 & 0xFFFF00,
            c4 & 0xFFFF0000,
            c4 & 0xFF00FF,
            c4 & 0xFF0000FF,
            c4 & 0xFF00FF00,
            m2(e, ee, phase),
            m2(e, c1, phase),
            mix((2 * e - ee) & 255, phase),
            column,
            mix(n, column),
            mix(n, c1),
            m2(n, nn, phase),
            m2(n, nw, c1),
            m2(n, ne, c1),
            mix((c1 + n - nw) & 255, phase),
            mix((2 * n - nn) & 255, column),
            mix((e + n - nc) & 255, phase),
            mix(m2(n, ne, nw), mix(c1, nn)),
            mix(self.w0, c1),
            0,
            mix(h.a2, c1),
            mix(e, n) if self.cell > 1 else mix(h.a1, c1),
        ]
        return ctx, [c1, min(column, 511), c2, n]


@dataclass
class X86:
    wide_mode: bool  # 64 bits
    field: int = 0
    left: int = 0
    opcode: int = 0
    modrm: int = 0
    immediate: int = 0
    wide: int = 0
    sh: int = 0
    b1: int = 0
    b2: int = 0
    b3: int = 0
    bytes: int = 0

    def contexts(self, data: bytearray, pos: int, h: Shared) -> Contexts:
        if pos >= 1:
            self._see(data[pos - 1])
        c4, c8, c1 = h.c4, h.c8, h.c4 & 255
        place = 16 * self.field + self.left
        form = mix(self.sh, place)
        b1, b2, b3 = self.b1, self.b2, self.b3
        ctx = [
            c1,
            c4 & 0xFFFF,
            c4 & 0xFFFFFF,
            c4,
            c4 + ((c8 & 0xFFFF) << 32),
            c4 & 0xFF00,
            c4 & 0xFF0000,
            c4 & 0xFF000000,
            c4 & 0xFFFF00,
            c4 & 0xFFFF0000,
            c4 & 0xFF00FF,
            c4 & 0xFF0000FF,
            c4 & 0xFF00FF00,
            mix(place, self.opcode),
            m2(place, self.opcode, self.modrm),
            mix(form, 0),
            mix(form, c1),
            mix(form, b1),
            m2(form, b1, b2),
            mix(m2(form, b1, b2), b3),
            mix(self.bytes, place),
            m2(self.bytes, place, b1),
            mix(place, c4 & 0xFFFF),
            mix(c4, c8),
            mix(form, c4 & 0xFFFF),
            mix(pos & 3, c4 >> 24),
            m2(pos & 7, c8 >> 24, c8 & 255),
            0,
            mix(h.a2, c1),
            c4 & 0xF8F8F8F8,
        ]
        five = min(place, 127) * 4 + (self.modrm >> 6)
        return ctx, [c1, five, (c4 >> 8) & 255, self.opcode & 255]

    def _see(self, c: int) -> None:
        f = self.field
        if f == 0 and self.sh != 0 and self.left == 0:
            self.b3, self.b2, self.b1 = self.b2, self.b1, self.sh
            self.sh = self.bytes = self.modrm = self.wide = 0
        self.bytes = mix(self.bytes, c)
        if f == 0:
            if ONE[c] & 16 or (self.wide_mode and (c & 0xF0) == 0x40):
                self.left = 1
                self.sh = mix(self.sh, c)
                if (c & 0xF8) == 0x48:
                    self.wide = 1
                return
            self.left = 0
            self.opcode = c
            self.sh = mix(self.sh, c)
            if c == 0x0F:
                self.field = 1
            elif ONE[c] & 1:
                self.field = 3
            else:
                self._after_opcode(ONE[c], 0)
                if self.wide_mode and self.wide == 1 and (c & 0xF8) == 0xB8:
                    self.immediate = 8
                self._operands(0)
        elif f == 1:
            self.sh = mix(self.sh, c)
            self.opcode = 0x100 + c
            if c in (0x38, 0x3A):
                self.field = 2
            elif TWO[c] & 1:
                self.field = 3
            else:
                self._after_opcode(TWO[c], 0)
                self._operands(0)
        elif f == 2:
            self.sh = mix(self.sh, c)
            self.opcode = c + (0x200 if self.opcode == 0x138 else 0x300)
            self.field = 3
        elif f == 3:
            self._see_modrm(c)
        elif f == 4:
            if self.modrm >> 6 == 1:
                self._operands(1)
            elif self.modrm >> 6 == 2 or (c & 7) == 5:
                self._operands(4)
            else:
                self._operands(0)
        else:
            self.left -= 1
            if self.left == 0:
                if f == 5 and self.immediate > 0:
                    self.field, self.left = 6, self.immediate
                else:
                    self.field = 0

    def _see_modrm(self, c: int) -> None:
        self.modrm = c
        self.sh = mix(self.sh, c >> 3)
        if self.opcode < 0x100:
            entry = ONE[self.opcode]
        elif self.opcode < 0x200:
            entry = TWO[self.opcode & 255]
        else:
            entry = 1 if self.opcode < 0x300 else 1 + 2
        self._after_opcode(entry, c)
        if c >> 6 == 3:
            self._operands(0)
        elif (c & 7) == 4:
            self.field = 4
        elif c >> 6 == 1:
            self._operands(1)
        elif c >> 6 == 2 or (c & 7) == 5:
            self._operands(4)
        else:
            self._operands(0)

    def _after_opcode(self, entry: int, m: int) -> None:
        self.immediate = bool(entry & 2) + 2 * bool(entry & 8) + 4 * bool(entry & 4)
        if entry & 32 and ((m >> 3) & 7) < 2:
            self.immediate += 1 if self.opcode == 0xF6 else 4

    def _operands(self, displacement: int) -> None:
        if displacement > 0:
            self.field, self.left = 5, displacement
        elif self.immediate > 0:
            self.field, self.left = 6, self.immediate
        else:
            self.field = 0


# --- Priors


class Prior:
    """A file of docs/coders.md, "From a prior"."""

    def __init__(self, packed: bytes) -> None:
        size = int.from_bytes(packed[:8], "little")
        self._header = json.loads(packed[8 : 8 + size])
        self._kinds = json.loads(self._header["__metadata__"]["kinds"])
        self._data = packed[8 + size :]
        self._fills: dict[tuple[tuple[int, ...], int], Callable[[Lines, int], None]] = {}

    def __getitem__(self, name: str) -> Sequence[int]:
        """A tensor, flat."""
        import zstandard

        begin, end = self._header[name]["data_offsets"]
        raw = zstandard.ZstdDecompressor().decompress(self._data[begin:end])
        code = {"uint8": "B", "uint16": "H", "int16": "h", "uint32": "I"}[self._kinds[name][0]]
        return memoryview(raw).cast(code)  # of a little-endian machine

    def fill(self, contexts: tuple[int, ...], line_bits: int) -> Callable[[Lines, int], None]:
        """What puts its lines into a four of an empty table, in order."""
        if (contexts, line_bits) not in self._fills:
            self._fills[contexts, line_bits] = self._fill(contexts, line_bits)
        return self._fills[contexts, line_bits]

    def _fill(self, contexts: tuple[int, ...], line_bits: int) -> Callable[[Lines, int], None]:
        checks, states = self["lines.check"], self["lines.states"]
        found: dict[int, list[int]] = defaultdict(list)  # line << 32 | number in the prior
        wanted = [i in contexts for i in range(256)]
        mask = (1 << line_bits) - 1
        place = 0
        for at, (step, owner) in enumerate(
            zip(self["lines.step"], self["lines.context"], strict=True)
        ):
            place += step
            if wanted[owner]:
                number = place & mask
                found[number >> 2].append(number << 32 | at)

        def fill(lines: Lines, four: int) -> None:
            for both in found.get(four, ()):
                at = both & 0xFFFFFFFF
                line = find_line(lines, both >> 32, checks[at])
                lines[line][1:] = bytes(states[15 * at : 15 * at + 15])

        return fill


# --- The model


class Made(dict[int, list[int]]):
    """Rows that are made when they are first asked for."""

    def __init__(self, make: Callable[[int], list[int]]) -> None:
        self._make = make

    def __missing__(self, key: int) -> list[int]:
        self[key] = self._make(key)
        return self[key]


def moved_rows(
    rows: Sequence[int], moved: Sequence[int], unit: int, make: Callable[[int], list[int]]
) -> Made:
    """Rows as `make` makes them, some of them moved."""
    columns = len(moved) // len(rows)
    index = {r: at for at, r in enumerate(rows)}

    def made(r: int) -> list[int]:
        row = make(r)
        if r not in index:
            return row[:]
        moves = moved[columns * index[r] : columns * (index[r] + 1)]
        return [a + unit * b for a, b in zip(row, moves, strict=False)]

    return Made(made)


PLAIN = [squash(128 * (j - 16)) >> 2 for j in range(33)]


@dataclass
class Matching:
    """Where the match models point in a text, and what they expect."""

    ptr: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    length: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    bucket: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    expected: list[int] = dataclasses.field(default_factory=lambda: [0, 0])

    def look(self, data: bytearray) -> None:
        for m in (0, 1):
            self.bucket[m] = _bucket(self.length[m])
            self.expected[m] = data[self.ptr[m]] + 256 if self.length[m] > 0 else 0


@dataclass
class Bit:
    """What contexts and match models say about bit k of a byte that began with the bits c0."""

    k: int
    c0: int
    node: int
    order: int
    states: list[int]  # of each context
    expects: list[int | None]  # of each match model
    matched: int
    x: list[int]


class Model:
    def __init__(self, number: int, kind: int, size: int, prior: Prior | None) -> None:
        preset = PRESETS[number]
        self.contexts = preset.contexts[min(kind, 2)]
        self._high = 7 if kind == TEXT else 5
        self._line = [0] * len(self.contexts)
        self._first_row = [sum(ROWS[:s]) for s in range(8)]
        self._seen = 0
        self.sets = preset.sets
        count = len(self.contexts)
        self.line_bits = min(max((size * count // 2).bit_length(), preset.least), preset.most)
        self.match_mask = (1 << min(max(size.bit_length(), 12), 22)) - 1
        self.lines = Lines()
        self.matches: list[dict[int, int]] = [defaultdict(int), defaultdict(int)]
        guess = [((2 * n1 + 1) << 22) // (2 * (n0 + n1) + 2) for n0, n1, _, _ in STATES]
        self.p = Made(lambda i: [p << 10 for p in guess])
        self.q = Made(lambda m: [(1 << 21) << 10] * 32)
        used = 3 * count + 5
        self.w = Made(lambda r: [6000, 0, 0] * count + [0] * 5)
        self.f = Made(lambda r: [65536 // len(self.sets)] * len(self.sets))
        self.a = [Made(lambda r: PLAIN[:]) for _ in range(3)]
        self.start = 24
        if prior is not None:
            self._apply(prior, number, used)

    def _apply(self, prior: Prior, number: int, used: int) -> None:
        maps, match_maps = prior["maps"], prior["match_maps"]
        weights, final = prior[f"{number}.weights"], prior[f"{number}.final"]
        wide = -(-used // 8) * 8
        on = len(self.sets)
        self.p = Made(lambda i: list(maps[256 * i : 256 * i + 256]))
        self.q = Made(lambda m: list(match_maps[32 * m : 32 * m + 32]))
        self.w = Made(lambda r: [16 * w for w in weights[wide * r : wide * r + used]])
        self.f = Made(lambda r: [16 * w for w in final[8 * r : 8 * r + on]])
        self.a = [
            moved_rows(prior[f"apm{j}.rows"], prior[f"apm{j}.moved"], 256, lambda r: PLAIN)
            for j in range(3)
        ]
        self.lines = Lines(prior.fill(self.contexts, self.line_bits))
        self.start = 0

    def find_lines(self, ctx: list[int], c0: int) -> int:
        """The lines of all contexts at the start of a half; returns `order`."""
        order = 0
        for a, i in enumerate(self.contexts):
            z = mix(ctx[i], i + 1)
            if c0 > 1:
                z = mix(z, c0)
            number = (z >> 8) & ((1 << self.line_bits) - 1)
            self._line[a] = find_line(self.lines, number, (z >> 40) & 255)
            if i < self._high and self.lines[self._line[a]][1] != 0:
                order += 1
        return order

    def read(self, k: int, c0: int, node: int, order: int, matching: Matching) -> Bit:
        states = [self.lines[line][node] for line in self._line]
        x: list[int] = []
        for i, s in zip(self.contexts, states, strict=True):
            if s == 0:
                x += (0, 0, 0)
            else:
                p = self.p[i][s] >> 20
                st = STRETCH[p]
                x += (st, (p - 2048) >> 1, st if DETERMINISTIC[s] else 0)
        expects: list[int | None] = [None, None]
        for m in (0, 1):
            expected = matching.expected[m]
            if matching.length[m] > 0 and expected >> (8 - k) == c0:
                expects[m] = one = (expected >> (7 - k)) & 1
                p = self.q[m][matching.bucket[m]] >> 20
                st = STRETCH[p]
                x += (st, (p - 2048) >> 1) if one else (-st, (2048 - p) >> 1)
            else:
                x += (0, 0)
        x.append(256)
        matched = matching.bucket[0] if expects[0] is not None else 0
        return Bit(k, c0, node, order, states, expects, matched, x)

    def byte(self, ctx: Sequence[int], matching: Matching, decide: Callable[[Bit], int]) -> int:
        """The next byte, with a leading one, from its bits as they are decided."""
        c0 = 1
        for half in (0, 1):
            order = self.find_lines(ctx, c0)
            node = 1
            for k in range(4 * half, 4 * half + 4):
                bit = self.read(k, c0, node, order, matching)
                y = decide(bit)
                self.learn(bit, matching, y)
                c0, node = 2 * c0 + y, 2 * node + y
        return c0

    def decode_bit(self, coder: RangeDecoder, bit: Bit, select: list[int], c4: int) -> int:
        """Predict, decode, and learn what the prediction was made with."""
        k, c0, expects, matched = bit.k, bit.c0, bit.expects, bit.matched
        rows = [
            c0,
            256 * bit.order + c0,
            256 * (0 if expects[0] is None else expects[0] + 1) + c0,
            8 * (2 * matched + (expects[1] is not None)) + k,
            *(8 * chosen + k for chosen in select),
        ]
        weights = [self.w[self._first_row[s] + rows[s]] for s in self.sets]
        on = [(j, value) for j, value in enumerate(bit.x) if value]
        out = [clamp(sum(w[j] * v for j, v in on) >> 16, 2047) for w in weights]
        f0, f1 = self.f[c0], self.f[256 + matched]
        t0 = clamp(sum(o * f for o, f in zip(out, f0, strict=True)) >> 16, 3071)
        t1 = clamp(sum(o * f for o, f in zip(out, f1, strict=True)) >> 16, 3071)
        t = (t0 + t1) >> 1
        u = clamp(t, 2047) + 2048
        cell, part = u >> 7, u & 127
        apms = (
            self.a[0][256 * matched + c0],
            self.a[1][256 * (c4 & 255) + c0],
            self.a[2][(mix(mix(c4 & 0xFFFFFF, 0), c0) >> 20) & 0xFFFF],
        )
        q = [apm[cell] * (128 - part) + apm[cell + 1] * part for apm in apms]
        p1 = (squash(t) >> 2) + ((q[0] + 2 * q[1] + 3 * q[2]) >> 8)
        y = coder.bit(min(max(p1, 1), (1 << 24) - 1))

        near = cell + (part >> 6)
        for apm in apms:
            apm[near] += ((y << 22) - apm[near]) >> 6
        self._seen += 1
        rate = 10 + (self.start * 4096) // (4096 + self._seen)
        for a, w in enumerate(weights):
            err = ((y << 16) - (squash(out[a]) >> 8)) * rate
            for j, v in on:
                w[j] += (v * err + (1 << 19)) >> 20
        err0 = ((y << 16) - (squash(t0) >> 8)) * 5
        err1 = ((y << 16) - (squash(t1) >> 8)) * 5
        for a in range(len(self.sets)):
            f0[a] += (out[a] * err0 + (1 << 19)) >> 20
            f1[a] += (out[a] * err1 + (1 << 19)) >> 20
        return y

    def learn(self, bit: Bit, matching: Matching, y: int) -> None:
        """Histories, their maps, and the match models."""
        for i, line in zip(self.contexts, self._line, strict=True):
            s = self.lines[line][bit.node]
            self.p[i][s] = learned(self.p[i][s], y << 22)
            self.lines[line][bit.node] = NEXT[s][y]
        for m in (0, 1):
            if bit.expects[m] is not None:
                right = bit.expects[m] == y
                entry = self.q[m][matching.bucket[m]]
                self.q[m][matching.bucket[m]] = learned(entry, 1 << 22 if right else 0)
                if not right:
                    matching.length[m] = 0


def learned(entry: int, target: int, limit: int = 1023) -> int:
    p, count = entry >> 10, entry & 1023
    p += ((target - p) * RECIP[count]) >> 16
    return (p << 10) + min(count + 1, limit)


def _bucket(length: int) -> int:
    if length < 16:
        return length
    if length < 32:
        return 16 + ((length - 16) >> 2)
    if length < 96:
        return 20 + ((length - 32) >> 4)
    return 24 + min((length - 96) >> 6, 7)


class RangeDecoder:
    def __init__(self, code: bytes) -> None:
        self._code = code
        self._at = 0
        self._value = 0
        for _ in range(4):
            self._value = (self._value << 8) + self._next()
        self._width = (1 << 32) - 1

    def _next(self) -> int:
        self._at += 1
        return self._code[self._at - 1] if self._at <= len(self._code) else 0

    def bit(self, p1: int) -> int:
        bound = (self._width * p1) >> 24
        if self._value < bound:
            y = 1
            self._width = bound
        else:
            y = 0
            self._value -= bound
            self._width -= bound
        while self._width < 1 << 24:
            self._width <<= 8
            self._value = (self._value << 8) + self._next()
        return y


def decode(params: bytes, coded: bytes, size: int, priors: dict[int, Prior] | None = None) -> bytes:
    """The `size` raw bytes of a block; `priors` by kind."""
    if len(params) != 2 or params[0] != 1 or params[1] not in PRESETS:
        raise Broken("parameters")
    if not coded:
        raise Broken("head")
    kind, absolute = coded[0] & 0x7F, coded[0] & 0x80 != 0
    if kind > 3 or (absolute and kind < 2):
        raise Broken("kind")
    history: Text | Binary | X86
    head = 1
    if kind == TEXT:
        history = Text()
    elif kind == BINARY:
        if len(coded) < 4:
            raise Broken("head")
        row, cell = coded[1] | coded[2] << 8, coded[3]
        if not (1 <= row <= 4096 and 1 <= cell <= 8):
            raise Broken("row or cell")
        history = Binary(row, cell)
        head = 4
    else:
        history = X86(kind == X86_64)
    model = Model(params[1], kind, size, (priors or {}).get(kind))
    data = _decode(model, history, RangeDecoder(coded[head:]), size)
    if absolute:
        to_relative(data)
    return bytes(data)


def _decode(
    model: Model, history: Text | Binary | X86, coder: RangeDecoder, size: int
) -> bytearray:
    data = bytearray()  # what is not decoded yet cannot be read
    shared, matching = Shared(), Matching()
    for pos in range(size):
        shared.see(data, pos)
        ctx, select = history.contexts(data, pos, shared)
        if pos >= 16:
            _match(model, data, pos, shared, matching.ptr, matching.length)
        matching.look(data)
        c0 = model.byte(
            ctx,
            matching,
            lambda bit, select=select: model.decode_bit(coder, bit, select, shared.c4),
        )
        data.append(c0 & 255)
    return data


def _match(
    model: Model, data: bytearray, pos: int, shared: Shared, ptr: list[int], length: list[int]
) -> None:
    c4, c8 = shared.c4, shared.c8
    long = mix(c4, c8)
    for j in (9, 10, 11, 12):
        long = mix(long, data[pos - j])
    for m, h in enumerate((mix(c4, c8 & 255), long)):
        slot = (h >> 20) & model.match_mask
        if length[m] > 0 and data[ptr[m]] == data[pos - 1]:
            length[m] = min(length[m] + 1, 65535)
            ptr[m] += 1
        else:
            n = 0
            ptr[m] = at = model.matches[m][slot]
            if at > 0:
                while n < 400 and at > n and data[at - n - 1] == data[pos - n - 1]:
                    n += 1
                if n < (5, 12)[m]:
                    n = 0
            length[m] = n
        model.matches[m][slot] = pos


def to_relative(data: bytearray) -> None:
    for i in range(len(data) - 4):
        if data[i] in (0xE8, 0xE9) and data[i + 4] in (0x00, 0xFF):
            t = data[i + 1] + (data[i + 2] << 8) + (data[i + 3] << 16) + ((data[i + 4] & 1) << 24)
            t = (t - i) & 0x1FFFFFF
            data[i + 1], data[i + 2], data[i + 3] = t & 255, (t >> 8) & 255, (t >> 16) & 255
            data[i + 4] = 0xFF if t >> 24 else 0x00
