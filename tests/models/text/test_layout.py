"""Heads of text blocks: what is packed is parsed, and what breaks a rule is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.models.text import layout
from ncz.models.text.layout import BYTES, CONTEXTS, MODEL, Layout, Run


@st.composite
def layouts(draw):
    runs = [Run(draw(st.sampled_from([MODEL, CONTEXTS])), draw(st.integers(1, 5000)))]
    for kind, length in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5000)))):
        if kind != runs[-1].kind:
            runs.append(Run(kind, length))
    size = sum(run.length for run in runs if run.kind != BYTES)
    places = np.sort(np.array(draw(st.lists(st.integers(0, size), max_size=300)), np.int64))
    return Layout(tuple(runs), layout.cut(places, size, draw(st.integers(1, 64))))


@given(layouts(), st.binary(max_size=5))
def test_round_trip(made, rest):
    packed = made.pack()
    size = sum(run.length for run in made.runs)
    assert layout.parse(packed + rest, size) == (made, len(packed))
    assert made.is_text().sum() == made.text_size


def test_one_run_of_one_stream_takes_two_bytes():
    assert Layout((Run(MODEL, 1000),), (1000,)).pack() == b"\x01\x00"


def test_streams_end_at_the_next_token():
    assert layout.cut(np.array([0, 40, 60, 90]), 100, 3) == (40, 90, 100)
    assert layout.cut(np.array([0, 10]), 100, 2) == (100, 100)


@given(st.binary(max_size=40), st.integers(1, 10_000))
def test_any_bytes_are_parsed_or_refused(coded, size):
    try:
        made, used = layout.parse(coded, size)
    except FormatError:
        return
    assert made.pack() == coded[:used] or made.runs == (Run(MODEL, size),)
    assert made.ends[-1] == made.text_size
    assert list(made.ends) == sorted(made.ends)


@pytest.mark.parametrize(
    "numbers",
    [
        [0, 0],  # no stream
        [65, 0],
        [1, 1, 0],  # an empty run
        [1, 2, 3 * 50, 3 * 50],  # twice the same kind
        [1, 1, 3 * 99],  # too short
        [1, 1, 3 * 101],
        [2, 0, 51],  # the first stream ends after the text
        [3, 0, 60, 0],  # the second before the first
    ],
)
def test_refused(numbers):
    with pytest.raises(FormatError):
        layout.parse(b"".join(varint.encode(n) for n in numbers), 100)
