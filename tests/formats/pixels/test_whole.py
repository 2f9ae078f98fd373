"""A PNG file that is larger than a block is one block all the same, where that is known to pay."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import ncz
from ncz.codec.errors import DoesNotFit
from ncz.formats import coders, levels, resume
from ncz.formats.encode import Encoder
from ncz.formats.levels import Plan
from ncz.formats.options import CompressOptions

_RNG = np.random.default_rng(8)
_Y, _X = np.mgrid[:70, :90]
_GREY = (90 + 50 * np.sin(_X / 9) + 40 * np.cos(_Y / 7) + _RNG.normal(0, 2, _X.shape)).clip(0, 255)
_SIZE = 2048
_WHOLE = 1 << 14
_PLAN = replace(levels.plan(5), block_size=_SIZE, whole=_WHOLE)


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _png(pixels: np.ndarray, interlaced: bool = False) -> bytes:
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
    stream = zlib.compress(rows)
    parts = [_chunk(b"IDAT", stream[at : at + 1500]) for at in range(0, len(stream), 1500)]
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + b"".join(parts) + _chunk(b"IEND")


_PNG = _png(_GREY)


def _coded(plan: Plan, raw: bytes, step: int = 700, threads: int = 1) -> bytes:
    return b"".join(_pieces(Encoder(plan, threads), raw, step))


def _pieces(encoder: Encoder, raw: bytes, step: int) -> Iterator[bytes]:
    for at in range(0, len(raw), step):
        yield from encoder.feed(raw[at : at + step])
    yield from encoder.finish()


def _names(coded: bytes) -> list[str]:
    return [block.coder for block in ncz.info(coded).blocks]


def test_one_block() -> None:
    assert 2 * _SIZE < len(_PNG) < _WHOLE
    coded = _coded(_PLAN, _PNG)
    (member,) = ncz.info(coded).members
    assert _names(coded) == ["pixels"]
    assert member.block_size == len(_PNG)
    assert ncz.decompress(coded) == _PNG
    assert len(coded) < 0.9 * len(_PNG)
    assert coded == ncz.compress(_PNG, level=5, block_size=_WHOLE)


@pytest.mark.parametrize("step", [1, 2048, 2049, 1 << 20])
def test_the_same_however_it_comes_and_whoever_works(step: int) -> None:
    assert _coded(_PLAN, _PNG, step, threads=2) == _coded(_PLAN, _PNG)


def test_verified() -> None:
    assert _names(_coded(replace(_PLAN, verify=True), _PNG)) == ["pixels"]


def test_workers() -> None:
    with ncz.workers(processes=1) as crew:
        encoder = Encoder(_PLAN, 1, crew)
        assert b"".join(_pieces(encoder, _PNG, 999)) == _coded(_PLAN, _PNG)


def _not_whole() -> dict[str, bytes]:
    noise = _RNG.integers(0, 256, (150, 130)).astype(float)
    return {
        "larger than the bound": _PNG + random.Random(3).randbytes(_WHOLE),
        "as large as the bound, and a byte": _PNG + bytes(_WHOLE + 1 - len(_PNG)),
        "pixels that are too many": _png(np.zeros((1000, 200))) + bytes(3 * _SIZE),
        "noise": _png(noise),
        "interlaced": _png(_GREY, interlaced=True),
        "cut off": _PNG[:-40],
        "damaged": _PNG[:3000] + b"\0" + _PNG[3001:],
        "no picture": b"\x89PNG\r\n\x1a\n" + random.Random(4).randbytes(5000),
    }


@pytest.mark.parametrize("name", sorted(_not_whole()))
def test_others_are_cut_as_ever(name: str) -> None:
    raw = _not_whole()[name]
    coded = _coded(_PLAN, raw)
    assert coded == _coded(replace(_PLAN, whole=None), raw)
    assert len(ncz.info(coded).blocks) == -(-len(raw) // _SIZE)
    assert ncz.decompress(coded) == raw


def test_as_large_as_the_bound() -> None:
    raw = _PNG + bytes(_WHOLE - len(_PNG))
    coded = _coded(_PLAN, raw)
    assert _names(coded) == ["pixels"]
    assert ncz.decompress(coded) == raw


def test_a_small_file_is_as_it_was() -> None:
    for raw in (_PNG[:_SIZE], _png(_GREY[:20, :20]), b"", b"text " * 3000):
        assert _coded(_PLAN, raw) == _coded(replace(_PLAN, whole=None), raw)


def test_which_block_size_wins() -> None:
    assert levels.plan(5).whole == levels.plan(6).whole == 256 << 20
    assert levels.plan(4).whole is None
    assert levels.plan(6, 1 << 20).whole is None
    assert levels.plan(6, 1 << 24).whole is None
    assert len(ncz.info(ncz.compress(_PNG, level=5, block_size=_SIZE)).blocks) > 2


def test_what_the_memory_limit_leaves() -> None:
    def whole(limit: int | None) -> int | None:
        return Encoder.of(CompressOptions(6, memlimit=limit))._plan.whole

    assert whole(None) == 256 << 20
    before = 0
    for limit in (2 << 30, 4 << 30, 8 << 30):
        found = whole(limit)
        assert found is not None and found > before
        assert coders.pixels().memory(found) + 4 * found <= limit
        before = found
    least = whole(1 << 30)
    assert least is not None and least < before


def test_interrupted_work_is_resumed() -> None:
    coded = _coded(_PLAN, _PNG)
    end = ncz.info(coded).blocks[0]
    for size, blocks in ((end.offset + end.size, 1), (end.offset + end.size - 1, 0), (40, 0)):
        kept = resume.coded_blocks(io.BytesIO(coded[:size]), _PLAN)
        encoder = Encoder(_PLAN, kept=kept)
        assert b"".join(_pieces(encoder, _PNG, 500)) == coded
        assert encoder.kept_blocks == blocks
    cut = _not_whole()["cut off"]
    coded = _coded(_PLAN, cut)
    end = ncz.info(coded).blocks[2]
    encoder = Encoder(_PLAN, kept=resume.coded_blocks(io.BytesIO(coded[: end.offset]), _PLAN))
    assert b"".join(_pieces(encoder, cut, 500)) == coded
    assert encoder.kept_blocks == 2


def test_another_input_does_not_go_on() -> None:
    coded = _coded(_PLAN, _PNG)
    encoder = Encoder(_PLAN, kept=resume.coded_blocks(io.BytesIO(coded), _PLAN))
    with pytest.raises(DoesNotFit, match="another"):
        b"".join(_pieces(encoder, _PNG[:-1] + b"\0", 500))
