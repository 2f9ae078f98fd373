"""Circuits found by digest and by name, and what is said where there is none."""

import hashlib

import pytest

from ncz.codec.coder import ModelRef
from ncz.codec.errors import ModelError, ModelMissing
from ncz.models.circuit import exact, files
from tests import circuits

DATA = circuits.of_pixels()
DIGEST = hashlib.sha256(DATA).digest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a process that knows nothing yet."""
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "_offered", {})
    monkeypatch.setattr(files, "_ready", {})
    return tmp_path / "cache" / "models" / "circuits"


def test_what_was_offered_is_found_and_kept(tmp_path, cache, monkeypatch):
    path = circuits.saved(tmp_path, DATA)
    model = files.offer(path)
    assert model == ModelRef(DIGEST, "my")
    assert files.find(model).digest == DIGEST
    assert [kept.name for kept in cache.iterdir()] == [f"{DIGEST.hex()}.circuit"]
    monkeypatch.setattr(files, "_offered", {})  # another process
    monkeypatch.setattr(files, "_ready", {})
    path.unlink()
    assert files.find(model).codes.notes == files.find(ModelRef(DIGEST, "else")).codes.notes


def test_it_is_made_once(tmp_path, monkeypatch):
    made = []
    compiled = exact.compiled
    monkeypatch.setattr(exact, "compiled", lambda *of: made.append(of) or compiled(*of))
    path = circuits.saved(tmp_path, DATA)
    model = files.offer(path)
    assert files.offer(path) == model
    path.unlink()
    found = files.find(model)
    assert files.ready(DATA) is found
    assert len(made) == 1


def test_few_are_in_memory(tmp_path):
    for seed in range(4):
        data = circuits.of(circuits.PIXELS, circuits.pixels(200), seed)
        files.offer(circuits.saved(tmp_path, data))
    assert len(files._ready) == 2


def test_a_cache_that_cannot_be_written_to_serves_this_process(tmp_path, cache):
    (tmp_path / "cache").write_bytes(b"a file")
    model = files.offer(circuits.saved(tmp_path, DATA))
    assert files.find(model).digest == DIGEST


def test_one_that_is_nowhere_is_missed():
    with pytest.raises(ModelMissing) as caught:
        files.find(ModelRef(bytes(32), "mine"))
    sentence = str(caught.value)
    assert "'mine'" in sentence and "00000000" in sentence
    assert sentence.endswith("say where its file is with: --model FILE")


@pytest.mark.parametrize("change", [b"", DATA[:-1], DATA + b"x", b"other"])
def test_one_that_was_changed_is_missed(tmp_path, cache, change):
    path = circuits.saved(tmp_path, DATA)
    model = files.offer(path)
    path.write_bytes(change)
    files._ready.clear()
    assert files.find(model).digest == DIGEST, "the kept one is whole"
    files._ready.clear()
    (cache / f"{DIGEST.hex()}.circuit").write_bytes(change)
    with pytest.raises(ModelMissing, match="--model FILE"):
        files.find(model)
    assert files.offer(circuits.saved(tmp_path, DATA, "again.circuit")).digest == DIGEST
    assert files.find(model).digest == DIGEST


def test_offering_again_mends_what_was_kept(tmp_path, cache, monkeypatch):
    path = circuits.saved(tmp_path, DATA)
    model = files.offer(path)
    (cache / f"{DIGEST.hex()}.circuit").write_bytes(b"spoiled")
    files.offer(path)
    path.unlink()
    monkeypatch.setattr(files, "_offered", {})
    monkeypatch.setattr(files, "_ready", {})
    assert files.find(model).digest == DIGEST


@pytest.mark.parametrize("content", [b"", b"no circuit", b"\x10" + bytes(30), DATA[:-40]])
def test_what_is_no_circuit_is_refused(tmp_path, cache, content):
    with pytest.raises(ModelError, match="make one with: ncz train"):
        files.offer(circuits.saved(tmp_path, content))
    assert not cache.exists()


def test_what_cannot_be_read_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="cannot be read"):
        files.offer(tmp_path / "none")
    monkeypatch.setattr(files, "_LARGEST", 10)
    with pytest.raises(ModelError, match="too large"):
        files.offer(circuits.saved(tmp_path, DATA))


def test_those_that_ship_are_found_by_name_and_not_kept(tmp_path, cache, monkeypatch):
    path = circuits.saved(tmp_path, DATA, "digits.circuit")
    monkeypatch.setattr(files, "shipped", lambda: {"digits": path})
    assert files.resolve("digits") == path
    model = files.offer(path)
    assert model.name == "digits"
    assert not cache.exists()
    monkeypatch.setattr(files, "_offered", {})
    monkeypatch.setattr(files, "_ready", {})
    assert files.find(model).digest == DIGEST


def test_names_of_files_come_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = circuits.saved(tmp_path, DATA, "digits")
    assert files.resolve("digits").resolve() == path
    with pytest.raises(ModelError, match=r"mine is no circuit.*ncz train"):
        files.resolve("mine")


def test_long_names_are_cut_to_what_a_header_holds(tmp_path):
    model = files.offer(circuits.saved(tmp_path, DATA, "é" * 120 + "x.circuit"))
    assert model.name == "é" * 120 + "x"
    assert len(model.name.encode()) == 241


def test_every_circuit_that_ships_is_one():
    for name, path in files.shipped().items():
        assert files.offer(path).name == name
