"""From the bytes of an .ncz file to its content, in order, holding only blocks in flight.

Nothing of a block is handed on before its raw check holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from ncz.codec import checks
from ncz.codec.coder import Coder
from ncz.codec.crew import Crew
from ncz.codec.errors import (
    CorruptBlock,
    FormatError,
    MemoryLimitError,
    NczError,
    OutputLimitError,
    PictureError,
)
from ncz.codec.pipeline import Pipeline
from ncz.codec.together import Wait
from ncz.formats import coders, parse, resume
from ncz.formats.encode import Bytes
from ncz.formats.events import Block, Lost, MemberEnd, MemberStart, Need, Rescue, Trailing
from ncz.formats.header import BYTES, Header
from ncz.formats.options import DecompressOptions, check_crew, fit_crew, fit_threads, held
from ncz.formats.window import Window

_ZEROS = bytes(1 << 20)


class Decompressor:
    """Decompresses an .ncz file that comes in pieces.

    A file may go on with another member where one ends, so :attr:`eof` is True after each, and
    False again when more comes; data that is no member ends the file and is :attr:`unused_data`.

    Args:
        threads: blocks decoded side by side; 0 means one per available core.
        memlimit: bytes of working memory.
        max_output: refuse content of more than this many bytes.
        crew: who decodes them, in place of threads; see :func:`ncz.workers`.

    >>> import ncz
    >>> decompressor = Decompressor()
    >>> decompressor.decompress(ncz.compress(b"content", level=1)), decompressor.eof
    (b'content', True)
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        memlimit: int | None = None,
        max_output: int | None = None,
        crew: Crew | None = None,
    ) -> None:
        options = DecompressOptions(threads, memlimit, max_output=max_output)
        self._decoder = Decoder(options, crew=crew)
        self._held = bytearray()
        self._failure: NczError | None = None

    @property
    def eof(self) -> bool:
        """What was given so far is a whole file."""
        return self._failure is None and not self._held and self._decoder.complete

    @property
    def needs_input(self) -> bool:
        """No content, and no error, is to be had before more is given."""
        held = bool(self._held) or self._failure is not None
        return not held and self._decoder.hungry and not self.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the file."""
        return b"" if self._decoder.trailing is None else self._decoder.rest

    def decompress(self, data: Bytes, max_length: int = -1) -> bytes:
        """Take `data`; content that is ready by now, at most `max_length` bytes if not negative.

        Raises:
            NczError: the data is damaged, or needs what this machine lacks. What was decoded
                before is returned first; the error comes with the next call.
            EOFError: the file has ended, see :attr:`unused_data`.
        """
        if self._decoder.trailing is not None and data:
            raise EOFError("the .ncz file has ended, and what follows is not part of it")
        self._decoder.feed(data)
        out = self._held
        try:
            while self._failure is None and (max_length < 0 or len(out) < max_length):
                piece = self._decoder.next_piece()
                if piece is None:
                    break
                out += piece
        except NczError as error:
            self._failure = error
        if self._failure is not None and not out:
            raise self._failure
        size = len(out) if max_length < 0 else min(max_length, len(out))
        taken = bytes(out[:size])
        del out[:size]
        return taken


class Decoder:
    """The engine behind everything that decompresses in sequence: a file in, content out.

    Blocks of the content that an earlier run has restored, at the start of `kept`, are compared
    with their checks and not decoded again; what comes out is the same.
    """

    def __init__(
        self,
        options: DecompressOptions,
        rescue: Rescue | None = None,
        crew: Crew | None = None,
        kept: BinaryIO | None = None,
    ) -> None:
        self.damage: list[FormatError] = []  # with keep_going, what was passed over
        self.blocks = 0  # handed on, damaged ones included
        self.raw_size = 0  # bytes of content handed on
        self.coded_done = 0  # bytes of the file up to the end of the last block handed on
        self.wanted = 1  # bytes of the file that would help most
        self.hungry = True  # nothing comes before more of the file is fed
        self.trailing: int | None = None  # offset of what follows the file and is not part of it
        self.kept_coded = 0  # bytes of the file up to the end of the last block that was kept
        self.kept_blocks = 0  # how many were kept
        self._kept = kept
        check_crew(crew, options.threads)
        self._options = options
        self._crew = crew
        self._window = Window()
        self._steps = parse.events(self._window, options.keep_going, rescue)
        self._pipeline: Pipeline[Block, bytes | CorruptBlock] | None = None
        self._pieces = self._run()
        self._header: Header | None = None
        self._blocks: deque[Block] = deque()  # in flight
        self._check = checks.Running()
        self._intact = True  # no damage in this member so far, so its content check must hold
        self._in_member = True

    @property
    def complete(self) -> bool:
        """What was fed so far is a whole file, and all of its content was handed on."""
        return not self._in_member and (self.trailing is not None or not self._window.data)

    @property
    def keeping(self) -> bool:
        """What was handed on so far is what an earlier run had restored."""
        return self._kept is not None

    @property
    def rest(self) -> bytes:
        """What was fed and not used."""
        return bytes(self._window.data)

    def feed(self, data: Bytes) -> None:
        """Take what comes next in the file."""
        self._window.feed(data)
        if len(data):
            self.hungry = False

    def end(self) -> None:
        """The file has no more."""
        self._window.end()
        self.hungry = False

    def next_piece(self) -> bytes | None:
        """Content that comes next, or None where more has to be fed or nothing is left.

        Raises:
            NczError: the first damage, after everything before it; with keep_going only where
                nothing at all can be read. Also where this machine lacks what the file needs.
        """
        while isinstance(piece := self.next_step(), Wait):
            piece.pipeline.wait()
        return piece

    def next_step(self) -> bytes | Wait | None:
        """The same for a caller that has other things to do while it waits."""
        return next(self._pieces, None)

    def refuse_trailing(self) -> None:
        """Treat what follows the file as the damage it is, unless the caller has a use for it."""
        if self.trailing is not None:
            self._damaged(Trailing(self.trailing).damage)

    def close(self) -> None:
        """Stop. Waits for nothing."""
        if self._pipeline is not None:
            self._pipeline.close()

    def _run(self) -> Iterator[bytes | Wait | None]:
        while True:
            try:
                event = next(self._steps)
            except StopIteration:
                break
            except NczError:
                yield from self._drain()
                raise
            if isinstance(event, Need):
                while self._pipeline and self._pipeline.ready:
                    yield from self._emit()
                self.wanted = event.size
                self.hungry = True
                yield None
            elif isinstance(event, Block):
                yield from self._submit(event)
            else:
                yield from self._drain()
                yield from self._handle(event)
        self.close()

    def _submit(self, block: Block) -> Iterator[bytes | Wait]:
        assert self._pipeline is not None
        limit = self._options.max_output
        if limit is not None and block.raw_start + block.head.raw_size > limit:
            yield from self._drain()
            raise OutputLimitError(limit)
        raw = self._keep(block)
        if raw is not None:
            yield self._hand_on(block, raw)
            return
        if self._pipeline.full:
            yield from self._emit()
        self._blocks.append(block)
        self._pipeline.submit(block)

    def _keep(self, block: Block) -> bytes | None:
        """The content of a block, if an earlier run has restored it and all before it."""
        if self._kept is None:
            return None
        raw = resume.restored(self._kept, self.raw_size, block, self._options.keep_going)
        if raw is None:
            self._kept = None
            return None
        self.kept_blocks += 1
        self.kept_coded = block.offset + block.head.coded_size
        return raw

    def _drain(self) -> Iterator[bytes | Wait]:
        while self._pipeline and self._pipeline.pending:
            yield from self._emit(last=True)

    def _emit(self, last: bool = False) -> Iterator[bytes | Wait]:
        assert self._pipeline is not None
        if not self._pipeline.ready:
            yield Wait(self._pipeline, last)
        raw, block = self._pipeline.take(), self._blocks.popleft()
        if isinstance(raw, bytes):
            yield self._hand_on(block, raw)
        else:
            self._passed(block)
            self._damaged(raw)
            yield from self._zeros(block.head.raw_size)

    def _hand_on(self, block: Block, raw: bytes) -> bytes:
        self._passed(block)
        self._check.update(raw)
        self.raw_size += len(raw)
        return raw

    def _passed(self, block: Block) -> None:
        self.blocks += 1
        self.coded_done = block.offset + block.head.coded_size

    def _handle(self, event: MemberStart | MemberEnd | Lost | Trailing) -> Iterator[bytes]:
        if isinstance(event, MemberStart):
            self._start(event.header)
        elif isinstance(event, MemberEnd):
            self._in_member = False
            if self._intact and self._check.value != event.content_check:
                self._damaged(
                    FormatError(
                        f"the content check at offset {event.offset} does not hold, "
                        "although every block is whole"
                    )
                )
        elif isinstance(event, Lost):
            self._damaged(event.damage)
            yield from self._zeros(event.raw_size)
        else:
            self.trailing = event.offset

    def _start(self, header: Header) -> None:
        self._check = checks.Running()
        self._intact = self._in_member = True
        if header == self._header:
            return
        self._header = header
        known = ready(header, self._options)
        threads, room = fit(known, header.block_size, self._options, self._crew)
        self.close()
        self._pipeline = Pipeline(partial(_decode, known, room), threads, self._crew)

    def _damaged(self, damage: FormatError) -> None:
        if not self._options.keep_going:
            raise damage
        self.damage.append(damage)
        self._intact = False

    def _zeros(self, size: int) -> Iterator[bytes]:
        limit = self._options.max_output
        if limit is not None and self.raw_size + size > limit:
            raise OutputLimitError(limit)
        self.raw_size += size
        while size:
            piece = _ZEROS[: min(size, len(_ZEROS))]
            size -= len(piece)
            yield piece


def ready(header: Header, options: DecompressOptions) -> tuple[Coder, ...]:
    """The coders that `header` lists, after its models were brought if `options` say so.

    Raises:
        UnsupportedError: this ncz does not know one of them.
        PictureError: it is of a picture, which the caller does not expect.
        NczError: what bringing a model raises.
    """
    if header.format != BYTES and not options.pieces:
        raise PictureError(
            "this is a lossy picture, and has no bytes to give back: ncz decompress or "
            "ncz.decompress_picture renders it"
        )
    if options.bring is not None:
        for model in header.models:
            options.bring(model)
    return tuple(coders.from_spec(spec, header.models) for spec in header.coders)


def decode_block(coder: Coder, block: Block, room: int | None = None) -> bytes:
    """The raw bytes of one block, all checks made.

    Args:
        coder: which one its head names.
        block: as it was read.
        room: bytes that the coder may take, None for any. Headers bound the most that blocks
            take, but for what only a block itself says.

    Raises:
        CorruptBlock: one of them does not hold, or the coder fails in any way.
        MemoryLimitError: this block takes more than `room`.
        NczError: the machine lacks what decoding needs.
    """
    head = block.head
    checked(block)
    try:
        if room is not None:
            needed = coders.memory_of(coder, block.coded, head.raw_size)
            if needed > room:
                raise MemoryLimitError(needed, room)
        raw = coder.decode(block.coded, head.raw_size)
    except FormatError as error:
        raise block.damage(f"its coded data cannot be decoded: {error}") from None
    except NczError:
        raise
    except MemoryError:
        raise NczError(
            f"out of memory while decoding a block of {head.raw_size} bytes; use fewer threads"
        ) from None
    except Exception as error:
        raise block.damage(f"its coder failed: {type(error).__name__}: {error}") from error
    if len(raw) != head.raw_size or checks.x32(raw) != head.raw_check:
        raise block.damage("what it decodes to does not match its check")
    return raw


def checked(block: Block) -> None:
    """Pass if the coded bytes of a block are those that were written.

    Raises:
        CorruptBlock: they are not.
    """
    if checks.x32(block.coded) != block.head.coded_check:
        raise block.damage("its coded data does not match its check")


def fit(
    known: tuple[Coder, ...], block_size: int, options: DecompressOptions, crew: Crew | None
) -> tuple[int, int | None]:
    """How many threads, or of the crew, may decode blocks of `block_size` by any of `known`.

    Returns:
        that, and the bytes that coders may take in each, None for any.

    Raises:
        MemoryLimitError: none.
        ModelMissing: a coder's model is not on this machine.
    """
    memory, limit = partial(_memory, block_size), options.memlimit
    if crew is not None:
        threads = fit_crew(crew, memory, known, block_size, limit)
    else:
        threads = fit_threads(options.threads, memory(known), block_size, limit)
    if limit is None:
        return threads, None
    overhead = crew.overhead if crew is not None else 0
    return threads, (limit - held(threads, block_size)) // threads - overhead


def _memory(block_size: int, known: tuple[Coder, ...]) -> int:
    return max(coder.memory(block_size) for coder in known)


def _decode(known: tuple[Coder, ...], room: int | None, block: Block) -> bytes | CorruptBlock:
    try:
        return decode_block(known[block.head.coder], block, room)
    except CorruptBlock as damage:
        return damage
