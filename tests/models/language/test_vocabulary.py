"""The tree over the sorted tokens says what the tokens say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.errors import ModelError
from ncz.models.language import vocabulary as vocab
from ncz.models.language.vocabulary import STEPS, UNUSED, WHOLE, Vocabulary

WORDS = [b"the", b"then", b"", b" the", b"\x00", b"a", b"\xff\xfe", b"then", b"th", b" "]


def build(tokens: list[bytes], kinds: list[int] | None = None) -> Vocabulary:
    offsets = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
    data = np.frombuffer(b"".join(tokens), np.uint8)
    return vocab.build(data, offsets, np.array(kinds or [0] * len(tokens), np.uint8))


def entry_bytes(v: Vocabulary, entry: int) -> bytes:
    start = v.start[entry]
    return v.bytes[start : start + v.length[entry]].tobytes()


def steps_of(word: bytes) -> list[int]:
    """The side at every step: to go on is 1, then the bits; to stop is 0."""
    steps = []
    for byte in word:
        steps += [1, *(byte >> (7 - k) & 1 for k in range(8))]
    return [*steps, 0]


def walk(v: Vocabulary, sides: list[int]) -> tuple[int, list[int], list[tuple[int, int]]]:
    """Follow `sides`, one a step, as a decoder does: the entry, all sides taken, (node, side)."""
    node, taken, decided = int(v.root[0]), [], []
    while True:
        step = len(taken)
        if node >= 0 and v.step[node] == step:
            way = sides[step]
            decided.append((node, way))
            node = int(v.child[node, way])
        else:
            assert node < 0 or step < v.step[node]
            way = int(vocab.agreed(v, node, step))
        taken.append(way)
        if step % STEPS == 0 and way == 0:
            return ~node, taken, decided


def test_entries_are_the_usable_tokens_and_the_escapes_in_order_of_bytes() -> None:
    kinds = [0] * len(WORDS)
    kinds[0], kinds[3] = UNUSED, WHOLE
    v = build(WORDS, kinds)
    entries = [entry_bytes(v, k) for k in range(v.order.size)]
    assert entries == sorted({bytes([b]) for b in range(256)} | set(WORDS) - {b"the", b""})
    assert [v.rank[k] for k in (0, 2, 7)] == [-1, -1, -1]
    for token in (1, 3, 4, 5, 6, 8, 9):
        assert v.order[v.rank[token]] == token
        assert entries[v.rank[token]] == WORDS[token]
    for byte in range(256):
        said = bytes([byte]) in WORDS
        assert (v.escapes[byte] < 0) == said
        if not said:
            assert v.order[v.escapes[byte]] == -1 - byte
            assert entries[v.escapes[byte]] == bytes([byte])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=5) | st.sampled_from(WORDS), max_size=40), st.randoms())
def test_every_path_says_the_entry_and_weighs_what_it_weighs(tokens: list[bytes], rnd) -> None:
    v = build(tokens)
    weights = np.array([rnd.randrange(1, 1 << 24) for _ in tokens], np.uint32)
    cumulative = np.zeros(v.order.size + 1, np.int64)
    total = vocab.cumulate(v, weights, 7, cumulative)
    assert total == cumulative[-1]
    for entry in range(v.order.size):
        found, taken, decided = walk(v, steps_of(entry_bytes(v, entry)))
        assert found == entry
        assert taken == steps_of(entry_bytes(v, entry))
        within = total  # the side taken at each node weighs what is left to share below it
        for node, way in decided:
            both = vocab.weights(v, cumulative, node)
            assert sum(both) == within
            assert way == vocab.side(node, entry)
            within = both[way]
        token = v.order[entry]
        assert within == (weights[token] if token >= 0 else 7)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=4) | st.sampled_from(WORDS), max_size=30), st.binary())
def test_find_finds_every_entry_and_nothing_else(tokens: list[bytes], other: bytes) -> None:
    v = build(tokens)
    entries = {entry_bytes(v, entry): entry for entry in range(v.order.size)}
    for word in [*entries, other, *(word + b"x" for word in tokens)]:
        data = np.frombuffer(b"##" + word, np.uint8)
        assert vocab.find(v, data, 2, len(word)) == entries.get(word, -1)


def test_a_tree_of_escapes_alone() -> None:
    v = build([])
    assert v.order.tolist() == [-1 - byte for byte in range(256)]
    assert v.root[0] == 128
    assert v.step.max() == 8


def test_long_tokens_that_differ_late() -> None:
    v = build([b"x" * 300 + bytes([k]) for k in (0, 1, 255)] + [b"x" * 300])
    for entry in range(v.order.size):
        assert walk(v, steps_of(entry_bytes(v, entry)))[0] == entry


@pytest.mark.parametrize("offsets", [[0, 1], [1, 3], [0, 4, 3], []])
def test_damaged_offsets_are_refused(offsets: list[int]) -> None:
    kinds = np.zeros(max(len(offsets) - 1, 0), np.uint8)
    with pytest.raises(ModelError, match="convert"):
        vocab.build(np.zeros(3, np.uint8), np.array(offsets, np.int64), kinds)


def test_kinds_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(ModelError, match="kinds"):
        vocab.build(np.zeros(3, np.uint8), np.array([0, 3], np.int64), np.zeros(2, np.uint8))
