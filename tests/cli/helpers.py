"""The command as a process of its own, what it left, and files to give it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ncz

ROOT = Path(__file__).parents[2]


def here(directory: str | Path = ".") -> list[str]:
    """Every name in `directory`, sorted."""
    return sorted(path.name for path in Path(directory).iterdir())


def coded(data: bytes) -> bytes:
    """`data` compressed in blocks of 1 KiB."""
    return ncz.compress(data, level=1, block_size=1024)


def damaged(data: bytes, *blocks: int) -> bytes:
    """The same with a changed byte inside each of `blocks`."""
    whole = coded(data)
    broken = bytearray(whole)
    for number in blocks:
        block = ncz.info(whole).blocks[number]
        broken[block.offset + block.size - 1] ^= 0xFF
    return bytes(broken)


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "80"}


def start(*args: str, cwd: Path, **options: Any) -> subprocess.Popen[bytes]:
    """The command as a process; standard input, output and error are pipes unless said."""
    for stream in ("stdin", "stdout", "stderr"):
        options.setdefault(stream, subprocess.PIPE)
    options.setdefault("env", environment())
    return subprocess.Popen([sys.executable, "-m", "ncz", *args], cwd=cwd, **options)


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Exit code, standard output and standard error of a process at its end."""
    out, err = process.communicate(stdin, timeout=60)
    return process.returncode, out, (err or b"").decode()


def wait_for(condition: Callable[[], Any]) -> None:
    """Until `condition` holds; fails after a minute, long after anything should have happened."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.01)
