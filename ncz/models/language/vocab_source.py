"""What others call a tokenizer, turned into true bytes: the ``vocab.`` tensors of an exact file.

Two families can say any text and give it back as it was. Byte-level BPE (GPT-2 and most since)
writes each byte as a printable letter of its own; merges come as a list. SentencePiece BPE
(Llama 2, Gemma) writes a space as "▁", has "<0x0A>" tokens for bytes, and merges whatever pair
has the best score; the pairs are written out here. Tokenizers that lower-case, drop spaces or
know "unknown" words cannot be inverted and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ncz.codec.errors import ModelError
from ncz.models.language.vocabulary import ORDINARY, UNUSED, WHOLE

_SPACE = "▁"  # U+2581, how SentencePiece shows a space
_BYTE_TOKEN = re.compile("<0x([0-9A-Fa-f]{2})>")
# tokenizer.ggml.token_type; the others (unknown 2, control 3, unused 5) are never coded.
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6


def from_gguf(fields: dict[str, Any]) -> dict[str, np.ndarray]:
    """The vocabulary tensors from the metadata of a GGUF file.

    Args:
        fields: values by key, lists as Python lists; ``tokenizer.ggml.*`` is read.

    Returns:
        ``vocab.bytes`` uint8[total], ``vocab.offsets`` int64[V + 1], ``vocab.kind`` uint8[V],
        ``vocab.merges`` int32[m, 2], the first merged first, and ``vocab.scores`` float32[V]
        where the tokenizer goes by scores.

    Raises:
        ModelError: there is no tokenizer, or one that cannot be inverted, or a damaged one.
    """
    family = fields.get("tokenizer.ggml.model")
    texts = fields.get("tokenizer.ggml.tokens")
    if family not in ("gpt2", "llama") or not texts:
        raise _not_invertible(str(family))
    types = list(fields.get("tokenizer.ggml.token_type") or [_NORMAL] * len(texts))
    if len(types) != len(texts):
        raise ModelError(f"the tokenizer has {len(texts)} tokens and {len(types)} token types")
    if family == "gpt2":
        kinds = [{_NORMAL: ORDINARY, _USER_DEFINED: WHOLE}.get(kind, UNUSED) for kind in types]
        merges = [_pair(merge) for merge in fields.get("tokenizer.ggml.merges") or []]
        return _byte_level(texts, kinds, merges)
    scores = np.array(fields.get("tokenizer.ggml.scores") or [], np.float32)
    if scores.size != len(texts):
        raise ModelError(f"the tokenizer has {len(texts)} tokens and {scores.size} scores")
    return _sentence_piece(texts, types, scores)


def from_tokenizer_json(data: dict[str, Any]) -> dict[str, np.ndarray]:
    """The vocabulary tensors from a parsed tokenizer.json; see :func:`from_gguf`."""
    model = data.get("model") or {}
    vocabulary = model.get("vocab")
    if model.get("type") != "BPE" or not isinstance(vocabulary, dict) or not vocabulary:
        raise _not_invertible(str(model.get("type")))
    added = {int(token["id"]): token for token in data.get("added_tokens") or []}
    numbers = [*vocabulary.values(), *added]
    if not 0 <= min(numbers) <= max(numbers) < len(numbers) + _MOST_UNNAMED:
        raise ModelError(
            f"the tokenizer numbers {len(numbers)} tokens {min(numbers)} to {max(numbers)}; "
            "fetch the model again"
        )
    texts = [""] * (max(numbers) + 1)
    types = [_UNLISTED] * len(texts)
    for text, token in vocabulary.items():
        texts[token], types[token] = text, _NORMAL
    for token, entry in added.items():
        texts[token] = str(entry["content"])
        types[token] = _UNLISTED if entry.get("special") else _USER_DEFINED
    merges = [_pair(merge) for merge in model.get("merges") or []]
    if _mentions(data, "ByteLevel"):
        kinds = [{_NORMAL: ORDINARY, _USER_DEFINED: WHOLE}.get(kind, UNUSED) for kind in types]
        return _byte_level(texts, kinds, merges)
    if not model.get("byte_fallback"):
        raise _not_invertible("BPE of characters")
    for token, text in enumerate(texts):
        if types[token] == _NORMAL and _BYTE_TOKEN.fullmatch(text):
            types[token] = _BYTE
    scores = np.zeros(len(texts), np.float32)
    for rank, (left, right) in reversed(list(enumerate(merges))):
        if left + right in vocabulary:
            scores[vocabulary[left + right]] = -rank
    return _sentence_piece(texts, types, scores)


def pre_tokenizer(data: dict[str, Any]) -> str:
    """llama.cpp's name for how a parsed tokenizer.json cuts text before merging."""
    patterns = str(data.get("pre_tokenizer"))
    if _mentions(data.get("pre_tokenizer"), "Digits"):
        return "smollm"
    if r"\\p{N}{1,3}" in patterns:
        return "llama-bpe"
    if r"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+" in patterns:
        return "qwen2"
    return "gpt2"


_UNLISTED = 0  # a token type that is none: never coded
_MOST_UNNAMED = 1 << 16  # numbers without a token; a file cannot ask for memory with one number


def _byte_level(
    texts: Sequence[str], kinds: Sequence[int], merges: Iterable[tuple[str, str]]
) -> dict[str, np.ndarray]:
    byte_of = _byte_letters()
    tokens, final = [], list(kinds)
    for token, text in enumerate(texts):
        letters = [byte_of.get(letter) for letter in text]
        if kinds[token] == ORDINARY and None not in letters:
            tokens.append(bytes(letter for letter in letters if letter is not None))
        else:  # not spelled in the byte alphabet: text as it stands
            tokens.append(text.encode())
            final[token] = UNUSED if kinds[token] == ORDINARY else kinds[token]
    number = {text: token for token, text in enumerate(texts) if final[token] == ORDINARY}
    pairs = [
        (number[left], number[right])
        for left, right in merges
        if left in number and right in number and left + right in number
    ]
    if not pairs:
        raise ModelError("the tokenizer has tokens but no merges; fetch the model again")
    return _tensors(tokens, final, pairs)


def _sentence_piece(
    texts: Sequence[str], types: Sequence[int], scores: np.ndarray
) -> dict[str, np.ndarray]:
    tokens, kinds = [], []
    said = {
        text.replace(_SPACE, " ").encode()
        for text, kind in zip(texts, types, strict=True)
        if kind in (_NORMAL, _USER_DEFINED)
    }
    for text, kind in zip(texts, types, strict=True):
        spelled = _BYTE_TOKEN.fullmatch(text) if kind == _BYTE else None
        if spelled:  # for want of better: a byte that has a token as a letter stays unused
            byte = bytes([int(spelled[1], 16)])
            tokens.append(byte)
            kinds.append(UNUSED if byte in said else ORDINARY)
        else:
            tokens.append(text.replace(_SPACE, " ").encode())
            kinds.append({_NORMAL: ORDINARY, _USER_DEFINED: WHOLE}.get(kind, UNUSED))
    number = {text: token for token, text in enumerate(texts) if types[token] == _NORMAL}
    pairs = []
    for token in np.argsort(-scores, kind="stable").tolist():
        text = texts[token]
        if types[token] == _NORMAL:
            for cut in range(1, len(text)):
                left, right = number.get(text[:cut]), number.get(text[cut:])
                if left is not None and right is not None:
                    pairs.append((left, right))
    return _tensors(tokens, kinds, pairs) | {"vocab.scores": scores}


def _tensors(
    tokens: Sequence[bytes], kinds: Sequence[int], pairs: Sequence[tuple[int, int]]
) -> dict[str, np.ndarray]:
    offsets = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum([len(token) for token in tokens], out=offsets[1:])
    return {
        "vocab.bytes": np.frombuffer(bytearray(b"".join(tokens)), np.uint8),
        "vocab.offsets": offsets,
        "vocab.kind": np.array(kinds, np.uint8),
        "vocab.merges": np.array(pairs, np.int32).reshape(-1, 2),
    }


def _pair(merge: Any) -> tuple[str, str]:
    """Both halves of a merge, written "left right" or as a list of two."""
    halves = merge.split(" ") if isinstance(merge, str) else list(merge)
    if len(halves) != 2:
        raise ModelError(f"the tokenizer's merge {merge!r} is not of two tokens")
    return str(halves[0]), str(halves[1])


def _byte_letters() -> dict[str, int]:
    """GPT-2's letter for each byte: itself where it prints, else the next free past U+0100."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    letters = {chr(byte): byte for byte in printing}
    return letters | {chr(256 + k): byte for k, byte in enumerate(others)}


def _mentions(part: Any, kind: str) -> bool:
    """True if `part` of a tokenizer.json, or anything in it, has that type."""
    if isinstance(part, dict):
        return part.get("type") == kind or any(_mentions(value, kind) for value in part.values())
    return isinstance(part, list) and any(_mentions(value, kind) for value in part)


def _not_invertible(family: str) -> ModelError:
    return ModelError(
        f"the model's tokenizer ({family}) cannot be turned back into bytes; "
        "choose a model with byte-level BPE or SentencePiece BPE"
    )
