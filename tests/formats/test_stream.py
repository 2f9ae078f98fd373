from __future__ import annotations

import io
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncz
from ncz.codec.errors import (
    FormatError,
    MemoryLimitError,
    NczError,
    OutputLimitError,
    UnsupportedError,
)
from ncz.formats import header
from ncz.formats.options import CompressOptions, DecompressOptions, fit_threads
from ncz.formats.stream import (
    Progress,
    compress_stream,
    decompress_stream,
    read_range,
)
from tests.formats.making import TEXT, Pipe, member, pushed, with_skippable
from tests.independent import reader

contents = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda part, times: part * times, st.binary(max_size=20), st.integers(1, 40)),
)


@given(contents, st.integers(1, 64), st.integers(1, 30))
def test_round_trip_in_any_blocks_and_pieces(content: bytes, block_size: int, step: int) -> None:
    coded = member(content, block_size)
    assert pushed(coded, step) == content
    assert member(content, block_size, threads=2) == coded
    assert sum(block.raw_size for block in reader.read(coded)[0].blocks) == len(content)


@settings(max_examples=10, deadline=None)
@given(contents, st.sampled_from(range(1, 7)))
def test_round_trip_at_every_level_without_a_model(content: bytes, level: int) -> None:
    coded = ncz.compress(content, level)
    assert ncz.decompress(coded) == content
    assert len(coded) <= len(content) + 100
    reader.read(coded)


@given(st.lists(contents, min_size=1, max_size=4), st.integers(1, 3))
def test_concatenation(parts: list[bytes], threads: int) -> None:
    coded = b"".join(member(part) for part in parts)
    out = io.BytesIO()
    stats = decompress_stream(io.BytesIO(coded), out, DecompressOptions(threads=threads))
    assert out.getvalue() == b"".join(parts)
    assert (stats.raw_size, stats.coded_size) == (len(out.getvalue()), len(coded))


@given(contents, st.data())
def test_range_equals_slice(content: bytes, data: st.DataObject) -> None:
    coded = member(content, 16) + member(content[:40], 7)
    whole = content + content[:40]
    start = data.draw(st.integers(0, len(whole) + 5))
    end = data.draw(st.none() | st.integers(start, len(whole) + 5))
    out = io.BytesIO()
    assert read_range(io.BytesIO(coded), start, end, out) == len(out.getvalue())
    assert out.getvalue() == whole[start:end]


def test_range_decodes_only_what_it_needs() -> None:
    coded = bytearray(member(TEXT, 16))
    for block in reader.read(bytes(coded))[0].blocks[3:]:
        coded[block.offset] ^= 0xFF
    out = io.BytesIO()
    read_range(io.BytesIO(coded), 5, 48, out)
    assert out.getvalue() == TEXT[5:48]
    with pytest.raises(ncz.CorruptBlock, match="block 3"):
        read_range(io.BytesIO(coded), 5, 49, out)


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (3, 2)])
def test_ranges_that_are_none(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="range"):
        read_range(io.BytesIO(member(TEXT)), start, end, io.BytesIO())


@pytest.mark.parametrize("body", [b"", b"for others", bytes(200_000)])
def test_skippable_sections(body: bytes) -> None:
    coded = with_skippable(TEXT, body, 0xA5)
    assert ncz.decompress(coded) == TEXT
    assert ncz.open(io.BytesIO(coded)).read() == TEXT
    (made,) = reader.read(coded)
    assert made.skippable == [(0xA5, body)] * 3
    assert reader.content(made) == TEXT


def test_a_damaged_skippable_section() -> None:
    coded = with_skippable(TEXT, b"for others")
    damaged = coded.replace(b"others", b"Others", 1)
    with pytest.raises(FormatError, match="no content is lost"):
        ncz.decompress(damaged)


def test_neither_stream_needs_to_seek_or_to_give_or_take_all_at_once() -> None:
    class Reluctant(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: memoryview) -> int:  # type: ignore[override]
            self.data += bytes(data[:5])
            return min(5, len(data))

    coded, raw = Reluctant(), Reluctant()
    compress_stream(Pipe(TEXT), coded, CompressOptions(level=1))  # type: ignore[arg-type]
    decompress_stream(Pipe(coded.data), raw)  # type: ignore[arg-type]
    assert raw.data == TEXT


def test_output_never_depends_on_threads() -> None:
    content = random.Random(1).randbytes(5000) + TEXT * 50
    made = {ncz.compress(content, 1, threads=threads, block_size=1024) for threads in (0, 1, 2, 3)}
    assert len(made) == 1
    for threads in (0, 1, 2, 3):
        assert ncz.decompress(next(iter(made)), threads=threads) == content


def test_what_does_not_shrink_is_stored() -> None:
    content = random.Random(1).randbytes(5000)
    for level in (1, 6):
        coded = ncz.compress(content, level)
        assert len(coded) < len(content) + 100
        assert {block.coder for block in ncz.info(coded).blocks} == {"store"}


def test_a_small_file_asks_for_little_memory() -> None:
    assert ncz.info(ncz.compress(TEXT, 1)).members[0].block_size == len(TEXT)
    assert ncz.info(ncz.compress(bytes(3000), 1, block_size=1024)).members[0].block_size == 1024
    compressor = ncz.Compressor(1)
    assert compressor.compress(TEXT) + compressor.flush() == ncz.compress(TEXT, 1)


def test_a_member_of_very_many_blocks_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ncz.formats.sections.MEMBER_BLOCKS", 2)
    for size, members in ((0, 1), (32, 1), (33, 2), (64, 2), (80, 3)):
        coded = member(TEXT[:size], 16)
        assert len(reader.read(coded)) == members
        assert ncz.decompress(coded) == TEXT[:size]


def test_progress_and_stats() -> None:
    seen: list[Progress] = []
    coded = io.BytesIO()
    options = CompressOptions(level=1, block_size=1024)
    stats = compress_stream(io.BytesIO(bytes(3000)), coded, options, seen.append)
    assert stats == type(stats)(3000, len(coded.getvalue()), 3)
    assert seen[-1] == Progress(3000, stats.coded_size, 3)
    seen.clear()
    coded.seek(0)
    stats = decompress_stream(coded, None, progress=seen.append)
    assert stats == type(stats)(3000, len(coded.getvalue()), 3)
    assert [progress.bytes_out for progress in seen] == [1024, 2048, 3000]


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "growing.log"
    path.write_bytes(bytes(3000))
    coded = io.BytesIO()

    def grow(progress: Progress) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with path.open("rb") as src, pytest.raises(NczError, match=r"growing.log changed while"):
        compress_stream(src, coded, CompressOptions(level=1, block_size=1024), grow)
    with pytest.raises(ncz.TruncatedError):
        ncz.decompress(coded.getvalue())


def test_a_file_that_only_gets_another_time_is_noticed_too(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(3000))
    with path.open("rb") as src, pytest.raises(NczError, match="changed"):
        compress_stream(
            src,
            io.BytesIO(),
            CompressOptions(level=1, block_size=1024),
            lambda progress: os.utime(path, (1, 1)),
        )


def test_errors_of_the_streams_pass() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        compress_stream(io.BytesIO(TEXT), Full(), CompressOptions(level=1))
    with pytest.raises(OSError, match="No space"):
        decompress_stream(io.BytesIO(member(TEXT)), Full())


def test_max_output() -> None:
    coded = member(TEXT, 16)
    assert ncz.decompress(coded, max_output=len(TEXT)) == TEXT
    out = io.BytesIO()
    with pytest.raises(OutputLimitError, match="larger than the limit of 40 bytes"):
        decompress_stream(io.BytesIO(coded), out, DecompressOptions(max_output=40))
    assert out.getvalue() == b"", "the tail says it before a block is decoded"
    with pytest.raises(OutputLimitError):
        decompress_stream(Pipe(coded), out, DecompressOptions(max_output=40))  # type: ignore[arg-type]
    assert out.getvalue() == TEXT[:32], "a pipe is read until it is too much"


def test_memory_limit() -> None:
    coded = member(TEXT, 16)
    assert ncz.decompress(coded, memlimit=1 << 30) == TEXT
    with pytest.raises(MemoryLimitError):
        ncz.decompress(coded, memlimit=1000)
    with pytest.raises(MemoryLimitError):
        ncz.open(io.BytesIO(coded), memlimit=1000)
    with pytest.raises(MemoryLimitError):
        compress_stream(io.BytesIO(), io.BytesIO(), CompressOptions(level=1, memlimit=1000))


def test_fewer_threads_keep_the_memory_limit() -> None:
    assert fit_threads(8, 100, 10, None) == 8
    assert fit_threads(8, 100, 10, 8 * 100 + 10 * 20) == 8
    assert fit_threads(8, 100, 10, 8 * 100 + 10 * 20 - 1) == 7
    assert fit_threads(8, 100, 10, 140) == 1
    assert fit_threads(0, 100, 10, None) >= 1
    with pytest.raises(MemoryLimitError) as caught:
        fit_threads(8, 100, 10, 139)
    assert (caught.value.needed, caught.value.limit) == (140, 139)


def test_an_unknown_coder_is_refused_before_anything_is_decoded() -> None:
    spec = header.CoderSpec(77)
    coded = header.pack(header.Header((header.CoderSpec(0), spec), 10)) + member(TEXT)[30:]
    with pytest.raises(UnsupportedError, match="coder 77"):
        ncz.decompress(coded)


@pytest.mark.parametrize(
    "wrong",
    [{"level": 0}, {"level": 10}, {"threads": -1}, {"block_size": 1023}, {"block_size": 2**30 + 1}],
)
def test_options_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"not -?\d+"):
        CompressOptions(**wrong)
    with pytest.raises(ValueError, match=r"not -?\d+"):
        ncz.compress(b"", **wrong)
