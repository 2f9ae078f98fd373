"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# No test is timed: this machine may be slow, and the first call of a coder compiles it.
settings.register_profile("ncz", deadline=None, print_blob=True)
settings.load_profile("ncz")

# No test fetches a model: those that try what pip does bring packages of their own.
os.environ["PIP_NO_INDEX"] = "1"


@pytest.fixture
def tiny_default_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of its own, in which the default model is a tiny random one; its path."""
    from .models import default

    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    with default.replaced():
        yield default.install().path
