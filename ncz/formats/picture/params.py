"""The parameters of format 1: what a picture is, before a byte of it is decoded.

They say how many pieces the member has and what each of them is, so that a tile that is damaged
is known to be that tile.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncz.codec import varint
from ncz.codec.errors import UnsupportedError
from ncz.formats.picture.grid import MAX_SIDE, MAX_TILE, MIN_TILE, Grid

REVISION = 1
"""Of everything between latents and pixels that this package does: tiles, blending, rounding."""

_COLOUR, _ALPHA, _DEEP, _THUMBNAIL, _METADATA = (1 << bit for bit in range(5))
_FLAGS = (1 << 5) - 1
_CENT = 100  # quality is stored in hundredths


@dataclass(frozen=True)
class PictureParams:
    """What the header of a member of format 1 says of its picture.

    Attributes:
        width: pixels, 1 to 2^20.
        height: pixels, 1 to 2^20.
        channels: 1 (grey) or 3 (red, green, blue), alpha apart.
        depth: bits of a sample, 8 or 16.
        alpha: whether there is an alpha plane, kept exactly.
        thumbnail: whether a small picture stands before the tiles.
        metadata: whether a piece with ICC profile, EXIF and XMP comes first.
        tile: the largest side of a tile's core, pixels.
        overlap: by how many pixels a tile reaches beyond its core.
        quality: what the encoder was told, 1 to 100, in hundredths. Decoding does not need it.
    """

    width: int
    height: int
    channels: int
    depth: int
    alpha: bool
    thumbnail: bool
    metadata: bool
    tile: int
    overlap: int
    quality: int

    @property
    def grid(self) -> Grid:
        """Where the tiles are."""
        return Grid(self.width, self.height, self.tile, self.overlap)

    @property
    def pieces(self) -> int:
        """Blocks of the member."""
        return self.first_tile + self.grid.count * self.per_tile

    @property
    def first_tile(self) -> int:
        """The number of the first tile's piece."""
        return self.metadata + self.thumbnail

    @property
    def per_tile(self) -> int:
        """Pieces of a tile: its latents, and its alpha if there is any."""
        return 1 + self.alpha

    @property
    def samples(self) -> int:
        """Samples of a pixel."""
        return self.channels + self.alpha

    @property
    def raw_size(self) -> int:
        """Bytes of all pixels."""
        return self.width * self.height * self.samples * self.depth // 8


def pack(params: PictureParams) -> bytes:
    """The bytes in a header."""
    flags = (
        _COLOUR * (params.channels == 3)
        | _ALPHA * params.alpha
        | _DEEP * (params.depth == 16)
        | _THUMBNAIL * params.thumbnail
        | _METADATA * params.metadata
    )
    numbers = (params.width, params.height, params.tile, params.overlap, params.quality)
    return bytes([REVISION, flags]) + b"".join(map(varint.encode, numbers))


def parse(data: bytes) -> PictureParams:
    """The same back.

    Raises:
        UnsupportedError: it needs a newer ncz.
        ValueError: it breaks the format.
        varint.Incomplete: it ends too early.
    """
    if len(data) < 2:
        raise varint.Incomplete
    if data[0] != REVISION:
        raise UnsupportedError(
            f"this picture is of revision {data[0]} and this ncz knows {REVISION}; install a "
            "newer ncz"
        )
    flags = data[1]
    if flags & ~_FLAGS:
        raise ValueError(f"a picture has flags {flags:#x}")
    numbers, position = [], 2
    for _ in range(5):
        number, position = varint.decode(data, position)
        numbers.append(number)
    if position != len(data):
        raise ValueError("bytes follow the parameters of a picture")
    width, height, tile, overlap, quality = numbers
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f"a picture is {width} x {height}, and sides are 1 to {MAX_SIDE}")
    if not MIN_TILE <= tile <= MAX_TILE or overlap * 4 > tile:
        raise ValueError(f"tiles are {tile} wide with an overlap of {overlap}")
    if not _CENT <= quality <= 100 * _CENT:
        raise ValueError(f"the quality is {quality} hundredths")
    return PictureParams(
        width,
        height,
        3 if flags & _COLOUR else 1,
        16 if flags & _DEEP else 8,
        bool(flags & _ALPHA),
        bool(flags & _THUMBNAIL),
        bool(flags & _METADATA),
        tile,
        overlap,
        quality,
    )
