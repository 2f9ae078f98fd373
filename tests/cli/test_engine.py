"""--engine llama by the command: what it makes, and what is said where it cannot be restored."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import ncz as library
from ncz.formats.options import CompressOptions
from ncz.formats.stream import compress_stream
from ncz.models.llama import build, coder, engine, files
from tests.golden.make import noise, text

from ..models.llama.fake import BUILD, fake
from .helpers import here

__all__ = ["fake"]

TEXT = text(400)


@pytest.fixture
def packed(ncz, fake):
    """a.ncz, made by the fake engine."""
    Path("a").write_bytes(TEXT)
    assert ncz("compress", "--engine", "llama", "--model", str(fake), "a").code == 0
    Path("a").unlink()
    return "a.ncz"


def test_it_comes_back(ncz, packed):
    used = library.info(packed).blocks[0].coder
    assert used.startswith("llama-512 with tiny, build 0.0.1-")
    assert ncz("cat", packed).out == TEXT
    assert ncz("test", packed).code == 0
    assert ncz("decompress", packed).code == 0
    assert Path("a").read_bytes() == TEXT


def test_info_names_coder_model_and_build_and_needs_none_of_them(ncz, packed, monkeypatch, fake):
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    fake.unlink()
    shown = ncz("info", packed).out.decode()
    mark = BUILD.fingerprint(1, 512)
    assert f"coder llama-512 with tiny, build 0.0.1-{mark}: 1 of 1 block" in shown
    assert "model tiny, SHA-256 " in shown


def test_the_input_goes_only_if_all_of_it_came_back(ncz, fake):
    Path("a").write_bytes(TEXT)
    assert ncz("compress", "--rm", "--engine", "llama", "--model", str(fake), "a").code == 0
    assert not Path("a").exists()
    assert ncz("cat", "a.ncz").out == TEXT


@pytest.mark.parametrize("way", [("decompress",), ("test",), ("cat",), ("cat", "--range", ":9")])
def test_another_build_is_refused_before_a_byte(ncz, packed, monkeypatch, way):
    monkeypatch.setattr(build, "here", lambda: replace(BUILD, version="9.9"))
    before = here()
    result = ncz(*way, packed)
    assert (result.code, result.out, len(result.lines)) == (4, b"", 1)
    assert "another build of llama.cpp (llama-cpp-python 0.0.1; here is 9.9)" in result.err
    assert here() == before


def test_the_file_of_the_model_is_asked_for_and_taken(ncz, packed, monkeypatch, fake):
    moved = fake.rename(fake.with_name("moved.gguf"))
    monkeypatch.setattr(files, "_offered", {})
    coder._loaded.cache_clear()
    result = ncz("decompress", packed)
    assert result.code == 4
    assert "needs the model 'tiny' with SHA-256" in result.err
    assert "--model FILE" in result.err
    assert here() == ["a.ncz", "cache", "moved.gguf"]
    assert ncz("decompress", "--model", str(moved), packed).code == 0
    assert Path("a").read_bytes() == TEXT


def test_without_the_extra(ncz, tmp_path, fake, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    engine.library.cache_clear()
    build.here.cache_clear()
    Path("a").write_bytes(TEXT)
    result = ncz("compress", "--engine", "llama", "--model", str(fake), "a")
    assert result.code == 4
    assert result.lines == [
        "ncz: a: the llama.cpp engine needs an optional package: pip install 'ncz[llama]'"
    ]
    assert "a.ncz" not in here()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "llama"], "needs a GGUF file"),
        (["--model", "tiny.gguf"], "this is no circuit"),
        (["--engine", "llama", "--model", "tiny.gguf", "-6"], "levels 7 to 9, and -6"),
        (["--engine", "llama", "--model", "tiny.gguf", "--streams", "2"], "leave out --streams"),
        (["--engine", "llama", "--model", "none.gguf"], "does not exist"),
    ],
)
def test_wrong_usage(ncz, fake, arguments, message):
    Path("a").write_bytes(TEXT)
    result = ncz("compress", *arguments, "a")
    assert result.code == 2
    assert message in result.err


def test_what_is_no_text_takes_no_model(ncz, fake):
    Path("a").write_bytes(noise(3000))
    assert ncz("compress", "--engine", "llama", "--model", str(fake), "a").code == 0
    assert library.info("a.ncz").members[0].models == ()
    Path("b").write_bytes(noise(20_000))
    assert ncz("compress", "-8", "--engine", "llama", "--model", str(fake), "b").code == 0
    assert library.info("b.ncz").members[0].models == ()
    assert ncz("cat", "a.ncz", "b.ncz", "-f").out == noise(3000) + noise(20_000)


def test_the_library_takes_it_too(fake):
    made = io.BytesIO()
    compress_stream(io.BytesIO(TEXT), made, CompressOptions(level=9, gguf=fake))
    assert library.decompress(made.getvalue()) == TEXT
    for wrong in ({"level": 6}, {"level": 7, "streams": 2}):
        with pytest.raises(ValueError, match="7 to 9, and for one stream"):
            CompressOptions(gguf=fake, **wrong)
