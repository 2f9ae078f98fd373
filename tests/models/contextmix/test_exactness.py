"""The same bytes from machine code made for other processors, and by a lazier compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# One block of each kind at a fast and at the slowest preset, with detection and the prior.
_CODE = """
import hashlib, sys
from ncz.models import contextmix
from tests.models.contextmix.making import machine_code, records, text
size = int(sys.argv[1])
for raw in (text(size), records(size), machine_code(size)):
    for level in (3, 6):
        coder = contextmix.coder(level)
        coded = coder.encode(raw)
        assert coder.decode(coded, len(raw)) == raw
        print(level, len(coded), hashlib.sha256(coded).hexdigest())
"""


def coded_with(size: int, **settings: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", _CODE, str(size)],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == 6
    return run.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, 20_000),
        ({"NUMBA_OPT": "0"}, 2000),
    ],
    ids=["any-processor", "not-optimized"],
)
def test_other_machine_code_gives_the_same_bytes(
    settings: dict[str, str], size: int, tmp_path: Path
) -> None:
    """Without vectors, or with nothing rearranged: only then can a compiler's choice show."""
    other = coded_with(size, **settings, NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.rglob("*.nbc")), "it was compiled anew"
    assert other == coded_with(size)
