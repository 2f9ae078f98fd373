import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ncz as library

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
