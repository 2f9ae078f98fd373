"""What a block is taken for."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.models.contextmix import detect, kernel
from ncz.models.contextmix.detect import Content, content, looks_compressed
from tests.golden.make import machine_code_64
from tests.models.contextmix.making import PNG_LIKE, array, machine_code, noise, records, text

GERMAN = "Die Größe der Bäche hängt vom Schnee ab; früher war mehr davon.\r\n".encode() * 90


@pytest.mark.parametrize(
    "raw", [text(8000), GERMAN, b"x", b"key\tvalue\n" * 3, b"\x1b[1mbold\x1b[0m"]
)
def test_text(raw: bytes) -> None:
    assert content(array(raw)) == Content(kernel.TEXT)


def test_text_filled_up_with_zeros() -> None:
    """As in an archive of small text files."""
    raw = b"".join(text(8000)[i : i + 400].ljust(512, b"\0") for i in range(0, 8000, 400))
    assert content(array(raw)).kind == kernel.TEXT


@pytest.mark.parametrize("size", [12, 48, 100, 999])
def test_records(size: int) -> None:
    rng = random.Random(size)
    fixed = bytes(rng.choices(range(64), k=size))
    rows = []
    for number in range(60_000 // size):
        row = bytearray(fixed)
        row[0:4] = number.to_bytes(4, "big")
        row[size // 2] = rng.randrange(256)
        rows.append(bytes(row))
    found = content(array(b"".join(rows)))
    assert found.kind == kernel.BINARY
    assert found.row % size == 0


def test_elements() -> None:
    rng = random.Random(6)
    level, out = 30_000, b""
    for _ in range(8000):
        level += rng.randint(-50, 50)
        out += level.to_bytes(4, "little")
    found = content(array(out))
    assert found.kind == kernel.BINARY
    assert found.cell in (4, 8)


def test_machine_code() -> None:
    for raw, kind in (
        (machine_code(30_000), kernel.MACHINE32),
        (machine_code_64(30_000), kernel.MACHINE64),
    ):
        assert content(array(raw)) == Content(kind, absolute=True)


def test_machine_code_that_calls_nobody_twice_stays_relative() -> None:
    rng = random.Random(7)
    raw = b"".join(
        b"\x8b\x45\x08\xe8" + rng.choice([16, 20, 24]).to_bytes(4, "little") + b"\x89\x04\x24"
        for _ in range(2000)
    )
    found = content(array(raw))
    assert found.kind != kernel.TEXT
    assert not found.absolute


def test_noise_is_no_text() -> None:
    assert content(array(noise(20_000))).kind != kernel.TEXT


@given(st.binary(min_size=1, max_size=600))
@settings(max_examples=30)
def test_any_bytes_have_a_content_in_range(raw: bytes) -> None:
    data = array(raw)
    found = content(data)
    assert data.tobytes() == raw, "looked at only"
    assert found.kind in kernel.KINDS
    assert 1 <= found.row <= detect.MAX_ROW
    assert 1 <= found.cell <= 8
    assert not (found.absolute and found.kind in (kernel.TEXT, kernel.BINARY))
    if found.kind != kernel.BINARY:
        assert (found.row, found.cell) == (1, 1), "what the coded block does not say"


@pytest.mark.parametrize("raw", [noise(100_000), noise(5000), PNG_LIKE])
def test_what_looks_compressed(raw: bytes) -> None:
    assert looks_compressed(raw)


@pytest.mark.parametrize(
    "raw",
    [
        bytes(100_000),
        text(50_000),
        records(30_000),
        machine_code(30_000),
        noise(3000) * 10,
        b"a",
        bytes(range(256)) * 100,
        noise(20_000) + text(20_000),
    ],
    ids=["zeros", "text", "records", "code", "repeats", "one byte", "a ramp", "half text"],
)
def test_what_does_not(raw: bytes) -> None:
    assert not looks_compressed(raw)


@pytest.mark.parametrize("raw", [bytes(3_000_000), noise(5000) * 600, b"words and " * 200_000])
def test_memory_is_an_upper_bound(raw: bytes) -> None:
    data = array(raw)
    content(data[:5000])  # whatever is loaded once is loaded now
    tracemalloc.start()
    try:
        content(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= detect.memory(len(raw)) + 2 * len(raw)
