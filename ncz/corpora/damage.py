"""Damage of every kind to an .ncz file: what can go wrong with each of its parts, one at a time.

A fault knows what it has done, so that what a decoder says of it can be held against it. Offsets
are of the file before the damage, and as everything before a fault is as it was, of the damaged
one up to there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from ncz.codec.checks import x32
from ncz.formats import header as headers
from ncz.formats import sections
from ncz.formats.header import Header
from ncz.formats.sections import BlockHead

KINDS = ("flip", "forge", "drop", "duplicate", "swap", "truncate")


@dataclass(frozen=True)
class Part:
    """A header, a block, a skippable section or a tail.

    Attributes:
        kind: which of these.
        member: where the member begins that it is in, in the file.
        start: its first byte in the file.
        body: the first byte behind its head; of a header, its check.
        end: behind its last byte.
        block: number of blocks in the file before it.
        content: bytes of content before it.
        head: of a block, as it was read.
    """

    kind: str
    member: int
    start: int
    body: int
    end: int
    block: int
    content: int
    head: BlockHead | None = None

    @property
    def name(self) -> str:
        """For people."""
        number = f" {self.block}" if self.kind == "block" else ""
        return f"{self.kind}{number} at offset {self.start}"


@dataclass(frozen=True)
class Fault:
    """A file with one thing wrong.

    Attributes:
        kind: one of :data:`KINDS`.
        where: the first part that is not what it was.
        at: the first byte that differs, or the end of a file that was cut.
        said: what was done, for people.
        data: the damaged file.
        across: two members have exchanged something.
    """

    kind: str
    where: Part
    at: int
    said: str
    data: bytes
    across: bool = False


def parts(coded: bytes) -> list[Part]:
    """Every part of a whole file, in file order, without gaps.

    Raises:
        NczError, ValueError: it is no whole .ncz file.
    """
    found: list[Part] = []
    at = block = content = 0
    while at < len(coded):
        member, raw = at, 0
        header, size = headers.parse(coded[at:])
        found.append(Part("header", member, at, at + size - 4, at + size, block, content))
        at += size
        while found[-1].kind != "tail":
            head, size = sections.parse_head(coded[at:], at - member, header)
            if isinstance(head, BlockHead):
                made = Part("block", member, at, at + size, 0, block, content + raw, head)
                end = made.body + head.coded_size
                raw += head.raw_size
                block += 1
            else:
                kind = "tail" if head.type == sections.TAIL else "skippable"
                made = Part(kind, member, at, at + size, 0, block, content + raw)
                end = made.body + head.size + 4 * (kind == "tail")
            found.append(replace(made, end=end))
            at = end
        content += raw
    return found


def faults(coded: bytes, every_byte: bool = True) -> Iterator[Fault]:
    """Every fault of every kind.

    Args:
        coded: a whole file.
        every_byte: flip a bit of each byte, and not only of some in each part: where decoding is
            slow.
    """
    known = parts(coded)
    for part in known:
        span = range(part.start, part.end)
        for at in span if every_byte else sorted(_some(part)):
            for mask in (1 << at % 8, 0xFF) if every_byte else (1 << at % 8,):
                flipped = bytes([coded[at] ^ mask])
                data = coded[:at] + flipped + coded[at + 1 :]
                yield Fault("flip", part, at, f"byte {at} ^ {mask:#04x} ({part.name})", data)
    for number, part in enumerate(known):
        if part.head is not None:
            header = next(one for one in known[number::-1] if one.kind == "header")
            yield from _forged(coded, header, part, every_byte)
    yield from _changed(coded, known)
    yield from _cut(coded, known)


def _some(part: Part) -> set[int]:
    middle, last = (part.body + part.end) // 2, part.end - 1
    near = {part.start + 1, part.body - 5, part.body - 1, part.body, part.body + 1, middle, last}
    return {at for at in near | {part.start} if part.start <= at < part.end}


def _forged(coded: bytes, header: Part, part: Part, every_byte: bool) -> Iterator[Fault]:
    """A block whose coded data is wrong and whose checks of it are right: the coder has to cope."""
    assert part.head is not None
    data = coded[part.body : part.end]
    known: Header = headers.parse(coded[header.start : header.end])[0]
    size = len(data)
    wrong = [data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :] for at in range(size)]
    if not every_byte:
        wrong = [wrong[at] for at in sorted({0, size // 2, size - 1}) if size]
    wrong += [data[: size // 2], b"", bytes(size), b"\xff" * size, data + b"\x01"]
    for number, other in enumerate(wrong):
        if other == data or len(other) > part.head.raw_size + sections.MAX_GROWTH:
            continue
        for coder in range(len(known.coders)) if number == 0 else (part.head.coder,):
            head = replace(part.head, coder=coder, coded_size=len(other), coded_check=x32(other))
            section = sections.pack_block(part.start - part.member, head, other)
            made = coded[: part.start] + section + coded[part.end :]
            said = f"{part.name} with other data, number {number}, and the checks of that"
            yield Fault("forge", part, _first(coded, made), said, made)


def _changed(coded: bytes, known: list[Part]) -> Iterator[Fault]:
    """Parts, their heads, their data and single bytes at their ends: gone, doubled, exchanged."""
    pieces: list[tuple[Part, int, int]] = []
    for part in known:
        pieces += [(part, part.start, part.end), (part, part.start, part.body)]
        pieces += [(part, part.body, part.end)]
        for edge in (part.start, part.body, part.end):
            near = {max(0, edge - 1), edge, min(edge + 1, len(coded) - 1)}
            pieces += [(part, at, at + 1) for at in sorted(near) if part.start <= at < part.end]
    for part, start, end in dict.fromkeys(pieces):
        said = f"bytes {start} to {end} ({part.name})"
        yield from _unless_same(coded, known, "drop", said, coded[:start] + coded[end:])
        yield from _unless_same(coded, known, "duplicate", said, coded[:end] + coded[start:])
    for one, other in _pairs(known):
        for a, b, c, d in (
            (one.start, one.end, other.start, other.end),
            (one.body, one.end, other.body, other.end),
        ):
            data = coded[:a] + coded[c:d] + coded[b:c] + coded[a:b] + coded[d:]
            for fault in _unless_same(coded, known, "swap", f"{one.name} and {other.name}", data):
                yield replace(fault, across=one.member != other.member)


def _pairs(known: list[Part]) -> Iterator[tuple[Part, Part]]:
    """Neighbours, and every two blocks."""
    yield from pairwise(known)
    blocks = [part for part in known if part.kind == "block"]
    for number, one in enumerate(blocks):
        yield from ((one, other) for other in blocks[number + 1 :] if one.end != other.start)


def _cut(coded: bytes, known: list[Part]) -> Iterator[Fault]:
    edges = {edge for part in known for edge in (part.start, part.body, part.end)}
    for end in sorted({at for edge in edges for at in (edge - 1, edge, edge + 1)}):
        if 0 <= end < len(coded):
            said = f"cut to {end} bytes"
            yield Fault("truncate", _at(known, end), end, said, coded[:end])


def _unless_same(
    coded: bytes, known: Iterable[Part], kind: str, said: str, data: bytes
) -> Iterator[Fault]:
    if data != coded:
        at = _first(coded, data)
        yield Fault(kind, _at(known, at), at, f"{kind} {said}", data)


def _at(known: Iterable[Part], at: int) -> Part:
    last = None
    for last in known:
        if at < last.end:
            return last
    assert last is not None  # a file has parts
    return last


def _first(one: bytes, other: bytes) -> int:
    """The first byte in which they differ."""
    same = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(same, min(len(one), len(other)))
