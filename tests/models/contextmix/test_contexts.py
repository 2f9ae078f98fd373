"""What holds for the contexts of every kind: they know the past only, and stay in range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.models.contextmix import binary, kernel, machine, textual
from tests.models.contextmix.making import Reader, array

COUNTS = {
    kernel.TEXT: textual.COUNT,
    kernel.BINARY: binary.COUNT,
    kernel.MACHINE32: machine.COUNT,
    kernel.MACHINE64: machine.COUNT,
}
kinds = st.sampled_from(kernel.KINDS)
blocks = st.one_of(
    st.binary(min_size=1, max_size=80),
    st.text("ab .\n\u00e9A0", min_size=1, max_size=80).map(str.encode),
    st.lists(st.sampled_from([0x0F, 0x66, 0x48, 0xE8, 0xF6, 4, 5, 0x38, 0]), min_size=1).map(bytes),
)


@given(kinds, blocks, st.integers(1, 20), st.integers(1, 8), st.integers(0, 255))
@settings(max_examples=200)
def test_they_do_not_depend_on_what_a_decoder_lacks(
    kind: int, raw: bytes, row: int, cell: int, other: int
) -> None:
    """Neither on the byte being coded nor on any after it."""
    whole, started = Reader(kind, row, cell), Reader(kind, row, cell)
    data, known = array(raw), np.full(len(raw), other, np.uint8)
    for pos in range(len(raw)):
        a, b = whole.at(data, pos), started.at(known, pos)
        assert (a.contexts == b.contexts).all()
        assert (a.select == b.select).all()
        assert (a.history == b.history).all()
        known[pos] = data[pos]


@given(kinds, blocks, st.integers(1, 4096), st.integers(1, 8))
def test_selections_are_rows_of_their_sets(kind: int, raw: bytes, row: int, cell: int) -> None:
    """Compiled code checks no bounds: one too large would be another set's row, or worse."""
    reader, data = Reader(kind, row, cell), array(raw)
    for pos in range(len(raw)):
        select = reader.at(data, pos).select
        for number in range(4, kernel.SETS):
            assert 0 <= select[number] * 8 + 7 < kernel.SET_ROWS[number]


@pytest.mark.parametrize("kind", kernel.KINDS)
def test_the_count_is_right(kind: int) -> None:
    """Contexts up to COUNT are computed, and none above."""
    reader = Reader(kind, 11, 3)
    reader.contexts[:] = -77
    raw = b"Some words, 1234 of them.\nAnd \x0f\x38\x48 numbers" * 3
    for pos in range(len(raw)):
        reader.at(array(raw), pos)
    count = COUNTS[kind]
    assert (reader.contexts[:count] != -77).all()
    assert (reader.contexts[count:] == -77).all()
