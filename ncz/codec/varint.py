"""Unsigned LEB128: numbers that are small nearly always, and must not be limited to it.

Every number has exactly one encoding here, so two readers cannot disagree about a file and a
writer can compare what it reads with what it would have written.
"""

from __future__ import annotations

LIMIT = 1 << 64  # values are below this
MAX_SIZE = 10  # bytes: ceil(64 / 7)


class Incomplete(Exception):
    """The bytes end inside a value: more of them may complete it."""


def encode(value: int) -> bytes:
    """The 1 to 10 bytes of `value`, 0 to 2^64 - 1.

    Raises:
        ValueError: `value` is outside that range.

    >>> encode(300)
    b'\\xac\\x02'
    """
    if not 0 <= value < LIMIT:
        raise ValueError(f"{value} does not fit into a varint")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: bytes | bytearray, position: int = 0) -> tuple[int, int]:
    """The value at `position` and the position just past it.

    Raises:
        Incomplete: the data ends before the value does.
        ValueError: it is longer than it need be, or not below 2^64.

    >>> decode(b'\\xac\\x02')
    (300, 2)
    """
    value = 0
    for used in range(MAX_SIZE):
        if position + used >= len(data):
            raise Incomplete
        byte = data[position + used]
        value |= (byte & 0x7F) << 7 * used
        if byte < 0x80:
            if byte == 0 and used:
                raise ValueError("a varint is longer than it need be")
            if value >= LIMIT:
                break
            return value, position + used + 1
    raise ValueError("a varint is not below 2^64")
