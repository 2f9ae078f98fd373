"""How a picture is cut into tiles that overlap, and put together again without seams.

The cores of tiles are the picture, cut evenly. A tile reaches beyond its core, so that along a seam
both neighbours have seen the same pixels; there one fades into the other. So a codec needs memory
for a tile only, however large the picture is, and what is put together needs a row of tiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SIDE = 1 << 20  # pixels
MIN_TILE, MAX_TILE = 16, 1 << 14  # pixels


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, its right and lower ends not in it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels."""
        return self.bottom - self.top


@dataclass(frozen=True)
class Grid:
    """Tiles of a picture, numbered row by row.

    Attributes:
        width: of the picture, pixels.
        height: of the picture, pixels.
        tile: the largest side of a core.
        overlap: pixels by which a tile goes beyond its core, at most a quarter of `tile`.

    >>> Grid(100, 50, 64, 8).core(1), Grid(100, 50, 64, 8).box(1).left
    (Box(left=50, top=0, right=100, bottom=50), 42)
    """

    width: int
    height: int
    tile: int
    overlap: int

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return -(-self.width // self.tile)

    @property
    def rows(self) -> int:
        """Tiles one below another."""
        return -(-self.height // self.tile)

    @property
    def count(self) -> int:
        """All tiles."""
        return self.rows * self.columns

    def core(self, number: int) -> Box:
        """The pixels that are a tile's own."""
        row, column = divmod(number, self.columns)
        return Box(
            column * self.width // self.columns,
            row * self.height // self.rows,
            (column + 1) * self.width // self.columns,
            (row + 1) * self.height // self.rows,
        )

    def box(self, number: int) -> Box:
        """The pixels that a tile has, with those of its neighbours."""
        core, reach = self.core(number), self.overlap
        return Box(
            max(0, core.left - reach),
            max(0, core.top - reach),
            min(self.width, core.right + reach),
            min(self.height, core.bottom + reach),
        )


def joined(
    grid: Grid, tiles: Iterable[NDArray[np.float32]]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The picture from its tiles, in strips from top to bottom, each with the row it begins at.

    Nothing is allocated before tiles of that size have come.

    Args:
        grid: where they are.
        tiles: float32 (height, width, channels) of each tile's box, in order.
    """
    import numpy as np

    coming = iter(tiles)
    carried: NDArray[np.float32] | None = None
    for row in range(grid.rows):
        numbers = range(row * grid.columns, (row + 1) * grid.columns)
        found = [next(coming) for _ in numbers]
        first = grid.box(numbers[0])
        strip = np.zeros((first.height, grid.width, found[0].shape[2]), np.float32)
        for number, tile in zip(numbers, found, strict=True):
            box, core = grid.box(number), grid.core(number)
            across = _weights(box.left, box.right, core.left, core.right, grid.width, grid.overlap)
            down = _weights(box.top, box.bottom, core.top, core.bottom, grid.height, grid.overlap)
            strip[:, box.left : box.right] += tile * (down[:, None] * across)[:, :, None]
        if carried is not None:
            strip[: len(carried)] += carried
        more = row + 1 < grid.rows
        end = grid.core(numbers[0]).bottom - grid.overlap if more else grid.height
        carried = strip[end - first.top :].copy()
        yield first.top, strip[: end - first.top]


def _weights(
    start: int, end: int, core_start: int, core_end: int, side: int, reach: int
) -> NDArray[np.float32]:
    """How much of each pixel along a side is this tile's; with its neighbours' it makes one."""
    import numpy as np

    at = np.arange(start, end, dtype=np.float32) + np.float32(0.5)
    weights = np.ones(end - start, np.float32)
    if reach and core_start > 0:
        weights = np.minimum(weights, (at - (core_start - reach)) / np.float32(2 * reach))
    if reach and core_end < side:
        weights = np.minimum(weights, ((core_end + reach) - at) / np.float32(2 * reach))
    return weights
