"""``--resume``: interrupted at any moment, in any way, and gone on with to the same bytes."""

import fcntl
import os
import random
import resource
import signal
import stat
import time
from pathlib import Path

import pytest

import ncz as library
from ncz.formats.temporaries import SUFFIX

from .helpers import finish, here, start, wait_for

TEXT = random.Random(2).randbytes(300) + b"the same words again and again\n" * 1000
BLOCKS = ("-1", "--block-size", "1KiB")


@pytest.fixture
def whole() -> bytes:
    return library.compress(TEXT, level=1, block_size=1024)


def write(name: str, data: bytes = TEXT) -> Path:
    path = Path(name)
    path.write_bytes(data)
    return path


def cut(coded: bytes, blocks: int) -> bytes:
    """The beginning of a file, up to the middle of a block."""
    block = library.info(coded).blocks[blocks]
    return coded[: block.offset + block.size // 2]


def test_compressing_goes_on(ncz, whole):
    write("a")
    write("a.ncz" + SUFFIX, cut(whole, 5))
    result = ncz("compress", *BLOCKS, "--resume", "-v", "a")
    assert result.code == 0
    assert result.lines[0] == "a: resumed at block 5"
    assert here() == ["a", "a.ncz"]
    assert Path("a.ncz").read_bytes() == whole


def test_decompressing_goes_on(ncz, whole):
    write("a.ncz", whole)
    write("a" + SUFFIX, TEXT[:5000])
    result = ncz("decompress", "--resume", "-v", "a.ncz")
    assert result.lines[0] == "a.ncz: resumed at block 4"
    assert here() == ["a", "a.ncz"]
    assert Path("a").read_bytes() == TEXT


def test_standard_input_goes_on_into_a_file(ncz, whole):
    write("out" + SUFFIX, cut(whole, 5))
    assert ncz("compress", *BLOCKS, "--resume", "-o", "out", "-", stdin=TEXT).code == 0
    assert Path("out").read_bytes() == whole
    write("back" + SUFFIX, TEXT[:5000])
    assert ncz("decompress", "--resume", "-o", "back", "-", stdin=whole).code == 0
    assert Path("back").read_bytes() == TEXT


def test_nothing_to_go_on_with(ncz, whole):
    write("a")
    result = ncz("compress", *BLOCKS, "--resume", "-v", "a")
    assert result.code == 0
    assert not any("resumed" in line for line in result.lines)
    assert here() == ["a", "a.ncz"]
    assert Path("a.ncz").read_bytes() == whole


def test_all_was_done_but_the_name(ncz, whole):
    write("a").chmod(0o640)
    write("a.ncz" + SUFFIX, whole + b"torn")
    assert ncz("compress", *BLOCKS, "--resume", "--rm", "a").code == 0
    assert here() == ["a.ncz"]
    assert Path("a.ncz").read_bytes() == whole
    assert Path("a.ncz").stat().st_mode & 0o7777 == 0o640
    write("a" + SUFFIX, TEXT + b"more than there should be")
    assert ncz("decompress", "--resume", "--rm", "a.ncz").code == 0
    assert here() == ["a"]
    assert Path("a").read_bytes() == TEXT


def test_what_was_done_before_is_left_alone(ncz):
    write("a")
    assert ncz("compress", "-1", "--resume", "a").code == 0
    before = Path("a.ncz").stat()
    result = ncz("compress", "-1", "--resume", "a")
    assert (result.code, result.err) == (
        0,
        "ncz: a: was done before: a.ncz is there, with the same time\n",
    )
    assert Path("a.ncz").stat() == before
    os.utime("a")
    result = ncz("compress", "-1", "--resume", "a")
    assert (result.code, result.err) == (
        1,
        "ncz: a: a.ncz already exists: use -f to overwrite it\n",
    )


@pytest.mark.parametrize(
    "args, content, why",
    [
        (("-1",), TEXT, "its block 0 holds 1024 bytes and would hold 31300 now: "),
        (("-3", "--block-size", "1KiB"), TEXT, "it was coded by store, zstd-3, and now it is to"),
        (BLOCKS, b"x" + TEXT, "the input is another: bytes 0 to 1024 differ; "),
        (BLOCKS, TEXT[:1024], "it goes on where this input ends, at byte 1024; "),
    ],
)
def test_what_does_not_fit_is_left_as_it_is(ncz, whole, args, content, why):
    write("a", content)
    left = write("a.ncz" + SUFFIX, cut(whole, 5))
    result = ncz("compress", *args, "--resume", "a")
    assert result.code == 1
    (line,) = result.lines
    assert line.startswith(f"ncz: a: cannot go on with a.ncz{SUFFIX}: {why}")
    assert line.endswith("; leave out --resume or remove it to start afresh")
    assert here() == ["a", "a.ncz" + SUFFIX]
    assert left.read_bytes() == cut(whole, 5)
    assert ncz("compress", *args, "a").code == 0
    assert library.decompress(Path("a.ncz").read_bytes()) == content


def test_content_that_does_not_fit_is_left_as_it_is(ncz, whole):
    write("a.ncz", whole)
    left = write("a" + SUFFIX, b"x" + TEXT)
    result = ncz("decompress", "--resume", "a.ncz")
    assert result.code == 1
    assert f"cannot go on with a{SUFFIX}: it begins with another content; " in result.err
    assert left.read_bytes() == b"x" + TEXT


@pytest.mark.parametrize("args", [("-c", "a"), ("-o", "-", "a"), ("-",)])
@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_a_stream_cannot_be_gone_on_with(ncz, command, args):
    result = ncz(command, "--resume", *args)
    assert result.code == 2
    assert "--resume needs an output file: it cannot go on with a stream" in result.err


def test_an_error_before_anything_is_written_leaves_nothing(ncz):
    write("a.ncz", b"not ncz")
    assert ncz("decompress", "--resume", "a.ncz").code == 3
    assert here() == ["a.ncz"]


def test_damage_leaves_what_is_before_it(ncz, whole):
    block = library.info(whole).blocks[3]
    broken = bytearray(whole)
    broken[block.offset + block.size - 1] ^= 1
    write("a.ncz", bytes(broken))
    assert ncz("decompress", "--resume", "a.ncz").code == 3
    assert Path("a" + SUFFIX).read_bytes() == TEXT[: 3 * 1024]
    result = ncz("decompress", "--resume", "--keep-going", "-v", "a.ncz")
    assert result.code == 3
    assert result.lines[0] == "a.ncz: resumed at block 3"
    assert Path("a").read_bytes() == TEXT[: 3 * 1024] + bytes(1024) + TEXT[4 * 1024 :]


def test_two_runs_at_once(ncz, whole):
    write("a")
    left = write("a.ncz" + SUFFIX, cut(whole, 5))
    with left.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = ncz("compress", *BLOCKS, "--resume", "a")
    assert (result.code, result.err) == (
        1,
        f"ncz: a: another run is at work on a.ncz{SUFFIX}: wait for its end\n",
    )
    assert left.read_bytes() == cut(whole, 5)
    assert ncz("compress", *BLOCKS, "--resume", "a").code == 0


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda name: Path(name).symlink_to("victim")]
)
def test_what_nobody_of_us_has_left_is_not_touched(ncz, make):
    write("a")
    write("victim", b"")
    make("a.ncz" + SUFFIX)
    before = os.lstat("a.ncz" + SUFFIX)
    result = ncz("compress", "-1", "--resume", "a")
    assert (result.code, result.err) == (
        1,
        f"ncz: a: a.ncz{SUFFIX} is no unfinished file of yours: remove it\n",
    )
    assert stat.S_IFMT(os.lstat("a.ncz" + SUFFIX).st_mode) == stat.S_IFMT(before.st_mode)
    assert Path("victim").read_bytes() == b""


def feed(process, left, data, at=0, grow=1) -> int:
    """Give the process more and more of `data` until what it leaves has grown; where that ended."""
    before = left.stat().st_size if left.exists() else 0
    while at < len(data) and not (left.exists() and left.stat().st_size >= before + grow):
        at += process.stdin.write(data[at : at + 100_000])
        process.stdin.flush()
        time.sleep(0.01)
    return at


def begin(tmp_path, *args):
    return start(*args, "--resume", "-v", "-o", "out", "-", cwd=tmp_path)


LONG = random.Random(3).randbytes(4_000_000)  # the input is read a MiB at a time
LARGE = ("-1", "--block-size", "64KiB")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_leaves_what_is_done(tmp_path, number):
    whole = library.compress(LONG, level=1, block_size=1 << 16)
    left = tmp_path / ("out" + SUFFIX)
    process = begin(tmp_path, "compress", *LARGE)
    feed(process, left, LONG)
    process.send_signal(number)
    assert process.wait(30) == -number
    if number != signal.SIGKILL:
        assert process.stderr.read() == b"\nncz: interrupted; what is done is kept for --resume\n"
    process.stdin.close()
    assert here(tmp_path) == [left.name]
    assert whole.startswith(left.read_bytes())
    code, _, err = finish(begin(tmp_path, "compress", *LARGE), LONG)
    assert code == 0
    assert "standard input: resumed at block " in err
    assert here(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == whole


def test_an_interruption_before_the_first_block_leaves_nothing(tmp_path):
    process = begin(tmp_path, "compress", "-1")
    wait_for(lambda: here(tmp_path))
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT
    assert here(tmp_path) == []
    process.stdin.close()


def test_a_full_disk_leaves_what_is_done(tmp_path):
    data = os.urandom(100_000)
    (tmp_path / "a").write_bytes(data)
    full = (30_000, 30_000)
    process = start(
        "compress",
        *BLOCKS,
        "--resume",
        "a",
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, full),
    )
    code, _, err = finish(process)
    assert code == 1
    assert err.splitlines() == [
        "ncz: a: cannot write a.ncz: file too large for this disk or for the limit on file sizes"
    ]
    whole = library.compress(data, level=1, block_size=1024)
    assert here(tmp_path) == ["a", "a.ncz" + SUFFIX]
    left = tmp_path / ("a.ncz" + SUFFIX)
    assert left.stat().st_size > 20_000
    assert whole.startswith(left.read_bytes())
    code, _, err = finish(start("compress", *BLOCKS, "--resume", "-v", "a", cwd=tmp_path))
    assert code == 0
    assert "a: resumed at block " in err
    assert (tmp_path / "a.ncz").read_bytes() == whole


@pytest.mark.slow
@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_killed_at_random_moments_until_it_is_done(tmp_path, command):
    content = LONG * 3
    whole = library.compress(content, level=1, block_size=1 << 16)
    args, source, result = ("decompress",), whole, content
    if command == "compress":
        args, source, result = ("compress", *LARGE), content, whole
    left = tmp_path / ("out" + SUFFIX)
    chance = random.Random(4)
    for _ in range(6):
        process = begin(tmp_path, *args)
        at = feed(process, left, source, grow=chance.randrange(1, 400_000))
        assert at < len(source), "or it was not interrupted"
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        process.wait(30)
        process.stdin.close()
        assert result.startswith(left.read_bytes())
    code, _, err = finish(begin(tmp_path, *args), source)
    assert code == 0
    assert "standard input: resumed at block " in err
    assert here(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == result
