"""The checksums of the container: XXH64, and its low half where four bytes are enough.

They find damage, not forgery: anyone can make data with a given check.
"""

from __future__ import annotations

import xxhash


def xxh64(data: bytes | bytearray | memoryview) -> int:
    """XXH64 with seed 0.

    >>> hex(xxh64(b""))
    '0xef46db3751d8e999'
    """
    return xxhash.xxh64_intdigest(data)


def x32(data: bytes | bytearray | memoryview) -> int:
    """The low 32 bits of :func:`xxh64`.

    >>> hex(x32(b""))
    '0x51d8e999'
    """
    return xxhash.xxh64_intdigest(data) & 0xFFFFFFFF


class Running:
    """XXH64 of bytes that come in pieces.

    >>> check = Running()
    >>> check.update(b"ab"); check.update(b"c")
    >>> check.value == xxh64(b"abc")
    True
    """

    def __init__(self) -> None:
        self._state = xxhash.xxh64()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Go on with `data`."""
        self._state.update(data)

    @property
    def value(self) -> int:
        """The check of everything so far."""
        return self._state.intdigest()
