"""Strings that some records have and most have not, by the number of the record.

A list is its length, the number of the first record, how many records lie between it and the next
one and so on, all as varints, and then the strings, each with a line feed behind it. They are parts
of lines, so no line feed is in them, and what compresses lines compresses them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ncz.codec import varint
from ncz.codec.errors import FormatError

_MAX_RECORDS = 1 << 30


def pack(found: Mapping[int, bytes]) -> bytes:
    """The list of these strings by record; their keys rise."""
    out = bytearray(varint.encode(len(found)))
    last = -1
    for n in found:
        out += varint.encode(n - last - 1)
        last = n
    return bytes(out) + b"".join(item + b"\n" for item in found.values())


def parse(data: bytes, at: int) -> tuple[dict[int, bytes], int]:
    """The list at a place, and the place behind it.

    Raises:
        FormatError: there is none.
    """
    try:
        count, at = varint.decode(data, at)
        if count > len(data) - at:
            raise FormatError("a list of strings ends too early")
        numbers = []
        n = -1
        for _ in range(count):
            gap, at = varint.decode(data, at)
            n += gap + 1
            if n >= _MAX_RECORDS:
                raise FormatError("a list of strings names a record that cannot be")
            numbers.append(n)
    except (varint.Incomplete, ValueError):
        raise FormatError("a list of strings is damaged") from None
    found = {}
    for n in numbers:
        end = data.find(b"\n", at)
        if end < 0:
            raise FormatError("a list of strings ends too early")
        found[n] = data[at:end]
        at = end + 1
    return found, at
