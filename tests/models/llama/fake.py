"""An engine that guesses by what it has read, in llama.cpp's place: for tests without it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from ncz.models.llama import build, coder, engine, tokens
from ncz.models.llama.build import Build
from tests.golden.make import text
from tests.models.language import tiny

BUILD = Build("0.0.1", bytes(8), b"machines")
"""The build that is here."""


_PAST = 8  # bytes of what is seen that tell what is likely


def _bytes(tokens: list[int]) -> bytes:
    return np.array(tokens, "<u2").tobytes()


class Model:
    """Knows the tokens of a tiny model."""

    context = 512
    tokens = len(tiny.texts("llama")[0])

    def __init__(self, path: Path) -> None:
        self.path = path

    def memory(self, places: int) -> int:
        return 100 * places


class Context:
    """Random logits that hang on every token since it was last cleared, and on nothing else."""

    wrong_after: int | None = None
    """So many tokens read by all contexts together, and floats come out otherwise."""

    follows: ClassVar[dict[bytes, int]] = {}
    """What is most likely after some tokens, as bytes."""

    def __init__(self, model: Model, places: int, threads: int) -> None:
        self._places = places
        self.clear()

    def clear(self) -> None:
        self._seen = b""

    def read(self, token: int) -> np.ndarray:
        self._seen += _bytes([token])
        assert len(self._seen) <= 2 * self._places
        seed = zlib.crc32(self._seen)
        if Context.wrong_after is not None:
            Context.wrong_after -= 1
            seed += Context.wrong_after < 0
        logits = np.random.default_rng(seed).standard_normal(Model.tokens, np.float32)
        if (token := Context.follows.get(self._seen[-_PAST:], -1)) >= 0:
            logits[token] += 15
        return logits


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A GGUF, which the fake engine reads; a cache folder of its own."""
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engine, "Model", Model)
    monkeypatch.setattr(engine, "Context", Context)
    monkeypatch.setattr(build, "here", lambda: BUILD)
    monkeypatch.setattr(Context, "wrong_after", None)
    coder._loaded.cache_clear()
    path = tmp_path / "tiny.gguf"
    tiny.write_gguf(path)
    known = tokens.read(path)[0].encode(text(400)).tolist()
    pasts = [_bytes(known[max(0, k - 4) : k]) for k in range(len(known))]
    monkeypatch.setattr(Context, "follows", dict(zip(pasts, known, strict=True)))
    yield path
    coder._loaded.cache_clear()
