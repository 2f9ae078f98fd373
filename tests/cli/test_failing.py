"""Inputs that fail or change and disks that are full: the original stays, nothing half-written."""

import errno
import io
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import ncz as library
from ncz.formats import readback
from ncz.formats.readback import framed
from ncz.formats.stream import compress_stream, decompress_stream
from ncz.formats.temporaries import SUFFIX

from .helpers import environment, finish, here, start

DATA = os.urandom(300_000)  # so that what is written is as large
CODED = library.compress(DATA, 1, block_size=1 << 14)


class Failing(io.RawIOBase):
    """A file on a disk that fails at a byte."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at, self._place = data, at, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._place >= self._at:
            raise OSError(errno.EIO, "Input/output error")
        piece = self._data[self._place : min(self._at, self._place + 10_000)]
        self._place += len(piece)
        return piece


@pytest.mark.parametrize("at", [0, 1, 100_000, len(DATA) - 1, len(DATA)])
def test_a_read_error_ends_the_stream_without_a_tail(at):
    out = io.BytesIO()
    with pytest.raises(OSError, match="Input/output error"):
        compress_stream(Failing(DATA, at), out)
    with pytest.raises(library.FormatError):
        library.decompress(out.getvalue())
    out = io.BytesIO()
    with pytest.raises(OSError, match="Input/output error"):
        decompress_stream(Failing(CODED, min(at, len(CODED))), out)
    assert DATA.startswith(out.getvalue())


def run(cwd, *args, limit=None, stdin=b"", **options):
    def low():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return finish(start(*args, cwd=cwd, preexec_fn=low, **options), stdin)


@pytest.mark.parametrize("limit", [0, 1, 20_000, len(DATA) - 1])
@pytest.mark.parametrize("options", [(), ("--rm",), ("-f", "--rm")])
def test_a_full_disk(tmp_path, limit, options):
    for args, name, content in ((("compress", "-1"), "a", DATA), (("decompress",), "a.ncz", CODED)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(content)
        expected = [name]
        if "-f" in options:
            other = "a.ncz" if name == "a" else "a"
            (folder / other).write_bytes(b"precious")
            expected = ["a", "a.ncz"]
        code, _, err = run(folder, *args, *options, name, limit=limit)
        assert code == 1
        assert "file too large for this disk or for the limit on file sizes" in err
        assert here(folder) == expected
        assert (folder / name).read_bytes() == content
        assert all((folder / one).read_bytes() == b"precious" for one in {*expected} - {name})


def test_a_full_disk_in_a_tree_costs_only_what_does_not_fit(tmp_path):
    for name, content in (("d/a", b"small"), ("d/b", DATA), ("d/c", b"small, too")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    code, _, err = run(tmp_path, "compress", "-1", "-r", "--rm", "d", limit=50_000)
    assert code == 1
    assert [line.split(":")[1] for line in err.splitlines()] == [" d/b"]
    assert here(tmp_path / "d") == ["a.ncz", "b", "c.ncz"]
    assert (tmp_path / "d/b").read_bytes() == DATA


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, where this user may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may mount nothing")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_no_space_left(tmp_path, small_disk):
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "a.ncz").write_bytes(CODED)
    (small_disk / "old").write_bytes(b"precious")
    for args in (("compress", "-1", "a"), ("decompress", "a.ncz")):
        for target in ("small/new", "small/old"):
            code, _, err = run(tmp_path, *args, "-f", "--rm", "-o", target)
            assert (code, "no space left on device" in err) == (1, True)
            assert here(small_disk) == ["old"]
            assert (small_disk / "old").read_bytes() == b"precious"
    assert here(tmp_path) == ["a", "a.ncz", "small"]
    # What is kept to be gone on with is gone on with once there is room.
    (tmp_path / "small.ncz").write_bytes(DATA[:50_000])
    args = ("compress", "-1", "--block-size", "1KiB", "--resume", "-o", "small/new", "a")
    assert run(tmp_path, *args)[0] == 1
    left = small_disk / f"new{SUFFIX}"
    kept = left.read_bytes()
    assert library.compress(DATA, 1, block_size=1024).startswith(kept)
    assert len(kept) > 10_000
    shutil.move(left, tmp_path / f"new{SUFFIX}")
    again = ("compress", "-1", "--block-size", "1KiB", "--resume", "-v", "-o", "new", "a")
    code, _, err = run(tmp_path, *again)
    assert (code, "resumed at block" in err) == (0, True)
    assert library.decompress((tmp_path / "new").read_bytes()) == DATA


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("args", [("compress", "-1", "-c", "a"), ("decompress", "-c", "a.ncz")])
def test_standard_output_without_room(tmp_path, args):
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "a.ncz").write_bytes(CODED)
    with Path("/dev/full").open("wb") as full:
        code, _, err = run(tmp_path, *args, stdout=full)
    assert code == 1
    assert err.endswith("cannot write standard output: no space left on device\n")
    assert here(tmp_path) == ["a", "a.ncz"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no /proc here")
@pytest.mark.parametrize("verb", ["compress", "decompress"])
def test_a_file_that_cannot_be_read(tmp_path, verb):
    """The start of a process's memory is a file that opens and has a read error at once."""
    code, _, err = run(
        tmp_path, verb, *(["-1"] if verb == "compress" else []), "-o", "out", "/proc/self/mem"
    )
    assert (code, err) == (1, "ncz: /proc/self/mem: input/output error\n")
    assert here(tmp_path) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
@pytest.mark.parametrize("resume", [False, True])
def test_a_disk_that_fails_in_the_midst(tmp_path, resume):
    (tmp_path / "a").write_bytes(DATA * 12)
    source = str(tmp_path / "a")
    inject = ["-P", source, "-e", "trace=read", "-e", "inject=read:error=EIO:when=3+"]
    command = [sys.executable, "-m", "ncz", "compress", "-1", "--rm", "-q", "a"]
    command += ["--resume"] if resume else []
    try:
        done = subprocess.run(
            ["strace", "-f", "-o", str(tmp_path / "trace"), *inject, *command],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            timeout=120,
        )
    finally:
        said = (tmp_path / "trace").read_text() if (tmp_path / "trace").exists() else ""
        (tmp_path / "trace").unlink(missing_ok=True)
    if "INJECTED" not in said:
        pytest.skip("strace may not trace here")
    assert done.returncode == 1
    assert done.stderr == b"ncz: a: input/output error\n"
    assert here(tmp_path) in (["a"], ["a", "a.ncz" + SUFFIX][: 1 + resume])
    assert (tmp_path / "a").stat().st_size == 12 * len(DATA)


def test_a_writer_that_dies(tmp_path):
    """What comes through a FIFO ends early: damage to who decompresses, and said as such."""
    os.mkfifo(tmp_path / "fifo")
    process = start("decompress", "-o", "out", "fifo", cwd=tmp_path)
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os,sys,time; f=open('fifo','wb',0); "
            "f.write(sys.stdin.buffer.read()); print('sent', flush=True); time.sleep(60)",
        ],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    writer.stdin.write(CODED[: len(CODED) // 2])
    writer.stdin.close()
    assert writer.stdout.readline() == b"sent\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait(60)
    writer.stdout.close()
    code, _, err = finish(process)
    assert code == 3
    assert "is missing; --keep-going saves what is whole" in err
    assert here(tmp_path) == ["fifo"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "a").chmod(0)
    assert run(tmp_path, "compress", "-1", "a")[2] == "ncz: a: permission denied\n"
    assert here(tmp_path) == ["a"]


def meanwhile(tmp_path, change, *args):
    """The command, in which `change` is done once its output is begun and before it reads on."""
    script = textwrap.dedent(f"""
        import os, runpy, sys
        from pathlib import Path
        done = []
        def hook(event, args):
            if event == "open" and str(args[0]).endswith({SUFFIX!r}) and not done:
                done.append(event)
                {change}
        sys.addaudithook(hook)
        sys.argv[:] = ["ncz", *{args!r}]
        runpy.run_module("ncz", run_name="__main__")
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return finish(process)


CHANGED = "changed while it was"
LARGE = DATA * 8  # read in several pieces


@pytest.mark.parametrize("options", [(), ("--rm",), ("--rm", "--resume")])
@pytest.mark.parametrize(
    "change, left",
    [
        ("with open('a', 'ab') as f: f.write(b'more')", LARGE + b"more"),
        ("os.truncate('a', 100_000)", LARGE[:100_000]),
        ("os.truncate('a', 0)", b""),
        ("with open('a', 'r+b') as f: f.write(b'other')", b"other" + LARGE[5:]),
    ],
    ids=["grows", "shrinks", "is emptied", "is written to"],
)
def test_an_input_that_changes(tmp_path, change, left, options):
    (tmp_path / "a").write_bytes(LARGE)
    os.utime(tmp_path / "a", (1, 1))
    code, _, err = meanwhile(tmp_path, change, "compress", "-1", *options, "a")
    assert (code, CHANGED in err) == (1, True)
    assert "a.ncz" not in here(tmp_path)
    assert (tmp_path / "a").read_bytes() == left
    assert here(tmp_path) == (["a", "a.ncz" + SUFFIX] if "--resume" in options else ["a"])


@pytest.mark.parametrize("options", [(), ("--rm",)])
def test_an_input_that_vanishes_is_in_its_output(tmp_path, options):
    (tmp_path / "a").write_bytes(LARGE)
    code, _, err = meanwhile(tmp_path, "os.unlink('a')", "compress", "-1", *options, "a")
    assert (code, err) == (0, "")
    assert here(tmp_path) == ["a.ncz"]
    assert library.decompress((tmp_path / "a.ncz").read_bytes()) == LARGE


def test_another_file_under_the_input_s_name_is_not_removed(tmp_path):
    (tmp_path / "a").write_bytes(LARGE)
    change = "Path('b').write_bytes(b'new'); os.replace('b', 'a')"
    code, _, err = meanwhile(tmp_path, change, "compress", "-1", "--rm", "a")
    assert (code, "was not removed: it changed after a.ncz was made" in err) == (1, True)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert library.decompress((tmp_path / "a.ncz").read_bytes()) == LARGE


@pytest.fixture
def noted(monkeypatch):
    """What is done to files and folders, in order."""
    done = []

    def note(name, said):
        call = getattr(os, name)

        def noting(*args, **options):
            done.append(said(*args))
            return call(*args, **options)

        monkeypatch.setattr(os, name, noting)

    def kept(path):
        return "temporary" if str(path).endswith(SUFFIX) else Path(path).name

    def opened(number):
        folder = stat.S_ISDIR(os.fstat(number).st_mode)
        return (
            "sync folder " + Path(f"/proc/self/fd/{number}").readlink().name if folder else "sync"
        )

    note("fsync", opened)
    note("link", lambda old, new, **_: f"name {Path(new).name}")
    note("replace", lambda old, new, **_: f"name {Path(new).name}")
    note("unlink", lambda path, **_: f"remove {kept(path)}")
    return done


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
@pytest.mark.parametrize("verb", ["compress", "decompress"])
@pytest.mark.parametrize("options", [(), ("-f",), ("--resume",), ("-r", "-o", "out/new")])
def test_an_input_is_removed_last_of_all(ncz, tmp_path, noted, monkeypatch, verb, options):
    source, target = ("a", "a.ncz") if verb == "compress" else ("a.ncz", "a")
    Path(source).write_bytes(DATA if verb == "compress" else CODED)
    verified = []
    if verb == "compress":
        monkeypatch.setattr(
            readback, "framed", lambda *args: (noted.append("verify"), framed(*args))[1]
        )
        verified = ["verify"]
    args = [verb, *(["-1"] if verb == "compress" else []), "--rm", *options, source]
    assert ncz(*args).err == ""
    done = [one for one in noted if one != "remove temporary"]
    made = ["sync folder " + tmp_path.name, "sync folder out"] if "-o" in options else []
    where = "new" if "-o" in options else tmp_path.name
    end = ["sync", f"name {target}", f"sync folder {where}", f"remove {source}"]
    # The first sync puts on the disk what is then read back from it.
    assert done == [*made, "sync", *verified, *end]


@pytest.mark.parametrize("fails", ["file", "folder"])
def test_a_disk_that_cannot_sync_keeps_the_input(ncz, monkeypatch, fails):
    Path("a").write_bytes(DATA)
    sync = os.fsync

    def fail(number):
        if stat.S_ISDIR(os.fstat(number).st_mode) == (fails == "folder"):
            raise OSError(errno.EIO, "Input/output error")
        sync(number)

    monkeypatch.setattr(os, "fsync", fail)
    result = ncz("compress", "-1", "--rm", "a")
    assert (result.code, result.err) == (1, "ncz: a: cannot write a.ncz: input/output error\n")
    assert Path("a").read_bytes() == DATA
    assert here() == (["a"] if fails == "file" else ["a", "a.ncz"])
