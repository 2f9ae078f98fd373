"""Files of models: what others published, and ncz's own exact form.

Whatever is in them has to end in an error of the family, or in an exact model that loads and
whose tokenizer says every text.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from fuzz.targets import Attack, Target
from ncz.codec.errors import NczError
from ncz.models.language import exact
from ncz.models.language.convert import convert
from ncz.models.language.tokenizer import Tokenizer
from tests.models.language import tiny

_SMALL = {
    "llama": {
        "num_hidden_layers": 1,
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 8,
    },
    "gemma3": {
        "num_hidden_layers": 1,
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_attention_heads": 2,
        "head_dim": 4,
        "max_position_embeddings": 8,
    },
}
_TEXTS = (b" the cat and\r\n 17 dogs", "é\x00\xff<|user|>▁".encode() + b"\xc0")


def _use(path: Path) -> None:
    """Load an exact file and have its tokenizer say something."""
    model = exact.load(path)
    shape = model.shape
    tensors = {f"vocab.{name}": tensor for name, tensor in model.vocabulary.items()}
    tokenizer = Tokenizer(tensors, shape.tokenizer, shape.pre)
    for text in _TEXTS:
        tokenizer.entries(text)


def _convert(folder: Path, name: str, beside: dict[str, bytes] | None = None) -> Attack:
    """An attack by the file `name`, with other files `beside` it."""
    for other, content in (beside or {}).items():
        (folder / other).write_bytes(content)
    changed, made = folder / name, folder / "made" / "exact.safetensors"
    made.parent.mkdir(exist_ok=True)
    source = folder if beside else changed

    def attack(data: bytes) -> None:
        changed.write_bytes(data)
        try:
            convert(source, made, "attacked")
        except NczError:
            return
        _use(made)

    return attack


def _exact(folder: Path) -> Attack:
    path = folder / "exact.safetensors"

    def attack(data: bytes) -> None:
        path.write_bytes(data)
        try:
            _use(path)
        except NczError:
            return

    return attack


def _written(write: Callable[[Path, str], None], name: str) -> list[bytes]:
    found = []
    for architecture, config in _SMALL.items():
        with tempfile.TemporaryDirectory() as folder:
            with mock.patch.dict(tiny.CONFIG[architecture], config):
                write(Path(folder) / name, architecture)
            found.append((Path(folder) / name).read_bytes())
    return found


def _ggufs() -> list[bytes]:
    return _written(tiny.write_gguf, "tiny.gguf")


def _exacts() -> list[bytes]:
    return _written(tiny.exact_file, "exact.safetensors")


def _folder(name: str) -> list[bytes]:
    """A file of a model's folder, of each architecture."""

    def write(path: Path, architecture: str) -> None:
        tiny.write_safetensors(path.parent, architecture)

    return _written(write, name)


_FILES = ("model.safetensors", "config.json", "tokenizer.json")


def _among(name: str) -> Callable[[Path], Attack]:
    def prepare(folder: Path) -> Attack:
        others = {other: _folder(other)[0] for other in _FILES if other != name}
        return _convert(folder, name, others)

    return prepare


def _short_tokenizers() -> list[bytes]:
    """Those of the folder, and short ones, which are easier to change."""
    letters = {chr(byte): byte - 33 for byte in range(33, 127)}
    bpe: dict[str, Any] = {"type": "BPE", "vocab": letters | {"ab": 94}, "merges": ["a b"]}
    found: list[dict[str, Any]] = [
        {"model": bpe, "pre_tokenizer": {"type": "ByteLevel"}, "added_tokens": []},
        {
            "model": bpe | {"byte_fallback": True, "merges": [["a", "b"]]},
            "added_tokens": [{"id": 95, "content": "<s>", "special": True}],
        },
    ]
    return [json.dumps(one).encode() for one in found] + _folder("tokenizer.json")


TARGETS = {
    "gguf": Target(lambda folder: _convert(folder, "tiny.gguf"), _ggufs, 40_000),
    "safetensors": Target(
        _among("model.safetensors"), lambda: _folder("model.safetensors"), 40_000
    ),
    "config": Target(_among("config.json"), lambda: _folder("config.json"), 2000),
    "tokenizer": Target(_among("tokenizer.json"), _short_tokenizers, 20_000),
    "exact": Target(_exact, _exacts, 60_000),
}
