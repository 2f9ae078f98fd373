import json
from pathlib import Path

import ncz as library

from .helpers import coded, finish, start

DATA = bytes(range(256)) * 40  # ten blocks of 1 KiB


def test_the_table_has_sizes_coders_checks_and_blocks(ncz):
    Path("a.ncz").write_bytes(coded(DATA))
    found = library.info("a.ncz")
    result = ncz("info", "a.ncz")
    assert (result.code, result.err) == (0, "")
    lines = result.out.decode().splitlines()
    share = 100 * found.size / 10240
    assert lines[0] == (
        f"a.ncz: {found.size:,} bytes for 10,240 bytes of content "
        f"({share:.2f} %, {8 * found.size / 10240:.3f} bpb)"
    )
    assert lines[1] == (
        "member 0: version 1, format bytes, offset 0, "
        f"{found.size:,} bytes, 10 blocks of at most 1,024 bytes"
    )
    assert lines[2] == f"  content 0 to 10,240, XXH64 {found.members[0].content_check}"
    assert lines[3].startswith(f"  coder {found.blocks[0].coder}: 10 of 10 blocks, 10,240 -> ")
    assert lines[4].split()[:2] == ["block", "offset"]
    assert [line.split()[0] for line in lines[5:]] == [str(n) for n in range(10)]
    assert lines[5].split()[-1] == found.blocks[0].coder
    assert found.blocks[0].raw_check in lines[5]


def test_members_and_empty_content(ncz):
    Path("a.ncz").write_bytes(coded(b"one") + library.compress(b""))
    lines = ncz("info", "a.ncz").out.decode().splitlines()
    assert [line[:8] for line in lines if line.startswith("member")] == ["member 0", "member 1"]
    Path("b.ncz").write_bytes(library.compress(b""))
    assert "bytes for 0 bytes of content (empty)" in ncz("info", "b.ncz").out.decode()


def test_long_lists_are_shown_in_part_unless_asked_for(ncz):
    Path("a.ncz").write_bytes(coded(DATA * 3))
    short = ncz("info", "a.ncz").out.decode().splitlines()
    assert short[-1] == "  and 10 more: -v lists all"
    whole = ncz("info", "-v", "a.ncz").out.decode().splitlines()
    assert len(whole) == len(short) + 9
    assert whole[-1].split()[0] == "29"


def test_json_is_what_the_library_says(ncz):
    Path("a.ncz").write_bytes(coded(DATA))
    record = json.loads(ncz("info", "--json", "a.ncz").out)
    expected = json.loads(json.dumps(library.info("a.ncz").to_dict()))
    assert record.items() >= expected.items()
    assert (record["file"], record["ok"], record["exit"]) == ("a.ncz", True, 0)


def test_names_what_is_wrong(ncz):
    Path("a.ncz").write_bytes(b"hello")
    result = ncz("info", "a.ncz", "missing")
    assert result.code == 3
    assert len(result.lines) == 2
    assert result.lines[1] == "ncz: missing: no such file"


def test_a_pipe_cannot_be_described(tmp_path):
    code, _, err = finish(start("info", cwd=tmp_path), coded(DATA))
    assert (code, err) == (
        1,
        "ncz: standard input: is a pipe, and describing needs a file: save it first\n",
    )
