"""The heads of files that hold nothing but records: where the first one starts, and what it is.

IDX (MNIST's), NPY, NPZ whose first array is stored, PGM, PPM and BMP. Only the head is read, of
bytes from anywhere: whatever is wrong with it is said in a sentence (:class:`NoHead`).
"""

from __future__ import annotations

import ast
import math
import struct
from dataclasses import dataclass

import numpy as np

from ncz.formats.records.layout import MAX_VARIABLES

MAX_NPY_HEAD = 10_000
"""Bytes of a NPY head, as numpy bounds them: the head is a Python literal, and a parser of
literals is not to be fed more by strangers."""

_MAX_DIMENSIONS = 8
_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: "float", 0x0E: "float"}


class NoHead(Exception):
    """The bytes start with no head that is known here, or with one that is of no use; says why.

    Attributes:
        known: they start with one, so that they are nothing else.
    """

    def __init__(self, why: str, known: bool = True) -> None:
        super().__init__(why)
        self.known = known


@dataclass(frozen=True)
class Head:
    """What the head of a file says of its records.

    Attributes:
        what: the file's type, for people.
        size: bytes before the first record.
        fields: dtype and number of elements, for each part of a record in order.
        shape: of a record with one field; () if nothing says.
        records: how many there are to be.
    """

    what: str
    size: int
    fields: tuple[tuple[str, int], ...]
    shape: tuple[int, ...]
    records: int

    @property
    def record_size(self) -> int:
        """Bytes of a record."""
        return sum(np.dtype(kind).itemsize * count for kind, count in self.fields)


def parse(data: bytes) -> Head:
    """The head at the start of `data`, of which some kilobytes are enough.

    Raises:
        NoHead: there is none, or none of integers that make up records; says why.
    """
    if data[:2] == b"\0\0" and data[2:3] in {bytes([kind]) for kind in _IDX_TYPES}:
        return _idx(data)
    if data[:6] == b"\x93NUMPY":
        return _npy(data, "NPY")
    if data[:4] == b"PK\x03\x04":
        return _npz(data)
    if data[:2] in (b"P5", b"P6"):
        return _pnm(data)
    if data[:2] == b"BM":
        return _bmp(data)
    raise NoHead("it starts like no IDX, NPY, NPZ, PGM, PPM or BMP file", known=False)


def _checked(head: Head) -> Head:
    variables = sum(count for _, count in head.fields)
    if not 1 <= variables <= MAX_VARIABLES:
        raise NoHead(
            f"a record of this {head.what} file has {variables} numbers, and 1 to {MAX_VARIABLES} "
            "are possible"
        )
    return head


def _numbers(data: bytes, at: int, form: str, what: str) -> tuple[int, ...]:
    if len(data) < at + struct.calcsize(form):
        raise NoHead(f"the head of this {what} file ends too early")
    return tuple(struct.unpack_from(form, data, at))


def _idx(data: bytes) -> Head:
    kind, dimensions = _IDX_TYPES[data[2]], _numbers(data, 3, "B", "IDX")[0]
    if kind == "float":
        raise NoHead("this IDX file is of floating-point numbers, and records are of integers")
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise NoHead(f"this IDX file has {dimensions} dimensions, and 1 to 8 are possible")
    shape = _numbers(data, 4, f">{dimensions}I", "IDX")
    count = math.prod(shape[1:])
    return _checked(Head("IDX", 4 + 4 * dimensions, ((kind, count),), shape[1:], shape[0]))


def _npy(data: bytes, what: str) -> Head:
    version = data[6:7]
    if version not in (b"\1", b"\2", b"\3"):
        raise NoHead(f"this {what} array is in no version of the NPY format that is known here")
    start, form = (10, "<H") if version == b"\1" else (12, "<I")
    size = _numbers(data, 8, form, what)[0]
    if size > MAX_NPY_HEAD or start + size > len(data):
        raise NoHead(f"the head of this {what} array declares {size} bytes")
    try:
        text = data[start : start + size].decode("utf-8" if version == b"\3" else "latin-1")
        said = ast.literal_eval(text.strip())
        shape, kind = said["shape"], np.dtype(said["descr"])
        ordered = said["fortran_order"] is False
    except Exception:  # a literal from anywhere breaks parser and dtypes in many ways
        raise NoHead(f"the head of this {what} array cannot be read") from None
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise NoHead(f"the head of this {what} array gives a shape that is none")
    if not 1 <= len(shape) <= _MAX_DIMENSIONS:
        raise NoHead(f"this {what} array has {len(shape)} dimensions, and 1 to 8 are possible")
    if not ordered and len(shape) > 1:
        raise NoHead(f"this {what} array is in Fortran order; save it in C order")
    count = math.prod(shape[1:])
    fields = _fields(kind, what) if kind.names else ((_code(kind, what), 1),)
    if not 1 <= count * len(fields) <= MAX_VARIABLES:
        raise NoHead(
            f"an item of this {what} array has {count * len(fields)} numbers, and 1 to "
            f"{MAX_VARIABLES} are possible"
        )
    fields = fields * count if kind.names else ((fields[0][0], count),)
    return _checked(Head(what, start + size, fields, shape[1:], shape[0]))


def _fields(kind: np.dtype[np.void], what: str) -> tuple[tuple[str, int], ...]:
    out: list[tuple[str, int]] = []
    end = 0
    for name in kind.names or ():
        part, offset = kind.fields[name][:2] if kind.fields else (kind, 0)
        if offset != end:
            raise NoHead(f"the items of this {what} array have gaps between their fields")
        end += part.itemsize
        base, shape = part.subdtype or (part, ())
        if base.kind == "V" and not base.names:  # what fills a struct up
            out.append(("u1", part.itemsize))
        else:
            out.append((_code(base, what), math.prod(shape)))
    if end != kind.itemsize:
        raise NoHead(f"the items of this {what} array have gaps between their fields")
    return tuple(field for field in out if field[1])


def _code(kind: np.dtype[np.generic], what: str) -> str:
    if kind.kind == "b":
        return "u1"
    if kind.kind not in "iu" or kind.subdtype:
        raise NoHead(f"this {what} array is of {kind}, and records are of integers")
    return str(kind.str).lstrip("<|")


def _npz(data: bytes) -> Head:
    method, name, extra = (_numbers(data, at, "<H", "NPZ")[0] for at in (8, 26, 28))
    start = 30 + name + extra
    if not data[30 : 30 + name].endswith(b".npy"):
        raise NoHead("this ZIP file does not start with a NumPy array")
    if method != 0 or data[start : start + 6] != b"\x93NUMPY":
        raise NoHead("the arrays of this NPZ file are compressed; save them by numpy.savez")
    inner = _npy(data[start:], "NPZ")
    return Head("NPZ", start + inner.size, inner.fields, inner.shape, inner.records)


def _pnm(data: bytes) -> Head:
    what = "PGM" if data[:2] == b"P5" else "PPM"
    found: list[int] = []
    at = 2
    while len(found) < 3:
        here = data[at : at + 1]
        if here == b"#":
            at = data.find(b"\n", at)
            if at < 0:
                raise NoHead(f"the head of this {what} file ends too early")
        elif here and here in b" \t\r\n\v\f":
            at += 1
        else:
            end = at
            while data[end : end + 1].isdigit() and end < at + 10:
                end += 1
            if end == at:
                raise NoHead(f"the head of this {what} file has no number where one belongs")
            found.append(int(data[at:end]))
            at = end
    if not data[at : at + 1].isspace():
        raise NoHead(f"the head of this {what} file does not end with a blank")
    width, height, most = found
    if not 1 <= most <= 65_535:
        raise NoHead(f"the largest value of this {what} file is {most}, and may be 1 to 65535")
    shape = (height, width) if what == "PGM" else (height, width, 3)
    fields = (("u1" if most < 256 else ">u2", math.prod(shape)),)
    return _checked(Head(what, at + 1, fields, shape, 1))


def _bmp(data: bytes) -> Head:
    (start,) = _numbers(data, 10, "<I", "BMP")
    size, width, height, planes, bits, coding = _numbers(data, 14, "<IiiHHI", "BMP")
    if size < 40 or planes != 1 or bits not in (8, 24, 32) or coding not in (0, 3):
        raise NoHead("this BMP file is not one of plain bytes, 8, 24 or 32 bits a pixel")
    if width < 1 or height == 0 or not 54 <= start <= 4096:
        raise NoHead("the head of this BMP file gives no picture")
    # Rows fill up whole words, and stand bottom up: they are taken as they stand.
    row = (width * bits // 8 + 3) // 4 * 4
    return _checked(Head("BMP", start, (("u1", row * abs(height)),), (abs(height), row), 1))
