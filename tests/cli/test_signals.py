"""Ending early, in every way: nothing half-written stays under the final name."""

import os
import resource
import signal
from pathlib import Path

import pytest

from ncz.formats.temporaries import SUFFIX

from .helpers import finish, here, start, wait_for


def begin(tmp_path, **options):
    """A compression that has begun its output and waits for more input."""
    process = start("compress", "-1", "--block-size", "1KiB", "-o", "out", cwd=tmp_path, **options)
    process.stdin.write(os.urandom(100_000))
    process.stdin.flush()
    wait_for(lambda: here(tmp_path))
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_at_once_and_leaves_nothing(tmp_path, number):
    process = begin(tmp_path)
    process.send_signal(number)
    code = process.wait(30)
    assert code == -number, "ended by the signal itself, so that a shell's loop stops too"
    assert process.stderr.read().decode().splitlines() == [
        "",
        "ncz: interrupted; the unfinished output was removed",
    ]
    assert here(tmp_path) == []
    process.stdin.close()


def test_an_interrupted_overwrite_leaves_the_old_file(tmp_path):
    (tmp_path / "out").write_bytes(b"precious")
    process = start("compress", "-1", "-f", "-o", "out", cwd=tmp_path)
    wait_for(lambda: len(here(tmp_path)) == 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT
    assert here(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"precious"
    process.stdin.close()


def test_kill_leaves_only_the_temporary_name(tmp_path):
    process = begin(tmp_path)
    process.kill()
    process.wait(30)
    (left,) = here(tmp_path)
    assert left.startswith(".out.")
    assert left.endswith(SUFFIX)
    process.stdin.close()


def test_a_signal_that_the_caller_ignores_stays_ignored(tmp_path):
    process = begin(tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    code, _, err = finish(process)
    assert (code, err) == (0, "")
    assert here(tmp_path) == ["out"]


def test_a_reader_that_goes_away_ends_quietly(tmp_path):
    (tmp_path / "a").write_bytes(os.urandom(3_000_000))
    process = start("compress", "-1", "-c", "a", cwd=tmp_path)
    assert process.stdout.read(10)
    process.stdout.close()
    assert process.wait(30) == -signal.SIGPIPE
    assert process.stderr.read() == b""


def test_a_reader_of_help_that_goes_away_ends_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    process = start("--help", cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert process.wait(30) == -signal.SIGPIPE
    assert process.stderr.read() == b""


def test_a_full_disk_leaves_nothing(tmp_path):
    (tmp_path / "a").write_bytes(os.urandom(100_000))
    process = start(
        "compress",
        "-1",
        "a",
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    code, _, err = finish(process)
    assert code == 1
    assert err.splitlines() == [
        "ncz: a: cannot write a.ncz: file too large for this disk or for the limit on file sizes"
    ]
    assert here(tmp_path) == ["a"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("args", [["cat"], ["compress", "-1"]])
def test_a_full_standard_output(tmp_path, args):
    import ncz

    with Path("/dev/full").open("wb") as full:
        process = start(*args, cwd=tmp_path, stdout=full)
        code, _, err = finish(process, ncz.compress(b"data", level=1))
    assert code == 1
    assert err.splitlines() == [
        "ncz: standard input: cannot write standard output: no space left on device"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_help_on_a_full_standard_output(tmp_path):
    with Path("/dev/full").open("wb") as full:
        code, _, err = finish(start("--help", cwd=tmp_path, stdout=full))
    assert code == 1
    assert err.splitlines() == ["ncz: cannot write standard output: no space left on device"]


def test_closed_standard_streams(tmp_path):
    (tmp_path / "a").write_bytes(b"data")

    def close():
        os.close(0)
        os.close(1)

    code, _, err = finish(start("compress", "-1", "-c", "a", cwd=tmp_path, preexec_fn=close))
    assert (code, err) == (1, "ncz: a: standard output is closed\n")
    code, _, err = finish(start("compress", "-1", "-", cwd=tmp_path, preexec_fn=close))
    assert (code, err) == (1, "ncz: standard input: standard input is closed\n")
    code, _, err = finish(start("compress", "-1", "a", cwd=tmp_path, preexec_fn=close))
    assert (code, err) == (0, "")
    assert here(tmp_path) == ["a", "a.ncz"]
