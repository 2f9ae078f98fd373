from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.models.circuit.leaves import MAX_SYMBOLS, Leaves, learn, reaching

LEAST, MOST = -(1 << 63), (1 << 63) - 1
ALL = (0, 0)


@given(
    st.lists(st.integers(LEAST, MOST) | st.integers(-4, 4), min_size=1, max_size=60),
    st.lists(st.integers(LEAST, MOST) | st.integers(-9, 9), max_size=30),
    st.integers(1, 40),
    st.integers(1, 9),
)
def test_any_values_round_trip(known: list[int], more: list[int], most: int, ranges: int) -> None:
    leaves = learn(np.array(known, np.int64)[:, None], [ALL], most, ranges)
    values = np.array(known + more, np.int64)[:, None]
    symbols, extra = leaves.symbols(values)
    assert np.array_equal(leaves.values(symbols, extra), values)
    assert leaves.hold(symbols, extra)
    escape = len(leaves.lows) - 1
    assert (symbols[: len(known)] < escape).all(), "what was learnt from has symbols"
    inner = leaves.widths[:-1]
    assert (inner >= 1).all(), "as files have to have it"
    assert leaves.widths[-1] == 0
    assert (leaves.lows[1:-1] > leaves.lows[:-2]).all()


def test_ranges_wider_than_63_bits_are_cut() -> None:
    """Values so far apart that their distance has 64 bits."""
    known = np.concatenate([np.arange(LEAST, LEAST + 150), np.arange(MOST - 150, MOST), [0]])
    leaves = learn(known[:, None], [ALL], 256, 1)
    assert (leaves.widths[:-1] >= 1).all()
    symbols, extra = leaves.symbols(known[:, None])
    assert int(symbols.max()) < len(leaves.lows) - 1
    assert np.array_equal(leaves.values(symbols, extra), known[:, None])


def test_ranges_are_about_equally_full() -> None:
    dice = np.random.default_rng(1)
    known = (dice.random(20_000) ** 4 * 100_000).astype(np.int64)
    known[:4000] = 77  # one value that is a fifth of all
    leaves = learn(known[:, None], [(0, 1 << 32)])
    assert 40 <= len(leaves.lows) <= 130
    symbols, _ = leaves.symbols(known[:, None])
    counts = np.bincount(symbols[:, 0])
    alone = np.flatnonzero(leaves.lows[:-1] == 77)
    assert leaves.widths[alone].tolist() == [1]
    assert np.delete(counts, alone).max() < 3 * 20_000 / 64


def test_between_ranges_there_may_be_nothing() -> None:
    known = np.concatenate([np.arange(300), np.full(800, 299), np.arange(10_000, 10_300)])
    leaves = learn(known[:, None], [(0, 1 << 16)], 256, 2)
    symbols, extra = leaves.symbols(np.array([[299], [300], [9999], [10_000]]))
    escape = len(leaves.lows) - 1
    assert (symbols[:, 0] == escape).tolist() == [False, True, True, False]
    assert extra[1:3, 0].tolist() == [300, 9999]


@pytest.mark.parametrize("value", [-6, 5, LEAST, MOST])
def test_values_outside_of_the_type(value: int) -> None:
    leaves = learn(np.array([[1]]), [(-5, 10)])
    with pytest.raises(ValueError, match="variable 0"):
        leaves.symbols(np.array([[value]]))


def test_what_a_type_does_not_hold_is_noticed() -> None:
    leaves = learn(np.array([[1]]), [(-5, 10)])
    escape = np.array([[1]], np.int32)
    assert leaves.hold(escape, np.array([[9]]))
    assert not leaves.hold(escape, np.array([[10]]))
    assert not leaves.hold(escape, np.array([[-1]]))
    assert not leaves.hold(np.array([[0]], np.int32), np.array([[1]]))


def test_a_variable_with_an_escape_alone() -> None:
    leaves = Leaves(np.array([0, 1]), np.array([0]), np.array([0]))
    values = np.array([[LEAST], [0], [MOST]])
    symbols, extra = leaves.symbols(values)
    assert not symbols.any()
    assert np.array_equal(leaves.values(symbols, extra), values)


def test_another_order() -> None:
    values = np.array([[1, 20, 300], [1, 21, 301], [2, 21, 302]])
    leaves = learn(values, [ALL] * 3)
    order = np.array([2, 0, 1])
    symbols, extra = leaves.symbols(values)
    other, more = leaves.of(order).symbols(values[:, order])
    assert np.array_equal(other, symbols[:, order])
    assert np.array_equal(more, extra[:, order])


@given(
    st.lists(st.integers(LEAST, MOST) | st.integers(-99, 99), min_size=1, max_size=300),
    st.lists(st.integers(LEAST, MOST) | st.integers(-999, 999), max_size=30),
    st.sampled_from([ALL, (LEAST, 1 << 62), (-(1 << 40), 1 << 41), (-100, 300)]),
)
def test_what_reaches_farther_round_trips(
    known: list[int], more: list[int], domain: tuple[int, int]
) -> None:
    least, count = domain
    allowed = [one for one in known + more if not count or least <= one < least + count]
    values = np.array(allowed or [least], np.int64)[:, None]
    found = learn(values[: max(1, len(values) // 2)], [domain])
    leaves = reaching(found, [domain], [True])
    assert len(leaves.lows) <= MAX_SYMBOLS + 1
    assert (leaves.widths[:-1] >= 1).all()
    ends = [
        low + width for low, width in zip(leaves.lows.tolist(), leaves.widths.tolist(), strict=True)
    ]
    assert all(
        end <= low for end, low in zip(ends[:-2], leaves.lows[1:-1].tolist(), strict=True)
    ), "disjoint"
    symbols, extra = leaves.symbols(values)
    assert np.array_equal(leaves.values(symbols, extra), values)
    assert leaves.hold(symbols, extra)


def test_near_values_are_in_narrow_ranges() -> None:
    known = np.array([[4, 1], [8, 2], [90, 3]])
    found = learn(known, [ALL, (0, 300)])
    leaves = reaching(found, [ALL, (0, 300)], [True, True])
    assert leaves.start[2] - leaves.start[1] == found.start[2] - found.start[1], "is bounded anyway"
    symbols, _ = leaves.symbols(np.array([[6, 1], [91, 1], [3, 1], [50, 1], [100_000, 1]]))
    assert leaves.widths[symbols[:, 0]].tolist()[:4] == [3, 21, 21, 81]
    assert leaves.widths[symbols[4, 0]] < 1 << 21
    kept = reaching(found, [ALL, (0, 300)], [False, True])
    assert np.array_equal(kept.lows, found.lows) and np.array_equal(kept.widths, found.widths)
