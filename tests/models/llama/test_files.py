"""A GGUF is found by its content, wherever it was named."""

from __future__ import annotations

import hashlib
import os

import pytest

from ncz.codec.coder import ModelRef
from ncz.codec.errors import ModelError, ModelMissing
from ncz.models import weights
from ncz.models.language import convert
from ncz.models.llama import files
from ncz.models.weights import manifest
from tests.models.language import tiny


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "_offered", {})


@pytest.fixture
def gguf(tmp_path):
    path = tmp_path / "some model.gguf"
    tiny.write_gguf(path)
    return path


def forget(monkeypatch):
    """As another process, which was not told."""
    monkeypatch.setattr(files, "_offered", {})


def test_what_is_offered_is_found_in_this_and_later_processes(gguf, monkeypatch):
    model = files.offer(gguf)
    assert model == ModelRef(hashlib.sha256(gguf.read_bytes()).digest(), "some model")
    assert files.find(model) == gguf
    forget(monkeypatch)
    assert files.find(model) == gguf


def test_what_was_changed_or_moved_is_not(gguf, monkeypatch):
    model = files.offer(gguf)
    gguf.write_bytes(gguf.read_bytes() + b"x")
    os.utime(gguf, ns=(1, 1))
    with pytest.raises(ModelMissing, match=f"{model.digest.hex()}; .*--model FILE"):
        files.find(model)
    gguf.unlink()
    with pytest.raises(ModelMissing):
        files.find(model)


def test_what_a_pulled_model_was_made_of_is_found(gguf):
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    local = manifest.Local(gguf)
    wanted = manifest.Weights("mine", "", (local,), 0, None, None, False, "", "")
    weights.pull(wanted, convert=convert.convert)
    assert files.find(ModelRef(bytes.fromhex(digest), "any")) == gguf


def test_a_cache_that_cannot_be_written_serves_this_process(gguf, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "file"))
    assert files.find(files.offer(gguf)) == gguf


def test_what_is_no_gguf(tmp_path):
    (tmp_path / "a").write_bytes(b"GGU")
    with pytest.raises(ModelError, match="is no GGUF file"):
        files.offer(tmp_path / "a")
    with pytest.raises(ModelError, match="cannot be read"):
        files.offer(tmp_path / "b")


def test_names_fit_a_header(gguf):
    long = gguf.with_name("é" * 120 + "a.gguf")
    gguf.rename(long)
    assert files.offer(long).name == "é" * 120 + "a"
