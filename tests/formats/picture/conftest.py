"""The codec of these tests."""

from __future__ import annotations

import pytest

from . import fake


@pytest.fixture(autouse=True)
def codec(monkeypatch: pytest.MonkeyPatch) -> None:
    fake.install(monkeypatch)
