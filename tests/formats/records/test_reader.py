"""Single records of files: over blocks and members, and what is said where there are none."""

import io

import pytest

import ncz
from ncz.codec.errors import CorruptBlock, NczError
from ncz.formats.options import CompressOptions, DecompressOptions
from ncz.formats.records.coder import RecordsCoder
from ncz.formats.records.reader import RecordReader
from ncz.models.circuit import files
from tests import circuits
from tests.formats.making import by_options

RAW = circuits.pixels(500, seed=2)


@pytest.fixture
def options(tmp_path, monkeypatch) -> CompressOptions:
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    circuit = circuits.saved(tmp_path, circuits.of_pixels())
    return CompressOptions(level=2, block_size=1024, circuit=circuit, only=True)


def record(number: int) -> bytes:
    return RAW[6 * number : 6 * number + 6]


def test_records_are_numbered_over_blocks_and_members(options):
    coded = by_options(RAW, options) + by_options(RAW[:12], options)
    reader = RecordReader(io.BytesIO(coded))
    assert len(reader) == 502
    for number in (0, 499, 170, 169, 333, 3):
        assert reader[number] == record(number)
    assert [reader[500], reader[501]] == [record(0), record(1)]
    assert b"".join(reader.read(168, 172)) == RAW[168 * 6 : 172 * 6]
    assert b"".join(reader.read(498, None)) == RAW[498 * 6 :] + RAW[:12]
    assert list(reader.read(5, 5)) == []
    assert [reader[-1], reader[-502]] == [RAW[6:12], record(0)]
    assert b"".join(reader) == RAW + RAW[:12]
    for number in (502, 1 << 60, -503):
        with pytest.raises(IndexError):
            reader[number]


def test_a_block_is_opened_once(options, monkeypatch):
    opened = []
    open_ = RecordsCoder.open
    monkeypatch.setattr(RecordsCoder, "open", lambda *of: opened.append(of[1]) or open_(*of))
    reader = RecordReader(io.BytesIO(by_options(RAW, options)))
    assert len(ncz.info(by_options(RAW, options)).blocks) == 3
    for number in (0, 499, 200, 1, 498, 201):
        assert reader[number] == record(number)
    assert len(opened) == 3


def test_from_python_by_names(options, tmp_path, monkeypatch):
    path = tmp_path / "a.ncz"
    path.write_bytes(ncz.compress(RAW, 2, circuit=options.circuit))
    assert ncz.info(path).blocks[0].coder == "circuit my"
    with ncz.open_records(path) as reader:
        assert reader[17] == record(17)
    with pytest.raises(ValueError, match="closed"):
        reader[17]
    with path.open("rb") as file:
        with ncz.open_records(file) as reader:
            assert len(reader) == 500
        assert not file.closed
    with pytest.raises(ncz.ModelError, match="nothing is no circuit"):
        ncz.compress(RAW, 2, circuit="nothing")
    with pytest.raises(ncz.ModelError, match="nothing is no circuit"):
        ncz.open_records(path, circuit="nothing")
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(files, "_offered", {})
    monkeypatch.setattr(files, "_ready", {})
    with pytest.raises(ncz.ModelMissing):
        ncz.open_records(path)[17]
    with ncz.open_records(path, circuit=options.circuit) as reader:
        assert reader[17] == record(17)


def test_blocks_behind_the_wanted_one_are_not_read(options):
    coded = bytearray(by_options(RAW, options))
    last = ncz.info(bytes(coded)).blocks[-1]
    coded[last.offset + last.size - 1] ^= 1
    reader = RecordReader(io.BytesIO(coded))
    assert reader[200] == record(200)
    with pytest.raises(CorruptBlock, match=f"block {last.index}"):
        reader[499]


def test_an_empty_file_has_no_records():
    reader = RecordReader(io.BytesIO(ncz.compress(b"", level=1)))
    assert len(reader) == 0
    with pytest.raises(IndexError):
        reader[0]


def test_what_is_not_coded_as_records_is_named():
    reader = RecordReader(io.BytesIO(ncz.compress(RAW, level=1)))
    with pytest.raises(NczError, match=r"block 0 is not coded as records, but by .*--range"):
        reader[0]


def test_a_limit_of_memory_holds(options):
    coded = by_options(RAW[:600], options)
    for limit in (1 << 20, 1 << 40):
        reading = DecompressOptions(memlimit=limit)
        if limit == 1 << 20:
            with pytest.raises(ncz.MemoryLimitError):
                RecordReader(io.BytesIO(coded), reading)[0]
        else:
            assert RecordReader(io.BytesIO(coded), reading)[7] == record(7)
