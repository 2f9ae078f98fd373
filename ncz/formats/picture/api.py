"""``ncz.compress_picture`` and ``ncz.decompress_picture``."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ncz.formats.options import DecompressOptions
from ncz.formats.picture.image import Picture
from ncz.formats.picture.targets import DEFAULT_EFFORT, Lossy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Source = str | os.PathLike[str] | bytes | BinaryIO | Picture | NDArray[Any]


def compress_picture(
    picture: Source,
    quality: float | None = None,
    *,
    size: int | None = None,
    bpp: float | None = None,
    psnr: float | None = None,
    ms_ssim: float | None = None,
    effort: int = DEFAULT_EFFORT,
    tune: str | None = None,
    memlimit: int | None = None,
) -> bytes:
    """A picture as an .ncz file, lossy: what it shows is kept, its exact pixels are not.

    Args:
        picture: a path, the bytes of a file (PNG, JPEG, WebP, TIFF, BMP, PPM) or a binary file
            object; a :class:`Picture`; or an array uint8 or uint16, (height, width) or with 1 to
            4 channels.
        quality: 1 (least) to 100; 60 where nothing else is asked for.
        size: bytes that the file may have, in place of a quality.
        bpp: the same, in bits for each pixel.
        psnr: dB that the rendered picture must reach, in place of a quality.
        ms_ssim: MS-SSIM that it must reach.
        effort: 1 (fast) to 9 (small).
        tune: the measure that the file is to be small for, "psnr" or "ms-ssim"; PSNR unless an
            MS-SSIM is asked for.
        memlimit: bytes that reading the picture may take.

    Raises:
        ValueError: an argument is out of its range, or two contradict each other.
        PictureError: there is no picture in it, or no quality gives what was asked for.
        ModelMissing: the weights of the codec are not here.
        MissingExtra: reading a file of a picture needs Pillow, the extra ``media``.
    """
    from ncz.formats.picture import codecs, reading, targets
    from ncz.formats.picture.encode import Encoder

    how = Lossy(quality, size, bpp, psnr, ms_ssim, effort, tune)
    if isinstance(picture, Picture):
        found = picture
    elif hasattr(picture, "ndim"):
        found = Picture.of(cast(Any, picture))
    else:
        found = reading.read(picture, memlimit)
    return targets.made(Encoder(found, codecs.load(tune=how.tuned), how.effort), how).data


def decompress_picture(
    file: str | os.PathLike[str] | bytes | BinaryIO,
    *,
    thumbnail: bool = False,
    memlimit: int | None = None,
    max_output: int | None = None,
) -> Picture:
    """The picture in an .ncz file that :func:`compress_picture` has made.

    Args:
        file: a path, the bytes of the file, or a binary file object.
        thumbnail: only a small one, within 256 pixels and turned upright; of a large picture
            nothing else is decoded.
        memlimit: bytes of working memory, beyond the result.
        max_output: refuse a picture of more than this many bytes of pixels.

    Returns:
        pixels, alpha and metadata; its ``save`` writes files that others read.

    Raises:
        PictureError: the file is of something else.
        FormatError: it is no .ncz file, or is damaged.
        ModelMissing: the weights of its codec are not here.
    """
    from ncz.formats.picture.decode import rendering

    options = DecompressOptions(memlimit=memlimit, max_output=max_output)
    if isinstance(file, (str, os.PathLike)):
        with Path(file).open("rb") as src:
            return decompress_picture(
                src, thumbnail=thumbnail, memlimit=memlimit, max_output=max_output
            )
    if isinstance(file, (bytes, bytearray, memoryview)):
        file = io.BytesIO(file)
    made = rendering(file, options)
    return made.thumbnail() if thumbnail else made.picture()
