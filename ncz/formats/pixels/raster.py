"""Where the pixels of a file lie that holds them as they are: PNM, PAM, BMP, TIFF, NPY.

A raster is rows of samples at one place in the file. What a decoder is told is where, and nothing
of the format, so the heads below are the encoder's affair: a head that lies costs bytes alone.
"""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ncz.formats.records import heads

MAX_CHANNELS = 4
MAX_WIDTH = 1 << 16
DTYPES = ("u1", "<u2", ">u2")
"""Kinds of samples, by their number in coded data."""


@dataclass(frozen=True)
class Raster:
    """Rows of samples.

    Attributes:
        start: bytes before the first one.
        pitch: bytes from a row to the next, at least those of its samples.
        width: pixels of a row.
        height: rows.
        channels: samples of a pixel, 1 to 4.
        dtype: index into :data:`DTYPES`.
    """

    start: int
    pitch: int
    width: int
    height: int
    channels: int
    dtype: int = 0

    @property
    def row(self) -> int:
        """Bytes of the samples of a row."""
        return self.width * self.channels * (1 + (self.dtype > 0))

    @property
    def end(self) -> int:
        """Bytes up to the end of the last row's samples."""
        return self.start + (self.height - 1) * self.pitch + self.row

    @property
    def values(self) -> int:
        """Samples."""
        return self.width * self.height * self.channels

    def fits(self, size: int) -> bool:
        """It is a raster, within so many bytes."""
        return (
            1 <= self.width <= MAX_WIDTH
            and self.height >= 1
            and 1 <= self.channels <= MAX_CHANNELS
            and 0 <= self.dtype < len(DTYPES)
            and self.pitch >= self.row
            and self.start >= 0
            and self.end <= size
        )

    def take(self, raw: NDArray[np.uint8]) -> tuple[NDArray[np.integer], bytes]:
        """Samples[height, width, channels] of uint8[n], and all other bytes."""
        samples = np.ascontiguousarray(self._rows(raw)).view(DTYPES[self.dtype])
        samples = samples.reshape(self.height, self.width, self.channels)
        return samples, raw[self._others(raw.size)].tobytes() if self._has_others(raw.size) else b""

    def put(self, samples: NDArray[np.integer], others: bytes, size: int) -> NDArray[np.uint8]:
        """The bytes again, uint8[size]. `others` must be as many as are not samples."""
        out = np.zeros(size, np.uint8)
        if self._has_others(size):
            out[self._others(size)] = np.frombuffer(others, np.uint8)
        flat = np.ascontiguousarray(samples, DTYPES[self.dtype]).view(np.uint8)
        self._rows(out)[:] = flat.reshape(self.height, self.row)
        return out

    def _has_others(self, size: int) -> bool:
        return size != self.row * self.height

    def _rows(self, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.lib.stride_tricks.as_strided(
            data[self.start :], (self.height, self.row), (self.pitch, 1)
        )

    def _others(self, size: int) -> NDArray[np.bool_]:
        mask = np.ones(size, np.bool_)
        self._rows(mask.view(np.uint8))[:] = 0
        return mask


def find(raw: bytes) -> Raster | None:
    """The raster in a file that starts with `raw`, with as many rows as it has; or None."""
    found = said(raw)
    if found is None:
        return None
    # Rows that are not there, of a file that is cut off or goes on in another block.
    rows = (len(raw) - found.start - found.row) // found.pitch + 1
    found = replace(found, height=min(found.height, rows))
    return found if found.fits(len(raw)) else None


def said(raw: bytes) -> Raster | None:
    """The raster that the head of a file tells of, whether it is one or not; or None."""
    for start, read in _READERS:
        if raw.startswith(start):
            try:
                found = read(raw)
            except (
                struct.error,
                ValueError,
                IndexError,
                KeyError,
                TypeError,
                SyntaxError,
                MemoryError,
                RecursionError,
            ):
                return None
            return found if found is not None and found.pitch > 0 else None
    return None


def pam(width: int, height: int, channels: int, deep: bool = False) -> bytes:
    """The head of a PAM file; its samples follow, of 16 bits the upper 8 first."""
    top = 65535 if deep else 255
    return f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {top}\nENDHDR\n".encode()


def beyond(raw: bytes) -> Raster | None:
    """A row of the raster in a file that starts with `raw`, if it has rows beyond that; or None.

    It starts where the first row does.
    """
    here, all_of_it = find(raw), said(raw)
    if here is None or all_of_it is None or all_of_it.height <= here.height:
        return None
    return replace(here, height=1)


def on(row: Raster, raw: bytes) -> Raster | None:
    """What `raw` is, if it goes on with whole rows like this one; None if it has not one."""
    rows = (len(raw) - row.row) // row.pitch + 1
    return replace(row, start=0, height=rows) if rows > 0 else None


def cut(row: Raster, head: bytes, raw: bytes, size: int) -> int:
    """Where a block ends that starts with a row, or with the file's head and rows: before a row.

    Within `size` bytes, if `raw` has more; else at its end.
    """
    if len(raw) <= size:
        return len(raw)
    start = len(head) if raw.startswith(head) else 0
    rows = (size - start) // row.pitch
    return start + rows * row.pitch if rows > 0 else size


def _tight(start: int, width: int, height: int, channels: int, dtype: int = 0) -> Raster:
    return Raster(start, width * channels * (1 + (dtype > 0)), width, height, channels, dtype)


def _pnm(raw: bytes) -> Raster | None:
    numbers: list[int] = []
    at = 2
    while len(numbers) < 3:
        here = raw[at : at + 1]
        if here == b"#":
            at = raw.index(b"\n", at)
        elif here.isspace():
            at += 1
        else:
            end = at
            while raw[end : end + 1].isdigit() and end < at + 7:
                end += 1
            numbers.append(int(raw[at:end]))
            at = end
    width, height, most = numbers
    return _tight(at + 1, width, height, 1 if raw[1:2] == b"5" else 3, 0 if most < 256 else 2)


def _pam(raw: bytes) -> Raster | None:
    end = raw.index(b"ENDHDR\n") + 7
    said = dict(line.split(None, 1) for line in raw[3 : end - 7].splitlines() if b" " in line)
    width, height, depth, most = (
        int(said[name]) if name in said else 0
        for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
    )
    return _tight(end, width, height, depth, 0 if most < 256 else 2)


def _bmp(raw: bytes) -> Raster | None:
    (start,) = struct.unpack_from("<I", raw, 10)
    size, width, height, planes, bits, coding = struct.unpack_from("<IiiHHI", raw, 14)
    if size < 40 or planes != 1 or bits not in (8, 24, 32) or coding not in (0, 3):
        return None
    channels = bits // 8
    return Raster(start, (width * channels + 3) // 4 * 4, width, abs(height), channels)


def _tiff(raw: bytes) -> Raster | None:
    order = "<" if raw[:1] == b"I" else ">"
    (at,) = struct.unpack_from(order + "I", raw, 4)
    (count,) = struct.unpack_from(order + "H", raw, at)
    tags: dict[int, tuple[int, ...]] = {}
    for i in range(min(count, 100)):
        tag, kind, number = struct.unpack_from(order + "HHI", raw, at + 2 + 12 * i)
        form = {3: "H", 4: "I"}.get(kind)
        if form is None or not 1 <= number <= 1 << 20:
            continue
        place = at + 10 + 12 * i
        if number * struct.calcsize(form) > 4:
            (place,) = struct.unpack_from(order + "I", raw, place)
        tags[tag] = struct.unpack_from(f"{order}{number}{form}", raw, place)
    width, height, bits = tags.get(256, (0,))[0], tags.get(257, (0,))[0], tags.get(258, (1,))
    channels = tags.get(277, (1,))[0]
    offsets, sizes = tags.get(273, ()), tags.get(279, ())
    plain = tags.get(259, (1,))[0] == 1 and tags.get(284, (1,))[0] == 1
    if not plain or set(bits) not in ({8}, {16}) or not offsets or len(offsets) != len(sizes):
        return None
    ends = [offset + size for offset, size in zip(offsets, sizes, strict=True)]
    if list(offsets[1:]) != ends[:-1]:
        return None
    dtype = 0 if bits[0] == 8 else (1 if order == "<" else 2)
    return _tight(offsets[0], width, height, channels, dtype)


def _npy(raw: bytes) -> Raster | None:
    at, form = (10, "<H") if raw[6] == 1 else (12, "<I")
    size = struct.unpack_from(form, raw, 8)[0]
    if size > heads.MAX_NPY_HEAD:
        return None
    said = ast.literal_eval(raw[at : at + size].decode("latin-1").strip())
    shape, kind = said["shape"], str(said["descr"]).lstrip("|")
    if kind not in _OF_NPY or said["fortran_order"] is not False:
        return None
    if not all(type(n) is int and 0 < n < 1 << 31 for n in shape) or len(shape) > 8:
        return None
    channels = shape[-1] if len(shape) > 2 and shape[-1] <= MAX_CHANNELS else 1
    plane = shape[:-1] if len(shape) > 2 and shape[-1] <= MAX_CHANNELS else shape
    if len(plane) < 2:
        return None
    # Several pictures stand below each other.
    return _tight(at + size, plane[-1], math.prod(plane[:-1]), channels, _OF_NPY[kind])


_OF_NPY = {"u1": 0, "<u2": 1, ">u2": 2}

_READERS: tuple[tuple[bytes, Callable[[bytes], Raster | None]], ...] = (
    (b"P5", _pnm),
    (b"P6", _pnm),
    (b"P7\n", _pam),
    (b"BM", _bmp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"\x93NUMPY", _npy),
)
