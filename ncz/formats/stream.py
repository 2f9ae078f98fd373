"""Whole streams in and out: what the command line does, and what one-shot calls are made of.

Neither stream has to be seekable. Memory is bounded by blocks in flight.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

from ncz.codec.crew import Crew
from ncz.codec.errors import FormatError, NczError, OutputLimitError
from ncz.codec.together import Steps, Wait, alone
from ncz.formats import index
from ncz.formats.access import Content
from ncz.formats.decode import Decoder
from ncz.formats.encode import Encoder
from ncz.formats.events import Known, Rescue
from ncz.formats.options import CompressOptions, DecompressOptions

_CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Progress:
    """How far a stream is.

    Attributes:
        bytes_in: bytes of input done with.
        bytes_out: bytes of output written.
        blocks_done: blocks written.
        kept_in: how many of `bytes_in` an earlier run was done with.
        kept_blocks: how many of `blocks_done` it had written. No report comes before all of
            these are passed.
    """

    bytes_in: int
    bytes_out: int
    blocks_done: int
    kept_in: int = 0
    kept_blocks: int = 0


@dataclass(frozen=True)
class StreamStats:
    """What came of a stream.

    Attributes:
        raw_size: bytes of content.
        coded_size: bytes of the .ncz file.
        blocks: number of blocks.
        damage: with keep_going, everything that was passed over, in file order: mostly
            :class:`CorruptBlock`, else what is damaged besides blocks.
        kept_blocks: how many of the blocks an earlier run had written.
        about: what else is to be told of it, such as the quality of a lossy picture.
    """

    raw_size: int
    coded_size: int
    blocks: int
    damage: list[FormatError] = field(default_factory=list)
    kept_blocks: int = 0
    about: dict[str, Any] = field(default_factory=dict)


Report = Callable[[Progress], None]


def compress_stream(
    src: BinaryIO,
    dst: BinaryIO,
    options: CompressOptions | None = None,
    progress: Report | None = None,
    crew: Crew | None = None,
    kept: BinaryIO | None = None,
) -> StreamStats:
    """Compress all of `src` into `dst`; by the workers of `crew`, if there is one.

    `kept` is what an earlier call, interrupted, has written: blocks that are whole there are
    compared with `src` and not coded again. All of the output is written to `dst` nevertheless,
    and is that of an uninterrupted call.

    Raises:
        DoesNotFit: `kept` is of another input, level, block size, model or number of streams;
            nothing was written that differs from it.
        MemoryLimitError: the limit is too low for one thread.
        ModelMissing: the level's language model is not on this machine.
        NczError: `src` is a regular file and changed meanwhile. `dst` then ends without a tail.
        OSError: reading or writing failed.
    """
    return alone(compressing(src, dst, options, progress, crew, kept))


def compressing(
    src: BinaryIO,
    dst: BinaryIO,
    options: CompressOptions | None = None,
    progress: Report | None = None,
    crew: Crew | None = None,
    kept: BinaryIO | None = None,
) -> Steps[StreamStats]:
    """The same as :func:`compress_stream`, as a job that may run together with others."""
    encoder = Encoder.of(options or CompressOptions(), crew, kept)
    status = _fingerprint(src)
    written = 0

    def write(pieces: Iterable[bytes | Wait]) -> Generator[Wait, None, None]:
        nonlocal written
        for piece in pieces:
            if isinstance(piece, Wait):
                yield piece
                continue
            _write(dst, piece)
            written += len(piece)
            if not encoder.keeping:
                report()

    def report() -> None:
        if progress:
            before = encoder.kept_raw, encoder.kept_blocks
            progress(Progress(encoder.raw_done, written, encoder.blocks, *before))

    try:
        while chunk := src.read(_CHUNK):
            keeping = encoder.keeping
            yield from write(encoder.feeding(chunk))
            if encoder.keeping != keeping:
                report()
        if _fingerprint(src) != status:
            name = getattr(src, "name", "the input")
            raise NczError(
                f"{name} changed while it was read; compress it again once it is at rest"
            )
        yield from write(encoder.finishing())
    finally:
        encoder.close()
    return StreamStats(encoder.raw_size, written, encoder.blocks, kept_blocks=encoder.kept_blocks)


def decompress_stream(
    src: BinaryIO,
    dst: BinaryIO | None,
    options: DecompressOptions | None = None,
    progress: Report | None = None,
    crew: Crew | None = None,
    kept: BinaryIO | None = None,
) -> StreamStats:
    """Decompress all of `src` into `dst`, or check it only where `dst` is None.

    `kept` is what an earlier call, interrupted, has written: blocks that are whole there, as
    their checks in `src` say, are not decoded again. All of the content is written to `dst`
    nevertheless.

    Every byte written is correct: damage raises after what comes before it was written. With
    ``options.keep_going`` damaged blocks are written as zero bytes, so that the rest keeps its
    place, and everything that is damaged is listed in the result.

    Raises:
        FormatError: `src` is no .ncz file, is damaged outside of blocks, or goes on after its end.
        UnsupportedError: it needs a newer ncz.
        CorruptBlock: a block is damaged.
        TruncatedError: `src` ends too early.
        ModelMissing: it needs a language model that is not here; nothing was written then.
        MemoryLimitError: the limit is too low for one thread.
        DoesNotFit: `kept` begins with another content.
        OutputLimitError: the content is larger than ``options.max_output``. Where `src` can seek
            and says so itself, nothing was written then.
        OSError: reading or writing failed.
    """
    return alone(decompressing(src, dst, options, progress, crew, kept))


def decompressing(
    src: BinaryIO,
    dst: BinaryIO | None,
    options: DecompressOptions | None = None,
    progress: Report | None = None,
    crew: Crew | None = None,
    kept: BinaryIO | None = None,
) -> Steps[StreamStats]:
    """The same as :func:`decompress_stream`, as a job that may run together with others."""
    options = options or DecompressOptions()
    if options.max_output is not None and not _fits(src, options.max_output):
        raise OutputLimitError(options.max_output)
    decoder = Decoder(options, _rescue(src) if options.keep_going else None, crew, kept)
    read = 0

    def report() -> None:
        if progress and not decoder.keeping:
            before = decoder.kept_coded, decoder.kept_blocks
            progress(Progress(decoder.coded_done, decoder.raw_size, decoder.blocks, *before))

    try:
        while True:
            keeping = decoder.keeping
            step = decoder.next_step()
            if isinstance(step, bytes) and dst is not None:
                _write(dst, step)
            if isinstance(step, bytes) or decoder.keeping != keeping:
                report()
            if isinstance(step, Wait):
                yield step
            elif step is not None:
                continue
            elif decoder.trailing is not None:
                decoder.refuse_trailing()
                break
            elif decoder.hungry:
                chunk = src.read(_CHUNK)
                read += len(chunk)
                if chunk:
                    decoder.feed(chunk)
                else:
                    decoder.end()
            else:
                break
    finally:
        decoder.close()
    return StreamStats(decoder.raw_size, read, decoder.blocks, decoder.damage, decoder.kept_blocks)


def read_range(
    src: BinaryIO,
    start: int,
    end: int | None,
    dst: BinaryIO,
    options: DecompressOptions | None = None,
    crew: Crew | None = None,
) -> int:
    """Write the content's bytes from `start` to before `end` (None: to its end) to `dst`.

    `src` has to be seekable; only the blocks in the range are read and decoded. A range that
    reaches past the content is cut to it, as slices are.

    Returns:
        how many bytes were written.

    Raises:
        ValueError: the range is negative.
        OutputLimitError: it holds more than ``options.max_output``.
        FormatError, NczError, OSError: as :func:`decompress_stream`.
    """
    if start < 0 or (end is not None and end < start):
        raise ValueError(f"{start}:{end} is not a range of bytes")
    options = options or DecompressOptions()
    content = Content(src, options, crew)
    end = content.size if end is None else min(end, content.size)
    if options.max_output is not None and end - start > options.max_output:
        raise OutputLimitError(options.max_output)
    written = 0
    for piece in content.pieces(start, end):
        _write(dst, piece)
        written += len(piece)
    return written


def _fits(src: BinaryIO, limit: int) -> bool:
    """Whether the tails of a file that can seek add up to no more; what they say is not proven."""
    if not src.seekable():
        return True
    base, total = src.tell(), 0
    try:
        for _, _, tail in index.survey(src, base, src.seek(0, os.SEEK_END) - base):
            total += tail.raw_size
            if total > limit:
                return False
    except FormatError:
        pass  # reading it from its start says what is wrong
    finally:
        src.seek(base)
    return True


def _rescue(src: BinaryIO) -> Rescue | None:
    """What the tails say of the members of a file that can seek, read when first asked for."""
    if not src.seekable():
        return None
    base = src.tell()

    @cache
    def members() -> list[Known]:
        place = src.tell()
        try:
            size = src.seek(0, os.SEEK_END) - base
            found = [
                Known(a, b, tail.raw_size, len(tail.entries))
                for a, b, tail in index.survey(src, base, size)
            ]
        finally:
            src.seek(place)
        return found[::-1]

    return lambda offset: next((known for known in members() if known.start >= offset), None)


def _write(dst: BinaryIO, piece: bytes) -> None:
    view = memoryview(piece)
    while len(view):  # a raw stream may take less than it is given
        view = view[dst.write(view) :]


def _fingerprint(src: BinaryIO) -> tuple[int, int] | None:
    """Size and modification time of a regular file; None of anything else."""
    try:
        status = os.fstat(src.fileno())
    except (AttributeError, OSError, ValueError):
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
