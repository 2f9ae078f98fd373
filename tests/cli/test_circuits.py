"""``--model`` with a circuit: what is coded by it, what is not, and where it is missed."""

import json
from pathlib import Path

import pytest

import ncz as library
from ncz.models.circuit import files
from tests import circuits

from .helpers import here

RAW = circuits.pixels(500, seed=2)
OTHER = b"the same words again and the same words again\n" * 50


@pytest.fixture(autouse=True)
def circuit(tmp_path, monkeypatch):
    """A circuit beside, records for it in `a` and something else in `b`."""
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path.parent / "cache"))
    (tmp_path / "a").write_bytes(RAW)
    (tmp_path / "b").write_bytes(OTHER)
    return circuits.saved(tmp_path, circuits.of_pixels())


def test_named_by_the_file(ncz):
    assert ncz("compress", "-2", "--model", "my.circuit", "a").code == 0
    (block,) = library.info("a.ncz").blocks
    assert block.coder == "circuit my"
    assert "circuit my" in ncz("info", "-v", "a.ncz").out.decode()
    assert ncz("test", "a.ncz").code == 0
    assert ncz("cat", "a.ncz").out == RAW


def test_within_the_file(ncz):
    raw = circuits.pixels(30_000, seed=2)
    Path("a").write_bytes(raw)
    assert ncz("compress", "-2", "--model", "my.circuit", "a").code == 0
    info = library.info("a.ncz")
    assert [block.coder for block in info.blocks] == ["circuit within"]
    assert info.members[0].models == ()
    assert ncz("cat", "--record", "29999", "a.ncz").out == raw[-6:]


def test_of_a_pipe(ncz):
    made = ncz("compress", "-2", "--model", "my.circuit", stdin=RAW).out
    assert library.info(made).blocks[0].coder == "circuit my"
    assert ncz("decompress", stdin=made).out == RAW


def test_other_data_is_coded_as_ever(ncz):
    assert ncz("compress", "-2", "--model", "my.circuit", "b").code == 0
    assert Path("b.ncz").read_bytes() == library.compress(OTHER, 2)


def test_only_the_model_refuses_other_data_and_leaves_nothing(ncz):
    before = here()
    result = ncz("compress", "-2", "--model", "my.circuit", "--only-model", "b")
    assert result.code == 1
    assert result.err == (
        "ncz: b: its content is not the records that the circuit is for; name another circuit, or "
        "leave out --only-model to have it coded otherwise\n"
    )
    assert here() == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("-7", "--model", "my.circuit"), "a circuit is for -1 to -6, and -7 has a language model"),
        (("--only-model",), "--only-model needs a circuit: --model FILE"),
        (("--resume", "--model", "my.circuit"), "leave out --resume"),
        (("--model", "none"), "none is no circuit: there is no such file"),
        (("--model", "b"), "this is no circuit; make one with: ncz train"),
    ],
)
def test_wrong_usage_is_one_line(ncz, args, words):
    result = ncz("compress", *args, "a")
    assert result.code == 2
    assert len(result.lines) == 1 and words in result.err


def test_one_that_is_missing_is_named_and_given(ncz, monkeypatch, tmp_path):
    """On another machine: another cache, in a process that was told of nothing."""
    assert ncz("compress", "-2", "--model", "my.circuit", "a").code == 0
    Path("a").unlink()
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(files, "_offered", {})
    monkeypatch.setattr(files, "_ready", {})
    for args in (("decompress",), ("test",), ("cat",), ("cat", "--record", "3")):
        result = ncz(*args, "a.ncz")
        assert result.code == 4, args
        assert "'my'" in result.err and "--model FILE" in result.err
    assert "my" in ncz("info", "a.ncz").out.decode()
    assert not Path("a").exists()
    assert ncz("decompress", "--model", "b", "a.ncz").code == 4
    assert ncz("decompress", "--model", "my.circuit", "a.ncz").code == 0
    assert Path("a").read_bytes() == RAW
    monkeypatch.setattr(files, "_offered", {})
    monkeypatch.setattr(files, "_ready", {})
    assert ncz("cat", "a.ncz").out == RAW, "it is kept from then on"


def test_a_limit_of_memory(ncz):
    args = ("compress", "-2", "--model", "my.circuit", "--memlimit", "1MiB", "a")
    assert ncz(*args).code == 4
    assert ncz("compress", "-2", "--model", "my.circuit", "a").code == 0
    assert ncz("cat", "--record", "1", "--memlimit", "1MiB", "a.ncz").code == 4


def test_explained(ncz):
    assert ncz("compress", "-2", "--model", "my.circuit", "a").code == 0
    result = ncz("explain", "a.ncz")
    assert result.code in (0, 1) and "internal error" not in result.err


def test_planned_for(ncz):
    raw = circuits.pixels(3000, seed=2)
    Path("a").write_bytes(raw)
    found = ncz("plan", "-q", "--json", "-2", "--model", "my.circuit", "a", "b")
    records, other = (json.loads(line)["estimates"] for line in found.out.splitlines())
    assert [row["how"] for row in records] == ["all of it", "circuit my, all of it"]
    assert ncz("compress", "-2", "--model", "my.circuit", "a").code == 0
    assert records[1]["size"] == pytest.approx(Path("a.ncz").stat().st_size, rel=0.05)
    assert records[1]["size"] < records[0]["size"] and records[1]["memory"] > 0
    assert other[1]["how"] == "not the records of my: as -2"
    assert other[1]["size"] == other[0]["size"]
    result = ncz("plan", "-q", "-7", "--model", "my.circuit", "a")
    assert (result.code, "name one of them" in result.err) == (2, True)


def test_measured_beside_others(ncz):
    found = ncz(
        *("bench", "-q", "a", "--peers", "none", "--levels", "1", "--model", "my.circuit", "--json")
    )
    ours = {row["codec"]: row for row in json.loads(found.out)["rows"]}
    assert 0 < ours["ncz by my.circuit"]["coded_size"] < ours["ncz-1"]["coded_size"]
