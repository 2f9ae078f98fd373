"""How a line becomes cells: at a delimiter, at blanks, or at fixed places.

Whatever a cutter does with a line, its cells with its glue between them are that line again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

from ncz.formats.records.packing import Cursor, number

MAX_COLUMNS = 1024
MAX_BLANK_COLUMNS = 64
MAX_LINE = 1 << 16
"""Bytes of a line whose columns stand at fixed places."""

_DELIMITED, _BLANKS, _PLACES = range(3)  # first byte of the packed form


class Cutter(Protocol):
    """How a line becomes cells."""

    @property
    def glue(self) -> bytes:
        """What stands between the cells."""
        ...

    @property
    def columns(self) -> int:
        """How many cells a line has."""
        ...

    def cells(self, line: bytes) -> list[bytes] | None:
        """The cells of a line without its end; None if it has another number of them."""
        ...

    def pack(self) -> bytes:
        """The cutter, for :func:`unpack`."""
        ...


@dataclass(frozen=True)
class Delimited:
    """At each delimiter, but not at one between double quotes; the quotes stay in the cell.

    Attributes:
        delimiter: one byte, no quote and no end of a line.
        columns: 1 to 1,024.

    >>> Delimited(b",", 3).cells(b'1,"a, b",')
    [b'1', b'"a, b"', b'']
    """

    delimiter: bytes
    columns: int

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in b'"\r\n':
            raise ValueError(f"{self.delimiter!r} is no delimiter")
        if not 1 <= self.columns <= MAX_COLUMNS:
            raise ValueError(f"a table has 1 to {MAX_COLUMNS} columns, not {self.columns}")

    @property
    def glue(self) -> bytes:
        """The delimiter."""
        return self.delimiter

    def cells(self, line: bytes) -> list[bytes] | None:
        """What stands between the delimiters."""
        parts = self.parts(line)
        return parts if len(parts) == self.columns else None

    def parts(self, line: bytes) -> list[bytes]:
        """The cells of a line, however many there are."""
        parts = line.split(self.delimiter)
        return _quoted(parts, self.delimiter) if b'"' in line else parts

    def pack(self) -> bytes:
        """Its number, the delimiter, the columns."""
        return bytes([_DELIMITED]) + self.delimiter + number(self.columns)


@dataclass(frozen=True)
class Blanks:
    """At blanks, the last column taking the rest of the line; of several blanks in a row the last
    one is the glue, and the others belong to the cell behind them.

    Attributes:
        columns: 1 to 64.

    >>> Blanks(3).cells(b"Jun  4 the rest")
    [b'Jun', b' 4', b'the rest']
    """

    columns: int

    def __post_init__(self) -> None:
        if not 1 <= self.columns <= MAX_BLANK_COLUMNS:
            raise ValueError(f"at blanks, a table has 1 to {MAX_BLANK_COLUMNS} columns")

    @property
    def glue(self) -> bytes:
        """A blank."""
        return b" "

    @cached_property
    def _line(self) -> re.Pattern[bytes]:
        return re.compile(rb"( *[^ ]+) " * (self.columns - 1) + rb"(.*)", re.DOTALL)

    def cells(self, line: bytes) -> list[bytes] | None:
        """What stands between the blanks."""
        found = self._line.fullmatch(line)
        return list(found.groups()) if found else None

    def pack(self) -> bytes:
        """Its number, the columns."""
        return bytes([_BLANKS]) + number(self.columns)


@dataclass(frozen=True)
class Places:
    """At fixed places, the last column taking the rest of the line.

    Attributes:
        cuts: where the second column and those after it start, in bytes, rising.

    >>> Places((3, 5)).cells(b"abc 1 23")
    [b'abc', b' 1', b' 23']
    """

    cuts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.columns <= MAX_COLUMNS or any(a >= b for a, b in pairwise((0, *self.cuts))):
            raise ValueError(f"a table has at most {MAX_COLUMNS} columns, one after the other")
        if self.cuts and self.cuts[-1] > MAX_LINE:
            raise ValueError(f"the last column of a table starts within {MAX_LINE} bytes")

    @property
    def glue(self) -> bytes:
        """Nothing."""
        return b""

    @property
    def columns(self) -> int:
        """One more than the cuts."""
        return len(self.cuts) + 1

    def cells(self, line: bytes) -> list[bytes] | None:
        """What stands between the places."""
        if self.cuts and len(line) < self.cuts[-1]:
            return None
        ends = (*self.cuts, len(line))
        return [line[a:b] for a, b in zip((0, *self.cuts), ends, strict=True)]

    def pack(self) -> bytes:
        """Its number, the number of cuts, and the widths of the columns before them."""
        widths = [b - a for a, b in pairwise((0, *self.cuts))]
        return bytes([_PLACES]) + number(len(widths)) + b"".join(map(number, widths))


def unpack(cursor: Cursor) -> Cutter:
    """The cutter that was packed here.

    Raises:
        FormatError: the bytes break the form.
    """
    kind = cursor.number("how lines are cut", 0, _PLACES)
    try:
        if kind == _DELIMITED:
            delimiter = cursor.take(1, "the delimiter")
            return Delimited(delimiter, cursor.number("the number of columns", 1, MAX_COLUMNS))
        if kind == _BLANKS:
            return Blanks(cursor.number("the number of columns", 1, MAX_BLANK_COLUMNS))
        cuts, at = [], 0
        for _ in range(cursor.number("the number of cuts", 0, MAX_COLUMNS - 1)):
            at += cursor.number("the width of a column", 1, MAX_LINE)
            cuts.append(at)
        return Places(tuple(cuts))
    except ValueError as error:
        raise cursor.broken(str(error)) from None


def _quoted(parts: list[bytes], delimiter: bytes) -> list[bytes]:
    """Parts of a line, those that a pair of quotes holds together in one."""
    out: list[bytes] = []
    held: list[bytes] = []
    for part in parts:
        closes = part.count(b'"') % 2 == 1
        if held or (closes and part.startswith(b'"')):
            held.append(part)
            if closes and len(held) > 1:
                out.append(delimiter.join(held))
                held = []
        else:
            out.append(part)
    return out + held
