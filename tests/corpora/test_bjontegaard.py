from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.corpora.bjontegaard import _curve, _integral, bd_rate

CURVE = [(0.12, 27.3), (0.25, 29.6), (0.5, 32.5), (0.8, 34.8), (1.24, 37.4), (1.67, 39.1)]


@st.composite
def curves(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Rate and quality, both rising."""
    steps = draw(
        st.lists(st.tuples(st.floats(0.05, 1.5), st.floats(0.3, 6.0)), min_size=1, max_size=7)
    )
    rate, quality = draw(st.floats(-3, 0)), draw(st.floats(20, 30))
    points = [(math.exp(rate), quality)]
    for more, better in steps:
        rate, quality = rate + more, quality + better
        points.append((math.exp(rate), quality))
    return points


@given(curves(), st.floats(0.2, 5), st.randoms())
def test_the_same_curve_for_a_part_of_the_bits(points, part, chance) -> None:
    cheaper = [(part * rate, quality) for rate, quality in points]
    chance.shuffle(cheaper)
    assert bd_rate(cheaper, points) == pytest.approx(100 * (part - 1), abs=1e-6)


@given(curves(), curves())
def test_there_and_back(one, other) -> None:
    there, back = bd_rate(one, other), bd_rate(other, one)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


@given(curves())
def test_the_interpolation_meets_the_points_and_stays_between_them(points) -> None:
    found = _curve(points)
    assert found is not None
    x, y = found
    narrow = np.diff(x).min() / 64
    for k in range(len(x) - 1):
        for at in np.linspace(x[k], x[k + 1] - narrow, 9):
            mean = _integral(x, y, at, at + narrow) / narrow
            assert y[k] - 1e-6 <= mean <= y[k + 1] + 1e-6
    whole = _integral(x, y, x[0], x[-1])
    middle = (x[0] + x[-1]) / 2
    parts = _integral(x, y, x[0], middle) + _integral(x, y, middle, x[-1])
    assert whole == pytest.approx(parts)


def test_a_straight_line_is_one() -> None:
    line = [(math.exp(0.2 * quality), quality) for quality in (10, 11, 13, 14, 20)]
    x, y = _curve(line) or (None, None)
    assert x is not None and y is not None
    assert _integral(x, y, 10.5, 19) == pytest.approx(0.1 * (19**2 - 10.5**2))


def test_a_cubic_by_hand() -> None:
    # Slopes at 0, 1, 3: ends by parabolas 0.5 and 3.5, within by the weighted harmonic mean.
    x, y = np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 6.0])
    left, right = 2 * 2 + 1, 2 + 2 * 1
    inner = (left + right) / (left / 1 + right / 2.5)
    first = (1 / 2) * (0 + 1) + (0.5 - inner) / 12
    assert _integral(x, y, 0, 1) == pytest.approx(first)
    second = (2 / 2) * (1 + 6) + 4 * (inner - 3.5) / 12
    assert _integral(x, y, 1, 3) == pytest.approx(second)


def test_only_what_both_reach_counts() -> None:
    dear = [(rate * (1 if quality < 33 else 3), quality) for rate, quality in CURVE]
    assert bd_rate(dear[:2], CURVE) == pytest.approx(0, abs=2)
    assert bd_rate(dear, CURVE) > 30


def test_where_there_is_nothing_to_hold_against() -> None:
    assert bd_rate(CURVE[:1], CURVE) is None
    assert bd_rate([], CURVE) is None
    assert bd_rate([(1, 50), (2, 60)], CURVE) is None
    assert bd_rate([(1, 30), (2, 30)], CURVE) is None
    assert bd_rate([(0.12, 27.3), (9.0, 29.6), (0.25, 29.6)], CURVE[:2]) == pytest.approx(0)
