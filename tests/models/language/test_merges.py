"""Merging takes the lowest rank first, the leftmost of these, until none is left."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.models.language import merges as bpe
from ncz.models.language import vocabulary

LETTERS = 4  # the tokens 0..3 are "a".."d"; the others are made by merges


def make(choices: list[int], by_result: bool) -> tuple[vocabulary.Vocabulary, bpe.Merges]:
    """A vocabulary of merges at random: each joins two tokens that were there before."""
    words = [bytes([97 + k]) for k in range(LETTERS)]
    pairs = []
    for choice in choices:
        left, right = choice % len(words), choice // 97 % len(words)
        if len(words[left] + words[right]) <= 9:
            pairs.append((left, right))
            if words[left] + words[right] not in words:
                words.append(words[left] + words[right])
    offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
    data = np.frombuffer(b"".join(words), np.uint8)
    v = vocabulary.build(data, offsets, np.zeros(len(words), np.uint8))
    return v, bpe.build(v, np.array(pairs, np.int32).reshape(-1, 2), by_result)


def slowly(merges: bpe.Merges, symbols: list[int], least: int) -> list[int]:
    while len(symbols) > least:
        best = None
        for k, pair in enumerate(itertools.pairwise(symbols)):
            merge = bpe.lookup(merges, *pair)
            if merge >= 0 and (best is None or merges.rank[merge] < best[0]):
                best = int(merges.rank[merge]), k, int(merges.result[merge])
        if best is None:
            break
        symbols = [*symbols[: best[1]], best[2], *symbols[best[1] + 2 :]]
    return symbols


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), max_size=60),
    st.lists(st.integers(0, LETTERS - 1), min_size=1, max_size=120),
    st.booleans(),
    st.integers(1, 3),
)
def test_as_the_definition_says(
    choices: list[int], text: list[int], by_result: bool, least: int
) -> None:
    v, merges = make(choices, by_result)
    symbols = v.rank[text].astype(np.int32)
    expected = slowly(merges, symbols.tolist(), least)
    count = bpe.apply(merges, symbols, len(text), least, np.zeros(6 * len(text), np.int64))
    assert symbols[:count].tolist() == expected


def test_pairs_of_unusable_tokens_are_left_out() -> None:
    data, offsets = np.frombuffer(b"abababc", np.uint8), np.array([0, 1, 2, 4, 6, 7], np.int64)
    kinds = np.array([0, 0, 1, 0, 0], np.uint8)  # a, b, ab (not used), ab, c
    v = vocabulary.build(data, offsets, kinds)
    merges = bpe.build(v, np.array([[0, 1], [2, 4], [3, 4], [0, 4], [9, 0], [0, 1]]), False)
    assert v.order[merges.result].tolist() == [3, 3]
    assert bpe.lookup(merges, v.rank[0], v.rank[1]) == 0, "the first of two alike counts"


def test_ranks_by_result_let_the_leftmost_go_first() -> None:
    words = [b"a", b"b", b"ab", b"ba", b"aba"]
    offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
    data = np.frombuffer(b"".join(words), np.uint8)
    v = vocabulary.build(data, offsets, np.zeros(5, np.uint8))
    pairs = np.array([[0, 1], [0, 3], [1, 0], [2, 0]], np.int32)
    for by_result, ranks in ((False, [0, 1, 2, 3]), (True, [0, 1, 1, 2])):
        assert bpe.build(v, pairs, by_result).rank.tolist() == ranks
