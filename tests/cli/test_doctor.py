import io
import json
import re
from dataclasses import asdict

import pytest

import ncz as library
from ncz.cli import doctor
from ncz.cli.doctor import (
    Check,
    check_damage,
    check_level,
    check_model,
    check_settings,
    sample,
)
from ncz.corpora import agreement, probe
from ncz.models import weights

from ..models import default


def test_the_sample_is_the_same_everywhere():
    import xxhash

    assert xxhash.xxh64(sample()).hexdigest() == "fce29901f8c49f87"


def test_a_level_that_works():
    found = check_level(1)
    assert found.ok
    assert found.detail.startswith(f"{len(sample()):,} -> ")
    assert check_damage() == Check("damage", True, "noticed")


@pytest.mark.parametrize(
    ("function", "fake", "detail"),
    [
        ("decompress", lambda data: b"else", "what comes back is not what went in"),
        ("compress", lambda *_, threads=1, **__: b"%d" % threads, "two threads"),
    ],
)
def test_a_level_that_does_not_work(monkeypatch, function, fake, detail):
    monkeypatch.setattr(library, function, fake)
    found = check_level(1)
    assert not found.ok
    assert detail in found.detail


@pytest.mark.parametrize("level", [level for level in doctor.LEVELS if level > 1])
def test_coded_bytes_are_those_of_every_machine(level, monkeypatch):
    """A digest that fails means that old files no longer decode, or that the encoder chooses
    otherwise than it did. Which, the golden files tell; the digest is renewed after the second."""
    found = check_level(level)
    assert found.ok, found.detail
    monkeypatch.setitem(doctor._DIGESTS, level, "0" * 64)
    found = check_level(level)
    assert not found.ok
    assert "other machines" in found.detail


def test_the_sample_has_a_block_of_each_kind():
    coded = library.compress(sample(), 2, block_size=len(sample()) // 4)
    coders = [block.coder for block in library.info(io.BytesIO(coded)).blocks]
    assert coders == ["contextmix-2"] * 3 + ["store"]


def test_damage_that_goes_unnoticed(monkeypatch):
    monkeypatch.setattr(library, "decompress", lambda data: sample())
    assert not check_damage().ok


def test_the_model_where_it_is_here(tiny_default_model, monkeypatch):
    found = check_model()
    assert found.ok, found.detail
    assert found.detail.startswith("600 -> ")
    monkeypatch.setitem(doctor._MODEL_DIGESTS, default.model().digest, "0" * 64)
    found = check_model()
    assert not found.ok
    (digest,) = re.findall(r"other machines \(([0-9a-f]{64})\)", found.detail)
    monkeypatch.setitem(doctor._MODEL_DIGESTS, default.model().digest, digest)
    assert check_model().ok


@pytest.mark.slow
def test_the_default_model_codes_as_on_every_machine():
    """Where it is: nothing is fetched. As for levels, a digest is renewed only with the format."""
    here = weights.have(weights.default().name)
    if here is None:
        pytest.skip("the default model is not on this machine")
    assert here.digest in doctor._MODEL_DIGESTS
    found = check_model()
    assert found.ok, found.detail


def test_a_model_that_restores_other_bytes(tiny_default_model, monkeypatch):
    from ncz.models.text.coder import TextCoder

    monkeypatch.setattr(TextCoder, "decode", lambda self, coded, size: bytes(size))
    assert check_model() == Check("model", False, "what comes back is not what went in")


def as_asked(change):
    """Answers of other processes, made in this one, with something changed in each outcome."""

    def ask(self, request, setting):
        cases = [probe.Case(**case) for case in request["cases"]]
        return {"outcomes": [asdict(probe.work(case)) | change for case in cases], "facts": {}}

    return ask


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({}, "the same bytes, "),
        ({"coded": "0"}, "compiled for any processor: sample is coded to other bytes"),
        ({"restored": "0"}, "compiled for any processor: sample is restored to other bytes"),
    ],
)
def test_other_settings(monkeypatch, tiny_default_model, change, detail):
    monkeypatch.setattr(agreement.Python, "ask", as_asked(change))
    found = check_settings()
    assert found.ok == (not change)
    assert found.detail.startswith(detail)


def test_a_setting_that_cannot_be_tried(monkeypatch, tmp_path):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))
    monkeypatch.setattr(agreement.Python, "ask", lambda *_: {"error": "ended with 1: no"})
    assert check_settings().detail == "compiled for any processor: ended with 1: no"


@pytest.mark.slow
def test_settings_in_processes_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))  # where no model is
    found = check_settings()
    assert found.ok, found.detail


def test_the_report(ncz, monkeypatch, tmp_path):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))
    monkeypatch.setattr(agreement.Python, "ask", as_asked({}))
    monkeypatch.setattr(doctor, "LEVELS", (1,))
    result = ncz("doctor")
    text = result.out.decode()
    assert result.code == 0
    for part in ("ncz ", "python ", "torch ", "gguf ", "filelock ", "cores ", "products "):
        assert f"  {part}" in text
    assert f"  {weights.default().name} not installed\n" in text
    assert "  level 1      ok" in text
    assert "  model        ok     not here" in text
    assert text.endswith("All is well.\n")
    record = json.loads(ncz("doctor", "--json").out)
    assert record["ok"]
    assert record["versions"]["ncz"] == library.__version__
    names = [check["name"] for check in record["checks"]]
    assert names == ["level 1", "model", "settings", "damage"]


def test_the_report_on_a_model(ncz, tiny_default_model, monkeypatch):
    monkeypatch.setattr(doctor, "LEVELS", ())
    monkeypatch.setattr(agreement.Python, "ask", as_asked({}))
    result = ncz("doctor", "--json")
    assert result.code == 0
    (told,) = json.loads(result.out)["models"].values()
    assert told.endswith(f"SHA-256 {default.model().digest}")


def test_a_sick_installation_exits_1(ncz, monkeypatch):
    monkeypatch.setattr(doctor, "LEVELS", (1,))
    monkeypatch.setattr(doctor, "check_level", lambda level: Check("level 1", False, "no"))
    monkeypatch.setattr(doctor, "check_settings", lambda: Check("settings", True, ""))
    result = ncz("doctor")
    assert result.code == 1
    assert "FAILED no" in result.out.decode()
    assert "Something is wrong" in result.out.decode()
