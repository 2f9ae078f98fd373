"""Bytes in, bytes out."""

from __future__ import annotations

import io
import os
from pathlib import Path

from ncz.codec.crew import Crew
from ncz.formats.encode import Bytes, Encoder
from ncz.formats.levels import DEFAULT
from ncz.formats.options import CompressOptions, DecompressOptions
from ncz.formats.stream import decompress_stream


def compress(
    data: Bytes,
    level: int = DEFAULT,
    *,
    threads: int = 1,
    block_size: int | None = None,
    verify: bool | None = None,
    crew: Crew | None = None,
    circuit: str | os.PathLike[str] | None = None,
) -> bytes:
    """`data` as an .ncz file.

    Args:
        data: any bytes-like object.
        level: 1 (fast) to 9 (small). Unlike the command, this takes 6 for text, too, unless
            told otherwise: 7 to 9 need a language model, and no function call fetches one.
        threads: blocks coded side by side; 0 means one per available core. Never changes the
            output.
        block_size: raw bytes of a block, 1 KiB to 1 GiB; None lets the level choose.
        verify: decode each block and compare it before it is taken, which costs the time of
            decompressing. Every level of this function is exact, so None is False here.
        crew: who codes them, in place of threads; see :func:`ncz.workers`. Never changes the
            output either.
        circuit: at levels 1 to 6, the file of a circuit that ``ncz train`` made, or the name of one
            that comes with ncz. It codes the records that it was trained for, which
            :func:`ncz.open_records` reads one by one; what is not these is coded as ever.

    Raises:
        ValueError: an argument is out of its range.
        ModelError: `circuit` is none.
        ModelMissing: the level needs a language model that this machine does not have;
            ``ncz models pull`` gets it.
        NczError: a block was verified and did not come back.

    >>> import ncz
    >>> len(ncz.compress(bytes(100_000), level=1)) < 200
    True
    """
    named = None if circuit is None else _circuit(os.fspath(circuit))
    options = CompressOptions(level, threads, block_size, verify=verify, circuit=named)
    encoder = Encoder.of(options, crew)
    try:
        return b"".join([*encoder.feed(data), *encoder.finish()])
    finally:
        encoder.close()


def decompress(
    data: Bytes,
    *,
    threads: int = 1,
    memlimit: int | None = None,
    max_output: int | None = None,
    crew: Crew | None = None,
) -> bytes:
    """The content of the .ncz file `data`, which may have several members.

    Args:
        data: any bytes-like object.
        threads: blocks decoded side by side; 0 means one per available core.
        memlimit: bytes of working memory, beyond `data` and the result; None for no limit.
        max_output: refuse content of more than this many bytes. Set it for data from strangers:
            an .ncz file of a few kilobytes may hold gigabytes.
        crew: who decodes the blocks, in place of threads; see :func:`ncz.workers`.

    Raises:
        FormatError: `data` is no .ncz file, is damaged, or goes on after its end. Its kinds are
            UnsupportedError, TruncatedError and CorruptBlock.
        MemoryLimitError: decoding needs more than `memlimit`.
        ModelMissing: `data` needs a language model that this machine does not have.
        OutputLimitError: the content is larger than `max_output`.

    >>> import ncz
    >>> ncz.decompress(ncz.compress(b"one") + ncz.compress(b" two"))
    b'one two'
    """
    out = io.BytesIO()
    options = DecompressOptions(threads=threads, memlimit=memlimit, max_output=max_output)
    decompress_stream(io.BytesIO(data), out, options, crew=crew)
    return out.getvalue()


def _circuit(named: str) -> Path:
    from ncz.models.circuit import files

    return files.resolve(named)
