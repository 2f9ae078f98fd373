"""Writing over what an earlier run has left of the same output, without writing it again.

What is there is compared as long as it is the same, and everything from the first difference on
is replaced: the torn end of a run that was killed, most of the time.

After a power failure, what was written before the last sync is there, and of the rest any part
may be. So there is a sync from time to time; more often would gain little, since what is torn is
found by its checks and made again.
"""

from __future__ import annotations

import os
import time
from typing import Any, BinaryIO

_FLUSH_S = 1.0  # what a killed process may lose, of blocks that are quick
_SYNC_S = 30.0  # what a machine may lose


class Onward:
    """A file to write to from its beginning, although it may have it already.

    Args:
        file: open for reading and writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._same = True
        self._flushed = self._synced = time.monotonic()
        file.seek(0)

    def write(self, data: Any) -> int:
        """Write all of `data`, if it is not there, and return its size in bytes."""
        size = memoryview(data).nbytes
        if self._same:
            at = self._file.tell()
            if self._file.read(size) == data:
                return size
            self._file.seek(at)
            self._file.truncate()
            self._same = False
        self._file.write(data)
        self._now_and_then()
        return size

    def flush(self) -> None:
        """Hand everything to the system."""
        self._file.flush()

    def end(self) -> None:
        """Cut off what is behind the last byte that was written."""
        self._file.truncate()

    def _now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._flushed >= _FLUSH_S:
            self._file.flush()
            self._flushed = time.monotonic()
        if now - self._synced >= _SYNC_S:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
