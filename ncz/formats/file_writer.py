"""The stream below a file object that writes."""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from ncz.codec.crew import Crew
from ncz.formats.encode import Encoder
from ncz.formats.options import CompressOptions

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Writer(io.BufferedIOBase):
    """Compresses what is written to it into a file."""

    def __init__(
        self, file: BinaryIO, owned: bool, options: CompressOptions, crew: Crew | None = None
    ) -> None:
        self._encoder = Encoder.of(options, crew)
        self._file = file
        self._owned = owned

    def writable(self) -> bool:
        """True while open."""
        self._check_open()
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Take all of `data`; blocks go to the file as they fill."""
        self._check_open()
        view = memoryview(data).cast("B")
        for piece in self._encoder.feed(view):
            self._file.write(piece)
        return len(view)

    def tell(self) -> int:
        """Bytes of content written so far."""
        self._check_open()
        return self._encoder.raw_size

    def flush(self) -> None:
        """Flush the file below. A block that is not full stays here: cutting it would cost size."""
        self._check_open()
        if hasattr(self._file, "flush"):
            self._file.flush()

    def close(self) -> None:
        """Write what is left, and the tail. Idempotent."""
        if self.closed:
            return
        try:
            for piece in self._encoder.finish():
                self._file.write(piece)
            self.flush()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without a tail: what was written stays, and reads as truncated."""
        if self.closed:
            return
        self._encoder.close()
        try:
            if self._owned:
                self._file.close()
        finally:
            self._file = io.BytesIO()  # closing flushes once more
            super().close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close() if kind is None else self.abandon()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
