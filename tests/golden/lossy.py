"""Golden files of lossy pictures: latents that hang on no float, and whole members of format 1.

What a transform makes of pixels may differ between machines, so a picture is coded once, and what
has to stay for ever are the pieces that its member holds.

    python -m tests.golden.lossy             # makes the pictures that are not there yet
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import ncz
from ncz.codec import varint
from ncz.formats import header
from ncz.formats.options import DecompressOptions
from ncz.formats.picture import codecs, params, pieces
from ncz.formats.picture.encode import Encoder
from ncz.formats.picture.image import Picture
from ncz.formats.stream import decompress_stream
from ncz.models.image import codec as image
from ncz.models.image import kernel, latents
from ncz.models.image.exact import LARGEST, REACH, UNIT, Integers
from ncz.models.image.latents import Latents, Shorts
from tests.golden import standins

HERE = Path(__file__).parent / "pictures"
MANIFEST = HERE / "manifest.json"


def some(integers: Integers, height: int, width: int, quality: int) -> bytes:
    """Packed latents, the same on every machine: from none to the farthest."""
    random = np.random.default_rng(quality)
    first, second = latents.shapes(height, width, integers)

    def drawn(shape: tuple[int, ...]) -> Shorts:
        sizes = random.choice([0, 0, 0, 1, 1, 2, 5, 30, LARGEST], shape)
        return (sizes * random.choice([-1, 1], shape)).astype(np.int16)

    def found(index: int, centres: Shorts, scales: Any, firsts: Any) -> Shorts:
        near = (REACH * UNIT - np.abs(centres.astype(np.int32))) // UNIT
        far = drawn(centres.shape).clip(-near, near)
        return np.where(scales < kernel.SILENT, 0, far).astype(np.int16)

    hyper = drawn(first)
    known = latents.walk(integers, hyper, quality, second[0], second[1], found)
    return Latents(height, width, quality, hyper, known).packed()


def _picture(shape: tuple[int, ...], deep: bool = False) -> Picture:
    random = np.random.default_rng(shape[0])
    i, j = np.mgrid[: shape[0], : shape[1]]
    slope = (i * 3 + j * 2)[..., None] % 200 + random.integers(0, 20, shape)
    values = (slope * 257).astype(np.uint16) if deep else slope.astype(np.uint8)
    colours = 3 if shape[2] >= 3 else 1
    alpha = values[..., colours].copy() if shape[2] > colours else None
    return Picture(values[..., :colours].copy(), alpha, b"a profile" if deep else b"", b"")


PICTURES: dict[str, Callable[[], tuple[Picture, float, int, int]]] = {
    "grey": lambda: (_picture((33, 40, 1)), 20, 1024, 16),
    "rgb": lambda: (_picture((50, 41, 3)), 75, 1024, 16),
    "tiles-alpha-16": lambda: (_picture((70, 60, 4), True), 50, 32, 8),
}


def size_of(packed: bytes) -> tuple[int, int]:
    """The height and width that packed latents say they are of."""
    _, at = varint.decode(packed, 1)
    height, at = varint.decode(packed, at)
    return height, varint.decode(packed, at)[0]


def held(coded: bytes) -> bytes:
    """The pieces of a picture, one after the other, checked."""
    out = io.BytesIO()
    decompress_stream(io.BytesIO(coded), out, DecompressOptions(pieces=True))
    return out.getvalue()


def make(name: str) -> None:
    """Make one, and note it."""
    picture, quality, tile, overlap = PICTURES[name]()
    with mock.patch.object(pieces, "THUMBNAIL_FROM", 3000):
        encoder = Encoder(picture, codecs.load(standins.image()), 1, tile, overlap, verify=True)
    coded = encoder.member(quality, encoder.coded(quality))
    HERE.mkdir(exist_ok=True)
    with (HERE / f"{name}.ncz").open("xb") as file:
        file.write(coded)
    noted = json.loads(MANIFEST.read_text("utf-8")) if MANIFEST.exists() else {}
    noted[name] = {
        "ncz": ncz.__version__,
        "by": {"format": header.VERSION, "latents": image.REVISION, "picture": params.REVISION},
        "size": len(held(coded)),
        "sha256": hashlib.sha256(held(coded)).hexdigest(),
    }
    MANIFEST.write_text(json.dumps(noted, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with standins.at_work():
        for name in PICTURES:
            if not (HERE / f"{name}.ncz").exists():
                make(name)
                print(f"made {name}")
