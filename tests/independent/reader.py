"""A second reader of the container, written from docs/format.md alone.

It shares no code with ncz and imports none of it: where both agree, it is because the page
says so. It checks the framing of a whole file in memory, and restores what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAGIC = bytes.fromhex("894E435A0D0A1A0A")
_MASK = (1 << 64) - 1
_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


class Broken(Exception):
    """The file breaks the format."""


@dataclass
class Block:
    offset: int  # in the file
    coder: int  # id, not index
    raw_start: int  # in the member
    raw_size: int
    raw_check: int
    coded: bytes


@dataclass
class Picture:
    colour: bool
    deep: bool
    metadata: bool
    thumbnail: tuple[int, int] | None  # width and height
    width: int
    height: int
    overlap: int
    columns: list[tuple[int, int]]  # where the cores of tiles begin and end
    rows: list[tuple[int, int]]
    alpha: bool

    def pieces(self) -> list[tuple[str, int, int]]:
        """What each block is, with the height and width it is of, in their order."""
        found = [("metadata", 0, 0)] * self.metadata
        if self.thumbnail:
            found.append(("latents", self.thumbnail[1], self.thumbnail[0]))
        for a, b in self.rows:
            for c, d in self.columns:
                top, bottom = max(a - self.overlap, 0), min(b + self.overlap, self.height)
                left, right = max(c - self.overlap, 0), min(d + self.overlap, self.width)
                found.append(("latents", bottom - top, right - left))
                if self.alpha:
                    found.append(("alpha", b - a, d - c))
        return found


@dataclass
class Member:
    offset: int
    block_size: int
    coders: list[tuple[int, bytes]]
    models: list[tuple[bytes, str]]
    blocks: list[Block] = field(default_factory=list)
    skippable: list[tuple[int, bytes]] = field(default_factory=list)
    content_check: int = 0
    picture: Picture | None = None


def read(data: bytes) -> list[Member]:
    """The members of a file, every check made but those that need a decoder."""
    if not data:
        raise Broken("empty")
    members = []
    position = 0
    while position < len(data):
        member, position = _member(data, position)
        members.append(member)
    _from_behind(data, members)
    pictures = [member.picture for member in members if member.picture]
    _hold(not pictures or len(members) == 1, "a picture stands alone")
    return members


def content(member: Member) -> bytes | None:
    """What the member holds, if all of it is stored; both checks made."""
    if any(block.coder != 0 for block in member.blocks):
        return None
    out = b""
    for block in member.blocks:
        _hold(len(block.coded) == block.raw_size, "a stored block's size")
        _hold(x32(block.coded) == block.raw_check, "raw check")
        out += block.coded
    _hold(xxh64(out) == member.content_check, "content check")
    return out


@dataclass
class Records:
    circuit: bytes  # b"" where the header names it
    count: int
    group: int
    rest: list[tuple[int, int, bytes]]  # raw size, how, body
    codes: list[bytes]  # of groups


def records(block: Block, payloads: int) -> Records:
    """What stands in a block by coder 5 or 6, after docs/coders.md and docs/circuits.md."""
    data, p = block.coded, 0
    circuit = b""
    if block.coder == 5:
        size, p = _varint(data, p)
        _hold(size <= len(data) - p, "the circuit")
        circuit, p = data[p : p + size], p + size
    count, p = _varint(data, p)
    _hold(1 <= count <= block.raw_size, "number of records")
    group, p = _varint(data, p)
    _hold(1 <= group <= 256, "records in a group")
    rest = []
    for _ in range(payloads):
        size, p = _varint(data, p)
        how, body = 0, b""
        if size:
            how = data[p]
            coded_size, p = _varint(data, p + 1)
            _hold(how == 1 or (how == 0 and coded_size == size), "a payload")
            _hold(coded_size <= len(data) - p, "a payload's body")
            body, p = data[p : p + coded_size], p + coded_size
        rest.append((size, how, body))
    _hold(sum(size for size, _, _ in rest) <= 2 * block.raw_size + 4096, "size of the rest")
    least, p = _varint(data, p)
    bits, p = _varint(data, p)
    groups = -(-count // group)
    more = _le(data, p, (bits * groups + 7) // 8)
    p += (bits * groups + 7) // 8
    codes = []
    for number in range(groups):
        size = least + (more >> (bits * number) & ((1 << bits) - 1))
        codes.append(data[p : p + size])
        p += size
    _hold(p == len(data), "the end of the groups")
    return Records(circuit, count, group, rest, codes)


def _member(data: bytes, start: int) -> tuple[Member, int]:
    _hold(data[start : start + 8] == MAGIC, "magic")
    _hold(data[start + 8] == 1, "version")
    size, at = _varint(data, start + 9)
    _hold(size <= 65536, "header body size")
    end = at + size
    _hold(x32(data[start:end]) == _u32(data, end), "header check")
    body = data[at:end]
    format_, p = _varint(body, 0)
    _hold(format_ in (0, 1), "format")
    size, p = _varint(body, p)
    _hold(p + size <= len(body), "format parameters")
    picture = _picture(body[p : p + size]) if format_ else None
    _hold(format_ == 1 or size == 0, "format parameters")
    p += size
    block_size, p = _varint(body, p)
    _hold(1 <= block_size <= 2**30, "block size")
    count, p = _varint(body, p)
    _hold(1 <= count <= 64, "number of coders")
    coders = []
    for _ in range(count):
        id_, p = _varint(body, p)
        n, p = _varint(body, p)
        _hold(n <= 4096 and p + n <= len(body), "coder parameters")
        coders.append((id_, body[p : p + n]))
        p += n
    count, p = _varint(body, p)
    _hold(count <= 16, "number of models")
    models = []
    for _ in range(count):
        number, p = _varint(body, p)
        if number:
            models.append((b"", f"number {number}"))
            continue
        digest = body[p : p + 32]
        n, p = _varint(body, p + 32)
        _hold(n <= 255 and p + n <= len(body), "model name")
        models.append((digest, body[p : p + n].decode()))
        p += n
    _hold(p == len(body), "end of header")
    member = Member(start, block_size, coders, models, picture=picture)
    position = _sections(data, end + 4, member)
    if picture:
        _hold(len(member.blocks) == len(picture.pieces()), "pieces of a picture")
    return member, position


def _picture(params: bytes) -> Picture:
    _hold(len(params) >= 2 and params[0] == 1 and params[1] < 32, "revision and flags of a picture")
    colour, alpha, deep, small, metadata = (bool(params[1] >> bit & 1) for bit in range(5))
    numbers, p = [], 2
    for _ in range(5):
        number, p = _varint(params, p)
        numbers.append(number)
    width, height, tile, overlap, quality = numbers
    _hold(p == len(params), "end of a picture's parameters")
    _hold(1 <= width <= 2**20 and 1 <= height <= 2**20, "sides")
    _hold(16 <= tile <= 2**14 and 4 * overlap <= tile, "tiles")
    _hold(100 <= quality <= 10_000, "quality")

    def cores(side: int) -> list[tuple[int, int]]:
        count = -(-side // tile)
        return [(k * side // count, (k + 1) * side // count) for k in range(count)]

    longest, thumbnail = max(width, height), None
    if small:
        sides = [width, height]
        if longest > 256:
            sides = [max((2 * side * 256 + longest) // (2 * longest), 1) for side in sides]
        thumbnail = sides[0], sides[1]
    return Picture(
        colour,
        deep,
        metadata,
        thumbnail,
        width,
        height,
        overlap,
        cores(width),
        cores(height),
        alpha,
    )


def _sections(data: bytes, position: int, member: Member) -> int:
    raw = 0
    last_end = member.offset
    expected: list[int] = []  # the numbers of the tail's list
    while True:
        at = position
        _hold(at < len(data), "a section")
        type_ = data[at]
        if type_ == 1:
            payload, p = _varint(data, at + 1)
            coder, p = _varint(data, p)
            raw_start, p = _varint(data, p)
            raw_size, p = _varint(data, p)
            coded_size, p = _varint(data, p)
            raw_check, coded_check = _u32(data, p), _u32(data, p + 4)
            _head_check(data, member, at, p + 8)
            _hold(payload == 0, "payload")
            _hold(coder < len(member.coders), "coder")
            _hold(raw_start == raw, "raw start")
            _hold(1 <= raw_size <= member.block_size, "raw size")
            _hold(coded_size <= raw_size + 64, "coded size")
            position = p + 12 + coded_size
            coded = data[p + 12 : position]
            _hold(len(coded) == coded_size, "coded data")
            _hold(x32(coded) == coded_check, "coded check")
            member.blocks.append(
                Block(at, member.coders[coder][0], raw, raw_size, raw_check, coded)
            )
            expected += [at - last_end, position - at, payload, raw_size]
            last_end = position
            raw += raw_size
        elif type_ == 2 or type_ >= 0x80:
            size, p = _varint(data, at + 1)
            check = _u32(data, p)
            _head_check(data, member, at, p + 4)
            _hold(size <= (2**26 if type_ == 2 else 2**32 - 64), "body size")
            body = data[p + 8 : p + 8 + size]
            _hold(len(body) == size, "body")
            _hold(x32(body) == check, "body check")
            position = p + 8 + size
            if type_ == 2:
                _hold(_u32(data, position) == position - at, "tail size")
                expected = [len(member.blocks), *expected, at - last_end]
                q = 0
                for number in expected:
                    found, q = _varint(body, q)
                    _hold(found == number, "the tail's list")
                _hold(len(body) == q + 8, "end of tail")
                member.content_check = int.from_bytes(body[q:], "little")
                return position + 4
            member.skippable.append((type_, body))
        else:
            raise Broken("section type")


def _from_behind(data: bytes, members: list[Member]) -> None:
    """Find the members once more, from the end of the file by their tails."""
    end = len(data)
    for member in reversed(members):
        size = _u32(data, end - 4)
        at = end - 4 - size
        _, p = _varint(data, at + 1)
        body = data[p + 8 : end - 4]
        count, q = _varint(body, 0)
        offset = 0
        for _ in range(count):
            gap, q = _varint(body, q)
            section, q = _varint(body, q)
            _, q = _varint(body, q)
            _, q = _varint(body, q)
            offset += gap + section
        last_gap, q = _varint(body, q)
        end = at - offset - last_gap
        _hold(end == member.offset, "the way back")
    _hold(end == 0, "the way back")


def _head_check(data: bytes, member: Member, at: int, end: int) -> None:
    offset = (at - member.offset).to_bytes(8, "little")
    _hold(x32(offset + data[at:end]) == _u32(data, end), "head check")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        _hold(position < len(data) and shift < 70, "varint")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if not byte & 128:
            _hold(byte != 0 or shift == 0, "shortest varint")
            _hold(value < 2**64, "varint below 2^64")
            return value, position
        shift += 7


def _u32(data: bytes, position: int) -> int:
    _hold(0 <= position <= len(data) - 4, "u32")
    return int.from_bytes(data[position : position + 4], "little")


def _hold(condition: bool, what: str) -> None:
    if not condition:
        raise Broken(what)


def x32(data: bytes) -> int:
    return xxh64(data) & 0xFFFFFFFF


def xxh64(data: bytes) -> int:
    """xxHash64, seed 0, step by step as its specification has it."""
    length, p = len(data), 0
    if length >= 32:
        acc = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while p + 32 <= length:
            for lane in range(4):
                acc[lane] = _round(acc[lane], _le(data, p + 8 * lane, 8))
            p += 32
        h = _rotl(acc[0], 1) + _rotl(acc[1], 7) + _rotl(acc[2], 12) + _rotl(acc[3], 18)
        for value in acc:
            h = ((h ^ _round(0, value)) * _P1 + _P4) & _MASK
    else:
        h = _P5
    h = (h + length) & _MASK
    while p + 8 <= length:
        h = (_rotl(h ^ _round(0, _le(data, p, 8)), 27) * _P1 + _P4) & _MASK
        p += 8
    if p + 4 <= length:
        h = (_rotl(h ^ (_le(data, p, 4) * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        p += 4
    while p < length:
        h = _rotl(h ^ (data[p] * _P5 & _MASK), 11) * _P1 & _MASK
        p += 1
    h = (h ^ h >> 33) * _P2 & _MASK
    h = (h ^ h >> 29) * _P3 & _MASK
    return h ^ h >> 32


def _round(acc: int, lane: int) -> int:
    return _rotl((acc + lane * _P2) & _MASK, 31) * _P1 & _MASK


def _rotl(value: int, by: int) -> int:
    value &= _MASK
    return (value << by | value >> (64 - by)) & _MASK


def _le(data: bytes, position: int, size: int) -> int:
    return int.from_bytes(data[position : position + size], "little")
