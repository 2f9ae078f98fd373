"""The command in this process, which is quick."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ncz.cli import main


@dataclass(frozen=True)
class Result:
    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


@pytest.fixture
def ncz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Result]:
    """``ncz("compress", "a", stdin=b"")`` in this process and in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main.run(args)
        captured = capsysbinary.readouterr()
        return Result(code, captured.out, captured.err.decode())

    return call
