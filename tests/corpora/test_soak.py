"""Rounds of every kind lose nothing, can be done again, and see what is lost."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ncz.corpora import kills, soak
from ncz.corpora.soak import Round, seeds


@pytest.fixture(autouse=True, scope="module")
def _ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    kills.ready((1,), tmp_path_factory.mktemp("warm"))
    yield


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "_LEVELS", {1: 1})


@pytest.mark.parametrize("work", list(soak._WORKS), ids=lambda work: work.__name__.strip("_"))
def test_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: soak.Callable[[Round], None]
) -> None:
    monkeypatch.setattr(soak, "_WORKS", {work: 1})
    soaked = soak.soak(2, tmp_path / "round")
    assert soaked.failures == []
    assert soaked.counts["rounds"] == 1
    assert soaked.counts[f"rounds of {work.__name__.strip('_')}"] == 1
    assert sum(soaked.counts[name] for name in ("files", "faults", "kills")) > 0


def this(tmp_path: Path) -> Round:
    return Round(5, tmp_path, 1, random.Random(5))


def test_what_is_lost_is_said_with_its_seed(tmp_path: Path) -> None:
    one = this(tmp_path)
    one.must(True, "fine")
    assert one.soaked.failures == []
    one.must(False, "not fine")
    assert one.ncz("compress", "missing") == b""
    assert one.soaked.counts["lost"] == 2
    assert one.soaked.failures == [
        "seed 5, -1: not fine",
        "seed 5, -1: ncz compress missing ended with 1: ncz: missing: no such file",
    ]


def test_a_command_that_hangs_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(soak, "_STILL_S", 0.05)
    one = this(tmp_path)
    one.ncz("compress", "-6", stdin=bytes(1 << 24))
    (failure,) = one.soaked.failures
    assert failure.startswith("seed 5, -1: ncz compress -6 hangs after ")


def test_a_round_that_breaks_is_lost_and_does_not_end_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(one: Round) -> None:
        raise ZeroDivisionError("in the midst")

    monkeypatch.setattr(soak, "_WORKS", {broken: 1})
    assert soak.soak(1, tmp_path / "r").failures == [
        "seed 1, -1: broken: ZeroDivisionError: in the midst"
    ]


def test_rounds_of_two_runs_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "_WORKS", {soak._pipes: 1})
    monkeypatch.setattr(soak, "_has_model", lambda: False)
    for seed in ("3", "4"):
        args = ["--rounds", "1", "--seed", seed, "--out", str(tmp_path)]
        result = CliRunner().invoke(soak.main, args)
        assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "soak.json").read_text())
    assert (found["rounds"], found["rounds of pipes"], found["files"]) == (2, 2, 4)
    assert (found["lost"], found["failures"]) == (0, [])


def test_seeds_by_number_and_by_time() -> None:
    assert list(seeds(7, 3, 0.0)) == [7, 8, 9]
    assert list(seeds(7, None, 0.0)) == []
    endless = seeds(7, None, 1000.0)
    assert [next(endless), next(endless)] == [7, 8]
