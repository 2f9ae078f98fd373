"""Damage to bytes and numbers by somebody who does not know what they mean."""

from __future__ import annotations

import random

from ncz.codec import varint

IN_PLACE = ("bits", "bytes", "zeros")
"""Kinds of damage that leave all other bytes where they are."""

_EDGES = (0, 1, 2, 63, 64, 127, 128, 255, 256, 4096, 65535, 65536, 1 << 20, 1 << 26)
_FAR = (1 << 30, (1 << 30) + 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1)


def damaged(rng: random.Random, data: bytes, other: bytes) -> tuple[bytes, str]:
    """`data` with some damage, pieces of `other` in it at times; and what kind of damage."""
    kind = rng.choice(
        ("bits", "bits", "bytes", "zeros", "insert", "delete", "copy", "cut", "extend", "splice")
    )
    out = bytearray(data)
    at, size = _place(rng, len(out)), min(1 + int(rng.expovariate(1 / 12)), 400)
    if kind == "bits":
        for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
            if out:
                out[_place(rng, len(out) - 1)] ^= 1 << rng.randrange(8)
    elif kind == "bytes":
        out[at : at + size] = rng.randbytes(len(out[at : at + size]))
    elif kind == "zeros":
        out[at : at + size] = bytes([rng.choice((0, 0xFF))]) * len(out[at : at + size])
    elif kind == "insert":
        out[at:at] = rng.randbytes(size)
    elif kind == "delete":
        del out[at : at + size]
    elif kind == "copy":
        start = _place(rng, len(out))
        out[at:at] = out[start : start + size]
    elif kind == "cut":
        del out[at:]
    elif kind == "extend":
        out += rng.choice((rng.randbytes(size), bytes(size), other[:size]))
    else:
        out[at:] = other[_place(rng, len(other)) :]
    return bytes(out), kind


def number(rng: random.Random, truth: int) -> int:
    """A number in the place of `truth`, 0 to 2^64 − 1: near it, at an edge, or anything."""
    kind = rng.randrange(5)
    if kind < 2:
        lie = truth + rng.choice((-2, -1, 1, 2, 8, 255))
    elif kind == 2:
        lie = truth ^ 1 << rng.randrange(20)
    elif kind == 3:
        lie = rng.choice((*_EDGES, *_FAR))
    else:
        lie = rng.getrandbits(rng.randint(1, 64))
    return min(max(lie, 0), varint.LIMIT - 1)


def _place(rng: random.Random, size: int) -> int:
    """From 0 to `size`; the first and last bytes come often, since what they say reaches far."""
    if size <= 0:
        return 0
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randrange(min(size, 48) + 1)
    if kind == 1:
        return size - rng.randrange(min(size, 48) + 1)
    return rng.randrange(size + 1)
