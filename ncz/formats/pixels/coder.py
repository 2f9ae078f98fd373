"""The coder of pictures: a block that is a file of pixels, starts with one's head, or goes on.

The pixels go to the image coder, or to context mixing where that is shorter (drawings);
all else goes to context mixing. A decoder is told where the pixels are and how they are coded, so
formats are known to the encoder alone. PNG is more: its stream is made anew, by a record where zlib
did not make it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncz.codec import varint
from ncz.codec.coder import CoderSpec
from ncz.codec.errors import FormatError, UnsupportedError
from ncz.formats import payloads
from ncz.formats.pixels import png, raster, tokens
from ncz.formats.pixels.png import Apart
from ncz.formats.pixels.raster import DTYPES, Raster
from ncz.models.pixels import photocd, planes

CODER_ID = 7
REVISION = 1

_PLAIN, _PNG, _TOKENS = range(3)  # what holds the raster; a PNG file with a record
_MIXED, _PLANES, _PHOTO_CD = range(3)  # how it is coded
PHOTO_CD = "Photo CD"
WAYS = ("context mixing", "planes", PHOTO_CD)
"""How pixels are told, by these numbers."""
_LEAST = 64  # samples of a picture
_ORDERS = {1: (0,), 2: (0, 1), 3: (1, 0, 2), 4: (1, 0, 2, 3)}  # green first, opacity last
_SPARE = 64 << 20
_MOST = 40  # bytes of memory for each of a picture, or somewhat more
_DAMAGED = "the head of a block of pixels is damaged"
_TRIED = 1 << 16  # samples that show what pays


@dataclass(frozen=True)
class PixelsCoder:
    """Codes pictures. It keeps nothing between blocks.

    What an encoder is told is nothing to a decoder, which asks the block.

    Attributes:
        row: one row of the picture whose file's later blocks start with rows; None if none do.
        photo_cd: whether to look for the planes of a Photo CD.
    """

    row: Raster | None = None
    photo_cd: bool = True
    exact = True

    @property
    def name(self) -> str:
        """How it is called."""
        return "pixels"

    @property
    def spec(self) -> CoderSpec:
        """What a header says."""
        return CoderSpec(CODER_ID, bytes([REVISION]))

    def memory(self, raw_size: int) -> int:
        """Bytes of working memory; a picture that needs more is left to others."""
        return 2 * _SPARE + _MOST * raw_size + payloads.mixing().memory(raw_size)

    def memory_of(self, coded: bytes, raw_size: int) -> int:
        """The same for a block, by what its head says.

        Raises:
            FormatError: its head is damaged.
        """
        head, _ = _head(coded, raw_size)
        return _needed(head.raster, raw_size, head.holds)

    def encode(self, raw: bytes) -> bytes | None:
        """Coded bytes, or None where `raw` is no picture that is known here."""
        record: bytes | None = None
        if raw.startswith(png.SIGNATURE):
            try:
                apart = png.take(raw, png.room(len(raw)))
            except png.NotApart:
                return None
            where, content, rest, record = apart.raster, apart.rows, apart.rest, apart.record
            content = content.reshape(-1)
            content.flags.writeable = False  # as other files are: one machine code for both
            holds = _PNG if record is None else _TOKENS
        else:
            found = raster.find(raw)
            if self.row is not None and (found is None or found.pitch != self.row.pitch):
                found = raster.on(self.row, raw)
            if found is None:
                return None
            where, holds, content, rest = found, _PLAIN, np.frombuffer(raw, np.uint8), b""
        if where.values < _LEAST or _needed(where, len(raw), holds) > self.memory(len(raw)):
            return None
        samples, others = where.take(content)
        how, coded, odd = _coded(samples, self.photo_cd)
        fields = (where.start, where.pitch, where.width, where.height, where.channels, where.dtype)
        return b"".join(
            (
                bytes([holds << 4 | how]),
                *map(varint.encode, fields),
                payloads.packed(rest),
                payloads.packed(others),
                payloads.packed(odd),
                b"" if record is None else varint.encode(len(record)) + record,
                coded,
            )
        )

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """The raw bytes.

        Raises:
            FormatError: the head is damaged, or the parts do not make such a file.
        """
        head, at = _head(coded, raw_size)
        where = head.raster
        size = where.end if head.holds != _PLAIN else raw_size
        record = None
        try:
            rest, at = payloads.unpacked(
                coded, at, 2 * raw_size + _SPARE // 64 + where.height, _DAMAGED
            )
            others, at = payloads.unpacked(coded, at, raw_size, _DAMAGED)
            odd, at = payloads.unpacked(coded, at, 12 * where.width * where.height, _DAMAGED)
            if head.holds == _TOKENS:
                length, at = varint.decode(coded, at)
                record, at = coded[at : at + length], at + length
        except (varint.Incomplete, ValueError):
            raise FormatError(_DAMAGED) from None
        if len(others) != size - where.row * where.height or at > len(coded):
            raise FormatError(_DAMAGED)
        content = where.put(_decoded(coded[at:], head, odd), others, size)
        if head.holds != _PLAIN:
            return png.put(Apart(where, content, rest, record), raw_size)
        return content.tobytes()


@dataclass(frozen=True)
class _Head:
    holds: int
    how: int
    raster: Raster


def from_params(params: bytes) -> PixelsCoder:
    """The coder that a header means.

    Raises:
        UnsupportedError: this build does not know these parameters.
    """
    if params != bytes([REVISION]):
        raise UnsupportedError(
            "this file's pixels are coded in a way that this ncz does not know; install a newer ncz"
        )
    return PixelsCoder()


def _head(coded: bytes, raw_size: int) -> tuple[_Head, int]:
    at = 1
    fields = []
    try:
        for _ in range(6):
            number, at = varint.decode(coded, at)
            fields.append(number)
        holds, how = coded[0] >> 4, coded[0] & 15
    except (varint.Incomplete, ValueError, IndexError):
        raise FormatError(_DAMAGED) from None
    start, pitch, width, height, channels, dtype = fields
    where = Raster(start, pitch, width, height, channels, dtype)
    most = raw_size if holds == _PLAIN else png.room(raw_size)
    if holds > _TOKENS or how > _PHOTO_CD or not where.fits(most):
        raise FormatError(_DAMAGED)
    if holds != _PLAIN and (start or pitch != where.row):
        raise FormatError(_DAMAGED)
    if how == _PHOTO_CD and (channels != 3 or dtype):
        raise FormatError(_DAMAGED)
    return _Head(holds, how, where), at


def _needed(where: Raster, raw_size: int, holds: int) -> int:
    shape = (where.channels, where.height, where.width)
    more = tokens.memory(where.end + where.height, raw_size) if holds == _TOKENS else 0
    others = 2 * where.end + 4 * raw_size + payloads.mixing().memory(raw_size)
    return planes.memory(shape) + others + more


def way(coded: bytes) -> str:
    """How the pixels of a coded block are told: one of :data:`WAYS`.

    Raises:
        FormatError: its head is damaged.
    """
    if not coded or coded[0] & 15 >= len(WAYS):
        raise FormatError(_DAMAGED)
    return WAYS[coded[0] & 15]


def _coded(samples: NDArray[np.integer], photo_cd: bool) -> tuple[int, bytes, bytes]:
    """How the samples are coded, the coded bytes, and what they do not tell."""
    if photo_cd and samples.dtype.itemsize == 1 and samples.shape[2] == 3:
        separated = photocd.separate(np.ascontiguousarray(samples, np.uint8))
        if separated is not None:
            return _PHOTO_CD, _of_photo_cd(separated), _odd(samples, photocd.join(separated))
    if _mixes(samples):
        mixed = payloads.mixing().encode(samples.tobytes())
        if mixed is not None:
            return _MIXED, mixed, b""
    return _PLANES, planes.encode(_planes(samples), _top(samples.dtype)), b""


def _mixes(samples: NDArray[np.integer]) -> bool:
    """Whether context mixing is shorter, by a part of the picture."""
    rows = max(1, min(len(samples), _TRIED // (samples.shape[1] * samples.shape[2])))
    first = (len(samples) - rows) // 2
    part = np.ascontiguousarray(samples[first : first + rows])
    mixed = payloads.mixing().encode(part.tobytes())
    return mixed is not None and len(mixed) < len(planes.encode(_planes(part), _top(part.dtype)))


def _planes(samples: NDArray[np.integer]) -> NDArray[np.integer]:
    order = list(_ORDERS[samples.shape[2]])
    found: NDArray[np.integer] = samples.transpose(2, 0, 1)[order]
    return found


def _top(dtype: np.dtype[np.integer]) -> int:
    return (1 << (8 * dtype.itemsize)) - 1


def _of_photo_cd(found: photocd.Separated) -> bytes:
    chroma = planes.encode(found.chroma, photocd.TOP)
    known = photocd.scaled(found.chroma, found.luma.shape, found.phase)
    luma = planes.encode(np.concatenate([known, found.luma[None]]), photocd.TOP, 2)
    phase = found.phase[0] | found.phase[1] << 1
    return bytes([phase]) + varint.encode(len(chroma)) + chroma + luma


def _from_photo_cd(coded: bytes, height: int, width: int) -> photocd.Separated:
    try:
        size, at = varint.decode(coded, 1)
    except (varint.Incomplete, ValueError):
        raise FormatError(_DAMAGED) from None
    phase = (coded[0] & 1, coded[0] >> 1)
    rows, columns = photocd.halves(height, width, phase) if coded[0] < 4 else (0, 0)
    if size > len(coded) - at or not rows or not columns:
        raise FormatError(_DAMAGED)
    chroma = planes.decode(coded[at : at + size], (2, rows, columns), photocd.TOP)
    known = photocd.scaled(chroma, (height, width), phase)
    luma = planes.decode(coded[at + size :], (3, height, width), photocd.TOP, known)[2]
    return photocd.Separated(phase, luma, chroma)


def _odd(samples: NDArray[np.integer], joined: NDArray[np.uint8]) -> bytes:
    """The pixels that are others: how many, how far each is from the one before, by how much."""
    differ = (np.asarray(samples, np.uint8) - joined).reshape(-1, 3)
    at = np.flatnonzero(differ.any(1))
    gaps = np.diff(at, prepend=-1) - 1
    far = b"".join(varint.encode(int(gap)) for gap in gaps)
    return varint.encode(len(at)) + far + bytes(differ[at].T.tobytes())


def _with_odd(joined: NDArray[np.uint8], odd: bytes) -> NDArray[np.uint8]:
    flat = joined.reshape(-1, 3)
    try:
        count, at = varint.decode(odd)
        if count > len(flat):
            raise FormatError(_DAMAGED)
        places, place = [], -1
        for _ in range(count):
            gap, at = varint.decode(odd, at)
            place += gap + 1
            places.append(place)
    except (varint.Incomplete, ValueError):
        raise FormatError(_DAMAGED) from None
    if place >= len(flat) or len(odd) != at + 3 * count:
        raise FormatError(_DAMAGED)
    flat[places] += np.frombuffer(odd, np.uint8, offset=at).reshape(3, count).T
    return flat.reshape(joined.shape)


def _decoded(coded: bytes, head: _Head, odd: bytes) -> NDArray[np.integer]:
    where = head.raster
    height, width, channels = where.height, where.width, where.channels
    dtype = np.dtype(DTYPES[where.dtype])
    if head.how == _PHOTO_CD:
        return _with_odd(photocd.join(_from_photo_cd(coded, height, width)), odd)
    if odd:
        raise FormatError(_DAMAGED)
    if head.how == _MIXED:
        size = where.values * dtype.itemsize
        whole = payloads.mixing().decode(coded, size)
        return np.frombuffer(whole, dtype).reshape(height, width, channels)
    found = planes.decode(coded, (channels, height, width), _top(dtype))
    order = _ORDERS[channels]
    back = [order.index(channel) for channel in range(channels)]
    samples: NDArray[np.integer] = np.stack([found[k] for k in back], 2).astype(dtype, copy=False)
    return samples
