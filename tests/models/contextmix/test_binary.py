"""Contexts for records, arrays and pictures."""

from __future__ import annotations

import pytest

from ncz.models.contextmix.kernel import BINARY
from tests.models.contextmix.making import Reader, array, read

ORDER1, SLOPE, COLUMN, ABOVE, CORNERS, EVERYTHING = 0, 15, 16, 17, 21, 25  # contexts
PICTURE = bytes(range(10, 70))  # rows of ten


def after(raw: bytes, row: int, cell: int = 1) -> Reader:
    return read(raw, BINARY, row, cell)


@pytest.mark.parametrize(("size", "row"), [(0, 7), (6, 7), (7, 7), (40, 7), (4095, 4096)])
def test_the_column_is_the_place_in_a_row(size: int, row: int) -> None:
    reader = after(bytes(size), row)
    assert reader.contexts[COLUMN] == size % row
    assert reader.select[5] == min(size % row, 511)


def test_above_is_a_row_ago() -> None:
    reader = after(PICTURE, 10)
    assert reader.select[7] == PICTURE[-10]
    changed = bytearray(PICTURE)
    changed[-10] ^= 1
    assert after(bytes(changed), 10).contexts[ABOVE] != reader.contexts[ABOVE]
    changed = bytearray(PICTURE)
    changed[-11] ^= 1
    assert after(bytes(changed), 10).contexts[ABOVE] == reader.contexts[ABOVE]


def test_what_is_above_the_first_row_is_zero() -> None:
    assert after(b"abc", 10).select[7] == 0
    assert after(b"abc", 10).contexts[ABOVE] == after(b"xyz", 10).contexts[ABOVE]


def test_a_row_of_one_has_no_corner_to_the_right() -> None:
    """It would be the byte being coded."""
    one = read(b"ab", BINARY, 1).contexts.copy()
    reader = Reader(BINARY, 1)
    for pos in range(3):
        reader.at(array(b"ab\xff"), pos)
    assert one[CORNERS] == reader.contexts[CORNERS]
    assert one[EVERYTHING] == reader.contexts[EVERYTHING]


def test_a_ramp_has_one_slope() -> None:
    """Elements that rise by equal steps meet in one context: where the next one would lie."""

    def ramp(start: int, step: int) -> bytes:
        return b"".join((start + step * i).to_bytes(4, "little") for i in range(4))

    assert after(ramp(20, 10), 16, 4).contexts[SLOPE] == after(ramp(0, 15), 16, 4).contexts[SLOPE]
    assert after(ramp(20, 10), 16, 4).contexts[SLOPE] != after(ramp(20, 11), 16, 4).contexts[SLOPE]


def test_the_phase_tells_apart_bytes_of_an_element() -> None:
    low, high = after(bytes(4), 64, 2), after(bytes(5), 64, 2)
    assert low.contexts[SLOPE] != high.contexts[SLOPE]
    assert low.contexts[ORDER1] == high.contexts[ORDER1]
