"""The raw streams below a file object that reads: one for files that can seek, one for pipes."""

from __future__ import annotations

import io
from collections.abc import Generator
from typing import TYPE_CHECKING, BinaryIO

from ncz.codec.crew import Crew
from ncz.codec.errors import OutputLimitError
from ncz.formats.access import Content
from ncz.formats.decode import Decoder
from ncz.formats.index import BlockPlace
from ncz.formats.options import DecompressOptions

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 1 << 20  # bytes read at a time


class Seekable(io.RawIOBase):
    """The content of a seekable file. Holds one decoded block."""

    def __init__(
        self, file: BinaryIO, owned: bool, options: DecompressOptions, crew: Crew | None = None
    ) -> None:
        self._content = Content(file, options, crew)
        if options.max_output is not None and self._content.size > options.max_output:
            raise OutputLimitError(options.max_output)
        self._file = file
        self._owned = owned
        self._position = 0
        self._start = 0  # of `_block`, in the content
        self._block = b""
        self._following: Generator[tuple[BlockPlace, bytes]] | None = None  # goes on after `_block`

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte of the content. Costs nothing before the next read."""
        if whence not in (io.SEEK_SET, io.SEEK_CUR, io.SEEK_END):
            raise ValueError(f"whence is 0, 1 or 2, not {whence}")
        base = (0, self._position, self._content.size)[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the start")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The byte of the content that is read next."""
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` as far as the block goes; 0 at the end of the content."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self._position >= self._content.size:
            return 0
        self._fetch()
        view = memoryview(buffer).cast("B")
        at = self._position - self._start
        size = min(len(view), len(self._block) - at)
        view[:size] = memoryview(self._block)[at : at + size]
        self._position += size
        return size

    def readall(self) -> bytes:
        """The rest of the content."""
        pieces = []
        while self._position < self._content.size:
            self._fetch()
            pieces.append(self._block[self._position - self._start :])
            self._position = self._start + len(self._block)
        return b"".join(pieces)

    def close(self) -> None:
        """Close, and the file too if it was opened here."""
        if self.closed:
            return
        try:
            self._stop()
            if self._owned:
                self._file.close()
        finally:
            super().close()

    def _fetch(self) -> None:
        """Make the block at the position the one that is held."""
        end = self._start + len(self._block)
        if self._start <= self._position < end:
            return
        number = self._content.index.block_at(self._position)
        if self._following is None or self._content.index.blocks[number].raw_start != end:
            self._stop()
            self._following = self._content.blocks(number)
        try:
            place, self._block = next(self._following)
        except BaseException:
            self._stop()  # a generator that has raised is at its end; the next read starts anew
            raise
        self._start = place.raw_start

    def _stop(self) -> None:
        if self._following is not None:
            self._following.close()
        self._following = None
        self._block = b""


class Sequential(io.RawIOBase):
    """The content of a file that cannot seek."""

    def __init__(
        self, file: BinaryIO, owned: bool, options: DecompressOptions, crew: Crew | None = None
    ) -> None:
        self._decoder = Decoder(options, crew=crew)
        self._file = file
        self._owned = owned
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` with what is at hand, at least one byte; 0 at the end of the content."""
        while not self._piece:
            piece = self._decoder.next_piece()
            if piece is not None:
                self._piece = memoryview(piece)
            elif self._decoder.trailing is not None:
                self._decoder.refuse_trailing()
            elif not self._decoder.hungry:
                return 0
            elif chunk := self._file.read(_CHUNK):
                self._decoder.feed(chunk)
            else:
                self._decoder.end()
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._piece))
        view[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def close(self) -> None:
        """Close, and the file too if it was opened here."""
        if self.closed:
            return
        try:
            self._decoder.close()
            if self._owned:
                self._file.close()
        finally:
            super().close()
