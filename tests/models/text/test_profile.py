"""The profile names every part of the work, and its parts take time."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncz.models.text import loading, profile
from tests.golden.make import text
from tests.models.language import tiny


def test_the_command(
    tiny_default_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_bytes(text(900))
    loading._load.cache_clear()
    profile.main([str(tmp_path / "a.txt"), "--streams", "2"])
    printed = capsys.readouterr().out
    for part in ("choosing runs", "network, windows", "mixing and coding", "attention"):
        assert part in printed
    compressing, restoring = printed.split("restoring: ")
    assert compressing.startswith("compressing: 900 -> ")
    assert "network, steps" in restoring
    loading._load.cache_clear()


def test_without_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))
    with pytest.raises(SystemExit, match="ncz models pull"):
        profile.main([__file__])


def test_parts_of_layers_take_time() -> None:
    for rows, streams in ((4, 4), (8, 1)):
        found = profile.of_layers(tiny.model(), rows, streams, 20)
        assert set(found) == {"products", "attention", "the rest"}
        assert all(seconds > 0 for seconds in found.values())
