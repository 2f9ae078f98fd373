"""Files of pictures for golden files: of integers alone, the same on every machine."""

from __future__ import annotations

import random
import struct
import zlib

import numpy as np

from ncz.formats.pixels.deflate import DEFAULT, Parameters, deflate
from ncz.models.pixels import photocd


def samples(height: int, width: int, channels: int, most: int = 255) -> np.ndarray:
    """Slopes, an edge and noise, int64[height, width, channels]."""
    dice = random.Random(8)
    out = np.zeros((height, width, channels), np.int64)
    for y in range(height):
        for x in range(width):
            noise = dice.randint(-3, 3)
            for c in range(channels):
                slope = (5 + c) * x + 3 * y + (70 if 2 * x > y + 20 else 0)
                value = abs((slope + noise + dice.randint(-1, 1)) % 400 - 200) * most // 255
                out[y, x, c] = value + dice.randrange(max(most // 128, 1))
    return out


def pam(pixels: np.ndarray, most: int = 255) -> bytes:
    """A PAM file."""
    height, width, channels = pixels.shape
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {most}\nENDHDR\n"
    return head.encode() + pixels.astype(">u2" if most > 255 else "u1").tobytes()


def bmp(pixels: np.ndarray) -> bytes:
    """A BMP file of 24 bits, whose rows end in bytes that are no samples."""
    height, width, _ = pixels.shape
    rows = [row.astype("u1").tobytes() for row in pixels]
    body = b"".join(row + b"\xee" * (-len(row) % 4) for row in rows)
    head = struct.pack("<2sIII", b"BM", 54 + len(body), 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + body


def npy(pixels: np.ndarray, dtype: str) -> bytes:
    """An NPY file."""
    said = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {pixels.shape}, }}"
    head = said.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + pixels.astype(dtype).tobytes()


def png(rows: list[bytes], width: int, depth: int, colour: int, *more: bytes) -> bytes:
    """A PNG file of rows without filters, with chunks before its pixels, as zlib -6 makes it."""
    raw = b"".join(b"\0" + row for row in rows)
    stream = b"\x78\x9c" + deflate(raw, Parameters(6, DEFAULT, 8, 15))
    stream += struct.pack(">I", zlib.adler32(raw))
    head = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    parts = [b"IDAT" + stream[at : at + 900] for at in range(0, len(stream), 900)]
    chunks = [b"IHDR" + head, *more, *parts, b"IEND"]
    framed = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def photo_cd() -> np.ndarray:
    """RGB that was luma and half as fine chroma; two pixels are something else."""
    luma = 60 + samples(36, 44, 1, 120)[..., 0]
    chroma = photocd.ZERO - 6 + samples(18, 22, 2, 12).transpose(2, 0, 1)
    separated = photocd.Separated((0, 0), luma.astype(np.int32), chroma.astype(np.int32))
    rgb = photocd.join(separated)
    rgb[20, 7:9, 1] ^= 1
    return rgb


def files() -> dict[str, bytes]:
    """By what is golden of each."""
    rgb = samples(24, 30, 3)
    grey = samples(30, 41, 1)
    drawing = np.tile(np.array([[3, 3, 200, 9, 9]]).repeat(20, 0), (1, 9))[..., None]
    return {
        "grey": b"P5\n# of no use\n41 30\n255\n" + grey.astype("u1").tobytes(),
        "rgb": b"P6 30 24 255\n" + rgb.astype("u1").tobytes(),
        "rgba": pam(samples(20, 17, 4)),
        "16": pam(samples(24, 20, 2, 65535), 65535),
        "npy-16": npy(samples(24, 20, 1, 4095)[..., 0], "<u2"),
        "bmp": bmp(samples(20, 23, 3)),
        "png": png([row.astype("u1").tobytes() for row in rgb], 30, 8, 2, b"tEXta\0chunk"),
        "png-16": png(
            [row.astype(">u2").tobytes() for row in samples(20, 20, 1, 65535)], 20, 16, 0
        ),
        "photo-cd": pam(photo_cd()),
        "mixed": pam(drawing),
    }
