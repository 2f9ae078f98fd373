from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import ncz
from ncz.codec.coder import CoderSpec
from ncz.formats import header, sections
from ncz.formats.header import ModelRef
from tests.formats.making import TEXT, Pipe, member, with_skippable
from tests.independent import reader

CODED = member(TEXT, 16) + member(b"") + with_skippable(b"stored bytes", b"note")


def test_agrees_with_an_independent_reader() -> None:
    info = ncz.info(CODED)
    assert (info.name, info.size) == (None, len(CODED))
    assert info.raw_size == len(TEXT) + len(b"stored bytes")
    names = {0: "store", 1: "zstd-3"}
    content = 0
    for ours, theirs in zip(info.members, reader.read(CODED), strict=True):
        assert (ours.offset, ours.block_size) == (theirs.offset, theirs.block_size)
        assert int(ours.content_check, 16) == theirs.content_check
        assert ours.raw_start == content
        for mine, block in zip(ours.blocks, theirs.blocks, strict=True):
            assert (mine.offset, mine.raw_size) == (block.offset, block.raw_size)
            assert mine.raw_start == content + block.raw_start
            assert mine.coder == names[block.coder]
            assert mine.coded_size == len(block.coded)
            assert int(mine.raw_check, 16) == block.raw_check
        content += ours.raw_size
    assert [block.index for block in info.blocks] == list(range(len(info.blocks)))


def test_json() -> None:
    info = ncz.info(CODED)
    as_json = json.loads(json.dumps(info.to_dict()))
    assert as_json == info.to_dict()
    assert as_json["members"][0]["blocks"][0]["raw_size"] == 16


def test_paths_and_files(tmp_path: Path) -> None:
    path = tmp_path / "a.ncz"
    path.write_bytes(CODED)
    assert ncz.info(path).name == str(path)
    assert ncz.info(str(path)).members == ncz.info(CODED).members
    with path.open("rb") as file:
        assert ncz.info(file).members == ncz.info(CODED).members
        assert file.tell() == 0
    assert ncz.info(io.BytesIO(CODED)) == ncz.info(CODED)
    with pytest.raises(ncz.NczError, match="seek"):
        ncz.info(Pipe(CODED))  # type: ignore[arg-type]


def test_a_damaged_head_is_named() -> None:
    damaged = bytearray(CODED)
    block = ncz.info(CODED).blocks[2]
    damaged[block.offset + 3] ^= 1
    with pytest.raises(ncz.CorruptBlock, match=f"block 2 at offset {block.offset} "):
        ncz.info(bytes(damaged))


def test_shows_what_it_cannot_decode() -> None:
    model = ModelRef(bytes(range(32)), "a-model")
    made = header.Header((CoderSpec(77, b"\x01"),), 10, models=(model,))
    out = header.pack(made)
    out += sections.pack_tail(len(out), b"", 0, len(out), 0xEF46DB3751D8E999)
    (shown,) = ncz.info(out).members
    assert shown.coders[0].name == "unknown (77)"
    assert shown.coders[0].params == "01"
    assert (shown.models[0].name, shown.models[0].sha256) == ("a-model", bytes(range(32)).hex())
    with pytest.raises(ncz.UnsupportedError):
        ncz.decompress(out)
