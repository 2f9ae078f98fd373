import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import rangecoder as rc

Symbols = list[tuple[int, int]]  # a bit, and 2^24 times the probability of a 1
ONE = 1 << 24

likely = st.tuples(st.just(1), st.sampled_from([ONE - 1, ONE - 2, ONE - 1000]))
unlikely = st.tuples(st.just(1), st.sampled_from([1, 2, 1000]))
zeros = st.tuples(st.just(0), st.sampled_from([ONE - 1, ONE // 2, 1]))
any_symbol = st.tuples(st.integers(0, 1), st.integers(1, ONE - 1))
symbols = st.lists(st.one_of(any_symbol, likely, unlikely, zeros), max_size=200)


def encode(bits: Symbols, room: int = 2000) -> tuple[np.ndarray, int]:
    state, out = np.zeros(6, np.int64), np.zeros(room, np.uint8)
    rc.start_encoder(state)
    for bit, p1 in bits:
        rc.encode_bit(state, out, bit, p1)
    size = int(rc.finish_encoder(state, out))
    return out[: min(size, room)].copy(), size


def decode(code: np.ndarray, like: Symbols) -> list[int]:
    state = np.zeros(6, np.int64)
    rc.start_decoder(state, code)
    return [int(rc.decode_bit(state, code, p1)) for _, p1 in like]


@given(symbols)
def test_round_trip(bits: Symbols) -> None:
    code, size = encode(bits)
    assert size == code.size
    assert decode(code, bits) == [bit for bit, _ in bits]


@given(symbols)
def test_costs_what_the_probabilities_say(bits: Symbols) -> None:
    cost = sum(-math.log2((p1 if bit else ONE - p1) / ONE) for bit, p1 in bits)
    assert encode(bits)[1] <= cost * 1.001 / 8 + 2


@pytest.mark.parametrize("p1", [1, 100, ONE // 2, ONE - 1])
@pytest.mark.parametrize("bit", [0, 1])
def test_runs_from_the_first_bit_on(bit: int, p1: int) -> None:
    """A first byte of 0xFF is a byte like any other, not one that waits for a carry."""
    for length in (1, 7, 8, 9, 33, 300):
        bits = [(bit, p1)] * length
        assert decode(encode(bits)[0], bits) == [bit] * length


def test_what_does_not_fit_is_counted() -> None:
    bits = [(1, 1)] * 20
    code, size = encode(bits, room=5)
    assert size > code.size == 5
