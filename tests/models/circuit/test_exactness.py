"""The same bytes without a compiler, and from machine code that others make."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_CODE = """
import hashlib
import numpy as np
from ncz.models.circuit import rows
from tests.models.circuit import making

dice = np.random.default_rng(1)
known = dice.integers(0, 9, (12, 10))
known[:, 4] = dice.integers(-(1 << 63), (1 << 63) - 1, 12)
values = np.concatenate([known, dice.integers(0, 20, (12, 10))])
for latents in (2, 17):
    circuit = making.circuit(known, latents, 4, power=9.0, most=5)
    coded = rows.encode(circuit, values, 8)
    assert np.array_equal(rows.opened(circuit, coded, 24, 8).read(0, 24), values)
    print(len(coded), hashlib.sha256(coded).hexdigest())
"""


def coded_with(warnings: str = "error", **settings: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", warnings, "-c", _CODE],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == 2
    return run.stdout


def test_the_same_without_a_compiler() -> None:
    """Where numpy would warn of an overflow, too."""
    assert coded_with(NUMBA_DISABLE_JIT="1") == coded_with()


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, {"NUMBA_OPT": "0"}],
    ids=["any-processor", "not-optimized"],
)
def test_other_machine_code_gives_the_same_bytes(settings: dict[str, str], tmp_path: Path) -> None:
    # In a new folder for machine code, of which numba warns that not all of it can be kept there.
    other = coded_with("default", **settings, NUMBA_CACHE_DIR=str(tmp_path))
    assert other == coded_with()
