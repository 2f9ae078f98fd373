"""Reading back finds everything but what only a decoder can find."""

from __future__ import annotations

import io

import ncz
from ncz.codec.checks import xxh64
from ncz.formats.readback import framed

from .making import member

TEXT = b"one after another " * 20
FILE = member(TEXT)


def test_what_is_whole() -> None:
    for content in (TEXT, b"", b"x"):
        coded = member(content)
        assert framed(io.BytesIO(coded), len(content), xxh64(content))
        assert not framed(io.BytesIO(coded), len(content), xxh64(content) ^ 1)
        assert not framed(io.BytesIO(coded), len(content) + 1, xxh64(content))
    assert framed(io.BytesIO(FILE + FILE), 2 * len(TEXT), xxh64(TEXT + TEXT))


def test_any_changed_or_missing_byte_is_found() -> None:
    check = xxh64(TEXT)
    for at in range(len(FILE)):
        changed = bytearray(FILE)
        changed[at] ^= 0x40
        assert not framed(io.BytesIO(changed), len(TEXT), check), at
        assert not framed(io.BytesIO(FILE[:at]), len(TEXT), check), at
    assert not framed(io.BytesIO(FILE + b"more"), len(TEXT), check)
    assert ncz.decompress(FILE) == TEXT
