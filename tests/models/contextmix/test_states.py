"""The machine of bit histories."""

from __future__ import annotations

import hashlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.models.contextmix.states import COUNTS, NEXT, build

STATES = int(NEXT.max()) + 1
TOTALS = COUNTS[:STATES].sum(axis=1)


def after(bits: list[int]) -> int:
    state = 0
    for bit in bits:
        state = int(NEXT[2 * state + bit])
    return state


def share(state: int) -> float:
    """About the probability of a one."""
    zeros, ones = COUNTS[state]
    return float((ones + 0.5) / (zeros + ones + 1))


@pytest.mark.parametrize(
    ("table", "digest"),
    [
        (NEXT, "ec7fdf1a633005b9064d37f8fe5e03c0fb904c49bd819c9358dbdf9817619ebf"),
        (COUNTS, "f41139684ef1669a470da2128738af940e20060afc5a5620ef5bc8b1f9c27898"),
    ],
)
def test_golden(table: np.ndarray, digest: str) -> None:
    """Files depend on every state's number."""
    packed = table.astype(table.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(packed).hexdigest() == digest


def test_it_is_closed_and_every_state_is_reached() -> None:
    reached, todo = {0}, [0]
    while todo:
        state = todo.pop()
        for bit in (0, 1):
            if (found := int(NEXT[2 * state + bit])) not in reached:
                reached.add(found)
                todo.append(found)
    assert reached == set(range(STATES))
    assert not NEXT[2 * STATES :].any()
    assert not COUNTS[STATES:].any()


def test_a_larger_number_means_more_seen() -> None:
    assert TOTALS[0] == 0
    assert (np.diff(TOTALS) >= 0).all()
    assert (TOTALS[1:] > 0).all(), "only the first stands for nothing, as the kernel takes it"


def test_a_bit_moves_the_share_its_way() -> None:
    for state, bit in product(range(STATES), (0, 1)):
        moved = share(int(NEXT[2 * state + bit])) - share(state)
        assert moved >= 0 if bit else moved <= 0


def test_counts_rise_by_one_and_no_more() -> None:
    for state, bit in product(range(STATES), (0, 1)):
        then = COUNTS[NEXT[2 * state + bit]]
        assert then[bit] <= COUNTS[state][bit] + 1
        assert then[1 - bit] <= COUNTS[state][1 - bit]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_histories_are_exact(length: int) -> None:
    found = {after(list(bits)) for bits in product((0, 1), repeat=length)}
    assert len(found) == 2**length
    for bits in product((0, 1), repeat=length):
        assert COUNTS[after(list(bits))].tolist() == [length - sum(bits), sum(bits)]


@given(st.lists(st.integers(0, 1), min_size=1, max_size=300))
def test_it_is_certain_where_only_one_bit_was_seen(bits: list[int]) -> None:
    zeros, ones = COUNTS[after(bits)]
    assert (zeros == 0) == (0 not in bits)
    assert (ones == 0) == (1 not in bits)


@given(st.lists(st.integers(0, 1), max_size=100))
def test_zeros_and_ones_are_treated_alike(bits: list[int]) -> None:
    zeros, ones = COUNTS[after(bits)]
    assert COUNTS[after([1 - bit for bit in bits])].tolist() == [ones, zeros]


def test_building_it_again_gives_the_same() -> None:
    again = build()
    assert (again[0] == NEXT).all()
    assert (again[1] == COUNTS).all()
