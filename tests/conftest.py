"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# No test is timed: this machine may be slow, and the first call of a coder compiles it.
settings.register_profile("ncz", deadline=None, print_blob=True)
settings.load_profile("ncz")

# No test fetches a model: those that try what pip does bring packages of their own.
os.environ["PIP_NO_INDEX"] = "1"

# What was started in the background of a shell, or by nohup, ignores these, and so would all that
# tests start and then interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("SIGHUP", "SIGQUIT", "SIGTERM"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


@pytest.fixture
def tiny_default_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of its own, in which the default model is a tiny random one; its path."""
    from .models import default

    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    with default.replaced():
        yield default.install().path
