"""From a picture to the member of format 1 that holds it.

Everything is coded before the header is written, for that is when it is known what is in it; what
is held is the coded picture, and a tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ncz.codec import checks
from ncz.codec.coder import Coder
from ncz.codec.errors import NczError, PictureError
from ncz.formats import coders, header, sections
from ncz.formats.picture import codecs, params, pieces
from ncz.formats.picture.codecs import PictureCodec
from ncz.formats.picture.grid import Box
from ncz.formats.picture.image import Picture
from ncz.formats.picture.params import PictureParams
from ncz.formats.picture.pieces import Metadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TILE = 1024  # pixels: what a codec of this size does in some hundred MB
OVERLAP = 16  # pixels: some 6 % more to code for the largest tiles, and no seams
_LEVEL = 2  # of context mixing, for metadata
_ZSTD = 19  # for alpha, which is mostly one number, and which no reader should wait for
_THUMBNAIL_QUALITY = 50.0
_STORE, _MIXING, _ALPHA, _LATENTS = range(4)  # in the header's list


@dataclass(frozen=True)
class Coded:
    """A block to be: which coder, what it was made from, and what it made."""

    coder: int
    raw: bytes
    coded: bytes


class Encoder:
    """Codes one picture, as often as somebody wants it in another quality.

    Args:
        picture: what to code.
        codec: by what.
        effort: 1 to 9.
        tile, overlap: see :class:`~ncz.formats.picture.grid.Grid`.
        tell: called with the share of the work that is done, 0 to 1, in each round.
        verify: decode each block and compare it before it is taken.
    """

    def __init__(
        self,
        picture: Picture,
        codec: PictureCodec,
        effort: int,
        tile: int = TILE,
        overlap: int = OVERLAP,
        tell: Callable[[float], None] | None = None,
        verify: bool = False,
    ) -> None:
        self.picture = picture
        self.codec = codec
        self._effort = effort
        self._verify = verify
        self._tell = tell or (lambda share: None)
        metadata = Metadata(picture.icc, picture.exif, picture.xmp)
        for what, size in (
            ("an ICC profile", len(picture.icc)),
            ("EXIF", len(picture.exif)),
            ("XMP", len(picture.xmp)),
        ):
            if size > pieces.MAX_METADATA:
                raise PictureError(f"has {what} of {size:,} bytes: take it out first")
        self._params = PictureParams(
            picture.width,
            picture.height,
            picture.channels,
            picture.depth,
            picture.alpha is not None,
            picture.width * picture.height >= pieces.THUMBNAIL_FROM,
            bool(metadata),
            tile,
            overlap,
            100,
        )
        self._coders: tuple[Coder, ...] = (
            coders.store(),
            coders.contextmix(_LEVEL),
            coders.zstd(_ZSTD),
            codecs.latents(codec),
        )
        if self._params.pieces > sections.MEMBER_BLOCKS:
            raise PictureError("has too many pixels for one file: cut it in parts")
        self._head: list[Coded] = []  # metadata and thumbnail
        if metadata:
            self._head.append(self._by(_MIXING, pieces.pack_metadata(metadata)))
        if self._params.thumbnail:
            self._head.append(self._latents(thumbnail(picture), _THUMBNAIL_QUALITY))
        self._alpha = [
            self._by(_ALPHA, pieces.pack_alpha(_cut(picture.alpha, self._params.grid.core(number))))
            for number in range(self._params.grid.count if picture.alpha is not None else 0)
        ]

    def params(self, quality: float) -> PictureParams:
        """What the header will say."""
        return replace(self._params, quality=round(100 * quality))

    def coded(self, quality: float) -> list[Coded]:
        """The blocks of the picture at `quality`, 1 to 100."""
        out, grid = list(self._head), self._params.grid
        for number in range(grid.count):
            self._tell(number / grid.count)
            tile = samples(self.picture, grid.box(number))
            out.append(self._latents(tile, quality))
            out += self._alpha[number : number + 1]
        return out

    def member(self, quality: float, blocks: list[Coded]) -> bytes:
        """The member that these blocks are; it is a whole file."""
        return b"".join(self._sections(quality, blocks))

    def _sections(self, quality: float, blocks: list[Coded]) -> Iterator[bytes]:
        used = sorted({block.coder for block in blocks})
        says = header.Header(
            tuple(self._coders[number].spec for number in used),
            max(len(block.raw) for block in blocks),
            header.PICTURE,
            params.pack(self.params(quality)),
            (self.codec.ref,),
        )
        out = header.pack(says)
        yield out
        offset, raw_start, entries = len(out), 0, bytearray()
        content, gap = checks.Running(), len(out)
        for block in blocks:
            size = len(block.raw)
            head = sections.BlockHead(
                used.index(block.coder),
                raw_start,
                size,
                len(block.coded),
                checks.x32(block.raw),
                checks.x32(block.coded),
            )
            section = sections.pack_block(offset, head, block.coded)
            entries += sections.pack_entry(sections.Entry(gap, len(section), 0, size))
            content.update(block.raw)
            offset, raw_start, gap = offset + len(section), raw_start + size, 0
            yield section
        yield sections.pack_tail(offset, bytes(entries), len(blocks), gap, content.value)

    def _latents(self, tile: NDArray[np.float32], quality: float) -> Coded:
        raw = codecs.analyse(self.codec, tile, quality, self._effort)
        return self._by(_LATENTS, raw)

    def _by(self, number: int, raw: bytes) -> Coded:
        coder = self._coders[number]
        coded = coder.encode(raw)
        if coded is None or len(coded) >= len(raw):
            return Coded(_STORE, raw, raw)
        if self._verify and coder.decode(coded, len(raw)) != raw:
            raise NczError(
                f"a block of {len(raw)} bytes was coded by {coder.name} and did not come back, so "
                "nothing was written: please report it, with the output of ncz doctor"
            )
        return Coded(number, raw, coded)


def samples(picture: Picture, box: Box) -> NDArray[np.float32]:
    """A part of a picture as numbers from 0 to 1, float32 (height, width, channels)."""
    import numpy as np

    largest = np.float32((1 << picture.depth) - 1)
    made: NDArray[np.float32] = _cut(picture.pixels, box).astype(np.float32) / largest
    return made


def thumbnail(picture: Picture) -> NDArray[np.float32]:
    """The whole picture, small, as numbers from 0 to 1."""
    import numpy as np

    width, height = pieces.thumbnail_size(picture.width, picture.height)
    small: NDArray[np.float32] = np.stack(
        [
            reduced(picture.pixels[:, :, channel], height, width)
            for channel in range(picture.channels)
        ],
        axis=2,
    ) / np.float32((1 << picture.depth) - 1)
    return small


def reduced(plane: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    """A plane made smaller, each of its new samples the mean of those that it covers."""
    import numpy as np

    def cuts(side: int, parts: int) -> NDArray[np.int64]:
        return np.arange(parts, dtype=np.int64) * side // parts

    rows, columns = cuts(plane.shape[0], height), cuts(plane.shape[1], width)
    high = np.diff(np.append(rows, plane.shape[0]))[:, None]
    wide = np.diff(np.append(columns, plane.shape[1]))
    out = np.empty((height, width), np.float64)
    for row, top in enumerate(rows):
        lines = plane[top : top + int(high[row, 0])].sum(axis=0, dtype=np.int64)
        out[row] = np.add.reduceat(lines, columns)
    small: NDArray[np.float32] = (out / (high * wide)).astype(np.float32)
    return small


def _cut(plane: NDArray[Any] | None, box: Box) -> NDArray[Any]:
    assert plane is not None
    return plane[box.top : box.bottom, box.left : box.right]
