import json
import os
from pathlib import Path

import pytest

import ncz as library

from .helpers import coded, damaged, here

TEXT = b"the same words again and the same words again\n" * 100


def test_restores_content_time_and_mode_and_keeps_the_input(ncz):
    path = Path("a.txt.ncz")
    path.write_bytes(coded(TEXT))
    path.chmod(0o600)
    os.utime(path, ns=(1, 1_600_000_000_000_000_007))
    result = ncz("decompress", "a.txt.ncz")
    assert (result.code, result.out, result.err) == (0, b"", "")
    assert Path("a.txt").read_bytes() == TEXT
    status = Path("a.txt").stat()
    assert (status.st_mtime_ns, status.st_mode & 0o7777) == (1_600_000_000_000_000_007, 0o600)
    assert path.exists()


def test_upper_case_suffix(ncz):
    Path("A.NCZ").write_bytes(coded(TEXT))
    assert ncz("decompress", "A.NCZ").code == 0
    assert Path("A").read_bytes() == TEXT


@pytest.mark.parametrize("name", ["a.txt", ".ncz", "ncz"])
def test_unknown_suffix_is_refused(ncz, name):
    Path(name).write_bytes(coded(TEXT))
    result = ncz("decompress", name)
    assert result.code == 1
    assert result.lines == [
        f"ncz: {name}: unknown suffix, expected .ncz: name the output with -o, or use -c"
    ]
    assert ncz("decompress", "-c", name).out == TEXT
    assert ncz("decompress", "-o", "out", name).code == 0
    assert Path("out").read_bytes() == TEXT


def test_pipes(ncz):
    assert ncz("decompress", stdin=coded(TEXT)).out == TEXT
    Path("a.ncz").write_bytes(coded(TEXT))
    assert ncz("decompress", "-c", "a.ncz", "-", stdin=coded(b"!")).out == TEXT + b"!"


def test_what_is_no_ncz_file(ncz):
    Path("a.ncz").write_bytes(b"something else entirely")
    result = ncz("decompress", "a.ncz")
    assert result.code == 3
    assert len(result.lines) == 1
    assert here() == ["a.ncz"]
    assert ncz("decompress", stdin=b"").code == 3


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_truncated(ncz, cut):
    Path("a.ncz").write_bytes(coded(TEXT)[:-cut])
    result = ncz("decompress", "a.ncz")
    assert result.code == 3
    assert len(result.lines) == 1
    assert here() == ["a.ncz"]


def test_newer_version_names_what_is_needed(ncz):
    newer = bytearray(coded(TEXT))
    newer[8] = 99
    Path("a.ncz").write_bytes(newer)
    result = ncz("decompress", "a.ncz")
    assert result.code == 4
    assert len(result.lines) == 1


def test_damage_leaves_no_output(ncz):
    Path("a.ncz").write_bytes(damaged(TEXT, 2))
    result = ncz("decompress", "--rm", "a.ncz")
    assert result.code == 3
    assert len(result.lines) == 1
    assert "block 2" in result.err
    assert "content bytes 2048 to 3072" in result.err
    assert result.err.endswith("; --keep-going saves what is whole\n")
    assert here() == ["a.ncz"]


def test_keep_going_saves_the_others_and_says_what_is_lost(ncz):
    Path("a.ncz").write_bytes(damaged(TEXT, 2))
    result = ncz("decompress", "--keep-going", "--json", "--rm", "a.ncz")
    assert result.code == 3
    assert len(result.lines) == 1
    assert "block 2" in result.err
    restored = Path("a").read_bytes()
    assert restored == TEXT[:2048] + bytes(1024) + TEXT[3072:]
    assert Path("a.ncz").exists(), "--rm removes only what was restored whole"
    record = json.loads(result.out)
    assert record["exit"] == 3
    assert [(d["block"], d["raw_start"], d["raw_end"]) for d in record["damage"]] == [
        (2, 2048, 3072)
    ]


def test_keep_going_makes_no_file_of_nothing(ncz):
    Path("a.ncz").write_bytes(coded(TEXT)[:60])
    result = ncz("decompress", "--keep-going", "a.ncz")
    assert result.code == 3
    assert result.err.endswith("; there is nothing to save\n")
    assert here() == ["a.ncz"]


def test_keep_going_saves_what_comes_before_the_cut(ncz):
    Path("a.ncz").write_bytes(coded(TEXT)[:-60])
    result = ncz("decompress", "--keep-going", "a.ncz")
    assert result.code == 3
    saved = Path("a").read_bytes()
    assert len(saved) >= 1024
    assert TEXT.startswith(saved.rstrip(b"\0"))


def test_keep_going_past_what_follows_the_file(ncz):
    Path("a.ncz").write_bytes(coded(TEXT) + b"and a note")
    assert ncz("decompress", "a.ncz").code == 3
    assert here() == ["a.ncz"]
    result = ncz("decompress", "--keep-going", "a.ncz")
    assert result.code == 3
    assert "trailing garbage" in result.err
    assert Path("a").read_bytes() == TEXT


def test_rm_reads_the_output_back(ncz):
    Path("a.ncz").write_bytes(coded(TEXT))
    assert ncz("decompress", "--rm", "a.ncz").code == 0
    assert here() == ["a"]
    assert Path("a").read_bytes() == TEXT


def test_rm_keeps_the_input_if_the_disk_lies(ncz, monkeypatch):
    Path("a.ncz").write_bytes(coded(TEXT))

    def lie(descriptor):
        os.pwrite(descriptor, b"X", 7)

    monkeypatch.setattr("ncz.cli.targets._forget_cache", lie)
    result = ncz("decompress", "--rm", "a.ncz")
    assert result.code == 1
    assert result.lines == [
        "ncz: a.ncz: the output read back from disk is not what was written; input kept"
    ]
    assert here() == ["a.ncz"]


def test_max_output(ncz):
    Path("a.ncz").write_bytes(library.compress(bytes(1_000_000), level=1))
    result = ncz("decompress", "--max-output", "1k", "a.ncz")
    assert result.code == 1
    assert "limit" in result.err
    assert here() == ["a.ncz"]


def test_verbose(ncz):
    Path("a.ncz").write_bytes(coded(TEXT))
    result = ncz("decompress", "-v", "a.ncz")
    assert result.err.startswith(f"a.ncz: {len(coded(TEXT)):,} -> {len(TEXT):,} bytes, ")


def test_a_device_as_output_is_written_and_not_replaced(ncz):
    Path("a.ncz").write_bytes(coded(TEXT))
    assert ncz("decompress", "-o", "/dev/null", "a.ncz").code == 0
    assert not Path("/dev/null").is_file()
    result = ncz("decompress", "-o", "/dev/full", "a.ncz")
    assert result.code == 1
    assert result.lines == ["ncz: a.ncz: cannot write /dev/full: no space left on device"]
    result = ncz("decompress", "--rm", "-o", "/dev/null", "a.ncz")
    assert result.lines == [
        "ncz: a.ncz: --rm needs an output that can be read back: /dev/null cannot"
    ]


def test_control_characters_in_names_do_not_reach_the_terminal(ncz):
    Path("a\x1b[2J\n").write_bytes(b"")
    result = ncz("decompress", "a\x1b[2J\n")
    assert result.lines == [
        "ncz: a\\x1b[2J\\n: unknown suffix, expected .ncz: name the output with -o, or use -c"
    ]


@pytest.mark.parametrize("name", [".ncz", "..ncz", "...ncz"])
def test_what_is_left_without_the_suffix_has_to_be_the_name_of_a_file(ncz, name):
    Path(name).write_bytes(coded(b"content"))
    before = here()
    for args in ([], ["-f"]):
        result = ncz("decompress", *args, name)
        assert result.code == 1
        assert result.lines == [
            f"ncz: {name}: unknown suffix, expected .ncz: name the output with -o, or use -c"
        ]
    for overwrite in (False, True):
        (result,) = library.decompress_many([name], overwrite=overwrite)
        assert result.skipped == "has no name but .ncz"
    assert here() == before


BOMB = library.compress(bytes(1 << 20), level=1, block_size=1 << 16)


@pytest.mark.parametrize("args", [["decompress"], ["cat"], ["test"], ["decompress", "--resume"]])
def test_a_bomb_is_one_sentence_and_leaves_nothing(ncz, args):
    Path("a.ncz").write_bytes(BOMB)
    result = ncz(*args, "--max-output", "100KiB", "a.ncz")
    assert (result.code, result.out) == (1, b"")
    assert result.lines == [
        "ncz: a.ncz: the content is larger than the limit of 102400 bytes; raise the limit if you "
        "trust where the file comes from"
    ]
    assert here() == ["a.ncz"]
    assert ncz(*args, "--max-output", "1MiB", "a.ncz").code == 0


def test_a_bomb_in_a_pipe_leaves_nothing_either(ncz):
    result = ncz("decompress", "--max-output", "100KiB", "-o", "a", stdin=BOMB[:-1] + b"?")
    assert result.code == 1
    assert "the limit of 102400 bytes" in result.err
    assert here() == []


def test_a_range_has_its_own_limit(ncz):
    Path("a.ncz").write_bytes(BOMB)
    assert len(ncz("cat", "--max-output", "9", "--range", "5:14", "a.ncz").out) == 9
    assert ncz("cat", "--max-output", "9", "--range", "5:15", "a.ncz").code == 1
