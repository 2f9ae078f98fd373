import json
import os
from pathlib import Path

import pytest

import ncz as library
from ncz.cli import transfer
from ncz.codec.zstd import Zstd
from ncz.formats import readback, temporaries

from ..formats import spoiling
from .helpers import here

TEXT = b"the same words again and the same words again\n" * 50


def write(name: str, data: bytes = TEXT) -> Path:
    path = Path(name)
    path.write_bytes(data)
    return path


def test_makes_a_smaller_file_beside_and_keeps_the_input(ncz):
    write("a.txt")
    result = ncz("compress", "-1", "a.txt")
    assert (result.code, result.out, result.err) == (0, b"", "")
    coded = Path("a.txt.ncz").read_bytes()
    assert len(coded) < len(TEXT)
    assert library.decompress(coded) == TEXT
    assert Path("a.txt").read_bytes() == TEXT


def test_keeps_time_and_mode(ncz):
    path = write("a")
    path.chmod(0o640)
    os.utime(path, ns=(1_500_000_000_000_000_001, 1_600_000_000_123_456_789))
    assert ncz("compress", "-1", "a").code == 0
    status = Path("a.ncz").stat()
    assert status.st_mtime_ns == 1_600_000_000_123_456_789
    assert status.st_mode & 0o7777 == 0o640


def test_set_user_id_is_not_passed_on(ncz):
    write("a").chmod(0o4755)
    assert ncz("compress", "-1", "a").code == 0
    assert Path("a.ncz").stat().st_mode & 0o7777 == 0o755


def test_output_of_standard_input_gets_the_usual_mode(ncz):
    before = os.umask(0o027)
    try:
        assert ncz("compress", "-1", "-o", "a.ncz", stdin=TEXT).code == 0
    finally:
        os.umask(before)
    assert Path("a.ncz").stat().st_mode & 0o7777 == 0o640


@pytest.mark.parametrize("args", [[], ["-"], ["-c", "-"], ["-o", "-"]])
def test_standard_input_goes_to_standard_output(ncz, args):
    result = ncz("compress", "-1", *args, stdin=TEXT)
    assert result.code == 0
    assert library.decompress(result.out) == TEXT


def test_several_files_on_standard_output_are_one_valid_file(ncz):
    write("a", b"first ")
    write("b", b"second")
    result = ncz("compress", "-1", "-c", "a", "b")
    assert library.decompress(result.out) == b"first second"
    assert not Path("a.ncz").exists()


def test_several_files_go_into_a_directory(ncz):
    write("a")
    write("b")
    Path("out").mkdir()
    assert ncz("compress", "-1", "-o", "out", "a", "b").code == 0
    assert here("out") == ["a.ncz", "b.ncz"]


def test_goes_on_after_a_file_that_fails_and_exits_with_the_worst(ncz):
    write("a")
    write("b")
    result = ncz("compress", "-1", "a", "missing", "b")
    assert result.code == 1
    assert result.lines == ["ncz: missing: no such file"]
    assert Path("a.ncz").exists()
    assert Path("b.ncz").exists()


def test_does_not_overwrite_unless_forced(ncz):
    write("a")
    write("a.ncz", b"precious")
    result = ncz("compress", "-1", "a")
    assert result.code == 1
    assert result.lines == ["ncz: a: a.ncz already exists: use -f to overwrite it"]
    assert Path("a.ncz").read_bytes() == b"precious"
    assert ncz("compress", "-1", "-f", "a").code == 0
    assert library.decompress(Path("a.ncz").read_bytes()) == TEXT


def test_a_dangling_link_as_output_counts_as_taken(ncz):
    write("a")
    Path("a.ncz").symlink_to("elsewhere")
    assert ncz("compress", "-1", "a").code == 1
    assert not Path("elsewhere").exists()


def test_forced_over_a_link_replaces_the_link_and_not_what_it_points_to(ncz):
    write("a")
    write("elsewhere", b"precious")
    Path("a.ncz").symlink_to("elsewhere")
    assert ncz("compress", "-1", "-f", "a").code == 0
    assert Path("elsewhere").read_bytes() == b"precious"
    assert not Path("a.ncz").is_symlink()


def test_leaves_compressed_files_alone(ncz):
    write("a.ncz")
    result = ncz("compress", "-1", "a.ncz")
    assert result.code == 0
    assert result.lines == ["ncz: a.ncz: ends in .ncz already, left alone (-f compresses it again)"]
    assert here() == ["a.ncz"]
    assert ncz("compress", "-1", "-q", "a.ncz").err == ""
    assert ncz("compress", "-1", "-f", "a.ncz").code == 0
    assert Path("a.ncz.ncz").exists()


def test_refuses_a_directory_and_says_what_to_do(ncz):
    Path("docs").mkdir()
    result = ncz("compress", "docs")
    assert result.code == 1
    assert result.lines == [
        "ncz: docs: is a directory: -r takes each file beneath, or pack it, "
        "as in tar -cf - docs | ncz compress -o docs.tar.ncz"
    ]


def test_follows_links_for_reading(ncz):
    write("a")
    Path("link").symlink_to("a")
    assert ncz("compress", "-1", "link").code == 0
    assert library.decompress(Path("link.ncz").read_bytes()) == TEXT
    Path("dangling").symlink_to("nothing")
    result = ncz("compress", "dangling")
    assert result.lines == ["ncz: dangling: is a symbolic link to a file that does not exist"]


def test_refuses_a_fifo_without_a_place_for_the_output(ncz):
    os.mkfifo("pipe")
    result = ncz("compress", "pipe")
    assert result.code == 1
    assert result.lines == ["ncz: pipe: is not a regular file: name the output with -o, or use -c"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_input(ncz):
    write("a").chmod(0)
    assert ncz("compress", "a").lines == ["ncz: a: permission denied"]


def test_input_as_output(ncz):
    write("a")
    os.link("a", "b")
    for args in (["-o", "a", "a"], ["-o", "b", "a"]):
        result = ncz("compress", "-1", "-f", *args)
        assert result.code == 1
        assert result.lines == ["ncz: a: input and output are the same file"]
    assert Path("a").read_bytes() == TEXT


def test_the_same_file_twice_is_done_once(ncz):
    write("a")
    result = ncz("compress", "-1", "-f", "a", "./a")
    assert result.code == 0
    assert result.lines == ["ncz: ./a: named twice, done once"]


def test_one_output_of_a_run_never_replaces_another(ncz):
    for directory in ("x", "y", "out"):
        Path(directory).mkdir()
    write("x/a", b"one")
    write("y/a", b"two")
    result = ncz("compress", "-1", "-f", "-o", "out", "x/a", "y/a")
    assert result.code == 1
    assert result.lines == ["ncz: y/a: would overwrite out/a.ncz, which this run has just written"]
    assert library.decompress(Path("out/a.ncz").read_bytes()) == b"one"


def test_rm_removes_the_input_once_the_output_is_verified(ncz):
    write("a")
    assert ncz("compress", "-1", "--rm", "a").code == 0
    assert here() == ["a.ncz"]
    assert library.decompress(Path("a.ncz").read_bytes()) == TEXT


def test_rm_keeps_the_input_if_what_is_on_disk_is_not_what_was_read(ncz, monkeypatch):
    write("a")
    other = library.compress(b"something else", level=1)
    monkeypatch.setattr("ncz.formats.stream.compressing", lambda src, dst, *rest: cheat(src, dst))

    def cheat(src, dst):
        from ncz.formats.stream import StreamStats

        size = len(src.read())
        dst.write(other)
        yield from ()
        return StreamStats(size, len(other), 1)

    result = ncz("compress", "-1", "--rm", "a")
    assert result.code == 1
    assert result.lines == [
        "ncz: a: the output read back from disk is not what was written; input kept"
    ]
    assert here() == ["a"]


def test_rm_of_a_link_needs_force(ncz):
    write("a")
    Path("link").symlink_to("a")
    result = ncz("compress", "-1", "--rm", "link")
    assert result.lines == [
        "ncz: link: is a symbolic link, and --rm would remove only the link: use --keep"
    ]
    assert here() == ["a", "link"]
    assert ncz("compress", "-1", "--rm", "-f", "link").code == 0
    assert here() == ["a", "link.ncz"]


def test_the_last_of_rm_and_keep_counts(ncz):
    write("a")
    assert ncz("compress", "-1", "--rm", "-k", "a").code == 0
    assert here() == ["a", "a.ncz"]


def test_a_file_that_changes_while_it_is_read_leaves_no_output(ncz, monkeypatch):
    from ncz.formats import stream

    path = write("a")
    real = stream.compressing

    def slow(src, dst, *rest):
        stats = yield from real(src, dst, *rest)
        path.write_bytes(TEXT + b"more")
        return stats

    monkeypatch.setattr("ncz.formats.stream.compressing", slow)
    result = ncz("compress", "-1", "--rm", "a")
    assert result.code == 1
    assert result.lines == [
        "ncz: a: changed while it was being read: try again when nothing writes to it"
    ]
    assert here() == ["a"]


def test_verbose_tells_sizes_ratio_time_and_speed(ncz):
    write("a")
    result = ncz("compress", "-1", "-v", "a")
    assert result.err.startswith("a: 2,300 -> ")
    for part in (" bytes (", " %, ", " bpb), ", " s, ", "B/s"):
        assert part in result.err


def test_json_has_one_object_per_file_on_standard_output(ncz):
    write("a")
    result = ncz("compress", "-1", "--json", "a", "missing")
    first, second = map(json.loads, result.out.splitlines())
    assert first == {
        "file": "a",
        "output": "a.ncz",
        "raw_size": 2300,
        "coded_size": Path("a.ncz").stat().st_size,
        "blocks": 1,
        "seconds": first["seconds"],
        "ok": True,
        "exit": 0,
    }
    assert second == {"file": "missing", "error": "no such file", "ok": False, "exit": 1}
    assert result.lines == ["ncz: missing: no such file"]


def test_json_goes_to_stderr_when_data_goes_to_standard_output(ncz):
    result = ncz("compress", "-1", "--json", "-", "missing", stdin=TEXT)
    assert library.decompress(result.out) == TEXT
    assert [json.loads(line)["exit"] for line in result.lines] == [0, 1]


def test_empty_input(ncz):
    write("a", b"")
    assert ncz("compress", "-1", "-v", "a").err.startswith("a: 0 -> ")
    assert ncz("decompress", "-f", "a.ncz").code == 0
    assert Path("a").read_bytes() == b""


def test_levels_may_be_bundled_with_other_flags(ncz):
    write("a")
    assert library.decompress(ncz("compress", "-1c", "a").out) == TEXT


def test_threads_and_block_size_reach_the_library(ncz):
    data = os.urandom(5000)
    one = ncz("compress", "-1", "--block-size", "1KiB", "-T", "1", stdin=data).out
    two = ncz("compress", "-1", "--block-size", "1KiB", "-T", "2", stdin=data).out
    every = ncz("compress", "-1", "--block-size", "1KiB", "-T", "0", stdin=data).out
    assert one == two == every
    Path("a.ncz").write_bytes(one)
    assert json.loads(ncz("test", "--json", "a.ncz").out)["blocks"] == 5


def test_memory_limit_that_nothing_keeps(ncz):
    write("a")
    result = ncz("compress", "-1", "--memlimit", "1KiB", "a")
    assert result.code == 4
    assert "memory" in result.err
    assert here() == ["a"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["-c", "-o", "x", "a"], "-c and -o contradict each other: give one of them"),
        (["--rm", "-c", "a"], "--rm needs an output file: it cannot verify standard output"),
        (["-", "-"], "standard input can be read only once"),
        (["-o", "x/", "a"], "x/ is not a directory"),
        (
            ["-o", "x", "a", "b"],
            "-o with several inputs must name a directory; -c writes them one after another",
        ),
        (["-o", "d", "-"], "standard input has no name: give -o a file, not a directory"),
        (
            ["--block-size", "1", "a"],
            "invalid value for '--block-size': 1 is out of range: 1 KiB to 1 GiB",
        ),
        (
            ["--memlimit", "lots", "a"],
            "invalid value for '--memlimit': 'lots' is not a size: "
            "write bytes, or a number with KiB, MiB or GiB",
        ),
    ],
)
def test_wrong_usage_is_one_line(ncz, args, sentence):
    Path("d").mkdir()
    result = ncz("compress", *args)
    assert result.code == 2
    assert result.lines == [f"ncz compress: {sentence} (see ncz compress --help)"]


def test_what_does_not_come_back_is_not_written(ncz, monkeypatch):
    monkeypatch.setattr(Zstd, "encode", spoiling.encode)
    Path("d").mkdir()
    write("d/bad", TEXT + spoiling.MARK)
    write("d/good")
    Path("list").write_text("d/bad\nd/good\n")
    for args in (
        ["-r", "d"],
        ["--filelist", "list"],
        ["--resume", "d/bad", "d/good"],
        ["-T", "2", "d/bad", "d/good"],
    ):
        result = ncz("compress", "-1f", "--verify", *args)
        assert result.code == 1
        assert result.lines == [
            f"ncz: d/bad: a block of {len(TEXT) + 27} bytes was coded by zstd-3 and did not come "
            "back, so nothing of it was written: please report it, with the output of ncz doctor"
        ]
        assert here("d") == ["bad", "good", "good.ncz"]
        Path("d/good.ncz").unlink()
    result = ncz("compress", "-1", "--verify", "-c", "d/bad")
    assert (result.code, result.out) == (1, b"")
    assert ncz("compress", "-1", "d/bad").code == 0, "nobody asked"


def test_rm_implies_verify(ncz, monkeypatch):
    monkeypatch.setattr(Zstd, "encode", spoiling.encode)
    write("a", TEXT + spoiling.MARK)
    result = ncz("compress", "-1", "--rm", "a")
    assert result.code == 1
    assert "did not come back" in result.err
    assert here() == ["a"]
    result = ncz("compress", "--rm", "--no-verify", "a")
    assert result.code == 2
    assert result.lines == [
        "ncz compress: --rm removes only what was verified: leave out --no-verify "
        "(see ncz compress --help)"
    ]
    assert here() == ["a"]


def test_rm_comes_after_the_disk_has_file_and_folder(ncz, monkeypatch):
    write("a")
    seen = []

    def note(name, real):
        def call(*args, **named):
            seen.append(name)
            return real(*args, **named)

        return call

    monkeypatch.setattr(os, "fsync", note("fsync", os.fsync))
    monkeypatch.setattr(temporaries, "publish", note("rename", temporaries.publish))
    monkeypatch.setattr(temporaries, "sync_folder", note("folder", temporaries.sync_folder))
    monkeypatch.setattr(readback, "framed", note("read back", readback.framed))
    monkeypatch.setattr(transfer, "_remove", note("remove", transfer._remove))
    assert ncz("compress", "-1", "--rm", "a").code == 0
    assert seen == ["fsync", "read back", "fsync", "rename", "folder", "fsync", "remove"]
    assert here() == ["a.ncz"]
