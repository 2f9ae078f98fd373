"""Whatever happens to a file, wrong bytes never pass for right ones, and ncz says so."""

from __future__ import annotations

import contextlib
import io
import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncz
from ncz.codec import varint
from ncz.codec.errors import CorruptBlock, FormatError, NczError, TruncatedError
from ncz.formats import coders, header, sections
from ncz.formats.options import DecompressOptions
from ncz.formats.stream import decompress_stream
from tests.formats.making import TEXT, keep_going, member, with_content_check, with_skippable
from tests.independent import reader

RAW = TEXT[:40] + bytes(60)
FILE = member(RAW, 32) + with_skippable(b"stored bytes", b"note") + member(b"end")
WHOLE = RAW + b"stored bytes" + b"end"
STARTS = [made.offset for made in reader.read(FILE)]


def _opened(coded: bytes) -> bytes:
    with ncz.open(io.BytesIO(coded)) as file:
        return file.read()


@pytest.mark.parametrize("decode", [ncz.decompress, _opened])
def test_every_flipped_byte_is_noticed(decode: Callable[[bytes], bytes]) -> None:
    for at, flip in itertools.product(range(len(FILE)), (0x01, 0x10, 0x80)):
        damaged = bytearray(FILE)
        damaged[at] ^= flip
        # A skippable section is not content, and reading by the tails passes over it.
        try:
            assert decode(bytes(damaged)) == WHOLE
        except NczError as error:
            assert len(str(error)) > 20
        else:
            assert decode is _opened
            with pytest.raises(NczError):
                ncz.decompress(bytes(damaged))


def test_every_truncation_is_noticed_and_told_apart_from_damage() -> None:
    for end in range(len(FILE)):
        if end in STARTS[1:]:  # a whole file, as far as it goes
            assert WHOLE.startswith(ncz.decompress(FILE[:end]))
            continue
        out = io.BytesIO()
        with pytest.raises(TruncatedError if end else FormatError):
            decompress_stream(io.BytesIO(FILE[:end]), out)
        assert WHOLE.startswith(out.getvalue())
        with pytest.raises(NczError):
            ncz.open(io.BytesIO(FILE[:end]))
        with pytest.raises(NczError):
            ncz.info(FILE[:end])


@pytest.mark.parametrize("seekable", [True, False])
def test_keep_going_after_every_flipped_byte(seekable: bool) -> None:
    for at in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[at] ^= 0x5A
        try:
            saved, stats = keep_going(bytes(damaged), seekable)
        except NczError:
            assert not seekable
            assert at < 40, "only the first header is beyond saving, and only in a pipe"
            continue
        assert stats.damage
        if seekable:
            assert len(saved) == len(WHOLE)
        lost = {index for index, byte in enumerate(saved) if byte != WHOLE[index]}
        assert all(saved[index] == 0 for index in lost)
        for start in STARTS[1:2]:
            if at < start and (seekable or at > 40):
                assert saved[len(RAW) :] == WHOLE[len(RAW) :], "other members are whole"


@pytest.mark.parametrize("seekable", [True, False])
def test_a_damaged_block_costs_that_block(seekable: bool) -> None:
    blocks = reader.read(FILE)[0].blocks
    for number, block in enumerate(blocks):
        for at in (block.offset, block.offset + 4, block.offset + 17 + len(block.coded)):
            damaged = bytearray(FILE)
            damaged[at] ^= 0x5A
            saved, stats = keep_going(bytes(damaged), seekable)
            (damage,) = stats.damage
            assert isinstance(damage, CorruptBlock)
            end = block.raw_start + block.raw_size
            assert (damage.index, damage.offset) == (number, block.offset)
            assert (damage.raw_start, damage.raw_end) == (block.raw_start, end)
            expected = WHOLE[: block.raw_start] + bytes(block.raw_size) + WHOLE[end:]
            assert saved == expected


def test_damage_is_raised_after_everything_before_it_was_written() -> None:
    blocks = reader.read(FILE)[0].blocks
    for threads in (1, 3):
        for block in blocks:
            for at in (block.offset, block.offset + 17 + len(block.coded)):
                damaged = bytearray(FILE)
                damaged[at] ^= 0x5A
                out = io.BytesIO()
                with pytest.raises(CorruptBlock):
                    options = DecompressOptions(threads=threads)
                    decompress_stream(io.BytesIO(damaged), out, options)
                assert out.getvalue() == WHOLE[: block.raw_start]


@given(st.data())
def test_random_damage(data: st.DataObject) -> None:
    damaged = bytearray(FILE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        cut = data.draw(st.integers(0, 30))
        damaged[at : at + cut] = data.draw(st.binary(max_size=30))
    if damaged == FILE:
        return
    seekable = data.draw(st.booleans())
    with contextlib.suppress(NczError):
        assert WHOLE.startswith(ncz.decompress(bytes(damaged)))
    try:
        _, stats = keep_going(bytes(damaged), seekable)
    except NczError:
        return
    assert stats.damage or len(damaged) < len(FILE)


def test_a_file_in_a_file_does_not_pass_for_its_blocks() -> None:
    """Blocks of an .ncz file that is stored in an .ncz file look like blocks of the outer one."""
    inner = member(random.Random(1).randbytes(300), 32)
    outer = member(inner, 100, stored=True)
    blocks = reader.read(outer)[0].blocks
    assert all(block.coder == 0 for block in blocks)
    for block in blocks:
        damaged = bytearray(outer)
        damaged[block.offset + 1] ^= 0x5A
        end = block.raw_start + block.raw_size
        for seekable in (True, False):
            saved, _ = keep_going(bytes(damaged), seekable)
            assert saved == inner[: block.raw_start] + bytes(block.raw_size) + inner[end:]


def test_several_lost_blocks_in_a_row() -> None:
    coded = bytearray(member(TEXT, 16))
    blocks = reader.read(bytes(coded))[0].blocks
    coded[blocks[2].offset : blocks[5].offset] = b"\x01" * (blocks[5].offset - blocks[2].offset)
    for seekable in (True, False):
        saved, stats = keep_going(bytes(coded), seekable)
        assert saved == TEXT[:32] + bytes(48) + TEXT[80:]
        (damage,) = stats.damage
        assert isinstance(damage, CorruptBlock)
        assert (damage.index, damage.raw_start, damage.raw_end) == (2, 32, 80)


def test_keep_going_in_a_truncated_file_saves_what_is_there() -> None:
    coded = member(TEXT, 16)
    blocks = reader.read(coded)[0].blocks
    saved, stats = keep_going(coded[: blocks[4].offset + 5])
    assert saved == TEXT[:64]
    assert [type(damage) for damage in stats.damage] == [TruncatedError]
    assert "content from byte 64 on is missing" in str(stats.damage[0])


@pytest.mark.parametrize("garbage", [b"x", b"\x89", b"\x89NCZ", bytes(1000)])
def test_trailing_garbage(garbage: bytes) -> None:
    out = io.BytesIO()
    with pytest.raises(FormatError) as caught:
        decompress_stream(io.BytesIO(FILE + garbage), out)
    assert out.getvalue() == WHOLE
    if not header.MAGIC.startswith(garbage):
        assert f"trailing garbage: the file ends at offset {len(FILE)}" in str(caught.value)
        with pytest.raises(FormatError, match="trailing garbage"):
            ncz.info(FILE + garbage)
    saved, stats = keep_going(FILE + garbage)
    assert saved == WHOLE
    assert len(stats.damage) == 1


@pytest.mark.parametrize("content", [b"abc", b""])
def test_a_wrong_content_check(content: bytes) -> None:
    out = with_content_check(content, 12345)
    with pytest.raises(FormatError, match="content check"):
        ncz.decompress(out)
    with pytest.raises(FormatError, match="content check"):
        _opened(out)
    with pytest.raises(FormatError, match="content check"):
        _opened(member(b"before") + out)
    saved, stats = keep_going(out)
    assert (saved, len(stats.damage)) == (content, 1)


@pytest.mark.parametrize("gap", [2**64 - 1, 2**64 - 100])
def test_a_list_of_more_bytes_than_there_can_be(gap: int) -> None:
    """Each number of a tail is in its range, and their sum is not."""
    made = header.pack(header.Header((coders.store().spec,), 3))
    entries = sections.pack_entry(sections.Entry(gap, 200, 0, 3))
    out = made + sections.pack_tail(len(made), entries, 1, gap, 0)
    for decode in (ncz.decompress, _opened, ncz.info):
        with pytest.raises(FormatError):
            decode(out)
    with pytest.raises(FormatError):
        _opened(member(b"before") + out)
    saved, stats = keep_going(member(b"before") + out)
    assert (saved, len(stats.damage)) == (b"before", 1)


@pytest.mark.parametrize("size", [2**30, 2**40, 2**63])
def test_absurd_declared_sizes_allocate_nothing(size: int) -> None:
    """Well-formed heads that promise far more than the file has."""
    import tracemalloc

    made = header.pack(header.Header((coders.store().spec, coders.zstd(3).spec), 2**30))
    block = sections.pack_block(
        len(made), sections.BlockHead(1, 0, min(size, 2**30), min(size, 2**30), 0, 0), b"x"
    )
    skippable = sections.pack_body(len(made), 0x80, b"")
    skippable = b"\x80" + varint.encode(min(size, sections.MAX_BODY)) + bytes(4)
    from ncz.codec.checks import x32

    skippable += x32(len(made).to_bytes(8, "little") + skippable).to_bytes(4, "little")
    ncz.decompress(member(b"imports happen before"))
    for coded in (made + block, made + skippable, made + b"\x02" + varint.encode(size)):
        tracemalloc.start()
        with pytest.raises(NczError):
            ncz.decompress(coded)
        with pytest.raises(NczError):
            ncz.info(coded)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


def test_a_declared_block_size_counts_against_the_limit_before_decoding() -> None:
    made = header.pack(header.Header((coders.store().spec,), 2**30))
    with pytest.raises(ncz.MemoryLimitError):
        ncz.decompress(made, memlimit=100 << 20)


def test_a_coder_that_fails_in_any_way_is_a_damaged_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, coded: bytes, raw_size: int) -> bytes:
        raise ZeroDivisionError("in the depths")

    monkeypatch.setattr("ncz.codec.store.Store.decode", fail)
    with pytest.raises(CorruptBlock, match="in the depths"):
        ncz.decompress(member(b"abc"))


def test_a_coder_that_returns_other_bytes_is_a_damaged_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for wrong in (b"abd", b"", b"abcd"):
        monkeypatch.setattr("ncz.codec.store.Store.decode", lambda *_, wrong=wrong: wrong)
        with pytest.raises(CorruptBlock, match="does not match its check"):
            ncz.decompress(member(b"abc"))


def test_out_of_memory_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("ncz.codec.store.Store.decode", fail)
    with pytest.raises(NczError, match="out of memory"):
        ncz.decompress(member(b"abc"))
    monkeypatch.setattr("ncz.codec.zstd.Zstd.encode", fail)
    with pytest.raises(NczError, match="out of memory"):
        ncz.compress(b"abc", 1)


def test_searching_a_pipe_holds_little() -> None:
    """After a damaged head in a large file the window stays small."""
    import tracemalloc

    rng = random.Random(1)
    coded = bytearray(member(rng.randbytes(4 << 20), 4 << 20) + member(b"end"))
    coded[reader_offset(coded)] ^= 0xFF
    tracemalloc.start()
    _, stats = keep_going(bytes(coded), seekable=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(stats.damage) >= 1
    assert peak < 14 << 20  # the file twice over, as the test itself holds it, and the zeros


def reader_offset(coded: bytearray) -> int:
    """Where the first block of a file begins."""
    return header.parse(coded)[1]
