"""Single records of an .ncz file, without the others.

Records are numbered over the whole file. A block says how many it has, so the blocks before the
wanted one are read, but of rows only a group is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from ncz.codec.errors import FormatError, MemoryLimitError, NczError
from ncz.formats import index
from ncz.formats.access import Content
from ncz.formats.decode import checked
from ncz.formats.events import Block
from ncz.formats.options import DecompressOptions
from ncz.formats.records.coder import Opened, RecordsCoder


class RecordReader:
    """The records of the .ncz file that begins where `src` stands.

    Args:
        src: that can be sought.
        options: as for decompressing; threads are not used.

    Raises:
        FormatError: it is no whole .ncz file.
        MemoryLimitError: the limit is too low for one block.
        ModelMissing: its circuit is not on this machine.
    """

    def __init__(self, src: BinaryIO, options: DecompressOptions | None = None) -> None:
        self._src = src
        self._content = Content(src, options or DecompressOptions())
        self._starts: list[int] = [0]  # of the records of each block that was looked at, and an end
        self._opened: tuple[int, Opened, Block] | None = None

    def __len__(self) -> int:
        """How many records there are; reads all blocks that were not read yet."""
        while len(self._starts) <= len(self._content.index.blocks):
            self._look(len(self._starts) - 1)
        return self._starts[-1]

    def __getitem__(self, number: int) -> bytes:
        """The raw bytes of a record, counted from 0.

        Raises:
            IndexError: there are not so many.
            CorruptBlock: the block is damaged.
            MemoryLimitError: the circuit in it takes more than the limit.
            NczError: a block before it is not coded as records.
        """
        if number < 0:
            raise IndexError(number)
        blocks = len(self._content.index.blocks)
        while number >= self._starts[-1] and len(self._starts) <= blocks:
            self._look(len(self._starts) - 1)
        if number >= self._starts[-1]:
            raise IndexError(number)
        block = next(i for i, end in enumerate(self._starts[1:]) if number < end)
        opened, found = self._open(block)
        try:
            return opened.record(number - self._starts[block])
        except FormatError as error:
            raise _undecoded(found, error) from None

    def read(self, first: int, stop: int | None) -> Iterator[bytes]:
        """Records from `first` to before `stop`, or to the last."""
        number = first
        while stop is None or number < stop:
            try:
                yield self[number]
            except IndexError:
                return
            number += 1

    def _look(self, block: int) -> None:
        coder, found = self._block(block)
        try:
            count = coder.count(found.coded, found.head.raw_size)
        except FormatError as error:
            raise _undecoded(found, error) from None
        self._starts.append(self._starts[-1] + count)

    def _open(self, block: int) -> tuple[Opened, Block]:
        if self._opened is None or self._opened[0] != block:
            coder, found = self._block(block)
            size = found.head.raw_size
            room = self._content.room_of(found)
            try:
                needed = coder.memory_of(found.coded, size)
                if room is not None and needed > room:
                    raise MemoryLimitError(needed, room)
                self._opened = block, coder.open(found.coded, size), found
            except FormatError as error:
                raise _undecoded(found, error) from None
        return self._opened[1:]

    def _block(self, number: int) -> tuple[RecordsCoder, Block]:
        place = self._content.index.blocks[number]
        found = index.read_block(self._src, self._content.index, place)
        checked(found)
        coder = self._content.coder_of(found)
        if not isinstance(coder, RecordsCoder):
            raise NczError(
                f"block {number} is not coded as records, but by {coder.name}; "
                "take bytes of it with --range"
            )
        return coder, found


def _undecoded(block: Block, error: FormatError) -> FormatError:
    return block.damage(f"its coded data cannot be decoded: {error}")
