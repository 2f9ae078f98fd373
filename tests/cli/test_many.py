"""``-r`` and ``--filelist``: trees and lists of files, several at once, told in order."""

import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest

import ncz as library
from ncz.formats import temporaries
from ncz.formats.temporaries import SUFFIX

from .helpers import finish, here, start, wait_for


def write(name: str, data: bytes | None = None) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"content of {name}".encode(errors="replace") if data is None else data)
    return path


def tree(folder: str = ".") -> list[str]:
    return sorted(str(path) for path in Path(folder).rglob("*") if not path.is_dir())


THREADS = pytest.mark.parametrize("threads", ["1", "3"])


@THREADS
def test_a_tree_beside_itself_and_back(ncz, threads):
    names = ["d/a", "d/b", "d/sub/c", "d/sub/deep/e"]
    for name in names:
        write(name)
    assert ncz("compress", "-1", "-r", "d", "-T", threads).err == ""
    assert tree() == sorted([*names, *(f"{name}.ncz" for name in names)])
    for name in names:
        assert library.decompress(Path(f"{name}.ncz").read_bytes()) == Path(name).read_bytes()
        Path(name).unlink()
    assert ncz("decompress", "-r", "--rm", "d", "-T", threads).err == ""
    assert tree() == names
    assert Path("d/sub/c").read_bytes() == b"content of d/sub/c"


def test_a_tree_into_a_folder(ncz):
    for name in ("d/a", "d/sub/c", "e/a", "single"):
        write(name)
    assert ncz("compress", "-1", "-r", "d", "x/../e", "single", "-o", "out/new").code == 1, "no x"
    Path("x").mkdir()
    assert ncz("compress", "-1", "-r", "-f", "d", "x/../e", "single", "-o", "out/new").err == ""
    made = ["out/new/d/a.ncz", "out/new/d/sub/c.ncz", "out/new/e/a.ncz", "out/new/single.ncz"]
    assert tree("out") == made
    assert ncz("decompress", "-r", "out/new/d", "-o", "back").code == 0
    assert tree("back") == ["back/d/a", "back/d/sub/c"]
    assert ncz("decompress", "-r", "out/new/d/.", "-o", ".", "-f").code == 0
    os.chdir("out")
    assert ncz("compress", "-1", "-r", ".", "-o", "../here").code == 0
    assert not Path("../here").exists(), "all of it ends in .ncz"
    os.chdir("../d")
    assert ncz("compress", "-1", "-r", ".", "-o", "../here").code == 0
    assert tree("../here") == ["../here/a.ncz", "../here/sub/c.ncz"]


def test_outputs_are_no_inputs(ncz):
    write("d/a")
    write("d/out/old")
    assert ncz("compress", "-1", "-r", "d", "-o", "d/out").err == ""
    assert tree() == ["d/a", "d/out/d/a.ncz", "d/out/old"]


def test_what_is_beneath_and_is_no_file_is_left_alone(ncz):
    write("d/a")
    write("d/b.ncz", b"")
    write("d/.a.12345678" + SUFFIX, b"")
    os.mkfifo("d/fifo")
    Path("d/link").symlink_to("a")
    Path("d/loop").symlink_to(".")
    Path("d/nothing").symlink_to("missing")
    result = ncz("compress", "-1", "-r", "d")
    assert result.code == 0
    assert result.lines == [
        "ncz: d/b.ncz: ends in .ncz already, left alone (-f compresses it again)",
        "ncz: d/fifo: is no regular file, left alone",
        "ncz: d/loop: is a symbolic link to a folder, left alone",
        "ncz: d/nothing: is a symbolic link to no file, left alone",
    ]
    assert {"a.ncz", "link.ncz"} < set(here("d"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_cannot_be_listed(ncz):
    write("d/a")
    write("d/locked/b").parent.chmod(0)
    result = ncz("compress", "-1", "-r", "d")
    Path("d/locked").chmod(0o700)
    assert result.code == 1
    assert result.lines == ["ncz: d/locked: cannot be listed: permission denied"]
    assert Path("d/a.ncz").exists()


def test_an_empty_folder_and_an_empty_list(ncz):
    Path("d").mkdir()
    write("list", b"\n\n")
    for args in (("-r", "d"), ("--filelist", "list")):
        result = ncz("compress", *args)
        assert (result.code, result.out, result.err) == (0, b"", "")


ODD = ["a b", "-", "-1", "new\nline", "größe", os.fsdecode(b"\xff")]


@THREADS
def test_a_list_of_names_that_end_with_nul(ncz, threads):
    for name in ODD:
        write(f"./{name}")
    write("named")
    names = b"".join(os.fsencode(name) + b"\0" for name in ODD)
    result = ncz("compress", "-1", "-T", threads, "-0", "--filelist", "-", "named", stdin=names)
    assert (result.code, result.err) == (0, "")
    assert {f"{name}.ncz" for name in [*ODD, "named"]} < set(here())
    for name in ODD:
        Path(f"./{name}").unlink()
    write("list", b"".join(os.fsencode(name) + b".ncz\0" for name in ODD))
    assert ncz("decompress", "--null", "--filelist", "list").code == 0
    assert set(ODD) < set(here())


def test_a_list_of_lines(ncz):
    for name in ("a", "b c", "d/e"):
        write(name)
    write("list", b"a\nb c\n\nmissing\nd\nd/e")
    result = ncz("compress", "-1", "--filelist", "list")
    assert result.code == 1
    assert [line.split(": ")[1:3] for line in result.lines] == [
        ["missing", "no such file"],
        ["d", "is a directory"],
    ]
    assert tree() == ["a", "a.ncz", "b c", "b c.ncz", "d/e", "d/e.ncz", "list"]
    assert ncz("compress", "-1", "-f", "-r", "--filelist", "list").code == 1
    assert "d/e.ncz.ncz" in tree()


@pytest.mark.parametrize(
    "args, sentence",
    [
        (("-0", "a"), "-0 is for --filelist"),
        (("-r",), "nothing to compress: -r needs a directory"),
        (("--filelist", "missing"), "cannot read missing: no such file or directory"),
        (("--filelist", "nul"), "the list of files has NUL bytes: -0 says that they end its names"),
        (("--filelist", "-", "-"), "standard input can be read only once"),
        (("-r", "d", "-o", "nul"), "nul is not a directory, and -r needs one"),
        (("--filelist", "two", "-o", "out"), "-o with several inputs must name a directory"),
    ],
)
def test_wrong_usage(ncz, args, sentence):
    write("nul", b"a\0b\0")
    write("two", b"a\nb\n")
    write("d/a")
    result = ncz("compress", *args)
    assert result.code == 2
    assert sentence in result.err


@THREADS
def test_reports_come_in_order_and_errors_stop_nothing(ncz, threads):
    names = [f"f{number:02}" for number in range(30)]
    for number, name in enumerate(names):
        write(name, random.Random(number).randbytes(number * 700))
    Path("f07").unlink()
    write("f11.ncz", b"in the way")
    args = ("-1", "--block-size", "1KiB", "-T", threads, "--json")
    result = ncz("compress", *args, *names, "f03")
    assert result.code == 1
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record["file"] for record in records] == [*names, "f03"]
    assert [record["file"] for record in records if not record["ok"]] == ["f07", "f11"]
    assert records[-1]["skipped"] == "named twice, done once"
    assert records[20]["raw_size"] == 14_000
    for number, name in enumerate(names):
        if number not in (7, 11):
            raw = Path(name).read_bytes()
            assert Path(f"{name}.ncz").read_bytes() == library.compress(raw, 1, block_size=1024)


def test_processes_share_the_files(ncz):
    for number in range(8):
        write(f"d/{number}", random.Random(number).randbytes(number * 500))
    assert ncz("compress", "-1", "--block-size", "1KiB", "--processes", "2", "-r", "d").err == ""
    for number in range(8):
        raw = Path(f"d/{number}").read_bytes()
        assert Path(f"d/{number}.ncz").read_bytes() == library.compress(raw, 1, block_size=1024)
    assert ncz("decompress", "--processes", "2", "-r", "d", "-o", "back").err == ""
    for number in range(8):
        assert Path(f"back/d/{number}").read_bytes() == Path(f"d/{number}").read_bytes()


def test_several_into_one_stream_stay_in_sequence(ncz):
    contents = [random.Random(number).randbytes(5000) for number in range(6)]
    for number, content in enumerate(contents):
        write(f"d/{number}", content)
    result = ncz("compress", "-1", "--block-size", "1KiB", "-T", "3", "-c", "-r", "d")
    assert result.code == 0
    assert library.decompress(result.out) == b"".join(contents)


def test_resuming_a_tree(ncz):
    for name in ("d/a", "d/b", "d/c"):
        write(name, b"words " * 1000)
    assert ncz("compress", "-1", "--block-size", "1KiB", "-r", "d").code == 0
    whole = Path("d/b.ncz").read_bytes()
    Path("d/b.ncz").unlink()
    Path("d/c.ncz").unlink()
    block = library.info(whole).blocks[3]
    write("d/b.ncz" + SUFFIX, whole[: block.offset])
    result = ncz("compress", "-1", "--block-size", "1KiB", "--resume", "-v", "-r", "d")
    assert result.code == 0
    assert "ncz: d/a: was done before: d/a.ncz is there, with the same time" in result.lines
    assert "d/b: resumed at block 3" in result.lines
    assert Path("d/b.ncz").read_bytes() == whole
    assert here("d") == ["a", "a.ncz", "b", "b.ncz", "c", "c.ncz"]


def test_an_interrupt_leaves_no_unfinished_files(tmp_path):
    names = [f"{number}" for number in range(6)]
    for name in names:
        (tmp_path / name).write_bytes(random.Random(name).randbytes(3_000_000))
    args = ("compress", "-6", "-T", "2", "--block-size", "512KiB", *names)
    process = start(*args, cwd=tmp_path)
    wait_for(lambda: any(name.endswith(SUFFIX) for name in here(tmp_path)))
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == -signal.SIGINT
    assert "the unfinished output was removed" in err
    assert not [name for name in here(tmp_path) if name.endswith(SUFFIX)]
    for made in tmp_path.glob("*.ncz"):
        assert library.decompress(made.read_bytes()) == (tmp_path / made.stem).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
def test_one_bar_for_all(tmp_path):
    import pty

    for number in range(3):
        (tmp_path / f"{number}").write_bytes(random.Random(number).randbytes(1_000_000))
    ours, theirs = pty.openpty()
    process = start("compress", "-6", "0", "1", "2", cwd=tmp_path, stderr=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            text += os.read(ours, 10_000)
        except OSError:
            break
    os.close(ours)
    assert process.wait(60) == 0
    assert b"3 files: " in text
    assert b"/3.00M" in text
    lines = [line for line in text.decode().replace("\r", "\n").splitlines() if " -> " in line]
    assert [line.split(":")[0][-1] for line in lines] == ["0", "1", "2"]


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be synced here")
def test_rm_comes_after_the_disk_has_every_new_folder(ncz, monkeypatch):
    """A synced file is lost with the folder that leads to it."""
    Path("d/below/it").mkdir(parents=True)
    Path("d/below/it/a").write_bytes(b"some words " * 99)
    synced = []
    real = temporaries.sync_folder
    monkeypatch.setattr(
        temporaries, "sync_folder", lambda path: synced.append(str(path)) or real(path)
    )
    assert ncz("compress", "-r", "-1", "--rm", "-o", "out", "d").code == 0
    assert synced == ["out", "out/d", "out/d/below", "out/d/below/it", "out/d/below/it/a.ncz"]
    assert not Path("d/below/it/a").exists()
