"""From a file of a picture to :class:`Picture`: PNG, JPEG, WebP, TIFF, BMP and PPM, by Pillow.

What Pillow has no room for, colours of 16 bits, is read by :mod:`deep`. How EXIF wants a picture
turned is kept beside it, but for TIFF files, which Pillow turns while it reads them. Declared
sizes are checked before anything is decoded, and whatever is wrong with a file is one sentence.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ncz.codec.errors import MemoryLimitError, MissingExtra, NczError, PictureError
from ncz.formats.picture.grid import MAX_SIDE
from ncz.formats.picture.image import Picture

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

KINDS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "PPM")
"""What Pillow may take a file for; some JPEG files it calls MPO."""
MAX_PIXELS = 1 << 29
"""Where no limit of memory is named: some 4 GB."""
_HELD = 9  # bytes that a pixel takes while it is read, and an array made of it
_STRIP = 256  # rows that are taken out of Pillow's memory at a time
_EXIF_HEAD = b"Exif\0\0"
# What of a TIFF's directory is about the picture, and not about where it lies in the file.
_TIFF_TAGS = (270, 271, 272, 274, 305, 306, 315, 33432, 34665, 34853)

_opening = threading.Lock()  # Pillow's own limit is a global variable


def read(file: str | os.PathLike[str] | bytes | BinaryIO, memlimit: int | None = None) -> Picture:
    """The picture in a file.

    Args:
        file: a path, the bytes of a file, or a binary file object, which is read to its end.
        memlimit: bytes that reading may take.

    Raises:
        PictureError: it is none of the kinds that are read, is broken, or is an animation.
        MemoryLimitError: it declares more pixels than fit.
        MissingExtra: Pillow is not installed.
        OSError: the file cannot be read.
    """
    if isinstance(file, (str, os.PathLike)):
        data = Path(file).read_bytes()
    elif isinstance(file, (bytes, bytearray, memoryview)):
        data = bytes(file)
    else:
        data = file.read()
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtra("media", "reading pictures") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow passes over is passed over
            with _opened(data, Image) as image:
                return _read(image, data, memlimit)
    except (NczError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise PictureError(
            "is no picture that ncz reads (PNG, JPEG, WebP, TIFF, BMP or PPM), or its head is "
            "damaged: leave out --lossy to keep every byte of it"
        ) from None
    except Exception as error:  # Pillow's readers raise whatever their arithmetic comes to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"is a picture that is cut off or damaged: {reason}") from None


def _opened(data: bytes, pillow: Any) -> ImageFile:
    """Pillow's view of it: the head is read, nothing is decoded; its sizes are checked here."""
    with _opening:
        before, pillow.MAX_IMAGE_PIXELS = pillow.MAX_IMAGE_PIXELS, None
        try:
            pillow.init()  # some of the kinds are not known before
            found: ImageFile = pillow.open(io.BytesIO(data), formats=KINDS)
        finally:
            pillow.MAX_IMAGE_PIXELS = before
    return found


def _read(image: ImageFile, data: bytes, memlimit: int | None) -> Picture:
    from ncz.formats.picture import deep

    check_size(image.width, image.height, memlimit)
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1 and image.format != "MPO":  # there the first is the photograph
        raise PictureError(
            f"has {frames} pictures in it, as an animation or pages: save the one that you want "
            "in a file of its own, or leave out --lossy to keep all of it"
        )
    notes = []
    if frames > 1:
        notes.append(f"only the first of its {frames} pictures is kept")
    found = deep.read(image, data)
    if found is None:
        if deep.is_deep(image):
            notes.append("its samples of 16 bits are read as 8: save it as PNG to keep them")
        found = _shallow(image)
    pixels, alpha, icc = found
    return Picture(pixels, alpha, icc, _exif(image), _xmp(image), tuple(notes))


def check_size(width: int, height: int, memlimit: int | None) -> None:
    """Pass if a picture of so many pixels may be held.

    Raises:
        PictureError, MemoryLimitError: it may not.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise PictureError(
            f"declares {width} x {height} pixels, and sides are 1 to {MAX_SIDE:,}: cut it in parts"
        )
    needed = width * height * _HELD
    if memlimit is not None and needed > memlimit:
        raise MemoryLimitError(needed, memlimit)
    if memlimit is None and width * height > MAX_PIXELS:
        raise PictureError(
            f"declares {width:,} x {height:,} pixels, which take {needed >> 30} GiB to read: "
            "--memlimit says that they may"
        )


def _shallow(image: ImageFile) -> tuple[Any, Any, bytes]:
    """Pixels, alpha and profile of what Pillow can hold."""
    import numpy as np

    icc = image.info.get("icc_profile") or b""
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise PictureError("has samples of 32 bits: scale them to 16 first")
        return values.astype(np.uint16)[:, :, None], None, icc
    if image.mode == "CMYK":
        return _rows(_from_cmyk(image, icc)), None, b""
    mode = _MODES.get(image.mode)
    if mode is None:
        raise PictureError(f"is of mode {image.mode}: convert it to grey or RGB first")
    clear = image.info.get("transparency") is not None and mode in ("L", "RGB")
    if image.mode == "P" and not clear and image.palette is not None:
        clear = image.palette.mode == "RGBA"
    if clear:
        mode = "LA" if mode == "L" else "RGBA"
    image.load()
    planes = _rows(image if image.mode == mode else image.convert(mode))
    if mode in ("LA", "RGBA"):
        return planes[:, :, :-1].copy(), planes[:, :, -1].copy(), icc
    return planes, None, icc


_MODES = {
    "1": "L",
    "L": "L",
    "P": "RGB",
    "RGB": "RGB",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "LA": "LA",
    "La": "LA",
    "PA": "RGBA",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
}
"""What Pillow finds, and what it is taken as."""


def _rows(image: Image.Image) -> Any:
    """uint8 (height, width, bands), without a third copy of a large picture."""
    import numpy as np

    bands = len(image.getbands())
    out = np.empty((image.height, image.width, bands), np.uint8)
    for top in range(0, image.height, _STRIP):
        end = min(top + _STRIP, image.height)
        strip = np.asarray(image.crop((0, top, image.width, end)))
        out[top:end] = strip.reshape(end - top, image.width, bands)
    return out


def _from_cmyk(image: ImageFile, icc: bytes) -> Image.Image:
    """The same in sRGB, if its profile says how."""
    if not icc:
        raise PictureError(
            "has colours for printing (CMYK) and no profile that says what they look like: "
            "convert it to RGB first"
        )
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    made = ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert made is not None
    return made


def _exif(image: ImageFile) -> bytes:
    """EXIF from its TIFF head on."""
    if image.format == "TIFF":
        from PIL import Image

        own, kept = image.getexif(), Image.Exif()
        for tag in _TIFF_TAGS:
            if tag in own:
                kept[tag] = own.get_ifd(tag) if tag in (34665, 34853) else own[tag]
        plain = set(kept) <= {274} and kept.get(274, 1) == 1
        return b"" if plain else kept.tobytes().removeprefix(_EXIF_HEAD)
    found = image.info.get("exif") or b""
    return bytes(found).removeprefix(_EXIF_HEAD)


def _xmp(image: ImageFile) -> bytes:
    found = image.info.get("xmp") or b""
    if not found and image.format == "TIFF":
        found = getattr(image, "tag_v2", {}).get(700, b"")
    return found.encode() if isinstance(found, str) else bytes(found)
