"""Colours of a Photo CD: pictures that were luma and half as fine chroma before they were RGB.

A picture that was decoded from a Photo CD (the Kodak test set is) holds in 24 bits what had 8 of
luma, and two chroma planes of half its height and width, scaled up by the mean of neighbours. Only
one in five of all RGB triples occurs, in a pattern that no context finds quickly. Where the pattern
holds, the planes are recovered and coded in place of the RGB; pixels that they do not give exactly
are listed. Where it does not hold, which a look at some pixels says, nothing is done.

All is integers: the conversion's factors have four decimals.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncz.codec.jit import jit, lean

ZERO = 160
"""What chroma is stored as where it is nothing."""
TOP = 2 * ZERO - 1
"""The largest value of a plane."""

_LUMA, _RED, _BLUE = 13584, 18215, 22179  # 1/10000: of luma, and of chroma 2 and 1
_GREEN_OF_RED, _GREEN_OF_BLUE = 5090, 1940
_SAMPLES = 4000  # pixels that are looked at first
_LEAST_SHARE = 0.9  # of them that must be such colours
_MOST_ODD = 0.04  # pixels that may be listed
_SMALLEST = 32  # rows and columns
_AT_ONCE = 1 << 20  # pixels that conversions take at a time, for memory


class Separated(NamedTuple):
    """A picture in its planes.

    Attributes:
        phase: column, row of the first chroma sample, each 0 or 1.
        luma: integers[height, width], 0 to TOP.
        chroma: integers[2, half height, half width], 0 to TOP.
    """

    phase: tuple[int, int]
    luma: NDArray[np.integer]
    chroma: NDArray[np.integer]


def separate(rgb: NDArray[np.uint8]) -> Separated | None:
    """The planes of uint8[height, width, 3], or None if it was none. See :func:`join` for how exact
    they are."""
    height, width = rgb.shape[:2]
    if min(height, width) < _SMALLEST or not _looks(rgb):
        return None
    best, found = -1, None
    for px in (0, 1):
        for py in (0, 1):
            # Some rows in the middle tell where chroma samples lie.
            start = (height // 2 - 16) // 2 * 2
            part = np.ascontiguousarray(rgb[start : start + 32])
            chroma, luma = _separate(part, px, py)
            exact = int((_joined(luma, scaled(chroma, (32, width), (px, py))) == part).all(2).sum())
            if exact > best:
                best, found = exact, (px, py)
    assert found is not None
    chroma, luma = _separate(np.ascontiguousarray(rgb), *found)
    if min(luma.min(), chroma.min()) < 0 or max(luma.max(), chroma.max()) > TOP:
        return None
    separated = Separated(found, luma, chroma)
    odd = (join(separated) != rgb).any(2).mean()
    return separated if odd <= _MOST_ODD else None


def join(planes: Separated) -> NDArray[np.uint8]:
    """RGB, uint8[height, width, 3], of planes: nearly always what they were separated from."""
    height, width = planes.luma.shape
    out = np.empty((height, width, 3), np.uint8)
    chroma = scaled(planes.chroma, planes.luma.shape, planes.phase)
    rows = max(1, _AT_ONCE // width)
    for y in range(0, height, rows):
        out[y : y + rows] = _joined(planes.luma[y : y + rows], chroma[:, y : y + rows])
    return out


def halves(height: int, width: int, phase: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of chroma samples."""
    return (height - phase[1] + 1) // 2, (width - phase[0] + 1) // 2


def scaled(
    chroma: NDArray[np.integer], shape: tuple[int, ...], phase: tuple[int, int]
) -> NDArray[np.int32]:
    """Chroma for every pixel, int32[2, height, width]: the mean of the samples next to it."""
    height, width = shape
    px, py = phase
    rows, columns = chroma.shape[1:]
    x = np.arange(width) - px
    left, right = np.clip(x >> 1, 0, columns - 1), np.clip((x + 1) >> 1, 0, columns - 1)
    out = np.empty((2, height, width), np.int32)
    at_once = max(1, _AT_ONCE // width)
    for start in range(0, height, at_once):
        y = np.arange(start, min(start + at_once, height)) - py
        upper = chroma[:, np.clip(y >> 1, 0, rows - 1)].astype(np.int32)
        lower = chroma[:, np.clip((y + 1) >> 1, 0, rows - 1)].astype(np.int32)
        total = upper[:, :, left] + upper[:, :, right] + lower[:, :, left] + lower[:, :, right]
        out[:, start : start + len(y)] = (total + 2) >> 2
    return out


def _joined(luma: NDArray[np.integer], chroma: NDArray[np.integer]) -> NDArray[np.uint8]:
    y = luma.astype(np.int64) * _LUMA
    blue = (chroma[0].astype(np.int64) - ZERO) * _BLUE
    red = (chroma[1].astype(np.int64) - ZERO) * _RED
    green = y - _GREEN_OF_BLUE * (blue // 10000) - _GREEN_OF_RED * (red // 10000)
    rgb = np.stack([y + red, green, y + blue], 2) // 10000
    return np.clip(rgb, 0, 255).astype(np.uint8)


def _looks(rgb: NDArray[np.uint8]) -> bool:
    flat = rgb.reshape(-1, 3)
    picked = np.ascontiguousarray(flat[:: max(1, len(flat) // _SAMPLES)])
    inner = picked[(picked.min(1) > 0) & (picked.max(1) < 255)]
    return len(inner) > _SAMPLES // 8 and _share(inner) >= _LEAST_SHARE * len(inner)


@lean
def _clip(x: int) -> int:
    return min(max(x, 0), 255)


@lean
def _is(y: int, c1: int, c2: int, r: int, g: int, b: int) -> bool:
    """Whether these planes give this colour."""
    luma = y * _LUMA
    blue = c1 * _BLUE
    red = c2 * _RED
    if _clip((luma + red) // 10000) != r or _clip((luma + blue) // 10000) != b:
        return False
    green = luma - _GREEN_OF_BLUE * (blue // 10000) - _GREEN_OF_RED * (red // 10000)
    return bool(_clip(green // 10000) == g)


@lean
def _luma_of(c1: int, c2: int, r: int, g: int, b: int, guess: int) -> int:
    """The luma that gives the colour with this chroma, the nearest to `guess`; or -1."""
    for far in range(24):
        if guess >= far and _is(guess - far, c1, c2, r, g, b):
            return guess - far
        if _is(guess + far, c1, c2, r, g, b):
            return guess + far
    return -1


@lean
def _about(r: int, g: int, b: int) -> tuple[int, int, int]:
    """Luma and chroma of a colour, nearly."""
    luma = (2990 * (2 * r + 1) + 5870 * (2 * g + 1) + 1140 * (2 * b + 1)) // 2  # 1/10000
    y = (luma + _LUMA // 2) // _LUMA
    c1 = (b * 10000 + 5000 - luma + _BLUE // 2) // _BLUE
    c2 = (r * 10000 + 5000 - luma + _RED // 2) // _RED
    return y, c1, c2


@lean
def _find(r: int, g: int, b: int, w1: int, w2: int) -> tuple[int, int, int, bool]:
    """Luma and chroma of a colour; of several, those with chroma near w1, w2. False: nearly."""
    y, c1, c2 = _about(r, g, b)
    clipped = min(r, min(g, b)) == 0 or max(r, max(g, b)) == 255
    if clipped:
        m1, m2, reach = (c1 + w1) // 2, (c2 + w2) // 2, np.int64(6)
    else:
        m1, m2, reach = c1, c2, np.int64(1)
    best = np.int64(1 << 30)
    f0, f1, f2 = max(y, 0), c1, c2
    for d1 in range(-reach, reach + 1):
        for d2 in range(-reach, reach + 1):
            n1, n2 = m1 + d1, m2 + d2
            cost = abs(n1 - w1) + abs(n2 - w2) if clipped else abs(d1) + abs(d2)
            if cost < best:
                found = _luma_of(n1, n2, r, g, b, max(y, 0))
                if found >= 0:
                    best = cost
                    f0, f1, f2 = found, n1, n2
    return f0, f1, f2, best < 1 << 30


@jit
def _share(picked: np.ndarray) -> int:
    count = 0
    for i in range(picked.shape[0]):
        r, g, b = np.int64(picked[i, 0]), np.int64(picked[i, 1]), np.int64(picked[i, 2])
        if _find(r, g, b, 0, 0)[3]:
            count += 1
    return count


@jit
def _sampled(rgb: np.ndarray, px: int, py: int, chroma: np.ndarray) -> None:
    for y in range(chroma.shape[1]):
        w1, w2 = np.int64(0), np.int64(0)
        for x in range(chroma.shape[2]):
            p = rgb[2 * y + py, 2 * x + px]
            _, w1, w2, _ = _find(np.int64(p[0]), np.int64(p[1]), np.int64(p[2]), w1, w2)
            chroma[0, y, x] = w1 + ZERO
            chroma[1, y, x] = w2 + ZERO


@jit
def _lumas(rgb: np.ndarray, chroma: np.ndarray, luma: np.ndarray) -> None:
    for y in range(rgb.shape[0]):
        for x in range(rgb.shape[1]):
            r, g, b = np.int64(rgb[y, x, 0]), np.int64(rgb[y, x, 1]), np.int64(rgb[y, x, 2])
            guess = max(_about(r, g, b)[0], 0)
            c1, c2 = np.int64(chroma[0, y, x]) - ZERO, np.int64(chroma[1, y, x]) - ZERO
            found = _luma_of(c1, c2, r, g, b, guess)
            luma[y, x] = found if found >= 0 else guess


def _separate(
    rgb: NDArray[np.uint8], px: int, py: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    height, width = rgb.shape[:2]
    chroma = np.zeros((2, *halves(height, width, (px, py))), np.int32)
    _sampled(rgb, px, py, chroma)
    luma = np.zeros((height, width), np.int32)
    _lumas(rgb, scaled(chroma, (height, width), (px, py)), luma)
    return chroma, luma
