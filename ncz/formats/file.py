"""``ncz.open``: an .ncz file as a file object, with seek on read."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, cast, overload

from ncz.codec.crew import Crew
from ncz.formats.file_reader import Seekable, Sequential
from ncz.formats.file_writer import Writer
from ncz.formats.levels import DEFAULT
from ncz.formats.options import CompressOptions, DecompressOptions

if TYPE_CHECKING:
    Source = str | os.PathLike[str] | BinaryIO
    ReadBytes = Literal["r", "rb"]
    WriteBytes = Literal["w", "wb", "x", "xb", "a", "ab"]
    Text = Literal["rt", "wt", "xt", "at"]

_MODES = {"r", "rb", "rt", "w", "wb", "wt", "x", "xb", "xt", "a", "ab", "at"}
_BUFFER = 1 << 16


@overload
def open(
    file: Source,
    mode: ReadBytes = "rb",
    level: int = DEFAULT,
    *,
    threads: int = 1,
    block_size: int | None = None,
    verify: bool | None = None,
    memlimit: int | None = None,
    max_output: int | None = None,
    crew: Crew | None = None,
) -> io.BufferedReader: ...
@overload
def open(
    file: Source,
    mode: WriteBytes,
    level: int = DEFAULT,
    *,
    threads: int = 1,
    block_size: int | None = None,
    verify: bool | None = None,
    memlimit: int | None = None,
    max_output: int | None = None,
    crew: Crew | None = None,
) -> Writer: ...
@overload
def open(
    file: Source,
    mode: Text,
    level: int = DEFAULT,
    *,
    threads: int = 1,
    block_size: int | None = None,
    verify: bool | None = None,
    memlimit: int | None = None,
    max_output: int | None = None,
    crew: Crew | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> io.TextIOWrapper: ...
@overload
def open(
    file: Source,
    mode: str,
    level: int = DEFAULT,
    *,
    threads: int = 1,
    block_size: int | None = None,
    verify: bool | None = None,
    memlimit: int | None = None,
    max_output: int | None = None,
    crew: Crew | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> io.BufferedReader | Writer | io.TextIOWrapper: ...


def open(
    file: Source,
    mode: str = "rb",
    level: int = DEFAULT,
    *,
    threads: int = 1,
    block_size: int | None = None,
    verify: bool | None = None,
    memlimit: int | None = None,
    max_output: int | None = None,
    crew: Crew | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> io.BufferedReader | Writer | io.TextIOWrapper:
    """An .ncz file as a file object, like :func:`lzma.open`.

    Reading from a seekable file supports ``seek`` and ``tell``, decodes only the blocks it needs
    and keeps one of them; from a pipe it reads in sequence. A file written in a ``with`` block
    that ends in an exception gets no tail, so that it reads as truncated and not as whole.

    Args:
        file: a path, or a binary file object, which is left open and used from where it stands.
        mode: "rb", "wb", "xb" (fail if it exists), "ab" (append a member), or "rt" and so on
            for text.
        level: when writing, 1 (fast) to 9 (small); 7 to 9 need a language model that is here.
        threads: blocks worked on side by side; 0 means one per available core.
        block_size: when writing, raw bytes of a block, 1 KiB to 1 GiB.
        verify: when writing, decode each block and compare it before it is written.
        memlimit: bytes of working memory; fewer threads are used to keep it.
        max_output: when reading, refuse content of more than this many bytes.
        crew: who works on the blocks, in place of threads; see :func:`ncz.workers`.
        encoding, errors, newline: in text mode, as for :func:`open`.

    Raises:
        ValueError: an argument is out of its range, or meant for text and the mode is binary.
        FormatError: when reading, `file` is no whole .ncz file. Damage inside of a block is
            raised by the read that meets it.

    >>> import io, ncz
    >>> buffer = io.BytesIO()
    >>> with ncz.open(buffer, "wt", level=1) as file:
    ...     _ = file.write("one line")
    >>> _ = buffer.seek(0)
    >>> with ncz.open(buffer) as file:
    ...     _ = file.seek(4)
    ...     file.read()
    b'line'
    """
    if mode not in _MODES:
        raise ValueError(f"mode {mode!r} is none of {', '.join(sorted(_MODES))}")
    text = mode.endswith("t")
    if not text and not (encoding is errors is newline is None):
        raise ValueError("encoding, errors and newline are for text modes")
    if mode[0] == "r":
        reading = DecompressOptions(threads, memlimit, max_output=max_output)
        stream: io.BufferedReader | Writer = _reader(file, reading, crew)
    else:
        options = CompressOptions(level, threads, block_size, memlimit, verify=verify)
        stream = _writer(file, mode[0], options, crew)
    if not text:
        return stream
    return _Text(cast(BinaryIO, stream), encoding, errors, newline)


class _Text(io.TextIOWrapper):
    """Text over a reader or a :class:`Writer`, which it abandons where a ``with`` block fails."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and isinstance(self.buffer, Writer):
            self.buffer.abandon()
        self.close()


def _reader(file: Source, options: DecompressOptions, crew: Crew | None) -> io.BufferedReader:
    stream, owned = _stream(file, "rb")
    try:
        raw = (Seekable if stream.seekable() else Sequential)(stream, owned, options, crew)
    except BaseException:
        if owned:
            stream.close()
        raise
    return io.BufferedReader(raw, _BUFFER)


def _writer(file: Source, mode: str, options: CompressOptions, crew: Crew | None) -> Writer:
    stream, owned = _stream(file, mode + "b")
    try:
        return Writer(stream, owned, options, crew)
    except BaseException:
        if owned:
            stream.close()
        raise


def _stream(file: Source, mode: str) -> tuple[BinaryIO, bool]:
    """The file to work on, and whether it was opened here."""
    if isinstance(file, (str, os.PathLike)):
        return cast(BinaryIO, Path(file).open(mode)), True
    if hasattr(file, "read" if mode == "rb" else "write"):
        return file, False
    raise TypeError(f"file is a path or a binary file object, not {type(file).__name__}")
