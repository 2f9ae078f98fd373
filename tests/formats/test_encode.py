"""Where blocks of records end, who codes them, and what a header says of it."""

import io
from unittest import mock

import pytest

import ncz
from ncz.codec.errors import DoesNotFit, ModelError, ModelMissing, NczError
from ncz.formats import coders, index, levels, sections
from ncz.formats.encode import Encoder
from ncz.formats.options import CompressOptions
from ncz.formats.records.coder import RecordsCoder
from tests import circuits
from tests.formats.making import by_options

RAW = circuits.pixels(500, seed=2)  # records of 6 bytes, of which 170 are 1020
ROWS = circuits.rows(200, seed=2)
WITHIN, NAMED = "circuit within", "circuit my"


@pytest.fixture
def pixels(tmp_path, monkeypatch) -> CompressOptions:
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    return CompressOptions(
        level=2, block_size=1024, circuit=circuits.saved(tmp_path, circuits.of_pixels())
    )


@pytest.fixture
def rows(tmp_path, monkeypatch) -> CompressOptions:
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    circuit = circuits.saved(tmp_path, circuits.of_rows())
    return CompressOptions(level=2, block_size=1024, circuit=circuit, only=True)


def changed(options: CompressOptions, **fields: object) -> CompressOptions:
    return CompressOptions(**{**vars(options), **fields})  # type: ignore[arg-type]


def sizes(coded: bytes) -> list[int]:
    return [block.raw_size for block in index.load(io.BytesIO(coded)).blocks]


def used(coded: bytes) -> set[str]:
    return {block.coder for block in ncz.info(coded).blocks}


def listed(coded: bytes) -> list[str]:
    return [coder.name for coder in ncz.info(coded).members[0].coders]


def test_blocks_end_with_records(pixels):
    coded = by_options(RAW, pixels)
    assert sizes(coded) == [1020, 1020, 960]
    assert used(coded) == {NAMED}
    assert index.load(io.BytesIO(coded)).members[0].header.block_size == 1024
    assert ncz.decompress(coded) == RAW


def test_blocks_of_a_table_end_with_lines(rows):
    coded = by_options(ROWS, rows)
    at, found = 0, sizes(coded)
    for size in found[:-1]:
        at += size
        assert ROWS[at - 1 : at] == b"\n" and size <= 1024
    assert len(found) > 2
    assert ncz.decompress(coded) == ROWS


@pytest.mark.parametrize("size", [0, 1, 5, 6, 1020, 1023, 1024, 1025, 1026, 2040, 2044, 2048])
def test_around_the_size_of_a_block(pixels, size):
    raw = RAW[:size]
    coded = by_options(raw, pixels)
    assert ncz.decompress(coded) == raw
    found = sizes(coded)
    assert sum(found) == size
    assert found[:-1] == [1020] * (len(found) - 1), "all but the last end with a record"
    assert len(found) == (size > 0) if size <= 1024 else len(found) >= 2
    header = index.load(io.BytesIO(coded)).members[0].header
    assert header.block_size == (max(1, size) if size <= 1024 else 1024)


@pytest.mark.parametrize("step", [1, 7, 1020, 1024, 1025, 3000])
def test_the_bytes_do_not_hang_on_how_content_comes(pixels, step):
    encoder = Encoder.of(pixels)
    pieces = [encoder.feed(RAW[at : at + step]) for at in range(0, len(RAW), step)]
    found = b"".join(b"".join(piece) for piece in (*pieces, encoder.finish()))
    assert found == by_options(RAW, pixels)


@pytest.mark.parametrize("content", [RAW, RAW[:1024], RAW[:100]])
def test_the_bytes_do_not_hang_on_threads(pixels, content):
    expected = by_options(content, pixels)
    assert by_options(content, changed(pixels, threads=2)) == expected
    assert by_options(content, changed(pixels, threads=3, verify=True)) == expected


@pytest.mark.slow
def test_the_bytes_do_not_hang_on_processes(pixels, rows):
    with ncz.workers(processes=2) as crew:
        for options, content in ((pixels, RAW), (rows, ROWS)):
            assert by_options(content, options, crew) == by_options(content, options)
        assert ncz.decompress(by_options(RAW, pixels), crew=crew) == RAW


def test_workers_are_told_little(pixels):
    """Layouts of wide tables are large, and where to cut is not theirs to know."""
    encoder = Encoder.of(pixels)
    plan = encoder._working()._work.args[0]  # type: ignore[attr-defined]
    assert plan.cut is None and plan.coders == encoder._plan.coders


def test_a_record_larger_than_a_block(tmp_path, monkeypatch):
    from ncz.formats.records.fixed import Field, Fixed

    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))
    layout = Fixed((Field("u1", 1500),))
    path = circuits.saved(tmp_path, circuits.of(layout, bytes(range(250)) * 24))
    options = CompressOptions(level=2, block_size=1024, circuit=path)
    raw = bytes(range(250)) * 12
    coded = by_options(raw, options)
    assert sizes(coded) == [1024, 1024, 952]
    assert ncz.decompress(coded) == raw
    with pytest.raises(NczError, match="not the records"):
        by_options(raw, changed(options, only=True))


def test_a_circuit_stands_in_the_block_where_it_is_worth_it(pixels):
    raw = circuits.pixels(30_000, seed=2)
    coded = by_options(raw, changed(pixels, block_size=None))
    assert used(coded) == {WITHIN}
    assert ncz.info(coded).members[0].models == ()
    assert ncz.decompress(coded) == raw
    assert NAMED not in listed(coded)


def test_a_circuit_is_named_where_it_is_not(pixels):
    coded = by_options(RAW, changed(pixels, block_size=None))
    assert used(coded) == {NAMED}
    assert WITHIN not in listed(coded)
    (model,) = ncz.info(coded).members[0].models
    assert model.name == "my"


def test_a_file_that_the_circuit_is_not_used_for_does_not_name_it(pixels):
    raw = b"some text, and more of it\n" * 20
    assert by_options(raw, pixels) == ncz.compress(raw, 2, block_size=1024)
    options = changed(pixels, block_size=None)
    assert ncz.info(by_options(raw, options)).members[0].models == ()


@pytest.mark.parametrize("count", [1, 2, 170, 171, 341])
def test_only_the_circuit_may_code_whatever_it_takes(pixels, count):
    """Blocks of one record, too, for which storing takes less."""
    options = changed(pixels, only=True)
    raw = RAW[: 6 * count]
    coded = by_options(raw, options)
    assert used(coded) == {NAMED}
    assert "contextmix" not in " ".join(listed(coded))
    assert ncz.decompress(coded) == raw


def test_only_the_circuit_in_all_blocks_though_the_last_is_short(pixels):
    raw = circuits.pixels(30_000, seed=2) + RAW[:6]
    coded = by_options(raw, changed(pixels, only=True, block_size=180_000))
    assert used(coded) == {NAMED}
    assert sizes(coded) == [180_000, 6]


@pytest.mark.parametrize("raw", [b"no pixels", bytes(5)])
def test_only_the_circuit_or_an_error(rows, raw):
    with pytest.raises(NczError, match="not the records that the circuit is for"):
        by_options(raw, rows)


def test_nothing_is_coded_by_anything(pixels):
    assert ncz.decompress(by_options(b"", changed(pixels, only=True))) == b""


@pytest.mark.parametrize("count", [500, 30_000])
def test_the_first_block_is_coded_once(pixels, monkeypatch, count):
    coded = []
    encode = RecordsCoder.encode
    monkeypatch.setattr(
        RecordsCoder, "encode", lambda self, raw: coded.append(len(raw)) or encode(self, raw)
    )
    raw = circuits.pixels(count, seed=2)
    made = by_options(raw, changed(pixels, block_size=180_000))
    assert coded == sizes(made)
    assert ncz.decompress(made) == raw


def test_several_members(pixels):
    with mock.patch.object(sections, "MEMBER_BLOCKS", 2):
        coded = by_options(RAW, pixels)
    assert len(index.load(io.BytesIO(coded)).members) == 2
    assert sizes(coded) == [1020, 1020, 960]
    assert ncz.decompress(coded) == RAW


def test_what_does_not_come_back_is_not_written(pixels, monkeypatch):
    monkeypatch.setattr(RecordsCoder, "decode", lambda self, coded, raw_size: bytes(raw_size))
    with pytest.raises(NczError, match="did not come back"):
        by_options(RAW, changed(pixels, verify=True))


def test_a_limit_of_memory_that_cannot_be_kept(pixels):
    with pytest.raises(ncz.MemoryLimitError):
        by_options(RAW, changed(pixels, memlimit=1 << 20))
    assert levels.plan(2, circuit=pixels.circuit).memory > 40 * (4 << 20)


def test_going_on_is_refused(pixels):
    with pytest.raises(DoesNotFit):
        Encoder.of(pixels, kept=io.BytesIO(by_options(RAW, pixels)))


def test_a_circuit_that_is_lost_is_missed(pixels, tmp_path, monkeypatch):
    from ncz.models.circuit import files

    coded = by_options(RAW, pixels)
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(files, "_offered", {})
    monkeypatch.setattr(files, "_ready", {})
    with pytest.raises(ModelMissing, match="say where its file is with: --model FILE"):
        ncz.decompress(coded)
    assert ncz.info(coded).members[0].models[0].name == "my"
    files.offer(tmp_path / "my.circuit")
    assert ncz.decompress(coded) == RAW


def test_a_circuit_of_no_records_is_refused(tmp_path, monkeypatch):
    from ncz.models.circuit import exact

    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    codes = exact.parse(circuits.of_pixels())
    data = exact.to_bytes(exact.Codes(**{**vars(codes), "notes": {}}))
    with pytest.raises(ModelError, match="does not say what its records are"):
        coders.circuit(circuits.saved(tmp_path, data))
