"""Lossy image codecs under one shape: ncz at its efforts, and the peers that Pillow brings along.

Each takes and gives uint8[height, width, 3]. Peers have their usual strong settings, with colour at
half the resolution where that is their default for photographs. Codecs that are programs, such as
video encoders, are not called from here: :mod:`ncz.corpora.distortion` takes their rows from a
file.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncz.corpora.registry import CorpusError

Rgb = NDArray[np.uint8]

OURS = "ncz_e"
"""What the names of ncz begin with; its effort follows."""

EFFORTS = range(1, 10)
QUALITIES = (1.0, 10.0, 25.0, 40.0, 55.0, 70.0, 85.0, 100.0)
"""Of ncz, unless told otherwise."""


@dataclass(frozen=True)
class Lossy:
    """A lossy image codec.

    Attributes:
        name: what rows call it, with its setting.
        about: what people call it.
        qualities: what it is measured at.
        encode: from pixels and a quality to bytes.
        decode: from bytes to pixels.
        estimate: from bytes to the bits that its model says they take, None if it has none.
        missing: why this machine lacks it, empty if it does not.
    """

    name: str
    about: str
    qualities: tuple[float, ...]
    encode: Callable[[Rgb, float], bytes]
    decode: Callable[[bytes], Rgb]
    estimate: Callable[[bytes], float] | None = None
    missing: str = ""


def ncz_at(effort: int, qualities: Sequence[float] = QUALITIES, tune: str = "psnr") -> Lossy:
    """ncz at an effort from 1 to 9, by the weights that are tuned to a measure.

    The bytes are those of the picture alone: a file has a header and checks around them.
    """
    codec = importlib.import_module("ncz.models.image.codec")
    weights = importlib.import_module("ncz.models.image.weights").TUNED[tune]
    name = f"{OURS}{effort}" + ("" if tune == "psnr" else f"_{tune}")
    return Lossy(
        name,
        about(name),
        tuple(qualities),
        lambda rgb, quality: codec.compress_pixels(rgb, quality, effort, weights),
        lambda coded: codec.restore_pixels(coded, weights),
        lambda coded: codec.estimate_bits(coded, weights),
    )


def peers() -> list[Lossy]:
    """All that can be measured here, had or not."""
    return [
        _pillow("jpegturbo420", "JPEG", (10, 25, 45, 65, 80, 90), subsampling=2, progressive=True),
        _pillow("webp_m6", "WEBP", (2, 15, 40, 65, 82, 92), method=6),
        _pillow("avif_s6_420", "AVIF", (15, 30, 45, 58, 70, 80), speed=6, subsampling="4:2:0"),
        _pillow("jxl_e7", "JXL", (10, 30, 60, 75, 85, 90), effort=7),
    ]


def chosen(names: str) -> list[Lossy]:
    """Peers by their names, with commas between them.

    Raises:
        CorpusError: one is unknown, or this machine lacks it.
    """
    known = {peer.name: peer for peer in peers()}
    found = []
    for name in filter(None, map(str.strip, names.split(","))):
        if name not in known:
            raise CorpusError(f"no peer is called {name!r}; there are {', '.join(known)}")
        if known[name].missing:
            raise CorpusError(f"{name} cannot be measured: {known[name].missing}")
        found.append(known[name])
    return found


def _pillow(name: str, kind: str, qualities: tuple[float, ...], **settings: Any) -> Lossy:
    return Lossy(
        name,
        about(name),
        qualities,
        functools.partial(_saved, kind, settings),
        _opened,
        missing=_missing(kind),
    )


def about(name: str) -> str:
    """What people call the codec that rows call so."""
    if name.startswith(OURS):
        effort, _, tune = name.removeprefix(OURS).partition("_")
        return f"ncz, effort {effort}" + (f", tuned to {tune.upper()}" if tune else "")
    return _ABOUT.get(name, name)


_ABOUT = {
    "jpegturbo420": "JPEG (libjpeg-turbo)",
    "mozjpeg420": "JPEG (mozjpeg)",
    "webp_m6": "WebP (method 6)",
    "avif_s6_420": "AVIF (speed 6)",
    "avif_s3_420": "AVIF (speed 3)",
    "jxl_e7": "JPEG XL (effort 7)",
    "hevc420_slow": "HEVC (slow, 4:2:0)",
    "hevc444_slow": "HEVC (slow, 4:4:4)",
    "vvc420_fast": "VVC (fast, 4:2:0)",
}


def _missing(kind: str) -> str:
    try:
        from PIL import Image
    except ImportError:
        return "pip install 'ncz[media]'"
    if kind == "JXL":
        if importlib.util.find_spec("pillow_jxl") is None:
            return "pip install pillow-jxl-plugin"
        importlib.import_module("pillow_jxl")
    Image.init()
    return "" if kind in Image.SAVE else f"this Pillow has no {kind}"


def _saved(kind: str, settings: dict[str, Any], rgb: Rgb, quality: float) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind, quality=int(quality), **settings)
    return out.getvalue()


def _opened(data: bytes) -> Rgb:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"), np.uint8)
