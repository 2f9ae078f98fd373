"""Single records of an .ncz file, without the others.

Records are numbered over the whole file. A block says how many it has, so the blocks before the
wanted one are read, but of rows only a group is decoded.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ncz.codec.errors import FormatError, MemoryLimitError, NczError
from ncz.formats import index
from ncz.formats.access import Content
from ncz.formats.decode import checked
from ncz.formats.events import Block
from ncz.formats.options import DecompressOptions
from ncz.formats.records.coder import Opened, RecordsCoder
from ncz.models.circuit import files

_OPEN = 4  # blocks that are kept ready


def open_records(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    circuit: str | os.PathLike[str] | None = None,
    memlimit: int | None = None,
) -> RecordReader:
    """The records of an .ncz file that was compressed with a circuit, one by one.

    Args:
        file: a path, or a binary file object that can be sought, which is left open and read from
            where it stands.
        circuit: the file that the records were compressed with, or the name of a circuit that comes
            with ncz; None where it is in the file, or was used on this machine before.
        memlimit: bytes of working memory.

    Raises:
        FormatError: it is no whole .ncz file.
        MemoryLimitError: the limit is too low for one block.
        ModelError: `circuit` is none.
        ModelMissing: the circuit is not on this machine.

    >>> import io, ncz
    >>> with ncz.open_records(io.BytesIO(ncz.compress(b""))) as records:
    ...     len(records)
    0
    """
    if circuit is not None:
        files.offer(files.resolve(os.fspath(circuit)))
    options = DecompressOptions(memlimit=memlimit)
    if not isinstance(file, str | os.PathLike):
        return RecordReader(file, options)
    src = Path(file).open("rb")  # noqa: SIM115 - the reader closes it
    try:
        return RecordReader(src, options, owned=True)
    except BaseException:
        src.close()
        raise


class RecordReader:
    """The records of the .ncz file that begins where `src` stands, as :func:`open_records` gives
    them: ``reader[17]``, ``len(reader)``, ``for record in reader``. Not for several threads at
    once.

    Args:
        src: that can be sought.
        options: as for decompressing; threads are not used.
        owned: whether :meth:`close` closes `src`.

    Raises:
        FormatError: it is no whole .ncz file.
        MemoryLimitError: the limit is too low for one block.
        ModelMissing: its circuit is not on this machine.
    """

    def __init__(
        self, src: BinaryIO, options: DecompressOptions | None = None, *, owned: bool = False
    ) -> None:
        self._src = src
        self._owned = owned
        self._content = Content(src, options or DecompressOptions())
        self._starts: list[int] = [0]  # of the records of each block that was looked at, and an end
        self._opened: dict[int, tuple[Opened, Block]] = {}  # what was used last at the end

    def __enter__(self) -> RecordReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget all blocks, and close the file if it was opened by its path."""
        self._opened.clear()
        if self._owned:
            self._src.close()

    def __len__(self) -> int:
        """How many records there are; reads all blocks that were not read yet."""
        while len(self._starts) <= len(self._content.index.blocks):
            self._look(len(self._starts) - 1)
        return self._starts[-1]

    def __getitem__(self, number: int) -> bytes:
        """The raw bytes of a record, counted from 0, or from the end if negative.

        Raises:
            IndexError: there are not so many.
            CorruptBlock: the block is damaged.
            MemoryLimitError: the circuit in it takes more than the limit.
            NczError: a block before it is not coded as records.
        """
        if number < 0:
            number += len(self)
        if number < 0:
            raise IndexError("there is no such record")
        blocks = len(self._content.index.blocks)
        while number >= self._starts[-1] and len(self._starts) <= blocks:
            self._look(len(self._starts) - 1)
        if number >= self._starts[-1]:
            raise IndexError("there is no such record")
        block = bisect.bisect_right(self._starts, number) - 1
        opened, found = self._open(block)
        try:
            return opened.record(number - self._starts[block])
        except FormatError as error:
            raise _undecoded(found, error) from None

    def __iter__(self) -> Iterator[bytes]:
        return self.read(0, None)

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
        ready = self._opened.pop(block, None)
        if ready is None:
            coder, found = self._block(block)
            size = found.head.raw_size
            room = self._content.room_of(found)
            try:
                needed = coder.memory_of(found.coded, size)
                if room is not None and needed > room:
                    raise MemoryLimitError(needed, room)
                ready = coder.open(found.coded, size), found
            except FormatError as error:
                raise _undecoded(found, error) from None
            most = _OPEN if room is None else 1  # a limit has room for one
            while len(self._opened) >= most:
                del self._opened[next(iter(self._opened))]
        self._opened[block] = ready
        return ready

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
