"""Records of a fixed number of bytes, each a fixed number of integers: images, arrays, structs.

Nothing is lost to form, since every pattern of bits is an integer: the rest is what stands before
and after the records. Where a block starts with the head of a file of such records, they start
behind it; else they end where the block ends, so that an unknown head, or part of a record, stands
in front. All is done by numpy at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ncz.codec.errors import FormatError
from ncz.formats.records import heads
from ncz.formats.records.layout import (
    MAX_JOINED,
    MAX_VARIABLES,
    Records,
    Split,
    Variable,
)
from ncz.formats.records.packing import Cursor, number

KIND = 1
"""First byte of the packed form."""

DTYPES = (
    "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">u2", ">i2", ">u4", ">i4", ">u8", ">i8",
)  # fmt: skip
"""Elements, little-endian but where it says otherwise. The packed form has their place here."""

MAX_FIELDS = 1024
_MAX_DIMENSIONS = 8


@dataclass(frozen=True)
class Field:
    """Elements of one type, one after the other.

    Attributes:
        dtype: one of :data:`DTYPES`. An integer of 8 bytes without a sign is taken as one with a
            sign, by its bits.
        count: how many, at least 1.
    """

    dtype: str
    count: int

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES or not 1 <= self.count <= MAX_VARIABLES:
            raise ValueError(f"{self.count} elements of {self.dtype} make no field")

    @property
    def size(self) -> int:
        """Bytes."""
        return np.dtype(self.dtype).itemsize * self.count


@dataclass(frozen=True)
class Fixed:
    """Records of the same fields. The rest: the bytes before the records, and those after.

    Attributes:
        fields: what a record is made of, 65,536 elements at most.
        shape: for the names of the variables, where there is one field; () for none.

    >>> layout = Fixed((Field(">u2", 2), Field("u1", 1)))
    >>> layout.split(bytes([9, 1, 0, 0, 2, 7])).values.tolist()
    [[256, 2, 7]]
    """

    fields: tuple[Field, ...]
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.fields) <= MAX_FIELDS:
            raise ValueError(f"a record has 1 to {MAX_FIELDS} fields, not {len(self.fields)}")
        if sum(field.count for field in self.fields) > MAX_VARIABLES:
            raise ValueError(f"a record has 1 to {MAX_VARIABLES} elements")
        if self.shape and (len(self.fields) > 1 or math.prod(self.shape) != self.fields[0].count):
            raise ValueError(f"{self.shape} is not the shape of a record of {self.fields}")
        if len(self.shape) > _MAX_DIMENSIONS:
            raise ValueError(f"a record has at most {_MAX_DIMENSIONS} dimensions")

    @cached_property
    def record_size(self) -> int:
        """Bytes of a record."""
        return sum(field.size for field in self.fields)

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """One for each element, named by its number, or its place where there is a shape."""
        found: list[Variable] = []
        for field in self.fields:
            bounds = np.iinfo(_stand_in(field.dtype))
            low, high = int(bounds.min), int(bounds.max)
            for _ in range(field.count):
                name = str(len(found))
                if len(self.shape) > 1:
                    name = ",".join(str(i) for i in np.unravel_index(len(found), self.shape))
                found.append(Variable(name, "number", low, high))
        return tuple(found)

    @property
    def payloads(self) -> int:
        """Before and after."""
        return 2

    def split(self, raw: bytes) -> Split:
        """Take apart any bytes."""
        start, count = self._place(raw)
        end = start + count * self.record_size
        values = self.values(raw[start:end]).astype(np.int64)
        sizes = np.full(count, self.record_size, np.int64)
        return Split(values, (raw[:start], raw[end:]), sizes, start)

    def values(self, records: bytes) -> NDArray[np.integer]:
        """The elements of whole records, [records, variables], of the smallest type that holds all.

        Where there is one field of one byte an element, it is a view of `records`.
        """
        table = np.frombuffer(records, self._dtype())
        parts = [
            table[f"f{i}"].astype(_stand_in(field.dtype), copy=False)
            for i, field in enumerate(self.fields)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def join(self, split: Split, limit: int = MAX_JOINED) -> bytes:
        """Put together what was taken apart.

        Raises:
            FormatError: no split gives this, or the result is larger than `limit` bytes.
        """
        whole = self.open(split.rest)
        if split.values.ndim != 2 or split.values.shape[1] != len(self.variables):
            raise FormatError("records do not have as many values as their layout has variables")
        size = len(split.values) * self.record_size + len(whole.before) + len(whole.after)
        if size > limit:
            raise FormatError(f"the records make {size} bytes, and may make {limit}")
        return whole.before + self._bytes(split.values) + whole.after

    def open(self, rest: tuple[bytes, ...]) -> Records:
        """What rebuilds single records.

        Raises:
            FormatError: the rest is not two payloads.
        """
        if len(rest) != self.payloads:
            raise FormatError(f"the rest of fixed records is 2 payloads, not {len(rest)}")
        return _Opened(self, *rest)

    def cut(self, raw: bytes, size: int) -> int:
        """The end of the last whole record within `size` bytes, or all if `raw` is no longer."""
        if len(raw) <= size:
            return len(raw)
        head = self._head(raw)
        start = head.size if head else 0
        count = (size - start) // self.record_size
        return start + count * self.record_size if count > 0 else size

    def pack(self) -> bytes:
        """Kind, number of fields and each as type and count, number of dimensions and each."""
        out = bytes([KIND]) + number(len(self.fields))
        out += b"".join(number(DTYPES.index(f.dtype)) + number(f.count) for f in self.fields)
        return out + number(len(self.shape)) + b"".join(map(number, self.shape))

    def _place(self, raw: bytes) -> tuple[int, int]:
        """Where the records start, and how many there are."""
        head = self._head(raw)
        if head:
            return head.size, min(head.records, (len(raw) - head.size) // self.record_size)
        return len(raw) % self.record_size, len(raw) // self.record_size

    def _head(self, raw: bytes) -> heads.Head | None:
        try:
            head = heads.parse(raw[: heads.MAX_NPY_HEAD + 4096])
        except heads.NoHead:
            return None
        fits = head.record_size == self.record_size and head.size <= len(raw)
        return head if fits else None

    def _dtype(self) -> np.dtype[np.void]:
        return np.dtype([(f"f{i}", f.dtype, (f.count,)) for i, f in enumerate(self.fields)])

    def _bytes(self, values: NDArray[np.int64]) -> bytes:
        table = np.empty(len(values), self._dtype())
        start = 0
        for i, field in enumerate(self.fields):
            part = values[:, start : start + field.count]
            bounds = np.iinfo(_stand_in(field.dtype))
            if part.size and not bounds.min <= part.min() <= part.max() <= bounds.max:
                raise FormatError("a value of a record is outside of what its type holds")
            table[f"f{i}"] = part.astype(_stand_in(field.dtype)).astype(field.dtype)
            start += field.count
        return table.tobytes()


def unpack(cursor: Cursor) -> Fixed:
    """The layout of packed bytes, after its kind.

    Raises:
        FormatError: they break the form.
    """
    fields = tuple(
        Field(
            DTYPES[cursor.number("an element's type", 0, len(DTYPES) - 1)],
            cursor.number("a field's size", 1, MAX_VARIABLES),
        )
        for _ in range(cursor.number("the number of fields", 1, MAX_FIELDS))
    )
    shape = tuple(
        cursor.number("a dimension", 1, MAX_VARIABLES)
        for _ in range(cursor.number("the number of dimensions", 0, _MAX_DIMENSIONS))
    )
    try:
        return Fixed(fields, shape)
    except ValueError as error:
        raise cursor.broken(str(error)) from None


def of(head: heads.Head) -> Fixed:
    """The layout of the records of a file with this head.

    Raises:
        NoHead: its records have too many fields.
    """
    fields: list[Field] = []
    for kind, count in head.fields:
        if fields and fields[-1].dtype == kind:
            count += fields.pop().count
        fields.append(Field(kind, count))
    shaped = len(fields) == 1 and math.prod(head.shape) == fields[0].count
    try:
        return Fixed(tuple(fields), head.shape if shaped else ())
    except ValueError as error:
        raise heads.NoHead(f"in this {head.what} file {error}") from None


def _stand_in(dtype: str) -> np.dtype[np.integer]:
    """The type of this machine that holds its values; for 8 bytes its bits, with a sign."""
    code = dtype.lstrip(">")
    return np.dtype("i8" if code == "u8" else code)


class _Opened:
    def __init__(self, layout: Fixed, before: bytes, after: bytes) -> None:
        self.layout = layout
        self.before = before
        self.after = after

    def record(self, n: int, row: NDArray[np.int64]) -> bytes:
        if row.shape != (len(self.layout.variables),):
            raise FormatError("a record does not have as many values as its layout has variables")
        return self.layout._bytes(row[None])
