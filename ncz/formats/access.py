"""Random access: content of a seekable file from any byte, decoding only the blocks it needs."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import BinaryIO

from ncz.codec.checks import Running
from ncz.codec.coder import Coder
from ncz.codec.crew import Crew, cores
from ncz.codec.errors import FormatError
from ncz.codec.pipeline import ordered_map
from ncz.formats import index
from ncz.formats.decode import decode_block, fit, ready
from ncz.formats.events import Block
from ncz.formats.header import Header
from ncz.formats.index import BlockPlace, MemberPlace
from ncz.formats.options import DecompressOptions, check_crew


class Content:
    """The content of the .ncz file that begins where `src` stands and goes on to its end.

    Raises:
        FormatError: it is no whole .ncz file.
        MemoryLimitError: the limit is too low for one thread.
    """

    def __init__(self, src: BinaryIO, options: DecompressOptions, crew: Crew | None = None) -> None:
        check_crew(crew, options.threads)
        self.index = index.load(src, options.memlimit)
        self._src = src
        self._crew = crew
        self._coders: dict[Header, tuple[tuple[Coder, ...], int | None]] = {}
        self._threads = crew.size if crew else options.threads or cores()
        for member in self.index.members:
            if member.blocks == 0 and member.content_check != Running().value:
                raise _unlike(member)  # no block will come whose end would show it
            if member.header not in self._coders:
                header = member.header
                made = ready(header, options)
                threads, room = fit(made, header.block_size, options, crew)
                self._coders[header] = made, room
                self._threads = min(self._threads, threads)

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.index.raw_size

    def blocks(self, first: int, stop: int | None = None) -> Generator[tuple[BlockPlace, bytes]]:
        """Blocks from number `first` to before `stop`, with their bytes.

        Raises:
            CorruptBlock: the next block is damaged.
            FormatError: the next block is the last of a member that was passed from its start, and
                does not match its content check.
        """
        places = self.index.blocks[first:stop]
        read = (self._with_coder(index.read_block(self._src, self.index, p)) for p in places)
        check, from_start = Running(), False
        decoded = ordered_map(_decode, read, self._threads, self._crew)
        for place, raw in zip(places, decoded, strict=True):
            member = self.index.members[place.member]
            if place.number == member.first_block:
                check, from_start = Running(), True
            check.update(raw)
            last = place.number == member.first_block + member.blocks - 1
            if last and from_start and check.value != member.content_check:
                raise _unlike(member)
            yield place, raw

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The content's bytes from `start` to before `end`, which must be in it."""
        if start >= end:
            return
        first, stop = self.index.block_at(start), self.index.block_at(end - 1) + 1
        for place, raw in self.blocks(first, stop):
            yield raw[max(0, start - place.raw_start) : end - place.raw_start]

    def coder_of(self, block: Block) -> Coder:
        """What decodes a block of this file."""
        return self._with_coder(block)[0]

    def room_of(self, block: Block) -> int | None:
        """Bytes that decoding it may take, None for any."""
        return self._with_coder(block)[2]

    def _with_coder(self, block: Block) -> tuple[Coder, Block, int | None]:
        member = self.index.members[self.index.blocks[block.index].member]
        made, room = self._coders[member.header]
        return made[block.head.coder], block, room


def _unlike(member: MemberPlace) -> FormatError:
    return FormatError(
        f"the content check of the member at offset {member.offset} does not hold, "
        "although every block is whole"
    )


def _decode(task: tuple[Coder, Block, int | None]) -> bytes:
    return decode_block(*task)
