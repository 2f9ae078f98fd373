"""Compiled code is renewed when anything compiled into it changes, and announces itself."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import numba
import numpy as np
import pytest

from ncz.codec import jit as module
from ncz.codec.jit import compiling, fingerprint, jit, lean
from ncz.codec.notice import set_notice
from ncz.models.contextmix import hashing, kernel

STEPS = """
import numpy as np
from ncz.codec.jit import jit

FACTOR = 3
WIDE = np.uint64(5)
TABLE = np.array([10, 20, 30])
SHAPE = (1, 2)

@jit
def inner(x):
    return x * FACTOR

@jit
def step(x):
    return inner(x)
"""
RUN = """
import numpy as np
import steps
from ncz.codec.jit import jit
from steps import FACTOR, SHAPE, TABLE, WIDE, step

@jit
def early(x):
    return by_name(x)  # which stands below

@jit
def by_name(x):
    return step(x) + TABLE[0] + FACTOR + np.int64(WIDE) + SHAPE[0]

@jit
def by_module(x):
    return steps.step(x) + steps.TABLE[0] + steps.FACTOR + np.int64(steps.WIDE) + steps.SHAPE[0]

@jit
def alone(x):
    return x + 1

if __name__ == "__main__":
    print(by_name(1), by_module(1))
"""
# Each changes what is computed, without a change in the file of the functions that use it.
CHANGES = {
    "a constant of the other file, and of a callee's callee": ("FACTOR = 3", "FACTOR = 4"),
    "a numpy scalar": ("np.uint64(5)", "np.uint64(6)"),
    "a table": ("[10, 20, 30]", "[11, 20, 30]"),
    "a tuple": ("SHAPE = (1, 2)", "SHAPE = (2, 2)"),
    "a function": ("return inner(x)", "return inner(x) + 1"),
}


def load(folder: Path, name: str, source: str) -> ModuleType:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def fingerprints(folder: Path, steps: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    with monkeypatch.context() as patch:
        for name in ("steps", "run"):
            patch.setitem(sys.modules, name, None)
        load(folder, "steps", steps)
        run = load(folder, "run", RUN)
    return {
        name: fingerprint(getattr(run, name)) for name in ("by_name", "by_module", "alone", "early")
    }


@pytest.mark.parametrize("change", CHANGES)
def test_a_fingerprint_follows_what_is_compiled_in(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprints(tmp_path / "a", STEPS, monkeypatch)
    assert fingerprints(tmp_path / "b", STEPS, monkeypatch) == before, "wherever it lies"
    then = fingerprints(tmp_path / "c", STEPS.replace(*CHANGES[change]), monkeypatch)
    assert then["by_name"] != before["by_name"]
    assert then["by_module"] != before["by_module"]
    assert then["early"] != before["early"]
    assert then["alone"] == before["alone"]


def test_a_constant_changed_elsewhere_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its value counts, whatever file it was computed from."""
    kept = {}
    for value in (7, 8):
        config = load(tmp_path / str(value), "elsewhere", f"VALUE = {value}")
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "elsewhere", config)
            used = load(
                tmp_path,
                "user",
                "from ncz.codec.jit import jit\nfrom elsewhere import VALUE\n"
                "@jit\ndef f(x):\n    return x + VALUE\n",
            )
        kept[value] = fingerprint(used.f)
    assert kept[7] != kept[8]


def test_the_cache_is_stamped_with_it() -> None:
    """The engine's own functions; numba compares the stamp when it loads machine code."""
    for function in (kernel.code_block, hashing.find_line):
        stamp = function._cache._cache_file._source_stamp
        assert stamp[-1] == fingerprint(function)
        assert len(stamp) == 2, "numba's own stamp is kept beside it"


@pytest.mark.slow
def test_old_machine_code_is_not_run(tmp_path: Path) -> None:
    def run(source: str) -> list[int]:
        (tmp_path / "steps.py").write_text(source)
        (tmp_path / "run.py").write_text(RUN)
        os.utime(tmp_path / "run.py", (1, 1))  # what numba looks at: unchanged
        out = subprocess.run(
            [sys.executable, "-c", "import run; print(run.early(1), run.by_module(1))"],
            cwd=tmp_path,
            env=os.environ
            | {
                "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(number) for number in out.stdout.split()]

    assert run(STEPS) == [22, 22]
    assert run(STEPS.replace("FACTOR = 3", "FACTOR = 4")) == [24, 24]
    assert list((tmp_path / "cache").rglob("*.nbc")), "and there was a cache to be wrong"


def test_a_long_wait_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    heard = threading.Event()

    def notice(sentence: str) -> None:
        said.append(sentence)
        heard.set()

    monkeypatch.setattr(module, "_NOTICE_AFTER_S", 0.0)
    set_notice(notice)
    try:
        with compiling("the test"):
            assert numba.njit(lambda x: x + 1)(1) == 2
            assert numba.njit(lambda x: x + 2)(1) == 3
            assert heard.wait(60)
    finally:
        set_notice(None)
    assert len(said) == 1
    assert "the test" in said[0]


def test_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    timers: list[threading.Timer] = []

    class Watched(threading.Timer):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            timers.append(self)

    monkeypatch.setattr(module.threading, "Timer", Watched)
    monkeypatch.setattr(module, "_NOTICE_AFTER_S", 1000.0)
    set_notice(said.append)
    try:
        with compiling("the test"):
            assert numba.njit(lambda x: x + 1)(1) == 2
    finally:
        set_notice(None)
    timers[0].join(60)
    assert not timers[0].is_alive()
    assert said == []


def test_what_is_compiled_already_is_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it works."""
    said: list[str] = []
    ready = numba.njit(lambda x: x + 1)
    assert ready(1) == 2
    monkeypatch.setattr(module, "_NOTICE_AFTER_S", 0.0)
    set_notice(said.append)
    try:
        with compiling("the test"):
            assert ready(2) == 3
            threading.Event().wait(0.05)
    finally:
        set_notice(None)
    assert said == []


def test_lean_code_does_the_same_and_counts_no_references() -> None:
    @jit
    def counted(pair: tuple[np.ndarray, np.ndarray]) -> int:
        return np.int64(pair[0][1] + pair[1][2])

    @lean
    def uncounted(pair: tuple[np.ndarray, np.ndarray]) -> int:
        return np.int64(pair[0][1] + pair[1][2])

    pair = (np.arange(3), np.arange(4))
    before = [sys.getrefcount(part) for part in pair]
    assert uncounted(pair) == counted(pair) == 3
    assert [sys.getrefcount(part) for part in pair] == before
