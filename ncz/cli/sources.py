"""Opening what is to be read, and knowing afterwards whether it was one thing throughout."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ncz.cli.exits import Failure, plain
from ncz.cli.names import STDIO, shown


@dataclass(frozen=True)
class Source:
    """An open input.

    Attributes:
        path: where it is, None for standard input.
        file: where to read from.
        status: what the system said of it when it was opened, None if it has no descriptor.
    """

    path: Path | None
    file: BinaryIO
    status: os.stat_result | None

    @property
    def size(self) -> int | None:
        """Bytes to read, None where that cannot be known (pipes, devices, /proc)."""
        if self.status is None or not stat.S_ISREG(self.status.st_mode):
            return None
        return max(0, self.status.st_size - self.file.tell()) or None

    def check_unchanged(self, taken: int | None = None) -> None:
        """After reading.

        Args:
            taken: bytes that were read of a file by its name, if the whole of it should be.

        Raises:
            Failure: the file is not what it was when it was opened.
        """
        if self.status is None or not stat.S_ISREG(self.status.st_mode):
            return
        now = os.fstat(self.file.fileno())
        changed = (now.st_size, now.st_mtime_ns) != (self.status.st_size, self.status.st_mtime_ns)
        # Standard input may start anywhere, and files in /proc have no size.
        whole = self.path is not None and self.status.st_size > 0
        if changed or (whole and taken is not None and taken != self.status.st_size):
            raise Failure("changed while it was being read: try again when nothing writes to it")


class Tally:
    """A reader that remembers the size and XXH64 of what went through it."""

    def __init__(self, file: BinaryIO) -> None:
        import xxhash

        self._file = file
        self._size = 0
        self._digest = xxhash.xxh64()

    @property
    def fingerprint(self) -> tuple[int, int]:
        """Size and XXH64 of what was read so far."""
        return self._size, self._digest.intdigest()

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, as the file gives them."""
        data = self._file.read(size)
        self._size += len(data)
        self._digest.update(data)
        return data

    def as_file(self) -> BinaryIO:
        """Itself, as the type that the library asks for; it only calls read."""
        return cast(BinaryIO, self)


class Ahead:
    """A reader whose beginning can be looked at before it is read, of a pipe as well."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._kept = b""

    def head(self, size: int) -> bytes:
        """The next `size` bytes, fewer only where the data ends; they are still to be read."""
        while len(self._kept) < size:
            data = self._file.read(size - len(self._kept))
            if not data:
                break
            self._kept += data
        return self._kept[:size]

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, as the file gives them."""
        if not self._kept:
            return self._file.read(size)
        if size < 0:
            data, self._kept = self._kept + self._file.read(), b""
        else:
            data, self._kept = self._kept[:size], self._kept[size:]
        return data

    def seekable(self) -> bool:
        """False: it goes on only."""
        return False

    def tell(self) -> int:
        """Where reading goes on in the file."""
        return self._file.tell() - len(self._kept)

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    @property
    def name(self) -> str:
        """The file's name."""
        return str(getattr(self._file, "name", "the input"))

    def as_file(self) -> BinaryIO:
        """Itself, as the type that the library asks for; it only calls these."""
        return cast(BinaryIO, self)


@contextmanager
def open_source(name: str, *, must_be_regular: bool = False) -> Iterator[Source]:
    """The input `name`; standard input for ``-``.

    Args:
        name: a path or ``-``.
        must_be_regular: refuse FIFOs and devices, whose names make no names for outputs.

    Raises:
        Failure: there is nothing to read, said in one sentence.
    """
    if name == STDIO:
        yield _standard_input()
        return
    path = Path(name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            pack = f"tar -cf - {shown(name)} | ncz compress -o {shown(path.resolve().name)}.tar.ncz"
            raise Failure(f"is a directory: -r takes each file beneath, or pack it, as in {pack}")
        if not stat.S_ISREG(mode) and must_be_regular:
            raise Failure("is not a regular file: name the output with -o, or use -c")
        file = path.open("rb")
    except OSError as error:
        raise Failure(_why(error, path)) from error
    with file:
        yield Source(path, file, os.fstat(file.fileno()))


def _standard_input() -> Source:
    if sys.stdin is None:
        raise Failure("standard input is closed")
    file = sys.stdin.buffer
    try:
        status = os.fstat(file.fileno())
    except (OSError, ValueError):
        return Source(None, file, None)
    if stat.S_ISDIR(status.st_mode):
        raise Failure("standard input is a directory")
    return Source(None, file, status)


def _why(error: OSError, path: Path) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return "is a symbolic link to a file that does not exist"
    return plain(error).replace("no such file or directory", "no such file")
