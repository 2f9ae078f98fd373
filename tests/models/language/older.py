"""Tests run again as on an older processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def passes(
    file: str, which: str, cache: Path, features: str = "", more: dict[str, str] | None = None
) -> None:
    """Assert that tests of `file` pass in a process of their own.

    Args:
        file: their module's.
        which: as pytest's ``-k`` has it.
        cache: a folder for machine code.
        features: of the processor, that compiled code may use; beyond these, none.
        more: of the environment.
    """
    older = {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(cache),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file, "-k", which]
    done = subprocess.run(
        command, env=os.environ | older | (more or {}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
