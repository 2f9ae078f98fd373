"""Training data: from a file or a folder to a layout and the matrix of its records.

What a model learns from may be packed in more ways than what is coded later: gzip around
anything, compressed NPZ, pictures of any kind. The layout is that of the bare file (the pixels of
a PGM or PPM file for pictures), so a model fits files and blocks of it.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ncz.codec.errors import NoRecords
from ncz.formats.records import fixed, heads
from ncz.formats.records.detect import detect
from ncz.formats.records.fixed import Field, Fixed
from ncz.formats.records.layout import MAX_VARIABLES, Layout

LIMIT = 1 << 33
"""Bytes that training data has at most, unpacked."""

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Training:
    """Records to learn from.

    Attributes:
        layout: how files of their kind are taken apart.
        values: [records, variables], of an integer type that holds them all, at least one record.
        what: what was found, in a few words.
    """

    layout: Layout
    values: NDArray[np.integer]
    what: str


def read(
    path: Path,
    *,
    record_size: int | None = None,
    dtype: str = "u1",
    ordered: bool = True,
    limit: int = LIMIT,
) -> Training:
    """The records of a file, or of a folder of pictures.

    Args:
        path: an IDX, NPY, NPZ, PGM, PPM or BMP file, a table, one of these through gzip, or a
            folder of pictures of one size.
        record_size: take the file as raw records of so many bytes, whatever it looks like.
        dtype: what these are made of, one of :data:`~ncz.formats.records.fixed.DTYPES`.
        ordered: what is to be coded follows it, and is not drawn from among its lines (see
            :func:`~ncz.formats.records.choosing.choose`).
        limit: bytes that are read at most.

    Raises:
        NoRecords: there are none that could be learned from; says why.
        MissingExtra: pictures need the extra `media`.
        OSError: reading fails.
        ValueError: `record_size` and `dtype` make no record.
    """
    if path.is_dir():
        from ncz.formats.records import pictures

        return Training(*pictures.read(path, limit))
    data = _unpacked(path, limit)
    if not data:
        raise NoRecords(f"{path.name} is empty; give data to learn from")
    if record_size is not None:
        return _raw(data, raw_layout(record_size, dtype), path.name)
    layout, what = detect(data, path.name, ordered)
    if layout is None:
        raise NoRecords(f"{what}; for raw records, give their size")
    if isinstance(layout, Fixed):
        return Training(layout, array(data, layout, path.name), what)
    values = layout.split(data).values
    return Training(layout, values, f"{what} and {len(values)} lines")


def raw_layout(record_size: int, dtype: str = "u1") -> Fixed:
    """The layout of records of `record_size` bytes, made of elements of `dtype`.

    Raises:
        ValueError: they make none; says why.
    """
    if dtype not in fixed.DTYPES:
        raise ValueError(f"elements are of {', '.join(fixed.DTYPES)}, not {dtype}")
    count, over = divmod(record_size, np.dtype(dtype).itemsize)
    if over or not 1 <= count <= MAX_VARIABLES:
        raise ValueError(f"{record_size} bytes are no record of 1 to {MAX_VARIABLES} {dtype}")
    return Fixed((Field(dtype, count),))


def array(data: bytes, layout: Fixed, name: str) -> NDArray[np.integer]:
    """The records of a whole file with a head.

    Raises:
        NoRecords: there are none, or fewer than the head says.
    """
    head = heads.parse(data)
    end = head.size + head.records * head.record_size
    if not head.records:
        raise NoRecords(f"{name} has no records; give data to learn from")
    if len(data) < end:
        raise NoRecords(
            f"{name} is cut off: its head says {head.records} records and "
            f"{max(len(data) - head.size, 0) // head.record_size} are there"
        )
    return layout.values(data[head.size : end])


def _raw(data: bytes, layout: Fixed, name: str) -> Training:
    start = len(data) % layout.record_size
    values = layout.values(data[start:])
    if not len(values):
        raise NoRecords(f"{name} is smaller than a record of {layout.record_size} bytes")
    return Training(layout, values, f"{name} is {len(values)} records as they are")


def _unpacked(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start[:2] == _GZIP:
            try:
                with gzip.GzipFile(fileobj=file) as unzipped:
                    return _bounded(unzipped, limit, path.name)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise NoRecords(f"{path.name} is damaged: {error}") from None
        data = _bounded(file, limit, path.name)
    return _largest(data, limit, path.name) if start == _ZIP else data


def _largest(data: bytes, limit: int, name: str) -> bytes:
    """The largest array of an NPZ file, as an NPY file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = [found for found in archive.infolist() if found.filename.endswith(".npy")]
            if not arrays:
                raise NoRecords(f"{name} is a ZIP file without NumPy arrays; unpack it first")
            with archive.open(max(arrays, key=lambda found: found.file_size)) as member:
                return _bounded(member, limit, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise NoRecords(f"{name} is no ZIP file that can be read: {error}") from None


def _bounded(file: IO[bytes] | gzip.GzipFile, limit: int, name: str) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise NoRecords(f"{name} has more than {limit} bytes; give a part of it to learn from")
    return data
