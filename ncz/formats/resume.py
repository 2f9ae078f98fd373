"""What an earlier run has left, for one that goes on from there.

An unfinished .ncz file says all that is needed itself: its header is how it was coded, and its
blocks carry checks of what they are and of what they were made from. Of restored content it is
the .ncz file that carries the checks. So there is nothing beside the file to be kept, to be lost
or to disagree, and a torn end, as a power failure leaves it, is a block whose check fails.

Everything here only reads. What is kept is handed to the encoder or the decoder, which puts it
where it would have put what it codes, so the output cannot differ from an uninterrupted run's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from ncz.codec import checks
from ncz.codec.errors import DoesNotFit, FormatError, NczError, TruncatedError
from ncz.formats import coders, levels, parse, sections
from ncz.formats import header as headers
from ncz.formats.events import Block, Event, MemberEnd, MemberStart, Need
from ncz.formats.header import Header
from ncz.formats.levels import Plan
from ncz.formats.window import Window

_CHUNK = 1 << 20  # bytes read at a time


def coded_blocks(file: BinaryIO, plan: Plan) -> Iterator[Block]:
    """The blocks at the start of an unfinished .ncz file that are whole, one after another.

    The header is read now, the rest of the file as blocks are asked for. The iterator ends before
    what is torn, damaged, or not as an :class:`~ncz.formats.encode.Encoder` lays it out. Whether
    a block is of the content at hand is left to the caller.

    Args:
        file: stands at its beginning; an empty one has no blocks.
        plan: how the content is to be coded.

    Raises:
        DoesNotFit: there is a header, and `plan` writes another one; or this is no .ncz file.
    """
    events = _events(file)
    try:
        start = next(events, None)
    except TruncatedError:
        return iter(())
    except FormatError as error:
        raise DoesNotFit(f"it is no unfinished .ncz file: {error}") from None
    if start is None:
        return iter(())
    assert isinstance(start, MemberStart)  # what the parser begins with
    difference = _difference(start.header, plan)
    if difference:
        raise DoesNotFit(difference)
    return _blocks(start, events, plan)


def restored(file: BinaryIO, start: int, block: Block, partly: bool = False) -> bytes | None:
    """The content of `block`, if `file` has it from byte `start` on, and nothing is wrong with it.

    Args:
        file: content that was restored up to some byte, seekable.
        start: where in it the block begins.
        block: what is to be there.
        partly: wrong bytes may stand where damage was passed over.

    Raises:
        DoesNotFit: it has the whole of the first block, and that is another content.
    """
    file.seek(start)
    raw = bytearray()
    while len(raw) < block.head.raw_size:
        piece = file.read(min(block.head.raw_size - len(raw), _CHUNK))
        if not piece:
            return None
        raw += piece
    if checks.x32(raw) == block.head.raw_check:
        return bytes(raw)
    if start == 0 and not partly:
        raise DoesNotFit("it begins with another content")
    return None


def _events(file: BinaryIO) -> Iterator[Event]:
    """What the parser says of `file`; nothing if it is empty."""
    window = Window()
    window.feed(file.read(_CHUNK))
    if not window.data:
        return
    for event in parse.events(window):
        if not isinstance(event, Need):
            yield event
        elif chunk := file.read(_CHUNK):
            window.feed(chunk)
        else:
            window.end()


def _blocks(start: MemberStart, events: Iterator[Event], plan: Plan) -> Iterator[Block]:
    at, count = start.offset + len(headers.pack(start.header)), 0
    while True:
        try:
            event = next(events, None)
        except NczError:
            return
        if isinstance(event, Block):
            head = event.head
            # The encoder leaves no gaps, and its blocks are of the size that the header says, but
            # those of pictures, which end with a row.
            rows = any(spec.id == coders.PIXELS for spec in start.header.coders)
            other = head.raw_size != start.header.block_size
            if event.offset != at or (count == 0 and other and not rows):
                return
            if checks.x32(event.coded) != head.coded_check:
                return
            at += len(sections.pack_block(at - start.offset, head, event.coded))
            count += 1
            yield event
        elif isinstance(event, MemberEnd) and count == sections.MEMBER_BLOCKS:
            at = event.end
        elif isinstance(event, MemberStart) and not _difference(event.header, plan):
            start, count = event, 0
            at += len(headers.pack(start.header))
        else:
            return


def _difference(header: Header, plan: Plan) -> str | None:
    """What tells this header from the one that `plan` writes for a block of its block size."""
    size = header.block_size
    if plan.pictures and plan.whole is not None and plan.block_size < size <= plan.whole:
        plan = replace(plan, block_size=plan.whole)  # whether it is one block is seen later
    if size > plan.block_size:
        return f"it has blocks of {size} bytes, and now they are to have {plan.block_size}"
    # Only a block that is all there is may be smaller, and leave out what it has no use for.
    plans: tuple[Plan, ...] = (plan,) if size == plan.block_size else (plan, plan.lean(None))
    # Whether it is a picture is seen in the first block, which was not read again yet.
    plans += tuple(levels.with_pictures(each) for each in plans if each.pictures)
    specs = [tuple(coder.spec for coder in each.coders) for each in plans]
    if header.coders not in specs:
        then, now = _names(header), ", ".join(coder.name for coder in plan.coders)
        if then == now:
            return f"it was coded with other parameters of {now}"
        return f"it was coded by {then}, and now it is to be by {now}"
    models = plans[specs.index(header.coders)].models
    if header.models != models:
        then, now = _list(header), _list(Header((), size, models=models))
        return f"it was coded with {then}, and now it is to be with {now}"
    return None


def _names(header: Header) -> str:
    return ", ".join(coders.name(spec, header.models) for spec in header.coders)


def _list(header: Header) -> str:
    if not header.models:
        return "no model"
    return ", ".join(f"{model.name} ({model.digest.hex()[:16]}…)" for model in header.models)
