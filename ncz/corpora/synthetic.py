"""Text of any length that no disk has to hold: sentences of a real one, drawn by chance.

The same text, seed and size always give the same bytes, and a shorter one begins a longer one. It
compresses far better than what people write, so it serves for memory and speed, not for sizes.
"""

from __future__ import annotations

import io
import random
import re

_DRAWN = 1000  # sentences at a time


class Synthetic(io.RawIOBase):
    """A readable stream of `size` bytes.

    Args:
        text: whose sentences are drawn.
        size: bytes.
        seed: of the chance.

    >>> Synthetic(b"One. Two! Three? ", 12).read()
    b'Three? Three'
    """

    def __init__(self, text: bytes, size: int, seed: int = 0) -> None:
        self._sentences = re.findall(rb".+?(?:[.!?]\s+|$)", text, re.DOTALL)
        if not self._sentences:
            raise ValueError("there are no sentences to draw from")
        self._left = size
        self._random = random.Random(seed)
        self._drawn = b""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` as far as there are bytes left."""
        wanted = min(len(buffer), self._left)
        while len(self._drawn) < wanted:
            self._drawn += b"".join(self._random.choices(self._sentences, k=_DRAWN))
        buffer[:wanted] = self._drawn[:wanted]
        self._drawn = self._drawn[wanted:]
        self._left -= wanted
        return wanted
