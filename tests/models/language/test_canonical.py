"""What is ruled out is what merging would not have left."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.models.language import canonical
from ncz.models.language.canonical import Mask
from ncz.models.language.tokenizer import Tokenizer
from ncz.models.language.vocabulary import UNUSED, WHOLE
from tests.models.language import making


def tensors(
    words: list[bytes], pairs: list[tuple[int, int]], kinds: list[int] | None = None
) -> dict[str, np.ndarray]:
    return {
        "vocab.bytes": np.frombuffer(bytearray(b"".join(words)), np.uint8),
        "vocab.offsets": np.cumsum([0, *map(len, words)], dtype=np.int64),
        "vocab.kind": np.array(kinds or [0] * len(words), np.uint8),
        "vocab.merges": np.array(pairs, np.int32).reshape(-1, 2),
    }


def at_random(choices: list[int]) -> dict[str, np.ndarray]:
    """Merges of "a" to "d" at random, each of two tokens from before to a new one."""
    words, pairs = [b"a", b"b", b"c", b"d"], []
    for choice in choices:
        left, right = choice % len(words), choice // 97 % len(words)
        if len(words[left] + words[right]) <= 7 and words[left] + words[right] not in words:
            pairs.append((left, right))
            words.append(words[left] + words[right])
    return tensors(words, pairs)


def masked(mask: Mask, tokenizer: Tokenizer, token: int) -> set[int]:
    """The tokens, and escapes, that are ruled out after `token`."""
    return set(tokenizer.vocabulary.order[mask.after(token) == 1].tolist())


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=40), st.sampled_from(["gpt2", "spm"]))
def test_exactly_the_pairs_that_would_be_tokenized_otherwise(
    choices: list[int], family: str
) -> None:
    tokenizer = Tokenizer(at_random(choices), family, "gpt2")
    mask = Mask(tokenizer)
    count = len(tokenizer.vocabulary.rank)
    words = [tokenizer.decode(np.array([token])) for token in range(count)]
    reached = [tokenizer.encode(words[token]).tolist() == [token] for token in range(count)]
    for a in range(count):
        out = masked(mask, tokenizer, a)
        for b in range(count):
            if reached[a] and reached[b]:
                assert (b in out) == (tokenizer.encode(words[a] + words[b]).tolist() != [a, b])
            elif not reached[b]:
                assert b in out


@pytest.mark.parametrize(
    ("family", "pre"), [("gpt2", "smollm"), ("gpt2", "gpt2"), ("gpt2", "llama-bpe"), ("spm", "")]
)
def test_real_text_is_never_ruled_out(family: str, pre: str) -> None:
    tokenizer = making.tokenizer(family, pre)
    mask = Mask(tokenizer)
    text = making.text() + "\n\n'such   \u3000\u3000x  日\r\n\n\n  \t1234567 don't 'S, 'tis ..'x\n"
    tokens = tokenizer.encode(text.encode()).tolist()
    pairs = sorted(set(itertools.pairwise(tokens)))
    entry = {int(token): k for k, token in enumerate(tokenizer.vocabulary.order)}
    wrong = [(a, b) for a, b in pairs if mask.after(a)[entry[b]]]
    assert wrong == []
    share = np.mean([mask.after(a).mean() for a in tokens[:2000]])
    assert share > 0.01


def test_pieces_hide_merges() -> None:
    words = [b"a", b"b", b"\n", b" ", b"'", b"s", b"1", b"ab", b"\n\n", b"  ", b" a", b"'s", b"sa"]
    words += [b"11", b"111"]
    pairs = [(0, 1), (2, 2), (3, 3), (3, 0), (4, 5), (5, 0), (6, 6), (13, 6)]

    def ruled_out(pre: str, a: bytes, b: bytes) -> bool:
        tokenizer = Tokenizer(tensors(words, pairs), "gpt2", pre)
        return words.index(b) in masked(Mask(tokenizer), tokenizer, words.index(a))

    for pre in ("gpt2", "smollm", "llama-bpe"):
        assert ruled_out(pre, b"a", b"b")
        assert ruled_out(pre, b" ", b"a")
        assert not ruled_out(pre, b"b", b"a")
        assert not ruled_out(pre, b"\n", b"\n"), "two line ends before a word"
        assert not ruled_out(pre, b" ", b" a"), "two spaces before a word"
        assert not ruled_out(pre, b"'s", b"a"), "a contraction is a piece"
        assert not ruled_out(pre, b"'", b"sa")
    assert ruled_out("gpt2", b" ", b"  ")
    assert ruled_out("gpt2", b"1", b"1")
    assert not ruled_out("llama-bpe", b"111", b"1"), "digits by threes"
    assert not ruled_out("default", b"a", b"b"), "nothing is known"


def test_nothing_merges_with_wholes_escapes_and_controls() -> None:
    kinds = [0, 0, 0, WHOLE, UNUSED]
    words = [b"a", b"b", b"ab", b"\n", b"<s>"]
    tokenizer = Tokenizer(tensors(words, [(0, 1)], kinds), "gpt2", "gpt2")
    mask = Mask(tokenizer)
    assert masked(mask, tokenizer, 0) == {1}
    for token in (3, 4, -1 - ord("x"), -1, 99):
        assert masked(mask, tokenizer, token) == set()


def test_tokens_that_merging_never_makes_are_always_ruled_out() -> None:
    words = [b"a", b"b", b"c", b"bc", b"ab", b"abc", b"cc"]
    pairs = [(1, 2), (0, 1), (4, 2)]  # "abc" becomes a, bc; nothing makes "cc"
    tokenizer = Tokenizer(tensors(words, pairs), "gpt2", "gpt2")
    assert masked(Mask(tokenizer), tokenizer, 2) == {5, 6}
    assert masked(Mask(tokenizer), tokenizer, -1) == {5, 6}


def test_answers_are_the_same_from_memory() -> None:
    tokenizer = making.tokenizer()
    one, other = Mask(tokenizer), Mask(tokenizer)
    first = [one.after(token) for token in range(300)]
    for token in reversed(range(300)):
        np.testing.assert_array_equal(other.after(token), first[token])
        np.testing.assert_array_equal(one.after(token), first[token])


@pytest.mark.parametrize("dtype", [np.int64, np.uint32])
def test_ruled_out_tokens_keep_a_little(dtype: type) -> None:
    weights = np.array([1000, 1000, 5, 1, 1 << 30], dtype)
    canonical.soften(weights, np.array([0, 1, 1, 1, 1], np.uint8), 6, 2)
    assert weights.tolist() == [1000, 15, 2, 2, 1 << 24]
