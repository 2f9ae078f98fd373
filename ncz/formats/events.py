"""What the parser tells its callers, one after another, of the file it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ncz.codec.errors import CorruptBlock, FormatError
from ncz.formats.header import Header
from ncz.formats.sections import BlockHead


@dataclass(frozen=True)
class Need:
    """The window is short of `size` bytes, or of any."""

    size: int


@dataclass(frozen=True)
class MemberStart:
    """A header was read. `raw_start` is where in the content the member begins, in bytes."""

    offset: int
    header: Header
    raw_start: int


@dataclass(frozen=True)
class Block:
    """A block whose framing holds; the coded data is not checked yet.

    Attributes:
        index: number in the file.
        offset: of the section, in the file.
        raw_start: of its first byte, in the content.
        head: the section's head.
        coded: the coded data.
    """

    index: int
    offset: int
    raw_start: int
    head: BlockHead
    coded: bytes

    def damage(self, reason: str) -> CorruptBlock:
        """The error that says this block is damaged."""
        end = self.raw_start + self.head.raw_size
        return CorruptBlock(self.index, self.offset, self.raw_start, end, reason)


@dataclass(frozen=True)
class Lost:
    """Something is damaged and was passed over; `raw_size` bytes of content went with it."""

    damage: FormatError
    raw_size: int


@dataclass(frozen=True)
class MemberEnd:
    """A tail was read; `content_check` is XXH64 of the member's content."""

    offset: int
    end: int
    content_check: int


@dataclass(frozen=True)
class Trailing:
    """What follows the tail, from `offset` on, is no member: the file ends here."""

    offset: int

    @property
    def damage(self) -> FormatError:
        """The error it is to callers that have no use for it."""
        return FormatError(
            f"trailing garbage: the file ends at offset {self.offset}, and what follows is not "
            "part of it; all content before is whole"
        )


Event = Need | MemberStart | Block | Lost | MemberEnd | Trailing


@dataclass(frozen=True)
class Known:
    """A member that was found from behind: where it is, and what its tail says."""

    start: int
    end: int
    raw_size: int
    blocks: int


Rescue = Callable[[int], Known | None]
