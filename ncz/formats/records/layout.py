"""What a layout is: how bytes become a matrix of integers, and how they come back.

A coder is a pure function of the bytes of a block, wherever a block was cut, so a layout takes
apart any bytes, never fails, and gives every one of them back: what is not in its form goes into
`rest`, as it is. What a layout of one file finds in another is few records, never an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

ESCAPE = -(2**63)
"""The value of a cell that is not in its column's form: its bytes are in the rest. (Where cells
are integers of 8 bytes it is that value itself, and needs no bytes.)"""

MAX_VARIABLES = 1 << 16
MAX_PACKED = 1 << 16
"""Bytes of a packed layout."""
MAX_JOINED = 1 << 30
"""Bytes that joining makes at most, unless it is told another limit: the largest block."""


@dataclass(frozen=True)
class Variable:
    """A column of the matrix.

    Attributes:
        name: for people.
        kind: "category" (0 … `high`, in no order) or "number".
        low: the smallest value, or None where the layout does not say.
        high: the largest. A cell may hold :data:`ESCAPE` besides.
    """

    name: str
    kind: Literal["category", "number"]
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Split:
    """Bytes taken apart. `values` and `rest` are all that joining needs.

    Attributes:
        values: int64[records, variables].
        rest: what is not in `values`, a fixed number of payloads for a layout, each coded by
            itself; an empty one is nothing to code.
        sizes: int64[records], raw bytes of each record, in order.
        before: raw bytes before the first record. What follows the last is the remainder.
    """

    values: NDArray[np.int64]
    rest: tuple[bytes, ...]
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    before: int = 0


class Records(Protocol):
    """The decoded rest of a block, from which any of its records is rebuilt alone."""

    before: bytes
    """The raw bytes before the first record."""
    after: bytes
    """The raw bytes after the last."""

    def record(self, n: int, row: NDArray[np.int64]) -> bytes:
        """The raw bytes of record `n`, counted from 0 in its block.

        Args:
            n: its number.
            row: int64[variables], its values.

        Raises:
            FormatError: no split gives such a row and such a rest.
        """
        ...


class Layout(Protocol):
    """How bytes become records. Layouts are values: equal ones take apart alike."""

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The columns of the matrix, 1 to 65,536."""
        ...

    @property
    def payloads(self) -> int:
        """How many payloads the rest has."""
        ...

    def split(self, raw: bytes) -> Split:
        """Take apart any bytes: `join(split(raw)) == raw`."""
        ...

    def join(self, split: Split, limit: int = MAX_JOINED) -> bytes:
        """Put together what was taken apart; of `split`, its values and its rest are read.

        Raises:
            FormatError: no split gives this, or the result is larger than `limit` bytes.
        """
        ...

    def open(self, rest: tuple[bytes, ...]) -> Records:
        """What rebuilds single records of a block with this rest.

        Raises:
            FormatError: no split gives such a rest.
        """
        ...

    def cut(self, raw: bytes, size: int) -> int:
        """Where a block that starts with `raw` ends best, so that its records are whole.

        Returns:
            a number of bytes, at most `size` (at least 1), and at least 1 unless `raw` is empty.
        """
        ...

    def pack(self) -> bytes:
        """The layout in at most 65,536 bytes, which :func:`~ncz.formats.records.unpack` reads."""
        ...
