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


@st.composite
def shares(draw: st.DrawFn) -> tuple[list[int], int]:
    """Bounds of the shares of several events, of 2^24, and one of the events."""
    inner = st.integers(1, ONE - 1) | st.sampled_from([1, 2, ONE - 2, ONE - 1])
    bounds = [0, *sorted(draw(st.sets(inner, max_size=9))), ONE]
    return bounds, draw(st.integers(0, len(bounds) - 2))


Events = list[tuple[list[int], int]]


def encode_events(events: Events, room: int = 2000) -> tuple[np.ndarray, int]:
    state, out = np.zeros(6, np.int64), np.zeros(room, np.uint8)
    rc.start_encoder(state)
    for bounds, event in events:
        rc.encode_range(state, out, bounds[event], bounds[event + 1])
    size = int(rc.finish_encoder(state, out))
    return out[: min(size, room)].copy(), size


def decode_events(code: np.ndarray, like: Events) -> list[int]:
    state, found = np.zeros(6, np.int64), []
    rc.start_decoder(state, code)
    for bounds, _ in like:
        event = max(i for i in range(len(bounds) - 1) if not i or rc.reaches(state, bounds[i]))
        rc.decode_range(state, code, bounds[event], bounds[event + 1])
        found.append(event)
    return found


@given(st.lists(shares(), max_size=80))
def test_ranges_round_trip(events: Events) -> None:
    code, size = encode_events(events)
    assert size == code.size
    assert decode_events(code, events) == [event for _, event in events]


@given(st.lists(shares(), max_size=80))
def test_ranges_cost_what_their_shares_say(events: Events) -> None:
    """Up to the rounding of a share of 2^24 to an interval that may be as narrow, under a bit."""
    cost = sum(-math.log2((bounds[i + 1] - bounds[i]) / ONE) for bounds, i in events)
    narrow = sum(min(1.0, 1 / (bounds[i + 1] - bounds[i])) for bounds, i in events)
    assert encode_events(events)[1] <= (cost * 1.001 + narrow) / 8 + 2


@pytest.mark.parametrize("event", [0, 1, 2])
@pytest.mark.parametrize("bounds", [[0, 1, ONE - 1, ONE], [0, ONE // 3, ONE // 2, ONE]])
def test_runs_of_a_range(bounds: list[int], event: int) -> None:
    for length in (1, 2, 9, 200):
        events = [(bounds, event)] * length
        assert decode_events(encode_events(events)[0], events) == [event] * length


def test_what_is_certain_costs_nothing() -> None:
    assert encode_events([([0, ONE], 0)] * 1000)[1] == 0


@given(st.binary(max_size=30), st.lists(shares(), max_size=60))
def test_any_code_comes_to_an_end(code: bytes, events: Events) -> None:
    found = decode_events(np.frombuffer(bytearray(code), np.uint8), events)
    assert all(0 <= one < len(bounds) - 1 for one, (bounds, _) in zip(found, events, strict=True))


def test_ranges_that_do_not_fit_are_counted() -> None:
    code, size = encode_events([([0, 1, ONE], 0)] * 20, room=5)
    assert size > code.size == 5
