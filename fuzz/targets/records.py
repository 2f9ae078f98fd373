"""Layouts of records: packed ones from anywhere, bytes of any kind, and rests that no split gave.

An input is a byte that says which, and then: a packed layout and raw bytes, which have to come
back; raw bytes alone, whose layout is detected; or a packed layout, a rest and values, which are
joined, record by record too, or refused.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from fuzz.targets import Attack, Target
from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.formats import records
from ncz.formats.records.layout import Layout, Split

_WHOLE, _DETECTED, _JOINED = range(3)
_LIMIT = 1 << 20  # bytes that joining may make
_MOST = 40  # records whose values an input gives

_TEXTS = (
    b"id,sex,day\n" + b"".join(b"%d,%c,2024-02-%02d\n" % (n, 77 - n % 2, n) for n in range(12)),
    b"".join(b"Jun %2d host sshd[%d]: done %d.5\r\n" % (n % 30, n * 7, n) for n in range(12)),
    b"".join(b"%6d%4d x\n" % (n, n * n) for n in range(12)),
)


def _prepare(folder: Path) -> Attack:
    def attack(data: bytes) -> None:
        try:
            _tried(data)
        except FormatError:
            return

    return attack


def _tried(data: bytes) -> None:
    mode = data[0] % 3 if data else _DETECTED
    if mode == _DETECTED:
        layout, why = records.detect(data[1:])
        if layout is not None:
            _restored(layout, data[1:])
            _restored(records.unpack(layout.pack()), data[1:][::-1])
        elif not why:
            raise AssertionError("no layout, and no reason")
        return
    packed, data = _string(data[1:])
    layout = records.unpack(packed)
    if layout.pack() != packed:
        raise AssertionError("the layout has two packed forms")
    if mode == _WHOLE:
        _restored(layout, data)
        return
    rest = []
    for _ in range(layout.payloads):
        payload, data = _string(data)
        rest.append(payload)
    width = len(layout.variables)
    count = min(len(data) // (8 * width), _MOST)
    values = np.frombuffer(data[: 8 * width * count], "<i8").reshape(count, width)
    joined = layout.join(Split(values, tuple(rest)), _LIMIT)
    _same(layout, Split(values, tuple(rest)), joined)


def _restored(layout: Layout, raw: bytes) -> None:
    split = layout.split(raw)
    if layout.join(split) != raw:
        raise AssertionError("other bytes came back")
    cut = layout.cut(raw, max(1, len(raw) // 2))
    if not min(1, len(raw)) <= cut <= max(1, len(raw) // 2):
        raise AssertionError(f"{len(raw)} bytes were cut at {cut}")
    _same(layout, Split(split.values[:_MOST], split.rest), None)


def _same(layout: Layout, split: Split, joined: bytes | None) -> None:
    opened = layout.open(split.rest)
    rows = [opened.record(n, row) for n, row in enumerate(split.values)]
    if joined is not None and opened.before + b"".join(rows) + opened.after != joined:
        raise AssertionError("records come back otherwise alone than together")


def _string(data: bytes) -> tuple[bytes, bytes]:
    """A string at the start of an input, and what follows it."""
    try:
        size, at = varint.decode(data)
    except (varint.Incomplete, ValueError):
        return data, b""
    return data[at : at + size], data[at + size :]


def _packed(data: bytes) -> bytes:
    return varint.encode(len(data)) + data


def _seeds() -> list[bytes]:
    array = io.BytesIO()
    np.save(array, np.arange(12, dtype=">u2").reshape(4, 3))
    found = []
    for raw in (*_TEXTS, array.getvalue()):
        layout, why = records.detect(raw)
        if layout is None:
            raise AssertionError(why)
        split = layout.split(raw + b"odd\n7")
        rest = b"".join(map(_packed, split.rest))
        head = _packed(layout.pack())
        found.append(bytes([_DETECTED]) + raw)
        found.append(bytes([_WHOLE]) + head + raw)
        found.append(bytes([_JOINED]) + head + rest + split.values.astype("<i8").tobytes())
    return found


TARGETS = {"records": Target(_prepare, _seeds, 4000)}
