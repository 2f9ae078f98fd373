"""From a member of format 1 to its picture: piece by piece, and rendered a row of tiles at a time.

Nothing of a piece is looked at before its checks hold. With ``keep_going`` a tile that is damaged
is taken from the thumbnail, or is grey, and what was lost is named.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from ncz.codec import varint
from ncz.codec.errors import (
    CorruptBlock,
    FormatError,
    MemoryLimitError,
    OutputLimitError,
    PictureError,
    TruncatedError,
)
from ncz.formats import header as headers
from ncz.formats import index, parse
from ncz.formats.decode import Decoder, decode_block, fit, ready
from ncz.formats.events import Block, Lost, MemberStart, Need, Trailing
from ncz.formats.header import Header
from ncz.formats.options import DecompressOptions
from ncz.formats.picture import codecs, params, pieces
from ncz.formats.picture.codecs import PictureCodec
from ncz.formats.picture.encode import reduced
from ncz.formats.picture.grid import Box, joined
from ncz.formats.picture.image import Picture
from ncz.formats.picture.params import PictureParams
from ncz.formats.picture.pieces import Kind, Metadata, Piece
from ncz.formats.window import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK = 1 << 20  # bytes read at a time
_GREY = 0.5  # of a tile that is lost, where nothing is known of it


def is_picture(head: bytes) -> bool:
    """Whether a file that begins like this is of a picture, as far as its header is in `head`."""
    try:
        return headers.parse(head)[0].format == headers.PICTURE
    except (FormatError, varint.Incomplete):
        return False


@dataclass
class Rendering:
    """A picture that is about to be rendered.

    Attributes:
        params: what it is.
        metadata: what came with it.
        damage: with keep_going, what was passed over so far.
        read: bytes of the file that were read so far.
        blocks: pieces so far.
    """

    params: PictureParams
    metadata: Metadata
    small: NDArray[np.float32] | None
    codec: PictureCodec
    coming: Iterator[tuple[Piece, bytes | None]]
    damage: list[FormatError] = field(default_factory=list)
    read: int = 0
    blocks: int = 0

    def strips(self) -> Iterator[NDArray[Any]]:
        """All pixels, from top to bottom, uint8 or uint16 (rows, width, samples).

        Raises:
            NczError: what reading and decoding raise; everything before was right.
        """
        import numpy as np

        says, grid = self.params, self.params.grid
        largest = np.float32((1 << says.depth) - 1)
        kind = np.uint8 if says.depth == 8 else np.uint16
        alphas: list[NDArray[Any]] = []  # of the tiles of the row at hand
        waiting: NDArray[Any] | None = None  # rows of alpha whose pixels have not come

        def tiles() -> Iterator[NDArray[np.float32]]:
            for piece, raw in self.coming:
                if piece.kind is Kind.ALPHA:
                    alphas.append(self._alpha(raw, grid.core(piece.tile)))
                    continue
                yield self._tile(raw, grid.box(piece.tile), piece)

        # A tile is handed on before its alpha is read, so alpha is one tile late at the row's end.
        found = tiles() if not says.alpha else _ahead(tiles())
        for _, strip in joined(grid, found):
            out = np.rint(strip.clip(0, 1) * largest).astype(kind)
            if says.alpha:
                row = np.concatenate(alphas[: grid.columns], axis=1)
                del alphas[: grid.columns]
                waiting = row if waiting is None else np.concatenate([waiting, row])
                out = np.concatenate([out, waiting[: len(out), :, None]], axis=2)
                waiting = waiting[len(out) :]
            yield out
        for _ in self.coming:
            raise FormatError("the file goes on after its picture")

    def thumbnail(self) -> Picture:
        """The picture within 256 pixels, turned upright: from what stands for it, or rendered.

        Raises:
            NczError: as :meth:`strips`.
        """
        import numpy as np

        says = self.params
        width, height = pieces.thumbnail_size(says.width, says.height)
        depth = says.depth
        kind = np.uint8 if depth == 8 else np.uint16
        if self.small is not None:
            pixels = np.rint(self.small.clip(0, 1) * ((1 << depth) - 1)).astype(kind)
            small = Picture(pixels, None, self.metadata.icc, self.metadata.exif)
        else:
            whole = np.concatenate(list(self.strips()))
            planes = [
                np.rint(reduced(whole[:, :, channel], height, width)).astype(kind)
                for channel in range(whole.shape[2])
            ]
            small = Picture.of(np.stack(planes, axis=2))
            small = replace(small, icc=self.metadata.icc, exif=self.metadata.exif)
        return small.upright()

    def picture(self) -> Picture:
        """All of it in memory.

        Raises:
            NczError: as :meth:`strips`.
        """
        import numpy as np

        whole = np.concatenate(list(self.strips()))
        says, metadata = self.params, self.metadata
        pixels = whole[:, :, : says.channels] if says.alpha else whole
        alpha = whole[:, :, -1] if says.alpha else None
        return Picture(pixels, alpha, metadata.icc, metadata.exif, metadata.xmp)

    def _tile(self, raw: bytes | None, box: Box, piece: Piece) -> NDArray[np.float32]:
        says = self.params
        if raw is not None:
            return codecs.synthesise(self.codec, raw, box.height, box.width, says.channels)
        import numpy as np

        if self.small is None:
            return np.full((box.height, box.width, says.channels), _GREY, np.float32)
        rows = (np.arange(box.top, box.bottom) * self.small.shape[0]) // says.height
        columns = (np.arange(box.left, box.right) * self.small.shape[1]) // says.width
        found: NDArray[np.float32] = self.small[rows[:, None], columns]
        return found

    def _alpha(self, raw: bytes | None, core: Box) -> NDArray[Any]:
        import numpy as np

        depth = self.params.depth
        if raw is not None:
            return pieces.parse_alpha(raw, core, depth)
        kind = np.uint8 if depth == 8 else np.uint16
        return np.full((core.height, core.width), (1 << depth) - 1, kind)


def _ahead(tiles: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The same, each handed on when the next one, and so its own alpha, has been read."""
    last: NDArray[np.float32] | None = None
    for tile in tiles:
        if last is not None:
            yield last
        last = tile
    if last is not None:
        yield last


def rendering(
    src: BinaryIO,
    options: DecompressOptions | None = None,
    tell: Callable[[int, int], None] | None = None,
    codec: PictureCodec | None = None,
) -> Rendering:
    """Begin with the picture in `src`: header, metadata and thumbnail are read.

    Args:
        src: an .ncz file, from where it stands; it need not be seekable.
        options: limits, and whether to go on after damage.
        tell: called with bytes that were read and pieces that were decoded.
        codec: what renders it; None: what the header names.

    Raises:
        PictureError: it holds no picture, or something beside it.
        ModelMissing: the weights of its codec are not here.
        OutputLimitError, MemoryLimitError: it is larger than the options allow.
        FormatError: it is damaged, or no .ncz file.
    """
    given = options or DecompressOptions()
    # A limit of the output is one of pixels here, and not of the pieces that they come from.
    options = replace(given, pieces=True, max_output=None)
    head = bytearray()
    while True:
        try:
            says, _ = headers.parse(head)
            break
        except varint.Incomplete:
            piece = src.read(_CHUNK)
            if not piece:
                if not head:
                    raise FormatError("this is not an .ncz file: it is empty") from None
                raise TruncatedError("the data ends inside a header") from None
            head += piece
    if says.format != headers.PICTURE:
        raise PictureError("holds no lossy picture: restore it as any other file")
    found = params.parse(says.format_params)
    if given.max_output is not None and found.raw_size > given.max_output:
        raise OutputLimitError(given.max_output)
    needed = memory(found)
    if options.memlimit is not None and needed > options.memlimit:
        raise MemoryLimitError(needed, options.memlimit)
    if options.bring is not None:
        for model in says.models:
            options.bring(model)
    if codec is None:
        codec = codecs.load(says.models[0] if says.models else None)
    made = Rendering(found, Metadata(), None, codec, iter(()))
    reading = _Reading(src, bytes(head), made, options, tell)
    coming = reading.leniently(says) if options.keep_going else reading.strictly()
    made.coming = coming
    if found.metadata:
        _, raw = next(coming)
        if raw is not None:
            made.metadata = pieces.parse_metadata(raw)
    if found.thumbnail:
        _, raw = next(coming)
        if raw is not None:
            width, height = pieces.thumbnail_size(found.width, found.height)
            made.small = codecs.synthesise(codec, raw, height, width, found.channels)
    return made


def memory(says: PictureParams) -> int:
    """Bytes that rendering takes beside the codec: a row of tiles, and the strip that they make."""
    rows = min(says.height, says.tile + 2 * says.overlap)
    return 3 * rows * says.width * says.channels * 4


class _Reading:
    """Pieces of a file, with their names."""

    def __init__(
        self,
        src: BinaryIO,
        head: bytes,
        made: Rendering,
        options: DecompressOptions,
        tell: Callable[[int, int], None] | None,
    ) -> None:
        self._src = src
        self._head = head
        self._made = made
        self._options = options
        self._tell = tell or (lambda read, blocks: None)

    def strictly(self) -> Iterator[tuple[Piece, bytes | None]]:
        """Each as it comes; the first damage is raised, and so is whatever does not belong."""
        decoder = Decoder(self._options)
        decoder.feed(self._head)
        self._made.read = len(self._head)
        due = pieces.order(self._made.params)
        try:
            while True:
                raw = decoder.next_piece()
                if raw is not None:
                    piece = next(due, None)
                    if piece is None:
                        raise PictureError(
                            "holds something behind its picture: a picture stands alone in a file"
                        )
                    yield piece, raw
                    self._count()
                elif decoder.trailing is not None:
                    decoder.refuse_trailing()
                elif decoder.hungry:
                    chunk = self._src.read(_CHUNK)
                    self._made.read += len(chunk)
                    if chunk:
                        decoder.feed(chunk)
                    else:
                        decoder.end()
                else:
                    break
        finally:
            decoder.close()
        if next(due, None) is not None:
            raise FormatError("the picture lacks tiles, although every block is whole")

    def leniently(self, says: Header) -> Iterator[tuple[Piece, bytes | None]]:
        """Each, None for what is damaged."""
        data = self._head + self._src.read()
        self._made.read = len(data)
        found = _by_tail(data, says, self._options)
        if found is None:
            found = _by_search(data, says, self._options, self._made.params.pieces)
        known, damage = found
        if not known:
            raise damage[0] if damage else FormatError("there is nothing to save")
        self._made.damage += damage
        for number, piece in enumerate(pieces.order(self._made.params)):
            raw = known.get(number)
            yield piece, raw
            self._count()

    def _count(self) -> None:
        self._made.blocks += 1
        self._tell(self._made.read, self._made.blocks)


_Found = tuple[dict[int, bytes], list[FormatError]]
"""Pieces that are whole, by their numbers, and what is wrong with the rest."""


def _by_tail(data: bytes, says: Header, options: DecompressOptions) -> _Found | None:
    """What the tail leads to; None if it is not there."""
    src = io.BytesIO(data)
    try:
        places = index.load(src, options.memlimit)
    except MemoryLimitError:
        raise
    except FormatError:
        return None
    if len(places.members) != 1:
        raise PictureError("holds something beside its picture: a picture stands alone in a file")
    if len(places.blocks) != params.parse(says.format_params).pieces:
        raise FormatError("the picture has another number of tiles than its header says")
    made = ready(says, options)
    _, room = fit(made, says.block_size, options, None)
    known: dict[int, bytes] = {}
    damage: list[FormatError] = []
    for place in places.blocks:
        try:
            block = index.read_block(src, places, place)
            known[place.number] = decode_block(made[block.head.coder], block, room)
        except CorruptBlock as error:
            damage.append(error)
    return known, damage


def _by_search(data: bytes, says: Header, options: DecompressOptions, count: int) -> _Found:
    """What reading from the start finds: up to the first gap, and from the end back to the last."""
    made = ready(says, options)
    _, room = fit(made, says.block_size, options, None)
    window = Window()
    window.feed(data)
    window.end()
    runs: list[list[bytes | None]] = [[]]
    damage: list[FormatError] = []
    ended = False
    for event in parse.events(window, keep_going=True):
        if isinstance(event, Block):
            try:
                runs[-1].append(decode_block(made[event.head.coder], event, room))
            except CorruptBlock as error:
                runs[-1].append(None)
                damage.append(error)
        elif isinstance(event, Lost):
            damage.append(event.damage)
            if event.raw_size or isinstance(event.damage, CorruptBlock):
                runs.append([])
            ended = not isinstance(event.damage, TruncatedError)
        elif isinstance(event, MemberStart | Need):
            continue
        elif isinstance(event, Trailing):
            damage.append(event.damage)
        else:
            ended = True
    known = {number: raw for number, raw in enumerate(runs[0][:count]) if raw is not None}
    if len(runs) > 1 and ended:
        start = count - len(runs[-1])
        known |= {
            start + i: raw for i, raw in enumerate(runs[-1]) if raw is not None and start >= 0
        }
    return known, damage
