"""A second model asked in the midst of its own tokens."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.models.language.head import Head
from ncz.models.language.network import Network
from ncz.models.language.tokenizer import Tokenizer
from ncz.models.language.vocabulary import entries, under
from ncz.models.text import second
from ncz.models.text.second import Beside, Second
from ncz.models.text.windows import Span, Windows
from tests.golden.make import text
from tests.models.language import tiny

WINDOWS = Windows(64, 32, 0)


@functools.cache
def tokenizer(architecture: str) -> Tokenizer:
    model = tiny.model(architecture)
    tensors = {f"vocab.{name}": tensor for name, tensor in model.vocabulary.items()}
    return Tokenizer(tensors, model.shape.tokenizer, model.shape.pre)


@functools.cache
def made() -> Second:
    top = Head(Network(tiny.model("gemma3")))
    return Second(top, tokenizer("gemma3"), tokenizer("llama"))


def first_tokens(raw: bytes) -> list[int]:
    return tokenizer("llama").entries(raw).tolist()


@given(st.binary(min_size=1, max_size=4) | st.sampled_from(tiny.WORDS).map(str.encode))
def test_under(data: bytes) -> None:
    words = entries(made().vocabulary)
    low, high = under(
        made().vocabulary, np.frombuffer(bytearray(b"x" + data), np.uint8), 1, len(data)
    )
    wanted = [k for k, word in enumerate(words) if word.startswith(data)]
    assert list(range(low, high)) == wanted


@given(st.lists(st.sampled_from([word.encode() for word in tiny.WORDS] + [b"x", b"\xff"])))
def test_parts_and_what_is_over_are_the_text(words: list[bytes]) -> None:
    said = entries(made().vocabulary)
    part, over = b"", b""
    for word in words:
        some, part = made().grown(part, word)
        over += b"".join(said[entry] for entry in some)
        assert part
    assert over + part == b"".join(words)


def test_what_may_follow_a_part() -> None:
    words = entries(made().vocabulary)
    part = made().part(b" th")
    assert [words[entry] for entry in part.entries] == [b" t", b"h"] or len(part.entries) == 1
    for k, rest in enumerate(part.rests.tolist()):
        whole = words[part.low + k]
        assert whole.startswith(b" th")
        tokens = first_tokens(whole)
        ends = np.cumsum([len(entries(tokenizer("llama").vocabulary)[t]) for t in tokens])
        if rest >= 0:
            assert 3 in ends
            assert whole[3:].startswith(words[rest])
        else:
            assert 3 not in ends or whole == b" th"


def probabilities(sums: np.ndarray) -> np.ndarray:
    return np.diff(sums) / sums[-1]


def test_both_ways_to_go_on_are_weighed() -> None:
    """Against the same sum in floats, over a vocabulary of all that may be said."""
    count = 6
    before = np.concatenate([[0], np.cumsum([5, 40, 10, 20, 1, 24])]).astype(np.int64) << 12
    after = np.concatenate([[0], np.cumsum([1, 1, 1, 1, 1, 95])]).astype(np.int64) << 12
    rests = np.array([-1, 4, -1, 5], np.int32)  # of the entries 1 … 4, which begin with a part
    out = np.empty(count + 1, np.int64)
    second._join(before, after, 1, rests, 1, 0, out)
    wanted = 0.40 * np.array([1, 1, 1, 1, 1, 95]) / 100
    wanted[4] += 0.10
    wanted[5] += 0.01
    assert np.allclose(probabilities(out), wanted / wanted.sum(), rtol=1e-3)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 60))
def test_token_by_token_as_at_once(seed: int, cut: int) -> None:
    """Where a window begins, all that came before is read together."""
    raw = text(300)[seed % 200 :][:90]
    tokens = first_tokens(raw)[:60]
    cut = min(cut, len(tokens) - 1)
    stream = np.zeros(1, np.int64)
    slowly, fast = Beside(made(), WINDOWS, 1), Beside(made(), WINDOWS, 1)
    slowly.start(0, [])
    for entry in tokens:
        slowly.sums(stream)
        slowly.take(0, entry)
    fast.start(0, tokens[:cut])
    for entry in tokens[cut:]:
        fast.sums(stream)
        fast.take(0, entry)
    assert np.array_equal(fast.sums(stream), slowly.sums(stream))


def test_streams_go_on_from_the_first() -> None:
    tokens = first_tokens(text(200))
    beside = Beside(made(), WINDOWS, 3)
    beside.start(0, tokens[:20])
    beside.share()
    for entry in tokens[20:30]:
        beside.take(2, entry)
    alone = Beside(made(), WINDOWS, 1)
    alone.start(0, tokens[:30])
    got = beside.sums(np.array([2]))[0]
    assert np.array_equal(got, alone.sums(np.zeros(1, np.int64))[0])


def test_a_window_that_is_full_has_no_opinion() -> None:
    tokens = first_tokens(b"abab" * 100)
    windows = Windows(8, 4, 0)
    beside = Beside(made(), windows, 1)
    beside.start(0, tokens[:3])
    assert beside.sums(np.zeros(1, np.int64))[0, -1] > 0
    for entry in tokens[3:40]:
        beside.take(0, entry)
    assert beside.sums(np.zeros(1, np.int64))[0, -1] == 0


@pytest.mark.parametrize("first", [0, 7])
def test_opinions_of_a_window_are_those_of_its_decisions(first: int) -> None:
    tokens = np.array(first_tokens(text(150))[:30], np.int32)
    got = made().read(Beside(made(), WINDOWS, 1), tokens, Span(0, first, 30), first)
    vocabulary = tokenizer("llama").vocabulary
    wanted = 0
    for entry in tokens[first:].tolist():
        node = int(vocabulary.root[0])
        while node >= 0:
            wanted += 1
            node = int(vocabulary.child[node, int(entry >= node)])
    assert got.size == wanted
    assert (got < 1 << 24).all()
