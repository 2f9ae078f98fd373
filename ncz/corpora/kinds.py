"""Contents of every kind, drawn by chance: what files hold, from nothing to noise."""

from __future__ import annotations

import random

KINDS = ("empty", "tiny", "text", "binary", "sparse", "random", "repetitive", "mixed")


def content(chance: random.Random, kind: str, size: int) -> bytes:
    """About `size` bytes of a kind; of ``empty`` and ``tiny`` as many as these have.

    >>> content(random.Random(1), "repetitive", 12).count(b"u")
    0
    """
    if kind == "empty":
        return b""
    if kind == "tiny":
        return chance.randbytes(chance.randint(1, 40))
    if kind == "text":
        return _text(chance, size)
    if kind == "binary":
        record = [chance.randbytes(3) + bytes([number & 255]) for number in range(40)]
        return b"".join(chance.choices(record, k=size // 4 + 1))[:size]
    if kind == "sparse":
        out = bytearray(size)
        for _ in range(size // 500):
            out[chance.randrange(size)] = chance.randrange(256)
        return bytes(out)
    if kind == "random":
        return chance.randbytes(size)
    if kind == "repetitive":
        unit = chance.randbytes(chance.randint(1, 300))
        return (unit * (size // len(unit) + 1))[:size]
    assert kind == "mixed", kind
    third = size // 3
    return _text(chance, third) + chance.randbytes(third) + bytes(size - 2 * third)


def any_content(chance: random.Random, size: int) -> bytes:
    """About `size` bytes of any kind."""
    return content(chance, chance.choice(KINDS), size)


def _text(chance: random.Random, size: int) -> bytes:
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(chance.choices(letters, k=chance.randint(1, 9))) for _ in range(60)]
    words += ["naïve", "größe", "日本", "The", "1,234", "\n"]
    return " ".join(chance.choices(words, k=size // 3 + 1)).encode()[:size]
