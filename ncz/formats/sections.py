"""The sections of a member, byte by byte: blocks, skippable sections, the tail.

Every section opens with a head that carries a check of its own. The check takes in where in the
member the head stands, so a head that is found by searching, after damage, cannot be
one that merely lies there as data (a stored .ncz file inside an .ncz file).
"""

from __future__ import annotations

from dataclasses import dataclass

from ncz.codec import varint
from ncz.codec.checks import x32
from ncz.formats.header import Header

BLOCK = 0x01
TAIL = 0x02
SKIPPABLE = range(0x80, 0x100)

MAX_HEAD = 1 + 5 * varint.MAX_SIZE + 3 * 4  # bytes of the longest head: a block's
MIN_BLOCK = 1 + 5 + 3 * 4  # bytes of the shortest block section, less its coded data
MIN_TAIL = 1 + 1 + 2 * 4 + 1 + 1 + 8  # bytes of the shortest tail, less the size that ends it
MAX_GROWTH = 64  # bytes that coded data may exceed its raw bytes by
MEMBER_BLOCKS = 1 << 20  # then a writer begins a new member: a tail's list stays below some 16 MB
MAX_BODY = (1 << 32) - 64  # bytes of a skippable section's or a tail's body; so its size fits a u32


@dataclass(frozen=True)
class BlockHead:
    """The head of a block section.

    Attributes:
        coder: index into the header's coders.
        raw_start: bytes of the payload before this block.
        raw_size: bytes of the payload in this block, 1 to the header's block size.
        coded_size: bytes of coded data after this head.
        raw_check: X32 of the raw bytes.
        coded_check: X32 of the coded data.
        payload: number of the payload.
    """

    coder: int
    raw_start: int
    raw_size: int
    coded_size: int
    raw_check: int
    coded_check: int
    payload: int = 0


@dataclass(frozen=True)
class BodyHead:
    """The head of a skippable section or of a tail.

    Attributes:
        type: the section's type.
        size: bytes of the body after this head.
        check: X32 of the body.
    """

    type: int
    size: int
    check: int


@dataclass(frozen=True)
class Entry:
    """What the tail says of one block.

    Attributes:
        gap: bytes between the section of the block before, or the magic's start, and this one.
        size: bytes of the section, head and coded data.
        payload: number of the payload.
        raw_size: bytes of the payload in this block.
    """

    gap: int
    size: int
    payload: int
    raw_size: int


@dataclass(frozen=True)
class Tail:
    """The body of a tail.

    Attributes:
        entries: one for each block, in file order.
        last_gap: bytes between the last block, or the magic's start, and the tail.
        content_check: XXH64 of the restored content.
    """

    entries: tuple[Entry, ...]
    last_gap: int
    content_check: int

    @property
    def offset(self) -> int:
        """Where in the member the tail stands."""
        return sum(entry.gap + entry.size for entry in self.entries) + self.last_gap

    @property
    def raw_size(self) -> int:
        """Bytes of content in the member."""
        return sum(entry.raw_size for entry in self.entries)


def pack_block(offset: int, head: BlockHead, coded: bytes) -> bytes:
    """A block section that stands `offset` bytes from its member's start."""
    fields = (head.payload, head.coder, head.raw_start, head.raw_size, head.coded_size)
    out = bytes([BLOCK]) + b"".join(map(varint.encode, fields))
    return _seal(offset, out + _u32(head.raw_check) + _u32(head.coded_check)) + coded


def pack_body(offset: int, type_: int, body: bytes) -> bytes:
    """A skippable section, or a tail without the tail size that ends it."""
    out = bytes([type_]) + varint.encode(len(body)) + _u32(x32(body))
    return _seal(offset, out) + body


def pack_tail(offset: int, entries: bytes, count: int, last_gap: int, content_check: int) -> bytes:
    """The end of a member. `entries` are `count` results of :func:`pack_entry`, joined."""
    body = varint.encode(count) + entries + varint.encode(last_gap)
    section = pack_body(offset, TAIL, body + content_check.to_bytes(8, "little"))
    return section + _u32(len(section))


def pack_entry(entry: Entry) -> bytes:
    """What the tail says of one block."""
    return b"".join(map(varint.encode, (entry.gap, entry.size, entry.payload, entry.raw_size)))


def parse_head(
    data: bytes | bytearray, offset: int, header: Header | None
) -> tuple[BlockHead | BodyHead, int]:
    """The head at the start of `data`, which stands `offset` bytes from its member's start.

    Only a block's head is checked against `header`; without one, no block is expected.

    Returns:
        the head and its size.

    Raises:
        varint.Incomplete: `data` ends inside of it.
        ValueError: no valid head is there; the message says why.
    """
    if not data:
        raise varint.Incomplete
    type_ = data[0]
    if type_ == BLOCK and header is not None:
        fields, position = [], 1
        for _ in range(5):
            value, position = varint.decode(data, position)
            fields.append(value)
        raw_check, coded_check = _take_u32(data, position), _take_u32(data, position + 4)
        _check_seal(data, position + 8, offset)
        payload, coder, raw_start, raw_size, coded_size = fields
        if payload != 0:
            raise ValueError(f"it names payload {payload}, which the member's format does not have")
        if coder >= len(header.coders):
            raise ValueError(f"it names coder {coder}, which the header does not list")
        if not 1 <= raw_size <= header.block_size:
            raise ValueError(f"its raw size is {raw_size}: over the header's block size, or none")
        if coded_size > raw_size + MAX_GROWTH:
            raise ValueError(f"it declares {coded_size} coded bytes for {raw_size} raw ones")
        head = BlockHead(coder, raw_start, raw_size, coded_size, raw_check, coded_check, payload)
        return head, position + 12
    if type_ == TAIL or type_ in SKIPPABLE:
        size, position = varint.decode(data, 1)
        check = _take_u32(data, position)
        _check_seal(data, position + 4, offset)
        if size > MAX_BODY:
            raise ValueError(f"it declares a body of {size} bytes")
        return BodyHead(type_, size, check), position + 8
    raise ValueError(f"no section has type {type_}")


def parse_tail_section(data: bytes) -> Tail:
    """A tail that was found from behind, without the size that ends it.

    Raises:
        ValueError: it is damaged, or none.
    """
    try:
        size, position = varint.decode(data, 1)
        tail = parse_tail(data[position + 8 :])
        if tail.offset >= varint.LIMIT:
            raise ValueError("its list is of more bytes than a file can have")
        head, _ = parse_head(data, tail.offset, None)
    except varint.Incomplete:
        raise ValueError("it ends too early") from None
    if not isinstance(head, BodyHead) or head.type != TAIL or len(data) != position + 8 + size:
        raise ValueError("it is no tail")
    if x32(data[position + 8 :]) != head.check:
        raise ValueError("its check does not hold")
    return tail


def parse_tail(body: bytes) -> Tail:
    """The body of a tail.

    Raises:
        ValueError: it breaks the format.
    """
    try:
        count, position = varint.decode(body)
        entries = []
        for _ in range(count):  # ends with the body at the latest
            fields = []
            for _ in range(4):
                value, position = varint.decode(body, position)
                fields.append(value)
            entries.append(Entry(*fields))
        last_gap, position = varint.decode(body, position)
    except varint.Incomplete:
        raise ValueError("it ends too early") from None
    if len(body) != position + 8:
        raise ValueError("its size does not fit its list")
    check = int.from_bytes(body[position:], "little")
    return Tail(tuple(entries), last_gap, check)


def _seal(offset: int, head: bytes) -> bytes:
    return head + _u32(x32(offset.to_bytes(8, "little") + head))


def _check_seal(data: bytes | bytearray, position: int, offset: int) -> None:
    found = _take_u32(data, position)
    if found != x32(offset.to_bytes(8, "little") + data[:position]):
        raise ValueError("its head check does not hold")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _take_u32(data: bytes | bytearray, position: int) -> int:
    if len(data) < position + 4:
        raise varint.Incomplete
    return int.from_bytes(data[position : position + 4], "little")
