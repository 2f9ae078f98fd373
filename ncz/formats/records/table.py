"""Tables of lines: each line a record, each column a form.

A record is a line with its end. One with another number of cells or another end, or of which no
cell is in its column's form, is kept whole in the rest, and all its values are escaped; so a line
comes back exactly whatever it is. What follows the last end of a line is the remainder.

The rest is `edges`, `lines`, `cells`, and for each column of text its cells, each with a line feed
behind it (empty for lines that are kept whole), so that a text or bytes coder sees a column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from ncz.codec.errors import FormatError
from ncz.formats.records import cutting, forms, sparse
from ncz.formats.records.cutting import Cutter
from ncz.formats.records.forms import Form, Text
from ncz.formats.records.layout import (
    ESCAPE,
    MAX_JOINED,
    MAX_PACKED,
    MAX_VARIABLES,
    Split,
    Variable,
)
from ncz.formats.records.packing import Cursor, string

KIND = 2
"""First byte of the packed form."""

MAX_HEADER = 8192
MAX_NAME = 255
_EDGES, _LINES, _CELLS, _TEXTS = range(4)  # places in the rest; columns of text follow
_LF = b"\n"
_CRLF = b"\r\n"


@dataclass(frozen=True)
class Column:
    """A column: its name, of at most 255 bytes, and the form of its cells."""

    name: str
    form: Form


@dataclass(frozen=True)
class Table:
    """Lines of cells.

    Attributes:
        cutter: how a line becomes cells.
        columns: as many as the cutter makes; at least one is not text.
        crlf: lines end with carriage return and line feed; otherwise with a line feed.
        header: a first line, with its end, that is no record; empty for none. A block that starts
            with it has it before its records.
    """

    cutter: Cutter
    columns: tuple[Column, ...]
    crlf: bool = False
    header: bytes = b""

    def __post_init__(self) -> None:
        if len(self.columns) != self.cutter.columns:
            raise ValueError("a table does not have as many columns as its lines have cells")
        if any(len(column.name.encode()) > MAX_NAME for column in self.columns):
            raise ValueError("the name of a column has at most 255 bytes")
        if len(self.header) > MAX_HEADER or (self.header and self.header[-1:] != _LF):
            raise ValueError("the header of a table is one line of at most 8192 bytes")
        if not 1 <= len(self.variables) <= MAX_VARIABLES:
            raise ValueError("a table has no column but text, or too many variables")
        if len(self.pack()) > MAX_PACKED:
            raise ValueError("a table takes more than 65536 bytes to describe")

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """Those of each column in turn."""
        return tuple(v for column in self.columns for v in column.form.variables(column.name))

    @cached_property
    def payloads(self) -> int:
        """Edges, lines, cells, and one for each column of text."""
        return _TEXTS + sum(isinstance(column.form, Text) for column in self.columns)

    def split(self, raw: bytes) -> Split:
        """Take apart any bytes."""
        before = len(self.header) if self.header and raw.startswith(self.header) else 0
        lines = raw[before:].split(_LF)
        after = lines.pop()
        cells = [self._cells(line) for line in lines]
        columns = list(zip(*(row for row in cells if row is not None), strict=True))
        values = np.full((len(lines), len(self.variables)), ESCAPE, np.int64)
        regular = np.fromiter((row is not None for row in cells), bool, len(cells))
        if columns:
            read = [_read(c.form, found) for c, found in zip(self.columns, columns, strict=True)]
            values[regular] = np.concatenate(read, axis=1)
            regular &= (values != ESCAPE).any(axis=1)
        whole = {n: lines[n] for n in np.flatnonzero(~regular).tolist()}
        kept = [None if n in whole else row for n, row in enumerate(cells)] if whole else cells
        rest = [
            bytes([before > 0]) + after if before or after else b"",
            sparse.pack(whole) if whole else b"",
            self._escaped(values, kept),
            *self._texts(kept),
        ]
        sizes = np.fromiter(map(len, lines), np.int64, len(lines)) + 1
        return Split(values, tuple(rest), sizes, before)

    def join(self, split: Split, limit: int = MAX_JOINED) -> bytes:
        """Put together what was taken apart.

        Raises:
            FormatError: no split gives this, or the result is larger than `limit` bytes.
        """
        opened = self.open(split.rest)
        values = split.values
        if values.ndim != 2 or values.shape[1] != len(self.variables):
            raise FormatError("records do not have as many values as their layout has variables")
        count = len(values)
        whole = (values == ESCAPE).all(axis=1)
        if np.flatnonzero(whole).tolist() != list(opened.lines):
            raise FormatError("the lines that are kept whole are not those that the values say")
        if any(len(found) != count for found in opened.texts.values()):
            raise FormatError("a column of text does not have a cell for each record")
        for c, found in opened.cells.items():
            escaped = (values[:, self.spans[c][1]] == ESCAPE) & ~whole
            if np.flatnonzero(escaped).tolist() != list(found):
                raise FormatError("the cells that are escaped are not those of the rest")
        size = len(opened.before) + len(opened.after)
        kept = np.flatnonzero(~whole)
        columns = []
        for c in range(len(self.columns)):
            columns.append(opened.column(c, kept.tolist(), values[kept]))
            size += sum(map(len, columns[-1]))
            if size > limit:
                raise FormatError(f"the records make more than {limit} bytes")
        glue, end = self.cutter.glue, _CRLF if self.crlf else _LF
        regular = (glue.join(row) + end for row in zip(*columns, strict=True))
        lines: Iterable[bytes] = regular
        if opened.lines:
            lines = (
                opened.lines[n] + _LF if odd else next(regular)
                for n, odd in enumerate(whole.tolist())
            )
        out = opened.before + b"".join(lines) + opened.after
        if len(out) > limit:
            raise FormatError(f"the records make {len(out)} bytes, and may make {limit}")
        return out

    def open(self, rest: tuple[bytes, ...]) -> _Opened:
        """What rebuilds single records.

        Raises:
            FormatError: no split gives such a rest.
        """
        if len(rest) != self.payloads:
            raise FormatError(f"the rest of a table is {self.payloads} payloads, not {len(rest)}")
        return _Opened(self, rest)

    def cut(self, raw: bytes, size: int) -> int:
        """Behind the last end of a line within `size` bytes, or all if `raw` is no longer."""
        if len(raw) <= size:
            return len(raw)
        return raw.rfind(_LF, 0, size) + 1 or size

    def pack(self) -> bytes:
        """Kind, ends of lines, header, cutter, and of each column its name and form."""
        out = bytes([KIND, self.crlf]) + string(self.header) + self.cutter.pack()
        return out + b"".join(string(c.name.encode()) + c.form.pack() for c in self.columns)

    def _cells(self, line: bytes) -> list[bytes] | None:
        if not self.crlf:
            return self.cutter.cells(line)
        return self.cutter.cells(line[:-1]) if line.endswith(b"\r") else None

    def _escaped(self, values: NDArray[np.int64], kept: list[list[bytes] | None]) -> bytes:
        """The cells that are not in form, column by column; nothing if there are none."""
        packed, some = [], False
        for c, start, end in self.spans:
            if start == end:
                continue
            escaped = np.flatnonzero(values[:, start] == ESCAPE).tolist()
            found = {n: row[c] for n in escaped if (row := kept[n]) is not None}
            packed.append(sparse.pack(found))
            some = some or bool(found)
        return b"".join(packed) if some else b""

    def _texts(self, kept: list[list[bytes] | None]) -> list[bytes]:
        return [
            b"".join([(row[c] if row is not None else b"") + _LF for row in kept])
            for c, start, end in self.spans
            if start == end
        ]

    @cached_property
    def spans(self) -> tuple[tuple[int, int, int], ...]:
        """Each column, its first variable, and the one after its last."""
        found, at = [], 0
        for c, column in enumerate(self.columns):
            size = len(column.form.variables(column.name))
            found.append((c, at, at + size))
            at += size
        return tuple(found)


def unpack(cursor: Cursor) -> Table:
    """The layout of packed bytes, after its kind.

    Raises:
        FormatError: they break the form.
    """
    crlf = cursor.number("how lines end", 0, 1)
    header = cursor.string("the header", MAX_HEADER)
    cutter = cutting.unpack(cursor)
    columns = []
    for _ in range(cutter.columns):
        try:
            name = cursor.string("a column's name", MAX_NAME).decode()
        except UnicodeDecodeError:
            raise cursor.broken("a column's name is not in UTF-8") from None
        columns.append(Column(name, forms.unpack(cursor)))
    try:
        return Table(cutter, tuple(columns), bool(crlf), header)
    except ValueError as error:
        raise cursor.broken(str(error)) from None


def _read(form: Form, cells: tuple[bytes, ...]) -> NDArray[np.int64]:
    """The values of cells, int64[cells, variables]: each different cell is read once."""
    numbers = {cell: n for n, cell in enumerate(dict.fromkeys(cells))}
    width = len(form.variables(""))
    escaped = (ESCAPE,) * width
    found = [form.read(cell) for cell in numbers] if width else [()]
    table = np.array([escaped if row is None else row for row in found], np.int64)
    if not width:
        return np.empty((len(cells), 0), np.int64)
    return table[np.fromiter(map(numbers.__getitem__, cells), np.intp, len(cells))]


class _Opened:
    """The decoded rest of a block."""

    def __init__(self, table: Table, rest: tuple[bytes, ...]) -> None:
        self.table = table
        edges = rest[_EDGES]
        if edges and edges[0] > bool(table.header):
            raise FormatError("a block starts with a header that its layout does not have")
        if edges == b"\0":
            raise FormatError("the edges of a table are empty or have something in them")
        self.before = table.header if edges[:1] == b"\1" else b""
        self.after = edges[1:]
        if _LF in self.after:
            raise FormatError("what follows the last line of a table has lines in it")
        self.lines = _parse(rest[_LINES], 1)[0]
        typed = [c for c, start, end in table.spans if start < end]
        self.cells = dict(zip(typed, _parse(rest[_CELLS], len(typed)), strict=True))
        texts = [c for c, start, end in table.spans if start == end]
        self.texts = dict(zip(texts, map(_lines, rest[_TEXTS:]), strict=True))

    def record(self, n: int, row: NDArray[np.int64]) -> bytes:
        """The line `n` with its end."""
        if row.shape != (len(self.table.variables),):
            raise FormatError("a record does not have as many values as its layout has variables")
        if (row == ESCAPE).all():
            if n not in self.lines:
                raise FormatError(f"line {n} is not in the rest, where it is to be kept whole")
            return self.lines[n] + _LF
        cells = [self.column(c, [n], row[None])[0] for c in range(len(self.table.columns))]
        return self.table.cutter.glue.join(cells) + (_CRLF if self.table.crlf else _LF)

    def column(self, c: int, numbers: list[int], values: NDArray[np.int64]) -> list[bytes]:
        """The cells of column `c` in the records of these numbers and values."""
        _, start, end = self.table.spans[c]
        if start == end:
            found = self.texts[c]
            if numbers and numbers[-1] >= len(found):
                raise FormatError("a column of text does not have a cell for each record")
            return [found[n] for n in numbers]
        part = values[:, start:end]
        escaped = (part == ESCAPE).any(axis=1)
        cells = _written(self.table.columns[c].form.write, part[~escaped])
        if not escaped.any():
            return cells
        if (part[escaped] != ESCAPE).any():
            raise FormatError("a cell is escaped in part")
        if any(n not in self.cells[c] for n in compress(numbers, escaped.tolist())):
            raise FormatError("the cells that are escaped are not those of the rest")
        written = iter(cells)
        return [
            self.cells[c][n] if odd else next(written)
            for n, odd in zip(numbers, escaped.tolist(), strict=True)
        ]


def _written(write: Callable[[list[int]], bytes], values: NDArray[np.int64]) -> list[bytes]:
    """The cells with these values, each different one written once."""
    rows = list(map(tuple, values.tolist()))
    cells = {row: write(list(row)) for row in dict.fromkeys(rows)}
    return [cells[row] for row in rows]


def _parse(data: bytes, count: int) -> list[dict[int, bytes]]:
    """As many lists of strings, which are all of the data."""
    if not data:
        return [{} for _ in range(count)]
    found, at = [], 0
    for _ in range(count):
        strings, at = sparse.parse(data, at)
        found.append(strings)
    if at != len(data) or not any(found):
        raise FormatError("a list of strings is not what a split makes")
    return found


def _lines(data: bytes) -> list[bytes]:
    """The cells of a column of text."""
    found = data.split(_LF)
    if found.pop():
        raise FormatError("a column of text ends within a cell")
    return found
