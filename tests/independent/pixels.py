"""A second decoder of pictures, written from docs/coders.md alone.

It shares no code with ncz and imports none of it. Python's integers, and its floats, which are
binary64, in least squares, one operation at a time. Milliseconds a value, so for tiny pictures. Of
a PNG file it gives the rows, for its stream is another part of the page.
"""

from __future__ import annotations

import math
import sys
from array import array
from bisect import bisect_right
from functools import cache

from tests.independent import contextmix
from tests.independent.contextmix import RECIP, Broken, RangeDecoder, clamp, squash
from tests.independent.text import WIDE, wide

Plane = list[list[int]]  # rows, columns
Priors = dict[int, contextmix.Prior]
PARAMS = bytes([1, 6])
U64 = (1 << 64) - 1
BAND = 1 << 21  # values


# --- The functions of the page


@cache
def near24(p: int) -> int:
    low = min(p, (1 << 24) - p)
    d = 0 if low < 1 << 12 else 5 if low < 1 << 18 else 11
    m = ((low >> d) << d) + ((1 << d) >> 1)
    z = min(max(bisect_right(WIDE, m) - 1 - 4095, -4095), 0)
    return z if low == p else -z


def level(x: int) -> int:
    if x < 8:
        return 0
    e = x.bit_length() - 4
    return min(1 + 2 * e + (x >> e >= 12), 23)


def seven(t: int) -> int:
    if abs(t) < 90:
        return 3
    n = 1 if abs(t) < 320 else 2 if abs(t) < 900 else 3
    return 3 + n if t > 0 else 3 - n


def hashed(a: int, b: int) -> int:
    m = 0xD6E8FEB86659FD93
    h = ((a + 0x9E3779B97F4A7C15) * m) & U64
    h ^= h >> 32
    h = ((h + b) * m) & U64
    return (h ^ h >> 29) >> 1


# --- Planes and their edges


class Field:
    """A plane with what is beyond its edges, and what was missed in it."""

    def __init__(self, height: int, width: int, known: Plane | None, above: int) -> None:
        self.height, self.width, self.above = height, width, above
        self.known = known is not None
        self.rows: Plane = [list(row) for row in known] if known is not None else []
        self.missed: dict[tuple[int, int], int] = {}

    def __call__(self, x: int, y: int) -> int:
        if self.known:
            y = min(max(y, 0), self.height - 1)
            return self.rows[y][min(max(x, 0), self.width - 1)]
        if y < 0:
            return self.above
        y = min(y, self.height - 1)
        if x < 0:
            return self(0, y - 1)
        return self.rows[y][min(x, self.width - 1)]

    def err(self, x: int, y: int) -> int:
        return clamp(self.missed.get((x, y), 0), 32767)


# --- Least squares


OWN = (
    (0, -1), (-1, -1), (1, -1), (-2, 0), (0, -2), (-2, -1), (2, -1), (-1, -2), (1, -2), (-3, 0),
    (0, -3), (-2, -2), (2, -2),
)  # fmt: skip
OTHER = ((0, 0), (0, -1), (-1, -1), (1, -1), (1, 0), (0, 1), (-1, 1), (1, 1))
REACHES = ((13, 8, 0.875, 0.9375), (8, 5, 0.75, 0.84375), (5, 2, 0.6875, 0.75))

Sums = list[list[float]]  # [i][j - i]


def dot(a: list[float], b: list[float]) -> float:
    s = [0.0, 0.0, 0.0, 0.0]
    whole = len(a) // 4 * 4
    for i in range(whole):
        s[i % 4] += a[i] * b[i]
    for i in range(whole, len(a)):
        s[0] += a[i] * b[i]
    return (s[0] + s[1]) + (s[2] + s[3])


class Reach:
    def __init__(self, number: int, width: int, others: int) -> None:
        self.own, self.other, self.keep, self.column = REACHES[number]
        self.m = self.own + others * self.other + 1
        self.above = [self.zeros() for _ in range(-(-width // 4))]
        self.row = [self.zeros() for _ in self.above]
        self.left = self.zeros()

    def zeros(self) -> Sums:
        return [[0.0] * (self.m - i) for i in range(self.m)]

    def guess(self, v: Field, others: list[Field], x: int, y: int) -> float:
        left = v(x - 1, y)
        z = [v(x + a, y + b) - left for a, b in OWN[: self.own]]
        for o in others:
            z += [o(x + a, y + b) - o(x - 1, y) for a, b in OTHER[: self.other]]
        self.z = [float(n) for n in z]
        pairs = zip(self.above[x // 4], self.left, strict=True)
        w = solution([[p + q for p, q in zip(a, b, strict=True)] for a, b in pairs])
        return left + dot(self.z, w)

    def learn(self, difference: int, x: int) -> None:
        z = [*self.z, float(difference)]
        cell = self.row[x // 4]
        for i, f in enumerate(z):
            for j in range(i, self.m):
                more = f * z[j]
                self.left[i][j - i] = self.column * self.left[i][j - i] + more
                cell[i][j - i] = more if x % 4 == 0 else cell[i][j - i] + more

    def end_row(self) -> None:
        cell = self.column**4
        for i in range(self.m):
            for j in range(self.m - i):
                flow = 0.0
                for above, row in zip(self.above, self.row, strict=True):
                    flow = cell * flow + row[i][j]
                    above[i][j] = self.keep * above[i][j] + flow
                flow = 0.0
                for above, row in zip(self.above[::-1], self.row[::-1], strict=True):
                    above[i][j] = above[i][j] + cell * flow
                    flow = cell * flow + row[i][j]
        self.left = self.zeros()


def solution(s: Sums) -> list[float]:
    m = len(s)
    for k in range(m - 1):
        pivot = s[k][0] + 8.0
        s[k][0] = pivot if pivot > 8.0 else 8.0
        inverse = 1.0 / s[k][0]
        for i in range(k + 1, m - 1):
            f = s[k][i - k] * inverse
            for j in range(i, m):
                s[i][j - i] -= f * s[k][j - k]
    w = [0.0] * (m - 1)
    for k in range(m - 2, -1, -1):
        w[k] = (s[k][m - 1 - k] - dot(s[k][1 : m - 1 - k], w[k + 1 :])) / s[k][0]
    return w


# --- A plane


class Place:
    """What is known of a value before it is coded."""

    guess: list[int]
    inverse: list[int]
    at: list[tuple[int, int, int]]  # of spreads
    bias: int
    k: int
    own: int
    other: int
    contexts: list[int]
    counters: list[int]
    sets: list[int]


class Coding:
    """A plane and all that is learned of it."""

    def __init__(self, v: Field, others: list[Field], top: int, coder: RangeDecoder) -> None:
        self.v, self.others, self.top, self.coder = v, others, top, coder
        self.reaches = [Reach(number, v.width, len(others)) for number in range(3)]
        self.far: dict[tuple[int, int, int], int] = {}
        self.bias: dict[int, tuple[int, int]] = {}
        self.spreads: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.corrections: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.counters: dict[tuple[int, int], tuple[int, int]] = {}
        self.weights: dict[tuple[int, int], list[int]] = {}
        self.charts: dict[tuple[int, int], list[int]] = {}

    def decode(self) -> None:
        v = self.v
        for y in range(v.height):
            v.rows.append([])
            for x in range(v.width):
                place = self.look(x, y)
                value = self.value(place)
                v.rows[y].append(value)
                self.learn(place, x, y, value)
            for reach in self.reaches:
                reach.end_row()

    def off(self, c: int, x: int, y: int) -> int:
        if y < 0:
            return 0
        if x < 0:
            return self.off(c, 0, y - 1)
        return self.far[c, min(x, self.v.width - 1), y]

    def guesses(self, x: int, y: int) -> list[int]:
        v, top = self.v, self.top
        found = []
        for reach in self.reaches:
            fine = reach.guess(v, self.others, x, y) * 64 + 0.5
            found.append(
                0 if not fine > 0 else 64 * top if not fine < 64 * top else math.floor(fine)
            )
        around = [(x - 1, y), (x, y - 1), (x - 1, y - 1), (x + 1, y - 1)]
        W, N, NW, NE = (v(*at) for at in around)
        WW, NN = v(x - 2, y), v(x, y - 2)
        w, n, nw, ne, h = W, N, NW, NE, 0
        if self.others:
            first = self.others[0]
            w, n, nw, ne = (v(*at) - first(*at) for at in around)
            h = first(x, y)
        found.append(64 * (sorted([w, n, w + n - nw])[1] + h))
        found.append(16 * (2 * (w + n) + ne - nw + 4 * h))
        found.append(64 * (h + n) if self.others else 64 * (W + NE - N))
        found.append(16 * (3 * (W - WW) + 2 * (N + NE) + W - NN))
        return [min(max(guess, 0), 64 * top) for guess in found]

    def look(self, x: int, y: int) -> Place:
        v, top, others = self.v, self.top, self.others
        place = Place()
        guess = place.guess = self.guesses(x, y)
        near = [
            2 * self.off(c, x - 1, y) + 2 * self.off(c, x, y - 1) + self.off(c, x - 1, y - 1)
            + self.off(c, x + 1, y - 1) + self.off(c, x - 2, y)
            for c in range(8)
        ]  # fmt: skip
        u = [(1 << 44) // (near[c] + 40) ** 3 + 1 for c in range(7)]
        blend = sum(a * b for a, b in zip(u, guess, strict=True)) // sum(u)
        own = place.own = level(near[7])
        sides = [2 * abs(o.err(x, y)) + abs(o.err(x + 1, y)) + abs(o.err(x, y + 1)) for o in others]
        around = sum(sides) >> 1 if len(sides) > 1 else sum(sides)
        other = place.other = level(around) >> 1
        W, N, NW, NE = v(x - 1, y), v(x, y - 1), v(x - 1, y - 1), v(x + 1, y - 1)
        WW, NN = v(x - 2, y), v(x, y - 2)
        value = blend >> 6
        bits = [n > value for n in (W, N, NW, NE, WW, NN)]
        if others:
            bits.append(others[0](x, y) - others[0](x - 1, y) > value - W)
        texture = sum(bit << i for i, bit in enumerate(bits))
        place.bias = texture * 12 + (own >> 1)
        total, count = self.bias.get(place.bias, (0, 0))
        if count > 3:
            blend = min(max(blend + (total + (count >> 1)) // count, 0), 64 * top)
        guess.append(blend)
        value = blend >> 6
        place.at = [(c, level(near[c]), other) for c in range(8)]
        spread = [max(self.spread(at)[0], 200) for at in place.at]
        place.inverse = [(1 << 30) // s for s in spread]
        k = place.k = next((k for k in range(8) if spread[7] <= 6144 << k), 7)

        scale = place.inverse[7]

        def f(d: int, shift: int = 16) -> int:
            return seven((d * scale) >> shift)

        missed = v.missed
        ew, en, ene = (f(missed.get(at, 0)) for at in ((x - 1, y), (x, y - 1), (x + 1, y - 1)))
        enw = missed.get((x - 1, y - 1), 0) > 0
        e1, e2 = ([f(o.err(x, y)) for o in others] + [3, 3])[:2]
        tw, tn, tne, tnw, tnn, tww = (f(64 * n - blend) for n in (W, N, NE, NW, NN, WW))
        t0, t1, t2 = (f(guess[c] - blend, 14) for c in (0, 1, 2))
        t3, t4 = (f(guess[c] - blend, 15) for c in (3, 4))
        part = (blend & 63) >> 3
        h1, h2 = ([o(x, y) for o in others] + [0, 0])[:2]
        ctx = place.contexts = [
            own * 8 + part, (e1 * 7 + e2) * 7 + ew, en * 7 + ew, (t0 * 7 + t1) * 7 + t2,
            (tw * 7 + tn) * 7 + t3, (tne * 7 + tnw) * 7 + tn, (tnn * 7 + tww) * 7 + tw,
            own * 12 + other, (t3 * 7 + t4) * 7 + ene, texture * 2 + enw,
            level(near[0]) * 16 + (level(near[1]) >> 1), value * 512 // (top + 1),
        ]  # fmt: skip
        place.counters = [
            (own * 12 + other) * 8 + part, ctx[1] * 7 + t0, ctx[3] * 8 + k, ctx[4] * 8 + k,
            ctx[5] * 8 + k, hashed((W << 16) + N, (NE << 16) + NW), hashed((h1 << 16) + h2, W),
            hashed(W, h1), hashed(N, h1 + (1 << 17)), hashed(W, N + (1 << 18)),
            hashed(guess[0] >> 5, k), hashed(guess[0] >> 6, guess[2] >> 6),
        ]  # fmt: skip
        place.sets = [k, own * 8 + min(other, 7), ctx[2] * 7 + t0, other * 8 + k]
        return place

    def spread(self, at: tuple[int, int, int]) -> tuple[int, int]:
        n = at[1]
        start = 53 * 2 ** (n // 2)
        if n % 2:
            start = start * 181 // 128
        return self.spreads.get(at, (max(start, 250), 0))

    def value(self, place: Place) -> int:
        low, high, side, steps, inner = 0, self.top + 1, -1, 0, 0
        while high - low > 1:
            if side < 0:
                split = min(max((place.guess[7] >> 6) + 1, 1), self.top)
                node = kind = 0
            elif inner == 0:
                width = 1 << place.k if steps == 0 else 1 << (place.k + steps - 1)
                if steps > 10 or width >= high - low:
                    inner = 1
                    continue
                split = low + width if side == 1 else high - width
                node, kind = 1 + 12 * side + steps, 1
            else:
                split = (low + high) >> 1
                node = 25 + 48 * side + 16 * min(steps, 2) + min(inner, 15)
                kind = 3 if high - low == 2 else 2
            y = self.decide(place, low, split, high, node, kind, kind + 4 * min(steps, 3))
            if y:
                low = split
            else:
                high = split
            if side < 0:
                side = y
            elif inner > 0:
                inner = 2 * inner + y
            elif y == side:
                steps += 1
            else:
                inner = 1
        return low

    def says(self, place: Place, c: int, low: int, split: int, high: int) -> int:
        def at(a: int) -> int:
            return ((64 * a - place.guess[c] - 32) * place.inverse[c]) >> 16

        here = at(split)
        start = -(1 << 20) if low == 0 else at(low)
        stop = 1 << 20 if high > self.top else at(high)
        if here > 0:
            beyond = 0 if stop == 1 << 20 else wide(-stop)
            some = max(wide(-here) - beyond, 1)
            chance = (some << 24) // max(wide(-start) - beyond, some + 1)
        else:
            beyond = 0 if start == -(1 << 20) else wide(start)
            some = max(wide(here) - beyond, 1)
            chance = (1 << 24) - (some << 24) // max(wide(stop) - beyond, some + 1)
        return near24(min(max(chance, 64), (1 << 24) - 64))

    def decide(
        self, place: Place, low: int, split: int, high: int, node: int, kind: int, form: int
    ) -> int:
        x = [self.says(place, c, low, split, high) for c in range(8)] + [256]
        said = x[7]
        corrected = [(i, context, node) for i, context in enumerate(place.contexts)]
        for at in corrected:
            x.append(clamp(said + (self.corrections.get(at, (0, 0))[0] >> 10), 4095))
        counted = []
        for i, counter in enumerate(place.counters):
            a = counter * 128 + node if i < 5 else hashed(counter, hashed(low, split))
            counted.append((i, a & ((1 << 19) - 1)))
            p, n = self.counters.get(counted[-1], (1 << 21, 0))
            tells = near24(min(max(4 * p, 64), (1 << 24) - 64))
            x.append(0 if n == 0 else (tells * min(n + 1, 32)) >> 5)
        sizes = (128, 4, 4, 16)
        inside = (node, kind, kind, form)
        rows = [(a, place.sets[a] * sizes[a] + inside[a]) for a in range(4)]
        fresh = [3276] * 7 + [13107, 0] + [2184] * 12 + [546] * 12
        weights = [self.weights.setdefault(row, list(fresh)) for row in rows]
        out = [
            clamp(sum(w * n for w, n in zip(row, x, strict=True)) >> 16, 4095) for row in weights
        ]
        mean = sum(out) // 4
        j, part = divmod(clamp(mean, 3071) + 3072, 192)
        line = [squash(clamp(192 * cell - 3072, 3071)) >> 2 for cell in range(33)]
        charts = [
            self.charts.setdefault(at, list(line))
            for at in ((0, place.k * 128 + node), (1, place.contexts[1] * 4 + kind))
        ]
        before, after = (charts[0][c] + charts[1][c] for c in (j, j + 1))
        charted = before * (192 - part) + after * part
        p1 = min(max((2 * wide(mean) + 4 * charted // 192) >> 2, 32), (1 << 24) - 32)
        y = self.coder.bit(p1)

        for chart in charts:
            cell = j + (2 * part >= 192)
            chart[cell] += ((y << 22) - chart[cell]) >> 6
        for row, o in zip(weights, out, strict=True):
            e = ((y << 16) - (wide(o) >> 8)) * 20
            for i, n in enumerate(x):
                row[i] += (n * e + (1 << 19)) >> 20
        for at in corrected:
            c, n = self.corrections.get(at, (0, 0))
            e = (y << 16) - (wide(said + (c >> 10)) >> 8)
            c = clamp(c + ((e * (RECIP[n] * 24 // 16)) >> 14), 1 << 20)
            self.corrections[at] = c, min(n + 1, 255)
        for place_of in counted:
            p, n = self.counters.get(place_of, (1 << 21, 0))
            p += (((y << 22) - p) * RECIP[n]) >> 16
            self.counters[place_of] = p, min(n + 1, 250)
        return y

    def learn(self, place: Place, x: int, y: int, value: int) -> None:
        for c in range(8):
            away = abs(64 * value - place.guess[c])
            self.far[c, x, y] = min(away, 4096)
            spread, n = self.spread(place.at[c])
            spread += (((away * 185 >> 2) - spread) * RECIP[n]) >> 16
            self.spreads[place.at[c]] = spread, min(n + 1, 250)
        e = self.v.missed[x, y] = 64 * value - place.guess[7]
        total, count = self.bias.get(place.bias, (0, 0))
        if count > 3:
            e += (total + (count >> 1)) // count
        total, count = total + e, count + 1
        if count >= 64:
            total, count = total >> 1, count >> 1
        self.bias[place.bias] = total, count
        for reach in self.reaches:
            reach.learn(value - self.v(x - 1, y), x)


# --- Coded data


class Bytes:
    def __init__(self, data: bytes, priors: Priors | None = None) -> None:
        self.data, self.at, self.priors = data, 0, priors

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise Broken("cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def packed(self) -> bytes:
        size = self.varint()
        if not size:
            return b""
        how = self.take(1)[0]
        body = self.take(self.varint())
        return contextmix.decode(PARAMS, body, size, self.priors) if how else body

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)


def decode_planes(
    coded: bytes, count: int, height: int, width: int, top: int, known: list[Plane] | None = None
) -> list[Plane]:
    given = known or []
    values = (count - len(given)) * height * width
    bands = max(1, min(values // BAND, 64, height))
    data = Bytes(coded)
    sizes = [data.varint() for _ in range(bands - 1)]
    parts = [data.take(size) for size in sizes] + [data.rest()]
    found: list[Plane] = [[] for _ in range(count)]
    for i, part in enumerate(parts):
        first, last = height * i // bands, height * (i + 1) // bands
        coder = RangeDecoder(part)
        fields = [Field(last - first, width, plane[first:last], 0) for plane in given]
        for number in range(len(given), count):
            field = Field(last - first, width, None, (top + 1) // 2)
            others = [fields[n] for n in (number - 1, number - 2) if n >= 0]
            Coding(field, others, top, coder).decode()
            fields.append(field)
        for plane, field in zip(found, fields, strict=True):
            plane += field.rows
    return found


def photo_cd(coded: bytes, odd: bytes, height: int, width: int) -> list[list[int]]:
    """Rows of samples: red, green, blue of each pixel."""
    data = Bytes(coded)
    phase = data.take(1)[0]
    px, py = phase & 1, phase >> 1
    rows, columns = (height - py + 1) // 2, (width - px + 1) // 2
    chroma = decode_planes(data.take(data.varint()), 2, rows, columns, 319)

    def between(at: int, count: int) -> list[int]:
        return [min(max(n, 0), count - 1) for n in (at >> 1, (at + 1) >> 1)]

    scaled = []
    for plane in chroma:
        scaled.append(
            [
                [
                    (2 + sum(plane[a][b] for a in between(y - py, rows) for b in across)) >> 2
                    for x in range(width)
                    for across in [between(x - px, columns)]
                ]
                for y in range(height)
            ]
        )
    luma = decode_planes(data.rest(), 3, height, width, 319, scaled)[2]
    out: list[list[int]] = []
    for y in range(height):
        row = []
        for x in range(width):
            u, v = 22179 * (scaled[0][y][x] - 160), 18215 * (scaled[1][y][x] - 160)
            bright = 13584 * luma[y][x]
            green = bright - 1940 * (u // 10000) - 5090 * (v // 10000)
            row += [min(max(n // 10000, 0), 255) for n in (bright + v, green, bright + u)]
        out.append(row)
    listed = Bytes(odd)
    count = listed.varint()
    places, at = [], -1
    for _ in range(count):
        at += listed.varint() + 1
        places.append(at)
    for channel in range(3):
        for at, more in zip(places, listed.take(count), strict=True):
            y, x = divmod(at, width)
            out[y][3 * x + channel] = (out[y][3 * x + channel] + more) % 256
    return out


def decode(coded: bytes, size: int, priors: Priors) -> bytes:
    """The raw bytes of a block, or of a PNG file the unfiltered rows."""
    data = Bytes(coded, priors)
    first = data.take(1)[0]
    holds, how = first >> 4, first & 15
    if holds > 2 or how > 2:
        raise Broken("how")
    start, pitch, width, height, channels, kind = (data.varint() for _ in range(6))
    data.packed()
    others, odd = data.packed(), data.packed()
    if holds == 2:
        data.take(data.varint())  # the record of its stream
    body, each = data.rest(), 2 if kind else 1
    row = width * channels * each
    if holds:
        size = pitch * height
    samples: list[list[int]]
    if how == 0:
        raw = contextmix.decode(PARAMS, body, row * height, priors)
        lines = [raw[row * y : row * (y + 1)] for y in range(height)]
    else:
        if how == 2:
            samples = photo_cd(body, odd, height, width)
        else:
            order = ((0,), (0, 1), (1, 0, 2), (1, 0, 2, 3))[channels - 1]
            found = decode_planes(body, channels, height, width, 256**each - 1)
            planes = [found[order.index(channel)] for channel in range(channels)]
            samples = [
                [plane[y][x] for x in range(width) for plane in planes] for y in range(height)
            ]
        lines = [_line(one, kind) for one in samples]
    out, rest = bytearray(), iter(others)
    for y in range(height):
        gap = start if y == 0 else pitch - row
        out += bytes(next(rest) for _ in range(gap)) + lines[y]
    out += bytes(rest)
    if len(out) != size:
        raise Broken("size")
    return bytes(out)


def _line(samples: list[int], kind: int) -> bytes:
    if kind == 0:
        return bytes(samples)
    out = array("H", samples)
    if (kind == 2) == (sys.byteorder == "little"):
        out.byteswap()
    return out.tobytes()
