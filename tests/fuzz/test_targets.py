"""Every target takes its seeds and what is near them, and what once broke it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import blind, run, target, targets
from ncz.codec.errors import FormatError
from ncz.formats import header
from tests.cli.helpers import ROOT

CRASHES = Path(__file__).parent / "crashes"
QUICK = [name for name in targets.NAMES if name not in ("command", "text", "llama")]


def attack(name: str, folder: Path) -> targets.Attack:
    return targets.target(name).prepare(folder)


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))  # which targets may change


@pytest.mark.parametrize("name", QUICK)
def test_seeds_and_what_is_near_them(name: str, tmp_path: Path) -> None:
    tried, rng = attack(name, tmp_path), random.Random(name)
    seeds = sorted(targets.target(name).seeds(), key=len)[:4]
    for seed in seeds:
        assert len(seed) <= targets.target(name).longest
        tried(seed)
        for _ in range(3):
            tried(blind.damaged(rng, seed, seeds[-1])[0])
    tried(b"")


def test_there_is_a_target_for_every_name() -> None:
    for name in targets.NAMES:
        assert targets.target(name).longest > 0
    assert {path.name.split("-")[0] for path in CRASHES.iterdir()} <= set(targets.NAMES)


@pytest.mark.parametrize("path", sorted(CRASHES.iterdir()), ids=lambda path: path.name)
def test_what_broke_it_once(path: Path, tmp_path: Path) -> None:
    attack(path.name.split("-")[0], tmp_path)(path.read_bytes())


def test_behind_checks() -> None:
    """A container target reads what no check holds of, and the checks are back afterwards."""
    from fuzz.targets import containers

    data = bytearray(header.pack(header.Header((containers.coders.store().spec,), 10)))
    data[-1] ^= 1
    with pytest.raises(FormatError, match="check does not hold"):
        header.parse(data)
    seen = []
    containers.unchecked(lambda given: seen.append(header.parse(given)))(bytes(data))
    assert seen[0][0].block_size == 10
    with pytest.raises(FormatError, match="check does not hold"):
        header.parse(data)


def test_what_is_compiled_is_not_instrumented() -> None:
    found = target.compiled()
    assert "ncz.models.contextmix.kernel" in found
    assert "ncz.codec.rangecoder" in found
    for name in ("ncz.formats.parse", "ncz.formats.header", "ncz.models.language.source"):
        assert name not in found


GUARDED = """
import os, sys, tempfile
from pathlib import Path
from fuzz.targets import command
from ncz.cli import main

scratch, outside, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
attack = command.TARGETS["command"].prepare(scratch)
for seed in command._seeds():
    if what == "seeds" and b"\\n" not in seed:
        attack(seed)

def write(words):
    Path(outside, "file").write_text("x")
def remove(words):
    Path(outside).rmdir()
def connect(words):
    import socket
    try:
        socket.create_connection(("127.0.0.1", 9))
    except PermissionError:
        return 0
    raise AssertionError("it was connected")
def swallow(words):
    try:
        Path(outside, "file").write_text("x")
    except OSError:
        return 0
def bug(words):
    raise ZeroDivisionError
if what != "seeds":
    main.run = locals()[what]
    attack(b"")
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("seeds", "done"),
        ("write", "touched"),
        ("swallow", "touched"),
        ("remove", "touched"),
        ("connect", "done"),
        ("bug", "ZeroDivisionError"),
    ],
)
def test_the_command_is_kept_in_its_folder(what: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, tmp_path / "inside", tmp_path / "outside", what],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert says in done.stdout + done.stderr, done.stderr
    assert list((tmp_path / "outside").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside"]


@pytest.mark.slow
def test_a_search_counts_and_keeps_its_corpus(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    found = run.attack("header", 2, tmp_path)
    assert (found.failed, found.crashes) == ("", ())
    assert found.runs > 10
    assert found.edges > 20
    assert 3 < found.inputs == len(list((tmp_path / "header" / "corpus").iterdir()))
