"""Compressor and Decompressor: content and files that come in pieces."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncz
from tests.formats.making import TEXT, member, with_content_check

CODED = member(TEXT, 16) + member(b"two")
CONTENT = TEXT + b"two"


@given(st.integers(1, 40), st.integers(1, 3), st.sampled_from([-1, 1, 2, 9]))
def test_decompressor(step: int, threads: int, max_length: int) -> None:
    decompressor = ncz.Decompressor(threads=threads)
    assert (decompressor.eof, decompressor.needs_input) == (False, True)
    out = b""
    for start in range(0, len(CODED), step):
        data = CODED[start : start + step]
        while data or not (decompressor.needs_input or decompressor.eof):
            piece = decompressor.decompress(data, max_length)
            assert max_length < 0 or len(piece) <= max_length
            out += piece
            data = b""
    assert decompressor.eof
    assert out == CONTENT
    assert decompressor.unused_data == b""


def test_eof_after_each_member() -> None:
    decompressor = ncz.Decompressor()
    first = member(b"one")
    assert decompressor.decompress(first) == b"one"
    assert decompressor.eof
    assert decompressor.decompress(first[:5]) == b""
    assert not decompressor.eof
    assert decompressor.decompress(first[5:]) == b"one"
    assert decompressor.eof


@pytest.mark.parametrize("cut", [1, 3, 200])
def test_unused_data(cut: int) -> None:
    decompressor = ncz.Decompressor()
    coded = CODED + b"\x89NC of something else"
    out = b""
    for start in range(0, len(coded), cut):
        if decompressor.unused_data:
            with pytest.raises(EOFError):
                decompressor.decompress(b"x")
            break
        out += decompressor.decompress(coded[start : start + cut])
    assert decompressor.eof
    assert out == CONTENT
    assert coded[len(CODED) :].startswith(decompressor.unused_data)
    assert len(decompressor.unused_data) >= 4


def test_what_precedes_damage_comes_before_the_error() -> None:
    damaged = bytearray(CODED)
    block = ncz.info(CODED).blocks[3]
    damaged[block.offset + block.size - 1] ^= 1
    decompressor = ncz.Decompressor()
    assert decompressor.decompress(bytes(damaged)) == CONTENT[:48]
    for _ in range(2):
        with pytest.raises(ncz.CorruptBlock, match="block 3"):
            decompressor.decompress(b"")
    assert not decompressor.eof


def test_decompressor_refuses_other_data_at_once() -> None:
    with pytest.raises(ncz.FormatError, match=r"not an \.ncz file"):
        ncz.Decompressor().decompress(b"P")


def test_decompressor_keeps_the_memory_limit() -> None:
    with pytest.raises(ncz.MemoryLimitError):
        ncz.Decompressor(memlimit=100).decompress(CODED)


@given(st.lists(st.integers(0, 3000), max_size=5), st.integers(1, 3))
def test_compressor(cuts: list[int], threads: int) -> None:
    content = random.Random(1).randbytes(500) + TEXT * 20
    compressor = ncz.Compressor(1, threads=threads, block_size=1024)
    out, at = b"", 0
    for cut in [*sorted(cuts), len(content)]:
        out += compressor.compress(memoryview(content)[at:cut])
        at = max(at, cut)
    out += compressor.flush()
    assert out == ncz.compress(content, 1, block_size=1024)


def test_a_compressor_ends_once() -> None:
    compressor = ncz.Compressor(1)
    assert ncz.decompress(compressor.flush()) == b""
    with pytest.raises(ValueError, match="end of its file"):
        compressor.flush()
    with pytest.raises(ValueError, match="end of its file"):
        compressor.compress(b"more")


def test_a_wrong_content_check_is_no_end_of_a_file() -> None:
    """What precedes an error comes first, and until the error came the file is not at its end."""
    damaged = bytearray(member(b"content"))
    damaged[-5] ^= 1  # the last byte of the content check, and so the check of the tail's body
    whole = with_content_check(b"content", 12345)
    for coded in (bytes(damaged), whole):
        decompressor = ncz.Decompressor()
        assert decompressor.decompress(coded) == b"content"
        assert (decompressor.eof, decompressor.needs_input) == (False, False)
        with pytest.raises(ncz.FormatError, match="check"):
            decompressor.decompress(b"")
        assert (decompressor.eof, decompressor.needs_input) == (False, False)
