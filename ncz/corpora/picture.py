"""A file of a picture as pixels to measure: whatever Pillow reads, alone or within an .ncz file.

Two pictures are the same if one sees the same, so a picture is turned the way its EXIF data says,
palettes become colours, grey becomes grey in three channels, and what is seen through is put before
white. ICC profiles are not applied: values are measured as they stand.
"""

from __future__ import annotations

import importlib
import io
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ncz.codec.errors import MissingExtra, NczError
from ncz.models.image.quality import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CONTENT = 1 << 30
"""Bytes that the content of an .ncz file may have: more is no picture, or no picture to look at."""

_FLAT = frozenset({"1", "L", "P", "RGB", "YCbCr"})
_CLEAR = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})  # with an alpha channel
_DEEP_GREY = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
_FULL = 65_535  # the brightest of 16 bits
_PNG_DEPTH_AT = 24  # the byte of a PNG file that says how many bits a sample has
_TIFF_BITS = 258  # the tag that says so


class NoPicture(NczError):
    """A file holds no picture that can be measured."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is seen.

    Attributes:
        pixels: uint8 or uint16[height, width, 3]: red, green, blue.
        alpha: of the same type, [height, width], None if nothing is seen through.
        size: bytes of its file.
        kind: of its file: "PNG", "JPEG" … or "ncz".
    """

    pixels: Pixels
    alpha: Pixels | None
    size: int
    kind: str

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.pixels.shape[0])

    @property
    def bpp(self) -> float:
        """Bits of its file for each pixel."""
        return 8 * self.size / (self.width * self.height)


def picture_of(path: Path) -> Picture:
    """The picture in a file.

    Raises:
        NoPicture: it is none, or one that cannot be measured; the sentence says what to do.
        NczError: it is an .ncz file that cannot be decoded.
        MissingExtra: Pillow is not installed.
        OSError: reading fails.
    """
    from ncz.formats.header import MAGIC

    data = path.read_bytes()
    if not data.startswith(MAGIC):
        return _read(data, len(data))
    from ncz.formats.picture.decode import is_picture

    if is_picture(data):
        found = _read(_rendered(data), len(data))
    else:
        import ncz

        with ncz.open(io.BytesIO(data), max_output=MAX_CONTENT) as content:
            found = _read(content.read(), len(data))
    return Picture(found.pixels, found.alpha, found.size, "ncz")


def in_16_bits(pixels: Pixels) -> NDArray[np.uint16]:
    """The same values as uint16, white for white."""
    if pixels.dtype == np.uint16:
        return np.asarray(pixels, np.uint16)
    deep: NDArray[np.uint16] = np.asarray(pixels, np.uint16) * np.uint16(_FULL // 255)
    return deep


def _rendered(data: bytes) -> bytes:
    """A lossy picture as a PNG file."""
    from ncz.formats.options import DecompressOptions
    from ncz.formats.picture.streams import render_stream

    out = io.BytesIO()
    render_stream(io.BytesIO(data), out, options=DecompressOptions(max_output=MAX_CONTENT))
    return out.getvalue()


def _read(data: bytes, size: int) -> Picture:
    image_module = _pillow()
    with _plain_errors(image_module), image_module.open(io.BytesIO(data)) as image:
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            raise NoPicture("has several frames: compare still pictures")
        kind = str(image.format)
        pixels, alpha = _values(image, data)
    return Picture(pixels, alpha, size, kind)


def _values(image: Any, data: bytes) -> tuple[Pixels, Pixels | None]:
    """Pixels, before white, and alpha."""
    from PIL import ImageOps

    if image.mode not in _DEEP_GREY and _bits(image, data) > 8:
        raise NoPicture("has more than 8 bits a colour: compare pictures of 8 bits, or of grey")
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode in _DEEP_GREY:
        grey = np.asarray(upright).astype(np.uint16)
        return np.repeat(grey[:, :, None], 3, axis=2), None
    if upright.mode in _CLEAR or (upright.mode in _FLAT and "transparency" in upright.info):
        values = np.asarray(upright.convert("RGBA"), np.uint8)
        return _before_white(values)
    if upright.mode in _FLAT:
        return np.array(upright.convert("RGB"), np.uint8), None
    raise NoPicture(f"is a picture of mode {upright.mode}: convert it to RGB first")


def _before_white(values: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    alpha = values[:, :, 3]
    if (alpha == 255).all():
        return values[:, :, :3].copy(), None
    part = alpha[:, :, None].astype(np.uint32)
    seen = (values[:, :, :3] * part + 255 * (255 - part) + 127) // 255
    return seen.astype(np.uint8), alpha.copy()


def _bits(image: Any, data: bytes) -> int:
    """How many a sample has in the file; Pillow may have fewer."""
    if image.format == "PNG":
        return data[_PNG_DEPTH_AT]
    if image.format == "TIFF":
        return int(max(image.tag_v2.get(_TIFF_BITS, (8,))))
    return 8


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("media", "reading pictures") from None
    with suppress(ImportError):
        importlib.import_module("pillow_jxl")  # lets Pillow read JPEG XL, for whoever has it
    return Image


@contextmanager
def _plain_errors(image_module: Any) -> Iterator[None]:
    """Whatever Pillow says of a file that is none, or is broken, in one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (NczError, MemoryError):
        raise
    except image_module.DecompressionBombError:
        raise NoPicture(
            f"declares more than {2 * image_module.MAX_IMAGE_PIXELS:,} pixels: cut it into parts"
        ) from None
    except image_module.UnidentifiedImageError:
        raise NoPicture("is no picture, or of a kind that Pillow does not read") from None
    except Exception as error:  # its readers raise whatever their arithmetic comes to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise NoPicture(f"is a picture that is cut off or damaged: {reason}") from None
