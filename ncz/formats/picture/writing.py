"""From :class:`Picture` to a file of a picture: PNG, JPEG, WebP, TIFF, BMP or PPM."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ncz.codec.errors import MissingExtra, PictureError
from ncz.formats.picture.png import PngWriter

if TYPE_CHECKING:
    from ncz.formats.picture.image import Picture

PNG = "png"
SUFFIXES = {
    ".png": PNG,
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
    ".ppm": "ppm",
    ".pgm": "ppm",
    ".pnm": "ppm",
}
"""Kind by suffix."""
_DEEP = (PNG, "ppm")  # that have 16 bits here
_ALPHA = (PNG, "webp", "tiff")
_TAGGED = (PNG, "jpeg", "webp", "tiff")  # that have room for ICC profile and EXIF
_XMP_TAG = 700
_EXIF_HEAD = b"Exif\0\0"
_QUALITY = 95  # of JPEG, which is asked for by name only
_MAX_SIDE = {"jpeg": 65_535, "webp": 16_383}


def kind_of(path: str | os.PathLike[str]) -> str:
    """The kind that a name's suffix says.

    Raises:
        PictureError: it says none.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise PictureError(
            f"{suffix or 'no suffix'} is no kind of picture that ncz writes: name the output with "
            "one of " + " ".join(SUFFIXES)
        )
    return SUFFIXES[suffix]


def exact(kind: str, depth: int, alpha: bool, tagged: bool) -> bool:
    """Whether a kind keeps every sample, alpha and metadata.

    Args:
        kind: one of the values of :data:`SUFFIXES`.
        depth: bits of a sample.
        alpha: whether there is alpha.
        tagged: whether there is metadata.
    """
    return (
        kind in (PNG, "tiff", "bmp", "ppm")
        and (depth == 8 or kind in _DEEP)
        and (not alpha or kind in _ALPHA)
        and (not tagged or kind in _TAGGED)
    )


def write(
    picture: Picture, file: str | os.PathLike[str] | BinaryIO, kind: str | None = None
) -> list[str]:
    """See :meth:`ncz.formats.picture.image.Picture.save`."""
    if isinstance(file, (str, os.PathLike)):
        kind = kind or kind_of(file)
        out = io.BytesIO()
        notes = write(picture, out, kind)
        Path(file).write_bytes(out.getvalue())
        return notes
    kind = kind or PNG
    if kind == PNG:
        _png(picture, file)
        return []
    if kind not in SUFFIXES.values():
        raise PictureError(f"{kind!r} is no kind of picture that ncz writes")
    fitted, notes = _fitted(picture, kind)
    if kind == "ppm":
        _ppm(fitted, file)
    else:
        _by_pillow(fitted, file, kind)
    return notes


def _png(picture: Picture, file: BinaryIO) -> None:
    array = picture.array()
    writer = PngWriter(
        file.write,
        picture.width,
        picture.height,
        array.shape[2],
        picture.depth,
        picture.icc,
        picture.exif,
        picture.xmp,
    )
    writer.rows(array)
    writer.end()


def _fitted(picture: Picture, kind: str) -> tuple[Picture, list[str]]:
    """What of it the kind can hold, and what it cannot."""
    import numpy as np

    name, notes = kind.upper(), []
    if max(picture.width, picture.height) > _MAX_SIDE.get(kind, 1 << 20):
        raise PictureError(
            f"{picture.width} x {picture.height} pixels are too many for {name}: name a .png"
        )
    if kind not in _TAGGED:
        turned = picture.orientation != 1
        if picture.icc or picture.exif or picture.xmp:
            more = ", and is turned upright" if turned else ""
            notes.append(f"{name} has no room for ICC profile, EXIF and XMP{more}")
        picture = replace(picture.upright(), icc=b"", exif=b"", xmp=b"")
    if picture.alpha is not None and kind not in _ALPHA:
        notes.append(f"{name} has no alpha")
        picture = replace(picture, alpha=None)
    if picture.depth == 16 and kind not in _DEEP:
        notes.append(f"{name} is written with 8 bits for 16")
        pixels, alpha = (
            None if plane is None else ((plane.astype(np.uint32) + 128) // 257).astype(np.uint8)
            for plane in (picture.pixels, picture.alpha)
        )
        assert pixels is not None
        picture = replace(picture, pixels=pixels, alpha=alpha)
    return picture, notes


def _ppm(picture: Picture, file: BinaryIO) -> None:
    letter, largest = "56"[picture.channels == 3], (1 << picture.depth) - 1
    file.write(f"P{letter}\n{picture.width} {picture.height}\n{largest}\n".encode())
    file.write(picture.pixels.astype(">u2" if picture.depth == 16 else "u1").tobytes())


def _by_pillow(picture: Picture, file: BinaryIO, kind: str) -> None:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("media", f"writing {kind.upper()}") from None
    array = picture.array()
    if array.shape[2] == 1:
        array = array[:, :, 0]
    how: dict[str, Any] = {}
    if picture.icc:
        how["icc_profile"] = picture.icc
    if picture.exif:
        how["exif"] = _EXIF_HEAD + picture.exif
    if picture.xmp and kind in ("jpeg", "webp"):
        how["xmp"] = picture.xmp
    if kind == "jpeg":
        how |= {"quality": _QUALITY, "subsampling": 0}
    elif kind == "webp":
        how |= {"lossless": True, "exact": True}
    elif kind == "tiff":
        how |= {"compression": "tiff_adobe_deflate"}
        tags = Image.Exif()
        if picture.exif:
            tags.load(picture.exif)
        if picture.xmp:
            tags[_XMP_TAG] = picture.xmp
        how["exif"] = tags
    out = io.BytesIO()  # for whoever writes may want to seek, and a pipe cannot
    Image.fromarray(array).save(out, kind.upper(), **how)
    file.write(out.getvalue())
