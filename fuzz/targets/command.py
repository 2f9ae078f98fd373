"""The command line: words drawn from its options, names of files, and anything.

The command runs in this process, in a scratch folder that is the current one, home and cache. A
guard sits in the interpreter itself: opening for writing, removing or making anything outside of
the scratch folder, starting a program and connecting to an address are refused and noted,
whoever tries. The command may try to connect or to start `pip` where a model is missing, and has
to take the refusal well; a try to write outside is a bug.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import ncz
from fuzz.targets import Attack, Target
from ncz.cli import exits, main
from ncz.codec.errors import NczError
from ncz.formats import workers

_WORDS = """
compress decompress cat test info plan models completion man doctor bench explain
list pull verify remove path bash zsh fish llama exact auto cpu cuda:0 builtin
-1 -2 -3 -7 -9 -c -f -k -o -q -v -r -T -0 -h -- - --rm --keep --stdout --force
--output --recursive --filelist --null --resume --threads --processes --devices
--device-memory --cluster --block-size --streams --engine --model --memlimit --quiet
--verbose --no-progress --json --help --version --range --keep-going --max-output --verify
a.txt a.txt.ncz b.bin bad.ncz d d/e.txt empty list.txt missing no.gguf out out.ncz
0 1 2 64 65 -5 1KiB 1MiB 8MiB 2GiB 1TiB 99999999999999999999 0:10 5:+3 :-1 10:2 1e9
* \udc80 é a=b %s {}
""".split()  # noqa: SIM905
_SLOW = {"doctor", "bench", "explain", "plan"}
"""Commands that measure: only what is wrong with a call, or their help, is looked at."""
_USUAL = {code for code, _ in exits.TABLE}


def _files(folder: Path) -> None:
    """What there is to name."""
    (folder / "d").mkdir(parents=True)
    packed = ncz.compress(b"a text of some words" * 5, 1)
    for name, content in (
        ("a.txt", b"a text of some words\n" * 9),
        ("a.txt.ncz", packed),
        ("b.bin", bytes(range(256))),
        ("bad.ncz", packed[:30] + b"?" + packed[31:]),
        ("d/e.txt", b"beneath"),
        ("empty", b""),
        ("list.txt", b"a.txt\nd/e.txt\nmissing\n"),
        ("no.gguf", b"GGUF\x03\x00\x00\x00"),
        ("untouched", b"nobody names this"),
    ):
        (folder / name).write_bytes(content)


def arguments(data: bytes) -> tuple[list[str], bytes]:
    """The words that `data` stands for, and what is on standard input.

    A byte below 160 is a word; others begin some characters, in which nothing leads outside.
    """
    words: list[str] = []
    at = 0
    line, _, stdin = data.partition(b"\n")
    while at < len(line) and len(words) < 12:
        code = line[at]
        at += 1
        if code < 160:
            words.append(_WORDS[code % len(_WORDS)])
        else:
            size = code % 16
            text = line[at : at + size].decode("utf-8", "surrogateescape")
            for outside in ("/", "..", "~", "\0"):  # the last is what no system passes on
                text = text.replace(outside, "")
            words.append(text)
            at += size
    return words, stdin


def _prepare(folder: Path) -> Attack:
    scratch = folder / "scratch"
    template = folder / "template"
    if not template.exists():
        _files(template)
    guard = _Guard(folder)
    os.environ.update(
        HOME=str(folder),
        NCZ_CACHE=str(folder / "cache"),
        XDG_CACHE_HOME=str(folder / "cache"),
        NCZ_DEBUG="1",
        PIP_NO_INDEX="1",
    )
    sys.addaudithook(guard)
    sys.dont_write_bytecode = True
    tempfile.tempdir = str(folder)
    mock.patch.object(workers, "workers", _no_workers).start()

    def attack(data: bytes) -> None:
        words, stdin = arguments(data)
        if words and words[0] in _SLOW:
            words.append("--help")
        here = Path.cwd()
        shutil.copytree(template, scratch)
        os.chdir(scratch)
        try:
            with guard, _streams(stdin):
                code = _run(words)
        finally:
            os.chdir(here)
            guard_said, guard.outside = guard.outside, []
            left = (scratch / "untouched").read_bytes()
            shutil.rmtree(scratch)
        if guard_said:
            raise AssertionError(f"{words} touched {guard_said}")
        if code not in _USUAL:
            raise AssertionError(f"{words} ended with {code}")
        if left != b"nobody names this":
            raise AssertionError(f"{words} changed a file that it was not given")

    return attack


def _run(words: list[str]) -> int:
    try:
        return main.run(words)
    except (NczError, exits.Failure, OSError, MemoryError) as error:
        # NCZ_DEBUG has these through, too; without it they are sentences.
        code, sentence = exits.explain(error)
        assert len(sentence) > 3
        return code


def _no_workers(*_: object, **__: object) -> None:
    """In place of processes, which would be more than a guard in this one sees."""
    raise NczError("there are no workers here")


@contextlib.contextmanager
def _streams(stdin: bytes) -> Iterator[None]:
    """Standard streams that are no terminal."""
    with (
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        mock.patch.object(sys, "stdout", io.TextIOWrapper(io.BytesIO(), errors="backslashreplace")),
        mock.patch.object(sys, "stderr", io.TextIOWrapper(io.BytesIO(), errors="backslashreplace")),
    ):
        yield


class _Guard:
    """An audit hook that refuses what leads outside of `folder`, while it is entered."""

    def __init__(self, folder: Path) -> None:
        self._inside = os.path.realpath(folder) + os.sep
        self._on = False
        self.outside: list[str] = []

    def __enter__(self) -> None:
        self._on = True

    def __exit__(self, *_: object) -> None:
        self._on = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event in _FORBIDDEN:
            raise PermissionError(1, "no programs and no addresses here")
        paths: list[Any] = []
        if event == "open":
            path, _, flags = args
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            paths = [path] if writes and not isinstance(path, int) else []
        elif event in _CHANGES:
            paths = [arg for arg in args[:2] if isinstance(arg, (str, bytes, os.PathLike))]
        for path in paths:
            place = os.path.realpath(os.fsdecode(path)) + os.sep
            if not place.startswith((self._inside, *_HARMLESS)) and _COMPILED not in place:
                self._on = False
                self.outside.append(f"{event} {place}")
                self._on = True
                raise PermissionError(1, "this is outside of the scratch folder")


_FORBIDDEN = {
    *("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
    *("os.system", "socket.connect", "socket.bind", "socket.getaddrinfo", "os.startfile"),
}
_CHANGES = {
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile"),
}
_COMPILED = "/__pycache__/"  # where machine code is kept, beside its source
_HARMLESS = ("/dev/null/", "/dev/shm/", "/dev/tty/")


def _seeds() -> list[bytes]:
    """Calls as in the documentation, a byte for each word."""
    calls = (
        "compress -1 a.txt",
        "compress -1 -r d -o out",
        "compress -2 -c a.txt",
        "compress --filelist list.txt -1 -q",
        "compress -1 --rm a.txt",
        "compress -7 a.txt",
        "compress -9 --engine llama --model no.gguf a.txt",
        "compress -1 --block-size 1KiB --memlimit 8MiB --json b.bin",
        "compress -1 --resume a.txt -T 2",
        "decompress a.txt.ncz -o out",
        "decompress -f a.txt.ncz",
        "decompress --keep-going bad.ncz -f",
        "decompress --resume a.txt.ncz -c",
        "cat --range 5:+3 a.txt.ncz",
        "cat a.txt.ncz a.txt.ncz",
        "test a.txt.ncz bad.ncz",
        "info --json a.txt.ncz",
        "models list",
        "models pull no.gguf",
        "models remove missing",
        "models path missing",
        "completion bash",
        "man out",
        "--version",
        "--help",
    )
    found = [bytes(_WORDS.index(word) for word in call.split()) for call in calls]
    return [*found, found[0][:2] + b"\n some input", b"\x00\xa5a.txt", found[9][:1] + b"\ngarbage"]


TARGETS = {"command": Target(_prepare, _seeds, 120)}
