"""Where every block of a seekable file is, read from the tails without touching the blocks.

A file's last four bytes lead to its last tail, that tail to its member's start, and so back to
the first member. Costs one read a member, and some hundred bytes of memory a block.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from ncz.codec import varint
from ncz.codec.errors import CorruptBlock, FormatError, MemoryLimitError, TruncatedError
from ncz.formats import header as headers
from ncz.formats import parse, sections
from ncz.formats.events import Block, Need, Trailing
from ncz.formats.header import Header
from ncz.formats.window import Window

_LONGEST_HEADER = headers.MAX_BODY + 32
_CHUNK = 1 << 20
_OF_BLOCK = 512  # bytes that an index takes for a block, at most
_OF_MEMBER = 2048  # and for a member
_OF_CODER = 1024  # and for what another header names


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Where a block is.

    Attributes:
        number: in the file, from 0.
        member: number of its member, from 0.
        offset: of its section, in the file.
        size: of its section, head included.
        raw_start: of its first byte, in the content.
        raw_size: bytes of content in it.
    """

    number: int
    member: int
    offset: int
    size: int
    raw_start: int
    raw_size: int


@dataclass(frozen=True)
class MemberPlace:
    """Where a member is, and what its header and its tail say.

    Attributes:
        offset: of its magic, in the file.
        size: up to the end of its tail.
        header: how its blocks are coded.
        first_block: number in the file of its first block.
        blocks: how many there are.
        raw_start: of its first byte, in the content.
        raw_size: bytes of content in it.
        content_check: XXH64 of its content.
    """

    offset: int
    size: int
    header: Header
    first_block: int
    blocks: int
    raw_start: int
    raw_size: int
    content_check: int


@dataclass(frozen=True)
class Index:
    """Places of all members and blocks, in file order; `base` is where in the stream they begin."""

    base: int
    size: int
    members: tuple[MemberPlace, ...]
    blocks: tuple[BlockPlace, ...]

    @property
    def raw_size(self) -> int:
        """Bytes of content in the file."""
        last = self.members[-1]
        return last.raw_start + last.raw_size

    def block_at(self, position: int) -> int:
        """The number of the block that holds the content's byte at `position`, which must exist."""
        return bisect_right(self._starts, position) - 1

    @cached_property
    def _starts(self) -> list[int]:
        return [block.raw_start for block in self.blocks]


class Room:
    """How much memory an index may take yet.

    Args:
        limit: bytes, None for any.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.taken = 0

    def take(self, size: int) -> None:
        """So many bytes more are about to be held.

        Raises:
            MemoryLimitError: there is no room for them.
        """
        self.taken += size
        if self.limit is not None and self.taken > self.limit:
            raise MemoryLimitError(self.taken, self.limit)


def load(src: BinaryIO, memlimit: int | None = None) -> Index:
    """The index of the file that begins where `src` stands and goes on to its end.

    Raises:
        FormatError: it is no whole .ncz file; the kind and the message say what is wrong.
        MemoryLimitError: it has so many blocks that an index of them takes more.
    """
    base = src.tell()
    size = src.seek(0, 2) - base
    room = Room(memlimit)
    found = list(survey(src, base, size, room))[::-1]
    members = []
    headers_seen: dict[Header, Header] = {}
    try:
        if not found or found[0][0] != 0:
            raise ValueError("the first member was not reached")
        for start, end, tail in found:
            data = _read(src, base + start, min(_LONGEST_HEADER, tail.offset))
            header, header_size = headers.parse(data)
            _check(header, header_size, tail)
            if header not in headers_seen:
                named = len(header.coders) + len(header.models)
                room.take(header_size + named * _OF_CODER)
            members.append((start, end, headers_seen.setdefault(header, header), tail))
    except (FormatError, ValueError, varint.Incomplete):
        src.seek(base)
        _explain(src)
    return _number(base, size, members)


def read_block(src: BinaryIO, index: Index, place: BlockPlace) -> Block:
    """The framing of one block, checked, and its coded data, not checked.

    Raises:
        CorruptBlock: the block's head is damaged.
    """
    data = _read(src, index.base + place.offset, place.size)
    head, size = _parse(data, index, place)
    return Block(place.number, place.offset, place.raw_start, head, data[size:])


def read_head(src: BinaryIO, index: Index, place: BlockPlace) -> sections.BlockHead:
    """The head of one block, checked.

    Raises:
        CorruptBlock: it is damaged.
    """
    data = _read(src, index.base + place.offset, min(place.size, sections.MAX_HEAD))
    return _parse(data, index, place)[0]


def _parse(data: bytes, index: Index, place: BlockPlace) -> tuple[sections.BlockHead, int]:
    member = index.members[place.member]
    try:
        head, size = sections.parse_head(data, place.offset - member.offset, member.header)
    except varint.Incomplete:
        reason = "its head does not fit its section"
    except ValueError as error:
        reason = str(error)
    else:
        if (
            isinstance(head, sections.BlockHead)
            and size + head.coded_size == place.size
            and head.raw_size == place.raw_size
            and head.raw_start == place.raw_start - member.raw_start
        ):
            return head, size
        reason = "its head and the tail disagree"
    end = place.raw_start + place.raw_size
    raise CorruptBlock(place.number, place.offset, place.raw_start, end, reason)


def survey(
    src: BinaryIO, base: int, end: int, room: Room | None = None
) -> Iterator[tuple[int, int, sections.Tail]]:
    """Start, end and tail of all members from the last one back, as far as tails are whole.

    Raises:
        MemoryLimitError: they do not fit into `room`.
    """
    while end:
        try:
            size = int.from_bytes(_read(src, base + end - 4, 4), "little") if end >= 4 else 0
            at = end - 4 - size
            if not sections.MIN_TAIL <= size <= sections.MAX_TAIL + sections.MAX_HEAD or at < 0:
                return
            data = _read(src, base + at, size)
            if room is not None:
                room.take(_OF_MEMBER + min(size, sections.blocks_of(data)) * _OF_BLOCK)
            tail = sections.parse_tail_section(data)
        except ValueError:
            return
        start = at - tail.offset
        if start < 0:
            return
        yield start, end, tail
        end = start


def _check(header: Header, header_size: int, tail: sections.Tail) -> None:
    first = tail.entries[0].gap if tail.entries else tail.last_gap
    if first < header_size:
        raise ValueError("a tail's list begins inside of the header")
    for entry in tail.entries:
        if entry.payload or not 1 <= entry.raw_size <= header.block_size:
            raise ValueError("a tail names a block that the header does not allow")
        coded = entry.size - sections.MIN_BLOCK
        if not 0 <= coded <= sections.MAX_HEAD + entry.raw_size + sections.MAX_GROWTH:
            raise ValueError("a tail names a section that no block can have")


_Found = tuple[int, int, Header, sections.Tail]


def _number(base: int, size: int, found: list[_Found]) -> Index:
    members: list[MemberPlace] = []
    blocks: list[BlockPlace] = []
    content = 0
    for start, end, header, tail in found:
        first_block, raw_start, offset = len(blocks), content, start
        for entry in tail.entries:
            offset += entry.gap
            number = len(blocks)
            place = BlockPlace(number, len(members), offset, entry.size, content, entry.raw_size)
            blocks.append(place)
            offset += entry.size
            content += entry.raw_size
        members.append(
            MemberPlace(
                start,
                end - start,
                header,
                first_block,
                len(tail.entries),
                raw_start,
                content - raw_start,
                tail.content_check,
            )
        )
    return Index(base, size, tuple(members), tuple(blocks))


def _explain(src: BinaryIO) -> None:
    """Raise what is wrong with a file that cannot be read from its end: read it from its start."""
    window = Window()
    for event in parse.events(window):
        if isinstance(event, Need):
            chunk = src.read(_CHUNK)
            window.feed(chunk)
            if not chunk:
                window.end()
        elif isinstance(event, Trailing):
            raise event.damage
    raise FormatError("the file cannot be read from its end, although it can from its start")


def _read(src: BinaryIO, offset: int, size: int) -> bytes:
    src.seek(offset)
    data = bytearray()
    while len(data) < size:
        piece = src.read(min(size - len(data), _CHUNK))
        if not piece:
            raise TruncatedError(f"the data ends at offset {offset + len(data)}, while it was read")
        data += piece
    return bytes(data)
