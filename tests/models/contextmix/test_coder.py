"""The coder: blocks of any bytes, and coded data from anywhere."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ncz.codec.coder import CoderSpec
from ncz.codec.errors import FormatError, UnsupportedError
from ncz.models import contextmix
from ncz.models.contextmix import kernel
from ncz.models.contextmix.presets import PRESETS, REVISION
from tests.models.contextmix.making import SHORT, machine_code, noise, records, text

LEVELS = sorted(PRESETS)
ABSOLUTE = 0x80
SAMPLES = {
    "text": text(4000),
    "records": records(3600),
    "code": machine_code(8000),
    "zeros": bytes(5000),
    "repeats": noise(600) * 5,
}


def round_trip(raw: bytes, level: int) -> int:
    """The coded size, or the raw where the coder leaves a block to others."""
    coder = contextmix.coder(level)
    coded = coder.encode(raw)
    if coded is None:
        return len(raw)
    assert len(coded) <= len(raw)
    assert coder.decode(coded, len(raw)) == raw
    return len(coded)


@pytest.mark.parametrize("level", LEVELS)
def test_sizes_from_one_on(level: int) -> None:
    for size in range(1, 71, 1 if level == 6 else 7):
        round_trip(bytes([size % 3, 0xE8, 0, 7] * size)[:size], level)
    for size in (1, 2, 4, 5, 39, 40, 70):
        round_trip(bytes(size), level)
        round_trip(text(100)[:size], level)


@given(st.binary(min_size=1, max_size=120), st.sampled_from(LEVELS))
@settings(max_examples=20)
def test_any_bytes(raw: bytes, level: int) -> None:
    round_trip(raw, level)


@given(st.lists(st.integers(0, 3), min_size=20, max_size=300).map(bytes), st.sampled_from(LEVELS))
@settings(max_examples=20)
def test_bytes_that_compress(raw: bytes, level: int) -> None:
    assert round_trip(raw, level) <= len(raw)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", SAMPLES)
def test_each_kind(name: str, level: int) -> None:
    raw = SAMPLES[name]
    assert round_trip(raw, level) < len(raw) * 0.9


@pytest.mark.parametrize("raw", [raw for raw in SHORT if raw], ids=range(len(SHORT) - 1))
def test_special_blocks(raw: bytes) -> None:
    round_trip(raw, 6)


@pytest.mark.parametrize("size", [1, 2, 3, 100, 5000])
def test_noise_is_left_to_others(size: int) -> None:
    assert contextmix.coder(3).encode(noise(size)) is None


def test_the_head_says_what_was_found() -> None:
    coder = contextmix.coder(3)
    heads = {name: coder.encode(raw) for name, raw in SAMPLES.items()}
    assert heads["text"][0] == kernel.TEXT
    assert heads["records"][0] == kernel.BINARY
    assert int.from_bytes(heads["records"][1:3], "little") % 12 == 0
    assert heads["code"][0] == kernel.MACHINE32 | ABSOLUTE


@pytest.mark.parametrize("level", LEVELS)
def test_its_parameters_bring_it_back(level: int) -> None:
    coder = contextmix.coder(level)
    assert coder.spec == CoderSpec(2, bytes([1, level])) == CoderSpec(2, bytes([REVISION, level]))
    assert coder.name == f"contextmix-{level}"
    again = contextmix.from_params(coder.spec.params)
    assert again.spec == coder.spec
    raw = text(500)
    assert again.decode(coder.encode(raw), len(raw)) == raw


@pytest.mark.parametrize(
    "params", [b"", b"\x01", b"\x02\x03", b"\x01\x01", b"\x01\x07", b"\x01\x03x"]
)
def test_other_parameters_need_a_newer_ncz(params: bytes) -> None:
    with pytest.raises(UnsupportedError, match="install a newer ncz"):
        contextmix.from_params(params)


def test_every_first_byte_is_known_or_refused() -> None:
    """And what follows it may be anything."""
    coder = contextmix.coder(2)
    known = {*kernel.KINDS, kernel.MACHINE32 | ABSOLUTE, kernel.MACHINE64 | ABSOLUTE}
    for first in range(256):
        coded = bytes([first, 9, 0, 2]) + noise(20)
        if first in known:
            assert len(coder.decode(coded, 50)) == 50
        else:
            with pytest.raises(FormatError, match="no kind of block"):
                coder.decode(coded, 50)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("", "empty"),
        ("01", "ends in its head"),
        ("010100", "ends in its head"),
        ("01000001", "out of range"),
        ("01011001", "out of range"),
        ("01ffff01", "out of range"),
        ("01010000", "out of range"),
        ("01010009", "out of range"),
    ],
)
def test_a_head_that_cannot_be(head: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        contextmix.coder(2).decode(bytes.fromhex(head), 50)


@pytest.mark.parametrize("head", ["00", "01010001", "01001008", "01ff0f03", "02", "82", "83"])
def test_the_ends_of_what_a_head_may_say(head: str) -> None:
    assert len(contextmix.coder(6).decode(bytes.fromhex(head) + noise(30), 400)) == 400


@given(
    st.sampled_from([b"", b"\x00", b"\x01\x07\x00\x02", b"\x02", b"\x83"]),
    st.binary(max_size=80),
    st.integers(1, 300),
    st.sampled_from([2, 6]),
)
@settings(max_examples=25)
@example(b"\x00", b"", 300, 6)
@example(b"\x83", b"\xff" * 80, 300, 6)
def test_hostile_coded_data_ends(head: bytes, body: bytes, size: int, level: int) -> None:
    """In bytes of the right number, or in the one error that is declared."""
    try:
        raw = contextmix.coder(level).decode(head + body, size)
    except FormatError:
        return
    assert len(raw) == size


@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_coded_data_ends(name: str) -> None:
    raw = SAMPLES[name][:900]
    coder = contextmix.coder(2)
    coded = coder.encode(raw)
    for size in range(4, len(coded), 20):
        found = coder.decode(coded[:size], len(raw))
        assert len(found) == len(raw)
        assert found != raw
    if name != "zeros":
        assert coder.decode(coded[:-1], len(raw)) != raw, "no byte is there for nothing"


@pytest.mark.parametrize("level", LEVELS)
def test_memory_is_an_upper_bound(level: int) -> None:
    """Of what a block takes either way, with what its detection takes and gives back."""
    coder = contextmix.coder(level)
    for raw in (SAMPLES["code"], SAMPLES["text"], records(40_000)):
        coded = coder.encode(raw)  # whatever is loaded once is loaded now
        for work, argument in ((coder.encode, raw), (partial(coder.decode, coded), len(raw))):
            tracemalloc.start()
            try:
                work(argument)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak <= coder.memory(len(raw))


@pytest.mark.parametrize("level", [2, 5])
def test_threads_do_not_meet(level: int) -> None:
    coder = contextmix.coder(level)
    work = list(SAMPLES.values()) * 2
    expected = [coder.encode(raw) for raw in work]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(coder.encode, work)) == expected
        sizes = [len(raw) for raw in work]
        assert list(pool.map(coder.decode, expected, sizes)) == work


def test_the_input_is_looked_at_only() -> None:
    raw = bytearray(machine_code(3000))
    before = bytes(raw)
    assert contextmix.coder(2).encode(bytes(raw)) is not None
    assert contextmix.coder(2).encode(raw) == contextmix.coder(2).encode(before)
    assert raw == before
