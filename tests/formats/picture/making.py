"""Small pictures, and files of them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>"


def array(height: int, width: int, samples: int = 3, depth: int = 8, seed: int = 0) -> Any:
    """A picture with shades and some noise, (height, width, samples)."""
    rng = np.random.default_rng(seed)
    largest = (1 << depth) - 1
    shades = np.linspace(0, 0.9, height * width * samples).reshape(height, width, samples)
    values = (shades + rng.random((height, width, samples)) / 10) * largest
    return values.astype(np.uint8 if depth == 8 else np.uint16)


def exif(orientation: int = 1) -> bytes:
    made = Image.Exif()
    made[274] = orientation
    made[271] = "A camera"
    return made.tobytes().removeprefix(b"Exif\0\0")


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def png(body: bytes, width: int, height: int, depth: int, colour: int, laced: int = 0) -> bytes:
    """A PNG file of filtered rows, as they are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, laced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


def tiff(values: Any, order: str = "<", deflate: bool = False, predictor: int = 1) -> bytes:
    """A TIFF file of 16 bits in strips of two rows."""
    height, width, samples = values.shape
    rows = 2
    strips = []
    for top in range(0, height, rows):
        part = values[top : top + rows]
        if predictor == 2:
            before = np.zeros_like(part)
            before[:, 1:] = part[:, :-1]
            part = part - before
        data = part.astype(f"{order}u2").tobytes()
        strips.append(zlib.compress(data) if deflate else data)
    extra = [(338, 3, [2])] if samples == 4 else []
    at = 8 + sum(map(len, strips))
    starts = np.cumsum([8, *map(len, strips[:-1])]).tolist()
    tags = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [16] * samples),
        (259, 3, [8 if deflate else 1]),
        (262, 3, [2]),
        (273, 4, starts),
        (277, 3, [samples]),
        (278, 4, [rows]),
        (279, 4, [len(strip) for strip in strips]),
        (284, 3, [1]),
        (317, 3, [predictor]),
        *extra,
    ]
    entries, beyond = b"", b""
    after = at + 2 + 12 * len(tags) + 4
    for tag, kind, numbers in tags:
        packed = struct.pack(f"{order}{len(numbers)}{'HI'[kind == 4]}", *numbers)
        if len(packed) > 4:
            place = struct.pack(f"{order}I", after + len(beyond))
            beyond += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    return (
        head + b"".join(strips) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + beyond
    )
