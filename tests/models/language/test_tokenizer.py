"""Tokens spell the text, any text, and are those that the model was trained on."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ncz.codec.errors import ModelError
from ncz.models.language import vocab_source
from ncz.models.language.tokenizer import Tokenizer
from ncz.models.language.vocabulary import WHOLE
from tests.models.language import making

BOTH = [("gpt2", "smollm"), ("spm", "default")]
PARTS = st.sampled_from(
    ["the ", "don't", "  ", "\n", "\n\n\n", "23", "é", "日本", "дом", "▁", "<|end|>", "<unk>", "'s"]
)
TEXTS = st.lists(PARTS | st.text(st.characters(max_codepoint=0x2FF), max_size=4)).map("".join)

# Peers leave out what they cannot say and merge across the gap: here they can say it all.
SAID = st.lists(PARTS | st.text(st.sampled_from(sorted(set(making.text()))), max_size=5)).map(
    lambda parts: "".join(part for part in parts if part not in ("▁", "<|end|>", "<unk>"))
)


def peer_tokens(family: str, pre: str, text: str) -> list[int]:
    peer = making.byte_level(pre) if family == "gpt2" else making.sentence_piece()
    return peer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(("family", "pre"), [*BOTH, ("gpt2", "llama-bpe"), ("gpt2", "gpt2")])
def test_real_text_gives_the_peers_tokens(family: str, pre: str) -> None:
    text = making.text()
    tokens = making.tokenizer(family, pre).encode(text.encode())
    assert tokens.dtype == np.int32
    assert len(tokens) < len(text) / 1.8
    assert tokens.tolist() == peer_tokens(family, pre, text)


@pytest.mark.parametrize(("family", "pre"), BOTH)
@settings(max_examples=150, deadline=None)
@given(text=SAID)
def test_any_text_gives_the_peers_tokens(family: str, pre: str, text: str) -> None:
    tokens = making.tokenizer(family, pre).encode(text.encode())
    assert tokens.tolist() == peer_tokens(family, pre, text)


@pytest.mark.parametrize(("family", "pre"), BOTH)
@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=60) | TEXTS.map(str.encode))
@example(raw=bytes(range(256)))
@example(raw="<|start|>▁x\n<0x0A>".encode())
@example(raw=b"\n" * 7 + b"\xe6\x97")
def test_any_bytes_come_back(family: str, pre: str, raw: bytes) -> None:
    tokenizer = making.tokenizer(family, pre)
    tokens = tokenizer.encode(raw)
    assert tokenizer.decode(tokens) == raw
    assert (tokenizer.vocabulary.rank[tokens[tokens >= 0]] >= 0).all()
    assert (tokenizer.vocabulary.escapes[-1 - tokens[tokens < 0]] >= 0).all()


def test_bytes_that_no_token_says_are_escapes() -> None:
    raw = "a\x00é".encode() + b"\xff"
    tokens = making.tokenizer().encode(raw).tolist()
    assert tokens[1] == -1 - 0
    assert tokens[-1] == -1 - 255
    assert (making.tokenizer("spm", "").encode(raw) >= 0).all(), "it has a token for every byte"


def test_the_text_of_control_tokens_is_text() -> None:
    tokenizer = making.tokenizer()
    tokens = tokenizer.encode(b"<|end|>")
    assert len(tokens) > 1
    assert 0 not in tokens


def test_tokens_found_whole_are_the_longest_from_the_left() -> None:
    peer = making.byte_level()
    data = making.definition(peer)
    for number, content in enumerate(["<a>", "<a><b>", " <a><"], len(data["model"]["vocab"])):
        data["added_tokens"].append({"id": number, "content": content, "special": False})
    tensors = vocab_source.from_tokenizer_json(data)
    assert (tensors["vocab.kind"] == WHOLE).sum() == 3
    tokenizer = Tokenizer(tensors, "gpt2", "smollm")
    a, ab, space = range(len(data["model"]["vocab"]), len(data["model"]["vocab"]) + 3)
    raw = b"x<a><a><b> <a><b>"
    tokens = tokenizer.encode(raw).tolist()
    assert tokens[1:4] == [a, ab, space]
    assert tokenizer.decode(np.array(tokens)) == raw
    assert tokenizer.encode(b"<a>12 x<a>").tolist()[1:-1] == tokenizer.encode(b"12 x").tolist()


@pytest.mark.parametrize(("family", "pre"), BOTH)
def test_one_endless_word_takes_no_endless_time(family: str, pre: str) -> None:
    tokenizer = making.tokenizer(family, pre)
    tokenizer.encode(b"x" * 100)
    start = time.perf_counter()
    tokens = tokenizer.encode(b"a" * 1_000_000)
    assert time.perf_counter() - start < 20
    assert tokenizer.decode(tokens) == b"a" * 1_000_000


def test_nothing_is_no_tokens() -> None:
    assert making.tokenizer().encode(b"").shape == (0,)
    assert making.tokenizer().decode(np.empty(0, np.int32)) == b""


def test_tokens_that_stand_for_nothing_are_refused() -> None:
    tokenizer = making.tokenizer()
    for bad in (0, -1 - ord("a")):
        with pytest.raises(ValueError, match="nothing"):
            tokenizer.decode(np.array([bad], np.int32))


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ModelError, match="bert"):
        Tokenizer({}, "bert", "")
