"""The table of bit histories."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ncz.models.contextmix.hashing import LINE, add, find_line, mix

lines = st.integers(0, 15)
checks = st.integers(0, 255)
hashes = st.integers(-(2**63), 2**63 - 1)


def test_mix_is_what_it_was() -> None:
    """Where a context's history lies depends on it, and with that every coded byte."""
    h = np.int64(0)
    seen = []
    for value in (0, 1, -1, 255, 2**32 - 1, -(2**63)):
        h = mix(h, np.int64(value))
        seen.append(int(h) & 0xFFFFFFFFFFFFFFFF)
    assert seen == [
        0xF9D58CAA68764164,
        0x13044D4B62A568AA,
        0x91947239BE1E200D,
        0x97F741561E383F29,
        0xB82EBC82999E063C,
        0x2160FE76EC7CA1DA,
    ]


@given(hashes, hashes)
def test_mix_is_the_formula(h: int, value: int) -> None:
    mask = 2**64 - 1
    x = (((h & mask) ^ ((value + 0x51ED27) & mask)) * 0x9E3779B97F4A7C15) & mask
    assert int(mix(np.int64(h), np.int64(value))) & mask == x ^ (x >> 31)


@given(hashes, hashes)
def test_add_wraps(a: int, b: int) -> None:
    assert (int(add(np.int64(a), np.int64(b))) - a - b) % 2**64 == 0


def test_mix_spreads_what_a_table_uses() -> None:
    """Bits 8 to 23 pick a line and 40 to 47 check it: few of 4096 contexts may meet in both."""
    found = {(int(mix(np.int64(0), np.int64(i))) >> 8) & 0xFF00FFFFFF00FFFF for i in range(4096)}
    assert len(found) == 4096
    places = {(int(mix(np.int64(0), np.int64(i))) >> 8) & 0xFFFF for i in range(4096)}
    assert len(places) > 3900


@given(lines, checks)
def test_what_is_stored_is_found(line: int, check: int) -> None:
    table = np.zeros(16 * LINE, np.uint8)
    at = find_line(table, np.int64(line), np.int64(check))
    table[at + 1 : at + LINE] = np.arange(1, LINE)
    assert find_line(table, np.int64(line), np.int64(check)) == at
    assert table[at : at + LINE].tolist() == [check, *range(1, LINE)]


@given(lines, st.lists(st.integers(1, 255), min_size=4, max_size=4, unique=True))
def test_four_fit_a_bucket(line: int, four: list[int]) -> None:
    table = np.zeros(16 * LINE, np.uint8)
    places = []
    for check in four:
        at = find_line(table, np.int64(line), np.int64(check))
        table[at + 1] = 5
        places.append(at)
    assert len(set(places)) == 4
    assert {at // (4 * LINE) for at in places} == {line // 4}, "one cache line"
    assert [find_line(table, np.int64(line), np.int64(check)) for check in four] == places


def test_the_least_used_makes_room() -> None:
    table = np.zeros(4 * LINE, np.uint8)
    for check, used in ((1, 9), (2, 3), (3, 7), (4, 8)):
        at = find_line(table, np.int64(0), np.int64(check))
        table[at + 1 : at + LINE] = used
    at = find_line(table, np.int64(0), np.int64(5))
    assert table[at : at + LINE].tolist() == [5] + 15 * [0], "empty, whatever was there"
    assert {int(check) for check in table[::LINE]} == {1, 3, 4, 5}


@given(st.lists(st.tuples(lines, checks), max_size=60))
def test_it_stays_in_its_bucket(asked: list[tuple[int, int]]) -> None:
    table = np.zeros(16 * LINE, np.uint8)
    for line, check in asked:
        at = find_line(table, np.int64(line), np.int64(check))
        assert at % LINE == 0
        assert at // (4 * LINE) == line // 4
        assert table[at] == check
        table[at + 1] = min(int(table[at + 1]) + 1, 255)
