"""Containers and headers with all checks switched off, so that the search gets behind them.

With checks that hold whatever is there, content may be wrong; what must not happen is any error
outside the family, a hang, or two readers that take the same file for different content.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import ncz
from fuzz import seeds
from fuzz.targets import Attack, Target
from ncz.codec import checks, varint
from ncz.codec.errors import NczError
from ncz.formats import coders, header, parse, sections
from ncz.formats.options import DecompressOptions
from ncz.formats.stream import decompress_stream
from tests.formats.making import Pipe
from tests.golden import make

_MEMLIMIT = 4 << 20  # so small that no coder is allowed but those that are quick
_MAX_OUTPUT = 1 << 18


class _Any(int):
    """Equal to every number."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __and__(self, other: int) -> _Any:
        return self

    __hash__ = int.__hash__


def unchecked(attack: Attack) -> Attack:
    """The same attack where every check of a file holds."""

    def run(data: bytes) -> None:
        with contextlib.ExitStack() as stack:
            for module in (checks, header, sections, parse):
                stack.enter_context(mock.patch.object(module, "x32", _holds))
            stack.enter_context(mock.patch.object(checks.Running, "value", _Any()))
            attack(data)

    return run


def _holds(data: object) -> _Any:
    return _Any()


def _container(folder: Path) -> Attack:
    os.environ["NCZ_CACHE"] = str(folder)  # no models
    return unchecked(_read_all_ways)


def _read_all_ways(data: bytes) -> None:
    def from_start() -> bytes:
        return ncz.decompress(data, memlimit=_MEMLIMIT, max_output=_MAX_OUTPUT)

    def from_end() -> bytes:
        with ncz.open(io.BytesIO(data), memlimit=_MEMLIMIT) as file:
            return file.read()

    first, second = _content(from_start), _content(from_end)
    if first is not None and second is not None and first != second:
        raise AssertionError("the same file has two contents")
    _content(lambda: bytes(ncz.info(data).size > 0))
    for source in (io.BytesIO(data), io.BufferedReader(Pipe(data, 100))):
        saved = _content(lambda source=source: _saved(source))  # type: ignore[misc]
        if first is not None and saved != first:
            raise AssertionError("to go on after damage loses content")


def _saved(source: BinaryIO) -> bytes:
    out = io.BytesIO()
    how = DecompressOptions(keep_going=True, memlimit=_MEMLIMIT, max_output=_MAX_OUTPUT)
    decompress_stream(source, out, how)
    return out.getvalue()


def _content(reader: Callable[[], bytes]) -> bytes | None:
    try:
        return reader()
    except NczError as error:
        if "its coder failed" in str(error):
            raise
        return None


def _header(folder: Path) -> Attack:
    os.environ["NCZ_CACHE"] = str(folder)
    return unchecked(_parse_header)


def _parse_header(data: bytes) -> None:
    try:
        found, size = header.parse(data)
    except (NczError, varint.Incomplete):
        return
    again = header.pack(found)
    if header.parse(again) != (found, len(again)) or len(again) != size:
        raise AssertionError("a header is not what is made of it")
    for spec in found.coders:
        try:
            coder = coders.from_spec(spec, found.models)
        except NczError:
            continue
        if coder.spec != spec:
            raise AssertionError(f"{coder.name} has other parameters than its header")


def _containers() -> list[bytes]:
    known = [data for _, data, _ in seeds.golden(mixed=False) + seeds.frames()]
    bad = [path.read_bytes() for path in sorted((make.HERE / "bad").glob("*.ncz"))]
    return [data for data in known + bad if len(data) <= 1500]


def _headers() -> list[bytes]:
    models = b"\x02\x01\x00" + bytes(32) + b"\x04name"
    text, llama = b"\x01\x01\x00\x80\x10\x80\x0c\x00", b"\x01\x00\x80\x10\x80\x0c\x02"
    build = b"\x050.3.9" + bytes(16)
    found = []
    for coder in (b"\x00\x00", b"\x03\x08" + text, b"\x04" + bytes([23 + 6]) + llama + build):
        body = b"\x00\x00\x10\x01" + coder + models
        found.append(header.MAGIC + b"\x01" + varint.encode(len(body)) + body + bytes(4))
    return found + _containers()


TARGETS = {
    "container": Target(_container, _containers, 2000),
    "header": Target(_header, _headers, 400),
}
