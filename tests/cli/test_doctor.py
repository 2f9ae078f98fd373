import json

import pytest

import ncz as library
from ncz.cli import doctor
from ncz.cli.doctor import Check, check_damage, check_level, sample


def test_the_sample_is_the_same_everywhere():
    import xxhash

    assert xxhash.xxh64(sample()).hexdigest() == "064dc33dc06afda9"


def test_a_level_that_works():
    found = check_level(1)
    assert found.ok
    assert found.detail.startswith(f"{len(sample()):,} -> ")
    assert check_damage() == Check("damage", True, "noticed")


@pytest.mark.parametrize(
    ("function", "fake", "detail"),
    [
        ("decompress", lambda data: b"else", "what comes back is not what went in"),
        ("compress", lambda data, level, threads=1: b"%d" % threads, "two threads"),
    ],
)
def test_a_level_that_does_not_work(monkeypatch, function, fake, detail):
    monkeypatch.setattr(library, function, fake)
    found = check_level(1)
    assert not found.ok
    assert detail in found.detail


def test_damage_that_goes_unnoticed(monkeypatch):
    monkeypatch.setattr(library, "decompress", lambda data: sample())
    assert not check_damage().ok


def test_the_report(ncz, monkeypatch):
    monkeypatch.setattr(doctor, "LEVELS", (1,))
    result = ncz("doctor")
    text = result.out.decode()
    assert result.code == 0
    for part in ("ncz ", "python ", "numba ", "cores ", "level 1", "All is well."):
        assert part in text
    record = json.loads(ncz("doctor", "--json").out)
    assert record["ok"]
    assert record["versions"]["ncz"] == library.__version__
    assert [check["name"] for check in record["checks"]] == ["level 1", "damage"]


def test_a_sick_installation_exits_1(ncz, monkeypatch):
    monkeypatch.setattr(doctor, "LEVELS", (1,))
    monkeypatch.setattr(doctor, "check_level", lambda level: Check("level 1", False, "no"))
    result = ncz("doctor")
    assert result.code == 1
    assert "FAILED no" in result.out.decode()
    assert "Something is wrong" in result.out.decode()
