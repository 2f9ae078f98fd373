"""Planes into bytes and back, in bands that may be coded side by side.

A band is some rows of all planes; each is coded as if it were a picture of its own. How many there
are follows from the size alone, so that threads cannot change a byte.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ncz.codec import rangecoder, varint
from ncz.codec.errors import FormatError
from ncz.codec.jit import compiling, prove
from ncz.codec.meter import metered
from ncz.models.pixels import kernel, state
from ncz.models.pixels.kernel import PAD

MAX_PLANES = 8
MAX_WIDTH = 1 << 16
_BAND = 1 << 21  # values of a band, at least
_MOST_BANDS = 64
_AT_ONCE = 4
"""Bands in memory at once, at most."""

T = TypeVar("T")
R = TypeVar("R")


def encode(planes: NDArray[np.integer], top: int, known: int = 0) -> bytes:
    """Coded bytes of planes[planes, height, width], values 0 to `top` (at most 65,535).

    Each plane is coded with the two before it as context. The first `known` ones are context alone;
    a decoder is given them. No more than the bands in work are copied.

    >>> picture = np.arange(48, dtype=np.int32).reshape(3, 4, 4)
    >>> bool((decode(encode(picture, 255), picture.shape, 255) == picture).all())
    True
    """
    _ready()
    cuts = _cuts(planes.shape, known)
    parts = _each(lambda cut: _code(planes[:, cut[0] : cut[1]], top, known, None)[0], cuts)
    sizes = b"".join(varint.encode(len(part)) for part in parts[:-1])
    return sizes + b"".join(parts)


def decode(
    coded: bytes,
    shape: tuple[int, int, int],
    top: int,
    known: NDArray[np.integer] | None = None,
) -> NDArray[np.integer]:
    """The planes, uint8 or uint16[shape], by what `top` needs; any bytes give some.

    Raises:
        FormatError: the sizes of the bands are not in them.
    """
    _ready()
    count = 0 if known is None else len(known)
    cuts = _cuts(shape, count)
    sizes, at = [], 0
    try:
        for _ in cuts[:-1]:
            size, at = varint.decode(coded, at)
            sizes.append(size)
    except (varint.Incomplete, ValueError):
        raise FormatError("the sizes of a picture's bands are damaged") from None
    if sum(sizes) > len(coded) - at:
        raise FormatError("the sizes of a picture's bands are damaged")
    out = np.zeros(shape, np.uint8 if top < 256 else np.uint16)
    if known is not None:
        out[:count] = known
    parts = []
    for size in [*sizes, len(coded) - at - sum(sizes)]:
        parts.append(np.frombuffer(bytearray(coded[at : at + size]), np.uint8))
        at += size

    def work(job: tuple[tuple[int, int], NDArray[np.uint8]]) -> None:
        (first, last), part = job
        out[:, first:last] = _code(out[:, first:last], top, count, part)[1]

    _each(work, list(zip(cuts, parts, strict=True)))
    return out


def memory(shape: tuple[int, int, int]) -> int:
    """Bytes of working memory, either way."""
    cuts = _cuts(shape, 0)
    rows = max(last - first for first, last in cuts)
    values = shape[0] * shape[1] * shape[2]
    return min(len(cuts), _AT_ONCE) * state.memory(shape[0], rows, shape[2]) + 4 * values


def _cuts(shape: tuple[int, ...], known: int) -> list[tuple[int, int]]:
    planes, height, width = shape
    count = min(max((planes - known) * height * width // _BAND, 1), _MOST_BANDS, height)
    return [(height * i // count, height * (i + 1) // count) for i in range(count)]


def _each(work: Callable[[T], R], jobs: list[T]) -> list[R]:
    if len(jobs) == 1:
        return [work(jobs[0])]
    with ThreadPoolExecutor(min(len(jobs), _AT_ONCE, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, jobs))


def _code(
    planes: NDArray[np.integer], top: int, known: int, code: NDArray[np.uint8] | None
) -> tuple[bytes, NDArray[np.int32]]:
    count, height, width = planes.shape
    padded = np.zeros((count, height + 2 * PAD, width + 2 * PAD), np.int32)
    inside = (slice(None), slice(PAD, -PAD), slice(PAD, -PAD))
    padded[inside] = planes
    for plane in range(known):
        padded[plane] = np.pad(planes[plane], PAD, mode="edge")
    size = padded[0].size
    flat = padded.reshape(-1)
    misses = np.zeros(flat.size, np.int16)
    coder = np.zeros(6, np.int64)
    at_row = np.zeros(1, np.int64)
    decoding = code is not None
    if code is None:
        code = np.zeros(3 * (count - known) * height * width + 64, np.uint8)
        rangecoder.start_encoder(coder)
    else:
        rangecoder.start_decoder(coder, code)
    rows = (count - known) * height
    with metered(lambda: int(at_row[0]), rows, rows * width):
        for plane in range(known, count):
            nearest = [size * (other - plane) for other in (plane - 1, plane - 2) if other >= 0]
            others = np.array(nearest, np.int64)
            kernel.code_plane(
                flat,
                np.array([plane * size, height, width, top], np.int64),
                others,
                *state.reaches(height, width, others),
                state.fresh(),
                state.scratch(width),
                misses,
                coder,
                code,
                decoding,
                at_row,
            )
    if decoding:
        return b"", padded[inside]
    return code[: rangecoder.finish_encoder(coder, code)].tobytes(), padded[inside]


_PROBE = (np.arange(3 * 7 * 9, dtype=np.int32) ** 2 // 5 % 97).reshape(3, 7, 9)
_PROBE_CODED = (
    "ffffffe8b35930fe28034be67e7d360fa7979d2b7ca507be0d33f5403dabc178d2b36d9413f4047d13f108ecc7"
    "b9d3ec2818bd05e5eba14d3cebd1816a1f50a33b3cade9b4f2bea69f816343a74725cf9a37618dae4910692acd"
    "4a7b546664936e87626f8f2ca84588b2e33192c00820b7e29938ecc4fa30af56a0d8515d51efb45d6e1173029e"
    "cbb1b7bc988a9ae69e86d63900f650e09ce24ec3d3cee18580e4a6b9e6568992e78c17c3"
)


@functools.cache
def _ready() -> None:
    """Have everything compiled, and see that it computes rightly.

    Raises:
        NczError: compiled code gives other bytes than it must.
    """
    with compiling("the image coder"):
        coded = _code(_PROBE, 255, 0, None)[0]
    prove("image coder", coded, bytes.fromhex(_PROBE_CODED))
