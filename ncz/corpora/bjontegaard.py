"""How many more bits one codec takes than another for the same quality: the Bjøntegaard rate.

Each codec is a few points (rate, quality). The logarithm of the rate is interpolated over quality,
and the mean difference over the qualities that both reach is the answer: G. Bjøntegaard, VCEG-M33
(2001). The interpolation is a piecewise cubic that does not overshoot (PCHIP: Fritsch and Carlson
1980, with the weights of Fritsch and Butland 1984) in place of one cubic for all points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
"""Rate, in bits per pixel or in any other unit, and quality, where more is better."""

_Array = NDArray[np.float64]


def bd_rate(points: Sequence[Point], anchor: Sequence[Point]) -> float | None:
    """How many more bits `points` take than `anchor`, in percent; below zero is better.

    Args:
        points: of a codec, in any order; of several with one quality the cheapest counts.
        anchor: of the codec that it is held against.

    Returns:
        None where the two share no range of qualities, or one of them has less than two points.

    Example:
        >>> f"{bd_rate([(0.5, 30), (1.0, 34)], [(1.0, 30), (2.0, 34)]):.1f}"
        '-50.0'
    """
    one, other = _curve(points), _curve(anchor)
    if one is None or other is None:
        return None
    low = max(one[0][0], other[0][0])
    high = min(one[0][-1], other[0][-1])
    if low >= high:
        return None
    difference = _integral(*one, low, high) - _integral(*other, low, high)
    return 100 * math.expm1(difference / (high - low))


def _curve(points: Sequence[Point]) -> tuple[_Array, _Array] | None:
    """Qualities, rising, and logarithms of rates."""
    best: dict[float, float] = {}
    for rate, quality in points:
        best[quality] = min(rate, best.get(quality, math.inf))
    if len(best) < 2:
        return None
    qualities = sorted(best)
    return np.array(qualities, float), np.log([best[quality] for quality in qualities])


def _integral(x: _Array, y: _Array, low: float, high: float) -> float:
    """Of the interpolation of y over x, from `low` to `high`, both within x."""
    slopes, total = _slopes(x, y), 0.0
    for k, wide in enumerate(np.diff(x)):
        start, end = max(low, x[k]) - x[k], min(high, x[k + 1]) - x[k]
        if start >= end:
            continue
        secant = (y[k + 1] - y[k]) / wide
        square = (3 * secant - 2 * slopes[k] - slopes[k + 1]) / wide
        cube = (slopes[k] + slopes[k + 1] - 2 * secant) / wide**2
        whole = np.polynomial.Polynomial([y[k], slopes[k], square, cube]).integ()
        total += float(whole(end) - whole(start))
    return total


def _slopes(x: _Array, y: _Array) -> _Array:
    """At each point, such that nothing between two points lies beyond them."""
    wide = np.diff(x)
    secants = np.diff(y) / wide
    if len(secants) == 1:
        return np.full(2, secants[0])
    slopes = np.zeros(len(x))
    for k in range(1, len(x) - 1):
        before, after = secants[k - 1], secants[k]
        if before * after > 0:
            left, right = 2 * wide[k] + wide[k - 1], wide[k] + 2 * wide[k - 1]
            slopes[k] = (left + right) / (left / before + right / after)
    slopes[0] = _end(wide[0], wide[1], secants[0], secants[1])
    slopes[-1] = _end(wide[-1], wide[-2], secants[-1], secants[-2])
    return slopes


def _end(wide: float, next_wide: float, secant: float, next_secant: float) -> float:
    """The slope at an end: of a parabola through three points, unless that overshoots."""
    slope = ((2 * wide + next_wide) * secant - wide * next_secant) / (wide + next_wide)
    if slope * secant <= 0:
        return 0.0
    if secant * next_secant <= 0 and abs(slope) > 3 * abs(secant):
        return 3 * secant
    return slope
