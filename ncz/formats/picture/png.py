"""A PNG file written row by row, with 8 or 16 bits, for pictures larger than memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by samples of a pixel
_LEVEL = 4  # of zlib: within a hundredth of 6, in half of the time
_ROWS = 64  # filtered at a time
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"


class PngWriter:
    """Writes a PNG file from strips of rows.

    Args:
        write: takes the bytes of the file, piece by piece.
        width: pixels.
        height: pixels.
        samples: of a pixel: 1 grey, 2 with alpha, 3 colour, 4 with alpha.
        depth: bits of a sample, 8 or 16.
        icc, exif, xmp: metadata, empty for none.
    """

    def __init__(
        self,
        write: Callable[[bytes], Any],
        width: int,
        height: int,
        samples: int,
        depth: int,
        icc: bytes = b"",
        exif: bytes = b"",
        xmp: bytes = b"",
    ) -> None:
        self._write = write
        self._step = samples * depth // 8
        self._deflate = zlib.compressobj(_LEVEL)
        self._above: NDArray[np.uint8] | None = None
        write(_SIGNATURE)
        sides = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        self._chunk(b"IHDR", sides + bytes([depth, _COLOUR_TYPES[samples], 0, 0, 0]))
        if icc:
            self._chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc, 9))
        if exif:
            self._chunk(b"eXIf", exif)
        if xmp:
            self._chunk(b"iTXt", _XMP + xmp)

    def rows(self, strip: NDArray[Any]) -> None:
        """The next rows, uint8 or uint16 (rows, width, samples)."""
        import numpy as np

        samples = strip.astype(">u2") if strip.dtype == np.uint16 else strip
        lines = np.ascontiguousarray(samples).view(np.uint8).reshape(len(strip), -1)
        for top in range(0, len(lines), _ROWS):
            some = lines[top : top + _ROWS]
            if self._above is None:
                self._above = np.zeros(some.shape[1], np.uint8)
            ready = self._deflate.compress(_filtered(some, self._above, self._step).tobytes())
            self._above = some[-1].copy()
            if ready:
                self._chunk(b"IDAT", ready)

    def end(self) -> None:
        """What ends the file."""
        self._chunk(b"IDAT", self._deflate.flush())
        self._chunk(b"IEND", b"")

    def _chunk(self, kind: bytes, body: bytes) -> None:
        check = zlib.crc32(body, zlib.crc32(kind))
        self._write(len(body).to_bytes(4, "big") + kind + body + check.to_bytes(4, "big"))


def _filtered(lines: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Each row with the filter that leaves the smallest numbers, and that filter's byte first."""
    import numpy as np

    up = np.concatenate([above[None], lines[:-1]])
    left, corner = np.zeros_like(lines), np.zeros_like(lines)
    left[:, step:], corner[:, step:] = lines[:, :-step], up[:, :-step]
    a, b, c = (plane.astype(np.int16) for plane in (left, up, corner))
    by_left, by_up, by_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    first = (by_left <= by_up) & (by_left <= by_corner)
    paeth = np.where(first, left, np.where(by_up <= by_corner, up, corner))
    tried = np.stack([lines, lines - left, lines - up, lines - paeth])
    cost = np.minimum(tried, -tried).sum(axis=2, dtype=np.int64)
    best = cost.argmin(axis=0)
    out = np.empty((len(lines), lines.shape[1] + 1), np.uint8)
    out[:, 0] = np.array([0, 1, 2, 4], np.uint8)[best]
    out[:, 1:] = tried[best, np.arange(len(lines))]
    return out
