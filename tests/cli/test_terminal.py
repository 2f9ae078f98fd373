"""What a person at a terminal sees, through a real one."""

import fcntl
import os
import pty
import struct
import termios
import time

import pytest

import ncz

from .helpers import start


@pytest.fixture
def terminal():
    """Two ends: ours, and the one that the command takes for a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    yield ours, theirs
    os.close(ours)


def shown(process, terminal) -> str:
    """Everything that appears on the terminal until `process` ends."""
    ours, theirs = terminal
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 10_000)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    process.wait(30)
    return b"".join(pieces).decode()


def test_a_result_line_and_no_bar_for_short_work(tmp_path, terminal):
    (tmp_path / "a").write_bytes(b"words " * 1000)
    process = start("compress", "-1", "a", cwd=tmp_path, stderr=terminal[1])
    text = shown(process, terminal)
    assert text.startswith("a: 6,000 -> ")
    assert text.count("\n") == 1
    assert "\r" not in text.replace("\r\n", "")


def test_quiet(tmp_path, terminal):
    (tmp_path / "a").write_bytes(b"words")
    process = start("compress", "-1", "-q", "a", cwd=tmp_path, stderr=terminal[1])
    assert shown(process, terminal) == ""


@pytest.mark.parametrize("flag", ["--no-progress", "--quiet", None])
def test_a_bar_for_long_work_unless_unwanted(tmp_path, terminal, flag):
    args = ["compress", "-1", "-o", "out", *([flag] if flag else [])]
    process = start(*args, cwd=tmp_path, stderr=terminal[1])
    time.sleep(3)  # more than starting and the wait before a bar take
    process.stdin.close()
    text = shown(process, terminal)
    assert ("standard input: 0.00B [00:0" in text) == (flag is None)
    assert process.returncode == 0


def test_compressed_data_is_not_shown(tmp_path, terminal):
    (tmp_path / "a").write_bytes(b"words")
    process = start("compress", "-1", "-c", "a", cwd=tmp_path, stdout=terminal[1])
    assert shown(process, terminal) == ""
    assert process.returncode == 2
    assert process.stderr.read().decode().splitlines() == [
        "ncz: a: compressed data is not shown on a terminal: use -o, a redirection, or -f"
    ]


def test_text_is_shown_and_binary_is_not(tmp_path, terminal):
    (tmp_path / "text.ncz").write_bytes(ncz.compress("größer\n".encode(), level=1))
    (tmp_path / "binary.ncz").write_bytes(ncz.compress(b"\0\1\2", level=1))
    process = start("cat", "text.ncz", "binary.ncz", cwd=tmp_path, stdout=terminal[1])
    assert shown(process, terminal) == "größer\r\n"
    assert process.returncode == 1
    assert process.stderr.read().decode().splitlines() == [
        "ncz: binary.ncz: is binary, which a terminal cannot show: use -o, a redirection, or -f"
    ]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["compress"], "nothing to compress: name a file, or pipe data in"),
        (["decompress"], "nothing to decompress: name a file, or pipe data in"),
        (["test", "-"], "compressed data is not read from a terminal: name a file"),
    ],
)
def test_nobody_is_left_waiting_for_typed_data(tmp_path, terminal, args, sentence):
    process = start(*args, cwd=tmp_path, stdin=terminal[1])
    assert process.wait(30) == 2
    name = f"ncz {args[0]}"
    assert process.stderr.read().decode() == f"{name}: {sentence} (see {name} --help)\n"
    os.close(terminal[1])
