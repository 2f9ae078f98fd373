"""Layouts as bytes: a byte for the kind, then numbers as varints and strings with their lengths.

A packed layout comes with a model or in a file, from anywhere: every number has bounds, and what
breaks them is named.
"""

from __future__ import annotations

from collections.abc import Iterable

from ncz.codec import varint
from ncz.codec.errors import FormatError


def number(value: int) -> bytes:
    """A number from 0 to 2^64 - 1."""
    return varint.encode(value)


def signed(value: int) -> bytes:
    """A number from -2^63 to 2^63 - 1: 0, -1, 1, -2 … as 0, 1, 2, 3 …"""
    return varint.encode(2 * value if value >= 0 else -2 * value - 1)


def string(data: bytes) -> bytes:
    """Bytes, after their number."""
    return varint.encode(len(data)) + data


def strings(items: Iterable[bytes]) -> bytes:
    """Strings, after their number."""
    listed = list(items)
    return varint.encode(len(listed)) + b"".join(map(string, listed))


class Cursor:
    """A place in packed bytes. Whatever it reads has bounds.

    Raises:
        FormatError: from every method, where the bytes end or break the bounds.
    """

    def __init__(self, data: bytes, what: str = "a packed layout") -> None:
        self.data = data
        self.position = 0
        self.what = what

    def number(self, name: str, low: int = 0, high: int = varint.LIMIT - 1) -> int:
        """The number here, `low` to `high`."""
        try:
            value, self.position = varint.decode(self.data, self.position)
        except varint.Incomplete:
            raise self.broken(f"it ends in {name}") from None
        except ValueError as error:
            raise self.broken(str(error)) from None
        if not low <= value <= high:
            raise self.broken(f"{name} is {value} and may be {low} to {high}")
        return value

    def signed(self, name: str) -> int:
        """The number here, -2^63 to 2^63 - 1."""
        value = self.number(name)
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def string(self, name: str, high: int) -> bytes:
        """The string here, of at most `high` bytes."""
        return self.take(self.number(f"the size of {name}", 0, high), name)

    def strings(self, name: str, most: int, high: int) -> tuple[bytes, ...]:
        """The strings here, at most `most` of at most `high` bytes each."""
        count = self.number(f"the number of {name}", 0, most)
        return tuple(self.string(name, high) for _ in range(count))

    def take(self, size: int, name: str) -> bytes:
        """The next `size` bytes."""
        if size > len(self.data) - self.position:
            raise self.broken(f"it ends in {name}")
        self.position += size
        return self.data[self.position - size : self.position]

    def done(self) -> None:
        """Pass if everything was read."""
        if self.position != len(self.data):
            raise self.broken("bytes follow its last entry")

    def broken(self, reason: str) -> FormatError:
        """The error for a reason of its own."""
        return FormatError(f"{self.what} is damaged: {reason}")
