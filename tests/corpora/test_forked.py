from __future__ import annotations

import subprocess
import sys
import time

import pytest

from ncz.corpora.forked import Child, processor_time


@pytest.mark.parametrize(
    ("script", "hangs"),
    [("import time; time.sleep(60)", True), ("while True: pass", True), ("pass", False)],
)
def test_what_hangs_is_told_from_what_is_slow(script: str, hangs: bool) -> None:
    """Neither waiting for nothing nor computing for ever goes on; all else may take its time."""
    process = subprocess.Popen([sys.executable, "-c", script])
    child = Child(process.pid, time.monotonic())
    try:
        code = child.patiently(seconds=0.3, still=0.5)
        assert code == (None if hangs else 0)
    finally:
        child.kill()
        process.returncode = child.code  # it was waited for here


def test_the_time_of_what_is_gone_is_none() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    assert processor_time(process.pid) == 0.0
