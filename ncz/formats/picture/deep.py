"""Colours of 16 bits, which Pillow cuts to 8: from PNG, PPM and plain TIFF files.

Pillow reads the head and the metadata; what is here takes the samples. Grey of 16 bits it can do.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any

from ncz.codec.errors import PictureError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type
_PASSES = (  # of Adam7: first column, first row, steps
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_PNM_HEAD = re.compile(
    rb"P([56])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s"
)
_DEFLATE = (8, 32946)  # of TIFF's compressions
_PLAIN = 1


def is_deep(image: ImageFile) -> bool:
    """Whether its samples have more bits than Pillow reads, as far as it says so."""
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, (8,))
        return image.mode not in ("I;16", "I;16B", "I", "F") and max(bits) > 8
    return False


def read(image: ImageFile, data: bytes) -> tuple[Any, Any, bytes] | None:
    """Pixels uint16 (height, width, 1 or 3), alpha and profile; None if this is not for here.

    Raises:
        PictureError, ValueError, zlib.error: it is damaged.
    """
    if image.format == "PNG" and data[24] == 16 and data[25] in _PNG_CHANNELS:
        values, clear = _png(data, image.width, image.height)
    elif image.format == "PPM":
        head = _PNM_HEAD.match(data)
        if head is None or not 255 < int(head[4]) <= 0xFFFF:
            return None
        values, clear = _pnm(data, image.width, image.height, head), None
    elif image.format == "TIFF" and is_deep(image):
        taken = _tiff(image, data)
        if taken is None:
            return None
        values, clear = taken, None
    else:
        return None
    icc = image.info.get("icc_profile") or b""
    if values.shape[2] in (2, 4):
        return values[:, :, :-1].copy(), values[:, :, -1].copy(), icc
    if clear is not None:
        import numpy as np

        alpha = np.where((values == clear).all(axis=2), 0, 0xFFFF).astype(np.uint16)
        return values, alpha, icc
    return values, None, icc


def _png(data: bytes, width: int, height: int) -> tuple[Any, Any]:
    """The samples of a PNG file, and the colour that is transparent."""
    import numpy as np

    from ncz.codec.jit import compiling
    from ncz.formats import filters

    channels, interlaced = _PNG_CHANNELS[data[25]], data[28] == 1
    squeezed, clear, position = bytearray(), None, 8
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        check = data[position + 8 + size : position + 12 + size]
        if len(check) < 4:
            break
        if zlib.crc32(kind + body) != int.from_bytes(check, "big"):
            raise PictureError(f"is a picture that is damaged: the check of {kind!r} does not hold")
        if kind == b"IDAT":
            squeezed += body
        elif kind == b"tRNS" and channels in (1, 3):
            clear = np.frombuffer(body[: 2 * channels], ">u2")
        elif kind == b"IEND":
            break
        position += 12 + size
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    shapes = [
        (-(-(height - top) // down), -(-(width - left) // across))
        for left, top, across, down in passes
    ]
    row = [columns * channels * 2 + 1 for _, columns in shapes]
    total = sum(
        rows * size for (rows, columns), size in zip(shapes, row, strict=True) if rows and columns
    )
    raw = zlib.decompressobj().decompress(bytes(squeezed), total)
    if len(raw) < total:
        raise PictureError("is a picture that is cut off: samples are missing")
    out = np.zeros((height, width, channels), np.uint16)
    at = 0
    for (left, top, across, down), (rows, columns), size in zip(passes, shapes, row, strict=True):
        if not rows or not columns:
            continue
        lines = np.frombuffer(raw, np.uint8, rows * size, at).reshape(rows, size)
        at += rows * size
        if lines[:, 0].max() > 4:
            raise PictureError("is a picture that is damaged: there is no such filter")
        plain = np.empty((rows, size - 1), np.uint8)
        with compiling("the reader of PNG files of 16 bits"):
            filters.unfilter(lines, plain, 2 * channels)
        out[top::down, left::across] = plain.view(">u2").reshape(rows, columns, channels)
    return out, clear


def _pnm(data: bytes, width: int, height: int, head: re.Match[bytes]) -> Any:
    import numpy as np

    channels, largest = (1, 3)[head[1] == b"6"], int(head[4])
    count = width * height * channels
    if len(data) - head.end() < 2 * count:
        raise PictureError("is a picture that is cut off: samples are missing")
    values = np.frombuffer(data, ">u2", count, head.end()).reshape(height, width, channels)
    if largest == 0xFFFF:
        return values.astype(np.uint16)
    return np.rint(values.clip(0, largest) * (0xFFFF / largest)).astype(np.uint16)


def _tiff(image: ImageFile, data: bytes) -> Any:
    """The samples of a TIFF in strips, stored or deflated; None for one of another kind."""
    import numpy as np

    tags = getattr(image, "tag_v2", {})
    bits, channels = tags.get(258, ()), tags.get(277, 1)
    how, predictor = tags.get(259, _PLAIN), tags.get(317, 1)
    extra = tags.get(338, ())
    plain = (
        tags.get(262) in (1, 2)
        and set(bits) == {16}
        and channels in ((3, 4) if tags.get(262) == 2 else (1, 2))
        and tags.get(339, (1,))[0] == 1
        and tags.get(284, 1) == 1
        and how in (_PLAIN, *_DEFLATE)
        and predictor in (1, 2)
        and 273 in tags
        and (channels in (1, 3) or tuple(extra) == (2,))
    )
    if not plain:
        return None
    rows = min(int(tags.get(278, image.height)), image.height)
    order = ">u2" if data[:2] == b"MM" else "<u2"
    out = np.zeros((image.height, image.width, channels), np.uint16)
    for number, (start, size) in enumerate(zip(tags[273], tags[279], strict=True)):
        top = number * rows
        high = min(rows, image.height - top)
        if high <= 0:
            break
        wanted = high * image.width * channels * 2
        strip = data[start : start + size]
        if how != _PLAIN:
            strip = zlib.decompressobj().decompress(strip, wanted)
        if len(strip) < wanted:
            raise PictureError("is a picture that is cut off: samples are missing")
        values = np.frombuffer(strip, order, wanted // 2).reshape(high, image.width, channels)
        if predictor == 2:
            values = np.cumsum(values, axis=1, dtype=np.uint16)
        out[top : top + high] = values
    return out
