"""What the cells of a column look like, and the integers that say which of them one is.

A form reads a cell into a fixed number of integers, or not at all, and writes exactly that cell
from them: every reading is written again and compared, so a leading zero, a plus sign or a minus
zero is never lost. What a form does not read is escaped, by the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from ncz.codec.errors import FormatError
from ncz.formats.records.layout import Variable
from ncz.formats.records.packing import Cursor, number, signed, string, strings

MAX_STRINGS = 255
"""Strings of a category, and templates of a pattern."""
MAX_STRING = 1024
"""Bytes of each."""
MAX_DIGITS = 19
"""Digits of a number: those of 2^63 - 1."""
MAX_DECIMALS = 18
MAX_WIDTH = 64
MAX_HOLES = 32
ABSENT = -1
"""The value of a hole that the template at hand does not have."""

_TEXT, _CATEGORY, _NUMBER, _PATTERN = range(4)  # first byte of the packed form
_LIMIT = 2**63
_DECIMAL = re.compile(rb"(-?)([0-9]{1,19})(?:\.([0-9]{1,18}))?")
_RUNS = re.compile(rb"([0-9]+)")


class Form(Protocol):
    """What the cells of a column look like."""

    def variables(self, name: str) -> tuple[Variable, ...]:
        """The integers that a cell of the column `name` becomes; none for text."""
        ...

    def read(self, cell: bytes) -> tuple[int, ...] | None:
        """Those integers, all above -2^63; None if the cell is not in this form."""
        ...

    def write(self, values: Sequence[int]) -> bytes:
        """The cell that was read.

        Raises:
            FormatError: no cell reads like this.
        """
        ...

    def pack(self) -> bytes:
        """The form, for :func:`unpack`."""
        ...


@dataclass(frozen=True)
class Text:
    """Anything, and no integer: the cells of the column are a payload of their own."""

    def variables(self, name: str) -> tuple[Variable, ...]:
        """None."""
        return ()

    def read(self, cell: bytes) -> tuple[int, ...] | None:
        """Every cell, as nothing."""
        return ()

    def write(self, values: Sequence[int]) -> bytes:
        """Nothing: the table has the cell."""
        return b""

    def pack(self) -> bytes:
        """Its number."""
        return bytes([_TEXT])


@dataclass(frozen=True)
class Category:
    """One of some strings, by its number.

    Attributes:
        strings: 1 to 255 of at most 1,024 bytes each, all different.
    """

    strings: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.strings) <= MAX_STRINGS or len(self._numbers) < len(self.strings):
            raise ValueError("a category has 1 to 255 different strings")
        if max(map(len, self.strings)) > MAX_STRING:
            raise ValueError("a string of a category has at most 1024 bytes")

    @cached_property
    def _numbers(self) -> dict[bytes, int]:
        return {found: i for i, found in enumerate(self.strings)}

    def variables(self, name: str) -> tuple[Variable, ...]:
        """The number of the string."""
        return (Variable(name, "category", 0, len(self.strings) - 1),)

    def read(self, cell: bytes) -> tuple[int, ...] | None:
        """The number of the string."""
        found = self._numbers.get(cell)
        return None if found is None else (found,)

    def write(self, values: Sequence[int]) -> bytes:
        """The string."""
        if not 0 <= values[0] < len(self.strings):
            raise FormatError(f"a category has {len(self.strings)} strings, and no {values[0]}")
        return self.strings[values[0]]

    def pack(self) -> bytes:
        """Its number, the strings."""
        return bytes([_CATEGORY]) + strings(self.strings)


@dataclass(frozen=True)
class Number:
    """A decimal number without needless signs and zeros, times a power of ten.

    Attributes:
        decimals: digits after the point, 0 to 18: the value is the number times 10^decimals.
        varying: `decimals` is the largest number of digits, and a second integer says how many
            there are.
        width: bytes of the cell if that is fixed, filled up on the left, 1 to 64; 0 if not.
        zeros: filled up with zeros, and never negative; otherwise with blanks.
        missing: the cell that stands for no number, if there is one.
        stand_in: the value it becomes. No number has it: such a number is not read.

    >>> Number(decimals=2).read(b"-12.50")
    (-1250,)
    >>> Number(decimals=2).read(b"12.5")
    >>> Number(decimals=2, varying=True).read(b"12.5")
    (1250, 1)
    """

    decimals: int = 0
    varying: bool = False
    width: int = 0
    zeros: bool = False
    missing: bytes | None = None
    stand_in: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.decimals <= MAX_DECIMALS and 0 <= self.width <= MAX_WIDTH):
            raise ValueError("a number has at most 18 decimals, and is at most 64 bytes wide")
        if (self.varying and not self.decimals) or (self.zeros and not self.width):
            raise ValueError("only decimals vary, and only what has a width is filled with zeros")
        if len(self.missing or b"") > MAX_STRING or not -_LIMIT < self.stand_in < _LIMIT:
            raise ValueError("what stands for no number is too long, or out of range")
        if self.missing is None and self.stand_in:
            raise ValueError("nothing is stood in for")

    def variables(self, name: str) -> tuple[Variable, ...]:
        """The value, and how many digits follow the point where that varies."""
        low = min(0, self.stand_in) if self.zeros else None
        high = None
        if self.width and self.width < MAX_DIGITS:
            high = max(10**self.width - 1, self.stand_in)
        value = Variable(name, "number", low, high)
        if not self.varying:
            return (value,)
        return value, Variable(f"{name}.decimals", "category", 0, self.decimals)

    def read(self, cell: bytes) -> tuple[int, ...] | None:
        """The value, and how many digits follow the point where that varies."""
        if cell == self.missing:
            return (self.stand_in, 0) if self.varying else (self.stand_in,)
        found = _DECIMAL.fullmatch(cell.lstrip(b" ") if self.width else cell)
        if found is None:
            return None
        fraction = found[3] or b""
        if len(fraction) > self.decimals:
            return None
        value = int(found[2] + fraction.ljust(self.decimals, b"0"))
        if value >= _LIMIT:
            return None
        if found[1]:
            value = -value
        if value == self.stand_in and self.missing is not None:
            return None
        values = (value, len(fraction)) if self.varying else (value,)
        return values if self._written(values) == cell else None

    def write(self, values: Sequence[int]) -> bytes:
        """The number as it was written."""
        if self.missing is not None and values[0] == self.stand_in:
            if self.varying and values[1]:
                raise FormatError("what is missing in a table has no decimals")
            return self.missing
        written = self._written(values)
        if written is None:
            raise FormatError(f"no number of a table is written as {list(values)}")
        return written

    def _written(self, values: Sequence[int]) -> bytes | None:
        value = values[0]
        digits = values[1] if self.varying else self.decimals
        if not 0 <= digits <= self.decimals or (value < 0 and self.zeros):
            return None
        whole, lost = divmod(abs(value), 10 ** (self.decimals - digits))
        if lost:
            return None
        text = str(whole).zfill(digits + 1)
        if digits:
            text = f"{text[:-digits]}.{text[-digits:]}"
        if value < 0:
            text = "-" + text
        if self.width:
            text = text.zfill(self.width) if self.zeros else text.rjust(self.width)
            if len(text) != self.width:
                return None
        return text.encode()

    def pack(self) -> bytes:
        """Its number; flags, 1 varying, 2 zeros, 4 missing; decimals, width; what is missing."""
        flags = self.varying + 2 * self.zeros + 4 * (self.missing is not None)
        out = bytes([_NUMBER]) + number(flags) + number(self.decimals) + number(self.width)
        if self.missing is None:
            return out
        return out + string(self.missing) + signed(self.stand_in)


@dataclass(frozen=True)
class Template:
    """Strings with numbers between them, such as an address, a date or a message of a program.

    Attributes:
        literals: what stands before, between and behind the numbers: one more than those.
        widths: digits of each number if they are fixed, 1 to 19; 0 for a number without leading
            zeros.
    """

    literals: tuple[bytes, ...]
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.literals) != len(self.widths) + 1 or len(self.widths) > MAX_HOLES:
            raise ValueError("a template has at most 32 holes, and a string beside each")
        if sum(map(len, self.literals)) > MAX_STRING:
            raise ValueError("the strings of a template have at most 1024 bytes")
        if not all(0 <= width <= MAX_DIGITS for width in self.widths):
            raise ValueError("the numbers of a template have at most 19 digits")


@dataclass(frozen=True)
class Pattern:
    """One of some templates, by its number, and the numbers in its holes.

    Attributes:
        templates: 1 to 255 whose literals are all different.

    >>> date = Template((b"", b"-", b"-", b""), (4, 2, 2))
    >>> Pattern((date,)).read(b"2024-02-29")
    (0, 2024, 2, 29)
    """

    templates: tuple[Template, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.templates) <= MAX_STRINGS or len(self._numbers) < len(self.templates):
            raise ValueError("a pattern has 1 to 255 different templates")

    @cached_property
    def _numbers(self) -> dict[tuple[bytes, ...], int]:
        return {found.literals: i for i, found in enumerate(self.templates)}

    @cached_property
    def holes(self) -> int:
        """The most numbers of a template."""
        return max(len(found.widths) for found in self.templates)

    def variables(self, name: str) -> tuple[Variable, ...]:
        """The number of the template, and each hole: -1 where the template has it not."""
        found = [Variable(f"{name}.form", "category", 0, len(self.templates) - 1)]
        for hole in range(self.holes):
            widths = [t.widths[hole] for t in self.templates if hole < len(t.widths)]
            low = 0 if len(widths) == len(self.templates) else ABSENT
            high = 10 ** max(widths) - 1 if min(widths) and max(widths) < MAX_DIGITS else None
            found.append(Variable(f"{name}.{hole}", "number", low, high))
        return tuple(found)

    def read(self, cell: bytes) -> tuple[int, ...] | None:
        """The number of the template, and its numbers."""
        literals, runs = skeleton(cell)
        form = self._numbers.get(literals)
        if form is None:
            return None
        values = [form]
        for width, run in zip(self.templates[form].widths, runs, strict=True):
            if len(run) > MAX_DIGITS or (len(run) != width if width else starts_with_zero(run)):
                return None
            values.append(int(run))
        if max(values) >= _LIMIT:
            return None
        return (*values, *[ABSENT] * (self.holes + 1 - len(values)))

    def write(self, values: Sequence[int]) -> bytes:
        """The literals with the numbers between them."""
        if not 0 <= values[0] < len(self.templates):
            raise FormatError(f"a pattern has {len(self.templates)} templates, no {values[0]}")
        found = self.templates[values[0]]
        numbers = values[1 : len(found.widths) + 1]
        if any(value != ABSENT for value in values[len(numbers) + 1 :]):
            raise FormatError("a template of a table has fewer numbers than its values say")
        out = [found.literals[0]]
        for value, width, literal in zip(numbers, found.widths, found.literals[1:], strict=True):
            run = str(value).zfill(width)
            if value < 0 or (width and len(run) != width):
                raise FormatError(f"{value} does not stand in a template of a table")
            out += [run.encode(), literal]
        return b"".join(out)

    def pack(self) -> bytes:
        """Its number, the number of templates, and of each its literals and widths."""
        out = [bytes([_PATTERN]), number(len(self.templates))]
        out += [strings(found.literals) + bytes(found.widths) for found in self.templates]
        return b"".join(out)


def skeleton(cell: bytes) -> tuple[tuple[bytes, ...], list[bytes]]:
    """What stands around the runs of digits of a cell, one more than those, and the runs."""
    parts = _RUNS.split(cell)
    return tuple(parts[::2]), parts[1::2]


def starts_with_zero(run: bytes) -> bool:
    """Whether a run of digits has a zero too many."""
    return run[:1] == b"0" and len(run) > 1


def unpack(cursor: Cursor) -> Form:
    """The form that was packed here.

    Raises:
        FormatError: the bytes break the form.
    """
    kind = cursor.number("a column's form", 0, _PATTERN)
    try:
        if kind == _TEXT:
            return Text()
        if kind == _CATEGORY:
            return Category(cursor.strings("a category's strings", MAX_STRINGS, MAX_STRING))
        return _number(cursor) if kind == _NUMBER else _pattern(cursor)
    except ValueError as error:
        raise cursor.broken(str(error)) from None


def _number(cursor: Cursor) -> Number:
    flags = cursor.number("a number's flags", 0, 7)
    decimals = cursor.number("a number's decimals", 0, MAX_DECIMALS)
    width = cursor.number("a number's width", 0, MAX_WIDTH)
    missing, stand_in = None, 0
    if flags & 4:
        missing = cursor.string("what is missing", MAX_STRING)
        stand_in = cursor.signed("what stands in")
    return Number(decimals, bool(flags & 1), width, bool(flags & 2), missing, stand_in)


def _pattern(cursor: Cursor) -> Pattern:
    templates = []
    for _ in range(cursor.number("the number of templates", 1, MAX_STRINGS)):
        literals = cursor.strings("a template's strings", MAX_HOLES + 1, MAX_STRING)
        widths = cursor.take(max(len(literals) - 1, 0), "a template's widths")
        templates.append(Template(literals, tuple(widths)))
    return Pattern(tuple(templates))
