"""Lengths in a GGUF file are followed, and nothing is made of them."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec.errors import ModelError
from ncz.models.language import gguf_metadata
from ncz.models.language.source import open_source
from ncz.models.llama import tokens
from tests.models.language import tiny


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def array(kind: int, count: int, rest: bytes = b"") -> bytes:
    return string(b"a.b") + struct.pack("<IIQ", 9, kind, count) + rest


def made(*entries: bytes, count: int | None = None, order: str = "<") -> bytes:
    number = len(entries) if count is None else count
    return b"GGUF" + struct.pack(f"{order}IQQ", 3, 0, number) + b"".join(entries)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.gguf"


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_true_files_pass_and_no_part_of_their_metadata_does(architecture: str, path: Path) -> None:
    tiny.write_gguf(path, architecture)
    whole = path.read_bytes()
    gguf_metadata.check(path)
    for end in (8, 20, 24, 40, 500, 3000):
        path.write_bytes(whole[:end])
        with pytest.raises(ModelError, match="fetch it again"):
            gguf_metadata.check(path)


@pytest.mark.parametrize(
    "data",
    [
        made(array(0, 2**40)),
        made(array(0, 2**63)),
        made(array(0, gguf_metadata.MAX_ELEMENTS + 1)),
        made(array(10, 3, bytes(20))),
        made(array(8, 2**40)),
        made(array(9, 1, struct.pack("<IQ", 9, 1) * 5000)),
        made(array(13, 1, bytes(99))),
        made(string(b"a.b") + struct.pack("<IQ", 8, 2**62)),
        made(string(b"a.b") + struct.pack("<I", 77)),
        made(count=2**50),
        made(array(0, 2**40), order=">"),
    ],
)
def test_lengths_without_data_cost_nothing(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    for read in (gguf_metadata.check, open_source, tokens.read):
        tracemalloc.start()
        with pytest.raises(ModelError):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


def test_all_kinds_of_values(path: Path) -> None:
    sizes = (1, 1, 2, 2, 4, 4, 4, 1, None, None, 8, 8, 8)
    entries = [
        string(b"key") + struct.pack("<I", kind) + bytes(size)
        for kind, size in enumerate(sizes)
        if size
    ]
    nested = array(9, 2, (struct.pack("<IQ", 0, 3) + b"abc") * 2)
    path.write_bytes(made(*entries, array(8, 2, string(b"x") + string(b"")), nested))
    gguf_metadata.check(path)


@given(st.binary(max_size=60), st.integers(0, 3))
def test_any_bytes_are_passed_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, entries: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    path.write_bytes(made(data, count=entries))
    try:
        gguf_metadata.check(path)
    except ModelError as error:
        assert len(str(error)) > 20
