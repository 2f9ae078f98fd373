"""Tokens of a GGUF, and the weights that logits give them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec.errors import ModelError
from ncz.models.llama import tokens
from tests.models.language import tiny


def summed(logits, order, never):
    out = np.empty(len(order) + 1, np.int64)
    fine = tokens.cumulate(
        np.array(logits, np.float32), np.array(order, np.int32), np.array(never, np.uint8), out
    )
    return np.diff(out).tolist() if fine else None


@given(
    st.lists(st.floats(-200, 200, width=32), min_size=1, max_size=50),
    st.randoms(use_true_random=False),
)
def test_weights_are_those_of_the_softmax(logits, random):
    order = list(range(len(logits)))
    random.shuffle(order)
    order.insert(random.randrange(len(order) + 1), -7)  # an escape
    never = [random.randrange(2) for _ in order]
    top = max(logits)
    for weight, token, softened in zip(summed(logits, order, never), order, never, strict=True):
        if token < 0:
            assert weight == 1
            continue
        exact = 2.0**24 * np.exp(np.float64(logits[token]) - top) / 2.0 ** (10 * softened)
        assert weight == pytest.approx(max(exact, 1), rel=1e-4, abs=1)


def test_logits_that_are_no_numbers():
    assert summed([0, np.nan], [0, 1], [0, 0]) is None
    assert summed([0, np.inf], [0, 1], [0, 0]) is None
    assert summed([-np.inf, -np.inf], [0, 1], [0, 0]) is None
    assert summed([0, -np.inf], [0, 1], [0, 0]) == [1 << 24, 1]
    assert summed([0, np.nan], [0], [0]) == [1 << 24]  # a token that is never coded


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_tokens_of_a_file(architecture, tmp_path):
    path = tmp_path / "tiny.gguf"
    tiny.write_gguf(path, architecture)
    tokenizer, begin = tokens.read(path)
    text = " the thing and\n\nmore, é".encode() + bytes(range(256))
    assert begin == 0
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_what_cannot_be_read(tmp_path):
    path = tmp_path / "tiny.gguf"
    tiny.write_gguf(path)
    whole = path.read_bytes()
    for size in (10, 3000, len(whole) - 5000):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match="no whole model file") as caught:
            tokens.read(path)
        assert "\n" not in str(caught.value)
    named = b"tokenizer.ggml.model" + b"".join(n.to_bytes(w, "little") for n, w in ((8, 4), (4, 8)))
    words = whole.replace(named + b"gpt2", named + b"bert")
    assert words != whole
    path.write_bytes(words)
    with pytest.raises(ModelError, match=r"\(bert\) cannot be turned back into bytes"):
        tokens.read(path)
