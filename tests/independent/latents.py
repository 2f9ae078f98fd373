"""A second decoder of the latents of pictures, written from docs/latents.md alone.

It shares no code with ncz and imports none of it. Python's integers and its floats, which are
binary64, one operation at a time. Some seconds for a tiny network and picture.
"""

from __future__ import annotations

import json
import math
import struct
from decimal import Decimal, localcontext

import zstandard

from tests.independent.contextmix import RECIP, Broken, RangeDecoder, clamp
from tests.independent.text import stretch24, wide

Plane = list[list[list[int]]]  # rows, columns, channels


def law() -> list[list[int]]:
    table = []
    with localcontext() as context:
        context.prec = 50
        for k in range(64):
            s = (Decimal("-3.4") + Decimal("7.8") * k / 63).exp()
            beyond = [1 / (1 + ((d + Decimal("0.5")) / s).exp()) for d in range(12)]
            row = [2 * beyond[0]] + [beyond[d] / beyond[d - 1] for d in range(1, 12)]
            table.append([min(max(int(share * 2**24), 16), 2**24 - 16) for share in row])
    return table


LAW = law()


class Weights:
    """Tensors of a file, as lists."""

    def __init__(self, data: bytes) -> None:
        size = int.from_bytes(data[:8], "little")
        head = json.loads(data[8 : 8 + size])
        kinds = json.loads(head["__metadata__"]["kinds"])
        self.shape: dict[str, list[int]] = {}
        self.flat: dict[str, list[float]] = {}
        forms = {"uint8": "B", "int16": "h", "int32": "i", "float32": "f", "float16": "e"}
        for name, (kind, *shape) in kinds.items():
            first, end = head[name]["data_offsets"]
            frame = data[8 + size + first : 8 + size + end]
            raw = zstandard.ZstdDecompressor().decompress(frame)
            self.shape[name] = shape
            self.flat[name] = [n for (n,) in struct.iter_unpack("<" + forms[kind], raw)]

    def layer(self, name: str, x: list[int], rows: list[int] | None = None) -> list[float]:
        """`(sum of weight · x) · scale + offset`, of some outputs or all."""
        weight, count = self.flat[f"{name}.weight"], len(x)
        scale, offset = self.flat[f"{name}.scale"], self.flat[f"{name}.offset"]
        found = []
        for o in range(len(scale)) if rows is None else rows:
            total = sum(int(w) * n for w, n in zip(weight[o * count :], x, strict=False))
            found.append(float(total) * scale[o] + offset[o])
        return found

    def between(self, values: list[float], width: int, quality: int) -> list[int]:
        a, p = divmod(quality, 36)
        row = [int(v) for v in values[a * width : (a + 1) * width]]
        if not p:
            return row
        after = [int(v) for v in values[(a + 1) * width : (a + 2) * width]]
        return [
            math.floor(float(n * (36 - p) + m * p) / 36.0 + 0.5)
            for n, m in zip(row, after, strict=True)
        ]


def cut(x: float) -> int:
    return min(max(math.floor(x + 0.5), 0), 4095)


class Learned:
    """Cells and weights of one kind of latents."""

    def __init__(self) -> None:
        self.cells: dict[tuple[object, ...], tuple[int, int]] = {}
        self.weights: dict[tuple[int, int], list[int]] = {}

    def decide(self, coder: RangeDecoder, k: int, channel: int, near: int, d: int) -> int:
        keys = [("k", k, d), ("c", channel, k // 4, d), ("n", near, k // 2, d)]
        starts = [LAW[k][d], LAW[4 * (k // 4) + 2][d], LAW[2 * (k // 2) + 1][d]]
        x = [stretch24(LAW[k][d])]
        for key, start in zip(keys, starts, strict=True):
            p, _ = self.cells.setdefault(key, (start >> 2, 0))
            x.append(stretch24(min(max(4 * p, 4), 2**24 - 4)))
        x.append(256)
        weights = self.weights.setdefault((k, d), [24000, 16000, 12000, 16000, 0])
        dot = clamp(sum(w * n for w, n in zip(weights, x, strict=True)) >> 16, 4095)
        p1 = min(max(wide(dot), 1), 2**24 - 1)
        y = coder.bit(p1)
        error = ((y << 16) - (p1 >> 8)) * 10
        for i, n in enumerate(x):
            weights[i] += (n * error + (1 << 19)) >> 20
        for key in keys:
            p, count = self.cells[key]
            p += (((y << 22) - p) * RECIP[count]) >> 16
            self.cells[key] = min(max(p, 1), 2**22 - 1), min(count + 1, 255)
        return y

    def distance(self, coder: RangeDecoder, k: int, channel: int, near: int) -> int:
        if not self.decide(coder, k, channel, near, 0):
            return 0
        negative = coder.bit(1 << 23)
        size = 1
        while size < 1022 and self.decide(coder, k, channel, near, min(size, 11)):
            size += 1
        return -size if negative else size


def neighbours(r: Plane, i: int, j: int, c: int) -> int:
    height, width = len(r), len(r[0])
    weights = {(0, -1): 2, (0, 1): 2, (-1, 0): 2, (1, 0): 2, (-2, 0): 1, (0, -2): 1}
    weights |= {(a, b): 1 for a in (-1, 1) for b in (-1, 1)}
    total = 0
    for (a, b), weight in weights.items():
        if 0 <= i + a < height and 0 <= j + b < width:
            total += weight * min(abs(r[i + a][j + b][c]), 8)
    if total < 6:
        return total
    if total < 10:
        return 6 + (total - 6) // 2
    if total < 24:
        return 8 + (total - 10) // 7
    return 10 if total < 48 else 11


def plane(height: int, width: int, channels: int) -> Plane:
    return [[[0] * channels for _ in range(width)] for _ in range(height)]


def unfold(x: Plane) -> Plane:
    out = plane(2 * len(x), 2 * len(x[0]), len(x[0][0]) // 4)
    for i, row in enumerate(x):
        for j, place in enumerate(row):
            for n, value in enumerate(place):
                out[2 * i + n % 4 // 2][2 * j + n % 2][n // 4] = value
    return out


def around(x: Plane, i: int, j: int, reach: int) -> list[list[int]]:
    none = [0] * len(x[0][0])
    rows, columns = range(i - reach, i + reach + 1), range(j - reach, j + reach + 1)
    return [
        x[a][b] if 0 <= a < len(x) and 0 <= b < len(x[0]) else none for a in rows for b in columns
    ]


def features(w: Weights, hyper: Plane, quality: int) -> Plane:
    fine = w.between(w.flat["fine"], len(hyper[0][0]), quality)
    x = [
        [[math.floor(n * (f / 4096.0) + 0.5) for n, f in zip(p, fine, strict=True)] for p in row]
        for row in hyper
    ]
    x = unfold([[[cut(n) for n in w.layer("up_half", p)] for p in row] for row in x])
    x = [
        [
            [cut(n) for n in w.layer("half", [v for p in around(x, i, j, 1) for v in p])]
            for j in range(len(x[0]))
        ]
        for i in range(len(x))
    ]
    told = unfold([[w.layer("up_whole", p) for p in row] for row in x])  # type: ignore[misc]
    width = w.shape["quality"][1]
    added = w.between(w.flat["quality"], width, quality)
    return [[[cut(n + a) for n, a in zip(p, added, strict=True)] for p in row] for row in told]


def decode(weights: bytes, coded: bytes) -> bytes:
    """The raw bytes of a block."""
    w = Weights(weights)
    if coded[0] != 1:
        raise Broken("revision")
    at = 1
    numbers = []
    for _ in range(3):
        value = shift = 0
        while True:
            value |= (coded[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if coded[at - 1] < 128:
                break
        numbers.append(value)
    quality, height, width = numbers
    z, latents = w.shape["fine"][1], w.shape["order"][2]
    coder = RangeDecoder(coded[at:])

    anchors = w.shape["hyper"][1]
    centres = w.between(w.flat["hyper"][: anchors * z], z, quality)
    scales = w.between(w.flat["hyper"][anchors * z :], z, quality)
    rests = plane(-(-height // 64), -(-width // 64), z)
    learned = Learned()
    for i, row in enumerate(rests):
        for j, place in enumerate(row):
            for c in range(z):
                k = min(max(math.floor(scales[c] / 64.0 + 0.5), 0), 63)
                if k >= 5:
                    near = neighbours(rests, i, j, c)
                    place[c] = learned.distance(coder, k, c, near)
    hyper = [[[64 * r + c for r, c in zip(p, centres, strict=True)] for p in row] for row in rests]

    h, v = -(-height // 16), -(-width // 16)
    told = [row[:v] for row in features(w, hyper, quality)[:h]]
    known, far = plane(h, v, latents), plane(h, v, latents)
    levels = w.shape["gain"][1]
    gain, inverse, higher = (w.flat["gain"][n * levels + quality] for n in range(3))
    learned = Learned()
    for step in range(4):
        name = f"steps.{step}"
        x = plane(h, v, 0)
        for i in range(h):
            for j in range(v):
                sums = w.layer(f"{name}.told", told[i][j])
                if step:
                    seen = w.layer(f"{name}.known", known[i][j])
                    sums = [a + b * inverse for a, b in zip(sums, seen, strict=True)]
                x[i][j] = [cut(n) for n in sums]
        kernel = w.flat[f"{name}.around.weight"]
        size, move = w.flat[f"{name}.around.scale"], w.flat[f"{name}.around.offset"]
        coding = []
        for i in range(h):
            for j in range(v):
                window = around(x, i, j, 2)
                spread = []
                for c in range(len(size)):
                    total = sum(int(kernel[25 * c + n]) * p[c] for n, p in enumerate(window))
                    spread.append(cut(float(total) * size[c] + move[c]))
                mixed = [cut(n) for n in w.layer(f"{name}.mixed", spread)]
                start = (i % 2 * 2 + j % 2) * latents
                when = w.flat["order"][start : start + latents]
                mine = [c for c in range(latents) if when[c] == step]
                out = w.layer(f"{name}.out", mixed, mine + [latents + c for c in mine])
                coding.append((i, j, mine, out))
        for i, j, mine, out in coding:
            for n, c in enumerate(mine):
                centre = clamp(math.floor(out[n] * gain + 0.5), 511 * 64)
                k = min(max(math.floor(out[len(mine) + n] + higher + 0.5), 0), 63)
                if k >= 5:
                    near = neighbours(far, i, j, c)
                    far[i][j][c] = learned.distance(coder, k, c, near)
                known[i][j][c] = clamp(centre + 64 * far[i][j][c], 32767)
    flat = [n for part in (rests, known) for row in part for place in row for n in place]
    return coded[:at] + struct.pack(f"<{len(flat)}h", *flat)
