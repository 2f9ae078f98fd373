"""From content to the bytes of an .ncz file, block after block, holding only blocks in flight."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import BinaryIO

from ncz.codec import checks
from ncz.codec.crew import Crew
from ncz.codec.errors import DoesNotFit, NczError
from ncz.codec.pipeline import Pipeline, once
from ncz.codec.together import Wait, waited
from ncz.formats import coders, header, levels, resume, sections, verify
from ncz.formats.events import Block
from ncz.formats.levels import Plan
from ncz.formats.options import CompressOptions, check_crew, fit_crew, fit_threads, held, planned

Bytes = bytes | bytearray | memoryview
_HEAD = 64  # bytes that tell of a picture's size


class Compressor:
    """Compresses content that comes in pieces.

    The output of all calls, joined, is an .ncz file. Where it is cut between calls depends on
    timing; the bytes do not.

    Args:
        level: 1 (fast) to 9 (small); 7 to 9 need a language model that is here.
        threads: blocks coded side by side; 0 means one per available core.
        block_size: raw bytes of a block, 1 KiB to 1 GiB; None lets the level choose.
        verify: decode each block and compare it before it is handed on.
        crew: who codes them, in place of threads; see :func:`ncz.workers`.

    >>> compressor = Compressor(level=1)
    >>> coded = compressor.compress(b"one ") + compressor.compress(b"two") + compressor.flush()
    """

    def __init__(
        self,
        level: int = levels.DEFAULT,
        *,
        threads: int = 1,
        block_size: int | None = None,
        verify: bool | None = None,
        crew: Crew | None = None,
    ) -> None:
        options = CompressOptions(level, threads, block_size, verify=verify)
        self._encoder = Encoder.of(options, crew)

    def compress(self, data: Bytes) -> bytes:
        """Take `data`; the coded bytes that are ready by now, often none.

        Raises:
            ValueError: :meth:`flush` was called before.
        """
        return b"".join(self._encoder.feed(data))

    def flush(self) -> bytes:
        """The remaining coded bytes. Ends the file and the use of this object.

        Raises:
            ValueError: it was called before.
        """
        return b"".join(self._encoder.finish())


class Encoder:
    """The engine behind everything that compresses: content in, pieces of a file out.

    What is to be verified was verified when it comes out. Blocks that are `kept` from an earlier
    run (:mod:`ncz.formats.resume`) are compared with the content and not coded again; what comes
    out is the same.
    """

    def __init__(
        self,
        plan: Plan,
        threads: int = 1,
        crew: Crew | None = None,
        kept: Iterable[Block] = (),
    ) -> None:
        self.raw_size = 0  # bytes of content taken
        self.raw_done = 0  # those of them whose blocks were written
        self.blocks = 0  # blocks written
        self.kept_raw = 0  # bytes of content in blocks that were kept
        self.kept_blocks = 0  # how many these are
        self.keeping = True  # there may be more of them
        self._plan = plan
        self._crew = crew
        self._threads = threads
        self._buffer = bytearray()
        self._raw: deque[bytes] = deque()  # of the blocks in flight
        # A cut looks one byte ahead: only where content goes on are records to be kept whole.
        self._full = plan.block_size + (plan.cut is not None)
        self._whole: Plan | None = None  # for content that may be one block as a whole
        self._pipeline: Pipeline[bytes, _Coded] = self._working()
        self._member: _Member | None = None
        self._finished = False
        self._kept = iter(kept)

    @classmethod
    def of(
        cls, options: CompressOptions, crew: Crew | None = None, kept: BinaryIO | None = None
    ) -> Encoder:
        """The encoder that `options` ask for.

        Args:
            options: how to compress.
            crew: who does the work, if not threads; it is left running.
            kept: what an earlier run has written of the same file.

        Raises:
            DoesNotFit: `kept` is no beginning of what this would write.
            MemoryLimitError: one thread alone exceeds the limit.
            ModelMissing: the level's language model is not on this machine.
            ValueError: there are threads and a crew.
        """
        check_crew(crew, options.threads)
        plan = planned(options)
        size, limit = plan.block_size, options.memlimit
        if limit is not None and plan.pictures:
            # Pictures take more; where it is not there, they are coded as other content is.
            most = levels.with_pictures(plan).memory + held(1, size)
            plan = replace(plan, pictures=most <= limit, whole=_fitting(plan, limit))
        if crew is None:
            threads = fit_threads(options.threads, plan.memory, size, limit)
        else:
            threads = fit_crew(crew, _memory, plan, size, limit)
        return cls(plan, threads, crew, resume.coded_blocks(kept, plan) if kept else ())

    def feed(self, data: Bytes) -> Iterator[bytes]:
        """Take content; yields what is ready of the file. Exhaust it before the next call."""
        return waited(self.feeding(data))

    def finish(self) -> Iterator[bytes]:
        """Yields the rest of the file."""
        return waited(self.finishing())

    def feeding(self, data: Bytes) -> Iterator[bytes | Wait]:
        """The same as :meth:`feed` for a caller that has other things to do while it waits."""
        self._check_open()
        view = memoryview(data).cast("B")
        self.raw_size += len(view)
        while len(view):
            room = self._full - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            while len(self._buffer) >= self._full and not self._waits():
                yield from self._submit()
        while self._pipeline.ready:
            yield from self._emit()

    def finishing(self) -> Iterator[bytes | Wait]:
        """The same as :meth:`finish` for such a caller."""
        self._check_open()
        self._finished = True
        if self._whole is not None:
            yield from self._submit_whole(self._whole)
        while self._buffer:
            yield from self._submit()
        if self._next_kept() is not None:
            raise DoesNotFit(f"it goes on where this input ends, at byte {self.raw_size}")
        while self._pipeline.pending:
            yield from self._emit()
        self._pipeline.close()
        if self._member is None:
            self._member = _Member(self._plan.lean(None), 1)
            yield self._member.head
        yield self._member.tail()

    def close(self) -> None:
        """Stop without finishing the file. Waits for nothing."""
        self._finished = True
        self._pipeline.close()

    def _check_open(self) -> None:
        if self._finished:
            raise ValueError("this compressor has already written the end of its file")

    def _waits(self) -> bool:
        """Whether to read on beyond a block, for the content may have to be in one: a PNG file."""
        if self._whole is None:
            self._whole = levels.kept_whole(self._plan, bytes(self._buffer[:_HEAD]))
        else:  # it is too large after all
            self._whole = None
            self._plan = replace(self._plan, whole=None)
        self._full = self._plan.block_size + (self._plan.cut is not None)
        if self._whole is not None:
            self._full = self._whole.block_size + 1
        return self._whole is not None

    def _submit_whole(self, plan: Plan) -> Iterator[bytes | Wait]:
        """Lay all that there is as one block; if it is no picture after all, leave it as it is."""
        raw, self._buffer = bytes(self._buffer), bytearray()
        kept = self._next_kept()
        if kept is not None and kept.head.raw_size == len(raw):
            self._plan = plan
            yield from self._keep(kept, raw)
            return
        if kept is None:
            self._pipeline.close()
            work = partial(_code, plan, known=levels.picture_only(plan))
            self._pipeline = Pipeline(work, self._threads, self._crew)
            self._pipeline.submit(raw)
            if not self._pipeline.ready:
                yield Wait(self._pipeline)
            block = self._pipeline.take()
            if plan.coders[block.coder].spec.id == coders.PIXELS:
                self._plan = plan
                yield from self._lay(block, raw)
                return
            self._pipeline.close()
            self._pipeline = self._working()
        else:  # an earlier run found that it is none
            self._kept = chain((kept,), self._kept)
        self._plan = replace(self._plan, whole=None)
        self._full = self._plan.block_size
        self._buffer += raw

    def _submit(self) -> Iterator[bytes | Wait]:
        if self._pipeline.full:
            yield from self._emit()
        raw = bytes(self._buffer[: self._full])
        known: levels.Coded = {}
        if self._plan.cut is not None:
            raw = raw[: self._plan.cut(raw, self._plan.block_size)]
        if self._plan.open:
            self._plan, known = levels.decided(self._plan, raw, self.raw_size == len(raw))
            self._pipeline.close()
            self._pipeline = self._working()
        if self._plan.pictures:
            self._plan = levels.pictured(self._plan, raw)
            if self._plan.pictures:  # none is looked for later
                self._plan = replace(self._plan, pictures=False)
            else:
                self._pipeline.close()
                self._pipeline = self._working()
                if self._plan.cut is not None:
                    # Rows follow. One byte less than there is, so that some do, whatever comes in.
                    raw = raw[: self._plan.cut(raw, len(raw) - 1)]
                    self._full = self._plan.block_size + 1
        del self._buffer[: len(raw)]
        kept = self._next_kept()
        if kept is None and known:  # it is coded, but for what comes after, and it is the first
            yield from self._lay(_code(self._plan, raw, known), raw)
            return
        if kept is None:
            self._raw.append(raw)
            self._pipeline.submit(raw)
            return
        yield from self._keep(kept, raw)

    def _keep(self, kept: Block, raw: bytes) -> Iterator[bytes]:
        _check_same(self._plan, kept, raw, self._crew)
        self.kept_raw += len(raw)
        self.kept_blocks += 1
        head = kept.head
        block = _Coded(head.coder, kept.coded, head.raw_check, head.coded_check)
        yield from self._lay(block, raw)

    def _working(self) -> Pipeline[bytes, _Coded]:
        # Where blocks are cut is decided here, so that workers need not be told.
        return Pipeline(partial(_code, replace(self._plan, cut=None)), self._threads, self._crew)

    def _next_kept(self) -> Block | None:
        kept = next(self._kept, None)
        self.keeping = kept is not None
        return kept

    def _emit(self) -> Iterator[bytes | Wait]:
        if not self._pipeline.ready:
            yield Wait(self._pipeline, last=self._finished and not self._buffer)
        yield from self._lay(self._pipeline.take(), self._raw.popleft())

    def _lay(self, block: _Coded, raw: bytes) -> Iterator[bytes]:
        self.raw_done += len(raw)
        if self._member is not None and self._member.blocks == sections.MEMBER_BLOCKS:
            yield self._member.tail()
            self._member = None
        if self._member is None:
            # No block is larger than the first, so a small file asks for little memory.
            size, plan = len(raw), self._plan
            if plan.cut is not None and self.raw_size > size:
                size = plan.block_size  # for a cut may make the first one smaller than others
            elif size < plan.block_size or plan.cut is not None:  # and it is the only one
                plan = plan.lean(block.coder)
            self._member = _Member(plan, size)
            yield self._member.head
        yield self._member.block(block, raw)
        self.blocks += 1


@dataclass(frozen=True)
class _Coded:
    coder: int
    coded: bytes
    raw_check: int
    coded_check: int


def _fitting(plan: Plan, limit: int) -> int | None:
    """The largest file of a picture that may be one block, by what coding it takes."""
    if plan.whole is None:
        return None
    coder = coders.pixels()

    def needed(size: int) -> int:
        return coder.memory(size) + size * plan.verifies(coder) + held(1, size)

    return bisect_right(range(plan.whole + 1), limit, key=needed) - 1


def _memory(plan: Plan) -> int:
    return plan.memory


def _check_same(plan: Plan, kept: Block, raw: bytes, crew: Crew | None) -> None:
    """Refuse a kept block that is not what `plan` makes of these bytes."""
    if kept.head.raw_size != len(raw):
        raise DoesNotFit(
            f"its block {kept.index} holds {kept.head.raw_size} bytes and would hold {len(raw)} "
            "now: the block size or the input is another"
        )
    if kept.head.raw_check != checks.x32(raw):
        raise DoesNotFit(
            f"the input is another: bytes {kept.raw_start} to {kept.raw_start + len(raw)} differ"
        )
    alike = partial(coders.cuts_alike, plan.coders[kept.head.coder], kept.coded)
    # Where others work, this process may do without the model.
    if not (alike(raw) if crew is None else once(alike, raw, crew)):
        raise DoesNotFit(f"its block {kept.index} is cut into another number of streams")
    if plan.verify:  # whoever wrote it may have done without
        intact = partial(verify.gives_back, plan, kept.head.coder, kept.coded)
        if not (intact(raw) if crew is None else once(intact, raw, crew)):
            raise DoesNotFit(f"its block {kept.index} cannot be decoded to what it was made from")


def _code(plan: Plan, raw: bytes, known: levels.Coded | None = None) -> _Coded:
    try:
        coder, coded = verify.encode(plan, raw, known)
    except MemoryError:
        raise NczError(
            f"out of memory while coding a block of {len(raw)} bytes; "
            "use fewer threads, a lower level or smaller blocks"
        ) from None
    return _Coded(coder, coded, checks.x32(raw), checks.x32(coded))


class _Member:
    """The layout of one member as it grows."""

    def __init__(self, plan: Plan, block_size: int) -> None:
        specs = tuple(coder.spec for coder in plan.coders)
        self.head = header.pack(header.Header(specs, block_size, models=plan.models))
        self.blocks = 0
        self._offset = self._gap = len(self.head)
        self._raw_size = 0
        self._entries = bytearray()
        self._content = checks.Running()

    def block(self, block: _Coded, raw: bytes) -> bytes:
        size = len(raw)
        head = sections.BlockHead(
            block.coder, self._raw_size, size, len(block.coded), block.raw_check, block.coded_check
        )
        section = sections.pack_block(self._offset, head, block.coded)
        self._entries += sections.pack_entry(sections.Entry(self._gap, len(section), 0, size))
        self._content.update(raw)
        self._offset += len(section)
        self._raw_size += size
        self._gap = 0
        self.blocks += 1
        return section

    def tail(self) -> bytes:
        entries = bytes(self._entries)
        check = self._content.value
        return sections.pack_tail(self._offset, entries, self.blocks, self._gap, check)
