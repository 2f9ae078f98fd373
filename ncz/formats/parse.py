"""The structure of an .ncz file as a sequence of events, and the way back in after damage.

The parser is a generator: it yields :class:`Need` where it wants more bytes in its window, so
that one parser serves files, pipes and callers that push. It checks all framing and decodes
nothing. It holds one block at most.

After damage to framing it searches for the next head in the member that is whole. A head's check
takes in its place, so data that looks like a head does not pass for one.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TypeVar

from ncz.codec import varint
from ncz.codec.checks import Running, x32
from ncz.codec.errors import CorruptBlock, FormatError, TruncatedError
from ncz.formats import header as headers
from ncz.formats import sections
from ncz.formats.events import (
    Block,
    Event,
    Known,
    Lost,
    MemberEnd,
    MemberStart,
    Need,
    Rescue,
    Trailing,
)
from ncz.formats.header import Header
from ncz.formats.sections import BlockHead, BodyHead, Tail
from ncz.formats.window import Window

_STEP = 1 << 16  # bytes asked for where any number helps
_CANDIDATE = re.compile(
    rb"\x01\x00|\x02|\x01\Z", re.DOTALL
)  # how a block of payload 0, or a tail, starts


R = TypeVar("R")
Steps = Generator[Event, None, R]


def events(window: Window, keep_going: bool = False, rescue: Rescue | None = None) -> Steps[None]:
    """Parse members until the window ends, or until what follows a tail is no member.

    Args:
        window: to be fed by the caller at every :class:`Need`.
        keep_going: yield :class:`Lost` for damage and go on.
        rescue: the first known member from an offset on; a way on where a header is damaged.

    Raises:
        CorruptBlock, FormatError, UnsupportedError, TruncatedError: at the first damage; with
            `keep_going` only where nothing at all can be read.
    """
    place = _Place()
    while True:
        start = window.offset
        try:
            header = yield from _header(window)
        except FormatError as error:
            if not keep_going:
                raise
            known = rescue(start) if rescue else None
            if known is None and start == 0:
                raise
            yield from _pass_member(window, place, known, error)
        else:
            yield MemberStart(start, header, place.content)
            if not (
                yield from _Member(window, start, header, place, keep_going, rescue).sections()
            ):
                return
        while len(window.data) < len(headers.MAGIC) and not window.ended and _magic(window):
            yield Need(len(headers.MAGIC) - len(window.data))
        if not window.data:
            return
        if not _magic(window) and not (keep_going and rescue and rescue(window.offset)):
            yield Trailing(window.offset)
            return


def _pass_member(
    window: Window, place: _Place, known: Known | None, error: FormatError
) -> Steps[None]:
    """Leave a member whose header is damaged, for the end of the file if no other is known."""
    start = window.offset
    damage = FormatError(f"the member at offset {start} cannot be read: {error}")
    if known is None:
        yield Lost(damage, 0)
        yield from _skip_to(window, None)
    elif known.start == start:
        yield Lost(damage, known.raw_size)
        place.content += known.raw_size
        place.block += known.blocks
        yield from _skip_to(window, known.end)
    else:
        yield Lost(damage, 0)
        yield from _skip_to(window, known.start)


def _header(window: Window) -> Steps[Header]:
    while True:
        try:
            header, size = headers.parse(window.data)
        except varint.Incomplete:
            if window.ended:
                if not window.data:
                    raise FormatError("this is not an .ncz file: it is empty") from None
                raise TruncatedError(
                    f"the data ends at offset {window.offset + len(window.data)}, inside a header"
                ) from None
            yield Need(_STEP)
        else:
            break
    window.skip(size)
    return header


def _skip_to(window: Window, offset: int | None) -> Steps[None]:
    """Drop everything before `offset`, or everything there is."""
    while offset is None or window.offset < offset:
        left = len(window.data) if offset is None else offset - window.offset
        if not window.skip(left):
            if window.ended:
                return
            yield Need(_STEP)


def _magic(window: Window) -> bool:
    """The window goes on like another member, as far as can be seen."""
    start = bytes(window.data[: len(headers.MAGIC)])
    return headers.MAGIC.startswith(start)


class _Place:
    """How far the file has been read: what error messages count in."""

    def __init__(self) -> None:
        self.block = 0  # number of the next block in the file
        self.content = 0  # bytes of content before the member


class _Member:
    """One member while it is parsed, from behind its header."""

    def __init__(
        self,
        window: Window,
        start: int,
        header: Header,
        place: _Place,
        keep_going: bool,
        rescue: Rescue | None,
    ) -> None:
        self.window = window
        self.start = start
        self.header = header
        self.place = place
        self.keep_going = keep_going
        self.rescue = rescue
        self.first_block = place.block
        self.raw = 0  # bytes of the member's content so far
        self.entries = bytearray()  # what the tail should say of the blocks so far
        self.gap_from = start  # end of the last block
        self.lost = False  # some section was not read, so `entries` lacks it

    def sections(self) -> Steps[bool]:
        """Parse up to the end of the tail. Whether anything can be read from there on."""
        while True:
            at = self.window.offset
            try:
                head, size = yield from self._head()
            except varint.Incomplete:
                yield from self._report(self._ending(at))
                return False
            except ValueError as error:
                if (yield from self._tail_ends_here()):
                    yield from self._report(self._bad_tail(at, str(error)))
                    self.window.skip(len(self._expected_tail()))
                    return self._finish(self.raw)
                damage = self._corrupt(at, str(error), None)
                if not self.keep_going:
                    raise damage from None
                if (yield from self._search(at, str(error))):
                    continue
                yield Lost(damage, 0)
                return bool(self.window.data)  # at a member that is known from behind
            if isinstance(head, BlockHead):
                whole = yield from self._block(at, head, size)
            elif head.type == sections.TAIL:
                return (yield from self._tail(at, head, size))
            else:
                whole = yield from self._pass(at, head, size)
            if not whole:
                return False

    def _head(self) -> Steps[tuple[BlockHead | BodyHead, int]]:
        while True:
            try:
                offset = self.window.offset - self.start
                head, size = sections.parse_head(self.window.data, offset, self.header)
            except varint.Incomplete:
                if self.window.ended:
                    raise
                yield Need(sections.MAX_HEAD)
                continue
            if isinstance(head, BlockHead) and head.raw_start != self.raw:
                raise ValueError(f"it continues from byte {head.raw_start}, not {self.raw}")
            return head, size

    def _block(self, at: int, head: BlockHead, size: int) -> Steps[bool]:
        if self.place.block - self.first_block >= sections.MEMBER_BLOCKS:
            most = sections.MEMBER_BLOCKS
            raise FormatError(f"the member at offset {self.start} has more than {most} blocks")
        if not (yield from self._fill(size + head.coded_size)):
            yield from self._report(self._ending(at))
            return False
        self.window.skip(size)
        coded = self.window.take(head.coded_size)
        section = sections.Entry(
            at - self.gap_from, self.window.offset - at, head.payload, head.raw_size
        )
        self.entries += sections.pack_entry(section)
        self.gap_from = self.window.offset
        raw_start = self.place.content + self.raw
        self.raw += head.raw_size
        self.place.block += 1
        yield Block(self.place.block - 1, at, raw_start, head, coded)
        return True

    def _pass(self, at: int, head: BodyHead, size: int) -> Steps[bool]:
        self.window.skip(size)
        check, left = Running(), head.size
        while left:
            if not (yield from self._fill(1)):
                yield from self._report(self._ending(at))
                return False
            piece = self.window.take(min(left, len(self.window.data)))
            check.update(piece)
            left -= len(piece)
        if check.value & 0xFFFFFFFF != head.check:
            yield from self._report(
                FormatError(
                    f"the section of type {head.type} at offset {at} is damaged: "
                    "its check does not hold; no content is lost"
                )
            )
        return True

    def _tail(self, at: int, head: BodyHead, size: int) -> Steps[bool]:
        expected = self._expected_body()
        if not self.lost and head.size != len(expected):
            yield from self._report(self._bad_tail(at, "its list is not that of the blocks"))
            yield from _skip_to(self.window, at + size + head.size + 4)
            return self._finish(self.raw)
        whole = size + head.size
        if not (yield from self._fill(whole + 4)):
            yield from self._report(self._ending(at))
            return False
        self.window.skip(size)
        body = self.window.take(head.size)
        back = int.from_bytes(self.window.take(4), "little")
        if x32(body) != head.check:
            yield from self._report(self._bad_tail(at, "its check does not hold"))
            return self._finish(self.raw)
        raw_size = self.raw
        if not self.lost:
            if body[:-8] != expected[:-8]:
                yield from self._report(self._bad_tail(at, "its list is not that of the blocks"))
        else:
            tail = self._peek_tail(at, body)
            if tail is None or tail.raw_size != self.raw:
                yield from self._report(self._bad_tail(at, "its list is not that of the blocks"))
            else:
                self.place.block = self.first_block + len(tail.entries)
        if back != whole:
            yield from self._report(self._bad_tail(at, "the size that ends it is wrong"))
        yield MemberEnd(at, self.window.offset, int.from_bytes(body[-8:], "little"))
        return self._finish(raw_size)

    def _finish(self, raw_size: int) -> bool:
        self.place.content += raw_size
        return True

    def _search(self, at: int, reason: str) -> Steps[bool]:
        """Go to the next whole head in the member. Whether there is one."""
        window = self.window
        known = self.rescue(at) if self.rescue else None
        stop = known.start if known else None
        window.skip(1)
        self.lost = True
        while True:
            candidate = _CANDIDATE.search(window.data)
            ahead = candidate.start() if candidate else len(window.data)
            if stop is not None and window.offset + ahead >= stop:
                window.skip(stop - window.offset)
                return False
            window.skip(ahead)
            if len(window.data) < sections.MAX_HEAD and not window.ended:
                yield Need(_STEP)
                continue
            if not candidate:
                return False
            try:
                head, size = sections.parse_head(
                    window.data, window.offset - self.start, self.header
                )
            except (varint.Incomplete, ValueError):
                window.skip(1)
                continue
            missing: int | None = None
            if isinstance(head, BlockHead):
                missing = head.raw_start - self.raw
            elif head.size > len(self.entries) + 40 * ((window.offset - at) // 24 + 2):
                missing = -1  # more than a list of all blocks that fit where some were lost
            elif (yield from self._fill(size + head.size)):
                tail = self._peek_tail(window.offset, bytes(window.data[size : size + head.size]))
                missing = tail.raw_size - self.raw if tail else None
            most = ((window.offset - at) // sections.MIN_BLOCK + 1) * self.header.block_size
            if missing is not None and not 0 <= missing <= most:
                window.skip(1)
                continue
            if missing == 0:
                yield Lost(
                    FormatError(
                        f"the section at offset {at} is damaged: {reason}; no content is lost"
                    ),
                    0,
                )
            else:
                yield Lost(self._corrupt(at, reason, missing), missing or 0)
            self.raw += missing or 0
            self.place.block += -(-(missing or 0) // self.header.block_size)
            return True

    def _peek_tail(self, at: int, body: bytes) -> Tail | None:
        """The tail with this body at this place, if it is one."""
        try:
            tail = sections.parse_tail(body)
        except ValueError:
            return None
        return tail if tail.offset == at - self.start else None

    def _fill(self, size: int) -> Steps[bool]:
        """Whether `size` bytes are in the window, after asking for them."""
        while len(self.window.data) < size:
            if self.window.ended:
                return False
            yield Need(size - len(self.window.data))
        return True

    def _report(self, damage: FormatError) -> Steps[None]:
        if not self.keep_going:
            raise damage from None
        yield Lost(damage, 0)

    def _corrupt(self, at: int, reason: str, missing: int | None) -> CorruptBlock:
        start = self.place.content + self.raw
        end = None if missing is None else start + missing
        return CorruptBlock(self.place.block, at, start, end, reason)

    def _ending(self, at: int) -> FormatError:
        """The data ended in the section at `at`: cut off there, or is it a tail gone wrong?"""
        end = self.window.offset + len(self.window.data)
        if not self.lost and end - at == len(self._expected_tail()) and self._like_tail():
            return self._bad_tail(at, "its head check does not hold")
        return TruncatedError(
            f"the data ends at offset {end}, before the end of the file it holds: "
            f"content from byte {self.place.content + self.raw} on is missing"
        )

    def _bad_tail(self, at: int, reason: str) -> FormatError:
        return FormatError(f"the tail at offset {at} is damaged: {reason}")

    def _tail_ends_here(self) -> Steps[bool]:
        """Whether the tail that is due would end at the end of the data, or at another magic."""
        if self.lost:
            return False
        size = len(self._expected_tail())
        yield from self._fill(size + len(headers.MAGIC))
        after = bytes(self.window.data[size : size + len(headers.MAGIC)])
        return after in (b"", headers.MAGIC) and self._like_tail()

    def _like_tail(self) -> bool:
        """What comes next has more than half of its bytes in common with the tail that is due."""
        expected = self._expected_tail()
        found = self.window.data[: len(expected)]
        alike = sum(a == b for a, b in zip(expected, found, strict=False))
        return 2 * alike > len(expected) - 20  # its checks are not known here

    def _expected_body(self) -> bytes:
        """The body of the tail that is due here, with a content check of 0."""
        count = varint.encode(self.place.block - self.first_block)
        gap = varint.encode(self.window.offset - self.gap_from)
        return count + self.entries + gap + bytes(8)

    def _expected_tail(self) -> bytes:
        """The tail that is due here, but for its checks."""
        section = sections.pack_body(0, sections.TAIL, self._expected_body())
        return section + len(section).to_bytes(4, "little")
