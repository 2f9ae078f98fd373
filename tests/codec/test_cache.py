import sys
from pathlib import Path

import pytest

from ncz.codec import cache


def test_the_folder_that_the_user_names(monkeypatch, tmp_path):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))
    assert cache.cache_folder("models") == tmp_path / "models"


@pytest.mark.parametrize(
    ("platform", "variable", "end"),
    [
        ("win32", "LOCALAPPDATA", "ncz/models"),
        ("darwin", None, "Library/Caches/ncz/models"),
        ("linux", "XDG_CACHE_HOME", "ncz/models"),
    ],
)
def test_the_user_s_cache_directory_of_each_system(monkeypatch, tmp_path, platform, variable, end):
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("NCZ_CACHE", "LOCALAPPDATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache.cache_folder("models").is_relative_to(Path.home())
    assert cache.cache_folder("models").as_posix().endswith(end)
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path))
        assert cache.cache_folder("models") == tmp_path / end


def test_a_digest(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert cache.sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea")
