"""What a member of format 1 holds, piece by piece: a block is a piece, and pieces come in order.

Metadata, if there is any; the thumbnail's latents, if there is one; then of each tile its latents,
and its alpha if there is any. So the number of a block says what it is, and what a damaged one was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.formats.picture.grid import Box
from ncz.formats.picture.params import PictureParams

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_METADATA = 1 << 26  # bytes of each kind
THUMBNAIL_SIDE = 256  # pixels, the longer side
THUMBNAIL_FROM = 1 << 22  # pixels of a picture; smaller ones are soon rendered as they are


class Kind(Enum):
    """What a piece is."""

    METADATA = "metadata"
    THUMBNAIL = "the thumbnail"
    LATENTS = "tile"
    ALPHA = "alpha of tile"


@dataclass(frozen=True)
class Piece:
    """What the block with some number is; `tile` is 0 for what is of no tile."""

    kind: Kind
    tile: int = 0

    def __str__(self) -> str:
        if self.kind in (Kind.LATENTS, Kind.ALPHA):
            return f"{self.kind.value} {self.tile}"
        return str(self.kind.value)


def order(params: PictureParams) -> Iterator[Piece]:
    """Every piece of a picture's member, in order."""
    if params.metadata:
        yield Piece(Kind.METADATA)
    if params.thumbnail:
        yield Piece(Kind.THUMBNAIL)
    for tile in range(params.grid.count):
        yield Piece(Kind.LATENTS, tile)
        if params.alpha:
            yield Piece(Kind.ALPHA, tile)


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the thumbnail: within 256 pixels, none less than one.

    >>> thumbnail_size(6000, 4000), thumbnail_size(100, 50), thumbnail_size(100000, 10)
    ((256, 171), (100, 50), (256, 1))
    """
    longest = max(width, height)
    if longest <= THUMBNAIL_SIDE:
        return width, height
    return tuple(  # type: ignore[return-value]
        max(1, (2 * side * THUMBNAIL_SIDE + longest) // (2 * longest)) for side in (width, height)
    )


@dataclass(frozen=True)
class Metadata:
    """What a picture's file said beside its pixels, each empty for none."""

    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.icc or self.exif or self.xmp)


def pack_metadata(metadata: Metadata) -> bytes:
    """Each with its size before it."""
    parts = (metadata.icc, metadata.exif, metadata.xmp)
    return b"".join(varint.encode(len(part)) + part for part in parts)


def parse_metadata(data: bytes) -> Metadata:
    """The same back.

    Raises:
        FormatError: it is something else.
    """
    parts, position = [], 0
    try:
        for _ in range(3):
            size, position = varint.decode(data, position)
            if size > len(data) - position:
                raise ValueError
            parts.append(data[position : position + size])
            position += size
    except (ValueError, varint.Incomplete):
        raise FormatError("the metadata of the picture breaks the format") from None
    if position != len(data):
        raise FormatError("the metadata of the picture is followed by something")
    return Metadata(*parts)


def pack_alpha(alpha: NDArray[Any]) -> bytes:
    """A tile's alpha, row by row: bytes of uint8; of uint16 all high ones and then all low ones."""
    import numpy as np

    if alpha.dtype == np.uint8:
        return alpha.tobytes()
    return (alpha >> 8).astype(np.uint8).tobytes() + (alpha & 0xFF).astype(np.uint8).tobytes()


def parse_alpha(data: bytes, core: Box, depth: int) -> NDArray[Any]:
    """The same back, for the core of a tile.

    Raises:
        FormatError: it is of another size.
    """
    import numpy as np

    shape = core.height, core.width
    if len(data) != core.width * core.height * depth // 8:
        raise FormatError("the alpha of a tile is of another size than the tile")
    planes = np.frombuffer(data, np.uint8)
    if depth == 8:
        return planes.reshape(shape)
    high, low = planes.reshape(2, *shape).astype(np.uint16)
    return (high << 8) | low
