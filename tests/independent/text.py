"""A second decoder of text, written from docs/text.md and docs/coders.md alone.

It shares no code with ncz and imports none of it. Of language models it takes what they say: the
weights of their sorted vocabularies, summed up. Some milliseconds a byte.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.independent import contextmix
from tests.independent.contextmix import (
    RECIP,
    STRETCH,
    Bit,
    Broken,
    Made,
    Matching,
    Prior,
    RangeDecoder,
    Shared,
    Text,
    clamp,
    learned,
    logistic,
    m2,
    mix,
    moved_rows,
)

Ask = Callable[[int, int], Sequence[int]]
"""What a model says of the next token of a stream that has said so many: sums up to each entry of
its sorted vocabulary, from 0 to the total. A total of 0 is no opinion."""

MODEL, CONTEXTS, BYTES = range(3)
NONE = -1


# --- Tables


WIDE = logistic(4095)


def wide(x: int) -> int:
    return WIDE[clamp(x, 4095) + 4095]


def below_half(low: int, drop: int) -> int:
    middle = ((low >> drop) << drop) + ((1 << drop) >> 1)
    return clamp(min(bisect_right(WIDE, middle) - 1 - 4095, 0), 4095)


def stretch24(p: int) -> int:
    low = min(p, (1 << 24) - p)
    x = below_half(low, 0 if low < 1 << 12 else 5 if low < 1 << 18 else 11)
    return x if low == p else -x


# --- Parts


Corrections = dict[int, tuple[int, int]]  # c and count


def learn_correction(table: Corrections, at: int, said: int, y: int, pace: int, limit: int) -> None:
    c, count = table[at]
    err = (y << 16) - (wide(said + (c >> 10)) >> 8)
    c += (err * ((RECIP[count] * pace) // 16)) >> 14
    table[at] = min(max(c, -(1 << 21)), (1 << 21) - 1), min(count + 1, limit)


class Mixer:
    """Sets of rows of weights; rows of all sets are numbered through."""

    def __init__(self, sizes: tuple[int, ...], weights: Made) -> None:
        self._first = [sum(sizes[:a]) for a in range(len(sizes))]
        self._weights = weights
        self._on: list[tuple[int, int]] = []
        self._rows: list[list[int]] = []
        self.out: list[int] = []

    def predict(self, x: list[int], rows: tuple[int, ...]) -> int:
        self._on = [(j, value) for j, value in enumerate(x) if value]
        self._rows = [self._weights[first + r] for first, r in zip(self._first, rows, strict=True)]
        self.out = [
            clamp(sum(w[j] * value for j, value in self._on) >> 16, 4095) for w in self._rows
        ]
        return sum(self.out) // len(self.out)

    def learn(self, y: int, rate: int) -> None:
        for w, out in zip(self._rows, self.out, strict=True):
            err = ((y << 16) - (wide(out) >> 8)) * rate
            for j, value in self._on:
                w[j] += (value * err + (1 << 19)) >> 20


STRAIGHT = [wide(128 * (j - 24)) >> 2 for j in range(49)]


class Charts:
    def __init__(self, sizes: tuple[int, ...], share: int, cells: Made) -> None:
        self._first = [sum(sizes[:a]) for a in range(len(sizes))]
        self._share = share
        self._cells = cells
        self._rows: list[list[int]] = []
        self._near = 0

    def predict(self, t: int, rows: tuple[int, ...]) -> int:
        self._rows = [self._cells[first + r] for first, r in zip(self._first, rows, strict=True)]
        u = clamp(t, 3071) + 3072
        cell, part = u >> 7, u & 127
        self._near = cell + (part >> 6)
        q = sum(r[cell] * (128 - part) + r[cell + 1] * part for r in self._rows)
        p1 = (self._share * wide(t) + (q >> 5)) // (self._share + len(rows))
        return min(max(p1, 1), (1 << 24) - 1)

    def learn(self, y: int) -> None:
        for r in self._rows:
            r[self._near] += ((y << 22) - r[self._near]) >> 7


# --- Vocabularies


def entries(tokens: Sequence[bytes | None]) -> list[bytes]:
    """The sorted vocabulary: usable tokens, and every byte that is none."""
    return sorted({token for token in tokens if token} | {bytes([byte]) for byte in range(256)})


def part(words: list[bytes], lo: int, hi: int, depth: int, bit: int | None) -> int:
    """Where side 1 begins among the entries lo to hi - 1, at a stop or at a bit of a byte."""
    if bit is None:
        return bisect_left(range(lo, hi), True, key=lambda e: len(words[e]) > depth) + lo
    return (
        bisect_left(range(lo, hi), True, key=lambda e: words[e][depth] >> (7 - bit) & 1 == 1) + lo
    )


def ratio(sums: Sequence[int], lo: int, cut: int, hi: int) -> int:
    zero, one = int(sums[cut] - sums[lo]), int(sums[hi] - sums[cut])
    return min(max(math.floor(one * 16777216.0 / (zero + one)), 1), (1 << 24) - 1)


# --- What the block knows


@dataclass
class Stream:
    number: int
    start: int
    end: int
    at: int
    own: bytearray
    shared: Shared
    history: Text = field(default_factory=Text)
    opened: int = -1
    ctx: list[int] = field(default_factory=list)
    select: list[int] = field(default_factory=list)
    matching: Matching = field(default_factory=Matching)
    before: list[int] = field(default_factory=lambda: [NONE] * 3)
    said: int = 0


@dataclass
class Said:
    """What the models say at a decision."""

    st: int
    v: int
    st2: int
    v2: int

    @classmethod
    def of(cls, p: int, p2: int) -> Said:
        if p2 == 0:
            return cls(stretch24(p), (p - (1 << 23)) >> 13, 0, 0)
        return cls(stretch24(p), (p - (1 << 23)) >> 13, stretch24(p2), (p2 - (1 << 23)) >> 13)

    def numbers(self) -> list[int]:
        return [self.st, self.v, self.st2, self.v2]


EDGES = (2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96)


def sureness(both: int) -> int:
    e = both >> 5
    if e >= 0:
        return 12 + sum(edge <= e for edge in EDGES)
    return 11 - sum(edge <= -1 - e for edge in EDGES)


class Opinions:
    def __init__(self, bits: int, trust: Sequence[int]) -> None:
        self._mask = (1 << bits) - 1
        self._g: list[Corrections] = [defaultdict(lambda: (0, 0)) for _ in range(8)]
        self._n: list[dict[int, tuple[int, int]]] = [
            defaultdict(lambda: (NONE, 0)) for _ in range(3)
        ]
        self._u = [list(trust[768 * j : 768 * j + 768]) for j in range(3)]
        self._place = [0] * 3
        self._recalled = [NONE] * 3
        self._context = [0] * 8
        self._key = [0] * 8
        self._side: list[int | None] = [None] * 3
        self._kind = [0] * 3

    def recall(self, s: Stream) -> None:
        z = 0
        for j in range(3):
            z = mix(z, s.before[j] + 1)
            self._place[j] = (mix(z, j + 1) >> 20) & self._mask
            self._recalled[j] = self._n[j][self._place[j]][0]

    def contexts(self, s: Stream) -> None:
        t, c4 = s.history, s.shared.c4
        self._context = [
            0,
            mix(s.before[0] % (1 << 64), 1),
            mix(t.w1, 3),
            mix(c4 & 0xFFFF, 8),
            mix(t.shape & 0xFFF, 10),
            mix(c4, 11),
            mix(s.at - s.start - t.start, 15),
            mix(t.w0, 18),
        ]

    def say(self, lo: int, cut: int, hi: int, bits: int, sure: int) -> list[int]:
        x = []
        for j in range(8):
            self._key[j] = (mix(self._context[j], cut if j < 7 else bits) >> 20) & self._mask
            x.append(self._g[j][self._key[j]][0] >> 10)
        for j in range(3):
            self._side[j] = None
            entry = self._recalled[j]
            if entry != NONE and lo <= entry < hi:
                side = int(entry >= cut)
                towards = sure if side == 1 else 23 - sure
                times = self._n[j][self._place[j]][1]
                self._kind[j] = 24 * (min(times, 15) + (16 if bits > 0 else 0)) + towards
                self._side[j] = side
                a = STRETCH[self._u[j][self._kind[j]] >> 20]
                x.append(a if side == 1 else -a)
            else:
                x.append(0)
        return x

    def learn(self, both: int, y: int) -> None:
        for j in range(8):
            learn_correction(self._g[j], self._key[j], both, y, 90, 255)
        for j in range(3):
            if self._side[j] is not None:
                target = 1 << 22 if self._side[j] == y else 0
                self._u[j][self._kind[j]] = learned(self._u[j][self._kind[j]], target, 255)

    def remember(self, s: Stream, entry: int) -> None:
        for j in range(3):
            kept, times = self._n[j][self._place[j]]
            if self._recalled[j] == entry:
                times = min(times + 1, 255)
            elif times > 3:
                times -= times >> 1
            else:
                kept, times = entry, 0
            self._n[j][self._place[j]] = kept, times
        s.before = [entry, *s.before[:2]]


class Stops:
    def __init__(self, bits: int, start: Prior, models: int) -> None:
        self._mask = (1 << bits) - 1
        self._s: list[dict[int, int]] = [defaultdict(lambda: 1 << 31) for _ in range(10)]
        plain = [3000, 0] * 10 + [50000, 0, 0, 0] + [0] + [8000] * 11
        if models == 2:
            plain = halved(plain, (20, 22), (21, 23))
        weights = moved_rows(
            start["stops.weights.rows"], start["stops.weights.moved"], 16, lambda r: plain
        )
        cells = moved_rows(
            start["stops.charts.rows"], start["stops.charts.moved"], 256, lambda r: STRAIGHT
        )
        self._mixer = Mixer((24, 64, 64), weights)
        self._charts = Charts((4096, 4096), 2, cells)
        self._slot = [0] * 10

    def predict(
        self, s: Stream, prefix: int, depth: int, said: Said, sure: int, opinions: list[int]
    ) -> int:
        c4, c8, c1 = s.shared.c4, s.shared.c8, s.shared.c4 & 255
        w0, w1, before = s.history.w0, s.history.w1, [b % (1 << 64) for b in s.before]
        h = [
            prefix,
            mix(prefix, before[0]),
            mix(prefix, s.matching.expected[0]),
            mix(w0, w1),
            mix(w0, 0),
            c4 & 0xFFFFFF,
            mix(c4, c8 & 255),
            mix(prefix, sure),
            mix(c1, 24 * min(depth, 15) + sure),
            m2(prefix, before[0], before[1]),
        ]
        x: list[int] = []
        for j in range(10):
            self._slot[j] = (mix(h[j], j + 101) >> 20) & self._mask
            entry = self._s[j][self._slot[j]]
            x += (STRETCH[entry >> 20], ((entry >> 20) - 2048) >> 1) if entry & 1023 else (0, 0)
        count = self._s[0][self._slot[0]] & 1023
        rows = sure, 4 * min(depth, 15) + min(count // 2, 3), s.history.shape & 63
        t = self._mixer.predict([*x, *said.numbers(), 256, *opinions], rows)
        charts = (mix(prefix, 0) >> 20) & 4095, (mix(c1, sure) >> 20) & 4095
        return self._charts.predict(t, charts)

    def learn(self, y: int) -> None:
        self._charts.learn(y)
        self._mixer.learn(y, 12)
        for j in range(10):
            entry = self._s[j][self._slot[j]]
            self._s[j][self._slot[j]] = learned(entry, y << 22, 255)


def halved(weights: list[int], *pairs: tuple[int, int]) -> list[int]:
    """A row in which a second model takes half of what the first one has."""
    row = weights[:]
    for first, second in pairs:
        row[first] >>= 1
        row[second] = row[first]
    return row


SIZES = (512, 512, 2048, 4096, 2048, 576)
LIKE = (0, 3, 4, 5, 7, 0)


class Bits:
    def __init__(self, prior: Prior, start: Prior, models: int) -> None:
        known = prior["6.weights"]  # 89 columns, rounded up to 96
        starts = [sum(SIZES[:a]) for a in range(6)]
        firsts = [sum(contextmix.ROWS[:a]) for a in range(8)]
        average = [
            math.trunc(sum(16 * known[96 * r + j] for r in range(256)) / 256) for j in range(89)
        ]

        def plain(r: int) -> list[int]:
            of = bisect_right(starts, r) - 1
            if LIKE[of] == 0:
                row = average
            else:
                at = 96 * (firsts[LIKE[of]] + r - starts[of])
                row = [16 * w for w in known[at : at + 89]]
            row = [w >> 2 for w in row]
            row[1:84:3] = [1500] * 28
            row = [*row, 50000, 0, 0, 0, *[8000] * 11]
            return halved(row, (89, 91), (90, 92)) if models == 2 else row

        last = halved([9362] * 8, (6, 7)) if models == 2 else [9362] * 8
        weights = moved_rows(start["weights.rows"], start["weights.moved"], 16, plain)
        final = moved_rows(start["final.rows"], start["final.moved"], 16, lambda r: last)
        cells = moved_rows(start["charts.rows"], start["charts.moved"], 256, lambda r: STRAIGHT)
        self._first = Mixer(SIZES, weights)
        self._second = Mixer((256, 32, 192), final)
        self._charts = Charts((256 * 24, 65536, 65536), 1, cells)
        meant, counts = start["meanings"], start["meanings.count"]
        self._d: list[Corrections] = [
            {at: (1024 * meant[6144 * i + at], counts[6144 * i + at]) for at in range(219 * 24)}
            for i in range(28)
        ]
        self._at = [0] * 28

    def predict(
        self,
        s: Stream,
        bit: Bit,
        depth: int,
        said: Said,
        sure: int,
        opinions: list[int],
    ) -> int:
        x = bit.x[:]
        for a, h in enumerate(bit.states):
            self._at[a] = 24 * h + sure
            x[3 * a + 1] = self._d[a][24 * h + sure][0] >> 10 if h != 0 else 0
        c1, c0, k = s.shared.c4 & 255, bit.c0, bit.k
        one = bit.expects[0]
        rows = (
            256 * (depth > 0) + c0,
            8 * (2 * bit.matched + (bit.expects[1] is not None)) + k,
            8 * c1 + k,
            8 * s.select[1] + k,
            8 * s.select[3] + k,
            8 * (3 * sure + (0 if one is None else one + 1)) + bit.order,
        )
        self._first.predict([*x, *said.numbers(), *opinions], rows)
        t = self._second.predict(
            [*self._first.out, said.st, said.st2], (c0, bit.matched, 8 * sure + k)
        )
        third = (mix(mix(s.shared.c4 & 0xFFFFFF, 0), c0) >> 20) & 0xFFFF
        return self._charts.predict(t, (256 * sure + c0, 256 * c1 + c0, third))

    def learn(self, both: int, y: int) -> None:
        self._charts.learn(y)
        self._first.learn(y, 6)
        self._second.learn(y, 3)
        for a in range(28):
            learn_correction(self._d[a], self._at[a], both, y, 30, 1023)


class Mix:
    """One block's state, and what decodes runs and tokens with it."""

    def __init__(
        self,
        code: bytes,
        bounds: Sequence[tuple[int, int]],
        prior: Prior,
        start: Prior,
        words: list[bytes],
        ask: Ask,
        second: tuple[list[bytes], Ask] | None = None,
    ) -> None:
        size = self._size = bounds[-1][1]
        self._coder = RangeDecoder(code)
        self._model = contextmix.Model(6, 0, size, prior)
        self._words, self._ask = words, ask
        self._second = second
        self.text = bytearray(size)
        self._known = bytearray(size)
        after1: dict[int, int] = defaultdict(int)
        after2: dict[int, int] = defaultdict(int)
        self.streams = [
            Stream(k, a, b, a, bytearray(), Shared(after1=after1, after2=after2))
            for k, (a, b) in enumerate(bounds)
        ]
        bits = min(max(size.bit_length(), 12), 20)
        models = 1 if second is None else 2
        self._opinions = Opinions(bits, start["trust"])
        self._stops = Stops(bits, start, models)
        self._bits = Bits(prior, start, models)

    def run(self, s: Stream, count: int) -> None:
        """Bytes by contexts alone."""
        model = self._model

        def alone(bit: Bit) -> int:
            return model.decode_bit(self._coder, bit, s.select, s.shared.c4)

        self._open(s)
        for _ in range(count):
            if s.at == s.end:
                raise Broken("a run ends outside its stream")
            c0 = model.byte(s.ctx, s.matching, alone)
            self._take(s, c0)

    def token(self, s: Stream) -> None:
        words, opinions, model = self._words, self._opinions, self._model
        sums = self._ask(s.number, s.said)
        self._open(s)
        opinions.recall(s)
        lo, hi = 0, len(words)
        beside = Beside(*self._second, s) if self._second else None
        prefix = depth = 0

        def step(bit: Bit | None) -> int:
            nonlocal lo, hi
            k = None if bit is None else bit.k
            cut = part(words, lo, hi, depth, k)
            if cut == lo:
                y = 1
            elif cut == hi:
                y = 0
            else:
                p = ratio(sums, lo, cut, hi)
                p2 = beside.opinion(depth, k) if beside else 0
                said = Said.of(p, p2)
                both = said.st if p2 == 0 else (said.st + said.st2) >> 1
                sure = sureness(both)
                numbers = opinions.say(lo, cut, hi, 0 if bit is None else bit.c0, sure)
                if bit is None:
                    p1 = self._stops.predict(s, prefix, depth, said, sure, numbers)
                else:
                    p1 = self._bits.predict(s, bit, depth, said, sure, numbers)
                y = self._coder.bit(p1)
                opinions.learn(both, y)
                if bit is None:
                    self._stops.learn(y)
                else:
                    self._bits.learn(both, y)
            if beside:
                beside.take(depth, k, y)
            lo, hi = (cut, hi) if y == 1 else (lo, cut)
            return y

        while True:
            opinions.contexts(s)
            if step(None) == 0:
                break
            if s.at == s.end:
                raise Broken("a token ends outside its stream")
            c0 = model.byte(s.ctx, s.matching, step)
            self._take(s, c0)
            prefix = mix(prefix, c0)
            depth += 1
        opinions.remember(s, lo)
        s.said += 1

    def _take(self, s: Stream, c0: int) -> None:
        self.text[s.at] = c0 & 255
        s.own.append(c0 & 255)
        self._known[s.at] = 1
        s.at += 1
        self._open(s)

    def _open(self, s: Stream) -> None:
        if s.at == s.end or s.opened == s.at:
            return
        s.opened = s.at
        pos = s.at - s.start
        s.shared.see(s.own, pos)
        s.ctx, s.select = s.history.contexts(s.own, pos, s.shared)
        if pos >= 16:
            self._match(s)
        s.matching.look(self.text)

    def _match(self, s: Stream) -> None:
        pos, at, text, known = s.at - s.start, s.at, self.text, self._known
        long = mix(s.shared.c4, s.shared.c8)
        for j in (9, 10, 11, 12):
            long = mix(long, s.own[pos - j])
        for m, h in enumerate((mix(s.shared.c4, s.shared.c8 & 255), long)):
            slot = (h >> 20) & self._model.match_mask
            n, ptr = s.matching.length[m], s.matching.ptr[m]
            if n > 0 and text[ptr] == text[at - 1]:
                n = min(n + 1, 65535)
                ptr += 1
            else:
                n = 0
            if n == 0 or ptr == self._size or not known[ptr]:
                n, ptr = 0, self._model.matches[m][slot]
                if ptr > 0 and known[ptr]:
                    while (
                        n < 400
                        and ptr > n
                        and pos > n
                        and known[ptr - n - 1]
                        and text[ptr - n - 1] == text[at - n - 1]
                    ):
                        n += 1
                    if n < (5, 12)[m]:
                        n = 0
            self._model.matches[m][slot] = at
            s.matching.length[m], s.matching.ptr[m] = n, ptr


class Beside:
    """The second model's range while a token of the first is said."""

    def __init__(self, words: list[bytes], ask: Ask, s: Stream) -> None:
        self._words = words
        self._sums = ask(s.number, s.said)
        self._lo = 0
        self._hi = len(words) if self._sums[-1] > 0 else 0

    def opinion(self, depth: int, k: int | None) -> int:
        if self._lo == self._hi or k is None:
            return 0
        cut = part(self._words, self._lo, self._hi, depth, k)
        if cut == self._lo:
            return (1 << 24) - (1 << 12)
        if cut == self._hi:
            return 1 << 12
        return ratio(self._sums, self._lo, cut, self._hi)

    def take(self, depth: int, k: int | None, y: int) -> None:
        cut = part(self._words, self._lo, self._hi, depth, k)
        if k is None and y == 1 and self._lo < cut < self._hi:
            low, high, end = (self._sums[at] for at in (self._lo, cut, self._hi))
            if end - high < (end - low) >> 4:
                cut = self._hi
        if y == 1:
            self._lo = cut
        else:
            self._hi = cut


# --- Blocks


def decode(
    params: bytes,
    coded: bytes,
    size: int,
    prior: Prior,
    start: Prior,
    models: Sequence[tuple[Sequence[bytes | None], Ask]],
) -> bytes:
    """The `size` raw bytes of a block; `models` by their tokens and what they say."""
    numbers, _ = _varints(params, 2, 4)
    if params[0] != 1 or params[1] != len(models):
        raise Broken("parameters")
    _, _, _, prefix = numbers
    (count, runs_count), at = _varints(coded, 0, 2)
    values, at = _varints(coded, at, runs_count)
    runs = [(value % 3, value // 3) for value in values] or [(MODEL, size)]
    if sum(length for _, length in runs) != size:
        raise Broken("runs")
    text_size = sum(length for kind, length in runs if kind != BYTES)
    ends = []
    for k in range(count):
        end = text_size * (k + 1) // count
        if end != text_size:
            (more,), at = _varints(coded, at, 1)
            end += more
        ends.append(end)
    other = b""
    if text_size != size:
        (length,), at = _varints(coded, at, 1)
        other = _other(coded[at + length :], size - text_size, prior)
        coded = coded[: at + length]
    text = _text(coded[at:], runs, ends, prefix if count > 1 else 0, prior, start, models)
    out = bytearray()
    for kind, length in runs:
        if kind == BYTES:
            out += other[:length]
            other = other[length:]
        else:
            out += text[:length]
            text = text[length:]
    return bytes(out)


def _text(
    code: bytes,
    runs: list[tuple[int, int]],
    ends: list[int],
    prefix: int,
    prior: Prior,
    start: Prior,
    models: Sequence[tuple[Sequence[bytes | None], Ask]],
) -> bytearray:
    alone, at = {}, 0
    for kind, length in runs:
        if kind == CONTEXTS:
            alone[at] = length
        if kind != BYTES:
            at += length
    (words, ask), *more = [(entries(tokens), ask) for tokens, ask in models]
    bounds = list(zip([0, *ends[:-1]], ends, strict=True))
    mixed = Mix(code, bounds, prior, start, words, ask, more[0] if more else None)
    number = 0
    while any(s.at < s.end for s in mixed.streams):
        turn = mixed.streams if number >= prefix else mixed.streams[:1]
        turn = [s for s in turn if s.at < s.end]
        if not turn:
            raise Broken("the first stream ends within the prefix")
        for s in turn:
            while s.at in alone:
                mixed.run(s, alone.pop(s.at))
        for s in turn:
            if s.at < s.end:
                mixed.token(s)
        number += 1
    return mixed.text


def _other(coded: bytes, size: int, prior: Prior) -> bytes:
    if coded[0] == 0:
        return coded[1:]
    return contextmix.decode(b"\x01\x06", coded[1:], size, {0: prior})


def _varints(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    found = []
    for _ in range(count):
        value = shift = 0
        while data[at] & 128:
            value |= (data[at] & 127) << shift
            shift += 7
            at += 1
        found.append(value | data[at] << shift)
        at += 1
    return found, at
