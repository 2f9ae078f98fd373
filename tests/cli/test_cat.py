import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ncz as library
from tests import circuits

from .helpers import coded, damaged, finish, start

DATA = bytes(range(256)) * 40  # ten blocks of 1 KiB


def test_whole_content_of_several_files_whatever_their_names(ncz):
    Path("a.ncz").write_bytes(coded(b"one "))
    Path("b").write_bytes(coded(b"two "))
    assert ncz("cat", "a.ncz", "b", "-", stdin=coded(b"three")).out == b"one two three"


@pytest.mark.parametrize(
    "text",
    [
        "0:10",
        "1000:1100",
        "1020:",
        ":5",
        "-7:",
        ":-9000",
        "-100:-50",
        "10:5",
        "20000:",
        "9000:20000",
    ],
)
def test_ranges_are_those_of_python(ncz, text):
    Path("a.ncz").write_bytes(coded(DATA) + coded(DATA))
    start, end = (int(part) if part else None for part in text.split(":"))
    result = ncz("cat", "--range", text, "a.ncz")
    assert (result.code, result.out) == (0, (DATA + DATA)[start:end])


bounds = st.none() | st.integers(-3000, 3000)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=bounds, end=bounds)
def test_any_range(ncz, start, end):
    data = DATA[:2500]
    Path("a.ncz").write_bytes(coded(data))
    text = f"{'' if start is None else start}:{'' if end is None else end}"
    assert ncz("cat", f"--range={text}", "a.ncz").out == data[start:end]


def test_units_and_sizes_in_ranges(ncz):
    Path("a.ncz").write_bytes(coded(DATA))
    assert ncz("cat", "--range", "1KiB:+0.5k", "a.ncz").out == DATA[1024:1536]
    assert ncz("cat", "--range", "-10:+4", "a.ncz").out == DATA[-10:-6]
    assert ncz("cat", "--range", "-4:+4", "a.ncz").out == DATA[-4:]


def test_only_the_blocks_of_the_range_are_decoded(ncz):
    Path("a.ncz").write_bytes(damaged(DATA, 0, 3))
    result = ncz("cat", "--range", "1KiB:3KiB", "a.ncz")
    assert (result.code, result.out) == (0, DATA[1024:3072])
    result = ncz("cat", "--range", "3000:3100", "a.ncz")
    assert result.code == 3
    assert result.out in (b"", DATA[3000:3072])
    assert "block 3" in result.err


def test_a_pipe_has_no_ranges_and_a_redirected_file_has(tmp_path):
    data = coded(DATA)
    code, out, err = finish(start("cat", "--range", "1:5", cwd=tmp_path), data)
    assert (code, out) == (1, b"")
    assert err == (
        "ncz: standard input: --range needs a file that can be sought, not a pipe: save it first\n"
    )
    path = tmp_path / "a.ncz"
    path.write_bytes(data)
    with path.open("rb") as file:
        code, out, err = finish(start("cat", "--range", "1:5", cwd=tmp_path, stdin=file))
    assert (code, out, err) == (0, DATA[1:5], "")


def test_what_is_no_range(ncz):
    result = ncz("cat", "--range", "12", "a.ncz")
    assert result.code == 2
    assert result.lines == [
        "ncz cat: invalid value for '--range': '12' is not a range: "
        "write START:END, START: or :END (see ncz cat --help)"
    ]


def test_nothing_after_damage_is_written(ncz):
    Path("a.ncz").write_bytes(damaged(DATA, 2))
    result = ncz("cat", "a.ncz")
    assert result.code == 3
    assert result.out == DATA[:2048]


def test_a_file_that_grows_under_a_redirection_to_itself_is_no_input(tmp_path):
    """``cat a.ncz >> a.ncz`` of a file that is its own output is refused, as by cat."""
    path = tmp_path / "a"
    path.write_bytes(os.urandom(100))
    with path.open("ab") as file:
        code, _, err = finish(start("compress", "-1", "-c", "a", cwd=tmp_path, stdout=file))
    assert (code, err) == (1, "ncz: a: input and output are the same file\n")
    assert path.stat().st_size == 100


def test_empty_content(ncz):
    Path("a.ncz").write_bytes(library.compress(b"", level=1))
    assert ncz("cat", "a.ncz").out == b""
    assert ncz("cat", "--range", "0:10", "a.ncz").out == b""
    assert ncz("cat", "--range", "-10:", "a.ncz").out == b""


@pytest.fixture
def readings(ncz, tmp_path, monkeypatch):
    """500 records of six bytes in a.ncz, coded by a circuit in three blocks."""
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    circuits.saved(tmp_path, circuits.of_pixels())
    raw = circuits.pixels(500, seed=2)
    Path("a").write_bytes(raw)
    args = ("--model", "my.circuit", "--only-model", "--block-size", "1024", "-q")
    assert ncz("compress", "-2", *args, "a").code == 0
    return raw


@pytest.mark.parametrize(
    ("wanted", "first", "stop"),
    [
        ("0", 0, 1),
        ("499", 499, 500),
        ("168:172", 168, 172),
        (":2", 0, 2),
        ("498:", 498, 500),
        ("499:9999", 499, 500),
        ("7:7", 0, 0),
        ("9:7", 0, 0),
        (":", 0, 500),
    ],
)
def test_records_by_number(ncz, readings, wanted, first, stop):
    result = ncz("cat", "--record", wanted, "a.ncz")
    assert (result.code, result.err) == (0, "")
    assert result.out == readings[6 * first : 6 * stop]


def test_records_that_are_not_there(ncz, readings):
    for wanted in ("500", "500:", "999:1000"):
        result = ncz("cat", "--record", wanted, "a.ncz")
        number = wanted.partition(":")[0]
        assert (result.code, result.out) == (1, b"")
        assert result.err == f"ncz: a.ncz: has no record {number}: there are 500\n"


@pytest.mark.parametrize("wanted", ["", "-1", "1:2:3", "x", "1:x", "0x1", "9" * 5000])
def test_what_is_no_number_of_a_record(ncz, wanted):
    result = ncz("cat", "--record", wanted, "a.ncz")
    assert result.code == 2 and "is no number of a record" in result.err


def test_records_or_bytes(ncz):
    result = ncz("cat", "--record", "1", "--range", "1:2", "a.ncz")
    assert result.code == 2 and "take one of them" in result.err


def test_records_of_what_has_none(ncz):
    Path("a.ncz").write_bytes(coded(DATA))
    result = ncz("cat", "--record", "1", "a.ncz")
    assert result.code == 1
    assert "is not coded as records, but by zstd" in result.err and "--range" in result.err


def test_records_of_a_pipe(readings, tmp_path):
    data = (tmp_path / "a.ncz").read_bytes()
    code, out, err = finish(start("cat", "--record", "3", cwd=tmp_path), data)
    assert (code, out) == (1, b"")
    assert "--record needs a file that can be sought, not a pipe" in err


def test_more_records_than_may_come_out(ncz, readings):
    result = ncz("cat", "--record", "3:9", "--max-output", "15", "a.ncz")
    assert result.code != 0 and result.out == readings[18:30]


def test_damage_in_a_block_of_records_is_named(ncz, readings):
    whole = bytearray(Path("a.ncz").read_bytes())
    block = library.info(bytes(whole)).blocks[1]
    whole[block.offset + block.size - 1] ^= 0xFF
    Path("a.ncz").write_bytes(whole)
    for args in (("--record", "200"), ()):
        result = ncz("cat", *args, "a.ncz")
        assert result.code == 3 and "block 1" in result.err
    assert ncz("cat", "--record", "3", "a.ncz").out == readings[18:24]
