"""What a file says of itself, without decoding any of it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ncz.codec.errors import NczError
from ncz.formats import coders, index
from ncz.formats.header import FORMATS, PICTURE, VERSION
from ncz.formats.index import Index, MemberPlace


@dataclass(frozen=True)
class CoderInfo:
    """A coder that a member's blocks may name: its number in the format, its parameters in hex."""

    id: int
    name: str
    params: str


@dataclass(frozen=True)
class ModelInfo:
    """A model that decoding needs."""

    name: str
    sha256: str


@dataclass(frozen=True)
class BlockInfo:
    """One block.

    Attributes:
        index: number in the file, from 0.
        offset: of its section, in the file.
        size: of its section, bytes.
        coder: name of the coder that made it.
        raw_start: of its first byte, in the content.
        raw_size: bytes of content in it.
        coded_size: bytes of coded data.
        raw_check: X32 of the content in it, 8 hex digits.
        coded_check: X32 of the coded data, 8 hex digits.
    """

    index: int
    offset: int
    size: int
    coder: str
    raw_start: int
    raw_size: int
    coded_size: int
    raw_check: str
    coded_check: str


@dataclass(frozen=True)
class PictureInfo:
    """The picture that a member holds.

    Attributes:
        width: pixels.
        height: pixels.
        channels: 1 (grey) or 3, alpha apart.
        depth: bits of a sample.
        alpha: whether there is alpha, which is kept exactly.
        thumbnail: whether a small picture can be rendered without the others.
        metadata: whether there is an ICC profile, EXIF or XMP.
        quality: that it was made with, 1 to 100.
        tiles: how many.
        tile: the largest side of one, pixels, without the overlap.
        overlap: pixels that a tile reaches into its neighbours.
    """

    width: int
    height: int
    channels: int
    depth: int
    alpha: bool
    thumbnail: bool
    metadata: bool
    quality: float
    tiles: int
    tile: int
    overlap: int


@dataclass(frozen=True)
class MemberInfo:
    """One member.

    Attributes:
        offset: in the file.
        size: bytes, header and tail included.
        version: of the format.
        format: how payloads make up the content.
        block_size: the most content a block of it holds.
        coders: what its blocks may be coded by.
        models: what decoding it needs.
        raw_start: of its first byte, in the content.
        raw_size: bytes of content in it.
        content_check: XXH64 of its content, 16 hex digits.
        blocks: its blocks, in file order.
        picture: what it is, if it is one.
    """

    offset: int
    size: int
    version: int
    format: str
    block_size: int
    coders: tuple[CoderInfo, ...]
    models: tuple[ModelInfo, ...]
    raw_start: int
    raw_size: int
    content_check: str
    blocks: tuple[BlockInfo, ...]
    picture: PictureInfo | None = None


@dataclass(frozen=True)
class FileInfo:
    """An .ncz file.

    Attributes:
        name: of the file, or None if it has none.
        size: bytes of the file.
        raw_size: bytes of its content.
        members: its members, in file order.
    """

    name: str | None
    size: int
    raw_size: int
    members: tuple[MemberInfo, ...]

    @property
    def blocks(self) -> tuple[BlockInfo, ...]:
        """All blocks, in file order."""
        return tuple(block for member in self.members for block in member.blocks)

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, strings and numbers, for JSON."""
        return asdict(
            self,
            dict_factory=lambda items: {
                k: list(v) if isinstance(v, tuple) else v for k, v in items
            },
        )


def info(file: str | os.PathLike[str] | bytes | BinaryIO) -> FileInfo:
    """What the .ncz file says of itself. Its framing is checked, its blocks are not decoded.

    Args:
        file: a path, the bytes of a file, or a seekable binary file object, read from where it
            stands and put back there.

    Raises:
        FormatError: it is no whole .ncz file. Its kinds are UnsupportedError, TruncatedError and
            CorruptBlock.
        NczError: the file object cannot seek.

    >>> import ncz
    >>> ncz.info(ncz.compress(b"content", level=1)).raw_size
    7
    """
    if isinstance(file, (bytes, bytearray, memoryview)):
        import io

        return _info(io.BytesIO(file), None)
    if isinstance(file, (str, os.PathLike)):
        with Path(file).open("rb") as src:
            return _info(src, os.fspath(file))
    if not file.seekable():
        raise NczError("this needs a file that can seek; save the stream to a file first")
    start = file.tell()
    try:
        name = getattr(file, "name", None)
        return _info(file, name if isinstance(name, str) else None)
    finally:
        file.seek(start)


def _info(src: BinaryIO, name: str | None) -> FileInfo:
    places = index.load(src)
    members = tuple(_member(src, places, member) for member in places.members)
    return FileInfo(name, places.size, places.raw_size, members)


def _member(src: BinaryIO, places: Index, member: MemberPlace) -> MemberInfo:
    header = member.header
    known = tuple(
        CoderInfo(spec.id, coders.name(spec, header.models), spec.params.hex())
        for spec in header.coders
    )
    blocks = []
    for place in places.blocks[member.first_block : member.first_block + member.blocks]:
        head = index.read_head(src, places, place)
        blocks.append(
            BlockInfo(
                place.number,
                place.offset,
                place.size,
                known[head.coder].name,
                place.raw_start,
                place.raw_size,
                head.coded_size,
                f"{head.raw_check:08x}",
                f"{head.coded_check:08x}",
            )
        )
    return MemberInfo(
        member.offset,
        member.size,
        VERSION,
        FORMATS[header.format],
        header.block_size,
        known,
        tuple(ModelInfo(model.name, model.digest.hex()) for model in header.models),
        member.raw_start,
        member.raw_size,
        f"{member.content_check:016x}",
        tuple(blocks),
        _picture(header.format_params) if header.format == PICTURE else None,
    )


def _picture(packed: bytes) -> PictureInfo:
    from ncz.formats.picture import params

    says = params.parse(packed)
    return PictureInfo(
        says.width,
        says.height,
        says.channels,
        says.depth,
        says.alpha,
        says.thumbnail,
        says.metadata,
        says.quality / 100,
        says.grid.count,
        says.tile,
        says.overlap,
    )
