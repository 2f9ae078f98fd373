import json
from pathlib import Path

from .helpers import coded, damaged, here

DATA = bytes(range(256)) * 40  # ten blocks of 1 KiB


def test_whole_files_pass_without_a_word_and_nothing_is_written(ncz):
    Path("a.ncz").write_bytes(coded(DATA))
    result = ncz("test", "a.ncz", "-", stdin=coded(DATA))
    assert (result.code, result.out, result.err) == (0, b"", "")
    assert here() == ["a.ncz"]
    assert ncz("test", "-v", "a.ncz").err.startswith("a.ncz: whole, 10,240 bytes in 10 blocks, ")


def test_each_damaged_block_is_named_with_its_range(ncz):
    Path("a.ncz").write_bytes(damaged(DATA, 2, 7))
    Path("b.ncz").write_bytes(coded(DATA))
    result = ncz("test", "a.ncz", "b.ncz")
    assert result.code == 3
    first, second = result.lines
    assert first.startswith("ncz: a.ncz: block 2 at offset ")
    assert "content bytes 2048 to 3072" in first
    assert second.startswith("ncz: a.ncz: block 7 at offset ")
    assert "content bytes 7168 to 8192" in second


def test_json(ncz):
    Path("a.ncz").write_bytes(damaged(DATA, 2))
    Path("b.ncz").write_bytes(coded(DATA))
    result = ncz("test", "--json", "a.ncz", "b.ncz")
    bad, good = map(json.loads, result.out.splitlines())
    assert (bad["ok"], bad["exit"], good["ok"], good["exit"]) == (False, 3, True, 0)
    assert [(d["block"], d["raw_start"], d["raw_end"]) for d in bad["damage"]] == [(2, 2048, 3072)]
    assert good["damage"] == []
    assert (good["raw_size"], good["blocks"]) == (len(DATA), 10)


def test_a_truncated_file_is_damaged(ncz):
    Path("a.ncz").write_bytes(coded(DATA)[:-50])
    result = ncz("test", "a.ncz")
    assert result.code == 3
    assert result.lines


def test_what_is_no_ncz_file(ncz):
    Path("a.ncz").write_bytes(b"hello")
    result = ncz("test", "a.ncz")
    assert result.code == 3
    assert len(result.lines) == 1
