"""The quality that gives what was asked for: a size, bits per pixel, PSNR or MS-SSIM.

Sizes grow with the quality, and so do PSNR and MS-SSIM, nearly everywhere. So a bisection over
qualities in steps of a quarter is enough, at most nine of them tried, each really coded and, where
that is asked for, really rendered. It is the same search with the same result every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncz.codec.errors import PictureError
from ncz.formats.picture import codecs
from ncz.formats.picture.encode import Coded, Encoder
from ncz.formats.picture.grid import joined
from ncz.models.image.weights import TUNED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUALITIES = range(4, 401)  # in quarters: 1 to 100
DEFAULT_QUALITY = 60.0
DEFAULT_EFFORT = 1


@dataclass(frozen=True)
class Lossy:
    """How much of a picture is to be kept; at most one of the first five.

    Attributes:
        quality: 1 (least) to 100, 60 if nothing is said.
        size: bytes that the file may have.
        bpp: bits of the file for each pixel.
        psnr: dB that the rendered picture must reach, alpha apart.
        ms_ssim: MS-SSIM that it must reach, over 0 and below 1.
        effort: 1 (fast) to 9 (small).
        tune: the measure that files are to be small for, "psnr" or "ms-ssim"; None is the one that
            is asked for, else PSNR.
    """

    quality: float | None = None
    size: int | None = None
    bpp: float | None = None
    psnr: float | None = None
    ms_ssim: float | None = None
    effort: int = DEFAULT_EFFORT
    tune: str | None = None

    def __post_init__(self) -> None:
        asked = [name for name, _ in self._targets()]
        if len(asked) > 1:
            raise ValueError(f"{' and '.join(asked)} contradict each other: give one of them")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError(f"quality is 1 to 100, not {self.quality:g}")
        if self.size is not None and self.size < 1:
            raise ValueError(f"a file has one byte or more, not {self.size}")
        if self.bpp is not None and not 0 < self.bpp < math.inf:
            raise ValueError(f"bits per pixel are more than 0, not {self.bpp:g}")
        if self.psnr is not None and not 0 < self.psnr < math.inf:
            raise ValueError(f"PSNR is more than 0 dB and no infinity, not {self.psnr:g}")
        if self.ms_ssim is not None and not 0 < self.ms_ssim < 1:
            raise ValueError(f"MS-SSIM is more than 0 and less than 1, not {self.ms_ssim:g}")
        if self.effort not in range(1, 10):
            raise ValueError(f"effort is 1 to 9, not {self.effort}")
        if self.tune not in (None, *TUNED):
            raise ValueError(f"tune is {' or '.join(TUNED)}, not {self.tune}")

    @property
    def tuned(self) -> str:
        """The measure that files are to be small for."""
        return self.tune or ("psnr" if self.ms_ssim is None else "ms-ssim")

    @property
    def asks(self) -> bool:
        """Whether anything of the first five is given."""
        return any(True for _ in self._targets())

    def _targets(self) -> Iterator[tuple[str, float]]:
        for name in ("quality", "size", "bpp", "psnr", "ms_ssim"):
            value = getattr(self, name)
            if value is not None:
                yield name, value


@dataclass(frozen=True)
class Made:
    """A picture that was coded.

    Attributes:
        data: the file.
        quality: that it was coded with.
        pieces: blocks in it.
        reached: PSNR in dB or MS-SSIM, where one of them was asked for.
    """

    data: bytes
    quality: float
    pieces: int
    reached: float | None = None


def made(encoder: Encoder, how: Lossy) -> Made:
    """The file that `how` asks for.

    Raises:
        PictureError: no quality gives it; the sentence says what comes nearest.
    """
    pixels = encoder.picture.width * encoder.picture.height
    if how.psnr is not None:
        return _least(encoder, how.psnr, _psnr, "a PSNR of", "dB")
    if how.ms_ssim is not None:
        return _least(encoder, how.ms_ssim, _ms_ssim, "an MS-SSIM of", "")
    if how.size is not None:
        return _most(encoder, how.size, f"{how.size:,} bytes")
    if how.bpp is not None:
        return _most(encoder, int(how.bpp * pixels / 8), f"{how.bpp:g} bits per pixel")
    quality = DEFAULT_QUALITY if how.quality is None else how.quality
    return _file(encoder, quality, encoder.coded(quality))


def _file(
    encoder: Encoder, quality: float, blocks: list[Coded], reached: float | None = None
) -> Made:
    return Made(encoder.member(quality, blocks), quality, len(blocks), reached)


def _most(encoder: Encoder, size: int, asked: str) -> Made:
    """The highest quality whose file has at most `size` bytes."""
    fits: Made | None = None
    low, high = QUALITIES[0], QUALITIES[-1]
    nearest = 0
    while low <= high:
        middle = (low + high) // 2
        tried = _file(encoder, middle / 4, encoder.coded(middle / 4))
        if len(tried.data) <= size:
            fits, low = tried, middle + 1
        else:
            nearest, high = len(tried.data), middle - 1
    if fits is None:
        pixels = encoder.picture.width * encoder.picture.height
        raise PictureError(
            f"no quality gives {asked}: the smallest file has {nearest:,} bytes "
            f"({8 * nearest / pixels:.3g} bits per pixel)"
        )
    return fits


_Measure = Callable[[Encoder, "list[Coded]"], float]


def _least(encoder: Encoder, wanted: float, measure: _Measure, what: str, unit: str) -> Made:
    """The lowest quality that reaches `wanted`."""
    best: Made | None = None
    low, high = QUALITIES[0], QUALITIES[-1]
    nearest = -math.inf
    while low <= high:
        middle = (low + high) // 2
        blocks = encoder.coded(middle / 4)
        reached = measure(encoder, blocks)
        nearest = max(nearest, reached)
        if reached >= wanted:
            best, high = _file(encoder, middle / 4, blocks, reached), middle - 1
        else:
            low = middle + 1
    if best is None:
        raise PictureError(
            f"no quality reaches {what} {wanted:g} {unit}".rstrip()
            + f": the highest is {nearest:.4g} {unit}".rstrip()
        )
    return best


def rendered(encoder: Encoder, blocks: list[Coded]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The picture that the blocks stand for, as numbers from 0 to 1, strip by strip."""
    import numpy as np

    says = encoder.params(1)
    grid = says.grid

    def tiles() -> Iterator[NDArray[np.float32]]:
        for number in range(grid.count):
            box = grid.box(number)
            raw = blocks[says.first_tile + number * says.per_tile].raw
            yield codecs.synthesise(encoder.codec, raw, box.height, box.width, says.channels)

    largest = np.float32((1 << says.depth) - 1)
    for top, strip in joined(grid, tiles()):
        yield top, np.rint(strip.clip(0, 1) * largest) / largest


def _psnr(encoder: Encoder, blocks: list[Coded]) -> float:
    import numpy as np

    pixels, total = encoder.picture.pixels, 0.0
    largest = (1 << encoder.picture.depth) - 1
    for top, strip in rendered(encoder, blocks):
        was = pixels[top : top + len(strip)].astype(np.float64) / largest
        total += float(np.square(strip - was).sum())
    return math.inf if total == 0 else 10 * math.log10(pixels.size / total)


def _ms_ssim(encoder: Encoder, blocks: list[Coded]) -> float:
    import numpy as np

    from ncz.models.image import quality

    pixels = encoder.picture.pixels
    largest = (1 << encoder.picture.depth) - 1
    strips = [
        np.rint(strip * largest).astype(pixels.dtype) for _, strip in rendered(encoder, blocks)
    ]
    return quality.ms_ssim(pixels, np.concatenate(strips))
