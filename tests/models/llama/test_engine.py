"""llama.cpp itself, with tiny models. Needs the extra ``llama``."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ncz.codec.errors import ModelError
from ncz.models.llama import build, coder, engine
from ncz.models.text.windows import Windows
from tests.golden.make import text
from tests.models.language import tiny

pytest.importorskip("llama_cpp")


@pytest.fixture(params=["llama", "gemma3"])
def gguf(request, tmp_path, monkeypatch):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.gguf"
    tiny.write_gguf(path, request.param)
    return path


def digest(context):
    return hashlib.sha256(b"".join(context.read(k * k % 250).tobytes() for k in range(60)))


def test_a_cleared_context_is_as_a_fresh_one(gguf):
    model = engine.Model(gguf)
    first, second = engine.Context(model, 64, 1), engine.Context(model, 64, 1)
    want = digest(first).digest()
    assert digest(second).digest() == want
    first.clear()
    assert digest(first).digest() == want


def test_models_of_any_kind_come_back_by_the_same_build(gguf):
    made = coder.make(gguf, Windows(48, 20, 0))
    raw = text(600)
    coded = made.encode(raw)
    assert coded is not None
    found = coder.from_params(made.spec.params, (made.model,))
    assert found.decode(coded, len(raw)) == raw
    assert found.memory(len(raw)) > gguf.stat().st_size


def test_logits_are_those_of_the_model(tmp_path):
    path = tmp_path / "tiny.gguf"
    tiny.write_gguf(path, "llama")
    from ncz.models.language import source
    from ncz.models.text.measure import FloatNetwork

    fed = np.array([0, 70, 80, 90, 100, 110])
    want = FloatNetwork(source.open_source(path)).log_probabilities(fed).numpy()
    context = engine.Context(engine.Model(path), 16, 1)
    for token, row in zip(fed.tolist(), want, strict=True):
        logits = context.read(token).astype(np.float64)
        logs = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        assert np.abs(logs - row).max() < 0.02


def test_an_unknown_architecture_is_one_sentence(tmp_path):
    path = tmp_path / "tiny.gguf"
    tiny.write_gguf(path, strings={"general.architecture": "abacus"})
    with pytest.raises(ModelError, match="abacus") as caught:
        engine.Model(path)
    assert "\n" not in str(caught.value)


def test_the_build_says_what_it_is():
    import llama_cpp

    here = build.here()
    assert here.version == llama_cpp.__version__
    assert build.parse(here.pack(), 0)[0] == here
