"""Files that must decode for ever, and bad files that must fail well."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

import ncz
from tests.golden import make
from tests.independent import reader

MANIFEST: dict[str, dict[str, Any]] = json.loads(make.MANIFEST.read_text(encoding="utf-8"))

# The framing of these is whole: what is wrong is known to who knows the coder, or decodes.
WHOLE = {"raw-check", "coded-growth", "not-zstd", "content-check"}


def golden(kind: str, name: str) -> bytes:
    return (make.HERE / kind / f"{name}.ncz").read_bytes()


def test_the_manifest_lists_every_file() -> None:
    assert len(MANIFEST["good"]) >= 10
    assert len(MANIFEST["bad"]) >= 30
    for kind in ("good", "bad"):
        assert {path.stem for path in (make.HERE / kind).glob("*.ncz")} == set(MANIFEST[kind])


@pytest.mark.parametrize("name", MANIFEST["good"])
def test_good(name: str) -> None:
    coded = golden("good", name)
    expected = MANIFEST["good"][name]
    for content in (
        ncz.decompress(coded),
        ncz.decompress(coded, threads=2),
        ncz.open(io.BytesIO(coded)).read(),
    ):
        assert len(content) == expected["size"]
        assert hashlib.sha256(content).hexdigest() == expected["sha256"]


@pytest.mark.parametrize("name", MANIFEST["good"])
def test_an_independent_reader_agrees(name: str) -> None:
    coded = golden("good", name)
    members = reader.read(coded)
    content = ncz.decompress(coded)
    place = 0
    for member in members:
        for block in member.blocks:
            raw = content[place + block.raw_start :][: block.raw_size]
            assert reader.x32(raw) == block.raw_check
        size = sum(block.raw_size for block in member.blocks)
        raw = content[place : place + size]
        assert reader.xxh64(raw) == member.content_check
        assert reader.content(member) in (raw, None)
        place += size
    assert place == len(content)


@pytest.mark.parametrize("name", MANIFEST["bad"])
def test_bad(name: str) -> None:
    coded = golden("bad", name)
    expected = MANIFEST["bad"][name]
    with pytest.raises(ncz.NczError) as caught:
        ncz.decompress(coded)
    assert type(caught.value).__name__ == expected["error"]
    assert expected["says"] in str(caught.value)
    if name != "skippable-flip":  # reading by the tails passes over what it does not need
        with pytest.raises(ncz.NczError):
            ncz.open(io.BytesIO(coded)).read()


@pytest.mark.parametrize("name", [name for name in MANIFEST["bad"] if name not in WHOLE])
def test_an_independent_reader_refuses_it_too(name: str) -> None:
    with pytest.raises(reader.Broken):
        reader.read(golden("bad", name))


def test_golden_files_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make, "HERE", tmp_path)
    monkeypatch.setattr(make, "MANIFEST", tmp_path / "manifest.json")
    assert make.main(["empty", "empty-file"]) == 0
    before = (tmp_path / "good" / "empty.ncz").read_bytes()
    assert make.main(["empty"]) == 1
    assert "stays as it is" in capsys.readouterr().err
    assert (tmp_path / "good" / "empty.ncz").read_bytes() == before
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(FileExistsError):
        make.main(["empty"])
    assert make.main([]) == 0
    assert "to make  stored" in capsys.readouterr().out
    assert make.main(["nothing"]) == 1


def test_every_recipe_of_a_bad_file_is_golden() -> None:
    assert set(make.BAD) == set(MANIFEST["bad"])
