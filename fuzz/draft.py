"""A container taken apart, to be changed anywhere and put together again.

What a field says may be a lie: nothing is checked on writing. Checks that a decoder meets on its
way to a deeper layer (of heads, coded data, lists) are computed over what is written, so that the
lie is all that is wrong. The two checks of content, a block's raw check and the member's content
check, are never computed from anything but content that is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ncz.codec import varint
from ncz.codec.checks import x32, xxh64
from ncz.formats import header as headers
from ncz.formats import sections
from ncz.formats.header import Header
from ncz.formats.sections import BlockHead, Entry


@dataclass
class Block:
    """A block section. None is what follows from the rest.

    Attributes:
        coder: index into the header's coders.
        coded: coded data.
        raw: the content that it holds.
        raw_check: X32 of `raw`, or a lie.
        raw_size, raw_start, coded_size, coded_check, payload: lies.
    """

    coder: int
    coded: bytes
    raw: bytes
    raw_check: int
    raw_size: int | None = None
    raw_start: int | None = None
    coded_size: int | None = None
    coded_check: int | None = None
    payload: int = 0


@dataclass
class Skippable:
    """A skippable section, of a type from 0x80 or a lie."""

    type: int
    body: bytes


@dataclass
class Tail:
    """What the tail says. None is what follows from the rest.

    Attributes:
        content_check: XXH64 of the member's content, or a lie.
        count, last_gap, size: lies.
        entries: number of a block to what the list says of it: gap, size, payload, raw size.
    """

    content_check: int
    count: int | None = None
    last_gap: int | None = None
    size: int | None = None
    entries: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)


@dataclass
class Member:
    """One member of a container."""

    header: Header
    sections: list[Block | Skippable]
    tail: Tail

    @property
    def blocks(self) -> list[Block]:
        """Its blocks, in order."""
        return [section for section in self.sections if isinstance(section, Block)]

    @property
    def content(self) -> bytes:
        """What its blocks hold."""
        return b"".join(block.raw for block in self.blocks)

    def vouch(self) -> None:
        """Make both checks of content true of what is known to be the content."""
        for block in self.blocks:
            block.raw_check = x32(block.raw)
        self.tail.content_check = xxh64(self.content)

    def pieces(self) -> list[bytes]:
        """The bytes of the header, of every section, and of the tail."""
        out = [headers.pack(self.header)]
        offset, gap_from, raw, number, entries = len(out[0]), 0, 0, 0, b""
        for section in self.sections:
            if isinstance(section, Skippable):
                out.append(sections.pack_body(offset, section.type, section.body))
            else:
                out.append(_block(offset, raw, section))
                size = len(section.raw) if section.raw_size is None else section.raw_size
                entry = offset - gap_from, len(out[-1]), section.payload, size
                entries += sections.pack_entry(Entry(*self.tail.entries.get(number, entry)))
                gap_from, raw, number = offset + len(out[-1]), raw + size, number + 1
            offset += len(out[-1])
        out.append(self._tail(offset, offset - gap_from, entries))
        return out

    def pack(self) -> bytes:
        """All of its bytes."""
        return b"".join(self.pieces())

    def _tail(self, offset: int, last_gap: int, entries: bytes) -> bytes:
        tail = self.tail
        count = len(self.blocks) if tail.count is None else tail.count
        gap = last_gap if tail.last_gap is None else tail.last_gap
        packed = sections.pack_tail(offset, entries, count, gap, tail.content_check)
        if tail.size is None:
            return packed
        return packed[:-4] + (tail.size & 0xFFFFFFFF).to_bytes(4, "little")


def take_apart(data: bytes, content: bytes) -> list[Member]:
    """The members of a whole container that holds `content`.

    Raises:
        ValueError: it is none, or holds something else.
    """
    members, position, at = [], 0, 0
    while position < len(data):
        start = position
        header, size = headers.parse(data[start:])
        position = start + size
        found: list[Block | Skippable] = []
        while True:
            head, size = sections.parse_head(data[position:], position - start, header)
            position += size
            if isinstance(head, BlockHead):
                coded = data[position : position + head.coded_size]
                raw = content[at : at + head.raw_size]
                found.append(Block(head.coder, coded, raw, head.raw_check))
                position, at = position + head.coded_size, at + head.raw_size
                continue
            body = data[position : position + head.size]
            position += head.size
            if head.type == sections.TAIL:
                break
            found.append(Skippable(head.type, body))
        check = sections.parse_tail(body).content_check
        position += 4
        members.append(Member(header, found, Tail(check)))
        if members[-1].pack() != data[start:position]:
            raise ValueError(f"the member at offset {start} does not hold what it should")
    if at != len(content):
        raise ValueError(f"it holds {at} bytes and should hold {len(content)}")
    return members


def _block(offset: int, raw_start: int, block: Block) -> bytes:
    def told(lie: int | None, truth: int) -> int:
        # What is true of earlier lies can be beyond all bounds, too.
        return min(max(truth if lie is None else lie, 0), varint.LIMIT - 1)

    head = BlockHead(
        block.coder,
        told(block.raw_start, raw_start),
        told(block.raw_size, len(block.raw)),
        told(block.coded_size, len(block.coded)),
        block.raw_check & 0xFFFFFFFF,
        told(block.coded_check, x32(block.coded)) & 0xFFFFFFFF,
        block.payload,
    )
    return sections.pack_block(offset, head, block.coded)
