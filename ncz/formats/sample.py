"""Parts of a file that stand for all of it, where reading or coding everything would take long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

PIECE = 8 << 20
"""Bytes of a piece of a long file; as much as a block of the fast levels."""

_PIECES = 4  # of a long file
_PARTS = 8  # of what was read, where less is enough


@dataclass(frozen=True)
class Sample:
    """What is known of some content.

    Attributes:
        size: bytes of the content.
        data: the content, or pieces of it end to end.
    """

    size: int
    data: bytes

    @property
    def whole(self) -> bool:
        """Whether :attr:`data` is all of the content."""
        return len(self.data) == self.size

    def take(self, size: int) -> bytes:
        """Some `size` bytes of it, in parts evenly spread; all where there are no more."""
        return spread(self.data, size)


def read(file: BinaryIO, size: int) -> Sample:
    """The sample of a file of `size` bytes that can be sought: its pieces, evenly spread.

    Raises:
        OSError: it cannot be read.
    """
    if size <= PIECE * _PIECES:
        data = file.read(size)
        return Sample(len(data), data)
    pieces = []
    for k in range(_PIECES):
        file.seek((size - PIECE) * k // (_PIECES - 1))
        pieces.append(file.read(PIECE))
    return Sample(size, b"".join(pieces))


def spread(data: bytes, size: int, parts: int = _PARTS) -> bytes:
    """Some `size` bytes of `data`, in parts evenly spread, end to end.

    >>> spread(b"abcdefghijklmnopqrstuvwxyz", 6, 3)
    b'abmnyz'
    """
    if len(data) <= size:
        return data
    each = max(1, size // parts)
    starts = [(len(data) - each) * k // (parts - 1) for k in range(parts)]
    return b"".join(data[start : start + each] for start in starts)
