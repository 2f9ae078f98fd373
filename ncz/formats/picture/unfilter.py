"""PNG's filters undone: what cannot be done a row at a time, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncz.codec.jit import jit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@jit
def unfiltered(lines: NDArray[np.uint8], step: int, out: NDArray[np.uint8]) -> None:
    """Rows without their filters.

    Args:
        lines: uint8 (rows, 1 + bytes), the first byte of each its filter, 0 to 4.
        step: bytes of a pixel.
        out: uint8 (rows, bytes), gets them.
    """
    rows, size = out.shape
    for row in range(rows):
        kind = lines[row, 0]
        for i in range(size):
            left = int(out[row, i - step]) if i >= step else 0
            up = int(out[row - 1, i]) if row else 0
            corner = int(out[row - 1, i - step]) if row and i >= step else 0
            guess = 0
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = up
            elif kind == 3:
                guess = (left + up) // 2
            elif kind == 4:
                by_left, by_up = abs(up - corner), abs(left - corner)
                by_corner = abs(left + up - 2 * corner)
                if by_left <= by_up and by_left <= by_corner:
                    guess = left
                elif by_up <= by_corner:
                    guess = up
                else:
                    guess = corner
            out[row, i] = (int(lines[row, i + 1]) + guess) & 0xFF


def plain(lines: NDArray[np.uint8], step: int) -> Any:
    """The same, uint8 (rows, bytes)."""
    import numpy as np

    from ncz.codec.jit import compiling

    out = np.empty((len(lines), lines.shape[1] - 1), np.uint8)
    with compiling("the reader of PNG files of 16 bits"):
        unfiltered(lines, step, out)
    return out
