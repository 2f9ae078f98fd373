"""The engine of text: what it codes it decodes, whatever the bytes, streams and expectations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.errors import FormatError
from ncz.models.contextmix.coder import coder
from ncz.models.language import vocabulary as vocab
from ncz.models.text import kernel, state
from tests.golden.make import noise, text
from tests.models.text.making import (
    Guess,
    array,
    bounds,
    decode,
    encode,
    tokens_of,
    vocabulary,
)

few = settings(max_examples=6, deadline=None)  # a state costs up to a tenth of a second
cuts = st.lists(st.integers(0, 2**31), max_size=3)


@given(st.binary(max_size=200), cuts, st.integers(0, 99), st.sampled_from([0, 0, 1, 30]))
@few
def test_round_trip(raw: bytes, cut: list[int], seed: int, plain: int) -> None:
    code = encode(raw, cut, Guess(seed), plain)
    assert decode(code, len(raw), cut, Guess(seed), plain) == raw


@given(st.binary(max_size=120), cuts, st.integers(0, 99), st.sampled_from([0, 7]))
@few
def test_round_trip_with_two_models(raw: bytes, cut: list[int], seed: int, plain: int) -> None:
    code = encode(raw, cut, Guess(seed), plain, second=True)
    assert decode(code, len(raw), cut, Guess(seed), plain, second=True) == raw


def test_round_trip_of_a_larger_block() -> None:
    raw = text(3000) + noise(300) + text(3000)
    code = encode(raw, [1000, 4000], Guess(1), 50)
    assert decode(code, len(raw), [1000, 4000], Guess(1), 50) == raw


def test_bytes_alone_cost_what_context_mixing_costs() -> None:
    raw = text(20_000)
    data, code = array(raw), np.zeros(30_000, np.uint8)
    block = state.fresh(len(raw), *bounds(len(raw), []))
    kernel.encode_bytes(block, data, code, 0, len(raw))
    size = kernel.finish(block, code)
    other = coder(6).encode(raw)
    assert other is not None
    assert abs(size - len(other)) <= 2


def test_a_match_across_streams_is_found() -> None:
    once = noise(1200)
    raw = once + once
    data = array(raw)
    sizes = []
    for second in (once, noise(2400)[1200:]):
        data[1200:] = array(second)
        block = state.fresh(len(raw), *bounds(len(raw), [1200]))
        code = np.zeros(4000, np.uint8)
        kernel.encode_bytes(block, data, code, 0, 1200)
        kernel.encode_bytes(block, data, code, 1, 1200)
        sizes.append(kernel.finish(block, code))
    assert sizes[0] < 0.6 * sizes[1]


@given(st.binary(max_size=60), st.integers(1, 120), cuts)
@few
def test_any_code_decodes_to_something_or_is_refused(
    code: bytes, size: int, cut: list[int]
) -> None:
    try:
        found = decode(code, size, cut, Guess(3))
    except FormatError:
        return
    assert len(found) == size


def test_tokens_that_are_not_there_are_refused() -> None:
    data = array(b"then")
    block = state.fresh(4, *bounds(4, []))
    entries = np.array(tokens_of(b"that"), np.int32)
    room = np.full(200, 1 << 23, np.uint32)
    with pytest.raises(ValueError, match="token"):
        kernel.encode_tokens(
            block, vocabulary(), data, np.zeros(9, np.uint8), np.zeros(3, np.int64), entries, room
        )


@given(st.integers(0, 2**31), st.integers(1, 50))
@few
def test_probabilities_are_ratios_of_weights(seed: int, bits: int) -> None:
    v = vocabulary()
    weights = np.random.default_rng(seed).integers(1, 1 << bits, v.order.size)
    sums = np.concatenate([[0], np.cumsum(weights >> 6) + np.arange(1, v.order.size + 1)])
    sums = sums.astype(np.int64)
    for node in map(np.int64, range(1, v.order.size)):
        low, high = map(int, vocab.weights(v, sums, node))
        p = int(vocab.probability(v, sums, node))
        assert abs(p - min(max((high << 24) // (low + high), 1), 2**24 - 1)) <= 1
