import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.cli.quantities import (
    brief_size,
    brief_time,
    parse_range,
    parse_size,
    readable,
    rounded,
    saving,
    timing,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("17", 17),
        ("64KiB", 65536),
        ("1M", 2**20),
        ("2mib", 2**21),
        ("1.5 GiB", 3 * 2**29),
        ("2kB", 2000),
        ("3MB", 3_000_000),
        ("10b", 10),
        ("1T", 2**40),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1KB2", "1.", ".5", "1e3", "٣", "1 k i b", "1PiB"])
def test_no_sizes(text):
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@given(st.integers(0, 2**62))
def test_readable_sizes_can_be_read_back(size):
    text = readable(size)
    assert parse_size(text.replace(",", "").replace(" bytes", "").replace(" byte", "")) == size


@given(st.none() | st.integers(-(10**12), 10**12), st.none() | st.integers(-(10**12), 10**12))
def test_ranges(start, end):
    text = f"{'' if start is None else start}:{'' if end is None else end}"
    assert parse_range(text) == (start or 0, end)


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6))
def test_a_size_instead_of_an_end(start, size):
    data = range(10**6)
    begin, end = parse_range(f"{start}:+{size}")
    expected = data[begin:][:size]
    assert data[begin:end] == expected or len(data[begin:end]) == len(expected) == 0


@pytest.mark.parametrize("text", ["", "1", "1:2:3", "a:b", ":--1", "+1:2"])
def test_no_ranges(text):
    with pytest.raises(ValueError, match="is not a"):
        parse_range(text)


def test_lines():
    assert saving(152089, 36012, 2.11) == (
        "152,089 -> 36,012 bytes (23.68 %, 1.894 bpb), 2.1 s, 72 kB/s"
    )
    assert saving(0, 40, 0.0) == "0 -> 40 bytes, 0.0 s, 0.0 B/s"
    assert timing(5_000_000_000, 2.0) == "2.0 s, 2.5 GB/s"
    assert timing(50, 10.0) == "10.0 s, 5.0 B/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.00321, "0.0032 s"),
        (89, "89 s"),
        (90, "1.5 min"),
        (5399, "1.5 h"),
        (1e6, "280 h"),
    ],
)
def test_brief_times(seconds, text):
    assert brief_time(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "1 kB"), (994, "990 B"), (38_049, "38 kB"), (2**30, "1.1 GB")],
)
def test_brief_sizes(count, text):
    assert brief_size(count) == text


@given(st.floats(1e-9, 1e15) | st.integers(1, 10**15))
def test_rounding_keeps_two_digits(value):
    short = rounded(value)
    assert type(short) is type(value)
    assert short == pytest.approx(value, rel=0.06)
    assert rounded(short) == short
