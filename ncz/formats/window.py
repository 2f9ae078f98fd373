"""Bytes that have arrived and were not used yet: the same parser reads files, pipes and pieces.

It holds what arrived, never what was merely announced, so a declared size costs nothing.
"""

from __future__ import annotations


class Window:
    """A buffer with a place in the file. Fed at one end, read at the other."""

    def __init__(self, offset: int = 0) -> None:
        self.data = bytearray()
        self.offset = offset  # of the first byte of `data`
        self.ended = False  # nothing more will come

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Add what comes next in the file."""
        self.data += data

    def end(self) -> None:
        """Nothing more will come."""
        self.ended = True

    def take(self, size: int) -> bytes:
        """The first `size` bytes, which must be here; they leave the window."""
        taken = bytes(memoryview(self.data)[:size])
        self.skip(size)
        return taken

    def skip(self, size: int) -> int:
        """Drop up to `size` bytes; how many were there."""
        dropped = min(size, len(self.data))
        del self.data[:dropped]
        self.offset += dropped
        return dropped
