"""The table that some text is: where its lines are cut, and the form of each column.

Every way to cut that most lines agree with is tried on a sample, and the one whose columns would
take the fewest bits is taken. Text that no way fits, such as prose, is no table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ncz.formats.records import choosing
from ncz.formats.records.cutting import (
    MAX_COLUMNS,
    MAX_LINE,
    Blanks,
    Cutter,
    Delimited,
    Places,
)
from ncz.formats.records.forms import Form, Number, Pattern, Text
from ncz.formats.records.layout import MAX_PACKED
from ncz.formats.records.table import MAX_HEADER, MAX_NAME, Column, Table

MIN_LINES = 8
DELIMITERS = (b",", b"\t", b";", b"|")

_TRIED = 4000  # lines that ways to cut are compared on
_LEARNED = 100_000  # lines that forms are made of
_AGREEING = 0.9  # share of the lines that a cutter has to cut
_MOST_TOKENS = 16  # columns at blanks that are tried
_BLANKS = 1.1  # a pattern is as good as columns; where there are delimiters, they are meant
_TYPED = 0.25  # share of the bytes that have to be in other columns than text


class NoTable(Exception):
    """The text is no table; says why."""


def learn(data: bytes, ordered: bool = True) -> Table:
    """The table that a text is, or is the beginning of.

    Args:
        data: the text.
        ordered: what is to be coded follows it, and is not drawn from among its lines (see
            :func:`~ncz.formats.records.choosing.choose`).

    Raises:
        NoTable: it is none; says why.
    """
    lines = data.split(b"\n")
    if len(lines) > MIN_LINES:
        lines.pop()  # what follows the last end of a line, or is cut off, teaches nothing
    if len(lines) < MIN_LINES:
        raise NoTable(f"it has fewer than {MIN_LINES} lines")
    crlf = sum(line.endswith(b"\r") for line in lines) >= _AGREEING * len(lines)
    bodies = [line[:-1] if crlf and line.endswith(b"\r") else line for line in lines]
    found = min(_tried(bodies, ordered), key=lambda tried: tried.bits, default=None)
    if found is None:
        raise NoTable("its lines do not fall into columns of numbers and categories")
    return _finished(found.cutter, bodies, crlf, ordered)


@dataclass(frozen=True)
class _Tried:
    cutter: Cutter
    bits: float


def _tried(lines: list[bytes], ordered: bool) -> Iterator[_Tried]:
    """Every way to cut that fits, with what it costs."""
    sample = _some(lines[1:], _TRIED)
    for cutter in _cutters(sample):
        rows = [cells for line in sample if (cells := cutter.cells(line)) is not None]
        if len(rows) < _AGREEING * len(sample):
            continue
        columns = list(zip(*rows, strict=True))
        formed = [choosing.choose(column, ordered) for column in columns]
        if _typed(formed, columns) >= _TYPED and (len(rows[0]) > 1 or _counts(formed[0], sample)):
            bits = sum(map(choosing.cost, formed, columns))
            lost = sum(len(line) for line in sample if cutter.cells(line) is None)
            doubt = _BLANKS if isinstance(cutter, Blanks) else 1
            yield _Tried(cutter, (bits + 8 * lost) * doubt)


def _cutters(sample: list[bytes]) -> Iterator[Cutter]:
    for delimiter in DELIMITERS:
        counts = Counter(
            len(Delimited(delimiter, 1).parts(line)) for line in sample if delimiter in line
        )
        if counts and 1 < (columns := counts.most_common(1)[0][0]) <= MAX_COLUMNS:
            yield Delimited(delimiter, columns)
    places = _places(sample)
    if places is not None:
        yield places
    tokens = sorted(len(line.split()) for line in sample)
    for columns in range(1, min(_MOST_TOKENS, tokens[len(tokens) // 20]) + 1):
        yield Blanks(columns)


def _places(sample: list[bytes]) -> Places | None:
    """Cuts behind each column that is not blank in all lines, where most are of one length."""
    length, agreeing = Counter(map(len, sample)).most_common(1)[0]
    if agreeing < _AGREEING * len(sample) or not 2 <= length <= MAX_LINE:
        return None
    same = b"".join(line for line in sample if len(line) == length)
    filled = (np.frombuffer(same, np.uint8).reshape(-1, length) != ord(" ")).any(axis=0)
    cuts = np.flatnonzero(filled[:-1] & ~filled[1:]) + 1
    # What is blank behind the last column belongs to it.
    kept = [int(cut) for cut in cuts if filled[cut:].any()]
    return Places(tuple(kept)) if 1 <= len(kept) < MAX_COLUMNS else None


def _typed(forms: Sequence[Form], columns: Sequence[Sequence[bytes]]) -> float:
    """The share of the bytes that are in columns of numbers, categories and patterns."""
    total = typed = 0
    for form, cells in zip(forms, columns, strict=True):
        size = sum(map(len, cells)) + len(cells)
        total += size
        typed += size if not isinstance(form, Text) else 0
    return typed / total


def _counts(form: Form, cells: Sequence[bytes]) -> bool:
    """Whether most cells have a number in them: lines that are one choice each are no records,
    but those of structured text."""
    if isinstance(form, Pattern):
        read = [row for cell in cells if (row := form.read(cell))]
        return 2 * sum(bool(form.templates[row[0]].widths) for row in read) > len(cells)
    return isinstance(form, Number)


def _finished(cutter: Cutter, lines: list[bytes], crlf: bool, ordered: bool) -> Table:
    """The table of all lines that is cut this way."""
    rows = [cells for line in _some(lines[1:], _LEARNED) if (cells := cutter.cells(line))]
    columns = list(zip(*rows, strict=True))
    formed = [choosing.choose(column, ordered) for column in columns]
    header = b""
    names = [str(number) for number in range(len(formed))]
    first = cutter.cells(lines[0])
    if first and not isinstance(cutter, Blanks) and _is_header(first, formed):
        whole = lines[0] + (b"\r\n" if crlf else b"\n")
        header = whole if len(whole) <= MAX_HEADER else b""
        names = [_name(cell, number) for number, cell in enumerate(first)]
    while True:
        try:
            return Table(cutter, tuple(map(Column, names, formed)), crlf, header)
        except ValueError as error:
            sizes = [len(form.pack()) for form in formed]
            if sum(sizes) < MAX_PACKED // 4:
                raise NoTable(str(error)) from None
            formed[sizes.index(max(sizes))] = Text()


def _is_header(cells: Sequence[bytes], forms: Sequence[Form]) -> bool:
    """Whether no cell of a line is in form, and one stands where numbers do."""
    numbers = any(isinstance(form, Number | Pattern) for form in forms)
    typed = [(c, form) for c, form in zip(cells, forms, strict=True) if not isinstance(form, Text)]
    letters = all(not cell.strip(b' "').isdigit() for cell in cells)
    return numbers and letters and all(form.read(cell) is None for cell, form in typed)


def _name(cell: bytes, number: int) -> str:
    name = cell.decode("utf-8", "replace").strip(' "')
    return name.encode()[:MAX_NAME].decode("utf-8", "ignore") or str(number)


def _some(lines: list[bytes], most: int) -> list[bytes]:
    """At most so many lines, spread over all."""
    step = -(-len(lines) // most) or 1
    return lines[::step]
