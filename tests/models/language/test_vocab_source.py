"""Tokenizers of others become true bytes, from either kind of file, or are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ncz.codec.errors import ModelError
from ncz.models.language import vocab_source
from ncz.models.language.vocabulary import ORDINARY, UNUSED, WHOLE
from tests.models.language import making


def gguf_of_byte_level() -> dict[str, Any]:
    """The peer as llama.cpp's converter would write it."""
    data = making.definition(making.byte_level())
    vocabulary = data["model"]["vocab"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": sorted(vocabulary, key=vocabulary.__getitem__),
        "tokenizer.ggml.token_type": [3, 3] + [1] * (len(vocabulary) - 2),
        "tokenizer.ggml.merges": [" ".join(merge) for merge in data["model"]["merges"]],
    }


def gguf_of_sentence_piece() -> dict[str, Any]:
    data = making.definition(making.sentence_piece())
    vocabulary = data["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    kinds = [2] + [6] * 256 + [4] * 3 + [1] * (len(tokens) - 260)
    scores = vocab_source.from_tokenizer_json(data)["vocab.scores"]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.scores": scores.tolist(),
    }


@pytest.mark.parametrize(
    ("fields", "peer"),
    [
        (gguf_of_byte_level, making.byte_level),
        (gguf_of_sentence_piece, making.sentence_piece),
    ],
)
def test_both_files_say_the_same(fields: Any, peer: Any) -> None:
    ours = vocab_source.from_gguf(fields())
    theirs = vocab_source.from_tokenizer_json(making.definition(peer()))
    assert set(ours) == set(theirs)
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_every_token_is_the_bytes_that_the_peer_decodes() -> None:
    peer = making.byte_level()
    tensors = vocab_source.from_gguf(gguf_of_byte_level())
    tokens = making.tokens(tensors)
    assert tensors["vocab.kind"].tolist() == [UNUSED] * 2 + [ORDINARY] * (len(tokens) - 2)
    for number, token in enumerate(tokens[2:], 2):
        try:
            assert peer.decode([number]) == token.decode()
        except UnicodeDecodeError:
            assert "\ufffd" in peer.decode([number])
    for left, right in tensors["vocab.merges"]:
        assert tokens[left] + tokens[right] in tokens


def test_spaces_bytes_and_kinds_of_sentence_piece() -> None:
    fields = gguf_of_sentence_piece()
    tensors = vocab_source.from_gguf(fields)
    tokens, kinds = making.tokens(tensors), tensors["vocab.kind"]
    assert tokens[1:257] == [bytes([byte]) for byte in range(256)]
    assert kinds[0] == UNUSED
    assert kinds[1 + 0xFF] == ORDINARY
    assert kinds[1 + ord("e")] == UNUSED, "the letter says it"
    assert kinds[1 + ord(" ")] == UNUSED, "the space says it"
    assert kinds[1 + ord("\n")] == UNUSED, "the newline found whole says it"
    assert kinds[257:260].tolist() == [WHOLE] * 3
    assert tokens[fields["tokenizer.ggml.tokens"].index("▁the")] == b" the"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tokenizer.ggml.model": "bert"}, "bert.*another|choose a model"),
        ({"tokenizer.ggml.model": None}, "choose a model"),
        ({"tokenizer.ggml.tokens": []}, "choose a model"),
        ({"tokenizer.ggml.token_type": [1]}, "token types"),
        ({"tokenizer.ggml.merges": []}, "no merges"),
        ({"tokenizer.ggml.merges": ["a b c"]}, "not of two"),
        ({"tokenizer.ggml.model": "llama"}, "scores"),
    ],
)
def test_what_cannot_be_inverted_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        vocab_source.from_gguf(gguf_of_byte_level() | change)


@pytest.mark.parametrize(
    "model",
    [
        {"type": "WordPiece", "vocab": {"a": 0}},
        {"type": "Unigram", "vocab": [["a", 0.0]]},
        {"type": "BPE", "vocab": {}},
        {"type": "BPE", "vocab": {"a": 0}, "merges": [], "byte_fallback": False},
        {},
    ],
)
def test_so_is_a_json_of_such_a_kind(model: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="choose a model"):
        vocab_source.from_tokenizer_json({"model": model})


@pytest.mark.parametrize("number", [-1, 3 + (1 << 16), 10**8, 10**15])
@pytest.mark.parametrize("where", ["vocab", "added"])
def test_a_number_asks_for_no_memory(number: int, where: str) -> None:
    """A list with a place for every number would be as long as the largest one says."""
    import tracemalloc

    vocabulary = {"a": 0, "b": 1, "ab": 2}
    model = {"type": "BPE", "vocab": vocabulary, "merges": ["a b"]}
    data: dict[str, Any] = {"model": model, "pre_tokenizer": {"type": "ByteLevel"}}
    vocab_source.from_tokenizer_json(data)
    if where == "vocab":
        vocabulary["c"] = number + (number > 0)
    else:
        data["added_tokens"] = [{"id": number + (number > 0), "content": "c"}]
    tracemalloc.start()
    with pytest.raises(ModelError, match="numbers 4 tokens"):
        vocab_source.from_tokenizer_json(data)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("pre", ["gpt2", "smollm", "llama-bpe", "qwen2"])
def test_the_pre_tokenizer_has_a_name(pre: str) -> None:
    assert vocab_source.pre_tokenizer(making.definition(making.byte_level(pre))) == pre
