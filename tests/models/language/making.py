"""Small tokenizers, trained here, and the same as others' libraries run them."""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Peer

from ncz.models.language import vocab_source
from ncz.models.language.tokenizer import Tokenizer

ROOT = Path(__file__).parents[3]
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_DEFAULT_SIGNS = r"[\p{P}\$\+<=>\^~\|]+"


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def _bytes(use_regex: bool = False) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


@cache
def peer_pieces(pre: str) -> pre_tokenizers.PreTokenizer:
    """How the library `tokenizers` cuts text for llama.cpp's pre-tokenizer of that name."""
    parts = {
        "gpt2": [_bytes(True)],
        "smollm": [pre_tokenizers.Digits(individual_digits=True), _bytes(True)],
        "llama-bpe": [_split(LLAMA3), _bytes()],
        "qwen2": [_split(QWEN2), _bytes()],
        "default": [
            _split(_DEFAULT_SIGNS),
            _split(_GPT2),
            _split(r"\p{N}+"),
            _split("[0-9][0-9][0-9]"),
            _bytes(),
        ],
    }[pre]
    return pre_tokenizers.Sequence(parts)


@cache
def text() -> str:
    """English, Markdown, code and a few other scripts."""
    files = [*sorted((ROOT / "docs").glob("*.md"))[:2], ROOT / "README.md", ROOT / "Makefile"]
    more = "Größe, naïve: “déjà vu” — дом и дома. 日本語の日本。 don't\t\t\n\n\n   x = [1, 23]\r\n"
    return more * 20 + "".join(file.read_text(encoding="utf-8") for file in files)[:60_000]


@cache
def byte_level(pre: str = "smollm", size: int = 1500) -> Peer:
    """Byte-level BPE. Bytes that are not in the text have no token; two tokens are controls."""
    peer = Peer(models.BPE())
    peer.pre_tokenizer = peer_pieces(pre)
    peer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|end|>", "<|start|>"], show_progress=False
    )
    peer.train_from_iterator([text()], trainer)
    return peer


@cache
def sentence_piece(size: int = 1500) -> Peer:
    """BPE of characters with bytes to fall back on, and runs of newlines as tokens."""
    words = Peer(models.BPE())
    words.normalizer = normalizers.Replace(" ", "▁")
    words.pre_tokenizer = _split("▁?[^▁\n]+")
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False)
    words.train_from_iterator([text().replace("日", "")], trainer)
    learnt = json.loads(words.to_str())["model"]
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "\n", "\n\n", "\n\n\n\n"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    for token in learnt["vocab"]:
        vocabulary.setdefault(token, len(vocabulary))
    merges = [tuple(merge) for merge in learnt["merges"]]
    peer = Peer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>"))
    peer.normalizer = normalizers.Replace(" ", "▁")
    peer.decoder = decoders.ByteFallback()
    peer.add_special_tokens([AddedToken("<unk>", special=True)])
    peer.add_tokens([AddedToken("\n" * n, normalized=False) for n in (1, 2, 4)])
    return peer


def definition(peer: Peer) -> dict[str, Any]:
    """What stands in the peer's tokenizer.json."""
    return json.loads(peer.to_str())


@cache
def tokenizer(family: str = "gpt2", pre: str = "smollm") -> Tokenizer:
    """Ours, made from the peer's definition."""
    peer = byte_level(pre) if family == "gpt2" else sentence_piece()
    return Tokenizer(vocab_source.from_tokenizer_json(definition(peer)), family, pre)


def tokens(tensors: dict[str, np.ndarray]) -> list[bytes]:
    """The bytes of each token in vocabulary tensors."""
    data, offsets = tensors["vocab.bytes"].tobytes(), tensors["vocab.offsets"].tolist()
    return [data[a:b] for a, b in itertools.pairwise(offsets)]
